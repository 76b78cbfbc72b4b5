"""python -m minicnn import and export: weights from and for other libraries."""

from pathlib import Path

from .options import CHECKPOINT


def add(commands):
    add_import(commands)
    add_export(commands)


def add_import(commands):
    from ..networks.catalogue import NETWORKS

    command = commands.add_parser(
        "import",
        help="read weights that were trained with Caffe or torchvision",
        description="Read weights of Caffe (.caffemodel, or .npy with a dictionary), of "
        "torchvision (.safetensors, .npz, or torch.save's .pth, .pt, .pth.tar, .bin, .ckpt) or of "
        "minicnn, without running any code in the file; print its contents; write the weights for "
        "minicnn.  If OUT is an .npz file, it is a checkpoint for test, predict and the other "
        "commands.",
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
        "--pixels",
        choices=("caffe", "torchvision"),
        help="whose colours and pixels the network was trained with, if not with those of the "
        "library whose names it has: caffe for VGG's own weights under torchvision's names",
    )
    command.add_argument(
        "--mean",
        nargs="+",
        metavar="MEAN",
        help="what was subtracted from its images, if not its library's usual mean: red, green and "
        "blue, 0 … 255, such as 123.68 116.78 103.94; or Caffe's mean.binaryproto, or an .npy file "
        "of blue, green and red",
    )
    command.add_argument(
        "--network",
        choices=NETWORKS,
        metavar="NETWORK",
        help="the network of the weights, if the file does not name it (files of `minicnn export` "
        f"do): {', '.join(NETWORKS)}",
    )


def run_import(options):
    from ..weights import exchange, provenance

    exchange.check_new(options.out)
    classes = provenance.read_classes(options.classes) if options.classes else None
    pixels = {"caffe": "Caffe"}.get(options.pixels, options.pixels)
    weights = exchange.read(options.file, pixels)
    about = weights.about
    name = options.network or about.get("network")
    if not name:
        raise ValueError(f"{options.file} does not say which network it is of: add --network")
    if name != about.get("network", name):
        raise ValueError(f"{options.file} says that it is of {about['network']}, not of {name}")
    layers, about = described_layers(weights, name, options.file)
    if options.mean is not None:
        text = " ".join(options.mean)
        mean, mean_image = exchange.read_mean(text)
        weights = weights._replace(mean=mean, mean_image=mean_image, about=about)
        try:
            exchange.check_mean(weights)
        except ValueError as error:
            colour = ",".join(f"{value:g}" for value in mean)
            raise ValueError(
                f"--mean {text}: {error}; its colour alone is --mean {colour}"
            ) from None
    fitted = exchange.fit(weights, layers, options.file)
    if classes and len(classes) != len(about["classes"]):
        raise ValueError(
            f"{options.classes} has {len(classes):,} lines; expected one for each of the "
            f"{len(about['classes']):,} classes in {options.file}"
        )
    about["classes"] = classes or about["classes"]
    print(exchange.report(weights, layers, fitted))
    mean = exchange.mean_of(weights, layers)
    if Path(options.out).suffix.lower() == ".npz":
        save_checkpoint(options.out, fitted, mean, weights.mean_image, about)
        print(f"Wrote {options.out}, a checkpoint for test, predict and the other commands")
    else:
        exchange.write(options.out, with_means(fitted, mean, weights.mean_image), about)
        print(f"Wrote {options.out}")
    return 0


