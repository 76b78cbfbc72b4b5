"""Operands: what a product multiplies and writes, as matrices that need not exist in memory.

The product (product.py) asks for entry (row, k) of a matrix; k is its depth, which the sum runs
over.  A matrix may be stored that way.  Or it may be the matrix of im2col, which is never written:
then entry (k, window) is the pixel of x at place k of this window.  Finding an entry takes two
steps, because much of the work depends on the row alone, or on k alone, and serves many entries:

    row(operand, group, row)         what there is to know about a row
    depth(operand, group, k)         what there is to know about a k
    place(operand, row's, k's)       the entry's index in the array, or −1 for an entry that is 0

A Kind is a triple of such functions.  There are five, for three types of operand:

    MATRIX     a Matrix: entry (row, k) is at row·row_step + k·depth_step
    MAPS       a Maps: row = a map (a channel), k = a pixel of any image
    WINDOWS    a Windows: row = a window, that is an output pixel; k = a tap (c, u, v) of it
    TAPS       a Windows the other way round: row = a tap, k = a window
    SPREAD     like WINDOWS, in maps that are imagined as spread out, with zeros between pixels

A window has the position of its first pixel, (i·stride − pad, j·stride − pad), and a tap its
distance from there, (u, v).  Both are in small tables of four integers, so that one vector load
reads them: base, row, column, and a 0.  The sums of rows and columns tell whether the pixel is
inside the image, and the sum of bases where it is in memory.  The table of windows is for one
image; a division tells which image it is.  (A table for all windows of a batch would be as large as
four channels of y, and there is only one division per row, or per tile.)

For example, take images of one channel and 4×5 pixels, f = 3, stride 2, pad 1: 2×3 windows each.

                                 base   row   column
    window 4, (i, j) = (1, 1)       6     1        1     row 1·2 − 1, column 1·2 − 1, base 1·5 + 1
    tap 7, (c, u, v) = (0, 2, 1)   11     2        1     base 2·5 + 1
    sum                            17     3        2     in the image: entry (7, 4) is array[17]

    window 0, (i, j) = (0, 0)      −6    −1       −1
    tap 2, (c, u, v) = (0, 0, 2)    2     0        2
    sum                            −4    −1        1     above the image: entry (2, 0) is 0

Window 10 is window 4 of the next image: its base is 6 + 20.

All indices have 32 bits, which a GPU handles fast: buffers.py makes no array that they cannot
reach.
"""

import functools
from collections import namedtuple

import numpy as np

from . import gpu
from .device import flat, to_device
from .vector_loads import device_function, load4

Kind = namedtuple("Kind", "row depth place")

Matrix = namedtuple("Matrix", "array rows depth row_step depth_step group_step")
Maps = namedtuple("Maps", "array rows depth row_step image_step group_step")
Windows = namedtuple(
    "Windows", "array windows taps H W count per_image depth image_step group_step stride"
)

NOWHERE = -(2**30)  # a row so far outside that no sum leads back inside
WHOLE = 128  # a multiple of all tiles' sizes


def matrix(array, rows, depth, row_step, depth_step, group_step=0):
    """Return a Matrix: entry (row, k) of a group is array[row·row_step + k·depth_step + …]."""
    return Matrix(flat(array), *numbers(rows, depth, row_step, depth_step, group_step))


