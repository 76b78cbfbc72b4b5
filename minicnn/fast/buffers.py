"""Memory that is used again: after the first step of a training, hardly anything new is allocated.

A new array of some megabytes costs more than it looks: the operating system hands it out page by
page, as each is touched for the first time, and clears it before.  So `empty` remembers what it
has given out, and gives it out again as soon as no one holds it any more.  Python counts who does:
an array that only this file refers to is free.  What a caller keeps is never touched.

What is needed decides how much is kept.  All memory together may be SPARE times what was held at
one time of late, and at least LEAST bytes: before more is allocated, what has been free for longest
is given back.  So is what no one has asked for in FORGET calls.

`table` keeps small arrays that are the same for every batch, up to TABLES bytes of them.
"""

import bisect
import functools
import math
import os
import sys
import threading

import numpy as np

ALIGNMENT = 64  # bytes: vectors that start at a cache line are loaded faster
FORGET = 1000  # calls
SPARE, LEAST = 3, 2**25  # times what was held; bytes
TABLES = 2**25  # bytes

kept = []  # buffers, the smallest first; each a list: memory, where it starts, its last call
tables = {}  # (function, arguments) → what it returned; the one used last comes last
calls = 0
most, most_at = 0, 0  # the most bytes that were held at one time, and at which call
lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # a child gets what is kept as it is between two calls
    os.register_at_fork(
        before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
    )


def empty(shape, dtype):
    """Return an array of this shape and dtype, contiguous; what stands in it is left over."""
    global calls
    size = math.prod(shape) * np.dtype(dtype).itemsize
    with lock:
        calls += 1
        if calls % FORGET == 0:
            forget(buffer for buffer in kept if calls - buffer[2] >= FORGET)
        buffer = free(size) or new(size)
        buffer[2] = calls
        return np.ndarray(shape, dtype, buffer=buffer[0], offset=buffer[1])


def free(size):
    """Return a buffer of this size that no one holds, or None."""
    at = bisect.bisect_left(kept, size, key=size_of)
    while at < len(kept) and size_of(kept[at]) == size:
        if holders(kept[at]) == NO_ONE:
            return kept[at]
        at += 1
    return None


def new(size):
    """Return a new buffer; what has been free for longest makes room for it."""
    global most, most_at
    held = size + sum(size_of(buffer) for buffer in kept if holders(buffer) > NO_ONE)
    if held >= most or calls - most_at > FORGET:
        most, most_at = held, calls
    excess = size + sum(map(size_of, kept)) - max(SPARE * most, LEAST)
    leaving = []
    for buffer in sorted(kept, key=lambda buffer: buffer[2]):
        if excess > 0 and holders(buffer) == NO_ONE:
            leaving.append(buffer)
            excess -= size_of(buffer)
    forget(leaving)
    memory = np.empty(size + ALIGNMENT, np.uint8)
    buffer = [memory, -memory.ctypes.data % ALIGNMENT, calls]
    bisect.insort(kept, buffer, key=size_of)
    return buffer


def forget(buffers):
    """Give back those of these buffers that no one holds."""
    leaving = {id(buffer) for buffer in buffers if holders(buffer) == NO_ONE}
    kept[:] = [buffer for buffer in kept if id(buffer) not in leaving]


def size_of(buffer):
    """Return for how many bytes a buffer is."""
    return buffer[0].size - ALIGNMENT


def holders(buffer):
    """Return how many references to a buffer's memory Python counts."""
    return sys.getrefcount(buffer[0])


NO_ONE = holders([bytes(1000)])  # the count when only the buffer itself refers to it


def table(make):
    """Return make, whose arrays are kept and given out again, read-only, for the same arguments."""

    @functools.wraps(make)
    def kept_table(*arguments, **options):
        key = make, arguments, tuple(options.items())
        with lock:
            array = tables.pop(key, None)
            if array is None:
                array = make(*arguments, **options)
                array.flags.writeable = False
                while tables and array.nbytes + sum(t.nbytes for t in tables.values()) > TABLES:
                    del tables[next(iter(tables))]
            tables[key] = array
        return array

    return kept_table
