"""The gradient checker: it passes what is right, catches what is wrong, and says which is which."""

import argparse
import functools
import subprocess
import sys

import numpy as np
import pytest
from arrays import awkward

from minicnn import fast, net, reference
from minicnn.commands import gradcheck
from minicnn.gradcheck import check_layer, check_network, planted
from minicnn.verify import gradcheck_suite

N, C, K, H, W = 2, 3, 4, 7, 5


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def layouts(x):
    """Yield (name, array): x itself as it may come from elsewhere, with equal numbers."""
    backwards = (slice(None, None, -1),) * x.ndim
    yield "C", x.copy(order="C")
    yield "Fortran", x.copy(order="F")
    yield "transposed", x.T.copy(order="C").T
    if x.ndim == 4:
        yield "channels last", x.transpose(0, 2, 3, 1).copy(order="C").transpose(0, 3, 1, 2)
    yield "backwards", x[backwards].copy(order="C")[backwards]
    wide = np.full((*x.shape, 2), np.nan)
    wide[..., 1] = x
    yield "every second", wide[..., 1]
    bytes_of = np.zeros(x.nbytes + 1, np.uint8)
    crooked = bytes_of[1:].view(x.dtype).reshape(x.shape)
    crooked[...] = x
    yield "misaligned", crooked
    locked = x.copy()
    locked.flags.writeable = False
    yield "read-only", locked
    yield "big-endian", x.astype(">f8")
    strides = [8 * 7 if size == 1 else step for size, step in zip(x.shape, x.strides, strict=True)]
    yield "odd strides where the size is 1", np.lib.stride_tricks.as_strided(x, x.shape, strides)
    if (x == x[:1]).all():
        yield "broadcast", np.broadcast_to(x[:1], x.shape)


LAYOUTS = [name for name, _ in layouts(np.ones((2, 1, 3, 4)))]
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def laid_out(layout, x):
    """Return x in one of the layouts; as it is, if it cannot have that one."""
    return dict(layouts(x)).get(layout, x)


# What a learner might write: right, unless the name says otherwise.


def line_forward(x, w, b):
    return x @ w.T + b, (x, w)


def line_backward(dy, cache):
    x, w = cache
    return dy @ w, dy.T @ x, dy.sum(axis=0)


def relu_forward(x):
    return np.maximum(x, 0), (x,)


def relu_backward(dy, cache):
    (x,) = cache
    return (dy * (x > 0),)


def pool_forward(x, z=3, s=2):
    H_out, W_out = 1 + (x.shape[2] - z) // s, 1 + (x.shape[3] - z) // s
    places = [
        x[:, :, i : i + s * H_out : s, j : j + s * W_out : s][:, :, :H_out, :W_out]
        for i in range(z)
        for j in range(z)
    ]
    return np.max(places, axis=0), (x.shape, np.argmax(places, axis=0), z, s)


def pool_backward(dy, cache, add=True):
    shape, winner, z, s = cache
    dx = np.zeros(shape)
    for n, c, i, j in np.ndindex(winner.shape):
        place = n, c, s * i + winner[n, c, i, j] // z, s * j + winner[n, c, i, j] % z
        dx[place] = dy[n, c, i, j] + (dx[place] if add else 0)
    return (dx,)


def pool_backward_with_equals_for_plus_equals(dy, cache):
    return pool_backward(dy, cache, add=False)


def lrn_backward_without_the_cross_term(dy, cache):
    x, y, scale, n, alpha, beta, groups = cache
    return (dy * scale**-beta,)


def line_report(backward, forward=line_forward, **settings):
    return check_layer(
        forward, backward, normal(3, 5), normal(4, 5, seed=1), normal(4, seed=2), **settings
    )


# What is right passes.


def test_a_right_layer_passes_with_room_to_spare():
    report = line_report(line_backward)
    assert report.ok
    assert report.worst < 1e-9
    assert [row.name for row in report.rows] == ["x", "w", "b"]


def test_overlapping_pooling_passes():
    assert check_layer(pool_forward, pool_backward, normal(N, C, H, W)).worst < 1e-9


def test_a_lost_factor_of_a_millionth_and_a_half_is_still_seen():
    def backward(dy, cache):
        dx, dw, db = line_backward(dy, cache)
        return dx, dw * (1 + 1.5e-6), db

    report = line_report(backward)
    assert not report.ok
    assert report.worst == pytest.approx(1.5e-6, rel=1e-3)
    assert "1 times" not in str(report)


def test_a_loss_is_checked_without_dy_and_labels_are_skipped():
    labels = np.array([4, 0, 2])
    report = check_layer(
        reference.softmax_loss_forward, reference.softmax_loss_backward, normal(3, 5), labels
    )
    assert report.ok
    assert [row.name for row in report.rows] == ["scores"]


def test_a_loss_that_forgets_to_divide_by_the_images_is_caught():
    def backward(cache):
        (dscores,) = reference.softmax_loss_backward(cache)
        return (3 * dscores,)

    labels = np.array([4, 0, 2])
    report = check_layer(reference.softmax_loss_forward, backward, normal(3, 5), labels)
    assert not report.ok
    assert "3 times the numeric one everywhere" in str(report)


def test_float32_arguments_are_checked_in_float64_and_stay_as_they_are():
    x, w, b = (normal(*shape).astype(np.float32) for shape in [(3, 5), (4, 5), (4,)])
    before = x.copy(), w.copy(), b.copy()
    assert check_layer(line_forward, line_backward, x, w, b).worst < 1e-9
    for array, kept in zip((x, w, b), before, strict=True):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, kept)


