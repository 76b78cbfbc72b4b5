"""Where do two arrays differ, and what does it look like?

    found, expected   arrays of one shape: the learner's, and the right one
    wrong             True where they differ
    regions           [(words, mask)]: places of the array that have a name

Numbers are the same if they differ by round-off alone, and NaN is the same as NaN.
"""

import numpy as np

from minicnn.reference.im2col import col2im, im2col
from minicnn.reference.pool import places_of, widened

TOLERANCE = {"float64": 1e-7, "float32": 1e-4}


def same(found, expected):
    """Return whether two arrays agree, in shape and in every number."""
    return np.shape(found) == np.shape(expected) and not differs(found, expected).any()


def alike(mine, ours):
    """Return whether two things are the same: numbers, arrays, dtypes, or tuples of them."""
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
    """Return where two arrays of one shape differ by more than round-off."""
    found, expected = np.asarray(found), np.asarray(expected)
    if expected.dtype.kind != "f" or found.dtype.kind != "f":
        return found != expected
    tolerance = max(TOLERANCE.get(a.dtype.name, 1e-2) for a in (found, expected))
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0)
    return ~np.isclose(found, expected, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def counted(name, found, expected):
    """Say how many entries are wrong, and show the first: "12 of 70 entries of dx are wrong; …"."""
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


def lie(wrong, regions):
    """Say in which one region all wrong entries lie, or nothing."""
    if wrong.all() or wrong.ndim == 0:
        return ""
    for words, mask in [*regions, *axes(wrong), *edges(wrong.shape)]:
        if mask.any() and not mask.all() and (wrong <= mask).all():
            if words.startswith("outside "):
                return f"Nothing is wrong in {words.removeprefix('outside ')}."
            return f"Wrong {'exactly' if (wrong == mask).all() else 'only'} {words}."
    return ""


def axes(wrong):
    """Return regions for the one index along an axis that holds all wrong entries, if one does."""
    letters = {4: ("image", "channel", "row", "column"), 2: ("row", "column")}
    found = []
    for axis, word in enumerate(letters.get(wrong.ndim, ())):
        others = tuple(k for k in range(wrong.ndim) if k != axis)
        hit = wrong.any(axis=others)
        mask = np.moveaxis(np.zeros_like(wrong), axis, 0)
        if hit.sum() == 1 and len(hit) > 1:
            mask[hit.argmax()] = True
            found.append((f"in {word} {hit.argmax()}", np.moveaxis(mask, 0, axis)))
        elif hit.sum() == len(hit) - 1 and len(hit) > 2:
            mask[hit] = True
            found.append((f"outside {word} {hit.argmin()}", np.moveaxis(mask, 0, axis)))
    return found


def edges(shape):
    """Return the border of the image as a region."""
    if len(shape) < 3:
        return []
    mask = np.ones(shape, bool)
    mask[..., 1:-1, 1:-1] = False
    return [("on the border of the image", mask)]


def regions_of(name, output, one, shape):
    """Return the regions of an output of an exercise, for a Case; shape is the output's."""
    layer = name.removesuffix("_forward").removesuffix("_backward")
    x = one.inputs.get("x")
    if layer == "relu":
        return [("where x is 0", x == 0), ("where x is negative", x < 0), ("where x ≤ 0", x <= 0)]
    if output == "dx" and layer in ("pool", "average_pool", "col2im", "conv"):
        return overlaps(windows_over(name, one))
    over = "where a window hangs over the edge"
    if name == "pool_forward" and output == "y":
        z, s = one.options.get("z", 3), one.options.get("s", 2)
        rows, columns = (s * np.arange(size) + z for size in shape[2:])
        hangs = (rows > x.shape[2])[:, None] | (columns > x.shape[3])
        return [(over, np.broadcast_to(hangs, shape))]
    if name == "im2col":
        return [(over, im2col(np.ones_like(x), *one.args[1:]) == 0)]
    if layer == "lrn":
        C, n = x.shape[1], one.inputs.get("n", one.options.get("n", 5))
        cut = np.zeros(x.shape, bool)
        cut[:, : n // 2] = cut[:, C - (n - 1) // 2 :] = True
        return [("in the first and last channels, whose window is cut off", cut)]
    return []


def windows_over(name, one):
    """Return how many windows hold each pixel, as an array of the shape of dx."""
    if name == "col2im":
        return col2im(np.ones_like(one.args[0]), *one.args[1:])
    dy, cache = one.args
    H_out, W_out = dy.shape[2:]
    if name == "conv_backward":
        x, w, _, stride, pad, _ = cache
        C, f = x.shape[1], w.shape[2]
        ones = np.ones((C * f * f, H_out * W_out))
        each = col2im(ones, x.shape[1:], f, stride, pad, H_out, W_out)
        return np.broadcast_to(each, x.shape)
    shape, z, s = cache[0], cache[3], cache[4]
    count = widened(shape, z, s, H_out, W_out, 0, np.float64)
    for place in places_of(count, z, s, H_out, W_out):
        place += 1
    return count[:, :, : shape[2], : shape[3]]


def overlaps(count):
    """Return regions by the number of windows that hold a pixel."""
    return [
        ("where windows overlap", count > 1),
        ("where a pixel is in one window alone", count == 1),
        ("where no window reaches", count == 0),
    ]


def patterns(found, expected, N):
    """Return what a wrong array looks like, as sentences, the most telling first.

    N is the number of images.  What all wrong cases have in common is a hint.
    """
    if not np.isfinite(found).all() and np.isfinite(expected).all():
        return ["There is NaN or infinity in it: a division by 0, or e^… of something large?"]
    if not found.any() and expected.any():
        return ["It is zero everywhere: is it ever filled?"]
    return [*factors(found, expected, N), *moved(found, expected)]


def factors(found, expected, N):
    """Return what a constant factor, or a constant that is added, may be."""
    square = np.vdot(expected, expected)
    factor = np.vdot(found, expected) / square if square else 0
    if factor and same(found, factor * expected):
        if abs(factor + 1) < 1e-6:
            return ["Every sign is flipped."]
        said = [f"It is {factor:.4g} times what it should be, everywhere: which factor is that?"]
        if N > 1 and abs(factor - N) < 1e-6 * N:
            said.insert(0, "As many times too large as there are images: a sum, not a mean?")
        if N > 1 and abs(factor * N - 1) < 1e-6:
            said.insert(0, "It is divided by the number of images: a mean, not a sum?")
        return said
    offset = found - expected
    if expected.size > 1 and same(offset, np.full_like(offset, offset.flat[0])):
        return ["Off by the same number everywhere: is something added too often, or not at all?"]
    return []


def moved(found, expected):
    """Return how the right numbers may have come to other places."""
    said = []
    if expected.ndim > 1 and same(found, np.flip(expected, (-2, -1))):
        said.append("The right numbers, turned by 180°: a flip too many, or too few?")
    for axis in range(-expected.ndim, 0):
        if same(found, np.flip(expected, axis)):
            said.append(f"The right numbers, in reverse order along axis {axis}.")
    if same(np.sort(found, None), np.sort(expected, None)):
        said.append("The right numbers in other places: is an index, a reshape, a transpose wrong?")
    return said
