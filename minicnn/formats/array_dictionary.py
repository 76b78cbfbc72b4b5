"""Dictionaries of arrays in .npy files, such as bvlc_alexnet.npy: {"conv1": [w, b], …}.

    np.save("bvlc_alexnet.npy", {"conv1": [w, b], …})     in Python 2 or 3

np.save pickles a dictionary, and a pickle is a program: for a small machine with a stack, whose
instructions can import any function and call it, such as os.system.  To unpickle a file is to run
its program, and so this library never does: there is no np.load with allow_pickle here, nor any
pickle.load.

What is here instead reads the program.  `pickletools.genops` of the standard library lists the
instructions of a pickle and runs none.  `rebuild` goes through that list and knows only what a
dictionary of arrays needs: numbers, texts, bytes, tuples, lists, dictionaries; and five names,
in FUNCTIONS, which stand for something of our own.  The functions with these names are never
looked up, let alone called: an array is made by np.frombuffer, of bytes that are in the file.
Any other name and any other instruction is refused, in one sentence that says which.
"""

import io
import pickletools
from types import SimpleNamespace

import numpy as np

from . import npy_header, shaped

FUNCTIONS = {  # as the pickle calls it → what it stands for
    "numpy.core.multiarray _reconstruct": "array",
    "numpy._core.multiarray _reconstruct": "array",  # NumPy 2
    "numpy ndarray": "ndarray",  # an argument of the two above
    "numpy dtype": "dtype",
    "_codecs encode": "encode",  # bytes, in a pickle that Python 3 writes for Python 2
}
VALUES = """BININT BININT1 BININT2 INT LONG1 BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE
    BINBYTES SHORT_BINBYTES BINBYTES8""".split()
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
NUMBERS = ("f2", "f4", "f8")  # the dtypes that are read
MOST_INSTRUCTIONS = 10_000  # AlexNet's sixteen arrays need about 500


def read(data):
    """Return the dictionary of a file, {name: [array, …]}, arrays as they are there.

    The arrays of a name may be in a list, in a tuple, or in a dictionary, as in {"conv1":
    {"weights": w, "biases": b}}.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    ValueError
        If it is anything else, in particular if it would run something.
    """
    file = io.BytesIO(data)
    dtype, _, shape = npy_header(file)
    if dtype[1] != "O" or shape != ():
        raise ValueError(f"it is an array of {dtype}, not a dictionary of arrays")
    try:
        found = rebuild(file)
        (dictionary,) = found.content  # an array of no axes, which holds one object
        lists = {name: listed(value) for name, value in dictionary.items()}
        if sum(len(array.content) for values in lists.values() for array in values) > len(data):
            raise ValueError("its arrays share their numbers, and are larger than the file")
        return {name: [as_array(name, q) for q in values] for name, values in lists.items()}
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeEncodeError):
        # an empty stack, a list where a number should be, …
        raise ValueError("it is damaged, or not a dictionary of arrays") from None


def listed(value):
    """Return as a list what stands under a name."""
    if type(value) not in (list, tuple, dict):
        raise TypeError
    return [value["weights"], value["biases"]] if type(value) is dict else list(value)


def as_array(name, found):
    """Return the NumPy array of what `rebuild` has found."""
    if found.dtype not in NUMBERS:
        raise ValueError(f"{name} is an array of {found.dtype}; expected one of floats")
    content = found.content
    if type(content) is str:  # bytes, as Python 2 wrote them: one character each
        content = content.encode("latin1")
    dtype = np.dtype(found.dtype).newbyteorder(found.byteorder)
    if len(content) % dtype.itemsize:
        raise ValueError(f"{name} has {len(content):,} bytes, no multiple of {dtype.itemsize}")
    return shaped(name, np.frombuffer(content, dtype), found.shape, "F" if found.fortran else "C")


def rebuild(program):
    """Return what a pickle describes, with a SimpleNamespace in the place of every array.

    Parameters
    ----------
    program : binary file
        Where the pickle starts.

    Raises
    ------
    ValueError
        For an instruction or a name that no dictionary of arrays needs.
    """
    stack, marks, memo = [], [], {}

    def since_mark():
        """Return what is on the stack since the last MARK, and take it off."""
        start = marks.pop()
        taken = stack[start:]
        del stack[start:]
        return taken

    for count, (instruction, argument, _) in enumerate(pickletools.genops(program)):
        name = instruction.name
        if count > MOST_INSTRUCTIONS:
            raise ValueError(f"its pickle has more than {MOST_INSTRUCTIONS:,} instructions")
        if name in VALUES:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name == "GLOBAL":
            stack.append(function(argument))
        elif name == "STACK_GLOBAL":
            name, module = stack.pop(), stack.pop()
            stack.append(function(module + " " + name))
        elif name == "REDUCE":
            arguments, of = stack.pop(), stack.pop()
            stack.append(call(of, arguments))
        elif name == "BUILD":
            state = stack.pop()
            set_state(stack[-1], state)
        elif name == "MARK":
            marks.append(len(stack))
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "EMPTY_TUPLE":
            stack.append(())
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            size = int(name[-1])
            stack[-size:] = [tuple(stack[-size:])]
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name == "APPEND":
            append(stack[-2], [stack.pop()])
        elif name == "APPENDS":
            items = since_mark()
            append(stack[-1], items)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            set_items(stack[-1], [key, value])
        elif name == "SETITEMS":
            items = since_mark()
            set_items(stack[-1], items)
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):  # these two say nothing that matters here
            raise ValueError(f"its pickle has the instruction {name}, which no array needs")


def function(name):
    """Return what a function that a pickle names stands for."""
    if name not in FUNCTIONS:
        module, _, name = name.partition(" ")
        raise ValueError(f"its pickle would use {module}.{name}, which no array needs; nothing ran")
    return FUNCTIONS[name]


def call(of, arguments):
    """Return what a call stands for: an array or a dtype, yet without its state, or a text."""
    if of == "array":
        return SimpleNamespace(dtype=None, content=None)
    if of == "dtype" and type(arguments[0]) is str:
        return SimpleNamespace(name=arguments[0], byteorder="=")
    if of == "encode" and arguments[1] == "latin1":
        return arguments[0]  # as_array encodes it, once it is known how much that will be
    raise ValueError("its pickle calls something that is no function")


def set_state(thing, state):
    """Give an array or a dtype what its pickle says about it."""
    if type(state) is not tuple or type(thing) is not SimpleNamespace:
        raise TypeError
    if hasattr(thing, "content"):
        thing.shape, dtype, thing.fortran, thing.content = state[1:5]  # the first is a version
        thing.dtype, thing.byteorder = dtype.name, dtype.byteorder
    elif state[1] in ("<", ">", "|"):
        thing.byteorder = state[1]
    else:
        raise TypeError


def append(to, items):
    """Append items to a list."""
    if type(to) is not list:
        raise TypeError
    to.extend(items)


def set_items(to, items):
    """Put items, a key, a value, a key, a value, …, into a dictionary."""
    keys, values = items[::2], items[1::2]
    if type(to) is not dict or any(type(key) is not str for key in keys):
        raise TypeError
    to.update(zip(keys, values, strict=False))
