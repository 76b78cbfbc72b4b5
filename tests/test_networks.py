"""The networks: the paper's shapes and counts; one column and two are the same function."""

import math

import numpy as np
import pytest

from minicnn import fast, net, reference
from minicnn.networks import alexnet, catalogue, cifar, vgg
from minicnn.networks.summary import measure
from minicnn.two_columns import in_columns, join_columns

FULL = (3, 224, 224)
SMALL = dict(classes=5, kernels=(4, 8, 12, 16, 6), hidden=10, size=99, std=0.1, dtype=np.float64)


def learned(sizes):
    """Return {name: (parameters, multiply_adds, neurons)} of the layers that have any."""
    return {size.name: size[4:] for size in sizes if size.parameters}


def total(sizes):
    return tuple(sum(size[i] for size in sizes) for i in (4, 5, 6))


ALEXNET = {
    "conv1": (34_944, 105_415_200, 290_400),
    "conv2": (307_456, 223_948_800, 186_624),
    "conv3": (885_120, 149_520_384, 64_896),
    "conv4": (663_936, 112_140_288, 64_896),
    "conv5": (442_624, 74_760_192, 43_264),
    "fc6": (37_752_832, 37_748_736, 4_096),
    "fc7": (16_781_312, 16_777_216, 4_096),
    "fc8": (4_097_000, 4_096_000, 1_000),
}


def test_alexnet_has_the_papers_shapes_and_counts():
    layers = alexnet.alexnet(reference, None)
    sizes = measure(layers, FULL)
    assert learned(sizes) == ALEXNET
    assert total(sizes) == (60_965_224, 724_406_816, 659_272)
    shapes = {size.name: size.output for size in sizes}
    assert shapes["conv1"] == [(96, 55, 55)]
    assert shapes["pool1"] == [(96, 27, 27)] and shapes["conv2"] == [(256, 27, 27)]
    assert shapes["pool2"] == [(256, 13, 13)] and shapes["conv3"] == [(384, 13, 13)]
    assert shapes["conv4"] == [(384, 13, 13)] and shapes["conv5"] == [(256, 13, 13)]
    assert shapes["pool5"] == [(256, 6, 6)]
    assert shapes["fc6"] == shapes["fc7"] == [(4096,)] and shapes["fc8"] == [(1000,)]


def test_two_columns_have_the_same_counts_and_half_the_maps_each():
    layers = alexnet.two_columns(reference, None)
    sizes = measure(layers, FULL)
    assert learned(sizes) == ALEXNET
    shapes = {size.name: size.output for size in sizes}
    assert shapes["conv1"] == [(48, 55, 55)] * 2 and shapes["conv2"] == [(128, 27, 27)] * 2
    assert shapes["exchange3"] == [(256, 13, 13)] * 2 and shapes["conv3"] == [(192, 13, 13)] * 2
    assert shapes["pool5"] == [(128, 6, 6)] * 2 and shapes["exchange6"] == [(256, 6, 6)] * 2
    assert shapes["fc6"] == [(2048,)] * 2 and shapes["exchange7"] == [(4096,)] * 2
    assert shapes["fc8"] == [(500,)] * 2 and shapes["join"] == [(1000,)]


def test_the_one_gpu_network_has_the_footnotes_size():
    layers = alexnet.one_gpu(reference, None)
    parameters, _, neurons = total(measure(layers, FULL))
    assert (parameters, neurons) == (59_798_312, 355_864)


def test_without_groups_alexnet_has_1_4_million_parameters_more():
    layers = alexnet.alexnet(reference, None, groups=1)
    assert net.count_parameters(layers) == 62_378_344


