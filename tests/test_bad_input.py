"""Bad input gets one sentence: which argument, what it was, what was expected, what to do."""

import numpy as np
import pytest

from minicnn import fast


def zeros(*shape):
    return np.zeros(shape, np.float32)


N, C, K, H, W, f = 2, 3, 4, 7, 5, 2
X, WEIGHTS, B = zeros(N, C, H, W), zeros(K, C, f, f), zeros(K)
ROWS, FC_WEIGHTS = zeros(N, C * H * W), zeros(K, C * H * W)
PHOTO = np.zeros((N, C, H, W), np.uint8)
MASKED, MATRIX = np.ma.masked_array(X, X > 0), ROWS.view(np.matrix)

# Every case: the layer, its arguments, its options, the exception, and what the sentence must say.

CONV = [
    ([PHOTO, WEIGHTS, B], {}, TypeError, "x has dtype uint8; expected float32 or float64, e.g."),
    ([X.astype(np.float16), WEIGHTS, B], {}, TypeError, "x has dtype float16"),
    ([X.tolist(), WEIGHTS, B], {}, TypeError, "x is a list; expected an array, e.g. np.array(x"),
    ([X, WEIGHTS.tolist(), B], {}, TypeError, "w is a list"),
    ([X, WEIGHTS, 0.0], {}, TypeError, "b is a float"),
    ([X, WEIGHTS, None], {}, TypeError, "b is a NoneType"),
    ([X[0], WEIGHTS, B], {}, ValueError, "x has shape (3, 7, 5); expected 4 axes (N, C, H, W)"),
    ([X, WEIGHTS[0], B], {}, ValueError, "w has shape (3, 2, 2); expected 4 axes"),
    ([X, WEIGHTS, B[:, None]], {}, ValueError, "b has shape (4, 1); expected 1 axes (K,)"),
    ([X.astype(float), WEIGHTS, B], {}, TypeError, "x is float64, w is float32, b is float32"),
    ([X, WEIGHTS, B.astype(float)], {}, TypeError, "b is float64; give all of them the same"),
    ([X, zeros(K, 5, f, f), B], {}, ValueError, "x has 3 channels but w expects 5 (w.shape[1]"),
    ([X, WEIGHTS, B], {"groups": 3}, ValueError, "x has 3 channels but w expects 9 (w.shape[1]"),
    ([X, zeros(K, 1, f, f), B], {"groups": 3}, ValueError, "4 kernels, which do not split into 3"),
    ([X, zeros(K, C, 3, 2), B], {}, ValueError, "w has 3×2 kernels; expected square ones"),
    (
        [X, WEIGHTS, zeros(5)],
        {},
        ValueError,
        "b has shape (5,); expected one bias per kernel, (4,)",
    ),
    ([X, zeros(K, C, 6, 6), B], {}, ValueError, "f = 6, but a window of 6×6 does not fit"),
    ([X, zeros(K, C, 8, 8), B], {"pad": 1}, ValueError, "pixels with 1 of padding at each end"),
    ([X, WEIGHTS, B], {"stride": 0}, ValueError, "stride = 0; expected a whole number of at lea"),
    ([X, WEIGHTS, B], {"stride": 1.5}, ValueError, "stride = 1.5; expected a whole number"),
    ([X, WEIGHTS, B], {"stride": (1, 2)}, ValueError, "stride = (1, 2); expected a whole number"),
    ([X, WEIGHTS, B], {"pad": -1}, ValueError, "pad = -1; expected a whole number of at least 0"),
    ([X, WEIGHTS, B], {"pad": "same"}, ValueError, "pad = 'same'; expected a whole number"),
    ([X, WEIGHTS, B], {"groups": 0}, ValueError, "groups = 0; expected a whole number of at"),
    ([X, WEIGHTS, B], {"stride": 2**31}, ValueError, "expected a whole number up to 2,147,483,647"),
    ([X, WEIGHTS, B], {"stride": np.uint8(0)}, ValueError, "expected a whole number of at least 1"),
    ([X, WEIGHTS, B], {"pad": np.float64(1)}, ValueError, "expected a whole number of at least 0"),
    ([X, WEIGHTS, B], {"ceil_mode": "no"}, TypeError, "ceil_mode = 'no'; expected True or False"),
    ([X, MASKED, B], {}, TypeError, "w is a masked array, whose mask would be lost"),
]
PLACES, PLACE_B = zeros(6, 4, K, C, f, f), zeros(6, 4, K)
LOCAL = [
    ([PHOTO, PLACES, B], {}, TypeError, "x has dtype uint8"),
    ([X, PLACES.tolist(), B], {}, TypeError, "w is a list"),
    ([X, PLACES, 0.0], {}, TypeError, "b is a float"),
    ([X[0], PLACES, B], {}, ValueError, "x has shape (3, 7, 5); expected 4 axes (N, C, H, W)"),
    ([X, WEIGHTS, B], {}, ValueError, "expected 6 axes (H_out, W_out, K, C, f, f)"),
    ([X, PLACES, B.astype(float)], {}, TypeError, "b is float64; give all of them the same"),
    ([X, PLACES[..., 0], B], {}, ValueError, "w has shape (6, 4, 4, 3, 2); expected 6 axes"),
    ([X, PLACES[..., :1], B], {}, ValueError, "w has 2×1 kernels; expected square ones, w of (H"),
    ([X, PLACES[:, :, :0], B], {}, ValueError, "expected at least one kernel of one weight"),
    ([X[:, :2], PLACES, B], {}, ValueError, "x has 2 channels but w expects 3 (w.shape[3] = 3)"),
    ([X, PLACES[:5], B], {}, ValueError, "for 5×4 places (w.shape[:2]), but x has 6×4 windows of"),
    ([X, PLACES, B], {"stride": 2}, ValueError, "for 6×4 places (w.shape[:2]), but x has 3×2 win"),
    ([X, PLACES, B], {"pad": 1}, ValueError, "but x has 8×6 windows of 2×2"),
    ([X[:, :, :1], PLACES, B], {}, ValueError, "f = 2, but a window of 2×2 does not fit into 1×5"),
    ([X, PLACES, PLACE_B[:5]], {}, ValueError, "b has shape (5, 4, 4); expected one bias per ker"),
    ([X, PLACES, B[:3]], {}, ValueError, "(6, 4, 4), or one that all places share, (4,)"),
    ([X, PLACES, B], {"stride": 0}, ValueError, "stride = 0; expected a whole number of at least"),
    ([X, PLACES, B], {"pad": -1}, ValueError, "pad = -1; expected a whole number of at least 0"),
    ([X, PLACES, B], {"pad": 0.5}, ValueError, "pad = 0.5; expected a whole number"),
    ([X, PLACES, np.ma.masked_array(B)], {}, TypeError, "b is a masked array, whose mask would b"),
]
POOL = [
    ([PHOTO], {}, TypeError, "x has dtype uint8"),
    ([X.tolist()], {}, TypeError, "x is a list"),
    ([X[0]], {}, ValueError, "x has shape (3, 7, 5); expected 4 axes (N, C, H, W)"),
    ([X], {"z": 0}, ValueError, "z = 0; expected a whole number of at least 1"),
    ([X], {"z": 2.5}, ValueError, "z = 2.5; expected a whole number"),
    ([X], {"s": 0}, ValueError, "s = 0; expected a whole number of at least 1"),
    ([X], {"z": 6}, ValueError, "z = 6, but a window of 6×6 does not fit"),
]
LRN = [
    ([PHOTO], {}, TypeError, "x has dtype uint8"),
    ([X.tolist()], {}, TypeError, "x is a list"),
    ([ROWS], {}, ValueError, "x has shape (2, 105); expected 4 axes (N, C, H, W)"),
    ([X], {"n": 0}, ValueError, "n = 0; expected a whole number of at least 1"),
    ([X], {"n": 2.5}, ValueError, "n = 2.5; expected a whole number"),
    ([X], {"groups": 0}, ValueError, "groups = 0; expected a whole number"),
    ([X], {"groups": 2}, ValueError, "x has 3 channels, which do not split into 2 equal groups"),
    ([X], {"k": 0}, ValueError, "k = 0, alpha = 0.0001; expected k > 0 and alpha ≥ 0"),
    ([X], {"alpha": -0.5}, ValueError, "alpha = -0.5; expected k > 0 and alpha ≥ 0"),
    ([X], {"alpha": np.nan}, TypeError, "alpha = nan; expected a number"),
    ([X], {"k": 1e-50}, ValueError, "k = 1e-50, alpha = 0.0001, beta = 0.75 are out of range for"),
    ([X], {"k": 1e-45, "beta": 1}, ValueError, "are out of range for float32; expected k > 0"),
    ([X], {"alpha": 1e39}, ValueError, "alpha = 1e+39, beta = 0.75 are out of range for float32"),
    ([X], {"k": np.inf}, TypeError, "k = inf; expected a number, not NaN or infinity"),
    ([X], {"beta": 10**400}, TypeError, "expected a number, not NaN or infinity"),
    ([X], {"k": "2"}, TypeError, "k = '2'; expected a number"),
    ([MASKED], {}, TypeError, "x is a masked array, whose mask would be lost; expected a plain"),
]
MAP_LRN = [case for case in LRN if "groups" not in case[1] and "0.0001" not in case[3]]
MAP_LRN += [
    ([X], {"k": 0}, ValueError, "k = 0, alpha = 5e-05; expected k > 0 and alpha ≥ 0"),
    ([X], {"k": 1e-50}, ValueError, "k = 1e-50, alpha = 5e-05, beta = 0.75 are out of range for"),
]
FC = [
    ([ROWS.astype(np.int64), FC_WEIGHTS, B], {}, TypeError, "x has dtype int64"),
    ([ROWS, FC_WEIGHTS.tolist(), B], {}, TypeError, "w is a list"),
    ([ROWS, X, B], {}, ValueError, "w has shape (2, 3, 7, 5); expected 2 axes"),
    ([ROWS, FC_WEIGHTS, zeros(4, 1)], {}, ValueError, "b has shape (4, 1); expected 1 axes (K,)"),
    ([ROWS.astype(float), FC_WEIGHTS, B], {}, TypeError, "x is float64, w is float32, b is float"),
    ([X[:, :2], FC_WEIGHTS, B], {}, ValueError, "x has shape (2, 2, 7, 5), 70 numbers per image"),
    ([ROWS, zeros(105, K), B], {}, ValueError, "but w expects 4 (w.shape = (105, 4))"),
    ([ROWS[0], FC_WEIGHTS, B], {}, ValueError, "x has shape (105,)"),
    (
        [ROWS, FC_WEIGHTS, zeros(3)],
        {},
        ValueError,
        "b has shape (3,); expected one bias per output",
    ),
]
RNG = {"rng": np.random.default_rng(0)}
DROPOUT = [
    ([PHOTO], RNG, TypeError, "x has dtype uint8"),
    ([X], {}, TypeError, "rng is None; expected a generator such as np.random.default_rng(0)"),
    ([X], {"rng": 7}, TypeError, "rng is 7; expected a generator"),
    ([X], {"rng": np.random}, TypeError, "expected a generator such as np.random.default_rng(0)"),
    (
        [X],
        {"p": 1, **RNG},
        ValueError,
        "p = 1; expected the probability that a unit is set to zero",
    ),
    ([X], {"p": -0.1, **RNG}, ValueError, "p = -0.1; expected the probability"),
    ([X], {"p": np.nan, **RNG}, TypeError, "p = nan; expected a number"),
]
DROPOUT_PREDICT = [
    ([X.tolist()], {}, TypeError, "x is a list"),
    ([X], {"p": 1.5}, ValueError, "p = 1.5; expected the probability that a unit is set to zero"),
]
ANY_SHAPE = [
    ([PHOTO], {}, TypeError, "x has dtype uint8; expected float32 or float64, e.g. x.astype("),
    ([X.astype(np.float16)], {}, TypeError, "x has dtype float16"),
    ([X.astype(complex)], {}, TypeError, "x has dtype complex128"),
    ([[1.0, -2.0]], {}, TypeError, "x is a list; expected an array, e.g. np.array(x, np.float32)"),
    ([None], {}, TypeError, "x is a NoneType"),
    ([MASKED], {}, TypeError, "x is a masked array, whose mask would be lost; expected a plain"),
    ([MATRIX], {}, TypeError, "x is an np.matrix; expected a plain array, e.g. np.asarray(x)"),
    ([X.astype(">f4")], {}, TypeError, "x has dtype >f4; expected float32 or float64"),
]
LABELS = np.array([3, 0])
SOFTMAX_LOSS = [
    ([[[1.0, 2.0]], LABELS], {}, TypeError, "scores is a list"),
    ([zeros(2, 4).astype(np.int64), LABELS], {}, TypeError, "scores has dtype int64"),
    ([zeros(4), LABELS], {}, ValueError, "scores has shape (4,); expected 2 axes"),
    ([zeros(2, 4), [3, 0]], {}, TypeError, "array of whole numbers, one class per image"),
    ([zeros(2, 4), LABELS.astype(float)], {}, TypeError, "array of whole numbers, one class per"),
    ([zeros(2, 4), LABELS > 0], {}, TypeError, "array of whole numbers, one class per image"),
    ([zeros(3, 4), LABELS], {}, ValueError, "labels has shape (2,); expected one label per image"),
    ([zeros(2, 4), LABELS[:, None]], {}, ValueError, "labels has shape (2, 1); expected one"),
    ([zeros(2, 3), LABELS], {}, ValueError, "labels run from 0 to 3; expected 0 … 2 for 3 classes"),
    ([zeros(2, 4), LABELS - 1], {}, ValueError, "labels run from -1 to 2; expected 0 … 3 for 4"),
    ([zeros(0, 4), LABELS[:0]], {}, ValueError, "expected at least one image and one class"),
    ([zeros(2, 4), np.ma.masked_array(LABELS)], {}, TypeError, "labels is a masked array"),
    ([zeros(2, 3), LABELS.astype(np.uint8)], {}, ValueError, "labels run from 0 to 3; expected 0"),
]
CASES = [
    *[("conv", *case) for case in CONV],
    *[("local", *case) for case in LOCAL],
    *[("pool", *case) for case in POOL],
    *[("average_pool", *case) for case in POOL],
    *[("lrn", *case) for case in LRN],
    *[("map_lrn", *case) for case in MAP_LRN],
    *[("fc", *case) for case in FC],
    *[("dropout", *case) for case in DROPOUT],
    *[("dropout_predict", *case) for case in DROPOUT_PREDICT],
    *[(name, *case) for name in ("relu", "tanh", "logistic") for case in ANY_SHAPE],
    *[("softmax_loss", *case) for case in SOFTMAX_LOSS],
]


