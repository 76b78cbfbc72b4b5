"""The recipes of docs/differences.md: what makes our layers compute what other libraries compute.

The other library's rule is written out here.  Where PyTorch is installed, it must agree with its
rule.
"""

import inspect
import math

import numpy as np
import pytest

from minicnn.reference import (
    dropout_forward,
    dropout_predict_forward,
    fc_forward,
    lrn_forward,
    sgd_update,
    softmax_loss_backward,
    softmax_loss_forward,
)
from minicnn.shapes import pool_size

EPSILONS = (0.1, 0.1, 0.1, 0.01, 0.01)
MOMENTUM, DECAY = 0.9, 0.05


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="an extra oracle, never required")


def lrn_of_pytorch_and_caffe(x, n, alpha, beta, k):
    """α is divided by n."""
    y = np.empty_like(x)
    for i in range(x.shape[1]):
        window = x[:, max(0, i - n // 2) : i + (n - 1) // 2 + 1]
        y[:, i] = x[:, i] / (k + alpha / n * (window**2).sum(axis=1)) ** beta
    return y


def momentum_of_pytorch(w, gradients, rescale=False):
    """ε is outside of the buffer; with `rescale`, as in the recipe for a changed ε."""
    b, before = 0, EPSILONS[0]
    for epsilon, g in zip(EPSILONS, gradients, strict=True):
        b = b * before / epsilon if rescale else b
        b = MOMENTUM * b + g + DECAY * w
        w, before = w - epsilon * b, epsilon
    return w


def momentum_of_keras(w, gradients):
    """An L2 regularizer of λ/2 adds λw to the gradient; without it, decay is outside."""
    v = 0
    for epsilon, g in zip(EPSILONS, gradients, strict=True):
        v = MOMENTUM * v - epsilon * (g + 2 * (DECAY / 2) * w)
        w = w + v
    return w


@pytest.mark.parametrize("n", [5, 4, 1])
def test_lrn_with_alpha_over_n_is_pytorchs_and_caffes(ops, n):
    x = 3 * normal(2, 7, 4, 3)
    theirs = lrn_of_pytorch_and_caffe(x, n, 0.5, 0.6, 1.5)
    y, _ = ops.lrn_forward(x, k=1.5, n=n, alpha=0.5 / n, beta=0.6)
    np.testing.assert_allclose(y, theirs, rtol=1e-12)


@pytest.mark.parametrize("n", [5, 4, 1])
def test_that_is_pytorchs_rule_of_lrn(torch, n):
    x = 3 * normal(2, 7, 4, 3)
    theirs = lrn_of_pytorch_and_caffe(x, n, 0.5, 0.6, 1.5)
    layer = torch.nn.LocalResponseNorm(n, 0.5, 0.6, 1.5)
    np.testing.assert_allclose(layer(torch.tensor(x)), theirs, rtol=1e-12)


def test_lrn_of_a_depth_radius_is_tensorflows(ops):
    x, radius = normal(2, 9, 4, 3), 2
    y, _ = ops.lrn_forward(x, k=1, n=2 * radius + 1, alpha=1, beta=0.5)
    for d in range(9):
        squares = (x[:, max(0, d - radius) : d + radius + 1] ** 2).sum(axis=1)
        np.testing.assert_allclose(y[:, d], x[:, d] / np.sqrt(1 + squares), rtol=1e-12)


def test_ceil_mode_gives_the_sizes_of_caffes_pooling():
    for z in range(1, 6):
        for s in range(1, z + 1):
            for H in range(z, 20):
                assert pool_size(H, z, s, ceil_mode=True) == math.ceil((H - z) / s) + 1


def test_infinite_padding_is_pytorchs_padding_of_max_pooling(ops, torch):
    x = normal(2, 3, 7, 6)
    ends = ((0, 0), (0, 0), (1, 1), (1, 1))
    y, _ = ops.pool_forward(np.pad(x, ends, constant_values=-np.inf), z=3, s=2)
    theirs = torch.nn.functional.max_pool2d(torch.tensor(x), 3, 2, padding=1)
    np.testing.assert_array_equal(y, theirs)


def test_ties_and_nans_are_pytorchs(ops):
    (dx,) = ops.pool_backward(
        np.full((1, 1, 1, 1), 2.0), ops.pool_forward(np.ones((1, 1, 3, 3)))[1]
    )
    assert dx[0, 0, 0, 0] == 2 == dx.sum()
    bad = np.where(np.eye(3) == 1, np.nan, 1.0)[None, None]
    assert np.isnan(ops.pool_forward(bad)[0]) and np.isnan(ops.relu_forward(bad)[0][0, 0, 1, 1])


def test_that_is_pytorchs_rule_of_ties_and_nan(torch):
    bad = np.where(np.eye(3) == 1, np.nan, 1.0)[None, None]
    x = torch.ones(1, 1, 3, 3, requires_grad=True)
    torch.nn.functional.max_pool2d(x, 3).backward()
    assert x.grad[0, 0, 0, 0] == 1 == x.grad.sum()
    assert torch.isnan(torch.nn.functional.max_pool2d(torch.tensor(bad), 3))
    assert torch.isnan(torch.relu(torch.tensor(bad))[0, 0, 1, 1])


def test_weights_divided_by_1_minus_p_make_pytorchs_sums_of_dropout():
    x, w, b, p = normal(4, 6), normal(3, 6), normal(3), 0.3
    dropped, _ = dropout_forward(x, p, rng=np.random.default_rng(1))
    scaled = dropped / (1 - p)  # PyTorch's training, with the same units dropped
    ours, _ = fc_forward(dropped, w / (1 - p), b)
    np.testing.assert_allclose(ours, scaled @ w.T + b, rtol=1e-12)
    ours, _ = fc_forward(dropout_predict_forward(x, p)[0], w / (1 - p), b)
    np.testing.assert_allclose(ours, x @ w.T + b, rtol=1e-12)


def test_that_is_pytorchs_scale_of_dropout(torch):
    theirs = torch.nn.Dropout(0.3)(torch.ones(1000)).unique()
    np.testing.assert_allclose(theirs, [0, 1 / 0.7], rtol=1e-6)


def test_momentum_is_kerass_and_pytorchs_with_a_buffer_that_is_rescaled():
    w, gradients = normal(5, 3), normal(len(EPSILONS), 5, 3)
    ours, v = w, np.zeros_like(w)
    for epsilon, g in zip(EPSILONS, gradients, strict=True):
        ours, v = sgd_update(ours, v, g, epsilon, MOMENTUM, DECAY)
    np.testing.assert_allclose(ours, momentum_of_keras(w, gradients), rtol=1e-12)
    np.testing.assert_allclose(ours, momentum_of_pytorch(w, gradients, rescale=True), rtol=1e-12)
    assert not np.allclose(ours, momentum_of_pytorch(w, gradients), rtol=1e-3)


def test_that_is_pytorchs_rule_of_momentum(torch):
    w, gradients = normal(5, 3), normal(len(EPSILONS), 5, 3)
    theirs = torch.tensor(w, requires_grad=True)
    optimizer = torch.optim.SGD([theirs], EPSILONS[0], MOMENTUM, weight_decay=DECAY)
    for epsilon, g in zip(EPSILONS, gradients, strict=True):
        optimizer.param_groups[0]["lr"] = epsilon
        theirs.grad = torch.tensor(g)
        optimizer.step()
    np.testing.assert_allclose(theirs.detach(), momentum_of_pytorch(w, gradients), rtol=1e-12)


def test_lrn_of_two_columns_is_pytorchs_lrn_of_each_half(torch):
    x, lrn = 3 * normal(2, 8, 4, 3), torch.nn.LocalResponseNorm(5, 5 * 0.5, 0.75, 2)
    theirs = torch.cat([lrn(half) for half in torch.tensor(x).chunk(2, 1)], 1)
    np.testing.assert_allclose(lrn_forward(x, alpha=0.5, groups=2)[0], theirs, rtol=1e-12)


@pytest.mark.parametrize("kind", ["Linear", "Conv2d"])
def test_pytorchs_initial_weights_are_uniform_within_one_over_the_root_of_a_units_inputs(
    torch, kind
):
    layer = torch.nn.Linear(75, 4000) if kind == "Linear" else torch.nn.Conv2d(3, 4000, 5)
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    bound = (w.size / len(w)) ** -0.5
    for values in (w, b):
        assert 0.99 * bound < values.max() <= bound and -bound <= values.min() < -0.99 * bound
        assert values.std() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_the_loss_is_pytorchs_mean_in_nats_and_a_sum_needs_epsilon_and_decay_scaled(torch):
    scores, labels, N = 5 * normal(4, 3), np.array([0, 2, 1, 1]), 4
    loss, cache = softmax_loss_forward(scores, labels)
    theirs = torch.tensor(scores, requires_grad=True)
    total = torch.nn.functional.cross_entropy(theirs, torch.tensor(labels), reduction="sum")
    total.backward()
    mean = torch.nn.functional.cross_entropy(theirs, torch.tensor(labels)).item()
    assert loss == pytest.approx(mean, rel=1e-12) and total.item() == pytest.approx(4 * mean)
    (dscores,) = softmax_loss_backward(cache)
    ours = sgd_update(scores, np.zeros((4, 3)), dscores, 0.1, MOMENTUM, DECAY)
    summed = sgd_update(scores, np.zeros((4, 3)), theirs.grad.numpy(), 0.1 / N, MOMENTUM, DECAY * N)
    np.testing.assert_allclose(ours, summed, rtol=1e-12)


def test_that_are_pytorchs_defaults_of_lrn(torch):
    parameters = inspect.signature(torch.nn.LocalResponseNorm).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    none = inspect.Parameter.empty
    assert defaults == {"size": none, "alpha": 1e-4, "beta": 0.75, "k": 1.0}


def test_that_is_pytorchs_slope_of_relu_at_0(torch):
    x = torch.zeros(3, requires_grad=True)
    torch.relu(x).sum().backward()
    assert not x.grad.any()


def test_that_is_what_pytorch_divides_a_clipped_average_by(ops, torch):
    x, average = normal(2, 3, 8, 7), torch.nn.functional.avg_pool2d
    ours, _ = ops.average_pool_forward(x, z=3, s=2, ceil_mode=True)
    np.testing.assert_allclose(average(torch.tensor(x), 3, 2, ceil_mode=True), ours, rtol=1e-12)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    ours, _ = ops.average_pool_forward(padded, z=3, s=2)
    np.testing.assert_allclose(average(torch.tensor(x), 3, 2, padding=1), ours, rtol=1e-12)
