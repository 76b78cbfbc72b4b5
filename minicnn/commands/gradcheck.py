"""python -m minicnn gradcheck: every backward pass against finite differences."""

from ..verify import gradcheck_suite
from .options import add_emulate, add_gpus, start_emulator


def add(commands):
    command = commands.add_parser(
        "gradcheck",
        help="every backward pass against finite differences",
        description="Compare every backward pass with centred differences in float64, and print "
        "one line per layer.  The exit code is 1 if any layer fails.",
    )
    command.set_defaults(run=run)
    add_arguments(command)


def add_arguments(parser):
    """Add the options of `python -m minicnn gradcheck` to a parser."""
    names = ", ".join(gradcheck_suite.NAMES)
    parser.add_argument(
        "layers",
        nargs="*",
        metavar="LAYER",
        help=f"{names} (default: all of these); or the name of a network, see `minicnn summary`",
    )
    parser.add_argument(
        "--ops", choices=["reference", "fast", "cuda"], help="backend (default: reference and fast)"
    )
    add_gpus(parser)
    add_emulate(parser)


def run(options):
    start_emulator(options)
    return gradcheck_suite.run(
        options.layers, [options.ops] if options.ops else ["reference", "fast"], options.gpus
    )
