"""Two columns that seldom talk: their tables, how much colour they see, and the experiment."""

import contextlib
import itertools
import json

import numpy as np
import pytest

from minicnn import net, reference, storage
from minicnn.__main__ import main
from minicnn.commands.halves import VARIANTS
from minicnn.experiments import column_specialization
from minicnn.networks import alexnet, catalogue, cifar
from minicnn.plots import gallery
from minicnn.training import train


def exchanges_of(layers):
    return [layer.name for layer in layers if layer.name.startswith("exchange")]


def test_columns_talk_before_the_rows_that_are_named():
    assert exchanges_of(cifar.two_columns(reference, None)) == ["exchange3", "exchange4"]
    assert exchanges_of(cifar.two_columns(reference, None, exchanges=())) == []
    of_paper = ["exchange3", "exchange6", "exchange7", "exchange8"]
    assert exchanges_of(alexnet.two_columns(reference, None, hidden=6)) == of_paper
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


def test_columns_that_talk_before_every_layer_are_one_column():
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
        return net.count_parameters(catalogue.build(name, reference, None))

    assert (size("cifar-2gpu"), size("cifar-1gpu")) == (70_794, 38_314)


def test_colour_is_what_is_left_when_grey_is_taken_away():
    grey = np.ones((4, 1, 5, 5)) * np.ones((1, 3, 1, 1))
    assert gallery.colour(grey) == 0
    red_against_green = np.array([1.0, -1.0, 0.0]).reshape(1, 3, 1, 1) * np.ones((4, 3, 5, 5))
    assert gallery.colour(red_against_green) == pytest.approx(1)
    drawn = np.random.default_rng(2).standard_normal((500, 3, 5, 5))
    assert gallery.colour(drawn) == pytest.approx(2 / 3, abs=0.01)


def test_every_network_of_the_comparison_has_a_name_and_words():
    assert (
        tuple(column_specialization.VARIANTS)
        == tuple(column_specialization.DESCRIPTIONS)
        == VARIANTS
    )


def test_the_first_weights_of_conv1_can_be_small():
    for build in column_specialization.VARIANTS.values():
        layers = build(reference, np.random.default_rng(3), first_std=0.01)
        spread = {n: w.std() for n, w in net.parameters(layers).items() if "w" in n.split(".")}
        assert all(
            s == pytest.approx(0.01, rel=0.1) for n, s in spread.items() if n.startswith("conv1")
        )
        assert min(s for n, s in spread.items() if n.startswith("conv2")) > 0.03


def command(folder, *more):
    words = ["halves", "--experiment", "--epochs", "1", "--out", str(folder)]
    return [*words, "--only", "paper", "never", *more]


def test_the_experiment_writes_its_runs_and_pictures_and_runs_none_twice(
    tmp_path, few_images, capsys
):
    assert main(command(tmp_path, "--seeds", "2")) == 0
    text = (tmp_path / "halves.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    runs = [(line["variant"], line["seed"]) for line in lines]
    assert runs == [("paper", 0), ("never", 0), ("paper", 1), ("never", 1)]
    assert {len(line["colour"]) for line in lines} == {2}
    for name in ("halves.png", "paper-0/kernels.png", "never-1/kernels.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["the", "before", "never", "Wrote"]
    assert main(command(tmp_path, "--seeds", "2")) == 0
    assert (tmp_path / "halves.jsonl").read_text() == text


def test_an_experiment_that_was_stopped_goes_on_within_its_run(
    tmp_path, few_images, no_pictures, monkeypatch, capsys
):
    def after_an_epoch():
        steps = itertools.count()
        return contextlib.nullcontext(lambda: next(steps) == 1)

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    more = ["--only", "paper", "--seeds", "1", "--epochs", "3"]
    assert main(command(whole, *more)) == 0
    with monkeypatch.context() as patch:
        patch.setattr(train, "interrupts", after_an_epoch)
        assert main(command(stopped, *more)) == 130
    said = "stopped in paper, seed 0; run the same command again to resume\n"
    assert capsys.readouterr().err.endswith(said)
    assert main(command(stopped, *more, "--epochs", "4")) == 1  # ε would fall later
    assert "paper-0/checkpoint.npz belongs to a run with epochs = 3" in capsys.readouterr().err
    assert main(command(stopped, *more)) == 0
    results = [json.loads((folder / "halves.jsonl").read_text()) for folder in (whole, stopped)]
    for result in results:
        del result["seconds"]
    assert results[0] == results[1]
    arrays = [storage.load(folder / "paper-0/checkpoint.npz")[0] for folder in (whole, stopped)]
    for name, array in arrays[0].items():
        assert np.array_equal(array, arrays[1][name])
