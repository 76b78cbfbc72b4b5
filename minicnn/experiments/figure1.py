"""Figure 1: how many epochs a small network needs to 25% training error, with ReLU and with tanh.

    python -m minicnn figure1

trains the four-layer network of networks/cifar.py with each nonlinearity, at its own best learning
rate, and writes

    figure1.png         both curves and the 25% line, as in the paper
    results.json        epochs, iterations and seconds to 25%, and the ratio, for each seed and on
                        average; settings, versions, machine
    runs.jsonl          one line per finished run: its conditions and the result of race
    relu-0/, tanh-0/    a folder for each nonlinearity and seed: history.jsonl, checkpoint.npz

The training error is a running average: each batch is classified before its update, and the errors
are averaged over the last epoch's worth of batches.  The run ends at the first iteration where it
is at most 25%.  The original measured it likewise, but over a fifth of an epoch.  There is no
regularisation: no weight decay, dropout, crops or flips.

The paper does not give the four layers (see networks/cifar.py), the learning rates (found by the
sweep of figure1_sweep.py), or the batch and the momentum (here 128 and 0.9, as in Section 5).  The
paper trains on the full set; the default here is the bundled sample of 5,000 images.
"""

import json
import pathlib
import shutil
import statistics
from functools import partial

import numpy as np

from .. import data, storage
from ..checks import MOST, check_name, check_whole
from ..machine import versions
from ..networks import catalogue
from ..plots import curves
from ..plots.canvas import FIGURE
from ..storage import list_of, number, text, truth, whole, wrong_fact
from ..training import train
from . import journal

TARGET = 0.25
BATCH = 128
NONLINEARITIES = ("relu", "tanh")
RESULTS = storage.Kind("the results of a race", rb'\{\s*"relu": ')
RESULT = ("seed", "reached", "epochs", "iterations", "seconds")  # of a run in results.json
LINE = {  # of runs.jsonl
    "nonlinearity": text(NONLINEARITIES),
    "seed": whole(),
    "reached": truth(),
    "epochs": number(1e-3, MOST),
    "iterations": whole(1),
    "seconds": number(0),
    "training_error": list_of(number(0, 1), 1),
}
wrong_line = partial(wrong_fact, kinds=LINE)
# The best ε of the trials in results/study.jsonl, by images, input and init.
EPSILON = {
    (5000, "raw", "paper"): {"relu": 0.002, "tanh": 0.016},
    (5000, "raw", "cuda-convnet"): {"relu": 0.002, "tanh": 0.016},
    (5000, "unit", "fan-in"): {"relu": 0.004, "tanh": 0.016},
    (10000, "raw", "paper"): {"relu": 0.002, "tanh": 0.016},
    (50000, "raw", "paper"): {"relu": 0.001, "tanh": 0.004},
    (50000, "unit", "fan-in"): {"relu": 0.002, "tanh": 0.016},
}


