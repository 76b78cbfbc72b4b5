"""Arrays that are used again: after the first step of a training, hardly anything new is allocated.

A new array of some megabytes costs more than it looks: the operating system hands it out page by
page, as each is touched for the first time, and clears it before.  So `empty` remembers what it
has given out, and gives it out again as soon as nobody holds it any more.  Python counts who does:
an array that only this file refers to is free.  What a caller keeps is never touched.
"""

import math
import sys
import threading

import numpy as np

ALIGNMENT = 64  # bytes: vectors that start at a cache line are loaded faster
FORGET = 1000  # a buffer not used for so many calls is let go when the next new one is made

kept = {}  # size in bytes → its buffers, each a list: memory, where it starts, the last call
calls = 0
lock = threading.Lock()


def empty(shape, dtype):
    """Return an array of this shape and dtype, contiguous; what stands in it is left over."""
    global calls
    size = math.prod(shape) * np.dtype(dtype).itemsize
    with lock:
        calls += 1
        for entry in kept.get(size, ()):
            if holders(entry) == NOBODY:
                break
        else:
            forget()
            memory = np.empty(size + ALIGNMENT, np.uint8)
            entry = [memory, -memory.ctypes.data % ALIGNMENT, calls]
            kept.setdefault(size, []).append(entry)
        entry[2] = calls
        return np.ndarray(shape, dtype, buffer=entry[0], offset=entry[1])


def forget():
    """Let go of free memory that was not used for a long time."""
    for size, entries in list(kept.items()):
        kept[size] = [e for e in entries if calls - e[2] < FORGET or holders(e) > NOBODY]
        if not kept[size]:
            del kept[size]


def holders(entry):
    """Return how many references to a buffer's memory Python counts."""
    return sys.getrefcount(entry[0])


NOBODY = holders([bytes(1000)])  # the count when only the entry itself refers to it
