"""Networks for CIFAR-10 as tables: Figure 1's four layers, cuda-convnet's of 2011, a small AlexNet.

Figure 1 compares ReLU with tanh in a "four-layer convolutional network"; neither the paper nor its
code says which.  If the last layer counts, as in AlexNet's "eight layers", it is three convolutions
and fc10: `four_layer`, in the sizes of cuda-convnet's smallest networks.  If it does not count, it
may be the "four-layer CNN" of Section 3.3, `local_13pct`: two convolutions, two locally connected
layers, fc10.  `four_hidden_layer` has convolutions instead of the locally connected layers.

Five tables are named after cuda-convnet's files of 2011, and those after their test errors:
`layers_80sec` (26% after 80 seconds on a GTX 580), `layers_19pct`, `layers_18pct` (20 minutes),
`local_13pct` (25 minutes) and `local_11pct` (75 minutes).  The last two are trained on crops and
mirrored images.  Weight decay differs from layer to layer: see their recipes in catalogue.py.

`small_alexnet` is AlexNet's table in sizes that two CPU cores train in an hour or two.
`two_columns` has two columns, as the paper's Figure 2, and `one_gpu` is the smaller network that
the paper compares with (footnote 2): half of the kernels except in the last convolution.

In these three the nonlinearity comes where AlexNet has it.  In the others it comes after max
pooling, which leaves it a quarter of the values.  ReLU, tanh and the logistic function never
decrease, so the largest value stays the largest, and both orders compute the same.  With average
pooling they do not: there the nonlinearity comes first.

Every pool rounds up (ceil_mode): maps of 32, 16, 8 and 4 pixels, or for crops 24, 12, 6 and 3.

    ops                the backend: minicnn.reference or minicnn.fast
    rng                the NumPy Generator that draws the initial weights; if it is None, they are 0
    init               the rule for their standard deviation, see first_weights
    dropout            the probability p that a unit of fc6 is dropped
    draw(K, C, f, f)   w for K kernels of C × f × f, and b for K biases; draw(K, D) for fc;
                       draw(M, M, K, C, f, f) for a locally connected layer of M × M places
    D                  the number of values per image that reach fc10
"""

import math

import numpy as np

from ..net import gaussian, row
from ..shapes import pool_size
from ..two_columns import in_columns, split_columns

NONLINEARITIES = ("relu", "tanh", "logistic")
INITS = ("paper", "cuda-convnet", "fan-in")
LEAST = 8  # pixels: three pools leave one


def four_layer(ops, rng, nonlinearity="relu", init="paper", size=32, classes=10, dtype=np.float32):
    """Return the layers of Figure 1's network: 32, 32, 64 kernels of 5×5, three pools, and fc10."""
    f = nonlinearity
    draw = first_weights(rng, init, nonlinearity, dtype)
    D = 64 * pooled(size, times=3) ** 2  # 64 · 4 · 4 = 1024
    return [
        row("conv1", ops, "conv", draw(32, 3, 5, 5, cuda_convnet=0.0001), pad=2),
        row("pool1", ops, "pool", z=3, s=2, ceil_mode=True),
        row(f"{f}1", ops, f),
        row("conv2", ops, "conv", draw(32, 32, 5, 5, cuda_convnet=0.01), pad=2),
        row("pool2", ops, "pool", z=3, s=2, ceil_mode=True),
        row(f"{f}2", ops, f),
        row("conv3", ops, "conv", draw(64, 32, 5, 5, cuda_convnet=0.01), pad=2),
        row("pool3", ops, "pool", z=3, s=2, ceil_mode=True),
        row(f"{f}3", ops, f),
        row("fc10", ops, "fc", draw(classes, D, cuda_convnet=0.01)),
    ]


def four_hidden_layer(
    ops, rng, nonlinearity="relu", init="paper", size=32, classes=10, dtype=np.float32
):
    """Return the layers of the other reading: 64, 64, 32, 32 kernels, two pools, and fc10."""
    f = nonlinearity
    draw = first_weights(rng, init, nonlinearity, dtype)
    D = 32 * pooled(size, times=2) ** 2  # 32 · 8 · 8 = 2048
    return [
        row("conv1", ops, "conv", draw(64, 3, 5, 5, cuda_convnet=0.0001), pad=2),
        row("pool1", ops, "pool", z=3, s=2, ceil_mode=True),
        row(f"{f}1", ops, f),
        row("conv2", ops, "conv", draw(64, 64, 5, 5, cuda_convnet=0.01), pad=2),
        row("pool2", ops, "pool", z=3, s=2, ceil_mode=True),
        row(f"{f}2", ops, f),
        row("conv3", ops, "conv", draw(32, 64, 3, 3, cuda_convnet=0.04), pad=1),
        row(f"{f}3", ops, f),
        row("conv4", ops, "conv", draw(32, 32, 3, 3, cuda_convnet=0.04), pad=1),
        row(f"{f}4", ops, f),
        row("fc10", ops, "fc", draw(classes, D, cuda_convnet=0.01)),
    ]


