"""Our backends as contestants; cases.py says what a contestant does."""

import importlib
import sys
from functools import cached_property, partial

from .. import net
from ..net import kind_of
from ..training import train
from ..training.run import Run
from ..two_columns import in_columns
from .cases import EPSILON, Record, arguments_of, build, cost, find, images


class Ours:
    """One of our backends with one of the networks; worker.py names what there is."""

    def __init__(self, contestant, network, batch, tf32=False, gpus=None):
        name = contestant.removesuffix("-in-one").removesuffix("-plain")
        self.ops = importlib.import_module(f"minicnn.{name}")
        self.plain = contestant == "cuda-plain"
        if self.plain:
            self.ops.settings.plain = True
        if tf32:
            self.ops.settings.tf32 = True
        if gpus:
            self.ops.columns.choose(gpus)
        if contestant.endswith("-in-one"):
            network = find(network).in_one_column
        if find(network).columns == 2:
            self.ops = in_columns(self.ops)
        self.network, self.batch = network, batch
        self.wait, self.memory = self.ops.device.wait, self.ops.device.memory

    @cached_property
    def run(self):
        """The network and its velocities, where the backend computes."""
        run = Run(build(self.network, self.ops), rng=None, epsilon=EPSILON)
        run.to_device(self.ops)
        return run

    @property
    def layers(self):
        return self.run.layers

    def images(self, N):
        """Return images, where the backend wants them in training, and labels."""
        return next(self.ops.device.feed([images(self.network, N)]))

    @cached_property
    def fused(self):
        """The rows that train.train walks through."""
        return net.fused(self.layers, self.ops)

    @cached_property
    def records(self):
        """What each row sees in one training step; a row that does a ReLU has both names."""
        return self.record(self.fused)

    @cached_property
    def apart(self):
        """The same, with each ReLU as a row of its own."""
        return self.record(self.layers)

    def record(self, layers):
        x, labels = self.images(self.batch)
        xs, caches = [x], []
        for layer in layers:
            y, (cache,) = net.forward([layer], xs[-1])
            xs.append(y)
            caches.append(cache)
        _, loss_cache = self.ops.softmax_loss_forward(xs[-1], labels)
        dys = list(self.ops.softmax_loss_backward(loss_cache))
        for layer, cache in zip(layers[:0:-1], caches[:0:-1], strict=True):
            dys.append(layer.backward(dys[-1], cache)[0])  # the first row's dx is not needed
        rows = zip(layers, xs[:-1], xs[1:], caches, reversed(dys), strict=True)
        return {self.label(layer): Record(layer, *arrays) for layer, *arrays in rows}

    def label(self, layer):
        """Return the row's name, and beside it that of the ReLU that it does: "relu5+pool5"."""
        host = net.hosts(self.layers, self.ops)
        done = [
            one.name
            for i, one in enumerate(self.layers)
            if self.layers[host.get(i, i)].name == layer.name
        ]
        return "+".join(done) if kind_of(layer).endswith("_relu") else layer.name

    def rows(self):
        """Return what there is to time: a dict for each row and pass, with its cost."""
        works = []
        for name, (layer, x, y, *_) in self.records.items():
            for what in self.passes(layer):
                counted = cost(kind(layer), what, x, y, layer.params.get("w"))
                works.append({"row": name, "pass": what, **counted})
        if self.plain:
            return works
        weights = sum(array.nbytes for array in net.parameters(self.layers).values())
        return [
            *works,
            {"row": "loss", "pass": "forward", "bytes": y.nbytes},  # y: the last row's, the scores
            {"row": "loss", "pass": "backward", "bytes": 2 * y.nbytes},
            {"row": "update", "pass": "all", "bytes": 5 * weights},  # w, v, dw in; w, v out
        ]

    def passes(self, layer):
        """Return the passes that are timed; of plain kernels those that have faster ones."""
        if self.plain and kind(layer) not in ("conv", "fc", "lrn"):
            return ["backward"] if kind(layer) == "pool" else []
        if split(layer):
            first = layer.name == self.layers[0].name
            return ["forward", "dw"] if first else ["forward", "dx", "dw"]
        return ["forward", "backward"]

    def row(self, name, what):
        records = self.records if name in self.records else self.apart
        layer, x, _, cache, dy = records[name]
        forward = partial(layer.forward, x, *layer.params.values(), **layer.options)
        if what == "forward":
            return forward
        if what == "forward + backward":
            return lambda: layer.backward(dy, forward()[1])
        backwards = {"backward": layer.backward, **split(layer)}
        return partial(backwards[what], dy, cache)

    def loss(self, what):
        _, labels = self.images(self.batch)
        scores = list(self.records.values())[-1].y
        if what == "forward":
            return partial(self.ops.softmax_loss_forward, scores, labels)
        _, cache = self.ops.softmax_loss_forward(scores, labels)
        return partial(self.ops.softmax_loss_backward, cache)

    def training(self, row):
        """Return one training step as train.train takes it, or its update alone."""
        layers, rows, ops, velocities = self.layers, self.fused, self.ops, self.run.velocities
        x, labels = self.images(self.batch)

        def gradients():
            return train.loss_and_gradients(rows, ops, x, labels)[2]

        if row == "step":
            return lambda: train.update(layers, ops, gradients(), velocities, EPSILON)
        return partial(train.update, layers, ops, gradients(), velocities, EPSILON)

    def inference(self, N):
        x, _ = self.images(N)
        rows = net.fused(net.predicting(self.layers, self.ops), self.ops)
        return partial(net.forward, rows, x)

    def alone(self, row):
        f = self.ops.fc_forward if row == "product" else self.ops.relu_forward
        return partial(f, *map(self.ops.to_device, arguments_of(row)))


def kind(layer):
    """Return which layer a row is, whether or not it does a ReLU on the way."""
    return kind_of(layer).removesuffix("_relu")


def split(layer):
    """Return {"dx": …, "dw": …}, the halves of a row's backward, or {} if it has no such halves."""
    functions = sys.modules[layer.backward.__module__]
    if kind(layer) not in ("conv", "fc") or not hasattr(functions, "backward_w"):
        return {}
    return {"dx": functions.backward_x, "dw": functions.backward_w}
