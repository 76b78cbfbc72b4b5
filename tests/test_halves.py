"""Two columns: `each` applies a layer to both halves; both, exchange and join stand between."""

import numpy as np
import pytest

from minicnn import fast, net, reference
from minicnn.networks import catalogue
from minicnn.two_columns import in_columns, join_columns, split_columns

on_cpu = in_columns(reference)


def dot(a, b):
    """Return the sum of products of two arrays, or of two pairs of them."""
    return sum(np.sum(p * q) for p, q in zip(net.columns(a), net.columns(b), strict=True))


def like(rng, a):
    """Return random numbers in the shape of an array, or of a pair of them."""
    if isinstance(a, tuple):
        return tuple(like(rng, half) for half in a)
    return rng.standard_normal(a.shape)


def check_by_finite_differences(forward, backward, x, rng):
    """Every entry of dx, for a layer whose x and y are arrays or pairs."""
    y, cache = forward(x)
    dy = like(rng, y)
    (dx,) = backward(dy, cache)
    assert type(dx) is type(x)
    for array, gradient in zip(net.columns(x), net.columns(dx), strict=True):
        assert gradient.shape == array.shape and gradient.dtype == array.dtype
        for place in np.ndindex(array.shape):
            here = array[place]
            array[place] = here + 0.5  # these layers are linear: any step will do
            above = dot(forward(x)[0], dy)
            array[place] = here - 0.5
            below = dot(forward(x)[0], dy)
            array[place] = here
            assert gradient[place] == pytest.approx(above - below, rel=1e-9, abs=1e-12)


def maps_and_vectors(rng):
    maps = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 2, 4, 5))
    vectors = rng.standard_normal((2, 3)), rng.standard_normal((2, 4))
    return maps, vectors


def test_both_columns_get_the_whole_image():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    (y0, y1), _ = on_cpu.both_forward(x)
    assert np.array_equal(y0, x) and np.array_equal(y1, x)


def test_exchange_gives_both_columns_all_channels_those_of_column_0_first():
    x0, x1 = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0, 5.0]])
    (y0, y1), _ = on_cpu.exchange_forward((x0, x1))
    assert np.array_equal(y0, [[1, 2, 3, 4, 5]]) and np.array_equal(y1, [[1, 2, 3, 4, 5]])


def test_exchange_backward_adds_both_gradients_and_gives_each_column_its_part():
    x0, x1 = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0, 5.0]])
    _, cache = on_cpu.exchange_forward((x0, x1))
    dy = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), np.array([[10.0, 20.0, 30.0, 40.0, 50.0]])
    ((dx0, dx1),) = on_cpu.exchange_backward(dy, cache)
    assert np.array_equal(dx0, [[11, 22]]) and np.array_equal(dx1, [[33, 44, 55]])


def test_join_makes_one_array_of_the_scores_and_backward_parts_it_again():
    x0, x1 = np.array([[1.0, 2.0], [6.0, 7.0]]), np.array([[3.0], [8.0]])
    y, cache = on_cpu.join_forward((x0, x1))
    assert np.array_equal(y, [[1, 2, 3], [6, 7, 8]])
    ((dx0, dx1),) = on_cpu.join_backward(10 * y, cache)
    assert np.array_equal(dx0, 10 * x0) and np.array_equal(dx1, 10 * x1)


def test_backward_passes_between_the_columns_agree_with_finite_differences():
    rng = np.random.default_rng(1)
    for x in maps_and_vectors(rng):
        check_by_finite_differences(on_cpu.both_forward, on_cpu.both_backward, x[0], rng)
        check_by_finite_differences(on_cpu.exchange_forward, on_cpu.exchange_backward, x, rng)
        check_by_finite_differences(on_cpu.join_forward, on_cpu.join_backward, x, rng)


def test_layers_between_the_columns_keep_float32():
    rng = np.random.default_rng(2)
    x = tuple(half.astype(np.float32) for half in maps_and_vectors(rng)[0])
    (y0, y1), cache = on_cpu.exchange_forward(x)
    ((dx0, dx1),) = on_cpu.exchange_backward((y0, y1), cache)
    joined, cache = on_cpu.join_forward(x)
    ((dj0, dj1),) = on_cpu.join_backward(joined, cache)
    (db,) = on_cpu.both_backward((y0, y1), ())
    assert {a.dtype.name for a in (y0, y1, dx0, dx1, joined, dj0, dj1, db)} == {"float32"}


