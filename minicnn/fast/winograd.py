"""Convolution with a sixth of the multiplications: Winograd's algorithm, forward and backward.

product.py takes f·f multiplications for an output, channel and kernel, and cannot be made faster:
the processor multiplies at its peak.  What is left is to multiply less.  The outputs are cut into
tiles of n×n, n = 9 − f, which depend on 8×8 pixels each: 64 multiplications in place of (n·f)², a
sixth with 5×5 weights, a fifth with 3×3, more where tiles reach over the edge.  transforms.py says
why this is right:

    y  = Eᵀ [(E w Eᵀ) ⊙ (Bᵀ x B)] E
    dw = Eᵀ [(E dy Eᵀ) ⊙ (Bᵀ x B)] E         the same: dy takes the place of w, and f that of n
    dx                                       forward, of dy and the kernels turned around

What stands between the brackets is summed, over channels in y and over tiles in dw, before the last
E: so it comes down to 64 matrix products, one a point (product.py's sums).  The rest, E and B, is
done once for each pixel or kernel, and there are many channels and kernels to share it.

    E, B     the matrices of transforms.py, which has the desk and its size, too
    point    one of the 64 numbers of a tile behind E or B
    grid     the tiles: so many rows and columns of them an image
    T        tiles that are worked on at a time
    u        (panels, 64, C, LANES)        E w Eᵀ
    v        (64, T, C_wide)               Bᵀ x B
    m        (T, 64, LANES)                sums of u · v for one panel
    dm       (64, panels, T, LANES)        E dy Eᵀ
    du       (64, panels, C, LANES)        sums of dm · v
    …_row, …_panel, …_point                how far apart those are; panels: see product.py
    room     one thread's v and m, or v, dm and du

In float32 errors are larger than those of the direct product, and the more so the more channels
there are: in AlexNet's rows at most 3e-5 of the largest number, there 6e-7.  Infinity meets itself
in Bᵀ x B and becomes NaN, and a NaN inside of a tile reaches all of its outputs: it stays visible,
but up to n − 1 pixels beyond the windows that hold it.
"""

from collections import namedtuple

import numpy as np

from ..jit import njit
from .buffers import empty
from .flags import LOOP, PLAIN
from .layout import row_table
from .product import add_six, packed, put_six, sums, unpack
from .threads import run, shares, team_size
from .transforms import (
    HALF,
    POINTS,
    SIDE,
    collect_tile,
    copy_tile,
    evaluate_tile,
    interpolate_tile,
)
from .vector import LANES, load, plus, same, store, whole_vectors, zero

TILES = 24  # are worked on at a time; 12 take as long, and 48 are too many for the cache

Image = namedtuple("Image", "H W C")  # C numbers from pixel to pixel
Grid = namedtuple("Grid", "rows columns tiles n pad")  # of tiles; pad: zeros before the image


