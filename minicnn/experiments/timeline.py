"""Which row of a network of two columns runs when and where, and what crosses meanwhile.

    python -m minicnn halves --timeline

runs a few training steps, watches the last one, prints it as a table and draws it (timeline.png).

    span      one function of the backend at work: its row, pass and column, its start and end
    pass      forward, backward or update
    copy      a span that is not work but travel; its column is where it arrives
    origin    for each column a tick at the beginning of the step; times are counted from it

On a GPU the ends of a span are events in the column's own stream, so that a span is what the GPU
did, not what the host asked for.  One device's clock says nothing about another's: of two devices,
the origins are made one after the other, while both are idle, and may be microseconds apart.  On
the CPU the ends are read from the clock; with minicnn.fast each column has a thread where that is
faster.  Watching costs a little: a step takes longer than one that nobody watches.

The backend is watched, not the network: every function that does work is wrapped, for this run.
"""

import functools
import threading
from collections import namedtuple
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy as np

from .. import net, two_columns
from ..networks import catalogue
from ..training import train
from ..training.run import Run

Span = namedtuple("Span", "row phase column copy start end bytes")  # seconds from the origin

COLOURS = {  # kinds of rows, by the beginnings of their names
    "conv": "tab:blue", "relu": "tab:cyan", "lrn": "tab:green", "pool": "tab:olive",
    "fc": "tab:purple", "dropout": "tab:gray", "loss": "black", "update": "tab:brown",
    "between the columns": "tab:orange", "copy": "tab:red",
}  # fmt: skip


def timeline(network, ops, gpus=None, batch=32, steps=8):
    """Return the spans of the last of some training steps.

    Parameters
    ----------
    network : str
        One of two columns.
    ops : module
        The backend, for one column.
    gpus : pair of numbers, optional
        As in two_columns.in_columns.
    batch : int
        Images a step: random numbers.
    steps : int
        At least 2: the first one compiles and takes memory; minicnn.fast tries ways out in six.

    Raises
    ------
    ValueError
        For a network of one column.
    """
    if catalogue.find(network).columns != 2:
        names = " and ".join(catalogue.two_columns())
        raise ValueError(f"{network} has one column, so nothing crosses; those of two are {names}")
    watcher = SimpleNamespace(
        row="", phase="", at=threading.local(), journeys=[], ticks=[], tick=ops.columns.tick
    )
    two = watched(ops, gpus, watcher)
    rng = np.random.default_rng(0)
    rows = net.fused(catalogue.build(network, two, rng), two)  # as train.train
    layers = [
        layer._replace(
            forward=announced(layer.forward, watcher, layer.name, "forward"),
            backward=announced(layer.backward, watcher, layer.name, "backward"),
        )
        for layer in rows
    ]
    size = catalogue.find(network).size
    x = rng.standard_normal((batch, 3, size, size), np.float32)
    labels = np.zeros(batch, int)
    run = Run(layers, rng, epsilon=1e-6)
    run.to_device(two)
    for _ in range(steps):
        x_there, _ = next(two.device.feed([(x, labels)]))
        two.device.wait()
        watcher.ticks.clear()
        origins = [origin(two, watcher, column) for column in (0, 1)]
        _, _, grads = train.loss_and_gradients(layers, two, x_there, labels)
        train.update(layers, two, grads, run.velocities, run.epsilon)
        two.device.wait()
    seconds = ops.columns.seconds
    return [
        Span(*what, *[seconds(origins[what[2]], end) for end in ends], size)
        for what, ends, size in watcher.ticks
    ]


def origin(two, watcher, column):
    with two.on.at(column):
        return watcher.tick()


def watched(ops, gpus, watcher):
    """Return ops in columns, where every function that does work is noted by the watcher."""

    def watch(f):
        @functools.wraps(f)
        def at_work(*arguments, **options):
            copy = f.__name__ == "copied"
            column = watcher.journeys.pop(0) if copy else watcher.at.column
            start = watcher.tick()
            result = f(*arguments, **options)
            size = result.size * result.dtype.itemsize if copy else 0
            what = watcher.row, watcher.phase, column, copy
            watcher.ticks.append((what, (start, watcher.tick()), size))
            return result

        return at_work

    def at(column):
        watcher.at.column = column
        return on.at(column)

    @contextmanager
    def crossing(*journeys):
        watcher.journeys = [target for _, _, target, *_ in journeys]
        with on.crossing(*journeys) as lent:
            yield lent

    one = ModuleType(ops.__name__)
    for name in dir(ops):
        f = getattr(ops, name)
        works = name.endswith(("_forward", "_backward", "_update"))
        setattr(one, name, watch(f) if works else f)
    fused = two_columns.layer_functions(ops.fused)
    one.fused = SimpleNamespace(**{name: watch(f) for name, f in fused})
    on = ops.columns.on(gpus, watch)
    two = two_columns.build_backend(one, on._replace(at=at, crossing=crossing))
    two.on = on
    for name, row, phase in (
        ("softmax_loss_forward", "loss", "forward"),
        ("softmax_loss_backward", "loss", "backward"),
        ("sgd_update", "update", "update"),
    ):
        setattr(two, name, announced(getattr(two, name), watcher, row, phase))
    return two


