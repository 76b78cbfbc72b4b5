"""How a command ends: its exit code, and one sentence if something went wrong.

0    it is done
1    it failed, and the sentence says why
2    the command was not understood; argparse says so
130  it was stopped by Ctrl-C
"""

import sys

from ..errors import Diverged, DownloadError, Interrupted, is_of_driver


def exit_code(program, command):
    """Call `command`; return the exit code of `program`.

    Parameters
    ----------
    program : str
        Its name, which begins the sentence.
    command : function
        Of no arguments; what it returns is the exit code, or None for 0.

    Raises
    ------
    Exception
        What was not foreseen, with its traceback.
    """
    try:
        return command() or 0
    except KeyboardInterrupt:
        print(f"\n{program}: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 1
    except Exception as error:
        if not explained(error):
            raise
        print(f"{program}: {in_words(error)}", file=sys.stderr)
        return 130 if isinstance(error, Interrupted) else 1


def explained(error):
    """Return whether the message was written for the user: no traceback is needed then."""
    known = (ValueError, OSError, MemoryError, Diverged, Interrupted, DownloadError)
    return isinstance(error, known) or is_of_driver(error)


def in_words(error):
    """Return the message; one from the operating system without its number in front."""
    if is_of_driver(error):  # whatever the driver was asked for when it noticed
        return f"a GPU failed ({error}); what was saved before is as it was"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or "there is not enough memory"
