"""The command line: python -m minicnn COMMAND, or minicnn COMMAND.

    figure1     ReLU against tanh on CIFAR-10: the paper's Figure 1, on your own machine
    train       train a network on CIFAR-10 or on photographs, with checkpoints and curves
    test        errors of trained networks, one by one and as an ensemble
    predict     the most probable classes of your photographs
    figure3     the kernels of the first layer; figure4: similar images; maps: the feature maps of
                an image; codes: short binary codes; features: a layer's output as .npy
    explore     a page that shows a trained network at work, unit by unit
    prepare     make a data set of your own photographs, or of ImageNet's
    download    the full CIFAR-10
    import      read weights that were trained elsewhere; export: write weights for elsewhere
    summary     the layers of a network: shapes, receptive fields, parameters, memory
    gradcheck   every backward pass against finite differences
    bench       the speed of every layer, also against PyTorch
    study       the sweep behind Figure 1: when does its claim hold?
    claims      the claims of the paper, put to the test
    halves      two columns that seldom communicate: what each one learns, and when it computes

Each command is a file in commands/.  Options that several commands share are in
commands/options.py; commands/exit_codes.py maps errors to exit codes.
"""

import sys

COMMANDS = (  # files in commands/, in the order of the help
    "figure1 train test predict figures features explore prepare download weights summary "
    "gradcheck bench study halves claims"
).split()


def main(arguments=None):
    """Run one command; return its exit code."""
    try:
        from .commands.exit_codes import exit_code
        from .console import showing_anything
        from .distributed.launch import one_voice
    except KeyboardInterrupt:  # from here on, exit_code handles it
        print("\nminicnn: stopped", file=sys.stderr)
        return 130
    with showing_anything():
        return exit_code("minicnn", one_voice()(lambda: run(arguments)))


def run(arguments):
    """Run one command; return its exit code, or raise what exit_code explains."""
    from .distributed.launch import check_command

    options = parser().parse_args(arguments)
    for name, value in vars(options).items():
        if value == "" or (isinstance(value, list) and "" in value):
            options.parser.error(f"argument {name.replace('_', '-')}: expected a name, not nothing")
    check_command(options.command)
    if getattr(options, "threads", None):
        use_threads(options.threads)
    return options.run(options)


def use_threads(count):
    """Let Numba, and NumPy's matrix products, use this number of threads."""
    import os

    from .machine import THREADS

    if "numba" in sys.modules:  # it has read its environment already
        from . import fast

        fast.settings.threads = count
    else:
        for library in THREADS:
            os.environ[f"{library}_THREADS"] = str(count)


def parser():
    """Return the parser of all commands."""
    import importlib

    from . import __version__
    from .console import Parser

    top = Parser(
        prog="minicnn",
        description="AlexNet, line by line.  Start with: python -m minicnn figure1",
        epilog="python -m minicnn COMMAND --help shows the options of a command.",
    )
    top.add_argument("-V", "--version", action="version", version=f"minicnn {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f".commands.{name}", __package__).add(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return top


if __name__ == "__main__":
    sys.exit(main())
