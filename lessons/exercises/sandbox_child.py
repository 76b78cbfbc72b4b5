"""The child process that runs a learner's code; requests arrive on stdin.

    request   {"path", "name", "calls", "given", "memory"}: the file, the function, the calls, the
              modules to import first, and the memory limit in bytes
    answer    one for each call: {"returned": …, "raised": …, "changed": places of arguments}

This process calls the function and reports; it does not judge.  The learner's printed output goes
to stderr, and answers are sent through a copy of stdout that print cannot reach.  Messages consist
of JSON and the bytes of arrays, so nothing is ever unpickled.
"""

import contextlib
import importlib
import json
import linecache
import math
import os
import struct
import sys
import traceback
import types
import warnings

import numpy as np

LARGEST = 16 * 2**20  # the most bytes of an array in an answer; the library's have a few hundred
HEAD = struct.Struct("<Q")


# A value as bytes: the length of a JSON text, the text, and the bytes of arrays.


def pack(value):
    """Return a value of plain data and arrays as bytes."""
    arrays = []
    tree = json.dumps(plain(value, arrays)).encode()
    return b"".join([HEAD.pack(len(tree)), tree, *arrays])


def unpack(data):
    """Return the value that was packed."""
    (length,) = HEAD.unpack_from(data)
    start = HEAD.size + length
    return restored(json.loads(data[HEAD.size : start]), data[start:])


def plain(value, arrays, depth=0):
    """Return a value in a form for JSON; the bytes of arrays are added to the list."""
    if depth > 9:
        return {"other": "something nested too deeply"}
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind not in "biuf" or value.nbytes > LARGEST:
            return {"other": f"an array of {value.dtype}, shape {value.shape}"}
        start = sum(map(len, arrays))
        arrays.append(value.tobytes())
        return {"array": [value.dtype.str, value.shape, start]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)) and len(value) < 1000:
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [plain(part, arrays, depth + 1) for part in value]}
    if isinstance(value, dict):
        return {"dict": [[str(key), plain(v, arrays, depth + 1)] for key, v in value.items()]}
    if isinstance(value, np.dtype) or isinstance(value, type) and issubclass(value, np.generic):
        return {"dtype": np.dtype(value).str}
    return {"other": f"a {type(value).__name__}"}


def restored(tree, body):
    """Return the value of a JSON tree and the bytes of its arrays."""
    if not isinstance(tree, dict):
        return tree
    ((kind, inner),) = tree.items()
    if kind == "array":
        dtype, shape, start = inner
        flat = np.frombuffer(body, dtype, math.prod(shape), start)  # refuses dtypes with objects
        return flat.reshape(shape).copy()
    if kind == "dict":
        return {key: restored(part, body) for key, part in inner}
    if kind == "dtype":
        return np.dtype(inner)
    if kind == "other":
        return Other(inner)
    return (tuple if kind == "tuple" else list)(restored(part, body) for part in inner)


class Other(str):
    """A value that cannot be sent, in words: "a function"."""


# The calls.


def answers(function, calls, path):
    """Run each call of the function and yield its answer.

    `path` is the learner's file; an error is reported with its line there.
    """
    for args, options in calls:
        args, options = copied(args), seeded(options)
        before = copied(args)
        answer = {"returned": None, "raised": None, "changed": []}
        try:
            answer["returned"] = function(*args, **options)
        except BaseException as error:  # exit() and Ctrl-C, too, which the tutor reports
            answer["raised"] = error_fields(error, path)
        answer["changed"] = list(changed(before, args))
        yield answer


def copied(value):
    """Return a copy of a value, including the arrays in nested tuples."""
    if isinstance(value, tuple):
        return tuple(copied(part) for part in value)
    return value.copy() if isinstance(value, np.ndarray) else value


def seeded(options):
    """Return options with {"seed": 5} replaced by a generator."""
    return {
        name: np.random.default_rng(value["seed"]) if isinstance(value, dict) else value
        for name, value in options.items()
    }


def changed(before, after, place=()):
    """Yield the places of arrays that have changed: (1, 0) is args[1][0]."""
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        if isinstance(old, tuple):
            yield from changed(old, new, (*place, k))
        elif isinstance(old, np.ndarray) and not np.array_equal(
            old, new, equal_nan=old.dtype.kind == "f"
        ):
            yield (*place, k)


def error_fields(error, path):
    """Return an exception as a dict: its type, its message and the line in the learner's file."""
    frames = traceback.extract_tb(error.__traceback__)
    in_file = [frame for frame in frames if frame.filename == path]
    line = in_file[-1].lineno if in_file else None
    code = linecache.getline(path, line).strip() if line else ""
    return {"type": type(error).__name__, "message": str(error)[:200], "line": line, "code": code}


# The process.


def load(path):
    """Run the learner's file and return it as a module."""
    module = types.ModuleType("learner")
    module.__file__ = path
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec", dont_inherit=True), vars(module))
    return module


def limit(memory):
    """Limit the further memory of this process, in bytes, where the system supports it."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass  # not Linux: there is only the time limit


def main():
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # from here on, print and C code write to stderr

    def send(value):
        data = pack(value)
        channel.write(HEAD.pack(len(data)) + data)
        channel.flush()

    request = unpack(sys.stdin.buffer.read())
    path = request["path"]
    for name in request["given"]:
        importlib.import_module(name)
    sys.path.append(os.path.dirname(path))
    warnings.simplefilter("ignore")
    limit(request["memory"])
    send("ready")
    try:
        module = load(path)
        function = vars(module)[request["name"]]
    except BaseException as error:
        send({"raised": error_fields(error, path)})
    else:
        send("loaded")
        for answer in answers(function, request["calls"], path):
            send(answer)
    with contextlib.suppress(ValueError, OSError):  # the learner's code may have closed it
        sys.stdout.flush()
    os._exit(0)  # even if the learner's code has started threads


if __name__ == "__main__":
    main()
