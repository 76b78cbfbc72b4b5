"""Take CIFAR-10's six files out of their archive, and nothing else.

Only the names that we know are read, and we write them under those names ourselves: a path, a link
or a permission in an archive has no effect.  If anything is unexpected, nothing is unpacked at all.
"""

import gzip
import hashlib
import os
import shutil
import tarfile
import zlib

from . import cifar10

TEXTS = ("batches.meta.txt", "readme.html")  # also in the archive; not needed, not unpacked
TEXT_BYTES = 10_000  # more than enough for either


def md5_of(path):
    """Return the MD5 of a file, which guards against accidents, not against forgers."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_complete(folder, files):
    """Say whether every file is in `folder` with its MD5; `files` maps names to these."""
    return all(
        (folder / name).is_file() and md5_of(folder / name) == md5 for name, md5 in files.items()
    )


def unpack(archive, folder, files):
    """Unpack `files` beside `folder`, check them there, and only then move them into it.

    Raises ValueError if the archive is damaged, or holds too little or too much.
    """
    beside = folder.with_name(folder.name + ".part")
    shutil.rmtree(beside, ignore_errors=True)  # left by a run that was killed
    try:
        beside.mkdir()
        copy_members(archive, beside, files)
        if not is_complete(beside, files):
            raise ValueError(f"one of {', '.join(files)} is missing or has a wrong MD5")
        folder.mkdir(exist_ok=True)
        for name in files:
            os.replace(beside / name, folder / name)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"it cannot be read ({error})") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def copy_members(archive, folder, files):
    """Copy `files` out of the archive; raise ValueError at a member that does not belong."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            check_member(member, files)  # before its bytes are touched, however many they say
            name = os.path.basename(member.name)
            if name in files:
                with tar.extractfile(member) as packed, open(folder / name, "wb") as file:
                    shutil.copyfileobj(packed, file)


def check_member(member, files):
    """Raise ValueError unless this is CIFAR-10's folder, or one of its files and not too large."""
    if member.isdir() and member.name == cifar10.FOLDER:
        return
    place, _, name = member.name.rpartition("/")
    limit = cifar10.RECORDS * cifar10.RECORD_BYTES if name in files else TEXT_BYTES
    known = place == cifar10.FOLDER and name in (*files, *TEXTS)
    if not (known and member.isreg() and member.size <= limit):
        kind = "file" if member.isreg() else "directory" if member.isdir() else "link or device"
        raise ValueError(
            f"it holds '{member.name}', a {kind} of {member.size:,} bytes, which does not belong"
        )
