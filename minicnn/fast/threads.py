"""Loops that are shared out to threads, and how many threads they get.

    @njit(**LOOP)
    def loop(first, stop, x, y):       does its turns first … stop − 1, each something of its own
        for i in range(first, stop): …

    run(loop, turns, nanoseconds, x, y)       all turns, each thread a part of them

    run_flat(loop, nanoseconds, x, y, 0.5)    of a loop(x, y, factor) over all numbers of x and y,
                                              each thread its part of these arrays

    in_halves(work)       work(0) and work(1) at once, whose loops get half of the threads each

While a compiled loop runs, it lets go of Python's lock (nogil in flags.py), so plain threads of
Python are enough.  Numba has threads of its own, but to compile for them takes long: the first step
of AlexNet took 39 seconds of processor time with them, and takes 19 without.

To wake a sleeping thread takes longer than many a small loop (0.04 to 0.1 ms on a virtual machine),
so a loop with little to do runs on the thread that calls it, and a helper gets less to do than that
thread, to be done at the same time.  (A ReLU's backward of a million numbers took 0.34 ms with
equal shares, and takes 0.24; alone, 0.28.)  Every turn computes the same, whoever takes it: so the
number of threads changes no result.

`count` threads are used: as many as MINICNN_THREADS says, or NUMBA_NUM_THREADS, or one a processor.

    team      the threads that the loops of one thread are shared out to: it, and helpers
    inbox     what a helper takes its calls from; a team of n has n − 1, one after the other
"""

import math
import os
import queue
import sys
import threading

import numba
import numpy as np

WORTH_WAKING = 250_000  # nanoseconds of work
LATE = 80_000  # nanoseconds until a helper is awake

count = numba.config.NUMBA_NUM_THREADS
inboxes = []  # of all helpers


class Team(threading.local):
    """The team of the thread that asks: all threads, unless it works in a half, see in_halves."""

    halved, first = 0, 0  # how often it was cut in half, and which inbox is the first of its own


team = Team()
hiring = threading.Lock()


def use(threads):
    """Use so many threads from now on.

    Raises ValueError for less than one, or more than there are processors; or than MINICNN_THREADS
    said when minicnn.fast was imported.
    """
    global count
    most = numba.config.NUMBA_NUM_THREADS
    if threads not in range(1, most + 1):
        raise ValueError(f"threads = {threads}; expected a whole number from 1 to {most}")
    count = threads


def team_size():
    """Return how many threads a loop gets that is called here and now.

    One, where somebody follows what this thread does: a debugger, or step.py.
    """
    return 1 if sys.gettrace() else max(1, count >> team.halved)


def run(loop, turns, nanoseconds, *arguments, room=None):
    """Call a loop for all of its turns; `nanoseconds` is, roughly, what it would take one thread.

    In a nanosecond a thread does some 40 multiply-adds of a product, or 4 numbers of a ReLU.  Where
    there is a `room` with a row for each thread, a thread gets its row as the last argument.
    """
    parts = shared_out(turns, nanoseconds)
    rows = [()] * len(parts) if room is None else [(row,) for row in room]
    at_once(loop, [(*part, *arguments, *row) for part, row in zip(parts, rows, strict=False)])


def run_flat(loop, nanoseconds, *arguments):
    """Call a loop over all numbers of some arrays of one axis and of the same size."""
    parts = shared_out(arguments[0].size, nanoseconds)
    if len(parts) == 1:
        loop(*arguments)
        return
    cuts = [slice(*part) for part in parts]
    at_once(loop, [[a[cut] if np.ndim(a) else a for a in arguments] for cut in cuts])


def shared_out(turns, nanoseconds):
    """Return the first turn of each thread, and where its turns stop: for all to end together."""
    n = team_size() if nanoseconds > WORTH_WAKING else 1
    if n == 1:
        return [(0, turns)]
    late = turns * min(1, LATE / max(nanoseconds, 1))  # so many are done before helpers begin
    own = round((turns + (n - 1) * late) / n)
    cuts = [0, *(own + (turns - own) * i // (n - 1) for i in range(n))]
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def in_halves(work):
    """Return work(0) and work(1), done at once, each by half of the team.

    They are done one after the other by a team that cannot be halved, and where somebody follows
    what this thread does: a debugger, or step.py.
    """
    n, halved, first = team_size(), team.halved, team.first
    if n % 2 or sys.gettrace():
        return work(0), work(1)
    results = [None, None]

    def half(number):
        before = team.halved, team.first  # of this thread
        team.halved, team.first = halved + 1, first + number * n // 2
        try:
            results[number] = work(number)
        finally:
            team.halved, team.first = before

    at_once(half, [(0,), (1,)], apart=n // 2)
    return tuple(results)


def at_once(loop, calls, apart=1):
    """Call a loop with each of these arguments, the first in this thread, each other in a helper's.

    Call number i goes to the team's helper number i · apart: to one after the other, or, in
    in_halves, past those who will help with the first half to the one who leads the second.
    """
    if len(calls) == 1:
        loop(*calls[0])
        return
    done = queue.SimpleQueue()
    places = [team.first + apart * number - 1 for number in range(1, len(calls))]
    with hiring:
        while len(inboxes) <= places[-1]:
            inboxes.append(queue.SimpleQueue())
            threading.Thread(target=help_out, args=(inboxes[-1],), daemon=True).start()
    for place, arguments in zip(places, calls[1:], strict=True):
        inboxes[place].put((loop, arguments, done))
    try:
        loop(*calls[0])
    finally:
        errors = answers(done, len(places))
    for error in errors:
        raise error


def answers(done, count):
    """Return the errors in so many answers; wait for all, for nobody may still be writing.

    Ctrl-C has to wait, too.
    """
    errors = []
    while count:
        try:
            errors.append(done.get())
            count -= 1
        except KeyboardInterrupt as interrupt:
            errors.append(interrupt)
    return list(filter(None, errors))


def help_out(inbox):
    """Do for ever what comes in."""
    while True:
        loop, arguments, done = inbox.get()
        error = None
        try:
            loop(*arguments)
        except BaseException as caught:
            error = caught
        del loop, arguments  # before anybody asks who holds these arrays, see buffers.py
        done.put(error)
        del error


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=inboxes.clear)  # a child has none of its parent's threads


def shares(tasks):
    """Return into how many parts to cut each of so many equal tasks, so that all threads have the
    same to do: with 2 threads 3 tasks into 2 parts each, and 4 into 1."""
    n = team_size()
    return n // math.gcd(n, tasks)


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
