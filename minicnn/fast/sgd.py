"""The update rule (Section 5), fast.  The definition is reference/sgd.py.

    w, v, dw    weights, momentum variable, gradient; any shape, three equal ones

The reference makes several arrays on its way to the next w and v.  Here one loop passes over w, v
and dw once, and writes the next w and v over the old ones.
"""

from ..checks import check_update, share_memory
from ..jit import njit
from .flags import LOOP
from .layout import contiguous, copied, lies_first
from .threads import run_flat


def sgd_update(w, v, dw, epsilon, momentum=0.9, decay=0.0005):
    """Write the next w and v into w and v, and return them."""
    epsilon, momentum, decay = check_update(w, v, dw, epsilon, momentum, decay)
    if not (lies_first(w) and lies_first(v)):
        raise ValueError(
            "sgd_update: w and v must be contiguous, aligned and not read-only, because they are "
            "written in place; use a copy"
        )
    if share_memory(w, dw) or share_memory(v, dw):
        dw = copied(dw)
    run_flat(
        update_loop, w.size / 2, w.reshape(-1), v.reshape(-1), contiguous(dw).reshape(-1), epsilon,
        momentum, decay,
    )  # fmt: skip
    return w, v


@njit(**LOOP)
def update_loop(w, v, dw, epsilon, momentum, decay):
    number = w.dtype.type
    epsilon, momentum, decay = number(epsilon), number(momentum), number(decay)
    for i in range(w.size):
        v[i] = momentum * v[i] - decay * epsilon * w[i] - epsilon * dw[i]
        w[i] = w[i] + v[i]
