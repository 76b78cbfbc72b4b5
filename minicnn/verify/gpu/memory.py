"""Memory that knows what it holds: every load and store of a kernel is checked here.

    space       global memory of all devices; shared memory of the blocks that run now; their
                threads' local memory
    address     as a thread has it; its block or thread decides where that is in the space
    unit        1 byte in global memory, 4 in shared memory: the smallest that threads share
    given       the kernel may use these bytes: they are of an array of its launch
    written     these bytes have a value
    writer      the thread that wrote a unit, from 1; 0: none since the last barrier, or, in global
                memory, in this launch
    reader      likewise; −1: several threads

A race is two threads that touch the same unit, one of them writing, with nothing between that
orders them.  A load of bytes and a store of words are not compared with each other.
"""

import bisect

import numpy as np

GIVEN, WRITTEN = 1, 2
SEVERAL = -1
FIRST_ADDRESS = 0x7F00_0000_0000  # of global memory
GAP = 256  # unused bytes, at least, between two allocations
SPREAD = {1: 0x01, 2: 0x0101, 4: 0x01010101}  # a flag of one byte, in each byte of a piece


class Space:
    """Bytes with their flags, and who used them."""

    def __init__(self, name, size, unit, limit):
        self.name, self.unit, self.limit = name, unit, limit
        self.bytes = np.zeros(size, np.uint8)
        flags = np.zeros(size, np.uint8)
        self.data = {k: self.bytes.view(f"u{k}") for k in (1, 2, 4, 8)}
        self.flags = {k: flags.view(f"u{k}") for k in (1, 2, 4)}
        if unit:
            self.writer = np.zeros(size // unit, np.int32)
            self.reader = np.zeros(size // unit, np.int32)

    def load(self, access, kind, count):
        """Return `count` arrays, the numbers that each thread reads."""
        self.check(access, kind.itemsize, count)
        index = (access.start // kind.itemsize)[:, None] + np.arange(count)
        values = self.data[kind.itemsize][index].view(kind)
        return [np.ascontiguousarray(values[:, j]) for j in range(count)]

    def store(self, access, values):
        """Write each thread's numbers, given as arrays."""
        size, count = values[0].dtype.itemsize, len(values)
        places, piece = self.check(access, size, count, writing=True)
        index = (access.start // size)[:, None] + np.arange(count)
        self.data[size][index] = np.stack([value.view(f"u{size}") for value in values], axis=1)
        self.flags[piece][places // piece] |= WRITTEN * SPREAD[piece]

    def check(self, access, size, count, writing=False):
        """Raise a Fault, or return the place of each piece, of 4 bytes or fewer, and its size."""
        fault, address, total = access.fault, access.address, size * count
        fault("misaligned", address % total != 0, f"not a multiple of {total}")
        fault("outside", address > self.limit - total, "of no array of this launch")
        piece = min(size, 4)
        places = access.start[:, None] + np.arange(0, total, piece)
        flags = self.flags[piece][places // piece]
        fault("outside", lacks(flags, GIVEN, piece), "of no array of this launch")
        if not writing:
            fault("unwritten", lacks(flags, WRITTEN, piece), "read before anything was written")
        if self.unit:
            self.check_race(access, places // self.unit, writing)
        return places, piece

    def check_race(self, access, units, writing):
        me = access.threads[:, None]
        writer, reader = self.writer[units], self.reader[units]
        told = "written" if writing else "read"
        after = f"{told} after another thread has written it, and nothing orders the two"
        access.fault("race", (writer != 0) & (writer != me), after)
        if not writing:
            self.reader[units] = np.where((reader == 0) | (reader == me), me, SEVERAL)
            self.reader[units[self.reader[units] != me]] = SEVERAL
            return
        after = "written after another thread has read it, and nothing orders the two"
        access.fault("race", (reader != 0) & (reader != me), after)
        self.writer[units] = me
        access.fault("race", self.writer[units] != me, "written by two threads at the same time")

    def forget(self, start, stop):
        """Forget who used these bytes: a barrier, or a new launch, is between."""
        self.writer[start // self.unit : stop // self.unit] = 0
        self.reader[start // self.unit : stop // self.unit] = 0

    def describe(self, address):
        """Return an address in words."""
        return f"{self.name} address {address:#x}"


def lacks(flags, flag, piece):
    """Return which threads have a piece where some byte lacks a flag."""
    every = flag * SPREAD[piece]
    return (flags & every != every).any(axis=1)


class BlockMemory(Space):
    """Shared memory of `count` blocks, or local memory of as many threads.

    arrays     name → (offset, bytes): everything else may not be accessed
    stride     bytes from one block's or thread's memory to the next one's
    """

    def __init__(self, name, arrays, size, count, unit):
        self.stride = size + 16 - size % 16  # at least 16, so that no access is larger
        super().__init__(name, self.stride * count, unit, self.stride)
        self.bytes[:] = 0xFF  # NaN, as floats
        rows = self.flags[1].reshape(count, self.stride)
        for offset, length in arrays.values():
            rows[:, offset : offset + length] = GIVEN


class DeviceMemory(Space):
    """The global memory of all devices.

    allocations    address → (bytes, device)
    starts         the addresses in order
    """

    def __init__(self, size):
        super().__init__("global", size, 1, size)
        self.allocations, self.starts = {}, []

    def allocate(self, size, device):
        """Return the address of new memory, or None if there is not enough.

        It is a multiple of 256 and of no larger power of 2, as a kernel may expect of a GPU.
        """
        at = GAP
        for start in self.starts:
            if at + size + GAP <= start - FIRST_ADDRESS:
                break
            end = start - FIRST_ADDRESS + self.allocations[start][0] + GAP
            at = end + -end % 512 + 256
        if at + size + GAP > len(self.bytes):
            return None
        self.bytes[at : at + size] = 0xFF
        self.flags[1][at : at + size] = 0
        self.allocations[FIRST_ADDRESS + at] = size, device
        bisect.insort(self.starts, FIRST_ADDRESS + at)
        return FIRST_ADDRESS + at

    def allocation(self, address, size=1):
        """Return the address of the allocation that holds these bytes, or None."""
        after = bisect.bisect(self.starts, address)
        start = self.starts[after - 1] if after else None
        fits = after and address + size <= start + self.allocations[start][0]
        return start if fits else None

    def free(self, address):
        """Take memory back; return its bytes."""
        self.starts.remove(address)
        size, _ = self.allocations.pop(address)
        return size

    def between(self, address, size):
        """Return bytes from an address on, and their flags, to read and to write."""
        start = address - FIRST_ADDRESS
        return self.bytes[start : start + size], self.flags[1][start : start + size]

    def describe(self, address):
        for start, (size, device) in self.allocations.items():
            if start - GAP <= address < start + size + GAP:
                return f"byte {address - start} of an array of {size} bytes on GPU {device}"
        return f"global address {address:#x}"
