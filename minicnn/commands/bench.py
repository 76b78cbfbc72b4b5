"""python -m minicnn bench: the speed of every layer, also against PyTorch."""

import sys

from ..backends import backend, check_settings
from ..bench import PARTS
from .options import add_gpus, add_ops, add_out, whole


def add(commands):
    from ..networks import catalogue

    command = commands.add_parser(
        "bench",
        help="the speed of every layer, also against PyTorch",
        description="Time every layer and every pass of a network, whole training steps and "
        "predictions, and measure memory; print a table and write NETWORK.json.  This takes two or "
        "three minutes for cifar, and several times as long with --against torch or for alexnet.",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "--network",
        choices=("cifar", *catalogue.NETWORKS),
        default="cifar",
        metavar="NETWORK",
        help="cifar: the four layers of Figure 1 (default); or any of "
        f"{', '.join(catalogue.NETWORKS)}.  A network of two columns is timed as a whole, and "
        "against the same network in one column",
    )
    command.add_argument(
        "--batch",
        type=whole,
        metavar="N",
        help=f"images per batch (default: {catalogue.defaults(lambda network: network.batch)})",
    )
    add_ops(command, tf32=True)
    add_gpus(command)
    command.add_argument(
        "--against",
        choices=("torch",),
        help="also time PyTorch, which must be installed, in each of its modes (default: minicnn "
        "alone)",
    )
    command.add_argument(
        "--rounds",
        type=whole,
        default=7,
        metavar="N",
        help="measurements of each contestant in each case (default: 7)",
    )
    command.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        metavar="PART",
        help=f"only these parts: {', '.join(PARTS)} (default: all); course is the convolution that "
        "is usual in course code",
    )
    command.add_argument(
        "--lanes",
        choices=("8", "16", "32"),
        help="numbers in a vector of fast (default: $MINICNN_LANES, or else as many as two "
        "registers of the processor hold)",
    )
    command.add_argument(
        "--grow",
        action="store_true",
        help="instead: measure how the speed of training changes with the batch, the size of the "
        "images, the channels and the threads; print tables, and write growth.json and growth.png",
    )
    add_out(command, "runs/bench")


def run(options):
    import importlib.util
    import os

    from ..bench.cases import SHORT
    from ..bench.measure import measure
    from ..bench.table import report
    from ..networks import catalogue

    if options.against == "torch" and importlib.util.find_spec("torch") is None:
        print("minicnn: --against torch, but PyTorch is not installed", file=sys.stderr)
        return 2
    refuse_what_has_no_effect(options)
    if options.lanes:
        os.environ["MINICNN_LANES"] = options.lanes  # for the contestants' processes, too
    check_settings(options.ops, tf32=options.tf32)
    if options.grow:
        from ..bench.growth import measure_growth

        ops = backend(options.ops)
        if options.threads:
            ops.settings.threads = options.threads
        print(measure_growth(options.out, ops, options.rounds))
        print(f"Wrote growth.json and growth.png in {options.out}")
        return 0
    if options.gpus:
        name = SHORT.get(options.network, options.network)
        catalogue.backend(name, backend(options.ops, options.gpus))
    results = measure(
        options.out,
        options.network,
        options.ops,
        batch=options.batch,
        threads=options.threads,
        torch=options.against == "torch",
        rounds=options.rounds,
        parts=options.only,
        tf32=options.tf32,
        gpus=options.gpus,
    )
    print(report(results))
    print(f"Wrote {options.out}/{options.network}.json")
    return 0


def refuse_what_has_no_effect(options):
    """Raise ValueError for options that the others leave without effect."""
    if options.lanes and options.ops != "fast":
        raise ValueError(f"--lanes: {options.ops} has no vectors; it belongs to --ops fast")
    if options.grow:
        fixed = {"network": "cifar", "batch": None, "ops": "fast", "against": None, "only": PARTS}
        for name, value in fixed.items():
            if getattr(options, name) != value:
                raise ValueError(f"--grow has networks and batches of its own: leave out --{name}")
