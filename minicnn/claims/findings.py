"""From the lines of a journal to the finding of each claim.

lines       the journal's lines, all of one data set
interval    how much better the paper's choice is, with its 95% interval, see intervals.py; None
            where nothing is random
expected    the paper's difference, at the size of our errors; None if it gives no number
unit        of both: "points" of error, "times", …
detail      the numbers behind it, in one line
points      the numbers of a figure, as {label: one number for each seed}
axis        what these numbers are
"""

from collections import namedtuple

import numpy as np

from .. import fast, net
from ..experiments import journal
from ..networks import catalogue
from . import intervals
from .driver import best as best_epsilon, epochs_of, scores_of
from .table import CLAIMS

Finding = namedtuple(
    "Finding", "interval expected unit detail verdict points axis", defaults=[{}, ""]
)


def find(number, lines, dataset="cifar10"):
    """Return the Finding of a claim; None if the runs that it needs are not in these lines."""
    claim = CLAIMS[number]
    lines = journal.select(lines, {"data": dataset})
    if claim.kind == "ensemble":
        return ensemble(claim, journal.select(lines, {"purpose": "ensemble", "arm": claim.arms[0]}))
    runs = journal.select(lines, {"purpose": "run"})
    needed = NEEDED.get(claim.kind, (claim.value,))
    runs = [line for line in runs if all(line.get(name) is not None for name in needed)]
    by_arm = {name: of_arm(runs, dataset, name) for name in claim.arms}
    whole = {name for name, group in by_arm.items() if len(group) >= min(2, claim.seeds)}
    if not whole.issuperset(claim.arms[: FIRST_ARMS.get(claim.kind)]):
        return None
    return KINDS[claim.kind](claim, {name: by_arm[name] for name in claim.arms if name in whole})


def of_arm(lines, dataset, name):
    """Return {seed: line} of an arm, at its best ε, for the runs that are whole."""
    group = [line for line in journal.select(lines, {"arm": name})
             if line["epochs"] == epochs_of(line)]  # fmt: skip
    scores = scores_of(group, dataset, name)  # not empty for a race, whose trials are runs
    if scores:
        group = [line for line in group if line["epsilon"] == best_epsilon(scores)]
    return {line["seed"]: line for line in reversed(group)}  # of two lines, the first counts


def paired(by_arm, first, second, value):
    """Return the values of two arms, of the seeds that both have."""
    seeds = sorted(by_arm[first].keys() & by_arm[second].keys())
    return tuple(np.array([by_arm[arm][seed][value] for seed in seeds]) for arm in (first, second))


def finding(claim, interval, expected, unit, detail, points, axis="error, %"):
    verdict = intervals.verdict(interval, expected)
    if verdict == "undecided" and interval.n > 1 and expected and interval.sd > 0:
        needed = intervals.seeds_needed(interval.sd, expected)
        detail += f"; {needed} seeds would decide"
    return Finding(interval, expected, unit, detail, verdict, points, axis)


def gap(claim, by_arm):
    """The other arm's error minus the better one's, seed by seed; of several, the smallest gap."""
    better, *others = claim.arms
    points = {name: [100 * line[claim.value] for line in by_arm[name].values()] for name in by_arm}
    found = []
    for other in others:
        ours, theirs = (100 * values for values in paired(by_arm, better, other, claim.value))
        interval = intervals.of_paired(theirs, ours)
        expected = None if claim.share is None else claim.share * theirs.mean()
        arms = [(better, ours), (other, theirs)]
        detail = ", ".join(
            f"{arm} {shown(values)} (ε = {next(iter(by_arm[arm].values()))['epsilon']:g})"
            for arm, values in arms
        )
        axis = f"{claim.value.replace('_', ' ')}, %"
        unit = "points" if claim.value == "error" else "points of training error"
        found.append(finding(claim, interval, expected, unit, detail, points, axis))
    smallest = min(found, key=lambda result: result.interval.mean)
    return smallest._replace(detail="; ".join(result.detail for result in found))


def no_gap(claim, by_arm):
    """The claim that a gap is below its share of the error: the verdicts of `gap`, exchanged."""
    found = gap(claim, by_arm)
    exchanged = {"reproduced": "refuted here", "refuted here": "reproduced"}
    return found._replace(verdict=exchanged.get(found.verdict, found.verdict))


def shown(values):
    """Return numbers as text: their mean and standard deviation."""
    spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"


def ratio(claim, by_arm):
    """How many times more epochs the second arm takes; other pairs of arms are other readings."""
    readings = []
    for fast_one, slow_one in zip(claim.arms[::2], claim.arms[1::2], strict=True):
        if {fast_one, slow_one} <= by_arm.keys():
            readings.append(reading(claim, by_arm, fast_one, slow_one))
    detail = "; ".join(found.detail for found in readings)
    return readings[0]._replace(detail=detail, points=epochs_of_runs(by_arm))


