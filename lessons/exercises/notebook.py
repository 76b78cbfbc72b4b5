"""Exercises in notebooks: what a function needs of the cells, as a Python file that can be checked.

    cells    a list of (label, source): ("cell 3", "x = 1\\n…")
    roots    the names of the functions to check
    text     the Python file: all lines of the cells, but empty where the roots do not need them
    places   for each line of that file its place in the notebook: {12: "cell 3, line 2"}

A cell may train a network, draw figures or raise an error.  So only statements are kept that bind a
name which the roots need, directly or by way of other functions: imports, functions, constants.
"""

import ast
import inspect
import pathlib
import re
import symtable
import sys
import tempfile
import warnings

from minicnn.storage import parse_json

from .catalogue import BY_NAME
from .sandbox import one_line
from .submission import ONE_AT_A_TIME

LARGEST = 20 * 10**6  # the most bytes of a notebook, which may hold pictures
MOST_CODE = 200_000  # the most characters of code in it
MAGIC = re.compile(r"^(\s*)(?:[\w, ]+=\s*)?[%!?].*$|^(\s*)[\w.]+\?+\s*$", re.MULTILINE)


def script(path):
    """Return the text and the places of a notebook file.

    Raises ValueError, with a sentence for the learner, if it is no notebook, or if a cell with an
    exercise is not Python.
    """
    if not path.is_file():
        raise ValueError("This is a folder or a device, not a file.")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"This notebook is too large: more than {LARGEST:,} bytes.")
    try:
        notebook = parse_json(path.read_bytes())
    except ValueError:  # also what is not UTF-8
        notebook = None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise ValueError("This is not a notebook that Jupyter has saved: it has no list of cells.")
    sources = [source_of(cell) for cell in cells]
    if sum(map(len, sources)) > MOST_CODE:
        raise ValueError(f"This notebook has more than {MOST_CODE:,} characters of code.")
    return selected([(f"cell {n}", text) for n, text in enumerate(sources, 1) if text])


def source_of(cell):
    """Return the source of a code cell, or "" for any other cell."""
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return ""
    source = cell.get("source")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""


def selected(cells, roots=None):
    """Return the text and the places; without roots, those of all exercises in the cells."""
    with ONE_AT_A_TIME, warnings.catch_warnings(action="ignore"):  # about invalid escapes, say
        return needed(cells, roots)


def needed(cells, roots):
    """Return the text and the places; see `selected`."""
    lines, places, statements, last = [], {}, [], {}
    for label, source in cells:
        source = re.sub(r"\r\n?", "\n", source)
        before = len(lines)
        for statement in parsed(label, source):
            decorators = getattr(statement, "decorator_list", [])
            first = min(node.lineno for node in [statement, *decorators])
            span = range(before + first, before + statement.end_lineno + 1)
            if isinstance(statement, ast.FunctionDef):
                last[statement.name] = len(statements)  # a later cell writes it anew
            statements.append((statement, span, *names_of(statement)))
        for number, line in enumerate(as_python(source).split("\n"), 1):
            lines.append(line)
            places[len(lines)] = f"{label}, line {number}"
    statements = [
        statement
        for n, statement in enumerate(statements)
        if last.get(getattr(statement[0], "name", None), n) == n
    ]
    functions = last.keys()
    binders = {}  # name → the statements that bind it
    for statement in statements:
        for name in statement[2]:
            binders.setdefault(name, []).append(statement)
    wanted, seen = set(), set()  # lines and statements
    names = ["*", *(roots or functions & BY_NAME.keys() or functions)]
    while names:
        for node, span, _, used in binders.pop(names.pop(), []):
            if node not in seen:
                seen.add(node)
                wanted.update(span)
                names += used
    shown = [line if n in wanted else "" for n, line in enumerate(lines, 1)]
    return "\n".join(shown) + "\n", places


def as_python(source):
    """Return a cell's source with `pass` where Python cannot read one of Jupyter's commands."""
    try:
        ast.parse(source)
        return source
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return MAGIC.sub(lambda match: f"{match[1] or match[2] or ''}pass", source)


def parsed(label, source):
    """Return the statements of a cell, or none if it is not Python and holds no exercise."""
    try:
        return ast.parse(as_python(source)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        names = re.findall(r"^\s*def\s+(\w+)", source, re.MULTILINE)
        if not BY_NAME.keys() & set(names):
            return []
        where = f"{label}, line {getattr(error, 'lineno', None) or 1}"
        line = one_line(getattr(error, "text", None) or "")
        where += f", `{line}`" if line else ""
        message = one_line(getattr(error, "msg", None) or str(error))
        raise ValueError(f"Python cannot read {where}: {message}.") from None


def names_of(statement):
    """Return the names that a statement binds, with "*" for `import *`, and the names it uses."""
    if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
        return {"*"}, set()
    try:
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
    except (SyntaxError, ValueError, RecursionError):  # `return` outside a function
        return set(), set()
    symbols = table.get_symbols()
    bound = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
    used = {s.get_name() for s in symbols if s.is_referenced()}
    tables = table.get_children()
    while tables:
        inner = tables.pop()
        used |= {s.get_name() for s in inner.get_symbols() if s.is_global()}
        tables += inner.get_children()
    return bound, used


def located(result, places):
    """Return a Result in which the lines of the file are replaced by places in the notebook."""

    def replaced(text):
        return text and re.sub(r"\b([Ll])ine (\d+)\b", place, text)

    def place(match):
        text = places.get(int(match[2]), match[0])
        return text[0].upper() + text[1:] if match[1] == "L" else text

    checks = [{**check, "said": [*map(replaced, check["said"])]} for check in result.checks]
    return result._replace(checks=checks, hint=replaced(result.hint), more=replaced(result.more))


def check(function, more=False):
    """Print the tutor's answer to a function of this notebook, or of this file.

    Raises
    ------
    TypeError
        If it is not a function.
    ValueError
        If it is no exercise, or its source cannot be found.
    """
    from ..viewer import progress
    from . import catalogue, tutor

    function = getattr(function, "py_func", function)  # of a kernel
    name = getattr(function, "__name__", None)
    if not inspect.isfunction(function):
        raise TypeError(f"check({function!r:.60}): expected a function, as in check(relu_backward)")
    catalogue.find(name)
    text, places = selected(cells_with(function), [name])
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "notebook.py")
        path.write_text(text, encoding="utf-8")
        results = [result for result in tutor.results(path) if result.name in (name, None)]
    for result in results:
        result = located(result, places)._replace(file="yours")
        answer = tutor.harmless(tutor.result_text(result, more))
        print(answer.replace("(--more says more.)", f"(check({name}, more=True) says more.)"))
        if result.passed:
            progress.done("exercise", name)


def cells_with(function):
    """Return the cells that have run in this notebook, or the file of the function as one cell.

    Raises ValueError if neither can be found, or if the function is the library's.
    """
    name = function.__name__
    if function.__module__.split(".")[0] == "minicnn":
        raise ValueError(f"this {name} is the library's; write one of your own, and check that")
    history = getattr(sys.modules["__main__"], "In", None)
    if function.__module__ == "__main__" and isinstance(history, list):
        return [(f"In [{n}]", str(source)) for n, source in enumerate(history) if source]
    try:
        path = inspect.getsourcefile(function)
        return [("your file", pathlib.Path(path).read_text(encoding="utf-8"))]
    except (TypeError, OSError, ValueError):
        raise ValueError(
            f"the source of {name} cannot be found; write it into a file, FILE, and type: "
            "python -m lessons check FILE"
        ) from None
