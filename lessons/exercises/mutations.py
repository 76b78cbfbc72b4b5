"""Small edits of a right solution that make it wrong, one at a time.

A learner's wrong numbers are compared with those of every edited solution.  Where they agree in
all cases, the edited line says what the learner's code computes, however it is written.

    tree      a function's syntax tree; it is edited in place and restored
    shapes    {name: shape} of the function's arrays in one call
"""

import ast
import sys

# names of numbers that are easily exchanged
PAIRS = "i j, H W, H_out W_out, z s, f stride, y_in x_in, y_out x_out, top left, first last, a b"
# what these are if they are forgotten
ALONE = {"stride": 1, "s": 1, **dict.fromkeys(("pad", "n", "k", "c", "i", "j"), 0)}
PARTNER = {a: b for pair in PAIRS.split(", ") for a, b in (pair.split(), pair.split()[::-1])}
OPERATORS = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div, ast.Add], ast.FloorDiv: [ast.Mod],
    ast.Div: [ast.Mult, ast.FloorDiv], ast.Pow: [ast.Mult], ast.Mod: [ast.FloorDiv],
}  # fmt: skip
COMPARISONS = {ast.Lt: [ast.LtE], ast.LtE: [ast.Lt], ast.Gt: [ast.GtE, ast.Lt], ast.GtE: [ast.Gt]}
FUNCTIONS = {
    "sum": ["mean", "max"], "mean": ["sum"], "max": ["min", "sum", "mean"], "argmax": ["argmin"],
    "maximum": ["minimum"], "zeros_like": ["ones_like"], "log": ["log2", "log10"],
}  # fmt: skip


def mutants(tree, shapes):
    """Yield the words of each edit and the statement for their `{}`, while the edit is in place."""
    for statement in [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]:
        if statement is tree:
            yield from orders(tree.body)
            continue
        for lines in (getattr(statement, name, []) for name in ("body", "orelse")):
            yield from orders(lines)
        for holder, name, place, old in expressions(statement):
            for new in alternatives(old, shapes):
                put(holder, name, place, new)
                yield "has the line `{}`", statement
            put(holder, name, place, old)
        yield from renamed(statement)
        if isinstance(statement, ast.AugAssign):
            old = statement.op
            statement.op = ast.Sub() if isinstance(old, ast.Add) else ast.Add()
            yield "has the line `{}`", statement
            statement.op = old


def renamed(statement):
    """Yield edits of all places of a name in one statement."""
    for name in sorted({n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}):
        others = [ast.Name(PARTNER[name], ast.Load())] if name in PARTNER else []
        others += [ast.Constant(ALONE[name])] if name in ALONE else []
        others += [parsed("2 * pad")] if name == "pad" else []  # all of it on one side
        places = [e for e in expressions(statement) if getattr(e[3], "id", "") == name]
        places = [e for e in places if isinstance(e[3].ctx, ast.Load)]
        for other in others if len(places) > 1 else []:
            for holder, field, place, _ in places:
                put(holder, field, place, other)
            yield "has the line `{}`", statement
            for holder, field, place, old in places:
                put(holder, field, place, old)


def orders(lines):
    """Yield edits of a list of statements: one changed, moved or left out."""
    for k, line in enumerate(lines):
        if isinstance(line, ast.AugAssign):
            is_sum = isinstance(line.op, ast.Add)
            for value in (
                [line.value] if is_sum else [line.value, ast.UnaryOp(ast.USub(), line.value)]
            ):
                lines[k] = new = ast.copy_location(ast.Assign([line.target], value), line)
                yield f"has `=` for `{'+' if is_sum else '-'}=` in the line `{{}}`", new
            lines[k] = line
        if isinstance(line, (ast.AugAssign, ast.Assign)) and len(lines) > 1:
            del lines[k]
            yield "lacks the line `{}`", line
            lines.insert(k, line)
        after = lines[k + 1] if k + 1 < len(lines) else None
        if isinstance(line, ast.Assign) and isinstance(after, ast.Assign):
            lines[k : k + 2] = [after, line]
            yield "has the line `{}` one line too late", line
            lines[k : k + 2] = [line, after]
        for loop in lines[k + 1 :] if isinstance(line, ast.Assign) else []:
            if isinstance(loop, ast.For):
                del lines[k]
                loop.body.insert(0, line)
                yield "runs the line `{}` again in each turn of a loop", line
                del loop.body[0]
                lines.insert(k, line)


def first_line(statement):
    return ast.unparse(ast.fix_missing_locations(statement)).splitlines()[0]


def expressions(statement):
    """Yield (node, field, index or None, expression) for all expressions of one statement."""
    stack = [statement]
    while stack:
        node = stack.pop()
        for name, value in ast.iter_fields(node):
            for place, part in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(part, (ast.expr, ast.keyword, ast.Slice)):
                    stack.append(part)
                    if isinstance(part, ast.expr) and name != "func":
                        yield node, name, place, part


def put(holder, name, place, value):
    if place is None:
        setattr(holder, name, value)
    else:
        getattr(holder, name)[place] = value


def parsed(text, **parts):
    """Return the expression of a text, with names replaced by expressions."""
    holder = ast.parse(text, mode="eval")
    for node, name, place, part in list(expressions(holder)):
        if isinstance(part, ast.Name) and part.id in parts:
            put(node, name, place, parts[part.id])
    return holder.body


