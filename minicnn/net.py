"""A network is a list of layers, and walking it is the whole framework.

A Layer has a name, two functions (forward, backward) and their arguments (params, options).
`forward` walks down the list and keeps every cache; `backward` walks up again and gives each cache
to its layer's backward.  The loss is not in the list: it comes after the last layer.

    x, y       activations, (N, C, H, W) or (N, D)
    caches     one per layer: what its backward needs
    dx, dy     ∂L/∂x, ∂L/∂y
    grads      grads["conv1"]["w"] is ∂L/∂w of the layer named conv1

The rest of the file lists a network's parameters, and helps to write networks as tables: each row
of such a table is a call of `row`, which returns one layer.
"""

from collections import namedtuple
from contextlib import contextmanager

import numpy as np

from .checks import check_between, check_chance, check_number, check_rng, check_whole

Layer = namedtuple("Layer", "name forward backward params options")


def forward(layers, x):
    """Return y, the output of the last layer, and the caches that backward needs."""
    caches = []
    for layer in layers:
        with named(layer):
            x, cache = layer.forward(x, *layer.params.values(), **layer.options)
        caches.append(cache)
    return x, caches


def outputs(layers, x):
    """Yield the output of each layer in turn; no cache outlives its layer."""
    for layer in layers:
        x = forward([layer], x)[0]
        yield x


def backward(layers, caches, dy, need_dx=True):
    """Return dx, the gradient of the network's input, and grads, the gradients of its parameters.

    A trainer has no use for dx.  With need_dx=False, dx is None: the walk ends at the first layer
    with parameters and skips that layer's dx, which saves 5% of the work in AlexNet.  Only that
    layer's backward is called as backward(dy, cache, need_dx=False).
    """
    if len(caches) != len(layers):
        raise ValueError(
            f"backward: {len(layers)} layers but {len(caches)} caches; "
            "pass the caches that forward returned for these layers"
        )
    check_names(layers)
    grads = {layer.name: {} for layer in layers}
    last = 0  # the walk ends at this layer
    if not need_dx:  # before the first layer with parameters there is nothing to learn
        last = next((i for i, layer in enumerate(layers) if layer.params), len(layers))
    for i in range(len(layers) - 1, last - 1, -1):
        layer = layers[i]
        options = {} if need_dx or i > last else {"need_dx": False}
        with named(layer):
            dx, *dparams = layer.backward(dy, caches[i], **options)
        if len(dparams) != len(layer.params):
            raise ValueError(
                f"{layer.name}: backward returned {1 + len(dparams)} values; expected a tuple of "
                f"dx and one gradient for each of its {len(layer.params)} parameters"
            )
        grads[layer.name] = dict(zip(layer.params, dparams, strict=True))
        dy = dx  # this layer's input is the output of the layer before it
    return dy if need_dx else None, grads


def check_names(layers):
    """Raise ValueError if two layers share a name: gradients and parameters are stored by name."""
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
    """Prefix an error's message with the layer's name, so that it says where the error is."""
    try:
        yield
    except (TypeError, ValueError) as error:
        error.args = (f"{layer.name}: {error}",)
        raise
    except MemoryError as error:  # NumPy's ignores args: it computes its message
        raise MemoryError(f"{layer.name}: {error}") from error


def predicting(layers, ops):
    """Return the layers for test time: every unit is kept and multiplied by 1 − p (Section 4.2).

    Only the dropout layers are new.  All others are the same objects, so both lists share their
    weights: what one learns, the other predicts with.

    Parameters
    ----------
    layers : list of Layer
        The layers for training.
    ops : module
        The backend that they were built with; for two columns, `two_columns.in_columns(ops)`.

    Raises
    ------
    ValueError
        If a layer draws random numbers but is not a dropout layer of `ops`: it would go on drawing.
    """
    test_layers = []
    for layer in layers:
        options = {name: value for name, value in layer.options.items() if name != "rng"}
        if layer.forward is ops.dropout_forward:
            layer = row(layer.name, ops, "dropout_predict", **options)
        elif "rng" in layer.options:
            raise ValueError(
                f"predicting: layer {layer.name} draws random numbers but is not a dropout layer "
                "of these ops; pass the ops that the network was built with (for two columns, "
                "two_columns.in_columns(ops)) and the layers as they were before net.fused"
            )
        test_layers.append(layer)
    return test_layers


def fused(layers, ops):
    """Return the layers with each ReLU fused into a neighbour, which saves memory traffic.

    The network computes the same.  The neighbour (see `hosts`) keeps its name and its parameter
    arrays; the ReLU's own layer disappears.

    Parameters
    ----------
    layers : list of Layer
        Layers for training or for test time.
    ops : module
        The backend that they were built with.  If its `fused` is empty, no layer changes.
    """
    host_of, fused_layers = hosts(layers, ops), []
    for i, layer in enumerate(layers):
        if i in host_of.values():
            kind = f"{kind_of(layer)}_relu"
            fused_layers.append(row(layer.name, ops.fused, kind, layer.params, **layer.options))
        elif i not in host_of:
            fused_layers.append(layer)
    return fused_layers


