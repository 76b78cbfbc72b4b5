"""Arithmetic of a GPU that NumPy does not have, on arrays with a value for each thread.

    kind    a NumPy type, which says how to read the bits: u4 unsigned, i4 signed, f4 float, …

Integers wrap around.  float32 results that need it are computed in float64 and rounded once more,
which is exact but for one result in 2^29.
"""

import numpy as np
from numba import vectorize

u1, u2, u4, u8 = np.uint8, np.uint16, np.uint32, np.uint64
i1, i2, i4, i8 = np.int8, np.int16, np.int32, np.int64
f4, f8 = np.float32, np.float64

SPLIT = 2.0**27 + 1
TO_WHOLE = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}


def flushed(x):
    """Return x with 0 for denormal numbers, as .ftz asks for."""
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)


def saturated(x):
    """Return x clipped to 0 … 1, with 0 for NaN."""
    return np.where(x > 0, np.minimum(x, x.dtype.type(1)), x.dtype.type(0))


def rounded(x, direction):
    """Return float64 as float32: "rn" to nearest, "rz" towards zero, "rm" down, "rp" up."""
    nearest = x.astype(f4)
    if direction == "rn":
        return nearest
    exact, towards = nearest.astype(f8), {"rz": 0, "rm": -np.inf, "rp": np.inf}[direction]
    too_far = {
        "rz": np.abs(exact) > np.abs(x), "rm": exact > x, "rp": exact < x
    }[direction]  # fmt: skip
    return np.where(too_far, np.nextafter(nearest, f4(towards)), nearest)


@vectorize
def fma(a, b, c):
    """Return a·b + c of float32, rounded once: the product is exact in float64."""
    return f4(f8(a) * f8(b) + f8(c))


def fma_rounded(a, b, c, direction):
    return rounded(a.astype(f8) * b.astype(f8) + c, direction)


@vectorize
def fma_double(a, b, c):
    """Return a·b + c of float64: the errors of product and sum are computed, and added last.

    Each factor is split into two numbers of 26 bits, whose products are exact.
    """
    product = a * b
    a_high, b_high = a * SPLIT - (a * SPLIT - a), b * SPLIT - (b * SPLIT - b)
    a_low, b_low = a - a_high, b - b_high
    product_error = a_low * b_low - (
        ((product - a_high * b_high) - a_low * b_high) - a_high * b_low
    )
    total = product + c
    from_c = total - product
    total_error = (product - (total - from_c)) + (c - from_c)
    corrected = total + (product_error + total_error)
    return corrected if np.isfinite(corrected) else total


def upper_half(x):
    """Return float64 with 0 for the lower 32 bits, which is all that rcp.approx promises."""
    return (x.view(u8) & u8(0xFFFFFFFF00000000)).view(f8)


def high_product(a, b, kind):
    """Return the upper half of the product of two integers."""
    kind = np.dtype(kind)
    if kind.itemsize < 8:
        wide = np.dtype(f"{kind.kind}{2 * kind.itemsize}")
        return (a.astype(wide) * b.astype(wide) >> wide.type(8 * kind.itemsize)).astype(kind)
    x, y = np.broadcast_arrays(np.asarray(a).view(u8), np.asarray(b).view(u8))
    low, half = u8(0xFFFFFFFF), u8(32)
    middle = (x >> half) * (y & low) + ((x & low) * (y & low) >> half)
    carried = (x & low) * (y >> half) + (middle & low)
    result = (x >> half) * (y >> half) + (middle >> half) + (carried >> half)
    if kind.kind == "i":  # a negative a is 2^64 too large as an unsigned one
        result -= np.where(x >> u8(63), y, u8(0)) + np.where(y >> u8(63), x, u8(0))
    return result.view(kind)


def quotient(a, b):
    """Return a / b of integers, rounded towards zero; b is never 0."""
    result = a // b
    if a.dtype.kind == "i":
        result = result + ((a != result * b) & ((a < 0) != (b < 0))).astype(a.dtype)
    return result


def shifted_left(a, by, kind):
    kind = np.dtype(kind)
    bits = 8 * kind.itemsize
    return np.where(by >= bits, kind.type(0), a << np.minimum(by, u4(bits - 1)).astype(kind))


def shifted_right(a, by, kind):
    """Return a >> by; a signed number is filled up with its sign."""
    kind = np.dtype(kind)
    bits = 8 * kind.itemsize
    result = a >> np.minimum(by, u4(bits - 1)).astype(kind)
    return result if kind.kind == "i" else np.where(by >= bits, kind.type(0), result)


def funnel(low, high, by, direction, limit):
    """Return 32 bits of high and low, as one number of 64 bits that is shifted."""
    both = high.astype(u8) << u8(32) | low.astype(u8)
    by = (by & u4(31) if limit == "wrap" else np.minimum(by, u4(32))).astype(u8)
    return ((both << by) >> u8(32) if direction == "l" else both >> by).astype(u4)


def bit_field(a, first, count, kind):
    """Return `count` bits of a from bit `first` on; of a signed number, with the field's sign."""
    kind = np.dtype(kind)
    bits, unsigned = 8 * kind.itemsize, np.dtype(f"u{kind.itemsize}")
    first, count = (first & u4(255)).astype(i8), (count & u4(255)).astype(i8)
    up = np.clip(bits - first - count, 0, bits).astype(u4)
    down = np.clip(bits - count, 0, bits).astype(u4)
    field = shifted_right(shifted_left(a.view(unsigned), up, unsigned).view(kind), down, kind)
    return np.where(count == 0, kind.type(0), field)


def leading_zeros(a):
    bits = 8 * a.dtype.itemsize
    return np.array([bits - int(x).bit_length() for x in a.view(f"u{a.dtype.itemsize}")], u4)


def to_integer(x, rounding, kind):
    """Return floats as integers; those too large become the largest, and NaN becomes 0."""
    least, largest = np.iinfo(kind).min, np.iinfo(kind).max
    whole = TO_WHOLE[rounding](x.astype(f8))
    inside = np.where((whole > float(least)) & (whole < float(largest)), whole, 0).astype(kind)
    inside = np.where(whole >= float(largest), np.dtype(kind).type(largest), inside)
    return np.where(whole <= float(least), np.dtype(kind).type(least), inside)


def to_tf32(x):
    """Return the bits of the nearest TF32 numbers; ties go away from zero, NaN and ∞ stay."""
    bits = x.view(u4)
    return np.where(np.isfinite(x), (bits + u4(0x1000)) & u4(0xFFFFE000), bits)
