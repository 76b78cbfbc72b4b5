"""Shards: a batch cut into S parts, so that the same run can be computed by any number of ranks.

A batch's gradient is the sum of its shards' gradients, each weighted by its share of the images, in
the fixed order of a tree (tree.py).  Rank r of n computes the shards r·S/n … (r + 1)·S/n − 1 and
adds up the nodes that lie among them; the job adds the rest.  So S decides what is computed, and n
who computes it.

Every random choice has a seed: seed, epoch, step and shard for the views and for dropout.  With
S = 1 the batch is one shard, and dropout goes on drawing from the run's generator.

    flat    the gradients of all parameters, one after the other, in one array
    nodes   list of (node of the tree, flat)
    held    for each rank the nodes that it has
"""

from contextlib import contextmanager

import numpy as np

from .. import net
from .ranks import warn_if_rounded
from .tree import add_leaf


class Shards:
    """The shards of each batch of a run, and those of them that this rank computes.

    Parameters
    ----------
    count : int
        S, the number of shards.
    job : Alone or Ranks
    run : Run
    layers : list of Layer
        Those of the run, for training.
    ops : module
    compute : function
        compute(layers, ops, x, labels) → loss, scores, grads: train.loss_and_gradients.
    """

    def __init__(self, count, job, run=None, layers=(), ops=None, compute=None):
        self.count, self.job, self.run = count, job, run
        self.layers, self.ops, self.compute = layers, ops, compute
        self.own = self.of_part(job.part)
        self.update_ops = ops  # the backend whose sgd_update takes the grads of `steps`

    def of_part(self, part, filled=None):
        """Return the numbers of the shards of a part of the ranks, among the first `filled`."""
        first, stop = (p * self.count // self.job.parts for p in (part, part + 1))
        return range(first, stop if filled is None else min(stop, filled))

    def steps(self, batches):
        """Yield x, answers and grads of every step that is left in an epoch.

        Yields
        ------
        x : array
            Of the last shard that this rank has computed.
        answers : list of (loss, scores, labels)
            One for each shard of this rank, for `count_answers`.
        grads : dict
            The gradients of the whole batch, from all ranks.
        """
        feed = iter(self.ops.device.feed(batches))
        for step in range(batches.first_step, batches.stop):
            x, answers, grads = self.step(batches, step, feed)
            yield batches.make(step, 0)[0] if x is None else x, answers, grads
            del answers, grads  # the next step needs the memory

    def step(self, batches, step, feed):
        """Return x, answers and grads of one step; x is None if this rank had no images."""
        key, total = (batches.seed, batches.epoch, step), len(batches.indices(step))
        filled = min(self.count, total)  # the other shards have no images
        x, answers, nodes = None, [], []
        for shard in self.of_part(self.job.part, filled):
            x, labels = next(feed)
            with self.seeded(*key, shard):
                loss, scores, grads = self.compute(self.layers, self.ops, x, labels)
            answers.append((loss, scores, labels))
            if self.count > 1:
                add_leaf(nodes, shard, flatten(self.layers, self.ops, grads, len(labels) / total))
                del grads  # the next shard needs the memory
        if self.count > 1:
            grads = self.whole_sum(self.layers, nodes, filled)
        return x, answers, grads

    def whole_sum(self, layers, nodes, filled):
        """Return the gradients of the whole batch, and empty this rank's nodes."""
        held = [nodes_of(self.of_part(part, filled)) for part in range(self.job.parts)]
        like = list(net.parameters(layers).values())
        length, ranks = sum(w.size for w in like), self.job.parts
        counts = np.diff([rank * length // ranks for rank in range(ranks + 1)])
        part = self.job.scatter_sum(nodes, held, counts, like[0].dtype)
        return unflatten(layers, self.ops, self.job.joined(part, counts))

    def complete(self):
        """Bring all parameters and velocities of the run to every rank, if they are not there."""
        self.job.complete(self.run)

    @contextmanager
    def seeded(self, *key):
        """Let the run's generators draw what belongs to a key, then return to their state."""
        if self.count == 1:
            yield
            return
        rngs = self.run.rngs()
        states = [rng.bit_generator.state for rng in rngs]
        for number, rng in enumerate(rngs):
            seed = np.random.SeedSequence(key, spawn_key=(number,))
            rng.bit_generator.state = type(rng.bit_generator)(seed).state
        try:
            yield
        finally:
            for rng, state in zip(rngs, states, strict=True):
                rng.bit_generator.state = state

    def rehearse(self, x, labels):
        """Compute a small step on every rank, and warn if one has other bits than rank 0."""
        with self.seeded(0):
            loss, _, grads = self.compute(self.layers, self.ops, self.ops.to_device(x), labels)
        flat = flatten(self.run.layers, self.ops, grads)
        warn_if_rounded(self.job, float(self.ops.to_host(loss)), flat)

    def count_answers(self, answers):
        """Return the mean loss of a batch, its wrong answers and its images, from all ranks."""
        counts, to_host = [], self.ops.to_host
        for loss, scores, labels in answers:
            wrong = int((np.argmax(to_host(scores), axis=1) != labels).sum())
            counts.append((float(to_host(loss)), wrong, len(labels)))
        counts = [count for own in self.job.collect(counts) for count in own]  # by shard
        losses, wrongs, images = zip(*counts, strict=True)
        loss = sum(loss * n / sum(images) for loss, n in zip(losses, images, strict=True))
        return losses[0] if self.count == 1 else loss, sum(wrongs), sum(images)


def check_ranks(count, job):
    """Raise ValueError if there are more ranks than shards."""
    if job.parts > count:
        shards = "1 shard" if count == 1 else f"{count} shards"
        raise ValueError(
            f"{job.parts} ranks cannot share {shards} of a batch: start at most {count}, or "
            f"take --shards {job.parts} in another folder"
        )


def nodes_of(leaves):
    """Return the nodes of the tree that these leaves add up to."""
    nodes = []
    for leaf in leaves:
        add_leaf(nodes, leaf, np.zeros(0))
    return [node for node, _ in nodes]


def flatten(layers, ops, grads, share=1):
    """Return the gradients of all parameters, times a share, as one array on the host."""
    arrays = [grads[layer.name][name] for layer in layers for name in layer.params]
    return ops.device.collect(arrays, share)


def unflatten(layers, ops, flat):
    """Return grads, where `ops` computes, from one array: the inverse of `flatten`."""
    params = [(layer, name) for layer in layers for name in layer.params]
    arrays = ops.device.deliver(flat, [layer.params[name] for layer, name in params])
    grads = {layer.name: {} for layer in layers}
    for (layer, name), array in zip(params, arrays, strict=True):
        grads[layer.name][name] = array
    return grads
