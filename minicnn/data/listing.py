"""The photographs in a folder, their classes, and the split into training and validation.

A folder has one sub-folder per class, or two folders, `train` and `val`, that have one sub-folder
per class (ImageNet's layout); anything else next to these two is ignored.  Every entry of a class's
folder counts as a photograph of that class; decoding it later skips what is not one.  Names that
begin with a dot are ignored.

Classes are sorted by name, and photographs by class and name, so a folder gives the same listing on
every machine.  A listing of a million files takes about 100 MB of memory.
"""

import os
from collections import namedtuple

import numpy as np

from ..checks import is_class_name

Listing = namedtuple("Listing", "classes train validation strays")
Split = namedtuple("Split", "names labels")  # "cats/tom.jpg", relative to the folder; (N,) int64


def list_photos(folder, validation=None, seed=None):
    """Return the Listing of a folder of photographs.

    Parameters
    ----------
    folder : path
    validation : float, optional
        The share of each class to set apart for validation, 0.1 by default; not allowed if the
        folder has its own `val`.  Each class keeps at least one photograph for training, and a
        class of two or more has one for validation unless the share is 0.
    seed : int, optional
        Seed of the random choice, 0 by default.

    Returns
    -------
    Listing
        classes: their names.  train, validation: a Split each.  strays: the names of files outside
        the classes' folders.

    Raises
    ------
    OSError
        A folder cannot be read.
    ValueError
        There are fewer than two classes; a class has no photographs; validation is not a share, or
        was given although the folder has its own `val`.
    """
    folder = os.fspath(folder)
    folders, strays = entries(folder)
    if {"train", "val"} <= set(folders):
        if validation is not None or seed is not None:
            raise ValueError(
                f"{folder} has a val folder of its own: leave out --validation and --seed"
            )
        classes, train, strays = photos_of_classes(folder, "train")
        val_classes, val, val_strays = photos_of_classes(folder, "val", need_all=False)
        for name in val_classes:
            if name not in classes:
                raise ValueError(f"{folder}: val has a class '{name}' that train does not have")
        number = np.array([classes.index(name) for name in val_classes])
        return Listing(classes, train, Split(val.names, number[val.labels]), strays + val_strays)
    share = 0.1 if validation is None else validation
    if not 0 <= share < 1:
        raise ValueError(f"validation is {share}; expected a share of the photographs, 0 ≤ v < 1")
    classes, photos, strays = photos_of_classes(folder)
    return Listing(classes, *divide(photos, share, seed or 0), strays)


def photos_of_classes(folder, part="", need_all=True):
    """Return the classes, a Split of all their photographs, and the strays.

    `part` is the folder to search: "train", "val", or "" for the folder itself.  With need_all,
    there must be at least two classes, and photographs of each.
    """
    parent = os.path.join(folder, part) if part else folder
    prefix = f"{part}/" if part else ""
    classes, strays = entries(parent)
    if need_all and len(classes) < 2:
        number = f"one sub-folder, '{classes[0]}'" if classes else "no sub-folders"
        raise ValueError(
            f"{parent} has {number} (other files: {len(strays)}); "
            "expected a sub-folder of photographs for each of two classes or more"
        )
    names, counts = [], []
    for name in classes:
        if not is_class_name(name):
            raise ValueError(
                f"{parent}: the sub-folder {ascii(name)} has a name that is not text, or has a "
                "control character or line separator; rename it"
            )
        folders, files = entries(os.path.join(parent, name))
        if need_all and not files:
            raise ValueError(
                f"class '{name}' has no photographs: {os.path.join(parent, name)} holds no files"
                + (f"; the {len(folders)} folders in it are not searched" if folders else "")
            )
        contents = sorted(folders + files)  # the folders too, so that they are reported
        names += [f"{prefix}{name}/{entry}" for entry in contents]
        counts.append(len(contents))
    if not names:
        raise ValueError(f"{parent} has no sub-folders with photographs")
    split = Split(names, np.repeat(np.arange(len(classes)), counts))
    return classes, split, [prefix + name for name in strays]


def divide(photos, share, seed):
    """Return two Splits, for training and for validation, chosen class by class."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(photos.names), bool)
    borders = np.flatnonzero(np.diff(photos.labels)) + 1  # where the next class begins
    for indices in np.split(np.arange(len(chosen)), borders):
        count = round(share * len(indices)) or int(share > 0)
        count = min(count, len(indices) - 1)
        chosen[rng.permutation(indices)[:count]] = True
    return tuple(
        Split([photos.names[i] for i in np.flatnonzero(mask)], photos.labels[mask])
        for mask in (~chosen, chosen)
    )


def entries(folder):
    """Return the names of the folders in a folder, and those of all other entries, sorted."""
    folders, others = [], []
    try:
        with os.scandir(folder) as scan:
            for entry in scan:
                if not entry.name.startswith("."):
                    (folders if is_folder(entry) else others).append(entry.name)
    except OSError as error:
        raise OSError(f"cannot read the folder {folder}: {error.strerror}") from error
    return sorted(folders), sorted(others)


def is_folder(entry):
    """Return whether this is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # such as circular links: decoding it will report the error
        return False
