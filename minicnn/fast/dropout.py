"""Dropout (Section 4.2), fast.  The definition is reference/dropout.py.

    x, dy     (units,)    the units of all images, flat
    chance    (units,)    a random number between 0 and 1 for each unit, from rng
    kept      (units,)    whether the unit is kept: chance ≥ p

rng is called as in the reference, so the same rng drops the same units.
"""

import numpy as np

from ..checks import check_cache, check_dropout, check_fits, check_gradient, check_rng
from ..jit import njit
from .buffers import empty
from .flags import FAST, LOOP
from .layout import as_contiguous, as_dense, empty_like, flat_view
from .threads import run_flat


def dropout_forward(x, p=0.5, rng=None):
    """Return x with about a share p of its entries set to zero, and the cache."""
    return drop(drop_loop, x, p, rng)


def drop(loop, x, p, rng):
    """Return y and the cache; the loop decides which units are kept."""
    p = check_dropout("dropout", x, p)
    check_rng("dropout", rng)
    chance, kept = empty((x.size,), np.float32), empty((x.size,), np.bool_)
    rng.random(dtype=np.float32, out=chance)
    y = empty(x.shape, x.dtype)
    run_flat(loop, x.size, as_contiguous(x).reshape(-1), chance, np.float32(p), y.reshape(-1), kept)
    return y, (kept, x.shape, x.dtype)


def dropout_backward(dy, cache):
    """Let dy pass where the unit was kept."""
    check_cache("dropout", cache, np.ndarray, tuple, np.dtype)
    kept, shape, dtype = cache
    check_gradient("dropout", dy, shape, dtype)
    check_fits("dropout", kept.shape == (dy.size,) and kept.dtype == np.bool_)
    dx = empty(shape, dtype)
    run_flat(mask_loop, dy.size / 2, as_contiguous(dy).reshape(-1), kept, dx.reshape(-1))
    return (dx,)


def dropout_predict_forward(x, p=0.5):
    """Return every unit times 1 − p."""
    p = check_dropout("dropout_predict", x, p)
    x = as_dense(x)
    y = empty_like(x)
    run_flat(scale_loop, x.size / 4, flat_view(x), x.dtype.type(1 - p), flat_view(y))
    return y, (p, x.shape, x.dtype)


def dropout_predict_backward(dy, cache):
    """Multiply dy by 1 − p."""
    check_cache("dropout_predict", cache, float, tuple, np.dtype)
    p, shape, dtype = cache
    check_gradient("dropout_predict", dy, shape, dtype)
    dy = as_dense(dy)
    dx = empty_like(dy)
    run_flat(scale_loop, dy.size / 4, flat_view(dy), dtype.type(1 - p), flat_view(dx))
    return (dx,)


@njit(**LOOP, **FAST)
def drop_loop(x, chance, p, y, kept):
    for i in range(x.size):
        kept[i] = chance[i] >= p
        y[i] = x[i] if kept[i] else x.dtype.type(0)


@njit(**LOOP, **FAST)
def mask_loop(dy, kept, dx):
    for i in range(dy.size):
        dx[i] = dy[i] if kept[i] else dy.dtype.type(0)


@njit(**LOOP, **FAST)
def scale_loop(x, factor, y):
    for i in range(x.size):
        y[i] = x[i] * factor
