"""Files of weights, read without running or believing anything in them.

    safetensors.py        .safetensors, read and written
    caffemodel.py         Caffe's .caffemodel, read
    array_dictionary.py   dictionaries that np.save has pickled, such as bvlc_alexnet.npy, read
    npz.py                .npz and our own checkpoints, read

Every `read` refuses what it does not understand with a ValueError, one sentence.  The sizes that a
file claims are compared with the bytes that it has before anything is made of that size.  What is
read is as the file has it; weights.py makes a network's parameters of it.
"""

import math

MOST_AXES = 4  # weights of convolutions have four


def shaped(name, numbers, shape, order="C"):
    """Return `numbers`, a flat array, in the shape that a file claims for it.

    Parameters
    ----------
    name : str
        For the message.
    numbers : array
        As many as the file has.
    shape : sequence
        Of anything: it comes from the file.
    order : str
        "C", the last axis runs fastest, or "F", the first.

    Raises
    ------
    ValueError
        If the shape is not a few whole numbers above 0 whose product is the count of the numbers.
    """
    if len(shape) > MOST_AXES:
        raise ValueError(f"{name} has {len(shape):,} axes; expected at most {MOST_AXES}")
    wholes = all(type(n) is int and 1 <= n <= numbers.size for n in shape)
    if not wholes or math.prod(shape) != numbers.size:
        text = str(tuple(shape)) if wholes else "its shape"
        raise ValueError(f"{name} has {numbers.size:,} numbers, which do not fill {text}")
    return numbers.reshape(shape, order=order)
