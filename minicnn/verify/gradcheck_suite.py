"""The gradient check for every layer of every backend, on awkward shapes.

    python -m minicnn gradcheck [LAYER … | NETWORK …] [--ops reference|fast|cuda] [--gpus N[,M]]

prints one line per layer.  A case is a list of shapes, one for each argument, and the layer's
options.  The shapes are awkward on purpose: no two dimensions of a case are equal, strides do not
divide, and windows overlap or leave gaps, so that a swapped axis or an `=` for `+=` cannot hide.

SUITE has the layers of every backend.  EXTRAS has those of only some backends: another algorithm
for convolution, and layers fused with a ReLU; a backend without them prints no line for them.  A
network of catalogue.NETWORKS is checked as a whole, at its smallest size, only if it is named.
"""

import math
import sys

import numpy as np

from .. import net
from ..backends import backend
from ..gradcheck import check_layer, check_network
from ..networks import catalogue
from ..two_columns import in_columns, split_columns

SUITE = {
    "conv": [
        ([(2, 3, 9, 7), (5, 3, 4, 4), (5,)], {}),
        ([(2, 3, 9, 7), (5, 3, 4, 4), (5,)], {"stride": 2, "pad": 1}),
        ([(2, 3, 9, 7), (5, 3, 4, 4), (5,)], {"stride": 4, "pad": 2, "ceil_mode": True}),
        ([(2, 6, 8, 7), (4, 3, 5, 5), (4,)], {"stride": 2, "pad": 3, "groups": 2}),
        ([(2, 9, 8, 7), (6, 3, 4, 4), (6,)], {"stride": 3, "groups": 3, "ceil_mode": True}),
        ([(2, 3, 5, 4), (6, 3, 1, 1), (6,)], {"stride": 3}),
    ],
    "local": [
        ([(2, 3, 7, 6), (4, 3, 5, 3, 4, 4), (4, 3, 5)], {}),
        ([(2, 3, 7, 6), (4, 3, 5, 3, 4, 4), (5,)], {}),  # all places share their biases
        ([(2, 3, 9, 7), (4, 3, 5, 3, 4, 4), (4, 3, 5)], {"stride": 2, "pad": 1}),
        ([(2, 3, 8, 5), (3, 2, 4, 3, 2, 2), (4,)], {"stride": 3}),
    ],
    "relu": [([(2, 3, 5, 4)], {}), ([(7, 5)], {})],
    "tanh": [([(2, 3, 5, 4)], {}), ([(7, 5)], {})],
    "logistic": [([(2, 3, 5, 4)], {}), ([(7, 5)], {})],
    "lrn": [
        ([(2, 7, 5, 4)], {}),
        ([(2, 7, 5, 4)], {"alpha": 0.5}),  # at 1e-4 the cross-channel term is small
        ([(2, 8, 5, 3)], {"alpha": 0.5, "groups": 2}),
        ([(2, 6, 5, 4)], {"alpha": 0.5, "k": 1, "n": 3, "beta": 0.5, "groups": 3}),
        ([(2, 6, 5, 4)], {"alpha": 0.5, "n": 4}),
        ([(2, 3, 5, 4)], {"alpha": 0.5, "n": 9}),
    ],
    "map_lrn": [
        ([(2, 3, 7, 5)], {}),
        ([(2, 3, 7, 5)], {"alpha": 0.5}),  # at 5e-5 the neighbours' term is small
        ([(2, 3, 7, 5)], {"alpha": 0.5, "k": 2, "n": 4, "beta": 0.5}),
        ([(2, 3, 5, 4)], {"alpha": 0.5, "n": 11}),
    ],
    "pool": [
        ([(2, 3, 8, 10)], {}),
        ([(2, 3, 8, 10)], {"ceil_mode": True}),
        ([(2, 3, 7, 5)], {"z": 4, "s": 1}),
        ([(2, 3, 7, 5)], {"z": 2, "s": 2}),
        ([(2, 3, 8, 5)], {"z": 2, "s": 3, "ceil_mode": True}),
    ],
    "fc": [([(3, 2, 5, 4), (7, 40), (7,)], {}), ([(3, 8), (5, 8), (5,)], {})],
    "dropout": [([(2, 3, 5, 4)], {}), ([(7, 5)], {"p": 0.2})],
    "dropout_predict": [([(2, 3, 5, 4)], {}), ([(7, 5)], {"p": 0.2})],
    "softmax_loss": [([(4, 7)], {}), ([(5, 2)], {})],
}
SUITE["average_pool"] = SUITE["pool"]
EXTRAS = {
    "winograd": [  # shapes for which it is used: see fast/winograd.py
        ([(4, 9, 11, 7), (10, 9, 3, 3), (10,)], {"pad": 1}),
        ([(3, 16, 9, 7), (18, 8, 5, 5), (18,)], {"pad": 2, "groups": 2}),
        ([(8, 8, 14, 8), (5, 8, 2, 2), (5,)], {}),  # forward and dw; too few kernels for dx
        ([(6, 3, 9, 7), (8, 3, 4, 4), (8,)], {"pad": 2}),  # only dx; too few channels for the rest
        ([(5, 8, 10, 6), (9, 8, 3, 3), (9,)], {"pad": 4}),  # dx cuts off pixels of dy
        ([(3, 9, 13, 10), (8, 9, 7, 7), (8,)], {}),
    ],
    "conv_relu": [
        ([(2, 6, 8, 7), (4, 3, 5, 5), (4,)], {"stride": 2, "pad": 3, "groups": 2}),
        ([(2, 3, 9, 7), (5, 3, 4, 4), (5,)], {"stride": 4, "pad": 2, "ceil_mode": True}),
        ([(4, 9, 11, 7), (10, 9, 3, 3), (10,)], {"pad": 1}),  # by Winograd's algorithm
    ],
    "pool_relu": SUITE["pool"],
    "dropout_relu": SUITE["dropout"],
}
NAMES = [*SUITE, *EXTRAS, "network", "columns"]


