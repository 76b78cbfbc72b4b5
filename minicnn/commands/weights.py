"""python -m minicnn import and export: weights from elsewhere, and for elsewhere."""

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
        "is there; write them as this library has them, for minicnn.weights.load.",
    )
    one.set_defaults(run=run_import)
    one.add_argument("file", metavar="FILE", help="the weights")
    one.add_argument("out", metavar="OUT", help="a new file, .npz or .safetensors")
    one.add_argument(
        "--network",
        required=True,
        choices=NETWORKS,
        metavar="NETWORK",
        help=f"whose weights they are: {', '.join(NETWORKS)}",
    )


def run_import(options):
    from .. import networks, reference, weights

    weights.check_new(options.out)
    layers = networks.build(options.network, reference, None)
    found = weights.read(options.file)
    fitted = weights.fit(found, layers, options.file)
    print(weights.report(found, layers, fitted))
    weights.write(options.out, with_mean(fitted, weights.mean_of(found, layers)))
    rows = f"minicnn.networks.build({options.network!r}, …)"
    print(f"Wrote {options.out}, which minicnn.weights.load copies into the rows of {rows}")
    return 0


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
        layers = networks.build(options.for_torchvision, reference, None)
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
