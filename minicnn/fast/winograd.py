"""Convolution with a sixth of the multiplications: Winograd's algorithm, forward and backward.

product.py needs f·f multiplications for each output, channel and kernel, and already multiplies at
the processor's peak.  So the only way to be faster is to multiply less.  The outputs are cut into
tiles of n×n, n = 9 − f.  A tile depends on 8×8 pixels: 64 multiplications instead of (n·f)².  That
is a sixth as many with 5×5 weights, a fifth with 3×3, and more where tiles extend over the edge.
transforms.py derives the formulas:

    y  = Eᵀ [(E w Eᵀ) ⊙ (Bᵀ x B)] E
    dw = Eᵀ [(E dy Eᵀ) ⊙ (Bᵀ x B)] E         the same, with dy instead of w, and n and f swapped
    dx                                       the forward pass of dy, with w rotated by 180°

The brackets are summed before the last E is applied: over channels for y, over tiles for dw.  These
sums are 64 matrix products, one per point, computed by product.py's six_sums.  Each tile and each
kernel is transformed only once, which costs little if there are many channels and kernels.

    E, B        the matrices of transforms.py, which also defines scratch
    point       one of the 64 numbers of a tile after E or B
    T           tiles in a block, which are computed together
    u           (panels, 64, C, LANES)        E w Eᵀ
    v           (64, T, C_padded)             Bᵀ x B; C_padded is C rounded up to whole vectors
    m           (T, 64, LANES)                sums of u · v for one panel
    dm          (64, panels, T, LANES)        E dy Eᵀ
    du          (64, panels, C, LANES)        sums of dm · v
    workspace   a thread's memory for v and m, or for v, dm and du

Pixels are described in layout.py.  All other arrays are flat; named tuples describe their layout.

    Grid      rows, columns, tiles, n, pad, T   rows and columns of tiles per image, tiles in all;
                                                pad: zeros before the image
    Kernels   u, b, groups, channels            b (groups·K,); channels: 0 … C−1, a table for
                                                six_sums
    Gradient  dw, db, groups, C, f, parts       dw (panels, f, f, C, LANES); the channels of a group
                                                are cut into parts, so that all threads have work
    Values    array, row_step, point_step       v, dm or du: point p of row r begins at
                                                r·row_step + p·point_step; a row is a tile in v, a
                                                panel in dm and du
    Part      g, panel, panel_stop, c, c_stop   a part of dw: some panels and some channels of a
                                                group

In float32 the errors exceed those of the direct product, and grow with the number of channels: in
AlexNet's layers they reach 3e-5 of the largest number, instead of 6e-7.  Infinities cancel in
Bᵀ x B and become NaN, and a NaN reaches every output of its tile.  So it stays visible, but spreads
up to n − 1 pixels beyond the outputs whose windows contain it.
"""

from collections import namedtuple

import numpy as np

from ..jit import njit
from .buffers import empty
from .flags import LOOP, PLAIN
from .layout import flatten_pixels, row_table
from .product import accumulate_six, pack_kernels, six_offsets, six_sums, store_six, unpack
from .threads import parts_per_task, run, team_size
from .transforms import (
    POINTS,
    SECOND_TILE,
    SIDE,
    Points,
    Tile,
    collect_tile,
    copy_tile,
    evaluate_tile,
    interpolate_tile,
)
from .vector import LANES, add, load_part, round_up, splat, store, store_part, zero

TILES = 24  # tiles in a block; 12 are as fast, and 48 are too many for the cache

Grid = namedtuple("Grid", "rows columns tiles n pad T")
Kernels = namedtuple("Kernels", "u b groups channels")
Gradient = namedtuple("Gradient", "dw db groups C f parts")
Values = namedtuple("Values", "array row_step point_step")
Part = namedtuple("Part", "g panel panel_stop c c_stop")


