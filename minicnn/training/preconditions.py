"""What must hold before the first step of a run, so that no hours are lost to a mistyped argument.

Each check raises TypeError or ValueError with one sentence that names the argument of `train`.
"""

import math

import numpy as np

from .. import net
from ..checks import check_name, check_number, check_switch, check_whole
from . import evaluate

MOST_WORKERS = 256
BELOW_ONE = math.nextafter(1, 0)


def check_counts(epochs, batch, workers, seed, shards):
    """Raise TypeError or ValueError for a count that is not a whole number, or too small."""
    check_whole("train", "epochs", epochs, 1)
    check_whole("train", "batch", batch, 1)
    check_whole("train", "workers", workers, 1, MOST_WORKERS)
    check_whole("train", "seed", seed, 0)
    check_whole("train", "shards", shards, 1, batch)


def check_numbers(epsilon, momentum, decay, bias_epsilon, until, save_every):
    """Raise TypeError or ValueError for a number out of its range."""
    until = 0 if until is None else until
    decays = decay.values() if isinstance(decay, dict) else [decay]
    for name, value, most, expected in (
        ("epsilon", epsilon, math.inf, "a number of at least 0"),
        ("momentum", momentum, BELOW_ONE, "a number of at least 0 and below 1"),
        *(("decay", one, math.inf, "a number of at least 0") for one in decays),
        ("bias_epsilon", bias_epsilon, math.inf, "a number of at least 0"),
        ("until", until, 1, "a share of wrong answers, 0 … 1"),
        ("save_every", save_every, math.inf, "seconds, at least 0"),
    ):
        if not 0 <= check_number("train", name, value) <= most:
            raise ValueError(f"train: {name} = {value!r}; expected {expected}")


def check_names(folder, title, settings, inputs, switches):
    """Raise TypeError or ValueError for what is no name, no dict, or neither True nor False."""
    if folder is not None:
        check_name("train", "folder", folder)
    if not isinstance(title, str):
        raise TypeError(f"train: title is a {type(title).__name__}; expected a text")
    for name, value in (("settings", settings), ("inputs", inputs)):
        if not isinstance(value, dict | None):
            raise TypeError(f"train: {name} is a {type(value).__name__}; expected a dict")
    for name, value in switches.items():
        check_switch("train", name, value)


def check_functions(schedule, view, test_view, validation_data):
    """Raise TypeError for what is no function, ValueError if a schedule lacks validation data."""
    functions = {"schedule": schedule, "view": view, "test_view": test_view}
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise TypeError(f"train: {name} is a {type(function).__name__}; expected a function")
    if validation_data is None and getattr(schedule, "needs_validation", False):
        raise ValueError(
            "train: the schedule needs the validation error, but there is no validation_data"
        )


def images_and_labels(name, data):
    """Return images and labels; raise TypeError unless data is this pair, ValueError if empty."""
    if not isinstance(data, tuple | list) or len(data) != 2 or not hasattr(data[0], "__len__"):
        raise TypeError(f"train: {name} is a {type(data).__name__}; expected (images, labels)")
    if not len(data[0]):
        hint = "; pass None to train without validation" if name == "validation_data" else ""
        raise ValueError(f"train: {name} has no images{hint}")
    return data


def check_pixels(name, images):
    """Raise ValueError for a pixel that is NaN or infinite, if images are an array of floats."""
    if not isinstance(images, np.ndarray) or images.dtype.kind != "f":
        return
    for first in range(0, len(images), 1024):
        broken = net.first_broken(images[first : first + 1024])
        if broken is not None:
            raise ValueError(f"train: {name} image {first + broken} has NaN or infinite pixels")


def check_first_weights(layers):
    """Raise ValueError if a weight is NaN or infinite before the first step."""
    broken = net.broken_parameters(layers)
    if broken:
        raise ValueError(
            f"train: {' and '.join(broken)} NaN or infinite before the first step; start from "
            "other weights"
        )


def count_classes(layers, ops, x):
    """Return the number of scores that the network returns for x, the view of one image.

    This forward pass also raises an error, before any step, if the network does not fit the images.
    """
    scores = evaluate.output(net.fused(layers, ops), ops, x)
    if scores.ndim != 2 or len(scores) != 1:
        raise ValueError(
            f"train: for one image the network returns an array {scores.shape}; expected scores "
            "(1, classes)"
        )
    return scores.shape[1]
