"""What is checked at the door of every layer, in every backend: one sentence that names the argument.

Each function raises TypeError for what is not an array of float32 or float64, ValueError for a wrong shape or value.
"""

import numbers


def check_array(layer, name, x, ndim=None):
    """x is an array of float32 or float64, with `ndim` axes where that is given."""
    if not hasattr(x, "dtype") or not hasattr(x, "shape"):
        raise TypeError(f"{layer}: {name} is a {type(x).__name__}; expected an array, e.g. np.array({name}, np.float32)")
    if x.dtype not in ("float32", "float64"):
        raise TypeError(
            f"{layer}: {name} has dtype {x.dtype}; expected float32 or float64, e.g. {name}.astype(np.float32)"
        )
    if ndim is not None and x.ndim != ndim:
        wanted = {4: "(N, C, H, W)", 2: "(rows, columns)", 1: "(K,)"}[ndim]
        raise ValueError(f"{layer}: {name} has shape {x.shape}; expected {ndim} axes {wanted}")


def check_same(layer, **arrays):
    """All arrays have one dtype: mixing would turn float32 into float64 behind your back."""
    dtypes = {name: str(a.dtype) for name, a in arrays.items()}
    if len(set(dtypes.values())) > 1:
        listing = ", ".join(f"{name} is {dtype}" for name, dtype in dtypes.items())
        raise TypeError(f"{layer}: {listing}; give all of them the same dtype")


def check_whole(layer, name, value, least):
    """value is a whole number of at least `least`."""
    if not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{layer}: {name} = {value!r}; expected a whole number of at least {least}")


def check_gradient(layer, dy, shape, dtype):
    """dy is what comes back for an output of this shape and dtype."""
    check_array(layer, "dy", dy)
    if dy.shape != tuple(shape):
        raise ValueError(f"{layer}: dy has shape {dy.shape}; expected the shape of y, {tuple(shape)}")
    if dy.dtype != dtype:
        raise TypeError(f"{layer}: dy is {dy.dtype}; expected the dtype of y, {dtype}")


def check_conv(x, w, b, stride, pad, groups):
    check_array("conv", "x", x, 4)
    check_array("conv", "w", w, 4)
    check_array("conv", "b", b, 1)
    check_same("conv", x=x, w=w, b=b)
    check_whole("conv", "stride", stride, 1)
    check_whole("conv", "pad", pad, 0)
    check_whole("conv", "groups", groups, 1)
    C, K = x.shape[1], w.shape[0]
    if w.shape[2] != w.shape[3]:
        raise ValueError(f"conv: w has {w.shape[2]}×{w.shape[3]} kernels; expected square ones, w of (K, C/groups, f, f)")
    if C != w.shape[1] * groups:
        raise ValueError(
            f"conv: x has {C} channels but w expects {w.shape[1] * groups} "
            f"(w.shape[1] = {w.shape[1]}, groups = {groups})"
        )
    if K % groups:
        raise ValueError(f"conv: w has {K} kernels, which {groups} groups cannot share equally")
    if b.shape != (K,):
        raise ValueError(f"conv: b has shape {b.shape}; expected one bias a kernel, ({K},)")


def check_lrn(x, k, n, alpha, beta, groups):
    check_array("lrn", "x", x, 4)
    check_whole("lrn", "n", n, 1)
    check_whole("lrn", "groups", groups, 1)
    if x.shape[1] % groups:
        raise ValueError(f"lrn: x has {x.shape[1]} channels, which {groups} groups cannot share equally")
    if not k > 0 or not alpha >= 0:
        raise ValueError(f"lrn: k = {k}, alpha = {alpha}; expected k > 0 and alpha ≥ 0, so that no power of 0 is taken")


def check_pool(layer, x, z, s):
    check_array(layer, "x", x, 4)
    check_whole(layer, "z", z, 1)
    check_whole(layer, "s", s, 1)


def check_fc(x, w, b):
    check_array("fc", "x", x)
    check_array("fc", "w", w, 2)
    check_array("fc", "b", b, 1)
    check_same("fc", x=x, w=w, b=b)
    D = 1
    for size in x.shape[1:]:
        D *= size
    if x.ndim < 2 or D != w.shape[1]:
        raise ValueError(f"fc: x has shape {x.shape}, {D} numbers an image, but w expects {w.shape[1]} (w.shape = {w.shape})")
    if b.shape != (w.shape[0],):
        raise ValueError(f"fc: b has shape {b.shape}; expected one bias an output, ({w.shape[0]},)")


def check_dropout(x, p, rng=None, needs_rng=True):
    check_array("dropout", "x", x)
    if not 0 <= p < 1:
        raise ValueError(f"dropout: p = {p}; expected the chance that a unit is set to zero, 0 ≤ p < 1")
    if needs_rng and not hasattr(rng, "random"):
        raise TypeError(f"dropout: rng is {rng!r}; expected a generator such as np.random.default_rng(0)")


def check_labels(scores, labels):
    check_array("softmax_loss", "scores", scores, 2)
    N, classes = scores.shape
    if not hasattr(labels, "dtype") or labels.dtype.kind not in "iu":
        raise TypeError("softmax_loss: labels must be an array of whole numbers, one class an image")
    if labels.shape != (N,):
        raise ValueError(f"softmax_loss: labels has shape {labels.shape}; expected one label an image, ({N},)")
    if N == 0:
        raise ValueError("softmax_loss: scores has no images; the mean loss of none is not defined")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"softmax_loss: labels run from {labels.min()} to {labels.max()}; expected 0 … {classes - 1} "
            f"for {classes} classes"
        )


def check_update(w, v, dw):
    for name, a in (("w", w), ("v", v), ("dw", dw)):
        check_array("sgd_update", name, a)
    check_same("sgd_update", w=w, v=v, dw=dw)
    if not w.shape == v.shape == dw.shape:
        raise ValueError(f"sgd_update: w, v, dw have shapes {w.shape}, {v.shape}, {dw.shape}; expected three equal ones")
