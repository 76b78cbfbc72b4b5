"""python -m minicnn halves: what two columns that seldom talk learn, and when each is at work."""

from ..backends import backend
from .options import add_data, add_gpus, add_ops, add_out, positive, whole

EXPERIMENT = {  # what it alone takes
    "data": "sample", "seeds": 3, "epochs": 10, "epsilon": 0.03, "std": None, "only": None,
}  # fmt: skip
# see experiments/column_specialization.py
VARIANTS = ("paper", "every-row", "last-row", "never", "one-gpu")
TIMELINE = {"batch": 128}


def add(commands):
    from ..networks.catalogue import two_columns

    one = commands.add_parser(
        "halves",
        help="what two columns that seldom talk learn, and when each is at work",
        description="--experiment: train small networks of two columns that talk before different "
        "rows, and the smaller network for one GPU, from several seeds; write halves.jsonl, "
        "halves.png, and for each run a folder with its first kernels; the same command goes on "
        "where it was stopped.  --timeline: run a few steps of a network of two columns on random "
        "images; print which row ran when, and what crossed, and draw it into timeline.png.",
    )
    one.set_defaults(run=run)
    what = one.add_mutually_exclusive_group(required=True)
    what.add_argument("--experiment", action="store_true", help="train and compare")
    what.add_argument(
        "--timeline",
        nargs="?",
        const="cifar-2gpu",
        choices=two_columns(),
        metavar="NETWORK",
        help=f"watch one step of this network: {' or '.join(two_columns())} (default: cifar-2gpu)",
    )
    add_data(one, photos=True)
    one.set_defaults(data=None)
    one.add_argument("--seeds", type=whole, metavar="N", help="default: 3")
    one.add_argument("--epochs", type=whole, metavar="N", help="default: 10")
    one.add_argument("--epsilon", type=positive, metavar="E", help="default: 0.03")
    one.add_argument(
        "--std",
        type=positive,
        metavar="S",
        help="first weights of conv1: N(0, S²) (default: scaled by fan-in, 0.163)",
    )
    one.add_argument(
        "--only",
        nargs="+",
        choices=VARIANTS,
        metavar="VARIANT",
        help=f"only these networks: {', '.join(VARIANTS)} (default: all)",
    )
    one.add_argument(
        "--batch", type=whole, metavar="N", help="images a step of the timeline (default: 128)"
    )
    add_ops(one)
    add_gpus(one)
    one.add_argument(
        "--through-host",
        action="store_true",
        help="with --ops cuda: let what crosses go through the host's memory, even where a GPU can "
        "access the other's",
    )
    add_out(one, "runs/halves")


def run(options):
    usual, others = (TIMELINE, EXPERIMENT) if options.timeline else (EXPERIMENT, TIMELINE)
    for name in others:
        if getattr(options, name) is not None:
            mode = "experiment" if options.timeline else "timeline"
            raise ValueError(f"--{name} is for --{mode}")
    for name, value in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    ops = backend(options.ops, options.gpus, through_host=options.through_host)
    return watch(options, ops) if options.timeline else compare(options, ops)


def compare(options, ops):
    from ..experiments import column_specialization

    lines = column_specialization.experiment(
        options.out,
        ops,
        dataset=options.data,
        seeds=options.seeds,
        epochs=options.epochs,
        epsilon=options.epsilon,
        std=options.std,
        only=options.only or VARIANTS,
    )
    print(column_specialization.report(lines))
    print(f"Wrote halves.jsonl, halves.png and a folder for each run in {options.out}")
    return 0


def watch(options, ops):
    import pathlib

    from .. import storage
    from ..experiments import timeline

    out = pathlib.Path(options.out)
    storage.make_folder(out)
    spans = timeline.timeline(options.timeline, ops, batch=options.batch)
    print(timeline.report(spans))
    title = f"{options.timeline}, one step of {options.batch} images, {options.ops}"
    timeline.draw(spans, out / "timeline.png", title)
    print(f"Wrote {out / 'timeline.png'}")
    return 0
