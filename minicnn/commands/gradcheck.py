"""python -m minicnn gradcheck: every backward pass against finite differences."""

from .. import gradcheck_suite


def add(commands):
    one = commands.add_parser(
        "gradcheck",
        help="every backward pass against finite differences",
        description="Compare every backward pass with centred differences in float64; one line a "
        "layer.  Exit code 1 if one fails.",
    )
    one.set_defaults(run=run)
    gradcheck_suite.add_arguments(one)


def run(options):
    return gradcheck_suite.main(options)
