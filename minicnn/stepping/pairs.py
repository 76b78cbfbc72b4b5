"""Match each line of backward with the forward lines that it undoes.

Two signs are tried in this order:

    a comment    `# forward: y_n = w_rows @ cols` at the end of a line quotes the forward line
    the names    a line that computes dq from dt undoes the line that computed t from q, where dq is
                 the gradient of q.  If forward has no q, a line that uses dt undoes the last
                 line that assigned t

Only lines that compute something are matched, which excludes checks, loop heads, renamings,
allocations and lines that only read a shape.  A missing pair is better than a wrong one.
"""

import ast

LOOKS = ("shape", "dtype", "ndim", "size")


def pairs(forward, backward):
    """Return {line of backward: [lines of forward]} for two Sources."""
    candidates = list({s.line: s for s in forward.statements.values() if computes(s)}.values())
    matched = {}
    for statement in {s.line: s for s in backward.statements.values() if computes(s)}.values():
        lines = quoted_lines(statement, backward, candidates, forward)
        lines = lines or lines_by_name(statement, candidates)
        if lines:
            matched[statement.line] = lines
    return matched


def text_of(source, statement):
    """Return a statement as one line, with single spaces and without comments."""
    start = statement.line - source.first
    lines = source.lines[start : start + statement.last - statement.line + 1]
    return " ".join(" ".join(line.split("#")[0] for line in lines).split())


def quoted_lines(statement, backward, candidates, forward):
    lines = backward.lines[statement.line - backward.first : statement.last - backward.first + 1]
    for line in lines:
        _, mark, quote = line.partition("# forward:")
        quote = " ".join(quote.split())
        if mark and quote:
            return [s.line for s in candidates if text_of(forward, s).startswith(quote)]
    return []


def lines_by_name(statement, candidates):
    """Return the forward lines that match the names of a statement's gradients."""
    made = gradient_owners(statement.makes)
    used = gradient_owners(uses(statement)) - made | gradient_owners(statement.again)
    from_made = [s for s in candidates if made & uses(s)]
    if from_made:
        return [s.line for s in from_made if used & set(s.makes)]
    return [s.line for s in candidates if used & set(s.makes)][-1:]


def gradient_owners(names):
    """Return the variables whose gradients are among these names: w for dw."""
    return {name[1:] for name in names if name[0] == "d"}


def computes(statement):
    """Return whether a statement computes a value and assigns or returns it."""
    value = getattr(statement.node, "value", None)
    called = getattr(getattr(value, "body", value), "func", None)  # the body of `… if … else …`
    name = getattr(called, "attr", getattr(called, "id", ""))
    target = getattr(statement.node, "targets", [None])[0]
    renames = isinstance(value, ast.Name) and isinstance(target, ast.Name)
    if name.startswith(("empty", "zeros")) or renames:
        return False
    return isinstance(statement.node, (ast.Assign, ast.AugAssign, ast.Return))


def uses(statement):
    """Return the names whose values a statement uses.

    Reading a shape or dtype does not count, nor does returning a variable unchanged.
    """
    value = statement.node.value
    nodes = list(ast.walk(value)) if value else []
    passed = [n.value for n in nodes if isinstance(n, ast.Attribute) and n.attr in LOOKS]
    if isinstance(statement.node, ast.Return):
        passed += [part for n in nodes if isinstance(n, ast.Tuple) for part in n.elts] + [value]
    return {n.id for n in nodes if isinstance(n, ast.Name) and n not in passed}
