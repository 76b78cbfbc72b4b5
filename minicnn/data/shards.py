"""Shards: a data set in files of a few thousand images each, made by several workers.

A shard is made from a part of the listing, photograph by photograph, so that only one of them is in
memory.  It is two files:

    images-00007.npy    (n, 3, size, size) uint8    the photographs that could be read
    images-00007.npz    n labels, their names, what was skipped and why, and the moments

The second is written after the first, each whole or not at all: where it stands, the shard is
done.  All workers know one number and one flag:

    done    how many photographs all workers have seen, for the progress bar
    stop    set when all should stop: an error, or Ctrl-C
"""

import multiprocessing
import os
import signal
import threading
from collections import namedtuple

import numpy as np

from .. import storage
from . import moments
from .decode import Unreadable, decode

Shard = namedtuple("Shard", "path names labels")  # path without the ending

done = stop = None  # in a worker, what begin_worker was given


class Stopped(Exception):
    """The flag was set while a shard was being made."""


def begin_worker(the_count, the_flag):
    """Take up the number and the flag.

    A single worker is a thread.  A worker that is a process of its own gets every Ctrl-C, too, but
    leaves it to the process that started it, which sets the flag; and it ends when that one dies
    without a word.
    """
    global done, stop
    done, stop = the_count, the_flag
    if threading.current_thread() is threading.main_thread():  # a process of its own
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent():
    """Wait for the process that started this one to end, and end."""
    multiprocessing.parent_process().join()
    os._exit(1)


def make(shard, folder, size, strict=False):
    """Write one shard.

    Parameters
    ----------
    shard : Shard
    folder : path
        Where the names begin.
    size : int
        Width and height of an image.
    strict : bool
        Stop at a file that cannot be read, instead of skipping it.

    Raises
    ------
    ValueError
        With `strict`: the file, and what is wrong with it.
    OSError
        The shard cannot be written.
    Stopped
        The flag was set.
    """
    kept, skipped = [], []
    sums = moments.nothing(size, size)

    def write(file):
        write_header(file, len(shard.names), size)
        for place, name in enumerate(shard.names):
            if stop.is_set():
                raise Stopped
            try:
                picture = decode(os.path.join(folder, name), size)
            except Unreadable as error:
                skipped.append([name, str(error)])
                if strict:
                    raise ValueError(refusal(name, error)) from None
            else:
                file.write(picture)
                moments.add(sums, picture)
                kept.append(place)
            with done.get_lock():
                done.value += 1
        file.seek(0)
        write_header(file, len(kept), size)  # there may be fewer; a header is always as long

    storage.write_whole(f"{shard.path}.npy", write)
    arrays = {"labels": shard.labels[kept], **sums._asdict()}
    facts = {"names": [shard.names[place] for place in kept], "skipped": skipped}
    storage.save(f"{shard.path}.npz", arrays, facts)


def refusal(name, reason):
    """Return the sentence with which --strict stops."""
    return f"{name}: {reason}; without --strict it would be skipped"


def is_made(shard, size):
    """Return whether the shard is there, whole."""
    try:
        arrays, facts = storage.load(f"{shard.path}.npz")
        read(f"{shard.path}.npy", (len(arrays["labels"]), 3, size, size))
        return len(facts["names"]) + len(facts["skipped"]) == len(shard.names)
    except Exception:  # a damaged file can make NumPy raise anything
        return False


def write_header(file, count, size):
    """Write what stands before the pixels in an .npy file."""
    shape = (count, 3, size, size)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def read(path, shape):
    """Return the images of a shard as an array that reads from the file when it is used.

    Raises
    ------
    OSError, ValueError
        The file is missing, damaged, or not of this shape.
    """
    if shape[0] == 0:  # there is nothing to map
        return np.empty(shape, np.uint8)
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(images, np.memmap) or images.shape != shape or images.dtype != np.uint8:
        raise ValueError(f"{path} is damaged: expected uint8 of the shape {shape}")
    return images
