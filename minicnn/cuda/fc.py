"""A fully connected layer on the GPU.  The definition is reference/fc.py.

Three matrix products (product.py), of matrices as they are in memory; where D or K is a multiple of
4, numbers are read four at a time.  Batches are small, so there are few outputs, and each sum is
split into parts that run in parallel.

    x         (N, …)    images of any shape, flattened here
    x_rows    (N, D)    one image per row
    w         (K, D)    one row of weights per output
    b         (K,)      one bias per output
    y         (N, K)    K outputs per image
"""

from ..checks import check_cache, check_fc, check_fits, check_gradient
from .buffers import empty
from .device import DeviceArray, flat, to_device
from .gpu import record_event
from .operands import MATRIX, matrix
from .product import Sizes, split_product, sum_parts


def fc_forward(x, w, b):
    """Return y and the cache that fc_backward needs."""
    check_fc(x, w, b)
    x, w, b = to_device(x), to_device(w), to_device(b)
    N, (K, D) = x.shape[0], w.shape
    y = split_product(
        (MATRIX, matrix(x, N, D, D, 1)),  # x_rows[n, d]
        (MATRIX, matrix(w, K, D, D, 1)),  # w[k, d]
        (N, K),
        Sizes(N, K, D),
        bias=b,
    )
    return y, (x, w)


def fc_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; with need_dx=False, as for the first layer, dx is None."""
    check_cache("fc", cache, DeviceArray, DeviceArray)
    x, w = cache
    check_fits("fc", w.ndim == 2 and x.size == x.shape[0] * w.shape[1])
    check_gradient("fc", dy, (x.shape[0], w.shape[0]), x.dtype)
    dy = to_device(dy)
    dx = backward_x(dy, cache) if need_dx else None
    if need_dx:
        dx.written = record_event()  # dx can be copied before dw is done, see two_columns.py
    return dx, *backward_w(dy, cache)


def backward_x(dy, cache):
    """Return dx[n, d] = Σ_k dy[n, k]·w[k, d], in x's shape."""
    x, w = cache
    N, (K, D) = x.shape[0], w.shape
    return split_product(
        (MATRIX, matrix(dy, N, K, K, 1)),  # dy[n, k]
        (MATRIX, matrix(w, D, K, 1, D)),  # w[k, d]
        x.shape,
        Sizes(N, D, K),
    )


def backward_w(dy, cache):
    """Return dw, db: dw[k, d] = Σ_n dy[n, k]·x_rows[n, d], and db[k] = Σ_n dy[n, k]."""
    x, w = cache
    N, (K, D) = x.shape[0], w.shape
    dw = split_product(
        (MATRIX, matrix(dy, K, N, 1, K)),  # dy[n, k]
        (MATRIX, matrix(x, D, N, 1, D)),  # x_rows[n, d]
        (K, D),
        Sizes(K, D, N),
    )
    db = empty((K,), dy.dtype)
    sum_parts(flat(dy), N, db)  # each image is one part of the sum
    return dw, db
