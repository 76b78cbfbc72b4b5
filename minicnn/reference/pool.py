"""Overlapping pooling (Section 3.4).

Each output is the largest value, or the mean, of a z×z window; windows start s apart.  The paper
uses z = 3, s = 2: s < z, so neighbouring windows overlap, and one input can win several times.

    x       (N, C, H, W)              input
    x_all   (N, C, ≥ H, ≥ W)          input, widened so that every window fits
    places  (N, C, H_out, W_out)      each of z·z: the pixel at place i·z + j of every window
    winner  (N, C, H_out, W_out)      which place won, 0 … z·z−1; the first of equals
    count   (H_out, W_out)            how many real pixels each window holds
    y       (N, C, H_out, W_out)      output

With ceil_mode=True the last windows may hang over the far edge.  They are clipped: only real pixels
can win, and only real pixels count.
"""

import numpy as np

from ..checks import check_cache, check_fits, check_gradient, check_pool
from ..shapes import pool_size


def widened(shape, z, s, H_out, W_out, value, dtype):
    """Return an array full of `value`, large enough for the image and for every window."""
    N, C, H, W = shape
    H_all, W_all = max(H, s * (H_out - 1) + z), max(W, s * (W_out - 1) + z)
    return np.full((N, C, H_all, W_all), value, dtype)


def places_of(x_all, z, s, H_out, W_out):
    """Return z·z views into x_all: the pixel in row i, column j of every window."""
    rows = [slice(i, i + s * H_out, s) for i in range(z)]
    columns = [slice(j, j + s * W_out, s) for j in range(z)]
    return [x_all[:, :, row, column] for row in rows for column in columns]


def pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the maxima and the cache that pool_backward needs."""
    z, s, ceil_mode = check_pool("pool", x, z, s, ceil_mode)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)

    lowest = -np.inf  # what is not image never wins over a pixel
    x_all = widened(x.shape, z, s, H_out, W_out, lowest, x.dtype)
    x_all[:, :, :H, :W] = x
    places = places_of(x_all, z, s, H_out, W_out)
    winner = np.argmax(places, axis=0)
    y = np.max(places, axis=0)
    return y, (x.shape, x.dtype, winner, z, s)


def pool_backward(dy, cache):
    """Send each dy back to the place that won; add, because windows overlap."""
    check_cache("pool", cache, tuple, np.dtype, np.ndarray, int, int)
    shape, dtype, winner, z, s = cache
    check_fits("pool", winner.ndim == 4 and winner.shape[:2] == shape[:2])
    check_gradient("pool", dy, winner.shape, dtype)
    N, C, H, W = shape
    H_out, W_out = dy.shape[2:]

    dx_all = widened(shape, z, s, H_out, W_out, 0, dtype)
    for place, dplace in enumerate(places_of(dx_all, z, s, H_out, W_out)):
        dplace += np.where(winner == place, dy, 0)  # dplace is a view: this adds to dx_all
    dx = dx_all[:, :, :H, :W]
    return (dx,)


def average_pool_forward(x, z=3, s=2, ceil_mode=False):
    """Return the means and the cache that average_pool_backward needs.

    A clipped window divides by the pixels that it really holds, as in the original code.
    """
    z, s, ceil_mode = check_pool("average_pool", x, z, s, ceil_mode)
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)

    x_all = widened(x.shape, z, s, H_out, W_out, 0, x.dtype)
    x_all[:, :, :H, :W] = x
    rows = np.minimum(z, H - s * np.arange(H_out))  # (H_out,)
    columns = np.minimum(z, W - s * np.arange(W_out))  # (W_out,)
    count = np.outer(rows, columns).astype(x.dtype)
    y = sum(places_of(x_all, z, s, H_out, W_out)) / count
    return y, (x.shape, x.dtype, count, z, s)


def average_pool_backward(dy, cache):
    """Give every pixel of a window its equal share of dy; add, because windows overlap."""
    check_cache("average_pool", cache, tuple, np.dtype, np.ndarray, int, int)
    shape, dtype, count, z, s = cache
    check_fits("average_pool", count.ndim == 2)
    N, C, H, W = shape
    H_out, W_out = count.shape
    check_gradient("average_pool", dy, (N, C, H_out, W_out), dtype)

    dx_all = widened(shape, z, s, H_out, W_out, 0, dtype)
    for dplace in places_of(dx_all, z, s, H_out, W_out):
        dplace += dy / count
    dx = dx_all[:, :, :H, :W]
    return (dx,)
