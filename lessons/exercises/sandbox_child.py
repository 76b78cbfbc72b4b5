"""The learner's code runs here, in a process of its own, and is asked through stdin.

    request   {"path", "name", "calls", "given", "memory"}: which function of which file, and what
              to call it with; "given" are modules to import first, "memory" is a limit in bytes
    answer    one for each call: {"returned": …} or {"raised": …}, and {"changed": names}

This file knows nothing of right and wrong: it calls, and reports.  Whatever the learner's code
prints goes to stderr; the answers leave through a copy of stdout that no print reaches.  Requests
and answers are JSON and the bytes of arrays, so that nothing is ever unpickled.
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

LARGEST = 16 * 2**20  # bytes in an answer; the exercises' own arrays have a few hundred
HEAD = struct.Struct("<Q")


# Values as bytes: the length of a JSON text, the text, and the arrays' own bytes.


def pack(value):
    """Return a value of plain things and arrays as bytes."""
    arrays = []
    tree = json.dumps(plain(value, arrays)).encode()
    return b"".join([HEAD.pack(len(tree)), tree, *arrays])


def unpack(data):
    """Return the value that was packed."""
    (length,) = HEAD.unpack_from(data)
    start = HEAD.size + length
    return whole(json.loads(data[HEAD.size : start]), data[start:])


def plain(value, arrays, depth=0):
    """Return a value as JSON can hold it; the bytes of arrays go into the list."""
    if depth > 9:
        return {"other": "something that is nested too deeply"}
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
        return {kind: [plain(one, arrays, depth + 1) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[str(key), plain(v, arrays, depth + 1)] for key, v in value.items()]}
    if isinstance(value, np.dtype) or isinstance(value, type) and issubclass(value, np.generic):
        return {"dtype": np.dtype(value).str}
    return {"other": f"a {type(value).__name__}"}


def whole(tree, body):
    """Return the value that a JSON tree and its arrays stand for."""
    if not isinstance(tree, dict):
        return tree
    ((kind, inner),) = tree.items()
    if kind == "array":
        dtype, shape, start = inner
        flat = np.frombuffer(body, dtype, math.prod(shape), start)  # refuses dtypes with objects
        return flat.reshape(shape).copy()
    if kind == "dict":
        return {key: whole(one, body) for key, one in inner}
    if kind == "dtype":
        return np.dtype(inner)
    if kind == "other":
        return Other(inner)
    return (tuple if kind == "tuple" else list)(whole(one, body) for one in inner)


class Other(str):
    """What cannot be sent, in words: "a function"."""


# The calls.


def answers(function, calls, path):
    """Call the function with each of the calls' args and options; yield an answer to each.

    path is the learner's file, whose lines an error names.
    """
    for args, options in calls:
        args, options = copied(args), seeded(options)
        before = copied(args)
        answer = {"returned": None, "raised": None, "changed": []}
        try:
            answer["returned"] = function(*args, **options)
        except BaseException as error:  # exit() and Ctrl-C, too: whatever it is, the tutor tells
            answer["raised"] = told(error, path)
        answer["changed"] = list(changed(before, args))
        yield answer


def copied(value):
    """Return a copy, as deep as arrays lie."""
    if isinstance(value, tuple):
        return tuple(copied(one) for one in value)
    return value.copy() if isinstance(value, np.ndarray) else value


def seeded(options):
    """Return options in which {"seed": 5} has become a generator."""
    return {
        name: np.random.default_rng(value["seed"]) if isinstance(value, dict) else value
        for name, value in options.items()
    }


def changed(before, after, place=()):
    """Yield the places of arrays that are not what they were: (1, 0) is args[1][0]."""
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        if isinstance(old, tuple):
            yield from changed(old, new, (*place, k))
        elif isinstance(old, np.ndarray) and not np.array_equal(
            old, new, equal_nan=old.dtype.kind == "f"
        ):
            yield (*place, k)


def told(error, path):
    """Return what was raised: its type, its message, and the last line of the learner's file."""
    steps = traceback.extract_tb(error.__traceback__)
    own = [step for step in steps if step.filename == path]
    line = own[-1].lineno if own else None
    code = linecache.getline(path, line).strip() if line else ""
    return {"type": type(error).__name__, "message": str(error)[:200], "line": line, "code": code}


# The process.


def load(path):
    """Return the module that the learner's file is."""
    module = types.ModuleType("learner")
    module.__file__ = path
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec", dont_inherit=True), vars(module))
    return module


def limit(memory):
    """Let this process have so many more bytes than it has now, where the system can do that."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass  # not Linux: the time limit has to do


def main():
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # print, and what C code writes, goes to stderr from here on

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
        send({"raised": told(error, path)})
    else:
        send("loaded")
        for answer in answers(function, request["calls"], path):
            send(answer)
    with contextlib.suppress(ValueError, OSError):  # the learner's code may have closed it
        sys.stdout.flush()
    os._exit(0)  # whatever threads the learner's code has begun


if __name__ == "__main__":
    main()
