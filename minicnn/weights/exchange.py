"""Import and export of weights: run networks here that were trained elsewhere, and vice versa.

    read     a file → Weights: its arrays, unchanged, and the library that they come from
    fit      Weights → the parameters of a network's layers
    load     a file → layers: read, fit, and copy all of the arrays or none
    report   a text: the arrays in the file, and what fit changed
    write    arrays → a file

    .safetensors    our names or torchvision's                         read and written
    .npz            our names or torchvision's                         read and written
    .npz            a checkpoint of ours: its weights                  read
    .caffemodel     Caffe's                                            read
    .npy            Caffe's in a dictionary, such as bvlc_alexnet.npy  read
    .pth, .pt       torchvision's, where PyTorch is installed          read

Our names are those of `net.parameters`: conv1.w, conv1.b, conv2.w, …  A file may also have `mean`,
the mean colour to subtract from images (red, green, blue, 0 … 255).  A file that `export` writes
also has `mean_image`, (3, H, W), and a description of its network, see provenance.py.

    from minicnn import fast, net
    from minicnn.networks import other_alexnets
    from minicnn.weights import exchange
    layers = other_alexnets.caffe_alexnet(fast, np.random.default_rng(0))
    mean = exchange.load(layers, "bvlc_alexnet.npy")
    scores, _ = net.forward(net.predicting(layers, fast), images - mean)    # (N, 3, 227, 227)

conventions.py converts the weights of other libraries, and says why that is necessary.  formats/
has the readers, which run no code from a file and trust nothing in it.
"""

import json
from collections import namedtuple
from pathlib import Path

import numpy as np

from .. import net, storage
from ..console import aligned
from ..networks import catalogue
from ..networks.cifar import NONLINEARITIES
from . import conventions, provenance
from .formats import caffemodel, npy_pickle, npz, safetensors

Weights = namedtuple("Weights", "library arrays kinds mean mean_image about")

READ = (".safetensors", ".npz", ".caffemodel", ".npy", ".pth", ".pt")
NETWORKS = list(catalogue.NETWORKS)  # a list: `in` then accepts unhashable values, too
WRITTEN = (".npz", ".safetensors")


