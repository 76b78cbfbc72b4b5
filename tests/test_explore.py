"""The bundled network, and the page of `python -m minicnn explore`, also in a browser."""

import base64
import json
import math
import re
import zlib

import numpy as np
import pytest
from browser import LOOKS, complaints, faults, look, requests
from PIL import Image

from minicnn import data, fast, net, storage
from minicnn.__main__ import main
from minicnn.networks import catalogue
from minicnn.plots import explorer
from minicnn.training import evaluate, inspection, make_trained, predictor


@pytest.fixture(scope="module", autouse=True)
def fewer():
    """Two images, and the best patches of 200, which is faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minicnn.commands.explore.IMAGES", 2)
        patch.setattr(inspection, "TRAINING", 200)
        yield


@pytest.fixture(scope="module")
def trained():
    return predictor.load("trained", fast)


@pytest.fixture(scope="module")
def page(tmp_path_factory, fewer):
    """The page of two images of the sample, as `explore` writes it."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    assert main(["explore", "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def content(page):
    """What the page holds, decoded: maps and kernels become arrays of their numbers."""
    packed = re.search(r'id="data">([^<]+)<', page.read_text(encoding="utf-8"))[1]
    raw = zlib.decompress(base64.b64decode(packed))
    start = 4 + int.from_bytes(raw[:4], "little")

    def decoded(value):
        if {"type", "shape", "at"} <= value.keys():
            array = np.frombuffer(
                raw, f"<{value['type']}", math.prod(value["shape"]), start + value["at"]
            )
            return array.reshape(value["shape"])
        if value.keys() == {"codes", "scale"}:
            codes, scale = value["codes"], value["scale"]
            return codes * scale.reshape(-1, *(1,) * (codes.ndim - 1)), scale.max() / 2
        return value

    return json.loads(raw[4:start], object_hook=decoded)


# The bundled network.


def test_the_bundled_network_errs_as_often_as_it_says(trained, sample):
    errors = data.trained().errors
    probabilities = predictor.predict(trained, sample.test_x)
    assert evaluate.error(probabilities, sample.test_y) == pytest.approx(errors["sample"], abs=2e-3)
    assert abs(errors["float16"] - errors["float32"]) < 2e-3 and errors["float16"] < 0.2
    readme = storage.TRAINED.with_name("README.txt").read_text(encoding="utf-8")
    assert all(f"{share:.2%}" in readme for share in errors.values())
    page = storage.TRAINED.parents[3] / "docs" / "commands.md"
    top = page.read_text(encoding="utf-8")
    assert f"is wrong on {errors['float16']:.1%} of the 10,000" in top
    epochs = len(data.trained().history)
    assert f"after {epochs} epochs on all of" in top and f"for {epochs} epochs" in readme


def test_its_history_and_kernels_tell_how_it_learned(trained):
    bundled = data.trained()
    last = bundled.history[-1]
    assert last["validation_error"] == pytest.approx(bundled.errors["float32"], abs=1e-4)
    assert len(bundled.kernels) <= 12 and min(bundled.kernels) == 0
    assert max(bundled.kernels) == last["step"]
    weights = bundled.weights["conv1.w"]
    np.testing.assert_allclose(bundled.kernels[last["step"]], weights, atol=1e-6)
    assert weights.dtype == np.float32 and bundled.kernels[0].shape == weights.shape
    np.testing.assert_array_equal(net.parameters(trained.layers)["conv1.w"], weights)
    assert storage.TRAINED.stat().st_size < 2.7e6


