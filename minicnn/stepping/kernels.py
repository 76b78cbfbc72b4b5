"""Functions that Numba compiled, as the Python that they were written in.

Inside a compiled function Python sees no lines.  So the stepper runs the Python source of a kernel
on copies of its arguments, and watches that; and what the caller gets is what the compiled kernel
then makes of the real ones.  Python is slow, so of a large kernel only the first WATCHED lines run;
PATIENCE times as many until a turn is reached that somebody wants to see.

A kernel is found through the globals of the function that calls it.  `opened` builds the same
function, of the very same code, with other globals, in which kernels stand as Python: nobody else,
in whatever thread, sees anything of it.
"""

import copy
import sys
from types import FunctionType

from .record import HERE, PATIENCE, WATCHED, Enough
from .watch import ORIGINAL


def is_kernel(value):
    """Return whether Numba compiled this function, and its Python is at hand."""
    return hasattr(value, "py_func") and callable(value)


def opened(function, record, in_kernel=False, seen=None):
    """Return the function with the kernels that it calls, directly or not, as Python."""
    seen = {} if seen is None else seen
    if function in seen:
        return seen[function]
    if is_kernel(function):
        if not in_kernel:
            return both(function, record)
        function = function.py_func
    twin = FunctionType(
        function.__code__, {}, function.__name__, function.__defaults__, function.__closure__
    )
    twin.__kwdefaults__, twin.__module__ = function.__kwdefaults__, function.__module__
    seen[function] = twin
    scope = twin.__globals__
    scope.update(function.__globals__)
    scope[ORIGINAL] = function.__globals__
    for name in names_in(function.__code__):
        value = scope.get(name)
        if is_kernel(value):
            scope[name] = opened(value, record, in_kernel, seen)
        elif isinstance(value, FunctionType) and is_ours(value):
            scope[name] = opened(value, record, in_kernel, seen)
        elif name == "count" and scope["__name__"].endswith(".fast.threads"):
            scope[name] = 1  # one thread does it all: nobody watches the others
    return twin


def names_in(code):
    """Return the global names in a code object and in those inside it."""
    inner = [c for c in code.co_consts if hasattr(c, "co_names")]
    return {*code.co_names, *(name for c in inner for name in names_in(c))}


def is_ours(function):
    return function.__code__.co_filename.startswith(HERE)


def both(kernel, record):
    """Return a function that shows the kernel's Python on copies, and then runs the kernel."""

    def run(*arguments, **options):
        tracer, depth = sys.gettrace(), len(record.live)
        if not record.live or record.may_open(kernel=True):
            try:
                python, own = opened(kernel, record, in_kernel=True), copy.deepcopy(arguments)
                record.left = WATCHED * (PATIENCE if record.wanted else 1)
                python(*own, **options)
            except (Enough, Exception):  # what is wrong with the arguments, the kernel itself says
                for watch in record.live[depth:]:
                    watch.cut()
            record.left = None
            del record.live[depth:]
        sys.settrace(None)  # Numba may compile first, which is nobody's step
        try:
            return kernel(*arguments, **options)
        finally:
            sys.settrace(tracer)

    return run
