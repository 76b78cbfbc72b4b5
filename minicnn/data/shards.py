"""Shards: a data set in files of a few thousand images each, made by several workers.

A worker makes a shard from a part of the listing, one photograph at a time, and holds only that
one in memory.  A shard is two files:

    images-00007.npy    (n, 3, size, size) uint8    the photographs that could be read
    images-00007.npz    its record, which is kept until all shards are finished:

        places      (N,) int64      the places of its files in the listing
        stamps      (N, 2) int64    their sizes and times, see listing.stamp
        included    (n,) int64      the places of the photographs that could be read
        image, products             their moments, see moments.py
        skipped                     the other files: index in `places`, and the reason

Each file is written atomically, the second after the first: if the second exists, the shard is
finished.  All workers share a counter and a flag:

    done    photographs processed by all workers, for the progress bar
    stop    set when all workers should stop, after an error or Ctrl-C
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import namedtuple
from pathlib import Path

import numpy as np

from .. import storage
from . import moments
from .decode import Unreadable, decode

Shard = namedtuple("Shard", "path places names stamps")  # path without the suffix

done = stop = None  # set by begin_worker


class Stopped(Exception):
    """The flag was set while a shard was being made."""


def begin_worker(shared_count, shared_flag):
    """Store the shared counter and flag.

    A single worker runs as a thread; several run as processes.  A worker process ignores Ctrl-C:
    its parent handles it and sets the flag.  A worker process exits when its parent dies.
    """
    global done, stop
    done, stop = shared_count, shared_flag
    if threading.current_thread() is threading.main_thread():  # a worker process
        for name in {"SIGINT", "SIGHUP"}.intersection(dir(signal)):  # a terminal sends both to all
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent():
    """Exit as soon as the parent process has ended."""
    multiprocessing.parent_process().join()
    os._exit(1)


def make(shard, folder, options, strict=False):
    """Write one shard.

    Parameters
    ----------
    shard : Shard
    folder : path
        The folder that the names are relative to.
    options : dict
        See `photograph`.
    strict : bool
        Stop at a file that is not a photograph, instead of skipping it.

    Raises
    ------
    ValueError
        With `strict`, at the first file that is not a photograph; the message says why.
    OSError, MemoryError
        A file cannot be read now, or the shard cannot be written.
    Stopped
        The flag was set.
    """
    included, skipped = [], []
    size = options["size"]
    sums = moments.zeros(size, size)

    def write(file):
        write_header(file, len(shard.names), size)
        for index, name in enumerate(shard.names):
            if stop.is_set():
                raise Stopped
            try:
                picture = photograph(folder, name, shard.stamps[index], options)
            except Unreadable as error:
                skipped.append([index, str(error)])
                if strict:
                    raise ValueError(refusal(name, error)) from None
            else:
                file.write(picture)
                moments.add(sums, picture)
                included.append(index)
            with done.get_lock():
                done.value += 1
        file.seek(0)
        write_header(file, len(included), size)  # the final count, in a header of the same length

    record = Path(f"{shard.path}.npz")
    record.unlink(missing_ok=True)  # it may describe an older file of images
    storage.write_whole(f"{shard.path}.npy", write)
    arrays = {"places": shard.places, "stamps": shard.stamps, "included": shard.places[included]}
    storage.save(record, arrays | sums._asdict(), {"skipped": skipped})


def photograph(folder, name, stamp, options):
    """Return a photograph as (3, size, size) uint8.

    Parameters
    ----------
    folder, name : path, str
    stamp : (2,) int64
        As the listing has it.
    options : dict
        The options of `decode`: size and max_pixels.

    Raises
    ------
    Unreadable
        It is not a photograph, and will be none next time, too.
    OSError, MemoryError
        It cannot be read now; the message names it.
    """
    path = os.path.join(folder, name)
    if stamp[0] < 0:
        raise Unreadable(os.strerror(-stamp[0]))
    try:
        return decode(path, **options)
    except MemoryError as error:
        raise MemoryError(
            f"{path}: {str(error) or 'there is not enough memory to decode it'}; "
            "run the same command again to resume, with fewer --workers if necessary"
        ) from None
    except OSError as error:
        why = f"cannot be read now ({error.strerror or error}); once it can"
        raise OSError(error.errno, f"{why}, run the same command again to resume", path) from error


def refusal(name, reason):
    """Return the message for a file that stops a strict run."""
    return f"{name}: {reason}; without --strict it would be skipped"


def is_made(shard, size):
    """Return whether the shard is finished."""
    try:
        arrays, _ = storage.load(f"{shard.path}.npz")
        read(f"{shard.path}.npy", (len(arrays["included"]), 3, size, size))
        return all(np.array_equal(arrays[key], getattr(shard, key)) for key in ("places", "stamps"))
    except Exception:  # a damaged file can make NumPy raise anything
        return False


def skipped_files(folder, stamps):
    """Return {place: reason} of the files that finished shards have skipped.

    Parameters
    ----------
    folder : path
        The data set.
    stamps : (N, 2) int64
        Of all files of the listing; a file that has changed since is left out.
    """
    reasons = {}
    for path in folder.glob("*/images-*.npz"):
        with contextlib.suppress(Exception):  # a damaged one can raise anything, and is made again
            arrays, facts = storage.load(path)
            for index, reason in facts["skipped"]:
                place = int(arrays["places"][index])
                if np.array_equal(arrays["stamps"][index], stamps[place]):
                    reasons[place] = reason
    return reasons


def write_header(file, count, size):
    """Write the header of an .npy file."""
    shape = (count, 3, size, size)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def read(path, shape):
    """Return the images of a shard as a memory-mapped array.

    Raises
    ------
    OSError, ValueError
        The file is missing, damaged, or not of this shape.
    """
    if shape[0] == 0:  # an empty array cannot be mapped
        return np.empty(shape, np.uint8)
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(images, np.memmap) or images.shape != shape or images.dtype != np.uint8:
        raise ValueError(f"{path} is damaged: expected uint8 of shape {shape}")
    return images
