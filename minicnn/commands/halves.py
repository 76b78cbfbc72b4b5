"""python -m minicnn halves: what each of two columns learns, and when it computes."""

from ..backends import backend
from .options import add_data, add_gpus, add_ops, add_out, add_share, positive, whole

EXPERIMENT = {  # the options of --experiment alone, and their defaults
    "data": "sample", "seeds": 3, "epochs": 10, "epsilon": 0.03, "std": None, "only": None,
    "share": (1, 1),
}  # fmt: skip
# as in experiments/column_specialization.py
VARIANTS = ("paper", "every-layer", "last-layer", "never", "one-gpu")
TIMELINE = {"batch": 128}  # those of --timeline


def add(commands):
    from ..networks.catalogue import two_columns

    command = commands.add_parser(
        "halves",
        help="what each of two columns learns, and when it computes",
        description="--experiment: train small networks of two columns that exchange channels "
        "before different layers, and the smaller network for one GPU, from several seeds; write "
        "halves.jsonl, halves.png, and for each run a folder with its first kernels.  The same "
        "command resumes an experiment that was stopped.  --timeline: run a few steps of a network "
        "of two columns on random images; print when each layer ran and what crossed, and draw it "
        "as timeline.png.",
    )
    command.set_defaults(run=run)
    mode = command.add_mutually_exclusive_group(required=True)
    mode.add_argument("--experiment", action="store_true", help="train and compare")
    mode.add_argument(
        "--timeline",
        nargs="?",
        const="cifar-2gpu",
        choices=two_columns(),
        metavar="NETWORK",
        help=f"time one step of this network: {' or '.join(two_columns())} (default: cifar-2gpu)",
    )
    add_data(command, photos=True)
    command.set_defaults(data=None)
    command.add_argument("--seeds", type=whole, metavar="N", help="default: 3")
    command.add_argument("--epochs", type=whole, metavar="N", help="default: 10")
    command.add_argument("--epsilon", type=positive, metavar="E", help="default: 0.03")
    command.add_argument(
        "--std",
        type=positive,
        metavar="S",
        help="initial weights of conv1: N(0, S²) (default: scaled by fan-in, 0.163)",
    )
    command.add_argument(
        "--only",
        nargs="+",
        choices=VARIANTS,
        metavar="VARIANT",
        help=f"only these networks: {', '.join(VARIANTS)} (default: all)",
    )
    add_share(command, "runs")
    command.set_defaults(share=None)
    command.add_argument(
        "--batch", type=whole, metavar="N", help="images per step of the timeline (default: 128)"
    )
    add_ops(command)
    add_gpus(command)
    command.add_argument(
        "--through-host",
        action="store_true",
        help="with --ops cuda: copy between the columns through the host's memory, even if one GPU "
        "can access the other's",
    )
    add_out(command, "runs/halves")


def run(options):
    defaults, others = (TIMELINE, EXPERIMENT) if options.timeline else (EXPERIMENT, TIMELINE)
    for name in others:
        if getattr(options, name) is not None:
            mode = "experiment" if options.timeline else "timeline"
            raise ValueError(f"--{name} is for --{mode}")
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    ops = backend(options.ops, options.gpus, through_host=options.through_host)
    return draw_timeline(options, ops) if options.timeline else compare(options, ops)


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
        share=options.share,
    )
    print(column_specialization.report(lines))
    print(f"Wrote halves.jsonl, halves.png and a folder for each run in {options.out}")
    return 0


def draw_timeline(options, ops):
    import pathlib

    from .. import storage
    from ..experiments import timeline
    from ..plots.canvas import FIGURE

    out = pathlib.Path(options.out)
    storage.make_folder(out, {"timeline.png": FIGURE})
    spans = timeline.timeline(options.timeline, ops, batch=options.batch)
    print(timeline.report(spans))
    title = f"{options.timeline}, one step of {options.batch} images, {options.ops}"
    timeline.draw(spans, out / "timeline.png", title)
    print(f"Wrote {out / 'timeline.png'}")
    return 0
