"""The options of `train`; training/recipes.py has what they are where nothing is said."""

from ..networks import catalogue, cifar, vgg
from .options import (
    add_data,
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
    """Return what an option of `train` is where it is not given, in words."""
    return catalogue.defaults(lambda network: network.recipe.get(option))


def add_options(one):
    """Add them to the parser: what is read, what the network sees, the network, how it learns."""
    one.add_argument(
        "network",
        nargs="?",
        choices=catalogue.NETWORKS,
        default="cifar-four-layer",
        metavar="NETWORK",
        help=f"one of {', '.join(catalogue.NETWORKS)} (default: cifar-four-layer)",
    )
    add_data(one, photos=True)
    images = one.add_argument_group("images")
    images.add_argument(
        "--size",
        type=whole,
        metavar="S",
        help="width and height of what the network sees: where images are larger, random patches "
        "of S×S pixels and their mirror images (default: what the network is made for, "
        f"{catalogue.defaults(lambda network: network.size)}, at most what the images have)",
    )
    images.add_argument(
        "--view",
        choices=("random", "central"),
        help="random: a patch from anywhere, mirrored half of the time (default where images are "
        "larger than S, or with --jitter or --colour-noise); central: always the one in the middle "
        "(default elsewhere)",
    )
    images.add_argument(
        "--jitter",
        type=whole,
        metavar="LEAST",
        help="rescale each image to a width drawn from LEAST to its own before the patch is cut "
        "(VGG: 256, on images prepared with --size 512)",
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
        help="what α is multiplied by: λ as in the paper (default), or √λ as in its code",
    )
    images.add_argument(
        "--input",
        choices=("raw", "unit"),
        help="raw: pixels 0 … 255 minus the mean image, as in the paper (default); "
        f"unit: also divided by their standard deviation (default: {default('input')})",
    )
    images.add_argument(
        "--workers",
        type=whole,
        default=1,
        metavar="N",
        help="threads that make the next batches meanwhile; they change no result (default: 1)",
    )
    network = one.add_argument_group(
        "network",
        "Kernels, units, first biases and the constants of normalization are the table's: "
        "`minicnn summary NETWORK` shows it.",
    )
    network.add_argument(
        "--nonlinearity",
        choices=cifar.NONLINEARITIES,
        help=f"of {' and '.join(catalogue.networks_with('nonlinearity'))} (default: relu)",
    )
    network.add_argument(
        "--init",
        choices=dict.fromkeys(cifar.INITS + vgg.INITS),
        help="first weights.  cifar-four…: N(0, 0.01²) as in the paper (default), as in "
        "cuda-convnet's files, or scaled by fan-in; vgg: glorot (default), or paper",
    )
    network.add_argument(
        "--std",
        type=not_negative,
        metavar="S",
        help="first weights of alexnet: N(0, S²) (default: 0.01, as in the paper)",
    )
    network.add_argument(
        "--bias",
        type=not_negative,
        metavar="B",
        help="first biases of alexnet in conv2, conv4, conv5, fc6 and fc7 (default: 1, as in the "
        "paper; 0 in the others)",
    )
    network.add_argument(
        "--dropout",
        type=below_one,
        metavar="P",
        help="chance that a unit is left out in training, where the network has dropout; "
        "prediction multiplies by 1 − P (default: 0.5)",
    )
    network.add_argument(
        "--init-from",
        metavar="CHECKPOINT",
        help="begin with the weights of a trained network, wherever a row has the same name and "
        "shape; the others are drawn as usual, and named",
    )
    training = one.add_argument_group("training")
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
        help=f"learning rate ε (default: {default('epsilon')}); with --resume, another one than "
        "the run's is a change by hand, and nothing keeps the run's",
    )
    training.add_argument(
        "--momentum", type=below_one, default=0.9, metavar="M", help="default: 0.9"
    )
    training.add_argument(
        "--decay",
        type=not_negative,
        default=0.0005,
        metavar="D",
        help="weight decay (default: 0.0005)",
    )
    training.add_argument(
        "--batch", type=whole, metavar="N", help=f"images a batch (default: {default('batch')})"
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
        "--divide-by", type=positive, metavar="F", help="divide ε by F (default: 10)"
    )
    training.add_argument(
        "--divide-times",
        type=whole,
        metavar="N",
        help="divide on stall at most N times (default: 3)",
    )
    training.add_argument(
        "--seed",
        type=whole_or_zero,
        default=0,
        metavar="N",
        help="of all random choices (default: 0)",
    )
    add_ops(one, tf32=True)
    add_gpus(one)
    add_out(one, "runs/train")
    one.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, with the same options; --epochs may be more, and where "
        "--epsilon and --divide-… are given, they hold for the epochs to come",
    )
