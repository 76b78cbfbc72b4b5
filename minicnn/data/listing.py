"""The photographs in a folder, their classes, and the split into training and validation.

A folder has one sub-folder per class, or two folders, `train` and `val` (or `valid`, `validation`),
that have one sub-folder per class (ImageNet's layout); anything else next to these two is ignored.
Every entry of a class's folder is listed as a file of that class; decoding it later tells whether
it is a photograph.  Names that begin with a dot are ignored.

Classes are sorted by name, and files by class and name, so a folder gives the same listing on every
machine.  Names of classes are in Unicode's form NFC: macOS may store é as two characters, e and its
accent, and Linux as one.  A listing of a million files takes about 100 MB of memory.

    names      "cats/tom.jpg", relative to the folder
    labels     (N,) int64
    stamps     (N, 2) int64, size in bytes and time of the last change in nanoseconds, see `stamp`
    held_out   (N,) bool, the files for validation
"""

import os
import stat
import unicodedata
from collections import namedtuple
from errno import ELOOP, ENOENT

import numpy as np

from ..checks import is_class_name

Listing = namedtuple("Listing", "classes train validation strays files trainable divide")
Split = namedtuple("Split", "names labels stamps")

HELD_OUT = ("val", "valid", "validation")  # names of the folder for validation


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
        the classes' folders.  files: a Split of all files of train and validation.  trainable (N,)
        bool: those that need not be for validation.  divide: a function of unreadable (N,) bool
        that returns held_out (N,) bool; only the other files count as photographs.

    Raises
    ------
    OSError
        A folder or the size of a file cannot be read.
    ValueError
        There are fewer than two classes; a class has no files, or a name that is not text, or the
        name of another one; validation is not a share, or was given although the folder has its own
        `val`.
    """
    folder = os.fspath(folder)
    folders, _ = entries(folder)
    own = [name for name in HELD_OUT if "train" in folders and name in folders]
    if "train" in folders and not own:
        inner, files = entries(os.path.join(folder, "train"))
        if inner and not files:
            raise ValueError(
                f"{folder} has train, but no folder of photographs for validation, called "
                f"{', '.join(HELD_OUT)}; name {os.path.join(folder, 'train')} to take some of these"
            )
    if len(own) > 1:
        raise ValueError(f"{folder} has both {own[0]} and {own[1]}: remove or rename one of them")
    if own:
        if validation is not None or seed is not None:
            raise ValueError(
                f"{folder} has a {own[0]} folder of its own: leave out --validation and --seed"
            )
        classes, files, strays, fixed = files_of_both(folder, own[0])
        trainable = ~fixed

        def choose(unreadable):
            return fixed
    else:
        share = 0.1 if validation is None else validation
        if not 0 <= share < 1:
            raise ValueError(
                f"validation is {share}; expected a share of the photographs, 0 ≤ v < 1"
            )
        classes, files, strays = files_of_classes(folder)
        trainable = np.ones(len(files.names), bool)

        def choose(unreadable):
            return divide(files.labels, share, seed or 0, unreadable)

    held_out = choose(np.zeros(len(files.names), bool))
    train, validation = (select(files, np.flatnonzero(mask)) for mask in (~held_out, held_out))
    return Listing(classes, train, validation, strays, files, trainable, choose)


def select(split, indices):
    """Return the Split of the files with these indices."""
    return Split([split.names[i] for i in indices], split.labels[indices], split.stamps[indices])


def files_of_both(folder, held_out):
    """Return classes, files, strays and held_out of a folder that has `train` and `held_out`."""
    classes, train, strays = files_of_classes(folder, "train")
    other_classes, other, other_strays = files_of_classes(folder, held_out, need_all=False)
    for name in other_classes:
        if name not in classes:
            advice = ""
            if f"{held_out}/val_annotations.txt" in other_strays:
                advice = (
                    "; this is Tiny ImageNet's layout: move train/CLASS/images/* to train/CLASS, "
                    "and each photograph of val/images to val/CLASS, where val_annotations.txt "
                    "names its class"
                )
            raise ValueError(
                f"{folder}: {held_out} has a class '{name}' that train does not have{advice}"
            )
    number = np.array([classes.index(name) for name in other_classes])
    files = Split(
        train.names + other.names,
        np.concatenate([train.labels, number[other.labels]]),
        np.concatenate([train.stamps, other.stamps]),
    )
    mask = np.arange(len(files.names)) >= len(train.names)
    return classes, files, strays + other_strays, mask


def files_of_classes(folder, part="", need_all=True):
    """Return the classes, a Split of all their files, and the strays.

    `part` is the folder to search: "train", "val", or "" for the folder itself.  With need_all,
    there must be at least two classes, and files of each.
    """
    parent = os.path.join(folder, part) if part else folder
    prefix = f"{part}/" if part else ""
    folders, strays = entries(parent)
    if need_all and len(folders) < 2:
        number = f"one sub-folder, {folders[0]!r}" if folders else "no sub-folders"
        raise ValueError(
            f"{parent} has {number} (other files: {len(strays)}); "
            "expected a sub-folder of photographs for each of two classes or more"
        )
    folder_of = {}
    for name in folders:
        if not is_class_name(name):
            raise ValueError(
                f"{parent}: the sub-folder {ascii(name)} has a name that is not text, or has a "
                "control character or line separator; rename it"
            )
        other = folder_of.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            raise ValueError(
                f"{parent}: the sub-folders {ascii(other)} and {ascii(name)} are the same name in "
                "two forms of Unicode, NFC and NFD; rename one, or move its files into the other"
            )
    classes, names, stamps, counts = sorted(folder_of), [], [], []
    for name in classes:
        place = os.path.join(parent, folder_of[name])
        inner, files = entries(place)
        if need_all and not files:
            advice = ""
            if inner:
                advice = (
                    f"; the {len(inner)} folders in it are not searched: move their files up, or "
                    f"name {place} if they are the classes (train and val may be side by side)"
                )
            raise ValueError(f"class '{name}' has no photographs: {place} holds no files{advice}")
        contents = sorted(inner + files)  # the folders too, so that they are reported
        names += [f"{prefix}{folder_of[name]}/{entry}" for entry in contents]
        of_class = [stamp(os.path.join(place, entry)) for entry in contents]
        stamps.append(np.array(of_class, np.int64).reshape(-1, 2))
        counts.append(len(contents))
    if not names:
        raise ValueError(
            f"{parent} has no sub-folders with photographs (other files: {len(strays)}); expected "
            "a sub-folder for each class"
        )
    labels = np.repeat(np.arange(len(classes)), counts)
    split = Split(names, labels, np.concatenate(stamps))
    return classes, split, [prefix + name for name in strays]


def divide(labels, share, seed, unreadable):
    """Return held_out (N,) bool, chosen class by class among the files that are not unreadable.

    An unreadable file goes where it would go if all were readable, so that few others move.
    """
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    borders = np.flatnonzero(np.diff(labels)) + 1  # where the next class begins
    for indices in np.split(np.arange(len(chosen)), borders):
        order = rng.permutation(indices)
        readable = order[~unreadable[order]]
        chosen[order[: count_held_out(len(order), share)]] = True
        chosen[readable] = False
        chosen[readable[: count_held_out(len(readable), share)]] = True
    return chosen


def count_held_out(count, share):
    """Return how many of a class's photographs are for validation; at least one is not."""
    return max(0, min(round(share * count) or int(share > 0), count - 1))


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
    except OSError:  # such as circular links: `stamp` will notice
        return False


def stamp(path):
    """Return what tells later whether a file was replaced: its size and time.

    Anything but a file has (0, 0), and a link that leads nowhere has the error's negative number.

    Raises OSError if the file is missing, or the system does not allow to look at it.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        if error.errno in (ENOENT, ELOOP) and os.path.islink(path):
            return -error.errno, 0
        raise OSError(error.errno, f"cannot be read now ({error.strerror})", path) from error
    if not stat.S_ISREG(status.st_mode):
        return 0, 0
    return status.st_size, status.st_mtime_ns % 2**63
