"""What other libraries' weights are used to, and how it is undone.

Weights are more than numbers: they expect a layout, an order of colours, a scale of the pixels q,
and a kind of dropout with probability p.

                Caffe                      torchvision                here
    kernels     (K, C, f, f)               (K, C, f, f)               (K, C, f, f)
    fc          (K, D)                     (K, D)                     (K, D)
    colours     blue, green, red           red, green, blue           red, green, blue
    pixels      0 … 255: q − mean          (q/255 − mean)/deviation   0 … 255: q − mean
    dropout     training divides by 1 − p  training divides by 1 − p  prediction multiplies by 1 − p

Caffe's weights also come in dictionaries that were made for TensorFlow.  Kernels are (f, f, C, K)
there and fc is (D, K); and the D inputs of fc6 run over rows, columns and channels, which are
channels, rows and columns everywhere else.

All of this can be undone in the weights, once, so that no other code has to know.  Colours: the
channels of conv1 are reversed.  Pixels: conv1's weights are divided by 255 · deviation.  Dropout:
weights w that meet what dropout has left are divided by 1 − p; prediction then computes
(1 − p) · x · w / (1 − p), which is the library's x · w, and training the library's sums as well.
With p = 0.5 that is a factor of two, and not a bit is lost.

What remains is the mean: images have to be red, green and blue, 0 … 255, minus the library's mean.
Normalization has no weights, so it remains too: Caffe's networks have tables in
networks/other_alexnets.py.

    layers    the rows of one of our networks
    arrays    name → array; ours are conv1.w and conv1.b
    C, K, f   channels, kernels, and the size of a kernel
    D, H      the inputs of a fully connected layer; D = C · H · H if they are maps of H × H pixels
"""

import math
import re

import numpy as np

from .. import net
from ..net import kind_of

# Red, green, blue.
CAFFE_MEAN = (122.679, 116.669, 104.007)  # of its mean image, ilsvrc_2012_mean.npy
VGG_MEAN = (123.68, 116.779, 103.939)  # of VGG's authors, who used Caffe
TORCHVISION_MEAN = (123.675, 116.28, 103.53)  # 255 · (0.485, 0.456, 0.406)
TORCHVISION_DEVIATION = (58.395, 57.12, 57.375)  # 255 · (0.229, 0.224, 0.225)

TORCHVISION_NAME = re.compile(r"(features|classifier)\.(\d{1,3})\.(weight|bias)")
LETTERS = {"weight": "w", "bias": "b"}


def mean_of(library, layers):
    """Return what was subtracted from the images for these rows: red, green, blue, 0 … 255."""
    if library == "torchvision":
        return TORCHVISION_MEAN
    return VGG_MEAN if first_weights(layers) == "conv1_1.w" else CAFFE_MEAN


def names_there(library, names, layers):
    """Return what the file calls each array of ours: {"conv1.w": "features.0.weight", …}.

    Caffe's layers have the names of our rows.  torchvision's have numbers, so they are taken in
    order: its first layer with weights is our first row with weights, and so on, until one of the
    two has no more.

    Parameters
    ----------
    library : str
        "minicnn", "Caffe" or "torchvision".
    names : collection of str
        The names of all arrays in the file.
    layers : list of Layer
        Our rows.
    """
    ours = list(net.parameters(layers))
    if library != "torchvision":
        return {name: name for name in ours}
    found = filter(None, map(TORCHVISION_NAME.fullmatch, names))
    places = sorted({(match[1] != "features", int(match[2])) for match in found})
    rows = [layer.name for layer in layers if layer.params]
    return {
        f"{row}.{letter}": f"{'classifier' if late else 'features'}.{number}.{word}"
        for row, (late, number) in zip(rows, places, strict=False)
        for word, letter in LETTERS.items()
    }


def in_our_layout(library, arrays, layers):
    """Return arrays, which have our names, as (K, C, f, f) and (K, D), of red, green and blue."""
    if library != "Caffe":
        return arrays
    targets, first = net.parameters(layers), first_weights(layers)
    arrays = {name: without_ones(array, targets[name]) for name, array in arrays.items()}
    if first not in arrays:
        return arrays
    K, C, f, f = targets[first].shape
    if arrays[first].shape == (f, f, C, K):  # then TensorFlow's layout is that of all
        arrays |= from_tensorflow(arrays, layers)
    if arrays[first].shape == (K, C, f, f):
        arrays[first] = arrays[first][:, ::-1]  # blue, green, red → red, green, blue
    return arrays


def without_ones(array, target):
    """Return the array without leading axes of size 1: old files of Caffe give four to all."""
    while array.ndim > target.ndim and array.shape[0] == 1:
        array = array[0]
    return array


