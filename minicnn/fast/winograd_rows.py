"""Winograd's algorithm along rows, for images of few channels: the first layer.

winograd.py transforms tiles of two dimensions.  That pays if many channels share each transform of
y; an image has three channels.  Here a tile is n neighbouring outputs of one row, n = 9 − f.  Each
row and channel of a kernel is a polynomial of its own.  Their products are summed before the last
transform (transforms.py derives the formulas):

    y_tile = Eᵀ Σ_t [(E w_t) ⊙ (Bᵀ x_t)]            t: a row and a channel of the kernel
    dw_t   = Eᵀ Σ_tiles [(E dy_tile) ⊙ (Bᵀ x_t)]    dw_t: n and f are swapped

8 multiplications replace n·f: with 5×5 weights 2.5 times fewer.  The errors in float32 are those of
the direct product, about 1e-6 of the largest number.

In the four-layer network, on one thread with 32 lanes, conv1's forward pass takes 5.3 ms instead of
6.7, and its dw 5.4 instead of 7.1.  The sums alone take 2.4; the rest are the transforms.  Writing
y takes 1 ms more if the cache lines are not fetched before.

    point       one of the 8 numbers of a tile after E or B
    band        some rows of y of one image, and the f − 1 more rows of x that they need
    v           (rows + f − 1, 8, length)    Bᵀ x of a band: channel c of a tile is at tile·C + c
    u           (panels, 8, f·C, LANES)      E w
    m           (BLOCK, 8, LANES)            sums of u · v for one panel and BLOCK tiles of a band
    dm          (8, BLOCK, LANES)            E dy, likewise
    sums        (parts, panels, 8, f·C, LANES)   sums of dm · v, over a part of the bands

    Plan        n, tiles, length, rows, corners, taps, outputs    tiles: in a row of y; rows: of y,
                                             in a band; length: numbers of v for a row and a point
    corners     (rows·tiles,)                offset of each tile in v
    taps        (f·C,)                       offset of each row and channel of a kernel in v
    outputs     (rows·tiles,)                offset of each tile in a band of y or dy
"""

from collections import namedtuple

import numpy as np

from ..jit import njit
from .buffers import empty, table
from .flags import LOOP, PLAIN
from .layout import flatten_pixels
from .product import (
    accumulate_six,
    pack_kernels,
    six_entries,
    six_offsets,
    six_sums,
    store_six,
    unpack,
)
from .threads import run
from .transforms import (
    SIDE,
    collect,
    evaluate,
    interpolate,
    load_eight,
    load_first,
    store_eight,
    store_first,
)
from .vector import (
    LANES,
    add,
    load,
    load_part,
    load_scalar,
    prefetch,
    round_up,
    splat,
    store,
    store_part,
    zero,
)
from .winograd import spaced_six

BLOCK = 24  # tiles that are computed together, a multiple of six
BAND = 2**14  # numbers of v, about
PARTS = 16  # of the bands, for dw: their number is fixed, so that threads change no bit

Plan = namedtuple("Plan", "n tiles length rows corners taps outputs")


