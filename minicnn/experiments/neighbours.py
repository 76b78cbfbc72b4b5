"""Images that a network finds similar (Section 6.1): neighbours in its last hidden layer.

"If two images produce feature activation vectors with a small Euclidean separation, we can say that
the higher levels of the neural network consider them to be similar."  The same search over pixels
shows how this differs from the similarity of pixels.

    queries     (Q, D)    vectors to find neighbours for: features, or flattened pixels
    base        (B, D)    the vectors to search
    indices     (Q, k)    whole numbers: the nearest rows of base, the nearest first
"""

import numpy as np

from .. import console
from ..checks import MOST, check_whole

MEMORY = 2**27  # bytes of a block of queries, and of a block of base, as float64 vectors


def nearest(queries, base, k, title=None):
    """Return the indices in base of the k vectors nearest to each query, by Euclidean distance.

    ‖q − b‖² = ‖q‖² − 2·q·b + ‖b‖², and ‖q‖² is the same for all b, so it is left out.  Among
    equally near vectors the first in base comes first.

    Parameters
    ----------
    queries, base : arrays (Q, D) and (B, D)
        Or (Q, …) and (B, …): they are flattened.
    k : int
        From 1 to B.
    title : str, optional
        The title of a progress bar; None shows none.

    Returns
    -------
    array (Q, k) of whole numbers

    Raises
    ------
    ValueError
        If queries and base have vectors of different lengths, or base has fewer than k.
    """
    for name, vectors in (("queries", queries), ("base", base)):
        if not hasattr(vectors, "shape"):
            raise TypeError(f"nearest: {name} is a {type(vectors).__name__}; expected an array")
    D, D_base = (int(np.prod(x.shape[1:])) for x in (queries, base))
    if D != D_base:
        raise ValueError(
            f"nearest: queries have {D} numbers each but base has {D_base}; "
            "expected vectors of one length"
        )
    if not 1 <= check_whole("nearest", "k", k, -MOST) <= len(base):
        raise ValueError(
            f"nearest: k = {k}; expected 1 … {len(base)}, the number of vectors in base"
        )
    count = min(len(base), max(1, MEMORY // (8 * max(D, 1))))  # vectors in a block
    step = min(count, max(1, MEMORY // (8 * count)))  # queries; their distances take memory too
    blocks = range(0, len(queries), step)
    with console.bar(len(blocks) * len(base), title) as bar:
        parts = [nearest_in_blocks(queries[i : i + step], base, k, count, bar) for i in blocks]
    return np.concatenate([np.empty((0, k), np.int64), *parts])


def nearest_in_blocks(queries, base, k, count, bar):
    """Return `nearest` for a block of queries; base is searched in blocks of `count`."""
    queries = flat_vectors(queries)
    best, indices = np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)
    for first in range(0, len(base), count):
        block = flat_vectors(base[first : first + count])
        squares = np.einsum("bd,bd->b", block, block)  # ‖b‖²
        distances = squares - 2 * (queries @ block.T)  # (≤ count, ≤ count)
        candidates = np.broadcast_to(np.arange(first, first + len(block)), distances.shape)
        distances, candidates = np.hstack([best, distances]), np.hstack([indices, candidates])
        nearest_first = np.array([smallest(row, min(k, len(row))) for row in distances])
        best = np.take_along_axis(distances, nearest_first, axis=1)
        indices = np.take_along_axis(candidates, nearest_first, axis=1)
        bar.update(len(block))
    return indices


def flat_vectors(x):
    """Return x as one float64 vector per row.

    In uint8 the squares would overflow; in float32 small differences would be lost to rounding.
    """
    x = np.reshape(x, (len(x), -1)).astype(np.float64)
    if not np.isfinite(x).all():
        raise ValueError("nearest: some vectors hold NaN or infinity, so they have no distances")
    return x


def smallest(values, k):
    """Return the indices of the k smallest values (N,), in order; equal ones by index.

    Sorting all values would take longer than computing the distances.
    """
    limit = np.partition(values, k - 1)[k - 1]
    candidates = np.flatnonzero(values <= limit)
    return candidates[np.argsort(values[candidates], kind="stable")[:k]]


def agreement(query_labels, base_labels, indices):
    """Return the share of neighbours that have the query's own class, between 0 and 1.

    Parameters
    ----------
    query_labels, base_labels : arrays (Q,) and (B,)
    indices : array (Q, k)
        As `nearest` returns it.
    """
    return float(np.mean(base_labels[indices] == query_labels[:, None]))
