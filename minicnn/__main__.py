"""The command line: python -m minicnn COMMAND, or minicnn COMMAND.

    figure1     ReLU against tanh on CIFAR-10: the paper's Figure 1, from your own machine
    train       train a network on CIFAR-10, with checkpoints and curves
    study       the sweep behind Figure 1: when does its claim hold?
    gradcheck   every backward pass against finite differences
    summary     the rows of a network: shapes, parameters, multiply-adds
    download    the full CIFAR-10

Exit codes: 0 done; 1 it failed, and one sentence says why; 2 the command was not understood; 130 Ctrl-C.
"""

import argparse
import importlib
import sys

from . import __version__

NETWORKS = ("four-layer", "four-hidden-layer", "80sec", "19pct")
SUMMARIES = (*NETWORKS, "alexnet", "two-columns", "one-gpu")


def main(arguments=None):
    """Run one command; return its exit code."""
    options = parser().parse_args(arguments)
    try:
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
        print(f"minicnn: {error}", file=sys.stderr)
        return 130 if type(error).__name__ == "Interrupted" else 1


def explained(error):
    """Return whether the message was written for the user: no traceback is needed then."""
    return isinstance(error, (ValueError, OSError)) or type(error).__name__ in (
        "Diverged",
        "Interrupted",
        "DownloadError",
    )


