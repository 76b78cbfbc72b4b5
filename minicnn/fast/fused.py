"""Fused ReLU: layers that apply a neighbour's ReLU while its numbers are still in registers.

A ReLU on its own reads and writes every number for a single comparison, so memory limits its speed.
Its neighbours have the same numbers at hand.  `net.fused` puts one of these layers instead of two:

    conv_relu       y = max(0, x ∗ w + b), computed before y leaves the nearest cache
    pool_relu       the maxima, or 0.  A window without a positive value has no winner, so backward
                    sends its dy nowhere.  ReLU is monotonic, so it may stand before or after the
                    pool: the result is the same
    dropout_relu    also drops every unit at or below 0

A fused layer computes what its two layers compute, bit for bit.  NaN is the one exception: forward
agrees, but in backward two layers give a NaN no gradient, while pool_relu and dropout_relu pass dy
on to it.  Options and errors are those of conv, pool and dropout.

Measured on two cores: a step of the four-layer network is 1.02 times as fast (quartiles 1.00 to
1.09), AlexNet's the same within 5%.  The gain is in small layers, which end before a second thread
is awake: PyTorch was twice as fast in relu5 alone, but needs 1.1 times as long for relu5 and pool5.

    y           output; in backward of conv_relu it says which units were on
    floor       the least value of y: 0, or −∞ in layers without a ReLU
    no_winner   the winner of a window without a positive value: z·z, a position outside the window
"""

import numpy as np

from ..checks import check_cache
from ..jit import njit
from . import conv
from .activations import relu_backward
from .dropout import drop, dropout_backward
from .flags import FAST, LOOP
from .pool import max_pool, pool_backward


def conv_relu_forward(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):
    """Return max(0, y) of a convolution, and the cache."""
    y, cache = conv.convolve(x, w, b, stride, pad, groups, ceil_mode, floor=0.0)
    return y, (cache, y)


def conv_relu_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; with need_dx=False, as for the first layer, dx is None."""
    return conv.conv_backward(*undo_relu(dy, cache), need_dx)


def undo_relu(dy, cache):
    """Return the arguments of conv's backward: dy of the units that were on, and conv's cache."""
    check_cache("conv_relu", cache, tuple, np.ndarray)
    conv_cache, y = cache
    (dy,) = relu_backward(dy, (y,))
    return dy, conv_cache


def backward_x(dy, cache):
    """Return dx of conv_relu."""
    return conv.backward_x(*undo_relu(dy, cache))


def backward_w(dy, cache):
    """Return dw and db of conv_relu."""
    return conv.backward_w(*undo_relu(dy, cache))


def pool_relu_forward(x, z=3, s=2, ceil_mode=False):
    """Return the maxima, or 0 where they are negative, and the cache."""
    return max_pool(x, z, s, ceil_mode, floor=0.0, no_winner=z * z)


pool_relu_backward = pool_backward


def dropout_relu_forward(x, p=0.5, rng=None):
    """Return max(0, x) with about a share p of its entries set to zero, and the cache."""
    return drop(drop_relu_loop, x, p, rng)


dropout_relu_backward = dropout_backward


@njit(**LOOP, **FAST)
def drop_relu_loop(x, chance, p, y, kept):
    for i in range(x.size):
        kept[i] = chance[i] >= p and not x[i] <= 0  # a NaN is not ≤ 0 and stays
        y[i] = x[i] if kept[i] else x.dtype.type(0)
