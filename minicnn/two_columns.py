"""Two columns (Figure 2): each GPU has half of the kernels; they communicate only in some layers.

An activation is a pair, one half of the channels for each column, and so is every parameter.
`each(f)` applies a layer's function to each half; neither half sees the other.  Three layers
convert between one array and two:

    both        at the start: both columns get the whole image
    exchange    before conv3, fc6, fc7 and fc8: both columns get all channels
    join        at the end: the two halves of the scores become one array

Their backward passes share one idea: an array that forward used twice gets two gradients, which
add.

    x0, x1      the halves, (N, C0, H, W) and (N, C1, H, W), or (N, C0) and (N, C1)
    C0          the number of channels of column 0; in a joined array they come first
    y           (N, C0 + C1, …)  all channels
    columns     the backend's operations, see reference/two_columns.py and cuda/two_columns.py:
                `with columns.at(1): …` computes where column 1 lives,
                columns.each(work, key) returns (work(0), work(1)), in parallel if that is faster,
                `with columns.crossing((x, 0, 1)) as (x_there,): …` lends column 0's x to column 1

Labels, scores and loss live with column 0.  So do images, unless a trainer feeds two devices: then
each device gets its own copy ahead of the step.  In minicnn each column computes half of the
scores.  In the original code of 2012, column 1 sent its half of fc7 to GPU 0, which computed all
scores.  The arithmetic is the same.
"""

import functools
import itertools
from types import ModuleType, SimpleNamespace

import numpy as np

ON_SCORES = ("softmax", "softmax_loss_forward", "softmax_loss_backward")  # run in column 0


def each(f, columns):
    """Return f for two columns: every argument becomes a pair, and so does every result.

    f is a layer's forward or backward, or sgd_update: all take arrays (or a cache) and return a
    tuple.  Options are passed by keyword and are the same for both columns.

    The returned function raises TypeError for an argument that is not a pair.
    """

    @functools.wraps(f, updated=())
    def f_of_pairs(*pairs, **options):
        for number, pair in enumerate(pairs, start=1):
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise TypeError(
                    f"{f.__name__} in two columns: argument {number} is {type(pair).__name__}; "
                    "expected a pair, one for each column (a `both` layer makes images a pair)"
                )

        def work(column):
            with columns.at(column):
                return f(*[pair[column] for pair in pairs], **options)

        if "rng" in options:  # both columns draw from it, always in this order
            results = work(0), work(1)
        else:
            key = f.__name__, nested_shapes([pair[0] for pair in pairs])
            results = columns.each(work, key)
        return tuple(zip(*results, strict=True))  # for example ((y0, y1), (cache0, cache1))

    return f_of_pairs


def nested_shapes(values):
    """Return the shapes of arrays, nested as the values are; None for a value that has no shape."""
    nested = isinstance(values, tuple | list)
    return tuple(map(nested_shapes, values)) if nested else getattr(values, "shape", None)


def both_forward(x, columns):
    """Return (x0, x1), the same images for both columns, and an empty cache.

    If a trainer has fed both columns already, x is the pair: see columns_device.
    """
    if isinstance(x, tuple):
        return x, ()
    with columns.at(0):
        x0 = columns.to_device(x)
    with columns.crossing((x0, 0, 1)) as (x0_there,), columns.at(1):
        x1 = columns.part(x0_there, 0, x.shape[1])
    return (x0, x1), ()


def both_backward(dy, cache, columns):
    """Return (dx,): both columns used x, so their gradients add up."""
    dy0, dy1 = dy
    with columns.crossing((dy1, 1, 0)) as (dy1_there,), columns.at(0):
        dx = columns.added(dy0, 0, dy1_there)
    return (dx,)


def exchange_forward(x, columns):
    """Return (y0, y1), each with the channels of both columns, and the cache."""
    x0, x1 = x
    with columns.crossing((x0, 0, 1), (x1, 1, 0)) as (x0_there, x1_there):
        with columns.at(0):
            y0 = columns.joined(x0, x1_there)
        with columns.at(1):
            y1 = columns.joined(x0_there, x1)
    return (y0, y1), (x0.shape[1], x1.shape[1])


def exchange_backward(dy, cache, columns):
    """Return ((dx0, dx1),): for its own channels, each column adds the gradients of both."""
    C0, C1 = cache
    dy0, dy1 = dy
    with columns.crossing((dy0, 0, 1, C0, C1), (dy1, 1, 0, 0, C0)) as (dy0_there, dy1_there):
        with columns.at(0):
            dx0 = columns.added(dy0, 0, dy1_there)
        with columns.at(1):
            dx1 = columns.added(dy1, C0, dy0_there)
    return ((dx0, dx1),)


def join_forward(x, columns):
    """Return y, one array with the channels of both columns, and the cache."""
    x0, x1 = x
    with columns.crossing((x1, 1, 0)) as (x1_there,), columns.at(0):
        y = columns.joined(x0, x1_there)
    return y, (x0.shape[1], x1.shape[1])


def join_backward(dy, cache, columns):
    """Return ((dx0, dx1),): each column's own channels."""
    C0, C1 = cache
    with columns.at(0):
        dx0 = columns.part(dy, 0, C0)
    with columns.crossing((dy, 0, 1, C0, C1)) as (dy_there,), columns.at(1):
        dx1 = columns.part(dy_there, 0, C1)
    return ((dx0, dx1),)