def test_a_dropout_mask_is_the_same_in_every_run_and_the_generator_is_not_used_up():
    rng = np.random.default_rng(5)
    x = normal(4, 6)
    report = check_layer(reference.dropout_forward, reference.dropout_backward, x, p=0.3, rng=rng)
    assert report.ok
    assert rng.random() == np.random.default_rng(5).random()


def test_large_images_and_small_weights_are_judged_on_their_own_scale():
    x, w, b = 1e6 * normal(3, 5), 1e-4 * normal(4, 5), np.zeros(4)
    assert check_layer(line_forward, line_backward, x, w, b).worst < 1e-7


def test_a_gradient_of_almost_zero_beside_large_ones_is_no_false_alarm():
    x = np.array([[1.0, 1e-9, 3.0], [2e-7, -1.0, 0.5]])

    def forward(x):
        return x**3, (x,)

    assert check_layer(forward, lambda dy, cache: (3 * cache[0] ** 2 * dy,), x).worst < 1e-7


def test_of_a_big_argument_a_sample_is_checked_and_the_report_says_so():
    report = check_layer(relu_forward, relu_backward, normal(30, 40), max_entries=70)
    assert report.rows[0].checked == 70
    assert "70 of 1200" in str(report)


# The order of arguments in memory makes no difference.


@every_layout
def test_in_every_order_of_memory_what_is_right_passes_and_what_is_wrong_fails(layout):
    args = [laid_out(layout, normal(*shape)) for shape in [(3, 5), (4, 5), (4,)]]
    assert check_layer(line_forward, line_backward, *args).worst < 1e-9

    def zeros(dy, cache):
        return tuple(np.zeros_like(grad) for grad in line_backward(dy, cache))

    assert {row.verdict for row in check_layer(line_forward, zeros, *args).rows} == {"FAIL"}
    for forgotten in range(3):

        def backward(dy, cache, forgotten=forgotten):
            grads = list(line_backward(dy, cache))
            grads[forgotten] = np.zeros_like(grads[forgotten])
            return tuple(grads)

        verdicts = [row.verdict for row in check_layer(line_forward, backward, *args).rows]
        assert verdicts.pop(forgotten) == "FAIL" and verdicts == ["ok", "ok"]


@every_layout
@pytest.mark.parametrize("ops", [reference, fast])
def test_so_it_is_for_every_layer_of_the_library(layout, ops):
    for name, ((shapes, options), *_) in gradcheck_suite.SUITE.items():
        args = [laid_out(layout, normal(*shape, seed=k)) for k, shape in enumerate(shapes)]
        labels = [np.array([4, 0, 2, 6])] * (name == "softmax_loss")
        if name == "dropout":
            options = {"rng": np.random.default_rng(0)}
        forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")

        def zeros(*dy_and_cache, backward=backward):
            return tuple(np.zeros_like(grad) for grad in backward(*dy_and_cache))

        def zeros_of_a_loss(cache, zeros=zeros):
            return zeros(cache)

        wrong = zeros_of_a_loss if labels else lambda dy, cache, zeros=zeros: zeros(dy, cache)
        settings = {"max_entries": 5, **options}
        assert check_layer(forward, backward, *args, *labels, **settings).ok, name
        report = check_layer(forward, wrong, *args, *labels, **settings)
        assert "ok" not in [row.verdict for row in report.rows], name


def test_an_argument_that_is_broadcast_or_has_an_axis_of_size_1_is_judged_like_its_copy():
    x = np.broadcast_to(normal(1, 5), (3, 5))
    assert line_report(line_backward).ok
    for args in [(x, normal(4, 5), normal(4)), (normal(3, 5)[:, ::-1], x, x[:, 0])]:
        assert check_layer(line_forward, line_backward, *args).worst < 1e-9
    for column in (normal(2, 3, 7)[..., None], normal(2, 3, 7, 1)[..., ::-1]):
        assert check_layer(relu_forward, relu_backward, column).worst < 1e-9
        report = check_layer(relu_forward, lambda dy, cache: (0 * dy,), column)
        assert report.rows[0].verdict == "FAIL"


@every_layout
def test_the_gradients_may_lie_in_any_order_too(layout):
    def backward(dy, cache):
        return tuple(laid_out(layout, grad) for grad in line_backward(dy, cache))

    if layout == "big-endian":
        with pytest.raises(TypeError, match="dx is >f8; expected float64"):
            line_report(backward)
    else:
        assert line_report(backward).worst < 1e-9


def test_a_gradient_in_memory_that_forward_uses_again_is_read_in_time():
    desk = np.zeros((3, 4))

    def forward(x):
        np.multiply(x, x, out=desk)
        return desk, x

    def backward(dy, x):
        np.multiply(2 * x, dy, out=desk)
        return (desk,)

    assert check_layer(forward, backward, normal(3, 4)).ok


# What is wrong is caught.


def test_equals_for_plus_equals_in_pooling_is_caught_where_windows_overlap():
    x = normal(N, C, H, W)
    report = check_layer(pool_forward, pool_backward_with_equals_for_plus_equals, x, z=3, s=2)
    assert not report.ok
    assert report.worst > 0.1
    assert report.rows[0].verdict == "FAIL"


