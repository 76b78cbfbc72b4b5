"""The order of work in streams, by vector clocks: what is sure to be done before what.

    operation   a copy or a launch; each stream counts its own
    clock       stream → how many of its operations are done, for sure: an event, a stream and the
                host have one each
    memory      an allocation, on a GPU or pinned, by its address

The emulator carries out every operation at once, in the order of the calls.  A GPU may choose
another order wherever streams do not wait for each other.  So an operation that reads memory must
have in its clock the last operation that wrote it, and one that writes must have, besides, all that
read it since.  Anything else is a Fault, whatever the result was here.

Pinned memory is also read and written by the host.  The bytes that a copy reads are remembered; if
they are others before the host has waited for the copy, the host has changed them too early.
"""

import ctypes
import os
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np

from .execution import Fault

Operation = namedtuple("Operation", "stream number words")
PACKAGE = str(Path(__file__).parents[2]) + os.sep
EMULATOR, LAUNCHES = str(Path(__file__).parent) + os.sep, PACKAGE + os.path.join("cuda", "gpu.py")


class Order:
    """The clocks, and the last operations on every memory."""

    def __init__(self):
        self.clocks, self.host = {}, {}
        self.last_write, self.reads = {}, {}  # memory → an Operation; → its stream → an Operation
        self.copied_from_host = []  # pairs of an Operation, and the address and bytes that it read

    def begin(self, stream, words):
        """Return a new operation of a stream: after all before it, and all the host has seen.

        Stream ("default", device) waits for all others, and all others wait for it.
        """
        self.check_pinned()
        clock = self.clocks.setdefault(stream, {})
        merge(clock, self.host)
        for other in list(self.clocks):
            if is_default(stream) or is_default(other):
                merge(clock, self.clocks[other])
        clock[stream] = clock.get(stream, 0) + 1
        return Operation(stream, clock[stream], f"{words} in {caller()}")

    def read(self, operation, memory):
        self.check(operation, self.last_write.get(memory), "reads what was written by")
        self.reads.setdefault(memory, {})[operation.stream] = operation

    def write(self, operation, memory):
        self.check(operation, self.last_write.get(memory), "writes over what was written by")
        for reader in self.reads.pop(memory, {}).values():
            self.check(operation, reader, "writes over what is read by")
        self.last_write[memory] = operation

    def check(self, operation, before, does):
        if before and self.clocks[operation.stream].get(before.stream, 0) < before.number:
            words = f"{operation.words} {does} {before.words}"
            raise Fault("stream", f"{words}, and no event orders the two")

    def read_pinned(self, operation, memory, address, size):
        """Note a copy from pinned memory."""
        self.read(operation, memory)
        self.copied_from_host.append((operation, address, bytes(host_bytes(address, size))))

    def wrote_pinned(self):
        """Accept what is in pinned memory now: a copy from a GPU wrote it, not the host."""
        self.copied_from_host = [
            (operation, address, bytes(host_bytes(address, len(before))))
            for operation, address, before in self.copied_from_host
        ]

    def check_pinned(self):
        """Raise a Fault if the host has changed memory while a GPU may be reading it."""
        pending = [entry for entry in self.copied_from_host if not self.is_done(entry[0])]
        self.copied_from_host = []
        for operation, address, before in pending:
            if bytes(host_bytes(address, len(before))) != before:
                raise Fault(
                    "pinned", f"the host has written over pinned memory before {operation.words} "
                    "was done; wait for its event first"
                )  # fmt: skip
        self.copied_from_host = pending

    def is_done(self, operation):
        return self.host.get(operation.stream, 0) >= operation.number

    def host_waits(self, clock):
        """The host has waited until all in this clock was done."""
        self.check_pinned()
        merge(self.host, clock)

    def forget(self, memory, size):
        """Forget memory that was freed."""
        self.last_write.pop(memory, None)
        self.reads.pop(memory, None)
        self.copied_from_host = [
            entry for entry in self.copied_from_host if not memory <= entry[1] < memory + size
        ]


def is_default(stream):
    return isinstance(stream, tuple)


def merge(clock, other):
    """Add to a clock what another one knows."""
    for stream, number in other.items():
        clock[stream] = max(clock.get(stream, 0), number)


def host_bytes(address, size):
    """Return bytes of the host's memory as an array that can be written."""
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), np.uint8)


def caller():
    """Return the line of minicnn that is running: cuda/device.py line 52.

    The emulator's own lines are passed over, and those of cuda/gpu.py, which all launches go
    through.
    """
    frame = sys._getframe()
    while frame:
        path = frame.f_code.co_filename
        if path.startswith(PACKAGE) and not path.startswith((EMULATOR, LAUNCHES)):
            return f"{path.removeprefix(PACKAGE)} line {frame.f_lineno}"
        frame = frame.f_back
    return "a caller outside of minicnn"
