"""The GPU backend, besides its numbers: the contract, memory, gradients, NaN and bad input."""

import functools
import inspect
import re
import sys

import numba
import numpy as np
import pytest
from arrays import awkward, plain
from test_bad_input import refuse_caches_of_others
from test_layers import SEEN_BY, SIGNATURES, assert_close, draw, walk, with_rng

from minicnn import cuda, errors, reference
from minicnn.__main__ import main
from minicnn.commands import summary
from minicnn.cuda import buffers, dropout, gpu, settings, two_columns
from minicnn.gradcheck import check_layer
from minicnn.verify.cuda_compiles import name_of, table
from minicnn.verify.gpu import cases

LAYERS = [  # one case a layer, for what need not be asked of every case
    ("relu", [(2, 3, 5)], {}),
    ("tanh", [(2, 3, 5)], {}),
    ("logistic", [(2, 3, 5)], {}),
    ("lrn", [(2, 6, 1, 3)], {"alpha": 0.5, "groups": 2}),
    ("map_lrn", [(2, 2, 3, 4)], {"alpha": 0.5, "n": 4}),
    ("pool", [(2, 1, 6, 5)], {"ceil_mode": True}),
    ("average_pool", [(2, 1, 6, 5)], {"ceil_mode": True}),
    ("dropout", [(2, 3, 5)], {}),
    ("dropout_predict", [(2, 3, 5)], {}),
    ("conv", [(2, 4, 3, 4), (2, 2, 2, 2)], {"stride": 2, "pad": 1, "groups": 2}),
    ("local", [(2, 2, 3, 4), (2, 3, 3, 2, 2, 2)], {"stride": 2, "pad": 1}),
    ("fc", [(3, 2, 3), (5, 6)], {}),
]
every_layer = pytest.mark.parametrize("name, shapes, options", LAYERS)
elementwise = pytest.mark.parametrize(
    "name, shapes, options", LAYERS[:-3]
)  # not conv, local and fc


def host(arrays):
    return [cuda.to_host(array) for array in arrays]


def count_buffers():
    return sum(map(len, buffers.kept.values()))


# The contract.


def test_the_names_and_signatures_are_the_contracts():
    functions = {name: f for name, f in vars(cuda).items() if inspect.isfunction(f)}
    assert {name: str(inspect.signature(f)) for name, f in functions.items()} == SIGNATURES
    assert sorted(cuda.__all__) == sorted(SIGNATURES)


def test_every_layer_has_a_case():
    layers = {name.removesuffix("_forward") for name in SIGNATURES if name.endswith("_forward")}
    assert layers == {name for name, _, _ in LAYERS} | {"softmax_loss"}
    assert layers == set(cases.TABLE) - {"sgd_update"} | {"dropout"}


# The reference's numbers.


@pytest.mark.parametrize(
    "name, shapes, options",
    [
        *LAYERS,
        ("relu", [(1,)], {}),
        ("lrn", [(2, 6, 3, 1)], {"alpha": 0.5}),
        ("map_lrn", [(2, 3, 3, 1)], {"alpha": 0.5}),
        ("pool", [(2, 3, 4, 1)], {"z": 1, "s": 1}),
        ("local", [(2, 2, 1, 3), (1, 3, 2, 2, 1, 1)], {}),
        ("conv", [(1, 2, 3, 1), (2, 2, 1, 1)], {}),
        ("fc", [(1, 2, 3), (1, 6)], {}),
    ],
)
def test_arrays_that_lie_in_memory_in_any_way_give_what_plain_ones_give(name, shapes, options):
    rng = np.random.default_rng(8)
    for _ in range(3):
        args = [awkward(array.shape, np.float64, rng) for array in draw(shapes, np.float64)]
        y, _ = getattr(reference, f"{name}_forward")(*args, **with_rng(name, options))
        dy = awkward(y.shape, np.float64, rng)
        found = host(walk(cuda, name, args, options, lambda _, dy=dy: dy))
        expected_args = [plain(array) for array in args]
        if name == "dropout":  # the GPU drops others
            expected = host(walk(cuda, name, expected_args, options, lambda _, dy=dy: plain(dy)))
        else:
            expected = walk(reference, name, expected_args, options, lambda _, dy=dy: plain(dy))
        assert_close(found, expected)