def said_by(exception, function, *args, **options):
    """Return what the exception says; it must be exactly this one, and say it on one line."""
    with pytest.raises(exception) as caught:
        function(*args, **options)
    assert caught.type is exception
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("name, args, options, exception, telling", CASES)
def test_forward_names_the_argument(ops, name, args, options, exception, telling):
    sentence = said_by(exception, getattr(ops, f"{name}_forward"), *args, **options)
    assert telling in sentence
    assert sentence.startswith(f"{name}: ")


def test_softmax_alone_names_its_scores(ops):
    assert "softmax: scores is a list" in said_by(TypeError, ops.softmax, [[1.0, 2]])
    assert "scores has shape (4,)" in said_by(ValueError, ops.softmax, zeros(4))


# Backward.

LAYERS = [
    ("conv", [X, WEIGHTS, B], {}),
    ("conv", [X, WEIGHTS, B], {"stride": 2, "pad": 1, "ceil_mode": True}),
    ("local", [X, PLACES, PLACE_B], {}),
    ("local", [X, PLACES[:4, :3], B], {"stride": 2, "pad": 1}),
    ("relu", [X], {}),
    ("tanh", [X], {}),
    ("logistic", [X], {}),
    ("lrn", [X], {}),
    ("map_lrn", [X], {}),
    ("pool", [X], {}),
    ("average_pool", [X], {}),
    ("fc", [X, FC_WEIGHTS, B], {}),
    ("dropout", [X], RNG),
    ("dropout_predict", [X], {}),
]


