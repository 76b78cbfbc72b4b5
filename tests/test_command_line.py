"""The command line: help reads well, exit codes are right, and mistakes get one sentence."""

import errno
import io
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from lessons.__main__ import parser as lessons_parser
from minicnn import console, errors
from minicnn.__main__ import main, parser as minicnn_parser
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
        ["train", "--out", ""],
        ["test", "checkpoint.npz", "--json", ""],
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
    assert "56,909,194" in text and "7 × 5,818,272 bytes" in text


def test_a_network_that_no_memory_can_hold_gets_a_sentence(capsys):
    assert main(["summary", "vgg-d", "--classes", "100000000000000"]) == 1
    error = capsys.readouterr().err
    assert "classes = 100000000000000; expected a whole number up to 1,000,000\n" in error


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


def test_names_from_elsewhere_cannot_steer_a_terminal():
    steering = "a\x1b]0;b\x07\r\n\t\x7f\x9b\u2028\u202ec\u2066\udce9"
    shown = r"a\x1b]0;b\x07\r\n\t\x7f\x9b\u2028\u202ec\u2066\udce9"
    assert console.printable(steering) == shown
    name = "é 東京\u3000タワー \u200d\xa0\\n"
    assert console.printable(name) == name


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii"])
def test_any_terminal_shows_any_text(encoding, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))  # strict
    for name in (*COMMANDS, "predict", "halves", "import", "maps"):
        with pytest.raises(SystemExit):
            main([name, "--help"])
    with console.showing_anything():
        print("東京 \udce9 \x1b[31m")
    sys.stdout.flush()
    assert raw.getvalue().endswith(rb"\u6771\u4eac \udce9 \x1b[31m" + os.linesep.encode())


def test_a_warning_is_one_line_and_an_argument_cannot_steer_a_terminal(capsys):
    with console.showing_anything():
        sys.stderr.write(warnings.formatwarning("set \x1bX", UserWarning, "file.py", 1))
    assert capsys.readouterr().err == "minicnn: set \\x1bX\n"
    with pytest.raises(SystemExit):
        main(["summary", "alexnet", "--\x1b]0;\nmine"])
    error = capsys.readouterr().err
    assert error.endswith("unknown option --\\x1b]0;\\nmine\n") and "\x1b" not in error


ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.mark.skipif(os.name != "posix", reason="cannot send itself these signals")
@pytest.mark.parametrize("number", ENDING)
def test_other_signals_save_and_stop_like_ctrl_c(tmp_path, capsys, monkeypatch, few_images, number):
    before = signal.getsignal(number)

    def train_and_receive(*args, **options):
        with console.interrupts() as interrupted:
            for _ in range(2):  # a second one must not disturb the saving
                os.kill(os.getpid(), number)
            assert interrupted()
        raise errors.Interrupted("saved")

    for function, said in (
        (train_and_receive, "saved"),
        (lambda *args, **options: os.kill(os.getpid(), number) or time.sleep(5), "stopped"),
    ):
        monkeypatch.setattr(train, "train", function)
        assert main(["train", "--out", str(tmp_path)]) == 128 + number
        assert capsys.readouterr().err.strip() == f"minicnn: {said}"
    assert signal.getsignal(number) == before
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)  # as nohup does
    assert console.signals() == []


@pytest.mark.skipif(os.name != "posix", reason="cannot send itself Ctrl-C")
def test_ctrl_c_in_an_import_that_would_swallow_it_is_one_line(tmp_path):
    swallowing = "import os, signal\ntry: os.kill(os.getpid(), signal.SIGINT)\nexcept: pass\n"
    (tmp_path / "swallowing.py").write_text(swallowing)
    code = "import minicnn.__main__ as m, sys; m.run = lambda a: __import__('swallowing'); m.main()"
    paths = os.pathsep.join([str(tmp_path), str(Path(console.__file__).parents[1])])
    command, environment = [sys.executable, "-c", code], os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "\nminicnn: stopped\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no full device")
