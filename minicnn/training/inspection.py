"""What a trained network makes of an image, unit by unit: maps, sums, ablations, best patches.

    stage     a layer with weights and those after it up to the next such layer: conv1, relu1, lrn1
              and pool1.  A map keeps its number within a stage
    maps      (C, H, W)       a layer's output for one image; (C, 1, 1) for a vector
    unit      one entry of a map
    window    what a unit sees: of the maps below, and of the view, which is the network's input

All numbers come from the layers' own functions, on the CPU.  `description`, `best_patches` and
`inspect` return what the page of `python -m minicnn explore` shows, see plots/explorer.py.
"""

import math
from collections import defaultdict, namedtuple

import numpy as np

from .. import net
from ..data import augment
from ..data.views import central_view
from ..networks import summary
from . import evaluate

Field = namedtuple("Field", "f stride pad sees step start")
LARGEST = 2**20  # weights of a layer whose kernels are shown
TRAINING = 1000  # training images in which the best patches are searched
BEST = 10  # classes of an answer
MOST_WORK = 2e11  # multiply-adds that the ablations of a layer may take for an image
CHUNK = 64  # maps ablated at a time


def check_columns(trained):
    """Raise ValueError for a network of two columns, whose layers have no single output."""
    if any(isinstance(w, tuple) for layer in trained.layers for w in layer.params.values()):
        raise ValueError(f"{trained.path} has two columns; `explore` shows networks of one column")


def description(trained):
    """Return the network's layers, kernels and classes, as a dict for the page."""
    size = trained.size
    sizes = summary.measure(trained.layers, (3, size, size))
    below, layers, kernels = [3, size, size], [], {}
    rows = zip(trained.layers, sizes, fields(trained.layers), stages(trained.layers), strict=True)
    for i, (layer, size, field, stage) in enumerate(rows):
        options = {"p": 0.5, "n": 5, **layer.options}  # the paper's
        layers.append(
            {
                "name": layer.name,
                "kind": net.kind_of(layer),
                "shape": [*size.output[0], 1, 1][:3],
                "stage": stage,
                "field": [None if number == math.inf else number for number in field],
                "parameters": size.parameters,
                "p": options["p"],
                "n": options["n"],
            }
        )
        if layer.params:
            w, b = layer.params["w"], layer.params["b"]
            w = w.reshape(len(w), *below) if w.ndim == 2 else w
            shown = w if w.size <= LARGEST and w.ndim == 4 else None  # not those of every place
            kernels[i] = {"w": shown, "shape": w.shape[-4:], "b": b.tolist()}
        below = layers[-1]["shape"]
    return {
        "classes": trained.classes,
        "size": trained.size,
        "width": trained.width,
        "parameters": net.count_parameters(trained.layers),
        "layers": layers,
        "kernels": kernels,
    }


def best_patches(trained, photos):
    """Return the training images that excite the maps most, and where.

    Returns
    -------
    dict
        images : the number of training images that were searched
        views : (M, 3, size, size) uint8, the views of those that are among a map's best
        labels : the names of their M classes
        places : {i: (C, most, 3) uint16}, as `strongest`, with the number of one of the M views
    """
    images = photos.train_x[:TRAINING]
    found = strongest(trained, images)
    used = np.unique(np.concatenate([places[:, :, 0].ravel() for places in found.values()]))
    for places in found.values():
        places[:, :, 0] = np.searchsorted(used, places[:, :, 0])
    views = augment.rescaled(images[used], trained.width)
    edge = (trained.width - trained.size) // 2
    return {
        "images": len(images),
        "views": views[:, :, edge : edge + trained.size, edge : edge + trained.size],
        "labels": [photos.classes[label] for label in photos.train_y[used]],
        "places": {i: places.astype(np.uint16) for i, places in found.items()},
    }


def inspect(trained, picture):
    """Return what the network makes of one image, (3, H, H) uint8.

    Returns
    -------
    dict
        pixels : (3, width, width) uint8, the image that the view is the centre of
        view : (3, size, size), the network's input
        maps : a list of maps, one for each layer
        favour : {i: maps}, see `in_favour`, for the layers with weights
        best : the numbers of the most probable classes, the most probable first
        answer : their probabilities
        without : {i: (C, len(best))}, their probabilities without each map of layer i, for the
            layers with weights except the last, if that takes at most MOST_WORK
    """
    x = view_of(trained, picture[None])
    ys = list(net.outputs(trained.layers, x))
    answer = evaluate.view_probabilities(trained.layers, trained.ops, x)[0]
    best = np.argsort(-answer, kind="stable")[:BEST]
    sizes = summary.measure(trained.layers, x.shape[1:])
    favour, without, below = {}, {}, x
    for i, (layer, y) in enumerate(zip(trained.layers, ys, strict=True)):
        if layer.params:
            favour[i] = as_maps(in_favour(layer, below))
            work = y.shape[1] * sum(size.multiply_adds for size in sizes[i + 1 :])
            if 0 < work <= MOST_WORK:
                without[i] = ablated(trained, i, y)[:, best]
        below = y
    return {
        "pixels": augment.rescaled(picture, trained.width),
        "view": x[0],
        "maps": [as_maps(y) for y in ys],
        "favour": favour,
        "best": best.tolist(),
        "answer": answer[best].tolist(),
        "without": without,
    }


