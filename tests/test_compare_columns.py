"""Two columns that seldom talk: their tables, how much colour they see, and the experiment."""

import json

import numpy as np
import pytest

from minicnn import alexnet, cifar, compare_columns, net, networks, reference
from minicnn.__main__ import main


def exchanges_of(layers):
    return [layer.name for layer in layers if layer.name.startswith("exchange")]


def test_columns_talk_before_the_rows_that_are_named():
    assert exchanges_of(cifar.two_columns(reference, None)) == ["exchange3", "exchange4"]
    assert exchanges_of(cifar.two_columns(reference, None, exchanges=())) == []
    of_paper = ["exchange3", "exchange6", "exchange7", "exchange8"]
    assert exchanges_of(alexnet.two_columns(reference, None)) == of_paper
    every = ("conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
    talking = alexnet.two_columns(reference, None, exchanges=every)
    assert exchanges_of(talking) == [f"exchange{number}" for number in range(2, 9)]
    # then no row is halved: the sizes of a network in one column, without groups
    assert net.count_parameters(talking) == 62_378_344


def test_alexnet_without_the_exchange_before_conv3_has_half_of_its_weights():
    less = net.count_parameters(
        alexnet.two_columns(reference, None, exchanges=("fc6", "fc7", "fc8"))
    )
    assert 60_965_224 - less == 384 * 128 * 9


def test_columns_that_talk_before_every_row_are_one_column():
    rng = np.random.default_rng(0)
    options = {"kernels": (4, 6, 8), "size": 10, "classes": 6, "dtype": np.float64}
    two = cifar.two_columns(reference, rng, exchanges=("conv2", "conv3", "fc4"), **options)
    one = cifar.one_gpu(reference, None, **options)
    for name, w in net.parameters(one).items():
        w[...] = np.concatenate([net.parameters(two)[f"{name}.{column}"] for column in (0, 1)])
    for layer in one:
        if layer.name.startswith("lrn"):
            layer.options["groups"] = 2  # normalization does not cross from column to column
    x = 30 * rng.standard_normal((2, 3, 10, 10))
    scores, _ = net.forward(two, x)
    assert np.allclose(scores, net.forward(one, x)[0], rtol=1e-10)


def test_columns_that_never_talk_do_not_see_each_other():
    rng = np.random.default_rng(1)
    layers = cifar.two_columns(reference, rng, exchanges=(), kernels=(4, 4, 4), size=10, classes=6)
    x = 30 * rng.standard_normal((2, 3, 10, 10), np.float32)
    before, _ = net.forward(layers, x)
    layers[1].params["w"][0][...] += 1  # the kernels of column 0
    after, _ = net.forward(layers, x)
    assert not np.array_equal(before[:, :3], after[:, :3])
    assert np.array_equal(before[:, 3:], after[:, 3:])


def test_the_networks_for_the_comparison_have_their_sizes():
    def size(name):
        return net.count_parameters(networks.build(name, reference, None))

    assert (size("cifar-2gpu"), size("cifar-1gpu")) == (70_794, 38_314)


def test_colour_is_what_is_left_when_grey_is_taken_away():
    grey = np.ones((4, 1, 5, 5)) * np.ones((1, 3, 1, 1))
    assert compare_columns.colour(grey) == 0
    red_against_green = np.array([1.0, -1.0, 0.0]).reshape(1, 3, 1, 1) * np.ones((4, 3, 5, 5))
    assert compare_columns.colour(red_against_green) == pytest.approx(1)
    drawn = np.random.default_rng(2).standard_normal((500, 3, 5, 5))
    assert compare_columns.colour(drawn) == pytest.approx(2 / 3, abs=0.01)


def test_the_experiment_writes_its_runs_and_pictures_and_runs_none_twice(
    tmp_path, few_images, monkeypatch, capsys
):
    few = {name: compare_columns.VARIANTS[name] for name in list(compare_columns.VARIANTS)[-2:]}
    few |= {compare_columns.PAPER: compare_columns.VARIANTS[compare_columns.PAPER]}
    monkeypatch.setattr(compare_columns, "VARIANTS", few)
    command = ["halves", "--experiment", "--seeds", "2", "--epochs", "1", "--out", str(tmp_path)]
    assert main(command) == 0
    text = (tmp_path / "halves.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["variant"], line["seed"]) for line in lines] == [
        (v, s) for s in (0, 1) for v in few
    ]
    assert {len(line["colour"]) for line in lines if line["variant"] == compare_columns.PAPER} == {
        2
    }
    for name in ("halves.png", "kernels.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert "never" in capsys.readouterr().out
    assert main(command) == 0
    assert (tmp_path / "halves.jsonl").read_text() == text