def test_windows_far_apart_or_wider_than_the_image_cost_no_more():
    (x,) = draw([(1, 2, 3, 4)], np.float64)
    for name in ("pool", "average_pool"):
        for options in (dict(z=3, s=2**31 - 1), dict(z=10**6, s=2 * 10**6, ceil_mode=True)):
            z = min(options["z"], 4)
            found = host(walk(cuda, name, [x], options))
            few = dict(z=z, s=4, ceil_mode=options.get("ceil_mode", False))
            assert_close(found, walk(reference, name, [x], few))


def test_large_scores_overflow_nothing(dtype):
    scores = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4]], dtype)
    loss, cache = cuda.softmax_loss_forward(scores, np.array([1, 2]))
    np.testing.assert_allclose(cuda.to_host(loss), (1e4 + np.log(3)) / 2, rtol=1e-6)
    (dscores,) = cuda.softmax_loss_backward(cache)
    assert np.isfinite(cuda.to_host(dscores)).all()


def test_the_update_is_the_references_and_writes_in_place(dtype):
    rng = np.random.default_rng(0)
    w, v, dw = (rng.standard_normal((5, 3, 4)).astype(dtype) for _ in range(3))
    constants = dict(epsilon=0.01, momentum=0.8, decay=0.3)
    expected = reference.sgd_update(w, v, dw, **constants)
    w_there, v_there = cuda.to_device(w), cuda.to_device(v)
    w_next, v_next = cuda.sgd_update(w_there, v_there, dw, **constants)
    assert w_next is w_there and v_next is v_there
    assert_close(host([w_next, v_next]), expected)


def kind(argument):
    """Return what the compiler distinguishes: type and axes of an array, type of a number."""
    if hasattr(argument, "copy_to_host") or hasattr(argument, "layout"):
        return f"{argument.dtype} {argument.ndim}"
    if isinstance(argument, tuple | numba.types.BaseNamedTuple):
        form = getattr(argument, "instance_class", type(argument))
        return f"{form.__name__}({', '.join(map(kind, argument))})"
    return str(argument if isinstance(argument, numba.types.Type) else numba.typeof(argument))


def test_kernels_are_launched_with_arguments_of_the_types_that_are_compiled(monkeypatch):
    launched, compiled = set(), set()
    for kernel, *types in table(numba.float32):
        compiled.add((name_of(kernel), *map(kind, types)))

    def record(kernel, grid, block, *arguments):
        launched.add((name_of(kernel), *map(kind, arguments)))

    for name, module in sys.modules.items():
        if name.startswith("minicnn.cuda.") and hasattr(module, "launch_blocks"):
            monkeypatch.setattr(module, "launch_blocks", record)
    for n in (5, 19):
        walk(cuda, "lrn", draw([(1, 3, 2, 2)], np.float32), {"n": n})
    for name, shapes, options in LAYERS:
        walk(cuda, name, draw(shapes, np.float32), options)
    loss, cache = cuda.softmax_loss_forward(ROWS, LABELS)
    cuda.softmax_loss_backward(cache)
    cuda.softmax(ROWS)
    w = cuda.to_device(W)
    cuda.sgd_update(w, cuda.to_device(np.zeros(3, np.float32)), w, 0.1)
    two_columns.joined(ROWS, ROWS)
    two_columns.added(ROWS, 1, two_columns.part(ROWS, 1, 2))
    monkeypatch.setattr(settings, "plain", True)
    cuda.conv_forward(X, np.zeros((2, 3, 2, 2), np.float32), W[:2])
    for name in ("pool", "average_pool"):
        walk(cuda, name, draw([(1, 1, 5, 5)], np.float32), {})
    assert launched == compiled


