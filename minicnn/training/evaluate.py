"""How good a network is, and what it says of an image: views, errors, ensembles.

    probabilities   (N, classes) float64    of every class for every image; a row adds up to 1
    labels          (N,) whole numbers      the right classes
    views_of        a function              views_of(images) yields x after x, what the network sees
                                            of the same images: one central view, or ten

"At test time, the network makes a prediction by extracting five 224 × 224 patches […] as well as
their horizontal reflections […], and averaging the predictions made by the network's softmax layer
on the ten patches." (Section 4.1)  Probabilities are averaged, not scores.
"""

import math

import numpy as np

from .. import net
from ..checks import check_array, check_classes, check_whole

VALUES = 2**22  # of images, that go through at a time: 27 of 224×224 pixels


def predict(layers, ops, images, views_of):
    """Return the probabilities of images, averaged over their views.

    Parameters
    ----------
    layers : list of Layer
        The rows for test time, see net.predicting.  Where their output is maps (N, classes, h, w),
        as that of `dense`, each map is averaged before the softmax.
    ops : module
        The backend that they were built with.
    images : array (N, C, H, W), or anything that gives images for a slice
    views_of : function

    Returns
    -------
    array (N, classes) float64

    Raises
    ------
    ValueError
        If there are no images, or a view has not as many; or if scores are NaN or infinite: then
        nothing can be said of any class, and the message says whether an image or a weight is so.
    """
    if not len(images):
        raise ValueError("predict: there are no images")
    rows, parts, batch = net.fused(layers, ops), [], batch_of(images)
    for first in range(0, len(images), batch):
        some = images[first : first + batch]
        answers = []
        for x in views_of(some):
            if len(x) != len(some):
                raise ValueError(f"predict: the view of {len(some)} images has {len(x)}")
            answers.append(softmax_of(rows, ops, x, first))
        parts.append(np.mean(answers, axis=0))
    return np.concatenate(parts)


