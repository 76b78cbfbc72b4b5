"""Checkpoints: all that a run needs to resume as if it had never stopped, in one .npz file.

    arrays    name → array          parameters, velocities, the order of the images, losses, …
    facts     name → plain value    position, random state, history, settings; stored as JSON text

A file is written under a temporary name, forced to the disk, and renamed.  Whatever happens, either
the old file or the new one exists and is complete.  Nothing is ever unpickled, so a checkpoint from
a stranger may be refused but cannot run code.
"""

import contextlib
import json
import math
import os
import pathlib
import re
import reprlib
import stat
import sys
import tempfile
import zipfile
from collections import namedtuple
from errno import EDQUOT, EFBIG, EINVAL, ENOSPC

import numpy as np

from .errors import CheckpointError

FORMAT = "minicnn checkpoint 1"
TRAINED = pathlib.Path(__file__).parent / "data/trained/checkpoint.npz"  # see data/bundled.py
MOST_GROWTH = 10  # times: what a zip may unpack to; compressed weights grow by a few percent
MOST_NUMBER = 1e300
NPY_MAGIC = b"\x93NUMPY\x01\x00"  # version 1.0; later versions are for arrays that no network has
NPY_HEADER = re.compile(
    rb"\{'descr': '([<>|](?:f(?:[248]|16)|[iu][1248]|c(?:8|16|32)|b1|O[48]?|[SU]\d{1,4}))', "
    rb"'fortran_order': (False|True), 'shape': \((\d{1,18}(?:, \d{1,18}){0,7},?|)\), \}[ \n]*"
)

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
    if np.asarray(array).dtype.hasobject or np.asarray(array).dtype.kind not in "biufcSU":
        raise TypeError(
            f"{name} holds Python objects or records; a checkpoint stores only numbers and text"
        )


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


def read_arrays(path):
    """Return the arrays of an .npz file by name.

    A zip can unpack to a thousand times its own size, and the header of an array can claim any
    shape.  Both are compared with the size of the file before any memory is taken.

    Raises
    ------
    ValueError
        If it is damaged, or claims to be much larger than it is.
    OSError, MemoryError
        If it cannot be read on this machine; the message names it.
    """
    with open(path, "rb") as file:
        size = unpacked = file.seek(0, os.SEEK_END)
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                unpacked = sum(entry.file_size for entry in entries)
                if unpacked > MOST_GROWTH * size:
                    raise ValueError(
                        f"its {size:,} bytes claim to unpack to {unpacked:,}; at most "
                        f"{MOST_GROWTH} times as many are allowed"
                    )
                return dict(read_array(archive, entry) for entry in entries)
        except MemoryError:
            raise MemoryError(
                f"{path}: there is not enough memory to read its {unpacked / 1e6:,.0f} MB"
            ) from None
        except Exception as error:  # of many types: what a damaged zip makes Python's reader raise
            if isinstance(error, OSError) and error.errno not in (None, EINVAL):
                raise OSError(error.errno, error.strerror, str(path)) from None
            words = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(words[:200]) from None


def read_array(archive, entry):
    """Return the name and the array of an entry of a zip."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # np.savez's
        raise ValueError(f"{entry.filename} is compressed in an unsupported way")
    with archive.open(entry) as file:
        dtype, order, shape = npy_header(file)
        if dtype[1] == "O":
            raise ValueError(f"{entry.filename} holds Python objects, which are never loaded")
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size != entry.file_size - file.tell():
            raise ValueError(f"{entry.filename} should hold {shape}, but has another length")
        content = bytearray(file.read())  # it has a checksum, which reading to the end compares
    return entry.filename.removesuffix(".npy"), np.ndarray(shape, dtype, content, order=order)


def npy_header(file):
    """Read the header of an .npy file; return dtype, order and shape.

    The header is a dictionary in Python's notation, and NumPy's own reader parses it as Python.
    np.save always writes it in the same form, so a regular expression is enough.

    Raises ValueError if the file does not begin with such a header.
    """
    magic, length = file.read(8), file.read(2)
    match = NPY_HEADER.fullmatch(file.read(int.from_bytes(length, "little")))
    if magic != NPY_MAGIC or not match:
        raise ValueError("it does not begin like an .npy file")
    dtype, fortran, shape = (group.decode("ascii") for group in match.groups())
    order = "F" if fortran == "True" else "C"
    return dtype, order, tuple(int(n) for n in shape.split(",") if n)


def parse_json(text):
    """Return the value of a JSON text, str or bytes; NaN and infinite numbers become None.

    Raises ValueError for what is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=lambda name: None, parse_float=finite_or_none)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def finite_or_none(text):
    """Return a float, or None for one that is too large, such as 1e999."""
    number = float(text)
    return number if math.isfinite(number) else None


