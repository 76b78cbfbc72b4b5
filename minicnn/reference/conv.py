"""Convolution (Sections 3.2 and 3.5), by im2col and one matrix product an image.

    y[n, k] = b[k] + Σ_c x[n, c] ⋆ w[k, c]      ⋆ slides the kernel over the image, never turned

    x       (N, C, H, W)                           images
    w       (K, C/groups, f, f)                    K kernels
    b       (K,)                                   one bias a kernel
    y       (N, K, H_out, W_out)                   K maps
    w_rows  (groups, K/groups, C/groups·f·f)       the kernels, one a row
    cols    (groups, C/groups·f·f, H_out·W_out)    the windows of image n, see im2col.py
    y_n     (groups, K/groups, H_out·W_out)        the maps of image n, without the bias

With groups=2 the first half of the kernels sees only the first half of the channels, and the
second half the second: the two columns of the paper's Figure 2 in one layer.  Channels come in
order, so in the columns, too, each group is one block of rows.  With groups=1 the first axis is 1.
"""

import numpy as np

from ..checks import check_cache, check_conv, check_gradient
from ..shapes import out_size
from .im2col import col2im, im2col


def conv_forward(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):
    """Return y and the cache that conv_backward needs."""
    stride, pad, groups, ceil_mode = check_conv(x, w, b, stride, pad, groups, ceil_mode)
    N, C, H, W = x.shape
    K, _, f, _ = w.shape
    H_out, W_out = out_size(H, f, stride, pad, ceil_mode), out_size(W, f, stride, pad, ceil_mode)

    w_rows = w.reshape(groups, K // groups, -1)  # (groups, K/groups, C/groups·f·f)
    y = np.empty((N, K, H_out, W_out), x.dtype)
    for n in range(N):
        cols = im2col(x[n], f, stride, pad, H_out, W_out)  # (C·f·f, H_out·W_out)
        cols = cols.reshape(groups, -1, H_out * W_out)  # (groups, C/groups·f·f, H_out·W_out)
        y_n = w_rows @ cols  # (groups, K/groups, H_out·W_out)
        y[n] = y_n.reshape(K, H_out, W_out) + b[:, None, None]
    return y, (x, w, y.shape, stride, pad, groups)


def conv_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; dx is None where nobody needs it: no row before the first one learns.

    The windows are laid out again: keeping them would take f·f times the memory of x.
    """
    check_cache("conv", cache, np.ndarray, np.ndarray, tuple, int, int, int)
    x, w, y_shape, stride, pad, groups = cache
    check_gradient("conv", dy, y_shape, x.dtype)
    N, C, H, W = x.shape
    K, _, f, _ = w.shape
    H_out, W_out = y_shape[2:]

    w_rows = w.reshape(groups, K // groups, -1)
    dw_rows = np.zeros_like(w_rows)
    dx = np.empty_like(x) if need_dx else None
    for n in range(N):
        cols = im2col(x[n], f, stride, pad, H_out, W_out)
        cols = cols.reshape(groups, -1, H_out * W_out)
        dy_n = dy[n].reshape(groups, K // groups, -1)
        dw_rows += dy_n @ cols.transpose(0, 2, 1)  # forward: y_n = w_rows @ cols
        if need_dx:
            dcols = w_rows.transpose(0, 2, 1) @ dy_n  # (groups, C/groups·f·f, H_out·W_out)
            dcols = dcols.reshape(C * f * f, -1)
            dx[n] = col2im(dcols, (C, H, W), f, stride, pad, H_out, W_out)
    db = dy.sum(axis=(0, 2, 3))  # forward: b is added at every place of every image
    return dx, dw_rows.reshape(w.shape), db
