"""python -m minicnn study: the sweep behind Figure 1."""

from ..backends import backend
from .options import add_gpus, add_ops, add_out, add_share, whole


def add(commands):
    command = commands.add_parser(
        "study",
        help="the sweep over learning rates behind Figure 1",
        description="Sweep ε for ReLU and tanh with several inputs, initial weights, networks and "
        "numbers of images; write study.jsonl and study.png.  This takes hours on two cores with "
        "the full CIFAR-10.  The same command resumes a sweep that was stopped.",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "--data",
        default="cifar10",
        metavar="DIR",
        help="folder of the full CIFAR-10 (default: cifar10, as `minicnn download` has put it)",
    )
    command.add_argument(
        "--images",
        type=whole,
        metavar="N",
        help="only trials that need at most N images; up to 5000 the bundled sample is enough",
    )
    add_share(command, "cells of the table")
    add_ops(command)
    add_gpus(command)
    add_out(command, "runs/study")


def run(options):
    from ..experiments import figure1_sweep
    from ..networks import catalogue

    ops = catalogue.backend("cifar-four-layer", backend(options.ops, options.gpus))
    figure1_sweep.study(options.out, ops, options.data, options.images, share=options.share)
    print(figure1_sweep.report(options.out))
    print(f"Wrote {options.out}/study.jsonl and {options.out}/study.png")
    return 0
