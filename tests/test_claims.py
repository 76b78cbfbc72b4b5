"""The claims: intervals by hand, the choice of ε, the journal, and what a finding is made of."""

import json
import math
import shutil
from functools import partial

import numpy as np
import pytest

from minicnn import data, fast
from minicnn.__main__ import main
from minicnn.claims import arms, driver, findings, intervals, report, runs, table
from minicnn.networks import cifar

near = partial(pytest.approx, rel=1e-3)

# Intervals.


@pytest.mark.parametrize("degrees, t", [(1, 12.706), (2, 4.3027), (4, 2.7764), (9, 2.2622)])
def test_students_t_is_that_of_the_tables(degrees, t):
    assert intervals.student_t(degrees) == near(t)


def test_a_mean_has_students_interval():
    found = intervals.of_mean([1, 2, 3])  # deviation 1, error of the mean 1/√3
    assert found == near((2, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5, 1, 3))
    assert intervals.of_mean([5]).low == -math.inf


def test_pairs_remove_what_both_arms_share():
    first, second = [10, 20, 30], [9, 18.9, 29.1]
    paired = intervals.of_paired(first, second)
    assert paired.mean == near(1) and paired.low == near(1 - 4.3027 * 0.1 / 3**0.5)
    assert intervals.of_difference(first, second).low < -20


def test_welchs_interval_of_equal_arms_has_all_degrees_of_freedom():
    found = intervals.of_difference([1, 2, 3], [1, 2, 3])
    assert found.high == near(intervals.student_t(4) * (2 / 3) ** 0.5)


def test_only_images_on_which_two_ways_differ_count():
    found = intervals.of_discordant(300, 200, 10_000)
    assert found.mean == near(0.01)
    reach = 1.96 * (300 + 200 - 100**2 / 10_000) ** 0.5 / 10_000
    assert (found.low, found.high) == (near(0.01 - reach), near(0.01 + reach))


@pytest.mark.parametrize(
    "low, high, expected, verdict",
    [
        (0.1, 0.9, 0.5, "reproduced"),
        (0.1, 0.2, 0.5, "reproduced"),  # smaller than in the paper, with its sign
        (-0.1, 0.4, 0.5, "refuted here"),
        (-0.1, 0.6, 0.5, "undecided"),
        (-0.9, -0.1, 0.5, "refuted here"),
        (-0.1, 0.6, None, "undecided"),
        (-0.9, -0.1, None, "refuted here"),
    ],
)
def test_the_verdict_follows_the_rule(low, high, expected, verdict):
    found = intervals.Interval((low + high) / 2, low, high, 1, 3)
    assert intervals.verdict(found, expected) == verdict


def test_the_smaller_a_difference_the_more_seeds_it_needs():
    assert [intervals.seeds_needed(0.32, d) for d in (0.5, 1.0, 2.0)] == [8, 3, 2]


# The choice of ε.


def walk(score, guess=0.001, step=2):
    """Return every ε that is tried, in order, when `score` says how good one is."""
    scores = {}
    while (epsilon := driver.next_epsilon(scores, guess, step)) is not None:
        scores[epsilon] = score(epsilon)
    return list(scores)


def test_epsilon_moves_until_both_neighbours_of_the_best_are_worse():
    assert walk(lambda e: abs(math.log(e / 0.004))) == [0.001, 0.002, 0.004, 0.008]
    assert walk(lambda e: abs(math.log(e / 0.0005))) == [0.001, 0.002, 0.0005, 0.00025]
    assert walk(lambda e: abs(math.log(e / 0.1)), 0.01, 10) == [0.01, 0.1, 1.0]


def test_epsilon_goes_on_where_runs_diverge_but_not_for_ever():
    assert walk(lambda e: 1 if e < 0.001 else math.inf)[:3] == [0.001, 0.0005, 0.00025]
    assert len(walk(lambda e: math.inf)) == driver.MOST_TRIALS


# The driver, with tiny arms.

