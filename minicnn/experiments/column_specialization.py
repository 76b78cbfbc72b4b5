"""What do two columns learn that seldom communicate?  Sections 3.2 and 6.1, on CIFAR-10.

    python -m minicnn halves --experiment

trains networks of two columns that communicate before different layers, and the paper's smaller
network for one GPU, each from several seeds, and writes

    halves.jsonl    one line per run: variant, seed, test error, colour of each column, seconds
    halves.png      the test errors, and the colour in the kernels of each column
    paper-0/        one folder per run: checkpoint.npz, history.jsonl, and kernels.png, the first
                    kernels of each column (Figure 3)

In the paper, errors are 1.7 (top-1) and 1.2 (top-5) points lower with two columns than with one
GPU's network.  In every run the kernels of one column became grey, those of the other colourful.
gallery.colour measures how much.

An experiment that was stopped or killed resumes within its unfinished run.
"""

import pathlib
import statistics
from collections.abc import Collection
from functools import partial

import numpy as np

from .. import data, net, storage
from ..checks import check_between, check_name, check_whole
from ..data import views
from ..networks import cifar
from ..plots import gallery
from ..plots.canvas import FIGURE
from ..storage import list_of, number, text, whole, wrong_fact
from ..training import schedules, train
from ..two_columns import in_columns
from . import journal

VARIANTS = {  # → the function that builds its layers
    "paper": cifar.two_columns,
    "every-layer": partial(cifar.two_columns, exchanges=("conv2", "conv3", "fc4")),
    "last-layer": partial(cifar.two_columns, exchanges=("fc4",)),
    "never": partial(cifar.two_columns, exchanges=()),
    "one-gpu": cifar.one_gpu,
}
DESCRIPTIONS = {  # where the columns communicate
    "paper": "before conv3 and fc4, as the paper",
    "every-layer": "before every layer",
    "last-layer": "before fc4 alone",
    "never": "never",
    "one-gpu": "one GPU, half of the kernels",
}
SIZE = 24  # of the patches
LINE = {  # of halves.jsonl
    "variant": text(VARIANTS),
    "seed": whole(),
    "error": number(0, 1),
    "colour": list_of(number(0, 1), 1, 2),
}


def wrong_line(line):
    """Return why a value is no line of halves.jsonl, in words, or ""."""
    wrong = wrong_fact(line, LINE)
    if not wrong and len(line["colour"]) != (1 if line["variant"] == "one-gpu" else 2):
        return f"colour is {line['colour']}; expected one number for each column"
    return wrong


def experiment(
    out,
    ops,
    *,
    dataset="sample",
    seeds=3,
    epochs=10,
    epsilon=0.03,
    std=None,
    only=VARIANTS,
    share=(1, 1),
    progress=True,
):
    """Do all runs that are not in out/halves.jsonl yet, draw halves.png, and return all lines.

    Parameters
    ----------
    out : path
        The folder.
    ops : module
        The backend, for one column.
    dataset : str
        As in data.load.
    seeds, epochs : int
    epsilon : float
        The learning rate; it is divided by ten for the last fifth of the epochs.
    std : float, optional
        The first weights of conv1 are drawn from N(0, std²); by default they are scaled by fan-in,
        which is N(0, 0.163²).  Those remain visible for long, as noise in all colours: weight decay
        removes a tenth of them in 700 steps of ε = 0.03.
    only : collection of str
        The variants to run, keys of VARIANTS.
    share : (int, int)
        (k, n): of all runs in their order, do every n-th, beginning with the k-th.
    progress : bool
        Show a bar for each run.

    Returns
    -------
    list of dict
        The lines of all runs under these conditions, including earlier runs of other variants.

    Raises
    ------
    OSError
        If nothing can be written to the folder, or the data are missing.
    errors.Interrupted
        After Ctrl-C, when the step is finished and the run saved.
    errors.CheckpointError
        If the folder holds a run under other conditions.
    """
    out = pathlib.Path(check_name("experiment", "out", out))
    check_whole("experiment", "seeds", seeds, 1)
    check_whole("experiment", "epochs", epochs, 1)
    check_between("experiment", "epsilon", epsilon)
    if std is not None:
        check_between("experiment", "std", std)
    if isinstance(only, str) or not isinstance(only, Collection) or not only:
        raise TypeError(f"experiment: only = {only!r}; expected some of {', '.join(VARIANTS)}")
    if not all(variant in list(VARIANTS) for variant in only):
        raise ValueError(f"experiment: only = {only!r}; expected some of {', '.join(VARIANTS)}")
    storage.make_folder(out, {"halves.png": FIGURE})
    photos = data.load(dataset)
    conditions = {"images": len(photos.train_x), "epochs": epochs, "epsilon": epsilon, "std": std}
    path = out / "halves.jsonl"
    runs = [(seed, name) for seed in range(seeds) for name in VARIANTS if name in only]
    k, n = share
    for seed, variant in runs[k - 1 :: n]:
        key = {"variant": variant, "seed": seed, **conditions}
        title = f"{variant}, seed {seed}"
        do = partial(run, out, ops, photos, key, title, progress)
        journal.run_once(path, key, do, title, wrong=wrong_line)
    lines = journal.select(journal.read(path, wrong_line), conditions)
    if lines:  # a share may have none
        draw(lines, out / "halves.png")
    return lines