def pays(N, C, H_out, W_out, f, stride):
    """Return whether this is faster than product.py, for sums over C channels: in dx, over kernels.

    Measured on one thread, forward, dx and dw: 2.2 to 2.7 times as fast with 32 channels and 5×5
    weights, 2.1 to 2.4 with 64 and 3×3, 1.1 to 2.2 with 16, 1.2 with 8, 0.4 to 0.7 with 3, whatever
    the number of kernels.  But 0.7 to 1.1 where tiles reach so far over the edge that the direct
    product needs only 1.7 times as many multiplications, and 1.1 to 1.3 with 16 tiles, where
    kernels take as long to prepare as to use.
    """
    if stride != 1 or not 2 <= f <= 7:
        return False
    n = SIDE + 1 - f
    tiles = -(-H_out // n) * -(-W_out // n)
    saved = f * f * H_out * W_out / (POINTS * tiles)
    return saved > 2 and C >= 8 and N * tiles >= 16


def forward(x, w, b, pad, H_out, W_out, least):
    """Return y.

    Parameters
    ----------
    x : array (N, H, W, groups·C_wide)
        Pixels; each group of channels is filled up to whole vectors.
    w : array (groups, K, C, f, f)
    b : array (groups·K,)
    pad : int
        Zeros around x; below 0, so many pixels are cut off.
    H_out, W_out : int
    least : float
        What stands where y would be less, 0 for a ReLU; −∞ for y as it is.

    Returns
    -------
    array (N, H_out, W_out, groups·K_wide)
        Pixels, filled up likewise.
    """
    N, H, W, C_all = x.shape
    groups, K, C, f, _ = w.shape
    C_wide, K_wide = C_all // groups, whole_vectors(K)
    grid = grid_of(N, H_out, W_out, f, pad)

    b_wide = np.zeros((groups, K_wide), x.dtype)
    b_wide[:, :K] = b.reshape(groups, K)
    panels = packed(w).reshape(-1)
    u = empty((groups * K_wide * POINTS * C,), x.dtype)
    run(kernels_loop, groups * K_wide // LANES * C, u.size / 2, panels, f, C, u)

    most = -(-grid.tiles // (team_size() * TILES)) * team_size()  # blocks; −(−a // b) rounds up
    T = -(-grid.tiles // (most * 6)) * 6
    blocks = -(-grid.tiles // T)
    y = empty((N, H_out, W_out, groups * K_wide), x.dtype)
    run(
        forward_loop, blocks, grid.tiles * u.size / 40,
        x.reshape(-1), Image(H, W, C_all), row_table(C), u, b_wide,
        y.reshape(-1), Image(H_out, W_out, groups * K_wide), grid, T, least,
        room=empty((team_size(), POINTS * T * (C_wide + LANES)), x.dtype),
    )  # fmt: skip
    return y


def backward_w(x, dy, w, pad):
    """Return dw (groups·K, C, f, f) and db (groups·K,).

    Parameters
    ----------
    x, dy : arrays (N, H, W, groups·C_wide) and (N, H_out, W_out, groups·K_wide)
        Pixels, as forward takes and returns them.
    w : array (groups, K, C, f, f)
        Only its shape matters.
    pad : int
        As in forward.
    """
    N, H, W, C_all = x.shape
    _, H_out, W_out, K_all = dy.shape
    groups, K, C, f, _ = w.shape
    panels = K_all // groups // LANES
    grid = grid_of(N, H_out, W_out, f, pad)

    # As many tiles as make v and dm together as large as du, all of which is added to each time:
    # with 24 tiles, conv3 took 1.13 times as long, and conv4 1.2 times.
    C_wide, K_wide = C_all // groups, K_all // groups
    T = max(TILES, C_wide * K_wide // (C_wide + K_wide))
    T = -(-grid.tiles // -(-grid.tiles // T))
    parts = shares(groups * panels)
    room = T * C_wide + T * K_wide + C * K_wide
    dw_panels = empty((groups, panels, f, f, C, LANES), x.dtype)
    db_wide = empty((groups, panels * LANES), x.dtype)
    run(
        backward_loop, groups * parts * panels, POINTS * grid.tiles * C * K_all / 40,
        x.reshape(-1), Image(H, W, C_all), dy.reshape(-1), Image(H_out, W_out, K_all), C, f,
        grid, T, C_wide, row_table(T, C_wide), parts, dw_panels.reshape(-1), db_wide,
        room=empty((team_size(), POINTS * room), x.dtype),
    )  # fmt: skip
    dw, db = empty((groups * K, C, f, f), x.dtype), empty((groups * K,), x.dtype)
    for g in range(groups):
        unpack(dw_panels[g], dw[g * K : (g + 1) * K])
        db[g * K : (g + 1) * K] = db_wide[g, :K]
    return dw, db


def grid_of(N, H_out, W_out, f, pad):
    """Return the tiles of N images of outputs."""
    n = SIDE + 1 - f
    rows, columns = -(-H_out // n), -(-W_out // n)
    return Grid(rows, columns, N * rows * columns, n, pad)


@njit(**LOOP)
def kernels_loop(begin, end, panels, f, C, u):
    """Write u[panel, point, c, lane] = E w Eᵀ for some of all panels · C kernels."""
    desk = np.empty(2 * HALF, u.dtype)
    for task in range(begin, end):
        q, c = task // C, task % C
        at = (q * f * f * C + c) * LANES
        copy_tile(panels, at, f * C * LANES, C * LANES, (-f, f, -f, f), desk)
        evaluate_tile(desk, f, u, (q * POINTS * C + c) * LANES, C * LANES)


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
def forward_loop(begin, end, x, x_image, channels, u, b, y, y_image, grid, T, least, room):
    """Write y of some blocks of T tiles."""
    groups, panels = b.shape[0], b.shape[1] // LANES
    C_wide = x_image.C // groups
    v_point = T * C_wide
    v, m, desk = room[: POINTS * v_point], room[POINTS * v_point :], np.empty(2 * HALF, x.dtype)
    start, apart = np.int64(0), np.int64(LANES)  # for plain numbers, all would be compiled anew
    for group in range(begin * groups, end * groups):
        first, g = group // groups * T, group % groups
        stop = min(grid.tiles, first + T)
        gather_x(x, x_image, g * C_wide, channels.size, grid, first, stop, desk, v, C_wide, v_point)
        for q in range(g * panels, (g + 1) * panels):
            for point in range(POINTS):
                u_at = (q * POINTS + point) * channels.size * LANES
                for t in range(0, stop - first, 6):
                    rows = steps(point * v_point + t * C_wide, C_wide)
                    six = sums(v, rows, channels, start, channels.size, u, u_at)
                    put_six(m, steps((t * POINTS + point) * LANES, POINTS * LANES), six)
            bias = load(b, q * LANES)
            for t in range(first, stop):
                n, top, left = place(t, grid)
                at = ((n * y_image.H + top) * y_image.W + left) * y_image.C + q * LANES
                collect_tile(
                    m, (t - first) * POINTS * LANES, apart, grid.n, bias, same(b, least), desk,
                    y, at, y_image.W * y_image.C, y_image.C,
                    min(grid.n, y_image.H - top), min(grid.n, y_image.W - left),
                )  # fmt: skip


@njit(**PLAIN)
def steps(at, step):
    """Return at, at + step, …: six places."""
    return at, at + step, at + 2 * step, at + 3 * step, at + 4 * step, at + 5 * step


@njit(**LOOP)
def backward_loop(
    begin, end, x, x_image, dy, dy_image, C, f, grid, T, C_wide, tiles, parts, dw, db, room
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
                x, x_image, g * C_wide, c, c_stop,
                dy, dy_image, g * panels + q, g * panels + q_stop,
                C, f, grid, T, C_wide, tiles, dw, db, room,
            )  # fmt: skip


@njit(**PLAIN)
def backward_task(
    x, x_image, x_at, c_first, c_stop, dy, dy_image, q_first, q_stop,
    C, f, grid, T, C_wide, tiles, dw, db, room,
):  # fmt: skip
    """Write dw of the channels c_first … c_stop−1 for some panels; who has channel 0 writes db."""
    desk, start = np.empty(2 * HALF, x.dtype), np.int64(0)
    channels, panels, nothing = c_stop - c_first, q_stop - q_first, zero(x)
    dm_panel, du_panel = T * LANES, channels * LANES
    v_point, dm_point, du_point = T * C_wide, panels * dm_panel, panels * du_panel
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
        gather_x(x, x_image, x_at + c_first, channels, grid, first, stop, desk, v, C_wide, v_point)
        gather_dy(
            dy, dy_image, q_first * LANES, panels, grid, first, stop, desk, dm, dm_panel, dm_point
        )
        for point in range(POINTS):
            for q in range(panels):
                dm_at = point * dm_point + q * dm_panel
                for c in range(0, channels, 6):
                    rows = up_to(c, channels - 1, point * v_point, 1)
                    out = up_to(c, channels - 1, point * du_point + q * du_panel, LANES)
                    six = sums(v, rows, tiles, start, stop - first, dm, dm_at)
                    add_six(du, out, six)
    for q in range(panels):
        for c in range(channels):
            dw_at = ((q_first + q) * f * f * C + c_first + c) * LANES
            collect_tile(
                du, q * du_panel + c * LANES, du_point, f, nothing, same(dw, -np.inf), desk,
                dw, dw_at, f * C * LANES, C * LANES, f, f,
            )  # fmt: skip


@njit(**PLAIN)
def up_to(i, last, at, step):
    """Return where entries i … i+5 are, or behind the last one, that one again."""
    return (
        at + i * step, at + min(i + 1, last) * step, at + min(i + 2, last) * step,
        at + min(i + 3, last) * step, at + min(i + 4, last) * step, at + min(i + 5, last) * step,
    )  # fmt: skip
