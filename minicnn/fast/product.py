"""The matrix product of convolutions and fully connected layers, with its sums in registers.

A convolution is a matrix product: im2col copies every window into a column of a matrix, and
multiplies the kernels by it.  Here nothing is copied.  Entry t of window p is x[corner_p + tap_t],
so two small tables replace the matrix, and the product reads x through them.

    multiply     y[p, k] = b[k] + Σ_t x[corner_p + tap_t] · w[t, k]      forward, and dx
    correlate    dw[t, k] = Σ_p x[corner_p + tap_t] · dy[p, k]           dw, and db

Three tuples describe the factors and the output:

    Windows     array, offset, corners, taps       the matrix of x: entry (p, t) is
                                                   array[offset + corners[p] + taps[t]]
    Panels      array, b, panel_step, step         w in vectors of LANES kernels, and b of its K
                                                   kernels: entry t of panel q begins at
                                                   q·panel_step + t·step
    Output      array, offset, outputs, floor      y: kernel k of window p is
                                                   array[offset + outputs[p] + k]

There are P windows of T entries, and K kernels.

    array          flat                     x, w or y
    dy             (N, H, W, C)             as pixels (layout.py): pixel p belongs to window p
    corners        (P,)                     offset of each window in x
    taps           (T,)                     offset of each entry of a window from its corner
    outputs        (P,)                     offset of each window's outputs in y
    …offset        a number                 added to every index: where a group's channels begin
    floor          a number                 the least value of y: 0 with a fused ReLU, else −∞
    panel          a number                 LANES kernels, side by side; panel q starts at q·LANES
    count          a number                 kernels of a panel, or more; the last panel may have
                                            fewer than LANES
    b, db          (K,)
    dw             (⌈K/LANES⌉·T·LANES,)    flat, panel by panel, packed like w

For example, let x be one image of 4×5 pixels with 3 channels.  It has four windows of 2×2 pixels
that do not overlap, and there are 2 kernels.

    Windows(x, 0, corners=(0, 6, 30, 36), taps=(0, 1, 2, 3, 4, 5, 15, 16, 17, 18, 19, 20))
    Panels(w, b, panel_step=12·LANES, step=LANES)
    Output(y, 0, outputs=(0, 2, 4, 6), floor=−∞)

Both functions come down to `six_sums`: six sums, each a vector.  It loads one vector of kernels and
multiplies it by six single numbers, from six windows (multiply) or six taps (correlate).  So every
vector that is loaded is used six times, every single number LANES times, and no sum goes to memory
before it is complete.
"""

from collections import namedtuple

import numpy as np

from ..jit import njit
from .buffers import empty
from .flags import LOOP, PLAIN
from .layout import flatten_pixels
from .vector import (
    LANES,
    add,
    clamp_min,
    fma,
    load,
    load_part,
    load_scalar,
    load_splat,
    round_up,
    splat,
    store,
    store_part,
    zero,
)

Windows = namedtuple("Windows", "array offset corners taps")
Panels = namedtuple("Panels", "array b panel_step step")
Output = namedtuple("Output", "array offset outputs floor")

# Block sizes that keep the working set in the nearest cache:
BLOCK_WINDOWS, BLOCK_PANELS = 96, 16  # windows and panels in a task of multiply, at most
BLOCK_TAPS = 256  # taps that multiply handles at a time
BLOCK_PIXELS = 128  # pixels that correlate handles at a time


@njit(**PLAIN)
def six_sums(x, rows, table, first, stop, w, w_offset):
    """Return Σ_t x[rows_m + table_t] · w[w_t + lane]: six vectors, m = 0 … 5.

    t runs from first to stop − 1; w_t begins at w_offset and grows by LANES.  In multiply, the rows
    are corners and the table holds taps; in correlate, the rows are taps and the table holds
    corners.
    """
    r0, r1, r2, r3, r4, r5 = rows
    a0 = a1 = a2 = a3 = a4 = a5 = zero(x)
    for t in range(first, stop):
        entry = load_scalar(table, t)
        kernels = load(w, w_offset)
        a0 = fma(load_splat(x, r0 + entry), kernels, a0)
        a1 = fma(load_splat(x, r1 + entry), kernels, a1)
        a2 = fma(load_splat(x, r2 + entry), kernels, a2)
        a3 = fma(load_splat(x, r3 + entry), kernels, a3)
        a4 = fma(load_splat(x, r4 + entry), kernels, a4)
        a5 = fma(load_splat(x, r5 + entry), kernels, a5)
        w_offset += LANES
    return a0, a1, a2, a3, a4, a5


