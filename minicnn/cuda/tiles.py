"""The tiled product: a block of threads computes a tile of outputs together.

    a tile of a    (DEPTH, ROWS)       what the block works on now, in memory that its threads share
    a tile of b    (DEPTH, COLUMNS)    and that is as fast as registers are, almost
    sums           (TALL, BROAD)       the outputs of one thread, in registers

For each k a thread reads TALL + BROAD numbers from the tiles and multiplies each with each: 8 + 8
numbers, in four wide loads, for 64 multiplications.  And each number that comes from the GPU's
memory serves a whole row or column of the block's tile, 128 times.  There are two tiles of each:
while one is multiplied, the next is on its way from memory to registers, and then goes into the
other; so the threads wait for each other once a tile.

A thread's outputs are fours of neighbours, ROWS/2 and COLUMNS/2 apart where they are 8×8, and its
neighbours' fours lie beside them: so what 8 threads read is one piece of 128 bytes, and they never
get into each other's way.  For the same reason 4 places behind each line of a tile are unused.

Outputs behind the last row or column are computed, from zeros, and not written.
"""

import functools
from collections import namedtuple

import numpy as np

from .gpu import cuda
from .tf32 import by_fragments
from .vector_loads import inlined, load4, store4

Tile = namedtuple("Tile", "ROWS COLUMNS DEPTH TALL BROAD")
Read = namedtuple("Read", "kind along wide")  # how a block reads an operand; see `reader`

LARGE, SMALL = Tile(128, 128, 8, 8, 8), Tile(64, 128, 8, 8, 8)
DOUBLE = Tile(64, 64, 16, 4, 4)  # for float64: a register holds half of one
TINY = Tile(16, 16, 4, 4, 4)  # for the simulator, where a block of 256 threads takes a second
TWO_WARPS = Tile(64, 64, 8, 8, 8)  # for the simulator, too: the least for tensor cores

UNUSED = 4  # places behind each line of a tile


def threads(tile):
    """Return how many threads work on a tile."""
    return tile.ROWS // tile.TALL * (tile.COLUMNS // tile.BROAD)


