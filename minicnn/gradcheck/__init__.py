"""Gradient checks: is backward really the derivative of forward?

    report = check_layer(my_forward, my_backward, x, w, b, stride=2)
    print(report)

Multiply y by a random dy and sum: L = Σ y·dy is one number, and backward claims to return ∂L/∂x.
To test the claim, nudge one entry of x up and down, run forward, and measure the slope of L:

    numeric = (L(x + h) − L(x − h)) / 2h             analytic = the gradient that backward returns

    step      h: 2e-4, times the largest entry of the argument if that is above 1; rounded, so that
              x + h and x − h are exact
    full      the slope over x ± h, wrong by about h²·L'''/6
    half      the slope over x ± h/2, wrong by a quarter of that: (4·half − full)/3 beats both
    doubt     the disagreement of the two; large at a kink of L: ReLU at 0, a tie in a maximum.
              A shorter step may avoid the kink, so h/10, h/100, … are tried; further steps follow
              where all entries are tiny or close to each other
    noise     the error of a slope from the round-off in x and y.  Where no digit of y changes over
              x ± h, numeric is 0, but the slope may be as large as y's last digit over h
    scale     the largest slope of the argument on which both steps agree
    floor     scale/100, or the smallest slope that stands out of the round-off, if that is larger

    relative error = |analytic − numeric| / max(|analytic|, |numeric|, floor)

The floor prevents false alarms over round-off in gradients near zero: backward may return 5e-15 for
a sum that should be 0.  Where y does not change at all, any gradient above the noise is wrong,
however small.

At a kink there is no derivative, so such entries are reported and left out.  Kinks are found by
forward alone, so a wrong backward cannot excuse itself.  If most of the entries that matter are at
kinks, nothing has been shown, and the check does not pass.  Nor does it pass if no entry of any
argument changes y, because a backward that returns zeros would be right there.

Arguments may have any memory layout.  Forward and backward see C-contiguous copies in float64, and
the entries of these copies are nudged.

    demands.py    what is compared: plain finite arrays of the right shapes
    slopes.py     the slope of L at one entry
    verdicts.py   the verdict on one argument, and the patterns of well-known mistakes

`verify/gradcheck_suite.py` runs these checks on every layer of the library, and
`stepping/nudge.py` measures the slope at one entry.
"""

import copy
import inspect
from collections import namedtuple

import numpy as np

from .. import net
from ..console import aligned
from .demands import (
    argument_names,
    demand_floats,
    demand_gradient,
    demand_numbers,
    demand_pair,
    demand_unchanged,
    described,
    float64_copy,
    float64_params,
    is_float64,
    is_loss,
    y_copy,
)
from .slopes import slope
from .verdicts import judge, without_evidence

SEED = 20120930  # unlike any seed of x: were dy equal to x, dw = dy.T @ x would hide a missing .T


class Report(namedtuple("Report", "title tolerance rows")):
    """The result of a check: a Row for each argument.  `print(report)` shows a table."""

    @property
    def ok(self):
        """True if every argument could be judged and has the right gradient."""
        return all(row.verdict == "ok" for row in self.rows)

    @property
    def worst(self):
        """The largest relative error; infinite if an argument has no entry that can be judged."""
        return max(row.worst for row in self.rows)

    def __str__(self):
        table = [("", "shape", "checked", "worst error", "at", "analytic", "numeric", "")]
        for row in self.rows:
            checked = f"{row.checked} of {np.prod(row.shape, dtype=int)}"
            worst = f"{row.worst:.1e}", f"{row.index}", f"{row.analytic:.8g}", f"{row.numeric:.8g}"
            table.append((row.name, f"{row.shape}", checked, *worst, row.verdict))
        lines = [f"{self.title}: {'ok' if self.ok else 'NOT OK'} at tolerance {self.tolerance:.0e}"]
        lines += [f"  {line}" for line in aligned(table)]
        lines += [f"  {row.name}: {note}" for row in self.rows for note in row.notes]
        return "\n".join(lines)


def check_layer(forward, backward, *args, max_entries=200, tolerance=1e-6, dy_seed=SEED, **options):
    """Compare a backward pass with finite differences of its forward pass.

    Parameters
    ----------
    forward : function
        `forward(*args, **options)` returns the pair y, cache.  A scalar y is a loss.
    backward : function
        `backward(dy, cache)`, or `backward(cache)` for a loss, returns a tuple with one gradient
        for each array of floats.
    *args : arrays
        Floats are checked, on C-contiguous copies in float64.  Integers (labels) are only passed
        on.
    max_entries : int
        The most entries of an argument to check.  If it has more, they are drawn at random; the
        entry with the largest gradient is always among them.
    tolerance : float
        The largest relative error that passes.
    dy_seed : int
        The seed for dy and for the choice of entries.
    **options
        The layer's options.  Each run gets a fresh copy, so that `rng=np.random.default_rng(0)`
        draws the same mask every time.

    Returns
    -------
    Report
        `.ok`, `.worst`, `.rows`; print it.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to compare: an argument is a masked array or not finite; forward does
        not return a pair, returns NaN, or differs from run to run; backward returns the wrong
        number of gradients, or wrong shapes or dtypes; or one of them changes its arguments.
    """
    title = getattr(forward, "__name__", "layer").removesuffix("_forward")
    names = argument_names(forward, len(args))
    named = {name: float64_copy(name, arg) for name, arg in zip(names, args, strict=True)}
    checked = {name: arg for name, arg in named.items() if is_float64(arg)}
    others = [f"{name} is {np.asarray(named[name]).dtype}" for name in named if name not in checked]
    integers = ", ".join(others)
    if not checked:
        hint = f" ({integers}; .astype(np.float64) makes floats of them)" if others else ""
        raise ValueError(
            f"{title}: no argument is an array of floats, so there is no gradient to check{hint}"
        )
    before = copy.deepcopy(named)

    def run():
        result = forward(*named.values(), **copy.deepcopy(options))
        y, cache = demand_pair(f"{title}: forward", result)
        return y_copy(title, y), cache

    y, cache = run()
    demand_unchanged(f"{title}: forward", before, named)
    demand_numbers(title, y)
    if is_loss(backward, y):
        dy = np.ones(())
        grads = backward(cache)
    else:
        dy = np.array(np.random.default_rng(dy_seed).standard_normal(y.shape))
        dy_given = dy.copy()
        grads = backward(dy_given, cache)
        demand_unchanged(f"{title}: backward", {"dy": dy}, {"dy": dy_given})
    demand_unchanged(f"{title}: backward", before, named)
    if not isinstance(grads, tuple) or len(grads) != len(checked):
        wanted = "".join(f"d{name}, " for name in checked).strip()
        raise TypeError(
            f"{title}: backward returned {described(grads)}; expected the tuple ({wanted}), one "
            f"gradient for each array of floats (pass settings by keyword)"
            + (f"; {integers}, which has none" if others else "")
        )
    gradients = dict(zip(checked, grads, strict=True))
    return compare(
        title, lambda: run()[0], y, dy, checked, gradients,
        max_entries=max_entries, tolerance=tolerance, seed=dy_seed,
    )  # fmt: skip


