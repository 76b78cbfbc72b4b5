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
    T        tiles that are worked on at a time
    u        (panels, 64, C, LANES)        E w Eᵀ
    v        (64, T, C_wide)               Bᵀ x B
    m        (T, 64, LANES)                sums of u · v for one panel
    dm       (64, panels, T, LANES)        E dy Eᵀ
    du       (64, panels, C, LANES)        sums of dm · v
    room     one thread's v and m, or v, dm and du

Those that are not pixels are flat, and tuples tell kernels what is in them.  (Pixels: layout.py.)

    Grid      rows, columns, tiles, n, pad, T   so many rows and columns of tiles an image, so many
                                                tiles in all; pad: zeros before the image
    Kernels   u, b, groups, channels            b (groups·K_wide,); channels: 0 … C−1, for `sums`
    Gradient  dw, db, groups, C, f, parts       dw (panels, f, f, C, LANES); each group's channels
                                                are cut into parts, so that all threads have work
    Values    array, row, point                 v, dm or du: point p of row r is at r·row + p·point;
                                                a row is a tile in v, a panel in dm and du
    Part      panel, panel_stop, c, c_stop      of dw: some panels, and some of their group's
                                                channels

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
from .layout import flat_pixels, row_table
from .product import add_six, packed, put_six, sums, unpack, up_to
from .threads import run, shares, team_size
from .transforms import (
    HALF,
    POINTS,
    SIDE,
    Points,
    Tile,
    collect_tile,
    copy_tile,
    evaluate_tile,
    interpolate_tile,
)
from .vector import LANES, add, load, round_up, splat, store, zero

TILES = 24  # are worked on at a time; 12 take as long, and 48 are too many for the cache

