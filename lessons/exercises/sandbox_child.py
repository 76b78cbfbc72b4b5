"""The child process that runs a learner's code; requests arrive on stdin.

    request   {"path", "name", "calls", "given", "solution", "memory"}: the file, the function, the
              calls, the modules to import first, the text of the library's own function, and the
              memory limit in bytes
    answer    one for each call: {"returned": …, "raised": …, "changed": places of arguments}

This process calls the function and reports; it does not judge.  The learner's printed output goes
to stderr, and answers are sent through a copy of stdout that print cannot reach.  Messages consist
of JSON and the bytes of arrays, so nothing is ever unpickled.

On Linux there are two processes: a guard, and its child, which runs the learner's code.  The child
sees the guard as its parent, and where the system allows it, it is alone in a namespace of process
ids and has no network: it can signal nothing else, and whatever it has started ends with it.  It
can still read and write the files of the user who runs the tutor.

While the learner's code runs, the library's own solution refuses to be called, and the files of the
library to be read.  This notices a loan; code that is written to undo it in this process can.
"""

import contextlib
import importlib
import importlib.machinery
import io
import json
import linecache
import math
import os
import signal
import struct
import sys
import traceback
import types
import warnings

import numpy as np

BORROWED = "borrowed"  # the type of the exception by which the library's own solution refuses
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LARGEST = 16 * 2**20  # the most bytes of arrays in an answer; the library's have a few thousand
LONGEST = 5000  # the most parts of a tuple and characters of a text in an answer
MESSAGE = 2 * LARGEST  # the most bytes of an answer
HEAD = struct.Struct("<Q")


# A value as bytes: the length of a JSON text, the text, and the bytes of arrays in its order.


def pack(value):
    """Return a value of plain data and arrays as bytes."""
    arrays = []
    tree = json.dumps(plain(value, arrays)).encode()
    return b"".join([HEAD.pack(len(tree)), tree, *arrays])


def packed(answer):
    """Return an answer as bytes, also if the learner's own class in it can do anything."""
    try:
        data = pack(answer)
    except BaseException:
        data = None
    if data is None or len(data) > MESSAGE:
        data = pack({**answer, "returned": Other("something that is no plain data")})
    return data


def unpack(data):
    """Return the value that was packed.

    Raises ValueError or another Exception if these bytes were not made by `pack`.  The value has
    no more bytes of arrays than the data.
    """
    body = io.BytesIO(data)
    (length,) = HEAD.unpack(body.read(HEAD.size))
    return restored(json.loads(body.read(length)), body)


def plain(value, arrays, depth=0):
    """Return a value in a form for JSON; the bytes of arrays are added to the list."""
    if depth > 9:
        return {"other": "something nested too deeply"}
    if isinstance(value, (np.ndarray, np.generic)):
        value = np.asarray(value)  # of a masked array, too
        if value.dtype.kind not in "biuf" or sum(map(len, arrays)) + value.nbytes > LARGEST:
            return {"other": f"an array of {value.dtype}, shape {value.shape}"}
        arrays.append(value.tobytes())
        return {"array": [value.dtype.str, value.shape]}
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else {"other": "an int of more than 64 bits"}
    if isinstance(value, str) and len(value) <= LONGEST:
        return {"other": value} if isinstance(value, Other) else value
    if isinstance(value, (tuple, list)) and len(value) <= LONGEST:
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [plain(part, arrays, depth + 1) for part in value]}
    if isinstance(value, dict) and len(value) <= LONGEST:
        return {"dict": [[str(key), plain(v, arrays, depth + 1)] for key, v in value.items()]}
    if isinstance(value, np.dtype) or isinstance(value, type) and issubclass(value, np.generic):
        dtype = np.dtype(value)
        return {"dtype" if dtype.kind in "biuf" else "other": dtype.str}
    return {"other": f"a {type(value).__name__}"[:LONGEST]}