def announced(f, watcher, row, phase):
    """Return a function that tells the watcher whose work comes now, and calls f."""

    @functools.wraps(f)
    def announce_and_call(*arguments, **options):
        watcher.row, watcher.phase = row, phase
        return f(*arguments, **options)

    return announce_and_call


def report(spans):
    """Return the spans as a table: a line for each row and pass, times in milliseconds."""
    lines = [f"{'row':12}{'pass':10}{'column 0, ms':>20}{'column 1, ms':>20}{'crosses':>24}"]
    for row, phase in dict.fromkeys((span.row, span.phase) for span in spans):
        own = [span for span in spans if (span.row, span.phase) == (row, phase)]
        cells = [times([s for s in own if s.column == c and not s.copy]) for c in (0, 1)]
        ways = [(1 - span.column, span.column, span.bytes) for span in own if span.copy]
        words = ", ".join(f"{a} → {b} {in_words(size)}" for a, b, size in ways)
        lines.append(f"{row:12}{phase:10}{cells[0]:>20}{cells[1]:>20}  {words}".rstrip())
    whole = max(span.end for span in spans)
    crossed = sum(span.bytes for span in spans if span.copy)
    copied = f"{in_words(crossed)} were copied" if crossed else "nothing had to be copied"
    lines.append(f"One step took {1000 * whole:.2f} ms; {copied} between the columns")
    for column in (0, 1):
        busy = covered([span for span in spans if span.column == column and not span.copy])
        lines.append(f"column {column} was at work for {busy / whole:.0%} of it")
    return "\n".join(lines)


def in_words(size):
    return f"{size:,} bytes" if size < 1e4 else f"{size / 1e6:.2f} MB"


def times(spans):
    """Return when the first of these began and the last one ended."""
    if not spans:
        return "–"
    start, end = min(span.start for span in spans), max(span.end for span in spans)
    return f"{1000 * start:.2f} – {1000 * end:.2f}"


def covered(spans):
    """Return for how long at least one of these was at work."""
    total = reached = 0.0
    for span in sorted(spans, key=lambda span: span.start):
        total += max(0.0, span.end - max(span.start, reached))
        reached = max(reached, span.end)
    return total


def draw(spans, path, title):
    """Draw the spans: for each column a lane of work and one of what arrives, time to the right."""
    from matplotlib.patches import Patch

    from ..plots.canvas import new_figure, save

    whole = 1000 * max(span.end for span in spans)
    lanes = {(0, False): "column 0", (0, True): "arrives at 0"}
    lanes |= {(1, True): "arrives at 1", (1, False): "column 1"}
    seen = {(span.column, span.copy) for span in spans}
    lanes = {lane: name for lane, name in lanes.items() if lane in seen}  # no copies on the CPU
    places = {lane: place for place, lane in enumerate(lanes)}
    figure, axes = new_figure(12, 1.6 + 0.55 * len(lanes))
    figure.suptitle(title, fontsize=10)
    said = dict.fromkeys(lanes, -whole)  # where the last words of a lane are
    for span in spans:
        lane, start, end = (span.column, span.copy), 1000 * span.start, 1000 * span.end
        look = {"edgecolor": COLOURS["copy"], "lw": 0.8} if span.copy else {}  # or it may be lost
        axes.barh(places[lane], end - start, 0.8, start, color=COLOURS[kind_of(span)], **look)
        words = f"  {in_words(span.bytes)}" if span.copy else span.row
        if span.copy and start - said[lane] > 0.06 * whole:
            axes.text(end, places[lane], words, ha="left", va="center", fontsize=6)
            said[lane] = end
        elif not span.copy and end - start > 0.04 * whole:
            look = {"fontsize": 6, "color": "white"}
            axes.text((start + end) / 2, places[lane], words, ha="center", va="center", **look)
    for phase in ("forward", "backward", "update"):
        began = 1000 * min(span.start for span in spans if span.phase == phase)
        axes.axvline(began, color="black", lw=0.8, ls=":")
        aligned = {"ha": "right"} if began > 0.95 * whole else {"ha": "left"}
        axes.text(began, -0.55, f" {phase} ", fontsize=7, va="bottom", **aligned)
    axes.set_yticks(range(len(lanes)), labels=lanes.values())
    axes.set_ylim(len(lanes) - 0.45, -0.55)
    axes.set_xlim(0, whole)
    axes.set_xlabel("milliseconds")
    kinds = dict.fromkeys(kind_of(span) for span in spans)
    patches = [Patch(color=COLOURS[kind], label=kind) for kind in kinds]
    look = {"ncols": len(patches), "fontsize": 7, "frameon": False}
    figure.legend(handles=patches, loc="outside lower center", **look)
    save(figure, path)


def kind_of(span):
    """Return a key of COLOURS."""
    if span.copy:
        return "copy"
    return next((kind for kind in COLOURS if span.row.startswith(kind)), "between the columns")
