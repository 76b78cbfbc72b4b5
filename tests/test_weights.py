"""Weights of other libraries give the same scores here, and no file can do harm or be mistaken."""

import builtins
import io
import json
import math
import os
import pickle
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from minicnn import net, reference, storage
from minicnn.__main__ import main
from minicnn.checks import is_class_name
from minicnn.net import gaussian, row
from minicnn.networks import catalogue, cifar, other_alexnets
from minicnn.networks.alexnet import alexnet
from minicnn.training import predictor
from minicnn.weights import conventions, exchange, provenance
from minicnn.weights.formats import caffemodel, npy_pickle, safetensors

KERNELS, HIDDEN, CLASSES = (4, 8, 12, 16, 6), 10, 5
SMALL = dict(kernels=KERNELS, hidden=HIDDEN, classes=CLASSES, std=0.1)
CAFFE = {"caffe": other_alexnets.caffe_alexnet, "caffenet": other_alexnets.caffenet}
CAFFE_ORDER = "conv1 lrn1 pool1 conv2 lrn2 pool2 conv3 conv4 conv5 pool5 fc6 fc7 fc8"
CAFFENET_ORDER = "conv1 pool1 lrn1 conv2 pool2 lrn2 conv3 conv4 conv5 pool5 fc6 fc7 fc8"


def rows(table, seed=0, dtype=np.float64, **options):
    return table(reference, np.random.default_rng(seed), dtype=dtype, **{**SMALL, **options})


def drawn(layers, seed=7):
    """Return random float32 weights in the shapes of the rows: {"conv1": [w, b], …}."""
    rng = np.random.default_rng(seed)
    lists = {}
    for layer in layers:
        if layer.params:
            w, b = layer.params["w"], layer.params["b"]
            std = 1 / math.sqrt(w[0].size)
            first = std * rng.standard_normal(w.shape, np.float32)
            lists[layer.name] = [first, 0.1 * rng.standard_normal(b.shape, np.float32)]
    return lists


def images(size, seed=3, N=2):
    return np.random.default_rng(seed).uniform(0, 255, (N, 3, size, size))


def predict(layers, x):
    scores, _ = net.forward(net.predicting(layers, reference), x)
    return scores


# Small writers of the formats: nothing here is shared with the readers.


def varint(n):
    n &= (1 << 64) - 1  # negative numbers, as protobuf has them
    text = b""
    while n >= 0x80:
        text += bytes([n & 0x7F | 0x80])
        n >>= 7
    return text + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(8 * number) + varint(value)
    return varint(8 * number + 2) + varint(len(value)) + value


RAW = {"<f8": 0, "<f4": 1, "<f2": 2}


def blob(array, style="new"):
    numbers = array.astype("<f4").tobytes()
    if style == "new":
        return field(7, field(1, b"".join(map(varint, array.shape)))) + field(5, numbers)
    if style == "double":  # and dim number by number
        shape = b"".join(field(1, n) for n in array.shape)
        return field(8, array.astype("<f8").tobytes()) + field(7, shape)
    if style in RAW:  # NVIDIA's Caffe
        shape = field(7, field(1, b"".join(map(varint, array.shape))))
        return shape + field(10, RAW[style]) + field(12, array.astype(style).tobytes())
    sizes = (1,) * (4 - array.ndim) + array.shape
    old = b"".join(field(i, n) for i, n in enumerate(sizes, start=1))
    if style == "old":
        return old + field(6, bytes(8)) + field(5, numbers)  # diff comes first, and is skipped
    packed_off = b"".join(varint(8 * 5 + 5) + numbers[i : i + 4] for i in range(0, len(numbers), 4))
    return old + packed_off


TYPES = {"conv": ("Convolution", 4), "fc": ("InnerProduct", 14), "lrn": ("LRN", 15)}
TYPES |= {"pool": ("Pooling", 17), "relu": ("ReLU", 18)}


def caffe_file(lists, order=CAFFE_ORDER, style="new"):
    """Return a .caffemodel; style "old" and "unpacked" have it in field layers, as until 2014."""
    new = style not in ("old", "unpacked")
    message = field(1, b"AlexNet") + field(100 if new else 2, b"")
    for name in f"data {order} prob".split():
        kind = TYPES.get(name.rstrip("0123456789_"))
        blobs = [blob(array, style) for array in lists.get(name, [])]
        if new:
            layer = field(1, name.encode()) + (field(2, kind[0].encode()) if kind else b"")
            message += field(100, layer + b"".join(field(7, q) for q in blobs))
        else:
            layer = field(2, b"bottom") + field(4, name.encode())
            layer += (field(5, kind[1]) if kind else b"") + b"".join(field(6, q) for q in blobs)
            message += field(2, layer)
    return message


def npy(program):
    """Return an .npy file whose object is described by this pickle."""
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + program


def python2_array(content, shape, dtype, fortran=False):
    """Return the instructions with which Python 2 pickles an array, protocol 2."""
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
        + shape
        + b"cnumpy\ndtype\nU\x02" + dtype + b"K\x00K\x01\x87R(K\x03U\x01"
        + (b"|" if dtype == b"O8" else b"<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK"
        + (b"?" if dtype == b"O8" else b"\x00")
        + b"tb"
        + (b"\x88" if fortran else b"\x89")
        + content
        + b"tb"
    )  # fmt: skip


def python2(lists):
    """Return {"conv1": [w, b]} as np.save of Python 2 writes it."""
    program = b"}q\x01("
    for name, values in lists.items():
        program += b"U" + bytes([len(name)]) + name.encode() + b"]("
        for array in values:
            fortran = array.flags.f_contiguous and not array.flags.c_contiguous
            content = array.astype("<f4").tobytes("F" if fortran else "C")
            shape = b"(" + b"".join(b"J" + struct.pack("<i", n) for n in array.shape) + b"t"
            text = b"T" + struct.pack("<i", len(content)) + content
            program += python2_array(text, shape, b"f4", fortran)
        program += b"e"
    program += b"u"
    return npy(b"\x80\x02" + python2_array(b"]" + program + b"a", b")", b"O8") + b".")


def by_numpy(lists, protocol=None):
    """Return the same as NumPy of Python 3 writes it."""
    whole = np.empty((), object)
    whole[()] = lists
    if protocol is not None:
        return npy(pickle.dumps(whole, protocol))
    file = io.BytesIO()
    np.save(file, whole, allow_pickle=True)
    return file.getvalue()