def test_it_can_be_made_again_from_its_run(tmp_path, sample):
    bundled = data.trained()
    arrays = {f"w:{name}": array for name, array in bundled.weights.items()}
    arrays |= {"input:mean": bundled.mean, "input:deviation": bundled.deviation}
    facts = {"settings": bundled.settings, "history": bundled.history, "epoch": 38}
    storage.save(tmp_path / "run" / "checkpoint.npz", arrays, facts)
    for steps, kernels in bundled.kernels.items():
        np.save(tmp_path / f"conv1-{steps:06}.npy", kernels)
    few = sample._replace(test_x=sample.test_x[:50], test_y=sample.test_y[:50])
    path = tmp_path / "new" / "checkpoint.npz"
    errors = make_trained.make_trained(tmp_path / "run", tmp_path, few, few, path)
    assert errors["float32"] == errors["float16"] == errors["sample"]
    theirs, ours = storage.load(path)[0], storage.load(storage.TRAINED)[0]
    assert theirs.keys() == ours.keys()
    assert all(np.array_equal(theirs[name], ours[name]) for name in ours)
    assert "38 epochs" in (tmp_path / "new" / "README.txt").read_text(encoding="utf-8")


def test_commands_take_its_name_for_a_checkpoint(tmp_path, capsys, few_images, no_pictures):
    photograph, out = str(tmp_path / "photo.png"), str(tmp_path / "out.png")
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(photograph)
    for arguments in (
        ["predict", "trained", photograph],
        ["test", "trained"],
        ["maps", "trained", photograph, "--out", out],
        ["figure3", "trained", "--out", out],
        ["features", "trained", "--out", str(tmp_path / "features.npy")],
        ["export", "trained", str(tmp_path / "trained.npz")],
    ):
        assert main(arguments) == 0, arguments
    assert np.load(tmp_path / "features.npy").shape == (20, 512)


# The numbers of the page.


def test_maps_and_kernels_are_those_of_net_forward(content, trained, sample):
    assert [layer["name"] for layer in content["layers"]] == [la.name for la in trained.layers]
    for image, picture in zip(content["images"], sample.test_x[:2], strict=True):
        x = inspection.view_of(trained, picture[None])
        for i, (layer, (maps, half)) in enumerate(
            zip(content["layers"], image["maps"], strict=True)
        ):
            y, _ = net.forward(trained.layers[: i + 1], x)
            assert list(maps.shape) == layer["shape"]
            np.testing.assert_allclose(maps.reshape(y[0].shape), y[0], atol=half + 1e-5)
        np.testing.assert_array_equal(image["pixels"], picture)
    for i, kernel in content["kernels"].items():
        w, half = kernel["w"]
        ours = trained.layers[int(i)].params
        np.testing.assert_allclose(w.reshape(ours["w"].shape), ours["w"], atol=half)
        np.testing.assert_allclose(kernel["b"], ours["b"])


def test_the_sum_behind_a_unit_is_that_of_its_products(content, trained, sample):
    x = inspection.view_of(trained, sample.test_x[:1])
    outputs = list(net.outputs(trained.layers, x))
    k, i, j = 5, 3, 0  # at the border, where the window has zeros
    for layer, below in ((0, x), (8, outputs[7])):
        f, stride, pad = content["layers"][layer]["field"][:3]
        padded = np.pad(below[0], ((0, 0), (pad, pad), (pad, pad)))
        window = padded[:, i * stride : i * stride + f, j * stride : j * stride + f]
        products = window * trained.layers[layer].params["w"][k]
        favour, half = content["images"][0]["favour"][str(layer)]
        assert favour[k, i, j] == pytest.approx(
            products[products > 0].sum(), abs=float(half) + 1e-4
        )
        unit = outputs[layer][0, k, i, j] - trained.layers[layer].params["b"][k]
        assert products.sum() == pytest.approx(float(unit), abs=1e-4)


def test_the_answer_without_a_map_is_that_of_a_map_of_zeros(content, trained, sample):
    image, x = content["images"][1], inspection.view_of(trained, sample.test_x[1:2])
    answer = predictor.predict(trained, sample.test_x[1:2])[0]
    np.testing.assert_allclose(image["answer"], answer[image["best"]], atol=1e-6)
    assert sorted(image["without"], key=int) == [i for i in content["kernels"] if i != "18"]
    for layer, k in ((4, 90), (15, 7)):
        y, _ = net.forward(trained.layers[: layer + 1], x)
        y[:, k] = 0
        scores, _ = net.forward(trained.layers[layer + 1 :], y)
        without = fast.softmax(scores.astype(np.float64))[0][image["best"]]
        shares = image["without"][str(layer)][k] / 65535
        np.testing.assert_allclose(shares, without, atol=1e-5)