every_layer = pytest.mark.parametrize("name, args, options", LAYERS)


@every_layer
def test_a_dy_of_another_shape_than_y_is_refused(ops, name, args, options):
    y, cache = getattr(ops, f"{name}_forward")(*args, **options)
    backward = getattr(ops, f"{name}_backward")
    for axis in range(y.ndim):
        for change in (-1, 1):
            shape = list(y.shape)
            shape[axis] += change
            sentence = said_by(ValueError, backward, zeros(*shape), cache)
            telling = f"dy has shape {tuple(shape)}; expected the shape of y, {y.shape}"
            assert telling in sentence


@every_layer
def test_a_dy_that_is_no_array_of_the_dtype_of_y_is_refused(ops, name, args, options):
    y, cache = getattr(ops, f"{name}_forward")(*args, **options)
    for dy, exception, telling in [
        (y.astype(np.float64), TypeError, "dy is float64; expected the dtype of y, float32"),
        (y.astype(np.int64), TypeError, "dy has dtype int64; expected float32"),
        (y.tolist(), TypeError, "dy is a list; expected an array"),
        (y.ravel(), ValueError, f"dy has shape ({y.size},); expected the shape of y, {y.shape}"),
    ]:
        assert telling in said_by(exception, getattr(ops, f"{name}_backward"), dy, cache)


