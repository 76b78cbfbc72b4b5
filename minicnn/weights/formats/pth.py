"""PyTorch's files, as torch.save writes them: a pickle, and the numbers of its tensors.

    since PyTorch 1.6    a zip: NAME/data.pkl is the pickle, NAME/data/KEY the numbers of a storage
    before               pickles of a magic number, of a version and of the machine; the pickle; a
                         pickle of the storages' keys; and for each key a count and its numbers

A pickle is a program for a stack machine, and can call any function.  The machine of this file,
`run`, calls none and imports nothing.  Where a pickle would make an object, it leaves a Note, which
says what the object would be made of.  So it also reads checkpoints of training frameworks, whose
objects it does not know.  A tensor is a view of a storage, which several tensors may share:

    tensor     Note("torch._utils._rebuild_tensor_v2", (storage, offset, shape, strides, …))
    storage    Note("storage", ("storage", Note("torch.FloatStorage"), key, device, count))
"""

import functools
import io
import itertools
import math
import pickletools
import zipfile
import zlib

import numpy as np

from . import MOST_AXES, Unusable, check_batch_norm
from .safetensors import as_float

MAGIC = 0x1950A86A20F9469CFC6C
MOST_INSTRUCTIONS = 200_000  # AlexNet's state dictionary needs about 500
DTYPES = {
    "DoubleStorage": ("f8", "F64"), "FloatStorage": ("f4", "F32"), "HalfStorage": ("f2", "F16"),
    "BFloat16Storage": ("u2", "BF16"), "LongStorage": ("i8", ""), "IntStorage": ("i4", ""),
    "ShortStorage": ("i2", ""), "CharStorage": ("i1", ""), "ByteStorage": ("u1", ""),
    "BoolStorage": ("u1", ""),
}  # fmt: skip  # kind of storage → dtype, and its name in as_float if it is of floats
TENSORS = ("torch._utils._rebuild_", "torch._tensor._rebuild_", "torch.nn.parameter.")
PARAMETERS = ("torch._utils._rebuild_parameter", "torch.nn.parameter.")
PLAIN = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
STATES = "state_dict model_state_dict model net network weights".split()  # keys of training scripts
MOST_PREFIX = 200  # characters of the keys that lead to a tensor
MOST_DICTIONARIES = 1000  # to look into for a state dictionary
ADVICE = "where it was made, save its weights: torch.save(model.state_dict(), 'weights.pth')"
DAMAGE = (  # an empty stack, a list where a number should be, …
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError, EOFError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Note(dict):
    """What an object would be made of; also its items, if it is a kind of dictionary."""

    __slots__ = "name", "arguments", "state"

    def __init__(self, name, arguments=()):
        self.name = name  # such as "collections.OrderedDict"
        self.arguments = arguments
        self.state = None  # what its attributes would be


def read(data):
    """Return the tensors of a file's state dictionary, {name: array}, in float32 or float64.

    The state dictionary may be in another dictionary, as training scripts save it.

    Raises
    ------
    Unusable
        If it is damaged, has no tensors by name, or has tensors of anything but floats.
    """
    try:
        value, order, bytes_of = read_zip(data) if data[:2] == b"PK" else read_legacy(data)
        notes = tensors_in(value)
        check_batch_norm(notes)
        most_bytes, arrays = 2 * len(data), {}  # two layers may share their weights
        for name, note in notes.items():
            array = array_of(name, note, order, bytes_of)
            most_bytes -= array.nbytes
            if most_bytes < 0:
                raise Unusable("its tensors share their numbers, and are larger than the file")
            arrays[name] = array
    except Unusable:
        raise
    except DAMAGE:
        raise Unusable("it is damaged, or torch.save did not write it") from None
    return arrays


def read_zip(data):
    """Return the pickle's value, the order of bytes, and a function: key → the storage's bytes."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    entries = {entry.filename: entry for entry in archive.infolist()}
    name = next((name for name in entries if name.endswith("/data.pkl")), None)
    if name is None:
        raise Unusable("it is a zip without data.pkl: torch.save did not write it")
    folder = name.removesuffix("data.pkl")
    if any(entry.startswith(f"{folder}code/") for entry in entries):
        raise Unusable(f"it is a program of TorchScript; {ADVICE}")
    if sum(entry.file_size for entry in entries.values()) > len(data):
        raise Unusable("it is compressed, unlike the files of torch.save")
    big = f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder") == b"big"
    value = run(io.BytesIO(archive.read(name)), {})
    bytes_of = functools.cache(lambda key: archive.read(f"{folder}data/{key}"))
    return value, ">" if big else "<", bytes_of


def read_legacy(data):
    """Return the same of a file from before PyTorch 1.6."""
    file, kinds, storages = io.BytesIO(data), {}, {}
    if data[:1] != b"\x80":
        raise Unusable(f"torch.save did not write it: it begins with {bytes(data[:20])!r}")
    if run(file, {}) != MAGIC:
        raise Unusable("it is a pickle, but torch.save did not write it")
    run(file, {})  # the version, always 1001
    order = "<" if run(file, {})["little_endian"] else ">"
    value = run(file, kinds)
    for key in run(file, {}):
        count = int.from_bytes(file.read(8), "little" if order == "<" else "big")
        if kinds[key] not in DTYPES:
            raise Unusable(f"it has numbers of {kinds[key]}; expected floats")
        dtype, _ = DTYPES[kinds[key]]
        storages[key] = file.read(count * np.dtype(dtype).itemsize)
    return value, order, storages.__getitem__


def run(file, kinds, tuple_keys=True):
    """Return the value that a pickle makes, with Notes in it.

    Parameters
    ----------
    file : binary file
        Its position is after the pickle, when `run` returns.
    kinds : dict
        The kind of each storage is added under its key, such as "FloatStorage".
    tuple_keys : bool
        Whether a dictionary may have tuples as keys: the hash of 64 nested pairs takes 2⁶⁴ steps.

    Raises
    ------
    Unusable
        If it is too long, or has an instruction that no tensor needs.
    DAMAGE
        If it is cut, or its instructions do not fit one another.
    """
    stack, marks, memo = [], [], {}

    def since_mark():
        """Take from the stack and return what was pushed since the last MARK."""
        items = stack[marks[-1] :]
        del stack[marks.pop() :]
        return items

    for count, (instruction, argument, _) in enumerate(pickletools.genops(file)):
        if count > MOST_INSTRUCTIONS:
            raise Unusable(f"its pickle has more than {MOST_INSTRUCTIONS:,} instructions")
        match instruction.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE" as name:
                stack.append(name == "NEWTRUE")
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST" | "EMPTY_SET":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                size = int(name[-1])
                stack[-size:] = [tuple(stack[-size:])]
            case "TUPLE" | "FROZENSET":
                items = tuple(since_mark())
                stack.append(items)
            case "APPEND":
                item = stack.pop()
                add_to_list(stack[-1], [item])
            case "APPENDS" | "ADDITEMS":
                items = since_mark()
                add_to_list(stack[-1], items)
            case "SETITEM" | "SETITEMS" as name:
                items = since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
                if not tuple_keys and tuple in map(type, items[::2]):
                    raise TypeError
                add_to_dictionary(stack[-1], items)
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(Note(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                stack[-2:] = [Note(".".join(stack[-2:]))]
            case "REDUCE" | "NEWOBJ":
                stack[-2:] = [called(*stack[-2:])]
            case "NEWOBJ_EX":
                stack[-3:] = [called(*stack[-3:-1])]
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Note):
                    stack[-1].state = state
            case "BINPERSID":
                stack[-1] = persistent(stack[-1], kinds)
            case name if instruction.arg and not instruction.stack_before:
                stack.append(argument)  # a number or a text
            case name:
                raise Unusable(f"its pickle has the instruction {name}, which no tensor needs")


def add_to_list(values, items):
    """Append the items, unless it is the Note of an object."""
    if type(values) is list:
        values.extend(items)


def add_to_dictionary(dictionary, items):
    """Set items, keys and values in turn; keys that are not texts are left out."""
    for key, value in zip(items[::2], items[1::2], strict=False):
        if type(key) is str:
            dictionary[key] = value


def called(function, arguments):
    """Return the Note of a call."""
    if type(arguments) is not tuple:
        raise TypeError
    note = Note(function.name, arguments)
    if note.name == "collections.OrderedDict":
        for pairs in arguments:  # of Python 2
            for pair in pairs:
                add_to_dictionary(note, pair)
            pairs.clear()  # or a file could have one long list read a thousand times
    return note


def persistent(description, kinds):
    """Return the Note of a storage, or of a class that is saved with its source code."""
    if description[0] == "module":
        return description[1]
    word, kind, key, *_ = description
    if word != "storage" or type(key) is not str:
        raise TypeError
    kinds[key] = kind.name.rpartition(".")[2]
    return Note("storage", description)


def tensors_in(value):
    """Return the Notes of a state dictionary's tensors by name.

    In other dictionaries, the state dictionary is looked for; where none is called so, a tensor's
    name begins with the keys that lead to it.

    Raises Unusable if there are none.
    """
    notes, queue, seen, network = {}, [("", value)], {id(value)}, None
    for prefix, dictionary in queue if isinstance(value, dict) else ():
        state = dictionary.state if isinstance(dictionary, Note) else None
        if isinstance(state, dict) and "_modules" in state:
            network = network or dictionary.name.rpartition(".")[2]
        states = [key for key in STATES if has_tensors(dictionary.get(key))]
        for key in states[:1] or dictionary:
            item = dictionary[key]
            if is_tensor(item):
                notes[prefix + key] = item
            elif isinstance(item, dict) and id(item) not in seen and len(prefix) < MOST_PREFIX:
                seen.add(id(item))
                if len(queue) < MOST_DICTIONARIES:
                    queue.append((prefix if states else f"{prefix}{key}.", item))
    if network and not notes:
        raise Unusable(f"it has a whole network, an object of the class {network}; {ADVICE}")
    if not notes:
        only = f", only {', '.join(list(value)[:10])}" if isinstance(value, dict) and value else ""
        raise Unusable(f"it has no tensors by name{only}; {ADVICE}")
    return notes


def is_tensor(value):
    return isinstance(value, Note) and value.name.startswith(TENSORS)


def has_tensors(value):
    return isinstance(value, dict) and any(map(is_tensor, itertools.islice(value.values(), 1000)))


def array_of(name, note, order, bytes_of):
    """Return the array of a tensor.

    Parameters
    ----------
    name : str
        For the message.
    note : Note
        The tensor.
    order : str
        The order of bytes, "<" or ">".
    bytes_of : function
        It returns the bytes of a storage, given its key.
    """
    if note.name.startswith(PARAMETERS):
        note = note.arguments[0]
    if note.name == "torch._tensor._rebuild_from_type_v2":
        note = called(note.arguments[0], note.arguments[2])
    if note.name not in PLAIN or note.arguments[6:] not in ((), (None,), ({},)):
        raise Unusable(f"{name} is a tensor of a special kind ({note.name}); expected floats")
    storage, offset, shape, strides = note.arguments[:4]
    _, kind, key, _, _, *view = storage.arguments
    kind = kind.name.rpartition(".")[2]
    dtype, float_name = DTYPES.get(kind, ("", ""))
    if not float_name:
        raise Unusable(f"{name} has numbers of {kind}; expected floats")
    if view and view[0]:  # the storage is a part of another one: its own key, start and count
        offset += view[0][1]
    if len(shape) > MOST_AXES:
        raise Unusable(f"{name} has {len(shape):,} axes; expected at most {MOST_AXES}")
    whole = all(type(n) is int and n >= 0 for n in (offset, *shape, *strides))
    if not whole or len(shape) != len(strides):
        raise TypeError
    if 0 in shape:
        raise Unusable(f"{name} has the shape {shape}, and no numbers")
    dtype, content = np.dtype(order + dtype), bytes_of(key)
    steps = [stride * dtype.itemsize for stride in strides]
    try:
        if math.prod(shape) * dtype.itemsize > len(content):
            raise ValueError
        array = np.ndarray(shape, dtype, content, offset * dtype.itemsize, steps)
    except ValueError:
        count = len(content) // dtype.itemsize
        raise Unusable(f"{name} has {count:,} numbers, which do not fill {shape}") from None
    return np.ascontiguousarray(as_float(array, float_name))
