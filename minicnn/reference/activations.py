"""The nonlinearities of Section 3.1: ReLU, and the two it replaced.

    relu      y = max(0, x)                   dy/dx = 1 where y > 0, else 0 (at exactly 0, too)
    tanh      y = tanh(x)                     dy/dx = 1 − y²
    logistic  y = 1 / (1 + e^−x)              dy/dx = y·(1 − y)

    x, y      any shape

tanh and logistic saturate: where |y| comes near 1, dy/dx comes near 0 and learning stops.  ReLU
does not, for x > 0.  Each slope is a function of y alone, so y is all that backward needs.
"""

import numpy as np

from ..checks import ARRAY, check_array, check_cache, check_gradient


def relu_forward(x):
    """Return max(0, x)."""
    check_array("relu", "x", x)
    y = np.maximum(x, 0)
    return y, (y,)


def relu_backward(dy, cache):
    """Let dy pass where the unit was on."""
    check_cache("relu", cache, ARRAY)
    (y,) = cache
    check_gradient("relu", dy, y.shape, y.dtype)
    dx = np.where(y > 0, dy, 0)  # not dy · (y > 0): ∞ · 0 is NaN
    return (dx,)


def tanh_forward(x):
    """Return tanh(x), between −1 and 1."""
    check_array("tanh", "x", x)
    y = np.tanh(x)
    return y, (y,)


def tanh_backward(dy, cache):
    """Multiply dy by the slope 1 − y²."""
    check_cache("tanh", cache, ARRAY)
    (y,) = cache
    check_gradient("tanh", dy, y.shape, y.dtype)
    dx = dy * (1 - y * y)
    return (dx,)


def logistic_forward(x):
    """Return 1 / (1 + e^−x), between 0 and 1."""
    check_array("logistic", "x", x)
    e = np.exp(-np.abs(x))  # at most 1: no overflow on either side
    y = np.where(x >= 0, 1, e) / (1 + e)
    return y, (y,)


def logistic_backward(dy, cache):
    """Multiply dy by the slope y·(1 − y), which is never above 1/4."""
    check_cache("logistic", cache, ARRAY)
    (y,) = cache
    check_gradient("logistic", dy, y.shape, y.dtype)
    dx = dy * y * (1 - y)
    return (dx,)
