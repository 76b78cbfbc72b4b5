"""When does the claim of Figure 1 hold?  A sweep over the learning rate under many conditions.

    python -m minicnn study

runs every cell of PLAN: one network, one kind of input and first weights, one number of images,
one nonlinearity.  In each cell it searches for the learning rate that reaches 25% training error
in the fewest epochs, on a grid whose steps are about a factor of two.  It starts from a guess and
moves up and down until both neighbours of the best are worse, so that a badly chosen ε cannot
decide the race.  A trial stops if it diverges, or exceeds the best so far by a factor of PATIENCE.
It writes

    study.jsonl    one line per trial: the cell, epsilon, seed, and the result of figure1.race
    study.png      epochs to 25% against ε, and tanh's divided by ReLU's against images

A sweep that was stopped or killed resumes when it is started again: trials in study.jsonl are not
repeated, and the unfinished one resumes from its checkpoint.
"""

import pathlib
from collections import namedtuple

from .. import data, storage
from ..checks import MOST, check_name, check_whole
from ..errors import Diverged
from ..plots import curves
from ..plots.canvas import FIGURE
from ..storage import number, optional, text, truth, whole, wrong_fact
from . import journal
from .figure1 import NONLINEARITIES, check_images, race

GRID = (0.000125, 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
PATIENCE = 1.2
LIMIT = 40  # epochs, until a trial of the cell has reached 25%

Cell = namedtuple("Cell", "network input init images nonlinearity")

LINE = {  # of study.jsonl; a trial that diverged has no number of epochs
    "network": text(),
    "input": text(),
    "init": text(),
    "images": whole(1),
    "nonlinearity": text(NONLINEARITIES),
    "epsilon": ("a learning rate of the grid", lambda value: value in GRID),
    "seed": whole(),
    "reached": truth(),
    "epochs": optional(number(1e-3, MOST)),
}

# network, input, init, images, first guess for relu and for tanh; the most informative lines first
PLAN = (
    ("four-layer", "raw", "paper", 5000, 0.002, 0.008),
    ("four-layer", "unit", "fan-in", 5000, 0.001, 0.008),
    ("four-layer", "raw", "cuda-convnet", 5000, 0.001, 0.004),
    ("four-layer", "raw", "paper", 50000, 0.001, 0.004),
    ("four-layer", "raw", "paper", 10000, 0.002, 0.008),
    ("four-hidden-layer", "raw", "paper", 5000, 0.002, 0.008),
    ("four-layer", "unit", "fan-in", 50000, 0.001, 0.004),
)


def study(out, ops, dataset="cifar10", most_images=None, progress=True, plan=PLAN, share=(1, 1)):
    """Run all trials of the plan that are not in out/study.jsonl yet, then draw study.png.

    Parameters
    ----------
    out : path
        The folder for study.jsonl, study.png and a folder for each trial.
    ops : module
        The backend.
    dataset : str
        The data set for cells of more than 5,000 images, as in data.load.
    most_images : int, optional
        Skip cells of more images than this.
    progress : bool
        Show a bar for each trial.
    plan : sequence
        Lines like those of PLAN.
    share : (int, int)
        (k, n): of all cells in their order, do every n-th, beginning with the k-th.

    Raises
    ------
    errors.Interrupted
        After Ctrl-C; the same call resumes the sweep.
    OSError
        If nothing can be written to the folder, or the data are missing.
    ValueError
        If every line of the plan has more images than `most_images`.
    """
    out = pathlib.Path(check_name("study", "out", out))
    if most_images is not None:
        check_whole("study", "most_images", most_images, 1)
    fewest = min(images for _, _, _, images, *_ in plan)
    if most_images and most_images < fewest:
        raise ValueError(f"at most {most_images} images: the study has none below {fewest}")
    storage.make_folder(out, {"study.png": FIGURE})
    plan = [line for line in plan if not most_images or line[3] <= most_images]
    if max(line[3] for line in plan) > 5000:
        check_images(data.load(dataset), dataset)  # now, not after an hour
    loaded, photos = None, None  # the name of the data set in memory, and its Photos
    cells = [
        (Cell(*line[:4], nonlinearity), guess)
        for line in plan
        for nonlinearity, guess in zip(("relu", "tanh"), line[4:], strict=True)
    ]
    k, n = share
    for cell, guess in cells[k - 1 :: n]:
        name = "sample" if cell.images <= 5000 else dataset
        while (epsilon := next_epsilon(read(out), cell, guess)) is not None:
            if loaded != name:
                loaded, photos = name, data.load(name)
            prepared = data.prepare(data.subset(photos, cell.images), cell.input)
            run_trial(out, ops, cell, epsilon, prepared, progress)
    results = read(out)
    curves.study(results, finished(results), out / "study.png")


def run_trial(out, ops, cell, epsilon, prepared, progress, seed=0):
    """Run one trial, or resume it, and add its line to study.jsonl."""
    trials = journal.select(read(out), cell._asdict())
    best = min((trial["epochs"] for trial in trials if trial["reached"]), default=None)
    epochs = LIMIT if best is None else int(best * PATIENCE) + 1
    words = [*map(str, cell)]
    title = ", ".join([*words, f"ε = {epsilon:g}"])

    def run():
        try:
            return race(
                ops,
                prepared,
                nonlinearity=cell.nonlinearity,
                epsilon=epsilon,
                seed=seed,
                network=cell.network,
                input=cell.input,
                init=cell.init,
                epochs=epochs,
                folder=out / "-".join([*words, f"{epsilon:g}"]),
                resume=True,
                progress=progress,
                title=title,
            )
        except Diverged:
            return {"reached": False, "diverged": True}

    key = {**cell._asdict(), "epsilon": epsilon, "seed": seed}
    journal.run_once(out / "study.jsonl", key, run, title, wrong=wrong_line)


def next_epsilon(results, cell, guess):
    """Return the next ε to try in this cell; None if both neighbours of the best are worse."""
    epochs = {}  # ε → epochs to 25%, infinite if not reached
    for line in journal.select(results, cell._asdict()):
        epochs[line["epsilon"]] = line["epochs"] if line["reached"] else float("inf")
    if min(epochs.values(), default=float("inf")) == float("inf"):
        steps = [abs(GRID.index(epsilon) - GRID.index(guess)) for epsilon in GRID]
        candidates = [epsilon for _, epsilon in sorted(zip(steps, GRID, strict=True))]
    else:
        i = GRID.index(min(epochs, key=epochs.get))
        candidates = GRID[i + 1 : i + 2] + GRID[max(0, i - 1) : i]
    untried = [epsilon for epsilon in candidates if epsilon not in epochs]
    return untried[0] if untried else None


def finished(results):
    """Return the set of the cells of PLAN in which both neighbours of the best ε are worse."""
    done = set()
    for network, input, init, images, *guesses in PLAN:
        for nonlinearity, guess in zip(("relu", "tanh"), guesses, strict=True):
            cell = Cell(network, input, init, images, nonlinearity)
            if next_epsilon(results, cell, guess) is None:
                done.add(cell)
    return done


def read(out):
    """Return the lines of study.jsonl; an empty list if there is no such file."""
    return journal.read(pathlib.Path(out) / "study.jsonl", wrong_line)


def wrong_line(line):
    """Return why a line is none of study.jsonl, in words, or ""."""
    wrong = wrong_fact(line, LINE, lacking=("epochs",))
    if not wrong and line["reached"] and line.get("epochs") is None:
        return "it has reached the goal, but epochs is missing"
    return wrong


def report(out):
    """Return the best ε of every cell as a table, with the ratio of tanh's epochs to ReLU's.

    A question mark says that the sweep has not yet shown a larger and a smaller ε to be worse.
    """
    results = read(out)
    done = finished(results)
    lines = [f"{'network':18} {'input':6}{'weights':14}{'images':>7}   {'ReLU':26}{'tanh':26}ratio"]
    for network, input, init, images, *_ in PLAN:
        epochs, words = [], []
        for nonlinearity in ("relu", "tanh"):
            cell = Cell(network, input, init, images, nonlinearity)
            reached = [r for r in journal.select(results, cell._asdict()) if r["reached"]]
            best = min(reached, key=lambda r: r["epochs"], default=None)
            epochs.append(best["epochs"] if best else None)
            doubt = "" if cell in done else " ?"
            result = f"{best['epochs']:.1f} epochs (ε = {best['epsilon']:g})" if best else "-"
            words.append(result + doubt)
        ratio = f"{epochs[1] / epochs[0]:.1f}" if all(epochs) else ""
        line = f"{network:18} {input:6}{init:14}{images:7,}   {words[0]:26}{words[1]:26}{ratio}"
        lines.append(line.rstrip())
    return "\n".join(lines)
