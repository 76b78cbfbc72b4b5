"""Memory layout: the arrays of fast are channels last.

Shapes stay (N, C, H, W) as everywhere, and any layout is accepted.  But fast returns arrays that
lie in memory as (N, H, W, C): the channels of a pixel are neighbours.  A layer does the same to
every channel, so a loop over channels becomes vector instructions, whatever the sizes of images and
batch.  The next layer finds its input in the layout that it prefers, and copies nothing.

    x         (N, C, H, W)     as everywhere
    pixels    (N, H, W, C)     the same numbers, contiguous
    flat      (x.size,)        the same numbers, in the order of memory
    Pixels    array, H, W, C   for kernels: pixel (n, h, w) begins at array[((n·H + h)·W + w)·C]
    dense     contiguous in NumPy's order of axes, or channels last
    strides   (n, c, h, w)     distance in flat between neighbours along each axis of x
    frame     (N, H_frame, W_frame, C)   pixels with a border of zeros
    inset     (top, left, H, W)          position of x in a frame, and x's height and width

Every array enters through this file: `is_contiguous` and `is_channels_last` decide whether kernels
may use it as it is; anything else is copied.  Kernels never see NumPy's strides.  NumPy allows any
stride on an axis of size 1, so a stride may point outside the array.  Shape and layout determine
where each number is.
"""

from collections import namedtuple

import numpy as np

from ..jit import njit
from .buffers import empty, table
from .flags import LOOP, PLAIN
from .threads import run
from .vector import load_scalar

Pixels = namedtuple("Pixels", "array H W C")
COLUMNS = 16  # of a matrix, transposed together: a cache line has as many numbers


def from_pixels(pixels):
    """Return pixels (N, H, W, C) as an array (N, C, H, W), without a copy."""
    return pixels.transpose(0, 3, 1, 2)


@njit(**PLAIN)
def flatten_pixels(pixels):
    """Return pixels (N, H, W, C) as Pixels."""
    _, H, W, C = pixels.shape
    return Pixels(pixels.reshape(-1), H, W, C)


def is_usable(x):
    """Return whether kernels may read and write x's memory.

    To Numba a read-only or misaligned array has another type: it would compile each kernel again.
    """
    return x.flags.writeable and x.flags.aligned


def is_contiguous(x):
    """Return whether kernels may use x as it is, contiguous in the order of its axes."""
    return is_usable(x) and x.flags.c_contiguous


def is_channels_last(x):
    """Return whether kernels may use x (N, C, H, W) as pixels (N, H, W, C)."""
    return is_usable(x) and x.ndim == 4 and x.transpose(0, 2, 3, 1).flags.c_contiguous


def as_contiguous(x):
    """Return x if it is contiguous, else a contiguous copy."""
    x = np.asarray(x)
    return x if is_contiguous(x) else contiguous_copy(x)


def as_dense(x):
    """Return x if it is contiguous or channels last, else a contiguous copy."""
    x = np.asarray(x)
    return x if is_contiguous(x) or is_channels_last(x) else contiguous_copy(x)


def contiguous_copy(x):
    """Return a contiguous copy of x, in recycled memory."""
    copy = empty(x.shape, x.dtype)
    if is_channels_last(x):
        N, C, H, W = x.shape
        transpose(x.transpose(0, 2, 3, 1).reshape(N, H * W, C), copy.reshape(N, C, H * W))
    elif x.ndim == 2 and is_contiguous(x.T):
        transpose(x.T[None], copy[None])
    else:
        copy[...] = x
    return copy


