"""Small arrays side by side, as text, to show a case that can be done by hand."""

import math

import numpy as np


def side_by_side(arrays):
    """Return {name: array} as columns of text; an image of one channel is its rows of pixels."""
    blocks = [array_lines(name, value) for name, value in arrays.items()]
    height = max(map(len, blocks))
    rows = [
        "   ".join(row).rstrip()
        for row in zip(*(padded(block, height) for block in blocks), strict=True)
    ]
    return "\n".join(rows)


def array_lines(name, value):
    """Return an array as lines, with its name above."""
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return [name, str(value) if isinstance(value, (tuple, int)) else f"{value:.5g}"]
    lines = np.array2string(rows_of(value), precision=4, suppress_small=True, max_line_width=200)
    return [
        name,
        *(line.replace("[[", " [").replace("]]", "]").strip() for line in lines.splitlines()),
    ]


def rows_of(value):
    """Return an array with at most two axes: those of length 1 removed, leading ones merged."""
    value = np.atleast_1d(value.squeeze())
    if value.ndim < 3:
        return value
    return value.reshape(math.prod(value.shape[:-1]), value.shape[-1])


def padded(lines, height):
    width = max(map(len, lines))
    return [line.ljust(width) for line in lines + [""] * (height - len(lines))]
