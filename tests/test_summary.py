"""What a network has: counts, receptive fields and memory, by hand and against what fast holds."""

import re

import numpy as np
import pytest

from minicnn import fast, net, reference
from minicnn.net import gaussian, row
from minicnn.networks import alexnet, catalogue, cifar, summary, vgg
from minicnn.networks.comparison import comparison, differences, facts_of


def small_network(rng, dtype=np.float64):
    """Images (3, 9, 8) → conv (4, 5, 4) → pool (4, 2, 2) → relu → dropout → fc (5,)."""
    ops = reference
    return [
        row("conv1", ops, "conv", gaussian(rng, (4, 3, 3, 3), 0.3, dtype=dtype), stride=2, pad=1),
        row("pool1", ops, "pool", ceil_mode=True),
        row("relu1", ops, "relu"),
        row("dropout1", ops, "dropout", p=0.25, rng=rng),
        row("fc2", ops, "fc", gaussian(rng, (5, 16), 0.3, bias=1, dtype=dtype)),
    ]


def test_measure_counts_what_can_be_counted_by_hand():
    layers = small_network(np.random.default_rng(7))
    sizes = {size.name: size for size in summary.measure(layers, (3, 9, 8))}
    shapes = [[(4, 5, 4)], [(4, 2, 2)], [(4, 2, 2)], [(4, 2, 2)], [(5,)]]
    assert [size.output for size in sizes.values()] == shapes
    assert sizes["conv1"].layer == "conv 3×3 stride=2 pad=1"
    assert sizes["conv1"].parameters == 4 * 3 * 3 * 3 + 4
    assert sizes["conv1"].neurons == 4 * 5 * 4
    assert sizes["conv1"].multiply_adds == (4 * 5 * 4) * (3 * 3 * 3)
    assert sizes["fc2"][4:] == (5 * 16 + 5, 5 * 16, 5)
    assert sizes["pool1"][4:] == sizes["relu1"][4:] == sizes["dropout1"][4:] == (0, 0, 0)
    assert [size.sees for size in sizes.values()] == [3, 3 + 2 * 2, 7, 7, float("inf")]


def test_a_locally_connected_layer_counts_the_kernels_of_all_places():
    layers = [
        row("map_lrn1", reference, "map_lrn", n=5),
        row("local2", reference, "local", gaussian(None, (4, 3, 6, 2, 3, 3), 0), stride=2),
    ]
    lrn, local = summary.measure(layers, (2, 9, 8))
    assert lrn.layer == "map_lrn n=5" and (lrn.sees, *lrn[4:]) == (5, 0, 0, 0)
    assert local.layer == "local 3×3 stride=2" and local.output == [(6, 4, 3)]
    assert local.sees == 5 + 2 and local.neurons == 6 * 4 * 3
    assert local.parameters == (4 * 3 * 6) * (2 * 3 * 3) + 4 * 3 * 6
    assert local.multiply_adds == (4 * 3 * 6) * (2 * 3 * 3)


