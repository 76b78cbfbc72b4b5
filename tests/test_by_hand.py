"""Cases small enough to verify with pencil and paper."""

import math

import numpy as np
import pytest

from minicnn import fast, reference
from minicnn.shapes import out_size, pool_size


def image(*rows):
    """Return one image with one channel."""
    return np.array(rows, np.float64)[None, None]


def pixel(*channels):
    """Return one image of one pixel."""
    return np.array(channels, np.float64)[None, :, None, None]


def assert_image(found, *rows):
    np.testing.assert_allclose(found, image(*rows), rtol=1e-14, atol=0)


def assert_pixel(found, *channels):
    np.testing.assert_allclose(found, pixel(*channels), rtol=1e-14, atol=0)


# Convolution.


def test_a_kernel_slides_over_an_image_and_is_not_turned(ops):
    x = image([1, 2, 3], [4, 5, 6], [7, 8, 9])
    w, b = image([1, 2], [3, 4]), np.array([10.0])
    y, cache = ops.conv_forward(x, w, b)
    assert_image(y, [1 + 4 + 12 + 20 + 10, 2 + 6 + 15 + 24 + 10], [77, 87])

    dx, dw, db = ops.conv_backward(image([1, -1], [2, 3]), cache)
    assert_image(dx, [1, 2 - 1, -2], [3 + 2, 4 - 3 + 4 + 3, -4 + 6], [6, 8 + 9, 12])
    assert_image(dw, [1 - 2 + 8 + 15, 2 - 3 + 10 + 18], [4 - 5 + 14 + 24, 5 - 6 + 16 + 27])
    assert db == [1 - 1 + 2 + 3]


def test_padding_is_zeros_all_around(ops):
    w = image([1, 2, 3], [4, 5, 6], [7, 8, 9])
    y, cache = ops.conv_forward(image([10, 1]), w, np.zeros(1), pad=1)
    assert_image(y, [50 + 6, 40 + 5])
    dx, dw, _ = ops.conv_backward(image([2, -3]), cache)
    assert_image(dx, [10 - 12, 12 - 15])
    assert_image(dw, [0, 0, 0], [-30, 20 - 3, 2], [0, 0, 0])


def test_with_ceil_mode_the_last_window_reads_zeros_past_the_far_edge(ops):
    x = image([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12])
    w, b = image([1, 1, 1], [1, 1, 1], [1, 1, 1]), np.zeros(1)
    y, _ = ops.conv_forward(x, w, b, stride=2)
    assert_image(y, [54])
    y, cache = ops.conv_forward(x, w, b, stride=2, ceil_mode=True)
    assert_image(y, [54, 3 + 4 + 7 + 8 + 11 + 12])
    dx, dw, _ = ops.conv_backward(image([2, -5]), cache)
    assert_image(dx, *[[2, 2, 2 - 5, -5]] * 3)
    assert_image(dw, [2 - 15, 4 - 20, 6], [10 - 35, 12 - 40, 14], [18 - 55, 20 - 60, 22])


def test_each_group_of_kernels_sees_its_own_channels(ops):
    x = pixel(1, 10, 100, 1000)
    w = np.array([[1.0, 2], [3, 4]])[:, :, None, None]
    y, cache = ops.conv_forward(x, w, np.array([0.5, 0.25]), groups=2)
    assert_pixel(y, 1 + 20 + 0.5, 300 + 4000 + 0.25)
    dx, dw, db = ops.conv_backward(pixel(-1, 2), cache)
    assert_pixel(dx, -1, -2, 6, 8)
    np.testing.assert_array_equal(dw[:, :, 0, 0], [[-1, -10], [200, 2000]])
    np.testing.assert_array_equal(db, [-1, 2])


# Locally connected layers.


def kernels(*places):
    """Return w for one row of places, with one kernel each, for one channel."""
    return np.array(places, np.float64)[None, :, None, None]


def test_every_place_has_a_kernel_and_a_bias_of_its_own(ops):
    x = image([1, 2, 3], [4, 5, 6])
    w, b = kernels([[1, 2], [3, 4]], [[0, 1], [10, 0]]), np.array([[[100.0], [200]]])
    y, cache = ops.local_forward(x, w, b)
    assert_image(y, [1 + 4 + 12 + 20 + 100, 3 + 50 + 200])
    dx, dw, db = ops.local_backward(image([2, -1]), cache)
    assert_image(dx, [2, 4, -1], [6, 8 - 10, 0])
    np.testing.assert_array_equal(dw, kernels([[2, 4], [8, 10]], [[-2, -3], [-5, -6]]))
    np.testing.assert_array_equal(db, [[[2], [-1]]])


