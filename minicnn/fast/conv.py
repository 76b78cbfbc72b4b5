"""Convolution, fast: im2col that is never written.  The definition is reference/conv.py.

There, every window is copied into a column, f·f copies of every pixel, and a matrix product
multiplies the columns.  Here the product (product.py) reads the windows where they lie, through
tables that say where each window begins and where its entries are.  dx is the same product, of dy
and the kernels turned around; dw multiplies windows and dy.  From eight channels on,
winograd.py computes the same with a sixth to two fifths of the multiplications.

In float32 that costs digits: an output may be wrong by 3e-5 of the largest number in its tile of
8×8 pixels.  A pixel of −9999 among numbers near 1, say one that marks what is missing, makes
outputs wrong by 0.3, even some whose windows do not hold it.  To look for such a pixel would take
a pass over x in every call, and images and activations have none; so it is not looked for.  Where
there may be one, put a number of the usual size in its place, or compute in float64, where the
same error is 1e-13 of the largest number.

    x         (N, C, H, W)                images; their memory is channels last, see layout.py
    w         (K, C/groups, f, f)         K kernels
    b         (K,)                        one bias a kernel
    y         (N, K, H_out, W_out)        K maps
    x_frame   (N, H_all, W_all, C)        pixels of x, with zeros around them
    K_group   a number                    kernels in a group
    K_wide    a number                    the same, rounded up to whole vectors; also C_wide
    y_wide    (…, groups·K_wide)          pixels of y, each group filled up to K_wide channels
    panels    see product.py              the kernels, in vectors of LANES numbers
    corners   (N·H_out·W_out,)            where each window begins, in the memory of x_frame
    taps      (f·f·C/groups,)             how far from its corner each entry of a window is
    places    (N·H_out·W_out,)            where each pixel of y_wide is
    parts     a number                    of a panel's work, so that all threads have as much to do

run(…)'s second number is how long all of it takes one thread: 40 multiply-adds a nanosecond.
"""

import numpy as np

from ..checks import check_cache, check_conv, check_gradient
from ..shapes import out_size
from . import winograd
from .buffers import empty
from .layout import (
    contiguous,
    cut,
    filled,
    framed,
    images,
    pixel_table,
    pixels_of,
    window_table,
)
from .product import Output, Panels, Windows, correlate, multiply, packed, tasks, unpack
from .threads import run, shares
from .vector import LANES, round_up

PARTS = np.ndarray, tuple, np.ndarray, tuple, int, int, int  # of a cache


def conv_forward(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):
    """Return y and the cache that conv_backward needs."""
    return convolve(x, w, b, stride, pad, groups, ceil_mode, least=-np.inf)


