"""Loops that are split between threads, and how many threads they get.

    @njit(**LOOP)
    def loop(first, stop, x, y):       does its iterations first … stop − 1, each on data of its own
        for i in range(first, stop): …

    run(loop, turns, nanoseconds, x, y)       all iterations, each thread a part of them

    run_flat(loop, nanoseconds, x, y, 0.5)    a loop(x, y, factor) over all numbers of x and y, each
                                              thread its part of these arrays

    in_halves(work)       work(0) and work(1) at the same time; the loops of each get half of the
                          threads

A compiled loop lets go of Python's lock while it runs (nogil in flags.py), so plain threads of
Python are enough.  Numba has threads of its own, but to compile for them takes long: the first step
of AlexNet took 39 seconds of processor time with them, and takes 19 without.

Waking a sleeping thread takes longer than many a small loop (0.04 to 0.1 ms on a virtual machine).
So a loop with little to do runs on the thread that calls it, and a worker gets less to do than that
thread, to be done at the same time.  (A ReLU's backward of a million numbers took 0.34 ms with
equal parts, and takes 0.24; alone, 0.28.)  An iteration computes the same on whichever thread it
runs: so the number of threads changes no result.

`count` threads are used: as many as MINICNN_THREADS says, or NUMBA_NUM_THREADS, or one a processor.

    piece     one call of a loop.  The calling thread does the first, and then each that no worker
              has begun: so it waits for work, and never for a worker to wake up
    worker    a thread that does pieces; there is one fewer than `count`
    inbox     where a worker waits for pieces
    team      the workers for the loops of the code that is running: all, or a half of them

What may happen meanwhile:

(a) Ctrl-C, or another exception of a signal handler, between any two instructions of Python.  It
    comes through as soon as no worker is at a piece any more; pieces not begun are dropped.
(b) A fork.  The child has none of its parent's workers, and starts its own.
(c) The end of Python.  Workers stop; the calling thread does all pieces itself.

Because of (a), threads share only locks, lists, dictionaries and queues written in C: each change
of them happens as a whole.  The standard library's ThreadPoolExecutor has a lock written in Python
(its idle semaphore), and hung for good after a few hundred interrupts; it was no faster.
"""

import contextvars
import math
import operator
import os
import queue
import sys
from _thread import allocate_lock, start_new_thread

import numba
import numpy as np
from llvmlite.binding import ffi
from numba.core.compiler_lock import global_compiler_lock

WORTH_WAKING = 250_000  # nanoseconds of work
LATE = 80_000  # nanoseconds until a worker is awake

count = numba.config.NUMBA_NUM_THREADS
inboxes = {}  # place → its worker's
team = contextvars.ContextVar("team", default=(0, 0))  # how often halved, and its first inbox


def use(threads):
    """Use this many threads from now on.

    Raises ValueError for less than one, or more than there are processors; or than MINICNN_THREADS
    said when minicnn.fast was imported; and for what is not a whole number.
    """
    global count
    most = numba.config.NUMBA_NUM_THREADS
    try:
        whole = operator.index(threads)
    except TypeError:
        whole = 0
    if not 1 <= whole <= most:
        raise ValueError(f"threads = {threads!r}; expected a whole number from 1 to {most}")
    count = whole


