"""Get the full CIFAR-10 from its home page: download, check, unpack, and only then put it in place.

A download that breaks off stays in a file that ends in `.part`, and the next one goes on from
there.  Files are unpacked into a folder that ends in `.part`, checked, and moved: what stands under
its final name is whole.
"""

import http.client
import time
import urllib.error
import urllib.request
from collections import namedtuple
from contextlib import contextmanager

from .. import console, storage
from ..errors import DownloadError
from .cifar10 import batches_folder
from .unpack import is_complete, md5_of, unpack

Source = namedtuple("Source", "url size md5 files")  # files: name → md5

CIFAR10 = Source(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    size=170_052_171,
    md5="c32a1d4ab5d03f1284b67883e8d87530",  # as the home page gives it
    files={
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    },
)
ARCHIVE = "cifar-10-binary.tar.gz.part"
CHUNK = 1 << 16


class ConnectionLost(Exception):
    """The connection failed or was cut: worth another try."""


def download_cifar10(
    directory=None, source=CIFAR10, progress=True, tries=5, pause=1.0, timeout=30.0
):
    """Put the full CIFAR-10 into `directory` and return the folder of its six files.

    If they are already there, whole, nothing is done.

    Parameters
    ----------
    directory : path, optional
        Where the folder cifar-10-batches-bin goes; by default `cache_dir()`.
    source : Source
        Address, size in bytes and MD5 of the archive, and the MD5 of each file in it; for a mirror,
        `CIFAR10._replace(url=…)`.
    progress : bool
        Show a progress bar and say what happens.
    tries : int
        How often to connect before giving up; each try goes on where the last one ended.
    pause : float
        Seconds to wait before the second try; one more `pause` before each further one.
    timeout : float
        Seconds without a byte after which a connection counts as cut.

    Raises
    ------
    DownloadError
        No connection, a wrong answer, a wrong checksum, an archive with anything unexpected in it,
        a full disk.  What was in `directory` before is still there.
    """
    say = print if progress else lambda *text: None
    folder = batches_folder(directory).resolve()
    archive = folder.with_name(ARCHIVE)
    with disk(folder):
        if is_complete(folder, source.files):
            archive.unlink(missing_ok=True)  # of a run that was killed on its last line
            say(f"CIFAR-10 is already in {folder}, whole")
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        fetch(source, archive, progress, tries, pause, timeout)
        found = md5_of(archive)
        if found != source.md5:
            refuse(archive, f"the MD5 of {source.url} should be {source.md5}, but is {found}")
        try:
            unpack(archive, folder, source.files)
        except ValueError as error:
            refuse(archive, f"the archive from {source.url} is not CIFAR-10's: {error}")
        archive.unlink()
    say(f"CIFAR-10 is in {folder}")
    return folder


@contextmanager
def disk(path):
    """Turn an error of the disk into a sentence about it."""
    try:
        yield
    except OSError as error:
        need = "CIFAR-10 takes 360 MB there until it is unpacked, then 185 MB; "
        other = f"cannot use {error.filename or path}: {error.strerror or error}"
        raise DownloadError(storage.full_disk(error, path, need) or other) from error


def refuse(archive, why):
    """Remove an archive that is not what it should be, and say so."""
    archive.unlink()
    raise DownloadError(f"{why}; it was removed, and running the command again downloads it afresh")


def fetch(source, archive, progress, tries, pause, timeout):
    """Bring `archive` to its full size, from the bytes that are there; try again when cut off."""
    for attempt in range(1, tries + 1):
        try:
            return fetch_rest(source, archive, progress, timeout)
        except ConnectionLost as error:
            have = archive.stat().st_size if archive.exists() else 0
            state = f"no more from {source.url} after {have:,} of {source.size:,} bytes ({error})"
        if attempt < tries:
            if progress:
                print(f"{state}; trying again")
            time.sleep(pause * attempt)
    raise DownloadError(f"{state}; running the command again goes on from there")


def fetch_rest(source, archive, progress, timeout):
    """Append the missing bytes to `archive`; ConnectionLost if the connection ends early."""
    have = archive.stat().st_size if archive.exists() else 0
    if have == source.size:
        return
    if have > source.size:  # nothing that this archive could begin with
        have = 0
    with connect(source, have, timeout) as response:
        if response.status != 206:  # no partial content: this server begins at the beginning
            have = 0
        look = {"initial": have, "disable": not progress}
        bar = console.progress_bar(source.size, "CIFAR-10", "B", **look)
        with bar, open(archive, "ab" if have else "wb") as file:
            for chunk in chunks(response):
                file.write(chunk)
                bar.update(len(chunk))
                have += len(chunk)
                if have > source.size:
                    break  # the checksum will refuse it
    if have < source.size:
        raise ConnectionLost("the connection was cut")


def connect(source, have, timeout):
    """Return the answer to a request for the bytes from `have` on; refuse one of another size."""
    request = urllib.request.Request(source.url, headers={"User-Agent": "minicnn"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (408, 429) or error.code >= 500:
                raise ConnectionLost(f"the server answered {error.code} {error.reason}") from error
            raise DownloadError(f"{source.url} answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionLost(getattr(error, "reason", None) or error) from error
    if response.status == 206:
        expected = f"bytes {have}-{source.size - 1}/{source.size}"
        answer = response.headers.get("Content-Range")
    else:
        expected = f"{source.size} bytes"
        answer = f"{response.headers.get('Content-Length', source.size)} bytes"
    if answer != expected:
        response.close()
        raise DownloadError(
            f"{source.url} should send {expected} but sends {answer}: it is another file, "
            f"or the log-in page of a network"
        )
    return response


def chunks(response):
    """Yield the bytes of a response as they come."""
    while True:
        try:
            chunk = response.read(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionLost(error) from error  # `disk` must not take it for the disk's
        if not chunk:
            return
        yield chunk
