"""python -m minicnn train NETWORK --data DATA: train with the paper's recipe (Section 5)."""

import math
import pathlib
import sys

from .. import networks
from ..options import (
    add_data,
    add_gpus,
    add_ops,
    add_out,
    backend,
    chance,
    not_negative,
    positive,
    whole,
    whole_or_zero,
)

# What each kind of network starts from: AlexNet's numbers are Section 5's.  There ε falls "when the
# validation error stopped improving"; how long to wait, the paper does not say.
ALEXNET = {
    "epochs": 90,
    "epsilon": 0.01,
    "batch": 128,
    "schedule": {"stall": 5, "by": 10, "times": 3},
    "colour_noise": 0.1,
    "input": "raw",
}
VGG = {**ALEXNET, "epochs": 74, "batch": 256, "init": "glorot"}
CIFAR = {
    "epochs": 20,
    "epsilon": 0.001,
    "batch": 128,
    "schedule": {},
    "colour_noise": 0.0,
    "input": "raw",
}
CIFAR_ALEXNET = {**CIFAR, "epochs": 38, "epsilon": 0.03, "input": "unit"}
MiB = 2**20


def recipe(network):
    """Return what a network's options are where nothing is said."""
    if network == "cifar-alexnet":
        return CIFAR_ALEXNET
    return CIFAR if network in networks.CIFAR else VGG if network.startswith("vgg") else ALEXNET


