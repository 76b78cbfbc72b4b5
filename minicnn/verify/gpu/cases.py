"""Shapes for every kernel of the GPU backend, and the comparison with the reference.

    case     a layer, the shapes of its arguments, its options, and a mode
    mode     float32 or float64; "plain": the kernels that serve as definition; "tf32": products on
             tensor cores

The shapes are at the edges: of tiles, of groups, of images; lines that can be read four numbers at
a time, and those that cannot; more threads than numbers, and more numbers than threads.
"""

import zlib
from collections import namedtuple
from contextlib import ExitStack

import numpy as np

from ... import cuda, reference
from ...cuda.patches import patched

Case = namedtuple("Case", "layer shapes options mode")

LIMITS = {  # largest allowed error, relative to the largest number of an array
    "float32": 1e-5,
    "float64": 1e-12,
    "plain float32": 1e-5,
    "plain float64": 1e-12,
    "tf32": 3e-3,
}
DTYPES = "float32", "float64"
PRODUCTS = "float32", "float64", "tf32"
BIAS_AXES = {"conv": 1, "fc": 1, "local": 3}  # layer → how many of w's axes b has
WITH_PLAIN = "float32", "float64", "plain float32", "plain float64"

POOLS = [
    ([(2, 3, 7, 6)], {}, WITH_PLAIN),
    ([(2, 3, 8, 9)], {"ceil_mode": True}, DTYPES),
    ([(1, 3, 13, 13)], {}, DTYPES),
    ([(300, 1, 3, 3)], {}, DTYPES),
    ([(1, 1, 6, 7)], {"s": 1, "ceil_mode": True}, WITH_PLAIN),
    ([(2, 2, 7, 7)], {"z": 2, "s": 3, "ceil_mode": True}, DTYPES),
    ([(1, 1, 4, 6)], {"z": 4, "s": 1}, ["float32"]),
    ([(1, 2, 8, 7)], {"z": 2, "s": 5, "ceil_mode": True}, ["float32"]),
    ([(2, 1, 3, 4)], {"z": 1, "s": 1}, ["float32"]),
    ([(1, 1, 20, 19)], {"z": 17}, ["float32"]),  # the window is in local memory
    ([(0, 6, 7, 6)], {}, ["float32"]),
]
NONLINEAR = [([(1,)], {}, DTYPES), ([(257,)], {}, DTYPES), ([(3, 5, 7, 11)], {}, DTYPES)]

