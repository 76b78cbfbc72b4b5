"""Arrays of a file in NumPy's format .npz, which is a zip.  Nothing is ever unpickled."""

import math
import os
import re
import zipfile
from errno import EINVAL

import numpy as np

MOST_GROWTH = 10  # times: what a zip may unpack to; compressed weights grow by a few percent
NPY_MAGIC = b"\x93NUMPY\x01\x00"  # version 1.0; later versions are for arrays that no network has
NPY_HEADER = re.compile(
    rb"\{'descr': '([<>|](?:f(?:[248]|16)|[iu][1248]|c(?:8|16|32)|b1|O[48]?|[SU]\d{1,4}))', "
    rb"'fortran_order': (False|True), 'shape': \((\d{1,18}(?:, \d{1,18}){0,7},?|)\), \}[ \n]*"
)


def read_arrays(path):
    """Return the arrays of an .npz file by name.

    A zip can unpack to a thousand times its own size, and the header of an array can claim any
    shape.  Both are compared with the size of the file before any memory is taken.

    Raises
    ------
    ValueError
        If it is damaged, or claims to be much larger than it is.
    OSError, MemoryError
        If it cannot be read on this machine; the message names it.
    """
    with open(path, "rb") as file:
        size = unpacked = file.seek(0, os.SEEK_END)
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                unpacked = sum(entry.file_size for entry in entries)
                if unpacked > MOST_GROWTH * size:
                    raise ValueError(
                        f"its {size:,} bytes claim to unpack to {unpacked:,}; at most "
                        f"{MOST_GROWTH} times as many are allowed"
                    )
                return dict(read_array(archive, entry) for entry in entries)
        except MemoryError:
            raise MemoryError(
                f"{path}: there is not enough memory to read its {unpacked / 1e6:,.0f} MB"
            ) from None
        except Exception as error:  # of many types: what a damaged zip makes Python's reader raise
            if isinstance(error, OSError) and error.errno not in (None, EINVAL):
                raise OSError(error.errno, error.strerror, str(path)) from None
            words = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(words[:200]) from None


def read_array(archive, entry):
    """Return the name and the array of an entry of a zip."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # np.savez's
        raise ValueError(f"{entry.filename} is compressed in an unsupported way")
    with archive.open(entry) as file:
        dtype, order, shape = npy_header(file)
        if dtype[1] == "O":
            raise ValueError(f"{entry.filename} holds Python objects, which are never loaded")
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size != entry.file_size - file.tell():
            raise ValueError(f"{entry.filename} should hold {shape}, but has another length")
        content = bytearray(file.read())  # it has a checksum, which reading to the end compares
    return entry.filename.removesuffix(".npy"), np.ndarray(shape, dtype, content, order=order)


def npy_header(file):
    """Read the header of an .npy file; return dtype, order and shape.

    The header is a dictionary in Python's notation, and NumPy's own reader parses it as Python.
    np.save always writes it in the same form, so a regular expression is enough.

    Raises ValueError if the file does not begin with such a header.
    """
    magic, length = file.read(8), file.read(2)
    match = NPY_HEADER.fullmatch(file.read(int.from_bytes(length, "little")))
    if magic != NPY_MAGIC or not match:
        raise ValueError("it does not begin like an .npy file")
    dtype, fortran, shape = (group.decode("ascii") for group in match.groups())
    order = "F" if fortran == "True" else "C"
    return dtype, order, tuple(int(n) for n in shape.split(",") if n)


def check_array(name, array):
    """Raise TypeError if an array holds Python objects, which NumPy would have to pickle."""
    if np.asarray(array).dtype.hasobject or np.asarray(array).dtype.kind not in "biufcSU":
        raise TypeError(
            f"{name} holds Python objects or records; a checkpoint stores only numbers and text"
        )
