"""One run: it trains an arm from one seed, measures its errors, and returns a line for the journal.

    purpose    "choose": to choose ε, on part of the training images, judged on the others
               "run": on all of them, judged on the test images at its end
    line       a dict: arm, purpose, seed, epsilon; epochs, training_error, error, seconds, …

A line of purpose "choose" has `error` of the images held out, or None if the run diverged.  A run
that races to a training error has no such line: its ε is chosen by the epochs that it takes.
"""

from collections import namedtuple

import numpy as np

from .. import data, net
from ..data import augment, views
from ..data.inputs import with_moments
from ..errors import Diverged
from ..experiments.neighbours import agreement, nearest
from ..plots import gallery
from ..training import evaluate, schedules, train, transfer
from ..two_columns import in_columns

BATCH = 128
HELD_OUT = 10  # a tenth of the training images: 5,000
SHORTER = 5  # a run to choose ε has a fifth of the epochs
# A trained network for the measures: layers for test time, and what it predicts of the test images.
Trained = namedtuple("Trained", "layers ops photos central deviation arm predicted")
QUERIES = 2000  # test images whose neighbours are looked for


def run_arm(ops, photos, arm, key, folder, title, progress=True, starts=None):
    """Do one run, or resume it in its folder, and return its result.

    Parameters
    ----------
    ops : module
        The backend, for one column.
    photos : Photos
    arm : Arm
    key : dict
        purpose, seed, epsilon and epochs: what else the run depends on.
    folder : path
        Where the checkpoint goes.
    title : str
        The title of the progress bar.
    starts : path, optional
        The checkpoint whose weights the network takes, except the last layer's.
    """
    if arm.classes:
        photos = only(photos, arm.classes)
    if arm.images and arm.images < len(photos.train_x):
        photos = data.subset(photos, arm.images)
    images, labels = photos.train_x, photos.train_y
    test = photos.test_x, photos.test_y
    if key["purpose"] == "choose":
        held_out = len(images) // HELD_OUT
        test = images[-held_out:], labels[-held_out:]
        images, labels = images[:-held_out], labels[:-held_out]
    deviation = views.deviation_of(photos) if arm.input == "unit" else np.float32(1)
    view = central = views.central_view(photos.mean, deviation, arm.size)
    if arm.crops:
        eigen = (photos.eigenvalues, photos.eigenvectors) if arm.noise else None
        view = views.training_view(
            photos.mean, deviation, arm.size, eigen=eigen, sigma=arm.noise, magnitude="deviations"
        )
    rng, column_ops = np.random.default_rng(key["seed"]), ops
    layers = arm.build(ops, rng)
    if starts:
        transfer.take_weights(layers, "cifar-four-layer", photos.classes, starts)
    if arm.columns == 2:
        column_ops = in_columns(ops)
    ends = [max(1, round(share * key["epochs"])) for share in arm.divide]
    schedule = schedules.divide_at(ends) if ends else None
    try:
        run = train.train(
            layers, column_ops, (images, labels),
            rng=rng, epochs=key["epochs"], epsilon=key["epsilon"], decay=arm.decay,
            bias_epsilon=arm.bias, batch=BATCH,
            schedule=schedule, until=arm.until, folder=folder, resume=True, settings=key,
            view=view, seed=key["seed"], title=title, progress=progress,
        )  # fmt: skip
    except Diverged:
        return {"error": None, "reached": False, "diverged": True}
    steps = -(-len(images) // BATCH)
    test_layers = net.predicting(layers, column_ops)
    predicted = evaluate.predict(test_layers, column_ops, test[0], lambda x: [central(x)])
    result = {
        "images": len(images),
        "epochs_run": round(len(run.losses) / steps, 3),
        "training_error": round(run.training_error(steps), 5),
        "error": round(evaluate.error(predicted, test[1]), 5),
        "seconds": round(run.seconds, 1),
        "training_errors": [round(line["training_error"], 4) for line in run.history],
    }
    if arm.until:
        result["reached"] = run.reached(arm.until, steps)
    if key["purpose"] == "run":
        trained = Trained(test_layers, column_ops, photos, central, deviation, arm, predicted)
        for name in arm.measures:
            result |= MEASURES[name](trained, folder)
    return result


def only(photos, classes):
    """Return the data set with these classes alone, a slice; they are counted from 0 again."""
    chosen = range(len(photos.classes))[classes]
    parts = {"classes": photos.classes[classes]}
    for name in ("train", "test"):
        x, y = getattr(photos, f"{name}_x"), getattr(photos, f"{name}_y")
        places = np.flatnonzero(np.isin(y, chosen))
        parts |= {f"{name}_x": x[places], f"{name}_y": y[places] - chosen[0]}
    return with_moments(photos._replace(**parts))


def probabilities(trained, folder):
    """Keep the probabilities of the test images in the folder, for an ensemble."""
    np.save(folder / "probabilities.npy", trained.predicted.astype(np.float32))
    return {}


def ten_views(trained, folder):
    """Return the error with ten views, and how many images only one of both ways gets wrong."""
    photos, size = trained.photos, trained.arm.size

    def views_of(images):
        for view in augment.ten_views(images, photos.mean, size):
            yield views.divided(view, trained.deviation)

    ten = evaluate.predict(trained.layers, trained.ops, photos.test_x, views_of)
    wrong_one = np.argmax(trained.predicted, axis=1) != photos.test_y
    wrong_ten = np.argmax(ten, axis=1) != photos.test_y
    return {
        "error_ten_views": round(float(wrong_ten.mean()), 5),
        "only_one_view": int((wrong_one & ~wrong_ten).sum()),
        "only_ten_views": int((wrong_ten & ~wrong_one).sum()),
    }


def training_error_still(trained, folder):
    """Return the training error of the network at the end, while its weights hold still."""
    photos = trained.photos
    predicted = evaluate.predict(
        trained.layers, trained.ops, photos.train_x, lambda x: [trained.central(x)]
    )
    return {"training_error_still": round(evaluate.error(predicted, photos.train_y), 5)}


def colours(trained, folder):
    """Return the colour and the size of each kernel of the first layer: Σ of squares."""
    first = next(layer for layer in trained.layers if layer.params).params["w"]
    kernels = np.concatenate([net.on_host(w) for w in net.columns(first)]).astype(np.float64)
    sizes = np.square(kernels).sum(axis=(1, 2, 3))
    shares = [gallery.colour(kernel[None]) for kernel in kernels]
    return {
        "colours": [round(share, 4) for share in shares],
        "sizes": [round(float(size), 5) for size in sizes],
    }


def neighbours(trained, folder):
    """Return how often the nearest training image has the query's class: by features, by pixels."""
    photos = trained.photos
    last = max(i for i, layer in enumerate(trained.layers) if layer.params)
    hidden = trained.layers[:last]

    def features(images):
        parts = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
        return np.concatenate(
            [evaluate.output(hidden, trained.ops, trained.central(part)) for part in parts]
        )

    queries, labels = photos.test_x[:QUERIES], photos.test_y[:QUERIES]
    agreements = {}
    for name, of in (("features", features), ("pixels", np.asarray)):
        indices = nearest(of(queries), of(photos.train_x[:]), 1)
        agreements[f"agreement_{name}"] = round(agreement(labels, photos.train_y, indices), 5)
    return agreements


MEASURES = {f.__name__: f for f in (probabilities, ten_views, training_error_still, colours,
                                    neighbours)}  # fmt: skip
