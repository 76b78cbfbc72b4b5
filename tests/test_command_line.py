"""The command line: help reads well, exit codes are right, and mistakes get one sentence."""

import errno
import os
import subprocess
import sys

import pytest

from minicnn import errors
from minicnn.__main__ import main
from minicnn.training import train

COMMANDS = ("figure1", "train", "study", "gradcheck", "bench", "summary", "download", "prepare")


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_own_help(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert f"minicnn {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["figure1", "--seeds", "0"],
        ["figure1", "--ops", "torch"],
        ["train", "--epsilon", "-1"],
        ["train", "--momentum", "nan"],
        ["train", "--momentum", "1"],
        ["train", "--dropout", "1"],
        ["train", "--divide-times", "0"],
        ["train", "--seed", "-1"],
        ["train", "--divide-at", "3", "--divide-on-stall", "2"],
        ["summary", "vgg-e", "--batch", "0"],
        ["summary", "alexnet", "--beside", "resnet"],
        ["summary", "alexnet", "--beside", "alexnet-source", "--batch", "4"],
        ["download", "mnist"],
        ["prepare", "photographs"],
        ["prepare", "photographs", "out", "--workers", "0"],
        ["prepare", "photographs", "out", "--validation", "-0.1"],
    ],
)
def test_a_command_that_is_not_understood_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--hasty", "--bat=7"])  # nor is half of --batch one
def test_an_unknown_option_shows_how_to_use_its_command(option, capsys):
    with pytest.raises(SystemExit) as left:
        main(["summary", "alexnet", option])
    error = capsys.readouterr().err
    assert left.value.code == 2 and "usage: minicnn summary" in error and option in error


def test_a_missing_folder_gets_one_sentence(tmp_path, capsys):
    assert main(["figure1", "--data", "no/such/place", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "no/such/place" in error and error.count("\n") == 1


def test_a_run_is_not_overwritten(tmp_path, capsys, few_images, no_pictures):
    arguments = ["train", "--epochs", "1", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert (
        "Wrote history.jsonl, checkpoint.npz, curves.png and weights.png" in capsys.readouterr().out
    )
    assert main(arguments) == 1
    assert "add --resume to go on" in capsys.readouterr().err
    assert main([*arguments, "--epochs", "2", "--resume", "--divide-at", "2"]) == 0
    assert main([*arguments, "--seed", "1", "--resume"]) == 1
    assert "seed = 0, this one has 1" in capsys.readouterr().err


def test_a_run_killed_before_it_began_may_be_resumed(tmp_path, capsys, few_images, no_pictures):
    out = tmp_path / "new"
    assert main(["train", "--resume", "--epochs", "1", "--out", str(out)]) == 0
    assert "no run in" in capsys.readouterr().err
    assert (out / "checkpoint.npz").exists()


def test_a_race_that_never_began_may_be_resumed(tmp_path, few_images):
    assert main(["figure1", "--resume", "--epochs", "1", "--out", str(tmp_path / "race")]) == 0
    assert (tmp_path / "race" / "results.json").exists()


def test_a_foreign_checkpoint_is_refused(tmp_path, capsys, few_images):
    (tmp_path / "checkpoint.npz").write_text("something else")
    assert main(["train", "--resume", "--out", str(tmp_path)]) == 1
    assert "damaged or not a checkpoint" in capsys.readouterr().err
    assert (tmp_path / "checkpoint.npz").read_text() == "something else"


def test_an_output_folder_that_cannot_be_written_gets_a_sentence(tmp_path, capsys, few_images):
    (tmp_path / "file").write_text("kept")
    for command in ("figure1", "train", "study"):
        assert main([command, "--out", str(tmp_path / "file")]) == 1
        error = capsys.readouterr().err
        assert "file is a file, but results need a folder" in error and error.count("\n") == 1
    assert main(["train", "--out", str(tmp_path / "file" / "below")]) == 1
    assert "cannot write to the folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "kept"


def test_a_full_disk_names_the_file_and_loses_nothing(
    tmp_path, capsys, monkeypatch, few_images, no_pictures
):
    arguments = ["train", "--out", str(tmp_path)]
    assert main([*arguments, "--epochs", "1"]) == 0
    before = (tmp_path / "checkpoint.npz").read_bytes()
    capsys.readouterr()

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main([*arguments, "--epochs", "2", "--resume"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"minicnn: {tmp_path}") and "history.jsonl: No space left" in error
    assert "the previous file is still there" in error
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


def test_ctrl_c_ends_with_130(tmp_path, capsys, monkeypatch, few_images):
    def interrupted(*args, **options):
        raise errors.Interrupted("stopped after epoch 1, step 2")

    monkeypatch.setattr(train, "train", interrupted)
    assert main(["train", "--out", str(tmp_path)]) == 130
    assert "stopped after epoch 1, step 2" in capsys.readouterr().err


def test_a_summary_counts_alexnet_and_the_memory_of_a_batch(capsys):
    assert main(["summary", "alexnet"]) == 0
    text = capsys.readouterr().out
    assert "60,965,224" in text and "659,272" in text and "batches of 128" in text
    assert main(["summary", "alexnet", "--batch", "7", "--classes", "10"]) == 0
    text = capsys.readouterr().out
    assert "56,909,194" in text and "7 × 5,812,812 bytes" in text


def test_a_network_that_no_memory_can_hold_gets_a_sentence(capsys):
    assert main(["summary", "vgg-d", "--classes", "100000000000000"]) == 1
    error = capsys.readouterr().err
    assert "Unable to allocate" in error and error.count("\n") == 1


def test_an_unknown_network_gets_the_names_of_all(capsys):
    with pytest.raises(SystemExit) as left:
        main(["summary", "resnet"])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert "resnet" in error and "alexnet-2gpu" in error and "vgg-e" in error


def test_gradcheck_prints_a_line_a_layer_and_knows_its_layers(capsys):
    assert main(["gradcheck", "relu", "fc", "--ops", "reference"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["gradcheck", "relo"]) == 2
    assert "'relo' is not a layer" in capsys.readouterr().err


def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "minicnn", "--version"], capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.startswith("minicnn ")


def test_threads_are_set_before_anything_counts_them(tmp_path):
    code = "import minicnn.__main__ as m, sys; m.main(sys.argv[1:]); from minicnn import fast; "
    code += "print(fast.threads.count)"
    arguments = ["train", "--data", "no/such", "--threads", "3", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.stdout.strip() == "3"
