"""Local response normalization (Section 3.3), fast.  The definition is reference/lrn.py.

    x, y, dy, dx    (R, C), flat            a row is one group of channels of one pixel
    scale           (R, C), flat            k + α Σ_j x_j²; C is rounded up to whole vectors
    k, alpha, beta  numbers                 the paper's k, α and β
    before, after   numbers                 channels of a window before and after its own
    formula         Formula                 C, alpha, beta, before, after: (96, 1e-4, 0.75, 2, 2)
    squares         (before + C + after,)   x² of a row, with zeros for channels that do not exist;
                                            C is rounded up likewise
    ratios          (before + C + after,)   the same for dy_j·y_j / scale_j
    R               a number                N·H·W·groups
    C               a number                channels of a group

The channels of a row are neighbours in memory.  So the windows of a whole vector of channels are
summed together: n loads of the row's squares, each starting one channel further on.
"""

from collections import namedtuple

import numpy as np

from ..checks import check_cache, check_fits, check_gradient, check_lrn
from ..jit import njit
from .buffers import empty
from .flags import LOOP, PLAIN
from .layout import from_pixels, to_pixels
from .threads import run
from .vector import (
    LANES,
    add,
    div,
    fma,
    load,
    load_part,
    mul,
    pow,
    round_up,
    splat,
    sqrt,
    store,
    store_part,
)

Formula = namedtuple("Formula", "C alpha beta before after")

ROWS = 64  # rows per task


def lrn_forward(x, k=2, n=5, alpha=1e-4, beta=0.75, groups=1):
    """Return y and the cache that lrn_backward needs."""
    k, n, alpha, beta, groups = check_lrn(x, k, n, alpha, beta, groups)
    pixels = to_pixels(x)
    N, C, H, W = x.shape
    C_group = C // groups
    y = empty(pixels.shape, x.dtype)
    scale = empty((N, H, W, groups * round_up(C_group)), x.dtype)
    formula = Formula(C_group, alpha, beta, *window_reach(n, C_group))
    run(
        forward_loop, task_count(pixels, groups), 2 * pixels.size,
        pixels.reshape(-1), y.reshape(-1), scale.reshape(-1), k, formula,
    )  # fmt: skip
    return from_pixels(y), (pixels, scale, x.shape, n, alpha, beta, groups)


def lrn_backward(dy, cache):
    """Return dx: the direct term and the cross-channel term."""
    check_cache("lrn", cache, np.ndarray, np.ndarray, tuple, int, float, float, int)
    pixels, scale, shape, n, alpha, beta, groups = cache
    check_gradient("lrn", dy, shape, pixels.dtype)
    N, C, H, W = shape
    check_fits("lrn", n > 0 and groups > 0 and C % groups == 0 and pixels.dtype == scale.dtype)
    check_fits("lrn", pixels.shape == (N, H, W, C))
    check_fits("lrn", scale.shape == (N, H, W, groups * round_up(C // groups)))
    dx = empty(pixels.shape, pixels.dtype)
    after, before = window_reach(n, C // groups)  # the forward window, mirrored
    formula = Formula(C // groups, alpha, beta, before, after)
    run(
        backward_loop, task_count(pixels, groups), 3 * pixels.size,
        to_pixels(dy).reshape(-1), pixels.reshape(-1), scale.reshape(-1), dx.reshape(-1), formula,
    )  # fmt: skip
    return (from_pixels(dx),)


def window_reach(n, C):
    """Return how many channels a window of n extends before and after its own, of C in all."""
    return min(n // 2, C - 1), min((n - 1) // 2, C - 1)


def task_count(pixels, groups):
    """Return the number of tasks, of ROWS rows each."""
    return -(-pixels.size * groups // (pixels.shape[3] * ROWS))


@njit(**LOOP)
def forward_loop(begin, end, x, y, scale, k, formula):
    rows = x.size // formula.C
    for task in range(begin, end):
        normalize(x, y, scale, k, formula, task * ROWS, min((task + 1) * ROWS, rows))


@njit(**PLAIN)
def normalize(x, y, scale, k, formula, first, stop):
    """Write y = x·scale^−β with scale = k + α Σ_j x_j², for rows first … stop − 1."""
    C, alpha, beta, before, after = formula
    squares = np.zeros(before + round_up(C) + after, x.dtype)
    for r in range(first, stop):
        row, scale_row = r * C, r * round_up(C)
        for c in range(0, C, LANES):
            value = load_part(x, row + c, C - c)
            store(squares, before + c, mul(value, value))
        for c in range(0, C, LANES):
            total = window_sum(squares, c, before + after + 1)
            divisor = fma(splat(x, alpha), total, splat(x, k))
            store(scale, scale_row + c, divisor)
            value = mul(load_part(x, row + c, C - c), scale_power(x, divisor, beta))
            store_part(y, row + c, value, C - c)


@njit(**LOOP)
def backward_loop(begin, end, dy, x, scale, dx, formula):
    rows = x.size // formula.C
    for task in range(begin, end):
        normalize_back(dy, x, scale, dx, formula, task * ROWS, min((task + 1) * ROWS, rows))


@njit(**PLAIN)
def normalize_back(dy, x, scale, dx, formula, first, stop):
    """Write dx = dy·scale^−β − 2αβ·x·Σ_j dy_j·y_j / scale_j, for the same rows."""
    C, alpha, beta, before, after = formula
    ratios = np.zeros(before + round_up(C) + after, x.dtype)
    for r in range(first, stop):
        row, scale_row = r * C, r * round_up(C)
        for c in range(0, C, LANES):
            divisor = load(scale, scale_row + c)
            direct = mul(load_part(dy, row + c, C - c), scale_power(x, divisor, beta))
            store_part(dx, row + c, direct, C - c)
            ratio = div(mul(direct, load_part(x, row + c, C - c)), divisor)
            store(ratios, before + c, ratio)
        for c in range(0, C, LANES):
            total = window_sum(ratios, c, before + after + 1)
            cross = mul(splat(x, -2 * alpha * beta), load_part(x, row + c, C - c))
            total = fma(cross, total, load_part(dx, row + c, C - c))
            store_part(dx, row + c, total, C - c)


@njit(**PLAIN)
def window_sum(row, c, n):
    """Return row[c] + … + row[c + n − 1], for LANES neighbouring c at once."""
    total = load(row, c)
    for j in range(1, n):
        total = add(total, load(row, c + j))
    return total


@njit(**PLAIN)
def scale_power(x, scale, beta):
    """Return scale^−β in x's dtype; the paper's β = 0.75 takes two square roots, which are fast."""
    if beta == 0.75:
        half = sqrt(scale)
        return div(splat(x, 1), mul(half, sqrt(half)))
    return pow(scale, splat(x, -beta))
