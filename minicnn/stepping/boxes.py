"""Where the indices of a line, and the views that it uses, lie in their arrays.

box    (first, last + 1, step) for each axis: x[0, 2:4, ::2] of a 3×5×5 array is
       ((0, 1, 1), (2, 4, 1), (0, 5, 2)).  A single entry is a box, too
"""

import ast

import numpy as np

from .values import is_array


def indexed(node, running):
    """Return {array: box} of the part of an array that a statement reads or writes by an index.

    An array that is indexed at several places is left out, and so are arrays of indices and an
    index that names all entries.
    """
    boxes, variables = {}, running.f_locals
    for part in ast.walk(node):
        if not isinstance(part, ast.Subscript) or not isinstance(part.value, ast.Name):
            continue
        name, array = part.value.id, variables.get(part.value.id)
        calls = any(isinstance(n, (ast.Call, ast.NamedExpr)) for n in ast.walk(part.slice))
        if not is_array(array) or calls:
            continue
        try:
            code = compile(ast.Expression(part.slice), "<index>", "eval")
            index = eval(code, running.f_globals, variables)
            index = index if isinstance(index, tuple) else (index,)
            # … makes a view of a single entry, too; an array of indices makes a copy
            view = array[index if Ellipsis in index else (*index, ...)]
        except Exception:  # a mistake that the line itself will show
            continue
        boxes.setdefault(name, set()).add(box_of(view, array))
    return {n: box for n, (box, *others) in boxes.items() if box is not None and not others}


def bases(names, variables, indexed):
    """Return {base: (view, box)} for the variables among these names that are views of another.

    The base is the first variable with more of the same memory, unless the line has indexed it.
    """
    found = {}
    for name in names:
        view = variables.get(name)
        if not is_array(view) or view.base is None:
            continue
        for base, array in variables.items():
            if not is_array(array) or array.size <= view.size:
                continue
            box = box_of(view, array)
            if box is not None:
                if base not in indexed:
                    found.setdefault(base, (name, box))
                break
    return found


def box_of(view, array):
    """Return the box of a view in an array, or None if it is no box or the whole array."""
    if view.itemsize != array.itemsize or not 0 < view.size or view.size == array.size > 1:
        return None
    strides = {axis: n for axis, n in enumerate(array.strides) if array.shape[axis] > 1}
    if not np.may_share_memory(view, array) or min(strides.values(), default=1) <= 0:
        return None
    order = sorted(strides, key=strides.get, reverse=True)

    def moves(distance):
        """Return {axis: entries} of a distance in bytes, without zeros; None if it is no whole."""
        counts = {}
        for axis in order:
            counts[axis], distance = divmod(distance, strides[axis])
        return None if distance else {axis: count for axis, count in counts.items() if count}

    start = view.__array_interface__["data"][0] - array.__array_interface__["data"][0]
    first = moves(start) if start >= 0 else None
    if first is None:
        return None
    box = [(first.get(axis, 0), first.get(axis, 0) + 1, 1) for axis in range(array.ndim)]
    for count, stride in zip(view.shape, view.strides, strict=True):
        if count == 1:
            continue
        moved = moves(abs(stride))
        if not moved or len(moved) > 1:  # such as a diagonal
            return None
        ((axis, step),) = moved.items()
        if box[axis][1] - box[axis][0] > 1:  # two axes of the view lie along this one
            return None
        low = box[axis][0] - (step * (count - 1) if stride < 0 else 0)
        box[axis] = low, low + step * (count - 1) + 1, step
    inside = all(0 <= low < end <= n for (low, end, _), n in zip(box, array.shape, strict=True))
    return tuple(box) if inside else None


def index_text(name, box, shape):
    """Return a box as Python's index: "x[0, 2:4, ::2]"."""
    parts = []
    for (first, end, step), size in zip(box, shape, strict=True):
        by = f":{step}" if step > 1 else ""
        span = f":{by}" if first == 0 and end + step > size else f"{first}:{end}{by}"
        parts.append(str(first) if end - first == 1 else span)
    return f"{name}[{', '.join(parts)}]" if parts else name
