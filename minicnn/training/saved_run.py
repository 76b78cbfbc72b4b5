"""What the checkpoint of a run says, checked before anything relies on it.

A checkpoint can be damaged where no checksum shows it, or be made by someone else.  So every fact
and every array that a resumed run uses has a kind here, and they must fit one another.
"""

import math

import numpy as np

from .. import storage
from ..errors import CheckpointError
from ..storage import list_of, number, optional, text, whole, wrong_fact
from . import schedules

MOST_EPOCHS = 2**31 - 1
LINE = {  # of a history, as Run.end_epoch writes it
    "epoch": number(0, MOST_EPOCHS),
    "step": whole(1),
    "loss": number(),
    "training_error": number(0, 1),
    "validation_error": optional(number(0, 1)),
    "validation_top5": optional(number(0, 1)),
    "epsilon": number(0),
    "seconds": number(0),
    "seconds_waited": number(0),
    "images_per_second": number(0),
    "weights": ("a dict, name → [mean |w|, mean |v|]", lambda value: are_sizes(value)),
}
FACTS = {  # as Run.save writes them
    "epoch": whole(0, MOST_EPOCHS),
    "step": whole(),
    "images": list_of(whole(1)),
    "epsilon": number(0),
    "first_epsilon": number(0),
    "seconds": number(0),
    "waited": number(0),
    "rng": ("the state of a generator", lambda value: is_state(value)),
    "rngs_of_layers": list_of(("the state of a generator", lambda value: is_state(value))),
    "training_images": optional(whole(1)),
    "batch": optional(whole(1)),
    "history": list_of(("a line of a history", lambda value: not wrong_line(value))),
    "settings": ("a dict", lambda value: isinstance(value, dict)),
}
SINCE = ("waited", "rngs_of_layers", "training_images", "batch")  # earlier versions lack these


def load(path):
    """Return the arrays and facts of a run that can be resumed.

    Raises
    ------
    CheckpointError
        If the checkpoint is damaged, is not that of a run, or its facts contradict one another.
    """
    arrays, facts = storage.load(path)
    if "epoch" not in facts or "order" not in arrays:
        raise CheckpointError(
            f"{path} holds no run to resume, only weights: start a new run from them with "
            "--init-from, in another folder"
        )
    wrong = wrong_fact(facts, FACTS, lacking=SINCE) or contradiction(arrays, facts)
    if wrong:
        raise CheckpointError(
            f"{path} is damaged: {wrong}; use an older checkpoint, or start the run again"
        )
    storage.check_finite(path, {n: a for n, a in arrays.items() if n[:2] in ("w:", "v:")})
    return arrays, facts


def contradiction(arrays, facts):
    """Return what in a checkpoint does not fit the rest, in words, or "".

    losses, wrongs and images have one number for each step; order holds each image once.
    """
    images, history = facts["images"], facts["history"]
    for name, kinds in (("order", "iu"), ("losses", "f"), ("wrongs", "iu")):
        if name not in arrays or arrays[name].ndim != 1 or arrays[name].dtype.kind not in kinds:
            return f"it lacks the array {name}, or this holds no list of numbers"
    order, losses, wrongs = arrays["order"], arrays["losses"], arrays["wrongs"]
    if not len(losses) == len(wrongs) == len(images):
        return f"{len(losses)} losses, {len(wrongs)} wrongs and {len(images)} images do not fit"
    if not np.isfinite(losses).all() or not (0 <= wrongs).all() or not (wrongs <= images).all():
        return "losses or wrongs are out of range"
    if not np.array_equal(np.sort(order), np.arange(len(order))):
        return "order does not hold each image once"
    total = facts.get("training_images") or len(order)
    batch = facts.get("batch") or max(images, default=1)
    steps = math.ceil(total / batch)  # in an epoch
    done = facts["epoch"] * steps + facts["step"]
    if done != len(losses) or (done and facts["step"] >= steps) or max(images, default=1) > batch:
        return (
            f"{facts['epoch']} epochs of {total} images, in batches of {batch}, and "
            f"{facts['step']} steps are not the {len(losses)} steps that it has"
        )
    if facts["step"] and len(order) != total:
        return f"order holds {len(order)} of {total} images"
    ends = [line["step"] for line in history]
    if len(history) < facts["epoch"] or ends != sorted(ends) or max(ends, default=0) > done:
        return "the history does not fit the steps"
    if any(line["weights"].keys() != history[0]["weights"].keys() for line in history):
        return "the history is of several networks"
    plan = facts["settings"].get("schedule")
    return "" if plan is None else schedules.wrong_plan(plan)


def wrong_line(line):
    """Return why this is no line of a history, in words, or ""."""
    return wrong_fact(line, LINE, lacking=("validation_top5",))


def are_sizes(value):
    """Return whether a value is {"conv1.w": [0.01, None], …}."""
    _, is_pair = list_of(optional(number(0)), 2, 2)
    return isinstance(value, dict) and all(map(is_pair, value.values()))


def is_state(value):
    """Return whether a value may be the state of a generator, as far as that can be told here."""
    kinds = {"bit_generator": text(), "state": ("a dict", lambda value: isinstance(value, dict))}
    return not wrong_fact(value, kinds)


def takes(rng, state):
    """Return whether a generator can take on a saved state.

    NumPy believes some of its numbers: a position outside its buffer reads other memory.
    """
    inner, trial = state["state"], type(rng.bit_generator)(0)
    try:
        inside = 0 <= inner.get("pos", 0) <= 624 and 0 <= state.get("buffer_pos", 0) <= 4
        trial.state = state
        return inside and storage.plain("the state", trial.state) == state
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
        return False