def layers_80sec(ops, rng, size=32, classes=10, dtype=np.float32):
    """Return the layers of layers-80sec.cfg, with a hidden layer of 64 units before fc10."""
    draw = first_weights(rng, "cuda-convnet", dtype=dtype)
    D = 64 * pooled(size, times=3) ** 2
    return [
        row("conv1", ops, "conv", draw(32, 3, 5, 5, cuda_convnet=0.0001), pad=2),
        row("pool1", ops, "pool", z=3, s=2, ceil_mode=True),
        row("relu1", ops, "relu"),
        row("conv2", ops, "conv", draw(32, 32, 5, 5, cuda_convnet=0.01), pad=2),
        row("relu2", ops, "relu"),
        row("pool2", ops, "average_pool", z=3, s=2, ceil_mode=True),
        row("conv3", ops, "conv", draw(64, 32, 5, 5, cuda_convnet=0.01), pad=2),
        row("relu3", ops, "relu"),
        row("pool3", ops, "average_pool", z=3, s=2, ceil_mode=True),
        row("fc64", ops, "fc", draw(64, D, cuda_convnet=0.1)),
        row("relu4", ops, "relu"),
        row("fc10", ops, "fc", draw(classes, 64, cuda_convnet=0.1)),
    ]


def layers_19pct(ops, rng, size=32, classes=10, dtype=np.float32):
    """Return the layers of layers-19pct.cfg: 80sec without the hidden layer.

    On crops and mirrored images it was trained without weight decay.
    """
    draw = first_weights(rng, "cuda-convnet", dtype=dtype)
    D = 64 * pooled(size, times=3) ** 2
    return [
        row("conv1", ops, "conv", draw(32, 3, 5, 5, cuda_convnet=0.0001), pad=2),
        row("pool1", ops, "pool", z=3, s=2, ceil_mode=True),
        row("relu1", ops, "relu"),
        row("conv2", ops, "conv", draw(32, 32, 5, 5, cuda_convnet=0.01), pad=2),
        row("relu2", ops, "relu"),
        row("pool2", ops, "average_pool", z=3, s=2, ceil_mode=True),
        row("conv3", ops, "conv", draw(64, 32, 5, 5, cuda_convnet=0.01), pad=2),
        row("relu3", ops, "relu"),
        row("pool3", ops, "average_pool", z=3, s=2, ceil_mode=True),
        row("fc10", ops, "fc", draw(classes, D, cuda_convnet=0.01)),
    ]


def layers_18pct(ops, rng, size=32, classes=10, dtype=np.float32):
    """Return the layers of layers-18pct.cfg: 19pct with normalization within maps, twice."""
    layers = layers_19pct(ops, rng, size=size, classes=classes, dtype=dtype)
    names = [layer.name for layer in layers]
    for below, name in (("pool2", "map_lrn2"), ("relu1", "map_lrn1")):
        layers.insert(names.index(below) + 1, row(name, ops, "map_lrn"))
    return layers


def local_13pct(
    ops, rng, nonlinearity="relu", init="cuda-convnet", size=24, classes=10, dtype=np.float32
):
    """Return the layers of layers-conv-local-13pct.cfg: two convolutions, two `local`, and fc10."""
    f = nonlinearity
    draw = first_weights(rng, init, nonlinearity, dtype)
    M = pooled(size, times=2)  # the width of the maps of the locally connected layers: 6
    return [
        row("conv1", ops, "conv", draw(64, 3, 5, 5, cuda_convnet=0.0001), pad=2),
        row("pool1", ops, "pool", z=3, s=2, ceil_mode=True),
        row(f"{f}1", ops, f),
        row("conv2", ops, "conv", draw(64, 64, 5, 5, cuda_convnet=0.01), pad=2),
        row("pool2", ops, "pool", z=3, s=2, ceil_mode=True),
        row(f"{f}2", ops, f),
        row("local3", ops, "local", draw(M, M, 32, 64, 3, 3, cuda_convnet=0.04), pad=1),
        row(f"{f}3", ops, f),
        row("local4", ops, "local", draw(M, M, 32, 32, 3, 3, cuda_convnet=0.04), pad=1),
        row(f"{f}4", ops, f),
        row("fc10", ops, "fc", draw(classes, 32 * M * M, cuda_convnet=0.01)),
    ]


