"""Every compiled kernel of the GPU backend, executed: the reference's numbers, and no fault."""

import numpy as np
import pytest
from numba import float32, float64

from minicnn import cuda, fast, reference
from minicnn.cuda import dropout, two_columns
from minicnn.cuda.patches import patched
from minicnn.networks import cifar
from minicnn.two_columns import in_columns
from minicnn.verify import cuda_check, gpu as emulator
from minicnn.verify.cuda_compiles import name_of, table
from minicnn.verify.gpu import cases


@pytest.mark.parametrize("case", cases.every_case(), ids=cases.title)
def test_a_layer_is_the_references(case):
    assert cases.error_of(case) <= cases.LIMITS[case.mode]


def test_random_shapes_are_the_references(request):
    for case in cases.random_cases(request.config.getoption("--cases")):
        assert cases.error_of(case) <= cases.LIMITS[case.mode], cases.title(case)


@pytest.mark.slow
@pytest.mark.very_slow
@pytest.mark.parametrize("case", cases.LARGE, ids=cases.title)
def test_a_layer_of_the_paper_is_the_references(case):
    assert cases.error_of(case) <= cases.LIMITS[case.mode]


@pytest.mark.parametrize("layer", ["conv", "fc"])
def test_whole_numbers_on_tensor_cores_are_exact(layer):
    shapes = {
        "conv": [(2, 6, 9, 8), (130, 6, 3, 3), (130,)],
        "fc": [(70, 132), (136, 132), (136,)],
    }[layer]
    rng = np.random.default_rng(0)
    arguments = [rng.integers(-8, 9, shape).astype(np.float32) for shape in shapes]
    with patched(cuda.settings, "tf32", True):
        y, _ = getattr(cuda, f"{layer}_forward")(*arguments)
    expected, _ = getattr(reference, f"{layer}_forward")(*arguments)
    assert np.array_equal(cuda.to_host(y), expected)


@pytest.mark.parametrize("layer", ["relu", "tanh", "logistic"])
def test_nan_infinity_and_large_numbers(layer, dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-40, 88, -104, 700, -800] * 30).astype(dtype)
    y, _ = getattr(cuda, f"{layer}_forward")(x)
    with np.errstate(all="ignore"):
        expected, _ = getattr(reference, f"{layer}_forward")(x.astype(np.float64))
    np.testing.assert_allclose(cuda.to_host(y), expected, rtol=1e-6, atol=1e-30)


def test_infinity_and_nan_stay_in_their_windows():
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 8)).astype(np.float32)
    w = np.random.default_rng(1).standard_normal((5, 3, 3, 3)).astype(np.float32)
    x[0, 0, 0, 0], x[1, 2, 4, 4] = np.inf, np.nan
    y, _ = cuda.conv_forward(x, w, w[:, 0, 0, 0], pad=1)
    with np.errstate(invalid="ignore"):
        expected, _ = reference.conv_forward(x, w, w[:, 0, 0, 0], pad=1)
    np.testing.assert_allclose(cuda.to_host(y), expected, rtol=1e-4, atol=1e-5)


