"""What two columns need of a backend, see two_columns.py.  On the CPU both columns are in one
place.

A column has the number 0 or 1.
"""

import time
from collections import namedtuple
from contextlib import contextmanager, nullcontext

import numpy as np

from .device import to_device

Columns = namedtuple("Columns", "fed at each crossing joined part added to_device")


def chosen():
    """Return the GPUs that were chosen: none."""
    return ()


def choose(gpus):
    """Raise ValueError: there is nothing to choose from.  On a GPU: return a warning, or ""."""
    numbers = ",".join(map(str, gpus))
    raise ValueError(f"--gpus {numbers}: this backend computes on the CPU; --ops cuda takes a GPU")


def unwatched(f):
    """Return f as it is."""
    return f


def on(gpus=None, watch=unwatched):
    """Return the functions below, as a named tuple; raise ValueError if GPUs are named.

    Those that do work go through watch, which may return them changed: experiments/timeline.py
    times them.  `fed` are the columns that batches go to: of two in one place, column 0.
    """
    if gpus is not None:
        choose(gpus)
    return Columns((0,), at, each, crossing, watch(joined), watch(part), watch(added), to_device)


def at(column):
    """Work where this column lives, within a with statement."""
    return nullcontext()


def each(work, what=None):
    """Return (work(0), work(1)), where work(column) does what there is to do for a column.

    `what` says what that is: equal for equal work.
    """
    return work(0), work(1)


@contextmanager
def crossing(*journeys):
    """Lend each array to another column, for a with statement: nothing has to move.

    A journey is (x, column it belongs to, column it goes to), or (x, …, …, first, C) for C channels
    of it, the first one and those behind.
    """
    yield [channels(x, *some) for x, _, _, *some in journeys]


def channels(x, first=0, C=None):
    return x if C is None else x[:, first : first + C]


def tick():
    """Return the time, for `seconds`."""
    return time.perf_counter()


def seconds(first, second):
    """Return how long it was from one tick to another."""
    return second - first


def joined(x0, x1):
    """Return one array with the channels of both."""
    return np.concatenate([x0, x1], axis=1)


def part(x, first, C):
    """Return C channels of x, as an array of their own."""
    return np.ascontiguousarray(x[:, first : first + C])


def added(dy, first, other):
    """Return other plus as many channels of dy, from the first one on."""
    return dy[:, first : first + other.shape[1]] + other
