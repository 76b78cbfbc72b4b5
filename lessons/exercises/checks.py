"""Find the first fault of one answer and describe it in sentences.

    case     a Case, see cases.py
    answer   the child process's reply for it, see sandbox_child.py
    found    the result of the learner's function; right, that of the library's
    Fault    output: the wrong output, or None if the fault is in none of them; name: a label for a
             teacher's statistics, or None if numbers are wrong; lines: the description

A description says what was found and what was expected.  diagnosis.py looks for the cause.
"""

import inspect
import math
from collections import namedtuple

import numpy as np

from minicnn import reference

from . import differences, meanings, sandbox
from .cases import by_output, with_generators
from .catalogue import BARE, cache_text, find, forward_of, function, signature
from .sandbox_child import Other
from .side_by_side import side_by_side

Fault = namedtuple("Fault", "output name lines")
STEP = 1e-5
SMALL = 100  # the most numbers of a case that is shown as a table


def look(name, case, answer, right, tell):
    """Return the first Fault of an answer, or None; `tell` adds lines about wrong numbers."""
    if answer["raised"]:
        error = answer["raised"]
        return Fault(None, "stopped", [call_error(name, error), *meanings.meaning(name, error)])
    found = answer["returned"]
    if fault := structure(name, found):
        return Fault(None, *fault)
    if answer["changed"] and name != "sgd_update":
        return Fault(None, "argument changed", [changed_argument(name, answer["changed"][0])])
    if name == "dropout_forward":
        return None  # the mask is random: see dropout_checks.py
    found = by_output(name, found)
    for output in find(name).outputs if name != "sgd_update" else ("v", "w"):  # w follows from v
        if output == "cache":
            fault = cache_fault(name, found[output], right[output])
        else:
            fault = array_fault(name, output, found[output], right[output], case, tell)
        if fault:
            return Fault(output, *fault)
    return None


def call_error(name, error):
    """Return a sentence about an exception in a call."""
    if error["line"] is None and error["type"] == "TypeError":
        return f"It cannot be called as {signature(name)}: {error['message']}"
    return f"It stopped in {sandbox.raised(error)}"


def changed_argument(name, place):
    """Return a sentence that says which argument was changed."""
    names = list(inspect.signature(function(name)).parameters)
    subject = names[place[0]]
    if len(place) > 1:
        letters = cache_text(name).strip("()").split(", ")
        subject = f"{letters[place[1]].strip(',')}, which is in the cache,"
    return (
        f"{subject} was changed.  Other code still needs it as it was: work on a copy, or write "
        "the result into a new array."
    )


# Each of these functions returns a fault's name and lines, or None.


def structure(name, found):
    """Check the types of the result and its parts."""
    outputs = find(name).outputs
    alone = name in BARE
    wanted = ", ".join(outputs) if len(outputs) > 1 or alone else f"({outputs[0]},)"
    wanted = f"`return {wanted}`"
    if found is None:
        return "nothing returned", [f"It returned None: is the last line missing?  {wanted}"]
    if alone:
        right = isinstance(found, np.ndarray)
        line = f"It returned {kind(found)}; expected an array: {wanted}"
        return None if right else ("not an array", [line])
    if not isinstance(found, tuple):
        line = f"It returned {kind(found)}; expected a tuple: {wanted}."
        comma = "  The comma makes the tuple: every backward returns one."
        return "not a tuple", [line + (comma if len(outputs) == 1 else "")]
    if len(found) != len(outputs):
        line = f"It returned a tuple of {len(found)}; expected {len(outputs)}: {wanted}"
        return "too many or too few results", [line]
    for output, value in zip(outputs, found, strict=True):
        if output == "cache" and not isinstance(value, tuple):
            line = f"The cache is {kind(value)}; expected the tuple {cache_text(name)}"
            return "not a tuple", [line]
        if output != "cache" and not differences.is_numbers(value):
            return "not an array", [f"{output} is {kind(value)}; expected an array of numbers"]
    return None


def kind(value):
    """Return the kind of a value in words."""
    if isinstance(value, Other):
        return str(value)
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" if value.ndim else f"the number {value:.5g}"
    return "None" if value is None else f"a {type(value).__name__}"


