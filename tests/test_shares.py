"""--share k/n: work spread over machines that do not communicate."""

import json
import shutil

import pytest
from test_prepare import SIZE, add_side_files, files, out, prepare

from minicnn import reference
from minicnn.__main__ import main
from minicnn.experiments import column_specialization, figure1_sweep

__all__ = ["out"]  # a fixture


@pytest.mark.parametrize("together", [True, False], ids=["one folder", "copied"])
def test_the_shares_of_a_data_set_merge_to_the_same_bytes(together, tmp_path, out, capsys):
    folder = add_side_files(tmp_path / "photographs", 3)
    prepare(folder, tmp_path / "whole")
    for k in (3, 1):  # 2/3 is lost, with its machine
        place = out if together else tmp_path / str(k)
        command = ["prepare", str(folder), str(place), "--size", str(SIZE), "--workers", "1"]
        assert main([*command, "--share", f"{k}/3"]) == 0
        assert f"Share {k} of 3 is made" in capsys.readouterr().out
        assert not (place / "photos.json").exists()
        if not together:
            shutil.copytree(place, out, dirs_exist_ok=True)
    assert len(list(out.glob("*/*.npz"))) >= 2
    prepare(folder, out)
    assert files(out) == files(tmp_path / "whole")


def test_the_shares_of_a_study_are_all_its_cells_each_once(tmp_path, monkeypatch):
    plan = [
        ("four-layer", "raw", "paper", 40, 0.001, 0.002),
        ("four-layer", "unit", "paper", 40, 0.004, 0.002),
    ]
    done = {}
    monkeypatch.setattr(
        figure1_sweep,
        "next_epsilon",
        lambda lines, cell, guess: guess if cell not in done else None,
    )
    monkeypatch.setattr(
        figure1_sweep, "run_trial", lambda out, ops, cell, *rest: done.update({cell: out.name})
    )
    monkeypatch.setattr(figure1_sweep.curves, "study", lambda *given: None)
    for k in (1, 2, 3):
        figure1_sweep.study(tmp_path / str(k), reference, progress=False, plan=plan, share=(k, 3))
    assert list(done.values()) == ["1", "1", "2", "3"]
    assert len({cell[1::3] for cell in done}) == 4


def test_the_shares_of_a_comparison_are_all_its_runs_each_once(tmp_path, monkeypatch):
    result = {"error": 0.5, "training_error": 0.5, "seconds": 1.0}

    def run(out, ops, photos, key, title, progress):
        return {**result, "colour": [0.1] * (1 if key["variant"] == "one-gpu" else 2)}

    monkeypatch.setattr(column_specialization, "run", run)
    runs = []
    for k in (1, 2):
        command = ["halves", "--experiment", "--ops", "reference", "--seeds", "1"]
        assert main([*command, "--out", str(tmp_path / str(k)), "--share", f"{k}/2"]) == 0
        lines = (tmp_path / str(k) / "halves.jsonl").read_text().splitlines()
        runs += [json.loads(line)["variant"] for line in lines]
    assert len(runs) == 5
    assert sorted(runs) == sorted(column_specialization.VARIANTS)


@pytest.mark.parametrize("text", ["0/3", "4/3", "2", "a/b", "1/²", "-1/3"])
@pytest.mark.parametrize(
    "command", [["prepare", "a", "b"], ["study"], ["claims", "1"], ["halves", "--experiment"]]
)
def test_a_share_that_makes_no_sense_is_a_usage_error(command, text, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, f"--share={text}"])
    assert ended.value.code == 2
    assert "expected K/N with 1 ≤ K ≤ N" in capsys.readouterr().err
