"""Local response normalization (Section 3.3) on the GPU.  The definition is reference/lrn.py.

    x, y, dy, dx   (N, C, H, W)     flat; C is taken as groups × C channels of a group
    scale          a number         k + α Σ_j x_j²
    pixel          one of N·groups·H·W: its channels are HW numbers apart
    geometry       C, HW            channels of a group, pixels of a channel
                   before, after    a window reaches so far before and behind its channel
    constants      k, alpha, beta   of the formula, in x's type

The plain kernels have a thread for each output, and are the definition again.  They read every
number n times, and backward n² times.  The fast ones have a thread for each pixel, which walks
along the channels and keeps those of its window in registers, so that every number is read once
and written once; threads beside each other have pixels beside each other.  By how much that is
faster has not been measured on a GPU yet; `minicnn bench --ops cuda` measures it.

Backward computes scale once more, from x, in place of reading what forward has kept: that takes a
few multiplications, while reading and writing takes what is scarce.  A number then costs 8 bytes
forward and 12 backward; with scale kept it would be 12 and 16.  And x is kept anyway: it is the y
of the layer before.
"""

import math
from collections import namedtuple
from functools import lru_cache

import numpy as np

from ..checks import check_gradient, check_lrn
from .buffers import empty
from .device import flat, to_device
from .gpu import cuda, launch
from .settings import settings

LOADS = 8  # numbers that a thread asks for together, so that it waits once for all of them
WIDEST = 16  # channels of a window that fit into a thread's registers; beyond, the plain kernels

Geometry = namedtuple("Geometry", "C HW before after")
Constants = namedtuple("Constants", "k alpha beta")


def lrn_forward(x, k=2, n=5, alpha=1e-4, beta=0.75, groups=1):
    """Return y and the cache that lrn_backward needs."""
    k, n, alpha, beta, groups = check_lrn(x, k, n, alpha, beta, groups)
    x = to_device(x)
    y = empty(x.shape, x.dtype)
    geometry = geometry_of(x, n, groups)
    constants = Constants(*map(x.dtype.type, (k, alpha, beta)))
    arguments = flat(x), flat(y), geometry, constants
    if settings.plain or n > WIDEST:
        launch(plain_kernel, x.size, *arguments)
    else:
        launch(fast_kernels(n, beta == 0.75)[0], x.size // geometry.C, *arguments)
    return y, (x, n, constants, groups)


def lrn_backward(dy, cache):
    """Return dx: its own term, and the cross-channel term."""
    x, n, constants, groups = cache
    check_gradient("lrn", dy, x.shape, x.dtype)
    dy, dx = to_device(dy), empty(x.shape, x.dtype)
    geometry = geometry_of(x, n, groups)
    arguments = flat(dy), flat(x), flat(dx), geometry, constants
    if settings.plain or n > WIDEST:
        launch(plain_back_kernel, x.size, *arguments)
    else:
        launch(fast_kernels(n, constants.beta == 0.75)[1], x.size // geometry.C, *arguments)
    return (dx,)


def geometry_of(x, n, groups):
    """Return where the channels of a window of n lie."""
    _, C, H, W = x.shape
    return Geometry(C // groups, H * W, n // 2, (n - 1) // 2)


# The definition, a thread for each output.


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
        own = dy[i] * math.pow(scale, -beta)
        cross = x.dtype.type(0)
        for j in range(max(0, c - after), min(C, c + before + 1)):  # those whose window holds c
            at = i + (j - c) * HW
            scale = scale_at(x, at, j, geometry, constants)
            cross += dy[at] * x[at] * math.pow(scale, -beta) / scale
        dx[i] = own - x.dtype.type(2) * alpha * beta * x[i] * cross


@cuda.jit(device=True)
def scale_at(x, i, c, geometry, constants):
    """Return k + α Σ_j x_j² for x[i], which is of channel c."""
    C, HW, before, after = geometry
    total = x.dtype.type(0)
    for j in range(max(0, c - before), min(C, c + after + 1)):
        total += x[i + (j - c) * HW] * x[i + (j - c) * HW]
    return constants.k + constants.alpha * total


# The same, a thread for each pixel.


@lru_cache
def fast_kernels(n, three_quarters):
    """Return the kernels for windows of n channels, forward and backward.

    n is a constant to the compiler, which writes all loops over a window out.  If β is 0.75, two
    square roots give scale^−β, in place of a logarithm and a power.  Forward keeps

        window   (n−1 + LOADS,)     x of n−1 channels that were read before, and of the next LOADS

    and backward, which loads x and dy of half as many channels at a time,

        window   (n−1 + half,)      the same
        slope    (half,)            dy_j of the channels whose last neighbour is in the window now
        own      (before + half,)   dy_j·scale_j^−β, likewise
        ratio    (n−1 + half,)      dy_j·y_j / scale_j, likewise

    A channel that does not exist counts as 0 everywhere.  An index is given without its sign, as of
    each other one Numba's code asks whether it counts from the end.
    """
    before, after = n // 2, (n - 1) // 2
    half = LOADS // 2
    size, back_size, own_size = n - 1 + LOADS, n - 1 + half, before + half

    @cuda.jit(device=True)
    def shrink(scale, beta, one):
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
                    here = c + j - after  # the channel whose window is complete now
                    total = zero
                    for q in range(n):
                        total += window[j + q] * window[j + q]
                    if (here >= 0) & (here < C):
                        value = window[j + before] * shrink(k + alpha * total, beta, one)
                        y[np.uint64(first + here * HW)] = value
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
            own = cuda.local.array(own_size, x.dtype)
            slope = cuda.local.array(half, x.dtype)
            for j in range(n - 1):
                window[j] = zero
                ratio[j] = zero
            for j in range(before):
                own[j] = zero
            for c in range(0, C + n - 1, half):
                for j in range(half):
                    here = c + j - after
                    inside = (here >= 0) & (here < C)
                    window[n - 1 + j] = x[np.uint64(first + (c + j) * HW)] if c + j < C else zero
                    slope[j] = dy[np.uint64(first + here * HW)] if inside else zero
                for j in range(half):
                    here = c + j - after
                    total = zero
                    for q in range(n):
                        total += window[j + q] * window[j + q]
                    scale = k + alpha * total
                    own[before + j] = slope[j] * shrink(scale, beta, one)
                    ratio[n - 1 + j] = own[before + j] * window[j + before] / scale
                for j in range(half):
                    here = c + j - (n - 1)  # the channel for which all ratios are known now
                    cross = zero
                    for q in range(n):
                        cross += ratio[j + q]
                    if (here >= 0) & (here < C):
                        dx[np.uint64(first + here * HW)] = own[j] - twice * window[j] * cross
                for j in range(n - 1):
                    window[j] = window[j + half]
                    ratio[j] = ratio[j + half]
                for j in range(before):
                    own[j] = own[j + half]

    return forward_kernel, back_kernel
