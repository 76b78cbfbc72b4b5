"""A network is a list of layers: walking it, counting it, writing it down."""

import subprocess
import sys
import weakref

import numpy as np
import pytest

from minicnn import net, reference as ops
from minicnn.net import Layer, gaussian, row


def small_network(rng, dtype=np.float64):
    """Images (3, 9, 8) → conv (4, 5, 4) → pool (4, 2, 2) → relu → dropout → fc (5,)."""
    return [
        row("conv1", ops, "conv", gaussian(rng, (4, 3, 3, 3), 0.3, dtype=dtype), stride=2, pad=1),
        row("pool1", ops, "pool", z=3, s=2, ceil_mode=True),
        row("relu1", ops, "relu"),
        row("dropout1", ops, "dropout", p=0.25, rng=rng),
        row("fc2", ops, "fc", gaussian(rng, (5, 16), 0.3, bias=1, dtype=dtype)),
    ]


def slope(loss, array, place, h=1e-6):
    """Return the centred difference of loss() as one entry of array moves."""
    here = array[place]
    array[place] = here + h
    above = loss()
    array[place] = here - h
    below = loss()
    array[place] = here
    return (above - below) / (2 * h)


def writes_its_steps(name, steps):
    def forward(x):
        steps.append(f"{name} forward {x}")
        return f"y of {name}", f"cache of {name}"

    def backward(dy, cache):
        steps.append(f"{name} backward {dy}, {cache}")
        return (f"dx of {name}",)

    return Layer(name, forward, backward, {}, {})


def test_forward_walks_down_and_backward_walks_up_with_each_rows_own_cache():
    steps = []
    layers = [writes_its_steps(name, steps) for name in ("a", "b", "c")]
    y, caches = net.forward(layers, "x")
    assert y == "y of c" and caches == ["cache of a", "cache of b", "cache of c"]
    dx, grads = net.backward(layers, caches, "dy")
    assert dx == "dx of a" and grads == {"a": {}, "b": {}, "c": {}}
    assert steps == [
        "a forward x",
        "b forward y of a",
        "c forward y of b",
        "c backward dy, cache of c",
        "b backward dx of c, cache of b",
        "a backward dx of b, cache of a",
    ]


def test_outputs_come_one_a_layer_and_no_cache_outlives_its_layer():
    caches = []

    def forward(x):
        assert all(cache() is None for cache in caches)
        cache = np.zeros(1)
        caches.append(weakref.ref(cache))
        return x + 1, cache

    layers = [Layer(name, forward, None, {}, {}) for name in ("a", "b", "c")]
    assert list(net.outputs(layers, 1)) == [2, 3, 4]
    assert list(net.outputs([], 1)) == []


def test_the_network_without_rows_is_the_identity():
    y, caches = net.forward([], "x")
    assert y == "x" and net.backward([], caches, "dy") == ("dy", {})


def test_a_row_calls_its_layer_with_its_parameters_and_options():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 9, 8))
    conv1 = small_network(rng)[0]
    expected, _ = ops.conv_forward(x, conv1.params["w"], conv1.params["b"], stride=2, pad=1)
    y, _ = net.forward([conv1], x)
    assert np.array_equal(y, expected)


def test_gradients_of_input_and_parameters_agree_with_finite_differences():
    rng = np.random.default_rng(1)
    layers = net.predicting(small_network(rng), ops)
    x, dy = rng.standard_normal((2, 3, 9, 8)), rng.standard_normal((2, 5))
    _, caches = net.forward(layers, x)
    dx, grads = net.backward(layers, caches, dy)

    def loss():
        return np.sum(net.forward(layers, x)[0] * dy)

    checked = [(x, dx)]
    for layer in layers:
        assert list(grads[layer.name]) == list(layer.params)
        checked += [(layer.params[letter], grads[layer.name][letter]) for letter in layer.params]
    assert len(checked) == 5
    for array, gradient in checked:
        assert gradient.shape == array.shape and gradient.dtype == array.dtype
        for _ in range(5):
            place = tuple(rng.integers(0, size) for size in array.shape)
            assert gradient[place] == pytest.approx(slope(loss, array, place), rel=1e-6, abs=1e-8)


