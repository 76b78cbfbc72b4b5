"""Translation: a piece of PTX becomes a function in Python, which works on arrays.

    add.s32 %r3, %r1, 4;        becomes      r3 = (r1.view(i4) + K0).view(u4)

    blocks    the thread blocks that run now (execution.py)
    lanes     which of their threads run this piece; a register holds a value for each
    K0, K1    constants: numbers, and the instructions themselves, which a fault names

Only registers that another piece reads are written back.  An instruction, or a part of its name,
that is not known here is refused before the kernel runs.
"""

import re

import numpy as np

from . import arithmetic
from .expressions import SPACES, WINDOWS, Expressions, local, size
from .ptx import KINDS, address_of, split_operands, unknown

SAME_KIND = {  # operation → result, where operands and result are of the instruction's kind
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "rcp": "1 / {0}",
    "min": "np.minimum({0}, {1})",
    "max": "np.maximum({0}, {1})",
    "abs": "np.abs({0})",
    "neg": "-{0}",
    "sqrt": "np.sqrt({0})",
    "rsqrt": "1 / np.sqrt({0}.astype(f8))",
    "ex2": "np.exp2({0}.astype(f8))",
    "lg2": "np.log2({0}.astype(f8))",
    "sin": "np.sin({0}.astype(f8))",
    "cos": "np.cos({0}.astype(f8))",
    "tanh": "np.tanh({0}.astype(f8))",
    "copysign": "np.copysign({1}, {0})",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "xor": "{0} ^ {1}",
    "not": "~{0}",
}
ROUNDED_BY_APPROX = "rcp", "rsqrt", "ex2", "lg2", "sin", "cos", "tanh"
COMPARISONS = {
    "eq": "{0} == {1}", "lt": "{0} < {1}", "le": "{0} <= {1}",
    "gt": "{0} > {1}", "ge": "{0} >= {1}",
    "ne": "({0} < {1}) | ({0} > {1})", "equ": "~(({0} < {1}) | ({0} > {1}))",
    "neu": "~({0} == {1})", "ltu": "~({0} >= {1})", "leu": "~({0} > {1})",
    "gtu": "~({0} <= {1})", "geu": "~({0} < {1})",
    "num": "~(np.isnan({0}) | np.isnan({1}))", "nan": "np.isnan({0}) | np.isnan({1})",
}  # fmt: skip
UNSIGNED_COMPARISONS = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}
SYMBOLS = {"and": "&", "or": "|", "xor": "^"}
DIRECTIONS = "rn", "rz", "rm", "rp"
MODIFIERS = {*KINDS, *DIRECTIONS, "approx", "full", "ftz", "sat", "lo", "NaN"}  # known everywhere
MMA = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32".split(".")
NO_EFFECT = "bar", "barrier", "membar", "fence"  # a barrier is the ending of a piece


def translated(kernel):
    """Return a function for each piece of a kernel."""
    reads, writes = zip(*(uses_of(kernel, piece) for piece in kernel.pieces), strict=True)
    needed = needed_after(kernel.pieces, reads, writes)
    return [
        Translation(kernel, piece).function(reads[k], writes[k] & needed[k])
        for k, piece in enumerate(kernel.pieces)
    ]


def uses_of(kernel, piece):
    """Return the registers that a piece needs from before, and those that it writes."""
    reads, writes = set(), set()
    for item in piece.instructions:
        names = [re.findall(r"%[\w$.]+", operand) for operand in item.operands]
        names = [{name for name in group if name in kernel.registers} for group in names]
        has_result = item.operation[0] not in ("st", *NO_EFFECT)
        reads |= set().union(*names[has_result:]) - writes
        writes |= set().union(*names[:has_result])
    if piece.guard and piece.guard not in writes:
        reads.add(piece.guard)
    return reads, writes


def needed_after(pieces, reads, writes):
    """Return the registers, for each piece, that some later piece may read."""
    before, after, changed = [set(r) for r in reads], [set() for _ in pieces], True
    while changed:
        changed = False
        for k in reversed(range(len(pieces))):
            after[k] = set().union(*(before[n] for n in following(pieces, k)))
            need = reads[k] | (after[k] - writes[k])
            changed |= need != before[k]
            before[k] = need
    return after


