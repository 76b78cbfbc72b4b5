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
from .alone import ALONE
from .ranks import warn_if_rounded
from .tree import add_leaf


class Shards:
    """The shards of each batch of a run, and those of them that this rank computes.

    Parameters
    ----------
    count : int
        S, the number of shards.
    job : Alone or Ranks

    Raises
    ------
    ValueError
        If there are more ranks than shards.
    """

    def __init__(self, count=1, job=ALONE):
        if job.parts > count:
            shards = "1 shard" if count == 1 else f"{count} shards"
            raise ValueError(
                f"{job.parts} ranks cannot share {shards} of a batch: start at most {count}, or "
                f"take --shards {job.parts} in another folder"
            )
        self.count, self.job = count, job

    def of_part(self, part):
        """Return the numbers of the shards of a part of the ranks."""
        first, stop = (p * self.count // self.job.parts for p in (part, part + 1))
        return range(first, stop)

    @property
    def own(self):
        """The numbers of this rank's shards."""
        return self.of_part(self.job.part)

    def steps(self, compute, ops, batches, run):
        """Yield x, answers and grads of every step that is left in an epoch.

        Parameters
        ----------
        compute : function
            compute(x, labels) → loss, scores, grads of a shard, see train.loss_and_gradients.
        ops : module
        batches : Batches
        run : Run

        Yields
        ------
        x : array
            Of the last shard that this rank has computed.
        answers : list of (loss, scores, labels)
            One for each shard of this rank, for `count_answers`.
        grads : dict
            The gradients of the whole batch, from all ranks.
        """
        x, shards = None, iter(ops.device.feed(batches))
        for step in range(batches.first_step, batches.stop):
            filled = min(self.count, len(batches.indices(step)))  # the others have no images
            answers, nodes, total = [], [], len(batches.indices(step))
            for shard in self.own[: max(0, filled - self.own.start)]:
                x, labels = next(shards)
                with self.seeded(run, batches.seed, batches.epoch, step, shard):
                    loss, scores, grads = compute(x, labels)
                answers.append((loss, scores, labels))
                if self.count > 1:
                    flat = flatten(run.layers, ops, grads)
                    flat *= flat.dtype.type(len(labels) / total)
                    add_leaf(nodes, shard, flat)
                    del grads, flat  # the next shard needs the memory
            if self.count > 1:
                grads = self.whole_sum(run.layers, ops, nodes, filled)
            yield batches.make(step, 0)[0] if x is None else x, answers, grads
            del answers, grads  # the next step needs the memory

    def whole_sum(self, layers, ops, nodes, filled):
        """Return the gradients of the whole batch, and empty this rank's nodes."""
        held = [self.nodes_of(part, filled) for part in range(self.job.parts)]
        like = list(net.parameters(layers).values())
        flat = self.job.tree_sum(nodes, held, sum(w.size for w in like), like[0].dtype)
        nodes.clear()
        return unflatten(layers, ops, flat)

    def nodes_of(self, part, filled):
        """Return the nodes of a part after a step in which the first `filled` shards had images."""
        nodes = []
        for shard in self.of_part(part):
            if shard < filled:
                add_leaf(nodes, shard, np.zeros(0))
        return [node for node, _ in nodes]

    @contextmanager
    def seeded(self, run, *key):
        """Let the run's generators draw what belongs to a key, then return to their state."""
        if self.count == 1:
            yield
            return
        rngs = run.rngs()
        states = [rng.bit_generator.state for rng in rngs]
        for number, rng in enumerate(rngs):
            seed = np.random.SeedSequence(key, spawn_key=(number,))
            rng.bit_generator.state = type(rng.bit_generator)(seed).state
        try:
            yield
        finally:
            for rng, state in zip(rngs, states, strict=True):
                rng.bit_generator.state = state

    def rehearse(self, compute, ops, run, x, labels):
        """Compute a small step on every rank, and warn if one has other bits than rank 0."""
        with self.seeded(run, 0):
            loss, _, grads = compute(ops.to_device(x), labels)
        warn_if_rounded(self.job, float(ops.to_host(loss)), flatten(run.layers, ops, grads))

    def count_answers(self, ops, answers):
        """Return the mean loss of a batch, its wrong answers and its images, from all ranks."""
        counts = []
        for loss, scores, labels in answers:
            wrong = int((np.argmax(ops.to_host(scores), axis=1) != labels).sum())
            counts.append((float(ops.to_host(loss)), wrong, len(labels)))
        counts = [count for own in self.job.collect(counts) for count in own]  # by shard
        losses, wrongs, images = zip(*counts, strict=True)
        loss = sum(loss * n / sum(images) for loss, n in zip(losses, images, strict=True))
        return losses[0] if self.count == 1 else loss, sum(wrongs), sum(images)


def flatten(layers, ops, grads):
    """Return the gradients of all parameters as one array on the host."""
    arrays = [
        column.ravel()
        for layer in layers
        for name in layer.params
        for column in net.columns(ops.to_host(grads[layer.name][name]))
    ]
    return np.concatenate(arrays)


def unflatten(layers, ops, flat):
    """Return grads, where `ops` computes, from one array: the inverse of `flatten`."""
    grads, first = {layer.name: {} for layer in layers}, 0
    for layer in layers:
        for name, w in layer.params.items():
            parts = []
            for column in net.columns(w):
                parts.append(flat[first : first + column.size].reshape(column.shape))
                first += column.size
            grads[layer.name][name] = ops.to_device(
                tuple(parts) if isinstance(w, tuple) else parts[0]
            )
    return grads
