"""A command in its terminal: progress bars, tables of text, and Ctrl-C."""

import signal
from contextlib import contextmanager

DELAY = 1  # seconds; what is done by then needs no bar


def bar(total, title, unit=" images"):
    """Return a bar that vanishes when it is done: `with bar(…) as one: one.update(3)`.

    Parameters
    ----------
    total : int
        How many there are to come.
    title : str or None
        What stands before it; with None it is never shown.
    unit : str
        What is counted.
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
    """Return a bar that stays when it is done; `look` holds more options of tqdm."""
    from tqdm import tqdm

    return tqdm(total=total, desc=title, unit=unit, **{"unit_scale": True, **look})


def aligned(rows, right=()):
    """Return a table's lines, with columns as wide as their widest cell and two spaces apart.

    Parameters
    ----------
    rows : list of tuple of str
        The cells.
    right : collection of int
        The columns whose cells end below each other; in the others they begin below each other.
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
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: Ctrl-C goes elsewhere
        yield lambda: False
        return
    try:
        yield lambda: bool(presses)
    finally:
        signal.signal(signal.SIGINT, before)
