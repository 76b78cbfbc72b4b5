"""What an exception in a learner's code means here."""

import re

from .catalogue import cache_text, forward_of

INTEGER = "An index, a size or a range must be whole: `/` gives a float, `//` a whole number."
MEANINGS = [  # (a pattern in the type and message, what it means here)
    (
        "too many indices for array",
        "The array has fewer axes than there are indices: print its shape before that line.",
    ),
    (
        "truth value of an array",
        "Python's if, and, or, max and min want one yes or no, and an array has one for each entry:"
        " np.where, np.maximum or a mask work entry by entry.",
    ),
    ("bitwise_xor", "In Python ^ is no power but an operation on bits.  A power is **."),
    (
        "'tuple' and|tuple' object has no attribute|'tuple' and '|and 'tuple'|type tuple",
        "There is a tuple where an array is meant.  The cache is a tuple, and so is what every "
        "forward and backward returns: unpack it first.",
    ),
    (
        "too many values to unpack|not enough values to unpack",
        "As many names must stand on the left as there are values on the right.",
    ),
    ("only integers, slices|slice indices must be integers|float' object cannot be int", INTEGER),
    (
        "IndexError: index .* out of bounds",
        "An index is as large as this axis of the array, or larger: they count from 0.",
    ),
    ("AxisError", "The array has fewer axes than this axis number needs: they count from 0."),
    (r"zeros.*float64", INTEGER),
    (
        "wrong tuple length for shape",
        "col2im wants the shape of one image, (C, H, W): three numbers without N.",
    ),
    (
        "TypingError|No implementation of function|nopython",
        "im2col and col2im are compiled by Numba, which takes only what it expects: one image "
        "(C, H, W), whole numbers, and for col2im the columns, then the shape (C, H, W).",
    ),
    (
        "Cannot cast ufunc",
        "The array on the left holds whole numbers and cannot take the others: which line made it, "
        "with which dtype?",
    ),
    (
        "only (length-1|0-dimensional|size-1) arrays",
        "math works on one number; np.exp and np.log work on arrays.",
    ),
    ("NameError", "No line before it gives that name a value: a slip of the pen, or an import?"),
    ("UnboundLocalError|cannot access local", "The name is read before it gets a value."),
    (
        "setting an array element with a sequence|could not broadcast input array",
        "What stands on the right has another shape than the place on the left.",
    ),
    ("ModuleNotFoundError", "The tutor has NumPy and minicnn, and no exercise needs more."),
    (
        "cannot reshape array",
        "The array has more or fewer entries than the new shape: print its shape before that line.",
    ),
    ("RecursionError", "The function calls itself without end."),
    ("ZeroDivisionError", "There is a division by a size or a count that is 0."),
    (
        "unsupported operand.*NoneType|NoneType' object",
        "A value is None: a function without return?",
    ),
    (
        "matmul|aligned|could not multiply",
        "@ wants as many columns on the left as rows on the right: "
        "print both shapes; does one of them need .T, or a reshape?",
    ),
    (
        "shape-mismatch for sum",
        "The axes that are summed over must have the same lengths: print both shapes.  A window "
        "that begins too far to the right or below is cut off at the edge.",
    ),
    (
        "einstein sum|einsum",
        "einsum wants one letter for each axis of each array: print their shapes.",
    ),
    (
        "broadcast",
        "The shapes of two arrays do not fit together there.  Print them before that line: does "
        "one array need to be transposed (.T) or reshaped, or a sum its axis or keepdims?",
    ),
]


def meaning(name, error):
    """Return what an exception means here, as a list of one sentence or none."""
    text = f"{error['type']}: {error['message']}"
    if "broadcast" in text and name == "conv_forward" and re.search(r"\+ b\b(?!\[)", error["code"]):
        return ["b has shape (K,): beside maps (K, H_out, W_out) it stands as b[:, None, None]."]
    if "broadcast" in text and name.startswith("fc") and re.search(r"\w \* \w", error["code"]):
        return ["* multiplies entry by entry; the product of two matrices is @."]
    if "broadcast" in text and name == "fc_forward" and "b[:, None]" in error["code"]:
        return ["y is (N, K), and b is (K,): NumPy lines up the last axes by itself, y + b."]
    if "w.T" in error["code"] and name == "fc_backward" and re.search("aligned|matmul", text):
        return ["w is (K, D), one row of weights an output, and dy is (N, K): w.T is (D, K)."]
    if sizes := re.search(r"broadcast together with shapes \(([\d,]+)\) \((\d+),\)", text):
        if says := lined_up([int(size) for size in sizes[1].split(",") if size], int(sizes[2])):
            return [says]
    for pattern, says in MEANINGS:
        if re.search(pattern, text):
            if "cache" in says or "values to unpack" in pattern:
                letters = cache_text(name) if "ward" in name else None
                says += f"  The cache of {forward_of(name)} is {letters}." if letters else ""
            return [says]
    return []


def lined_up(shape, size):
    """Return a sentence on one axis that NumPy lines up with the last of several, or None."""
    if shape.count(size) != 1 or len(shape) < 2:
        return None
    place = shape.index(size)
    index = ", ".join([":"] + ["None"] * (len(shape) - 1 - place))
    return (
        f"NumPy lines up the last axes: the {size} numbers with the axis of {shape[-1]}.  With "
        f"[{index}] they stand along the axis of {size}."
    )
