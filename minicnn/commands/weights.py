"""python -m minicnn import and export: weights from elsewhere, and for elsewhere."""

from pathlib import Path

IN_TORCHVISION = ("torchvision-alexnet", "vgg-a", "vgg-b", "vgg-d", "vgg-e")


def add(commands):
    add_import(commands)
    add_export(commands)


def add_import(commands):
    from ..networks import NETWORKS

    one = commands.add_parser(
        "import",
        help="weights that were trained elsewhere: Caffe's, torchvision's",
        description="Read weights of Caffe (.caffemodel, or .npy with a dictionary), of "
        "torchvision (.safetensors, .npz, .pth) or our own, without running anything; print what "
        "is there; write them as this library has them: as a checkpoint, for test, predict and "
        "the other commands, if OUT is an .npz file.",
    )
    one.set_defaults(run=run_import)
    one.add_argument("file", metavar="FILE", help="the weights")
    one.add_argument("out", metavar="OUT", help="a new file, .npz or .safetensors")
    one.add_argument(
        "--classes",
        metavar="FILE",
        help="a text file with the name of a class in each line (default: class 0, class 1, …)",
    )
    one.add_argument(
        "--network",
        required=True,
        choices=NETWORKS,
        metavar="NETWORK",
        help=f"whose weights they are: {', '.join(NETWORKS)}",
    )


def run_import(options):
    from .. import net, networks, reference, weights

    weights.check_new(options.out)
    classes = None
    if options.classes:
        classes = Path(options.classes).read_text(encoding="utf-8").splitlines()
    made = {"classes": len(classes)} if classes else {}
    layers = networks.build(options.network, reference, None, **made)
    found = weights.read(options.file)
    fitted = weights.fit(found, layers, options.file)
    print(weights.report(found, layers, fitted))
    mean = weights.mean_of(found, layers)
    if Path(options.out).suffix.lower() == ".npz":
        last = next(layer for layer in reversed(layers) if layer.params)
        count = sum(len(b) for b in net.columns(last.params["b"]))
        classes = classes or [f"class {k}" for k in range(count)]
        save_checkpoint(options.out, options.network, fitted, mean, classes)
        print(f"Wrote {options.out}, a checkpoint for test, predict and the other commands")
    else:
        weights.write(options.out, with_mean(fitted, mean))
        print(f"Wrote {options.out}")
    return 0


def save_checkpoint(path, network, arrays, mean, classes):
    """Write weights as a run of `train` leaves them, without what only training needs.

    The mean colour becomes a mean image: of 256×256 pixels as prepared photographs have, or of
    32×32 for CIFAR's networks; 0 where nobody has told it.
    """
    import numpy as np

    from .. import checkpoint, networks

    width = 32 if network in networks.CIFAR else 256
    colour = np.zeros(3) if mean is None else np.asarray(mean)
    image = np.broadcast_to(colour[:, None, None], (3, width, width)).astype(np.float32)
    content = {f"w:{name}": array.astype(np.float32) for name, array in arrays.items()}
    content |= {"input:mean": image, "input:deviation": np.float32(1)}
    settings = {"network": network, "classes": classes, "size": networks.image_size(network)}
    checkpoint.save(path, content, {"settings": settings})


def add_export(commands):
    one = commands.add_parser(
        "export",
        help="weights that were trained here, for PyTorch and others",
        description="Write the weights of a checkpoint or of an imported file, with our names "
        "(conv1.w) or with torchvision's (features.0.weight).",
    )
    one.set_defaults(run=run_export)
    one.add_argument("file", metavar="FILE", help="a checkpoint.npz, or weights of ours")
    one.add_argument("out", metavar="OUT", help="a new file, .npz or .safetensors")
    one.add_argument(
        "--for-torchvision",
        choices=IN_TORCHVISION,
        metavar="NETWORK",
        help="with torchvision's names and scale, if they are weights of this network: "
        f"{', '.join(IN_TORCHVISION)}",
    )


def run_export(options):
    from .. import conventions, networks, reference, weights

    weights.check_new(options.out)
    found = weights.read(options.file)
    if found.library != "minicnn":
        raise ValueError(f"{options.file} holds weights of {found.library}: import them first")
    if options.for_torchvision:
        classes = len(next(reversed(found.arrays.values())))  # the last layer's biases
        layers = networks.build(options.for_torchvision, reference, None, classes=classes)
        fitted = weights.fit(found, layers, options.file)
        arrays = conventions.as_torchvision(layers, fitted)
    else:
        arrays = with_mean(found.arrays, found.mean)
    weights.write(options.out, arrays)
    for name, array in arrays.items():
        print(f"{name}  {array.shape}  {array.dtype}")
    print(f"Wrote {options.out}")
    return 0


def with_mean(arrays, mean):
    """Return arrays and, if there is one, the mean, as a file of weights has them."""
    import numpy as np

    return arrays if mean is None else {**arrays, "mean": np.asarray(mean, np.float32)}
