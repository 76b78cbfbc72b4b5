"""Overlapping pooling (Section 3.4), fast.  The definition is reference/pool.py.

    x, dx       (N, H, W, C)             pixels: memory is channels last; in a …_row Pixels, which
    y, dy       (N, H_out, W_out, C)     are flat, see layout.py
    winner      (N, H_out, W_out, C)     place of the largest value in its window, 0 … z·z−1; flat
    window      (z, s)                   z×z pixels, and s from one window to the next: (3, 2)
    least       a number                 what y is at least: −∞, or 0 for a ReLU on the way
    nobody      a number                 the winner where nothing is larger than that

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
from .layout import cut, filled, flat_pixels, images, pixels_of
from .threads import run
from .vector import (
    LANES,
    add,
    clamp_min,
    load,
    round_up,
    select_equal,
    select_greater,
    splat,
    store,
    store_int,
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
    y = empty((N, H_out, W_out, pixels.shape[3]), x.dtype)
    winner = empty(y.shape, PLACES[z * z >= 256])
    run(
        max_loop, N * H_out, y.size * z * z / 6,
        pixels, (z, s), y, winner.reshape(-1), x.dtype.type(least), nobody,
    )  # fmt: skip
    return images(cut(y, C)), (x.shape, x.dtype, winner, z, s)


def pool_backward(dy, cache):
    """Send each dy back to the place that won; add, because windows overlap."""
    check_cache("pool", cache, tuple, np.dtype, np.ndarray, int, int)
    (N, C, H, W), dtype, winner, z, s = cache
    check_gradient("pool", dy, (N, C, *winner.shape[1:3]), dtype)
    C_wide = winner.shape[3]
    if C_wide != round_up(C) or winner.dtype not in PLACES:
        raise TypeError("pool: cache is of another backend; expected what pool_forward returned")
    dx = empty((N, H, W, C_wide), dtype)
    dy = filled(pixels_of(dy))
    run(max_back_loop, N * H, winner.size * z * z / 6, dy, winner.reshape(-1), (z, s), dx)
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
def max_loop(first, stop, x, window, y, winner, least, nobody):
    x, y = flat_pixels(x), flat_pixels(y)
    for task in range(first, stop):
        max_row(task // y.H, task % y.H, x, window, y, winner, least, nobody)


@njit(**PLAIN)
def max_row(n, row, x, window, y, winner, least, nobody):
    """Find the largest of each window of one row of image n."""
    x, H, W, C = x
    y, H_out, W_out, _ = y
    z, s = window
    top, least, nobody = row * s, splat(x, least), splat(x, nobody)
    x_at, y_at = n * H * W * C, (n * H_out + row) * W_out * C
    for column in range(W_out):
        left, at = column * s, y_at + column * C
        rows, columns = min(z, H - top), min(z, W - left)
        corner = x_at + (top * W + left) * C
        for c in range(0, C, LANES):
            best, place = load(x, corner + c), zero(x)
            for i in range(rows):
                for j in range(columns):
                    here, pixel = splat(x, i * z + j), load(x, corner + (i * W + j) * C + c)
                    place = select_greater(pixel, best, here, place)
                    best = select_greater(pixel, best, pixel, best)
            store(y, at + c, clamp_min(best, least))
            store_int(winner, at + c, select_greater(best, least, place, nobody))


@njit(**LOOP)
def max_back_loop(first, stop, dy, winner, window, dx):
    dy, dx = flat_pixels(dy), flat_pixels(dx)
    for task in range(first, stop):
        max_back_row(task // dx.H, task % dx.H, dy, winner, window, dx)


@njit(**PLAIN)
def max_back_row(n, h, dy, winner, window, dx):
    """Add up, for each pixel of row h of image n, the dy of those windows in which it won."""
    dx, H, W, C = dx
    dy, H_out, W_out, _ = dy
    z, s = window
    dx_at, dy_at = (n * H + h) * W * C, n * H_out * W_out * C
    for at in range(dx_at, dx_at + W * C, LANES):
        store(dx, at, zero(dx))
    for row in range(max(0, (h - z + s) // s), min(h // s + 1, H_out)):
        for column in range(W_out):
            at, corner = dy_at + (row * W_out + column) * C, dx_at + column * s * C
            for j in range(min(z, W - column * s)):
                here = (h - row * s) * z + j
                for c in range(0, C, LANES):
                    gain = select_equal(winner, at + c, here, load(dy, at + c))
                    pixel = corner + j * C + c
                    store(dx, pixel, add(load(dx, pixel), gain))


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
