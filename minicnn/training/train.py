"""Training (Section 5): the loop over steps and epochs, around forward and backward.

    images, labels   (N, 3, H, W), (N,) whole numbers: the training images
    view             view(images, rng) → x, what the network sees of these images: see augment.py
    epsilon          ε, the learning rate
    velocities       v for every parameter w, under the same names
    step             one batch: loss_and_gradients (forward, loss, backward), then update
    epoch            the steps that show every image once, in a new random order
    training error   the share of wrong answers over the last epoch's worth of steps

The training error comes from each batch's forward pass, before its update, as in the paper's code.
The weights change meanwhile, so the network at the end of the epoch would do better.

A resumed run gives the same numbers, bit for bit, as one that never stopped: a checkpoint holds
parameters, velocities, the order of the images, the position in it and the random state.
"""

import math
import time

import numpy as np

from .. import console, net, storage
from ..checks import check_classes, check_number, check_rng
from ..console import interrupts
from ..data.batches import Batches
from ..distributed.alone import ALONE
from ..distributed.hybrid import Hybrid, check_layers
from ..distributed.shards import Shards, check_ranks
from ..errors import Diverged, Interrupted
from . import evaluate
from .divergence import check_weights, describe_divergence, save_unless_broken, warn_of_explosion
from .preconditions import (
    check_counts,
    check_first_weights,
    check_functions,
    check_names,
    check_numbers,
    check_pixels,
    count_classes,
    images_and_labels,
)
from .run import HISTORY, Run


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
    bias_epsilon=1,
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
    shards=1,
    job=ALONE,
    hybrid=False,
):
    """Train until `epochs` epochs are done or the training error is `until`; return the Run.

    Parameters
    ----------
    layers : list of Layer
        The network; its weights are changed.
    ops : module
        The backend that the network was built for; for two columns, `two_columns.in_columns(ops)`.
    train_data, validation_data : (images, labels)
        Images (N, …), an array or anything indexed like one; labels, an array (N,) of whole
        numbers, 0 … classes−1.
    rng : numpy Generator
        Draws the order of the images; the network's dropout layers should hold the same generator.
    epsilon, momentum, decay : float
        ε, 0.9 and 0.0005 of the update rule.  Biases do not decay, as in the original code.  decay
        may also be a dict with a number for each layer that has weights.
    bias_epsilon : float
        The learning rate of biases as a multiple of ε; 2 in the original code.
    schedule : function
        Called after every epoch as schedule(history, epsilon); returns the next ε.  See
        schedules.py.
    until : float
        Stop at the first step at which the training error over one whole epoch is at most this.
    folder : path
        Where checkpoint.npz and history.jsonl go; None writes nothing.
    resume : bool
        Resume from the checkpoint in the folder, if there is one.  Its ε applies, unless `epsilon`
        differs from the `epsilon` that the run began with; then the new one does.
    save_every : float
        Seconds between checkpoints within an epoch; there is also one after every epoch.
    settings : dict
        JSON values that describe the run.  A checkpoint with other settings, another number of
        images or another batch is refused.
    view, test_view : function
        view(images, rng) returns x for training, test_view(images) x for validation.  None if the
        images are already the network's inputs, float32 or float64.
    seed : int
        The seed of the view's random choices; epoch and step are added to it.
    workers : int
        Threads that make the next batches during a step.
    inputs : dict of name → array
        What turns images into x, such as the mean image; kept in the checkpoint.
    title : str
        The title of the progress bar.
    progress : bool
        Show the bar: the time left, loss, training error, and images per second.
    shards : int
        Cut each batch into so many shards, whose gradients are added in a fixed order: see
        distributed/shards.py.
    job : Alone or Ranks
        The processes that share the work, at most one for each shard.  The files are rank 0's;
        the others take its state, so that `folder` means nothing to them.
    hybrid : bool
        Let the ranks share the units of fully connected layers, and the images of the layers below:
        see distributed/hybrid.py.

    Returns
    -------
    Run
        Its history has a dict for every epoch: loss in nats, error rates between 0 and 1 (also
        top-5, if there are more than five classes), seconds, and the seconds of waiting for
        batches.

    Raises
    ------
    TypeError, ValueError
        Before the first step, if an argument is invalid; the message names it.
    Diverged
        If the loss or a weight becomes NaN or infinite; the last good checkpoint stays.
    Interrupted
        After Ctrl-C, when the step is finished and the run saved.
    errors.CheckpointError
        If the checkpoint in the folder is damaged or belongs to another run.
    OSError
        If nothing can be written to the folder.
    """
    check_counts(epochs, batch, workers, seed, shards)
    check_numbers(epsilon, momentum, decay, bias_epsilon, until, save_every)
    # Convert to Python's own numbers: np.float32 or np.uint8 would round or overflow.
    epochs, batch, seed, workers = int(epochs), int(batch), int(seed), int(workers)
    epsilon, momentum, bias_epsilon = float(epsilon), float(momentum), float(bias_epsilon)
    decay = decay_of_layers(layers, decay)
    check_rng("train", rng)
    switches = {"resume": resume, "progress": progress, "hybrid": hybrid}
    check_names(folder, title, settings, inputs, switches)
    check_functions(schedule, view, test_view, validation_data)
    images, labels = images_and_labels("train_data", train_data)
    validation = None
    if validation_data is not None:
        validation = images_and_labels("validation_data", validation_data)
    check_ranks(shards, job)
    if shards > 1:
        settings = {**(settings or {}), "shards": int(shards)}
    if hybrid:
        check_layers(layers)
        settings = {**(settings or {}), "parallel": "hybrid"}
    run = Run(
        layers, rng, epsilon, None if job.rank else folder,
        settings=settings, inputs=inputs, training_images=len(images), batch=batch,
    )  # fmt: skip
    resumes = bool(resume and run.path and run.path.exists())
    if not resumes:
        check_first_weights(layers)
    if run.folder:
        storage.make_folder(run.folder, {} if resumes else {"history.jsonl": HISTORY})
    if resumes:
        run.load()
    if job.size > 1:
        run.restore(*job.broadcast(run.state()))
    steps = math.ceil(len(images) / batch)  # in an epoch; its last batch may be smaller
    view, test_view = view or unchanged, test_view or unchanged
    fused_layers, test_layers = net.fused(layers, ops), net.predicting(layers, ops)
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
    if not resumes:
        run.save()  # so that even a run killed in its first second can be resumed
    one_shard_each = until is None and shards == 1  # until may be reached at any step
    sync_every = ops.device.LOOK_EVERY if one_shard_each else 1
    shards = (Hybrid if hybrid else Shards)(
        int(shards), job, run, fused_layers, ops, loss_and_gradients
    )
    pending = []  # the losses, scores and labels of the steps not counted yet
    if job.parts > 1:
        first_x = view(images[:2], rng=np.random.default_rng(seed))
        shards.rehearse(first_x, labels[:2])
    run.begin()

    total = epochs * len(images)
    with interrupts() as interrupted, progress_bar(run, total, title, progress) as bar:
        while run.epoch < epochs and not run.reached(until, steps):
            if run.step == 0:  # a new epoch
                run.order = rng.permutation(len(images))
            batches = Batches(
                images, labels, run.order, batch, view,
                seed=seed, epoch=run.epoch, first_step=run.step, workers=workers,
                shards=shards.count, own=shards.own,
            )  # fmt: skip
            for x, answers, grads in shards.steps(batches):
                pending.append(answers)
                if len(pending) == sync_every or run.step + len(pending) == steps:
                    counted = count_pending(pending, run, layers, x, batches, shards)
                update(
                    layers, shards.update_ops, grads, run.velocities, run.epsilon, momentum, decay,
                    bias_epsilon,
                )  # fmt: skip
                del answers, grads  # the next step needs the memory

                if pending:
                    continue
                update_bar(bar, run, steps, counted)
                done = run.reached(until, steps)  # at the goal, an epoch ends early
                if run.step == steps or done:
                    shards.complete()
                    check_weights(run, layers, x, batches)
                    run.end_epoch(steps, validate(test_layers, ops, validation, test_view, job))
                    warn_of_explosion(run, classes, bar)
                if run.step == steps:
                    run.epoch, run.step = run.epoch + 1, 0  # now at step 0 of the next epoch
                    if schedule:
                        run.epsilon = next_epsilon(schedule, run)
                due = time.perf_counter() - run.saved_at > save_every
                stop, due = map(any, zip(*job.gather((interrupted(), due)), strict=True))
                if run.step == 0 or stop or due:
                    shards.complete()
                    save_unless_broken(run, layers, x, batches)
                if stop:
                    job.gather(None)  # the checkpoint is written
                    raise Interrupted(describe_interruption(run))
                if done:
                    break
    shards.complete()
    save_unless_broken(run, layers, view(images[:1], rng=np.random.default_rng(seed)))
    return run


