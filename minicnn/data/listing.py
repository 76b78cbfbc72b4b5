"""Which photographs a folder holds, of which classes, and which of them are for validation.

A folder has one sub-folder a class, or `train` and `val` with one sub-folder a class each
(ImageNet's layout); what else lies beside these two is not read.  Everything directly in a class's
folder counts as a photograph of that class; what turns out to be none is refused when it is read.
Names that begin with a dot are left out.

Classes are in the order of their names, photographs in that of class and name, so the same folder
gives the same listing on every machine.  For a million files a listing takes about 100 MB.
"""

import os
from collections import namedtuple

import numpy as np

Listing = namedtuple("Listing", "classes train validation strays")
Split = namedtuple("Split", "names labels")  # "cats/tom.jpg", relative to the folder; (N,) int64


def list_photos(folder, validation=None, seed=None):
    """Return the Listing of a folder of photographs.

    Parameters
    ----------
    folder : path
    validation : float, optional
        The share of each class that is for validation, unless the folder has its own `val`:
        0.1 if nothing is given.  Each class has at least one to train with, and, if it has two,
        one for validation.
    seed : int, optional
        Of the random choice of these; 0 if nothing is given.

    Returns
    -------
    Listing
        classes, their names; train and validation, a Split each; strays, the names of files that
        are in no class's folder.

    Raises
    ------
    OSError
        A folder cannot be read.
    ValueError
        There are no classes, or there is only one; a class has no photographs; validation is not a
        share, or was given although the folder has its own.
    """
    folder = os.fspath(folder)
    folders, strays = entries(folder)
    if {"train", "val"} <= set(folders):
        if validation is not None or seed is not None:
            raise ValueError(
                f"{folder} has a val folder of its own: leave out --validation and --seed"
            )
        classes, train, strays = photos_of_classes(folder, "train")
        theirs, val, more = photos_of_classes(folder, "val", need_all=False)
        for name in theirs:
            if name not in classes:
                raise ValueError(f"{folder}: val has a class '{name}' that train does not have")
        number = np.array([classes.index(name) for name in theirs])
        return Listing(classes, train, Split(val.names, number[val.labels]), strays + more)
    share = 0.1 if validation is None else validation
    if not 0 <= share < 1:
        raise ValueError(f"validation is {share}; expected a share of the photographs, 0 ≤ v < 1")
    classes, photos, strays = photos_of_classes(folder)
    return Listing(classes, *divide(photos, share, seed or 0), strays)


def photos_of_classes(folder, part="", need_all=True):
    """Return classes, a Split of all their photographs, and strays.

    They are looked for in `part` of the folder: "train", "val", or "" for the folder itself.  With
    need_all there must be two classes at least, and photographs of each.
    """
    where = os.path.join(folder, part) if part else folder
    prefix = f"{part}/" if part else ""
    classes, strays = entries(where)
    if need_all and len(classes) < 2:
        found = f"one sub-folder, '{classes[0]}'" if classes else "no sub-folders"
        raise ValueError(
            f"{where} has {found} (other files: {len(strays)}); "
            "expected a sub-folder of photographs for each of two classes or more"
        )
    names, counts = [], []
    for name in classes:
        if not is_text(name):
            raise ValueError(f"{where}: the sub-folder {ascii(name)} has a name that is not text")
        folders, files = entries(os.path.join(where, name))
        if need_all and not files:
            raise ValueError(
                f"class '{name}' has no photographs: {os.path.join(where, name)} holds no files"
                + (f", but {len(folders)} folders, which are not searched" if folders else "")
            )
        inside = sorted(folders + files)  # the folders too, so that they are reported
        names += [f"{prefix}{name}/{file}" for file in inside]
        counts.append(len(inside))
    if not names:
        raise ValueError(f"{where} has no sub-folders with photographs")
    split = Split(names, np.repeat(np.arange(len(classes)), counts))
    return classes, split, [prefix + name for name in strays]


def divide(photos, share, seed):
    """Return two Splits, for training and for validation, chosen class by class."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(photos.names), bool)
    borders = np.flatnonzero(np.diff(photos.labels)) + 1  # where the next class begins
    for places in np.split(np.arange(len(chosen)), borders):
        count = round(share * len(places)) or int(share > 0)
        count = min(count, len(places) - 1)
        chosen[rng.permutation(places)[:count]] = True
    return tuple(
        Split([photos.names[i] for i in np.flatnonzero(which)], photos.labels[which])
        for which in (~chosen, chosen)
    )


def entries(folder):
    """Return the names of the folders in a folder, and of all else, in order."""
    folders, others = [], []
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if not entry.name.startswith("."):
                    (folders if is_folder(entry) else others).append(entry.name)
    except OSError as error:
        raise OSError(f"cannot read the folder {folder}: {error.strerror}") from error
    return sorted(folders), sorted(others)


def is_folder(entry):
    """Return whether this is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # links in a circle, say: then whoever reads it will be told
        return False


def is_text(name):
    """Return whether a name is Unicode; on Linux it may be any bytes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
