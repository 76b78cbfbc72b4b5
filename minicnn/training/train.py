"""Training (Section 5): the loop around forward and backward, one step after the other.

    images, labels   (N, 3, H, W), (N,) whole numbers: the training images
    view             view(images, rng) → x, what the network sees of some images: see augment.py
    epsilon          ε, the learning rate
    velocities       v for every parameter w, by the same names
    step             one batch: loss_and_gradients (forward, loss, backward), then update
    epoch            as many steps as show every image once, in an order drawn anew
    training error   the share of wrong answers over the last epoch's worth of steps

Each batch is asked before it is learned from, and these answers make up the training error, as in
the paper's code.  The weights move meanwhile: a network held still at the end of the epoch would do
better.

A run that was killed and resumed is the run that was not: a checkpoint holds parameters,
velocities, the order, the position in it and the random state, and the numbers that come after
are the same bit for bit.
"""

import math
import time

import numpy as np

from .. import console, net, storage
from ..checks import check_classes, check_number, check_rng, check_whole
from ..console import interrupts
from ..data.batches import Batches
from ..errors import Diverged, Interrupted
from . import evaluate
from .run import Run

BELOW_ONE = math.nextafter(1, 0)


def train(
    layers,
    ops,
    train_data,
    validation_data=None,
    *,
    rng,
    epochs,
    epsilon=0.01,
    momentum=0.9,
    decay=0.0005,
    batch=128,
    schedule=None,
    until=None,
    folder=None,
    resume=False,
    save_every=60,
    settings=None,
    view=None,
    test_view=None,
    seed=0,
    workers=1,
    inputs=None,
    title="",
    progress=True,
):
    """Train until `epochs` epochs are done or the training error is `until`; return the Run.

    Parameters
    ----------
    layers : list of Layer
        The network; its weights are changed.
    ops : module
        The backend that the network was built for; for two columns, `two_columns.in_columns(ops)`.
    train_data, validation_data : (images, labels)
        Images (N, …), an array or what can be indexed like one, and labels, an array (N,) of whole
        numbers, 0 … classes−1.
    rng : numpy Generator
        Draws the order of the images; the dropout rows of the network should hold the same one.
    epsilon, momentum, decay : float
        ε, 0.9 and 0.0005 of the update rule.  Biases do not decay, as in the original code.
    schedule : function
        Called after every epoch as schedule(history, epsilon); returns the next ε.  See
        schedules.py.
    until : float
        Stop at the first step at which the training error over one whole epoch is at most this.
    folder : path
        Where checkpoint.npz and history.jsonl go; None writes nothing.
    resume : bool
        Go on from the checkpoint in the folder, if there is one.  An ε other than the one that
        the run began with is a change by hand, and counts from there on.
    save_every : float
        Seconds between checkpoints within an epoch; there is one after every epoch in any case.
    settings : dict
        Values that describe the run, and that JSON can hold; a checkpoint with other settings is
        refused, as is one of another number of images or another batch.
    view, test_view : function
        view(images, rng) returns the x of a batch for training, test_view(images) that for
        validation.  None where images are already what the network wants, float32 or float64.
    seed : int
        Of the random choices that view makes; epoch and step are added to it.
    workers : int
        Threads that make the next batches meanwhile.
    inputs : dict of name → array
        What the checkpoint is to keep of how images become x, such as their mean.
    title : str
        What stands before the progress bar.
    progress : bool
        Show the bar: the time left, loss, training error, and images per second.

    Returns
    -------
    Run
        Its history has a dict for every epoch: loss in nats, error rates between 0 and 1 (top-5,
        too, with more than five classes), seconds, and how many of them were spent waiting for
        batches.

    Raises
    ------
    TypeError, ValueError
        Before the first step, if an argument is not what it should be; the message names it.
    Diverged
        If the loss or a weight becomes NaN or infinite; the last good checkpoint stays.
    Interrupted
        After Ctrl-C, when the step is finished and the run saved.
    errors.CheckpointError
        If the checkpoint in the folder is damaged or of another run.
    OSError
        If nothing can be written to the folder.
    """
    check_counts(epochs, batch, workers, seed)
    check_numbers(epsilon, momentum, decay, until, save_every)
    # From here on they are Python's own: np.float32 or np.uint8 would round, or overflow.
    epochs, batch, seed, workers = int(epochs), int(batch), int(seed), int(workers)
    epsilon, momentum, decay = float(epsilon), float(momentum), float(decay)
    check_rng("train", rng)
    check_functions(schedule, view, test_view, validation_data)
    images, labels = images_and_labels("train_data", train_data)
    validation = None
    if validation_data is not None:
        validation = images_and_labels("validation_data", validation_data)
    run = Run(
        layers, rng, epsilon, folder,
        settings=settings, inputs=inputs, training_images=len(images), batch=batch,
    )  # fmt: skip
    goes_on = bool(resume and run.path and run.path.exists())
    if not goes_on:
        check_first_weights(layers)
    if run.folder:
        storage.make_folder(run.folder)
    if goes_on:
        run.load()
    steps = math.ceil(len(images) / batch)  # in an epoch; its last batch may be smaller
    view, test_view = view or as_they_are, test_view or as_they_are
    rows, test_layers = net.fused(layers, ops), net.predicting(layers, ops)
    run.to_device(ops)
    if validation:
        x = test_view(validation[0][:1])
    else:
        x = view(images[:1], rng=np.random.default_rng(seed))
    classes = count_classes(test_layers, ops, x)
    labels = check_classes("train", labels, len(images), classes, "training labels")
    if validation:
        check_classes("train", validation[1], len(validation[0]), classes, "validation labels")
        check_pixels("validation", validation[0])
    if not goes_on:
        run.save()  # so that a run killed in its first second can be resumed, too
    look_every = ops.device.LOOK_EVERY if until is None else 1  # until is a matter of one step
    asked = []  # the losses and scores that nobody has looked at yet, one a step
    run.begin()

    whole = epochs * len(images)
    with interrupts() as interrupted, progress_bar(run, whole, title, progress) as bar:
        while run.epoch < epochs and not run.reached(until, steps):
            if run.step == 0:  # a new epoch
                run.order = rng.permutation(len(images))
            batches = Batches(
                images, labels, run.order, batch, view,
                seed=seed, epoch=run.epoch, first_step=run.step, workers=workers,
            )  # fmt: skip
            for x, labels_batch in ops.device.feed(batches):
                loss, scores, grads = loss_and_gradients(rows, ops, x, labels_batch)
                asked.append((loss, scores, labels_batch))
                if len(asked) == look_every or run.step + len(asked) == steps:
                    looked = look(asked, run, layers, ops, x, batches)
                update(layers, ops, grads, run.velocities, run.epsilon, momentum, decay)
                del loss, scores, grads  # the next step needs the memory

                if asked:
                    continue
                show(bar, run, steps, looked)
                done = run.reached(until, steps)  # at the goal, an epoch ends early
                if run.step == steps or done:
                    check_weights(run, layers, x, batches)
                    run.end_epoch(steps, validate(test_layers, ops, validation, test_view))
                if run.step == steps:
                    run.epoch, run.step = run.epoch + 1, 0  # from here on, step 0 of the next epoch
                    if schedule:
                        run.epsilon = next_epsilon(schedule, run)
                stop = interrupted()
                if run.step == 0 or stop or time.perf_counter() - run.saved_at > save_every:
                    keep(run, layers, x, batches)
                if stop:
                    raise Interrupted(how_to_go_on(run))
                if done:
                    break
    keep(run, layers, view(images[:1], rng=np.random.default_rng(seed)))
    return run


