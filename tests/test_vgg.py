"""VGG: the counts of Table 2, the rows of Table 1, right gradients, and a start from A."""

import numpy as np
import pytest

from minicnn import fast, net, reference
from minicnn.gradcheck import check_network
from minicnn.networks.summary import measure
from minicnn.networks.vgg import CONFIGURATIONS, take_from_a, vgg
from minicnn.training import train

SMALL = dict(classes=5, kernels=(3, 4, 6, 7, 8), hidden=9, size=37, init="glorot", dtype=np.float64)

# convolutions, parameters, multiply-adds
SIZES = {
    "A": (8, 132_863_336, 7_609_090_048),
    "A-LRN": (8, 132_863_336, 7_609_090_048),
    "B": (10, 133_047_848, 11_308_466_176),
    "C": (13, 133_638_952, 11_770_888_192),
    "D": (13, 138_357_544, 15_470_264_320),
    "E": (16, 143_667_240, 19_632_062_464),
}
MILLIONS = {"A": 133, "A-LRN": 133, "B": 133, "C": 134, "D": 138, "E": 144}  # the paper's Table 2


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_configuration_has_the_papers_number_of_parameters(configuration):
    sizes = measure(vgg(configuration, reference, None), (3, 224, 224))
    count = sum(size.name.startswith("conv") for size in sizes)
    parameters = sum(size.parameters for size in sizes)
    multiply_adds = sum(size.multiply_adds for size in sizes)
    assert (count, parameters, multiply_adds) == SIZES[configuration]
    assert round(parameters / 1e6) == MILLIONS[configuration]
    fully_connected = [size.parameters for size in sizes if size.name.startswith("fc")]
    assert fully_connected == [102_764_544, 16_781_312, 4_097_000]


def test_maps_keep_their_size_in_a_block_and_every_pool_halves_it():
    sizes = measure(vgg("C", reference, None), (3, 224, 224))
    shapes = {size.name: size.output[0] for size in sizes}
    assert shapes["conv1_1"] == shapes["conv1_2"] == (64, 224, 224)
    assert shapes["pool1"] == (64, 112, 112) and shapes["conv2_2"] == (128, 112, 112)
    assert shapes["pool2"] == (128, 56, 56) and shapes["conv3_3"] == (256, 56, 56)
    assert shapes["pool3"] == (256, 28, 28) and shapes["conv4_3"] == (512, 28, 28)
    assert shapes["pool4"] == (512, 14, 14) and shapes["conv5_3"] == (512, 14, 14)
    assert shapes["pool5"] == (512, 7, 7) and shapes["fc8"] == (1000,)
    assert {size.name: size.layer for size in sizes}["conv3_3"] == "conv 1×1 pad=0"


def test_rows_stand_in_the_order_of_table_1():
    end = "pool5 fc6 relu6 dropout6 fc7 relu7 dropout7 fc8"
    names = " ".join(layer.name for layer in vgg("A-LRN", reference, None, **SMALL))
    assert names == (
        "conv1_1 relu1_1 lrn1 pool1 conv2_1 relu2_1 pool2 conv3_1 relu3_1 conv3_2 relu3_2 pool3 "
        f"conv4_1 relu4_1 conv4_2 relu4_2 pool4 conv5_1 relu5_1 conv5_2 relu5_2 {end}"
    )
    c = [layer for layer in vgg("C", reference, None, **SMALL) if layer.name.startswith("conv")]
    ones = [layer.name for layer in c if layer.params["w"].shape[2:] == (1, 1)]
    assert ones == ["conv3_3", "conv4_3", "conv5_3"]
    assert sum(layer.params["w"].shape[2:] == (3, 3) for layer in c) == 10


@pytest.mark.parametrize("ops", [reference, fast], ids=["reference", "fast"])
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_every_configuration_learns_a_batch_by_heart(ops, configuration):
    rng = np.random.default_rng(0)
    layers = vgg(configuration, ops, rng, **{**SMALL, "dtype": np.float32})
    rows = net.predicting(layers, ops)  # without dropout, so that every step helps
    velocities = {
        layer.name: {name: np.zeros_like(w) for name, w in layer.params.items()} for layer in rows
    }
    before = {name: w.copy() for name, w in net.parameters(layers).items()}
    x, labels = rng.standard_normal((5, 3, 37, 37), np.float32), np.arange(5)
    losses = []
    for _ in range(4):
        loss, scores, grads = train.loss_and_gradients(rows, ops, x, labels)
        losses.append(float(loss))
        train.update(rows, ops, grads, velocities, epsilon=0.05)
    assert scores.shape == (5, 5) and scores.dtype == np.float32
    assert losses[-1] < losses[0]
    after = net.parameters(layers)
    assert all(np.any(after[name] != w) for name, w in before.items())


