"""Loops that are shared out to the threads, and how many threads they get.

    @shared()
    def loop(x, y):                    each turn of prange computes something of its own
        for i in prange(x.size): …

    run(loop, nanoseconds, x, y)       calls it

To wake a sleeping thread takes longer than many a small loop (0.1 ms on a virtual machine), so a
loop with little to do runs on the thread that calls it: one image through the four-layer network
took 0.9 ms, and 2.4 ms when every loop woke a second thread.  Such a loop is compiled without
threads, which takes half as long.  Which of the two runs depends on the work alone, and with
threads every turn computes the same, whoever takes it: so the number of threads changes no result.

`count` threads are used: as many as MINICNN_THREADS says, but never more than Numba has made ready,
which is one a processor unless NUMBA_NUM_THREADS says something else.
"""

import math
import os
from collections import namedtuple
from types import FunctionType

import numba

from .flags import LOOP

WORTH_WAKING = 250_000  # nanoseconds

count = numba.config.NUMBA_NUM_THREADS


def use(threads):
    """Use so many threads from now on.

    Raises ValueError for less than one, or more than Numba has made ready: as many as there are
    processors, or as MINICNN_THREADS said when minicnn.fast was imported.
    """
    global count
    most = numba.config.NUMBA_NUM_THREADS
    if not 1 <= threads <= most:
        raise ValueError(f"threads = {threads}; expected a whole number from 1 to {most}")
    count = threads


Loop = namedtuple("Loop", "alone together")


def shared(**flags):
    """Return the decorator for a loop over prange, with these flags besides LOOP."""

    def compiled_twice(loop):
        together = numba.njit(**LOOP, parallel=True, **flags)(loop)
        alone = FunctionType(loop.__code__, loop.__globals__, loop.__name__)
        alone.__qualname__ = f"{loop.__qualname__}_alone"  # the name of its file in Numba's cache
        alone.__module__ = loop.__module__
        return Loop(numba.njit(**LOOP, **flags)(alone), together)  # here prange is range

    return compiled_twice


def run(loop, nanoseconds, *arguments):
    """Call a shared loop; `nanoseconds` is, roughly, what it would take one thread.

    In a nanosecond a thread does some 40 multiply-adds of a product, or 4 numbers of a ReLU.
    """
    if nanoseconds <= WORTH_WAKING:
        loop.alone(*arguments)
        return
    before = numba.get_num_threads()
    numba.set_num_threads(count)
    try:
        loop.together(*arguments)
    finally:
        numba.set_num_threads(before)


def shares(tasks):
    """Return into how many parts to cut each of so many equal tasks, so that all threads have the
    same to do: with 2 threads 3 tasks into 2 parts each, and 4 into 1."""
    return count // math.gcd(count, tasks)


def from_environment():
    """Return what MINICNN_THREADS says, or None; Numba makes as many ready when it is imported."""
    text = os.environ.get("MINICNN_THREADS")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"MINICNN_THREADS is {text!r}; expected a whole number of at least 1")
    return min(int(text), numba.config.NUMBA_NUM_THREADS)  # fewer if Numba was imported before


if from_environment():
    use(from_environment())
