"""Execution: the threads of some blocks at once, each instruction as one operation on arrays.

    blocks     the thread blocks that run now, so many that they have about LANES threads
    lane       the number of a thread among these
    place      of each lane: the number of the piece that it runs next.  WAITING + k: it waits at
               the barrier before piece k; ENDED: it is done

The lanes with the smallest place run next, all together.  So threads that took different ways meet
again behind an `if`, and those at a barrier wait until no other thread can run.  A GPU may run them
in another order.  Where that would change a result, two threads touch the same memory with no
barrier between, and memory.py finds it in any order; nothing here relies on warps in lockstep.
"""

from collections import namedtuple
from functools import partial
from math import prod

import numpy as np

from ...errors import GpuError
from . import arithmetic
from .expressions import WINDOWS
from .memory import FIRST_ADDRESS, BlockMemory
from .ptx import place as place_of
from .translate import translated

LANES = 4096
WAITING, ENDED = 1 << 20, 1 << 30

Access = namedtuple("Access", "address start threads fault")  # of each lane; see memory.py


class Fault(GpuError):
    """A kernel, or the order of work in the streams, is wrong.

    kind    outside, misaligned, unwritten, race, barrier, warp, tf32, division, device, launch,
            stream or pinned
    """

    def __init__(self, kind, words):
        super().__init__(f"{kind}: {words}")
        self.kind = kind


