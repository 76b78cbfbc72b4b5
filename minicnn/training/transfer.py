"""Weights of a trained network for the layers of a new one."""

from .. import errors, net, storage
from ..networks import catalogue
from ..two_columns import join_columns, split_columns


def take_weights(layers, network, classes, path):
    """Copy a trained network's weights into the layers of a new one; return a sentence about it.

    A layer of the new network takes the weights of the trained network's layer of the same name, if
    they have the same shape; AlexNet with a sixth convolution takes all others from AlexNet.  A
    layer in two columns takes the weights of one column, and the reverse.  There are two
    exceptions: the last layer, if the new network has other classes; and those layers of VGG's A
    that the paper did not copy into B, C, D and E (see vgg.take_from_a).

    Parameters
    ----------
    layers : list of Layer
        The new network; its weights are changed.
    network : str
        Its name in NETWORKS.
    classes : list of str
        The classes of the new network.
    path : path
        The checkpoint of the trained network.

    Returns
    -------
    str
        It names the layers that were copied, and those that keep their random weights.

    Raises
    ------
    errors.CheckpointError
        If it is missing or damaged, or nothing in it fits.
    """
    theirs, _, _, settings = storage.load_network(path)
    try:
        theirs = joined_columns(theirs)
    except ValueError:
        raise errors.CheckpointError(
            f"{path} is damaged: the two columns of a layer do not fit each other"
        ) from None
    first, taken_over = catalogue.find(network).begins_with
    if first and settings.get("network") == first:
        theirs = {n: a for n, a in theirs.items() if n.split(".")[0] in taken_over}
    learning = [layer for layer in layers if layer.params]
    taken = []
    for layer in learning if settings.get("classes") == classes else learning[:-1]:
        ours = joined_columns(net.parameters([layer]))
        if all(n in theirs and theirs[n].shape == w.shape for n, w in ours.items()):
            for letter, w in layer.params.items():
                same = {letter: theirs[f"{layer.name}.{letter}"]}
                same = split_columns(same) if isinstance(w, tuple) else same
                for old, new in zip(net.columns(w), net.columns(same[letter]), strict=True):
                    old[...] = new
            taken.append(layer.name)
    if not taken:
        raise errors.CheckpointError(
            f"{path} has nothing for {network}: no layer has the same name and shape in both"
        )
    drawn = [layer.name for layer in learning if layer.name not in taken]
    return f"Took {', '.join(taken)} from {path}; drawn anew: {', '.join(drawn) or 'none'}"


def joined_columns(named):
    """Return parameters by name, those of two columns joined: conv1.w.0 and .1 as conv1.w."""
    whole = {}
    for name, array in named.items():
        joined, _, column = name.rpartition(".")
        if column == "0" and f"{joined}.1" in named:
            whole |= join_columns({joined: (array, named[f"{joined}.1"])})
        elif column not in ("0", "1"):
            whole[name] = array
    return whole