def seen_by(layers, shape, name):
    """Return how many columns of pixels change the middle output of this layer, by trying."""
    rows = [layer for layer in layers if not layer.name.startswith("relu")]  # none may be off
    rows = rows[: 1 + [layer.name for layer in rows].index(name)]
    x = np.zeros((1, *shape))
    y, caches = net.forward(rows, x)
    dy = np.zeros_like(y)
    dy[0, :, y.shape[2] // 2, y.shape[3] // 2] = 1
    dx, _ = net.backward(rows, caches, dy)
    return int(np.count_nonzero(np.any(dx != 0, axis=(0, 1, 2))))


def with_positive_weights(build):
    layers = build(reference, np.random.default_rng(0))
    for w in net.parameters(layers).values():
        np.abs(w, out=w)
    # averages, so that every pixel of a window counts, and no normalization, which sees one pixel
    pools = {layer.name: layer.options for layer in layers if layer.name.startswith("pool")}
    return [
        row(layer.name, reference, "average_pool", **pools[layer.name])
        if layer.name in pools
        else layer
        for layer in layers
        if not layer.name.startswith("lrn")
    ]


@pytest.mark.parametrize("name", ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4"])
def test_alexnets_receptive_fields_are_what_gradients_reach(name):
    def build(ops, rng):
        few = dict(kernels=(2, 2, 2, 2, 2), hidden=2, size=227, dtype=np.float64, std=1)
        return alexnet.alexnet(ops, rng, **few)

    layers = with_positive_weights(build)
    sees = {size.name: size.sees for size in summary.measure(layers, (3, 227, 227))}
    assert seen_by(layers, (3, 227, 227), name) == sees[name]


def test_receptive_fields_of_whole_networks():
    sizes = summary.measure(alexnet.alexnet(reference, None), (3, 224, 224))
    sees = [size.sees for size in sizes if size.name.startswith(("conv", "pool"))]
    assert sees == [11, 19, 51, 67, 99, 131, 163, 195]
    sizes = summary.measure(vgg.vgg("D", reference, None), (3, 224, 224))
    sees = [size.sees for size in sizes if size.name.startswith(("conv", "pool"))]
    assert sees == [3, 5, 6, 10, 14, 16, 24, 32, 40, 44, 60, 76, 92, 100, 132, 164, 196, 212]


def test_stacks_of_convolutions_are_found():
    stacks = summary.stacks(vgg.vgg("E", reference, None))
    assert stacks[(3, 3)] == ["conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2"]
    assert stacks[(3, 3, 3)] == ["conv3_3", "conv4_3", "conv5_3"]
    assert stacks[(3, 3, 3, 3)] == ["conv3_4", "conv4_4", "conv5_4"] and len(stacks) == 3
    assert summary.stacks(vgg.vgg("C", reference, None))[(3, 3, 1)] == stacks[(3, 3, 3)]
    assert summary.stacks(alexnet.alexnet(reference, None)) == {
        (3, 3): ["conv4"],
        (3, 3, 3): ["conv5"],
    }
    assert summary.stacks(cifar.four_layer(reference, None)) == {}


def arrays_in(cache):
    """Return all arrays in nested tuples."""
    if isinstance(cache, tuple):
        return [array for part in cache for array in arrays_in(part)]
    return [cache] if isinstance(cache, np.ndarray) else []


def memory_of(array):
    """Return the array that owns the memory of a view."""
    while array.base is not None:
        array = array.base
    return array


WIDE = dict(kernels=(64, 64, 64, 64, 64), hidden=64)  # whole vectors, whatever the processor
HELD = [
    ("alexnet", 99, WIDE),
    ("alexnet-no-overlap", 65, WIDE),
    ("alexnet-2gpu", 65, WIDE),
    ("vgg-a-lrn", 33, WIDE),
    ("vgg-c", 33, WIDE),
    ("cifar-80sec", 24, {}),
    ("cifar-four-hidden-layer", 24, {}),
    ("cifar-18pct", 24, {}),
    ("cifar-13pct", 24, {}),
    ("cifar-11pct", 24, {}),
    ("alexnet-source", 65, WIDE),
]


@pytest.mark.parametrize("name, size, options", HELD)
def test_the_memory_for_backward_is_what_the_caches_of_fast_hold(name, size, options):
    N, rng = 3, np.random.default_rng(0)
    layers = catalogue.build(name, fast, rng, size=size, classes=64, **options)
    x = rng.standard_normal((N, 3, size, size), np.float32)
    _, caches = net.forward(layers, x)
    held = {id(memory): memory.nbytes for memory in map(memory_of, arrays_in(tuple(caches)))}
    for w in net.parameters(layers).values():
        held.pop(id(memory_of(w)), None)
    assert summary.kept_bytes(layers, x.shape[1:], N) == pytest.approx(
        sum(held.values()) / N, rel=0.02
    )


def test_float64_keeps_twice_as_much_but_for_the_winners_of_pools_and_the_masks():
    def kept(dtype):
        return summary.kept_bytes(small_network(None, dtype), (3, 9, 8))

    conv, relu, fc, pool_and_dropout = 3 * 11 * 10, 16, 16, 16 + 16
    assert kept(np.float32) == 4 * (conv + relu + fc) + pool_and_dropout
    assert kept(np.float64) == 8 * (conv + relu + fc) + pool_and_dropout


def test_the_summary_has_a_line_a_row_and_the_totals():
    layers = small_network(np.random.default_rng(8), np.float32)
    lines = summary.summary(layers, (3, 9, 8), batch=3).splitlines()
    assert lines[0].split() == "name layer output sees parameters multiply-adds neurons".split()
    assert lines[2].split() == ["images", "3×9×8", "1×1"]
    assert [line.split()[0] for line in lines[3:8]] == [layer.name for layer in layers]
    assert lines[3].split() == "conv1 conv 3×3 stride=2 pad=1 4×5×4 3×3 112 2,160 80".split()
    assert lines[6].split() == ["dropout1", "dropout", "p=0.25", "4×2×2", "7×7"]
    assert lines[7].split() == ["fc2", "fc", "5", "all", "85", "80", "5"]
    assert lines[9].split() == ["total", "197", "2,240", "85"]
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines[11:])
    assert "batches of 3 in float32" in text and "3 × 197" in text and "3 × 1,480 bytes" in text


def test_the_summary_of_vgg_says_what_its_stacks_see():
    text = summary.summary(vgg.vgg("D", reference, None), (3, 224, 224))
    assert "3×3 on 3×3 sees 5×5 of the maps below: conv1_2, conv2_2, conv3_2" in text
    assert "3×3 on 3×3 on 3×3 sees 7×7 of the maps below: conv3_3, conv4_3, conv5_3\n" in text


# Two networks side by side.


def test_the_network_of_the_original_code_is_compared_with_the_papers():
    lines = comparison("alexnet", "alexnet-source", **WIDE).splitlines()
    assert re.split("  +", lines[2]) == ["", "alexnet", "alexnet-source"]
    assert [re.split("  +", line) for line in lines[4:]] == [
        ["relu1", "comes after", "conv1", "pool1"],
        ["", SECTION_3_3 + "follows the ReLU; layers-145.cfg: conv1a has no neuron, pool1a relu"],
        ["lrn1, lrn2", "alpha", "0.0001", "2e-05"],
        ["", alexnet_source("lrn1 lrn2")],
        ["map_lrn2", "layer", "–", "map_lrn n=5 alpha=0.001, after lrn2"],
        ["", alexnet_source("map_lrn2")],
        ["conv3, conv4, conv5", "initial weights", "N(0, 0.01²)", "N(0, 0.03²)"],
        ["", alexnet_source("conv3 conv4 conv5")],
        ["relu5", "comes after", "conv5", "pool5"],
        ["", alexnet_source("relu5")],
        ["recipe", "bias_epsilon", "1", "2"],
        ["", alexnet_source("recipe")],
    ]
    assert max(map(len, lines)) <= 100


SECTION_3_3 = "Section 3.3: normalization "


def alexnet_source(layers):
    """Return the line about these layers of alexnet_source."""
    ((paper, code, file),) = [rest for names, _, *rest in alexnet.SOURCES if names == layers]
    return f"{paper}; {file}: {code}"


@pytest.mark.parametrize(
    "names, expected",
    [
        (
            ("alexnet", "caffenet"),
            "images pixels 224×224 227×227 | lrn1 comes after relu1 pool1 | lrn1, lrn2 k 2 1 | "
            "lrn1, lrn2 alpha 0.0001 2e-05 | lrn1, lrn2 groups 2 1 | lrn2 comes after relu2 pool2",
        ),
        (
            ("cifar-18pct", "cifar-19pct"),
            "map_lrn1 layer map_lrn, after relu1 – | map_lrn2 layer map_lrn, after pool2 – | "
            "recipe decay of fc10 1 3",
        ),
    ],
)
def test_other_networks_are_compared_without_sources(names, expected):
    options = WIDE if "alexnet" in names else {}
    rows = comparison(*names, **options).splitlines()[4:]
    assert [" ".join(line.split()) for line in rows] == expected.split(" | ")


def test_two_columns_differ_from_one_in_their_kernels_and_exchanges():
    found = differences(
        *(
            facts_of(name, catalogue.build(name, reference, None, **WIDE))
            for name in ("alexnet", "alexnet-2gpu")
        )
    )
    assert ("conv4, conv5", "kernels", "64×32×3×3", "2 of 32×32×3×3") in [
        (", ".join(d.layers), *d[1:]) for d in found
    ]
    extra = [d.layers for d in found if d.what == "layer"]
    assert extra == [[name] for name in "both exchange3 exchange6 exchange7 exchange8 join".split()]


def test_a_recipe_is_compared_and_a_network_equals_itself(monkeypatch):
    few = {"kernels": (2, 2, 2, 2, 2), "hidden": 2}
    text = comparison("alexnet", "alexnet", **few)
    assert text.endswith("\nThey have the same layers, initial weights and recipe.")
    row = catalogue.NETWORKS["alexnet-source"]
    slow = row._replace(recipe={**row.recipe, "epochs": 93, "bias_epsilon": 0.02})
    monkeypatch.setitem(catalogue.NETWORKS, "alexnet-source", slow)
    lines = comparison("alexnet", "alexnet-source", **few).splitlines()
    assert lines[-3].split() == ["recipe", "epochs", "90", "93"]
    assert lines[-2].split() == ["recipe", "bias_epsilon", "1", "0.02"]
    assert lines[-1] == "    " + alexnet_source("recipe")


def test_two_columns_are_counted_together():
    layers = alexnet.two_columns(reference, None, classes=5, kernels=(4, 8, 12, 16, 6), hidden=10)
    text = summary.summary(layers, (3, 224, 224))
    assert "2 of 12×6×6" not in text and "2 of 3×6×6" in text and "3 + 2" in text


def test_what_crosses_between_the_columns_is_what_the_original_sent():
    layers = alexnet.two_columns(reference, None)
    found = {one.name: one for one in summary.crossings(layers, (3, 224, 224), 128)}
    maps = {"exchange3": 128 * 13 * 13, "exchange6": 128 * 6 * 6, "exchange7": 2048}
    maps["exchange8"] = 2048  # the original sends fc7 one way only: all scores are on one GPU
    for name, numbers in maps.items():
        each_way = 128 * 4 * numbers
        assert found[name].forward == found[name].backward == (each_way, each_way)
    in_mb = [round(found[name].forward[0] / 1e6, 2) for name in maps]
    assert in_mb == [11.08, 2.36, 1.05, 1.05]  # its pool2 11.1, pool5 2.4, fc6 and fc7 1.05
    images, scores = 128 * 4 * 3 * 224 * 224, 128 * 4 * 500
    assert found["both"][1:] == ((images, 0), (0, 0))
    assert found["join"][1:] == ((0, scores), (scores, 0))
    text = summary.summary(layers, (3, 224, 224), 128)
    assert "exchange3        11.08     11.08     11.08     11.08\n" in text
    assert "exchange3  0 ↔ 1   exchange" in text and "conv3      0, 1    conv 3×3" in text
    assert "together         92.60     15.79     15.79     15.53\n" in text


def test_columns_of_unequal_size_send_what_they_have():
    layers = alexnet.two_columns(reference, None, classes=5, kernels=(4, 7, 6, 4, 4), hidden=5)
    found = {one.name: one for one in summary.crossings(layers, (3, 224, 224), 1)}
    assert found["exchange3"].forward == (4 * 4 * 169, 4 * 3 * 169)
    assert found["exchange3"].backward == (4 * 3 * 169, 4 * 4 * 169)
    assert found["join"][1:] == ((0, 4 * 2), (4 * 2, 0))


def test_nothing_crosses_in_one_column():
    layers = alexnet.alexnet(reference, None)
    assert summary.crossings(layers, (3, 224, 224)) == []
    assert "cross" not in summary.summary(layers, (3, 224, 224))


def test_looking_at_a_network_leaves_its_random_numbers_alone():
    rng = np.random.default_rng(9)
    layers = small_network(rng)
    before = rng.bit_generator.state
    summary.summary(layers, (3, 9, 8))
    assert rng.bit_generator.state == before


def test_images_of_another_shape_are_refused_by_the_row_that_they_do_not_fit():
    layers = small_network(np.random.default_rng(10))
    with pytest.raises(ValueError, match="^conv1: conv: x has 2 channels but w expects 3"):
        summary.measure(layers, (2, 9, 8))
    with pytest.raises(ValueError, match="^fc2: fc: .* but w expects 16"):
        summary.summary(layers, (3, 19, 18))
