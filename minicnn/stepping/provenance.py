"""Which entries of its inputs was an entry of an array made from?

Nobody writes that down twice: the line itself is asked.  Put a NaN into one entry of an input and
run the line again; what becomes NaN, or changes, was made from that entry.  For every line in the
library that is true, because a NaN stays visible wherever it goes (the tests see to it); and where
a value does not reach a result, because its unit was dropped, say, there is no link either.

    bits    for each entry of an output, a bit for each entry of an input: one row after the other

The line runs on copies, with the kernels compiled.  What draws random numbers is left alone, and so
is what is large.  Where a line is about single entries, as in a kernel, its indices say which, and
nothing has to be asked: x[c, y_in, x_in].
"""

import ast
import base64
import copy
import inspect
import operator

import numpy as np

from .values import is_row, parts

MOST = 400  # entries of an array that is probed
LONG = 10_000  # entries of one that only takes part
PLAIN = (np.ndarray, np.generic, np.dtype, int, float, str, slice, type(None))


def is_small(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and 0 < value.size <= MOST


def is_plain(value):
    """Return whether a value is only numbers and words, so that nothing can be drawn from it."""
    if isinstance(value, (tuple, list)):
        return all(map(is_plain, value))
    return isinstance(value, PLAIN)


def is_long(values):
    """Return whether to run again what has these values would take long: one is large."""
    return any(
        is_long(value) if isinstance(value, (tuple, list)) else np.size(value) > LONG
        for value in values
        if isinstance(value, (tuple, list, np.ndarray))
    )


def small_parts(names, scope):
    """Return {name: array} of the small arrays among these names; see values.parts."""
    found = {}
    for name in names:
        found |= parts(name, scope[name]) if name in scope else {}
    return {name: value for name, value in found.items() if is_small(value)}


def with_copies(scope, names):
    """Return the scope with copies of the arrays of these names, and of rows of them."""
    values = {name: scope[name] for name in names if name in scope}
    arrays = {n: v for n, v in values.items() if isinstance(v, np.ndarray) or is_row(v)}
    return scope | copy.deepcopy(arrays)


def of_line(statement, scope, after):
    """Return {output: {input: bits}} of an assignment.

    Parameters
    ----------
    statement : source.Statement
    scope : dict
        What every name was before the line ran: arrays as copies.
    after : dict
        What the names are now.
    """
    here = [scope[name] for name in statement.names if name in scope]
    attributes = {n.attr for n in ast.walk(statement.node) if isinstance(n, ast.Attribute)}
    inputs = small_parts(statement.names, scope)
    outputs = small_parts(statement.makes, after)
    if not inputs or not outputs or is_long(here) or "random" in attributes:
        return {}
    if not all(is_plain(value) or callable(value) or inspect.ismodule(value) for value in here):
        return {}
    code = compile(ast.Module([statement.node], []), "<line>", "exec")

    def run(changes):
        own = with_copies(scope, statement.names)  # the line may write to them
        for name, array in changes.items():
            name, _, number = name.rstrip("]").partition("[")
            if number:
                row = list(own[name])
                row[int(number)] = array
            own[name] = row if number else array
        exec(code, own)
        found = small_parts(statement.makes, own)
        return [found[name] for name in outputs]

    return probe(run, inputs, list(outputs), list(outputs.values()))


def of_call(function, bound, result):
    """Return {"y": {input: bits}} of a whole layer, for its first result; see of_line."""
    y = result[0] if isinstance(result, tuple) and result else result
    inputs = {name: value for name, value in bound.arguments.items() if is_small(value)}
    if not is_small(y) or not inputs or is_long(bound.arguments.values()):
        return {}

    def run(changes):
        arguments = copy.deepcopy(bound)
        arguments.arguments.update(changes)
        found = function(*arguments.args, **arguments.kwargs)
        return [found[0] if isinstance(found, tuple) else found]

    return probe(run, inputs, ["result"], [y])


def entries_of(node, running):
    """Return {array: the number of the entry that a statement reads or writes, by its indices}.

    Of an array with two such entries, and of x[n], which is more than one, nothing is said.
    """
    found, here = {}, running.f_locals
    for part in ast.walk(node):
        if not isinstance(part, ast.Subscript) or not isinstance(part.value, ast.Name):
            continue
        name, array = part.value.id, here.get(part.value.id)
        risky = any(isinstance(one, (ast.Call, ast.NamedExpr)) for one in ast.walk(part.slice))
        if not isinstance(array, np.ndarray) or risky:
            continue
        try:
            code = compile(ast.Expression(part.slice), "<index>", "eval")
            index = eval(code, running.f_globals, here)
            index = map(operator.index, index if isinstance(index, tuple) else (index,))
            places = [i + n if i < 0 else i for i, n in zip(index, array.shape, strict=True)]
            entry = np.ravel_multi_index(places, array.shape)
        except (
            Exception
        ):  # a slice, or fewer indices than axes, or a mistake that the line will show
            continue
        found.setdefault(name, set()).add(int(entry))
    return {name: entries.pop() for name, entries in found.items() if len(entries) == 1}


def probe(run, inputs, outputs, expected):
    """Return the bits: run({}) gives the outputs, run({name: array}) those for another input."""
    found = {name: {} for name in outputs}
    try:
        with np.errstate(all="ignore"):
            before = [np.array(one) for one in run({})]
            if not all(map(same, before, expected)):
                return {}  # it draws random numbers, or changes what it reads: nothing can be said
            for name, array in inputs.items():
                touched = [np.zeros((array.size, one.size), bool) for one in before]
                for i in range(array.size):
                    poisoned = array.copy()
                    poisoned.reshape(-1)[i] = np.nan
                    for bits, one, now in zip(touched, before, run({name: poisoned}), strict=True):
                        bits[i] = ~alike(one, now).reshape(-1)
                for output, bits in zip(outputs, touched, strict=True):
                    if output != name and bits.any():
                        found[output][name] = encoded(bits.T)
    except Exception:  # a line that minds NaN: it has no links
        return {}
    return {name: links for name, links in found.items() if links}


def alike(a, b):
    return (a == b) | (np.isnan(a) & np.isnan(b))


def same(a, b):
    return a.shape == np.shape(b) and alike(a, np.asarray(b)).all()


def encoded(bits):
    return base64.b64encode(np.packbits(bits.reshape(-1)).tobytes()).decode()
