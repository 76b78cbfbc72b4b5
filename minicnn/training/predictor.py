"""A trained network, as its checkpoint describes it: rows, classes, and how it wants its images.

pixels       (N, 3, H, W) uint8    images as they are stored, 0 … 255
mean         (3, H, W)             the mean image of the training set
deviation    a number              what pixels minus the mean are divided by; 1, as a rule
width        a number              what images are rescaled to before a view is cut; W, unless
                                   the network was trained at several scales
x            (N, 3, size, size)    what the network sees: a view, minus the mean, divided
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

VIEWS = {  # how many each is
    "1": 1,  # the central patch
    "10": 10,  # the corners, the centre and their mirror images, as in the paper
    "50": 50,  # a grid of 5×5 and their mirror images, as VGG
    "dense": 2,  # the whole image and its mirror image, read at every place: see evaluate.dense
}

Trained = namedtuple("Trained", "path name layers ops classes size width mean deviation")


def load(path, ops):
    """Return the network that `minicnn train` saved, for prediction.

    Parameters
    ----------
    path : path
        The checkpoint.
    ops : module
        The backend to predict with; any, whatever it was trained with.

    Returns
    -------
    Trained
        layers are the rows for test time, ops those that they were built with.

    Raises
    ------
    errors.CheckpointError
        If it is missing, damaged, or does not say what network it is of.
    """
    arrays, facts = storage.load(path)
    settings = facts.get("settings", {})
    missing = [name for name in ("network", "classes", "size") if name not in settings]
    missing += [name for name in ("mean", "deviation") if f"input:{name}" not in arrays]
    if missing:
        raise errors.CheckpointError(
            f"{path} does not say what its network is ({', '.join(missing)} missing); "
            "a checkpoint of `minicnn train` does"
        )
    name, classes, size = settings["network"], settings["classes"], settings["size"]
    layers = catalogue.build_described(settings, ops)
    ops = catalogue.backend(name, ops)
    ours = {f"w:{parameter}": w for parameter, w in net.parameters(layers).items()}
    theirs = {n: array for n, array in arrays.items() if n.startswith("w:")}
    storage.copy_into(ours, theirs, path)
    layers = net.predicting(layers, ops)
    net.to_device(layers, ops)
    mean, deviation = arrays["input:mean"], arrays["input:deviation"]
    width = settings.get("test_width") or mean.shape[2]
    return Trained(path, name, layers, ops, tuple(classes), size, width, mean, deviation)


def predict(trained, images, views="1", title=None):
    """Return the probabilities of images, (N, classes) float64.

    Parameters
    ----------
    trained : Trained
    images : array (N, 3, H, W) uint8, or what can be sliced like one
    views : str
        A key of VIEWS, or several with a + between them: "50+dense" is the mean of both answers.
    title : str, optional
        Of a progress bar; without it, none is shown.
    """
    ways = views.split("+")
    total = len(images) * sum(VIEWS[way] for way in ways)
    answers = []
    with console.bar(total, title, " views") as bar:
        for way in ways:
            rows = trained.layers
            if way == "dense":
                rows = evaluate.dense(trained.layers, trained.ops, trained.size)
            views_of = functools.partial(some_views, trained, way, bar)
            answers.append(evaluate.predict(rows, trained.ops, images, views_of))
    return np.mean(answers, axis=0)


def some_views(trained, way, bar, images):
    """Yield the views of images, one x after the other, and move the bar on behind each."""
    images = augment.rescaled(images, trained.width)
    mean = augment.rescaled(trained.mean, trained.width)
    match way:
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
        What the data set is called.
    classes : bool
        Whether its classes must be the network's, too.
    """
    if photos.mean.shape != trained.mean.shape:
        ours, theirs = trained.mean.shape[1], photos.mean.shape[1]
        raise ValueError(
            f"{trained.path} was trained on images of {ours}×{ours} pixels, "
            f"but those of {name} have {theirs}×{theirs}; name its own images with --data"
        )
    if classes and tuple(photos.classes) != trained.classes:
        pairs = zip(photos.classes, trained.classes, strict=False)
        first = next((f", {a!r} in the place of {b!r}" for a, b in pairs if a != b), "")
        raise ValueError(
            f"{name} has other classes than {trained.path} was trained for: "
            f"{len(photos.classes)}, and there {len(trained.classes)}{first}"
        )


def features(trained, images, row, title=None):
    """Yield what a row of the network makes of images, some at a time: (n, D) float32.

    Parameters
    ----------
    trained : Trained
    images : array (N, 3, H, W) uint8, or what can be sliced like one
    row : str
        The name of a row.  Its output for the central view is flattened; two columns are joined.
    title : str, optional
        Of a progress bar; without it, none is shown.

    Raises
    ------
    ValueError
        If no row has this name.
    """
    names = [layer.name for layer in trained.layers]
    if row not in names:
        raise ValueError(f"{trained.name} has no row {row!r}; it has {', '.join(names)}")
    layers = trained.layers[: names.index(row) + 1]
    view = central_view(trained.mean, trained.deviation, trained.size, trained.width)
    batch = evaluate.batch_of(images)
    with console.bar(len(images), title) as bar:
        for first in range(0, len(images), batch):
            x = view(images[first : first + batch])
            parts = net.columns(evaluate.output(layers, trained.ops, x))
            yield np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
            bar.update(len(parts[0]))


def write_features(trained, images, row, path, title=None):
    """Write `features` of all images, central views, to an .npy file; return its shape.

    One batch after the other is written, so any number of images will do.
    """
    if not len(images):
        raise ValueError("there are no images to take features of")
    parts = features(trained, images, row, title)
    first = next(parts)
    shape = (len(images), first.shape[1])

    def write(file):
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in itertools.chain([first], parts):
            file.write(np.ascontiguousarray(part, "<f4").tobytes())

    storage.write_whole(path, write)
    return shape


def both_features(trained, photos, queries):
    """Return the features of the training images and of others, from the last hidden row.

    Returns
    -------
    array (N, D), array (M, D) float32
    """
    row = last_hidden(trained)
    if not len(queries):
        raise ValueError("there are no validation images to find neighbours for")
    both = (features(trained, images, row, row) for images in (photos.train_x, queries))
    return tuple(np.concatenate(list(parts)) for parts in both)


def last_hidden(trained):
    """Return the name of the row whose output the last fully connected layer reads."""
    fc = trained.ops.fc_forward
    last = max(i for i, layer in enumerate(trained.layers) if layer.forward is fc)
    names = [layer.name for layer in trained.layers[:last] if not layer.name.startswith("exchange")]
    return names[-1]
