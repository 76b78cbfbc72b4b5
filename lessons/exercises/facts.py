"""What a learner's code shows by itself: facts of its syntax tree.

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
from .flow import (
    called,
    depends,
    elsewhere,
    is_slice,
    loop_names,
    names_in,
    scalars_of,
    targets_of,
    values_of,
    written_into,
)

Fact = namedtuple("Fact", "line says explains", defaults=((),))
ALL = ("all",)
FLOAT = "float"  # of numbers that are whole, but of no whole type
REDUCTIONS = {"sum", "max", "mean"}


def facts(name, tree, whole=False, cause="", output=None, dtypes=False):
    """Return the Facts of the learner's function, the most telling first.

    `whole` says that its wrong numbers are all whole, where the right ones are not; `cause` is
    the sentence of experiments.cause; `output` is the wrong output, and lines that have no part in
    it are left out; `dtypes` says that only its dtype is wrong.
    """
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    own = [node for node in functions if node.name == name]
    if not own:
        return []
    nodes = list(ast.walk(own[-1]))
    found = []
    for look in (
        returns_in_loops, negative_zeros, padded_axes, padded_with, masks, powers,
        builtins, repeated_indices, label_rows, quotients, whole_arrays,
        empty_arrays, negative_starts, single_numbers, tiny_numbers,
    ):  # fmt: skip
        with contextlib.suppress(RecursionError):  # an expression that is thousands of levels deep
            found += look(name, own[-1], nodes, whole)
    with contextlib.suppress(RecursionError):
        if re.search("(where|or) (windows overlap|one pixel wins)", cause) and "two t" not in cause:
            found = [*replacements(own[-1]), *found]
        elif re.search(r"those where there is more than one \w+ \([NKC] > 1\)\.", cause):
            found = [*overwritten(own[-1]), *found]
        idle = elsewhere(name, own[-1], output)
        found = [fact for fact in found if fact.line not in idle]
        found += unused(name, own[-1], nodes, dtypes)
    return [fact for k, fact in enumerate(found) if fact.line not in [f.line for f in found[:k]]]


def text_of(node):
    text = ast.unparse(node)
    return f"`{text if len(text) < 60 else text[:57] + ' …'}`"


# Each of these functions takes (name, function, its nodes, whole) and yields Facts.


def returns_in_loops(name, own, nodes, whole):
    for loop in nodes:
        if isinstance(loop, (ast.For, ast.While)) and isinstance(loop.body[-1], ast.Return):
            line = loop.body[-1].lineno
            yield Fact(line, f"Line {line} returns inside the loop, in its first turn.", ALL)


def negative_zeros(name, own, nodes, whole):
    """`a[pad:-pad]` is empty where pad is 0."""
    tested = {
        q for node in nodes if isinstance(node, (ast.If, ast.IfExp)) for q in names_in(node.test)
    }
    for node in nodes:
        upper = node.upper if isinstance(node, ast.Slice) else None
        is_name = isinstance(upper, ast.UnaryOp) and isinstance(upper.operand, ast.Name)
        if is_name and upper.operand.id not in tested:
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


def overwritten(own):
    """`dw[k] = …` in a loop over n: what it assigns depends on n, its place does not."""
    for loop in [node for node in ast.walk(own) if isinstance(node, ast.For)]:
        inside = [node for node in ast.walk(loop) if isinstance(node, ast.Assign)]
        made_here = {q for node in inside for q in targets_of(node) - written_into(node)}
        for node in inside:
            target, arrays = node.targets[0], written_into(node)
            if not arrays or arrays & (made_here | names_in(node.value)):
                continue
            for number in names_in(loop.target):
                chosen = depends(target.slice, number, inside, exactly=True)
                if not chosen and depends(node.value, number, inside):
                    says = f"Line {node.lineno}, {text_of(node)}: every {number} replaces what the "
                    says += f"one before it has put there, so the last {number} alone counts."
                    yield Fact(node.lineno, f"{says}  `+=` adds.", ALL)


def negative_starts(name, own, nodes, whole):
    """`x[i - 1 : i + 2]` counts from the end where i is 0."""
    first = {  # names of loops that begin at 0
        node.target.id
        for node in nodes
        if isinstance(node, (ast.For, ast.comprehension)) and isinstance(node.target, ast.Name)
        if called(node.iter) == "range" and len(node.iter.args) == 1
    }
    for node in nodes:
        lower = node.lower if isinstance(node, ast.Slice) else None
        if isinstance(lower, ast.BinOp) and isinstance(lower.op, ast.Sub):
            if isinstance(lower.left, ast.Name) and lower.left.id in first:
                says = (
                    f"Line {node.lineno}: `{ast.unparse(lower)}` can be below 0, and NumPy counts"
                )
                says += " a negative start from the end.  max(0, …) stops at the edge."
                yield Fact(node.lineno, says)


def single_numbers(name, own, nodes, whole):
    """`y[:, i] = a.sum()` puts the sum of everything at each place of `:`."""
    for node in nodes:
        if isinstance(node, (ast.Assign, ast.AugAssign)) and written_into(node):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            places = getattr(getattr(target, "slice", None), "elts", [])
            everywhere = any(isinstance(p, ast.Slice) and not (p.lower or p.upper) for p in places)
            sums = [n for n in ast.walk(node.value) if called(n) in REDUCTIONS and everywhere]
            for call in sums:
                of_module = getattr(getattr(call.func, "value", None), "id", "") == "np"
                if len(call.args) == of_module and not call.keywords:
                    says = f"Line {node.lineno}, {text_of(node)}: without an axis "
                    says += f"the {called(call)} is one number, the same at each place of `:`."
                    yield Fact(node.lineno, says)


def tiny_numbers(name, own, nodes, whole):
    """`log(p + 1e-8)` is no logarithm of p."""
    for node in nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            number = getattr(node.right, "value", None)
            if isinstance(number, float) and 0 < number < 1e-4:
                says = f"Line {node.lineno}, {text_of(node)}: where the rest is small, {number:g} "
                yield Fact(node.lineno, f"{says}changes the result.")


def padded_with(name, own, nodes, whole):
    """`np.pad(x, …, mode="edge")` puts no zeros around the image."""
    for node in nodes:
        for keyword in node.keywords if called(node) == "pad" else ():
            mode = getattr(keyword.value, "value", "constant")
            if keyword.arg == "mode" and mode not in ("constant", "empty"):
                says = (
                    f'Line {node.lineno} pads with mode="{mode}", which puts pixels of the image '
                )
                yield Fact(node.lineno, f"{says}there.  Outside of the image everything is 0.", ALL)


def padded_axes(name, own, nodes, whole):
    """`np.pad(x, pad)` pads every axis."""
    pairs = {
        q
        for node in nodes
        if isinstance(node, ast.Assign) and not isinstance(node.value, (ast.Name, ast.Constant))
        for q in set().union(*(names_in(t) for t in node.targets if isinstance(t, ast.Name)))
    }
    for node in nodes:
        if called(node) == "pad" and len(node.args) > 1:
            whole_image = len(getattr(getattr(node.args[0], "slice", None), "elts", ())) < 2
            is_number = isinstance(node.args[1], ast.Constant) or (
                isinstance(node.args[1], ast.Name) and node.args[1].id not in pairs
            )
            if is_number and whole_image:  # x[n, c] has rows and columns alone
                says = f"Line {node.lineno}: {text_of(node)} pads every axis, channels, too."
                yield Fact(node.lineno, says, ALL)


def masks(name, own, nodes, whole):
    """`x[x > 0]` has another shape than x; in `y[x > 0] = x[x > 0]` that is no harm."""
    kept = {q for q, value in values_of(nodes).items() if isinstance(value, ast.Compare)}
    kept |= {"kept"} if name == "dropout_backward" else set()
    placed = [n for n in nodes if is_assign(n) and isinstance(n.targets[0], ast.Subscript)]
    placed = {part for node in placed for part in ast.walk(node.value)}
    for node in nodes:
        index = getattr(node, "slice", None)
        if isinstance(index, ast.Compare) or getattr(index, "id", None) in kept:
            if isinstance(node.ctx, ast.Load) and node not in placed:
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
        if (
            f in ("max", "min")
            and len(node.args) == 2
            and any(whole_names_in(a, own) & arrays for a in bare)
        ):
            says = f"Python's {f} asks which of the two is larger as a whole.  Entry by entry it is"
            yield Fact(node.lineno, f"Line {node.lineno}, {text_of(node)}: {says} np.{f}imum.", ALL)


def whole_names_in(node, own):
    """Return the names in an expression that stand for whole arrays: not x.shape[2], nor x[i]."""
    numbers, names = loop_names(own), names_in(node)
    for part in ast.walk(node):
        is_size = getattr(part, "attr", "") in ("shape", "size", "ndim") or called(part) == "len"
        if is_size or isinstance(part, ast.Subscript) and names_in(part.slice) & numbers:
            names -= names_in(part)
    return names


def arrays_of(name, own):
    """Return the learner's names for the arguments, and for what is unpacked from the cache."""
    names = {arg.arg for arg in own.args.args[:1]} | {"x", "y", "dy", "scores"}
    return names - loop_names(own)


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


