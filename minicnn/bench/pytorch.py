"""PyTorch as a contestant, with our weights and images; cases.py describes a contestant's methods.

It runs under its best conditions: channels-last images are laid out before the clock starts, whole
networks have in-place ReLU and the fused update, dropout at test time is skipped, and the first
convolution computes no dx.  The backward passes of single layers call the functions that autograd
would call, without autograd's own cost, which a whole network pays only once.
"""

import os
from functools import cached_property, partial

from ..net import kind_of
from ..shapes import out_size
from .cases import EPSILON, Record, arguments_of, build, find, images


class Torch:
    """PyTorch in one of the modes in worker.py; a network of two columns runs in one column."""

    def __init__(self, contestant, network, batch, tf32=False):
        import torch

        from .. import reference

        torch.optim.SGD([torch.zeros(1)])  # imports now what the first optimizer would import later
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.reference, self.torch, self.functional = reference, torch, torch.nn.functional
        self.network, self.batch = find(network).in_one_column or network, batch
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
        """Return the peak of the GPU memory taken by tensors, in bytes; None on the CPU."""
        return self.torch.cuda.max_memory_allocated() if self.gpu else None

    def tensor(self, array):
        """Return the array as a tensor in this contestant's layout, on its device."""
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
        """The layers, with tensors as parameters."""
        layers = build(self.network, self.reference)
        for layer in layers:
            for name, w in layer.params.items():
                layer.params[name] = self.tensor(w).requires_grad_()
        return layers

    @cached_property
    def records(self):
        """The Record of each layer in one training step."""
        x, labels = self.images(self.batch)
        xs = [x]
        for layer in self.layers:
            xs.append(torch_function(layer)(xs[-1], *layer.params.values()))
        loss = self.functional.cross_entropy(xs[-1], labels)
        dys = self.torch.autograd.grad(loss, xs[1:])
        xs = [x.detach() for x in xs]
        records = zip(self.layers, xs[:-1], xs[1:], dys, strict=True)
        return {layer.name: Record(layer, x, y, None, dy) for layer, x, y, dy in records}

    def layer(self, name, pass_name):
        """Return a pass of a layer, or of two layers that ours fuses, such as "conv1+relu1"."""
        records = [self.records[part] for part in name.split("+")]
        layers, x, y, dy = [r.layer for r in records], records[0].x, records[-1].y, records[-1].dy
        first = layers[0] is self.layers[0]
        x_learns = x.detach().requires_grad_(not first)
        forward = partial(self.chain(layers), x_learns)
        if pass_name == "forward":
            return forward
        params = layers[0].params
        if params:
            wanted = [pass_name != "dw" and not first, pass_name != "dx"]
            make_gradients = BACKWARD[kind_of(layers[0])]
            gradients = make_gradients(x, params["w"].detach(), *wanted, **layers[0].options)
            relu_backward = partial(
                self.torch.ops.aten.threshold_backward, dy, y, 0
            )  # dy where y > 0
            backward = (
                partial(gradients, dy) if len(layers) == 1 else lambda: gradients(relu_backward())
            )
        else:
            backward = torch_backward(forward(), x_learns, dy)
        return self.torch.no_grad()(backward)

    def chain(self, layers):
        """Return the function of x that runs these layers, with in-place ReLU where allowed."""
        functions = [torch_function(layer, inplace=i > 0) for i, layer in enumerate(layers)]
        params = [layer.params.values() for layer in layers]
        if len(layers) == 1:
            return lambda x: functions[0](x, *params[0])
        first, second = functions
        return lambda x: second(first(x, *params[0]))  # the second layer has no parameters

    def loss(self, pass_name):
        scores = self.records[self.layers[-1].name].y.requires_grad_()
        _, labels = self.images(self.batch)
        forward = partial(self.functional.cross_entropy, scores, labels)
        if pass_name == "forward":
            return forward
        y = forward()
        return self.torch.no_grad()(torch_backward(y, scores, self.torch.ones_like(y)))

    def training(self, row):
        """Return a training step, or only its update."""
        x, labels = self.images(self.batch)
        weights = [w for layer in self.layers for w in layer.params.values()]
        optimizer = self.torch.optim.SGD(
            weights, EPSILON, momentum=0.9, weight_decay=0.0005, fused=True
        )
        loss = self.network_function(loss=True, inplace=True)

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss(x, labels).backward()
            optimizer.step()

        if row == "step":
            return step
        step()  # computes the gradients
        return optimizer.step

    def inference(self, N):
        x, _ = self.images(N)
        forward = self.network_function(training=False, inplace=True)
        return self.torch.inference_mode()(partial(forward, x))

    def network_function(self, loss=False, **options):
        """Return the function of x, or with loss=True of x and labels, that runs all layers."""
        functions = [(torch_function(layer, **options), layer.params) for layer in self.layers]

        def forward(x, labels=None):
            for function, params in functions:
                x = function(x, *params.values())
            return self.functional.cross_entropy(x, labels) if loss else x

        return self.torch.compile(forward, dynamic=False) if self.compiled else forward

    def operation(self, row):
        f = self.functional.linear if row == "product" else self.functional.relu
        return partial(f, *map(self.tensor, arguments_of(row)))


