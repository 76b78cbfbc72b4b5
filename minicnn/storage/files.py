"""Files that are written whole or not at all, and the folders that they go to.

A file is written under a temporary name, forced to the disk, and renamed.  Whatever happens, either
the old file or the new one exists and is complete.
"""

import contextlib
import os
import pathlib
import re
import stat
import tempfile
from collections import namedtuple
from errno import EDQUOT, EFBIG, ENOSPC

# What a command writes: "a picture of minicnn", for a message, and a pattern of its first bytes.
Kind = namedtuple("Kind", "name beginning")


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


def write_bytes(path, content, kind=None):
    """Write a file of these bytes atomically."""
    write_whole(path, lambda file: file.write(content), kind)


def write_text(path, text, kind=None):
    """Write a text file atomically."""
    write_bytes(path, text.encode(), kind)


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
