""".npz files: a zip of .npy files, one an array.

A zip can claim, and hold, a thousand times its own size, and the header of an .npy file any size at
all.  So what the files in it claim is added up first, and each header is compared with its file.
"""

import io
import json
import math
import zipfile
import zlib

import numpy as np

from ... import storage
from .. import provenance
from . import npy_header, shaped

MOST_GROWTH = 10  # times; compressed weights grow by a few percent
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those of np.savez


def read(path, networks):
    """Return the arrays of a file by name; of our own checkpoint, what a file of weights has.

    Those are floats, but for `about`, bytes: see weights/provenance.py.  `networks` is a list of
    the names that it may have.

    Raises
    ------
    ValueError
        If it is damaged, claims to be much larger than it is, or holds what is not an array.
    OSError
        If there is no such file.
    """
    with open(path, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                check_sizes(archive, entries, size)
                if not any(entry.filename == "facts.npy" for entry in entries):
                    return dict(read_array(archive, entry) for entry in entries)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"it is damaged, or not an .npz file ({error})") from None
    return of_checkpoint(*storage.load(path), networks)


def of_checkpoint(arrays, facts, networks):
    """Return the weights of a checkpoint, its mean image and what it is about, if it says so.

    A network that was trained on inputs of unit scale is told to expect 0 … 255: its first weights
    take over the division.
    """
    weights = {name[2:]: array for name, array in arrays.items() if name.startswith("w:")}
    deviation = arrays.get("input:deviation", 1)
    if deviation != 1:
        first = next(name for name in weights if ".w" in name)
        weights[first] = weights[first] / deviation
    if "input:mean" in arrays:
        weights["mean_image"] = arrays["input:mean"]
        weights["mean"] = arrays["input:mean"].mean(axis=(1, 2))
    found = provenance.of_settings(facts.get("settings", {}), networks)
    return weights | as_bytes(found)


def as_bytes(found):
    """Return {"about": …}, the description as an array of bytes; {} if there is nothing to say."""
    return {"about": np.frombuffer(json.dumps(found).encode(), np.uint8)} if found else {}


def check_sizes(archive, entries, size):
    """See that the files in a zip are .npy files as long as they say, and not too long in all."""
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MOST_GROWTH * size:
        raise ValueError(
            f"its {size:,} bytes claim to unpack to {unpacked:,}; at most {MOST_GROWTH} times as "
            "many are read"
        )
    for entry in entries:
        if entry.compress_type not in COMPRESSIONS:
            raise ValueError(f"{entry.filename} is compressed in a way that is not read")
        with archive.open(entry) as file:
            dtype, _, shape = npy_header(file)
            if math.prod(shape) * np.dtype(dtype).itemsize != entry.file_size - file.tell():
                raise ValueError(f"{entry.filename} should hold {shape}, but has another length")


def read_array(archive, entry):
    """Return the name and the array of a file in a zip."""
    name = entry.filename.removesuffix(".npy")
    with archive.open(entry) as file:
        dtype, order, shape = npy_header(file)
        if name == "about" and dtype == "|u1":
            return name, np.frombuffer(file.read(), np.uint8)
        if dtype[1] != "f":
            raise ValueError(f"{name} is an array of {dtype}; expected one of floats")
        return name, shaped(name, np.frombuffer(file.read(), dtype), shape, order)
