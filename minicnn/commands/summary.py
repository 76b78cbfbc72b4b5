"""python -m minicnn summary NETWORK: its layers, and what they cost."""

from .options import whole


def add(commands):
    from ..networks import catalogue

    command = commands.add_parser(
        "summary",
        help="the layers of a network: shapes, receptive fields, parameters, memory",
        description="Print the layers of a network with their output shapes, receptive fields, "
        "parameters, multiply-adds and neurons, and the memory that training takes.",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "network",
        choices=catalogue.NETWORKS,
        metavar="NETWORK",
        help=f"one of {', '.join(catalogue.NETWORKS)}",
    )
    command.add_argument(
        "--batch", type=whole, default=128, metavar="N", help="images per batch (default: 128)"
    )
    command.add_argument(
        "--classes",
        type=whole,
        metavar="N",
        help=f"number of classes (default: {catalogue.defaults(lambda network: network.classes)})",
    )


def run(options):
    from .. import reference
    from ..networks import catalogue, summary

    size = catalogue.find(options.network).size
    classes = {"classes": options.classes} if options.classes else {}
    layers = catalogue.build(options.network, reference, None, **classes)
    print(summary.summary(layers, (3, size, size), options.batch))
    return 0