def test_a_unit_sees_its_window_and_nothing_else(content, trained):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 3, 24, 24)).astype(np.float32)
    for layer, i, j in ((0, 0, 3), (3, 5, 4), (7, 2, 1), (8, 3, 5)):
        *_, sees, step, start = content["layers"][layer]["field"]
        top, left = i * step + start, j * step + start
        inside = np.zeros((24, 24), bool)
        inside[max(0, top) : top + sees, max(0, left) : left + sees] = True
        other = rng.standard_normal(x.shape).astype(np.float32)
        y, _ = net.forward(trained.layers[: layer + 1], x)
        same, _ = net.forward(trained.layers[: layer + 1], np.where(inside, x, other))
        np.testing.assert_allclose(same[..., i, j], y[..., i, j], atol=1e-5)
        for row in (max(0, top), min(23, top + sees - 1)):  # both edges matter
            edge = x.copy()
            edge[:, :, row, inside[row]] += 9
            changed, _ = net.forward(trained.layers[: layer + 1], edge)
            assert not np.allclose(changed[..., i, j], y[..., i, j], atol=1e-5)


def test_the_best_patches_are_the_best_of_the_training_images(content, trained, sample):
    patches = content["patches"]
    assert patches["images"] == inspection.TRAINING
    x = inspection.view_of(trained, sample.train_x[: inspection.TRAINING])
    y, _ = net.forward(trained.layers[:5], x)
    sheet = inspection.best_patches(trained, sample)
    for k in (0, 17):
        order = np.argsort(-y[:, k].max(axis=(1, 2)), kind="stable")
        for rank, (number, row, column) in enumerate(patches["places"]["4"][k]):
            n = order[rank]
            assert y[n, k, row, column] == y[n, k].max()
            np.testing.assert_array_equal(sheet["views"][number], sample.train_x[n, :, 4:28, 4:28])
            assert patches["labels"][number] == sample.classes[sample.train_y[n]]


# What may be asked of the command.


def test_photographs_of_ones_own_are_shown_without_a_label(tmp_path, capsys):
    photograph, out = tmp_path / "<photo> ü.png", str(tmp_path / "page.html")
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(photograph)
    for arguments in ([str(photograph)], ["trained", str(photograph)]):
        assert main(["explore", *arguments, "--out", out]) == 0
        assert capsys.readouterr().out.startswith(f"Wrote {out}: ")


def checkpoint(path, name, **settings):
    """Write a checkpoint of an untrained network for images of 8 pixels in two classes."""
    layers = catalogue.build(name, fast, np.random.default_rng(0), size=8, classes=2)
    arrays = {f"w:{parameter}": w for parameter, w in net.parameters(layers).items()}
    arrays |= {"input:mean": np.zeros((3, 8, 8), np.float32), "input:deviation": np.float32(64)}
    described = {"network": name, "classes": ["a", "b"], "size": 8, **settings}
    storage.save(path, arrays, {"settings": described})
    return str(path)