def small_network(ops, rng):
    """Return a network with every kind of layer."""

    def params(*shape):
        w = 2 * rng.standard_normal(shape) / np.sqrt(np.prod(shape[-3:] if shape[2:] else shape[1]))
        return {"w": w, "b": rng.standard_normal(shape[:-3] or shape[0])}

    return [
        net.row("conv1", ops, "conv", params(6, 2, 4, 4), stride=2, pad=1, ceil_mode=True),
        net.row("relu1", ops, "relu"),
        net.row("lrn1", ops, "lrn", n=3, alpha=0.5, groups=2),
        net.row("pool1", ops, "pool"),
        net.row("conv2", ops, "conv", params(8, 3, 2, 2), pad=1, groups=2),
        net.row("tanh2", ops, "tanh"),
        net.row("pool2", ops, "average_pool", ceil_mode=True),
        net.row("map_lrn2", ops, "map_lrn", n=2, alpha=0.5),
        net.row("local3", ops, "local", params(2, 2, 8, 8, 2, 2), stride=2, pad=1),
        net.row("fc3", ops, "fc", params(9, 32)),
        net.row("logistic3", ops, "logistic"),
        net.row("drop3", ops, "dropout", rng=rng),
        net.row("fc4", ops, "fc", params(7, 9)),
        net.row("drop4", ops, "dropout_predict"),
        net.row("fc5", ops, "fc", params(5, 7)),
    ]


def small_columns(ops, rng):
    """Return a network of two columns that exchange maps; conv1 has 3 and 2 kernels in them."""
    column_ops = in_columns(ops)

    def params(*shape):
        w = 2 * rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        return split_columns({"w": w, "b": rng.standard_normal(shape[0])})

    return [
        net.row("both", column_ops, "both"),
        net.row("conv1", column_ops, "conv", params(5, 2, 4, 4), stride=2, pad=1),
        net.row("relu1", column_ops, "relu"),
        net.row("pool1", column_ops, "pool"),
        net.row("exchange2", column_ops, "exchange"),
        net.row("conv2", column_ops, "conv", params(7, 5, 2, 2)),
        net.row("tanh2", column_ops, "tanh"),
        net.row("exchange3", column_ops, "exchange"),
        net.row("fc3", column_ops, "fc", params(5, 14)),
        net.row("join", column_ops, "join"),
    ]