TINY = arms.FOUR_LAYER._replace(
    build=partial(cifar.four_layer, size=8), size=8, epochs=2, images=200, divide=()
)
OTHER = TINY._replace(decay=0.1, measures=("probabilities", "colours"))
RACE = TINY._replace(until=0.95)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(driver, "ARMS", {"one": TINY, "other": OTHER, "race": RACE})
    claims = {
        1: table.Claim("1", "one beats the other", "1 point", "gap", ("one", "other"), 2, 0.1),
        2: table.Claim("2", "others are better together", "–", "ensemble", ("other",), 2, 0.1),
        3: table.Claim("3", "it races", "–", "ratio", ("race", "race"), 2, None),
    }
    for module in (driver, findings, report, table):
        monkeypatch.setattr(module, "CLAIMS", claims)


def counted(monkeypatch):
    calls = []

    def run_arm(ops, photos, arm, key, folder, title, progress, starts):
        calls.append((key["arm"], key["purpose"], key["seed"], key["epsilon"]))
        score = abs(math.log(key["epsilon"] / 0.002))
        result = {"error": score, "epochs_run": 5 + score, "images": 9}
        return {**result, "reached": True, "training_error": 0.2}

    monkeypatch.setattr(driver, "run_arm", run_arm)
    return calls


def test_a_claim_chooses_epsilon_for_each_arm_and_does_each_run_once(tiny, monkeypatch, tmp_path):
    calls = counted(monkeypatch)
    driver.do_claims(tmp_path, fast, [1], dataset="sample")
    chosen = [("one", "choose", 0, e) for e in (0.001, 0.002, 0.004)]
    assert calls[:4] == [*chosen, ("one", "run", 0, 0.002)]
    assert [call for call in calls if call[1] == "run"] == [
        ("one", "run", 0, 0.002), ("other", "run", 0, 0.002),
        ("one", "run", 1, 0.002), ("other", "run", 1, 0.002),
    ]  # fmt: skip
    before = len(calls)
    driver.do_claims(tmp_path, fast, [1, 1], dataset="sample")
    assert len(calls) == before


def test_shares_do_every_run_once_and_their_journals_are_merged_by_concatenation(
    tiny, monkeypatch, tmp_path
):
    calls = counted(monkeypatch)
    for k in (1, 2, 3):
        driver.do_claims(tmp_path / str(k), fast, [1], dataset="sample", share=(k, 3))
    done = [call for call in calls if call[1] == "run"]
    assert len(done) == len(set(done)) == 4
    merged = "".join((tmp_path / str(k) / "claims.jsonl").read_text() for k in (1, 2, 3))
    (tmp_path / "claims.jsonl").write_text(merged + merged)
    assert driver.missing(tmp_path, [1], "sample") == []
    lines = driver.read(tmp_path)
    assert findings.find(1, lines, "sample").interval.n == 2


def test_the_trials_of_a_race_are_its_runs(tiny, monkeypatch, tmp_path):
    calls = counted(monkeypatch)
    driver.do_claims(tmp_path, fast, [3], dataset="sample")
    assert [call[1:] for call in calls] == [
        ("run", 0, 0.001), ("run", 0, 0.002), ("run", 0, 0.004), ("run", 1, 0.002)
    ]  # fmt: skip


def test_lines_of_another_format_are_left_alone(tiny, tmp_path):
    (tmp_path / "claims.jsonl").write_text('{"format": 99, "arm": "one"}\n')
    assert driver.read(tmp_path) == []
    assert "99" in (tmp_path / "claims.jsonl").read_text()


