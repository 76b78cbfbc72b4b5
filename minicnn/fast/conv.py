"""Convolution, fast: im2col that is never written.  The definition is reference/conv.py.

There, every window is copied into a column, f·f copies of every pixel, and a matrix product multiplies the
columns.  Here the product (product.py) reads the columns straight from the image, through a table that says
where each entry of a window lies; and it works on sixteen images at once (blocks.py).

    x     (N, C, H, W)              images
    w     (K, C/groups, f, f)       K kernels
    b     (K,)                      one bias a kernel
    y     (N, K, H_out, W_out)      K maps
    …_blocks                        the same in blocks of sixteen images, with zeros around them
    taps  (C/groups·f·f,)           how far each entry of a window lies from its corner
"""

import numpy as np

from ..checks import check_conv, check_gradient
from ..shapes import out_size
from .blocks import blocks_of, read_blocks, walk
from .product import convolve, correlate, quads_of, tap_table
from .vector import LANES


def conv_forward(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):
    """Return y and the cache that conv_backward needs."""
    check_conv(x, w, b, stride, pad, groups)
    N, C, H, W = x.shape
    K, C_group, f, _ = w.shape
    K_group = K // groups
    H_out, W_out = out_size(H, f, stride, pad, ceil_mode), out_size(W, f, stride, pad, ceil_mode)
    H_all = max(H + 2 * pad, stride * (H_out - 1) + f)
    W_all = max(W + 2 * pad, stride * (W_out - 1) + f)

    x_blocks = blocks_of(x, pad, pad, H_all, W_all)
    taps = tap_table(C_group, range(f), range(f), x_blocks.shape)
    y = np.empty((N, K, H_out, W_out), x.dtype)
    for g in range(groups):
        kernels = slice(g * K_group, (g + 1) * K_group)
        quads = quads_of(w[kernels].reshape(K_group, -1))
        b_quads = quads_of(b[kernels].reshape(K_group, 1)).ravel()
        y_blocks = np.empty((len(x_blocks), 4 * len(quads), H_out, W_out, LANES), x.dtype)
        walk_x = walk(x_blocks, channel=g * C_group, stride=stride)
        convolve(
            x_blocks.ravel(), walk_x, taps, quads, b_quads, y_blocks.ravel(), walk(y_blocks),
            len(x_blocks), H_out, W_out,
        )  # fmt: skip
        read_blocks(y_blocks, y, g * K_group, K_group)
    return y, (x_blocks, x.shape, w, stride, pad, groups)


def conv_backward(dy, cache):
    """Return dx, dw, db."""
    x_blocks, shape, w, stride, pad, groups = cache
    N, C, H, W = shape
    K, C_group, f, _ = w.shape
    K_group = K // groups
    H_out, W_out = dy.shape[2:]
    check_gradient("conv", dy, (N, K, H_out, W_out), w.dtype)

    margin = (f - 1) // stride  # zeros before dy: a window may begin this many steps before a pixel
    H_all = margin + max(H_out, (H - 1 + pad) // stride + 1)
    W_all = margin + max(W_out, (W - 1 + pad) // stride + 1)
    dy_blocks = blocks_of(dy, margin, margin, H_all, W_all)
    dx, dw = np.empty(shape, dy.dtype), np.empty_like(w)
    taps = tap_table(C_group, range(f), range(f), x_blocks.shape)
    for g in range(groups):
        kernels = slice(g * K_group, (g + 1) * K_group)
        dx_blocks = backward_x(dy_blocks, g * K_group, w[kernels], (H, W), stride, pad, margin)
        read_blocks(dx_blocks, dx, g * C_group, C_group)
        dw_rows = correlate(
            dy_blocks.ravel(), walk(dy_blocks, g * K_group, margin, margin), K_group,
            x_blocks.ravel(), walk(x_blocks, channel=g * C_group, stride=stride), taps,
            len(x_blocks), H_out, W_out,
        )  # fmt: skip
        dw[kernels] = dw_rows.reshape(K_group, C_group, f, f)
    db = dy.sum(axis=(0, 2, 3))
    return dx, dw, db


def backward_x(dy_blocks, first, w, size, stride, pad, margin):
    """Return dx in blocks: dy convolved with the kernels turned by half a circle.

    Row h of dx has met kernel row i where h + pad − i is a multiple u of the stride, the row of dy that it went to.
    So the rows fall into `stride` classes by i, and so do the columns: each class of pixels is a small
    convolution with every stride-th row and column of the kernels.
    """
    K, C, f, _ = w.shape
    H, W = size
    B = len(dy_blocks)
    dx_blocks = np.zeros((B, 4 * -(-C // 4), H, W, LANES), w.dtype)
    no_bias = np.zeros(dx_blocks.shape[1], w.dtype)
    for i in range(min(stride, f)):
        for j in range(min(stride, f)):
            w_class = w[:, :, i::stride, j::stride].transpose(1, 0, 2, 3)  # (C, K, rows, columns)
            _, _, rows, columns = w_class.shape
            taps = tap_table(K, -np.arange(rows), -np.arange(columns), dy_blocks.shape)
            u, v = -(min(0, i - pad) // stride), -(min(0, j - pad) // stride)
            h_0, w_0 = stride * u + i - pad, stride * v + j - pad  # the first pixel of the class
            convolve(
                dy_blocks.ravel(), walk(dy_blocks, first, margin + u, margin + v),
                taps, quads_of(w_class.reshape(C, -1)), no_bias,
                dx_blocks.ravel(), walk(dx_blocks, 0, h_0, w_0, stride),
                B, -(-(H - h_0) // stride), -(-(W - w_0) // stride),
            )  # fmt: skip
    return dx_blocks
