"""Local response normalization (Section 3.3) on the GPU.  The definition is reference/lrn.py.

    x, y, dy, dx   (N, groups·C, H, W)   flat
    scale          a number              k + α Σ_j x_j²
    pixel          one of N·groups·H·W   its channels are HW numbers apart
    geometry       C, HW                 channels of a group, pixels of a channel
                   before, after         channels of a window before and after its own
    constants      k, alpha, beta        of the formula, in x's dtype

The plain kernels have one thread for each output and restate the definition.  Forward reads
every number n times, backward n² times.  The fast kernels have one thread for each pixel.  Each
thread walks along the channels and keeps the current window in registers, so every number is read
once and written once; neighbouring threads have neighbouring pixels.  The gain has not been
measured on a GPU yet; `minicnn bench --ops cuda` measures it.

Forward does not keep scale.  Backward computes it again from x, because a few multiplications cost
less than memory traffic: a number costs 8 bytes forward and 12 backward, instead of 12 and 16.  x
is in memory anyway, as the y of the layer before.
"""

import math
from collections import namedtuple
from functools import lru_cache

import numpy as np

from ..checks import check_cache, check_gradient, check_lrn
from .buffers import empty
from .device import DeviceArray, flat, to_device
from .gpu import cuda, launch
from .settings import settings

LOADS = 8  # numbers that a thread loads together, so that it waits for memory only once
MAX_WINDOW = 16  # channels of a window that fit into registers; larger n takes the plain kernels

Geometry = namedtuple("Geometry", "C HW before after")
Constants = namedtuple("Constants", "k alpha beta")


