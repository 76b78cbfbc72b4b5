"""Three small matrices, with which winograd.py needs a sixth of the multiplications.

Two polynomials can be multiplied by way of their values: evaluate both in enough points, multiply
value by value, and find the polynomial that has these values.  If a has n coefficients and w has f,
their product has n + f − 1, and so many points are enough; coefficient by coefficient it takes n·f
multiplications.  As matrices, with E for `evaluate` (E_n of n coefficients, E_f of f):

    product of a and w = E₈⁻¹ [(E_n a) ⊙ (E_f w)]        here n + f − 1 = 8

A convolution is the transpose of that.  Its n outputs are y_i = Σ_j w_j x_{i+j}, so Σ_i a_i y_i is
the product of a and w, coefficient by coefficient times x, whatever a may be.  That makes

    y = E_nᵀ [(E_f w) ⊙ (Bᵀ x)]                          with B = E₈⁻¹

and in two dimensions, first along the columns and then along the rows,

    y = E_nᵀ [(E_f w E_fᵀ) ⊙ (Bᵀ x B)] E_n               n×n outputs, f×f weights, 8×8 pixels

64 multiplications take the place of (n·f)².  The eight points are 0, ±½, ±1, ±2 and ∞; at ∞ only
the last coefficient of a polynomial counts.  (Toom, 1963; Winograd, Arithmetic Complexity of
Computations, 1980; Lavin and Gray, arXiv 1509.09308, for convolutions.)

Of p and −p the even powers are the same, and the odd ones differ in their sign: so each pair is
computed as `even` plus and minus `odd`.

    a, m, x     eight vectors (vector.py): eight numbers each of as many channels
    desk        (2·64·LANES,)  room for two tiles of 8×8 vectors, row by row: the first as it was
                copied there, the second after the columns

A kernel gets places in larger arrays as tuples:

    Tile        8×8 pixels: pixel (i, j) is the vector at array[at + i·row + j·step], where
                top ≤ i < bottom and left ≤ j < right; the others are not there
    Points      64 numbers behind E or B: number i is the vector at array[at + i·step]
"""

from collections import namedtuple

from ..jit import njit
from .flags import PLAIN
from .vector import LANES, add, clamp_min, fma, load, mul, splat, store, sub, zero

SIDE, POINTS = 8, 64
HALF = POINTS * LANES  # where on the desk the second tile begins

Tile = namedtuple("Tile", "array at row step top bottom left right")
Points = namedtuple("Points", "array at step")


@njit(**PLAIN)
def evaluate(a, last):
    """Return E a: a0 + a1·p + … + a6·p⁶ for p = 0, ½, −½, 1, −1, 2 and −2, and the last one."""
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
def collect(m):
    """Return Σ_p m_p·pⁱ for i = 0 … 6, and m at ∞: Eᵀ m, if that is added to the last of them."""
    m0, m1, m2, m3, m4, m5, m6, last = m
    even_half, odd_half = add(m1, m2), sub(m1, m2)
    even, odd, even_two, odd_two = add(m3, m4), sub(m3, m4), add(m5, m6), sub(m5, m6)
    return (
        add(add(m0, even_half), add(even, even_two)),
        fma(splat(m0, 1 / 2), odd_half, fma(splat(m0, 2), odd_two, odd)),
        fma(splat(m0, 1 / 4), even_half, fma(splat(m0, 4), even_two, even)),
        fma(splat(m0, 1 / 8), odd_half, fma(splat(m0, 8), odd_two, odd)),
        fma(splat(m0, 1 / 16), even_half, fma(splat(m0, 16), even_two, even)),
        fma(splat(m0, 1 / 32), odd_half, fma(splat(m0, 32), odd_two, odd)),
        fma(splat(m0, 1 / 64), even_half, fma(splat(m0, 64), even_two, even)),
        last,
    )