def local_11pct(ops, rng, normalized=True, size=24, classes=10, dtype=np.float32):
    """Return the layers of layers-conv-local-11pct.cfg: 13pct with normalization across maps, and
    with 64 kernels in local3.

    With normalized=False the two normalizations are left out, and nothing else changes.
    """
    draw = first_weights(rng, "cuda-convnet", dtype=dtype)
    M = pooled(size, times=2)
    constants = {"k": 1, "n": 9, "alpha": 0.001 / 9}
    layers = [
        row("conv1", ops, "conv", draw(64, 3, 5, 5, cuda_convnet=0.0001), pad=2),
        row("pool1", ops, "pool", z=3, s=2, ceil_mode=True),
        row("relu1", ops, "relu"),
        row("lrn1", ops, "lrn", **constants),
        row("conv2", ops, "conv", draw(64, 64, 5, 5, cuda_convnet=0.01), pad=2),
        row("relu2", ops, "relu"),
        row("lrn2", ops, "lrn", **constants),
        row("pool2", ops, "pool", z=3, s=2, ceil_mode=True),
        row("local3", ops, "local", draw(M, M, 64, 64, 3, 3, cuda_convnet=0.04), pad=1),
        row("relu3", ops, "relu"),
        row("local4", ops, "local", draw(M, M, 32, 64, 3, 3, cuda_convnet=0.04), pad=1),
        row("relu4", ops, "relu"),
        row("fc10", ops, "fc", draw(classes, 32 * M * M, cuda_convnet=0.01)),
    ]
    return [layer for layer in layers if normalized or not layer.name.startswith("lrn")]


def small_alexnet(
    ops,
    rng,
    kernels=(64, 96, 160, 160, 128),
    hidden=512,
    size=24,
    classes=10,
    dropout=0.5,
    dtype=np.float32,
):
    """Return AlexNet's layers in one column, for training, in sizes for patches of 24×24 pixels.

    conv1 has 5×5 kernels, as in cuda-convnet, and conv2 3×3, both with stride 1.  The maps are 24,
    12, 6 and 3 pixels wide.  There is one hidden fully connected layer, not two.  Biases are 0.
    """
    draw = first_weights(rng, "fan-in", dtype=dtype)
    K1, K2, K3, K4, K5 = kernels
    D = K5 * pooled(size, times=3) ** 2  # 128 · 3 · 3 = 1152
    return [
        row("conv1", ops, "conv", draw(K1, 3, 5, 5), pad=2),
        row("relu1", ops, "relu"),
        row("lrn1", ops, "lrn"),
        row("pool1", ops, "pool", z=3, s=2, ceil_mode=True),
        row("conv2", ops, "conv", draw(K2, K1, 3, 3), pad=1),
        row("relu2", ops, "relu"),
        row("lrn2", ops, "lrn"),
        row("pool2", ops, "pool", z=3, s=2, ceil_mode=True),
        row("conv3", ops, "conv", draw(K3, K2, 3, 3), pad=1),
        row("relu3", ops, "relu"),
        row("conv4", ops, "conv", draw(K4, K3, 3, 3), pad=1),
        row("relu4", ops, "relu"),
        row("conv5", ops, "conv", draw(K5, K4, 3, 3), pad=1),
        row("relu5", ops, "relu"),
        row("pool5", ops, "pool", z=3, s=2, ceil_mode=True),
        row("fc6", ops, "fc", draw(hidden, D)),
        row("relu6", ops, "relu"),
        row("dropout6", ops, "dropout", p=dropout, rng=rng),
        row("fc7", ops, "fc", draw(classes, hidden)),
    ]