Grid = namedtuple("Grid", "rows columns tiles n pad T")
Kernels = namedtuple("Kernels", "u b groups channels")
Gradient = namedtuple("Gradient", "dw db groups C f parts")
Values = namedtuple("Values", "array row point")
Part = namedtuple("Part", "panel panel_stop c c_stop")


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
    N, _, _, C_all = x.shape
    groups, K, C, f, _ = w.shape
    C_wide, K_wide = C_all // groups, round_up(K)
    grid = grid_of(N, H_out, W_out, f, pad)
    most = -(-grid.tiles // (team_size() * TILES)) * team_size()  # blocks; −(−a // b) rounds up
    grid = grid._replace(T=-(-grid.tiles // (most * 6)) * 6)

    b_wide = np.zeros((groups, K_wide), x.dtype)
    b_wide[:, :K] = b.reshape(groups, K)
    panels = packed(w).reshape(-1)
    u = empty((groups * K_wide * POINTS * C,), x.dtype)
    run(kernels_loop, groups * K_wide // LANES * C, u.size / 2, panels, f, C, u)
    kernels = Kernels(u, b_wide.reshape(-1), groups, row_table(C))

    y = empty((N, H_out, W_out, groups * K_wide), x.dtype)
    run(
        forward_loop, -(-grid.tiles // grid.T), grid.tiles * u.size / 40,
        x, kernels, y, grid, least,
        room=empty((team_size(), POINTS * grid.T * (C_wide + LANES)), x.dtype),
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
    N, _, _, C_all = x.shape
    _, H_out, W_out, K_all = dy.shape
    groups, K, C, f, _ = w.shape
    panels = K_all // groups // LANES
    grid = grid_of(N, H_out, W_out, f, pad)

    # As many tiles as make v and dm together as large as du, all of which is added to each time:
    # with 24 tiles, conv3 took 1.13 times as long, and conv4 1.2 times.
    C_wide, K_wide = C_all // groups, K_all // groups
    T = max(TILES, C_wide * K_wide // (C_wide + K_wide))
    T = -(-grid.tiles // -(-grid.tiles // T))
    grid = grid._replace(T=T)
    parts = shares(groups * panels)
    room = T * C_wide + T * K_wide + C * K_wide
    dw_panels = empty((groups, panels, f, f, C, LANES), x.dtype)
    db_wide = empty((groups, panels * LANES), x.dtype)
    gradient = Gradient(dw_panels.reshape(-1), db_wide.reshape(-1), groups, C, f, parts)
    run(
        backward_loop, groups * parts * panels, POINTS * grid.tiles * C * K_all / 40,
        x, dy, gradient, grid, row_table(T, C_wide),
        room=empty((team_size(), POINTS * room), x.dtype),
    )  # fmt: skip
    dw, db = empty((groups * K, C, f, f), x.dtype), empty((groups * K,), x.dtype)
    for g in range(groups):
        unpack(dw_panels[g], dw[g * K : (g + 1) * K])
        db[g * K : (g + 1) * K] = db_wide[g, :K]
    return dw, db


def grid_of(N, H_out, W_out, f, pad):
    """Return the tiles of N images of outputs, all of them to be worked on at a time."""
    n = SIDE + 1 - f
    rows, columns = -(-H_out // n), -(-W_out // n)
    tiles = N * rows * columns
    return Grid(rows, columns, tiles, n, pad, T=tiles)


@njit(**LOOP)
def kernels_loop(begin, end, panels, f, C, u):
    """Write u[panel, point, c, lane] = E w Eᵀ for some of all panels · C kernels."""
    desk = np.empty(2 * HALF, u.dtype)
    for task in range(begin, end):
        q, c = task // C, task % C
        at = (q * f * f * C + c) * LANES
        copy_tile(Tile(panels, at, f * C * LANES, C * LANES, 0, f, 0, f), desk)
        evaluate_tile(desk, f, Points(u, (q * POINTS * C + c) * LANES, C * LANES))


@njit(**PLAIN)
def place(t, grid):
    """Return the image, the first row and the first column of a tile of y."""
    n, rest = t // (grid.rows * grid.columns), t % (grid.rows * grid.columns)
    return n, rest // grid.columns * grid.n, rest % grid.columns * grid.n


@njit(**PLAIN)
def tile_of(pixels, n, top, left, c, size):
    """Return the tile at (top, left) of image n, from channel c on: size×size pixels, or those of
    them that are in the image."""
    array, H, W, C = pixels
    at = ((n * H + top) * W + left) * C + c
    bottom, right = min(size, H - top), min(size, W - left)
    return Tile(array, at, W * C, C, max(0, -top), bottom, max(0, -left), right)


@njit(**PLAIN)
def gather_x(x, x_at, channels, grid, first, stop, desk, v):
    """Write v of some channels, in vectors, for the tiles first … stop−1."""
    size = np.int64(SIDE)  # for a plain number, tile_of would be compiled anew
    for t in range(first, stop):
        n, top, left = place(t, grid)
        for c in range(0, channels, LANES):
            copy_tile(tile_of(x, n, top - grid.pad, left - grid.pad, x_at + c, size), desk)
            interpolate_tile(desk, Points(v.array, (t - first) * v.row + c, v.point))


@njit(**PLAIN)
def gather_dy(dy, dy_at, panels, grid, first, stop, desk, dm):
    """Write dm of some panels for the tiles first … stop−1."""
    for t in range(first, stop):
        n, top, left = place(t, grid)
        for q in range(panels):
            copy_tile(tile_of(dy, n, top, left, dy_at + q * LANES, grid.n), desk)
            at = q * dm.row + (t - first) * LANES
            evaluate_tile(desk, grid.n, Points(dm.array, at, dm.point))


@njit(**LOOP)
def forward_loop(begin, end, x, kernels, y, grid, least, room):
    """Write y of some blocks of T tiles."""
    x, y = flat_pixels(x), flat_pixels(y)
    u, b, groups, channels = kernels
    C, C_wide, panels = channels.size, x.C // groups, b.size // LANES // groups
    size = POINTS * grid.T * C_wide
    v, m = Values(room[:size], C_wide, grid.T * C_wide), room[size:]
    desk, lowest = np.empty(2 * HALF, room.dtype), splat(b, least)
    start, step = np.int64(0), np.int64(LANES)  # for plain numbers, all would be compiled anew
    for group in range(begin * groups, end * groups):
        first, g = group // groups * grid.T, group % groups
        stop = min(grid.tiles, first + grid.T)
        gather_x(x, g * C_wide, C, grid, first, stop, desk, v)
        for q in range(g * panels, (g + 1) * panels):
            for point in range(POINTS):
                u_at = (q * POINTS + point) * C * LANES
                for t in range(0, stop - first, 6):
                    rows = steps(point * v.point + t * v.row, v.row)
                    six = sums(v.array, rows, channels, start, C, u, u_at)
                    put_six(m, steps((t * POINTS + point) * LANES, POINTS * LANES), six)
            bias = load(b, q * LANES)
            for t in range(first, stop):
                n, top, left = place(t, grid)
                points = Points(m, (t - first) * POINTS * LANES, step)
                tile = tile_of(y, n, top, left, q * LANES, grid.n)
                collect_tile(points, grid.n, bias, lowest, desk, tile)


@njit(**PLAIN)
def steps(at, step):
    """Return at, at + step, …: six places."""
    return at, at + step, at + 2 * step, at + 3 * step, at + 4 * step, at + 5 * step


@njit(**LOOP)
def backward_loop(begin, end, x, dy, gradient, grid, tiles, room):
    """Write dw of some panels, or of parts of their channels: each group, part by part.

    tiles (T,) is a table for sums: where in v each tile begins.
    """
    x, dy = flat_pixels(x), flat_pixels(dy)
    groups, C, parts = gradient.groups, gradient.C, gradient.parts
    panels, vectors = gradient.db.size // LANES // groups, (C + LANES - 1) // LANES
    for task in range(begin // panels, (end + panels - 1) // panels):
        g, part = task // parts, task % parts
        q, q_stop = max(0, begin - task * panels), min(panels, end - task * panels)
        c = part * vectors // parts * LANES
        c_stop = min((part + 1) * vectors // parts * LANES, C)
        if c < c_stop:
            own = Part(g * panels + q, g * panels + q_stop, c, c_stop)
            backward_task(x, g * (x.C // groups) + c, dy, gradient, own, grid, tiles, room)


@njit(**PLAIN)
def backward_task(x, x_at, dy, gradient, part, grid, tiles, room):
    """Write dw of a part, whose channels begin at x_at; who has channel 0 writes db."""
    dw, db, groups, C, f, _ = gradient
    channels, panels = part.c_stop - part.c, part.panel_stop - part.panel
    desk, start, nothing = np.empty(2 * HALF, room.dtype), np.int64(0), zero(room)
    v_row, dm_row, du_row = x.C // groups, grid.T * LANES, channels * LANES
    v_point, dm_point, du_point = grid.T * v_row, panels * dm_row, panels * du_row
    v, rest = Values(room[: POINTS * v_point], v_row, v_point), room[POINTS * v_point :]
    dm = Values(rest[: POINTS * dm_point], dm_row, dm_point)
    du = Values(rest[POINTS * dm_point :], du_row, du_point)
    for i in range(0, POINTS * du_point, LANES):
        store(du.array, i, nothing)
    if part.c == 0:
        for q in range(part.panel, part.panel_stop):
            bias = nothing
            for p in range(q * LANES, dy.array.size, dy.C):
                bias = add(bias, load(dy.array, p))
            store(db, q * LANES, bias)
    for first in range(0, grid.tiles, grid.T):
        stop = min(grid.tiles, first + grid.T)
        gather_x(x, x_at, channels, grid, first, stop, desk, v)
        gather_dy(dy, part.panel * LANES, panels, grid, first, stop, desk, dm)
        for point in range(POINTS):
            for q in range(panels):
                dm_at = point * dm.point + q * dm.row
                for c in range(0, channels, 6):
                    rows = up_to(c, channels - 1, point * v.point, 1)
                    out = up_to(c, channels - 1, point * du.point + q * du.row, LANES)
                    six = sums(v.array, rows, tiles, start, stop - first, dm.array, dm_at)
                    add_six(du.array, out, six)
    lowest = splat(dw, -np.inf)
    for q in range(panels):
        for c in range(channels):
            points = Points(du.array, q * du.row + c * LANES, du.point)
            dw_at = ((part.panel + q) * f * f * C + part.c + c) * LANES
            tile = Tile(dw, dw_at, f * C * LANES, C * LANES, 0, f, 0, f)
            collect_tile(points, f, nothing, lowest, desk, tile)
