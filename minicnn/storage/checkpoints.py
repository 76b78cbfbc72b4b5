"""Checkpoints: all that a run needs to resume as if it had never stopped, in one .npz file."""

import pathlib

import numpy as np

from ..errors import CheckpointError
from .arrays import check_array, read_arrays
from .facts import as_json, parse_json, shortened
from .files import write_whole

FORMAT = "minicnn checkpoint 1"
TRAINED = pathlib.Path(__file__).parents[1] / "data/trained/checkpoint.npz"  # see data/bundled.py


def save(path, arrays, facts):
    """Write arrays and facts to path, atomically.

    Parameters
    ----------
    path : path
        The file; its folder is created if necessary.
    arrays : dict of name → array
    facts : dict of name → value
        Values that `as_json` can write.

    Raises
    ------
    TypeError, ValueError
        If JSON cannot represent a fact, or an array holds Python objects.
    OSError
        If the disk is full or the folder is not writable; an older checkpoint at path stays
        unchanged.
    """
    for name, array in arrays.items():
        check_array(name, array)
    content = {"facts": np.frombuffer(as_json({"format": FORMAT, **facts}).encode(), np.uint8)}
    content |= {f"array:{name}": array for name, array in arrays.items()}
    write_whole(path, lambda file: np.savez(file, **content))


def load(path):
    """Return the arrays and facts of a checkpoint.

    Parameters
    ----------
    path : path

    Returns
    -------
    arrays : dict of name → array
    facts : dict of name → value
        From the file, so they may be anything: see `wrong_fact`.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or not a checkpoint of this version.
    OSError, MemoryError
        If it cannot be read on this machine; the message names it.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint")
    try:
        arrays = read_arrays(path)
        if "facts" not in arrays:
            raise CheckpointError(f"{path} is an .npz file, but not a checkpoint of minicnn")
        facts = parse_json(arrays.pop("facts").tobytes())
    except ValueError as error:
        if isinstance(error, CheckpointError):
            raise
        if path.suffix != ".npz":
            raise CheckpointError(f"{path} is not a checkpoint, which is an .npz file") from None
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint ({error}); "
            "use an older one, or start the run again"
        ) from None
    if not isinstance(facts, dict) or facts.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path} is not in the format '{FORMAT}' that this version reads")
    return {name.removeprefix("array:"): array for name, array in arrays.items()}, facts


def load_network(path):
    """Return the weights of a checkpoint's network, how it sees images, and its settings.

    Parameters
    ----------
    path : path
        The checkpoint; "trained" is the network that ships with minicnn.

    Returns
    -------
    weights : dict of name → array
        Weights of 16 bits become float32.
    mean : array (3, H, H) float32, or None
    deviation : float32, or None
    settings : dict of name → value
        From the file, so they may be anything.

    Raises
    ------
    CheckpointError
        As in `load`; or if the weights are not finite numbers, or the mean and the deviation are
        not those of images.
    """
    arrays, facts = load(TRAINED if path == "trained" else path)
    weights = {name[2:]: whole_size(a) for name, a in arrays.items() if name.startswith("w:")}
    mean, deviation = arrays.get("input:mean"), arrays.get("input:deviation")
    check_finite(path, {f"w:{name}": array for name, array in weights.items()})
    if mean is not None:
        mean = as_float32(path, "input:mean", mean)
        if mean.ndim != 3 or mean.shape[0] != 3 or not 0 < mean.shape[1] == mean.shape[2]:
            raise CheckpointError(f"{path}: input:mean has shape {mean.shape}; expected (3, H, H)")
    if deviation is not None:
        deviation = as_float32(path, "input:deviation", deviation)
        if deviation.shape != () or not deviation > 0:
            raise CheckpointError(f"{path}: input:deviation should be one number above 0")
        deviation = deviation[()]
    settings = facts.get("settings", {})
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path}: settings is {shortened(settings)}; expected a dict")
    return weights, mean, deviation, settings


def whole_size(array):
    """Return an array of 16-bit floats as float32, and any other as it is."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def as_float32(path, name, array):
    """Return an array of a checkpoint as float32; CheckpointError unless it is of finite floats."""
    check_finite(path, {name: array})
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    check_finite(path, {name: array})  # what float32 cannot hold has become infinite
    return array


def check_finite(path, arrays):
    """Raise CheckpointError unless these arrays of a checkpoint are of finite floats."""
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise CheckpointError(
                f"{path}: {name} should hold finite numbers, but holds "
                f"{'NaN or infinity' if array.dtype.kind == 'f' else array.dtype}; use an older "
                "checkpoint, or start the run again"
            )


def copy_into(targets, arrays, path):
    """Copy arrays into the targets of the same names, in place.

    Parameters
    ----------
    targets, arrays : dict of name → array
    path : path
        The source of the arrays, for the message.

    Raises
    ------
    CheckpointError
        If a name is missing or extra, or a shape or dtype differs; then nothing has been copied.
    """
    for name in [*targets, *arrays]:
        if name not in arrays or name not in targets:
            owner = "the network" if name in targets else "the checkpoint"
            raise CheckpointError(
                f"{path} is of another network: only {owner} has {shortened(name)}"
            )
        target, array = targets[name], arrays[name]
        if target.shape != array.shape or target.dtype != array.dtype:
            raise CheckpointError(
                f"{path} is of another network: {name} is {array.dtype} {array.shape} in the file "
                f"but {target.dtype} {target.shape} in the network"
            )
    for name, target in targets.items():
        target[...] = arrays[name]
