"""The nonlinearities of Section 3.1, fast.  The definitions are in reference/activations.py.

Each is one loop over all numbers in the order of memory (layout.py), divided among the threads.
Legend and formulas are the reference's.
"""

import math

import numpy as np

from ..checks import check_array, check_cache, check_gradient
from ..jit import njit
from .flags import FAST, LOOP, PLAIN
from .layout import as_dense, empty_like, flat_view, match_layout
from .threads import run_flat

ZERO, HALF, ONE, TWO, TWENTY, MAX_Z = (np.float32(n) for n in (0, 0.5, 1, 2, 20, 87))
LOG2_HIGH = np.float32(0.693145751953125)  # log 2 in two parts: the high part has few digits, so
LOG2_LOW = np.float32(1.42860677e-06)  # that n·LOG2_HIGH is exact
C2, C3, C4, C5, C6, C7 = (np.float32(1 / math.factorial(k)) for k in range(2, 8))  # eʳ = Σ C_k·rᵏ
NO_REORDERING = {"fastmath": {"contract", "nsz"}}


def relu_forward(x):
    """Return max(0, x)."""
    check_array("relu", "x", x)
    x = as_dense(x)
    y = empty_like(x)
    run_flat(relu_loop, x.size / 7, flat_view(x), flat_view(y))
    return y, (y,)


def relu_backward(dy, cache):
    """Let dy pass where the unit was on."""
    y = cached_output("relu", dy, cache)
    dx = empty_like(y)
    dy = match_layout(dy, y)
    run_flat(relu_back_loop, y.size / 4, flat_view(dy), flat_view(y), flat_view(dx))
    return (dx,)


def tanh_forward(x):
    """Return tanh(x), between −1 and 1."""
    check_array("tanh", "x", x)
    loop = tanh_loop32 if x.dtype == np.float32 else tanh_loop64
    x = as_dense(x)
    y = empty_like(x)
    run_flat(loop, x.size, flat_view(x), flat_view(y))
    return y, (y,)


def tanh_backward(dy, cache):
    """Multiply dy by the slope 1 − y²."""
    y = cached_output("tanh", dy, cache)
    dx = empty_like(y)
    dy = match_layout(dy, y)
    run_flat(tanh_back_loop, y.size / 3, flat_view(dy), flat_view(y), flat_view(dx))
    return (dx,)


def logistic_forward(x):
    """Return 1 / (1 + e^−x), between 0 and 1."""
    check_array("logistic", "x", x)
    loop = logistic_loop32 if x.dtype == np.float32 else logistic_loop64
    x = as_dense(x)
    y = empty_like(x)
    run_flat(loop, x.size, flat_view(x), flat_view(y))
    return y, (y,)


def logistic_backward(dy, cache):
    """Multiply dy by the slope y·(1 − y)."""
    y = cached_output("logistic", dy, cache)
    dx = empty_like(y)
    dy = match_layout(dy, y)
    run_flat(logistic_back_loop, y.size / 3, flat_view(dy), flat_view(y), flat_view(dx))
    return (dx,)


def cached_output(layer, dy, cache):
    """Return y, dense, from the cache of one of these layers, which holds nothing else."""
    check_cache(layer, cache, np.ndarray)
    (y,) = cache
    check_gradient(layer, dy, y.shape, y.dtype)
    return as_dense(y)


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


@njit(**PLAIN, **NO_REORDERING)
def exp_minus(z):
    """Return power and rest, where e^−z = power·(1 + rest), for z from 0 to 87; the error is 2e-7.

    Split −z = r − n·log 2.  Then 2⁻ⁿ is a float whose exponent is −n, and eʳ is computed from the
    first terms of its series.  There is no branch and no call, so the compiler can use vectors;
    math.exp takes seven times as long.
    """
    n = np.int32(z / (LOG2_HIGH + LOG2_LOW) + HALF)
    r = np.float32(n) * LOG2_HIGH - z + np.float32(n) * LOG2_LOW
    series = C5 + r * (C6 + r * C7)
    series = ONE + r * (C2 + r * (C3 + r * (C4 + r * series)))
    return np.int32((127 - n) << 23).view(np.float32), r * series


@njit(**LOOP, **NO_REORDERING)
def tanh_loop32(x, y):
    """tanh(x) = −e / (e + 2) with e = e^(−2|x|) − 1, and x's sign."""
    for i in range(x.size):
        z = TWO * abs(x[i])
        power, rest = exp_minus(TWENTY if z > TWENTY else z)  # tanh(10) is 1; a NaN is not > 20
        e = power * rest + (power - ONE)  # in this order, a small e loses no digits
        t = e / (e + TWO)
        y[i] = abs(t) if x[i] >= 0 else t


@njit(**LOOP, **FAST)
def tanh_back_loop(dy, y, dx):
    one = dy.dtype.type(1)
    for i in range(dy.size):
        dx[i] = dy[i] * (one - y[i] * y[i])


@njit(**LOOP, **FAST)
def logistic_loop64(x, y):
    for i in range(x.size):
        e = math.exp(-abs(x[i]))  # at most 1: no overflow on either side
        y[i] = (1 if x[i] >= 0 else e) / (1 + e)


@njit(**LOOP, **NO_REORDERING)
def logistic_loop32(x, y):
    for i in range(x.size):
        z = abs(x[i])
        power, rest = exp_minus(MAX_Z if z > MAX_Z else z)
        e = ZERO if z > MAX_Z else power + power * rest  # e^−87 is about the smallest normal number
        y[i] = (ONE if x[i] >= 0 else e) / (ONE + e)


@njit(**LOOP, **FAST)
def logistic_back_loop(dy, y, dx):
    one = dy.dtype.type(1)
    for i in range(dy.size):
        dx[i] = dy[i] * y[i] * (one - y[i])
