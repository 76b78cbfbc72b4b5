"""Convolution, fast: im2col that is never written.  The definition is reference/conv.py.

There, every window is copied into a column, f·f copies of every pixel, and a matrix product
multiplies the columns.  Here the product (product.py) reads the columns straight from the image,
through a table that says where each entry of a window lies; and it works on sixteen images at
once (blocks.py).

    x         (N, C, H, W)                 images
    w         (K, C/groups, f, f)          K kernels
    b         (K,)                         one bias a kernel
    y         (N, K, H_out, W_out)         K maps
    …_blocks  (B, …, H_all, W_all, 16)     the same, sixteen images a block, with zeros around them
    …_flat                                 the same blocks, seen as one long row of numbers
    walk_…                                 the way through them for a product, see blocks.py
    taps      (C/groups·f·f,)              how far each entry of a window lies from its corner
    quads     (…, C/groups·f·f, 4)         the kernels in fours, see product.py
"""

import numpy as np

from ..checks import check_conv, check_gradient
from ..shapes import out_size
from .blocks import blocks_of, read_blocks, walk
from .product import convolve, correlate, quads_of, tap_table
from .vector import LANES


def conv_forward(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):
    """Return y and the cache that conv_backward needs."""
    check_conv(x, w, b, stride, pad, groups, ceil_mode)
    N, C, H, W = x.shape
    K, C_group, f, _ = w.shape
    K_group = K // groups
    H_out, W_out = out_size(H, f, stride, pad, ceil_mode), out_size(W, f, stride, pad, ceil_mode)
    H_all = max(H + 2 * pad, stride * (H_out - 1) + f)
    W_all = max(W + 2 * pad, stride * (W_out - 1) + f)

    x_blocks = blocks_of(x, pad, pad, H_all, W_all)
    x_flat, B = x_blocks.ravel(), len(x_blocks)
    taps = tap_table(C_group, range(f), range(f), x_blocks.shape)
    y = np.empty((N, K, H_out, W_out), x.dtype)
    for g in range(groups):
        kernels = slice(g * K_group, (g + 1) * K_group)
        quads = quads_of(w[kernels].reshape(K_group, -1)).ravel()
        b_quads = quads_of(b[kernels].reshape(K_group, 1)).ravel()
        y_blocks = np.empty((B, b_quads.size, H_out, W_out, LANES), x.dtype)
        y_flat = y_blocks.reshape(-1)  # a view: convolve fills y_blocks through it
        walk_x = walk(x_blocks, channel=g * C_group, stride=stride)
        walk_y = walk(y_blocks)  # y_blocks holds this group alone
        convolve(x_flat, walk_x, taps, quads, b_quads, y_flat, walk_y, B, H_out, W_out)
        read_blocks(y_blocks, y, g * K_group, K_group)
    return y, (x_blocks, x.shape, w, y.shape, stride, pad, groups)


def conv_backward(dy, cache):
    """Return dx, dw, db."""
    x_blocks, shape, w, y_shape, stride, pad, groups = cache
    check_gradient("conv", dy, y_shape, w.dtype)
    N, C, H, W = shape
    K, C_group, f, _ = w.shape
    K_group = K // groups
    H_out, W_out = y_shape[2:]

    margin = (f - 1) // stride  # zeros before dy: a window may begin this many steps before a pixel
    # after it, zeros up to the last row of windows that the last row of pixels asks for
    H_all = margin + max(H_out, (H - 1 + pad) // stride + 1)
    W_all = margin + max(W_out, (W - 1 + pad) // stride + 1)
    dy_blocks = blocks_of(dy, margin, margin, H_all, W_all)
    x_flat, dy_flat, B = x_blocks.ravel(), dy_blocks.ravel(), len(x_blocks)
    dx, dw = np.empty(shape, dy.dtype), np.empty_like(w)
    taps = tap_table(C_group, range(f), range(f), x_blocks.shape)
    for g in range(groups):
        kernels = slice(g * K_group, (g + 1) * K_group)
        dx_blocks = backward_x(dy_blocks, g * K_group, w[kernels], (H, W), stride, pad, margin)
        read_blocks(dx_blocks, dx, g * C_group, C_group)
        walk_dy = walk(dy_blocks, g * K_group, margin, margin)
        walk_x = walk(x_blocks, channel=g * C_group, stride=stride)
        dw_rows = correlate(dy_flat, walk_dy, K_group, x_flat, walk_x, taps, B, H_out, W_out)
        dw[kernels] = dw_rows.reshape(K_group, C_group, f, f)
    db = dy.sum(axis=(0, 2, 3))
    return dx, dw, db


def backward_x(dy_blocks, first, w, size, stride, pad, margin):
    """Return dx in blocks: dy convolved with the kernels, which are walked through backwards.

    Forward, row h of x met row i of a kernel if h + pad − i = stride·u, and their product went to
    row u of y.  So for each h only every stride-th i counts: the rows of dx fall into `stride`
    classes, and so do its columns.  Each class of pixels is a small convolution of its own, with
    every stride-th row and column of the kernels.

    first     the group's first channel in dy_blocks
    i, j      a class: the first row and column of the kernels that count in it
    h_0, w_0  its first pixel; the others lie `stride` apart
    u, v      where (i, j) of the kernels sends that pixel: h_0 + pad − i = stride·u
    """
    K, C, f, _ = w.shape
    H, W = size
    B = len(dy_blocks)
    dx_blocks = np.zeros((B, 4 * -(-C // 4), H, W, LANES), w.dtype)  # channels in fours, as quads
    dy_flat, dx_flat = dy_blocks.ravel(), dx_blocks.ravel()
    no_bias = np.zeros(dx_blocks.shape[1], w.dtype)
    for i in range(min(stride, f)):  # where stride > f, pixels between windows stay 0
        for j in range(min(stride, f)):
            w_class = w[:, :, i::stride, j::stride].transpose(1, 0, 2, 3)  # (C, K, rows, columns)
            _, _, rows, columns = w_class.shape
            taps = tap_table(K, -np.arange(rows), -np.arange(columns), dy_blocks.shape)
            u, v = -(min(0, i - pad) // stride), -(min(0, j - pad) // stride)  # h_0, w_0 ≥ 0
            quads = quads_of(w_class.reshape(C, -1)).ravel()
            h_0, w_0 = stride * u + i - pad, stride * v + j - pad
            H_class, W_class = -(-(H - h_0) // stride), -(-(W - w_0) // stride)
            walk_dy = walk(dy_blocks, first, margin + u, margin + v)
            walk_dx = walk(dx_blocks, 0, h_0, w_0, stride)
            convolve(dy_flat, walk_dy, taps, quads, no_bias, dx_flat, walk_dx, B, H_class, W_class)
    return dx_blocks
