"""AlexNet (Figure 2 and Section 3.5) as tables: in one column, in two, and its variants.

    alexnet             one column; groups=2 where Figure 2's are separate   60,965,224 parameters
    two_columns         Figure 2 as drawn; exchange layers connect them      60,965,224
    one_gpu             the smaller network of footnote 2                    59,798,312
    six_convolutions    one more convolution, after pool5 (Section 6)        61,555,304
    without_conv        conv3 left out (Section 7); or conv4: 60,301,288     59,858,920
    without_lrn         no normalization (Section 3.3)                       60,965,224
    without_overlap     pools that do not overlap (Section 3.4)              60,965,224
    alexnet_source      the network of the original code                     60,965,224

The first two compute the same: from the same seed they draw the same weights and, without dropout,
return the same scores.  For images of 224 pixels the maps are 55, 27, 13 and 6 pixels wide.  conv1
needs ceil_mode for its 55: its last windows extend past the far edge by 3 pixels.  The eight layers
with weights have 659,272 outputs, the paper's "650,000 neurons".

Initial weights are N(0, 0.01²).  Initial biases are 1 in conv2, conv4, conv5, fc6 and fc7, so that
their ReLUs start with positive inputs, and 0 in the others (Section 5).  Dropout comes after fc6
and fc7 (Section 4.2).  The constants of the normalization (Section 3.3) are the defaults of lrn.

Where the original code of 2012 differs from the paper, all tables but `alexnet_source` follow the
paper; SOURCES lists the differences.  In one point they follow the code: normalization does not
cross from column to column, as the paper's formula, read literally, would.  With one column, lrn
has groups=2 for that.

    ops                the backend: minicnn.reference or minicnn.fast
    rng                the NumPy Generator for initial weights and, in training, for dropout; if it
                       is None, nothing is drawn and weights are 0, to be loaded later
    kernels            the number of kernels in conv1 … conv5; even with two columns or groups
    hidden             the number of units in fc6 and in fc7
    size               the width and height of the images, at least 64
    std                the standard deviation of the initial weights
    bias               the initial biases of conv2, conv4, conv5, fc6 and fc7
    dropout            the probability p that a unit of fc6 or fc7 is dropped (Section 4.2)
    draw(K, C, f, f)   w for K kernels of C × f × f, and b for K biases; draw(K, D) for fc
    D                  the number of values per image that reach fc6
"""

import numpy as np

from ..net import gaussian, parameters, row
from ..shapes import out_size, pool_size
from ..two_columns import in_columns, split_columns

LEAST = 64  # pixels: pool5 then has one

SOURCES = [  # layers of alexnet_source, what differs, the paper, the code, and the code's file
    ("relu1", "comes after", "Section 3.3: normalization follows the ReLU",
     "conv1a has no neuron, pool1a relu", "layers-145.cfg"),
    ("lrn1 lrn2", "alpha", "Section 3.3: α = 10⁻⁴",
     "0.0001, which layer.py divides by the size, 5", "layer-params-145.cfg"),
    ("map_lrn2", "layer", "not in the paper",
     "cnorm2a, of type rnorm, with size 5", "layers-145.cfg"),
    ("conv3 conv4 conv5", "initial weights", "Section 5: standard deviation 0.01 in each layer",
     "initW=0.03", "layers-145.cfg"),
    ("relu5", "comes after", "Section 3.5: a ReLU follows every convolution",
     "conv5a has no neuron, pool3a relu", "layers-145.cfg"),
    ("recipe", "bias_epsilon", "Section 5: an equal learning rate for all layers",
     "epsW=0.01, epsB=0.02", "layer-params-145.cfg"),
]  # fmt: skip