# Kinds of facts: what is expected, in words, and a function that says whether a value is that.


def number(least=-MOST_NUMBER, most=MOST_NUMBER):
    """Return the kind of a finite number in this range."""
    words = f"a number from {least:g} to {most:g}"
    return words, lambda value: type(value) in (int, float) and least <= value <= most


def whole(least=0, most=2**53):
    """Return the kind of a whole number in this range."""
    words = f"a whole number from {least} to {most}"
    return words, lambda value: type(value) is int and least <= value <= most


def truth():
    """Return the kind of True and False."""
    return "True or False", lambda value: type(value) is bool


def text(choices=None):
    """Return the kind of a text, or of one of a few."""
    words = "a text" if choices is None else f"one of {', '.join(choices)}"
    return words, lambda value: type(value) is str and (choices is None or value in choices)


def optional(kind):
    """Return the kind that is also fulfilled by None."""
    words, is_valid = kind
    return f"{words}, or nothing", lambda value: value is None or is_valid(value)


def list_of(kind, least=0, most=math.inf):
    """Return the kind of a list with this number of values of a kind."""
    words, is_valid = kind
    return (
        f"a list, each {words}",
        lambda value: (
            type(value) is list and least <= len(value) <= most and all(map(is_valid, value))
        ),
    )


def wrong_fact(facts, kinds, lacking=()):
    """Return which fact is missing or is not of its kind, in words, or "".

    Parameters
    ----------
    facts : value
        From a file, so it may be anything.
    kinds : dict of name → kind
        Such as {"epoch": whole(), "epsilon": number(0)}; other facts are allowed.
    lacking : collection of str
        The names that may be missing.
    """
    if not isinstance(facts, dict):
        return f"it is {shortened(facts)}; expected a dict, as {{…}}"
    for name, (words, is_valid) in kinds.items():
        if name not in facts and name not in lacking:
            return f"{name} is missing"
        if name in facts and not is_valid(facts[name]):
            return f"{name} is {shortened(facts[name])}; expected {words}"
    return ""


def shortened(value):
    """Return a value as a short text on one line, however large or deep it is."""
    return value[:80] if type(value) is str and value.isprintable() else reprlib.repr(value)


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


@contextlib.contextmanager
def only_writer(folder, command, shared=False):
    """Lock a folder, so that no two runs write there; the system unlocks it at their end.

    Runs with `shared` may write there together, but not with one without.

    Raises OSError if another run holds the lock.  On Windows a folder has no lock, and None needs
    none.
    """
    try:
        import fcntl
    except ImportError:
        folder = None
    if folder is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(
                f"another {command} is writing to {folder}: wait until it ends, or name another "
                "folder"
            ) from None
        except OSError:  # some network file systems have no locks
            pass
        yield
    finally:
        os.close(descriptor)


def write_text(path, text, kind=None):
    """Write a text file atomically."""
    write_bytes(path, text.encode(), kind)


def write_bytes(path, content, kind=None):
    """Write a file of these bytes atomically."""
    write_whole(path, lambda file: file.write(content), kind)


def write_lines(path, values, kind=None):
    """Write a .jsonl file atomically, one line of JSON per value."""
    write_text(path, "".join(as_json(value) + "\n" for value in values), kind)


def read_lines(path, wrong=lambda value: ""):
    """Return the values in a .jsonl file; an empty list if there is no such file.

    A line that cannot be used is moved to a file beside it, path.damaged, and a sentence on the
    terminal says so; so nothing is lost, and all other lines can be used.

    Parameters
    ----------
    path : path
    wrong : function
        wrong(value) returns why a line cannot be used, in words, or "".

    Raises
    ------
    OSError
        If a file cannot be read or written.
    """
    path = pathlib.Path(path)
    values, used, damaged, first = [], [], [], ""
    content = path.read_bytes() if path.exists() else b""
    for count, line in enumerate(content.splitlines(), start=1):
        try:
            value = parse_json(line)
            why = wrong(value)
        except ValueError as error:
            why = f"it is not JSON ({error})"
        if not why:
            values.append(value)
            used.append(line)
        elif line.strip():
            damaged.append(line)
            first = first or f"line {count}: {why}"
    if damaged:
        aside = path.with_name(f"{path.name}.damaged")
        before = aside.read_bytes() if aside.exists() else b""
        write_bytes(aside, before + b"".join(line + b"\n" for line in damaged))
        write_bytes(path, b"".join(line + b"\n" for line in used))
        others = f" (and {len(damaged) - 1:,} more)" if damaged[1:] else ""
        print(f"{path}, {first}{others}; moved to {aside.name}", file=sys.stderr)
    return values
