"""VGG (Simonyan and Zisserman 2014): the six configurations of its Table 1, from 11 to 19 layers.

Where AlexNet has windows of 11×11 and 5×5, VGG stacks 3×3 on 3×3: two see 5×5 pixels and three see
7×7, with a ReLU after each, and with 27·C² weights for C maps instead of 49·C².

    block        1     2     3      4      5     then
    kernels      64    128   256    512    512
    pixels wide  224   112   56     28     14    7

Each digit in CONFIGURATIONS is a convolution and a ReLU: the digit is the width of the window, and
padding keeps the size of the maps.  n is a normalization with AlexNet's constants.  Each block ends
with a 2×2 pool.  Then come fc6, fc7 and fc8, the same in all six, with dropout after the first two.

                  A            B            C            D            E
    parameters    132,863,336  133,047,848  133,638,952  138,357,544  143,667,240
    top-5 error   10.4%        9.9%         9.4%         8.8%         9.0%

The errors are on the validation images of ILSVRC-2012, trained and tested at one scale of 256
pixels (the paper's Table 3).  A-LRN has A's parameters and an error of 10.5%: normalization does
not help.  C is B with three more 1×1 convolutions and their ReLUs, which help; D has 3×3 instead,
which help more.

Deep networks were hard to train from random weights, so the paper trained A first, and started B to
E from some of A's weights: `take_from_a`.  All were trained much as AlexNet was, in batches of 256.

    ops                the backend: minicnn.reference or minicnn.fast
    rng                the NumPy Generator for initial weights and, in training, for dropout; if it
                       is None, nothing is drawn and weights are 0, to be loaded later
    kernels            the number of kernels in the convolutions of each block
    hidden             the number of units in fc6 and in fc7
    size               the width and height of the images, at least 32
    dropout            the probability p that a unit of fc6 or fc7 is dropped
    init               "paper" or "glorot", see first_weights
    draw(K, C, f, f)   w for K kernels of C × f × f, and b for K biases; draw(K, D) for fc
    D                  the number of values per image that reach fc6
"""

import math

import numpy as np

from ..net import gaussian, parameters, row

CONFIGURATIONS = {
    "A": "     3   3    33    33    33",
    "A-LRN": " 3n  3    33    33    33",
    "B": "    33  33    33    33    33",
    "C": "    33  33   331   331   331",
    "D": "    33  33   333   333   333",
    "E": "    33  33  3333  3333  3333",
}
INITS = ("paper", "glorot")
LEAST = 32  # pixels
FROM_A = "conv1_1 conv2_1 conv3_1 conv3_2 fc6 fc7 fc8".split()


def vgg(
    configuration,
    ops,
    rng,
    classes=1000,
    *,
    kernels=(64, 128, 256, 512, 512),
    hidden=4096,
    size=224,
    init="paper",
    dropout=0.5,
    dtype=np.float32,
):
    """Return the layers of a configuration, for training (`net.predicting`: for test time).

    Raises ValueError for an unknown configuration or init, a size below 32, and kernels that are
    not 5 numbers.
    """
    if configuration not in CONFIGURATIONS:
        names = ", ".join(CONFIGURATIONS)
        raise ValueError(f"vgg: configuration is {configuration!r}; expected one of {names}")
    if len(kernels) != 5:
        raise ValueError(f"vgg: kernels has {len(kernels)} numbers; expected 5, one per block")
    if size < LEAST:
        raise ValueError(
            f"vgg: size = {size}; expected at least {LEAST}, for which pool5 has one pixel"
        )
    draw = first_weights(rng, init, dtype)

    layers, C = [], 3
    blocks = zip(CONFIGURATIONS[configuration].split(), kernels, strict=True)
    for block, (convolutions, K) in enumerate(blocks, start=1):
        for i, f in enumerate(convolutions, start=1):
            if f == "n":
                layers += [row(f"lrn{block}", ops, "lrn")]
                continue
            f = int(f)
            layers += [row(f"conv{block}_{i}", ops, "conv", draw(K, C, f, f), pad=f // 2)]
            layers += [row(f"relu{block}_{i}", ops, "relu")]
            C = K  # what the next convolution sees
        layers += [row(f"pool{block}", ops, "pool", z=2, s=2)]
    D = C * (size // 32) ** 2  # 512 · 7 · 7 = 25,088
    return [
        *layers,
        row("fc6", ops, "fc", draw(hidden, D)),
        row("relu6", ops, "relu"),
        row("dropout6", ops, "dropout", p=dropout, rng=rng),
        row("fc7", ops, "fc", draw(hidden, hidden)),
        row("relu7", ops, "relu"),
        row("dropout7", ops, "dropout", p=dropout, rng=rng),
        row("fc8", ops, "fc", draw(classes, hidden)),
    ]


def first_weights(rng, init, dtype=np.float32):
    """Return the function draw(K, C, f, f), which draws a layer's initial parameters.

    Weights are Gaussian with mean 0, and biases are 0.

    Parameters
    ----------
    init : str
        "paper": variance 0.01, so a standard deviation of 0.1, as Section 3.1 says of A and of the
        layers that are not taken from A.  "glorot": variance 2 / (inputs + outputs) of a unit
        (Glorot and Bengio 2010, who used a uniform distribution).  The paper adds that with
        "glorot" B to E need none of A's weights.

    Read literally, "paper" looks too large to learn from: activations grow from layer to layer, and
    for two photographs minus their mean A's initial scores were around 4·10⁷, D's around 10¹⁰; with
    "glorot" they are around 0.6 and 0.1.  Perhaps 0.01 was meant as the standard deviation, as in
    AlexNet.  Every layer's output is then ten times smaller, so A's scores, after 11 layers, are
    around 4·10⁻⁴, and D's, after 16, around 10⁻⁶.  That would fit the paper's report that A could
    start from random weights and deeper networks could not.

    Raises
    ------
    ValueError
        For an unknown init.
    """
    if init not in INITS:
        raise ValueError(f"vgg: init is {init!r}; expected one of {', '.join(INITS)}")

    def draw(*shape):
        places = math.prod(shape[2:])  # f·f; 1 in a fully connected layer
        inputs, outputs = places * shape[1], places * shape[0]
        std = 0.1 if init == "paper" else math.sqrt(2 / (inputs + outputs))
        return gaussian(rng, shape, std, bias=0, dtype=dtype)

    return draw


def take_from_a(layers, a):
    """Copy A's first four convolutions and its fully connected layers into B, C, D or E.

    The paper starts B to E this way (Section 3.1): these weights come from a trained A, and only
    the layers in between start from random weights.  A's first four convolutions are not the first
    four of B to E, whose second has another shape, but each has a counterpart of the same name and
    shape.

    Parameters
    ----------
    layers : list of Layer
        The network to initialize; its weights are overwritten.
    a : list of Layer
        A, trained, with the same kernels, hidden units, classes and size of images.

    Raises
    ------
    ValueError
        If one of these layers is missing or has another shape.  Nothing is copied in that case.
    """
    theirs, ours = parameters(a), parameters(layers)
    names = [f"{layer}.{letter}" for layer in FROM_A for letter in "wb"]
    for name in names:
        if name not in theirs or name not in ours:
            argument = "layers" if name in theirs else "a"
            raise ValueError(f"take_from_a: {argument} has no {name}; expected the layers of a VGG")
        if theirs[name].shape != ours[name].shape:
            raise ValueError(
                f"take_from_a: {name} is {theirs[name].shape} in a and {ours[name].shape} in "
                "layers; build both with the same kernels, hidden, classes and size"
            )
    for name in names:
        ours[name][...] = theirs[name]
