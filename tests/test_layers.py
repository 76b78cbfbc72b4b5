"""Every layer, in every backend: one contract, right gradients, and fast equal to the reference."""

import inspect

import numba
import numpy as np
import pytest
from arrays import awkward, plain

from minicnn import fast, reference
from minicnn.gradcheck import check_layer

SIGNATURES = {
    "conv_forward": "(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False)",
    "local_forward": "(x, w, b, stride=1, pad=0)",
    "relu_forward": "(x)",
    "tanh_forward": "(x)",
    "logistic_forward": "(x)",
    "lrn_forward": "(x, k=2, n=5, alpha=0.0001, beta=0.75, groups=1)",
    "map_lrn_forward": "(x, k=1, n=3, alpha=5e-05, beta=0.75)",
    "pool_forward": "(x, z=3, s=2, ceil_mode=False)",
    "average_pool_forward": "(x, z=3, s=2, ceil_mode=False)",
    "fc_forward": "(x, w, b)",
    "dropout_forward": "(x, p=0.5, rng=None)",
    "dropout_predict_forward": "(x, p=0.5)",
    "conv_backward": "(dy, cache, need_dx=True)",
    "local_backward": "(dy, cache, need_dx=True)",
    "relu_backward": "(dy, cache)",
    "tanh_backward": "(dy, cache)",
    "logistic_backward": "(dy, cache)",
    "lrn_backward": "(dy, cache)",
    "map_lrn_backward": "(dy, cache)",
    "pool_backward": "(dy, cache)",
    "average_pool_backward": "(dy, cache)",
    "fc_backward": "(dy, cache, need_dx=True)",
    "dropout_backward": "(dy, cache)",
    "dropout_predict_backward": "(dy, cache)",
    "softmax_loss_forward": "(scores, labels)",
    "softmax_loss_backward": "(cache)",
    "softmax": "(scores)",
    "sgd_update": "(w, v, dw, epsilon, momentum=0.9, decay=0.0005)",
    "to_device": "(x)",
    "to_host": "(x)",
}

