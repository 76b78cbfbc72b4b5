"""Touch one entry of a gradient: what backward says, and what happens to L when q moves.

    L = Σ y·dy                                   one number, for the dy that is given
    numeric  = (L(q+h) − L(q−h)) / 2h            forward alone, twice
    analytic                                     the entry of dq that backward returns

All of it in float64, on copies, whatever the order in memory of the arguments; a generator draws
the same numbers each time, so that dropout drops the same units.  Which h, and when a difference is
not to be trusted (at a kink of ReLU, where two values tie for a maximum, or where L has no digits
left), gradcheck.py decides.
"""

import copy
import time
from collections import namedtuple

import numpy as np

from .. import gradcheck, net
from .values import EXACT

MISSING = "{}: dy is missing; expected an array of shape {}, that of y"
ENTRIES, SECONDS = 600, 1  # so many entries are touched ahead, if it takes no longer

# What it takes: the arguments that are floats, forward as a function of nothing, what it returned,
# and the gradients of those arguments.
Layer = namedtuple("Layer", "arguments run y dy gradients")


FIELDS = "name index value step up down numeric analytic kink hidden wrong"


class Touch(namedtuple("Touch", FIELDS)):
    """What `steps.touch` found; `print` it.  A hidden slope is one that round-off hides."""

    def __str__(self):
        place = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        lines = [
            f"{place} = {self.value:.8g}, moved by h = {self.step:g}",
            f"    L({self.name}+h) = {self.up:.12g}",
            f"    L({self.name}−h) = {self.down:.12g}",
            f"    numeric   (L({self.name}+h) − L({self.name}−h)) / 2h = {self.numeric:.10g}",
            f"    analytic  d{place} = {self.analytic:.10g}",
        ]
        if self.kink:
            lines.append("    here L has a kink: there is no one slope to compare with")
        elif self.hidden:
            lines.append(
                "    they cannot be compared: the slope is lost in the round-off of L; without a "
                f"large constant in {self.name} or in y it could be seen"
            )
        else:
            lines.append(f"    they differ by {self.difference:.1e} of their size")
        if self.wrong:
            lines.append("    the gradient is wrong here, or L has a kink that was not seen")
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def difference(self):
        """|analytic − numeric|, divided by the larger of the two; 0 where both are 0."""
        size = max(abs(self.analytic), abs(self.numeric))
        return abs(self.analytic - self.numeric) / size if size else 0.0

    def show(self, pause=None):
        """Print it."""
        print(self)

    def _repr_html_(self):
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def touch(forward, backward, bound, name, index, dy):
    """Return the Touch of entry `index` of argument `name`; see `Steps.touch`."""
    floats = [key for key, value in bound.arguments.items() if is_float(value)]
    if not isinstance(name, str):
        found, names = gradcheck.described(name), ", ".join(map(repr, floats))
        raise TypeError(f"touch: the name is {found}; expected a text, one of {names}")
    name = name[1:] if name not in floats and name[1:] in floats else name  # dw is where w is
    if name not in floats:
        title, names = forward.__name__, ", ".join(floats)
        hint = "; what a row learns, gradcheck.check_network compares" * (forward is net.forward)
        raise ValueError(
            f"touch: {name!r} is no array of floats that {title} has; expected {names}{hint}"
        )
    shape = bound.arguments[name].shape
    index = tuple(np.atleast_1d(index).tolist())
    fits = len(index) == len(shape) and all(isinstance(i, int) for i in index)
    if not fits or not all(-n <= i < n for i, n in zip(index, shape, strict=True)):
        raise ValueError(f"touch: {name} has no entry {index}; its shape is {shape}")
    index = tuple(i % n for i, n in zip(index, shape, strict=True))
    return touched(in_float64(forward, backward, bound, dy), name, index)


def every(forward, backward, bound, dy):
    """Return {name: [Touch of each entry]}, or {} where that would take long.

    So it does with many entries; and in float32, where Numba may have to compile everything anew.
    Nor is an array tried of which a page has only a picture.  An argument with a hidden slope is
    left out: a page has no words for it.
    """
    arrays = [value for value in bound.arguments.values() if is_float(value)]
    sizes = [array.size for array in arrays]
    small = sum(sizes) <= ENTRIES and max(sizes, default=0) <= EXACT
    if not small or any(array.dtype != np.float64 for array in arrays):
        return {}
    layer = in_float64(forward, backward, bound, dy)
    began = time.process_time()
    layer.run()
    if 4 * sum(sizes) * (time.process_time() - began) > SECONDS:
        return {}
    found = {
        name: [touched(layer, name, index) for index in np.ndindex(q.shape)]
        for name, q in layer.arguments.items()
    }
    return {name: found[name] for name in found if not any(one.hidden for one in found[name])}


def in_float64(forward, backward, bound, dy):
    """Return the Layer of a call, with copies of its arguments in float64."""
    arguments = {
        key: gradcheck.float64_copy(f"touch: {key}", value)
        for key, value in bound.arguments.items()
        if is_float(value)
    }

    def run():
        own = copy.copy(bound)
        own.arguments = {
            key: arguments[key] if key in arguments else copy.deepcopy(value)
            for key, value in bound.arguments.items()
        }
        returned = forward(*own.args, **own.kwargs)
        y, cache = gradcheck.demand_pair(f"touch: {forward.__name__}", returned)
        return gradcheck.y_copy("touch", y).astype(np.float64), cache

    y, cache = run()
    is_loss = gradcheck.is_loss(backward, y)
    if dy is None and not is_loss:
        raise ValueError(MISSING.format("touch", y.shape))
    dy = 1.0 if dy is None else np.array(dy, np.float64)
    if np.shape(dy) != y.shape:
        raise ValueError(f"touch: dy has shape {np.shape(dy)}; expected {y.shape}, that of y")
    found = dict(zip(arguments, backward(cache) if is_loss else backward(dy, cache), strict=False))
    gradients = {
        name: gradcheck.demand_gradient("touch", name, q, found.get(name))
        for name, q in arguments.items()
    }
    return Layer(arguments, lambda: run()[0], y, dy, gradients)


def touched(layer, name, index):
    """Return the Touch of one entry."""
    run, q, dy = layer.run, layer.arguments[name], layer.dy
    numeric, doubt, noise, h = gradcheck.slope(run, layer.y, dy, q, index)
    value = q[index]
    q[index] = value + h
    up = np.sum(run() * dy)
    q[index] = value - h
    down = np.sum(run() * dy)
    q[index] = value
    analytic = float(layer.gradients[name][index])
    kink = bool(doubt > 1e-6 * abs(numeric) + 20 * noise)
    size = max(abs(analytic), abs(numeric))
    right = abs(analytic - numeric) <= 1e-6 * size + 20 * noise  # of a NaN it is not true
    coarse = 20 * noise > max(1e-3 * size, 1e-6 * np.linalg.norm(dy))  # too few digits to tell
    hidden, wrong = bool(not kink and right and coarse), bool(not kink and not right)
    return Touch(name, index, value, h, up, down, numeric, analytic, kink, hidden, wrong)


def is_float(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
