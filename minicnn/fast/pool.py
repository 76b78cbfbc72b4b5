"""Overlapping pooling (Section 3.4), fast.  The definition is reference/pool.py.

    x, dx       (N, H, W, C)             pixels: memory is channels last, see layout.py; flat
    y, dy       (N, H_out, W_out, C)
    winner      (N, H_out, W_out, C)     place of the largest value in its window, 0 … z·z−1

A clipped window ends where the image ends.  Each …_loop shares rows out to the threads; …_at is
where one of them begins.  Each vector holds neighbouring channels of a pixel (vector.py), so C is
rounded up to whole vectors, and what was added is cut away in the end.

The reference goes through the windows, and adds each dy to the pixel that won.  Here each row of
dx does so, with the windows that it belongs to: no two tasks write to the same pixel, and a row
stays in the cache until it is complete.
"""

import numpy as np

from ..checks import check_cache, check_gradient, check_pool
from ..jit import njit
from ..shapes import pool_size
from .buffers import empty
from .flags import FAST, LOOP, PLAIN
from .layout import cut, filled, images, pixels_of
from .threads import run
from .vector import (
    LANES,
    at_least,
    larger,
    load,
    plus,
    same,
    store,
    store_whole,
    where,
    whole_vectors,
    zero,
)

PLACES = np.dtype(np.uint8), np.dtype(np.int32)  # types of winner
WIDEST = 4096  # float32 holds the places of a window exactly, 0 … z·z−1, up to 2²⁴


def pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the maxima and the cache that pool_backward needs."""
    return largest(x, z, s, ceil_mode, least=-np.inf, nobody=0)


def largest(x, z, s, ceil_mode, least, nobody):
    """Return the maxima, or `least` where they are not larger: there the winner is `nobody`."""
    z, s, ceil_mode = check_pool("pool", x, z, s, ceil_mode)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    z = min(z, max(H, W))  # a larger window has no more pixels
    if x.dtype == np.float32 and z > WIDEST:
        raise ValueError(
            f"pool: a window of {z}×{z} has more places than float32 can count; "
            f"expected at most {WIDEST}×{WIDEST}, or x in float64"
        )
    pixels = filled(pixels_of(x))
    C_wide = pixels.shape[3]
    y = empty((N, H_out, W_out, C_wide), x.dtype)
    winner = empty(y.shape, PLACES[z * z >= 256])
    run(
        max_loop, N * H_out, y.size * z * z / 6,
        pixels.reshape(-1), H, W, C_wide, z, s, H_out, W_out, y.reshape(-1), winner.reshape(-1),
        x.dtype.type(least), nobody,
    )  # fmt: skip
    return images(cut(y, C)), (x.shape, x.dtype, winner, z, s)


def pool_backward(dy, cache):
    """Send each dy back to the place that won; add, because windows overlap."""
    check_cache("pool", cache, tuple, np.dtype, np.ndarray, int, int)
    (N, C, H, W), dtype, winner, z, s = cache
    check_gradient("pool", dy, (N, C, *winner.shape[1:3]), dtype)
    _, H_out, W_out, C_wide = winner.shape
    if C_wide != whole_vectors(C) or winner.dtype not in PLACES:
        raise TypeError("pool: cache is of another backend; expected what pool_forward returned")
    dx = empty((N, H, W, C_wide), dtype)
    run(
        max_back_loop, N * H, winner.size * z * z / 6,
        filled(pixels_of(dy)).reshape(-1), winner.reshape(-1), H, W, C_wide, z, s, H_out, W_out,
        dx.reshape(-1),
    )  # fmt: skip
    return (images(cut(dx, C)),)


def average_pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the means; a clipped window divides by the pixels that it really holds."""
    z, s, ceil_mode = check_pool("average_pool", x, z, s, ceil_mode)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    y = empty((N, H_out, W_out, C), x.dtype)
    run(mean_loop, N, y.size * z * z / 5, pixels_of(x), z, s, y)
    return images(y), (x.shape, x.dtype, H_out, W_out, z, s)


def average_pool_backward(dy, cache):
    """Give every pixel of a window its equal share of dy; add, because windows overlap."""
    check_cache("average_pool", cache, tuple, np.dtype, int, int, int, int)
    (N, C, H, W), dtype, H_out, W_out, z, s = cache
    check_gradient("average_pool", dy, (N, C, H_out, W_out), dtype)
    dx = empty((N, H, W, C), dtype)
    run(mean_back_loop, N, dy.size * z * z / 5, pixels_of(dy), z, s, dx)
    return (images(dx),)


@njit(**LOOP)
def max_loop(first, stop, x, H, W, C, z, s, H_out, W_out, y, winner, least, nobody):
    for task in range(first, stop):
        n, row = task // H_out, task % H_out
        x_at, y_at = n * H * W * C, task * W_out * C
        max_row(x, x_at, H, W, C, z, s, row, W_out, y, winner, y_at, least, nobody)


@njit(**PLAIN)
def max_row(x, x_at, H, W, C, z, s, row, W_out, y, winner, y_at, least, nobody):
    """Find the largest of each window of one row of one image, whose first pixel is x[x_at]."""
    top, least, nobody = row * s, same(x, least), same(x, nobody)
    for column in range(W_out):
        left, at = column * s, y_at + column * C
        rows, columns = min(z, H - top), min(z, W - left)
        corner = x_at + (top * W + left) * C
        for c in range(0, C, LANES):
            best, place = load(x, corner + c), zero(x)
            for i in range(rows):
                for j in range(columns):
                    here, pixel = same(x, i * z + j), load(x, corner + (i * W + j) * C + c)
                    place = larger(pixel, best, here, place)
                    best = larger(pixel, best, pixel, best)
            store(y, at + c, at_least(least, best))
            store_whole(winner, at + c, larger(best, least, place, nobody))


@njit(**LOOP)
def max_back_loop(first, stop, dy, winner, H, W, C, z, s, H_out, W_out, dx):
    for task in range(first, stop):
        n, h = task // H, task % H
        dx_at, dy_at = (n * H + h) * W * C, n * H_out * W_out * C
        first_row, row_stop = max(0, (h - z + s) // s), min(h // s + 1, H_out)
        max_back_row(dy, winner, dy_at, h, W, C, z, s, W_out, first_row, row_stop, dx, dx_at)


@njit(**PLAIN)
def max_back_row(dy, winner, dy_at, h, W, C, z, s, W_out, first_row, row_stop, dx, dx_at):
    """Add up, for each pixel of row h of an image, the dy of those windows in which it won."""
    for at in range(dx_at, dx_at + W * C, LANES):
        store(dx, at, zero(dx))
    for row in range(first_row, row_stop):
        for column in range(W_out):
            at, corner = dy_at + (row * W_out + column) * C, dx_at + column * s * C
            for j in range(min(z, W - column * s)):
                here = (h - row * s) * z + j
                for c in range(0, C, LANES):
                    gain = where(winner, at + c, here, load(dy, at + c))
                    pixel = corner + j * C + c
                    store(dx, pixel, plus(load(dx, pixel), gain))


@njit(**LOOP)
def mean_loop(first, stop, x, z, s, y):
    for n in range(first, stop):
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


@njit(**LOOP)
def mean_back_loop(first, stop, dy, z, s, dx):
    for n in range(first, stop):
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
