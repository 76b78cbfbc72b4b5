"""What a network has learned and what it sees, as pictures: Figures 3 and 4, and feature maps.

    kernels          (K, 3, f, f)         first-layer kernels, one array a column of the network
    images           (N, 3, H, W)         uint8, as they are
    probabilities    (N, classes)         as softmax returns them
    maps             (C, H, W)            one image's activations in one layer
    path             the PNG to write, whole or not at all; an OSError if it cannot be written

Colours: an image is shown as it is.  A kernel is scaled by its own largest |weight|, with 0 in the
middle grey, because kernels differ in strength.  A feature map goes from black, its least value, to
white.  matplotlib is imported when a picture is drawn, never before.
"""

import math

import numpy as np

from . import fonts
from .canvas import canvas, save

PER_ROW = 16  # kernels in a row of Figure 3, as in the paper


def figure3(kernels, path):
    """Draw the kernels of the first layer (Figure 3), those of each column in rows of their own.

    Parameters
    ----------
    kernels : list of arrays (K, 3, f, f)
        One for each column: two for the network of two GPUs.
    path : path

    Raises
    ------
    ValueError
        If they do not look at three colours.
    """
    for w in kernels:
        if w.ndim != 4 or w.shape[1] != 3:
            raise ValueError(
                f"figure3: kernels have shape {w.shape}; expected (K, 3, f, f), "
                "kernels that look at red, green and blue"
            )
    sheets = [sheet([as_picture(w_k) for w_k in w], PER_ROW) for w in kernels]
    heights = [7 * s.shape[0] / s.shape[1] + 0.3 for s in sheets]
    figure, places = canvas(len(sheets), 1, 7, sum(heights), height_ratios=heights)
    for column, (place, picture) in enumerate(zip(places[:, 0], sheets, strict=True)):
        place.imshow(picture, interpolation="nearest")
        if len(sheets) > 1:
            w = kernels[column]
            title = f"column {column}: {len(w)} kernels, colour {colour(w):.2f}"
            place.set_title(title, fontsize=9, loc="left")
    save(figure, path)


def colour(w):
    """Return the share of the squared weights of kernels (K, 3, f, f) that is not grey.

    The grey part of a kernel is its mean over red, green and blue; what is left is colour: 0 where
    a kernel looks at all three alike, about 2/3 for weights drawn at random.
    """
    w = np.asarray(w, np.float64)
    grey = w.mean(axis=1, keepdims=True)
    return float(np.square(w - grey).sum() / np.square(w).sum())


def figure4_bars(images, labels, probabilities, classes, path, best=5):
    """Draw images with their most probable classes as bars, the right one in red (Figure 4, left).

    Parameters
    ----------
    images : array (N, 3, H, W) uint8
    labels : array (N,) or None
        The right classes; None where nobody knows.
    probabilities : array (N, classes)
    classes : sequence of str
        The name of each class, in any script: see fonts.py.
    path : path
    best : int
        So many bars, or as many as there are classes.
    """
    best, across = min(best, len(classes)), min(4, len(images))
    names, family = fonts.drawable(classes)
    look = {"fontfamily": family, "parse_math": False}  # a $ is a $
    down = math.ceil(len(images) / across)
    ratios = [2, 1] * down
    figure, places = canvas(2 * down, across, 2 * across, 3.4 * down, height_ratios=ratios)
    for n in range(down * across):
        row, column = 2 * (n // across), n % across
        above, below = places[row, column], places[row + 1, column]
        if n >= len(images):
            continue
        above.imshow(pixels(images[n]))
        if labels is not None:
            above.set_title(names[labels[n]], fontsize=9, **look)
        order = np.argsort(-probabilities[n], kind="stable")[:best]
        right = [labels is not None and k == labels[n] for k in order]
        colours = ["tab:red" if is_it else "tab:blue" for is_it in right]
        below.set_axis_on()
        below.barh(range(best), probabilities[n][order], color=colours, alpha=0.6)
        for place, k in enumerate(order):
            below.text(0.02, place, names[k], va="center", fontsize=8, **look)
        below.set(xlim=(0, 1), ylim=(best - 0.5, -0.5), xticks=[], yticks=[])
    save(figure, path)


def figure4_neighbours(queries, neighbours, titles, path):
    """Draw each query and, behind it, its nearest images (Figure 4, right), in a row of its own.

    Parameters
    ----------
    queries : array (Q, 3, H, W) uint8
    neighbours : list of arrays (Q, k, 3, H, W) uint8
        One for each way to measure distance: features, say, and pixels.
    titles : list of str
        What stands above each way.
    path : path
    """
    blocks = [queries[:, None], *neighbours]  # each (Q, images side by side, 3, H, W)
    sheets = [
        sheet(
            [pixels(image) / 255 for image in block.reshape(-1, *block.shape[2:])], block.shape[1]
        )
        for block in blocks
    ]
    width, height = 0.8 * sum(block.shape[1] for block in blocks), 0.8 * len(queries) + 0.3
    ratios = [s.shape[1] for s in sheets]
    figure, places = canvas(1, len(sheets), width, height, width_ratios=ratios)
    for place, picture, title in zip(places[0], sheets, ["query", *titles], strict=True):
        place.imshow(picture)
        place.set_title(title, fontsize=9)
    save(figure, path)


def feature_maps(image, layers, path, most=16):
    """Draw an image and below it, layer by layer, the maps that a network makes of it.

    Parameters
    ----------
    image : array (3, H, W) uint8
    layers : list of (name, maps)
        maps (C, H, W): one image's activations in the row of this name.
    path : path
    most : int
        The first so many maps of a layer are drawn.
    """
    sheets = [sheet([as_grey(m) for m in maps[:most]], min(most, len(maps))) for _, maps in layers]
    heights = [2, *[12 * s.shape[0] / s.shape[1] + 0.3 for s in sheets]]
    figure, places = canvas(1 + len(sheets), 1, 12, sum(heights), height_ratios=heights)
    places[0, 0].imshow(pixels(image))
    for place, (name, maps), picture in zip(places[1:, 0], layers, sheets, strict=True):
        place.imshow(picture, interpolation="nearest")
        C, H, W = maps.shape
        shown = f"the first {most} of " if C > most else ""
        place.set_title(
            f"{name}: {shown}{C} maps of {H}×{W}, {maps.min():.3g} to {maps.max():.3g}",
            fontsize=9,
            loc="left",
        )
    save(figure, path)


def pixels(image):
    """Return an image (3, H, W) as matplotlib wants it: (H, W, 3)."""
    return np.moveaxis(image, 0, 2)


def as_picture(kernel):
    """Return a kernel (3, f, f) as colours between 0 and 1, (f, f, 3); 0 becomes middle grey."""
    largest = np.abs(kernel).max() or 1
    return pixels(0.5 + kernel / (2 * largest))


def as_grey(values):
    """Return a map (H, W) as greys (H, W, 3), its least value black and its largest white."""
    low, high = values.min(), values.max()
    grey = (values - low) / (high - low or 1)
    return np.repeat(grey[:, :, None], 3, axis=2)


def sheet(tiles, per_row):
    """Return tiles (h, w, 3) side by side on one white sheet, with a pixel between them."""
    h, w, _ = tiles[0].shape
    down, across = math.ceil(len(tiles) / per_row), min(per_row, len(tiles))
    picture = np.ones((down * (h + 1) - 1, across * (w + 1) - 1, 3))
    for i, tile in enumerate(tiles):
        top, left = i // per_row * (h + 1), i % per_row * (w + 1)
        picture[top : top + h, left : left + w] = tile
    return picture
