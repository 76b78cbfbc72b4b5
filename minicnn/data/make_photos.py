"""Prepare a folder of photographs: 256×256 images, their mean image and principal components.

    python -m minicnn prepare FOLDER OUT

`listing` finds the photographs in FOLDER, `decode` makes each a square, workers write them in
`shards`, and `moments` turns the sums of all shards into the mean image and the principal
components.  OUT is then a folder that `photos.load_photos` reads:

    photos.json                    size, shards, eigenvalues, eigenvectors, options
    classes.json                   the names of the classes
    mean.npy                       the mean image of the training set, (3, size, size) float32
    train/images-00000.npy, …      (n, 3, size, size) uint8, see below
    train/labels.npy               (N,) int64
    train/names.jsonl              the photographs' names, one JSON string per line
    validation/…                   the same three files for the validation set
    skipped.jsonl                  files that were left out: name and reason
    stamps.npy                     sizes and times of all files of FOLDER, (files, 2) int64

Colours come before rows and columns, (n, 3, size, size): networks expect this order, CIFAR-10 is
stored in it, and a row of a crop is then contiguous in memory.

Until the work is finished, OUT has begun.json, with the options, instead of photos.json.  Running
the same command again resumes it: finished shards stay, unless the size or time of one of their
files has changed.  The files do not depend on the number of workers.

The split counts photographs, but only decoding tells which files are photographs.  So every file
counts at first.  When some turn out to be none, the split changes, and so do a few shards, which
are made again.
"""

import json
import math
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .. import storage
from ..console import bar, progress_bar
from ..machine import cores
from . import moments, shards
from .decode import MAX_PIXELS, Unreadable
from .earlier_run import clean, fingerprint, is_finished, pillow_version
from .listing import list_photos
from .photos import FORMAT
from .workers import make_all

LARGEST, SMALLEST = 4096, 36  # files in a slice: 800 MB and 7 MB if they are 256×256
PARTS = ("train", "validation")
STRAY = "not in a class folder"


def prepare_photos(
    folder,
    out,
    size=256,
    validation=None,
    seed=None,
    workers=None,
    strict=False,
    progress=True,
    *,
    max_pixels=None,
    share=(1, 1),
):
    """Turn a folder of photographs into a data set, and return the contents of photos.json.

    A program must call this under `if __name__ == "__main__":`, because each worker process imports
    the program again.

    Parameters
    ----------
    folder, out : path
        The source and the destination; `out` is created if necessary.
    size : int
        Width and height of the images.
    validation, seed : float and int, optional
        The share of images set aside for validation (by default 0.1), and the seed that chooses
        them (0).  A folder with its own `val` takes neither.
    workers : int, optional
        Number of decoding processes; one per processor by default.
    strict : bool
        Stop at a file that is not a photograph, instead of listing it in skipped.jsonl.
    progress : bool
        Show a progress bar.
    max_pixels : int, optional
        A photograph of more pixels is skipped; by default as in decode.
    share : (int, int)
        (k, n): make every n-th shard, beginning with the k-th, and return None; in a folder of its
        own, or one that all shares write to.  A call without a share, on a folder with the files
        of all, makes what is missing and finishes it: the same bytes as one call alone.

    Raises
    ------
    OSError, MemoryError
        A file or folder cannot be read or written now, another run is writing to `out`, or the disk
        is full.  The same command then resumes.
    ValueError
        The folder does not have the expected layout, or a class has no photograph; `out` is not
        empty and was not begun with the same options; with `strict`, a file is not a photograph.
    """
    folder, out = (Path(os.path.expanduser(path)) for path in (folder, out))
    listing = list_photos(folder, validation, seed)
    source, target = (Path(os.path.realpath(path)) for path in (folder, out))
    if source in (target, *target.parents):
        raise ValueError(
            f"{out} is inside {folder}, whose sub-folders are classes; name another folder"
        )
    if strict and listing.strays:
        raise ValueError(shards.refusal(listing.strays[0], STRAY))
    decoding = {"size": size, "max_pixels": max_pixels or MAX_PIXELS}
    options = {**decoding, "pillow": pillow_version(), "files": fingerprint(listing)}
    n, total = share[1], len(listing.files.names)
    storage.make_folder(out)
    with disk_of(out), storage.only_writer(out, "prepare", shared=n > 1):
        if not is_finished(out, options, listing.files, progress, shared=n > 1):
            if not (out / "begun.json").is_file():
                try_classes(folder, out, listing, decoding, strict, progress)
                write_json(out / "begun.json", {"format": FORMAT, "options": options})
            (out / "photos.json").unlink(missing_ok=True)
            while todo := shards_to_make(out, listing, size, share):
                check_space(out, todo, size)
                look = {"initial": total - count_files(todo), "disable": not progress}
                files_bar = progress_bar(total, out.name, unit_scale=False, **look)
                try:
                    make_all(todo, folder, decoding, workers or cores(), strict, files_bar)
                finally:  # whatever ends it, the reasons are on disk
                    write_skipped(out, listing, shards.skipped_files(out, listing.files.stamps))
            if n > 1:
                return None
            finish(out, listing, options, strict)
        if n == 1:
            clean(out, "begun.json", "*/*.npz", "*.part", "*/*.part")
    return json.loads((out / "photos.json").read_text(encoding="utf-8"))


