"""A second solution of every exercise, in loops, as a learner may write it.

The tutor edits these functions, and the library's, to find mistakes that give a learner's numbers:
`=` for `+=` in a loop does not give the same numbers as in a whole array.  A test checks that they
agree with the library.
"""

import numpy as np

from minicnn.shapes import out_size, pool_size


def relu_forward(x):
    y = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        if x[place] > 0:
            y[place] = x[place]
    return y, (y,)


def relu_backward(dy, cache):
    (y,) = cache
    dx = np.zeros_like(dy)
    for place in np.ndindex(y.shape):
        if y[place] > 0:
            dx[place] = dy[place]
    return (dx,)


def tanh_backward(dy, cache):
    (y,) = cache
    slope = 1 - y**2
    dx = slope * dy
    return (dx,)


def fc_forward(x, w, b):
    N, K = len(x), len(w)
    y = np.zeros((N, K), x.dtype)
    for n in range(N):
        for k in range(K):
            y[n, k] = np.sum(x[n].ravel() * w[k]) + b[k]
    return y, (x, w)


def fc_backward(dy, cache, need_dx=True):
    x, w = cache
    N, K = dy.shape
    x_rows = x.reshape(N, -1)
    dx_rows, dw, db = np.zeros_like(x_rows), np.zeros_like(w), np.zeros(K, x.dtype)
    for n in range(N):
        for k in range(K):
            dx_rows[n] += dy[n, k] * w[k]
            dw[k] += dy[n, k] * x_rows[n]
            db[k] += dy[n, k]
    return dx_rows.reshape(x.shape), dw, db


def im2col(x, f, stride, pad, H_out, W_out):
    C, H, W = x.shape
    x_pad = np.zeros((C, H + 2 * pad + f * stride, W + 2 * pad + f * stride), x.dtype)
    x_pad[:, pad : pad + H, pad : pad + W] = x
    cols = np.zeros((C * f * f, H_out * W_out), x.dtype)
    for i in range(H_out):
        for j in range(W_out):
            window = x_pad[:, i * stride : i * stride + f, j * stride : j * stride + f]
            cols[:, i * W_out + j] = window.ravel()
    return cols


def col2im(dcols, shape, f, stride, pad, H_out, W_out):
    C, H, W = shape
    dx_pad = np.zeros((C, H + 2 * pad + f * stride, W + 2 * pad + f * stride), dcols.dtype)
    for i in range(H_out):
        for j in range(W_out):
            window = dcols[:, i * W_out + j].reshape(C, f, f)
            dx_pad[:, i * stride : i * stride + f, j * stride : j * stride + f] += window
    return dx_pad[:, pad : pad + H, pad : pad + W]


def conv_forward(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):
    N, C, H, W = x.shape
    K, C_group, f, _ = w.shape
    H_out, W_out = out_size(H, f, stride, pad, ceil_mode), out_size(W, f, stride, pad, ceil_mode)
    x_pad = np.zeros((N, C, H + 2 * pad + stride, W + 2 * pad + stride), x.dtype)
    x_pad[:, :, pad : pad + H, pad : pad + W] = x
    y = np.zeros((N, K, H_out, W_out), x.dtype)
    for n in range(N):
        for k in range(K):
            c = k // (K // groups) * C_group
            for i in range(H_out):
                for j in range(W_out):
                    top, left = i * stride, j * stride
                    window = x_pad[n, c : c + C_group, top : top + f, left : left + f]
                    y[n, k, i, j] = np.sum(window * w[k]) + b[k]
    return y, (x, w, y.shape, stride, pad, groups)


def conv_backward(dy, cache, need_dx=True):
    x, w, y_shape, stride, pad, groups = cache
    N, C, H, W = x.shape
    K, C_group, f, _ = w.shape
    H_out, W_out = y_shape[2:]
    x_pad = np.zeros((N, C, H + 2 * pad + stride, W + 2 * pad + stride), x.dtype)
    x_pad[:, :, pad : pad + H, pad : pad + W] = x
    dx_pad, dw, db = np.zeros_like(x_pad), np.zeros_like(w), np.zeros(K, x.dtype)
    for n in range(N):
        for k in range(K):
            c = k // (K // groups) * C_group
            for i in range(H_out):
                for j in range(W_out):
                    top, left = i * stride, j * stride
                    window = n, slice(c, c + C_group), slice(top, top + f), slice(left, left + f)
                    db[k] += dy[n, k, i, j]
                    dw[k] += dy[n, k, i, j] * x_pad[window]
                    dx_pad[window] += dy[n, k, i, j] * w[k]
    return dx_pad[:, :, pad : pad + H, pad : pad + W], dw, db


def local_forward(x, w, b, stride=1, pad=0):
    H_out, W_out, K, C, f, _ = w.shape
    N, _, H, W = x.shape
    x_pad = np.zeros((N, C, H + 2 * pad, W + 2 * pad), x.dtype)
    x_pad[:, :, pad : pad + H, pad : pad + W] = x
    bias = np.broadcast_to(b, (H_out, W_out, K))
    y = np.zeros((N, K, H_out, W_out), x.dtype)
    for n, k, i, j in np.ndindex(y.shape):
        top, left = i * stride, j * stride
        window = x_pad[n, :, top : top + f, left : left + f]
        y[n, k, i, j] = np.sum(window * w[i, j, k]) + bias[i, j, k]
    return y, (x, w, b.ndim, stride, pad)