def read(path):
    """Return the contents of a weight file, without running any code in it.

    Parameters
    ----------
    path : path
        Its suffix determines the format; see above.

    Returns
    -------
    Weights
        library: "minicnn", "Caffe" or "torchvision".  arrays: name → array, as in the file; Caffe's
        are called conv1.w and so on.  kinds: the names and kinds of a .caffemodel's layers, in
        order; None for other files.  mean, mean_image: the arrays with these names, or None.
        about: the network's description in one of our files, or {}.

    Raises
    ------
    ValueError
        If the file is not in the format of its suffix, or claims a size that it does not have.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".caffemodel":
            layers = caffemodel.read(path.read_bytes())
            arrays = flattened({name: blobs for name, _, blobs in layers if blobs})
            kinds = [(name, kind) for name, kind, _ in layers if kind]
            weights = Weights("Caffe", arrays, kinds, None, None, {})
        elif suffix == ".npy":
            arrays = flattened(npy_pickle.read(path.read_bytes()))
            weights = Weights("Caffe", arrays, None, None, None, {})
        elif suffix in READ:
            arrays, text = named_arrays(path, suffix)
            if any(map(conventions.TORCHVISION_NAME.fullmatch, arrays)):
                weights = Weights("torchvision", arrays, None, None, None, {})
            else:
                means = [arrays.pop(name, None) for name in ("mean", "mean_image")]
                about = provenance.parse(text, NETWORKS, NONLINEARITIES) if text else {}
                weights = Weights("minicnn", arrays, None, *means, about)
        else:
            raise ValueError(f"the suffix is {suffix!r}; expected one of {', '.join(READ)}")
        check_mean(weights)
    except ValueError as error:
        raise ValueError(printable(f"{path}: {error}")) from None
    return weights


def named_arrays(path, suffix):
    """Return the arrays of a file that names each of them, and its description or None."""
    if suffix == ".npz":
        arrays = npz.read(path, NETWORKS)
        text = arrays.pop("about", None)
        return arrays, None if text is None else text.tobytes()
    if suffix == ".safetensors":
        data = path.read_bytes()
        return safetensors.read(data), safetensors.read_description(data)
    return read_pth(path), None


def flattened(lists):
    """Return {"conv1": [w, b], …} as {"conv1.w": w, "conv1.b": b, …}."""
    arrays = {}
    for name, values in lists.items():
        if len(values) > 2:
            raise ValueError(f"{name} has {len(values)} arrays; expected only weights and biases")
        arrays |= {f"{name}.{letter}": q for letter, q in zip("wb", values, strict=False)}
    return arrays


def check_mean(weights):
    """Raise ValueError for a mean that is not three numbers, or a mean image that is too small."""
    if weights.mean is not None and weights.mean.shape != (3,):
        raise ValueError(f"mean has shape {weights.mean.shape}; expected (3,): red, green, blue")
    if weights.mean_image is None:
        return
    shape, size = weights.mean_image.shape, weights.about.get("size", 1)
    if len(shape) != 3 or shape[0] != 3 or shape[1] != shape[2] or shape[2] < size:
        raise ValueError(f"mean_image has shape {shape}; expected (3, H, H) with H at least {size}")


def read_pth(path):
    """Return the arrays of a state dictionary written by torch.save.

    Such a file is a pickle.  PyTorch's own reader with weights_only=True makes tensors from it and
    runs nothing else.  Without PyTorch, it raises ValueError.
    """
    try:
        import torch
    except ImportError:
        raise ValueError(
            "only PyTorch can read such files, and it is not installed; convert the file on a "
            "machine with PyTorch: np.savez('weights.npz', **{name: q.numpy() for name, q in "
            f"torch.load('{path.name}', weights_only=True).items()}})"
        ) from None
    with open(path, "rb") as file:  # raises if there is no such file
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # of many types, often with pages of advice
            why = str(error).strip().split("\n")[0]
            raise ValueError(f"PyTorch cannot read it with weights_only=True ({why})") from None
    if not isinstance(state, dict) or not all(map(torch.is_tensor, state.values())):
        raise ValueError("it is not a state dictionary, name → tensor")
    double = torch.float64
    return {
        str(name): q.to(double if q.dtype == double else torch.float32).numpy()
        for name, q in state.items()
    }


def fit(weights, layers, path):
    """Return the parameters for a network's layers by name, in our layout and scale.

    Parameters
    ----------
    weights : Weights
        What `read` returned.
    layers : list of Layer
        The layers, which stay unchanged.
    path : path
        The source of the weights, for the message.

    Returns
    -------
    dict of name → array
        With the shapes and dtypes of the layers' parameters.

    Raises
    ------
    ValueError
        If the weights are of another network; the message names the first difference.
    """
    library, theirs, targets = weights.library, weights.arrays, net.parameters(layers)
    names = conventions.names_in_file(library, theirs, layers)
    try:
        originals = {ours: theirs[name] for ours, name in names.items() if name in theirs}
        arrays = conventions.to_our_layout(library, originals, layers)
        for name, target in targets.items():
            if name not in arrays:
                raise ValueError(f"it has no array for {name}")
            if arrays[name].shape != target.shape:
                shape = originals[name].shape
                raise ValueError(f"{name} is {shape} in the file but {target.shape} in the network")
        for name in theirs:
            if name not in names.values():
                raise ValueError(f"it has {name}, which belongs to no layer")
        conventions.check_order(weights.kinds or [], layers)
        conventions.check_normalization(library, layers)
    except ValueError as error:
        raise ValueError(printable(f"{path} is of another network: {error}")) from None
    factors = conventions.factors(library, layers)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        fitted = {
            name: (arrays[name].astype(target.dtype) * factors.get(name, 1)).astype(target.dtype)
            for name, target in targets.items()
        }
    for name, array in fitted.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{path}: {name} has numbers that are infinite or NaN")
    return fitted


def load(layers, path):
    """Copy a file's weights into the layers of a network, all of them or none.

    Parameters
    ----------
    layers : list of Layer
        The layers; their parameters are overwritten in place and keep their dtypes.
    path : path
        See `read`.

    Returns
    -------
    array (3, 1, 1), or None
        The mean to subtract from images (N, 3, H, W) of red, green and blue, 0 … 255; None if
        neither the file nor its library has one.

    Raises
    ------
    ValueError, OSError
        As in `read` and `fit`; then no layer has changed.
    """
    weights = read(path)
    parameters = net.parameters(layers)
    storage.copy_into(parameters, fit(weights, layers, path), path)
    mean, dtype = mean_of(weights, layers), next(iter(parameters.values())).dtype
    return None if mean is None else np.reshape(mean, (3, 1, 1)).astype(dtype)


def mean_of(weights, layers):
    """Return the mean to subtract from images, red, green, blue, 0 … 255; None if unknown."""
    if weights.library == "minicnn":
        return weights.mean
    return conventions.mean_of(weights.library, layers)


def report(weights, layers, fitted):
    """Return a text: each array, its name in the file, and the changes made by `fit`."""
    names = conventions.names_in_file(weights.library, weights.arrays, layers)
    table = [("here", "", "there", "")]
    for name, array in fitted.items():
        original = weights.arrays[names[name]]
        table.append((name, str(array.shape), names[name], str(original.shape)))
    lines = aligned(table)
    lines.append(f"{sum(array.size for array in fitted.values()):,} parameters")
    first = conventions.first_weights(layers)
    if weights.library == "Caffe":
        lines.append(f"{first}: from blue, green, red to red, green, blue")
    for name, factor in conventions.factors(weights.library, layers).items():
        if name == first:
            lines.append(f"{name}: divided by 255 times torchvision's deviation")
        else:
            lines.append(f"{name}: times {factor:g}, for dropout as in the paper")
    mean = mean_of(weights, layers)
    if mean is not None:
        minus = ", ".join(f"{value:g}" for value in mean)
        lines.append(f"For images of red, green and blue, 0 … 255, minus {minus}")
    return "\n".join(lines)


def write(path, arrays, about=None):
    """Write arrays as .npz or .safetensors, atomically.

    Parameters
    ----------
    path : path
        A new file with one of these two suffixes.
    arrays : dict of name → array
        In float32 or float64.
    about : dict, optional
        The description of their network, see provenance.py.

    Raises
    ------
    ValueError
        If the suffix is not one of these.
    OSError
        If the file already exists, or cannot be written.
    """
    check_new(path)
    if Path(path).suffix.lower() == ".npz":
        content = {**arrays, **npz.description_array(about)}
        storage.write_whole(path, lambda file: np.savez(file, **content))
    else:
        text = json.dumps(about) if about else None
        storage.write_whole(path, lambda file: safetensors.write(file, arrays, text))


def check_new(path):
    """Raise ValueError for a suffix that cannot be written, or OSError if the file exists."""
    path = Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise ValueError(f"{path}: the suffix is {path.suffix!r}; expected {' or '.join(WRITTEN)}")
    if path.exists():
        raise FileExistsError(f"{path} already exists; name another file")


def printable(text):
    """Return a message, which may quote a file, on one line and not too long."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 500 else f"{text[:500]}…"
