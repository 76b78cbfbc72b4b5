"""Overlapping pooling (Section 3.4), fast.  The definition is reference/pool.py.

    x, dx       (P, H, W)            P = N·C planes, shared out to the threads
    y, dy       (P, H_out, W_out)
    winner      (P, H_out, W_out)    place of the largest value in its window, 0 … z·z−1

A clipped window ends where the image ends.
"""

import numpy as np
from numba import njit, prange

from ..checks import check_gradient, check_pool
from ..shapes import pool_size
from .flags import FAST


def pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the maxima and the cache that pool_backward needs."""
    check_pool("pool", x, z, s)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    y, winner = max_loop(np.ascontiguousarray(x).reshape(N * C, H, W), z, s, H_out, W_out)
    return y.reshape(N, C, H_out, W_out), (x.shape, x.dtype, winner, z, s)


def pool_backward(dy, cache):
    """Send each dy back to the place that won; add, because windows overlap."""
    shape, dtype, winner, z, s = cache
    N, C, H, W = shape
    check_gradient("pool", dy, (N, C, *winner.shape[1:]), dtype)
    dx = max_back_loop(np.ascontiguousarray(dy).reshape(winner.shape), winner, z, s, H, W)
    return (dx.reshape(shape),)


def average_pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the means; a clipped window divides by the pixels that it really holds."""
    check_pool("average_pool", x, z, s)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    y = mean_loop(np.ascontiguousarray(x).reshape(N * C, H, W), z, s, H_out, W_out)
    return y.reshape(N, C, H_out, W_out), (x.shape, x.dtype, H_out, W_out, z, s)


def average_pool_backward(dy, cache):
    """Give every pixel of a window its equal share of dy; add, because windows overlap."""
    shape, dtype, H_out, W_out, z, s = cache
    N, C, H, W = shape
    check_gradient("average_pool", dy, (N, C, H_out, W_out), dtype)
    dx = mean_back_loop(np.ascontiguousarray(dy).reshape(N * C, H_out, W_out), z, s, H, W)
    return (dx.reshape(shape),)


@njit(parallel=True, cache=True)
def max_loop(x, z, s, H_out, W_out):
    P, H, W = x.shape
    y = np.empty((P, H_out, W_out), x.dtype)
    winner = np.empty((P, H_out, W_out), np.int32)
    for plane in prange(P):
        for row in range(H_out):
            for column in range(W_out):
                top, left = row * s, column * s
                best, place = x[plane, top, left], np.int32(0)
                for i in range(min(z, H - top)):
                    for j in range(min(z, W - left)):
                        value = x[plane, top + i, left + j]
                        wins = not (value <= best)
                        best = value if wins else best
                        place = np.int32(i * z + j) if wins else place  # 64 bits: half as fast
                y[plane, row, column] = best
                winner[plane, row, column] = place
        show_nans(x[plane], z, s, y[plane], winner[plane])
    return y, winner


@njit(cache=True)
def show_nans(x, z, s, y, winner):
    """Let the first NaN of a window win.  Asked once a plane: in the loop above it costs 3 × the time."""
    H, W = x.shape
    nans = 0
    for pixel in x.ravel():
        nans += pixel != pixel
    if nans == 0:
        return
    for row in range(y.shape[0]):
        for column in range(y.shape[1]):
            top, left = row * s, column * s
            for i in range(min(z, H - top) - 1, -1, -1):
                for j in range(min(z, W - left) - 1, -1, -1):
                    if x[top + i, left + j] != x[top + i, left + j]:
                        y[row, column] = x[top + i, left + j]
                        winner[row, column] = i * z + j


@njit(parallel=True, cache=True)
def max_back_loop(dy, winner, z, s, H, W):
    P, H_out, W_out = dy.shape
    dx = np.zeros((P, H, W), dy.dtype)
    for plane in prange(P):
        for row in range(H_out):
            for column in range(W_out):
                i, j = divmod(winner[plane, row, column], z)
                dx[plane, row * s + i, column * s + j] += dy[plane, row, column]
    return dx


@njit(parallel=True, fastmath=FAST, cache=True)
def mean_loop(x, z, s, H_out, W_out):
    P, H, W = x.shape
    y = np.empty((P, H_out, W_out), x.dtype)
    for plane in prange(P):
        for row in range(H_out):
            for column in range(W_out):
                top, left = row * s, column * s
                rows, columns = min(z, H - top), min(z, W - left)
                window = x.dtype.type(0)
                for i in range(rows):
                    for j in range(columns):
                        window += x[plane, top + i, left + j]
                y[plane, row, column] = window / x.dtype.type(rows * columns)
    return y


@njit(parallel=True, fastmath=FAST, cache=True)
def mean_back_loop(dy, z, s, H, W):
    P, H_out, W_out = dy.shape
    dx = np.zeros((P, H, W), dy.dtype)
    for plane in prange(P):
        for row in range(H_out):
            for column in range(W_out):
                top, left = row * s, column * s
                rows, columns = min(z, H - top), min(z, W - left)
                share = dy[plane, row, column] / dy.dtype.type(rows * columns)
                for i in range(rows):
                    for j in range(columns):
                        dx[plane, top + i, left + j] += share
    return dx
