"""Which images a network finds alike (Section 6.1): the nearest ones in its last hidden layer.

"If two images produce feature activation vectors with a small Euclidean separation, we can say that
the higher levels of the neural network consider them to be similar."  The same search over pixels
shows that this is not the similarity of the pixels.

    queries     (Q, D)    vectors to find neighbours for: features, or pixels in a row
    base        (B, D)    vectors among which they are looked for
    found       (Q, k)    whole numbers: the nearest rows of base, the nearest first
"""

import numpy as np

from .. import console

MEMORY = 2**27  # bytes: of queries, and of base, so much at a time is turned into vectors


def nearest(queries, base, k, title=None):
    """Return the places of the k vectors of base nearest to each query, by Euclidean distance.

    ‖q − b‖² = ‖q‖² − 2·q·b + ‖b‖², and ‖q‖² is the same for all b, so it is left out.  Of equally
    near ones the first in base comes first.

    Parameters
    ----------
    queries, base : arrays (Q, D) and (B, D)
        Or (Q, …) and (B, …): they are flattened.
    k : int
        From 1 to B.
    title : str, optional
        Of a progress bar; without it, none is shown.

    Returns
    -------
    array (Q, k) of whole numbers

    Raises
    ------
    ValueError
        If the vectors have different lengths, or there are fewer than k.
    """
    D, D_base = (int(np.prod(x.shape[1:])) for x in (queries, base))
    if D != D_base:
        raise ValueError(
            f"nearest: queries have {D} numbers each but base has {D_base}; "
            "expected vectors of one length"
        )
    if not 1 <= k <= len(base):
        raise ValueError(f"nearest: k = {k}; expected 1 … {len(base)}, the vectors there are")
    count = min(len(base), max(1, MEMORY // (8 * max(D, 1))))  # vectors in a block
    step = min(count, max(1, MEMORY // (8 * count)))  # queries: their distances take memory, too
    blocks = range(0, len(queries), step)
    with console.bar(len(blocks) * len(base), title) as bar:
        found = [nearest_of_block(queries[i : i + step], base, k, count, bar) for i in blocks]
    return np.concatenate([np.empty((0, k), np.int64), *found])


def nearest_of_block(queries, base, k, count, bar):
    """Return `nearest` for a block of queries, going through base in blocks of `count`."""
    queries = rows(queries)
    best, found = np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)
    for first in range(0, len(base), count):
        block = rows(base[first : first + count])
        squares = np.einsum("bd,bd->b", block, block)  # ‖b‖²
        distances = squares - 2 * (queries @ block.T)  # (≤ count, ≤ count)
        places = np.broadcast_to(np.arange(first, first + len(block)), distances.shape)
        distances, places = np.hstack([best, distances]), np.hstack([found, places])
        nearest_first = np.array([smallest(row, min(k, len(row))) for row in distances])
        best = np.take_along_axis(distances, nearest_first, axis=1)
        found = np.take_along_axis(places, nearest_first, axis=1)
        bar.update(len(block))
    return found


def rows(x):
    """Return x as float64 vectors, one a row: whole pixels must not overflow, nor small differences
    drown in rounding."""
    x = np.reshape(x, (len(x), -1)).astype(np.float64)
    if not np.isfinite(x).all():
        raise ValueError("nearest: some vectors have NaN or infinity in them, so they are nowhere")
    return x


def smallest(values, k):
    """Return the places of the k smallest values (N,), in order; the first of equals comes first.

    Sorting all of them would take longer than finding the distances.
    """
    limit = np.partition(values, k - 1)[k - 1]
    candidates = np.flatnonzero(values <= limit)
    return candidates[np.argsort(values[candidates], kind="stable")[:k]]


def agreement(query_labels, base_labels, found):
    """Return how often a neighbour is of the query's own class: a share between 0 and 1.

    Parameters
    ----------
    query_labels, base_labels : arrays (Q,) and (B,)
    found : array (Q, k)
        As `nearest` returns it.
    """
    return float(np.mean(base_labels[found] == query_labels[:, None]))
