"""From a folder of photographs to predictions: prepare, train, test, predict, and the pictures."""

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from minicnn import console, data, errors, fast, net, reference, storage
from minicnn.__main__ import main
from minicnn.commands.test import VIEWS
from minicnn.data.views import deviation_of
from minicnn.experiments import binary_codes, neighbours
from minicnn.networks import catalogue
from minicnn.plots import curves
from minicnn.training import predictor, transfer

COLOURS = {"blue sky": (90, 140, 230), "grass": (70, 160, 60), "röd": (200, 60, 50)}
NETWORK = "cifar-four-layer"


def photograph(rng, colour):
    """Return a noisy picture of one colour, 40 to 60 pixels wide and high."""
    height, width = rng.integers(40, 60, 2)
    noise = rng.normal(0, 25, (height, width, 3))
    return Image.fromarray((colour + noise).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with photographs of three classes, prepared, and a network trained on them."""
    place, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (place / "raw" / name).mkdir(parents=True)
        for i in range(16):
            photograph(rng, colour).save(place / "raw" / name / f"{i}.png")
    prepare = ["prepare", str(place / "raw"), str(place / "set"), "--size", "36", "--workers", "1"]
    assert main([*prepare, "--validation", "0.25"]) == 0
    assert main(command(place, "train", "--seed", "0", "--out", str(place / "0"))) == 0
    with pytest.MonkeyPatch.context() as patch:
        for picture in ("curves", "weights"):  # those of one run are enough
            patch.setattr(curves, picture, lambda *arguments: None)
        assert main(command(place, "train", "--seed", "1", "--out", str(place / "1"))) == 0
    return place


def command(place, name, *more):
    """Return the arguments of a command on the prepared photographs."""
    if name == "train":
        conditions = ("--input", "unit", "--init", "fan-in", "--epsilon", "0.002")
        more = (NETWORK, "--size", "32", "--epochs", "6", "--batch", "12", *conditions, *more)
    return [name, *more, "--data", str(place / "set"), "--threads", "1"]


def check(place, seed="0"):
    return str(place / seed / "checkpoint.npz")


def test_a_run_leaves_its_history_and_pictures(place):
    lines = (place / "0" / "history.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert len(lines) == 6 and last["validation_error"] < 0.3
    assert last["seconds_waited"] >= 0 and "conv1.w" in last["weights"]
    size, step = last["weights"]["conv1.w"]
    assert 0 < step < size
    for name in ("curves.png", "weights.png"):
        assert Image.open(place / "0" / name).size[0] > 500


def test_a_trained_network_is_the_network_that_was_trained(place):
    photos = data.load_photos(place / "set")
    answers = []
    for ops in (fast, reference):
        network = predictor.load(check(place), ops)
        assert network.classes == tuple(photos.classes) and network.size == 32
        answers.append(predictor.predict(network, photos.test_x))
    np.testing.assert_allclose(*answers, rtol=1e-3, atol=1e-5)
    error = np.mean(np.argmax(answers[0], axis=1) != photos.test_y)
    history = (place / "0" / "history.jsonl").read_text().splitlines()
    assert error == json.loads(history[-1])["validation_error"]


def test_unit_inputs_have_deviation_one(place):
    photos = data.load_photos(place / "set")
    x = (photos.train_x[:] - photos.mean) / deviation_of(photos)
    assert x.std() == pytest.approx(1, abs=1e-4)


def test_test_counts_errors_of_each_network_and_of_all(place, capsys):
    out = place / "test.json"
    arguments = command(place, "test", check(place), check(place, "1"), "--json", str(out))
    for views in VIEWS:
        assert main([*arguments, "--views", views]) == 0
        results = json.loads(out.read_text())
        names = [line["name"] for line in results["errors"]]
        assert names == [check(place), check(place, "1"), "all 2 together"]
        assert all(line["top_1"] < 0.5 for line in results["errors"])
        assert np.sum(results["confusion"]) == results["images"] == 12
    text = capsys.readouterr().out
    assert "all 2 together" in text and "blue sky" in text


def test_fifty_views_and_dense_average_their_probabilities(place):
    network, photos = predictor.load(check(place), fast), data.load_photos(place / "set")
    images = photos.test_x[:5]
    answers = {way: predictor.predict(network, images, way) for way in ("50", "dense", "50+dense")}
    np.testing.assert_allclose(answers["50+dense"], (answers["50"] + answers["dense"]) / 2)
    patches = [  # 36 pixels have room for 4 more than 32
        images[:, :, i : i + 32, j : j + 32] - photos.mean[:, i : i + 32, j : j + 32]
        for i in range(5)
        for j in range(5)
    ]
    expected = [
        fast.softmax(net.forward(network.layers, np.ascontiguousarray(x / network.deviation))[0])
        for patch in patches
        for x in (patch, patch[:, :, :, ::-1])
    ]
    np.testing.assert_allclose(answers["50"], np.mean(expected, axis=0), rtol=1e-4)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_shown_on_a_terminal_and_nowhere_else(place, monkeypatch, terminal):
    network, images = predictor.load(check(place), fast), data.load_photos(place / "set").train_x
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(console, "DELAY", 0)
    bars, bar = [], console.bar
    monkeypatch.setattr(console, "bar", lambda *args: bars.append(bar(*args)) or bars[-1])
    predictor.predict(network, images, "10+dense", title="asking")
    features = np.concatenate(list(predictor.features(network, images, "relu1", title="row")))
    neighbours.nearest(features[:3], features, 2, title="searching")
    binary_codes.train_coder(fast, features, 8, np.random.default_rng(0), epochs=2, title="coding")
    shown = stream.getvalue()
    for title in ("asking", "row", "searching", "coding"):
        assert (f"\r{title} " in shown) == terminal
    if terminal:
        assert [bar.n for bar in bars] == [bar.total for bar in bars] == [12 * 36, 36, 36, 72]
    else:
        assert not shown


def test_weights_of_one_network_cannot_be_chosen(place, capsys):
    assert main([*command(place, "test", check(place)), "--choose-weights"]) == 1
    assert "needs two networks" in capsys.readouterr().err


def test_weights_of_an_ensemble_are_chosen_on_other_images_than_errors_are_counted_on(place):
    out = place / "chosen.json"
    networks = (check(place), check(place, "1"))
    assert main([*command(place, "test", *networks), "--choose-weights", "--json", str(out)]) == 0
    results = json.loads(out.read_text())
    assert results["images"] == 6 and sum(results["weights"]) == pytest.approx(1)


def test_predict_names_the_classes_of_photographs(place, capsys):
    rng = np.random.default_rng(7)
    names = []
    for name, colour in COLOURS.items():
        names.append(str(place / f"new {name}.jpg"))
        photograph(rng, colour).resize((300, 200)).save(names[-1])
    picture = str(place / "bars.png")
    arguments = ["predict", check(place), *names, "--best", "2", "--threads", "1"]
    assert main([*arguments, "--json", "--picture", picture]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [a["image"] for a in answers] == names
    assert [a["classes"][0]["class"] for a in answers] == list(COLOURS)
    assert all(len(a["classes"]) == 2 for a in answers)
    assert Image.open(picture).size[0] > 300
    assert main([*arguments, "--views", "10"]) == 0
    assert "röd" in capsys.readouterr().out


def test_predict_goes_on_after_a_file_that_is_no_photograph_and_says_so(place, capsys):
    (place / "text.jpg").write_text("not a picture")
    good = str(next((place / "raw" / "grass").iterdir()))
    assert main(["predict", check(place), str(place / "text.jpg"), good]) == 1
    said = capsys.readouterr()
    assert "text.jpg: not an image" in said.err and "grass" in said.out
    assert main(["predict", check(place), str(place / "text.jpg")]) == 1
    assert "none of the images could be read" in capsys.readouterr().err


def test_features_are_what_the_row_gives(place, capsys):
    out = place / "features.npy"
    arguments = ["features", check(place), "--out", str(out), "--layer", "relu2"]
    assert main([*command(place, *arguments), "--split", "train"]) == 0
    photos, network = data.load_photos(place / "set"), predictor.load(check(place), fast)
    found = np.load(out)
    assert found.shape == (36, 32 * 8 * 8) and found.dtype == np.float32
    rows = network.layers[: 1 + [layer.name for layer in network.layers].index("relu2")]
    x = (photos.train_x[:] - photos.mean)[:, :, 2:34, 2:34] / network.deviation
    expected, _ = net.forward(rows, x.astype(np.float32))
    np.testing.assert_allclose(found, expected.reshape(36, -1), rtol=1e-3, atol=1e-5)
    assert main(command(place, "features", check(place), "--layer", "fc7")) == 1
    assert "has no layer 'fc7'; it has conv1, pool1, relu1" in capsys.readouterr().err


def test_figures_are_drawn(place, capsys):
    three, maps = str(place / "figure3.png"), str(place / "maps.png")
    assert main(["figure3", check(place), "--out", three]) == 0
    photo = str(next((place / "raw" / "grass").iterdir()))
    assert main(["maps", check(place), photo, "--out", maps]) == 0
    arguments = command(place, "figure4", check(place), "-k", "6", "--out", str(place / "figure4"))
    assert main(arguments) == 0
    assert "nearest in features, 100.0% are of the same class" in capsys.readouterr().out
    for path in (three, maps, place / "figure4" / "left.png", place / "figure4" / "right.png"):
        assert Image.open(path).size[0] > 300


def test_codes_are_compared_with_features(place, capsys):
    assert main(command(place, "codes", check(place), "-k", "5")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6 and "256 bits" in lines[-1]


def test_another_data_set_is_refused(place, capsys, few_images):
    assert main(["test", check(place), "--data", "sample"]) == 1
    assert "images of 36×36 pixels, but those of sample have 32×32" in capsys.readouterr().err


def test_other_classes_are_refused(place):
    photos = data.load_photos(place / "set")
    network = predictor.load(check(place), fast)
    others = photos._replace(classes=("blue sky", "grass", "green"))
    with pytest.raises(ValueError, match="3, not 3, 'green' instead of 'röd'"):
        predictor.check_data(network, others, "others")


def test_a_checkpoint_that_does_not_say_what_it_is_of_is_refused(place, capsys):
    layers = catalogue.build(NETWORK, fast, np.random.default_rng(0), classes=3)
    arrays = {f"w:{name}": w for name, w in net.parameters(layers).items()}
    storage.save(place / "foreign.npz", arrays, {"settings": {}})
    assert main(["figure3", str(place / "foreign.npz")]) == 1
    assert "network, classes, size, mean, deviation missing" in capsys.readouterr().err


def test_fine_tuning_takes_what_fits_and_draws_the_rest_anew(place):
    layers = catalogue.build(NETWORK, fast, np.random.default_rng(5), classes=4)
    said = transfer.take_weights(layers, NETWORK, ["a", "b", "c", "d"], check(place))
    assert said == f"Took conv1, conv2, conv3 from {check(place)}; drawn anew: fc10"
    theirs = net.parameters(predictor.load(check(place), fast).layers)
    for name, w in net.parameters(layers).items():
        if not name.startswith("fc10"):
            np.testing.assert_array_equal(w, theirs[name])


def test_as_many_other_classes_get_a_new_last_layer_and_the_same_ones_keep_theirs(place):
    layers = catalogue.build(NETWORK, fast, np.random.default_rng(5), classes=3)
    said = transfer.take_weights(layers, NETWORK, ["a", "b", "c"], check(place))
    assert said.endswith("drawn anew: fc10")
    same = list(data.load_photos(place / "set").classes)
    assert transfer.take_weights(layers, NETWORK, same, check(place)).endswith("none")


def test_a_network_in_which_nothing_fits_is_refused(place):
    layers = catalogue.build("vgg-a", fast, None, kernels=(1, 1, 1, 1, 1), hidden=1, size=32)
    with pytest.raises(errors.CheckpointError, match="has nothing for vgg-a"):
        transfer.take_weights(layers, "vgg-a", list(COLOURS), check(place))


def test_a_size_larger_than_the_images_is_refused(place, capsys):
    arguments = ["train", NETWORK, "--size", "40", "--data", str(place / "set"), "--out"]
    assert main([*arguments, str(place / "no")]) == 1
    assert "--size is 40, but the images" in capsys.readouterr().err
    assert not (place / "no" / "checkpoint.npz").exists()


def test_a_jittered_network_is_tested_at_the_scale_in_the_middle(place, no_pictures):
    out = str(place / "jitter")
    arguments = command(place, "train", "--jitter", "32", "--epochs", "1", "--out", out)
    assert main(arguments) == 0
    network = predictor.load(check(place, "jitter"), fast)
    assert network.width == 34 and network.mean.shape == (3, 36, 36)
    photos = data.load_photos(place / "set")
    history = (place / "jitter" / "history.jsonl").read_text().splitlines()
    wrong = np.argmax(predictor.predict(network, photos.test_x), axis=1) != photos.test_y
    assert wrong.mean() == json.loads(history[-1])["validation_error"]
    for views in ("10", "dense"):
        assert predictor.predict(network, photos.test_x, views).shape == (12, 3)


def test_a_scale_that_does_not_fit_leaves_no_run_behind(place, capsys):
    arguments = command(place, "train", "--jitter", "20", "--out", str(place / "no"))
    assert main(arguments) == 1
    assert "--jitter is 20; expected 32 … 36" in capsys.readouterr().err
    assert not (place / "no" / "checkpoint.npz").exists()


def test_a_run_on_other_images_is_not_resumed(place, tmp_path, capsys, no_pictures):
    arguments = command(place, "train", "--epochs", "1", "--out", str(tmp_path / "run"))
    assert main(arguments) == 0
    (tmp_path / "set").mkdir()
    for path in (place / "set").rglob("*"):
        if path.is_file():
            (tmp_path / "set" / path.relative_to(place / "set")).parent.mkdir(exist_ok=True)
            (tmp_path / "set" / path.relative_to(place / "set")).write_bytes(path.read_bytes())
    mean = np.load(tmp_path / "set" / "mean.npy")
    np.save(tmp_path / "set" / "mean.npy", mean + 1)
    arguments[arguments.index("--data") + 1] = str(tmp_path / "set")
    assert main([*arguments, "--resume", "--epochs", "2"]) == 1
    assert "to a run on other images, whose mean differs" in capsys.readouterr().err


def test_an_epsilon_changed_by_hand_stays_changed(place, tmp_path, no_pictures):
    out = tmp_path / "run"
    arguments = command(place, "train", "--out", str(out), "--epochs", "1")
    arguments.remove("0.002")
    arguments.remove("--epsilon")
    for more in ([], ["--resume", "--epsilon", "0.0005"], ["--resume"]):
        epochs = str(1 + len((out / "history.jsonl").read_text().splitlines())) if more else "1"
        assert main([*arguments, *more, "--epochs", epochs]) == 0
    lines = (out / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epsilon"] for line in lines] == [0.001, 0.0005, 0.0005]


def test_the_networks_of_other_libraries_have_one_size(place, capsys):
    arguments = ["--data", str(place / "set"), "--out", str(place / "no")]
    assert main(["train", "caffe-alexnet", *arguments]) == 1
    assert "caffe-alexnet needs images of at least 227 pixels" in capsys.readouterr().err


def test_images_too_small_for_a_network_get_its_least_size_and_theirs(place, capsys):
    arguments = ["--data", str(place / "set"), "--out", str(place / "no")]
    for name, more, sentence in (
        ("alexnet", [], "alexnet needs images of at least 64 pixels, but those of {} have 36"),
        ("vgg-c", ["--size", "31"], "vgg-c needs images of at least 32 pixels, but --size is 31"),
        ("cifar-80sec", ["--size", "7"], "cifar-80sec needs images of at least 8 pixels, but --si"),
    ):
        assert main(["train", name, *arguments, *more]) == 1
        error = capsys.readouterr().err
        assert sentence.format(place / "set") in error and error.count("\n") == 1
    assert not (place / "no" / "checkpoint.npz").exists()


def test_the_central_view_goes_without_noise(place, capsys, no_pictures):
    arguments = command(place, "train", "--view", "central", "--out", str(place / "central"))
    assert main([*arguments, "--colour-noise", "0.1"]) == 1
    assert "--view central shows images as they are" in capsys.readouterr().err
    assert main([*arguments, "--epochs", "1"]) == 0
    assert main([*arguments, "--epochs", "2", "--view", "random", "--resume"]) == 1
    assert "view = central, this one has random" in capsys.readouterr().err


def test_an_option_that_the_network_does_not_have_is_refused(place, capsys, few_images):
    arguments = ["train", "cifar-80sec", "--nonlinearity", "tanh", "--out", str(place / "no")]
    assert main(arguments) == 1
    assert "cifar-80sec has no option nonlinearity" in capsys.readouterr().err
    arguments = command(place, "train", "--init", "glorot", "--out", str(place / "no"))
    assert main(arguments) == 1
    assert (
        "init is 'glorot'; expected one of paper, cuda-convnet, fan-in" in capsys.readouterr().err
    )


def test_dropout_of_the_run_is_that_of_prediction(tmp_path, quick):
    for p, more in ((0.3, ["--dropout", "0.3"]), (0.5, [])):
        arguments = ["train", "cifar-alexnet", "--epochs", "1", "--size", "8", *more]
        assert main([*arguments, "--out", str(tmp_path / str(p))]) == 0
        network = predictor.load(tmp_path / str(p) / "checkpoint.npz", fast)
        drop = next(layer for layer in network.layers if layer.name == "dropout6")
        x = np.ones((2, 3), np.float32)
        np.testing.assert_allclose(drop.forward(x, **drop.options)[0], 1 - p, rtol=1e-6)


@pytest.mark.parametrize("network", ["cifar-2gpu", "cifar-1gpu"])
def test_the_first_losses_of_a_network_of_columns_stay_near_chance(network, tmp_path, few_images):
    """With raw pixels, up to 128, and weights scaled by fan-in they would be 37 and 84."""
    assert main(["train", network, "--epochs", "1", "--out", str(tmp_path)]) == 0
    (line,) = map(json.loads, (tmp_path / "history.jsonl").read_text().splitlines())
    assert line["loss"] < 3  # log 10 = 2.3


def test_dropout_and_std_are_for_networks_that_have_them(tmp_path, capsys, few_images):
    for option, network in (("--dropout", "cifar-four-layer"), ("--std", "cifar-alexnet")):
        assert main(["train", network, option, "0.1", "--out", str(tmp_path / "no")]) == 1
        assert f"{network} has no option {option[2:]}" in capsys.readouterr().err
    assert not (tmp_path / "no" / "checkpoint.npz").exists()


@pytest.mark.parametrize("name", [name for name in catalogue.NETWORKS if "alexnet" in name])
def test_every_alexnet_takes_a_chance_of_dropout(name):
    catalogue.check_options(name, {"dropout": 0.2})
    layers = catalogue.build(name, reference, None, dropout=0.2, hidden=6)
    assert {layer.options["p"] for layer in layers if "p" in layer.options} == {0.2}


def test_the_standard_deviation_of_alexnets_first_weights_is_an_option():
    for name in ("alexnet", "alexnet-6conv", "alexnet-1gpu"):
        catalogue.check_options(name, {"std": 0.03})
    few = {"kernels": (4, 4, 4, 4, 4), "hidden": 30, "size": 64, "std": 0.03}
    layers = catalogue.build("alexnet-1gpu", reference, np.random.default_rng(0), **few)
    assert net.parameters(layers)["fc8.w"].std() == pytest.approx(0.03, rel=0.05)
    layers = catalogue.build(name, reference, None, **few, bias=0.5)
    first = {n: b for n, b in net.parameters(layers).items() if ".b" in n}
    assert all(
        np.all(b == (0 if n[:5] in ("conv1", "conv3", "fc8.b") else 0.5)) for n, b in first.items()
    )


# When ε is divided.


@pytest.fixture
def quick(few_images, no_pictures):
    """Few images, and no pictures."""


def run_of(folder, *more):
    """Train with --divide-at 1 by 2 for two epochs, or go on; return the exit code."""
    begun = (folder / "checkpoint.npz").exists()
    plan = ("--resume",) if begun else ("--divide-at", "1", "9", "--divide-by", "2")
    epochs = () if "--epochs" in more else ("--epochs", "2")
    return main(["train", "--threads", "1", "--out", str(folder), *plan, *epochs, *more])


def epsilons(folder):
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [json.loads(line)["epsilon"] for line in lines]


def test_a_run_that_goes_on_divides_epsilon_as_it_began(tmp_path, quick, capsys):
    assert run_of(tmp_path) == 0
    assert run_of(tmp_path, "--epochs", "10") == 0
    assert epsilons(tmp_path) == [0.001] + 8 * [0.0005] + [0.00025]
    assert "ε" not in capsys.readouterr().err


def test_epochs_to_come_may_be_given_another_schedule_and_it_is_said(tmp_path, quick, capsys):
    assert run_of(tmp_path) == 0
    assert run_of(tmp_path, "--divide-at", "3", "--divide-by", "4", "--epochs", "4") == 0
    assert (
        "From epoch 3 on, ε is divided by 4 after epochs 3; "
        "until now, it is divided by 2 after epochs 1, 9."
    ) in capsys.readouterr().err
    assert run_of(tmp_path, "--epochs", "5") == 0  # and this one remembers it
    assert epsilons(tmp_path) == [0.001, 0.0005, 0.0005, 0.000125, 0.000125]
    assert run_of(tmp_path, "--divide-on-stall", "2", "--epochs", "6") == 0
    said = capsys.readouterr().err
    assert "when the validation error has not improved in 2 epochs, at most 3 times;" in said


def test_an_epoch_that_is_over_cannot_be_given_a_division(tmp_path, quick, capsys):
    assert run_of(tmp_path) == 0
    before = (tmp_path / "checkpoint.npz").read_bytes()
    assert run_of(tmp_path, "--divide-at", "1", "2", "8", "--epochs", "4") == 1
    said = capsys.readouterr().err
    assert "epoch 2 is over, and ε was not divided after it" in said and "from 3 on" in said
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    assert run_of(tmp_path, "--divide-at", "1", "8", "--epochs", "3") == 0


def test_how_often_and_by_what_epsilon_is_divided_need_a_schedule(tmp_path, quick, capsys):
    arguments = ["train", "--epochs", "1", "--out", str(tmp_path / "no")]
    assert main([*arguments, "--divide-by", "5"]) == 1
    assert "--divide-by, but nothing says when: add --divide-at" in capsys.readouterr().err
    assert main([*arguments, "--divide-at", "5", "--divide-times", "2"]) == 1
    assert "--divide-times is for --divide-on-stall" in capsys.readouterr().err
    assert not (tmp_path / "no" / "checkpoint.npz").exists()


def test_without_validation_images_no_error_can_stall(place, tmp_path, capsys, quick, monkeypatch):
    photos = data.load_photos(place / "set")
    none = photos._replace(test_x=photos.test_x[:0], test_y=photos.test_y[:0])
    monkeypatch.setattr(data, "load", lambda name: none)
    row = catalogue.NETWORKS["cifar-four-layer"]._replace(schedule=catalogue.ON_STALL)
    monkeypatch.setitem(catalogue.NETWORKS, "cifar-four-layer", row)
    arguments = ["train", "--epochs", "1", "--data", "photos", "--out", str(tmp_path)]
    assert main([*arguments, "--divide-on-stall", "2"]) == 1
    error = capsys.readouterr().err
    assert error == "minicnn: --divide-on-stall, but photos has no validation images\n"
    assert main(arguments) == 0
    assert "photos has no validation images, whose error could stall" in capsys.readouterr().err
    assert storage.load(tmp_path / "checkpoint.npz")[1]["settings"]["schedule"] == {}
    assert main([*arguments, "--resume", "--epochs", "2"]) == 0
    assert "stall" not in capsys.readouterr().err


def test_a_checkpoint_that_is_no_run_is_not_resumed(tmp_path, quick, capsys):
    storage.save(tmp_path / "checkpoint.npz", {}, {"settings": {}})
    assert main(["train", "--resume", "--out", str(tmp_path)]) == 1
    assert (
        "no run to resume, only weights: start a new run from them with --init-from"
        in capsys.readouterr().err
    )


def test_a_run_that_has_done_all_epochs_says_so(tmp_path, quick, capsys):
    assert run_of(tmp_path) == 0
    assert "adds none" not in capsys.readouterr().err
    for epochs in ("1", "2"):
        assert run_of(tmp_path, "--epochs", epochs) == 0
        said = capsys.readouterr().err
        assert f"has done 2 epochs, so --epochs {epochs} adds none; name more to go on." in said


def test_a_recipe_that_lacks_an_option_is_refused_before_the_images_are_read(monkeypatch, capsys):
    row = catalogue.NETWORKS[NETWORK]
    recipe = {name: value for name, value in row.recipe.items() if name not in ("batch", "epsilon")}
    monkeypatch.setitem(catalogue.NETWORKS, NETWORK, row._replace(recipe=recipe))
    monkeypatch.setattr(data, "load", lambda name: pytest.fail("images were read"))
    assert main(["train", NETWORK]) == 1
    assert f"the recipe of {NETWORK} lacks epsilon, batch: see PAPER" in capsys.readouterr().err
