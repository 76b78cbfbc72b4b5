"""Where arrays live.  The CPU has one memory, so to_device and to_host return their argument.

A GPU runs asynchronously, and the host synchronizes with it as rarely as it can.  So the trainer
takes its batches through `feed`, and reads the loss only every LOOK_EVERY steps.  The CPU needs
neither.
"""

import numpy as np

LOOK_EVERY = 1  # steps between two reads of the loss


def ready():
    """Raise OSError if this backend cannot run here; this one always can."""


def wait():
    """Wait for all work that was started: on the CPU there is none."""


def memory():
    """Return the bytes of a GPU's memory in use: None, there is no GPU."""


def capacity():
    """Return the total memory of all GPUs in use, in bytes: None, there is no GPU."""


def described():
    """Return the GPU, its driver and versions in one line: None, there is no GPU."""


def to_device(x):
    """Return x."""
    return x


def to_host(x):
    """Return x."""
    return x


def feed(batches):
    """Yield (x, labels) as they come."""
    yield from batches


def collect(arrays, factor=1):
    """Return arrays of one type as one flat array on the host, times a factor."""
    flat = np.concatenate([array.ravel() for array in arrays])
    flat *= flat.dtype.type(factor)
    return flat


def deliver(flat, arrays):
    """Return the parts of a flat array, in the shapes of these arrays: the inverse of collect."""
    ends = np.cumsum([array.size for array in arrays])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]
