"""Check one entry of a gradient: nudge the argument's entry and compare the slope of L.

    L = Σ y·dy                                   one number, for a given dy
    numeric  = (L(q+h) − L(q−h)) / 2h            by two forward passes
    analytic                                     the entry of dq that backward returns

Both are computed in float64, on C-contiguous copies of the arguments.  A random generator is copied
for each run, so that dropout drops the same units.  gradcheck chooses h.  It also decides where
no slope can be trusted: at a kink of ReLU, at a tie in a maximum, or where round-off hides it.
"""

import copy
import time
from collections import namedtuple

import numpy as np

from .. import net
from ..gradcheck import demands, slopes
from .values import EXACT

MISSING = "{}: dy is missing; expected an array of shape {}, the shape of y"
ENTRIES, SECONDS = 600, 1  # the limits within which a page checks all entries

# arguments: {name: float array}; run(): a forward pass on them, which returns y; y and dy;
# gradients: {name: gradient of that argument}
Layer = namedtuple("Layer", "arguments run y dy gradients")


FIELDS = "name index value step up down numeric analytic kink hidden wrong"


class Touch(namedtuple("Touch", FIELDS)):
    """The result of `steps.touch`; print it.  `hidden` means that round-off hides the slope."""

    def __str__(self):
        place = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        lines = [
            f"{place} = {self.value:.8g}, nudged by h = {self.step:g}",
            f"    L({self.name}+h) = {self.up:.12g}",
            f"    L({self.name}−h) = {self.down:.12g}",
            f"    numeric   (L({self.name}+h) − L({self.name}−h)) / 2h = {self.numeric:.10g}",
            f"    analytic  d{place} = {self.analytic:.10g}",
        ]
        if self.kink:
            lines.append("    L has a kink here, so there is no single slope to compare with")
        elif self.hidden:
            lines.append(
                "    they cannot be compared: the slope is lost in the round-off of L; "
                f"subtract a large constant from {self.name} or from y to see it"
            )
        else:
            lines.append(f"    relative difference {self.difference:.1e}")
        if self.wrong:
            lines.append("    the gradient is wrong here, or L has a kink that was not detected")
        return "\n".join(lines)

    __repr__ = __str__

    @property
    def difference(self):
        """|analytic − numeric| / max(|analytic|, |numeric|); 0 where both are 0."""
        size = max(abs(self.analytic), abs(self.numeric))
        return abs(self.analytic - self.numeric) / size if size else 0.0

    def show(self, pause=None):
        """Print the result."""
        print(self)

    def _repr_html_(self):
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def nudge_entry(forward, backward, bound, name, index, dy):
    """Return the Touch of entry `index` of argument `name`; see `Steps.touch`."""
    floats = [key for key, value in bound.arguments.items() if is_float(value)]
    if not isinstance(name, str):
        kind, names = demands.described(name), ", ".join(map(repr, floats))
        raise TypeError(f"touch: the name is {kind}; expected a string, one of {names}")
    name = name[1:] if name not in floats and name[1:] in floats else name  # "dw" means "w"
    if name not in floats:
        title, names = forward.__name__, ", ".join(floats)
        hint = "; gradcheck.check_network checks the parameters" * (forward is net.forward)
        raise ValueError(
            f"touch: {title} has no array of floats called {name!r}; expected {names}{hint}"
        )
    shape = bound.arguments[name].shape
    index = tuple(np.atleast_1d(index).tolist())
    fits = len(index) == len(shape) and all(isinstance(i, int) for i in index)
    if not fits or not all(-n <= i < n for i, n in zip(index, shape, strict=True)):
        raise ValueError(f"touch: {name} has no entry {index}; its shape is {shape}")
    index = tuple(i % n for i, n in zip(index, shape, strict=True))
    return compare(float64_layer(forward, backward, bound, dy), name, index)


def nudge_all(forward, backward, bound, dy):
    """Return {name: [Touch of each entry]}, or {} where that would take too long.

    It takes long with many entries, and in float32, for which Numba may have to recompile.  Arrays
    that a page only shows as a sample are not checked either.  Arguments with a hidden slope are
    left out, because a page cannot describe it.
    """
    arrays = [value for value in bound.arguments.values() if is_float(value)]
    sizes = [array.size for array in arrays]
    small = sum(sizes) <= ENTRIES and max(sizes, default=0) <= EXACT
    if not small or any(array.dtype != np.float64 for array in arrays):
        return {}
    layer = float64_layer(forward, backward, bound, dy)
    began = time.process_time()
    layer.run()
    if 4 * sum(sizes) * (time.process_time() - began) > SECONDS:
        return {}
    touches = {
        name: [compare(layer, name, index) for index in np.ndindex(q.shape)]
        for name, q in layer.arguments.items()
    }
    return {q: entries for q, entries in touches.items() if not any(t.hidden for t in entries)}


def float64_layer(forward, backward, bound, dy):
    """Return the Layer of a call, with its float arguments copied to float64."""
    arguments = {
        key: demands.float64_copy(f"touch: {key}", value)
        for key, value in bound.arguments.items()
        if is_float(value)
    }

    def run():
        call = copy.copy(bound)
        call.arguments = {
            key: arguments[key] if key in arguments else copy.deepcopy(value)
            for key, value in bound.arguments.items()
        }
        returned = forward(*call.args, **call.kwargs)
        y, cache = demands.demand_pair(f"touch: {forward.__name__}", returned)
        return demands.y_copy("touch", y).astype(np.float64), cache

    y, cache = run()
    is_loss = demands.is_loss(backward, y)
    if dy is None and not is_loss:
        raise ValueError(MISSING.format("touch", y.shape))
    dy = 1.0 if dy is None else np.array(dy, np.float64)
    if np.shape(dy) != y.shape:
        raise ValueError(f"touch: dy has shape {np.shape(dy)}; expected {y.shape}, the shape of y")
    grads = dict(zip(arguments, backward(cache) if is_loss else backward(dy, cache), strict=False))
    gradients = {
        name: demands.demand_gradient("touch", name, q, grads.get(name))
        for name, q in arguments.items()
    }
    return Layer(arguments, lambda: run()[0], y, dy, gradients)


def compare(layer, name, index):
    """Return the Touch of one entry: its slope beside backward's gradient."""
    run, q, dy = layer.run, layer.arguments[name], layer.dy
    numeric, doubt, noise, h = slopes.slope(run, layer.y, dy, q, index)
    value = q[index]
    q[index] = value + h
    up = np.sum(run() * dy)
    q[index] = value - h
    down = np.sum(run() * dy)
    q[index] = value
    analytic = float(layer.gradients[name][index])
    kink = bool(doubt > 1e-6 * abs(numeric) + 20 * noise)
    size = max(abs(analytic), abs(numeric))
    right = abs(analytic - numeric) <= 1e-6 * size + 20 * noise  # False for NaN
    coarse = 20 * noise > max(1e-3 * size, 1e-6 * np.linalg.norm(dy))  # too few digits to tell
    hidden, wrong = bool(not kink and right and coarse), bool(not kink and not right)
    return Touch(name, index, value, h, up, down, numeric, analytic, kink, hidden, wrong)


def is_float(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
