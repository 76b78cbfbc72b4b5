"""Output of commands in a terminal: progress bars, and tables of text."""

DELAY = 1  # seconds before a bar appears; shorter work needs none


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
    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=title,
        unit=unit,
        unit_scale=True,
        bar_format="{desc} {percentage:3.0f}% |{bar:20}| {rate_fmt}, {remaining} left",
        delay=DELAY,
        leave=False,
        disable=True if title is None else None,  # None: unless stderr is a terminal
    )


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
