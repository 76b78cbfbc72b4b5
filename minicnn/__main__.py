"""The command line: python -m minicnn COMMAND, or minicnn COMMAND.

    figure1     ReLU against tanh on CIFAR-10: the paper's Figure 1, from your own machine
    train       train a network on CIFAR-10 or on photographs, with checkpoints and curves
    test        errors of trained networks, alone and together
    predict     what a trained network sees in your photographs
    figure3     the kernels of its first layer; figure4, what it finds alike; maps, what its layers
                make of an image; codes, short binary codes; features, as .npy
    prepare     your own photographs, or ImageNet's, made into a data set
    download    the full CIFAR-10
    import      weights that were trained elsewhere; export, for elsewhere
    summary     the rows of a network: shapes, receptive fields, parameters, memory
    gradcheck   every backward pass against finite differences
    bench       how fast it is, row by row, and against PyTorch
    study       the sweep behind Figure 1: when does its claim hold?
    halves      two columns that seldom talk: what each of them learns, and when it is at work

Each is a file in commands/; what several of them share is in commands/options.py, and how they end,
in commands/exit_codes.py.
"""

import argparse
import importlib
import os
import sys

from . import __version__
from .commands.exit_codes import exit_code
from .machine import THREADS

COMMANDS = (  # files in commands/, in the order of the help
    "figure1 train test predict figures features prepare download weights summary gradcheck bench "
    "study halves"
).split()


def main(arguments=None):
    """Run one command; return its exit code."""
    options, unknown = parser().parse_known_args(arguments)
    if unknown:  # argparse itself would show the usage of all commands instead of this one's
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")

    def command():
        if getattr(options, "threads", None):
            use_threads(options.threads)
        return options.run(options)

    return exit_code("minicnn", command)


def use_threads(count):
    """Let Numba, and NumPy's own products, use so many threads."""
    if "numba" in sys.modules:  # then it is too late for the environment
        from . import fast

        fast.settings.threads = count
    else:
        for library in THREADS:
            os.environ[f"{library}_THREADS"] = str(count)


def parser():
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="minicnn",
        description="AlexNet, line by line.  Start with: python -m minicnn figure1",
        epilog="python -m minicnn COMMAND --help shows the options of a command.",
    )
    top.add_argument("-V", "--version", action="version", version=f"minicnn {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f".commands.{name}", __package__).add(commands)
    for one in commands.choices.values():
        one.set_defaults(parser=one)
        one.allow_abbrev = False  # who mistypes an option shall hear of it
    return top


if __name__ == "__main__":
    sys.exit(main())