def pays(C, groups, W_out, f, stride):
    """Return whether this is used; winograd.py takes eight channels and more.

    With fewer multiplications saved, the transforms cost as much as they save.
    """
    if stride != 1 or groups != 1 or not 3 <= f <= 6:
        return False
    n = SIDE + 1 - f
    saved = f * W_out / (SIDE * -(-W_out // n))
    return C < 8 and saved > 1.5


def make_plan(C, K, H_out, W_out, f):
    """Return the Plan of a convolution of C channels and K kernels of f×f."""
    n = SIDE + 1 - f
    tiles = -(-W_out // n)
    length = round_up(tiles * C)
    rows = min(H_out, max(1, BAND // (SIDE * length) - f + 1))
    corners = grid_table(rows, tiles, SIDE * length, C)
    taps = grid_table(f, C, SIDE * length, 1)
    outputs = grid_table(rows, tiles, W_out * K, n * K)
    return Plan(n, tiles, length, rows, corners, taps, outputs)


@table
def grid_table(rows, columns, row_step, step):
    """Return the offsets i·row_step + j·step of a grid, int64 and read-only."""
    i, j = np.meshgrid(range(rows), range(columns), indexing="ij")
    return (i * row_step + j * step).ravel().astype(np.int64)


def forward(x_frame, w, b, H_out, W_out, floor):
    """Return y (N, H_out, W_out, K), at least `floor`, of frames of x (layout.py) and w."""
    K, C, f, _ = w.shape
    plan = make_plan(C, K, H_out, W_out, f)
    u = empty((round_up(K) * SIDE * f * C,), w.dtype)
    kernels_loop(pack_kernels(w[None]).reshape(-1), f, C, u)
    y = empty((len(x_frame), H_out, W_out, K), w.dtype)
    bands = -(-H_out // plan.rows)
    run(forward_loop, len(y) * bands, y.size * u.size / K / 40, x_frame, u, b, plan, y, floor)
    return y


def backward_w(x_frame, dy, w):
    """Return dw, of the shape of w, and db (K,)."""
    K, C, f, _ = w.shape
    plan = make_plan(C, K, *dy.shape[1:3], f)
    sums = empty((PARTS, round_up(K) // LANES, SIDE, f * C, LANES), w.dtype)
    biases = empty((PARTS, K), w.dtype)
    sums[:], biases[:] = 0, 0
    run(
        backward_loop, PARTS, dy.size * f * f * C / 40,
        x_frame, dy, plan, f, sums.reshape(PARTS, -1), biases,
    )  # fmt: skip
    for part in range(1, PARTS):
        sums[0] += sums[part]
        biases[0] += biases[part]
    panels, dw = empty((round_up(K) // LANES, f, f, C, LANES), w.dtype), empty(w.shape, w.dtype)
    collect_kernels(sums[0].reshape(-1), f, C, panels.reshape(-1))
    unpack(panels, dw)
    return dw, biases[0]


@njit(**LOOP)
def kernels_loop(panels, f, C, u):
    """Write u = E w of panels (⌈K/LANES⌉, f, f, C, LANES)."""
    lanes = np.int64(LANES)
    for task in range(u.size // (SIDE * LANES)):
        q, t = task // (f * C), task % (f * C)
        offset = ((q * f + t // C) * f * C + t % C) * LANES
        row = load_first(panels, offset, C * LANES, f, lanes)
        eight = evaluate(row, load(panels, offset + (f - 1) * C * LANES))
        store_eight(u, (q * SIDE * f * C + t) * LANES, f * C * LANES, eight)


@njit(**PLAIN)
def transform_rows(x, first, stop, plan, scratch, v):
    """Write v of rows first … stop−1 of x.

    scratch (8, length + LANES) gets pixel j of every tile side by side.  Each copy is a vector, of
    which the next one overwrites all but C numbers.
    """
    x, _, W, C = x
    n, length, step = plan.n, plan.length, plan.length + LANES
    for row in range(first, stop):
        for j in range(SIDE):
            for t in range(plan.tiles):
                w = n * t + j
                pixel = load_part(x, (row * W + w) * C, max(0, W - w) * C)
                store(scratch, j * step + t * C, pixel)
        for lane in range(0, length, LANES):
            eight = interpolate(load_eight(scratch, lane, step))
            store_eight(v, (row - first) * SIDE * length + lane, length, eight)


@njit(**PLAIN)
def fetch_six(x, offset, outputs, t, last):
    """Fetch a vector at offset + outputs[t], …, outputs[t + 5] into the cache; t stops at last."""
    for i in range(t, min(t + 6, last + 1)):
        prefetch(x, offset + load_scalar(outputs, i))


@njit(**LOOP)
def forward_loop(begin, end, x, u, b, plan, y, floor):
    """Write y of some bands."""
    x, y = flatten_pixels(x), flatten_pixels(y)
    n, tiles, length, rows, corners, taps, outputs = plan
    T, K, f = taps.size, b.size, SIDE + 1 - n
    v = np.empty((rows + f - 1) * SIDE * length, b.dtype)
    m = np.empty(BLOCK * SIDE * LANES, b.dtype)
    scratch = np.empty(SIDE * (length + LANES), b.dtype)
    floors, start, lanes = splat(b, floor), np.int64(0), np.int64(LANES)
    bands = (y.H + rows - 1) // rows
    for task in range(begin, end):
        image, top = task // bands, task % bands * rows
        bottom, origin = min(top + rows, y.H), (image * y.H + top) * y.W * K
        transform_rows(x, image * x.H + top, image * x.H + bottom + f - 1, plan, scratch, v)
        for first in range(0, (bottom - top) * tiles, BLOCK):
            stop = min(first + BLOCK, (bottom - top) * tiles)
            for q in range((K + LANES - 1) // LANES):
                for point in range(SIDE):
                    u_offset = (q * SIDE + point) * T * LANES
                    for t in range(first, stop, 6):
                        places = six_entries(corners, t, stop - 1, point * length)
                        six = six_sums(v, places, taps, start, T, u, u_offset)
                        if point < n:
                            where = origin + q * LANES + point * K
                            fetch_six(y.array, where, outputs, t, stop - 1)
                        out = spaced_six(((t - first) * SIDE + point) * LANES, SIDE * LANES)
                        store_six(m, out, six, lanes)
                bias, count = load_part(b, q * LANES, K - q * LANES), K - q * LANES
                for t in range(first, stop):
                    offset = origin + outputs[t] + q * LANES
                    pixels = collect(load_eight(m, (t - first) * SIDE * LANES, LANES), n)
                    wide = min(n, y.W - t % tiles * n)
                    store_first(y.array, offset, K, pixels, wide, bias, floors, count)


@njit(**LOOP)
def backward_loop(begin, end, x, dy, plan, f, sums, biases):
    """Add to the sums and biases of some parts of the bands."""
    N, x, dy = len(x), flatten_pixels(x), flatten_pixels(dy)
    n, tiles, length, rows, corners, taps, outputs = plan
    T, K, dtype = taps.size, dy.C, sums.dtype
    v, dm = np.empty((rows + f - 1) * SIDE * length, dtype), np.empty(SIDE * BLOCK * LANES, dtype)
    scratch = np.empty(SIDE * (length + LANES), dtype)
    block, lanes = np.int64(BLOCK * LANES), np.int64(LANES)
    bands = (dy.H + rows - 1) // rows
    total = N * bands
    for part in range(begin, end):
        out, db = sums[part], biases[part]
        for band in range(part * total // PARTS, (part + 1) * total // PARTS):
            image, top = band // bands, band % bands * rows
            bottom, origin = min(top + rows, dy.H), (image * dy.H + top) * dy.W * K
            transform_rows(x, image * x.H + top, image * x.H + bottom + f - 1, plan, scratch, v)
            for first in range(0, (bottom - top) * tiles, BLOCK):
                stop = min(first + BLOCK, (bottom - top) * tiles)
                for q in range((K + LANES - 1) // LANES):
                    count = K - q * LANES
                    bias = load_part(db, q * LANES, count)
                    for t in range(first, stop):
                        offset = origin + outputs[t] + q * LANES
                        wide = min(n, dy.W - t % tiles * n)
                        pixels = load_first(dy.array, offset, K, wide, count)
                        last = pixels[7]
                        if wide == n:
                            last = load_part(dy.array, offset + (n - 1) * K, count)
                        points = evaluate(pixels, last)
                        bias = add(bias, points[3])  # the polynomial of dy at 1: the sum of dy
                        store_eight(dm, (t - first) * LANES, BLOCK * LANES, points)
                    store_part(db, q * LANES, bias, count)
                    for point in range(SIDE):
                        sums_offset = (q * SIDE + point) * T * LANES
                        for t in range(0, T, 6):
                            if point < n:
                                begun = stop + t * BLOCK // T
                                where = origin + q * LANES + point * K
                                fetch_six(dy.array, where, outputs, begun, outputs.size - 1)
                            places = six_entries(taps, t, T - 1, point * length)
                            at = six_offsets(t, T - 1, sums_offset, LANES)
                            six = six_sums(v, places, corners, first, stop, dm, point * block)
                            accumulate_six(out, at, six, lanes)


@njit(**LOOP)
def collect_kernels(sums, f, C, panels):
    """Write dw as panels (⌈K/LANES⌉, f, f, C, LANES)."""
    zeros, floors, step = zero(panels), splat(panels, -np.inf), f * C * LANES
    for task in range(sums.size // (SIDE * LANES)):
        q, t = task // (f * C), task % (f * C)
        row = collect(load_eight(sums, q * SIDE * step + t * LANES, step), f)
        offset = ((q * f + t // C) * f * C + t % C) * LANES
        store_first(panels, offset, C * LANES, row, f, zeros, floors, np.int64(LANES))
