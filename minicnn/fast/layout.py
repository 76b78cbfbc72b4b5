"""Channels last: the order in which fast's arrays lie in memory.

The shape stays (N, C, H, W) as everywhere, and any array is welcome; but what fast returns lies in
memory as (N, H, W, C): the channels of a pixel are neighbours.  Whatever a layer does to one
channel it does to all of them, so a loop over channels becomes vector instructions, whatever the
size of the images and of the batch.

    x        (N, C, H, W)    as everywhere
    pixels   (N, H, W, C)    the same numbers, contiguous
    flat     (x.size,)       the same numbers, in the order of memory
    Pixels   array, H, W, C  pixels in a kernel, flat: pixel (n, h, w) begins at ((n·H + h)·W + w)·C
    steps    (n, c, h, w)    how far apart neighbours along each axis of x are in flat
    place    (top, left, H, W)    of x in a frame: where its first pixel is, its rows and columns

The next layer finds its input in the order that it likes, and copies nothing.

This file is the one door for arrays: `lies_first` and `lies_last` say whether kernels may use an
array as it lies, and everything else is copied.  Kernels get no strides.  NumPy lets an axis of
size 1 have any stride, so a stride may lead out of the array; shape and order of memory say where
each number is, and they cannot lie.
"""

from collections import namedtuple

import numpy as np

from ..jit import njit
from .buffers import empty, table
from .flags import LOOP, PLAIN
from .threads import run
from .vector import load_scalar, round_up

Pixels = namedtuple("Pixels", "array H W C")


def images(pixels):
    """Return pixels (N, H, W, C) as (N, C, H, W), without a copy."""
    return pixels.transpose(0, 3, 1, 2)


@njit(**PLAIN)
def flat_pixels(pixels):
    """Return pixels (N, H, W, C) as Pixels."""
    _, H, W, C = pixels.shape
    return Pixels(pixels.reshape(-1), H, W, C)


def usable(x):
    """Return whether Numba's kernels take x's memory as it is.

    A read-only or misaligned array is another type to Numba, which would compile every kernel anew.
    """
    return x.flags.writeable and x.flags.aligned


def lies_first(x):
    """Return whether kernels may use x as NumPy lays out a new array: the last axis together."""
    return usable(x) and x.flags.c_contiguous


def lies_last(x):
    """Return whether kernels may use x (N, C, H, W) as pixels."""
    return usable(x) and x.ndim == 4 and x.transpose(0, 2, 3, 1).flags.c_contiguous


def contiguous(x):
    """Return x if it lies first, or else a copy that does."""
    x = np.asarray(x)
    return x if lies_first(x) else copied(x)


def ordered(x):
    """Return x if it lies first or last, or else a copy that lies first."""
    x = np.asarray(x)
    return x if lies_first(x) or lies_last(x) else copied(x)


def copied(x):
    """Return a copy of x that lies first, in memory that is used again."""
    copy = empty(x.shape, x.dtype)
    copy[...] = x
    return copy


def pixels_of(x):
    """Return x (N, C, H, W) as pixels (N, H, W, C): a view if x lies last, or a copy."""
    return framed(x, 0, 0, *x.shape[2:])


def framed(x, top, left, H_all, W_all):
    """Return x as pixels (N, H_all, W_all, C), its first one at (top, left), zeros around it."""
    x = np.asarray(x)
    N, C, H, W = x.shape
    if (H_all, W_all) == (H, W) and lies_last(x):
        return x.transpose(0, 2, 3, 1)
    x = ordered(x)
    steps = (C * H * W, H * W, W, 1) if lies_first(x) else (H * W * C, 1, W * C, C)
    frame = empty((N, H_all, W_all, C), x.dtype)
    lines = frame
    if (H_all, W_all) == (H, W):  # all rows of an image are one
        H, W, lines = 1, H * W, frame.reshape(N, 1, H * W, C)
    place = top, left, H, W
    run(frame_loop, N * lines.shape[1], frame.size / 2, flat(x), steps, place, lines)
    return frame


