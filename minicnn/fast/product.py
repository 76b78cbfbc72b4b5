"""The one product behind convolutions and fully connected layers, with its sums in registers.

A convolution is a matrix product: im2col copies every window into a row, and each row meets every
kernel.  Here nothing is copied, because entry t of window p lies in x at corner_p + tap_t: two
small tables stand in for the matrix, and the product reads through them.

    multiply     y[p, k] = b[k] + Σ_t x[corner_p + tap_t] · w[t, k]      forward, and dx
    correlate    dw[t, k] = Σ_p x[corner_p + tap_t] · dy[p, k]           dw, and db on the way

The letters: P windows of T entries, K kernels.

    x, y, dy, w    flat arrays, see layout.py
    corners        (P,)                     where each window begins in x
    taps           (T,)                     how far each entry of a window is from its corner
    places         (P,)                     where the outputs of each window begin in y
    …_at           a number                 added to all places of an array: a group's first channel
    LANES          a number                 kernels in a vector
    panels         (⌈K/LANES⌉·T·LANES,)    w for the product: for LANES kernels, entry by entry

Both come down to `tile`: six sums of a vector each.  It loads one vector of kernels and multiplies
it by six single numbers, from six windows (multiply) or six taps (correlate).  So every vector that
is loaded serves six times, every single number LANES times, and no sum goes back to memory before
it is complete.
"""

from numba import njit, prange

from .flags import PARALLEL, PLAIN
from .vector import LANES, fma, load, number, plus, spread, store, zero

WINDOWS = 96  # a task of multiply: so many windows, whose pixels then stay in the nearest cache
PIXELS = 96  # correlate goes through the pixels in pieces, for the same reason


@njit(**PLAIN)
def tile(x, rows, table, first, last, w, w_at, step, start, starts, out, places):
    """Six times: out[place …] = start[from …] + Σ_t x[row + table_t]·w[w_at + step·(t − first) …].

    rows, starts and places hold six numbers each; t runs from first to last − 1; three dots stand
    for LANES neighbours.
    """
    r0, r1, r2, r3, r4, r5 = rows
    a0, a1, a2 = load(start, starts[0]), load(start, starts[1]), load(start, starts[2])
    a3, a4, a5 = load(start, starts[3]), load(start, starts[4]), load(start, starts[5])
    for t in range(first, last):
        entry = number(table, t)
        kernels = load(w, w_at)
        a0 = fma(spread(x, r0 + entry), kernels, a0)
        a1 = fma(spread(x, r1 + entry), kernels, a1)
        a2 = fma(spread(x, r2 + entry), kernels, a2)
        a3 = fma(spread(x, r3 + entry), kernels, a3)
        a4 = fma(spread(x, r4 + entry), kernels, a4)
        a5 = fma(spread(x, r5 + entry), kernels, a5)
        w_at += step
    p0, p1, p2, p3, p4, p5 = places
    store(out, p0, a0)
    store(out, p1, a1)
    store(out, p2, a2)
    store(out, p3, a3)
    store(out, p4, a4)
    store(out, p5, a5)


@njit(**PLAIN)
def six(table, i, last, plus):
    """Return entries i … i+5 of the table; from `last` on, the last one again."""
    j1, j2, j3 = min(i + 1, last), min(i + 2, last), min(i + 3, last)
    j4, j5 = min(i + 4, last), min(i + 5, last)
    return (
        plus + table[i], plus + table[j1], plus + table[j2],
        plus + table[j3], plus + table[j4], plus + table[j5],
    )  # fmt: skip


@njit(**PARALLEL)
def multiply(x, x_at, corners, taps, panels, b, y, y_at, places):
    """Write y[p, k] = b[k] + Σ_t x[corner_p + tap_t] · w[t, k]."""
    count = b.size // LANES
    for task in prange((corners.size + WINDOWS - 1) // WINDOWS * count):
        first, panel = task // count * WINDOWS, task % count
        multiply_task(x, x_at, corners, taps, panels, panel, b, y, y_at, places, first)


@njit(**PLAIN)
def multiply_task(x, x_at, corners, taps, panels, panel, b, y, y_at, places, first):
    """Write LANES outputs of WINDOWS windows, in sixes; the last window may be computed again."""
    T, k = taps.size, panel * LANES
    stop = min(first + WINDOWS, corners.size)
    for p in range(first, stop, 6):
        rows, out = six(corners, p, stop - 1, x_at), six(places, p, stop - 1, y_at + k)
        tile(x, rows, taps, 0, T, panels, k * T, LANES, b, (k, k, k, k, k, k), y, out)


@njit(**PARALLEL)
def correlate(x, x_at, corners, taps, dy, dy_at, step, dw, homes, db, parts):
    """Write dw[panel, t, lane] = Σ_p x[corner_p + tap_t] · dy[p, k] and db[k] = Σ_p dy[p, k].

    dy's pixels are `step` apart; homes (T,) says where each tap's sums begin in a panel of dw.  A
    task is one panel and a part of the taps: no two tasks add to the same number, so the result
    does not depend on the number of threads.
    """
    for task in prange(db.size // LANES * parts):
        panel, part = task // parts, task % parts
        correlate_task(
            x, x_at, corners, taps, dy, dy_at, step, dw, homes, db, panel, part, parts
        )  # fmt: skip


@njit(**PLAIN)
def correlate_task(
    x, x_at, corners, taps, dy, dy_at, step, dw, homes, db, panel, part, parts
):  # fmt: skip
    """Write the sums of some taps, in sixes, for one panel of kernels, going piece by piece."""
    T, P = taps.size, corners.size
    sixes = (T + 5) // 6
    begin, end = part * sixes // parts * 6, min((part + 1) * sixes // parts * 6, T)
    dy_at, dw_at = dy_at + panel * LANES, panel * T * LANES
    dw[dw_at + begin * LANES : dw_at + end * LANES] = 0
    bias = zero(dy)
    for first in range(0, P, PIXELS):
        last = min(first + PIXELS, P)
        dy_first = dy_at + first * step
        for t in range(begin, end, 6):
            rows, out = six(taps, t, end - 1, x_at), six(homes, t, end - 1, dw_at)
            tile(x, rows, corners, first, last, dy, dy_first, step, dw, out, dw, out)
        if part == 0:
            for p in range(last - first):
                bias = plus(bias, load(dy, dy_first + p * step))
    if part == 0:
        store(db, panel * LANES, bias)


@njit(**PARALLEL)
def pack(w, panels):
    """Copy w (K, C, f, f) to panels (⌈K/LANES⌉, f, f, C, LANES), zeros where no kernel is left."""
    for panel in prange(panels.shape[0]):
        pack_panel(w, panel * LANES, panels[panel])


@njit(**PLAIN)
def pack_panel(w, first, panel):
    K, C, rows, columns = w.shape
    count = min(LANES, K - first)
    if count < LANES:
        panel[:] = 0
    for c in range(C):
        for i in range(rows):
            for j in range(columns):
                for lane in range(count):
                    panel[i, j, c, lane] = w[first + lane, c, i, j]


@njit(**PLAIN)
def unpack(panels, w):
    """Copy panels (⌈K/LANES⌉, f, f, C, LANES) back to w (K, C, f, f)."""
    K, C, rows, columns = w.shape
    for k in range(K):
        for c in range(C):
            for i in range(rows):
                for j in range(columns):
                    w[k, c, i, j] = panels[k // LANES, i, j, c, k % LANES]
