"""Photographs of every kind have the right pixels, or are refused for a true reason.

The files are written byte by byte here, so that no library judges its own output.
"""

import io
import itertools
import random
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin, features
from test_prepare import SIZE, picture

from minicnn.data import decode, pixels

# One photograph


def saved(path, image, **options):
    image.save(path, **options)
    return decode.decode(path, SIZE)


def test_the_central_square_is_scaled_to_size(tmp_path):
    pixels = np.zeros((SIZE, SIZE + 6, 3), np.uint8)
    pixels[:, 3:-3] = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3))
    wide = saved(tmp_path / "wide.png", Image.fromarray(pixels))
    assert np.array_equal(wide, pixels[:, 3:-3].transpose(2, 0, 1))  # no scaling: the very pixels
    high = saved(tmp_path / "high.png", Image.fromarray(pixels.transpose(1, 0, 2)))
    assert np.array_equal(high, pixels[:, 3:-3].transpose(2, 1, 0))


def test_scaling_then_cropping_as_the_paper_says_is_the_same_but_for_rounding(tmp_path):
    image = picture(np.random.default_rng(1), 70, 56)
    scaled = image.resize((SIZE * 70 // 56, SIZE), Image.Resampling.BICUBIC)
    paper = np.asarray(scaled.crop((1, 0, SIZE + 1, SIZE))).transpose(2, 0, 1)
    ours = saved(tmp_path / "a.png", image)
    assert np.abs(ours[:, :, 1:-1].astype(int) - paper[:, :, 1:-1]).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"])
def test_every_colour_mode_becomes_rgb(tmp_path, mode):
    image = picture(np.random.default_rng(2), SIZE, SIZE).convert("RGB" if mode == "1" else mode)
    image = image.convert(mode)
    expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(saved(tmp_path / "image.tif", image), expected)


def test_sixteen_bit_png_keeps_the_upper_eight(tmp_path):
    values = np.arange(SIZE * SIZE, dtype=np.uint16).reshape(SIZE, SIZE) * 1000
    x = saved(tmp_path / "a.png", Image.fromarray(values))
    assert np.array_equal(x, np.stack([values >> 8] * 3))


def test_a_cmyk_jpeg_is_read(tmp_path):
    x = saved(tmp_path / "a.jpg", Image.new("CMYK", (20, 30), (0, 255, 255, 0)), quality=95)
    assert np.abs(x.astype(int).mean(axis=(1, 2)) - [255, 0, 0]).max() < 10


def half_clear(mode):
    """Return an image, black on the left, clear on the right, and the words for that in PNG."""
    left = (0, 0, 4, SIZE)
    if mode in ("RGBA", "LA"):
        image = Image.new("RGBA", (SIZE, SIZE), (90, 90, 90, 0))
        image.paste((0, 0, 0, 255), left)
        return image.convert(mode), {}
    clear = (9, 9, 9) if mode == "RGB" else 1
    image = Image.new(mode, (SIZE, SIZE), clear)
    if mode == "P":
        image.putpalette([0, 0, 0, 200, 10, 10])
    image.paste((0, 0, 0) if mode == "RGB" else 0, left)
    return image, {"transparency": clear}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
def test_what_is_clear_is_white(tmp_path, mode):
    image, options = half_clear(mode)
    x = saved(tmp_path / "a.png", image, **options)
    assert (x[:, :, :4] == 0).all() and (x[:, :, 4:] == 255).all()


def test_what_is_half_clear_is_half_white(tmp_path):
    x = saved(tmp_path / "a.png", Image.new("RGBA", (9, 9), (100, 0, 0, 51)))  # a fifth of red
    assert x[:, 3, 3].tolist() == [255 - 31, 255 - 51, 255 - 51]


TURNS = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: lambda p: np.rot90(p),
}


@pytest.mark.parametrize("note", TURNS)
def test_pictures_are_turned_as_exif_says(tmp_path, note):
    pixels = np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = note
    for kind in ("png", "webp", "tif"):
        options = {"lossless": True} if kind == "webp" else {}
        x = saved(tmp_path / f"a.{kind}", Image.fromarray(pixels), exif=exif, **options)
        assert np.array_equal(x, TURNS[note](pixels).transpose(2, 0, 1))


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0garbage, and no end of it",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 40,
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\xff\xff\xff\x7f\xff\xff\xff\x7f",
    ],
)
def test_a_broken_exif_note_does_not_cost_the_picture(tmp_path, exif):
    image = picture(np.random.default_rng(4), SIZE, SIZE)
    plain = saved(tmp_path / "plain.jpg", image)
    assert np.array_equal(saved(tmp_path / "broken.jpg", image, exif=exif), plain)


