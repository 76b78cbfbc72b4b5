"""Read a learner's file without running it: its syntax, its exercises, and borrowed functions.

Python's own parser turns the file into a syntax tree.
"""

import ast
import difflib
import threading
import warnings

from .catalogue import BY_NAME
from .sandbox import one_line

LARGEST = 10**6  # the most bytes of a learner's file
ONE_AT_A_TIME = threading.Lock()  # the filter of warnings belongs to all threads


def hint(name):
    """Return advice for a missing file of this name."""
    near = difflib.get_close_matches(name, BY_NAME, n=1)
    if name not in BY_NAME and near:
        return f"did you mean {near[0]}?"
    name = name if name in BY_NAME else "relu_forward"
    return f"python -m lessons exercise {name} writes one"


def read(path):
    """Return the syntax tree of a file and the exercises in it, in teaching order.

    Raises ValueError, with a sentence for the learner, if it is not Python or holds no exercise.
    """
    if path.exists() and not path.is_file():
        raise ValueError("This is a folder or a device, not a file.")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"This file is too large for an exercise: more than {LARGEST:,} bytes.")
    try:
        # Python warns of invalid escape sequences, say.
        with ONE_AT_A_TIME, warnings.catch_warnings(action="ignore"):
            tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        line = one_line(error.text or "")
        where = f"line {error.lineno}" if error.lineno else "this file"
        where += f", `{line}`" if line else ""
        more = "  (The cause may be one line above.)" if line else ""
        raise ValueError(f"Python cannot read {where}: {one_line(error.msg)}.{more}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"Python cannot read this file: {one_line(str(error))}") from None
    written = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = [name for name in BY_NAME if name in written]
    if not names:
        near = [m for w in written for m in difflib.get_close_matches(w, BY_NAME, n=1, cutoff=0.8)]
        near += [name for name in BY_NAME for w in written if name.startswith(f"{w}_")]
        more = f"Did you mean {near[0]}?" if near else "python -m lessons exercise lists them."
        raise ValueError(f"No function here has the name of an exercise.  {more}")
    return tree, names


def borrowed(tree, name):
    """Return the line in which the learner's code uses another function of this name, or None.

    An import above the learner's own function is allowed, because the function hides it.  So is one
    that is used for comparison, outside all functions or in a test.
    """
    (own, *_) = [node for node in tree.body if getattr(node, "name", None) == name]
    aliases = set()
    for node in tree.body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else []:
            if alias.name == name and alias.asname:
                aliases.add(alias.asname)
            elif alias.name == name and node.lineno > own.lineno:
                return node.lineno  # this import hides the learner's own function
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for node in (n for f in functions if not f.name.startswith("test") for n in ast.walk(f)):
        within = isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]
        called = getattr(node, "id", None) in aliases or getattr(node, "attr", None) == name
        by_string = isinstance(node, ast.Constant) and node.value == name  # getattr(…, "…")
        if within or called or by_string:
            return node.lineno
    return None
