"""A network's predictions and error rates: views, errors, ensembles.

    probabilities   (N, classes) float64    one row per image; each row adds up to 1
    labels          (N,) whole numbers      the right classes
    views_of        a function              views_of(images) yields one x per view of all these
                                            images: of one central view, or of ten

"At test time, the network makes a prediction by extracting five 224 × 224 patches […] as well as
their horizontal reflections […], and averaging the predictions made by the network's softmax layer
on the ten patches." (Section 4.1)  Probabilities are averaged, not scores.
"""

import math

import numpy as np

from .. import net
from ..checks import check_array, check_between, check_classes, check_whole
from ..errors import BrokenScores

BATCH_VALUES = 2**22  # numbers in a batch of images: 27 images of 224×224 pixels


def predict(layers, ops, images, views_of, first_image=0):
    """Return the probabilities of images, averaged over their views.

    Parameters
    ----------
    layers : list of Layer
        The layers for test time, see net.predicting.  If their output is maps (N, classes, h, w),
        as after `dense`, each map is averaged before the softmax.
    ops : module
        The backend that they were built with.
    images : array (N, C, H, W), or anything that returns images for a slice
    views_of : function
    first_image : int
        The number of the first image, for messages.

    Returns
    -------
    array (N, classes) float64

    Raises
    ------
    ValueError
        If there are no images, or a view has another number of them; or if scores are NaN or
        infinite.  The message then says whether an image or a weight is broken.
    """
    if not hasattr(images, "shape"):
        raise TypeError(f"predict: images is a {type(images).__name__}; expected an array")
    if not callable(views_of):
        raise TypeError(f"predict: views_of is a {type(views_of).__name__}; expected a function")
    if not len(images):
        raise ValueError("predict: there are no images")
    layers, parts, batch = net.fused(layers, ops), [], batch_size(images)
    for first in range(0, len(images), batch):
        batch_images = images[first : first + batch]
        predictions = []
        for x in views_of(batch_images):
            if len(x) != len(batch_images):
                raise ValueError(f"predict: the view of {len(batch_images)} images has {len(x)}")
            predictions.append(view_probabilities(layers, ops, x, first_image + first))
        parts.append(np.mean(predictions, axis=0))
    return np.concatenate(parts)


