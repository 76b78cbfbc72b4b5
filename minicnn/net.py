"""A network is a list of rows, and walking it is the whole framework.

A row holds a layer's two functions and what they need: name, forward, backward, params, options.
`forward` walks down the list and keeps every cache; `backward` walks up again and hands each cache
back.  The loss is not a row: it comes after the last one.

    x, y       activations, (N, C, H, W) or (N, D)
    caches     one a row: what that row's backward needs
    dx, dy     ∂L/∂x, ∂L/∂y
    grads      grads["conv1"]["w"] is ∂L/∂w of the row named conv1

The rest of the file names what a network has, and helps to write networks as tables.
"""

from collections import namedtuple
from contextlib import contextmanager

import numpy as np

Layer = namedtuple("Layer", "name forward backward params options")


def forward(layers, x):
    """Return y, the output of the last row, and the caches that backward needs."""
    caches = []
    for layer in layers:
        with named(layer):
            x, cache = layer.forward(x, *layer.params.values(), **layer.options)
        caches.append(cache)
    return x, caches


def outputs(layers, x):
    """Yield each layer's output in turn, without caches: none outlives its layer."""
    for layer in layers:
        x = forward([layer], x)[0]
        yield x


def backward(layers, caches, dy, need_dx=True):
    """Return dx, the gradient of the network's input, and grads, those of all its parameters.

    A trainer has no use for dx, and with need_dx=False gets None: the walk then ends at the first
    row with parameters, and leaves out that row's dx, 5% of the work in AlexNet.  This one row's
    backward is called as backward(dy, cache, need_dx=False).
    """
    if len(caches) != len(layers):
        raise ValueError(
            f"backward: {len(layers)} layers but {len(caches)} caches; "
            "pass the caches that forward returned for these layers"
        )
    check_names(layers)
    grads = {layer.name: {} for layer in layers}
    last = 0
    if not need_dx:  # no row before the first one with parameters has anything to learn
        last = next((i for i, layer in enumerate(layers) if layer.params), len(layers))
    for i in range(len(layers) - 1, last - 1, -1):
        layer = layers[i]
        options = {} if need_dx or i > last else {"need_dx": False}
        with named(layer):
            dx, *dparams = layer.backward(dy, caches[i], **options)
        if len(dparams) != len(layer.params):
            raise ValueError(
                f"{layer.name}: backward returned {1 + len(dparams)} things; expected a tuple of "
                f"dx and one gradient for each of its {len(layer.params)} parameters"
            )
        grads[layer.name] = dict(zip(layer.params, dparams, strict=True))
        dy = dx  # the input of this row is the output of the row before it
    return dy if need_dx else None, grads


def check_names(layers):
    """Raise ValueError if two layers share a name: gradients and parameters are kept by name."""
    places = {}
    for i, layer in enumerate(layers):
        if layer.name in places:
            raise ValueError(
                f"layers[{places[layer.name]}] and layers[{i}] are both called {layer.name!r}; "
                "give each layer a name of its own, or one would lose its gradients"
            )
        places[layer.name] = i


@contextmanager
def named(layer):
    """Put the row's name before an error's message: the layer says what is wrong; this, where."""
    try:
        yield
    except (TypeError, ValueError) as error:
        error.args = (f"{layer.name}: {error}",)
        raise
    except MemoryError as error:  # NumPy's writes its message anew each time
        raise MemoryError(f"{layer.name}: {error}") from error


def predicting(layers, ops):
    """Return the same network's rows for test time: all units are used, times 1 − p (Section 4.2).

    Only the dropout rows are new.  All others are the very same rows, so both lists share their
    weights: what one learns, the other predicts with.

    Parameters
    ----------
    layers : list of Layer
        The rows for training.
    ops : module
        The backend that they were built with; for two columns, `two_columns.in_columns(ops)`.

    Raises
    ------
    ValueError
        If a row draws random numbers but is not a dropout row of `ops`: it would go on drawing.
    """
    rows = []
    for layer in layers:
        options = {name: value for name, value in layer.options.items() if name != "rng"}
        if layer.forward is ops.dropout_forward:
            layer = row(layer.name, ops, "dropout_predict", **options)
        elif "rng" in layer.options:
            raise ValueError(
                f"predicting: row {layer.name} draws random numbers but is not a dropout row of "
                "these ops; pass the ops that the network was built with, "
                "for two columns halves.in_columns(ops), and its rows as they were before net.fused"
            )
        rows.append(layer)
    return rows


