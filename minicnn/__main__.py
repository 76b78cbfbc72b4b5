"""The command line: python -m minicnn COMMAND, or minicnn COMMAND.

    figure1     ReLU against tanh on CIFAR-10: the paper's Figure 1, from your own machine
    train       train a network on CIFAR-10, with checkpoints and curves
    study       the sweep behind Figure 1: when does its claim hold?
    gradcheck   every backward pass against finite differences
    bench       how fast it is, row by row, and against PyTorch
    summary     the rows of a network: shapes, receptive fields, parameters, memory
    download    the full CIFAR-10
    import      weights that were trained elsewhere: Caffe's, torchvision's
    export      weights that were trained here, for PyTorch and others

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
from .options import (
    THREADS,
    add_conditions,
    add_data,
    add_ops,
    add_out,
    not_negative,
    positive,
    whole,
    whole_or_zero,
)

FOUR_LAYER_NETWORKS = ("four-layer", "four-hidden-layer")
CIFAR_NETWORKS = (*FOUR_LAYER_NETWORKS, "80sec", "19pct")
IN_TORCHVISION = ("torchvision-alexnet", "vgg-a", "vgg-b", "vgg-d", "vgg-e")


def main(arguments=None):
    """Run one command; return its exit code."""
    options = parser().parse_args(arguments)
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
        add_train,
        add_study,
        add_gradcheck,
        add_bench,
        add_summary,
        add_download,
        add_import,
        add_export,
    ):
        add(commands)
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


def add_train(commands):
    one = commands.add_parser(
        "train",
        help="train a network on CIFAR-10",
        description="Train with the paper's update rule; write history.jsonl, checkpoint.npz and "
        "curves.png.  Ctrl-C finishes the step and saves; the same command with --resume goes on.",
    )
    one.set_defaults(run=run_train)
    add_data(one)
    one.add_argument(
        "--network",
        choices=CIFAR_NETWORKS,
        default="four-layer",
        help="default: four-layer; 80sec and 19pct have their own nonlinearity and first weights",
    )
    one.add_argument(
        "--nonlinearity",
        choices=("relu", "tanh", "logistic"),
        default="relu",
        help="default: relu",
    )
    add_conditions(one)
    one.add_argument("--epochs", type=whole, default=20, metavar="N", help="default: 20")
    one.add_argument(
        "--epsilon",
        type=positive,
        default=0.001,
        metavar="E",
        help="learning rate ε (default: 0.001); with --resume, another one is a change by hand",
    )
    one.add_argument(
        "--momentum",
        type=not_negative,
        default=0.9,
        metavar="M",
        help="default: 0.9",
    )
    one.add_argument(
        "--decay",
        type=not_negative,
        default=0.0005,
        metavar="D",
        help="weight decay (default: 0.0005)",
    )
    one.add_argument(
        "--batch",
        type=whole,
        default=128,
        metavar="N",
        help="images a batch (default: 128)",
    )
    schedule = one.add_mutually_exclusive_group()
    schedule.add_argument(
        "--divide-at",
        type=whole,
        nargs="+",
        metavar="EPOCH",
        help="divide ε by ten after these epochs",
    )
    schedule.add_argument(
        "--divide-on-stall",
        type=whole,
        metavar="N",
        help="divide ε by ten when the validation error has not improved in N epochs, at most "
        "three times",
    )
    one.add_argument(
        "--seed",
        type=whole_or_zero,
        default=0,
        metavar="N",
        help="of all random choices (default: 0)",
    )
    add_ops(one)
    add_out(one, "runs/train")
    one.add_argument("--resume", action="store_true", help="go on with the run in --out")


def run_train(options):
    import pathlib

    from . import data, figures, train

    out, ops = pathlib.Path(options.out), backend(options.ops)
    there = (out / "checkpoint.npz").exists()
    if there and not options.resume:
        raise FileExistsError(
            f"{out} holds a run: add --resume to go on, or name another folder with --out"
        )
    if options.resume and not there:
        print(f"There is no run in {out} yet: it starts from the beginning.", file=sys.stderr)
    train_x, train_y, test_x, test_y, _ = data.prepare(data.load(options.data), options.input)
    layers, rng = cifar_network(options, ops)
    schedule = None
    if options.divide_at:
        schedule = train.divide_at(options.divide_at)
    elif options.divide_on_stall:
        schedule = train.divide_on_stall(options.divide_on_stall)
    names = "data network nonlinearity init input momentum decay batch seed ops".split()
    run = train.train(
        layers,
        ops,
        (train_x, train_y),
        (test_x, test_y),
        rng=rng,
        epochs=options.epochs,
        epsilon=options.epsilon,
        momentum=options.momentum,
        decay=options.decay,
        batch=options.batch,
        schedule=schedule,
        folder=out,
        resume=options.resume,
        settings={name: getattr(options, name) for name in names},
        title=options.network,
    )
    figures.curves(run.history, out / "curves.png")
    last = run.history[-1]
    print(
        f"{last['epoch']:g} epochs: training error {last['training_error']:.1%}, "
        f"validation error {last['validation_error']:.1%}, {last['seconds']:.0f} seconds"
    )
    print(f"Wrote history.jsonl, checkpoint.npz and curves.png in {out}")
    return 0


def cifar_network(options, ops):
    """Return the rows of --network, and the generator that drew its first weights."""
    import numpy as np

    from . import cifar

    rng = np.random.default_rng(options.seed)
    if options.network in FOUR_LAYER_NETWORKS:
        build = getattr(cifar, options.network.replace("-", "_"))
        return build(ops, rng, options.nonlinearity, options.init), rng
    return getattr(cifar, f"layers_{options.network}")(ops, rng), rng


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


def add_import(commands):
    from .networks import NETWORKS

    one = commands.add_parser(
        "import",
        help="weights that were trained elsewhere: Caffe's, torchvision's",
        description="Read weights of Caffe (.caffemodel, or .npy with a dictionary), of "
        "torchvision (.safetensors, .npz, .pth) or our own, without running anything; print what "
        "is there; write them as this library has them, for minicnn.weights.load.",
    )
    one.set_defaults(run=run_import)
    one.add_argument("file", metavar="FILE", help="the weights")
    one.add_argument("out", metavar="OUT", help="a new file, .npz or .safetensors")
    one.add_argument(
        "--network",
        required=True,
        choices=NETWORKS,
        metavar="NETWORK",
        help=f"whose weights they are: {', '.join(NETWORKS)}",
    )


def run_import(options):
    from . import networks, reference, weights

    weights.check_new(options.out)
    layers = networks.build(options.network, reference, None)
    found = weights.read(options.file)
    fitted = weights.fit(found, layers, options.file)
    print(weights.report(found, layers, fitted))
    weights.write(options.out, with_mean(fitted, weights.mean_of(found, layers)))
    rows = f"minicnn.networks.build({options.network!r}, …)"
    print(f"Wrote {options.out}, which minicnn.weights.load copies into the rows of {rows}")
    return 0


def add_export(commands):
    one = commands.add_parser(
        "export",
        help="weights that were trained here, for PyTorch and others",
        description="Write the weights of a checkpoint or of an imported file, with our names "
        "(conv1.w) or with torchvision's (features.0.weight).",
    )
    one.set_defaults(run=run_export)
    one.add_argument("file", metavar="FILE", help="a checkpoint.npz, or weights of ours")
    one.add_argument("out", metavar="OUT", help="a new file, .npz or .safetensors")
    one.add_argument(
        "--for-torchvision",
        choices=IN_TORCHVISION,
        metavar="NETWORK",
        help="with torchvision's names and scale, if they are weights of this network: "
        f"{', '.join(IN_TORCHVISION)}",
    )


def run_export(options):
    from . import conventions, networks, reference, weights

    weights.check_new(options.out)
    found = weights.read(options.file)
    if found.library != "minicnn":
        raise ValueError(f"{options.file} holds weights of {found.library}: import them first")
    if options.for_torchvision:
        layers = networks.build(options.for_torchvision, reference, None)
        fitted = weights.fit(found, layers, options.file)
        arrays = conventions.as_torchvision(layers, fitted)
    else:
        arrays = with_mean(found.arrays, found.mean)
    weights.write(options.out, arrays)
    for name, array in arrays.items():
        print(f"{name}  {array.shape}  {array.dtype}")
    print(f"Wrote {options.out}")
    return 0


def with_mean(arrays, mean):
    """Return arrays and, if there is one, the mean, as a file of weights has them."""
    import numpy as np

    return arrays if mean is None else {**arrays, "mean": np.asarray(mean, np.float32)}


def backend(name):
    """Return the module of this name."""
    return importlib.import_module(f".{name}", __package__)


if __name__ == "__main__":
    sys.exit(main())
