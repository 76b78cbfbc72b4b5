"""Convolution with a third of the multiplications: Winograd's minimal filtering, forward and back.

Two polynomials can be multiplied by way of their values: evaluate both in enough points, multiply
value by value, and find the polynomial that has these values.  That of a (n numbers) and w (f) has
n + f − 1 coefficients, so as many points will do, where coefficient by coefficient takes n·f
multiplications.  A convolution is the transpose of such a product (transpose the matrices, read
from right to left), and in two dimensions it is done along columns, then along rows:

    y  = Eᵀ [(E w Eᵀ) ⊙ (Bᵀ x B)] E          n×n pixels of y from 6×6 of x, n = 7 − f
    dw = Eᵀ [(E dy Eᵀ) ⊙ (Bᵀ x B)] E         the same with dy, n×n, in the place of w
    dx                                       forward, of dy and the kernels turned around

E evaluates a polynomial in six points, 0, ±P, ±Q and ∞; B is the inverse of E for six numbers.
36 multiplications take the place of (n·f)²: 144 for kernels of 3×3, and 100 for 5×5.  Besides,
there are only additions of neighbours, for each pixel and channel once, and each kernel once.  With
many channels and kernels they hardly count: what is summed over channels, or in dw over all tiles,
is the 36 products between the brackets, and those are matrix products (product.py).

    tile             n×n pixels of y or dy, and the 6×6 pixels of x that they depend on
    T                tiles that are worked on at a time
    v                (36, T, C)            Bᵀ x B; a row is `v_row` numbers long
    u                (panels, 36, C, LANES)     E w Eᵀ
    m                (T, 36, LANES)        their products, for one panel of kernels
    dm               (36, panels, T, LANES)     E dy Eᵀ
    du               (36, panels, C, LANES)     what is between the brackets in dw
    panel            see product.py

All are flat.  Infinity meets itself in the sums and becomes NaN; a NaN reaches all n×n pixels of
its tiles, where the definition keeps it to its windows: it stays visible, but spreads up to n − 1
pixels.  Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, arXiv 1509.09308.
"""

from collections import namedtuple

import numpy as np
from numba import njit

from . import threads
from .buffers import empty
from .flags import LOOP, PLAIN
from .layout import row_table
from .product import add_six, packed, sums, unpack
from .threads import run, shares
from .vector import LANES, fma, load, minus, plus, same, store, times, whole_vectors, zero

SIDE, POINTS = 6, 36
P, Q = 0.75, 1.5  # 1 and 2 make errors three times as large
OF_P, OF_Q = 1 / (2 * P * (P * P - Q * Q)), 1 / (2 * Q * (Q * Q - P * P))
HALF = POINTS * LANES  # where on the desk a tile lies that is half done
TILES = 48  # are worked on at a time: what is made of them should stay in a cache

Image = namedtuple("Image", "H W C")  # C numbers from pixel to pixel
Grid = namedtuple("Grid", "rows columns tiles n pad")  # of tiles; pad: zeros before the image


