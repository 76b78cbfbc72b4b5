"""Files of weights, read without running or believing anything in them.

    safetensors.py          .safetensors, read and written
    caffemodel.py           Caffe's .caffemodel, read
    npy_pickle.py           dictionaries that np.save has pickled, such as bvlc_alexnet.npy, read
    npz.py                  .npz and our own checkpoints, read
    weights/provenance.py   what our own files say of their network

Every `read` takes the bytes of a whole file, or the path of an .npz file, and refuses what it does
not understand with a ValueError, one sentence.  The sizes that a file claims are compared with the
bytes that it has before anything is made of that size.  What is read is as the file has it;
weights/exchange.py makes a network's parameters of it.
"""

import math
import re

MOST_AXES = 4  # weights of convolutions have four
NPY_MAGIC = b"\x93NUMPY\x01\x00"  # version 1.0; the others are for arrays that no network has
NPY_HEADER = re.compile(
    rb"\{'descr': '([<>|](?:f[248]|[iu][1248]|b1|O[48]?))', 'fortran_order': (False|True), "
    rb"'shape': \((\d{1,18}(?:, \d{1,18}){0,7},?|)\), \}[ \n]*"
)


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


def npy_header(file):
    """Read the header of an .npy file and return what it says: dtype, order and shape.

    The header is a dictionary in Python's notation, and NumPy's own reader parses Python; np.save
    writes it in one way, so that a pattern will do.

    Raises ValueError if the file does not begin so.
    """
    magic, length = file.read(8), file.read(2)
    match = NPY_HEADER.fullmatch(file.read(int.from_bytes(length, "little")))
    if magic != NPY_MAGIC or not match:
        raise ValueError("it does not begin as an .npy file does")
    dtype, fortran, shape = (group.decode("ascii") for group in match.groups())
    order = "F" if fortran == "True" else "C"
    return dtype, order, tuple(int(n) for n in shape.split(",") if n)
