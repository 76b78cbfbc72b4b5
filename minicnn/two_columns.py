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
    on          what two columns need of the backend, see reference/two_columns.py and
                cuda/two_columns.py: `with on.at(1): …` works where column 1 lives,
                on.each(work, what) is (work(0), work(1)), at once where that is faster, and
                `with on.crossing((x, 0, 1)) as (x_there,): …` lends it an array of column 0

Labels, scores and loss live with column 0.  So do images, unless a trainer feeds two devices, of
which each gets its own copy ahead of the step.  Here each column computes half of the scores.  The
original of 2012 computed all of them on GPU 0, and sent column 1's half of fc7 there: the same
arithmetic in another place.
"""

import functools
import itertools
from types import ModuleType, SimpleNamespace

import numpy as np

ON_SCORES = ("softmax", "softmax_loss_forward", "softmax_loss_backward")


def each(f, on):
    """Return f for two columns: every argument becomes a pair, and every result too.

    f is a layer's forward or backward, or sgd_update: all take arrays (or a cache) and return a
    tuple.  Options go by keyword and are the same for both columns.

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

        def work(column):
            with on.at(column):
                return f(*[pair[column] for pair in pairs], **options)

        if "rng" in options:  # both columns draw from it, in an order that can be repeated
            results = work(0), work(1)
        else:
            results = on.each(work, (f.__name__, shapes_of([pair[0] for pair in pairs])))
        return tuple(zip(*results, strict=True))  # ((y0, y1), (cache0, cache1)), say

    return on_both


def shapes_of(values):
    """Return the shapes of arrays, and of those in a cache; of whatever else, None."""
    nested = isinstance(values, tuple | list)
    return tuple(map(shapes_of, values)) if nested else getattr(values, "shape", None)


def both_forward(x, on):
    """Return (x0, x1), the same images for both columns, and an empty cache.

    They may be with both already: then x is the pair, see device_of.
    """
    if isinstance(x, tuple):
        return x, ()
    with on.at(0):
        x0 = on.to_device(x)
    with on.crossing((x0, 0, 1)) as (x0_there,), on.at(1):
        x1 = on.part(x0_there, 0, x.shape[1])
    return (x0, x1), ()


def both_backward(dy, cache, on):
    """Return (dx,): both columns used x, so their gradients add."""
    dy0, dy1 = dy
    with on.crossing((dy1, 1, 0)) as (dy1_there,), on.at(0):
        dx = on.added(dy0, 0, dy1_there)
    return (dx,)


def exchange_forward(x, on):
    """Return (y0, y1), each with the channels of both columns, and the cache."""
    x0, x1 = x
    with on.crossing((x0, 0, 1), (x1, 1, 0)) as (x0_there, x1_there):
        with on.at(0):
            y0 = on.joined(x0, x1_there)
        with on.at(1):
            y1 = on.joined(x0_there, x1)
    return (y0, y1), (x0.shape[1], x1.shape[1])


def exchange_backward(dy, cache, on):
    """Return ((dx0, dx1),): for each column its own channels, where both columns' gradients add."""
    C0, C1 = cache
    dy0, dy1 = dy
    with on.crossing((dy0, 0, 1, C0, C1), (dy1, 1, 0, 0, C0)) as (dy0_there, dy1_there):
        with on.at(0):
            dx0 = on.added(dy0, 0, dy1_there)
        with on.at(1):
            dx1 = on.added(dy1, C0, dy0_there)
    return ((dx0, dx1),)


def join_forward(x, on):
    """Return y, one array with the channels of both columns, and the cache."""
    x0, x1 = x
    with on.crossing((x1, 1, 0)) as (x1_there,), on.at(0):
        y = on.joined(x0, x1_there)
    return y, (x0.shape[1], x1.shape[1])


