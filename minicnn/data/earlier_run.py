"""What an earlier run of `prepare` left in the folder: can it be resumed, is it finished?

begun.json and photos.json hold the options of the run, and stamps.npy the sizes and times of the
files that it read.
"""

import hashlib
import json
import os
import sys

import numpy as np

from .decode import MAX_PIXELS
from .photos import FORMAT, load_array


def fingerprint(listing):
    """Return a SHA-256 of the names and labels of all files, to detect changes."""
    digest = hashlib.sha256()
    for split in (listing.train, listing.validation):
        for name in split.names:
            digest.update(os.fsencode(name) + b"\0")
        digest.update(split.labels.astype("<i8").tobytes())
    return digest.hexdigest()


def pillow_version():
    """Return Pillow's version: another version may decode to different pixels."""
    import PIL

    return PIL.__version__


def is_finished(out, options, files, progress, shared=False):
    """Return whether `out` is finished, and no file has changed since.

    Raises ValueError if it holds anything but what the same command has written.
    """
    for name in ("photos.json", "begun.json"):
        if (out / name).is_file():
            check_options(out, out / name, options)
            if not shared:
                clean(out, "*.part", "*/*.part")  # left by a run that was killed
            return name == "photos.json" and not has_changed(out, files, progress)
    if any(path.name != "skipped.jsonl" for path in out.iterdir()):
        raise ValueError(f"{out} holds other files: name an empty folder, or a new one")
    return False


def has_changed(out, files, progress):
    """Return whether the size or time of a file has changed since `out` was made; say so."""
    path = out / "stamps.npy"
    if not path.exists():  # made by an earlier version
        return False
    try:
        earlier = load_array(path, files.stamps.shape, np.int64)
    except (ValueError, EOFError):
        raise ValueError(damaged(out, path)) from None
    changed = np.flatnonzero((earlier != files.stamps).any(axis=1))
    if len(changed) and progress:
        print(
            f"{out} is made again: {len(changed):,} of {len(earlier):,} files have changed since, "
            f"such as {ascii(files.names[changed[0]])}",
            file=sys.stderr,
        )
    return len(changed) > 0


def damaged(out, path):
    """Return the message for a file that should say how `out` was made."""
    return f"{path} is damaged, or from another version: remove {out}, or name another folder"


def check_options(out, path, options):
    """Raise ValueError if `out` was begun with different options."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        earlier = facts["options"] if facts["format"] == FORMAT else {}
        earlier.setdefault("max_pixels", MAX_PIXELS)  # an earlier version had no option for it
        different = [name for name in options if earlier[name] != options[name]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(damaged(out, path)) from None
    if not different:
        return
    name = different[0]
    difference = f"{name} = {earlier[name]}, not {options[name]}"
    if name == "files":
        difference = "other files, or another --validation or --seed"
    raise ValueError(f"{out} was begun with {difference}: remove it, or name another folder")


def clean(out, *patterns):
    """Remove the files in `out` that match a pattern."""
    for pattern in patterns:
        for path in out.glob(pattern):
            path.unlink(missing_ok=True)
