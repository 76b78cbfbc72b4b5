"""Small inputs in which one thing changes at a time, to find what turns a right answer wrong.

    settings   {factor: level}; the first level of a factor in LEVELS is its simplest
    probe      a Case with its settings; it differs from the simplest in two factors at most

Every pair of levels occurs, so two factors never change only together.  A factor is named only if
the wrong probes are exactly those that have it.
"""

import functools
import itertools
import math
from collections import Counter, namedtuple

import numpy as np

from minicnn.shapes import out_size, pool_size

from .cases import case, results
from .catalogue import function

Probe = namedtuple("Probe", "settings case")
MOST = 2  # factors of a probe that are not at their simplest level
CHANCE = 0.05  # the largest probability with which a cause may be one by accident

WINDOWS = {
    "C": (1, 2), "f": (2, 3), "stride": (1, 2, 3), "pad": (0, 1, 2), "W": ("H", "H + 1"),
    "overhang": (False, True),
}  # fmt: skip
LEVELS = {
    "relu": {"x": (2, 0.5, -2, 0), "dy": (3, -3, 0.5), "shape": ((1,), (2, 3))},
    "tanh": {"x": (0, 2, -0.5), "dy": (3, -3, 0.5), "shape": ((1,), (2, 3))},
    "fc": {"N": (1, 2), "D": (2, 3), "K": (1, 2), "axes": (2, 4), "values": ("whole", "parts")},
    "im2col": WINDOWS,
    "col2im": WINDOWS,
    "conv": {
        "N": (1, 2), **WINDOWS, "K": (1, 2), "groups": (1, 2, 3), "values": ("whole", "parts"),
        "kernel": ("constant", "symmetric", "any"),
    },
    "pool": {
        "N": (1, 2), "C": (1, 2), "z": (2, 3), "s": (2, 1, 3), "W": ("H", "H + 1"),
        "overhang": (False, True), "values": ("whole", "parts", "below 0", "ties"),
    },
    "lrn": {
        "N": (1, 2), "pixels": (1, 2), "k": (1, 2), "n": (3, 2, 5), "alpha": (1, 0.5),
        "beta": (1, 2, 0.5), "groups": (1, 2, 3),
    },
    "softmax": {"N": (1, 2), "classes": (2, 3), "size": (0, 1000), "rows": ("alike", "far")},
    "sgd_update": {
        "epsilon": (1, 0.5), "momentum": (0, 0.5), "decay": (0, 0.25), "v": (4, 0), "size": (1, 2),
    },
}  # fmt: skip
LEVELS["local"] = {q: LEVELS["conv"][q] for q in "N C f stride pad W K values".split()}
LEVELS["local"]["bias"] = ("of each place", "shared")
LEVELS["map_lrn"] = {q: LEVELS["lrn"][q] for q in "N k n alpha beta".split()}
LEVELS["map_lrn"] |= {"C": (1, 2), "H": (1, 3)}
LEVELS["average_pool"] = LEVELS["pool"]
LEVELS["softmax_loss"] = {**LEVELS["softmax"], "labels": ("0, 1 …", "others")}

