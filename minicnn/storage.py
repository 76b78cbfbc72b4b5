"""Checkpoints: everything a run needs to go on as if it had never stopped, in one .npz file.

    arrays    name → array          parameters, velocities, the order of the images, losses, …
    facts     name → plain value    position, random state, history, settings; kept as JSON text

A file is written under a temporary name, forced to the disk, and renamed: whatever happens, the
old one or the new one is there, whole.  Nothing is ever unpickled, so a checkpoint from a
stranger can be refused but cannot run code.
"""

import json
import os
import pathlib
import tempfile
import zipfile
import zlib
from errno import EDQUOT, EFBIG, ENOSPC

import numpy as np

from .errors import CheckpointError

FORMAT = "minicnn checkpoint 1"


def save(path, arrays, facts):
    """Write arrays and facts to path, whole or not at all.

    Parameters
    ----------
    path : path
        The file; its folder is made if need be.
    arrays : dict of name → array
    facts : dict of name → value
        Whatever `as_json` can write down.

    Raises
    ------
    TypeError, ValueError
        If JSON has no word for a fact, or an array holds Python objects.
    OSError
        If the disk is full or the folder cannot be written to; an older checkpoint at path stays
        as it was.
    """
    for name, array in arrays.items():
        check_array(name, array)
    content = {"facts": np.frombuffer(as_json({"format": FORMAT, **facts}).encode(), np.uint8)}
    content |= {f"array:{name}": array for name, array in arrays.items()}
    write_whole(path, lambda file: np.savez(file, **content))


def check_array(name, array):
    """Raise TypeError if NumPy would have to pickle an array: it holds Python objects."""
    if np.asarray(array).dtype.hasobject:
        raise TypeError(f"{name} holds Python objects; a checkpoint keeps numbers and text only")


def as_json(value):
    """Return a value as JSON text: NumPy's numbers and arrays, tuples and paths among the rest.

    An array becomes a list, as a tuple does, and a path a text.

    Raises
    ------
    TypeError
        For what JSON has no word for, such as a function or a set.
    ValueError
        For NaN and infinite numbers, and for what contains itself.
    """
    return json.dumps(value, default=plainer, allow_nan=False)


def plainer(value):
    """Return what JSON can say in the place of a value that it cannot; json.dumps asks for it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"JSON has no word for a {type(value).__name__}")


def plain(name, value):
    """Return a value as it will come back from a checkpoint; refuse what would not come back.

    So a tuple equals the list that was saved of it, and np.float32(0.1) the number.

    Raises TypeError or ValueError, which begins with the name.
    """
    try:
        return json.loads(as_json(value))
    except (TypeError, ValueError, RecursionError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(
            f"{name} is a {type(value).__name__} that no checkpoint can keep ({error}); expected "
            "finite numbers, text, True, False, None, and lists and dicts of these"
        ) from None


def load(path):
    """Return arrays and facts as they were saved.

    Parameters
    ----------
    path : path

    Returns
    -------
    arrays : dict of name → array
    facts : dict of name → value

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or something else than a checkpoint of this version.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint")
    try:
        with open(path, "rb") as file:
            content = np.load(file, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise CheckpointError(f"{path} is one array, not a checkpoint of minicnn")
            if "facts" not in content.files:
                raise CheckpointError(f"{path} is an .npz file, but not a checkpoint of minicnn")
            text = content["facts"].tobytes()
            facts = json.loads(text, parse_constant=lambda nan: None)  # an earlier version's NaN
            if facts.pop("format", None) != FORMAT:
                raise CheckpointError(
                    f"{path} is not in the format '{FORMAT}' that this version reads"
                )
            arrays = {n.removeprefix("array:"): content[n] for n in content.files if n != "facts"}
    except CheckpointError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if path.suffix != ".npz":
            raise CheckpointError(f"{path} is not a checkpoint, which is an .npz file") from None
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint ({error}); "
            "use an older one, or start the run anew"
        ) from None
    return arrays, facts


def copy_into(targets, arrays, path):
    """Copy arrays into targets of the same names, in place; refuse if they do not fit.

    Parameters
    ----------
    targets, arrays : dict of name → array
    path : path
        Where the arrays come from, for the message.

    Raises
    ------
    CheckpointError
        If a name is missing or too many, or a shape or dtype differs: then nothing has been copied.
    """
    for name in [*targets, *arrays]:
        if name not in arrays or name not in targets:
            where = "the network" if name in targets else "the checkpoint"
            raise CheckpointError(f"{path} is of another network: only {where} has {name}")
        ours, theirs = targets[name], arrays[name]
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            raise CheckpointError(
                f"{path} is of another network: {name} is {theirs.dtype} {theirs.shape} there "
                f"and {ours.dtype} {ours.shape} here"
            )
    for name, target in targets.items():
        target[...] = arrays[name]


def write_whole(path, write):
    """Call write(file) on a temporary file, then rename it to path.

    Before the renaming the file is forced to the disk, so not even a power cut can leave half of it
    under its final name.

    Raises
    ------
    OSError
        If it cannot be written; it names path, which the system's own error for a full disk does
        not.  What was there before stays.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise  # it is about another file, from which `write` reads
        why = error.strerror or f"it could not be written whole ({error})"
        why += "; the one from before is still there" if path.exists() else ""
        raise OSError(error.errno, why, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def full_disk(error, path, need=""):
    """Return the sentence for an OSError of a full disk, and "" for any other.

    Parameters
    ----------
    error : OSError
    path : path
        What was written there; the disk is full that holds it.
    need : str
        How much it takes, if that is known: "…; ".
    """
    if error.errno not in (ENOSPC, EDQUOT, EFBIG):
        return ""
    advice = "make room and run the same command again, it goes on from here"
    return f"the disk of {path} is full: {need}{advice}"


def make_folder(path):
    """Make the folder if need be, and see that one can write there, before hours of work go by.

    Raises
    ------
    OSError
        If it is a file, or nothing can be written there; the message says which.
    """
    path = pathlib.Path(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{path} is a file, but results need a folder; name another")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OSError(f"cannot write to the folder {path}: {error.strerror}") from error


def write_text(path, text):
    """Write a text file, whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path, content):
    """Write a file of these bytes, whole or not at all."""
    write_whole(path, lambda file: file.write(content))


def write_lines(path, values):
    """Write a .jsonl file, a line of JSON for each value, whole or not at all."""
    write_text(path, "".join(as_json(value) + "\n" for value in values))


def read_lines(path):
    """Return the values in a .jsonl file, a list; an empty one if there is no such file.

    Raises
    ------
    ValueError
        If a line is not JSON; the message names it.
    """
    path = pathlib.Path(path)
    values = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else [], start=1):
        try:
            values.append(json.loads(line))
        except ValueError as error:
            raise ValueError(
                f"{path}, line {number}, is not JSON ({error}); remove the line, or the file"
            ) from None
    return values
