""".npz files: a zip of .npy files, one for each array; our checkpoints are such files, too."""

import json

import numpy as np

from ... import storage
from .. import provenance
from . import check_batch_norm, shaped


def read(path, networks):
    """Return the arrays of a file by name; from one of our checkpoints, only its weights.

    Arrays are of floats, except `about`, which is of bytes: see weights/provenance.py.  `networks`
    is a list of the networks' names that it may have.

    Raises
    ------
    ValueError
        If it is damaged, claims to be much larger than it is, or has an entry that is not an array.
    OSError, MemoryError
        If it cannot be read on this machine.
    """
    try:
        arrays = storage.read_arrays(path)
    except ValueError as error:
        raise ValueError(f"it is damaged, or not an .npz file ({error})") from None
    if "facts" in arrays:
        arrays.clear()  # or it would be in memory twice
        return checkpoint_weights(*storage.load_network(path), networks)
    check_batch_norm(arrays)
    for name, array in arrays.items():
        if name == "about" and array.dtype == np.uint8:
            continue
        if array.dtype.kind != "f":
            raise ValueError(f"{name} is an array of {array.dtype.str}; expected floats")
        shaped(name, array, array.shape)
    return arrays


def checkpoint_weights(weights, mean, deviation, settings, networks):
    """Return the weights of a checkpoint, with its mean image and description, if it has them.

    If the network was trained on inputs of unit scale, its first weights absorb the division, so
    that it expects 0 … 255.
    """
    first = next((name for name in weights if ".w" in name), None)
    if first is None:
        raise ValueError("it has no weights")
    if deviation is not None:
        weights[first] = weights[first] / deviation
    if mean is not None:
        weights |= {"mean_image": mean, "mean": mean.mean(axis=(1, 2))}
    about = provenance.from_settings(settings, networks)
    return weights | description_array(about)


def description_array(about):
    """Return {"about": …}, the description as an array of bytes; {} if there is none."""
    return {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)} if about else {}
