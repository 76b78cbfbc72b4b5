"""Extract CIFAR-10's six files from their archive, and nothing else.

Only files with known names are read, and each is written under its known name, so a path, a link or
a permission in the archive has no effect.  If anything in the archive is unexpected, nothing is
unpacked.
"""

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib

from ..console import printable
from . import cifar10

TEXTS = ("batches.meta.txt", "readme.html")  # also in the archive; not needed, not unpacked
TEXT_BYTES = 10_000  # more than enough for either


def md5_of(path):
    """Return the MD5 of a file, which guards against accidents, not against forgers."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_complete(folder, files):
    """Return whether every file is in `folder` with the right MD5; `files` maps names to MD5s."""
    return all(
        (folder / name).is_file() and md5_of(folder / name) == md5 for name, md5 in files.items()
    )


def unpack(archive, folder, files):
    """Unpack `files` next to `folder`, check them, and then move them into it.

    Raises ValueError if the archive is damaged, lacks a file, or has an extra one.
    """
    staging = folder.with_name(folder.name + ".part")
    shutil.rmtree(staging, ignore_errors=True)  # left by a run that was killed
    try:
        staging.mkdir()
        copy_members(archive, staging, files)
        if not is_complete(staging, files):
            raise ValueError(f"one of {', '.join(files)} is missing or has a wrong MD5")
        folder.mkdir(exist_ok=True)
        for name in files:
            os.replace(staging / name, folder / name)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"it cannot be read ({error})") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def copy_members(archive, folder, files):
    """Copy `files` out of the archive; raise ValueError at an unexpected member."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            check_member(member, files)  # before any of its bytes are read
            name = os.path.basename(member.name)
            if name in files:
                with tar.extractfile(member) as packed, open(folder / name, "wb") as file:
                    shutil.copyfileobj(packed, file)


def check_member(member, files):
    """Raise ValueError unless this is CIFAR-10's folder, or one of its files, not too large."""
    if member.isdir() and member.name == cifar10.FOLDER:
        return
    place, _, name = member.name.rpartition("/")
    limit = cifar10.RECORDS * cifar10.RECORD_BYTES if name in files else TEXT_BYTES
    known = place == cifar10.FOLDER and name in (*files, *TEXTS)
    if not (known and member.isreg() and member.size <= limit):
        kind = "file" if member.isreg() else "directory" if member.isdir() else "link or device"
        raise ValueError(
            f"it holds '{printable(member.name)}', a {kind} of {member.size:,} bytes, which is "
            "unexpected"
        )
