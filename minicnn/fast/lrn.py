"""Local response normalization (Section 3.3), fast.  The definition is reference/lrn.py.

    x, y, dy, dx   (N, C, S)      S = H·W pixels, which are neighbours in memory
    scale          (N, C, S)      k + α Σ_j x_j²
    ratio          (C_group, S)   dy_j · y_j / scale_j, of one group of one image

Every loop's innermost index is the pixel, so the compiler makes vectors of it; the threads share the images.
"""

import numpy as np
from numba import njit, prange

from ..checks import check_gradient, check_lrn
from .flags import FAST


def lrn_forward(x, k=2, n=5, alpha=1e-4, beta=0.75, groups=1):
    """Return y and the cache that lrn_backward needs."""
    check_lrn(x, k, n, alpha, beta, groups)
    N, C, H, W = x.shape
    number = x.dtype.type
    pixels = np.ascontiguousarray(x).reshape(N, C, H * W)
    y, scale = forward_loop(pixels, number(k), n, number(alpha), number(beta), C // groups)
    return y.reshape(x.shape), (pixels, y, scale, n, alpha, beta, x.shape, groups)


def lrn_backward(dy, cache):
    """Return dx: its own term, and the cross-channel term."""
    x, y, scale, n, alpha, beta, shape, groups = cache
    check_gradient("lrn", dy, shape, x.dtype)
    number = x.dtype.type
    pixels = np.ascontiguousarray(dy).reshape(x.shape)
    dx = backward_loop(pixels, x, y, scale, n, number(alpha), number(beta), shape[1] // groups)
    return (dx.reshape(shape),)


@njit(inline="always")
def power(scale, beta):
    """Return scale^−beta; the paper's β = 0.75 by two square roots, which are vector instructions."""
    if beta == 0.75:
        root = np.sqrt(scale)
        return 1 / (root * np.sqrt(root))
    return scale ** (-beta)


@njit(parallel=True, fastmath=FAST, cache=True)
def forward_loop(x, k, n, alpha, beta, C_group):
    N, C, S = x.shape
    y, scale = np.empty_like(x), np.empty_like(x)
    for task in prange(N * C):
        image, i = task // C, task % C
        first = i // C_group * C_group  # the group of channel i is first … first + C_group − 1
        low = max(first, i - n // 2)
        high = min(first + C_group, i + (n - 1) // 2 + 1)
        s = scale[image, i]
        s[:] = 0
        for j in range(low, high):
            for p in range(S):
                s[p] += x[image, j, p] * x[image, j, p]
        for p in range(S):
            s[p] = k + alpha * s[p]
            y[image, i, p] = x[image, i, p] * power(s[p], beta)
    return y, scale


@njit(parallel=True, fastmath=FAST, cache=True)
def backward_loop(dy, x, y, scale, n, alpha, beta, C_group):
    N, C, S = x.shape
    dx = np.empty_like(x)
    twice = x.dtype.type(2) * alpha * beta
    for task in prange(N * C // C_group):
        image, first = task // (C // C_group), task % (C // C_group) * C_group
        ratio = np.empty((C_group, S), x.dtype)
        for j in range(C_group):
            for p in range(S):
                c = first + j
                ratio[j, p] = dy[image, c, p] * y[image, c, p] / scale[image, c, p]
        cross = np.empty(S, x.dtype)
        for i in range(C_group):
            cross[:] = 0
            # the forward window mirrored: before and after change places
            for j in range(max(0, i - (n - 1) // 2), min(C_group, i + n // 2 + 1)):
                for p in range(S):
                    cross[p] += ratio[j, p]
            c = first + i
            for p in range(S):
                own = dy[image, c, p] * power(scale[image, c, p], beta)
                dx[image, c, p] = own - twice * x[image, c, p] * cross[p]
    return dx