def test_places_may_share_their_biases(ops):
    x, w = image([1, 2, 3]), kernels([[10]], [[100]], [[1000]])
    y, cache = ops.local_forward(x, w, np.array([0.5]))
    assert_image(y, [10.5, 200.5, 3000.5])
    assert ops.local_backward(image([1, -4, 2]), cache)[2] == [1 - 4 + 2]


def test_places_are_a_stride_apart_and_padding_is_zeros(ops):
    x, w = image([1, 2, 3, 4, 5]), kernels([[10]], [[100]], [[1000]])
    y, cache = ops.local_forward(x, w, np.zeros(1), stride=2)
    assert_image(y, [10, 300, 5000])
    dx, dw, _ = ops.local_backward(image([1, -2, 3]), cache)
    assert_image(dx, [10, 0, -200, 0, 3000])
    np.testing.assert_array_equal(dw, kernels([[1]], [[-6]], [[15]]))
    w = np.arange(1.0, 10).reshape(3, 3, 1, 1, 1, 1)
    y, cache = ops.local_forward(image([7]), w, np.arange(9.0).reshape(3, 3, 1), pad=1)
    assert_image(y, [0, 1, 2], [3, 7 * 5 + 4, 5], [6, 7, 8])
    dx, dw, db = ops.local_backward(y, cache)
    assert dx == 5 * 39 and np.count_nonzero(dw) == 1 and dw[1, 1] == 7 * 39
    np.testing.assert_array_equal(db[:, :, 0], y[0, 0])


# Sizes.


def test_alexnets_maps_have_224_55_27_13_and_6_pixels_a_side():
    conv1 = out_size(224, 11, stride=4, ceil_mode=True)
    pool1 = pool_size(conv1, z=3, s=2)
    conv2 = out_size(pool1, 5, pad=2)
    pool2 = pool_size(conv2, z=3, s=2)
    conv3 = out_size(pool2, 3, pad=1)
    pool5 = pool_size(conv3, z=3, s=2)
    assert (conv1, pool1, conv2, pool2, conv3, pool5) == (55, 27, 27, 13, 13, 6)
    assert out_size(224, 11, stride=4) == 54  # rounded down, it is not the paper's network


def test_a_pooling_window_that_would_start_behind_the_image_is_left_out(ops):
    assert out_size(4, 2, stride=4, ceil_mode=True) == 2  # a convolution reads zeros there
    assert pool_size(4, 2, 4, ceil_mode=True) == 1
    y, _ = ops.pool_forward(image(*np.arange(16.0).reshape(4, 4)), z=2, s=4, ceil_mode=True)
    assert_image(y, [5])


# Pooling.


def test_a_pixel_that_wins_two_windows_gets_the_sum_of_both_gradients(ops):
    x = image([0, 1, 2, 1, 0], [3, 4, 9, 4, 3], [0, 5, 6, 5, 0])
    y, cache = ops.pool_forward(x)
    assert_image(y, [9, 9])
    (dx,) = ops.pool_backward(image([1.5, -4]), cache)
    assert_image(dx, [0] * 5, [0, 0, -2.5, 0, 0], [0] * 5)


def test_of_equal_values_the_first_one_wins(ops):
    x = image([7, 7, 7, 7, 7], [7, 7, 7, 7, 7], [7, 7, 7, 7, 7], [7, 7, 7, 7, 7], [7, 7, 7, 7, 7])
    _, cache = ops.pool_forward(x)
    (dx,) = ops.pool_backward(image([1, 2], [3, -4]), cache)
    assert_image(dx, [1, 0, 2, 0, 0], [0] * 5, [3, 0, -4, 0, 0], [0] * 5, [0] * 5)


def test_a_clipped_window_takes_the_largest_of_what_it_holds(ops):
    x = image([-1, -2, -3, -4], [-5, -6, -7, -8], [-9, -9, -9, -9])
    y, cache = ops.pool_forward(x, ceil_mode=True)
    assert_image(y, [-1, -3])  # were the edge filled with zeros, a 0 would win
    (dx,) = ops.pool_backward(image([2, 5]), cache)
    assert_image(dx, [2, 0, 5, 0], [0] * 4, [0] * 4)


