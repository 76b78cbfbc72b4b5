"""python -m minicnn download cifar10: the full data set from its home page."""


def add(commands):
    one = commands.add_parser(
        "download",
        help="get the full CIFAR-10 (170 MB) from its home page",
        description="Get the full CIFAR-10 (170 MB) from its home page, check and unpack it.  The "
        "same command goes on with a download that broke off.",
    )
    one.set_defaults(run=run)
    one.add_argument(
        "dataset", choices=("cifar10",), metavar="DATASET", help="cifar10 is the only one"
    )
    one.add_argument(
        "--to",
        metavar="DIR",
        help="the folder for it (default: $MINICNN_DATA, or else ~/.cache/minicnn)",
    )


def run(options):
    from .. import data

    data.download_cifar10(options.to)
    return 0
