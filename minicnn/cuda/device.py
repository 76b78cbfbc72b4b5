"""Where arrays live: to_device copies them to the GPU's memory, to_host copies them back.

Every layer accepts host arrays and copies them first; what it returns is on the device.

Training batches go through `feed`: "the training of the network on one batch" and the preparation
of the next run at the same time (Section 4.1), and so does the copy between them.

    pinned    host memory that the operating system never moves; only from there can the GPU copy
              while the host goes on
"""

from typing import Protocol, runtime_checkable

import numpy as np

from ..reference import device as reference
from . import gpu
from .buffers import empty, memory
from .gpu import described, ready, synchronize as wait

__all__ = [
    "LOOK_EVERY", "capacity", "collect", "deliver", "described", "feed", "is_on_device", "memory",
    "ready", "to_device", "to_host", "wait",
]  # fmt: skip

staging = {}  # stream, length and type → pinned memory for `collect` and `deliver`
LOOK_EVERY = 16  # steps between checks of the loss; each makes the host wait for the GPU


def capacity():
    """Return the bytes of all GPUs in use; of two that differ, twice those of the smaller one."""
    devices = set(gpu.chosen) or {gpu.current.device}
    return min(map(gpu.total_memory, devices)) * len(devices)


def to_device(x):
    """Return x on the current device: x itself if it is there, else a copy.

    Raises ValueError for a slice of a device array that has gaps in memory: kernels cannot read it.
    """
    if is_on_device(x) and not x.is_c_contiguous():
        raise ValueError(
            f"to_device: an array of shape {tuple(x.shape)} on the GPU has gaps in memory, as a "
            "slice has; slice it on the host, with to_host(x)[…]"
        )
    if is_on_device(x) or not hasattr(x, "shape"):  # the layers' checks refuse what is no array
        return x
    array = empty(x.shape, x.dtype)
    if array.size:
        x_flat = np.ascontiguousarray(x).reshape(-1)  # an axis of size 1 may have any stride
        flat(array).copy_to_device(x_flat, stream=gpu.stream())
    return array


def to_host(x):
    """Return x as a NumPy array, after all work in the stream of x is done.

    A copy to memory that is not pinned is complete when the call returns, whatever its stream.
    """
    if not is_on_device(x):
        return x
    return x.copy_to_host(stream=x.stream or gpu.stream())


def flat(x):
    """Return a device array as a flat view.

    An empty array stays as it is: Numba cannot always reshape it, and no kernel will read it.
    """
    return x.reshape(x.size) if x.size else x


@runtime_checkable
class DeviceArray(Protocol):
    """An array in a GPU's memory, of any class that can be copied to the host."""

    def copy_to_host(self): ...


def is_on_device(x):
    """Return whether x is an array in a GPU's memory."""
    return hasattr(x, "copy_to_host")


def feed(batches):
    """Yield (x, labels) with x on the device; each x is valid until the next one comes.

    While the GPU works on one batch, the next is copied in a stream of its own.  Two pinned buffers
    alternate: the GPU may still read one while the host fills the other.

    Parameters
    ----------
    batches : iterable of (x, labels)
        x is a NumPy array; labels stay where they are.
    """
    copy_stream = gpu.stream_for("batches")
    pinned = [{}, {}]  # shape and type → pinned memory
    copy_events = [None, None]  # events: the GPU has read the buffer
    upcoming = None  # the next batch, while it is copied
    for number, (x, labels) in enumerate(batches):
        slot = number % 2
        if copy_events[slot]:
            copy_events[slot].synchronize()
        buffer = pinned[slot].setdefault((x.shape, x.dtype), None)
        if buffer is None:
            buffer = pinned[slot][x.shape, x.dtype] = gpu.cuda.pinned_array(x.shape, x.dtype)
        buffer[...] = x
        work_so_far = gpu.record_event()  # may still use the memory that `empty` returns
        with gpu.use(gpu.current.device, copy_stream):
            gpu.wait_event(work_so_far)
            array = empty(x.shape, x.dtype)
            if array.size:
                array.copy_to_device(buffer, stream=copy_stream)
            copy_events[slot] = gpu.record_event()
        if upcoming:
            yield wait_for_copy(*upcoming)
        upcoming = array, labels, copy_events[slot]
        del array  # a reference here would keep its memory in use
    if upcoming:
        yield wait_for_copy(*upcoming)


def wait_for_copy(array, labels, event):
    """Return (array, labels); later work in the current stream waits for the copy."""
    gpu.wait_event(event)
    return array, labels


def collect(arrays, factor=1):
    """Return arrays of one type as one flat array on the host, times a factor."""
    staged = pinned_memory(sum(array.size for array in arrays), arrays[0].dtype)
    for array, part in zip(arrays, reference.deliver(staged, arrays), strict=True):
        flat(to_device(array)).copy_to_host(part.reshape(-1), stream=gpu.stream())
    wait()
    return staged * staged.dtype.type(factor)


def deliver(whole, arrays):
    """Return the parts of a flat array, in the shapes of these arrays: the inverse of collect.

    The copies are complete before the next `collect` in this stream returns.
    """
    staged = pinned_memory(whole.size, whole.dtype)
    staged[...] = whole
    return [to_device(part) for part in reference.deliver(staged, arrays)]


def pinned_memory(length, dtype):
    """Return pinned memory, the same for each call in this stream."""
    key = gpu.stream(), length, np.dtype(dtype)
    if key not in staging:
        staging[key] = gpu.cuda.pinned_array(length, dtype)
    return staging[key]