def check_counts(epochs, batch, workers, seed):
    """Raise ValueError for a whole number with which no run makes sense."""
    check_whole("train", "epochs", epochs, 1)
    check_whole("train", "batch", batch, 1)
    check_whole("train", "workers", workers, 1)
    check_whole("train", "seed", seed, 0)


def check_numbers(epsilon, momentum, decay, until, save_every):
    """Raise TypeError or ValueError for a number with which no run makes sense."""
    until = 0 if until is None else until
    for name, value, most, expected in (
        ("epsilon", epsilon, math.inf, "a number of at least 0"),
        ("momentum", momentum, BELOW_ONE, "a number of at least 0 and below 1"),
        ("decay", decay, math.inf, "a number of at least 0"),
        ("until", until, 1, "a share of wrong answers, 0 … 1"),
        ("save_every", save_every, math.inf, "seconds, at least 0"),
    ):
        if not 0 <= check_number("train", name, value) <= most:
            raise ValueError(f"train: {name} = {value!r}; expected {expected}")


def check_functions(schedule, view, test_view, validation_data):
    """Raise TypeError for what is no function, ValueError for a schedule without its data."""
    functions = {"schedule": schedule, "view": view, "test_view": test_view}
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise TypeError(f"train: {name} is a {type(function).__name__}; expected a function")
    if validation_data is None and getattr(schedule, "needs_validation", False):
        raise ValueError("train: the schedule waits for a stall, but there is no validation_data")


def images_and_labels(name, data):
    """Return both; raise TypeError or ValueError if data is not a pair of them, or is empty."""
    if not isinstance(data, tuple | list) or len(data) != 2 or not hasattr(data[0], "__len__"):
        raise TypeError(f"train: {name} is a {type(data).__name__}; expected (images, labels)")
    if not len(data[0]):
        hint = "; pass None for a run without" if name == "validation_data" else ""
        raise ValueError(f"train: {name} has no images{hint}")
    return data


