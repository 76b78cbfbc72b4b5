"""How many images a batch may have in a GPU's memory."""

import math

from .. import net, summary
from . import gpu, two_columns

MiB = 2**20


def what_fits(layers, shape, batch):
    """Return, in words, about how many images a batch may have on this GPU, or on these two.

    Counted are the parameters, their gradients and velocities; of each image what is kept for
    backward, which on a GPU is about what minicnn.fast keeps, twice the largest array that passes
    between rows, and the image itself, now and one batch ahead.  A tenth of the memory is left out.
    Two columns on two GPUs have half of all that on each, so the smaller one counts, twice.

    Parameters
    ----------
    layers : list of Layer
    shape : tuple
        The shape of one image.
    batch : int
        What did not fit.
    """
    devices = set(two_columns.chosen) or {gpu.here.device}
    smaller = min(devices, key=gpu.total_memory)
    total = gpu.total_memory(smaller) * len(devices)  # each has half of everything
    itemsize = summary.dtype_of(layers).itemsize
    learned = 3 * net.count_parameters(layers) * itemsize
    outputs = [shape, *(one for size in summary.measure(layers, shape) for one in size.output)]
    passing = 2 * max(map(math.prod, outputs)) + 2 * math.prod(shape)
    image = summary.kept_bytes(layers, shape) + passing * itemsize
    fits = max(0, int((0.9 * total - learned) // image))
    if fits >= batch:
        return f"counted roughly, {batch} images fit, if no other program uses this GPU"
    if not fits:
        return f"not even one image would fit: parameters alone take {learned / MiB:,.0f} MiB"
    return (
        f"about {fits} images of {image / MiB:.3g} MiB would fit: try --batch {fits}, a new --out"
    )