def parser():
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="minicnn", description="AlexNet, line by line.  Start with: python -m minicnn figure1"
    )
    top.add_argument("--version", action="version", version=f"minicnn {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name, run, help, description=None):
        one = commands.add_parser(name, help=help, description=description or help)
        one.set_defaults(run=run)
        return one

    one = command(
        "figure1",
        run_figure1,
        "ReLU against tanh on CIFAR-10: the paper's Figure 1",
        "Train a small network with ReLU and with tanh until 25%% training error; write figure1.png and "
        "results.json.  The default takes a few minutes on two cores.",
    )
    add_data(one)
    one.add_argument("--seeds", type=whole, default=2, metavar="N", help="runs of each nonlinearity (default: 2)")
    one.add_argument("--input", choices=("raw", "unit"), default="raw", help="pixels 0 … 255 minus the mean image, as in the paper (raw), or also divided by their standard deviation (unit)")  # fmt: skip
    one.add_argument("--init", choices=("paper", "cuda-convnet", "fan-in"), default="paper", help="first weights: N(0, 0.01²) as in the paper; as in cuda-convnet's files; scaled by fan-in")  # fmt: skip
    one.add_argument("--network", choices=NETWORKS[:2], default=NETWORKS[0], help="which reading of 'four-layer' (default: four-layer)")  # fmt: skip
    one.add_argument("--epochs", type=whole, default=60, metavar="N", help="give up after N epochs (default: 60)")
    add_run(one, "runs/figure1")

    one = command(
        "train",
        run_train,
        "train a network on CIFAR-10",
        "Train with the paper's update rule; write history.jsonl, checkpoint.npz and curves.png.  Ctrl-C finishes "
        "the step and saves; the same command with --resume goes on.",
    )
    add_data(one)
    one.add_argument("--network", choices=NETWORKS, default=NETWORKS[0], help="(default: four-layer)")
    one.add_argument("--nonlinearity", choices=("relu", "tanh", "logistic"), default="relu", help="of the four-layer networks (default: relu)")  # fmt: skip
    one.add_argument("--init", choices=("paper", "cuda-convnet", "fan-in"), default="paper", help="first weights of the four-layer networks (default: paper)")  # fmt: skip
    one.add_argument("--input", choices=("raw", "unit"), default="raw", help="pixels minus the mean image, or also at unit scale (default: raw)")  # fmt: skip
    one.add_argument("--epochs", type=whole, default=20, metavar="N", help="(default: 20)")
    one.add_argument("--epsilon", type=positive, default=0.001, metavar="ε", help="learning rate (default: 0.001); another one with --resume changes it by hand")  # fmt: skip
    one.add_argument("--momentum", type=float, default=0.9, metavar="M", help="(default: 0.9)")
    one.add_argument("--decay", type=float, default=0.0005, metavar="D", help="weight decay (default: 0.0005)")
    one.add_argument("--batch", type=whole, default=128, metavar="N", help="images a batch (default: 128)")
    one.add_argument("--divide-at", type=whole, nargs="+", metavar="EPOCH", help="divide ε by ten after these epochs")
    one.add_argument("--divide-on-stall", type=whole, metavar="N", help="divide ε by ten when validation error has not improved in N epochs, at most three times")  # fmt: skip
    one.add_argument("--seed", type=int, default=0, metavar="N", help="of all random choices (default: 0)")
    add_run(one, "runs/train")

    one = command(
        "study",
        run_study,
        "the sweep over learning rates behind Figure 1",
        "Sweep ε for ReLU and tanh under different inputs, first weights, networks and numbers of images; write "
        "study.jsonl and study.png.  Hours on two cores with the full set; goes on where it was stopped.",
    )
    one.add_argument("--data", default="cifar10", metavar="DIR", help="where the full CIFAR-10 is (default: cifar10, the cache)")  # fmt: skip
    one.add_argument("--images", type=whole, metavar="N", help="only the cells with at most N images; 5000 is the bundled sample")  # fmt: skip
    one.add_argument("--ops", choices=("fast", "reference"), default="fast", help="the backend (default: fast)")
    one.add_argument("--out", default="runs/study", metavar="DIR", help="(default: runs/study)")

    one = command(
        "gradcheck",
        run_gradcheck,
        "every backward pass against finite differences",
        "Compare every backward pass with centred differences in float64; one line a layer.  Exit code 1 if one fails.",
    )
    importlib.import_module(".gradcheck", __package__).add_arguments(one)

    one = command("summary", run_summary, "the rows of a network: shapes, parameters, multiply-adds")
    one.add_argument("network", choices=SUMMARIES, help="which network")

    one = command("download", run_download, "get the full CIFAR-10 (170 MB) from its home page")
    one.add_argument("dataset", choices=("cifar10",), help="which data set")
    one.add_argument("--to", metavar="DIR", help="(default: $MINICNN_DATA, or else ~/.cache/minicnn)")
    return top


def add_data(one):
    one.add_argument("--data", default="sample", metavar="sample|cifar10|DIR", help="the bundled sample of 5,000 images (default), the full set in the cache, or in a folder")  # fmt: skip


def add_run(one, out):
    one.add_argument("--ops", choices=("fast", "reference"), default="fast", help="the backend (default: fast)")
    one.add_argument("--out", default=out, metavar="DIR", help=f"where the results go (default: {out})")
    one.add_argument("--resume", action="store_true", help="go on with the run in --out")


def whole(text):
    """Return a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def positive(text):
    """Return a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def backend(name):
    return importlib.import_module(f".{name}", __package__)


def run_figure1(options):
    from . import figure1

    results = figure1.figure1(
        options.out, backend(options.ops), options.data, options.seeds, options.network, options.input,
        options.init, options.epochs, options.resume,
    )  # fmt: skip
    print(figure1.report(results))
    print(f"Wrote {options.out}/figure1.png and {options.out}/results.json")
    return 0


def run_train(options):
    import pathlib

    import numpy as np

    from . import cifar, data, figures, train

    out, ops = pathlib.Path(options.out), backend(options.ops)
    if not options.resume and (out / "checkpoint.npz").exists():
        raise FileExistsError(f"{out} holds a run: add --resume to go on, or name another folder with --out")
    if options.divide_at and options.divide_on_stall:
        raise ValueError("give --divide-at or --divide-on-stall, not both")
    train_x, train_y, test_x, test_y, _ = data.prepare(data.load(options.data), options.input)
    rng = np.random.default_rng(options.seed)
    if options.network in ("four-layer", "four-hidden-layer"):
        build = getattr(cifar, options.network.replace("-", "_"))
        layers = build(ops, rng, options.nonlinearity, options.init)
    else:
        layers = getattr(cifar, f"layers_{options.network}")(ops, rng)
    schedule = None
    if options.divide_at:
        schedule = train.divide_at(options.divide_at)
    elif options.divide_on_stall:
        schedule = train.divide_on_stall(options.divide_on_stall)
    names = "data network nonlinearity init input momentum decay batch seed ops".split()
    run = train.train(
        layers, ops, (train_x, train_y), (test_x, test_y), rng=rng, epochs=options.epochs,
        epsilon=options.epsilon, momentum=options.momentum, decay=options.decay, batch=options.batch,
        schedule=schedule, folder=out, resume=options.resume, title=options.network,
        settings={name: getattr(options, name) for name in names},
    )  # fmt: skip
    figures.curves(run.history, out / "curves.png")
    last = run.history[-1]
    print(
        f"{last['epoch']:g} epochs: training error {last['training_error']:.1%}, validation error "
        f"{last['validation_error']:.1%}, {last['seconds']:.0f} seconds"
    )
    print(f"Wrote history.jsonl, checkpoint.npz and curves.png in {out}")
    return 0


def run_study(options):
    from . import study

    study.study(options.out, backend(options.ops), options.data, options.images)
    print(study.report(options.out))
    print(f"Wrote {options.out}/study.jsonl and {options.out}/study.png")
    return 0


def run_gradcheck(options):
    from . import gradcheck

    return gradcheck.main(options)


def run_summary(options):
    import numpy as np

    from . import alexnet, cifar, net, reference

    rng = np.random.default_rng(0)
    if options.network in NETWORKS:
        name = options.network.replace("-", "_")
        build = getattr(cifar, name if name.startswith("four") else f"layers_{name}")
        print(net.summary(build(reference, rng), (3, 32, 32)))
    else:
        build = getattr(alexnet, options.network.replace("-", "_"))
        print(net.summary(build(reference, rng), (3, 224, 224)))
    return 0


def run_download(options):
    from . import data

    data.download_cifar10(options.to)
    return 0


if __name__ == "__main__":
    sys.exit(main())