def fused(layers, ops):
    """Return the rows with which ops computes the same in fewer walks through memory.

    A row next to a ReLU does its work on the way, see `hosts`.  It keeps its name, and its
    parameters are the very same arrays; the ReLU's own row goes.

    Parameters
    ----------
    layers : list of Layer
        Rows for training or for test time.
    ops : module
        The backend that they were built with.  Where its `fused` is empty, all layers stay as they
        are.
    """
    host, rows = hosts(layers, ops), []
    for i, layer in enumerate(layers):
        if i in host.values():
            kind = f"{kind_of(layer)}_relu"
            rows.append(row(layer.name, ops.fused, kind, layer.params, **layer.options))
        elif i not in host:
            rows.append(layer)
    return rows


def hosts(layers, ops):
    """Return which row does a ReLU's work, by their places in the list: {i of ReLU: j of its host}.

    That is a pool or dropout behind it, where backward saves work, too, or else the pool or
    convolution before it.  It is empty where ops has no such rows.
    """
    kinds = {getattr(ops, f"{kind}_forward"): kind for kind in ("relu", "pool", "dropout", "conv")}
    kinds, found = [kinds.get(layer.forward) for layer in layers], {}
    for i in range(len(layers)):
        for j, can in (i + 1, ("pool", "dropout")), (i - 1, ("pool", "conv")):
            near = kinds[i] == "relu" and 0 <= j < len(layers) and kinds[j] in can
            near = near and f"{kinds[j]}_relu_forward" in vars(ops.fused)
            if near and i not in found and j not in found.values():
                found[i] = j
    return found


def columns(value):
    """Return the arrays in value as a tuple: two if it is a pair, one for each column, else one."""
    return value if isinstance(value, tuple) else (value,)


def parameters(layers):
    """Return all parameters by name, in order: {"conv1.w": array, "conv1.b": array, …}.

    In a network of two columns a parameter is a pair, and the column ends the name: "conv1.w.0" and
    "conv1.w.1".  The arrays are the network's own, not copies.

    Raises ValueError if two layers, or two parameters, have the same name.
    """
    check_names(layers)
    pairs = []
    for layer in layers:
        for letter, value in layer.params.items():
            name = f"{layer.name}.{letter}"
            if isinstance(value, tuple):
                pairs += [(f"{name}.{column}", array) for column, array in enumerate(value)]
            else:
                pairs.append((name, value))
    named = dict(pairs)
    if len(named) < len(pairs):  # layer "a.b" with a parameter "w", layer "a" with "b.w"
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two parameters are called {twice!r}; name their layers without dots")
    return named


def to_device(layers, ops):
    """Let the parameters of these rows live where ops computes: in a GPU's memory, for cuda."""
    for layer in layers:
        for letter, value in layer.params.items():
            layer.params[letter] = ops.to_device(value)


def on_host(array):
    """Return an array as NumPy's, wherever it lives."""
    return array.copy_to_host() if hasattr(array, "copy_to_host") else array


def first_broken(x):
    """Return which image of x is the first with a number that is NaN or infinite, or None."""
    numbers = on_host(x).reshape(len(x), -1)
    broken = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
    return int(broken[0]) if len(broken) else None


def broken_parameters(layers):
    """Return the names of all parameters in which a number is NaN or infinite."""
    named = parameters(layers).items()
    return [name for name, array in named if not np.isfinite(on_host(array)).all()]


def count_parameters(layers):
    """Return the number of weights and biases: 60,965,224 for AlexNet."""
    return sum(array.size for array in parameters(layers).values())


def kind_of(layer):
    """Return which layer a row is: "conv" if its forward is conv_forward."""
    return layer.forward.__name__.removesuffix("_forward")


def row(name, ops, kind, params=None, **options):
    """Return one row of a table: row("conv1", ops, "conv", weights, stride=4, ceil_mode=True)."""
    forward_function = getattr(ops, f"{kind}_forward")
    backward_function = getattr(ops, f"{kind}_backward")
    return Layer(name, forward_function, backward_function, params or {}, options)


def gaussian(rng, shape, std, bias=0, dtype=np.float32):
    """Return first parameters (Section 5): {"w": of this shape, from N(0, std²), "b": all bias}.

    With None for rng nothing is drawn, and w is 0: for a network that is only measured, or gets its
    weights from elsewhere.  To draw 144 million numbers, VGG's, takes seconds; zeros take no time,
    and no memory until something is written to them.
    """
    if rng is None:
        w = np.zeros(shape, dtype)
    elif isinstance(rng, np.random.Generator):
        w = rng.standard_normal(shape, dtype)
        w *= std
    else:
        raise TypeError(
            f"rng is {type(rng).__name__}; expected a generator such as np.random.default_rng(0)"
        )
    b = np.full(shape[0], bias, dtype)
    return {"w": w, "b": b}
