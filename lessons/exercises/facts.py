"""What a learner's code shows by itself: facts of its syntax tree, and what an error means here.

    tree     the syntax tree of the learner's file
    Fact     line: its number; says: a sentence; explains: the names of mistakes that give the same
             numbers and that it explains better, or ALL if it is the cause whatever the numbers are

A fact says what was seen in a line, not what may have been meant.
"""

import ast
import contextlib
import inspect
import re
from collections import namedtuple

from . import loops
from .catalogue import cache_text, forward_of

Fact = namedtuple("Fact", "line says explains", defaults=((),))
ALL = ("all",)
REDUCTIONS = {"sum", "max", "mean"}


def facts(name, tree, whole=False, cause=""):
    """Return the Facts of the learner's function, the most telling first.

    `whole` says that its wrong numbers are all whole, where the right ones are not; `cause` is
    the sentence of experiments.cause.
    """
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    own = [node for node in functions if node.name == name]
    if not own:
        return []
    nodes = list(ast.walk(own[-1]))
    found = []
    for look in (
        returns_in_loops, negative_zeros, padded_axes, masks, powers,
        builtins, repeated_indices, label_rows, quotients, whole_arrays,
        empty_arrays, unused,
    ):  # fmt: skip
        with contextlib.suppress(RecursionError):  # an expression that is thousands of levels deep
            found += look(name, own[-1], nodes, whole)
    overlap = re.search("(where|or) (windows overlap|one pixel wins)", cause)
    if overlap and "two things" not in cause:
        found = [*replacements(own[-1]), *found]
    return [fact for k, fact in enumerate(found) if fact.line not in [f.line for f in found[:k]]]


def text_of(node):
    text = ast.unparse(node)
    return f"`{text if len(text) < 60 else text[:57] + ' …'}`"


def called(node):
    """Return the name of a called function, np.sum or x.sum or sum: "sum"."""
    if not isinstance(node, ast.Call):
        return None
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


def names_in(node):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


# Each of these functions takes (name, function, its nodes, whole) and yields Facts.


def returns_in_loops(name, own, nodes, whole):
    for loop in nodes:
        if isinstance(loop, (ast.For, ast.While)) and isinstance(loop.body[-1], ast.Return):
            line = loop.body[-1].lineno
            yield Fact(line, f"Line {line} returns inside the loop, in its first turn.", ALL)


def negative_zeros(name, own, nodes, whole):
    """`a[pad:-pad]` is empty where pad is 0."""
    for node in nodes:
        upper = node.upper if isinstance(node, ast.Slice) else None
        if isinstance(upper, ast.UnaryOp) and isinstance(upper.operand, ast.Name):
            zero = upper.operand.id
            says = f"Line {node.lineno}: `{ast.unparse(node)}` takes nothing where {zero} = 0, "
            says += f"for -0 is 0; and it is right only if {zero} is all that is to be cut off."
            yield Fact(node.lineno, says, ALL)


def replacements(own):
    """`dx[…] = …` in loops over windows replaces what an earlier window has put there."""
    nested = [
        inner
        for outer in ast.walk(own)
        if isinstance(outer, ast.For)
        for inner in ast.walk(outer)
        if isinstance(inner, ast.Assign) and isinstance(inner.targets[0], ast.Subscript)
    ]
    for node in nested:
        array = getattr(node.targets[0].value, "id", None)
        places = names_in(node.targets[0].slice) & scalars_of(own)  # dx[n] = … is no window
        if array and array not in names_in(node.value) and len(places) > 1:
            says = (
                f"Line {node.lineno}, {text_of(node)}: `=` replaces what an earlier window has put "
                "there.  `+=` adds."
            )
            yield Fact(node.lineno, says, ALL)


def padded_axes(name, own, nodes, whole):
    """`np.pad(x, pad)` pads every axis."""
    for node in nodes:
        if called(node) == "pad" and len(node.args) > 1:
            if isinstance(node.args[1], (ast.Name, ast.Constant)):
                says = f"Line {node.lineno}: {text_of(node)} pads every axis, channels, too."
                yield Fact(node.lineno, says, ALL)


