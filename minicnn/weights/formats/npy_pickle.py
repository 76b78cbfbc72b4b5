"""Dictionaries of arrays in .npy files, such as bvlc_alexnet.npy: {"conv1": [w, b], …}.

    np.save("bvlc_alexnet.npy", {"conv1": [w, b], …})     in Python 2 or 3

np.save pickles a dictionary, and a pickle is a program for a small stack machine: its instructions
can import and call any function, such as os.system.  This reader imports nothing:

    check        lists the instructions with `pickletools.genops`, which runs none, and refuses all
                 but the few that a dictionary of arrays needs
    Unpickler    the standard library's, which here turns a name into a `Call`: a note of what the
                 pickle would call.  Five names are allowed, and none of them is ever imported
    array_of     makes the array that a note describes from the file's bytes, with np.frombuffer
"""

import io
import pickle
import pickletools
from dataclasses import dataclass

import numpy as np

from ...storage import npy_header
from . import shaped
from .pth import run

NAMES = """numpy.core.multiarray._reconstruct numpy._core.multiarray._reconstruct numpy.ndarray
    numpy.dtype _codecs.encode""".split()  # NumPy 1 and 2; bytes that Python 3 wrote for Python 2
INSTRUCTIONS = """PROTO FRAME STOP MARK MEMOIZE BINPUT LONG_BINPUT BINGET LONG_BINGET
    NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 INT LONG1
    STRING BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE
    BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS
    GLOBAL STACK_GLOBAL REDUCE BUILD""".split()
MOST_INSTRUCTIONS = 10_000  # AlexNet's sixteen arrays need about 500
DAMAGE = (  # an empty stack, a list where a number should be, …
    pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError, UnicodeError,
    OverflowError, RecursionError,
)  # fmt: skip
NUMBERS = ("f2", "f4", "f8")  # the dtypes that are read


def read(data):
    """Return the dictionary in a file, {name: [array, …]}, with unchanged arrays.

    The arrays of a name may be in a list, a tuple, or a dictionary, as in {"conv1": {"weights": w,
    "biases": b}}.
    """
    file = io.BytesIO(data)
    dtype, _, shape = npy_header(file)
    if dtype[1] != "O" or shape != ():
        raise ValueError(f"it is an array of {dtype}, not a dictionary of arrays")
    try:
        check(file)
        start = file.tell()
        run(file, {}, tuple_keys=False)
        file.seek(start)
        match Unpickler(file, encoding="latin1").load():
            case Call("_reconstruct", _, (_, _, _, _, [dict(dictionary)])):
                return arrays_of(dictionary, most_bytes=len(data))
    except DAMAGE:
        pass
    raise ValueError("it is damaged, or not a dictionary of arrays")


def check(file):
    """Raise ValueError unless a pickle has only INSTRUCTIONS, and not too many.

    A frame says how many bytes to read at once.  Where an instruction crosses the end of a frame,
    the unpickler loses bytes, and would run instructions that `genops` does not list.

    The file's position is the same afterwards.
    """
    start, last, frame_end = file.tell(), 0, 0
    for count, (instruction, argument, position) in enumerate(pickletools.genops(file)):
        name = instruction.name
        if name not in INSTRUCTIONS:
            raise ValueError(f"its pickle has the instruction {name}, which no array needs")
        if count > MOST_INSTRUCTIONS:
            raise ValueError(f"its pickle has more than {MOST_INSTRUCTIONS:,} instructions")
        if name == "LONG_BINPUT" and argument > MOST_INSTRUCTIONS:
            raise IndexError  # the memo is an array, and grows to its largest index
        if last < frame_end < position or (name == "FRAME" and position < frame_end):
            raise ValueError("its pickle has a frame that ends within an instruction or a frame")
        if name == "FRAME":
            frame_end = position + 9 + argument
        last = position
    file.seek(start)


class Unpickler(pickle.Unpickler):
    """The standard library's unpickler, in which every name of NAMES is a Call."""

    def find_class(self, module, name):
        """Return a Call instead of the function; import nothing."""
        full = f"{module}.{name}"
        if full not in NAMES:
            raise ValueError(f"its pickle would use {full}, which no array needs; nothing ran")
        return Call(name)


@dataclass(eq=False, slots=True)
class Call:
    """A note of a call that a pickle would make: the name, the arguments, and the state it sets.

    Each name and each call has a Call of its own, so nothing that a file sets outlives its reading.
    """

    name: str  # such as "dtype"
    arguments: tuple = ()  # such as ("f4", False, True)
    state: object = None  # such as (3, "<", None, None, None, -1, -1, 0)

    def __call__(self, *arguments):
        return Call(self.name, arguments)

    def __setstate__(self, state):
        self.state = state


def arrays_of(dictionary, most_bytes):
    """Return the arrays described by a dictionary of notes, at most most_bytes in total."""
    count = sum(map(len, dictionary.values()))
    if count > MOST_INSTRUCTIONS:  # such as one long list under many names
        raise ValueError(f"it has {count:,} arrays; expected at most {MOST_INSTRUCTIONS:,}")
    arrays = {}
    for key, value in dictionary.items():
        name = text_of(key)
        if type(name) is not str or type(value) not in (list, tuple, dict):
            raise TypeError
        if type(value) is dict and "mean" in value:
            raise ValueError(f"it has batch normalization ({name}), which no network here has")
        arrays[name] = []
        for note in [value["weights"], value["biases"]] if type(value) is dict else value:
            arrays[name].append(array_of(name, note))
            most_bytes -= arrays[name][-1].nbytes
            if most_bytes < 0:
                raise ValueError("its arrays share their numbers, and are larger than the file")
    return arrays


def array_of(name, note):
    """Return the NumPy array that a note describes."""
    match note:
        case Call("_reconstruct", _, (_, shape, Call("dtype") as dtype_note, fortran, content)):
            kind, order = dtype_note.arguments[0], dtype_note.state[1]
        case _:
            raise TypeError
    if type(kind) is not str or order not in ("<", ">", "|"):
        raise TypeError
    if kind not in NUMBERS:
        raise ValueError(f"{name} is an array of {kind}; expected floats")
    content = text_of(content)
    if type(content) is str:
        content = content.encode("latin1")
    dtype = np.dtype(order + kind)
    if len(content) % dtype.itemsize:
        raise ValueError(f"{name} has {len(content):,} bytes, no multiple of {dtype.itemsize}")
    return shaped(name, np.frombuffer(content, dtype), shape, "F" if fortran else "C")


def text_of(note):
    """Return the text in a call of `encode`, Python 3's form of bytes for Python 2, or the note."""
    match note:
        case Call("encode", (text, "latin1")):
            return text
    return note
