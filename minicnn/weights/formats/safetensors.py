"""The .safetensors format: named arrays, and nothing that could run.

    8 bytes     N, the length of the header, little-endian
    N bytes     the header, JSON: {"conv1.w": {"dtype": "F32", "shape": [96, 3, 11, 11],
                "data_offsets": [0, 139392]}, …}; "__metadata__" may hold texts, of which only
                ours, "minicnn", is read: see weights/provenance.py
    the rest    the numbers, little-endian, the last axis fastest; offsets count from its start

The arrays must fill the rest without gaps or overlaps, so they never have more bytes than the file.
The format is published at https://github.com/huggingface/safetensors.  This reader refuses two
things that the format allows, because no network here has them: empty arrays, and numbers that are
not floating-point.
"""

import json

import numpy as np

from . import check_batch_norm, shaped

MOST_HEADER = 1 << 23  # bytes; AlexNet's has 2,000, and 21,000 classes with names 600,000
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read(data):
    """Return the arrays of a file by name, in float32, or in float64 if the file has F64."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise ValueError(
            f"it has {len(data):,} bytes, too few for the header of a .safetensors file, "
            "whose length comes first"
        )
    if length > MOST_HEADER:
        raise ValueError(f"its header has {length:,} bytes; at most {MOST_HEADER:,} are allowed")
    header = parse(data[8 : 8 + length])
    rest = memoryview(data)[8 + length :]

    arrays, end = {}, 0  # end: where the array before this one ends
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        if start != end or not start <= stop <= len(rest):
            raise ValueError(
                f"{name} has bytes {start:,} to {stop:,} of {len(rest):,}, but should start at "
                f"{end:,}, where the array before it ends"
            )
        dtype = np.dtype(DTYPES[entry["dtype"]])
        if (stop - start) % dtype.itemsize:
            raise ValueError(f"{name} has {stop - start:,} bytes, no multiple of {dtype.itemsize}")
        numbers = np.frombuffer(rest[start:stop], dtype)
        arrays[name] = as_float(shaped(name, numbers, entry["shape"]), entry["dtype"])
        end = stop
    if end != len(rest):
        raise ValueError(f"its arrays end at byte {end:,} of {len(rest):,}")
    return arrays


def read_description(data):
    """Return the description in a file that `read` has accepted: a text, or None."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__")
    return metadata.get("minicnn") if isinstance(metadata, dict) else None


def parse(text):
    """Return the header as a dictionary, after checking the keys and types of its entries."""
    if not text.startswith(b"{"):
        raise ValueError("its header does not begin with {, unlike that of a .safetensors file")
    try:
        header = json.loads(text, object_pairs_hook=without_repeats)
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"its header is not JSON in UTF-8: {error}") from None
    header.pop("__metadata__", None)
    check_batch_norm(header)
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{name} lacks the keys dtype, shape and data_offsets")
        if entry["dtype"] not in list(DTYPES):  # a list, because the value may not be hashable
            raise ValueError(f"{name} has the dtype {entry['dtype']}; expected {', '.join(DTYPES)}")
        offsets = entry["data_offsets"]
        lists = isinstance(entry["shape"], list) and isinstance(offsets, list)
        if not lists or len(offsets) != 2 or any(type(n) is not int or n < 0 for n in offsets):
            raise ValueError(f"{name} has a shape or data_offsets that are not lists of numbers")
    return header


def without_repeats(pairs):
    """Return pairs of JSON as a dictionary; raise ValueError if a key appears twice."""
    dictionary = dict(pairs)
    if len(dictionary) < len(pairs):
        raise ValueError("its header has the same name twice")
    return dictionary


def as_float(array, dtype):
    """Return the array as float32, or as float64 if its dtype is F64."""
    if dtype == "BF16":  # the upper half of a float32
        return (array.astype("<u4") << 16).view("<f4")
    return array.astype(np.float64 if dtype == "F64" else np.float32, copy=False)


def write(file, arrays, about=None):
    """Write arrays in float32 or float64 to an open binary file, with a description.

    In PyTorch, `safetensors.torch.load_file` reads it.
    """
    names = {"float32": "F32", "float64": "F64"}
    header, end = {"__metadata__": {"minicnn": about}} if about else {}, 0
    for name, array in arrays.items():
        offsets = [end, end + array.nbytes]
        dtype = names[array.dtype.name]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        end += array.nbytes
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers start at a multiple of eight bytes
    file.write(len(text).to_bytes(8, "little") + text)
    for array in arrays.values():
        little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        file.write(little_endian.data)
