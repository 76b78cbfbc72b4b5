"""A trained network, as its checkpoint describes it: layers, classes, and how images are prepared.

pixels       (N, 3, H, W) uint8    images as they are stored, 0 … 255
mean         (3, H, W)             the mean image of the training set
deviation    a number              what pixels minus the mean are divided by; usually 1
width        a number              the width that images are rescaled to before a view is cut: W,
                                   unless the network was trained at several scales
x            (N, 3, size, size)    what the network sees: (view − mean) / deviation
"""

import functools
import itertools
from collections import namedtuple

import numpy as np

from .. import console, errors, net, storage
from ..data import augment
from ..data.views import central_view, divided
from ..networks import catalogue
from . import evaluate

VIEWS = {  # kind → number of views
    "1": 1,  # the central patch
    "10": 10,  # the corners, the centre and their mirror images, as in the paper
    "50": 50,  # a grid of 5×5 and their mirror images, as in VGG
    "dense": 2,  # the whole image and its mirror image, at every position: see evaluate.dense
}

FEATURES = storage.Kind(
    "features of images", rb"\x93NUMPY.*'<f4', 'fortran_order': False, 'shape': \(\d+, \d+\)"
)

Trained = namedtuple("Trained", "path name layers ops classes size width mean deviation")


def load(path, ops):
    """Return the network that `minicnn train` saved, for prediction.

    Parameters
    ----------
    path : path
        The checkpoint.
    ops : module
        The backend to predict with; it need not be the one that trained the network.

    Returns
    -------
    Trained
        `layers` are those for test time, `ops` the backend that they were built with.

    Raises
    ------
    errors.CheckpointError
        If it is missing or damaged, or does not describe a network that can be built.
    """
    theirs, mean, deviation, settings = storage.load_network(path)
    missing = [name for name in ("network", "classes", "size") if name not in settings]
    missing += [n for n, q in (("mean", mean), ("deviation", deviation)) if q is None]
    if missing:
        raise errors.CheckpointError(
            f"{path} does not describe its network ({', '.join(missing)} missing); "
            "take a checkpoint of `minicnn train`"
        )
    wrong = catalogue.wrong_description(settings)
    if wrong:
        raise errors.CheckpointError(f"{path} does not describe its network: {wrong}")
    name, classes, size = settings["network"], settings["classes"], settings["size"]
    width = settings.get("test_width") or mean.shape[2]
    if not size <= width <= mean.shape[2]:  # so memory is bounded by the size of the file
        raise errors.CheckpointError(
            f"{path} does not describe its network: it sees {size} of {width} pixels, but its mean "
            f"image has {mean.shape[2]}"
        )
    try:
        layers = catalogue.build_described(settings, ops)
    except MemoryError:
        raise MemoryError(f"{path}: there is not enough memory for {name} of this size") from None
    ops = catalogue.backend(name, ops)
    ours = {f"w:{parameter}": w for parameter, w in net.parameters(layers).items()}
    storage.copy_into(ours, {f"w:{name}": w for name, w in theirs.items()}, path)
    layers = net.predicting(layers, ops)
    net.to_device(layers, ops)
    return Trained(path, name, layers, ops, tuple(classes), size, width, mean, deviation)


def predict(trained, images, views="1", title=None):
    """Return the probabilities of images, (N, classes) float64.

    Parameters
    ----------
    trained : Trained
    images : array (N, 3, H, W) uint8, or what can be sliced like one
    views : str
        A key of VIEWS, or several joined by +: "50+dense" averages the predictions of both.
    title : str, optional
        The title of a progress bar; None shows none.
    """
    kinds = views.split("+") if isinstance(views, str) else [views]
    for kind in kinds:
        if kind not in list(VIEWS):  # a list: the value may not be hashable
            raise ValueError(
                f"predict: views = {views!r}; expected {', '.join(VIEWS)}, joined by +"
            )
    total = len(images) * sum(VIEWS[kind] for kind in kinds)
    predictions = []
    with console.bar(total, title, " views") as bar:
        for kind in kinds:
            layers = trained.layers
            if kind == "dense":
                layers = evaluate.dense(trained.layers, trained.ops, trained.size)
            views_of = functools.partial(yield_views, trained, kind, bar)
            predictions.append(evaluate.predict(layers, trained.ops, images, views_of))
    return np.mean(predictions, axis=0)


