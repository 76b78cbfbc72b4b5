"""The statements of a function: its lines, loops and names.

statement   one step of the stepper.  For a `for`, `if` or `with` it is the head alone; the body
            consists of further statements
header      the lines of `def`, where the arguments arrive
line        the number of a statement's first line in the file
loops       the lines of the `for` and `while` loops around a statement, outermost first; a loop's
            head counts as inside
names       the variables that a statement mentions, in reading order
makes       the variables that it assigns to, also through an index: `y[n] = …` makes y
again       the variables that it reads and then assigns: `x = f(x)`
quiet       a statement is quiet if a reader learns nothing from it; see is_quiet
"""

import ast
import inspect
import textwrap
from collections import namedtuple

Source = namedtuple("Source", "name file first lines header statements")
Statement = namedtuple("Statement", "line last loops names makes again node")


def read(code):
    """Return the Source of a code object.

    Its `statements` are {line: Statement}, with an entry for each line of a statement or head.

    Raises
    ------
    ValueError
        If the source is not available: it was typed at a plain Python prompt, or the file is gone.
    """
    try:
        lines, first = inspect.getsourcelines(code)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError, TypeError) as error:
        raise ValueError(
            f"step: the source of {code.co_name} cannot be read, so its lines cannot be shown; "
            "expected a function from a file or a notebook cell"
        ) from error
    ast.increment_lineno(tree, first - 1)
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef):
        raise ValueError("step: a lambda has no lines; expected a function written with def")
    statements = {}
    for statement in walk(function.body, ()):
        for line in range(statement.line, statement.last + 1):
            statements.setdefault(line, statement)
    last = max(function.lineno, function.body[0].lineno - 1)
    header = Statement(function.lineno, last, (), (), (), (), function)
    text = textwrap.dedent("".join(lines)).rstrip().split("\n")
    return Source(code.co_name, code.co_filename, first, text, header, statements)


def walk(body, loops):
    """Yield the statements of a body and of nested bodies."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield Statement(node.lineno, node.end_lineno, loops, (), (node.name,), (), node)
            continue
        if isinstance(node, (ast.For, ast.While)) and node.body[0].lineno == node.lineno:
            names, makes = mentioned(node, node._fields)  # `for n in x: y += n` is one step
            yield Statement(node.lineno, node.end_lineno, loops, names, makes, (), node)
            continue
        inside = loops + (node.lineno,) if isinstance(node, (ast.For, ast.While)) else loops
        inner = getattr(node, "body", None)
        last = max(node.lineno, inner[0].lineno - 1) if inner else node.end_lineno
        names, makes = mentioned(node)
        again = made_again(node) if isinstance(node, ast.Assign) else ()
        yield Statement(node.lineno, last, inside, names, makes, again, node)
        for part in ("body", "handlers", "orelse", "finalbody"):
            for child in getattr(node, part, ()):
                if isinstance(child, ast.ExceptHandler):
                    yield from walk(child.body, inside)
            bodies = [c for c in getattr(node, part, ()) if isinstance(c, ast.stmt)]
            yield from walk(bodies, loops if part == "orelse" else inside)


def is_quiet(statement):
    """Return whether a statement teaches nothing: a check, or the unpacking of a shape."""
    node = statement.node
    if isinstance(node, ast.If):
        return not node.orelse and all(isinstance(part, ast.Raise) for part in node.body)
    if isinstance(node, ast.With):
        return called_name(node.items[0].context_expr) == "named"  # net.py: for its errors
    if not isinstance(node, (ast.Assign, ast.Expr)):
        return isinstance(node, (ast.Pass, ast.Import, ast.ImportFrom, ast.Assert))
    parts = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
    return called_name(node.value).startswith(("check", "demand")) or all(map(is_shape, parts))


def called_name(node):
    """Return the name of the function that an expression calls, or ""."""
    called = getattr(node, "func", None)
    return getattr(called, "attr", getattr(called, "id", ""))


def is_shape(node):
    """Return whether an expression is the shape of an array, or a part of it: x.shape[2:]."""
    node = node.value if isinstance(node, ast.Subscript) else node
    return isinstance(node, ast.Attribute) and node.attr == "shape"


def returned_names(source):
    """Return the expressions in the last `return` of a function, one for each part of a tuple."""
    returns = [s.node for s in source.statements.values() if isinstance(s.node, ast.Return)]
    value = returns[-1].value if returns else None
    parts = value.elts if isinstance(value, ast.Tuple) else [value] * (value is not None)
    parts = [part.body if isinstance(part, ast.IfExp) else part for part in parts]  # dy if … else
    return [ast.unparse(part) for part in parts]


def mentioned(node, fields=None):
    """Return the names in a statement's head, or in these fields of it, and the names it makes."""
    header = fields or {
        ast.For: ("target", "iter"),
        ast.While: ("test",),
        ast.If: ("test",),
        ast.With: ("items",),
        ast.Try: (),
    }.get(type(node), node._fields)
    parts = []
    for field in header:
        value = getattr(node, field)
        parts += value if isinstance(value, list) else [value]
    nodes = [n for part in parts if isinstance(part, ast.AST) for n in ast.walk(part)]
    nodes = sorted((n for n in nodes if isinstance(n, ast.Name)), key=place)
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    makes = [base.id for target in targets for base in bases(target)]
    return tuple(dict.fromkeys(n.id for n in nodes)), tuple(dict.fromkeys(makes))


def made_again(node):
    """Return the names that an assignment reads and then assigns."""
    targets = [n for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    new = {n.id for n in targets if isinstance(n.ctx, ast.Store)}
    read = [n.id for n in ast.walk(node.value) if isinstance(n, ast.Name) and n.id in new]
    return tuple(dict.fromkeys(read))


def place(node):
    return node.lineno, node.col_offset


def bases(target):
    """Yield the names that an assignment to this target changes: y for y[n] and y.T."""
    if isinstance(target, ast.Name):
        yield target
    elif isinstance(target, (ast.Subscript, ast.Attribute, ast.Starred)):
        yield from bases(target.value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from bases(element)
