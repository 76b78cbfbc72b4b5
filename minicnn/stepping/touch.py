"""Touch one entry of a gradient: what backward says, and what happens to L when q moves.

    L = Σ y·dy                                   one number, for the dy that is given
    numeric  = (L(q+h) − L(q−h)) / 2h            forward alone, twice
    analytic                                     the entry of dq that backward returns

All of it in float64, on copies.  Which h, and when a difference is not to be trusted (at a kink of
ReLU, say), gradcheck.py decides.
"""

import copy
from collections import namedtuple

import numpy as np

from .. import gradcheck, net


class Touch(namedtuple("Touch", "name index value step up down numeric analytic kink")):
    """What `steps.touch` found; `print` it."""

    def __str__(self):
        place = f"{self.name}[{', '.join(map(str, self.index))}]"
        lines = [
            f"{place} = {self.value:.8g}, moved by h = {self.step:g}",
            f"    L({self.name}+h) = {self.up:.12g}",
            f"    L({self.name}−h) = {self.down:.12g}",
            f"    numeric   (L({self.name}+h) − L({self.name}−h)) / 2h = {self.numeric:.10g}",
            f"    analytic  d{place} = {self.analytic:.10g}",
        ]
        if self.kink:
            lines.append("    here L has a kink: there is no one slope to compare with")
        else:
            lines.append(f"    they differ by {self.difference:.1e} of their size")
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
    title = forward.__name__
    arguments = {
        key: np.array(value, np.float64) if is_float(value) else value
        for key, value in bound.arguments.items()
    }
    if not is_float(arguments.get(name)):
        floats = ", ".join(key for key, value in arguments.items() if is_float(value))
        raise ValueError(
            f"touch: {name!r} is no array of floats that {title} has; expected {floats}"
        )
    q = arguments[name]
    index = tuple(np.atleast_1d(index).tolist())
    if len(index) != q.ndim or not all(-n <= i < n for i, n in zip(index, q.shape, strict=False)):
        raise ValueError(f"touch: {name} has no entry {index}; its shape is {q.shape}")
    given = bound.__class__(bound.signature, {**bound.arguments, **arguments})

    def run():
        own = copy.deepcopy(given)  # a rng in it draws the same numbers each time
        for key in arguments:
            if is_float(arguments[key]):
                own.arguments[key] = arguments[key]
        y, cache = forward(*own.args, **own.kwargs)
        return np.array(net.on_host(y), np.float64), cache

    y, cache = run()
    dy = 1.0 if dy is None else np.asarray(dy, np.float64)
    if np.shape(dy) != y.shape:
        raise ValueError(f"touch: dy has shape {np.shape(dy)}; expected {y.shape}, that of y")
    grads = backward(cache) if y.ndim == 0 else backward(dy, cache)
    floats = [key for key, value in arguments.items() if is_float(value)]
    analytic = dict(zip(floats, grads, strict=False))[name][index]

    entry = np.ravel_multi_index([i % n for i, n in zip(index, q.shape, strict=True)], q.shape)
    steps = gradcheck.STEPS * max(1, np.abs(q).max())
    numeric, doubt, noise = gradcheck.slope(lambda: run()[0], y, dy, q.reshape(-1), entry, steps)
    value, h = q[index], steps[0]
    q[index] = value + h
    up = np.sum(run()[0] * dy)
    q[index] = value - h
    down = np.sum(run()[0] * dy)
    kink = doubt > 1e-6 * abs(numeric) + 20 * noise
    return Touch(name, index, value, h, up, down, numeric, float(analytic), bool(kink))


def is_float(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