# what a probe has, in words: a condition on its settings
CONDITIONS = {
    "N > 1": "there is more than one image (N > 1)",
    "C > 1": "there is more than one channel (C > 1)",
    "K > 1": "there is more than one output (K > 1)",
    "D > 2": "an image has more than two numbers",
    "axes > 2": "x is not yet flat",
    "W != 'H'": "images are not square (H ≠ W)",
    "H_out != W_out": "H_out ≠ W_out",
    "f > 2": "f is odd",
    "pad > 0": "pad > 0",
    "pad > 1": "pad > 1",
    "pad == 0": "pad = 0",
    "stride > 1": "stride > 1",
    "stride < f": "windows overlap (stride < f)",
    "stride > f": "windows leave gaps (stride > f)",
    "stride == f": "stride = f",
    "stride != f": "stride ≠ f",
    "groups > 1": "groups > 1",
    "groups > 2": "groups > 2",
    "overhang": "a window hangs over the edge",
    "z > 2": "z > 2",
    "s < z": "windows overlap (s < z)",
    "s > z": "windows leave gaps (s > z)",
    "s != z": "s ≠ z",
    "s == z": "s = z",
    "wins > 1": "one pixel wins in two windows",
    "values == 'parts'": "the numbers are not whole",
    "values == 'below 0'": "all numbers are below 0",
    "values == 'ties'": "two pixels are equally large",
    "bias == 'shared'": "all places share one bias (b is (K,))",
    "H > 1": "an image has more than one row",
    "kernel != 'constant'": "a kernel is not the same when it is rotated by 180°",
    "kernel == 'any'": "a kernel is not the same when it is transposed",
    "pixels > 1": "an image has more than one pixel",
    "k != 1": "k ≠ 1",
    "n == 2": "n is even",
    "n != 3": "n ≠ 3",
    "n > 3": "n > 3",
    "alpha != 1": "α ≠ 1",
    "beta != 1": "β ≠ 1",
    "classes > 2": "there are more than two classes",
    "size == 1000": "scores are near 1000",
    "rows == 'far'": "two images have scores that lie far apart",
    "labels == 'others'": "labels are not 0, 1, 2 …",
    "epsilon != 1": "ε ≠ 1",
    "momentum != 0": "momentum ≠ 0",
    "decay != 0": "decay ≠ 0",
    "v == 0": "v = 0",
    "size == 2": "there is more than one weight",
    "x < 0": "x is negative",
    "x == 0": "x is 0",
    "x <= 0": "x is 0 or negative",
    "x > 0": "x is positive",
    "x != 0": "x is not 0",
    "x == 0.5": "x is positive and not whole",
    "dy < 0": "dy is negative",
    "dy > 0": "dy is positive",
    "dy == 0.5": "dy is not whole",
}


def layer_of(name):
    return name.removesuffix("_backward").removesuffix("_forward")


@functools.cache
def probes(name):
    """Return the Probes of an exercise; dropout, being random, has none.

    Those with the fewest changes come first, and of these the smallest: slow code may not come to
    all of them.
    """
    levels = LEVELS.get(layer_of(name), {})
    found = []
    for values in itertools.product(*levels.values()):
        settings = dict(zip(levels, values, strict=True))
        changed = sum(value != levels[q][0] for q, value in settings.items())
        needed = 1 if settings.get("overhang") else 0  # a window hangs over only if stride > 1
        step = settings.get("stride", settings.get("s", 2))
        impossible = (settings.get("overhang") and step == 1) or (
            settings.get("rows") == "far" and settings["N"] == 1
        )
        if changed <= MOST + needed and not impossible and levels:
            inputs, options, dy = INPUTS[layer_of(name)](**settings)
            places = np.shape(dy)[2:] if "W" in settings and dy is not None else ()
            if name.endswith("_forward") or name in ("im2col", "col2im", "softmax", "sgd_update"):
                dy = None
            if name == "col2im":
                inputs = {"dcols": columns(inputs), "shape": inputs.pop("x").shape, **inputs}
            probe = Probe(settings, case(name, inputs, options, dy))
            order = max(changed - needed, 0), size_of(probe.case)
            if places or "H_out" in inputs:
                places = places or (inputs["H_out"], inputs["W_out"])
                settings["H_out"], settings["W_out"] = places
            if name == "pool_backward":
                settings["wins"] = most_wins(probe.case.args[1])
            found.append((order, probe))
    return [probe for _, probe in sorted(found, key=lambda pair: pair[0])]


@functools.cache
def probe_answers(name):
    """Return the results of the library's function for all Probes: [{output: value}]."""
    return results(name, function(name), [probe.case for probe in probes(name)])


def size_of(case):
    return sum(np.size(value) for value in case.inputs.values())