def batch_of(images):
    """Return how many of these images go through at a time; a matter of memory alone."""
    return min(128, max(1, VALUES // max(1, math.prod(images.shape[1:]))))


def softmax_of(layers, ops, x, first=0):
    """Return the probabilities for one view of a batch, float64; `first` is its first image."""
    scores = output(layers, ops, x)
    if not np.isfinite(scores).all():
        raise ValueError(f"the network's scores are NaN or infinite: {culprit(layers, x, first)}")
    if scores.ndim == 4:
        scores = scores.mean(axis=(2, 3))
    return ops.to_host(ops.softmax(np.asarray(scores, np.float64)))


def output(layers, ops, x):
    """Return the output of the last layer for x, on the host; a pair from two columns."""
    y = ops.to_device(x)
    for layers_output in net.outputs(layers, y):
        y = layers_output
    return ops.to_host(y)


def culprit(layers, x, first):
    """Return why scores are NaN or infinite, in words; `first` is the first image of x."""
    broken = net.first_broken(x)
    if broken is not None:
        return f"image {first + broken} has NaN or infinite pixels"
    broken = net.broken_parameters(layers)
    if broken:
        return f"the network's weights are broken, in {' and '.join(broken)}"
    return f"numbers overflow between pixels from {x.min():.3g} to {x.max():.3g} and the scores"


def dense(layers, ops, size):
    """Return the same network for larger images: its fully connected layers are convolutions.

    Simonyan and Zisserman (2014): "The fully-connected layers are first converted to convolutional
    layers […]. The resulting fully-convolutional net is then applied to the whole (uncropped)
    image."  fc6, which read maps of 7×7 pixels, becomes kernels of 7×7, and those behind it of 1×1.
    An image of the size that the network was trained on gives maps of one pixel: the same scores.
    The weights are the network's own, in another shape, not copies.

    Parameters
    ----------
    layers : list of Layer
        The rows for test time of a network of one column.
    ops : module
        The backend that they were built with.
    size : int
        The width and height of the images that the network was trained on.

    Returns
    -------
    list of Layer
        Their output is maps (N, classes, h, w), of which `predict` takes the mean.

    Raises
    ------
    ValueError
        For a network of two columns.
    """
    if any(isinstance(w, tuple) for layer in layers for w in layer.params.values()):
        raise ValueError("a network of two columns cannot be read at every place; use other views")
    dtype = next(iter(net.parameters(layers).values())).dtype
    x = np.zeros((1, 3, size, size), dtype)  # one image, as it goes down the rows
    rows = []
    for layer, y in zip(layers, net.outputs(layers, x), strict=True):
        if layer.forward is ops.fc_forward:
            w, b = layer.params["w"], layer.params["b"]
            f = x.shape[2] if x.ndim == 4 else 1
            params = {"w": w.reshape(len(w), x.shape[1], f, f), "b": b}
            layer = net.row(layer.name, ops, "conv", params)
        rows.append(layer)
        x = y
    return rows


def error(probabilities, labels, k=1):
    """Return the share of images whose right class is not among the k most probable ones.

    Of equally probable classes the first comes first.
    """
    check_probabilities("evaluate.error", probabilities)
    check_whole("evaluate.error", "k", k, 1)
    labels = check_classes("evaluate.error", labels, *probabilities.shape)
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    before = np.arange(probabilities.shape[1]) < labels[:, None]
    rank = ((probabilities > own) | ((probabilities == own) & before)).sum(axis=1)
    return float(np.mean(rank >= k))


def confusion(probabilities, labels):
    """Return how many images of each class (row) were taken for each class (column)."""
    check_probabilities("evaluate.confusion", probabilities)
    labels = check_classes("evaluate.confusion", labels, *probabilities.shape)
    classes = probabilities.shape[1]
    pairs = labels * classes + np.argmax(probabilities, axis=1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def check_probabilities(who, probabilities):
    """Raise TypeError or ValueError unless they are an array (N, classes), N > 0, without NaN."""
    check_array(who, "probabilities", probabilities, 2)
    if 0 in probabilities.shape:
        raise ValueError(
            f"{who}: probabilities has shape {probabilities.shape}; expected at least one image "
            "and one class"
        )
    wrong = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
    if len(wrong):
        raise ValueError(f"{who}: probabilities[{wrong[0]}] are NaN or infinite")


def combine(members, weights=None):
    """Return the probabilities of an ensemble: the weighted mean of its members' (Section 6).

    Parameters
    ----------
    members : list of arrays (N, classes)
        The probabilities of several networks for the same images.
    weights : sequence of float, optional
        One a member; equal if nothing is given.

    Raises
    ------
    ValueError
        If the members do not speak of the same images and classes.
    """
    check_equal("evaluate.combine", members)
    return np.average(members, axis=0, weights=weights)


def check_equal(who, members):
    """Raise ValueError unless there are members, and all answers have one shape."""
    shapes = {member.shape for member in members}
    if not shapes:
        raise ValueError(f"{who}: there are no members")
    if len(shapes) > 1:
        raise ValueError(f"{who}: the members' answers have shapes {shapes}; expected equal ones")


def choose_weights(members, labels, rounds=200):
    """Return the weights with which the members give these labels the largest probability.

    They are ≥ 0 and add up to 1.  The mean log probability has one highest point, and this climbs
    to it (the EM algorithm for the shares of a mixture): a member's new weight is the mean share
    that it has in the probability of the right class.

    Parameters
    ----------
    members : list of arrays (N, classes)
    labels : array (N,)
        Of validation images, which no member was trained on.
    rounds : int
    """
    check_equal("evaluate.choose_weights", members)
    for member in members:
        check_probabilities("evaluate.choose_weights", member)
    labels = check_classes("evaluate.choose_weights", labels, *members[0].shape)
    own = np.array([member[np.arange(len(labels)), labels] for member in members])  # (members, N)
    weights = np.full(len(members), 1 / len(members))
    for _ in range(rounds):
        shares = weights[:, None] * own
        shares /= np.maximum(shares.sum(axis=0), np.finfo(np.float64).tiny)
        weights = shares.mean(axis=1)
        weights /= weights.sum()
    return weights