def test_an_array_put_into_params_is_used_from_then_on():
    layers = small_network(np.random.default_rng(2))
    layers[-1].params["w"] = np.zeros((5, 16))
    layers[-1].params["b"] = np.arange(5.0)
    y, _ = net.forward(layers, np.ones((2, 3, 9, 8)))
    assert np.array_equal(y, [np.arange(5.0), np.arange(5.0)])


def test_an_error_says_in_which_row_and_keeps_its_type():
    rng = np.random.default_rng(3)
    layers = small_network(rng)
    with pytest.raises(ValueError, match="^conv1: conv: x has 2 channels but w expects 3"):
        net.forward(layers, rng.standard_normal((1, 2, 9, 8)))
    layers[3].options["rng"] = None
    with pytest.raises(TypeError, match="^dropout1: dropout: rng is None"):
        net.forward(layers, rng.standard_normal((1, 3, 9, 8)))


def test_caches_of_another_network_are_refused():
    layers = small_network(np.random.default_rng(4))
    y, caches = net.forward(layers[:-1], np.ones((1, 3, 9, 8)))
    with pytest.raises(ValueError, match="5 layers but 4 caches"):
        net.backward(layers, caches, y)


def test_two_layers_of_one_name_are_refused_before_one_loses_its_gradients():
    rng = np.random.default_rng(4)
    layers = [
        row("fc", ops, "fc", gaussian(rng, (4, 6), 0.3)),
        row("relu", ops, "relu"),
        row("fc", ops, "fc", gaussian(rng, (5, 4), 0.3)),
    ]
    y, caches = net.forward(layers, np.ones((2, 6), np.float32))  # loses nothing
    assert y.shape == (2, 5)
    telling = r"layers\[0\] and layers\[2\] are both called 'fc'; give each layer a name of its own"
    for use in (
        lambda: net.backward(layers, caches, y),
        lambda: net.backward(layers, caches, y, need_dx=False),
        lambda: net.parameters(layers),
        lambda: net.count_parameters(layers),
    ):
        with pytest.raises(ValueError, match=telling):
            use()
    layers[1], layers[2] = layers[1]._replace(name="fc"), layers[2]._replace(name="fc2")
    with pytest.raises(ValueError, match=r"layers\[0\] and layers\[1\] are both called 'fc'"):
        net.backward(layers, caches, y)  # a layer without parameters would clear the gradients


def test_two_parameters_of_one_name_are_refused():
    def layer(name, params):
        return Layer(name, ops.relu_forward, ops.relu_backward, params, {})

    one, other = np.ones(1), np.zeros(1)
    with pytest.raises(ValueError, match="two parameters are called 'a.b.w'"):
        net.parameters([layer("a.b", {"w": one}), layer("a", {"b.w": other})])
    with pytest.raises(ValueError, match="two parameters are called 'a.w.1'"):
        net.parameters([layer("a", {"w": (one, other)}), layer("a.w", {"1": other})])


def test_a_backward_that_forgets_its_tuple_or_a_gradient_is_named():
    def doubles(x):
        return 2 * x, ()

    def forgets_the_tuple(dy, cache):
        return 2 * dy

    layers = [Layer("mine", doubles, forgets_the_tuple, {}, {})]
    y, caches = net.forward(layers, np.ones((4, 5)))
    with pytest.raises(
        ValueError, match="^mine: backward returned 4 values; expected a tuple of dx"
    ):
        net.backward(layers, caches, y)

    def forgets_db(dy, cache):
        return ops.fc_backward(dy, cache)[:2]

    fc2 = small_network(np.random.default_rng(5))[-1]._replace(backward=forgets_db)
    y, caches = net.forward([fc2], np.ones((4, 16)))
    with pytest.raises(ValueError, match="^fc2: backward returned 2 values"):
        net.backward([fc2], caches, y)


def test_parameters_are_the_networks_own_arrays_by_name_and_in_order():
    layers = small_network(np.random.default_rng(6))
    named = net.parameters(layers)
    assert list(named) == ["conv1.w", "conv1.b", "fc2.w", "fc2.b"]
    assert named["fc2.w"] is layers[-1].params["w"]