def reading(claim, by_arm, fast_one, slow_one):
    """One pair of arms: (epochs of the slow one) / (epochs of the fast one) − 1, seed by seed."""
    first, second = paired(by_arm, fast_one, slow_one, "epochs_run")
    detail = f"{fast_one} {shown(first)} epochs, {slow_one} {shown(second)}"
    if not all(line["reached"] for arm in (fast_one, slow_one) for line in by_arm[arm].values()):
        detail += ", where some runs did not reach the goal"
        return Finding(None, None, "", detail, "undecided", axis=EPOCHS)
    interval = intervals.of_mean(second / first - 1)
    expected = 5 if claim.paper == "6 times" else None
    detail += f", {1 + interval.mean:.2f} times as many"
    return finding(claim, interval, expected, "times more", detail, {}, EPOCHS)


def epochs_of_runs(by_arm):
    return {name: [line["epochs_run"] for line in by_arm[name].values()] for name in by_arm}


def trend(claim, by_arm):
    """The slope of log ratio against log images, from seed to seed."""
    pairs = list(zip(claim.arms[::2], claim.arms[1::2], strict=True))
    images = [next(iter(by_arm[arm].values()))["images"] for arm, _ in pairs]
    ratios = []
    for first, second in pairs:
        a, b = paired(by_arm, first, second, "epochs_run")
        ratios.append(b / a)
    count = min(map(len, ratios))
    slopes = [np.polyfit(np.log(images), np.log([r[i] for r in ratios]), 1)[0]
              for i in range(count)]  # fmt: skip
    detail = ", ".join(f"{n:,}: {shown(r)}" for n, r in zip(images, ratios, strict=True))
    points = {f"{n:,} images": list(r) for n, r in zip(images, ratios, strict=True)}
    interval = intervals.of_mean(slopes)
    return finding(claim, interval, None, "slope", detail, points, "epochs of tanh / of ReLU")


def views(claim, by_arm):
    """The error of one view minus that of ten, with the same weights."""
    lines = list(by_arm[claim.arms[0]].values())
    one, ten = (
        np.mean([line[name] for line in lines]) for name in ("only_one_view", "only_ten_views")
    )
    points = {
        "one view": [100 * line["error"] for line in lines],
        "ten views": [100 * line["error_ten_views"] for line in lines],
    }
    error = np.mean(points["one view"])
    interval = scaled(intervals.of_discordant(one, ten, 10_000), 100)
    detail = f"one view {error:.2f}, ten {error - interval.mean:.2f}"
    return finding(claim, interval, claim.share * error, "points", detail, points)


def scaled(interval, factor):
    return interval._replace(
        **{name: factor * getattr(interval, name) for name in ("mean", "low", "high", "sd")}
    )


def ensemble(claim, lines):
    """The members' errors minus that of their average; the driver has counted the images."""
    if not lines:
        return None
    line = lines[0]
    member, together, images = (
        line[name] / len(line["errors"]) for name in ("only_member", "only_together", "answers")
    )
    interval = scaled(intervals.of_discordant(member, together, images), 100)
    members = 100 * np.array(line["errors"])
    detail = f"members {shown(members)}, together {100 * line['error_together']:.2f}"
    points = {"members": list(members), "together": [100 * line["error_together"]]}
    return finding(claim, interval, claim.share * members.mean(), "points", detail, points)


def colours(claim, by_arm, splits=2000):
    """How much more the columns differ in colour than random halves of the same kernels."""
    excess, extreme, points = [], 0, {"columns": [], "random halves": []}
    rng = np.random.default_rng(0)
    for line in by_arm[claim.arms[0]].values():
        shares, sizes = np.array(line["colours"]), np.array(line["sizes"])
        observed = difference(shares, sizes, np.arange(len(shares)))
        random = [difference(shares, sizes, rng.permutation(len(shares))) for _ in range(splits)]
        excess.append(observed - np.mean(random))
        points["columns"].append(observed)
        points["random halves"].append(np.mean(random))
        extreme += observed > np.quantile(random, 0.95)
    detail = f"in {extreme} of {len(excess)} runs the columns differ more than 95% of random halves"
    axis = "difference in the share of colour"
    return finding(claim, intervals.of_mean(excess), None, "share of colour", detail, points, axis)


def difference(shares, sizes, order):
    """Return the difference in colour between the first half of the kernels and the second."""
    halves = np.array_split(order, 2)
    first, second = (np.average(shares[half], weights=sizes[half]) for half in halves)
    return abs(first - second)


