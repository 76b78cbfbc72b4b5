"""The argument checks of every layer in every backend: each mistake gets one sentence.

The sentence names the layer and the argument, and says what it was and what was expected.  The
exception is a TypeError for anything but an array of float32 or float64, and a ValueError for a
wrong shape or value.

Options may be any kind of number, such as np.uint8, in which sums overflow, or np.float64, which
turns float32 into float64.  So a check returns the options as Python's own numbers, and a layer
computes with those.
"""

import math
import numbers
import operator
import os
import unicodedata

import numpy as np

from .shapes import out_size

ARRAY = np.ndarray | np.generic  # an array, or a single number as NumPy returns it
FLOATS = np.dtype(np.float32), np.dtype(np.float64)
MOST = 2**31 - 1  # the largest integer option; no array reaches such a size


def check_array(layer, name, x, ndim=None):
    """x is an array of float32 or float64, with `ndim` axes if that is given."""
    if type(x) is not np.ndarray:
        check_kind(layer, name, x)
    if x.dtype not in FLOATS:
        raise TypeError(
            f"{layer}: {name} has dtype {x.dtype}; expected float32 or float64, "
            f"e.g. {name}.astype(np.float32)"
        )
    if ndim is not None and x.ndim != ndim:
        maps = "(K, C, f, f)" if name == "w" else "(N, C, H, W)"
        axes = {4: maps, 2: "(rows, columns)", 1: "(K,)"}
        wanted = axes.get(ndim, "(H_out, W_out, K, C, f, f)")
        raise ValueError(f"{layer}: {name} has shape {x.shape}; expected {ndim} axes {wanted}")


def check_kind(layer, name, x):
    """x is an array, but no masked array, whose mask would be lost, and no matrix, whose * differs.

    Every call of a layer checks its arrays, so plain ones do not come here.
    """
    if not isinstance(x, ARRAY) and not hasattr(x, "copy_to_host"):
        raise TypeError(
            f"{layer}: {name} is a {type(x).__name__}; expected an array, "
            f"e.g. np.array({name}, np.float32)"
        )
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(
            f"{layer}: {name} is a masked array, whose mask would be lost; expected a plain array, "
            f"e.g. {name}.filled(0)"
        )
    if isinstance(x, np.matrix):
        raise TypeError(
            f"{layer}: {name} is an np.matrix; expected a plain array, e.g. np.asarray({name})"
        )


def check_same(layer, **arrays):
    """All arrays have the same dtype; mixing would silently turn float32 into float64."""
    dtype = next(iter(arrays.values())).dtype
    for array in arrays.values():
        if array.dtype is not dtype and array.dtype != dtype:
            listing = ", ".join(f"{name} is {a.dtype}" for name, a in arrays.items())
            raise TypeError(f"{layer}: {listing}; give all of them the same dtype")


def check_whole(layer, name, value, least, most=MOST):
    """Return value as an int; it is a whole number from `least` to `most`."""
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = None
    if whole is None or whole < least:
        raise ValueError(
            f"{layer}: {name} = {value!r:.80}; expected a whole number of at least {least}"
        )
    if whole > most:
        raise ValueError(f"{layer}: {name} = {value!r:.30}; expected a whole number up to {most:,}")
    return whole


def check_switch(layer, name, value):
    """Return value as a bool; it is True or False, Python's or NumPy's."""
    single = isinstance(value, bool | np.bool_) or (
        isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype == np.bool_
    )
    if not single:
        raise TypeError(f"{layer}: {name} = {value!r}; expected True or False")
    return bool(value)


