"""Three small matrices, with which winograd.py needs a sixth of the multiplications.

Two polynomials can be multiplied through their values: evaluate both at enough points, multiply
value by value, and find the polynomial that has these values.  If a has n coefficients and w has f,
their product has n + f − 1, so n + f − 1 points suffice, and as many multiplications; coefficient
by coefficient, it takes n·f.  As matrices, with E for `evaluate` (E_n for n coefficients, E_f for
f):

    product of a and w = E₈⁻¹ [(E_n a) ⊙ (E_f w)]        here n + f − 1 = 8

A convolution is the transpose of that.  Its n outputs are y_i = Σ_j w_j x_{i+j}, so Σ_i a_i y_i is
the dot product of x with the coefficients of a·w, for any a.  Therefore

    y = E_nᵀ [(E_f w) ⊙ (Bᵀ x)]                          with B = E₈⁻¹

and in two dimensions, first along the columns and then along the rows,

    y = E_nᵀ [(E_f w E_fᵀ) ⊙ (Bᵀ x B)] E_n               n×n outputs, f×f weights, 8×8 pixels

64 multiplications replace (n·f)².  The eight points are 0, ±½, ±1, ±2 and ∞; at ∞ only the last
coefficient of a polynomial counts.  (Toom, 1963; Winograd, Arithmetic Complexity of Computations,
1980; Lavin and Gray, arXiv 1509.09308, for convolutions.)

At p and −p the even powers are equal, and the odd powers differ in sign.  So each pair of points is
computed as `even` plus and minus `odd`.

    a, m, x     eight vectors (vector.py): eight numbers for each of LANES channels
    scratch     (2·64·LANES,)  two tiles of 8×8 vectors, row by row: first the tile as it was
                copied, then the same after the transform along its columns

Two tuples describe places in larger arrays:

    Tile        8×8 pixels: pixel (i, j) is the vector at array[offset + i·row_step + j·step], if
                top ≤ i < bottom and left ≤ j < right; the others are outside the image.  Only the
                first `count` lanes are channels of the image
    Points      a tile's 64 numbers after E or B: number i is the vector at array[offset + i·step]
"""

from collections import namedtuple

import numpy as np

from ..jit import njit
from .flags import PLAIN
from .vector import (
    LANES,
    add,
    clamp_min,
    fma,
    load,
    load_part,
    mul,
    splat,
    store,
    store_part,
    sub,
    zero,
)

SIDE, POINTS = 8, 64
SECOND_TILE = POINTS * LANES  # where the second tile of scratch begins

Tile = namedtuple("Tile", "array offset row_step step top bottom left right count")
Points = namedtuple("Points", "array offset step")


@njit(**PLAIN)
def evaluate(a, last):
    """Return E a: a0 + a1·p + … + a6·p⁶ for p = 0, ½, −½, 1, −1, 2 and −2; then `last`, for ∞."""
    a0, a1, a2, a3, a4, a5, a6, _ = a
    half, quarter, two, four = splat(a0, 0.5), splat(a0, 0.25), splat(a0, 2), splat(a0, 4)
    even_half = fma(quarter, fma(quarter, fma(quarter, a6, a4), a2), a0)
    odd_half = mul(half, fma(quarter, fma(quarter, a5, a3), a1))
    even, odd = add(add(a0, a2), add(a4, a6)), add(add(a1, a3), a5)
    even_two = fma(four, fma(four, fma(four, a6, a4), a2), a0)
    odd_two = mul(two, fma(four, fma(four, a5, a3), a1))
    return (
        a0, add(even_half, odd_half), sub(even_half, odd_half), add(even, odd),
        sub(even, odd), add(even_two, odd_two), sub(even_two, odd_two), last,
    )  # fmt: skip


