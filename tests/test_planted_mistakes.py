"""Mistakes that have been made before, planted on purpose: what catches them, and what does not.

A gradient check catches a backward that does not belong to its forward, where the case is awkward
enough to show it.  It is blind to a mistake made in both directions alike; a comparison with other
numbers is not.  What the checker says about a learner's own layers is in test_gradcheck.py.
"""

import importlib

import numpy as np
import pytest

from minicnn.gradcheck import check_layer


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def relative_difference(a, b):
    return np.max(np.abs(a - b)) / np.max(np.abs(b))


# Caught by a gradient check, where the case is awkward enough.


def test_a_convolution_that_forgets_its_bias_gradient_is_caught(ops):
    def backward(dy, cache):
        dx, dw, db = ops.conv_backward(dy, cache)
        return dx, dw, np.zeros_like(db)

    args = normal(2, 3, 7, 5), normal(4, 3, 2, 2, seed=1), normal(4, seed=2)
    report = check_layer(ops.conv_forward, backward, *args, max_entries=20)
    assert [row.verdict for row in report.rows] == ["ok", "ok", "FAIL"]


def test_a_bias_gradient_of_the_last_image_alone_is_invisible_with_one_image(ops):
    def backward(dy, cache):
        dx, dw, db = ops.conv_backward(dy, cache)
        return dx, dw, dy[-1].sum(axis=(1, 2))

    w, b = normal(4, 3, 2, 2, seed=1), normal(4, seed=2)
    one = check_layer(ops.conv_forward, backward, normal(1, 3, 7, 5), w, b, max_entries=20)
    two = check_layer(ops.conv_forward, backward, normal(2, 3, 7, 5), w, b, max_entries=20)
    assert one.ok and not two.ok


def test_so_it_is_in_a_locally_connected_layer(ops):
    def backward(dy, cache):
        dx, dw, db = ops.local_backward(dy, cache)
        return dx, dw, dy[-1].transpose(1, 2, 0)

    w, b = normal(6, 4, 5, 3, 2, 2, seed=1), normal(6, 4, 5, seed=2)
    one = check_layer(ops.local_forward, backward, normal(1, 3, 7, 5), w, b, max_entries=20)
    two = check_layer(ops.local_forward, backward, normal(2, 3, 7, 5), w, b, max_entries=20)
    assert one.ok and not two.ok


def pool_backward_with_equals_for_plus_equals(ops, name):
    """Return a backward that writes where it should add: the last window of a pixel counts."""

    def backward(dy, cache):
        backward = getattr(ops, f"{name}_backward")
        dx = backward(np.zeros_like(dy), cache)[0]
        for place in np.ndindex(dy.shape):
            dy_here = np.zeros_like(dy)
            dy_here[place] = dy[place]
            (dx_here,) = backward(dy_here, cache)
            dx = np.where(dx_here != 0, dx_here, dx)
        return (dx,)

    return backward


@pytest.mark.parametrize("name", ["pool", "average_pool"])
def test_equals_for_plus_equals_is_invisible_until_windows_overlap(ops, name):
    forward, x = getattr(ops, f"{name}_forward"), normal(2, 3, 7, 5)
    backward = pool_backward_with_equals_for_plus_equals(ops, name)
    assert check_layer(forward, backward, x, z=2, s=2).ok
    assert check_layer(forward, backward, x, z=3, s=2).worst > 0.1


