"""Softmax and its loss (Section 3.5) on the GPU.  The definition is reference/softmax.py.

    scores   (N, classes)     one block of threads per row
    labels   (N,)             integers 0 … classes−1
    p        (N, classes)     probabilities
    losses   (N,)             −log p[n, labels[n]]
    loss     ()               their mean; it stays on the device
    shared   (BLOCK,)         one number from each thread of a block, for reductions.py

There is no plain kernel: a thread for each score would have to sum the whole row by itself.
"""

import math

import numpy as np

from ..checks import check_array, check_cache, check_fits, check_labels
from .buffers import empty
from .device import DeviceArray, flat, is_on_device, to_device
from .gpu import cuda, launch_blocks
from .reductions import block_max, block_sum, larger

BLOCK = 256  # threads of a block, which handles one row


def softmax(scores):
    """Return the probabilities (N, classes)."""
    check_array("softmax", "scores", scores, 2)
    scores = to_device(scores)
    p = empty(scores.shape, scores.dtype)
    if p.size:
        launch_blocks(softmax_kernel, len(scores), BLOCK, scores, p)
    return p


def softmax_loss_forward(scores, labels):
    """Return the mean loss in nats, an array of shape () on the device, and the cache.

    Labels on the host are checked and copied, for which the host may have to wait for the GPU.
    Labels on the device are only checked for dtype and shape, because the host would have to wait
    for their values; a label that is no class makes the loss NaN.
    """
    # labels on the device are represented by a host array of the same dtype and shape
    check_labels(scores, np.zeros(labels.shape, labels.dtype) if is_on_device(labels) else labels)
    labels = labels if is_on_device(labels) else to_device(labels.astype(np.int32))
    scores = to_device(scores)
    losses, loss = empty(scores.shape[:1], scores.dtype), empty((), scores.dtype)
    launch_blocks(loss_kernel, len(scores), BLOCK, scores, labels, losses)
    launch_blocks(mean_loss_kernel, 1, BLOCK, losses, flat(loss))
    return loss, (scores, labels)


def softmax_loss_backward(cache):
    """Return dscores = (p − one_hot) / N: the excess probability of each class."""
    check_cache("softmax_loss", cache, DeviceArray, DeviceArray)
    scores, labels = cache
    check_fits("softmax_loss", labels.shape == scores.shape[:1])
    dscores = empty(scores.shape, scores.dtype)
    launch_blocks(loss_back_kernel, len(scores), BLOCK, scores, labels, dscores)
    return (dscores,)


@cuda.jit
def softmax_kernel(scores, p):
    shared = cuda.shared.array(BLOCK, scores.dtype)
    n = cuda.blockIdx.x
    largest, total = largest_and_total(scores, n, shared)
    for c in range(cuda.threadIdx.x, scores.shape[1], BLOCK):
        p[n, c] = math.exp(scores[n, c] - largest) / total


@cuda.jit
def loss_kernel(scores, labels, losses):
    shared = cuda.shared.array(BLOCK, scores.dtype)
    n = cuda.blockIdx.x
    largest, total = largest_and_total(scores, n, shared)
    if cuda.threadIdx.x == 0:
        label = labels[n]
        if 0 <= label < scores.shape[1]:
            losses[n] = math.log(total) - (scores[n, label] - largest)
        else:
            losses[n] = math.nan


@cuda.jit
def loss_back_kernel(scores, labels, dscores):
    shared = cuda.shared.array(BLOCK, scores.dtype)
    n = cuda.blockIdx.x
    largest, total = largest_and_total(scores, n, shared)
    zero, one = scores.dtype.type(0), scores.dtype.type(1)
    N = scores.dtype.type(scores.shape[0])
    for c in range(cuda.threadIdx.x, scores.shape[1], BLOCK):
        one_hot = one if c == labels[n] else zero
        dscores[n, c] = (math.exp(scores[n, c] - largest) / total - one_hot) / N


@cuda.jit
def mean_loss_kernel(losses, loss):
    """One block sums all losses and divides by their number."""
    shared = cuda.shared.array(BLOCK, losses.dtype)
    t = cuda.threadIdx.x
    total = losses.dtype.type(0)
    for n in range(t, losses.size, BLOCK):
        total += losses[n]
    total = block_sum(total, shared)
    if t == 0:
        loss[0] = total / losses.dtype.type(losses.size)


@cuda.jit(device=True)
def largest_and_total(scores, n, shared):
    """Return the largest score of row n and Σ_c e^(score − largest), to all threads of a block."""
    t, classes = cuda.threadIdx.x, scores.shape[1]
    largest = scores[n, 0]
    for c in range(t, classes, BLOCK):
        largest = larger(scores[n, c], largest)
    largest = block_max(largest, shared)
    total = scores.dtype.type(0)
    for c in range(t, classes, BLOCK):
        total += math.exp(scores[n, c] - largest)  # a NaN among them makes the total NaN
    return largest, block_sum(total, shared)