def test_alexnet_starts_as_section_5_says():
    small = dict(kernels=(32, 32, 32, 32, 32), hidden=64, size=99)
    layers = alexnet.alexnet(reference, np.random.default_rng(0), **small)
    params = {layer.name: layer.params for layer in layers if layer.params}
    for name, p in params.items():
        assert p["w"].dtype == p["b"].dtype == np.float32
        assert p["w"].std() == pytest.approx(0.01, rel=0.05), name
    ones = {name for name, p in params.items() if np.all(p["b"] == 1)}
    zeros = {name for name, p in params.items() if np.all(p["b"] == 0)}
    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"} and zeros == {"conv1", "conv3", "fc8"}


def test_rows_stand_in_the_order_of_the_paper():
    layers = alexnet.alexnet(reference, np.random.default_rng(0), **SMALL)
    assert " ".join(layer.name for layer in layers) == (
        "conv1 relu1 lrn1 pool1 conv2 relu2 lrn2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 "
        "fc6 relu6 dropout6 fc7 relu7 dropout7 fc8"
    )
    two = alexnet.two_columns(reference, np.random.default_rng(0), **SMALL)
    between = {"both", "exchange3", "exchange6", "exchange7", "exchange8", "join"}
    assert [row.name for row in two if row.name not in between] == [row.name for row in layers]


def images(rng, N):
    """Images with the contrast of photographs, so that normalization has something to do."""
    return 60 * rng.standard_normal((N, 3, SMALL["size"], SMALL["size"]))


def walk(layers, x, dscores):
    """Return scores, dx, and the gradients of the rows that have parameters."""
    scores, caches = net.forward(layers, x)
    dx, grads = net.backward(layers, caches, dscores)
    return scores, dx, {name: g for name, g in grads.items() if g}


def assert_close(a, b):
    assert a.shape == b.shape and a.dtype == b.dtype
    assert np.max(abs(a - b)) <= 1e-10 * np.max(abs(b)) and np.max(abs(b)) > 0


def assert_same_walk(one, two, x, dscores):
    scores, dx, grads = walk(one, x, dscores)
    scores_2, dx_2, grads_2 = walk(two, x, dscores)
    assert_close(scores_2, scores)
    assert_close(dx_2, dx)
    assert list(grads) == list(grads_2)
    for name, gradient in grads.items():
        joined = join_columns(grads_2[name])
        assert_close(joined["w"], gradient["w"])
        assert_close(joined["b"], gradient["b"])
    return grads, grads_2


def test_one_column_and_two_give_the_same_scores_gradients_and_steps(ops):
    one = alexnet.alexnet(ops, np.random.default_rng(1), **SMALL)
    two = alexnet.two_columns(ops, np.random.default_rng(1), **SMALL)
    predict_one = net.predicting(one, ops)
    predict_two = net.predicting(two, in_columns(ops))
    rng = np.random.default_rng(2)
    x, dscores = images(rng, 2), rng.standard_normal((2, 5))
    grads, grads_2 = assert_same_walk(predict_one, predict_two, x, dscores)

    both_ops = in_columns(ops)
    for layer in one:
        for letter, w in layer.params.items():
            dw = grads[layer.name][letter]
            layer.params[letter], _ = ops.sgd_update(w, np.zeros_like(w), dw, epsilon=1e-6)
    for layer in two:
        for letter, w in layer.params.items():
            v, dw = (np.zeros_like(w[0]), np.zeros_like(w[1])), grads_2[layer.name][letter]
            layer.params[letter], _ = both_ops.sgd_update(w, v, dw, epsilon=1e-6)
    before = net.forward(predict_one, x)[0]
    assert_same_walk(predict_one, predict_two, x, dscores)
    fresh = net.predicting(alexnet.alexnet(ops, np.random.default_rng(1), **SMALL), ops)
    assert not np.allclose(before, net.forward(fresh, x)[0], rtol=1e-6)  # the step was a step


def test_one_column_and_two_agree_in_training_where_the_masks_agree():
    # With one image, column 0 and then column 1 draw the very numbers that one column draws.
    one = alexnet.alexnet(reference, np.random.default_rng(3), **SMALL)
    two = alexnet.two_columns(reference, np.random.default_rng(3), **SMALL)
    rng = np.random.default_rng(4)
    assert_same_walk(one, two, images(rng, 1), rng.standard_normal((1, 5)))


