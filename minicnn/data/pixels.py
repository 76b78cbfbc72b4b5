"""The pixels of an image that Pillow has opened, as eight bits of red, green and blue.

Pillow's modes do not say everything: how many of 16 bits a TIFF uses, whether its zero is white, or
which of two readings of CMYK a JPEG means.  This file adds what the formats say, in two steps:

    settle        before the pixels are decoded: mend what Pillow misreads, refuse what it cannot do
    rgb_reader    afterwards: the function that turns the image, or a strip of it, into RGB

Pixels without a scale (floating point, 32 bits, signed integers) are refused: nothing says which
number is white.
"""

import io

import numpy as np

SUBFILE = 254  # tags of TIFF
BITS, COMPRESSION, COLOURS, FILL, PLANES = 258, 259, 262, 266, 284
MAP, INKS, EXTRA, SAMPLES, SUBSAMPLING = 320, 332, 338, 339, 530
WHITE_IS_ZERO, YCBCR = 0, 6  # values of COLOURS
STRIP = 2**22  # pixels that are converted at a time


class Unreadable(ValueError):
    """The file is not a photograph that can be read; the message is the reason, on one line.

    Reasons of one kind have the same words in front of " (", where the details begin.
    """

    def __init__(self, reason):
        super().__init__(one_line(reason))


def one_line(text):
    """Return a text, perhaps a stranger's, on one line of at most 200 printable characters."""
    line = " ".join(text.split())[:200]
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def settle(image, content):
    """Mend what Pillow's header says about an image that is not yet loaded, and return the image.

    `content` is the file.  Raises Unreadable if the pixels cannot be right.
    """
    if image.format == "TIFF":
        settle_tiff(image)
    elif image.format == "BMP":
        settle_bmp(image, content)
    elif image.format == "PNG" and "transparency" in image.info:
        settle_png(image, content)
    elif image.format == "GIF" and image.tile and image.tile[0].extents != (0, 0, *image.size):
        image = on_canvas(image, image.tile[0].extents)
    scaled = image.mode != "I" or image.format == "PPM"  # Pillow scales PPM to 0 … 65535
    if image.mode == "F" or not scaled:
        raise Unreadable(f"pixels without a scale, not a photograph (mode {image.mode})")
    return image


def on_canvas(image, frame):
    """Return a GIF whose first frame covers a part of it, and the rest is clear, as in browsers."""
    from PIL import Image

    canvas = Image.new("RGBA", image.size)
    canvas.paste(image.crop(frame).convert("RGBA"), frame[:2])
    return canvas


def settle_tiff(image):
    """Refuse samples that have no scale, and layouts that Pillow reads wrongly."""
    from PIL import ImagePalette

    tags, raw = image.tag_v2, image.info["compression"] == "raw"
    bits, colours = tags.get(BITS, (1,)), tags.get(COLOURS, WHITE_IS_ZERO)
    if set(tags.get(SAMPLES, (1,))) != {1} or max(bits) > 16:
        raise Unreadable(f"pixels without a scale, not a photograph ({tiff_details(tags)})")
    if tags.get(SUBFILE, 0) & 1:
        raise Unreadable("a camera's raw file, or a thumbnail of another image: convert it to JPEG")
    readable = tags.get(INKS, 1) == 1
    if raw and colours == YCBCR:
        readable &= image.mode == "YCbCr" and tuple(tags.get(SUBSAMPLING, (2, 2))) == (1, 1)
    if tags.get(PLANES) == 2:
        readable &= len(tags.get(EXTRA, ())) < 2 and image.mode not in ("LA", "La", "PA")
        if raw:  # Pillow then takes the first letters of a mode's name for its planes
            readable &= image.mode in ("L", "RGB", "RGBA", "CMYK") and colours != WHITE_IS_ZERO
            readable &= set(bits) == {8} and tags.get(FILL, 1) == 1
    if not readable:
        raise Unreadable(f"a TIFF of a kind that is not read ({tiff_details(tags)})")
    if image.mode in ("P", "PA") and max(tags[MAP]) < 256:  # written with 8 bits instead of 16
        image.palette = ImagePalette.raw("RGB;L", bytes(tags[MAP]))