@njit(**PLAIN)
def collect(m, n):
    """Return Eᵀ m, of n numbers: Σ_p m_p·pⁱ for i = 0 … 6, and m at ∞ is added to the last of n."""
    m0, m1, m2, m3, m4, m5, m6, last = m
    even_half, odd_half = add(m1, m2), sub(m1, m2)
    even, odd, even_two, odd_two = add(m3, m4), sub(m3, m4), add(m5, m6), sub(m5, m6)
    y1 = fma(splat(m0, 1 / 2), odd_half, fma(splat(m0, 2), odd_two, odd))
    y2 = fma(splat(m0, 1 / 4), even_half, fma(splat(m0, 4), even_two, even))
    y3 = fma(splat(m0, 1 / 8), odd_half, fma(splat(m0, 8), odd_two, odd))
    y4 = fma(splat(m0, 1 / 16), even_half, fma(splat(m0, 16), even_two, even))
    y5 = fma(splat(m0, 1 / 32), odd_half, fma(splat(m0, 32), odd_two, odd))
    y6 = fma(splat(m0, 1 / 64), even_half, fma(splat(m0, 64), even_two, even))
    return (
        add(add(m0, even_half), add(even, even_two)), add_if(n == 2, y1, last),
        add_if(n == 3, y2, last), add_if(n == 4, y3, last), add_if(n == 5, y4, last),
        add_if(n == 6, y5, last), add_if(n == 7, y6, last),
    )  # fmt: skip


@njit(**PLAIN)
def add_if(condition, u, v):
    """Return u + v if the condition holds, else u."""
    return add(u, v) if condition else u


@njit(**PLAIN)
def interpolate(x):
    """Return Bᵀ x: the sums of x with the coefficients of Lagrange's polynomials.

    The polynomial of point p is 1 there and 0 at the other six; that of ∞ is
    t·(t² − ¼)·(t² − 1)·(t² − 4) = t⁷ − 5¼·t⁵ + 5¼·t³ − t.
    """
    x0, x1, x2, x3, x4, x5, x6, x7 = x
    even_half = fma(splat(x0, 4), x2, fma(splat(x0, -5), x4, x6))
    odd_half = fma(splat(x0, 4), x1, fma(splat(x0, -5), x3, x5))
    even, odd = fma(splat(x0, -4.25), x4, add(x2, x6)), fma(splat(x0, -4.25), x3, add(x1, x5))
    even_two = fma(splat(x0, 1 / 4), x2, fma(splat(x0, -5 / 4), x4, x6))
    odd_two = fma(splat(x0, 1 / 4), x1, fma(splat(x0, -5 / 4), x3, x5))
    even_half, odd_half = mul(splat(x0, 32 / 45), even_half), mul(splat(x0, 16 / 45), odd_half)
    even, odd = mul(splat(x0, -2 / 9), even), mul(splat(x0, -2 / 9), odd)
    even_two, odd_two = mul(splat(x0, 1 / 90), even_two), mul(splat(x0, 2 / 90), odd_two)
    return (
        fma(splat(x0, 5.25), sub(x4, x2), sub(x0, x6)),
        add(even_half, odd_half), sub(even_half, odd_half), add(even, odd), sub(even, odd),
        add(even_two, odd_two), sub(even_two, odd_two),
        fma(splat(x0, 5.25), sub(x3, x5), sub(x7, x1)),
    )  # fmt: skip


@njit(**PLAIN)
def copy_tile(tile, scratch):
    """Copy a tile to scratch, with zeros for pixels outside the image."""
    x, offset, row_step, step, top, bottom, left, right, count = tile
    for place in range(POINTS):  # as two loops, LLVM would write out all 64 copies
        i, j, pixel = place // SIDE, place % SIDE, zero(x)
        if top <= i < bottom and left <= j < right:
            pixel = load_part(x, offset + i * row_step + j * step, count)
        store(scratch, place * LANES, pixel)


@njit(**PLAIN)
def load_eight(x, i, step):
    """Return the vectors at x[i], x[i + step], …, x[i + 7·step]."""
    return (
        load(x, i), load(x, i + step), load(x, i + 2 * step), load(x, i + 3 * step),
        load(x, i + 4 * step), load(x, i + 5 * step), load(x, i + 6 * step), load(x, i + 7 * step),
    )  # fmt: skip


