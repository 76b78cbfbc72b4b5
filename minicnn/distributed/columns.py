"""Two columns on two ranks, as on the paper's two GPUs: each rank computes one column.

The network is the table of two_columns.py.  A rank computes and updates its own column; where the
other column's array would be, it has an Away, which has a shape but no numbers.  Activations cross
forward, and their gradients backward, where the table has an `exchange` or a `join`.  The other
column's parameters are copied only before they are saved: see `complete`.

Both ranks read the same images.  After `join` both have the scores, and compute the same loss.
"""

from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy as np

from .. import two_columns
from ..reference import two_columns as same_memory
from ..reference.two_columns import Columns, at, channels
from .ranks import LIMIT, Ranks

DRAWING = ("dropout_forward", "dropout_relu_forward")


class Away:
    """An array of the other rank: its shape, without its numbers."""

    def __init__(self, shape=(), dtype=np.float32):
        self.shape, self.dtype = shape, dtype

    def __array__(self, dtype=None, copy=None):
        """Return zeros, for a search for NaN: the other rank searches the numbers."""
        return np.zeros(self.shape, dtype or self.dtype)


class ColumnRanks(Ranks):
    """The job of two ranks with one column each; every image is seen by both."""

    def __init__(self, limit=LIMIT):
        super().__init__(limit)
        self.part, self.parts = 0, 1  # `at` does nothing: functions know their column by arguments

    def collect(self, value):
        """Return [the value of rank 0]: all ranks count the same answers."""
        return [self.broadcast(value)]

    def swap(self, value):
        """Return what the other rank passes."""
        with self.waiting():
            return self.comm.sendrecv(value, 1 - self.rank, source=1 - self.rank)

    def complete(self, run):
        """Copy the other column's parameters and velocities from its rank into the run."""
        arrays = run.arrays()
        own = {n: array for n, array in arrays.items() if n.endswith(f".{self.rank}")}
        for name, array in self.swap(own).items():
            arrays[name][...] = array

    def backend(self, ops):
        """Return the backend of this rank's column, for tables of two columns."""
        one = ModuleType(ops.__name__)
        vars(one).update(vars(ops))
        one.fused = SimpleNamespace(**vars(ops.fused))
        for owner in (one, one.fused):
            for name in DRAWING:
                if hasattr(owner, name):
                    setattr(owner, name, draws_also_away(getattr(owner, name)))
        columns = Columns((0, 1), at, self.each, self.crossing, joined, part, added, ops.to_device)
        two = two_columns.build_backend(one, columns)
        join_forward = two.join_forward

        def join_forward_for_both(x):
            y, cache = join_forward(x)
            return self.broadcast(None if self.rank else y), cache

        def sgd_update(w, v, dw, **options):
            mine = ops.sgd_update(w[self.rank], v[self.rank], dw[self.rank], **options)
            theirs = w[1 - self.rank], v[1 - self.rank]
            pairs = zip(mine, theirs, strict=True)
            return tuple((a, b) if self.rank == 0 else (b, a) for a, b in pairs)

        join_forward_for_both.__name__ = "join_forward"
        two.join_forward, two.sgd_update = join_forward_for_both, sgd_update
        return two

    def each(self, work, key=None):
        """Return (work(0), work(1)), of which one is computed here and the other is Away."""
        mine = work(self.rank)
        theirs = tuple(Away(getattr(y, "shape", ()), getattr(y, "dtype", None)) for y in mine)
        return (mine, theirs) if self.rank == 0 else (theirs, mine)

    @contextmanager
    def crossing(self, *journeys):
        """Send arrays to the other rank; yield them as a list, those of this rank as Away."""
        sent = [channels(x, *cut) for x, source, _, *cut in journeys if source == self.rank]
        arrived, lent = iter(self.swap(sent)), []
        for x, source, _, *cut in journeys:
            lent.append(Away(x.shape, x.dtype) if source == self.rank else next(arrived))
            if isinstance(x, Away) and not cut:
                x.shape = lent[-1].shape  # until now it was that of this rank's column
        yield lent


def draws_also_away(dropout_forward):
    """Return a dropout layer that draws for the other column too, so that both ranks stay in step.

    It discards what it draws there.
    """

    def forward(x, **options):
        if not isinstance(x, Away):
            return dropout_forward(x, **options)
        dropout_forward(np.zeros(x.shape, x.dtype), **options)
        return x, x

    forward.__name__ = dropout_forward.__name__
    return forward


def joined(x0, x1):
    """Return one array with the channels of both columns, or Away."""
    if isinstance(x0, Away) or isinstance(x1, Away):
        return Away((x0.shape[0], x0.shape[1] + x1.shape[1], *x0.shape[2:]), x0.dtype)
    return same_memory.joined(x0, x1)


def part(x, first, C):
    """Return a copy of C channels of x, starting with `first`, or Away."""
    if isinstance(x, Away):
        return Away((x.shape[0], C, *x.shape[2:]), x.dtype)
    return same_memory.part(x, first, C)


def added(dy, first, other):
    """Return other plus as many channels of dy, starting with `first`, or Away."""
    if isinstance(dy, Away) or isinstance(other, Away):
        return Away(dy.shape, dy.dtype)
    return same_memory.added(dy, first, other)
