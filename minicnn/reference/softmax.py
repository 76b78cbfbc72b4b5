"""Softmax and its loss (Section 3.5): scores become probabilities, and −log of one is the loss.

    p[n, c] = e^scores[n, c] / Σ_c e^scores[n, c]
    loss    = −(1/N) Σ_n log p[n, labels[n]]      in nats; log(classes) for one who knows nothing

    scores  (N, classes)      any numbers; a larger one means a more probable class
    labels  (N,)              whole numbers 0 … classes−1
    p       (N, classes)      probabilities, each row sums to 1

The largest score is subtracted first: the quotient is unchanged, and e^… cannot overflow.
Softmax and loss are one layer because their joint gradient is so much simpler than either:
(p − one_hot) / N, where one_hot is 1 for the right class and 0 for all others.
"""

import numpy as np

from ..checks import check_array, check_cache, check_fits, check_labels


def softmax(scores):
    """Return the probabilities (N, classes)."""
    check_array("softmax", "scores", scores, 2)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def softmax_loss_forward(scores, labels):
    """Return the mean loss in nats, a number of the dtype of scores, and the cache."""
    labels = check_labels(scores, labels)
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))  # (N,)
    log_p_right = shifted[np.arange(len(labels)), labels] - log_sums  # (N,)
    loss = -log_p_right.mean()
    return loss, (scores, labels)


def softmax_loss_backward(cache):
    """Return dscores = (p − one_hot) / N: how much too probable each class is."""
    check_cache("softmax_loss", cache, np.ndarray, np.ndarray)
    scores, labels = cache
    check_fits("softmax_loss", labels.shape == scores.shape[:1])
    N = len(labels)
    dscores = softmax(scores)
    dscores[np.arange(N), labels] -= 1  # p − one_hot
    return (dscores / N,)
