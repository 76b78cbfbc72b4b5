"""Two columns (Figure 2): half of the kernels on each GPU, which talk only in certain layers.

An activation is a pair, one half of the channels for each column, and so is every parameter.
`each(f)` applies a layer's function to both halves, and neither sees the other.  Three layers stand
between one and two:

    both        at the start: both columns get the whole image
    exchange    before conv3, fc6, fc7 and fc8: both columns get the channels of both
    join        at the end: two halves of the scores become one array

Their backward passes share one idea: what forward used twice gets two gradients, and these add.

    x0, x1      the halves, (N, C0, H, W) and (N, C1, H, W), or (N, C0) and (N, C1)
    C0          the number of channels of column 0; in a joined array they come first
    y           (N, C0 + C1, …)  all channels

Here each column computes half of the scores.  The original of 2012 computed all of them on GPU 0,
and sent column 1's half of fc7 there: the same arithmetic in another place.
"""

import functools
from types import SimpleNamespace

import numpy as np

ON_SCORES = ("softmax", "softmax_loss_forward", "softmax_loss_backward")


@functools.cache
def each(f):
    """Return f for two columns: every argument becomes a pair, and every result too.

    f is a layer's forward or backward, or sgd_update: all take arrays (or a cache) and return a
    tuple.  Options go by keyword and are the same for both columns.  Asked twice for the same f,
    `each` returns the same function.

    Raises TypeError, when called, for an argument that is not a pair.
    """

    @functools.wraps(f, updated=())
    def on_both(*pairs, **options):
        for number, pair in enumerate(pairs, start=1):
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise TypeError(
                    f"{f.__name__} in two columns: argument {number} is {type(pair).__name__}; "
                    "expected a pair, one for each column (a row `both` makes one of the images)"
                )
        results_0 = f(*[pair[0] for pair in pairs], **options)  # with two devices, these two lines
        results_1 = f(*[pair[1] for pair in pairs], **options)  # would run at the same time
        return tuple(zip(results_0, results_1, strict=True))  # ((y0, y1), (cache0, cache1)), say

    return on_both


def both_forward(x):
    """Return (x, x), the same images for both columns, and an empty cache."""
    return (x, x), ()


def both_backward(dy, cache):
    """Return (dx,): both columns used x, so their gradients add."""
    dy0, dy1 = dy
    return (dy0 + dy1,)


def exchange_forward(x):
    """Return (y, y), where y has the channels of both columns, and the cache."""
    x0, x1 = x
    C0 = x0.shape[1]
    y = np.concatenate([x0, x1], axis=1)
    return (y, y), (C0,)


def exchange_backward(dy, cache):
    """Return ((dx0, dx1),): for each column its own channels, where both columns' gradients add."""
    (C0,) = cache
    dy0, dy1 = dy
    dx0 = dy0[:, :C0] + dy1[:, :C0]  # this half of dy1 travels from column 1 to column 0,
    dx1 = dy0[:, C0:] + dy1[:, C0:]  # and this half of dy0 from column 0 to column 1
    return ((dx0, dx1),)


def join_forward(x):
    """Return y, one array with the channels of both columns, and the cache."""
    x0, x1 = x
    C0 = x0.shape[1]
    y = np.concatenate([x0, x1], axis=1)
    return y, (C0,)


def join_backward(dy, cache):
    """Return ((dx0, dx1),): for each column its own channels."""
    (C0,) = cache
    dx0 = np.ascontiguousarray(dy[:, :C0])
    dx1 = np.ascontiguousarray(dy[:, C0:])
    return ((dx0, dx1),)


def in_columns(ops):
    """Return a backend for two columns: `each` layer of ops, and both, exchange and join.

    The loss stays as it is, because `join` has made one array of the scores.  A table, a trainer or
    `net.predicting` takes in_columns(ops) wherever it takes ops.
    """
    two = SimpleNamespace(device=ops.device)
    for name in dir(ops):
        f = getattr(ops, name)
        if name.endswith(("_forward", "_backward", "_update")) and name not in ON_SCORES:
            setattr(two, name, each(f))
        elif callable(f):
            setattr(two, name, f)  # softmax and its loss, to_device, to_host
    two.both_forward, two.both_backward = both_forward, both_backward
    two.exchange_forward, two.exchange_backward = exchange_forward, exchange_backward
    two.join_forward, two.join_backward = join_forward, join_backward
    return two


def split_columns(params):
    """Return a layer's parameters as pairs: the first half of the kernels goes to column 0.

    This suits every layer.  With groups=2 the first half of the kernels sees the first half of the
    channels, which is column 0.  Without groups it sees all channels, those of column 0 first, as
    `exchange` lays them out; and fc6, which flattens its maps, takes them in that order too.
    """
    return {
        name: tuple(half.copy() for half in np.array_split(array, 2))
        for name, array in params.items()
    }


def join_columns(params):
    """Return a layer's parameters, or their gradients, in one column again: undo split_columns."""
    return {name: np.concatenate(pair) for name, pair in params.items()}
