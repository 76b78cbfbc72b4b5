"""CIFAR-10: 60,000 small colour pictures of ten kinds of things, and the bundled sample of 6,000.

    from minicnn import data

    dataset = data.load("sample")                                    # or "cifar10", or a directory
    train_x, train_y, test_x, test_y, mean = data.prepare(dataset)   # float32, minus the mean image

`cifar10.py` reads the pictures, `inputs.py` turns them into a network's inputs, `download.py` and
`unpack.py` get the full set, and `make_sample.py` is how the bundled sample was made.
"""

from .cifar10 import CLASSES, Dataset, cache_dir, load, load_cifar10, load_sample
from .inputs import prepare, subset, subtract_mean

__all__ = [
    "CLASSES",
    "Dataset",
    "DownloadError",
    "cache_dir",
    "download_cifar10",
    "load",
    "load_cifar10",
    "load_sample",
    "prepare",
    "subset",
    "subtract_mean",
]


def __getattr__(name):
    """Import the downloader only when it is named: most runs never touch the network."""
    if name in ("DownloadError", "download_cifar10"):
        from . import download

        return getattr(download, name)
    raise AttributeError(f"module 'minicnn.data' has no attribute '{name}'")