def hosts(layers, ops):
    """Return the layer that computes each ReLU, as positions in the list: {ReLU: its host}.

    The host is a pool or dropout after the ReLU, which saves work in backward too, or else a pool
    or convolution before it.  Without fused functions in ops, the result is empty.
    """
    kind_by_function = {
        getattr(ops, f"{kind}_forward"): kind for kind in ("relu", "pool", "dropout", "conv")
    }
    kinds, host_of = [kind_by_function.get(layer.forward) for layer in layers], {}
    for i in range(len(layers)):
        for j, hosting in (i + 1, ("pool", "dropout")), (i - 1, ("pool", "conv")):
            fits = kinds[i] == "relu" and 0 <= j < len(layers) and kinds[j] in hosting
            fits = fits and f"{kinds[j]}_relu_forward" in vars(ops.fused)
            if fits and i not in host_of and j not in host_of.values():
                host_of[i] = j
    return host_of


def columns(value):
    """Return the arrays of a value, one per column: two if it is a pair, else one."""
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
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two parameters are called {repeated!r}; name their layers without dots")
    return named


def to_device(layers, ops):
    """Move the layers' parameters to where ops computes: into a GPU's memory, for cuda."""
    for layer in layers:
        for letter, value in layer.params.items():
            layer.params[letter] = ops.to_device(value)


def on_host(array):
    """Return an array as a NumPy array, copied from the GPU if it lives there."""
    return array.copy_to_host() if hasattr(array, "copy_to_host") else array


def first_broken(x):
    """Return the index of the first image of x with a NaN or infinite value, or None."""
    images = on_host(x).reshape(len(x), -1)
    broken = np.flatnonzero(~np.isfinite(images).all(axis=1))
    return int(broken[0]) if len(broken) else None


def broken_parameters(layers):
    """Return the names of all parameters with a NaN or infinite value."""
    named = parameters(layers).items()
    return [name for name, array in named if not np.isfinite(on_host(array)).all()]


def count_parameters(layers):
    """Return the number of weights and biases: 60,965,224 for AlexNet."""
    return sum(array.size for array in parameters(layers).values())


def kind_of(layer):
    """Return a layer's kind: "conv" if its forward is conv_forward."""
    return layer.forward.__name__.removesuffix("_forward")


def row(name, ops, kind, params=None, **options):
    """Return one layer; a network's table has such a call in each row.

    For example: row("conv1", ops, "conv", weights, stride=4, ceil_mode=True).

    Raises ValueError if `ops` has no layer of this kind, or p is no probability for dropout.
    """
    forward_function = getattr(ops, f"{kind}_forward", None)
    backward_function = getattr(ops, f"{kind}_backward", None)
    if not (forward_function and backward_function):
        raise ValueError(f"{name}: kind is {kind!r}; {ops.__name__} has no layer of this kind")
    if "p" in options:
        options["p"] = check_chance(name, options["p"])
    if options.get("rng") is not None:
        check_rng(name, options["rng"])
    return Layer(name, forward_function, backward_function, params or {}, options)


def gaussian(rng, shape, std, bias=0, dtype=np.float32):
    """Return initial parameters (Section 5): {"w": of this shape, from N(0, std²), "b": all bias}.

    b has one number per kernel: (K,) for w (K, C, f, f) or (K, D), and (H_out, W_out, K) for w
    (H_out, W_out, K, C, f, f).

    If rng is None, nothing is drawn and w is 0: for a network that is only measured, or whose
    weights are loaded later.  Drawing VGG's 144 million numbers takes seconds; zeros take no time,
    and no memory until something is written to them.
    """
    if not isinstance(shape, tuple | list) or not shape:
        raise TypeError(f"gaussian: shape = {shape!r}; expected a tuple, e.g. (96, 3, 11, 11)")
    shape = tuple(check_whole("gaussian", "shape", size, 1) for size in shape)
    std, bias = check_between("gaussian", "std", std), check_number("gaussian", "bias", bias)
    if rng is None:
        w = np.zeros(shape, dtype)
    elif isinstance(rng, np.random.Generator):
        w = rng.standard_normal(shape, dtype)
        w *= std
    else:
        raise TypeError(
            f"rng is {type(rng).__name__}; expected a generator such as np.random.default_rng(0)"
        )
    b = np.full(shape[:-3] or shape[:1], bias, dtype)
    return {"w": w, "b": b}
