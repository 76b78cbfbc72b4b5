"""Demands on what is compared: plain finite arrays of the right shapes, which nothing changes."""

import copy
import inspect

import numpy as np

from .. import net


def argument_names(forward, count):
    """Return the names of forward's first parameters."""
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):
        parameters = []
    names = [q.name for q in parameters if q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD)]
    return [names[i] if i < len(names) else f"argument_{i + 1}" for i in range(count)]


def is_loss(backward, y):
    """Return whether y is a loss: a single number, whose backward takes the cache alone."""
    try:
        parameters = inspect.signature(backward).parameters.values()
    except (TypeError, ValueError):
        parameters = []
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    needed = sum(q.kind in kinds and q.default is q.empty for q in parameters)
    return y.ndim == 0 and needed < 2


def is_float64(value):
    return getattr(value, "dtype", None) == np.float64


def float64_copy(name, value):
    """Return floats as a new C-contiguous float64 array, and integers as a plain copy."""
    demand_plain(name, value)
    kind = np.asarray(value).dtype.kind if not isinstance(value, tuple) else "tuple"
    if kind not in "fiub":
        raise TypeError(f"{name} is {described(value)}; expected an array of floats or integers")
    if np.size(value) == 0:
        raise ValueError(f"{name} has shape {np.shape(value)}: there is nothing to check")
    if kind != "f":
        return copy.deepcopy(value)
    array = np.array(value, np.float64, order="C")
    demand_finite(name, array)
    return array


def float64_params(layer):
    """Return a layer's parameters as float64; with two columns each is a pair."""
    params = {}
    for letter, value in layer.params.items():
        name = f"{layer.name}.{letter}"
        copies = [demand_floats(name, float64_copy(name, array)) for array in net.columns(value)]
        params[letter] = tuple(copies) if isinstance(value, tuple) else copies[0]
    return params


def y_copy(title, y):
    """Return a copy of forward's result y, whose memory forward may reuse."""
    y = net.on_host(y)
    demand_plain(f"{title}: y", y)
    return np.array(y)


def described(value):
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else f"a {type(value).__name__}"


def demand_pair(who, returned):
    """Return what forward returned; raise TypeError if it is not a pair (y, cache)."""
    if not isinstance(returned, tuple) or len(returned) != 2:
        kind = described(returned)
        raise TypeError(f"{who} returned {kind}; expected a pair: return y, cache")
    return returned


def demand_unchanged(who, before, after):
    for name, value in before.items():
        if not np.array_equal(value, after[name], equal_nan=True):
            raise ValueError(
                f"{who} changed its argument {name}; it must stay as it is: work on a copy"
            )


def demand_plain(name, value):
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, but gradients have no mask; expected a plain array, e.g. "
            f".filled(0)"
        )
    if isinstance(value, np.matrix):
        raise TypeError(
            f"{name} is an np.matrix, whose * is a matrix product; expected a plain array, e.g. .A"
        )


def demand_floats(name, value):
    if not is_float64(value):
        raise TypeError(
            f"{name} is {described(value)}; expected floats, which can be nudged: "
            f".astype(np.float64)"
        )
    return value


def demand_finite(name, array):
    if not np.isfinite(array).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        raise ValueError(f"{name} is {array[place]} at {place}; expected finite numbers")


def demand_numbers(title, y):
    if y.dtype != np.float64:
        raise TypeError(f"{title}: y is {y.dtype}; expected float64, as all arguments are")
    if y.size == 0:
        raise ValueError(f"{title}: y has shape {y.shape}: there is nothing to check")
    demand_finite(f"{title}: y", y)


def demand_gradient(title, name, array, gradient):
    """Return a copy of the gradient, which the next run cannot overwrite."""
    gradient = net.on_host(gradient)
    gradient = np.asarray(gradient) if isinstance(gradient, float) else gradient
    demand_plain(f"{title}: d{name}", gradient)
    if not isinstance(gradient, (np.ndarray, np.generic)):
        kind = described(gradient)
        raise TypeError(f"{title}: d{name} is {kind}; expected an array of shape {array.shape}")
    if gradient.shape != array.shape:
        hint = " (is it transposed?)" if gradient.shape == array.shape[::-1] else ""
        raise ValueError(
            f"{title}: d{name} has shape {gradient.shape}{hint}; "
            f"expected {array.shape}, the shape of {name}"
        )
    if gradient.dtype != np.float64:
        raise TypeError(f"{title}: d{name} is {gradient.dtype}; expected float64, as {name} is")
    return np.array(gradient)
