"""python -m minicnn train NETWORK --data DATA: train with the paper's recipe (Section 5).

Its options are in train_options.py; their defaults are in networks/catalogue.py.
"""

import pathlib
import sys

from .. import backends
from ..backends import backend
from ..networks import catalogue
from .options import start_emulator
from .train_options import add_options

NETWORK_OPTIONS = ("nonlinearity", "init", "std", "bias", "dropout")
RUN_OPTIONS = (  # a run is resumed only with the same values
    "network view jitter colour_noise colour_magnitude input momentum decay batch seed ops "
    "init_from"
).split()


def add(commands):
    command = commands.add_parser(
        "train",
        help="train a network on CIFAR-10 or on your own photographs",
        description="Train with the paper's update rule; write history.jsonl, checkpoint.npz, "
        "curves.png and weights.png.  Ctrl-C finishes the step and saves the run; the same command "
        "with --resume continues it.",
    )
    command.set_defaults(run=run)
    add_options(command)


def run(options):
    import numpy as np

    from .. import data, storage
    from ..distributed import ranks
    from ..distributed.job import current_job
    from ..distributed.shards import check_ranks
    from ..plots import canvas, curves
    from ..training import recipes, schedules, train, transfer

    job = current_job(options.time_limit, options.parallel == "columns")
    out = pathlib.Path(options.out)
    for picture in (out / "curves.png", out / "weights.png"):
        if picture.exists():
            storage.check_output(picture, canvas.FIGURE)
    start_emulator(options)
    ops = backend(options.ops, own_gpus(options, job), tf32=options.tf32)
    check_parallel(options, job)
    if options.parallel == "columns":
        ops = job.backend(ops)
    before = job.broadcast(None if job.rank else resumed_facts(out, options.resume))
    if options.view == "central":
        if options.jitter or options.colour_noise:
            raise ValueError(
                "--view central shows images as they are: leave out --jitter and --colour-noise"
            )
        options.colour_noise = 0.0
    recipes.complete(options, before)
    if options.shards is None:
        options.shards = before["settings"].get("shards", 1) if before else job.parts
    if options.shards > options.batch:
        raise ValueError(
            f"--shards is {options.shards}, but a batch has {options.batch} images, and each shard "
            "needs one"
        )
    check_ranks(options.shards, job)
    photos = data.load(options.data)
    if not len(photos.train_x):
        raise ValueError(f"{options.data} has no images to train with")
    width = photos.mean.shape[1]
    size = input_size(options, width)
    plan = recipes.choose_plan(options, before, bool(len(photos.test_x)))
    print(input_sentence(options, len(photos.train_x), size, width), flush=True)
    view, test_view, test_width, inputs = make_views(options, photos, size)

    rng = np.random.default_rng(options.seed)
    classes = [str(name) for name in photos.classes]
    given = {name: getattr(options, name) for name in NETWORK_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    catalogue.check_options(options.network, given)
    given_size = catalogue.size_option(options.network, size)
    layers = catalogue.build(options.network, ops, rng, classes=len(classes), **given_size, **given)
    if options.init_from and not before:
        print(transfer.take_weights(layers, options.network, classes, options.init_from))
    counts = [len(photos.train_x), len(photos.test_x)]
    settings = {name: getattr(options, name) for name in RUN_OPTIONS}
    settings |= {"images": counts, "size": size, "test_width": test_width, "classes": classes}
    settings |= {"schedule": plan, **given}
    if options.bias_epsilon != 1:  # earlier versions had no such option
        settings["bias_epsilon"] = options.bias_epsilon
    if options.tf32:
        settings["tf32"] = True
    ranks.check_data(job, photos)
    if not job.rank:
        storage.make_folder(out)
    try:
        with storage.only_writer(None if job.rank else out, "train"):
            refuse_run(out, options.resume or job.rank)  # one that began meanwhile, and is over
            finished = train.train(
                layers,
                catalogue.backend(options.network, ops),
                (photos.train_x, photos.train_y),
                (photos.test_x, photos.test_y) if len(photos.test_x) else None,
                rng=rng,
                epochs=options.epochs,
                epsilon=options.epsilon,
                momentum=options.momentum,
                decay=options.decay,
                bias_epsilon=options.bias_epsilon,
                batch=options.batch,
                schedule=schedules.schedule_from(plan),
                folder=out,
                resume=options.resume,
                settings=settings,
                view=view,
                test_view=test_view,
                seed=options.seed,
                workers=options.workers,
                inputs=inputs,
                title=options.network,
                progress=not job.rank,
                shards=options.shards,
                job=job,
                hybrid=options.parallel == "hybrid",
            )
    except MemoryError as error:
        if ops.device.capacity() is None:
            raise
        from ..networks.summary import what_fits

        shape, total = (photos.mean.shape[0], size, size), ops.device.capacity()
        advice = what_fits(layers, shape, options.batch, total)
        raise MemoryError(f"{error}; {advice}") from error
    if job.rank:
        return 0
    curves.curves(finished.history, out / "curves.png")
    curves.weights(finished.history, out / "weights.png")
    print(result_sentence(finished.history[-1]))
    print(f"Wrote history.jsonl, checkpoint.npz, curves.png and weights.png in {out}")
    return 0


def own_gpus(options, job):
    """Return --gpus or, for several ranks, the GPU with this rank's number on its machine."""
    if options.gpus or job.size == 1 or backends.BACKENDS[options.ops] != "GPU":
        return options.gpus
    return (job.local_rank,)


def check_parallel(options, job):
    """Raise ValueError unless the network, the job and the backend are fit for --parallel."""
    if options.parallel == "data":
        return
    columns, way = catalogue.find(options.network).columns, f"--parallel {options.parallel}"
    if options.parallel == "columns" and columns != 2:
        raise ValueError(
            f"{way}: {options.network} has one column; "
            f"{' and '.join(catalogue.two_columns())} have two"
        )
    if options.parallel == "hybrid" and columns != 1:
        raise ValueError(f"{way} takes a network of one column; {options.network} has two")
    if options.parallel == "columns" and job.size != 2:
        raise ValueError(
            f"{way} takes two ranks, and there {'is' if job.size == 1 else 'are'} {job.size}: "
            "start it with mpiexec -n 2 python -m mpi4py -m minicnn train …"
        )
    if options.parallel == "columns" and (options.shards or 1) > 1:
        raise ValueError(f"{way} computes in one shard: leave out --shards")
    if backends.BACKENDS[options.ops] != "CPU":
        raise ValueError(f"{way} computes on the CPU: leave out --ops {options.ops}")


def resumed_facts(out, resume):
    """Return the facts of the run that is resumed in a folder, or None for a new run."""
    from ..training import saved_run

    path = out / "checkpoint.npz"
    if not path.exists():
        if resume:
            print(f"There is no run in {out} yet: a new one starts.", file=sys.stderr)
        return None
    refuse_run(out, resume)
    return saved_run.load(path)[1]


def refuse_run(out, resume):
    """Raise FileExistsError if a folder holds a run that is not to be resumed."""
    if not resume and (out / "checkpoint.npz").exists():
        raise FileExistsError(
            f"{out} holds a run: add --resume to go on, or name another folder with --out"
        )


def input_size(options, width):
    """Return the width of the network's input for images of this width; check that it is valid."""
    made_for, least = catalogue.find(options.network).size, catalogue.find(options.network).least
    size = options.size or min(made_for, width)
    if size > width:
        raise ValueError(f"--size is {size}, but the images of {options.data} have {width} pixels")
    if size < least:
        fact = f"--size is {size}" if options.size else f"those of {options.data} have {width}"
        raise ValueError(
            f"{options.network} needs images of at least {least} pixels, but {fact}; "
            f"{'make it larger' if options.size else 'name others with --data'}"
        )
    if least == made_for != size:
        raise ValueError(f"{options.network} takes only images of {made_for} pixels")
    if options.jitter and not size <= options.jitter <= width:
        raise ValueError(
            f"--jitter is {options.jitter}; expected {size} … {width} for these images"
        )
    return size


def input_sentence(options, images, size, width):
    """Return a sentence about the network's input, which shows a wrong --data."""
    made_for = catalogue.find(options.network).size
    sentence = f"{options.network}: {images:,} images of {options.data}, {width}×{width} pixels"
    if size < width:
        sentence += f", in patches of {size}×{size}"
    if size != made_for:
        sentence += f" (the network is made for {made_for}×{made_for})"
    if 2 * size < width:
        sentence += (
            f"; a patch is a small part of an image: prepare --size {9 * size // 8} makes smaller "
            "images"
        )
    return sentence


def make_views(options, photos, size):
    """Return the view and test_view of train.train, test_width, and the mean and deviation."""
    import numpy as np

    from ..data import views

    mean, width = photos.mean, photos.mean.shape[1]
    if options.view is None:
        larger = size < width or options.jitter or options.colour_noise
        options.view = "random" if larger else "central"
    deviation = views.deviation_of(photos) if options.input == "unit" else np.float32(1)
    inputs = {"mean": mean, "deviation": np.asarray(deviation)}
    test_width = (options.jitter + width) // 2 if options.jitter else width  # VGG's test scale
    view = central = views.central_view(mean, deviation, size, test_width)
    if options.view == "random":
        view = views.training_view(
            mean,
            deviation,
            size,
            eigen=(photos.eigenvalues, photos.eigenvectors) if options.colour_noise else None,
            sigma=options.colour_noise,
            magnitude=options.colour_magnitude,
            least=options.jitter,
        )
    return view, central, test_width, inputs


def result_sentence(last):
    """Return the last line of a history as a sentence."""
    parts = [f"{last['epoch']:g} epochs: training error {last['training_error']:.1%}"]
    for name, label in (("validation_error", "validation error"), ("validation_top5", "top-5")):
        if last.get(name) is not None:
            parts.append(f"{label} {last[name]:.1%}")
    waited = last["seconds_waited"]
    return ", ".join([*parts, f"{last['seconds']:.0f} seconds, {waited:.1f} of them for images"])
