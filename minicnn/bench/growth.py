"""How the speed of a training step grows: with the batch, the images, the channels, the threads.

    axis        what grows: "batch", "size", "channels" or "threads"
    values      what it grows through
    slope       of log(images a second) against log(value): 0 where an image always costs the same,
                −2 where it costs as many times more as it has pixels, 1 where each thread adds as
                much as the first
    law         the slope that the number of multiplications would give

Every step is timed several times, the values of an axis in turn, and its median counts.
"""

import json
import statistics
import time
from collections import namedtuple
from functools import partial

import numpy as np

from .. import net, storage
from ..console import aligned
from ..fast.vector import LANES
from ..machine import machine
from ..networks import cifar
from ..plots.canvas import new_figure, save
from ..training import train
from ..training.run import Run
from .cases import EPSILON
from .measure import RESULTS

Axis = namedtuple("Axis", "values law step_of reason")
STRAIGHT = 1.25  # a speed may be so many times above or below the line


def axes(ops, most_threads):
    """Return the axes by name; step_of(value) returns a step, its images, and its threads."""
    four_layer, threads = cifar.four_layer, [n for n in (1, 2, 4, 8, 16, 32) if n <= most_threads]
    return {
        "batch": Axis(
            [2**i for i in range(10)], 0, lambda N: step(ops, four_layer, 32, N),
            "what does not depend on the images: packing kernels, updating weights, waking "
            "threads, Python",
        ),
        "size": Axis(
            [32, 48, 64, 96, 128, 160, 192, 224], -2,
            lambda size: step(ops, partial(four_layer, size=size), size, 16),
            "preparing the kernels, which takes as long for small images as for large ones",
        ),
        "channels": Axis(
            [8, 16, 32, 48, 64, 96, 128, 192, 256], -2,
            lambda C: step(ops, partial(cifar.small_alexnet, kernels=[C] * 5), 24, 32),
            "the first layer, whose images have three channels; pooling and normalization, whose "
            "cost is proportional to the channels; vectors that are not full",
        ),
        "threads": Axis(
            threads, 1, lambda count: step(ops, four_layer, 32, 128, count),
            "caches and memory that threads share, and Python, which one of them runs",
        ),
    }  # fmt: skip


def step(ops, build, size, N, threads=None):
    """Return a function that does one training step with N images, N, and the threads for it."""
    rng = np.random.default_rng(0)
    run = Run(build(ops, rng), rng, EPSILON)
    run.to_device(ops)
    layers = net.fused(run.layers, ops)
    x = ops.to_device(rng.standard_normal((N, 3, size, size), np.float32))
    labels = rng.integers(10, size=N)

    def one():
        _, _, gradients = train.loss_and_gradients(layers, ops, x, labels)
        train.update(run.layers, ops, gradients, run.velocities, EPSILON)
        ops.device.wait()

    return one, N, threads


def measure_growth(out, ops, rounds=7, only=None):
    """Measure every axis; write growth.json and growth.png, and return the results as text.

    Parameters
    ----------
    out : path
    ops : module
        The backend.
    rounds : int
        How often each step is timed.
    only : collection of str, optional
        Some of the axes, each with its first three values: for a test.
    """
    storage.make_folder(out, {"growth.json": RESULTS})
    usual, conditions, results = ops.settings.threads, machine(), {}
    for name, axis in axes(ops, usual).items():
        if only is not None and name not in only:
            continue
        values = axis.values if only is None else axis.values[:3]
        speeds = speeds_of(ops, axis, values, rounds, usual)
        results[name] = {"values": values, "images_per_second": [round(s, 1) for s in speeds]}
    draw(results, f"{out}/growth.png")
    settings = {"network": "growth", "threads": usual, "rounds": rounds, "lanes": LANES}
    results = {"settings": settings, "machine": conditions, "axes": results}
    storage.write_text(f"{out}/growth.json", json.dumps(results, indent=1), RESULTS)
    return report(results)


def report(results):
    """Return what growth.json has as text."""
    known, text = axes(None, 1), []
    for name, axis in results["axes"].items():
        text += described(name, known[name], axis["values"], axis["images_per_second"])
    return "\n".join(text).rstrip()


def speeds_of(ops, axis, values, rounds, usual):
    """Return the images a second of each value: the median over the rounds."""
    steps = [axis.step_of(value) for value in values]
    times = [[] for _ in steps]
    for i in range(rounds + 2):  # the first two compile, and learn what is fastest
        for seconds, (one, _, threads) in zip(times, steps, strict=True):
            ops.settings.threads = threads or usual
            start = time.perf_counter()
            one()
            if i > 1:
                seconds.append(time.perf_counter() - start)
    ops.settings.threads = usual
    return [N / statistics.median(t) for t, (_, N, _) in zip(times, steps, strict=True)]


def described(name, axis, values, speeds):
    """Return the speeds of an axis as lines of text, and what keeps them from a straight line."""
    best = max(speed / value**axis.law for value, speed in zip(values, speeds, strict=True))
    shares = [s / value**axis.law / best for value, s in zip(values, speeds, strict=True)]
    table = [(name, "images/s", "of the line")]
    table += [
        (str(v), f"{s:,.0f}", f"{share:.2f}")
        for v, s, share in zip(values, speeds, shares, strict=True)
    ]
    bent = [str(v) for v, share in zip(values, shares, strict=True) if share < 1 / STRAIGHT]
    verdict = "a straight line"
    if bent:
        verdict = f"below the line at {', '.join(bent)}; what costs more there: {axis.reason}"
    return [*aligned(table, right=[0, 1, 2]), verdict, ""]


def draw(results, path):
    """Draw images a second against each axis, both logarithmic, with the line of its law."""
    figure, panels = new_figure(3.2 * len(results), 3, columns=max(2, len(results)))
    known = axes(None, 1)
    for panel, (name, result) in zip(panels, results.items(), strict=False):
        values, speeds = np.array(result["values"]), np.array(result["images_per_second"])
        law = values.astype(float) ** known[name].law
        panel.loglog(values, max(speeds / law) * law, "--", color="grey")
        panel.loglog(values, speeds, "o-", color="tab:blue")
        panel.minorticks_off()
        panel.set_xticks(values, labels=values, rotation=60, fontsize=8)
        ends = [min(speeds), max(speeds)]
        panel.set_yticks(ends, labels=[f"{end:,.0f}" for end in ends], fontsize=8)
        panel.set_xlabel(name)
    panels[0].set_ylabel("images a second, training\n(dashed: the law)")
    save(figure, path)
