"""A fully connected layer, fast.  The definition is reference/fc.py.

Its gradients are the two products of product.py: for dx, an image's dy is one window of K entries,
and the columns of w are the kernels; dw correlates dy, in the place of x, with x, in that of dy.
Only y needs a loop of its own, because both its factors lie in memory in the direction of the sum.
(NumPy's own product is as fast, but its threads go on spinning after it and hold up the loops of
the other layers.)

    x         (N, D)            images, flattened
    w         (K, D)            one row of weights an output
    b         (K,)
    y         (N, K)
    D_wide    a number          D, rounded up to whole vectors; dx and dw are cut to D in the end
"""

import numpy as np
from numba import njit

from ..checks import check_fc, check_gradient
from .buffers import empty
from .flags import LOOP, PLAIN
from .layout import cut, filled, row_table, writable
from .product import correlate, multiply, tasks
from .threads import run, shares
from .vector import LANES, fma, load, total, whole_vectors, zero

OUTPUTS, INPUTS = 24, 1024  # a block of w that fits into a cache: so many rows and columns


def fc_forward(x, w, b):
    """Return y and the cache that fc_backward needs."""
    check_fc(x, w, b)
    N, (K, D) = x.shape[0], w.shape
    y = empty((N, K), x.dtype)
    y[:] = b
    rows = x.reshape(N, D)
    x_flat, w_flat = filled(rows).ravel(), filled(w).ravel()
    run(
        forward_loop, -(-K // OUTPUTS), N * w.size / 40 + w.size / 10, x_flat, w_flat, y,
        whole_vectors(D),
    )  # fmt: skip
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
    D_wide = whole_vectors(D)
    dx = empty((N, D_wide), w.dtype)
    run(
        multiply, tasks(N, D_wide), N * w.size / 40,
        writable(dy).ravel(), 0, row_table(N, K), row_table(K), filled(w).ravel(), LANES, D_wide,
        np.zeros(D_wide, w.dtype), dx.reshape(-1), 0, row_table(N, D_wide), -np.inf,
    )  # fmt: skip
    return cut(dx, D).reshape(shape)


def backward_w(dy, cache):
    """Return dw = dyᵀ · x, and db."""
    rows, shape, w = cache
    N, (K, D) = len(rows), w.shape
    check_gradient("fc", dy, (N, K), w.dtype)
    D_wide = whole_vectors(D)
    dw, nothing = empty((K, D_wide), w.dtype), empty((D_wide,), w.dtype)
    parts = shares(D_wide // LANES)
    run(
        correlate, D_wide // LANES * parts, N * w.size / 40,
        writable(dy).ravel(), 0, row_table(N, K), row_table(K), filled(rows).ravel(), 0, D_wide,
        dw.reshape(-1), LANES, row_table(K, D_wide), nothing, parts,
    )  # fmt: skip
    return cut(dw, D), dy.sum(axis=0)


@njit(**LOOP)
def forward_loop(first, stop, x, w, y, D):
    for task in range(first, stop):
        for d in range(0, D, INPUTS):
            forward_block(x, w, y, D, task * OUTPUTS, d, min(d + INPUTS, D))


@njit(**PLAIN)
def forward_block(x, w, y, D, k_first, d, d_stop):
    """Add to y what entries d … d_stop−1 give to some outputs: three outputs of two images a time.

    Behind the last output, or image, it is computed again: all six are read before any is written.
    """
    N, K = y.shape
    last = min(k_first + OUTPUTS, K) - 1
    for k in range(k_first, last + 1, 3):
        k1, k2 = min(k + 1, last), min(k + 2, last)
        for n in range(0, N, 2):
            m = min(n + 1, N - 1)
            s0, s1, s2, t0, t1, t2 = dots(x, n * D, m * D, w, k * D, k1 * D, k2 * D, d, d_stop)
            s0, s1, s2 = s0 + y[n, k], s1 + y[n, k1], s2 + y[n, k2]
            t0, t1, t2 = t0 + y[m, k], t1 + y[m, k1], t2 + y[m, k2]
            y[n, k], y[n, k1], y[n, k2] = s0, s1, s2
            y[m, k], y[m, k1], y[m, k2] = t0, t1, t2


@njit(**PLAIN)
def dots(x, x0, x1, w, w0, w1, w2, d, d_stop):
    """Return the six dot products of two rows of x and three rows of w, from d to d_stop − 1."""
    s0, s1, s2 = zero(x), zero(x), zero(x)
    t0, t1, t2 = zero(x), zero(x), zero(x)
    for i in range(d, d_stop, LANES):
        u, v = load(x, x0 + i), load(x, x1 + i)
        weights = load(w, w0 + i)
        s0, t0 = fma(u, weights, s0), fma(v, weights, t0)
        weights = load(w, w1 + i)
        s1, t1 = fma(u, weights, s1), fma(v, weights, t1)
        weights = load(w, w2 + i)
        s2, t2 = fma(u, weights, s2), fma(v, weights, t2)
    return total(s0), total(s1), total(s2), total(t0), total(t1), total(t2)
