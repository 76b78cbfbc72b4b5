"""Small arrays side by side, as text: what one can do by hand, one wants to see."""

import numpy as np


def beside(arrays):
    """Return arrays, by name, as columns of text; an image of one channel as its rows of pixels."""
    blocks = [block(name, value) for name, value in arrays.items()]
    height = max(map(len, blocks))
    rows = [
        "   ".join(row).rstrip()
        for row in zip(*(padded(one, height) for one in blocks), strict=True)
    ]
    return "\n".join(rows)


def block(name, value):
    """Return one array as lines, its name above."""
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return [name, str(value) if isinstance(value, (tuple, int)) else f"{value:.5g}"]
    lines = np.array2string(rows_of(value), precision=4, suppress_small=True, max_line_width=200)
    return [
        name,
        *(line.replace("[[", " [").replace("]]", "]").strip() for line in lines.splitlines()),
    ]


def rows_of(value):
    """Return an array as rows: without axes of length 1, and what is above two axes flattened."""
    value = np.atleast_1d(value.squeeze())
    return value.reshape(-1, value.shape[-1]) if value.ndim > 2 else value


def padded(lines, height):
    width = max(map(len, lines))
    return [line.ljust(width) for line in lines + [""] * (height - len(lines))]
