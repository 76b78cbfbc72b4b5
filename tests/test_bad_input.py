"""Bad input gets one sentence: which argument, what it was, what was expected, what to do."""

import numpy as np
import pytest

from minicnn import data, fast, net, reference
from minicnn.__main__ import main, parser
from minicnn.data import augment, batches, views
from minicnn.experiments import binary_codes, figure1, figure1_sweep, neighbours, timeline
from minicnn.experiments.column_specialization import experiment
from minicnn.networks import catalogue
from minicnn.training import evaluate, predictor, schedules, train


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
    ([X, WEIGHTS[0], B], {}, ValueError, "w has shape (3, 2, 2); expected 4 axes (K, C, f, f)"),
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


ACTIVATIONS = ["relu", "tanh", "logistic"]  # the cache of each is (y,)


def refuse_caches_of_others(ops, other_backend):
    """Give every backward function the caches of all other layers, and what is no cache at all."""
    square = [zeros(2, 2), zeros(2, 2), zeros(2)]
    layers = [*LAYERS, ("fc", square, {}), ("softmax_loss", [zeros(2, 4), LABELS], {})]

    def run(backend):
        return [(n, *getattr(backend, f"{n}_forward")(*args, **q)) for n, args, q in layers]

    for name, y, own in run(ops):
        alike = ACTIVATIONS if name in ACTIVATIONS else [name]
        caches = [cache for n, _, cache in run(ops) + run(other_backend) if n not in alike]
        caches += [c for n, _, c in run(other_backend) if n == name and len(c) != len(own)]
        for cache in [*caches, None, 5, (), [], (None,) * len(own), own[0]]:
            arguments = [cache] if name == "softmax_loss" else [y, cache]
            sentence = said_by(TypeError, getattr(ops, f"{name}_backward"), *arguments)
            assert f"expected what {name}_forward of the same backend returned" in sentence


def test_a_cache_of_another_layer_or_backend_is_refused_by_name(ops):
    refuse_caches_of_others(ops, reference if ops is fast else fast)


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


# Every number, name and switch of the functions beside the layers, by its kind.

WHOLE = [np.nan, -1, 2.5, "3", [], True, 10**400]
NUMBER = [np.nan, np.inf, -0.1, "x", [], True, 10**400]
SENSELESS = {
    "count": [*WHOLE, 0, None],
    "whole": [*WHOLE, None],
    "number": [*NUMBER, None],
    "positive": [*NUMBER, 0, None],
    "chance": [*NUMBER, 1, 1.5, None],
    "share": [*NUMBER, 1.5],
    "above 1": [*NUMBER, 0, 0.1, 1, None],
    "name": ["", 0, [], b"x", "a\0b"],
    "switch": [0, "no", None, []],
    "dict": [0, "x", [], {1}],
    "rng": [0, "x", np.random],
}
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 3, 12, 12), np.uint8)
MEAN, LABELS_4 = np.zeros((3, 12, 12), np.float32), np.arange(4) % 3
FEATURES = np.random.default_rng(0).standard_normal((12, 6))
CODES, EVEN = np.zeros((5, 2), np.uint8), np.full((4, 3), 1 / 3)
SHOWN = {"images": IMAGES, "mean": MEAN, "size": 8}
FEW_IMAGES = data.with_moments((IMAGES, LABELS_4, IMAGES, LABELS_4, ("a", "b", "c")))
FEW = {"classes": 3, "kernels": (2, 2, 2, 2, 2), "hidden": 3, "size": 64}


def rng():
    return np.random.default_rng(0)


def start_training(**options):
    layers = [net.row("fc", reference, "fc", net.gaussian(rng(), (3, 432), 0.1))]
    data_set = {"train_data": (IMAGES.astype("f4"), LABELS_4), "rng": rng(), "epochs": 1}
    return train.train(layers, reference, **data_set | {"progress": False} | options)


def call(function, **given):
    return lambda **options: function(**{**given, **options})