def test_each_applies_a_layer_to_both_halves_and_neither_sees_the_other(ops):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 3, 7, 5)), rng.standard_normal((2, 3, 7, 5))
    w = rng.standard_normal((4, 3, 3, 3)), rng.standard_normal((2, 3, 3, 3))
    b = rng.standard_normal(4), rng.standard_normal(2)
    y, caches = in_columns(ops).conv_forward(x, w, b, stride=2, pad=1)
    dy = like(rng, y)
    results = in_columns(ops).conv_backward(dy, caches)
    assert len(results) == 3  # (dx0, dx1), (dw0, dw1), (db0, db1)
    for h in (0, 1):
        y_alone, cache_alone = ops.conv_forward(x[h], w[h], b[h], stride=2, pad=1)
        assert np.array_equal(y[h], y_alone)
        for pair, alone in zip(results, ops.conv_backward(dy[h], cache_alone), strict=True):
            assert np.array_equal(pair[h], alone)


def test_each_updates_both_halves_with_the_same_options(ops):
    rng = np.random.default_rng(4)
    w, v, dw = ((rng.standard_normal((4, 3)), rng.standard_normal((2, 3))) for _ in range(3))
    expected = [
        ops.sgd_update(w[h].copy(), v[h].copy(), dw[h], epsilon=0.1, momentum=0.5, decay=0.2)
        for h in (0, 1)
    ]
    new_w, new_v = in_columns(ops).sgd_update(w, v, dw, epsilon=0.1, momentum=0.5, decay=0.2)
    for h in (0, 1):
        assert np.array_equal(new_w[h], expected[h][0])
        assert np.array_equal(new_v[h], expected[h][1])


def test_the_same_backend_in_columns_is_the_same_and_its_layers_keep_their_names(ops):
    assert in_columns(ops) is in_columns(ops)
    assert in_columns(in_columns(ops)) is in_columns(ops)
    assert in_columns(ops).lrn_forward.__name__ == "lrn_forward"
    assert in_columns(ops).lrn_forward.__doc__ == ops.lrn_forward.__doc__
    assert in_columns(ops).exchange_forward.__name__ == "exchange_forward"


def test_an_array_where_a_pair_belongs_is_refused(ops):
    x = np.ones((2, 3, 4, 5))  # two images are not two columns
    with pytest.raises(TypeError, match="relu_forward in two columns: argument 1 is ndarray"):
        in_columns(ops).relu_forward(x)
    w, b = (np.ones((4, 3, 3, 3)),) * 2, np.ones(2)
    with pytest.raises(TypeError, match="conv_forward in two columns: argument 3 is ndarray"):
        in_columns(ops).conv_forward((x, x), w, b)


def test_the_two_columns_drop_different_units(ops):
    x = np.ones((5, 40)), np.ones((5, 40))
    (y0, y1), _ = in_columns(ops).dropout_forward(x, p=0.5, rng=np.random.default_rng(5))
    assert set(np.unique(y0)) == set(np.unique(y1)) == {0, 1}
    assert not np.array_equal(y0, y1)


def test_columns_in_two_threads_compute_the_same_bits_as_in_turns(monkeypatch):
    monkeypatch.setattr(fast.threads, "count", 2)
    two, images = in_columns(fast), np.random.default_rng(9).standard_normal((3, 3, 24, 24))
    results = []
    for way in (fast.columns.WAYS[0], fast.threads.run_pair):
        monkeypatch.setattr(fast.columns, "WAYS", (way, way))
        layers = catalogue.build("cifar-2gpu", two, np.random.default_rng(10))
        drop = net.row("drop4", two, "dropout", rng=np.random.default_rng(11))
        layers.insert(-1, drop)  # before the columns are joined
        y, caches = net.forward(layers, images.astype(np.float32))
        dx, grads = net.backward(layers, caches, y)
        pairs = [pair for row in grads.values() for pair in row.values()]
        results.append([y, dx, *(half for pair in pairs for half in pair)])
    assert all(map(np.array_equal, *results))


