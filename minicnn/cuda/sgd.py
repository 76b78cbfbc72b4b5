"""The update rule (Section 5) on the GPU.  The definition is reference/sgd.py.

    w, v, dw    weights, momentum variable, gradient; any shape, all three equal

The thread of a weight reads w, v and dw once, and overwrites w and v.
"""

from ..checks import check_update
from .device import flat, is_on_device, to_device
from .gpu import cuda, launch


def sgd_update(w, v, dw, epsilon, momentum=0.9, decay=0.0005):
    """Write the next w and v into w and v, which must be on the device, and return them."""
    epsilon, momentum, decay = check_update(w, v, dw, epsilon, momentum, decay)
    for name, array in (("w", w), ("v", v)):
        if not is_on_device(array):
            raise TypeError(
                f"sgd_update: {name} is an array of the host; expected one on the GPU, because it "
                f"is written in place: {name} = to_device({name})"
            )
    cast = w.dtype.type
    constants = cast(epsilon), cast(momentum), cast(decay)
    flat_arrays = flat(to_device(w)), flat(to_device(v)), flat(to_device(dw))
    launch(update_kernel, w.size, *flat_arrays, *constants)
    return w, v


@cuda.jit
def update_kernel(w, v, dw, epsilon, momentum, decay):
    i = cuda.grid(1)
    if i < w.size:
        step = momentum * v[i] - decay * epsilon * w[i] - epsilon * dw[i]
        v[i] = step
        w[i] = w[i] + step
