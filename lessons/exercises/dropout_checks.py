"""Check a learner's dropout_forward, whose random mask cannot be compared with a right answer.

Its properties can: each entry of y is 0 or x; about a share p of them is 0; equal generators draw
equal masks and different ones do not; no two units share a draw, and the number of those that are
dropped is random, too; and the cache holds the mask.

    given      the Cases of dropout_forward
    answers    the replies for the learner's function, see sandbox_child.py
    on         a mask of where y is not 0
    fault      a sentence that says what is wrong, and the name of the mistake if it is a known one
"""

import numpy as np

from .checks import shown
from .differences import alike, differs, is_numbers, same
from .mistakes import mistakes
from .side_by_side import side_by_side

KNOWN = {mistake.name: mistake for mistake in mistakes("dropout_forward")}


def fault_of(given, answers):
    """Return the first fault as (number of the case, lines, Mistake or None), or None."""
    masks = {}
    for number, (case, answer) in enumerate(zip(given, answers, strict=True)):
        y, _ = answer["returned"]
        x = case.inputs["x"]
        line, mistake = value_fault(x, case.options["p"], y)
        if line:
            shown = [side_by_side({"x": x, "your y": y}) + "\n"] if number == 0 else []
            return number, [*shown, line], KNOWN.get(mistake)
        masks.setdefault((np.shape(y), case.options["rng"]), []).append((case, y != 0))
    for number, (case, answer) in enumerate(zip(given, answers, strict=True)):
        line, mistake = mask_fault(case, masks)
        if not line:
            line, mistake = cache_fault(case.inputs["x"], *answer["returned"])
        if line:
            return number, [line], KNOWN.get(mistake)
    return (0, [line], None) if (line := share_fault(masks)) else None


def value_fault(x, p, y):
    """Check that each entry of y is 0 or x, in the right proportion."""
    if np.shape(y) != x.shape:
        return f"y has shape {np.shape(y)}; expected {x.shape}, the shape of x.", None
    on = y != 0
    wrong = on.copy()
    wrong[on] = differs(y[on], x[on])
    if wrong.any():
        known = "scaled" if same(y[on], x[on] / (1 - p)) else None
        place = tuple(map(int, np.argwhere(wrong)[0]))
        return (
            f"y{list(place)} is {float(y[place]):.5g}, where x is {x[place]:.5g}; expected x or 0.",
            known,
        )
    share, slack = np.mean(on), 2 / np.sqrt(x.size)  # four standard deviations, or more
    if abs(share - (1 - p)) > slack:
        line = f"With p = {p}, {share:.0%} of {x.size} units were kept; expected about {1 - p:.0%}."
        known = "nobody left out" if share == 1 else None
        return line, "p exchanged with 1 − p" if abs(share - p) < slack else known
    if y.dtype != x.dtype:
        return f"y is {y.dtype}, and x is {x.dtype}: is an array created without a dtype?", None
    return None, None


def mask_fault(case, masks):
    """Check that masks are drawn from rng, a new one for each image."""
    shape, seed = case.inputs["x"].shape, case.options["rng"]
    for other, mask in masks[shape, seed][1:]:
        first, on = masks[shape, seed][0]
        if first.inputs["x"].dtype == other.inputs["x"].dtype and (mask != on).any():
            return "Two calls with equal generators gave different masks.", "another generator"
    for (size, number), drawn in masks.items():
        if size == shape and number != seed and (drawn[0][1] == masks[shape, seed][0][1]).all():
            return "Two calls with different generators gave the same mask.", "rng not used"
    on = masks[shape, seed][0][1]
    drawn = [pair[1] for (size, _), pairs in masks.items() if size == shape for pair in pairs]
    axes = [a for a in range(on.ndim) if all((m == m.take([0], a)).all() for m in drawn)]
    if on.ndim > 1 and 0 in axes:
        return "The same units are dropped in every image.", "one mask for all images"
    if on.ndim > 1 and axes:
        along = " and ".join(map(str, axes))
        return f"Units that differ in axis {along} alone share one draw; each has its own.", None
    return None, None


def share_fault(masks):
    """Check that the number of dropped units, too, is random: in all calls, and in the images."""
    drawn = [(case, on) for pairs in masks.values() for case, on in pairs]
    exact = [np.sum(~on) == round(case.options["p"] * on.size) for case, on in drawn]
    rows = [on.reshape(len(on), -1).sum(axis=1) for _, on in drawn if len(on) > 20]
    if all(exact) or any(np.ptp(counts) == 0 for counts in rows):
        where = "in every call" if all(exact) else "in every image"
        return (
            f"Equally many units are dropped {where}.  Each is dropped with probability p, "
            "whatever happens to the others."
        )
    return None


def cache_fault(x, y, cache):
    """Check that the cache holds (kept, x.dtype)."""
    if len(cache) != 2:
        return (
            f"The cache has {len(cache)} parts; dropout_backward unpacks (kept, x.dtype).",
            None,
        )
    kept, dtype = cache
    is_mask = is_numbers(kept) and np.shape(kept) == x.shape
    if not is_mask or not same(np.where(kept, x, 0), y):
        upside_down = is_mask and same(np.where(kept, 0, x), y)
        line = "y is right, but the cache lacks the mask `kept` of y = np.where(kept, x, 0)."
        return line, "mask upside down" if upside_down else None
    if not alike(dtype, x.dtype):
        return f"The second part of the cache is {shown(dtype)}; expected x.dtype, {x.dtype}.", None
    return None, None
