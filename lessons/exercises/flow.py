"""Which names of a learner's function depend on which, read from its syntax tree."""

import ast

from .catalogue import find


def names_in(node):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def called(node):
    """Return the name of a called function, np.sum or x.sum or sum: "sum"."""
    if not isinstance(node, ast.Call):
        return None
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


def elsewhere(name, own, output):
    """Return the numbers of lines that assign to names of which an output is not computed."""
    outputs = find(name).outputs
    values = [node.value for node in ast.walk(own) if isinstance(node, ast.Return) and node.value]
    if output not in outputs or not values:
        return set()
    feeding, place, count = set(), outputs.index(output), 0
    for value in values:
        parts = getattr(value, "elts", [])
        feeding |= names_in(parts[place] if len(parts) == len(outputs) else value)
    changes = [n for n in ast.walk(own) if isinstance(n, (ast.Assign, ast.AugAssign))]
    written = {q for n in changes for q in written_into(n)}
    while len(feeding) > count:
        count = len(feeding)
        for node in changes:
            if targets_of(node) & feeding:
                feeding |= names_in(node) - targets_of(node)
            elif names_in(node.value) & feeding & written:
                feeding |= targets_of(node) & written - written_into(node)  # a view of it
    return {
        line
        for node in changes
        if not targets_of(node) & feeding
        for line in range(node.lineno, node.end_lineno + 1)
    }


def targets_of(node):
    """Return the names that an assignment gives a value, or into whose array it writes."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    parts = [part for t in targets for part in getattr(t, "elts", [t])]
    return {q for part in parts for q in names_in(getattr(part, "value", part))}


def values_of(nodes):
    """Return {name: the expression that it is assigned}."""
    pairs = [(n.targets[0], n.value) for n in nodes if isinstance(n, ast.Assign)]
    return {target.id: value for target, value in pairs if isinstance(target, ast.Name)}


def written_into(node):
    """Return the names into whose arrays an assignment writes."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    inside = isinstance(node, ast.AugAssign) or isinstance(targets[0], ast.Subscript)
    return targets_of(node) if inside else set()


def depends(node, number, assignments, exactly=False):
    """Return whether an expression depends on a loop's number, by the assignments in the loop.

    If `exactly`, k // 2 and k % 2 do not: several k have the same.
    """
    names = {number}
    for _ in range(3):
        for other in assignments:
            whole = not (exactly and is_rounded(other.value))
            if whole and names_in(other.value) & names:
                names |= targets_of(other) - written_into(other)
    return bool(names_in(node) & names) and not (exactly and is_rounded(node))


def is_rounded(node):
    kinds = [type(n.op) for n in ast.walk(node) if isinstance(n, ast.BinOp)]
    return ast.FloorDiv in kinds or ast.Mod in kinds


def loop_names(own):
    """Return the names that loops, also those of comprehensions, give to numbers."""
    loops_ = [n for n in ast.walk(own) if isinstance(n, (ast.For, ast.comprehension))]
    return {q for loop in loops_ for q in names_in(loop.target)}


def scalars_of(own):
    """Return names that hold single numbers: those of loops, and what is computed from them."""
    scalars = loop_names(own)
    for _ in range(3):
        for node in ast.walk(own):
            if isinstance(node, ast.Assign) and names_in(node.value) & scalars:
                inside = [n for n in ast.walk(node.value) if isinstance(n, ast.Subscript)]
                if all(
                    len(getattr(n.slice, "elts", ())) == 4 for n in inside
                ):  # winner[n, c, i, j]
                    scalars |= set().union(*map(names_in, node.targets))
    return scalars


def is_slice(node, own):
    """Return whether a name was assigned a slice(…), or a tuple that holds one."""
    for other in ast.walk(own):
        if isinstance(other, ast.Assign) and names_in(node) & set().union(
            *map(names_in, other.targets)
        ):
            if any(called(n) == "slice" or called(n) == "s_" for n in ast.walk(other.value)):
                return True
    return False


def writes_to(tree, name, argument):
    """Return the line number and text of a line that writes into this argument, or None."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets if isinstance(node, (ast.Assign, ast.AugAssign)) else []:
            inside = isinstance(target, ast.Subscript) or isinstance(node, ast.AugAssign)
            if inside and getattr(getattr(target, "value", target), "id", None) == argument:
                return node.lineno, ast.unparse(node)
    return None
