"""The one product behind convolutions and fully connected layers, with its sums in registers.

A convolution is a matrix product: im2col copies every window into a row, and each row meets every
kernel.  Here nothing is copied, because entry t of window p lies in x at corner_p + tap_t: two
small tables stand in for the matrix, and the product reads through them.

    multiply     y[p, k] = b[k] + Σ_t x[corner_p + tap_t] · w[t, k]      forward, and dx
    correlate    dw[t, k] = Σ_p x[corner_p + tap_t] · dy[p, k]           dw, and db on the way

Three tuples say what is multiplied, and where the outputs go:

    Windows     array, at, corners, taps       the matrix of x: entry (p, t) is
                                               array[at + corners[p] + taps[t]]
    Panels      array, b, panel_step, step     w in vectors of LANES kernels, and b: entry t of
                                               kernels q·LANES, … begins at q·panel_step + t·step
    Output      array, at, places, least       y: kernel k of window p is array[at + places[p] + k]

The letters: P windows of T entries, K kernels.

    array          flat                     x, w or y
    dy             (N, H, W, C)             as pixels, see layout.py: pixel p belongs to window p
    corners        (P,)                     where each window begins in x
    taps           (T,)                     how far each entry of a window is from its corner
    places         (P,)                     where the outputs of each window begin in y
    at, …_at       a number                 added to all places of an array: a group's first channel
    least          a number                 what stands where y would be less: 0 for a ReLU, or −∞
    LANES          a number                 kernels in a vector
    b              (⌈K/LANES⌉·LANES,)
    dw, db         (⌈K/LANES⌉·T·LANES,)    flat, panel by panel, as w is packed; db like b

An example: x is one image of 4×5 pixels with 3 channels, its windows 2×2, side by side, 2 kernels.

    Windows(x, 0, corners=(0, 6, 30, 36), taps=(0, 1, 2, 3, 4, 5, 15, 16, 17, 18, 19, 20))
    Panels(w, b, panel_step=12·LANES, step=LANES)
    Output(y, 0, places=(0, LANES, 2·LANES, 3·LANES), least=−∞)

Both come down to `sums`: six sums of a vector each.  It loads one vector of kernels and multiplies
it by six single numbers, from six windows (multiply) or six taps (correlate).  So every vector that
is loaded serves six times, every single number LANES times, and no sum goes back to memory before
it is complete.
"""

from collections import namedtuple

import numpy as np

from ..jit import njit
from .buffers import empty
from .flags import LOOP, PLAIN
from .layout import flat_pixels
from .vector import (
    LANES,
    add,
    clamp_min,
    fma,
    load,
    load_scalar,
    load_splat,
    round_up,
    splat,
    store,
    zero,
)

Windows = namedtuple("Windows", "array at corners taps")
Panels = namedtuple("Panels", "array b panel_step step")
Output = namedtuple("Output", "array at places least")

# What is worked on at a time, so that it stays in the nearest cache:
WINDOWS, PANELS = 96, 16  # a task of multiply has at most so many windows and panels of kernels,
TAPS = 256  # … and goes through so many taps at a time
PIXELS = 128  # a task of correlate goes through so many pixels at a time


@njit(**PLAIN)
def sums(x, rows, table, first, stop, w, w_at):
    """Return Σ_t x[rows_m + table_t] · w[w_t + lane]: six vectors at once, m = 0 … 5.

    t runs from first to stop − 1, and w_t is w_at, then LANES more each time.  In multiply the rows
    are corners and the table holds the taps; in correlate it is the other way round.
    """
    r0, r1, r2, r3, r4, r5 = rows
    a0 = a1 = a2 = a3 = a4 = a5 = zero(x)
    for t in range(first, stop):
        entry = load_scalar(table, t)
        kernels = load(w, w_at)
        a0 = fma(load_splat(x, r0 + entry), kernels, a0)
        a1 = fma(load_splat(x, r1 + entry), kernels, a1)
        a2 = fma(load_splat(x, r2 + entry), kernels, a2)
        a3 = fma(load_splat(x, r3 + entry), kernels, a3)
        a4 = fma(load_splat(x, r4 + entry), kernels, a4)
        a5 = fma(load_splat(x, r5 + entry), kernels, a5)
        w_at += LANES
    return a0, a1, a2, a3, a4, a5


