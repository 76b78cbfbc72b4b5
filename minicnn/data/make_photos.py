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

Colours come before rows and columns, (n, 3, size, size): networks expect this order, CIFAR-10 is
stored in it, and a row of a crop is then contiguous in memory.

Until the work is finished, OUT has begun.json, with the options, instead of photos.json.  Running
the same command again resumes it: finished shards stay.  The files do not depend on the number of
workers.
"""

import hashlib
import itertools
import json
import math
import multiprocessing
import os
import shutil
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .. import storage
from ..console import interrupts, progress_bar
from ..machine import cores
from . import moments, shards
from .listing import list_photos
from .photos import FORMAT

LARGEST, SMALLEST = 4096, 32  # images in a shard: 800 MB and 6 MB if they are 256×256
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
        Stop at a file that cannot be read, instead of listing it in skipped.jsonl.
    progress : bool
        Show a progress bar.

    Raises
    ------
    OSError
        A folder cannot be read or written, or the disk is full.
    ValueError
        The folder does not have the expected layout, or `out` is not empty and was not begun with
        the same options; with `strict`, a file cannot be read.
    """
    folder, out = Path(folder).expanduser(), Path(out).expanduser()
    listing = list_photos(folder, validation, seed)
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise ValueError(
            f"{out} is inside {folder}, whose sub-folders are classes; name another folder"
        )
    if strict and listing.strays:
        raise ValueError(shards.refusal(listing.strays[0], STRAY))
    options = {"size": size, "pillow": pillow_version(), "files": fingerprint(listing)}
    with disk_of(out):
        if begin(out, options):
            parts = {part: plan(out / part, getattr(listing, part)) for part in PARTS}
            planned = [*parts["train"], *parts["validation"]]
            todo = [shard for shard in planned if not shards.is_made(shard, size)]
            check_space(out, count_images(todo) * 3 * size * size)
            total = count_images(planned)
            look = {"initial": total - count_images(todo), "disable": not progress}
            bar = progress_bar(total, out.name, unit_scale=False, **look)
            make_all(todo, folder, size, workers or cores(), strict, bar)
            finish(out, listing, parts, options, strict)
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


def fingerprint(listing):
    """Return a SHA-256 of the names and labels of all files, to detect changes."""
    digest = hashlib.sha256()
    for names, labels in (listing.train, listing.validation):
        for name in names:
            digest.update(os.fsencode(name) + b"\0")
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def pillow_version():
    """Return Pillow's version: another version may decode to different pixels."""
    import PIL

    return PIL.__version__


def begin(out, options):
    """Prepare `out` and return True; return False if it is already finished.

    Raises ValueError if it holds anything else.
    """
    storage.make_folder(out)
    for name in ("photos.json", "begun.json"):
        if (out / name).is_file():
            check_options(out, out / name, options)
            clean(out, "*.part", "*/*.part")  # left by a run that was killed
            return name == "begun.json"
    if any(out.iterdir()):
        raise ValueError(f"{out} holds other files: name an empty folder, or a new one")
    write_json(out / "begun.json", {"format": FORMAT, "options": options})
    return True


