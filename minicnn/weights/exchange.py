"""Weights in and out: trained elsewhere and run here, or trained here and taken to PyTorch.

    read     a file → Weights: its arrays as they are there, and whose they are
    fit      Weights → the parameters of a network's rows
    load     a file → rows: read, fit, and copy everything or nothing
    report   what was found, and what fit has changed, in words
    write    arrays → a file

    .safetensors    our names or torchvision's                         read and written
    .npz            our names or torchvision's                         read and written
    .npz            a checkpoint of ours: its weights                  read
    .caffemodel     Caffe's                                            read
    .npy            Caffe's in a dictionary, such as bvlc_alexnet.npy  read
    .pth, .pt       torchvision's, where PyTorch is installed          read

Our names are those of `net.parameters`: conv1.w, conv1.b, conv2.w, …, and `mean`, if there is one:
what to subtract from images of red, green and blue, 0 … 255.  What `export` writes has `mean_image`
besides, (3, H, W), and says what network it is of, of what size and with which classes:
provenance.py.

    from minicnn import fast, net
    from minicnn.weights.exchange import exchange
    from minicnn.networks.catalogue import other_alexnets
    layers = other_alexnets.caffe_alexnet(fast, np.random.default_rng(0))
    mean = exchange.load(layers, "bvlc_alexnet.npy")
    scores, _ = net.forward(net.predicting(layers, fast), images - mean)    # (N, 3, 227, 227)

conventions.py says what has to be changed in the weights of another library, and why; formats/ has
the readers, which run nothing and believe nothing.
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
NETWORKS = list(catalogue.NETWORKS)  # a list, because any value may be looked up in it
WRITTEN = (".npz", ".safetensors")


def read(path):
    """Return what a file of weights holds, without running anything in it.

    Parameters
    ----------
    path : path
        Its suffix says what it is; see above.

    Returns
    -------
    Weights
        library: "minicnn", "Caffe" or "torchvision".  arrays: name → array as it is there; those of
        Caffe are called conv1.w and so on.  kinds: name and kind of a .caffemodel's layers, in
        their order; None for other files.  mean, mean_image: the arrays of these names, or None.
        about: what a file of ours says of its network, or {}.

    Raises
    ------
    ValueError
        If the file is not what its suffix says, or claims a size that it has not.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".caffemodel":
            layers = caffemodel.read(path.read_bytes())
            arrays = with_letters({name: blobs for name, _, blobs in layers if blobs})
            kinds = [(name, kind) for name, kind, _ in layers if kind]
            found = Weights("Caffe", arrays, kinds, None, None, {})
        elif suffix == ".npy":
            arrays = with_letters(npy_pickle.read(path.read_bytes()))
            found = Weights("Caffe", arrays, None, None, None, {})
        elif suffix in READ:
            arrays, text = named_arrays(path, suffix)
            if any(map(conventions.TORCHVISION_NAME.fullmatch, arrays)):
                found = Weights("torchvision", arrays, None, None, None, {})
            else:
                means = [arrays.pop(name, None) for name in ("mean", "mean_image")]
                about = provenance.parse(text, NETWORKS, NONLINEARITIES) if text else {}
                found = Weights("minicnn", arrays, None, *means, about)
        else:
            raise ValueError(f"the suffix is {suffix!r}; expected one of {', '.join(READ)}")
        check_mean(found)
    except ValueError as error:
        raise ValueError(printable(f"{path}: {error}")) from None
    return found


def named_arrays(path, suffix):
    """Return the arrays of a file in which each has a full name, and its text or None."""
    if suffix == ".npz":
        arrays = npz.read(path, NETWORKS)
        text = arrays.pop("about", None)
        return arrays, None if text is None else text.tobytes()
    if suffix == ".safetensors":
        data = path.read_bytes()
        return safetensors.read(data), safetensors.about(data)
    return read_pth(path), None


def with_letters(lists):
    """Return {"conv1": [w, b], …} as {"conv1.w": w, "conv1.b": b, …}."""
    arrays = {}
    for name, values in lists.items():
        if len(values) > 2:
            raise ValueError(f"{name} has {len(values)} arrays; expected weights and biases alone")
        arrays |= {f"{name}.{letter}": q for letter, q in zip("wb", values, strict=False)}
    return arrays


def check_mean(found):
    """See that the mean, if there is one, is three numbers, and the mean image large enough."""
    if found.mean is not None and found.mean.shape != (3,):
        raise ValueError(f"mean has shape {found.mean.shape}; expected (3,): red, green, blue")
    if found.mean_image is None:
        return
    shape, size = found.mean_image.shape, found.about.get("size", 1)
    if len(shape) != 3 or shape[0] != 3 or shape[1] != shape[2] or shape[2] < size:
        raise ValueError(
            f"mean_image has shape {shape}; expected (3, H, H), of {size} pixels at least"
        )