def test_a_clipped_window_divides_by_the_pixels_that_it_holds(ops):
    x = image([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12])
    y, cache = ops.average_pool_forward(x, ceil_mode=True)
    assert_image(y, [54 / 9, 45 / 6])
    (dx,) = ops.average_pool_backward(image([9, -12]), cache)
    assert_image(dx, *[[1, 1, 1 - 2, -2]] * 3)


# Local response normalization.


def test_normalization_divides_by_the_squares_of_the_neighbours(ops):
    settings = dict(k=2, n=3, alpha=0.5, beta=1)
    y, _ = ops.lrn_forward(pixel(1, 2, 3, 4), **settings)
    # 2 + (1 + 4)/2, 2 + (1 + 4 + 9)/2, 2 + (4 + 9 + 16)/2, 2 + (9 + 16)/2
    assert_pixel(y, 1 / 4.5, 2 / 9, 3 / 16.5, 4 / 14.5)


def test_normalization_stops_at_the_edge_of_a_group(ops):
    settings = dict(k=2, n=3, alpha=0.5, beta=1, groups=2)
    y, _ = ops.lrn_forward(pixel(1, 2, 3, 4), **settings)
    assert_pixel(y, 1 / 4.5, 2 / 4.5, 3 / 14.5, 4 / 14.5)


def test_an_even_window_has_one_more_channel_before_than_behind(ops):
    settings = dict(k=2, n=4, alpha=0.5, beta=1)
    y, _ = ops.lrn_forward(pixel(1, 2, 3, 4), **settings)
    assert_pixel(y, 1 / (2 + 5 / 2), 2 / (2 + 14 / 2), 3 / (2 + 30 / 2), 4 / (2 + 29 / 2))


def test_the_papers_beta_makes_an_eighth_of_sixteen(ops):
    y, _ = ops.lrn_forward(pixel(3), k=7, alpha=1)
    assert_pixel(y, 3 / 8)


def test_the_gradient_of_normalization_has_its_cross_channel_term(ops):
    # k + 1² + 2² = 16, and 16^−0.75 = 1/8.  Σ dy·y/scale = (16/8 + 32·2/8)/16 = 0.625
    _, cache = ops.lrn_forward(pixel(1, 2), k=11, n=3, alpha=1)
    (dx,) = ops.lrn_backward(pixel(16, 32), cache)
    assert_pixel(dx, 16 / 8 - 1.5 * 1 * 0.625, 32 / 8 - 1.5 * 2 * 0.625)


# Normalization within a map: α is divided by n².


def test_a_pixel_is_divided_by_the_squares_of_the_pixels_around_it(ops):
    settings = dict(k=2, n=3, alpha=9 * 0.5, beta=1)
    y, _ = ops.map_lrn_forward(image([1, 2, 3, 4]), **settings)
    assert_image(y, [1 / 4.5, 2 / 9, 3 / 16.5, 4 / 14.5])
    y, _ = ops.map_lrn_forward(image([1], [2], [3], [4]), **settings)
    assert_image(y, [1 / 4.5], [2 / 9], [3 / 16.5], [4 / 14.5])
    y, _ = ops.map_lrn_forward(pixel(1, 2), **settings)  # other maps do not count
    assert_pixel(y, 1 / 2.5, 2 / 4)


def test_an_even_window_of_a_map_has_one_more_pixel_before_along_both_axes(ops):
    y, _ = ops.map_lrn_forward(image([1, 2], [3, 4]), k=1, n=2, alpha=4, beta=1)
    assert_image(y, [1 / 2, 2 / (1 + 5)], [3 / (1 + 10), 4 / (1 + 30)])


def test_the_gradient_of_normalization_within_a_map_has_its_neighbours_term(ops):
    # k + 1² + 2² = 16, and 16^−0.75 = 1/8.  Σ dy·y/scale = (16/8 + 32·2/8)/16 = 0.625
    _, cache = ops.map_lrn_forward(image([1, 2]), k=11, n=3, alpha=9)
    (dx,) = ops.map_lrn_backward(image([16, 32]), cache)
    assert_image(dx, [16 / 8 - 1.5 * 1 * 0.625, 32 / 8 - 1.5 * 2 * 0.625])


# Nonlinearities and the fully connected layer.


def test_relu_is_off_at_zero_and_below(ops):
    y, cache = ops.relu_forward(np.array([-2.0, 0, 3]))
    (dx,) = ops.relu_backward(np.array([5.0, 7, -11]), cache)
    assert y.tolist() == [0, 0, 3] and dx.tolist() == [0, 0, -11]


