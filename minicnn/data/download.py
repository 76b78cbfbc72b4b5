"""Download the full CIFAR-10 from its home page, check it, unpack it, and move it into place.

An interrupted download stays in a file that ends in `.part`, and the next attempt resumes it.
Files are unpacked into a folder that ends in `.part`, checked, and moved, so a file under its final
name is complete.
"""

import threading
import time
import urllib.error
import urllib.request
from collections import namedtuple
from concurrent.futures import Future
from contextlib import contextmanager

from .. import console, storage
from ..console import printable
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
SLOWEST = 1000  # bytes per second; the whole archive would take two days


class ConnectionLost(Exception):
    """The connection failed or was cut, and another attempt may succeed."""


def download_cifar10(
    directory=None, source=CIFAR10, progress=True, tries=5, pause=1.0, timeout=30.0
):
    """Put the full CIFAR-10 into `directory` and return the folder of its six files.

    If the files are already there and complete, nothing is downloaded.

    Parameters
    ----------
    directory : path, optional
        Where the folder cifar-10-batches-bin goes; by default `cache_dir()`.
    source : Source
        URL, size in bytes and MD5 of the archive, and the MD5 of each file in it; for a mirror,
        `CIFAR10._replace(url=…)`.
    progress : bool
        Show a progress bar and report each step.
    tries : int
        How often to connect before giving up; each attempt resumes where the last one ended.
    pause : float
        Seconds to wait before the second attempt; each further wait is one `pause` longer.
    timeout : float
        Seconds after which a connection counts as cut, if it has not been established, or brought
        no byte, or fewer than SLOWEST in each of them.

    Raises
    ------
    DownloadError
        No connection, an unexpected response, a wrong checksum, an archive with unexpected content,
        or a full disk.  Whatever was in `directory` before is still there.
    """
    say = print if progress else lambda *text: None
    folder = batches_folder(directory).resolve()
    archive = folder.with_name(ARCHIVE)
    with disk(folder):
        if is_complete(folder, source.files):
            archive.unlink(missing_ok=True)  # left by a run that was killed on its last line
            say(f"CIFAR-10 is already in {folder}, complete")
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        fetch(source, archive, progress, tries, pause, timeout)
        md5 = md5_of(archive)
        if md5 != source.md5:
            refuse(archive, f"the MD5 of {source.url} should be {source.md5}, but is {md5}")
        try:
            unpack(archive, folder, source.files)
        except ValueError as error:
            refuse(archive, f"the archive from {source.url} is not CIFAR-10's: {error}")
        archive.unlink()
    say(f"CIFAR-10 is in {folder}")
    return folder


@contextmanager
def disk(path):
    """Turn a disk error into a DownloadError with a clear message."""
    try:
        yield
    except OSError as error:
        need = "CIFAR-10 needs 360 MB there until it is unpacked, then 185 MB; "
        other = f"cannot use {error.filename or path}: {error.strerror or error}"
        raise DownloadError(storage.full_disk(error, path, need) or other) from error


def refuse(archive, why):
    """Remove an archive with the wrong content, and raise DownloadError."""
    archive.unlink()
    raise DownloadError(f"{why}; it was removed; run the command again to download it afresh")


def fetch(source, archive, progress, tries, pause, timeout):
    """Download the bytes that `archive` still lacks; try again when the connection is cut."""
    for attempt in range(1, tries + 1):
        try:
            return fetch_rest(source, archive, progress, timeout)
        except ConnectionLost as error:
            have = archive.stat().st_size if archive.exists() else 0
            state = f"{source.url} stopped after {have:,} of {source.size:,} bytes ({error})"
        if attempt < tries:
            if progress:
                print(f"{state}; trying again")
            time.sleep(pause * attempt)
    raise DownloadError(f"{state}; run the command again to resume")


def fetch_rest(source, archive, progress, timeout):
    """Append the missing bytes to `archive`; raise ConnectionLost if the connection is cut."""
    have = archive.stat().st_size if archive.exists() else 0
    if have == source.size:
        return
    if have > source.size:  # not the beginning of this archive
        have = 0
    with connect(source, have, timeout) as response:
        if response.status != 206:  # not partial content: the server starts from the beginning
            have = 0
        look = {"initial": have, "disable": not progress}
        bar = console.progress_bar(source.size, "CIFAR-10", "B", **look)
        with bar, open(archive, "ab" if have else "wb") as file:
            for chunk in chunks(response, timeout):
                file.write(chunk)
                file.flush()  # what has come stays, even if the disk is full at the next chunk
                bar.update(len(chunk))
                have += len(chunk)
                if have > source.size:
                    break  # the checksum will refuse it
    if have < source.size:
        raise ConnectionLost("the connection was cut")


def connect(source, have, timeout):
    """Return the response to a request for the bytes from `have` on; refuse another size."""
    request = urllib.request.Request(source.url, headers={"User-Agent": "minicnn"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = within(timeout, lambda: urllib.request.urlopen(request, timeout=timeout))
    except urllib.error.HTTPError as error:
        with error:
            answer = printable(" ".join(f"{error.code} {error.reason}".split()))
            if error.code in (408, 429) or error.code >= 500:
                raise ConnectionLost(f"the server answered {answer}") from error
            raise DownloadError(f"{source.url} answered {answer}") from error
    except Exception as error:
        raise lost(error) from error
    if response.status == 206:
        expected = f"bytes {have}-{source.size - 1}/{source.size}"
        actual = response.headers.get("Content-Range")
    else:
        expected = f"{source.size} bytes"
        actual = f"{response.headers.get('Content-Length', source.size)} bytes"
    if actual != expected:
        response.close()
        raise DownloadError(
            f"{source.url} should send {expected} but sends {printable(actual)}: it is another "
            "file, or a network's log-in page"
        )
    return response


def chunks(response, timeout):
    """Yield the bytes of a response as they arrive; raise ConnectionLost if they arrive slowly."""
    arrived, start = 0, time.monotonic()
    while True:
        try:
            chunk = response.read1(CHUNK)
        except Exception as error:
            raise lost(error) from error  # so that `disk` ignores it
        if not chunk:
            return
        yield chunk
        arrived, now = arrived + len(chunk), time.monotonic()
        if now - start > timeout:
            if arrived < SLOWEST * (now - start):
                raise ConnectionLost(f"only {arrived:,} bytes in {now - start:.0f} seconds")
            arrived, start = 0, now


def within(seconds, function):
    """Return what a function returns; raise TimeoutError if it takes longer than these seconds.

    It runs in a thread, because a server that sends its headers byte by byte is never silent.
    """
    future = Future()

    def run():
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result(seconds)


def lost(error):
    """Return the ConnectionLost for an exception of urllib, http.client or ssl, of any class.

    A malformed answer raises ValueError, UnicodeError, AttributeError and others there.
    """
    why = printable(getattr(error, "reason", None) or error) or "timed out"
    return ConnectionLost(why)
