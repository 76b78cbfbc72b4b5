"""Memory that is used again: after the first training step, almost nothing new is allocated.

Allocating an array of some megabytes is expensive: the operating system maps it page by page, when
each page is first touched, and clears it.  So `empty` keeps the memory of the arrays that it has
returned, and returns it again once nothing refers to it.  Python's reference count says so: memory
to which only this file refers is free.  An array that a caller still holds is never touched.

Demand limits how much is kept: SPARE times the recent peak in use, but at least LEAST bytes.  When
a new buffer would exceed the limit, the least recently used free ones are released first.  So is
every buffer that was not used in the last FORGET calls.

`table` caches small arrays that are the same for every batch, up to TABLES bytes.
"""

import bisect
import functools
import math
import operator
import os
import sys
import threading

import numpy as np

ALIGNMENT = 64  # bytes: vectors that start at a cache line are loaded faster
FORGET = 1000  # calls of `empty` after which an unused buffer is released
SPARE, LEAST = 3, 2**25  # limit: this many times the peak in use, and at least this many bytes
TABLES = 2**25  # bytes

# Buffers by size; each is a list: memory, aligned offset in it, call of its last use, bytes.
kept = []
size_of = operator.itemgetter(3)
tables = {}  # (function, arguments) → its array; the newest comes last
calls = 0
peak, peak_call = 0, 0  # the most bytes in use at one time lately, and the call when it was so
lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # a child must not inherit the lists in mid-update
    os.register_at_fork(
        before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
    )


def empty(shape, dtype):
    """Return a contiguous array of this shape and dtype, with arbitrary content."""
    global calls
    size = math.prod(shape) * np.dtype(dtype).itemsize
    with lock:
        calls += 1
        if calls % FORGET == 0:
            forget(buffer for buffer in kept if calls - buffer[2] >= FORGET)
        buffer = find_free(size) or allocate(size)
        buffer[2] = calls
        return np.ndarray(shape, dtype, buffer=buffer[0], offset=buffer[1])


def find_free(size):
    """Return an unused buffer of exactly this size, or None."""
    i = bisect.bisect_left(kept, size, key=size_of)
    while i < len(kept) and size_of(kept[i]) == size:
        if holders(kept[i]) == NO_ONE:
            return kept[i]
        i += 1
    return None


def allocate(size):
    """Return a new buffer, after releasing the least recently used ones if there are too many."""
    global peak, peak_call
    held = size + sum(size_of(buffer) for buffer in kept if holders(buffer) > NO_ONE)
    if held >= peak or calls - peak_call > FORGET:
        peak, peak_call = held, calls
    excess = size + sum(map(size_of, kept)) - max(SPARE * peak, LEAST)
    expired = []
    for buffer in sorted(kept, key=lambda buffer: buffer[2]):
        if excess > 0 and holders(buffer) == NO_ONE:
            expired.append(buffer)
            excess -= size_of(buffer)
    forget(expired)
    memory = np.empty(size + ALIGNMENT, np.uint8)
    buffer = [memory, -memory.ctypes.data % ALIGNMENT, calls, size]
    bisect.insort(kept, buffer, key=size_of)
    return buffer


def forget(buffers):
    """Release those of these buffers that nothing refers to."""
    expired = {id(buffer) for buffer in buffers if holders(buffer) == NO_ONE}
    kept[:] = [buffer for buffer in kept if id(buffer) not in expired]


def holders(buffer):
    """Return Python's reference count of a buffer's memory."""
    return sys.getrefcount(buffer[0])


NO_ONE = holders([bytes(1000)])  # the count when nothing but the buffer itself refers to it


def table(function):
    """Decorate a function: its array is cached, read-only, for the same arguments."""

    @functools.wraps(function)
    def cached(*arguments, **options):
        key = function, arguments, tuple(options.items())
        array = tables.get(key)
        if array is None:
            array = function(*arguments, **options)
            array.flags.writeable = False
            with lock:
                while tables and array.nbytes + sum(t.nbytes for t in tables.values()) > TABLES:
                    del tables[next(iter(tables))]
                tables[key] = array
        return array

    return cached
