"""Normalization within a map on the GPU.  The definition is reference/map_lrn.py.

    x, y, dy, dx   (N, C, H, W)          flat
    scale          (N, C, H, W)          k + α/n² Σ x², flat
    geometry       H, W, before, after   of a map; rows and columns of a window around its centre
    constants      k, alpha, beta        of the formula, alpha divided by n², in x's dtype

Each thread computes one output.  The caches of a GPU serve the reads of overlapping windows.
"""

import math
from collections import namedtuple

from ..checks import check_cache, check_gradient, check_map_lrn
from .buffers import empty
from .device import DeviceArray, flat, to_device
from .gpu import cuda, launch
from .operands import numbers

Geometry = namedtuple("Geometry", "H W before after")
Constants = namedtuple("Constants", "k alpha beta")


def map_lrn_forward(x, k=1, n=3, alpha=5e-5, beta=0.75):
    """Return y and the cache that map_lrn_backward needs."""
    k, n, alpha, beta = check_map_lrn(x, k, n, alpha, beta)
    x = to_device(x)
    y, scale = empty(x.shape, x.dtype), empty(x.shape, x.dtype)
    most = max(x.shape[2:]) - 1  # a window reaches no further than the map
    reach = min(n // 2, most), min((n - 1) // 2, most)
    geometry = Geometry(*numbers(*x.shape[2:], *reach))
    constants = Constants(*map(x.dtype.type, (k, alpha / n**2, beta)))
    launch(forward_kernel, x.size, flat(x), flat(y), flat(scale), geometry, constants)
    return y, (x, scale, geometry, constants)


def map_lrn_backward(dy, cache):
    """Return dx: the direct term and the neighbours' term."""
    check_cache("map_lrn", cache, DeviceArray, DeviceArray, Geometry, Constants)
    x, scale, geometry, constants = cache
    check_gradient("map_lrn", dy, x.shape, x.dtype)
    dy, dx = to_device(dy), empty(x.shape, x.dtype)
    launch(backward_kernel, x.size, flat(dy), flat(x), flat(scale), flat(dx), geometry, constants)
    return (dx,)


@cuda.jit
def forward_kernel(x, y, scale, geometry, constants):
    i = cuda.grid(1)
    H, W, before, after = geometry
    if i < x.size:
        h, w = i // W % H, i % W
        total = x.dtype.type(0)
        for row in range(max(0, h - before), min(H, h + after + 1)):
            for column in range(max(0, w - before), min(W, w + after + 1)):
                neighbour = x[i + (row - h) * W + column - w]
                total += neighbour * neighbour
        scale[i] = constants.k + constants.alpha * total
        y[i] = x[i] * math.pow(scale[i], -constants.beta)


@cuda.jit
def backward_kernel(dy, x, scale, dx, geometry, constants):
    i = cuda.grid(1)
    H, W, before, after = geometry
    _, alpha, beta = constants
    if i < x.size:
        h, w = i // W % H, i % W
        total = x.dtype.type(0)
        for row in range(max(0, h - after), min(H, h + before + 1)):  # windows that contain i
            for column in range(max(0, w - after), min(W, w + before + 1)):
                j = i + (row - h) * W + column - w
                total += dy[j] * x[j] * math.pow(scale[j], -beta) / scale[j]
        direct = dy[i] * math.pow(scale[i], -beta)
        dx[i] = direct - x.dtype.type(2) * alpha * beta * x[i] * total
