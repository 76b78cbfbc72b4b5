"""Record a launch of a CUDA kernel while the emulator executes its PTX (verify/gpu).

    launch    a kernel with its grid, block and arguments: relu_kernel[2, 32](x, y)
    line      of Python, as the compiler says it for each instruction of the PTX
    part      the instructions of one line in a piece of the PTX, which run together
    step      the threads of a block that are at one place execute a part.  A part that touches an
              array again, as a loop does that the compiler unrolled, is several steps
    state     what each thread of the block does in a step, a letter each: R runs it, W waits at a
              barrier, E has ended, and . is elsewhere in the program
    access    a load or a store of the threads that run

The compiler moves arithmetic about, but loads, stores and barriers stay in their order.  So a
piece's parts are in the order of these, and arithmetic joins the nearest part of its line.

The result is plain data, and everything that is shown comes from it; gpu_steps.py describes it.
"""

import ast
import functools
import linecache
import os
from functools import partial
from math import prod

import numba
import numpy as np

from ..verify.gpu.execution import Blocks, Fault, Program
from ..verify.gpu.memory import FIRST_ADDRESS, WRITTEN
from ..verify.gpu.traffic import WORD, sectors, turns
from .page_data import rounded
from .source import Source

NUMBERS = 80_000  # recorded of a block at most: indices and values of its accesses
DRAWN = 4096  # an array with more entries is not kept
NUMBA = os.path.dirname(numba.__file__), os.path.dirname(numba.cuda.__file__)
ALL = 4  # of a larger grid, only the first and the last block are kept


