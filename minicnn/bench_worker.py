"""One contestant of `bench`, in a process of its own: it runs what bench.py tells it to.

    python -m minicnn.bench_worker fast cifar 128

bench.py writes one JSON object a line to its standard input; one comes back a line.

    {"rows": true}                       → {"rows": […]}       what there is to time, see Ours.rows
    {"prepare": ["conv2", "forward"]}    → {}                  make everything ready for this
    {"run": 7}                           → {"seconds": […]}    do it seven times
    {"memory": true}                     → {"peak": …, "imports": …}   bytes, see memory
    what goes wrong                      → {"error": "…"}

Each row is given what it has in a real step: the network is run once, forward and backward, and
every row's x, cache and dy are kept as they lay in memory.

The contestants:

    fast, reference       our backends on the CPU
    cuda                  our backend on a GPU
    fast-in-one, …        one of these with the same network in one column, if ours has two
    cuda-plain            the same with its plain kernels, in rows that have faster ones
    course                reference, with convolution as course code usually has it
    torch                 PyTorch in its standard layout, (N, C, H, W)
    torch-channels-last   PyTorch with channels last in memory
    torch-compiled        the standard layout through torch.compile; for whole networks alone
    torch-gpu, …          the same three on a GPU
    limits, limits-gpu    what the machine can do at best: a matrix product, a copy

With a fourth word behind those three, tf32, all multiply in TF32 on a GPU, else in float32; a fifth
one, such as 0,1, names the GPUs of the columns.

PyTorch gets what helps it: channels-last images are laid out before the clock starts, whole
networks have ReLU in place and the fused update, dropout at test time is nothing at all, and the
first convolution computes no dx.
"""

import contextlib
import importlib
import json
import math
import os
import pathlib
import sys
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial

import numpy as np

from . import alexnet, cifar, net, train
from .halves import in_columns
from .shapes import out_size

Network = namedtuple("Network", "build shape classes batch")
NETWORKS = {
    "cifar": Network(cifar.four_layer, (3, 32, 32), 10, 128),
    "alexnet": Network(alexnet.alexnet, (3, 224, 224), 1000, 32),
    "alexnet-2gpu": Network(alexnet.two_columns, (3, 224, 224), 1000, 32),
}
IN_ONE = {"alexnet-2gpu": "alexnet"}  # of two columns → the same arithmetic in one, with groups
EPSILON = 1e-6  # so small that a thousand steps on one batch change little
MULTIPLIED = 2 * 2048**3  # flops of a matrix product of 2048×2048
COPIED = 2 * 2**28  # bytes read and written by a copy: far more than a cache holds
ALONE = ("product", "launch")  # a product of 4096×4096; a ReLU of one number: rows for a GPU
Record = namedtuple("Record", "layer x y cache dy")


def build(network, ops):
    """Return the rows of a network; every contestant draws the same weights."""
    return NETWORKS[network].build(ops, np.random.default_rng(0))


