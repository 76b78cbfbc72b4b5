"""Summaries of values for the record: enough to draw a value, never the value itself.

An array becomes a Shot: its shape, dtype and range, and a picture.  The picture of a small array
has all its entries, that of a larger one a sample.

    panels   (P, h, w)   the picture: one panel for each map, a map being the last two axes of the
                         array.  An array with one axis is a single row
    every    (a, b)      the picture has every a-th row and every b-th column
    exact                whether the picture has all entries
    lo, hi               the least and the largest finite entry of the whole array
    bad                  the number of entries that are not finite; `odd` lists them by kind:
                         ((3, "NaN"), (1, "−∞"))
    kin                  a number for its memory, which an array and its views share
    rgb                  the number to add to the entries of three maps, which are then drawn as one
                         picture in colour: 0 in a photograph, MID in one minus a mean; else None

A short list or tuple of arrays of one shape becomes a Row of Shots, whose pictures together are no
larger than one: the places of pooling, or the two columns of the paper's network.

Any other value becomes a Text, a description in a few words.
"""

import math
from collections import namedtuple

import numpy as np

EXACT = 400  # an array with at most this many entries is kept whole
PIXELS = 2304  # the most entries kept of a larger array, from up to twelve maps
MAPS = 300_000  # the most entries kept of maps, at their full resolution: 96 maps of 55×55
SIDE = 512  # the largest width and height of a map; what is longer is a matrix
ROW = 16  # the most arrays in a Row
MID = 128  # mid grey
NOT_YET = "not written yet"
# The bits of an unwritten entry, by item size: a NaN that no computation produces.
UNWRITTEN = {2: 0x7E17, 4: 0x7FC00E17, 8: 0x7FF8000000000E17}

Shot = namedtuple("Shot", "shape dtype lo hi bad odd panels every exact kin rgb")
Row = namedtuple("Row", "shots")
Text = namedtuple("Text", "text")


def look(value, kin_of=id, pixels=PIXELS, maps=MAPS, name=""):
    """Return the Shot of an array, the Row of several, or the Text of any other value.

    kin_of(array) identifies the memory of an array: arrays that share it are drawn in one range of
    colours.  `pixels` is the most that a picture may have, and `maps` that of maps.  `name` is the
    variable's.
    """
    if hasattr(value, "copy_to_host"):
        value = value.copy_to_host()
    if is_array(value):
        return shot(value, kin_of(value), pixels, maps, name)
    if is_row(value):
        most = pixels // len(value), maps // len(value)
        return Row(tuple(shot(part, kin_of(part), *most) for part in value))
    return Text(described(value))


def is_array(value):
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiub"


def is_row(value):
    """Return whether a value is a list or tuple of 2 … ROW arrays of one shape."""
    if not isinstance(value, (list, tuple)) or not 2 <= len(value) <= ROW:
        return False
    return all(map(is_array, value)) and len({part.shape for part in value}) == 1


def parts(name, value):
    """Return {"x": x}, or for a row {"x[0]": its first array, …}."""
    if not is_row(value):
        return {name: value}
    return {f"{name}[{n}]": part for n, part in enumerate(value)}


