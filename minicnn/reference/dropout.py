"""Dropout (Section 4.2): in training each unit is set to zero with probability p.

    training   y = x · kept            kept is 1 with probability 1 − p, else 0
    test       y = x · (1 − p)         every unit, at its expected strength

    x, kept, y    any shape; the units are drawn anew for every image and every step

As in the paper, nothing is scaled in training.  Libraries of today ("inverted dropout") divide by
1 − p in training and do nothing at test time: equal in expectation, but activities and gradients
differ by the factor 1 − p.  The two modes are two functions; a network that predicts is another
list of rows.
"""

import numpy as np

from ..checks import ARRAY, check_cache, check_dropout, check_gradient, check_rng


def dropout_forward(x, p=0.5, rng=None):
    """Return x with about a share p of its entries set to zero, and the cache.

    rng is a numpy Generator and must be given: every random choice here can be repeated.
    """
    p = check_dropout("dropout", x, p)
    check_rng("dropout", rng)
    kept = rng.random(x.shape, dtype=np.float32) >= p
    y = np.where(kept, x, 0)  # not x · kept: ∞ · 0 is NaN
    return y, (kept, x.dtype)


def dropout_backward(dy, cache):
    """Let dy pass where the unit was kept."""
    check_cache("dropout", cache, ARRAY, np.dtype)
    kept, dtype = cache
    check_gradient("dropout", dy, kept.shape, dtype)
    dx = np.where(kept, dy, 0)
    return (dx,)


def dropout_predict_forward(x, p=0.5):
    """Return every unit times 1 − p."""
    p = check_dropout("dropout_predict", x, p)
    y = x * (1 - p)
    return y, (p, x.shape, x.dtype)


def dropout_predict_backward(dy, cache):
    """Multiply dy by 1 − p."""
    check_cache("dropout_predict", cache, float, tuple, np.dtype)
    p, shape, dtype = cache
    check_gradient("dropout_predict", dy, shape, dtype)
    dx = dy * (1 - p)
    return (dx,)