@pytest.mark.parametrize("configuration", ["A-LRN", "C"])
def test_gradients_agree_with_finite_differences(configuration):
    rng = np.random.default_rng(1)
    layers = vgg(configuration, reference, rng, **SMALL)
    for w in net.parameters(layers).values():  # so small a network needs larger weights
        w += 0.1 * rng.standard_normal(w.shape) if w.ndim == 1 else w / 2
    x, labels = rng.standard_normal((2, 3, 37, 37)), np.array([4, 1])
    report = check_network(layers, x, labels, reference, max_entries=3)
    assert report.ok, report


def test_dropout_draws_from_the_rng_that_drew_the_weights():
    rng = np.random.default_rng(2)
    layers = vgg("B", reference, rng, **SMALL)
    assert all(layer.options["rng"] is rng for layer in layers if "rng" in layer.options)
    assert sum("rng" in layer.options for layer in layers) == 2
    with pytest.raises(TypeError, match="dropout6: dropout: rng is None"):
        net.forward(vgg("B", reference, None, **SMALL), np.zeros((1, 3, 37, 37)))


def test_first_weights_have_the_variance_asked_for():
    few = dict(kernels=(64, 64, 64, 64, 64), hidden=300, size=64)
    for init in ("paper", "glorot"):
        layers = vgg("C", reference, np.random.default_rng(3), init=init, **few)
        params = {layer.name: layer.params for layer in layers if layer.params}
        assert all(np.all(p["b"] == 0) for p in params.values())
        variance = {name: p["w"].var() for name, p in params.items()}
        ask = {
            "conv1_1": 2 / (9 * 3 + 9 * 64),
            "conv3_3": 2 / (64 + 64),
            "fc6": 2 / (64 * 2 * 2 + 300),
        }
        for name, glorot in ask.items():
            expected = 0.01 if init == "paper" else glorot
            assert variance[name] == pytest.approx(expected, rel=0.15), (init, name)


@pytest.mark.parametrize("configuration", ["B", "C", "D", "E"])
def test_a_deeper_network_starts_from_four_convolutions_and_the_fully_connected_layers_of_a(
    configuration,
):
    a = vgg("A", reference, np.random.default_rng(4), **SMALL)
    for w in net.parameters(a).values():
        w += 1  # it has learned something, biases too
    layers = vgg(configuration, reference, np.random.default_rng(5), **SMALL)
    before = {name: w.copy() for name, w in net.parameters(layers).items()}
    take_from_a(layers, a)
    theirs, after = net.parameters(a), net.parameters(layers)
    taken = {name for name in after if name in theirs and np.array_equal(after[name], theirs[name])}
    rows = ("conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8")
    assert taken == {f"{name}.{letter}" for name in rows for letter in "wb"}
    assert all(np.array_equal(w, after[name]) for name, w in before.items() if name not in taken)
    first_four = [layer.name for layer in a if layer.name.startswith("conv")][:4]
    assert first_four == list(rows[:4])
    after["fc7.w"] += 1  # a copy: what one network learns from here on, the other does not
    assert not np.array_equal(after["fc7.w"], theirs["fc7.w"])


def test_nothing_is_taken_from_an_a_that_does_not_fit():
    layers = vgg("D", reference, np.random.default_rng(6), **SMALL)
    before = {name: w.copy() for name, w in net.parameters(layers).items()}
    other_classes = vgg("A", reference, np.random.default_rng(7), **{**SMALL, "classes": 6})
    with pytest.raises(ValueError, match=r"fc8.w is \(6, 9\) in a and \(5, 9\) in layers; build"):
        take_from_a(layers, other_classes)
    with pytest.raises(ValueError, match="a has no conv3_2.w; expected the layers of a VGG"):
        take_from_a(layers, [row for row in other_classes if row.name != "conv3_2"])
    with pytest.raises(ValueError, match="layers has no conv1_1.w"):
        take_from_a(layers[1:], vgg("A", reference, None, **SMALL))
    assert all(np.array_equal(w, before[name]) for name, w in net.parameters(layers).items())


def test_what_cannot_be_built_is_named():
    for wrong, sentence in (
        (dict(configuration="F"), "configuration is 'F'; expected one of A, A-LRN, B, C, D, E"),
        (dict(init="he"), "init is 'he'; expected one of paper, glorot"),
        (dict(size=31), "size = 31; expected at least 32"),
        (dict(kernels=(2, 3)), "kernels has 2 numbers; expected 5"),
    ):
        arguments = {"configuration": "A", **SMALL, **wrong}
        with pytest.raises(ValueError, match=sentence):
            vgg(ops=reference, rng=np.random.default_rng(8), **arguments)
