"""What is timed: each row and pass of a network, and whole steps; and what a pass costs at least.

Two strings name a work:

    a row's name    "forward", "backward" or its halves "dx" and "dw"; or "forward + backward"
    "loss"          "forward", "backward"
    "update"        "all": the update rule for all parameters
    "step"          "training": forward, loss, backward, update
    "inference"     "32 images": forward, at test time
    "product"       a matrix product, and "launch", a ReLU of one number: what a GPU can do alone
    "copy"          of a large array, for the limits

A contestant is an object with these methods; each returns a function of no arguments, to be timed:

    row(name, what)   a pass of a row, with what it has in a real step: the network is run once,
                      forward and backward, and every row's x, cache and dy are kept as they lay
    loss(what)
    training(row)     "step" or "update"
    inference(N)
    alone(row)        "product", "launch" or "copy"

Its `wait()` waits until all that was asked for is done, and `memory()` is the memory of a GPU that
is taken, in bytes, or None on the CPU.
"""

import math
from collections import namedtuple

import numpy as np

from ..networks import catalogue

SHORT = {"cifar": "cifar-four-layer"}  # names that only `bench` has
EPSILON = 1e-6  # so small that a thousand steps on one batch change little
Record = namedtuple("Record", "layer x y cache dy")  # what a row has in one step


def find(network):
    """Return the row of a network; see catalogue.NETWORKS."""
    return catalogue.find(SHORT.get(network, network))


def build(network, ops):
    """Return the layers of a network; every contestant draws the same weights."""
    return find(network).build(ops, np.random.default_rng(0))


def images(network, N):
    """Return N images of noise, about as bright as photographs minus their mean, and labels."""
    rng = np.random.default_rng(1)
    size, classes = find(network).size, find(network).classes
    x = rng.standard_normal((N, 3, size, size), np.float32)
    x *= 64
    return x, rng.integers(classes, size=N)


def arguments_of(row):
    """Return the arrays of "product", x, w and b of 4096×4096, or those of "launch"."""
    size = 4096 if row == "product" else 1
    square = np.random.default_rng(0).standard_normal((size, size), np.float32)
    return (square, square, square[0]) if row == "product" else (square,)


def work_of(contestant, row, what):
    """Return the function of no arguments that is to be timed."""
    match row:
        case "loss":
            return contestant.loss(what)
        case "step" | "update":
            return contestant.training(row)
        case "inference":
            return contestant.inference(int(what.split()[0]))
        case "product" | "launch" | "copy":
            return contestant.alone(row)
    return contestant.row(row, what)


def cost(kind, what, x, y, w=None):
    """Return what a pass costs at least: {"flops": n} of a product, {"bytes": n} of other layers.

    A multiply-add is two flops; the `backward` of a product is its dx and its dw.  Bytes are those
    that must be read and written once: forward x and y, backward dy, dx and what must be known of
    the forward pass.  That is x in normalization; in pooling, which pixel won, one byte an output;
    in ReLU and dropout, which values passed, one byte each; of tanh and the logistic function, y.

    Parameters
    ----------
    kind, what : str
        As in net.kind_of, and the pass.
    x, y : arrays
        Input and output of the row.
    w : array
        The weights of conv and fc.
    """
    if kind in ("conv", "fc"):
        products = {"backward": 2, "forward + backward": 3}.get(what, 1)
        return {"flops": 2 * products * y.size * math.prod(w.shape[1:])}
    if what == "forward":
        return {"bytes": x.nbytes + y.nbytes}
    known = {"lrn": x.nbytes, "pool": y.size, "relu": x.size, "dropout": x.size}
    known |= {"tanh": y.nbytes, "logistic": y.nbytes}
    return {"bytes": y.nbytes + x.nbytes + known.get(kind, 0)}
