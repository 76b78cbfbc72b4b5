"""Predictions from several views, errors, and ensembles."""

import numpy as np
import pytest

from minicnn import fast, net, reference
from minicnn.networks import alexnet
from minicnn.training import evaluate


def some_probabilities(rng, N=11, classes=5):
    return reference.softmax(rng.standard_normal((N, classes)))


def small_alexnet(ops, dtype=np.float64):
    layers = alexnet.alexnet(
        ops,
        np.random.default_rng(0),
        classes=5,
        kernels=(4, 6, 4, 6, 4),
        hidden=7,
        size=67,
        std=0.1,
        dtype=dtype,
    )
    return net.predicting(layers, ops)


@pytest.mark.parametrize("ops", [reference, fast])
def test_probabilities_of_all_views_are_averaged_and_not_their_scores(ops, monkeypatch):
    layers = small_alexnet(ops)
    images = np.random.default_rng(1).standard_normal((7, 3, 67, 67))

    def views(some):
        yield some
        yield 3 * some[:, :, :, ::-1]

    answers = [reference.softmax(net.forward(layers, x)[0]) for x in views(images)]
    monkeypatch.setattr(evaluate, "BATCH_VALUES", 3 * images[0].size)  # several batches
    found = evaluate.predict(layers, ops, images, views)
    np.testing.assert_allclose(found, (answers[0] + answers[1]) / 2, rtol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_an_error_is_a_right_class_that_is_not_among_the_best():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.4, 0.4, 0.2], [0.4, 0.4, 0.2]])
    labels = np.array([1, 2, 0, 1])  # second, first, first of two equals, second of two equals
    assert evaluate.error(probabilities, labels) == 2 / 4
    assert evaluate.error(probabilities, labels, k=2) == 0
    assert evaluate.error(probabilities, np.array([2, 0, 2, 2]), k=2) == 1


def test_the_confusion_table_counts_right_classes_by_row_and_answers_by_column():
    probabilities = np.eye(3)[[0, 1, 1, 2, 0]]
    table = evaluate.confusion(probabilities, np.array([0, 1, 2, 2, 1]))
    np.testing.assert_array_equal(table, [[1, 0, 0], [1, 1, 0], [0, 1, 1]])


@pytest.mark.parametrize("ops", [reference, fast])
def test_a_dense_network_gives_the_same_scores_at_the_size_it_was_trained_on(ops):
    layers = small_alexnet(ops)
    images = np.random.default_rng(1).standard_normal((2, 3, 67, 67))
    scores, _ = net.forward(layers, images)
    maps, _ = net.forward(evaluate.dense(layers, ops, 67), images)
    assert maps.shape == (2, 5, 1, 1)
    np.testing.assert_allclose(maps[:, :, 0, 0], scores, rtol=1e-9, atol=1e-12)


def test_a_dense_network_reads_a_larger_image_at_every_place_where_it_fits():
    rng = np.random.default_rng(0)
    layers = [  # no padding: then a place knows nothing of the image around it
        net.row("conv1", fast, "conv", net.gaussian(rng, (4, 3, 3, 3), 1, 0, np.float64), stride=2),
        net.row("relu1", fast, "relu"),
        net.row("pool1", fast, "pool"),
        net.row("fc2", fast, "fc", net.gaussian(rng, (6, 16), 1, 1, np.float64)),
        net.row("relu2", fast, "relu"),
        net.row("fc3", fast, "fc", net.gaussian(rng, (5, 6), 1, 1, np.float64)),
    ]
    image = rng.standard_normal((1, 3, 11, 15))
    dense = evaluate.dense(layers, fast, 11)
    maps, _ = net.forward(dense, image)
    assert maps.shape == (1, 5, 1, 2)  # the second place is 4 pixels to the right of the first
    for place, left in enumerate((0, 4)):
        scores, _ = net.forward(layers, np.ascontiguousarray(image[:, :, :, left : left + 11]))
        np.testing.assert_allclose(maps[0, :, 0, place], scores[0], rtol=1e-9)
    averaged = evaluate.predict(dense, fast, image, lambda some: [some])
    np.testing.assert_allclose(averaged, reference.softmax(maps.mean(axis=(2, 3))), rtol=1e-9)


