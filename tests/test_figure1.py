"""The main job on a few images: what it measures, what it writes, and how it goes on."""

import json

import numpy as np
import pytest

import minicnn
from minicnn import errors
from minicnn.experiments import figure1, figure1_sweep, journal
from minicnn.experiments.figure1 import ratio, spread, summary


def race(out, **options):
    return figure1.figure1(out, minicnn.fast, progress=False, **options)


def test_it_writes_the_figure_the_results_and_the_histories(tmp_path, few_images, monkeypatch):
    monkeypatch.setattr(figure1, "TARGET", 0.9)  # soon reached
    results = race(tmp_path, seeds=2)
    assert (tmp_path / "figure1.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "results.json").read_text()) == results
    for name in ("relu", "tanh"):
        assert results[name]["epsilon"] == figure1.EPSILON[5000, "raw", "paper"][name]
        for seed, run in enumerate(results[name]["runs"]):
            assert run["reached"] and run["seed"] == seed
            lines = (tmp_path / f"{name}-{seed}" / "history.jsonl").read_text().splitlines()
            last = json.loads(lines[-1])
            assert last["training_error"] <= 0.9
            assert last["step"] == run["iterations"]
            assert last["step"] == run["epochs"]
    relu, tanh = ([run["epochs"] for run in results[name]["runs"]] for name in ("relu", "tanh"))
    ratios = np.divide(tanh, relu)
    assert results["ratio"]["mean"] == pytest.approx(ratios.mean(), abs=1e-3)
    low, high = ratios.min(), ratios.max()
    assert f"epochs (the mean of 2 seeds, {low:.2f} to {high:.2f}; " in figure1.report(results)
    assert "Another processor may round sums differently" in figure1.report(results)


def test_what_was_not_reached_is_said(tmp_path, few_images):
    results = race(tmp_path, epochs=1)
    assert not results["relu"]["reached"]
    assert results["ratio"]["mean"] is None
    assert "does not always reach" in figure1.report(results)
    assert (tmp_path / "figure1.png").exists()


def test_an_unfinished_race_is_not_thrown_away(tmp_path, few_images, no_pictures):
    race(tmp_path, epochs=1)
    (tmp_path / "results.json").unlink()
    with pytest.raises(FileExistsError, match="unfinished race: add --resume"):
        race(tmp_path, epochs=1)
    before = (tmp_path / "relu-0" / "history.jsonl").read_text()
    race(tmp_path, epochs=1, resume=True)
    assert (tmp_path / "relu-0" / "history.jsonl").read_text() == before  # not run again
    race(tmp_path, epochs=1)  # finished: a new race may begin


def test_runs_that_are_done_are_not_run_again_and_make_the_same_figure(
    tmp_path, few_images, monkeypatch
):
    drawn = []
    monkeypatch.setattr(figure1.curves, "figure1", lambda *arguments: drawn.append(arguments))
    first = race(tmp_path, epochs=2, seeds=1)
    monkeypatch.setattr(figure1, "race", lambda *arguments, **options: 1 / 0)
    again = race(tmp_path, epochs=2, seeds=1, resume=True)
    assert again == first and drawn[0] == drawn[1]
    for name, history in drawn[0][1]:
        lines = journal.read(tmp_path / f"{name}-0" / "history.jsonl")
        assert [h["epoch"] for h in history] == [h["epoch"] for h in lines]
        errors = [h["training_error"] for h in lines]
        assert [h["training_error"] for h in history] == pytest.approx(errors, abs=1e-4)


def test_a_race_of_an_earlier_version_goes_on(tmp_path, few_images, no_pictures):
    race(tmp_path, epochs=1, seeds=1)
    for name in ("results.json", "runs.jsonl"):  # it kept no journal
        (tmp_path / name).unlink()
    before = (tmp_path / "relu-0" / "history.jsonl").read_text()
    race(tmp_path, epochs=1, seeds=1, resume=True)
    assert (tmp_path / "relu-0" / "history.jsonl").read_text() == before
    race(tmp_path, epochs=2, seeds=1, resume=True)  # other conditions: it goes on from epoch 1
    assert (tmp_path / "relu-0" / "history.jsonl").read_text().startswith(before)


def test_a_mistake_in_the_conditions_does_not_cost_the_race_before(
    tmp_path, few_images, no_pictures
):
    race(tmp_path, epochs=1)
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="no learning rates are known"):
        race(tmp_path, input="unit", init="paper")
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_learning_rates_come_from_the_nearest_sweep():
    assert figure1.best_epsilon(4000, "raw", "paper") == figure1.EPSILON[5000, "raw", "paper"]
    assert figure1.best_epsilon(50000, "raw", "paper") == figure1.EPSILON[50000, "raw", "paper"]
    with pytest.raises(ValueError, match="no learning rates are known for unit input with paper"):
        figure1.best_epsilon(5000, "unit", "paper")


