"""A job of several ranks over MPI: how it starts, what it exchanges, and how it ends.

    mpiexec -n 4 python -m mpi4py -m minicnn train alexnet --data runs/photos --shards 8

Every rank runs the same command.  `python -m mpi4py` ends the whole job if one rank fails; without
it the others would wait for ever, so `current_job` refuses that.  A rank that is killed is noticed
by mpiexec, which ends the others.  A network that stalls is noticed by no one: so a rank that has
waited `limit` seconds for the others ends the job with a sentence.
"""

import contextlib
import hashlib
import math
import os
import socket
import sys
import threading
import time

import numpy as np

from .alone import Alone
from .launch import HEAD_START
from .tree import root

LIMIT = 600  # seconds; compiling or writing a checkpoint can take a minute


class Ranks(Alone):
    """All processes that one mpiexec has started.

    Parameters
    ----------
    limit : float
        Seconds that this rank waits for the others.
    """

    def __init__(self, limit=LIMIT):
        from mpi4py import MPI

        self.comm, self.limit = MPI.COMM_WORLD, limit
        self.rank, self.size = self.comm.rank, self.comm.size
        self.part, self.parts = self.rank, self.size
        self.name = f"rank {self.rank} on {socket.gethostname()}"  # for messages
        self.local_rank = self.comm.Split_type(MPI.COMM_TYPE_SHARED).rank  # within its machine

    @contextlib.contextmanager
    def waiting(self):
        """End the job if the code in this with statement takes longer than the limit."""
        timer = threading.Timer(self.limit, self.give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def give_up(self):
        """Say that the other ranks do not answer, and end this process, which ends the job."""
        time.sleep(self.rank and HEAD_START)
        sys.__stderr__.write(
            f"minicnn: {self.name} has waited {self.limit:g} seconds for the others: a machine or "
            "the network has stalled.  What was saved before is as it was; run the same command "
            "again with --resume (if mpiexec still waits for a lost machine, Ctrl-C ends it)\n"
        )
        sys.__stderr__.flush()
        os._exit(1)

    def gather(self, value):
        with self.waiting():
            return self.comm.allgather(value)

    def broadcast(self, value):
        with self.waiting():
            return self.comm.bcast(value)

    def scatter_sum(self, nodes, held, counts, dtype):
        """Return this rank's slice of the sum of all arrays, added in the order of the tree.

        Each rank receives its slice of every array (Alltoall) and adds it up, as in Krizhevsky
        (2014).  With `joined` after it, a rank sends and receives about twice its arrays.  `nodes`
        are this rank's, and are removed from their list; `held` are those of each rank, without
        arrays; `counts` are the lengths of the ranks' slices, together that of every array.
        """
        slices, starts = {}, np.cumsum([0, *counts[:-1]])
        with self.waiting():
            for place in range(max(map(len, held))):  # every rank sends one array, or none
                senders = [rank for rank in range(self.size) if place < len(held[rank])]
                sends = self.rank in senders
                sent = nodes[place][1] if sends else np.empty(0, dtype)
                received = np.empty((len(senders), counts[self.rank]), dtype)
                incoming = [counts[self.rank] * (rank in senders) for rank in range(self.size)]
                self.comm.Alltoallv(
                    [sent, (np.multiply(counts, sends), starts)],
                    [received, (incoming, np.cumsum([0, *incoming[:-1]]))],
                )
                slices |= {held[r][place]: part for r, part in zip(senders, received, strict=True)}
        nodes.clear()
        return root(slices)

    def joined(self, part, counts):
        """Return the arrays of all ranks, one after the other; `counts` are their lengths."""
        total = np.empty(sum(counts), part.dtype)
        with self.waiting():
            self.comm.Allgatherv(part, [total, (counts, np.cumsum([0, *counts[:-1]]))])
        return total


def check_data(job, photos):
    """Raise ValueError on all ranks unless they read the same data set."""
    arrays = (photos.train_x, photos.train_y, photos.test_x, photos.test_y, photos.mean)
    if job.size > 1 and (others := different(job, digest(*arrays))):
        raise ValueError(
            f"the images or labels of {others} are not those of rank 0: copy the folder from there"
        )


def warn_if_rounded(job, loss, flat):
    """Warn if the ranks have computed different bits of one step: its loss and gradients."""
    others = different(job, digest(np.array([loss]), flat))
    if others and not job.rank:
        print(
            f"minicnn: {others} computes a step to other bits than rank 0 (another processor, "
            "NumPy or number of threads): this run can be repeated to rounding, not to the bit",
            file=sys.stderr,
        )


def different(job, digest):
    """Return the names of the ranks whose digest is not that of rank 0, as a text."""
    told = job.gather((digest, job.name))
    return ", ".join(name for theirs, name in told if theirs != told[0][0])


def digest(*arrays):
    """Return a SHA-256 of arrays, or of what is indexed like them, with their shapes and types.

    Of an array of more than a gigabyte only a thousand images are read, evenly spread.
    """
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.shape} {array.dtype}".encode())
        apart = max(1, len(array) // 1000)
        read = 1 if math.prod(array.shape) * array.dtype.itemsize > 1e9 else apart
        for first in range(0, len(array), apart):
            total.update(np.ascontiguousarray(array[first : first + read]))
    return total.hexdigest()