@pytest.mark.parametrize("name", ["cifar-four-layer", "cifar-80sec", "cifar-alexnet"])
def test_other_networks_are_shown_without_patches(name, tmp_path):
    photograph, out = str(tmp_path / "photo.png"), str(tmp_path / "page.html")
    Image.fromarray(np.full((9, 9, 3), 90, np.uint8)).save(photograph)
    path = checkpoint(tmp_path / "other.npz", name)
    assert main(["explore", path, photograph, "--out", out]) == 0
    assert explorer.PAGE.beginning.decode()[-12:] in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["none.npz"], "none.npz: there is no such checkpoint"),
        (["none.png"], "none.png"),
        (["trained", "page.html", "--out", "page.html"], "in use by this command"),
        (["--out", "photo.png"], "is not a page of `minicnn explore`"),
        (["--data", "none"], "no data set or directory called 'none'"),
        (["columns.npz"], "has two columns"),
        (["other.npz"], "trained on images of 8×8 pixels"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    checkpoint("columns.npz", "cifar-2gpu")
    checkpoint("other.npz", "cifar-alexnet")
    for name in ("photo.png", "page.html"):
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(name, "PNG")
    assert main(["explore", *arguments]) == 1
    error = capsys.readouterr().err
    assert sentence in error and error.startswith("minicnn: ") and error.count("\n") == 1


# In a browser.


@pytest.fixture
def driver(chromium, page):
    """The page in a browser whose console must stay empty."""
    requests(chromium)
    yield chromium
    assert complaints(chromium) == []
    assert all(address.startswith("file:") for address in requests(chromium))


def shown(driver, selector):
    """Return the text of the first such element, once the page has been drawn."""
    from selenium.webdriver.support.wait import WebDriverWait

    find = f"return document.querySelector({selector!r})?.textContent"
    return WebDriverWait(driver, 20).until(lambda driver: driver.execute_script(find))


def press(driver, selector, *keys):
    driver.find_element("css selector", selector).send_keys(*keys)


@pytest.mark.site
@pytest.mark.parametrize("width, dark", LOOKS)
def test_the_page_shows_the_numbers_of_the_library(width, dark, driver, page, trained, sample):
    look(driver, page, width, dark=dark, touch=width < 700)
    assert "≈" in shown(driver, ".sum")
    assert faults(driver) == []
    x = inspection.view_of(trained, sample.test_x[:1])
    outputs = list(net.outputs(trained.layers, x))
    layers = driver.find_elements("css selector", ".choices:not(:has(canvas)) button")
    assert [layer.text for layer in layers] == [layer.name for layer in trained.layers]
    for layer, y in zip(layers, outputs, strict=True):
        driver.execute_script("arguments[0].click()", layer)
        assert layer.text in shown(driver, "section:last-child h2")
        value = float(shown(driver, ".sum b").replace("−", "-"))
        assert value == pytest.approx(y[0].max(), rel=0.02, abs=0.06), layer.text
    answer = predictor.predict(trained, sample.test_x[:1])[0]
    first = shown(driver, ".answer li")
    assert sample.classes[answer.argmax()] in first and f"{answer.max():.0%}" in first


@pytest.mark.site
def test_keys_and_pointer_choose_maps_and_units(driver, page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    look(driver, page)
    shown(driver, ".sum")
    title = "section:last-child h2"
    grid, single = "section:nth-child(2) canvas", "section:last-child > canvas"
    map_number = lambda: int(re.search(r"map (\d+)", shown(driver, title))[1])  # noqa: E731
    before = map_number()
    press(driver, grid, Keys.ARROW_RIGHT if before < 63 else Keys.ARROW_LEFT)
    assert abs(map_number() - before) == 1
    canvas = driver.find_element("css selector", single)
    left = -canvas.size["width"] / 2 + 5
    ActionChains(driver).move_to_element_with_offset(canvas, left, left).perform()
    assert shown(driver, title).endswith("row 0, column 0")
    press(driver, single, Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert shown(driver, title).endswith("row 1, column 2")
    assert "5×4" not in shown(driver, ".note") and "4×5" in shown(driver, ".note")
    press(driver, ".choices [aria-pressed=true]", Keys.ARROW_RIGHT)  # the next photograph
    assert "automobile ✓" in shown(driver, ".answer")
    driver.find_element("css selector", "section > button").click()
    assert "→" in shown(driver, ".answer") and "Give map" in shown(driver, "section > button")


@pytest.mark.site
def test_a_touch_chooses_a_map_and_a_unit(driver, page):
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    look(driver, page, 390, touch=True)
    shown(driver, ".sum")
    canvas = driver.find_element("css selector", "section:nth-child(2) canvas")
    driver.execute_script("arguments[0].scrollIntoView()", canvas)
    finger = ActionBuilder(driver, mouse=PointerInput("touch", "finger"))
    x = 5 - canvas.size["width"] // 2, 5 - canvas.size["height"] // 2
    finger.pointer_action.move_to(canvas, *x).pointer_down().pointer_up()
    finger.perform()
    assert re.search(r"map 0, row [01], column [01]$", shown(driver, "section:last-child h2"))
