"""What a download puts in place is whole, or it puts nothing; tried on a server on this machine."""

import contextlib
import errno
import hashlib
import io
import os
import re
import socket
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from minicnn import console, data
from minicnn.data import cifar10, download, unpack
from minicnn.data.download import Source, download_cifar10
from minicnn.errors import DownloadError

RECORDS = 40
FOLDER = "cifar-10-batches-bin"


class Server:
    """A web server with one archive, which misbehaves as a test tells it to."""

    def __init__(self, content):
        self.content = content
        self.ranges = True  # understands Range
        self.cuts = []  # after how many bytes to cut the next connections
        self.status = None  # answer only this
        self.asked = []  # the Range header of each request
        handler = type("Handler", (Handler,), {"server_state": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.handle_error = lambda *args: None  # clients that go away are expected here
        self.url = f"http://127.0.0.1:{self.http.server_port}/cifar-10-binary.tar.gz"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        state = self.server_state
        wanted = self.headers.get("Range")
        state.asked.append(wanted)
        if state.status:
            return self.send_error(state.status)
        size, start = len(state.content), 0
        if wanted and state.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        end = start + state.cuts.pop(0) if state.cuts else size
        self.wfile.write(state.content[start:end])


def make_files():
    """The small CIFAR-10 of these tests: name → bytes."""
    rng = np.random.default_rng(9)
    files = {}
    for name in download.CIFAR10.files:
        records = rng.integers(0, 256, (RECORDS, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        files[name] = records.tobytes()
    return files


def make_archive(files, *extra):
    """A tar.gz like the real one; `extra` are TarInfos to put at its end."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        folder = tarfile.TarInfo(FOLDER)
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in {**files, "readme.html": b"hello", "batches.meta.txt": b"cat"}.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in extra:
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return buffer.getvalue()


def md5(content):
    return hashlib.md5(content).hexdigest()


FILES = make_files()
ARCHIVE = make_archive(FILES)
MD5S = {name: md5(content) for name, content in FILES.items()}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(cifar10, "RECORDS", RECORDS)
    server = Server(ARCHIVE)
    yield server
    server.close()


def get(server, directory, **options):
    """Download what the server has, as if it were CIFAR-10."""
    content = server.content
    source = Source(server.url, len(content), options.pop("md5", md5(content)), MD5S)
    options = {"progress": False, "pause": 0, "timeout": 5, **options}
    return download_cifar10(directory, source, **options)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def assert_whole(directory):
    """The six files are in place with their bytes, and nothing else is left."""
    assert names(directory) == [FOLDER]
    assert names(directory / FOLDER) == sorted(FILES)
    assert all((directory / FOLDER / name).read_bytes() == FILES[name] for name in FILES)


def test_what_was_downloaded_can_be_loaded(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "new" / "cache"))
    assert get(server, None) == tmp_path / "new" / "cache" / FOLDER
    assert_whole(tmp_path / "new" / "cache")
    assert len(data.load("cifar10").train_x) == 5 * RECORDS


def test_naming_the_folder_itself_is_as_good_as_naming_the_directory_around_it(server, tmp_path):
    get(server, tmp_path / FOLDER)
    assert_whole(tmp_path)


def test_what_is_already_there_is_left_alone(server, tmp_path, capsys):
    get(server, tmp_path)
    server.asked.clear()
    get(server, tmp_path, progress=True)
    assert server.asked == []
    assert f"already in {tmp_path}" in capsys.readouterr().out


def test_a_damaged_file_is_replaced_and_other_files_are_kept(server, tmp_path):
    get(server, tmp_path)
    (tmp_path / FOLDER / "data_batch_3.bin").write_bytes(b"half")
    (tmp_path / FOLDER / "notes.txt").write_text("mine")
    get(server, tmp_path)
    assert (tmp_path / FOLDER / "notes.txt").read_text() == "mine"
    (tmp_path / FOLDER / "notes.txt").unlink()
    assert_whole(tmp_path)


def test_a_cut_connection_is_resumed_where_it_ended(server, tmp_path, capsys):
    server.cuts = [200_000, 100_000]
    get(server, tmp_path, progress=True)
    assert server.asked == [None, "bytes=200000-", "bytes=300000-"]
    assert "after 200,000 of" in capsys.readouterr().out
    assert_whole(tmp_path)


def test_after_too_many_cuts_the_next_run_resumes(server, tmp_path):
    server.cuts = [70_000, 70_000]
    with pytest.raises(DownloadError, match="after 140,000 of .* run the command again to resume"):
        get(server, tmp_path, tries=2)
    assert names(tmp_path) == [download.ARCHIVE]
    get(server, tmp_path)
    assert server.asked[-1] == "bytes=140000-"
    assert_whole(tmp_path)


def test_a_server_that_cannot_resume_begins_again(server, tmp_path):
    server.ranges = False
    server.cuts = [200_000]
    get(server, tmp_path)
    assert server.asked == [None, "bytes=200000-"]
    assert_whole(tmp_path)


def test_a_part_that_is_whole_needs_no_network(server, tmp_path):
    (tmp_path / download.ARCHIVE).write_bytes(ARCHIVE)
    get(server, tmp_path)
    assert server.asked == []
    assert_whole(tmp_path)


def test_a_part_that_is_too_long_is_downloaded_afresh(server, tmp_path):
    (tmp_path / download.ARCHIVE).write_bytes(ARCHIVE + b"more")
    get(server, tmp_path)
    assert server.asked == [None]
    assert_whole(tmp_path)


def test_a_part_of_something_else_is_refused_and_the_next_run_succeeds(server, tmp_path):
    (tmp_path / download.ARCHIVE).write_bytes(b"x" * 1000)
    with pytest.raises(DownloadError, match="MD5"):
        get(server, tmp_path)
    get(server, tmp_path)
    assert_whole(tmp_path)


def test_a_wrong_checksum_is_named_and_the_archive_removed(server, tmp_path):
    with pytest.raises(DownloadError, match=f"should be {'0' * 32}, but is {md5(ARCHIVE)}"):
        get(server, tmp_path, md5="0" * 32)
    assert names(tmp_path) == []


def test_a_page_that_is_not_found_is_one_sentence_at_once(server, tmp_path):
    server.status = 404
    with pytest.raises(DownloadError, match="answered 404 Not Found"):
        get(server, tmp_path)
    assert server.asked == [None]
    assert names(tmp_path) == []


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.status = 503
    with pytest.raises(DownloadError, match="answered 503"):
        get(server, tmp_path, tries=3)
    assert server.asked == [None] * 3


def test_a_page_of_another_size_is_refused_at_once(server, tmp_path):
    source = Source(server.url, 170_052_171, md5(ARCHIVE), MD5S)
    with pytest.raises(DownloadError, match="should send 170052171 bytes but sends .* log-in page"):
        download_cifar10(tmp_path, source, progress=False)
    assert names(tmp_path) == []


def test_no_connection_is_one_sentence(server, tmp_path):
    server.close()
    with pytest.raises(DownloadError, match="after 0 of .* run the command again"):
        get(server, tmp_path, tries=2)


def test_a_silent_server_counts_as_cut(server, tmp_path):
    release = threading.Event()
    server.content, whole = SlowBytes(server.content, release), server.content
    try:
        with pytest.raises(DownloadError, match="timed out"):
            get(server, tmp_path, tries=1, timeout=0.2, md5=md5(whole))
    finally:
        release.set()


class SlowBytes(bytes):
    """An archive whose bytes only come when `release` is set."""

    def __new__(cls, content, release):
        self = super().__new__(cls, content)
        self.release = release
        return self

    def __getitem__(self, where):
        self.release.wait(5)
        return super().__getitem__(where)


OK = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HEAD = OK + b"Content-Length: %d\r\n" % len(ARCHIVE)
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LINES = [
    b"",
    b"\n",
    b"\xff\xfe",
    b"HTTP/1.1",
    b"HTTP/9 x",
    b"HTTP/1.1 99999 \x1b[31m",
    b"HTTP/1.1 404 \x9b",
]
FIELDS = [
    b"a: " + b"x" * 70_000,
    b"a: b\r\n" * 200,
    b"Content-Length: -5",
    b"Content-Length: \x1b\xe9",
]
CHUNKS = [b"", b"x\r\n", b"-5\r\nabc", b"\xff\r\n", b"f" * 99 + b"\r\nabc", b"5\r\nab"]
PLACES = [
    b"", b"/" * 70_000, b"//", b"http://", b"http://[::1", b"http://a:b/", b"http://127.0.0.1:99999/",
    b"http://\xe9\x1b/ /", b"http://%00/", b"http://" + b"a" * 300, b"file:///etc/passwd", b"x:/",
]  # fmt: skip
MALFORMED = [
    *(line + b"\r\n\r\n" for line in LINES),
    *(OK + fields + b"\r\n\r\n" for fields in FIELDS),
    *(CHUNKED + chunks for chunks in CHUNKS),
    *(b"HTTP/1.1 302 Found\r\nLocation: " + place + b"\r\n\r\n" for place in PLACES),
]


class RawServer:
    """A server that answers each connection with some bytes, then drips others for ever."""

    def __init__(self, answer, drip=b""):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        self.answer, self.drip, self.content = answer, drip, ARCHIVE
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                with client, contextlib.suppress(OSError):
                    client.recv(65536)
                    client.sendall(self.answer)
                    while self.drip:
                        client.sendall(self.drip)
                        time.sleep(0.02)


@pytest.mark.parametrize("answer", MALFORMED, ids=lambda answer: repr(answer[:70]))
def test_a_malformed_answer_is_one_sentence(tmp_path, answer):
    server = RawServer(answer)
    with server.socket, pytest.raises(DownloadError) as failure:
        get(server, tmp_path, tries=2)
    assert console.printable(failure.value) == str(failure.value)


@pytest.mark.parametrize(
    "answer, drip",
    [(b"", CONTINUE), (OK, b"a: b\r\n"), (HEAD + b"\r\n", b"x"), (CHUNKED, b"1\r\nx\r\n")],
)
def test_a_server_that_drips_counts_as_cut(tmp_path, answer, drip):
    server, start = RawServer(answer, drip), time.monotonic()
    with (
        server.socket,
        pytest.raises(DownloadError, match="timed out|only .* bytes in"),
    ):
        get(server, tmp_path, tries=1, timeout=0.5)
    assert time.monotonic() - start < 5


def member(name, kind=tarfile.REGTYPE, size=0, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


@pytest.mark.parametrize(
    "hostile",
    [
        member("../evil.txt", size=3),
        member(f"{FOLDER}/../../evil.txt", size=3),
        member("/minicnn-evil.txt", size=3),
        member(f"{FOLDER}/evil.bin", size=3),
        member(f"elsewhere/{FOLDER}/test_batch.bin", size=3),
        member(f"{FOLDER}/test_batch.bin", tarfile.SYMTYPE, link="/etc/passwd"),
        member(f"{FOLDER}/test_batch.bin", tarfile.LNKTYPE, link="../../evil.txt"),
        member(FOLDER, tarfile.SYMTYPE, link="/"),
        member(f"{FOLDER}/test_batch.bin", tarfile.FIFOTYPE),
        member(f"{FOLDER}/test_batch.bin", tarfile.DIRTYPE),
        member(f"{FOLDER}/test_batch.bin", size=RECORDS * 3073 + 1),
        member(f"{FOLDER}/readme.html", size=1_000_000),
    ],
    ids=lambda info: f"{info.name} type {info.type.decode()}",
)
def test_a_hostile_archive_is_refused_and_nothing_is_unpacked(server, tmp_path, hostile):
    server.content = make_archive(FILES, hostile)
    with pytest.raises(
        DownloadError, match=f"it holds '{re.escape(hostile.name)}'.* it was removed"
    ):
        get(server, tmp_path / "cache")
    assert names(tmp_path) == ["cache"]
    assert names(tmp_path / "cache") == []
    assert not os.path.exists("/minicnn-evil.txt")


def test_a_huge_declared_size_is_refused_by_its_header_alone(server, tmp_path):
    bomb = member(f"{FOLDER}/test_batch.bin", size=1 << 50)  # the header promises a petabyte
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.fileobj.write(bomb.tobuf())
    server.content = buffer.getvalue()
    with pytest.raises(DownloadError, match="a file of 1,125,899,906,842,624 bytes"):
        get(server, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [b"not an archive", ARCHIVE[:200_000]])
def test_a_broken_archive_is_refused(server, tmp_path, content):
    server.content = content
    with pytest.raises(DownloadError, match="is not CIFAR-10's: it cannot be read"):
        get(server, tmp_path)
    assert names(tmp_path) == []


def test_an_archive_with_a_missing_or_changed_file_is_refused(server, tmp_path):
    fewer = {name: FILES[name] for name in list(FILES)[:5]}
    changed = {**FILES, "test_batch.bin": FILES["data_batch_1.bin"]}
    for files in (fewer, changed):
        server.content = make_archive(files)
        with pytest.raises(DownloadError, match="test_batch.bin is missing or has a wrong MD5"):
            get(server, tmp_path)
        assert names(tmp_path) == []


class FullDisk(io.FileIO):
    """A file on a disk with room for 100,000 bytes."""

    def write(self, content):
        if self.tell() + len(content) > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(content)


def open_on_full_disk(path, mode="r"):
    writing = mode != "rb"
    return io.BufferedWriter(FullDisk(path, mode)) if writing else open(path, mode)


def test_a_disk_that_fills_up_while_downloading_keeps_what_has_come(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "open", open_on_full_disk, raising=False)
    with pytest.raises(DownloadError, match="disk of .* is full: .* free some space"):
        get(server, tmp_path)
    assert names(tmp_path) == [download.ARCHIVE]
    have = (tmp_path / download.ARCHIVE).stat().st_size
    assert 0 < have <= 100_000
    monkeypatch.undo()
    monkeypatch.setattr(cifar10, "RECORDS", RECORDS)
    get(server, tmp_path)
    assert server.asked == [None, f"bytes={have}-"]
    assert_whole(tmp_path)


def test_a_disk_that_fills_up_while_unpacking_leaves_the_old_files_alone(
    server, tmp_path, monkeypatch
):
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "test_batch.bin").write_bytes(b"old")
    monkeypatch.setattr(unpack, "open", open_on_full_disk, raising=False)
    with pytest.raises(DownloadError, match="disk of .* is full"):
        get(server, tmp_path)
    assert names(tmp_path) == [FOLDER, download.ARCHIVE]
    assert (tmp_path / FOLDER / "test_batch.bin").read_bytes() == b"old"
    monkeypatch.undo()
    monkeypatch.setattr(cifar10, "RECORDS", RECORDS)
    get(server, tmp_path)
    assert server.asked == [None]  # the archive was still there
    assert_whole(tmp_path)


def test_a_directory_that_cannot_be_made_is_one_sentence(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="cannot use .*file"):
        get(server, tmp_path / "file")


def test_what_a_killed_run_left_behind_is_cleared_away(server, tmp_path):
    left = tmp_path / (FOLDER + ".part")
    left.mkdir()
    (left / "test_batch.bin").write_bytes(b"half")
    get(server, tmp_path)
    assert_whole(tmp_path)
