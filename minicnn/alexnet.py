"""AlexNet (Figure 2 and Section 3.5) as tables: in one column, in two, and for one GPU.

    alexnet       one column, groups=2 where Figure 2's columns do not talk    60,965,224 parameters
    two_columns   Figure 2 as drawn, with an exchange where they do            60,965,224 parameters
    one_gpu       the smaller network of footnote 2                            59,798,312 parameters

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
    rng                the numpy Generator for the first weights and, in training, for dropout
    kernels            how many kernels conv1 … conv5 have; with two columns or groups, even numbers
    hidden             how many units fc6 and fc7 have
    size               the width and height of the images, at least 64
    std                the standard deviation of the first weights
    draw(K, C, f, f)   w for K kernels of C × f × f, and b for K biases; draw(K, D) for fc
    D                  how many numbers of an image reach fc6
"""

import numpy as np

from .halves import in_columns, split_columns
from .net import gaussian, row
from .shapes import out_size, pool_size


def alexnet(
    ops,
    rng,
    classes=1000,
    kernels=(96, 256, 384, 384, 256),
    hidden=4096,
    size=224,
    groups=2,
    std=0.01,
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
        row("conv2", ops, "conv", draw(K2, K1 // groups, 5, 5, bias=1), pad=2, groups=groups),
        row("relu2", ops, "relu"),
        row("lrn2", ops, "lrn", groups=groups),
        row("pool2", ops, "pool", z=3, s=2),
        row("conv3", ops, "conv", draw(K3, K2, 3, 3, bias=0), pad=1),
        row("relu3", ops, "relu"),
        row("conv4", ops, "conv", draw(K4, K3 // groups, 3, 3, bias=1), pad=1, groups=groups),
        row("relu4", ops, "relu"),
        row("conv5", ops, "conv", draw(K5, K4 // groups, 3, 3, bias=1), pad=1, groups=groups),
        row("relu5", ops, "relu"),
        row("pool5", ops, "pool", z=3, s=2),
        row("fc6", ops, "fc", draw(hidden, D, bias=1)),
        row("relu6", ops, "relu"),
        row("dropout6", ops, "dropout", p=0.5, rng=rng),
        row("fc7", ops, "fc", draw(hidden, hidden, bias=1)),
        row("relu7", ops, "relu"),
        row("dropout7", ops, "dropout", p=0.5, rng=rng),
        row("fc8", ops, "fc", draw(classes, hidden, bias=0)),
    ]


def two_columns(
    ops,
    rng,
    classes=1000,
    kernels=(96, 256, 384, 384, 256),
    hidden=4096,
    size=224,
    std=0.01,
    dtype=np.float32,
):
    """Return the rows of Figure 2, for training: no groups, but each array split between columns.

    To train or predict with these rows, the backend is `halves.in_columns(ops)`.
    """

    def draw(*shape, bias):
        return split_columns(gaussian(rng, shape, std, bias, dtype))

    K1, K2, K3, K4, K5 = kernels
    D = K5 * pool5_size(size) ** 2
    two = in_columns(ops)
    return [
        row("both", two, "both"),
        row("conv1", two, "conv", draw(K1, 3, 11, 11, bias=0), stride=4, ceil_mode=True),
        row("relu1", two, "relu"),
        row("lrn1", two, "lrn"),
        row("pool1", two, "pool", z=3, s=2),
        row("conv2", two, "conv", draw(K2, K1 // 2, 5, 5, bias=1), pad=2),
        row("relu2", two, "relu"),
        row("lrn2", two, "lrn"),
        row("pool2", two, "pool", z=3, s=2),
        row("exchange3", two, "exchange"),
        row("conv3", two, "conv", draw(K3, K2, 3, 3, bias=0), pad=1),
        row("relu3", two, "relu"),
        row("conv4", two, "conv", draw(K4, K3 // 2, 3, 3, bias=1), pad=1),
        row("relu4", two, "relu"),
        row("conv5", two, "conv", draw(K5, K4 // 2, 3, 3, bias=1), pad=1),
        row("relu5", two, "relu"),
        row("pool5", two, "pool", z=3, s=2),
        row("exchange6", two, "exchange"),
        row("fc6", two, "fc", draw(hidden, D, bias=1)),
        row("relu6", two, "relu"),
        row("dropout6", two, "dropout", p=0.5, rng=rng),
        row("exchange7", two, "exchange"),
        row("fc7", two, "fc", draw(hidden, hidden, bias=1)),
        row("relu7", two, "relu"),
        row("dropout7", two, "dropout", p=0.5, rng=rng),
        row("exchange8", two, "exchange"),
        row("fc8", two, "fc", draw(classes, hidden, bias=0)),
        row("join", two, "join"),
    ]


def one_gpu(ops, rng, classes=1000, kernels=(48, 128, 192, 192, 256), **options):
    """Return the rows of the paper's network for one GPU, which shows what the second one gains.

    It has half the kernels in conv1 … conv4, but all of conv5 and of the fully connected layers, to
    keep about as many parameters.  So the comparison favours it, as footnote 2 says.

    `options` are those of `alexnet`.
    """
    return alexnet(ops, rng, classes, kernels, groups=1, **options)


def pool5_size(size):
    """Return the width of pool5's maps: 224 → 55 → 27 → 13 → 6."""
    conv1 = out_size(size, f=11, stride=4, ceil_mode=True)
    pool1 = pool_size(conv1, z=3, s=2)
    pool2 = pool_size(pool1, z=3, s=2)
    return pool_size(pool2, z=3, s=2)
