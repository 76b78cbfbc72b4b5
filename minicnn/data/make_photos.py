"""From a folder of photographs to a data set: 256×256 images, mean image, principal components.

    python -m minicnn prepare FOLDER OUT

FOLDER is as `listing` wants it, each photograph becomes what `decode` makes of it, workers write
them in `shards`, and the sums of all shards become the mean image and the components (`moments`).
OUT is then a folder that `photos.load_photos` reads:

    photos.json                    what is where: size, shards, eigenvalues, eigenvectors, options
    classes.json                   the names of the classes
    mean.npy                       the mean image of the training set, (3, size, size) float32
    train/images-00000.npy, …      (n, 3, size, size) uint8, see below
    train/labels.npy               (N,) int64
    train/names.jsonl              the photographs' names, one JSON text a line
    validation/…                   the same three for the validation set
    skipped.jsonl                  files that are not in the set: name and reason

Colours come before rows and columns, (n, 3, size, size): that is how the network wants them and how
CIFAR-10 is stored, and a crop is then made of whole stretches of bytes.

While it is not finished there is no photos.json, but begun.json, with the options.  The same
command goes on where it was stopped: shards that are there stay.  The number of workers changes
nothing in the files.
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

LARGEST, SMALLEST = 4096, 32  # images in a shard: 800 MB, and 6 MB, of 256×256 pixels
PARTS = ("train", "validation")
STRAY = "not in the folder of a class"


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
    """Turn a folder of photographs into a data set, and return what photos.json says.

    A program that calls this with several workers must do so under `if __name__ == "__main__":`,
    because each worker imports that program anew.

    Parameters
    ----------
    folder, out : path
        From where, and to where; `out` is made if need be.
    size : int
        Width and height of the images.
    validation, seed : float and int, optional
        The share that is set apart for validation (0.1) and the seed (0) of the choice, where the
        folder has no `val` of its own.
    workers : int, optional
        Processes that decode; one a processor if nothing is given.
    strict : bool
        Stop at a file that cannot be read, instead of listing it in skipped.jsonl.
    progress : bool
        Show a progress bar.

    Raises
    ------
    OSError
        A folder cannot be read or written, or the disk is full.
    ValueError
        The folder is not as it should be, `out` holds something else, or was begun with other
        options; with `strict`, a file cannot be read.
    """
    folder, out = Path(folder).expanduser(), Path(out).expanduser()
    listing = list_photos(folder, validation, seed)
    if folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise ValueError(f"{out} is inside {folder}, whose sub-folders are classes; name another")
    if strict and listing.strays:
        raise ValueError(shards.refusal(listing.strays[0], STRAY))
    options = {"size": size, "pillow": pillow_version(), "files": fingerprint(listing)}
    with disk_of(out):
        if begin(out, options):
            parts = {part: plan(out / part, getattr(listing, part)) for part in PARTS}
            planned = [*parts["train"], *parts["validation"]]
            todo = [shard for shard in planned if not shards.is_made(shard, size)]
            check_space(out, images_in(todo) * 3 * size * size)
            total = images_in(planned)
            look = {"initial": total - images_in(todo), "disable": not progress}
            bar = progress_bar(total, out.name, unit_scale=False, **look)
            make_all(todo, folder, size, workers or cores(), strict, bar)
            finish(out, listing, parts, options, strict)
        clean(out, "begun.json", "*/*.npz", "*.part", "*/*.part")
    return json.loads((out / "photos.json").read_text(encoding="utf-8"))


@contextmanager
def disk_of(out):
    """Turn the error of a full disk into a sentence about it."""
    try:
        yield
    except OSError as error:
        full = storage.full_disk(error, out)
        if not full:
            raise
        raise OSError(full) from error


def fingerprint(listing):
    """Return a SHA-256 of the names and labels of all files, to know them again."""
    digest = hashlib.sha256()
    for names, labels in (listing.train, listing.validation):
        for name in names:
            digest.update(os.fsencode(name) + b"\0")
        digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def pillow_version():
    """Return Pillow's version: another one may decode to other pixels."""
    import PIL

    return PIL.__version__


def begin(out, options):
    """Make `out` ready and return True; return False if all is done there already.

    Raises ValueError if it holds something else.
    """
    storage.make_folder(out)
    for name in ("photos.json", "begun.json"):
        if (out / name).is_file():
            check_options(out, out / name, options)
            clean(out, "*.part", "*/*.part")  # of a run that was killed
            return name == "begun.json"
    if any(out.iterdir()):
        raise ValueError(f"{out} holds something else: name an empty folder, or a new one")
    write_json(out / "begun.json", {"format": FORMAT, "options": options})
    return True


