"""What did a line change?

An array may be written to through another name, by a function, or through a view of it; so what is
asked is not which names a line assigns to, but which values are no longer what they were.  And of
memory that np.empty finds, which may hold anything, one wants to see where it was written to.
"""

import ast
import zlib

import numpy as np

from .record import is_ours
from .values import is_row

LARGE = 1_000_000  # entries; whether a larger array has changed is judged by so many of them


def fingerprint(value):
    """Return something that changes when the value does."""
    if is_row(value):
        return [fingerprint(part) for part in value]
    if isinstance(value, np.ndarray):
        some = value if value.size < LARGE else value.reshape(-1)[:: value.size // LARGE]
        return id(value), value.shape, zlib.crc32(np.ascontiguousarray(some).view(np.uint8))
    if isinstance(value, (int, float, str, bool, np.generic, type(None))):
        return repr(value)
    return id(value), len(value) if hasattr(value, "__len__") else 0


def unwritten(node, scope):
    """Return the names to which a statement gives np.empty(…), or a buffer of minicnn."""
    target, value = getattr(node, "targets", [None])[0], getattr(node, "value", None)
    targets, made = [target], [value]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):  # y, scale = empty(…), …
        targets, made = target.elts, value.elts
    return [
        one.id
        for one, made_of in zip(targets, made, strict=False)
        if isinstance(one, ast.Name) and is_empty(made_of, scope)
    ]


def is_empty(value, scope):
    """Return whether an expression is np.empty(…), or the same with a buffer of minicnn."""
    called = getattr(getattr(value, "body", value), "func", None)  # the body of `… if … else …`
    name = getattr(called, "attr", getattr(called, "id", ""))
    ours = is_ours(scope.get(name))
    return name in ("empty", "empty_like") and (isinstance(called, ast.Attribute) or ours)


def memory_of(value):
    """Return whose memory an array uses, or those of a row do, as a set."""
    if is_row(value):
        return set().union(*map(memory_of, value))
    if not isinstance(value, np.ndarray):
        return set()
    while isinstance(value.base, np.ndarray):
        value = value.base
    return {id(value)}
