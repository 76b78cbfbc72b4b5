"""Convolution, fast: im2col without the matrix.  The definition is reference/conv.py.

The reference copies every window into a column, f·f copies of every pixel, and multiplies the
columns by the kernels.  Here the product (product.py) reads each window in place, without a copy:
tables hold the offsets of the windows and of the entries in a window.  dx is the same product of dy
and the kernels, rotated by 180°; dw is a product of windows and dy.  From eight channels on,
winograd.py computes the same with a sixth to two fifths of the multiplications.

Winograd costs digits in float32: an output may be wrong by 3e-5 of the largest number in its tile
of 8×8 pixels.  A pixel of −9999 among numbers near 1, such as a marker of missing data, makes
outputs wrong by 0.3, including some whose windows do not contain it.  Nothing checks for such
pixels: a check would read all of x in every call, and images and activations have none.  If your
data has such pixels, replace them by numbers of the usual size, or compute in float64, where the
same error is 1e-13 of the largest number.

    x         (N, C, H, W)                images, channels last in memory: see layout.py
    w         (K, C/groups, f, f)         K kernels
    b         (K,)                        one bias per kernel
    y         (N, K, H_out, W_out)        K maps
    x_frame   (N, H_frame, W_frame, C)    pixels of x, with a border of zeros
    K_group   a number                    kernels in a group; C_group: channels
    panels    see product.py              the kernels, in vectors of LANES numbers
    corners   (N·H_out·W_out,)            offset of each window in x_frame
    taps      (f·f·C/groups,)             offset of each entry of a window from the window's corner
    outputs   (N·H_out·W_out,)            offset of each pixel in y
    parts     a number                    tasks for each panel, so that all threads are busy

The third argument of run(…) estimates the nanoseconds that one thread would take, at 40
multiply-adds a nanosecond.
"""

import numpy as np

from ..checks import check_cache, check_conv, check_fits, check_gradient
from ..shapes import out_size
from . import winograd
from .buffers import empty
from .layout import (
    as_contiguous,
    frame_pixels,
    from_pixels,
    pixel_table,
    to_pixels,
    window_table,
)
from .product import Output, Panels, Windows, correlate, multiply, pack_kernels, task_count, unpack
from .threads import parts_per_task, run
from .vector import LANES, round_up

CACHE_TYPES = np.ndarray, tuple, np.ndarray, tuple, int, int, int


def conv_forward(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):
    """Return y and the cache that conv_backward needs."""
    return convolve(x, w, b, stride, pad, groups, ceil_mode, floor=-np.inf)


