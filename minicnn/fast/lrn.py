"""Local response normalization (Section 3.3), fast.  The definition is reference/lrn.py.

    x, y, dy, dx   (N, C, S)      S = H·W pixels, which are neighbours in memory
    scale          (N, C, S)      k + α Σ_j x_j²
    ratio          (C_group, S)   dy_j · y_j / scale_j, of one group of one image
    C_group        a number       channels in a group

Every loop's innermost index is the pixel, so the compiler makes vectors of it; the threads share
the images.
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
    y, scale = np.empty_like(pixels), np.empty_like(pixels)
    forward_loop(pixels, y, scale, number(k), n, number(alpha), number(beta), C // groups)
    return y.reshape(x.shape), (pixels, y, scale, n, alpha, beta, x.shape, groups)


def lrn_backward(dy, cache):
    """Return dx: its own term, and the cross-channel term."""
    x, y, scale, n, alpha, beta, shape, groups = cache
    check_gradient("lrn", dy, shape, x.dtype)
    number = x.dtype.type
    pixels = np.ascontiguousarray(dy).reshape(x.shape)
    dx, C_group = np.empty_like(x), shape[1] // groups
    backward_loop(pixels, x, y, scale, dx, n, number(alpha), number(beta), C_group)
    return (dx.reshape(shape),)


@njit(inline="always")
def power(scale, beta):
    """Return scale^−beta; the paper's β = 0.75 takes two square roots, which are fast vectors."""
    if beta == 0.75:
        root = np.sqrt(scale)
        return 1 / (root * np.sqrt(root))
    return scale ** (-beta)


@njit(parallel=True, cache=True)
def forward_loop(x, y, scale, k, n, alpha, beta, C_group):
    N, C, S = x.shape
    for task in prange(N * C):
        image = task // C
        normalize(x[image], y[image], scale[image], task % C, k, n, alpha, beta, C_group)


@njit(fastmath=FAST, cache=True)
def normalize(x, y, scale, i, k, n, alpha, beta, C_group):
    """Write channel i of one image to y and scale."""
    first = i // C_group * C_group  # the group of channel i is first … first + C_group − 1
    low = max(first, i - n // 2)
    high = min(first + C_group, i + (n - 1) // 2 + 1)
    s = scale[i]  # a view: what is written to s stands in scale
    s[:] = 0
    for j in range(low, high):
        for p in range(s.size):
            s[p] += x[j, p] * x[j, p]
    for p in range(s.size):
        s[p] = k + alpha * s[p]
        y[i, p] = x[i, p] * power(s[p], beta)


@njit(parallel=True, cache=True)
def backward_loop(dy, x, y, scale, dx, n, alpha, beta, C_group):
    N, C, S = x.shape
    groups = C // C_group
    for task in prange(N * groups):
        image, first = task // groups, task % groups * C_group
        group = slice(first, first + C_group)
        normalize_back(
            dy[image, group], x[image, group], y[image, group], scale[image, group],
            dx[image, group], n, alpha, beta,
        )  # fmt: skip


@njit(fastmath=FAST, cache=True)
def normalize_back(dy, x, y, scale, dx, n, alpha, beta):
    """Write dx of one group of channels of one image."""
    C_group, S = x.shape
    ratio, cross = np.empty_like(x), np.empty(S, x.dtype)
    twice = x.dtype.type(2) * alpha * beta
    for j in range(C_group):
        for p in range(S):
            ratio[j, p] = dy[j, p] * y[j, p] / scale[j, p]
    for i in range(C_group):
        cross[:] = 0
        # the forward window mirrored: before and after change places
        for j in range(max(0, i - (n - 1) // 2), min(C_group, i + n // 2 + 1)):
            for p in range(S):
                cross[p] += ratio[j, p]
        for p in range(S):
            own = dy[i, p] * power(scale[i, p], beta)
            dx[i, p] = own - twice * x[i, p] * cross[p]