def fields(layers):
    """Return where the units of each layer see, as a list of Fields.

    The unit in row i reads rows i·stride − pad … of the maps below, f of them, and sees pixels
    i·step + start … of the view, `sees` of them, also beyond its border.  For a unit that reads
    all, f and sees are infinite and the others 0.
    """
    found, sees, step, start = [], 1, 1, 0
    for layer in layers:
        f, stride = summary.window(layer)
        pad = (f - 1) // 2 if net.kind_of(layer) == "map_lrn" else layer.options.get("pad", 0)
        if math.inf in (f, sees):
            f = f if f == math.inf else 1  # what comes after a fully connected layer
            sees, found = math.inf, [*found, Field(f, 0, 0, math.inf, 0, 0)]
            continue
        sees, start, step = sees + (f - 1) * step, start - pad * step, step * stride
        found.append(Field(f, stride, pad, sees, step, start))
    return found


def stages(layers):
    """Return the position of each layer's stage, that of its layer with weights; None before."""
    positions, current = [], None
    for i, layer in enumerate(layers):
        current = i if layer.params else current
        positions.append(current)
    return positions


def view_of(trained, images):
    """Return what the network sees of images (N, 3, H, W) uint8: (N, 3, size, size) float32."""
    return central_view(trained.mean, trained.deviation, trained.size, trained.width)(images)


def as_maps(y):
    """Return the output of a layer for one image, (1, C, H, W) or (1, D), as maps."""
    return y[0] if y.ndim == 4 else y[0][:, None, None]


def in_favour(layer, x):
    """Return the sum of the positive products x·w for every unit of a layer with weights.

    The unit is this, minus the sum of the others' sizes, plus its bias.  Positive products are
    those of the positive entries of x and w, and of the negative ones.
    """
    w, b, parts = layer.params["w"], layer.params["b"], []
    for part in (lambda a: np.maximum(a, 0), lambda a: np.minimum(a, 0)):
        params = {"w": part(w), "b": np.zeros_like(b)}
        parts.append(net.forward([layer._replace(params=params)], part(x))[0])
    return parts[0] + parts[1]


def ablated(trained, i, y):
    """Return the probabilities with each map of layer i set to 0, one map at a time.

    Parameters
    ----------
    i : int
        The position of the layer.
    y : array (1, C, H, W) or (1, C)
        Its output for one image.

    Returns
    -------
    array (C, classes) float64
    """
    rest, parts = net.fused(trained.layers[i + 1 :], trained.ops), []
    for first in range(0, y.shape[1], CHUNK):
        maps = np.arange(first, min(first + CHUNK, y.shape[1]))
        without = np.repeat(y, len(maps), axis=0)
        without[maps - first, maps] = 0
        parts.append(evaluate.view_probabilities(rest, trained.ops, without))
    return np.concatenate(parts)


def strongest(trained, images, most=8):
    """Return for each map of every stage where it is largest in `images`, and in which of them.

    Returns
    -------
    dict of position of a layer with weights → array (C, most, 3) int
        The number of an image, and the row and column of the map's largest unit in it; the image
        with the largest unit comes first.
    """
    values, places, widths = defaultdict(list), defaultdict(list), {}
    batch = evaluate.batch_size(images)
    for first in range(0, len(images), batch):
        x = view_of(trained, images[first : first + batch])
        for i, y in enumerate(net.outputs(trained.layers, x)):
            if trained.layers[i].params:
                widths[i] = y.shape[3] if y.ndim == 4 else 1
                y = y.reshape(*y.shape[:2], -1)  # (N, C, H·W)
                places[i].append(y.argmax(axis=2))
                values[i].append(y.max(axis=2))
    found = {}
    for i, width in widths.items():
        best = np.argsort(-np.concatenate(values[i]), axis=0, kind="stable")[:most]  # (most, C)
        place = np.take_along_axis(np.concatenate(places[i]), best, axis=0)
        found[i] = np.stack([best, *np.divmod(place, width)], axis=2).transpose(1, 0, 2)
    return found