CASES = [  # layer, shapes of x and w (and of b, if it is not the usual one), options
    ("conv", [(1, 1, 5, 5), (1, 1, 5, 5)], {}),  # one image, one channel, one window
    ("conv", [(2, 3, 7, 5), (4, 3, 3, 3)], {}),
    ("conv", [(3, 2, 5, 8), (7, 2, 5, 5)], {}),  # as high as the image
    ("conv", [(17, 2, 6, 5), (3, 2, 1, 1)], {}),  # one block of sixteen images and one image
    ("conv", [(2, 3, 8, 7), (6, 3, 1, 1)], {"stride": 3}),
    ("conv", [(2, 3, 8, 5), (4, 3, 1, 1)], {"stride": 3, "ceil_mode": True}),  # one reads only 0
    ("conv", [(2, 3, 9, 7), (5, 3, 2, 2)], {"stride": 3, "pad": 1}),
    ("conv", [(2, 3, 4, 5), (6, 3, 2, 2)], {"pad": 3}),  # some windows see only padding
    ("conv", [(3, 2, 9, 7), (5, 2, 4, 4)], {"stride": 3, "pad": 2, "ceil_mode": True}),
    ("conv", [(2, 3, 10, 13), (4, 3, 5, 5)], {"stride": 4, "ceil_mode": True}),
    ("conv", [(2, 9, 8, 7), (15, 3, 3, 3)], {"stride": 2, "pad": 1, "groups": 3}),
    ("conv", [(3, 10, 5, 6), (2, 5, 4, 4)], {"groups": 2}),
    ("conv", [(19, 11, 6, 7), (18, 11, 5, 5)], {"pad": 2}),  # more than sixteen of everything
    ("local", [(1, 1, 5, 5), (1, 1, 1, 1, 5, 5)], {}),  # one image, one channel, one place
    ("local", [(2, 3, 7, 5), (5, 3, 4, 3, 3, 3)], {}),
    ("local", [(2, 3, 7, 5), (5, 3, 4, 3, 3, 3), (4,)], {}),  # all places share their biases
    ("local", [(3, 2, 5, 8), (1, 4, 7, 2, 5, 5)], {}),  # as high as the image
    ("local", [(17, 2, 3, 4), (3, 4, 3, 2, 1, 1)], {}),
    ("local", [(2, 3, 8, 7), (3, 3, 6, 3, 1, 1)], {"stride": 3}),
    ("local", [(2, 3, 9, 7), (4, 3, 5, 3, 2, 2)], {"stride": 3, "pad": 1}),
    ("local", [(2, 3, 4, 5), (9, 10, 6, 3, 2, 2)], {"pad": 3}),  # some windows see only padding
    ("local", [(19, 11, 4, 5), (4, 5, 18, 11, 3, 3)], {"pad": 1}),  # more than sixteen
    ("relu", [(2, 3, 7, 5)], {}),
    ("relu", [(7, 4)], {}),
    ("tanh", [(2, 3, 7, 5)], {}),
    ("tanh", [(7, 4)], {}),
    ("logistic", [(2, 3, 7, 5)], {}),
    ("logistic", [(7, 4)], {}),
    ("lrn", [(2, 7, 3, 5)], {}),
    ("lrn", [(2, 7, 3, 5)], {"alpha": 0.5}),
    ("lrn", [(1, 1, 4, 3)], {"alpha": 0.5}),
    ("lrn", [(2, 9, 4, 3)], {"alpha": 0.5, "n": 3, "groups": 3}),
    ("lrn", [(3, 10, 2, 5)], {"alpha": 0.5, "k": 1, "beta": 0.6, "groups": 2}),
    ("lrn", [(2, 7, 3, 5)], {"alpha": 0.5, "n": 4}),  # one more before than behind
    ("lrn", [(2, 3, 4, 5)], {"alpha": 0.5, "n": 1}),
    ("lrn", [(2, 3, 4, 5)], {"alpha": 0.5, "n": 11}),  # wider than all channels
    ("map_lrn", [(2, 3, 7, 5)], {}),
    ("map_lrn", [(2, 3, 7, 5)], {"alpha": 0.5}),
    ("map_lrn", [(1, 1, 4, 3)], {"alpha": 0.5, "n": 5}),
    ("map_lrn", [(3, 18, 2, 5)], {"alpha": 0.5, "k": 2, "beta": 0.6}),
    ("map_lrn", [(2, 3, 7, 5)], {"alpha": 0.5, "n": 4}),  # one more before than behind
    ("map_lrn", [(2, 3, 4, 5)], {"alpha": 0.5, "n": 1}),
    ("map_lrn", [(2, 3, 4, 5)], {"alpha": 0.5, "n": 11}),  # wider than the map
    ("pool", [(2, 3, 7, 9)], {}),
    ("pool", [(2, 3, 8, 5)], {}),  # a row of pixels is left over
    ("pool", [(2, 3, 8, 10)], {"ceil_mode": True}),
    ("pool", [(1, 1, 4, 6)], {"z": 4, "s": 1}),
    ("pool", [(2, 3, 7, 6)], {"z": 2, "s": 2, "ceil_mode": True}),
    ("pool", [(17, 2, 8, 7)], {"z": 2, "s": 3}),
    ("pool", [(2, 3, 8, 7)], {"z": 2, "s": 3, "ceil_mode": True}),
    ("pool", [(2, 3, 8, 7)], {"z": 2, "s": 5, "ceil_mode": True}),
    ("pool", [(2, 3, 5, 4)], {"z": 1, "s": 1}),
    ("pool", [(2, 67, 6, 7)], {"ceil_mode": True}),  # whole vectors of channels, and some left over
    ("pool", [(1, 35, 13, 14)], {"z": 12, "s": 1}),  # places up to 143
    ("fc", [(3, 2, 5, 4), (7, 40)], {}),
    ("fc", [(17, 6), (5, 6)], {}),
    ("fc", [(1, 1), (1, 1)], {}),
    ("fc", [(3, 1100), (300, 1100)], {}),  # several blocks of everything
    ("dropout", [(2, 3, 7, 5)], {}),
    ("dropout", [(7, 4)], {"p": 0.2}),
    ("dropout_predict", [(2, 3, 7, 5)], {}),
    ("dropout_predict", [(7, 4)], {"p": 0.2}),
]
CASES += [("average_pool", shapes, options) for name, shapes, options in CASES if name == "pool"]
every_case = pytest.mark.parametrize("name, shapes, options", CASES)


