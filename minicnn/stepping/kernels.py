"""Functions that Numba compiled, as the Python that they were written in.

Inside a compiled function Python sees no lines.  So the stepper runs the Python source of a kernel
on copies of its arguments, and watches that; and what the caller gets is what the compiled kernel
then makes of the real ones.  Python is slow, so of a large kernel only the first WATCHED lines run;
PATIENCE times as many until a turn is reached that somebody wants to see.  Should the Python fail
where the compiled kernel does not, the step that called it says so.

A kernel is found through the globals of the function that calls it, also in a module of minicnn
among them.  `opened` builds the same function, of the very same code, with other globals, in which
kernels stand as Python: nobody else, in whatever thread, sees anything of it.
"""

import copy
import sys
from types import FunctionType, ModuleType

import numpy as np

from .record import PATIENCE, WATCHED, Enough, is_ours
from .tracer import ORIGINAL
from .tracing import is_own


def is_kernel(value):
    """Return whether Numba compiled this function, and its Python is at hand."""
    return hasattr(value, "py_func") and callable(value)


def opened(function, record, in_kernel=False, seen=None):
    """Return the function with the kernels that it calls, directly or not, as Python."""
    seen = {} if seen is None else seen  # twins of functions and modules; their own twins, too
    if is_kernel(function) and in_kernel:
        function = function.py_func
    if function in seen:
        return seen[function]
    if is_kernel(function):
        run = seen[function] = both(function, record)
        return seen.setdefault(run, run)
    twin = FunctionType(
        function.__code__, {}, function.__name__, function.__defaults__, function.__closure__
    )
    twin.__kwdefaults__, twin.__module__ = function.__kwdefaults__, function.__module__
    seen[function] = seen[twin] = twin
    scope = twin.__globals__
    scope.update(function.__globals__)
    scope[ORIGINAL] = function.__globals__
    open_names(scope, names_in(function.__code__), record, in_kernel, seen)
    return twin


def open_names(scope, names, record, in_kernel, seen):
    """Open what these names stand for in a scope: kernels, functions of minicnn and its modules."""
    for name in names:
        value = scope.get(name)
        if is_kernel(value) or (isinstance(value, FunctionType) and is_ours(value)):
            scope[name] = opened(value, record, in_kernel, seen)
        elif isinstance(value, ModuleType) and is_ours(value):
            if (value, names) not in seen:
                seen[value, names] = ModuleType(value.__name__)
                vars(seen[value, names]).update(vars(value))
                open_names(vars(seen[value, names]), names, record, in_kernel, seen)
            scope[name] = seen[value, names]


def names_in(code):
    """Return the names of globals and attributes in a code object and in those inside it."""
    inner = [c for c in code.co_consts if hasattr(c, "co_names")]
    return frozenset(code.co_names).union(*map(names_in, inner))


def both(kernel, record):
    """Return a function that shows the kernel's Python on copies, and then runs the kernel."""

    def run(*arguments, **options):
        tracer, error = sys.gettrace(), None  # a thread without a tracer is not watched
        if tracer and (not record.live or record.may_open(kernel=True)):
            with np.errstate(all="ignore"):  # the compiled kernel does not warn of numbers either
                error = show(kernel, record, arguments, options)
        sys.settrace(None)  # Numba may compile first, which is nobody's step
        try:
            result = kernel(*arguments, **options)  # raises an error of its own for wrong arguments
        finally:
            sys.settrace(tracer)
            record.failed += [error] * (error is not None)
        if error is not None:
            tell(kernel, record, error)
        return result

    return run


def show(kernel, record, arguments, options):
    """Run the kernel's Python on copies, to its end or until enough was seen; return its error."""
    depth = len(record.live)
    try:
        python = opened(kernel, record, in_kernel=True)
        own, own_options = copy.deepcopy((arguments, options))
        record.left = WATCHED * (PATIENCE if record.wanted else 1)
        python(*own, **own_options)
    except Enough:
        for watch in record.live[depth:]:
            watch.cut()
    except Exception as error:
        if is_own(error):
            raise
        return error
    finally:
        record.left = None
        del record.live[depth:]
    return None


def tell(kernel, record, error):
    """Say in the step that called a kernel that its Python failed, and the kernel did not."""
    what = f"{kernel.__name__} fails as Python: {type(error).__name__}: {error}".split("\n")[0]
    if not record.steps:  # before its first line: there is nothing to show
        raise TypeError(f"step: {what}")
    own = [step for step in record.steps if step.frame == 0]
    step = record.live[-1].step if record.live else own[-1]
    step.note = f"{what}; the compiled kernel did the work"