@njit(**PLAIN)
def interpolate(x):
    """Return Bᵀ x: the sums of x with the coefficients of Lagrange's polynomials.

    The one of point p is 1 there and 0 in the other six; that of ∞ is t·(t² − ¼)·(t² − 1)·(t² − 4)
    = t⁷ − 5¼·t⁵ + 5¼·t³ − t.
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
def copy_tile(tile, desk):
    """Copy a tile to the desk, with zeros for the pixels that are not there."""
    x, at, row, step, top, bottom, left, right = tile
    for i in range(SIDE):
        for j in range(SIDE):
            pixel = zero(x)
            if top <= i < bottom and left <= j < right:
                pixel = load(x, at + i * row + j * step)
            store(desk, (i * SIDE + j) * LANES, pixel)


@njit(**PLAIN)
def load_eight(x, at, step):
    """Return the vectors at x[at], x[at + step], …"""
    return (
        load(x, at), load(x, at + step), load(x, at + 2 * step), load(x, at + 3 * step),
        load(x, at + 4 * step), load(x, at + 5 * step), load(x, at + 6 * step),
        load(x, at + 7 * step),
    )  # fmt: skip


@njit(**PLAIN)
def store_eight(out, at, step, vectors):
    """Write the vectors to out[at], out[at + step], …"""
    v0, v1, v2, v3, v4, v5, v6, v7 = vectors
    store(out, at, v0)
    store(out, at + step, v1)
    store(out, at + 2 * step, v2)
    store(out, at + 3 * step, v3)
    store(out, at + 4 * step, v4)
    store(out, at + 5 * step, v5)
    store(out, at + 6 * step, v6)
    store(out, at + 7 * step, v7)


@njit(**PLAIN)
def interpolate_tile(desk, points):
    """Write Bᵀ x B of the tile on the desk."""
    out, at, step = points
    for j in range(0, SIDE * LANES, LANES):
        store_eight(desk, HALF + j, SIDE * LANES, interpolate(load_eight(desk, j, SIDE * LANES)))
    for i in range(SIDE):
        eight = interpolate(load_eight(desk, HALF + i * SIDE * LANES, LANES))
        store_eight(out, at + i * SIDE * step, step, eight)


@njit(**PLAIN)
def evaluate_tile(desk, n, points):
    """Write E x Eᵀ of the first n×n pixels of the tile on the desk; its others are 0."""
    out, at, step = points
    for j in range(0, SIDE * LANES, LANES):
        last = load(desk, (n - 1) * SIDE * LANES + j)
        eight = evaluate(load_eight(desk, j, SIDE * LANES), last)
        store_eight(desk, HALF + j, SIDE * LANES, eight)
    for i in range(SIDE):
        row = HALF + i * SIDE * LANES
        eight = evaluate(load_eight(desk, row, LANES), load(desk, row + (n - 1) * LANES))
        store_eight(out, at + i * SIDE * step, step, eight)


@njit(**PLAIN)
def collect_tile(points, n, bias, least, desk, tile):
    """Write those of the n×n pixels Eᵀ m E + bias that the tile has, or `least` if less."""
    m, at, step = points
    y, y_at, y_row, y_step, top, bottom, left, right = tile
    for j in range(SIDE):
        eight = collect(load_eight(m, at + j * step, SIDE * step))
        store_eight(desk, HALF + j * LANES, SIDE * LANES, eight)
        add_last(desk, HALF + j * LANES, SIDE * LANES, n)
    for i in range(top, bottom):
        row = HALF + i * SIDE * LANES
        store_eight(desk, row, LANES, collect(load_eight(desk, row, LANES)))
        add_last(desk, row, LANES, n)
        for j in range(left, right):
            pixel = clamp_min(add(bias, load(desk, row + j * LANES)), least)
            store(y, y_at + i * y_row + j * y_step, pixel)


@njit(**PLAIN)
def add_last(desk, at, step, n):
    """Add the number at ∞, the eighth, to the last of n."""
    last = at + (n - 1) * step
    store(desk, last, add(load(desk, last), load(desk, at + (SIDE - 1) * step)))