def pays(N, C, H_out, W_out, f, stride):
    """Return whether Winograd's algorithm beats product.py for sums over C channels (dx: kernels).

    Measured on one thread, for forward, dx and dw, it is 2.2 to 2.7 times as fast with 32 channels
    and 5×5 weights, 2.1 to 2.4 with 64 and 3×3, 1.1 to 2.2 with 16, 1.2 with 8, and 0.4 to 0.7 with
    3, whatever the number of kernels.  Where tiles extend so far over the edge that the direct
    product needs only 1.7 times as many multiplications, it is 0.7 to 1.1 times as fast.  With 16
    tiles it is 1.1 to 1.3 times as fast, because preparing the kernels takes as long as using them.
    With a stride, in blocks (conv.py), AlexNet's conv1 is 1.7 to 1.9 times as fast.
    """
    side = -(-f // stride)  # of a kernel, in blocks: see conv.py
    if not 2 <= side <= 7:
        return False
    n = SIDE + 1 - side
    tiles = -(-H_out // n) * -(-W_out // n)
    saved = f * f * H_out * W_out / (POINTS * stride * stride * tiles)
    return saved > 2 and C * stride * stride >= 8 and N * tiles >= 16


def forward(x, w, b, pad, H_out, W_out, floor):
    """Return y.

    Parameters
    ----------
    x : array (N, H, W, groups·C)
        Pixels.
    w : array (groups, K, C, f, f)
    b : array (groups·K,)
    pad : int
        The number of zeros around x; if negative, that many pixels are cropped.
    H_out, W_out : int
    floor : float
        The least value of y: 0 with a fused ReLU, else −∞.

    Returns
    -------
    array (N, H_out, W_out, groups·K)
        Pixels.
    """
    N = len(x)
    groups, K, C, f, _ = w.shape
    C_padded, K_padded = round_up(C), round_up(K)
    grid = tile_grid(N, H_out, W_out, f, pad)
    blocks = -(-grid.tiles // (team_size() * TILES)) * team_size()  # −(−a // b) rounds up
    grid = grid._replace(T=-(-grid.tiles // (blocks * 6)) * 6)

    panels = pack_kernels(w).reshape(-1)
    u = empty((groups * K_padded * POINTS * C,), x.dtype)
    run(kernels_loop, groups * K_padded // LANES * C, u.size / 2, panels, f, C, u)
    kernels = Kernels(u, b, groups, row_table(C))

    y = empty((N, H_out, W_out, groups * K), x.dtype)
    run(
        forward_loop, -(-grid.tiles // grid.T), grid.tiles * u.size / 40,
        x, kernels, y, grid, floor,
        workspace=empty((team_size(), POINTS * grid.T * (C_padded + LANES)), x.dtype),
    )  # fmt: skip
    return y


def backward_w(x, dy, w, pad):
    """Return dw (groups·K, C, f, f) and db (groups·K,).

    Parameters
    ----------
    x, dy : arrays (N, H, W, groups·C) and (N, H_out, W_out, groups·K)
        Pixels, as forward takes and returns them.
    w : array (groups, K, C, f, f)
        Only its shape matters.
    pad : int
        As in forward.
    """
    N, H_out, W_out, _ = dy.shape
    groups, K, C, f, _ = w.shape
    C_padded, K_padded = round_up(C), round_up(K)
    panels = K_padded // LANES
    grid = tile_grid(N, H_out, W_out, f, pad)

    # Each block of tiles adds to all of du, so v and dm together should be as large as du.  With 24
    # tiles, conv3 took 1.13 times as long, and conv4 1.2 times.
    T = max(TILES, C_padded * K_padded // (C_padded + K_padded))
    T = -(-grid.tiles // -(-grid.tiles // T))
    grid = grid._replace(T=T)
    parts = parts_per_task(groups * panels)
    size = T * C_padded + T * K_padded + C * K_padded
    dw_panels = empty((groups, panels, f, f, C, LANES), x.dtype)
    dw, db = empty((groups * K, C, f, f), x.dtype), empty((groups * K,), x.dtype)
    gradient = Gradient(dw_panels.reshape(-1), db, groups, C, f, parts)
    run(
        backward_loop, groups * parts * panels, POINTS * grid.tiles * C * groups * K_padded / 40,
        x, dy, gradient, grid, row_table(T, C_padded),
        workspace=empty((team_size(), POINTS * size), x.dtype),
    )  # fmt: skip
    for g in range(groups):
        unpack(dw_panels[g], dw[g * K : (g + 1) * K])
    return dw, db


def tile_grid(N, H_out, W_out, f, pad):
    """Return the grid of tiles of N images of outputs, as one block."""
    n = SIDE + 1 - f
    rows, columns = -(-H_out // n), -(-W_out // n)
    tiles = N * rows * columns
    return Grid(rows, columns, tiles, n, pad, T=tiles)


@njit(**LOOP)
def kernels_loop(begin, end, panels, f, C, u):
    """Write u[panel, point, c, lane] = E w Eᵀ for a share of the panels · C kernels."""
    scratch, lanes = np.empty(2 * SECOND_TILE, u.dtype), np.int64(LANES)
    for task in range(begin, end):
        q, c = task // C, task % C
        offset = (q * f * f * C + c) * LANES
        copy_tile(Tile(panels, offset, f * C * LANES, C * LANES, 0, f, 0, f, lanes), scratch)
        evaluate_tile(scratch, f, Points(u, (q * POINTS * C + c) * LANES, C * LANES))


@njit(**PLAIN)
def tile_position(t, grid):
    """Return the image, the first row and the first column of a tile of y."""
    n, tile = t // (grid.rows * grid.columns), t % (grid.rows * grid.columns)
    return n, tile // grid.columns * grid.n, tile % grid.columns * grid.n


@njit(**PLAIN)
def image_tile(pixels, n, top, left, c, count, size):
    """Return the tile at (top, left) of image n, of `count` channels from c on, at most LANES.

    The tile has size×size pixels; those outside the image are excluded.
    """
    array, H, W, C = pixels
    offset = ((n * H + top) * W + left) * C + c
    bottom, right = min(size, H - top), min(size, W - left)
    return Tile(array, offset, W * C, C, max(0, -top), bottom, max(0, -left), right, count)


@njit(**PLAIN)
def transform_x(x, x_offset, channels, grid, first, stop, scratch, v):
    """Write v of some channels, one vector at a time, for tiles first … stop−1."""
    size = np.int64(SIDE)  # with a literal, Numba would compile image_tile again
    for t in range(first, stop):
        n, top, left = tile_position(t, grid)
        for c in range(0, channels, LANES):
            tile = image_tile(
                x, n, top - grid.pad, left - grid.pad, x_offset + c, channels - c, size
            )
            copy_tile(tile, scratch)
            points = Points(v.array, (t - first) * v.row_step + c, v.point_step)
            interpolate_tile(scratch, points)


@njit(**PLAIN)
def transform_dy(dy, dy_offset, K, grid, first, stop, scratch, dm):
    """Write dm of the panels of K kernels for tiles first … stop−1."""
    for t in range(first, stop):
        n, top, left = tile_position(t, grid)
        for q in range((K + LANES - 1) // LANES):
            k = q * LANES
            copy_tile(image_tile(dy, n, top, left, dy_offset + k, K - k, grid.n), scratch)
            offset = q * dm.row_step + (t - first) * LANES
            evaluate_tile(scratch, grid.n, Points(dm.array, offset, dm.point_step))


@njit(**LOOP)
def forward_loop(begin, end, x, kernels, y, grid, floor, workspace):
    """Write y for some blocks of T tiles."""
    x, y = flatten_pixels(x), flatten_pixels(y)
    u, b, groups, channels = kernels
    C, K = channels.size, b.size // groups
    C_padded, panels = round_up(C), (K + LANES - 1) // LANES
    size = POINTS * grid.T * C_padded
    v, m = Values(workspace[:size], C_padded, grid.T * C_padded), workspace[size:]
    scratch, floors = np.empty(2 * SECOND_TILE, workspace.dtype), splat(b, floor)
    start, step = np.int64(0), np.int64(LANES)  # literals would make Numba compile all again
    for group in range(begin * groups, end * groups):
        first, g = group // groups * grid.T, group % groups
        stop = min(grid.tiles, first + grid.T)
        transform_x(x, g * C, C, grid, first, stop, scratch, v)
        for q in range(panels):
            k, count = g * K + q * LANES, K - q * LANES
            for point in range(POINTS):
                u_offset = ((g * panels + q) * POINTS + point) * C * LANES
                for t in range(0, stop - first, 6):
                    last = stop - first - 1  # v has no more tiles than that
                    rows = six_offsets(t, last, point * v.point_step, v.row_step)
                    six = six_sums(v.array, rows, channels, start, C, u, u_offset)
                    out = spaced_six((t * POINTS + point) * LANES, POINTS * LANES)
                    store_six(m, out, six, step)
            bias = load_part(b, k, count)
            for t in range(first, stop):
                n, top, left = tile_position(t, grid)
                points = Points(m, (t - first) * POINTS * LANES, step)
                tile = image_tile(y, n, top, left, k, count, grid.n)
                collect_tile(points, grid.n, bias, floors, scratch, tile)


@njit(**PLAIN)
def spaced_six(i, step):
    """Return six offsets: i, i + step, …, i + 5·step."""
    return i, i + step, i + 2 * step, i + 3 * step, i + 4 * step, i + 5 * step


@njit(**LOOP)
def backward_loop(begin, end, x, dy, gradient, grid, tiles, workspace):
    """Write dw of some panels, or of parts of their channels, group by group and part by part.

    tiles (T,) is the table for six_sums: the offset of each tile in v.
    """
    x, dy = flatten_pixels(x), flatten_pixels(dy)
    groups, C, parts = gradient.groups, gradient.C, gradient.parts
    K = gradient.db.size // groups
    panels, vectors = (K + LANES - 1) // LANES, (C + LANES - 1) // LANES
    for task in range(begin // panels, (end + panels - 1) // panels):
        g, piece = task // parts, task % parts
        q, q_stop = max(0, begin - task * panels), min(panels, end - task * panels)
        if vectors >= parts:
            c = piece * vectors // parts * LANES
            c_stop = min((piece + 1) * vectors // parts * LANES, C)
        else:  # the parts share vectors: each transforms whole ones, and multiplies its channels
            c, c_stop = piece * C // parts, (piece + 1) * C // parts
        if c < c_stop:
            part = Part(g, q, q_stop, c, c_stop)
            backward_task(x, dy, gradient, part, grid, tiles, workspace)


@njit(**PLAIN)
def backward_task(x, dy, gradient, part, grid, tiles, workspace):
    """Write dw of a part; the part with channel 0 writes db."""
    dw, db, groups, C, f, _ = gradient
    K = db.size // groups
    x_offset, k, k_stop = part.g * C + part.c, part.panel * LANES, min(part.panel_stop * LANES, K)
    channels, panels = part.c_stop - part.c, part.panel_stop - part.panel
    scratch, zeros = np.empty(2 * SECOND_TILE, workspace.dtype), zero(workspace)
    start, lanes = np.int64(0), np.int64(LANES)
    v_step, dm_step, du_step = round_up(C), grid.T * LANES, channels * LANES
    v_point, dm_point, du_point = grid.T * v_step, panels * dm_step, panels * du_step
    v = Values(workspace[: POINTS * v_point], v_step, v_point)
    free = workspace[POINTS * v_point :]
    dm = Values(free[: POINTS * dm_point], dm_step, dm_point)
    du = Values(free[POINTS * dm_point :], du_step, du_point)
    for i in range(0, POINTS * du_point, LANES):
        store(du.array, i, zeros)
    if part.c == 0:
        for i in range(part.g * K + k, part.g * K + k_stop, LANES):
            bias, count = zeros, part.g * K + k_stop - i
            for p in range(i, dy.array.size, dy.C):
                bias = add(bias, load_part(dy.array, p, count))
            store_part(db, i, bias, count)
    for first in range(0, grid.tiles, grid.T):
        stop = min(grid.tiles, first + grid.T)
        transform_x(x, x_offset, channels, grid, first, stop, scratch, v)
        transform_dy(dy, part.g * K + k, k_stop - k, grid, first, stop, scratch, dm)
        for point in range(POINTS):
            for q in range(panels):
                dm_offset = point * dm.point_step + q * dm.row_step
                for c in range(0, channels, 6):
                    rows = six_offsets(c, channels - 1, point * v.point_step, 1)
                    du_offset = point * du.point_step + q * du.row_step
                    out = six_offsets(c, channels - 1, du_offset, LANES)
                    six = six_sums(v.array, rows, tiles, start, stop - first, dm.array, dm_offset)
                    accumulate_six(du.array, out, six, lanes)
    floors = splat(dw, -np.inf)
    for q in range(panels):
        for c in range(channels):
            points = Points(du.array, q * du.row_step + c * LANES, du.point_step)
            panel = part.g * ((K + LANES - 1) // LANES) + part.panel + q
            dw_offset = (panel * f * f * C + part.c + c) * LANES
            tile = Tile(dw, dw_offset, f * C * LANES, C * LANES, 0, f, 0, f, lanes)
            collect_tile(points, f, zeros, floors, scratch, tile)