# Gradients.


def forward_on_host(f):
    @functools.wraps(f)
    def wrapped(*args, **options):
        y, cache = f(*args, **options)
        return cuda.to_host(y), cache

    return wrapped


def backward_on_host(f):
    return lambda *args: tuple(host(f(*args)))


@elementwise
def test_backward_is_the_derivative_of_forward(name, shapes, options):
    forward = forward_on_host(getattr(cuda, f"{name}_forward"))
    backward = backward_on_host(getattr(cuda, f"{name}_backward"))
    args = draw(shapes, np.float64)
    report = check_layer(forward, backward, *args, max_entries=3, **with_rng(name, options))
    assert report.ok and report.worst < 1e-6, str(report)


def test_the_softmax_loss_has_the_right_gradient():
    rng = np.random.default_rng(0)
    forward = forward_on_host(cuda.softmax_loss_forward)
    backward = backward_on_host(cuda.softmax_loss_backward)
    scores, labels = rng.standard_normal((2, 3)), rng.integers(3, size=2)
    report = check_layer(forward, backward, scores, labels, max_entries=2)
    assert report.ok and report.worst < 1e-6, str(report)


# Arrays, here and there.


@every_layer
def test_arrays_of_the_host_and_of_the_device_give_the_same(name, shapes, options):
    args = draw(shapes, np.float32)
    found = walk(cuda, name, [cuda.to_device(q) for q in args], options, cuda.to_device)
    assert all(hasattr(q, "copy_to_host") for q in found)
    for a, b in zip(host(found), host(walk(cuda, name, args, options)), strict=True):
        np.testing.assert_array_equal(a, b)


@every_layer
def test_arguments_are_not_changed_and_backward_can_be_called_twice(name, shapes, options):
    args = [cuda.to_device(q) for q in draw(shapes, np.float32)]
    before = host(args)
    y, cache = getattr(cuda, f"{name}_forward")(*args, **with_rng(name, options))
    dy = cuda.to_device(np.random.default_rng(1).standard_normal(y.shape, np.float32))
    kept = host([y, dy])
    first = host(getattr(cuda, f"{name}_backward")(dy, cache))
    second = host(getattr(cuda, f"{name}_backward")(dy, cache))
    for a, b in zip([*host(args), *host([y, dy]), *second], [*before, *kept, *first], strict=True):
        np.testing.assert_array_equal(a, b)


@elementwise  # for the others, see verify/gpu/cases.py
def test_an_empty_batch_gives_an_empty_batch(name, shapes, options):
    x, *w_and_b = draw(shapes, np.float32)
    y, dx, *_ = walk(cuda, name, [x[:0], *w_and_b], options)
    assert y.shape[0] == 0 and dx.shape == x[:0].shape
    assert cuda.to_host(dx).shape == x[:0].shape


@every_layer
def test_after_the_first_call_no_new_memory_is_taken(name, shapes, options):
    args = draw(shapes, np.float32)
    walk(cuda, name, args, options)
    made = count_buffers()
    for _ in range(2):
        walk(cuda, name, args, options)
    assert count_buffers() == made


def test_after_the_first_step_loss_and_update_take_no_new_memory():
    def step():
        loss, cache = cuda.softmax_loss_forward(scores, labels)
        (dscores,) = cuda.softmax_loss_backward(cache)
        cuda.sgd_update(w, v, dscores, 0.01)

    scores, labels = draw([(3, 4)], np.float32)[0], np.array([1, 0, 3])
    w, v = cuda.to_device(scores), cuda.to_device(0 * scores)
    step()
    made = count_buffers()
    step()
    assert count_buffers() == made


def test_memory_that_somebody_holds_is_not_given_out_again():
    x = draw([(5, 7)], np.float32)[0]
    held = cuda.to_device(x).reshape(7, 5)  # a view is enough
    for _ in range(3):
        cuda.to_device(0 * x)
    np.testing.assert_array_equal(cuda.to_host(held), x.reshape(7, 5))


