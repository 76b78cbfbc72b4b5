"""All runs of a claim: each arm chooses its ε first, and is then trained from every seed.

    journal   claims.jsonl: a line for each run that is done, whichever claims it serves
    key       what identifies a run: format, data, arm, purpose, seed, epsilon, epochs
    machine   of a line: processor, lanes, versions, date; with these, and the same version of
              minicnn, a run has the same numbers to the bit
    score     how good an ε is: the error of the images held out, or the epochs until the goal;
              infinite if the run diverged or did not get there

ε is searched from the arm's first guess on, by factors of `step`, until both neighbours of the best
are worse.  So a badly chosen ε cannot decide a claim.

A run that was killed resumes from its checkpoint.  Journals of several machines are merged by
concatenation: a run that occurs twice counts once.
"""

import math
import pathlib
import sys
import time
from collections import namedtuple

import numpy as np

from .. import data, storage
from ..experiments import journal
from ..fast.vector import LANES
from ..machine import versions
from ..training import train
from ..training.run import Run
from ..two_columns import in_columns
from .arms import ARMS
from .runs import BATCH, SHORTER, run_arm
from .table import CLAIMS

FORMAT = 1  # of a journal's lines
JOURNAL = "claims.jsonl"
KEY = {"data": storage.text(), "arm": storage.text()}
ENSEMBLE = {
    **KEY,
    "errors": storage.list_of(storage.number(0, 1), 1),
    "error_together": storage.number(0, 1),
    **dict.fromkeys(("seeds", "answers"), storage.whole(1)),
    **dict.fromkeys(("only_member", "only_together"), storage.whole()),
}
RUN = {
    **KEY,
    "purpose": storage.text(("choose", "run")),
    "seed": storage.whole(),
    "epsilon": storage.number(1e-12, 1e6),
    "epochs": storage.whole(1),
    "error": storage.optional(storage.number(0, 1)),
}
Laboratory = namedtuple("Laboratory", "out ops photos data progress")  # where runs are done
MOST_TRIALS = 9  # of ε
PATIENCE = 1.2  # a race is given up when it takes this many times the epochs of the best ε


def do_claims(out, ops, numbers, *, dataset="cifar10", seeds=None, share=(1, 1), progress=True):
    """Do the runs of these claims that out/claims.jsonl lacks, in the order of the claims.

    Parameters
    ----------
    out : path
        The folder for the journal, and for a folder of each run.
    ops : module
        The backend, for one column.
    numbers : list of int
        The claims, keys of CLAIMS.
    dataset : str
        As in data.load.
    seeds : int, optional
        Runs of each arm; by default, as the claim says.
    share : (int, int)
        (k, n): of all runs in their order, do every n-th, beginning with the k-th.
    progress : bool
        Show a bar for each run.

    Raises
    ------
    errors.Interrupted
        After Ctrl-C; the same call resumes the run.
    """
    out = pathlib.Path(out)
    storage.make_folder(out)
    lab = Laboratory(out, ops, data.load(dataset), str(dataset), progress)
    k, n = share
    for place, (arm, seed) in enumerate(runs_of(numbers, seeds)):
        if place % n == k - 1:
            epsilon = choose_epsilon(lab, arm)
            once(lab, arm, "run", seed, epsilon, ARMS[arm].epochs)
    for claim in (CLAIMS[number] for number in numbers):
        if claim.kind == "ensemble":
            average(lab, claim.arms[0], seeds or claim.seeds)


def runs_of(numbers, seeds=None):
    """Return the runs of these claims, each once: a list of (name of the arm, seed)."""
    runs = {}
    for number in numbers:
        claim = CLAIMS[number]
        for seed in range(seeds or claim.seeds):
            for arm in claim.arms:
                runs[arm, seed] = True
    return list(runs)


