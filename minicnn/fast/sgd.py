"""The update rule (Section 5), fast: one pass over w, v and dw, in place.  The definition is reference/sgd.py."""

from numba import njit, prange

from ..checks import check_update
from .flags import FAST


def sgd_update(w, v, dw, epsilon, momentum=0.9, decay=0.0005):
    """Write the next w and v into w and v, and return them."""
    check_update(w, v, dw)
    if not (w.flags.c_contiguous and v.flags.c_contiguous):
        raise ValueError("sgd_update: w and v must be contiguous, because they are written in place")
    number = w.dtype.type
    update_loop(
        w.reshape(-1), v.reshape(-1), dw.ravel(), number(epsilon), number(momentum), number(decay)
    )
    return w, v


@njit(parallel=True, fastmath=FAST, cache=True)
def update_loop(w, v, dw, epsilon, momentum, decay):
    for i in prange(w.size):
        v[i] = momentum * v[i] - decay * epsilon * w[i] - epsilon * dw[i]
        w[i] = w[i] + v[i]