def test_equals_for_plus_equals_in_pooling_is_invisible_where_windows_do_not_overlap():
    x = normal(N, C, H, W)
    assert check_layer(pool_forward, pool_backward_with_equals_for_plus_equals, x, z=2, s=2).ok


def test_lrn_without_its_cross_channel_term_is_caught():
    x = normal(N, 6, 4, 5)
    forward, backward = reference.lrn_forward, lrn_backward_without_the_cross_term
    loud = check_layer(forward, backward, x, alpha=0.5)
    quiet = check_layer(forward, backward, x)  # alpha=1e-4: a coarser check would not see it
    assert not loud.ok
    assert loud.worst > 0.1
    assert 1e-6 < quiet.worst < 0.01


def test_a_forgotten_bias_gradient_is_caught_and_named():
    def backward(dy, cache):
        dx, dw, db = line_backward(dy, cache)
        return dx, dw, np.zeros_like(db)

    report = line_report(backward)
    assert [row.verdict for row in report.rows] == ["ok", "ok", "FAIL"]
    assert report.worst == 1
    assert "b: 4 of 4 entries are wrong: the analytic gradient is zero everywhere" in str(report)


def test_a_wrong_sign_is_caught_and_named():
    report = line_report(lambda dy, cache: tuple(-grad for grad in line_backward(dy, cache)))
    assert not report.ok
    assert str(report).count("the sign is flipped everywhere") == 3


def test_a_factor_of_two_is_caught_and_named():
    report = line_report(lambda dy, cache: tuple(2 * grad for grad in line_backward(dy, cache)))
    assert not report.ok
    assert report.worst == pytest.approx(0.5)
    assert "2 times the numeric one everywhere" in str(report)


def test_a_transposed_weights_gradient_is_caught_even_where_the_shape_is_right():
    def backward(dy, cache):
        dx, dw, db = line_backward(dy, cache)
        return dx, dw.T.copy(), db

    # x comes from seed 0: were dy drawn so too, dw = dy.T @ x would be symmetric and hide it
    report = check_layer(line_forward, backward, normal(3, 5), normal(5, 5), normal(5))
    assert [row.verdict for row in report.rows] == ["ok", "FAIL", "ok"]
    with pytest.raises(ValueError, match=r"dw has shape \(5, 4\) \(is it transposed\?\); expected"):
        line_report(backward)


def test_one_wrong_entry_is_found_and_its_place_and_values_are_told():
    def backward(dy, cache):
        dx, dw, db = line_backward(dy, cache)
        dw[2, 3] += 0.25
        return dx, dw, db

    row = line_report(backward).rows[1]
    assert row.verdict == "FAIL"
    assert row.index == (2, 3)
    assert row.analytic - row.numeric == pytest.approx(0.25)
    assert "1 of 20 entries are wrong" in row.notes[0]


def test_nan_in_a_gradient_is_caught():
    def backward(dy, cache):
        dx, dw, db = line_backward(dy, cache)
        dw[1, 2] = np.nan
        return dx, dw, db

    report = line_report(backward)
    assert not report.ok
    assert report.worst == np.inf
    assert report.rows[1].index == (1, 2)
    assert "NaN" in str(report)


# Kinks are reported, and excuse nothing else.


def test_relu_at_exactly_zero_is_warned_about_and_does_not_fail():
    x = normal(4, 6)
    x[1, 2] = 0
    report = check_layer(relu_forward, relu_backward, x)
    assert report.ok
    assert report.rows[0].kinks == 1
    assert "WARNING: 1 of 24 entries are at a kink" in str(report)
    assert "the first at (1, 2)" in str(report)


def test_near_kinks_are_stepped_around_or_reported():
    x = normal(4, 60)
    x[1] = 10.0 ** -np.arange(3, 9, 0.1)  # from well beside the kink to almost on it
    report = check_layer(relu_forward, relu_backward, x, max_entries=240)
    assert report.ok
    assert 10 <= report.rows[0].kinks <= 20  # only those nearer than the shortest step


def test_a_tie_in_a_maximum_is_warned_about_and_does_not_fail():
    x = normal(N, C, H, W)
    x[1, 2, 3, 2] = x[1, 2, 3, 3] = 9
    report = check_layer(pool_forward, pool_backward, x, max_entries=300)
    assert report.ok
    assert report.rows[0].kinks == 2
    assert "the first at (1, 2, 3, 2)" in str(report)


def test_a_kink_does_not_hide_a_mistake_elsewhere():
    x = normal(4, 6)
    x[1, 2] = 0
    report = check_layer(relu_forward, lambda dy, cache: (dy * (cache[0] < 0),), x)
    assert report.rows[0].kinks == 1
    assert report.rows[0].verdict == "FAIL"


def test_a_mistake_in_pooling_is_caught_among_ties():
    x = normal(N, C, H, W)
    x[0, 0] = 1  # one channel of nothing but ties
    report = check_layer(
        pool_forward, pool_backward_with_equals_for_plus_equals, x, max_entries=300
    )
    assert report.rows[0].kinks > 10
    assert report.rows[0].verdict == "FAIL"


def test_nothing_but_kinks_does_not_pass():
    report = check_layer(relu_forward, relu_backward, np.zeros((3, 4)))
    assert not report.ok
    assert report.worst == np.inf
    assert "NOT JUDGED" in str(report)


def test_ties_in_all_windows_do_not_pass_although_most_entries_are_smooth():
    x = np.zeros((1, 1, 8, 6))
    x[:, :, ::2] = 1  # both upper pixels of every window tie; the lower ones never count
    report = check_layer(pool_forward, pool_backward, x, z=2, s=2)
    assert report.rows[0].kinks == 24
    assert report.rows[0].verdict == "NOT JUDGED"