def test_a_pair_of_columns_has_two_names():
    w, b = (np.zeros((2, 4)), np.ones((3, 4))), (np.zeros(2), np.ones(3))
    layers = [Layer("fc6", None, None, {"w": w, "b": b}, {})]
    named = net.parameters(layers)
    assert list(named) == ["fc6.w.0", "fc6.w.1", "fc6.b.0", "fc6.b.1"]
    assert named["fc6.w.1"] is w[1]
    assert net.count_parameters(layers) == 8 + 12 + 2 + 3


def test_predicting_rows_use_every_unit_and_share_the_weights():
    rng = np.random.default_rng(10)
    layers = small_network(rng)
    rows = net.predicting(layers, ops)
    assert [r.name for r in rows] == [layer.name for layer in layers]
    assert rows[3].forward is ops.dropout_predict_forward and rows[3].options == {"p": 0.25}
    assert all(rows[i] is layers[i] for i in (0, 1, 2, 4))

    x = rng.standard_normal((2, 3, 9, 8))
    before_dropout, _ = net.forward(layers[:3], x)
    expected, _ = net.forward(layers[4:], 0.75 * before_dropout)
    assert np.allclose(net.forward(rows, x)[0], expected, rtol=1e-14)

    layers[4].params["w"] = 2 * layers[4].params["w"]
    assert not np.allclose(net.forward(rows, x)[0], expected)


def test_predicting_refuses_a_row_that_would_go_on_dropping():
    def another_dropout(x, p, rng):
        return x, ()

    layers = small_network(np.random.default_rng(11))
    layers[3] = layers[3]._replace(forward=another_dropout)
    with pytest.raises(ValueError, match="layer dropout1 draws random numbers"):
        net.predicting(layers, ops)


def test_first_weights_are_gaussian_of_the_dtype_asked_for():
    params = gaussian(np.random.default_rng(12), (40, 10, 5, 5), std=0.01, bias=1)
    w, b = params["w"], params["b"]
    assert list(params) == ["w", "b"] and w.dtype == b.dtype == np.float32
    assert w.std() == pytest.approx(0.01, rel=0.03) and abs(w.mean()) < 0.0003
    assert 0.25 < np.mean(abs(w) > 0.01) < 0.38  # 0.317 for a Gaussian, 0.42 for a uniform draw
    assert np.array_equal(b, np.ones(40))
    wide = gaussian(np.random.default_rng(12), (3, 4), std=np.float64(0.5), dtype=np.float64)
    assert wide["w"].dtype == wide["b"].dtype == np.float64


def test_a_seed_in_place_of_a_generator_is_refused():
    with pytest.raises(TypeError, match=r"rng is int; expected .* np.random.default_rng\(0\)"):
        gaussian(0, (3, 4), 0.01)


def test_without_a_generator_all_weights_are_0():
    params = gaussian(None, (3, 4), std=0.01, bias=1)
    assert np.array_equal(params["w"], np.zeros((3, 4))) and params["w"].dtype == np.float32
    assert np.array_equal(params["b"], np.ones(3))
    params["w"][...] = 5  # other weights may be put there


def test_networks_can_be_imported_without_numba():
    program = (
        "import sys, minicnn.networks.catalogue, minicnn.networks.summary; sys.exit('numba' in "
        "sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_without_dx_the_walk_ends_at_the_first_row_that_learns():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 5, 5))
    w = {"w": rng.standard_normal((4, 3, 3, 3)), "b": np.zeros(4)}
    layers = [net.row("relu", ops, "relu"), net.row("conv", ops, "conv", w)]
    y, caches = net.forward(layers, x)
    _, expected = net.backward(layers, caches, y)
    dx, grads = net.backward(layers, caches, y, need_dx=False)
    assert dx is None and grads["relu"] == {}
    np.testing.assert_array_equal(grads["conv"]["w"], expected["conv"]["w"])
    assert net.backward(layers[:1], caches[:1], x, need_dx=False) == (None, {"relu": {}})
