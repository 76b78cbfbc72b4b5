"""One photograph, from a file of almost any kind to a square of RGB values (Section 2).

"Given a rectangular image, we first rescaled the image such that the shorter side was of length
256, and then cropped out the central 256×256 patch from the resulting image."  Here both are one
step: the largest central square of the picture is resampled to 256×256 (bicubic; the paper names no
filter).

    colours        grey, palette, YCbCr and CMYK become RGB; colour profiles are not applied
    transparency   the background becomes white, as on a web page
    12, 16 bits    the upper eight bits are kept
    EXIF           pictures are turned upright; a broken orientation tag is ignored
    animations     the first frame is used

Files may come from strangers.  Only regular files are opened, and only in the formats below, which
Pillow decodes without starting another program.  A picture of more pixels than a limit is refused
before it is decompressed.  libjpeg decodes a large JPEG at a half, a quarter or an eighth of its
size, which is faster, as long as it stays twice as wide as needed.
"""

import contextlib
import importlib
import io
import math
import os
import re
import stat
import warnings

import numpy as np

from . import pixels
from .pixels import Unreadable, one_line, rgb_reader, settle, tiff_details

MAX_PIXELS = 89_478_485  # a third of a gigabyte in memory; Pillow's own limit

KINDS = {  # as Pillow's modules are named: how a file begins
    "Jpeg": rb"\xff\xd8\xff",
    "Png": rb"\x89PNG",
    "Gif": rb"GIF8[79]a",
    "Bmp": rb"BM.{12}[\x0c-\x7c]\0\0\0",
    "Tiff": rb"II[*+]\0|MM\0[*+]",
    "WebP": rb"RIFF.{4}WEBP",
    "Avif": rb".{4}ftyp(.{4})*?avi[fs]",
    "Ppm": rb"P[1-6f]\s",
}
FORMATS = ", ".join(KINDS).upper()
OTHER_KINDS = {
    "HEIC, as iPhones save it: convert it to JPEG": rb".{4}ftyp(.{4})*?(he[iv][cxms]|mi[fa]1|msf1)",
    "JPEG XL: convert it to JPEG": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG 2000: convert it to JPEG": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "a Photoshop document: convert it to PNG": rb"8BPS",
    "a PDF document, not a photograph": rb"%PDF",
    "a web page, not a photograph": rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype html|html|head)",
    "SVG, a drawing, not a photograph": rb"(?i)(\xef\xbb\xbf)?\s*<(\?xml|svg|!doctype svg)",
    "a film, not a photograph": rb".{4}(ftyp|moov)|\x1aE\xdf\xa3|RIFF.{4}AVI ",
}
NOT_READ = re.compile(
    r"(?i)unsupported|not (yet )?supported|not installed|cannot handle|"
    r"unknown (pixel mode|raw mode|data organization|filter category)|string index out of range"
)
RARE_CODECS = re.compile(r"compression (32771|32809|34676|34677|34925|50000|50001)\b")
TURNS = {  # EXIF's orientation: Pillow's name of the remedy
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
ORIENTATION = 0x0112  # a tag of EXIF


def decode(path, size=256, max_pixels=None):
    """Return the photograph at `path` as (3, size, size) uint8.

    Parameters
    ----------
    path : path
    size : int
        Width and height of the result, in pixels.
    max_pixels : int, optional
        A picture of more pixels, by default MAX_PIXELS, is refused.  Decoding takes up to 16 bytes
        for each pixel, and the size of the file.

    Raises
    ------
    Unreadable
        The file is empty, damaged, too large, or not a photograph: it will be so next time, too.
    OSError
        The system cannot open or read the file now, which says nothing about the file.
    MemoryError
        There is too little memory now; the message says for what.
    """
    max_pixels = max_pixels or MAX_PIXELS
    kind, content = read(path, max_pixels)
    width, height = webp_size(content) if kind == "WebP" else (1024, 1024)  # until it is known
    image = None
    with limits(max_pixels):
        try:
            if kind == "WebP":  # libwebp takes memory for all pixels when it opens a file
                check_pixels(width, height, max_pixels)
            image = open_as(kind, content)
            width, height = image.size
            check_pixels(width, height, max_pixels)
            return square(settle(image, content), size)
        except Unreadable:
            raise
        except ImportError as error:  # such as too little memory for a library
            raise OSError(f"Pillow cannot be loaded: {reason_of(error)}") from error
        except Exception as error:  # a broken file can make Pillow raise anything
            reason = reason_for(error, kind, content, max_pixels)
    # Several decoders say "damaged" where memory was short, and others the reverse.
    image = None  # free it first
    check_memory(16 * width * height)
    raise reason


def read(path, max_pixels):
    """Return the kind of a file, as KINDS has it, and all its bytes.

    Only a regular file is opened: a pipe could block forever, and a device may have no end.
    """
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable("a folder, not a photograph; photographs inside it are not read")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("a device, pipe or socket, not a file")
    if status.st_size == 0:
        raise Unreadable("an empty file")
    with open(path, "rb") as file:
        kind = kind_of(file.read(64))
        if status.st_size > 8 * max_pixels + 2**26:
            raise too_many(max_pixels, f"a file of {status.st_size:,} bytes; ")
        file.seek(0)
        try:
            return kind, file.read()
        except MemoryError:
            raise MemoryError(f"there is not enough memory for {status.st_size:,} bytes") from None


def kind_of(head):
    """Return the kind of a file, as KINDS has it, from its first bytes."""
    for kind, beginning in KINDS.items():
        if re.match(b"(?s)" + beginning, head):
            return kind
    for reason, beginning in OTHER_KINDS.items():
        if re.match(b"(?s)" + beginning, head):
            raise Unreadable(reason)
    raise Unreadable(f"not an image of a known kind ({FORMATS})")


@contextlib.contextmanager
def limits(max_pixels):
    """Let Pillow refuse a larger picture, ignore its warnings, and accept much text in a PNG."""
    from PIL import Image, PngImagePlugin

    before = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
    Image.MAX_IMAGE_PIXELS = max_pixels / 2  # Pillow warns at its limit, and refuses twice as many
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY  # 64 MB
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, which is not used
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = before


def open_as(kind, content):
    """Return the Pillow image of a file of this kind; its pixels are not decoded yet.

    Image.open would do the same, but it hides why a file cannot be read.
    """
    try:
        module = importlib.import_module(f"PIL.{kind}ImagePlugin")
    except ModuleNotFoundError:
        raise Unreadable(f"a format that this version of Pillow does not read ({kind})") from None
    return getattr(module, f"{kind}ImageFile")(io.BytesIO(content))


def webp_size(content):
    """Return the width and height that the header of a WebP says."""
    chunk = content[12:16]
    if chunk == b"VP8X":
        return tuple(int.from_bytes(content[i : i + 3], "little") + 1 for i in (24, 27))
    if chunk == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return tuple(int.from_bytes(content[i : i + 2], "little") & 0x3FFF for i in (26, 28))


def check_pixels(width, height, max_pixels):
    """Raise Unreadable if there are more pixels than the limit."""
    if width * height > max_pixels:
        raise too_many(max_pixels, f"{width}×{height}; ")


def too_many(max_pixels, details=""):
    """Return the error for a picture of too many pixels."""
    return Unreadable(f"more than {max_pixels:,} pixels ({details}--max-pixels N allows more)")


def reason_for(error, kind, content, max_pixels):
    """Return the Unreadable for an error of Pillow's."""
    from PIL import Image

    text = reason_of(error)
    if isinstance(error, Image.DecompressionBombError):
        return too_many(max_pixels)
    if "MAX_TEXT" in text:
        return Unreadable("a PNG with more than 64 MB of text or colour profile")
    if text == "not identified by this driver":
        text = "it has no pixels, or none of a known mode"
    header = tiff_header(content) if kind == "Tiff" else None
    rare = header and text.startswith("decoder error") and RARE_CODECS.search(header)
    if NOT_READ.search(text) or isinstance(error.__cause__, KeyError) or rare:
        text = header or text
        return Unreadable(f"a {kind.upper()} of a kind that is not read ({text})")
    return Unreadable(f"damaged ({text})")


def tiff_header(content):
    """Return in words how a TIFF stores its pixels, although Pillow could not open it."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with contextlib.suppress(Exception):
        tags = ImageFileDirectory_v2(content[: 16 if b"+" in content[:4] else 8])
        file = io.BytesIO(content)
        file.seek(tags.next)
        tags.load(file)
        return tiff_details(tags)


def reason_of(error):
    """Return an error's message on one line, without the system's error number and path."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return one_line(text)


def check_memory(need):
    """Raise MemoryError unless this many bytes can be had."""
    try:
        np.empty(need, np.uint8)
    except (MemoryError, ValueError):  # ValueError: more than an address can hold
        raise MemoryError(f"there is not enough memory: decoding may take {need:,} bytes") from None


def square(image, size):
    """Return the central square of a Pillow image, upright and in RGB: (3, size, size) uint8."""
    from PIL import Image

    image.draft(None, (2 * size, 2 * size))  # decode a JPEG no larger than needed
    image.load()
    to_rgb, turn = rgb_reader(image), TURNS.get(orientation(image))
    if image.width * image.height <= pixels.STRIP:
        whole = upright(to_rgb(image), turn)
        side, left, top = central_square(whole)
        box = (left, top, left + side, top + side)
        picture = whole.resize((size, size), Image.Resampling.BICUBIC, box)
    else:
        picture = upright(resample_strips(image, size, to_rgb), turn)
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))