def images(network, N):
    """Return N images of noise, about as bright as photographs minus their mean, and labels."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((N, *NETWORKS[network].shape), np.float32)
    x *= 64
    return x, rng.integers(NETWORKS[network].classes, size=N)


def kind_of(layer):
    """Return what a row is: "conv", "relu", …"""
    return layer.forward.__name__.removesuffix("_forward")


class Ours:
    """One of our backends, or the course code."""

    def __init__(self, contestant, network, batch, tf32=False, gpus=None):
        name = contestant.removesuffix("-in-one")
        name = {"course": "reference", "cuda-plain": "cuda"}.get(name, name)
        self.ops = importlib.import_module(f".{name}", __package__)
        self.plain = contestant == "cuda-plain"
        if self.plain:
            self.ops.gpu.PLAIN = True
        if tf32:
            self.ops.product.use_tf32()
        if gpus:
            self.ops.columns.choose(gpus)
        if contestant.endswith("-in-one"):
            network = IN_ONE.get(network, network)
        if network in IN_ONE:
            self.ops = in_columns(self.ops)
        self.network, self.batch = network, batch
        self.conv = (course_conv_forward, course_conv_backward) if contestant == "course" else None

    @cached_property
    def layers(self):
        layers = build(self.network, self.ops)
        net.to_device(layers, self.ops)
        return layers

    def images(self, N):
        """Return images, where the backend wants them in training, and labels."""
        return next(self.ops.device.feed([images(self.network, N)]))

    def wait(self):
        """Wait until all that was asked for is done: on a GPU it may not even have begun."""
        self.ops.device.wait()

    def memory(self):
        """Return the memory of a GPU that is taken, which never shrinks, in bytes; else None."""
        taken = self.ops.device.memory()
        return None if taken is None else {"peak": taken, "imports": 0}

    @cached_property
    def records(self):
        """What each row sees in one training step."""
        x, labels = self.images(self.batch)
        xs, caches = [x], []
        for layer in self.layers:
            y, (cache,) = net.forward([layer], xs[-1])
            xs.append(y)
            caches.append(cache)
        _, loss_cache = self.ops.softmax_loss_forward(xs[-1], labels)
        dys = list(self.ops.softmax_loss_backward(loss_cache))
        for layer, cache in zip(self.layers[:0:-1], caches[:0:-1], strict=True):
            dys.append(layer.backward(dys[-1], cache)[0])  # the first row's dx is not needed
        rows = zip(self.layers, xs[:-1], xs[1:], caches, reversed(dys), strict=True)
        return {layer.name: Record(layer, *arrays) for layer, *arrays in rows}

    def rows(self):
        """Return what there is to time: a dict for each row and pass, with its cost."""
        lines = []
        for layer, x, y, *_ in self.records.values():
            for what in self.passes(layer):
                counted = cost(kind_of(layer), what, x, y, layer.params.get("w"))
                lines.append({"row": layer.name, "pass": what, **counted})
        if self.conv or self.plain:
            return lines
        weights = sum(array.nbytes for array in net.parameters(self.layers).values())
        return [
            *lines,
            {"row": "loss", "pass": "forward", "bytes": y.nbytes},  # y: the last row's, the scores
            {"row": "loss", "pass": "backward", "bytes": 2 * y.nbytes},
            {"row": "update", "pass": "all", "bytes": 5 * weights},  # w, v, dw in; w, v out
        ]

    def passes(self, layer):
        """Return the passes that are timed; of course code and plain kernels, what they can do."""
        if self.conv:
            known = kind_of(layer) == "conv" and not {"groups", "ceil_mode"} & set(layer.options)
            return ["forward + backward"] if known else []
        if self.plain and kind_of(layer) not in ("conv", "fc", "lrn"):
            return ["backward"] if kind_of(layer) == "pool" else []
        if split(layer):
            return ["forward", "dw"] if layer is self.layers[0] else ["forward", "dx", "dw"]
        return ["forward", "backward"]

    def work(self, row, what):
        """Return the function of no arguments that is to be timed."""
        if row in ALONE:
            f = self.ops.fc_forward if row == "product" else self.ops.relu_forward
            return partial(f, *map(self.ops.to_device, arguments_of(row)))
        if row == "inference":
            x, _ = self.images(int(what.split()[0]))
            return partial(net.forward, net.predicting(self.layers, self.ops), x)
        if row in ("step", "update"):
            return self.training(row)
        if row == "loss":
            labels = self.images(self.batch)[1]
            scores = self.records[self.layers[-1].name].y
            _, cache = self.ops.softmax_loss_forward(scores, labels)
            if what == "forward":
                return partial(self.ops.softmax_loss_forward, scores, labels)
            return partial(self.ops.softmax_loss_backward, cache)
        layer, x, _, cache, dy = self.records[row]
        forward = partial(layer.forward, x, *layer.params.values(), **layer.options)
        if what == "forward":
            return forward
        if what == "forward + backward":
            if self.conv:
                forward = partial(self.conv[0], x, *layer.params.values(), **layer.options)
            backward = self.conv[1] if self.conv else layer.backward
            return lambda: backward(dy, forward()[1])
        backwards = split(layer) if what in ("dx", "dw") else {"backward": layer.backward}
        return partial(backwards[what], dy, cache)

    def training(self, row):
        """Return one training step as train.train takes it, or its update alone."""
        layers, ops = self.layers, self.ops
        x, labels = self.images(self.batch)

        def zeros_like(w):
            halves = tuple(np.zeros(half.shape, half.dtype) for half in net.columns(w))
            return ops.to_device(halves if isinstance(w, tuple) else halves[0])

        velocities = {
            layer.name: {name: zeros_like(w) for name, w in layer.params.items()}
            for layer in layers
        }

        def gradients():
            scores, caches = net.forward(layers, x)
            _, loss_cache = ops.softmax_loss_forward(scores, labels)
            (dscores,) = ops.softmax_loss_backward(loss_cache)
            return net.backward(layers, caches, dscores, need_dx=False)[1]

        if row == "step":
            return lambda: train.update(layers, ops, gradients(), velocities, EPSILON)
        return partial(train.update, layers, ops, gradients(), velocities, EPSILON)


def split(layer):
    """Return {"dx": …, "dw": …}, the halves of a row's backward, or {} if it has no such halves."""
    functions = sys.modules[layer.backward.__module__]
    if kind_of(layer) not in ("conv", "fc") or not hasattr(functions, "backward_w"):
        return {}
    return {"dx": functions.backward_x, "dw": functions.backward_w}


