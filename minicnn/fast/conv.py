"""Convolution, fast: im2col without the matrix.  The definition is reference/conv.py.

The reference copies every window into a column, f·f copies of every pixel, and multiplies the
columns by the kernels.  Here the product (product.py) reads each window in place, without a copy:
tables hold the offsets of the windows and of the entries in a window.  dx is the same product of dy
and the kernels, rotated by 180°; dw is a product of windows and dy.

Two files compute the same with fewer multiplications: winograd.py from eight channels on, with a
sixth to two fifths, and winograd_rows.py for fewer, with two fifths to a half.  With a stride, x is
cut into blocks of stride×stride pixels.  A block is one pixel of stride·stride·C channels, and a
kernel of f×f pixels is one of ⌈f/stride⌉×⌈f/stride⌉ blocks, with stride 1.  So AlexNet's conv1, of
11×11 pixels and stride 4, takes the same path: it has 48 channels and 3×3 weights.

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
    x_frame   (N, H_frame, W_frame, C)    pixels of x, with a border of zeros; in the cache of
                                          winograd.py, x_pixels or x_blocks
    x_blocks  (N, ⌈H_frame/stride⌉, ⌈W_frame/stride⌉, stride·stride·C)
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
from ..jit import njit
from ..shapes import out_size
from . import winograd, winograd_rows
from .buffers import empty
from .flags import LOOP
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

    if winograd_pays(N, C_group, groups, H_out, W_out, f, stride):
        if stride == 1:
            x_blocks, border = to_pixels(x), pad  # winograd.py reads zeros outside
        else:
            sides = [-(-side // stride) * stride for side in (H_frame, W_frame)]
            x_blocks, border = frame_pixels(x, pad, pad, *sides, stride), 0
        w_blocks = kernel_blocks(w, groups, stride)
        y = from_pixels(winograd.forward(x_blocks, w_blocks, b, border, H_out, W_out, floor))
        return y, (x_blocks, x.shape, w, y.shape, stride, pad, groups)

    x_frame = frame_pixels(x, pad, pad, H_frame, W_frame)
    if winograd_rows.pays(C, groups, W_out, f, stride):
        y = from_pixels(winograd_rows.forward(x_frame, w, b, H_out, W_out, floor))
        return y, (x_frame, x.shape, w, y.shape, stride, pad, groups)

    K_group, y = K // groups, empty((N, H_out, W_out, K), x.dtype)
    corners = pixel_table(x_frame.shape, H_out, W_out, stride=stride)
    taps = window_table(x_frame.shape, C_group, range(f), range(f))
    outputs = pixel_table(y.shape, H_out, W_out)
    panels = pack_kernels(w.reshape(groups, K_group, C_group, f, f))
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
    if winograd_pays(N, C_group, groups, H_out, W_out, f, stride):
        least = N, H_out - 1 - (-f // stride), W_out - 1 - (-f // stride), C * stride * stride
        fits = all(map(int.__ge__, x_frame.shape, least)) and x_frame.shape[::3] == least[::3]
        fits = x_frame.shape == (N, H, W, C) if stride == 1 else fits
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

    if stride == 1 and winograd.pays(N, K_group, H, W, f, stride):
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
    if winograd_pays(len(dy), C_group, groups, H_out, W_out, f, stride):
        w_blocks = kernel_blocks(w, groups, stride)
        dw_blocks, db = winograd.backward_w(x_frame, dy, w_blocks, pad if stride == 1 else 0)
        dw = dw_blocks if stride == 1 else empty(w.shape, w.dtype)
        if stride > 1:
            join_blocks(dw_blocks, stride, dw)
        return dw, db
    if winograd_rows.pays(x_frame.shape[3], groups, W_out, f, stride):
        return winograd_rows.backward_w(x_frame, dy, w)
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


def winograd_pays(N, C_group, groups, H_out, W_out, f, stride):
    """Return whether forward and dw use winograd.py; blocks do not keep groups apart."""
    blocks = stride == 1 or groups == 1
    return blocks and winograd.pays(N, C_group, H_out, W_out, f, stride)


def kernel_blocks(w, groups, stride):
    """Return w as (groups, K_group, stride·stride·C_group, ⌈f/stride⌉, ⌈f/stride⌉)."""
    K, C, f, _ = w.shape
    if stride == 1:
        return w.reshape(groups, K // groups, C, f, f)
    side = -(-f // stride) * stride
    return as_contiguous(from_pixels(frame_pixels(w, 0, 0, side, side, stride)))[None]


@njit(**LOOP)
def join_blocks(blocks, stride, w):
    """Write w (K, C, f, f) from its blocks (K, stride·stride·C, ⌈f/stride⌉, ⌈f/stride⌉)."""
    K, C, f, _ = w.shape
    for k in range(K):
        for c in range(C):
            for i in range(f):
                for j in range(f):
                    channel = (i % stride * stride + j % stride) * C + c
                    w[k, c, i, j] = blocks[k, channel, i // stride, j // stride]


def reversed_taps(f, i, stride):
    """Return the rows of dy, relative to the corner, that meet kernel rows i, i + stride, …"""
    return range(0, -len(range(i, f, stride)), -1)
