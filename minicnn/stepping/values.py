"""What is kept of a value when a line is recorded: enough to draw it, never the value itself.

An array is kept as a Shot: its shape, dtype and range, and a picture of it, which has all of its
entries if they are few, else a sample of them.

    panels   (P, h, w)   the picture: the last two axes of an array are a map, and there is a panel
                         for each map.  An array with one axis is one row
    every    (a, b)      the picture has every a-th row and every b-th column
    exact                whether the picture has all entries
    lo, hi               the least and the largest entry of the whole array; NaNs are counted apart
"""

import math
from collections import namedtuple

import numpy as np

EXACT = 400  # entries; up to so many an array is kept whole
PIXELS = 2304  # of a larger one so many are kept at most, of up to twelve maps

Shot = namedtuple("Shot", "shape dtype lo hi bad panels every exact kin")
Text = namedtuple("Text", "text")


def look(value, kin_of=id, pixels=PIXELS):
    """Return a Shot of an array, and a Text of anything else.

    kin_of(array) names the memory of an array: what shares memory is drawn in the same colours.
    The picture of a large array has at most so many pixels.
    """
    if hasattr(value, "copy_to_host"):
        value = value.copy_to_host()
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return shot(value, kin_of(value), pixels)
    return Text(described(value))


def shot(array, kin, most=PIXELS):
    """Return the Shot of an array."""
    lo, hi, bad = range_of(array)
    maps = array.reshape((1,) * max(0, 3 - array.ndim) + array.shape)
    maps = maps.reshape(-1, *maps.shape[-2:]) if array.size else np.zeros((0, 0, 0), array.dtype)
    every, exact = (1, 1), array.size <= EXACT
    if not exact:
        P, h, w = maps.shape
        P = min(P, most // 576 * 3)  # three are a photograph
        side = int((most / P) ** 0.5)
        across = min(4 * side, most // P // min(h, side))  # a flat map may be wider
        every = -(-h // side), -(-w // across)
        maps = maps[:P, :: every[0], :: every[1]]
    panels = np.array(maps)  # a copy: the array may change
    return Shot(array.shape, array.dtype.name, lo, hi, bad, panels, every, exact, kin)


def range_of(array):
    """Return the least and the largest of the finite entries, and how many others there are."""
    lo, hi = (array.min(), array.max()) if array.size else (0, 0)
    if np.isfinite(lo) and np.isfinite(hi):  # a NaN would be both
        return float(lo), float(hi), 0
    finite = array[np.isfinite(array)]
    bad = array.size - finite.size
    return (float(finite.min()), float(finite.max()), bad) if finite.size else (0.0, 0.0, bad)


def described(value, most=60):
    """Return a value that is no array in a few words."""
    if hasattr(value, "_fields") and hasattr(value, "name"):  # a row of a network
        name = getattr(value, "forward", None)
        return f"{value.name}: {getattr(name, '__name__', 'row')}"
    if isinstance(value, (tuple, list)):
        opening, closing = "()" if isinstance(value, tuple) else "[]"
        parts = [described(part, 20) for part in value[:6]] + ["…"] * (len(value) > 6)
        text = ", ".join(parts) + "," * (len(value) == 1 and opening == "(")
        return f"{opening}{text}{closing}"
    if isinstance(value, dict):
        parts = [f"{key}: {described(part, 20)}" for key, part in list(value.items())[:4]]
        return "{" + ", ".join(parts + ["…"] * (len(value) > 4)) + "}"
    if isinstance(value, (np.ndarray, np.generic)) and getattr(value, "ndim", 0):
        return f"array {value.shape}"
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    if isinstance(value, (np.integer, np.bool_)):
        return str(value)
    if isinstance(value, (int, str, bool, type(None), slice, np.dtype)):
        return shortened(repr(value), most)
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return type(value).__name__


def shortened(text, most):
    return text if len(text) <= most else text[: most - 1] + "…"


def caption(shot):
    """Return shape, dtype and range in a line, and what the picture of a large array leaves out.

    "2 × 3 float64, −1.5 … 0.25"
    """
    count = math.prod(shot.shape)
    text = f"{' × '.join(map(str, shot.shape)) or 'one number'} {shot.dtype}"
    if not count:
        return f"{text}, empty"
    if shot.bad == count:
        return f"{text}, NaN or not written yet"
    same = f"all {number(shot.lo)}"
    text += f", {number(shot.lo)} … {number(shot.hi)}" if shot.hi > shot.lo else f", {same}"
    text += f"; {shot.bad:,} of {count:,} NaN, infinite or not written yet" if shot.bad else ""
    maps, (rows, columns), left_out = math.prod(shot.shape[:-2]), shot.every, []
    if len(shot.panels) < maps:
        left_out.append(f"{len(shot.panels)} of {maps:,} maps")
    if rows > 1 or columns > 1:
        left_out.append(f"1 of {rows} rows and of {columns} columns")
    return f"{text} (shown: {', '.join(left_out)})" if left_out else text


def is_photograph(shot):
    """Return whether an array is a photograph, or several: (…, 3, H, W) in bytes."""
    return shot.dtype == "uint8" and len(shot.shape) >= 3 and shot.shape[-3] == 3


def number(value):
    """Return a number with four digits, and a real minus."""
    return f"{value:.4g}".replace("-", "−")