def transpose(matrices, out):
    """Write the transposes of contiguous matrices (N, rows, columns) to out (N, columns, rows)."""
    N, _, columns = matrices.shape
    run(transpose_loop, N * -(-columns // COLUMNS), matrices.size, matrices, out)


@njit(**LOOP)
def transpose_loop(first, stop, matrices, out):
    _, rows, columns = matrices.shape
    blocks = (columns + COLUMNS - 1) // COLUMNS
    for task in range(first, stop):
        n, start = task // blocks, task % blocks * COLUMNS
        for i in range(rows):
            for j in range(start, min(start + COLUMNS, columns)):
                out[n, j, i] = matrices[n, i, j]


def to_pixels(x):
    """Return x (N, C, H, W) as pixels (N, H, W, C): a view if x is channels last, else a copy."""
    return frame_pixels(x, 0, 0, *x.shape[2:])


def frame_pixels(x, top, left, H_frame, W_frame, side=1):
    """Return x as pixels (N, H_frame, W_frame, C), with a border of zeros.

    The first pixel of x stands at (top, left).  With `side`, the frame is cut into blocks of
    side×side pixels: (N, H_frame/side, W_frame/side, side·side·C).
    """
    x = np.asarray(x)
    N, C, H, W = x.shape
    if (H_frame, W_frame, side) == (H, W, 1) and is_channels_last(x):
        return x.transpose(0, 2, 3, 1)
    x = as_dense(x)
    strides = (C * H * W, H * W, W, 1) if is_contiguous(x) else (H * W * C, 1, W * C, C)
    frame = empty((N, H_frame // side, W_frame // side, side * side * C), x.dtype)
    rows = frame.reshape(N, H_frame // side, W_frame // side, side, side * C)
    if (H_frame, W_frame, side) == (H, W, 1):  # without a border, an image is one long row
        H, W, rows = 1, H * W, frame.reshape(N, 1, H * W, 1, C)
    inset = top, left, H, W
    run(frame_loop, N * rows.shape[1], frame.size / 2, flat_view(x), strides, inset, rows)
    return frame


@njit(**LOOP)
def frame_loop(first, stop, x, strides, inset, frame):
    """Write some rows of a frame (N, rows, blocks, side, side·C)."""
    n_stride, c_stride, h_stride, w_stride = strides
    top, left, H, W = inset
    _, H_frame, blocks, side, length = frame.shape
    row_out = np.empty(blocks * length if side > 1 else 0, x.dtype)
    for task in range(first, stop):
        n, h = task // H_frame, task % H_frame
        for i in range(side):
            row = h * side + i
            inside = W if top <= row < top + H else 0
            x_offset = n * n_stride + (row - top) * h_stride
            if side == 1:
                row_out = frame[n, h].reshape(-1)
            frame_row(x, x_offset, c_stride, w_stride, inside, length // side, left, row_out)
            if side > 1:
                for block in range(blocks):
                    for j in range(length):
                        frame[n, h, block, i, j] = row_out[block * length + j]


@njit(**PLAIN)
def frame_row(x, x_offset, c_stride, w_stride, W, C, left, row_out):
    """Write W pixels into a row of a frame, from pixel `left` on, and zeros around them."""
    row_out[: left * C] = 0
    row_out[(left + W) * C :] = 0
    inside = row_out[left * C : (left + W) * C]
    if c_stride == 1:  # x is channels last already
        for i in range(inside.size):
            inside[i] = load_scalar(x, x_offset + i)
        return
    for w in range(W):
        pixel = inside[w * C : (w + 1) * C]
        for c in range(C):
            pixel[c] = load_scalar(x, x_offset + w * w_stride + c * c_stride)


def empty_like(x):
    """Return an empty array with the shape, dtype and layout of x, which must be dense."""
    if is_contiguous(x):
        return empty(x.shape, x.dtype)
    N, C, H, W = x.shape
    return from_pixels(empty((N, H, W, C), x.dtype))


def match_layout(dy, y):
    """Return dy in the layout of y, so that one loop can walk through both."""
    return as_contiguous(dy) if is_contiguous(y) else from_pixels(to_pixels(dy))


def flat_view(x):
    """Return a dense array as a flat view, in the order of memory."""
    return x.reshape(-1) if is_contiguous(x) else x.transpose(0, 2, 3, 1).reshape(-1)


@table
def pixel_table(shape, rows, columns, row=0, column=0, stride=1):
    """Return the offset in flat of each pixel of a grid, the same grid in every image.

    Parameters
    ----------
    shape : tuple
        (N, H, W, C), the shape of the pixels before they were flattened.
    rows, columns : int
        The number of rows and columns of the grid.
    row, column : int
        The first pixel of the grid.
    stride : int
        The distance between its rows, and between its columns.

    Returns
    -------
    array (N·rows·columns,) int64
        Read-only.  `table` keeps it, because it is the same for every batch.
    """
    N, H, W, C = shape
    n, i, j = np.meshgrid(range(N), range(rows), range(columns), indexing="ij")
    offsets = ((n * H + row + i * stride) * W + column + j * stride) * C
    return offsets.ravel().astype(np.int64)


@table
def window_table(shape, channels, rows, columns):
    """Return the offset in flat of each entry of a window, relative to the window's corner.

    Parameters
    ----------
    shape : tuple
        (N, H, W, C), the shape of the pixels before they were flattened.
    channels : int
        The number of channels of each pixel that belong to the window.
    rows, columns : range
        The window's rows and columns, relative to the corner.

    Returns
    -------
    array (rows·columns·channels,) int64
        Read-only.
    """
    _, _, W, C = shape
    i, j, c = np.meshgrid(rows, columns, range(channels), indexing="ij")
    return ((i * W + j) * C + c).ravel().astype(np.int64)


@table
def row_table(count, step=1):
    """Return 0, step, 2·step, …: the offsets of a matrix's rows, int64 and read-only."""
    return np.arange(count) * step
