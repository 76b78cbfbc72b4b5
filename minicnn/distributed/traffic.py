"""What each rank sends in a training step, and how long that takes: a prediction.

    n    ranks        b    images of a rank: the batch / n        D    inputs of a layer

    data       gradients: one slice of n to each other rank, and its sum to all (ranks.py)
    columns    activations and their gradients, where the table crosses (two_columns.py)
    hybrid     gradients of the convolutions alone; for each fully connected layer every rank sends
               b·D activations to each of the others, and gets as many gradients back; at the end
               its units of the scores (hybrid.py)

A rank receives as much as it sends, at the same time; links send both ways at once.  The ranks have
as many shards each, a power of two, so that their gradients are one array: one node of the tree.

A network also has a delay: the time from one rank to another, however short the message.  Most
messages of a step answer others, so their delays add up.
"""

import math

from .. import net
from ..networks import summary

PARALLEL = ("data", "columns", "hybrid")


def sent_bytes(layers, shape, batch, ranks, parallel):
    """Return what a rank sends in a step, as {what: bytes}.

    Parameters
    ----------
    layers : list of Layer
    shape : tuple
        The shape of an image, (3, 224, 224).
    batch : int
        The images of a step, of all ranks.
    ranks : int
    parallel : str
        One of PARALLEL.

    Raises
    ------
    ValueError
        If columns are not two columns on two ranks, or a hybrid is of two columns.
    """
    number, others = summary.dtype_of(layers).itemsize, ranks - 1
    crossed = summary.crossings(layers, shape, batch)
    if parallel == "data":
        return {"gradients": 2 * others * net.count_parameters(layers) * number // ranks}
    if parallel == "columns":
        if not crossed or ranks != 2:
            raise ValueError("--parallel columns takes a network of two columns, and --ranks 2")
        both_ways = {layer.name: layer.forward[0] + layer.backward[0] for layer in crossed}
        scores = crossed[-1].forward[1] * 2  # rank 0 sends all of them back, see columns.py
        return {name: count for name, count in both_ways.items() if name != "both"} | {
            "scores": scores
        }
    if crossed:
        raise ValueError("--parallel hybrid takes a network of one column")
    convolutions = [layer for layer in layers if net.kind_of(layer) != "fc"]
    sent = {"gradients": 2 * others * net.count_parameters(convolutions) * number // ranks}
    for layer in layers:
        if net.kind_of(layer) == "fc":
            D = math.prod(layer.params["w"].shape[1:])
            sent[layer.name] = 2 * others * batch * D * number // ranks
            scores = len(layer.params["b"])  # the last layer's
    return sent | {"scores": others * batch * scores * number // ranks}


def messages(layers, ranks, parallel):
    """Return the number of messages in a step that wait for one another, with one shard a rank.

    An exchange takes one if every rank sends to every other, and log₂ n if all ranks get the same
    (at least; the MPI chooses).  A Python object, such as the counts of wrong answers and the flag
    of Ctrl-C, takes its length and itself.
    """
    if ranks == 1:
        return 0
    kinds, to_all = [net.kind_of(layer) for layer in layers], math.ceil(math.log2(ranks))
    told = 4 * to_all  # counts and flag
    if parallel == "columns":  # join: the scores there and back, and their gradient
        return told + 2 * kinds.count("exchange") + 2 + 2 * to_all
    shared = ranks * (to_all + kinds.count("fc") * (1 + to_all)) if parallel == "hybrid" else 0
    return told + 1 + to_all + shared  # 1 + to_all: gradients


def seconds(sent, messages, bandwidth, delay):
    """Return the time of a step's bytes and messages; bandwidth in Gbit/s, delay in ms."""
    return sum(sent.values()) * 8 / (bandwidth * 1e9) + messages * delay / 1000


def described(layers, shape, batch, ranks, parallel, bandwidth, delay):
    """Return the prediction as lines of text; the bandwidth is in Gbit/s, the delay in ms."""
    sent = sent_bytes(layers, shape, batch, ranks, parallel)
    total = sum(sent.values())
    lines = [f"In a step of {batch} images on {ranks} ranks ({parallel}), each rank sends"]
    lines += [f"{count / 1e6:10,.2f} MB  {name}" for name, count in sent.items()]
    count = messages(layers, ranks, parallel)
    taken = seconds(sent, count, bandwidth, delay)
    lines.append(f"{total / 1e6:10,.2f} MB  together: {taken:.3g} s at {bandwidth:g} Gbit/s")
    lines[-1] += f" and at least {count} × {delay:g} ms" if delay else ""
    return lines