def check_network(layers, x, labels, ops, max_entries=20, tolerance=1e-6, seed=SEED):
    """Compare the gradients of a whole network with finite differences of its loss.

    Parameters
    ----------
    layers : list of net.Layer
        The network.  Its parameters and random generators are copied and not changed.
    x, labels : arrays
        A few images and their classes.
    ops : module
        The backend, for its softmax_loss.
    max_entries : int
        The most entries of x and of each parameter to check, drawn at random.
    tolerance, seed
        As in check_layer.

    Returns
    -------
    Report
        A Row for x and one for each parameter, named as in `net.parameters`.
    """
    x = demand_floats("x", float64_copy("x", x))
    layers = [layer._replace(params=float64_params(layer)) for layer in layers]

    def run():
        options = copy.deepcopy([layer.options for layer in layers])  # a shared rng stays shared
        fresh = [layer._replace(options=new) for layer, new in zip(layers, options, strict=True)]
        scores, caches = net.forward(fresh, x)
        loss, cache = ops.softmax_loss_forward(scores, labels)
        return y_copy("network", loss), cache, caches

    loss, cache, caches = run()
    demand_numbers("network", loss)
    (dscores,) = ops.softmax_loss_backward(cache)
    dx, grads = net.backward(layers, caches, dscores)
    gradient_layers = [layer._replace(params=grads[layer.name]) for layer in layers]
    arrays = {"x": x, **net.parameters(layers)}
    gradients = {"x": dx, **net.parameters(gradient_layers)}
    return compare(
        "network", lambda: run()[0], loss, 1.0, arrays, gradients,
        max_entries=max_entries, tolerance=tolerance, seed=seed,
    )  # fmt: skip


def planted(function, right, wrong):
    """Return the function as it would be with `wrong` in its source instead of `right`.

    It shows whether a check notices a mistake.  Raises ValueError unless `right` occurs once.
    """
    source = inspect.getsource(function)
    if source.count(right) != 1:
        found = f"{source.count(right)} times in {function.__name__}"
        raise ValueError(f"planted: {right!r} occurs {found}; expected it once")
    names = dict(vars(inspect.getmodule(function)))  # what the function finds in its module
    exec(source.replace(right, wrong), names)
    return names[function.__name__]


def compare(title, run, y, dy, arrays, gradients, *, max_entries, tolerance, seed):
    """Return the Report; run() returns y for the current contents of the arrays."""
    gradients = {q: demand_gradient(title, q, arrays[q], gradients[q]) for q in arrays}
    if not np.allclose(run(), y, rtol=1e-9, atol=1e-9 * np.abs(y).max()):
        raise ValueError(
            f"{title}: forward gave two results for the same arguments; if it draws random "
            f"numbers, pass the generator as an option: rng=np.random.default_rng(0)"
        )
    if max_entries < 1:
        raise ValueError(f"{title}: max_entries = {max_entries}; expected at least 1")
    rng = np.random.default_rng(seed)
    rows, moved = [], False
    for name, array in arrays.items():
        entries = drawn(rng, gradients[name], max_entries)
        places = [tuple(map(int, np.unravel_index(entry, array.shape))) for entry in entries]
        slopes = [slope(run, y, dy, array, place) for place in places]
        moved |= any(each.numeric or each.doubt for each in slopes)
        analytic = np.array([gradients[name][place] for place in places])
        matters = tolerance * np.linalg.norm(dy)  # the least slope of L that matters
        rows.append(judge(name, array, y, places, analytic, slopes, matters, tolerance))
    if not moved:
        rows = [without_evidence(row) for row in rows]
    return Report(title, tolerance, rows)


def drawn(rng, gradient, count):
    """Return the flat indices of the entries to check: all, or `count` drawn at random.

    The entry with the largest gradient is always among them: where few entries matter, as in a
    maximum, it is one that does.  argmax prefers NaN, so a NaN is always found.
    """
    if gradient.size <= count:
        return np.arange(gradient.size)
    entries = rng.choice(gradient.size, count, replace=False)
    largest = np.abs(gradient).argmax()
    if largest not in entries:
        entries[0] = largest
    return np.sort(entries)
