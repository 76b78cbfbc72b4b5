"""A fully connected layer, fast.  The definition is reference/fc.py.

Its three matrix products are three small loops over the same two tiles of six sums in registers:
product.tile for the gradients, and for y, where both factors lie in memory in the direction of the
sum, `dots`.  (NumPy's own product is as fast, but its threads go on spinning after it and hold up
the loops of the other layers.)

    x         (N, D)            images, flattened
    w         (K, D)            one row of weights an output
    b         (K,)
    y         (N, K)
    D_wide    a number          D, rounded up to whole vectors; dx and dw are cut to D in the end
    panels    (…, LANES)        a matrix in strips of LANES columns, one below the other

The matrices are flat arrays here.  They are gone through in blocks that fit into a cache.
"""

import numpy as np
from numba import njit, prange

from ..checks import check_fc, check_gradient
from .buffers import empty
from .flags import PARALLEL, PLAIN
from .product import six, tile
from .vector import LANES, fma, load, total, zero

OUTPUTS, INPUTS = 24, 1024  # a block of w for y: so many rows and columns
ROWS, STRIPS = 64, 16  # a block of w for dx: so many rows, and columns in strips of LANES


def fc_forward(x, w, b):
    """Return y and the cache that fc_backward needs."""
    check_fc(x, w, b)
    N, (K, D) = x.shape[0], w.shape
    y = empty((N, K), x.dtype)
    y[:] = b
    rows = x.reshape(N, D)
    forward_loop(whole(rows).ravel(), whole(w).ravel(), y, wide(D))
    return y, (rows, x.shape, w)


