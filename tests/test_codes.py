"""Binary codes from features, and what they are worth."""

import numpy as np
import pytest

from minicnn import fast, reference
from minicnn.experiments import binary_codes


def clouds(rng, images, classes=4, D=40):
    """Return features in as many clouds as there are classes, and the class of each image."""
    centres = 3 * np.random.default_rng(9).standard_normal((classes, D))
    labels = np.arange(images) % classes
    features = centres[labels] + rng.standard_normal((images, D))
    return features.astype(np.float32), labels


def test_codes_of_one_class_are_nearer_than_those_of_another():
    rng = np.random.default_rng(0)
    features, labels = clouds(rng, 400)
    coder = binary_codes.train_coder(fast, features, 16, rng, epochs=10)
    base = coder(features)
    assert base.dtype == np.uint8 and base.shape == (400, 2)
    queries, query_labels = clouds(rng, 50)
    found = binary_codes.nearest_codes(coder(queries), base, 5)
    assert (labels[found] == query_labels[:, None]).mean() > 0.9
    untrained = binary_codes.train_coder(fast, features, 16, np.random.default_rng(0), epochs=0)
    assert not np.array_equal(untrained(features), base)


def test_both_backends_learn_the_same_code():
    features, _ = clouds(np.random.default_rng(0), 60)
    features = features.astype(np.float64)
    found = [
        binary_codes.train_coder(ops, features, 24, np.random.default_rng(1), epochs=3)(features)
        for ops in (reference, fast)
    ]
    np.testing.assert_array_equal(*found)


def test_hamming_distance_counts_the_bits_that_differ():
    base = np.array([[0b1111, 0], [0b0001, 0], [0, 0b0011], [0, 0]], np.uint8)
    queries = np.array([[0, 0], [0b1111, 0b1000]], np.uint8)
    found = binary_codes.nearest_codes(queries, base, 4)
    np.testing.assert_array_equal(found, [[3, 1, 2, 0], [0, 1, 3, 2]])  # 0 1 2 4; 1 4 5 7


def test_the_comparison_has_a_line_for_the_features_and_one_for_each_length():
    rng = np.random.default_rng(0)
    features, labels = clouds(rng, 200)
    lines = binary_codes.compare(
        fast, features, labels, *clouds(rng, 20), rng, bits=(8, 64), epochs=5
    )
    assert [line["name"] for line in lines] == ["features", "8 bits", "64 bits"]
    assert [line["bytes"] for line in lines] == [160, 1, 8]
    assert lines[0]["agreement"] > 0.9 and lines[2]["agreement"] > 0.9
    assert all(line["milliseconds"] > 0 for line in lines)
    table = binary_codes.report(lines, 10)
    assert table.count("\n") == 3 and "64 bits" in table and "same class among 10" in table


def test_what_cannot_be_coded_is_refused():
    rng = np.random.default_rng(0)
    features, _ = clouds(rng, 40)
    for bits in (0, 12):
        with pytest.raises(ValueError, match=f"bits = {bits}; expected a multiple of 8"):
            binary_codes.train_coder(fast, features, bits, rng)
    with pytest.raises(ValueError, match="all features are the same"):
        binary_codes.train_coder(fast, np.ones_like(features), 8, rng)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="a smaller learning rate"):
        binary_codes.train_coder(fast, features, 8, rng, epsilon=1e6)
