"""The arguments that a learner's function is called with: a case by hand, then awkward shapes.

    title    the tutor's name of the case
    args     the arguments, as a tuple; for a backward pass dy and the cache of the real forward
    options  {keyword: value}; rng is a Seed, so that every call draws the same numbers
    inputs   {name: value} of the forward pass, for finite differences and for display
    dy       the gradient that a backward pass is given, else None

No two sizes are equal, strides do not divide evenly, and windows overlap, leave gaps or hang over
the edge, because simpler cases hide many mistakes.

A function …_inputs yields (inputs, options, dy); if dy is None, it is drawn at random.
"""

import functools
from collections import namedtuple

import numpy as np

from minicnn import reference

from .catalogue import find, forward_of, function

Case = namedtuple("Case", "title args options inputs dy")
Seed = namedtuple("Seed", "number")
BY_HAND = "by hand"


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def image(*rows):
    """Return one image with one channel."""
    return np.array(rows, np.float64)[None, None]


def pixel(*channels):
    """Return one image of one pixel."""
    return np.array(channels, np.float64)[None, :, None, None]


def ties(*shape):
    """Return small whole numbers, with zeros and equal neighbours among them."""
    return np.round(normal(*shape))


def weights(*shape):
    return {"w": normal(*shape, seed=1), "b": normal(*(shape[:-3] or shape[:1]), seed=2)}


def relu_inputs():
    yield {"x": np.array([-1.0, 0, 2, 3])}, {}, np.array([10.0, 20, 30, -40])
    yield {"x": normal(2, 3, 7, 5)}, {}, None
    yield {"x": ties(4, 6)}, {}, None


def tanh_inputs():
    yield {"x": np.array([0.0, 1, -2, 5])}, {}, np.array([1.0, 10, 10, 100])
    yield {"x": normal(2, 3, 7, 5)}, {}, None
    yield {"x": normal(4, 6)}, {}, None


def fc_inputs():
    w, b = np.array([[1.0, 0, 2], [0, -1, 1]]), np.array([10.0, 20])
    x, dy = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 0]]), np.array([[1.0, 0], [0, 1], [2, -1]])
    yield {"x": x, "w": w, "b": b}, {}, dy
    yield {"x": normal(5, 6), **weights(4, 6)}, {}, None
    yield {"x": normal(2, 3, 5, 4), **weights(7, 60)}, {}, None


def im2col_inputs():
    x = np.arange(1.0, 13).reshape(1, 3, 4)
    yield {"x": x, "f": 2, "stride": 1, "pad": 0, "H_out": 2, "W_out": 3}, {}, None
    for C, H, W, f, stride, pad, H_out, W_out in WINDOWS:
        sizes = {"f": f, "stride": stride, "pad": pad, "H_out": H_out, "W_out": W_out}
        yield {"x": normal(C, H, W), **sizes}, {}, None


def col2im_inputs():
    sizes = {"f": 2, "stride": 1, "pad": 0, "H_out": 2, "W_out": 3}
    dcols = np.arange(1.0, 25).reshape(4, 6)
    yield {"dcols": dcols, "shape": (1, 3, 4), **sizes}, {}, None
    for C, H, W, f, stride, pad, H_out, W_out in WINDOWS:
        dcols = normal(C * f * f, H_out * W_out)
        sizes = {"f": f, "stride": stride, "pad": pad, "H_out": H_out, "W_out": W_out}
        yield {"dcols": dcols, "shape": (C, H, W), **sizes}, {}, None


WINDOWS = [  # C, H, W, f, stride, pad, H_out, W_out
    (3, 7, 5, 2, 2, 0, 3, 2),  # gaps: no pixel is in two windows
    (2, 6, 5, 3, 1, 0, 4, 3),
    (2, 5, 7, 3, 2, 1, 3, 4),
    (2, 6, 9, 4, 3, 0, 2, 3),  # ceil mode: the last windows hang over the far edge
]


def conv_inputs():
    first, second = image([1, 2, 3], [4, 5, 6], [7, 8, 9]), image([0, 1, 0], [0, 0, 2], [3, 0, 0])
    x = np.concatenate([first, second], axis=1)
    w = np.concatenate([image([1, -1], [0, 2]), image([0, 10], [20, 30])], axis=1)
    yield {"x": x, "w": w, "b": np.array([100.0])}, {}, image([1, 0], [3, 2])
    yield {"x": normal(2, 3, 7, 5), **weights(4, 3, 3, 3)}, {}, None
    yield {"x": normal(2, 3, 9, 7), **weights(5, 3, 2, 2)}, {"stride": 3, "pad": 1}, None
    yield {"x": normal(2, 4, 5, 6), **weights(6, 2, 3, 3)}, {"pad": 1, "groups": 2}, None
    yield {"x": normal(2, 3, 6, 9), **weights(4, 3, 4, 4)}, {"stride": 3, "ceil_mode": True}, None


