"""The update rule (Section 5), fast.  The definition is reference/sgd.py.

    w, v, dw    weights, momentum variable, gradient; any shape, all three equal

The reference allocates several temporary arrays.  Here one loop passes over w, v and dw once, and
overwrites w and v.
"""

from ..checks import check_update, share_memory
from ..jit import njit
from .flags import LOOP
from .layout import as_contiguous, contiguous_copy, is_contiguous
from .threads import run_flat


def sgd_update(w, v, dw, epsilon, momentum=0.9, decay=0.0005):
    """Write the next w and v into w and v, and return them."""
    epsilon, momentum, decay = check_update(w, v, dw, epsilon, momentum, decay)
    if not (is_contiguous(w) and is_contiguous(v)):
        raise ValueError(
            "sgd_update: w and v must be contiguous, aligned and not read-only, because they are "
            "written in place; pass copies"
        )
    if share_memory(w, dw) or share_memory(v, dw):
        dw = contiguous_copy(dw)
    run_flat(
        update_loop, w.size / 2, w.reshape(-1), v.reshape(-1), as_contiguous(dw).reshape(-1),
        epsilon, momentum, decay,
    )  # fmt: skip
    return w, v


@njit(**LOOP)
def update_loop(w, v, dw, epsilon, momentum, decay):
    cast = w.dtype.type
    epsilon, momentum, decay = cast(epsilon), cast(momentum), cast(decay)
    for i in range(w.size):
        v[i] = momentum * v[i] - decay * epsilon * w[i] - epsilon * dw[i]
        w[i] = w[i] + v[i]
