"""One line of the table: the time of a case, and how it compares.

seconds    contestant → one number per round: the median of the calls in its turn
fastest    contestant → the seconds of its fastest call
ms         the median of the rounds, in milliseconds
of_limit   GFLOP/s as a share of what a matrix product of 2048×2048 reaches here, or GB/s as a
           share of what a large copy reaches.  Above 1 if the data fit into a cache, or if an
           algorithm needs fewer operations than the definition
rival      the contestant to compare with: the one with the lowest median in a group
ratio      the rival's time divided by ours; above 1, ours is faster.  It is the median of the
           rounds' ratios, and the spread is half of their interquartile range.  There is no
           ratio, but only the range of the rounds, low and high, if the spread is larger than
           the distance from 1, with fewer than three rounds, and if ours or the rival's
           measurement was disturbed
disturbed  half of the rounds took more than twice as long as the fastest call, because
           something else was running
"""

import statistics

import numpy as np


def line_of(case, seconds, fastest, ours, rivals, limits):
    """Return the line of one case.

    Parameters
    ----------
    case : dict
        row and pass; flops or bytes, if its cost is known.
    seconds, fastest : dict
        By contestant, see above.
    ours : str
        Our contestant.
    rivals : collection of str
        A group of rivals, of which the best is compared; those not in `seconds` did not finish.
    limits : dict
        The gflops and gb_per_s that this machine reaches.

    Returns
    -------
    dict
        row, pass, ms; gflops or gb_per_s, and of_limit; rival, its rival_ms, and ratio, spread,
        low and high as in `compared`; disturbed; all_ms, by contestant.  Missing values are None.
    """
    medians = {name: statistics.median(rounds) for name, rounds in seconds.items()}
    time = medians[ours]
    line = {"row": case["row"], "pass": case["pass"], "ms": digits(1000 * time)}
    line |= dict.fromkeys("gflops gb_per_s of_limit rival rival_ms ratio spread low high".split())
    line["disturbed"] = time > 2 * fastest[ours]
    for name, amount in (("gflops", case.get("flops")), ("gb_per_s", case.get("bytes"))):
        if amount:
            line[name] = digits(amount / time / 1e9)
            line["of_limit"] = digits(amount / time / 1e9 / limits[name])
    finished = [name for name in rivals if name in seconds]
    if finished:
        best = min(finished, key=medians.get)
        line |= {"rival": best, "rival_ms": digits(1000 * medians[best])}
        line |= compared(seconds[ours], seconds[best])
        line["disturbed"] |= medians[best] > 2 * fastest[best]
        if line["disturbed"]:
            line["ratio"] = None
    line["all_ms"] = {name: digits(1000 * medians[name]) for name in (ours, *finished)}
    return line


def compared(ours, theirs):
    """Return the comparison of two times: ratio, spread, low and high; see above.

    Parameters
    ----------
    ours, theirs : list of float
        Seconds, one number per round.
    """
    rounds = [b / a for a, b in zip(ours, theirs, strict=True)]
    ratio = statistics.median(rounds)
    low, high = digits(min(rounds)), digits(max(rounds))
    if len(rounds) < 3:
        return {"ratio": None, "spread": None, "low": low, "high": high}
    first, third = np.percentile(rounds, [25, 75])
    spread = float(third - first) / 2
    reliable = digits(ratio) if spread <= abs(ratio - 1) else None
    return {"ratio": reliable, "spread": digits(spread), "low": low, "high": high}


def digits(number):
    """Return the number rounded to four significant digits."""
    return float(f"{number:.4g}")
