"""The two products of a convolution, with their sums in registers.

    taps    (T,)              a window has T = C·f·f entries; how far each lies from the window's corner
    quads   (⌈K/4⌉, T, 4)     the kernels, four side by side
    x, y, dy                  flat blocks, see blocks.py; walk_x, walk_y, walk_dy say where to go in them

`convolve` keeps four sums a0 … a3, one a kernel, while t runs over the taps: each pixel is loaded once for
four kernels, each weight once for sixteen images.
`correlate` keeps four sums, one a tap, each for sixteen kernels, while it runs over a row of sixteen images.
"""

import numpy as np
from numba import njit, prange

from .vector import LANES, fma, load, spread, store


def tap_table(channels, rows, columns, shape):
    """Return the distance in flat blocks of this shape of each (channel, row, column) from the corner."""
    _, _, H, W, _ = shape
    c, i, j = np.meshgrid(np.arange(channels), rows, columns, indexing="ij")
    return (((c * H + i) * W + j) * LANES).ravel()


def quads_of(w_rows):
    """Return w_rows (K, T) four rows side by side; zeros fill up the last four."""
    K, T = w_rows.shape
    quads = np.zeros((-(-K // 4), 4, T), w_rows.dtype)
    quads.reshape(-1, T)[:K] = w_rows
    return np.ascontiguousarray(quads.transpose(0, 2, 1))


@njit(cache=True)
def four_kernels(x, corner, taps, w, w0, b, b0, y, place, step):
    """Write four sums over one window of sixteen images; the kernels' outputs lie `step` apart."""
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
def convolve(x, walk_x, taps, quads, b, y, walk_y, B, H_out, W_out):
    """y[block, k, row, column] = b[k] + Σ_t w[k, t] · x at tap t of the window at (row, column)."""
    Q = quads.shape[0]
    w, T = quads.ravel(), taps.size
    for task in prange(B * H_out):
        block, row = task // H_out, task % H_out
        corner = walk_x.start + block * walk_x.block + row * walk_x.row
        place = walk_y.start + block * walk_y.block + row * walk_y.row
        for q in range(Q):
            for column in range(W_out):
                four_kernels(
                    x, corner + column * walk_x.pixel, taps, w, q * T * 4, b, q * 4,
                    y, place + column * walk_y.pixel + q * 4 * walk_y.channel, walk_y.channel,
                )  # fmt: skip


@njit(cache=True)
def four_taps(x, corner, pixel_x, t0, t1, t2, t3, panel, W_out, dw, place):
    """Add one row of windows of sixteen images to dw at four taps, sixteen kernels each."""
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


@njit(parallel=True, cache=True)
def correlate(dy, walk_dy, K, x, walk_x, taps, B, H_out, W_out):
    """Return dw (K, T): dw[k, t] = Σ over blocks, rows and columns of dy[k] · x at tap t.

    Here the sixteen lanes are sixteen kernels: one row of dy is turned into a panel, kernels innermost.
    A task is sixteen kernels and a part of the taps, and no two tasks add to the same number: the
    result does not depend on the number of threads.
    """
    T = taps.size
    quads, sets = (T + 3) // 4, (K + LANES - 1) // LANES
    parts = max(1, min(4, T // 128))  # each part turns the panels again: not worth it for a few taps
    dw = np.zeros(sets * quads * 4 * LANES, x.dtype)
    for task in prange(sets * parts):
        first = task // parts * LANES
        panel = np.zeros(W_out * LANES * LANES, x.dtype)
        for block in range(B):
            for row in range(H_out):
                for k in range(min(LANES, K - first)):
                    place = walk_dy.start + block * walk_dy.block + row * walk_dy.row
                    place += (first + k) * walk_dy.channel
                    for i in range(W_out * LANES):
                        panel[i * LANES + k] = dy[place + i]
                corner = walk_x.start + block * walk_x.block + row * walk_x.row
                for quad in range(task % parts * quads // parts, (task % parts + 1) * quads // parts):
                    t = 4 * quad  # the last quad repeats the last tap; what it adds is not read
                    four_taps(
                        x, corner, walk_x.pixel,
                        taps[t], taps[min(t + 1, T - 1)], taps[min(t + 2, T - 1)], taps[min(t + 3, T - 1)],
                        panel, W_out, dw, (task // parts * quads + quad) * 4 * LANES,
                    )  # fmt: skip
    by_kernel = dw.reshape(sets, quads * 4, LANES).transpose(0, 2, 1)
    return by_kernel.copy().reshape(sets * LANES, quads * 4)[:K, :T]
