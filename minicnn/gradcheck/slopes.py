"""The slope of L at one entry of an argument, from differences of forward: see gradcheck."""

from collections import namedtuple

import numpy as np

STEP, STEPS = 2e-4, 5  # the first and largest step; the least number of steps to try
EPSILON = np.finfo(np.float64).eps  # 2.2e-16

Slope = namedtuple("Slope", "numeric doubt noise step")  # of one entry


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
