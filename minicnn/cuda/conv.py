"""Convolution on the GPU: im2col that is never written.  The definition is reference/conv.py.

There, every window is copied into a column, and a matrix product multiplies the columns.  Here the
product (product.py) reads the windows where they lie in x, through the tables of operands.py.  For
dx it looks through windows of dy with the kernels turned around; for dw it multiplies dy with the
windows of x once more, in a long sum over all of them.

The bias is added where the product is written, and costs no pass over y.  ReLU is not: it is a row
of the network, and a convolution that did its work would be a third kind of row, to save 8 bytes of
traffic an output.

    x         (N, C, H, W)                 images
    w         (K, C/groups, f, f)          K kernels
    b         (K,)                         one bias a kernel
    y         (N, K, H_out, W_out)         K maps
    turned    (C, K/groups, f, f)          w with its first two axes changed, and turned around
    taps      a number                     C/groups·f·f: what a window and a kernel have
    pixels    a number                     N·H_out·W_out: outputs of a kernel
"""

import numpy as np

from ..checks import check_conv, check_gradient
from ..shapes import out_size
from .buffers import empty
from .device import flat, to_device
from .gpu import SIMULATED, THREADS, cuda, launch, launch_blocks, mark
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
from .product import BLOCKS, Sizes, add_parts, long_product, product
from .reductions import sum_of_block

SHARE = 64 if SIMULATED else 4096  # pixels that are at least worth a block of threads in db


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
        (MATRIX, rows_of(w, groups)),
        (WINDOWS, windows(x, groups, H_out, W_out, f, stride, pad)),
        (MAPS, maps(y, groups)),
        Sizes(K // groups, pixels, taps, groups),
        bias=b,
    )
    return y, (x, w, y.shape, stride, pad, groups)


def conv_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; dx is None where nobody needs it, as in the first layer."""
    x, w, y_shape, stride, pad, groups = cache
    check_gradient("conv", dy, y_shape, x.dtype)
    dy = to_device(dy)
    dx = backward_x(dy, cache) if need_dx else None
    if need_dx:
        dx.written = mark()  # for who waits for dx alone: see two_columns.py
    return dx, *backward_w(dy, cache)


def backward_x(dy, cache):
    """Return dx: for each pixel of x, all dy of windows that saw it, times the weights between.

    A window at row i of y saw pixel h through row u of the kernels if i·stride + u = h + pad.  So
    the pixel looks back through a window of dy that begins at h + pad − (f−1), with the kernels
    turned around, and with a stride only at every stride-th place of it.

    Places outside dy and between its pixels count as 0, and 0·∞ is NaN.  So where a weight is
    infinite or NaN, more pixels of dx are NaN than in the reference, which leaves these out.
    """
    x, w, _, stride, pad, groups = cache
    N, C, H, W = x.shape
    K, _, f, _ = w.shape
    turned = empty((C, K // groups, f, f), w.dtype)
    launch(turn_kernel, w.size, flat(w), *numbers(K // groups, C // groups, f * f), flat(turned))
    if stride == 1:
        seen = WINDOWS, windows(dy, groups, H, W, f, 1, f - 1 - pad)
    else:
        seen = SPREAD, spread_windows(dy, groups, H, W, f, stride, pad)
    dx = empty(x.shape, x.dtype)
    product(
        (MATRIX, rows_of(turned, groups)),
        seen,
        (MAPS, maps(dx, groups)),
        Sizes(C // groups, N * H * W, K // groups * f * f, groups),
    )
    return dx


def backward_w(dy, cache):
    """Return dw, db: dw[k, tap] = Σ dy[k, pixel] · x[tap of the window of this pixel]."""
    x, w, (N, K, H_out, W_out), stride, pad, groups = cache
    f, taps, pixels = w.shape[2], w.size // K, N * H_out * W_out
    dw = long_product(
        (MAPS, maps(dy, groups)),
        (TAPS, windows(x, groups, H_out, W_out, f, stride, pad)),
        w.shape,
        Sizes(K // groups, taps, pixels, groups),
    )
    return dw, backward_b(dy)


def backward_b(dy):
    """Return db: the sum of dy over all images and pixels, in parts."""
    N, K, H_out, W_out = dy.shape
    db = empty((K,), dy.dtype)
    pixels = N * H_out * W_out
    parts = min(-(-pixels // SHARE), -(-BLOCKS // K))
    partial = empty((max(parts, 1) * K,), dy.dtype)
    if parts:
        share = -(-pixels // parts)
        sizes = numbers(K, H_out * W_out, pixels, share)
        launch_blocks(sum_kernel, (K, parts), THREADS, flat(dy), *sizes, partial)
    add_parts(partial, parts, db)
    return db


def rows_of(w, groups):
    """Return kernels as a matrix: one a row, with its taps."""
    K, taps = w.shape[0], w.size // w.shape[0]
    return matrix(w, K // groups, taps, taps, 1, K // groups * taps)


@cuda.jit
def turn_kernel(w, K_group, C_group, area, turned):
    """turned[c, k, area − 1 − place] = w[k, c, place]; c counts on through the groups."""
    i = cuda.grid(1)
    if i < w.size:
        place, c, k = i % area, i // area % C_group, i // area // C_group
        c += k // K_group * C_group
        turned[(c * K_group + k % K_group) * area + area - 1 - place] = w[i]


@cuda.jit
def sum_kernel(dy, K, area, pixels, share, partial):
    """partial[part, k] = the sum of a share of map k's pixels: block (k, part) adds it up.

    Each thread adds every THREADS-th pixel of the share; then the block adds what its threads have.
    """
    shared = cuda.shared.array(THREADS, dy.dtype)
    t, k, part = cuda.threadIdx.x, cuda.blockIdx.x, cuda.blockIdx.y
    total = dy.dtype.type(0)
    for p in range(part * share + t, min((part + 1) * share, pixels), THREADS):
        image = np.int32(np.uint32(p) // np.uint32(area))
        total += dy[(image * K + k) * area + p - image * area]
    total = sum_of_block(total, shared)
    if t == 0:
        partial[part * K + k] = total
