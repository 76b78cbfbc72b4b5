"""Normalization within a map: the pixels of one map compete with their neighbours.

    b = a / (k + α/n² Σ a'²)^β        a' runs over the n×n pixels around a that exist, in its map

    x      (N, C, H, W)      a
    scale  (N, C, H, W)      k + α/n² Σ x²
    y      (N, C, H, W)      b

In the paper's normalization (lrn.py) a pixel competes with the same pixel of neighbouring maps.
The code of 2012 has both: `cmrnorm`, across maps, and this one, `rnorm`, which the network that 18%
stands for has twice, and AlexNet's own files once.  The window is i − n//2 … i + (n−1)//2 along
both axes.  Here α is divided by n², as in that code and in Caffe's WITHIN_CHANNEL.

Backward is as in lrn.py: x counts in its own numerator and in the scale of every pixel whose window
holds it.

    dx_i = dy_i · scale_i^−β  −  2(α/n²)β x_i Σ_j dy_j · y_j / scale_j
"""

import numpy as np

from ..checks import check_cache, check_gradient, check_map_lrn


def sum_over_window(q, before, after):
    """Return the sum of q over the rows and columns −before … +after around every pixel."""
    H, W = q.shape[2:]
    rows, sums = np.empty_like(q), np.empty_like(q)
    for i in range(H):
        rows[:, :, i] = q[:, :, max(0, i - before) : i + after + 1].sum(axis=2)
    for j in range(W):
        sums[:, :, :, j] = rows[:, :, :, max(0, j - before) : j + after + 1].sum(axis=3)
    return sums


def map_lrn_forward(x, k=1, n=3, alpha=5e-5, beta=0.75):
    """Return y and the cache that map_lrn_backward needs."""
    k, n, alpha, beta = check_map_lrn(x, k, n, alpha, beta)
    scale = k + alpha / n**2 * sum_over_window(x * x, n // 2, (n - 1) // 2)
    y = x * scale**-beta
    return y, (x, y, scale, n, alpha, beta)


def map_lrn_backward(dy, cache):
    """Return dx: its own term, and the neighbours' term."""
    check_cache("map_lrn", cache, np.ndarray, np.ndarray, np.ndarray, int, float, float)
    x, y, scale, n, alpha, beta = cache
    check_gradient("map_lrn", dy, x.shape, x.dtype)
    own = dy * scale**-beta
    # i is in the window of j when j is in i's window mirrored: before and after change places
    neighbours = sum_over_window(dy * y / scale, (n - 1) // 2, n // 2)
    dx = own - 2 * alpha / n**2 * beta * x * neighbours
    return (dx,)
