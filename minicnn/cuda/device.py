"""Where arrays live: to_device is the door to the GPU's memory, to_host the door back.

Every layer takes arrays of the host, too, and copies them first; what it returns is on the device.

Batches for training take a door of their own, `feed`: "the training of the network on one batch"
and the making of the next go on at the same time (Section 4.1), and so does the copy between them.

    pinned    memory of the host that the operating system never moves: only from there can a GPU
              copy while the host goes on
"""

import numpy as np

from . import gpu
from .buffers import empty, memory
from .gpu import described, ready, wait

__all__ = [
    "LOOK_EVERY", "capacity", "described", "feed", "memory", "on_device", "ready", "to_device",
    "to_host", "wait",
]  # fmt: skip

LOOK_EVERY = 16  # steps between two looks at the loss: at each, the host waits for the GPU


def capacity():
    """Return the bytes of all GPUs in use; of two that differ, twice those of the smaller one."""
    devices = set(gpu.chosen) or {gpu.here.device}
    return min(map(gpu.total_memory, devices)) * len(devices)


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
        x_flat = np.ascontiguousarray(x).reshape(-1)  # an axis of size 1 may have any stride
        flat(array).copy_to_device(x_flat, stream=gpu.stream())
    return array


def to_host(x):
    """Return x as a NumPy array; waits until all work in the stream that x belongs to is done.

    A copy to memory that is not pinned is over when the call returns, whatever its stream.
    """
    if not on_device(x):
        return x
    return x.copy_to_host(stream=x.stream or gpu.stream())


def flat(x):
    """Return an array of the device as one row of numbers, in the same memory.

    An empty one stays as it is: Numba cannot always reshape it, and no kernel will see it.
    """
    return x.reshape(x.size) if x.size else x


def on_device(x):
    """Return whether x is an array in a GPU's memory."""
    return hasattr(x, "copy_to_host")


def feed(batches):
    """Yield (x, labels) with x on the device, where it is until the next one comes.

    The next batch is copied, in a stream of its own, while the GPU works on this one.  There are
    two pinned buffers, which take turns: one may still be read when the other is filled.

    Parameters
    ----------
    batches : iterable of (x, labels)
        x a NumPy array; labels stay where they are.
    """
    copies = gpu.stream_for("batches")
    pinned = [{}, {}]  # shape and type → pinned memory
    copied = [None, None]  # marks: when the GPU has read the buffer
    ahead = None  # the batch that is on its way
    for turn, (x, labels) in enumerate(batches):
        turn %= 2
        if copied[turn]:
            gpu.wait_for(copied[turn])
        buffer = pinned[turn].setdefault((x.shape, x.dtype), None)
        if buffer is None:
            buffer = pinned[turn][x.shape, x.dtype] = gpu.cuda.pinned_array(x.shape, x.dtype)
        buffer[...] = x
        used = gpu.mark()  # all that the GPU was asked to do so far, with the memory's last owner
        with gpu.at(gpu.here.device, copies):
            gpu.follow(used)
            array = empty(x.shape, x.dtype)
            if array.size:
                array.copy_to_device(buffer, stream=copies)
            copied[turn] = gpu.mark()
        if ahead:
            yield arrived(*ahead)
        ahead = array, labels, copied[turn]
        del array  # or its memory would have one owner more
    if ahead:
        yield arrived(*ahead)


def arrived(array, labels, mark):
    """Return (array, labels); whatever comes next on the GPU waits until the copy is done."""
    gpu.follow(mark)
    return array, labels
