"""What every layer of every backend checks at the door: each mistake gets one sentence.

The sentence names the layer and the argument, says what it was and what was expected.  It is a
TypeError for what is not an array of float32 or float64, a ValueError for a wrong shape or value.
"""

import numbers

import numpy as np

FLOATS = np.dtype(np.float32), np.dtype(np.float64)
NUMBER = float, int, numbers.Real  # the usual types first, which takes a tenth of the time
WHOLE = int, numbers.Integral


def check_array(layer, name, x, ndim=None):
    """x is an array of float32 or float64, with `ndim` axes where that is given."""
    if not hasattr(x, "dtype") or not hasattr(x, "shape"):
        raise TypeError(
            f"{layer}: {name} is a {type(x).__name__}; expected an array, "
            f"e.g. np.array({name}, np.float32)"
        )
    if x.dtype not in FLOATS:
        raise TypeError(
            f"{layer}: {name} has dtype {x.dtype}; expected float32 or float64, "
            f"e.g. {name}.astype(np.float32)"
        )
    if ndim is not None and x.ndim != ndim:
        wanted = {4: "(N, C, H, W)", 2: "(rows, columns)", 1: "(K,)"}[ndim]
        raise ValueError(f"{layer}: {name} has shape {x.shape}; expected {ndim} axes {wanted}")


def check_same(layer, **arrays):
    """All arrays have one dtype: mixing would turn float32 into float64 behind your back."""
    first, *others = arrays.values()
    if any(a.dtype != first.dtype for a in others):
        listing = ", ".join(f"{name} is {a.dtype}" for name, a in arrays.items())
        raise TypeError(f"{layer}: {listing}; give all of them the same dtype")


def check_whole(layer, name, value, least):
    """value is a whole number of at least `least`."""
    if not isinstance(value, WHOLE) or value < least:
        raise ValueError(
            f"{layer}: {name} = {value!r}; expected a whole number of at least {least}"
        )


def check_number(layer, **options):
    """Every option is a number, and not NaN."""
    for name, value in options.items():
        if not isinstance(value, NUMBER) or value != value:
            raise TypeError(f"{layer}: {name} = {value!r}; expected a number")


def check_window(layer, name, f, x, stride=1, pad=0, ceil_mode=False):
    """A window of f×f pixels fits into the images of x; see shapes.out_size."""
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
    """dy is what comes back for an output of this shape and dtype."""
    check_array(layer, "dy", dy)
    if dy.shape != tuple(shape):
        raise ValueError(
            f"{layer}: dy has shape {dy.shape}; expected the shape of y, {tuple(shape)}"
        )
    if dy.dtype != dtype:
        raise TypeError(f"{layer}: dy is {dy.dtype}; expected the dtype of y, {dtype}")


def check_conv(x, w, b, stride, pad, groups, ceil_mode):
    """x, w, b and the options of a convolution fit together."""
    check_array("conv", "x", x, 4)
    check_array("conv", "w", w, 4)
    check_array("conv", "b", b, 1)
    check_same("conv", x=x, w=w, b=b)
    check_whole("conv", "stride", stride, 1)
    check_whole("conv", "pad", pad, 0)
    check_whole("conv", "groups", groups, 1)
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
        raise ValueError(f"conv: w has {K} kernels, which {groups} groups cannot share equally")
    if b.shape != (K,):
        raise ValueError(f"conv: b has shape {b.shape}; expected one bias a kernel, ({K},)")
    check_window("conv", "f", w.shape[2], x, stride, pad, ceil_mode)


def check_lrn(x, k, n, alpha, beta, groups):
    """x has whole groups of channels, and k + α Σ x² stays above 0."""
    check_array("lrn", "x", x, 4)
    check_whole("lrn", "n", n, 1)
    check_whole("lrn", "groups", groups, 1)
    check_number("lrn", k=k, alpha=alpha, beta=beta)
    check_window("lrn", "f", 1, x)
    if x.shape[1] % groups:
        raise ValueError(
            f"lrn: x has {x.shape[1]} channels, which {groups} groups cannot share equally"
        )
    if not k > 0 or not alpha >= 0:
        raise ValueError(
            f"lrn: k = {k}, alpha = {alpha}; expected k > 0 and alpha ≥ 0, "
            f"so that no power of 0 is taken"
        )


