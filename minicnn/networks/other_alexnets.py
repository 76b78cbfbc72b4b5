"""What other libraries call AlexNet, as tables: for weights that were trained there.

    caffe_alexnet         Caffe's bvlc_alexnet: the paper's, except for the   60,965,224 parameters
                          constants of the normalization
    caffenet              Caffe's bvlc_reference_caffenet: pools before it    60,965,224 parameters
                          normalizes, which is a DIFFERENT network
    torchvision_alexnet   torchvision's alexnet: a DIFFERENT network again,   61,100,840 parameters
                          in one column, without normalization

The parameters of the first two have the same names and shapes.  Each network runs with the weights
of the other, but its scores are then wrong.

Here these networks follow the conventions of all others: images are red, green and blue, 0 … 255
minus a mean, and dropout is the paper's, which multiplies by 1 − p in prediction.  torchvision also
divides images by their standard deviation, and multiplies by nothing in prediction because it
divides by 1 − p in training.  `exchange.load` changes the weights so that the scores are the same;
weights/conventions.py explains how, for Caffe too.

These tables are for existing weights.  Initial weights are drawn as in alexnet.py, with biases of 0
in torchvision_alexnet; the two libraries draw theirs differently.

    ops, rng, classes, kernels, hidden, std, dropout, dtype     as in alexnet.py
"""

import numpy as np

from ..net import gaussian, row
from .alexnet import alexnet


def caffe_alexnet(ops, rng, **options):
    """Return the layers of Caffe's bvlc_alexnet, for images of 227 pixels.

    It differs from the paper in three points.  Images have 227 pixels, so 55 windows fit exactly,
    without ceil_mode.  Normalization has k = 1, and divides alpha = 1e-4 by n = 5, so alpha is 2e-5
    here.  Normalization also covers all channels, because Caffe has no two columns, although conv2,
    conv4 and conv5 keep their groups.

    `options` are those of `alexnet`, except size and groups.
    """
    return [
        row(layer.name, ops, "lrn", k=1, n=5, alpha=1e-4 / 5, beta=0.75)
        if layer.forward is ops.lrn_forward
        else layer
        for layer in alexnet(ops, rng, size=227, **options)
    ]


def caffenet(ops, rng, **options):
    """Return the layers of Caffe's bvlc_reference_caffenet: pools and lrn are swapped.

    Normalization then has only a quarter of the values to process.
    """
    layers = {layer.name: layer for layer in caffe_alexnet(ops, rng, **options)}
    swapped = {"lrn1": "pool1", "pool1": "lrn1", "lrn2": "pool2", "pool2": "lrn2"}
    return [layers[swapped.get(name, name)] for name in layers]


def torchvision_alexnet(
    ops,
    rng,
    classes=1000,
    kernels=(64, 192, 384, 256, 256),
    hidden=4096,
    std=0.01,
    dropout=0.5,
    dtype=np.float32,
):
    """Return the layers of torchvision's alexnet, for images of 224 pixels.

    It is the network of Krizhevsky's "One weird trick for parallelizing convolutional neural
    networks" (2014) without its normalization.  It has no groups and other numbers of kernels.  No
    window extends past the edge, because conv1 has 2 pixels of padding: 1 + ⌊(224 + 4 − 11) / 4⌋ =
    55.  Dropout comes before fc6 and fc7, not after them.  torchvision averages pool5 to 6 × 6
    pixels; for images of this size it has 6 × 6 already, so no layer is needed for that.
    """

    def draw(*shape):
        return gaussian(rng, shape, std, 0, dtype)

    K1, K2, K3, K4, K5 = kernels
    return [
        row("conv1", ops, "conv", draw(K1, 3, 11, 11), stride=4, pad=2),
        row("relu1", ops, "relu"),
        row("pool1", ops, "pool", z=3, s=2),
        row("conv2", ops, "conv", draw(K2, K1, 5, 5), pad=2),
        row("relu2", ops, "relu"),
        row("pool2", ops, "pool", z=3, s=2),
        row("conv3", ops, "conv", draw(K3, K2, 3, 3), pad=1),
        row("relu3", ops, "relu"),
        row("conv4", ops, "conv", draw(K4, K3, 3, 3), pad=1),
        row("relu4", ops, "relu"),
        row("conv5", ops, "conv", draw(K5, K4, 3, 3), pad=1),
        row("relu5", ops, "relu"),
        row("pool5", ops, "pool", z=3, s=2),
        row("dropout5", ops, "dropout", p=dropout, rng=rng),
        row("fc6", ops, "fc", draw(hidden, K5 * 6 * 6)),
        row("relu6", ops, "relu"),
        row("dropout6", ops, "dropout", p=dropout, rng=rng),
        row("fc7", ops, "fc", draw(hidden, hidden)),
        row("relu7", ops, "relu"),
        row("fc8", ops, "fc", draw(classes, hidden)),
    ]