# The update.


def test_the_update_names_what_does_not_fit(ops):
    w, v, dw = zeros(3, 5), zeros(3, 5), zeros(3, 5)

    def said(exception, *args, **settings):
        return said_by(exception, ops.sgd_update, *args, **settings)

    assert "sgd_update: w is a list" in said(TypeError, w.tolist(), v, dw, 0.1)
    assert "sgd_update: v is a int" in said(TypeError, w, 0, dw, 0.1)
    assert "sgd_update: dw has dtype int64" in said(TypeError, w, v, dw.astype(int), 0.1)
    sentence = said(TypeError, w, v, dw.astype(float), 0.1)
    assert "w is float32, v is float32, dw is float64; give all of them the same dtype" in sentence
    sentence = said(ValueError, w, v, dw.T, 0.1)
    assert "shapes (3, 5), (3, 5), (5, 3); expected the same shape for" in sentence
    said(ValueError, w, v[:1], dw, 0.1)  # would broadcast
    for same in (w, w[:]):
        assert "w and v are the same memory; expected two arrays" in said(
            ValueError, w, same, dw, 0.1
        )
    assert "sgd_update: v is a masked array" in said(TypeError, w, np.ma.array(v), dw, 0.1)
    assert "momentum = nan; expected a number" in said(TypeError, w, v, dw, 0.1, momentum=np.nan)


def test_fast_refuses_to_update_what_it_cannot_write_into():
    w, frozen, dw = zeros(3, 5), zeros(3, 5), zeros(3, 5)
    frozen.flags.writeable = False
    for args, telling in [
        ([w[:, ::2], w[:, ::2].copy(), dw[:, ::2]], "contiguous"),
        ([w[:, ::2].copy(), w[:, ::2], dw[:, ::2]], "contiguous"),
        ([frozen, w, dw], "read-only"),
        ([w, frozen, dw], "read-only"),
    ]:
        assert telling in said_by(ValueError, fast.sgd_update, *args, 0.1)
