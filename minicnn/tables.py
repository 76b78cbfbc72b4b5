"""Tables of text."""


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