def test_at_changes_where_things_happen_and_restores_it():
    before = gpu.current
    with gpu.use(0, 0):
        with pytest.raises(ZeroDivisionError), gpu.use(0, gpu.cuda.stream()):
            assert gpu.current.stream
            y, _ = cuda.relu_forward(np.array([-1, 2], np.float32))
            np.testing.assert_array_equal(cuda.to_host(y), [0, 2])
            1 / 0  # noqa: B018
        assert gpu.current == (0, 0)
    assert gpu.current == before


# Dropout.


philox = dropout.philox.py_func  # takes arrays, too


def mask_of(shape, seed, p=0.5):
    y, cache = cuda.dropout_forward(np.ones(shape, np.float32), p, np.random.default_rng(seed))
    return cuda.to_host(y), cache


def test_philox_gives_the_numbers_that_its_authors_publish():
    for counter_and_key, numbers in [  # philox4x32 10 in Random123's kat_vectors
        ("00000000 " * 6, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff " * 6, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ]:
        found = philox(*(np.uint64(int(word, 16)) for word in counter_and_key.split()))
        assert [f"{q:08x}" for q in found] == numbers.split()


def bits_of_units(count, seed):
    """Return the 32 bits of the first units: thread t serves 128·(t // 32) + t % 32 + 0, 32, …"""
    nothing, low = np.uint64(0), np.uint64(2**32 - 1)
    threads = np.arange(count // 4, dtype=np.uint64)
    four = philox(threads, nothing, nothing, nothing, seed & low, seed >> np.uint64(32))
    return np.stack(four, axis=1).reshape(-1, 32, 4).transpose(0, 2, 1).ravel()


def test_the_same_seed_drops_the_same_units_and_backward_knows_which():
    y, cache = mask_of((3, 70), seed=5)
    np.testing.assert_array_equal(mask_of((3, 70), seed=5)[0], y)
    assert (mask_of((3, 70), seed=6)[0] != y).mean() > 0.3
    dy = np.random.default_rng(1).standard_normal(y.shape, np.float32)
    (dx,) = cuda.dropout_backward(dy, cache)
    np.testing.assert_array_equal(cuda.to_host(dx), np.where(y, dy, 0))


def test_every_call_draws_a_new_mask():
    rng, x = np.random.default_rng(0), np.ones(200, np.float32)
    first, second = (cuda.to_host(cuda.dropout_forward(x, rng=rng)[0]) for _ in range(2))
    assert (first != second).mean() > 0.3


def test_a_unit_is_dropped_by_its_number_alone(monkeypatch):
    y, _ = mask_of(300, seed=5)
    monkeypatch.setattr(gpu, "THREADS", 8)
    np.testing.assert_array_equal(mask_of(300, seed=5)[0], y)
    np.testing.assert_array_equal(mask_of(130, seed=5)[0], y[:130])
    np.testing.assert_array_equal(mask_of((4, 50), seed=5)[0].ravel(), y[:200])


def test_p_is_the_share_of_units_that_are_dropped():
    for p in (0, 0.2, 0.5, 1 - 1e-12):
        y, (seed, limit, _, _) = mask_of(300, seed=3, p=p)
        bits = bits_of_units(2**19, seed)
        np.testing.assert_array_equal(y, bits[:300] >= limit)
        dropped = bits < limit
        deviation = np.sqrt(p * (1 - p))
        assert abs(dropped.mean() - p) <= 4 * deviation / np.sqrt(dropped.size)
        for lag in (1, 2, 32, 64, 128):  # neighbours in memory and in a thread are independent
            pairs = (dropped[lag:] - p) * (dropped[:-lag] - p)
            assert abs(pairs.mean()) <= 4 * deviation**2 / np.sqrt(pairs.size)


def test_dropped_infinities_are_zeros(dtype):
    x = np.full(64, np.inf, dtype)
    y = cuda.to_host(cuda.dropout_forward(x, rng=np.random.default_rng(0))[0])
    assert set(y) == {0, np.inf}


# NaN and infinity stay visible.


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name, options, places", SEEN_BY)
def test_a_nan_is_seen_by_everyone_who_looks_at_it_and_by_no_one_else(name, options, places):
    (x,) = draw([(1, 6, 5, 7)], np.float32)
    x[0, 0, 2, 3] = np.nan
    places = (0, *places[1:])  # they are those of image 1
    found, expected = host(walk(cuda, name, [x], options)), walk(reference, name, [x], options)
    assert np.isnan(found[0][places]).all()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))


def test_the_first_nan_of_a_window_gets_the_gradient(dtype):
    (x,) = draw([(1, 1, 3, 3)], dtype)
    x[0, 0, 1, 2] = x[0, 0, 2, 0] = np.nan
    y, cache = cuda.pool_forward(x)
    (dx,) = cuda.pool_backward(np.full((1, 1, 1, 1), 1.5, dtype), cache)
    dx = cuda.to_host(dx)
    assert np.isnan(cuda.to_host(y)) and dx[0, 0, 1, 2] == 1.5 and np.count_nonzero(dx) == 1


def test_the_first_of_equals_gets_the_gradient_and_infinity_makes_no_nan(dtype):
    for value in (0, -np.inf, np.inf):
        x = np.full((1, 1, 4, 4), value, dtype)
        results = walk(cuda, "pool", [x], {"ceil_mode": True})
        expected = walk(reference, "pool", [x], {"ceil_mode": True})
        for a, b in zip(host(results), expected, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_large_numbers_in_normalization_are_the_references():
    x = np.array([1e15, -1e12, 1e25, 3, -np.inf], np.float32).reshape(1, 5, 1, 1)
    found, expected = host(walk(cuda, "lrn", [x], {})), walk(reference, "lrn", [x], {})
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_nan_in_the_scores_is_seen_in_the_loss_and_stays_in_its_row(dtype):
    (scores,) = draw([(3, 5)], dtype)
    scores[1, 2] = np.nan
    loss, cache = cuda.softmax_loss_forward(scores, np.array([0, 1, 4]))
    p, dscores = host([cuda.softmax(scores), *cuda.softmax_loss_backward(cache)])
    assert np.isnan(cuda.to_host(loss))
    for q in (p, dscores):
        assert np.isnan(q[1]).all() and np.isfinite(q[[0, 2]]).all()


def test_a_label_on_the_device_that_is_no_class_makes_the_loss_nan(dtype):
    (scores,) = draw([(2, 3)], dtype)
    for wrong in (3, -1):
        loss, _ = cuda.softmax_loss_forward(scores, cuda.to_device(np.array([0, wrong])))
        assert np.isnan(cuda.to_host(loss))
    labels = np.array([0, 2])
    there, here = (
        cuda.softmax_loss_forward(scores, q)[0] for q in (cuda.to_device(labels), labels)
    )
    assert cuda.to_host(there) == cuda.to_host(here)


# Bad input.

X, ROWS, LABELS = np.zeros((2, 3, 7, 5), np.float32), np.zeros((2, 4), np.float32), np.array([3, 0])
W = np.zeros(3, np.float32)
BAD = [
    (lambda: cuda.relu_forward([1.0]), TypeError, "relu: x is a list; expected an array"),
    (lambda: cuda.lrn_forward(X.astype(np.uint8)), TypeError, "lrn: x has dtype uint8"),
    (lambda: cuda.lrn_forward(X, groups=2), ValueError, "lrn: x has 3 channels, which do not"),
    (lambda: cuda.lrn_forward(X, n=0), ValueError, "lrn: n = 0; expected a whole number"),
    (lambda: cuda.map_lrn_forward(X, n=0), ValueError, "map_lrn: n = 0; expected a whole number"),
    (lambda: cuda.pool_forward(X, z=6), ValueError, "pool: z = 6, but a window of 6×6 does not"),
    (lambda: cuda.average_pool_forward(X[0]), ValueError, "average_pool: x has shape (3, 7, 5)"),
    (lambda: cuda.dropout_forward(X), TypeError, "dropout: rng is None; expected a generator"),
    (lambda: cuda.dropout_predict_forward(X, p=1), ValueError, "dropout_predict: p = 1; expected"),
    (lambda: cuda.softmax(W), ValueError, "softmax: scores has shape (3,); expected 2 axes"),
    (lambda: cuda.softmax_loss_forward(ROWS, [3, 0]), TypeError, "labels is a list; expected an"),
    (lambda: cuda.softmax_loss_forward(ROWS, LABELS + 1), ValueError, "labels run from 1 to 4"),
    (
        lambda: cuda.softmax_loss_forward(ROWS, cuda.to_device(LABELS.astype(float))),
        TypeError,
        "labels has dtype float64; expected an array of whole numbers",
    ),
    (
        lambda: cuda.softmax_loss_forward(ROWS, cuda.to_device(LABELS[:1])),
        ValueError,
        "labels has shape (1,); expected one label per image, (2,)",
    ),
    (
        lambda: cuda.sgd_update(W, W + 0, W, 0.1),
        TypeError,
        "w is an array of the host; expected one",
    ),
    (lambda: cuda.sgd_update(W, W + 0, W[:2], 0.1), ValueError, "expected the same shape"),
    (lambda: cuda.relu_forward(cuda.to_device(X)[:, :2]), ValueError, "has gaps in memory"),
    (lambda: buffers.empty((2**16, 2**15), np.int8), ValueError, "has 2,147,483,648 numbers"),
]


@pytest.mark.parametrize("call, exception, telling", BAD)
def test_bad_input_gets_one_sentence(call, exception, telling):
    with pytest.raises(exception) as caught:
        call()
    assert caught.type is exception
    assert telling in str(caught.value) and "\n" not in str(caught.value)


def test_a_cache_of_another_layer_or_backend_is_refused_by_name():
    refuse_caches_of_others(cuda, reference)


@pytest.mark.parametrize("name", ["CudaAPIError", "CUDAError"])  # of two libraries
def test_a_launch_that_fails_names_the_kernel_and_its_arguments(monkeypatch, capsys, name):
    Failure = type(name, (Exception,), {})

    class Kernel:
        def __getitem__(self, configuration):
            return self

        def __call__(self, *arguments):
            raise Failure("CUDA_ERROR_INVALID_VALUE")

        def py_func(x):
            """A kernel has the function that it was made of."""

    with pytest.raises(errors.GpuError) as caught:
        gpu.launch(Kernel(), 70, np.zeros((2, 35), np.float32), np.int32(7))
    words = (
        rf"a GPU failed, in py_func\[{-(-70 // gpu.THREADS)}, {gpu.THREADS}\]"
        r"\(float32 \(2, 35\), 7\) or before it \(CUDA_"
    )
    assert re.match(words, str(caught.value)) and isinstance(caught.value.__cause__, Failure)

    def later(options):
        raise Failure("CUDA_ERROR_ILLEGAL_ADDRESS")

    monkeypatch.setattr(summary, "run", later)
    assert main(["summary", "alexnet"]) == 1
    assert capsys.readouterr().err.startswith("minicnn: a GPU failed (CUDA_ERROR_ILLEGAL_ADDRESS)")


@every_layer
def test_a_gradient_of_the_wrong_shape_or_type_is_refused(name, shapes, options):
    args = draw(shapes, np.float32)
    y, cache = getattr(cuda, f"{name}_forward")(*args, **with_rng(name, options))
    for wrong, exception in ((np.zeros(3, np.float32), ValueError), (np.zeros(y.shape), TypeError)):
        with pytest.raises(exception, match=f"{name}: dy"):
            getattr(cuda, f"{name}_backward")(wrong, cache)
