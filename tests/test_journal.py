"""A resumable experiment: one line a run, and none is run twice."""

import pathlib
import re
import shutil

import pytest

import minicnn
from minicnn import errors, storage
from minicnn.experiments import journal

RESULTS = pathlib.Path(minicnn.__file__).parent / "results"


def must_not_run():
    raise AssertionError("this run has a line already")


def test_a_run_that_has_a_line_is_not_run_again(tmp_path):
    path = tmp_path / "claims.jsonl"
    for seed in (0, 1):
        key = {"claim": "overlap", "seed": seed, "epsilon": 0.1}
        line = journal.run_once(path, key, lambda seed=seed: {"error": seed / 3}, "overlap")
        assert line == {**key, "error": seed / 3}
        assert journal.run_once(path, key, must_not_run, "overlap") == line
    assert [line["seed"] for line in journal.read(path)] == [0, 1]
    other = {"claim": "overlap", "seed": 0, "epsilon": 0.2}
    assert journal.run_once(path, other, lambda: {"error": 0}, "overlap")["error"] == 0
    assert len(journal.read(path)) == 3


def test_an_interrupted_run_has_no_line_and_the_message_says_how_to_go_on(tmp_path):
    def interrupted():
        raise errors.Interrupted("stopped after epoch 3")

    path = tmp_path / "claims.jsonl"
    with pytest.raises(errors.Interrupted, match="^stopped in seed 0; again$"):
        journal.run_once(path, {"seed": 0}, interrupted, "seed 0", "again")
    assert journal.read(path) == []


def test_a_run_may_itself_write_lines(tmp_path):
    path = tmp_path / "claims.jsonl"

    def outer():
        journal.run_once(path, {"run": "inner"}, lambda: {"error": 1}, "inner")
        return {"error": 2}

    journal.run_once(path, {"run": "outer"}, outer, "outer")
    assert [line["run"] for line in journal.read(path)] == ["inner", "outer"]


@pytest.mark.parametrize("name", ["study.jsonl", "halves.jsonl", "halves-cifar10.jsonl"])
def test_journals_of_before_are_read_and_written_back_the_same(name, tmp_path):
    lines = journal.read(RESULTS / name)
    storage.write_lines(tmp_path / name, lines)
    assert (tmp_path / name).read_bytes() == (RESULTS / name).read_bytes()


def test_a_value_that_an_older_line_lacks_is_none(tmp_path):
    path = shutil.copy(RESULTS / "halves.jsonl", tmp_path)
    old = journal.read(path)
    bare = [{name: value for name, value in line.items() if name != "std"} for line in old]
    storage.write_lines(path, bare)
    names = ("variant", "seed", "images", "epochs", "epsilon")
    key = {**{name: bare[0][name] for name in names}, "std": None}
    assert journal.run_once(path, key, must_not_run, "old")["error"] == bare[0]["error"]


@pytest.mark.parametrize(
    "text, telling",
    [
        ('{"seed": 1, "err', r"it is not JSON \(Unterminated string"),
        ("[1]", r"it is \[1\]; expected a dict, as {…}"),
        ('{"seed": "\xff"}', r"it is not JSON \('utf-8' codec"),
        ("[" * 100_000, r"it is not JSON \(it is nested too deeply\)"),
        ("{}", "seed is missing"),
        ('{"seed": -1}', "seed is -1; expected a whole number from 0"),
        ('{"seed": 1e999}', "seed is None; expected a whole number"),
        ('{"seed": [[[[[[[[0]]]]]]]]}', r"seed is \[\[\[\[\[\[\[...\]\]\]\]\]\]\]; expected"),
    ],
)
def test_a_line_that_is_none_is_named_and_kept_aside_and_the_rest_used(
    text, telling, tmp_path, capsys
):
    path, text = tmp_path / "claims.jsonl", text.encode("latin-1")
    path.write_bytes(b'{"seed": 0}\n\n' + text + b'\n{"seed": 2}\r\n' + text)

    def wrong(line):
        return storage.wrong_fact(line, {"seed": storage.whole()})

    assert journal.run_once(path, {"seed": 2}, must_not_run, "seed 2", wrong=wrong) == {"seed": 2}
    said = capsys.readouterr().err
    assert re.fullmatch(
        f"{path}, line 3: {telling}.* .and 1 more.; moved to claims.jsonl.damaged\n", said
    )
    assert path.read_bytes() == b'{"seed": 0}\n{"seed": 2}\n'
    assert (tmp_path / "claims.jsonl.damaged").read_bytes() == 2 * (text + b"\n")
    journal.run_once(path, {"seed": 5}, lambda: {"error": 1}, "seed 5", wrong=wrong)
    assert [line["seed"] for line in journal.read(path, wrong)] == [0, 2, 5]
    assert not capsys.readouterr().err
    path.write_bytes(b"1")  # damaged again: what was kept aside stays
    assert journal.read(path, wrong) == []
    assert (tmp_path / "claims.jsonl.damaged").read_bytes() == 2 * (text + b"\n") + b"1\n"