def cost(kind, what, x, y, w=None):
    """Return what a pass costs at least: {"flops": n} of a product, {"bytes": n} of other layers.

    A multiply-add is two flops; the `backward` of a product is its dx and its dw.  Bytes are those
    that must be read and written once: forward x and y, backward dy, dx and what must be known of
    the forward pass.  That is x in normalization; in pooling, which pixel won, one byte an output;
    in ReLU and dropout, which values passed, one byte each.

    Parameters
    ----------
    kind, what : str
        As in kind_of, and the pass.
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
    return {"bytes": y.nbytes + x.nbytes + known[kind]}


def course_conv_forward(x, w, b, stride=1, pad=0):
    """Return y and the cache, as course code usually does it: one index array, one product."""
    N, C, H, W = x.shape
    K, _, f, _ = w.shape
    H_out, W_out = out_size(H, f, stride, pad), out_size(W, f, stride, pad)
    channel, i, j = np.indices((C, f, f)).reshape(3, -1, 1)  # (C·f·f, 1) each
    u, v = stride * np.indices((H_out, W_out)).reshape(2, 1, -1)  # (1, H_out·W_out) each
    places = (slice(None), channel, i + u, j + v)

    x_all = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = x_all[places]  # (N, C·f·f, H_out·W_out)
    cols = windows.transpose(1, 2, 0).reshape(C * f * f, -1)  # (C·f·f, H_out·W_out·N)
    y_rows = np.dot(w.reshape(K, -1), cols) + b.reshape(-1, 1)
    y = y_rows.reshape(K, H_out, W_out, N).transpose(3, 0, 1, 2)
    return y, (x_all.shape, cols, places, w, pad)


def course_conv_backward(dy, cache):
    """Return dx, dw, db; np.add.at sends every entry of dcols back to its pixel."""
    shape, cols, places, w, pad = cache
    N, _, H_all, W_all = shape
    K, rows = len(w), len(cols)
    dy_rows = dy.transpose(1, 2, 3, 0).reshape(K, -1)
    dw = np.dot(dy_rows, cols.T).reshape(w.shape)
    dcols = np.dot(w.reshape(K, -1).T, dy_rows)  # (C·f·f, H_out·W_out·N)
    dwindows = dcols.reshape(rows, -1, N).transpose(2, 0, 1)  # (N, C·f·f, H_out·W_out)
    dx_all = np.zeros(shape, dy.dtype)
    np.add.at(dx_all, places, dwindows)
    dx = dx_all[:, :, pad : H_all - pad, pad : W_all - pad]
    return dx, dw, dy.sum(axis=(0, 2, 3))


class Torch:
    """PyTorch, with the same weights and images."""

    def __init__(self, contestant, network, batch, tf32=False):
        import torch

        from . import reference

        torch.optim.SGD([torch.zeros(1)])  # imports now what optimizers import at first use
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.reference, self.torch = reference, torch
        self.network, self.batch = IN_ONE.get(network, network), batch
        self.channels_last = contestant.endswith("channels-last")
        self.compiled = contestant.endswith("compiled")
        self.gpu = "-gpu" in contestant
        if self.gpu:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
            torch.backends.cudnn.benchmark = True  # lets it choose the fastest of its algorithms

    def wait(self):
        if self.gpu:
            self.torch.cuda.synchronize()

    def memory(self):
        """Return the most that tensors ever took of a GPU's memory, in bytes; None on the CPU."""
        return {"peak": self.torch.cuda.max_memory_allocated(), "imports": 0} if self.gpu else None

    def tensor(self, array):
        """Return the array as a tensor in this contestant's layout, where it computes."""
        tensor = self.torch.from_numpy(array)
        if self.gpu:
            tensor = tensor.cuda()
        if self.channels_last and tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=self.torch.channels_last)
        return tensor

    def images(self, N):
        """Return images and labels."""
        return [self.tensor(array) for array in images(self.network, N)]

    @cached_property
    def layers(self):
        """The rows, with tensors for parameters."""
        layers = build(self.network, self.reference)
        for layer in layers:
            for name, w in layer.params.items():
                layer.params[name] = self.tensor(w).requires_grad_()
        return layers

    @cached_property
    def records(self):
        """What each row sees in one training step."""
        x, labels = self.images(self.batch)
        xs = [x]
        for layer in self.layers:
            xs.append(torch_function(layer)(xs[-1], *layer.params.values()))
        loss = self.torch.nn.functional.cross_entropy(xs[-1], labels)
        dys = self.torch.autograd.grad(loss, xs[1:])
        xs = [x.detach() for x in xs]
        rows = zip(self.layers, xs[:-1], xs[1:], dys, strict=True)
        return {layer.name: Record(layer, x, y, None, dy) for layer, x, y, dy in rows}

    def whole(self, loss=False, **options):
        """Return the function of x, or with loss=True of x and labels, that runs all rows."""
        functions = [(torch_function(row, **options), row.params) for row in self.layers]

        def forward(x, labels=None):
            for function, params in functions:
                x = function(x, *params.values())
            return self.torch.nn.functional.cross_entropy(x, labels) if loss else x

        return self.torch.compile(forward, dynamic=False) if self.compiled else forward

    def work(self, row, what):
        """Return the function of no arguments that is to be timed."""
        if row in ALONE:
            return partial(torch_alone(row), *map(self.tensor, arguments_of(row)))
        if row == "inference":
            x, _ = self.images(int(what.split()[0]))
            forward = self.whole(training=False, inplace=True)
            return self.torch.inference_mode()(partial(forward, x))
        if row in ("step", "update"):
            return self.training(row)
        if row == "loss":
            return self.loss(what)
        layer, x, _, _, dy = self.records[row]
        first = layer is self.layers[0]
        x = x.detach().requires_grad_(not first)
        params = layer.params.values()
        forward = partial(torch_function(layer), x, *params)
        if what == "forward":
            return forward
        weights = [w.detach() for w in params]
        if kind_of(layer) == "conv":
            halves = {"dx": [True, False, False], "dw": [False, True, True]}
            wanted = halves.get(what, [not first, True, True])
            backward = torch_conv_backward(x.detach(), weights[0], dy, wanted, **layer.options)
        elif kind_of(layer) == "fc":
            backward = torch_fc_backward(x.detach(), weights[0], dy, what)
        else:
            backward = torch_backward(forward(), x, dy)
        return self.torch.no_grad()(backward)

    def loss(self, what):
        """Return the loss of the scores, or its backward."""
        scores = self.records[self.layers[-1].name].y.requires_grad_()
        _, labels = self.images(self.batch)
        forward = partial(self.torch.nn.functional.cross_entropy, scores, labels)
        if what == "forward":
            return forward
        y = forward()
        return self.torch.no_grad()(torch_backward(y, scores, self.torch.ones_like(y)))

    def training(self, row):
        """Return one training step, or its update alone."""
        x, labels = self.images(self.batch)
        weights = [w for layer in self.layers for w in layer.params.values()]
        optimizer = self.torch.optim.SGD(
            weights, EPSILON, momentum=0.9, weight_decay=0.0005, fused=True
        )
        loss = self.whole(loss=True, inplace=True)

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss(x, labels).backward()
            optimizer.step()

        if row == "step":
            return step
        step()  # leaves gradients
        return optimizer.step


