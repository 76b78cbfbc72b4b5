"""Overlapping pooling (Section 3.4) on the GPU.  The definition is reference/pool.py.

    x, dx       (N, C, H, W)            input; a plane is one channel of one image
    y, dy       (N, C, H_out, W_out)    output
    winner      (N, C, H_out, W_out)    position of the maximum in its window, 0 … z·z−1
    cell        s×s pixels of a plane: those that are in window (row, column), but not in the next
    sizes       H, W, H_out, W_out      of a plane of x and of a plane of y

Forward has one kernel, with a thread for each window.  Backward has two.  The plain kernel has a
thread for each pixel, which asks every window that contains the pixel whether it won.  The fast
kernel has a thread for each cell, so dy and winner are read once for s² pixels.  In both, a single
thread writes each pixel, so no two threads add to the same one.  The gain has not been measured on
a GPU yet; `minicnn bench --ops cuda` measures it.

All but the plain kernels are compiled for one z and s, which are constants to the compiler: it
unrolls the loops over a window, keeps the window in registers, and needs no division by s.
"""

from collections import namedtuple
from functools import lru_cache
from math import ceil

import numpy as np

from ..checks import check_cache, check_gradient, check_pool
from ..shapes import pool_size
from .buffers import empty
from .device import DeviceArray, flat, to_device
from .gpu import cuda, launch
from .settings import settings

Sizes = namedtuple("Sizes", "H W H_out W_out")


def pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the maxima and the cache that pool_backward needs."""
    z, s, ceil_mode = check_pool("pool", x, z, s, ceil_mode)
    x = to_device(x)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    z, s = min(z, max(H, W)), min(s, max(H, W))  # a larger window has no more pixels
    y = empty((N, C, H_out, W_out), x.dtype)
    winner = empty(y.shape, np.uint8 if z * z <= 256 else np.int32)
    max_kernel, _ = max_kernels(z, s)
    launch(max_kernel, y.size, flat(x), flat(y), flat(winner), Sizes(H, W, H_out, W_out))
    return y, (x.shape, x.dtype, winner, z, s)


def pool_backward(dy, cache):
    """Send each dy back to the pixel that won; add, because windows overlap."""
    check_cache("pool", cache, tuple, np.dtype, DeviceArray, int, int)
    (N, C, H, W), dtype, winner, z, s = cache
    check_gradient("pool", dy, winner.shape, dtype)
    dy = to_device(dy)
    H_out, W_out = dy.shape[2:]
    dx = empty((N, C, H, W), dtype)
    cells = N * C * ceil(H / s) * ceil(W / s)
    sizes = Sizes(H, W, H_out, W_out)
    if settings.plain:
        launch(plain_max_back_kernel, dx.size, flat(dy), flat(winner), flat(dx), z, s, sizes)
        return (dx,)
    _, max_back_kernel = max_kernels(z, s)
    launch(max_back_kernel, cells, flat(dy), flat(winner), flat(dx), cells, sizes)
    return (dx,)


def average_pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the means; a clipped window divides by the number of its real pixels."""
    z, s, ceil_mode = check_pool("average_pool", x, z, s, ceil_mode)
    x = to_device(x)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    z, s = min(z, max(H, W)), min(s, max(H, W))  # a larger window has no more pixels
    y = empty((N, C, H_out, W_out), x.dtype)
    mean_kernel, _ = mean_kernels(z, s)
    launch(mean_kernel, y.size, flat(x), flat(y), Sizes(H, W, H_out, W_out))
    return y, (x.shape, x.dtype, H_out, W_out, z, s)


def average_pool_backward(dy, cache):
    """Give every pixel of a window its equal share of dy; add, because windows overlap."""
    check_cache("average_pool", cache, tuple, np.dtype, int, int, int, int)
    (N, C, H, W), dtype, H_out, W_out, z, s = cache
    check_gradient("average_pool", dy, (N, C, H_out, W_out), dtype)
    dy = to_device(dy)
    dx = empty((N, C, H, W), dtype)
    cells = N * C * ceil(H / s) * ceil(W / s)
    sizes = Sizes(H, W, H_out, W_out)
    if settings.plain:
        launch(plain_mean_back_kernel, dx.size, flat(dy), flat(dx), z, s, sizes)
        return (dx,)
    _, mean_back_kernel = mean_kernels(z, s)
    launch(mean_back_kernel, cells, flat(dy), flat(dx), cells, sizes)
    return (dx,)


