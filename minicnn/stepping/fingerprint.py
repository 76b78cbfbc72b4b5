"""Which values has a line changed?

A line may write to an array through another name, through a view or inside a function.  So the
names that it assigns to do not tell: fingerprints of the values are compared instead.

np.empty returns memory with arbitrary contents.  `unwritten` finds such arrays, so that the stepper
can show which of their entries have been written.
"""

import ast
import zlib

import numpy as np

from .record import is_ours
from .values import is_row

LARGE = 1_000_000  # entries; a larger array is judged by a sample of about this many


def fingerprint(value):
    """Return a value that differs when `value` has changed."""
    if is_row(value):
        return [fingerprint(part) for part in value]
    if isinstance(value, np.ndarray):
        sample = value if value.size < LARGE else value.reshape(-1)[:: value.size // LARGE]
        return id(value), value.shape, zlib.crc32(np.ascontiguousarray(sample).view(np.uint8))
    if isinstance(value, (int, float, str, bool, np.generic, type(None))):
        return repr(value)
    return id(value), len(value) if hasattr(value, "__len__") else 0


def unwritten(node, scope):
    """Return the names to which a statement assigns np.empty(…) or a buffer of minicnn."""
    target, value = getattr(node, "targets", [None])[0], getattr(node, "value", None)
    targets, sources = [target], [value]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):  # y, scale = empty(…), …
        targets, sources = target.elts, value.elts
    return [
        target.id
        for target, source in zip(targets, sources, strict=False)
        if isinstance(target, ast.Name) and is_empty(source, scope)
    ]


def is_empty(value, scope):
    """Return whether an expression calls np.empty, np.empty_like or their twins in minicnn."""
    called = getattr(getattr(value, "body", value), "func", None)  # the body of `… if … else …`
    name = getattr(called, "attr", getattr(called, "id", ""))
    ours = is_ours(scope.get(name))
    return name in ("empty", "empty_like") and (isinstance(called, ast.Attribute) or ours)


def memory_of(value):
    """Return the ids of the arrays that own the memory of an array or a row, as a set."""
    if is_row(value):
        return set().union(*map(memory_of, value))
    if not isinstance(value, np.ndarray):
        return set()
    while isinstance(value.base, np.ndarray):
        value = value.base
    return {id(value)}
