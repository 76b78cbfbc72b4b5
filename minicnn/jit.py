"""Numba's njit, for kernels whose compiled code is kept on disk and is never stale.

    @njit                 compiles a function when it is first called
    @njit(**options)      the same with Numba's options; see fast/flags.py

Numba's own cache compiles a kernel anew when the kernel's file has changed.  But compiled code also
contains what a kernel calls, and the constants that it reads, from whatever file.  So here the code
belongs to all sources of the kernel's package, and to this file: a change in any of them compiles
every kernel of the package anew, over what was there.  A kernel must use nothing from another
package; tests/test_jit.py looks.

Where no folder can be written to, kernels are compiled in every process, and a warning says once
what to set.  With NUMBA_DISABLE_JIT=1 a kernel is the Python function itself.
"""

import contextlib
import functools
import hashlib
import warnings
from importlib import resources

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

warned = False


def njit(function=None, **options):
    """Return the kernel of a function; without a function, the decorator with these options."""
    if function is None:
        return functools.partial(njit, **options)
    kernel = numba.njit(function, **options)
    if not numba.config.DISABLE_JIT:
        with cache_warning():
            kernel._cache = KernelCache(function)
    return kernel


class KernelCache(FunctionCache):
    """What Numba asks for compiled code before it compiles, and gives what it has compiled."""

    def __init__(self, function):
        super().__init__(function)
        line = f"-{function.__code__.co_firstlineno}."
        name = self._impl.filename_base.replace(line, ".")  # a kernel that moves keeps its file
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

    Two processes may write at once, and the code of one may get the other's place in the index.  So
    the code is kept together with the sources and the signature that it was made from.
    """

    def save(self, key, code):
        super().save(key, (self._source_stamp, key, code))

    def load(self, key):
        try:
            stamp, made_for, code = super().load(key) or (None, None, None)
        except Exception:  # a file that is torn, or mentions classes that are there no more
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
    """Warn, once, where compiled code cannot be kept, and go on without."""
    global warned
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: Numba's "no locator available"
        if not warned:
            warned = True
            warnings.warn(
                "compiled code cannot be kept on disk, so every process compiles for itself, which "
                "takes seconds to minutes; set NUMBA_CACHE_DIR to a folder that can be written to "
                f"({error})",
                RuntimeWarning,
                stacklevel=3,
            )
