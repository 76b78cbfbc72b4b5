"""Run a function, and decide which of the functions that it calls to watch.

sys.settrace makes Python report each call, and then each line to tracer.py.  The function, its
arguments and its result are the real ones, with one exception: memory from np.empty, whose contents
are arbitrary, is filled with NaN.
"""

import inspect
import os
import sys

from . import source
from .record import HERE
from .tracer import Watch

# Files and folders whose functions are not opened.
SKIPPED = "checks.py jit.py threads.py buffers.py vector.py stepping step.py".split()


def run(record, function, code, arguments, options):
    """Call the function and record its steps, and its result or exception.

    `code` is the function's code object, which its twin from kernels.py shares.
    """
    sources = {code: source.read(code)}
    files = {code.co_filename: True}  # {file: whether to open its functions}

    def called(running, event, argument):
        """Decide whether to watch a call; this is the global trace function."""
        otherwise = None if record.left is None else counted
        if event != "call" or not opens(running.f_code):
            return otherwise
        try:
            if running.f_code not in sources:
                sources[running.f_code] = source.read(running.f_code)
        except ValueError:  # its source is not available, so step over it
            return otherwise
        record.live.append(Watch(record, sources[running.f_code]))
        return record.live[-1].event

    def counted(running, event, argument):
        """Count the lines of functions that are not shown, in a kernel that runs as Python."""
        if event == "line":
            record.count()
        return counted

    def opens(called):
        """Return whether to open a call: of the function itself, or within minicnn or its file."""
        if not record.live:
            return called is code
        file = called.co_filename
        if file not in files:  # cached, because every call of the run asks
            parts = file[len(HERE) :].split(os.sep)
            files[file] = file.startswith(HERE) and not any(part in SKIPPED for part in parts)
        odd = called.co_name[0] == "<" or called.co_flags & inspect.CO_GENERATOR
        return files[file] and not odd and record.may_open()

    before = sys.gettrace()
    sys.settrace(called)
    try:
        record.result = function(*arguments, **options)
    except Exception as error:
        if is_own(error):
            raise
        record.error = error
    finally:
        sys.settrace(before)
    for step in record.steps:
        if not any(step.raised is error for error in (record.error, *record.failed)):
            step.raised = None  # it was caught


def is_own(error):
    """Return whether an error was raised by the stepper itself, not by the code it runs."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename.startswith(os.path.join(HERE, "stepping"))