@njit(**PLAIN)
def put_six(out, places, vectors):
    """Write these vectors to out[places_m + lane]."""
    p0, p1, p2, p3, p4, p5 = places
    v0, v1, v2, v3, v4, v5 = vectors
    store(out, p0, v0)
    store(out, p1, v1)
    store(out, p2, v2)
    store(out, p3, v3)
    store(out, p4, v4)
    store(out, p5, v5)


@njit(**PLAIN)
def plus_six(vectors, v):
    """Return these vectors plus v."""
    v0, v1, v2, v3, v4, v5 = vectors
    return add(v0, v), add(v1, v), add(v2, v), add(v3, v), add(v4, v), add(v5, v)


@njit(**PLAIN)
def add_six(out, places, vectors):
    """Add these vectors to out[places_m + lane].

    A place that comes twice gets its vector once, if it is the same one: all six are read before
    any is written.
    """
    p0, p1, p2, p3, p4, p5 = places
    v0, v1, v2, v3, v4, v5 = vectors
    a0, a1, a2 = add(load(out, p0), v0), add(load(out, p1), v1), add(load(out, p2), v2)
    a3, a4, a5 = add(load(out, p3), v3), add(load(out, p4), v4), add(load(out, p5), v5)
    put_six(out, places, (a0, a1, a2, a3, a4, a5))


@njit(**PLAIN)
def six(table, i, last, at):
    """Return entries i … i+5 of the table, plus `at`; behind entry `last`, that one again."""
    j1, j2, j3 = min(i + 1, last), min(i + 2, last), min(i + 3, last)
    j4, j5 = min(i + 4, last), min(i + 5, last)
    return (
        at + table[i], at + table[j1], at + table[j2],
        at + table[j3], at + table[j4], at + table[j5],
    )  # fmt: skip


@njit(**PLAIN)
def up_to(i, last, at, step):
    """Return where entries i … i+5 are, or behind the last one, that one again."""
    return (
        at + i * step, at + min(i + 1, last) * step, at + min(i + 2, last) * step,
        at + min(i + 3, last) * step, at + min(i + 4, last) * step, at + min(i + 5, last) * step,
    )  # fmt: skip