def maps(array, groups):
    """Return (N, C, H, W) as Maps: a row is one of the group's channels, k a pixel of any image."""
    N, C, H, W = array.shape
    return Maps(
        flat(array), *numbers(C // groups, N * H * W, H * W, C * H * W, C // groups * H * W)
    )


def windows(array, groups, H_out, W_out, f, stride, pad):
    """Return the f×f windows in (N, C, H, W): H_out·W_out of them an image, C/groups·f·f taps."""
    N, C, H, W = array.shape
    count, per_image, depth = N * H_out * W_out, H_out * W_out, C // groups * f * f
    return Windows(
        flat(array),
        window_table(gpu.current, H_out, W_out, stride, pad, W),
        tap_table(gpu.current, C // groups, f, H, W),
        *numbers(H, W, count, per_image, depth, C * H * W, C // groups * H * W, 1),
    )


def spread_windows(array, groups, H_all, W_all, f, stride, pad):
    """Return the windows that dx reads: f×f, in maps with stride − 1 zeros between pixels.

    There is a window for each of the H_all·W_all pixels of dx: pixel (h, w) reads positions
    h + pad − (f−1) … h + pad of the spread maps.  Position stride·i of these is row i of the maps.
    """
    N, C, H, W = array.shape
    count, per_image, depth = N * H_all * W_all, H_all * W_all, C // groups * f * f
    return Windows(
        flat(array),
        window_table(gpu.current, H_all, W_all, 1, f - 1 - pad, W, spread=True),
        tap_table(gpu.current, C // groups, f, H, W, spread=True),
        *numbers(H, W, count, per_image, depth, C * H * W, C // groups * H * W, stride),
    )


def numbers(*values):
    """Return integers as 32-bit ones: Python's own have 64 bits in a kernel."""
    return [np.int32(value) for value in values]


@functools.lru_cache(maxsize=1024)
def window_table(current, H_out, W_out, stride, pad, W, spread=False):
    """Return, on the device, base, row and column of the first pixel of each window, and a 0."""
    i, j = np.divmod(np.arange(H_out * W_out), W_out)
    row, column = i * stride - pad, j * stride - pad
    base = 0 * row if spread else row * W + column
    return table(base, row, column)


@functools.lru_cache(maxsize=1024)
def tap_table(current, C, f, H, W, spread=False):
    """Return, on the device, what each tap adds to base, row and column, and a 0.

    The table also has taps that only fill up a tile; they lead nowhere, so kernels need not test.
    """
    taps = C * f * f
    t = np.arange(-(-taps // WHOLE) * WHOLE)
    c, row, column = t // (f * f), t // f % f, t % f
    row[taps:] = NOWHERE
    base = c * H * W if spread else c * H * W + row * W + column
    return table(base, row, column)


def table(*columns):
    """Return three columns and zeros as one flat array on the device."""
    rows = np.stack([*columns, 0 * columns[0]], axis=1).astype(np.int32)
    return to_device(rows.ravel())


@device_function
def matrix_row(operand, group, row):
    offset = np.int32(group * operand.group_step) + np.int32(row * operand.row_step)
    return np.int32(offset) if row < operand.rows else np.int32(-1)


@device_function
def matrix_depth(operand, group, k):
    return np.int32(k * operand.depth_step) if k < operand.depth else np.int32(-1)


@device_function
def maps_depth(operand, group, k):
    """Pixel k of all images: the whole images before it, and then the pixels before it."""
    pixels = np.uint32(operand.row_step)
    image = np.int32(np.uint32(k) // pixels)
    pixel = np.int32(k - np.int32(image * operand.row_step))
    offset = np.int32(image * operand.image_step) + pixel
    return np.int32(offset) if k < operand.depth else np.int32(-1)


@device_function
def sum_place(operand, row, k):
    return np.int32(row + k) if row >= 0 and k >= 0 else np.int32(-1)


@device_function
def window(operand, group, index):
    """Base, row and column of a window's first pixel, which may be outside the image."""
    inside = index < operand.count
    window = np.uint32(index if inside else 0)
    image = np.int32(window // np.uint32(operand.per_image))
    rest = np.int32(window % np.uint32(operand.per_image))
    base, row, column, _ = load4(operand.windows, 4 * rest)
    base = np.int32(base + np.int32(image * operand.image_step))
    base = np.int32(base + np.int32(group * operand.group_step))
    return base, np.int32(row if inside else NOWHERE), column


@device_function
def tap(operand, group, index):
    """What a tap adds to base, row and column; an index may exceed the taps by part of a tile."""
    base, row, column, _ = load4(operand.taps, 4 * index)
    return base, row, column


@device_function
def window_place(operand, first, second):
    """An unsigned negative number is large, so one comparison tests both edges."""
    row, column = (
        np.uint32(np.int32(first[1] + second[1])),
        np.uint32(np.int32(first[2] + second[2])),
    )
    inside = np.uint32(row) < np.uint32(operand.H) and np.uint32(column) < np.uint32(operand.W)
    return np.int32(first[0] + second[0]) if inside else np.int32(-1)


@device_function
def spread_place(operand, first, second):
    """Only every stride-th row and column of the spread maps has pixels."""
    stride = np.uint32(operand.stride)
    row = np.uint32(np.int32(first[1] + second[1]))
    column = np.uint32(np.int32(first[2] + second[2]))
    i, j = row // stride, column // stride
    on = row % stride == 0 and column % stride == 0
    if on and i < np.uint32(operand.H) and j < np.uint32(operand.W):
        base = np.int32(first[0] + second[0])
        return np.int32(base + np.int32(np.int32(i) * operand.W) + np.int32(j))
    return np.int32(-1)


MATRIX = Kind(matrix_row, matrix_depth, sum_place)
MAPS = Kind(matrix_row, maps_depth, sum_place)
WINDOWS = Kind(window, tap, window_place)
TAPS = Kind(tap, window, window_place)
SPREAD = Kind(window, tap, spread_place)