def test_predicting_alexnet_draws_nothing_and_says_the_same_twice(ops):
    rng = np.random.default_rng(5)
    layers = alexnet.alexnet(ops, rng, **SMALL)
    x = images(np.random.default_rng(6), 2)
    before = rng.bit_generator.state
    first, _ = net.forward(net.predicting(layers, ops), x)
    second, _ = net.forward(net.predicting(layers, ops), x)
    assert np.array_equal(first, second) and rng.bit_generator.state == before
    net.forward(layers, x)
    assert rng.bit_generator.state != before


def test_predicting_two_columns_with_the_backend_of_one_is_refused():
    two = alexnet.two_columns(reference, np.random.default_rng(7), **SMALL)
    with pytest.raises(ValueError, match=r"dropout6 .* two_columns.in_columns\(ops\)"):
        net.predicting(two, reference)


RELATIVES = {
    # parameters, multiply-adds and neurons, from those of ALEXNET
    "alexnet-6conv": (60_965_224 + 590_080, 724_406_816 + 36 * 256 * 9 * 256, 659_272 + 9_216),
    "alexnet-no-conv3": (60_965_224 - 885_120 - 221_184, 537_506_336, 659_272 - 64_896),
    "alexnet-no-conv4": (60_965_224 - 663_936, 724_406_816 - 112_140_288, 659_272 - 64_896),
    "alexnet-no-lrn": (60_965_224, 724_406_816, 659_272),
    "alexnet-no-overlap": (60_965_224, 686_891_552, 633_416),
    "alexnet-source": (60_965_224, 724_406_816, 659_272),
}


@pytest.mark.parametrize("name", RELATIVES)
def test_alexnets_relatives_have_their_sizes(name):
    assert total(measure(catalogue.build(name, reference, None), FULL)) == RELATIVES[name]


def test_the_sixth_convolution_keeps_the_number_and_size_of_pool5s_maps():
    layers = alexnet.six_convolutions(reference, np.random.default_rng(0), **SMALL)
    plain = [layer.name for layer in alexnet.alexnet(reference, None, **SMALL)]
    assert [layer.name for layer in layers] == [*plain[:15], "conv6", "relu_conv6", *plain[15:]]
    shapes = {size.name: size.output for size in measure(layers, (3, 99, 99))}
    assert shapes["conv6"] == shapes["pool5"] == [(6, 2, 2)]
    conv6 = layers[15].params
    assert conv6["w"].std() == pytest.approx(0.1, rel=0.1) and np.all(conv6["b"] == 1)
    assert conv6["w"].dtype == conv6["b"].dtype == np.float64


