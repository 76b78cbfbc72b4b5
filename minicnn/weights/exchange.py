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
    .pth, .pt, .pth.tar, .bin, .ckpt    torchvision's, of torch.save   read

Our names are those of `net.parameters`: conv1.w, conv1.b, conv2.w, …  A file may also have `mean`,
the mean colour to subtract from images (red, green, blue, 0 … 255).  A file that `export` writes
also has `mean_image`, (3, H, W), and a description of its network, see provenance.py.

    from minicnn import fast, net
    from minicnn.networks import other_alexnets
    from minicnn.weights import exchange
    layers = other_alexnets.caffe_alexnet(fast, np.random.default_rng(0))
    mean = exchange.load(layers, "bvlc_alexnet.npy")
    scores, _ = net.forward(net.predicting(layers, fast), images - mean)    # (N, 3, 227, 227)

A network of Caffe that was converted to PyTorch has torchvision's names and Caffe's colours: then
`load` needs pixels="Caffe".  conventions.py converts the weights of other libraries, and says why
that is necessary.  formats/ has the readers, which run no code from a file and trust nothing in it.
"""

import io
import json
import re
from collections import namedtuple
from pathlib import Path

import numpy as np

from .. import net, storage
from ..checks import is_class_name
from ..console import aligned
from ..networks import catalogue
from . import conventions, provenance
from .formats import caffemodel, npy_pickle, npz, pth, safetensors, shaped

Weights = namedtuple("Weights", "library arrays kinds mean mean_image about pixels")

READ = (".safetensors", ".npz", ".caffemodel", ".npy", ".pth", ".pt", ".tar", ".bin", ".ckpt")
NETWORKS = list(catalogue.NETWORKS)  # a list: `in` then accepts unhashable values, too
WRITTEN = (".npz", ".safetensors")


def read(path, pixels=None):
    """Return the contents of a weight file, without running any code in it.

    Parameters
    ----------
    path : path
        Its suffix determines the format; see above.
    pixels : str, optional
        "Caffe" or "torchvision": whose colours and scale the weights are for, if they are not for
        those of the library whose names they have.

    Returns
    -------
    Weights
        library: "minicnn", "Caffe" or "torchvision", whose names and layouts the arrays have.
        arrays: name → array, as in the file; Caffe's are called conv1.w and so on.  kinds: the
        names and kinds of a .caffemodel's layers, in order; None for other files.  mean,
        mean_image: those of the file, or None.  about: the network's description in one of our
        files, or {}.  pixels: as above, never None.

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
        if pixels not in (None, "Caffe", "torchvision"):
            raise ValueError(f"pixels is {pixels!r}; expected 'Caffe' or 'torchvision'")
        if suffix not in READ:
            raise ValueError(f"the suffix is {suffix!r}; expected one of {', '.join(READ)}")
        check_is_no_text(path)
        if suffix == ".caffemodel":
            layers = caffemodel.read(path.read_bytes())
            arrays = flattened({name: blobs for name, _, blobs in layers if blobs})
            kinds = [(name, kind) for name, kind, _ in layers if kind]
            weights = Weights("Caffe", arrays, kinds, None, None, {}, pixels or "Caffe")
        elif suffix == ".npy":
            arrays = flattened(npy_pickle.read(path.read_bytes()))
            weights = Weights("Caffe", arrays, None, None, None, {}, pixels or "Caffe")
        else:
            arrays, text = named_arrays(path, suffix)
            about = provenance.parse(text, catalogue.wrong_description) if text else {}
            weights = named_weights(arrays, about, pixels)
        check_mean(weights)
    except ValueError as error:
        raise ValueError(printable(f"{path}: {error}")) from None
    return weights


def check_is_no_text(path):
    """Raise ValueError for what is often downloaded in place of a file of weights."""
    with open(path, "rb") as file:
        start = file.read(64).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ValueError("it is a web page, not weights; download the file itself")
    if start.startswith(b"version https://git-lfs"):
        raise ValueError("it is Git LFS's pointer to the file; `git lfs pull` gets the file")


