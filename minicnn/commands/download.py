"""python -m minicnn download cifar10: the full data set from its home page."""


def add(commands):
    command = commands.add_parser(
        "download",
        help="download the full CIFAR-10 (170 MB) from its home page",
        description="Download the full CIFAR-10 (170 MB) from its home page, check and unpack it.  "
        "The same command resumes a download that was interrupted.",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "dataset", choices=("cifar10",), metavar="DATASET", help="cifar10 is the only one"
    )
    command.add_argument(
        "--to",
        metavar="DIR",
        help="the folder to put it in (default: $MINICNN_DATA, or else ~/.cache/minicnn)",
    )


def run(options):
    from .. import data

    data.download_cifar10(options.to)
    return 0