def draw(shapes, dtype):
    """Return x, or x, w, b; w of a size that makes y about as large as x."""
    rng = np.random.default_rng(0)
    if len(shapes) == 2:
        shapes = [*shapes, shapes[1][:-3] or shapes[1][:1]]  # of b
    arrays = [rng.standard_normal(shape) for shape in shapes]
    for w in arrays[1:2]:
        w /= np.sqrt(np.prod(w.shape[-3:] if w.ndim > 2 else w.shape[1]))
    return [array.astype(dtype) for array in arrays]


def with_rng(name, options):
    return {**options, "rng": np.random.default_rng(5)} if name == "dropout" else options


def walk(ops, name, args, options, change_dy=lambda dy: dy):
    """Return y, dx and the other gradients for a random dy."""
    forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
    y, cache = forward(*args, **with_rng(name, options))
    dy = np.random.default_rng(1).standard_normal(y.shape).astype(args[0].dtype)
    return y, *backward(change_dy(dy), cache)


def assert_close(found, expected):
    """Equal to 1e-10 in float64, to 1e-4 in float32, relative to the largest number."""
    tolerance = {"float64": 1e-10, "float32": 1e-4}[found[0].dtype.name]
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.max(np.abs(b)))


# The contract.


def test_every_backend_has_the_contracts_names_with_the_contracts_signatures(ops):
    public = {name: value for name, value in vars(ops).items() if not name.startswith("_")}
    functions = {name: f for name, f in public.items() if inspect.isfunction(f)}
    assert {name: str(inspect.signature(f)) for name, f in functions.items()} == SIGNATURES
    assert sorted(ops.__all__) == sorted(SIGNATURES)


def test_every_layer_has_a_case():
    layers = {name.removesuffix("_forward") for name in SIGNATURES if name.endswith("_forward")}
    assert layers == {name for name, _, _ in CASES} | {"softmax_loss"}  # its test stands alone


@every_case
def test_gradients_have_the_shapes_and_dtypes_of_what_they_belong_to(
    ops, dtype, name, shapes, options
):
    args = draw(shapes, dtype)
    y, *grads = walk(ops, name, args, options)
    assert isinstance(y, np.ndarray) and y.dtype == dtype
    assert [(dq.shape, dq.dtype) for dq in grads] == [(q.shape, q.dtype) for q in args]


@every_case
def test_arguments_are_never_changed_and_backward_can_be_called_twice(ops, name, shapes, options):
    args = draw(shapes, np.float64)
    before = [array.copy() for array in args]
    forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
    y, cache = forward(*args, **with_rng(name, options))
    dy = np.random.default_rng(1).standard_normal(y.shape)
    y_kept, dy_kept = y.copy(), dy.copy()
    first = [gradient.copy() for gradient in backward(dy, cache)]
    second = backward(dy, cache)
    for array, kept in zip(
        [*args, y, dy, *second], [*before, y_kept, dy_kept, *first], strict=True
    ):
        np.testing.assert_array_equal(array, kept)


# Gradients against finite differences.


@every_case
def test_backward_is_the_derivative_of_forward(ops, name, shapes, options):
    forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
    args = draw(shapes, np.float64)
    report = check_layer(forward, backward, *args, max_entries=10, **with_rng(name, options))
    assert report.ok and report.worst < 1e-6, str(report)


def test_the_softmax_loss_has_the_right_gradient(ops):
    for N, classes in [(5, 3), (1, 7), (4, 2)]:
        rng = np.random.default_rng(0)
        scores, labels = rng.standard_normal((N, classes)), rng.integers(classes, size=N)
        report = check_layer(ops.softmax_loss_forward, ops.softmax_loss_backward, scores, labels)
        assert report.ok and report.worst < 1e-6, str(report)


# Fast against the reference.


@every_case
def test_fast_is_the_reference(dtype, name, shapes, options):
    args = draw(shapes, dtype)
    assert_close(walk(fast, name, args, options), walk(reference, name, args, options))


def test_the_softmax_loss_is_the_references_and_keeps_its_dtype(dtype):
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal((7, 5)).astype(dtype), rng.integers(5, size=7)
    for ops in (reference, fast):
        loss, cache = ops.softmax_loss_forward(scores, labels)
        (dscores,) = ops.softmax_loss_backward(cache)
        assert loss.dtype == dscores.dtype == ops.softmax(scores).dtype == dtype
    expected, cache = reference.softmax_loss_forward(scores, labels)
    assert_close([loss, dscores], [expected, *reference.softmax_loss_backward(cache)])


