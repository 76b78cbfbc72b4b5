"""Which line of forward does a line of backward undo?

Two signs, the first of which decides:

    a comment    `# forward: y_n = w_rows @ cols` at the end of a line quotes it
    the names    a line that makes dq from dt undoes the line that made t from q.  (A gradient is
                 called d and the name of what it belongs to.)  Where forward has no q, a line
                 that uses dt undoes the last line that made t

Only lines that compute something count: a check, the head of a loop, another name, a look at a
shape and room for an array undo nothing and are not undone.  Better no pair than a wrong one.
"""

import ast

LOOKS = ("shape", "dtype", "ndim", "size")


def pairs(forward, backward):
    """Return {line of backward: [lines of forward]} for two Sources."""
    first = list({s.line: s for s in forward.statements.values() if computes(s)}.values())
    found = {}
    for statement in {s.line: s for s in backward.statements.values() if computes(s)}.values():
        lines = quoted(statement, backward, first, forward) or named(statement, first)
        if lines:
            found[statement.line] = lines
    return found


def text_of(source, statement):
    """Return a statement as one line, with single spaces and without its comment."""
    start = statement.line - source.first
    lines = source.lines[start : start + statement.last - statement.line + 1]
    return " ".join(" ".join(line.split("#")[0] for line in lines).split())


def quoted(statement, backward, candidates, forward):
    lines = backward.lines[statement.line - backward.first : statement.last - backward.first + 1]
    for line in lines:
        _, mark, quote = line.partition("# forward:")
        quote = " ".join(quote.split())
        if mark and quote:
            return [s.line for s in candidates if text_of(forward, s).startswith(quote)]
    return []


def named(statement, candidates):
    """Return the forward lines that the names point to."""
    made = gradients(statement.makes)
    used = gradients(uses(statement)) - made | gradients(statement.again)
    from_made = [s for s in candidates if made & uses(s)]
    if from_made:
        return [s.line for s in from_made if used & set(s.makes)]
    return [s.line for s in candidates if used & set(s.makes)][-1:]


def gradients(names):
    """Return what the gradients among these names belong to: w for dw."""
    return {name[1:] for name in names if name[0] == "d"}


def computes(statement):
    """Return whether a statement computes something, which it keeps or returns."""
    value = getattr(statement.node, "value", None)
    called = getattr(getattr(value, "body", value), "func", None)  # the body of `… if … else …`
    name = getattr(called, "attr", getattr(called, "id", ""))
    target = getattr(statement.node, "targets", [None])[0]
    renames = isinstance(value, ast.Name) and isinstance(target, ast.Name)
    if name.startswith(("empty", "zeros")) or renames:
        return False
    return isinstance(statement.node, (ast.Assign, ast.AugAssign, ast.Return))


def uses(statement):
    """Return the names of which a statement needs the values, and not the shape or type alone.

    What it returns as it is, it does not use either.
    """
    value = statement.node.value
    nodes = list(ast.walk(value)) if value else []
    passed = [n.value for n in nodes if isinstance(n, ast.Attribute) and n.attr in LOOKS]
    if isinstance(statement.node, ast.Return):
        passed += [part for n in nodes if isinstance(n, ast.Tuple) for part in n.elts] + [value]
    return {n.id for n in nodes if isinstance(n, ast.Name) and n not in passed}
