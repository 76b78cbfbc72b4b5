"""PTX, the assembly language of NVIDIA's GPUs, as data: a kernel becomes a list of pieces.

    register     %r1: one value in each thread; its kind is a NumPy type, "u4" for .b32
    Instruction  @!%p1 st.global.f32 [%rd2+8], %f3 has the guard %p1, which is negated; the
                 operation ("st", "global", "f32"); and the operands "[%rd2+8]" and "%f3"
    Line         a line of a Python file: the compiler says for every instruction where it is from
    Piece        instructions that always run one after another.  Only at its end a thread may jump,
                 wait at a barrier or stop

A call is replaced by the code of the function, with registers and labels of its own.  What a call
passes becomes registers, too.  So a kernel is one list of pieces, and a thread's place in the
program is the number of a piece.
"""

import re
from collections import namedtuple
from pathlib import Path

from ...errors import GpuError

KINDS = {
    "pred": "bool",
    "b8": "u1", "u8": "u1", "s8": "i1", "b16": "u2", "u16": "u2", "s16": "i2",
    "b32": "u4", "u32": "u4", "s32": "i4", "f32": "f4",
    "b64": "u8", "u64": "u8", "s64": "i8", "f64": "f8",
}  # fmt: skip
VERSIONS = range(7, 10)
LIMITS = {"shared": 48 << 10, "local": 512 << 10}  # bytes of arrays: of a block, of a thread
MOST_REGISTERS = 1 << 20  # of a declaration
BETWEEN_ARRAYS = 16  # unused bytes around each array in shared and in local memory

Line = namedtuple("Line", "file number")
Instruction = namedtuple("Instruction", "guard negated operation operands text line")
Piece = namedtuple("Piece", "instructions ending target guard negated")  # ending: see `pieces_of`

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
HEAD = re.compile(r"\.(?:entry|func)\s*(\([^)]*\))?\s*([\w$.]+)\s*(\([^)]*\))?")
PARAMETER = re.compile(
    r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)\s+(?:\.ptr[^,)]*?\s)?([\w$]+)(?:\[(\d+)\])?"
)
VARIABLE = re.compile(r"\.(shared|local)\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+([\w$]+)(?:\[(\d*)\])?")
REGISTERS = re.compile(r"\.reg\s+\.(\w+)\s+(.*)")
BEGINNING = re.compile(r"[{}]\s*|([$\w]+)\s*:\s*")  # of a statement: a brace, or a label
NAME = re.compile(r"%?[\w$.]+")


