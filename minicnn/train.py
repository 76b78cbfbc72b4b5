"""Training (Section 5): the loop around forward and backward, one step after the other.

    x, labels        (N, 3, 32, 32) float, (N,) whole numbers: the training images
    epsilon          ε, the learning rate
    velocities       v for every parameter w, by the same names
    step             one batch: forward, loss, backward, update
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
import signal
import time
from contextlib import contextmanager

import numpy as np

from . import checkpoint, net
from .run import Run


class Diverged(ArithmeticError):
    """The loss became NaN or infinite; the message says when, in which layer, and what to do."""


class Interrupted(Exception):
    """Ctrl-C: the step was finished and the run saved; the message says how to go on."""


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
    title="",
    progress=True,
):
    """Train until `epochs` epochs are done or the training error is `until`; return the Run.

    Parameters
    ----------
    layers : list of Layer
        The network; its weights are changed.
    ops : module
        The backend that the network was built for; for two columns, `halves.in_columns(ops)`.
    train_data, validation_data : (x, labels)
        Images (N, …) float32 or float64, as the network wants them, and labels (N,).
    rng : numpy Generator
        Draws the order of the images; the dropout rows of the network should hold the same one.
    epsilon, momentum, decay : float
        ε, 0.9 and 0.0005 of the update rule.  Biases do not decay, as in the original code.
    schedule : function
        Called after every epoch as schedule(history, epsilon); returns the next ε.  See
        divide_at, divide_on_stall.
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
        Plain values that describe the run; a checkpoint with other settings is refused.
    title : str
        What stands before the progress bar.
    progress : bool
        Show the bar: loss, training error, images per second, and the time left.

    Returns
    -------
    Run
        Its history has a dict for every epoch: loss in nats, error rates between 0 and 1, seconds.

    Raises
    ------
    Diverged
        If the loss or a weight becomes NaN or infinite; the last good checkpoint stays.
    Interrupted
        After Ctrl-C, when the step is finished and the run saved.
    checkpoint.CheckpointError
        If the checkpoint in the folder is damaged or of another run.
    OSError
        If nothing can be written to the folder.
    """
    run = Run(layers, rng, epsilon, folder, settings)
    if run.folder:
        checkpoint.make_folder(run.folder)
    if resume and run.path and run.path.exists():
        run.load()
    else:
        run.save()  # so that a run killed in its first second can be resumed, too
    x, labels = train_data
    steps = math.ceil(len(x) / batch)  # in an epoch; its last batch may be smaller
    test_layers = net.predicting(layers, ops)
    run.begin()

    with interrupts() as interrupted, progress_bar(run, epochs * len(x), title, progress) as bar:
        while run.epoch < epochs and not run.reached(until, steps):
            if run.step == 0:  # a new epoch
                run.order = rng.permutation(len(x))
            chosen = run.order[run.step * batch : (run.step + 1) * batch]
            x_batch, labels_batch = ops.to_device(x[chosen]), labels[chosen]

            scores, caches = net.forward(layers, x_batch)
            loss, loss_cache = ops.softmax_loss_forward(scores, labels_batch)
            if not np.isfinite(loss):
                raise Diverged(where_it_broke(run, layers, x_batch))
            (dscores,) = ops.softmax_loss_backward(loss_cache)
            _, grads = net.backward(layers, caches, dscores, need_dx=False)
            update(layers, ops, grads, run.velocities, run.epsilon, momentum, decay)

            answers = np.argmax(ops.to_host(scores), axis=1)
            run.count(float(loss), int((answers != labels_batch).sum()), len(chosen))
            show(bar, run, steps)
            if run.step == steps or run.reached(until, steps):  # at the goal, an epoch ends early
                error = error_rate(test_layers, ops, *validation_data) if validation_data else None
                run.end_epoch(steps, error)
            if run.step == steps:
                run.epoch, run.step = run.epoch + 1, 0  # from here on, step 0 of the next epoch
                if schedule:
                    run.epsilon = schedule(run.history, run.epsilon)
            stop = interrupted()
            if run.step == 0 or stop or time.perf_counter() - run.saved_at > save_every:
                keep(run, layers, x_batch)
            if stop:
                raise Interrupted(how_to_go_on(run))
    keep(run, layers, x[:1])
    return run


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


def error_rate(layers, ops, x, labels, batch=256):
    """Return the share of images to which the network, held still, gives a wrong answer.

    Parameters
    ----------
    layers : list of Layer
        The rows for test time, see net.predicting.
    ops : module
        The backend that they were built with.
    x, labels : arrays
        Images as the network wants them, and the class of each.
    batch : int
        So many images at a time go through; a matter of memory alone.
    """
    wrong = 0
    for first in range(0, len(x), batch):
        scores, _ = net.forward(layers, ops.to_device(x[first : first + batch]))
        answers = np.argmax(ops.to_host(scores), axis=1)
        wrong += int((answers != labels[first : first + batch]).sum())
    return wrong / len(x)


def divide_at(epochs, by=10):
    """Return the schedule that divides ε by `by` after each of these epochs.

    Parameters
    ----------
    epochs : collection of int
        Counted from 1.
    by : float
    """
    return lambda history, epsilon: epsilon / by if history[-1]["epoch"] in epochs else epsilon


def divide_on_stall(patience=3, by=10, times=3):
    """Return the schedule that divides ε when the validation error stalls (Section 5).

    It stalls when its best value in the last `patience` epochs is no better than its best before
    them.  After a division it has `patience` epochs again.  The run needs validation data.

    Parameters
    ----------
    patience : int
        In epochs.
    by : float
    times : int
        At most so many divisions; in the paper there were three.
    """

    def schedule(history, epsilon):
        errors = [line["validation_error"] for line in history]
        since = sum(line["epsilon"] == epsilon for line in history)  # epochs with this ε
        divisions = len({line["epsilon"] for line in history}) - 1
        if divisions >= times or since <= patience:
            return epsilon
        stalled = min(errors[-patience:]) >= min(errors[:-patience])
        return epsilon / by if stalled else epsilon

    return schedule


def where_it_broke(run, layers, x):
    """Return the sentence for a loss that is not finite: the step, the first layer, and advice."""
    culprit = "the loss itself"
    for layer in layers:
        x, _ = net.forward([layer], x)
        if not all(np.isfinite(part).all() for part in net.columns(x)):
            weights = net.parameters([layer])
            broken = [name for name, w in weights.items() if not np.isfinite(w).all()]
            culprit = layer.name
            if broken:
                culprit += f" (its {' and '.join(broken)} already is)"
            break
    kept = f"; the last good state is in {run.path}" if run.path and run.path.exists() else ""
    return (
        f"step {len(run.losses) + 1} (epoch {run.epoch + 1}): the loss is NaN or infinite; "
        f"that begins in {culprit}.  Try a smaller learning rate, "
        f"e.g. {run.epsilon / 3:.1g} in place of {run.epsilon:g}{kept}"
    )


def keep(run, layers, x):
    """Save the run, unless its weights are broken: then the checkpoint before stays."""
    if not all(np.isfinite(w).all() for w in net.parameters(layers).values()):
        raise Diverged(where_it_broke(run, layers, x))
    run.save()


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


@contextmanager
def interrupts():
    """Give a function that tells whether Ctrl-C was pressed; pressed twice, it ends all at once."""
    presses = []

    def note(number, frame):
        if presses:
            raise KeyboardInterrupt
        presses.append(number)

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: Ctrl-C goes elsewhere
        yield lambda: False
        return
    try:
        yield lambda: bool(presses)
    finally:
        signal.signal(signal.SIGINT, before)


def progress_bar(run, images, title, wanted):
    """Return a bar over all images to come; it shows images per second and the time left."""
    from tqdm import tqdm

    parts = "{desc} {percentage:3.0f}% |{bar:20}| {rate_fmt}, {remaining} left at most{postfix}"
    return tqdm(
        total=images,
        initial=sum(run.images),
        desc=title,
        unit=" images",
        unit_scale=True,
        bar_format=parts,
        disable=not wanted,
    )


def show(bar, run, steps):
    """Move the bar on by one step."""
    error = run.training_error(steps)
    bar.set_postfix_str(f"loss {run.losses[-1]:.3f}, training error {error:.1%}", refresh=False)
    bar.update(run.images[-1])
