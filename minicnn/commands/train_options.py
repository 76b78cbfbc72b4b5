"""The options of `train`.  Defaults that depend on the network are in networks/catalogue.py."""

from ..networks import catalogue, cifar, vgg
from .options import (
    above_one,
    add_data,
    add_emulate,
    add_gpus,
    add_ops,
    add_out,
    below_one,
    not_negative,
    positive,
    whole,
    whole_or_zero,
)


def default(option):
    """Return the defaults of an option for all networks, as a text."""
    return catalogue.defaults(lambda network: network.recipe.get(option))


def add_options(command):
    """Add the options: the data, the network's input, the network, and how it is trained."""
    command.add_argument(
        "network",
        nargs="?",
        choices=catalogue.NETWORKS,
        default="cifar-four-layer",
        metavar="NETWORK",
        help=f"one of {', '.join(catalogue.NETWORKS)} (default: cifar-four-layer)",
    )
    add_data(command, photos=True)
    images = command.add_argument_group("images")
    images.add_argument(
        "--size",
        type=whole,
        metavar="S",
        help="width and height of the network's input; larger images are cut into random patches "
        "of S×S pixels, half of them mirrored (default: the size that the network is made for, "
        f"{catalogue.defaults(lambda network: network.size)}, or that of smaller images)",
    )
    images.add_argument(
        "--view",
        choices=("random", "central"),
        help="random: a patch at a random position, mirrored half of the time (default if images "
        "are larger than S, or with --jitter or --colour-noise); central: always the central patch "
        "(default otherwise)",
    )
    images.add_argument(
        "--jitter",
        type=whole,
        metavar="LEAST",
        help="before cutting a patch, rescale the image to a random width between LEAST and its "
        "own (VGG: 256, on images prepared with --size 512)",
    )
    images.add_argument(
        "--colour-noise",
        type=not_negative,
        metavar="SIGMA",
        help="change colours along their principal components, with α ~ N(0, SIGMA²) (default: "
        f"{default('colour_noise')})",
    )
    images.add_argument(
        "--colour-magnitude",
        choices=("eigenvalues", "deviations"),
        default="eigenvalues",
        help="multiply α by λ as in the paper (default), or by √λ as in its code",
    )
    images.add_argument(
        "--input",
        choices=("raw", "unit"),
        help="raw: pixels 0 … 255 minus the mean image, as in the paper; "
        f"unit: also divided by their standard deviation (default: {default('input')})",
    )
    images.add_argument(
        "--workers",
        type=whole,
        default=1,
        metavar="N",
        help="threads that prepare the next batches; they do not change the result (default: 1)",
    )
    network = command.add_argument_group(
        "network",
        "The network's table sets its kernels, units, initial biases and the constants of its "
        "normalization; `minicnn summary NETWORK` prints it.",
    )
    network.add_argument(
        "--nonlinearity",
        choices=cifar.NONLINEARITIES,
        help=f"for {' and '.join(catalogue.networks_with('nonlinearity'))} (default: relu)",
    )
    network.add_argument(
        "--init",
        choices=dict.fromkeys(cifar.INITS + vgg.INITS),
        help="initial weights.  cifar-four…: N(0, 0.01²) as in the paper (default), as in "
        "cuda-convnet's files, or scaled by fan-in; vgg: glorot (default), or paper",
    )
    network.add_argument(
        "--std",
        type=not_negative,
        metavar="S",
        help="initial weights of alexnet: N(0, S²) (default: 0.01, as in the paper)",
    )
    network.add_argument(
        "--bias",
        type=not_negative,
        metavar="B",
        help="initial biases of alexnet in conv2, conv4, conv5, fc6 and fc7 (default: 1, as in the "
        "paper); the others are 0",
    )
    network.add_argument(
        "--dropout",
        type=below_one,
        metavar="P",
        help="probability that a unit is dropped in training, if the network has dropout; "
        "prediction multiplies by 1 − P (default: 0.5)",
    )
    network.add_argument(
        "--init-from",
        metavar="CHECKPOINT",
        help="start from the weights of a trained network, for every layer of the same name and "
        "shape; the other layers are drawn as usual, and listed",
    )
    training = command.add_argument_group("training")
    training.add_argument(
        "--epochs",
        type=whole,
        metavar="N",
        help=f"default: {default('epochs')}",
    )
    training.add_argument(
        "--epsilon",
        type=positive,
        metavar="E",
        help=f"learning rate ε (default: {default('epsilon')}); with --resume, another value "
        "changes ε by hand (default: the run's)",
    )
    training.add_argument(
        "--momentum", type=below_one, default=0.9, metavar="M", help="default: 0.9"
    )
    training.add_argument(
        "--decay",
        type=not_negative,
        metavar="D",
        help="weight decay (default: 0.0005; cuda-convnet's networks have a number for each layer)",
    )
    training.add_argument(
        "--bias-epsilon",
        type=not_negative,
        metavar="F",
        help=f"learning rate of biases, as a multiple of ε (default: {default('bias_epsilon')})",
    )
    training.add_argument(
        "--batch", type=whole, metavar="N", help=f"images per batch (default: {default('batch')})"
    )
    schedule = training.add_mutually_exclusive_group()
    schedule.add_argument(
        "--divide-at", type=whole, nargs="+", metavar="EPOCH", help="divide ε after these epochs"
    )
    schedule.add_argument(
        "--divide-on-stall",
        type=whole,
        metavar="N",
        help="divide ε when the validation error has not improved in N epochs (default: "
        f"{catalogue.defaults(lambda network: network.schedule.get('stall', 'never'))})",
    )
    training.add_argument(
        "--divide-by", type=above_one, metavar="F", help="divide ε by F (default: 10)"
    )
    training.add_argument(
        "--divide-times",
        type=whole,
        metavar="N",
        help="with --divide-on-stall: divide at most N times (default: 3)",
    )
    training.add_argument(
        "--seed",
        type=whole_or_zero,
        default=0,
        metavar="N",
        help="seed of all random choices (default: 0)",
    )
    machines = command.add_argument_group(
        "several machines", "mpiexec -n 4 python -m mpi4py -m minicnn train … --shards 8"
    )
    machines.add_argument(
        "--shards",
        type=whole,
        metavar="S",
        help="cut each batch into S parts, which up to S ranks share; the result depends on S, but "
        "not on the number of ranks (default: the number of ranks, which is 1 without MPI)",
    )
    machines.add_argument(
        "--parallel",
        choices=("data", "columns", "hybrid"),
        default="data",
        help="what the ranks share: the images of a batch (default); the two columns of "
        f"{' or '.join(catalogue.two_columns())}, with the same result; or, as in Krizhevsky's "
        "hybrid of 2014, the images in convolutions and the units in fully connected layers, a run "
        "of its own",
    )
    machines.add_argument(
        "--time-limit",
        type=positive,
        default=600,
        metavar="SECONDS",
        help="end the job if a rank waits so long for the others (default: 600)",
    )
    add_ops(command, tf32=True)
    add_gpus(command)
    add_emulate(command)
    add_out(command, "runs/train")
    command.add_argument(
        "--resume",
        action="store_true",
        help="resume the run in --out, with the same options; --epochs may be larger, and "
        "--epsilon and --divide-… apply to the epochs to come",
    )