def read_pth(path):
    """Return the arrays of a state dictionary that torch.save has written.

    Such a file is a pickle.  PyTorch's own reader with weights_only=True makes tensors of it and
    runs nothing else; without PyTorch it is not read.
    """
    try:
        import torch
    except ImportError:
        raise ValueError(
            "only PyTorch reads such files, and it is not installed; where it is, this makes a "
            "file that is read here: np.savez('weights.npz', **{name: q.numpy() for name, q in "
            f"torch.load('{path.name}', weights_only=True).items()}})"
        ) from None
    with open(path, "rb") as file:  # if there is none, this says so
        try:
            found = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # of many kinds, most with pages of advice
            why = str(error).strip().split("\n")[0]
            raise ValueError(f"PyTorch does not read it with weights_only=True ({why})") from None
    if not isinstance(found, dict) or not all(map(torch.is_tensor, found.values())):
        raise ValueError("it is not a state dictionary, name → tensor")
    double = torch.float64
    return {
        str(name): q.to(double if q.dtype == double else torch.float32).numpy()
        for name, q in found.items()
    }


def fit(weights, layers, path):
    """Return the parameters of rows by name, as this library has them.

    Parameters
    ----------
    weights : Weights
        What `read` returned.
    layers : list of Layer
        The rows, in which nothing changes.
    path : path
        Where the weights come from, for the message.

    Returns
    -------
    dict of name → array
        In the shapes and dtypes of the rows.

    Raises
    ------
    ValueError
        If they are weights of another network: the sentence names what differs first.
    """
    library, theirs, targets = weights.library, weights.arrays, net.parameters(layers)
    names = conventions.names_there(library, theirs, layers)
    try:
        there = {ours: theirs[name] for ours, name in names.items() if name in theirs}
        arrays = conventions.in_our_layout(library, there, layers)
        for name, target in targets.items():
            if name not in arrays:
                raise ValueError(f"it has nothing for {name}")
            if arrays[name].shape != target.shape:
                shape = there[name].shape
                raise ValueError(f"{name} is {shape} there and {target.shape} here")
        for name in theirs:
            if name not in names.values():
                raise ValueError(f"it has {name}, which is none of the rows'")
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
            raise ValueError(f"{path}: {name} has numbers that are infinite or no numbers at all")
    return fitted


def load(layers, path):
    """Copy a file's weights into the rows of a network, all of them or none.

    Parameters
    ----------
    layers : list of Layer
        The rows; their parameters are written into, in their own dtype.
    path : path
        See `read`.

    Returns
    -------
    array of (3, 1, 1), or None
        The mean to subtract from images (N, 3, H, W) of red, green and blue, 0 … 255, if the file
        or its library has one.

    Raises
    ------
    ValueError, OSError
        As `read` and `fit` do; no row has changed then.
    """
    weights = read(path)
    parameters = net.parameters(layers)
    storage.copy_into(parameters, fit(weights, layers, path), path)
    mean, dtype = mean_of(weights, layers), next(iter(parameters.values())).dtype
    return None if mean is None else np.reshape(mean, (3, 1, 1)).astype(dtype)


def mean_of(weights, layers):
    """Return what to subtract from images, red, green, blue, 0 … 255; None if nothing says it."""
    if weights.library == "minicnn":
        return weights.mean
    return conventions.mean_of(weights.library, layers)


def report(weights, layers, fitted):
    """Return what was found, row by row, and what `fit` has changed, as a text."""
    names = conventions.names_there(weights.library, weights.arrays, layers)
    table = [("here", "", "there", "")]
    for name, array in fitted.items():
        there = weights.arrays[names[name]]
        table.append((name, str(array.shape), names[name], str(there.shape)))
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


def write(path, arrays, said=None):
    """Write arrays as .npz or .safetensors, whole or not at all.

    Parameters
    ----------
    path : path
        A new file of one of the two suffixes.
    arrays : dict of name → array
        Of float32 or float64.
    said : dict, optional
        What is to be said of their network, see provenance.py.

    Raises
    ------
    ValueError
        For another suffix.
    OSError
        If there is a file of that name, or none can be written.
    """
    check_new(path)
    if Path(path).suffix.lower() == ".npz":
        content = {**arrays, **npz.as_bytes(said)}
        storage.write_whole(path, lambda file: np.savez(file, **content))
    else:
        text = json.dumps(said) if said else None
        storage.write_whole(path, lambda file: safetensors.write(file, arrays, text))


def check_new(path):
    """See that path has a suffix that can be written, and that there is no such file yet."""
    path = Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise ValueError(f"{path}: the suffix is {path.suffix!r}; expected {' or '.join(WRITTEN)}")
    if path.exists():
        raise FileExistsError(f"{path} is there already; name another file")


def printable(text):
    """Return a message, in which a file may have a say, on one line and not too long."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 500 else f"{text[:500]}…"
