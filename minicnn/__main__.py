"""The command line: python -m minicnn COMMAND, or minicnn COMMAND.

    figure1     ReLU against tanh on CIFAR-10: the paper's Figure 1, from your own machine
    train       train a network on CIFAR-10 or on photographs, with checkpoints and curves
    study       the sweep behind Figure 1: when does its claim hold?
    gradcheck   every backward pass against finite differences
    bench       how fast it is, row by row, and against PyTorch
    summary     the rows of a network: shapes, receptive fields, parameters, memory
    download    the full CIFAR-10
    prepare     your own photographs, or ImageNet's, made into a data set

Each command has two functions here: add_… describes its options, and run_… does it.  What several
commands share is in options.py.

Exit codes: 0 it is done; 1 it failed, and one sentence says why; 2 the command was not understood;
130 it was stopped by Ctrl-C.
"""

import argparse
import importlib
import os
import sys

from . import __version__
from .commands import features, figures, predict, test, train
from .options import (
    THREADS,
    add_conditions,
    add_data,
    add_ops,
    add_out,
    backend,
    not_negative,
    whole,
    whole_or_zero,
)

FOUR_LAYER_NETWORKS = ("four-layer", "four-hidden-layer")
CIFAR_NETWORKS = (*FOUR_LAYER_NETWORKS, "80sec", "19pct")


