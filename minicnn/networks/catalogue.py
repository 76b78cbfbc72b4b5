"""The catalogue of networks: one row each, with all that the commands know about the network.

    build(NAME, ops, rng)          the layers of a network, for training
    NETWORKS[NAME]                 its row, a Network:

    build          build(ops, rng, **options) → layers; its table
    size           the width and height in pixels of the images that it is designed for
    least          the smallest size that it can be built for; if there is only one, least = size
    width          the width and height of the images that patches of that size are cut from
    classes        the default number of classes
    columns        1, or 2 for the paper's Figure 2
    in_one_column  for two columns: the network that computes the same in one, or None
    recipe         the default options of `train`
    schedule       when ε is divided in training, as a plan of training/schedules.py
    begins_with    the network whose weights it can start from, and the layers that it copies
    torchvision    whether torchvision has this network, so that weights can be exchanged
    batch          images per batch of `bench`

To add a network, write its table in a module beside this one, and one row here.  A table takes ops,
rng, classes and, unless the network has a single size, size; `**options` are those of alexnet.  A
recipe has all the keys of PAPER.
"""

import inspect
import math
from collections import Counter, namedtuple
from functools import partial

from ..checks import check_between, check_number, check_whole
from ..storage import list_of, number, optional, text, whole, wrong_fact
from ..two_columns import in_columns
from . import alexnet, cifar, other_alexnets, vgg

Network = namedtuple(
    "Network",
    "build size least width classes recipe schedule batch columns in_one_column begins_with "
    "torchvision",
    defaults=(1, None, (None, ()), False),
)

# Section 5 of the AlexNet paper.  There ε falls "when the validation error rate stopped improving
# with the current learning rate"; the paper does not say after how many epochs.
PAPER = {"epochs": 90, "epsilon": 0.01, "batch": 128, "input": "raw", "colour_noise": 0.1}
PAPER |= {"decay": 0.0005, "bias_epsilon": 1}
ON_STALL = {"stall": 5, "by": 10, "times": 3}
SMALL = {**PAPER, "epochs": 20, "epsilon": 0.001, "colour_noise": 0.0}

ALEXNET = Network(alexnet.alexnet, 224, alexnet.LEAST, 256, 1000, PAPER, ON_STALL, batch=32)
VGG = ALEXNET._replace(
    least=vgg.LEAST, recipe={**PAPER, "epochs": 74, "batch": 256, "init": "glorot"}
)
DEEPER = VGG._replace(begins_with=("vgg-a", vgg.FROM_A))
CIFAR = Network(cifar.four_layer, 32, cifar.LEAST, 32, 10, SMALL, {}, batch=128)
LOCAL = CIFAR._replace(size=24)


def cuda_convnet(epochs, at, **decay):
    """Return the recipe and the schedule of one of cuda-convnet's networks of 2011.

    Biases learn twice as fast as weights.  ε falls to a tenth after the epochs `at`.
    """
    recipe = {**SMALL, "epochs": epochs, "decay": decay, "bias_epsilon": 2}
    return {"recipe": recipe, "schedule": {"at": at, "by": 10}}


CONVOLUTIONS = {"conv1": 0.004, "conv2": 0.004, "conv3": 0.004}
LOCALS = {"conv1": 0, "conv2": 0, "local3": 0.004, "local4": 0.004}
PATCHES = CIFAR._replace(  # their initial weights are scaled by fan-in
    size=24, recipe={**SMALL, "epsilon": 0.03, "input": "unit"}
)

