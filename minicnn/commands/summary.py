"""python -m minicnn summary NETWORK: its layers, and what they cost, or how two networks differ."""

from .options import positive, whole


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
    several = command.add_argument_group("several machines")
    several.add_argument(
        "--ranks",
        type=whole,
        metavar="N",
        help="print instead what each of N ranks sends in a step of `train` over MPI",
    )
    several.add_argument(
        "--parallel",
        choices=("data", "columns", "hybrid"),
        help="what the ranks share: images (default), columns, or images in the convolutions and "
        "units in the fully connected layers",
    )
    several.add_argument(
        "--bandwidth",
        type=positive,
        metavar="G",
        help="of the network, in Gbit/s, for the time that this takes (default: 1)",
    )
    several.add_argument(
        "--delay",
        type=positive,
        metavar="MS",
        help="of the network, from one rank to another, in milliseconds (default: none); "
        "large messages may take far longer than it adds",
    )


def run(options):
    from .. import reference
    from ..networks import catalogue, comparison, summary

    size = catalogue.find(options.network).size
    if not options.ranks and (options.parallel or options.bandwidth or options.delay):
        raise ValueError(
            "--parallel, --bandwidth and --delay are for several machines: add --ranks N"
        )
    if options.ranks and options.beside:
        raise ValueError("--ranks is about one network: leave out --beside")
    classes = {"classes": options.classes} if options.classes else {}
    if options.beside:
        print(comparison.comparison(options.network, options.beside, **classes))
        return 0
    layers = catalogue.build(options.network, reference, None, **classes)
    if options.ranks:
        from ..distributed import traffic

        lines = traffic.described(
            layers, (3, size, size), options.batch, options.ranks, options.parallel or "data",
            options.bandwidth or 1, options.delay or 0,
        )  # fmt: skip
        print("\n".join(lines))
        return 0
    print(summary.summary(layers, (3, size, size), options.batch))
    return 0
