"""python -m minicnn prepare FOLDER OUT: make a data set of photographs (Section 2)."""

import os
from collections import Counter

from .options import add_max_pixels, not_negative, share, whole, whole_or_zero


def add(commands):
    command = commands.add_parser(
        "prepare",
        help="make a data set of 256×256 images from folders of photographs",
        description="Read FOLDER, which has a sub-folder of photographs for each class, or train "
        "and val (or valid, validation) with such sub-folders.  Write 256×256 images, the mean "
        "image and the principal components of the colours to OUT.  The same command resumes if it "
        "was stopped, and begins again if photographs have changed.",
    )
    command.set_defaults(run=run)
    command.add_argument("folder", metavar="FOLDER", help="folder of the photographs")
    command.add_argument("out", metavar="OUT", help="folder for the data set: 197 kB per image")
    command.add_argument(
        "--size",
        type=whole,
        default=256,
        metavar="N",
        help="width and height of the images (default: 256)",
    )
    command.add_argument(
        "--validation",
        type=not_negative,
        metavar="V",
        help="fraction of each class for validation, if FOLDER has no val (default: 0.1)",
    )
    command.add_argument(
        "--seed", type=whole_or_zero, metavar="N", help="seed of that choice (default: 0)"
    )
    command.add_argument(
        "--workers",
        type=whole,
        metavar="N",
        help="processes that decode; they do not change the result (default: one per processor)",
    )
    command.add_argument(
        "--strict",
        action="store_true",
        help="stop at a file that is not a photograph instead of listing it in skipped.jsonl",
    )
    add_max_pixels(command)
    command.add_argument(
        "--share",
        type=share,
        default=(1, 1),
        metavar="K/N",
        help="make only every N-th part of the data set, from the K-th on, in an OUT that all "
        "shares write to, or whose files are copied to one place; then the same command without "
        "--share finishes it",
    )


def run(options):
    from .. import console, data, storage

    facts = data.prepare_photos(
        options.folder,
        options.out,
        options.size,
        options.validation,
        options.seed,
        options.workers,
        options.strict,
        max_pixels=options.max_pixels,
        share=options.share,
    )
    if facts is None:
        k, n = options.share
        print(
            f"Share {k} of {n} is made: after the last one, the same command without --share "
            f"finishes {options.out}"
        )
        return 0
    train, validation = (sum(facts["shards"][part]) for part in ("train", "validation"))
    print(
        f"{options.out} has {train:,} training and {validation:,} validation images "
        f"of {options.size}×{options.size} pixels"
    )
    if facts["skipped"]:
        path = os.path.join(os.path.expanduser(options.out), "skipped.jsonl")
        print(f"Skipped: {facts['skipped']:,}; {path} says what and why")
        reasons = [line["why"] for line in storage.read_lines(path)]
        kinds = Counter(reason.partition(" (")[0] for reason in reasons)  # details come after " ("
        for line in console.aligned([(f"{n:,}", k) for k, n in kinds.most_common()], right={0}):
            print(f"  {line}")
    return 0
