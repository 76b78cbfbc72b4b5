"""Describe how two arrays differ, and recognize known patterns of difference.

    found, expected   arrays of one shape: the learner's and the right one

Numbers are equal if they differ by round-off alone, and NaN equals NaN.
"""

import itertools

import numpy as np

# these sentences name a cause
FACTORS = "Every sign", "It is multiplied by", "It is divided by"
SURE = *FACTORS, "It is zero everywhere", "Right but for the last"
TOLERANCE = {"float64": 1e-10, "float32": 1e-4}


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
    right = expected[place] if abs(expected[place]) > 1e-12 * np.abs(expected).max() else 0.0
    digits = 5 if f"{float(found[place]):.5g}" != f"{right:.5g}" else 12
    first = f"{name}[{index}] is {float(found[place]):.{digits}g}, expected {right:.{digits}g}"
    if wrong.size == 1:
        return first
    number = np.count_nonzero(wrong)
    if number == 1:
        return f"One of {wrong.size} entries of {name} is wrong: {first}"
    count = "All" if wrong.all() else f"{number} of"
    return f"{count} {wrong.size} entries of {name} are wrong.  The first: {first}"


def patterns(found, expected, N):
    """Return sentences on the patterns of a wrong array, the most telling first.

    N is the number of images.  A sentence that fits all wrong cases becomes a hint.
    """
    if not np.isfinite(found).all() and np.isfinite(expected).all():
        return ["It contains NaN or infinity: a division by 0, or e^… of a large number?"]
    if not found.any() and expected.any():
        return ["It is zero everywhere: is it ever filled?", *unfilled(found, expected)]
    return [
        *rounded(found, expected),
        *unfilled(found, expected),
        *factors(found, expected, N),
        *moved(found, expected),
        *bent(found, expected),
    ]


def rounded(found, expected):
    """Return a sentence on float64 numbers that are right to the digits of float32 alone."""
    scale = np.abs(expected).max(initial=0)
    if expected.dtype != np.float64 or not np.isclose(found, expected, 1e-6, 1e-6 * scale).all():
        return []
    return [
        "Right to about seven digits, and the arguments have sixteen: is something computed in "
        "float32, or a small number added?"
    ]


def unfilled(found, expected):
    """Return sentences on arrays that are right but for parts of them, which are 0."""
    wrong = differs(found, expected)
    for axis in range(found.ndim if wrong.any() else 0):
        for which, words in ((0, "first"), (-1, "last")):
            kept = np.zeros(found.shape[axis], bool)
            kept[which] = True
            inside, rest = (np.compress(k, found, axis) for k in (kept, ~kept))
            if inside.any() and not rest.any() and not np.compress(kept, wrong, axis).any():
                place = ", ".join([":"] * axis + [str(which), "…"] * (found.ndim > axis))
                return [
                    f"Right at the {words} index of axis {axis} alone, [{place}]; the rest is 0."
                ]
    if found.ndim < 3:
        return []
    row, column = np.zeros(found.shape, bool), np.zeros(found.shape, bool)
    row[..., -1, :] = column[..., -1] = True
    edges = {"row and column": row | column, "row": row, "column": column}
    return [
        f"Right but for the last {words} of each map: 0.  Does a loop end one too early?"
        for words, edge in edges.items()
        if wrong.any() and not wrong[~edge].any() and not found[edge].any()
    ]


def bent(found, expected):
    """Return sentences on right numbers to which a function was applied entry by entry."""
    known = {
        "The right numbers, but 0 wherever they should be negative: is a ReLU in it?": np.maximum(
            expected, 0
        ),
        "The right numbers without their signs.": np.abs(expected),
        "The squares of the right numbers.": expected**2,
        "One divided by the right numbers: is a quotient upside down?": 1 / expected,
    }
    several = expected.size > 1 and not same(found, expected)
    return [says for says, numbers in known.items() if several and same(found, numbers)]


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


def shapes(found, expected):
    """Return sentences on right numbers in an array of another shape."""
    hints = []
    if same(np.ravel(found), np.ravel(expected)):
        hints.append(
            "The right numbers in another shape: is a reshape or keepdims missing or too much?"
        )
    if same(np.transpose(found), expected):
        hints.append("The right numbers, transposed.")
    for order in itertools.permutations(range(found.ndim)) if 2 < found.ndim < 6 else ():
        if same(np.transpose(found, order), expected):
            hints.append(f"The right numbers, but its axes are in another order: transpose{order}.")
    if hints:
        return hints
    for axis in range(found.ndim if found.ndim > expected.ndim else 0):
        if same(found.sum(axis=axis), expected):
            return [f"Summed over axis {axis} your numbers are right: that sum is missing."]
    if found.ndim == expected.ndim > 1 and found.shape[:-2] == expected.shape[:-2]:
        if inside(expected, found):
            return ["The right numbers are there, in a frame of others: is the padding cut off?"]
        if inside(found, expected):
            return ["The numbers are right as far as they go, but some at the edge are missing."]
    return []


def inside(small, large):
    """Return whether one array is a block of the last two axes of another."""
    (h, w), (H, W) = small.shape[-2:], large.shape[-2:]
    places = [(i, j) for i in range(H - h + 1) for j in range(W - w + 1)]
    return any(same(large[..., i : i + h, j : j + w], small) for i, j in places)


def moved(found, expected):
    """Return sentences on right numbers in wrong places."""
    hints = []
    if expected.ndim > 1 and same(found, np.flip(expected, (-2, -1))):
        hints.append("The right numbers, rotated by 180°: one flip too many, or too few?")
    for axis in range(-expected.ndim, 0):
        if same(found, np.flip(expected, axis)):
            hints.append(f"The right numbers, in reverse order along axis {axis}.")
    if expected.ndim > 1:
        if same(found, np.reshape(np.transpose(expected), expected.shape)):
            hints.append(
                "The right numbers, but reshaped where rows and columns should be exchanged: .T"
            )
        exchanged = np.reshape(expected, (*expected.shape[:-2], *expected.shape[:-3:-1]))
        if same(found, exchanged.swapaxes(-1, -2)):
            hints.append(
                "The right numbers, but each map is filled column by column: were its rows and "
                "columns exchanged before a reshape?"
            )
    if same(np.sort(found, None), np.sort(expected, None)):
        hints.append("The right numbers in wrong places: check indices, reshapes and transposes.")
    return hints
