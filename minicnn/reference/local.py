"""A locally connected layer (CIFAR-10 networks of Section 3.3): every place has its own kernels.

    y[n, k, i, j] = b[i, j, k] + Σ x[n, window of (i, j)] · w[i, j, k]

    x        (N, C, H, W)                   images
    w        (H_out, W_out, K, C, f, f)     K kernels for each place (i, j) of y
    b        (H_out, W_out, K) or (K,)      a bias for each of them, or one that all places share
    y        (N, K, H_out, W_out)           K maps
    window   (N, C·f·f)                     what the kernels of one place see of each image
    w_rows   (K, C·f·f)                     the kernels of one place, one a row
    y_here   (N, K)                         the outputs of one place

A convolution slides the same kernels over the image.  Here each place is a small fully connected
layer of its own, which sees one window.  The code of 2012 calls such layers `local` and gives every
place its own biases, too.
"""

import numpy as np

from ..checks import check_cache, check_gradient, check_local


def local_forward(x, w, b, stride=1, pad=0):
    """Return y and the cache that local_backward needs."""
    stride, pad = check_local(x, w, b, stride, pad)
    H_out, W_out, K, C, f, _ = w.shape
    N, x_padded = x.shape[0], with_border(x, pad)
    y = np.empty((N, K, H_out, W_out), x.dtype)
    for i, j in np.ndindex(H_out, W_out):
        window = window_of(x_padded, i, j, f, stride).reshape(N, C * f * f)
        w_rows = w[i, j].reshape(K, C * f * f)
        y_here = window @ w_rows.T  # (N, K)
        y[:, :, i, j] = y_here
    y += np.broadcast_to(b, (H_out, W_out, K)).transpose(2, 0, 1)
    return y, (x, w, b.ndim, stride, pad)


def local_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; dx is None with need_dx=False, as for the first layer."""
    check_cache("local", cache, np.ndarray, np.ndarray, int, int, int)
    x, w, b_ndim, stride, pad = cache
    H_out, W_out, K, _, f, _ = w.shape
    N, C, H, W = x.shape
    check_gradient("local", dy, (N, K, H_out, W_out), x.dtype)

    x_padded, dw = with_border(x, pad), np.empty_like(w)
    dx_padded = np.zeros_like(x_padded) if need_dx else None
    for i, j in np.ndindex(H_out, W_out):
        window = window_of(x_padded, i, j, f, stride).reshape(N, C * f * f)
        w_rows = w[i, j].reshape(K, C * f * f)
        dy_here = dy[:, :, i, j]  # (N, K)
        dw_rows = dy_here.T @ window  # forward: y_here = window @ w_rows.T
        dw[i, j] = dw_rows.reshape(K, C, f, f)
        if need_dx:
            dwindow = dy_here @ w_rows
            dx_here = window_of(dx_padded, i, j, f, stride)  # a view: this adds to dx_padded
            dx_here += dwindow.reshape(N, C, f, f)  # add, because windows overlap
    dx = dx_padded[:, :, pad : pad + H, pad : pad + W] if need_dx else None
    db = dy.sum(axis=0).transpose(1, 2, 0)  # (H_out, W_out, K)
    return dx, dw, db if b_ndim == 3 else db.sum(axis=(0, 1))


def with_border(x, pad):
    """Return x with `pad` zeros on every side of each map."""
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))


def window_of(x_padded, i, j, f, stride):
    """Return a view of the window of place (i, j) in every image: (N, C, f, f)."""
    return x_padded[:, :, i * stride : i * stride + f, j * stride : j * stride + f]
