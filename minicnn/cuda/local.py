"""A locally connected layer on the GPU.  The definition is reference/local.py.

Each place of y has a matrix product of its own.  In the product (product.py) the places are groups,
so one launch computes all of them:

    y      = kernels · windows      for each place, (K, taps) by (taps, N)
    dw     = dy · windows           (K, N) by (N, taps)
    dslots = dy · kernels           (N, K) by (K, taps)

Here im2col does write its matrix: it is as large as the weights for `taps` and the batch for N.

    x         (N, C, H, W)                 images
    w         (H_out, W_out, K, C, f, f)   K kernels for each place
    b         (H_out, W_out, K) or (K,)    a bias for each of them, or one that all places share
    slots     (places, N, taps)            the window of each place and image; dslots likewise
    places    a number                     H_out·W_out
    taps      a number                     C·f·f
"""

from collections import namedtuple

from ..checks import check_cache, check_gradient, check_local
from .buffers import empty
from .device import DeviceArray, flat, to_device
from .gpu import cuda, launch, record_event
from .operands import MATRIX, matrix, numbers
from .product import Sizes, product, split_product

Geometry = namedtuple("Geometry", "N C H W H_out W_out f stride pad")


def local_forward(x, w, b, stride=1, pad=0):
    """Return y and the cache that local_backward needs."""
    stride, pad = check_local(x, w, b, stride, pad)
    x, w, b = to_device(x), to_device(w), to_device(b)
    geometry = geometry_of(x.shape, w.shape, stride, pad)
    N, K, places, taps = x.shape[0], *sizes_of(w)
    slots, y = laid_out(x, geometry), empty((N, K, *w.shape[:2]), x.dtype)
    biases = empty((places * K,), b.dtype)
    launch(repeat_kernel, biases.size, b.reshape(b.size), biases)
    product(
        (MATRIX, matrix(w, K, taps, taps, 1, K * taps)),  # w[place, k, tap]
        (MATRIX, matrix(slots, N, taps, taps, 1, N * taps)),  # slots[place, n, tap]
        (MATRIX, matrix(y, K, N, places, K * places, 1)),  # y[n, k, place]
        Sizes(K, N, taps, places),
        bias=biases,
    )
    return y, (x, w, b.shape, stride, pad)


def local_backward(dy, cache, need_dx=True):
    """Return dx, dw, db; with need_dx=False, as for the first layer, dx is None."""
    check_cache("local", cache, DeviceArray, DeviceArray, tuple, int, int)
    x, w, *_ = cache
    check_gradient("local", dy, (x.shape[0], w.shape[2], *w.shape[:2]), x.dtype)
    dy = to_device(dy)
    dx = backward_x(dy, cache) if need_dx else None
    if need_dx:
        dx.written = record_event()  # dx can be copied before dw is done, see two_columns.py
    return dx, *backward_w(dy, cache)


def backward_x(dy, cache):
    """Return dx: the gradient of every window, added up for every pixel."""
    x, w, _, stride, pad = cache
    N, K, places, taps = x.shape[0], *sizes_of(w)
    dslots = split_product(
        (MATRIX, matrix(dy, N, K, K * places, places, 1)),  # dy[n, k, place]
        (MATRIX, matrix(w, taps, K, 1, taps, K * taps)),  # w[place, k, tap]
        (places, N, taps),
        Sizes(N, taps, K, places),
    )
    dx = empty(x.shape, x.dtype)
    geometry = geometry_of(x.shape, w.shape, stride, pad)
    launch(collect_kernel, dx.size, flat(dslots), flat(dx), geometry)
    return dx


def backward_w(dy, cache):
    """Return dw, db: the sums over the images, for each place."""
    x, w, b_shape, stride, pad = cache
    N, K, places, taps = x.shape[0], *sizes_of(w)
    slots = laid_out(x, geometry_of(x.shape, w.shape, stride, pad))
    dw = split_product(
        (MATRIX, matrix(dy, K, N, places, K * places, 1)),  # dy[n, k, place]
        (MATRIX, matrix(slots, taps, N, 1, taps, N * taps)),  # slots[place, n, tap]
        w.shape,
        Sizes(K, taps, N, places),
    )
    db = empty(b_shape, dy.dtype)
    terms = flat(dy) if N else flat(db)  # a dummy, which the kernel does not read
    launch(bias_kernel, db.size, terms, flat(db), *numbers(N, K, places))
    return dw, db


def geometry_of(x_shape, w_shape, stride, pad):
    """Return the Geometry of a layer's arrays."""
    return Geometry(*numbers(*x_shape, *w_shape[:2], w_shape[4], stride, pad))


def sizes_of(w):
    """Return the numbers of kernels of a place, of places and of taps."""
    H_out, W_out, K, C, f, _ = w.shape
    return K, H_out * W_out, C * f * f


def laid_out(x, geometry):
    """Return the windows of all places and images: slots."""
    N, C, _, _, H_out, W_out, f, _, _ = map(int, geometry)
    slots = empty((H_out * W_out, N, C * f * f), x.dtype)
    launch(window_kernel, slots.size, flat(x), flat(slots), geometry)
    return slots


@cuda.jit
def window_kernel(x, slots, geometry):
    i = cuda.grid(1)
    N, C, H, W, H_out, W_out, f, stride, pad = geometry
    if i < slots.size:
        v, u, c = i % f, i // f % f, i // (f * f) % C
        n, place = i // (f * f * C) % N, i // (f * f * C * N)
        h, w = place // W_out * stride + u - pad, place % W_out * stride + v - pad
        inside = (0 <= h < H) & (0 <= w < W)
        slots[i] = x[((n * C + c) * H + h) * W + w] if inside else x.dtype.type(0)


@cuda.jit
def collect_kernel(dslots, dx, geometry):
    """Add, for each pixel, what it was in each window: it was entry (u, v) of place (row, column).

    The pixel at row h of x was row u of a window that begins at h + pad − u.
    """
    i = cuda.grid(1)
    N, C, H, W, H_out, W_out, f, stride, pad = geometry
    if i < dx.size:
        w, h, c, n = i % W, i // W % H, i // (W * H) % C, i // (W * H * C)
        total = dx.dtype.type(0)
        for u in range(f):
            top = h + pad - u
            row = top // stride
            if top >= 0 and row * stride == top and row < H_out:
                for v in range(f):
                    left = w + pad - v
                    column = left // stride
                    if left >= 0 and column * stride == left and column < W_out:
                        window = (row * W_out + column) * N + n
                        total += dslots[((window * C + c) * f + u) * f + v]
        dx[i] = total


@cuda.jit
def repeat_kernel(b, biases):
    """Repeat b for each place, if there is not a bias for each of them already."""
    i = cuda.grid(1)
    if i < biases.size:
        biases[i] = b[i % b.size]


@cuda.jit
def bias_kernel(dy, db, N, K, places):
    """Sum dy over the images, and over the places if they share their biases."""
    i = cuda.grid(1)
    if i < db.size:
        k, first, stop = i % K, i // K, i // K + 1
        if db.size == K:
            first, stop = 0, places
        total = db.dtype.type(0)
        for n in range(N):
            for place in range(first, stop):
                total += dy[(n * K + k) * places + place]
        db[i] = total
