"""Loops that are split between threads, and the number of these threads.

    @njit(**LOOP)
    def loop(first, stop, x, y):       its iterations first … stop − 1 are independent
        for i in range(first, stop): …

    run(loop, iterations, nanoseconds, x, y)   all iterations, split between the threads

    run_flat(loop, nanoseconds, x, y, 0.5)     a loop(x, y, factor) over all numbers of x and y;
                                               each thread gets its part of these arrays

    run_pair(work)        work(0) and work(1) in parallel; the loops of each get half of the threads

A compiled loop releases Python's GIL while it runs (nogil in flags.py), so Python's plain threads
are enough.  Numba has threads of its own, but compiling for them is slow: the first step of AlexNet
took 39 seconds of processor time with them, and takes 19 without.

Waking a sleeping thread takes longer than many a small loop (0.04 to 0.1 ms on a virtual machine).
So a short loop runs only on the calling thread.  In a longer one a worker gets fewer iterations
than the caller, so that all end together.  (A ReLU's backward of a million numbers took 0.34 ms
with equal parts, and takes 0.24; on one thread, 0.28.)  An iteration computes the same on every
thread, so the number of threads changes no result.

`count` is the number of threads: MINICNN_THREADS, else NUMBA_NUM_THREADS, else one per processor.

    piece     one call of a loop.  The calling thread does the first piece, then every piece that
              no worker has begun.  So it waits for running pieces, never for a worker to wake up
    worker    a thread that does pieces; there is one fewer than `count`
    queue     where a worker waits for pieces
    team      the threads that run the loops of the current code: all, or half of them

What may happen meanwhile:

(a) Ctrl-C, or another exception of a signal handler, between any two instructions of Python.  The
    caller gets it as soon as no worker is doing a piece; pieces not begun are dropped.
(b) A fork.  The child has none of its parent's workers, and starts its own.
(c) The end of Python.  Workers stop; the calling thread does all pieces itself.

Because of (a), threads share only locks, lists, dictionaries and queues written in C, whose changes
are atomic.  The standard library's ThreadPoolExecutor has a lock written in Python (its idle
semaphore) and deadlocked after a few hundred interrupts; it was no faster.
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

from . import buffers

WORTH_WAKING = 250_000  # nanoseconds of work
WAKE_TIME = 80_000  # nanoseconds until a worker is awake

count = numba.config.NUMBA_NUM_THREADS
queues = {}  # a worker's number → its queue
team = contextvars.ContextVar("team", default=(0, 0))  # times halved, and its first thread


def use(threads):
    """Use this many threads from now on.

    Raises ValueError unless it is a whole number from 1 to Numba's limit: the number of processors,
    or MINICNN_THREADS if that was set when minicnn.fast was imported.
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
    """Return how many threads a loop gets if this code calls it.

    It is one while a debugger or step.py traces this thread.
    """
    halved, _ = team.get()
    return 1 if sys.gettrace() else max(1, count >> halved)


def run(loop, iterations, nanoseconds, *arguments, workspace=None):
    """Run all iterations of a loop; `nanoseconds` is a rough estimate of its time on one thread.

    In a nanosecond a thread does some 40 multiply-adds of a product, or 4 numbers of a ReLU.  If
    there is a `workspace`, the loop gets its thread's row of it as the last argument.
    """
    parts = split(iterations, nanoseconds)
    rows = [()] * len(parts) if workspace is None else [(row,) for row in workspace]
    run_parallel(loop, [(*part, *arguments, *row) for part, row in zip(parts, rows, strict=False)])


def run_flat(loop, nanoseconds, *arguments):
    """Run a loop over all numbers of arrays that have one axis and the same size."""
    parts = split(arguments[0].size, nanoseconds)
    if len(parts) == 1:
        loop(*arguments)
        return
    cuts = [slice(*part) for part in parts]
    run_parallel(loop, [[a[cut] if np.ndim(a) else a for a in arguments] for cut in cuts])


