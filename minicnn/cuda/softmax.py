"""Softmax and its loss (Section 3.5) on the GPU.  The definition is reference/softmax.py.

    scores   (N, classes)     a block of threads for each row
    labels   (N,)             whole numbers 0 … classes−1
    p        (N, classes)     probabilities
    losses   (N,)             −log p[n, labels[n]]
    loss     ()               their mean; it stays on the device
    shared   (ROW,)           a number from each thread of a block, to be made one (reductions.py)

There is no plainer kernel: a thread for each score would have to add up its whole row by itself.
"""

import math

import numpy as np

from ..checks import check_array, check_labels
from .buffers import empty
from .device import flat, on_device, to_device
from .gpu import SIMULATED, cuda, launch_blocks
from .reductions import larger, largest_of_block, sum_of_block

ROW = 4 if SIMULATED else 256  # threads of a block: all of them for one row


def softmax(scores):
    """Return the probabilities (N, classes)."""
    check_array("softmax", "scores", scores, 2)
    scores = to_device(scores)
    p = empty(scores.shape, scores.dtype)
    if p.size:
        launch_blocks(softmax_kernel, len(scores), ROW, scores, p)
    return p


def softmax_loss_forward(scores, labels):
    """Return the mean loss in nats, an array of shape () on the device, and the cache.

    Labels on the host are checked and copied, which can make the host wait for the GPU.  Of labels
    on the device only dtype and shape are checked, because to look at their values would be to
    wait for them, too; one that is no class makes the loss NaN.
    """
    # a host array of the same kind stands for what cannot be looked at
    check_labels(scores, np.zeros(labels.shape, labels.dtype) if on_device(labels) else labels)
    labels = labels if on_device(labels) else to_device(labels.astype(np.int32))
    scores = to_device(scores)
    losses, loss = empty(scores.shape[:1], scores.dtype), empty((), scores.dtype)
    launch_blocks(loss_kernel, len(scores), ROW, scores, labels, losses)
    launch_blocks(mean_loss_kernel, 1, ROW, losses, flat(loss))
    return loss, (scores, labels)


def softmax_loss_backward(cache):
    """Return dscores = (p − one_hot) / N: how much too probable each class is."""
    scores, labels = cache
    dscores = empty(scores.shape, scores.dtype)
    launch_blocks(loss_back_kernel, len(scores), ROW, scores, labels, dscores)
    return (dscores,)


@cuda.jit
def softmax_kernel(scores, p):
    shared = cuda.shared.array(ROW, scores.dtype)
    n = cuda.blockIdx.x
    largest, total = largest_and_total(scores, n, shared)
    for c in range(cuda.threadIdx.x, scores.shape[1], ROW):
        p[n, c] = math.exp(scores[n, c] - largest) / total


@cuda.jit
def loss_kernel(scores, labels, losses):
    shared = cuda.shared.array(ROW, scores.dtype)
    n = cuda.blockIdx.x
    largest, total = largest_and_total(scores, n, shared)
    if cuda.threadIdx.x == 0:
        right = labels[n]
        if 0 <= right < scores.shape[1]:
            losses[n] = math.log(total) - (scores[n, right] - largest)
        else:
            losses[n] = math.nan


@cuda.jit
def loss_back_kernel(scores, labels, dscores):
    shared = cuda.shared.array(ROW, scores.dtype)
    n = cuda.blockIdx.x
    largest, total = largest_and_total(scores, n, shared)
    zero, one = scores.dtype.type(0), scores.dtype.type(1)
    N = scores.dtype.type(scores.shape[0])
    for c in range(cuda.threadIdx.x, scores.shape[1], ROW):
        one_hot = one if c == labels[n] else zero
        dscores[n, c] = (math.exp(scores[n, c] - largest) / total - one_hot) / N


@cuda.jit
def mean_loss_kernel(losses, loss):
    """One block adds up all losses, and divides by how many there are."""
    shared = cuda.shared.array(ROW, losses.dtype)
    t = cuda.threadIdx.x
    total = losses.dtype.type(0)
    for n in range(t, losses.size, ROW):
        total += losses[n]
    total = sum_of_block(total, shared)
    if t == 0:
        loss[0] = total / losses.dtype.type(losses.size)


@cuda.jit(device=True)
def largest_and_total(scores, n, shared):
    """Return the largest score of row n, and Σ_c e^(score − largest); to every thread the same."""
    t, classes = cuda.threadIdx.x, scores.shape[1]
    largest = scores[n, 0]
    for c in range(t, classes, ROW):
        largest = larger(scores[n, c], largest)
    largest = largest_of_block(largest, shared)
    total = scores.dtype.type(0)
    for c in range(t, classes, ROW):
        total += math.exp(scores[n, c] - largest)  # a NaN among them makes the total NaN
    return largest, sum_of_block(total, shared)
