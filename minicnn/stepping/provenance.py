"""Find which input entries each entry of an output depends on.

The line itself is probed: put NaN into one entry of an input, run the line again, and every output
entry that changes depends on it.  This works for every line of the library, because NaN propagates
through all of them, as the tests check.  A value that does not reach the result, such as that of a
dropped unit, has no link.

    bits    for each entry of an output, one bit for each entry of an input, in row-major order

The line runs on copies of its variables, with kernels compiled.  Lines that draw random numbers or
use large arrays are not probed.  boxes.py finds what the indices of a line name, as in kernels.
"""

import ast
import base64
import copy
import inspect

import numpy as np

from .values import is_row, parts

MOST = 400  # the most entries of an array that is probed
LONG = 10_000  # a line with a larger array is too slow to probe
PLAIN = (np.ndarray, np.generic, np.dtype, int, float, str, slice, type(None))


def is_small(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and 0 < value.size <= MOST


def is_plain(value):
    """Return whether a value consists of plain data, so that it cannot hold a random generator."""
    if isinstance(value, (tuple, list)):
        return all(map(is_plain, value))
    return isinstance(value, PLAIN)


def is_long(values):
    """Return whether code that uses these values is too slow to probe, because one is large."""
    return any(
        is_long(value) if isinstance(value, (tuple, list)) else np.size(value) > LONG
        for value in values
        if isinstance(value, (tuple, list, np.ndarray))
    )


def small_parts(names, scope):
    """Return {name: array} of the small arrays among these names; see values.parts."""
    arrays = {}
    for name in names:
        arrays |= parts(name, scope[name]) if name in scope else {}
    return {name: value for name, value in arrays.items() if is_small(value)}


def with_copies(scope, names):
    """Return the scope with copies of these names' arrays and rows of arrays."""
    values = {name: scope[name] for name in names if name in scope}
    arrays = {n: v for n, v in values.items() if isinstance(v, np.ndarray) or is_row(v)}
    return scope | copy.deepcopy(arrays)


def line_links(statement, scope, after):
    """Return {output: {input: bits}} of an assignment.

    Parameters
    ----------
    statement : source.Statement
    scope : dict
        The value of every name before the line ran, with copies of arrays.
    after : dict
        The values after it.
    """
    values = [scope[name] for name in statement.names if name in scope]
    attributes = {n.attr for n in ast.walk(statement.node) if isinstance(n, ast.Attribute)}
    inputs = small_parts(statement.names, scope)
    outputs = small_parts(statement.makes, after)
    if not inputs or not outputs or is_long(values) or "random" in attributes:
        return {}
    if not all(is_plain(value) or callable(value) or inspect.ismodule(value) for value in values):
        return {}
    code = compile(ast.Module([statement.node], []), "<line>", "exec")

    def run(changes):
        copies = with_copies(scope, statement.names)  # the line may write to them
        for name, array in changes.items():
            name, _, number = name.rstrip("]").partition("[")
            if number:
                row = list(copies[name])
                row[int(number)] = array
            copies[name] = row if number else array
        exec(code, copies)
        made = small_parts(statement.makes, copies)
        return [made[name] for name in outputs]

    return probe(run, inputs, list(outputs), list(outputs.values()))


def call_links(function, bound, result):
    """Return {"result": {input: bits}} of a whole layer, for its first result; see line_links."""
    y = result[0] if isinstance(result, tuple) and result else result
    inputs = {name: value for name, value in bound.arguments.items() if is_small(value)}
    if not is_small(y) or not inputs or is_long(bound.arguments.values()):
        return {}

    def run(changes):
        arguments = copy.deepcopy(bound)
        arguments.arguments.update(changes)
        returned = function(*arguments.args, **arguments.kwargs)
        return [returned[0] if isinstance(returned, tuple) else returned]

    return probe(run, inputs, ["result"], [y])


def probe(run, inputs, outputs, expected):
    """Return {output: {input: bits}}.

    run({}) returns the outputs; run({name: array}) returns them for a changed input.
    """
    links = {name: {} for name in outputs}
    try:
        with np.errstate(all="ignore"):
            before = [np.array(output) for output in run({})]
            if not all(map(same, before, expected)):
                return {}  # it draws random numbers or changes its inputs, so links are unknown
            for name, array in inputs.items():
                tables = [np.zeros((array.size, output.size), bool) for output in before]
                for i in range(array.size):
                    poisoned = array.copy()
                    poisoned.reshape(-1)[i] = np.nan
                    after = run({name: poisoned})
                    for bits, old, new in zip(tables, before, after, strict=True):
                        bits[i] = ~alike(old, new).reshape(-1)
                for output, bits in zip(outputs, tables, strict=True):
                    if output != name and bits.any():
                        links[output][name] = encoded(bits.T)
    except Exception:  # the line rejects NaN, so it has no links
        return {}
    return {output: by_input for output, by_input in links.items() if by_input}


def alike(a, b):
    return (a == b) | (np.isnan(a) & np.isnan(b))


def same(a, b):
    return a.shape == np.shape(b) and alike(a, np.asarray(b)).all()


def encoded(bits):
    return base64.b64encode(np.packbits(bits.reshape(-1)).tobytes()).decode()