def check_named(name, ops):
    """Return a list of (description, Report) for one layer of a backend, or for a network."""
    rng = np.random.default_rng(0)
    if name in catalogue.NETWORKS:
        return [whole_network(name, ops, rng)]
    if name in ("network", "columns"):
        x, labels = rng.standard_normal((3, 2, 15, 13)), rng.integers(5, size=3)
        build = small_network if name == "network" else small_columns
        layers = build(ops, rng)
        ops = ops if name == "network" else in_columns(ops)
        description = " ".join([f"{x.shape}", *[layer.name for layer in layers]])
        return [(description, check_network(layers, x, labels, ops))]
    if not functions(name, ops):
        raise ValueError(f"{ops.__name__} has no {name}_forward and {name}_backward")
    forward, backward = functions(name, ops)
    cases = []
    for shapes, options in (SUITE | EXTRAS)[name]:
        description = " ".join(
            [f"{shape}" for shape in shapes] + [f"{k}={value}" for k, value in options.items()]
        )
        args = [rng.standard_normal(shape) for shape in shapes]
        if name == "softmax_loss":
            N, classes = shapes[0]
            args.append(rng.integers(classes, size=N))
        if name in ("dropout", "dropout_relu"):
            options = {**options, "rng": rng}
        max_entries = 12 if name in ("winograd", "conv_relu") else 24  # their cases are large
        report = check_layer(forward, backward, *args, max_entries=max_entries, **options)
        cases.append((description, report))
    return cases


def whole_network(name, ops, rng):
    """Return (description, Report) for two images and a network by name.

    Its weights are drawn anew, scaled by fan-in.  Some tables begin with weights so small that
    their gradients would drown in the rounding of the loss.
    """
    size, classes = catalogue.find(name).least, catalogue.find(name).classes
    layers = catalogue.build(name, ops, rng, **catalogue.size_option(name, size))
    for w in (w for layer in layers for w in net.columns(layer.params.get("w", ()))):
        fan_in = math.prod(w.shape[-3:]) if w.ndim > 2 else w.shape[1]
        w[...] = rng.standard_normal(w.shape) * math.sqrt(2 / fan_in)
    x, labels = rng.standard_normal((2, 3, size, size)), rng.integers(classes, size=2)
    report = check_network(layers, x, labels, catalogue.backend(name, ops), max_entries=5)
    return f"{x.shape}", report


def functions(name, ops):
    """Return forward and backward of a layer, or None if this backend has no such layer."""
    names, kind = vars(ops), name
    if name == "winograd":
        names, kind = names if "winograd" in names else {}, "conv"
    elif name in EXTRAS:
        names = vars(ops.fused)
    if f"{kind}_backward" not in names:
        return None
    return names[f"{kind}_forward"], names[f"{kind}_backward"]


def run(names, ops_names, gpus=None):
    """Check the named layers, or all, of these backends; print a line each; return an exit code."""
    for name in names:
        if name not in NAMES and name not in catalogue.NETWORKS:
            print(
                f"gradcheck: {name!r} is not a layer or network; the layers are "
                f"{', '.join(NAMES)}, and the networks {', '.join(catalogue.NETWORKS)}",
                file=sys.stderr,
            )
            return 2
    failures = 0
    for ops_name in ops_names:
        ops = backend(ops_name, gpus)
        for name in names or NAMES:
            label = f"{ops_name:<9}  {name:<15}"
            if name in EXTRAS and not functions(name, ops):
                if names:
                    print(f"{label}  none: this backend has no separate implementation of it")
                continue
            try:
                cases = check_named(name, ops)
            except (TypeError, ValueError) as error:
                failures += 1
                print(f"{label}  FAIL  {error}")
                continue
            description, report = max(cases, key=lambda case: (not case[1].ok, case[1].worst))
            verdict = "ok  " if report.ok else "FAIL"
            print(f"{label}  {verdict}  {report.worst:.1e}  worst of {len(cases)}: {description}")
            if not report.ok:
                failures += 1
                print(report)
    return 1 if failures else 0
