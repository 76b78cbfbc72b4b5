"""Overlapping pooling (Section 3.4), fast.  The definition is reference/pool.py.

    x, dx       (P, H, W)            P = N·C planes
    y, dy       (P, H_out, W_out)
    winner      (P, H_out, W_out)    place of the largest value in its window, 0 … z·z−1

A clipped window ends where the image ends.  Each …_loop shares the planes out to the threads, and
its …_plane does the work on one.
"""

import numpy as np
from numba import njit, prange

from ..checks import check_gradient, check_pool
from ..shapes import pool_size
from .flags import FAST


def pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the maxima and the cache that pool_backward needs."""
    check_pool("pool", x, z, s, ceil_mode)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    planes = np.ascontiguousarray(x).reshape(N * C, H, W)
    y = np.empty((N * C, H_out, W_out), x.dtype)
    winner = np.empty((N * C, H_out, W_out), np.int32)
    max_loop(planes, z, s, y, winner)
    return y.reshape(N, C, H_out, W_out), (x.shape, x.dtype, winner, z, s)


def pool_backward(dy, cache):
    """Send each dy back to the place that won; add, because windows overlap."""
    shape, dtype, winner, z, s = cache
    N, C, H, W = shape
    check_gradient("pool", dy, (N, C, *winner.shape[1:]), dtype)
    dx = np.empty((N * C, H, W), dtype)
    max_back_loop(np.ascontiguousarray(dy).reshape(winner.shape), winner, z, s, dx)
    return (dx.reshape(shape),)


def average_pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the means; a clipped window divides by the pixels that it really holds."""
    check_pool("average_pool", x, z, s, ceil_mode)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    y = np.empty((N * C, H_out, W_out), x.dtype)
    mean_loop(np.ascontiguousarray(x).reshape(N * C, H, W), z, s, y)
    return y.reshape(N, C, H_out, W_out), (x.shape, x.dtype, H_out, W_out, z, s)


def average_pool_backward(dy, cache):
    """Give every pixel of a window its equal share of dy; add, because windows overlap."""
    shape, dtype, H_out, W_out, z, s = cache
    N, C, H, W = shape
    check_gradient("average_pool", dy, (N, C, H_out, W_out), dtype)
    dx = np.empty((N * C, H, W), dtype)
    mean_back_loop(np.ascontiguousarray(dy).reshape(N * C, H_out, W_out), z, s, dx)
    return (dx.reshape(shape),)


@njit(parallel=True, cache=True)
def max_loop(x, z, s, y, winner):
    for plane in prange(x.shape[0]):
        max_plane(x[plane], z, s, y[plane], winner[plane])
        show_nans(x[plane], z, s, y[plane], winner[plane])


@njit(cache=True)
def max_plane(x, z, s, y, winner):
    """Find the largest of each window in two steps: down every column, then across the columns.

    The first step works on whole rows, which makes vectors, and leaves z numbers a window for the
    second, which does not.  Asking all z·z in one loop took twice as long.
    """
    H, W = x.shape
    best, place = np.empty(W, x.dtype), np.empty(W, np.int32)  # of every column
    for row in range(y.shape[0]):
        top = row * s
        down(x, top, min(top + z, H), z, best, place)
        across(best, place, z, s, y[row], winner[row])


@njit(cache=True)
def down(x, top, bottom, z, best, place):
    """Write the largest of rows top … bottom−1 of every column to best, and its place."""
    for column in range(x.shape[1]):
        best[column] = x[top, column]
        place[column] = 0
    for row in range(top + 1, bottom):
        pixels, here = x[row], np.int32((row - top) * z)
        for column in range(x.shape[1]):
            wins = not (pixels[column] <= best[column])
            best[column] = pixels[column] if wins else best[column]
            place[column] = here if wins else place[column]


@njit(cache=True)
def across(best, place, z, s, y, winner):
    """Write the largest of the z columns of every window to y, and its place to winner."""
    for column in range(y.size):
        left = column * s
        y_best, y_place = best[left], place[left]
        for j in range(1, min(z, best.size - left)):
            value, here = best[left + j], place[left + j] + np.int32(j)
            first = value > y_best or here < y_place  # of equals, the upper row wins
            wins = not (value < y_best) and first
            y_best = value if wins else y_best
            y_place = here if wins else y_place
        y[column] = y_best
        winner[column] = y_place


@njit(cache=True)
def show_nans(x, z, s, y, winner):
    """Let the first NaN of a window win.

    Asked once a plane; asked for every pixel in the loop above, it made that three times as slow.
    """
    H, W = x.shape
    pixels, nans = x.ravel(), np.int32(0)
    for i in range(pixels.size):
        nans += np.int32(pixels[i] != pixels[i])
    if nans == 0:
        return
    for row in range(y.shape[0]):
        for column in range(y.shape[1]):
            top, left = row * s, column * s
            # backwards through the window: the first NaN is met last, and stays
            for i in range(min(z, H - top) - 1, -1, -1):
                for j in range(min(z, W - left) - 1, -1, -1):
                    if x[top + i, left + j] != x[top + i, left + j]:
                        y[row, column] = x[top + i, left + j]
                        winner[row, column] = i * z + j


@njit(parallel=True, cache=True)
def max_back_loop(dy, winner, z, s, dx):
    for plane in prange(dy.shape[0]):
        max_back_plane(dy[plane], winner[plane], z, s, dx[plane])


@njit(cache=True)
def max_back_plane(dy, winner, z, s, dx):
    dx[:] = 0
    for row in range(dy.shape[0]):
        for column in range(dy.shape[1]):
            i, j = divmod(winner[row, column], z)
            dx[row * s + i, column * s + j] += dy[row, column]


@njit(parallel=True, cache=True)
def mean_loop(x, z, s, y):
    for plane in prange(x.shape[0]):
        mean_plane(x[plane], z, s, y[plane])


@njit(fastmath=FAST, cache=True)
def mean_plane(x, z, s, y):
    H, W = x.shape
    for row in range(y.shape[0]):
        for column in range(y.shape[1]):
            top, left = row * s, column * s
            rows, columns = min(z, H - top), min(z, W - left)
            window = x.dtype.type(0)
            for i in range(rows):
                for j in range(columns):
                    window += x[top + i, left + j]
            y[row, column] = window / x.dtype.type(rows * columns)


@njit(parallel=True, cache=True)
def mean_back_loop(dy, z, s, dx):
    for plane in prange(dy.shape[0]):
        mean_back_plane(dy[plane], z, s, dx[plane])


@njit(fastmath=FAST, cache=True)
def mean_back_plane(dy, z, s, dx):
    H, W = dx.shape
    dx[:] = 0
    for row in range(dy.shape[0]):
        for column in range(dy.shape[1]):
            top, left = row * s, column * s
            rows, columns = min(z, H - top), min(z, W - left)
            share = dy[row, column] / dy.dtype.type(rows * columns)
            for i in range(rows):
                for j in range(columns):
                    dx[top + i, left + j] += share
