"""Run a function, and decide which of the functions that it calls are watched.

Python itself tells us when a function is called (sys.settrace), and then, in tracer.py, when a line
begins.  The function, its arguments and its result are the real ones.  One thing alone is changed:
the memory that np.empty finds, which may hold anything, is filled with NaN.
"""

import inspect
import os
import sys

from . import source
from .record import HERE
from .tracer import Watch

SKIPPED = "checks.py jit.py threads.py buffers.py vector.py stepping step.py".split()  # not opened


def run(record, function, code, arguments, options):
    """Call the function; the record keeps its steps, and its result or what it raised.

    `code` is that of the function, for what is called may be a twin of it; see kernels.py.
    """
    sources = {code: source.read(code)}
    files = {code.co_filename: True}  # whether what a file defines is opened

    def called(running, event, argument):
        """Decide, where a function is called, whether to watch it: Python's trace function."""
        otherwise = None if record.left is None else counted
        if event != "call" or not opens(running.f_code):
            return otherwise
        try:
            if running.f_code not in sources:
                sources[running.f_code] = source.read(running.f_code)
        except ValueError:  # its source cannot be read: step over it
            return otherwise
        record.live.append(Watch(record, sources[running.f_code]))
        return record.live[-1].event

    def counted(running, event, argument):
        """Count the lines of what is not shown, in a kernel that runs as Python."""
        if event == "line":
            record.count()
        return counted

    def opens(called):
        """Return whether to look into a call: of the function itself, or of what it calls in
        minicnn or in its own file."""
        if not record.live:
            return called is code
        file = called.co_filename
        if file not in files:  # asked of every call in the run, so each file is judged once
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
            step.raised = None  # it was caught on the way


def is_own(error):
    """Return whether an error was raised here, in the stepper, and not in what it steps through."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename.startswith(os.path.join(HERE, "stepping"))