def test_a_step_in_forward_does_not_excuse_the_other_entries():
    def forward(x):
        return x + 5 * (x > 0), (x,)  # the step at 0 looks like an enormous slope

    x = normal(4, 6)
    x[1, 2] = 0
    assert check_layer(forward, lambda dy, cache: (dy,), x).ok
    assert check_layer(forward, lambda dy, cache: (1.001 * dy,), x).rows[0].verdict == "FAIL"


def test_gradients_that_drown_in_round_off_do_not_pass():
    def forward(x):
        return x + 1e12, ()

    report = check_layer(forward, lambda dy, cache: (1.001 * dy,), normal(3, 4))
    assert not report.ok
    assert "round-off" in str(report)


def without_sum(factor):
    """Return forward and backward of a layer that subtracts from b all of b: y never moves.

    backward should be 0 and is `factor`, as a sum in another order may be by round-off.
    """

    def forward(x, b):
        return x + 0 * b.sum(), (b.shape,)

    def backward(dy, cache):
        return dy, np.full(cache[0], factor)

    return forward, backward


def test_round_off_in_a_gradient_of_exactly_zero_is_no_false_alarm():
    report = check_layer(*without_sum(5e-15), normal(3, 4), normal(5))
    assert report.ok and report.rows[1].numeric == 0 and report.rows[1].analytic == 5e-15
    assert "b: WARNING: all gradients are zero here" in str(report)


@pytest.mark.parametrize("factor", [1e-10, -1e-9, 1e-6])
def test_a_small_gradient_where_there_is_none_is_wrong(factor):
    report = check_layer(*without_sum(factor), normal(3, 4), normal(5))
    assert [row.verdict for row in report.rows] == ["ok", "FAIL"]


@pytest.mark.parametrize("strange, verdict", [(0, "ok"), (5e-15, "ok"), (1e-10, "FAIL")])
def test_beside_a_small_gradient_one_that_should_be_zero_is_judged_alike(strange, verdict):
    def forward(x, b):  # b[0] alone moves y, and a little
        return x + 1e-4 * b[0], (b.shape,)

    def backward(dy, cache):
        db = np.full(cache[0], strange, float)
        db[0] = 1e-4 * dy.sum()
        return dy, db

    assert check_layer(forward, backward, normal(3, 4), normal(5)).rows[1].verdict == verdict


def test_a_slope_that_y_has_no_digits_for_is_not_called_right():
    def forward(x):
        return x + 1e14, ()  # in steps of 1/64: x ± h moves nothing

    report = check_layer(forward, lambda dy, cache: (1.001 * dy,), normal(3, 4))
    assert report.rows[0].verdict == "NOT JUDGED" and "round-off" in str(report)
    report = check_layer(forward, lambda dy, cache: (1e5 * dy,), normal(3, 4))
    assert report.rows[0].verdict == "FAIL"


def test_a_dead_layer_is_pointed_out():
    report = check_layer(relu_forward, relu_backward, -1 - normal(3, 4) ** 2)
    assert "all gradients are zero here" in str(report)
    assert report.rows[0].verdict == "NOT JUDGED"
    assert "no entry of any argument changes y, so nothing has been shown" in str(report)


# Zeros are right only where something else moves y.


def test_an_argument_that_forward_ignores_has_gradients_of_zero_and_passes():
    report = check_layer(
        lambda x, b: (2 * x, b), lambda dy, b: (2 * dy, 0 * b), normal(3), normal(4)
    )
    assert report.ok and "b: WARNING: all gradients are zero here" in str(report)
    report = check_layer(
        lambda x, b: (2 * x, b), lambda dy, b: (0 * dy, 0 * b), normal(3), normal(4)
    )
    assert [row.verdict for row in report.rows] == ["FAIL", "ok"]


def test_where_nothing_moves_y_nothing_has_been_shown():
    report = check_layer(lambda x: (np.ones(4), x), lambda dy, x: (0 * x,), normal(3))
    assert report.rows[0].verdict == "NOT JUDGED"
    report = check_layer(lambda x: (np.ones(4), x), lambda dy, x: (x,), normal(3))
    assert report.rows[0].verdict == "FAIL"
    with pytest.raises(ValueError, match=r"y has shape \(0, 3\): there is nothing to check"):
        check_layer(lambda x: (x[:0], x), lambda dy, x: (0 * x,), normal(2, 3))


def test_where_a_constant_hides_all_of_y_zeros_do_not_pass():
    report = check_layer(lambda x: (x + 1e14, x), lambda dy, x: (0 * x,), normal(3, 4))
    assert report.rows[0].verdict == "NOT JUDGED"
    assert "y as large as 1e+14; subtract a large constant" in str(report)


def only_the_last(x):
    return 3 * x[-1:], x


def test_the_largest_gradient_is_always_among_those_that_are_checked():
    def backward(dy, x):
        dx = np.zeros_like(x)
        dx[-1:] = 3 * dy
        return (dx,)

    x = normal(400)
    assert check_layer(only_the_last, backward, x, max_entries=3).ok
    report = check_layer(only_the_last, lambda dy, x: backward(2 * dy, x), x, max_entries=3)
    assert report.rows[0].verdict == "FAIL" and report.rows[0].index == (399,)
    report = check_layer(only_the_last, lambda dy, x: backward(dy * np.nan, x), x, max_entries=3)
    assert report.rows[0].verdict == "FAIL" and report.worst == np.inf


