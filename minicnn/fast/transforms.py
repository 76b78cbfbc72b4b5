"""Three small matrices, with which winograd.py needs a third of the multiplications.

Two polynomials can be multiplied by way of their values: evaluate both in enough points, multiply
value by value, and find the polynomial that has these values.  If a has n coefficients and w has f,
their product has n + f − 1, and so many points are enough; coefficient by coefficient it takes n·f
multiplications.  As matrices, with E for `evaluate` (E_n of n coefficients, E_f of f):

    product of a and w = E₆⁻¹ [(E_n a) ⊙ (E_f w)]        here n + f − 1 = 6

A convolution is the transpose of that.  Its n outputs are y_i = Σ_j w_j x_{i+j}, so Σ_i a_i y_i is
the product of a and w, coefficient by coefficient times x, whatever a may be.  That makes

    y = E_nᵀ [(E_f w) ⊙ (Bᵀ x)]                          with B = E₆⁻¹

and in two dimensions, first along the columns and then along the rows,

    y = E_nᵀ [(E_f w E_fᵀ) ⊙ (Bᵀ x B)] E_n               n×n outputs, f×f weights, 6×6 pixels

36 multiplications take the place of (n·f)².  The six points are 0, ±P, ±Q and ∞; at ∞ only the last
coefficient of a polynomial counts.  (Toom, 1963; Winograd, Arithmetic Complexity of Computations,
1980; Lavin and Gray, arXiv 1509.09308, for convolutions.)

    a, m, x     six vectors (vector.py): six numbers each of as many channels
    desk        (2·36·LANES,)  room for two tiles of 6×6 vectors, row by row: the first as it was
                copied there, the second after the columns
"""

from numba import njit

from .flags import PLAIN
from .vector import LANES, fma, load, minus, plus, same, store, times, zero

SIDE, POINTS = 6, 36
HALF = POINTS * LANES  # where on the desk the second tile begins
# With ±1 and ±2 errors are three times as large: in float32 1.4e-5 of a typical output with 3×3
# kernels and 32 channels, here 3.8e-6.
P, Q = 0.75, 1.5
OF_P, OF_Q = 1 / (2 * P * (P * P - Q * Q)), 1 / (2 * Q * (Q * Q - P * P))


@njit(**PLAIN)
def evaluate(a, last):
    """Return E a: a0 + a1·p + … + a4·p⁴ for p = 0, P, −P, Q and −Q, and the last coefficient."""
    a0, a1, a2, a3, a4, _ = a
    p, pp, q, qq = same(a0, P), same(a0, P * P), same(a0, Q), same(a0, Q * Q)
    even, odd = fma(pp, fma(pp, a4, a2), a0), times(p, fma(pp, a3, a1))
    even_q, odd_q = fma(qq, fma(qq, a4, a2), a0), times(q, fma(qq, a3, a1))
    return a0, plus(even, odd), minus(even, odd), plus(even_q, odd_q), minus(even_q, odd_q), last


@njit(**PLAIN)
def collect(m):
    """Return Σ_p m_p·pⁱ for i = 0 … 4, and m at ∞: Eᵀ m, if that is added to the last of them."""
    m0, m1, m2, m3, m4, last = m
    even, odd, even_q, odd_q = plus(m1, m2), minus(m1, m2), plus(m3, m4), minus(m3, m4)
    return (
        plus(m0, plus(even, even_q)),
        fma(same(m0, Q), odd_q, times(same(m0, P), odd)),
        fma(same(m0, Q**2), even_q, times(same(m0, P**2), even)),
        fma(same(m0, Q**3), odd_q, times(same(m0, P**3), odd)),
        fma(same(m0, Q**4), even_q, times(same(m0, P**4), even)),
        last,
    )


