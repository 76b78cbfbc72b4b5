"""Numba's njit, with a cache of compiled code on disk that is never stale.

    @njit                 compiles a function when it is first called
    @njit(**options)      the same with Numba's options; see fast/flags.py

Numba's own cache recompiles a kernel when the kernel's file has changed.  But compiled code also
contains the functions that a kernel calls and the constants that it reads, from any file.  So here
a cache entry depends on all sources of the kernel's package, and on this file: a change in any of
them recompiles every kernel of the package and replaces its entry.  A kernel must use nothing from
another package; tests/test_jit.py checks this.

If no folder is writable, every process compiles its kernels, and a warning says once which variable
to set.  With NUMBA_DISABLE_JIT=1 a kernel is the Python function itself.
"""

import contextlib
import functools
import hashlib
import os
import warnings
from importlib import resources

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

warned = False


def njit(function=None, **options):
    """Return a function's kernel; without a function, a decorator with these options."""
    if function is None:
        return functools.partial(njit, **options)
    kernel = numba.njit(function, **options)
    if not numba.config.DISABLE_JIT:
        with cache_warning():
            kernel._cache = KernelCache(function)
    return kernel


class KernelCache(FunctionCache):
    """The cache that Numba asks for compiled code before it compiles, and fills afterwards."""

    def __init__(self, function):
        super().__init__(function)
        line = f"-{function.__code__.co_firstlineno}."
        name = self._impl.filename_base.replace(line, ".")  # without its line: it may move
        name += os.environ.get("MINICNN_LANES", "")  # of another width, the code is another
        package = function.__module__.rpartition(".")[0]
        self._cache_file = KernelFile(self.cache_path, name, sources(package))

    def load_overload(self, signature, context):
        with cache_warning():
            return super().load_overload(signature, context)

    def save_overload(self, signature, code):
        with cache_warning():
            super().save_overload(signature, code)


class KernelFile(IndexDataCacheFile):
    """The files of one kernel: an index, and compiled code for each signature.

    Two processes may write at the same time, and the index of one may then point to the code of the
    other.  So the code is stored together with the digest of its sources and its signature.
    """

    def save(self, key, code):
        super().save(key, (self._source_stamp, key, code))

    def load(self, key):
        try:
            stamp, made_for, code = super().load(key) or (None, None, None)
        except Exception:  # an incomplete file, or one with classes that no longer exist
            self.flush()
            return None
        return code if (stamp, made_for) == (self._source_stamp, key) else None


@functools.cache
def sources(package):
    """Return a digest of all sources of a package, and of this file."""
    files = [file for file in resources.files(package).iterdir() if file.name.endswith(".py")]
    files = [*sorted(files, key=lambda file: file.name), resources.files(__package__) / "jit.py"]
    digests = [(file.name, hashlib.sha256(file.read_bytes()).digest()) for file in files]
    return hashlib.sha256(repr(digests).encode()).hexdigest()


@contextlib.contextmanager
def cache_warning():
    """Warn, once, if compiled code cannot be stored, and go on without."""
    global warned
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: Numba's "no locator available"
        if not warned:
            warned = True
            warnings.warn(
                "compiled code cannot be stored on disk, so every process compiles its kernels, "
                "which takes seconds to minutes; set NUMBA_CACHE_DIR to a writable folder "
                f"({error})",
                RuntimeWarning,
                stacklevel=3,
            )
