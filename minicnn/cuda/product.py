"""The matrix product of convolutions and fully connected layers.

    out[m, n] = Σ_k a[m, k] · b[n, k]      + bias[m], if there is one

a, b and out are operands (operands.py): matrices, images, or the windows of images, which are read
and written where they are.  The sum runs over k, the depth of a and of b; m is a row of a, and n a
row of b.  Two kernels compute it.  `plain`, below, is the definition: one thread reads all factors
of one output by itself, and memory is the limit.  `tiled` (tiles.py) is what runs: a block of
threads computes a tile of outputs, and each number that it reads serves many of them.  The gain has
not been measured on a GPU yet; `minicnn bench --ops cuda` measures it.

    sizes    rows, columns, depth: how many m, n and k a group has; groups: how many there are

A product with few outputs and a long sum, such as dw, is split into parts.  Each part is computed
by blocks of its own; then one thread per output adds the parts up, in order.  The number of parts
depends on the shapes alone, and no two threads add to the same number.  So the result is the same,
bit for bit, each time and on every GPU.

Groups are a dimension of the grid, so one launch has the blocks of all groups: AlexNet has two, and
one group can be too small to fill a GPU.

With settings.tf32, all products of float32 run on tensor cores; tf32.py says what that costs in
precision.
"""

import functools
from collections import namedtuple

from .buffers import empty
from .device import flat
from .gpu import cuda, launch, launch_blocks
from .operands import MAPS, MATRIX, TAPS, Matrix, numbers
from .settings import settings
from .tiles import DOUBLE, LARGE, SMALL, Read, load_or_zero, threads, tiled

BLOCKS = 512  # a long sum is split until there are about this many blocks,
LEAST_DEPTH = 256  # … but no part is shorter than this

Sizes = namedtuple("Sizes", "rows columns depth groups", defaults=[1])


