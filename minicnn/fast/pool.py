"""Overlapping pooling (Section 3.4), fast.  The definition is reference/pool.py.

    x, dx       (N, H, W, C)             pixels: memory is channels last, see layout.py
    y, dy       (N, H_out, W_out, C)
    winner      (N, H_out, W_out, C)     place of the largest value in its window, 0 … z·z−1

A clipped window ends where the image ends.  Each …_loop shares rows out to the threads, or, where
windows of different rows add to the same pixels, images.  Each vector holds neighbouring channels
of a pixel (vector.py); channels that are left over after the last whole vector go one by one.
"""

import numpy as np
from numba import njit, prange

from ..checks import check_gradient, check_pool
from ..shapes import pool_size
from .buffers import empty
from .flags import FAST, PARALLEL, PLAIN
from .layout import images, pixels_of
from .vector import LANES, equal, larger, load, load_whole, plus, same, store, store_whole, zero


def pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the maxima and the cache that pool_backward needs."""
    check_pool("pool", x, z, s, ceil_mode)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    y = empty((N, H_out, W_out, C), x.dtype)
    winner = empty(y.shape, np.uint8 if z * z <= 256 else np.int32)
    max_loop(pixels_of(x), z, s, y, winner)
    return images(y), (x.shape, x.dtype, winner, z, s)


def pool_backward(dy, cache):
    """Send each dy back to the place that won; add, because windows overlap."""
    (N, C, H, W), dtype, winner, z, s = cache
    check_gradient("pool", dy, (N, C, *winner.shape[1:3]), dtype)
    dx = empty((N, H, W, C), dtype)
    max_back_loop(pixels_of(dy), winner, z, s, dx)
    return (images(dx),)


def average_pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the means; a clipped window divides by the pixels that it really holds."""
    check_pool("average_pool", x, z, s, ceil_mode)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    y = empty((N, H_out, W_out, C), x.dtype)
    mean_loop(pixels_of(x), z, s, y)
    return images(y), (x.shape, x.dtype, H_out, W_out, z, s)


def average_pool_backward(dy, cache):
    """Give every pixel of a window its equal share of dy; add, because windows overlap."""
    (N, C, H, W), dtype, H_out, W_out, z, s = cache
    check_gradient("average_pool", dy, (N, C, H_out, W_out), dtype)
    dx = empty((N, H, W, C), dtype)
    mean_back_loop(pixels_of(dy), z, s, dx)
    return (images(dx),)


@njit(**PARALLEL)
def max_loop(x, z, s, y, winner):
    for task in prange(y.shape[0] * y.shape[1]):
        max_row(x, task // y.shape[1], task % y.shape[1], z, s, y, winner)


@njit(**PLAIN)
def max_row(x, n, row, z, s, y, winner):
    """Find the largest of each window of one row of one image."""
    _, H, W, C = x.shape
    pixels, largest, places = x.reshape(-1), y.reshape(-1), winner.reshape(-1)
    top, vectors = row * s, C // LANES * LANES  # so many channels make whole vectors
    for column in range(y.shape[2]):
        left = column * s
        rows, columns = min(z, H - top), min(z, W - left)
        corner = ((n * H + top) * W + left) * C
        at = ((n * y.shape[1] + row) * y.shape[2] + column) * C
        for c in range(0, vectors, LANES):
            best, place = load(pixels, corner + c), zero(pixels)
            for i in range(rows):
                for j in range(columns):
                    pixel, here = (
                        load(pixels, corner + (i * W + j) * C + c),
                        same(pixels, i * z + j),
                    )
                    place = larger(pixel, best, here, place)
                    best = larger(pixel, best, pixel, best)
            store(largest, at + c, best)
            store_whole(places, at + c, place)
        for c in range(vectors, C):
            best, place = pixels[corner + c], 0
            for i in range(rows):
                for j in range(columns):
                    pixel = pixels[corner + (i * W + j) * C + c]
                    wins = not (pixel <= best) and best == best  # the first NaN wins, too
                    best, place = (pixel, i * z + j) if wins else (best, place)
            largest[at + c] = best
            places[at + c] = place


@njit(**PARALLEL)
def max_back_loop(dy, winner, z, s, dx):
    for n in prange(dy.shape[0]):
        max_back_image(dy, winner, n, z, s, dx)


@njit(**PLAIN)
def max_back_image(dy, winner, n, z, s, dx):
    """Add each dy to the one pixel of its window that won, and zero to the others."""
    _, H, W, C = dx.shape
    gains, places, shares = dy.reshape(-1), winner.reshape(-1), dx.reshape(-1)
    vectors = C // LANES * LANES
    shares[n * H * W * C : (n + 1) * H * W * C] = 0
    for row in range(dy.shape[1]):
        for column in range(dy.shape[2]):
            top, left = row * s, column * s
            rows, columns = min(z, H - top), min(z, W - left)
            corner = ((n * H + top) * W + left) * C
            at = ((n * dy.shape[1] + row) * dy.shape[2] + column) * C
            for c in range(0, vectors, LANES):
                gain, place = load(gains, at + c), load_whole(places, at + c, gains)
                for i in range(rows):
                    for j in range(columns):
                        pixel, here = corner + (i * W + j) * C + c, same(gains, i * z + j)
                        share = equal(place, here, gain, zero(gains))
                        store(shares, pixel, plus(load(shares, pixel), share))
            for c in range(vectors, C):
                i, j = divmod(places[at + c], z)
                shares[corner + (i * W + j) * C + c] += gains[at + c]


@njit(**PARALLEL)
def mean_loop(x, z, s, y):
    for n in prange(x.shape[0]):
        mean_image(x, n, z, s, y)


@njit(**PLAIN, **FAST)
def mean_image(x, n, z, s, y):
    _, H, W, C = x.shape
    for row in range(y.shape[1]):
        for column in range(y.shape[2]):
            top, left = row * s, column * s
            rows, columns = min(z, H - top), min(z, W - left)
            mean, count = y[n, row, column], y.dtype.type(rows * columns)
            mean[:] = 0
            for i in range(rows):
                for j in range(columns):
                    for c in range(C):
                        mean[c] += x[n, top + i, left + j, c]
            for c in range(C):
                mean[c] /= count


@njit(**PARALLEL)
def mean_back_loop(dy, z, s, dx):
    for n in prange(dy.shape[0]):
        mean_back_image(dy, n, z, s, dx)


@njit(**PLAIN, **FAST)
def mean_back_image(dy, n, z, s, dx):
    _, H, W, C = dx.shape
    dx[n] = 0
    for row in range(dy.shape[1]):
        for column in range(dy.shape[2]):
            top, left = row * s, column * s
            rows, columns = min(z, H - top), min(z, W - left)
            count = dy.dtype.type(rows * columns)
            for i in range(rows):
                for j in range(columns):
                    for c in range(C):
                        dx[n, top + i, left + j, c] += dy[n, row, column, c] / count
