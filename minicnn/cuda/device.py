"""Where arrays live: to_device is the door to the GPU's memory, to_host the door back.

Every layer takes arrays of the host, too, and copies them first; what it returns is on the device.
"""

import numpy as np

from . import gpu
from .buffers import empty


def to_device(x):
    """Return x on the current device: itself if it is there already, else a copy.

    Raises ValueError for a part of an array on the device that has gaps: kernels take no such.
    """
    if on_device(x) and not x.is_c_contiguous():
        raise ValueError(
            f"to_device: an array of shape {tuple(x.shape)} on the GPU has gaps in memory, as a "
            "slice has; slice it on the host, with to_host(x)[…]"
        )
    if on_device(x) or not hasattr(x, "shape"):  # the checks have a sentence for what is no array
        return x
    array = empty(x.shape, x.dtype)
    if array.size:
        array.copy_to_device(np.ascontiguousarray(x), stream=gpu.here.stream)
    return array


def to_host(x):
    """Return x as a NumPy array; waits until all work in the current stream is done."""
    if not on_device(x):
        return x
    y = x.copy_to_host(stream=gpu.here.stream)
    if gpu.here.stream and not gpu.SIMULATED:
        gpu.here.stream.synchronize()
    return y


def flat(x):
    """Return an array of the device as one row of numbers, in the same memory.

    An empty one stays as it is: Numba cannot always reshape it, and no kernel will see it.
    """
    return x.reshape(x.size) if x.size else x


def on_device(x):
    """Return whether x is an array in a GPU's memory."""
    return hasattr(x, "copy_to_host")