def team_size():
    """Return how many threads a loop gets that is called here and now.

    One, while a debugger or step.py traces this thread.
    """
    halved, _ = team.get()
    return 1 if sys.gettrace() else max(1, count >> halved)


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
    late = turns * min(1, LATE / max(nanoseconds, 1))  # so many are done before workers begin
    own = round((turns + (n - 1) * late) / n)
    cuts = [0, *(own + (turns - own) * i // (n - 1) for i in range(n))]
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def in_halves(work):
    """Return work(0) and work(1), done at the same time, each by half of the team.

    They are done one after the other by a team that cannot be halved, and where something follows
    what this thread does: a debugger, or step.py.
    """
    n, (halved, first) = team_size(), team.get()
    if n % 2 or sys.gettrace():
        return work(0), work(1)
    results = [None, None]

    def half(number):
        team.set((halved + 1, first + number * n // 2))  # in a context of its own, see below
        results[number] = work(number)

    contexts = contextvars.copy_context(), contextvars.copy_context()  # C ends them: see (a)
    calls = [(context, half, number) for number, context in enumerate(contexts)]
    at_once(contextvars.Context.run, calls, apart=n // 2)
    return tuple(results)


def at_once(loop, calls, apart=1):
    """Call a loop with each of these arguments, the first in this thread, the others in workers.

    Call number i goes to the team's worker number i · apart: to one after the other, or, in
    in_halves, past those of the first half's team to the one who leads the second.

    Raises the first error of a call, when all calls are done.
    """
    if len(calls) == 1:
        loop(*calls[0])
        return
    _, first = team.get()
    places = [first + apart * number - 1 for number in range(1, len(calls))]
    if len(inboxes) <= places[-1]:
        hire(places[-1] + 1)
    pieces = [Piece(loop, arguments) for arguments in calls]
    try:
        for place, piece in zip(places, pieces[1:], strict=True):
            if place in inboxes:
                inboxes[place].put(piece)
        for piece in pieces:
            piece.do()
        end(pieces)
    except BaseException:  # Ctrl-C has to wait, too
        end(pieces)
        raise
    errors = [piece.error for piece in pieces if piece.error is not None]
    if errors:
        for piece in pieces:
            piece.error = None  # it holds the frames that hold the piece, and all of them arrays
        try:
            raise errors[0]
        finally:
            del errors


class Piece:
    """One call of a loop, done once, by whichever thread comes first."""

    __slots__ = "call", "reached", "ended", "bell", "error"

    def __init__(self, loop, arguments):
        self.call = [(loop, arguments)]  # only the first pop from a list of one succeeds
        self.reached = self.ended = False  # by a worker, even one that comes too late
        self.bell = allocate_lock()  # held until `ended`
        self.bell.acquire()
        self.error = None

    def do(self, kept=Exception):
        """Do the call, unless another thread has begun it; keep what it raises, if it is that."""
        try:
            loop, arguments = self.call.pop()
        except IndexError:
            return
        try:
            loop(*arguments)
        except kept as error:
            self.error = error


def end(pieces):
    """Drop the pieces that have not begun; return when no worker is at one: it may be writing."""
    try:
        open_locks()
        for piece in pieces:
            piece.call.clear()
            while piece.reached and not piece.ended:
                piece.bell.acquire()
    except BaseException:
        end(pieces)
        raise


def hire(n):
    """Start workers until there are n, or as many as there can be.

    threading.Thread would wait for the new thread, for ever if Python is ending.  There is no lock:
    of two threads that hire for one place at the same time, one sends its worker away again.
    """
    for place in range(n):
        if place not in inboxes:
            inbox = queue.SimpleQueue()
            try:
                start_new_thread(work, (inbox,))
            except RuntimeError:
                return
            if inboxes.setdefault(place, inbox) is not inbox:
                inbox.put(None)


def work(inbox):
    """Do what comes in, until None does."""
    while piece := inbox.get():
        piece.reached = True
        piece.do(BaseException)
        piece.ended = True
        piece.bell.release()
        del piece  # with its arrays, before it waits: buffers.py asks who holds them


def open_locks():
    """Open the locks that Ctrl-C has left closed in this thread, in the middle of compiling.

    This thread compiles nothing now, and a worker that has to would wait for ever.
    """
    for lock in COMPILERS:
        while lock._is_owned():
            lock.release()


def compilers():
    """Return those locks of Numba and llvmlite that their own Python code closes."""
    try:
        return global_compiler_lock._lock, ffi.lib._lock._lock
    except AttributeError:  # of a version that has others
        return ()


COMPILERS = compilers()

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
