"""Is dropout's mask drawn as it should be?  Which units are left out is a matter of chance.

So there is nothing to compare with.  But y is 0 or x; about a share p of it is 0; the same
generator draws the same mask, another one another; no two images lose the same units; and the cache
says who was kept.

    given      the Cases of dropout_forward
    answers    what the learner's function returned for each, see sandbox_child.py
    on         where y is not 0
    fault      what is wrong: a line that says it, and the name of the mistake if it is a known one
"""

import numpy as np

from .differences import alike, is_numbers, same
from .mistakes import mistakes
from .side_by_side import beside

KNOWN = {mistake.name: mistake for mistake in mistakes("dropout_forward")}


def fault_of(given, answers):
    """Return what is wrong first, or None: number of the case, lines that say it, the Mistake."""
    masks = {}
    for number, (one, answer) in enumerate(zip(given, answers, strict=True)):
        y, _ = answer["returned"]
        line, mistake = value_fault(one.inputs["x"], one.options["p"], y)
        if line:
            shown = [beside({"x": one.inputs["x"], "your y": y}) + "\n"] if number == 0 else []
            return number, [*shown, line], KNOWN.get(mistake)
        masks.setdefault((np.shape(y), one.options["rng"]), []).append((one, y != 0))
    for number, (one, answer) in enumerate(zip(given, answers, strict=True)):
        line, mistake = mask_fault(one, masks)
        if not line:
            line, mistake = cache_fault(one.inputs["x"], *answer["returned"])
        if line:
            return number, [line], KNOWN.get(mistake)
    return None


def value_fault(x, p, y):
    """Is every entry of y 0 or x, in the right share?"""
    if np.shape(y) != x.shape:
        return f"y has shape {np.shape(y)}; expected that of x, {x.shape}.", None
    on = y != 0
    if not same(y[on], x[on]):
        known = "scaled" if same(y[on], x[on] / (1 - p)) else None
        place = tuple(map(int, np.argwhere(on & (np.abs(y - x) > 1e-6 * np.abs(x)))[0]))
        return (
            f"y{list(place)} is {y[place]:.5g}, where x is {x[place]:.5g}; expected x or 0.",
            known,
        )
    share, slack = np.mean(on), 2 / np.sqrt(x.size)  # four standard deviations, or more
    if abs(share - (1 - p)) > slack:
        line = f"With p = {p}, {share:.0%} of {x.size} units were kept; expected about {1 - p:.0%}."
        known = "nobody left out" if share == 1 else None
        return line, "p exchanged with 1 − p" if abs(share - p) < slack else known
    if y.dtype != x.dtype:
        return f"y is {y.dtype}, and x is {x.dtype}: is an array made without a dtype?", None
    return None, None


def mask_fault(one, masks):
    """Are masks drawn from rng, and anew for every image?"""
    shape, seed = one.inputs["x"].shape, one.options["rng"]
    for other, mask in masks[shape, seed][1:]:
        first, on = masks[shape, seed][0]
        if first.inputs["x"].dtype == other.inputs["x"].dtype and (mask != on).any():
            return "Two calls with the same generator gave two masks.", "another generator"
    for (size, number), found in masks.items():
        if size == shape and number != seed and (found[0][1] == masks[shape, seed][0][1]).all():
            return "Two calls with different generators gave the same mask.", "rng not used"
    on = masks[shape, seed][0][1]
    if on.ndim > 1 and (on == on[0]).all():
        return "The same units are left out in every image.", "one mask for all images"
    return None, None


def cache_fault(x, y, cache):
    """Does the cache hold (kept, x.dtype)?"""
    if len(cache) != 2:
        return (
            f"The cache holds {len(cache)} things; dropout_backward unpacks (kept, x.dtype).",
            None,
        )
    kept, dtype = cache
    if not is_numbers(kept) or np.shape(kept) != x.shape or not same(np.where(kept, x, 0), y):
        upside_down = np.shape(kept) == x.shape and same(np.where(kept, 0, x), y)
        line = "y is right, but the cache does not say who was kept: y = np.where(kept, x, 0)."
        return line, "mask upside down" if upside_down else None
    if not alike(dtype, x.dtype):
        return f"The second thing in the cache is {dtype}; expected x.dtype, {x.dtype}.", None
    return None, None
