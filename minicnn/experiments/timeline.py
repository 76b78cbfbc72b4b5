"""When and where each layer of a network of two columns runs, and what crosses meanwhile.

    python -m minicnn halves --timeline

runs a few training steps, records the last one, prints it as a table and draws timeline.png.

    span      one call of a function of the backend: its layer, pass and column, its start and end
    pass      forward, backward or update
    copy      a span that moves an array to the other column; its column is where it arrives
    origin    for each column a tick at the beginning of the step, from which times are counted

On a GPU the ends of a span are events in the column's own stream, so a span is what the GPU did,
not when the host launched it.  The clocks of two devices are unrelated: their origins are recorded
one after the other, while both are idle, and may be microseconds apart.  On the CPU the ends are
read from the clock; with minicnn.fast each column has a thread where that is faster.  Recording
costs a little: a recorded step takes longer.

The watcher wraps the backend, not the network: for this run, every function that does work.
"""

import functools
import threading
from collections import namedtuple
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import numpy as np

from .. import net, two_columns
from ..checks import check_whole
from ..networks import catalogue
from ..training import train
from ..training.run import Run

Span = namedtuple("Span", "layer phase column copy start end bytes")  # seconds from the origin

COLOURS = {  # of kinds of layers, by the beginnings of their names
    "conv": "tab:blue", "relu": "tab:cyan", "lrn": "tab:green", "pool": "tab:olive",
    "fc": "tab:purple", "dropout": "tab:gray", "loss": "black", "update": "tab:brown",
    "between the columns": "tab:orange", "copy": "tab:red",
}  # fmt: skip


def timeline(network, ops, gpus=None, batch=32, steps=8):
    """Return the spans of the last of a few training steps.

    Parameters
    ----------
    network : str
        The name of a network of two columns.
    ops : module
        The backend, for one column.
    gpus : pair of numbers, optional
        As in two_columns.in_columns.
    batch : int
        Images per step; they are random numbers.
    steps : int
        At least 2: the first step compiles and takes memory; minicnn.fast tries both ways in six.

    Raises
    ------
    ValueError
        For a network of one column.
    """
    if catalogue.find(network).columns != 2:
        names = " and ".join(catalogue.two_columns())
        raise ValueError(
            f"{network} has one column, so nothing crosses; networks of two are {names}"
        )
    check_whole("timeline", "batch", batch, 1)
    check_whole("timeline", "steps", steps, 1)
    watcher = SimpleNamespace(
        layer="", phase="", at=threading.local(), journeys=[], ticks=[], tick=ops.columns.tick
    )
    two = watched(ops, gpus, watcher)
    rng = np.random.default_rng(0)
    fused = net.fused(catalogue.build(network, two, rng), two)  # as in train.train
    layers = [
        layer._replace(
            forward=announced(layer.forward, watcher, layer.name, "forward"),
            backward=announced(layer.backward, watcher, layer.name, "backward"),
        )
        for layer in fused
    ]
    size = catalogue.find(network).size
    x = rng.standard_normal((batch, 3, size, size), np.float32)
    labels = np.zeros(batch, int)
    run = Run(layers, rng, epsilon=1e-6)
    run.to_device(two)
    for _ in range(steps):
        x_on_device, _ = next(two.device.feed([(x, labels)]))
        two.device.wait()
        watcher.ticks.clear()
        origins = [origin(two, watcher, column) for column in (0, 1)]
        _, _, grads = train.loss_and_gradients(layers, two, x_on_device, labels)
        train.update(layers, two, grads, run.velocities, run.epsilon)
        two.device.wait()
    seconds = ops.columns.seconds
    return [
        Span(layer, phase, column, copy, *[seconds(origins[column], end) for end in ends], size)
        for (layer, phase, column, copy), ends, size in watcher.ticks
    ]


def origin(two, watcher, column):
    """Return a tick in this column."""
    with two.on.at(column):
        return watcher.tick()