def product(a, b, out, sizes, bias=None, parts=1):
    """Write out[m, n] = Σ_k a[m, k]·b[n, k] (+ bias[m]), for each group.

    Parameters
    ----------
    a, b, out : pairs of a Kind and its operand
        Their arrays have one dtype.  In `out`, m is the row, and n takes the role of the depth.
    sizes : Sizes
        The numbers of m, n and k in a group, and the number of groups.  The operands' group_step is
        the distance between groups.
    bias : array, optional
        One number for each m of each group.
    parts : int
        The sum is split into this many parts, and each is written on its own: part p of group g
        where `out` has group p·groups + g.  A sum over the taps of windows has one part.
    """
    (a_kind, a), (b_kind, b), (out_kind, out) = a, b, out
    rows, columns, depth, groups = sizes
    if not rows * columns * groups:
        return
    sizes = Sizes(*numbers(*sizes))  # what the kernels take
    dtype = out.array.dtype
    if settings.plain:
        kernel = plain(a_kind, b_kind, out_kind, bias is not None)
        bias = out.array if bias is None else bias  # a dummy, which the kernel ignores
        launch(kernel, groups * rows * columns, a, b, out, bias, sizes)
        return
    tile = tile_for(rows, dtype)
    kernel = tiled(
        dtype.name, tile, read_pattern(a_kind, a), read_pattern(b_kind, b),
        out_kind, is_vectorizable(out_kind, out), bias is not None, is_tf32(dtype),
    )  # fmt: skip
    tiles_down, tiles_across = -(-rows // tile.ROWS), -(-columns // tile.COLUMNS)
    share = -(-depth // (parts * tile.DEPTH)) * tile.DEPTH  # depth of a part, in whole tiles
    bias = out.array if bias is None else bias  # as above
    grid = tiles_down * tiles_across, parts, groups
    launch_blocks(kernel, grid, threads(tile), a, b, out, bias, sizes, *numbers(tiles_down, share))


def split_product(a, b, shape, sizes, bias=None):
    """Return out[g, m, n] = Σ_k a[m, k]·b[n, k] (+ bias[n]) as an array of this shape.

    The sum may be split into parts.  The parameters are those of `product`, except for the bias:
    here it is one number for each n.
    """
    dtype = a[1].array.dtype
    out = empty(shape, dtype)
    if not out.size:
        return out
    parts = parts_for(sizes, tile_for(sizes.rows, dtype))
    is_direct = parts == 1 and bias is None
    partial = flat(out) if is_direct else empty((max(parts, 1) * out.size,), dtype)
    if parts:
        rows, columns = sizes.rows, sizes.columns
        target = Matrix(partial, *numbers(rows, columns, columns, 1, rows * columns))
        product(a, b, (MATRIX, target), sizes, parts=parts)
    if not is_direct:
        sum_parts(partial, parts, flat(out), bias)
    return out


def sum_parts(partial, parts, out, bias=None):
    """Write out[i] = partial[i] + partial[i + size] + … (+ bias[i mod its size]), in this order.

    All are flat; partial holds `parts` times as many numbers as out.  A sum of no parts is 0.
    """
    biases = 0 if bias is None else bias.size
    bias = out if bias is None else bias  # a dummy, which the kernel ignores
    partial = partial if parts else out
    launch(add_kernel, out.size, partial, *numbers(parts, biases), bias, out)


def parts_for(sizes, tile):
    """Return the number of parts of a sum: 0 if there is nothing to add."""
    rows, columns, depth, groups = sizes
    if settings.plain:
        return min(1, depth)
    blocks = -(-rows // tile.ROWS) * -(-columns // tile.COLUMNS) * groups
    return min(-(-BLOCKS // blocks), -(-depth // LEAST_DEPTH))


def tile_for(rows, dtype):
    """Return the tile that wastes the fewest rows; if two waste the same, the larger one."""
    if dtype.name == "float64":
        return DOUBLE
    return SMALL if -rows % SMALL.ROWS < -rows % LARGE.ROWS else LARGE


def is_tf32(dtype):
    """Return whether a product of this dtype runs on tensor cores."""
    return settings.tf32 and dtype.name == "float32"


def read_pattern(kind, operand):
    """Return the Read of an operand, such that neighbouring threads read neighbours in memory."""
    if kind is MATRIX:
        along = "depth" if operand.depth_step == 1 else "rows"
    else:
        along = "depth" if kind in (MAPS, TAPS) else "rows"
    return Read(kind, along, is_vectorizable(kind, operand))


def is_vectorizable(kind, operand):
    """Return whether neighbours can be moved four at a time, each four at a multiple of 4.

    For that, every line must begin at a multiple of 4 and have a length of one; windows never do.
    """
    if kind is MAPS:
        steps = [operand.row_step]  # pixels of an image; all other steps are multiples of it
    elif kind is MATRIX and operand.depth_step == 1:
        steps = operand.depth, operand.row_step, operand.group_step
    elif kind is MATRIX and operand.row_step == 1:
        steps = operand.rows, operand.depth_step, operand.group_step
    else:
        return False
    return all(step % 4 == 0 for step in steps) and is_aligned(operand.array)


def is_aligned(array):
    """Return whether an array begins at a multiple of 16 bytes, as all allocated memory does."""
    return array.device_ctypes_pointer.value % 16 == 0


@functools.cache
def plain(a_kind, b_kind, out_kind, biased):
    """Return the kernel that is the definition; its launch has one thread for each m and n."""

    @cuda.jit
    def plain_kernel(a, b, out, bias, sizes):
        i = cuda.grid(1)
        rows, columns, depth, groups = sizes
        if i < groups * rows * columns:
            group, m, n = i // columns // rows, i // columns % rows, i % columns
            total = out.array.dtype.type(0)
            for k in range(depth):
                a_index = a_kind.place(a, a_kind.row(a, group, m), a_kind.depth(a, group, k))
                b_index = b_kind.place(b, b_kind.row(b, group, n), b_kind.depth(b, group, k))
                total += load_or_zero(a.array, a_index) * load_or_zero(b.array, b_index)
            if biased:
                total += bias[group * rows + m]
            out_index = out_kind.place(
                out, out_kind.row(out, group, m), out_kind.depth(out, group, n)
            )
            out.array[out_index] = total

    return plain_kernel


@cuda.jit
def add_kernel(partial, parts, biases, bias, out):
    i = cuda.grid(1)
    if i < out.size:
        total = out.dtype.type(0)
        if biases:
            total = bias[i % biases]
        for part in range(parts):
            total += partial[part * out.size + i]
        out[i] = total