def named_weights(arrays, about, pixels):
    """Return the Weights of a file that names each of its arrays and may describe its network."""
    arrays = conventions.without_wrappers(arrays)
    mean, deviation = (about.pop(name, None) for name in provenance.FOR_TORCHVISION)
    if any(map(conventions.TORCHVISION_NAME.fullmatch, arrays)):
        if about and pixels == "Caffe":
            raise ValueError("it says itself that it is for torchvision's pixels, not for Caffe's")
        if deviation and not np.allclose(deviation, conventions.for_normalize()["deviation"]):
            raise ValueError(f"its deviation is {deviation}; expected torchvision's")
        mean = None if mean is None else 255 * np.array(mean)
        return Weights("torchvision", arrays, None, mean, None, about, pixels or "torchvision")
    if pixels:
        raise ValueError(f"--pixels is for Caffe's or torchvision's names, not {some_of(arrays)}")
    means = [arrays.pop(name, None) for name in ("mean", "mean_image")]
    return Weights("minicnn", arrays, None, *means, about, "minicnn")


def named_arrays(path, suffix):
    """Return the arrays of a file that names each of them, and its description or None."""
    if suffix == ".npz":
        arrays = npz.read(path, NETWORKS)
        text = arrays.pop("about", None)
        return arrays, None if text is None else text.tobytes()
    if suffix == ".safetensors":
        data = path.read_bytes()
        return safetensors.read(data), safetensors.read_description(data)
    return pth.read(path.read_bytes()), None


def flattened(lists):
    """Return {"conv1": [w, b], …} as {"conv1.w": w, "conv1.b": b, …}."""
    arrays = {}
    for name, values in lists.items():
        if len(values) > 2:
            raise ValueError(
                f"{name} has {len(values)} arrays; expected only weights and biases; batch "
                "normalization has more, and no network here has it"
            )
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


def read_mean(text):
    """Return the mean colour (3,), and the mean image (3, H, W) or None, for an option's text.

    Parameters
    ----------
    text : str
        Three numbers, red, green and blue, 0 … 255, such as "123.68,116.78,103.94"; or the path of
        Caffe's mean.binaryproto, or of an .npy file, with a colour or an image of blue, green, red.

    Raises
    ------
    ValueError
        If it is neither, or has numbers that no mean can have.
    OSError
        If the file cannot be read.
    """
    path, image = Path(text), None
    if path.suffix.lower() in (".binaryproto", ".npy"):
        try:
            image = read_mean_image(path)[::-1]  # blue, green, red → red, green, blue
        except ValueError as error:
            raise ValueError(printable(f"{path}: {error}")) from None
        mean = image.mean(axis=(1, 2), dtype=float)
        image = image if image[0].size > 1 else None
    else:
        numbers = text.replace(",", " ").split()
        if len(numbers) != 3 or not all(re.fullmatch(r"\d+(\.\d*)?", n, re.A) for n in numbers):
            raise ValueError(
                f"--mean {text}: expected red, green and blue, such as 123.68,116.78,103.94, or a "
                "file, .binaryproto or .npy"
            )
        mean = np.array(numbers, float)
    values = mean if image is None else image
    if not (np.isfinite(values).all() and 0 <= values.min() and values.max() <= 255):
        raise ValueError(f"--mean {text}: expected numbers of 0 … 255")
    if 0 < mean.max() <= 1:
        raise ValueError(f"--mean {text} is for pixels of 0 … 1; expected 255 times as much")
    return mean, image


def read_mean_image(path):
    """Return the array (3, H, W) in a .binaryproto or .npy file."""
    data = path.read_bytes()
    if path.suffix.lower() == ".npy":
        file = io.BytesIO(data)
        dtype, order, shape = storage.npy_header(file)
        content = file.read()
        if dtype[1] not in "fiu" or len(content) % np.dtype(dtype).itemsize:
            raise ValueError(f"it is an array of {dtype}, or damaged; expected numbers")
        image = shaped("the mean", np.frombuffer(content, dtype), shape, order)
    else:
        image = caffemodel.read_blob("the mean", memoryview(data))
    image = image[0] if image.ndim == 4 and len(image) == 1 else image
    image = image.reshape(3, 1, 1) if image.shape == (3,) else image
    if image.ndim != 3 or len(image) != 3:
        raise ValueError(f"the mean has shape {image.shape}; expected (3, H, H) or (3,)")
    return image


