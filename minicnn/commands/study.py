"""python -m minicnn study: the sweep behind Figure 1."""

from ..backends import backend
from .options import add_gpus, add_ops, add_out, whole


def add(commands):
    one = commands.add_parser(
        "study",
        help="the sweep over learning rates behind Figure 1",
        description="Sweep ε for ReLU and tanh under different inputs, first weights, networks and "
        "numbers of images; write study.jsonl and study.png.  Hours on two cores with the full "
        "set.  The same command goes on where it was stopped.",
    )
    one.set_defaults(run=run)
    one.add_argument(
        "--data",
        default="cifar10",
        metavar="DIR",
        help="where the full CIFAR-10 is (default: cifar10, the one that was downloaded)",
    )
    one.add_argument(
        "--images",
        type=whole,
        metavar="N",
        help="only what needs at most N images; up to 5000 the bundled sample is enough",
    )
    add_ops(one)
    add_gpus(one)
    add_out(one, "runs/study")


def run(options):
    from ..experiments import figure1_sweep
    from ..networks import catalogue

    ops = catalogue.backend("cifar-four-layer", backend(options.ops, options.gpus))
    figure1_sweep.study(options.out, ops, options.data, options.images)
    print(figure1_sweep.report(options.out))
    print(f"Wrote {options.out}/study.jsonl and {options.out}/study.png")
    return 0