def check_number(layer, name, value):
    """Return value as a float; it is a number, and finite."""
    single = not isinstance(value, bool) and (
        isinstance(value, float | int)
        or isinstance(value, numbers.Real)
        or (isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf")
    )
    try:
        number = float(value) if single else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise TypeError(f"{layer}: {name} = {value!r:.80}; expected a number, not NaN or infinity")
    return number


def check_between(who, name, value, least=0, below=math.inf):
    """Return value as a float; it is a number, at least `least` and below `below`."""
    number = check_number(who, name, value)
    if not least <= number < below:
        limit = "" if below == math.inf else f" and below {below}"
        raise ValueError(f"{who}: {name} = {value!r}; expected a number of at least {least}{limit}")
    return number


def check_name(who, name, value):
    """Return value; it is a str or a path, and not empty."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{who}: {name} is a {type(value).__name__}; expected a str or a path")
    if not str(value) or "\0" in str(value):
        raise ValueError(f"{who}: {name} = {str(value)!r}; expected a name")
    return value


def check_window(layer, name, f, x, stride=1, pad=0, ceil_mode=False):
    """An f×f window fits into the images of x; see shapes.out_size."""
    _, C, H, W = x.shape
    if C < 1:
        raise ValueError(f"{layer}: x has shape {x.shape}; expected at least one channel")
    overhang = stride - 1 if ceil_mode else 0
    if f > min(H, W) + 2 * pad + overhang:
        raise ValueError(
            f"{layer}: {name} = {f}, but a window of {f}×{f} does not fit into {H}×{W} pixels with "
            f"{pad} of padding at each end"
        )


def check_gradient(layer, dy, shape, dtype):
    """dy has the shape and dtype of the output."""
    check_array(layer, "dy", dy)
    if dy.shape != tuple(shape):
        raise ValueError(
            f"{layer}: dy has shape {dy.shape}; expected the shape of y, {tuple(shape)}"
        )
    if dy.dtype != dtype:
        raise TypeError(f"{layer}: dy is {dy.dtype}; expected the dtype of y, {dtype}")


def check_cache(layer, cache, *parts):
    """cache has parts of these types, as this layer's forward in the same backend returns it."""
    types = [type(part).__name__ for part in cache] if isinstance(cache, tuple) else []
    if len(types) != len(parts) or not all(map(isinstance, cache, parts)):
        actual = f"a tuple of {', '.join(types)}" if types else f"a {type(cache).__name__}"
        raise TypeError(
            f"{layer}: cache is {actual}; "
            f"expected what {layer}_forward of the same backend returned"
        )


def check_fits(layer, fits):
    """The sizes in a cache fit one another, as forward leaves them; a kernel relies on them."""
    if not fits:
        raise TypeError(
            f"{layer}: the sizes in cache do not fit one another; "
            f"expected what {layer}_forward of the same backend returned"
        )


def check_conv(x, w, b, stride, pad, groups, ceil_mode):
    """Return stride, pad, groups and ceil_mode; they fit together with x, w and b."""
    check_array("conv", "x", x, 4)
    check_array("conv", "w", w, 4)
    check_array("conv", "b", b, 1)
    check_same("conv", x=x, w=w, b=b)
    stride = check_whole("conv", "stride", stride, 1)
    pad = check_whole("conv", "pad", pad, 0)
    groups = check_whole("conv", "groups", groups, 1)
    ceil_mode = check_switch("conv", "ceil_mode", ceil_mode)
    C, K = x.shape[1], w.shape[0]
    if 0 in w.shape:
        raise ValueError(f"conv: w has shape {w.shape}; expected at least one kernel of one weight")
    if w.shape[2] != w.shape[3]:
        raise ValueError(
            f"conv: w has {w.shape[2]}×{w.shape[3]} kernels; expected square ones, "
            f"w of (K, C/groups, f, f)"
        )
    if C != w.shape[1] * groups:
        raise ValueError(
            f"conv: x has {C} channels but w expects {w.shape[1] * groups} "
            f"(w.shape[1] = {w.shape[1]}, groups = {groups})"
        )
    if K % groups:
        raise ValueError(f"conv: w has {K} kernels, which do not split into {groups} equal groups")
    if b.shape != (K,):
        raise ValueError(f"conv: b has shape {b.shape}; expected one bias per kernel, ({K},)")
    check_window("conv", "f", w.shape[2], x, stride, pad, ceil_mode)
    return stride, pad, groups, ceil_mode


def check_local(x, w, b, stride, pad):
    """Return stride and pad; w has kernels for every window of x, and b fits w."""
    check_array("local", "x", x, 4)
    check_array("local", "w", w, 6)
    check_array("local", "b", b)
    check_same("local", x=x, w=w, b=b)
    stride = check_whole("local", "stride", stride, 1)
    pad = check_whole("local", "pad", pad, 0)
    H_out, W_out, K, C, f, width = w.shape
    if 0 in w.shape:
        raise ValueError(
            f"local: w has shape {w.shape}; expected at least one kernel of one weight"
        )
    if f != width:
        raise ValueError(
            f"local: w has {f}×{width} kernels; expected square ones, "
            f"w of (H_out, W_out, K, C, f, f)"
        )
    if x.shape[1] != C:
        raise ValueError(f"local: x has {x.shape[1]} channels but w expects {C} (w.shape[3] = {C})")
    check_window("local", "f", f, x, stride, pad)
    places = tuple(out_size(size, f, stride, pad) for size in x.shape[2:])
    if places != (H_out, W_out):
        raise ValueError(
            f"local: w has kernels for {H_out}×{W_out} places (w.shape[:2]), "
            f"but x has {places[0]}×{places[1]} windows of {f}×{f}"
        )
    if b.shape not in ((K,), (H_out, W_out, K)):
        raise ValueError(
            f"local: b has shape {b.shape}; expected one bias per kernel, {(H_out, W_out, K)}, "
            f"or one that all places share, ({K},)"
        )
    return stride, pad


def check_lrn(x, k, n, alpha, beta, groups):
    """Return k, n, alpha, beta and groups; groups divide x equally, and k + α Σ x² is above 0."""
    k, n, alpha, beta = check_normalization("lrn", x, k, n, alpha, beta)
    groups = check_whole("lrn", "groups", groups, 1)
    if x.shape[1] % groups:
        raise ValueError(
            f"lrn: x has {x.shape[1]} channels, which do not split into {groups} equal groups"
        )
    return k, n, alpha, beta, groups


def check_map_lrn(x, k, n, alpha, beta):
    """Return k, n, alpha and beta; k + α/n² Σ x² is above 0."""
    return check_normalization("map_lrn", x, k, n, alpha, beta)


def check_normalization(layer, x, k, n, alpha, beta):
    """Return k, n, alpha and beta, which x's dtype can hold; no power of 0 is taken."""
    check_array(layer, "x", x, 4)
    n = check_whole(layer, "n", n, 1)
    k = check_number(layer, "k", k)
    alpha, beta = check_number(layer, "alpha", alpha), check_number(layer, "beta", beta)
    check_window(layer, "f", 1, x)
    if not k > 0 or not alpha >= 0:
        raise ValueError(
            f"{layer}: k = {k:g}, alpha = {alpha:g}; expected k > 0 and alpha ≥ 0, "
            f"so that no power of 0 is taken"
        )
    with np.errstate(all="ignore"):
        rounded = np.array([k, alpha, beta]).astype(x.dtype)
        largest = rounded[0] ** -rounded[2]
    if not (rounded[0] > 0 and np.isfinite(rounded).all() and np.isfinite(largest)):
        raise ValueError(
            f"{layer}: k = {k:g}, alpha = {alpha:g}, beta = {beta:g} are out of range for "
            f"{x.dtype}; expected k > 0, alpha and k^−beta within its range"
        )
    return k, n, alpha, beta


def check_pool(layer, x, z, s, ceil_mode):
    """Return z, s and ceil_mode; a z×z window fits into the images of x."""
    check_array(layer, "x", x, 4)
    z, s = check_whole(layer, "z", z, 1), check_whole(layer, "s", s, 1)
    ceil_mode = check_switch(layer, "ceil_mode", ceil_mode)
    check_window(layer, "z", z, x, s, 0, ceil_mode)
    return z, s, ceil_mode


def check_fc(x, w, b):
    """x, flattened, w and b fit together."""
    check_array("fc", "x", x)
    check_array("fc", "w", w, 2)
    check_array("fc", "b", b, 1)
    check_same("fc", x=x, w=w, b=b)
    D = 1
    for size in x.shape[1:]:
        D *= size
    if x.ndim < 2 or D != w.shape[1]:
        raise ValueError(
            f"fc: x has shape {x.shape}, {D} numbers per image, "
            f"but w expects {w.shape[1]} (w.shape = {w.shape})"
        )
    if 0 in w.shape:
        raise ValueError(f"fc: w has shape {w.shape}; expected at least one output of one input")
    if b.shape != (w.shape[0],):
        raise ValueError(
            f"fc: b has shape {b.shape}; expected one bias per output, ({w.shape[0]},)"
        )


def check_dropout(layer, x, p):
    """Return p; it is a probability below 1."""
    check_array(layer, "x", x)
    return check_chance(layer, p)


def check_chance(layer, p):
    """Return p; it is a probability below 1."""
    p = check_number(layer, "p", p)
    if not 0 <= p < 1:
        raise ValueError(
            f"{layer}: p = {p:g}; expected the probability that a unit is set to zero, 0 ≤ p < 1"
        )
    return p


def check_rng(layer, rng):
    """rng is a numpy Generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{layer}: rng is {rng!r}; expected a generator such as np.random.default_rng(0)"
        )


def check_labels(scores, labels):
    """Return labels as indices; labels has one class for each row of scores."""
    check_array("softmax_loss", "scores", scores, 2)
    N, classes = scores.shape
    if N == 0 or classes == 0:
        raise ValueError(
            f"softmax_loss: scores has shape {scores.shape}; "
            "expected at least one image and one class"
        )
    return check_classes("softmax_loss", labels, N, classes)


def check_update(w, v, dw, epsilon, momentum, decay):
    """Return epsilon, momentum and decay; w, v and dw are arrays of one shape and dtype."""
    epsilon = check_between("sgd_update", "epsilon", epsilon)
    momentum = check_between("sgd_update", "momentum", momentum)
    decay = check_between("sgd_update", "decay", decay)
    for name, a in (("w", w), ("v", v), ("dw", dw)):
        check_array("sgd_update", name, a)
    check_same("sgd_update", w=w, v=v, dw=dw)
    if not w.shape == v.shape == dw.shape:
        raise ValueError(
            f"sgd_update: w, v, dw have shapes {w.shape}, {v.shape}, {dw.shape}; "
            f"expected the same shape for all three"
        )
    if w is v or share_memory(w, v):
        raise ValueError("sgd_update: w and v are the same memory; expected two arrays")
    return epsilon, momentum, decay


def share_memory(a, b):
    """Return whether two arrays on the host share memory; True where that is hard to decide."""
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return False
    if not np.may_share_memory(a, b):  # their bounds do not overlap
        return False
    try:
        return np.shares_memory(a, b, max_work=1000)
    except np.exceptions.TooHardError:
        return True


def check_classes(who, labels, N, classes, name="labels"):
    """Return labels as np.intp: an array with one class, 0 … classes−1, for each of N images.

    Any integer dtype is allowed.  Arithmetic with the result does not overflow, as
    `labels * classes` would in uint8.
    """
    expected = "expected an array of whole numbers, one class per image"
    if not isinstance(labels, np.ndarray):
        raise TypeError(f"{who}: {name} is a {type(labels).__name__}; {expected}")
    if isinstance(labels, np.ma.MaskedArray):
        raise TypeError(f"{who}: {name} is a masked array; {expected}: leave out the masked images")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{who}: {name} has dtype {labels.dtype}; {expected}")
    if labels.shape != (N,):
        raise ValueError(
            f"{who}: {name} has shape {labels.shape}; expected one label per image, ({N},)"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise ValueError(
            f"{who}: {name} run from {labels.min()} to {labels.max()}; expected 0 … {classes - 1} "
            f"for {classes} classes; {name}[{wrong[0]}] is {labels[wrong[0]]}"
        )
    return np.array(labels, np.intp)


def is_class_name(name):
    """Return whether this is text that can name a class.

    Every script is allowed, with its joiners, soft hyphens and spaces of every kind.  Controls,
    surrogates (bytes that are not text) and line separators are not: lists of classes have one name
    per line.
    """
    refused = ("Cc", "Cs", "Zl", "Zp")  # their categories in Unicode
    return isinstance(name, str) and all(unicodedata.category(c) not in refused for c in name)
