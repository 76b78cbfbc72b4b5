"""Blocks: sixteen images side by side, so that one vector holds the same pixel of all of them.

    x        (N, C, H, W)                    as everywhere
    blocks   (B, C, H_all, W_all, 16)        B = ⌈N/16⌉ blocks; what is not image is zero
    block    0 … B−1                         which sixteen images
    lane     0 … 15                          which of the sixteen
    plane    (H_all, W_all, 16)              one channel of one block

Whatever a layer does to one image it does to all sixteen: a loop over the last axis is one vector
instruction, whatever the shape of the images.

If N is no multiple of 16, black images fill the last block, and they do no harm: what a convolution
makes of them is never read, and to a sum over images, such as dw, they add nothing but zeros.

The products (product.py) see blocks as one flat array, and go through it by distances: adding
`walk.pixel` to a place, for example, leads to the next pixel of the row.
"""

from collections import namedtuple

import numpy as np
from numba import njit, prange

from .vector import LANES

# A way through flat blocks: where it starts, and how far on lies the same place in the next block,
# channel, row and pixel.
Walk = namedtuple("Walk", "start block channel row pixel")


def walk(blocks, channel=0, row=0, column=0, stride=1):
    """Return the Walk that starts at this channel, row and column, in steps of `stride` pixels."""
    B, C, H, W, _ = blocks.shape
    start = ((channel * H + row) * W + column) * LANES
    return Walk(start, C * H * W * LANES, H * W * LANES, stride * W * LANES, stride * LANES)


def blocks_of(x, top, left, H_all, W_all):
    """Return x in blocks, its first pixel at (top, left), zeros around it."""
    N, C, H, W = x.shape
    blocks = np.empty((-(-N // LANES), C, H_all, W_all, LANES), x.dtype)
    fill_blocks(np.ascontiguousarray(x), top, left, blocks)
    return blocks


@njit(parallel=True, cache=True)
def fill_blocks(x, top, left, blocks):
    """Copy x into the blocks, its first pixel to (top, left), and write zeros around it."""
    B, C = blocks.shape[:2]
    for task in prange(B * C):
        fill_plane(x, task // C, task % C, top, left, blocks)


@njit(cache=True)
def fill_plane(x, block, c, top, left, blocks):
    N, C, H, W = x.shape
    plane = blocks[block, c]
    plane[:] = 0
    for row in range(H):
        for lane in range(min(LANES, N - block * LANES)):
            for column in range(W):
                plane[top + row, left + column, lane] = x[block * LANES + lane, c, row, column]


@njit(parallel=True, cache=True)
def read_blocks(blocks, images, first, count):
    """Copy channels 0 … count−1 of the blocks to channels first … first+count−1 of images."""
    for task in prange(blocks.shape[0] * count):
        read_plane(blocks, task // count, task % count, images, first)


@njit(cache=True)
def read_plane(blocks, block, c, images, first):
    N, C, H, W = images.shape
    plane = blocks[block, c]
    for row in range(H):
        for lane in range(min(LANES, N - block * LANES)):
            for column in range(W):
                image = block * LANES + lane
                images[image, first + c, row, column] = plane[row, column, lane]