def test_the_slopes_at_zero_are_one_and_a_quarter(ops):
    zero, dy = np.zeros(1), np.array([8.0])
    (y_tanh, cache_tanh), (y, cache) = ops.tanh_forward(zero), ops.logistic_forward(zero)
    assert (y_tanh, y) == (0, 0.5)
    assert ops.tanh_backward(dy, cache_tanh)[0] == 8 and ops.logistic_backward(dy, cache)[0] == 2


def test_tanh_and_logistic_of_log_2(ops):
    x = np.log(np.array([2, 0.5]))
    np.testing.assert_allclose(ops.tanh_forward(x)[0], [3 / 5, -3 / 5], rtol=1e-14)
    np.testing.assert_allclose(ops.logistic_forward(x)[0], [2 / 3, 1 / 3], rtol=1e-14)


def test_a_fully_connected_layer_reads_the_pixels_in_order(ops):
    x = image([1, 2], [3, 4])
    w, b = np.array([[1.0, 10, 100, 1000], [0, 0, 0, -1]]), np.array([0.5, 0])
    y, cache = ops.fc_forward(x, w, b)
    assert y.tolist() == [[4321.5, -4]]
    dx, dw, db = ops.fc_backward(np.array([[2.0, -3]]), cache)
    assert_image(dx, [2, 20], [200, 2003])
    assert dw.tolist() == [[2, 4, 6, 8], [-3, -6, -9, -12]] and db.tolist() == [2, -3]


# Dropout.


@pytest.mark.parametrize("p", [0.5, 0.2])
def test_dropout_drops_its_share_and_scales_nothing_in_training(ops, p):
    rng = np.random.default_rng(0)
    x, dy = 1 + rng.random((4, 3, 50, 20)), 1 + rng.random((4, 3, 50, 20))
    y, cache = ops.dropout_forward(x, p=p, rng=rng)
    kept = y != 0
    assert 1 - kept.mean() == pytest.approx(p, abs=0.02)
    np.testing.assert_array_equal(y, np.where(kept, x, 0))
    (dx,) = ops.dropout_backward(dy, cache)
    np.testing.assert_array_equal(dx, np.where(kept, dy, 0))


def test_every_image_gets_its_own_mask_and_every_call_another(ops):
    rng = np.random.default_rng(0)
    x = np.ones((2, 100))
    (first, _), (second, _) = ops.dropout_forward(x, rng=rng), ops.dropout_forward(x, rng=rng)
    assert not np.array_equal(first[0], first[1]) and not np.array_equal(first, second)


def test_the_same_generator_drops_the_same_units_in_both_backends_and_both_dtypes():
    masks = []
    for ops in (reference, fast):
        for dtype in (np.float32, np.float64):
            y, _ = ops.dropout_forward(np.ones((7, 30), dtype), rng=np.random.default_rng(3))
            masks.append(y)
    for mask in masks[1:]:
        np.testing.assert_array_equal(mask, masks[0])


def test_prediction_takes_every_unit_times_one_minus_p(ops):
    y, cache = ops.dropout_predict_forward(np.array([[4.0, -8, 0]]), p=0.25)
    (dx,) = ops.dropout_predict_backward(np.array([[1.0, 2, -4]]), cache)
    assert y.tolist() == [[3, -6, 0]] and dx.tolist() == [[0.75, 1.5, -3]]