def join_backward(dy, cache, on):
    """Return ((dx0, dx1),): for each column its own channels."""
    C0, C1 = cache
    with on.at(0):
        dx0 = on.part(dy, 0, C0)
    with on.crossing((dy, 0, 1, C0, C1)) as (dy_there,), on.at(1):
        dx1 = on.part(dy_there, 0, C1)
    return ((dx0, dx1),)


def in_columns(ops, gpus=None):
    """Return a backend for two columns: `each` layer of ops, and both, exchange and join.

    The loss stays as it is, because `join` has made one array of the scores.  A table, a trainer or
    `net.predicting` takes in_columns(ops) wherever it takes ops.  Asked twice for the same, it
    returns the same; and a backend that is in columns already is returned as it is.

    Parameters
    ----------
    ops : module
        The backend of one column.
    gpus : pair of numbers, optional
        The devices of the columns, for minicnn.cuda: (0, 1), or (0, 0) for two streams on one.
        Where none are named: those of the option --gpus, or both columns on the current device.

    Raises
    ------
    ValueError
        For a device that does not exist, and for any device where ops computes on the CPU.
    """
    return ops if isinstance(ops, InColumns) else on_these(ops, ops.columns.on(gpus))


class InColumns(ModuleType):
    """A backend for two columns, as `in_columns` makes it."""


@functools.cache
def on_these(ops, on):
    """Return a backend for two columns that live on `on`."""
    two = InColumns(f"{ops.__name__} in two columns")
    for name, f in layers_of(ops):
        setattr(two, name, in_place(f, on) if name in ON_SCORES else each(f, on))
    two.fused = SimpleNamespace(**{name: each(f, on) for name, f in layers_of(ops.fused)})
    for f in (
        both_forward, both_backward, exchange_forward, exchange_backward, join_forward,
        join_backward,
    ):  # fmt: skip
        setattr(two, f.__name__, functools.update_wrapper(functools.partial(f, on=on), f))
    two.to_device, two.to_host = of_pairs(ops.to_device, on), of_pairs(ops.to_host, on)
    two.device, two.columns, two.settings = device_of(ops.device, on), ops.columns, ops.settings
    return two


def layers_of(ops):
    """Return names and functions of all that one column computes, and of the loss."""
    named = vars(ops).items()
    endings = "_forward", "_backward", "_update"
    return [(name, f) for name, f in named if name.endswith(endings) or name in ON_SCORES]


def in_place(f, on):
    """Return f where column 0 lives."""

    @functools.wraps(f)
    def with_column_0(*arguments, **options):
        with on.at(0):
            return f(*arguments, **options)

    return with_column_0


def of_pairs(f, on):
    """Return to_device or to_host for a pair of arrays, or for one, which is column 0's."""

    @functools.wraps(f)
    def of_pair(x):
        halves = x if isinstance(x, tuple) else (x,)
        moved = []
        for column, half in enumerate(halves):
            with on.at(column):
                moved.append(f(half))
        return tuple(moved) if isinstance(x, tuple) else moved[0]

    return of_pair


def device_of(device, on):
    """Return what a trainer asks of a backend's device; feed gives pairs where on.fed has two."""

    def wait():
        for column in (0, 1):
            with on.at(column):
                device.wait()

    def feed(batches):
        feeds = [device.feed(some) for some in itertools.tee(batches, len(on.fed))]
        while True:
            arrived = []
            for column, batches_there in zip(on.fed, feeds, strict=True):
                with on.at(column):
                    arrived.append(next(batches_there, None))
            if arrived[0] is None:
                return
            (x, labels), *elsewhere = arrived
            if elsewhere:
                x = x, elsewhere[0][0]
            del arrived, elsewhere
            yield x, labels
            del x  # or two batches would be held at a time

    wait.__doc__, feed.__doc__ = device.wait.__doc__, device.feed.__doc__
    return SimpleNamespace(
        LOOK_EVERY=device.LOOK_EVERY,
        ready=device.ready,
        memory=in_place(device.memory, on),
        capacity=device.capacity,
        described=device.described,
        wait=wait,
        feed=feed,
    )


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
