"""Weights of a trained network for the layers of a new one."""

from .. import errors, net, storage
from ..networks import catalogue
from ..two_columns import join_columns, split_columns


def take_weights(layers, network, classes, path):
    """Copy a trained network's weights into the rows of a new one; return a sentence about it.

    A row of the new network takes the weights of the trained one's row of the same name, if they
    have the same shape; AlexNet with a sixth convolution takes all others from AlexNet.  A row in
    two columns takes them from one column, and the other way round.  Two things are not taken, even
    so: the last row, where the new network is for other classes; and of VGG's A
    what the paper did not take for B, C, D and E (see vgg.take_from_a).

    Parameters
    ----------
    layers : list of Layer
        The new network; its weights are changed.
    network : str
        Its name in NETWORKS.
    classes : list of str
        What it is to tell apart.
    path : path
        The checkpoint of the trained network.

    Returns
    -------
    str
        It names the rows that were taken, and those that keep the weights they were drawn with.

    Raises
    ------
    errors.CheckpointError
        If it is missing, damaged, or nothing in it fits.
    """
    arrays, facts = storage.load(path)
    settings = facts.get("settings", {})
    theirs = {n.removeprefix("w:"): a for n, a in arrays.items() if n.startswith("w:")}
    theirs = in_one_column(theirs)
    first, taken_over = catalogue.find(network).begins_with
    if settings.get("network") == first:
        theirs = {n: a for n, a in theirs.items() if n.split(".")[0] in taken_over}
    rows = [layer for layer in layers if layer.params]
    taken = []
    for layer in rows if settings.get("classes") == classes else rows[:-1]:
        ours = in_one_column(net.parameters([layer]))
        if all(n in theirs and theirs[n].shape == w.shape for n, w in ours.items()):
            for letter, w in layer.params.items():
                same = {letter: theirs[f"{layer.name}.{letter}"]}
                same = split_columns(same) if isinstance(w, tuple) else same
                for own, new in zip(net.columns(w), net.columns(same[letter]), strict=True):
                    own[...] = new
            taken.append(layer.name)
    if not taken:
        raise errors.CheckpointError(
            f"{path} has nothing for {network}: no row has the same name and shape in both"
        )
    drawn = [layer.name for layer in rows if layer.name not in taken]
    return f"Took {', '.join(taken)} from {path}; drawn anew: {', '.join(drawn) or 'none'}"


def in_one_column(named):
    """Return parameters by name, those of two columns joined: conv1.w.0 and .1 as conv1.w."""
    whole = {}
    for name, array in named.items():
        joined, _, column = name.rpartition(".")
        if column == "0" and f"{joined}.1" in named:
            whole |= join_columns({joined: (array, named[f"{joined}.1"])})
        elif column not in ("0", "1"):
            whole[name] = array
    return whole