class Kernel:
    """A kernel of a PTX text.

    name, title      as in the PTX; as in Python, such as softmax.loss_kernel
    parameters       name → bytes, in order
    registers        name → kind
    arrays           "shared" and "local" → name of an array → (offset, bytes)
    bytes            "shared" and "local" → bytes of all of them, with what is between
    pieces           its code
    """

    def __init__(self, text, name):
        version = re.search(r"\.version\s+(\d+)", text)
        if not version or int(version[1]) not in VERSIONS:
            raise GpuError(
                f"the emulator knows PTX {VERSIONS[0]} to {VERSIONS[-1]}; this is "
                f"{'.version ' + version[1] if version else 'no PTX, or has no .version'}"
            )
        functions, variables = parse(text)
        if name not in functions:
            raise GpuError(f"the PTX has no kernel {name}; it has {', '.join(functions) or 'none'}")
        self.name, self.title = name, title_of(name)
        self.parameters = dict(functions[name].parameters)
        self.registers = {}
        self.arrays = {"shared": {}, "local": {}}
        self.bytes = {"shared": 0, "local": 0}
        self.calls, self.callers = 0, []  # how many calls there are; the functions around one
        self.place_arrays(variables, {})
        self.pieces = pieces_of(self.inlined(functions, functions[name], "", {}))

    def inlined(self, functions, function, prefix, names):
        """Return a function's code, labels and Instructions, with its calls replaced by code.

        names says what the caller calls the function's parameters; prefix makes all others unique.
        """
        names = dict(names)
        for register, kind in function.registers.items():
            names[register] = f"%{prefix}{register[1:]}"
            self.registers[names[register]] = kind
        names |= {name: prefix + name for name in function.passed}
        self.place_arrays(function.variables, names, prefix)
        for item in function.code:
            if isinstance(item, str):
                names[item] = prefix + item
        code = []
        for item in function.code:
            if isinstance(item, str):
                code.append(names[item])
                continue
            operands = [
                NAME.sub(lambda word: names.get(word[0], word[0]), q) for q in item.operands
            ]
            if item.guard and item.guard not in names:
                raise unknown(item)
            item = item._replace(operands=operands, guard=names.get(item.guard))
            if item.operation[0] == "call":
                code += self.call(functions, item)
            elif item.operation[0] == "ret" and prefix:
                code.append(item._replace(operation=("bra",), operands=[prefix + "return"]))
            elif item.operation[:2] in (("ld", "param"), ("st", "param")):
                code.append(self.passed(item, prefix, {*names.values(), *self.parameters}))
            else:
                code.append(item)
        return code + ([prefix + "return"] if prefix else [])

    def call(self, functions, item):
        """Return the code of a function that is called: call (results), function, (arguments)."""
        operands = list(item.operands)
        results = NAME.findall(operands.pop(0)) if operands[0].startswith("(") else []
        function = functions.get(operands.pop(0))
        arguments = NAME.findall(operands[0]) if operands else []
        formal = [name for name, _ in function.results + function.parameters] if function else []
        fits = function and len(formal) == len(results + arguments)
        if not fits or item.guard or function in self.callers:  # there is no recursion
            raise unknown(item)
        self.calls += 1
        names = dict(zip(formal, results + arguments, strict=True))
        self.callers.append(function)
        code = self.inlined(functions, function, f"call{self.calls}.", names)
        self.callers.pop()
        return code

    def passed(self, item, prefix, known):
        """Turn a load or store of a call's argument into a move; keep loads of the kernel's own."""
        if len(item.operands) != 2:
            raise unknown(item)
        memory = item.operands[item.operation[0] == "ld"]
        name, offset = address_of(memory, item)
        if name in self.parameters and not prefix:
            return item
        is_vector = any(operand.startswith("{") for operand in item.operands)
        if is_vector or name not in known or item.operation[-1] not in KINDS:
            raise unknown(item)
        register = f"%passed.{name}.{offset}"
        self.registers.setdefault(register, KINDS[item.operation[-1]])
        operands = [register if q == memory else q for q in item.operands]
        return item._replace(operation=("mov", item.operation[-1]), operands=operands)

    def place_arrays(self, variables, names, prefix=""):
        """Give arrays their offsets in shared or local memory, apart from each other.

        Raises GpuError if they take more than a GPU has.
        """
        for space, name, align, size in variables:
            names[name] = prefix + name
            offset = self.bytes[space] + BETWEEN_ARRAYS
            offset += -offset % align
            self.arrays[space][prefix + name] = offset, size
            self.bytes[space] = offset + size + BETWEEN_ARRAYS
        for space, limit in LIMITS.items():
            used = sum(size for _, size in self.arrays[space].values())
            if used > limit:
                owner = "block" if space == "shared" else "thread"
                words = f"needs {used} bytes of {space} memory a {owner}; a GPU gives it {limit}"
                raise GpuError(f"{self.title} {words}")


class Function:
    """A kernel, or a function that it calls, as it stands in the PTX."""

    def __init__(self, results, parameters):
        self.results, self.parameters = results, parameters  # pairs of a name and its bytes
        self.registers = {}  # name → kind
        self.passed = []  # names of what it passes to functions that it calls
        self.variables = []  # space, name, alignment and bytes of each array
        self.code = []  # labels, as strings, and Instructions


def parse(text):
    """Return the functions of a PTX text by name, and its arrays in shared memory."""
    text = COMMENT.sub(" ", text)
    files = dict(re.findall(r'\.file\s+(\d+)\s+"([^"]*)"', text))
    text = re.sub(r"\.loc\s+(\d+)\s+(\d+)[^\n]*", r".loc \1 \2;", text)
    functions, variables, start = {}, [], 0
    while found := re.compile("[;{]").search(text, start):
        head, start = text[start : found.start()], found.end()
        if found[0] == ";":
            variables += variables_in(head)
            continue
        start = after_brace(text, start)
        if name := HEAD.search(head):
            function = Function(parameters_in(name[1]), parameters_in(name[3]))
            read_body(function, text[found.end() : start - 1], files)
            functions[name[2]] = function
    return functions, variables


def after_brace(text, start):
    """Return the index after the brace that closes the one before start."""
    depth = 1
    while depth:
        found = re.compile("[{}]").search(text, start)
        if not found:
            raise GpuError("the PTX ends within a pair of braces")
        depth += 1 if found[0] == "{" else -1
        start = found.end()
    return start


def parameters_in(text):
    """Return the name and the bytes of each parameter."""
    found = PARAMETER.findall(text or "")
    return [(name, bytes_of(kind) * int(count or 1)) for kind, name, count in found]


def bytes_of(word):
    """Return the bytes of a PTX type, such as f32."""
    return int(kind_of(word).lstrip("boliuf") or 1)


def kind_of(word):
    """Return the kind of a PTX type."""
    if word not in KINDS:
        raise GpuError(f"the emulator does not know the PTX type .{word}")
    return KINDS[word]


def variables_in(text):
    """Return space, name, alignment and bytes of an array in shared or local memory, if it is."""
    found = VARIABLE.search(text)
    if not found or HEAD.search(text):
        return []
    space, align, kind, name, count = found.groups()
    size = bytes_of(kind)
    return [(space, name, int(align or 0) or size, size * int(count or 1))]


