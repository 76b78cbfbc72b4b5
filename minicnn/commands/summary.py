"""python -m minicnn summary NETWORK: its rows, and what they cost."""

from .options import whole


def add(commands):
    from ..networks import catalogue

    one = commands.add_parser(
        "summary",
        help="the rows of a network: shapes, receptive fields, parameters, memory",
        description="Print a network's rows: output shapes, receptive fields, parameters, "
        "multiply-adds and neurons; and how much memory training takes.",
    )
    one.set_defaults(run=run)
    one.add_argument(
        "network",
        choices=catalogue.NETWORKS,
        metavar="NETWORK",
        help=f"one of {', '.join(catalogue.NETWORKS)}",
    )
    one.add_argument(
        "--batch", type=whole, default=128, metavar="N", help="images a batch (default: 128)"
    )
    one.add_argument(
        "--classes",
        type=whole,
        metavar="N",
        help="kinds of images to tell apart (default: "
        f"{catalogue.defaults(lambda network: network.classes)})",
    )


def run(options):
    from .. import reference
    from ..networks import catalogue, summary

    size = catalogue.find(options.network).size
    classes = {"classes": options.classes} if options.classes else {}
    layers = catalogue.build(options.network, reference, None, **classes)
    print(summary.summary(layers, (3, size, size), options.batch))
    return 0