def torch_function(layer, training=True, inplace=False):
    """Return PyTorch's function of x and the parameters for one of our rows.

    Its dropout scales in training, ours at test time.  Its normalization has no groups: they become
    images; and it divides alpha by n.
    """
    from torch.nn import functional

    def conv(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):
        x_all = torch_widened(x, w.shape[-1], stride, pad, ceil_mode)
        return functional.conv2d(x_all, w, b, stride, pad, groups=groups)

    def relu(x):
        return functional.relu(x, inplace)

    def lrn(x, k=2, n=5, alpha=1e-4, beta=0.75, groups=1):
        N, C, H, W = x.shape
        parts = x.reshape(N * groups, C // groups, H, W)
        return functional.local_response_norm(parts, n, alpha * n, beta, k).reshape(x.shape)

    def pool(x, z=3, s=2, ceil_mode=False):
        return functional.max_pool2d(x, z, s, ceil_mode=ceil_mode)

    def fc(x, w, b):
        return functional.linear(x.flatten(1), w, b)

    def dropout(x, p=0.5, rng=None):
        return functional.dropout(x, p, training)

    functions = {"conv": conv, "relu": relu, "lrn": lrn, "pool": pool, "fc": fc, "dropout": dropout}
    return partial(functions[kind_of(layer)], **layer.options)


def torch_widened(x, f, stride, pad, ceil_mode):
    """Return x with the zeros past its far edge that ceil_mode reads; PyTorch does not have it."""
    from torch.nn import functional

    H = x.shape[-1]
    far = stride * (out_size(H, f, stride, pad, ceil_mode) - 1) + f - H - 2 * pad
    return functional.pad(x, (0, far, 0, far)) if far > 0 else x


def torch_conv_backward(x, w, dy, wanted, stride=1, pad=0, groups=1, ceil_mode=False):
    """Return the function that computes those of dx, dw and db that are wanted."""
    import torch

    x_all = torch_widened(x, w.shape[-1], stride, pad, ceil_mode)
    pads, strides, dilation, transposed = [pad, pad], [stride, stride], [1, 1], False
    return partial(
        torch.ops.aten.convolution_backward,
        *(dy, x_all, w.detach(), [len(w)], strides, pads, dilation, transposed, [0, 0], groups),
        wanted,
    )


def torch_fc_backward(x, w, dy, what):
    """Return the function that computes dx, or dw and db, or all of them."""
    x_rows = x.flatten(1)

    def dw_db():
        return dy.T @ x_rows, dy.sum(0)

    return {"dx": lambda: dy @ w, "dw": dw_db, "backward": lambda: (dy @ w, *dw_db())}[what]


def torch_backward(y, x, dy):
    """Return the function that computes dx of a layer without parameters.

    It calls the nodes of the graph from y back to x, one after the other.  autograd.grad would add
    some 0.1 ms, which a whole network pays only once.  A graph with branches needs it: that of
    normalization, where 0.1 ms is little.
    """
    import torch

    nodes, node = [], y.grad_fn
    while node.name() != "torch::autograd::AccumulateGrad":  # that one is x
        nodes.append(node)
        nexts = [n for n, _ in node.next_functions if n]
        if len(nexts) > 1:
            return partial(torch.autograd.grad, y, x, dy, retain_graph=True)
        node = nexts[0]

    def backward():
        dx = dy
        for node in nodes:
            dx = node(dx)
            dx = dx[0] if isinstance(dx, tuple) else dx
        return dx

    return backward


def arguments_of(row):
    """Return the arrays of a row of ALONE."""
    size = 4096 if row == "product" else 1
    square = np.random.default_rng(0).standard_normal((size, size), np.float32)
    return (square, square, square[0]) if row == "product" else (square,)


def torch_alone(row):
    """Return PyTorch's function of those arrays."""
    from torch.nn import functional

    return functional.linear if row == "product" else functional.relu


class Limits:
    """What the machine can do at best, with so many threads."""

    def wait(self):
        """Everything is done when it returns."""

    def memory(self):
        """Of no interest."""

    def work(self, row, what):
        if what == "product":
            a = np.random.default_rng(0).standard_normal((2048, 2048), np.float32)
            return partial(np.dot, a, a, out=np.empty_like(a))
        threads = int(os.environ["OMP_NUM_THREADS"])
        sources = np.array_split(np.ones(COPIED // 8, np.float32), threads)
        targets = np.array_split(np.ones(COPIED // 8, np.float32), threads)
        pool = ThreadPoolExecutor(threads)
        return lambda: list(pool.map(np.copyto, targets, sources))


class GpuLimits:
    """What the GPU can do at best: PyTorch's product where that can use it, else our own."""

    def __init__(self, tf32=False):
        from . import cuda

        cuda.product.use_tf32(tf32)
        self.ops, self.tf32, self.memory = cuda, tf32, lambda: None

    def wait(self):
        self.ops.device.wait()

    def work(self, row, what):
        if what == "copy":
            source = self.ops.to_device(np.ones(COPIED // 8, np.float32))
            target = self.ops.to_device(np.ones(COPIED // 8, np.float32))
            return partial(target.copy_to_device, source, self.ops.gpu.stream())
        a = np.random.default_rng(0).standard_normal((2048, 2048), np.float32)
        torch = None
        with contextlib.suppress(ImportError):
            import torch
        if torch and torch.cuda.is_available():  # there are PyTorches without
            torch.backends.cuda.matmul.allow_tf32 = self.tf32
            a = torch.from_numpy(a).cuda()
            self.wait = torch.cuda.synchronize
            return partial(torch.mm, a, a)
        a = self.ops.to_device(a)
        return partial(self.ops.fc_forward, a, a, self.ops.to_device(np.zeros(2048, "f4")))


def contestant(name, network, batch, tf32=False, gpus=None):
    """Return the contestant of this name."""
    if name == "limits":
        return Limits()
    if name == "limits-gpu":
        return GpuLimits(tf32)
    if name.startswith("torch"):
        return Torch(name, network, batch, tf32)
    return Ours(name, network, batch, tf32, gpus)


def seconds_of(work, count, wait=None, together=1):
    """Return the seconds that each of `count` calls takes.

    With `wait`, a function that waits for a GPU, so many calls `together` are timed as one: what it
    costs to wait must not count for each.
    """
    times = []
    for _ in range(max(1, count // together)):
        start = time.perf_counter()
        for _ in range(together):
            work()
        if wait:
            wait()
        times.append((time.perf_counter() - start) / together)
    return times


def memory(name):
    """Return VmRSS, the memory that this process has, or VmHWM, the most it ever had, in bytes.

    Only Linux tells it, elsewhere it is None.  (The ru_maxrss of getrusage would not do: a process
    inherits it from the one that started it.)
    """
    if sys.platform != "linux":
        return None
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])  # it is in KiB


def serve(requests, replies, name, network, batch, tf32="", gpus=""):
    """Be the contestant of this name: answer requests, a line each, until there are no more."""
    one = work = at_first = None
    for line in requests:
        request, reply = json.loads(line), {}
        try:
            if one is None:
                numbers = tuple(map(int, gpus.split(","))) if gpus else None
                one = contestant(name, network, int(batch), bool(tf32), numbers)
                at_first = memory("VmRSS")
            if "rows" in request:
                reply["rows"] = one.rows()
            elif "prepare" in request:
                work = None  # the one before may hold much memory
                work = one.work(*request["prepare"])
            elif "run" in request:
                together = request.get("together", 1)
                reply["seconds"] = seconds_of(work, request["run"], one.wait, together)
            elif "memory" in request:
                reply |= one.memory() or {"peak": memory("VmHWM"), "imports": at_first}
        except Exception as error:
            first_line = str(error).strip().partition("\n")[0]
            reply = {"error": f"{type(error).__name__}: {first_line}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed must not get between the replies
    serve(sys.stdin, replies, *sys.argv[1:])