@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "bmp", "tif", "webp", "ppm"])
def test_every_announced_format_is_read_whatever_the_file_is_called(tmp_path, kind):
    image = picture(np.random.default_rng(5), 40, 30)
    image.save(tmp_path / f"a.{kind}")
    (tmp_path / f"a.{kind}").rename(tmp_path / "a.xyz")
    x = decode.decode(tmp_path / "a.xyz", SIZE)
    assert x.shape == (3, SIZE, SIZE) and x.dtype == np.uint8 and x.flags.c_contiguous
    expected = np.asarray(image.crop((5, 0, 35, 30)).resize((SIZE, SIZE))).transpose(2, 0, 1)
    assert np.abs(x.astype(int) - expected).mean() < 30


def test_a_big_jpeg_is_drafted_and_looks_the_same(tmp_path):
    image = picture(np.random.default_rng(6), 800, 600)
    image.save(tmp_path / "big.jpg", quality=95)
    whole = saved(tmp_path / "big.png", image)
    sizes = []

    def rgb_reader(image):
        sizes.append(image.size)
        return pixels.rgb_reader(image)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "rgb_reader", rgb_reader)
        drafted = decode.decode(tmp_path / "big.jpg", SIZE)
    assert sizes == [(100, 75)]  # an eighth: still more than twice 8 pixels
    assert np.abs(drafted.astype(int) - whole).mean() < 3


# Files of any depth and layout, against the numbers that they were written from


def packed(values, bits):
    """Return rows of (H, W·C) values as bytes, `bits` each."""
    ones = (values[..., None] >> np.arange(bits)[::-1] & 1).astype(np.uint8)
    return [np.packbits(row).tobytes() for row in ones.reshape(len(values), -1)]


def seen(values, bits):
    """Return values of this many bits as eight bits: few are spread over 0 … 255, many are cut."""
    return values * 255 // (2**bits - 1) if bits < 8 else values >> (bits - 8)


def tiff(values, bits=8, photometric=1, order="<", **tags):
    """Return a TIFF of (H, W, C) values; `tags` are numbers as t320=(…)."""
    dtype = {8: "u1", 16: f"{order}u2", 32: f"{order}u4"}.get(bits)
    flat = values.reshape(len(values), -1)
    data = b"".join(packed(flat, bits)) if dtype is None else flat.astype(dtype).tobytes()
    if tags.get("t259") == [8]:
        data = zlib.compress(data)
    entries = {256: [values.shape[1]], 257: [len(values)], 258: [bits] * values.shape[2]}
    entries |= {262: [photometric], 277: [values.shape[2]]}
    entries |= {int(name[1:]): list(numbers) for name, numbers in tags.items()}
    planes = values.shape[2] if tags.get("t284") == [2] else 1
    size = len(data) // planes
    entries |= {273: [8 + size * i for i in range(planes)], 279: [size] * planes}
    body, extra, end = b"", b"", 8 + len(data) + len(data) % 2
    after = end + 2 + 12 * len(entries) + 4
    for tag, numbers in sorted(entries.items()):
        packed_numbers = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(numbers) > 1:
            packed_numbers, place = struct.pack(f"{order}I", after + len(extra)), packed_numbers
            extra += place
        body += struct.pack(f"{order}HHI", tag, 4, len(numbers)) + packed_numbers
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, end)
    directory = struct.pack(f"{order}H", len(entries)) + body + bytes(4)
    return head + data.ljust(end - 8, b"\0") + directory + extra


