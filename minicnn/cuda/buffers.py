"""GPU arrays that are used again: after the first training step, nothing new is allocated.

Allocating or freeing memory can stall the whole GPU.  So `empty` keeps the memory of the arrays
that it has returned, and returns it again once nothing refers to it.  Python's reference count says
so, as in fast/buffers.py.

Earlier work in a stream may still use memory that is returned again.  That is safe as long as the
new work goes into the same stream, because it runs later.  So each stream has memory of its own: an
array belongs to the stream that was current when it was made, and keeps it as `array.stream`.
Whoever reads the array in another stream must make the array's own stream wait until that is done;
two_columns.py shows how.
"""

import math
import sys

import numpy as np

from .. import errors
from ..machine import MiB
from . import gpu

LARGEST = 2**31 - 1  # numbers in an array: a GPU computes indices faster in 32 bits than in 64

kept = {}  # (device, stream, dtype, size) → buffers, each a list: memory, owner, baseline holders


def empty(shape, dtype):
    """Return a contiguous array on the current device, with arbitrary content.

    Raises MemoryError, with how much was needed and how much is free, if memory runs out, and
    ValueError if the array has more numbers than kernels can count.
    """
    shape, dtype = tuple(int(size) for size in shape), np.dtype(dtype)
    count = math.prod(shape)
    if count > LARGEST:
        raise ValueError(
            f"an array of shape {shape} has {count:,} numbers; kernels count in 32 bits, up to "
            f"{LARGEST:,}: take a smaller batch"
        )
    if count == 0:
        return gpu.cuda.device_array(shape, dtype)
    entries = kept.setdefault((gpu.current.device, gpu.stream(), dtype.str, count), [])
    for entry in entries:
        if holders(entry) == entry[2]:
            break
    else:
        memory = allocate(count, dtype, shape)
        entry = [memory, owner(memory), 0]
        entry[2] = holders(entry)  # the count when only this file refers to it
        entries.append(entry)
    array = entry[0].reshape(shape)
    array.stream = gpu.stream()  # the default stream of its copies
    return array


def allocate(count, dtype, shape):
    """Return new memory; if none is left, release what is unused and try once more."""
    for attempt in (1, 2):
        try:
            return gpu.cuda.device_array(count, dtype)
        except ImportError as error:
            raise errors.GpuError(gpu.missing(error)) from error
        except Exception as error:
            if "memory" not in str(error).lower():
                raise
            if attempt == 2:
                free, total = gpu.cuda.current_context().get_memory_info()
                raise MemoryError(
                    f"GPU {gpu.current.device} has no {count * dtype.itemsize / MiB:,.0f} MiB left "
                    f"for {dtype} {shape}: {free / MiB:,.0f} of its {total / MiB:,.0f} MiB are "
                    "free; take a smaller batch"
                ) from error
        forget()


def forget():
    """Free the memory that nothing refers to."""
    for key, entries in list(kept.items()):
        kept[key] = [entry for entry in entries if holders(entry) > entry[2]]


def owner(memory):
    """Return the object that every array in this memory refers to."""
    return memory.gpu_data


def holders(entry):
    """Return the number of references to a buffer: Python's count, and Numba's count of slices."""
    return sys.getrefcount(entry[1]) + getattr(entry[1], "refct", 0)


def memory():
    """Return how many bytes of the current device's memory are kept, in use or free."""
    return sum(
        len(entries) * key[3] * np.dtype(key[2]).itemsize
        for key, entries in kept.items()
        if key[0] == gpu.current.device
    )