@njit(**PLAIN)
def store_six(out, offsets, vectors, count):
    """Write the first `count` lanes of six vectors to out[offsets_m + lane]."""
    p0, p1, p2, p3, p4, p5 = offsets
    v0, v1, v2, v3, v4, v5 = vectors
    store_part(out, p0, v0, count)
    store_part(out, p1, v1, count)
    store_part(out, p2, v2, count)
    store_part(out, p3, v3, count)
    store_part(out, p4, v4, count)
    store_part(out, p5, v5, count)


@njit(**PLAIN)
def add_to_six(vectors, v):
    """Return six vectors plus v."""
    v0, v1, v2, v3, v4, v5 = vectors
    return add(v0, v), add(v1, v), add(v2, v), add(v3, v), add(v4, v), add(v5, v)


@njit(**PLAIN)
def accumulate_six(out, offsets, vectors, count):
    """Add the first `count` lanes of six vectors to out[offsets_m + lane].

    All six are read before any is written.  So if an offset occurs twice, with the same vector,
    the vector is added once.
    """
    p0, p1, p2, p3, p4, p5 = offsets
    v0, v1, v2, v3, v4, v5 = vectors
    a0, a1 = add(load_part(out, p0, count), v0), add(load_part(out, p1, count), v1)
    a2, a3 = add(load_part(out, p2, count), v2), add(load_part(out, p3, count), v3)
    a4, a5 = add(load_part(out, p4, count), v4), add(load_part(out, p5, count), v5)
    store_six(out, offsets, (a0, a1, a2, a3, a4, a5), count)


@njit(**PLAIN)
def six_entries(table, i, last, offset):
    """Return entries i … i+5 of a table, plus offset; entry `last` is repeated past the end."""
    j1, j2, j3 = min(i + 1, last), min(i + 2, last), min(i + 3, last)
    j4, j5 = min(i + 4, last), min(i + 5, last)
    return (
        offset + table[i], offset + table[j1], offset + table[j2],
        offset + table[j3], offset + table[j4], offset + table[j5],
    )  # fmt: skip


@njit(**PLAIN)
def six_offsets(i, last, offset, step):
    """Return offset + i·step for i … i+5, where i stops at `last`."""
    j1, j2, j3 = min(i + 1, last), min(i + 2, last), min(i + 3, last)
    j4, j5 = min(i + 4, last), min(i + 5, last)
    return (
        offset + i * step, offset + j1 * step, offset + j2 * step,
        offset + j3 * step, offset + j4 * step, offset + j5 * step,
    )  # fmt: skip