def split(iterations, nanoseconds):
    """Return (first, stop), the iterations of each thread, such that all threads end together."""
    n = team_size() if nanoseconds > WORTH_WAKING else 1
    if n == 1:
        return [(0, iterations)]
    head_start = iterations * min(1, WAKE_TIME / max(nanoseconds, 1))  # done before workers begin
    callers = round((iterations + (n - 1) * head_start) / n)
    cuts = [0, *(callers + (iterations - callers) * i // (n - 1) for i in range(n))]
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def run_pair(work):
    """Return work(0) and work(1), computed in parallel, each by half of the team.

    They run one after the other if the team has an odd number of threads, or if a debugger or
    step.py traces this thread.
    """
    n, (halved, first) = team_size(), team.get()
    if n % 2 or sys.gettrace():
        return work(0), work(1)
    results = [None, None]

    def half(number):
        team.set((halved + 1, first + number * n // 2))  # in a context of its own, see below
        results[number] = work(number)

    contexts = contextvars.copy_context(), contextvars.copy_context()  # C code exits them: see (a)
    calls = [(context, half, number) for number, context in enumerate(contexts)]
    run_parallel(contextvars.Context.run, calls, apart=n // 2)
    return tuple(results)


def run_parallel(loop, calls, apart=1):
    """Call a loop with each tuple of `calls`, the first in this thread, the others in workers.

    Call i goes to thread i · apart of the team.  With apart=1 these are consecutive; run_pair skips
    the threads of the first half, so that its second call goes to the first thread of the other.

    When all calls have ended, raises the first of their errors.
    """
    if len(calls) == 1:
        loop(*calls[0])
        return
    _, first = team.get()
    workers = [first + apart * number - 1 for number in range(1, len(calls))]
    if len(queues) <= workers[-1]:
        start_workers(workers[-1] + 1)
    pieces = [Piece(loop, arguments) for arguments in calls]
    try:
        for worker, piece in zip(workers, pieces[1:], strict=True):
            if worker in queues:
                queues[worker].put(piece)
        for piece in pieces:
            piece.do()
        join(pieces)
    except BaseException:  # Ctrl-C has to wait too
        join(pieces)
        raise
    errors = [piece.error for piece in pieces if piece.error is not None]
    if errors:
        for piece in pieces:
            piece.error = None  # its traceback holds frames, which hold the piece and arrays
        try:
            raise errors[0]
        finally:
            del errors


class Piece:
    """One call of a loop, done once, by whichever thread comes first."""

    __slots__ = "call", "received", "ended", "end_lock", "error"

    def __init__(self, loop, arguments):
        self.call = [(loop, arguments)]  # only the first pop from a list of one succeeds
        self.received = self.ended = False  # set by a worker, even one too late to do the call
        self.end_lock = allocate_lock()  # held until `ended`
        self.end_lock.acquire()
        self.error = None

    def do(self, caught=Exception):
        """Do the call unless another thread has begun it; keep an exception of type `caught`."""
        try:
            loop, arguments = self.call.pop()
        except IndexError:
            return
        try:
            loop(*arguments)
        except caught as error:
            self.error = error


def join(pieces):
    """Drop the pieces not begun, and wait for those begun: they may still write into arrays."""
    try:
        release_locks()
        for piece in pieces:
            piece.call.clear()
            while piece.received and not piece.ended:
                piece.end_lock.acquire()
    except BaseException:
        join(pieces)
        raise


def start_workers(n):
    """Start workers until there are n, or as many as the system allows.

    threading.Thread would wait for its thread to start, for ever if Python is ending.  There is no
    lock: if two threads start the same worker at the same time, one of the two workers is stopped.
    """
    for worker in range(n):
        if worker not in queues:
            pieces = queue.SimpleQueue()
            try:
                start_new_thread(work, (pieces,))
            except RuntimeError:
                return
            if queues.setdefault(worker, pieces) is not pieces:
                pieces.put(None)


def work(pieces):
    """Do the pieces of a worker's queue, until None comes."""
    while piece := pieces.get():
        piece.received = True
        piece.do(BaseException)
        piece.ended = True
        piece.end_lock.release()
        del piece  # and its arrays, before waiting: buffers.py reuses what nothing else holds


def release_locks():
    """Release the locks that this thread still holds because Ctrl-C came while it took them.

    This thread neither compiles now nor takes a buffer, and a worker that has to would wait for
    ever.  (In Python 3.14, Ctrl-C may come after `with lock` has the lock, and before it is sure to
    release it.)
    """
    for lock in (*COMPILER_LOCKS, buffers.lock):
        while lock._is_owned():
            lock.release()


def compiler_locks():
    """Return the locks of Numba and llvmlite that are acquired in Python code."""
    try:
        return global_compiler_lock._lock, ffi.lib._lock._lock
    except AttributeError:  # a version with other locks
        return ()


COMPILER_LOCKS = compiler_locks()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=queues.clear)  # a child has none of its parent's threads


def parts_per_task(tasks):
    """Return how many parts to cut each of `tasks` equal tasks into so that all threads do the same
    amount.  With 2 threads, 3 tasks are cut into 2 parts each, and 4 tasks are left whole."""
    n = team_size()
    return n // math.gcd(n, tasks)


def count_from_environment():
    """Return the value of MINICNN_THREADS, or None; at most the threads that Numba has prepared."""
    text = os.environ.get("MINICNN_THREADS")
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"MINICNN_THREADS is {text!r}; expected a whole number of at least 1")
    return min(int(text), numba.config.NUMBA_NUM_THREADS)  # fewer if Numba was imported before


if count_from_environment():
    use(count_from_environment())
