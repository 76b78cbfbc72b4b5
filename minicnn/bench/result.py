"""One line of the table: what a work took, and how that compares.

seconds    contestant → one number a round: the median of the calls in its turn
fastest    contestant → the seconds of its fastest call
ms         the median of the rounds, in milliseconds
of_limit   GFLOP/s as a share of what a matrix product of 2048×2048 reaches here, or GB/s as a
           share of what a large copy reaches.  Above 1 where the data fit into a cache, or
           an algorithm needs fewer operations than the definition
rival      the one to compare with: of PyTorch's modes the one with the lowest median
ratio      the rival's time divided by ours: above 1, we are faster.  The median of the rounds'
           ratios, ± half of their interquartile range, the spread.  Where this is larger than
           the distance from 1, with fewer than three rounds, and where we or the rival were
           disturbed, there is no ratio, only the range of the rounds, low and high
disturbed  half of the rounds took more than twice as long as the fastest call: something else
           was running
"""

import statistics

import numpy as np


def line_of(work, seconds, fastest, ours, rivals, limits):
    """Return the line of one work.

    Parameters
    ----------
    work : dict
        row and pass; flops or bytes, if they are to be counted.
    seconds, fastest : dict
        By contestant, see above.
    ours : str
        Our contestant.
    rivals : collection of str
        The best of them is compared; those not in `seconds` did not finish.
    limits : dict
        gflops and gb_per_s that this machine can do.

    Returns
    -------
    dict
        row, pass, ms; gflops or gb_per_s, and of_limit; rival, its rival_ms, and ratio, spread,
        low and high as in `compared`; disturbed; all_ms, by contestant.  What there is not is None.
    """
    medians = {name: statistics.median(rounds) for name, rounds in seconds.items()}
    time = medians[ours]
    line = {"row": work["row"], "pass": work["pass"], "ms": digits(1000 * time)}
    line |= dict.fromkeys("gflops gb_per_s of_limit rival rival_ms ratio spread low high".split())
    line["disturbed"] = time > 2 * fastest[ours]
    for name, amount in (("gflops", work.get("flops")), ("gb_per_s", work.get("bytes"))):
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
    """Return how many times as long they take: ratio, spread, low and high; see above.

    Parameters
    ----------
    ours, theirs : list of float
        Seconds, one number a round.
    """
    rounds = [b / a for a, b in zip(ours, theirs, strict=True)]
    ratio = statistics.median(rounds)
    low, high = digits(min(rounds)), digits(max(rounds))
    if len(rounds) < 3:
        return {"ratio": None, "spread": None, "low": low, "high": high}
    first, third = np.percentile(rounds, [25, 75])
    spread = float(third - first) / 2
    quoted = digits(ratio) if spread <= abs(ratio - 1) else None
    return {"ratio": quoted, "spread": digits(spread), "low": low, "high": high}


def digits(number):
    """Return the number to four digits."""
    return float(f"{number:.4g}")
