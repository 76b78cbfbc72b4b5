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

    def step(self, compute, layers, ops, batches, run, step, feed):
        """Return x, answers and grads of one step; x is None if this rank had no images.

        For a fully connected layer, grads has (dw,), the rows of this rank's units.
        """
        key, total = (batches.seed, batches.epoch, step), len(batches.indices(step))
        first, filled = first_connected(layers), min(self.count, total)
        lower, upper = layers[:first], layers[first:]
        x, answers, walks, lower_nodes, upper_nodes = None, [], {}, [], []
        for shard in self.of_part(self.job.part, filled):
            x, _ = next(feed)
            with self.seeded(run, *key, shard):
                walks[shard] = net.forward(lower, x)
        for shard in range(filled):
            labels = batches.labels[batches.indices(step, shard)]
            share, (y, caches) = len(labels) / total, walks.get(shard, (None, None))
            owner = next(p for p in range(self.job.parts) if shard in self.of_part(p))
            with self.seeded(run, *key, shard, 1):  # 1: else dropout would draw as in `lower`
                loss, scores, dy, grads = self.connected(upper, ops, y, labels, owner)
            add_leaf(upper_nodes, shard, flatten(upper, ops, grads, share))
            if y is not None:
                answers.append((loss, scores, labels))
                walks[shard] = caches, dy.reshape(y.shape), share
        for shard in list(walks):
            caches, dy, share = walks.pop(shard)
            _, grads = net.backward(lower, caches, dy, need_dx=False)
            if net.count_parameters(lower):
                add_leaf(lower_nodes, shard, flatten(lower, ops, grads, share))
            del caches, dy, grads  # the next shard needs the memory
        grads = self.own_rows(upper, ops, root(dict(upper_nodes)))
        if net.count_parameters(lower):
            grads |= self.whole_sum(lower, ops, lower_nodes, filled)
        return x, answers, grads

    def connected(self, layers, ops, x, labels, owner):
        """Return loss, scores, dx and grads of the upper layers for one shard.

        x is the owner's, and dx is whole there alone; grads are those of this rank's units.
        """
        shape, dtype = (len(labels), layers[0].params["w"].shape[1]), layers[0].params["w"].dtype
        counts = [math.prod(shape) * (part == owner) for part in range(self.job.parts)]
        sent = np.empty(0, dtype) if x is None else np.ascontiguousarray(x).ravel()
        x = self.job.joined(sent, counts).reshape(shape)
        shared = [
            layer._replace(
                forward=functools.partial(self.fc_forward, ops),
                backward=functools.partial(self.fc_backward, ops, owner if i == 0 else None),
            )
            if net.kind_of(layer) == "fc"
            else layer
            for i, layer in enumerate(layers)
        ]
        scores, caches = net.forward(shared, x)
        loss, loss_cache = ops.softmax_loss_forward(scores, labels)
        (dscores,) = ops.softmax_loss_backward(loss_cache)
        return loss, scores, *net.backward(shared, caches, dscores)

    def fc_forward(self, ops, x, w, b):
        """Return y, of which every rank computes its units, and the cache of this rank's."""
        N, K = len(x), len(w)
        outputs = {s: ops.fc_forward(x, w[rows], b[rows]) for s, rows in self.slices(K).items()}
        own = [np.ascontiguousarray(y.T).ravel() for y, _ in outputs.values()]
        counts = [(rows.stop - rows.start) * N for rows in self.rows(K)]
        joined = self.job.joined(np.concatenate([np.empty(0, x.dtype), *own]), counts)
        caches = {s: cache for s, (_, cache) in outputs.items()}
        return np.ascontiguousarray(joined.reshape(K, N).T), (caches, w)

    def fc_backward(self, ops, owner, dy, cache):
        """Return dx, for the owner or for each rank's units below, and dw, db of this rank's."""
        caches, w = cache
        N, (K, D) = len(dy), w.shape
        nodes, dws, dbs = [], [w[:0]], [np.empty(0, w.dtype)]
        for s, rows in self.slices(K).items():
            dx, dw, db = ops.fc_backward(np.ascontiguousarray(dy[:, rows]), caches[s])
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

    def own_rows(self, layers, ops, flat):
        """Return grads, each as (dw,) with this rank's rows, from one array."""
        own = []
        for layer in layers:
            params = {n: w[self.rows(len(w))[self.job.part]] for n, w in layer.params.items()}
            own.append(layer._replace(params=params))
        grads = unflatten(own, ops, flat)
        return {name: {n: (dw,) for n, dw in grads[name].items()} for name in grads}

    def updating(self, ops):
        """Return a backend whose sgd_update also takes (dw,), the gradient of this rank's rows."""

        def sgd_update(w, v, dw, **options):
            if not isinstance(dw, tuple):
                return ops.sgd_update(w, v, dw, **options)
            first = self.rows(len(w))[self.job.part].start
            for rows in self.slices(len(w)).values():  # each slice alone, whoever has it
                dw_rows = dw[0][rows.start - first : rows.stop - first]
                w[rows], v[rows] = ops.sgd_update(w[rows], v[rows], dw_rows, **options)
            return w, v

        return SimpleNamespace(sgd_update=sgd_update)

    def complete(self, run):
        """Bring each rank's rows of parameters and velocities to the others."""
        if self.completed == len(run.losses):
            return
        self.completed = len(run.losses)
        names = {layer.name for layer in run.layers if net.kind_of(layer) == "fc"}
        for name, array in run.arrays().items():  # such as w:fc6.w
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
