"""im2col: every window of an image as one column, so that convolution is one matrix product.

    x             (C, H, W)               one image
    cols          (C·f·f, H_out·W_out)    a row is a place in the window, a column is a window
    dx, dcols     like x and cols         their gradients
    c, i, j       a place in the window: channel, row, column
    y_out, x_out  which window: it is column y_out·W_out + x_out of cols
    y_in, x_in    the pixel at that place of that window

A pixel outside the image counts as zero.  That is the padding, and with ceil_mode also what the
last windows read past the far edge.  These are the only explicit loops of this backend; Numba
compiles them, and with NUMBA_DISABLE_JIT=1 they run as the plain Python that they are.
"""

import numpy as np

from ..jit import njit


@njit
def im2col(x, f, stride, pad, H_out, W_out):
    """Return the windows of x as columns."""
    C, H, W = x.shape
    cols = np.zeros((C * f * f, H_out * W_out), x.dtype)
    for c in range(C):
        for i in range(f):
            for j in range(f):
                row = (c * f + i) * f + j  # one place in the window, for all windows
                for y_out in range(H_out):
                    for x_out in range(W_out):
                        y_in = y_out * stride + i - pad
                        x_in = x_out * stride + j - pad
                        if 0 <= y_in < H and 0 <= x_in < W:
                            cols[row, y_out * W_out + x_out] = x[c, y_in, x_in]
    return cols


@njit
def col2im(dcols, shape, f, stride, pad, H_out, W_out):
    """Return dx: each entry of dcols goes back to its pixel; add, because windows overlap."""
    C, H, W = shape
    dx = np.zeros((C, H, W), dcols.dtype)
    for c in range(C):
        for i in range(f):
            for j in range(f):
                row = (c * f + i) * f + j
                for y_out in range(H_out):
                    for x_out in range(W_out):
                        y_in = y_out * stride + i - pad
                        x_in = x_out * stride + j - pad
                        if 0 <= y_in < H and 0 <= x_in < W:
                            dx[c, y_in, x_in] += dcols[row, y_out * W_out + x_out]
    return dx