def label_rows(name, own, nodes, whole):
    """`p[labels]` takes rows, `p[:, labels]` takes columns of all rows."""
    if not name.startswith("softmax_loss"):
        return
    numbers = loop_names(own)
    numbers |= {  # label = labels[n]
        q
        for node in nodes
        if isinstance(node, ast.Assign) and names_in(node.value) & numbers
        for q in targets_of(node) - written_into(node)
    }
    made = values_of(nodes)
    for node in nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.slice, (ast.Name, ast.Tuple)):
            parts = getattr(node.slice, "elts", [node.slice]) or [node]
            last = parts[-1]
            if not isinstance(last, ast.Name) or last.id in numbers or len(parts) > 2:
                continue
            if last.id not in ("labels", "label", "y", "t", "targets"):
                continue
            a = ast.unparse(node.value)
            if called(made.get(a, node.value)) in ("eye", "identity"):
                continue  # rows of it are one-hot
            if len(parts) == 1 and a not in numbers:
                what = f"takes whole rows of {a}: those whose numbers are the labels"
            elif len(parts) == 2 and isinstance(parts[0], ast.Slice):
                what = "takes the columns of all labels in every row"
            else:
                continue
            says = f"Line {node.lineno}: {text_of(node)} {what}.  One entry a row is "
            yield Fact(node.lineno, f"{says}{a}[np.arange(N), labels].", ALL)


