"""The limits of the machine: a matrix product of 2048×2048, and a copy of a large array."""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

MULTIPLIED = 2 * 2048**3  # flops of the product
COPIED = 2 * 2**28  # bytes read and written by the copy: much more than a cache holds


def square():
    return np.random.default_rng(0).standard_normal((2048, 2048), np.float32)


class Limits:
    """The limits with NumPy, with as many threads as the contestants have."""

    def wait(self):
        """Do nothing: NumPy's functions return when they have finished."""

    def operation(self, row):
        if row == "product":
            a = square()
            return partial(np.dot, a, a, out=np.empty_like(a))
        threads = int(os.environ["OMP_NUM_THREADS"])
        sources = np.array_split(np.ones(COPIED // 8, np.float32), threads)
        targets = np.array_split(np.ones(COPIED // 8, np.float32), threads)
        pool = ThreadPoolExecutor(threads)
        return lambda: list(pool.map(np.copyto, targets, sources))


class GpuLimits:
    """The limits of a GPU; the product is NVIDIA's, through PyTorch, or ours without PyTorch."""

    def __init__(self, tf32=False):
        from .. import cuda

        cuda.settings.tf32 = tf32
        self.ops, self.tf32, self.wait = cuda, tf32, cuda.device.wait

    def operation(self, row):
        to_device = self.ops.to_device
        if row == "copy":
            source = to_device(np.ones(COPIED // 8, np.float32))
            target = to_device(np.ones(COPIED // 8, np.float32))
            return partial(target.copy_to_device, source, self.ops.gpu.stream())
        torch = None
        with contextlib.suppress(ImportError):
            import torch
        if torch and torch.cuda.is_available():  # PyTorch may be built without CUDA
            torch.backends.cuda.matmul.allow_tf32 = self.tf32
            self.wait = torch.cuda.synchronize
            a = torch.from_numpy(square()).cuda()
            return partial(torch.mm, a, a)
        a = to_device(square())
        return partial(self.ops.fc_forward, a, a, to_device(np.zeros(2048, np.float32)))