def lrn_forward(x, k=2, n=5, alpha=1e-4, beta=0.75, groups=1):
    """Return y and the cache that lrn_backward needs."""
    k, n, alpha, beta, groups = check_lrn(x, k, n, alpha, beta, groups)
    x = to_device(x)
    y = empty(x.shape, x.dtype)
    geometry = window_geometry(x, n, groups)
    constants = Constants(*map(x.dtype.type, (k, alpha, beta)))
    arguments = flat(x), flat(y), geometry, constants
    if settings.plain or n > MAX_WINDOW:
        launch(plain_kernel, x.size, *arguments)
    else:
        launch(fast_kernels(n, beta == 0.75)[0], x.size // geometry.C, *arguments)
    return y, (x, n, constants, groups)


def lrn_backward(dy, cache):
    """Return dx: the direct term and the cross-channel term."""
    check_cache("lrn", cache, DeviceArray, int, Constants, int)
    x, n, constants, groups = cache
    check_gradient("lrn", dy, x.shape, x.dtype)
    dy, dx = to_device(dy), empty(x.shape, x.dtype)
    geometry = window_geometry(x, n, groups)
    arguments = flat(dy), flat(x), flat(dx), geometry, constants
    if settings.plain or n > MAX_WINDOW:
        launch(plain_back_kernel, x.size, *arguments)
    else:
        launch(fast_kernels(n, constants.beta == 0.75)[1], x.size // geometry.C, *arguments)
    return (dx,)


def window_geometry(x, n, groups):
    """Return the Geometry of x for windows of n channels."""
    _, C, H, W = x.shape
    return Geometry(C // groups, H * W, n // 2, (n - 1) // 2)


# The definition: one thread for each output.


@cuda.jit
def plain_kernel(x, y, geometry, constants):
    i = cuda.grid(1)
    if i < x.size:
        c = i // geometry.HW % geometry.C
        scale = scale_at(x, i, c, geometry, constants)
        y[i] = x[i] * math.pow(scale, -constants.beta)


@cuda.jit
def plain_back_kernel(dy, x, dx, geometry, constants):
    i = cuda.grid(1)
    if i < x.size:
        C, HW, before, after = geometry
        _, alpha, beta = constants
        c = i // HW % C
        scale = scale_at(x, i, c, geometry, constants)
        direct = dy[i] * math.pow(scale, -beta)
        cross = x.dtype.type(0)
        for j in range(max(0, c - after), min(C, c + before + 1)):  # windows that contain c
            i_j = i + (j - c) * HW
            scale = scale_at(x, i_j, j, geometry, constants)
            cross += dy[i_j] * x[i_j] * math.pow(scale, -beta) / scale
        dx[i] = direct - x.dtype.type(2) * alpha * beta * x[i] * cross


@cuda.jit(device=True)
def scale_at(x, i, c, geometry, constants):
    """Return k + α Σ_j x_j² for x[i], which belongs to channel c."""
    C, HW, before, after = geometry
    total = x.dtype.type(0)
    for j in range(max(0, c - before), min(C, c + after + 1)):
        total += x[i + (j - c) * HW] * x[i + (j - c) * HW]
    return constants.k + constants.alpha * total


# The fast kernels: one thread for each pixel.


@lru_cache
def fast_kernels(n, three_quarters):
    """Return the kernels for windows of n channels, forward and backward.

    n is a constant to the compiler, which unrolls all loops over a window.  For β = 0.75, two
    square roots replace the power in scale^−β.  Forward keeps

        window   (n−1 + LOADS,)     x of the n−1 channels before, and of the next LOADS channels

    and backward, which loads x and dy of half as many channels at a time, keeps

        window   (n−1 + half,)      the same
        slope    (half,)            dy_j of the channels whose last neighbour is now in the window
        direct   (before + half,)   dy_j·scale_j^−β, likewise
        ratio    (n−1 + half,)      dy_j·y_j / scale_j, likewise

    A channel that does not exist counts as 0 everywhere.  Indices are unsigned: Numba would test a
    signed index in every access, because a negative one counts from the end.
    """
    before, after = n // 2, (n - 1) // 2
    half = LOADS // 2
    size, back_size, direct_size = n - 1 + LOADS, n - 1 + half, before + half

    @cuda.jit(device=True)
    def scale_power(scale, beta, one):
        if three_quarters:
            root = math.sqrt(scale)
            return one / (root * math.sqrt(root))
        return math.pow(scale, -beta)

    @cuda.jit
    def forward_kernel(x, y, geometry, constants):
        i = cuda.grid(1)
        C, HW = geometry.C, geometry.HW
        k, alpha, beta = constants
        if i < x.size // C:
            zero, one = x.dtype.type(0), x.dtype.type(1)
            first = i // HW * C * HW + i % HW  # this pixel's first channel
            window = cuda.local.array(size, x.dtype)
            for j in range(n - 1):
                window[j] = zero
            for c in range(0, C + after, LOADS):
                for j in range(LOADS):
                    window[n - 1 + j] = x[np.uint64(first + (c + j) * HW)] if c + j < C else zero
                for j in range(LOADS):
                    channel = c + j - after  # the channel whose window is now complete
                    total = zero
                    for q in range(n):
                        total += window[j + q] * window[j + q]
                    if (channel >= 0) & (channel < C):
                        value = window[j + before] * scale_power(k + alpha * total, beta, one)
                        y[np.uint64(first + channel * HW)] = value
                for j in range(n - 1):
                    window[j] = window[j + LOADS]

    @cuda.jit
    def back_kernel(dy, x, dx, geometry, constants):
        i = cuda.grid(1)
        C, HW = geometry.C, geometry.HW
        k, alpha, beta = constants
        if i < x.size // C:
            zero, one = x.dtype.type(0), x.dtype.type(1)
            twice = x.dtype.type(2) * alpha * beta
            first = i // HW * C * HW + i % HW
            window = cuda.local.array(back_size, x.dtype)
            ratio = cuda.local.array(back_size, x.dtype)
            direct = cuda.local.array(direct_size, x.dtype)
            slope = cuda.local.array(half, x.dtype)
            for j in range(n - 1):
                window[j] = zero
                ratio[j] = zero
            for j in range(before):
                direct[j] = zero
            for c in range(0, C + n - 1, half):
                for j in range(half):
                    channel = c + j - after
                    inside = (channel >= 0) & (channel < C)
                    window[n - 1 + j] = x[np.uint64(first + (c + j) * HW)] if c + j < C else zero
                    slope[j] = dy[np.uint64(first + channel * HW)] if inside else zero
                for j in range(half):
                    channel = c + j - after
                    total = zero
                    for q in range(n):
                        total += window[j + q] * window[j + q]
                    scale = k + alpha * total
                    direct[before + j] = slope[j] * scale_power(scale, beta, one)
                    ratio[n - 1 + j] = direct[before + j] * window[j + before] / scale
                for j in range(half):
                    channel = c + j - (n - 1)  # the channel whose ratios are now all known
                    cross = zero
                    for q in range(n):
                        cross += ratio[j + q]
                    if (channel >= 0) & (channel < C):
                        dx[np.uint64(first + channel * HW)] = direct[j] - twice * window[j] * cross
                for j in range(n - 1):
                    window[j] = window[j + half]
                    ratio[j] = ratio[j + half]
                for j in range(before):
                    direct[j] = direct[j + half]

    return forward_kernel, back_kernel
