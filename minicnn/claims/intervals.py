"""Intervals of differences, and the verdict of a claim, by rules that were fixed before the runs.

    difference   how much better the paper's choice is, in the claim's unit: points of error, ratio
    interval     (low, high): it contains the true difference in 95 of 100 experiments
    expected     the paper's difference, on this scale: its share of the error, times our error

Over seeds, errors scatter like normal numbers, so Student's t gives the interval of a mean.  Two
arms with the same seeds are compared seed by seed, because the order of the images and, where
shapes agree, the first weights are then the same; otherwise Welch's formula is used.  Two ways of
predicting with the same weights differ on few images, and McNemar's formula counts those.  Several
networks answer for the same images, so their counts are averaged, not added: the interval is then
as wide as if all of them erred on the same images, which is the widest that it can be.
"""

import math
from collections import namedtuple

import numpy as np

CONFIDENCE = 0.95
Interval = namedtuple("Interval", "mean low high sd n")  # sd and n are of one arm's numbers


def of_mean(numbers):
    """Return the Interval of the mean of these numbers; it is infinite for fewer than two."""
    n, mean = len(numbers), float(np.mean(numbers))
    if n < 2:
        return Interval(mean, -math.inf, math.inf, math.nan, n)
    sd = float(np.std(numbers, ddof=1))
    reach = student_t(n - 1) * sd / math.sqrt(n)
    return Interval(mean, mean - reach, mean + reach, sd, n)


def of_paired(first, second):
    """Return the Interval of the mean of first − second, whose numbers belong together in pairs."""
    return of_mean(np.subtract(first, second))


def of_difference(first, second):
    """Return the Interval of mean(first) − mean(second), from independent numbers (Welch 1947)."""
    n, m = len(first), len(second)
    mean = float(np.mean(first) - np.mean(second))
    if min(n, m) < 2:
        return Interval(mean, -math.inf, math.inf, math.nan, min(n, m))
    a, b = np.var(first, ddof=1) / n, np.var(second, ddof=1) / m
    sd = math.sqrt(a + b)
    degrees = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1)) if sd else n + m - 2
    reach = student_t(degrees) * sd
    return Interval(mean, mean - reach, mean + reach, sd * math.sqrt(min(n, m)), min(n, m))


def of_discordant(only_first, only_second, N):
    """Return the Interval of the error of the first way minus that of the second (McNemar 1947).

    Parameters
    ----------
    only_first, only_second : float
        How many of the N images only the first way gets wrong, and only the second; of several
        networks, the mean.
    N : int
    """
    mean = (only_first - only_second) / N
    variance = (only_first + only_second - (only_first - only_second) ** 2 / N) / N**2
    reach = 1.959964 * math.sqrt(variance)
    return Interval(mean, mean - reach, mean + reach, math.sqrt(variance * N), N)


def student_t(degrees):
    """Return the t that a number of Student's distribution exceeds in size in 5 of 100 cases.

    The density is integrated in small steps, and t is found by bisection.
    """
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    scale = math.exp(log_scale) / math.sqrt(degrees * math.pi)

    def inside(t):
        x = np.linspace(0, t, 20_001)
        return 2 * np.trapezoid(scale * (1 + x**2 / degrees) ** (-(degrees + 1) / 2), x)

    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) < CONFIDENCE else (low, middle)
    return high


def verdict(interval, expected):
    """Return "reproduced", "refuted here" or "undecided".

    Reproduced: the interval is above 0, so the difference has the paper's sign.  Refuted here: the
    interval is below the paper's difference, or below 0 where the paper gives no number.
    Undecided: neither.
    """
    if interval.low > 0:
        return "reproduced"
    if interval.high < (0 if expected is None else expected):
        return "refuted here"
    return "undecided"


def seeds_needed(sd, difference):
    """Return how many seeds an arm needs to show this difference in 80 of 100 experiments."""
    return math.ceil(15.7 * (sd / difference) ** 2 + 1)
