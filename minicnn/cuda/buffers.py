"""Arrays on the GPU that are used again: after the first step of a training nothing is allocated.

To allocate or free memory can make the whole GPU wait.  So `empty` remembers what it has given
out, and gives it out again as soon as nobody holds it any more, as fast/buffers.py does: Python
counts who does.

Work that was put into a stream before may still be using the memory when it is given out again.
That is no harm as long as what comes next goes into the same stream, because it then runs later.
So memory is kept apart for each stream: an array belongs to the stream that was current when it
was made, and knows it as `array.stream`.  Who reads it in another stream must let its own stream
wait until that is done; two_columns.py shows how.
"""

import math
import sys

import numpy as np

from .. import errors
from ..machine import MiB
from . import gpu

LARGEST = 2**31 - 1  # numbers of an array: a GPU reckons faster in 32 bits than in 64

kept = {}  # (device, stream, type, count) → its buffers, each a list: memory, its owner, holders


def empty(shape, dtype):
    """Return an array on the current device, contiguous; what stands in it is left over.

    Raises MemoryError, which says how much was needed and how much is free, if there is no more,
    and ValueError if the kernels could not count so far.
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
    entries = kept.setdefault((gpu.here.device, gpu.stream(), dtype.str, count), [])
    for entry in entries:
        if holders(entry) == entry[2]:
            break
    else:
        memory = allocate(count, dtype, shape)
        entry = [memory, owner(memory), 0]
        entry[2] = holders(entry)  # as many as there are when only this file knows it
        entries.append(entry)
    array = entry[0].reshape(shape)
    array.stream = gpu.stream()  # where copies of it go that say nothing else
    return array


def allocate(count, dtype, shape):
    """Return new memory; if there is none left, forget what nobody uses and try once more."""
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
                    f"GPU {gpu.here.device} has no {count * dtype.itemsize / MiB:,.0f} MiB left "
                    f"for {dtype} {shape}: {free / MiB:,.0f} of its {total / MiB:,.0f} MiB are "
                    "free; take a smaller batch"
                ) from error
        forget()


def forget():
    """Free what nobody holds."""
    for key, entries in list(kept.items()):
        kept[key] = [entry for entry in entries if holders(entry) > entry[2]]


def owner(memory):
    """Return the object that every array in this memory refers to."""
    return memory._ary if gpu.SIMULATED else memory.gpu_data


def holders(entry):
    """Return how many refer to a buffer: Python's count, and numba's count of slices."""
    return sys.getrefcount(entry[1]) + getattr(entry[1], "refct", 0)


def memory():
    """Return how many bytes of the current device's memory are kept, in use or free."""
    return sum(
        len(entries) * key[3] * np.dtype(key[2]).itemsize
        for key, entries in kept.items()
        if key[0] == gpu.here.device
    )
