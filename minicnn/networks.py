"""Every network by the name that commands know it by: NETWORKS["vgg-d"](ops, rng).

Those of PHOTOGRAPHS are made for images of 224×224 pixels in 1000 classes, those of CIFAR for
32×32 pixels, or patches of 24×24, in 10 classes; both take other sizes and numbers of classes.
Those of ELSEWHERE are for the weights of other libraries, and for images of one size.
"""

import inspect
from functools import partial

from . import alexnet, cifar, other_alexnets, vgg
from .halves import in_columns

PHOTOGRAPHS = {
    "alexnet": alexnet.alexnet,
    "alexnet-2gpu": alexnet.two_columns,
    "alexnet-1gpu": alexnet.one_gpu,
    "alexnet-6conv": alexnet.six_convolutions,
    "alexnet-no-conv3": partial(alexnet.without_conv, 3),
    "alexnet-no-conv4": partial(alexnet.without_conv, 4),
    "alexnet-no-lrn": alexnet.without_lrn,
    "alexnet-no-overlap": alexnet.without_overlap,
    "vgg-a": partial(vgg.vgg, "A"),
    "vgg-a-lrn": partial(vgg.vgg, "A-LRN"),
    "vgg-b": partial(vgg.vgg, "B"),
    "vgg-c": partial(vgg.vgg, "C"),
    "vgg-d": partial(vgg.vgg, "D"),
    "vgg-e": partial(vgg.vgg, "E"),
}
ELSEWHERE = {
    "caffe-alexnet": other_alexnets.caffe_alexnet,
    "caffenet": other_alexnets.caffenet,
    "torchvision-alexnet": other_alexnets.torchvision_alexnet,
}
CIFAR = {
    "cifar-four-layer": cifar.four_layer,
    "cifar-four-hidden-layer": cifar.four_hidden_layer,
    "cifar-80sec": cifar.layers_80sec,
    "cifar-19pct": cifar.layers_19pct,
    "cifar-alexnet": cifar.small_alexnet,
    "cifar-2gpu": cifar.two_columns,
    "cifar-1gpu": cifar.one_gpu,
}
TWO_COLUMNS = ("alexnet-2gpu", "cifar-2gpu")
PATCHES = ("cifar-alexnet", "cifar-2gpu", "cifar-1gpu")  # for 24×24 pixels of CIFAR's 32×32
NETWORKS = PHOTOGRAPHS | ELSEWHERE | CIFAR


def build(name, ops, rng, **options):
    """Return the rows of a network, for training (`net.predicting`: for test time).

    Parameters
    ----------
    name : str
        One of NETWORKS.
    ops : module
        The backend: minicnn.reference or minicnn.fast.
    rng : numpy Generator
        Draws the first weights and, in training, for dropout; None draws nothing, and weights are
        0: to measure a network, or for weights that come from elsewhere.
    **options
        Those of the network's function: classes, size, dtype, and what else it has.

    Raises
    ------
    ValueError
        For a name that is not there; the message lists all names.
    """
    return NETWORKS[known(name)](ops, rng, **options)


def build_described(about, ops, rng=None):
    """Return the rows of the network that a run's settings describe, or a file of weights.

    Parameters
    ----------
    about : dict
        network, classes and size, and nonlinearity and dropout where they are not the table's.
    ops, rng
        As in `build`.
    """
    name, given = about["network"], ("nonlinearity", "dropout")
    options = {option: about[option] for option in given if about.get(option) is not None}
    if known(name) not in ELSEWHERE:  # these have one size
        options["size"] = about["size"]
    return build(name, ops, rng, classes=len(about["classes"]), **options)


def check_options(name, options):
    """Raise ValueError if the network's function does not have all of these options."""
    has = set(inspect.signature(NETWORKS[known(name)]).parameters)
    if "options" in has:  # **options: those of AlexNet
        has |= set(inspect.signature(alexnet.alexnet).parameters)
    for option in options:
        if option not in has:
            raise ValueError(f"{name} has no option {option}; its table says what it is made of")


def image_size(name):
    """Return how many pixels wide and high the images are that the network is made for."""
    if known(name) in CIFAR:
        return 24 if name in PATCHES else 32
    return 227 if name in ("caffe-alexnet", "caffenet") else 224


def least_size(name):
    """Return how many pixels wide and high images must be at least, for the network to be built."""
    if known(name) in ELSEWHERE:
        return image_size(name)
    table = cifar if name in CIFAR else vgg if name.startswith("vgg") else alexnet
    return table.LEAST


def backend(name, ops):
    """Return the ops to train and to predict with; for two columns they are ops for pairs.

    Raises ValueError if a network of one column shall run on two GPUs.
    """
    if known(name) in TWO_COLUMNS:
        return in_columns(ops)
    if len(ops.columns.chosen) > 1:
        numbers = ",".join(map(str, ops.columns.chosen))
        raise ValueError(
            f"--gpus {numbers}: {name} has one column, which runs on one GPU; those of two are "
            f"{' and '.join(TWO_COLUMNS)}"
        )
    return ops


def known(name):
    """Return the name if it is a network's; raise ValueError if not."""
    if name not in NETWORKS:
        raise ValueError(f"no network is called {name!r}; there are {', '.join(NETWORKS)}")
    return name