def pays(N, C, K, H_out, W_out, f, stride):
    """Return whether this is faster than the direct product of a group of C channels, K kernels."""
    if stride != 1 or not 2 <= f <= 5:
        return False
    n = SIDE + 1 - f
    tiles = -(-H_out // n) * -(-W_out // n)
    saved = f * f * H_out * W_out / (POINTS * tiles)  # tiles reach over the edge of the image
    return saved > 1.5 and min(C, K) >= 16 and N * tiles >= 32


def forward(x, w, b, pad, H_out, W_out):
    """Return y as wide pixels.

    Parameters
    ----------
    x : array (N, H, W, groups·C_wide)
        Pixels.
    w : array (groups, K, C, f, f)
    b : array (groups·K,)
    pad : int
        Zeros around x; what is negative cuts pixels off.
    H_out, W_out : int

    Returns
    -------
    array (N, H_out, W_out, groups·K_wide)
    """
    N, H, W, C_all = x.shape
    groups, K, C, f, _ = w.shape
    K_wide = whole_vectors(K)
    grid = grid_of(N, H_out, W_out, f, pad)

    b_wide = np.zeros((groups, K_wide), x.dtype)
    b_wide[:, :K] = b.reshape(groups, K)
    panels = packed(w).reshape(-1)
    u_step = (C + 1) * LANES
    u = empty((groups * K_wide // LANES * POINTS * u_step,), x.dtype)
    run(kernels_loop, groups * K_wide // LANES * C, u.size / 2, panels, f, C, u, u_step)

    blocks = -(-grid.tiles // (threads.count * TILES)) * threads.count
    T = -(-grid.tiles // (blocks * 6)) * 6
    blocks = -(-grid.tiles // T)
    v_row = whole_vectors(C) + LANES
    y = empty((N, H_out, W_out, groups * K_wide), x.dtype)
    run(
        forward_loop, blocks, grid.tiles * u.size / 40,
        x.reshape(-1), Image(H, W, C_all), row_table(C), u, u_step, b_wide,
        y.reshape(-1), Image(H_out, W_out, groups * K_wide), grid, T, v_row,
        room=empty((threads.count, POINTS * (T * v_row + LANES + T * LANES)), x.dtype),
    )  # fmt: skip
    return y


def backward_w(x, dy, w, pad):
    """Return dw, like w, and db (groups·K,)."""
    N, H, W, C_all = x.shape
    _, H_out, W_out, K_all = dy.shape
    groups, K, C, f, _ = w.shape
    panels = K_all // groups // LANES
    grid = grid_of(N, H_out, W_out, f, pad)

    T = -(-grid.tiles // -(-grid.tiles // TILES))
    parts = shares(groups * panels)
    v_row = whole_vectors(C) + LANES
    room = T * v_row + LANES + panels * T * LANES + LANES + panels * (C + 1) * LANES
    dw_panels = empty((groups, panels, f, f, C, LANES), x.dtype)
    db_wide = empty((groups, panels * LANES), x.dtype)
    run(
        backward_loop, groups * parts * panels, POINTS * grid.tiles * C * K_all / 40,
        x.reshape(-1), Image(H, W, C_all), dy.reshape(-1), Image(H_out, W_out, K_all), C, f,
        grid, T, v_row, row_table(T, v_row), parts, dw_panels.reshape(-1), db_wide,
        room=empty((threads.count, POINTS * room), x.dtype),
    )  # fmt: skip
    dw, db = empty((groups * K, C, f, f), x.dtype), empty((groups * K,), x.dtype)
    for g in range(groups):
        unpack(dw_panels[g], dw[g * K : (g + 1) * K])
        db[g * K : (g + 1) * K] = db_wide[g, :K]
    return dw, db


def grid_of(N, H_out, W_out, f, pad):
    n = SIDE + 1 - f
    rows, columns = -(-H_out // n), -(-W_out // n)
    return Grid(rows, columns, N * rows * columns, n, pad)


# Six numbers, or six vectors of numbers from as many channels: the three matrices.


@njit(**PLAIN)
def evaluate(a, last):
    """Return E a: a0 + a1·p + … + a4·p⁴ for p = 0, P, −P, Q, −Q; and at ∞ only the last counts."""
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


# Tiles of 6×6 vectors: along the columns, and then along the rows.  All happens on a `desk`, where
# there is room for two of them: one as it was copied there, and one that is half done.


@njit(**PLAIN)
def copy_tile(x, at, row, step, window, desk):
    """Copy 6×6 pixels to the desk, with zeros outside of the window."""
    top, bottom, left, right = window
    nothing = zero(x)
    for i in range(SIDE):
        begin, end = (max(left, 0), min(right, SIDE)) if top <= i < bottom else (0, 0)
        to = i * SIDE * LANES
        for j in range(begin):
            store(desk, to + j * LANES, nothing)
        for j in range(begin, end):
            store(desk, to + j * LANES, load(x, at + i * row + j * step))
        for j in range(end, SIDE):
            store(desk, to + j * LANES, nothing)


@njit(**PLAIN)
def load_six(x, at, step):
    return (
        load(x, at), load(x, at + step), load(x, at + 2 * step),
        load(x, at + 3 * step), load(x, at + 4 * step), load(x, at + 5 * step),
    )  # fmt: skip


@njit(**PLAIN)
def store_six(out, at, step, vectors):
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


# The loops.


@njit(**LOOP)
def kernels_loop(begin, end, panels, f, C, u, u_step):
    """Write u[panel, point, c, lane] = E w Eᵀ for some of all panels · C kernels."""
    desk = np.empty(2 * HALF, u.dtype)
    for task in range(begin, end):
        q, c = task // C, task % C
        at = (q * f * f * C + c) * LANES
        copy_tile(panels, at, f * C * LANES, C * LANES, (-f, f, -f, f), desk)
        evaluate_tile(desk, f, u, q * POINTS * u_step + c * LANES, u_step)


@njit(**PLAIN)
def place(t, grid):
    """Return the image, the first row and the first column of a tile of y."""
    n, rest = t // (grid.rows * grid.columns), t % (grid.rows * grid.columns)
    return n, rest // grid.columns * grid.n, rest % grid.columns * grid.n


@njit(**PLAIN)
def gather_x(x, image, x_at, C, grid, first, stop, desk, v, v_row, v_point):
    """Write v of C channels, in vectors, for the tiles first … stop−1."""
    row = image.W * image.C
    for t in range(first, stop):
        n, top, left = place(t, grid)
        top, left = top - grid.pad, left - grid.pad
        at = ((n * image.H + top) * image.W + left) * image.C + x_at
        window = -top, image.H - top, -left, image.W - left
        for c in range(0, C, LANES):
            copy_tile(x, at + c, row, image.C, window, desk)
            interpolate_tile(desk, v, (t - first) * v_row + c, v_point)


@njit(**PLAIN)
def gather_dy(dy, image, dy_at, panels, grid, first, stop, desk, dm, dm_panel, dm_point):
    """Write dm of some panels for the tiles first … stop−1."""
    row = image.W * image.C
    for t in range(first, stop):
        n, top, left = place(t, grid)
        at = ((n * image.H + top) * image.W + left) * image.C + dy_at
        window = -top, min(grid.n, image.H - top), -left, min(grid.n, image.W - left)
        for q in range(panels):
            copy_tile(dy, at + q * LANES, row, image.C, window, desk)
            evaluate_tile(desk, grid.n, dm, q * dm_panel + (t - first) * LANES, dm_point)


@njit(**LOOP)
def forward_loop(begin, end, x, x_image, channels, u, u_step, b, y, y_image, grid, T, v_row, room):
    """Write y of some blocks of T tiles."""
    groups, panels = b.shape[0], b.shape[1] // LANES
    C_wide, v_point = x_image.C // groups, T * v_row + LANES
    v, m, desk = room[: POINTS * v_point], room[POINTS * v_point :], np.empty(2 * HALF, x.dtype)
    start, apart = np.int64(0), np.int64(LANES)  # for plain numbers, sums would be compiled anew
    for group in range(begin * groups, end * groups):
        first, g = group // groups * T, group % groups
        stop = min(grid.tiles, first + T)
        gather_x(x, x_image, g * C_wide, channels.size, grid, first, stop, desk, v, v_row, v_point)
        for q in range(g * panels, (g + 1) * panels):
            for point in range(POINTS):
                u_at = (q * POINTS + point) * u_step
                for t in range(0, stop - first, 6):
                    rows = steps(point * v_point + t * v_row, v_row)
                    six = sums(v, rows, channels, start, channels.size, u, u_at, apart)
                    store_six(m, (t * POINTS + point) * LANES, POINTS * LANES, six)
            bias = load(b, q * LANES)
            for t in range(first, stop):
                n, top, left = place(t, grid)
                at = ((n * y_image.H + top) * y_image.W + left) * y_image.C + q * LANES
                collect_tile(
                    m, (t - first) * POINTS * LANES, apart, grid.n, bias, desk,
                    y, at, y_image.W * y_image.C, y_image.C,
                    min(grid.n, y_image.H - top), min(grid.n, y_image.W - left),
                )  # fmt: skip


@njit(**PLAIN)
def steps(at, step):
    return at, at + step, at + 2 * step, at + 3 * step, at + 4 * step, at + 5 * step


@njit(**LOOP)
def backward_loop(
    begin, end, x, x_image, dy, dy_image, C, f, grid, T, v_row, tiles, parts, dw, db, room
):
    """Write dw of some panels, or of parts of their channels: each group, part by part."""
    panels, vectors = db.shape[1] // LANES, (C + LANES - 1) // LANES
    for task in range(begin // panels, (end + panels - 1) // panels):
        g, part = task // parts, task % parts
        q, q_stop = max(0, begin - task * panels), min(panels, end - task * panels)
        c = part * vectors // parts * LANES
        c_stop = min((part + 1) * vectors // parts * LANES, C)
        if c < c_stop:
            backward_task(
                x, x_image, g * (x_image.C // db.shape[0]), c, c_stop,
                dy, dy_image, g * panels + q, g * panels + q_stop,
                C, f, grid, T, v_row, tiles, dw, db, room,
            )  # fmt: skip


@njit(**PLAIN)
def backward_task(
    x, x_image, x_at, c_first, c_stop, dy, dy_image, q_first, q_stop,
    C, f, grid, T, v_row, tiles, dw, db, room,
):  # fmt: skip
    """Write dw of the channels c_first … c_stop−1 for some panels; who has channel 0 writes db."""
    desk, start, apart = np.empty(2 * HALF, x.dtype), np.int64(0), np.int64(LANES)
    channels, panels, nothing = c_stop - c_first, q_stop - q_first, zero(x)
    dm_panel, du_panel = T * LANES, (channels + 1) * LANES
    v_point, dm_point, du_point = T * v_row + LANES, panels * dm_panel + LANES, panels * du_panel
    v, rest = room[: POINTS * v_point], room[POINTS * v_point :]
    dm, du = rest[: POINTS * dm_point], rest[POINTS * dm_point :]
    for i in range(0, POINTS * du_point, LANES):
        store(du, i, nothing)
    if c_first == 0:
        for q in range(q_first, q_stop):
            bias = zero(dy)
            for p in range(q * LANES, dy.size, dy_image.C):
                bias = plus(bias, load(dy, p))
            store(db, q * LANES, bias)
    for first in range(0, grid.tiles, T):
        stop = min(grid.tiles, first + T)
        gather_x(x, x_image, x_at + c_first, channels, grid, first, stop, desk, v, v_row, v_point)
        gather_dy(
            dy, dy_image, q_first * LANES, panels, grid, first, stop, desk, dm, dm_panel, dm_point
        )
        for point in range(POINTS):
            for q in range(panels):
                dm_at = point * dm_point + q * dm_panel
                for c in range(0, channels, 6):
                    rows = up_to(c, channels - 1, point * v_point, 1)
                    out = up_to(c, channels - 1, point * du_point + q * du_panel, LANES)
                    six = sums(v, rows, tiles, start, stop - first, dm, dm_at, apart)
                    add_six(du, out, six)
    for q in range(panels):
        for c in range(channels):
            dw_at = ((q_first + q) * f * f * C + c_first + c) * LANES
            collect_tile(
                du, q * du_panel + c * LANES, du_point, f, nothing, desk,
                dw, dw_at, f * C * LANES, C * LANES, f, f,
            )  # fmt: skip


@njit(**PLAIN)
def up_to(i, last, at, step):
    """Return where entries i … i+5 are, or behind the last one, that one again."""
    return (
        at + i * step, at + min(i + 1, last) * step, at + min(i + 2, last) * step,
        at + min(i + 3, last) * step, at + min(i + 4, last) * step, at + min(i + 5, last) * step,
    )  # fmt: skip
