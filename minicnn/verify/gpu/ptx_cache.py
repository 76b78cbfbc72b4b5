"""Compiled kernels, kept between runs: compiling takes a second or two for each.

numba-cuda's own cache cannot keep kernels that a function makes for certain constants, such as
tiles.tiled: it names them by what differs in every process.  Here the name of a file is a digest of

    the source of minicnn.cuda, all of it; the versions of Python and of the packages that compile
    the kernel: its module, name and line, and the constants and functions that it was made with
    the types of its arguments, and the compute capability

so what is read is what would be compiled.  The files are beside this one, in __pycache__, or in the
folder that NUMBA_CACHE_DIR names.
"""

import hashlib
import os
import pickle
import sys
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

BACKEND = Path(__file__).parents[2] / "cuda"
COMPILERS = "numba", "llvmlite", "cuda", "nvidia"  # how the names of their packages begin


class PtxCache:
    """The kernels for one compute capability."""

    def __init__(self, cc):
        self.cc = cc
        home = os.environ.get("NUMBA_CACHE_DIR") or Path(__file__).parent / "__pycache__"
        self.folder = Path(home, "minicnn_ptx")

    def install(self, dispatcher):
        """Let numba-cuda ask here before it compiles a kernel."""
        compile_kernel = dispatcher.CUDADispatcher.compile
        cached = self

        def compile(self, signature):
            kernel = self.overloads.get(signature)
            path = cached.path(self, signature)
            if kernel or self.specialized or path is None:
                return kernel or compile_kernel(self, signature)
            if path.exists():
                kernel = dispatcher._Kernel._rebuild(**pickle.loads(path.read_bytes()))
                self.add_overload(kernel, signature)
                return kernel
            kernel = compile_kernel(self, signature)
            write(path, pickle.dumps(kernel._reduce_states()))
            return kernel

        dispatcher.CUDADispatcher.compile = compile

    def path(self, dispatcher, signature):
        """Return where a kernel's file is, or None for a kernel that is not minicnn's."""
        if BACKEND not in Path(dispatcher.py_func.__code__.co_filename).parents:
            return None
        facts = source_digest(), self.cc, described(dispatcher), str(signature)
        return self.folder / hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


@cache
def source_digest():
    """Return a digest of all that the PTX of a kernel depends on besides itself."""
    packages = {f"{d.name} {d.version}" for d in distributions() if d.name.startswith(COMPILERS)}
    digest = hashlib.sha256(repr((sys.version, sorted(packages))).encode())
    for path in sorted(BACKEND.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def described(value):
    """Return a function with what it was made with, or a constant, as text that names it.

    Two functions of one name, such as the two that tiles.writer makes, differ in their lines.
    """
    function = getattr(value, "py_func", value)
    if not hasattr(function, "__code__"):
        if isinstance(value, tuple):
            return f"{type(value).__name__}({', '.join(map(described, value))})"
        return repr(value)
    cells = [described(cell.cell_contents) for cell in function.__closure__ or ()]
    line = function.__code__.co_firstlineno
    return f"{function.__module__}.{function.__qualname__} line {line}({', '.join(cells)})"


def write(path, content):
    """Write a file as a whole or not at all; a folder that cannot be written keeps nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError:
        pass
