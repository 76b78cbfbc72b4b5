"""The hybrid of 2014: ranks share the images of the convolutions, and the units above them.

The convolutions do most of the work, and the fully connected layers have most of the weights.  So a
rank computes the convolutions for its own shards, as in shards.py, but of each fully connected
layer its own units, for all shards.  This is scheme (b) of Krizhevsky (arXiv 1404.5997):

    convolutions forward, for the shards of this rank
    fully connected layers, for one shard after the other, on all ranks:
        the shard's rank sends its activations to the others
        forward: in each layer a rank computes its units, and sends them to the others
        the loss, on every rank
        backward: each rank's units give one part of dx; the sum goes to whoever needs it
    convolutions backward, for the shards of this rank

A layer's units are cut into S slices, as a batch is into S shards, and dx is the sum of the slices'
dx in the order of the tree (tree.py).  So here, too, S decides the bits, and not the number of
ranks.

    x, dx     (N, D)   inputs for one shard, on every rank; a rank has the dx that it needs, and 0
    y, dy     (N, K)   outputs; a rank has the dy of its own units, and 0
    rows      a slice of 0 … K − 1: units, which are rows of w
    owner     the part of the ranks that a shard belongs to

Arrays cross transposed, units first, so that the units of a rank lie together.
"""

import functools
import math
from types import SimpleNamespace

import numpy as np

from .. import net
from .shards import Shards, flatten, nodes_of, unflatten
from .tree import add_leaf, root

UNIT_BY_UNIT = ("relu", "tanh", "logistic", "dropout", "dropout_relu")