def yield_views(trained, kind, bar, images):
    """Yield x for each view of images, and advance the bar after each."""
    images = augment.rescaled(images, trained.width)
    mean = augment.rescaled(trained.mean, trained.width)
    match kind:
        case "1":
            views = [augment.central_views(images, mean, trained.size)]
        case "10":
            views = augment.ten_views(images, mean, trained.size)
        case "50":
            views = augment.fifty_views(images, mean, trained.size)
        case "dense":
            whole = np.subtract(images, mean, dtype=np.float32)
            views = [whole, np.ascontiguousarray(whole[:, :, :, ::-1])]
    for x in views:
        yield divided(x, trained.deviation)
        bar.update(len(x))


def check_data(trained, photos, name, classes=True):
    """Raise ValueError if the network was not trained for images like these.

    Parameters
    ----------
    trained : Trained
    photos : Photos
    name : str
        The name of the data set.
    classes : bool
        Whether the data set must also have the network's classes.
    """
    if photos.mean.shape != trained.mean.shape:
        ours, theirs = trained.mean.shape[1], photos.mean.shape[1]
        raise ValueError(
            f"{trained.path} was trained on images of {ours}×{ours} pixels, "
            f"but those of {name} have {theirs}×{theirs}; name its own images with --data"
        )
    if classes and tuple(photos.classes) != trained.classes:
        pairs = zip(photos.classes, trained.classes, strict=False)
        first = next((f", {a!r} instead of {b!r}" for a, b in pairs if a != b), "")
        raise ValueError(
            f"{name} has other classes than {trained.path} was trained for: "
            f"{len(photos.classes)}, not {len(trained.classes)}{first}"
        )


def features(trained, images, name, title=None):
    """Yield the output of a layer for images, one batch at a time: (n, D) float32.

    Parameters
    ----------
    trained : Trained
    images : array (N, 3, H, W) uint8, or what can be sliced like one
    name : str
        The name of a layer.  Its output for the central view is flattened; two columns are joined.
    title : str, optional
        The title of a progress bar; None shows none.

    Raises
    ------
    ValueError
        If no layer has this name.
    """
    names = [layer.name for layer in trained.layers]
    if name not in names:
        raise ValueError(f"{trained.name} has no layer {name!r}; it has {', '.join(names)}")
    layers = trained.layers[: names.index(name) + 1]
    view = central_view(trained.mean, trained.deviation, trained.size, trained.width)
    batch = evaluate.batch_size(images)
    with console.bar(len(images), title) as bar:
        for first in range(0, len(images), batch):
            x = view(images[first : first + batch])
            parts = net.columns(evaluate.output(layers, trained.ops, x))
            yield np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
            bar.update(len(parts[0]))


def write_features(trained, images, name, path, title=None):
    """Write `features` of the central views of all images to an .npy file; return its shape.

    Only one batch is in memory at a time, so there may be any number of images.
    """
    if not len(images):
        raise ValueError("there are no images to take features of")
    parts = features(trained, images, name, title)
    first = next(parts)
    shape = (len(images), first.shape[1])

    def write(file):
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in itertools.chain([first], parts):
            file.write(np.ascontiguousarray(part, "<f4").tobytes())

    storage.write_whole(path, write, FEATURES)
    return shape


def both_features(trained, photos, queries):
    """Return the features of the training images and of the queries, from the last hidden layer.

    Returns
    -------
    array (N, D), array (M, D) float32
    """
    name = last_hidden(trained)
    if not len(queries):
        raise ValueError("there are no validation images to find neighbours for")
    both = (features(trained, images, name, name) for images in (photos.train_x, queries))
    return tuple(np.concatenate(list(parts)) for parts in both)


def last_hidden(trained):
    """Return the name of the layer whose output the last fully connected layer reads.

    Raises ValueError for a network without such a layer.
    """
    fc = trained.ops.fc_forward
    last = max(i for i, layer in enumerate(trained.layers) if layer.forward is fc)
    names = [layer.name for layer in trained.layers[:last] if not layer.name.startswith("exchange")]
    if not names:
        raise ValueError(f"{trained.name} has no hidden layer: its first layer tells the classes")
    return names[-1]