def next_epsilon(schedule, run):
    """Return the schedule's next ε; raise TypeError or ValueError unless it is a number ≥ 0."""
    epsilon = schedule(run.history, run.epsilon)
    if check_number("schedule", "ε", epsilon) < 0:
        raise ValueError(f"schedule: it returned ε = {epsilon}; expected a number of at least 0")
    return float(epsilon)


def count_pending(pending, run, layers, x, batches, shards):
    """Add the pending steps to the run, empty the list, and return the number of their images.

    A GPU may be many steps behind the host; this waits for it.  Raises Diverged if a loss
    is not finite.
    """
    total = 0
    for answers in pending:
        loss, wrong, images = shards.count_answers(answers)
        if not np.isfinite(loss):
            raise Diverged(describe_divergence(run, layers, x, batches, run.step + 1))
        run.count(loss, wrong, images, batches.waited)
        total += images
    pending.clear()
    return total


def unchanged(images, rng=None):
    """Return the images themselves: the view if they are already the network's inputs."""
    return images


def loss_and_gradients(layers, ops, x, labels):
    """Return loss, scores and grads of one batch: forward, loss, backward.

    Parameters
    ----------
    layers : list of Layer
        The layers for training, fused or not.
    ops : module
        The backend, for its loss.
    x, labels : arrays
        What the network sees of a batch, and the class of each image.

    Returns
    -------
    loss : number
        The mean loss of the batch, in nats; for cuda, in the GPU's memory.
    scores : array (N, classes)
    grads : dict
        grads["conv1"]["w"] is ∂L/∂w of the layer conv1.
    """
    scores, caches = net.forward(layers, x)
    loss, loss_cache = ops.softmax_loss_forward(scores, labels)
    (dscores,) = ops.softmax_loss_backward(loss_cache)
    _, grads = net.backward(layers, caches, dscores, need_dx=False)
    return loss, scores, grads