def test_scores_that_are_no_numbers_are_refused():
    layers = small_alexnet(fast)
    layers[0].params["w"][0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="scores are NaN or infinite"):
        evaluate.predict(layers, fast, np.ones((2, 3, 67, 67)), lambda some: [some])


def test_two_columns_are_not_read_densely():
    rng = np.random.default_rng(0)
    layers = alexnet.two_columns(
        reference, rng, classes=4, kernels=(4, 4, 4, 4, 4), hidden=4, size=67
    )
    with pytest.raises(ValueError, match="two columns has no dense view"):
        evaluate.dense(layers, reference, 67)


def test_an_ensemble_is_the_weighted_mean_of_its_members():
    rng = np.random.default_rng(0)
    a, b = some_probabilities(rng), some_probabilities(rng)
    np.testing.assert_allclose(evaluate.combine([a, b]), (a + b) / 2)
    np.testing.assert_allclose(evaluate.combine([a, b], [1, 3]), (a + 3 * b) / 4)
    with pytest.raises(ValueError, match="the members have shapes"):
        evaluate.combine([a, b[:5]])


def test_chosen_weights_make_the_right_classes_most_probable():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 200)
    good = reference.softmax(rng.standard_normal((200, 5)) + 2 * np.eye(5)[labels])
    other = reference.softmax(rng.standard_normal((200, 5)) + np.eye(5)[labels])
    useless = some_probabilities(rng, 200)
    members = [useless, good, other]
    weights = evaluate.choose_weights(members, labels)
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
    assert weights[1] > weights[2] > weights[0]

    def log_probability(weights):
        own = evaluate.combine(members, weights)[np.arange(200), labels]
        return np.log(own).mean()

    best = log_probability(weights)
    for _ in range(50):
        assert log_probability(rng.dirichlet(np.ones(3))) <= best + 1e-9


COUNTED = (
    evaluate.error,
    evaluate.confusion,
    lambda p, labels: evaluate.choose_weights([p], labels),
)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u2"])
def test_labels_of_any_type_of_whole_numbers_count_alike(kind):
    rng = np.random.default_rng(2)
    probabilities = some_probabilities(rng, 300, 120)
    labels = rng.integers(0, 120, 300)
    for count in COUNTED:
        expected = count(probabilities, labels)
        np.testing.assert_array_equal(count(probabilities, labels.astype(kind)), expected)
    table = evaluate.confusion(np.eye(120)[labels], labels.astype(kind))
    np.testing.assert_array_equal(table, np.diag(np.bincount(labels, minlength=120)))


class Tensor:
    """An object that NumPy would turn into an array unasked, as one of torch."""

    dtype, shape = "torch.int64", (4,)

    def __array__(self, dtype=None, copy=None):
        return np.zeros(4, np.int64)