def tasks(P, K_wide):
    """Return how many tasks multiply has with P windows and K_wide kernels."""
    return -(-P // WINDOWS) * -(-K_wide // (LANES * PANELS))


@njit(**LOOP)
def multiply(begin, end, windows, panels, output):
    """Write y[p, k] = b[k] + Σ_t x[corner_p + tap_t] · w[t, k], or `least` if that is less."""
    count, wanted = panels.b.size // LANES, windows.corners.size
    blocks, bundles = (wanted + WINDOWS - 1) // WINDOWS, (count + PANELS - 1) // PANELS
    sixes = (wanted + 5) // 6
    length = (sixes + blocks - 1) // max(blocks, 1) * 6  # windows of a block: all are alike
    for task in range(begin, end):
        first, panel = task // bundles * length, task % bundles * PANELS
        stop, panel_stop = min(first + length, wanted), min(panel + PANELS, count)
        multiply_task(windows, panels, output, first, stop, panel, panel_stop)


@njit(**PLAIN)
def multiply_task(windows, panels, output, first, stop, panel, panel_stop):
    """Write the outputs of some panels for the windows first … stop−1, in sixes, going through the
    taps in pieces.  The last window may be computed again.

    Entries that lie apart are copied side by side first: those that are a power of two apart would
    all want the same few places in the cache.
    """
    x, x_at, corners, taps = windows
    w, b, panel_step, step = panels
    y, y_at, places, least = output
    together, piece = step == LANES, min(TAPS, taps.size)
    desk = np.empty(0 if together else (panel_stop - panel) * piece * LANES, w.dtype)
    for t in range(0, max(taps.size, 1), TAPS):  # without taps, y is b
        t_stop = min(t + TAPS, taps.size)
        if not together:
            for i in range(t_stop - t):
                for q in range(panel_stop - panel):
                    entry = load(w, (panel + q) * panel_step + (t + i) * step)
                    store(desk, (q * piece + i) * LANES, entry)
        for q in range(panel, panel_stop):
            k, bias = y_at + q * LANES, load(b, q * LANES)
            kernels, w_at = w, q * panel_step + t * LANES
            if not together:
                kernels, w_at = desk, (q - panel) * piece * LANES
            for p in range(first, stop, 6):
                rows, out = six(corners, p, stop - 1, x_at), six(places, p, stop - 1, k)
                vectors = sums(x, rows, taps, t, t_stop, kernels, w_at)
                if t == 0:
                    put_six(y, out, plus_six(vectors, bias))
                else:
                    add_six(y, out, vectors)
    if least > -np.inf:
        for q in range(panel, panel_stop):
            for p in range(first, stop):
                at = y_at + q * LANES + load_scalar(places, p)
                store(y, at, clamp_min(load(y, at), splat(y, least)))


@njit(**LOOP)
def correlate(begin, end, windows, dy, dy_at, dw, db, parts):
    """Write dw[panel, t, lane] = Σ_p x[corner_p + tap_t] · dy[p, k] and db[k] = Σ_p dy[p, k].

    A task is one panel and a part of the taps: no two tasks add to the same number, so the result
    does not depend on the number of threads.
    """
    dy, sixes = flat_pixels(dy), (windows.taps.size + 5) // 6
    for task in range(begin, end):
        panel, part = task // parts, task % parts
        first = part * sixes // parts * 6
        stop = min((part + 1) * sixes // parts * 6, windows.taps.size)
        if first < stop:
            correlate_task(windows, dy, dy_at, dw, db, panel, first, stop)


@njit(**PLAIN)
def correlate_task(windows, dy, dy_at, dw, db, panel, first, stop):
    """Write dw of the taps first … stop−1, in sixes, for one panel, going through the pixels in
    pieces; whoever has the first tap writes db, too.

    A piece of dy's panel is copied first: pixels that are a power of two apart would all want the
    same few places in the cache.
    """
    x, x_at, corners, taps = windows
    dy, _, _, step = dy
    dy_at, dw_at = dy_at + panel * LANES, panel * taps.size * LANES
    piece, bias = np.empty(PIXELS * LANES, dw.dtype), zero(dw)
    start = np.int64(0)  # for a plain 0, sums would be compiled anew
    for p_first in range(0, max(corners.size, 1), PIXELS):
        p_stop = min(p_first + PIXELS, corners.size)
        for p in range(p_stop - p_first):
            pixel = load(dy, dy_at + (p_first + p) * step)
            store(piece, p * LANES, pixel)
            bias = add(bias, pixel)
        for t in range(first, stop, 6):
            rows, out = six(taps, t, stop - 1, x_at), up_to(t, stop - 1, dw_at, LANES)
            vectors = sums(x, rows, corners, p_first, p_stop, piece, start)
            if p_first == 0:
                put_six(dw, out, vectors)
            else:
                add_six(dw, out, vectors)
    if first == 0:
        store(db, panel * LANES, bias)


def packed(w):
    """Return kernels (groups, K, C, rows, columns) as panels, flat for each group.

    In lanes without a kernel stand zeros.
    """
    groups, K, C, rows, columns = w.shape
    panels = empty((groups, round_up(K) // LANES, rows, columns, C, LANES), w.dtype)
    if K % LANES:
        panels[:, -1] = 0
    for g in range(groups):
        pack(w[g], panels[g])
    return panels.reshape(groups, -1)


@njit(**LOOP)
def pack(w, panels):
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
