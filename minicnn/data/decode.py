"""One photograph: from a file of almost any kind to a square of RGB values (Section 2).

"Given a rectangular image, we first rescaled the image such that the shorter side was of length
256, and then cropped out the central 256×256 patch from the resulting image."  Here both are one
step: the central square of the picture, as wide as its shorter side, is resampled to 256×256
(bicubic; the paper names no filter).

    colours        grey, palette and CMYK become RGB; colour profiles are not applied
    transparency   the picture is laid on white, as a page would show it
    16 bits        the upper eight of them
    EXIF           pictures are turned upright; where that note is broken, they stay as they are
    animations     the first frame

Files come from strangers.  Only the formats below are tried, so none that Pillow hands to another
program; nothing but a regular file is opened; and more pixels than Pillow's limit (89 million)
are refused before they are unpacked.  Big JPEGs are unpacked at a half, a quarter or an eighth of
their size, which libjpeg does for less work, as long as twice the pixels needed remain.
"""

import contextlib
import os
import stat
import warnings

import numpy as np

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")


class Unreadable(ValueError):
    """A file that is not a photograph we can read; the message is the reason."""


def decode(path, size=256):
    """Return the photograph at `path` as (3, size, size) uint8.

    Parameters
    ----------
    path : path
    size : int
        Width and height of the result, in pixels.

    Raises
    ------
    Unreadable
        The file is missing, empty, damaged, too large, or no photograph; the message says which.
    """
    from PIL import Image, UnidentifiedImageError

    check_file(path)
    too_large = (Image.DecompressionBombWarning, Image.DecompressionBombError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that no one will read
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return square(image, size)
    except Unreadable:
        raise
    except too_large:
        raise Unreadable(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels, Pillow's limit") from None
    except UnidentifiedImageError:
        raise Unreadable(f"not an image of a known kind ({', '.join(FORMATS)})") from None
    except Exception as error:  # a broken file can make Pillow raise anything
        raise Unreadable(f"damaged ({in_one_line(error)})") from None


def check_file(path):
    """Raise Unreadable unless this is a regular file with something in it.

    To open a pipe would wait for ever, and a device may have no end.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise Unreadable(in_one_line(error)) from None
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable("a folder, and not a photograph; those inside it are not read")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("not a file, but a device, pipe or socket")
    if status.st_size == 0:
        raise Unreadable("an empty file")


def in_one_line(error):
    """Return what an error says, without the number and the path of the operating system."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:200]


def square(image, size):
    """Return the central square of a Pillow image, upright and in RGB: (3, size, size) uint8."""
    from PIL import Image

    image.draft(None, (2 * size, 2 * size))  # of a JPEG, read no more than is needed
    turn_upright(image)
    image = in_rgb(image)
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    image = image.resize((size, size), Image.Resampling.BICUBIC, box)
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def turn_upright(image):
    """Turn the image as its EXIF note says."""
    from PIL import ImageOps

    image.load()  # so that what goes wrong below is the note's fault, not the pixels'
    with contextlib.suppress(Exception):  # a broken note raises anything; the picture is whole
        ImageOps.exif_transpose(image, in_place=True)


def in_rgb(image):
    """Return the image with 8 bits each of red, green and blue."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of grey; an "I" could hold 32
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