class Program:
    """A kernel that can run.

    ran         the pieces that some thread has run
    products    of each piece: the multiply-adds of one thread
    """

    def __init__(self, kernel):
        self.kernel = kernel
        self.products = [sum(map(products_of, piece.instructions)) for piece in kernel.pieces]
        self.functions = translated(kernel)
        self.ran = set()

    def run(self, grid, block, arguments, memory, traffic=None):
        """Run all blocks of a launch.  arguments: the name of a parameter → its bytes.

        traffic, if there is one, counts what they move, and may choose some of the blocks
        (traffic.py).
        """
        at_once = max(1, LANES // prod(block))
        with np.errstate(all="ignore"):
            for chosen in traffic.choose(grid) if traffic else [range(prod(grid))]:
                for first in range(0, len(chosen), at_once):
                    blocks = Blocks(self.kernel, grid, block, arguments, memory)
                    blocks.traffic = traffic
                    blocks.begin(chosen[first : first + at_once])
                    self.run_blocks(blocks)

    def run_blocks(self, blocks):
        registers = Registers(self.kernel.registers, blocks.lanes)
        place = np.zeros(len(blocks.lanes), np.int64)
        while (now := place.min()) < ENDED:
            if now >= WAITING:
                blocks.pass_barrier(place, self.kernel.pieces[now - WAITING - 1])
                continue
            lanes = np.flatnonzero(place == now)
            if len(lanes) == len(place):
                lanes = blocks.lanes
            self.ran.add(int(now))
            guard = self.functions[now](registers, blocks, lanes)
            piece = self.kernel.pieces[now]
            if blocks.traffic:
                blocks.traffic.add(self.kernel.title, products=self.products[now] * len(lanes))
            if piece.ending == "jump" and piece.guard:
                place[lanes] = np.where(guard, piece.target, now + 1)
            else:
                place[lanes] = {
                    "next": now + 1,
                    "jump": piece.target,
                    "barrier": WAITING + now + 1,
                    "stop": ENDED,
                }[piece.ending]


class Registers:
    """The registers of all lanes: name → an array, made on first use.

    What no instruction has written is NaN as a float, and far outside of memory as an address.
    """

    def __init__(self, kinds, everyone):
        self.kinds, self.everyone, self.values = kinds, everyone, {}

    def read(self, register, lanes):
        values = self.values.get(register)
        if values is None:
            values = self.values[register] = self.unwritten(register)
        return values if lanes is self.everyone else values[lanes]

    def write(self, register, lanes, values):
        if lanes is not self.everyone:
            before = self.values.get(register)
            # two registers may have the same array
            whole = self.unwritten(register) if before is None else before.copy()
            whole[lanes] = values
            values = whole
        self.values[register] = values

    def unwritten(self, register):
        kind = np.dtype(self.kinds[register])
        bits = np.full(len(self.everyone) * kind.itemsize, 0xFF, np.uint8)
        return bits.view(kind) if kind.kind != "b" else np.zeros(len(self.everyone), bool)


class Blocks:
    """What the pieces ask the blocks that run now: who they are, and what is in memory."""

    def __init__(self, kernel, grid, block, arguments, memory):
        self.kernel, self.grid, self.block = kernel, grid, block
        self.arguments, self.memory = arguments, memory
        self.threads = prod(block)

    def begin(self, numbers):
        """Take the blocks of these numbers."""
        count = len(numbers)
        self.lanes = np.arange(count * self.threads)
        self.row, self.thread = np.divmod(self.lanes, self.threads)  # its block's, of these
        block = np.array(numbers)[self.row]
        self.number = (block * self.threads + self.thread + 1).astype(np.int32)  # from 1
        positions = coordinates(block, self.grid), coordinates(self.thread, self.block)
        self.positions = dict(zip(("ctaid", "tid"), positions, strict=True))
        kernel, units = self.kernel, {"shared": (count, 4), "local": (len(self.lanes), 0)}
        self.spaces = {
            name: BlockMemory(name, kernel.arrays[name], kernel.bytes[name], *units[name])
            for name in units
        }
        self.first = {
            "shared": self.row * self.spaces["shared"].stride,
            "local": self.lanes * self.spaces["local"].stride,
        }
        self.spaces["global"] = self.memory

    def special(self, name, lanes):
        """Return a special register, such as %tid.x."""
        name, axis = name[1:].split(".")
        axis = "xyz".index(axis)
        if name in self.positions:
            return self.positions[name][axis][lanes]
        return np.full(len(lanes), {"nctaid": self.grid, "ntid": self.block}[name][axis])

    def argument(self, name, offset, kind):
        """Return a number of the launch's arguments."""
        return np.frombuffer(self.arguments[name], kind, 1, offset)[0]

    def fault(self, instruction, lanes, addresses, kind, wrong, words):
        """Raise a Fault, about the first of the lanes where something is wrong, if any is."""
        if not wrong.any():
            return
        at = np.argwhere(wrong)[0][0]
        lane = lanes[at]
        where = ", ".join(
            f"{name} {tuple(int(p[lane]) for p in self.positions[key])}"
            for name, key in (("block", "ctaid"), ("thread", "tid"))
        )
        memory = "" if addresses is None else f"{addresses(at)} is "
        raise Fault(
            kind,
            f"{self.kernel.title}, {place_of(instruction)}, {where}: {memory}{words} "
            f"({instruction.text})",
        )

    # Memory.

    def load(self, space, address, kind, count, lanes, instruction):
        """Return `count` arrays of this kind, read from each lane's address on."""
        kind = np.dtype(kind)
        if space != "generic":
            self.count(space, address, kind.itemsize * count, lanes)
            access = self.access(space, address, lanes, instruction)
            return self.spaces[space].load(access, kind, count)
        values = [np.empty(len(lanes), kind) for _ in range(count)]
        for space, mine in self.by_space(address):
            there = self.load(
                space,
                address[mine] - np.uint64(WINDOWS[space]),
                kind,
                count,
                lanes[mine],
                instruction,
            )
            for whole, part in zip(values, there, strict=True):
                whole[mine] = part
        return values

    def store(self, space, address, values, lanes, instruction):
        if space != "generic":
            self.count(space, address, values[0].itemsize * len(values), lanes, writing=True)
            access = self.access(space, address, lanes, instruction)
            self.spaces[space].store(access, values)
            return
        for space, mine in self.by_space(address):
            parts = [value[mine] for value in values]
            there = address[mine] - np.uint64(WINDOWS[space])
            self.store(space, there, parts, lanes[mine], instruction)

    def count(self, space, address, size, lanes, writing=False):
        """Count an access, where traffic is counted."""
        if self.traffic and space != "local":
            self.traffic.count(self.kernel.title, space, address, size, self.warps(lanes), writing)

    def warps(self, lanes):
        """Return a number for the warp of each lane."""
        return self.number[lanes] - 1 - self.thread[lanes] % 32

    def by_space(self, address):
        """Yield the spaces to which generic addresses lead, and which lanes have such."""
        window = np.searchsorted(
            [WINDOWS["shared"], WINDOWS["local"], 2 * WINDOWS["local"]], address, "right"
        )
        for space, number in (("shared", 1), ("local", 2)):
            if (window == number).any():
                yield space, window == number
        elsewhere = (window == 0) | (window == 3)
        if elsewhere.any():
            yield "global", elsewhere

    def access(self, space, address, lanes, instruction):
        """Return an Access: where the lanes' addresses are in this space."""
        memory = self.spaces[space]
        if space == "global":
            relative = address - np.uint64(FIRST_ADDRESS)
            start = relative.view(np.int64)
        else:
            relative = address
            start = address.view(np.int64) + self.of(self.first[space], lanes)

        def fault(at, kind, words):
            wrong = np.arange(len(lanes)) == at
            described = memory.describe(int(address[at]))
            self.fault(instruction, lanes, lambda at: described, kind, wrong, words)

        return Access(relative, start, self.of(self.number, lanes), fault)

    def of(self, values, lanes):
        """Return the values of these lanes."""
        return values if lanes is self.lanes else values[lanes]

    def pass_barrier(self, place, piece):
        """Let threads that wait at a barrier go on; all of a block must be at the same one."""
        rows = place.reshape(-1, self.threads)
        waiting = (rows >= WAITING) & (rows < ENDED)
        apart = waiting.any(axis=1) & ((rows != rows[:, :1]).any(axis=1))
        if apart.any():
            lanes = np.flatnonzero(waiting & apart[:, None])
            words = "waits at a barrier that not all threads of the block have come to"
            barrier = piece.instructions[-1]
            self.fault(barrier, lanes, None, "barrier", np.ones(1, bool), words)
        stride = self.spaces["shared"].stride
        for row in np.flatnonzero(waiting.any(axis=1)):
            rows[row] -= WAITING
            self.spaces["shared"].forget(row * stride, (row + 1) * stride)

    # Arithmetic that can fail.

    def quotient(self, a, b, lanes, instruction):
        """Return a / b of integers."""
        a, b = np.broadcast_arrays(a, b)
        self.fault(instruction, lanes, None, "division", b == 0, "divides an integer by 0")
        return arithmetic.quotient(a, b)

    def multiply(self, factors, addends, lanes, instruction):
        """Return C + A·B of each warp, on its tensor cores: what each lane has of the result.

        A is 16×8, B 8×8, and C 16×8.  NVIDIA's manual "PTX ISA" says which lane has what: with
        g = lane // 4 and j = lane % 4,

            a   A[g, j], A[g + 8, j], A[g, j + 4], A[g + 8, j + 4]
            b   B[j, g], B[j + 4, g]
            c   C[g, 2j], C[g, 2j + 1], C[g + 8, 2j], C[g + 8, 2j + 1]

        The sum is computed in float64 and rounded once; order and rounding of a GPU are not known.
        """
        fault = partial(self.fault, instruction, lanes, None)
        _, warp, there = np.unique(self.warps(lanes), return_inverse=True, return_counts=True)
        fault("warp", there[warp] != 32, "multiplies without all 32 threads of its warp")
        infinite = np.uint32(0x7F800000)
        for factor in factors:
            loose = (factor & np.uint32(0x1FFF) != 0) & (factor & infinite != infinite)
            fault("tf32", loose, "multiplies a number that was not rounded to TF32")
        a0, a1, a2, a3, b0, b1 = (
            (f & np.uint32(0xFFFFE000)).view(np.float32).reshape(-1, 32) for f in factors
        )
        g, j = np.divmod(np.arange(32), 4)
        A, B = np.empty((len(a0), 16, 8)), np.empty((len(a0), 8, 8))
        A[:, g, j], A[:, g + 8, j], A[:, g, j + 4], A[:, g + 8, j + 4] = a0, a1, a2, a3
        B[:, j, g], B[:, j + 4, g] = b0, b1
        C = A @ B
        places = (g, 2 * j), (g, 2 * j + 1), (g + 8, 2 * j), (g + 8, 2 * j + 1)
        return [
            (C[:, row, column].reshape(-1) + c).astype(np.float32)
            for (row, column), c in zip(places, addends, strict=True)
        ]


def products_of(instruction):
    """Return the multiply-adds of floats that an instruction is in each thread."""
    name, *modifiers = instruction.operation
    if name == "mma":
        return 32  # of a warp's 16·8·8
    return int(name in ("fma", "mad") and modifiers[-1] in ("f32", "f64"))


def coordinates(number, sizes):
    """Return numbers as x, y and z in a box of these sizes; x counts fastest."""
    return number % sizes[0], number // sizes[0] % sizes[1], number // (sizes[0] * sizes[1])
