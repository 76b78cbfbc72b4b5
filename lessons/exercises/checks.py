"""The first thing that is wrong with one answer, in sentences.

    one      the Case, see cases.py
    answer   what the child process sent back for it, see sandbox_child.py
    found    what the learner's function returned; right, what the library's does
    Fault    output, the one that is wrong, or None if it is none of them; name, for a teacher's
             statistics, None where numbers are wrong; lines, that say what is wrong

Each fault is told as what it was and what was expected.  What it may come from is left to
diagnosis.py.
"""

import inspect
import math
from collections import namedtuple

import numpy as np

from minicnn import reference

from . import differences, sandbox
from .cases import BY_HAND, by_output, drawn
from .catalogue import BARE, find, forward_of, function, kept, signature
from .sandbox_child import Other
from .side_by_side import beside

Fault = namedtuple("Fault", "output name lines")
STEP = 1e-5
DO_NOT_FIT = "matmul", "broadcast", "aligned", "could not multiply"  # words of NumPy's messages


def look(name, one, answer, right, tell):
    """Return the first Fault of an answer, or None; only with `tell` lines show wrong numbers."""
    if answer["raised"]:
        return Fault(None, "stopped", [called(name, answer["raised"]), *fitting(answer["raised"])])
    found = answer["returned"]
    if fault := structure(name, found):
        return Fault(None, *fault)
    if answer["changed"] and name != "sgd_update":
        return Fault(None, "argument changed", [in_place(name, answer["changed"][0])])
    if name == "dropout_forward":
        return None  # which units are left out is a matter of chance: see dropout_checks.py
    found = by_output(name, found)
    for output in find(name).outputs if name != "sgd_update" else ("v", "w"):  # w follows from v
        if output == "cache":
            fault = cache_fault(name, found[output], right[output])
        else:
            fault = array_fault(name, output, found[output], right[output], one, tell)
        if fault:
            return Fault(output, *fault)
    return None


def called(name, error):
    """Say what a call raised."""
    if error["line"] is None and error["type"] == "TypeError":
        return f"It cannot be called as {signature(name)}: {error['message']}"
    return f"It stopped in {sandbox.raised(error)}"


def fitting(error):
    """Say what may help where NumPy says that the shapes of two arrays do not fit together."""
    if error["type"] == "ValueError" and any(word in error["message"] for word in DO_NOT_FIT):
        return [
            "Two arrays do not fit together there.  Print their shapes before that line: has one "
            "to be transposed (.T), or reshaped?"
        ]
    return []


def in_place(name, place):
    """Say which argument was changed."""
    names = list(inspect.signature(function(name)).parameters)
    words = names[place[0]]
    if len(place) > 1:
        letters = kept(name).strip("()").split(", ")
        words = f"{letters[place[1]].strip(',')}, which is in the cache,"
    return (
        f"{words} was changed.  Others still need it as it was: work on a copy, or write the "
        "result into a new array."
    )


# Each of these returns a fault's name and lines, or None.


def structure(name, found):
    """Is what was returned the kind of thing that it should be?"""
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
            line = f"The cache is {kind(value)}; expected the tuple {kept(name)}"
            return "not a tuple", [line]
        if output != "cache" and not differences.is_numbers(value):
            return "not an array", [f"{output} is {kind(value)}; expected an array of numbers"]
    return None


def kind(value):
    """Return what a value is, in words."""
    if isinstance(value, Other):
        return str(value)
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" if value.ndim else f"the number {value:.5g}"
    return "None" if value is None else f"a {type(value).__name__}"


def array_fault(name, output, found, right, one, tell):
    """Has an output the right shape, numbers and dtype?"""
    if np.shape(found) != np.shape(right):
        small = one.title == BY_HAND and np.size(found) < 100
        numbers = [table(output, found, right, one)] if small else []
        owner = f", the shape of {output.removeprefix('d')}" if output.startswith("d") else ""
        hint = "  Is it transposed?" if np.shape(found) == np.shape(right)[::-1] else ""
        line = f"{output} has shape {np.shape(found)}; expected {np.shape(right)}{owner}.{hint}"
        return "wrong shape", [*numbers, line]
    if not differences.same(found, right):
        lines = different(name, output, np.asarray(found), np.asarray(right), one) if tell else []
        return None, lines
    if np.ndim(right) and found.dtype != right.dtype:
        line = (
            f"The numbers in {output} are right, but they are {found.dtype}; the arguments are "
            f"{right.dtype}.  Is an array made without a dtype, or is a np.float64 mixed in?"
        )
        return "wrong dtype", [line]
    return None


def cache_fault(name, found, right):
    """Does a cache hold what backward will unpack?"""
    backward, wanted = name.replace("_forward", "_backward"), kept(name)
    if len(found) != len(right):
        line = f"The cache holds {len(found)} things; {backward} unpacks {wanted}"
        return "wrong cache", [line]
    letters = wanted.strip("()").split(", ")
    for letter, mine, ours in zip(letters, found, right, strict=True):
        if not differences.alike(mine, ours):
            line = (
                f"What forward returns is right, but not what it keeps: {backward} unpacks "
                f"{wanted}, and {letter.strip(',')} is {shown(mine)}, expected {shown(ours)}"
            )
            return "wrong cache", [line]
    return None


def shown(value):
    """Return a value as a text of at most one line."""
    if isinstance(value, np.ndarray) and value.ndim:
        first = np.array2string(value.ravel()[:4], precision=4)[1:-1]
        return f"an array {value.shape} with {first}{' …' if value.size > 4 else ''}"
    return str(value)


# What is told of numbers that are wrong.


def different(name, output, found, right, one):
    """Return lines: how many entries, which, where they lie, and a witness from forward."""
    lines = [table(output, found, right, one)] if one.title == BY_HAND else []
    lines.append(differences.counted(output, found, right) + ".")
    wrong = differences.differs(found, right)
    if place := differences.lie(wrong, differences.regions_of(name, output, one, right.shape)):
        lines.append(place)
    if name.endswith("_backward") and wrong.any():
        lines += witness(name, output, right, one, tuple(np.argwhere(wrong)[0]))
    return lines


def table(output, found, right, one):
    """Return what can be done by hand as text: what was given, what came out, what was expected."""
    given = {**one.inputs, **({} if one.dy is None else {"dy": one.dy})}
    given |= {k: v for k, v in one.options.items() if k not in given}
    return beside({**given, f"your {output}": found, f"expected {output}": right}) + "\n"


def witness(name, output, right, one, place):
    """Return a line with the slope that finite differences of the forward pass give there."""
    letter = output.removeprefix("d")
    forward = getattr(reference, forward_of(name))
    inputs = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in one.inputs.items()}
    if inputs[letter].dtype != np.float64:
        return []
    kept_value, L = inputs[letter][place], []
    for move in (STEP, -STEP):
        inputs[letter][place] = kept_value + move
        y, _ = forward(**drawn(inputs))
        L.append(np.sum(y * (1 if one.dy is None else one.dy)))
    slope = (L[0] - L[1]) / (2 * STEP)
    if not math.isclose(slope, right[place], rel_tol=1e-4, abs_tol=1e-6):
        return []  # at a kink, or lost in round-off
    index = ", ".join(str(int(k)) for k in place)
    loss = "the loss" if one.dy is None else "Σ y·dy"
    moves = f"moves {slope:.5g} times as far" if abs(slope) > 1e-9 else "does not move"
    return [f"(Forward agrees: move {letter}[{index}] a little, and {loss} {moves}.)"]
