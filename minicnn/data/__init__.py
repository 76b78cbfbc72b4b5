"""Pictures to train with: CIFAR-10, the bundled sample of it, or your own photographs.

    from minicnn import data

    photos = data.load("sample")                                    # or "cifar10", or a directory
    train_x, train_y, test_x, test_y, mean = data.prepare(photos)   # float32, minus the mean image

`load` opens every kind of data set, always as Photos, see `photos.py`.  `inputs.py` turns small
sets into a network's inputs.

CIFAR-10 has 60,000 small colour pictures in ten classes: `cifar10.py` reads them, `download.py` and
`unpack.py` get the full set, and `make_sample.py` made the bundled sample.

    data.prepare_photos("photographs", "runs/photos")               # as python -m minicnn prepare
    photos = data.load("runs/photos")

Photographs are prepared once, by `make_photos.py`: `listing.py` finds them, `decode.py` makes each
a square and `pixels.py` its colours right, `shards.py` writes them in the processes of
`workers.py`, and `moments.py` computes their mean and principal components.  `earlier_run.py` tells
what an earlier run has left.

`trained()` is a network that has learned all of CIFAR-10, see `bundled.py`.

For both, `augment.py` draws crops, flips and colours, `views.py` turns these into a network's
inputs, and `batches.py` makes the batches while the network trains.
"""

from pathlib import Path

from ..checks import check_name
from . import augment
from .batches import Batches
from .bundled import Bundled, trained
from .cifar10 import CLASSES, FOLDER, cache_dir, load_cifar10, load_sample
from .inputs import prepare, subset, subtract_mean
from .photos import Photos, load_photos, with_moments

__all__ = [
    "CLASSES",
    "Batches",
    "Bundled",
    "DownloadError",
    "Photos",
    "augment",
    "cache_dir",
    "download_cifar10",
    "load",
    "load_cifar10",
    "load_photos",
    "load_sample",
    "prepare",
    "prepare_photos",
    "subset",
    "subtract_mean",
    "trained",
    "with_moments",
]


def load(name):
    """Return the data set of this name, as Photos.

    Parameters
    ----------
    name : str or path
        "sample", "cifar10", a directory that holds CIFAR-10, or one made by
        `python -m minicnn prepare`.

    Raises
    ------
    FileNotFoundError
        If there is no such data set, or a file is missing; the message says how to get it.
    ValueError
        If the data are damaged.
    """
    folder = Path(check_name("load", "name", name)).expanduser()
    if (folder / "photos.json").exists() or (folder / "begun.json").exists():
        return load_photos(folder)
    if name == "sample":
        return load_sample()
    if name == "cifar10":
        return load_cifar10()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no data set or directory called '{name}': give 'sample', 'cifar10', or a "
            f"directory that holds {FOLDER} or was made by `python -m minicnn prepare`"
        )
    try:
        return load_cifar10(folder)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{name} holds neither CIFAR-10 nor prepared photographs "
            f"(`python -m minicnn prepare {name} OUT` prepares them): {error}"
        ) from None


def __getattr__(name):
    """Import on first use what most runs never need: the download and the preparation."""
    if name in ("DownloadError", "download_cifar10"):
        from . import download

        return getattr(download, name)
    if name == "prepare_photos":
        from .make_photos import prepare_photos

        return prepare_photos
    raise AttributeError(f"module 'minicnn.data' has no attribute '{name}'")
