"""AlexNet (Figure 2 and Section 3.5) as tables: in one column, in two, and its relatives.

    alexnet             one column, groups=2 where Figure 2's do not talk    60,965,224 parameters
    two_columns         Figure 2 as drawn, with an exchange where they do    60,965,224
    one_gpu             the smaller network of footnote 2                    59,798,312
    six_convolutions    one more convolution, after pool5 (Section 6)        61,555,304
    without_conv        conv3 left out (Section 7); or conv4: 60,301,288     59,858,920
    without_lrn         no normalization (Section 3.3)                       60,965,224
    without_overlap     pools that do not overlap (Section 3.4)              60,965,224

The first two compute the same: from the same seed they draw the same weights and, without dropout,
give the same scores.  For images of 224 pixels the maps are 55, 27, 13 and 6 pixels wide.  conv1
needs ceil_mode for its 55: its last windows hang over the far edge by 3 pixels.  The eight layers
that learn have 659,272 outputs, the paper's "650,000 neurons".

First weights are N(0, 0.01²).  First biases are 1 in conv2, conv4, conv5, fc6 and fc7, so that
their ReLUs start with positive inputs, and 0 in the others (Section 5).  Dropout comes after fc6
and fc7 (Section 4.2).  The constants of the normalization (Section 3.3) are the defaults of lrn.

Where the original code of 2012 differs from the paper, these tables follow the paper.  The code has
0.03 for 0.01 in conv3, conv4 and conv5; in layer 1 it normalizes before the ReLU, which comes after
the pool; it divides alpha by n; and layer 2 has another normalization, over neighbouring pixels.
One thing is as in the code: normalization does not cross from column to column, as the paper's
formula, read literally, would.  In one column, lrn has groups=2 for that.

    ops                the backend: minicnn.reference or minicnn.fast
    rng                the numpy Generator for the first weights and, in training, for dropout;
                       None draws nothing: weights of 0, for weights that come from elsewhere
    kernels            how many kernels conv1 … conv5 have; with two columns or groups, even numbers
    hidden             how many units fc6 and fc7 have
    size               the width and height of the images, at least 64
    std                the standard deviation of the first weights
    bias               the first biases of conv2, conv4, conv5, fc6 and fc7
    dropout            the chance p with which a unit of fc6 or fc7 is left out (Section 4.2)
    draw(K, C, f, f)   w for K kernels of C × f × f, and b for K biases; draw(K, D) for fc
    D                  how many numbers of an image reach fc6
"""

import numpy as np

from ..net import gaussian, parameters, row
from ..shapes import out_size, pool_size
from ..two_columns import in_columns, split_columns

LEAST = 64  # pixels: then pool5 has one


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
    """Return the rows of AlexNet in one column, for training (`net.predicting`: for test time)."""

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
    """Return the rows of Figure 2, for training: no groups, but each array split between columns.

    To train or predict with these rows, the backend is `two_columns.in_columns(ops)`.

    exchanges names the rows before which the columns talk to each other.  The authors tried less of
    it, without conv3, and more, with conv2, conv4 and conv5 too, where every row sees all channels.
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
    """Return the rows of the paper's network for one GPU, which shows what the second one gains.

    It has half the kernels in conv1 … conv4, but all of conv5 and of the fully connected layers, to
    keep about as many parameters.  So the comparison favours it, as footnote 2 says.

    `options` are those of `alexnet`.
    """
    return alexnet(ops, rng, classes, kernels=kernels, groups=1, **options)


def six_convolutions(ops, rng, std=0.01, bias=1, **options):
    """Return the rows with a sixth convolution on pool5's maps, which keep their number and size.

    The paper says no more of it than that.  3×3 windows, no groups and first biases of 1 are from
    the original code, where a comment finds such a network to overfit on ILSVRC-2012 alone.
    Trained on the 15 million images of ImageNet's Fall 2011 release first, and on ILSVRC-2012 then,
    it has errors of 39.0% and 16.6% (top-1, top-5; Table 2), where AlexNet has 40.7% and 18.2%.

    `options` are those of `alexnet`.  The fully connected rows keep their names.
    """
    layers = alexnet(ops, rng, std=std, bias=bias, **options)
    conv5 = parameters(layers)["conv5.w"]
    K, dtype = len(conv5), conv5.dtype
    conv6 = gaussian(rng, (K, K, 3, 3), std, bias, dtype)
    sixth = [row("conv6", ops, "conv", conv6, pad=1), row("relu_conv6", ops, "relu")]
    fc6 = [layer.name for layer in layers].index("fc6")
    return layers[:fc6] + sixth + layers[fc6:]


def without_conv(number, ops, rng, kernels=(96, 256, 384, 384, 256), **options):
    """Return the rows without conv3, or without conv4, and its ReLU; the next one takes its place.

    Without any one of the middle layers, the paper says, the error is about 2% higher (top-1).
    Without conv3 the columns do not talk before fc6, which is a second difference.  The original
    code has no such network.

    `options` are those of `alexnet`.  Raises ValueError for another number than 3 or 4: conv1 and
    conv2 have a pool and a normalization of their own, and fc6 has the weights for conv5's maps.
    """
    if number not in (3, 4):
        raise ValueError(f"without_conv: number is {number!r}; expected 3 or 4")
    kernels = list(kernels)
    kernels[number - 1] = kernels[number - 2]  # what comes next sees what came before
    layers = alexnet(ops, rng, kernels=kernels, **options)
    return [layer for layer in layers if layer.name not in (f"conv{number}", f"relu{number}")]


def without_lrn(ops, rng, **options):
    """Return the rows without lrn1 and lrn2.

    The paper finds errors 1.4% and 1.2% higher (top-1, top-5).  `options` are those of `alexnet`.
    """
    layers = alexnet(ops, rng, **options)
    return [layer for layer in layers if layer.name not in ("lrn1", "lrn2")]


def without_overlap(ops, rng, size=224, **options):
    """Return the rows with pools of 2×2 pixels, 2 apart, in the place of 3×3.

    The paper finds errors 0.4% and 0.3% higher (top-1, top-5).  As in the original code, the pools
    round up, conv2 has 1 pixel of padding in the place of 2, and conv5 none: the maps are 55, 28,
    26, 13, 11 and, as in AlexNet, 6 pixels wide in the end, so fc6 stays what it was.

    `options` are those of `alexnet`.  Raises ValueError for a size at which fc6 would not.
    """
    if size % 32 >= 24:
        raise ValueError(
            f"without_overlap: size = {size}; there pool5's maps are wider than AlexNet's, which "
            f"fc6 expects; use another size, such as {size + 32 - size % 32}"
        )
    pooled = {"z": 2, "s": 2, "ceil_mode": True}
    changed = {"pool1": pooled, "pool2": pooled, "pool5": pooled}
    changed |= {"conv2": {"pad": 1}, "conv5": {"pad": 0}}
    layers = alexnet(ops, rng, size=size, **options)
    return [layer._replace(options=layer.options | changed.get(layer.name, {})) for layer in layers]


def pool5_size(size):
    """Return the width of pool5's maps: 224 → 55 → 27 → 13 → 6.  Raises ValueError below LEAST."""
    if size < LEAST:
        raise ValueError(
            f"alexnet: size = {size}; expected at least {LEAST}, of which pool5 leaves one pixel"
        )
    conv1 = out_size(size, f=11, stride=4, ceil_mode=True)
    pool1 = pool_size(conv1, z=3, s=2)
    pool2 = pool_size(pool1, z=3, s=2)
    return pool_size(pool2, z=3, s=2)
