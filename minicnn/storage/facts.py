"""Facts: plain values as JSON text, and what each of them is expected to be.

A kind says what a fact should be: in words, and by a function of a value that returns whether it is
that.  Facts come from files, so they may be anything.
"""

import json
import math
import os
import pathlib
import reprlib
import sys

import numpy as np

from .files import write_bytes, write_text

MOST_NUMBER = 1e300


def as_json(value):
    """Return a value as JSON text; it may have NumPy numbers and arrays, tuples and paths.

    An array or a tuple becomes a list, and a path becomes a string.

    Raises
    ------
    TypeError
        If JSON cannot represent it, as with a function or a set.
    ValueError
        If it contains NaN, an infinite number, or itself.
    """
    return json.dumps(value, default=json_value, allow_nan=False)


def json_value(value):
    """Return what json.dumps writes instead of a value that it does not know."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"JSON cannot represent a {type(value).__name__}")


def plain(name, value):
    """Return a value as a checkpoint would return it after saving and loading.

    So a tuple equals the list that was saved for it, and np.float32(0.1) equals the saved number.

    Raises TypeError or ValueError for a value that cannot be saved; the message begins with `name`.
    """
    try:
        return json.loads(as_json(value))
    except (TypeError, ValueError, RecursionError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(
            f"{name} is a {type(value).__name__} that no checkpoint can store ({error}); expected "
            "finite numbers, text, True, False, None, and lists and dicts of these"
        ) from None


def parse_json(text):
    """Return the value of a JSON text, str or bytes; NaN and infinite numbers become None.

    Raises ValueError for what is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=lambda name: None, parse_float=finite_or_none)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def finite_or_none(text):
    """Return a float, or None for one that is too large, such as 1e999."""
    number = float(text)
    return number if math.isfinite(number) else None


def number(least=-MOST_NUMBER, most=MOST_NUMBER):
    """Return the kind of a finite number in this range."""
    words = f"a number from {least:g} to {most:g}"
    return words, lambda value: type(value) in (int, float) and least <= value <= most


def whole(least=0, most=2**53):
    """Return the kind of a whole number in this range."""
    words = f"a whole number from {least} to {most}"
    return words, lambda value: type(value) is int and least <= value <= most


def truth():
    """Return the kind of True and False."""
    return "True or False", lambda value: type(value) is bool


def text(choices=None):
    """Return the kind of a text, or of one of a few."""
    words = "a text" if choices is None else f"one of {', '.join(choices)}"
    return words, lambda value: type(value) is str and (choices is None or value in choices)


def optional(kind):
    """Return the kind that is also fulfilled by None."""
    words, is_valid = kind
    return f"{words}, or nothing", lambda value: value is None or is_valid(value)


def list_of(kind, least=0, most=math.inf):
    """Return the kind of a list with this number of values of a kind."""
    words, is_valid = kind
    return (
        f"a list, each {words}",
        lambda value: (
            type(value) is list and least <= len(value) <= most and all(map(is_valid, value))
        ),
    )


def wrong_fact(facts, kinds, lacking=()):
    """Return which fact is missing or is not of its kind, in words, or "".

    Parameters
    ----------
    facts : value
        From a file, so it may be anything.
    kinds : dict of name → kind
        Such as {"epoch": whole(), "epsilon": number(0)}; other facts are allowed.
    lacking : collection of str
        The names that may be missing.
    """
    if not isinstance(facts, dict):
        return f"it is {shortened(facts)}; expected a dict, as {{…}}"
    for name, (words, is_valid) in kinds.items():
        if name not in facts and name not in lacking:
            return f"{name} is missing"
        if name in facts and not is_valid(facts[name]):
            return f"{name} is {shortened(facts[name])}; expected {words}"
    return ""


def shortened(value):
    """Return a value as a short text on one line, however large or deep it is."""
    return value[:80] if type(value) is str and value.isprintable() else reprlib.repr(value)


def write_lines(path, values, kind=None):
    """Write a .jsonl file atomically, one line of JSON per value."""
    write_text(path, "".join(as_json(value) + "\n" for value in values), kind)


def read_lines(path, wrong=lambda value: ""):
    """Return the values in a .jsonl file; an empty list if there is no such file.

    A line that cannot be used is moved to a file beside it, path.damaged, and a sentence on the
    terminal says so; so nothing is lost, and all other lines can be used.

    Parameters
    ----------
    path : path
    wrong : function
        wrong(value) returns why a line cannot be used, in words, or "".

    Raises
    ------
    OSError
        If a file cannot be read or written.
    """
    path = pathlib.Path(path)
    values, used, damaged, first = [], [], [], ""
    content = path.read_bytes() if path.exists() else b""
    for count, line in enumerate(content.splitlines(), start=1):
        try:
            value = parse_json(line)
            why = wrong(value)
        except ValueError as error:
            why = f"it is not JSON ({error})"
        if not why:
            values.append(value)
            used.append(line)
        elif line.strip():
            damaged.append(line)
            first = first or f"line {count}: {why}"
    if damaged:
        aside = path.with_name(f"{path.name}.damaged")
        before = aside.read_bytes() if aside.exists() else b""
        write_bytes(aside, before + b"".join(line + b"\n" for line in damaged))
        write_bytes(path, b"".join(line + b"\n" for line in used))
        others = f" (and {len(damaged) - 1:,} more)" if damaged[1:] else ""
        print(f"{path}, {first}{others}; moved to {aside.name}", file=sys.stderr)
    return values