def following(pieces, k):
    """Return the pieces that can run after piece k."""
    piece = pieces[k]
    go_on = piece.ending in ("next", "barrier") or (piece.ending == "jump" and piece.guard)
    return [k + 1] * bool(go_on) + [piece.target] * (piece.ending == "jump")


class Translation(Expressions):
    """The lines of a function, as they are written."""

    def __init__(self, kernel, piece):
        super().__init__(kernel)
        self.piece = piece

    def function(self, reads, writes):
        """Return the function: (registers, blocks, lanes) → the guard of the jump at the end."""
        for register in sorted(reads):
            self.lines.append(f"{local(register)} = registers.read({register!r}, lanes)")
        for item in self.piece.instructions:
            self.item = item
            try:
                self.translate(*item.operation)
            except (IndexError, TypeError, ValueError) as error:  # it has other operands
                raise unknown(item) from error
        for register in sorted(writes):
            self.lines.append(f"registers.write({register!r}, lanes, {local(register)})")
        if self.piece.guard:
            self.lines.append(f"return {'~' * self.piece.negated}{local(self.piece.guard)}")
        lines = "".join(f"    {line}\n" for line in self.lines or ["pass"])
        names = {**vars(arithmetic), **self.constants}
        exec(f"def piece(registers, blocks, lanes):\n{lines}", names)
        return names["piece"]

    # Instructions.

    def translate(self, name, *modifiers):
        special = getattr(self, f"{name}_", None)
        if special:
            special(*modifiers)
        elif name in SAME_KIND:
            self.same_kind(name, modifiers)
        elif name not in NO_EFFECT:
            raise unknown(self.item)

    def check(self, modifiers, *more):
        """Refuse modifiers that are not known; return the kind, the last of them."""
        if not modifiers or set(modifiers) - MODIFIERS - set(more):
            raise unknown(self.item)
        kinds = [KINDS[m] for m in modifiers if m in KINDS]
        if not kinds:
            raise unknown(self.item)
        return kinds[-1]

    def same_kind(self, name, modifiers):
        kind = self.check(modifiers)
        result, *operands = self.item.operands
        form = SAME_KIND[name]
        if kind[0] != "f":
            values = [self.value(operand, kind) for operand in operands]
            if name in ("div", *ROUNDED_BY_APPROX) or "sat" in modifiers:
                raise unknown(self.item)
            self.define(result, form.format(*values), kind)
            return
        if name in ("min", "max") and "NaN" not in modifiers:  # of NaN and a number, the number
            form = form.replace("np.m", "np.fm").replace("imum", "")
        values = self.floats(operands, kind, modifiers)
        direction = direction_in(modifiers)
        if direction != "rn":
            if kind != "f4" or name not in ("add", "sub", "mul"):
                raise unknown(self.item)
            exact = form.format(*(f"{value}.astype(f8)" for value in values))
            expression = f"rounded({exact}, {direction!r})"
        elif name in ROUNDED_BY_APPROX:
            expression = f"({form.format(*values)}).astype({kind})"
            if kind == "f8" and "approx" in modifiers:
                expression = f"upper_half({expression})"
        else:
            expression = form.format(*values)
        self.define(result, self.finished(f"({expression})", modifiers), kind)

    def mul_(self, *modifiers):
        kind = self.check(modifiers, "wide", "hi")
        if kind[0] == "f":
            self.same_kind("mul", modifiers)
        else:
            self.define(self.item.operands[0], *self.product(kind, modifiers))

    def mad_(self, *modifiers):
        kind = self.check(modifiers, "wide", "hi")
        if kind[0] == "f":
            self.fma_(*modifiers)
            return
        product, kind = self.product(kind, modifiers)
        self.define(
            self.item.operands[0], f"{product} + {self.value(self.item.operands[3], kind)}", kind
        )

    def product(self, kind, modifiers):
        """Return the product of two integers, and its kind: the lower half, the upper, or all."""
        a, b = (self.value(operand, kind) for operand in self.item.operands[1:3])
        if "hi" in modifiers:
            return f"high_product({a}, {b}, {kind})", kind
        if "wide" in modifiers:
            wide = f"{kind[0]}{2 * size(kind)}"
            return f"{a}.astype({wide}) * {b}.astype({wide})", wide
        return f"{a} * {b}", kind

    def fma_(self, *modifiers):
        kind, direction = self.check(modifiers), direction_in(modifiers)
        values = ", ".join(self.floats(self.item.operands[1:], kind, modifiers))
        if kind == "f8" and direction != "rn":
            raise unknown(self.item)
        name = "fma_double" if kind == "f8" else "fma"
        if kind == "f4" and direction != "rn":
            name, values = "fma_rounded", f"{values}, {direction!r}"
        expression = f"{name}({values})"
        self.define(self.item.operands[0], self.finished(expression, modifiers), kind)

    def div_(self, *modifiers):
        kind = self.check(modifiers)
        if kind[0] == "f":
            self.same_kind("div", modifiers)
        else:
            self.define(self.item.operands[0], self.quotient(kind), kind)

    def rem_(self, *modifiers):
        kind = self.check(modifiers)
        a, b = (self.value(operand, kind) for operand in self.item.operands[1:])
        self.define(self.item.operands[0], f"{a} - {b} * {self.quotient(kind)}", kind)

    def quotient(self, kind):
        a, b = (self.value(operand, kind) for operand in self.item.operands[1:])
        return f"blocks.quotient({a}, {b}, lanes, {self.constant(self.item)})"

    def shl_(self, *modifiers):
        self.shift("left", "u" + self.check(modifiers)[1:])

    def shr_(self, *modifiers):
        self.shift("right", self.check(modifiers))

    def shift(self, direction, kind):
        result, a, by = self.item.operands
        values = f"{self.value(a, kind)}, {self.value(by, 'u4')}"
        self.define(result, f"shifted_{direction}({values}, {kind})", kind)

    def shf_(self, direction, limit, *modifiers):
        self.check(modifiers)
        low, high, by = (self.value(operand, "u4") for operand in self.item.operands[1:])
        expression = f"funnel({low}, {high}, {by}, {direction!r}, {limit!r})"
        self.define(self.item.operands[0], expression, "u4")

    def bfe_(self, *modifiers):
        kind = self.check(modifiers)
        result, a, first, count = self.item.operands
        values = f"{self.value(a, kind)}, {self.value(first, 'u4')}, {self.value(count, 'u4')}"
        self.define(result, f"bit_field({values}, {kind})", kind)

    def clz_(self, *modifiers):
        value = self.value(self.item.operands[1], self.check(modifiers))
        self.define(self.item.operands[0], f"leading_zeros({value})", "u4")

    def selp_(self, *modifiers):
        kind = self.check(modifiers)
        result, a, b, condition = self.item.operands
        values = f"{self.value(condition, 'bool')}, {self.value(a, kind)}, {self.value(b, kind)}"
        self.define(result, f"np.where({values})", kind)

    def setp_(self, comparison, *modifiers):
        kind = self.check(modifiers, *SYMBOLS)
        targets, a, b, *third = self.item.operands
        if comparison in UNSIGNED_COMPARISONS:
            kind, comparison = f"u{kind[1:]}", UNSIGNED_COMPARISONS[comparison]
        if comparison not in COMPARISONS:
            raise unknown(self.item)
        values = self.floats((a, b), kind, modifiers)
        true = f"({COMPARISONS[comparison].format(*values)})"
        target, _, opposite = targets.partition("|")
        for register, result in ((target, true), (opposite, f"~{true}")):
            for name in set(SYMBOLS) & set(modifiers):
                negated = "~" * third[0].startswith("!")
                other = self.value(third[0].lstrip("!"), "bool")
                result = f"({result}) {SYMBOLS[name]} {negated}{other}"
            if register:
                self.define(register, result, "bool")

    def cvt_(self, *modifiers):
        result, operand = self.item.operands
        if "tf32" in modifiers:
            if set(modifiers) != {"rna", "tf32", "f32"}:
                raise unknown(self.item)
            self.define(result, f"to_tf32({self.value(operand, 'f4')})", "u4")
            return
        self.check(modifiers, *arithmetic.TO_WHOLE)
        target, source = (KINDS[m] for m in modifiers if m in KINDS)
        whole = [m for m in modifiers if m in arithmetic.TO_WHOLE]
        value, direction = self.value(operand, source), direction_in(modifiers)
        if source[0] == "f" and "ftz" in modifiers:
            value = f"flushed({value})"
        if source[0] != "f" and ("sat" in modifiers or direction != "rn"):
            raise unknown(self.item)
        if source[0] == "f" and target[0] != "f":
            self.define(result, f"to_integer({value}, {whole[0]!r}, {target})", target)
            return
        if whole:
            value = f"TO_WHOLE[{whole[0]!r}]({value})"
        if direction == "rn":
            value = f"{value}.astype({target})"
        else:
            value = f"rounded({value}, {direction!r})"
        self.define(result, f"saturated({value})" if "sat" in modifiers else value, target)

    def cvta_(self, *modifiers):
        space = next((m for m in modifiers if m in SPACES), None)
        if space is None:
            raise unknown(self.item)
        sign, start = "-" if "to" in modifiers else "+", self.constant(np.uint64(WINDOWS[space]))
        value = self.value(self.item.operands[1], "u8")
        self.define(self.item.operands[0], f"{value} {sign} {start}", "u8")

    def mov_(self, *modifiers):
        kind = self.check(modifiers)
        target, source = self.item.operands
        if target.startswith("{"):  # a register is taken apart, lowest bits first
            registers = split_operands(target[1:-1])
            part = size(kind) // len(registers)
            for j, register in enumerate(registers):
                bits = f"({self.value(source, kind)} >> {kind}({8 * part * j}))"
                self.define(register, f"{bits}.astype(u{part})", f"u{part}")
        elif source.startswith("{"):
            registers = split_operands(source[1:-1])
            part = size(kind) // len(registers)
            bits = [
                f"({self.value(register, f'u{part}')}.astype({kind}) << {kind}({8 * part * j}))"
                for j, register in enumerate(registers)
            ]
            self.define(target, " | ".join(bits), kind)
        else:
            self.define(target, self.value(source, kind), kind)

    # Memory.

    def ld_(self, *modifiers):
        target, source = self.item.operands
        registers = numbers_in(target)
        kind = self.check_access(modifiers, registers)
        if "param" in modifiers:
            name, offset = address_of(source, self.item)
            for j, register in enumerate(registers):
                place = offset + j * size(kind)
                self.define(register, f"blocks.argument({name!r}, {place}, {kind})", kind)
            return
        values = [f"loaded_{j}" for j in range(len(registers))]
        self.lines.append(
            f"{', '.join(values)}, = blocks.load({space_in(modifiers)!r}, {self.address(source)}, "
            f"{kind}, {len(registers)}, lanes, {self.constant(self.item)})"
        )
        for register, value in zip(registers, values, strict=True):
            self.define(register, value, kind)

    def st_(self, *modifiers):
        target, source = self.item.operands
        numbers, values = numbers_in(source), []
        kind = self.check_access(modifiers, numbers)
        for operand in numbers:
            value = self.value(operand, kind)
            values.append(f"np.full(len(lanes), {value})" if self.is_constant(operand) else value)
        self.lines.append(
            f"blocks.store({space_in(modifiers)!r}, {self.address(target)}, "
            f"[{', '.join(values)}], lanes, {self.constant(self.item)})"
        )

    def check_access(self, modifiers, numbers):
        """Return the kind of a load or store of as many numbers as .v2 or .v4 says."""
        if len(numbers) != next((int(m[1]) for m in modifiers if m in ("v2", "v4")), 1):
            raise unknown(self.item)
        return self.check(modifiers, *SPACES, "param", "v2", "v4", "nc", "weak")

    def mma_(self, *modifiers):
        if ["mma", *modifiers] != MMA:
            raise unknown(self.item)
        sums, a, b, c = (split_operands(operand[1:-1]) for operand in self.item.operands)
        factors = [self.value(operand, "u4") for operand in a + b]
        addends = [self.value(operand, "f4") for operand in c]
        self.lines.append(
            f"sum_0, sum_1, sum_2, sum_3 = blocks.multiply([{', '.join(factors)}], "
            f"[{', '.join(addends)}], lanes, {self.constant(self.item)})"
        )
        for j, register in enumerate(sums):
            self.define(register, f"sum_{j}", "f4")


def numbers_in(operand):
    """Return {%f1, %f2} as its parts, and any other operand as the only one."""
    return split_operands(operand[1:-1]) if operand.startswith("{") else [operand]


def direction_in(modifiers):
    return next((m for m in modifiers if m in DIRECTIONS), "rn")


def space_in(modifiers):
    return next((m for m in modifiers if m in SPACES), "generic")