class Hybrid(Shards):
    """The shards of each batch, and the slices of the fully connected layers' units."""

    completed = None  # the number of steps at the last `complete`

    def __init__(self, *arguments):
        super().__init__(*arguments)
        first = first_connected(self.layers)
        self.lower, self.upper = self.layers[:first], self.layers[first:]
        self.update_ops = SimpleNamespace(sgd_update=self.sgd_update)

    def step(self, batches, step, feed):
        """Return x, answers and grads of one step; x is None if this rank had no images.

        The gradients of fully connected layers are as in `own_rows`.
        """
        key, total = (batches.seed, batches.epoch, step), len(batches.indices(step))
        filled, learned = min(self.count, total), net.count_parameters(self.lower)
        x, answers, walks, lower_nodes, upper_nodes = None, [], {}, [], []
        for shard in self.of_part(self.job.part, filled):
            x, _ = next(feed)
            with self.seeded(*key, shard):
                walks[shard] = net.forward(self.lower, x)
        for shard in range(filled):
            labels = batches.labels[batches.indices(step, shard)]
            share, (y, caches) = len(labels) / total, walks.get(shard, (None, None))
            owner = next(p for p in range(self.job.parts) if shard in self.of_part(p))
            with self.seeded(*key, shard, 1):  # 1: else dropout would draw as in `lower`
                loss, scores, dy, grads = self.connected(y, labels, owner)
            add_leaf(upper_nodes, shard, flatten(self.upper, self.ops, grads, share))
            if y is not None:
                answers.append((loss, scores, labels))
                walks[shard] = caches, dy.reshape(y.shape), share
        for shard in list(walks):
            caches, dy, share = walks.pop(shard)
            _, grads = net.backward(self.lower, caches, dy, need_dx=False)
            if learned:
                add_leaf(lower_nodes, shard, flatten(self.lower, self.ops, grads, share))
            del caches, dy, grads  # the next shard needs the memory
        grads = self.own_rows(root(dict(upper_nodes)))
        if learned:
            grads |= self.whole_sum(self.lower, lower_nodes, filled)
        return x, answers, grads

    def connected(self, x, labels, owner):
        """Return loss, scores, dx and grads of the upper layers for one shard.

        x is the owner's, and dx is whole there alone; grads are those of this rank's units.
        """
        w = self.upper[0].params["w"]
        shape = len(labels), w.shape[1]
        counts = [math.prod(shape) * (part == owner) for part in range(self.job.parts)]
        sent = np.empty(0, w.dtype) if x is None else np.ascontiguousarray(x).ravel()
        x = self.job.joined(sent, counts).reshape(shape)
        owners = [owner] + [None] * len(self.upper)
        shared = [
            layer._replace(
                forward=self.fc_forward, backward=functools.partial(self.fc_backward, to)
            )
            if net.kind_of(layer) == "fc"
            else layer
            for layer, to in zip(self.upper, owners, strict=False)
        ]
        scores, caches = net.forward(shared, x)
        loss, loss_cache = self.ops.softmax_loss_forward(scores, labels)
        (dscores,) = self.ops.softmax_loss_backward(loss_cache)
        return loss, scores, *net.backward(shared, caches, dscores)

    def fc_forward(self, x, w, b):
        """Return y, of which every rank computes its units, and the cache of this rank's."""
        N, K = len(x), len(w)
        slices = self.slices(K)
        outputs = {s: self.ops.fc_forward(x, w[rows], b[rows]) for s, rows in slices.items()}
        own = [np.ascontiguousarray(y.T).ravel() for y, _ in outputs.values()]
        counts = [(rows.stop - rows.start) * N for rows in self.rows(K)]
        joined = self.job.joined(np.concatenate([np.empty(0, x.dtype), *own]), counts)
        caches = {s: cache for s, (_, cache) in outputs.items()}
        return np.ascontiguousarray(joined.reshape(K, N).T), (caches, w)

    def fc_backward(self, owner, dy, cache):
        """Return dx, for the owner or for each rank's units below, and dw, db of this rank's."""
        caches, w = cache
        N, (K, D) = len(dy), w.shape
        nodes, dws, dbs = [], [w[:0]], [np.empty(0, w.dtype)]
        for s, rows in self.slices(K).items():
            dx, dw, db = self.ops.fc_backward(np.ascontiguousarray(dy[:, rows]), caches[s])
            add_leaf(nodes, s, np.ascontiguousarray(dx.T).ravel())
            dws.append(dw)
            dbs.append(db)
        held = [nodes_of(self.slices(K, part)) for part in range(self.job.parts)]
        needed = self.rows(D)
        if owner is not None:
            needed = [slice(0, D * (part == owner)) for part in range(self.job.parts)]
        counts, dx = [(rows.stop - rows.start) * N for rows in needed], np.zeros((D, N), w.dtype)
        part = self.job.scatter_sum(nodes, held, counts, w.dtype)
        dx[needed[self.job.part]] = part.reshape(-1, N)
        return np.ascontiguousarray(dx.T), np.concatenate(dws), np.concatenate(dbs)

    def slices(self, K, part=None):
        """Return {number: rows} of the slices of K units: those of a part, or of this rank's."""
        shards = self.own if part is None else self.of_part(part)
        cut = {s: slice(s * K // self.count, (s + 1) * K // self.count) for s in shards}
        return {s: rows for s, rows in cut.items() if rows.start < rows.stop}

    def rows(self, K):
        """Return the rows of each part of the ranks: all its slices."""
        shards = [self.of_part(part) for part in range(self.job.parts)]
        return [slice(s.start * K // self.count, s.stop * K // self.count) for s in shards]

    def own_rows(self, flat):
        """Return grads from one array; each is a list of (rows, dw), the slices of this rank."""
        own = []
        for layer in self.upper:
            params = {n: w[self.rows(len(w))[self.job.part]] for n, w in layer.params.items()}
            own.append(layer._replace(params=params))
        grads = unflatten(own, self.ops, flat)
        for layer in self.upper:
            for name, w in layer.params.items():
                slices, dw = self.slices(len(w)).values(), grads[layer.name][name]
                ends = np.cumsum([rows.stop - rows.start for rows in slices], dtype=int)
                grads[layer.name][name] = list(zip(slices, np.split(dw, ends), strict=False))
        return grads

    def sgd_update(self, w, v, dw, **options):
        """Update w and v as the backend does; of a list of (rows, dw), each slice on its own."""
        if not isinstance(dw, list):
            return self.ops.sgd_update(w, v, dw, **options)
        for rows, dw_rows in dw:
            w[rows], v[rows] = self.ops.sgd_update(w[rows], v[rows], dw_rows, **options)
        return w, v

    def complete(self):
        """Bring each rank's rows of parameters and velocities to the others."""
        if self.completed == len(self.run.losses):
            return
        self.completed = len(self.run.losses)
        names = {layer.name for layer in self.upper}
        for name, array in self.run.arrays().items():  # such as w:fc6.w
            if name[2:].rpartition(".")[0] in names:
                parts = [array[rows] for rows in self.rows(len(array))]
                own = parts[self.job.part].ravel()
                array[...] = self.job.joined(own, [p.size for p in parts]).reshape(array.shape)


def first_connected(layers):
    """Return the number of the first fully connected layer."""
    return [net.kind_of(layer) for layer in layers].index("fc")


def check_layers(layers):
    """Raise ValueError unless the layers above the first fully connected one go unit by unit."""
    kinds = [net.kind_of(layer) for layer in layers]
    above = kinds[kinds.index("fc") :] if "fc" in kinds else ["no fully connected layer"]
    others = [kind for kind in above if kind not in ("fc", *UNIT_BY_UNIT)]
    if others:
        raise ValueError(
            "the hybrid takes a network of one column that ends with fully connected layers; "
            f"this one has {others[0]}"
        )