def safe_file(header, rest=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + rest


def entry(shape, start, stop, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def tensorflow_layout(lists, maps=6):
    """Return weights as a converter for TensorFlow leaves them; fc6 flattens maps of this width."""
    turned = {}
    for name, (w, b) in lists.items():
        if w.ndim == 4:
            w = w.transpose(2, 3, 1, 0)
        elif name == "fc6":
            K, D = w.shape
            w = w.reshape(K, D // maps**2, maps, maps).transpose(2, 3, 1, 0).reshape(D, K)
        else:
            w = w.T
        turned[name] = [w, b]
    return turned


def saved(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


# Scores


def caffe_scores(lists, x_rgb, mean, order):
    """Return the scores of Caffe's network, computed by PyTorch from its documentation."""
    torch = pytest.importorskip("torch", reason="an extra oracle, never required")
    functional = torch.nn.functional
    x = torch.tensor((x_rgb - mean)[:, ::-1].copy())  # Caffe sees blue, green, red
    q = {name: [torch.tensor(a, dtype=torch.float64) for a in lists[name]] for name in lists}
    pads, groups = {"conv1": 0, "conv2": 2}, {"conv2": 2, "conv4": 2, "conv5": 2}
    for name in order.split():
        if name.startswith("conv"):
            stride = 4 if name == "conv1" else 1
            pad, group = pads.get(name, 1), groups.get(name, 1)
            x = torch.relu(functional.conv2d(x, *q[name], stride, pad, groups=group))
        elif name.startswith("lrn"):
            x = functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)
        elif name.startswith("pool"):
            x = functional.max_pool2d(x, 3, 2)
        else:
            x = functional.linear(x.flatten(1), *q[name])
            x = x if name == "fc8" else torch.relu(x)
    return x.numpy()


@pytest.mark.parametrize("style", ["caffemodel", "npy"])
@pytest.mark.parametrize("name", CAFFE)
def test_caffes_networks_give_the_same_scores(tmp_path, name, style):
    layers = rows(CAFFE[name])
    lists = drawn(layers)
    order = CAFFENET_ORDER if name == "caffenet" else CAFFE_ORDER
    if style == "caffemodel":
        path = saved(tmp_path, "net.caffemodel", caffe_file(lists, order))
    else:
        path = saved(tmp_path, "net.npy", python2(tensorflow_layout(lists)))
    mean = exchange.load(layers, path)
    assert mean.shape == (3, 1, 1) and mean[0] > mean[1] > mean[2]  # red, green, blue
    x = images(227)
    expected = caffe_scores(lists, x, mean, order)
    np.testing.assert_allclose(predict(layers, x - mean), expected, rtol=1e-10, atol=1e-12)
    other = rows(CAFFE["caffe" if name == "caffenet" else "caffenet"])
    storage.copy_into(net.parameters(other), net.parameters(layers), "here")
    assert not np.allclose(predict(other, x - mean), expected, rtol=1e-3)  # ANOTHER network


def torchvision_network(torch, kernels=KERNELS, hidden=HIDDEN, classes=CLASSES):
    """Return torchvision's alexnet for images of 224 pixels, in eval mode and float64."""
    nn, (K1, K2, K3, K4, K5) = torch.nn, kernels
    network = nn.Sequential()
    network.features = nn.Sequential(
        nn.Conv2d(3, K1, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(K1, K2, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(K2, K3, 3, padding=1), nn.ReLU(),
        nn.Conv2d(K3, K4, 3, padding=1), nn.ReLU(),
        nn.Conv2d(K4, K5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    network.avgpool = nn.Sequential(nn.AdaptiveAvgPool2d((6, 6)), nn.Flatten())
    network.classifier = nn.Sequential(
        nn.Dropout(), nn.Linear(K5 * 36, hidden), nn.ReLU(),
        nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes),
    )  # fmt: skip
    return network.double().eval()


def torchvision_input(torch, x):
    mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).reshape(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).reshape(3, 1, 1)
    return (torch.tensor(x) / 255 - mean) / deviation


@pytest.mark.parametrize("suffix", ["safetensors", "npz", "pth"])
def test_torchvisions_alexnet_gives_the_same_scores(tmp_path, suffix):
    torch = pytest.importorskip("torch", reason="an extra oracle, never required")
    torch.manual_seed(4)
    network = torchvision_network(torch)
    arrays = {name: q.numpy() for name, q in network.state_dict().items()}
    path = tmp_path / f"alexnet.{suffix}"
    if suffix == "pth":
        torch.save(network.state_dict(), path)
    else:
        exchange.write(path, arrays)
    layers = rows(other_alexnets.torchvision_alexnet)
    mean = exchange.load(layers, path)
    x = images(224)
    with torch.no_grad():
        expected = network(torchvision_input(torch, x)).numpy()
    np.testing.assert_allclose(predict(layers, x - mean), expected, rtol=1e-6, atol=1e-7)
    exact = (255 * np.array([0.485, 0.456, 0.406])).reshape(3, 1, 1)
    np.testing.assert_allclose(predict(layers, x - exact), expected, rtol=1e-11, atol=1e-13)


def test_torchvision_has_no_names_for_normalization():
    layers = rows(other_alexnets.caffenet)
    with pytest.raises(ValueError, match="torchvision has no such network: lrn1 is lrn"):
        conventions.as_torchvision(layers, net.parameters(layers))


def test_conv1_of_torchvision_sees_the_same_in_another_scale(tmp_path):
    layers = rows(other_alexnets.torchvision_alexnet)
    lists = drawn(layers)
    (w, b), x = lists["conv1"], images(19)
    named = conventions.as_torchvision(layers, net.parameters(layers))
    named |= {"features.0.weight": w, "features.0.bias": b}
    exchange.write(tmp_path / "a.npz", named)
    exchange.load(layers, tmp_path / "a.npz")
    mean = np.array([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    scaled = (x / 255 - mean) / np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    theirs, _ = reference.conv_forward(scaled, w.astype(float), b.astype(float), stride=4, pad=2)
    ours, _ = layers[0].forward(x - 255 * mean, *layers[0].params.values(), **layers[0].options)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_weights_from_here_run_in_pytorch(tmp_path):
    torch = pytest.importorskip("torch", reason="an extra oracle, never required")
    layers = rows(other_alexnets.torchvision_alexnet, seed=5)
    named = conventions.as_torchvision(layers, net.parameters(layers))
    exchange.write(tmp_path / "out.safetensors", named)
    read = safetensors.read((tmp_path / "out.safetensors").read_bytes())
    network = torchvision_network(torch)
    network.load_state_dict({name: torch.tensor(q) for name, q in read.items()}, strict=True)
    x = images(224)
    exact = (255 * np.array([0.485, 0.456, 0.406])).reshape(3, 1, 1)
    with torch.no_grad():
        scores = network(torchvision_input(torch, x)).numpy()
    np.testing.assert_allclose(scores, predict(layers, x - exact), rtol=1e-11, atol=1e-13)
    again = rows(other_alexnets.torchvision_alexnet, seed=6)
    exchange.load(again, tmp_path / "out.safetensors")
    for name, array in net.parameters(again).items():
        np.testing.assert_allclose(array, net.parameters(layers)[name], rtol=1e-15)


def test_dropout_that_divides_in_training_is_ours_with_other_weights():
    """Not a bit differs, in training and in prediction, from what the library computes."""
    ours = rows(other_alexnets.torchvision_alexnet, seed=8)
    theirs = [layer._replace(params=dict(layer.params)) for layer in ours]
    for name, factor in conventions.factors("torchvision", ours).items():
        layer = next(layer for layer in theirs if f"{layer.name}.w" == name)
        if name == "conv1.w":
            continue  # here both see the same images
        layer.params["w"] = layer.params["w"] / factor

    def inverted_forward(x, p, rng):
        y, cache = reference.dropout_forward(x, p, rng)
        return y / (1 - p), cache

    x = images(224) - 120
    inverted = [
        layer._replace(forward=inverted_forward) if "rng" in layer.options else layer
        for layer in theirs
    ]
    state = ours[13].options["rng"].bit_generator.state  # both lists draw from it
    expected, _ = net.forward(inverted, x)
    ours[13].options["rng"].bit_generator.state = state
    scores, _ = net.forward(ours, x)
    assert np.array_equal(scores, expected) and scores.std() > 0
    without = [layer for layer in theirs if "rng" not in layer.options]
    assert np.array_equal(predict(ours, x), net.forward(without, x)[0])


def test_torchvisions_alexnet_has_61_100_840_parameters():
    layers = catalogue.build("torchvision-alexnet", reference, None)
    assert net.count_parameters(layers) == 61_100_840


def test_caffes_networks_have_alexnets_parameters():
    three = [rows(alexnet, size=227), *map(rows, CAFFE.values())]
    shapes = [{name: q.shape for name, q in net.parameters(layers).items()} for layers in three]
    assert shapes[0] == shapes[1] == shapes[2]


@pytest.mark.parametrize("table, size", [
    (other_alexnets.caffe_alexnet, 227),
    (other_alexnets.caffenet, 227),
    (other_alexnets.torchvision_alexnet, 224),
])  # fmt: skip
def test_maps_are_55_pixels_wide_at_first_and_6_at_last(table, size):
    layers, q = rows(table), images(size, N=1)
    shapes = {}
    for layer in layers:
        q, _ = net.forward([layer], q)
        shapes[layer.name] = q.shape
    assert shapes["conv1"] == (1, KERNELS[0], 55, 55) and shapes["pool5"] == (1, KERNELS[4], 6, 6)
    assert shapes["fc8"] == (1, CLASSES)


# VGG: rows that this file makes; the reading needs their names and shapes alone


def vgg_rows(seed=0):
    rng = np.random.default_rng(seed)
    draw = {
        "conv1_1": (4, 3, 3, 3), "conv1_2": (4, 4, 3, 3), "conv2_1": (6, 4, 3, 3),
        "fc6": (9, 6 * 4 * 4), "fc7": (9, 9), "fc8": (5, 9),
    }  # fmt: skip
    order = "conv1_1 relu1_1 conv1_2 relu1_2 pool1 conv2_1 relu2_1 pool2 "
    order += "fc6 relu6 dropout6 fc7 relu7 dropout7 fc8"
    layers = []
    for name in order.split():
        kind = name.rstrip("0123456789_")
        options = {"conv": {"pad": 1}, "pool": {"z": 2, "s": 2}}.get(kind, {})
        if kind == "dropout":
            options = {"p": 0.5, "rng": rng}
        params = gaussian(rng, draw[name], 0.3, 0.1, np.float64) if name in draw else None
        layers.append(row(name, reference, kind, params, **options))
    return layers


def test_vgg_is_read_by_the_order_of_its_layers(tmp_path):
    torch = pytest.importorskip("torch", reason="an extra oracle, never required")
    nn = torch.nn
    network = nn.Sequential()
    network.features = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2, 2), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
    )  # fmt: skip
    network.flat = nn.Flatten()
    network.classifier = nn.Sequential(
        nn.Linear(96, 9), nn.ReLU(), nn.Dropout(), nn.Linear(9, 9), nn.ReLU(), nn.Dropout(),
        nn.Linear(9, 5),
    )  # fmt: skip
    network = network.double().eval()
    arrays = {name: q.numpy() for name, q in network.state_dict().items()}
    backwards = dict(reversed(arrays.items()))  # the order in the file does not count
    exchange.write(tmp_path / "vgg.safetensors", backwards)
    layers = vgg_rows()
    exchange.load(layers, tmp_path / "vgg.safetensors")
    x = images(16)
    exact = (255 * np.array([0.485, 0.456, 0.406])).reshape(3, 1, 1)
    with torch.no_grad():
        expected = network(torchvision_input(torch, x)).numpy()
    np.testing.assert_allclose(predict(layers, x - exact), expected, rtol=1e-11, atol=1e-13)
    named = conventions.as_torchvision(layers, net.parameters(layers))
    assert set(named) == set(arrays)
    for name, array in named.items():
        np.testing.assert_allclose(array, arrays[name], rtol=1e-15)


@pytest.mark.parametrize("letter, features", [
    ("a", "0 3 6 8 11 13 16 18"),
    ("b", "0 2 5 7 10 12 15 17 20 22"),
    ("d", "0 2 5 7 10 12 14 17 19 21 24 26 28"),
    ("e", "0 2 5 7 10 12 14 16 19 21 23 25 28 30 32 34"),
])  # fmt: skip
def test_vggs_own_tables_have_torchvisions_names(letter, features):
    """vgg11, vgg13, vgg16 and vgg19: cfgs A, B, D and E of torchvision/models/vgg.py."""
    small = dict(kernels=(2, 3, 4, 5, 6), hidden=7, classes=5)
    layers = catalogue.build(f"vgg-{letter}", reference, np.random.default_rng(0), **small)
    named = conventions.as_torchvision(layers, net.parameters(layers))
    expected = [f"features.{i}" for i in features.split()]
    expected += ["classifier.0", "classifier.3", "classifier.6"]
    assert list(named) == [f"{name}.{word}" for name in expected for word in ("weight", "bias")]
    assert np.array_equal(named["classifier.3.weight"], net.parameters(layers)["fc7.w"] / 2)
    assert np.array_equal(named["classifier.0.weight"], net.parameters(layers)["fc6.w"])


def test_vgg_of_caffe_is_read_by_name_in_both_layouts(tmp_path):
    layers = vgg_rows()
    lists = drawn(layers)
    order = "conv1_1 conv1_2 pool1 conv2_1 pool2 fc6 fc7 fc8"
    one = saved(tmp_path, "vgg.npy", by_numpy(lists))
    two = saved(tmp_path, "turned.npy", by_numpy(tensorflow_layout(lists, maps=4)))
    mean = exchange.load(layers, one)
    assert mean.ravel().tolist() == [123.68, 116.779, 103.939]  # VGG's own
    params = {name: array.copy() for name, array in net.parameters(layers).items()}
    assert np.array_equal(params["conv1_1.w"], lists["conv1_1"][0][:, ::-1])
    assert np.array_equal(params["fc6.w"], lists["fc6"][0])
    assert np.array_equal(params["fc7.w"], 2 * lists["fc7"][0])
    assert np.array_equal(params["fc8.w"], 2 * lists["fc8"][0])
    again = vgg_rows(seed=1)
    exchange.load(again, two)
    assert all(np.array_equal(q, params[name]) for name, q in net.parameters(again).items())
    exchange.load(again, saved(tmp_path, "vgg.caffemodel", caffe_file(lists, order, "old")))
    assert all(np.array_equal(q, params[name]) for name, q in net.parameters(again).items())


# What others change: pixels, names of layers, the mean


def test_caffes_pixels_may_come_under_torchvisions_names(tmp_path):
    """As VGG's own weights do that were converted for PyTorch."""
    layers, again = vgg_rows(), vgg_rows(seed=1)
    lists = drawn(layers)
    mean = exchange.load(layers, saved(tmp_path, "a.npy", by_numpy(lists)))
    places = "features.0 features.2 features.5 classifier.0 classifier.3 classifier.6".split()
    named = {
        f"{place}.{word}": q
        for place, arrays in zip(places, lists.values(), strict=True)
        for word, q in zip(("weight", "bias"), arrays, strict=True)
    }
    exchange.write(tmp_path / "b.safetensors", named)
    assert np.array_equal(exchange.load(again, tmp_path / "b.safetensors", "Caffe"), mean)
    for name, array in net.parameters(layers).items():
        assert np.array_equal(net.parameters(again)[name], array)
    for pixels, expected in ((None, 123.675), ("torchvision", 123.675)):
        assert exchange.load(again, tmp_path / "b.safetensors", pixels)[0] == expected
    assert not np.allclose(net.parameters(layers)["conv1_1.w"], net.parameters(again)["conv1_1.w"])
    exchange.load(layers, tmp_path / "a.npy", "torchvision")
    for name, array in net.parameters(again).items():
        assert np.array_equal(net.parameters(layers)[name], array)
    exchange.write(tmp_path / "c.npz", net.parameters(layers))
    for path, pixels in (("c.npz", "Caffe"), ("a.npy", "caffe")):
        with pytest.raises(ValueError, match="pixels is"):
            exchange.load(again, tmp_path / path, pixels)


@pytest.mark.parametrize("last", ["fc8_flickr", "fc8-20", "score/a.b", "classifier.6.1", "head"])
def test_a_last_layer_that_was_renamed_is_found(tmp_path, last):
    table = "torchvision_alexnet" if last in ("classifier.6.1", "head") else "caffe_alexnet"
    layers = rows(getattr(other_alexnets, table))
    lists = drawn(layers)
    if table == "caffe_alexnet":
        lists[last] = lists.pop("fc8")
        path = saved(tmp_path, "a.caffemodel", caffe_file(lists, CAFFE_ORDER.replace("fc8", last)))
        exchange.load(layers, saved(tmp_path, "a.npy", by_numpy(lists)))
        expected = {name: q.copy() for name, q in net.parameters(layers).items()}
    else:
        arrays = torchvision_arrays()
        exchange.load(layers, saved(tmp_path, "b.pth", torch_file(arrays)))
        expected = {name: q.copy() for name, q in net.parameters(layers).items()}
        for word in ("weight", "bias"):
            arrays[f"{last}.{word}"] = arrays.pop(f"classifier.6.{word}")
        path = saved(tmp_path, "a.pth", torch_file(arrays))
    again = rows(getattr(other_alexnets, table), seed=1)
    exchange.load(again, path)
    for name, array in net.parameters(again).items():
        assert np.array_equal(array, expected[name])


def test_of_two_layers_that_may_be_the_last_one_none_is_taken(tmp_path):
    lists = drawn(rows(other_alexnets.caffe_alexnet))
    lists |= {"fc8_a": lists["fc8"], "fc8_b": lists.pop("fc8")}
    text = mismatch(rows(other_alexnets.caffe_alexnet), saved(tmp_path, "a.npy", by_numpy(lists)))
    assert text.endswith("it has no array for fc8.w, only fc8_a.w, fc8_a.b, fc8_b.w, fc8_b.b")


BLUE_FIRST = np.arange(3 * 256 * 256, dtype="<f4").reshape(3, 256, 256) % 251
MEANS = {  # --mean → red, green, blue; written as a file if it has a name
    "1,2.5,3": (None, [1, 2.5, 3]),
    "1 2.5 255": (None, [1, 2.5, 255]),
    "mean.binaryproto": (blob(BLUE_FIRST[None]), BLUE_FIRST[::-1]),
    "old.binaryproto": (blob(BLUE_FIRST, "old"), BLUE_FIRST[::-1]),
    "mean.npy": (BLUE_FIRST.astype(float), BLUE_FIRST[::-1]),
    "colour.npy": (np.array([9, 8, 7.0]), [7, 8, 9]),
    "1,2": (None, "--mean 1,2: expected red, green and blue, such as"),
    "-1,2,3": (None, "--mean -1,2,3: expected red, green and blue"),
    "1,2,256": (None, "--mean 1,2,256: expected numbers of 0 … 255"),
    "0.485,0.456,0.406": (None, "is for pixels of 0 … 1; expected 255 times as much"),
    "small.npy": (BLUE_FIRST[:, :99, :99], "H at least 227; its colour alone is --mean 125.447,"),
    "grey.npy": (BLUE_FIRST[0], "grey.npy: the mean has shape (256, 256)"),
    "nan.npy": (np.full(3, np.nan), "expected numbers of 0 … 255"),
    "no.binaryproto": (b"no", "no.binaryproto: "),
    "no.npy": (b"no", "no.npy: it does not begin like an .npy file"),
}  # fmt: skip


@pytest.mark.parametrize("text", MEANS)
def test_another_mean_can_be_told(tmp_path, capsys, small_networks, monkeypatch, text):
    content, expected = MEANS[text]
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        saved(tmp_path, text, content)
    elif content is not None:
        np.save(text, content)
    weights_file, out = caffe_weights(tmp_path), tmp_path / "out.npz"
    arguments = ["import", str(weights_file), str(out), "--network", "caffe-alexnet"]
    mean = text.split() if " " in text else [text]
    code = main([*arguments, "--mean", *mean] if text[0] != "-" else [*arguments, f"--mean={text}"])
    if isinstance(expected, str):
        assert code == 1 and expected in capsys.readouterr().err and not out.exists()
        return
    image, _ = storage.load(out)
    colours = np.reshape(expected, (3, -1))
    assert np.array_equal(image["input:mean"].reshape(3, -1), colours + np.zeros((3, 256 * 256)))


CLASSES_FILES = {  # → the names, or what the refusal says
    "plain": (b"a\nb\nc d\n", ["a", "b", "c d"]),
    "without an end": (b"a\nb", ["a", "b"]),
    "Windows": (b"\xef\xbb\xbfa\r\nb\r\n", ["a", "b"]),
    "old Macintosh": (b"a\rb\r", ["a", "b"]),
    "blank lines at the end": (b"a\nb\n\n \n", ["a", "b"]),
    "UTF-16": ("\ufeffa\nö\n".encode("utf-16-le"), ["a", "ö"]),
    "UTF-16, the other way": ("\ufeffa\r\nö\r\n".encode("utf-16-be"), ["a", "ö"]),
    "spaces of all kinds": ("東京\u3000タワー\nn\xa0b\n".encode(), ["東京\u3000タワー", "n\xa0b"]),
    "nothing": (b"", "is empty; expected the name of one class per line"),
    "a mark alone": (b"\xef\xbb\xbf\n", "is empty; expected the name of one class per line"),
    "a blank line": (b"a\n\nb\n", ", line 2, is empty; expected the name of a class"),
    "Latin-1": (b"a\n\xe9t\xe9\n", ", line 2, is not text in UTF-8; save"),
    "UTF-16 without a mark": ("a\nb\n".encode("utf-16-le"), r", line 1, is 'a\x00'; expected the"),
    "half of UTF-16": (b"\xff\xfea\x00b", "is not text in UTF-"),
    "binary": (b"\x7fELF\x02\x01\x01\x00\xff", ", line 1, is not text in UTF-8"),
    "columns": (b"a\tb\n", r", line 1, is 'a\tb'; expected the name of a class, without control"),
    "a line separator": ("a\u2028b\n".encode(), r", line 1, is 'a\u2028b'; expected the name"),
}  # fmt: skip


@pytest.mark.parametrize("case", CLASSES_FILES)
def test_a_list_of_classes_is_read_or_refused_by_its_line(tmp_path, case):
    content, expected = CLASSES_FILES[case]
    path = saved(tmp_path, "classes.txt", content)
    if isinstance(expected, list):
        assert provenance.read_classes(path) == expected
        return
    with pytest.raises(ValueError) as refused:
        provenance.read_classes(path)
    assert str(refused.value).startswith(f"{path}") and expected in str(refused.value)


# The readers


def test_safetensors_holds_what_was_written_by_hand():
    numbers = np.array([1.5, -2, 3, 0.25, 7, -0.5])
    rest = numbers[:2].astype("<f2").tobytes() + numbers[2:5].astype("<f8").tobytes()
    rest += b"\xc0\x3f\x20\xc1"  # 1.5 and -10 in bfloat16, the upper halves of their float32
    rest += numbers.astype("<f4").tobytes() + np.float32(9).tobytes()
    header = {
        "__metadata__": {"format": "pt"},
        "scalar": entry([], 56, 60),
        "half": entry([2, 1], 0, 4, "F16"),
        "double": entry([3], 4, 28, "F64"),
        "brain": entry([2], 28, 32, "BF16"),
        "single": entry([2, 3], 32, 56),
    }
    arrays = safetensors.read(safe_file(json.dumps(header).encode() + b"   ", rest))
    assert {name: q.dtype.name for name, q in arrays.items()} == {
        "half": "float32", "double": "float64", "brain": "float32", "single": "float32",
        "scalar": "float32",
    }  # fmt: skip
    assert arrays["half"].tolist() == [[1.5], [-2]] and arrays["double"].tolist() == [3, 0.25, 7]
    assert arrays["brain"].tolist() == [1.5, -10] and arrays["scalar"] == 9
    assert np.array_equal(arrays["single"], numbers.reshape(2, 3))


def test_bfloat16_is_read_as_pytorch_reads_it():
    torch = pytest.importorskip("torch", reason="an extra oracle, never required")
    tensor = torch.randn(5, 7, generator=torch.Generator().manual_seed(1)).to(torch.bfloat16)
    rest = tensor.view(torch.int16).numpy().tobytes()
    arrays = safetensors.read(safe_file({"q": entry([5, 7], 0, 70, "BF16")}, rest))
    assert np.array_equal(arrays["q"], tensor.float().numpy())


def test_what_is_written_as_safetensors_is_as_the_format_says():
    rng = np.random.default_rng(2)
    arrays = {
        "conv1.w": rng.standard_normal((2, 3, 5, 5), np.float32)[:, ::-1],
        "b": np.arange(3.0),
    }
    file = io.BytesIO()
    safetensors.write(file, arrays)
    data = file.getvalue()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0 and data[8:9] == b"{"
    assert header == {"conv1.w": entry([2, 3, 5, 5], 0, 600), "b": entry([3], 600, 624, "F64")}
    assert data[8 + length : 608 + length] == arrays["conv1.w"].tobytes()
    again = safetensors.read(data)
    assert all(np.array_equal(again[name], array) for name, array in arrays.items())
    assert safetensors.read_description(data) is None
    file = io.BytesIO()
    safetensors.write(file, arrays, "a text")
    data = file.getvalue()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert (
        header["__metadata__"] == {"minicnn": "a text"}
        and safetensors.read_description(data) == "a text"
    )
    again = safetensors.read(data)
    assert all(np.array_equal(again[name], array) for name, array in arrays.items())


SIX = np.arange(6, dtype="<f4").tobytes()
HOSTILE_SAFETENSORS = {
    "nothing": (b"", "too few for the header"),
    "cut in the length": (b"\x05\x00\x00", "too few for the header"),
    "a huge header": (safe_file({}, length=2**63), "too few for the header"),
    "a header longer than the file": (safe_file({}, length=3), "too few for the header"),
    "a header that is too large": (safe_file(b"{" + b" " * (1 << 23) + b"}"), "at most 8,388,608"),
    "no object": (safe_file([1]), "does not begin with {"),
    "no JSON": (safe_file(b"{nothing}"), "is not JSON in UTF-8: Expecting"),
    "no UTF-8": (safe_file(b'{"\xff": 1}'), "is not JSON in UTF-8: 'utf-8' codec"),
    "nested a thousand times": (safe_file(b'{"a":' + b"[" * 100_000), "nested too deeply"),
    "a name twice": (
        safe_file(b'{"a": %s, "a": %s}' % ((json.dumps(entry([6], 0, 24)).encode(),) * 2), SIX),
        "has the same name twice",
    ),
    "an entry that is none": (safe_file({"a": 3}, SIX), "a lacks the keys"),
    "a missing key": (safe_file({"a": {"dtype": "F32", "shape": [6]}}, SIX), "a lacks the keys"),
    "whole numbers": (safe_file({"a": entry([3], 0, 24, "I64")}, SIX), "a has the dtype I64; exp"),
    "a dtype that is a list": (safe_file({"a": entry([6], 0, 24, [])}, SIX), "a has the dtype"),
    "a shape that is a text": (safe_file({"a": entry("6", 0, 24)}, SIX), "not lists of numbers"),
    "offsets that are texts": (safe_file({"a": entry([6], "0", "24")}, SIX), "not lists of numb"),
    "negative offsets": (safe_file({"a": entry([6], -24, 0)}, SIX), "not lists of numbers"),
    "offsets past the end": (safe_file({"a": entry([8], 0, 32)}, SIX), "bytes 0 to 32 of 24"),
    "offsets that go back": (safe_file({"a": entry([6], 0, 24), "b": entry([1], 24, 20)}, SIX),
                             "bytes 24 to 20 of 24"),
    "an overlap": (safe_file({"a": entry([4], 0, 16), "b": entry([4], 8, 24)}, SIX),
                   "b has bytes 8 to 24 of 24, but should start at 16"),
    "the same bytes twice": (safe_file({"a": entry([6], 0, 24), "b": entry([6], 0, 24)}, SIX),
                             "should start at 24"),
    "a gap": (safe_file({"a": entry([2], 0, 8), "b": entry([2], 16, 24)}, SIX), "start at 8"),
    "bytes left over": (safe_file({"a": entry([5], 0, 20)}, SIX), "end at byte 20 of 24"),
    "half a number": (safe_file({"a": entry([6], 0, 23)}, SIX[:-1]), "no multiple of 4"),
    "a negative shape": (safe_file({"a": entry([-2, -3], 0, 24)}, SIX), "do not fill its shape"),
    "a shape too large": (safe_file({"a": entry([7], 0, 24)}, SIX), "do not fill its shape"),
    "a shape too small": (safe_file({"a": entry([5], 0, 24)}, SIX), "do not fill (5,)"),
    "a huge shape": (safe_file({"a": entry([2**62, 4], 0, 24)}, SIX), "do not fill its shape"),
    "a shape of booleans": (safe_file({"a": entry([True, 6], 0, 24)}, SIX), "do not fill its"),
    "too many axes": (safe_file({"a": entry([1] * 99 + [6], 0, 24)}, SIX), "has 100 axes"),
    "no numbers": (safe_file({"a": entry([0], 0, 0)}), "do not fill its shape"),
    "a bad description": (
        safe_file({"__metadata__": {"minicnn": "{}"}, "a": entry([6], 0, 24)}, SIX),
        "is invalid: network is missing"),
    "a description that is no text": (
        safe_file({"__metadata__": {"minicnn": [1]}, "a": entry([6], 0, 24)}, SIX), "not a JSON"),
}  # fmt: skip


def refusal(tmp_path, name, content):
    """Return the sentence with which a file is refused, after seeing that memory was not wasted."""
    path = saved(tmp_path, name, content)
    tracemalloc.start()
    with pytest.raises(ValueError) as refused:
        exchange.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    text = str(refused.value)
    assert text.startswith(f"{path}: ") and "\n" not in text and len(text) < 520
    assert peak < 30 * len(content) + 1e6, (
        f"{peak:,} bytes of memory for a file of {len(content):,}"
    )
    return text


@pytest.mark.parametrize("case", HOSTILE_SAFETENSORS)
def test_a_bad_safetensors_file_gets_one_sentence(tmp_path, case):
    content, sentence = HOSTILE_SAFETENSORS[case]
    assert sentence in refusal(tmp_path, "a.safetensors", content)


@pytest.mark.parametrize("style", ["new", "old", "double", "unpacked", *RAW])
def test_a_caffemodel_is_read_in_every_form_that_caffe_wrote(style):
    lists = drawn(rows(other_alexnets.caffe_alexnet))
    layers = caffemodel.read(caffe_file(lists, style=style))
    order = CAFFE_ORDER.split()
    assert [name for name, kind, _ in layers if kind] == order
    assert [kind for _, kind, _ in layers if kind] == [name[:-1] for name in order]
    for name, _, arrays in layers:
        for array, expected in zip(arrays, lists.get(name, []), strict=True):
            dtype = {"double": "<f8", **dict(zip(RAW, RAW, strict=True))}.get(style, "<f4")
            expected = expected.astype(dtype)
            assert array.dtype == dtype
            shape = (
                (1, 1, 1, 1) + expected.shape if style in ("old", "unpacked") else expected.shape
            )
            assert array.shape == (shape[-4:] if style in ("old", "unpacked") else shape)
            assert np.array_equal(array.ravel(), expected.ravel())


def layer_of(blob_message, number=100):
    return field(number, field(1 if number == 100 else 4, b"conv1") + field(7, blob_message))


HOSTILE_CAFFEMODELS = {
    "nothing": (b"", "no layer in it"),
    "a text": (b"name: 'AlexNet' layer { name: 'conv1' }", "from Caffe"),
    "a zip": (b"PK\x03\x04" + bytes(100), "wire type"),
    "a length past the end": (varint(802) + varint(2**40), "should have 1,099,511,627,776 bytes"),
    "a number without an end": (varint(800) + b"\xff" * 20, "a number has no end"),
    "cut in a number": (varint(800) + b"\xff\xff", "a number has no end"),
    "groups": (b"\x0b\x0c", "wire type 3"),
    "a shape too large": (layer_of(field(7, field(1, varint(2**40))) + field(5, SIX)), "6 numbers"),
    "a negative shape": (
        layer_of(field(7, field(1, varint(-2) + varint(-3))) + field(5, SIX)), "do not fill"),
    "many axes": (layer_of(field(7, field(1, b"\x01" * 9999)) + field(5, SIX)), "has 7 axes"),
    "no shape": (layer_of(field(5, SIX)), "do not fill its shape"),
    "no numbers": (layer_of(field(7, field(1, 6))), "0 numbers"),
    "half a number": (layer_of(field(7, field(1, 6)) + field(5, SIX[:-1])), "no multiple of 4"),
    "many layers": (field(2, b"") * 1001, "more than 1,000 layers"),
    "many arrays": (field(2, field(6, b"") * 11), "more than 10 arrays"),
    "batch normalization": (
        field(100, field(1, b"bn1") + field(2, b"BatchNorm")), "has batch normalization (bn1)"),
    "raw numbers that are whole": (layer_of(field(10, 3) + field(12, SIX)), "raw_data of type 3;"),
    "the format of 2013": (field(2, field(1, b"conv1")), "upgrade_net_proto_binary"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE_CAFFEMODELS)
def test_a_bad_caffemodel_gets_one_sentence(tmp_path, case):
    content, sentence = HOSTILE_CAFFEMODELS[case]
    assert sentence in refusal(tmp_path, "a.caffemodel", content)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("form", ["safetensors", "caffemodel", "npy", "npz"])
def test_a_cut_file_is_refused(tmp_path, form, share):
    lists = drawn(rows(other_alexnets.caffe_alexnet))
    whole = tmp_path / f"whole.{form}"
    if form in exchange.WRITTEN or f".{form}" in exchange.WRITTEN:
        exchange.write(whole, {f"{name}.w": w for name, (w, b) in lists.items()})
    else:
        whole.write_bytes(caffe_file(lists) if form == "caffemodel" else python2(lists))
    content = whole.read_bytes()
    refusal(tmp_path, f"cut.{form}", content[: int(share * len(content))])


@pytest.mark.parametrize("written_by", ["Python 2", "NumPy", 2, 3, 4, 5])
def test_a_dictionary_of_arrays_comes_back_from_every_python(written_by):
    rng = np.random.default_rng(5)
    w = rng.standard_normal((4, 3, 2, 5), np.float32)
    lists = {"conv1": [w, w[0, 0, 0]], "fc6": [np.asfortranarray(w[0, 0]), w[1, 1, 1]]}
    if written_by == "Python 2":
        content = python2(lists)
    else:
        content = by_numpy(lists, None if written_by == "NumPy" else written_by)
    if written_by == 5:  # NumPy then makes arrays by another function; np.save never uses it
        with pytest.raises(ValueError, match="numeric._frombuffer"):
            npy_pickle.read(content)
        return
    if written_by == "Python 2":  # and NumPy agrees that this is how it wrote
        theirs = np.load(io.BytesIO(content), allow_pickle=True, encoding="latin1").item()
        assert np.array_equal(theirs["fc6"][0], lists["fc6"][0])
    found = npy_pickle.read(content)
    assert list(found) == list(lists)
    for name, arrays in lists.items():
        for array, expected in zip(found[name], arrays, strict=True):
            assert array.dtype == np.float32 and np.array_equal(array, expected)


def test_names_of_bytes_that_python_3_wrote_for_python_2_are_texts():
    found = npy_pickle.read(by_numpy({b"conv1": [np.ones(3)]}, 2))
    assert list(found) == ["conv1"]


def test_a_dictionary_may_call_its_arrays_weights_and_biases():
    w, b = np.arange(6.0).reshape(2, 3), np.arange(2.0, dtype=">f4")
    found = npy_pickle.read(by_numpy({"fc6": {"biases": b, "weights": w}}))
    assert np.array_equal(found["fc6"][0], w) and np.array_equal(found["fc6"][1], b)


class RunsSomething:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def shared_numbers():
    """Return a file whose arrays are many times as large as it is: all have the same numbers."""
    content = b"T" + struct.pack("<i", 4000) + bytes(4000) + b"q\x02"
    program = b"}(U\x01a](" + python2_array(content, b"(M\xe8\x03t", b"f4")
    for _ in range(100):
        program += python2_array(b"h\x02", b"(M\xe8\x03t", b"f4")
    return npy(b"\x80\x02" + python2_array(b"]" + program + b"eua", b")", b"O8") + b".")


def one_list_under_many_names():
    """Return a file of which all names have the same list of the same arrays: 4,004,001 in all."""
    array = python2_array(b"U\x04abcd", b"(K\x01t", b"f4")
    program = b"}(U\x01a](" + array + b"q\x02" + b"h\x02" * 2000 + b"eq\x03"
    for i in range(2000):
        program += b"U\x04%04dh\x03" % i
    return npy(b"\x80\x02" + python2_array(b"]" + program + b"ua", b")", b"O8") + b".")


CALLED = []  # what a pickle has run
HOSTILE_DICTIONARIES = {
    "os.system": (by_numpy({"conv1": RunsSomething(os.system, "echo ran")}), "would use posix.sys"),
    "eval": (by_numpy({"conv1": RunsSomething(eval, "CALLED.append(1)")}), "would use builtins."),
    "a call by name": (npy(b"cos\nsystem\n(S'echo ran'\ntR."), "would use os.system"),
    "INST": (npy(b"(S'echo ran'\nios\nsystem\n."), "the instruction "),
    "EXT1": (npy(b"\x82\x01."), "the instruction EXT1"),
    "NEWOBJ": (npy(b"cnumpy\nndarray\n)\x81."), "the instruction NEWOBJ"),
    "PERSID": (npy(b"Pname\n."), "the instruction PERSID"),
    "an array of a huge shape": (
        npy(b"cnumpy\nndarray\n(L999999999999L\nt\x85R."), "the instruction LONG"),
    "a call of ndarray": (npy(b"cnumpy\nndarray\n(J\xff\xff\xff\x7ft\x85R."), "not a dictionary"),
    "another codec": (
        npy(b"c_codecs\nencode\n(U\x01aU\x04zlibtR."), "not a dictionary of arrays"),
    "numbers in another codec": (
        npy(b"\x80\x02" + python2_array(
            b"]}U\x01a](" + python2_array(
                b"c_codecs\nencode\nU\x04abcdU\x07unicode\x86R", b"(K\x01t", b"f4"
            ) + b"esa", b")", b"O8"
        ) + b"."), "not a dictionary of arrays"),
    "a huge memo": (npy(b"Nr\xff\xff\xff\xff."), "not a dictionary of arrays"),
    "a huge text": (npy(b"X\xff\xff\xff\xffabc."), "expected 4294967295 bytes"),
    "a huge frame": (npy(b"\x80\x04\x95" + b"\xff" * 8 + b"N."), "not a dictionary of arrays"),
    "no end": (npy(b"N"), "exhausted before seeing STOP"),
    "no program": (npy(b""), "exhausted before seeing STOP"),
    "an empty stack": (npy(b"R."), "not a dictionary of arrays"),
    "a state for nothing": (npy(b"]N\x85b."), "not a dictionary of arrays"),
    "a list for an array": (npy(b"]."), "not a dictionary of arrays"),
    "many instructions": (npy(b"]" * 20_000 + b"."), "more than 10,000 instructions"),
    "a list": (by_numpy([np.ones(3)]), "not a dictionary of arrays"),
    "a list in the place of arrays": (by_numpy({"a": [[1, 2]]}), "not a dictionary of arrays"),
    "numbers for names": (by_numpy({1: [np.ones(3)]}), "not a dictionary of arrays"),
    "whole numbers": (by_numpy({"a": [np.arange(3)]}), "a is an array of i8"),
    "batch normalization": (
        by_numpy({"bn1": {"mean": np.ones(3), "variance": np.ones(3)}}), "has batch normaliza"),
    "arrays of objects": (by_numpy({"a": [np.array([[], {}], object)]}), "a is an array of O8"),
    "shared numbers": (shared_numbers(), "share their numbers"),
    "a deep dtype": (
        npy(b"cnumpy\ndtype\n" + b"]" * 4000 + b"a" * 3999 + b"\x85R."), "not a dict"),
    "a deep name": (npy(b"]" * 4000 + b"a" * 3999 + b"U\x01a\x93."), "not a dictionary of arrays"),
    "keys within keys": (  # a key that takes 2⁶⁴ steps to hash
        npy(b"})q\x00" + b"h\x00\x86q\x00" * 64 + b"Ns."), "not a dictionary of arrays"),
    "a deep key": (npy(b"})" + b"\x85" * 9000 + b"Ns."), "not a dictionary of arrays"),
    "a dotted name": (
        npy(b"U\x05numpyU\x0fdtype.__class__\x93."), "would use numpy.dtype.__class__,"),
    "a call of a call": (npy(b"cnumpy\ndtype\n)R)R)R."), "not a dictionary of arrays"),
    "a state for a function": (
        npy(b"c_codecs\nencode\nN}U\x0c__defaults__)s\x86b."), "not a dictionary of arrays"),
    "a state of another state": (
        npy(b"cnumpy\ndtype\n" + b"cnumpy\ndtype\nb" * 2000 + b"."), "not a dictionary of arrays"),
    "a dtype of many numbers": (
        npy(b"\x80\x02" + python2_array(
            b"]}U\x01a](" + python2_array(b"U\x04abcd", b"(K\x01t", b"3f") + b"esa", b")", b"O8"
        ) + b"."), "a is an array of 3f"),
    "a huge count of bytes": (
        npy(b"\x8e" + struct.pack("<Q", 1 << 40) + b"abc."), "expected 1099511627776 bytes"),
    "a huge memo in bytes that a frame cuts": (  # whoever drops the frame's rest reads no bytes
        npy(b"\x80\x04\x95" + struct.pack("<Q", 2) + b"B\x09\0\0\0\0r\0\0\x40\0...."),
        "a frame that ends within an instruction"),
    "a frame in a frame": (
        npy(b"\x80\x04" + b"".join(b"\x95" + struct.pack("<Q", n) for n in (11, 9)) + b"N" * 9
            + b"."), "a frame that ends within an instruction or a frame"),
    "another protocol": (npy(b"\x80\xffN."), "unsupported pickle protocol: 255"),
    "one list under many names": (one_list_under_many_names(), "has 4,004,001 arrays; exp"),
    "nothing but None": (npy(b"N."), "not a dictionary of arrays"),
    "no .npy file": (b"conv1", "does not begin like an .npy file"),
    "a zip": (b"PK\x03\x04" + bytes(100), "does not begin like an .npy file"),
    "a wild header": (b"\x93NUMPY\x01\x00\xff\xff" + b"-" * 0xFFFF, "does not begin like an .npy"),
    "a header that is no Python": (
        by_numpy({}).replace(b"(), }", b"(),[}"), "does not begin like an .npy"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE_DICTIONARIES)
def test_a_pickle_runs_nothing_and_gets_one_sentence(tmp_path, monkeypatch, case):
    def forbidden(*arguments, **options):
        raise AssertionError("something ran")

    content, sentence = HOSTILE_DICTIONARIES[case]
    for module, name in ((os, "system"), (builtins, "eval"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, forbidden)
    monkeypatch.setattr(pickle, "load", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    if os.name == "nt":
        sentence = sentence.replace("posix", "nt")
    assert sentence in refusal(tmp_path, "a.npy", content)
    assert not CALLED


def test_a_plain_array_is_no_dictionary(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    assert "an array of <f8, not a dictionary" in refusal(
        tmp_path, "a.npy", (tmp_path / "a.npy").read_bytes()
    )


def zip_file(entries, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def npy_bytes(array, shape=None):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    content = file.getvalue()
    if shape:
        old = f"({', '.join(map(str, array.shape))}), }}".encode()
        content = content.replace(old + b" " * (len(shape) - len(old)), shape.encode(), 1)
    return content


def about_npy(**changed):
    """Return a description of a network as the file of a zip."""
    said = {"network": "alexnet", "classes": ["a", "b"], "size": 64} | changed
    return {"about.npy": npy_bytes(np.frombuffer(json.dumps(said).encode(), np.uint8))}


HOSTILE_NPZ = {
    "nothing": (b"", "not an .npz file"),
    "no zip": (b"PK\x03\x04" + bytes(100), "not an .npz file"),
    "a bomb": (zip_file({"conv1.w.npy": npy_bytes(np.zeros((1000, 1000)))}, zipfile.ZIP_DEFLATED),
               "claim to unpack to 8,000,128"),
    "a huge shape": (zip_file({"a.npy": npy_bytes(np.ones((2, 3)), "(2, 3000000000), }")}),
                     "should hold (2, 3000000000), but"),
    "a pickle": (zip_file({"a.npy": npy_bytes(np.array({"a": 1}))}), "never loaded"),
    "a text": (zip_file({"a.txt": b"hello, and more than that"}), "does not begin like an .npy"),
    "another compression": (zip_file({"a.npy": npy_bytes(np.ones(99))}, zipfile.ZIP_LZMA),
                            "in an unsupported way"),
    "whole numbers": (zip_file({"a.npy": npy_bytes(np.arange(3))}), "a is an array of <i8"),
    "no dtype": (zip_file({"a.npy": npy_bytes(np.ones(3)).replace(b"<f8", b"<f3")}),
                 "does not begin like an .npy file"),
    "a mean of two": (zip_file({"mean.npy": npy_bytes(np.ones(2))}), "mean has shape (2,)"),
    "a mean image too small": (
        zip_file({"mean_image.npy": npy_bytes(np.ones((3, 9, 9))), **about_npy(size=64)}),
        "mean_image has shape (3, 9, 9); expected (3, H, H) with H at least 64"),
    "a description of floats": (zip_file({"about.npy": npy_bytes(np.ones(3))}), "not a JSON dict"),
    "no description": (zip_file({"about.npy": npy_bytes(np.frombuffer(b"[1]", "u1"))}), "JSON"),
    "deep brackets": (zip_file({"about.npy": npy_bytes(np.full(99_999, 91, "u1"))}), "not a JSON"),
    "no such network": (zip_file(about_npy(network="resnet")), "is invalid: network is resnet"),
    "a network that is a list": (zip_file(about_npy(network=[])), "is invalid: network is []"),
    "no classes": (zip_file(about_npy(classes=[])), "is invalid: classes is []"),
    "a class of control": (zip_file(about_npy(classes=["\x1b[2J"])), r"classes has '\x1b[2J'"),
    "a huge size": (zip_file(about_npy(size=10**9)), "is invalid: size is 1000000000"),
    "a size that is true": (zip_file(about_npy(size=True)), "is invalid: size is True"),
    "half a width": (zip_file(about_npy(test_width=0.5)), "is invalid: test_width is 0.5"),
    "certain dropout": (zip_file(about_npy(dropout=1)), "is invalid: dropout is 1"),
    "a line separator": (zip_file(about_npy(classes=["a\u2028b"])), r"classes has 'a\u2028b'"),
    "a surrogate": (zip_file(about_npy(classes=["\ud800"])), r"is invalid: classes has '\ud800'"),
    "an option of another network": (
        zip_file(about_npy(network="vgg-a", nonlinearity="tanh")), "it has nonlinearity, which v"),
    "a huge colour": (zip_file(about_npy(mean=[1, 2, 10**400])), "is invalid: mean is [1, 2, 1000"),
    "two colours": (zip_file(about_npy(mean=[1, 2])), "is invalid: mean is [1, 2]"),
    "a bent line": (zip_file(about_npy(nonlinearity={})), "is invalid: nonlinearity is {}"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE_NPZ)
def test_a_bad_npz_file_gets_one_sentence(tmp_path, case):
    content, sentence = HOSTILE_NPZ[case]
    assert sentence in refusal(tmp_path, "a.npz", content)


def text(word):
    return b"X" + struct.pack("<i", len(word.encode())) + word.encode()


def whole_numbers(numbers):
    return b"(" + b"".join(b"J" + struct.pack("<i", n) for n in numbers) + b"t"


def torch_tensor(key, array, legacy=False, parameter=False):
    """Return the instructions with which torch.save pickles a tensor, or a Parameter."""
    strides = [step // array.itemsize for step in array.strides]
    kind = {"<f4": b"Float", "<f8": b"Double", "<f2": b"Half", "<i8": b"Long"}[array.dtype.str]
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\n" + kind
        + b"Storage\n" + text(key) + text("cpu") + b"J" + struct.pack("<i", array.size)
        + b"N" * legacy + b"tQK\x00" + whole_numbers(array.shape) + whole_numbers(strides)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip
    if parameter:
        tensor = b"ctorch._utils\n_rebuild_parameter\n(" + tensor + b"\x88ccollections\n"
        tensor += b"OrderedDict\n)RtR"
    return tensor


def torch_file(arrays, legacy=False, parameter=False, before=b"", after=b""):
    """Return what torch.save writes for {name: array}; other values are instructions of a pickle.

    before, after: instructions around the state dictionary's own.
    """
    program, storages = b"ccollections\nOrderedDict\n)R(", []
    for name, array in arrays.items():
        key = str(len(storages))
        if isinstance(array, np.ndarray):
            storages.append((key, array.ravel("K")))
            array = torch_tensor(key, array, legacy, parameter)
        program += text(name) + array
    program = b"\x80\x02" + before + program + b"u" + after + b"."
    if not legacy:
        files = {f"archive/data/{key}": numbers.tobytes() for key, numbers in storages}
        return zip_file({"archive/data.pkl": program, "archive/version": b"3\n"} | files)
    content = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}("
    content += text("little_endian") + b"\x88u." + program
    content += b"\x80\x02](" + b"".join(text(key) for key, _ in storages) + b"e."
    return content + b"".join(struct.pack("<q", q.size) + q.tobytes() for _, q in storages)


def torchvision_arrays(seed=0):
    layers = rows(other_alexnets.torchvision_alexnet, seed=seed, dtype=np.float32)
    return conventions.as_torchvision(layers, net.parameters(layers))


def inside(key, more=b""):
    """Return instructions around a state dictionary: {"epoch": 3, key: …, **more}."""
    optimizer = b"cargparse\nNamespace\n)\x81}b"  # an object of a class that no one here knows
    return {"before": b"}(" + text("epoch") + b"K\x03" + text(key),
            "after": text("optimizer") + optimizer + more + b"u"}  # fmt: skip


SAVED = {  # name of the file → how a name is saved, and how the dictionary is
    "plain.pth": ("{0}.{1}", {}),
    "before-1.6.pth": ("{0}.{1}", {"legacy": True}),
    "parameters.pt": ("{0}.{1}", {"parameter": True}),
    "parameters-before-1.6.pt": ("{0}.{1}", {"parameter": True, "legacy": True}),
    "data-parallel.pth": ("module.{0}.{1}", {}),
    "parallel-features.pth": ("{0}.module.{1}", {}),
    "compiled.bin": ("_orig_mod.{0}.{1}", {}),
    "sharded.bin": ("model._fsdp_wrapped_module.{0}._checkpoint_wrapped_module.{1}", {}),
    "script.pth.tar": ("module.{0}.{1}", inside("state_dict")),
    "model.pth": ("model._orig_mod.{0}.{1}", inside("model")),
    "lightning.ckpt": ("model.{0}.{1}", inside("state_dict")),
    "unknown.pt": ("net.encoder.{0}.{1}", inside("what-I-saved")),
}


@pytest.mark.parametrize("file", SAVED)
def test_pytorchs_files_are_read_as_scripts_save_them(tmp_path, file):
    form, options = SAVED[file]
    arrays = torchvision_arrays()
    named = {form.format(*name.split(".", 1)): array for name, array in arrays.items()}
    path = saved(tmp_path, file, torch_file(named, **options))
    found = exchange.read(path)
    assert found.library == "torchvision" and list(found.arrays) == list(arrays)
    assert all(np.array_equal(found.arrays[name], array) for name, array in arrays.items())


def test_a_state_dictionary_of_python_2_is_read(tmp_path):
    q = np.arange(6.0).reshape(2, 3)
    pair = b"](" + text("a") + torch_tensor("0", q) + b"e"
    program = b"\x80\x02ccollections\nOrderedDict\n](" + pair + b"e\x85R."
    content = zip_file({"a/data.pkl": program, "a/data/0": q.tobytes()})
    assert np.array_equal(exchange.read(saved(tmp_path, "a.pth", content)).arrays["a"], q)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_tensor_of_any_strides_and_floats_is_read(tmp_path, legacy):
    w = np.random.default_rng(0).standard_normal((4, 3, 5, 2))
    arrays = {"a": w, "b": w.astype("<f4").transpose(0, 2, 3, 1), "c": w[0].astype("<f2").T}
    found = exchange.read(saved(tmp_path, "a.pth", torch_file(arrays, legacy))).arrays
    assert [q.dtype.name for q in found.values()] == ["float64", "float32", "float32"]
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


MODULE = b"cmodels\nAlexNet\n)\x81}(" + text("_modules") + b"}ub"
HOSTILE_PTH = {
    "nothing": (b"", "it begins with b''"),
    "a web page": (b"\n<!DOCTYPE html><html>", "is a web page, not weights"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1", "`git lfs pull`"),
    "a dictionary of pickle": (pickle.dumps({"a": 1}), "a pickle, but torch.save did not write it"),
    "another zip": (zip_file({"a.npy": b""}), "a zip without data.pkl"),
    "TorchScript": (zip_file({"a/data.pkl": b"N.", "a/code/b.py": b""}), "program of TorchScript"),
    "a network": (torch_file({"model": MODULE}), "a whole network, an object of the class AlexNet"),
    "no tensor": (torch_file({"epoch": b"K\x03", "lr": b"N"}), "by name, only epoch, lr; where"),
    "a number": (zip_file({"a/data.pkl": b"K\x03."}), "it has no tensors by name; where"),
    "whole numbers": (torch_file({"a": np.arange(3)}), "a has numbers of LongStorage; expected f"),
    "batch normalization": (
        torch_file({"features.1.running_mean": np.ones(3), "n.num_batches_tracked": np.arange(1)}),
        "it has batch normalization (features.1.running_mean), which"),
    "a tensor of another kind": (
        torch_file({"a": b"ctorch._utils\n_rebuild_qtensor\n)R"}), "kind (torch._utils._rebuild_q"),
    "eval": (zip_file({"a/data.pkl": b"cbuiltins\neval\n(Vx\ntR."}), "no tensors by name; where"),
    "a missing storage": (zip_file({"a/data.pkl": b"}" + text("a") + torch_tensor("9", np.ones(2))
                                    + b"s."}), "it is damaged"),
    "a list in itself": (zip_file({"a/data.pkl": b"](h\x00e."}), "it is damaged"),
    "an instruction": (zip_file({"a/data.pkl": b"(i__main__\nA\n."}), "has the instruction INST"),
    "many instructions": (zip_file({"a/data.pkl": b"N" * 300_000 + b"."}), "more than 200,000"),
    "keys within keys": (  # a key that takes 2⁶⁴ steps to hash
        zip_file({"a/data.pkl": b"})q\x00" + b"h\x00\x86q\x00" * 64 + b"Ns."}), "no tensors by"),
    "numbers of many": (
        torch_file({"a": np.ones(999)} | dict.fromkeys("bcdef", torch_tensor("0", np.ones(999)))),
        "share their numbers, and are larger"),
    "one number for all": (
        torch_file({"a": np.ones(9), "b": torch_tensor("0", np.broadcast_to(np.ones(1), 10**6))}),
        "b has 9 numbers, which do not fill (1000000,)"),
    "compressed": (zip_file({"a/data.pkl": b"N" * 9999}, zipfile.ZIP_DEFLATED), "it is compressed"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE_PTH)
def test_a_bad_pth_file_gets_one_sentence(tmp_path, case):
    content, sentence = HOSTILE_PTH[case]
    assert sentence in refusal(tmp_path, "a.pth", content)


def test_two_networks_in_one_file_are_named(tmp_path):
    arrays = {f"{a}.{name}": q for a in ("new", "old") for name, q in torchvision_arrays().items()}
    text = mismatch(rows(other_alexnets.torchvision_alexnet),
                    saved(tmp_path, "a.pth", torch_file(arrays)))  # fmt: skip
    assert "no array for conv1.w, only new.features.0.weight, new.features.0.bias, new.fe" in text


def test_pytorch_agrees_about_its_files(tmp_path):
    torch = pytest.importorskip("torch", reason="an extra oracle, never required")
    for legacy in (False, True):
        arrays = torchvision_arrays()
        path = saved(tmp_path, "a.pth", torch_file(arrays, legacy, parameter=True))
        state = torch.load(path, weights_only=True)
        assert all(torch.equal(state[name].data, torch.tensor(q)) for name, q in arrays.items())
        torch.save(state, path, _use_new_zipfile_serialization=not legacy)
        found = exchange.read(path).arrays
        assert all(np.array_equal(found[name], q) for name, q in arrays.items())
    torch.save({"features.0.weight": torch.ones(2).bfloat16()}, path)
    assert exchange.read(path).arrays["features.0.weight"].dtype == np.float32
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ValueError, match="a whole network, an object of the class Linear"):
        exchange.read(path)


def test_a_missing_file_and_an_unknown_suffix_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors"):
        exchange.read(tmp_path / "nowhere.safetensors")
    with pytest.raises(FileNotFoundError, match="nowhere.npz"):
        exchange.read(tmp_path / "nowhere.npz")
    with pytest.raises(ValueError, match="the suffix is '.h5'; expected one of .safetensors, .npz"):
        exchange.read(tmp_path / "alexnet.h5")


def test_names_in_a_file_cannot_write_to_the_terminal(tmp_path, capsys, small_networks):
    lists = drawn(rows(other_alexnets.caffe_alexnet))
    lists["fc8\x1b[2J"] = lists.pop("fc8")
    path, out = saved(tmp_path, "a.npy", by_numpy(lists)), str(tmp_path / "a.npz")
    assert main(["import", str(path), out, "--network", "caffe-alexnet"]) == 0
    assert "fc8?[2J.w" in capsys.readouterr().out
    name = "conv1.w\x1b[2J\n" + "x" * 10_000
    content = safe_file({name: entry([5], 0, 24)}, SIX)
    assert "conv1.w?[2J?xxx" in refusal(tmp_path, "a.safetensors", content)


def mutated(content, rng):
    """Return the bytes after a few mistakes, most of them near an end, where the structure is."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        size = len(content)
        near = (0, max(0, size - 1000), 0)[rng.integers(3)]
        i = int(rng.integers(near, min(size, near + 1000) if rng.random() < 0.8 else size))
        match rng.integers(5):
            case 0:
                content[i] ^= 1 << rng.integers(8)
            case 1:
                content[i] = rng.choice([0, 1, 127, 128, 255])
            case 2:
                del content[i : i + rng.choice([1, 2, 8, 100])]
            case 3:
                content[i:i] = rng.bytes(rng.choice([1, 4, 8]))
            case 4:
                content[i:i] = content[int(rng.integers(size)) :][: rng.choice([4, 16, 200])]
        content = content or bytearray(1)
    return bytes(content)


def fuzzed_file(form):
    """Return the suffix, the part of a small file that is mutated, and a function for the rest."""
    lists = drawn(rows(other_alexnets.caffe_alexnet, kernels=(2, 2, 2, 2, 2), hidden=2))
    arrays = {f"{name}.w": w for name, (w, b) in lists.items()}
    match form:
        case "safetensors":
            file = io.BytesIO()
            about = {"network": "vgg-a", "classes": ["a"], "size": 224}
            safetensors.write(file, arrays, json.dumps(about))
            return "safetensors", file.getvalue(), bytes
        case "caffemodel":
            return "caffemodel", caffe_file(lists), bytes
        case "npy":
            return "npy", python2(lists), bytes
        case "pth" | "pth before 1.6":
            return "pth", torch_file(arrays, legacy=form != "pth", **inside("state_dict")), bytes
    archive = zipfile.ZipFile(io.BytesIO(torch_file(arrays, **inside("model"))))
    entries = {name: archive.read(name) for name in archive.namelist()}
    pickle_in_it = entries.pop("archive/data.pkl")
    return "pth", pickle_in_it, lambda program: zip_file(entries | {"archive/data.pkl": program})


@pytest.mark.filterwarnings("ignore:invalid escape")  # of texts in damaged pickles
@pytest.mark.parametrize(
    "count", [500, pytest.param(10_000, marks=(pytest.mark.slow, pytest.mark.very_slow))]
)
@pytest.mark.parametrize(
    "form", ["safetensors", "caffemodel", "npy", "pth", "pickle in pth", "pth before 1.6"]
)
def test_damaged_files_are_read_or_refused_in_one_sentence(tmp_path, form, count):
    suffix, content, whole = fuzzed_file(form)
    layers = rows(other_alexnets.caffe_alexnet)
    rng, refused = np.random.default_rng(18), 0
    tracemalloc.start()
    for i in range(count):
        path = saved(tmp_path, f"{i}.{suffix}", whole(mutated(content, rng)))
        start = time.monotonic()
        try:
            exchange.fit(exchange.read(path), layers, path)
        except ValueError as error:
            sentence = str(error)
            assert sentence.startswith(str(path)) and is_class_name(sentence)
            refused += "is of another network" not in sentence
        assert time.monotonic() - start < 10
        path.unlink()
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
    assert count / 4 < refused  # or the mistakes are none


# Weights of another network


def caffe_weights(tmp_path, name="net.caffemodel", order=CAFFE_ORDER, **changed):
    lists = drawn(rows(other_alexnets.caffe_alexnet)) | changed
    return saved(tmp_path, name, caffe_file(lists, order))


def mismatch(layers, path):
    """Return the sentence that refuses a file, and see that the rows have not changed."""
    before = {name: array.copy() for name, array in net.parameters(layers).items()}
    with pytest.raises(ValueError) as refused:
        exchange.load(layers, path)
    assert all(np.array_equal(before[name], q) for name, q in net.parameters(layers).items())
    return str(refused.value)


def test_the_first_row_that_differs_is_named(tmp_path):
    path = caffe_weights(tmp_path)
    layers = rows(other_alexnets.caffe_alexnet, kernels=(4, 8, 14, 16, 6))
    assert mismatch(layers, path) == (
        f"{path} is of another network: "
        "conv3.w is (12, 8, 3, 3) in the file but (14, 8, 3, 3) in the network"
    )


def test_a_missing_and_a_strange_array_are_named(tmp_path):
    layers = rows(other_alexnets.caffe_alexnet)
    lists = drawn(layers)
    short = {name: lists[name] for name in lists if name != "fc7"}
    path = saved(tmp_path, "net.npy", by_numpy(short))
    text = "is of another network: it has no array for fc7.w, only conv1.w, conv1.b, conv2.w, "
    assert text in mismatch(layers, path)
    path = saved(tmp_path, "more.npy", by_numpy(lists | {"conv6": [np.ones(3)]}))
    assert mismatch(layers, path).endswith("it has conv6.w, which belongs to no layer")
    path = saved(tmp_path, "three.npy", by_numpy({"bn": [np.ones(1)] * 3}))
    assert "bn has 3 arrays" in mismatch(layers, path)
    path = saved(tmp_path, "none.npy", by_numpy({}))
    assert mismatch(layers, path).endswith("it has no array for conv1.w")


def test_caffenet_and_alexnet_are_told_apart(tmp_path):
    path = caffe_weights(tmp_path, order=CAFFENET_ORDER)
    text = mismatch(rows(other_alexnets.caffe_alexnet), path)
    assert "pool1 is in the position of lrn1: AlexNet normalizes before it pools" in text
    path = caffe_weights(tmp_path, "alexnet.caffemodel")
    assert "lrn1 is in the position of pool1" in mismatch(rows(other_alexnets.caffenet), path)


def test_the_papers_normalization_is_not_given_caffes_weights(tmp_path):
    text = mismatch(rows(alexnet, size=227), caffe_weights(tmp_path))
    assert "k = 1 and alpha = 1e-4/5, but lrn1 has k = 2 and alpha = 0.0001" in text


def test_torchvisions_and_caffes_alexnets_are_told_apart(tmp_path):
    layers = rows(other_alexnets.torchvision_alexnet)
    text = mismatch(layers, caffe_weights(tmp_path))
    assert text.endswith("conv2.w is (8, 2, 5, 5) in the file but (8, 4, 5, 5) in the network")
    named = conventions.as_torchvision(layers, net.parameters(layers))
    exchange.write(tmp_path / "a.npz", named)
    text = mismatch(rows(other_alexnets.caffe_alexnet), tmp_path / "a.npz")
    assert "conv2.w is (8, 4, 5, 5) in the file but (8, 2, 5, 5) in the network" in text
    exchange.write(tmp_path / "b.npz", named | {"features.14.running_mean": np.ones(3)})
    assert "it has batch normalization (features.14.running_mean)" in mismatch(
        layers, tmp_path / "b.npz"
    )
    exchange.write(tmp_path / "c.npz", named | {"classifier.9.weight": np.ones(3)})
    assert "it has classifier.9.weight" in mismatch(layers, tmp_path / "c.npz")
    del named["classifier.6.weight"], named["classifier.6.bias"]
    exchange.write(tmp_path / "d.npz", named)
    assert "it has no array for fc8.w, only features.0.weight" in mismatch(
        layers, tmp_path / "d.npz"
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_weights_that_are_no_numbers_are_refused(tmp_path, bad):
    layers = rows(other_alexnets.torchvision_alexnet, dtype=np.float32)
    arrays = {name: q.astype(float) for name, q in net.parameters(layers).items()}
    arrays["fc7.b"] = arrays["fc7.b"].copy()
    arrays["fc7.b"][3] = bad
    exchange.write(tmp_path / "a.npz", arrays)
    assert "fc7.b has numbers that are infinite" in mismatch(layers, tmp_path / "a.npz")


# Ours


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_ours_come_back_with_their_mean_to_the_last_bit(tmp_path, suffix):
    layers = rows(other_alexnets.caffenet, dtype=np.float32)
    mean = np.array([1.5, 2.5, 3.5], np.float32)
    path = tmp_path / f"ours{suffix}"
    exchange.write(path, net.parameters(layers) | {"mean": mean})
    again = rows(other_alexnets.caffenet, seed=1, dtype=np.float32)
    assert np.array_equal(exchange.load(again, path), mean.reshape(3, 1, 1))
    for name, array in net.parameters(again).items():
        assert np.array_equal(array, net.parameters(layers)[name])
    with pytest.raises(FileExistsError, match="already exists; name another file"):
        exchange.write(path, {})
    with pytest.raises(ValueError, match="the suffix is '.pth'; expected .npz or .safetensors"):
        exchange.write(tmp_path / "a.pth", {})


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_the_weights_of_a_locally_connected_layer_come_back(tmp_path, suffix):
    layers, again = (
        cifar.local_13pct(reference, np.random.default_rng(seed), size=8) for seed in (0, 1)
    )
    exchange.write(tmp_path / f"ours{suffix}", net.parameters(layers))
    exchange.load(again, tmp_path / f"ours{suffix}")
    for name, array in net.parameters(again).items():
        assert np.array_equal(array, net.parameters(layers)[name])


def test_a_checkpoint_gives_its_weights_and_nothing_else(tmp_path):
    layers = rows(other_alexnets.torchvision_alexnet)
    params = net.parameters(layers)
    arrays = {f"w:{name}": q for name, q in params.items()}
    arrays |= {f"v:{name}": 0 * q for name, q in params.items()}
    arrays |= {"order": np.arange(9), "losses": np.array([])}
    storage.save(tmp_path / "checkpoint.npz", arrays, {"epoch": 3})
    again = rows(other_alexnets.torchvision_alexnet, seed=1)
    assert exchange.load(again, tmp_path / "checkpoint.npz") is None
    assert all(np.array_equal(q, params[name]) for name, q in net.parameters(again).items())


# The commands


@pytest.fixture
def small_networks(monkeypatch):
    """The networks of the commands, but small."""

    def small(name, ops, rng, classes=None):
        return rows(getattr(other_alexnets, name.replace("-", "_")), dtype=np.float32)

    monkeypatch.setattr(catalogue, "build", small)


def test_import_prints_what_it_found_and_writes_it(tmp_path, capsys, small_networks):
    lists = drawn(rows(other_alexnets.caffe_alexnet))
    path = saved(tmp_path, "bvlc_alexnet.npy", python2(tensorflow_layout(lists)))
    out = tmp_path / "alexnet.npz"
    arguments = ["import", str(path), str(out), "--network", "caffe-alexnet"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "conv1.w  (4, 3, 11, 11)  conv1.w  (11, 11, 3, 4)" in printed
    assert "fc6.w    (10, 216)       fc6.w    (216, 10)" in printed
    count = sum(q.size for pair in lists.values() for q in pair)
    assert f"{count:,} parameters" in printed
    assert "conv1.w: from blue, green, red to red, green, blue" in printed
    assert "fc7.w: times 2, " in printed and "fc8.w: times 2, " in printed
    assert "minus 122.679, 116.669, 104.007\n" in printed and f"Wrote {out}" in printed
    one, two = rows(other_alexnets.caffe_alexnet), rows(other_alexnets.caffe_alexnet, seed=1)
    assert np.allclose(exchange.load(one, path), exchange.load(two, out), rtol=1e-6)
    for name, array in net.parameters(one).items():
        assert np.array_equal(array, net.parameters(two)[name])
    assert main(arguments) == 1
    assert "already exists" in capsys.readouterr().err


def test_what_is_exported_for_torchvision_can_be_imported(tmp_path, capsys, small_networks):
    layers = rows(other_alexnets.torchvision_alexnet, dtype=np.float32)
    arrays = {f"w:{name}": q for name, q in net.parameters(layers).items()}
    run = tmp_path / "checkpoint.npz"
    storage.save(run, arrays, {"epoch": 3})
    plain, named, back = (tmp_path / name for name in ("a.npz", "b.safetensors", "c.npz"))
    assert main(["export", str(run), str(plain)]) == 0
    assert "conv1.w  (4, 3, 11, 11)  float32" in capsys.readouterr().out
    with np.load(plain) as content:
        assert np.array_equal(content["fc8.b"], arrays["w:fc8.b"])
    flag = ["--for-torchvision", "torchvision-alexnet"]
    assert main(["export", str(plain), str(named), *flag]) == 0
    assert "features.10.weight  (6, 16, 3, 3)  float32" in capsys.readouterr().out
    network = ["--network", "torchvision-alexnet"]
    assert main(["import", str(named), str(back), *network]) == 0
    printed = capsys.readouterr().out
    assert "conv5.w  (6, 16, 3, 3)   features.10.weight   (6, 16, 3, 3)" in printed
    assert "minus 123.675, 116.28, 103.53\n" in printed
    content, _ = storage.load(back)
    for name, array in net.parameters(layers).items():
        np.testing.assert_allclose(content[f"w:{name}"], array, rtol=3e-7)
    assert content["input:mean"].shape == (3, 256, 256)
    assert main(["export", str(named), str(tmp_path / "d.npz")]) == 1
    assert "holds weights of torchvision: import them first" in capsys.readouterr().err


def test_commands_refuse_in_one_sentence_and_write_nothing(tmp_path, capsys, small_networks):
    path, out = caffe_weights(tmp_path, order=CAFFENET_ORDER), tmp_path / "out.npz"
    assert main(["import", str(path), str(out), "--network", "caffe-alexnet"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"minicnn: {path} is of another network") and error.count("\n") == 1
    assert main(["import", str(tmp_path / "no.npy"), str(out), "--network", "caffenet"]) == 1
    assert capsys.readouterr().err == f"minicnn: {tmp_path / 'no.npy'}: No such file or directory\n"
    assert main(["export", str(path), str(tmp_path / "out.pth")]) == 1
    assert "the suffix is '.pth'" in capsys.readouterr().err
    assert main(["import", str(path), str(out)]) == 1
    assert "does not say which network it is of: add --network" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["import", "a", "b", "--network", "resnet"])
    assert left.value.code == 2
    assert not out.exists()


def test_an_imported_network_predicts(tmp_path, capsys, small_networks):
    path, out = tmp_path / "theirs.npy", tmp_path / "alexnet.npz"
    lists = drawn(rows(other_alexnets.caffe_alexnet))
    classes = [f"kind {k}" for k in range(len(lists["fc8"][1]))]
    (tmp_path / "classes.txt").write_text("\n".join(classes))
    path.write_bytes(saved(tmp_path, "a.npy", python2(tensorflow_layout(lists))).read_bytes())
    arguments = ["import", str(path), str(out), "--network", "caffe-alexnet", "--classes"]
    assert main([*arguments, str(tmp_path / "classes.txt")]) == 0
    (tmp_path / "few.txt").write_text("a\nb")
    assert main([*arguments[:2], "no.npz", *arguments[3:], str(tmp_path / "few.txt")]) == 1
    assert (
        f"few.txt has 2 lines; expected one for each of the 5 classes in {path}"
        in capsys.readouterr().err
    )
    trained_one = predictor.load(out, reference)
    assert trained_one.classes == tuple(classes) and trained_one.size == 227
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 256, 256), dtype=np.uint8)
    layers = rows(other_alexnets.caffe_alexnet)
    mean = exchange.load(layers, path)
    views = images[:, :, 14:241, 14:241] - mean
    scores, _ = net.forward(net.predicting(layers, reference), views)
    expected = reference.softmax(scores)
    np.testing.assert_allclose(
        predictor.predict(trained_one, images), expected, rtol=1e-3, atol=1e-6
    )


def test_a_network_for_unit_inputs_is_exported_for_whole_pixels(tmp_path, small_networks):
    layers = rows(other_alexnets.torchvision_alexnet, dtype=np.float32)
    arrays = {f"w:{name}": q for name, q in net.parameters(layers).items()}
    image = np.full((3, 4, 4), 7, np.float32)
    inputs = {"input:mean": image, "input:deviation": np.float32(64)}
    storage.save(tmp_path / "checkpoint.npz", arrays | inputs, {"settings": {}})
    found = exchange.read(tmp_path / "checkpoint.npz")
    np.testing.assert_allclose(found.arrays["conv1.w"], arrays["w:conv1.w"] / 64)
    np.testing.assert_array_equal(found.arrays["conv2.w"], arrays["w:conv2.w"])
    np.testing.assert_array_equal(found.mean, [7, 7, 7])


ODD_NAMES = ["東京\u3000タワー", "no\xa0break", "می\u200cخواهم", "👩\u200d🔬", "soft\xadhyphen"]
ODD_NAMES += [
    "\u202eright to left",
    "\ue000private",
    "\U0001fadf new",
    "क्\u200dष",
    "\ufeffmark",
    " ",
]


@pytest.mark.parametrize("names", [["a", "ö", "猫"], ODD_NAMES])
@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_what_is_exported_comes_back_with_its_size_classes_and_mean_image(
    tmp_path, capsys, monkeypatch, suffix, names
):
    layers = catalogue.build(
        "cifar-four-layer", reference, np.random.default_rng(0),
        nonlinearity="tanh", init="fan-in", size=20, classes=len(names),
    )  # fmt: skip
    rng = np.random.default_rng(1)
    content = {f"w:{name}": w for name, w in net.parameters(layers).items()}
    content |= {"input:mean": 9 * rng.standard_normal((3, 30, 30), np.float32)}
    content |= {"input:deviation": np.float32(50)}
    said = {"network": "cifar-four-layer", "classes": names, "size": 20}
    said |= {"nonlinearity": "tanh", "test_width": 26}
    first, weights_file, again = (tmp_path / n for n in ("1.npz", f"2.{suffix}", "3.npz"))
    storage.save(first, content, {"settings": said | {"seed": 4, "momentum": 0.9}})
    assert main(["export", str(first), str(weights_file)]) == 0
    assert main(["import", str(weights_file), str(again)]) == 0
    ours, theirs = (predictor.load(path, reference) for path in (first, again))
    assert theirs.classes == ours.classes and theirs.size == 20 and theirs.width == 26
    assert np.array_equal(theirs.mean, ours.mean)
    images = rng.integers(0, 256, (2, 3, 30, 30), np.uint8)
    both = [predictor.predict(one, images) for one in (ours, theirs)]
    np.testing.assert_allclose(*both, rtol=1e-4)
    assert main(["import", str(weights_file), "x.npz", "--network", "cifar-80sec"]) == 1
    assert "says that it is of cifar-four-layer, not of cifar-80sec" in capsys.readouterr().err


def test_pytorch_is_told_the_mean_the_deviation_and_the_classes(
    tmp_path, capsys, monkeypatch, small_networks
):
    layers = rows(other_alexnets.torchvision_alexnet, dtype=np.float32)
    monkeypatch.setattr(catalogue, "build_described", lambda about, ops: layers)
    run, named, back = (tmp_path / name for name in ("a.npz", "b.safetensors", "c.npz"))
    colour = np.array([70.0, 90.0, 120.0], np.float32).reshape(3, 1, 1)
    image = colour + np.linspace(-4, 4, 256, dtype=np.float32)
    content = {f"w:{name}": q for name, q in net.parameters(layers).items()}
    content |= {
        "input:mean": image + np.zeros((3, 256, 256), "f"),
        "input:deviation": np.float32(1),
    }
    classes = ["a", "b", "東京\u3000タワー", "d", "e"]
    said = {"network": "torchvision-alexnet", "classes": classes, "size": 224}
    storage.save(run, content, {"settings": said})
    assert main(["export", str(run), str(named), "--for-torchvision", "torchvision-alexnet"]) == 0
    printed = capsys.readouterr().out
    normalize = "Normalize(mean=[0.27451, 0.352941, 0.470588], std=[0.229, 0.224, 0.225])"
    assert f"5 classes: {', '.join(classes)}\n" in printed and normalize in printed
    assert "a mean image, which differs by up to 4.0 of 255 from this colour" in printed
    told = json.loads(safetensors.read_description(named.read_bytes()))
    assert told["classes"] == classes
    np.testing.assert_allclose(np.multiply(told["mean"], 255), colour.ravel(), rtol=1e-6)
    arrays = exchange.read(named).arrays  # what PyTorch computes with them, without dropout
    theirs = [layer for layer in layers if "rng" not in layer.options]
    names = iter(arrays.values())
    theirs = [
        row(layer.name, reference, conventions.kind_of(layer),
            layer.params and {"w": next(names), "b": next(names)}, **layer.options)
        for layer in theirs
    ]  # fmt: skip
    x = images(224).astype(np.float32)
    normal = (x / 255 - np.reshape(told["mean"], (3, 1, 1))) / np.reshape(
        told["deviation"], (3, 1, 1)
    )
    scores = predict(theirs, normal.astype(np.float32))
    np.testing.assert_allclose(scores, predict(layers, x - colour), rtol=1e-4, atol=1e-5)
    assert main(["import", str(named), str(back)]) == 0
    mean, facts = storage.load(back)
    assert facts["settings"] | said == facts["settings"]
    assert np.allclose(mean["input:mean"], colour, rtol=1e-6)
    assert main(["import", str(named), "d.npz", "--pixels", "caffe"]) == 1
    assert "for torchvision's pixels, not for Caffe's" in capsys.readouterr().err
    out = tmp_path / "e.npz"
    assert main(["export", str(run), str(out), "--for-torchvision", "torchvision-alexnet"]) == 0
    assert "It has only the weights; a .safetensors file has" in capsys.readouterr().out


def test_the_runs_own_dropout_goes_out_to_torchvision_and_comes_back(tmp_path, capsys, monkeypatch):
    said = {"network": "vgg-a", "classes": ["a", "b"], "size": 32, "dropout": 0.2}
    few = {"kernels": (2, 2, 2, 2, 2), "hidden": 4, "size": 32, "classes": 2, "dropout": 0.2}
    layers = catalogue.build("vgg-a", reference, np.random.default_rng(0), **few)
    arrays = net.parameters(layers)
    exchange.write(tmp_path / "a.safetensors", arrays, said)
    found = exchange.read(tmp_path / "a.safetensors")
    assert found.about == said
    named = conventions.as_torchvision(layers, exchange.fit(found, layers, "a"))
    np.testing.assert_allclose(named["classifier.3.weight"], 0.8 * arrays["fc7.w"], rtol=1e-6)
    flag = ["--for-torchvision", "vgg-b"]
    assert main(["export", str(tmp_path / "a.safetensors"), str(tmp_path / "b.npz"), *flag]) == 1
    assert "a.safetensors is of vgg-a, not of vgg-b" in capsys.readouterr().err
    build, small = catalogue.build, {"kernels": few["kernels"], "hidden": few["hidden"]}
    monkeypatch.setattr(
        catalogue, "build", lambda *name, **options: build(*name, **small, **options)
    )
    flag = ["--for-torchvision", "vgg-a"]
    assert main(["export", str(tmp_path / "a.safetensors"), str(tmp_path / "b.npz"), *flag]) == 1
    error = capsys.readouterr().err
    assert "for images of 32×32 pixels, with 2 inputs of fc6; torchvision's vgg-a has 98" in error
    assert not (tmp_path / "b.npz").exists()
