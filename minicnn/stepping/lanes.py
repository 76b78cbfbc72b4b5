"""What the vector instructions of fast/vector.py do, for kernels that run as Python.

There they are written for the compiler alone.  Here each is one line of NumPy, with an array of
LANES numbers for a vector; the names and the order of arguments are the same.
"""

import numpy as np


def instructions(LANES):
    """Return {name: function}; see fast/vector.py for what each of them is for."""

    def store(a, i, v):
        a[i : i + LANES] = v

    return {
        "load": lambda a, i: a[i : i + LANES].copy(),
        "store": store,
        "store_whole": store,
        "spread": lambda a, i: np.full(LANES, a[i]),
        "number": lambda a, i: a[i],
        "zero": lambda a: np.zeros(LANES, a.dtype),
        "same": lambda a, value: np.full(LANES, value, a.dtype),
        "where": lambda a, i, value, v: np.where(a[i : i + LANES] == value, v, 0),
        "larger": lambda u, v, a, b: np.where(~(u <= v) & ~np.isnan(v), a, b),
        "at_least": lambda u, v: np.where(u > v, u, v),
        "fma": lambda u, v, acc: u * v + acc,  # rounded twice; the instruction rounds once
        "plus": np.add,
        "times": np.multiply,
        "over": np.divide,
        "root": np.sqrt,
        "power": np.power,
        "total": np.sum,
    }
