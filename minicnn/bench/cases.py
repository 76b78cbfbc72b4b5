"""The cases that are timed: passes of layers, and whole steps; and the minimal cost of a pass.

A case has two names, those of its row in the table and of its pass:

    a layer's name   "forward"; "backward" or its halves "dx" and "dw"; or "forward + backward"
    "loss"           "forward", "backward"
    "update"         "all": the update rule for all parameters
    "step"           "training": forward, loss, backward, update
    "inference"      "32 images": forward, at test time
    "product"        "4096×4096": a matrix product, as a limit of a GPU
    "launch"         "1 number": a ReLU of one number, the cost of launching a kernel
    "copy"           "all": a copy of a large array, as a limit of memory

A contestant is an object with these methods; each returns a function of no arguments to be timed:

    layer(name, pass_name)   a pass of a layer, with the x, cache and dy of a real training step
    loss(pass_name)
    training(row)            "step" or "update"
    inference(N)
    operation(row)           "product", "launch" or "copy"

`wait()` waits until the device has finished.  `memory()` returns the bytes of GPU memory in use, or
None on the CPU.
"""

import math
from collections import namedtuple

import numpy as np

from ..networks import catalogue

SHORT = {"cifar": "cifar-four-layer"}  # names that only `bench` knows
EPSILON = 1e-6  # so small that a thousand steps on the same batch change little
Record = namedtuple("Record", "layer x y cache dy")  # a layer's arrays in one step


def find(network):
    """Return a network's entry in catalogue.NETWORKS."""
    return catalogue.find(SHORT.get(network, network))


def build(network, ops):
    """Return the layers of a network, with the same random weights for every contestant."""
    return find(network).build(ops, np.random.default_rng(0))


def images(network, N):
    """Return N images of noise, on the scale of photographs minus their mean, and labels."""
    rng = np.random.default_rng(1)
    size, classes = find(network).size, find(network).classes
    x = rng.standard_normal((N, 3, size, size), np.float32)
    x *= 64
    return x, rng.integers(classes, size=N)


def arguments_of(row):
    """Return the arrays of "product" (x, w and b, 4096×4096) or of "launch"."""
    size = 4096 if row == "product" else 1
    square = np.random.default_rng(0).standard_normal((size, size), np.float32)
    return (square, square, square[0]) if row == "product" else (square,)


def timed_function(contestant, row, pass_name):
    """Return the function of no arguments to be timed for a case."""
    match row:
        case "loss":
            return contestant.loss(pass_name)
        case "step" | "update":
            return contestant.training(row)
        case "inference":
            return contestant.inference(int(pass_name.split()[0]))
        case "product" | "launch" | "copy":
            return contestant.operation(row)
    return contestant.layer(row, pass_name)


def cost(kind, pass_name, x, y, w=None):
    """Return the minimal cost of a pass: {"flops": n} for products, {"bytes": n} for others.

    The products are conv, local and fc.  A multiply-add is two flops; their `backward` computes dx
    and dw.  Bytes count what must be read or written once: x and y in forward; dy, dx and the cache
    in backward.  The cache is x in normalization; one byte per output in pooling, for the winner;
    one byte per value in ReLU and dropout, for whether it passed; and y in tanh and the logistic
    function.

    Parameters
    ----------
    kind, pass_name : str
        The kind of the layer, see net.kind_of, and the pass.
    x, y : arrays
        Input and output of the layer.
    w : array
        The weights, for conv, local and fc.
    """
    if kind in ("conv", "local", "fc"):
        products = {"backward": 2, "forward + backward": 3}.get(pass_name, 1)
        kernel = w.shape[3:] if kind == "local" else w.shape[1:]
        return {"flops": 2 * products * y.size * math.prod(kernel)}
    if pass_name == "forward":
        return {"bytes": x.nbytes + y.nbytes}
    cached = {
        "lrn": x.nbytes,
        "map_lrn": x.nbytes,
        "pool": y.size,
        "relu": x.size,
        "dropout": x.size,
    }
    cached |= {"tanh": y.nbytes, "logistic": y.nbytes}
    return {"bytes": y.nbytes + x.nbytes + cached.get(kind, 0)}