@pytest.mark.parametrize(
    "labels, exception, telling",
    [
        (np.array([0, 1, -1, 2]), ValueError, r"expected 0 … 4 for 5 classes; labels\[2\] is -1$"),
        (np.array([0, -100, 1, 2], np.int8), ValueError, r"labels\[1\] is -100"),
        (
            np.array([0, 1, 2, 5], np.uint8),
            ValueError,
            r"for 5 classes; labels\[3\] is 5$",
        ),
        (
            np.array([2**64 - 1, 1, 2, 3], np.uint64),
            ValueError,
            r"labels\[0\] is 18446744073709551",
        ),
        (
            np.array([0.0, 1, 2, 3]),
            TypeError,
            "labels has dtype float64; expected an array of whole",
        ),
        (
            np.array([True, False] * 2),
            TypeError,
            "labels has dtype bool; expected an array of whole",
        ),
        (np.array([0, 1, 2, 3], object), TypeError, "labels has dtype object"),
        (np.array(["0", "1", "2", "3"]), TypeError, "labels has dtype <U1"),
        ([0, 1, 2, 3], TypeError, "labels is a list; expected an array of whole numbers"),
        ([[0], [1], [2], [3]], TypeError, "labels is a list"),
        (Tensor(), TypeError, "labels is a Tensor; expected an array of whole numbers"),
        (np.ma.array([0, 1, 2, 3], mask=[0, 1, 0, 0]), TypeError, "is a masked array; expected an"),
        (np.array(3), ValueError, r"labels has shape \(\); expected one label per image, \(4,\)"),
        (
            np.array([3]),
            ValueError,
            r"labels has shape \(1,\); expected one label per image, \(4,\)",
        ),
        (np.array([[0, 1, 2, 3]]), ValueError, r"labels has shape \(1, 4\)"),
        (np.array([[0], [1], [2], [3]]), ValueError, r"labels has shape \(4, 1\)"),
        (np.array([0, 1, 2, 3, 4]), ValueError, r"labels has shape \(5,\)"),
        (3, TypeError, "labels is a int"),
    ],
)
def test_labels_that_are_not_one_class_an_image_are_refused(labels, exception, telling):
    probabilities = some_probabilities(np.random.default_rng(3), 4)
    for count in COUNTED:
        with pytest.raises(exception, match=telling) as caught:
            count(probabilities, labels)
        assert "\n" not in str(caught.value)


def test_labels_may_lie_in_a_file(tmp_path):
    np.save(tmp_path / "labels.npy", np.array([1, 0, 2], np.uint8))
    labels = np.load(tmp_path / "labels.npy", mmap_mode="r")
    assert evaluate.error(np.eye(3)[[1, 0, 0]], labels) == 1 / 3


def test_probabilities_that_are_no_numbers_or_none_at_all_are_refused():
    probabilities = some_probabilities(np.random.default_rng(4), 4)
    probabilities[2, 1] = np.nan
    for count in COUNTED:
        with pytest.raises(ValueError, match=r"probabilities\[2\] are NaN or infinite"):
            count(probabilities, np.arange(4))
        with pytest.raises(ValueError, match="at least one image"):
            count(np.zeros((0, 5)), np.zeros(0, int))
        with pytest.raises(ValueError, match="probabilities has shape"):
            count(np.zeros(5), np.arange(5))
    with pytest.raises(ValueError, match="error: k = 0; expected a whole number of at least 1"):
        evaluate.error(np.eye(4), np.arange(4), k=0)
    with pytest.raises(ValueError, match="there are no members"):
        evaluate.choose_weights([], np.arange(4))


def test_a_broken_pixel_is_not_blamed_on_the_weights():
    layers = small_alexnet(reference)
    images = np.random.default_rng(5).standard_normal((3, 3, 67, 67))
    images[1, 2, 3, 4] = np.inf
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="image 1 has NaN or infinite"):
        evaluate.predict(layers, reference, images, lambda some: [some])
    images[1, 2, 3, 4] = 0
    layers[0].params["w"][0, 0, 0, 0] = np.nan
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="are broken, in conv1.w"):
        evaluate.predict(layers, reference, images, lambda some: [some])


def test_no_images_and_a_view_that_loses_some_are_refused():
    layers = small_alexnet(reference)
    with pytest.raises(ValueError, match="predict: there are no images"):
        evaluate.predict(layers, reference, np.zeros((0, 3, 67, 67)), lambda some: [some])
    with pytest.raises(ValueError, match="predict: the view of 3 images has 2"):
        evaluate.predict(layers, reference, np.zeros((3, 3, 67, 67)), lambda some: [some[1:]])
