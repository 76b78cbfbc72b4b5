"""What is written destroys nothing, and what killed processes leave is removed."""

import os
import subprocess
import sys

import numpy as np
import pytest

from lessons.__main__ import main as lessons
from minicnn import storage
from minicnn.__main__ import main
from minicnn.plots import canvas

TEXT = storage.Kind("a note of this test", b"note")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a checkpoint, a photograph, and what else may be in the way."""
    if os.name != "posix":
        pytest.skip("has no pipes")
    monkeypatch.chdir(tmp_path)
    storage.save("ck.npz", {}, {})
    for name, content in (("photo.png", b"\x89PNG\r\n\x1a\n..."), ("a.json", b'{"images": []}')):
        (tmp_path / name).write_bytes(content)
    np.save("labels.npy", np.arange(3))
    os.symlink("ck.npz", "link")
    os.link("ck.npz", "same")
    os.mkfifo("pipe")
    (tmp_path / "folder").mkdir()
    return tmp_path


OUTPUTS = {
    "figure3": "figure3 ck.npz --out",
    "maps": "maps ck.npz photo.png --out",
    "features": "features ck.npz --out",
    "test": "test ck.npz --json",
    "predict": "predict ck.npz photo.png --picture",
    "export": "export ck.npz",
}


@pytest.mark.parametrize("command", OUTPUTS)
@pytest.mark.parametrize(
    "target", "ck.npz same link photo.png a.json labels.npy folder pipe /dev/null".split()
)
def test_an_output_that_would_destroy_something_is_refused(place, capsys, command, target):
    before = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
    assert main([*OUTPUTS[command].split(), target]) == 1
    error = capsys.readouterr().err
    assert error.startswith("minicnn: ") and target in error and error.count("\n") == 1
    assert "checkpoint" not in error  # which was not even read
    after = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
    assert after == before and os.path.islink("link")


@pytest.mark.parametrize("name", ["figure1.png", "results.json", "history.jsonl", "curves.png"])
def test_a_folder_with_a_foreign_file_under_the_name_of_an_output_is_refused(
    tmp_path, capsys, few_images, name
):
    (tmp_path / name).write_text("mine")
    command = "figure1" if name in ("figure1.png", "results.json") else "train"
    assert main([command, "--epochs", "1", "--out", str(tmp_path)]) == 1
    assert f"{name} exists and is not " in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_a_report_replaces_no_file_of_a_learner(place, capsys):
    for name in ("a.json", "ck.npz"):
        assert lessons(["check", __file__, "--report", name]) == 1
        assert "so it stays" in capsys.readouterr().err
    assert lessons(["check", "ck.npz", "--report", "link"]) == 1
    assert "in use" in capsys.readouterr().err


def test_a_link_is_followed_and_earlier_output_is_replaced(place):
    os.symlink("folder/note", "there")
    for text in ("note 1", "note 2"):
        storage.write_text("there", text, TEXT)
        assert os.path.islink("there") and (place / "folder" / "note").read_text() == text
    (place / "empty").touch()
    storage.write_text("empty", "note", TEXT)
    os.symlink("loop", "loop")
    with pytest.raises(OSError, match="loop"):
        storage.write_text("loop", "note", TEXT)


def test_a_figure_replaces_only_figures(place):
    figure, _ = canvas.new_figure(1, 1)
    canvas.save(figure, "figure.png")
    canvas.save(figure, "figure.png")
    figure.savefig("figure.png")  # as earlier versions left it
    canvas.save(figure, "figure.png")
    with pytest.raises(FileExistsError, match="not a figure of minicnn"):
        canvas.save(figure, "photo.png")


def test_a_file_is_not_written_while_the_command_prints_to_it(tmp_path):
    path = tmp_path / "out"
    code = f"from minicnn import storage; print('kept'); storage.write_text({str(path)!r}, 'lost')"
    with open(path, "w") as out:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE)
    assert b"out is in use by this command" in done.stderr
    assert path.read_text() == "kept\n"


def test_temporary_files_of_killed_processes_are_removed_and_no_others(tmp_path):
    code = "import os, pathlib; pathlib.Path(f'a.npz.{os.getpid()}.part').touch()"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    (left,) = os.listdir(tmp_path)
    others = {f"a.npz.{os.getpid()}.part", "a.npz.part", left.replace("npz", "mkv"), "b.npz.x.part"}
    for name in others:
        (tmp_path / name).touch()
    storage.make_folder(tmp_path)
    assert set(os.listdir(tmp_path)) == others
    (tmp_path / left).touch()
    storage.write_text(tmp_path / "a.npz", "whole")
    assert set(os.listdir(tmp_path)) == others - {f"a.npz.{os.getpid()}.part"} | {"a.npz"}