def test_a_backend_in_columns_has_every_layer_and_leaves_the_loss_as_it_is(ops):
    two = in_columns(ops)
    assert all(callable(getattr(two, name)) for name in ops.__all__)
    scores, labels = np.random.default_rng(6).standard_normal((3, 4)), np.array([0, 3, 1])
    loss, cache = two.softmax_loss_forward(scores, labels)
    expected, _ = ops.softmax_loss_forward(scores, labels)
    assert loss == expected
    (dscores,), (alone,) = two.softmax_loss_backward(cache), ops.softmax_loss_backward(cache)
    assert np.array_equal(dscores, alone)


def test_the_cpu_has_no_gpus_to_choose(ops):
    with pytest.raises(ValueError, match="--gpus 0,1: this backend computes on the CPU"):
        in_columns(ops, (0, 1))


def test_columns_are_split_and_joined_without_loss():
    rng = np.random.default_rng(6)
    params = {"w": rng.standard_normal((5, 4)), "b": rng.standard_normal(5)}
    two = split_columns(params)
    assert [half.shape for half in two["w"]] == [(3, 4), (2, 4)]
    assert np.array_equal(two["w"][1], params["w"][3:])
    assert not np.shares_memory(two["w"][0], params["w"])  # an update in place stays in its column
    one = join_columns(two)
    assert list(one) == ["w", "b"]
    assert np.array_equal(one["w"], params["w"]) and np.array_equal(one["b"], params["b"])


def test_two_columns_of_locally_connected_layers_have_half_of_each_places_kernels(ops):
    rng = np.random.default_rng(8)
    x, dy = rng.standard_normal((2, 3, 7, 5)), rng.standard_normal((2, 5, 6, 4))
    params = {"w": rng.standard_normal((6, 4, 5, 3, 2, 2)), "b": rng.standard_normal((6, 4, 5))}
    two = split_columns(params)
    assert [half.shape for half in two["w"]] == [(6, 4, 3, 3, 2, 2), (6, 4, 2, 3, 2, 2)]
    assert all(np.array_equal(join_columns(two)[name], params[name]) for name in params)
    y, cache = ops.local_forward(x, *params.values())
    y_pair, caches = in_columns(ops).local_forward((x, x), *two.values())
    assert np.allclose(np.concatenate(y_pair, axis=1), y, rtol=1e-12, atol=1e-12)
    dx, dw, db = ops.local_backward(dy, cache)
    dx_pair, *grads = in_columns(ops).local_backward((dy[:, :3], dy[:, 3:]), caches)
    assert np.allclose(sum(dx_pair), dx, rtol=1e-12, atol=1e-12)
    joined = join_columns(dict(zip("wb", grads, strict=True)))
    assert np.allclose(joined["w"], dw, rtol=1e-12, atol=1e-12)
    assert np.allclose(joined["b"], db, rtol=1e-12, atol=1e-12)


def test_columns_that_do_not_talk_are_groups(ops):
    rng = np.random.default_rng(7)
    x = rng.standard_normal((2, 6, 7, 5))
    params = {"w": rng.standard_normal((4, 3, 3, 3)), "b": rng.standard_normal(4)}
    dy = rng.standard_normal((2, 4, 7, 5))
    y, cache = ops.conv_forward(x, *params.values(), pad=1, groups=2)
    dx, dw, db = ops.conv_backward(dy, cache)

    x_pair, dy_pair = (x[:, :3], x[:, 3:]), (dy[:, :2], dy[:, 2:])
    y_pair, caches = in_columns(ops).conv_forward(x_pair, *split_columns(params).values(), pad=1)
    dx_pair, dw_pair, db_pair = in_columns(ops).conv_backward(dy_pair, caches)
    assert np.allclose(np.concatenate(y_pair, axis=1), y, rtol=1e-12, atol=1e-12)
    assert np.allclose(np.concatenate(dx_pair, axis=1), dx, rtol=1e-12, atol=1e-12)
    grads = join_columns({"w": dw_pair, "b": db_pair})
    assert np.allclose(grads["w"], dw, rtol=1e-12, atol=1e-12)
    assert np.allclose(grads["b"], db, rtol=1e-12, atol=1e-12)