TABLE = {  # layer → shapes of its arguments, options, modes
    "relu": [*NONLINEAR, ([(0, 3)], {}, DTYPES)],
    "tanh": NONLINEAR,
    "logistic": NONLINEAR,
    "dropout_predict": [([(3, 77)], {"p": 0.4}, DTYPES), ([(0, 3)], {}, DTYPES)],
    "softmax_loss": [([(5, n)], {}, DTYPES) for n in (1, 10, 255, 256, 257, 1000)]
    + [([(700, 3)], {}, DTYPES)],
    "sgd_update": [([(7, 41)] * 3, {"epsilon": 0.01}, DTYPES)],
    "pool": POOLS,
    "average_pool": POOLS,
    "lrn": [
        ([(2, 6, 3, 4)], {"alpha": 0.3}, WITH_PLAIN),
        ([(1, 16, 2, 3)], {"alpha": 0.3, "groups": 2}, DTYPES),
        ([(1, 96, 17, 17)], {"alpha": 0.3}, ["float32"]),
        ([(1, 8, 3, 3)], {"alpha": 0.3, "beta": 0.5}, DTYPES),
        ([(1, 9, 3, 3)], {"alpha": 0.3, "n": 4}, DTYPES),
        ([(2, 9, 2, 3)], {"alpha": 0.3, "n": 3, "groups": 3}, ["float32"]),
        ([(2, 18, 1, 3)], {"alpha": 0.3, "k": 1, "beta": 0.6, "groups": 2}, ["float32"]),
        ([(1, 14, 1, 3)], {"alpha": 0.3, "n": 11}, ["float32"]),  # wider than what is read together
        ([(1, 5, 2, 2)], {"alpha": 0.3, "n": 1}, ["float32"]),
        ([(1, 20, 2, 2)], {"alpha": 0.3, "n": 16}, ["float32"]),
        ([(1, 20, 2, 2)], {"alpha": 0.3, "n": 17}, ["float32"]),
        ([(0, 6, 3, 3)], {}, ["float32"]),
    ],
    "map_lrn": [
        ([(2, 2, 3, 5)], {}, DTYPES),
        ([(1, 2, 4, 3)], {"alpha": 0.5, "k": 2, "n": 4, "beta": 0.6}, DTYPES),
        ([(1, 1, 3, 2)], {"alpha": 0.5, "n": 9}, ["float32"]),  # wider than the map
        ([(0, 2, 3, 3)], {}, ["float32"]),
    ],
    "local": [
        ([(1, 1, 3, 3), (1, 1, 1, 1, 3, 3)], {}, PRODUCTS),
        ([(2, 3, 4, 3), (3, 2, 3, 3, 2, 2)], {}, [*PRODUCTS, "plain float32", "plain float64"]),
        ([(2, 3, 4, 3), (3, 2, 3, 3, 2, 2), (3,)], {}, DTYPES),  # all places share their biases
        ([(3, 1, 5, 4), (4, 3, 2, 1, 1, 1)], {"stride": 2, "pad": 1}, DTYPES),
        ([(1, 2, 2, 3), (2, 3, 2, 2, 3, 3)], {"stride": 2, "pad": 2}, DTYPES),
        ([(130, 4, 1, 2), (1, 2, 68, 4, 1, 1)], {}, PRODUCTS),
        ([(0, 3, 4, 3), (3, 2, 3, 3, 2, 2)], {}, ["float32"]),
    ],
    "conv": [
        ([(1, 1, 1, 1), (1, 1, 1, 1)], {}, PRODUCTS),
        ([(2, 3, 7, 6), (4, 3, 3, 3)], {"pad": 1}, [*PRODUCTS, "plain float32", "plain float64"]),
        ([(3, 2, 5, 5), (5, 2, 2, 2)], {"stride": 2, "ceil_mode": True}, WITH_PLAIN),
        ([(1, 4, 8, 8), (64, 4, 3, 3)], {"pad": 1}, PRODUCTS),
        ([(2, 3, 9, 8), (65, 3, 3, 3)], {"stride": 2, "pad": 1}, PRODUCTS),
        ([(1, 8, 4, 4), (128, 8, 3, 3)], {"pad": 1}, PRODUCTS),
        ([(1, 5, 6, 7), (129, 5, 3, 3)], {}, PRODUCTS),
        ([(1, 68, 6, 6), (67, 68, 1, 1)], {"stride": 2}, PRODUCTS),  # the kernels of AlexNet
        ([(1, 130, 3, 3), (66, 130, 3, 3)], {"pad": 1}, ["float32"]),
        ([(2, 6, 8, 4), (96, 3, 3, 3)], {"groups": 2, "pad": 1}, PRODUCTS),
        ([(3, 4, 12, 11), (12, 1, 5, 5)], {"pad": 2, "groups": 4}, PRODUCTS),
        ([(1, 3, 19, 19), (2, 3, 11, 11)], {"stride": 4}, PRODUCTS),
        ([(1, 2, 20, 20), (3, 2, 3, 3)], {"stride": 3, "pad": 2}, PRODUCTS),
        ([(1, 2, 7, 6), (3, 2, 1, 1)], {"stride": 3, "ceil_mode": True}, DTYPES),
        ([(1, 4, 5, 5), (4, 1, 3, 3)], {"stride": 2, "pad": 2, "groups": 4}, DTYPES),
        ([(2, 3, 4, 130), (5, 3, 3, 3)], {"pad": 2}, ["float32"]),
        ([(9, 1, 2, 2), (3, 1, 1, 1)], {}, DTYPES),  # a tile has many images
        ([(1, 2, 2, 3), (3, 2, 2, 2)], {"pad": 3}, DTYPES),  # some windows see only padding
        ([(2, 2, 5, 4), (3, 2, 4, 4)], {"stride": 3, "pad": 2, "ceil_mode": True}, DTYPES),
        ([(0, 3, 7, 6), (4, 3, 3, 3)], {"pad": 1}, DTYPES),
    ],
    "fc": [
        ([(1, 1), (1, 1)], {}, PRODUCTS),
        ([(3, 5), (7, 5)], {}, [*PRODUCTS, "plain float32", "plain float64"]),
        ([(8, 16), (12, 16)], {}, PRODUCTS),
        ([(128, 64), (10, 64)], {}, ["float32"]),
        ([(100, 36), (196, 36)], {}, PRODUCTS),
        ([(65, 257), (129, 257)], {}, PRODUCTS),
        ([(5, 2050), (66, 2050)], {}, ["float32"]),  # a sum in parts
        ([(4, 1030), (12, 1030)], {}, ["float64"]),
        ([(0, 5), (7, 5)], {}, DTYPES),
    ],
}
LARGE = [  # maps and kernels of the paper's networks, with fewer channels, in the largest tile
    Case("conv", [(1, 72, 13, 13), (72, 72, 3, 3)], {"pad": 1}, "float32"),
    Case("conv", [(1, 72, 13, 13), (72, 72, 3, 3)], {"pad": 1}, "tf32"),
    Case("conv", [(1, 4, 27, 27), (144, 2, 3, 3)], {"pad": 1, "groups": 2}, "float32"),
    Case("conv", [(1, 4, 27, 27), (144, 2, 3, 3)], {"pad": 1, "groups": 2}, "tf32"),
    Case("conv", [(1, 3, 32, 32), (32, 3, 5, 5)], {"pad": 2}, "float32"),
    Case("lrn", [(1, 96, 27, 27)], {}, "float32"),
    Case("pool", [(1, 8, 55, 55)], {}, "float32"),
    Case("fc", [(72, 300), (260, 300)], {}, "float32"),
]


