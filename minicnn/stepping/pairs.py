"""Which line of forward does a line of backward undo?

Two signs, the first of which decides:

    a comment    `# forward: y_n = w_rows @ cols` at the end of a line quotes it
    the names    a line that makes dq from dt undoes the line that made t from q.  (A gradient is
                 called d and the name of what it belongs to.)  Where there is none, a line that
                 uses dt undoes the line that made t; and where it uses no gradient, a line that
                 makes dq undoes those that used q

Lines that only look at a shape, or make room for an array, undo nothing and are not undone.
"""

import ast


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
    made = {name[1:] for name in statement.makes if name[0] == "d" and name[1:]}
    used = {name[1:] for name in statement.names if name[0] == "d"} - made
    exact = [s for s in candidates if made & uses(s) and used & set(s.makes)]
    if exact:
        return [s.line for s in exact]
    if used:
        return [s.line for s in candidates if used & set(s.makes)][-1:]
    return [s.line for s in candidates if made & uses(s) and s.makes]


def computes(statement):
    """Return whether a statement does more than look at a shape or make room for an array."""
    value = getattr(statement.node, "value", None)
    value = value.body if isinstance(value, ast.IfExp) else value
    called = getattr(value, "func", None)
    name = getattr(called, "attr", getattr(called, "id", ""))
    return not isinstance(value, ast.Attribute) and not name.startswith(("empty", "zeros"))


def uses(statement):
    """Return the names that a statement reads: those that it makes only if it adds to them."""
    made = set(statement.makes) if not isinstance(statement.node, ast.AugAssign) else set()
    return set(statement.names) - made
