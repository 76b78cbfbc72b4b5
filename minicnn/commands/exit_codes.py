"""Exit codes of commands, and the one sentence that is printed for an error.

0    success
1    failure; the sentence says why
2    a usage error, reported by argparse
130  stopped by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP: 128 and the number of the signal
"""

import contextlib
import os
import signal
import sys

from .. import console
from ..errors import Diverged, DownloadError, Interrupted, is_of_driver


def exit_code(program, command):
    """Call `command`; return the exit code of `program`.

    Parameters
    ----------
    program : str
        The name that begins the sentence.
    command : function
        A function without arguments; it returns the exit code, or None for 0.

    Raises
    ------
    Exception
        Any unexpected error, with its traceback.
    """
    console.last_signal = signal.SIGINT

    def stop(number, frame):
        """Raise KeyboardInterrupt; during an import end at once, as NumPy's would turn it into
        another exception."""
        while frame and frame.f_code is not exit_code.__code__:
            if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
                complain(f"\n{program}: stopped", 1)
                os._exit(128 + number)
            frame = frame.f_back
        raise KeyboardInterrupt

    with console.handled(console.signals(), stop):
        try:
            code = finished(command)
        except KeyboardInterrupt:
            code = complain(f"\n{program}: stopped", 128 + console.last_signal)
        except BrokenPipeError:  # the program that read our output has ended
            code = 1
        except Exception as error:
            if not is_explained(error):
                raise
            stopped = isinstance(error, Interrupted)
            sentence = f"{program}: {console.printable(sentence_for(error))}"
            code = complain(sentence, 128 + console.last_signal if stopped else 1)
        discard_unwritten()
    return code


def finished(command):
    """Return the exit code of a command; raise OSError if its printed output cannot be written."""
    try:
        result = command() or 0
    except SystemExit as usage:  # argparse has printed it
        result = usage
    if sys.stdout:
        sys.stdout.flush()
    if isinstance(result, SystemExit):
        raise result
    return result


def complain(sentence, code):
    """Print a sentence on standard error, if it still exists, and return the exit code."""
    with contextlib.suppress(OSError):
        print(sentence, file=sys.stderr)
    return code


def discard_unwritten():
    """Discard printed output that cannot be written, so that Python does not try again at exit."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def is_explained(error):
    """Return whether the message was written for users, who then need no traceback."""
    known = (ValueError, OSError, MemoryError, Diverged, Interrupted, DownloadError)
    return isinstance(error, known) or is_of_driver(error)


def sentence_for(error):
    """Return the error's message; without the number, if it is from the operating system."""
    if is_of_driver(error):  # its message depends on the call that noticed
        return f"a GPU failed ({error}); what was saved before is as it was"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or "there is not enough memory"