def local_inputs():
    x, w = image([1, 2, 3], [4, 5, 6]), np.array([[[1.0, 0], [0, 10]], [[0, 1], [10, 0]]])
    w, b = w[None, :, None, None], np.array([[[100.0], [200]]])
    yield {"x": x, "w": w, "b": b}, {}, image([1, 2])
    yield {"x": normal(2, 3, 7, 5), **weights(5, 3, 4, 3, 3, 3)}, {}, None
    yield {"x": normal(2, 3, 9, 7), **weights(4, 3, 5, 3, 2, 2)}, {"stride": 3, "pad": 1}, None
    shared = {**weights(4, 5, 3, 2, 2, 2), "b": normal(3)}
    yield {"x": normal(2, 2, 5, 6), **shared}, {}, None


def pool_inputs():
    x = image([1, 5, 2, 0, 3], [0, 1, 9, 2, 1], [4, 2, 1, 3, 0])
    yield {"x": x}, {}, image([18, 9])
    yield {"x": normal(2, 3, 7, 9)}, {"z": 2, "s": 2}, None
    yield {"x": normal(2, 3, 7, 9)}, {"z": 3, "s": 2}, None
    yield {"x": ties(2, 3, 5, 7) - 4}, {"z": 3, "s": 1}, None
    yield {"x": normal(2, 3, 8, 6) - 4}, {"z": 3, "s": 2, "ceil_mode": True}, None
    yield {"x": normal(2, 3, 8, 7)}, {"z": 2, "s": 3}, None


def lrn_inputs():
    easy = {"k": 1, "n": 3, "alpha": 0.5, "beta": 2}
    yield {"x": pixel(1, 3, 2, 0)}, easy, pixel(36, 0, 0, 1)
    yield {"x": normal(2, 7, 3, 5)}, {"alpha": 0.5}, None
    yield {"x": normal(2, 6, 5, 3)}, {"k": 1, "n": 4, "alpha": 0.3, "beta": 0.6}, None
    yield {"x": normal(2, 10, 3, 2)}, {"alpha": 0.5, "groups": 2}, None
    yield {"x": normal(2, 7, 3, 5)}, {}, None


def map_lrn_inputs():
    easy = {"k": 1, "n": 3, "alpha": 9, "beta": 2}
    yield {"x": image([1, 2, 3])}, easy, image([36, 0, 0])
    yield {"x": normal(2, 3, 7, 5)}, {"alpha": 0.5}, None
    yield {"x": normal(2, 3, 5, 6)}, {"k": 2, "n": 4, "alpha": 3, "beta": 0.6}, None
    yield {"x": normal(2, 3, 6, 7)}, {"n": 5, "alpha": 5}, None
    yield {"x": normal(2, 3, 7, 5)}, {}, None


def dropout_inputs():
    yield {"x": np.arange(1.0, 9)}, {"p": 0.5, "rng": Seed(1)}, np.arange(10.0, 90, 10)
    yield {"x": normal(2, 3, 7, 5)}, {"p": 0.5, "rng": Seed(5)}, None
    yield {"x": normal(2, 3, 7, 5)}, {"p": 0.5, "rng": Seed(5)}, None  # the same call again
    yield {"x": normal(2, 3, 7, 5)}, {"p": 0.5, "rng": Seed(6)}, None
    yield {"x": normal(40, 50)}, {"p": 0.2, "rng": Seed(5)}, None


def softmax_inputs():
    yield {"scores": np.log([[1.0, 3, 4], [5, 2, 1]])}, {}, None
    yield {"scores": normal(5, 3)}, {}, None
    yield {"scores": 2 * normal(3, 4) + 1000}, {}, None
    yield {"scores": np.array([[0.0, 1, 2], [-2000, -2001, -2002], [1e4, 0, 3]])}, {}, None