def numbers(*shape, seed=0):
    """Return different whole numbers, some of them negative; none is 0, and no two cancel."""
    size = int(np.prod(shape))
    return 3.0 * (np.random.default_rng(seed).permutation(size).reshape(shape) - size // 3) + 1


def relu(x, dy, shape):
    return {"x": np.full(shape, float(x))}, {}, np.full(shape, float(dy))


def fc(N, D, K, axes, values):
    shape = (N, D, 2, 1) if axes == 4 else (N, D)
    w = numbers(K, int(np.prod(shape[1:])), seed=1)
    x = numbers(*shape) / (4 if values == "parts" else 1)
    dy = numbers(N, K, seed=2) / (4 if values == "parts" else 1)
    return {"x": x, "w": w, "b": numbers(K, seed=3) * 10}, {}, dy


def windows(C, f, stride, pad, W, overhang):
    H = stride + f + overhang
    W = H + (W != "H")
    sizes = [out_size(size, f, stride, pad, overhang) for size in (H, W)]
    sizes = {"f": f, "stride": stride, "pad": pad, "H_out": sizes[0], "W_out": sizes[1]}
    return {"x": numbers(C, H, W), **sizes}, {}, None


def columns(inputs):
    """Return a matrix of the shape that im2col makes of these inputs."""
    x, f, _, _, H_out, W_out = inputs.values()
    return numbers(len(x) * f * f, H_out * W_out, seed=1)


def conv(*, N, C, f, stride, pad, W, overhang, K, groups, values, kernel):
    one, _, _ = windows(C * groups, f, stride, pad, W, overhang)
    x = np.concatenate([numbers(1, *one["x"].shape, seed=n) for n in range(N)])
    w = numbers(K * groups, C, f, f, seed=3)
    if kernel != "any":
        place = np.arange(f)
        same = place[:, None] + place if kernel == "symmetric" else np.ones((f, f))
        w = w[:, :, :1, :1] * same + (kernel == "symmetric")
    options = {"stride": stride, "pad": pad, "groups": groups, "ceil_mode": overhang}
    dy = numbers(N, K * groups, one["H_out"], one["W_out"], seed=4)
    if values == "parts":
        x, dy = x / 4, dy / 4
    return {"x": x, "w": w, "b": numbers(K * groups, seed=5) * 10}, options, dy


def pool(N, C, z, s, W, overhang, values):
    H = s + z + overhang
    W = H + (W != "H")
    x = numbers(N, C, H, W)
    if values == "ties":
        x = np.floor(x / 12)
    elif values != "whole":
        x = x / 4 if values == "parts" else x - x.max() - 1
    shape = N, C, pool_size(H, z, s, overhang), pool_size(W, z, s, overhang)
    dy = numbers(*shape, seed=2) * (36 if values != "parts" else 0.25)
    return {"x": x}, {"z": z, "s": s, "ceil_mode": overhang}, dy


def most_wins(cache):
    """Return in how many windows the most successful pixel wins."""
    shape, _, winner, z, s = cache
    wins = np.zeros(np.add(shape, (0, 0, z + s, z + s)), int)
    for n, c, i, j in np.ndindex(winner.shape):
        wins[n, c, i * s + winner[n, c, i, j] // z, j * s + winner[n, c, i, j] % z] += 1
    return wins.max()


def lrn(N, pixels, groups, **options):
    x = numbers(N, 6 if groups == 3 else 4, pixels, pixels)
    return {"x": x}, {**options, "groups": groups}, numbers(*x.shape, seed=1)


def map_lrn(N, C, H, **options):
    x = numbers(N, C, H, 4)
    return {"x": x}, {**options, "alpha": options["alpha"] * options["n"] ** 2}, numbers(*x.shape)


def local(*, N, C, f, stride, pad, W, K, values, bias):
    one, _, _ = windows(C, f, stride, pad, W, False)
    places = one["H_out"], one["W_out"]
    x, dy = numbers(N, *one["x"].shape), numbers(N, K, *places, seed=4)
    if values == "parts":
        x, dy = x / 4, dy / 4
    w, b = numbers(*places, K, C, f, f, seed=3), numbers(*places, K, seed=5)
    inputs = {"x": x, "w": w, "b": b[0, 0] if bias == "shared" else b}
    return inputs, {"stride": stride, "pad": pad}, dy


def softmax(N, classes, size, rows, labels=None):
    scores = (numbers(N, classes) + 6) ** 2 / 36 + size
    if rows == "far":
        scores[0] += 3000
    inputs = {"scores": scores}
    if labels:
        inputs["labels"] = (np.arange(N) + (labels == "others")) % classes
    return inputs, {}, None


def sgd_update(epsilon, momentum, decay, v, size):
    w, dw = np.array([2.0, -4])[:size], np.array([8.0, 24])[:size]
    inputs = {"w": w, "v": np.full(size, float(v)), "dw": dw, "epsilon": epsilon}
    return inputs, {"momentum": momentum, "decay": decay}, None


INPUTS = {
    "relu": relu, "tanh": relu, "fc": fc, "im2col": windows, "col2im": windows, "conv": conv,
    "local": local, "map_lrn": map_lrn,
    "pool": pool, "average_pool": pool, "lrn": lrn, "softmax": softmax, "softmax_loss": softmax,
    "sgd_update": sgd_update,
}  # fmt: skip


def cause(name, failed, others=0):
    """Return a sentence with what turns a right answer into a wrong one, or "" if nothing does.

    Where two pairs of factors explain it equally well, neither does.  Numbers that are wrong for
    another reason, such as their signs, fit some pair by accident: see CHANCE.

    `failed` holds for each Probe whether its answer was wrong.  `others` counts wrong answers to
    larger inputs: any single input has some two things that no other has.
    """
    tried = probes(name)[: len(failed)]
    if all(failed) or not any(failed):
        return ""
    wrong = {k for k, bad in enumerate(failed) if bad}
    known = conditions(tried)
    which = "is wrong: exactly that" if len(wrong) == 1 else "are wrong: exactly those"
    counts = f"Of {len(tried)} small inputs {len(wrong)} {which} where"
    for words, have in known.items():
        if have == wrong:
            return f"{counts} {words}."
    pairs = list(itertools.combinations(known.items(), 2))
    meet = [(a, b) for (a, have_a), (b, have_b) in pairs if have_a & have_b == wrong]
    choices = math.comb(len(tried), len(wrong))  # if any others might have been wrong as well
    if len(meet) == 1 and len(wrong) + others > 2 and len(pairs) < CHANCE * choices:
        return f"{counts} two things meet: {meet[0][0]}, and {meet[0][1]}."
    either = [(a, b) for (a, have_a), (b, have_b) in pairs if have_a | have_b == wrong]
    if len(either) == 1 and len(pairs) < CHANCE * choices:
        return f"{counts} {either[0][0]}, or {either[0][1]}."
    around = sorted(((have, words) for words, have in known.items() if wrong < have), key=len_first)
    nested = all(around[0][0] <= have for have, _ in around)
    inside = len(known) * math.comb(len(around[0][0]), len(wrong)) if around else 0
    if around and nested and inside < CHANCE * choices:
        return f"{counts.replace('exactly', 'only')} {around[0][1]}, though not all of those."
    besides = [
        (a, b, c)
        for a, have_a in known.items()
        for (b, have_b), (c, have_c) in pairs
        if a not in (b, c) and have_a & (have_b | have_c) == wrong
        if have_a & have_b and have_a & have_c
    ]
    if len(besides) == 1 and len(known) * len(pairs) < CHANCE * choices:
        a, b, c = besides[0]
        return f"{counts} {a}, and besides {b}, or {c}."
    return ""


def conditions(tried):
    """Return {words: the numbers of the Probes of which they are true}.

    Of two conditions that always come together in these Probes, neither is returned.
    """
    known = {}
    for condition, words in CONDITIONS.items():
        if all(word in tried[0].settings for word in names_in(condition)):
            code = compile(condition, condition, "eval")
            true = [k for k, probe in enumerate(tried) if eval(code, {}, probe.settings)]
            if 0 < len(true) < len(tried):
                known[words] = frozenset(true)
    counts = Counter(known.values())
    return {words: have for words, have in known.items() if counts[have] == 1}


def len_first(pair):
    return len(pair[0])


def names_in(condition):
    return condition.split()[0], *(w for w in condition.split()[2:] if w in ("f", "z", "W_out"))