@njit(**PLAIN)
def load_first(x, i, step, n, count):
    """Return n vectors of `count` numbers, at a distance of step, and zeros: eight in all."""
    nothing = zero(x)
    return (
        load_part(x, i, count) if n > 0 else nothing,
        load_part(x, i + step, count) if n > 1 else nothing,
        load_part(x, i + 2 * step, count) if n > 2 else nothing,
        load_part(x, i + 3 * step, count) if n > 3 else nothing,
        load_part(x, i + 4 * step, count) if n > 4 else nothing,
        load_part(x, i + 5 * step, count) if n > 5 else nothing,
        load_part(x, i + 6 * step, count) if n > 6 else nothing,
        nothing,
    )


@njit(**PLAIN)
def store_eight(out, i, step, vectors):
    """Write the vectors to out[i], out[i + step], …, out[i + 7·step]."""
    v0, v1, v2, v3, v4, v5, v6, v7 = vectors
    store(out, i, v0)
    store(out, i + step, v1)
    store(out, i + 2 * step, v2)
    store(out, i + 3 * step, v3)
    store(out, i + 4 * step, v4)
    store(out, i + 5 * step, v5)
    store(out, i + 6 * step, v6)
    store(out, i + 7 * step, v7)


@njit(**PLAIN)
def interpolate_tile(scratch, points):
    """Write Bᵀ x B of the tile in scratch."""
    out, offset, step = points
    for j in range(0, SIDE * LANES, LANES):
        eight = interpolate(load_eight(scratch, j, SIDE * LANES))
        store_eight(scratch, SECOND_TILE + j, SIDE * LANES, eight)
    for i in range(SIDE):
        eight = interpolate(load_eight(scratch, SECOND_TILE + i * SIDE * LANES, LANES))
        store_eight(out, offset + i * SIDE * step, step, eight)


@njit(**PLAIN)
def evaluate_tile(scratch, n, points):
    """Write E x Eᵀ of the first n×n pixels of the tile in scratch; its others are 0."""
    out, offset, step = points
    for j in range(0, SIDE * LANES, LANES):
        last = load(scratch, (n - 1) * SIDE * LANES + j)
        eight = evaluate(load_eight(scratch, j, SIDE * LANES), last)
        store_eight(scratch, SECOND_TILE + j, SIDE * LANES, eight)
    for i in range(SIDE):
        row = SECOND_TILE + i * SIDE * LANES
        eight = evaluate(load_eight(scratch, row, LANES), load(scratch, row + (n - 1) * LANES))
        store_eight(out, offset + i * SIDE * step, step, eight)


@njit(**PLAIN)
def collect_tile(points, n, bias, floor, scratch, tile):
    """Write the pixels of Eᵀ m E + bias, n×n at most, that the tile has, or `floor` if less."""
    m, offset, step = points
    y, y_offset, y_row, y_step, top, bottom, left, right, count = tile
    lanes, zeros, least = np.int64(LANES), zero(m), splat(m, -np.inf)
    for j in range(SIDE):
        column = collect(load_eight(m, offset + j * step, SIDE * step), n)
        store_first(scratch, j * lanes, SIDE * lanes, column, n, zeros, least, lanes)
    for i in range(top, bottom):
        row = collect(load_eight(scratch, i * SIDE * LANES, LANES), n)
        store_first(y, y_offset + i * y_row, y_step, row, right, bias, floor, count)


@njit(**PLAIN)
def store_first(y, i, step, vectors, n, bias, floor, count):
    """Write the first n of seven vectors, plus bias and at least `floor`, at a distance of step."""
    v0, v1, v2, v3, v4, v5, v6 = vectors
    if n > 0:
        store_part(y, i, clamp_min(add(v0, bias), floor), count)
    if n > 1:
        store_part(y, i + step, clamp_min(add(v1, bias), floor), count)
    if n > 2:
        store_part(y, i + 2 * step, clamp_min(add(v2, bias), floor), count)
    if n > 3:
        store_part(y, i + 3 * step, clamp_min(add(v3, bias), floor), count)
    if n > 4:
        store_part(y, i + 4 * step, clamp_min(add(v4, bias), floor), count)
    if n > 5:
        store_part(y, i + 5 * step, clamp_min(add(v5, bias), floor), count)
    if n > 6:
        store_part(y, i + 6 * step, clamp_min(add(v6, bias), floor), count)
