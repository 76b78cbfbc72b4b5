"""How many threads a loop gets.

To wake a sleeping thread takes longer than many a small loop (0.1 ms on a virtual machine), so a
loop with little to do runs on the thread that calls it: one image through the four-layer network
took 0.9 ms, and 2.4 ms when every loop woke a second thread.  The numbers that come out do not
depend on it: every task computes the same, whoever takes it.

`count` threads are used: as many as MINICNN_THREADS says, but never more than Numba has made ready,
which is one a processor unless NUMBA_NUM_THREADS says something else.
"""

import math
import os

import numba

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


def run(loop, nanoseconds, *arguments):
    """Call a parallel loop; `nanoseconds` is, roughly, what it would take one thread.

    In a nanosecond a thread does some 40 multiply-adds of a product, or 4 numbers of a ReLU.
    """
    before = numba.get_num_threads()
    threads = count if nanoseconds > WORTH_WAKING else 1
    if threads == before:
        loop(*arguments)
        return
    numba.set_num_threads(threads)
    try:
        loop(*arguments)
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
