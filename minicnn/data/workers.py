"""The processes that make shards: they start, are stopped by Ctrl-C, and may die."""

import itertools
import multiprocessing
import signal
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from ..console import interrupts
from . import shards


def make_all(todo, folder, decoding, workers, strict, files_bar):
    """Make these shards, several at a time, and advance and close the bar."""
    spawn = multiprocessing.get_context("spawn")  # the same on every system
    with unsignalled():  # multiprocessing starts a process of its own
        done, stop = spawn.Value("q", 0), spawn.Event()
    workers = max(1, min(workers, len(todo)))
    if workers > 1:
        pool = ProcessPoolExecutor(workers, spawn, shards.begin_worker, (done, stop))
    else:  # a thread is enough
        pool = ThreadPoolExecutor(1, "prepare", shards.begin_worker, (done, stop))
    at_start, waiting, rest = files_bar.n, set(), iter(todo)
    # patient, because a KeyboardInterrupt while the processes are shutting down could leave them
    # waiting for one another
    with files_bar, interrupts(patient=True) as interrupted, pool:
        try:
            while True:
                with unsignalled():  # workers start when they are needed
                    for shard in itertools.islice(rest, 2 * workers - len(waiting)):
                        waiting.add(pool.submit(shards.make, shard, folder, decoding, strict))
                if not waiting:
                    break
                finished, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()  # raises the worker's exception, if any
                files_bar.update(at_start + done.value - files_bar.n)
                if interrupted():
                    raise KeyboardInterrupt
        except RuntimeError as error:
            if interrupted():  # the signal has ended the workers, too
                raise KeyboardInterrupt from None
            if not isinstance(error, BrokenProcessPool) and "new thread" not in str(error):
                raise
            raise OSError(
                "a worker died, or could not start, perhaps for lack of memory: "
                "run the same command again to resume, with fewer --workers if necessary"
            ) from None
        finally:
            stop.set()  # after an error or Ctrl-C no worker needs to finish its shard


@contextmanager
def unsignalled():
    """Keep Ctrl-C, and the end of the terminal, from all processes that are started here.

    A process inherits the signals that are blocked, and Ctrl-C reaches it even before its first
    line of Python.  This process receives them a moment later.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
