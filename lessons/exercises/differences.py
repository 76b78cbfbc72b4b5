"""Describe where two arrays differ, and recognize known patterns of difference.

    found, expected   arrays of one shape: the learner's and the right one
    wrong             a mask that is True where they differ
    regions           [(words, mask)]: parts of the array, each with a description

Numbers are equal if they differ by round-off alone, and NaN equals NaN.
"""

import numpy as np

from minicnn.reference.im2col import col2im, im2col
from minicnn.reference.pool import places_of, widened

TOLERANCE = {"float64": 1e-7, "float32": 1e-4}


def same(found, expected):
    """Return whether two arrays agree in shape and in every number."""
    return np.shape(found) == np.shape(expected) and not differs(found, expected).any()


def alike(mine, ours):
    """Return whether two values are equal: numbers, arrays, dtypes, or tuples of them."""
    if isinstance(ours, tuple):
        return (
            isinstance(mine, (tuple, list))
            and len(mine) == len(ours)
            and all(map(alike, mine, ours))
        )
    if isinstance(ours, np.dtype):
        return isinstance(mine, np.dtype) and mine == ours
    return is_numbers(mine) and same(mine, ours)


def is_numbers(value):
    return isinstance(value, (np.ndarray, np.number, int, float))


def differs(found, expected):
    """Return a mask of where two arrays of one shape differ by more than round-off."""
    found, expected = np.asarray(found), np.asarray(expected)
    if expected.dtype.kind != "f" or found.dtype.kind != "f":
        return found != expected
    tolerance = max(TOLERANCE.get(a.dtype.name, 1e-2) for a in (found, expected))
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0)
    return ~np.isclose(found, expected, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def counted(name, found, expected):
    """Return a text with the number of wrong entries and the first of them."""
    wrong = differs(found, expected)
    if wrong.ndim == 0:
        return f"{name} is {found:.6g}; expected {expected:.6g}"
    place = tuple(map(int, np.argwhere(wrong)[0]))
    index = ", ".join(map(str, place))
    first = f"{name}[{index}] is {float(found[place]):.5g}, expected {expected[place]:.5g}"
    if wrong.size == 1:
        return first
    number = np.count_nonzero(wrong)
    if number == 1:
        return f"One of {wrong.size} entries of {name} is wrong: {first}"
    count = "All" if wrong.all() else f"{number} of"
    return f"{count} {wrong.size} entries of {name} are wrong.  The first: {first}"


def location(wrong, regions):
    """Return a sentence with the one region that holds all wrong entries, or ""."""
    if wrong.all() or wrong.ndim == 0:
        return ""
    for words, mask in [*regions, *axes(wrong), *edges(wrong.shape)]:
        if mask.any() and not mask.all() and (wrong <= mask).all():
            if words.startswith("outside "):
                return f"Nothing is wrong in {words.removeprefix('outside ')}."
            return f"Wrong {'exactly' if (wrong == mask).all() else 'only'} {words}."
    return ""


def axes(wrong):
    """Return regions for single indices along an axis that hold all wrong entries, or none."""
    letters = {4: ("image", "channel", "row", "column"), 2: ("row", "column")}
    regions = []
    for axis, word in enumerate(letters.get(wrong.ndim, ())):
        others = tuple(k for k in range(wrong.ndim) if k != axis)
        hit = wrong.any(axis=others)
        mask = np.moveaxis(np.zeros_like(wrong), axis, 0)
        if hit.sum() == 1 and len(hit) > 1:
            mask[hit.argmax()] = True
            regions.append((f"in {word} {hit.argmax()}", np.moveaxis(mask, 0, axis)))
        elif hit.sum() == len(hit) - 1 and len(hit) > 2:
            mask[hit] = True
            regions.append((f"outside {word} {hit.argmin()}", np.moveaxis(mask, 0, axis)))
    return regions


def edges(shape):
    """Return the border of the image as a region."""
    if len(shape) < 3:
        return []
    mask = np.ones(shape, bool)
    mask[..., 1:-1, 1:-1] = False
    return [("on the border of the image", mask)]


def regions_of(name, output, case, shape):
    """Return the regions of an exercise's output for a Case; `shape` is the output's."""
    layer = name.removesuffix("_forward").removesuffix("_backward")
    x = case.inputs.get("x")
    if layer == "relu":
        return [("where x is 0", x == 0), ("where x is negative", x < 0), ("where x ≤ 0", x <= 0)]
    if output == "dx" and layer in ("pool", "average_pool", "col2im", "conv", "local"):
        return overlaps(windows_over(name, case))
    overhang = "where a window hangs over the edge"
    if name == "pool_forward" and output == "y":
        z, s = case.options.get("z", 3), case.options.get("s", 2)
        rows, columns = (s * np.arange(size) + z for size in shape[2:])
        hangs = (rows > x.shape[2])[:, None] | (columns > x.shape[3])
        return [(overhang, np.broadcast_to(hangs, shape))]
    if name == "im2col":
        return [(overhang, im2col(np.ones_like(x), *case.args[1:]) == 0)]
    if layer == "lrn":
        C, n = x.shape[1], case.inputs.get("n", case.options.get("n", 5))
        cut = np.zeros(x.shape, bool)
        cut[:, : n // 2] = cut[:, C - (n - 1) // 2 :] = True
        return [("in the first and last channels, whose window is cut off", cut)]
    return []


def windows_over(name, case):
    """Return the number of windows that contain each pixel, as an array shaped like dx."""
    if name == "col2im":
        return col2im(np.ones_like(case.args[0]), *case.args[1:])
    dy, cache = case.args
    H_out, W_out = dy.shape[2:]
    if name in ("conv_backward", "local_backward"):
        (x, w), (stride, pad) = cache[:2], cache[3:5]
        C, f = x.shape[1], w.shape[-1]
        ones = np.ones((C * f * f, H_out * W_out))
        each = col2im(ones, x.shape[1:], f, stride, pad, H_out, W_out)
        return np.broadcast_to(each, x.shape)
    shape, z, s = cache[0], cache[3], cache[4]
    count = widened(shape, z, s, H_out, W_out, 0, np.float64)
    for place in places_of(count, z, s, H_out, W_out):
        place += 1
    return count[:, :, : shape[2], : shape[3]]


def overlaps(count):
    """Return regions by the number of windows that contain a pixel."""
    return [
        ("where windows overlap", count > 1),
        ("where a pixel is in one window only", count == 1),
        ("where no window reaches", count == 0),
    ]


def patterns(found, expected, N):
    """Return sentences on the patterns of a wrong array, the most telling first.

    N is the number of images.  A sentence that fits all wrong cases becomes a hint.
    """
    if not np.isfinite(found).all() and np.isfinite(expected).all():
        return ["It contains NaN or infinity: a division by 0, or e^… of a large number?"]
    if not found.any() and expected.any():
        return ["It is zero everywhere: is it ever filled?"]
    return [*factors(found, expected, N), *moved(found, expected)]


def factors(found, expected, N):
    """Return sentences on a constant factor or a constant offset."""
    square = np.vdot(expected, expected)
    factor = np.vdot(found, expected) / square if square else 0
    if factor and same(found, factor * expected):
        if abs(factor + 1) < 1e-6:
            return ["Every sign is flipped."]
        hints = [f"It is {factor:.4g} times what it should be, everywhere: which factor is that?"]
        if N > 1 and abs(factor - N) < 1e-6 * N:
            hints.insert(0, "It is multiplied by the number of images: a sum instead of a mean?")
        if N > 1 and abs(factor * N - 1) < 1e-6:
            hints.insert(0, "It is divided by the number of images: a mean instead of a sum?")
        return hints
    offset = found - expected
    if expected.size > 1 and same(offset, np.full_like(offset, offset.flat[0])):
        return ["Off by the same number everywhere: is something added too often, or not at all?"]
    return []


def moved(found, expected):
    """Return sentences on right numbers in wrong places."""
    hints = []
    if expected.ndim > 1 and same(found, np.flip(expected, (-2, -1))):
        hints.append("The right numbers, rotated by 180°: one flip too many, or too few?")
    for axis in range(-expected.ndim, 0):
        if same(found, np.flip(expected, axis)):
            hints.append(f"The right numbers, in reverse order along axis {axis}.")
    if same(np.sort(found, None), np.sort(expected, None)):
        hints.append("The right numbers in wrong places: check indices, reshapes and transposes.")
    return hints
