"""A fully connected layer, fast.  The definition is reference/fc.py.

Three matrix products, computed by product.py:

    y = (w · xᵀ)ᵀ + b        dx = dy · w        dw = dyᵀ · x

The product reads its second factor in vectors of neighbours.  So x and dy, which are small, are
transposed where necessary; w never is.  A few images do not fill a vector, and for few outputs
transposing x does not pay: those cases have a loop of their own, with vectors along the sum.
(NumPy's matrix product is as fast, but its threads go on spinning after it and slow down the loops
of the other layers.)

    x         (N, D)            images, flattened
    w         (K, D)            one row of weights per output
    b         (K,)
    y         (N, K)
"""

import math

import numpy as np

from ..checks import check_cache, check_fc, check_fits, check_gradient
from ..jit import njit
from .buffers import empty
from .flags import LOOP, PLAIN
from .layout import as_contiguous, row_table
from .product import Output, Panels, Windows, multiply, task_count
from .threads import run
from .vector import LANES, fma, load_part, reduce_add, zero

# Transposing x pays from this many images and outputs on.  With 12 images, 4096 inputs and 4096
# outputs it takes 4.9 ms instead of 5.7; with 128, 1152 and 512, 1.4 instead of 1.6; but with 64,
# 4096 and 200, 1.8 instead of 1.5.
MIN_IMAGES, MIN_OUTPUTS = 12, 500
BLOCK_OUTPUTS, BLOCK_INPUTS = 24, 1024  # rows and columns of a block of w that fits into a cache


def fc_forward(x, w, b):
    """Return y and the cache that fc_backward needs."""
    check_fc(x, w, b)
    rows = flattened(x)
    if len(rows) >= MIN_IMAGES and len(w) >= MIN_OUTPUTS:
        y = np.add(matmul(w, rows.T).T, b, out=empty((len(rows), len(w)), w.dtype))
    else:
        y = small_product(rows, w, b)
    return y, (rows, x.shape, w)


def fc_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; with need_dx=False, as for the first layer, dx is None."""
    dx = backward_x(dy, cache) if need_dx else None
    dw, db = backward_w(dy, cache)
    return dx, dw, db


def backward_x(dy, cache):
    """Return dx = dy · w."""
    check_cache("fc", cache, np.ndarray, tuple, np.ndarray)
    rows, shape, w = cache
    check_fits("fc", rows.ndim == w.ndim == 2 and rows.shape[1] == w.shape[1])
    check_gradient("fc", dy, (len(rows), len(w)), w.dtype)
    return matmul(dy, w).reshape(shape)


def backward_w(dy, cache):
    """Return dw = dyᵀ · x, and db."""
    check_cache("fc", cache, np.ndarray, tuple, np.ndarray)
    rows, shape, w = cache
    check_fits("fc", rows.ndim == w.ndim == 2 and rows.shape[1] == w.shape[1])
    check_gradient("fc", dy, (len(rows), len(w)), w.dtype)
    return matmul(dy.T, rows), dy.sum(axis=0)


def flattened(x):
    """Return x as (N, D), channel by channel, whatever its layout."""
    return as_contiguous(x).reshape(len(x), math.prod(x.shape[1:]))


def matmul(a, m):
    """Return the product of a (P, T) and m (T, D).

    In the terms of product.py, a row of a is a window of T entries, and a column of m is a kernel.
    """
    (P, T), D = a.shape, m.shape[1]
    y, no_bias = empty((P, D), m.dtype), np.zeros(D, m.dtype)
    windows = Windows(as_contiguous(a).reshape(-1), 0, row_table(P, T), row_table(T))
    panels = Panels(as_contiguous(m).reshape(-1), no_bias, LANES, D)
    output = Output(y.reshape(-1), 0, row_table(P, D), -np.inf)
    run(multiply, task_count(P, D), a.size * D / 40, windows, panels, output)
    return y


def small_product(rows, w, b):
    """Return y for few images, or few outputs."""
    N, (K, D) = len(rows), w.shape
    y = empty((N, K), w.dtype)
    y[:] = b
    run(
        few_loop, -(-K // BLOCK_OUTPUTS), N * w.size / 40 + w.size / 10,
        rows.reshape(-1), as_contiguous(w).reshape(-1), y, D,
    )  # fmt: skip
    return y


@njit(**LOOP)
def few_loop(first, stop, x, w, y, D):
    for task in range(first, stop):
        for d in range(0, D, BLOCK_INPUTS):
            few_block(x, w, y, D, task * BLOCK_OUTPUTS, d, min(d + BLOCK_INPUTS, D))


@njit(**PLAIN)
def few_block(x, w, y, D, k_first, d, d_stop):
    """Add to y the products of inputs d … d_stop−1, for three outputs of two images at a time.

    A group that exceeds the last output or image repeats the last one: all six are read before any
    is written, so it is added once.
    """
    N, K = y.shape
    last = min(k_first + BLOCK_OUTPUTS, K) - 1
    for k in range(k_first, last + 1, 3):
        k1, k2 = min(k + 1, last), min(k + 2, last)
        for n in range(0, N, 2):
            m = min(n + 1, N - 1)
            rows, w_rows = (n * D, m * D), (k * D, k1 * D, k2 * D)
            s0, s1, s2, t0, t1, t2 = dots(x, rows, w, w_rows, d, d_stop)
            s0, s1, s2 = s0 + y[n, k], s1 + y[n, k1], s2 + y[n, k2]
            t0, t1, t2 = t0 + y[m, k], t1 + y[m, k1], t2 + y[m, k2]
            y[n, k], y[n, k1], y[n, k2] = s0, s1, s2
            y[m, k], y[m, k1], y[m, k2] = t0, t1, t2


@njit(**PLAIN)
def dots(x, rows, w, w_rows, d, d_stop):
    """Return the six dot products of two rows of x and three rows of w, over d … d_stop−1."""
    x0, x1 = rows
    w0, w1, w2 = w_rows
    s0, s1, s2 = zero(x), zero(x), zero(x)
    t0, t1, t2 = zero(x), zero(x), zero(x)
    for i in range(d, d_stop, LANES):
        count = d_stop - i
        u, v = load_part(x, x0 + i, count), load_part(x, x1 + i, count)
        weights = load_part(w, w0 + i, count)
        s0, t0 = fma(u, weights, s0), fma(v, weights, t0)
        weights = load_part(w, w1 + i, count)
        s1, t1 = fma(u, weights, s1), fma(v, weights, t1)
        weights = load_part(w, w2 + i, count)
        s2, t2 = fma(u, weights, s2), fma(v, weights, t2)
    return (
        reduce_add(s0), reduce_add(s1), reduce_add(s2),
        reduce_add(t0), reduce_add(t1), reduce_add(t2),
    )  # fmt: skip
