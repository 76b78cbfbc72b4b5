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

`verify/gradcheck_suite.py` runs these checks on every layer of the library, and
`stepping/nudge.py` measures the slope at one entry.
"""

import copy
import inspect
from collections import namedtuple

import numpy as np

from . import net
from .console import aligned

STEP, STEPS = 2e-4, 5  # the first and largest step; the least number of steps to try
EPSILON = np.finfo(np.float64).eps  # 2.2e-16
TINY = 1e-6  # so close to 0, most layers are linear
SEED = 20120930  # unlike any seed of x: were dy equal to x, dw = dy.T @ x would hide a missing .T

Row = namedtuple("Row", "name shape checked worst index analytic numeric kinks verdict notes")
Slope = namedtuple("Slope", "numeric doubt noise step")  # of one entry


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
    whole = ", ".join(f"{q} is {np.asarray(named[q]).dtype}" for q in named if q not in checked)
    if not checked:
        raise ValueError(
            f"{title}: no argument is an array of floats, so there is no gradient to check"
            + f" ({whole}; .astype(np.float64) makes floats of them)" * bool(whole)
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
            + f"; {whole}, which has none"
            * bool(whole)
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
        moved |= any(slope.numeric or slope.doubt for slope in slopes)
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


def without_evidence(row):
    """Return a Row as it is where no entry of any argument changes y."""
    verdict = "NOT JUDGED" if row.verdict == "ok" else row.verdict
    note = "no entry of any argument changes y, so nothing has been shown; choose other arguments"
    return row._replace(verdict=verdict, notes=[*row.notes, note])


def steps_of(array):
    """Return the steps to try for an argument, the largest first.

    The last is 1e-4 times the first.  Further steps follow where all entries are tiny or close to
    each other, because kinks are then as close.
    """
    largest = np.abs(array).max()
    unit = max(1, largest)
    spread = max(np.ptp(array) or largest, 1e-5 * largest, 1e-100)  # round-off hides less
    more = np.ceil(np.log10(unit / spread)) if largest and spread < unit else 0
    return STEP * unit * 10.0 ** -np.arange(STEPS + more)


def slope(run, y, dy, array, place):
    """Return the Slope at one entry of an argument, which must be the array that run() reads."""
    steps = steps_of(array)
    best = Slope(np.nan, np.inf, 0, steps[0])
    for step in steps:
        measured = differences(run, y, dy, array, place, step)
        if measured.doubt < best.doubt:
            best = measured
        if measured.doubt <= 1e-7 * abs(measured.numeric) + 20 * measured.noise:
            break  # else there is a kink or a strong bend nearby, which a shorter step may avoid
    return best


def differences(run, y, dy, array, place, step):
    """Return the Slope measured with one step."""
    value = array[place]
    step = 2 * (value + step / 2 - value)  # the nudge after rounding
    changes = []
    for nudge in (step, -step, step / 2, -step / 2):
        array[place] = value + nudge
        change = run() - y
        changes.append(np.sum(change * dy))  # subtracting before the sum loses fewer digits
    array[place] = value
    up, down, up_half, down_half = changes
    full = (up - down) / (2 * step)
    half = (up_half - down_half) / step
    numeric = (4 * half - full) / 3
    # halving the step leaves a quarter of the bend up + down where L is smooth, half at a kink
    excess = (up + down - 4 * (up_half + down_half)) / step
    moved = change != 0
    lost = np.linalg.norm((y * dy)[moved] if moved.any() else y * dy) + abs(value * numeric)
    return Slope(numeric, max(abs(full - half), abs(excess)), EPSILON * lost / step, step)


def judge(name, array, y, places, analytic, slopes, matters, tolerance):
    """Return the Row of one argument: its worst entry, the verdict and notes."""
    numeric, doubt, noise, _ = np.transpose(slopes)
    count, largest = len(places), np.abs(array).max()
    scale = np.abs(numeric[doubt <= 0.01 * np.abs(numeric)]).max(initial=0)
    blur = 10 * noise / tolerance  # round-off hides mistakes in smaller gradients
    floor = np.maximum(np.maximum(scale / 100, blur), np.finfo(np.float64).tiny)
    size = np.maximum(floor, np.maximum(np.abs(analytic), np.abs(numeric)))
    with np.errstate(invalid="ignore"):
        error = np.abs(analytic - numeric) / size
    error[~np.isfinite(analytic)] = np.inf
    smooth = doubt <= tolerance / 3 * scale + 20 * noise
    kinks = int(np.count_nonzero(~smooth))
    still = (numeric == 0) & (doubt == 0)  # y does not change
    coarse = 10 * noise > matters
    hidden = still & coarse & (np.abs(analytic) <= 10 * noise)  # may be right or wrong
    judged = smooth & ((blur <= scale) | (still & ~hidden))
    matter = ~judged | (abs(numeric) > floor)
    worst = np.argmax(np.where(judged, error, -1))

    verdict, notes = "ok", []
    if kinks:
        notes.append(
            f"WARNING: {kinks} of {count} entries are at a kink (ReLU at 0, a tie in a maximum), "
            f"the first at {places[np.argmin(smooth)]}; they are left out"
        )
    if not (judged | ~smooth).all():
        notes.append(
            f"WARNING: some gradients are lost in round-off and left out: {name} is as large as "
            f"{largest:.1g}, y as large as {np.abs(y).max():.1g}; subtract a large constant"
        )
    if np.count_nonzero(~judged) > np.count_nonzero(matter) / 2:
        verdict = "NOT JUDGED"
        notes.append("too few are left; change the arguments a little, or raise the tolerance")
    if judged.any() and not error[worst] < tolerance:
        verdict = "FAIL"
        wrong = np.count_nonzero(error[judged] >= tolerance)
        hint = signature(analytic[judged], numeric[judged])
        notes.append(f"{wrong} of {np.count_nonzero(judged)} entries are wrong{hint}")
    if not numeric.any() and (np.abs(analytic) <= 10 * noise).all():
        notes.append("WARNING: all gradients are zero here; other arguments would show more")
        if count < array.size and verdict == "ok":
            verdict = "NOT JUDGED"
            notes.append(f"{array.size - count} entries were not checked: raise max_entries")
    if verdict == "ok" and 0 < largest < TINY:
        notes.append(
            f"WARNING: no entry is above {largest:.1g}; so close to 0 most layers are linear, "
            f"and entries of about 1 would show more"
        )
    worst_error = float(error[worst]) if judged.any() else np.inf
    entry = worst_error, places[worst], float(analytic[worst]), float(numeric[worst])
    return Row(name, array.shape, count, *entry, kinks, verdict, notes)


def signature(analytic, numeric):
    """Return a hint if the mistake has a well-known pattern, else ""."""
    if not np.isfinite(analytic).all():
        return ": some are NaN or infinite"
    if not analytic.any():
        return ": the analytic gradient is zero everywhere; was it forgotten?"
    if np.count_nonzero(numeric) < 2:
        return ""
    factor = analytic @ numeric / (numeric @ numeric)
    if np.abs(analytic - factor * numeric).max() > 1e-4 * np.abs(analytic).max():
        return ""
    if abs(factor + 1) < 1e-4:
        return ": the sign is flipped everywhere"
    if f"{factor:.4g}" == "1":
        return ""
    return f": the analytic gradient is {factor:.4g} times the numeric one everywhere"


# Checks on arguments and results, before there is anything to compare.


def argument_names(forward, count):
    """Return the names of forward's first parameters."""
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):
        parameters = []
    names = [q.name for q in parameters if q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)]
    return [names[i] if i < len(names) else f"argument_{i + 1}" for i in range(count)]