def test_real_runs_give_the_same_numbers_again_and_an_ensemble(tiny, tmp_path):
    photos = data.load("sample")
    key = {"purpose": "run", "seed": 3, "epsilon": 0.001, "epochs": 1}
    results = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        results.append(runs.run_arm(fast, photos, OTHER, key, tmp_path / name, name, False))
        del results[-1]["seconds"]
    assert results[0] == results[1]
    starts = tmp_path / "first" / "checkpoint.npz"
    tuned = TINY._replace(classes=slice(4, 10), images=60, build=partial(TINY.build, classes=6))
    result = runs.run_arm(fast, photos, tuned, key, tmp_path / "t", "t", False, starts)
    assert result["images"] == 60 and 0 < result["error"] < 1
    assert results[0]["images"] == 200 and len(results[0]["colours"]) == 32
    choose = runs.run_arm(
        fast, photos, TINY, {**key, "purpose": "choose"}, tmp_path / "c", "c", False
    )
    assert choose["images"] == 180 and choose["error"] * 20 == near(round(choose["error"] * 20))

    for seed in (0, 1):  # two runs whose probabilities are those of the first
        line = {**key, "format": 1, "data": "sample", "arm": "other", "seed": seed, "epochs": 2}
        folder = tmp_path / driver.folder_name(line)
        shutil.copytree(tmp_path / "first", folder)
        with open(tmp_path / "claims.jsonl", "a") as file:
            file.write(json.dumps({**line, **results[0]}) + "\n")
    lab = driver.Laboratory(tmp_path, fast, photos, "sample", False)
    driver.average(lab, "other", 2)
    found = findings.find(2, driver.read(tmp_path), "sample")
    assert found.interval[:3] == (0, 0, 0) and found.verdict == "refuted here"


# Findings, from lines made by hand.


def line(arm, seed, **values):
    return {"data": "cifar10", "arm": arm, "purpose": "run", "seed": seed, "epsilon": 0.001,
            "epochs": arms.ARMS[arm].epochs, **values}  # fmt: skip


def test_a_gap_is_compared_seed_by_seed():
    lines = [line("four-layer-lrn", s, error=0.20 + s / 100) for s in range(3)]
    lines += [line("four-layer", s, error=0.21 + s / 100 + s / 1000) for s in range(3)]
    lines += [line("four-layer-k-alone", s, error=0.25) for s in range(3)]
    found = findings.find(4, lines)
    assert found.interval.mean == near(1.1) and found.verdict == "reproduced"
    assert found.expected == near(0.03 * 22.1)
    assert findings.find(4, lines[:3]) is None


def test_ten_views_are_compared_image_by_image():
    lines = [
        line(
            "four-layer-crops",
            s,
            error=0.2,
            error_ten_views=0.18,
            only_one_view=300,
            only_ten_views=100,
        )
        for s in (0, 1)
    ]
    found = findings.find(13, lines)
    assert found.interval.mean == near(2) and found.verdict == "reproduced"


def race(arm, seed, epochs, **values):
    values = {"reached": True, **values}
    return line(arm, seed, epochs_run=epochs, error=0.3, images=50_000, **values)


def test_other_readings_of_a_race_are_told_beside_the_first_one():
    assert findings.find(1, [race("race-relu-tens", s, 4) for s in (0, 1)]) is None
    lines = [race("race-relu-50k", s, 4 + s) for s in (0, 1)]
    lines += [race("race-tanh-50k", s, 12 + 4 * s) for s in (0, 1)]
    found = findings.find(1, lines)
    assert found.interval.mean == near((3 + 16 / 5) / 2 - 1)
    lines += [race("race-relu-tens", s, 5) for s in (0, 1)]
    lines += [race("race-tanh-tens", s, 30, reached=s == 0) for s in (0, 1)]
    second = findings.find(1, lines)
    assert second.interval == found.interval and list(second.points) == [
        "race-relu-50k", "race-tanh-50k", "race-relu-tens", "race-tanh-tens"
    ]  # fmt: skip
    assert second.detail.startswith(found.detail) and "did not reach the goal" in second.detail


def test_a_claim_of_no_difference_is_reproduced_where_the_difference_is_refuted():
    lines = [line("small-vgg-a", s, error=0.2 + s / 100) for s in range(3)]
    lines += [line("small-vgg-a-lrn", s, error=0.2 + s / 100 + s / 10_000) for s in range(3)]
    assert findings.find(22, lines).verdict == "reproduced"
    lines = [{**one, "error": one["error"] + (one["arm"] == "small-vgg-a") / 50} for one in lines]
    assert findings.find(22, lines).verdict == "refuted here"


