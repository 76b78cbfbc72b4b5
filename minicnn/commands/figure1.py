"""python -m minicnn figure1: ReLU against tanh, the paper's Figure 1 (Section 3.1)."""

from ..backends import backend
from .options import add_conditions, add_data, add_gpus, add_ops, add_out, whole


def add(commands):
    from ..networks import catalogue

    names = [name.removeprefix("cifar-") for name in catalogue.networks_with("nonlinearity")]
    command = commands.add_parser(
        "figure1",
        help="ReLU against tanh on CIFAR-10: the paper's Figure 1",
        description="Train a small network with ReLU and with tanh to 25% training error; "
        "write figure1.png and results.json.  The default takes a few minutes on two cores.",
    )
    command.set_defaults(run=run)
    add_data(command)
    command.add_argument(
        "--network",
        choices=names,
        default="four-layer",
        help="how to read the paper's 'four-layer' (default: four-layer)",
    )
    add_conditions(command)
    command.add_argument(
        "--seeds", type=whole, default=2, metavar="N", help="runs of each nonlinearity (default: 2)"
    )
    command.add_argument(
        "--epochs", type=whole, default=60, metavar="N", help="give up after N epochs (default: 60)"
    )
    add_ops(command)
    add_gpus(command)
    add_out(command, "runs/figure1")
    command.add_argument(
        "--resume",
        action="store_true",
        help="resume an unfinished race in --out, if there is one",
    )


def run(options):
    from ..experiments import figure1
    from ..networks import catalogue

    ops = backend(options.ops, options.gpus)
    results = figure1.figure1(
        options.out,
        catalogue.backend(f"cifar-{options.network}", ops),
        dataset=options.data,
        seeds=options.seeds,
        network=options.network,
        input=options.input,
        init=options.init,
        epochs=options.epochs,
        resume=options.resume,
    )
    print(figure1.report(results))
    print(f"Wrote {options.out}/figure1.png and {options.out}/results.json")
    return 0