def is_loss(backward, y):
    """Return whether y is a loss: a single number, whose backward takes the cache alone."""
    try:
        parameters = inspect.signature(backward).parameters.values()
    except (TypeError, ValueError):
        parameters = []
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    needed = sum(q.kind in kinds and q.default is q.empty for q in parameters)
    return y.ndim == 0 and needed < 2


def is_float64(value):
    return getattr(value, "dtype", None) == np.float64


def float64_copy(name, value):
    """Return floats as a new C-contiguous float64 array, and integers as a plain copy."""
    demand_plain(name, value)
    kind = np.asarray(value).dtype.kind if not isinstance(value, tuple) else "tuple"
    if kind not in "fiub":
        raise TypeError(f"{name} is {described(value)}; expected an array of floats or integers")
    if np.size(value) == 0:
        raise ValueError(f"{name} has shape {np.shape(value)}: there is nothing to check")
    if kind != "f":
        return copy.deepcopy(value)
    array = np.array(value, np.float64, order="C")
    demand_finite(name, array)
    return array


def float64_params(layer):
    """Return a layer's parameters as float64; with two columns each is a pair."""
    params = {}
    for letter, value in layer.params.items():
        name = f"{layer.name}.{letter}"
        copies = [demand_floats(name, float64_copy(name, array)) for array in net.columns(value)]
        params[letter] = tuple(copies) if isinstance(value, tuple) else copies[0]
    return params