class Recorder:
    """The record of one launch.

    arrays     [{name, space, shape, dtype, size, first, bytes}] of the launch: the bytes of an
               entry, the address of the first one, and the bytes of all
    blocks     {number: {position, steps, before, cut}} of the recorded blocks: `before` has the
               entries of the arrays when the block began; with `cut`, steps are missing at the end
    step       {source, line, ptx, state, accesses, waiting, fault}: `ptx` is the number of a
               listing, `waiting` says how many threads wait at which line
    access     {array, writing, count, lanes, at, values, warps}: from entry `at` on, each of the
               lanes moves `count` entries; `warps` has for each warp its number, the sectors that
               it moves, or in shared memory its turns, and the fewest possible
    fault      None, or what the emulator has found, and where
    """

    def __init__(self, arrays):
        self.arrays, self.sources, self.listings = list(arrays), [], []
        self.blocks, self.fault, self.plans = {}, None, {}

    def __call__(self, program):
        """Return the program that records what it runs."""
        self.kernel = program.kernel
        names = shared_names(self.kernel)
        for name, (offset, size) in self.kernel.arrays["shared"].items():
            title = names.get(name, name)
            fields = {"name": title, "space": "shared", "shape": [size // WORD], "size": WORD}
            self.arrays.append({**fields, "dtype": "", "first": offset, "bytes": size})
        return RecordedProgram(program, self)

    def begin(self, blocks, number):
        """Begin to record a block; of a large grid it takes the place of the one before."""
        if prod(blocks.grid) > ALL:
            self.blocks = {n: block for n, block in self.blocks.items() if n == 0}
        position = [int(axis[0]) for axis in blocks.positions["ctaid"]]
        self.block = {"position": position, "steps": [], "before": self.contents(blocks)}
        self.blocks[number] = self.block
        self.state = ["."] * blocks.threads
        self.waiting, self.left = {}, NUMBERS

    def contents(self, blocks):
        """Return the entries of each array of the launch, or None for a large or shared one."""
        return [self.entries(blocks.memory, array) for array in self.arrays]

    def entries(self, memory, array):
        """Return the entries of an array, None for one that is not written; or None for all."""
        if array["space"] == "shared" or not 0 < prod(array["shape"]) <= DRAWN:
            return None
        data, flags = memory.between(array["first"], array["bytes"])
        values = data.view(array["dtype"]).tolist()
        written = (flags & WRITTEN).reshape(len(values), -1).all(axis=1)
        return [rounded(v, 9) if w else None for v, w in zip(values, written, strict=True)]

    # What happens.

    def run(self, number, function, registers, blocks, lanes):
        """Execute a piece, and record its steps."""
        self.accesses, ending = [], self.kernel.pieces[number].ending
        for lane in lanes:
            self.state[lane] = "R"
        try:
            guard = function(registers, blocks, lanes)
        except Fault:
            self.add_steps(number, self.fault["instruction"])
            raise
        step = self.add_steps(number)
        for lane in lanes:
            self.state[lane] = {"barrier": "W", "stop": "E"}.get(ending, ".")
        if ending == "barrier":
            self.waiting[str(step["line"])] = self.state.count("W")
            step |= {"state": "".join(self.state), "waiting": dict(self.waiting)}
        return guard

    def access(self, space, address, kind, count, lanes, writing, instruction):
        """Begin to record an access; `values` follow if it does not fail."""
        number, array = self.array_at(space, address)
        size = np.dtype(kind).itemsize
        if array["space"] == "shared" and not array["dtype"]:
            array["dtype"], array["size"] = np.dtype(kind).name, size
            shape = shared_names(self.kernel, shapes=True).get(array["name"])
            fits = shape and prod(shape) * size == array["bytes"]
            array["shape"] = list(shape) if fits else [array["bytes"] // size]
        at = (address.astype(np.int64) - array["first"]) // array["size"]
        cost = partial(warp_cost, space, size * count)
        entry = {
            "array": number,
            "writing": writing,
            "count": count,
            "lanes": lanes.tolist(),
            "at": at.tolist(),
            "values": [],
            "warps": [
                [int(warp), *cost(address[lanes // 32 == warp])] for warp in np.unique(lanes // 32)
            ],
        }
        self.accesses.append((instruction, entry))
        return entry

    def array_at(self, space, address):
        """Return the array that most of these addresses are in or near, and its number."""
        middle = int(np.sort(address)[len(address) // 2])
        near = [
            (abs(middle - a["first"] - a["bytes"] // 2) - a["bytes"] / 2, n)
            for n, a in enumerate(self.arrays)
            if a["space"] == space
        ]
        number = min(near)[1]
        return number, self.arrays[number]

    def failed(self, blocks, fault, instruction, lane, users):
        """Note where a fault is: the thread, and in a race the other, if it is of this block."""
        others = [user for user in users if user != lane]
        self.fault = {
            "text": str(fault),
            "kind": fault.kind,
            "instruction": instruction,
            "block": int(blocks.number[0] - 1) // blocks.threads,
            "thread": int(lane),
            "other": others[0] if others else None,
        }

    def failed_at_barrier(self, piece):
        """Add the step in which threads wait for others that will not come."""
        number = next(n for n, other in enumerate(self.kernel.pieces) if other is piece)
        line, _, listing = self.plan(number)[-1]
        self.mark_failed(self.add_step(line, listing))

    def barrier_passed(self):
        self.state = ["." if s == "W" else s for s in self.state]
        self.waiting = {}

    # From pieces to steps.

    def add_steps(self, number, failed=None):
        """Add the steps of a piece that has run, or failed at an instruction; return the last."""
        step = None
        for line, instructions, listing in self.plan(number):
            mine = [e for i, e in self.accesses if any(i is other for other in instructions)]
            groups = [[]]
            for entry in mine:
                if any(same_place(entry, other) for other in groups[-1]):
                    groups.append([])
                groups[-1].append(entry)
            for group in groups:
                step = self.add_step(line, listing, group)
            if failed is not None and any(failed is other for other in instructions):
                return self.mark_failed(step)
        return step

    def add_step(self, line, listing, accesses=()):
        """Add a step, if there is room for it, and return it."""
        steps = self.block["steps"]
        place = {"source": self.source_of(line), "line": line.number, "state": "".join(self.state)}
        step = {**place, "ptx": listing, "accesses": list(accesses), "waiting": dict(self.waiting)}
        if steps and not steps[-1]["accesses"] and place.items() <= steps[-1].items():
            steps.pop()  # of one line in two pieces, as a loop's head is, the second is enough
        self.left -= sum(len(entry["at"]) + len(entry["values"]) for entry in accesses)
        if self.left < 0:
            self.block["cut"] = 1
        else:
            steps.append(step)
        return step

    def mark_failed(self, step):
        """Make a step the last one, where the fault is."""
        if not self.block["steps"] or self.block["steps"][-1] is not step:
            self.block["steps"].append(step)
        step["fault"] = 1

    def plan(self, number):
        """Return the parts of a piece: [line, its instructions, the number of their listing]."""
        if number not in self.plans:
            parts = parts_of(self.kernel, number)
            self.plans[number] = [[line, part, self.listing(part)] for line, part in parts]
        return self.plans[number]

    def listing(self, instructions):
        """Return the number of the text of these instructions, with short names of parameters."""
        text = "\n".join(i.text for i in instructions)
        for k, name in enumerate(self.kernel.parameters):
            text = text.replace(f"[{name}]", f"[parameter {k}]")
        if text not in self.listings:
            self.listings.append(text)
        return self.listings.index(text)

    def source_of(self, line):
        source = function_around(line)
        if source not in self.sources:
            self.sources.append(source)
        return self.sources.index(source)


class RecordedProgram(Program):
    """A Program that runs one block after another and tells a Recorder each step."""

    def __init__(self, program, recorder):
        vars(self).update(vars(program))
        self.recorder = recorder
        self.functions = [
            partial(recorder.run, number, function)
            for number, function in enumerate(program.functions)
        ]

    def run(self, grid, block, arguments, memory, traffic=None):
        with np.errstate(all="ignore"):
            for number in range(prod(grid)):
                blocks = RecordedBlocks(self.kernel, grid, block, arguments, memory)
                blocks.traffic, blocks.recorder = traffic, self.recorder
                blocks.begin([number])
                self.recorder.begin(blocks, number)
                self.run_blocks(blocks)


class RecordedBlocks(Blocks):
    """One block that tells a Recorder its accesses, faults and barriers."""

    def load(self, space, address, kind, count, lanes, instruction):
        if space in ("generic", "local"):  # generic: it comes back with the space
            return super().load(space, address, kind, count, lanes, instruction)
        self.place = space, address, np.dtype(kind).itemsize * count
        entry = self.recorder.access(space, address, kind, count, lanes, False, instruction)
        values = super().load(space, address, kind, count, lanes, instruction)
        entry["values"] = numbers(values)
        return values

    def store(self, space, address, values, lanes, instruction):
        if space in ("generic", "local"):
            return super().store(space, address, values, lanes, instruction)
        kind, count = values[0].dtype, len(values)
        self.place = space, address, kind.itemsize * count
        entry = self.recorder.access(space, address, kind, count, lanes, True, instruction)
        super().store(space, address, values, lanes, instruction)
        entry["values"] = numbers(values)

    def fault(self, instruction, lanes, addresses, kind, wrong, words):
        try:
            super().fault(instruction, lanes, addresses, kind, wrong, words)
        except Fault as fault:
            at = int(np.argwhere(wrong)[0][0])
            users = self.users_of(at) if kind == "race" else []
            self.recorder.failed(self, fault, instruction, int(lanes[at]), users)
            raise

    def users_of(self, at):
        """Return the threads of this block that have used the memory of an access."""
        space, address, size = self.place
        memory, first = self.spaces[space], int(self.number[0])
        start = int(address[at]) - (0 if space == "shared" else FIRST_ADDRESS)
        units = slice(start // memory.unit, -(-(start + size) // memory.unit))
        threads = [*memory.writer[units].tolist(), *memory.reader[units].tolist()]
        return [t - first for t in threads if first <= t < first + self.threads]

    def pass_barrier(self, place, piece):
        try:
            super().pass_barrier(place, piece)
        except Fault:
            self.recorder.failed_at_barrier(piece)
            raise
        self.recorder.barrier_passed()


def parts_of(kernel, number):
    """Return the parts of a piece in order: (line, instructions)."""
    piece = kernel.pieces[number]
    head = head_of(kernel)
    anchored = {line_of(i) for p in kernel.pieces for i in filter(is_anchor, p.instructions)}
    parts, loose, line = [], [], head
    for item in piece.instructions:
        line = line_of(item) or line
        if number and line == head and not is_anchor(item):
            loose.append(item)  # of the head, which has long run
        elif is_anchor(item):
            if not parts or parts[-1][0] != line or not parts[-1][2]:
                mine = [part for part in parts if part[0] == line and not part[2]]
                parts = [part for part in parts if part not in mine]
                parts.append([line, [i for part in mine for i in part[1]], True])
            parts[-1][1].append(item)
        else:
            mine = [part for part in parts if part[0] == line]
            if not mine or mine[-1][2] and mine[-1] is not parts[-1]:
                parts.append([line, [], False])
                mine = parts
            mine[-1][1].append(item)
    kept = []
    for line, instructions, is_anchored in parts:
        if is_anchored or line not in anchored:
            kept.append((line, loose + instructions))
            loose = []
        else:
            loose += instructions  # arithmetic that the compiler has moved forward
    return kept


def is_anchor(item):
    """Return whether an instruction's place in the order matters: memory and barriers."""
    name, *modifiers = item.operation
    return name in ("bar", "barrier", "mma", "atom") or (
        name in ("ld", "st") and not {"param", "local"} & set(modifiers)
    )


def line_of(item):
    """Return an instruction's line; None for one in the code of Numba itself."""
    if item.line is None or item.line.file.startswith(NUMBA):
        return None
    return item.line


def head_of(kernel):
    """Return the line of the kernel's def."""
    return next(filter(None, map(line_of, kernel.pieces[0].instructions)))


def same_place(entry, other):
    return entry["array"] == other["array"] and entry["writing"] == other["writing"]


def warp_cost(space, size, address):
    """Return the sectors that a warp's access moves, or its turns; and the least possible."""
    count = turns if space == "shared" else sectors
    return count(address.view(np.int64), size, np.zeros(len(address), np.int64))


def numbers(values):
    """Return what the lanes load or store, those of one lane together."""
    return [rounded(v, 6) for v in np.stack(values, axis=1).reshape(-1).tolist()]


@functools.cache
def function_around(line):
    """Return the Source of the innermost function around a line, without statements."""
    lines = linecache.getlines(line.file)
    spans = [
        (min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.end_lineno, node.name)
        for node in ast.walk(ast.parse("".join(lines)))
        if isinstance(node, ast.FunctionDef)
    ]
    around = [span for span in spans if span[0] <= line.number <= span[1]]
    first, last, name = max(around, default=(line.number, line.number, "?"))
    text = [line.rstrip("\n") for line in lines[first - 1 : last]]
    indent = min((len(t) - len(t.lstrip()) for t in text if t.strip()), default=0)
    return Source(name, line.file, first, tuple(t[indent:] for t in text), None, None)


def shared_names(kernel, shapes=False):
    """Return {name in the PTX: name in Python} of shared arrays, or {name in Python: shape}.

    The compiler numbers them in the order of the source.  A shape that is not written in numbers is
    left out.
    """
    made = []  # (name, shape) in the order of the source
    for node in ast.walk(ast.parse("\n".join(function_around(head_of(kernel)).lines))):
        if isinstance(node, ast.Assign) and "shared.array(" in ast.unparse(node.value):
            made.append((node.lineno, ast.unparse(node.targets[0]), node.value.args))
    made.sort(key=lambda item: item[0])
    if shapes:
        return {name: shape for _, name, args in made if args and (shape := constant(args[0]))}
    order = sorted(kernel.arrays["shared"], key=lambda name: int("0" + name.rpartition("_")[2]))
    same = len(order) == len(made)
    return {name: m[1] for name, m in zip(order, made, strict=True)} if same else {}


def constant(node):
    """Return a shape as a tuple, or None if it is not written in numbers."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if isinstance(value, tuple) else (value,)
