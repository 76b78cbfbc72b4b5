"""Every command that takes --ops cuda, on a few images and a tiny network; in the emulator.

What a command says and writes is what it says and writes with --ops fast.  `bench` is in
test_bench.py, `halves` in test_cuda_columns.py.
"""

import functools
import json

import numpy as np
import pytest
from PIL import Image

from minicnn import data, net, storage
from minicnn.__main__ import main
from minicnn.cuda import gpu
from minicnn.experiments import binary_codes, figure1, figure1_sweep
from minicnn.networks import catalogue
from minicnn.plots import curves, gallery


def tiny(ops, rng, nonlinearity="relu", init="paper", classes=10, size=32):
    """Return a network that takes the four-layer one's place, and sees 4×4 pixels of an image."""
    return [
        net.row("pool0", ops, "average_pool", z=size // 4, s=size // 4),
        net.row("conv1", ops, "conv", net.gaussian(rng, (4, 3, 2, 2), 0.1)),
        net.row(f"{nonlinearity}1", ops, nonlinearity),
        net.row("pool1", ops, "pool", z=2, s=1),
        net.row("fc2", ops, "fc", net.gaussian(rng, (5, 16), 0.1)),
        net.row(f"{nonlinearity}2", ops, nonlinearity),
        net.row("fc3", ops, "fc", net.gaussian(rng, (classes, 5), 0.1)),
    ]


@pytest.fixture(autouse=True)
def few_images_and_a_tiny_network(monkeypatch):
    sample = data.load("sample")
    train_x, train_y = sample.train_x[:5], sample.train_y[:5]
    test_x, test_y = sample.test_x[:3], sample.test_y[:3]
    few = data.with_moments((train_x, train_y, test_x, test_y, sample.classes))
    monkeypatch.setattr(data, "load", lambda name: few)
    row = catalogue.NETWORKS["cifar-four-layer"]._replace(build=tiny)
    monkeypatch.setitem(catalogue.NETWORKS, "cifar-four-layer", row)
    for name in ("curves", "weights"):  # of a run's history: where it was computed is all the same
        monkeypatch.setattr(curves, name, lambda history, path: None)


def run(*words):
    """Run a command; it must succeed."""
    assert main([str(word) for word in words]) == 0


def trained(folder, ops):
    """Return the checkpoint of a run of two steps."""
    emulate = "--emulate" if ops == "cuda" else ""
    command = f"train cifar-four-layer --ops {ops} {emulate} --epochs 1 --batch 3 --epsilon 0.001"
    command += " --out"
    run(*command.split(), folder)
    return folder / "checkpoint.npz"


def test_train_makes_the_weights_that_it_makes_on_the_cpu_and_goes_on(tmp_path):
    runs = [trained(tmp_path / ops, ops) for ops in ("cuda", "fast")]
    more = "train cifar-four-layer --ops cuda --epochs 2 --batch 3 --resume --out"
    (there, _), (here, _) = map(storage.load, runs)
    for name, array in there.items():
        np.testing.assert_allclose(array, here[name], rtol=1e-3, atol=1e-6, err_msg=name)
    run(*more.split(), runs[0].parent)
    history = (runs[0].parent / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == [1, 2]


def test_figure1_runs_the_race(tmp_path, monkeypatch):
    monkeypatch.setattr(figure1, "TARGET", 0.7)  # reached by one and not by the other
    histories = []
    for ops in ("cuda", "fast"):
        run("figure1", "--ops", ops, "--seeds", 1, "--epochs", 2, "--out", tmp_path / ops)
        results = json.loads((tmp_path / ops / "results.json").read_text())
        assert results["settings"]["ops"] == f"minicnn.{ops}"
        assert (tmp_path / ops / "figure1.png").stat().st_size > 1000
        for name in ("relu-0", "tanh-0"):
            lines = (tmp_path / ops / name / "history.jsonl").read_text().splitlines()
            histories += [[json.loads(line)["loss"] for line in lines]]
    np.testing.assert_allclose(histories[:2], histories[2:], rtol=1e-3)


@pytest.mark.parametrize("command", ["figure1", "study"])
def test_networks_of_one_column_refuse_two_gpus(command, tmp_path, capsys):
    chosen = gpu.chosen
    try:
        arguments = [command, "--ops", "cuda", "--gpus", "0,1", "--out", str(tmp_path / "out")]
        assert main(arguments) == 1
    finally:
        gpu.chosen = chosen
    said = "minicnn: --gpus 0,1: cifar-four-layer has one column, which runs on one GPU; alexnet-2"
    assert capsys.readouterr().err.startswith(said) and not (tmp_path / "out").exists()


def test_study_runs_a_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(figure1_sweep, "LIMIT", 1)
    from minicnn import cuda

    cell = figure1_sweep.Cell("four-layer", "raw", "paper", 5, "relu")
    prepared = data.prepare(data.load("sample"), "raw")
    figure1_sweep.run_trial(tmp_path, cuda, cell, 0.001, prepared, progress=False)
    (line,) = figure1_sweep.read(tmp_path)
    assert line["epochs"] == 1


def test_commands_on_a_checkpoint_say_and_draw_what_they_do_on_the_cpu(
    tmp_path, capsys, monkeypatch
):
    def bars(pictures, labels, probabilities, *others):
        drawn.append(probabilities)

    def maps(picture, layers, out):
        drawn.extend(map for _, map in layers)

    monkeypatch.setattr(gallery, "figure4_bars", bars)
    monkeypatch.setattr(
        gallery, "figure4_neighbours", lambda queries, found, *o: drawn.extend(found)
    )
    monkeypatch.setattr(gallery, "feature_maps", maps)
    monkeypatch.setattr(
        binary_codes, "train_coder", functools.partial(binary_codes.train_coder, epochs=1)
    )
    path = trained(tmp_path, "fast")
    picture, out = tmp_path / "picture.png", tmp_path / "out"
    Image.fromarray(data.load("sample").test_x[0].transpose(1, 2, 0)).save(picture)
    results = []
    for ops in ("cuda", "fast"):
        drawn = []
        capsys.readouterr()
        run("predict", path, picture, "--json", "--ops", ops)
        (answer,) = json.loads(capsys.readouterr().out)
        drawn.append([one["probability"] for one in answer["classes"]])
        run("test", path, "--ops", ops)
        run("figure3", path, "--out", out / "figure3.png", "--ops", ops)
        run("figure4", path, "-k", 2, "--out", out, "--ops", ops)
        run("features", path, "--out", out / "features.npy", "--ops", ops)
        run("maps", path, picture, "--ops", ops)
        said = capsys.readouterr().out
        run("codes", path, "-k", 2, "--ops", ops)
        drawn.append(np.load(out / "features.npy"))
        drawn.append(np.asarray(Image.open(out / "figure3.png")))
        results.append((said, drawn))
    (said, found), (same, expected) = results
    assert said == same
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_gradcheck_checks_a_layer(capsys):
    run("gradcheck", "softmax_loss", "--ops", "cuda", "--emulate")
    assert capsys.readouterr().out.startswith("cuda       softmax_loss     ok ")


@pytest.mark.parametrize("command", ["gradcheck relu", "gradcheck relu --ops fast", "train vgg-a"])
def test_a_cpu_is_not_emulated(command, capsys):
    assert main([*command.split(), "--emulate"]) == 1
    assert capsys.readouterr().err.startswith("minicnn: --emulate is for --ops cuda")
