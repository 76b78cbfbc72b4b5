"""Our backends as contestants; cases.py describes a contestant's methods."""

import importlib
import sys
from functools import cached_property, partial

from .. import net
from ..net import kind_of
from ..training import train
from ..training.run import Run
from ..two_columns import in_columns
from .cases import EPSILON, Record, arguments_of, build, cost, find, images


class Minicnn:
    """One of our backends with one of the networks; worker.py lists the contestants' names."""

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
        """The network and its velocities, on the backend's device."""
        run = Run(build(self.network, self.ops), rng=None, epsilon=EPSILON)
        run.to_device(self.ops)
        return run

    @property
    def layers(self):
        return self.run.layers

    def images(self, N):
        """Return images, on the backend's device, and labels."""
        return next(self.ops.device.feed([images(self.network, N)]))

    @cached_property
    def fused(self):
        """The layers as train.train runs them, with each ReLU fused where the backend can."""
        return net.fused(self.layers, self.ops)

    @cached_property
    def records(self):
        """The Record of each fused layer by its label."""
        return self.record(self.fused)

    @cached_property
    def unfused_records(self):
        """The same with each ReLU as its own layer."""
        return self.record(self.layers)

    def record(self, layers):
        """Run one training step; return a Record for each layer."""
        x, labels = self.images(self.batch)
        xs, caches = [x], []
        for layer in layers:
            y, (cache,) = net.forward([layer], xs[-1])
            xs.append(y)
            caches.append(cache)
        _, loss_cache = self.ops.softmax_loss_forward(xs[-1], labels)
        dys = list(self.ops.softmax_loss_backward(loss_cache))
        for layer, cache in zip(layers[:0:-1], caches[:0:-1], strict=True):
            dys.append(layer.backward(dys[-1], cache)[0])  # the first layer's dx is not needed
        records = zip(layers, xs[:-1], xs[1:], caches, reversed(dys), strict=True)
        return {self.label(layer): Record(layer, *arrays) for layer, *arrays in records}

    def label(self, layer):
        """Return the layer's name, together with that of a fused ReLU: "relu5+pool5"."""
        host = net.hosts(self.layers, self.ops)
        names = [
            member.name
            for i, member in enumerate(self.layers)
            if self.layers[host.get(i, i)].name == layer.name
        ]
        return "+".join(names) if kind_of(layer).endswith("_relu") else layer.name

    def rows(self):
        """Return the cases to time: a dict for each layer and pass, with its cost."""
        cases = []
        for name, (layer, x, y, *_) in self.records.items():
            for pass_name in self.passes(layer):
                amount = cost(kind(layer), pass_name, x, y, layer.params.get("w"))
                cases.append({"row": name, "pass": pass_name, **amount})
        if self.plain:
            return cases
        weights = sum(array.nbytes for array in net.parameters(self.layers).values())
        return [
            *cases,
            {"row": "loss", "pass": "forward", "bytes": y.nbytes},  # y: the scores
            {"row": "loss", "pass": "backward", "bytes": 2 * y.nbytes},
            {"row": "update", "pass": "all", "bytes": 5 * weights},  # w, v, dw in; w, v out
        ]

    def passes(self, layer):
        """Return the passes to time; for plain kernels, only those with a faster kernel as well."""
        if self.plain and kind(layer) not in ("conv", "local", "fc", "lrn"):
            return ["backward"] if kind(layer) == "pool" else []
        if backward_halves(layer):
            first = layer.name == self.layers[0].name
            return ["forward", "dw"] if first else ["forward", "dx", "dw"]
        return ["forward", "backward"]

    def layer(self, name, pass_name):
        """Return a pass of a layer."""
        records = self.records if name in self.records else self.unfused_records
        layer, x, _, cache, dy = records[name]
        forward = partial(layer.forward, x, *layer.params.values(), **layer.options)
        if pass_name == "forward":
            return forward
        if pass_name == "forward + backward":
            return lambda: layer.backward(dy, forward()[1])
        backwards = {"backward": layer.backward, **backward_halves(layer)}
        return partial(backwards[pass_name], dy, cache)

    def loss(self, pass_name):
        _, labels = self.images(self.batch)
        scores = list(self.records.values())[-1].y
        if pass_name == "forward":
            return partial(self.ops.softmax_loss_forward, scores, labels)
        _, cache = self.ops.softmax_loss_forward(scores, labels)
        return partial(self.ops.softmax_loss_backward, cache)

    def training(self, row):
        """Return a training step as train.train runs it, or only its update."""
        layers, fused, ops, velocities = self.layers, self.fused, self.ops, self.run.velocities
        x, labels = self.images(self.batch)

        def gradients():
            return train.loss_and_gradients(fused, ops, x, labels)[2]

        if row == "step":
            return lambda: train.update(layers, ops, gradients(), velocities, EPSILON)
        return partial(train.update, layers, ops, gradients(), velocities, EPSILON)

    def inference(self, N):
        x, _ = self.images(N)
        layers = net.fused(net.predicting(self.layers, self.ops), self.ops)
        return partial(net.forward, layers, x)

    def operation(self, row):
        f = self.ops.fc_forward if row == "product" else self.ops.relu_forward
        return partial(f, *map(self.ops.to_device, arguments_of(row)))


def kind(layer):
    """Return the kind of a layer, without its fused ReLU, if it has one."""
    return kind_of(layer).removesuffix("_relu")


def backward_halves(layer):
    """Return {"dx": …, "dw": …}, the halves of a layer's backward, or {} if it has none."""
    functions = sys.modules[layer.backward.__module__]
    if kind(layer) not in ("conv", "local", "fc") or not hasattr(functions, "backward_w"):
        return {}
    return {"dx": functions.backward_x, "dw": functions.backward_w}