def add(commands):
    one = commands.add_parser(
        "train",
        help="train a network on CIFAR-10 or on your own photographs",
        description="Train with the paper's update rule; write history.jsonl, checkpoint.npz, "
        "curves.png and weights.png.  Ctrl-C finishes the step and saves; the same command with "
        "--resume goes on.",
    )
    one.set_defaults(run=run)
    one.add_argument(
        "network",
        nargs="?",
        choices=networks.NETWORKS,
        default="cifar-four-layer",
        metavar="NETWORK",
        help=f"one of {', '.join(networks.NETWORKS)} (default: cifar-four-layer)",
    )
    add_data(one, photos=True)
    images = one.add_argument_group("images")
    images.add_argument(
        "--size",
        type=whole,
        metavar="S",
        help="width and height of what the network sees: where images are larger, random patches "
        "of S×S pixels and their mirror images (default: what the network is made for, 224 or for "
        "cifar networks 32 or 24, at most what the images have)",
    )
    images.add_argument(
        "--view",
        choices=("random", "central"),
        help="random: a patch from anywhere, mirrored half of the time (default where images are "
        "larger than S, or with --jitter or --colour-noise); central: always the one in the middle "
        "(default elsewhere)",
    )
    images.add_argument(
        "--jitter",
        type=whole,
        metavar="LEAST",
        help="rescale each image to a width drawn from LEAST to its own before the patch is cut "
        "(VGG: 256, on images prepared with --size 512)",
    )
    images.add_argument(
        "--colour-noise",
        type=not_negative,
        metavar="SIGMA",
        help="change colours along their principal components, with α ~ N(0, SIGMA²) (default: "
        "0.1, or 0 for cifar networks)",
    )
    images.add_argument(
        "--colour-magnitude",
        choices=("eigenvalues", "deviations"),
        default="eigenvalues",
        help="what α is multiplied by: λ as in the paper (default), or √λ as in its code",
    )
    images.add_argument(
        "--input",
        choices=("raw", "unit"),
        help="raw: pixels 0 … 255 minus the mean image, as in the paper (default); "
        "unit: also divided by their standard deviation (default for cifar-alexnet)",
    )
    images.add_argument(
        "--workers",
        type=whole,
        default=1,
        metavar="N",
        help="threads that make the next batches meanwhile; they change no result (default: 1)",
    )
    network = one.add_argument_group(
        "network",
        "Kernels, units, first biases and the constants of normalization are the table's: "
        "`minicnn summary NETWORK` shows it.",
    )
    network.add_argument(
        "--nonlinearity",
        choices=("relu", "tanh", "logistic"),
        help="of cifar-four-layer and cifar-four-hidden-layer (default: relu)",
    )
    network.add_argument(
        "--init",
        choices=("paper", "cuda-convnet", "fan-in", "glorot"),
        help="first weights.  cifar-four…: N(0, 0.01²) as in the paper (default), as in "
        "cuda-convnet's files, or scaled by fan-in; vgg: glorot (default), or paper",
    )
    network.add_argument(
        "--std",
        type=not_negative,
        metavar="S",
        help="first weights of alexnet: N(0, S²) (default: 0.01, as in the paper)",
    )
    network.add_argument(
        "--bias",
        type=not_negative,
        metavar="B",
        help="first biases of alexnet in conv2, conv4, conv5, fc6 and fc7 (default: 1, as in the "
        "paper; 0 in the others)",
    )
    network.add_argument(
        "--dropout",
        type=chance,
        metavar="P",
        help="chance that a unit is left out in training, where the network has dropout; "
        "prediction multiplies by 1 − P (default: 0.5)",
    )
    network.add_argument(
        "--init-from",
        metavar="CHECKPOINT",
        help="begin with the weights of a trained network, wherever a row has the same name and "
        "shape; the others are drawn as usual, and named",
    )
    training = one.add_argument_group("training")
    training.add_argument(
        "--epochs",
        type=whole,
        metavar="N",
        help="default: 90 for alexnet, 74 for vgg, 20 for cifar networks, 38 for cifar-alexnet",
    )
    training.add_argument(
        "--epsilon",
        type=positive,
        metavar="E",
        help="learning rate ε (default: 0.01, or 0.001 for cifar networks, 0.03 for "
        "cifar-alexnet); with --resume, another one than the run's is a change by hand, and "
        "nothing keeps the run's",
    )
    training.add_argument(
        "--momentum", type=not_negative, default=0.9, metavar="M", help="default: 0.9"
    )
    training.add_argument(
        "--decay",
        type=not_negative,
        default=0.0005,
        metavar="D",
        help="weight decay (default: 0.0005)",
    )
    training.add_argument(
        "--batch", type=whole, metavar="N", help="images a batch (default: 128, or 256 for vgg)"
    )
    schedule = training.add_mutually_exclusive_group()
    schedule.add_argument(
        "--divide-at",
        type=whole,
        nargs="+",
        metavar="EPOCH",
        help="divide ε after these epochs",
    )
    schedule.add_argument(
        "--divide-on-stall",
        type=whole,
        metavar="N",
        help="divide ε when the validation error has not improved in N epochs (default: 5; cifar "
        "networks keep their ε)",
    )
    training.add_argument(
        "--divide-by", type=positive, metavar="F", help="divide ε by F (default: 10)"
    )
    training.add_argument(
        "--divide-times",
        type=whole,
        metavar="N",
        help="divide on stall at most N times (default: 3)",
    )
    training.add_argument(
        "--seed",
        type=whole_or_zero,
        default=0,
        metavar="N",
        help="of all random choices (default: 0)",
    )
    add_ops(one, tf32=True)
    add_gpus(one)
    add_out(one, "runs/train")
    one.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, with the same options; --epochs may be more, and where "
        "--epsilon and --divide-… are given, they hold for the epochs to come",
    )


