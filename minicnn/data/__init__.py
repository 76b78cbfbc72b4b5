"""Pictures to train with: CIFAR-10, the bundled sample of it, or your own photographs.

    from minicnn import data

    dataset = data.load("sample")                                    # or "cifar10", or a directory
    train_x, train_y, test_x, test_y, mean = data.prepare(dataset)   # float32, minus the mean image

CIFAR-10 has 60,000 small colour pictures of ten kinds of things: `cifar10.py` reads them,
`inputs.py` turns them into a network's inputs, `download.py` and `unpack.py` get the full set, and
`make_sample.py` is how the bundled sample was made.

    data.prepare_photos("photographs", "runs/photos")                # as python -m minicnn prepare
    photos = data.load_photos("runs/photos")

Photographs are prepared once, in `make_photos.py`: `listing.py` finds them, `decode.py` makes
each a square, `shards.py` writes them, `moments.py` has their mean and principal components.
`photos.py` reads the result.

`augment.py` makes more of either, with crops, flips and colours, and `batches.py` makes the batches
while the network trains.
"""

from . import augment
from .batches import Batches
from .cifar10 import CLASSES, Dataset, cache_dir, load, load_cifar10, load_sample
from .inputs import prepare, subset, subtract_mean
from .photos import Photos, load_photos, open_photos, with_moments

__all__ = [
    "CLASSES",
    "Batches",
    "Dataset",
    "DownloadError",
    "Photos",
    "augment",
    "cache_dir",
    "download_cifar10",
    "load",
    "load_cifar10",
    "load_photos",
    "load_sample",
    "open_photos",
    "prepare",
    "prepare_photos",
    "subset",
    "subtract_mean",
    "with_moments",
]


def __getattr__(name):
    """Import what most runs never need only when it is named: the network, processes."""
    if name in ("DownloadError", "download_cifar10"):
        from . import download

        return getattr(download, name)
    if name == "prepare_photos":
        from .make_photos import prepare_photos

        return prepare_photos
    raise AttributeError(f"module 'minicnn.data' has no attribute '{name}'")
