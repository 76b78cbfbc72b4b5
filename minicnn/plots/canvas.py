"""An empty figure, and how one is saved."""

from .. import storage


def new_figure(width, height, columns=1):
    """Return an empty figure, that many inches large, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns)
    for one in [axes] if columns == 1 else axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure, path):
    """Write the figure as PNG, whole or not at all."""
    storage.write_whole(path, lambda file: figure.savefig(file, format="png", dpi=120))


def canvas(down, across, width, height, **ratios):
    """Return an empty figure, that many inches large, and its places (down, across), without
    axes; ratios may be height_ratios and width_ratios."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    places = figure.subplots(down, across, squeeze=False, **ratios)
    for place in places.flat:
        place.set_axis_off()
    return figure, places