def fc_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; dx is None where nobody needs it, as in the first layer."""
    dx = backward_x(dy, cache) if need_dx else None
    dw, db = backward_w(dy, cache)
    return dx, dw, db


def backward_x(dy, cache):
    """Return dx = dy · w."""
    rows, shape, w = cache
    N, (K, D) = len(rows), w.shape
    check_gradient("fc", dy, (N, K), w.dtype)
    dx = empty((N, wide(D)), w.dtype)
    dx[:] = 0
    images = np.arange(N)
    backward_x_loop(dy.ravel(), w, images * K, np.arange(K), dx, images * wide(D))
    return cut(dx, D).reshape(shape)


def backward_w(dy, cache):
    """Return dw = dyᵀ · x, and db."""
    rows, shape, w = cache
    N, (K, D) = len(rows), w.shape
    check_gradient("fc", dy, (N, K), w.dtype)
    panels = empty((wide(D) // LANES, N, LANES), w.dtype)
    fill_panels(rows, panels)
    dw = empty((K, wide(D)), w.dtype)
    ks = np.arange(K)
    backward_w_loop(dy.ravel(), panels.reshape(-1), np.arange(N) * K, ks, dw, ks * wide(D))
    return cut(dw, D), dy.sum(axis=0)


def wide(D):
    """Return D, rounded up to a multiple of LANES."""
    return -(-D // LANES) * LANES


def whole(a):
    """Return a with columns of zeros up to a whole number of vectors; a itself if it has one."""
    D = a.shape[1]
    return a if D == wide(D) else np.pad(a, ((0, 0), (0, wide(D) - D)))


def cut(a, D):
    """Return the first D columns, contiguous."""
    return a if a.shape[1] == D else np.ascontiguousarray(a[:, :D])


@njit(**PARALLEL)
def forward_loop(x, w, y, D):
    for task in prange((y.shape[1] + OUTPUTS - 1) // OUTPUTS):
        for d in range(0, D, INPUTS):
            forward_block(x, w, y, D, task * OUTPUTS, d, min(d + INPUTS, D))


@njit(**PLAIN)
def forward_block(x, w, y, D, k_first, d, d_last):
    """Add to y what entries d … d_last−1 give to some outputs: three outputs of two images a time.

    Behind the last output, or image, it is computed again: all six are read before any is written.
    """
    N, K = y.shape
    last = min(k_first + OUTPUTS, K) - 1
    for k in range(k_first, last + 1, 3):
        k1, k2 = min(k + 1, last), min(k + 2, last)
        for n in range(0, N, 2):
            m = min(n + 1, N - 1)
            s0, s1, s2, t0, t1, t2 = dots(x, n * D, m * D, w, k * D, k1 * D, k2 * D, d, d_last)
            s0, s1, s2 = s0 + y[n, k], s1 + y[n, k1], s2 + y[n, k2]
            t0, t1, t2 = t0 + y[m, k], t1 + y[m, k1], t2 + y[m, k2]
            y[n, k], y[n, k1], y[n, k2] = s0, s1, s2
            y[m, k], y[m, k1], y[m, k2] = t0, t1, t2


@njit(**PLAIN)
def dots(x, x0, x1, w, w0, w1, w2, d, d_last):
    """Return the six dot products of two rows of x and three rows of w, from d to d_last − 1."""
    s0, s1, s2 = zero(x), zero(x), zero(x)
    t0, t1, t2 = zero(x), zero(x), zero(x)
    for i in range(d, d_last, LANES):
        u, v = load(x, x0 + i), load(x, x1 + i)
        weights = load(w, w0 + i)
        s0, t0 = fma(u, weights, s0), fma(v, weights, t0)
        weights = load(w, w1 + i)
        s1, t1 = fma(u, weights, s1), fma(v, weights, t1)
        weights = load(w, w2 + i)
        s2, t2 = fma(u, weights, s2), fma(v, weights, t2)
    return total(s0), total(s1), total(s2), total(t0), total(t1), total(t2)


@njit(**PARALLEL)
def backward_x_loop(dy, w, rows, ks, dx, homes):
    block = STRIPS * LANES
    for task in prange((dx.shape[1] + block - 1) // block):
        backward_x_block(dy, w, rows, ks, dx, homes, task * block)


@njit(**PLAIN)
def backward_x_block(dy, w, rows, ks, dx, homes, d_first):
    """Write STRIPS·LANES columns of dx; w is copied block by block, so that it is in the cache.

    Each image's row begins in dy at `rows`, and in dx at `homes`.
    """
    K, N, dx_flat = w.shape[0], rows.size, dx.reshape(-1)
    strips = min(STRIPS, (dx.shape[1] - d_first) // LANES)
    panels = np.empty(STRIPS * ROWS * LANES, w.dtype)
    for k in range(0, K, ROWS):
        count = min(ROWS, K - k)
        fill_block(w, k, count, d_first, strips, panels)
        for strip in range(strips):
            at, d = strip * ROWS * LANES, d_first + strip * LANES
            for n in range(0, N, 6):
                dy_at, out = six(rows, n, N - 1, k), six(homes, n, N - 1, d)
                tile(dy, dy_at, ks, 0, count, panels, at, LANES, dx_flat, out, dx_flat, out)


@njit(**PLAIN)
def fill_block(w, k, count, d_first, strips, panels):
    D = w.shape[1]
    for row in range(count):
        for strip in range(strips):
            at, d = (strip * ROWS + row) * LANES, d_first + strip * LANES
            for lane in range(min(LANES, D - d)):
                panels[at + lane] = w[k + row, d + lane]
            for lane in range(D - d, LANES):  # zeros behind the last column
                panels[at + lane] = 0


@njit(**PLAIN)
def fill_panels(x, panels):
    """Copy x (N, D) to panels (D_wide/LANES, N, LANES), with zeros behind D."""
    N, D = x.shape
    for strip in range(panels.shape[0]):
        for n in range(N):
            for lane in range(LANES):
                d = strip * LANES + lane
                panels[strip, n, lane] = x[n, d] if d < D else 0


@njit(**PARALLEL)
def backward_w_loop(dy, panels, images, ks, dw, homes):
    for task in prange((ks.size + 5) // 6):
        backward_w_six(dy, panels, images, ks, dw, homes, 6 * task)


@njit(**PLAIN)
def backward_w_six(dy, panels, images, ks, dw, homes, k):
    """Write six rows of dw, which begin at `homes`."""
    N, (K, D_wide), dw_flat = images.size, dw.shape, dw.reshape(-1)
    nothing = np.zeros(LANES, dw.dtype)
    columns = six(ks, k, K - 1, 0)
    for d in range(0, D_wide, LANES):
        out = six(homes, k, K - 1, d)
        tile(
            dy, columns, images, 0, N, panels, d * N, LANES, nothing, (0,) * 6, dw_flat, out
        )  # fmt: skip
