"""Readers of weight files, which run no code from a file and trust nothing in it.

    safetensors.py          .safetensors, read and written
    caffemodel.py           Caffe's .caffemodel, read
    npy_pickle.py           dictionaries pickled by np.save, such as bvlc_alexnet.npy, read
    pth.py                  PyTorch's .pth and the like, read
    npz.py                  .npz and our own checkpoints, read
    weights/provenance.py   the description of a network in our own files

Every `read` takes the bytes of a whole file, or the path of an .npz file, and refuses what it does
not understand with a ValueError of one sentence.  It compares the sizes that a file claims with the
file's bytes before it allocates memory.  Arrays are returned as the file has them;
weights/exchange.py converts them into a network's parameters.
"""

import math

MOST_AXES = 6  # the weights of a locally connected layer have six, of a convolution four
BATCH_NORM = ("running_mean", "running_var", "num_batches_tracked")  # how PyTorch's names end


class Unusable(ValueError):
    """The file cannot be used; the message says why in the project's own words."""


def shaped(name, numbers, shape, order="C"):
    """Return `numbers`, a flat array, in the shape that the file claims.

    Parameters
    ----------
    name : str
        For the message.
    numbers : array
        All numbers that the file has for it.
    shape : sequence
        From the file, so its entries may be anything.
    order : str
        "C" if the last axis varies fastest, "F" if the first one does.

    Raises
    ------
    ValueError
        If the shape is not a few positive integers whose product is the number of numbers.
    """
    if len(shape) > MOST_AXES:
        raise ValueError(f"{name} has {len(shape):,} axes; expected at most {MOST_AXES}")
    wholes = all(type(n) is int and 1 <= n <= numbers.size for n in shape)
    if not wholes or math.prod(shape) != numbers.size:
        text = str(tuple(shape)) if wholes else "its shape"
        raise ValueError(f"{name} has {numbers.size:,} numbers, which do not fill {text}")
    return numbers.reshape(shape, order=order)


def check_batch_norm(names):
    """Raise Unusable if an array with one of these names is of batch normalization."""
    for name in names:
        if name.endswith(BATCH_NORM):
            raise Unusable(f"it has batch normalization ({name}), which no network here has")
