"""im2col: lay out every window of an image as one column, so that a convolution becomes one matrix product.

    x     (C, H, W)                    one image
    cols  (C·f·f, H_out·W_out)         column (y, x): the window whose corner is at (y·stride − pad, x·stride − pad)
    dx, dcols                          their gradients, same shapes

A pixel outside the image counts as zero.  That is the padding, and with ceil_mode also what the last windows read past
the far edge.  These are the only explicit loops of this backend; Numba compiles them, and with NUMBA_DISABLE_JIT=1
they run as the plain Python that they are.
"""

import numpy as np
from numba import njit


@njit(cache=True)
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


@njit(cache=True)
def col2im(dcols, shape, f, stride, pad, H_out, W_out):
    """Return dx: every entry of dcols goes back to the pixel that it was read from; windows overlap, so they add."""
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