def test_the_ratio_says_only_what_was_measured():
    def runs(*epochs, reached=True):
        return [
            {"epochs": e, "reached": reached, "iterations": 10 * e, "seconds": 1} for e in epochs
        ]

    assert ratio({"relu": runs(2, 4), "tanh": runs(6, 8)})["mean"] == 2.5
    assert ratio({"relu": runs(2, 4), "tanh": runs(6, 8)})["sd"] == spread([3, 2]) == 0.707
    slow = ratio({"relu": runs(2, 4), "tanh": runs(6, 8, reached=False)})
    assert slow["mean"] is None and slow["at_least"] == 2
    assert ratio({"relu": runs(2, reached=False), "tanh": runs(6)})["at_least"] is None
    assert summary(runs(2, 4), 0.1)["epochs"] == {"mean": 3, "sd": 1.414}


def test_the_sweep_ends_when_the_best_has_worse_neighbours():
    cell = figure1_sweep.Cell("four-layer", "raw", "paper", 5000, "relu")

    def trial(epsilon, epochs):
        result = {"epsilon": epsilon, "epochs": epochs, "reached": epochs is not None}
        return cell._asdict() | result

    results, order = [], []
    truth = {0.001: 15, 0.002: 13, 0.004: 12, 0.008: 20}
    while (epsilon := figure1_sweep.next_epsilon(results, cell, guess=0.002)) is not None:
        order.append(epsilon)
        results.append(trial(epsilon, truth[epsilon]))
    assert order == [0.002, 0.004, 0.008]  # 0.001 need not be asked: 0.002 is worse than 0.004
    assert cell in figure1_sweep.finished(results)
    assert cell not in figure1_sweep.finished(results[:2])
    assert figure1_sweep.next_epsilon([trial(0.002, None)], cell, 0.002) == 0.001
    other = cell._replace(images=10000)
    assert figure1_sweep.next_epsilon(results, other, guess=0.016) == 0.016


def test_the_study_runs_draws_and_goes_on(tmp_path, few_images, monkeypatch):
    monkeypatch.setattr(figure1, "TARGET", 0.9)
    monkeypatch.setattr(figure1_sweep, "GRID", (0.001, 0.002))
    plan = [("four-layer", "raw", "paper", 40, 0.002, 0.002)]
    monkeypatch.setattr(figure1_sweep, "PLAN", plan)
    figure1_sweep.study(tmp_path, minicnn.fast, progress=False, plan=plan)
    lines = (tmp_path / "study.jsonl").read_text()
    results = [json.loads(line) for line in lines.splitlines()]
    trials = [(r["nonlinearity"], r["epsilon"]) for r in results]
    assert sorted(trials) == [("relu", 0.001), ("relu", 0.002), ("tanh", 0.001), ("tanh", 0.002)]
    assert (tmp_path / "study.png").read_bytes().startswith(b"\x89PNG")
    assert "40 " in figure1_sweep.report(tmp_path)
    figure1_sweep.study(tmp_path, minicnn.fast, progress=False, plan=plan)
    assert (tmp_path / "study.jsonl").read_text() == lines
    with pytest.raises(ValueError, match="at most 30 images: the study has none below 40"):
        figure1_sweep.study(tmp_path, minicnn.fast, most_images=30, progress=False, plan=plan)


def test_a_study_that_lacks_the_full_set_says_so_before_the_first_trial(tmp_path):
    plan = [("four-layer", "raw", "paper", images, 0.001, 0.002) for images in (40, 6000)]
    with pytest.raises(FileNotFoundError, match="CIFAR-10 was not found"):
        figure1_sweep.study(
            tmp_path / "out", minicnn.fast, dataset=tmp_path, progress=False, plan=plan
        )
    assert not (tmp_path / "out" / "study.jsonl").exists()


def test_an_interrupted_study_says_that_the_same_command_goes_on(tmp_path, few_images, monkeypatch):
    def interrupted(*args, **options):
        raise errors.Interrupted("add --resume")  # which study does not have

    monkeypatch.setattr(figure1_sweep, "race", interrupted)
    plan = [("four-layer", "raw", "paper", 40, 0.002, 0.002)]
    with pytest.raises(errors.Interrupted, match="ε = 0.002; run the same command again to resume"):
        figure1_sweep.study(tmp_path, minicnn.fast, progress=False, plan=plan)