def test_zeros_do_not_pass_where_only_entries_that_do_not_count_were_drawn():
    def forward(x, b):
        return np.append(only_the_last(x)[0], b), x

    report = check_layer(
        forward, lambda dy, x: (0 * x, dy[1:]), normal(400), normal(2), max_entries=3
    )
    assert [row.verdict for row in report.rows] == ["NOT JUDGED", "ok"]
    assert "397 entries were not checked: raise max_entries" in str(report)


# Tiny and large arguments, and single numbers.


def cube_forward(x):
    return x**3, x


def cube_backward(dy, x):
    return (3 * x**2 * dy,)


@pytest.mark.parametrize("scale", [1e-30, 1e-9, 1e-6, 1e-3, 1e4])
@pytest.mark.parametrize(
    "forward, backward", [(cube_forward, cube_backward), (relu_forward, relu_backward)]
)
def test_steps_are_as_small_as_a_tiny_argument(forward, backward, scale):
    x = scale * normal(3, 4)
    report = check_layer(forward, backward, x)
    assert report.ok, report
    assert ("entries of about 1 would show more" in str(report)) == (scale < 1e-6)
    for factor in (0, 2, 1 + 1e-5):
        wrong = check_layer(forward, lambda dy, cache, by=factor: (by * backward(dy, cache)[0],), x)
        assert wrong.rows[0].verdict == "FAIL"


def test_tiny_biases_beside_large_products_are_judged_on_the_scale_of_y():
    args = normal(3, 5), normal(4, 5, seed=1), 1e-9 * normal(4, seed=2)
    assert check_layer(line_forward, line_backward, *args).worst < 1e-9


@pytest.mark.parametrize("ops", [reference, fast])
@pytest.mark.parametrize("name", "relu tanh pool average_pool lrn map_lrn dropout_predict".split())
def test_layers_of_the_library_are_judged_at_tiny_arguments(name, ops):
    functions = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
    report = check_layer(*functions, 1e-9 * normal(N, C, H, W), max_entries=30)
    assert report.ok, report


def test_two_results_for_tiny_arguments_are_told_apart():
    with pytest.raises(ValueError, match="forward gave two results"):
        check_layer(draws_anew, lambda dy, cache: (dy,), 1e-9 * normal(2, 3))


@pytest.mark.parametrize("name", ["relu", "pool", "average_pool", "lrn", "map_lrn", "tanh"])
def test_at_a_large_constant_nothing_right_is_called_wrong(name):
    functions = getattr(reference, f"{name}_forward"), getattr(reference, f"{name}_backward")
    x = 1e8 + normal(N, C, H, W)
    report = check_layer(*functions, x)
    assert report.rows[0].verdict in ("ok", "NOT JUDGED")
    if name in ("relu", "average_pool"):
        assert report.ok
    if name == "pool":
        assert "x is as large as 1e+08, y as large as 1e+08; subtract a large" in str(report)
    wrong = check_layer(functions[0], lambda dy, cache: (0 * x,), x)
    assert not wrong.ok


@pytest.mark.parametrize("number", [3.0, np.float32(-2), np.array(1e-9), np.array(0.0), 1e8])
def test_a_single_number_is_an_argument_too(number):
    def forward(x):
        return x**2 + 3 * x, x

    report = check_layer(forward, lambda dy, x: (dy * (2 * x + 3),), number)
    assert report.ok and report.rows[0].shape == () and report.rows[0].index == ()
    assert check_layer(forward, lambda dy, x: (float(dy * (2 * x + 3)),), number).ok
    assert check_layer(forward, lambda x: (2 * x + 3,), number).ok  # of a loss: without dy
    assert not check_layer(forward, lambda dy, x: (0 * x,), number).ok


def test_a_single_number_beside_an_array_is_judged():
    def forward(x, a):
        return a * x, (x, a)

    def backward(dy, cache):
        x, a = cache
        return a * dy, np.sum(x * dy)

    report = check_layer(forward, backward, normal(3, 4), 0.7)
    assert report.ok and [row.shape for row in report.rows] == [(3, 4), ()]


# What cannot be compared gets a sentence.


def a_single_array(x):
    return np.maximum(x, 0)


def a_list_of_three(x):
    return [x, x, x]


def changes_x(x):
    x[x < 0] = 0
    return x, ()


def draws_anew(x):
    return x * np.random.default_rng().random(x.shape), ()


def works_in_float32(x):
    return np.maximum(x, 0).astype(np.float32), ()


def divides_by_zero(x):
    y = x.copy()
    y[1, 0] = np.nan
    return y, ()


@pytest.mark.parametrize(
    "forward, error, sentence",
    [
        (
            a_single_array,
            TypeError,
            r"forward returned an array of float64, shape \(2, 3\); expect",
        ),
        (a_list_of_three, TypeError, r"forward returned a list of 3; expected a pair"),
        (changes_x, ValueError, r"forward changed its argument x; it must stay as it is"),
        (draws_anew, ValueError, r"forward gave two results for the same arguments"),
        (works_in_float32, TypeError, r"y is float32; expected float64"),
        (divides_by_zero, ValueError, r"y is nan at \(1, 0\); expected finite"),
    ],
)
def test_a_forward_that_cannot_be_compared_gets_a_sentence(forward, error, sentence):
    with pytest.raises(error, match=sentence):
        check_layer(forward, lambda dy, cache: (dy,), normal(2, 3))


