"""CUDA kernels in the child process: `runner` makes a function of one, which the tutor can call.

Importing this starts the emulator and compiles a first kernel.  So the compiler is loaded before
limits begin, and the learner's code may not load libraries of its own.
"""

import numpy as np

from minicnn.cuda.gpu import cuda
from minicnn.step import step


@cuda.jit
def first_kernel(x):  # not one of minicnn.cuda, whose PTX is kept between runs
    tile = cuda.shared.array(32, np.float32)
    tile[cuda.threadIdx.x] = x[cuda.threadIdx.x]
    cuda.syncthreads()


step(first_kernel[1, 32], np.ones(32, np.float32))


def runner(kernel):
    """Return a function that launches a kernel and returns a report; see gpu_kernels.py."""

    def run(x, y, grid, block):
        x, y = x.copy(), y.copy()
        steps = step(kernel[grid, block], x, y)
        c = steps.count
        sectors, fewest = c.loaded + c.stored, c.load_fill + c.store_fill
        return y, steps.fault or "", sectors, fewest, c.turns, c.least_turns

    return run
