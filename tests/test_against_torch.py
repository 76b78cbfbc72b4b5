"""PyTorch as a second opinion, where it is installed: every layer on random configurations.

The oracle always computes in float64, from the same numbers.  The GPU backend runs in the
emulator, which is slow, and has smaller and fewer configurations.
"""

import importlib

import numpy as np
import pytest

from minicnn.net import on_host
from minicnn.shapes import out_size

torch = pytest.importorskip("torch", reason="an extra oracle, never required")
functional = torch.nn.functional

PAIRS = [(ops, seed) for ops in ("reference", "fast") for seed in range(8)]
PAIRS += [pytest.param("cuda", seed, marks=pytest.mark.gpu) for seed in range(2)]
random_cases = pytest.mark.parametrize("ops, seed", PAIRS, indirect=["ops"])


@pytest.fixture(params=["reference", "fast", pytest.param("cuda", marks=pytest.mark.gpu)])
def ops(request):
    ops = importlib.import_module(f"minicnn.{request.param}")
    try:
        ops.device.ready()
    except OSError as error:
        pytest.skip(str(error))
    return ops


def limits(ops, *most):
    """Return up to where sizes are drawn: most of these numbers, less in the emulator."""
    return [min(number, 3) for number in most] if ops.__name__ == "minicnn.cuda" else most


def draw(rng, dtype, *shapes):
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def assert_same(found, expected):
    tolerance = {"float64": 1e-10, "float32": 1e-4}[found.dtype.name]
    expected = expected.detach().numpy()
    assert found.shape == expected.shape
    largest = np.max(np.abs(expected), initial=0)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * largest)


def compare(ops, name, oracle, args, **options):
    """Compare y and all gradients, for a random dy, with those of oracle(*tensors)."""
    y, cache = getattr(ops, f"{name}_forward")(*args, **options)
    dy = np.random.default_rng(99).standard_normal(y.shape).astype(y.dtype)
    grads = map(on_host, getattr(ops, f"{name}_backward")(dy, cache))
    tensors = [torch.tensor(q, dtype=torch.float64, requires_grad=True) for q in args]
    y_oracle = oracle(*tensors)
    assert_same(on_host(y), y_oracle)
    y_oracle.backward(torch.tensor(dy, dtype=torch.float64))
    for gradient, tensor in zip(grads, tensors, strict=True):
        assert_same(gradient, tensor.grad)


