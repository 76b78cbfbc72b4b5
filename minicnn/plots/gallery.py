"""Pictures of what a network has learned and what it sees: Figures 3 and 4, and feature maps.

    kernels          (K, 3, f, f)         first-layer kernels, one array per column of the network
    images           (N, 3, H, W)         uint8
    probabilities    (N, classes)         as softmax returns them
    maps             (C, H, W)            one image's activations in one layer
    path             the PNG to write, atomically; OSError if it cannot be written

Colours: an image keeps its own.  Kernels differ in strength, so each is scaled by its largest
|weight|, with 0 as middle grey.  A feature map runs from black, its smallest value, to white.
matplotlib is imported only when a picture is drawn.
"""

import math

import numpy as np

from . import fonts
from .canvas import canvas, save

PER_ROW = 16  # kernels in a row of Figure 3, as in the paper


def figure3(kernels, path):
    """Draw the kernels of the first layer (Figure 3), with separate rows for each column.

    Parameters
    ----------
    kernels : list of arrays (K, 3, f, f)
        One per column of the network: two for the network of two GPUs.
    path : path

    Raises
    ------
    ValueError
        If they do not have three input channels.
    """
    for w in kernels:
        if w.ndim != 4 or w.shape[1] != 3:
            raise ValueError(
                f"figure3: kernels have shape {w.shape}; expected (K, 3, f, f), "
                "with input channels red, green and blue"
            )
    sheets = [sheet([as_picture(w_k) for w_k in w], PER_ROW) for w in kernels]
    heights = [7 * s.shape[0] / s.shape[1] + 0.3 for s in sheets]
    figure, panels = canvas(len(sheets), 1, 7, sum(heights), height_ratios=heights)
    for column, (panel, picture) in enumerate(zip(panels[:, 0], sheets, strict=True)):
        panel.imshow(picture, interpolation="nearest")
        if len(sheets) > 1:
            w = kernels[column]
            title = f"column {column}: {len(w)} kernels, colour {colour(w):.2f}"
            panel.set_title(title, fontsize=9, loc="left")
    save(figure, path)


def colour(w):
    """Return the share of the squared weights of kernels (K, 3, f, f) that is not grey.

    The grey part of a kernel is its mean over red, green and blue, and the rest is colour.  The
    share is 0 if a kernel weighs all three equally, and about 2/3 for random weights.
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
        The true classes; None if unknown.
    probabilities : array (N, classes)
    classes : sequence of str
        The name of each class, in any script: see fonts.py.
    path : path
    best : int
        The number of bars, or of classes if there are fewer.
    """
    best, columns = min(best, len(classes)), min(4, len(images))
    names, family = fonts.drawable(classes)
    look = {"fontfamily": family, "parse_math": False}  # a $ is a $
    rows = math.ceil(len(images) / columns)
    ratios = [2, 1] * rows
    figure, panels = canvas(2 * rows, columns, 2 * columns, 3.4 * rows, height_ratios=ratios)
    for n in range(len(images)):
        row, column = 2 * (n // columns), n % columns
        picture, bars = panels[row, column], panels[row + 1, column]
        picture.imshow(pixels(images[n]))
        if labels is not None:
            picture.set_title(names[labels[n]], fontsize=9, **look)
        order = np.argsort(-probabilities[n], kind="stable")[:best]
        correct = [labels is not None and k == labels[n] for k in order]
        colours = ["tab:red" if is_correct else "tab:blue" for is_correct in correct]
        bars.set_axis_on()
        bars.barh(range(best), probabilities[n][order], color=colours, alpha=0.6)
        for rank, k in enumerate(order):
            bars.text(0.02, rank, names[k], va="center", fontsize=8, **look)
        bars.set(xlim=(0, 1), ylim=(best - 0.5, -0.5), xticks=[], yticks=[])
    save(figure, path)


def figure4_neighbours(queries, neighbours, titles, path):
    """Draw each query in its own row, followed by its nearest images (Figure 4, right).

    Parameters
    ----------
    queries : array (Q, 3, H, W) uint8
    neighbours : list of arrays (Q, k, 3, H, W) uint8
        One for each measure of distance, such as features and pixels.
    titles : list of str
        The heading of each measure.
    path : path
    """
    blocks = [queries[:, None], *neighbours]  # each (Q, images side by side, 3, H, W)
    sheets = []
    for block in blocks:
        tiles = [pixels(image) / 255 for image in block.reshape(-1, *block.shape[2:])]
        sheets.append(sheet(tiles, block.shape[1]))
    width, height = 0.8 * sum(block.shape[1] for block in blocks), 0.8 * len(queries) + 0.3
    ratios = [s.shape[1] for s in sheets]
    figure, panels = canvas(1, len(sheets), width, height, width_ratios=ratios)
    for panel, picture, title in zip(panels[0], sheets, ["query", *titles], strict=True):
        panel.imshow(picture)
        panel.set_title(title, fontsize=9)
    save(figure, path)


def feature_maps(image, layers, path, most=16):
    """Draw an image and, below it, the feature maps of each layer.

    Parameters
    ----------
    image : array (3, H, W) uint8
    layers : list of (name, maps)
        maps (C, H, W): one image's activations in the layer of this name.
    path : path
    most : int
        The number of maps to draw per layer.
    """
    sheets = [sheet([as_grey(m) for m in maps[:most]], min(most, len(maps))) for _, maps in layers]
    heights = [2, *[12 * s.shape[0] / s.shape[1] + 0.3 for s in sheets]]
    figure, panels = canvas(1 + len(sheets), 1, 12, sum(heights), height_ratios=heights)
    panels[0, 0].imshow(pixels(image))
    for panel, (name, maps), picture in zip(panels[1:, 0], layers, sheets, strict=True):
        panel.imshow(picture, interpolation="nearest")
        C, H, W = maps.shape
        selection = f"the first {most} of " if C > most else ""
        panel.set_title(
            f"{name}: {selection}{C} maps of {H}×{W}, {maps.min():.3g} to {maps.max():.3g}",
            fontsize=9,
            loc="left",
        )
    save(figure, path)


def pixels(image):
    """Return an image (3, H, W) in matplotlib's layout, (H, W, 3)."""
    return np.moveaxis(image, 0, 2)


def as_picture(kernel):
    """Return a kernel (3, f, f) as colours between 0 and 1, (f, f, 3); 0 becomes middle grey."""
    largest = np.abs(kernel).max() or 1
    return pixels(0.5 + kernel / (2 * largest))


def as_grey(values):
    """Return a map (H, W) in shades of grey (H, W, 3), from black, its smallest value, to white."""
    low, high = values.min(), values.max()
    grey = (values - low) / (high - low or 1)
    return np.repeat(grey[:, :, None], 3, axis=2)


def sheet(tiles, per_row):
    """Return tiles (h, w, 3) side by side on one white sheet, one pixel apart."""
    h, w, _ = tiles[0].shape
    rows, columns = math.ceil(len(tiles) / per_row), min(per_row, len(tiles))
    picture = np.ones((rows * (h + 1) - 1, columns * (w + 1) - 1, 3))
    for i, tile in enumerate(tiles):
        top, left = i // per_row * (h + 1), i % per_row * (w + 1)
        picture[top : top + h, left : left + w] = tile
    return picture