def some_of(names):
    """Return a few names as a text."""
    names = list(names)
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


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
        originals = {ours: theirs[name] for ours, name in names.items()}
        arrays = conventions.to_our_layout(library, weights.pixels, originals, layers)
        others = [name for name in theirs if name not in names.values()]
        for name, target in targets.items():
            if name not in arrays:
                only = f", only {some_of(others or theirs)}" if theirs else ""
                raise ValueError(f"it has no array for {name}{only}")
            if arrays[name].shape != target.shape:
                shape = originals[name].shape
                raise ValueError(f"{name} is {shape} in the file but {target.shape} in the network")
        for name in others:
            raise ValueError(f"it has {name}, which belongs to no layer")
        conventions.check_order(weights.kinds or [], layers)
        conventions.check_normalization(weights.pixels, layers)
    except ValueError as error:
        raise ValueError(printable(f"{path} is of another network: {error}")) from None
    factors = conventions.factors(weights.pixels, layers)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        fitted = {
            name: (arrays[name].astype(target.dtype) * factors.get(name, 1)).astype(target.dtype)
            for name, target in targets.items()
        }
    for name, array in fitted.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{path}: {name} has numbers that are infinite or NaN")
    return fitted


def count_classes(weights, layers):
    """Return the number of classes of the weights, or of the layers if the file does not tell.

    The layers are those of the weights' network, for any number of classes.
    """
    names = conventions.names_in_file(weights.library, weights.arrays, layers)
    last = net.parameters([next(layer for layer in reversed(layers) if layer.params)])
    ours, theirs = {"w": 0, "b": 0}, {"w": 0, "b": 0}
    for name, array in last.items():
        letter = name.removesuffix(".0").removesuffix(".1")[-1]
        ours[letter] += array.size
        theirs[letter] += weights.arrays[names[name]].size if name in names else 0
    fits = theirs["w"] * ours["b"] == ours["w"] * theirs["b"] > 0
    return theirs["b"] if fits else ours["b"]


def load(layers, path, pixels=None):
    """Copy a file's weights into the layers of a network, all of them or none.

    Parameters
    ----------
    layers : list of Layer
        The layers; their parameters are overwritten in place and keep their dtypes.
    path, pixels
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
    weights = read(path, pixels)
    parameters = net.parameters(layers)
    storage.copy_into(parameters, fit(weights, layers, path), path)
    mean, dtype = mean_of(weights, layers), next(iter(parameters.values())).dtype
    return None if mean is None else np.reshape(mean, (3, 1, 1)).astype(dtype)


def mean_of(weights, layers):
    """Return the mean to subtract from images, red, green, blue, 0 … 255; None if unknown."""
    if weights.mean is not None or weights.pixels == "minicnn":
        return weights.mean
    return conventions.mean_of(weights.pixels, layers)


def report(weights, layers, fitted):
    """Return a text: each array, its name in the file, and the changes made by `fit`."""
    names = conventions.names_in_file(weights.library, weights.arrays, layers)
    table = [("here", "", "there", "")]
    for name, array in fitted.items():
        original = weights.arrays[names[name]]
        table.append((name, str(array.shape), printable(names[name]), str(original.shape)))
    lines = aligned(table)
    lines.append(f"{sum(array.size for array in fitted.values()):,} parameters")
    first = conventions.first_weights(layers)
    if weights.pixels == "Caffe":
        lines.append(f"{first}: from blue, green, red to red, green, blue")
    for name, factor in conventions.factors(weights.pixels, layers).items():
        if name == first:
            lines.append(f"{name}: divided by 255 times torchvision's deviation")
        else:
            lines.append(f"{name}: times {factor:g}, for dropout as in the paper")
    mean = mean_of(weights, layers)
    if mean is not None:
        minus = ", ".join(f"{value:g}" for value in mean)
        lines.append(f"For images of red, green and blue, 0 … 255, minus {minus}")
    if weights.library == "torchvision" and weights.pixels == "torchvision" and not weights.about:
        lines.append("If it was converted from Caffe with Caffe's pixels, add --pixels caffe")
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
        text = json.dumps(about, ensure_ascii=False) if about else None
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
    text = "".join(c if is_class_name(c) else "?" for c in text)
    return text if len(text) <= 500 else f"{text[:500]}…"