def central_square(image):
    """Return the side of the largest central square of an image, and its left and top edges."""
    side = min(image.size)
    return side, (image.width - side) / 2, (image.height - side) / 2


def upright(image, turn):
    """Return an image after one of TURNS, if any."""
    from PIL import Image

    return image.transpose(Image.Transpose[turn]) if turn else image


def resample_strips(image, size, to_rgb):
    """Return the central square of a large image in RGB, size×size.

    Strip by strip the width is resampled, and then the height, so that no second copy of the image
    is in memory.
    """
    from PIL import Image

    bicubic, (side, left, top) = Image.Resampling.BICUBIC, central_square(image)
    reach = 2 * max(1, side / size) + 1  # of the filter, beyond the square
    x, end = max(0, math.floor(left - reach)), min(image.width, math.ceil(left + side + reach))
    y, bottom = max(0, math.floor(top - reach)), min(image.height, math.ceil(top + side + reach))
    narrow = Image.new("RGB", (size, bottom - y))
    for _, first, _, last in pixels.strips((end - x, bottom - y)):
        strip = to_rgb(image.crop((x, y + first, end, y + last)))
        box = (left - x, 0, left - x + side, last - first)
        narrow.paste(strip.resize((size, last - first), bicubic, box), (0, first))
    return narrow.resize((size, size), bicubic, (0, top - y, size, top - y + side))


def orientation(image):
    """Return the orientation of a loaded image as EXIF says it, 1 to 8, or None."""
    try:
        value = image.getexif().get(ORIENTATION)
    except MemoryError:
        raise
    except Exception:  # a broken tag can raise anything; the pixels are fine
        return None
    return value if isinstance(value, int) else None
