"""python -m minicnn import and export: weights from elsewhere, and for elsewhere."""

from pathlib import Path


def add(commands):
    add_import(commands)
    add_export(commands)


def add_import(commands):
    from ..networks.catalogue import NETWORKS

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
        choices=NETWORKS,
        metavar="NETWORK",
        help="whose weights they are, where the file does not say so, as those of `minicnn "
        f"export` do: {', '.join(NETWORKS)}",
    )


def run_import(options):
    from .. import net, reference
    from ..networks import catalogue
    from ..weights import exchange

    exchange.check_new(options.out)
    classes = None
    if options.classes:
        classes = Path(options.classes).read_text(encoding="utf-8").splitlines()
    found = exchange.read(options.file)
    said = dict(found.about)
    name = options.network or said.get("network")
    if not name:
        raise ValueError(f"{options.file} does not say whose weights it has: add --network")
    if name != said.get("network", name):
        raise ValueError(f"{options.file} says that it is of {said['network']}, not of {name}")
    if said:
        said["classes"] = classes or said["classes"]
        layers = catalogue.build_described(said, reference)
    else:
        made = {"classes": len(classes)} if classes else {}
        layers = catalogue.build(name, reference, None, **made)
        last = next(layer for layer in reversed(layers) if layer.params)
        count = sum(len(b) for b in net.columns(last.params["b"]))
        classes = classes or [f"class {k}" for k in range(count)]
        said = {"network": name, "classes": classes, "size": catalogue.find(name).size}
    fitted = exchange.fit(found, layers, options.file)
    print(exchange.report(found, layers, fitted))
    mean = exchange.mean_of(found, layers)
    if Path(options.out).suffix.lower() == ".npz":
        save_checkpoint(options.out, fitted, mean, found.mean_image, said)
        print(f"Wrote {options.out}, a checkpoint for test, predict and the other commands")
    else:
        exchange.write(options.out, with_means(fitted, mean, found.mean_image), said)
        print(f"Wrote {options.out}")
    return 0


def save_checkpoint(path, arrays, mean, mean_image, said):
    """Write weights as a run of `train` leaves them, without what only training needs.

    Where there is no mean image, the mean colour becomes one: of 256×256 pixels as prepared
    photographs have, or of 32×32 for CIFAR's networks; 0 where nobody has told the colour.
    """
    import numpy as np

    from .. import storage
    from ..networks import catalogue

    if mean_image is None:
        width = max(said["size"], catalogue.find(said["network"]).width)
        colour = np.zeros(3) if mean is None else np.asarray(mean)
        mean_image = np.broadcast_to(colour[:, None, None], (3, width, width))
    content = {f"w:{name}": array.astype(np.float32) for name, array in arrays.items()}
    content |= {"input:mean": mean_image.astype(np.float32), "input:deviation": np.float32(1)}
    storage.save(path, content, {"settings": said})


def add_export(commands):
    from ..networks.catalogue import NETWORKS

    in_torchvision = [name for name, network in NETWORKS.items() if network.torchvision]
    one = commands.add_parser(
        "export",
        help="weights that were trained here, for PyTorch and others",
        description="Write the weights of a checkpoint or of an imported file, with our names "
        "(conv1.w) or with torchvision's (features.0.weight).  With our names the file also has "
        "the mean image and says what network it is of, so that `minicnn import` needs nothing "
        "else.",
    )
    one.set_defaults(run=run_export)
    one.add_argument("file", metavar="FILE", help="a checkpoint.npz, or weights of ours")
    one.add_argument("out", metavar="OUT", help="a new file, .npz or .safetensors")
    one.add_argument(
        "--for-torchvision",
        choices=in_torchvision,
        metavar="NETWORK",
        help="with torchvision's names and scale, if they are weights of this network: "
        f"{', '.join(in_torchvision)}",
    )


def run_export(options):
    from .. import reference
    from ..networks import catalogue
    from ..weights import conventions, exchange

    exchange.check_new(options.out)
    found = exchange.read(options.file)
    if found.library != "minicnn":
        raise ValueError(f"{options.file} holds weights of {found.library}: import them first")
    said = found.about
    if options.for_torchvision:
        if said.get("network", options.for_torchvision) != options.for_torchvision:
            raise ValueError(
                f"{options.file} is of {said['network']}, not of {options.for_torchvision}"
            )
        classes = len(next(reversed(found.arrays.values())))  # the last layer's biases
        dropout = {name: said[name] for name in ("dropout",) if name in said}
        layers = catalogue.build(
            options.for_torchvision, reference, None, classes=classes, **dropout
        )
        fitted = exchange.fit(found, layers, options.file)
        arrays, said = conventions.as_torchvision(layers, fitted), None
    else:
        arrays = with_means(found.arrays, found.mean, found.mean_image)
    exchange.write(options.out, arrays, said)
    for name, array in arrays.items():
        print(f"{name}  {array.shape}  {array.dtype}")
    print(f"Wrote {options.out}")
    return 0


def with_means(arrays, mean, mean_image):
    """Return arrays and, where there are any, both means, as a file of weights has them."""
    import numpy as np

    means = {"mean": mean, "mean_image": mean_image}
    return arrays | {
        name: np.asarray(value, np.float32) for name, value in means.items() if value is not None
    }