def convolve(x, w, b, stride, pad, groups, ceil_mode, least):
    """Return y, or `least` where y is not larger, and the cache."""
    stride, pad, groups, ceil_mode = check_conv(x, w, b, stride, pad, groups, ceil_mode)
    w = contiguous(w)
    N, C, H, W = x.shape
    K, C_group, f, _ = w.shape
    H_out, W_out = out_size(H, f, stride, pad, ceil_mode), out_size(W, f, stride, pad, ceil_mode)
    H_all = max(H + 2 * pad, stride * (H_out - 1) + f)
    W_all = max(W + 2 * pad, stride * (W_out - 1) + f)

    w_groups = w.reshape(groups, K // groups, C_group, f, f)
    if winograd.pays(N, C_group, H_out, W_out, f, stride):
        x_pixels = filled(pixels_of(x), groups)
        y_wide = winograd.forward(x_pixels, w_groups, b, pad, H_out, W_out, least)
        y = images(cut(y_wide, K, groups))
        return y, (x_pixels, x.shape, w, y.shape, stride, pad, groups)

    x_frame = framed(x, pad, pad, H_all, W_all)
    K_group, K_wide = K // groups, round_up(K // groups)
    y_wide = empty((N, H_out, W_out, groups * K_wide), x.dtype)
    corners = pixel_table(x_frame.shape, H_out, W_out, stride=stride)
    taps = window_table(x_frame.shape, C_group, range(f), range(f))
    places = pixel_table(y_wide.shape, H_out, W_out)
    panels = packed(w_groups)
    for g in range(groups):
        b_wide = np.zeros(K_wide, x.dtype)
        b_wide[:K_group] = b[g * K_group : (g + 1) * K_group]
        run(
            multiply, tasks(corners.size, K_wide), corners.size * panels[g].size / 40,
            Windows(x_frame.reshape(-1), g * C_group, corners, taps),
            Panels(panels[g], b_wide, taps.size * LANES, LANES),
            Output(y_wide.reshape(-1), g * K_wide, places, least),
        )  # fmt: skip
    y = images(cut(y_wide, K, groups))
    return y, (x_frame, x.shape, w, y.shape, stride, pad, groups)


def conv_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; dx is None where nobody needs it, as in the first layer."""
    dx = backward_x(dy, cache) if need_dx else None
    dw, db = backward_w(dy, cache)
    return dx, dw, db


def backward_x(dy, cache):
    """Return dx: dy convolved with the kernels, which are walked through backwards.

    Forward, row h of x met row i of a kernel if h + pad − i = stride·u, and their product went to
    row u of y.  So for each h only every stride-th i counts: the rows of dx fall into `stride`
    classes, and so do its columns.  Each class of pixels is a small convolution of its own, with
    every stride-th row and column of the kernels.

    i, j      a class: the first row and column of the kernels that count in it
    h_0, w_0  its first pixel; the others lie `stride` apart
    u, v      where (i, j) of the kernels sends that pixel: h_0 + pad − i = stride·u
    """
    check_cache("conv", cache, *PARTS)
    x_frame, (N, C, H, W), w, y_shape, stride, pad, groups = cache
    check_gradient("conv", dy, y_shape, w.dtype)
    K, C_group, f, _ = w.shape
    K_group, C_wide = K // groups, round_up(C_group)
    w_swapped = w.reshape(groups, K_group, C_group, f, f).swapaxes(1, 2)

    if winograd.pays(N, K_group, H, W, f, stride):
        turned = w_swapped[..., ::-1, ::-1]
        dy_pixels, no_bias = filled(pixels_of(dy), groups), np.zeros(C, dy.dtype)
        dx_wide = winograd.forward(dy_pixels, turned, no_bias, f - 1 - pad, H, W, -np.inf)
        return images(cut(dx_wide, C, groups))

    # Zeros around dy: the first row of pixels asks for rows from −margin on, and the last row for
    # row (H − 1 + pad) // stride.
    margin = max(0, (f - 1 - pad) // stride)
    H_all = margin + max(y_shape[2], (H - 1 + pad) // stride + 1)
    W_all = margin + max(y_shape[3], (W - 1 + pad) // stride + 1)
    dy_frame = framed(dy, margin, margin, H_all, W_all)
    dx_wide = empty((N, H, W, groups * C_wide), dy.dtype)
    no_bias = np.zeros(C_wide, dy.dtype)
    if stride > f:
        dx_wide[:] = 0  # pixels between windows stay 0
    for i in range(min(stride, f)):
        for j in range(min(stride, f)):
            u, v = -(min(0, i - pad) // stride), -(min(0, j - pad) // stride)  # h_0, w_0 ≥ 0
            h_0, w_0 = stride * u + i - pad, stride * v + j - pad
            rows, columns = -(-(H - h_0) // stride), -(-(W - w_0) // stride)
            if rows <= 0 or columns <= 0:
                continue
            corners = pixel_table(dy_frame.shape, rows, columns, margin + u, margin + v)
            taps = window_table(
                dy_frame.shape, K_group, backwards(f, i, stride), backwards(f, j, stride)
            )
            places = pixel_table(dx_wide.shape, rows, columns, h_0, w_0, stride)
            panels = packed(w_swapped[..., i::stride, j::stride])
            for g in range(groups):
                run(
                    multiply, tasks(corners.size, C_wide), corners.size * panels[g].size / 40,
                    Windows(dy_frame.reshape(-1), g * K_group, corners, taps),
                    Panels(panels[g], no_bias, taps.size * LANES, LANES),
                    Output(dx_wide.reshape(-1), g * C_wide, places, -np.inf),
                )  # fmt: skip
    return images(cut(dx_wide, C, groups))


def backward_w(dy, cache):
    """Return dw and db."""
    check_cache("conv", cache, *PARTS)
    x_frame, shape, w, y_shape, stride, pad, groups = cache
    check_gradient("conv", dy, y_shape, w.dtype)
    K, C_group, f, _ = w.shape
    K_group, K_wide = K // groups, round_up(K // groups)
    H_out, W_out = y_shape[2:]

    dy_wide = filled(pixels_of(dy), groups)
    if winograd.pays(len(dy), C_group, H_out, W_out, f, stride):
        return winograd.backward_w(x_frame, dy_wide, w.reshape(groups, K_group, C_group, f, f), pad)
    corners = pixel_table(x_frame.shape, H_out, W_out, stride=stride)
    taps = window_table(x_frame.shape, C_group, range(f), range(f))
    panels = empty((K_wide // LANES, f, f, C_group, LANES), w.dtype)
    parts = shares(K_wide // LANES)
    dw, db, db_wide = empty(w.shape, w.dtype), empty((K,), w.dtype), empty((K_wide,), w.dtype)
    for g in range(groups):
        run(
            correlate, K_wide // LANES * parts, corners.size * panels.size / 40,
            Windows(x_frame.reshape(-1), g * C_group, corners, taps),
            dy_wide, g * K_wide, panels.reshape(-1), db_wide, parts,
        )  # fmt: skip
        unpack(panels, dw[g * K_group : (g + 1) * K_group])
        db[g * K_group : (g + 1) * K_group] = db_wide[:K_group]
    return dw, db


def backwards(f, i, stride):
    """Return how far from the corner rows i, i + stride, … of a turned kernel are: 0, −1, …"""
    return range(0, -len(range(i, f, stride)), -1)
