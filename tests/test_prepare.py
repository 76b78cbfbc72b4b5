"""Photographs of every kind become a data set; what is none is listed; nothing is half-written."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from minicnn import data, storage
from minicnn.__main__ import main
from minicnn.data import decode, listing, make_photos, moments, shards, workers

SIZE = 8


def picture(rng, width=13, height=9):
    """Return a Pillow image of a few random colours, as smooth as a photograph."""
    colours = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((width, height), Image.Resampling.BILINEAR)


def fill(folder, classes=("cat", "dog"), count=5, seed=0):
    """Save `count` photographs of each class, of various shapes; return the folder."""
    rng = np.random.default_rng(seed)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            picture(rng, 9 + i % 5, 14 - i % 7).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def photographs(tmp_path):
    return fill(tmp_path / "photographs")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def prepare(folder, out, **options):
    return data.prepare_photos(
        folder, out, **{"size": SIZE, "workers": 1, "progress": False} | options
    )


def files(folder):
    """Return {name: content} of all files in a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def skipped(out):
    """Return {file: why} of what was left out."""
    lines = (out / "skipped.jsonl").read_text(encoding="utf-8").splitlines()
    return {line["file"]: line["why"] for line in map(json.loads, lines)}


def names(out, part="train"):
    lines = (out / part / "names.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


# Files that are no photographs


def png(width, height):
    """Return the beginning of a PNG of so many pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 10**6) + b"IDAT" + b"\0" * 50


def whole(kind):
    buffer = io.BytesIO()
    picture(np.random.default_rng(7), 90, 70).save(buffer, kind)
    return buffer.getvalue()


BAD = {
    "empty": (b"", "an empty file"),
    "text": (b"no image at all", "not an image of a known kind"),
    "truncated.jpg": (whole("JPEG")[:-300], "damaged (.*truncated"),
    "truncated.png": (whole("PNG")[:-60], "damaged"),
    "truncated.gif": (whole("GIF")[:-300], "damaged"),
    "beginning.jpg": (whole("JPEG")[:30], "damaged"),
    "flipped.png": (whole("PNG").replace(b"IDAT", b"IDAX"), "damaged (broken PNG"),
    "bomb.png": (png(9_000, 9_999), r"more than 89,478,485 pixels"),
    "large bomb.png": (png(60_000, 60_000), r"more than 89,478,485 pixels"),
    "no pixels.png": (png(0, 5), "damaged"),
    "program.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_has_a_reason(tmp_path, name):
    content, reason = BAD[name]
    path = tmp_path / name.replace(" ", "-")
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(decode.Unreadable, match=reason.replace("(", r"\(")) as refused:
            decode.decode(path, SIZE)
    assert "\n" not in str(refused.value) and str(tmp_path) not in str(refused.value)


def hostile(folder):
    """Put everything that is no photograph into a folder; return {name: what the reason says}."""
    reasons = {}
    for name, (content, reason) in BAD.items():
        (folder / name).write_bytes(content)
        reasons[name] = reason
    (folder / "folder.jpg").mkdir()
    reasons["folder.jpg"] = "a folder, not a photograph"
    if hasattr(os, "mkfifo"):
        os.symlink("loop.jpg", folder / "loop.jpg")
        os.symlink("nowhere", folder / "dangling.jpg")
        os.symlink("/dev/zero", folder / "device.jpg")
        os.mkfifo(folder / "pipe.jpg")
        os.symlink("..", folder / "around")
        reasons |= {
            "loop.jpg": "symbolic links",
            "dangling.jpg": "No such file",
            "device.jpg": "a device, pipe or socket",
            "pipe.jpg": "a device, pipe or socket",
            "around": "a folder, not a photograph",
        }
    return reasons


def test_hostile_files_are_listed_and_skipped(photographs, out, capsys):
    reasons = hostile(photographs / "cat")
    (photographs / "README.txt").write_text("beside the classes")
    (photographs / "cat" / ".hidden").write_text("left out in silence")
    facts = prepare(photographs, out)
    listed = skipped(out)
    assert listed.pop("README.txt") == "not in a class folder"
    assert set(listed) == {f"cat/{name}" for name in reasons}
    for name, reason in reasons.items():
        assert re.search(reason.replace("(", r"\("), listed[f"cat/{name}"]), name
    assert facts["skipped"] == len(reasons) + 1
    photos = data.load_photos(out)
    assert len(photos.train_x) + len(photos.test_x) == 10
    good = {f"{c}/{i}.png" for c in ("cat", "dog") for i in range(5)}
    assert set(names(out) + names(out, "validation")) == good


def test_strict_stops_at_the_first_bad_file_and_goes_on_without(photographs, out):
    (photographs / "dog" / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match="dog/bad.jpg: not an image .* without --strict it would"):
        prepare(photographs, out, strict=True, validation=0)
    assert not (out / "photos.json").exists() and not list(out.rglob("*.part"))
    prepare(photographs, out, validation=0)
    assert skipped(out).keys() == {"dog/bad.jpg"}


def test_strict_stops_at_what_an_earlier_run_skipped_and_at_strays(photographs, out, monkeypatch):
    (photographs / "dog" / "bad.jpg").write_bytes(b"no image")
    with monkeypatch.context() as patch:
        patch.setattr(make_photos, "finish", lambda *args: stop())
        with pytest.raises(KeyboardInterrupt):
            prepare(photographs, out)
    with pytest.raises(ValueError, match="dog/bad.jpg"):
        prepare(photographs, out, strict=True)
    (photographs / "stray").write_text("")
    with pytest.raises(ValueError, match="stray: not in a class folder"):
        prepare(photographs, out, strict=True)


def stop():
    raise KeyboardInterrupt


NOT_NOW = {
    "permission": PermissionError(13, "Permission denied"),
    "gone": FileNotFoundError(2, "No such file or directory"),
    "disk": OSError(5, "Input/output error"),
    "memory": MemoryError(),
}


@pytest.mark.parametrize("name", ["0.png", "3.png"])  # tried first, and read by a worker
@pytest.mark.parametrize("fault", NOT_NOW)
def test_a_file_that_cannot_be_read_now_stops_the_run_and_is_read_next_time(
    photographs, out, capsys, monkeypatch, fault, name
):
    def fail(path, **options):
        if str(path).endswith(f"dog/{name}"):
            raise NOT_NOW[fault]
        return decode.decode(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "decode", fail)
        error = sentence(capsys, photographs, out)
    assert (out / "skipped.jsonl").exists() == (name == "3.png")
    assert f"dog/{name}: " in error and "run the same command again to resume" in error
    assert (str(NOT_NOW[fault]) or "not enough memory").partition("] ")[2] in error
    facts = prepare(photographs, out)
    assert facts["skipped"] == 0 and len(names(out)) + len(names(out, "validation")) == 10


def replace(path):
    picture(np.random.default_rng(12)).save(path, "PNG")


@pytest.mark.skipif(os.name != "posix", reason="makes a symbolic link")
@pytest.mark.parametrize("name", ["cat/1.png", "cat/bad.jpg", "dog/dangling.jpg"])
def test_what_was_replaced_mended_or_missing_is_seen_and_prepared(photographs, out, capsys, name):
    (photographs / "cat" / "bad.jpg").write_bytes(b"no image")
    os.symlink("../absent", photographs / "dog" / "dangling.jpg")
    prepare(photographs, out)
    assert set(skipped(out)) == {"cat/bad.jpg", "dog/dangling.jpg"}
    replace(photographs / ("absent" if "dangling" in name else name))
    prepare(photographs, out, progress=True)
    said = capsys.readouterr().err
    assert f"out is made again: 1 of 12 files have changed since, such as '{name}'" in said
    prepare(photographs, out.with_name("fresh"))
    assert files(out) == files(out.with_name("fresh")) and name not in skipped(out)


def test_a_file_replaced_while_the_run_was_stopped_is_read_again(photographs, out, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(make_photos, "finish", lambda *args: stop())
        with pytest.raises(KeyboardInterrupt):
            prepare(photographs, out)
    replace(photographs / "cat" / "1.png")
    prepare(photographs, out)
    prepare(photographs, out.with_name("fresh"))
    assert files(out) == files(out.with_name("fresh"))


def test_a_class_without_a_photograph_is_found_first_and_mending_it_goes_on(
    photographs, out, capsys, monkeypatch
):
    for name in ("elk", "fox"):
        (photographs / name / "deeper").mkdir(parents=True)
        (photographs / name / "1.heic").write_bytes(b"no image")
    with monkeypatch.context() as patch:
        patch.setattr(make_photos, "make_all", lambda *args: stop())
        error = sentence(capsys, photographs, out)
    assert "class 'elk' (and 1 more) has no readable training photograph (elk/1.heic: not" in error
    assert f"run the same command again; {out}/skipped.jsonl lists them all" in error
    assert set(skipped(out)) == {f"{c}/{n}" for c in ("elk", "fox") for n in ("1.heic", "deeper")}
    for name in ("elk", "fox"):
        replace(photographs / name / "1.jpg")
    prepare(photographs, out)
    assert np.bincount(data.load_photos(out).train_y).tolist() == [4, 4, 1, 1]


def add_side_files(folder, count, classes=12):
    """Make classes of `count` photographs, each with a truncated one and two other files."""
    fill(folder, [f"c{i:02}" for i in range(classes)], count)
    for place in folder.iterdir():
        (place / "Thumbs.db").write_bytes(b"no image")
        (place / "a truncated.png").write_bytes(whole("PNG")[:-60])
        (place / "empty").touch()
    return folder


@pytest.mark.parametrize("count, held_out", [(1, 0), (2, 1), (14, 1), (16, 2)])
def test_the_split_counts_photographs(tmp_path, out, count, held_out):
    facts = prepare(add_side_files(tmp_path / "photographs", count), out)
    photos = data.load_photos(out)
    assert np.bincount(photos.train_y, minlength=12).tolist() == [count - held_out] * 12
    assert np.bincount(photos.test_y, minlength=12).tolist() == [held_out] * 12
    assert facts["skipped"] == len(skipped(out)) == 36
    for images, part in ((photos.train_x, "train"), (photos.test_x, "validation")):
        assert len(images) == len(names(out, part))
        for image, name in zip(images, names(out, part), strict=True):
            assert np.array_equal(image, decode.decode(tmp_path / "photographs" / name, SIZE))


def test_stopped_after_any_shard_the_run_goes_on_to_the_same_bytes(tmp_path, out, monkeypatch):
    folder, make, made = add_side_files(tmp_path / "photographs", 1), shards.make, []

    def make_one_more(*arguments):
        if made:
            raise KeyboardInterrupt
        make(*arguments)
        made.append(1)

    prepare(folder, tmp_path / "whole")
    monkeypatch.setattr(shards, "make", make_one_more)
    runs = 0
    while not (out / "photos.json").exists():
        made.clear()
        runs += 1
        with contextlib.suppress(KeyboardInterrupt):
            prepare(folder, out)
    assert files(out) == files(tmp_path / "whole") and runs > 3


def test_photographs_of_more_pixels_than_allowed_are_skipped(photographs, out, capsys):
    picture(np.random.default_rng(13), 50, 60).save(photographs / "cat" / "large.png")
    prepare(photographs, out, max_pixels=2_999)
    assert skipped(out).keys() == {"cat/large.png"}
    limit = ["--max-pixels", "3000"]
    error = sentence(capsys, photographs, out, *limit)
    assert "out was begun with max_pixels = 2999, not 3000: remove it" in error
    command = ["prepare", str(photographs), str(out) + "2", "--workers", "1", *limit]
    assert main(command) == 0 and skipped(out.with_name("out2")) == {}


@pytest.mark.skipif(os.name != "posix", reason="Windows has no lock for a folder")
def test_two_runs_do_not_write_to_one_folder(photographs, out, capsys):
    out.mkdir()
    with storage.only_writer(out, "prepare"):
        assert f"another prepare is writing to {out}" in sentence(capsys, photographs, out)
    prepare(photographs, out)


# Folders


def test_images_labels_and_names_go_together(photographs, out):
    prepare(photographs, out, validation=0.4, seed=3)
    photos = data.load_photos(out)
    assert photos.classes == ("cat", "dog")
    assert np.bincount(photos.train_y).tolist() == [3, 3]
    assert np.bincount(photos.test_y).tolist() == [2, 2]
    for part, x, y in (("train", *photos[:2]), ("validation", *photos[2:4])):
        listed = names(out, part)
        assert listed == sorted(listed) and y.dtype == np.int64
        for image, label, name in zip(x, y, listed, strict=True):
            assert name.startswith(photos.classes[label])
            assert np.array_equal(image, decode.decode(photographs / name, SIZE))


def test_the_split_depends_on_the_seed_alone_and_leaves_one_to_train_with(tmp_path):
    folder = fill(tmp_path / "some", classes=("a", "b", "c"), count=1)
    for i in range(29):
        (folder / "b" / f"x{i}").touch()
    splits = [listing.list_photos(folder, 0.9, seed) for seed in (1, 1, 2)]
    assert splits[0].train.names == splits[1].train.names != splits[2].train.names
    assert np.bincount(splits[0].train.labels).tolist() == [1, 3, 1]
    assert np.bincount(splits[0].validation.labels, minlength=3).tolist() == [0, 27, 0]
    assert len(listing.list_photos(folder, 0).validation.names) == 0
    default = listing.list_photos(folder)
    assert len(default.validation.names) == 3


def test_imagenets_layout_has_its_own_validation_set(tmp_path, out):
    fill(tmp_path / "set" / "train", classes=("n01", "n02", "n03"), count=2)
    fill(tmp_path / "set" / "val", classes=("n03", "n01"), count=1, seed=1)
    (tmp_path / "set" / "test").mkdir()
    (tmp_path / "set" / "val" / "readme").touch()
    prepare(tmp_path / "set", out)
    photos = data.load_photos(out)
    assert photos.classes == ("n01", "n02", "n03") and photos.train_y.tolist() == [0, 0, 1, 1, 2, 2]
    assert photos.test_y.tolist() == [0, 2]
    assert names(out, "validation") == ["val/n01/0.png", "val/n03/0.png"]
    assert list(skipped(out)) == ["val/readme"]
    with pytest.raises(ValueError, match="has a val folder of its own: leave out --validation"):
        prepare(tmp_path / "set", out, seed=0)
    fill(tmp_path / "set" / "val", classes=("n04",))
    with pytest.raises(ValueError, match="val has a class 'n04' that train does not have"):
        prepare(tmp_path / "set", out)


@pytest.mark.parametrize("part", ["valid", "validation"])
def test_the_validation_folder_has_other_names_too(tmp_path, out, capsys, part):
    folder = tmp_path / "set"
    fill(folder / "train", count=2)
    error = sentence(capsys, folder, out)
    assert f"validation, called val, valid, validation; name {folder}/train to take some" in error
    fill(folder / part, count=1)
    prepare(folder, out)
    assert names(out, "validation") == [f"{part}/cat/0.png", f"{part}/dog/0.png"]
    fill(folder / "val", count=1)
    assert f"has both val and {part}: remove or rename one" in sentence(capsys, folder, out)


def test_tiny_imagenets_layout_gets_one_sentence(tmp_path, out, capsys):
    fill(tmp_path / "tiny" / "train", classes=("n01/images", "n02/images"), count=2)
    fill(tmp_path / "tiny" / "val", classes=("images",), count=2)
    for name in ("train/n01/n01_boxes.txt", "train/n02/n02_boxes.txt", "val/val_annotations.txt"):
        (tmp_path / "tiny" / name).write_text("0 0 9 9")
    error = sentence(capsys, tmp_path / "tiny", out)
    assert "Tiny ImageNet's layout: move train/CLASS/images/* to train/CLASS, and each" in error
    error = sentence(capsys, tmp_path / "tiny" / "train", out)
    assert "(n01/images: a folder, not a photograph; photographs inside it are not read)" in error


def test_both_forms_of_a_name_are_one_class(tmp_path, out):
    composed, decomposed = "caf\xe9", "cafe\u0301"
    fill(tmp_path / "set" / "train", classes=("dog", composed), count=2)
    fill(tmp_path / "set" / "val", classes=("dog", decomposed), count=1)
    if os.path.exists(tmp_path / "set" / "train" / decomposed):
        pytest.skip("this file system knows that they are the same")
    prepare(tmp_path / "set", out)
    photos = data.load_photos(out)
    assert photos.classes == (composed, "dog") and photos.test_y.tolist() == [0, 1]
    fill(tmp_path / "set" / "train", classes=(decomposed,), count=1)
    with pytest.raises(ValueError, match=r"'cafe\\u0301' and 'caf\\xe9' are the same name in two"):
        prepare(tmp_path / "set", out)


def test_names_in_any_script_come_back(tmp_path, out):
    folder = fill(tmp_path / "photographs", classes=("кошка", "猫 と 犬"), count=1)
    odd = ["ünïcödé.png", "مرحبا.png", " space .png", "a'b\"c.png"]
    if os.name == "posix":
        odd += ["line\nbreak.png", "tab\t.png", "\\.png"]
    if sys.platform == "linux":
        odd += [os.fsdecode(b"latin-\xe9.png")]
    for name in odd:
        picture(np.random.default_rng(8)).save(folder / "кошка" / name)
    prepare(folder, out, validation=0)
    assert data.load_photos(out).classes == ("кошка", "猫 と 犬")
    assert {name.partition("/")[2] for name in names(out)} == {*odd, "0.png"}


@pytest.mark.parametrize(
    "name", ["東京　タワー", "a\xa0b", "می\u200cخواهم", "👩\u200d🔬", "soft\xadhyphen", "a\u2009b"]
)
def test_spaces_joiners_and_soft_hyphens_may_be_in_the_name_of_a_class(photographs, out, name):
    os.rename(photographs / "dog", photographs / name)
    prepare(photographs, out)
    assert set(data.load_photos(out).classes) == {"cat", name}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of these names")
@pytest.mark.parametrize("name", [b"\xff", b"a\nb", b"\x1b[2J", b"\xc2\x85", b"\xe2\x80\xa8"])
def test_a_class_whose_name_is_no_text_is_refused(photographs, out, name):
    os.mkdir(os.fsencode(photographs) + b"/" + name)
    shown = ascii(os.fsdecode(name))
    with pytest.raises(ValueError, match=f"{re.escape(shown)} has a name that is not text"):
        prepare(photographs, out)


def sentence(capsys, *arguments):
    """Return what the command line says of a mistake: one line, exit code 1."""
    assert main(["prepare", "--size", str(SIZE), "--workers", "1", *map(str, arguments)]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("minicnn: ") and "Traceback" not in error
    return error


def test_folders_that_hold_no_classes_get_one_sentence(tmp_path, out, capsys):
    folder = tmp_path / "folder"
    assert f"cannot read the folder {folder}: No such file" in sentence(capsys, folder, out)
    folder.mkdir()
    assert "has no sub-folders (other files: 0); exp" in sentence(capsys, folder, out)
    (folder / "one.jpg").touch()
    assert "has no sub-folders (other files: 1)" in sentence(capsys, folder, out)
    fill(folder, classes=("only",), count=1)
    assert "has one sub-folder, 'only' (other files: 1); expected" in sentence(capsys, folder, out)
    (folder / "void").mkdir()
    assert "class 'void' has no photographs" in sentence(capsys, folder, out)
    (folder / "void" / "inner").mkdir()
    assert "holds no files; the 1 folders in it are not searched" in sentence(capsys, folder, out)
    assert "cannot read the folder" in sentence(capsys, folder / "one.jpg", out)
    if os.name == "posix":
        os.symlink("loop", tmp_path / "loop")
        assert "loop: Too many levels of symbolic" in sentence(capsys, tmp_path / "loop", out)
    assert not out.exists()


def test_an_empty_val_gets_one_sentence(tmp_path, out, capsys):
    fill(tmp_path / "set" / "train", count=1)
    (tmp_path / "set" / "val").mkdir()
    (tmp_path / "set" / "val" / "flat.jpg").touch()
    assert "val has no sub-folders with photographs" in sentence(capsys, tmp_path / "set", out)


def test_an_unreadable_folder_gets_one_sentence(photographs, out, capsys, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(listing.os, "scandir", refuse)
    error = sentence(capsys, photographs, out)
    assert "cannot read the folder" in error and "dog: Permission denied" in error


@pytest.mark.parametrize("share", ["1", "2.5"])
def test_a_share_of_one_or_more_is_refused(photographs, out, capsys, share):
    assert "expected a share" in sentence(capsys, photographs, out, "--validation", share)


def test_out_must_be_empty_and_elsewhere(photographs, out, capsys, tmp_path):
    assert "is inside" in sentence(capsys, photographs, photographs / "out")
    assert "is inside" in sentence(capsys, photographs, photographs)
    assert "holds other files" in sentence(capsys, photographs, tmp_path)
    if os.name == "posix":
        os.symlink("loop", tmp_path / "loop")
        assert "loop/out: Too many levels of" in sentence(
            capsys, photographs, tmp_path / "loop/out"
        )
    (tmp_path / "file").write_text("kept")
    assert "file is a file" in sentence(capsys, photographs, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_full_disk_gets_one_sentence_and_the_same_command_goes_on(
    photographs, out, capsys, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: full())
        error = sentence(capsys, photographs, out)
    assert f"the disk of {out} is full: free some space and run the same command again" in error
    assert not list(out.rglob("*.part"))
    with monkeypatch.context() as patch:
        usage = SimpleNamespace(free=100)
        patch.setattr(make_photos.shutil, "disk_usage", lambda path: usage)
        error = sentence(capsys, photographs, out)
    assert "out needs 1.9 kB, which is 1.8 kB more than its disk has left: free some" in error
    prepare(photographs, out)
    assert len(data.load_photos(out).train_x) > 0


def full():
    raise OSError(28, "No space left on device")


# Workers, and going on


def test_two_workers_write_the_same_bytes_as_one(tmp_path, monkeypatch):
    folder = fill(tmp_path / "photographs", count=50)
    (folder / "cat" / "bad").write_bytes(b"no image")
    prepare(folder, tmp_path / "one")
    prepare(folder, tmp_path / "two", workers=2)
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert one == two
    assert sum(name.startswith("train/images-") for name in one) == 3
    assert not any(name.endswith((".npz", ".part")) or "begun" in name for name in one)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_a_run_stopped_and_then_killed_goes_on_to_the_same_bytes(tmp_path):
    folder = fill(tmp_path / "photographs", count=1)
    picture(np.random.default_rng(11), 800, 600).save(folder / "cat" / "big.jpg")
    for i in range(200):  # many names, little work to make them
        os.symlink("big.jpg", folder / "cat" / f"{i}.jpg")
    prepare(folder, tmp_path / "whole")
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "minicnn", "prepare", folder, out, "--size", str(SIZE)]
    command += ["--workers", "2"]

    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_until(lambda: list(out.glob("train/*.part")))
    for _ in range(2):  # Ctrl-C, and again, as one does; a terminal sends it to the workers, too
        os.killpg(run.pid, signal.SIGINT)
    said = run.communicate(timeout=20)[1]
    assert "minicnn: stopped" in said and "Traceback" not in said and run.returncode == 130
    assert not list(out.glob("train/*.part")) and not (out / "photos.json").exists()
    with pytest.raises(FileNotFoundError, match="is not finished: run the same command again"):
        data.load_photos(out)

    before = len(list(out.glob("train/*.npz")))
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(out.glob("train/*.npz"))) > before)
    workers = children(run.pid)
    run.kill()
    run.wait()
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert len(workers) >= 2 and not (out / "photos.json").exists()
    made = [path.with_suffix(".npy") for path in out.glob("train/*.npz")]
    before = [path.stat().st_mtime_ns for path in made]
    prepare(folder, out)
    assert files(out) == files(tmp_path / "whole")
    assert [path.stat().st_mtime_ns for path in made] == before and before


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def children(process):
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def test_a_shard_without_its_second_file_is_made_anew(photographs, out, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(make_photos, "finish", lambda *args: stop())
        with pytest.raises(KeyboardInterrupt):
            prepare(photographs, out)
    (out / "train" / "images-00000.npy").write_bytes(b"half")
    (out / "validation" / "images-00000.npz").unlink()
    prepare(photographs, out)
    prepare(photographs, out.with_name("whole"))
    assert files(out) == files(out.with_name("whole"))


def test_what_is_done_is_not_done_again(photographs, out, capsys, monkeypatch):
    prepare(photographs, out)
    before = files(out)
    monkeypatch.setattr(make_photos, "make_all", lambda *args: stop())
    prepare(photographs, out)
    assert files(out) == before
    assert "was begun with size = 8, not 9" in sentence(capsys, photographs, out, "--size", "9")
    assert "begun with other files, or another --validation or --seed" in sentence(
        capsys, photographs, out, "--seed", "1"
    )
    (out / "photos.json").write_text("{}")
    assert "photos.json is damaged, or from another version" in sentence(capsys, photographs, out)


def test_ctrl_c_leaves_nothing_half_written_and_goes_on(photographs, out, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(workers, "wait", lambda *args, **options: stop())
        assert main(["prepare", str(photographs), str(out), "--workers", "1"]) == 130
    assert "stopped" in capsys.readouterr().err and not list(out.rglob("*.part"))
    prepare(photographs, out, size=256)


def test_the_command_prints_what_it_made(photographs, out, capsys):
    (photographs / "cat" / "bad").write_bytes(b"no image")
    assert main(["prepare", str(photographs), str(out), "--size", "8", "--workers", "1"]) == 0
    printed = capsys.readouterr()
    assert f"{out} has 8 training and 2 validation images of 8×8 pixels" in printed.out
    assert f"Skipped: 1; {out}/skipped.jsonl says what and why\n  1  not an image" in printed.out
    assert "images/s" in printed.err


# Mean and principal components


def test_mean_and_components_are_those_of_all_training_pixels(tmp_path, out):
    prepare(fill(tmp_path / "photographs", count=40), out)
    photos = data.load_photos(out)
    assert len(photos.train_x.paths) > 1
    x = np.stack([*photos.train_x]).astype(np.float64)
    assert photos.mean.dtype == np.float32
    assert np.allclose(photos.mean, x.mean(axis=0), rtol=1e-6)
    pixels = x.transpose(1, 0, 2, 3).reshape(3, -1)
    covariance = np.cov(pixels, bias=True)
    values, p = photos.eigenvalues, photos.eigenvectors
    assert values[0] >= values[1] >= values[2] > 0
    assert np.allclose(p @ np.diag(values) @ p.T, covariance, rtol=1e-10)
    assert np.allclose(p.T @ p, np.eye(3))


def test_moments_do_not_depend_on_the_order_to_the_last_bit():
    rng = np.random.default_rng(9)
    images = rng.integers(0, 256, (50, 3, 11, 7), dtype=np.uint8)
    one, two = moments.compute(images), moments.compute(images[rng.permutation(50)])
    values, p = moments.principal_components(one, 50)
    values_2, p_2 = moments.principal_components(two, 50)
    assert np.array_equal(values, values_2) and np.array_equal(p, p_2)


def test_components_are_exact_where_floating_point_would_cancel():
    images = np.full((40, 3, 60, 60), 255, np.uint8)
    images[0, 0, 0, 0] = 254  # one value of 144,000 is smaller by one
    values, p = moments.principal_components(moments.compute(images), 40)
    n = 40 * 60 * 60
    assert values == pytest.approx([1 / n - 1 / n**2, 0, 0], rel=1e-12, abs=1e-20)
    assert np.abs(p[:, 0]) == pytest.approx([1, 0, 0])


def test_cifar_becomes_photos(sample):
    few = data.subset(sample, 100)
    photos = data.with_moments(few[:5])
    assert photos.train_x is few.train_x and photos.classes == few.classes
    assert np.array_equal(photos.mean, few.mean) and not np.array_equal(photos.mean, sample.mean)
    assert np.allclose(photos.mean, few.train_x.mean(axis=0), rtol=1e-6)
    covariance = np.cov(few.train_x.transpose(1, 0, 2, 3).reshape(3, -1), bias=True)
    assert np.allclose(np.linalg.eigvalsh(covariance)[::-1], photos.eigenvalues)


# Reading it back


@pytest.fixture(scope="module")
def prepared_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    prepare(fill(folder / "photographs", count=40), folder / "out")
    return folder / "out"


@pytest.fixture
def prepared(prepared_once, tmp_path):
    """A prepared folder of its own for each test: 72 and 8 images."""
    return shutil.copytree(prepared_once, tmp_path / "out")


def test_images_are_indexed_like_an_array(prepared):
    images = data.load_photos(prepared).train_x
    shards_read = [np.load(path) for path in sorted(prepared.glob("train/images-*.npy"))]
    array = np.concatenate(shards_read)
    assert len(shards_read) == 3 and images.shape == array.shape == (72, 3, SIZE, SIZE)
    assert len(images) == 72 and images.dtype == array.dtype
    some = np.random.default_rng(10).permutation(72)[:20]
    mask = array[:, 0, 0, 0] > 100
    for key in (0, 31, 32, 71, -1, np.int64(40), some, some.tolist(), [], slice(30, 35), mask):
        assert np.array_equal(images[key], array[key])
    assert np.array_equal(images[::-7], array[::-7])
    assert images[5].flags.writeable and images[some].flags.c_contiguous
    for key in (72, -73, [3, 72]):
        with pytest.raises(IndexError):
            images[key]
    assert sum(1 for _ in images) == 72


def test_nothing_stays_open_beyond_the_limit(prepared, monkeypatch):
    monkeypatch.setattr("minicnn.data.photos.MAPPED", 1)
    images = data.load_photos(prepared).train_x
    everything = images[:]
    images[[0, 71, 1, 70]]
    assert images.shard.cache_info().currsize == 1
    assert np.array_equal(images[[71, 0]], everything[[71, 0]])


def damage(prepared, name, content):
    path = prepared / name
    if content is None:
        path.unlink()
    elif isinstance(content, int):
        path.write_bytes(path.read_bytes()[:content])
    elif isinstance(content, np.ndarray):
        np.save(path, content, allow_pickle=True)
    else:
        path.write_text(content, encoding="latin-1")


@pytest.mark.parametrize(
    "name, content",
    [
        ("photos.json", "{"),
        ("photos.json", "[]"),
        ("photos.json", '{"format": "something else"}'),
        ("photos.json", '{"format": "minicnn photos 1"}'),
        ("classes.json", None),
        ("classes.json", '["cat"]'),
        ("mean.npy", 500),
        ("mean.npy", np.zeros((3, 5, 5), np.float32)),
        ("mean.npy", np.array([{}], object)),
        ("train/labels.npy", np.arange(72) - 1),
        ("train/labels.npy", np.zeros(71, np.int64)),
        ("validation/labels.npy", np.zeros(8, np.float64)),
        ("train/images-00001.npy", None),
        ("train/images-00001.npy", 5000),
        ("train/images-00002.npy", "no array"),
        ("train/images-00002.npy", 0),
        ("train/images-00002.npy", "\x93NUMPY\x01\0\x0a\0{'descr': (("),
        ("photos.json", "[" * 100_000),
        ("validation/images-00000.npy", np.zeros((8, 3, SIZE, SIZE))),
    ],
)
def test_a_damaged_folder_gets_one_sentence(prepared, name, content):
    damage(prepared, name, content)
    with pytest.raises(ValueError, match="is damaged .*; prepare it again") as refused:
        data.load_photos(prepared)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("fault", ["permission", "disk", "memory"])
def test_a_folder_that_cannot_be_read_now_is_not_called_damaged(prepared, monkeypatch, fault):
    def fail(*arguments, **options):
        raise NOT_NOW[fault]

    monkeypatch.setattr(np, "load", fail)
    with pytest.raises(type(NOT_NOW[fault]), match=f"{prepared.name}") as refused:
        data.load_photos(prepared)
    assert "damaged" not in str(refused.value)


def test_counts_from_a_stranger_do_not_eat_the_memory(prepared):
    facts = json.loads((prepared / "photos.json").read_text())
    facts["shards"]["train"] = [10**13]
    (prepared / "photos.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match="is damaged"):
        data.load_photos(prepared)


def test_a_foreign_folder_gets_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a prepared folder .python -m minicnn prep"):
        data.load_photos(tmp_path)


def test_a_small_prepared_set_becomes_inputs_like_cifar_10(prepared_once):
    photos = data.load(prepared_once)
    train_x, train_y, test_x, test_y, mean = data.prepare(photos)
    assert np.array_equal(train_x, photos.train_x[:] - photos.mean) and train_x.dtype == np.float32
    assert np.array_equal(test_x, photos.test_x[:] - mean) and test_y is photos.test_y
    few = data.subset(photos, 2 * len(photos.classes))
    assert np.bincount(few.train_y).tolist() == [2] * len(photos.classes)
    assert np.allclose(few.mean, few.train_x.mean(axis=0)) and few.test_x is photos.test_x
    with pytest.raises(ValueError, match=f"{len(photos.classes)} classes of one size need"):
        data.subset(photos, len(photos.classes) + 1)


def test_figure_1_refuses_photographs_of_another_size(prepared_once, tmp_path, capsys):
    command = ["figure1", "--data", str(prepared_once), "--out", str(tmp_path / "no")]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert f"images of {SIZE}×{SIZE} pixels in" in error and error.count("\n") == 1
    assert not (tmp_path / "no").exists()


def test_a_folder_without_any_data_says_what_it_could_have_held(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither CIFAR-10 nor prepared photographs"):
        data.load(tmp_path)


def test_a_set_without_validation_images_can_be_read(photographs, out):
    prepare(photographs, out, validation=0)
    photos = data.load_photos(out)
    assert photos.test_x.shape == (0, 3, SIZE, SIZE) and len(photos.test_y) == 0


def test_a_shard_of_which_nothing_could_be_read_is_empty(photographs, out, monkeypatch):
    monkeypatch.setattr(make_photos, "SMALLEST", 1)
    for i in range(3):
        (photographs / "dog" / f"a{i}").write_bytes(b"no image")
    prepare(photographs, out, validation=0)
    photos = data.load_photos(out)
    assert 0 in photos.train_x.counts and len(photos.train_x) == 10
    assert np.array_equal(photos.train_x[9], decode.decode(photographs / "dog/4.png", SIZE))


def test_a_worker_that_dies_gets_one_sentence(photographs, out, monkeypatch):
    class Broken:
        def __init__(self, *args, **options):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *args):
            return False

        def submit(self, *args):
            raise workers.BrokenProcessPool("gone")

    monkeypatch.setattr(workers, "ThreadPoolExecutor", Broken)
    with pytest.raises(OSError, match="a worker died, .* run the same command again to resume"):
        prepare(photographs, out)
