""".npz files: a zip of .npy files, one an array.

NumPy reads them, without pickles.  Before it may, the sizes that the file claims are added up: a
zip can claim, and hold, a thousand times its own size.
"""

import io
import math
import zipfile
import zlib

import numpy as np

from .. import checkpoint

MOST_GROWTH = 10  # times; compressed weights grow by a few percent


def read(path):
    """Return the arrays of a file by name; of our own checkpoint, the weights alone.

    Raises
    ------
    ValueError
        If it is damaged, claims to be much larger than it is, or holds what is not an array.
    OSError
        If there is no such file.
    """
    with open(path, "rb") as file:
        try:
            names = check_sizes(file)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"it is damaged, or not an .npz file ({error})") from None
    if "facts.npy" in names:
        arrays, _ = checkpoint.load(path)
        return {name[2:]: array for name, array in arrays.items() if name.startswith("w:")}
    try:
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"it is damaged ({error})") from None


def check_sizes(file):
    """Return the names in a zip of .npy files, after comparing what it claims with its size."""
    size = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > MOST_GROWTH * size:
            raise ValueError(
                f"its {size:,} bytes claim to unpack to {unpacked:,}; at most {MOST_GROWTH} times "
                "as many are read"
            )
        for entry in entries:
            with archive.open(entry) as array:
                check_array_size(entry, array)
        return archive.namelist()


def check_array_size(entry, file):
    """See that an .npy file in the zip is as long as its header says."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{entry.filename} is compressed in a way that is not read")
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{entry.filename} is not in version 1.0 of the .npy format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if math.prod(shape) * dtype.itemsize != entry.file_size - file.tell():
        raise ValueError(f"{entry.filename} should hold {shape} numbers, but has another length")