def test_the_fast_update_is_the_references(dtype):
    rng = np.random.default_rng(0)
    w, v, dw = (rng.standard_normal((5, 3, 4, 2)).astype(dtype) for _ in range(3))
    settings = dict(epsilon=0.01, momentum=0.8, decay=0.3)
    expected = reference.sgd_update(w, v, dw, **settings)
    assert_close(fast.sgd_update(w.copy(), v.copy(), dw, **settings), expected)


def test_settings_that_are_numpy_numbers_leave_float32_alone(ops):
    # What np.geomspace or a file of results gives is a np.float64, which would win over float32.
    number = np.float64
    x, w, v, dw = (np.ones((1, 3, 2, 4), np.float32) for _ in range(4))
    options = dict(k=number(2), alpha=number(0.5), beta=number(0.6))
    y, _ = ops.lrn_forward(x, **options)
    y_predicted, _ = ops.dropout_predict_forward(x, p=number(0.3))
    w, v = ops.sgd_update(w, v, dw, number(0.1), momentum=number(0.9), decay=number(0.5))
    assert [a.dtype.name for a in (y, y_predicted, w, v)] == ["float32"] * 4


def test_fast_tanh_is_right_for_small_and_for_large_numbers():
    sizes = np.logspace(-12, 3, 999)
    x = np.concatenate([-sizes, [0], sizes]).astype(np.float32)
    y, _ = fast.tanh_forward(x)
    np.testing.assert_allclose(y, np.tanh(x.astype(np.float64)), rtol=1e-6, atol=0)


# Awkward arrays.

LAYERS = [  # one case a layer; the widest-ranging of each
    ("conv", [(3, 4, 7, 5), (6, 2, 3, 3)], {"stride": 2, "pad": 1, "groups": 2}),
    ("local", [(3, 4, 7, 5), (4, 3, 6, 4, 3, 3)], {"stride": 2, "pad": 1}),
    ("relu", [(3, 2, 7, 5)], {}),
    ("tanh", [(3, 2, 7, 5)], {}),
    ("logistic", [(3, 2, 7, 5)], {}),
    ("lrn", [(3, 6, 7, 5)], {"alpha": 0.5, "groups": 2}),
    ("map_lrn", [(3, 4, 7, 5)], {"alpha": 0.5, "n": 4}),
    ("pool", [(3, 2, 8, 7)], {"ceil_mode": True}),
    ("average_pool", [(3, 2, 8, 7)], {"ceil_mode": True}),
    ("fc", [(3, 2, 5, 4), (7, 40)], {}),
    ("dropout", [(3, 2, 7, 5)], {}),
    ("dropout_predict", [(3, 2, 7, 5)], {}),
]
every_layer = pytest.mark.parametrize("name, shapes, options", LAYERS)


def with_gaps(array):
    """Return the same numbers, no two of them neighbours in memory."""
    view = np.repeat(array, 2, axis=-1)[..., ::2]
    assert not view.flags.c_contiguous or array.size == 1
    return view


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@every_layer
def test_arrays_with_gaps_give_the_same(ops, name, shapes, options):
    args = draw(shapes, np.float64)
    found = walk(ops, name, [with_gaps(array) for array in args], options, with_gaps)
    assert_close(found, walk(ops, name, args, options))


THIN = [  # axes of size 1, which may have any stride
    ("conv", [(2, 3, 6, 1), (5, 3, 1, 1)], {}),
    ("conv", [(4, 8, 9, 1), (8, 8, 3, 3)], {"pad": 1}),
    ("conv", [(1, 1, 7, 5), (4, 1, 3, 3)], {"stride": 2, "pad": 1}),
    ("conv", [(2, 4, 1, 6), (1, 4, 1, 1)], {}),
    ("local", [(2, 3, 6, 1), (6, 1, 5, 3, 1, 1)], {}),
    ("local", [(1, 1, 3, 5), (1, 2, 1, 1, 3, 3)], {"stride": 2}),
    ("local", [(4, 8, 1, 6), (1, 6, 8, 8, 3, 3), (8,)], {"pad": 1}),
    ("lrn", [(2, 6, 5, 1)], {"alpha": 0.5}),
    ("lrn", [(1, 6, 1, 1)], {"alpha": 0.5, "groups": 2}),
    ("map_lrn", [(2, 6, 5, 1)], {"alpha": 0.5}),
    ("map_lrn", [(1, 1, 1, 7)], {"alpha": 0.5, "n": 5}),
    ("pool", [(2, 16, 6, 1)], {"z": 1, "s": 1}),
    ("pool", [(2, 1, 5, 4)], {"z": 2, "s": 1}),
    ("average_pool", [(2, 16, 6, 1)], {"z": 1, "s": 2}),
    ("average_pool", [(1, 3, 1, 7)], {"z": 1, "s": 1}),
    ("fc", [(2, 3, 6, 1), (5, 18)], {}),
    ("fc", [(1, 12), (1, 12)], {}),
    ("tanh", [(2, 3, 6, 1)], {}),
    ("dropout", [(1, 3, 1, 5)], {}),
]
WINOGRAD = ("conv", [(4, 16, 10, 9), (24, 8, 3, 3)], {"pad": 1, "groups": 2})