@contextmanager
def disk_of(out):
    """Turn the error of a full disk into one with a clear message."""
    try:
        yield
    except OSError as error:
        full = storage.full_disk(error, out)
        if not full:
            raise
        raise OSError(full) from error


def try_classes(folder, out, listing, decoding, strict, progress):
    """Decode one photograph of each class, before hours of work.

    Raises ValueError if a class has none to train with.
    """
    files, reasons, missing = listing.files, {}, []
    places = np.flatnonzero(listing.trainable)
    borders = np.flatnonzero(np.diff(files.labels[places])) + 1  # where the next class begins
    title = "one photograph of each class" if progress else None
    with bar(len(listing.classes), title, " classes") as counter:
        for label, group in enumerate(np.split(places, borders)):
            for place in group:
                name = files.names[place]
                try:
                    shards.photograph(folder, name, files.stamps[place], decoding)
                    break
                except Unreadable as error:
                    if strict:
                        raise ValueError(shards.refusal(name, error)) from None
                    reasons[place] = str(error)
            else:
                missing.append(label)
            counter.update()
    if missing:
        write_skipped(out, listing, reasons)
        raise ValueError(missing_classes(out, listing, reasons, missing))


def missing_classes(out, listing, reasons, missing):
    """Return the message for classes, given by label, that have no photograph to train with."""
    files, label = listing.files, missing[0]
    place = min(p for p in reasons if files.labels[p] == label)
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return (
        f"class '{listing.classes[label]}'{others} has no readable training photograph "
        f"({files.names[place]}: {reasons[place]}): repair, convert or remove its files, and run "
        f"the same command again; {out / 'skipped.jsonl'} lists them all"
    )


def shards_to_make(out, listing, size, share=(1, 1)):
    """Return the Shards that are not finished, given what the finished ones could not read.

    A share plans as if every file could be read, so that all shares have the same plan.
    """
    k, n = share
    skipped = shards.skipped_files(out, listing.files.stamps) if n == 1 else ()
    planned = plan(out, listing, skipped)
    every = [shard for part in PARTS for shard in planned[part]]
    return [shard for shard in every[k - 1 :: n] if not shards.is_made(shard, size)]


def plan(out, listing, skipped):
    """Return {"train": [Shard, …], "validation": […]}, from about 64 slices of the listing.

    Each slice becomes a shard of either part, so a change of the split concerns few shards.  A
    slice is large enough that there are not thousands of shards, and small enough that there is
    work for many workers and little is lost if one is interrupted.

    Parameters
    ----------
    out : path
    listing : Listing
    skipped : collection of int
        The places of the files that could not be read.
    """
    files, count = listing.files, len(listing.files.names)
    unreadable = np.zeros(count, bool)
    unreadable[list(skipped)] = True
    held_out = listing.divide(unreadable)
    step = min(max(math.ceil(count / 64), SMALLEST), LARGEST)
    planned = {part: [] for part in PARTS}
    for first in range(0, count, step):
        places = np.arange(first, min(first + step, count))
        of_part = {"train": places[~held_out[places]], "validation": places[held_out[places]]}
        for part, chosen in of_part.items():
            if len(chosen):
                path = out / part / f"images-{len(planned[part]):05}"
                names = [files.names[place] for place in chosen]
                planned[part].append(shards.Shard(path, chosen, names, files.stamps[chosen]))
    return planned


