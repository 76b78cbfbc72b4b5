"""Empty figures, and how to save them."""

from .. import storage

# Earlier versions left Matplotlib's mark in their figures; a run of theirs can be resumed.
FIGURE = storage.Kind("a figure of minicnn", rb"\x89PNG.*Software\x00(?:minicnn|Matplotlib)")


def new_figure(width, height, columns=1):
    """Return an empty figure of width × height inches, and its axes."""
    figure, panels = canvas(1, columns, width, height)
    for panel in panels[0]:
        panel.set_axis_on()
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels[0] if columns > 1 else panels[0, 0]


def save(figure, path):
    """Write the figure as PNG, atomically; replace only an earlier figure."""
    look = {"format": "png", "dpi": 120, "metadata": {"Software": "minicnn"}}
    storage.write_whole(path, lambda file: figure.savefig(file, **look), FIGURE)


def canvas(rows, columns, width, height, **ratios):
    """Return an empty figure of width × height inches, and its rows × columns panels without axes.

    ratios: height_ratios and width_ratios, as in matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, **ratios)
    for panel in panels.flat:
        panel.set_axis_off()
    return figure, panels