def update(layers, ops, grads, velocities, epsilon, momentum=0.9, decay=0.0005, bias_epsilon=1):
    """Update every parameter once (Section 5).

        v_{i+1} = 0.9·v_i − 0.0005·ε·w_i − ε·⟨∂L/∂w⟩
        w_{i+1} = w_i + v_{i+1}

    Parameters
    ----------
    layers : list of Layer
        Their weights are changed.
    ops : module
        The backend, for its sgd_update.
    grads, velocities : dict
        grads["conv1"]["w"] is ∂L/∂w of the layer conv1, and velocities["conv1"]["w"] its v, which
        is changed too.
    epsilon, momentum, decay, bias_epsilon
        ε, 0.9 and 0.0005, as in `train`.
    """
    decays = decay_of_layers(layers, decay)
    for layer in layers:
        for name, w in layer.params.items():
            v, dw = velocities[layer.name][name], grads[layer.name][name]
            w_epsilon, w_decay = epsilon, decays[layer.name]
            if name == "b":
                w_epsilon, w_decay = bias_epsilon * epsilon, 0
            w, v = ops.sgd_update(w, v, dw, epsilon=w_epsilon, momentum=momentum, decay=w_decay)
            layer.params[name], velocities[layer.name][name] = w, v


def decay_of_layers(layers, decay):
    """Return the weight decay of each layer that has weights, as a dict.

    Raises ValueError for a dict that names other layers.
    """
    names = [layer.name for layer in layers if layer.params]
    if not isinstance(decay, dict):
        return dict.fromkeys(names, float(decay))
    if set(decay) != set(names):
        raise ValueError(
            f"train: decay has numbers for {', '.join(map(str, decay))}; "
            f"expected one for each of {', '.join(names)}"
        )
    return {name: float(decay[name]) for name in names}


def validate(layers, ops, data, view=unchanged, job=ALONE):
    """Return the validation errors of the network as a dict, which is empty without data.

    Parameters
    ----------
    layers : list of Layer
        The layers for test time, see net.predicting.
    ops : module
        The backend that they were built with.
    data : (images, labels) or None
    view : function
        view(images) returns x.
    job : Alone or Ranks
        Its ranks share the batches of images; whole numbers of wrong answers cross.

    Returns
    -------
    dict
        validation_error, and validation_top5 if there are more than five classes: shares of images.
    """
    if data is None:
        return {}
    images, labels = data
    batch, wrong = evaluate.batch_size(images), {"validation_error": 0}
    for first in range(job.part * batch, len(images), job.parts * batch):
        chosen = slice(first, first + batch)
        try:
            probabilities = evaluate.predict(
                layers, ops, images[chosen], lambda batch: [view(batch)], first
            )
        except ValueError as error:
            error.args = (f"validation: {error}",)
            raise
        wrong["validation_error"] += int(evaluate.wrong(probabilities, labels[chosen]).sum())
        if probabilities.shape[1] > 5:
            top5 = int(evaluate.wrong(probabilities, labels[chosen], k=5).sum())
            wrong["validation_top5"] = wrong.get("validation_top5", 0) + top5
    counts = job.collect(wrong)
    return {name: sum(count.get(name, 0) for count in counts) / len(images) for name in counts[0]}


def describe_interruption(run):
    """Return the message of a run that was interrupted."""
    position = f"the end of epoch {run.epoch}"
    if run.step:
        position = f"epoch {run.epoch + 1}, step {run.step}"
    if not run.path:
        return f"stopped after {position}; this run keeps no files"
    return f"stopped after {position}; saved {run.path}: run the same command again with --resume"


def progress_bar(run, images, title, wanted):
    """Return a progress bar over all images of the run, which fills the terminal's width.

    After the bar come time left, loss, training error and images per second, even in 80 columns.
    """
    parts = "{desc} {percentage:3.0f}% |{bar}| at most {remaining}{postfix}, {rate_fmt}"
    options = {"bar_format": parts, "disable": not wanted}
    return console.progress_bar(images, title, initial=sum(run.images), **options)


def update_bar(bar, run, steps, images):
    """Advance the bar by this many images, and show the loss and the training error."""
    error = run.training_error(steps)
    text = f"loss {run.losses[-1]:.3f}, error {error:.1%}"
    if run.waited > 0.01 * run.seconds:
        text += f", {run.waited / run.seconds:.0%} waiting"
    bar.set_postfix_str(text, refresh=False)
    bar.update(images)
