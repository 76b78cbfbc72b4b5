"""python -m minicnn summary NETWORK: its layers, and what they cost, or how two networks differ."""

from .options import whole


def add(commands):
    from ..networks import catalogue

    command = commands.add_parser(
        "summary",
        help="the layers of a network: shapes, receptive fields, parameters, memory",
        description="Print the layers of a network with their output shapes, receptive fields, "
        "parameters, multiply-adds and neurons, and the memory that training takes; or, with "
        "--beside, how two networks differ.",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "network",
        choices=catalogue.NETWORKS,
        metavar="NETWORK",
        help=f"one of {', '.join(catalogue.NETWORKS)}",
    )
    either = command.add_mutually_exclusive_group()
    either.add_argument(
        "--batch", type=whole, default=128, metavar="N", help="images per batch (default: 128)"
    )
    either.add_argument(
        "--beside",
        choices=catalogue.NETWORKS,
        metavar="NETWORK",
        help="print instead how this other network differs, layer by layer",
    )
    command.add_argument(
        "--classes",
        type=whole,
        metavar="N",
        help=f"number of classes (default: {catalogue.defaults(lambda network: network.classes)})",
    )


def run(options):
    from .. import reference
    from ..networks import catalogue, comparison, summary

    size = catalogue.find(options.network).size
    classes = {"classes": options.classes} if options.classes else {}
    if options.beside:
        print(comparison.comparison(options.network, options.beside, **classes))
        return 0
    layers = catalogue.build(options.network, reference, None, **classes)
    print(summary.summary(layers, (3, size, size), options.batch))
    return 0
