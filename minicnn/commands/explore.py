"""python -m minicnn explore [CHECKPOINT] [IMAGE …]: a page that shows a network at work."""

from .options import CHECKPOINT, add_data, add_max_pixels

IMAGES = 10  # of the test set, if none is named


def add(commands):
    command = commands.add_parser(
        "explore",
        help="a page that shows a trained network at work, unit by unit",
        description="Write a page that needs no network: photographs, the maps of all layers, "
        "kernels and answers.  Point at a unit to see its window in the image, the sum that made "
        "it, and the training patches that excite its map most.  Take a map away, and see the "
        "answer change.",
    )
    command.set_defaults(run=run)
    command.add_argument(
        "checkpoint",
        nargs="?",
        default="trained",
        metavar="CHECKPOINT",
        help=f"{CHECKPOINT} (default)",
    )
    command.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help=f"a photograph, of any size (default: {IMAGES} test images of --data)",
    )
    add_data(command, photos=True)
    command.set_defaults(data=None)  # the sample; only named data must fit the network
    command.add_argument(
        "--out", default="runs/explore.html", metavar="FILE", help="default: runs/explore.html"
    )
    add_max_pixels(command)


def run(options):
    images = options.images
    if options.checkpoint != "trained" and not options.checkpoint.endswith(".npz"):
        images, options.checkpoint = [options.checkpoint, *images], "trained"
    size = write_page(options.out, options.checkpoint, images, options.data, options.max_pixels)
    print(f"Wrote {options.out}: {size / 1e6:.1f} MB")
    return 0


def write_page(out, checkpoint="trained", images=(), data_name=None, max_pixels=None):
    """Write the page of a network and of photographs, or else of test images; return its length.

    Without data_name, the bundled sample is used as far as it fits the network.
    """
    import pathlib

    from .. import data, fast, storage
    from ..plots import explorer
    from ..training import inspection, predictor

    storage.check_output(out, explorer.PAGE, [checkpoint, *images])
    network = predictor.load(checkpoint, fast)
    inspection.check_columns(network)
    photos = data.load(data_name or "sample")
    if data_name or not images:
        predictor.check_data(network, photos, data_name or "sample")
    if images:
        pictures, names = read(images, network, max_pixels), [pathlib.Path(i).name for i in images]
        labels = [None] * len(names)
    else:
        pictures, labels = photos.test_x[:IMAGES], photos.test_y[:IMAGES].tolist()
        names = [photos.classes[label] for label in labels]
    same_size = photos.mean.shape == network.mean.shape
    content = {
        **inspection.description(network),
        "patches": inspection.best_patches(network, photos) if same_size else None,
        "images": [
            inspection.inspect(network, picture) | {"name": name, "label": label}
            for picture, name, label in zip(pictures, names, labels, strict=True)
        ],
    }
    text = explorer.page(f"What {network.name} sees", content)
    storage.write_text(out, text, explorer.PAGE)
    return len(text)


def read(images, network, max_pixels):
    """Return the named photographs, (N, 3, H, H) uint8; ValueError says which cannot be read."""
    import numpy as np

    from ..data import decode

    pictures = []
    for name in images:
        try:
            pictures.append(decode.decode(name, network.mean.shape[1], max_pixels))
        except decode.Unreadable as error:
            raise ValueError(f"{name}: {error}") from None
    return np.stack(pictures)