def test_an_array_that_begins_at_no_multiple_of_16_bytes():
    numbers = np.random.default_rng(0).standard_normal(73).astype(np.float32)
    x = cuda.to_device(numbers[:41])[1:].reshape((10, 4))
    w, b = numbers[41:].reshape(8, 4), np.zeros(8, np.float32)
    y, cache = cuda.fc_forward(x, w, b)
    expected, expected_cache = reference.fc_forward(numbers[1:41].reshape(10, 4), w, b)
    np.testing.assert_allclose(cuda.to_host(y), expected, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(
        cuda.fc_backward(expected, cache),
        reference.fc_backward(expected, expected_cache),
        strict=True,
    ):
        np.testing.assert_allclose(cuda.to_host(ours), theirs, rtol=1e-4, atol=1e-4)


def test_a_label_that_is_no_class_makes_the_loss_nan():
    scores = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    for label in (7, -1):
        labels = cuda.to_device(np.array([0, 1, label, 2], np.int32))
        loss, _ = cuda.softmax_loss_forward(scores, labels)
        assert np.isnan(cuda.to_host(loss))


def philox(counter, key):
    """Return four random numbers, in Python's integers; see cuda/dropout.py."""
    a, b, c, d = counter
    for step in range(10):
        k = [(key[i] + step * increment) % 2**32 for i, increment in enumerate(STEPS)]
        first, second = MULTIPLIERS[0] * a, MULTIPLIERS[1] * c
        a, b = second >> 32 ^ b ^ k[0], second % 2**32
        c, d = first >> 32 ^ d ^ k[1], first % 2**32
    return a, b, c, d


MULTIPLIERS, STEPS = [[int(n) for n in pair] for pair in (dropout.MULTIPLIERS, dropout.KEY_STEPS)]


@pytest.mark.parametrize("size", [1, 31, 128, 129, 1000])
def test_dropout_is_philox_bit_for_bit(size, dtype):
    x = np.random.default_rng(size).standard_normal(size).astype(dtype)
    seed = int(np.random.default_rng(5).integers(2**64, dtype=np.uint64))
    keep = np.zeros(-(-size // 128) * 128, bool)
    for t in range(len(keep) // 4):
        for j, bits in enumerate(philox((t, 0, 0, 0), (seed % 2**32, seed >> 32))):
            keep[t // 32 * 128 + t % 32 + 32 * j] = bits >= round(0.3 * 2**32)
    y, cache = cuda.dropout_forward(x, 0.3, np.random.default_rng(5))
    (dx,) = cuda.dropout_backward(x[::-1].copy(), cache)
    assert np.array_equal(cuda.to_host(y), np.where(keep[:size], x, 0))
    assert np.array_equal(cuda.to_host(dx), np.where(keep[:size], x[::-1], 0))


# Two columns, and training.


@pytest.mark.parametrize("peers", [True, False])
def test_two_columns_on_two_gpus_are_the_cpus(peers, monkeypatch):
    monkeypatch.setattr(emulator.emulated, "peers", peers)
    two_columns.enable_access.cache_clear()
    x = 0.1 * cuda_check.seeded().standard_normal((1, 1, 4, 2))
    networks = cuda_check.tiny_columns, cuda_check.tiny_in_one
    checks = dict(cuda_check.column_checks(*networks, x, 3))
    assert len(checks) == 12  # four for each pair of GPUs
    for name, check in checks.items():
        worst, limit, comment = check()
        assert worst <= limit, f"{name}: {comment}"
    two_columns.enable_access.cache_clear()


def test_channels_are_joined_taken_and_added(dtype):
    rng = np.random.default_rng(1)
    p, q = (rng.standard_normal((3, C, 5, 3)).astype(dtype) for C in (2, 4))
    found = two_columns.joined(p, q), two_columns.part(q, 1, 2), two_columns.added(q, 2, p)
    expected = np.concatenate([p, q], axis=1), q[:, 1:3], p + q[:, 2:]
    for ours, theirs in zip(found, expected, strict=True):
        assert np.array_equal(cuda.to_host(ours), theirs)


@pytest.mark.parametrize("name", ["cifar-four-layer", "cifar-2gpu"])
def test_training_steps_are_those_of_fast(name):
    if name == "cifar-2gpu":
        x = cuda_check.seeded().standard_normal((1, 3, 24, 24))
        backends = in_columns(fast), in_columns(cuda, (0, 1))

        def build(ops):
            return cifar.two_columns(ops, cuda_check.seeded())
    else:
        x = cuda_check.seeded().standard_normal((1, 3, 32, 32))
        backends = fast, cuda

        def build(ops):
            return cifar.four_layer(ops, cuda_check.seeded(), init="fan-in")

    worst, limit, comment = cuda_check.check_steps(build, x, 3, backends)
    assert worst <= min(limit, 1e-4), comment


def test_every_kernel_has_run(request):
    """The last test: those before it have run each kernel of the table, in both types of float."""
    if len(request.session.items) < 200:
        pytest.skip("only some tests were chosen")
    missing = [
        f"{name_of(kernel)} {types}"
        for number in (float32, float64)
        for kernel, *types in table(number)
        if tuple(types) not in kernel.overloads  # a launch has put it there, and run it
    ]
    assert not missing