def read_body(function, body, files):
    """Fill in a function's registers, arrays and code."""
    line = None
    for statement in body.split(";"):
        statement = " ".join(statement.split())
        while found := BEGINNING.match(statement):
            if found[1]:
                function.code.append(found[1])
            statement = statement[found.end() :]
        if found := re.fullmatch(r"\.loc (\d+) (\d+)", statement):
            if found[2] != "0":  # 0: from no line
                line = Line(files.get(found[1], "?"), int(found[2]))
        elif found := REGISTERS.match(statement):
            for name in found[2].replace(" ", "").split(","):
                for register in expanded(name):
                    function.registers[register] = kind_of(found[1])
        elif statement.startswith(".param"):
            function.passed += [name for name, _ in parameters_in(statement)]
        elif statement.startswith("."):  # .pragma says nothing that is needed
            function.variables += variables_in(statement)
        elif statement:
            function.code.append(instruction(statement, line))


def expanded(name):
    """Return the registers that %r<3> declares: %r0, %r1 and %r2."""
    found = re.fullmatch(r"(.*)<(\d+)>", name)
    if found and int(found[2]) > MOST_REGISTERS:
        raise GpuError(f"the PTX declares {name}; the emulator has {MOST_REGISTERS} registers")
    return [f"{found[1]}{i}" for i in range(int(found[2]))] if found else [name]


def instruction(text, line):
    """Return a statement as an Instruction."""
    guard, negated, rest = re.fullmatch(r"(?:@(!?)(\S+) )?(.*)", text).group(2, 1, 3)
    operation, _, operands = rest.partition(" ")
    return Instruction(
        guard, negated == "!", tuple(operation.split(".")), split_operands(operands), text, line
    )


def split_operands(text):
    """Return operands, split at the commas that are outside of brackets."""
    operands = re.findall(r"(?:[^,{\[(]|\{[^}]*\}|\[[^\]]*\]|\([^)]*\))+", text)
    return [operand.strip() for operand in operands if operand.strip()]


def address_of(operand, item):
    """Return the base and the offset of an operand [base+offset]."""
    found = re.fullmatch(r"\[\s*([%\w$.]+)\s*(?:\+\s*(-?\w+))?\s*\]", operand)
    if not found:
        raise unknown(item)
    return found[1], int(found[2] or "0", 0)


def pieces_of(code):
    """Return code, labels and Instructions, as Pieces.

    A piece's ending says what its threads do next: they go on to the "next" piece, "jump" to the
    target, all or those whose guard is true, wait at a "barrier" before the next piece, or "stop".
    An instruction with a guard becomes a piece of its own, which threads jump around.
    """
    pieces, labels, current = [], {}, []

    def close(ending, target=None, guard=None, negated=False):
        pieces.append(Piece(tuple(current), ending, target, guard, negated))
        current.clear()

    for item in code:
        if isinstance(item, str):
            if current:
                close("next")
            labels[item] = len(pieces)
            continue
        name = item.operation[0]
        if name == "bra":
            if len(item.operands) != 1:
                raise unknown(item)
            close("jump", item.operands[0], item.guard, item.negated)
            continue
        if item.guard:
            around = len(pieces) + 2
            close("jump", around, item.guard, not item.negated)
            item = item._replace(guard=None)
        if name in ("bar", "barrier"):
            if item.operands != ["0"]:
                raise unknown(item)
            current.append(item)
            close("barrier")
        elif name in ("ret", "exit"):
            close("stop")
        else:
            current.append(item)
            if item.text.startswith("@"):
                close("next")
    close("stop")
    for piece in pieces:
        if isinstance(piece.target, str) and piece.target not in labels:
            raise GpuError(f"the PTX has no label {piece.target}, to which it jumps")
    return [piece._replace(target=labels.get(piece.target, piece.target)) for piece in pieces]


def unknown(item):
    """Return the error for an instruction that cannot be emulated."""
    return GpuError(f"the emulator does not know the PTX instruction {item.text}, {place(item)}")


def place(item):
    """Return where an instruction is from: cuda/pool.py line 120."""
    if item.line is None:
        return "of no line of Python"
    return f"{'/'.join(Path(item.line.file).parts[-2:])} line {item.line.number}"


def title_of(name):
    """Return the last two parts of a mangled name, module and function: softmax.loss_kernel."""
    parts, rest = [], name.partition("_ZN")[2]
    while found := re.match(r"\d+", rest):
        end = found.end() + int(found[0])
        parts.append(rest[found.end() : end])
        rest = rest[end:]
    parts = [part for part in parts if "locals" not in part]
    module, function = (parts[2], parts[-1]) if len(parts) > 3 else (parts[-2:] or [name, ""])
    return f"{module}.{function}".rstrip(".")
