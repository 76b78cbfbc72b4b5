"""Signatures: no function takes more arguments by position than one can tell apart."""

import ast
from pathlib import Path

import pytest

import minicnn

ROOT = Path(minicnn.__file__).parent.parent
MOST = 8


def positional(function):
    """Return how many arguments a function takes by position."""
    return len(function.args.posonlyargs) + len(function.args.args)


def crowded(text):
    """Return the names of the functions in a source that take more than MOST by position."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return {
        getattr(node, "name", "lambda")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, functions) and positional(node) > MOST
    }


def test_arguments_by_position_are_counted():
    assert crowded("def f(a, b, c, d, e, f, g, h, i): pass") == {"f"}
    assert crowded("class A:\n def f(a, b, c, /, d, e, f, g, h, i=1): pass") == {"f"}
    assert crowded("lambda a, b, c, d, e, f, g, h, i: 0") == {"lambda"}
    assert crowded("def f(a, b, c, d, e, f, g, h, *more, i, j=0, **others): pass") == set()


@pytest.mark.parametrize("folder", ["minicnn", "lessons"])
def test_no_function_takes_more_than_eight_arguments_by_position(folder):
    found = {
        (path.relative_to(ROOT / folder).as_posix(), name)
        for path in (ROOT / folder).rglob("*.py")
        for name in crowded(path.read_text(encoding="utf-8"))
    }
    assert found == set(), "make a named tuple of what belongs together"
