"""Numba's simulator of a GPU, with threads that take turns.

Numba's own simulator runs all threads of a block at once, each as a Python thread, and polls them
to see whether they wait for each other.  Within `with taking_turns(): …` one thread runs at a time,
until it ends or waits in syncthreads; then the next one continues where it stopped.  That is 3 to
20 times as fast, measured with this backend's layers on a few hundred pixels, and finds more
mistakes:

    order     Blocks, and threads within a block, run in ascending order, or in descending order
              within `with last_thread_first(): …`.  If a thread writes what another one reads or
              writes, with no syncthreads between, then the two orders give different results
    NaN       Shared memory and registers hold NaN until a thread writes to them

    worker    a Python thread that runs a block's threads one after another.  A thread that waits
              keeps its worker, and another worker takes the next thread
    turn      the right to run: one worker has it, or the thread that launched the block
"""

import sys
import threading
from collections import deque
from contextlib import contextmanager

import numpy as np
from numba.cuda.simulator import kernel
from numba.cuda.simulator.kernelapi import Dim3, FakeCUDALocal, FakeCUDAShared

from .patches import patched

reverse = False  # whether blocks and threads run in reverse order

idle_workers = []  # workers without a block


@contextmanager
def taking_turns():
    """Run the threads of each block in turns; on leaving, restore Numba's simulator."""
    with (
        patched(kernel.BlockManager, "run", run_block),
        patched(FakeCUDAShared, "array", shared_array),
        patched(FakeCUDALocal, "array", local_array),
    ):
        yield


@contextmanager
def last_thread_first():
    """Run blocks and threads in reverse order."""
    global reverse
    reverse = True
    try:
        yield
    finally:
        reverse = False


class Stopped(Exception):
    """Ends a thread that waits for the others, after one of them has failed."""


class Block:
    """The threads of one block: those that have not begun, and workers that wait."""

    def __init__(self, kernel, arguments, number, threads):
        self.kernel, self.arguments, self.number = kernel, arguments, number
        self.to_begin, self.waiting = deque(threads), deque()
        self.error = None
        self.done = threading.Semaphore(0)

    def next_turn(self):
        """Give the turn to a thread that has not begun, else to the worker that waits longest.

        Once all have begun, all that are left wait in the same syncthreads, so they may go on.
        """
        if self.to_begin and not self.error:
            worker = idle_workers.pop() if idle_workers else Worker()
            worker.block = self
            worker.turn.release()
        elif self.waiting:
            self.waiting.popleft().turn.release()
        else:
            self.arguments = ()  # the last worker may keep this block a moment longer, but no array
            self.done.release()


class Worker(threading.Thread):
    """What Numba's kernels take for their thread: it has blockIdx, threadIdx and syncthreads."""

    def __init__(self):
        super().__init__(daemon=True)
        self.turn = threading.Semaphore(0)
        self.start()

    def run(self):
        while True:
            self.turn.acquire()
            block = self.block
            self.blockIdx = Dim3(*block.number)
            try:
                while block.to_begin and not block.error:
                    self.threadIdx = Dim3(*block.to_begin.popleft())
                    block.kernel(*block.arguments)
            except Exception as error:
                if not block.error:
                    error.add_note(f"in thread {self.threadIdx} of block {self.blockIdx}")
                    block.error = error
            idle_workers.append(self)
            block.next_turn()

    def syncthreads(self):
        """Let the other threads run until all have called this."""
        block = self.block
        block.waiting.append(self)
        block.next_turn()
        self.turn.acquire()
        if block.error:
            raise Stopped


def run_block(manager, number, *arguments):
    """Run one block of a kernel; if one of its threads fails, raise that thread's error."""
    threads = list(np.ndindex(*manager._block_dim))
    if reverse:
        threads.reverse()
        number = [size - 1 - n for size, n in zip(manager._grid_dim, number, strict=True)]
    block = Block(manager._f, arguments, number, threads)
    block.next_turn()
    block.done.acquire()
    if block.error:
        raise block.error


def shared_array(self, shape, dtype, alignment=None):
    """Return the shared array that belongs to the line of the kernel that requests it."""
    frame = sys._getframe(1)
    line = frame.f_code, frame.f_lineno
    if line not in self._allocations:
        self._allocations[line] = unwritten(shape, dtype)
    return self._allocations[line]


def local_array(self, shape, dtype, alignment=None):
    """Return an array of the thread that requests it."""
    return unwritten(shape, dtype)


def unwritten(shape, dtype):
    """Return an array full of NaN, or of the largest integer of the dtype."""
    dtype = np.dtype(dtype)
    return np.full(shape, np.nan if dtype.kind == "f" else np.iinfo(dtype).max, dtype)
