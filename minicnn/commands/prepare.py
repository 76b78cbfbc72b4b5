"""python -m minicnn prepare FOLDER OUT: photographs, made into a data set (Section 2)."""

from .options import not_negative, whole, whole_or_zero


def add(commands):
    one = commands.add_parser(
        "prepare",
        help="photographs in folders, made into a data set of 256×256 images",
        description="Read FOLDER, which has a sub-folder of photographs for each class, or train "
        "and val with such sub-folders; write 256×256 images, the mean image and the principal "
        "components of the colours into OUT.  The same command goes on where it was stopped.",
    )
    one.set_defaults(run=run)
    one.add_argument("folder", metavar="FOLDER", help="where the photographs are")
    one.add_argument("out", metavar="OUT", help="where the data set goes: 197 kB an image")
    one.add_argument(
        "--size",
        type=whole,
        default=256,
        metavar="N",
        help="width and height of the images (default: 256)",
    )
    one.add_argument(
        "--validation",
        type=not_negative,
        metavar="V",
        help="the share of each class that is for validation, where FOLDER has no val (default: "
        "0.1)",
    )
    one.add_argument(
        "--seed", type=whole_or_zero, metavar="N", help="of the choice which these are (default: 0)"
    )
    one.add_argument(
        "--workers",
        type=whole,
        metavar="N",
        help="processes that decode; the result is always the same (default: one a processor)",
    )
    one.add_argument(
        "--strict",
        action="store_true",
        help="stop at a file that cannot be read, instead of listing it in skipped.jsonl",
    )


def run(options):
    from .. import data

    facts = data.prepare_photos(
        options.folder,
        options.out,
        options.size,
        options.validation,
        options.seed,
        options.workers,
        options.strict,
    )
    train, validation = (sum(facts["shards"][part]) for part in ("train", "validation"))
    print(
        f"{options.out} has {train:,} training and {validation:,} validation images "
        f"of {options.size}×{options.size} pixels"
    )
    if facts["skipped"]:
        print(f"Skipped: {facts['skipped']:,}; {options.out}/skipped.jsonl says what and why")
    return 0