def changes_dy(dy, cache):
    dy *= 2
    return line_backward(dy, cache)


def changes_w(dy, cache):
    cache[1][0] = 0
    return line_backward(dy, cache)


@pytest.mark.parametrize(
    "backward, error, sentence",
    [
        (changes_dy, ValueError, "backward changed its argument dy"),
        (changes_w, ValueError, "backward changed its argument w"),
        (lambda dy, cache: dy, TypeError, r"returned an array .* tuple \(dx, dw, db,\)"),
        (lambda dy, cache: line_backward(dy, cache)[:2], TypeError, "returned a tuple of 2"),
        (lambda dy, cache: (None, None, None), TypeError, r"dx is None; expected an array of"),
        (
            lambda dy, cache: (line_backward(dy, cache)[0].astype(np.float32), 0, 0),
            TypeError,
            "dx is float32; expected float64, as x is",
        ),
        (
            lambda dy, cache: (dy, *line_backward(dy, cache)[1:]),
            ValueError,
            r"dx has shape \(3, 4\); expected \(3, 5\), the shape of x",
        ),
    ],
)
def test_a_backward_that_cannot_be_compared_gets_a_sentence(backward, error, sentence):
    with pytest.raises(error, match=sentence):
        line_report(backward)


def test_arguments_that_cannot_be_checked_get_a_sentence():
    with pytest.raises(ValueError, match="no argument is an array of floats"):
        check_layer(relu_forward, relu_backward, np.arange(6))
    with pytest.raises(TypeError, match="x is None; expected an array"):
        check_layer(relu_forward, relu_backward, None)
    with pytest.raises(ValueError, match=r"x is int64; .astype\(np.float64\) makes floats"):
        check_layer(relu_forward, relu_backward, np.arange(6))
    with pytest.raises(ValueError, match=r"x has shape \(0, 3\)"):
        check_layer(relu_forward, relu_backward, np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"x is inf at \(1, 0\); expected finite numbers"):
        check_layer(relu_forward, relu_backward, np.array([[1.0], [np.inf]]))
    with pytest.raises(ValueError, match="max_entries = 0; expected at least 1"):
        check_layer(relu_forward, relu_backward, normal(2, 3), max_entries=0)


def test_a_gradient_of_whole_numbers_is_not_expected_and_the_report_says_of_which():
    x, w, b = np.arange(15).reshape(3, 5), normal(4, 5), normal(4)
    with pytest.raises(TypeError, match=r"tuple \(dw, db,\), .*; x is int64, which has none"):
        check_layer(line_forward, line_backward, x, w, b)
    layers = [net.Layer("fc", line_forward, line_backward, {"w": w, "b": b}, {})]
    with pytest.raises(TypeError, match=r"x is an array of int64, .* expected floats"):
        check_network(layers, x, np.array([1, 3, 0]), reference)
    layers = [net.Layer("fc", line_forward, line_backward, {"w": w, "b": np.arange(4)}, {})]
    with pytest.raises(TypeError, match=r"fc.b is an array of int64, .* expected floats"):
        check_network(layers, normal(3, 5), np.array([1, 3, 0]), reference)


@pytest.mark.parametrize(
    "strange, sentence",
    [
        (lambda a: np.ma.masked_array(a, a > 0), "is a masked array, .*; expected a plain array"),
        (lambda a: a.view(np.matrix), "is an np.matrix, .*; expected a plain array"),
    ],
)
def test_masked_arrays_and_matrices_are_refused_by_name(strange, sentence):
    x, w, b = normal(3, 5), normal(4, 5), normal(4)
    with pytest.raises(TypeError, match=f"^w {sentence}"):
        check_layer(line_forward, line_backward, x, strange(w), b)
    with pytest.raises(TypeError, match=f"^line_forward_in_disguise: y {sentence}"):

        def line_forward_in_disguise(x, w, b):
            return strange(x @ w.T + b), (x, w)

        check_layer(line_forward_in_disguise, line_backward, x, w, b)
    with pytest.raises(TypeError, match=f"^line: dw {sentence}"):

        def backward(dy, cache):
            dx, dw, db = line_backward(dy, cache)
            return dx, strange(dw), db

        line_report(backward)
    layers = [net.Layer("fc", line_forward, line_backward, {"w": strange(w), "b": b}, {})]
    with pytest.raises(TypeError, match=f"^fc.w {sentence}"):
        check_network(layers, x, np.array([1, 3, 0]), reference)


def test_even_a_forward_that_changes_its_arguments_cannot_reach_the_callers_arrays():
    x = normal(2, 3)
    with pytest.raises(ValueError, match="changed its argument x"):
        check_layer(changes_x, relu_backward, x)
    np.testing.assert_array_equal(x, normal(2, 3))


# Whole networks.


def test_a_whole_network_passes_and_is_left_as_it_was():
    rng = np.random.default_rng(3)
    layers = gradcheck_suite.small_network(reference, rng)
    state = rng.bit_generator.state
    before = {name: array.copy() for name, array in net.parameters(layers).items()}
    report = check_network(layers, normal(3, 2, 15, 13), np.array([1, 4, 0]), reference, 6)
    assert report.ok, report
    assert [row.name for row in report.rows] == ["x", *before]
    assert rng.bit_generator.state == state
    for name, array in net.parameters(layers).items():
        np.testing.assert_array_equal(array, before[name])


