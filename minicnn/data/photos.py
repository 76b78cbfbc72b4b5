"""A data set: its images, labels and classes, mean image, and principal components of colour.

    photos = load_photos("runs/photos")
    photos.train_x[17]              one image, (3, 256, 256) uint8
    photos.train_x[[5, 99, 0]]      three of them, (3, 3, 256, 256)

`load_photos` opens a folder that make_photos.py has prepared, and reads images from disk only when
needed.  `with_moments` makes a data set of arrays in memory, such as CIFAR-10.  Both return Photos,
and their images are indexed in the same way.
"""

import json
import os
from collections import namedtuple
from errno import ENOENT
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..checks import is_class_name
from . import moments, shards

Photos = namedtuple("Photos", "train_x train_y test_x test_y classes mean eigenvalues eigenvectors")

FORMAT = "minicnn photos 1"
MAPPED = 128  # shards open at a time; some systems allow 256 open files per process


class Images:
    """Images in several files, indexed like one array (N, 3, H, W) of uint8.

    An integer selects one image; a slice, a list or array of integers, or a mask selects several,
    in that order.  The result is a copy in memory.  Several threads may index at the same time.

    Parameters
    ----------
    paths : list of path
        The shards, .npy files.
    counts : list of int
        The number of images in each.
    size : int
        Width and height of an image.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, paths, counts, size):
        self.paths, self.counts = paths, counts
        self.ends = np.cumsum(counts, dtype=np.int64)
        self.indices = np.arange(sum(counts))
        self.shape = (len(self.indices), 3, size, size)
        self.shard = lru_cache(MAPPED)(self.shard)  # keeps the most recent ones open

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, key):
        chosen = self.indices[key]  # NumPy handles every kind of key, and refuses wrong ones
        if chosen.ndim == 0:
            return self[[int(chosen)]][0]
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for image, index in zip(images, chosen, strict=True):
            number = np.searchsorted(self.ends, index, side="right")
            image[...] = self.shard(number)[index - self.ends[number]]  # counted from its end
        return images

    def shard(self, number):
        """Return one shard as a memory-mapped array."""
        return shards.read(self.paths[number], (self.counts[number], *self.shape[1:]))


def load_photos(folder):
    """Return the Photos in a folder that `python -m minicnn prepare` has made.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Photos
        train_x, test_x : Images, the training and the validation set
        train_y, test_y : (N,) int64, their labels
        classes : tuple of str
        mean : (3, H, W) float32, the mean image of the training set
        eigenvalues, eigenvectors : (3,) and (3, 3) float64, see moments.principal_components

    Raises
    ------
    FileNotFoundError
        The folder is not a prepared one, or its preparation was not finished.
    OSError, MemoryError
        A file cannot be read now.
    ValueError
        It is damaged, or from another version.
    """
    folder = Path(os.path.expanduser(folder))
    if not (folder / "photos.json").is_file():
        state = "is not a prepared folder"
        if (folder / "begun.json").is_file():
            state = "is not finished: run the same command again"
        command = f"python -m minicnn prepare PHOTOGRAPHS {folder}"
        raise FileNotFoundError(f"{folder} {state} ({command})")
    try:
        return read_folder(folder)
    except MemoryError as error:
        raise MemoryError(f"{folder}: {str(error) or 'there is not enough memory'}") from None
    except Exception as error:  # a damaged file can make NumPy raise anything
        if isinstance(error, OSError) and error.errno not in (None, ENOENT):  # the system's
            raise OSError(error.errno, error.strerror, error.filename or str(folder)) from error
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{folder} is damaged ({why}); prepare it again") from None


def read_folder(folder):
    """Return the Photos in a folder; a damaged one can raise any kind of exception."""
    facts = json.loads((folder / "photos.json").read_text(encoding="utf-8"))
    if facts["format"] != FORMAT:
        raise ValueError(f"photos.json is not in the format '{FORMAT}' that this version reads")
    classes = tuple(json.loads((folder / "classes.json").read_text(encoding="utf-8")))
    if not all(map(is_class_name, classes)):
        raise ValueError("classes.json should be a list of names")
    size = facts["options"]["size"]
    train_x, train_y = read_split(folder / "train", facts["shards"]["train"], size, len(classes))
    test_x, test_y = read_split(
        folder / "validation", facts["shards"]["validation"], size, len(classes)
    )
    mean = load_array(folder / "mean.npy", (3, size, size), np.float32)
    eigenvalues, eigenvectors = np.array(facts["eigenvalues"]), np.array(facts["eigenvectors"])
    if eigenvalues.shape != (3,) or eigenvectors.shape != (3, 3):
        raise ValueError("photos.json lacks three eigenvalues and eigenvectors")
    return Photos(train_x, train_y, test_x, test_y, classes, mean, eigenvalues, eigenvectors)


def read_split(folder, counts, size, classes):
    """Return the Images and labels of one split."""
    paths = [folder / f"images-{number:05}.npy" for number in range(len(counts))]
    for path, count in zip(paths, counts, strict=True):
        shards.read(path, (count, 3, size, size))  # raises if it is missing or damaged
    images = Images(paths, counts, size)
    labels = load_array(folder / "labels.npy", (len(images),), np.int64)
    if len(labels) and not (0 <= labels.min() and labels.max() < classes):
        raise ValueError(f"{folder / 'labels.npy'}: labels should be 0 … {classes - 1}")
    return images, labels


def load_array(path, shape, dtype):
    """Return the array in an .npy file, which must be of this shape and dtype."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)  # raises if the file is too short
    if not isinstance(array, np.memmap) or array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{path} should hold {np.dtype(dtype)} of shape {shape}")
    return np.array(array)


def with_moments(dataset):
    """Return arrays in memory as Photos, with mean image and principal components.

    Parameters
    ----------
    dataset : tuple
        train_x, train_y, test_x, test_y, classes; or Photos, whose moments are computed again.
    """
    train_x, *_ = dataset
    sums, count = moments.compute(train_x), len(train_x)
    mean = moments.mean_image(sums, count)
    return Photos(*dataset[:5], mean, *moments.principal_components(sums, count))
