"""Shards: a data set in files of a few thousand images each, made by several workers.

A worker makes a shard from a part of the listing, one photograph at a time, and holds only that
one in memory.  A shard is two files:

    images-00007.npy    (n, 3, size, size) uint8    the photographs that could be read
    images-00007.npz    their labels and names, skipped files with reasons, and the moments

Each file is written atomically, the second after the first: if the second exists, the shard is
finished.  All workers share a counter and a flag:

    done    photographs processed by all workers, for the progress bar
    stop    set when all workers should stop, after an error or Ctrl-C
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

Shard = namedtuple("Shard", "path names labels")  # path without the suffix

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


def make(shard, folder, size, strict=False):
    """Write one shard.

    Parameters
    ----------
    shard : Shard
    folder : path
        The folder that the names are relative to.
    size : int
        Width and height of an image.
    strict : bool
        Stop at a file that cannot be read, instead of skipping it.

    Raises
    ------
    ValueError
        With `strict`, at the first file that cannot be read; the message says why.
    OSError
        The shard cannot be written.
    Stopped
        The flag was set.
    """
    included, skipped = [], []
    sums = moments.zeros(size, size)

    def write(file):
        write_header(file, len(shard.names), size)
        for index, name in enumerate(shard.names):
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
                included.append(index)
            with done.get_lock():
                done.value += 1
        file.seek(0)
        write_header(file, len(included), size)  # the final count, in a header of the same length

    storage.write_whole(f"{shard.path}.npy", write)
    arrays = {"labels": shard.labels[included], **sums._asdict()}
    facts = {"names": [shard.names[index] for index in included], "skipped": skipped}
    storage.save(f"{shard.path}.npz", arrays, facts)


def refusal(name, reason):
    """Return the message for a file that stops a strict run."""
    return f"{name}: {reason}; without --strict it would be skipped"


def is_made(shard, size):
    """Return whether the shard is finished."""
    try:
        arrays, facts = storage.load(f"{shard.path}.npz")
        read(f"{shard.path}.npy", (len(arrays["labels"]), 3, size, size))
        return len(facts["names"]) + len(facts["skipped"]) == len(shard.names)
    except Exception:  # a damaged file can make NumPy raise anything
        return False


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