def every_case():
    """Return the cases of the table."""
    return [
        Case(layer, shapes, options, mode)
        for layer, rows in TABLE.items()
        for shapes, options, modes in rows
        for mode in modes
    ]


def random_cases(count, seed=0):
    """Return cases with shapes drawn at random: layers with windows or products, in float32."""
    rng = np.random.default_rng(seed)
    return [random_case(rng) for _ in range(count)]


def random_case(rng):
    def draw(low, high):
        return int(rng.integers(low, high + 1))

    layer = rng.choice(["conv", "conv", "fc", "fc", "pool", "average_pool", "lrn"])
    mode = str(rng.choice(["float32", "tf32"])) if layer in ("conv", "fc") else "float32"
    if layer == "fc":
        N, D, K = draw(1, 140), draw(1, 300), draw(1, 140)
        return Case("fc", [(N, D), (K, D)], {}, mode)
    if layer == "conv":
        groups, f, stride = draw(1, 3), draw(1, 5), draw(1, 3)
        C, K = draw(1, 6), draw(1, 40)
        shapes = [(draw(1, 3), groups * C, draw(f, 14), draw(f, 14)), (groups * K, C, f, f)]
        options = {"stride": stride, "pad": draw(0, f - 1), "groups": groups}
        return Case("conv", shapes, options, mode)
    options = (
        {"n": draw(1, 7), "alpha": 0.3} if layer == "lrn" else {"z": draw(1, 4), "s": draw(1, 3)}
    )
    return Case(
        str(layer),
        [tuple(draw(a, b) for a, b in [(1, 3), (1, 20), (4, 15), (4, 15)])],
        options,
        mode,
    )


def title(case):
    """Return a case as a line: conv (2, 3, 7, 6) (4, 3, 3, 3) pad=1 float32."""
    options = (f"{name}={value}" for name, value in case.options.items())
    return " ".join([case.layer, *map(str, case.shapes), *options, case.mode])


def error_of(case):
    """Return the largest error of a case, against the reference in float64 on the same numbers."""
    rng = np.random.default_rng(zlib.crc32(title(case).encode()))
    arguments = [rng.standard_normal(shape) for shape in shapes_of(case)]
    if "pool" in case.layer:
        arguments = [np.round(2 * x) / 2 for x in arguments]  # several numbers are equal
    arguments = [x.astype(dtype_of(case)) for x in arguments]
    dy_seed = int(rng.integers(1000))
    with ExitStack() as stack:
        stack.enter_context(patched(cuda.settings, "plain", case.mode.startswith("plain")))
        stack.enter_context(patched(cuda.settings, "tf32", case.mode == "tf32"))
        ours = [np.array(cuda.to_host(a)) for a in run(cuda, case, arguments, dy_seed)]
    theirs = run(reference, case, [x.astype(np.float64) for x in arguments], dy_seed)
    return max(map(error, ours, theirs))


def dtype_of(case):
    return np.float64 if "64" in case.mode else np.float32


def shapes_of(case):
    """Return the shapes of all arguments, with b's where it is left out."""
    axes = BIAS_AXES.get(case.layer)
    biases = [case.shapes[1][:axes]] if axes and len(case.shapes) == 2 else []
    return [*case.shapes, *biases]


def run(ops, case, arguments, dy_seed):
    """Return what a layer returns: y, and all gradients for a random dy."""
    options = case.options
    if case.layer == "sgd_update":
        return ops.sgd_update(*map(ops.to_device, arguments), **options)
    forward, backward = (getattr(ops, f"{case.layer}_{way}") for way in ("forward", "backward"))
    if case.layer == "softmax_loss":
        (scores,) = arguments
        labels = np.random.default_rng(dy_seed).integers(scores.shape[1], size=len(scores))
        loss, cache = forward(scores, labels)
        return [ops.softmax(scores), loss, *backward(cache)]
    y, cache = forward(*arguments, **options)
    dy = np.random.default_rng(dy_seed).standard_normal(y.shape)
    dy = dy.astype(dtype_of(case)).astype(arguments[0].dtype)
    return [y, *backward(dy, cache)]


def error(ours, theirs):
    """Return the largest difference, relative to the largest number; ∞ for another shape."""
    theirs = np.asarray(theirs)
    if ours.shape != theirs.shape:
        return np.inf
    largest = max(np.abs(theirs).max(initial=0), 1e-30)
    return float(np.abs(ours - theirs).max(initial=0) / largest)
