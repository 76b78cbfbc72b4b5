"""One photograph, from a file of almost any kind to a square of RGB values (Section 2).

"Given a rectangular image, we first rescaled the image such that the shorter side was of length
256, and then cropped out the central 256×256 patch from the resulting image."  Here both are one
step: the largest central square of the picture is resampled to 256×256 (bicubic; the paper names no
filter).

    colours        grey, palette and CMYK become RGB; colour profiles are not applied
    transparency   the background becomes white, as on a web page
    16 bits        the upper eight bits are kept
    EXIF           pictures are turned upright; a broken orientation tag is ignored
    animations     the first frame is used

Files may come from strangers.  Only regular files are opened, and only in the formats below, which
Pillow decodes without starting another program.  A picture above Pillow's limit of 89 million
pixels is refused before it is decompressed.  libjpeg decodes a large JPEG at a half, a quarter or
an eighth of its size, which is faster, as long as it stays twice as wide as needed.
"""

import contextlib
import io
import os
import stat
import warnings

import numpy as np

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
MAX_PIXELS = 89_478_485  # a third of a gigabyte in RGB; Pillow's own limit


class Unreadable(ValueError):
    """The file is not a photograph that can be read; the message is the reason, on one line.

    Reasons of one kind have the same words in front of " (", which details follow.
    """


def decode(path, size=256, max_pixels=MAX_PIXELS):
    """Return the photograph at `path` as (3, size, size) uint8.

    Parameters
    ----------
    path : path
    size : int
        Width and height of the result, in pixels.
    max_pixels : int
        A picture of more pixels is refused.

    Raises
    ------
    Unreadable
        The file is empty, damaged, too large, or not a photograph: it will be so next time, too.
    OSError, with an errno
        The system could not open or read the file now; that says nothing about the file.
    MemoryError
        There is too little memory now; the message says for what.
    """
    from PIL import Image, UnidentifiedImageError

    check_file(path)
    with open(path, "rb") as file:
        content = file.read()
    too_large = (Image.DecompressionBombWarning, Image.DecompressionBombError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, which is not used
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                return square(image, size)
    except (Unreadable, MemoryError):
        raise
    except too_large:
        raise Unreadable(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, Pillow's limit") from None
    except UnidentifiedImageError:
        raise Unreadable(f"not an image of a known kind ({', '.join(FORMATS)})") from None
    except Exception as error:  # a broken file can make Pillow raise anything
        raise Unreadable(f"damaged ({reason_of(error)})") from None


def check_file(path):
    """Raise Unreadable unless this is a regular file that is not empty.

    Opening a pipe could block forever, and a device may have no end.
    """
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable("a folder, not a photograph; photographs inside it are not read")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("a device, pipe or socket, not a file")
    if status.st_size == 0:
        raise Unreadable("an empty file")


def reason_of(error):
    """Return an error's message on one line, without the system's error number and path."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:200]


def square(image, size):
    """Return the central square of a Pillow image, upright and in RGB: (3, size, size) uint8."""
    from PIL import Image

    image.draft(None, (2 * size, 2 * size))  # decode a JPEG no larger than needed
    turn_upright(image)
    image = to_rgb(image)
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    image = image.resize((size, size), Image.Resampling.BICUBIC, box)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def turn_upright(image):
    """Rotate the image as its EXIF tag says."""
    from PIL import ImageOps

    image.load()  # so that an error below comes from the tag, not from the pixels
    with contextlib.suppress(Exception):  # a broken tag can raise anything; the pixels are fine
        ImageOps.exif_transpose(image, in_place=True)


def to_rgb(image):
    """Return the image in 8-bit RGB."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16-bit grey; mode "I" could hold 32 bits
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise Unreadable("32 bits a pixel: not a photograph")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise Unreadable("floating-point pixels: not a photograph")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        page = Image.new("RGB", image.size, "white")
        page.paste(image, mask=image.getchannel("A"))
        return page
    return image.convert("RGB")