def two_columns(
    ops,
    rng,
    exchanges=("conv3", "fc4"),
    kernels=(32, 64, 64),
    size=24,
    classes=10,
    first_std=None,
    dtype=np.float32,
):
    """Return the layers of a network of two columns, for experiments with Figure 2.

    exchanges names the layers before which the columns exchange their channels.  The default is the
    paper's: only after the second convolution and before the fully connected layer.  With conv2
    too, every layer sees all channels, as in one column; with none, each column computes its half
    of the classes on its own.  With first_std, conv1's initial weights are from N(0, first_std²).
    """
    K1, K2, K3 = kernels
    first = first_weights(rng, "fan-in", dtype=dtype)

    def draw(name, K, C, *f):
        C_seen = C if name in exchanges else C // 2
        return split_columns(first(K, C_seen, *f))

    def talk(name):
        return [row(f"exchange{name[-1]}", two, "exchange")] if name in exchanges else []

    D = pooled(size, times=3) ** 2  # 3 · 3 values of each map reach fc4
    two = in_columns(ops)
    return [
        row("both", two, "both"),
        row("conv1", two, "conv", split_columns(first(K1, 3, 5, 5, std=first_std)), pad=2),
        row("relu1", two, "relu"),
        row("lrn1", two, "lrn"),
        row("pool1", two, "pool", z=3, s=2, ceil_mode=True),
        *talk("conv2"),
        row("conv2", two, "conv", draw("conv2", K2, K1, 5, 5), pad=2),
        row("relu2", two, "relu"),
        row("lrn2", two, "lrn"),
        row("pool2", two, "pool", z=3, s=2, ceil_mode=True),
        *talk("conv3"),
        row("conv3", two, "conv", draw("conv3", K3, K2, 3, 3), pad=1),
        row("relu3", two, "relu"),
        row("pool3", two, "pool", z=3, s=2, ceil_mode=True),
        *talk("fc4"),
        row("fc4", two, "fc", draw("fc4", classes, K3 * D)),
        row("join", two, "join"),
    ]


def one_gpu(ops, rng, kernels=(16, 32, 64), size=24, classes=10, first_std=None, dtype=np.float32):
    """Return the layers of the network for one GPU: `two_columns` with half of the kernels.

    As in footnote 2, the last convolution is not halved, so that fc4 has the same number of inputs.
    """
    K1, K2, K3 = kernels
    draw = first_weights(rng, "fan-in", dtype=dtype)
    D = K3 * pooled(size, times=3) ** 2
    return [
        row("conv1", ops, "conv", draw(K1, 3, 5, 5, std=first_std), pad=2),
        row("relu1", ops, "relu"),
        row("lrn1", ops, "lrn"),
        row("pool1", ops, "pool", z=3, s=2, ceil_mode=True),
        row("conv2", ops, "conv", draw(K2, K1, 5, 5), pad=2),
        row("relu2", ops, "relu"),
        row("lrn2", ops, "lrn"),
        row("pool2", ops, "pool", z=3, s=2, ceil_mode=True),
        row("conv3", ops, "conv", draw(K3, K2, 3, 3), pad=1),
        row("relu3", ops, "relu"),
        row("pool3", ops, "pool", z=3, s=2, ceil_mode=True),
        row("fc4", ops, "fc", draw(classes, D)),
    ]


def first_weights(rng, init, nonlinearity="relu", dtype=np.float32):
    """Return the function draw(K, C, f, f, cuda_convnet=…), which draws a layer's parameters.

    Weights are Gaussian with mean 0, and biases are 0.  draw(…, std=…) overrides the standard
    deviation.

    Parameters
    ----------
    init : str
        The rule for the standard deviation.  "paper": 0.01 in every layer (Section 5; its biases of
        1 are for AlexNet only).  "cuda-convnet": the number in the table, from the files of 2011;
        the first layer's is tiny because pixels go up to 255.  "fan-in": for a unit of D inputs,
        √(2 / D) with ReLU (He, Zhang, Ren and Sun 2015) and √(1 / D) with tanh and logistic (LeCun,
        Bottou, Orr and Müller 1998), so that activations keep their scale from layer to layer.
    nonlinearity : str
        "relu", "tanh" or "logistic"; only "fan-in" depends on it.

    Raises
    ------
    ValueError
        For an unknown init or nonlinearity.
    """
    if init not in INITS:
        raise ValueError(f"init is {init!r}; expected one of {', '.join(INITS)}")
    if nonlinearity not in NONLINEARITIES:
        names = ", ".join(NONLINEARITIES)
        raise ValueError(f"nonlinearity is {nonlinearity!r}; expected one of {names}")

    def draw(*shape, cuda_convnet=None, std=None):
        D = math.prod(shape[-3:]) if len(shape) > 2 else shape[1]  # inputs of a unit
        fan_in = math.sqrt(2 / D) if nonlinearity == "relu" else math.sqrt(1 / D)
        default = {"paper": 0.01, "cuda-convnet": cuda_convnet, "fan-in": fan_in}[init]
        return gaussian(rng, shape, default if std is None else std, bias=0, dtype=dtype)

    return draw


def pooled(size, times):
    """Return the width of a map after that many 3/2 pools that round up: 32 → 16 → 8 → 4."""
    if size < LEAST:
        raise ValueError(f"cifar: size = {size}; expected at least {LEAST}, for the pools")
    for _ in range(times):
        size = pool_size(size, z=3, s=2, ceil_mode=True)
    return size