def test_without_a_chance_to_drop_nothing_changes(ops):
    x = np.array([[4.0, -8, 0.1]])
    y, _ = ops.dropout_forward(x, p=0, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(ops.dropout_predict_forward(x, p=0)[0], x)


# Softmax and its loss.


def test_softmax_of_logarithms_gives_back_the_shares(ops):
    p = ops.softmax(np.log(np.array([[1.0, 2, 5], [6, 3, 3]])))
    np.testing.assert_allclose(p, [[1 / 8, 2 / 8, 5 / 8], [1 / 2, 1 / 4, 1 / 4]], rtol=1e-14)


def test_equal_scores_lose_the_logarithm_of_the_number_of_classes(ops):
    loss, cache = ops.softmax_loss_forward(np.full((2, 4), 7.0), np.array([3, 0]))
    assert loss == pytest.approx(math.log(4), rel=1e-15)
    (dscores,) = ops.softmax_loss_backward(cache)
    assert dscores.tolist() == [[1 / 8, 1 / 8, 1 / 8, -3 / 8], [-3 / 8, 1 / 8, 1 / 8, 1 / 8]]


def test_the_loss_is_the_mean_of_minus_log_of_the_right_probability(ops):
    scores = np.log(np.array([[1.0, 2, 5], [6, 3, 3]]))
    loss, cache = ops.softmax_loss_forward(scores, np.array([2, 1]))
    assert loss == pytest.approx(-(math.log(5 / 8) + math.log(1 / 4)) / 2, rel=1e-14)
    (dscores,) = ops.softmax_loss_backward(cache)
    expected = [[1 / 16, 2 / 16, -3 / 16], [1 / 4, -3 / 8, 1 / 8]]
    np.testing.assert_allclose(dscores, expected, rtol=1e-14)


def test_large_scores_do_not_overflow(ops):
    scores = np.array([[1000.0, 2000], [-2000, -1000]])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert ops.softmax(scores).tolist() == [[0, 1], [0, 1]]
        loss, cache = ops.softmax_loss_forward(scores, np.array([0, 1]))
        (dscores,) = ops.softmax_loss_backward(cache)
    assert loss == 500  # the first image loses 1000, the second nothing
    assert dscores.tolist() == [[-0.5, 0.5], [0, 0]]


# The update rule.


def test_three_steps_of_the_update_rule(ops):
    w, v = np.array([1.0]), np.array([0.0])
    w, v = ops.sgd_update(w, v, np.array([2.0]), epsilon=0.1, decay=0.5)
    assert (v, w) == (pytest.approx(-0.5 * 0.1 * 1 - 0.1 * 2), pytest.approx(0.75))
    w, v = ops.sgd_update(w, v, np.array([-1.0]), epsilon=0.1, decay=0.5)
    assert v == pytest.approx(0.9 * -0.25 - 0.5 * 0.1 * 0.75 + 0.1 * 1)
    assert w == pytest.approx(0.75 - 0.1625)
    w, v = ops.sgd_update(w, v, np.array([0.0]), epsilon=0.2, decay=0.5)  # a new ε, an old v
    assert v == pytest.approx(0.9 * -0.1625 - 0.5 * 0.2 * 0.5875)
    assert w == pytest.approx(0.5875 - 0.205)


def test_the_papers_momentum_and_decay_are_the_defaults(ops):
    w, v = ops.sgd_update(np.array([2.0]), np.array([10.0]), np.array([3.0]), 0.01)
    assert v == pytest.approx(0.9 * 10 - 0.0005 * 0.01 * 2 - 0.01 * 3, rel=1e-14)
    assert w == pytest.approx(2 + v, rel=1e-14)


def test_at_learning_rate_zero_nothing_decays(ops):
    w, v = ops.sgd_update(np.array([2.0, -4]), np.zeros(2), np.array([3.0, 5]), 0, decay=0.5)
    assert w.tolist() == [2, -4] and v.tolist() == [0, 0]


def test_the_reference_returns_new_arrays_and_fast_writes_into_the_old_ones():
    w, v, dw = np.array([[1.0, 2]]), np.array([[0.5, -1]]), np.array([[4.0, -3]])
    w_next, v_next = reference.sgd_update(w, v, dw, 0.1)
    assert w.tolist() == [[1, 2]] and v.tolist() == [[0.5, -1]]
    w_fast, v_fast = fast.sgd_update(w, v, dw, 0.1)
    assert w_fast is w and v_fast is v and dw.tolist() == [[4, -3]]
    np.testing.assert_allclose(w, w_next, rtol=1e-14)
    np.testing.assert_allclose(v, v_next, rtol=1e-14)


def test_to_device_and_to_host_give_back_what_they_get(ops):
    x = image([1, 2])
    assert ops.to_device(x) is x and ops.to_host(x) is x


def test_with_ceil_mode_a_window_larger_than_the_image_is_clipped_too(ops):
    """1 + ⌈(2 − 3) / 2⌉ = 1: the window hangs over the far edge, as the formula has it."""
    x = np.array([[[[1.0, 4.0], [3.0, 2.0]]]])
    y, _ = ops.pool_forward(x, z=3, s=2, ceil_mode=True)
    assert y.tolist() == [[[[4.0]]]]
    y, _ = ops.average_pool_forward(x, z=3, s=2, ceil_mode=True)
    assert y.tolist() == [[[[2.5]]]]
    y, _ = ops.conv_forward(x, np.ones((1, 1, 3, 3)), np.zeros(1), stride=2, ceil_mode=True)
    assert y.tolist() == [[[[10.0]]]]
    with pytest.raises(ValueError, match="a window of 3×3 does not fit into 2×2 pixels"):
        ops.pool_forward(x, z=3, s=1, ceil_mode=True)