def alexnet(
    ops,
    rng,
    classes=1000,
    *,
    kernels=(96, 256, 384, 384, 256),
    hidden=4096,
    size=224,
    groups=2,
    std=0.01,
    bias=1,
    dropout=0.5,
    dtype=np.float32,
):
    """Return AlexNet's layers in one column, for training (`net.predicting`: for test time)."""

    def draw(*shape, bias):
        return gaussian(rng, shape, std, bias, dtype)

    K1, K2, K3, K4, K5 = kernels
    D = K5 * pool5_size(size) ** 2  # 256 · 6 · 6 = 9216
    return [
        row("conv1", ops, "conv", draw(K1, 3, 11, 11, bias=0), stride=4, ceil_mode=True),
        row("relu1", ops, "relu"),
        row("lrn1", ops, "lrn", groups=groups),
        row("pool1", ops, "pool", z=3, s=2),
        row("conv2", ops, "conv", draw(K2, K1 // groups, 5, 5, bias=bias), pad=2, groups=groups),
        row("relu2", ops, "relu"),
        row("lrn2", ops, "lrn", groups=groups),
        row("pool2", ops, "pool", z=3, s=2),
        row("conv3", ops, "conv", draw(K3, K2, 3, 3, bias=0), pad=1),
        row("relu3", ops, "relu"),
        row("conv4", ops, "conv", draw(K4, K3 // groups, 3, 3, bias=bias), pad=1, groups=groups),
        row("relu4", ops, "relu"),
        row("conv5", ops, "conv", draw(K5, K4 // groups, 3, 3, bias=bias), pad=1, groups=groups),
        row("relu5", ops, "relu"),
        row("pool5", ops, "pool", z=3, s=2),
        row("fc6", ops, "fc", draw(hidden, D, bias=bias)),
        row("relu6", ops, "relu"),
        row("dropout6", ops, "dropout", p=dropout, rng=rng),
        row("fc7", ops, "fc", draw(hidden, hidden, bias=bias)),
        row("relu7", ops, "relu"),
        row("dropout7", ops, "dropout", p=dropout, rng=rng),
        row("fc8", ops, "fc", draw(classes, hidden, bias=0)),
    ]


def two_columns(
    ops,
    rng,
    classes=1000,
    *,
    kernels=(96, 256, 384, 384, 256),
    hidden=4096,
    size=224,
    std=0.01,
    bias=1,
    dropout=0.5,
    exchanges=("conv3", "fc6", "fc7", "fc8"),
    dtype=np.float32,
):
    """Return the layers of Figure 2, for training: no groups, but each array split between columns.

    To train or predict with these layers, use the backend `two_columns.in_columns(ops)`.

    exchanges names the layers before which the columns exchange their channels.  The authors also
    tried fewer, without conv3, and more, with conv2, conv4 and conv5, so that every layer sees all
    channels.
    """

    def draw(*shape, bias):
        return split_columns(gaussian(rng, shape, std, bias, dtype))

    def seen(name, C):
        return C if name in exchanges else C // 2

    def talk(name):
        return [row(f"exchange{name[-1]}", two, "exchange")] if name in exchanges else []

    K1, K2, K3, K4, K5 = kernels
    D = K5 * pool5_size(size) ** 2
    two = in_columns(ops)
    return [
        row("both", two, "both"),
        row("conv1", two, "conv", draw(K1, 3, 11, 11, bias=0), stride=4, ceil_mode=True),
        row("relu1", two, "relu"),
        row("lrn1", two, "lrn"),
        row("pool1", two, "pool", z=3, s=2),
        *talk("conv2"),
        row("conv2", two, "conv", draw(K2, seen("conv2", K1), 5, 5, bias=bias), pad=2),
        row("relu2", two, "relu"),
        row("lrn2", two, "lrn"),
        row("pool2", two, "pool", z=3, s=2),
        *talk("conv3"),
        row("conv3", two, "conv", draw(K3, seen("conv3", K2), 3, 3, bias=0), pad=1),
        row("relu3", two, "relu"),
        *talk("conv4"),
        row("conv4", two, "conv", draw(K4, seen("conv4", K3), 3, 3, bias=bias), pad=1),
        row("relu4", two, "relu"),
        *talk("conv5"),
        row("conv5", two, "conv", draw(K5, seen("conv5", K4), 3, 3, bias=bias), pad=1),
        row("relu5", two, "relu"),
        row("pool5", two, "pool", z=3, s=2),
        *talk("fc6"),
        row("fc6", two, "fc", draw(hidden, seen("fc6", D), bias=bias)),
        row("relu6", two, "relu"),
        row("dropout6", two, "dropout", p=dropout, rng=rng),
        *talk("fc7"),
        row("fc7", two, "fc", draw(hidden, seen("fc7", hidden), bias=bias)),
        row("relu7", two, "relu"),
        row("dropout7", two, "dropout", p=dropout, rng=rng),
        *talk("fc8"),
        row("fc8", two, "fc", draw(classes, seen("fc8", hidden), bias=0)),
        row("join", two, "join"),
    ]


def one_gpu(ops, rng, classes=1000, kernels=(48, 128, 192, 192, 256), **options):
    """Return the layers of the paper's network for one GPU, the baseline for the second GPU's gain.

    It has half the kernels in conv1 … conv4, but all of those in conv5 and in the fully connected
    layers, so that it has about as many parameters.  This biases the comparison in its favour, as
    footnote 2 says.

    `options` are those of `alexnet`.
    """
    return alexnet(ops, rng, classes, kernels=kernels, groups=1, **options)


def six_convolutions(ops, rng, std=0.01, bias=1, **options):
    """Return the layers with a sixth convolution on pool5's maps, which keep their number and size.

    The paper says no more than that.  3×3 windows, no groups and initial biases of 1 are from the
    original code, where a comment says that such a network overfits on ILSVRC-2012 alone.  Trained
    first on the 15 million images of ImageNet's Fall 2011 release and then on ILSVRC-2012, its
    errors are 39.0% and 16.6% (top-1, top-5; Table 2); AlexNet's are 40.7% and 18.2%.

    `options` are those of `alexnet`.  The fully connected layers keep their names.
    """
    layers = alexnet(ops, rng, std=std, bias=bias, **options)
    conv5 = parameters(layers)["conv5.w"]
    K, dtype = len(conv5), conv5.dtype
    conv6 = gaussian(rng, (K, K, 3, 3), std, bias, dtype)
    sixth = [row("conv6", ops, "conv", conv6, pad=1), row("relu_conv6", ops, "relu")]
    fc6 = [layer.name for layer in layers].index("fc6")
    return layers[:fc6] + sixth + layers[fc6:]


def without_conv(number, ops, rng, kernels=(96, 256, 384, 384, 256), **options):
    """Return the layers without conv3 or conv4 and its ReLU; the next layer takes its input.

    The paper says that removing any of the middle layers raises the error by about 2% (top-1).
    Without conv3 the columns do not communicate before fc6, which is a second difference.  The
    original code has no such network.

    `options` are those of `alexnet`.  Raises ValueError if number is neither 3 nor 4: conv1 and
    conv2 have their own pools and normalizations, and fc6 has weights for conv5's maps.
    """
    if number not in (3, 4):
        raise ValueError(f"without_conv: number is {number!r}; expected 3 or 4")
    kernels = list(kernels)
    kernels[number - 1] = kernels[number - 2]  # the next layer sees the previous layer's maps
    layers = alexnet(ops, rng, kernels=kernels, **options)
    return [layer for layer in layers if layer.name not in (f"conv{number}", f"relu{number}")]


def without_lrn(ops, rng, **options):
    """Return the layers without lrn1 and lrn2.

    The paper's errors are then 1.4% and 1.2% higher (top-1, top-5).  `options` are those of
    `alexnet`.
    """
    layers = alexnet(ops, rng, **options)
    return [layer for layer in layers if layer.name not in ("lrn1", "lrn2")]


def without_overlap(ops, rng, size=224, **options):
    """Return the layers with 2×2 pools, 2 pixels apart, instead of 3×3.

    The paper's errors are then 0.4% and 0.3% higher (top-1, top-5).  As in the original code, the
    pools round up, conv2 has 1 pixel of padding instead of 2, and conv5 has none: the maps are 55,
    28, 26, 13, 11 and finally 6 pixels wide, as in AlexNet, so fc6 does not change.

    `options` are those of `alexnet`.  Raises ValueError for a size at which fc6 would change.
    """
    if size % 32 >= 24:
        raise ValueError(
            f"without_overlap: size = {size}; pool5's maps would be wider than AlexNet's, which "
            f"fc6 expects; use another size, such as {size + 32 - size % 32}"
        )
    pooled = {"z": 2, "s": 2, "ceil_mode": True}
    changed = {"pool1": pooled, "pool2": pooled, "pool5": pooled}
    changed |= {"conv2": {"pad": 1}, "conv5": {"pad": 0}}
    layers = alexnet(ops, rng, size=size, **options)
    return [layer._replace(options=layer.options | changed.get(layer.name, {})) for layer in layers]


def alexnet_source(ops, rng, std=0.01, **options):
    """Return the layers of the original code's #145, whose runs gave the paper's numbers.

    Layer 1 normalizes signed numbers, then pools, and its ReLU comes last.  Normalization across
    maps divides alpha by n.  Layer 2 has a second normalization, within maps.  conv3, conv4 and
    conv5 start with three times the standard deviation of the others, and relu5 comes after pool5,
    which computes the same.

    `options` are those of `alexnet`.
    """
    layers = {layer.name: layer for layer in alexnet(ops, rng, std=std, **options)}
    for name in ("lrn1", "lrn2"):
        layers[name].options["alpha"] = 1e-4 / 5
    for name in ("conv3", "conv4", "conv5"):
        layers[name].params["w"] *= 3
    layers["map_lrn2"] = row("map_lrn2", ops, "map_lrn", n=5, alpha=1e-3)
    order = (
        "conv1 lrn1 pool1 relu1 conv2 relu2 lrn2 map_lrn2 pool2 conv3 relu3 conv4 relu4 "
        "conv5 pool5 relu5 fc6 relu6 dropout6 fc7 relu7 dropout7 fc8"
    )
    return [layers[name] for name in order.split()]


def pool5_size(size):
    """Return the width of pool5's maps: 224 → 55 → 27 → 13 → 6.  Raises ValueError below LEAST."""
    if size < LEAST:
        raise ValueError(
            f"alexnet: size = {size}; expected at least {LEAST}, for which pool5 has one pixel"
        )
    conv1 = out_size(size, f=11, stride=4, ceil_mode=True)
    pool1 = pool_size(conv1, z=3, s=2)
    pool2 = pool_size(pool1, z=3, s=2)
    return pool_size(pool2, z=3, s=2)
