"""Short binary codes for images, from the features of a network (suggested in Section 6.1).

"Computing similarity by using Euclidean distance between two 4096-dimensional, real-valued vectors
is inefficient, but it could be made efficient by training an auto-encoder to compress these vectors
to short binary codes."  So: D features, through `bits` units, to the same D features again.

    x           (N, D)       features, minus their mean, divided by one standard deviation
    z           (N, bits)    the inputs of the units in the middle, plus noise while training
    code        (N, bits)    tanh(z), between −1 and 1
    y           (N, D)       the features, reconstructed from the code
    codes       (N, bits/8)  the signs of z as bits, eight in a byte (uint8)

The noise (Salakhutdinov and Hinton, "Semantic Hashing", 2009) makes the codes binary: only units
that saturate near −1 or 1 carry information through it, so rounding them to bits loses little.
"""

import time

import numpy as np

from .. import console, net
from ..checks import check_array, check_between, check_rng, check_whole
from ..training import evaluate, train
from ..training.run import Run
from .neighbours import agreement, nearest, smallest

BITS = (32, 64, 128, 256)


def train_coder(
    ops, features, bits, rng, *, epochs=20, epsilon=0.003, batch=128, noise=2.0, title=None
):
    """Return a function that turns features into codes, trained on these features.

    Training minimizes the squared error ½·Σ(y − x)² per image, with the update rule of Section 5
    and no decay.

    Parameters
    ----------
    ops : module
        The backend.
    features : array (N, D) or (N, …), float32 or float64
    bits : int
        A multiple of 8.
    rng : numpy Generator
        Draws the first weights, the order and the noise.
    epochs, batch : int
    epsilon : float
        The learning rate; it falls linearly to 0 over the epochs.
    noise : float
        The standard deviation of the noise on z.
    title : str, optional
        The title of a progress bar; None shows none.

    Returns
    -------
    function
        coder(features) returns codes (N, bits/8), uint8.

    Raises
    ------
    TypeError, ValueError
        If an argument makes no sense, as when `bits` is not a multiple of 8; if all features are
        the same; or if the error is no longer finite because ε is too large.
    """
    check_array("train_coder", "features", features)
    check_rng("train_coder", rng)
    bits, epochs, batch = (
        check_whole("train_coder", name, value, least)
        for name, value, least in (("bits", bits, 0), ("epochs", epochs, 0), ("batch", batch, 1))
    )
    epsilon = check_between("train_coder", "epsilon", epsilon)
    noise = check_between("train_coder", "noise", noise)
    if bits < 8 or bits % 8:
        raise ValueError(f"train_coder: bits = {bits}; expected a multiple of 8, for whole bytes")
    mean, std = features.reshape(len(features), -1).mean(axis=0), features.std()
    if not std > 0:
        raise ValueError("train_coder: all features are the same, so there is nothing to learn")

    def scaled(features):
        return (features.reshape(len(features), -1) - mean) / std

    D, dtype = mean.size, features.dtype
    w1 = net.gaussian(rng, (bits, D), 1 / np.sqrt(D), 0, dtype)
    w2 = net.gaussian(rng, (D, bits), 1 / np.sqrt(bits), 0, dtype)
    encoder = [net.row("encoder", ops, "fc", w1)]
    decoder = [net.row("code", ops, "tanh"), net.row("decoder", ops, "fc", w2)]
    run = Run(encoder + decoder, rng, epsilon)
    run.to_device(ops)
    with console.bar(epochs * len(features), title) as bar:
        for epoch in range(epochs):
            order = rng.permutation(len(features))
            for first in range(0, len(order), batch):
                x = scaled(features[order[first : first + batch]])
                z, encoder_caches = net.forward(encoder, x)
                z = ops.to_host(z) + noise * rng.standard_normal(z.shape, dtype)
                y, decoder_caches = net.forward(decoder, z)
                dy = (ops.to_host(y) - x) / len(x)
                dz, decoder_grads = net.backward(decoder, decoder_caches, dy)
                _, encoder_grads = net.backward(encoder, encoder_caches, dz, need_dx=False)
                grads = encoder_grads | decoder_grads
                epsilon_now = epsilon * (1 - epoch / epochs)
                train.update(run.layers, ops, grads, run.velocities, epsilon_now, decay=0)
                bar.update(len(x))
            if net.broken_parameters(run.layers):
                raise ValueError(
                    f"train_coder: the error is no longer finite in epoch {epoch + 1}; "
                    f"try a smaller learning rate than {epsilon:g}"
                )

    def coder(features):
        return np.packbits(evaluate.output(encoder, ops, scaled(features)) > 0, axis=1)

    return coder


def nearest_codes(queries, base, k):
    """Return the indices in base of the k codes nearest to each query, by Hamming distance.

    The distance is the number of bits that differ.  Among equally near codes the first in base
    comes first.

    Parameters
    ----------
    queries, base : arrays (Q, B) and (N, B) uint8
        Codes of B bytes.
    k : int
        From 1 to N.

    Returns
    -------
    array (Q, k) of whole numbers
    """
    for name, codes in (("queries", queries), ("base", base)):
        if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8 or codes.ndim != 2:
            raise TypeError(f"nearest_codes: {name} should be an array (N, B) of uint8")
    check_whole("nearest_codes", "k", k, 1, len(base))
    indices = np.empty((len(queries), k), np.int64)
    for q, query in enumerate(queries):
        indices[q] = smallest(np.bitwise_count(base ^ query).sum(axis=1, dtype=np.int64), k)
    return indices


def compare(ops, features, labels, query_features, query_labels, rng, k=10, bits=BITS, **options):
    """Compare the neighbours found by codes of different lengths, and by the features themselves.

    Parameters
    ----------
    ops : module
    features, labels : arrays (N, …) and (N,)
        Those of the images to train on, among which neighbours are searched.
    query_features, query_labels : arrays (Q, …) and (Q,)
        Those of other images.
    rng : numpy Generator
    k : int
        The number of neighbours of each query.
    bits : sequence of int
    options :
        Those of train_coder.

    Returns
    -------
    list of dict
        name; bytes per image; agreement, the share of neighbours of the query's class; milliseconds
        per query (the search alone; among features NumPy may use all its threads).
    """
    started = time.perf_counter()
    indices = nearest(query_features, features, k, "nearest in features")
    seconds = time.perf_counter() - started
    size = features[0].size * features.itemsize
    share = agreement(query_labels, labels, indices)
    lines = [line("features", size, share, seconds, len(indices))]
    for count in bits:
        coder = train_coder(ops, features, count, rng, title=f"{count} bits", **options)
        base, queries = coder(features), coder(query_features)
        started = time.perf_counter()
        indices = nearest_codes(queries, base, k)
        seconds = time.perf_counter() - started
        share = agreement(query_labels, labels, indices)
        lines.append(line(f"{count} bits", count // 8, share, seconds, len(indices)))
    return lines


def line(name, size, share, seconds, queries):
    """Return one line of the comparison."""
    milliseconds = 1000 * seconds / queries
    return {"name": name, "bytes": size, "agreement": share, "milliseconds": milliseconds}


def report(lines, k):
    """Return the comparison as a table."""
    table = [f"{'':12}{'bytes an image':>16}{f'same class among {k}':>24}{'ms a query':>14}"]
    for result in lines:
        table.append(
            f"{result['name']:12}{result['bytes']:>16,}{result['agreement']:>24.1%}"
            f"{result['milliseconds']:>14.3f}"
        )
    return "\n".join(table)