@njit(**PLAIN)
def interpolate(x):
    """Return Bᵀ x: the sums of x with the coefficients of Lagrange's polynomials.

    The one of point p is 1 there and 0 in the other four; that of ∞ is t·(t² − P²)·(t² − Q²).
    """
    x0, x1, x2, x3, x4, x5 = x
    even, odd = fma(same(x0, -Q * Q), x2, x4), fma(same(x0, -Q * Q), x1, x3)
    even_q, odd_q = fma(same(x0, -P * P), x2, x4), fma(same(x0, -P * P), x1, x3)
    even, odd = times(same(x0, OF_P / P), even), times(same(x0, OF_P), odd)
    even_q, odd_q = times(same(x0, OF_Q / Q), even_q), times(same(x0, OF_Q), odd_q)
    return (
        fma(same(x0, 1 / (P * Q) ** 2), x4, fma(same(x0, -1 / P**2 - 1 / Q**2), x2, x0)),
        plus(even, odd), minus(even, odd), plus(even_q, odd_q), minus(even_q, odd_q),
        fma(same(x0, (P * Q) ** 2), x1, fma(same(x0, -P * P - Q * Q), x3, x5)),
    )  # fmt: skip


@njit(**PLAIN)
def copy_tile(x, at, row, step, window, desk):
    """Copy 6×6 pixels to the desk, with zeros outside of the window."""
    top, bottom, left, right = window
    for i in range(SIDE):
        for j in range(SIDE):
            pixel = zero(x)
            if top <= i < bottom and left <= j < right:
                pixel = load(x, at + i * row + j * step)
            store(desk, (i * SIDE + j) * LANES, pixel)


@njit(**PLAIN)
def load_six(x, at, step):
    """Return the vectors at x[at], x[at + step], …"""
    return (
        load(x, at), load(x, at + step), load(x, at + 2 * step),
        load(x, at + 3 * step), load(x, at + 4 * step), load(x, at + 5 * step),
    )  # fmt: skip


@njit(**PLAIN)
def store_six(out, at, step, vectors):
    """Write the vectors to out[at], out[at + step], …"""
    v0, v1, v2, v3, v4, v5 = vectors
    store(out, at, v0)
    store(out, at + step, v1)
    store(out, at + 2 * step, v2)
    store(out, at + 3 * step, v3)
    store(out, at + 4 * step, v4)
    store(out, at + 5 * step, v5)


@njit(**PLAIN)
def interpolate_tile(desk, out, at, step):
    """Write Bᵀ x B of the tile on the desk."""
    for j in range(0, SIDE * LANES, LANES):
        store_six(desk, HALF + j, SIDE * LANES, interpolate(load_six(desk, j, SIDE * LANES)))
    for i in range(SIDE):
        six = interpolate(load_six(desk, HALF + i * SIDE * LANES, LANES))
        store_six(out, at + i * SIDE * step, step, six)


@njit(**PLAIN)
def evaluate_tile(desk, n, out, at, step):
    """Write E x Eᵀ of the first n×n pixels of the tile on the desk; its others are 0."""
    for j in range(0, SIDE * LANES, LANES):
        last = load(desk, (n - 1) * SIDE * LANES + j)
        six = evaluate(load_six(desk, j, SIDE * LANES), last)
        store_six(desk, HALF + j, SIDE * LANES, six)
    for i in range(SIDE):
        row = HALF + i * SIDE * LANES
        six = evaluate(load_six(desk, row, LANES), load(desk, row + (n - 1) * LANES))
        store_six(out, at + i * SIDE * step, step, six)


@njit(**PLAIN)
def collect_tile(m, at, step, n, bias, desk, out, out_at, out_row, out_step, rows, columns):
    """Write the first rows and columns of the n×n numbers Eᵀ m E + bias."""
    for j in range(SIDE):
        six = collect(load_six(m, at + j * step, SIDE * step))
        store_six(desk, HALF + j * LANES, SIDE * LANES, six)
        add_last(desk, HALF + j * LANES, SIDE * LANES, n)
    for i in range(rows):
        row = HALF + i * SIDE * LANES
        store_six(desk, row, LANES, collect(load_six(desk, row, LANES)))
        add_last(desk, row, LANES, n)
        for j in range(columns):
            pixel = plus(bias, load(desk, row + j * LANES))
            store(out, out_at + i * out_row + j * out_step, pixel)


@njit(**PLAIN)
def add_last(desk, at, step, n):
    """Add the number at ∞, the sixth, to the last of n."""
    last = at + (n - 1) * step
    store(desk, last, plus(load(desk, last), load(desk, at + (SIDE - 1) * step)))