@functools.cache
def tiled(dtype_name, tile, a_read, b_read, out_kind, wide_out, biased, tf32=False):
    """Return the kernel for operands of these kinds; see `product` for what it computes.

    With tf32 its threads multiply on tensor cores (tf32.py), and all else is the same.

    Block (x, part, group) of a launch computes tile x, counted down the columns: so blocks that run
    at the same time read the same rows of b, which in a convolution are the costly ones.  A column
    has tiles_down tiles, and a part has `share` of the depth.
    """
    dtype = getattr(np, dtype_name)
    ROWS, COLUMNS, DEPTH, TALL, BROAD = tile
    THREADS, SUMS = threads(tile), TALL * BROAD
    A_LINE, B_LINE = ROWS + UNUSED, COLUMNS + UNUSED
    A_TILE, B_TILE = DEPTH * A_LINE, DEPTH * B_LINE
    A_TILES, B_TILES = 2 * A_TILE, 2 * B_TILE
    A_SHARE, B_SHARE = ROWS * DEPTH // THREADS, COLUMNS * DEPTH // THREADS  # read by one thread
    way = by_fragments if tf32 else by_fours
    place, prepare, multiply, (U, V), (A_APART, B_APART) = way(tile, A_LINE, B_LINE)
    a_row, b_row = a_read.kind.row, b_read.kind.row
    out_row, out_column, _ = out_kind
    a_fetch, a_keep = reader(a_read, ROWS, DEPTH, THREADS)
    b_fetch, b_keep = reader(b_read, COLUMNS, DEPTH, THREADS)
    write = writer(out_kind, wide_out)

    @cuda.jit
    def tiled_kernel(a, b, out, bias, sizes, tiles_down, share):
        a_tiles = cuda.shared.array(A_TILES, dtype, alignment=16)
        b_tiles = cuda.shared.array(B_TILES, dtype, alignment=16)
        a_next = cuda.local.array(A_SHARE, dtype)
        b_next = cuda.local.array(B_SHARE, dtype)
        u = cuda.local.array(U, dtype)
        v = cuda.local.array(V, dtype)
        sums = cuda.local.array(SUMS, dtype)
        at = cuda.local.array(BROAD, np.int32)

        t = np.int32(cuda.threadIdx.x)
        x, part = np.int32(cuda.blockIdx.x), np.int32(cuda.blockIdx.y)
        group = np.int32(cuda.blockIdx.z)
        m_first, n_first = np.int32(x % tiles_down * ROWS), np.int32(x // tiles_down * COLUMNS)
        down, across = place(t)
        k_first = np.int32(part * share)
        k_stop = min(np.int32(k_first + share), sizes.depth)

        for i in range(SUMS):
            sums[i] = dtype(0)
        a_own = a_row(a, group, np.int32(m_first + t % ROWS))
        b_own = b_row(b, group, np.int32(n_first + t % COLUMNS))
        a_fetch(a, group, a_own, m_first, k_first, t, a_next)
        b_fetch(b, group, b_own, n_first, k_first, t, b_next)
        prepare(a_next)
        prepare(b_next)
        a_keep(a_next, t, a_tiles, 0)
        b_keep(b_next, t, b_tiles, 0)
        cuda.syncthreads()

        now = np.int32(0)  # which of the two tiles is being multiplied
        for k in range(k_first, k_stop, np.int32(DEPTH)):
            k_next = np.int32(k + DEPTH)
            if k_next < k_stop:
                a_fetch(a, group, a_own, m_first, k_next, t, a_next)
                b_fetch(b, group, b_own, n_first, k_next, t, b_next)
            multiply(a_tiles, now * A_TILE, b_tiles, now * B_TILE, t, u, v, sums)
            now = np.int32(1 - now)
            if k_next < k_stop:
                prepare(a_next)
                prepare(b_next)
                a_keep(a_next, t, a_tiles, now * A_TILE)
                b_keep(b_next, t, b_tiles, now * B_TILE)
            cuda.syncthreads()

        target = np.int32(part * cuda.gridDim.z + group)
        for j in range(BROAD):
            n = np.int32(n_first + across + j // 4 * B_APART + j % 4)
            at[j] = out_column(out, target, n)  # −1 behind the last column
        for i in range(TALL):
            m = np.int32(m_first + down + i // 4 * A_APART + i % 4)
            if m < sizes.rows:
                row = out_row(out, target, m)
                more = bias[group * sizes.rows + m] if biased else dtype(0)
                for j in range(0, BROAD, 4):
                    places = at[j], at[j + 1], at[j + 2], at[j + 3]
                    s = i * BROAD + j
                    four = (
                        sums[s] + more,
                        sums[s + 1] + more,
                        sums[s + 2] + more,
                        sums[s + 3] + more,
                    )
                    write(out, row, places, four)

    return tiled_kernel


def by_fours(tile, A_LINE, B_LINE):
    """Return how a thread works on a pair of tiles, whose lines are so long: five things.

    place(t)             the first row and column of thread t's outputs in the tile
    prepare(share)       what is done to numbers on their way to a tile: here, nothing
    multiply(a_tiles, a_at, b_tiles, b_at, t, u, v, sums)
                         add the products of the tiles that begin there to the thread's sums
    the sizes of u and v, registers for what it reads from the tiles
    how far its fours are apart, in rows and in columns
    """
    ROWS, COLUMNS, DEPTH, TALL, BROAD = tile
    A_APART, B_APART = ROWS // (TALL // 4), COLUMNS // (BROAD // 4)
    # A warp, the 32 threads that run in step, covers 4×8 of the tile's fours.
    DOWN, ACROSS = min(4, ROWS // TALL), min(8, COLUMNS // BROAD)
    WARPS_ACROSS = COLUMNS // BROAD // ACROSS

    @inlined
    def place(t):
        warp, lane = t // (DOWN * ACROSS), t % (DOWN * ACROSS)
        down = np.int32(4 * (warp // WARPS_ACROSS * DOWN + lane // ACROSS))
        return down, np.int32(4 * (warp % WARPS_ACROSS * ACROSS + lane % ACROSS))

    @inlined
    def prepare(share):
        pass

    @inlined
    def multiply(a_tiles, a_at, b_tiles, b_at, t, u, v, sums):
        down, across = place(t)
        for d in range(0, DEPTH, 2):
            for e in range(2):  # the compiler unrolls this, and then needs few other commands
                for i in range(0, TALL, 4):
                    i_at = a_at + (d + e) * A_LINE + i // 4 * A_APART + down
                    u[i], u[i + 1], u[i + 2], u[i + 3] = load4(a_tiles, i_at)
                for j in range(0, BROAD, 4):
                    j_at = b_at + (d + e) * B_LINE + j // 4 * B_APART + across
                    v[j], v[j + 1], v[j + 2], v[j + 3] = load4(b_tiles, j_at)
                for i in range(TALL):
                    for j in range(BROAD):
                        sums[i * BROAD + j] += u[i] * v[j]

    return place, prepare, multiply, (TALL, BROAD), (A_APART, B_APART)


def reader(read, SIZE, DEPTH, THREADS):
    """Return two functions: one fetches a thread's share of a tile, the other keeps it there.

    A tile is SIZE rows of an operand, DEPTH deep.  Neighbouring threads fetch neighbours along the
    rows or along the depth, whichever lie side by side in memory; a wide fetch takes four at once.

        fetch(operand, group, own, first_row, first_k, t, share)    from memory to registers
        keep(share, t, tiles, at)                                   on to the tile that begins there

    Where they fetch along the rows, thread t has one row of all tiles: `own` is what there is to
    know about it.  The share is small, and the loops over it are unrolled.  An index is given
    without its sign, as of each other one Numba's code asks whether it counts from the end.
    """
    kind_row, kind_depth, kind_place = read.kind
    LINE, SHARE = SIZE + UNUSED, SIZE * DEPTH // THREADS
    ACROSS = SIZE // 4 if read.along == "rows" else DEPTH // 4  # fours along what is fetched
    if not read.wide:
        ACROSS *= 4
    STEP = THREADS // ACROSS  # so many threads on, the others are one line further

    if read.along == "rows" and read.wide:

        @inlined
        def fetch(operand, group, own, first_row, first_k, t, share):
            row = kind_row(operand, group, np.int32(first_row + t % ACROSS * 4))
            for i in range(0, SHARE, 4):
                k = kind_depth(operand, group, np.int32(first_k + t // ACROSS + i // 4 * STEP))
                fill(share, i, operand.array, kind_place(operand, row, k))

        @inlined
        def keep(share, t, tiles, at):
            for i in range(0, SHARE, 4):
                line = at + (t // ACROSS + i // 4 * STEP) * LINE
                four = share[i], share[i + 1], share[i + 2], share[i + 3]
                store4(tiles, line + t % ACROSS * 4, four)

    elif read.along == "rows":

        @inlined
        def fetch(operand, group, own, first_row, first_k, t, share):
            for i in range(SHARE):
                k = kind_depth(operand, group, np.int32(first_k + t // ACROSS + i * STEP))
                share[i] = number(operand.array, kind_place(operand, own, k))

        @inlined
        def keep(share, t, tiles, at):
            for i in range(SHARE):
                line = at + (t // ACROSS + i * STEP) * LINE
                tiles[np.uint64(line + t % ACROSS)] = share[i]

    elif read.wide:

        @inlined
        def fetch(operand, group, own, first_row, first_k, t, share):
            k = kind_depth(operand, group, np.int32(first_k + t % ACROSS * 4))
            for i in range(0, SHARE, 4):
                row = kind_row(operand, group, np.int32(first_row + t // ACROSS + i // 4 * STEP))
                fill(share, i, operand.array, kind_place(operand, row, k))

        @inlined
        def keep(share, t, tiles, at):
            for i in range(SHARE):
                line = at + (t % ACROSS * 4 + i % 4) * LINE
                tiles[np.uint64(line + t // ACROSS + i // 4 * STEP)] = share[i]

    else:

        @inlined
        def fetch(operand, group, own, first_row, first_k, t, share):
            k = kind_depth(operand, group, np.int32(first_k + t % ACROSS))
            for i in range(SHARE):
                row = kind_row(operand, group, np.int32(first_row + t // ACROSS + i * STEP))
                share[i] = number(operand.array, kind_place(operand, row, k))

        @inlined
        def keep(share, t, tiles, at):
            for i in range(SHARE):
                line = at + t % ACROSS * LINE
                tiles[np.uint64(line + t // ACROSS + i * STEP)] = share[i]

    return fetch, keep


def writer(kind, wide):
    """Return the function that writes four numbers of a row, at four places of the depth.

    write(out, row, places, four)    row and places are what out_row and out_column gave
    """
    place = kind.place

    if wide:

        @inlined
        def write(out, row, places, four):
            if places[0] >= 0:
                store4(out.array, place(out, row, places[0]), four)

    else:

        @inlined
        def write(out, row, places, four):
            # written out, as the compiler knows more about places[0] than about places[i]
            if places[0] >= 0:
                out.array[place(out, row, places[0])] = four[0]
            if places[1] >= 0:
                out.array[place(out, row, places[1])] = four[1]
            if places[2] >= 0:
                out.array[place(out, row, places[2])] = four[2]
            if places[3] >= 0:
                out.array[place(out, row, places[3])] = four[3]

    return write


@inlined
def number(array, at):
    """array[at], or 0 where that is nowhere."""
    return array[at] if at >= 0 else array.dtype.type(0)


@inlined
def fill(share, i, array, at):
    """share[i … i+3] = the four numbers from array[at] on, or zeros where that is nowhere."""
    share[i] = share[i + 1] = share[i + 2] = share[i + 3] = array.dtype.type(0)
    if at >= 0:
        share[i], share[i + 1], share[i + 2], share[i + 3] = load4(array, at)
