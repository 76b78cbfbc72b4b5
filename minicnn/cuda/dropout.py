"""Dropout (Section 4.2) on the GPU.  The definition is reference/dropout.py.

    x, y, dy, dx   any shape; kernels see them flat
    seed           64 bits, drawn by rng, one seed for each call
    limit          p·2³²: a unit is kept if its 32 random bits, as an integer, are at least that

A unit's bits are a function of the seed and the unit's index alone.  So forward keeps no mask:
backward computes the same one again from the seed.  Neither the order nor the number of threads
matters.

The function is Philox-4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
as 1, 2, 3" (SC11, 2011), which most GPU libraries use.  With the seed as key, it scrambles a
counter in ten rounds into four 32-bit numbers.  The units of a thread are 32 apart, so 32
neighbouring threads always access 32 neighbouring numbers:

    thread t handles the units  128·(t // 32) + t % 32 + 0, 32, 64 and 96

There is no plain kernel: with one unit per thread, it would compute all four numbers and use one.
"""

import math

import numpy as np

from ..checks import check_cache, check_dropout, check_gradient, check_rng
from .buffers import empty
from .device import flat, to_device
from .gpu import cuda, launch

LOW_BITS = np.uint64(0xFFFFFFFF)  # the lower 32 bits of 64
HALF_WIDTH = np.uint64(32)
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
KEY_STEPS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def dropout_forward(x, p=0.5, rng=None):
    """Return x with about a share p of its entries set to zero, and the cache.

    For the same rng, other units are dropped than in reference and fast.  Those draw a number for
    each unit on the host; the numbers would have to be copied to the device.
    """
    p = check_dropout("dropout", x, p)
    check_rng("dropout", rng)
    x = to_device(x)
    seed = rng.integers(2**64, dtype=np.uint64)
    limit = np.uint64(min(round(float(p) * 2**32), 2**32 - 1))
    return masked(x, seed, limit), (seed, limit, x.shape, x.dtype)


def dropout_backward(dy, cache):
    """Let dy pass where the unit was kept."""
    check_cache("dropout", cache, np.uint64, np.uint64, tuple, np.dtype)
    seed, limit, shape, dtype = cache
    check_gradient("dropout", dy, shape, dtype)
    return (masked(to_device(dy), seed, limit),)


def dropout_predict_forward(x, p=0.5):
    """Return every unit times 1 − p."""
    p = check_dropout("dropout_predict", x, p)
    return scaled(to_device(x), 1 - p), (p, x.shape, x.dtype)


def dropout_predict_backward(dy, cache):
    """Multiply dy by 1 − p."""
    check_cache("dropout_predict", cache, float, tuple, np.dtype)
    p, shape, dtype = cache
    check_gradient("dropout_predict", dy, shape, dtype)
    return (scaled(to_device(dy), 1 - p),)


def masked(x, seed, limit):
    """Return x where the unit is kept, and 0 elsewhere."""
    y = empty(x.shape, x.dtype)
    threads = 32 * math.ceil(x.size / 128)
    launch(drop_kernel, threads, flat(x), seed, limit, flat(y))
    return y


def scaled(x, factor):
    """Return x times a factor."""
    y = empty(x.shape, x.dtype)
    launch(scale_kernel, x.size, flat(x), x.dtype.type(factor), flat(y))
    return y


@cuda.jit
def drop_kernel(x, seed, limit, y):
    t = cuda.grid(1)
    i, zero = t // 32 * 128 + t % 32, x.dtype.type(0)
    t_low, t_high, zero_word = np.uint64(t) & LOW_BITS, np.uint64(t) >> HALF_WIDTH, np.uint64(0)
    for bits in philox(t_low, t_high, zero_word, zero_word, seed & LOW_BITS, seed >> HALF_WIDTH):
        if i < x.size:
            y[i] = x[i] if bits >= limit else zero  # not x · kept: ∞ · 0 is NaN
        i += 32


@cuda.jit
def scale_kernel(x, factor, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = x[i] * factor


@cuda.jit(device=True)
def philox(a, b, c, d, key_0, key_1):
    """Return four 32-bit numbers for a counter of four words, lowest first, and a key of two.

    Every word is in an unsigned 64-bit number, so that a product of two keeps its upper half.
    """
    for _ in range(10):
        product_0, product_1 = MULTIPLIERS[0] * a, MULTIPLIERS[1] * c
        a, b = (product_1 >> HALF_WIDTH) ^ b ^ key_0, product_1 & LOW_BITS
        c, d = (product_0 >> HALF_WIDTH) ^ d ^ key_1, product_0 & LOW_BITS
        key_0, key_1 = (key_0 + KEY_STEPS[0]) & LOW_BITS, (key_1 + KEY_STEPS[1]) & LOW_BITS
    return a, b, c, d