@cuda.jit(device=True)
def position(i, height, width):
    """Return plane, row and column of element i in planes of this size.

    The arithmetic is unsigned and 32 bits wide: a GPU has no instruction for division, and a
    division of 64 bits takes several times as long.
    """
    i, height, width = np.uint32(i), np.uint32(height), np.uint32(width)
    line = np.uint32(i // width)
    plane = np.uint32(line // height)
    return np.int32(plane), np.int32(line - plane * height), np.int32(i - line * width)


# The definition of backward: one thread for each pixel.


@cuda.jit
def plain_max_back_kernel(dy, winner, dx, z, s, sizes):
    i = cuda.grid(1)
    H, W, H_out, W_out = sizes
    if i < dx.size:
        plane, h, w = position(i, H, W)
        total = dx.dtype.type(0)
        for row in range(max(0, (h - z) // s + 1), min(H_out, h // s + 1)):
            for column in range(max(0, (w - z) // s + 1), min(W_out, w // s + 1)):
                y_index = (plane * H_out + row) * W_out + column
                if winner[y_index] == (h - row * s) * z + w - column * s:
                    total += dy[y_index]
        dx[i] = total


@cuda.jit
def plain_mean_back_kernel(dy, dx, z, s, sizes):
    i = cuda.grid(1)
    H, W, H_out, W_out = sizes
    if i < dx.size:
        plane, h, w = position(i, H, W)
        total = dx.dtype.type(0)
        for row in range(max(0, (h - z) // s + 1), min(H_out, h // s + 1)):
            for column in range(max(0, (w - z) // s + 1), min(W_out, w // s + 1)):
                count = min(z, H - row * s) * min(z, W - column * s)
                share = dy[(plane * H_out + row) * W_out + column] / dx.dtype.type(count)
                total += share
        dx[i] = total


# The fast kernels, for one z and s.


@lru_cache
def max_kernels(z, s):
    """Return the kernels of max pooling, forward and backward."""
    places = z * z
    reach = (z + s - 1) // s  # windows, in each direction, that overlap a cell
    windows = reach * reach

    @cuda.jit
    def max_kernel(x, y, winner, sizes):
        i = cuda.grid(1)
        H, W, H_out, W_out = sizes
        if i < y.size:
            plane, row, column = position(i, H_out, W_out)
            window = cuda.local.array(places, x.dtype)
            for a in range(z):
                # Past the far edge the last pixel is repeated.  It cannot win there, because the
                # first of equal values wins.  Without a branch, and without Numba's test for a
                # negative index, all loads can be in flight at the same time.
                line = (plane * H + min(row * s + a, H - 1)) * W
                for b in range(z):
                    window[a * z + b] = x[np.uint64(line + min(column * s + b, W - 1))]
            best, won = window[0], 0
            for j in range(1, places):
                # "not ≤" is also true for NaN; the first NaN wins
                if (not window[j] <= best) & (best == best):
                    best, won = window[j], j
            y[i] = best
            winner[i] = won

    @cuda.jit
    def max_back_kernel(dy, winner, dx, cells, sizes):
        i = cuda.grid(1)
        H, W, H_out, W_out = sizes
        if i < cells:
            plane, row, column = position(i, (H + s - 1) // s, (W + s - 1) // s)
            won = cuda.local.array(windows, np.int32)
            share = cuda.local.array(windows, dx.dtype)
            for up in range(reach):
                for left in range(reach):
                    y_index, j = (
                        (plane * H_out + row - up) * W_out + column - left,
                        up * reach + left,
                    )
                    inside = (0 <= row - up < H_out) & (0 <= column - left < W_out)
                    won[j] = winner[y_index] if inside else -1
                    share[j] = dy[y_index] if inside else dx.dtype.type(0)
            for a in range(s):
                for b in range(s):
                    total = dx.dtype.type(0)
                    for up in range(reach):
                        for left in range(reach):
                            j, p, q = up * reach + left, a + up * s, b + left * s
                            if p < z and q < z and won[j] == p * z + q:
                                total += share[j]
                    h, w = row * s + a, column * s + b
                    if h < H and w < W:
                        dx[(plane * H + h) * W + w] = total

    return max_kernel, max_back_kernel


@lru_cache
def mean_kernels(z, s):
    """Return the kernels of average pooling, forward and backward."""
    reach = (z + s - 1) // s
    windows = reach * reach

    @cuda.jit
    def mean_kernel(x, y, sizes):
        i = cuda.grid(1)
        H, W, H_out, W_out = sizes
        if i < y.size:
            plane, row, column = position(i, H_out, W_out)
            total = x.dtype.type(0)
            for a in range(z):
                for b in range(z):
                    h, w = row * s + a, column * s + b
                    if h < H and w < W:
                        total += x[(plane * H + h) * W + w]
            count = min(z, H - row * s) * min(z, W - column * s)
            y[i] = total / x.dtype.type(count)

    @cuda.jit
    def mean_back_kernel(dy, dx, cells, sizes):
        i = cuda.grid(1)
        H, W, H_out, W_out = sizes
        if i < cells:
            plane, row, column = position(i, (H + s - 1) // s, (W + s - 1) // s)
            share = cuda.local.array(windows, dx.dtype)
            for up in range(reach):
                for left in range(reach):
                    y_index, j = (
                        (plane * H_out + row - up) * W_out + column - left,
                        up * reach + left,
                    )
                    inside = (0 <= row - up < H_out) & (0 <= column - left < W_out)
                    count = min(z, H - (row - up) * s) * min(z, W - (column - left) * s)
                    share[j] = dy[y_index] / dx.dtype.type(count) if inside else dx.dtype.type(0)
            for a in range(s):
                for b in range(s):
                    total = dx.dtype.type(0)
                    for up in range(reach):
                        for left in range(reach):
                            if a + up * s < z and b + left * s < z:
                                total += share[up * reach + left]
                    h, w = row * s + a, column * s + b
                    if h < H and w < W:
                        dx[(plane * H + h) * W + w] = total

    return mean_kernel, mean_back_kernel