def test_equals_for_plus_equals_in_a_locally_connected_layer_is_invisible_until_windows_overlap(
    monkeypatch,
):
    local = importlib.import_module("minicnn.reference.local")
    right = local.window_of

    class Overwritten(np.ndarray):
        def __iadd__(self, other):
            self[...] = other
            return self

    def window_of(x_padded, *window):
        return right(x_padded, *window).view(Overwritten)

    monkeypatch.setattr(local, "window_of", window_of)
    x, b = normal(2, 3, 8, 6), normal(4, seed=2)
    for stride, verdict in ((2, "ok"), (1, "FAIL")):
        w = normal((8 - 2) // stride + 1, (6 - 2) // stride + 1, 4, 3, 2, 2, seed=1)
        report = check_layer(
            local.local_forward, local.local_backward, x, w, b, stride=stride, max_entries=20
        )
        assert [row.verdict for row in report.rows] == [verdict, "ok", "ok"]


def test_equals_for_plus_equals_in_col2im_is_invisible_until_windows_overlap(monkeypatch):
    def col2im(dcols, shape, f, stride, pad, H_out, W_out):
        C, H, W = shape
        places = dcols.reshape(C, f, f, H_out, W_out)
        dx = np.zeros((C, H + f + stride, W + f + stride))
        for i, j in np.ndindex(f, f):
            rows, columns = (slice(q, q + stride * n, stride) for q, n in ((i, H_out), (j, W_out)))
            dx[:, rows, columns] = places[:, i, j]
        return dx[:, pad : pad + H, pad : pad + W]

    conv = importlib.import_module("minicnn.reference.conv")
    monkeypatch.setattr(conv, "col2im", col2im)
    args = normal(2, 3, 8, 6), normal(4, 3, 2, 2, seed=1), normal(4, seed=2)
    apart = check_layer(conv.conv_forward, conv.conv_backward, *args, stride=2, max_entries=20)
    overlapping = check_layer(conv.conv_forward, conv.conv_backward, *args, max_entries=20)
    assert apart.ok
    assert [row.verdict for row in overlapping.rows] == ["FAIL", "ok", "ok"]


def test_an_average_that_always_divides_by_z_z_is_invisible_until_a_window_is_clipped(ops):
    z, s = 3, 2

    def backward(dy, cache):
        H_out, W_out = dy.shape[2:]
        dx = np.zeros((2, 3, 8, 6))
        for i, j in np.ndindex(H_out, W_out):
            dx[:, :, s * i : s * i + z, s * j : s * j + z] += dy[:, :, i : i + 1, j : j + 1] / z**2
        return (dx,)

    forward, x = ops.average_pool_forward, normal(2, 3, 8, 6)
    assert check_layer(forward, backward, x).ok
    assert not check_layer(forward, backward, x, ceil_mode=True).ok


def test_normalization_without_its_cross_channel_term_hides_behind_the_papers_alpha(ops):
    x, dy = normal(2, 7, 5, 3), normal(2, 7, 5, 3, seed=1)
    for alpha, least, most in [(1e-4, 1e-5, 1e-3), (0.5, 0.1, 1)]:
        y, cache = ops.lrn_forward(x, alpha=alpha)
        (right,) = ops.lrn_backward(dy, cache)
        only_its_own = dy * y / x
        assert least < relative_difference(only_its_own, right) < most
    # At 1e-4 a comparison to 1e-3 lets it pass; that is why all tests use 0.5, too.


def test_a_window_that_is_not_mirrored_in_backward_is_invisible_until_n_is_even(ops):
    def backward_for(n):
        def sums(q):  # over the forward window, in both directions
            windows = [slice(max(0, i - n // 2), i + (n - 1) // 2 + 1) for i in range(7)]
            return np.stack([q[:, window].sum(axis=1) for window in windows], axis=1)

        def backward(dy, cache):
            scale = 2 + 0.5 * sums(x**2)
            y = x * scale**-0.75
            return (dy * scale**-0.75 - 2 * 0.5 * 0.75 * x * sums(dy * y / scale),)

        return backward

    x = normal(2, 7, 3, 2)
    assert check_layer(ops.lrn_forward, backward_for(5), x, n=5, alpha=0.5).ok
    assert not check_layer(ops.lrn_forward, backward_for(4), x, n=4, alpha=0.5).ok


def test_a_window_of_a_map_that_is_not_mirrored_is_invisible_until_n_is_even(ops):
    map_lrn = importlib.import_module("minicnn.reference.map_lrn")

    def backward_for(n):
        def backward(dy, cache):
            x, scale = cache

            def sums(q):
                return map_lrn.sum_over_window(q, n // 2, (n - 1) // 2)

            y = x * scale**-0.75
            return (dy * y / x - 2 * 0.5 / n**2 * 0.75 * x * sums(dy * y / scale),)

        def forward(x):
            y, _ = ops.map_lrn_forward(x, n=n, alpha=0.5)
            return y, (x, (y / x) ** (-4 / 3))

        return forward, backward

    x = normal(2, 3, 7, 5)
    assert check_layer(*backward_for(5), x).ok
    assert not check_layer(*backward_for(4), x).ok


def test_dropout_that_draws_a_new_mask_in_backward_is_caught(ops):
    def backward(dy, cache):
        _, other = ops.dropout_forward(np.zeros_like(dy), rng=np.random.default_rng(8))
        return ops.dropout_backward(dy, other)

    rng = np.random.default_rng(7)
    assert not check_layer(ops.dropout_forward, backward, normal(2, 3, 7, 5), rng=rng).ok


# Not caught by a gradient check: wrong in both directions alike.


def test_an_alpha_divided_by_n_has_right_gradients_and_wrong_numbers(ops):
    def forward(x):
        return ops.lrn_forward(x, n=5, alpha=0.5 / 5)

    x = normal(2, 7, 5, 3)
    assert check_layer(forward, ops.lrn_backward, x).ok
    assert relative_difference(forward(x)[0], ops.lrn_forward(x, n=5, alpha=0.5)[0]) > 0.1


def test_an_alpha_not_divided_by_n_squared_has_right_gradients_and_wrong_numbers(ops):
    def forward(x):
        return ops.map_lrn_forward(x, n=3, alpha=0.5 * 9)

    x = normal(2, 7, 5, 3)
    assert check_layer(forward, ops.map_lrn_backward, x).ok
    assert relative_difference(forward(x)[0], ops.map_lrn_forward(x, n=3, alpha=0.5)[0]) > 0.1


def test_a_locally_connected_layer_that_shares_its_kernels_is_a_convolution(ops):
    """Its gradients are right, for kernels that all places share, and its numbers are not."""
    x, w, b = normal(2, 3, 7, 5), normal(6, 4, 5, 3, 2, 2, seed=1), normal(5, seed=2)

    def sharing(x, w, b):
        return ops.local_forward(x, np.broadcast_to(w[0, 0], w.shape), b)

    def sharing_backward(dy, cache):
        dx, dw, db = ops.local_backward(dy, cache)
        first = np.zeros_like(dw)
        first[0, 0] = dw.sum(axis=(0, 1))
        return dx, first, db

    assert check_layer(sharing, sharing_backward, x, w, b, max_entries=20).ok
    y, cache = sharing(x, w, b)
    assert relative_difference(y, ops.local_forward(x, w, b)[0]) > 0.1
    y_conv, cache_conv = ops.conv_forward(x, w[0, 0], b)
    assert relative_difference(y, y_conv) < 1e-12
    dy = normal(*y.shape, seed=3)
    dx, dw, db = ops.local_backward(dy, cache)
    for gradient, expected in zip(
        (dx, dw.sum(axis=(0, 1)), db), ops.conv_backward(dy, cache_conv), strict=True
    ):
        assert relative_difference(gradient, expected) < 1e-12


def test_a_turned_kernel_has_right_gradients_and_wrong_numbers(ops):
    def forward(x, w, b):
        return ops.conv_forward(x, w[:, :, ::-1, ::-1], b)

    def backward(dy, cache):
        dx, dw, db = ops.conv_backward(dy, cache)
        return dx, dw[:, :, ::-1, ::-1], db

    args = normal(2, 3, 7, 5), normal(4, 3, 2, 2, seed=1), normal(4, seed=2)
    assert check_layer(forward, backward, *args, max_entries=20).ok
    assert relative_difference(forward(*args)[0], ops.conv_forward(*args)[0]) > 0.1


# The update rule has no gradient: only its numbers show a mistake.


def three_steps(update, epsilons):
    """Return w after three steps; every step its own ε."""
    w, v = normal(5, 3), np.zeros((5, 3))
    for step, epsilon in enumerate(epsilons):
        w, v = update(w, v, normal(5, 3, seed=1 + step), epsilon)
    return w


def test_a_decay_outside_epsilon_is_invisible_at_epsilon_one(ops):
    def wrong(w, v, dw, epsilon, momentum=0.9, decay=0.0005):
        v = momentum * v - decay * w - epsilon * dw
        return w + v, v

    ones, usual = [1, 1, 1], [0.01, 0.01, 0.01]
    right = ops.sgd_update
    assert relative_difference(three_steps(wrong, ones), three_steps(right, ones)) < 1e-14
    assert relative_difference(three_steps(wrong, usual), three_steps(right, usual)) > 1e-3


def test_an_epsilon_outside_v_is_invisible_until_epsilon_changes(ops):
    def wrong(w, v, dw, epsilon, momentum=0.9, decay=0.0005):
        v = momentum * v - decay * w - dw
        return w + epsilon * v, v

    constant, falling = [0.1, 0.1, 0.1], [0.1, 0.1, 0.01]
    right = ops.sgd_update
    assert relative_difference(three_steps(wrong, constant), three_steps(right, constant)) < 1e-14
    assert relative_difference(three_steps(wrong, falling), three_steps(right, falling)) > 0.01