@pytest.mark.parametrize("name, shapes, options", [*LAYERS, *THIN, WINOGRAD])
def test_arrays_that_lie_in_memory_in_any_way_give_what_plain_ones_give(ops, name, shapes, options):
    rng = np.random.default_rng(8)
    for dtype in [np.float64] * 15 + [np.float32] * 5:
        args = [awkward(array.shape, dtype, rng) for array in draw(shapes, dtype)]
        for array in args[1::2]:  # w, so small that y is about as large as x
            scaled = plain(array) / np.sqrt(np.prod(array.shape[1:]))
            if array.flags.writeable:
                array[...] = scaled
        before = [plain(array) for array in args]
        dys = []

        def lying_anyhow(dy, dtype=dtype, dys=dys):
            dys.append(awkward(dy.shape, dtype, rng))
            return dys[0]

        found = walk(ops, name, args, options, lying_anyhow)
        expected = walk(reference, name, before, options, lambda dy, dys=dys: plain(dys[0]))
        assert_close(found, expected)
        for array, kept in zip(args, before, strict=True):
            np.testing.assert_array_equal(array, kept)


def test_the_update_takes_a_gradient_that_lies_in_memory_in_any_way(ops):
    rng = np.random.default_rng(9)
    for shape in [(4, 3, 2, 5), (6, 1), (1, 1, 3, 1), (7,)] * 5:
        w, v, dw = (
            rng.standard_normal(shape),
            rng.standard_normal(shape),
            awkward(shape, float, rng),
        )
        expected = reference.sgd_update(w, v, plain(dw), 0.1)
        assert_close(ops.sgd_update(w.copy(), v.copy(), dw, 0.1), expected)


def test_the_gradient_may_be_a_view_of_the_weights_that_the_update_overwrites(ops):
    w, v = np.arange(6.0), np.ones(6)
    expected = reference.sgd_update(w, v, w[::-1].copy(), 0.1)
    assert_close(ops.sgd_update(w, v, w[::-1], 0.1), expected)


@pytest.mark.parametrize("name, shapes, options", [LAYERS[0], LAYERS[2], LAYERS[9]])
def test_read_only_arrays_give_the_same(ops, name, shapes, options):
    # Not for every layer: Numba compiles each kernel anew for read-only arrays.
    args = draw(shapes, np.float64)
    found = walk(ops, name, [read_only(array) for array in args], options, read_only)
    assert_close(found, walk(ops, name, args, options))


@every_layer
def test_an_empty_batch_gives_an_empty_batch_and_gradients_of_zero(ops, name, shapes, options):
    x, *w_and_b = draw(shapes, np.float64)
    y, _, *_ = walk(ops, name, [x, *w_and_b], options)
    y_empty, dx, *grads = walk(ops, name, [x[:0], *w_and_b], options)
    assert y_empty.shape == (0, *y.shape[1:]) and dx.shape == (0, *x.shape[1:])
    for dq, q in zip(grads, w_and_b, strict=True):
        np.testing.assert_array_equal(dq, np.zeros_like(q))


