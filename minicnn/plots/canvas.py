"""An empty figure, and how one is saved."""

from .. import storage


def new_figure(width, height, columns=1):
    """Return an empty figure, that many inches large, and its axes."""
    figure, places = canvas(1, columns, width, height)
    for axes in places[0]:
        axes.set_axis_on()
        axes.spines[["top", "right"]].set_visible(False)
    return figure, places[0] if columns > 1 else places[0, 0]


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