def neighbours(claim, by_arm):
    """The share of nearest neighbours of the right class: by features minus by pixels."""
    lines = by_arm[claim.arms[0]].values()
    features, pixels = (
        100 * np.array([line[f"agreement_{name}"] for line in lines])
        for name in ("features", "pixels")
    )
    detail = f"by features {shown(features)}%, by pixels {shown(pixels)}%"
    points = {"features": list(features), "pixels": list(pixels)}
    interval = intervals.of_paired(features, pixels)
    return finding(claim, interval, None, "points", detail, points, "of the same class, %")


def history(claim, by_arm):
    """The errors of cuda-convnet's networks, each with the time of its run.

    A network is as good as its name if its error rounds to that number of percent, or to less.
    """
    parts, verdicts, points = [], [], {}
    for name, group in by_arm.items():
        (line,) = list(group.values())[:1]
        error, stated = line["error"], HISTORY[name]
        reach = 1.96 * (error * (1 - error) / 10_000) ** 0.5  # of 10,000 test images
        parts.append(f"{name} {100 * error:.1f}% in {line['seconds'] / 60:.0f} minutes")
        above = 100 * error - stated - 0.5
        verdicts.append(
            "reproduced" if above < 0 else "refuted here" if above > 100 * reach else "undecided"
        )
        points[name] = [100 * error]
    missing = [name for name in claim.arms if name not in by_arm]
    if missing:
        parts.append(f"{' and '.join(missing)} not run")
        verdicts.append("undecided")
    verdict = next(v for v in ("refuted here", "undecided", "reproduced") if v in verdicts)
    return Finding(None, None, "", ", ".join(parts), verdict, points, "error, %")


def counting(claim, by_arm):
    """The largest share of AlexNet's parameters that one convolution has: no runs are needed."""
    layers = catalogue.build("alexnet", fast, None)
    counts = {layer.name: net.count_parameters([layer]) for layer in layers}
    shares = {name: 100 * n / sum(counts.values()) for name, n in counts.items() if "conv" in name}
    name = max(shares, key=shares.get)
    listing = ", ".join(f"{name} {share:.2f}%" for name, share in shares.items())
    return Finding(None, None, "", listing, "reproduced" if shares[name] <= 1 else "refuted here")


def masks(claim, by_arm):
    """Halved outputs against the geometric mean over all 4,096 masks of 12 units (Section 4.2).

    The verdict is that of one hidden layer: "reasonable" sets no bound for two.
    """
    rng = np.random.default_rng(0)
    units, classes, N = 12, 10, 50
    all_masks = (np.arange(2**units)[:, None] >> np.arange(units) & 1).astype(float)
    hidden = np.abs(rng.standard_normal((N, units)))
    w, second = rng.standard_normal((classes, units)), rng.standard_normal((units, units))
    halved, mean = two_ways(lambda mask: hidden * mask @ w.T, all_masks)
    one = np.abs(halved - mean).max()

    def two_layers(mask):  # the second hidden layer has a nonlinearity above the mask
        return np.maximum(0, hidden * mask @ second.T) @ w.T

    halved, mean = two_ways(two_layers, all_masks)
    two, same = np.abs(halved - mean), np.sum(halved.argmax(axis=1) == mean.argmax(axis=1))
    detail = (
        f"with one hidden layer equal (to {one:.0e}); with two, a probability is off by "
        f"{two.mean():.2f} on average and {two.max():.2f} at most, and the same class is the most "
        f"probable for {same} of {N} inputs"
    )
    return Finding(None, None, "", detail, "reproduced" if one < 1e-9 else "refuted here")


def two_ways(scores, all_masks):
    """Return the probabilities of the halved network, and the geometric mean over all masks."""
    halved = softmax(scores(np.full(all_masks.shape[1], 0.5)))
    logs = np.mean([np.log(softmax(scores(mask))) for mask in all_masks], axis=0)
    geometric = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    return halved, geometric


def softmax(scores):
    return fast.softmax(np.asarray(scores, np.float64))


EPOCHS = "epochs"
HISTORY = {"80sec": 26, "18pct": 18, "13pct": 13, "11pct": 11}  # percent of error
FIRST_ARMS = {"ratio": 2, "history": 1}  # how many arms a finding needs, where it can do with less
NEEDED = {  # what a line must have; one of an older version, or of a run that diverged, may not
    "ratio": ("epochs_run", "reached"),
    "trend": ("epochs_run", "reached", "images"),
    "history": ("error", "seconds"),
    "views": ("error", "error_ten_views", "only_one_view", "only_ten_views"),
    "colours": ("colours", "sizes"),
    "neighbours": ("agreement_features", "agreement_pixels"),
}
KINDS = {f.__name__: f for f in (gap, no_gap, ratio, trend, views, colours, neighbours, counting,
                                 masks, history)}  # fmt: skip