def masks(name, own, nodes, whole):
    """`x[x > 0]` has another shape than x."""
    for node in nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Compare):
            if isinstance(node.ctx, ast.Load):
                says = f"Line {node.lineno}: {text_of(node)} takes only those entries, in one row."
                yield Fact(node.lineno, f"{says}  np.where keeps the shape.")


def powers(name, own, nodes, whole):
    for node in nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
            says = f"{text_of(node)}: in Python ^ is no power but an operation on bits.  A power is"
            yield Fact(node.lineno, f"Line {node.lineno} has {says} **.", ALL)


def builtins(name, own, nodes, whole):
    """`max(0, x)` compares arrays as wholes."""
    arrays = arrays_of(name, own)
    for node in nodes:
        f = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        bare = [arg for arg in node.args if isinstance(arg, (ast.Name, ast.BinOp))] if f else []
        if f in ("max", "min") and len(node.args) == 2 and any(names_in(a) & arrays for a in bare):
            says = f"Python's {f} asks which of the two is larger as a whole.  Entry by entry it is"
            yield Fact(node.lineno, f"Line {node.lineno}, {text_of(node)}: {says} np.{f}imum.", ALL)


def arrays_of(name, own):
    """Return the learner's names for the arguments, and for what is unpacked from the cache."""
    names = {arg.arg for arg in own.args.args[:1]} | {"x", "y", "dy", "scores"}
    return names - loop_names(own)


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


def repeated_indices(name, own, nodes, whole):
    """`a[rows, cols] += …` with index arrays adds each place once."""
    if name not in ("pool_backward", "col2im", "conv_backward", "average_pool_backward"):
        return
    scalars = scalars_of(own)
    for node in nodes:
        target = getattr(node, "target", None) if isinstance(node, ast.AugAssign) else None
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            again = names_in(node.targets[0].value) & names_in(node.value)
            target = node.targets[0] if again else None  # a[rows] = a[rows] + … is no better
        if isinstance(target, ast.Subscript):
            index = target.slice
            parts = index.elts if isinstance(index, ast.Tuple) else [index]
            arrays = [p for p in parts if isinstance(p, (ast.Name, ast.BinOp, ast.Subscript))]
            arrays = [p for p in arrays if not names_in(p) & scalars and not is_slice(p, own)]
            if arrays:
                says = (
                    f"Line {node.lineno}, {text_of(node)}: where an index array names a place "
                    "twice, NumPy adds to it only once.  np.add.at adds every time; so does a loop "
                    "over windows or over places in the window."
                )
                yield Fact(node.lineno, says, ("= for +=", "dw of the last image"))


def is_slice(node, own):
    """Return whether a name was assigned a slice(…), or a tuple that holds one."""
    for other in ast.walk(own):
        if isinstance(other, ast.Assign) and names_in(node) & set().union(
            *map(names_in, other.targets)
        ):
            if any(called(n) == "slice" or called(n) == "s_" for n in ast.walk(other.value)):
                return True
    return False


def label_rows(name, own, nodes, whole):
    """`p[labels]` takes rows, `p[:, labels]` takes columns of all rows."""
    if not name.startswith("softmax_loss"):
        return
    for node in nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.slice, (ast.Name, ast.Tuple)):
            parts = getattr(node.slice, "elts", [node.slice]) or [node]
            last = parts[-1]
            if not isinstance(last, ast.Name) or last.id in loop_names(own) or len(parts) > 2:
                continue
            if last.id not in ("labels", "label", "y", "t", "targets"):
                continue
            a = ast.unparse(node.value)
            if len(parts) == 1 and a not in loop_names(own):
                what = f"takes whole rows of {a}: those whose numbers are the labels"
            elif len(parts) == 2 and isinstance(parts[0], ast.Slice):
                what = "takes the columns of all labels in every row"
            else:
                continue
            says = f"Line {node.lineno}: {text_of(node)} {what}.  One entry a row is "
            yield Fact(node.lineno, f"{says}{a}[np.arange(N), labels].", ALL)


