"""Overlapping pooling (Section 3.4), fast.  The definition is reference/pool.py.

    x, dx       (N, H, W, C)           pixels, channels last; in a …_row function Pixels, which are
    y, dy       (N, H_out, W_out, C)   flat (layout.py)
    winner      (N, H_out, W_out, C)   position of the maximum in its window, 0 … z·z−1; flat, and
                                       C is rounded up to whole vectors
    window      (z, s)                 window size and stride: (3, 2)
    floor       a number               the least value of y: −∞, or 0 with a fused ReLU
    no_winner   a number               the winner where no pixel is above the floor

A clipped window ends at the border of the image.  A …_loop divides the rows, or images, among the
threads.  A vector holds neighbouring channels of a pixel (vector.py).

The reference walks over the windows, and adds each dy to the pixel that won.  Here each row of dx
collects from the windows that it belongs to.  So no two tasks write to the same pixel, and a row
stays in the cache until it is complete.
"""

import numpy as np

from ..checks import check_cache, check_fits, check_gradient, check_pool
from ..jit import njit
from ..shapes import pool_size
from .buffers import empty
from .flags import FAST, LOOP, PLAIN
from .layout import flatten_pixels, from_pixels, to_pixels
from .threads import run
from .vector import (
    LANES,
    add,
    clamp_min,
    load_part,
    round_up,
    select_equal,
    select_greater,
    splat,
    store_int,
    store_part,
    zero,
)

WINNER_TYPES = np.dtype(np.uint8), np.dtype(np.int32)  # types of winner
MAX_Z = 4096  # vectors of float32 hold positions in a window, 0 … z·z−1, exactly up to 2²⁴


def pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the maxima and the cache that pool_backward needs."""
    return max_pool(x, z, s, ceil_mode, floor=-np.inf, no_winner=0)


def max_pool(x, z, s, ceil_mode, floor, no_winner):
    """Return the maxima, or `floor` where none is larger; the winner there is `no_winner`."""
    z, s, ceil_mode = check_pool("pool", x, z, s, ceil_mode)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    z = min(z, max(H, W))  # a larger window has no more pixels
    if x.dtype == np.float32 and z > MAX_Z:
        raise ValueError(
            f"pool: a window of {z}×{z} has more positions than float32 can count; "
            f"expected at most {MAX_Z}×{MAX_Z}, or x in float64"
        )
    y = empty((N, H_out, W_out, C), x.dtype)
    winner = empty((N, H_out, W_out, round_up(C)), WINNER_TYPES[z * z >= 256])
    run(
        max_loop, N * H_out, y.size * z * z / 6,
        to_pixels(x), (z, s), y, winner.reshape(-1), x.dtype.type(floor), no_winner,
    )  # fmt: skip
    return from_pixels(y), (x.shape, x.dtype, winner, z, s)


def pool_backward(dy, cache):
    """Send each dy back to the pixel that won; add, because windows overlap."""
    check_cache("pool", cache, tuple, np.dtype, np.ndarray, int, int)
    (N, C, H, W), dtype, winner, z, s = cache
    check_fits("pool", winner.ndim == 4 and winner.shape[::3] == (N, round_up(C)))
    check_fits("pool", z > 0 and s > 0)
    check_fits("pool", winner.dtype in WINNER_TYPES)
    check_gradient("pool", dy, (N, C, *winner.shape[1:3]), dtype)
    dx = empty((N, H, W, C), dtype)
    run(
        max_back_loop, N * H, winner.size * z * z / 6,
        to_pixels(dy), winner.reshape(-1), (z, s), dx,
    )  # fmt: skip
    return (from_pixels(dx),)


def average_pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the means; a clipped window divides by the number of its real pixels."""
    z, s, ceil_mode = check_pool("average_pool", x, z, s, ceil_mode)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    y = empty((N, H_out, W_out, C), x.dtype)
    run(mean_loop, N, y.size * z * z / 5, to_pixels(x), z, s, y)
    return from_pixels(y), (x.shape, x.dtype, H_out, W_out, z, s)


def average_pool_backward(dy, cache):
    """Give every pixel of a window its equal share of dy; add, because windows overlap."""
    check_cache("average_pool", cache, tuple, np.dtype, int, int, int, int)
    (N, C, H, W), dtype, H_out, W_out, z, s = cache
    check_gradient("average_pool", dy, (N, C, H_out, W_out), dtype)
    check_fits("average_pool", z > 0 and s > 0)
    dx = empty((N, H, W, C), dtype)
    run(mean_back_loop, N, dy.size * z * z / 5, to_pixels(dy), z, s, dx)
    return (from_pixels(dx),)


@njit(**LOOP)
def max_loop(first, stop, x, window, y, winner, floor, no_winner):
    x, y = flatten_pixels(x), flatten_pixels(y)
    for task in range(first, stop):
        max_row(task // y.H, task % y.H, x, window, y, winner, floor, no_winner)


@njit(**PLAIN)
def max_row(n, row, x, window, y, winner, floor, no_winner):
    """Find the maximum of each window in one row of windows of image n."""
    x, H, W, C = x
    y, H_out, W_out, _ = y
    z, s = window
    top, floor, no_winner = row * s, splat(x, floor), splat(x, no_winner)
    x_offset, y_offset = n * H * W * C, (n * H_out + row) * W_out * C
    for column in range(W_out):
        left, out = column * s, y_offset + column * C
        winner_offset = ((n * H_out + row) * W_out + column) * round_up(C)
        rows, columns = min(z, H - top), min(z, W - left)
        corner = x_offset + (top * W + left) * C
        for c in range(0, C, LANES):
            best, best_position = load_part(x, corner + c, C - c), zero(x)
            for i in range(rows):
                for j in range(columns):
                    pixel = load_part(x, corner + (i * W + j) * C + c, C - c)
                    position = splat(x, i * z + j)
                    best_position = select_greater(pixel, best, position, best_position)
                    best = select_greater(pixel, best, pixel, best)
            best_position = select_greater(best, floor, best_position, no_winner)
            store_part(y, out + c, clamp_min(best, floor), C - c)
            store_int(winner, winner_offset + c, best_position)


@njit(**LOOP)
def max_back_loop(first, stop, dy, winner, window, dx):
    dy, dx = flatten_pixels(dy), flatten_pixels(dx)
    for task in range(first, stop):
        max_back_row(task // dx.H, task % dx.H, dy, winner, window, dx)


@njit(**PLAIN)
def max_back_row(n, h, dy, winner, window, dx):
    """Sum, for each pixel in row h of image n, the dy of the windows that it won."""
    dx, H, W, C = dx
    dy, H_out, W_out, _ = dy
    z, s = window
    dx_offset, dy_offset = (n * H + h) * W * C, n * H_out * W_out * C
    dx[dx_offset : dx_offset + W * C] = 0
    for row in range(max(0, (h - z + s) // s), min(h // s + 1, H_out)):
        for column in range(W_out):
            window_offset = dy_offset + (row * W_out + column) * C
            winner_offset = ((n * H_out + row) * W_out + column) * round_up(C)
            corner = dx_offset + column * s * C
            for j in range(min(z, W - column * s)):
                position = (h - row * s) * z + j
                for c in range(0, C, LANES):
                    gain = load_part(dy, window_offset + c, C - c)
                    gain = select_equal(winner, winner_offset + c, position, gain)
                    pixel = corner + j * C + c
                    store_part(dx, pixel, add(load_part(dx, pixel, C - c), gain), C - c)


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