def in_columns(ops, gpus=None):
    """Return a backend for two columns: the layers of ops on pairs, and both, exchange and join.

    The loss is that of ops, because `join` makes one array of the scores.  A table, a trainer or
    `net.predicting` takes in_columns(ops) wherever it takes ops.  The same arguments return the
    same object.  A backend that is in columns already is returned unchanged.

    Parameters
    ----------
    ops : module
        The backend of one column.
    gpus : pair of numbers, optional
        The devices of the columns, for minicnn.cuda: (0, 1), or (0, 0) for two streams on one.
        The default is the devices of --gpus, or else the current device for both columns.

    Raises
    ------
    ValueError
        For a device that does not exist, and for any device if ops computes on the CPU.
    """
    return ops if isinstance(ops, InColumns) else build_backend(ops, ops.columns.on(gpus))


class InColumns(ModuleType):
    """A backend for two columns, as `in_columns` makes it."""


@functools.cache
def build_backend(ops, columns):
    """Return the backend for two columns that live where `columns` says."""
    two = InColumns(f"{ops.__name__} in two columns")
    for name, f in layer_functions(ops):
        setattr(two, name, run_in_column_0(f, columns) if name in ON_SCORES else each(f, columns))
    two.fused = SimpleNamespace(
        **{name: each(f, columns) for name, f in layer_functions(ops.fused)}
    )
    for f in (
        both_forward, both_backward, exchange_forward, exchange_backward, join_forward,
        join_backward,
    ):  # fmt: skip
        bound = functools.partial(f, columns=columns)
        setattr(two, f.__name__, functools.update_wrapper(bound, f))
    two.to_device, two.to_host = (move_pairs(f, columns) for f in (ops.to_device, ops.to_host))
    two.device = columns_device(ops.device, columns)
    two.columns, two.settings = ops.columns, ops.settings
    return two


def layer_functions(ops):
    """Return (name, function) for every layer of a backend, its loss and its update."""
    functions, endings = vars(ops).items(), ("_forward", "_backward", "_update")
    return [(name, f) for name, f in functions if name.endswith(endings) or name in ON_SCORES]


def run_in_column_0(f, columns):
    """Return a function that calls f where column 0 lives."""

    @functools.wraps(f)
    def f_in_column_0(*arguments, **options):
        with columns.at(0):
            return f(*arguments, **options)

    return f_in_column_0


def move_pairs(move, columns):
    """Return to_device or to_host for a pair of arrays, or for a single one: column 0's."""

    @functools.wraps(move)
    def move_pair(x):
        halves = x if isinstance(x, tuple) else (x,)
        moved = []
        for column, half in enumerate(halves):
            with columns.at(column):
                moved.append(move(half))
        return tuple(moved) if isinstance(x, tuple) else moved[0]

    return move_pair


def columns_device(device, columns):
    """Return the `device` of two columns; feed yields x as a pair if both columns are fed."""

    def wait():
        for column in (0, 1):
            with columns.at(column):
                device.wait()

    def feed(batches):
        feeds = [device.feed(copy) for copy in itertools.tee(batches, len(columns.fed))]
        while True:
            arrived = []
            for column, column_feed in zip(columns.fed, feeds, strict=True):
                with columns.at(column):
                    arrived.append(next(column_feed, None))
            if arrived[0] is None:
                return
            (x, labels), *others = arrived
            if others:
                x = x, others[0][0]
            del arrived, others
            yield x, labels
            del x  # otherwise two batches would be in memory at once

    def collect(pairs, factor=1):
        flats = []
        for column in (0, 1):
            with columns.at(column):
                flats.append(device.collect([pair[column] for pair in pairs], factor))
        return np.concatenate(flats)

    def deliver(flat, pairs):
        first = sum(pair[0].size for pair in pairs)
        delivered = []
        for column, part in enumerate((flat[:first], flat[first:])):
            with columns.at(column):
                delivered.append(device.deliver(part, [pair[column] for pair in pairs]))
        return list(zip(*delivered, strict=True))

    wait.__doc__, feed.__doc__ = device.wait.__doc__, device.feed.__doc__
    return SimpleNamespace(
        LOOK_EVERY=device.LOOK_EVERY,
        ready=device.ready,
        memory=run_in_column_0(device.memory, columns),
        capacity=device.capacity,
        described=device.described,
        wait=wait,
        feed=feed,
        collect=collect,
        deliver=deliver,
    )


def split_columns(params):
    """Return a layer's parameters as pairs: the first half of the kernels goes to column 0.

    This split suits every layer.  With groups=2 the first half of the kernels sees the first half
    of the channels, those of column 0.  Without groups every kernel sees all channels, those of
    column 0 first, as `exchange` orders them; fc6, which flattens its maps, has the same order.
    """
    return {
        name: tuple(half.copy() for half in np.array_split(array, 2, kernel_axis(array)))
        for name, array in params.items()
    }


def join_columns(params):
    """Undo split_columns: return a layer's parameters, or their gradients, in one column."""
    return {name: np.concatenate(pair, kernel_axis(pair[0])) for name, pair in params.items()}


def kernel_axis(array):
    """Return the axis of the kernels: the first, or the third if each place has its own."""
    return 2 if array.ndim in (3, 6) else 0  # (H_out, W_out, K) or (H_out, W_out, K, C, f, f)
