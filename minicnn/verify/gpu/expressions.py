"""Expressions: an operand of PTX becomes an expression in Python, and a result a line.

    %r3       r_r3: an array with a number for each lane
    %tid.x    blocks.special("%tid.x", lanes)
    4         K0: a constant, which the function is given by this name

An operand is read as the kind that its instruction names, whatever the register's own: of the same
size, its bits are; of a larger register, the lower half is.
"""

import re

import numpy as np

from .ptx import address_of, unknown

SPACES = "global", "shared", "local"
# Generic addresses of shared and local memory begin here.  Global memory is elsewhere (memory.py).
WINDOWS = {"global": 0, "shared": 1 << 32, "local": 1 << 33}
SPECIAL = [f"%{name}.{axis}" for name in ("tid", "ntid", "ctaid", "nctaid") for axis in "xyz"]


class Expressions:
    """The lines of a function, and the constants in them; item: the Instruction at work."""

    def __init__(self, kernel):
        self.kernel, self.item = kernel, None
        self.lines, self.constants = [], {}

    def value(self, operand, kind):
        """Return an operand as an expression of this kind."""
        kernel = self.kernel
        if operand in kernel.registers:
            stored = kernel.registers[operand]
            if stored == kind:
                return local(operand)
            if size(stored) == size(kind):
                return f"{local(operand)}.view({kind})"
            if size(stored) > size(kind) > 0:
                return f"{local(operand)}.astype(u{size(kind)}).view({kind})"
            raise unknown(self.item)
        if operand in SPECIAL:
            return f"blocks.special({operand!r}, lanes).astype({kind})"
        for space in ("shared", "local"):
            if operand in kernel.arrays[space]:
                return f"np.full(len(lanes), {kernel.arrays[space][operand][0]}, {kind})"
        return self.constant(self.literal(operand, kind))

    def literal(self, text, kind):
        """Return a number of the PTX as a NumPy number: 12, 0f3F800000 or 0d3FF0000000000000."""
        bits = 8 * size(kind) or 1
        try:
            number = (
                int(text[2:], 16) if text[:2].lower() in ("0f", "0d") else int(text.rstrip("U"), 0)
            )
        except ValueError:
            raise unknown(self.item) from None
        if kind == "bool":
            return np.bool_(number)
        if kind[0] == "f" and text[:2].lower() not in ("0f", "0d"):
            raise unknown(self.item)
        return np.array(number % 2**bits, f"u{size(kind)}").view(kind)[()]

    def constant(self, value):
        name = f"K{len(self.constants)}"
        self.constants[name] = value
        return name

    def is_constant(self, *operands):
        """Return whether no operand differs between threads, so that the result is one number."""
        arrays = self.kernel.arrays["shared"], self.kernel.arrays["local"]
        words = [word for operand in operands for word in re.findall(r"%?[\w$.]+", operand)]
        return not any(
            word in self.kernel.registers or word in SPECIAL or any(word in a for a in arrays)
            for word in words
        )

    def define(self, register, expression, kind):
        """Write an expression of this kind into a register."""
        stored = self.kernel.registers.get(register)
        if register == "_":  # a result that is not wanted
            return
        if self.is_constant(*self.item.operands[1:]):
            expression = f"np.full(len(lanes), {expression}, {kind})"
        if stored is None or size(stored) < size(kind):
            raise unknown(self.item)
        if stored != kind and size(stored) == size(kind):
            expression = f"({expression}).view({stored})"
        elif stored != kind:
            expression = f"({expression}).astype({kind[0]}{size(stored)}).view({stored})"
        self.lines.append(f"{local(register)} = {expression}")

    def finished(self, expression, modifiers):
        """Return a float expression with what .ftz and .sat ask for."""
        if "ftz" in modifiers:
            expression = f"flushed({expression})"
        return f"saturated({expression})" if "sat" in modifiers else expression

    def floats(self, operands, kind, modifiers):
        """Return floats as expressions; .ftz reads denormal numbers as 0."""
        values = [self.value(operand, kind) for operand in operands]
        return [f"flushed({value})" for value in values] if "ftz" in modifiers else values

    def address(self, operand):
        """Return the address of an operand [base+offset] as an expression."""
        base, offset = address_of(operand, self.item)
        value = self.value(base, "u8") if base[0] != "%" or self.is_wide(base) else None
        if value is None:  # shared and local memory have addresses of 32 bits, too
            value = f"{self.value(base, 'u4')}.astype(u8)"
        return f"{value} + {self.constant(np.uint64(offset % 2**64))}" if offset else value

    def is_wide(self, register):
        return size(self.kernel.registers.get(register, "u8")) == 8


def size(kind):
    """Return the bytes of a kind; 0 for a truth value."""
    return 0 if kind == "bool" else int(kind[1:])


def local(register):
    """Return the name of a register in Python."""
    return "r_" + re.sub(r"\W", "_", register[1:])