# Awkward options.


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint64, np.int16, np.array])
def test_whole_numbers_of_any_type_are_taken(ops, kind):
    conv = draw([(2, 40, 21, 19), (4, 20, 3, 3)], np.float64)
    (x,) = draw([(1, 40, 6, 5)], np.float64)
    for name, args, options in [
        ("conv", conv, dict(stride=2, pad=10, groups=2)),
        ("local", draw([(2, 3, 7, 5), (6, 5, 4, 3, 3, 3)], np.float64), dict(stride=2, pad=3)),
        ("lrn", [x], dict(n=100, groups=2, alpha=0.5)),
        ("map_lrn", [x], dict(n=100, alpha=0.5)),
        ("pool", [x], dict(z=5, s=100)),
        ("average_pool", [x], dict(z=4, s=3)),
    ]:
        whole = {
            q: kind(value) if isinstance(value, int) else value for q, value in options.items()
        }
        found, expected = walk(ops, name, args, whole), walk(ops, name, args, options)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_options_as_a_file_of_arrays_gives_them_are_taken(ops):
    (x,) = draw([(2, 3, 8, 10)], np.float32)
    expected, _ = ops.pool_forward(x, 3, 2, ceil_mode=True)
    y, _ = ops.pool_forward(x, np.array(3), np.array(2), ceil_mode=np.array(True))
    np.testing.assert_array_equal(y, expected)
    expected, _ = ops.lrn_forward(x, k=2, alpha=0.5)
    y, _ = ops.lrn_forward(x, k=np.array(2), alpha=np.array(0.5, np.float32))
    np.testing.assert_array_equal(y, expected)
    assert y.dtype == np.float32


