"""A fully connected layer: every output sees every input.

    y = x_rows · wᵀ + b

    x       (N, …)    images of any shape, flattened here: channel by channel, row by row
    x_rows  (N, D)    one image a row
    w       (K, D)    one row of weights an output
    b       (K,)      one bias an output
    y       (N, K)    K outputs an image

Backward is two matrix products: each output hands its dy to the inputs that it saw, times the
weights between them, and to those weights, times the inputs.
"""

import numpy as np

from ..checks import check_cache, check_fc, check_fits, check_gradient


def fc_forward(x, w, b):
    """Return y and the cache that fc_backward needs."""
    check_fc(x, w, b)
    x_rows = x.reshape(x.shape[0], w.shape[1])  # (N, D)
    y = x_rows @ w.T + b
    return y, (x, w)


def fc_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; dx is None where nobody needs it: no row before the first one learns."""
    check_cache("fc", cache, np.ndarray, np.ndarray)
    x, w = cache
    check_fits("fc", w.ndim == 2 and x.size == x.shape[0] * w.shape[1])
    check_gradient("fc", dy, (x.shape[0], w.shape[0]), x.dtype)
    x_rows = x.reshape(x.shape[0], w.shape[1])
    dx = (dy @ w).reshape(x.shape) if need_dx else None  # forward: y = x_rows @ w.T + b
    dw = dy.T @ x_rows
    db = dy.sum(axis=0)
    return dx, dw, db