def run(options):
    import numpy as np

    from .. import checkpoint, data, figures, schedules, train, trained

    out = pathlib.Path(options.out)
    ops = backend(options.ops, options.gpus, options.tf32)
    there = (out / "checkpoint.npz").exists()
    if there and not options.resume:
        raise FileExistsError(
            f"{out} holds a run: add --resume to go on, or name another folder with --out"
        )
    if options.resume and not there:
        print(f"There is no run in {out} yet: it starts from the beginning.", file=sys.stderr)
    if options.view == "central" and (options.jitter or options.colour_noise):
        raise ValueError("--view central shows images as they are: leave out --jitter and colours")
    if options.view == "central":
        options.colour_noise = 0.0
    before = checkpoint.load(out / "checkpoint.npz")[1] if there else None
    if there and "epoch" not in before:
        raise ValueError(
            f"{out / 'checkpoint.npz'} has weights, but not those of a run that could go on; "
            "--init-from begins a run with them, and --out names another folder for it"
        )
    if there and options.epsilon is None:  # what the run was begun with, or changed to, by hand
        options.epsilon = before["first_epsilon"]
    usual = dict(recipe(options.network))
    plan = usual.pop("schedule")
    for name, value in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    photos = data.open_photos(options.data)
    if not len(photos.train_x):
        raise ValueError(f"{options.data} has no images to train with")
    width = photos.mean.shape[1]
    size = size_of(options, width)
    plan = plan_of(options, plan, before, bool(len(photos.test_x)))
    print(seen(options, len(photos.train_x), size, width), flush=True)
    if options.view is None:
        larger = size < width or options.jitter or options.colour_noise
        options.view = "random" if larger else "central"
    deviation = trained.deviation_of(photos) if options.input == "unit" else np.float32(1)
    inputs = {"mean": photos.mean, "deviation": np.asarray(deviation)}
    test_width = (options.jitter + width) // 2 if options.jitter else width  # as VGG's test scale
    view = central = trained.central_view(photos.mean, deviation, size, test_width)
    if options.view == "random":
        view = trained.training_view(
            photos.mean,
            deviation,
            size,
            eigen=(photos.eigenvalues, photos.eigenvectors) if options.colour_noise else None,
            sigma=options.colour_noise,
            magnitude=options.colour_magnitude,
            least=options.jitter,
        )

    rng = np.random.default_rng(options.seed)
    classes = [str(name) for name in photos.classes]
    given = {
        name: getattr(options, name) for name in ("nonlinearity", "init", "std", "bias", "dropout")
    }
    given = {name: value for name, value in given.items() if value is not None}
    networks.check_options(options.network, given)
    built = {} if options.network in networks.ELSEWHERE else {"size": size}  # they have one size
    layers = networks.build(options.network, ops, rng, classes=len(classes), **built, **given)
    if options.init_from and not there:
        print(trained.take_weights(layers, options.network, classes, options.init_from))
    names = (
        "network view jitter colour_noise colour_magnitude input momentum decay batch seed "
        "ops init_from"
    )
    settings = {name: getattr(options, name) for name in names.split()}
    counts = [len(photos.train_x), len(photos.test_x)]
    settings |= {"images": counts, "size": size, "test_width": test_width, "classes": classes}
    settings |= {"schedule": plan, **given}
    if options.tf32:
        settings["tf32"] = True
    try:
        finished = train.train(
            layers,
            networks.backend(options.network, ops),
            (photos.train_x, photos.train_y),
            (photos.test_x, photos.test_y) if len(photos.test_x) else None,
            rng=rng,
            epochs=options.epochs,
            epsilon=options.epsilon,
            momentum=options.momentum,
            decay=options.decay,
            batch=options.batch,
            schedule=schedules.of(plan),
            folder=out,
            resume=options.resume,
            settings=settings,
            view=view,
            test_view=central,
            seed=options.seed,
            workers=options.workers,
            inputs=inputs,
            title=options.network,
        )
    except MemoryError as error:
        if options.ops != "cuda":
            raise
        words = what_fits(layers, (photos.mean.shape[0], size, size), options.batch)
        raise MemoryError(f"{error}; {words}") from error
    figures.curves(finished.history, out / "curves.png")
    figures.weights(finished.history, out / "weights.png")
    print(in_words(finished.history[-1]))
    print(f"Wrote history.jsonl, checkpoint.npz, curves.png and weights.png in {out}")
    return 0


def seen(options, images, size, width):
    """Return what the network is about to see, as a sentence: a wrong --data shows here."""
    made_for = networks.image_size(options.network)
    words = f"{options.network}: {images:,} images of {options.data}, {width}×{width} pixels"
    if size < width:
        words += f", seen {size}×{size} at a time"
    if size != made_for:
        words += f" (it is made for {made_for}×{made_for})"
    if 2 * size < width:
        words += (
            f"; that is a small part of each: prepare --size {9 * size // 8} makes them smaller"
        )
    return words