def check_options(out, path, options):
    """Raise ValueError if `out` was begun with different options."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        earlier = facts["options"] if facts["format"] == FORMAT else {}
        different = [name for name in options if earlier[name] != options[name]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path} is damaged, or from another version: remove {out}, or name another folder"
        ) from None
    if not different:
        return
    name = different[0]
    difference = f"{name} = {earlier[name]}, not {options[name]}"
    if name == "files":
        difference = "other files, or another --validation or --seed"
    raise ValueError(f"{out} was begun with {difference}: remove it, or name another folder")


def plan(folder, split):
    """Return the Shards of a split, about 64, so that there is work for many workers.

    A shard is large enough that there are not thousands of files, and small enough that little is
    lost if it is interrupted.
    """
    count = len(split.names)
    step = min(max(math.ceil(count / 64), SMALLEST), LARGEST)
    return [
        shards.Shard(
            folder / f"images-{number:05}",
            split.names[first : first + step],
            split.labels[first : first + step],
        )
        for number, first in enumerate(range(0, count, step))
    ]


def count_images(planned):
    """Return the number of photographs in a list of Shards."""
    return sum(len(shard.names) for shard in planned)


def make_all(todo, folder, size, workers, strict, bar):
    """Make these shards, several at a time, and advance the bar."""
    spawn = multiprocessing.get_context("spawn")  # the same on every system
    done, stop = spawn.Value("q", 0), spawn.Event()
    workers = max(1, min(workers, len(todo)))
    if workers > 1:
        pool = ProcessPoolExecutor(workers, spawn, shards.begin_worker, (done, stop))
    else:  # a thread is enough
        pool = ThreadPoolExecutor(1, "prepare", shards.begin_worker, (done, stop))
    at_start, waiting, rest = bar.n, set(), iter(todo)
    # patient, because a KeyboardInterrupt while the processes are shutting down could leave them
    # waiting for one another
    with bar, interrupts(patient=True) as interrupted, pool:
        try:
            while True:
                for shard in itertools.islice(rest, 2 * workers - len(waiting)):
                    waiting.add(pool.submit(shards.make, shard, folder, size, strict))
                if not waiting:
                    break
                finished, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()  # raises the worker's exception, if any
                bar.update(at_start + done.value - bar.n)
                if interrupted():
                    raise KeyboardInterrupt
        except BrokenProcessPool:
            if interrupted():  # SIGTERM to all of them
                raise KeyboardInterrupt from None
            raise OSError(
                "a worker died, perhaps for lack of memory: run the same command again to resume, "
                "with fewer --workers if necessary"
            ) from None
        finally:
            stop.set()  # after an error or Ctrl-C no worker needs to finish its shard


def check_space(out, required):
    """Raise OSError if the disk has fewer than `required` bytes free."""
    free = shutil.disk_usage(out).free
    if required > free:
        raise OSError(
            f"{out} needs {required / 1e9:,.1f} GB more, but its disk has {free / 1e9:,.1f} GB "
            "left: free some space, or choose another disk or a smaller --size"
        )


def finish(out, listing, parts, options, strict):
    """Write everything but the shards; photos.json comes last."""
    sums = moments.zeros(options["size"], options["size"])
    skipped = [[name, STRAY] for name in listing.strays]
    train_y, train_counts = merge(out / "train", parts["train"], skipped, sums)
    _, validation_counts = merge(out / "validation", parts["validation"], skipped)
    check_classes(out, listing.classes, train_y)
    if strict and skipped:  # skipped by an earlier run without --strict
        raise ValueError(shards.refusal(*skipped[0]))
    eigenvalues, eigenvectors = moments.principal_components(sums, len(train_y))
    mean = moments.mean_image(sums, len(train_y))
    storage.write_whole(out / "mean.npy", lambda file: np.save(file, mean))
    lines = [{"file": name, "why": why} for name, why in skipped]
    storage.write_lines(out / "skipped.jsonl", lines)
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


def merge(folder, planned, skipped, sums=None):
    """Write labels.npy and names.jsonl of one split; return its labels, and the images per shard.

    Add the shards' skipped files to `skipped`, and their moments to `sums`, if given.
    """
    labels, counts = [np.empty(0, np.int64)], []

    def write(file):
        for shard in planned:
            arrays, facts = storage.load(f"{shard.path}.npz")
            labels.append(arrays["labels"])
            counts.append(len(facts["names"]))
            skipped.extend(facts["skipped"])
            file.write("".join(json.dumps(name) + "\n" for name in facts["names"]).encode())
            if sums:
                sums.image[...] += arrays["image"]
                sums.products[...] += arrays["products"]

    storage.write_whole(folder / "names.jsonl", write)
    all_labels = np.concatenate(labels)
    storage.write_whole(folder / "labels.npy", lambda file: np.save(file, all_labels))
    return all_labels, counts


def check_classes(out, classes, labels):
    """Raise ValueError if a class has no training photographs."""
    missing = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
    if len(missing):
        raise ValueError(
            f"class '{classes[missing[0]]}' has no readable training photograph; "
            f"repair or remove its folder, and name an output folder other than {out}"
        )


def write_json(path, facts):
    """Write a JSON file atomically."""
    storage.write_text(path, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def clean(out, *patterns):
    """Remove the files in `out` that match a pattern."""
    for pattern in patterns:
        for path in out.glob(pattern):
            path.unlink()
