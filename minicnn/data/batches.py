"""Batches, made in threads while the network trains (Section 4.1).

"The transformed images are generated in Python code on the CPU while the GPU is training on the
previous batch of images.  So these data augmentation schemes are, in effect, computationally free."

    order    (N,) integers    indices of one epoch's images, in training order
    step     0, 1, …          number of the batch order[step·batch : (step + 1)·batch]; the last
                              batch of an epoch may be smaller

A batch draws its random choices from np.random.default_rng([seed, epoch, step]), so it does not
matter which worker makes it, or when.  Any number of workers makes the same batches, and a resumed
run gets the same batches as a run that never stopped.  If a batch is cut into shards, each of them
is made on its own, and draws from np.random.default_rng([seed, epoch, step, shard]).
"""

import itertools
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..checks import check_whole


class Batches:
    """The batches of one epoch: `for x, y in Batches(…)`, made by threads, ahead of time.

    Parameters
    ----------
    images, labels : array-likes
        (N, …), which accepts an array of indices; (N,).
    order : (M,) array of integers
        A permutation of the images' indices, or part of one.
    batch : int
        Images in a batch.
    view : function
        view(images, rng=rng) → x, what the network sees of these images; for instance
        `functools.partial(augment.random_views, mean=mean, size=224)`.
    seed, epoch : int
        Together with the step, they seed the random choices.
    first_step : int
        The first batch to make.
    workers : int
        Threads.
    ahead : int, optional
        How many batches, at most, are ready or in the making while another is in use; two per
        worker by default.  A batch of 128 images of 224×224 takes 77 MB.
    shards, own : int and sequence of int, optional
        A batch is cut into so many shards, whose sizes differ by one image at most, and these are
        made, one by one; by default a batch is one shard.  Shards without images are left out.

    Attributes
    ----------
    waited : float
        Seconds spent so far waiting for batches that were not ready.
    """

    def __init__(
        self,
        images,
        labels,
        order,
        batch,
        view,
        *,
        seed,
        epoch,
        first_step=0,
        workers=1,
        ahead=None,
        shards=1,
        own=None,
    ):
        workers = check_whole("Batches", "workers", workers, 1)
        ahead = 2 * workers if ahead is None else ahead
        for name, value, least in (
            ("batch", batch, 1),
            ("seed", seed, 0),
            ("epoch", epoch, 0),
            ("ahead", ahead, 1),
            ("first_step", first_step, 0),
            ("shards", shards, 1),
        ):
            check_whole("Batches", name, value, least)
        for name, value in (("images", images), ("labels", labels)):
            if not hasattr(value, "__len__"):
                raise TypeError(f"Batches: {name} is a {type(value).__name__}; expected an array")
        if len(images) != len(labels):
            raise ValueError(f"Batches: there are {len(images)} images but {len(labels)} labels")
        if not callable(view):
            raise TypeError(f"Batches: view is a {type(view).__name__}; expected a function")
        self.images, self.labels, self.view = images, labels, view
        self.order = checked_order(order, len(images))
        # Python integers, because step·batch would overflow in np.uint8.
        self.batch, self.workers, self.ahead = int(batch), int(workers), int(ahead)
        self.seed, self.epoch, self.first_step = seed, epoch, int(first_step)
        self.shards, self.own = shards, range(shards) if own is None else own
        self.stop = math.ceil(len(self.order) / self.batch)  # the step after the last
        self.waited = 0.0

    def __len__(self):
        """Return the number of batches, counted from first_step."""
        return max(0, self.stop - self.first_step)

    def __iter__(self):
        """Yield x and labels of every batch, or of the shards of every batch.

        The threads end with the last batch, or when the caller leaves its loop.  An error in a
        thread is raised here.
        """
        pool = ThreadPoolExecutor(self.workers, "batches")
        pieces = (
            (step, shard)
            for step in range(self.first_step, self.stop)
            for shard in self.own
            if len(self.indices(step, shard))
        )
        first_pieces = itertools.islice(pieces, self.ahead)
        pending = deque(pool.submit(self.make, *piece) for piece in first_pieces)
        try:
            while pending:
                start = time.perf_counter()
                x, labels = pending.popleft().result()
                self.waited += time.perf_counter() - start
                next_piece = itertools.islice(pieces, 1)
                pending.extend(pool.submit(self.make, *piece) for piece in next_piece)
                yield x, labels
        finally:
            pool.shutdown(cancel_futures=True)

    def indices(self, step, shard=None):
        """Return the indices of the images in the batch of this step, or in one shard of it."""
        indices = self.order[step * self.batch : (step + 1) * self.batch]
        return indices if shard is None else np.array_split(indices, self.shards)[shard]

    def make(self, step, shard=0):
        """Return x and labels of a shard of this step's batch: of all of it, if it is not cut."""
        indices = self.indices(step, shard)
        key = [self.seed, self.epoch, step] + ([shard] if self.shards > 1 else [])
        x = self.view(self.images[indices], rng=np.random.default_rng(key))
        if len(x) != len(indices):
            raise ValueError(f"Batches: view returned {len(x)} images for {len(indices)}")
        return x, self.labels[indices]


def checked_order(order, N):
    """Return `order` as an array; raise ValueError unless it is a list of indices 0 … N−1."""
    order = np.asarray(order)
    if order.ndim != 1 or (order.dtype.kind not in "iu" and order.size):
        raise ValueError(
            f"Batches: order is {order.dtype} of shape {order.shape}; expected a "
            "one-dimensional array of integers"
        )
    if order.size and not (0 <= order.min() and order.max() < N):
        raise ValueError(
            f"Batches: order runs from {order.min()} to {order.max()}; expected 0 … {N - 1} for "
            f"{N} images"
        )
    return order.astype(np.intp)
