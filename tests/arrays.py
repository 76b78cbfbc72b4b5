"""Arrays that lie in memory in every way that NumPy allows, for every layer to be tried with.

    x = awkward((2, 3, 7, 1), np.float32, rng)     random numbers, lying in memory in a random way
    plain(x)                                       the same numbers as NumPy lays out a new array

NumPy calls an array contiguous whatever the strides of its axes of size 1, so these get any.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

ODD_STRIDES = 0, 1, -3, 8, -16, 1000, 2**40, -(2**40)  # bytes; for axes of size 1


def plain(x):
    """Return the same numbers in a new array, C-contiguous, aligned and writable."""
    copy = np.empty(x.shape, x.dtype.newbyteorder("="))
    copy[...] = x
    return copy


def awkward(shape, dtype, rng):
    """Return random numbers of this shape, lying in memory in a random way.

    Axes come in any order of memory, run backwards or leave gaps; the memory is misaligned; the
    array is a map of a file, read-only, or the same along an axis; and axes of size 1 have odd
    strides.  Each of these comes to one in a few arrays, so many have several.
    """
    order = rng.permutation(len(shape))
    steps = rng.choice([1, 1, 1, -1, 2, -3], len(shape))
    if rng.random() < 0.4:  # contiguous in some order
        steps[:] = 1
    if len(shape) > 1 and rng.random() < 0.4:  # as fast's own: the channels together
        order = np.array([0, *range(2, len(shape)), 1])
    spread = [shape[axis] * abs(steps[axis]) for axis in order]
    start = rng.integers(1, 8) if rng.random() < 0.2 else 0
    count = int(np.prod(spread, dtype=int))
    memory = np.zeros(count * np.dtype(dtype).itemsize + 8, np.uint8)
    if rng.random() < 0.1:
        memory = memory.view(np.memmap)
    x = memory[start : start + count * np.dtype(dtype).itemsize].view(dtype).reshape(spread)
    x = x.transpose(np.argsort(order))[..., *(slice(None, None, step) for step in steps)]
    x[...] = rng.standard_normal(shape)
    if shape and rng.random() < 0.15:  # one part of an axis stands for all of it
        axis = rng.integers(len(shape))
        strides = [0 if i == axis else step for i, step in enumerate(x.strides)]
        x = as_strided(x, shape, strides)
    if 1 in shape and rng.random() < 0.8:
        odd = [rng.choice(ODD_STRIDES) if size == 1 else None for size in shape]
        strides = [
            step if own is None else int(own) for own, step in zip(odd, x.strides, strict=True)
        ]
        x = as_strided(x, shape, strides)
    if rng.random() < 0.2:
        x.flags.writeable = False
    return x