def check_options(out, path, options):
    """Raise ValueError if `out` was begun with other options than these."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        theirs = facts["options"] if facts["format"] == FORMAT else {}
        different = [name for name in options if theirs[name] != options[name]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path} is damaged, or of another version: remove {out}, or name another"
        ) from None
    if not different:
        return
    name = different[0]
    was = f"{name} = {theirs[name]}, and now it is {options[name]}"
    if name == "files":
        was = "other files, or another --validation or --seed"
    raise ValueError(f"{out} was begun with {was}: remove it, or name another")


def plan(place, split):
    """Return the Shards of a split: about 64, so that many workers have something to do, but none
    so small that there are thousands of files, or so large that much is lost when one is stopped.
    """
    count = len(split.names)
    step = min(max(math.ceil(count / 64), SMALLEST), LARGEST)
    return [
        shards.Shard(
            place / f"images-{number:05}",
            split.names[first : first + step],
            split.labels[first : first + step],
        )
        for number, first in enumerate(range(0, count, step))
    ]


def images_in(some):
    """Return the number of photographs in some Shards."""
    return sum(len(shard.names) for shard in some)


def make_all(todo, folder, size, workers, strict, bar):
    """Make these shards, several at a time, and move the bar on."""
    spawn = multiprocessing.get_context("spawn")  # the same on every system
    done, stop = spawn.Value("q", 0), spawn.Event()
    workers = max(1, min(workers, len(todo)))
    if workers > 1:
        pool = ProcessPoolExecutor(workers, spawn, shards.begin_worker, (done, stop))
    else:  # a thread will do
        pool = ThreadPoolExecutor(1, "prepare", shards.begin_worker, (done, stop))
    before, waiting, rest = bar.n, set(), iter(todo)
    # patient: an exception while the processes end could leave them waiting for one another
    with bar, interrupts(patient=True) as interrupted, pool:
        try:
            while True:
                for shard in itertools.islice(rest, 2 * workers - len(waiting)):
                    waiting.add(pool.submit(shards.make, shard, folder, size, strict))
                if not waiting:
                    break
                ready, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in ready:
                    future.result()  # raises what was raised there
                bar.update(before + done.value - bar.n)
                if interrupted():
                    raise KeyboardInterrupt
        except BrokenProcessPool:
            raise OSError(
                "a worker has died, perhaps for want of memory: the same command goes on from "
                "here, with fewer --workers if need be"
            ) from None
        finally:
            stop.set()  # after an error or Ctrl-C the others need not finish their shards


def check_space(out, need):
    """Raise OSError if the disk has less room than these bytes."""
    free = shutil.disk_usage(out).free
    if need > free:
        raise OSError(
            f"{out} will take {need / 1e9:,.1f} GB more, but its disk has {free / 1e9:,.1f} GB "
            "left: make room, or choose another disk or a smaller --size"
        )


def finish(out, listing, parts, options, strict):
    """Write everything but the shards; photos.json comes last."""
    sums = moments.nothing(options["size"], options["size"])
    skipped = [[name, STRAY] for name in listing.strays]
    train_y, train_counts = merge(out / "train", parts["train"], skipped, sums)
    _, validation_counts = merge(out / "validation", parts["validation"], skipped)
    check_classes(out, listing.classes, train_y)
    if strict and skipped:  # by an earlier run that was not strict
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


def merge(place, planned, skipped, sums=None):
    """Write labels.npy and names.jsonl of one split; return its labels, and the images a shard.

    To `skipped` what its shards left out is added, to `sums`, if given, their moments.
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

    storage.write_whole(place / "names.jsonl", write)
    together = np.concatenate(labels)
    storage.write_whole(place / "labels.npy", lambda file: np.save(file, together))
    return together, counts


def check_classes(out, classes, labels):
    """Raise ValueError if there is nothing of some class to train with."""
    missing = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
    if len(missing):
        raise ValueError(
            f"class '{classes[missing[0]]}' has no training photograph that can be read; "
            f"mend or remove its folder, and name another folder than {out}"
        )


def write_json(path, facts):
    """Write a JSON file, whole or not at all."""
    storage.write_text(path, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def clean(out, *patterns):
    """Remove the files in `out` that match a pattern."""
    for pattern in patterns:
        for path in out.glob(pattern):
            path.unlink()
