"""python -m minicnn features CHECKPOINT --data DATA: a layer's output for images, as .npy."""

from ..backends import backend
from .options import CHECKPOINT, add_data, add_gpus, add_ops


def add(commands):
    command = commands.add_parser(
        "features",
        help="a layer's output for the validation images, as .npy",
        description="Run images through a trained network up to one layer, and write its output: "
        "one row of float32 per image.  Each image is seen in its central view.",
    )
    command.set_defaults(run=run)
    command.add_argument("checkpoint", metavar="CHECKPOINT", help=CHECKPOINT)
    add_data(command, photos=True)
    command.add_argument(
        "--split",
        choices=("train", "validation"),
        default="validation",
        help="which images (default: validation)",
    )
    command.add_argument(
        "--layer",
        metavar="LAYER",
        help="the name of a layer, such as fc7 (default: the last hidden layer)",
    )
    command.add_argument(
        "--out",
        default="runs/features.npy",
        metavar="FILE",
        help="default: runs/features.npy",
    )
    add_ops(command)
    add_gpus(command)


def run(options):
    from .. import data, storage
    from ..training import predictor

    storage.check_output(options.out, predictor.FEATURES, [options.checkpoint])
    network = predictor.load(options.checkpoint, backend(options.ops, options.gpus))
    photos = data.load(options.data)
    predictor.check_data(network, photos, options.data, classes=False)
    images = photos.train_x if options.split == "train" else photos.test_x
    layer = options.layer or predictor.last_hidden(network)
    shape = predictor.write_features(network, images, layer, options.out, title=layer)
    print(f"Wrote {options.out}: {layer} of {shape[0]:,} images, {shape[1]:,} numbers each")
    return 0
