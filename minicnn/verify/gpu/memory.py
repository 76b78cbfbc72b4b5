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

from ...jit import njit

GIVEN, WRITTEN = 1, 2
SEVERAL = -1
FIRST_ADDRESS = 0x7F00_0000_0000  # of global memory
GAP = 256  # unused bytes, at least, between two allocations
WRONG = {  # code → kind of a fault and its words: of what is done, and how many bytes
    1: ("misaligned", "not a multiple of {1}"),
    2: ("outside", "of no array of this launch"),
    3: ("unwritten", "read before anything was written"),
    4: ("race", "{0} after another thread has written it, and nothing orders the two"),
    5: ("race", "{0} after another thread has read it, and nothing orders the two"),
    6: ("race", "written by two threads at the same time"),
}
MISALIGNED, OUTSIDE, UNWRITTEN, AFTER_WRITE, AFTER_READ, TOGETHER, NOTHING = range(1, 8)


class Space:
    """Bytes with their flags, and who used them."""

    def __init__(self, name, size, unit, limit):
        self.name, self.unit, self.limit = name, unit, limit
        self.bytes = np.zeros(size, np.uint8)
        flags = np.zeros(size, np.uint8)
        self.data = {k: self.bytes.view(f"u{k}") for k in (1, 2, 4, 8)}
        self.flags = {k: flags.view(f"u{k}") for k in (1, 2, 4)}
        self.writer, self.reader = np.zeros((2, size // unit if unit else 0), np.int32)

    def load(self, access, kind, count):
        """Return `count` arrays, the numbers that each thread reads."""
        self.check(access, kind.itemsize, count, writing=False)
        data, first = self.data[kind.itemsize], access.start // kind.itemsize
        return [data[first + j].view(kind) for j in range(count)]

    def store(self, access, values):
        """Write each thread's numbers, given as arrays."""
        size = values[0].dtype.itemsize
        self.check(access, size, len(values), writing=True)
        first = access.start // size
        for j, value in enumerate(values):
            self.data[size][first + j] = value.view(f"u{size}")

    def check(self, access, size, count, writing):
        """Raise a Fault if an access is wrong; otherwise note who used the memory."""
        start, address, threads = access.start, access.address, access.threads
        users = self.unit.bit_length() - 1, self.writer, self.reader
        flags = self.flags[min(size, 4)]
        bounds = size * count, self.limit
        wrong, at = touch(start, address, threads, bounds, flags, users, writing)
        if wrong:
            told = "written" if writing else "read"
            access.fault(at, *(text.format(told, size * count) for text in WRONG[wrong]))

    def forget(self, start, stop):
        """Forget who used these bytes: a barrier, or a new launch, is between."""
        if not self.unit:
            return
        self.writer[start // self.unit : stop // self.unit] = 0
        self.reader[start // self.unit : stop // self.unit] = 0

    def describe(self, address):
        """Return an address in words."""
        return f"{self.name} address {address:#x}"


@njit(error_model="numpy")
def touch(start, address, threads, bounds, flags, users, writing):
    """Check an access by each thread, and note who used the memory.

    bounds is (bytes of an access, limit), and users is (shift, writer, reader).  Return the code of
    what is WRONG, the smallest if there are several, and the index of the first thread where it
    is; or 0, 0.  place >> shift is a unit; with shift −1, no threads share memory.
    """
    (total, limit), (shift, writer, reader) = bounds, users
    size = flags.itemsize  # of a piece, which is noted as a whole
    given, both = (1 << 8 * size) // 255, 3 * ((1 << 8 * size) // 255)  # in each byte of a piece
    wrong, at = NOTHING, 0
    for i in range(len(start)):
        found = NOTHING
        if address[i] & np.uint64(total - 1):
            found = MISALIGNED
        elif address[i] > np.uint64(limit - total):
            found = OUTSIDE
        else:
            for place in range(start[i], start[i] + total, size):
                flag = flags[place // size] & both
                if flag & given != given:
                    found = min(found, OUTSIDE)
                elif flag != both and not writing:
                    found = min(found, UNWRITTEN)
                elif shift >= 0:
                    wrote, read = writer[place >> shift], reader[place >> shift]
                    if wrote and wrote != threads[i]:
                        found = min(found, AFTER_WRITE)
                    elif writing and read and read != threads[i]:
                        found = min(found, AFTER_READ)
        if found < wrong:
            wrong, at = found, i
    if wrong < NOTHING:
        return wrong, at
    for i in range(len(start)):
        for place in range(start[i], start[i] + total, size):
            if writing:
                flags[place // size] |= both - given
            if shift >= 0 and writing:
                writer[place >> shift] = threads[i]
            elif shift >= 0:
                read = reader[place >> shift]
                alone = read == 0 or read == threads[i]
                reader[place >> shift] = threads[i] if alone else SEVERAL
    if shift >= 0 and writing:
        for i in range(len(start)):
            for place in range(start[i], start[i] + total, size):
                if writer[place >> shift] != threads[i]:
                    return TOGETHER, i
    return 0, 0


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

    Without races, no users are noted, and a byte takes 2 of this machine's, instead of 10.
    """

    def __init__(self, size, races=True):
        super().__init__("global", size, int(races), size)
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