def local_backward(dy, cache, need_dx=True):
    x, w, b_ndim, stride, pad = cache
    N, C, H, W = x.shape
    f = w.shape[-1]
    x_pad = np.zeros((N, C, H + 2 * pad, W + 2 * pad), x.dtype)
    x_pad[:, :, pad : pad + H, pad : pad + W] = x
    dx_pad, dw, db = np.zeros_like(x_pad), np.zeros_like(w), np.zeros(w.shape[:3], x.dtype)
    for n, k, i, j in np.ndindex(dy.shape):
        top, left = i * stride, j * stride
        window = n, slice(None), slice(top, top + f), slice(left, left + f)
        db[i, j, k] += dy[n, k, i, j]
        dw[i, j, k] += dy[n, k, i, j] * x_pad[window]
        dx_pad[window] += dy[n, k, i, j] * w[i, j, k]
    dx = dx_pad[:, :, pad : pad + H, pad : pad + W]
    return dx, dw, db if b_ndim == 3 else db.sum(axis=(0, 1))


def pool_forward(x, z=3, s=2, ceil_mode=False):
    N, C, H, W = x.shape
    H_out, W_out = pool_size(H, z, s, ceil_mode), pool_size(W, z, s, ceil_mode)
    y = np.zeros((N, C, H_out, W_out), x.dtype)
    winner = np.zeros((N, C, H_out, W_out), int)
    for n, c, i, j in np.ndindex(y.shape):
        window = x[n, c, i * s : i * s + z, j * s : j * s + z]
        a, b = np.unravel_index(window.argmax(), window.shape)
        y[n, c, i, j] = window[a, b]
        winner[n, c, i, j] = a * z + b
    return y, (x.shape, x.dtype, winner, z, s)


def pool_backward(dy, cache):
    shape, dtype, winner, z, s = cache
    dx = np.zeros(shape, dtype)
    for n, c, i, j in np.ndindex(dy.shape):
        a, b = winner[n, c, i, j] // z, winner[n, c, i, j] % z
        dx[n, c, i * s + a, j * s + b] += dy[n, c, i, j]
    return (dx,)


def average_pool_backward(dy, cache):
    shape, dtype, count, z, s = cache
    dx = np.zeros(shape, dtype)
    for n, c, i, j in np.ndindex(dy.shape):
        share = dy[n, c, i, j] / count[i, j]
        dx[n, c, i * s : i * s + z, j * s : j * s + z] += share
    return (dx,)


def lrn_forward(x, k=2, n=5, alpha=1e-4, beta=0.75, groups=1):
    C = x.shape[1] // groups
    scale = np.zeros_like(x)
    for i in range(x.shape[1]):
        group = i // C * C
        first, last = max(group, i - n // 2), min(group + C, i + (n - 1) // 2 + 1)
        squares = np.sum(x[:, first:last] ** 2, axis=1)
        scale[:, i] = k + alpha * squares
    y = x / scale**beta
    return y, (x, y, scale, n, alpha, beta, groups)


def lrn_backward(dy, cache):
    x, y, scale, n, alpha, beta, groups = cache
    C = x.shape[1] // groups
    dx = dy / scale**beta
    for i in range(x.shape[1]):
        group = i // C * C
        for j in range(max(group, i - (n - 1) // 2), min(group + C, i + n // 2 + 1)):
            dx[:, i] -= 2 * alpha * beta * x[:, i] * dy[:, j] * y[:, j] / scale[:, j]
    return (dx,)


def map_lrn_forward(x, k=1, n=3, alpha=5e-5, beta=0.75):
    scale = np.zeros_like(x)
    for i, j in np.ndindex(x.shape[2:]):
        top, left = max(0, i - n // 2), max(0, j - n // 2)
        window = x[:, :, top : i + (n - 1) // 2 + 1, left : j + (n - 1) // 2 + 1]
        scale[:, :, i, j] = k + alpha / n**2 * np.sum(window**2, axis=(2, 3))
    y = x / scale**beta
    return y, (x, y, scale, n, alpha, beta)


def map_lrn_backward(dy, cache):
    x, y, scale, n, alpha, beta = cache
    dx = dy / scale**beta
    shares = dy * y / scale
    for i, j in np.ndindex(x.shape[2:]):
        top, left = max(0, i - (n - 1) // 2), max(0, j - (n - 1) // 2)
        window = shares[:, :, top : i + n // 2 + 1, left : j + n // 2 + 1]
        total = np.sum(window, axis=(2, 3))
        dx[:, :, i, j] -= 2 * alpha / n**2 * beta * x[:, :, i, j] * total
    return (dx,)


def dropout_backward(dy, cache):
    kept, dtype = cache
    dx = dy * kept
    return (dx.astype(dtype),)


def softmax(scores):
    p = np.zeros_like(scores)
    for n in range(len(scores)):
        powers = np.exp(scores[n] - np.max(scores[n]))
        p[n] = powers / np.sum(powers)
    return p


def softmax_loss_forward(scores, labels):
    N = len(scores)
    loss = scores.dtype.type(0)
    for n in range(N):
        shifted = scores[n] - np.max(scores[n])
        log_p = shifted - np.log(np.sum(np.exp(shifted)))
        loss -= log_p[labels[n]]
    return loss / N, (scores, labels)


def softmax_loss_backward(cache):
    scores, labels = cache
    N = len(scores)
    dscores = np.zeros_like(scores)
    for n in range(N):
        powers = np.exp(scores[n] - np.max(scores[n]))
        dscores[n] = powers / np.sum(powers)
        dscores[n, labels[n]] -= 1
    return (dscores / N,)


def sgd_update(w, v, dw, epsilon, momentum=0.9, decay=0.0005):
    gradient = dw + decay * w
    v = momentum * v - epsilon * gradient
    w = w + v
    return w, v