@njit(**LOOP)
def frame_loop(first, stop, x, steps, place, frame):
    n_step, c_step, h_step, w_step = steps
    top, left, H, W = place
    H_all = frame.shape[1]
    for task in range(first, stop):
        n, row = task // H_all, task % H_all
        inside = top <= row < top + H
        x_at = n * n_step + (row - top) * h_step
        line = frame[n, row].reshape(-1)
        frame_row(x, x_at, c_step, w_step, W if inside else 0, frame.shape[3], left, line)


@njit(**PLAIN)
def frame_row(x, x_at, c_step, w_step, W, C, left, line):
    """Write W pixels into a line of a frame, from pixel `left` on, and zeros around them."""
    line[: left * C] = 0
    line[(left + W) * C :] = 0
    inside = line[left * C : (left + W) * C]
    if c_step == 1:  # the pixels already lie side by side
        for i in range(inside.size):
            inside[i] = load_scalar(x, x_at + i)
        return
    for w in range(W):
        pixel = inside[w * C : (w + 1) * C]
        for c in range(C):
            pixel[c] = load_scalar(x, x_at + w * w_step + c * c_step)


def filled(a, groups=1):
    """Return a with zeros behind each group of its last axis, up to whole vectors; or a itself.

    a lies first: it comes from `pixels_of` or `contiguous`.
    """
    *rest, C = a.shape
    wide = round_up(C // groups)
    if C == groups * wide:
        return a
    a_wide = np.zeros((*rest, groups, wide), a.dtype)
    a_wide[..., : C // groups] = a.reshape(*rest, groups, C // groups)
    return a_wide.reshape(*rest, groups * wide)


def cut(a, C, groups=1):
    """Return a without what `filled` put behind each group: C numbers in all stay; or a itself."""
    *rest, C_wide = a.shape
    if C == C_wide:
        return a
    narrow = empty((*rest, groups, C // groups), a.dtype)
    narrow[...] = a.reshape(*rest, groups, C_wide // groups)[..., : C // groups]
    return narrow.reshape(*rest, C)


def empty_like(x):
    """Return an empty array with x's shape, dtype and order of memory; x is `ordered`."""
    if lies_first(x):
        return empty(x.shape, x.dtype)
    N, C, H, W = x.shape
    return images(empty((N, H, W, C), x.dtype))


def in_order_of(y, dy):
    """Return dy in y's order of memory, so that both can be walked through side by side."""
    dy, lies_so = np.asarray(dy), lies_first if lies_first(y) else lies_last
    if lies_so(dy):
        return dy
    copy = empty_like(y)
    copy[...] = dy
    return copy


def flat(x):
    """Return an `ordered` array as one row of numbers, without a copy."""
    return x.reshape(-1) if lies_first(x) else x.transpose(0, 2, 3, 1).reshape(-1)


@table
def pixel_table(shape, rows, columns, row=0, column=0, stride=1):
    """Return where pixels begin in flat: every `stride`-th from (row, column) on, of each image.

    Parameters
    ----------
    shape : tuple
        (N, H, W, C), what flat was.
    rows, columns : int
        How many of each.
    row, column, stride : int

    Returns
    -------
    array (N·rows·columns,) int64, read-only: the same for every batch, so it is kept.
    """
    N, H, W, C = shape
    n, i, j = np.meshgrid(range(N), range(rows), range(columns), indexing="ij")
    places = ((n * H + row + i * stride) * W + column + j * stride) * C
    return places.ravel().astype(np.int64)


@table
def window_table(shape, channels, rows, columns):
    """Return how far each entry of a window lies from its corner, in flat.

    Parameters
    ----------
    shape : tuple
        (N, H, W, C), what flat was.
    channels : int
        So many channels of each pixel belong to the window.
    rows, columns : range
        How far the window's rows and columns are from the corner.

    Returns
    -------
    array (rows·columns·channels,) int64, read-only.
    """
    _, _, W, C = shape
    i, j, c = np.meshgrid(rows, columns, range(channels), indexing="ij")
    return ((i * W + j) * C + c).ravel().astype(np.int64)


@table
def row_table(count, step=1):
    """Return 0, step, 2·step, …: where so many rows of a matrix begin; int64, read-only."""
    return np.arange(count) * step
