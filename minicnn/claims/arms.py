"""The arms: what each of them trains, and how.

    build      build(ops, rng) → the layers
    columns    how many columns they have
    size       the width of the images that they see; cut from the centre, or with `crops` at random
    epochs     the length of a run; with `until`, the most
    epsilon    the first ε to try: others follow in steps of a factor `step`, see driver.py
    step       2, or 10 for the grid of powers of ten; None: ε is the first one, without a search
    decay      the weight decay, one number or one for each layer
    bias       the learning rate of biases, as a multiple of ε
    crops      cut random patches, and mirror half of them
    noise      the standard deviation of the change of colours (Section 4.1)
    images     the number of training images; None: all
    classes    the only classes whose images are used, a slice; None: all
    starts     the arm whose network of the same seed gives the first weights, except those of the
               last layer; None: they are drawn
    divide     ε is divided by ten after each of these shares of the epochs
    until      the run ends at this training error
    input      "raw": pixels minus the mean image; "unit": divided by their deviation, too
    measures   what is measured at the end, beside the errors: names of functions in runs.py

"80sec" to "11pct" are cuda-convnet's networks, trained as their files say.
"""

from collections import namedtuple
from functools import partial

from ..net import row
from ..networks import catalogue, cifar, vgg

Arm = namedtuple(
    "Arm", "build columns size epochs epsilon step decay bias crops noise images classes starts "
    "divide until input measures",
)  # fmt: skip

FOUR_LAYER = Arm(
    build=cifar.four_layer, columns=1, size=32, epochs=30, epsilon=0.001, step=2, decay=0.0005,
    bias=1, crops=False, noise=0.0, images=None, classes=None, starts=None, divide=(0.8,),
    until=None, input="raw", measures=(),
)  # fmt: skip
PATCH = FOUR_LAYER._replace(build=partial(cifar.four_layer, size=24), size=24, epochs=40)
RACE = FOUR_LAYER._replace(epochs=60, decay=0.0, divide=(), until=0.25)
LOCAL = FOUR_LAYER._replace(
    build=cifar.local_11pct, size=24, epochs=60, bias=2, crops=True,
    decay={**catalogue.LOCALS, "fc10": 0.01},
)  # fmt: skip
SMALL_ALEXNET = FOUR_LAYER._replace(
    build=cifar.small_alexnet, size=24, epochs=20, epsilon=0.03, crops=True, input="unit"
)
TWO_COLUMNS = SMALL_ALEXNET._replace(build=cifar.two_columns, columns=2)
ONE_COLUMN = TWO_COLUMNS._replace(build=cifar.one_gpu, columns=1)
SMALL_VGG = FOUR_LAYER._replace(epochs=20, epsilon=0.01, input="unit")
HALF = FOUR_LAYER._replace(epochs=15, build=partial(cifar.four_layer, classes=5))


def with_normalization(ops, rng, **constants):
    """Return the four-layer network with LRN after its first two ReLUs."""
    layers = []
    for layer in cifar.four_layer(ops, rng):
        layers.append(layer)
        if layer.name in ("relu1", "relu2"):
            layers.append(row(f"lrn{layer.name[-1]}", ops, "lrn", **constants))
    return layers


def with_pools(ops, rng, z):
    """Return the four-layer network with pooling windows of z×z pixels and the same maps."""
    return [
        layer._replace(options={**layer.options, "z": z}) if "z" in layer.options else layer
        for layer in cifar.four_layer(ops, rng)
    ]


def with_hidden_layers(ops, rng, p):
    """Return the four-layer network with two hidden layers of 512 units, and dropout p if not 0."""
    *below, _ = cifar.four_layer(ops, rng)
    draw = cifar.first_weights(rng, "paper")
    layers, D = below, 64 * cifar.pooled(32, times=3) ** 2
    for number in (8, 9):
        layers += [
            row(f"fc{number}", ops, "fc", draw(512, D)),
            row(f"relu{number}", ops, "relu"),
            *([row(f"dropout{number}", ops, "dropout", p=p, rng=rng)] if p else []),
        ]
        D = 512
    return [*layers, row("fc10", ops, "fc", draw(10, D))]


def with_biases(ops, rng, bias):
    """Return the small AlexNet with these first biases where AlexNet has 1 (Section 5)."""
    layers = cifar.small_alexnet(ops, rng)
    for layer in layers:
        if layer.name in ("conv2", "conv4", "conv5", "fc6"):
            layer.params["b"][:] = bias
    return layers


def without(name, ops, rng):
    """Return the small AlexNet without conv3 or conv4; the next one takes that one's input."""
    kernels = [64, 96, 160, 160, 128]
    number = int(name[-1])
    kernels[number - 1] = kernels[number - 2]
    layers = cifar.small_alexnet(ops, rng, kernels=kernels)
    return [layer for layer in layers if layer.name not in (name, f"relu{number}")]


def small_vgg(ops, rng, configuration):
    """Return a configuration of VGG for 32×32 pixels, with a quarter of the kernels or fewer."""
    kernels = (16, 32, 64, 64, 64)
    return vgg.vgg(configuration, ops, rng, 10, kernels=kernels, hidden=128, size=32, init="glorot")


