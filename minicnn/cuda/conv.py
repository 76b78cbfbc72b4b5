"""Convolution on the GPU: im2col without the matrix.  The definition is reference/conv.py.

The reference copies every window into a column, and multiplies the columns by the kernels.  Here
the product (product.py) reads each window where it is in x, through the tables of operands.py.  dx
is a product of the kernels, rotated by 180°, and windows of dy; dw is a product of dy and the
windows of x, with a long sum over all of them.

The product adds the bias when it writes y, so the bias costs no pass over y.  It does not apply a
ReLU: that would save 8 bytes of traffic per output, but need a third kind of convolution layer.

    x         (N, C, H, W)                 images
    w         (K, C/groups, f, f)          K kernels
    b         (K,)                         one bias per kernel
    y         (N, K, H_out, W_out)         K maps
    rotated   (C, K/groups, f, f)          w with its first two axes swapped, rotated by 180°
    taps      a number                     C/groups·f·f: entries of a window and of a kernel
    pixels    a number                     N·H_out·W_out: outputs of a kernel
"""

import numpy as np

from ..checks import check_cache, check_conv, check_gradient
from ..shapes import out_size
from .buffers import empty
from .device import DeviceArray, flat, to_device
from .gpu import THREADS, cuda, launch, launch_blocks, record_event
from .operands import (
    MAPS,
    MATRIX,
    SPREAD,
    TAPS,
    WINDOWS,
    maps,
    matrix,
    numbers,
    spread_windows,
    windows,
)
from .product import BLOCKS, Sizes, product, split_product, sum_parts
from .reductions import block_sum

LEAST_SHARE = 4096  # pixels, at least, that a block of threads sums for db


def conv_forward(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):
    """Return y and the cache that conv_backward needs."""
    stride, pad, groups, ceil_mode = check_conv(x, w, b, stride, pad, groups, ceil_mode)
    x, w, b = to_device(x), to_device(w), to_device(b)
    N, C, H, W = x.shape
    K, _, f, _ = w.shape
    H_out, W_out = out_size(H, f, stride, pad, ceil_mode), out_size(W, f, stride, pad, ceil_mode)

    taps, pixels = C // groups * f * f, N * H_out * W_out
    y = empty((N, K, H_out, W_out), x.dtype)
    product(
        (MATRIX, kernel_matrix(w, groups)),
        (WINDOWS, windows(x, groups, H_out, W_out, f, stride, pad)),
        (MAPS, maps(y, groups)),
        Sizes(K // groups, pixels, taps, groups),
        bias=b,
    )
    return y, (x, w, y.shape, stride, pad, groups)


def conv_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; with need_dx=False, as for the first layer, dx is None."""
    check_cache("conv", cache, DeviceArray, DeviceArray, tuple, int, int, int)
    x, w, y_shape, stride, pad, groups = cache
    check_gradient("conv", dy, y_shape, x.dtype)
    dy = to_device(dy)
    dx = backward_x(dy, cache) if need_dx else None
    if need_dx:
        dx.written = record_event()  # dx can be copied before dw is done, see two_columns.py
    return dx, *backward_w(dy, cache)


def backward_x(dy, cache):
    """Return dx: for each pixel of x, sum dy · w over all windows that contained it.

    The window at row i of y read pixel h through row u of the kernels if i·stride + u = h + pad.
    So dx reads a window of dy that begins at h + pad − (f−1), with the kernels rotated by 180°;
    with a stride, it reads only every stride-th position of the window.

    Positions outside dy and between its pixels count as 0, and 0·∞ is NaN.  So where a weight is
    infinite or NaN, more pixels of dx are NaN than in the reference, which skips these positions.
    """
    x, w, _, stride, pad, groups = cache
    N, C, H, W = x.shape
    K, _, f, _ = w.shape
    rotated = empty((C, K // groups, f, f), w.dtype)
    launch(rotate_kernel, w.size, flat(w), *numbers(K // groups, C // groups, f * f), flat(rotated))
    if stride == 1:
        dy_windows = WINDOWS, windows(dy, groups, H, W, f, 1, f - 1 - pad)
    else:
        dy_windows = SPREAD, spread_windows(dy, groups, H, W, f, stride, pad)
    dx = empty(x.shape, x.dtype)
    product(
        (MATRIX, kernel_matrix(rotated, groups)),
        dy_windows,
        (MAPS, maps(dx, groups)),
        Sizes(C // groups, N * H * W, K // groups * f * f, groups),
    )
    return dx


def backward_w(dy, cache):
    """Return dw, db: dw[k, tap] = Σ dy[k, pixel] · x[tap of the window of this pixel]."""
    x, w, (N, K, H_out, W_out), stride, pad, groups = cache
    f, taps, pixels = w.shape[2], w.size // K, N * H_out * W_out
    dw = split_product(
        (MAPS, maps(dy, groups)),
        (TAPS, windows(x, groups, H_out, W_out, f, stride, pad)),
        w.shape,
        Sizes(K // groups, taps, pixels, groups),
    )
    return dw, backward_b(dy)


def backward_b(dy):
    """Return db: the sum of dy over all images and pixels, computed in parts."""
    N, K, H_out, W_out = dy.shape
    db = empty((K,), dy.dtype)
    pixels = N * H_out * W_out
    parts = min(-(-pixels // LEAST_SHARE), -(-BLOCKS // K))
    partial = empty((max(parts, 1) * K,), dy.dtype)
    if parts:
        share = -(-pixels // parts)
        sizes = numbers(K, H_out * W_out, pixels, share)
        launch_blocks(sum_kernel, (K, parts), THREADS, flat(dy), *sizes, partial)
    sum_parts(partial, parts, db)
    return db


def kernel_matrix(w, groups):
    """Return kernels as a matrix: one kernel per row, with its taps."""
    K, taps = w.shape[0], w.size // w.shape[0]
    return matrix(w, K // groups, taps, taps, 1, K // groups * taps)


@cuda.jit
def rotate_kernel(w, K_group, C_group, area, rotated):
    """rotated[c, k, area − 1 − place] = w[k, c, place]; c counts on through the groups."""
    i = cuda.grid(1)
    if i < w.size:
        place, c, k = i % area, i // area % C_group, i // area // C_group
        c += k // K_group * C_group
        rotated[(c * K_group + k % K_group) * area + area - 1 - place] = w[i]


@cuda.jit
def sum_kernel(dy, K, area, pixels, share, partial):
    """partial[part, k] = the sum over one share of map k's pixels, computed by block (k, part).

    Each thread adds every THREADS-th pixel of the share; then the block sums its threads' values.
    """
    shared = cuda.shared.array(THREADS, dy.dtype)
    t, k, part = cuda.threadIdx.x, cuda.blockIdx.x, cuda.blockIdx.y
    total = dy.dtype.type(0)
    for p in range(part * share + t, min((part + 1) * share, pixels), THREADS):
        image = np.int32(np.uint32(p) // np.uint32(area))
        total += dy[(image * K + k) * area + p - image * area]
    total = block_sum(total, shared)
    if t == 0:
        partial[part * K + k] = total
