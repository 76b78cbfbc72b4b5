"""python -m minicnn features CHECKPOINT --data DATA: what a layer makes of images, as .npy."""

from ..backends import backend
from .options import add_data, add_gpus, add_ops


def add(commands):
    one = commands.add_parser(
        "features",
        help="what a layer makes of the validation images, as .npy",
        description="Send images through a trained network up to one row, and write its output: "
        "one line of float32 an image.  The central view of each image is taken.",
    )
    one.set_defaults(run=run)
    one.add_argument("checkpoint", metavar="CHECKPOINT", help="checkpoint.npz of a run")
    add_data(one, photos=True)
    one.add_argument(
        "--split",
        choices=("train", "validation"),
        default="validation",
        help="which images (default: validation)",
    )
    one.add_argument(
        "--layer", metavar="ROW", help="the name of a row, such as fc7 (default: the last hidden)"
    )
    one.add_argument(
        "--out", default="runs/features.npy", metavar="FILE", help="default: runs/features.npy"
    )
    add_ops(one)
    add_gpus(one)


def run(options):
    from .. import data
    from ..training import predictor

    network = predictor.load(options.checkpoint, backend(options.ops, options.gpus))
    photos = data.load(options.data)
    predictor.check_data(network, photos, options.data, classes=False)
    images = photos.train_x if options.split == "train" else photos.test_x
    row = options.layer or predictor.last_hidden(network)
    shape = predictor.write_features(network, images, row, options.out, title=row)
    print(f"Wrote {options.out}: {row} of {shape[0]:,} images, {shape[1]:,} numbers each")
    return 0
