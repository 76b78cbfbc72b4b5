"""The whole AlexNet, 61 million weights, on a CPU: python -m pytest -m slow -s.

It learns from a batch, and in two columns it computes what it computes in one.
"""

import sys
import time

import numpy as np
import pytest
from PIL import Image

import minicnn
from minicnn import data, net
from minicnn.networks import alexnet
from minicnn.training import train
from minicnn.two_columns import join_columns

pytestmark = pytest.mark.slow
resource = pytest.importorskip("resource")  # not on Windows
N = 16


def photographs():
    """N pictures of the sample, enlarged to 224×224 pixels, minus their mean."""
    pixels = data.load("sample").train_x[:N]
    large = [Image.fromarray(p.transpose(1, 2, 0)).resize((224, 224)) for p in pixels]
    x = np.array([np.asarray(image).transpose(2, 0, 1) for image in large], np.float32)
    return x - x.mean(axis=0), np.arange(N) % 10


def test_forward_backward_and_update_on_a_batch():
    ops = minicnn.fast
    rng = np.random.default_rng(0)
    layers = alexnet.alexnet(ops, rng)
    velocities = {
        layer.name: {k: np.zeros_like(w) for k, w in layer.params.items()} for layer in layers
    }
    x, labels = photographs()
    losses = []
    for step in range(6):
        began = time.perf_counter()
        loss, scores, grads = train.loss_and_gradients(layers, ops, x, labels)
        train.update(layers, ops, grads, velocities, epsilon=0.01)
        losses.append(float(loss))
        print(f"step {step + 1}: loss {loss:.3f} nats, {time.perf_counter() - began:.1f} s")
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    print(f"batch {N}: peak memory {peak:.2f} GiB")
    assert scores.shape == (N, 1000)
    assert 6 < losses[0] < 10  # log(1000) = 6.9, and first biases of 1 add some
    assert losses[-1] < losses[0]
    assert all(np.isfinite(w).all() for w in net.parameters(layers).values())


def test_two_columns_give_the_scores_and_gradients_of_one():
    ops = minicnn.fast
    x, labels = photographs()
    x, labels = x[:3], labels[:3]
    results = []
    for table in (alexnet.alexnet, alexnet.two_columns):
        layers = [row for row in table(ops, np.random.default_rng(1)) if "rng" not in row.options]
        scores, caches = net.forward(layers, x)
        _, cache = ops.softmax_loss_forward(scores, labels)
        dx, grads = net.backward(layers, caches, *ops.softmax_loss_backward(cache))
        results.append((scores, dx, {name: g for name, g in grads.items() if g}))
    (scores, dx, grads), (scores_2, dx_2, grads_2) = results
    pairs = {"scores": (scores, scores_2), "dx": (dx, dx_2)}
    for name, gradient in grads.items():
        joined = join_columns(grads_2[name])
        pairs |= {f"d{letter} of {name}": (gradient[letter], joined[letter]) for letter in "wb"}
    for name, (one, two) in pairs.items():
        error = np.abs(one - two).max() / np.abs(one).max()
        print(f"{name}: {error:.1e}")
        assert one.shape == two.shape and error < 1e-4, name