def watched(ops, gpus, watcher):
    """Return ops in columns; the watcher records each function that does work."""

    def watch(f):
        @functools.wraps(f)
        def recorded(*arguments, **options):
            copy = f.__name__ == "copied"
            column = watcher.journeys.pop(0) if copy else watcher.at.column
            start = watcher.tick()
            result = f(*arguments, **options)
            size = result.size * result.dtype.itemsize if copy else 0
            identity = watcher.layer, watcher.phase, column, copy
            watcher.ticks.append((identity, (start, watcher.tick()), size))
            return result

        return recorded

    def at(column):
        watcher.at.column = column
        return on.at(column)

    @contextmanager
    def crossing(*journeys):
        watcher.journeys = [target for _, _, target, *_ in journeys]
        with on.crossing(*journeys) as lent:
            yield lent

    one_column = ModuleType(ops.__name__)
    for name in dir(ops):
        f = getattr(ops, name)
        works = name.endswith(("_forward", "_backward", "_update"))
        setattr(one_column, name, watch(f) if works else f)
    fused = two_columns.layer_functions(ops.fused)
    one_column.fused = SimpleNamespace(**{name: watch(f) for name, f in fused})
    on = ops.columns.on(gpus, watch)
    two = two_columns.build_backend(one_column, on._replace(at=at, crossing=crossing))
    two.on = on
    for name, layer, phase in (
        ("softmax_loss_forward", "loss", "forward"),
        ("softmax_loss_backward", "loss", "backward"),
        ("sgd_update", "update", "update"),
    ):
        setattr(two, name, announced(getattr(two, name), watcher, layer, phase))
    return two


def announced(f, watcher, layer, phase):
    """Return a function that sets the watcher's layer and pass, and calls f."""

    @functools.wraps(f)
    def announce_and_call(*arguments, **options):
        watcher.layer, watcher.phase = layer, phase
        return f(*arguments, **options)

    return announce_and_call


def report(spans):
    """Return the spans as a table: a line for each layer and pass, times in milliseconds."""
    lines = [f"{'row':12}{'pass':10}{'column 0, ms':>20}{'column 1, ms':>20}{'crosses':>24}"]
    for layer, phase in dict.fromkeys((span.layer, span.phase) for span in spans):
        group = [span for span in spans if (span.layer, span.phase) == (layer, phase)]
        cells = [times([s for s in group if s.column == c and not s.copy]) for c in (0, 1)]
        copies = [(1 - span.column, span.column, span.bytes) for span in group if span.copy]
        words = ", ".join(f"{a} → {b} {format_bytes(size)}" for a, b, size in copies)
        lines.append(f"{layer:12}{phase:10}{cells[0]:>20}{cells[1]:>20}  {words}".rstrip())
    whole = max(span.end for span in spans)
    crossed = sum(span.bytes for span in spans if span.copy)
    copied = f"{format_bytes(crossed)} were copied" if crossed else "nothing had to be copied"
    lines.append(f"One step took {1000 * whole:.2f} ms; {copied} between the columns")
    for column in (0, 1):
        busy = covered([span for span in spans if span.column == column and not span.copy])
        lines.append(f"column {column} was at work for {busy / whole:.0%} of it")
    return "\n".join(lines)


def format_bytes(size):
    """Return a number of bytes as text, from 10,000 on in MB."""
    return f"{size:,} bytes" if size < 1e4 else f"{size / 1e6:.2f} MB"


def times(spans):
    """Return the start of the first span and the end of the last, in milliseconds, as text."""
    if not spans:
        return "–"
    start, end = min(span.start for span in spans), max(span.end for span in spans)
    return f"{1000 * start:.2f} – {1000 * end:.2f}"


def covered(spans):
    """Return the time in which at least one of these spans was running."""
    total = reached = 0.0
    for span in sorted(spans, key=lambda span: span.start):
        total += max(0.0, span.end - max(span.start, reached))
        reached = max(reached, span.end)
    return total


def draw(spans, path, title):
    """Draw the spans over time: for each column a lane of work and one of arriving copies."""
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
    label_ends = dict.fromkeys(lanes, -whole)  # the position of each lane's last label
    for span in spans:
        lane, start, end = (span.column, span.copy), 1000 * span.start, 1000 * span.end
        look = {"edgecolor": COLOURS["copy"], "lw": 0.8} if span.copy else {}  # or it may vanish
        axes.barh(places[lane], end - start, 0.8, start, color=COLOURS[kind_of(span)], **look)
        words = f"  {format_bytes(span.bytes)}" if span.copy else span.layer
        if span.copy and start - label_ends[lane] > 0.06 * whole:
            axes.text(end, places[lane], words, ha="left", va="center", fontsize=6)
            label_ends[lane] = end
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
    """Return the key of COLOURS for a span."""
    if span.copy:
        return "copy"
    return next((kind for kind in COLOURS if span.layer.startswith(kind)), "between the columns")