def quotients(name, own, nodes, whole):
    """`e / e.sum(axis=1)` divides columns, unless the axis is kept; e.sum() is of all images."""
    if name.startswith("softmax"):
        kinds = ast.For, ast.comprehension, ast.Lambda, ast.FunctionDef, ast.ListComp
        rows = [node for node in nodes if isinstance(node, kinds) and node is not own]
        in_loops = {part for row in rows for part in ast.walk(row)}
        kept = values_of(nodes)
        for node in nodes:
            if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Sub)):
                right = node.right
                if isinstance(node.left, ast.Subscript) or node in in_loops:
                    continue  # one number an image, perhaps, or one row
                if getattr(node.left, "attr", "") == "T" or called(node.left) == "transpose":
                    continue  # classes come first
                right = kept.get(right.id, right) if isinstance(right, ast.Name) else right
                if called(right) in REDUCTIONS and isinstance(right.func, ast.Attribute):
                    words = {k.arg: ast.unparse(k.value) for k in right.keywords}
                    method = ast.unparse(right.func.value) != "np"
                    axis = words.get("axis") or (
                        ast.unparse(right.args[-1]) if len(right.args) > (not method) else None
                    )
                    line = f"Line {node.lineno}, {text_of(node)}"
                    if axis is None and isinstance(node.op, ast.Div) and called(right) == "sum":
                        says = f"{line}: without an axis the sum is one number, of all images."
                        yield Fact(node.lineno, says, ALL)
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
            if whole == FLOAT and node not in indices:
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
            filled = any(n is not node and array in targets_of(n) for n in nodes if is_assign(n))
            for other in nodes if not filled else ():
                if isinstance(other, ast.AugAssign) and array in names_in(other.target):
                    says = f"Line {node.lineno}, {text_of(node)}: np.empty leaves whatever was in "
                    says += f"memory, and line {other.lineno} adds to it.  np.zeros is zero."
                    yield Fact(node.lineno, says, ALL)


def is_assign(node):
    return isinstance(node, ast.Assign)


def is_load(node):
    return isinstance(node.ctx, ast.Load)


def is_pair(node):
    """Return whether a node returns a tuple, whose last part is the cache in a forward pass."""
    return isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and node.value.elts


def unused(name, own, nodes, dtypes):
    """An argument that is never used, or a result that is computed and never used."""
    reads = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    needed = set()
    if name == "dropout_forward":
        needed = {"p", "rng"}
    elif hasattr(loops, name):
        code = ast.walk(ast.parse(inspect.getsource(getattr(loops, name))))
        needed = {n.id for n in code if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        needed -= set() if dtypes else {"dtype"}
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