def check_pixels(name, images):
    """Raise ValueError for a pixel that is NaN or infinite, where images are floats in an array."""
    if not isinstance(images, np.ndarray) or images.dtype.kind != "f":
        return
    for first in range(0, len(images), 1024):
        broken = net.first_broken(images[first : first + 1024])
        if broken is not None:
            raise ValueError(f"train: {name} image {first + broken} has NaN or infinite pixels")


def check_first_weights(layers):
    """Raise ValueError if a weight is NaN or infinite before anything is learned."""
    broken = net.broken_parameters(layers)
    if broken:
        raise ValueError(
            f"train: {' and '.join(broken)} NaN or infinite before the first step; begin with "
            "other weights"
        )


def count_classes(layers, ops, x):
    """Return how many scores the network gives; x is what it sees of one image.

    So one image goes through before an hour is spent: what does not fit is refused now.
    """
    scores = evaluate.output(net.fused(layers, ops), ops, x)
    if scores.ndim != 2 or len(scores) != 1:
        raise ValueError(
            f"train: for one image the network returns an array {scores.shape}; expected scores "
            "(1, classes)"
        )
    return scores.shape[1]


def next_epsilon(schedule, run):
    """Return the ε that the schedule wants after this epoch; raises ValueError if it is none."""
    epsilon = schedule(run.history, run.epsilon)
    if check_number("schedule", "ε", epsilon) < 0:
        raise ValueError(f"schedule: it returned ε = {epsilon}; expected a number of at least 0")
    return float(epsilon)


def look(asked, run, layers, ops, x, batches):
    """Count the steps that nobody has looked at, empty the list, and return how many images it had.

    A GPU may be many steps behind the host; here the host waits for it.  Raises Diverged if a loss
    is not finite.
    """
    for loss, scores, labels in asked:
        loss = float(ops.to_host(loss))
        if not np.isfinite(loss):
            raise Diverged(where_it_broke(run, layers, x, batches, run.step + 1))
        wrong = int((np.argmax(ops.to_host(scores), axis=1) != labels).sum())
        run.count(loss, wrong, len(labels), batches.waited)
    images = sum(len(labels) for _, _, labels in asked)
    asked.clear()
    return images


def as_they_are(images, rng=None):
    """Return images that are already what the network wants: the view of one who needs none."""
    return images


def loss_and_gradients(layers, ops, x, labels):
    """Return loss, scores and grads of one batch: forward, loss, backward.

    Parameters
    ----------
    layers : list of Layer
        The layers for training, as they are or fused.
    ops : module
        The backend, for its loss.
    x, labels : arrays
        What the network sees of some images, and the class of each.

    Returns
    -------
    loss : number
        The mean loss of the batch, in nats, where ops computes.
    scores : array (N, classes)
    grads : dict
        grads["conv1"]["w"] is ∂L/∂w of the layer conv1.
    """
    scores, caches = net.forward(layers, x)
    loss, loss_cache = ops.softmax_loss_forward(scores, labels)
    (dscores,) = ops.softmax_loss_backward(loss_cache)
    _, grads = net.backward(layers, caches, dscores, need_dx=False)
    return loss, scores, grads


def update(layers, ops, grads, velocities, epsilon, momentum=0.9, decay=0.0005):
    """Take one step with every parameter (Section 5).

        v_{i+1} = 0.9·v_i − 0.0005·ε·w_i − ε·⟨∂L/∂w⟩
        w_{i+1} = w_i + v_{i+1}

    Parameters
    ----------
    layers : list of Layer
        Their weights are changed.
    ops : module
        The backend, for its sgd_update.
    grads, velocities : dict
        grads["conv1"]["w"] is ∂L/∂w of the row conv1, and velocities["conv1"]["w"] its v, which is
        changed, too.
    epsilon, momentum, decay : float
        ε, 0.9 and 0.0005; biases do not decay.
    """
    for layer in layers:
        for name, w in layer.params.items():
            v, dw = velocities[layer.name][name], grads[layer.name][name]
            w_decay = 0 if name == "b" else decay
            w, v = ops.sgd_update(w, v, dw, epsilon=epsilon, momentum=momentum, decay=w_decay)
            layer.params[name], velocities[layer.name][name] = w, v