@pytest.mark.parametrize("arguments", ["summary alexnet", "--help"])
def test_printing_to_a_full_disk_is_one_sentence(arguments):
    command = [sys.executable, "-m", "minicnn", *arguments.split()]
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}  # else argparse ignores it
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=buffered)
    assert done.returncode == 1
    assert done.stderr == "minicnn: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    "arguments, meant",
    [
        (["tran"], "train"),
        (["train", "alexnett"], "alexnet"),
        (["bench", "--ops", "fats"], "fast"),
        (["train", "epochs", "5"], "--epochs"),
    ],
)
def test_a_mistyped_word_is_told_what_it_may_have_meant(arguments, meant, capsys):
    wrong = arguments[1] if meant == "--epochs" else arguments[-1]
    assert f"unknown '{wrong}'; did you mean {meant}?" in usage_error(arguments, capsys)


def usage_error(words, capsys, program=main):
    """Return what a command prints that ends with a usage error, the exit code 2."""
    with pytest.raises(SystemExit) as end:
        program(words)
    assert end.value.code == 2
    return capsys.readouterr().err


def programs():
    """Yield (name of the program, words of a command, its parser)."""
    for program, top in (("minicnn", minicnn_parser()), ("lessons", lessons_parser())):
        yield program, [], top
        for name, command in top._subparsers._group_actions[0].choices.items():
            yield program, [name], command


def misspelled(option):
    """Return the option without a letter, with a letter doubled, with two exchanged, and others."""
    name = option[2:]
    others = [name.upper(), name.replace("-", "_"), name[: (len(name) + 1) // 2]]
    for i in range(len(name)):
        others += [name[:i] + name[i + 1 :], name[:i] + name[i] + name[i:]]
        others += [name[:i] + name[i : i + 2][::-1] + name[i + 2 :]]
    return {f"--{text}" for text in others if text}


@pytest.mark.parametrize(
    "words, parser",
    [pytest.param(*rest, id=" ".join([name, *rest[0]])) for name, *rest in programs()],
)
def test_a_misspelled_option_is_named_and_corrected_whatever_follows(words, parser, capsys):
    """Its value is never taken for another argument."""
    options = [name for name in parser._option_string_actions if name.startswith("--")]
    for i, name in enumerate(sorted(set().union(*map(misspelled, options)) - set(options))):
        after = [] if parser._subparsers else [["5x", name]]  # a command's name would come first
        forms = [[name, "5x"], [f"{name}=5x"], [name, "5x", "--help"], *after]
        error = usage_error(forms[i % len(forms)], capsys, parser.parse_args)
        assert f"error: unknown option {name}; did you mean --" in error
        meant = re.findall(r"--[\w-]+", error.partition("did you mean")[2])
        assert any(name in misspelled(option) for option in meant), error


@pytest.mark.parametrize("dash", "-\u2013\u2014")
def test_an_option_has_two_dashes_and_both_are_hyphens(dash, capsys):
    for words in ([f"{dash}epochs", "5"], [f"{dash}epochs=5"], [f"{dash}epochs 5"]):
        error = usage_error(["train", *words], capsys)
        assert f"{dash}epochs" in error and "did you mean --epochs?" in error


def test_an_option_before_its_command_is_told_its_place(capsys):
    error = usage_error(["--threads", "2", "train"], capsys)
    assert error.endswith("unknown option --threads; options of a command stand after its name\n")


def test_what_only_looks_like_an_option_is_none():
    parser = console.Parser()
    parser.add_argument("word", nargs="?")
    parser.add_argument("--size", type=float)
    assert parser.parse_args(["--size", "-1.5"]).size == -1.5
    for word in ("-", "-3", "\u2014", "\u2013x"):
        assert parser.parse_args([word]).word == word
    assert parser.parse_args(["--", "--sise"]).word == "--sise"


def test_every_program_reads_its_options_in_that_way():
    folders = [Path(console.__file__).parent, Path(console.__file__).parents[1] / "lessons"]
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    assert [path.name for path in sources if "ArgumentParser" in path.read_text("utf-8")] == [
        "console.py"
    ]
