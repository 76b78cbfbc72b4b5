"""Make the bundled sample from the full CIFAR-10: `python -m minicnn.data.make_sample [DIRECTORY]`.

The sample has the first 500 pictures of each class in the training files, and the first 100 of each
class in the test file.  Each class and split is one PNG sheet with 25 pictures a row.  The pixels
are always the same; another version of Pillow may compress them to different bytes.

Measured for the training pictures: 15.4 MB of raw pixels become 10.8 MB of PNG, whatever the number
of columns (within 0.3%).  Lossless WebP would take 8.3 MB, but not every Pillow can read it.
"""

import hashlib
import io
import sys

import numpy as np

from ..storage import write_bytes, write_text
from .cifar10 import CLASSES, COLUMNS, SAMPLE, load_cifar10

TRAIN_COUNT, TEST_COUNT = 500, 100  # of each class


def make_sample(photos, folder=SAMPLE, train_count=TRAIN_COUNT, test_count=TEST_COUNT):
    """Write the twenty sheets and their checksums into `folder`; return the bytes written."""
    splits = [
        ("train", photos.train_x, photos.train_y, train_count),
        ("test", photos.test_x, photos.test_y, test_count),
    ]
    total, lines = 0, []
    for split, x, y, count in splits:
        for label, class_name in enumerate(CLASSES):
            name = f"{split}_{class_name}.png"
            png = to_png(x[y == label][:count])
            write_bytes(folder / name, png)
            lines.append(f"{hashlib.sha256(png).hexdigest()}  {name}\n")
            total += len(png)
    # The checksums come last: until then, the old ones refuse the new sheets.
    write_text(folder / "SHA256SUMS", "".join(lines))
    return total


def to_png(pictures):
    """Return a sheet of (n, 3, 32, 32) pictures as a PNG's bytes; n is a multiple of COLUMNS."""
    from PIL import Image

    tiles = pictures.reshape(-1, COLUMNS, 3, 32, 32)
    tiles = tiles.transpose(0, 3, 1, 4, 2)  # (rows, y, columns, x, colour)
    pixels = np.ascontiguousarray(tiles).reshape(-1, COLUMNS * 32, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    try:
        full = load_cifar10(*sys.argv[1:2])
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"wrote {make_sample(full):,} bytes of sheets into {SAMPLE}")