def shallow_vgg(ops, rng):
    """Return B with one 5×5 convolution instead of each pair of 3×3 (VGG's Section 2.3)."""
    draw, layers = vgg.first_weights(rng, "glorot"), []
    for layer in small_vgg(ops, rng, "B"):
        if layer.name.startswith("conv") and layer.name.endswith("_1"):
            K, C, _, _ = layer.params["w"].shape
            layer = row(layer.name, ops, "conv", draw(K, C, 5, 5), pad=2)
        if not layer.name.endswith("_2"):
            layers.append(layer)
    return layers


def as_its_file_says(name):
    """Return the arm that trains one of cuda-convnet's networks as its file says."""
    network = catalogue.find(name)
    recipe, epochs = network.recipe, network.recipe["epochs"]
    return FOUR_LAYER._replace(
        build=partial(network.build, size=network.size), size=network.size, epochs=epochs,
        epsilon=recipe["epsilon"], step=None, decay=recipe["decay"], bias=recipe["bias_epsilon"],
        crops=network.size < 32, divide=tuple(at / epochs for at in network.schedule["at"]),
    )  # fmt: skip


ARMS = {
    "four-layer": FOUR_LAYER._replace(measures=("probabilities",)),
    "four-layer-k-alone": FOUR_LAYER._replace(build=partial(with_normalization, alpha=0)),
    "four-layer-lrn": FOUR_LAYER._replace(build=with_normalization),
    "four-layer-2x2-pools": FOUR_LAYER._replace(build=partial(with_pools, z=2)),
    "four-layer-constant-epsilon": FOUR_LAYER._replace(divide=()),
    **{
        f"four-layer-decay-{decay:g}": FOUR_LAYER._replace(
            decay=decay, measures=("training_error_still",)
        )
        for decay in (0, 5e-5, 5e-4, 5e-3)
    },
    "four-layer-central": PATCH,
    "four-layer-crops": PATCH._replace(crops=True, measures=("ten_views",)),
    "four-layer-colours": PATCH._replace(crops=True, noise=0.1),
    "four-layer-hidden": FOUR_LAYER._replace(
        build=partial(with_hidden_layers, p=0), epochs=80, images=10_000, divide=()
    ),
    "four-layer-dropout": FOUR_LAYER._replace(
        build=partial(with_hidden_layers, p=0.5), epochs=80, images=10_000, divide=()
    ),
    **{
        f"race-{name}-{images // 1000}k": RACE._replace(
            build=partial(cifar.four_layer, nonlinearity=name), epsilon=epsilon, images=images
        )
        for images in (5_000, 10_000, 20_000, 50_000)
        for name, epsilon in (("relu", 0.002), ("tanh", 0.008))
    },
    **{
        f"race-{network}{name}-{grid}": RACE._replace(
            build=partial(build, nonlinearity=name), epsilon=epsilon, step=step
        )
        for network, build in (
            ("", cifar.four_layer),
            ("local-", partial(cifar.local_13pct, init="paper", size=32)),
        )
        for grid, step, guesses in (("twos", 2, (0.002, 0.008)), ("tens", 10, (0.001, 0.01)))
        for name, epsilon in zip(("relu", "tanh"), guesses, strict=True)
        if (network, grid) != ("", "twos")  # these are race-relu-50k and race-tanh-50k
    },  # fmt: skip
    "local-lrn": LOCAL,
    "local": LOCAL._replace(build=partial(cifar.local_11pct, normalized=False)),
    "race-logistic-50k": RACE._replace(
        build=partial(cifar.four_layer, nonlinearity="logistic"), epsilon=0.016, epochs=40
    ),
    "small-alexnet": SMALL_ALEXNET._replace(measures=("ten_views", "neighbours")),
    "small-alexnet-no-conv3": SMALL_ALEXNET._replace(build=partial(without, "conv3")),
    "small-alexnet-no-conv4": SMALL_ALEXNET._replace(build=partial(without, "conv4")),
    **{
        f"small-alexnet-bias-{bias:g}": SMALL_ALEXNET._replace(
            build=partial(with_biases, bias=bias), epochs=2, divide=()
        )
        for bias in (1, 0.1, 0)
    },
    "two-columns": TWO_COLUMNS,
    "one-column": ONE_COLUMN,
    "two-columns-small-weights": TWO_COLUMNS._replace(
        build=partial(cifar.two_columns, first_std=0.01), measures=("colours",)
    ),
    "small-vgg-a": SMALL_VGG._replace(build=partial(small_vgg, configuration="A")),
    "small-vgg-a-lrn": SMALL_VGG._replace(build=partial(small_vgg, configuration="A-LRN")),
    "small-vgg-b": SMALL_VGG._replace(build=partial(small_vgg, configuration="B")),
    "small-vgg-b-5x5": SMALL_VGG._replace(build=shallow_vgg),
    "four-layer-first-five": HALF._replace(classes=slice(0, 5)),
    "four-layer-last-five": HALF._replace(classes=slice(5, 10), images=500),
    "four-layer-tuned": HALF._replace(
        classes=slice(5, 10), images=500, starts="four-layer-first-five"
    ),
    **{name: as_its_file_says(f"cifar-{name}") for name in ("80sec", "18pct", "13pct", "11pct")},
}