def torch_function(layer, training=True, inplace=False):
    """Return PyTorch's function of x and the parameters for one of our layers.

    PyTorch's dropout scales in training, ours at test time.  Its normalization has no groups, so
    groups become images here, and it divides alpha by n.
    """
    from torch.nn import functional

    def conv(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):
        x_all = torch_padded(x, w.shape[-1], stride, pad, ceil_mode)
        return functional.conv2d(x_all, w, b, stride, pad, groups=groups)

    def relu(x):
        return functional.relu(x, inplace)

    def tanh(x):
        return x.tanh()

    def logistic(x):
        return x.sigmoid()

    def lrn(x, k=2, n=5, alpha=1e-4, beta=0.75, groups=1):
        N, C, H, W = x.shape
        parts = x.reshape(N * groups, C // groups, H, W)
        return functional.local_response_norm(parts, n, alpha * n, beta, k).reshape(x.shape)

    def map_lrn(x, k=1, n=3, alpha=5e-5, beta=0.75):
        means = functional.avg_pool2d(x * x, n, 1, n // 2)  # for even n with a row too many
        return x * (k + alpha * means[..., : x.shape[2], : x.shape[3]]) ** -beta

    def pool(x, z=3, s=2, ceil_mode=False):
        return functional.max_pool2d(x, z, s, ceil_mode=ceil_mode)

    def average_pool(x, z=3, s=2, ceil_mode=False):
        return functional.avg_pool2d(x, z, s, ceil_mode=ceil_mode, count_include_pad=False)

    def fc(x, w, b):
        return functional.linear(x.flatten(1), w, b)

    def dropout(x, p=0.5, rng=None):
        return functional.dropout(x, p, training)

    functions = {"conv": conv, "local": torch_local, "fc": fc, "dropout": dropout}
    functions |= {"relu": relu, "tanh": tanh, "logistic": logistic, "lrn": lrn, "map_lrn": map_lrn}
    functions |= {"pool": pool, "average_pool": average_pool}
    return partial(functions[kind_of(layer)], **layer.options)


def torch_local(x, w, b, stride=1, pad=0):
    """Return y of a locally connected layer, a product for each place: PyTorch has none."""
    from torch.nn import functional

    H_out, W_out, K, _, f, _ = w.shape
    places, N = H_out * W_out, len(x)
    windows = functional.unfold(x, f, padding=pad, stride=stride).permute(2, 0, 1)  # (places, N, …)
    y = windows @ w.reshape(places, K, -1).mT + b.reshape(places, 1, K)
    return y.permute(1, 2, 0).reshape(N, K, H_out, W_out)


def torch_padded(x, f, stride, pad, ceil_mode):
    """Return x with the zeros past its far edge that ceil_mode reads, which PyTorch lacks."""
    from torch.nn import functional

    H = x.shape[-1]
    extra = stride * (out_size(H, f, stride, pad, ceil_mode) - 1) + f - H - 2 * pad
    return functional.pad(x, (0, extra, 0, extra)) if extra > 0 else x


def torch_conv_backward(x, w, dx=True, dw=True, *, stride=1, pad=0, groups=1, ceil_mode=False):
    """Return the function of dy that computes dx, or dw and db, or all of them."""
    import torch

    x_all = torch_padded(x, w.shape[-1], stride, pad, ceil_mode)
    pads, strides, dilation, transposed = [pad, pad], [stride, stride], [1, 1], False
    rest = [len(w)], strides, pads, dilation, transposed, [0, 0], groups, [dx, dw, dw]
    return lambda dy: torch.ops.aten.convolution_backward(dy, x_all, w, *rest)


def torch_local_backward(x, w, dx=True, dw=True, **options):
    """Return the function of dy that computes dx, or dw and db, or all of them."""
    import torch

    b = w.new_zeros(w.shape[:3])
    x, w, b = x.detach().requires_grad_(dx), w.requires_grad_(dw), b.requires_grad_(dw)
    y, learning = torch_local(x, w, b, **options), [q for q in (x, w, b) if q.requires_grad]

    def backward(dy):
        return torch.autograd.grad(y, learning, dy, retain_graph=True)

    return backward if dx else lambda dy: (None, *backward(dy))


def torch_fc_backward(x, w, dx=True, dw=True):
    """Return the function of dy that computes dx, or dw and db, or all of them."""
    x_rows = x.flatten(1)

    def backward(dy):
        return dy @ w if dx else None, *((dy.T @ x_rows, dy.sum(0)) if dw else (None, None))

    return backward


BACKWARD = {"conv": torch_conv_backward, "local": torch_local_backward, "fc": torch_fc_backward}


def torch_backward(y, x, dy):
    """Return the function that computes dx of a layer without parameters.

    It calls the nodes of the graph from y back to x, one after the other, because autograd.grad
    would add about 0.1 ms.  A graph with branches needs autograd.grad: that of normalization, where
    0.1 ms matters little.
    """
    import torch

    nodes, node = [], y.grad_fn
    while node.name() != "torch::autograd::AccumulateGrad":  # this node is x
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