def batch_size(images):
    """Return how many of these images are predicted at a time; it limits the memory, no more."""
    return min(128, max(1, BATCH_VALUES // max(1, math.prod(images.shape[1:]))))


def view_probabilities(layers, ops, x, first=0):
    """Return probabilities for a view of a batch, float64; `first` is its first image's number."""
    scores = output(layers, ops, x)
    if not np.isfinite(scores).all():
        raise BrokenScores(f"the network's scores are NaN or infinite: {culprit(layers, x, first)}")
    if scores.ndim == 4:
        scores = scores.mean(axis=(2, 3))
    return ops.to_host(ops.softmax(np.asarray(scores, np.float64)))


def output(layers, ops, x):
    """Return the output of the last layer for x, on the host; a pair for two columns."""
    y = ops.to_device(x)
    for layers_output in net.outputs(layers, y):
        y = layers_output
    return ops.to_host(y)


def culprit(layers, x, first):
    """Return why the scores of x are NaN or infinite, in words; `first` numbers its first image."""
    broken = net.first_broken(x)
    if broken is not None:
        return f"image {first + broken} has NaN or infinite pixels"
    broken = net.broken_parameters(layers)
    if broken:
        return f"the network's weights are broken, in {' and '.join(broken)}"
    return f"activations overflow, with pixels from {x.min():.3g} to {x.max():.3g}"


def dense(layers, ops, size):
    """Return the same network for larger images: its fully connected layers are convolutions.

    Simonyan and Zisserman (2014): "The fully-connected layers are first converted to convolutional
    layers […]. The resulting fully-convolutional net is then applied to the whole (uncropped)
    image."  fc6, which read maps of 7×7 pixels, becomes kernels of 7×7, and the later layers become
    kernels of 1×1.  An image of the size that the network was trained on gives maps of one pixel,
    with the same scores.  The weights are the network's own, in another shape, not copies.

    Parameters
    ----------
    layers : list of Layer
        The layers for test time of a network of one column.
    ops : module
        The backend that they were built with.
    size : int
        The width and height of the images that the network was trained on.

    Returns
    -------
    list of Layer
        Their output is maps (N, classes, h, w), which `predict` averages.

    Raises
    ------
    ValueError
        For a network of two columns.
    """
    if any(isinstance(w, tuple) for layer in layers for w in layer.params.values()):
        raise ValueError("a network of two columns has no dense view; use other views")
    dtype = next(iter(net.parameters(layers).values())).dtype
    x = np.zeros((1, 3, size, size), dtype)  # one image, then the output of each layer
    dense_layers = []
    for layer, y in zip(layers, net.outputs(layers, x), strict=True):
        if layer.forward is ops.fc_forward:
            w, b = layer.params["w"], layer.params["b"]
            f = x.shape[2] if x.ndim == 4 else 1
            params = {"w": w.reshape(len(w), x.shape[1], f, f), "b": b}
            layer = net.row(layer.name, ops, "conv", params)
        dense_layers.append(layer)
        x = y
    return dense_layers


def error(probabilities, labels, k=1):
    """Return the share of images whose right class is not among the k most probable ones."""
    return float(np.mean(wrong(probabilities, labels, k)))


def wrong(probabilities, labels, k=1):
    """Return for each image whether its right class is not among the k most probable ones.

    Of equally probable classes the first comes first.
    """
    check_probabilities("evaluate.error", probabilities)
    check_whole("evaluate.error", "k", k, 1)
    labels = check_classes("evaluate.error", labels, *probabilities.shape)
    right = np.take_along_axis(probabilities, labels[:, None], axis=1)
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    rank = ((probabilities > right) | ((probabilities == right) & earlier)).sum(axis=1)
    return rank >= k


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
        One per member; by default, all are equal.

    Raises
    ------
    ValueError
        If the members have different numbers of images or classes, or a weight is below 0.
    """
    check_equal("evaluate.combine", members)
    if weights is not None:
        if len(weights) != len(members):
            raise ValueError(f"evaluate.combine: expected {len(members)} weights, one per member")
        weights = [check_between("evaluate.combine", "weights", weight) for weight in weights]
        if not any(weights):
            raise ValueError("evaluate.combine: all weights are 0")
    return np.average(members, axis=0, weights=weights)


def check_equal(who, members):
    """Raise TypeError or ValueError unless members are probabilities, all of one shape."""
    if not hasattr(members, "__len__"):
        raise TypeError(f"{who}: members is a {type(members).__name__}; expected a list")
    for member in members:
        check_probabilities(who, member)
    shapes = {member.shape for member in members}
    if not shapes:
        raise ValueError(f"{who}: there are no members")
    if len(shapes) > 1:
        raise ValueError(f"{who}: the members have shapes {shapes}; expected equal ones")


def choose_weights(members, labels, rounds=200):
    """Return the weights that maximize the mean log probability of these labels.

    They are ≥ 0 and add up to 1.  There is a single maximum, and the EM algorithm for the weights
    of a mixture climbs to it: a member's new weight is its mean share of the probability of the
    right class.

    Parameters
    ----------
    members : list of arrays (N, classes)
    labels : array (N,)
        Those of validation images, which no member was trained on.
    rounds : int
    """
    check_equal("evaluate.choose_weights", members)
    check_whole("evaluate.choose_weights", "rounds", rounds, 1)
    labels = check_classes("evaluate.choose_weights", labels, *members[0].shape)
    right = np.array([member[np.arange(len(labels)), labels] for member in members])  # (members, N)
    weights = np.full(len(members), 1 / len(members))
    for _ in range(rounds):
        shares = weights[:, None] * right
        shares /= np.maximum(shares.sum(axis=0), np.finfo(np.float64).tiny)
        weights = shares.mean(axis=1)
        weights /= weights.sum()
    return weights
