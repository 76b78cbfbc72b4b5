"""The two products of a convolution, with their sums in registers.

A window has T = C·f·f entries; call each a tap, for in the flat blocks of blocks.py it lies at a
fixed distance from the window's corner, its first entry.

    x, y, dy  flat blocks             images, outputs, their gradient
    walk_…    a Walk                  the way through these blocks, see blocks.py
    …_at      a number                a place in a flat array; so are corner, place, w0 and b0
    taps      (T,)                    how far each tap lies from the corner
    quads     (⌈K/4⌉, T, 4)           the kernels in fours: at each tap, four weights side by side
    w         (⌈K/4⌉·T·4,)            quads, flat
    b         (⌈K/4⌉·4,)              the biases, in the same order
    a0 … a3   vectors                 four sums that never leave their registers
    panel     (W_out, 16, 16)         flat: one row of dy; at every pixel and image, 16 kernels
    dw        (⌈K/16⌉, ⌈T/4⌉, 4, 16)  flat: for every 16 kernels the taps in fours

`convolve` (forward, and dx) keeps a sum for each of four kernels, its sixteen lanes sixteen images,
while t runs over the taps: each pixel is loaded once for four kernels, each weight once for sixteen
images.  `correlate` (dw) keeps a sum for each of four taps, its sixteen lanes sixteen kernels,
while it runs over the pixels of a row and their images.
"""

import numpy as np
from numba import njit, prange

from .vector import LANES, fma, load, spread, store


def tap_table(channels, rows, columns, shape):
    """Return taps: how far each (channel, row, column) is from the corner, in blocks of `shape`."""
    _, _, H, W, _ = shape
    c, i, j = np.meshgrid(np.arange(channels), rows, columns, indexing="ij")
    return (((c * H + i) * W + j) * LANES).ravel()


def quads_of(w_rows):
    """Return w_rows (K, T) as quads; kernels of zeros fill up the last four."""
    K, T = w_rows.shape
    quads = np.zeros((-(-K // 4), 4, T), w_rows.dtype)
    quads.reshape(-1, T)[:K] = w_rows
    return np.ascontiguousarray(quads.transpose(0, 2, 1))


@njit(cache=True)
def four_kernels(x, corner, taps, w, w0, b, b0, y, place, step):
    """Write to y, `step` apart, what four kernels make of one window of sixteen images."""
    a0, a1, a2, a3 = spread(b, b0), spread(b, b0 + 1), spread(b, b0 + 2), spread(b, b0 + 3)
    for t in range(taps.size):
        pixels = load(x, corner + taps[t])
        a0 = fma(spread(w, w0 + 4 * t), pixels, a0)
        a1 = fma(spread(w, w0 + 4 * t + 1), pixels, a1)
        a2 = fma(spread(w, w0 + 4 * t + 2), pixels, a2)
        a3 = fma(spread(w, w0 + 4 * t + 3), pixels, a3)
    store(y, place, a0)
    store(y, place + step, a1)
    store(y, place + 2 * step, a2)
    store(y, place + 3 * step, a3)


@njit(parallel=True, cache=True)
def convolve(x, walk_x, taps, w, b, y, walk_y, B, H_out, W_out):
    """y[block, k, row, column] = b[k] + Σ_t w[k, t] · x at tap t of the window at (row, column)."""
    for task in prange(B * H_out):
        convolve_row(x, walk_x, taps, w, b, y, walk_y, task // H_out, task % H_out, W_out)


@njit(cache=True)
def convolve_row(x, walk_x, taps, w, b, y, walk_y, block, row, W_out):
    corner = walk_x.start + block * walk_x.block + row * walk_x.row
    place = walk_y.start + block * walk_y.block + row * walk_y.row
    for q in range(b.size // 4):
        for column in range(W_out):
            x_at = corner + column * walk_x.pixel
            y_at = place + column * walk_y.pixel + q * 4 * walk_y.channel
            four_kernels(x, x_at, taps, w, q * taps.size * 4, b, q * 4, y, y_at, walk_y.channel)


@njit(cache=True)
def four_taps(x, corner, pixel_x, t0, t1, t2, t3, panel, W_out, dw, place):
    """Add one row of windows of sixteen images to dw, at four taps of sixteen kernels."""
    a0, a1 = load(dw, place), load(dw, place + LANES)
    a2, a3 = load(dw, place + 2 * LANES), load(dw, place + 3 * LANES)
    for column in range(W_out):
        for image in range(LANES):
            at = corner + column * pixel_x + image
            dy = load(panel, (column * LANES + image) * LANES)
            a0 = fma(spread(x, at + t0), dy, a0)
            a1 = fma(spread(x, at + t1), dy, a1)
            a2 = fma(spread(x, at + t2), dy, a2)
            a3 = fma(spread(x, at + t3), dy, a3)
    store(dw, place, a0)
    store(dw, place + LANES, a1)
    store(dw, place + 2 * LANES, a2)
    store(dw, place + 3 * LANES, a3)


def correlate(dy, walk_dy, K, x, walk_x, taps, B, H_out, W_out):
    """Return dw (K, T): dw[k, t] = Σ over blocks, rows and columns of dy[k] · x at tap t.

    In dy the sixteen lanes are images; here they must be kernels, so each row of dy is first turned
    into a panel.  A task is sixteen kernels and a part of the taps.  No two tasks add to the same
    number: the result does not depend on the number of threads.
    """
    T = taps.size
    quads, sixteens = -(-T // 4), -(-K // LANES)
    taps = np.append(taps, np.repeat(taps[-1:], 4 * quads - T))  # safe to read; cut off below
    dw = np.zeros((sixteens, 4 * quads, LANES), x.dtype)
    parts = max(1, min(4, T // 128))  # each makes its own panels: not worth it for a few taps
    correlate_tasks(dy, walk_dy, K, x, walk_x, taps, dw.reshape(-1), parts, B, H_out, W_out)
    return dw.transpose(0, 2, 1).reshape(-1, 4 * quads)[:K, :T]


@njit(parallel=True, cache=True)
def correlate_tasks(dy, walk_dy, K, x, walk_x, taps, dw, parts, B, H_out, W_out):
    sixteens, quads = dw.size // (taps.size * LANES), taps.size // 4
    for task in prange(sixteens * parts):
        sixteen, part = task // parts, task % parts
        start, stop = part * quads // parts, (part + 1) * quads // parts
        correlate_part(dy, walk_dy, K, x, walk_x, taps, dw, sixteen, start, stop, B, H_out, W_out)


@njit(cache=True)
def correlate_part(dy, walk_dy, K, x, walk_x, taps, dw, sixteen, start, stop, B, H_out, W_out):
    """Add to dw what sixteen kernels make of the quads of taps from start up to stop."""
    first = sixteen * LANES  # its first kernel
    panel = np.zeros(W_out * LANES * LANES, x.dtype)
    for block in range(B):
        for row in range(H_out):
            for k in range(min(LANES, K - first)):  # the other lanes stay zero
                dy_at = walk_dy.start + block * walk_dy.block + row * walk_dy.row
                dy_at += (first + k) * walk_dy.channel
                for i in range(W_out * LANES):
                    panel[i * LANES + k] = dy[dy_at + i]
            corner = walk_x.start + block * walk_x.block + row * walk_x.row
            for quad in range(start, stop):
                t = 4 * quad
                t0, t1, t2, t3 = taps[t], taps[t + 1], taps[t + 2], taps[t + 3]
                dw_at = (sixteen * taps.size + t) * LANES
                four_taps(x, corner, walk_x.pixel, t0, t1, t2, t3, panel, W_out, dw, dw_at)
