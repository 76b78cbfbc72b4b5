"""Blocks: sixteen images side by side, so that one vector holds the same pixel of all of them.

    x        (N, C, H, W)                    as everywhere
    blocks   (⌈N/16⌉, C, H_all, W_all, 16)   16 images a block; what is not image is zero

Whatever a layer does to one image it does to all sixteen: a loop over the last axis is one vector
instruction, whatever the shape of the images.
"""

from collections import namedtuple

import numpy as np
from numba import njit, prange

from .vector import LANES

# Where a kernel starts in the flat blocks, and how far the next block, channel, row and pixel lie.
Walk = namedtuple("Walk", "start block channel row pixel")


def walk(blocks, channel=0, row=0, column=0, stride=1):
    """Return the Walk from this channel, row and column in steps of `stride` pixels."""
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
    N, C, H, W = x.shape
    B, _, H_all, W_all, _ = blocks.shape
    for task in prange(B * C):
        block, c = task // C, task % C
        plane = blocks[block, c]
        if H_all > H or W_all > W or (block + 1) * LANES > N:
            plane[:] = 0
        for row in range(H):
            for lane in range(min(LANES, N - block * LANES)):
                for column in range(W):
                    plane[top + row, left + column, lane] = x[block * LANES + lane, c, row, column]


@njit(parallel=True, cache=True)
def read_blocks(blocks, x, first, count):
    """Copy channels 0 … count−1 of the blocks to channels first … first+count−1 of x."""
    N, _, H, W = x.shape
    for task in prange(blocks.shape[0] * count):
        block, c = task // count, task % count
        plane = blocks[block, c]
        for row in range(H):
            for lane in range(min(LANES, N - block * LANES)):
                for column in range(W):
                    x[block * LANES + lane, first + c, row, column] = plane[row, column, lane]
