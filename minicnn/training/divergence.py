"""When training diverges: where the first number that is not finite arose, and what to try."""

import math
import sys

import numpy as np

from .. import net
from ..errors import Diverged

EXPLODED = 10  # times the loss of guessing


def describe_divergence(run, layers, x, batches=None, steps=None, broken_value="the loss"):
    """Return when and where a loss or a weight stopped being finite, in words, and advice.

    Parameters
    ----------
    run : Run
    layers : list of Layer
    x : array
        The network's last inputs.
    batches : Batches, optional
        Those of this epoch; they identify a broken image.
    steps : int, optional
        How many of them the network saw; by default one more than the run has counted.
    broken_value : str
        What is not finite.
    """
    steps_before = len(run.losses) - run.step  # in the epochs that are done
    step = steps_before + (run.step + 1 if steps is None else steps)
    when = f"step {step} (epoch {run.epoch + 1})"
    saved = run.path and run.path.exists()
    rescue = f"; the last good state is in {run.path}" if saved else ""
    pixels = net.on_host(net.columns(x)[0])
    image = broken_image(pixels, batches, steps)
    if image:
        return f"{when}: {broken_value} is NaN or infinite because {image}{rescue}"
    culprit = "the loss itself"
    for layer, y in zip(layers, net.outputs(layers, x), strict=True):
        if not all(np.isfinite(net.on_host(part)).all() for part in net.columns(y)):
            broken = net.broken_parameters([layer])
            culprit = layer.name
            if broken:
                culprit += f" (its {' and '.join(broken)} already {'are' if broken[1:] else 'is'})"
            break
    advice = f"Try a smaller learning rate, e.g. {run.epsilon / 3:.1g} instead of {run.epsilon:g}"
    if not run.losses:  # ε has not been used yet
        advice = (
            "Nothing has been learned yet: try smaller first weights, or smaller pixels than these "
            f"from {pixels.min():.3g} to {pixels.max():.3g}"
        )
    return f"{when}: {broken_value} is NaN or infinite, first in {culprit}.  {advice}{rescue}"


def broken_image(x, batches, steps):
    """Return which image is NaN or infinite, in words, or None.

    With `batches` it searches the last two of the first `steps` batches, because an infinite pixel
    may break the weights in one step and the loss in the next.  Otherwise it searches x.
    """
    if batches is None:
        broken = net.first_broken(x)
        return None if broken is None else f"image {broken} of the batch has NaN or infinite pixels"
    pieces = [
        (s, shard) for s in range(max(0, steps - 2), steps) for shard in range(batches.shards)
    ]
    for step, shard in pieces:
        if not len(batches.indices(step, shard)):
            continue
        broken = net.first_broken(batches.make(step, shard)[0])
        if broken is not None:
            number = batches.indices(step, shard)[broken]
            image = f"image {number} of the training images"
            if net.first_broken(batches.images[number : number + 1]) is None:
                return f"the view makes NaN or infinity of {image}"
            return f"{image} has NaN or infinite pixels"
    return None


def save_unless_broken(run, layers, x, batches=None):
    """Save the run; if a weight is broken, raise Diverged and leave the earlier checkpoint."""
    check_weights(run, layers, x, batches)
    run.save()


def check_weights(run, layers, x, batches=None):
    """Raise Diverged if a weight is NaN or infinite."""
    if net.broken_parameters(layers):
        raise Diverged(describe_divergence(run, layers, x, batches, run.step, "a weight"))


def warn_of_explosion(run, classes, bar):
    """Print a sentence if the loss of this epoch, unlike the one before, is far above guessing's.

    A network that guesses has a loss of ln(classes).
    """
    guessing, losses = math.log(classes), [0, *(line["loss"] for line in run.history)]
    limit = EXPLODED * max(1, guessing)
    if losses[-1] > limit >= losses[-2]:
        bar.write(
            f"epoch {run.history[-1]['epoch']:g}: the loss is {losses[-1]:.3g}, but guessing would "
            f"have {guessing:.3g}: try a smaller learning rate, e.g. {run.epsilon / 3:.1g} instead "
            f"of {run.epsilon:g}",
            file=sys.stderr,
        )