def alternatives(node, shapes):
    """Yield expressions to put in the place of this one."""
    if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
        return
    if isinstance(node, ast.BinOp):
        yield from other_operations(node)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield from (ast.Constant(node.value + step) for step in (1, -1))
    elif isinstance(node, ast.Name):
        yield from other_names(node, shapes)
    elif isinstance(node, ast.Compare):
        for op in COMPARISONS.get(type(node.ops[0]), []):
            yield ast.Compare(node.left, [op(), *node.ops[1:]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield from node.values
    elif isinstance(node, ast.Call):
        yield from other_calls(node)
    elif isinstance(node, ast.Slice):
        yield ast.Slice(None, node.upper, node.step)
        yield ast.Slice(node.lower, None, node.step)
    elif isinstance(node, ast.Subscript):
        yield node.value
        indices = getattr(node.slice, "elts", [])
        for k in range(1, len(indices)):
            order = [*indices[: k - 1], indices[k], indices[k - 1], *indices[k + 1 :]]
            yield ast.Subscript(node.value, ast.Tuple(order, ast.Load()), ast.Load())


def other_operations(node):
    left, op, right = node.left, node.op, node.right
    for other in OPERATORS.get(type(op), []):
        yield ast.BinOp(left, other(), right)
    for inner, outer in ((right, left), (left, right)):  # as if parentheses were missing
        if isinstance(inner, ast.BinOp) and isinstance(inner.op, (ast.Add, ast.Sub)):
            if isinstance(op, ast.Mult):
                yield ast.BinOp(ast.BinOp(outer, op, inner.left), inner.op, inner.right)
                yield ast.BinOp(inner.left, inner.op, ast.BinOp(inner.right, op, outer))
            elif isinstance(op, ast.Div) and inner is left:
                yield ast.BinOp(inner.left, inner.op, ast.BinOp(inner.right, op, outer))
    if isinstance(left, ast.Call) and left.args and isinstance(op, (ast.Add, ast.Sub)):
        inside = [ast.BinOp(left.args[0], op, right), *left.args[1:]]
        yield ast.Call(left.func, inside, left.keywords)
    if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult):
        if isinstance(op, (ast.Add, ast.Sub)):  # as if there were parentheses
            yield ast.BinOp(left.left, ast.Mult(), ast.BinOp(left.right, op, right))
    yield left
    yield right
    if isinstance(op, ast.Sub):
        yield parsed("-r", r=right)
    if isinstance(op, ast.Pow):
        yield parsed("l ** -r", l=left, r=right)
        yield parsed("abs(l)", l=left)
    elif isinstance(op, (ast.Sub, ast.Div)):
        yield ast.BinOp(right, op, left)
    elif isinstance(op, ast.MatMult):
        for text in ("l.T @ r", "l @ r.T", "(r @ l)", "(r.T @ l)", "(r.T @ l.T)"):
            yield parsed(text, l=left, r=right)


def other_names(node, shapes):
    if node.id in PARTNER:
        yield ast.Name(PARTNER[node.id], ast.Load())
    if node.id in ALONE:
        yield ast.Constant(ALONE[node.id])
    if node.id == "scale":
        yield parsed("scale**beta")
    shape = shapes.get(node.id)
    if shape:
        alike = [name for name in shapes if name != node.id and shapes[name] == shape]
        yield from (ast.Name(name, ast.Load()) for name in alike)
        if len(shape) > 1:
            yield parsed("a[..., ::-1, ::-1]", a=node)
            yield parsed("a.swapaxes(-1, -2)", a=node)


def other_calls(node):
    attribute = isinstance(node.func, ast.Attribute)
    name = node.func.attr if attribute else getattr(node.func, "id", "")
    for other in FUNCTIONS.get(name, []):
        f = ast.Attribute(node.func.value, other, ast.Load()) if attribute else None
        yield ast.Call(f or ast.Name(other, ast.Load()), node.args, node.keywords)
    first = node.args[0] if node.args else None
    if isinstance(first, ast.BinOp) and isinstance(first.op, (ast.Pow, ast.Div, ast.Mult)):
        inner = ast.Call(node.func, [first.left, *node.args[1:]], node.keywords)
        yield ast.BinOp(inner, first.op, first.right)
    if name == "range" and len(node.args) == 1:
        yield from (parsed("range(n - 1)", n=first), parsed("range(1, n)", n=first))
    if name == "ndindex" and getattr(first, "attr", "") == "shape" and len(node.args) == 1:
        for text in ("a[-2] - 1, a[-1]", "a[-2], a[-1] - 1", "a[-2] - 1, a[-1] - 1"):
            yield parsed(f"np.ndindex(*a[:-2], {text})", a=first)
    if name == "argmax" and not node.args:
        yield parsed("abs(a).argmax()", a=node.func.value)
    yield from node.args
    if attribute and getattr(node.func.value, "id", "") != "np":
        yield node.func.value
    for k, keyword in enumerate(node.keywords):
        rest = node.keywords[:k] + node.keywords[k + 1 :]
        yield ast.Call(node.func, node.args, rest)
        for axes in other_axes(keyword):
            other = ast.Call(node.func, node.args, [*rest, ast.keyword("axis", axes)])
            yield other
            if ast.unparse(axes) == "(1, 2, 3)":  # of an image, for all of its channels
                yield parsed("a[:, None]", a=other)


def other_axes(keyword):
    if keyword.arg == "axis":
        number = len(getattr(keyword.value, "elts", "1"))
        choices = ["(0,)", "0", "1", "2"] if number == 1 else ["(0, 1, 2)", "(1, 2, 3)"]
        choices += [] if number == 1 else ["(0, 1, 3)", "(2, 3)", "(0, 2)", "(0, 3)", "0", "1"]
        yield from (ast.parse(text, mode="eval").body for text in choices)


def locals_in(function, args, options):
    """Return the local names of a function and their values when it returns: {name: value}."""
    found = {}

    def listen(frame, event, value):
        if event == "return" and frame.f_code is function.__code__:
            found.update(frame.f_locals)

    sys.setprofile(listen)
    try:
        function(*args, **options)
    finally:
        sys.setprofile(None)
    return found
