"""What mpiexec or srun says to a process, before MPI itself has started."""

import contextlib
import os
import socket
import sys
import time

from .. import console

HEAD_START = 3  # seconds in which rank 0 can report an error that all ranks meet
STARTERS = (  # the variables that hold a process's rank, and the number of ranks
    ("PMI_RANK", "PMI_SIZE"),  # MPICH and its relatives
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)


def launched():
    """Return the rank of this process and the number of ranks: 0 and 1 without mpiexec."""
    for names in STARTERS:
        rank, size = (os.environ.get(name, "") for name in names)
        if rank.isdecimal() and size.isdecimal():
            return int(rank), int(size)
    return 0, 1


@contextlib.contextmanager
def one_voice():
    """Let only rank 0 print; another rank prints its error, unless rank 0 has had one before."""
    rank, _ = launched()
    if not rank:
        yield
        return
    streams = sys.stdout, sys.stderr
    try:
        with open(os.devnull, "w", encoding="utf-8") as sys.stdout:
            sys.stderr = sys.stdout
            yield
    except KeyboardInterrupt:  # rank 0 says it
        raise SystemExit(128 + console.last_signal) from None
    except Exception:
        sys.stdout, sys.stderr = streams
        time.sleep(HEAD_START)
        print(f"rank {rank} on {socket.gethostname()}: ", end="", file=sys.stderr, flush=True)
        raise
    finally:
        sys.stdout, sys.stderr = streams


def check_command(name):
    """Raise ValueError if several ranks run a command that does not share its work over MPI."""
    rank, size = launched()
    if size > 1 and name != "train":
        if rank:  # rank 0 says it
            raise SystemExit(1)
        raise ValueError(
            f"mpiexec has started {size} processes, but {name} would do the same in all of them: "
            "start it without mpiexec"
        )
