"""The backend's part of two columns (minicnn/two_columns.py): where each works, and what crosses.

On the CPU both columns share one memory, so nothing has to move.  Column numbers are 0 and 1.
"""

import time
from collections import namedtuple
from contextlib import contextmanager, nullcontext

import numpy as np

from .device import to_device

Columns = namedtuple("Columns", "fed at each crossing joined part added to_device")


def chosen():
    """Return the chosen GPUs: none."""
    return ()


def choose(gpus):
    """Raise ValueError: there is no GPU to choose.  cuda's returns a warning, or ""."""
    numbers = ",".join(map(str, gpus))
    raise ValueError(f"--gpus {numbers}: this backend computes on the CPU; --ops cuda takes a GPU")


def unwatched(f):
    """Return f unchanged."""
    return f


def on(gpus=None, watch=unwatched):
    """Return the functions below as a named tuple; raise ValueError for any GPUs.

    `watch` wraps the functions that do work; experiments/timeline.py times them with it.  `fed` is
    the columns that get the batches: only column 0 if both share one memory.
    """
    if gpus is not None:
        choose(gpus)
    return Columns((0,), at, each, crossing, watch(joined), watch(part), watch(added), to_device)


def at(column):
    """Compute where this column lives, within a with statement."""
    return nullcontext()


def each(work, key=None):
    """Return (work(0), work(1)): one column's share of a layer each.

    `key` identifies the work: for each key, fast measures whether to run both in parallel.
    """
    return work(0), work(1)


@contextmanager
def crossing(*journeys):
    """Lend arrays to the other column within a with statement; yield them as a list.

    A journey is (x, column that owns it, column that gets it), or (x, …, …, first, C) for C of its
    channels, starting with `first`.
    """
    yield [channels(x, *selection) for x, _, _, *selection in journeys]


def channels(x, first=0, C=None):
    """Return a view of C channels of x, starting with `first`; all of them without C."""
    return x if C is None else x[:, first : first + C]


def tick():
    """Return the current time, for `seconds`."""
    return time.perf_counter()


def seconds(first, second):
    """Return the time from one tick to another."""
    return second - first


def joined(x0, x1):
    """Return one array with the channels of both columns."""
    return np.concatenate([x0, x1], axis=1)


def part(x, first, C):
    """Return a copy of C channels of x, starting with `first`."""
    return np.ascontiguousarray(x[:, first : first + C])


def added(dy, first, other):
    """Return other plus as many channels of dy, starting with `first`."""
    return dy[:, first : first + other.shape[1]] + other