@pytest.mark.parametrize("name, power", [("lrn", 0), ("map_lrn", 2)])  # α is divided by n^power
def test_a_window_of_normalization_wider_than_what_there_is_costs_no_more(ops, name, power):
    (x,) = draw([(2, 4, 5, 3)], np.float64)
    wide, all_of_it = (
        walk(ops, name, [x], dict(n=n, alpha=0.5 * n**power)) for n in (2**31 - 1, 9)
    )
    for found, expected in zip(wide, all_of_it, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_pooling_windows_far_apart_are_one_window(ops):
    (x,) = draw([(2, 3, 5, 4)], np.float64)
    for name in ("pool", "average_pool"):
        found = walk(ops, name, [x], dict(z=4, s=2**31 - 1))
        for a, b in zip(found, walk(ops, name, [x], dict(z=4, s=5)), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("z", [15, 16, 17, 20])
def test_the_last_place_of_a_large_window_can_win(ops, dtype, z):
    x = np.arange(2 * z * z, dtype=dtype).reshape(1, 2, z, z)
    y, cache = ops.pool_forward(x, z, 1)
    np.testing.assert_array_equal(y.ravel(), [z * z - 1, 2 * z * z - 1])
    (dx,) = ops.pool_backward(y, cache)
    assert dx[0, 0, -1, -1] == y[0, 0, 0, 0] and np.count_nonzero(dx) == 2


def test_the_same_chance_drops_the_same_units_whatever_type_it_has():
    x = np.ones(10**6, np.float32)
    chance = np.float64(np.random.default_rng(3).random(x.shape, np.float32)[7])  # as drawn
    for p in (chance, float(chance), np.float32(chance), np.nextafter(chance, 0)):
        kept = [ops.dropout_forward(x, p, np.random.default_rng(3))[0] for ops in (fast, reference)]
        np.testing.assert_array_equal(*kept)


def test_a_logistic_unit_far_below_zero_is_small_and_not_off(ops, dtype):
    x = np.array([-80, -50, -30, -21], dtype)
    y, _ = ops.logistic_forward(x)
    np.testing.assert_allclose(y, np.exp(x.astype(np.float64)), rtol=1e-5)


# NaN and infinity stay visible.

SEEN_BY = [  # layer, options, and the places of y that look at x[1, 0, 2, 3]
    ("relu", {}, np.s_[1, 0, 2, 3]),
    ("tanh", {}, np.s_[1, 0, 2, 3]),
    ("logistic", {}, np.s_[1, 0, 2, 3]),
    ("dropout_predict", {}, np.s_[1, 0, 2, 3]),
    ("lrn", {"n": 3}, np.s_[1, :2, 2, 3]),
    ("lrn", {"n": 5, "groups": 2, "beta": 0.6}, np.s_[1, :3, 2, 3]),
    ("map_lrn", {}, np.s_[1, 0, 1:4, 2:5]),
    ("map_lrn", {"n": 4, "beta": 0.6}, np.s_[1, 0, 1:5, 2:6]),
    ("pool", {}, np.s_[1, 0, :2, 1]),
    ("pool", {"z": 2, "s": 1, "ceil_mode": True}, np.s_[1, 0, 1:3, 2:4]),
    ("average_pool", {}, np.s_[1, 0, :2, 1]),
]


@pytest.mark.parametrize("name, options, places", SEEN_BY)
def test_a_nan_is_seen_by_everyone_who_looks_at_it_and_by_no_one_else(
    ops, dtype, name, options, places
):
    (x,) = draw([(3, 6, 5, 7)], dtype)
    clean, *_ = walk(ops, name, [x], options)
    x[1, 0, 2, 3] = np.nan
    y, *_ = walk(ops, name, [x], options)
    expected = clean.copy()
    expected[places] = np.nan
    np.testing.assert_array_equal(y, expected)


def test_a_nan_in_a_convolution_stays_in_its_image_its_windows_and_its_group(ops, dtype):
    x, w, b = draw([(3, 4, 5, 7), (6, 2, 3, 3)], dtype)
    clean, dx_clean, dw_clean, _ = walk(ops, "conv", [x, w, b], {"groups": 2})
    x[1, 0, 2, 4] = np.nan  # the last three columns of windows hold it
    y, dx, dw, db = walk(ops, "conv", [x, w, b], {"groups": 2})
    clean[1, :3, :, 2:] = np.nan
    np.testing.assert_array_equal(y, clean)
    np.testing.assert_array_equal(dx, dx_clean)
    assert np.isnan(dw[:3, 0]).all()
    np.testing.assert_array_equal(dw[3:], dw_clean[3:])


def test_a_nan_in_a_locally_connected_layer_stays_in_its_image_and_its_windows(ops, dtype):
    args = draw([(3, 4, 5, 7), (3, 5, 6, 4, 3, 3)], dtype)
    y_clean, dx_clean, dw_clean, _ = walk(ops, "local", args, {})
    args[0][1, 0, 2, 4] = np.nan  # the last three columns of places see it
    y, dx, dw, db = walk(ops, "local", args, {})
    y_clean[1, :, :, 2:] = np.nan
    np.testing.assert_array_equal(y, y_clean)
    np.testing.assert_array_equal(dx, dx_clean)
    for i, j in np.ndindex(3, 3):
        dw_clean[i, 2 + j, :, 0, 2 - i, 2 - j] = np.nan
    np.testing.assert_array_equal(dw, dw_clean)


def test_a_nan_in_dy_comes_through_the_convolution(ops, dtype):
    def spoilt(dy):
        dy[1, 4, 2, 0] = np.nan
        return dy

    args = draw([(3, 4, 5, 7), (6, 2, 3, 3)], dtype)
    _, dx, dw, db = walk(ops, "conv", args, {"groups": 2}, spoilt)
    seen = np.zeros(dx.shape, bool)
    seen[1, 2:, 2:5, :3] = True  # image 1, the second group, one window
    np.testing.assert_array_equal(np.isnan(dx), seen)
    assert np.isnan(dw[4]).all() and np.isnan(db[4])
    assert np.isfinite(np.delete(dw, 4, axis=0)).all() and np.isfinite(np.delete(db, 4)).all()


def test_a_nan_in_a_fully_connected_layer_or_in_the_scores_is_seen(ops, dtype):
    x, w, b = draw([(3, 5), (4, 5)], dtype)
    x[1, 2] = np.nan
    y, _ = ops.fc_forward(x, w, b)
    assert np.isnan(y[1]).all() and np.isfinite(y[[0, 2]]).all()
    loss, _ = ops.softmax_loss_forward(y, np.array([0, 1, 2]))
    assert np.isnan(loss)


def test_the_first_nan_of_a_window_gets_the_gradient(ops, dtype):
    (x,) = draw([(1, 1, 3, 3)], dtype)
    x[0, 0, 1, 2] = x[0, 0, 2, 0] = np.nan
    _, cache = ops.pool_forward(x)
    dx, *_ = ops.pool_backward(np.full((1, 1, 1, 1), 1.5, dtype), cache)
    assert dx[0, 0, 1, 2] == 1.5 and np.count_nonzero(dx) == 1


def test_the_first_nan_wins_in_every_channel_of_many(ops, dtype):
    (x,) = draw([(1, 67, 3, 3)], dtype)
    x[0, :, 1, 2] = x[0, :, 2, 0] = np.nan
    y, cache = ops.pool_forward(x)
    dx, *_ = ops.pool_backward(np.ones((1, 67, 1, 1), dtype), cache)
    assert np.isnan(y).all() and (dx[0, :, 1, 2] == 1).all() and np.count_nonzero(dx) == 67


def test_infinity_wins_a_maximum_and_makes_no_nan(ops, dtype):
    (x,) = draw([(2, 3, 6, 8)], dtype)
    x[0, 0], x[1, 1, 2, 2] = -np.inf, np.inf
    options = {"ceil_mode": True}
    y, dx = walk(ops, "pool", [x], options)
    assert not np.isnan(y).any() and np.isfinite(dx).all()
    assert (y[0, 0] == -np.inf).all()
    np.testing.assert_array_equal(np.argwhere(y == np.inf), [[1, 1, i, j] for i, j in TOUCHING])
    y, _ = walk(ops, "average_pool", [x], options)
    assert not np.isnan(y).any() and (y[0, 0] == -np.inf).all()


def test_infinity_in_dy_goes_where_it_belongs_and_makes_no_nan(ops, dtype):
    (x,) = draw([(1, 2, 3, 3)], dtype)
    dy = np.full((1, 2, 1, 1), np.inf, dtype)
    y, cache = ops.pool_forward(x)
    (dx,) = ops.pool_backward(dy, cache)
    np.testing.assert_array_equal(dx, np.where(x == y, np.inf, 0))
    _, cache = ops.relu_forward(x)
    (dx,) = ops.relu_backward(np.full(x.shape, np.inf, dtype), cache)
    np.testing.assert_array_equal(dx, np.where(x > 0, np.inf, 0))


TOUCHING = [(0, 0), (0, 1), (1, 0), (1, 1)]  # the 3×3 windows, 2 apart, that hold pixel (2, 2)


def test_infinity_goes_through_the_nonlinearities(ops, dtype):
    x = np.array([-np.inf, -1e30, 1e30, np.inf], dtype)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(ops.relu_forward(x)[0], [0, 0, x[2], np.inf])
        np.testing.assert_array_equal(ops.tanh_forward(x)[0], [-1, -1, 1, 1])
    np.testing.assert_array_equal(ops.logistic_forward(x)[0], [0, 0, 1, 1])


# Threads.

two_threads = pytest.mark.skipif(
    numba.config.NUMBA_NUM_THREADS < 2, reason="Numba has one thread here"
)


def with_threads(count, f):
    before = fast.threads.count, fast.threads.WORTH_WAKING, fast.threads.WAKE_TIME
    fast.threads.use(count)
    fast.threads.WORTH_WAKING, fast.threads.WAKE_TIME = -1, 0  # however little there is to do
    try:
        return f()
    finally:
        fast.threads.use(before[0])
        fast.threads.WORTH_WAKING, fast.threads.WAKE_TIME = before[1:]


def assert_same_bits(arrays_1, arrays_2):
    for a, b in zip(arrays_1, arrays_2, strict=True):
        np.testing.assert_array_equal(a, b)


@two_threads
@pytest.mark.parametrize(
    "name, shapes, options",
    [
        ("conv", [(35, 11, 9, 8), (34, 11, 5, 5)], {"stride": 2, "pad": 2}),
        ("local", [(35, 11, 9, 8), (4, 3, 34, 11, 5, 5)], {"stride": 2, "pad": 1}),
        ("tanh", [(35, 3, 9, 7)], {}),
        ("logistic", [(35, 3, 9, 7)], {}),
        ("lrn", [(35, 7, 9, 8)], {}),
        ("map_lrn", [(35, 7, 9, 8)], {}),
        ("pool", [(35, 3, 9, 8)], {}),
        ("average_pool", [(35, 3, 9, 8)], {}),
    ],
)
def test_the_number_of_threads_changes_no_bit(name, shapes, options):
    args = draw(shapes, np.float32)  # one dtype: every loop has to be compiled for it
    results = [with_threads(n, lambda: walk(fast, name, args, options)) for n in (1, 2)]
    assert_same_bits(*results)


@two_threads
def test_the_number_of_threads_changes_no_bit_of_the_update(dtype):
    rng = np.random.default_rng(0)
    w, v, dw = (rng.standard_normal((301, 7)).astype(dtype) for _ in range(3))
    results = [with_threads(n, lambda: fast.sgd_update(w + 0, v + 0, dw, 0.01)) for n in (1, 2)]
    assert_same_bits(*results)
