"""The nonlinearities of Section 3.1, fast.  The definitions are in reference/activations.py.

One loop over all numbers in the order of memory (layout.py), shared out to the threads; the legend
and the formulas are the reference's.
"""

import math

import numpy as np
from numba import njit

from ..checks import check_array, check_gradient
from .flags import FAST, LOOP
from .layout import empty_like, flat, in_order_of, ordered
from .threads import run_flat

HALF, ONE, TWO, TWENTY = np.float32(0.5), np.float32(1), np.float32(2), np.float32(20)
LOG2_HIGH = np.float32(0.693145751953125)  # log 2 in two parts: the high one has few digits, so
LOG2_LOW = np.float32(1.42860677e-06)  # that n·LOG2_HIGH is exact
C2, C3, C4, C5, C6, C7 = (np.float32(1 / math.factorial(k)) for k in range(2, 8))  # eʳ = Σ C_k·rᵏ


def relu_forward(x):
    """Return max(0, x)."""
    check_array("relu", "x", x)
    x = ordered(x)
    y = empty_like(x)
    run_flat(relu_loop, x.size / 7, flat(x), flat(y))
    return y, (y,)


def relu_backward(dy, cache):
    """Let dy pass where the unit was on."""
    (y,) = cache
    check_gradient("relu", dy, y.shape, y.dtype)
    dx = empty_like(y)
    run_flat(relu_back_loop, y.size / 4, flat(in_order_of(y, dy)), flat(y), flat(dx))
    return (dx,)


def tanh_forward(x):
    """Return tanh(x), between −1 and 1."""
    check_array("tanh", "x", x)
    loop = tanh_loop32 if x.dtype == np.float32 else tanh_loop64
    x = ordered(x)
    y = empty_like(x)
    run_flat(loop, 2 * x.size, flat(x), flat(y))
    return y, (y,)


def tanh_backward(dy, cache):
    """Multiply dy by the slope 1 − y²."""
    (y,) = cache
    check_gradient("tanh", dy, y.shape, y.dtype)
    dx = empty_like(y)
    run_flat(tanh_back_loop, y.size / 3, flat(in_order_of(y, dy)), flat(y), flat(dx))
    return (dx,)


def logistic_forward(x):
    """Return 1 / (1 + e^−x), between 0 and 1."""
    check_array("logistic", "x", x)
    x = ordered(x)
    y = empty_like(x)
    run_flat(logistic_loop, 6 * x.size, flat(x), flat(y))
    return y, (y,)


def logistic_backward(dy, cache):
    """Multiply dy by the slope y·(1 − y)."""
    (y,) = cache
    check_gradient("logistic", dy, y.shape, y.dtype)
    dx = empty_like(y)
    run_flat(logistic_back_loop, y.size / 3, flat(in_order_of(y, dy)), flat(y), flat(dx))
    return (dx,)


@njit(**LOOP, **FAST)
def relu_loop(x, y):
    for i in range(x.size):
        y[i] = x.dtype.type(0) if x[i] < 0 else x[i]  # a NaN is not < 0 and stays


@njit(**LOOP, **FAST)
def relu_back_loop(dy, y, dx):
    for i in range(dy.size):
        dx[i] = dy[i] if y[i] > 0 else dy.dtype.type(0)


@njit(**LOOP, **FAST)
def tanh_loop64(x, y):
    for i in range(x.size):
        y[i] = math.tanh(x[i])


@njit(**LOOP, fastmath={"contract", "nsz"})
def tanh_loop32(x, y):
    """tanh(x) = e / (e + 2) with e = e^(2|x|) − 1, and x's sign: four times as fast as math.tanh.

    2|x| = z = n·log 2 + r splits e^z into 2ⁿ, a shift, and eʳ, the first terms of its series: no
    branch and no call, so the compiler makes vectors of it.  Right to 2e-7, like math.tanh.
    """
    for i in range(x.size):
        z = TWO * abs(x[i])
        z = TWENTY if z > TWENTY else z  # tanh(10) is 1 in float32; a NaN is not > 20 and stays
        n = np.int32(z / (LOG2_HIGH + LOG2_LOW) + HALF)
        r = z - np.float32(n) * LOG2_HIGH - np.float32(n) * LOG2_LOW
        series = C5 + r * (C6 + r * C7)
        series = ONE + r * (C2 + r * (C3 + r * (C4 + r * series)))
        power = np.float32(np.int32(1) << n)
        e = power * (r * series) + (power - ONE)  # 2ⁿ·(eʳ − 1) + 2ⁿ − 1, so small e stay exact
        t = e / (e + TWO)
        y[i] = t if x[i] >= 0 else -t


@njit(**LOOP, **FAST)
def tanh_back_loop(dy, y, dx):
    one = dy.dtype.type(1)
    for i in range(dy.size):
        dx[i] = dy[i] * (one - y[i] * y[i])


@njit(**LOOP, **FAST)
def logistic_loop(x, y):
    one = x.dtype.type(1)
    for i in range(x.size):
        e = math.exp(-abs(x[i]))  # at most 1: no overflow on either side
        y[i] = (one if x[i] >= 0 else e) / (one + e)


@njit(**LOOP, **FAST)
def logistic_back_loop(dy, y, dx):
    one = dy.dtype.type(1)
    for i in range(dy.size):
        dx[i] = dy[i] * y[i] * (one - y[i])
