"""Dropout (Section 4.2), fast.  The definition is reference/dropout.py.

    x, dy     (units,)    all units of all images in one row
    chance    (units,)    a number for each, from 0 to 1: drawn by rng
    kept      (units,)    whether the unit stays: chance ≥ p

The numbers are drawn in the reference's order, so the same rng drops the same units.
"""

import numpy as np
from numba import njit, prange

from ..checks import check_dropout, check_gradient, check_rng
from .flags import FAST


def dropout_forward(x, p=0.5, rng=None):
    """Return x with about a share p of its entries set to zero, and the cache."""
    check_dropout("dropout", x, p)
    check_rng("dropout", rng)
    chance = rng.random(x.size, dtype=np.float32)
    y, kept = drop_loop(x.ravel(), chance, np.float32(p))
    return y.reshape(x.shape), (kept, x.shape, x.dtype)


def dropout_backward(dy, cache):
    """Let dy pass where the unit was kept."""
    kept, shape, dtype = cache
    check_gradient("dropout", dy, shape, dtype)
    dx = mask_loop(dy.ravel(), kept)
    return (dx.reshape(shape),)


def dropout_predict_forward(x, p=0.5):
    """Return every unit times 1 − p."""
    check_dropout("dropout_predict", x, p)
    y = scale_loop(x.ravel(), x.dtype.type(1 - p))
    return y.reshape(x.shape), (p, x.shape, x.dtype)


def dropout_predict_backward(dy, cache):
    """Multiply dy by 1 − p."""
    p, shape, dtype = cache
    check_gradient("dropout_predict", dy, shape, dtype)
    dx = scale_loop(dy.ravel(), dtype.type(1 - p))
    return (dx.reshape(shape),)


@njit(parallel=True, fastmath=FAST, cache=True)
def drop_loop(x, chance, p):
    y, kept = np.empty_like(x), np.empty(x.size, np.bool_)
    for i in prange(x.size):
        kept[i] = chance[i] >= p
        y[i] = x[i] if kept[i] else x.dtype.type(0)
    return y, kept


@njit(parallel=True, fastmath=FAST, cache=True)
def mask_loop(dy, kept):
    dx = np.empty_like(dy)
    for i in prange(dy.size):
        dx[i] = dy[i] if kept[i] else dy.dtype.type(0)
    return dx


@njit(parallel=True, fastmath=FAST, cache=True)
def scale_loop(x, factor):
    y = np.empty_like(x)
    for i in prange(x.size):
        y[i] = x[i] * factor
    return y