@pytest.mark.parametrize(
    "errors, verdict",
    [
        ({"80sec": 0.2649}, "undecided"),
        ({"80sec": 0.2649, "18pct": 0.18, "13pct": 0.13, "11pct": 0.1}, "reproduced"),
        ({"80sec": 0.2649, "18pct": 0.1870}, "undecided"),
        ({"80sec": 0.2649, "18pct": 0.1870, "11pct": 0.14}, "refuted here"),
    ],
)
def test_a_network_of_2011_is_as_good_as_its_name(errors, verdict):
    lines = [line(name, 0, error=error, seconds=90.0) for name, error in errors.items()]
    assert findings.find(24, lines).verdict == verdict


def test_columns_differ_in_colour_only_if_random_halves_differ_less():
    sizes = [1.0] * 32
    separate = [0.1] * 16 + [0.6] * 16
    lines = [line("two-columns-small-weights", s, colours=separate, sizes=sizes) for s in (0, 1)]
    found = findings.find(10, lines)
    assert "in 2 of 2 runs" in found.detail and found.verdict == "reproduced"
    mixed = [0.1, 0.6] * 16
    lines = [line("two-columns-small-weights", s, colours=mixed, sizes=sizes) for s in (0, 1)]
    assert "in 0 of 2 runs" in findings.find(10, lines).detail


def test_counting_and_masks_need_no_runs():
    assert findings.find(8, []).verdict == "refuted here"  # conv3 has 1.45%
    assert "conv3 1.45%, conv4 1.09%" in findings.find(8, []).detail
    found = findings.find(15, [])
    assert found.verdict == "reproduced" and "with one hidden layer equal" in found.detail
    assert "same class is the most probable for 41 of 50" in found.detail


def test_every_claim_names_arms_and_a_comparison_that_exist():
    for claim in table.CLAIMS.values():
        assert set(claim.arms) <= arms.ARMS.keys()
        assert claim.kind in {*findings.KINDS, "ensemble"}
    for arm in arms.ARMS.values():
        assert set(arm.measures) <= runs.MEASURES.keys()


@pytest.mark.parametrize("name", arms.ARMS)
def test_every_arm_builds_a_network_that_takes_its_images(name):
    arm = arms.ARMS[name]
    layers = arm.build(fast, np.random.default_rng(0))
    x = np.zeros((2, 3, arm.size, arm.size), np.float32)
    from minicnn import net

    scores, _ = net.forward(layers, x)
    assert scores.shape == (2, 5 if arm.classes else 10)


def test_a_sentence_for_a_lesson_has_the_verdict_of_the_packaged_journal():
    assert report.sentence(8).startswith("Claim 8: no convolution has more than 1% of the par")
    assert report.sentence(8).endswith("conv5 0.73%: refuted here.")
    found = findings.find(11, driver.read(report.PACKAGED))
    assert report.sentence(11).endswith(f"{found.verdict}." if found else "Not tested here yet.")


# The command.


def test_without_numbers_the_command_prints_every_claim(capsys, tmp_path):
    assert main(["claims", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(claim.says in printed for claim in table.CLAIMS.values())


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["99"], "no claim has the number 99; there are 1, 2"),
        (["4", "--share", "3/2"], "expected K/N with 1 ≤ K ≤ N"),
        (["4", "--share", "half"], "expected K/N with 1 ≤ K ≤ N"),
    ],
)
def test_a_mistake_gets_one_sentence(arguments, sentence, capsys, tmp_path):
    try:
        assert main(["claims", *arguments, "--out", str(tmp_path)]) != 0
    except SystemExit as end:
        assert end.code == 2
    assert sentence in capsys.readouterr().err


def test_the_report_has_the_table_and_a_figure_of_every_seed(tmp_path):
    lines = [line("four-layer-lrn", s, error=0.20 + s / 100) for s in range(3)]
    lines += [
        line(arm, s, error=0.21 + s / 90)
        for s in range(3)
        for arm in ("four-layer", "four-layer-k-alone")
    ]
    names = report.write(tmp_path, lines)
    assert names == ["claims.md", "claims.png", "claim-4.png"]
    page = (tmp_path / "claims.md").read_text()
    assert "| 4 | local response normalization lowers the error |" in page
    assert "In claim 4, 1.4 points are 3% of the paper's error, and 3% of ours are 0.66." in page
    assert "refuted here*: it is not" in page and "one grid. On all images tanh needs" in page
    assert all((tmp_path / name).stat().st_size for name in names)
