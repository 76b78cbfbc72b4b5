"""python -m minicnn import and export: weights from and for other libraries."""

from pathlib import Path


def add(commands):
    add_import(commands)
    add_export(commands)


def add_import(commands):
    from ..networks.catalogue import NETWORKS

    command = commands.add_parser(
        "import",
        help="read weights that were trained with Caffe or torchvision",
        description="Read weights of Caffe (.caffemodel, or .npy with a dictionary), of "
        "torchvision (.safetensors, .npz, .pth) or of minicnn, without running any code in the "
        "file; print its contents; write the weights for minicnn.  If OUT is an .npz file, it is a "
        "checkpoint for test, predict and the other commands.",
    )
    command.set_defaults(run=run_import)
    command.add_argument("file", metavar="FILE", help="the weights")
    command.add_argument("out", metavar="OUT", help="a new file, .npz or .safetensors")
    command.add_argument(
        "--classes",
        metavar="FILE",
        help="a text file with the name of one class per line (default: class 0, class 1, …)",
    )
    command.add_argument(
        "--network",
        choices=NETWORKS,
        metavar="NETWORK",
        help="the network of the weights, if the file does not name it (files of `minicnn export` "
        f"do): {', '.join(NETWORKS)}",
    )


def run_import(options):
    from .. import net, reference
    from ..networks import catalogue
    from ..weights import exchange

    exchange.check_new(options.out)
    classes = None
    if options.classes:
        classes = Path(options.classes).read_text(encoding="utf-8").splitlines()
    weights = exchange.read(options.file)
    about = dict(weights.about)
    name = options.network or about.get("network")
    if not name:
        raise ValueError(f"{options.file} does not say which network it is of: add --network")
    if name != about.get("network", name):
        raise ValueError(f"{options.file} says that it is of {about['network']}, not of {name}")
    if about:
        about["classes"] = classes or about["classes"]
        layers = catalogue.build_described(about, reference)
    else:
        count = {"classes": len(classes)} if classes else {}
        layers = catalogue.build(name, reference, None, **count)
        last = next(layer for layer in reversed(layers) if layer.params)
        count = sum(len(b) for b in net.columns(last.params["b"]))
        classes = classes or [f"class {k}" for k in range(count)]
        about = {"network": name, "classes": classes, "size": catalogue.find(name).size}
    fitted = exchange.fit(weights, layers, options.file)
    print(exchange.report(weights, layers, fitted))
    mean = exchange.mean_of(weights, layers)
    if Path(options.out).suffix.lower() == ".npz":
        save_checkpoint(options.out, fitted, mean, weights.mean_image, about)
        print(f"Wrote {options.out}, a checkpoint for test, predict and the other commands")
    else:
        exchange.write(options.out, with_means(fitted, mean, weights.mean_image), about)
        print(f"Wrote {options.out}")
    return 0


def save_checkpoint(path, arrays, mean, mean_image, about):
    """Write weights as a checkpoint, without the state that only training needs.

    If there is no mean image, the mean colour fills one: of 256×256 pixels, like prepared
    photographs, or of 32×32 for CIFAR's networks.  An unknown colour is 0.
    """
    import numpy as np

    from .. import storage
    from ..networks import catalogue

    if mean_image is None:
        width = max(about["size"], catalogue.find(about["network"]).width)
        colour = np.zeros(3) if mean is None else np.asarray(mean)
        mean_image = np.broadcast_to(colour[:, None, None], (3, width, width))
    content = {f"w:{name}": array.astype(np.float32) for name, array in arrays.items()}
    content |= {"input:mean": mean_image.astype(np.float32), "input:deviation": np.float32(1)}
    storage.save(path, content, {"settings": about})


def add_export(commands):
    from ..networks.catalogue import NETWORKS

    in_torchvision = [name for name, network in NETWORKS.items() if network.torchvision]
    command = commands.add_parser(
        "export",
        help="write weights that were trained here, for PyTorch and others",
        description="Write the weights of a checkpoint or of an imported file, with our names "
        "(conv1.w) or with torchvision's (features.0.weight).  With our names the file also has "
        "the mean image and the name of the network, so that `minicnn import` needs nothing "
        "else.",
    )
    command.set_defaults(run=run_export)
    command.add_argument("file", metavar="FILE", help="a checkpoint.npz, or weights of minicnn")
    command.add_argument("out", metavar="OUT", help="a new file, .npz or .safetensors")
    command.add_argument(
        "--for-torchvision",
        choices=in_torchvision,
        metavar="NETWORK",
        help="use torchvision's names and scale; the weights must be of this network: "
        f"{', '.join(in_torchvision)}",
    )


def run_export(options):
    from .. import reference
    from ..networks import catalogue
    from ..weights import conventions, exchange

    exchange.check_new(options.out)
    weights = exchange.read(options.file)
    if weights.library != "minicnn":
        raise ValueError(f"{options.file} holds weights of {weights.library}: import them first")
    about = weights.about
    if options.for_torchvision:
        if about.get("network", options.for_torchvision) != options.for_torchvision:
            raise ValueError(
                f"{options.file} is of {about['network']}, not of {options.for_torchvision}"
            )
        classes = len(next(reversed(weights.arrays.values())))  # the last layer's biases
        dropout = {name: about[name] for name in ("dropout",) if name in about}
        layers = catalogue.build(
            options.for_torchvision, reference, None, classes=classes, **dropout
        )
        fitted = exchange.fit(weights, layers, options.file)
        arrays, about = conventions.as_torchvision(layers, fitted), None
    else:
        arrays = with_means(weights.arrays, weights.mean, weights.mean_image)
    exchange.write(options.out, arrays, about)
    for name, array in arrays.items():
        print(f"{name}  {array.shape}  {array.dtype}")
    print(f"Wrote {options.out}")
    return 0


def with_means(arrays, mean, mean_image):
    """Return the arrays of a file of weights: these and, if they are known, both means."""
    import numpy as np

    means = {"mean": mean, "mean_image": mean_image}
    return arrays | {
        name: np.asarray(value, np.float32) for name, value in means.items() if value is not None
    }