def tiff_details(tags):
    """Return in words how a TIFF stores its pixels."""
    bits, numbers = tags.get(BITS, (1,)), max(tags.get(SAMPLES, (1,)))
    numbers = {1: "unsigned", 2: "signed", 3: "floating point"}.get(numbers, f"format {numbers}")
    details = {"photometric": COLOURS, "compression": COMPRESSION, "planes": PLANES, "fill": FILL}
    values = ", ".join(f"{name} {tags[tag]}" for name, tag in details.items() if tag in tags)
    return f"{'+'.join(map(str, bits))} bits, {numbers}, {values}"


def settle_bmp(image, content):
    """Read a palette of greys as a palette if it has fewer colours than the pixels have values.

    Pillow takes 2 greys for 1 bit and others for 8 bits, whatever the header says.
    """
    from PIL import ImagePalette

    header = content[14]  # its length
    bits = content[24] if header == 12 else content[28]
    masked = header >= 56 and content[30] == 3
    if bits == 16 and masked and any(content[66:70]):
        raise Unreadable("a BMP of a kind that is not read (16 bits with transparency)")
    if (image.mode, bits) in (("1", 4), ("1", 8), ("L", 4)):
        greys = (0, 255) if image.mode == "1" else range(16)
        image._mode = "P"
        image.palette = ImagePalette.raw("RGB", b"".join(bytes([g] * 3) for g in greys))
        tile = image.tile[0]
        raw = "P" if bits == 8 else "P;4"
        image.tile = [tile._replace(args=(raw, *tile.args[1:]))]


def settle_png(image, content):
    """Give the transparent colour in the scale of the decoded pixels."""
    bits, clear = content[24], image.info["transparency"]
    if image.mode == "RGB" and bits == 16:
        cut_out(image, content, clear)
    elif image.mode == "RGB":
        image.info["transparency"] = tuple(value & 255 for value in clear)
    elif image.mode in ("1", "L"):
        image.info["transparency"] = (clear & (2**bits - 1)) * 255 // (2**bits - 1)


def cut_out(image, content, colour):
    """Make the pixels of one colour of 16-bit RGB transparent; Pillow keeps their upper bytes only.

    The file is decoded again for the lower bytes, because a colour is clear only if both are equal.
    """
    from PIL import Image

    lower = type(image)(io.BytesIO(content))
    lower.tile = [lower.tile[0]._replace(args="RGB;16L")]
    opacity = Image.new("L", image.size)
    for strip in strips(image.size):
        values = np.asarray(image.crop(strip)).astype(np.uint16) << 8 | np.asarray(
            lower.crop(strip)
        )
        opaque = np.any(values != colour, axis=2)
        opacity.paste(Image.fromarray(opaque.astype(np.uint8) * 255), strip[:2])
    del lower  # frees its memory
    image.putalpha(opacity)
    del image.info["transparency"]


def strips(size):
    """Yield the boxes of an image's strips from top to bottom."""
    width, height = size
    rows = max(1, STRIP // width)
    for y in range(0, height, rows):
        yield 0, y, width, min(y + rows, height)


def rgb_reader(image):
    """Return the function that turns this loaded image, or a strip of it, into RGB."""
    from PIL import ImageChops

    if image.mode.startswith("I"):
        return grey_reader(image)
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        # Adobe's programs store 255 minus the ink, and Pillow expects that of all files
        return lambda strip: ImageChops.invert(strip).convert("RGB")
    if image.format == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getbbox():
        return lambda strip: strip.convert("RGB")  # 255 and 0 are both written for "not used"
    return over_white if image.has_transparency_data else lambda strip: strip.convert("RGB")


def grey_reader(image):
    """Return the function for 12 or 16 bits of grey: it keeps the upper eight."""
    from PIL import Image

    tags = getattr(image, "tag_v2", {})
    unused = 4 if tags.get(BITS) == (12,) else 8
    white_is_zero = tags.get(COLOURS) == WHITE_IS_ZERO
    clear = image.info.get("transparency")

    def read(strip):
        values = np.asarray(strip)
        grey = (values >> unused).astype(np.uint8)
        if white_is_zero:
            grey = 255 - grey
        if clear is not None:
            grey[values == clear] = 255
        return Image.fromarray(grey).convert("RGB")

    return read


def over_white(strip):
    """Return a strip with transparency in RGB, on a white page."""
    from PIL import Image

    if strip.mode in ("La", "RGBa"):  # colours times their opacity
        strip = strip.convert(strip.mode.upper())
    strip = strip.convert("RGBA")
    page = Image.new("RGB", strip.size, "white")
    page.paste(strip, mask=strip.getchannel("A"))
    return page
