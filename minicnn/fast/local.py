"""A locally connected layer, fast.  The definition is reference/local.py.

Each place of y has a small matrix product of its own, of N windows and K kernels.  product.py has
the loops; the loops here go over the places.  dx is such a layer, too: a pixel of x collects from
f×f places of dy, through kernels of its own.

    x         (N, C, H, W)                        images
    w         (H_out, W_out, K, C, f, f)          K kernels for each place
    x_frame   (N, H_frame, W_frame, C)            pixels of x, with a border of zeros
    dy_frame  (N, H_frame, W_frame, K)            likewise; with a stride, also zeros in between
    panels    (places, ⌈K/LANES⌉, f, f, C, LANES) the kernels, in vectors of LANES numbers
    corners   (places,)                           offset of each place's window in image 0
    images    (N,)                                offset of each image
    taps      (f·f·C,)                            offset of each entry of a window from its corner
"""

import math

import numpy as np

from ..checks import check_cache, check_fits, check_gradient, check_local
from ..jit import njit
from ..shapes import out_size
from .buffers import empty
from .flags import LOOP
from .layout import (
    as_contiguous,
    flatten_pixels,
    frame_pixels,
    from_pixels,
    pixel_table,
    row_table,
    to_pixels,
    window_table,
)
from .product import Output, Panels, Windows, correlate_task, multiply_task, pack_group, unpack
from .threads import run
from .vector import LANES, round_up