def main(arguments=None):
    """Run one command; return its exit code."""
    options, unknown = parser().parse_known_args(arguments)
    if unknown:  # argparse itself would show the usage of all commands instead of this one's
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        if getattr(options, "threads", None):
            use_threads(options.threads)
        return options.run(options)
    except KeyboardInterrupt:
        print("\nminicnn: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 1
    except Exception as error:
        if not explained(error):
            raise
        print(f"minicnn: {in_words(error)}", file=sys.stderr)
        return 130 if type(error).__name__ == "Interrupted" else 1


def use_threads(count):
    """Let Numba, and NumPy's own products, use so many threads."""
    if "numba" in sys.modules:  # then it is too late for the environment
        from .fast import threads

        threads.use(count)
    else:
        for library in THREADS:
            os.environ[f"{library}_THREADS"] = str(count)


def explained(error):
    """Return whether the message was written for the user: no traceback is needed then."""
    ours = ("Diverged", "Interrupted", "DownloadError")  # by name: their modules load slowly
    known = (ValueError, OSError, MemoryError)
    return isinstance(error, known) or type(error).__name__ in ours


def in_words(error):
    """Return the message; one from the operating system without its number in front."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or "there is not enough memory"


def parser():
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="minicnn",
        description="AlexNet, line by line.  Start with: python -m minicnn figure1",
        epilog="python -m minicnn COMMAND --help shows the options of a command.",
    )
    top.add_argument("-V", "--version", action="version", version=f"minicnn {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        add_figure1,
        train.add,
        test.add,
        predict.add,
        features.add,
        figures.add,
        add_study,
        add_gradcheck,
        add_bench,
        add_summary,
        add_download,
        add_prepare,
    ):
        add(commands)
    for one in commands.choices.values():
        one.set_defaults(parser=one)
    return top


def add_figure1(commands):
    one = commands.add_parser(
        "figure1",
        help="ReLU against tanh on CIFAR-10: the paper's Figure 1",
        description="Train a small network with ReLU and with tanh until 25% training error; "
        "write figure1.png and results.json.  The default takes a few minutes on two cores.",
    )
    one.set_defaults(run=run_figure1)
    add_data(one)
    one.add_argument(
        "--network",
        choices=FOUR_LAYER_NETWORKS,
        default="four-layer",
        help="which reading of the paper's 'four-layer' (default: four-layer)",
    )
    add_conditions(one)
    one.add_argument(
        "--seeds",
        type=whole,
        default=2,
        metavar="N",
        help="runs of each nonlinearity (default: 2)",
    )
    one.add_argument(
        "--epochs",
        type=whole,
        default=60,
        metavar="N",
        help="give up after N epochs (default: 60)",
    )
    add_ops(one)
    add_out(one, "runs/figure1")
    one.add_argument(
        "--resume",
        action="store_true",
        help="go on with an unfinished race in --out, if there is one",
    )


def run_figure1(options):
    from . import figure1

    results = figure1.figure1(
        options.out,
        backend(options.ops),
        options.data,
        options.seeds,
        options.network,
        options.input,
        options.init,
        options.epochs,
        options.resume,
    )
    print(figure1.report(results))
    print(f"Wrote {options.out}/figure1.png and {options.out}/results.json")
    return 0


def add_study(commands):
    one = commands.add_parser(
        "study",
        help="the sweep over learning rates behind Figure 1",
        description="Sweep ε for ReLU and tanh under different inputs, first weights, networks and "
        "numbers of images; write study.jsonl and study.png.  Hours on two cores with the full "
        "set.  The same command goes on where it was stopped.",
    )
    one.set_defaults(run=run_study)
    one.add_argument(
        "--data",
        default="cifar10",
        metavar="DIR",
        help="where the full CIFAR-10 is (default: cifar10, the one that was downloaded)",
    )
    one.add_argument(
        "--images",
        type=whole,
        metavar="N",
        help="only what needs at most N images; up to 5000 the bundled sample is enough",
    )
    add_ops(one)
    add_out(one, "runs/study")


def run_study(options):
    from . import study

    study.study(options.out, backend(options.ops), options.data, options.images)
    print(study.report(options.out))
    print(f"Wrote {options.out}/study.jsonl and {options.out}/study.png")
    return 0


def add_gradcheck(commands):
    one = commands.add_parser(
        "gradcheck",
        help="every backward pass against finite differences",
        description="Compare every backward pass with centred differences in float64; one line a "
        "layer.  Exit code 1 if one fails.",
    )
    one.set_defaults(run=run_gradcheck)
    importlib.import_module(".gradcheck_suite", __package__).add_arguments(one)


def run_gradcheck(options):
    from . import gradcheck_suite

    return gradcheck_suite.main(options)


def add_bench(commands):
    one = commands.add_parser(
        "bench",
        help="how fast it is, row by row, and against PyTorch",
        description="Time every row and every pass of a network, whole training steps and "
        "predictions, and measure memory; print a table and write NETWORK.json.  Takes two or "
        "three minutes for cifar, and several times as long with --against torch or for alexnet.",
    )
    one.set_defaults(run=run_bench)
    one.add_argument(
        "--network",
        choices=("cifar", "alexnet"),
        default="cifar",
        help="the four layers of Figure 1 (cifar, default), or AlexNet",
    )
    one.add_argument(
        "--batch",
        type=whole,
        metavar="N",
        help="images a batch (default: 128 for cifar, 32 for alexnet)",
    )
    add_ops(one)
    one.add_argument(
        "--against",
        choices=("torch",),
        help="also time PyTorch, in each of its modes; it must be installed (default: only us)",
    )
    one.add_argument(
        "--rounds",
        type=whole,
        default=7,
        metavar="N",
        help="turns of each contestant at each work (default: 7)",
    )
    parts = ("layers", "step", "inference", "memory", "first-call", "course")
    one.add_argument(
        "--only",
        nargs="+",
        choices=parts,
        default=parts,
        metavar="PART",
        help=f"only these parts: {', '.join(parts)} (default: all); course is convolution as "
        "course code usually has it",
    )
    add_out(one, "runs/bench")


def run_bench(options):
    import importlib.util

    from . import bench

    if options.against == "torch" and importlib.util.find_spec("torch") is None:
        print("minicnn: --against torch, but PyTorch is not installed", file=sys.stderr)
        return 2
    results = bench.bench(
        options.out,
        options.network,
        options.ops,
        options.batch,
        options.threads,
        options.against == "torch",
        options.rounds,
        options.only,
    )
    print(bench.report(results))
    print(f"Wrote {options.out}/{options.network}.json")
    return 0


def add_summary(commands):
    from .networks import NETWORKS

    one = commands.add_parser(
        "summary",
        help="the rows of a network: shapes, receptive fields, parameters, memory",
        description="Print a network's rows: output shapes, receptive fields, parameters, "
        "multiply-adds and neurons; and how much memory training takes.",
    )
    one.set_defaults(run=run_summary)
    one.add_argument(
        "network", choices=NETWORKS, metavar="NETWORK", help=f"one of {', '.join(NETWORKS)}"
    )
    one.add_argument(
        "--batch", type=whole, default=128, metavar="N", help="images a batch (default: 128)"
    )
    one.add_argument(
        "--classes",
        type=whole,
        metavar="N",
        help="kinds of images to tell apart (default: 10 for cifar networks, 1000 for the others)",
    )


def run_summary(options):
    from . import networks, reference, summary

    size = networks.image_size(options.network)
    classes = {"classes": options.classes} if options.classes else {}
    layers = networks.build(options.network, reference, None, **classes)
    print(summary.summary(layers, (3, size, size), options.batch))
    return 0


def add_download(commands):
    one = commands.add_parser(
        "download",
        help="get the full CIFAR-10 (170 MB) from its home page",
        description="Get the full CIFAR-10 (170 MB) from its home page, check and unpack it.  The "
        "same command goes on with a download that broke off.",
    )
    one.set_defaults(run=run_download)
    one.add_argument(
        "dataset", choices=("cifar10",), metavar="DATASET", help="cifar10 is the only one"
    )
    one.add_argument(
        "--to",
        metavar="DIR",
        help="the folder for it (default: $MINICNN_DATA, or else ~/.cache/minicnn)",
    )


def run_download(options):
    from . import data

    data.download_cifar10(options.to)
    return 0


def add_prepare(commands):
    one = commands.add_parser(
        "prepare",
        help="photographs in folders, made into a data set of 256×256 images",
        description="Read FOLDER, which has a sub-folder of photographs for each class, or train "
        "and val with such sub-folders; write 256×256 images, the mean image and the principal "
        "components of the colours into OUT.  The same command goes on where it was stopped.",
    )
    one.set_defaults(run=run_prepare)
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
        "--seed",
        type=whole_or_zero,
        metavar="N",
        help="of the choice which these are (default: 0)",
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


def run_prepare(options):
    from . import data

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


if __name__ == "__main__":
    sys.exit(main())
