"""Normalization within a map, fast.  The definition is reference/map_lrn.py.

    x, y, dy, dx   (N, H, W·C)                rows of pixels, channels last
    scale          (N, H, W·C)                k + α/n² Σ x²
    squares        (H, W·C)                   x² of one image
    ratios         (H, W·C)                   dy·y / scale of one image
    sums           ((before + W + after)·C,)  a row of them, summed over the rows of a window, with
                                              zeros for the pixels that do not exist
    formula        Formula                    C, alpha (divided by n²), beta, before, after

A window is summed along the columns first, and then along the row, where neighbours are C numbers
apart.
"""

from collections import namedtuple

import numpy as np

from ..checks import check_cache, check_fits, check_gradient, check_map_lrn
from ..jit import njit
from .buffers import empty
from .flags import FAST, LOOP, PLAIN
from .layout import from_pixels, to_pixels
from .threads import run

Formula = namedtuple("Formula", "C alpha beta before after")


def map_lrn_forward(x, k=1, n=3, alpha=5e-5, beta=0.75):
    """Return y and the cache that map_lrn_backward needs."""
    k, n, alpha, beta = check_map_lrn(x, k, n, alpha, beta)
    rows, shape = pixel_rows(x), x.shape
    y, scale = empty(rows.shape, x.dtype), empty(rows.shape, x.dtype)
    formula = formula_of(x.dtype, shape, n, alpha, beta)
    run(forward_loop, len(x), 2 * x.size, rows, y, scale, x.dtype.type(k), formula)
    return as_maps(y, shape), (rows, scale, shape, n, alpha, beta)


def map_lrn_backward(dy, cache):
    """Return dx: the direct term and the neighbours' term."""
    check_cache("map_lrn", cache, np.ndarray, np.ndarray, tuple, int, float, float)
    rows, scale, shape, n, alpha, beta = cache
    check_gradient("map_lrn", dy, shape, rows.dtype)
    N, C, H, W = shape
    check_fits("map_lrn", n > 0 and rows.dtype == scale.dtype)
    check_fits("map_lrn", rows.shape == scale.shape == (N, H, W * C))
    dx, formula = empty(rows.shape, rows.dtype), formula_of(rows.dtype, shape, n, alpha, beta)
    run(backward_loop, N, 3 * rows.size, pixel_rows(dy), rows, scale, dx, formula)
    return (as_maps(dx, shape),)


def pixel_rows(x):
    """Return x (N, C, H, W) as (N, H, W·C)."""
    N, C, H, W = x.shape
    return to_pixels(x).reshape(N, H, W * C)


def as_maps(rows, shape):
    """Return rows (N, H, W·C) as (N, C, H, W), without a copy."""
    N, C, H, W = shape
    return from_pixels(rows.reshape(N, H, W, C))


def formula_of(dtype, shape, n, alpha, beta):
    """Return the Formula; a window reaches no further than the map."""
    _, C, H, W = shape
    most = max(H, W) - 1
    alpha, beta = dtype.type(alpha / n**2), dtype.type(beta)
    return Formula(C, alpha, beta, min(n // 2, most), min((n - 1) // 2, most))


@njit(**LOOP)
def forward_loop(first, stop, x, y, scale, k, formula):
    squares = np.empty(x.shape[1:], x.dtype)
    for n in range(first, stop):
        normalize(x[n], y[n], scale[n], k, formula, squares)


@njit(**PLAIN, **FAST)
def normalize(x, y, scale, k, formula, squares):
    """Write y = x·scale^−β and scale = k + α/n² Σ x² of one image."""
    C, alpha, beta, before, after = formula
    H, size = x.shape
    sums = np.zeros(size + (before + after) * C, x.dtype)
    for h in range(H):
        for i in range(size):
            squares[h, i] = x[h, i] * x[h, i]
    for h in range(H):
        window_sums(squares, h, before, after, C, sums, scale[h])
        for i in range(size):
            scale[h, i] = k + alpha * scale[h, i]
        scale_power(scale[h], beta, y[h])
        for i in range(size):
            y[h, i] *= x[h, i]


@njit(**LOOP)
def backward_loop(first, stop, dy, x, scale, dx, formula):
    ratios = np.empty(x.shape[1:], x.dtype)
    for n in range(first, stop):
        normalize_back(dy[n], x[n], scale[n], dx[n], formula, ratios)


@njit(**PLAIN, **FAST)
def normalize_back(dy, x, scale, dx, formula, ratios):
    """Write dx = dy·scale^−β − 2(α/n²)β·x·Σ dy·y / scale of one image."""
    C, alpha, beta, before, after = formula
    H, size = x.shape
    sums, total = np.zeros(size + (before + after) * C, x.dtype), np.empty(size, x.dtype)
    factor = 2 * alpha * beta
    for h in range(H):
        scale_power(scale[h], beta, dx[h])
        for i in range(size):
            dx[h, i] *= dy[h, i]
            ratios[h, i] = dx[h, i] * x[h, i] / scale[h, i]
    for h in range(H):
        window_sums(ratios, h, after, before, C, sums, total)  # the forward window, mirrored
        for i in range(size):
            dx[h, i] -= factor * x[h, i] * total[i]


@njit(**PLAIN, **FAST)
def window_sums(q, h, before, after, C, sums, total):
    """Write the sums of q over the windows of the pixels in row h to total; sums is scratch."""
    inside = sums[before * C : before * C + total.size]
    inside[:] = 0
    for row in range(max(0, h - before), min(len(q), h + after + 1)):
        for i in range(total.size):
            inside[i] += q[row, i]
    total[:] = 0
    for j in range(before + after + 1):
        shifted = sums[j * C : j * C + total.size]
        for i in range(total.size):
            total[i] += shifted[i]


@njit(**PLAIN, **FAST)
def scale_power(scale, beta, power):
    """Write scale^−β to power; the usual β = 0.75 takes two square roots, which are fast."""
    if beta == 0.75:
        for i in range(scale.size):
            half = np.sqrt(scale[i])
            power[i] = 1 / (half * np.sqrt(half))
    else:
        for i in range(scale.size):
            power[i] = scale[i] ** -beta