def quotients(name, own, nodes, whole):
    """`e / e.sum(axis=1)` divides columns, unless the axis is kept."""
    if name.startswith("softmax"):
        kept = {}
        for node in nodes:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                kept[node.targets[0].id] = node.value
        for node in nodes:
            if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Sub)):
                right = node.right
                if isinstance(node.left, ast.Subscript):
                    continue  # one number an image, perhaps
                right = kept.get(right.id, right) if isinstance(right, ast.Name) else right
                if called(right) in REDUCTIONS and isinstance(right.func, ast.Attribute):
                    words = {k.arg: ast.unparse(k.value) for k in right.keywords}
                    method = ast.unparse(right.func.value) != "np"
                    axis = words.get("axis") or (
                        ast.unparse(right.args[-1]) if len(right.args) > (not method) else None
                    )
                    line = f"Line {node.lineno}, {text_of(node)}"
                    if axis in ("1", "-1") and words.get("keepdims") != "True":
                        says = (
                            f"{line}: without keepdims=True {called(right)} has shape (N,), and "
                            "NumPy lines that up with the classes, not with the images."
                        )
                        yield Fact(node.lineno, says, ALL)


def whole_arrays(name, own, nodes, whole):
    """`//` and integer arrays cut off what comes after the point."""
    places = [node.slice for node in nodes if isinstance(node, ast.Subscript)]
    indices = [part for place in places for part in ast.walk(place)]
    for node in nodes:
        line = f"Line {getattr(node, 'lineno', 0)}"
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.FloorDiv):
            if whole and node not in indices:
                says = (
                    f"{line}, {text_of(node)}: all your numbers are whole, because // rounds down."
                )
                yield Fact(node.lineno, says, ALL)
        elif called(node):
            kinds = [*node.args, *(k.value for k in node.keywords)]
            masks = isinstance(getattr(node.func, "value", None), ast.Compare)
            if any(re.search(r"^(np\.)?int\w*$", ast.unparse(kind)) for kind in kinds) and (
                whole or called(node) == "astype" and not masks
            ):
                says = f"{line}, {text_of(node)}: whole numbers, which cut off the rest."
                yield Fact(node.lineno, says, ALL if whole else ())


def empty_arrays(name, own, nodes, whole):
    """np.empty is not filled with zeros."""
    for node in nodes:
        if isinstance(node, ast.Assign) and called(node.value) in ("empty", "empty_like"):
            array = ast.unparse(node.targets[0])
            for other in nodes:
                if isinstance(other, ast.AugAssign) and array in names_in(other.target):
                    says = f"Line {node.lineno}, {text_of(node)}: np.empty leaves whatever was in "
                    says += f"memory, and line {other.lineno} adds to it.  np.zeros is zero."
                    yield Fact(node.lineno, says, ALL)


def is_load(node):
    return isinstance(node.ctx, ast.Load)


def is_pair(node):
    """Return whether a node returns a tuple, whose last part is the cache in a forward pass."""
    return isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and node.value.elts


