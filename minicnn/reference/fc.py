"""A fully connected layer: every output sees every input.

    y = x_rows · wᵀ + b

    x       (N, …)      any shape an image; flattened here, channels first
    x_rows  (N, D)      one image a row
    w       (K, D)      one row of weights an output
    b       (K,)
    y       (N, K)
"""

from ..checks import check_fc, check_gradient


def fc_forward(x, w, b):
    """Return y and the cache that fc_backward needs."""
    check_fc(x, w, b)
    x_rows = x.reshape(x.shape[0], w.shape[1])  # (N, D)
    y = x_rows @ w.T + b
    return y, (x, w)


def fc_backward(dy, cache):
    """Return dx, dw, db."""
    x, w = cache
    check_gradient("fc", dy, (x.shape[0], w.shape[0]), x.dtype)
    x_rows = x.reshape(x.shape[0], w.shape[1])
    dx_rows = dy @ w  # forward: y = x_rows @ w.T + b
    dw = dy.T @ x_rows
    db = dy.sum(axis=0)
    return dx_rows.reshape(x.shape), dw, db