def run(out, ops, photos, key, title, progress=True):
    """Train one network, or resume it; draw its kernels and return its result, a dict."""
    variant, seed, epochs = key["variant"], key["seed"], key["epochs"]
    rng = np.random.default_rng(seed)
    options = {"size": SIZE, "classes": len(photos.classes), "first_std": key["std"]}
    layers = VARIANTS[variant](ops, rng, **options)
    has_columns = layers[0].name == "both"
    deviation = views.deviation_of(photos)
    folder = out / f"{variant}-{seed}"
    finished_run = train.train(
        layers,
        in_columns(ops) if has_columns else ops,
        (photos.train_x, photos.train_y),
        (photos.test_x, photos.test_y),
        rng=rng,
        epochs=epochs,
        epsilon=key["epsilon"],
        schedule=schedules.divide_at([max(1, round(0.8 * epochs))]),
        folder=folder,
        resume=True,
        settings=key,
        view=views.training_view(photos.mean, deviation, SIZE),
        test_view=views.central_view(photos.mean, deviation, SIZE),
        seed=seed,
        title=title,
        progress=progress,
    )
    last = finished_run.history[-1]
    first = next(layer for layer in layers if layer.params).params["w"]
    kernels = [net.on_host(w) for w in net.columns(first)]
    gallery.figure3(kernels, folder / "kernels.png")
    return {
        "error": last["validation_error"],
        "training_error": last["training_error"],
        "colour": [round(gallery.colour(w), 4) for w in kernels],
        "seconds": last["seconds"],
    }


def by_variant(lines):
    """Return [(variant, its lines), …] for the variants that have lines."""
    groups = [(name, [line for line in lines if line["variant"] == name]) for name in VARIANTS]
    return [(name, group) for name, group in groups if group]


def report(lines):
    """Return the results as a table: mean ± standard deviation over seeds."""
    table = [f"{'the columns talk':36}{'test error':>16}{'grey column':>14}{'colour column':>15}"]
    for variant, group in by_variant(lines):
        errors = [100 * line["error"] for line in group]
        words = f"{statistics.mean(errors):.1f}"
        words += f" ± {statistics.stdev(errors):.1f} %" if len(errors) > 1 else " %"
        colours = np.mean([sorted(line["colour"]) for line in group], axis=0)
        cells = "".join(f"{c:>14.2f}" for c in colours)
        table.append(f"{DESCRIPTIONS[variant]:36}{words:>16}{cells}")
    return "\n".join(table)


def draw(lines, path):
    """Draw the test errors of all runs, and the colour of their columns."""
    from ..plots.canvas import new_figure, save

    figure, (left, right) = new_figure(11, 3.6, columns=2)
    variants = by_variant(lines)
    for place, (_, group) in enumerate(variants):
        errors = [100 * line["error"] for line in group]
        left.plot(errors, [place] * len(errors), "o", color="black", mfc="none")
        left.plot(statistics.mean(errors), place, "|", color="tab:red", markersize=18)
        for i, line in enumerate(group):
            height = place + 0.5 * ((i + 0.5) / len(group) - 0.5)
            right.plot(line["colour"], [height] * len(line["colour"]), "-", color="0.7")
            for c, mark in zip(line["colour"], "os", strict=False):
                right.plot(c, height, mark, color="tab:blue" if mark == "o" else "tab:orange")
    places = range(len(variants))
    left.set_yticks(places, labels=[DESCRIPTIONS[variant] for variant, _ in variants])
    right.set_yticks(places, labels=[""] * len(variants))
    for axes in (left, right):
        axes.set_ylim(len(variants) - 0.5, -0.5)
    left.set_xlabel("test error (%)")
    left.set_title("○ a seed, | their mean", fontsize=10)
    right.set_xlabel("colour in the first weights")
    right.set_title("● column 0, ■ column 1", fontsize=10)
    save(figure, path)