def race(ops, prepared, *, nonlinearity, epsilon, seed, network, input, init, epochs, **options):
    """Train one network to 25% training error, or for `epochs` epochs; return a result.

    Parameters
    ----------
    ops : module
        The backend.
    prepared : tuple
        train_x, train_y, test_x, test_y, … as data.prepare returns them for this input.
    nonlinearity : str
        "relu" or "tanh".
    epsilon : float
        The learning rate ε.
    seed : int
        The seed of the first weights and of the order of the images.
    network, input, init : str
        The conditions: "four-layer" or "four-hidden-layer"; `input` as in data.prepare; `init` as
        in cifar.first_weights.
    epochs : int
        Give up after this many.
    **options
        folder, resume, progress and title, as in train.train.

    Returns
    -------
    dict
        reached (bool); epochs and iterations, to 25% or until it gave up; seconds; and
        training_error after each epoch.

    Raises
    ------
    errors.Diverged, errors.Interrupted, errors.CheckpointError
        As in train.train.
    """
    train_x, train_y, test_x, test_y = prepared[:4]
    rng = np.random.default_rng(seed)
    layers = catalogue.build(f"cifar-{network}", ops, rng, nonlinearity=nonlinearity, init=init)
    settings = {
        "network": network,
        "input": input,
        "init": init,
        "images": len(train_x),
        "nonlinearity": nonlinearity,
        "epsilon": epsilon,
        "batch": BATCH,
        "momentum": 0.9,
        "decay": 0,
        "seed": seed,
        "ops": ops.__name__,
    }
    run = train.train(
        layers,
        ops,
        (train_x, train_y),
        (test_x, test_y),
        rng=rng,
        epochs=epochs,
        epsilon=epsilon,
        decay=0,
        batch=BATCH,
        until=TARGET,
        settings=settings,
        **options,
    )
    steps = -(-len(train_x) // BATCH)
    return {
        "reached": run.reached(TARGET, steps),
        "epochs": round(len(run.losses) / steps, 3),
        "iterations": len(run.losses),
        "seconds": round(run.seconds, 1),
        "training_error": [round(line["training_error"], 4) for line in run.history],
    }


def best_epsilon(images, input, init):
    """Return {"relu": ε, "tanh": ε}, the sweep's best for these conditions.

    Of the sweeps with these conditions, the one with the nearest number of images counts.

    Raises ValueError if no sweep had this input and init.
    """
    swept = [key for key in EPSILON if key[1:] == (input, init)]
    if not swept:
        conditions = ", ".join(sorted({f"{i} with {j}" for _, i, j in EPSILON}))
        raise ValueError(
            f"no learning rates are known for {input} input with {init} weights, "
            f"only for {conditions}"
        )
    return EPSILON[min(swept, key=lambda key: abs(key[0] - images))]


def figure1(
    out,
    ops,
    *,
    dataset="sample",
    seeds=2,
    network="four-layer",
    input="raw",
    init="paper",
    epochs=60,
    resume=False,
    progress=True,
):
    """Run the race with each seed, write the figure and the results; return the results.

    Parameters
    ----------
    out : path
        The folder for figure1.png, results.json and the runs.  A finished race in it is replaced.
    ops : module
        The backend.
    dataset : str
        As in data.load.
    seeds : int
        The number of runs of each nonlinearity, with seeds 0, 1, …
    network, input, init : str
        The conditions, as in race.
    epochs : int
        Give up after this many.
    resume : bool
        Resume the race in `out`, if there is one.
    progress : bool
        Show a bar for each run.

    Returns
    -------
    dict
        The contents of results.json: "relu" and "tanh", as `summary` returns them, "ratio",
        "settings" and "machine", which has the lanes of fast/vector.py.

    Raises
    ------
    FileExistsError
        If `out` holds an unfinished race and `resume` is not set.
    OSError
        If nothing can be written to `out`, or the data are missing.
    ValueError
        If no learning rates are known for these conditions, or if the images are not like
        CIFAR-10's.
    errors.Diverged, errors.Interrupted, errors.CheckpointError
        As in train.train.
    """
    out = pathlib.Path(check_name("figure1", "out", out))
    check_whole("figure1", "seeds", seeds, 1)
    check_whole("figure1", "epochs", epochs, 1)
    photos = data.load(dataset)
    check_images(photos, dataset)
    prepared = data.prepare(photos, input)
    images = len(prepared[0])
    epsilons = best_epsilon(images, input, init)
    prepare_folder(out, resume)  # last: a mistake in the conditions must not delete a race
    settings = {
        "data": str(dataset),
        "images": images,
        "network": network,
        "input": input,
        "init": init,
        "ops": ops.__name__,
        "batch": BATCH,
        "momentum": 0.9,
        "decay": 0,
        "target": TARGET,
        "limit": epochs,
    }
    runs = {name: [] for name in NONLINEARITIES}
    histories = []
    for seed in range(seeds):
        for name in NONLINEARITIES:
            title = f"{name}, seed {seed}"
            key = {"nonlinearity": name, "seed": seed, "epsilon": epsilons[name], **settings}
            run = partial(
                race,
                ops,
                prepared,
                nonlinearity=name,
                epsilon=epsilons[name],
                seed=seed,
                network=network,
                input=input,
                init=init,
                epochs=epochs,
                folder=out / f"{name}-{seed}",
                resume=True,
                progress=progress,
                title=title,
            )
            advice = "run the same command again with --resume"
            line = journal.run_once(out / "runs.jsonl", key, run, title, advice, wrong_line)
            runs[name].append({n: line[n] for n in RESULT})
            histories.append((name, curve(line)))
    results = {name: summary(runs[name], epsilons[name]) for name in NONLINEARITIES}
    from .. import fast
    from ..fast.vector import LANES

    results |= {"ratio": ratio(runs), "settings": settings}
    results["machine"] = versions(fast.settings.threads) | {"lanes": LANES}
    curves.figure1(results, histories, out / "figure1.png")
    storage.write_text(out / "results.json", json.dumps(results, indent=2) + "\n", RESULTS)
    return results


def check_images(photos, name):
    """Raise ValueError unless the images have the size and the number of classes of CIFAR-10."""
    width, classes = photos.mean.shape[2], len(photos.classes)
    if (width, classes) != (32, 10):
        raise ValueError(
            f"{name} has images of {width}×{width} pixels in {classes} classes; "
            "the networks of Figure 1 take 32×32 pixels and 10 classes, like CIFAR-10's"
        )


def prepare_folder(out, resume):
    """Make the folder; unless the race resumes, remove a finished race from it."""
    storage.make_folder(out, {"figure1.png": FIGURE, "results.json": RESULTS})
    old = [folder for name in NONLINEARITIES for folder in out.glob(f"{name}-[0-9]*")]
    if resume or not old:
        return
    if not (out / "results.json").exists():
        raise FileExistsError(
            f"{out} holds an unfinished race: "
            "add --resume to resume it, or name another folder with --out"
        )
    (out / "results.json").unlink()
    (out / "runs.jsonl").unlink(missing_ok=True)  # an earlier version wrote none
    for folder in old:
        shutil.rmtree(folder)


def curve(line):
    """Return the training errors of a run as a history, which curves.figure1 draws."""
    return [
        {"epoch": min(epoch, line["epochs"]), "training_error": error}
        for epoch, error in enumerate(line["training_error"], start=1)
    ]


def summary(runs, epsilon):
    """Return the means over the seeds of one nonlinearity, and the run of each seed."""
    epochs = [run["epochs"] for run in runs]
    return {
        "epsilon": epsilon,
        "reached": all(run["reached"] for run in runs),
        "epochs": {"mean": statistics.mean(epochs), "sd": spread(epochs)},
        "iterations": statistics.mean(run["iterations"] for run in runs),
        "seconds": statistics.mean(run["seconds"] for run in runs),
        "runs": runs,
    }


def ratio(runs):
    """Return tanh's epochs divided by ReLU's: for each seed, their mean and standard deviation.

    If a run did not reach 25%, its epochs are only a lower bound, so there is no mean.  If ReLU
    always reached it, `at_least` is the smallest ratio of all seeds.
    """
    pairs = list(zip(runs["tanh"], runs["relu"], strict=True))
    by_seed = [tanh["epochs"] / relu["epochs"] for tanh, relu in pairs]
    all_reached = all(run["reached"] for pair in pairs for run in pair)
    relu_reached = all(relu["reached"] for _, relu in pairs)
    return {
        "mean": round(statistics.mean(by_seed), 3) if all_reached else None,
        "sd": spread(by_seed) if all_reached else None,
        "at_least": min(by_seed) if relu_reached else None,
        "by_seed": [round(r, 3) for r in by_seed],
    }


def spread(numbers):
    """Return the standard deviation over the seeds, or None if there is only one."""
    return round(statistics.stdev(numbers), 3) if len(numbers) > 1 else None


def report(results):
    """Return the results in four sentences, one per line."""
    sentences = []
    for name, word in (("relu", "ReLU"), ("tanh", "tanh")):
        result = results[name]
        each = ", ".join(f"{run['epochs']:.1f}" for run in result["runs"])
        verb = "reaches" if result["reached"] else "does not always reach"
        sentences.append(
            f"{word} {verb} 25% training error: {result['epochs']['mean']:.1f} epochs ({each}), "
            f"{result['iterations']:.0f} iterations, {result['seconds']:.0f} seconds, "
            f"at its best ε = {result['epsilon']:g}."
        )
    by_seed = results["ratio"]["by_seed"]
    seeds = f"{len(by_seed)} seeds" if len(by_seed) > 1 else "1 seed"
    if len(by_seed) > 1 and results["ratio"]["mean"] is not None:
        seeds = f"the mean of {len(by_seed)} seeds, {min(by_seed):.2f} to {max(by_seed):.2f}"
    sentences.append(f"{curves.ratio_text(results['ratio'])} ({seeds}; the paper: 6).")
    sentences.append("Another processor may round sums differently, which acts like another seed.")
    return "\n".join(sentences)