def restored(tree, body):
    """Return the value of a JSON tree, with its arrays read from the file `body`."""
    if not isinstance(tree, dict):
        return tree
    ((kind, inner),) = tree.items()
    if kind == "array":
        dtype, shape = np.dtype(inner[0]), inner[1]
        if dtype.kind not in "biuf":
            raise ValueError(f"an array of {dtype}")
        data = body.read(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(bytearray(data), dtype).reshape(shape)
    if kind == "dict":
        return {key: restored(part, body) for key, part in inner}
    if kind == "dtype":
        return np.dtype(inner)
    if kind == "other":
        return Other(inner[:LONGEST])
    return {"tuple": tuple, "list": list}[kind](restored(part, body) for part in inner)


class Other(str):
    """A value that cannot be sent, in words: "a function"."""


# The calls.


def answers(function, calls, path, name=None):
    """Run each call of the function and yield its answer.

    `path` is the learner's file; an error is reported with its line there.  Before each call, the
    library's own function of this name is made to refuse.
    """
    for args, options in calls:
        args, options = copied(args), seeded(options)
        make_refuse(name)
        before = copied(args)
        answer = {"returned": None, "raised": None, "changed": []}
        try:
            with watched():
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
        elif isinstance(old, np.ndarray):
            alike = old.dtype == new.dtype and old.shape == new.shape
            if not alike or not np.array_equal(old, new, equal_nan=old.dtype.kind == "f"):
                yield (*place, k)


def error_fields(error, path):
    """Return an exception as a dict: its type, its message and the line in the learner's file."""
    frames = traceback.extract_tb(error.__traceback__)
    in_file = [frame for frame in frames if frame.filename == path]
    line = in_file[-1].lineno if in_file else None
    code = linecache.getline(path, line).strip()[:LONGEST] if line else ""
    try:
        message = str(error)[:200]
    except BaseException:  # of a class that the learner has written
        message = ""
    return {"type": type(error).__name__[:200], "message": message, "line": line, "code": code}


# Loans.


def refuse(*args, **options):
    raise type("borrowed", (BaseException,), {})("this is the library's own solution")


def make_refuse(name):
    """Make the library's own functions of this name raise, however they are reached."""
    for module in [m for key, m in sys.modules.items() if key.split(".")[0] in LIBRARY and name]:
        f = vars(module).get(name)
        f = getattr(f, "py_func", f)
        if isinstance(f, types.FunctionType) and f.__code__ is not refuse.__code__:
            f.__code__, f.__defaults__ = refuse.__code__, None


LIBRARY = "minicnn", "lessons"
WATCHED = {
    "open", "exec", "compile", "object.__getattr__", "subprocess.Popen", "os.system", "os.exec",
    "os.posix_spawn", "os.spawn", "ctypes.dlopen", "sys.setprofile", "sys.settrace",
}  # fmt: skip
watching = []  # not empty while the learner's code runs
solution = ["", b""]  # the name and the text of the library's own function


@contextlib.contextmanager
def watched():
    watching.append(True)
    try:
        yield
    finally:
        watching.clear()


def watch(event, args):
    """Refuse ways to the library's own solution while the learner's code runs (an audit hook).

    These are its files, its code object, its text if that is compiled anew, other programs, and
    what follows its execution.  Imports, and Numba, which looks for its cache, may read the files.
    """
    if not watching or event not in WATCHED:
        return
    first = args[0] if args else None
    if event == "exec":
        if is_library(getattr(first, "co_filename", "")) and not is_new(first):
            refuse()
    elif event == "open":
        if is_library(first) and not imports("numba"):
            refuse()
    elif event == "compile":
        text = first if isinstance(first, bytes) else str(first).encode("utf-8", "replace")
        if solution[1] and solution[1] in text and not imports():
            refuse()
    elif event == "object.__getattr__":
        its = getattr(first, "__name__", ""), str(getattr(first, "__module__", "")).split(".")[0]
        if args[1] == "__code__" and its[0] == solution[0] and its[1] in LIBRARY and not imports():
            refuse()
    elif not imports():
        raise PermissionError(f"{event} is not allowed here: no exercise needs it")


def imports(package=None):
    """Return whether this happens in an import, or in a package that is named."""
    frame = sys._getframe(2)
    while frame:
        source, name = frame.f_code.co_filename, frame.f_code.co_name
        if source.startswith("<frozen importlib") and name in ("_find_and_load", "_exec"):
            return True
        if package and f"{os.sep}{package}{os.sep}" in source:
            return True
        frame = frame.f_back
    return False


def is_new(code):
    """Return whether this is the code of a module of the library that is being imported."""
    modules = [m for key, m in sys.modules.items() if key.split(".")[0] in LIBRARY]
    return code.co_name == "<module>" and any(
        getattr(module, "__file__", None) == code.co_filename
        and getattr(module.__spec__, "_initializing", False)
        for module in modules
    )


def is_library(path):
    """Return whether a path, which may be a link, is of a file of the library."""
    if not isinstance(path, (str, bytes)) or not path:
        return False
    path = os.path.realpath(os.fsdecode(path))
    return any(path.startswith(os.path.join(ROOT, part) + os.sep) for part in LIBRARY)


def refuse_new(name):
    """Make the library's own function refuse also in modules that are imported from now on."""
    loader = importlib.machinery.SourceFileLoader
    plain = loader.exec_module

    def exec_module(self, module):
        plain(self, module)
        make_refuse(name)

    loader.exec_module = exec_module


# The process.


def load(path):
    """Run the learner's file and return it as a module."""
    module = types.ModuleType("learner")
    module.__file__ = path
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec", dont_inherit=True), vars(module))
    return module


def guard():
    """Fork; return in the child.  The parent waits and ends with the child's exit code, or 128 + N.

    N is the signal that the child died by.  Both end when the tutor does.
    """
    if sys.platform != "linux":
        return
    import ctypes

    new_user, new_pid, new_net = 0x10000000, 0x20000000, 0x40000000  # from sched.h
    die_with_parent = 1  # from prctl.h
    libc = ctypes.CDLL(None)
    for spaces in (new_pid | new_net, new_pid):  # only root may make them,
        if not libc.unshare(spaces) or not libc.unshare(new_user | spaces):
            break  # and others where the system allows it
    libc.prctl(die_with_parent, signal.SIGKILL)
    child = os.fork()
    if child == 0:
        libc.prctl(die_with_parent, signal.SIGKILL)
        return
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else 128 - code)


