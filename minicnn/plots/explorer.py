"""A trained network and some images as one page of HTML that needs no network and no other file.

`page` takes what training/inspection.py computes, as a dict of texts, numbers, lists and arrays.
explorer.js draws it, and computes no layer: it decodes, subtracts and divides.

The page holds deflated bytes: the length of a JSON text in 4 bytes, the text, and then the arrays.
In the text, an array is {"type": "u1", "shape": […], "at": its first byte after the text}.  Maps
and kernels are stored with 8 bits for each entry and a scale for each map, see `coded`.
"""

import base64
import io
import json
import zlib

import numpy as np

from .. import storage
from ..stepping.page import full_page, minified

PAGE = storage.Kind("a page of `minicnn explore`", b'<!DOCTYPE html>.*<main id="explorer">')
ACROSS = 40  # patches in a row of their picture
QUALITY = 85  # of JPEG


def page(title, content):
    """Return the HTML of a page.

    Parameters
    ----------
    title : str
    content : dict
        What inspection.description returns, and in addition: patches, what best_patches returns,
        or None; and images, a list of what inspect returns, each with name, and label, the number
        of its class or None.
    """
    patches = content["patches"]
    content = content | {
        "kernels": {i: k | {"w": coded(k["w"])} for i, k in content["kernels"].items()},
        "patches": patches and patches | {"views": sheet(patches["views"])},
        "across": ACROSS,
        "images": [coded_image(image) for image in content["images"]],
    }
    blobs = []
    text = json.dumps(content, default=lambda array: stored(array, blobs), separators=(",", ":"))
    text = text.encode() + b" " * (-len(text.encode()) % 4)
    content = len(text).to_bytes(4, "little") + text + b"".join(blobs)
    packed = base64.b64encode(zlib.compress(content, 9)).decode()
    scripts = minified("arrays.js") + "\n" + minified("explorer.js", __package__)
    old = "This page needs JavaScript, and a browser from 2023 or later."
    return full_page(
        title,
        f'<main id="explorer"><h1>{title}</h1><p>{old}</p></main>'
        f"<style>{minified('explorer.css', __package__)}</style>"
        f'<script type="application/deflated" id="data">{packed}</script>'
        f"<script>(() => {{\n{scripts}\n}})();</script>",
    )


def stored(array, blobs):
    """Add the bytes of an array to `blobs`, padded to 4; return what the page's text says of it."""
    at = sum(map(len, blobs))
    content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    blobs.append(content + bytes(-len(content) % 4))
    return {"type": array.dtype.str[1:], "shape": array.shape, "at": at}


def coded_image(image):
    """Return what `inspect` returned of an image with 8 bits for each entry of a map."""
    return image | {
        "view": coded(image["view"]),
        "maps": [coded(maps) for maps in image["maps"]],
        "favour": {i: coded(maps) for i, maps in image["favour"].items()},
        "without": {
            i: np.rint(65535 * shares).astype(np.uint16) for i, shares in image["without"].items()
        },
    }


def coded(maps):
    """Return arrays (C, …) with 8 bits for each entry, and the scale of each of the C; or None.

    An entry is its code times the scale.  The scale is the map's largest size / 127, or / 255 if no
    entry of any map is negative.
    """
    if maps is None:
        return None
    maps = np.asarray(maps, np.float64)
    signed = bool((maps < 0).any())
    top = np.abs(maps).reshape(len(maps), -1).max(axis=1)
    scale = (top / (127 if signed else 255)).astype(np.float32)
    divisor = np.where(scale > 0, scale, 1).reshape(-1, *(1,) * (maps.ndim - 1))
    codes = np.rint(maps / divisor)
    return {"codes": codes.astype(np.int8 if signed else np.uint8), "scale": scale}


def sheet(images):
    """Return images (N, 3, H, W) uint8 as one picture, a JPEG's bytes as an array."""
    from PIL import Image

    N, _, H, W = images.shape
    rows = -(-N // ACROSS)
    tiles = np.zeros((rows * ACROSS, 3, H, W), np.uint8)
    tiles[:N] = images
    pixels = tiles.reshape(rows, ACROSS, 3, H, W).transpose(0, 3, 1, 4, 2)
    buffer = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels).reshape(rows * H, ACROSS * W, 3))
    picture.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return np.frombuffer(buffer.getvalue(), np.uint8)