def choose_epsilon(lab, name):
    """Return the best ε of an arm, after the runs that are still needed to know it."""
    arm = ARMS[name]
    if arm.step is None:
        return arm.epsilon
    while True:
        scores = scores_of(read(lab.out), lab.data, name)
        epsilon = next_epsilon(scores, arm.epsilon, arm.step)
        if epsilon is None:
            return best(scores)
        purpose, epochs = "choose", max(1, arm.epochs // SHORTER)
        if arm.until:
            purpose, least = "run", min(scores.values(), default=math.inf)
            epochs = arm.epochs if least == math.inf else min(arm.epochs, int(PATIENCE * least) + 1)
        once(lab, name, purpose, 0, epsilon, epochs)


def once(lab, name, purpose, seed, epsilon, epochs):
    """Do one run, unless the journal has it; return its line."""
    key = {"format": FORMAT, "data": lab.data, "arm": name, "purpose": purpose, "seed": seed,
           "epsilon": epsilon}  # fmt: skip
    for line in journal.select(read(lab.out), key):
        if line["epochs"] == epochs or line.get("reached"):  # at the goal, the limit is no matter
            return line
    key["epochs"] = epochs
    folder = lab.out / folder_name(key)
    title = f"{name}, {'choosing ε' if purpose == 'choose' else f'seed {seed}'}, ε = {epsilon:g}"

    def run():
        arm = ARMS[name]
        starts = arm.starts and first_network(lab, arm.starts, seed)
        result = run_arm(lab.ops, lab.photos, arm, key, folder, title, lab.progress, starts)
        return {**result, "machine": versions(lab.ops.settings.threads) | {"lanes": LANES}}

    return journal.run_once(lab.out / JOURNAL, key, run, title, wrong=wrong_line)


def first_network(lab, name, seed):
    """Return the checkpoint of an arm's run from this seed, after the run if it is not here."""
    epsilon = choose_epsilon(lab, name)
    line = once(lab, name, "run", seed, epsilon, ARMS[name].epochs)
    folder = lab.out / folder_name(line)
    if not (folder / "checkpoint.npz").exists():  # another machine did the run
        title = f"{name}, seed {seed}, again"
        run_arm(lab.ops, lab.photos, ARMS[name], line, folder, title, lab.progress)
    return folder / "checkpoint.npz"


def average(lab, name, seeds):
    """Average the probabilities of an arm's runs, and add a line to the journal.

    The runs keep their probabilities in their folders.  While one of those is missing, because
    another machine did the run or did not yet, nothing happens.
    """
    lines = journal.select(read(lab.out), {"data": lab.data, "arm": name, "purpose": "run"})
    lines = {line["seed"]: line for line in reversed(lines) if line["epochs"] == epochs_of(line)}
    files = [
        lab.out / folder_name(lines[s]) / "probabilities.npy" for s in range(seeds) if s in lines
    ]
    if len(files) < seeds or not all(file.exists() for file in files):
        return
    key = {"format": FORMAT, "data": lab.data, "arm": name, "purpose": "ensemble", "seeds": seeds}

    def together():
        members = [np.load(file) for file in files]
        wrong = [np.argmax(p, axis=1) != lab.photos.test_y for p in members]
        wrong_together = np.argmax(np.mean(members, axis=0), axis=1) != lab.photos.test_y
        return {
            "errors": [round(float(w.mean()), 5) for w in wrong],
            "error_together": round(float(wrong_together.mean()), 5),
            "answers": seeds * len(lab.photos.test_y),
            "only_member": int(sum((w & ~wrong_together).sum() for w in wrong)),
            "only_together": int(sum((wrong_together & ~w).sum() for w in wrong)),
        }

    journal.run_once(
        lab.out / JOURNAL, key, together, f"the average of {seeds} runs", wrong=wrong_line
    )


def folder_name(key):
    """Return the name of a run's folder."""
    return "{arm}-{purpose}-{seed}-{epsilon:g}-{epochs}".format(**key)


def read(out):
    """Return the lines of the journal in a folder that have the format of this version."""
    lines = journal.read(pathlib.Path(out) / JOURNAL, wrong_line)
    ours = [line for line in lines if line["format"] == FORMAT]
    if len(ours) < len(lines):
        note = f"{JOURNAL}: {len(lines) - len(ours)} lines of another version are not used"
        print(note, file=sys.stderr)
    return ours


def wrong_line(line):
    """Return why a value is no line of the journal, in words, or ""."""
    wrong = storage.wrong_fact(line, {"format": storage.whole()})
    if wrong or line["format"] != FORMAT:
        return wrong
    return storage.wrong_fact(line, ENSEMBLE if line.get("purpose") == "ensemble" else RUN)


def scores_of(lines, dataset, name):
    """Return {ε: score} of the trials of an arm."""
    arm, scores = ARMS[name], {}
    key = {"data": dataset, "arm": name, "purpose": "run" if arm.until else "choose", "seed": 0}
    for line in journal.select(lines, key):
        value = line["error"]
        if arm.until:
            value = line["epochs_run"] if line["reached"] else None
        scores[line["epsilon"]] = math.inf if value is None else value
    return scores


def best(scores):
    """Return the ε with the least score; of several, the largest."""
    return min(scores, key=lambda epsilon: (scores[epsilon], -epsilon))


def next_epsilon(scores, guess, step):
    """Return the next ε to try; None if both neighbours of the best are worse, or after too many.

    As long as every run has diverged or has not reached its goal, ε alternates: the guess, a step
    down, a step up, two steps down, …
    """
    if len(scores) >= MOST_TRIALS:
        return None
    if min(scores.values(), default=math.inf) == math.inf:
        exponents = [0, *(sign * i for i in range(1, MOST_TRIALS) for sign in (-1, 1))]
        candidates = [rounded(guess * float(step) ** exponent) for exponent in exponents]
    else:
        candidates = [rounded(best(scores) * factor) for factor in (step, 1 / step)]
    untried = [epsilon for epsilon in candidates if epsilon not in scores]
    return untried[0] if untried else None


def rounded(epsilon):
    """Return ε with six digits, so that up and down again is the same number."""
    return float(f"{epsilon:.6g}")


def missing(out, numbers, dataset, seeds=None):
    """Return the runs of these claims that the journal lacks: a list of (name, seed)."""
    lines = journal.select(read(out), {"data": dataset, "purpose": "run"})
    done = {(line["arm"], line["seed"]) for line in lines if line["epochs"] == epochs_of(line)}
    return [run for run in runs_of(numbers, seeds) if run not in done]


def epochs_of(line):
    """Return the epochs that a line must have to count: those of its arm, or any at the goal."""
    arm = ARMS.get(line["arm"])
    return None if arm is None else line["epochs"] if line.get("reached") else arm.epochs


def seconds_per_run(ops, photos, name, steps=4):
    """Return the seconds that a run of this arm takes on this machine, from a few of its steps."""
    arm = ARMS[name]
    rng = np.random.default_rng(0)
    layers = arm.build(ops, rng)
    ops = in_columns(ops) if arm.columns == 2 else ops
    run = Run(layers, rng, 1e-6)
    run.to_device(ops)
    x = rng.standard_normal((BATCH, 3, arm.size, arm.size), np.float32)
    labels = rng.integers(len(photos.classes[arm.classes or slice(None)]), size=BATCH)
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        loss, _, grads = train.loss_and_gradients(layers, ops, ops.to_device(x), labels)
        train.update(layers, ops, grads, run.velocities, run.epsilon)
        float(ops.to_host(loss))
        times.append(time.perf_counter() - start)
    images = min(arm.images or len(photos.train_x), len(photos.train_x))
    return min(times) * arm.epochs * images / BATCH
