"""Checkpoints: all that a run needs to resume as if it had never stopped, in one .npz file.

    arrays    name → array          parameters, velocities, the order of the images, losses, …
    facts     name → plain value    position, random state, history, settings; stored as JSON text

A file is written under a temporary name, forced to the disk, and renamed.  Whatever happens, either
the old file or the new one exists and is complete.  Nothing is ever unpickled, so a checkpoint from
a stranger may be refused but cannot run code.
"""

import contextlib
import json
import os
import pathlib
import re
import stat
import tempfile
import zipfile
import zlib
from collections import namedtuple
from errno import EDQUOT, EFBIG, ENOSPC

import numpy as np

from .errors import CheckpointError

FORMAT = "minicnn checkpoint 1"

# What a command writes: "a picture of minicnn", for a message, and a pattern of its first bytes.
Kind = namedtuple("Kind", "name beginning")


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


def check_array(name, array):
    """Raise TypeError if an array holds Python objects, which NumPy would have to pickle."""
    if np.asarray(array).dtype.hasobject:
        raise TypeError(f"{name} holds Python objects; a checkpoint stores only numbers and text")


def as_json(value):
    """Return a value as JSON text; it may have NumPy numbers and arrays, tuples and paths.

    An array or a tuple becomes a list, and a path becomes a string.

    Raises
    ------
    TypeError
        If JSON cannot represent it, as with a function or a set.
    ValueError
        If it contains NaN, an infinite number, or itself.
    """
    return json.dumps(value, default=json_value, allow_nan=False)


def json_value(value):
    """Return what json.dumps writes instead of a value that it does not know."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"JSON cannot represent a {type(value).__name__}")


def plain(name, value):
    """Return a value as a checkpoint would return it after saving and loading.

    So a tuple equals the list that was saved for it, and np.float32(0.1) equals the saved number.

    Raises TypeError or ValueError for a value that cannot be saved; the message begins with `name`.
    """
    try:
        return json.loads(as_json(value))
    except (TypeError, ValueError, RecursionError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(
            f"{name} is a {type(value).__name__} that no checkpoint can store ({error}); expected "
            "finite numbers, text, True, False, None, and lists and dicts of these"
        ) from None


def load(path):
    """Return the arrays and facts of a checkpoint.

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
        If the file is missing, damaged, or not a checkpoint of this version.
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
            "use an older one, or start the run again"
        ) from None
    return arrays, facts


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
            raise CheckpointError(f"{path} is of another network: only {owner} has {name}")
        target, array = targets[name], arrays[name]
        if target.shape != array.shape or target.dtype != array.dtype:
            raise CheckpointError(
                f"{path} is of another network: {name} is {array.dtype} {array.shape} in the file "
                f"but {target.dtype} {target.shape} in the network"
            )
    for name, target in targets.items():
        target[...] = arrays[name]


def check_output(path, kind=None, inputs=()):
    """Return the file to write for an output, behind any symbolic link, if it may be written.

    An output replaces nothing but an empty file and what the same command wrote before.  It is
    refused if it is

    - a folder, a device or a pipe
    - one of the inputs, under this name or another one, or where the command prints
    - a file without permission to write
    - a file that does not begin as outputs of this kind do

    Parameters
    ----------
    path : path
    kind : Kind, optional
        Without one any file is replaced, as in a folder whose contents have been checked.
    inputs : iterable of path

    Raises
    ------
    OSError
        If it is refused; the message says why.
    """
    target = pathlib.Path(os.path.realpath(path))
    try:
        status = target.stat()
    except FileNotFoundError:
        return target
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path} is a folder; expected the name of a file")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path} is a device or a pipe; expected the name of a file")
    for other in (*inputs, 0, 1, 2):  # standard input, output and error are files, too
        if os.path.exists(other) and os.path.samefile(other, target):
            raise FileExistsError(f"{path} is in use by this command; name another file to write")
    if not os.access(target, os.W_OK):
        raise PermissionError(f"{path} is write-protected; name another file")
    if kind and status.st_size:
        with open(target, "rb") as file:
            if not re.match(kind.beginning, file.read(4096), re.DOTALL):
                raise FileExistsError(
                    f"{path} exists and is not {kind.name}, so it stays; name another file"
                )
    return target


def write_whole(path, write, kind=None):
    """Call write(file) on a temporary file, then rename it to path.

    The file is forced to the disk before it is renamed, so not even a power cut can leave half of
    it under its final name.  Temporary files of processes that were killed are removed.

    Raises
    ------
    OSError
        If it cannot be written, or check_output refuses it.  The error names path, unlike the
        system's error for a full disk, and a file that was there before stays.
    """
    target = check_output(path, kind)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_old_parts(target.parent, re.escape(target.name))
    temporary = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if error.filename not in (None, str(temporary)):
            raise  # about another file, which `write` reads
        why = error.strerror or f"it could not be written completely ({error})"
        why += "; the previous file is still there" if target.exists() else ""
        raise OSError(error.errno, why, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_old_parts(folder, name):
    """Remove temporary files that killed processes have left; `name` is a pattern of the names."""
    for path in folder.glob("*.part"):
        part = re.fullmatch(rf"{name}\.(\d{{1,9}})\.part", path.name)
        if part and not is_running(int(part[1])):
            with contextlib.suppress(OSError):  # Windows refuses while it is being written
                path.unlink()


def is_running(process):
    """Return whether a process of this number runs on this machine; False if Windows cannot say."""
    if os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's
    return True


def full_disk(error, path, need=""):
    """Return the message for an OSError of a full disk, or "" for any other OSError.

    Parameters
    ----------
    error : OSError
    path : path
        The file or folder that was being written.
    need : str
        How much space it needs, if that is known: "…; ".
    """
    if error.errno not in (ENOSPC, EDQUOT, EFBIG):
        return ""
    advice = "free some space and run the same command again to resume"
    return f"the disk of {path} is full: {need}{advice}"


def make_folder(path, outputs=None):
    """Create the folder if necessary, and check that it is writable, before hours of work.

    Temporary files of processes that were killed are removed.

    Parameters
    ----------
    path : path
    outputs : dict of name → Kind, optional
        Files that will be written there; see check_output.

    Raises
    ------
    OSError
        If it is a file, or not writable, or an output must not be written; the message says which.
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
    for name, kind in (outputs or {}).items():
        check_output(path / name, kind)
    remove_old_parts(path, r".+\.(?:npz|npy|png|jsonl?)")


def write_text(path, text, kind=None):
    """Write a text file atomically."""
    write_bytes(path, text.encode(), kind)


def write_bytes(path, content, kind=None):
    """Write a file of these bytes atomically."""
    write_whole(path, lambda file: file.write(content), kind)


def write_lines(path, values, kind=None):
    """Write a .jsonl file atomically, one line of JSON per value."""
    write_text(path, "".join(as_json(value) + "\n" for value in values), kind)


def read_lines(path):
    """Return the list of the values in a .jsonl file; it is empty if there is no such file.

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
