"""ReLU, tanh and the logistic function (Section 3.1) on the GPU: one thread for each number.

The definitions are in reference/activations.py.  Memory limits these kernels: each number is read
once and written once.  Neighbouring threads have neighbouring numbers, so the GPU transfers whole
lines of memory.

    x, y         any shape; kernels see them flat
    zero, one    0 and 1 in the dtype of x: Python's own would turn float32 into float64
"""

import math

from ..checks import check_array, check_cache, check_gradient
from .buffers import empty
from .device import DeviceArray, flat, to_device
from .gpu import cuda, launch


def relu_forward(x):
    """Return max(0, x)."""
    check_array("relu", "x", x)
    return mapped(relu_kernel, to_device(x))


def relu_backward(dy, cache):
    """Let dy pass where the unit was on."""
    check_cache("relu", cache, DeviceArray)
    (y,) = cache
    check_gradient("relu", dy, y.shape, y.dtype)
    return multiplied_by_slope(relu_back_kernel, to_device(dy), y)


def tanh_forward(x):
    """Return tanh(x), between −1 and 1."""
    check_array("tanh", "x", x)
    return mapped(tanh_kernel, to_device(x))


def tanh_backward(dy, cache):
    """Multiply dy by the slope 1 − y²."""
    check_cache("tanh", cache, DeviceArray)
    (y,) = cache
    check_gradient("tanh", dy, y.shape, y.dtype)
    return multiplied_by_slope(tanh_back_kernel, to_device(dy), y)


def logistic_forward(x):
    """Return 1 / (1 + e^−x), between 0 and 1."""
    check_array("logistic", "x", x)
    return mapped(logistic_kernel, to_device(x))


def logistic_backward(dy, cache):
    """Multiply dy by the slope y·(1 − y), which is never above 1/4."""
    check_cache("logistic", cache, DeviceArray)
    (y,) = cache
    check_gradient("logistic", dy, y.shape, y.dtype)
    return multiplied_by_slope(logistic_back_kernel, to_device(dy), y)


def mapped(kernel, x):
    """Return y = f(x), element by element, and the cache, which is y."""
    y = empty(x.shape, x.dtype)
    launch(kernel, x.size, flat(x), flat(y))
    return y, (y,)


def multiplied_by_slope(kernel, dy, y):
    """Return (dx,): dy times the slope, which follows from y, element by element."""
    dx = empty(y.shape, y.dtype)
    launch(kernel, y.size, flat(dy), flat(y), flat(dx))
    return (dx,)


@cuda.jit
def relu_kernel(x, y):
    i = cuda.grid(1)
    if i < x.size:
        zero = x.dtype.type(0)
        y[i] = zero if x[i] < zero else x[i]  # not max: NaN must stay NaN


@cuda.jit
def relu_back_kernel(dy, y, dx):
    i = cuda.grid(1)
    if i < y.size:
        zero = y.dtype.type(0)
        dx[i] = dy[i] if y[i] > zero else zero


@cuda.jit
def tanh_kernel(x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = math.tanh(x[i])


@cuda.jit
def tanh_back_kernel(dy, y, dx):
    i = cuda.grid(1)
    if i < y.size:
        one = y.dtype.type(1)
        dx[i] = dy[i] * (one - y[i] * y[i])


@cuda.jit
def logistic_kernel(x, y):
    i = cuda.grid(1)
    if i < x.size:
        one = x.dtype.type(1)
        e = math.exp(-abs(x[i]))  # at most 1: no overflow on either side
        y[i] = (one if x[i] >= 0 else e) / (one + e)


@cuda.jit
def logistic_back_kernel(dy, y, dx):
    i = cuda.grid(1)
    if i < y.size:
        one = y.dtype.type(1)
        dx[i] = dy[i] * y[i] * (one - y[i])
