"""The conventions behind other libraries' weights, and how to convert the weights to ours.

Weights depend on conventions: a layout, an order of colours, a scale of the pixels q, and a kind of
dropout with probability p.

                Caffe                      torchvision                here
    kernels     (K, C, f, f)               (K, C, f, f)               (K, C, f, f)
    fc          (K, D)                     (K, D)                     (K, D)
    colours     blue, green, red           red, green, blue           red, green, blue
    pixels      0 … 255: q − mean          (q/255 − mean)/deviation   0 … 255: q − mean
    dropout     training divides by 1 − p  training divides by 1 − p  prediction multiplies by 1 − p

Caffe's weights also come in dictionaries made for TensorFlow.  There, kernels are (f, f, C, K), fc
is (D, K), and the D inputs of fc6 are ordered by rows, columns and channels; everywhere else the
order is channels, rows and columns.

Converting the weights once is enough: no other code needs to know.  Colours: reverse the channels
of conv1.  Pixels: divide conv1's weights by 255 · deviation.  Dropout: divide the weights w of the
layer after dropout by 1 − p.  Prediction then computes (1 − p) · x · w / (1 − p), which is the
library's x · w, and training computes the library's sums as well.  With p = 0.5 this is a factor of
two, which is exact.

Two differences remain.  Images must be red, green and blue, 0 … 255, minus the library's mean.  And
normalization has no weights to convert, so Caffe's networks have tables of their own in
networks/other_alexnets.py.

torchvision's names are no proof of its pixels: networks of Caffe, such as VGG's own, have been
converted to PyTorch with their colours and pixels unchanged.  So `library` is whose names and
layouts a file has, and `pixels` is whose colours and scale.

    layers    the layers of one of our networks
    arrays    name → array; ours are conv1.w and conv1.b
    C, K, f   channels, kernels, and the size of a kernel
    D, H      the inputs of a fully connected layer; D = C · H · H if they are H × H maps
"""

import math
import re

import numpy as np

from .. import net
from ..net import kind_of

# Red, green, blue.
CAFFE_MEAN = (122.679, 116.669, 104.007)  # the mean colour of ilsvrc_2012_mean.npy
VGG_MEAN = (123.68, 116.779, 103.939)  # from VGG's authors, who used Caffe
TORCHVISION_MEAN = (123.675, 116.28, 103.53)  # 255 · (0.485, 0.456, 0.406)
TORCHVISION_DEVIATION = (58.395, 57.12, 57.375)  # 255 · (0.229, 0.224, 0.225)

TORCHVISION_NAME = re.compile(r"(features|classifier)\.(\d{1,3})\.(weight|bias)")
WRAPPED_NAME = re.compile(r"(.*\.|)(?:features|classifier)\.\d{1,3}\.(?:weight|bias)")
WRAPPERS = (  # of DataParallel, torch.compile and others, anywhere in a name
    "module", "_module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
)  # fmt: skip
LETTERS = {"weight": "w", "bias": "b"}


def mean_of(pixels, layers):
    """Return the mean that the library subtracts from images: red, green, blue, 0 … 255."""
    if pixels == "torchvision":
        return TORCHVISION_MEAN
    return VGG_MEAN if first_weights(layers) == "conv1_1.w" else CAFFE_MEAN


def without_wrappers(arrays):
    """Return arrays with torchvision's names, where these are part of longer ones.

    "module.features.0.weight", "features.module.0.weight", "model._orig_mod.features.0.weight":
    all are features.0.weight of a network that was part of another object when it was saved.  Other
    arrays, and all if there are two such networks, keep their names.
    """
    inner = {
        name: ".".join(part for part in name.split(".") if part not in WRAPPERS) for name in arrays
    }
    prefixes = {match[1] for match in map(WRAPPED_NAME.fullmatch, inner.values()) if match}
    if len(prefixes) != 1:
        return arrays
    plain = {name: inner[name].removeprefix(*prefixes) for name in arrays}
    if len(set(plain.values())) < len(arrays):
        return arrays
    return {plain[name]: array for name, array in arrays.items()}


def names_in_file(library, names, layers):
    """Return the file's name of each of our arrays: {"conv1.w": "features.0.weight", …}.

    Caffe's layers have the same names as ours.  torchvision's layers have numbers, so they are
    matched in order: its first layer with weights is our first layer with weights, and so on, until
    either network has no more.

    Fully connected layers may have other names, as the last one has after fine-tuning: if as many
    of ours are missing as the file has other layers, they are matched in order.

    Parameters
    ----------
    library : str
        "minicnn", "Caffe" or "torchvision".
    names : collection of str
        The names of all arrays in the file.
    layers : list of Layer
        Our layers.
    """
    parameters = net.parameters(layers)
    if library == "minicnn":
        return {name: name for name in parameters if name in names}
    with_weights = [layer for layer in layers if layer.params]
    if library == "torchvision":
        matches = filter(None, map(TORCHVISION_NAME.fullmatch, names))
        positions = sorted({(match[1] != "features", int(match[2])) for match in matches})
        theirs = [f"{'classifier' if late else 'features'}.{number}" for late, number in positions]
        same, words = zip(with_weights, theirs, strict=False), LETTERS
    else:
        same, words = [(layer, layer.name) for layer in with_weights], {"w": "w", "b": "b"}
    pairs = {
        layer.name: name for layer, name in same if any(f"{name}.{word}" in names for word in words)
    }
    missing = [layer for layer in with_weights if layer.name not in pairs]
    others = dict.fromkeys(name.rpartition(".")[0] for name in names)
    others = [name for name in others if name not in pairs.values()]
    if len(others) == len(missing) and all(kind_of(layer) == "fc" for layer in missing):
        pairs |= {layer.name: name for layer, name in zip(missing, others, strict=True)}
    return {
        f"{ours}.{letter}": f"{theirs}.{word}"
        for ours, theirs in pairs.items()
        for word, letter in words.items()
        if f"{theirs}.{word}" in names and f"{ours}.{letter}" in parameters
    }


