"""A fully connected layer, fast.  The definition is reference/fc.py.

The reference leaves its matrix products to NumPy, whose own threads spin for a while after each of
them, and hold up the loops of the other layers: a training step of the CIFAR network took 205 ms
so, and 167 ms with these loops.  As in product.py, four sums stay in registers.

    x         (N, D)            images, flattened
    w         (K, D)            one row of weights an output
    b         (K,)
    y         (N, K)
    …_blocks  (B, D or K, 16)   the same number of sixteen images side by side; flat, see blocks.py
    x_wide    (N, D_wide)       x with zeros up to a multiple of sixteen numbers; also dw_wide
"""

import numpy as np
from numba import njit, prange

from ..checks import check_fc, check_gradient
from .blocks import blocks_of
from .vector import LANES, fma, load, spread, store, zero


def fc_forward(x, w, b):
    """Return y and the cache that fc_backward needs."""
    check_fc(x, w, b)
    N, (K, D) = x.shape[0], w.shape
    y = np.empty((N, K), x.dtype)
    forward_loop(flat_blocks(x.reshape(N, D)), w.ravel(), b.ravel(), y)
    return y, (x, w)


def fc_backward(dy, cache):
    """Return dx, dw, db."""
    x, w = cache
    N, (K, D) = x.shape[0], w.shape
    check_gradient("fc", dy, (N, K), x.dtype)
    dx = np.empty((N, D), x.dtype)
    backward_x_loop(flat_blocks(dy), w.ravel(), K, dx)

    D_wide = -(-D // LANES) * LANES
    x_wide, dw_wide = np.zeros((N, D_wide), x.dtype), np.empty((K, D_wide), x.dtype)
    x_wide[:, :D] = x.reshape(N, D)
    backward_w_loop(dy.ravel(), x_wide.ravel(), N, dw_wide.ravel(), K)
    return dx.reshape(x.shape), np.ascontiguousarray(dw_wide[:, :D]), dy.sum(axis=0)


def flat_blocks(x):
    """Return x (N, D) as flat blocks of sixteen images."""
    return blocks_of(x.reshape(*x.shape, 1, 1), 0, 0, 1, 1).ravel()


@njit(parallel=True, cache=True)
def forward_loop(x_blocks, w, b, y):
    for quad in prange((b.size + 3) // 4):
        forward_quad(x_blocks, w, b, 4 * quad, y)


@njit(cache=True)
def forward_quad(x_blocks, w, b, k, y):
    """Write outputs k … k+3 of all images; behind the last output, it is computed again."""
    N, K = y.shape
    D, last = w.size // K, K - 1
    k0, k1, k2, k3 = k, min(k + 1, last), min(k + 2, last), min(k + 3, last)
    sums = np.empty(4 * LANES, y.dtype)
    for first in range(0, N, LANES):
        a0, a1, a2, a3 = spread(b, k0), spread(b, k1), spread(b, k2), spread(b, k3)
        for d in range(D):
            x = load(x_blocks, first * D + d * LANES)
            a0 = fma(spread(w, k0 * D + d), x, a0)
            a1 = fma(spread(w, k1 * D + d), x, a1)
            a2 = fma(spread(w, k2 * D + d), x, a2)
            a3 = fma(spread(w, k3 * D + d), x, a3)
        store_four(sums, a0, a1, a2, a3)
        for i in range(min(4, K - k)):
            for image in range(min(LANES, N - first)):
                y[first + image, k + i] = sums[i * LANES + image]


@njit(parallel=True, cache=True)
def backward_x_loop(dy_blocks, w, K, dx):
    D = dx.shape[1]
    for sixteen in prange((D + LANES - 1) // LANES):
        for d in range(sixteen * LANES, min((sixteen + 1) * LANES, D), 4):
            backward_x_quad(dy_blocks, w, K, d, dx)


@njit(cache=True)
def backward_x_quad(dy_blocks, w, K, d, dx):
    """Write dx at d … d+3 of all images: dx[n, d] = Σ_k dy[n, k] · w[k, d]."""
    N, D = dx.shape
    d1, d2, d3 = min(d + 1, D - 1), min(d + 2, D - 1), min(d + 3, D - 1)
    sums = np.empty(4 * LANES, dx.dtype)
    for first in range(0, N, LANES):
        a0, a1, a2, a3 = zero(w), zero(w), zero(w), zero(w)
        for k in range(K):
            dy = load(dy_blocks, first * K + k * LANES)
            a0 = fma(spread(w, k * D + d), dy, a0)
            a1 = fma(spread(w, k * D + d1), dy, a1)
            a2 = fma(spread(w, k * D + d2), dy, a2)
            a3 = fma(spread(w, k * D + d3), dy, a3)
        store_four(sums, a0, a1, a2, a3)
        for i in range(min(4, D - d)):
            for image in range(min(LANES, N - first)):
                dx[first + image, d + i] = sums[i * LANES + image]


@njit(parallel=True, cache=True)
def backward_w_loop(dy, x_wide, N, dw_wide, K):
    for quad in prange((K + 3) // 4):
        backward_w_quad(dy, x_wide, N, 4 * quad, dw_wide, K)


@njit(cache=True)
def backward_w_quad(dy, x_wide, N, k, dw_wide, K):
    """Write rows k … k+3 of dw, sixteen weights at a time: dw[k, d] = Σ_n dy[n, k] · x[n, d]."""
    D, last = dw_wide.size // K, K - 1
    k1, k2, k3 = min(k + 1, last), min(k + 2, last), min(k + 3, last)
    for d in range(0, D, LANES):
        a0, a1, a2, a3 = zero(dy), zero(dy), zero(dy), zero(dy)
        for n in range(N):
            x = load(x_wide, n * D + d)
            a0 = fma(spread(dy, n * K + k), x, a0)
            a1 = fma(spread(dy, n * K + k1), x, a1)
            a2 = fma(spread(dy, n * K + k2), x, a2)
            a3 = fma(spread(dy, n * K + k3), x, a3)
        store(dw_wide, k3 * D + d, a3)  # where k+3 is behind the last row, all write the same there
        store(dw_wide, k2 * D + d, a2)
        store(dw_wide, k1 * D + d, a1)
        store(dw_wide, k * D + d, a0)


@njit(cache=True)
def store_four(sums, a0, a1, a2, a3):
    store(sums, 0, a0)
    store(sums, LANES, a1)
    store(sums, 2 * LANES, a2)
    store(sums, 3 * LANES, a3)