def validate(layers, ops, data, view=as_they_are):
    """Return the errors of the network, held still, as a dict; an empty one without data.

    Parameters
    ----------
    layers : list of Layer
        The rows for test time, see net.predicting.
    ops : module
        The backend that they were built with.
    data : (images, labels) or None
    view : function
        view(images) returns x.

    Returns
    -------
    dict
        validation_error, and with more than five classes validation_top5: shares of the images.
    """
    if data is None:
        return {}
    images, labels = data
    try:
        probabilities = evaluate.predict(layers, ops, images, lambda some: [view(some)])
    except ValueError as error:
        error.args = (f"validation: {error}",)
        raise
    errors = {"validation_error": evaluate.error(probabilities, labels)}
    if probabilities.shape[1] > 5:
        errors["validation_top5"] = evaluate.error(probabilities, labels, k=5)
    return errors


def where_it_broke(run, layers, x, batches=None, steps=None, what="the loss"):
    """Return the sentence for a loss or a weight that is not finite: when, where, and advice.

    Parameters
    ----------
    run : Run
    layers : list of Layer
    x : array
        What the network saw last.
    batches : Batches, optional
        Those of this epoch; they tell which image it was.
    steps : int, optional
        How many of them the network saw; where nothing is said, one more than the run has counted.
    what : str
        What is not finite.
    """
    steps_before = len(run.losses) - run.step  # in the epochs that are done
    step = steps_before + (run.step + 1 if steps is None else steps)
    when = f"step {step} (epoch {run.epoch + 1})"
    kept = f"; the last good state is in {run.path}" if run.path and run.path.exists() else ""
    pixels = net.on_host(net.columns(x)[0])
    image = broken_image(pixels, batches, steps)
    if image:
        return f"{when}: {what} is NaN or infinite because {image}{kept}"
    culprit = "the loss itself"
    for layer, y in zip(layers, net.outputs(layers, x), strict=True):
        if not all(np.isfinite(net.on_host(part)).all() for part in net.columns(y)):
            broken = net.broken_parameters([layer])
            culprit = layer.name
            if broken:
                culprit += f" (its {' and '.join(broken)} already is)"
            break
    advice = f"Try a smaller learning rate, e.g. {run.epsilon / 3:.1g} in place of {run.epsilon:g}"
    if not run.losses:  # ε has done nothing yet
        advice = (
            "Nothing has been learned yet: try smaller first weights, or smaller pixels than these "
            f"from {pixels.min():.3g} to {pixels.max():.3g}"
        )
    return f"{when}: {what} is NaN or infinite; that begins in {culprit}.  {advice}{kept}"


def broken_image(x, batches, steps):
    """Return which image is NaN or infinite, in words, or None.

    With `batches` the last two of its first `steps` are asked, because an infinite pixel may break
    the weights in one step, and the loss in the next.  Else x is.
    """
    if batches is None:
        broken = net.first_broken(x)
        return None if broken is None else f"image {broken} of the batch has NaN or infinite pixels"
    for step in range(max(0, steps - 2), steps):
        broken = net.first_broken(batches.make(step)[0])
        if broken is not None:
            number = batches.indices(step)[broken]
            image = f"image {number} of the training images"
            if net.first_broken(batches.images[number : number + 1]) is None:
                return f"the view makes NaN or infinity of {image}"
            return f"{image} has NaN or infinite pixels"
    return None


def keep(run, layers, x, batches=None):
    """Save the run, unless its weights are broken: then the checkpoint before stays."""
    check_weights(run, layers, x, batches)
    run.save()


def check_weights(run, layers, x, batches=None):
    """Raise Diverged if a weight is NaN or infinite."""
    if net.broken_parameters(layers):
        raise Diverged(where_it_broke(run, layers, x, batches, run.step, "a weight"))


def how_to_go_on(run):
    """Return the sentence for a run that was interrupted."""
    where = f"the end of epoch {run.epoch}"
    if run.step:
        where = f"epoch {run.epoch + 1}, step {run.step}"
    if not run.path:
        return f"stopped after {where}; this run keeps no files"
    return (
        f"stopped after {where}; saved {run.path}: "
        "the same command with --resume goes on from there"
    )


def progress_bar(run, images, title, wanted):
    """Return a bar over all images to come, as long as there is room.

    Behind it stand, in 80 columns, too: the time left, loss, training error, images per second.
    """
    parts = "{desc} {percentage:3.0f}% |{bar}| at most {remaining}{postfix}, {rate_fmt}"
    look = {"bar_format": parts, "disable": not wanted}
    return console.progress_bar(images, title, initial=sum(run.images), **look)


def show(bar, run, steps, images):
    """Move the bar on by so many images."""
    error = run.training_error(steps)
    text = f"loss {run.losses[-1]:.3f}, error {error:.1%}"
    if run.waited > 0.01 * run.seconds:
        text += f", {run.waited / run.seconds:.0%} waiting"
    bar.set_postfix_str(text, refresh=False)
    bar.update(images)
