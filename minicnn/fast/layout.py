"""Channels last: the order in which fast's arrays lie in memory.

The shape stays (N, C, H, W) as everywhere, and any array is welcome; but what fast returns lies in
memory as (N, H, W, C): the channels of a pixel are neighbours.  Whatever a layer does to one
channel it does to all of them, so a loop over channels becomes vector instructions, whatever the
size of the images and of the batch.

    x        (N, C, H, W)    as everywhere
    pixels   (N, H, W, C)    the same numbers, contiguous
    flat     (x.size,)       the same numbers, in the order of memory

The next layer finds its input in the order that it likes, and copies nothing.
"""

import functools

import numpy as np

from ..jit import njit
from .buffers import empty
from .flags import LOOP, PLAIN
from .threads import run
from .vector import number, whole_vectors


def images(pixels):
    """Return pixels (N, H, W, C) as (N, C, H, W), without a copy."""
    return pixels.transpose(0, 3, 1, 2)


def pixels_of(x):
    """Return x (N, C, H, W) as pixels (N, H, W, C): a view if memory has that order, or a copy.

    What is read-only is copied, too.
    """
    return framed(x, 0, 0, *x.shape[2:])


def framed(x, top, left, H_all, W_all):
    """Return x as pixels (N, H_all, W_all, C), its first one at (top, left), zeros around it."""
    N, C, H, W = x.shape
    pixels = writable(x).transpose(0, 2, 3, 1)
    if (H_all, W_all) == (H, W) and pixels.flags.c_contiguous:
        return pixels
    x, frame = ordered(x), empty((N, H_all, W_all, C), x.dtype)
    steps = [step // x.itemsize for step in x.strides]  # in either order of memory
    lines = frame
    if (H_all, W_all) == (H, W):  # all rows of an image are one
        H, W, lines = 1, H * W, frame.reshape(N, 1, H * W, C)
    turns = N * lines.shape[1]
    run(frame_loop, turns, frame.size / 2, flat(x), *steps, H, W, top, left, lines)
    return frame


@njit(**LOOP)
def frame_loop(first, stop, x, n_step, c_step, h_step, w_step, H, W, top, left, frame):
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
            inside[i] = number(x, x_at + i)
        return
    for w in range(W):
        pixel = inside[w * C : (w + 1) * C]
        for c in range(C):
            pixel[c] = number(x, x_at + w * w_step + c * c_step)


def filled(a, groups=1):
    """Return a with zeros behind each group of its last axis, up to whole vectors; or a itself."""
    *rest, C = a.shape
    wide = whole_vectors(C // groups)
    if C == groups * wide:
        return writable(a)
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


def writable(x):
    """Return x, or a copy in the same order if it is read-only, which to Numba is another type.

    Every kernel would be compiled anew for it.
    """
    return x if x.flags.writeable else x.copy(order="K")


def ordered(x):
    """Return x if its memory is contiguous in one of the two orders, or else a contiguous copy."""
    x = writable(x)
    last = x.ndim == 4 and x.transpose(0, 2, 3, 1).flags.c_contiguous
    return x if last or x.flags.c_contiguous else np.ascontiguousarray(x)


def empty_like(x):
    """Return an empty array with x's shape, dtype and order in memory; x is `ordered`."""
    if x.flags.c_contiguous:
        return empty(x.shape, x.dtype)
    N, C, H, W = x.shape
    return images(empty((N, H, W, C), x.dtype))


def in_order_of(y, dy):
    """Return dy in y's order in memory, so that both can be walked through side by side."""
    if dy.strides == y.strides:
        return writable(dy)
    copy = empty_like(y)
    copy[...] = dy
    return copy


def flat(x):
    """Return an `ordered` array as one row of numbers, without a copy."""
    return x.ravel(order="K")


@functools.lru_cache(maxsize=256)
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
    array (N·rows·columns,) int64, read-only: the same for every batch, so it is made once.
    """
    N, H, W, C = shape
    n, i, j = np.meshgrid(range(N), range(rows), range(columns), indexing="ij")
    table = ((n * H + row + i * stride) * W + column + j * stride) * C
    table = table.ravel().astype(np.int64)
    table.flags.writeable = False
    return table


@functools.lru_cache(maxsize=256)
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
    table = ((i * W + j) * C + c).ravel().astype(np.int64)
    table.flags.writeable = False
    return table


@functools.lru_cache(maxsize=256)
def row_table(count, step=1):
    """Return 0, step, 2·step, …: where so many rows of a matrix begin; int64, read-only."""
    table = np.arange(count) * step
    table.flags.writeable = False
    return table
