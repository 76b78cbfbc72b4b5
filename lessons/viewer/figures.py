"""Show matplotlib figures in notebooks and pages once, with alternative text for screen readers.

A notebook shows every figure that is open at the end of a cell, and again one that is the cell's
value.  After `in_notebook()` it shows only the value, as the terminal does.
"""

import io

DOTS = 100  # page pixels per inch of a figure; the image has twice as many, for dense screens


def in_notebook():
    """Make this kernel show figures only as values, with alternative text."""
    import matplotlib
    from IPython import get_ipython

    matplotlib.use("agg")
    formatter = get_ipython().display_formatter.formatters["image/png"]
    formatter.for_type_by_name("matplotlib.figure", "Figure", png_and_words)


def png_and_words(figure):
    """Return a figure as PNG, and a dict of its width on the page and its alternative text."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=2 * DOTS, bbox_inches="tight")
    pixels = int.from_bytes(file.getvalue()[16:20], "big")  # the width in a PNG header
    return file.getvalue(), {"alt": words(figure), "width": pixels // 2}


def words(figure):
    """Return the titles, labels and legends of a figure as one text."""
    parts = [figure.get_suptitle()]
    for axes in figure.axes:
        x, y = axes.get_xlabel(), axes.get_ylabel()
        legend = axes.get_legend()
        names = [text.get_text() for text in legend.get_texts()] if legend else []
        against = f"{y} against {x}" if x and y else x or y
        parts += [axes.get_title(), against, ", ".join(names)]
    parts = [" ".join(part.split()) for part in dict.fromkeys(parts) if part]
    return "Figure: " + "; ".join(parts) if parts else "A figure without text"
