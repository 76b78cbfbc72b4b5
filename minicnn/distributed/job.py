"""Which job this process belongs to."""

import sys
from importlib.util import find_spec

from .alone import ALONE
from .columns import ColumnRanks
from .launch import launched
from .ranks import LIMIT, Ranks


def current_job(limit=LIMIT, in_columns=False):
    """Return the job that this process belongs to: Ranks, or ALONE; see columns.py for the other.

    Raises ValueError if several processes were started that cannot end, or do not know, one
    another: not under python -m mpi4py, or by a starter of another MPI.
    """
    rank, size = launched()
    command = " ".join(["python -m mpi4py -m minicnn", *sys.argv[1:]])
    if "mpi4py.run" in sys.modules:
        job = ColumnRanks(limit) if in_columns else Ranks(limit)
        if job.size == size or size == 1:
            return job
        advice = (
            f"its starter belongs to another MPI.  Use this one's mpiexec or, with SLURM, type "
            f"srun --mpi=pmi2 {command} (srun --mpi=list shows others)"
        )
    elif size == 1:
        return ALONE
    else:
        install = "" if find_spec("mpi4py") else "python -m pip install mpi4py mpich, then "
        advice = f"type {install}mpiexec -n {size} {command}"
    if rank:  # rank 0 says it
        raise SystemExit(1)
    raise ValueError(
        f"{size} processes have been started that do not know of one another: {advice}"
    )