def local_forward(x, w, b, stride=1, pad=0):
    """Return y and the cache that local_backward needs."""
    stride, pad = check_local(x, w, b, stride, pad)
    w, (H, W) = as_contiguous(w), x.shape[2:]
    H_out, W_out, K, C, f, _ = w.shape
    places = H_out * W_out
    x_frame = frame_pixels(x, pad, pad, H + 2 * pad, W + 2 * pad)
    panels = empty((places, round_up(K) // LANES, f, f, C, LANES), w.dtype)
    if K % LANES:
        panels[:, -1] = 0
    run(pack_loop, places, w.size, w.reshape(places, K, C, f, f), panels)
    b_places = np.empty((H_out, W_out, K), w.dtype)
    b_places[:] = b
    corners = pixel_table((1, *x_frame.shape[1:]), H_out, W_out, stride=stride)
    y = multiply_places(x_frame, corners, panels, b_places)
    return from_pixels(y), (x_frame, x.shape, w, b.ndim, stride, pad)


def local_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; with need_dx=False, as for the first layer, dx is None."""
    dx = backward_x(dy, cache) if need_dx else None
    dw, db = backward_w(dy, cache)
    return dx, dw, db


def checked_cache(dy, cache):
    """Return the cache; raise if it or dy is not what forward returned, or belongs to."""
    check_cache("local", cache, np.ndarray, tuple, np.ndarray, int, int, int)
    x_frame, shape, w, b_ndim, stride, pad = cache
    check_fits("local", w.ndim == 6 and len(shape) == x_frame.ndim == 4)
    (N, C, H, W), (H_out, W_out, K, _, f, _) = shape, w.shape
    check_gradient("local", dy, (N, K, H_out, W_out), w.dtype)
    check_fits("local", stride > 0 and pad >= 0 and w.shape[3:] == (C, f, f))
    check_fits("local", w.shape[:2] == (out_size(H, f, stride, pad), out_size(W, f, stride, pad)))
    check_fits("local", x_frame.shape == (N, H + 2 * pad, W + 2 * pad, C))
    check_fits("local", x_frame.dtype == w.dtype and b_ndim in (1, 3))
    return cache


def backward_x(dy, cache):
    """Return dx: pixel h met row i of the kernels of place u where h + pad − i = stride·u."""
    _, (N, C, H, W), w, _, stride, pad = checked_cache(dy, cache)
    H_out, W_out, K, _, f, _ = w.shape
    margin = max(0, f - 1 - pad)
    rows, columns = stride * (H_out - 1) + 1, stride * (W_out - 1) + 1
    if stride > 1:
        spread = np.zeros((N, K, rows, columns), w.dtype)
        spread[:, :, ::stride, ::stride] = dy
        dy = spread
    dy_frame = frame_pixels(
        dy, margin, margin, margin + max(rows, H + pad), margin + max(columns, W + pad)
    )
    panels = empty((H, W, round_up(C) // LANES, f, f, K, LANES), w.dtype)
    run(pack_back_loop, H * W, panels.size, w, stride, pad, panels)
    corner = pad - (f - 1) + margin
    corners = pixel_table((1, *dy_frame.shape[1:]), H, W, corner, corner)
    no_bias = np.zeros((H, W, C), w.dtype)
    dx = multiply_places(dy_frame, corners, panels.reshape(H * W, *panels.shape[2:]), no_bias)
    return from_pixels(dx)


def backward_w(dy, cache):
    """Return dw and db."""
    x_frame, _, w, b_ndim, stride, _ = checked_cache(dy, cache)
    H_out, W_out, K, C, f, _ = w.shape
    N, places = len(dy), H_out * W_out
    dy_rows = to_pixels(dy).reshape(N, 1, 1, places * K)
    panels = empty((places, round_up(K) // LANES, f, f, C, LANES), w.dtype)
    dw, db = empty(w.shape, w.dtype), empty((H_out, W_out, K), w.dtype)
    run(
        correlate_loop, places, N * panels.size / 40,
        pixel_table((1, *x_frame.shape[1:]), H_out, W_out, stride=stride),
        image_windows(x_frame, f), dy_rows, panels.reshape(places, -1), db.reshape(places, K),
    )  # fmt: skip
    run(unpack_loop, places, w.size, panels, dw.reshape(places, K, C, f, f))
    return dw, db if b_ndim == 3 else db.sum(axis=(0, 1))


def image_windows(frame, f):
    """Return the Windows of one place in all images; the place's corner is still to be added."""
    images = row_table(len(frame), math.prod(frame.shape[1:]))
    taps = window_table(frame.shape, frame.shape[3], range(f), range(f))
    return Windows(frame.reshape(-1), 0, images, taps)


def multiply_places(frame, corners, panels, b):
    """Return the products of each place's windows and kernels as pixels.

    Parameters
    ----------
    frame : array (N, H_frame, W_frame, C)
    corners : array (places,)
    panels : array (places, ⌈K/LANES⌉, f, f, C, LANES)
    b : array (rows, columns, K)
        The biases of rows·columns places.
    """
    N, places, (f, C) = len(frame), len(panels), panels.shape[2:5:2]
    y = empty((N, *b.shape), frame.dtype)
    run(
        multiply_loop, places, N * panels.size / 40, corners, image_windows(frame, f),
        Panels(panels.reshape(places, -1), b.reshape(places, -1), f * f * C * LANES, LANES),
        Output(y.reshape(-1), 0, row_table(N, b.size), -np.inf),
    )  # fmt: skip
    return y


@njit(**LOOP)
def multiply_loop(begin, end, corners, images, panels, output):
    K = panels.b.shape[1]
    for place in range(begin, end):
        windows = Windows(images.array, corners[place], images.corners, images.taps)
        kernels = Panels(panels.array[place], panels.b[place], panels.panel_step, panels.step)
        y = Output(output.array, place * K, output.outputs, output.floor)
        multiply_task(windows, kernels, y, 0, images.corners.size, 0, (K + LANES - 1) // LANES)


@njit(**LOOP)
def correlate_loop(begin, end, corners, images, dy, dw, db):
    dy, K = flatten_pixels(dy), db.shape[1]
    for place in range(begin, end):
        windows = Windows(images.array, corners[place], images.corners, images.taps)
        for panel in range((K + LANES - 1) // LANES):
            taps = images.taps.size
            correlate_task(windows, dy, place * K, dw[place], db[place], panel, 0, taps)


@njit(**LOOP)
def pack_loop(begin, end, w, panels):
    for place in range(begin, end):
        pack_group(w[place], panels[place])


@njit(**LOOP)
def unpack_loop(begin, end, panels, dw):
    for place in range(begin, end):
        unpack(panels[place], dw[place])


@njit(**LOOP)
def pack_back_loop(begin, end, w, stride, pad, panels):
    """Copy w to the kernels of dx: those of pixel (h, w) are what its places had, in reverse.

    Where no place is, and in lanes without a channel, they are zeros.
    """
    H_out, W_out, K, C, f, _ = w.shape
    _, W, count, _, _, _, _ = panels.shape
    for pixel in range(begin, end):
        panels[pixel // W, pixel % W] = 0
        for i in range(f):
            for j in range(f):
                row, column = pixel // W + pad - i, pixel % W + pad - j
                if row % stride == 0 and column % stride == 0:
                    row, column = row // stride, column // stride
                    if 0 <= row < H_out and 0 <= column < W_out:
                        for q in range(count):
                            lanes = panels[pixel // W, pixel % W, q, f - 1 - i, f - 1 - j]
                            kernels = w[row, column, :, q * LANES : (q + 1) * LANES, i, j]
                            for k in range(K):
                                for lane in range(kernels.shape[1]):
                                    lanes[k, lane] = kernels[k, lane]
