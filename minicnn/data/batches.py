"""Batches that are made while the network trains (Section 4.1).

"The transformed images are generated in Python code on the CPU while the GPU is training on the
previous batch of images.  So these data augmentation schemes are, in effect, computationally free."

    order    (N,) whole numbers    the images of one epoch, in the order in which they come
    step     0, 1, …               the batch order[step·batch : (step + 1)·batch]; the last one of
                                   an epoch may be smaller

The random choices of a batch come from np.random.default_rng([seed, epoch, step]): it does not
matter who makes it, or when.  So any number of workers makes the same batches, and a run that goes
on at a later step gets the same ones as a run that never stopped.
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
        (N, …), indexed with an array of numbers; (N,).
    order : (M,) array of whole numbers
        A permutation of the images, or a part of one.
    batch : int
        Images in a batch.
    view : function
        view(images, rng) → x, what the network is to see of some images; for instance
        `functools.partial(augment.random_views, mean=mean, size=224)` called with rng=rng.
    seed, epoch : int
        Where the random choices come from, with the step.
    first_step : int
        Begin with this batch.
    workers : int
        Threads.
    ahead : int, optional
        At most so many batches are ready or being made while another is in use; two a worker if
        nothing is given.  A batch of 128 images of 224×224 takes 77 MB.

    Attributes
    ----------
    waited : float
        For how many seconds, until now, a batch was asked for and not ready.
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
    ):
        ahead = 2 * workers if ahead is None else ahead
        for name, value, least in (
            ("batch", batch, 1),
            ("workers", workers, 1),
            ("ahead", ahead, 1),
            ("first_step", first_step, 0),
        ):
            check_whole("Batches", name, value, least)
        if len(images) != len(labels):
            raise ValueError(f"Batches: there are {len(images)} images but {len(labels)} labels")
        self.images, self.labels, self.view = images, labels, view
        self.order = numbers_of_images(order, len(images))
        # As Python's own numbers, because step·batch would overflow in np.uint8.
        self.batch, self.workers, self.ahead = int(batch), int(workers), int(ahead)
        self.seed, self.epoch, self.first_step = seed, epoch, int(first_step)
        self.waited = 0.0

    def __len__(self):
        """Return the number of batches from the first step on."""
        return max(0, math.ceil(len(self.order) / self.batch) - self.first_step)

    def __iter__(self):
        """Yield x and labels of every batch.  The threads end with the last one, or when the loop
        around this is left.  What goes wrong in a thread is raised here."""
        pool = ThreadPoolExecutor(self.workers, "batches")
        steps = iter(range(self.first_step, self.first_step + len(self)))
        coming = deque(pool.submit(self.make, step) for step in itertools.islice(steps, self.ahead))
        try:
            while coming:
                asked = time.perf_counter()
                x, labels = coming.popleft().result()
                self.waited += time.perf_counter() - asked
                coming.extend(pool.submit(self.make, step) for step in itertools.islice(steps, 1))
                yield x, labels
        finally:
            pool.shutdown(cancel_futures=True)

    def chosen(self, step):
        """Return which images the batch of this step has."""
        return self.order[step * self.batch : (step + 1) * self.batch]

    def make(self, step):
        """Return x and labels of the batch of this step."""
        chosen = self.chosen(step)
        rng = np.random.default_rng([self.seed, self.epoch, step])
        x = self.view(self.images[chosen], rng=rng)
        if len(x) != len(chosen):
            raise ValueError(f"Batches: the view of {len(chosen)} images has {len(x)}")
        return x, self.labels[chosen]


def numbers_of_images(order, N):
    """Return order as an array; refuse what is no row of numbers of images, 0 … N−1."""
    order = np.asarray(order)
    if order.ndim != 1 or (order.dtype.kind not in "iu" and order.size):
        raise ValueError(
            f"Batches: order is {order.dtype} of shape {order.shape}; expected one axis of whole "
            "numbers"
        )
    if order.size and not (0 <= order.min() and order.max() < N):
        raise ValueError(
            f"Batches: order runs from {order.min()} to {order.max()}; expected 0 … {N - 1} for "
            f"{N} images"
        )
    return order.astype(np.intp)