def what_fits(layers, shape, batch):
    """Return, in words, about how many images a batch may have on this GPU, or on these two.

    Counted are the parameters, their gradients and velocities; of each image what is kept for
    backward, which on a GPU is about what minicnn.fast keeps, twice the largest array that passes
    between rows, and the image itself, now and one batch ahead.  A tenth of the memory is left out.
    Two columns on two GPUs have half of all that on each, so the smaller one counts, twice.
    """
    from .. import net, summary
    from ..cuda import columns, gpu

    devices = set(columns.chosen) or {gpu.here.device}
    smaller = min(devices, key=gpu.total_memory)
    total = gpu.total_memory(smaller) * len(devices)  # each has half of everything
    itemsize = summary.dtype_of(layers).itemsize
    learned = 3 * net.count_parameters(layers) * itemsize
    outputs = [shape, *(one for size in summary.measure(layers, shape) for one in size.output)]
    passing = 2 * max(map(math.prod, outputs)) + 2 * math.prod(shape)
    image = summary.kept_bytes(layers, shape) + passing * itemsize
    fits = max(0, int((0.9 * total - learned) // image))
    if fits >= batch:
        return f"counted roughly, {batch} images fit, if no other program uses this GPU"
    if not fits:
        return f"not even one image would fit: parameters alone take {learned / MiB:,.0f} MiB"
    return (
        f"about {fits} images of {image / MiB:.3g} MiB would fit: try --batch {fits}, a new --out"
    )


def size_of(options, width):
    """Return the width of what the network sees of images so wide, after seeing that it can be."""
    made_for = networks.image_size(options.network)
    size = options.size or min(made_for, width)
    if size > width:
        raise ValueError(f"--size is {size}, but the images of {options.data} have {width} pixels")
    least = networks.least_size(options.network)
    if size < least:
        has = f"--size is {size}" if options.size else f"those of {options.data} have {width}"
        raise ValueError(
            f"{options.network} needs images of at least {least} pixels, but {has}; "
            "name others with --data"
        )
    if options.network in networks.ELSEWHERE and size != made_for:
        raise ValueError(f"{options.network} is made for images of {made_for} pixels")
    if options.jitter and not size <= options.jitter <= width:
        raise ValueError(
            f"--jitter is {options.jitter}; expected {size} … {width} for these images"
        )
    return size


def plan_of(options, usual, before, validated):
    """Return when ε is divided, as schedules.py has it.

    Parameters
    ----------
    options : Namespace
    usual : dict
        The plan of the network's recipe.
    before : dict or None
        The facts of the run that goes on; its plan stays, where the options say nothing.
    validated : bool
        Whether there are validation images.
    """
    from .. import schedules

    kept = before["settings"].get("schedule") if before else None  # an older run does not say
    if kept is None and "stall" in usual and not validated:
        usual = {}
        if not (options.divide_at or options.divide_on_stall):
            print(
                f"{options.data} has no validation images, whose error could stall: ε stays as it "
                "is (--divide-at says after which epochs it falls).",
                file=sys.stderr,
            )
    plan = with_options(usual if kept is None else kept, options)
    if "stall" in plan and not validated:
        raise ValueError(f"--divide-on-stall, but {options.data} has no validation images")
    if kept is not None and plan != kept:
        done = before["epoch"]
        schedules.check_change(kept, plan, done)
        words = [schedules.in_words(one) for one in (plan, kept)]
        print(f"From epoch {done + 1} on, ε {words[0]}; until now, it {words[1]}.", file=sys.stderr)
    return plan


def with_options(usual, options):
    """Return a plan with what the options say in the place of what was usual."""
    plan = dict(usual)
    if options.divide_at:
        plan = {"at": sorted(set(options.divide_at)), "by": usual.get("by", 10)}
    elif options.divide_on_stall:
        stall, by, times = options.divide_on_stall, usual.get("by", 10), usual.get("times", 3)
        plan = {"stall": stall, "by": by, "times": times}
    if options.divide_by is not None:
        if not plan:
            raise ValueError("--divide-by, but nothing says when: add --divide-at")
        plan["by"] = options.divide_by
    if options.divide_times is not None:
        if "stall" not in plan:
            raise ValueError("--divide-times is for --divide-on-stall, which is not in use here")
        plan["times"] = options.divide_times
    return plan


def in_words(last):
    """Return the last line of a history as a sentence."""
    parts = [f"{last['epoch']:g} epochs: training error {last['training_error']:.1%}"]
    for name, word in (("validation_error", "validation error"), ("validation_top5", "top-5")):
        if last.get(name) is not None:
            parts.append(f"{word} {last[name]:.1%}")
    waited = last["seconds_waited"]
    return ", ".join([*parts, f"{last['seconds']:.0f} seconds, {waited:.1f} of them for images"])