def array_fault(name, output, found, right, case, tell):
    """Check the shape, numbers and dtype of an output."""
    if np.shape(found) != np.shape(right):
        numbers = [table(output, found, right, case)] if tell and is_small(case, found) else []
        owner = f", the shape of {output.removeprefix('d')}" if output.startswith("d") else ""
        hint = "  Is it transposed?" if np.shape(found) == np.shape(right)[::-1] else ""
        line = f"{output} has shape {np.shape(found)}; expected {np.shape(right)}{owner}.{hint}"
        return "wrong shape", [*numbers, line]
    if np.asarray(found).dtype.kind in "iu" and right.dtype.kind == "f":
        line = (
            f"{output} is an array of {np.asarray(found).dtype}: whole numbers, which lose what "
            f"comes after the point.  The arguments are {right.dtype}."
        )
        return "wrong dtype", [line]
    if not differences.same(found, right):
        lines = different(name, output, np.asarray(found), np.asarray(right), case) if tell else []
        return None, lines
    if np.ndim(right) and found.dtype != right.dtype:
        line = (
            f"The numbers in {output} are right, but they are {found.dtype}; the arguments are "
            f"{right.dtype}."
        )
        if found.dtype == np.float64:
            line += "  Is an array created without a dtype, or is an np.float64 mixed in?"
        return "wrong dtype", [line]
    return None


def cache_fault(name, found, right):
    """Check that the cache holds what backward unpacks."""
    backward, wanted = name.replace("_forward", "_backward"), cache_text(name)
    if len(found) != len(right):
        line = f"The cache has {len(found)} parts; {backward} unpacks {wanted}"
        return "wrong cache", [line]
    letters = wanted.strip("()").split(", ")
    for letter, mine, ours in zip(letters, found, right, strict=True):
        if not differences.alike(mine, ours):
            parts = f"{shown(mine)}; expected {shown(ours)}"
            if np.ndim(ours) and is_array(mine) and mine.shape == np.shape(ours):
                parts = f"wrong: {differences.counted(letter.strip(','), mine, ours)}"
            line = (
                f"The result of forward is right, but its cache is not: {backward} unpacks "
                f"{wanted}, and {letter.strip(',')} is {parts}"
            )
            return "wrong cache", [line]
    return None


def is_array(value):
    return isinstance(value, np.ndarray) and value.dtype.kind in "iuf"


def shown(value):
    """Return a value as short text on one line."""
    if isinstance(value, np.ndarray) and value.ndim:
        first = np.array2string(value.ravel()[:4], precision=4)[1:-1]
        return f"an array {value.shape} with {first}{' …' if value.size > 4 else ''}"
    return sandbox.one_line(str(value))


# Descriptions of wrong numbers.


def different(name, output, found, right, case):
    """Return lines on which entries are wrong, and what forward says about the first of them."""
    lines = [table(output, found, right, case)] if is_small(case, found) else []
    lines.append(differences.counted(output, found, right) + ".")
    wrong = differences.differs(found, right)
    if name.endswith("_backward") and wrong.any():
        lines += witness(name, output, right, case, tuple(np.argwhere(wrong)[0]))
    return lines


def is_small(case, found):
    """Return whether all numbers of a case can be read in one table."""
    return sum(map(np.size, case.inputs.values())) + np.size(found) <= SMALL


def table(output, found, right, case):
    """Return a case by hand as text: the arguments, the learner's output and the expected one."""
    given = {**case.inputs, **({} if case.dy is None else {"dy": case.dy})}
    given |= {k: v for k, v in case.options.items() if k not in given}
    return side_by_side({**given, f"your {output}": found, f"expected {output}": right}) + "\n"


def witness(name, output, right, case, place):
    """Return a line with the slope of the forward pass at one entry, by finite differences."""
    letter = output.removeprefix("d")
    forward = getattr(reference, forward_of(name))
    inputs = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in case.inputs.items()}
    if inputs[letter].dtype != np.float64:
        return []
    value, L = inputs[letter][place], []
    for nudge in (STEP, -STEP):
        inputs[letter][place] = value + nudge
        y, _ = forward(**with_generators(inputs))
        L.append(np.sum(y * (1 if case.dy is None else case.dy)))
    slope = (L[0] - L[1]) / (2 * STEP)
    if not math.isclose(slope, right[place], rel_tol=1e-4, abs_tol=1e-6):
        return []  # at a kink, or lost in round-off
    index = ", ".join(str(int(k)) for k in place)
    loss = "the loss" if case.dy is None else "Σ y·dy"
    effect = f"changes {slope:.5g} times as much" if abs(slope) > 1e-9 else "does not change"
    return [f"(Forward confirms it: change {letter}[{index}] a little, and {loss} {effect}.)"]
