"""Show matplotlib figures: in notebooks and pages once, with alternative text for screen readers,
and in a terminal as blocks of colour.

A notebook shows every figure that is open at the end of a cell, and again one that is the cell's
value.  After `in_notebook()` it shows only the value, as the terminal does.
"""

import base64
import contextlib
import io
import textwrap

import numpy as np

DOTS = 100  # page pixels per inch of a figure; the image has twice as many, for dense screens
PAPER, INK = (20, 24, 29), (228, 233, 238)  # of pages in the dark mode; see page/style.css
COLOURS = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


def in_notebook():
    """Make this kernel show figures only as values, with alternative text."""
    import matplotlib
    from IPython import get_ipython

    matplotlib.use("agg")
    formatter = get_ipython().display_formatter.formatters["image/png"]
    formatter.for_type_by_name("matplotlib.figure", "Figure", png_and_words)


def png_and_words(figure):
    """Return a figure as PNG, and a dict of its width, its alternative text and its dark twin."""
    light = png(figure)
    with darkened(figure):
        dark = base64.b64encode(png(figure)).decode()
    pixels = int.from_bytes(light[16:20], "big")  # the width in a PNG header
    return light, {"alt": words(figure), "width": pixels // 2, "dark": dark}


def png(figure, dots=2 * DOTS):
    """Return a figure as the bytes of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dots, bbox_inches="tight")
    return file.getvalue()


@contextlib.contextmanager
def darkened(figure):
    """Give a figure the colours of the dark mode: black and white swap, other colours stay."""
    undo = []
    for artist in figure.findobj():
        for name in COLOURS:
            get, put = (getattr(artist, f"{verb}_{name}", None) for verb in ("get", "set"))
            before = get() if get and put else None
            after = swapped(before)
            if after is not None:
                put(after)
                undo.append((put, before))
    try:
        yield
    finally:
        for put, before in reversed(undo):
            put(before)


def swapped(colour):
    """Return grey colours for dark paper, or None if a colour is none or not grey."""
    from matplotlib.colors import is_color_like, to_rgba_array

    try:
        rgba = to_rgba_array(colour)
    except (ValueError, TypeError):
        return None
    if not len(rgba) or np.ptp(rgba[:, :3], axis=1).max() > 0.02:
        return None
    light = rgba[:, :1]
    rgba[:, :3] = (np.multiply(light, PAPER) + np.multiply(1 - light, INK)) / 255
    return tuple(rgba[0]) if is_color_like(colour) else rgba


def words(figure):
    """Return the titles, labels and legends of a figure as one text."""
    parts = [figure.get_suptitle()]
    for axes in figure.axes:
        x, y = axes.get_xlabel(), axes.get_ylabel()
        legend = axes.get_legend()
        names = [text.get_text() for text in legend.get_texts()] if legend else []
        against = f"{y} against {x}" if x and y else x or y
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        ranges = f"x from {left:.3g} to {right:.3g}, y from {low:.3g} to {high:.3g}"
        parts += [
            axes.get_title(),
            against,
            ranges * (axes.axison and axes.has_data()),
            ", ".join(names),
        ]
    parts = [" ".join(part.split()) for part in dict.fromkeys(parts) if part]
    return "Figure: " + "; ".join(parts) if parts else "A figure without text"


def blocks(figure, columns):
    """Return a figure as blocks of colour for a terminal, and its words.

    Letters would be too small, so they are left out; each block has the strongest colour in it.
    """
    from matplotlib.text import Text
    from PIL import Image

    from minicnn.stepping import terminal
    from minicnn.stepping.values import look

    finer, (wide, high) = 4, figure.get_size_inches()
    width, columns = columns, min(columns, int(2 * (terminal.height() - 4) * wide / high))
    letters = [text for text in figure.findobj(Text) if text.get_visible()]
    try:
        for text in letters:
            text.set_visible(False)
        drawn = png(figure, finer * columns / wide)
    finally:
        for text in letters:
            text.set_visible(True)
    with Image.open(io.BytesIO(drawn)) as image:
        height = 2 * (columns * image.height // image.width // 2)
        pixels = np.asarray(image.convert("RGB").resize((finer * columns, finer * height)))
    cells = pixels.reshape(height, finer, columns, finer, 3).swapaxes(1, 2).reshape(-1, finer**2, 3)
    ink = np.abs(cells.astype(int) - 255).sum(axis=2)  # the distance from white paper
    strongest = cells[np.arange(len(cells)), ink.argmax(axis=1)].reshape(height, columns, 3)
    shot = look(np.ascontiguousarray(strongest.transpose(2, 0, 1)))
    return "\n".join([*terminal.blocks(shot, columns), filled_words(figure, width)])


def filled_words(figure, columns):
    """Return the words of a figure as lines of text."""
    return textwrap.fill(words(figure), columns)
