"""Local response normalization (Section 3.3), fast.  The definition is reference/lrn.py.

    x, y, dy, dx   (R, C), flat               a row is one group of channels of one pixel
    scale          (R, C), flat               k + α Σ_j x_j²
    before, after  numbers                    a window reaches so far before and behind its channel
    squares        (R, before + C + after)    x², with zeros for the channels that are not there
    ratios         (R, before + C + after)    the same for dy_j·y_j / scale_j
    R, C           numbers                    R = N·H·W·groups; C channels in a group

A row's channels are neighbours in memory.  The sums over all windows are the row added to itself,
shifted by 0, 1, … n−1: loops of which the compiler makes vectors.
"""

import math

import numpy as np
from numba import njit, prange

from ..checks import check_gradient, check_lrn
from .buffers import empty
from .flags import FAST, PARALLEL, PLAIN
from .layout import images, pixels_of
from .threads import run

ROWS = 64  # a task: so many rows


def lrn_forward(x, k=2, n=5, alpha=1e-4, beta=0.75, groups=1):
    """Return y and the cache that lrn_backward needs."""
    check_lrn(x, k, n, alpha, beta, groups)
    number, C_group = x.dtype.type, x.shape[1] // groups
    x = pixels_of(x)
    y, scale = empty(x.shape, x.dtype), empty(x.shape, x.dtype)
    flat = [a.reshape(-1) for a in (x, y, scale)]
    R, before, after = x.size // C_group, n // 2, (n - 1) // 2
    run(
        forward_loop, 2 * x.size,
        *flat, R, C_group, number(k), number(alpha), number(beta), before, after,
    )  # fmt: skip
    return images(y), (x, scale, n, alpha, beta, groups)


def lrn_backward(dy, cache):
    """Return dx: its own term, and the cross-channel term."""
    x, scale, n, alpha, beta, groups = cache
    check_gradient("lrn", dy, images(x).shape, x.dtype)
    number, C_group = x.dtype.type, x.shape[3] // groups
    dx = empty(x.shape, x.dtype)
    flat = [a.reshape(-1) for a in (pixels_of(dy), x, scale, dx)]
    R, before, after = x.size // C_group, (n - 1) // 2, n // 2  # the forward window mirrored
    run(
        backward_loop, 3 * x.size,
        *flat, R, C_group, number(2 * alpha * beta), number(beta), before, after,
    )  # fmt: skip
    return (images(dx),)


@njit(**PARALLEL)
def forward_loop(x, y, scale, R, C, k, alpha, beta, before, after):
    for task in prange((R + ROWS - 1) // ROWS):
        normalize(x, y, scale, C, task * ROWS, R, k, alpha, beta, before, after)


@njit(**PLAIN, **FAST)
def normalize(x, y, scale, C, first, R, k, alpha, beta, before, after):
    """Write y = x·scale^−β with scale = k + α Σ_j x_j², from row `first` on."""
    wide = before + C + after
    squares, sums = np.empty(ROWS * wide, x.dtype), np.empty(ROWS * wide, x.dtype)
    rows = min(ROWS, R - first)
    squares[:] = 0
    for r in range(rows):
        for c in range(C):
            value = x[(first + r) * C + c]
            squares[r * wide + before + c] = value * value
    window_sums(squares, before + after + 1, sums)
    for r in range(rows):
        for c in range(C):
            scale[(first + r) * C + c] = k + alpha * sums[r * wide + c]
    start, stop = first * C, (first + rows) * C
    powers(scale, beta, start, stop, y)
    for i in range(start, stop):
        y[i] *= x[i]


@njit(**PARALLEL)
def backward_loop(dy, x, scale, dx, R, C, twice, beta, before, after):
    for task in prange((R + ROWS - 1) // ROWS):
        normalize_back(dy, x, scale, dx, C, task * ROWS, R, twice, beta, before, after)


@njit(**PLAIN, **FAST)
def normalize_back(dy, x, scale, dx, C, first, R, twice, beta, before, after):
    """Write dx = dy·scale^−β − 2αβ·x·Σ_j dy_j·y_j / scale_j, from row `first` on."""
    wide = before + C + after
    ratios, sums = np.empty(ROWS * wide, x.dtype), np.empty(ROWS * wide, x.dtype)
    rows = min(ROWS, R - first)
    powers(scale, beta, first * C, (first + rows) * C, dx)
    ratios[:] = 0
    for r in range(rows):
        for c in range(C):
            i = (first + r) * C + c
            dx[i] *= dy[i]
            ratios[r * wide + before + c] = dx[i] * x[i] / scale[i]
    window_sums(ratios, before + after + 1, sums)
    for r in range(rows):
        for c in range(C):
            i = (first + r) * C + c
            dx[i] -= twice * x[i] * sums[r * wide + c]


@njit(**PLAIN, **FAST)
def window_sums(rows, n, sums):
    """Write sums[i] = rows[i] + … + rows[i + n − 1].

    All rows are gone through as one, which is faster; where a window reaches from one row into the
    next, its sum is of no use, and stands behind the C that are.
    """
    sums[:] = 0
    for j in range(n):
        shifted = rows[j:]
        for i in range(shifted.size):
            sums[i] += shifted[i]


@njit(**PLAIN, **FAST)
def powers(scale, beta, start, stop, out):
    """Write scale^−β; the paper's β = 0.75 takes two square roots, which are fast vectors."""
    one = scale.dtype.type(1)
    scale, out = scale[start:stop], out[start:stop]
    if beta == 0.75:
        for i in range(scale.size):
            root = math.sqrt(scale[i])
            out[i] = one / (root * math.sqrt(root))
    else:
        for i in range(scale.size):
            out[i] = scale[i] ** (-beta)
