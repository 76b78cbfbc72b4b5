"""Run functions compiled by Numba as the Python that they were written in.

Python cannot trace the lines of a compiled function.  So the stepper runs the Python source of a
kernel on copies of its arguments and traces that.  The compiled kernel then computes the caller's
result from the real arguments.

Python is slow, so only the first WATCHED lines of a large kernel run.  A requested iteration
extends this to PATIENCE times as many.  If the Python fails where the compiled kernel does not, a
note on the calling step says so.

Kernels are found through the globals of their caller, and through the modules of minicnn among
these.  `opened` makes a new function from the same code, with globals in which every kernel is
Python.  The original function is untouched, so no other caller or thread is affected.
"""

import copy
import sys
from types import FunctionType, ModuleType

import numpy as np

from .record import PATIENCE, WATCHED, Enough, is_ours
from .tracer import ORIGINAL
from .tracing import is_own


def is_kernel(value):
    """Return whether a function was compiled by Numba from Python that is still available."""
    return hasattr(value, "py_func") and callable(value)


def opened(function, record, in_kernel=False, seen=None):
    """Return a twin of the function in which all kernels, called directly or not, are Python."""
    seen = {} if seen is None else seen  # {function or module: its twin}; a twin maps to itself
    if is_kernel(function) and in_kernel:
        function = function.py_func
    if function in seen:
        return seen[function]
    if is_kernel(function):
        run = seen[function] = traced(function, record)
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
    """Open the kernels, functions and modules of minicnn among these names of a scope."""
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
    """Return the names of globals and attributes in a code object and in nested ones."""
    inner = [const for const in code.co_consts if hasattr(const, "co_names")]
    return frozenset(code.co_names).union(*map(names_in, inner))


def traced(kernel, record):
    """Return a function that traces the kernel's Python on copies, then runs the kernel."""

    def run(*arguments, **options):
        tracer, error = sys.gettrace(), None  # without a tracer, this thread is not watched
        if tracer and (not record.live or record.may_open(kernel=True)):
            with np.errstate(all="ignore"):  # compiled kernels do not warn either
                error = run_python(kernel, record, arguments, options)
        sys.settrace(None)  # Numba may compile now, which is not a step of the function
        try:
            result = kernel(*arguments, **options)  # for bad arguments it raises its own error
        finally:
            sys.settrace(tracer)
            record.failed += [error] * (error is not None)
        if error is not None:
            add_note(kernel, record, error)
        return result

    return run


def run_python(kernel, record, arguments, options):
    """Run the kernel's Python on copies, to its end or to the limit, and return its error."""
    depth = len(record.live)
    try:
        python = opened(kernel, record, in_kernel=True)
        copies, option_copies = copy.deepcopy((arguments, options))
        record.left = WATCHED * (PATIENCE if record.wanted else 1)
        python(*copies, **option_copies)
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


def add_note(kernel, record, error):
    """Add a note to the calling step: the Python failed where the compiled kernel did not."""
    problem = f"{kernel.__name__} fails as Python: {type(error).__name__}: {error}".split("\n")[0]
    if not record.steps:  # it failed before its first line, so there is nothing to show
        raise TypeError(f"step: {problem}")
    top_steps = [step for step in record.steps if step.frame == 0]
    step = record.live[-1].step if record.live else top_steps[-1]
    step.note = f"{problem}; the result comes from the compiled kernel"