NETWORKS = {
    "alexnet": ALEXNET,
    "alexnet-2gpu": ALEXNET._replace(build=alexnet.two_columns, columns=2, in_one_column="alexnet"),
    "alexnet-1gpu": ALEXNET._replace(build=alexnet.one_gpu),
    "alexnet-6conv": ALEXNET._replace(build=alexnet.six_convolutions),
    "alexnet-no-conv3": ALEXNET._replace(build=partial(alexnet.without_conv, 3)),
    "alexnet-no-conv4": ALEXNET._replace(build=partial(alexnet.without_conv, 4)),
    "alexnet-no-lrn": ALEXNET._replace(build=alexnet.without_lrn),
    "alexnet-no-overlap": ALEXNET._replace(build=alexnet.without_overlap),
    "alexnet-source": ALEXNET._replace(
        build=alexnet.alexnet_source, recipe={**PAPER, "bias_epsilon": 2}
    ),
    "vgg-a": VGG._replace(build=partial(vgg.vgg, "A"), torchvision=True),
    "vgg-a-lrn": VGG._replace(build=partial(vgg.vgg, "A-LRN")),
    "vgg-b": DEEPER._replace(build=partial(vgg.vgg, "B"), torchvision=True),
    "vgg-c": DEEPER._replace(build=partial(vgg.vgg, "C")),
    "vgg-d": DEEPER._replace(build=partial(vgg.vgg, "D"), torchvision=True),
    "vgg-e": DEEPER._replace(build=partial(vgg.vgg, "E"), torchvision=True),
    "caffe-alexnet": ALEXNET._replace(build=other_alexnets.caffe_alexnet, size=227, least=227),
    "caffenet": ALEXNET._replace(build=other_alexnets.caffenet, size=227, least=227),
    "torchvision-alexnet": ALEXNET._replace(
        build=other_alexnets.torchvision_alexnet, least=224, torchvision=True
    ),
    "cifar-four-layer": CIFAR,
    "cifar-four-hidden-layer": CIFAR._replace(build=cifar.four_hidden_layer),
    "cifar-80sec": CIFAR._replace(
        build=cifar.layers_80sec, **cuda_convnet(10, [8], **CONVOLUTIONS, fc64=0.03, fc10=0.03)
    ),
    "cifar-19pct": CIFAR._replace(
        build=cifar.layers_19pct, **cuda_convnet(140, [120, 130], **CONVOLUTIONS, fc10=3)
    ),
    "cifar-18pct": CIFAR._replace(
        build=cifar.layers_18pct, **cuda_convnet(140, [120, 130], **CONVOLUTIONS, fc10=1)
    ),
    "cifar-13pct": LOCAL._replace(
        build=cifar.local_13pct, **cuda_convnet(160, [140, 150], **LOCALS, fc10=0.004)
    ),
    "cifar-11pct": LOCAL._replace(
        build=cifar.local_11pct, **cuda_convnet(520, [500, 510], **LOCALS, fc10=0.01)
    ),
    "cifar-alexnet": PATCHES._replace(
        build=cifar.small_alexnet, recipe={**PATCHES.recipe, "epochs": 38}
    ),
    "cifar-2gpu": PATCHES._replace(build=cifar.two_columns, columns=2),
    "cifar-1gpu": PATCHES._replace(build=cifar.one_gpu),
}


def check_kernels(network, option, value):
    """Return value as a tuple; it has numbers of kernels."""
    if not isinstance(value, tuple | list):
        raise TypeError(f"{network}: {option} = {value!r:.80}; expected several numbers")
    return tuple(check_whole(network, option, number, 1) for number in value)


MOST_PIXELS, MOST_CLASSES = 4096, 1_000_000
CHECKS = {  # of the options of the networks' functions: check(network, option, value) → value
    "classes": partial(check_whole, least=1, most=MOST_CLASSES),
    "size": partial(check_whole, least=1, most=MOST_PIXELS),
    "hidden": partial(check_whole, least=1),
    "kernels": check_kernels,
    "std": check_between,
    "bias": check_number,
    "dropout": partial(check_between, below=1),
}
DESCRIPTION = {  # what the settings of a run, or a file of weights, say about their network
    "network": text(NETWORKS),
    "classes": list_of(text(), least=1),
    "size": whole(1, MOST_PIXELS),
    "test_width": optional(whole(1, MOST_PIXELS)),
    "nonlinearity": optional(text(cifar.NONLINEARITIES)),
    "dropout": optional(number(0, math.nextafter(1, 0))),
}


def find(name):
    """Return the row of a network in the catalogue.

    Raises ValueError for an unknown name; the message lists all names.
    """
    if name not in list(NETWORKS):  # a list: the name may be of any type
        raise ValueError(f"no network is called {name!r}; there are {', '.join(NETWORKS)}")
    return NETWORKS[name]