def task_count(P, K):
    """Return the number of multiply's tasks for P windows and K kernels."""
    return -(-P // BLOCK_WINDOWS) * -(-K // (LANES * BLOCK_PANELS))


@njit(**LOOP)
def multiply(begin, end, windows, panels, output):
    """Write y[p, k] = b[k] + Σ_t x[corner_p + tap_t] · w[t, k], or `floor` if that is less."""
    panel_count, P = (panels.b.size + LANES - 1) // LANES, windows.corners.size
    blocks = (P + BLOCK_WINDOWS - 1) // BLOCK_WINDOWS
    panel_blocks = (panel_count + BLOCK_PANELS - 1) // BLOCK_PANELS
    sixes = (P + 5) // 6
    length = (sixes + blocks - 1) // max(blocks, 1) * 6  # windows in every block
    for task in range(begin, end):
        first, panel = task // panel_blocks * length, task % panel_blocks * BLOCK_PANELS
        stop, panel_stop = min(first + length, P), min(panel + BLOCK_PANELS, panel_count)
        multiply_task(windows, panels, output, first, stop, panel, panel_stop)


@njit(**PLAIN)
def multiply_task(windows, panels, output, first, stop, panel, panel_stop):
    """Write the outputs of some panels for windows first … stop−1, six at a time, taps in chunks.

    The last window may be computed more than once.  If the entries of a panel are not adjacent in
    memory, they are first copied side by side: entries a power of two apart would compete for a few
    cache lines.
    """
    x, x_offset, corners, taps = windows
    w, b, panel_step, step = panels
    y, y_offset, outputs, floor = output
    is_adjacent, chunk = step == LANES, min(BLOCK_TAPS, taps.size)
    copy = np.empty(0 if is_adjacent else (panel_stop - panel) * chunk * LANES, w.dtype)
    for t in range(0, max(taps.size, 1), BLOCK_TAPS):  # without taps, y is b
        t_stop = min(t + BLOCK_TAPS, taps.size)
        if not is_adjacent:
            for i in range(t_stop - t):
                for q in range(panel_stop - panel):
                    place = (panel + q) * panel_step + (t + i) * step
                    entry = load_part(w, place, b.size - (panel + q) * LANES)
                    store(copy, (q * chunk + i) * LANES, entry)
        for q in range(panel, panel_stop):
            k, count = y_offset + q * LANES, b.size - q * LANES
            bias = load_part(b, q * LANES, count)
            kernels, w_offset = w, q * panel_step + t * LANES
            if not is_adjacent:
                kernels, w_offset = copy, (q - panel) * chunk * LANES
            for p in range(first, stop, 6):
                rows = six_entries(corners, p, stop - 1, x_offset)
                out = six_entries(outputs, p, stop - 1, k)
                vectors = six_sums(x, rows, taps, t, t_stop, kernels, w_offset)
                if t == 0:
                    store_six(y, out, add_to_six(vectors, bias), count)
                else:
                    accumulate_six(y, out, vectors, count)
    if floor > -np.inf:
        for q in range(panel, panel_stop):
            count = b.size - q * LANES
            for p in range(first, stop):
                i = y_offset + q * LANES + load_scalar(outputs, p)
                store_part(y, i, clamp_min(load_part(y, i, count), splat(y, floor)), count)


@njit(**LOOP)
def correlate(begin, end, windows, dy, dy_offset, dw, db, parts):
    """Write dw[panel, t, lane] = Σ_p x[corner_p + tap_t] · dy[p, k] and db[k] = Σ_p dy[p, k].

    A task is one panel and a part of the taps.  No two tasks add to the same number, so the number
    of threads does not affect the result.
    """
    dy, sixes = flatten_pixels(dy), (windows.taps.size + 5) // 6
    for task in range(begin, end):
        panel, part = task // parts, task % parts
        first = part * sixes // parts * 6
        stop = min((part + 1) * sixes // parts * 6, windows.taps.size)
        if first < stop:
            correlate_task(windows, dy, dy_offset, dw, db, panel, first, stop)


@njit(**PLAIN)
def correlate_task(windows, dy, dy_offset, dw, db, panel, first, stop):
    """Write dw of taps first … stop−1 for one panel, six taps at a time, pixels in chunks.

    The task that has the first tap also writes db.  A chunk of dy's panel is copied first: pixels
    a power of two apart would compete for a few cache lines.
    """
    x, x_offset, corners, taps = windows
    dy, _, _, step = dy
    dy_offset, dw_offset = dy_offset + panel * LANES, panel * taps.size * LANES
    count, lanes = db.size - panel * LANES, np.int64(LANES)
    chunk, bias = np.empty(BLOCK_PIXELS * LANES, dw.dtype), zero(dw)
    start = np.int64(0)  # a literal 0 would make Numba compile six_sums again
    for p_first in range(0, max(corners.size, 1), BLOCK_PIXELS):
        p_stop = min(p_first + BLOCK_PIXELS, corners.size)
        for p in range(p_stop - p_first):
            pixel = load_part(dy, dy_offset + (p_first + p) * step, count)
            store(chunk, p * LANES, pixel)
            bias = add(bias, pixel)
        for t in range(first, stop, 6):
            rows = six_entries(taps, t, stop - 1, x_offset)
            out = six_offsets(t, stop - 1, dw_offset, LANES)
            vectors = six_sums(x, rows, corners, p_first, p_stop, chunk, start)
            if p_first == 0:
                store_six(dw, out, vectors, lanes)
            else:
                accumulate_six(dw, out, vectors, lanes)
    if first == 0:
        store_part(db, panel * LANES, bias, count)


def pack_kernels(w):
    """Return kernels (groups, K, C, rows, columns) as panels: for each group, one flat array.

    Lanes without a kernel hold zeros.
    """
    groups, K, C, rows, columns = w.shape
    panels = empty((groups, round_up(K) // LANES, rows, columns, C, LANES), w.dtype)
    if K % LANES:
        panels[:, -1] = 0
    for g in range(groups):
        pack_group(w[g], panels[g])
    return panels.reshape(groups, -1)


@njit(**LOOP)
def pack_group(w, panels):
    """Copy w (K, C, f, f) to panels (⌈K/LANES⌉, f, f, C, LANES)."""
    K, C, rows, columns = w.shape
    for first in range(0, K, LANES):
        for c in range(C):
            for i in range(rows):
                for j in range(columns):
                    kernels = w[first : first + LANES, c, i, j]
                    lanes = panels[first // LANES, i, j, c]
                    if kernels.size == LANES:  # a loop of known length takes half as long
                        for lane in range(LANES):
                            lanes[np.uint64(lane)] = kernels[np.uint64(lane)]
                    else:
                        for lane in range(kernels.size):
                            lanes[lane] = kernels[lane]


@njit(**LOOP)
def unpack(panels, w):
    """Copy panels (⌈K/LANES⌉, f, f, C, LANES) back to w (K, C, f, f)."""
    K, C, rows, columns = w.shape
    for first in range(0, K, LANES):
        for c in range(C):
            for i in range(rows):
                for j in range(columns):
                    kernels = w[first : first + LANES, c, i, j]
                    lanes = panels[first // LANES, i, j, c]
                    for lane in range(kernels.size):
                        kernels[lane] = lanes[lane]