def count_files(planned):
    """Return the number of files in a list of Shards."""
    return sum(len(shard.names) for shard in planned)


def check_space(out, todo, size):
    """Raise OSError if the disk has too little space for these shards."""
    free = shutil.disk_usage(out).free
    paths = [Path(f"{shard.path}.npy") for shard in todo]
    replaced = sum(path.stat().st_size for path in paths if path.exists())
    required = count_files(todo) * 3 * size * size - replaced
    if required > free:
        raise OSError(
            f"{out} needs {amount(required)}, which is {amount(required - free)} more than its "
            "disk has left: free some space, or choose another disk or a smaller --size"
        )


def amount(count):
    """Return a number of bytes as text: "2.5 GB"."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return f"{count} bytes"


def finish(out, listing, options, strict):
    """Write everything but the shards; photos.json comes last."""
    files, size = listing.files, options["size"]
    reasons = shards.skipped_files(out, files.stamps)
    skipped = write_skipped(out, listing, reasons)
    if strict and skipped:  # skipped by an earlier run without --strict
        raise ValueError(shards.refusal(*skipped[0]))
    planned, sums = plan(out, listing, reasons), moments.zeros(size, size)
    train_y, train_counts = merge(out / "train", planned["train"], files, sums)
    _, validation_counts = merge(out / "validation", planned["validation"], files)
    missing = np.flatnonzero(np.bincount(train_y, minlength=len(listing.classes)) == 0)
    if len(missing):
        raise ValueError(missing_classes(out, listing, reasons, missing))
    for path in out.glob("*/images-*.npy"):  # from before the split was known
        if path.with_suffix("") not in {shard.path for part in PARTS for shard in planned[part]}:
            path.unlink(missing_ok=True)
    eigenvalues, eigenvectors = moments.principal_components(sums, len(train_y))
    mean = moments.mean_image(sums, len(train_y))
    storage.write_whole(out / "mean.npy", lambda file: np.save(file, mean))
    storage.write_whole(out / "stamps.npy", lambda file: np.save(file, files.stamps))
    write_json(out / "classes.json", listing.classes)
    write_json(
        out / "photos.json",
        {
            "format": FORMAT,
            "options": options,
            "shards": {"train": train_counts, "validation": validation_counts},
            "skipped": len(skipped),
            "eigenvalues": eigenvalues.tolist(),
            "eigenvectors": eigenvectors.tolist(),
        },
    )


def write_skipped(out, listing, reasons):
    """Write skipped.jsonl and return its [name, reason] pairs; `reasons` has them by place."""
    skipped = [[name, STRAY] for name in listing.strays]
    skipped += [[listing.files.names[place], reasons[place]] for place in sorted(reasons)]
    lines = [{"file": name, "why": why} for name, why in skipped]
    storage.write_lines(out / "skipped.jsonl", lines)
    return skipped


def merge(folder, planned, files, sums=None):
    """Write labels.npy and names.jsonl of one part; return its labels, and the images per shard.

    Add the shards' moments to `sums`, if given.
    """
    labels, counts = [np.empty(0, np.int64)], []

    def write(file):
        for shard in planned:
            arrays, _ = storage.load(f"{shard.path}.npz")
            included = arrays["included"]
            labels.append(files.labels[included])
            counts.append(len(included))
            names = (json.dumps(files.names[place]) + "\n" for place in included)
            file.write("".join(names).encode())
            if sums:
                sums.image[...] += arrays["image"]
                sums.products[...] += arrays["products"]

    storage.write_whole(folder / "names.jsonl", write)
    all_labels = np.concatenate(labels)
    storage.write_whole(folder / "labels.npy", lambda file: np.save(file, all_labels))
    return all_labels, counts


def write_json(path, facts):
    """Write a JSON file atomically."""
    storage.write_text(path, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