def to_our_layout(library, pixels, arrays, layers):
    """Return arrays, already under our names, as (K, C, f, f) and (K, D) for red, green, blue."""
    targets, first = net.parameters(layers), first_weights(layers)
    if library == "Caffe":
        arrays = {
            name: without_leading_ones(array, targets[name]) for name, array in arrays.items()
        }
    if library == "minicnn" or first not in arrays:
        return arrays
    K, C, f, f = targets[first].shape
    if library == "Caffe" and arrays[first].shape == (f, f, C, K):  # TensorFlow's layout
        arrays |= from_tensorflow(arrays, layers)
    if pixels == "Caffe" and arrays[first].shape == (K, C, f, f):
        arrays[first] = arrays[first][:, ::-1]  # blue, green, red → red, green, blue
    return arrays


def without_leading_ones(array, target):
    """Return the array without leading axes of size 1: in old Caffe files all have four axes."""
    while array.ndim > target.ndim and array.shape[0] == 1:
        array = array[0]
    return array


def from_tensorflow(arrays, layers):
    """Return the weights among arrays, (f, f, C, K) and (D, K), as (K, C, f, f) and (K, D)."""
    converted, C = {}, 0  # C: the channels of the maps that the next fc flattens
    for name in (f"{layer.name}.w" for layer in layers):
        w = arrays.get(name)
        if w is not None and w.ndim == 4:
            converted[name] = w.transpose(3, 2, 0, 1)
            C = w.shape[3]
        elif w is not None and w.ndim == 2:
            D, K = w.shape
            H = math.isqrt(D // C) if C else 0
            if H and C * H * H == D:  # rows, columns, channels → channels, rows, columns
                w = w.reshape(H, H, C, K).transpose(2, 0, 1, 3).reshape(D, K)
            converted[name] = w.T
            C = 0
    return converted


def factors(pixels, layers):
    """Return the factors that turn weights for a library's pixels into ours: name → factor.

    Weights with a factor of 1 are left out.
    """
    scale, factor = {}, 1.0
    if pixels == "minicnn":
        return scale
    if pixels == "torchvision":
        scale[first_weights(layers)] = 1 / np.reshape(TORCHVISION_DEVIATION, (1, 3, 1, 1))
    for layer in layers:
        factor /= 1 - layer.options.get("p", 0)  # only dropout has a p
        if layer.params and factor != 1:
            scale[f"{layer.name}.w"] = factor
        if layer.params:
            factor = 1.0
    return scale


def check_normalization(pixels, layers):
    """Raise ValueError if weights of Caffe are for layers that normalize in another way."""
    for layer in layers:
        k, alpha = layer.options.get("k", 2), layer.options.get("alpha", 1e-4)
        like_caffe = k == 1 and math.isclose(alpha, 1e-4 / 5)
        if kind_of(layer) == "lrn" and pixels == "Caffe" and not like_caffe:
            raise ValueError(
                f"Caffe normalizes with k = 1 and alpha = 1e-4/5, but {layer.name} has k = {k} and "
                f"alpha = {alpha}; use caffe_alexnet or caffenet of networks/other_alexnets.py"
            )


def check_order(kinds, layers):
    """Raise ValueError unless a .caffemodel has its layers in the same order as `layers`.

    Only the order distinguishes AlexNet from CaffeNet.

    kinds: (name, kind) of the file's layers, as weights/formats/caffemodel.py returns them.
    """
    ours = [(layer.name, kind_of(layer)) for layer in layers]
    ours = [(name, kind) for name, kind in ours if kind in ("conv", "lrn", "pool", "fc")]
    for (their_name, their_kind), (name, kind) in zip(kinds, ours, strict=False):
        if their_kind == kind:
            continue
        hint = ""
        if {their_kind, kind} == {"lrn", "pool"}:
            hint = ": AlexNet normalizes before it pools, CaffeNet afterwards"
        raise ValueError(f"{their_name} is in the position of {name}{hint}")


def for_normalize(mean=TORCHVISION_MEAN):
    """Return the mean, and torchvision's deviation, as its Normalize takes them: 0 … 1."""
    return {
        "mean": [round(float(value) / 255, 9) for value in mean],
        "deviation": [round(value / 255, 9) for value in TORCHVISION_DEVIATION],
    }


def as_torchvision(layers, arrays):
    """Return parameters with torchvision's names and scale, for load_state_dict in PyTorch.

    PyTorch's network then gives the same scores for (q − mean) / (255 · deviation) as ours for
    q − mean.

    Parameters
    ----------
    layers : list of Layer
        The layers of a network that torchvision has: other_alexnets.torchvision_alexnet, or VGG.
    arrays : dict of name → array
        Its parameters, named as `net.parameters` does.

    Returns
    -------
    dict of name → array
        "features.0.weight" and so on; the number is the layer's index, which starts again at 0
        after the last pool.

    Raises
    ------
    ValueError
        If a layer is of a kind that these networks do not have.
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
    """Return the name of the first layer's weights, such as "conv1.w"."""
    return next(f"{layer.name}.w" for layer in layers if layer.params)
