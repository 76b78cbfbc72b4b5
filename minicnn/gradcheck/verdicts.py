"""The verdict on one argument: its analytic gradient against the slopes."""

from collections import namedtuple

import numpy as np

TINY = 1e-6  # so close to 0, most layers are linear

Row = namedtuple("Row", "name shape checked worst index analytic numeric kinks verdict notes")


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


def without_evidence(row):
    """Return a Row as it is where no entry of any argument changes y."""
    verdict = "NOT JUDGED" if row.verdict == "ok" else row.verdict
    note = "no entry of any argument changes y, so nothing has been shown; choose other arguments"
    return row._replace(verdict=verdict, notes=[*row.notes, note])