def described_layers(weights, name, path):
    """Return the layers of the network `name` for the weights of a file, and its description.

    If the file has no description, its last layer tells the number of classes.
    """
    from .. import reference
    from ..networks import catalogue
    from ..weights import exchange

    if weights.about:
        try:
            return catalogue.build_described(weights.about, reference), dict(weights.about)
        except MemoryError as error:
            size = weights.about["size"]
            raise ValueError(
                f"{path} describes a network for {size}×{size} pixels that is too large ({error})"
            ) from None
    layers = catalogue.build(name, reference, None)
    count = exchange.count_classes(weights, layers)
    layers = catalogue.build(name, reference, None, classes=count)
    classes = [f"class {k}" for k in range(count)]
    return layers, {"network": name, "classes": classes, "size": catalogue.find(name).size}


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
        "else.  With torchvision's names, a .safetensors file has the mean colour, the deviation "
        "and the classes in its metadata.",
    )
    command.set_defaults(run=run_export)
    command.add_argument("file", metavar="FILE", help=f"{CHECKPOINT}; or weights of minicnn")
    command.add_argument("out", metavar="OUT", help="a new file, .npz or .safetensors")
    command.add_argument(
        "--for-torchvision",
        choices=in_torchvision,
        metavar="NETWORK",
        help="use torchvision's names and scale; the weights must be of this network: "
        f"{', '.join(in_torchvision)}",
    )


def run_export(options):
    from .. import storage
    from ..weights import conventions, exchange

    exchange.check_new(options.out)
    weights = exchange.read(storage.TRAINED if options.file == "trained" else options.file)
    if weights.library != "minicnn":
        raise ValueError(f"{options.file} holds weights of {weights.library}: import them first")
    about, notes = weights.about, []
    if options.for_torchvision:
        name = options.for_torchvision
        if about.get("network", name) != name:
            raise ValueError(f"{options.file} is of {about['network']}, not of {name}")
        layers, about = described_layers(weights, name, options.file)
        fitted = exchange.fit(weights, layers, options.file)
        check_size(name, layers, about["size"], options.file)
        arrays = conventions.as_torchvision(layers, fitted)
        if weights.mean is not None:
            about |= conventions.for_normalize(weights.mean)
        notes = notes_for_torchvision(weights, about)
    else:
        arrays = with_means(weights.arrays, weights.mean, weights.mean_image)
    in_file = options.for_torchvision is None or Path(options.out).suffix.lower() != ".npz"
    exchange.write(options.out, arrays, about if in_file else None)
    for name, array in arrays.items():
        print(f"{name}  {array.shape}  {array.dtype}")
    print(*notes, f"Wrote {options.out}", sep="\n")
    if not in_file:
        print("It has only the weights; a .safetensors file has the mean and the classes, too")
    return 0


def check_size(name, layers, size, path):
    """Raise ValueError if torchvision's network of this name has not as many inputs in fc6."""
    from .. import net, reference
    from ..networks import catalogue

    usual = catalogue.build(name, reference, None)
    shapes = [net.parameters(rows)["fc6.w"].shape for rows in (layers, usual)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{path} is for images of {size}×{size} pixels, with {shapes[0][1]:,} inputs of fc6; "
            f"torchvision's {name} has {shapes[1][1]:,}, for images of {catalogue.find(name).size}"
        )


def notes_for_torchvision(weights, about):
    """Return sentences about what PyTorch needs to know beside the weights."""
    classes = about["classes"]
    shown = classes if len(classes) <= 20 else [*classes[:10], "…", classes[-1]]
    notes = [f"{len(classes):,} classes: {', '.join(shown)}"]
    if weights.mean is None:
        return [*notes, "The mean that is to be subtracted from images is not known"]
    mean, deviation = (
        ", ".join(f"{value:.6g}" for value in about[name]) for name in ("mean", "deviation")
    )
    notes.append(f"For images of 0 … 1 and Normalize(mean=[{mean}], std=[{deviation}])")
    if weights.mean_image is not None:
        most = abs(weights.mean_image - weights.mean[:, None, None]).max()
        if most >= 0.01:
            notes.append(
                f"The network was trained with a mean image, which differs by up to {most:.1f} of "
                "255 from this colour; subtract it instead for the same scores to the last digit: "
                "`minicnn export` without --for-torchvision writes it"
            )
    return notes


def with_means(arrays, mean, mean_image):
    """Return the arrays of a file of weights: these and, if they are known, both means."""
    import numpy as np

    means = {"mean": mean, "mean_image": mean_image}
    return arrays | {
        name: np.asarray(value, np.float32) for name, value in means.items() if value is not None
    }
