"""Caffe's .caffemodel: a protobuf message, of which these fields are read and all others skipped.

    NetParameter       layer (100) or, before 2015, layers (2)
    layer, layers      name (1, 4), type (2, 5), blobs (7, 6)
    blob               data (5) or double_data (8); shape (7), or else num, channels, height and
                       width (1, 2, 3, 4); in NVIDIA's Caffe, which DIGITS uses, also raw_data (12)
                       and its type (10)

The numbers are from caffe.proto in https://github.com/BVLC/caffe and https://github.com/NVIDIA/caffe.
A .binaryproto file is one blob, such as a mean image.  A message is a sequence of
fields.  Each begins with a key, 8 · number + wire type, and the wire type says what follows:

    VARINT (0)               an integer, seven bits per byte, the lowest first; the top bit of a
                             byte says whether another byte follows
    FIXED64, FIXED32 (1, 5)  eight bytes; four bytes
    BYTES (2)                a length, and that many bytes: text, numbers or another message

A message has only such fields, so reading it runs no code.  Every length is compared with the
number of bytes left.
"""

import numpy as np

from . import MOST_AXES, shaped

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
PLACES = {100: (1, 2, 7), 2: (4, 5, 6)}  # field of NetParameter → name, type, blobs of its layers
KINDS = {
    "Convolution": "conv", "InnerProduct": "fc", "LRN": "lrn", "Pooling": "pool",  # type of layer
    4: "conv", 14: "fc", 15: "lrn", 17: "pool",  # type of layers
}  # fmt: skip
BATCH_NORM = ("BatchNorm", "CuDNNBatchNorm", "BN")
RAW_DTYPES = {0: "<f8", 1: "<f4", 2: "<f2"}  # raw_data_type → dtype
MOST_LAYERS, MOST_BLOBS = 1000, 10


def read(data):
    """Return the layers of a file in order: a list of (name, kind, list of arrays).

    The kind is conv, fc, lrn or pool, and "" for all others.  Arrays are float32, or as the file
    has them: float64 or float16.
    """
    layers = []
    for number, wire, value in fields(memoryview(data)):
        if number in PLACES and wire == BYTES:
            layers.append(read_layer(value, number))
        if len(layers) > MOST_LAYERS:
            raise ValueError(f"it has more than {MOST_LAYERS:,} layers")
    if not layers:
        raise ValueError("there is no layer in it: it is not from Caffe, or not a network")
    return layers


def read_layer(message, place):
    """Return the name, kind and arrays of a layer from the NetParameter field `place`."""
    name, kind, blobs = "", "", []
    name_field, type_field, blobs_field = PLACES[place]
    for number, wire, value in fields(message):
        if number == name_field and wire == BYTES:
            name = bytes(value).decode("utf-8", "replace")
        elif number == type_field:
            kind = value if wire == VARINT else bytes(value).decode("utf-8", "replace")
        elif number == blobs_field and wire == BYTES:
            blobs.append(value)
            if len(blobs) > MOST_BLOBS:
                raise ValueError(f"{name} has more than {MOST_BLOBS} arrays")
        elif place == 2 and number == 1:
            raise ValueError(
                "it is in Caffe's format of 2013; convert it with Caffe's upgrade_net_proto_binary"
            )
    if kind in BATCH_NORM:
        raise ValueError(f"it has batch normalization ({name}), which no network here has")
    return name, KINDS.get(kind, ""), [read_blob(name, blob) for blob in blobs]


def read_blob(name, message):
    """Return the array of a blob; `name` is for the message."""
    shape, sizes, floats, doubles, raw, kind = None, [0] * 4, bytearray(), bytearray(), b"", 0
    for number, wire, value in fields(message):
        if number == 7 and wire == BYTES:
            shape = read_shape(value)
        elif number in (1, 2, 3, 4) and wire == VARINT:
            sizes[number - 1] = value
        elif number == 5 and wire in (BYTES, FIXED32):  # packed, or one by one
            floats += value
        elif number == 8 and wire in (BYTES, FIXED64):
            doubles += value
        elif number == 10 and wire == VARINT:
            kind = value
        elif number == 12 and wire == BYTES:
            raw = value
    numbers, dtype = (doubles, "<f8") if doubles else (floats, "<f4")
    if raw:
        if kind not in RAW_DTYPES:
            raise ValueError(f"{name} has raw_data of type {kind}; expected floats")
        numbers, dtype = raw, RAW_DTYPES[kind]
    dtype = np.dtype(dtype)
    if len(numbers) % dtype.itemsize:
        raise ValueError(f"{name} has {len(numbers):,} bytes, no multiple of {dtype.itemsize}")
    return shaped(name, np.frombuffer(numbers, dtype), sizes if shape is None else shape)


def read_shape(message):
    """Return the sizes in a BlobShape: dim (1), packed or one by one."""
    shape = []
    for number, wire, value in fields(message):
        if number == 1 and wire == VARINT:
            shape.append(value)
        elif number == 1 and wire == BYTES:
            position = 0
            while position < len(value) and len(shape) <= MOST_AXES:
                size, position = varint(value, position)
                shape.append(size)
    return shape


def fields(message):
    """Yield number, wire type and value of every field: an int for VARINT, else a memoryview."""
    position = 0
    while position < len(message):
        key, position = varint(message, position)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, position = varint(message, position)
        else:
            if wire == BYTES:
                size, position = varint(message, position)
            elif wire in (FIXED64, FIXED32):
                size = 8 if wire == FIXED64 else 4
            else:
                raise ValueError(
                    f"a field has the wire type {wire}: it is damaged, or not from Caffe"
                )
            if size > len(message) - position:
                raise ValueError(
                    f"a field should have {size:,} bytes, but only {len(message) - position:,} "
                    "are left: it is damaged, or not from Caffe"
                )
            value = message[position : position + size]
            position += size
        yield number, wire, value


def varint(message, position):
    """Return the integer that starts at `position`, and the position after it."""
    value = 0
    for i, byte in enumerate(message[position : position + 10]):  # ten bytes hold 64 bits
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, position + i + 1
    raise ValueError("a number has no end: it is damaged, or not from Caffe")