def test_a_mistake_in_one_layer_of_a_network_shows_below_it_and_not_above():
    layers = gradcheck_suite.small_network(reference, np.random.default_rng(3))
    at = [layer.name for layer in layers].index("tanh2")
    layers[at] = layers[at]._replace(backward=lambda dy, cache: (dy,))
    report = check_network(layers, normal(3, 2, 15, 13), np.array([1, 4, 0]), reference, 6)
    verdicts = {row.name: row.verdict for row in report.rows}
    assert verdicts["conv2.w"] == verdicts["conv1.w"] == verdicts["x"] == "FAIL"
    assert verdicts["fc3.w"] == verdicts["fc5.b"] == "ok"


@every_layout
def test_images_and_parameters_of_a_network_may_have_any_order_in_memory(layout):
    w, b = (laid_out(layout, normal(*shape)) for shape in [(4, 3, 2, 2), (4,)])
    layers = [
        net.row("conv1", reference, "conv", {"w": w, "b": b}),
        net.row("relu1", reference, "relu"),
        net.row("fc2", reference, "fc", {"w": laid_out(layout, normal(5, 96)), "b": normal(5)}),
    ]
    x, labels = laid_out(layout, normal(3, 3, 7, 5)), np.array([1, 4, 0])
    assert check_network(layers, x, labels, reference, 5).ok

    def zeros(dy, cache):
        return tuple(np.zeros_like(grad) for grad in reference.fc_backward(dy, cache))

    layers[2] = layers[2]._replace(backward=zeros)
    report = check_network(layers, x, labels, reference, 30)
    assert {row.verdict for row in report.rows} == {"FAIL"}


def test_two_columns_get_a_row_for_each_column():
    def forward(x, w, b):
        return x @ w[0].T + b[0] + 2 * (x @ w[1].T + b[1]), (x, w)

    def backward(dy, cache):
        x, w = cache
        dx = dy @ w[0] + 2 * dy @ w[1]
        return dx, (dy.T @ x, 2 * dy.T @ x), (dy.sum(axis=0), dy.sum(axis=0))  # 2 is forgotten

    params = {"w": (normal(4, 5), normal(4, 5, seed=1)), "b": (normal(4), normal(4, seed=1))}
    layers = [net.Layer("fc", forward, backward, params, {})]
    report = check_network(layers, normal(3, 5), np.array([1, 3, 0]), reference)
    verdicts = {row.name: row.verdict for row in report.rows}
    assert verdicts.pop("fc.b.1") == "FAIL"
    assert verdicts == {"x": "ok", "fc.w.0": "ok", "fc.w.1": "ok", "fc.b.0": "ok"}


# The command line.


def parsed(*words):
    parser = argparse.ArgumentParser()
    gradcheck.add_arguments(parser)
    return parser.parse_args(words)


def test_the_suite_has_every_layer_that_has_a_backward():
    backwards = {name for name in dir(reference) if name.endswith("_backward")}
    assert {f"{name}_backward" for name in gradcheck_suite.SUITE} == backwards


@pytest.mark.parametrize("ops", ["reference", "fast"])
@pytest.mark.parametrize("name", gradcheck_suite.NAMES)
def test_every_layer_of_every_backend_passes(name, ops, capsys):
    assert gradcheck.run(parsed(name, "--ops", ops)) == 0
    (line,) = capsys.readouterr().out.splitlines()
    here = ops == "fast" or name not in gradcheck_suite.EXTRAS
    assert line.split()[:3] == [ops, name, "ok" if here else "none:"]
    if here:  # README and docs/results/checks.md say so
        assert float(line.split()[3]) < (1e-7 if name in ("columns", "network") else 1e-8)


def test_a_layer_that_a_backend_lacks_is_named(monkeypatch, capsys):
    monkeypatch.delattr(reference, "relu_backward")
    assert gradcheck.run(parsed("relu", "--ops", "reference")) == 1
    said = capsys.readouterr().out
    assert said.endswith("FAIL  minicnn.reference has no relu_forward and relu_backward\n")


def counting(function, calls, name):
    """Return a function that counts its calls."""

    @functools.wraps(function)
    def counted_function(*args, **options):
        calls[name] += 1
        return function(*args, **options)

    return counted_function


def counted(monkeypatch, home, names):
    """Return {name: how often home's function of this name has been called since}."""
    calls = dict.fromkeys(names, 0)
    for name in names:
        monkeypatch.setattr(home, name, counting(getattr(home, name), calls, name))
    return calls


@pytest.mark.parametrize("ops", ["reference", "fast"])
def test_the_suite_calls_every_forward_and_backward_that_a_backend_has(ops, monkeypatch, capsys):
    home = {"reference": reference, "fast": fast}[ops]
    names = [name for name in dir(home) if name.endswith(("_forward", "_backward"))]
    assert len(names) == 2 * len(gradcheck_suite.SUITE)
    calls = counted(monkeypatch, home, names)
    if ops == "fast":
        fused = [
            name for name in dir(fast.fused) if name.endswith(("relu_forward", "_relu_backward"))
        ]
        assert len(fused) == 6
        calls_of_fused = counted(monkeypatch, fast.fused, fused)
    gradcheck_suite.run([*gradcheck_suite.SUITE, *gradcheck_suite.EXTRAS], [ops])
    assert all(calls.values()), calls
    assert ops == "reference" or all(calls_of_fused.values()), calls_of_fused