def from_tensorflow(arrays, layers):
    """Return the weights among arrays, (f, f, C, K) and (D, K), as (K, C, f, f) and (K, D)."""
    turned, C = {}, 0  # C: the channels of the maps that the next fc flattens
    for name in (f"{layer.name}.w" for layer in layers):
        w = arrays.get(name)
        if w is not None and w.ndim == 4:
            turned[name] = w.transpose(3, 2, 0, 1)
            C = w.shape[3]
        elif w is not None and w.ndim == 2:
            D, K = w.shape
            H = math.isqrt(D // C) if C else 0
            if H and C * H * H == D:  # rows, columns, channels → channels, rows, columns
                w = w.reshape(H, H, C, K).transpose(2, 0, 1, 3).reshape(D, K)
            turned[name] = w.T
            C = 0
    return turned


def factors(library, layers):
    """Return what the library's weights are multiplied by to become ours: name → factor.

    Only weights are there whose factor is not 1.
    """
    found, factor = {}, 1.0
    if library == "minicnn":
        return found
    if library == "torchvision":
        found[first_weights(layers)] = 1 / np.reshape(TORCHVISION_DEVIATION, (1, 3, 1, 1))
    for layer in layers:
        factor /= 1 - layer.options.get("p", 0)  # only dropout has a p
        if layer.params and factor != 1:
            found[f"{layer.name}.w"] = factor
        if layer.params:
            factor = 1.0
    return found


def check_normalization(library, layers):
    """See that rows normalize as the library does; raise ValueError if not."""
    for layer in layers:
        k, alpha = layer.options.get("k", 2), layer.options.get("alpha", 1e-4)
        like_caffe = k == 1 and math.isclose(alpha, 1e-4 / 5)
        if kind_of(layer) == "lrn" and library == "Caffe" and not like_caffe:
            raise ValueError(
                f"normalization has k = 1 and alpha = 1e-4/5 there, k = {k} and alpha = {alpha} in "
                f"{layer.name} here; caffe_alexnet and caffenet in networks/other_alexnets.py "
                "have Caffe's"
            )


def check_order(kinds, layers):
    """See that a .caffemodel has its layers in the order of the rows; raise ValueError if not.

    AlexNet and CaffeNet cannot be told apart otherwise.

    kinds: (name, kind) of its layers, as weights/formats/caffemodel.py has them.
    """
    here = [(row.name, kind_of(row)) for row in layers]
    here = [(name, kind) for name, kind in here if kind in ("conv", "lrn", "pool", "fc")]
    for (their_name, theirs), (name, ours) in zip(kinds, here, strict=False):
        if {theirs, ours} == {"lrn", "pool"}:
            raise ValueError(
                f"{their_name} stands there where {name} is here: AlexNet normalizes before it "
                "pools, CaffeNet afterwards"
            )
        if theirs != ours:
            raise ValueError(f"{their_name} stands there where {name} is here")


def as_torchvision(layers, arrays):
    """Return parameters with torchvision's names and scale, for load_state_dict in PyTorch.

    There the network gives the same scores for (q − mean) / (255 · deviation) as here for q − mean.

    Parameters
    ----------
    layers : list of Layer
        The rows of a network that torchvision has: other_alexnets.torchvision_alexnet, or VGG.
    arrays : dict of name → array
        Its parameters, named as `net.parameters` does.

    Returns
    -------
    dict of name → array
        "features.0.weight" and so on; the number is the place of the row, counted from 0, and again
        after the last pool.

    Raises
    ------
    ValueError
        If there is a row of a kind that those networks do not have.
    """
    for layer in layers:
        if kind_of(layer) not in ("conv", "relu", "pool", "fc", "dropout", "dropout_predict"):
            raise ValueError(f"torchvision has no such network: {layer.name} is {kind_of(layer)}")
    last_pool = max(i for i, layer in enumerate(layers) if kind_of(layer) == "pool")
    scale = factors("torchvision", layers)
    named = {}
    for i, layer in enumerate(layers):
        part, number = ("features", i) if i < last_pool else ("classifier", i - last_pool - 1)
        for word, letter in LETTERS.items() if layer.params else ():
            ours = f"{layer.name}.{letter}"
            array = arrays[ours] / scale.get(ours, 1)
            named[f"{part}.{number}.{word}"] = array.astype(arrays[ours].dtype)
    return named


def first_weights(layers):
    """Return the name of the weights that meet the images: "conv1.w"."""
    return next(f"{layer.name}.w" for layer in layers if layer.params)
