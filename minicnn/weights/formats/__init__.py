"""Readers of weight files, which run no code from a file and trust nothing in it.

    safetensors.py          .safetensors, read and written
    caffemodel.py           Caffe's .caffemodel, read
    npy_pickle.py           dictionaries pickled by np.save, such as bvlc_alexnet.npy, read
    npz.py                  .npz and our own checkpoints, read
    weights/provenance.py   the description of a network in our own files

Every `read` takes the bytes of a whole file, or the path of an .npz file, and refuses what it does
not understand with a ValueError of one sentence.  It compares the sizes that a file claims with the
file's bytes before it allocates memory.  Arrays are returned as the file has them;
weights/exchange.py converts them into a network's parameters.
"""

import math
import re

MOST_AXES = 6  # the weights of a locally connected layer have six, of a convolution four
NPY_MAGIC = b"\x93NUMPY\x01\x00"  # version 1.0; later versions are for arrays that no network has
NPY_HEADER = re.compile(
    rb"\{'descr': '([<>|](?:f[248]|[iu][1248]|b1|O[48]?))', 'fortran_order': (False|True), "
    rb"'shape': \((\d{1,18}(?:, \d{1,18}){0,7},?|)\), \}[ \n]*"
)


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


def npy_header(file):
    """Read the header of an .npy file; return dtype, order and shape.

    The header is a dictionary in Python's notation, and NumPy's own reader parses it as Python.
    np.save always writes it in the same form, so a regular expression is enough.

    Raises ValueError if the file does not begin with such a header.
    """
    magic, length = file.read(8), file.read(2)
    match = NPY_HEADER.fullmatch(file.read(int.from_bytes(length, "little")))
    if magic != NPY_MAGIC or not match:
        raise ValueError("it does not begin like an .npy file")
    dtype, fortran, shape = (group.decode("ascii") for group in match.groups())
    order = "F" if fortran == "True" else "C"
    return dtype, order, tuple(int(n) for n in shape.split(",") if n)