def unused(name, own, nodes, whole):
    """An argument that is never used, or a result that is computed and never used."""
    reads = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    needed = set()
    if name == "dropout_forward":
        needed = {"p", "rng"}
    elif hasattr(loops, name):
        code = ast.walk(ast.parse(inspect.getsource(getattr(loops, name))))
        needed = {n.id for n in code if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    caches = [n.value.elts[-1] for n in nodes if is_pair(n)] if name.endswith("_forward") else []
    kept = [node for cache in caches for node in ast.walk(cache)]
    read = {n.id for n in nodes if isinstance(n, ast.Name) and n not in kept and is_load(n)}
    idle = [a.arg for a in own.args.args if a.arg not in read and a.arg in needed]
    if idle:
        subject = "The argument" if len(idle) == 1 else "The arguments"
        verb = "is" if len(idle) == 1 else "are"
        yield Fact(own.lineno, f"{subject} {' and '.join(idle)} {verb} never used to compute with.")
    for node in nodes:
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == "cache":
            names = [n.id for n in ast.walk(node.targets[0]) if isinstance(n, ast.Name)]
            idle = [q for q in names if q not in reads and q in needed]
            if idle:
                says = f"{' and '.join(idle)}, from the cache, {'is' if len(idle) == 1 else 'are'}"
                yield Fact(node.lineno, f"{says} never used.")
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target = node.targets[0].id
            if target not in reads and target != "_":
                says = f"Line {node.lineno} computes {target}, and no other line uses it."
                yield Fact(node.lineno, says)


# Errors.

INTEGER = "An index, a size or a range must be whole: `/` gives a float, `//` a whole number."
MEANINGS = [  # (a pattern in the type and message, what it means here)
    (
        "truth value of an array",
        "Python's if, and, or, max and min want one yes or no, and an array has one for each entry:"
        " np.where, np.maximum or a mask work entry by entry.",
    ),
    ("bitwise_xor", "In Python ^ is no power but an operation on bits.  A power is **."),
    (
        "'tuple' and|tuple' object has no attribute|'tuple' and '|and 'tuple'|type tuple",
        "There is a tuple where an array is meant.  The cache is a tuple, and so is what every "
        "forward and backward returns: unpack it first.",
    ),
    (
        "too many values to unpack|not enough values to unpack",
        "As many names must stand on the left as there are values on the right.",
    ),
    ("only integers, slices|slice indices must be integers|float' object cannot be int", INTEGER),
    (
        "IndexError: index .* out of bounds",
        "An index is as large as this axis of the array, or larger: they count from 0.",
    ),
    ("AxisError", "The array has fewer axes than this axis number needs: they count from 0."),
    (r"zeros.*float64", INTEGER),
    (
        "wrong tuple length for shape",
        "col2im wants the shape of one image, (C, H, W): three numbers without N.",
    ),
    (
        "TypingError|No implementation of function|nopython",
        "im2col and col2im are compiled by Numba, which takes only what it expects: one image "
        "(C, H, W), whole numbers, and for col2im the columns, then the shape (C, H, W).",
    ),
    (
        "Cannot cast ufunc",
        "The array on the left holds whole numbers and cannot take the others: which line made it, "
        "with which dtype?",
    ),
    (
        "only (length-1|0-dimensional|size-1) arrays",
        "math works on one number; np.exp and np.log work on arrays.",
    ),
    ("NameError", "No line before it gives that name a value: a slip of the pen, or an import?"),
    ("UnboundLocalError|cannot access local", "The name is read before it gets a value."),
    (
        "setting an array element with a sequence|could not broadcast input array",
        "What stands on the right has another shape than the place on the left.",
    ),
    ("ModuleNotFoundError", "The tutor has NumPy and minicnn, and no exercise needs more."),
    (
        "cannot reshape array",
        "The array has more or fewer entries than the new shape: print its shape before that line.",
    ),
    ("RecursionError", "The function calls itself without end."),
    ("ZeroDivisionError", "There is a division by a size or a count that is 0."),
    (
        "unsupported operand.*NoneType|NoneType' object",
        "A value is None: a function without return?",
    ),
    (
        "matmul|aligned|could not multiply",
        "@ wants as many columns on the left as rows on the right: "
        "print both shapes; does one of them need .T, or a reshape?",
    ),
    (
        "broadcast",
        "The shapes of two arrays do not fit together there.  Print them before that line: does "
        "one array need to be transposed (.T) or reshaped, or a sum its axis or keepdims?",
    ),
]


def meaning(name, error):
    """Return what an exception means here, as a list of one sentence or none."""
    text = f"{error['type']}: {error['message']}"
    if "broadcast" in text and name == "conv_forward" and re.search(r"\+ b\b(?!\[)", error["code"]):
        return ["b has shape (K,): beside maps (K, H_out, W_out) it stands as b[:, None, None]."]
    if "broadcast" in text and name.startswith("fc") and re.search(r"\w \* \w", error["code"]):
        return ["* multiplies entry by entry; the product of two matrices is @."]
    if "broadcast" in text and name == "fc_forward" and "b[:, None]" in error["code"]:
        return ["y is (N, K), and b is (K,): NumPy lines up the last axes by itself, y + b."]
    for pattern, says in MEANINGS:
        if re.search(pattern, text):
            if "cache" in says or "values to unpack" in pattern:
                letters = cache_text(name) if "ward" in name else None
                says += f"  The cache of {forward_of(name)} is {letters}." if letters else ""
            return [says]
    return []


def writes_to(tree, name, argument):
    """Return the line number and text of a line that writes into this argument, or None."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets if isinstance(node, (ast.Assign, ast.AugAssign)) else []:
            inside = isinstance(target, ast.Subscript) or isinstance(node, ast.AugAssign)
            if inside and getattr(getattr(target, "value", target), "id", None) == argument:
                return node.lineno, ast.unparse(node)
    return None
