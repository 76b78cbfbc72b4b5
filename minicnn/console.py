"""A command in its terminal: what is printed there, progress bars, tables of text, and Ctrl-C."""

import re
import signal
from contextlib import contextmanager

DELAY = 1  # seconds before a bar appears; shorter work needs none
# Control characters, the separators of lines and paragraphs, characters that reverse the direction
# of a text, and surrogates, which stand for bytes that are not text.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text):
    r"""Return text on one line that any terminal only shows: ESC becomes \x1b, a new line \n.

    For all that is not of the program itself: names of files and classes, a server's answers.
    """
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def bar(total, title, unit=" images"):
    """Return a progress bar that vanishes when closed: `with bar(…) as progress: …`.

    Parameters
    ----------
    total : int
        The final count; `progress.update(3)` counts three more.
    title : str or None
        The text before the bar; with None the bar is never shown.
    unit : str
        The name of what is counted.
    """
    return progress_bar(
        total,
        title,
        unit,
        bar_format="{desc} {percentage:3.0f}% |{bar:20}| {rate_fmt}, {remaining} left",
        delay=DELAY,
        leave=False,
        disable=True if title is None else None,  # None: unless stderr is a terminal
    )


def progress_bar(total, title, unit=" images", **look):
    """Return a progress bar that stays when closed; `look` has further options of tqdm."""
    from tqdm import tqdm

    return tqdm(total=total, desc=title, unit=unit, **{"unit_scale": True, **look})


def aligned(rows, right=()):
    """Return the lines of a table, with each column as wide as its widest cell.

    Parameters
    ----------
    rows : list of tuple of str
        The cells.
    right : collection of int
        The indices of the columns to align on the right; the others are aligned on the left.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for cells in rows:
        padded = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


@contextmanager
def interrupts(patient=False):
    """Yield a function that says whether Ctrl-C was pressed.

    A second Ctrl-C raises KeyboardInterrupt at once, unless `patient`: then Ctrl-C raises nothing.
    """
    presses = []

    def note(number, frame):
        if presses and not patient:
            raise KeyboardInterrupt
        presses.append(number)

    try:
        previous = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread, and only that one receives Ctrl-C
        yield lambda: False
        return
    try:
        yield lambda: bool(presses)
    finally:
        signal.signal(signal.SIGINT, previous)