def convolve(x, w, b, stride, pad, groups, ceil_mode, floor):
    """Return y, or `floor` where y is below it, and the cache."""
    stride, pad, groups, ceil_mode = check_conv(x, w, b, stride, pad, groups, ceil_mode)
    w, b = as_contiguous(w), as_contiguous(b)
    N, C, H, W = x.shape
    K, C_group, f, _ = w.shape
    H_out, W_out = out_size(H, f, stride, pad, ceil_mode), out_size(W, f, stride, pad, ceil_mode)
    H_frame = max(H + 2 * pad, stride * (H_out - 1) + f)
    W_frame = max(W + 2 * pad, stride * (W_out - 1) + f)

    w_groups = w.reshape(groups, K // groups, C_group, f, f)
    if winograd.pays(N, C_group, H_out, W_out, f, stride):
        x_pixels = to_pixels(x)
        y = from_pixels(winograd.forward(x_pixels, w_groups, b, pad, H_out, W_out, floor))
        return y, (x_pixels, x.shape, w, y.shape, stride, pad, groups)

    x_frame = frame_pixels(x, pad, pad, H_frame, W_frame)
    K_group, y = K // groups, empty((N, H_out, W_out, K), x.dtype)
    corners = pixel_table(x_frame.shape, H_out, W_out, stride=stride)
    taps = window_table(x_frame.shape, C_group, range(f), range(f))
    outputs = pixel_table(y.shape, H_out, W_out)
    panels = pack_kernels(w_groups)
    for g in range(groups):
        run(
            multiply, task_count(corners.size, K_group), corners.size * panels[g].size / 40,
            Windows(x_frame.reshape(-1), g * C_group, corners, taps),
            Panels(panels[g], b[g * K_group : (g + 1) * K_group], taps.size * LANES, LANES),
            Output(y.reshape(-1), g * K_group, outputs, floor),
        )  # fmt: skip
    y = from_pixels(y)
    return y, (x_frame, x.shape, w, y.shape, stride, pad, groups)


def conv_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; with need_dx=False, as for the first layer, dx is None."""
    dx = backward_x(dy, cache) if need_dx else None
    dw, db = backward_w(dy, cache)
    return dx, dw, db


def checked_cache(dy, cache):
    """Return the cache; raise if it or dy is not what forward returned, or belongs to."""
    check_cache("conv", cache, *CACHE_TYPES)
    x_frame, shape, w, y_shape, stride, pad, groups = cache
    check_gradient("conv", dy, y_shape, w.dtype)
    check_fits("conv", len(shape) == len(y_shape) == w.ndim == x_frame.ndim == 4)
    (N, C, H, W), (K, C_group, f, _), (H_out, W_out) = shape, w.shape, y_shape[2:]
    check_fits("conv", stride > 0 and pad >= 0 and groups > 0 and K % groups == 0)
    check_fits("conv", C == groups * C_group and y_shape[:2] == (N, K) and w.shape[2:] == (f, f))
    for size, out in ((H, H_out), (W, W_out)):
        check_fits("conv", out in [out_size(size, f, stride, pad, mode) for mode in (False, True)])
    if winograd.pays(N, C_group, H_out, W_out, f, stride):
        fits = x_frame.shape == (N, H, W, C)
    else:
        least = N, stride * (H_out - 1) + f, stride * (W_out - 1) + f, C
        fits = all(map(int.__ge__, x_frame.shape, least)) and x_frame.shape[::3] == (N, C)
    check_fits("conv", fits and x_frame.dtype == w.dtype)
    return cache


def backward_x(dy, cache):
    """Return dx: dy convolved with the kernels, whose taps are read in reverse order.

    In forward, row h of x met row i of a kernel where h + pad − i = stride·u, and the product went
    to row u of y.  So for each h only every stride-th i counts: the rows of dx fall into `stride`
    classes, and so do its columns.  Each class of pixels is a small convolution of its own, with
    every stride-th row and column of the kernels.

    i, j      a class: the first row and column of the kernels that count in it
    h_0, w_0  its first pixel; the others follow at a distance of `stride`
    u, v      the pixel of y that it met through entry (i, j): h_0 + pad − i = stride·u
    """
    x_frame, (N, C, H, W), w, y_shape, stride, pad, groups = checked_cache(dy, cache)
    K, C_group, f, _ = w.shape
    K_group = K // groups
    w_swapped = w.reshape(groups, K_group, C_group, f, f).swapaxes(1, 2)

    if winograd.pays(N, K_group, H, W, f, stride):
        rotated = w_swapped[..., ::-1, ::-1]
        no_bias = np.zeros(C, dy.dtype)
        dx = winograd.forward(to_pixels(dy), rotated, no_bias, f - 1 - pad, H, W, -np.inf)
        return from_pixels(dx)

    # The border of zeros around dy: the first row of dx reads rows of dy from −margin on, the last
    # row of dx reads up to row (H − 1 + pad) // stride.
    margin = max(0, (f - 1 - pad) // stride)
    H_frame = margin + max(y_shape[2], (H - 1 + pad) // stride + 1)
    W_frame = margin + max(y_shape[3], (W - 1 + pad) // stride + 1)
    dy_frame = frame_pixels(dy, margin, margin, H_frame, W_frame)
    dx, no_bias = empty((N, H, W, C), dy.dtype), np.zeros(C_group, dy.dtype)
    if stride > f:
        dx[:] = 0  # pixels between windows have no gradient
    for i in range(min(stride, f)):
        for j in range(min(stride, f)):
            u, v = -(min(0, i - pad) // stride), -(min(0, j - pad) // stride)  # h_0, w_0 ≥ 0
            h_0, w_0 = stride * u + i - pad, stride * v + j - pad
            rows, columns = -(-(H - h_0) // stride), -(-(W - w_0) // stride)
            if rows <= 0 or columns <= 0:
                continue
            corners = pixel_table(dy_frame.shape, rows, columns, margin + u, margin + v)
            taps = window_table(
                dy_frame.shape, K_group, reversed_taps(f, i, stride), reversed_taps(f, j, stride)
            )
            outputs = pixel_table(dx.shape, rows, columns, h_0, w_0, stride)
            panels = pack_kernels(w_swapped[..., i::stride, j::stride])
            for g in range(groups):
                run(
                    multiply, task_count(corners.size, C_group),
                    corners.size * panels[g].size / 40,
                    Windows(dy_frame.reshape(-1), g * K_group, corners, taps),
                    Panels(panels[g], no_bias, taps.size * LANES, LANES),
                    Output(dx.reshape(-1), g * C_group, outputs, -np.inf),
                )  # fmt: skip
    return from_pixels(dx)


def backward_w(dy, cache):
    """Return dw and db."""
    x_frame, shape, w, y_shape, stride, pad, groups = checked_cache(dy, cache)
    K, C_group, f, _ = w.shape
    K_group, panel_count = K // groups, round_up(K // groups) // LANES
    H_out, W_out = y_shape[2:]

    dy = to_pixels(dy)
    if winograd.pays(len(dy), C_group, H_out, W_out, f, stride):
        w_groups = w.reshape(groups, K_group, C_group, f, f)
        return winograd.backward_w(x_frame, dy, w_groups, pad)
    corners = pixel_table(x_frame.shape, H_out, W_out, stride=stride)
    taps = window_table(x_frame.shape, C_group, range(f), range(f))
    panels = empty((panel_count, f, f, C_group, LANES), w.dtype)
    parts = parts_per_task(panel_count)
    dw, db = empty(w.shape, w.dtype), empty((K,), w.dtype)
    for g in range(groups):
        run(
            correlate, panel_count * parts, corners.size * panels.size / 40,
            Windows(x_frame.reshape(-1), g * C_group, corners, taps),
            dy, g * K_group, panels.reshape(-1), db[g * K_group : (g + 1) * K_group], parts,
        )  # fmt: skip
        unpack(panels, dw[g * K_group : (g + 1) * K_group])
    return dw, db


def reversed_taps(f, i, stride):
    """Return the rows of dy, relative to the corner, that meet kernel rows i, i + stride, …"""
    return range(0, -len(range(i, f, stride)), -1)
