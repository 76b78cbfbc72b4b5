""".npz files: a zip of .npy files, one for each array.

A zip can unpack to a thousand times its own size, and the header of an .npy file can claim any
size.  So `read` first adds up the sizes that the entries claim, and compares each header with its
entry.
"""

import io
import json
import math
import zipfile
import zlib

import numpy as np

from ... import storage
from .. import provenance
from . import check_batch_norm, npy_header, shaped

MOST_GROWTH = 10  # times; compressed weights grow by a few percent
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those of np.savez


def read(path, networks):
    """Return the arrays of a file by name; from one of our checkpoints, only its weights.

    Arrays are of floats, except `about`, which is of bytes: see weights/provenance.py.  `networks`
    is a list of the networks' names that it may have.

    Raises
    ------
    ValueError
        If it is damaged, claims to be much larger than it is, or has an entry that is not an array.
    OSError
        If there is no such file.
    """
    with open(path, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                check_sizes(archive, entries, size)
                check_batch_norm(entry.filename for entry in entries)
                if not any(entry.filename == "facts.npy" for entry in entries):
                    return dict(read_array(archive, entry) for entry in entries)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"it is damaged, or not an .npz file ({error})") from None
    return checkpoint_weights(*storage.load(path), networks)


def checkpoint_weights(arrays, facts, networks):
    """Return the weights of a checkpoint, with its mean image and description, if it has them.

    If the network was trained on inputs of unit scale, its first weights absorb the division, so
    that it expects 0 … 255.
    """
    weights = {name[2:]: array for name, array in arrays.items() if name.startswith("w:")}
    deviation = arrays.get("input:deviation", 1)
    if deviation != 1:
        first = next(name for name in weights if ".w" in name)
        weights[first] = weights[first] / deviation
    if "input:mean" in arrays:
        weights["mean_image"] = arrays["input:mean"]
        weights["mean"] = arrays["input:mean"].mean(axis=(1, 2))
    about = provenance.from_settings(facts.get("settings", {}), networks)
    return weights | description_array(about)


def description_array(about):
    """Return {"about": …}, the description as an array of bytes; {} if there is none."""
    return {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)} if about else {}


def check_sizes(archive, entries, size):
    """Raise ValueError unless all entries are .npy files of the sizes they claim, not too large."""
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MOST_GROWTH * size:
        raise ValueError(
            f"its {size:,} bytes claim to unpack to {unpacked:,}; at most {MOST_GROWTH} times "
            "as many are allowed"
        )
    for entry in entries:
        if entry.compress_type not in COMPRESSIONS:
            raise ValueError(f"{entry.filename} is compressed in an unsupported way")
        with archive.open(entry) as file:
            dtype, _, shape = npy_header(file)
            if math.prod(shape) * np.dtype(dtype).itemsize != entry.file_size - file.tell():
                raise ValueError(f"{entry.filename} should hold {shape}, but has another length")


def read_array(archive, entry):
    """Return the name and the array of an entry of a zip."""
    name = entry.filename.removesuffix(".npy")
    with archive.open(entry) as file:
        dtype, order, shape = npy_header(file)
        if name == "about" and dtype == "|u1":
            return name, np.frombuffer(file.read(), np.uint8)
        if dtype[1] != "f":
            raise ValueError(f"{name} is an array of {dtype}; expected floats")
        return name, shaped(name, np.frombuffer(file.read(), dtype), shape, order)
