"""CIFAR-10, read from its binary files or from the sample that ships with minicnn.

The full set is six files of 10,000 records: five to train on, one to test on.  A record is 3,073
bytes:

    1 byte       the label, 0 … 9, in the order of CLASSES
    3,072 bytes  the picture: 32×32 red values, then green, then blue, each row by row from the top

The sample has 500 training and 100 test pictures of each class, in PNG sheets that can be viewed:
25 pictures a row, and one sheet for each class and split.  `sample/README.txt` says where they come
from.

    x  (N, 3, 32, 32) uint8    pictures, 0 … 255
    y  (N,) int64              labels
"""

import hashlib
import io
import os
from pathlib import Path

import numpy as np

from .photos import with_moments

CLASSES = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())
FOLDER = "cifar-10-batches-bin"  # the official name
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILE = "test_batch.bin"
RECORDS = 10_000  # in each file
RECORD_BYTES = 1 + 3 * 32 * 32
SAMPLE = Path(__file__).parent / "sample"
COLUMNS = 25  # pictures in a row of a sample sheet
HELP = "`python -m minicnn download cifar10` downloads it"


def cache_dir():
    """Return the directory for downloaded data: $MINICNN_DATA, or else ~/.cache/minicnn."""
    return Path(os.environ.get("MINICNN_DATA") or "~/.cache/minicnn").expanduser()


def batches_folder(directory=None):
    """Return the folder for the six files: `directory` itself, or the official folder inside it."""
    directory = cache_dir() if directory is None else Path(directory).expanduser()
    inside = directory / FOLDER
    is_folder = directory.name == FOLDER or (directory / TEST_FILE).is_file()
    return directory if is_folder and not inside.is_dir() else inside


def load_cifar10(directory=None):
    """Return all of CIFAR-10 as Photos: 50,000 training and 10,000 test pictures.

    They keep the order of the files.

    Parameters
    ----------
    directory : path, optional
        The folder cifar-10-batches-bin, or the directory that holds it; by default `cache_dir()`.

    Raises
    ------
    FileNotFoundError
        A file is missing; the message says which, and how to get it.
    ValueError
        A file has the wrong size, or a label outside 0 … 9.
    """
    folder = batches_folder(directory)
    batches = [read_batch(folder / name) for name in TRAIN_FILES]
    train_x = np.concatenate([x for x, y in batches])
    train_y = np.concatenate([y for x, y in batches])
    test_x, test_y = read_batch(folder / TEST_FILE)
    return with_moments((train_x, train_y, test_x, test_y, CLASSES))


def read_batch(path):
    """Return the pictures and labels of one binary file."""
    if not path.is_file():
        raise FileNotFoundError(f"CIFAR-10 was not found: looked for {path}; {HELP}")
    size, expected = path.stat().st_size, RECORDS * RECORD_BYTES
    if size != expected:
        raise ValueError(
            f"{path} has {size:,} bytes but should have {expected:,} "
            f"({RECORDS:,} records of {RECORD_BYTES:,}); {HELP}"
        )
    records = np.fromfile(path, np.uint8).reshape(RECORDS, RECORD_BYTES)
    x = np.ascontiguousarray(records[:, 1:]).reshape(RECORDS, 3, 32, 32)
    y = records[:, 0].astype(np.int64)
    if y.max() > 9:
        wrong = int(np.argmax(y > 9))
        raise ValueError(
            f"{path} has the label {y[wrong]} in record {wrong}, but labels are 0 … 9: "
            f"it is damaged, or not from CIFAR-10; {HELP}"
        )
    return x, y


def load_sample(folder=SAMPLE):
    """Return the bundled sample as Photos: 5,000 training and 1,000 test pictures.

    The classes alternate: picture 10·k + c is the k-th of class c, so ten successive pictures,
    counted from the first, show each class once.

    Raises ValueError if a sheet's checksum differs from the one in `SHA256SUMS`.
    """
    try:
        listing = (folder / "SHA256SUMS").read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(folder / "SHA256SUMS", error) from error
    checksums = dict(zip(listing[1::2], listing[::2], strict=False))  # lines of "checksum  name"
    train_x, train_y = read_sheets(folder, "train", checksums)
    test_x, test_y = read_sheets(folder, "test", checksums)
    return with_moments((train_x, train_y, test_x, test_y, CLASSES))


def read_sheets(folder, split, checksums):
    """Return the pictures and labels of the ten sheets of one split, "train" or "test"."""
    names = [f"{split}_{name}.png" for name in CLASSES]
    pictures = [read_sheet(folder / name, checksums.get(name)) for name in names]
    x = np.stack(pictures, axis=1)  # (n, 10, 3, 32, 32), so the classes alternate
    y = np.tile(np.arange(10), len(x))
    return x.reshape(-1, 3, 32, 32), y


def read_sheet(path, checksum):
    """Return the pictures of one PNG sheet, left to right and top to bottom: (n, 3, 32, 32)."""
    from PIL import Image

    try:
        content = path.read_bytes()
    except OSError as error:
        raise _damaged(path, error.strerror) from error
    if hashlib.sha256(content).hexdigest() != checksum:
        raise _damaged(path, f"its SHA-256 should be {checksum}")
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    rows = len(pixels) // 32
    tiles = pixels.reshape(rows, 32, COLUMNS, 32, 3)
    tiles = tiles.transpose(0, 2, 4, 1, 3)  # (rows, columns, colour, y, x)
    return tiles.reshape(rows * COLUMNS, 3, 32, 32)


def _damaged(path, why):
    return ValueError(
        f"the bundled sample is damaged: {path} ({why}); reinstall minicnn to repair it"
    )