def shot(array, kin, most=PIXELS, most_of_maps=MAPS, name=""):
    """Return the Shot of an array."""
    lo, hi, odd = range_of(array)
    bad = sum(count for count, _ in odd)
    maps = array.reshape((1,) * max(0, 3 - array.ndim) + array.shape)
    maps = maps.reshape(-1, *maps.shape[-2:]) if array.size else np.zeros((0, 0, 0), array.dtype)
    every, exact = (1, 1), array.size <= min(EXACT, most)
    if not exact:
        P, h, w = maps.shape
        are_maps = array.ndim >= 3 and max(h, w) <= SIDE
        whole = max(3, most_of_maps // (h * w) // 3 * 3)  # a multiple of 3, as in a photograph
        if are_maps and most_of_maps > most:
            most, P = most_of_maps, min(P, whole)
        else:
            P = min(P, max(1, most // 576 * 3))
        if are_maps:  # their proportions stay
            every = (max(1, math.ceil((P * h * w / most) ** 0.5)),) * 2
        else:
            side = int((most / P) ** 0.5)
            across = min(4 * side, most // P // min(h, side))  # a flat matrix may be wider
            every = -(-h // side), -(-w // across)
        maps = maps[:P, :: every[0], :: every[1]]
    panels = np.array(maps)  # a copy: the array may change
    made = Shot(array.shape, array.dtype.name, lo, hi, bad, odd, panels, every, exact, kin, None)
    return made._replace(rgb=added_for_colours(made, name))


def thinned(shot, most):
    """Return a Shot with fewer maps, or with every other row and column of the picture."""
    few = max(12, most // shot.panels[0].size // 3 * 3)
    if few < len(shot.panels):
        return shot._replace(panels=shot.panels[:few])
    rows, columns = shot.every
    return shot._replace(panels=shot.panels[:, ::2, ::2], every=(2 * rows, 2 * columns))


def range_of(array):
    """Return the least and the largest finite entry, and [(count, kind)] of the others."""
    lo, hi = (array.min(), array.max()) if array.size else (0, 0)
    if np.isfinite(lo) and np.isfinite(hi):  # a NaN would be both
        return float(lo), float(hi), ()
    finite = array[np.isfinite(array)]
    lo, hi = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    unwritten = np.count_nonzero(is_unwritten(array))
    counts = {
        NOT_YET: unwritten,
        "NaN": np.count_nonzero(np.isnan(array)) - unwritten,
        "−∞": np.count_nonzero(np.isneginf(array)),
        "∞": np.count_nonzero(np.isposinf(array)),
    }
    return lo, hi, tuple((int(count), kind) for kind, count in counts.items() if count)


def is_unwritten(array):
    """Return a mask of the entries that `unwrite` has marked and nothing has overwritten."""
    if array.itemsize not in UNWRITTEN:
        return np.zeros(array.shape, bool)
    return array.view(f"u{array.itemsize}") == UNWRITTEN[array.itemsize]


def unwrite(array):
    """Mark all entries of newly allocated memory as unwritten."""
    if isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.itemsize in UNWRITTEN:
        array.view(f"u{array.itemsize}")[...] = UNWRITTEN[array.itemsize]


def described(value, most=60):
    """Return a description of a value that is not an array, in a few words."""
    if hasattr(value, "_fields") and hasattr(value, "name"):  # a layer of a network
        forward = getattr(value, "forward", None)
        return f"{value.name}: {getattr(forward, '__name__', 'layer')}"
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
    """Return the shape, dtype and range of an array, and what its picture leaves out.

    "2 × 3 float64, −1.5 … 0.25"
    """
    count = math.prod(shot.shape)
    text = f"{' × '.join(map(str, shot.shape)) or 'one number'} {shot.dtype}"
    if not count:
        return f"{text}, empty"
    if shot.bad == count:
        return f"{text}, {kinds(shot)}"
    lo, hi = (number(value, digits(shot)) for value in (shot.lo, shot.hi))
    text += f", {lo} … {hi}" if shot.hi > shot.lo else f", all {lo}"
    text += f"; {kinds(shot)}" if shot.bad else ""
    text += f", drawn with {shot.rgb} added" if shot.rgb else ""
    maps, (rows, columns), left_out = math.prod(shot.shape[:-2]), shot.every, []
    if len(shot.panels) < maps:
        left_out.append(f"{len(shot.panels)} of {maps:,} maps")
    thinned = [f"{n} {what}" for n, what in ((rows, "rows"), (columns, "columns")) if n > 1]
    left_out += [f"1 of {' and of '.join(thinned)}"] * bool(thinned)
    return f"{text} (shown: {', '.join(left_out)})" if left_out else text


def kinds(shot):
    """Return which entries are not finite: "all NaN", or "2 of 9 NaN, 1 of 9 ∞"."""
    size = math.prod(shot.shape)
    if shot.odd[0][0] < size:
        return ", ".join(f"{count:,} of {size:,} {kind}" for count, kind in shot.odd)
    kind = shot.odd[0][1]
    return kind if kind == NOT_YET else f"all {kind}"


def row_caption(row):
    """Return the number of arrays in a row, and their shape, dtype and range.

    "9 arrays, each 2 × 3 float64, −1.5 … 0.25"
    """
    whole = widest(row.shots)
    return f"{len(row.shots)} arrays, each {caption(whole)}"


def widest(shots):
    """Return the first Shot, with the range of all of them."""
    finite = [shot for shot in shots if shot.bad < math.prod(shot.shape)]
    if not finite:
        return shots[0]
    lo, hi = min(shot.lo for shot in finite), max(shot.hi for shot in finite)
    return finite[0]._replace(lo=lo, hi=hi, bad=0, odd=())


def added_for_colours(shot, name):
    """Return Shot.rgb of an array.

    Photographs are (…, 3, H, W), of bytes or of whole floats to 255; their mean is called `mean`.
    A photograph minus its mean is called x, and has entries of both signs to 255, some beyond
    ±MID / 4; some of it may not be written yet.
    """
    if len(shot.shape) < 3 or shot.shape[-3] != 3 or len(shot.panels) % 3:
        return None
    if shot.dtype == "uint8":
        return 0
    largest = max(-shot.lo, shot.hi)
    if min(shot.shape[-2:]) < 8 or not 1 < largest <= 255:
        return None
    if shot.lo < 0:
        return MID if name == "x" and largest > MID / 4 else None
    whole = name == "mean" or (shot.panels == np.rint(shot.panels)).all()
    return 0 if whole and not shot.bad else None


def digits(shot):
    """Return the number of digits that tell an array's entries apart, from four to ten.

    Entries that are close to each other, such as 2 and 2.0001, need more than four.
    """
    spread, largest = shot.hi - shot.lo, max(abs(shot.lo), abs(shot.hi))
    close = math.log10(largest / spread) if 0 < spread < math.inf else 0
    return min(10, max(4, 3 + int(close)))


def number(value, digits=4):
    """Return a number with this many digits and a typographic minus."""
    return f"{value:.{digits}g}".replace("-", "−")