def limit(memory):
    """Limit the further memory of this process and each of its files, in bytes, on Linux."""
    if sys.platform != "linux":
        return  # there is only the time limit
    import resource

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    limits = {"RLIMIT_AS": now + memory, "RLIMIT_FSIZE": memory, "RLIMIT_CORE": 0}
    for name, most in limits.items():
        with contextlib.suppress(OSError, ValueError):  # there is a lower limit
            resource.setrlimit(getattr(resource, name), (most, most))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory runs out, Linux ends this process first


def main():
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # from here on, print and C code write to stderr
    guard()
    mine = os.getpid()

    def send(value):
        data = packed(value)
        if os.getpid() != mine:
            os._exit(0)  # a copy that the learner's code has forked
        try:
            channel.write(HEAD.pack(len(data)) + data)
            channel.flush()
        except (OSError, ValueError):  # the learner's code has closed it
            os._exit(1)

    request = unpack(sys.stdin.buffer.read())
    path = request["path"]
    for name in request["given"]:
        importlib.import_module(name)
    sys.path.append(os.path.dirname(path))
    warnings.simplefilter("ignore")
    solution[:] = request["name"], request["solution"].encode()
    limit(request["memory"])
    sys.addaudithook(watch)
    send("ready")
    try:
        with watched():
            module = load(path)
        function = vars(module)[request["name"]]
        if kernels := sys.modules.get("lessons.exercises.gpu_child"):  # one of `given`
            function = kernels.runner(function)
    except BaseException as error:
        send({"raised": error_fields(error, path)})
    else:
        send("loaded")
        refuse_new(request["name"])
        for answer in answers(function, request["calls"], path, request["name"]):
            send(answer)
    with contextlib.suppress(BaseException):  # the learner's code may have closed or replaced it
        sys.stdout.flush()
    os._exit(0)  # even if the learner's code has started threads


if __name__ == "__main__":
    try:
        main()
    finally:  # even if the learner's code has replaced a function that this file needs
        os._exit(1)