def softmax_loss_inputs():
    yield {"scores": np.log([[1.0, 3, 4], [5, 2, 1]]), "labels": np.array([2, 0])}, {}, None
    yield {"scores": normal(5, 3), "labels": np.array([2, 0, 1, 1, 2])}, {}, None
    yield {"scores": 2 * normal(3, 4) + 1000, "labels": np.array([3, 0, 1])}, {}, None
    scores = np.array([[0.0, 1, 2], [-2000, -2001, -2002], [1e4, 0, 3]])
    yield {"scores": scores, "labels": np.array([2, 0, 1])}, {}, None


def sgd_update_inputs():
    w, v, dw = np.array([1.0, -2]), np.array([0.5, 0]), np.array([10.0, 20])
    yield {"w": w, "v": v, "dw": dw, "epsilon": 0.1}, {"momentum": 0.9, "decay": 0.5}, None
    three = {"w": normal(4, 3), "v": normal(4, 3, seed=1), "dw": normal(4, 3, seed=2)}
    yield {**three, "epsilon": 0.01}, {}, None
    yield {**three, "epsilon": 0.3}, {"momentum": 0.5, "decay": 0.1}, None


INPUTS = {
    "relu": relu_inputs,
    "tanh": tanh_inputs,
    "fc": fc_inputs,
    "im2col": im2col_inputs,
    "col2im": col2im_inputs,
    "conv": conv_inputs,
    "local": local_inputs,
    "pool": pool_inputs,
    "average_pool": pool_inputs,
    "lrn": lrn_inputs,
    "map_lrn": map_lrn_inputs,
    "dropout": dropout_inputs,
    "softmax": softmax_inputs,
    "softmax_loss": softmax_loss_inputs,
    "sgd_update": sgd_update_inputs,
}


@functools.cache
def cases(name):
    """Return the Cases of an exercise; the first can be done by hand, the last is in float32."""
    layer = name.removesuffix("_backward").removesuffix("_forward")
    specs = list(INPUTS[layer]())
    listed = [case(name, *spec) for spec in specs]
    for k, repeat in enumerate(listed):
        if repeat.title in [earlier.title for earlier in listed[:k]]:
            listed[k] = repeat._replace(title=f"{repeat.title}, again")
    listed[0] = listed[0]._replace(title=BY_HAND)
    inputs, options, dy = specs[1]
    single = {letter: as_float32(value) for letter, value in inputs.items()}
    last = case(name, single, options, dy)
    return *listed, last._replace(title=f"{last.title}, float32")


def as_float32(value):
    is_float = isinstance(value, np.ndarray) and value.dtype == np.float64
    return value.astype(np.float32) if is_float else value


def case(name, inputs, options, dy):
    """Return a Case; a backward pass gets the cache of the real forward pass."""
    title = ", ".join(
        [*map(described, inputs, inputs.values()), *map(described, options, options.values())]
    )
    if not name.endswith("_backward"):
        return Case(title, tuple(inputs.values()), options, inputs, None)
    y, cache = getattr(reference, forward_of(name))(*inputs.values(), **with_generators(options))
    if np.ndim(y) == 0:
        return Case(title, (cache,), {}, {**inputs, **options}, None)
    dy = normal(*y.shape, seed=3) if dy is None else dy
    dy = dy.astype(y.dtype)
    return Case(title, (dy, cache), {}, {**inputs, **options}, dy)


def described(name, value):
    """Return "x (2, 3, 7, 5)" for an array, "seed 5" for a Seed, "stride=2" for other values."""
    if isinstance(value, np.ndarray):
        return f"{name} {value.shape}"
    return f"seed {value.number}" if isinstance(value, Seed) else f"{name}={value}"


def with_generators(options):
    """Return the options with a new generator for each Seed."""
    return {
        name: np.random.default_rng(value.number) if isinstance(value, Seed) else value
        for name, value in options.items()
    }


@functools.cache
def right_answers(name):
    """Return the results of the library's function for all Cases: [{output: value}]."""
    return outcomes(name, function(name))


def outcomes(name, f):
    """Return the results of f for all Cases: [{output: value}], with None where it fails."""
    return results(name, f, cases(name))


def results(name, f, given):
    """Return the results of f for these Cases, with None where it fails."""
    found = []
    for case in given:
        try:
            with np.errstate(all="ignore"):
                found.append(by_output(name, f(*case.args, **with_generators(case.options))))
        except Exception:
            found.append(None)
    return found


def by_output(name, result):
    """Return a result as {output: value}: {"dx": array, "dw": array, "db": array}."""
    outputs = find(name).outputs
    return dict(zip(outputs, result if isinstance(result, tuple) else (result,), strict=True))