@pytest.mark.parametrize("ceil_mode", [False, True])
@random_cases
def test_convolution(ops, dtype, seed, ceil_mode):
    rng = np.random.default_rng(seed)
    f, stride, groups, N = (int(rng.integers(1, most)) for most in limits(ops, 6, 5, 4, 20))
    pad = int(rng.integers(0, 4))
    C, K = (groups * int(rng.integers(1, most)) for most in limits(ops, 5, 7))
    H, W = (int(rng.integers(max(1, f - 2 * pad), f + more)) for more in limits(ops, 9, 9))

    def over_the_edge(size):
        """How many zeros the last window reads behind the padding; PyTorch has no ceil_mode."""
        return -(size + 2 * pad - f) % stride if ceil_mode else 0

    def oracle(x, w, b):
        wide = functional.pad(x, (pad, pad + over_the_edge(W), pad, pad + over_the_edge(H)))
        return functional.conv2d(wide, w, b, stride=stride, groups=groups)

    args = draw(rng, dtype, (N, C, H, W), (K, C // groups, f, f), (K,))
    options = dict(stride=stride, pad=pad, groups=groups, ceil_mode=ceil_mode)
    compare(ops, "conv", oracle, args, **options)


@random_cases
def test_a_locally_connected_layer(ops, dtype, seed):
    rng = np.random.default_rng(seed)
    f, stride, N, C, K = (int(rng.integers(1, most)) for most in limits(ops, 6, 5, 20, 5, 7))
    pad = int(rng.integers(0, 4))
    H, W = (int(rng.integers(max(1, f - 2 * pad), f + more)) for more in limits(ops, 9, 9))
    H_out, W_out = (out_size(size, f, stride, pad) for size in (H, W))

    def oracle(x, w, b):
        windows = functional.unfold(x, f, padding=pad, stride=stride)  # (N, C·f·f, H_out·W_out)
        windows = windows.unflatten(2, (H_out, W_out))
        maps = torch.einsum("ntij,ijkt->nkij", windows, w.flatten(3))
        return maps + b.broadcast_to(H_out, W_out, K).permute(2, 0, 1)

    b_shape = (K,) if seed % 2 else (H_out, W_out, K)
    args = draw(rng, dtype, (N, C, H, W), (H_out, W_out, K, C, f, f), b_shape)
    compare(ops, "local", oracle, args, stride=stride, pad=pad)


@pytest.mark.parametrize("name", ["pool", "average_pool"])
@pytest.mark.parametrize("ceil_mode", [False, True])
@random_cases
def test_pooling(ops, dtype, seed, ceil_mode, name):
    rng = np.random.default_rng(seed)
    z, s, N, C = (int(rng.integers(1, most)) for most in limits(ops, 6, 6, 4, 6))
    H, W = (int(rng.integers(z, z + more)) for more in limits(ops, 9, 9))

    def oracle(x):
        if name == "pool":
            return functional.max_pool2d(x, z, s, ceil_mode=ceil_mode)
        return functional.avg_pool2d(x, z, s, ceil_mode=ceil_mode, count_include_pad=False)

    (x,) = draw(rng, dtype, (N, C, H, W))
    compare(ops, name, oracle, [x], z=z, s=s, ceil_mode=ceil_mode)


@random_cases
def test_local_response_normalization(ops, dtype, seed):
    rng = np.random.default_rng(seed)
    groups, n, N, H, W = (int(rng.integers(1, most)) for most in limits(ops, 4, 8, 4, 7, 7))
    C = groups * int(rng.integers(1, *limits(ops, 9)))
    k, alpha, beta = rng.uniform(0.5, 3), rng.choice([1e-4, 0.5]), rng.choice([0.5, 0.75, 1.2])
    k, alpha, beta = float(k), float(alpha), float(beta)

    def oracle(x):
        halves = x.chunk(groups, dim=1)  # PyTorch has no groups, and divides alpha by n
        settings = dict(size=n, alpha=alpha * n, beta=beta, k=k)
        return torch.cat([functional.local_response_norm(q, **settings) for q in halves], dim=1)

    (x,) = draw(rng, dtype, (N, C, H, W))
    compare(ops, "lrn", oracle, [x], k=k, n=n, alpha=alpha, beta=beta, groups=groups)


@random_cases
def test_normalization_within_a_map(ops, dtype, seed):
    rng = np.random.default_rng(seed)
    n, N, C, H, W = (int(rng.integers(1, most)) for most in limits(ops, 8, 4, 6, 9, 9))
    k, alpha, beta = rng.uniform(0.5, 3), rng.choice([5e-5, 0.5]), rng.choice([0.5, 0.75, 1.2])
    k, alpha, beta = float(k), float(alpha), float(beta)

    def oracle(x):
        edges = [n // 2, (n - 1) // 2] * 2  # before and after, of a row and of a column
        means = functional.avg_pool2d(functional.pad(x * x, edges), n, stride=1)
        return x * (k + alpha * means) ** -beta

    (x,) = draw(rng, dtype, (N, C, H, W))
    compare(ops, "map_lrn", oracle, [x], k=k, n=n, alpha=alpha, beta=beta)


@pytest.mark.parametrize("name", ["relu", "tanh", "logistic"])
def test_nonlinearities(ops, dtype, name):
    oracle = {"relu": torch.relu, "tanh": torch.tanh, "logistic": torch.sigmoid}[name]
    rng = np.random.default_rng(0)
    shapes = [(3, 4, 5, 7), (11, 2), (13,)]
    for shape in shapes[-1:] if ops.__name__ == "minicnn.cuda" else shapes:
        (x,) = draw(rng, dtype, shape)
        compare(ops, name, oracle, [5 * x])


@random_cases
def test_fully_connected(ops, dtype, seed):
    rng = np.random.default_rng(seed)
    N, C, H, W, K = (int(size) for size in rng.integers(1, *limits(ops, 9), size=5))
    args = draw(rng, dtype, (N, C, H, W), (K, C * H * W), (K,))
    compare(ops, "fc", lambda x, w, b: functional.linear(x.flatten(1), w, b), args)


@random_cases
def test_softmax_and_its_loss(ops, dtype, seed):
    rng = np.random.default_rng(seed)
    N, classes = int(rng.integers(1, 20)), int(rng.integers(2, 12))
    (scores,) = draw(rng, dtype, (N, classes))
    labels = rng.integers(classes, size=N)
    loss, cache = ops.softmax_loss_forward(10 * scores, labels)
    (dscores,) = ops.softmax_loss_backward(cache)

    tensor = torch.tensor(10 * scores, dtype=torch.float64, requires_grad=True)
    loss_oracle = functional.cross_entropy(tensor, torch.tensor(labels))
    loss_oracle.backward()
    assert_same(on_host(loss), loss_oracle)
    assert_same(on_host(dscores), tensor.grad)
    assert_same(on_host(ops.softmax(10 * scores)), torch.softmax(tensor, dim=1))


@random_cases
def test_the_update_over_seven_steps_at_one_learning_rate(ops, dtype, seed):
    rng = np.random.default_rng(seed)
    epsilon, momentum, decay = (float(most * rng.random()) for most in (0.2, 0.95, 0.5))
    shape = (4, 3, 2, 5) if ops.__name__ != "minicnn.cuda" else (3, 5)
    (w,) = draw(rng, dtype, shape)
    w_oracle = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    w, v = ops.to_device(w), ops.to_device(np.zeros_like(w))
    oracle = torch.optim.SGD([w_oracle], lr=epsilon, momentum=momentum, weight_decay=decay)
    for _ in range(7):
        (dw,) = draw(rng, dtype, w.shape)
        w, v = ops.sgd_update(w, v, dw, epsilon, momentum, decay)
        w_oracle.grad = torch.tensor(dw, dtype=torch.float64)
        oracle.step()
        assert_same(on_host(w), w_oracle)
