"""What do two columns that seldom talk learn?  The comparison of Sections 3.2 and 6.1, on CIFAR-10.

    python -m minicnn halves --experiment

trains networks of two columns that talk before different rows, and the paper's smaller network for
one GPU, each from several seeds, and writes

    halves.jsonl    one line a run: variant, seed, test error, colour of each column, seconds
    halves.png      the test errors, and how much colour each column sees
    kernels.png     the first kernels of both columns, in the paper's variant (Figure 3)

The paper: with two columns, errors are 1.7 (top-1) and 1.2 (top-5) points lower than with one GPU's
network; and in every run the kernels of one column became grey, those of the other colourful.

    colour    the share of a column's first weights that is not grey: 0 where the kernels look at
              red, green and blue alike, 2/3 for weights drawn at random

Killed and started again, it goes on with the runs that are missing.
"""

import json
import pathlib
import statistics
from functools import partial

import numpy as np

from . import checkpoint, cifar, data, gallery, net, schedules, train, trained
from .halves import in_columns

VARIANTS = {  # → how its rows are built
    "before conv3 and fc4, as the paper": cifar.two_columns,
    "before every row": partial(cifar.two_columns, exchanges=("conv2", "conv3", "fc4")),
    "before fc4 alone": partial(cifar.two_columns, exchanges=("fc4",)),
    "never": partial(cifar.two_columns, exchanges=()),
    "one GPU, half of the kernels": cifar.one_gpu,
}
PAPER = "before conv3 and fc4, as the paper"
SIZE = 24  # of the patches


def experiment(out, ops, dataset="sample", seeds=3, epochs=10, epsilon=0.03, progress=True):
    """Run what is not in out/halves.jsonl yet, draw the pictures, and return all lines.

    Parameters
    ----------
    out : path
        The folder.
    ops : module
        The backend, for one column.
    dataset : str
        As in data.open_photos.
    seeds, epochs : int
    epsilon : float
        The learning rate; divided by ten for the last fifth of the epochs.
    progress : bool
        Show a bar for each run.

    Raises
    ------
    OSError
        If nothing can be written to the folder, or the data are not there.
    """
    out = pathlib.Path(out)
    checkpoint.make_folder(out)
    photos = data.open_photos(dataset)
    conditions = {"images": len(photos.train_x), "epochs": epochs, "epsilon": epsilon}
    for seed in range(seeds):
        for variant in VARIANTS:
            done = {(line["variant"], line["seed"]) for line in chosen(read(out), conditions)}
            if (variant, seed) in done:
                continue
            result, kernels = run(ops, photos, variant, seed, epochs, epsilon, progress)
            lines = [*read(out), {"variant": variant, "seed": seed, **conditions, **result}]
            text = "".join(json.dumps(line) + "\n" for line in lines)
            checkpoint.write_text(out / "halves.jsonl", text)
            if variant == PAPER and seed == 0:
                gallery.figure3(kernels, out / "kernels.png")
    lines = chosen(read(out), conditions)
    draw(lines, out / "halves.png")
    return lines


def run(ops, photos, variant, seed, epochs, epsilon, progress=True):
    """Train one network; return its result, a dict, and the kernels of its columns."""
    rng = np.random.default_rng(seed)
    layers = VARIANTS[variant](ops, rng, size=SIZE, classes=len(photos.classes))
    two = layers[0].name == "both"
    deviation = trained.deviation_of(photos)
    last = max(1, round(0.8 * epochs))
    finished = train.train(
        layers,
        in_columns(ops) if two else ops,
        (photos.train_x, photos.train_y),
        (photos.test_x, photos.test_y),
        rng=rng,
        epochs=epochs,
        epsilon=epsilon,
        schedule=schedules.divide_at([last]),
        view=trained.training_view(photos.mean, deviation, SIZE),
        test_view=trained.central_view(photos.mean, deviation, SIZE),
        seed=seed,
        title=f"{variant}, seed {seed}",
        progress=progress,
    )
    end = finished.history[-1]
    first = next(layer for layer in layers if layer.params).params["w"]
    kernels = [net.on_host(w) for w in net.columns(first)]
    return {
        "error": end["validation_error"],
        "training_error": end["training_error"],
        "colour": [round(colour(w), 4) for w in kernels],
        "seconds": end["seconds"],
    }, kernels


def colour(w):
    """Return the share of the squared weights of kernels (K, 3, f, f) that is not grey.

    The grey part of a kernel is its mean over red, green and blue; what is left is colour.
    """
    w = np.asarray(w, np.float64)
    grey = w.mean(axis=1, keepdims=True)
    return float(np.square(w - grey).sum() / np.square(w).sum())


def read(out):
    """Return the lines of halves.jsonl, or none."""
    path = pathlib.Path(out) / "halves.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def chosen(lines, conditions):
    """Return the lines of runs under these conditions."""
    return [line for line in lines if all(line[n] == v for n, v in conditions.items())]


def of(variant, lines):
    """Return the lines of a variant."""
    return [line for line in lines if line["variant"] == variant]


def report(lines):
    """Return the results as a table: mean ± standard deviation over seeds."""
    table = [f"{'the columns talk':36}{'test error':>16}{'grey column':>14}{'colour column':>15}"]
    for variant in VARIANTS:
        some = of(variant, lines)
        errors = [100 * line["error"] for line in some]
        words = f"{statistics.mean(errors):.1f}"
        words += f" ± {statistics.stdev(errors):.1f} %" if len(errors) > 1 else " %"
        colours = np.mean([sorted(line["colour"]) for line in some], axis=0)
        shown = "".join(f"{c:>14.2f}" for c in colours)
        table.append(f"{variant:36}{words:>16}{shown}")
    return "\n".join(table)


def draw(lines, path):
    """Draw the test errors of all runs, and the colour of their columns."""
    from .figures import new_figure, save

    figure, (left, right) = new_figure(11, 3.6, columns=2)
    places = list(VARIANTS)
    for place, variant in enumerate(places):
        some = of(variant, lines)
        errors = [100 * line["error"] for line in some]
        left.plot(errors, [place] * len(errors), "o", color="black", mfc="none")
        left.plot(statistics.mean(errors), place, "|", color="tab:red", markersize=18)
        for i, line in enumerate(some):
            height = place + 0.5 * ((i + 0.5) / len(some) - 0.5)
            right.plot(line["colour"], [height] * len(line["colour"]), "-", color="0.7")
            for c, mark in zip(line["colour"], "os", strict=False):
                right.plot(c, height, mark, color="tab:blue" if mark == "o" else "tab:orange")
    left.set_yticks(range(len(places)), labels=places)
    right.set_yticks(range(len(places)), labels=[""] * len(places))
    for axes in (left, right):
        axes.set_ylim(len(places) - 0.5, -0.5)
    left.set_xlabel("test error (%)")
    left.set_title("○ a seed, | their mean", fontsize=10)
    right.set_xlabel("colour in the first weights")
    right.set_title("● column 0, ■ column 1", fontsize=10)
    save(figure, path)