def check_pool(layer, x, z, s, ceil_mode):
    """x is images into which a window of z×z fits; s is a whole number."""
    check_array(layer, "x", x, 4)
    check_whole(layer, "z", z, 1)
    check_whole(layer, "s", s, 1)
    check_window(layer, "z", z, x, s, 0, ceil_mode)


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
            f"fc: x has shape {x.shape}, {D} numbers an image, "
            f"but w expects {w.shape[1]} (w.shape = {w.shape})"
        )
    if 0 in w.shape:
        raise ValueError(f"fc: w has shape {w.shape}; expected at least one output of one input")
    if b.shape != (w.shape[0],):
        raise ValueError(f"fc: b has shape {b.shape}; expected one bias an output, ({w.shape[0]},)")


def check_dropout(layer, x, p):
    """p is a chance below 1."""
    check_array(layer, "x", x)
    check_number(layer, p=p)
    if not 0 <= p < 1:
        raise ValueError(
            f"{layer}: p = {p}; expected the chance that a unit is set to zero, 0 ≤ p < 1"
        )


def check_rng(layer, rng):
    """rng is a numpy Generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{layer}: rng is {rng!r}; expected a generator such as np.random.default_rng(0)"
        )


def check_labels(scores, labels):
    """labels holds one class for each row of scores."""
    check_array("softmax_loss", "scores", scores, 2)
    N, classes = scores.shape
    if not hasattr(labels, "dtype") or labels.dtype.kind not in "iu":
        raise TypeError(
            f"softmax_loss: labels is {getattr(labels, 'dtype', type(labels).__name__)}; "
            "expected an array of whole numbers, one class an image"
        )
    if labels.shape != (N,):
        raise ValueError(
            f"softmax_loss: labels has shape {labels.shape}; expected one label an image, ({N},)"
        )
    if N == 0 or classes == 0:
        raise ValueError(
            f"softmax_loss: scores has shape {scores.shape}; expected an image and a class at least"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"softmax_loss: labels run from {labels.min()} to {labels.max()}; "
            f"expected 0 … {classes - 1} for {classes} classes"
        )


def check_update(w, v, dw, epsilon, momentum, decay):
    """w, v and dw are three arrays of one shape and dtype; the rest are numbers."""
    check_number("sgd_update", epsilon=epsilon, momentum=momentum, decay=decay)
    for name, a in (("w", w), ("v", v), ("dw", dw)):
        check_array("sgd_update", name, a)
    check_same("sgd_update", w=w, v=v, dw=dw)
    if not w.shape == v.shape == dw.shape:
        raise ValueError(
            f"sgd_update: w, v, dw have shapes {w.shape}, {v.shape}, {dw.shape}; "
            f"expected three equal ones"
        )


def check_classes(who, labels, N, classes, name="labels"):
    """Return labels as np.intp: an array with one class, 0 … classes−1, for each of N images.

    Any type of whole numbers is welcome.  Whatever is computed with the result does not overflow,
    as `labels * classes` would in uint8.
    """
    expected = f"{who}: {name} is a {type(labels).__name__}; expected an array of whole numbers"
    if not isinstance(labels, np.ndarray):
        raise TypeError(f"{expected}, e.g. np.array({name.split()[-1]})")
    if isinstance(labels, np.ma.MaskedArray):
        raise TypeError(f"{expected} without a mask: leave out the images that have no label")
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{who}: {name} has dtype {labels.dtype}; expected whole numbers, one class an image"
        )
    if labels.shape != (N,):
        raise ValueError(
            f"{who}: {name} has shape {labels.shape}; expected one label an image, ({N},)"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise ValueError(
            f"{who}: {name}[{wrong[0]}] is {labels[wrong[0]]}; expected 0 … {classes - 1} for "
            f"{classes} classes"
        )
    return np.array(labels, np.intp)
