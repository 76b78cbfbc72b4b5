"""Exit codes of commands, and the one sentence that is printed for an error.

0    success
1    failure; the sentence says why
2    a usage error, reported by argparse
130  stopped by Ctrl-C
"""

import sys

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
    try:
        return command() or 0
    except KeyboardInterrupt:
        print(f"\n{program}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the program that read our output has ended
        sys.stderr.close()
        return 1
    except Exception as error:
        if not is_explained(error):
            raise
        print(f"{program}: {sentence_for(error)}", file=sys.stderr)
        return 130 if isinstance(error, Interrupted) else 1


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