def test_a_convolution_is_left_out_and_the_next_one_sees_the_maps_below_it():
    rng = np.random.default_rng(0)
    for number, rows_of_next in ((3, (16, 8 // 2, 3, 3)), (4, (6, 12 // 2, 3, 3))):
        layers = alexnet.without_conv(number, reference, rng, **SMALL)
        names = [layer.name for layer in layers]
        assert f"conv{number}" not in names and f"relu{number}" not in names and len(names) == 20
        assert net.parameters(layers)[f"conv{number + 1}.w"].shape == rows_of_next
    with pytest.raises(ValueError, match="number is 5; expected 3 or 4"):
        alexnet.without_conv(5, reference, rng)


def test_without_normalization_the_other_rows_stay():
    layers = alexnet.without_lrn(reference, None, **SMALL)
    plain = alexnet.alexnet(reference, None, **SMALL)
    kept = [layer.name for layer in plain if layer.name not in ("lrn1", "lrn2")]
    assert [layer.name for layer in layers] == kept and len(kept) == len(plain) - 2


def test_pools_that_do_not_overlap_leave_fc6_as_it_is():
    sizes = measure(alexnet.without_overlap(reference, None), FULL)
    widths = [size.output[0][1] for size in sizes if size.name.startswith(("conv", "pool"))]
    assert widths == [55, 28, 26, 13, 13, 13, 11, 6]
    few = dict(kernels=(2, 2, 2, 2, 2), hidden=2)
    for size in range(64, 300):
        if size % 32 < 24:
            measure(alexnet.without_overlap(reference, None, size=size, **few), (3, size, size))
        else:
            with pytest.raises(
                ValueError, match=f"size = {size}; .* such as {size // 32 * 32 + 32}$"
            ):
                alexnet.without_overlap(reference, None, size=size, **few)


@pytest.mark.parametrize("name", RELATIVES)
def test_alexnets_relatives_run_and_learn(name):
    rng = np.random.default_rng(8)
    layers = catalogue.build(name, reference, rng, **SMALL)
    scores, dx, grads = walk(layers, images(rng, 2), rng.standard_normal((2, 5)))
    assert scores.shape == (2, 5) and np.any(dx)
    assert all(np.any(grads[layer.name]["w"]) for layer in layers if layer.params)


def test_the_network_of_the_original_code_differs_where_its_files_say_so():
    layers = alexnet.alexnet_source(reference, np.random.default_rng(1), **SMALL)
    assert " ".join(layer.name for layer in layers[:17]) == (
        "conv1 lrn1 pool1 relu1 conv2 relu2 lrn2 map_lrn2 pool2 conv3 relu3 conv4 relu4 "
        "conv5 pool5 relu5 fc6"
    )
    options = {layer.name: layer.options for layer in layers}
    assert options["lrn1"] == options["lrn2"] == {"groups": 2, "alpha": 2e-5}
    assert options["map_lrn2"] == {"n": 5, "alpha": 1e-3}
    plain = net.parameters(alexnet.alexnet(reference, np.random.default_rng(1), **SMALL))
    for name, w in net.parameters(layers).items():
        factor = 3 if name in ("conv3.w", "conv4.w", "conv5.w") else 1
        np.testing.assert_allclose(w, factor * plain[name], rtol=1e-15)


CIFAR = [
    # parameters and multiply-adds, at 32 and at 24 pixels
    (cifar.four_layer, 32, 89_578, 12_298_240),
    (cifar.four_layer, 24, 85_098, 6_917_760),
    (cifar.layers_19pct, 32, 89_578, 12_298_240),
    (cifar.layers_19pct, 24, 85_098, 6_917_760),
    (cifar.layers_18pct, 32, 89_578, 12_298_240),
    (cifar.layers_18pct, 24, 85_098, 6_917_760),
    (cifar.local_13pct, 24, 1_116_490, 18_517_248),
    (cifar.local_13pct, 32, 1_901_386, 32_919_552),
    (cifar.local_11pct, 24, 2_112_970, 19_512_576),
    (cifar.local_11pct, 32, 3_672_906, 34_689_024),
    (cifar.layers_80sec, 32, 145_578, 12_354_176),
    (cifar.layers_80sec, 24, 116_906, 6_949_504),
    (cifar.four_hidden_layer, 32, 155_530, 32_919_552),
    (cifar.small_alexnet, 24, 1_209_130, 31_228_928),
]


@pytest.mark.parametrize("network, size, parameters, multiply_adds", CIFAR)
def test_the_cifar_networks_have_their_sizes(network, size, parameters, multiply_adds):
    layers = network(reference, np.random.default_rng(0), size=size)
    assert total(measure(layers, (3, size, size)))[:2] == (parameters, multiply_adds)


RUN = [(reference, *case[:2]) for case in CIFAR]
RUN += [(fast, cifar.four_layer, 32), (fast, cifar.small_alexnet, 24)]
RUN += [(fast, cifar.layers_18pct, 32), (fast, cifar.local_11pct, 24)]


@pytest.mark.parametrize("ops, network, size", RUN)
def test_the_cifar_networks_run_and_keep_float32(ops, network, size):
    rng = np.random.default_rng(1)
    layers = network(ops, rng, size=size, classes=7)
    x = 60 * rng.standard_normal((2, 3, size, size), np.float32)
    scores, dx, grads = walk(layers, x, rng.standard_normal((2, 7), np.float32))
    assert scores.shape == (2, 7) and dx.shape == x.shape
    arrays = [scores, dx, *(g for pair in grads.values() for g in pair.values())]
    assert {array.dtype.name for array in arrays} == {"float32"}


def test_cuda_convnets_normalizations_stand_where_its_files_have_them():
    def names(layers):
        return " ".join(layer.name for layer in layers)

    assert names(cifar.layers_18pct(reference, None)) == (
        "conv1 pool1 relu1 map_lrn1 conv2 relu2 pool2 map_lrn2 conv3 relu3 pool3 fc10"
    )
    with_lrn = cifar.local_11pct(reference, None)
    assert names(with_lrn) == (
        "conv1 pool1 relu1 lrn1 conv2 relu2 lrn2 pool2 local3 relu3 local4 relu4 fc10"
    )
    without = cifar.local_11pct(reference, None, normalized=False)
    assert names(without) == names(with_lrn).replace("lrn1 ", "").replace("lrn2 ", "")


@pytest.mark.parametrize("nonlinearity", cifar.NONLINEARITIES)
def test_pooling_before_the_nonlinearity_changes_nothing(nonlinearity):
    rng = np.random.default_rng(2)
    layers = cifar.four_layer(
        reference, rng, nonlinearity, init="fan-in", size=14, dtype=np.float64
    )
    assert [layer.name for layer in layers[1:3]] == ["pool1", f"{nonlinearity}1"]
    swapped = [layers[i] for i in (0, 2, 1, 3, 5, 4, 6, 8, 7, 9)]
    x, dscores = rng.standard_normal((2, 3, 14, 14)), rng.standard_normal((2, 10))
    scores, dx, grads = walk(layers, x, dscores)
    scores_2, dx_2, grads_2 = walk(swapped, x, dscores)
    assert np.array_equal(scores, scores_2) and np.allclose(dx, dx_2, rtol=1e-12, atol=0)
    for name in grads:
        assert np.allclose(grads[name]["w"], grads_2[name]["w"], rtol=1e-10, atol=1e-14)


def spreads(layers):
    """Return the standard deviation of every layer's first weights; all first biases must be 0."""
    params = [layer.params for layer in layers if layer.params]
    assert all(np.all(p["b"] == 0) for p in params)
    return [p["w"].std() for p in params]


def test_first_weights_follow_the_rule_asked_for():
    def spread(network, *arguments):
        return spreads(network(reference, np.random.default_rng(3), *arguments))

    def near(*expected):
        return pytest.approx(expected, rel=0.06)

    four, hidden = cifar.four_layer, cifar.four_hidden_layer
    assert spread(four) == spread(four, "relu", "paper") == near(0.01, 0.01, 0.01, 0.01)
    assert spread(four, "tanh", "cuda-convnet") == near(0.0001, 0.01, 0.01, 0.01)
    assert spread(hidden, "relu", "cuda-convnet") == near(0.0001, 0.01, 0.04, 0.04, 0.01)
    assert spread(cifar.layers_19pct) == near(0.0001, 0.01, 0.01, 0.01)
    assert spread(cifar.layers_80sec) == near(0.0001, 0.01, 0.01, 0.1, 0.1)
    assert spread(cifar.layers_18pct) == near(0.0001, 0.01, 0.01, 0.01)
    for network in (cifar.local_13pct, cifar.local_11pct):
        assert spread(network) == near(0.0001, 0.01, 0.04, 0.04, 0.01)
    inputs = (3 * 25, 64 * 25, 64 * 9, 32 * 9, 32 * 36)
    assert spread(cifar.local_13pct, "tanh", "fan-in") == near(*(math.sqrt(1 / D) for D in inputs))
    inputs = (3 * 25, 32 * 25, 32 * 25, 64 * 16)
    assert spread(four, "relu", "fan-in") == near(*(math.sqrt(2 / D) for D in inputs))
    assert spread(four, "tanh", "fan-in") == near(*(math.sqrt(1 / D) for D in inputs))


OF_MANY_SIZES = [name for name, row in catalogue.NETWORKS.items() if row.least < row.size]


@pytest.mark.parametrize("name", OF_MANY_SIZES)
def test_no_network_is_built_for_images_below_its_least_size(name):
    least, few = catalogue.find(name).least, {"classes": 2}
    few |= {"hidden": 2} if "hidden" in catalogue.options_of(name) else {}
    layers = catalogue.build(name, reference, None, size=least, **few)
    assert measure(layers, (3, least, least))[-1].output[0] == (2,)
    with pytest.raises(ValueError, match=f"size = {least - 1}; "):
        catalogue.build(name, reference, None, size=least - 1, **few)


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    def first_kernel(seed):
        layers = cifar.four_layer(reference, np.random.default_rng(seed))
        return net.parameters(layers)["conv1.w"][0]

    assert np.array_equal(first_kernel(4), first_kernel(4))
    assert not np.array_equal(first_kernel(4), first_kernel(5))


def test_unknown_rules_and_nonlinearities_are_named():
    rng = np.random.default_rng(6)
    with pytest.raises(ValueError, match="init is 'xavier'; expected one of paper, cuda-convnet"):
        cifar.four_layer(reference, rng, init="xavier")
    with pytest.raises(ValueError, match="nonlinearity is 'gelu'; expected one of relu, tanh"):
        cifar.four_layer(reference, rng, nonlinearity="gelu")


def test_every_network_has_a_name():
    made_for = {name: row.size for name, row in catalogue.NETWORKS.items()}
    assert made_for["alexnet-2gpu"] == made_for["vgg-a-lrn"] == 224
    assert made_for["cifar-80sec"] == made_for["cifar-four-hidden-layer"] == 32
    assert made_for["cifar-alexnet"] == 24
    for name, size in made_for.items():
        layers = catalogue.build(name, reference, None, classes=7)
        assert measure(layers, (3, size, size))[-1].output == [(7,)], name
    configurations = [name.removeprefix("vgg-") for name in made_for if name.startswith("vgg")]
    assert configurations == [name.lower() for name in vgg.CONFIGURATIONS]


def test_a_network_by_name_is_the_function_with_its_options():
    one = catalogue.build("alexnet-1gpu", reference, np.random.default_rng(9), hidden=3, size=64)
    two = alexnet.one_gpu(reference, np.random.default_rng(9), hidden=3, size=64)
    for name, w in net.parameters(one).items():
        assert np.array_equal(w, net.parameters(two)[name])


def test_two_columns_are_trained_with_a_backend_for_pairs():
    two = catalogue.backend("alexnet-2gpu", reference)
    net.predicting(
        catalogue.build("alexnet-2gpu", reference, np.random.default_rng(0), **SMALL), two
    )
    assert catalogue.backend("alexnet", reference) is reference


def test_an_unknown_network_gets_a_sentence_with_all_names():
    ask = (
        lambda: catalogue.build("resnet", reference, None),
        lambda: catalogue.size_option("resnet", 32),
        lambda: catalogue.backend("resnet", reference),
    )
    for asked in ask:
        with pytest.raises(ValueError, match="'resnet'; there are alexnet, .*vgg-e, .*cifar-19pct"):
            asked()


def test_the_defaults_of_all_networks_are_a_short_text():
    text = catalogue.defaults(lambda network: network.size)
    assert text.startswith(
        "224, 227 for caffe-alexnet, caffenet, 32 for cifar-…, 24 for cifar-13pct, "
    )
    assert catalogue.defaults(lambda network: network.columns).startswith("1, 2 for alexnet-2gpu")