def png(values, bits, colour, clear=None, palette=None, interlaced=False, chunks=()):
    """Return a PNG of (H, W, C) values."""

    def chunk(name, data):
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    height, width, _ = values.shape
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
        passes += [(0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [values[y::down, x::right] for y, x, down, right in passes]
    rows = itertools.chain(*(packed(p.reshape(len(p), -1), bits) for p in parts if p.size))
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    for name, text in [*chunks, (b"PLTE", palette), (b"tRNS", clear), (b"IDAT", data)]:
        content += b"" if text is None else chunk(name, text)
    return content + chunk(b"IEND", b"")


def bmp(values, bits, header=40, palette=(), masks=(), runs=None):
    """Return a BMP of (H, W) values, from the bottom row to the top; `runs` is data of RLE."""
    data = runs or b"".join(row + bytes(-len(row) % 4) for row in bmp_rows(values[::-1], bits))
    compression = 3 if masks else 0 if runs is None else {8: 1, 4: 2}[bits]
    height, width = values.shape
    fields = [header, width, height, 1, bits, compression, len(data), 0, 0, len(palette), 0]
    head = struct.pack("<IiiHHIIiiII", *fields)
    colours = b"".join(bytes([b, g, r, 0]) for r, g, b in palette)
    head += struct.pack(f"<{len(masks)}I", *masks)
    head = head.ljust(header, b"\0") + colours
    size = 14 + len(head)
    return b"BM" + struct.pack("<IHHI", size + len(data), 0, 0, size) + head + data


def bmp_rows(values, bits):
    return (
        packed(values, bits)
        if bits < 16
        else [r.astype(f"<u{bits // 8}").tobytes() for r in values]
    )


def numbers(bits, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**bits, (SIZE, SIZE, channels))


def decoded(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    return decode.decode(tmp_path / "a", SIZE)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("compression", [1, 8])
def test_a_grey_tiff_is_right_at_every_depth(tmp_path, bits, order, photometric, compression):
    values = numbers(bits)
    content = tiff(values, bits, photometric, order, t259=[compression])
    grey = seen(values, bits)
    grey = grey if photometric else 255 - grey
    try:
        x = decoded(tmp_path, content)
    except decode.Unreadable as error:  # these cases are in no table of Pillow's
        assert (bits, order, photometric) in [
            (12, "<", 0),
            (12, ">", 0),
            (12, ">", 1),
            (16, ">", 0),
        ]
        assert str(error).startswith(f"a TIFF of a kind that is not read ({bits} bits, unsigned, ")
    else:
        assert np.array_equal(x, np.stack([grey[..., 0]] * 3))


@pytest.mark.parametrize("channels, photometric", [(3, 2), (4, 5)])
@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", "<>")
def test_a_colour_tiff_is_right_or_refused(tmp_path, channels, photometric, planes, bits, order):
    values = numbers(bits, channels)
    stored = values if planes == 1 else values.transpose(2, 0, 1).reshape(SIZE, SIZE, channels)
    content = tiff(stored, bits, photometric, order, t284=[planes])
    if planes == 2 and bits == 16:
        with pytest.raises(decode.Unreadable, match="a TIFF of a kind .*planes 2"):
            decoded(tmp_path, content)
        return
    x, levels = decoded(tmp_path, content), seen(values, bits)
    if channels == 4:
        levels = (255 - levels[..., :3]) * (255 - levels[..., 3:]) / 255
    assert np.abs(x - levels.transpose(2, 0, 1)).max() <= (channels == 4)


@pytest.mark.parametrize("bits, layout", [(8, 2), (16, 2), (32, 1), (32, 2), (32, 3), (16, 3)])
def test_pixels_without_a_scale_are_refused(tmp_path, bits, layout):
    content = tiff(numbers(8), bits, t339=[layout])
    with pytest.raises(decode.Unreadable, match="^pixels without a scale|not read .16 bits, float"):
        decoded(tmp_path, content)


@pytest.mark.parametrize("most", [255, 65535])
def test_a_palette_of_a_tiff_may_have_eight_bits(tmp_path, most):
    colours = np.random.default_rng(1).integers(0, most + 1, (3, 256))
    values = numbers(8)
    x = decoded(tmp_path, tiff(values, 8, 3, t320=colours.ravel()))
    assert np.array_equal(x, (colours[:, values[..., 0]] >> (8 if most > 255 else 0)))


@pytest.mark.parametrize("subsampling", [[1, 1], [2, 2], None])
def test_uncompressed_ycbcr_is_read_if_it_is_not_subsampled(tmp_path, subsampling):
    tags = {} if subsampling is None else {"t530": subsampling}
    content = tiff(np.full((SIZE, SIZE, 3), [76, 85, 255]), 8, 6, **tags)
    with Image.open(io.BytesIO(content)) as image:
        known = image.mode == "YCbCr"  # not in Pillow 11
    if known and subsampling == [1, 1]:
        assert np.abs(decoded(tmp_path, content)[:, 0, 0] - np.array([254.0, 0, 0])).max() <= 1
    else:
        with pytest.raises(decode.Unreadable, match="a TIFF of a kind that is not read"):
            decoded(tmp_path, content)


PNGS = [(0, b) for b in (1, 2, 4, 8, 16)] + [(2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)]


@pytest.mark.parametrize("colour, bits", PNGS + [(3, b) for b in (1, 2, 4, 8)])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("clear", [False, True])
def test_a_png_is_right_at_every_depth(tmp_path, colour, bits, interlaced, clear):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    values, palette, transparent, opacity = numbers(bits, channels), None, None, 1
    levels = seen(values, bits)
    if colour == 3:
        rng = np.random.default_rng(2)
        colours = rng.integers(0, 256, (2**bits, 4), dtype=np.uint8)
        palette, levels = colours[:, :3].tobytes(), colours[values[..., 0], :3]
        if clear:
            transparent, opacity = colours[:, 3].tobytes(), colours[values[..., 0], 3:] / 255
    elif colour in (4, 6):
        levels, opacity = levels[..., :-1], levels[..., -1:] / 255
    elif clear:
        values[::2, ::2] = values[0, 0]
        values[1::2, ::2] = values[0, 0] ^ 1  # nearly the same
        levels, transparent = seen(values, bits), struct.pack(f">{channels}H", *values[0, 0])
        opacity = np.any(values != values[0, 0], axis=2, keepdims=True)
    x = decoded(tmp_path, png(values, bits, colour, transparent, palette, interlaced))
    expected = levels * opacity + 255 * (1 - opacity)
    assert np.abs(x - expected.transpose(2, 0, 1)).max() <= 1


PALETTES = {
    "colours": np.random.default_rng(3).integers(0, 256, (16, 3)),
    "few": np.random.default_rng(3).integers(0, 256, (3, 3)),
    "black and white": [[0] * 3, [255] * 3],
    "white and black": [[255] * 3, [0] * 3],
    "greys": [[i] * 3 for i in range(16)],
}


@pytest.mark.parametrize("bits, runs", [(1, False), (4, False), (8, False), (4, True), (8, True)])
@pytest.mark.parametrize("name", PALETTES)
def test_a_bmp_with_a_palette_is_right(tmp_path, bits, name, runs):
    palette = np.array(PALETTES[name])[: 2**bits]
    values = np.random.default_rng(4).integers(0, len(palette), (SIZE, SIZE))
    data = None
    if runs:
        double = 17 if bits == 4 else 1
        lines = [b"".join(bytes([1, v * double]) for v in row) + b"\0\0" for row in values[::-1]]
        data = b"".join(lines) + b"\0\1"
    x = decoded(tmp_path, bmp(values, bits, 40, palette, runs=data))
    assert np.array_equal(x, palette[values].transpose(2, 0, 1))


FIELDS = {  # bits, masks of red, green, blue and alpha
    "555": (16, (0x7C00, 0x3E0, 0x1F, 0)),
    "565": (16, (0xF800, 0x7E0, 0x1F, 0)),
    "1555": (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    "4444": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "BGRX": (32, (0xFF0000, 0xFF00, 0xFF, 0)),
    "BGRA": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    "RGBA": (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
    "10 bits": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0)),
}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("used", [True, False])
def test_a_bmp_of_bit_fields_is_right_or_refused(tmp_path, name, used):
    bits, masks = FIELDS[name]
    values = np.random.default_rng(5).integers(0, 2**bits, (SIZE, SIZE))
    if not used:
        values &= ~masks[3]  # alpha is 0 everywhere: no program means nothing but white
    content = bmp(values, bits, 108, masks=masks)
    if name in ("1555", "4444", "10 bits"):
        with pytest.raises(decode.Unreadable, match="^a BMP of a kind that is not read "):
            decoded(tmp_path, content)
        return
    levels = [(values & mask) / max(mask, 1) * 255 for mask in masks]
    opacity = levels[3] / 255 if masks[3] and used else 1
    expected = np.stack(levels[:3]) * opacity + 255 * (1 - opacity)
    assert np.abs(decoded(tmp_path, content) - expected).max() <= 1.01


def test_cmyk_of_a_jpeg_is_inverted_where_adobe_says_so(tmp_path):
    ink = np.full((SIZE, SIZE, 4), [0, 255, 255, 0], np.uint8)  # red
    content = io.BytesIO()
    Image.fromarray(255 - ink, "CMYK").save(content, "JPEG", quality=100)
    marked = content.getvalue()  # holds 255 minus what it was given
    start = marked.index(b"\xff\xee")
    plain = (
        marked[:start] + marked[start + 2 + int.from_bytes(marked[start + 2 : start + 4], "big") :]
    )
    assert np.abs(decoded(tmp_path, plain)[:, 0, 0] - np.array([255.0, 0, 0])).max() <= 3
    assert np.abs(decoded(tmp_path, marked)[:, 0, 0] - np.array([0.0, 0, 0])).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_animation_gives_its_first_frame(tmp_path, kind):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    first, second = Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")
    content = io.BytesIO()
    first.save(content, kind, save_all=True, append_images=[second])
    x = decoded(tmp_path, content.getvalue())
    assert np.abs(x[:, 0, 0] - np.array([255.0, 0, 0])).max() <= 5


def test_around_a_small_first_frame_a_gif_is_clear(tmp_path):
    frame, content = Image.new("P", (4, 4), 1), io.BytesIO()
    frame.putpalette([0, 255, 0, 0, 0, 255])
    frame.save(content, "GIF")
    small = bytearray(content.getvalue())
    place = small.index(b",", 13)
    small[6:10], small[place + 1 : place + 5] = struct.pack("<HH", 8, 8), struct.pack("<HH", 2, 2)
    x = decoded(tmp_path, bytes(small))
    assert (x[:, 2:6, 2:6] == np.array([0, 0, 255])[:, None, None]).all()
    assert x.sum(axis=0).tolist()[0] == [3 * 255] * 8 and (x[:, :, 6:] == 255).all()


@pytest.mark.parametrize("maximum", [1, 9, 255, 4095, 65535])
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_a_ppm_is_scaled_by_its_maximum(tmp_path, maximum, kind):
    channels = 1 if kind in (2, 5) else 3
    values = np.random.default_rng(6).integers(0, maximum + 1, (SIZE, SIZE, channels))
    if kind < 4:
        data = " ".join(map(str, values.ravel())).encode() + b"\n"
    else:
        data = values.astype(">u2" if maximum > 255 else "u1").tobytes()
    x = decoded(tmp_path, b"P%d\n%d %d\n%d\n" % (kind, SIZE, SIZE, maximum) + data)
    assert np.abs(x - (values * 255 / maximum).transpose(2, 0, 1)).max() <= 1


# Strips


@pytest.mark.parametrize("shape", [(61, 40), (40, 61), (50, 50), (3, 90), (90, 30), (1, 1)])
@pytest.mark.parametrize("strip", [1, 1000, 10**6])
def test_strips_give_what_the_whole_image_gives(tmp_path, monkeypatch, shape, strip):
    monkeypatch.setattr(pixels, "STRIP", strip)
    values = np.random.default_rng(7).integers(0, 256, (*shape, 4), dtype=np.uint8)
    image = Image.fromarray(values)
    side, (height, width) = min(shape), shape
    corner = [(width - side) / 2, (height - side) / 2]
    page = Image.new("RGB", image.size, "white")
    page.paste(image, mask=image.getchannel("A"))
    box = (*corner, corner[0] + side, corner[1] + side)
    expected = page.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box)
    x = saved(tmp_path / "a.png", image).astype(int)
    most = 8 if height > 2 * width else 0  # Pillow takes the height of such images first
    assert np.abs(x - np.asarray(expected).transpose(2, 0, 1)).max() <= most


@pytest.mark.parametrize("note", TURNS)
@pytest.mark.parametrize("strip, most", [(2**22, 0), (100, 1)])
def test_a_photograph_is_turned_before_or_after(tmp_path, monkeypatch, note, strip, most):
    monkeypatch.setattr(pixels, "STRIP", strip)
    image = picture(np.random.default_rng(8), 50, 37)
    exif = Image.Exif()
    exif[0x0112] = note
    x = saved(tmp_path / "a.png", image, exif=exif)
    with Image.open(tmp_path / "a.png") as opened:
        turned = saved(tmp_path / "b.png", ImageOps.exif_transpose(opened))
    assert np.abs(x - turned.astype(int)).max() <= most


PEAK = """
import pathlib, sys
from minicnn.data import decode
decode.decode(sys.argv[1])
status = pathlib.Path("/proc/self/status").read_text()  # a process inherits ru_maxrss
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measures in kB")
def test_a_small_file_of_many_pixels_takes_the_memory_of_one_copy(tmp_path):
    Image.new("RGBA", (9_400, 9_400)).save(tmp_path / "a.png")  # 0.4 MB, 88 million pixels
    command = [sys.executable, "-c", PEAK, tmp_path / "a.png"]
    peak = int(subprocess.run(command, capture_output=True, check=True).stdout)
    assert peak < 4 * 9_400**2 / 2**20 + 200


# What is the file's fault, and what is the machine's


def refusal(tmp_path, content, **options):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(decode.Unreadable) as refused:
        decode.decode(tmp_path / "a", SIZE, **options)
    return str(refused.value)


OTHERS = {
    "HEIC, as iPhones save it": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "JPEG XL": b"\xff\x0a\0\0",
    "a web page": b"\n<!DOCTYPE html><html>",
    "a film": b"\0\0\0\x18ftypisom\0\0\0\0mp42isom",
    "not an image of a known kind (JPEG, PNG, GIF, BMP, TIFF, WEBP, AVIF, PPM)": b"BMW is a car",
    "damaged (broken PNG file": png(numbers(8), 8, 0).replace(b"IDAT\x78", b"IDA\xff\x78"),
    "damaged (not a PNG file": png(numbers(8), 8, 0).replace(b"\r\n", b"\n", 1),
    "a JPEG of a kind that is not read (cannot handle 12-bit layers)": b"\xff\xd8\xff\xc0\0\x0b\x0c"
    + bytes(10),
    "a BMP of a kind that is not read (Unsupported BMP compression (4))": bmp(
        numbers(8)[..., 0], 8, runs=b"x"
    ).replace(struct.pack("<HI", 8, 1), struct.pack("<HI", 8, 4)),
    "a TIFF of a kind that is not read (8 bits, unsigned, photometric 1, compression 9)": tiff(
        numbers(8), t259=[9]
    ),
    "a camera's raw file, or a thumbnail": tiff(numbers(8), t254=[1]),
    "damaged (it has no pixels": b"P5 0 3 255 ",
    "a TIFF of a kind that is not read (8 bits, unsigned, photometric \\x1b[31m)": tiff(
        numbers(8)
    ).replace(struct.pack("<HHII", 262, 4, 1, 1), struct.pack("<HHI4s", 262, 2, 4, b"\x1b[31")),
}


@pytest.mark.parametrize("reason", OTHERS)
def test_the_reason_is_true(tmp_path, reason):
    said = refusal(tmp_path, OTHERS[reason])
    assert said.startswith(reason.partition("\\x1b")[0]) and said.isprintable()


def test_a_png_may_have_much_text_and_a_large_profile(tmp_path):
    values = numbers(8, 3)
    text, profile = zlib.compress(bytes(5_000_000)), zlib.compress(bytes(3_000_000))
    chunks = [(b"zTXt", b"a\0\0" + text), (b"iCCP", b"b\0\0" + profile), (b"tEXt", b"c\0" + text)]
    x = decoded(tmp_path, png(values, 8, 2, chunks=chunks))
    assert np.array_equal(x, values.transpose(2, 0, 1))
    bomb = [(b"zTXt", b"a\0\0" + zlib.compress(bytes(70_000_000)))]
    said = refusal(tmp_path, png(values, 8, 2, chunks=bomb))
    assert said == "a PNG with more than 64 MB of text or colour profile"
    assert PngImagePlugin.MAX_TEXT_CHUNK == 2**20  # Pillow's own limit is as it was


LIMITED = {kind: {} for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")}
LIMITED |= {"WEBP lossless": {"lossless": True}, "WEBP extended": {"exif": b"Exif\0\0"}}


@pytest.mark.parametrize("name", LIMITED)
def test_the_limit_of_pixels_is_an_option(tmp_path, monkeypatch, name):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    content = io.BytesIO()
    Image.new("RGB", (20, 15)).save(content, name.split()[0], **LIMITED[name])
    said = refusal(tmp_path, content.getvalue(), max_pixels=299)
    assert said == "more than 299 pixels (20×15; --max-pixels N allows more)"
    assert decode.decode(tmp_path / "a", SIZE, max_pixels=300).shape == (3, SIZE, SIZE)
    assert Image.MAX_IMAGE_PIXELS == 50


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_what_the_machine_cannot_do_is_not_the_files_fault(tmp_path, monkeypatch, kind):
    path = tmp_path / "a"
    picture(np.random.default_rng(9), 60, 50).save(path, kind)
    content = path.read_bytes()

    def fail(error):
        def raise_it(*args):
            raise error

        return raise_it

    faults = MemoryError(), OSError("decoder error -9"), SystemError("NULL")
    for error, short in itertools.product(faults, (False, True)):
        with monkeypatch.context() as patch:
            patch.setattr(decode, "square", fail(error))
            if short:
                patch.setattr(decode.np, "empty", fail(MemoryError()))
                with pytest.raises(MemoryError, match="not enough memory: decoding may take [0-9]"):
                    decode.decode(path, SIZE)
            else:  # there is memory, but the file asks for more than its pixels need
                assert refusal(tmp_path, content).startswith("damaged (")
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", fail(OSError(5, "Input/output error")))
        with pytest.raises(OSError, match="Input/output error"):
            decode.decode(path, SIZE)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        decode.decode(path, SIZE)


# Mutated files


def seeds():
    """Return some small files of each format."""
    image, grey = picture(np.random.default_rng(10), 40, 33), numbers(16)
    exif = Image.Exif()
    exif[0x0112] = 6

    def save(kind, mode="RGB", **options):
        content = io.BytesIO()
        image.convert(mode).save(content, kind, **options)
        return content.getvalue()

    frames = {"save_all": True, "append_images": [image.rotate(90)]}
    tiffs = [save("TIFF", compression=c, exif=exif) for c in ("raw", "tiff_lzw", "jpeg")]
    files = {
        "JPEG": [
            save("JPEG", exif=exif),
            save("JPEG", "CMYK", progressive=True),
            save("JPEG", "L"),
        ],
        "PNG": [save("PNG", **frames), save("PNG", "P", transparency=3), save("PNG", "RGBA")]
        + [png(grey, 16, 0, b"\0\1", interlaced=True), png(numbers(16, 3), 16, 2, b"\0\1" * 3)],
        "GIF": [save("GIF", **frames), save("GIF", "L")],
        "BMP": [save("BMP"), save("BMP", "P"), bmp(grey[..., 0] & 7, 8, runs=b"\x08\1\0\0" * 8)],
        "TIFF": [*tiffs, tiff(grey, 16, 0, ">"), save("TIFF", "1", compression="group4")],
        "WEBP": [
            save("WEBP", exif=exif),
            save("WEBP", "RGBA", lossless=True),
            save("WEBP", **frames),
        ],
        "PPM": [
            save("PPM"),
            b"P3\n2 2\n9\n1 2 3 4 5 6 7 8 9 0 1 2\n",
            b"P5 4 4 4095\n" + bytes(32),
        ],
    }
    if features.check("avif"):
        files["AVIF"] = [save("AVIF", exif=exif), save("AVIF", "RGBA")]
    return files


def mutate(rng, content):
    """Return the content with a few bytes changed, removed, inserted or cut off."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5])):
        place = rng.randrange(rng.choice([len(content), min(len(content), 100)]))
        change = rng.choice(["set", "set", "flip", "field", "remove", "insert", "cut"])
        if change == "set":
            content[place] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
        elif change == "flip":
            content[place] ^= 1 << rng.randrange(8)
        elif change == "field":
            content[place : place + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f"])
        elif change == "remove":
            del content[place : place + rng.choice([1, 2, 50])]
        elif change == "insert":
            content[place:place] = rng.randbytes(rng.choice([1, 2, 4]))
        else:
            del content[place + 1 :]
        content = content or bytearray(1)
    return bytes(content)


def mend_checksums(content):
    """Return a PNG with right checksums, as far as its chunks can be followed."""
    place = 8
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        if end + 4 > len(content):
            break
        crc = struct.pack(">I", zlib.crc32(content[place + 4 : end]))
        content, place = content[:end] + crc + content[end + 4 :], end + 4
    return content


def check_mutated_files(path, kind, count):
    rng, originals = random.Random(f"{kind} of 2012"), seeds()[kind]
    outcomes = {"read": 0, "refused": 0}
    for _ in range(count):
        content = mutate(rng, rng.choice(originals))
        if kind == "PNG" and rng.random() < 0.8:
            content = mend_checksums(content)
        path.write_bytes(content)
        try:
            x = decode.decode(path, SIZE, max_pixels=10**6)
        except decode.Unreadable as error:
            assert str(error).isprintable()
            outcomes["refused"] += 1
        else:
            assert x.shape == (3, SIZE, SIZE) and x.dtype == np.uint8
            outcomes["read"] += 1
    assert min(outcomes.values()) > count / 50, outcomes


KINDS = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"] + ["AVIF"] * features.check("avif")


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_read_or_refused(tmp_path, kind):
    check_mutated_files(tmp_path / "a", kind, 500)


@pytest.mark.slow
@pytest.mark.very_slow
@pytest.mark.parametrize("kind", KINDS)
def test_very_many_mutated_files_are_read_or_refused(tmp_path, kind):
    check_mutated_files(tmp_path / "a", kind, 10_000)