PARAMETERS = [
    (start_training, "epochs batch workers", "count"),
    (start_training, "seed", "whole"),
    (start_training, "epsilon decay save_every", "number"),
    (start_training, "momentum", "chance"),
    (start_training, "until", "share"),
    (start_training, "resume progress", "switch"),
    (start_training, "folder title", "name"),
    (start_training, "settings inputs", "dict"),
    (start_training, "rng", "rng"),
    (call(schedules.divide_at, epochs=[1]), "by", "above 1"),
    (lambda epochs: schedules.divide_at([epochs]), "epochs", "count"),
    (schedules.divide_on_stall, "patience", "count"),
    (schedules.divide_on_stall, "times", "whole"),
    (schedules.divide_on_stall, "by", "above 1"),
    (call(augment.random_views, rng=rng(), **SHOWN), "size", "count"),
    (call(augment.random_views, rng=rng(), **SHOWN), "rng", "rng"),
    (call(augment.random_views, rng=rng(), least=9, **SHOWN), "size", "count"),
    (lambda least: augment.random_views(**SHOWN, rng=rng(), least=least or 0), "least", "count"),
    (call(augment.colour_noise, eigenvalues=np.ones(3), eigenvectors=np.eye(3), N=2, rng=rng()),
     "sigma", "number"),
    (call(augment.central_views, **SHOWN), "size", "count"),
    (lambda **options: list(augment.ten_views(**{**SHOWN, **options})), "size", "count"),
    (call(augment.rescaled, images=IMAGES), "width", "count"),
    (call(views.training_view, mean=MEAN, size=8), "deviation", "positive"),
    (call(views.central_view, mean=MEAN, size=8), "deviation", "positive"),
    (call(batches.Batches, images=IMAGES, labels=LABELS_4, order=np.arange(4), batch=2,
          view=train.unchanged, seed=0, epoch=0), "batch workers", "count"),
    (call(batches.Batches, images=IMAGES, labels=LABELS_4, order=np.arange(4), batch=2,
          view=train.unchanged, seed=0, epoch=0), "seed epoch first_step", "whole"),
    (call(evaluate.error, probabilities=EVEN, labels=LABELS_4), "k", "count"),
    (call(evaluate.choose_weights, members=[EVEN], labels=LABELS_4), "rounds", "count"),
    (lambda weights: evaluate.combine([EVEN, EVEN], [1, weights]), "weights", "number"),
    (lambda views: predictor.predict(None, IMAGES, views), "views", "name"),
    (data.load, "name", "name"),
    (lambda count: data.subset(FEW_IMAGES, count), "count", "count"),
    (call(neighbours.nearest, queries=FEATURES, base=FEATURES), "k", "count"),
    (call(binary_codes.nearest_codes, queries=CODES, base=CODES), "k", "count"),
    (call(binary_codes.train_coder, ops=reference, features=FEATURES, bits=8, rng=rng()),
     "bits batch", "count"),
    (call(binary_codes.train_coder, ops=reference, features=FEATURES, bits=8, rng=rng()),
     "epsilon noise", "number"),
    (call(binary_codes.train_coder, ops=reference, features=FEATURES, bits=8), "rng", "rng"),
    (call(catalogue.build, name="alexnet-1gpu", ops=reference, rng=None, **FEW),
     "classes hidden size", "count"),
    (call(catalogue.build, name="alexnet-1gpu", ops=reference, rng=None, **FEW), "std", "number"),
    (call(catalogue.build, name="alexnet-1gpu", ops=reference, rng=None, **FEW),
     "dropout", "chance"),
    (lambda kernels: catalogue.build("alexnet", reference, None, kernels=(2, 2, kernels, 2, 2)),
     "kernels", "count"),
    (lambda network: catalogue.build(network, reference, None), "network", "name"),
    (call(net.row, name="drop", ops=reference, kind="dropout", rng=rng()), "p", "chance"),
    (call(net.row, name="drop", ops=reference, kind="dropout", p=0.5), "rng", "rng"),
    (call(net.row, name="drop", ops=reference), "kind", "name"),
    (call(net.gaussian, rng=rng(), shape=(2, 3)), "std", "number"),
    (lambda shape: net.gaussian(rng(), (2, shape), 1), "shape", "count"),
    (call(timeline.timeline, network="cifar-2gpu", ops=reference), "batch steps", "count"),
    (call(figure1.figure1, ops=reference, out="/nowhere"), "seeds epochs", "count"),
    (call(figure1.figure1, ops=reference), "out", "name"),
    (call(experiment, ops=reference, out="/nowhere"), "seeds epochs", "count"),
    (call(experiment, ops=reference, out="/nowhere"), "epsilon", "number"),
    (call(experiment, ops=reference, out="/nowhere"), "only", "name"),
    (call(experiment, ops=reference), "out", "name"),
    (call(figure1_sweep.study, ops=reference), "out", "name"),
    (lambda most_images: figure1_sweep.study("/nowhere", reference, most_images=most_images or 0),
     "most_images", "count"),
]  # fmt: skip


@pytest.mark.parametrize(
    "function, name, value",
    [
        (function, name, value)
        for function, names, kind in PARAMETERS
        for name in names.split()
        for value in SENSELESS[kind]
        if not (name == "title" and isinstance(value, str))  # a title may be any text
    ],
)
def test_a_number_or_name_that_makes_no_sense_is_refused_by_name(function, name, value):
    with pytest.raises((TypeError, ValueError)) as caught:
        function(**{name: value})
    sentence = str(caught.value)
    assert name in sentence and "\n" not in sentence and len(sentence) < 1000


def options_of_all_commands():
    """Yield (command, the arguments that it requires, option, whether the option is a number)."""
    commands = next(action.choices for action in parser()._actions if action.dest == "command")
    for name, command in commands.items():
        required = ["--experiment"] if name == "halves" else []
        for action in command._actions:
            if not action.option_strings and action.nargs not in ("?", "*"):
                required.append("x" if action.choices is None else list(action.choices)[0])
        for action in command._actions:
            if action.option_strings and action.nargs != 0:
                mine = [] if "--timeline" in action.option_strings else required
                yield name, mine, action.option_strings[-1], action.type is not None


@pytest.mark.parametrize("command, required, option, is_number", list(options_of_all_commands()))
def test_an_option_that_makes_no_sense_is_refused_by_name(
    command, required, option, is_number, capsys
):
    for text in ["", *(["nan", "-1", "x", "1e999", "0x1"] if is_number else [])]:
        with pytest.raises(SystemExit) as left:
            main(
                [command, *required, f"{option}={text}" if option[1] == "-" else f"{option}{text}"]
            )
        assert left.value.code == 2
        said = capsys.readouterr().err
        assert option.strip("-") in said.splitlines()[-1]


@pytest.mark.parametrize("factor", ["1", "0.1", "0"])
def test_epsilon_is_divided_by_more_than_1(factor, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--divide-at", "3", "--divide-by", factor])
    assert f"argument --divide-by: '{factor}' is not a number above 1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict", "test", "import", "prepare"])
def test_a_file_without_a_name_is_refused(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "", "x"])
    assert "expected a name, not nothing" in capsys.readouterr().err
