"""python -m minicnn figure3, figure4, maps and codes: what a trained network has learned."""

import pathlib

from ..backends import backend
from .options import (
    CHECKPOINT,
    add_data,
    add_gpus,
    add_max_pixels,
    add_ops,
    add_out,
    whole,
    whole_or_zero,
)


def add(commands):
    three = add_command(
        commands, "figure3", "the kernels of the first layer, as in the paper's Figure 3", run_3
    )
    three.add_argument(
        "--out",
        default="runs/figure3.png",
        metavar="FILE",
        help="default: runs/figure3.png",
    )

    four = add_command(
        commands, "figure4", "predictions, and images that are similar to the network", run_4
    )
    four.description = (
        "Draw eight validation images with their five most probable classes (left.png), and six "
        "validation images with the nearest training images, by features and by pixels "
        "(right.png); print how many of the nearest are of the same class."
    )
    add_data(four, photos=True)
    add_search(four)
    add_out(four, "runs/figure4")

    maps = add_command(commands, "maps", "the feature maps of one image, as a picture", run_maps)
    maps.add_argument("image", metavar="IMAGE", help="a photograph, of any size")
    maps.add_argument(
        "--out",
        default="runs/maps.png",
        metavar="FILE",
        help="default: runs/maps.png",
    )
    add_max_pixels(maps)

    codes = add_command(
        commands, "codes", "short binary codes from features, and their quality", run_codes
    )
    codes.description = (
        "Train autoencoders of 32 to 256 bits on the features of the last hidden layer (Section "
        "6.1), and compare retrieval by Hamming distance with retrieval by features: quality, "
        "size and speed."
    )
    add_data(codes, photos=True)
    add_search(codes)


def add_search(command):
    """Add -k, --queries and --seed."""
    command.add_argument(
        "-k", type=whole, default=10, metavar="K", help="neighbours to count (default: 10)"
    )
    command.add_argument(
        "--queries",
        type=whole,
        default=1000,
        metavar="N",
        help="number of validation images, drawn at random, to find neighbours for (default: 1000)",
    )
    command.add_argument(
        "--seed",
        type=whole_or_zero,
        default=0,
        metavar="N",
        help="seed of all random choices (default: 0)",
    )


def add_command(commands, name, text, run):
    """Return the parser of a command that reads a checkpoint."""
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.set_defaults(run=run)
    command.add_argument("checkpoint", metavar="CHECKPOINT", help=CHECKPOINT)
    add_ops(command)
    add_gpus(command)
    return command


def run_3(options):
    from .. import net, storage
    from ..plots import canvas, gallery
    from ..training import predictor

    storage.check_output(options.out, canvas.FIGURE, [options.checkpoint])
    network = predictor.load(options.checkpoint, backend(options.ops, options.gpus))
    first = next(layer for layer in network.layers if "w" in layer.params)
    gallery.figure3([net.on_host(w) for w in net.columns(first.params["w"])], options.out)
    print(f"Wrote {options.out}")
    return 0


def run_4(options):
    import numpy as np

    from .. import data, storage
    from ..experiments import neighbours
    from ..plots import canvas, gallery
    from ..training import predictor

    out, k = pathlib.Path(options.out), options.k
    storage.make_folder(out, {"left.png": canvas.FIGURE, "right.png": canvas.FIGURE})
    network = predictor.load(options.checkpoint, backend(options.ops, options.gpus))
    photos = data.load(options.data)
    predictor.check_data(network, photos, options.data)
    rng = np.random.default_rng(options.seed)
    chosen = rng.permutation(len(photos.test_x))[:8]
    images, labels = photos.test_x[chosen], photos.test_y[chosen]
    probabilities = predictor.predict(network, images, "1")
    gallery.figure4_bars(images, labels, probabilities, network.classes, out / "left.png")

    drawn = rng.permutation(len(photos.test_x))[: options.queries]
    queries, query_labels = photos.test_x[drawn], photos.test_y[drawn]
    base, features = predictor.both_features(network, photos, queries)
    by_features = neighbours.nearest(features, base, k, "nearest in features")
    by_pixels = neighbours.nearest(queries, photos.train_x, k, "nearest in pixels")
    six = min(6, len(queries))
    gallery.figure4_neighbours(
        queries[:six],
        [
            photos.train_x[nearest[:six, :6].ravel()].reshape(six, -1, *images.shape[1:])
            for nearest in (by_features, by_pixels)
        ],
        ["nearest in the last hidden layer", "nearest in pixels"],
        out / "right.png",
    )
    for space, nearest in (("features", by_features), ("pixels", by_pixels)):
        share = neighbours.agreement(query_labels, photos.train_y, nearest)
        print(f"of the {k} training images nearest in {space}, {share:.1%} are of the same class")
    print(f"Wrote left.png and right.png in {out}")
    return 0


def run_maps(options):
    from .. import net, storage
    from ..data import decode, views
    from ..plots import canvas, gallery
    from ..training import predictor

    storage.check_output(options.out, canvas.FIGURE, [options.checkpoint, options.image])
    network = predictor.load(options.checkpoint, backend(options.ops, options.gpus))
    try:
        picture = decode.decode(options.image, network.mean.shape[1], options.max_pixels)
    except decode.Unreadable as error:
        raise ValueError(f"{options.image}: {error}") from None
    view = views.central_view(network.mean, network.deviation, network.size, network.width)
    outputs, layers = net.outputs(network.layers, view(picture[None])), []
    for layer, x in zip(network.layers, outputs, strict=True):
        if layer.name == "both":
            continue  # the image itself, twice
        parts = [network.ops.to_host(part)[0] for part in net.columns(x)]
        if all(part.ndim == 3 for part in parts):
            ends = [""] if len(parts) == 1 else [f", column {i}" for i in range(len(parts))]
            layers += [(layer.name + end, p) for p, end in zip(parts, ends, strict=True)]
    gallery.feature_maps(picture, layers, options.out)
    print(f"Wrote {options.out}")
    return 0


def run_codes(options):
    import numpy as np

    from .. import data
    from ..experiments import binary_codes
    from ..training import predictor

    ops = backend(options.ops, options.gpus)
    network = predictor.load(options.checkpoint, ops)
    photos = data.load(options.data)
    predictor.check_data(network, photos, options.data)
    rng = np.random.default_rng(options.seed)
    drawn = rng.permutation(len(photos.test_x))[: options.queries]
    base, queries = predictor.both_features(network, photos, photos.test_x[drawn])
    lines = binary_codes.compare(
        ops, base, photos.train_y, queries, photos.test_y[drawn], rng, options.k
    )
    print(binary_codes.report(lines, options.k))
    return 0