def build(name, ops, rng, **options):
    """Return the layers of a network, for training (`net.predicting`: for test time).

    Parameters
    ----------
    name : str
        One of NETWORKS.
    ops : module
        The backend, such as minicnn.fast.
    rng : numpy Generator
        Draws the initial weights and, in training, for dropout.  If it is None, nothing is drawn
        and weights are 0: to measure a network, or to load its weights later.
    **options
        Those of the network's function: classes, size, dtype and others.

    Raises
    ------
    ValueError
        For an unknown name; the message lists all names.  For an option that makes no sense.
    """
    network, given = find(name), {}
    for option, value in options.items():
        check = CHECKS.get(option, lambda who, option, value: value)
        given[option] = check(name, option, value)
    return network.build(ops, rng, **given)


def build_described(about, ops, rng=None):
    """Return the layers of the network that the settings of a run or of a file of weights describe.

    Parameters
    ----------
    about : dict
        network, classes and size, and nonlinearity and dropout if they differ from the table's.
    ops, rng
        As in `build`.
    """
    name, optional = about["network"], ("nonlinearity", "dropout")
    options = {option: about[option] for option in optional if about.get(option) is not None}
    options |= size_option(name, about["size"])
    return build(name, ops, rng, classes=len(about["classes"]), **options)


def wrong_description(about):
    """Return why `build_described` cannot build this network, in words, or "".

    Parameters
    ----------
    about : value
        From a file, so it may be anything.
    """
    wrong = wrong_fact(about, DESCRIPTION, lacking=("test_width", "nonlinearity", "dropout"))
    if wrong:
        return wrong
    name, network, size = about["network"], find(about["network"]), about["size"]
    for option in ("nonlinearity", "dropout"):
        if about.get(option) is not None and option not in options_of(name):
            return f"it has {option}, which {name} does not take"
    if size < network.least or (network.least == network.size != size):
        return f"size is {size}, for which {name} cannot be built"
    return ""


def size_option(name, size):
    """Return the option that builds a network for this size: {} if it has only one."""
    return {"size": size} if find(name).least < find(name).size else {}


def options_of(name):
    """Return the names of the options that the network's function takes."""
    names = set(inspect.signature(find(name).build).parameters)
    if "options" in names:  # **options: those of AlexNet
        names |= set(inspect.signature(alexnet.alexnet).parameters)
    return names


def networks_with(option):
    """Return the names of the networks whose functions take this option."""
    return [name for name in NETWORKS if option in options_of(name)]


def check_options(name, options):
    """Raise ValueError if the network's function does not take all of these options."""
    for option in options:
        if option not in options_of(name):
            raise ValueError(f"{name} has no option {option}; its table fixes or omits it")


def defaults(fact):
    """Return the defaults of all networks as a text: "90, 74 for vgg-…, 38 for cifar-alexnet".

    Parameters
    ----------
    fact : function
        fact(network) returns the value for a row of NETWORKS, or None if it has none.
    """
    values = {name: fact(network) for name, network in NETWORKS.items()}
    default = most_common(values.values())
    exceptions = {}
    for family in dict.fromkeys(name.split("-")[0] for name in NETWORKS):
        members = [name for name in NETWORKS if name.split("-")[0] == family]
        common = most_common(values[name] for name in members)
        if common != default:
            name = f"{family}-…" if len(members) > 1 else members[0]
            exceptions.setdefault(common, []).append(name)
        for name in members:
            if values[name] != common:
                exceptions.setdefault(values[name], []).append(name)
    parts = [f"{value} for {', '.join(names)}" for value, names in exceptions.items()]
    return ", ".join([str(default), *parts])


def most_common(values):
    """Return the most frequent value; of several, the first."""
    return Counter(values).most_common(1)[0][0]


def backend(name, ops):
    """Return the backend to train and predict with: for two columns, in_columns(ops).

    Raises ValueError if two GPUs were chosen for a network of one column.
    """
    if find(name).columns == 2:
        return in_columns(ops)
    if len(ops.columns.chosen()) > 1:
        numbers = ",".join(map(str, ops.columns.chosen()))
        raise ValueError(
            f"--gpus {numbers}: {name} has one column, which runs on one GPU; "
            f"{' and '.join(two_columns())} have two"
        )
    return ops


def two_columns():
    """Return the names of the networks of two columns."""
    return [name for name, network in NETWORKS.items() if network.columns == 2]