def y_copy(title, y):
    """Return a copy of forward's result y, whose memory forward may reuse."""
    y = net.on_host(y)
    demand_plain(f"{title}: y", y)
    return np.array(y)


def described(value):
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a {type(value).__name__}"


def demand_pair(who, returned):
    """Return what forward returned; raise TypeError if it is not a pair (y, cache)."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        kind = described(returned)
        raise TypeError(f"{who} returned {kind}; expected a pair: return y, cache")
    return returned


def demand_unchanged(who, before, after):
    for name, value in before.items():
        if not np.array_equal(value, after[name], equal_nan=True):
            raise ValueError(
                f"{who} changed its argument {name}; it must stay as it is: work on a copy"
            )


def demand_plain(name, value):
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, but gradients have no mask; expected a plain array, e.g. "
            f".filled(0)"
        )
    if isinstance(value, np.matrix):
        raise TypeError(
            f"{name} is an np.matrix, whose * is a matrix product; expected a plain array, e.g. .A"
        )


def demand_floats(name, value):
    if not is_float64(value):
        raise TypeError(
            f"{name} is {described(value)}; expected floats, which can be nudged: "
            f".astype(np.float64)"
        )
    return value


def demand_finite(name, array):
    if not np.isfinite(array).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        raise ValueError(f"{name} is {array[place]} at {place}; expected finite numbers")


def demand_numbers(title, y):
    if y.dtype != np.float64:
        raise TypeError(f"{title}: y is {y.dtype}; expected float64, as all arguments are")
    if y.size == 0:
        raise ValueError(f"{title}: y has shape {y.shape}: there is nothing to check")
    demand_finite(f"{title}: y", y)


def demand_gradient(title, name, array, gradient):
    """Return a copy of the gradient, which the next run cannot overwrite."""
    gradient = net.on_host(gradient)
    gradient = np.asarray(gradient) if isinstance(gradient, float) else gradient
    demand_plain(f"{title}: d{name}", gradient)
    if not isinstance(gradient, (np.ndarray, np.generic)):
        kind = described(gradient)
        raise TypeError(f"{title}: d{name} is {kind}; expected an array of shape {array.shape}")
    if gradient.shape != array.shape:
        hint = " (is it transposed?)" if gradient.shape == array.shape[::-1] else ""
        raise ValueError(
            f"{title}: d{name} has shape {gradient.shape}{hint}; "
            f"expected {array.shape}, the shape of {name}"
        )
    if gradient.dtype != np.float64:
        raise TypeError(f"{title}: d{name} is {gradient.dtype}; expected float64, as {name} is")
    return np.array(gradient)
