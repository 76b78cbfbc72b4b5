"""python -m minicnn halves: what two columns that seldom talk learn."""

from ..options import add_data, add_gpus, add_ops, add_out, backend, positive, whole


def add(commands):
    one = commands.add_parser(
        "halves",
        help="what two columns that seldom talk learn",
        description="Train small networks of two columns that talk before different rows, and the "
        "smaller network for one GPU, from several seeds; write halves.jsonl, halves.png and "
        "kernels.png.  The same command goes on where it was stopped.",
    )
    one.set_defaults(run=run)
    what = one.add_mutually_exclusive_group(required=True)
    what.add_argument("--experiment", action="store_true", help="train and compare")
    add_data(one, photos=True)
    one.add_argument("--seeds", type=whole, default=3, metavar="N", help="default: 3")
    one.add_argument("--epochs", type=whole, default=10, metavar="N", help="default: 10")
    one.add_argument("--epsilon", type=positive, default=0.03, metavar="E", help="default: 0.03")
    add_ops(one)
    add_gpus(one)
    add_out(one, "runs/halves")


def run(options):
    from .. import columns

    lines = columns.experiment(
        options.out,
        backend(options.ops, options.gpus),
        options.data,
        options.seeds,
        options.epochs,
        options.epsilon,
    )
    print(columns.report(lines))
    print(f"Wrote {options.out}/halves.jsonl, halves.png and kernels.png")
    return 0
