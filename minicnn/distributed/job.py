"""Which job this process belongs to."""

import sys
from importlib.util import find_spec

from .alone import ALONE
from .columns import ColumnRanks
from .launch import launched
from .ranks import LIMIT, Ranks


def current_job(limit=LIMIT, in_columns=False):
    """Return the job that this process belongs to: Ranks, or ALONE; see columns.py for the other.

    Raises ValueError if mpiexec has started several ranks, but not under python -m mpi4py.
    """
    if "mpi4py.run" in sys.modules:
        return ColumnRanks(limit) if in_columns else Ranks(limit)
    rank, size = launched()
    if size == 1:
        return ALONE
    if rank:  # rank 0 says it
        raise SystemExit(1)
    install = "" if find_spec("mpi4py") else "python -m pip install mpi4py mpich, then "
    command = " ".join(["python -m mpi4py -m minicnn", *sys.argv[1:]])
    raise ValueError(
        f"mpiexec has started {size} processes that do not know of one another: type {install}"
        f"mpiexec -n {size} {command}"
    )
