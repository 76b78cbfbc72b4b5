"""python -m minicnn claims: the claims of the paper, put to the test."""

import pathlib

from ..backends import backend
from .options import add_data, add_ops, add_out, add_share, whole


def add(commands):
    command = commands.add_parser(
        "claims",
        help="the paper's claims, put to the test on CIFAR-10",
        description="Without a number: print each claim, what the paper says, what came out here, "
        "and a verdict, from the journal in --out, or else from the one that comes with minicnn.  "
        "With numbers: do the runs of these claims that the journal lacks, and print them.  Ctrl-C "
        "stops; the same command goes on.",
    )
    command.set_defaults(run=run)
    command.add_argument("numbers", nargs="*", type=whole, metavar="N", help="a claim's number")
    command.add_argument(
        "--list",
        action="store_true",
        help="print what is done, and how long the rest takes on this machine",
    )
    add_share(command, "runs")
    command.add_argument(
        "--seeds", type=whole, metavar="S", help="runs of each arm (default: as each claim needs)"
    )
    command.add_argument(
        "--report", metavar="DIR", help="write claims.md and its figures in this folder"
    )
    add_data(command, default="cifar10")
    add_ops(command)
    add_out(command, "runs/claims")


def run(options):
    from .. import data
    from ..claims import driver, report
    from ..claims.table import CLAIMS

    for number in options.numbers:
        if number not in CLAIMS:
            known = ", ".join(map(str, CLAIMS))
            raise ValueError(f"no claim has the number {number}; there are {known}")
    numbers = options.numbers or list(CLAIMS)
    ops = backend(options.ops)
    if options.list:
        photos = data.load(options.data)
        print(report.progress(options.out, ops, photos, numbers, options.data, options.seeds))
        return 0
    if options.numbers:
        driver.do_claims(
            options.out, ops, options.numbers, dataset=options.data, seeds=options.seeds,
            share=options.share,
        )  # fmt: skip
    folder = pathlib.Path(options.out)
    if not (folder / driver.JOURNAL).exists():
        folder = report.PACKAGED
    lines = driver.read(folder)
    print(report.text(lines, numbers, options.data))
    if options.report:
        names = report.write(options.report, lines, options.data)
        print(f"Wrote {', '.join(names)} in {options.report}")
    return 0