@pytest.mark.parametrize("name", ["winograd", "conv_relu"])
def test_the_suite_takes_the_way_through_winograd(name, monkeypatch, capsys):
    calls = counted(monkeypatch, fast.winograd, ["forward", "backward_w", "pays"])
    for shapes, options in gradcheck_suite.EXTRAS[name]:
        monkeypatch.setitem(gradcheck_suite.EXTRAS, name, [(shapes, options)])
        before = dict(calls)
        assert gradcheck_suite.run([name], ["fast"]) == 0
        ran = {way: calls[way] > before[way] for way in calls}
        (_, C, *_), (K, C_group, f, _), _ = shapes
        stride, K_group = options.get("stride", 1), K * C_group // C
        assert ran["forward"] == (stride == 1 and max(C_group, K_group) >= 8)
        assert ran["backward_w"] == (stride == 1 and C_group >= 8)
    assert all(calls.values())


def test_among_winograds_cases_are_some_for_each_pass_alone_and_in_groups():
    def taken(shapes, options):
        (N, C, H, W), (K, C_group, f, _), _ = shapes
        pad = options.get("pad", 0)
        y, x = (H + 2 * pad - f + 1, W + 2 * pad - f + 1), (H, W)
        forward = fast.winograd.pays(N, C_group, *y, f, 1)
        return forward, fast.winograd.pays(N, K * C_group // C, *x, f, 1), "groups" in options

    found = {taken(shapes, options) for shapes, options in gradcheck_suite.EXTRAS["winograd"]}
    assert found >= {(True, True, False), (True, True, True), (True, False, False)}
    assert (False, True, False) in found


def test_a_mistake_in_a_fused_layer_is_caught_by_the_suite(capsys, monkeypatch):
    """dropout_relu that hands dy to units that ReLU has turned off."""

    def backward(dy, cache):
        return (dy,)

    monkeypatch.setattr(fast.fused, "dropout_relu_backward", backward)
    monkeypatch.setattr(
        fast.fused, "pool_relu_backward", lambda dy, cache: fast.pool_backward(0 * dy, cache)
    )
    assert gradcheck_suite.run(["dropout_relu", "pool_relu"], ["fast"]) == 1
    assert capsys.readouterr().out.count("FAIL  ") == 2


def test_a_unit_that_is_exactly_0_is_a_kink_of_a_fused_layer():
    x = normal(4, 6)
    x[1, 2] = 0
    rng = np.random.default_rng(1)  # keeps that unit
    fused = fast.fused
    report = check_layer(fused.dropout_relu_forward, fused.dropout_relu_backward, x, p=0.1, rng=rng)
    assert report.ok and report.rows[0].kinks == 1


def test_without_ops_both_backends_are_checked(capsys):
    assert gradcheck.run(parsed("relu", "tanh")) == 0
    lines = capsys.readouterr().out.splitlines()
    found = [line.split()[:2] for line in lines]
    assert found == [[ops, name] for ops in ("reference", "fast") for name in ("relu", "tanh")]


def test_a_failure_is_printed_and_is_the_exit_code(capsys, monkeypatch):
    monkeypatch.setattr(reference, "lrn_backward", lrn_backward_without_the_cross_term)
    monkeypatch.setattr(reference, "relu_backward", lambda dy, cache: dy)
    assert gradcheck_suite.run(["lrn", "tanh", "relu"], ["reference"]) == 1
    out = capsys.readouterr().out
    assert "lrn              FAIL" in out
    assert "tanh             ok" in out
    assert "relu             FAIL  relu: backward returned an array" in out


def test_an_unknown_layer_gets_one_sentence_and_exit_code_2(capsys):
    assert gradcheck.run(parsed("conv", "maxpool")) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert (
        "'maxpool' is not a layer or network; the layers are conv, local, relu, tanh"
        in captured.err
    )
    assert captured.err.count("\n") == 1


def test_importing_the_checker_does_not_import_numba():
    code = "import sys, minicnn.gradcheck; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("ops", [reference, fast])
def test_arguments_that_lie_in_memory_in_any_way_are_judged_rightly(ops):
    rng = np.random.default_rng(11)
    cases = [
        ("fc", [(3, 4), (5, 4), (5,)], {}),
        ("conv", [(2, 2, 5, 1), (3, 2, 1, 1), (3,)], {}),
        ("local", [(2, 2, 5, 1), (5, 1, 3, 2, 1, 1), (3,)], {}),
        ("map_lrn", [(2, 3, 1, 4)], {"alpha": 0.5}),
        ("tanh", [(2, 3, 1, 4)], {}),
        ("average_pool", [(2, 3, 4, 3)], {"z": 2, "s": 1}),
    ]
    for name, shapes, options in cases * 4:
        args = [awkward(shape, np.float64, rng) for shape in shapes]
        forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
        report = check_layer(forward, backward, *args, max_entries=12, **options)
        assert report.ok, report

        def nothing(dy, cache, shapes=shapes):
            return tuple(np.zeros(shape) for shape in shapes)

        assert not check_layer(forward, nothing, *args, max_entries=12, **options).ok


@pytest.mark.parametrize("right, count", [("dplace *=", 0), ("dplace", 3)])
def test_a_mistake_is_planted_in_one_place_or_not_at_all(right, count):
    with pytest.raises(
        ValueError, match=f"occurs {count} times in pool_backward; expected it once"
    ):
        planted(reference.pool_backward, right, "dx")
