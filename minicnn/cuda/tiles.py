"""The tiled product: a block of threads computes a tile of outputs together.

    a tile of a    (DEPTH, ROWS)                   the factors that the block is working on, in
    a tile of b    (DEPTH, COLUMNS)                shared memory, almost as fast as registers
    sums           (THREAD_ROWS, THREAD_COLUMNS)   the outputs of one thread, in registers

For each k a thread reads THREAD_ROWS + THREAD_COLUMNS numbers from the tiles and multiplies each by
each: 8 + 8 numbers, in four vector loads, for 64 multiplications.  And each number from the GPU's
memory serves a whole row or column of the block's tile, 128 times.  There are two tiles of each
operand: while the block multiplies one, the next is on its way from memory to registers, and then
goes into the other.  So the threads synchronize only once per tile.

A thread's outputs are groups of four neighbours, which are ROWS/2 and COLUMNS/2 apart for 8×8
outputs; the groups of the next thread are next to them.  So 8 threads read one piece of 128 bytes
without bank conflicts.  For the same reason each line of a tile is padded by 4 unused entries.

A thread's outputs are not neighbours of the next thread's.  So in the end the sums pass through
shared memory, where the tiles were, a quarter of the rows at a time.  Then the 32 threads of a warp
write 32 neighbours of one row, or 32 groups of four where a row can be written four at a time.
Counted in the emulator (verify/gpu/traffic.py): the outputs of AlexNet's conv2 for one image fill
23,360 sectors of 32 bytes.  These stores touch 28,480 of them; stores straight from each thread's
registers touched 105,088, and 186,624 on tensor cores.

Outputs past the last row or column are computed, from zeros, and not written.
"""

import functools
from collections import namedtuple

import numpy as np

from .gpu import cuda
from .tf32 import tensor_core_functions
from .vector_loads import device_function, load4, store4

Tile = namedtuple("Tile", "ROWS COLUMNS DEPTH THREAD_ROWS THREAD_COLUMNS")
Read = namedtuple("Read", "kind along vectorized")  # how a block reads an operand; see `reader`

LARGE, SMALL = Tile(128, 128, 8, 8, 8), Tile(64, 128, 8, 8, 8)
DOUBLE = Tile(64, 64, 16, 4, 4)  # for float64: a register holds half of one

LINE_PADDING = 4  # unused entries after each line of a tile


def threads(tile):
    """Return how many threads work on a tile."""
    return tile.ROWS // tile.THREAD_ROWS * (tile.COLUMNS // tile.THREAD_COLUMNS)


@functools.cache
def tiled(dtype_name, tile, a_read, b_read, out_kind, vectorized_out, biased, tf32=False):
    """Return the kernel for operands of these kinds; see `product` for what it computes.

    With tf32, its threads multiply on tensor cores (tf32.py); the rest is the same.

    Block (x, part, group) of a launch computes tile x, counted down the columns.  So blocks that
    run at the same time read the same rows of b, which are the expensive ones in a convolution.  A
    column has tiles_down tiles, and a part has `share` of the depth.
    """
    dtype = getattr(np, dtype_name)
    ROWS, COLUMNS, DEPTH, THREAD_ROWS, THREAD_COLUMNS = tile
    THREADS, SUMS = threads(tile), THREAD_ROWS * THREAD_COLUMNS
    A_LINE, B_LINE = ROWS + LINE_PADDING, COLUMNS + LINE_PADDING
    A_TILE, B_TILE = DEPTH * A_LINE, DEPTH * B_LINE
    A_TILES, ALL_TILES = 2 * A_TILE, 2 * A_TILE + 2 * B_TILE
    A_SHARE, B_SHARE = ROWS * DEPTH // THREADS, COLUMNS * DEPTH // THREADS  # read by one thread
    WIDTH = 4 if vectorized_out else 1  # outputs that a thread writes at once
    ACROSS = COLUMNS // WIDTH
    STEP = THREADS // ACROSS  # thread t + ACROSS writes the next line
    functions = tensor_core_functions if tf32 else cuda_core_functions
    position, prepare, multiply, (U, V), (A_DISTANCE, B_DISTANCE) = functions(tile, A_LINE, B_LINE)
    a_row, b_row = a_read.kind.row, b_read.kind.row
    out_row, out_column, out_place = out_kind
    a_fetch, a_store = reader(a_read, ROWS, DEPTH, THREADS)
    b_fetch, b_store = reader(b_read, COLUMNS, DEPTH, THREADS)
    write = write4 if vectorized_out else write1

    @cuda.jit
    def tiled_kernel(a, b, out, bias, sizes, tiles_down, share):
        tiles = cuda.shared.array(ALL_TILES, dtype, alignment=16)
        a_next = cuda.local.array(A_SHARE, dtype)
        b_next = cuda.local.array(B_SHARE, dtype)
        u = cuda.local.array(U, dtype)
        v = cuda.local.array(V, dtype)
        sums = cuda.local.array(SUMS, dtype)

        t = np.int32(cuda.threadIdx.x)
        x, part = np.int32(cuda.blockIdx.x), np.int32(cuda.blockIdx.y)
        group = np.int32(cuda.blockIdx.z)
        m_first, n_first = np.int32(x % tiles_down * ROWS), np.int32(x // tiles_down * COLUMNS)
        down, across = position(t)
        k_first = np.int32(part * share)
        k_stop = min(np.int32(k_first + share), sizes.depth)

        for i in range(SUMS):
            sums[i] = dtype(0)
        a_row_info = a_row(a, group, np.int32(m_first + t % ROWS))
        b_row_info = b_row(b, group, np.int32(n_first + t % COLUMNS))
        a_fetch(a, group, a_row_info, m_first, k_first, t, a_next)
        b_fetch(b, group, b_row_info, n_first, k_first, t, b_next)
        prepare(a_next)
        prepare(b_next)
        a_store(a_next, t, tiles, 0)
        b_store(b_next, t, tiles, A_TILES)
        cuda.syncthreads()

        current = np.int32(0)  # index of the tile that is being multiplied
        for k in range(k_first, k_stop, np.int32(DEPTH)):
            k_next = np.int32(k + DEPTH)
            if k_next < k_stop:
                a_fetch(a, group, a_row_info, m_first, k_next, t, a_next)
                b_fetch(b, group, b_row_info, n_first, k_next, t, b_next)
            multiply(tiles, current * A_TILE, A_TILES + current * B_TILE, t, u, v, sums)
            current = np.int32(1 - current)
            if k_next < k_stop:
                prepare(a_next)
                prepare(b_next)
                a_store(a_next, t, tiles, current * A_TILE)
                b_store(b_next, t, tiles, A_TILES + current * B_TILE)
            cuda.syncthreads()

        target = np.int32(part * cuda.gridDim.z + group)
        column = out_column(out, target, np.int32(n_first + t % ACROSS * WIDTH))  # −1 past the last
        for e in range(4):  # rows e, e + 4, e + 8 … of the tile, as lines 0, 1, 2 …
            for i in range(e, THREAD_ROWS, 4):
                line = np.int32((down + i // 4 * A_DISTANCE) // 4)
                m = np.int32(m_first + 4 * line + e)
                bias_m = bias[group * sizes.rows + m] if biased and m < sizes.rows else dtype(0)
                for j in range(0, THREAD_COLUMNS, 4):
                    s = i * THREAD_COLUMNS + j
                    four = (
                        sums[s] + bias_m,
                        sums[s + 1] + bias_m,
                        sums[s + 2] + bias_m,
                        sums[s + 3] + bias_m,
                    )
                    store4(tiles, line * B_LINE + across + j // 4 * B_DISTANCE, four)
            cuda.syncthreads()
            for i in range(ROWS // 4 // STEP):
                line = np.int32(t // ACROSS + i * STEP)
                m = np.int32(m_first + 4 * line + e)
                if m < sizes.rows and column >= 0:
                    place = out_place(out, out_row(out, target, m), column)
                    write(out.array, place, tiles, line * B_LINE + t % ACROSS * WIDTH)
            cuda.syncthreads()

    return tiled_kernel


@functools.cache
def cuda_core_functions(tile, A_LINE, B_LINE):
    """Return how a thread works on a pair of tiles with lines of these lengths: five things.

    position(t)          the first row and column of thread t's outputs in the tile
    prepare(share)       conversion of numbers on their way to a tile: here, none
    multiply(tiles, a_offset, b_offset, t, u, v, sums)
                         add the products of the tiles at these offsets to the thread's sums
    the sizes of u and v, registers for what the thread reads from the tiles
    the distance between its groups of four, in rows and in columns
    """
    ROWS, COLUMNS, DEPTH, THREAD_ROWS, THREAD_COLUMNS = tile
    A_DISTANCE, B_DISTANCE = ROWS // (THREAD_ROWS // 4), COLUMNS // (THREAD_COLUMNS // 4)
    # A warp, 32 threads that run in lockstep, covers 4×8 of the tile's groups of four.
    DOWN, ACROSS = min(4, ROWS // THREAD_ROWS), min(8, COLUMNS // THREAD_COLUMNS)
    WARPS_ACROSS = COLUMNS // THREAD_COLUMNS // ACROSS

    @device_function
    def position(t):
        warp, lane = t // (DOWN * ACROSS), t % (DOWN * ACROSS)
        down = np.int32(4 * (warp // WARPS_ACROSS * DOWN + lane // ACROSS))
        return down, np.int32(4 * (warp % WARPS_ACROSS * ACROSS + lane % ACROSS))

    @device_function
    def prepare(share):
        pass

    @device_function
    def multiply(tiles, a_offset, b_offset, t, u, v, sums):
        down, across = position(t)
        for d in range(0, DEPTH, 2):
            for e in range(2):  # the compiler unrolls this, which leaves few other instructions
                for i in range(0, THREAD_ROWS, 4):
                    u_offset = a_offset + (d + e) * A_LINE + i // 4 * A_DISTANCE + down
                    u[i], u[i + 1], u[i + 2], u[i + 3] = load4(tiles, u_offset)
                for j in range(0, THREAD_COLUMNS, 4):
                    v_offset = b_offset + (d + e) * B_LINE + j // 4 * B_DISTANCE + across
                    v[j], v[j + 1], v[j + 2], v[j + 3] = load4(tiles, v_offset)
                for i in range(THREAD_ROWS):
                    for j in range(THREAD_COLUMNS):
                        sums[i * THREAD_COLUMNS + j] += u[i] * v[j]

    return position, prepare, multiply, (THREAD_ROWS, THREAD_COLUMNS), (A_DISTANCE, B_DISTANCE)


@functools.cache
def reader(read, SIZE, DEPTH, THREADS):
    """Return two functions: one fetches a thread's share of a tile, the other stores it there.

    A tile is SIZE rows of an operand, DEPTH deep.  Neighbouring threads fetch neighbours along the
    rows or along the depth, whichever are adjacent in memory; a vectorized fetch loads four at
    once.

        fetch(operand, group, row_info, first_row, first_k, t, share)    from memory to registers
        store(share, t, tiles, offset)                                   to the tile at this offset

    When fetching along the rows, thread t has the same row of every tile, and row_info is what its
    operand knows about that row.  The share is small, and the loops over it are unrolled.  Indices
    are unsigned, because Numba tests every signed index for a count from the end.
    """
    kind_row, kind_depth, kind_place = read.kind
    LINE, SHARE = SIZE + LINE_PADDING, SIZE * DEPTH // THREADS
    ACROSS = SIZE // 4 if read.along == "rows" else DEPTH // 4  # groups of four in that direction
    if not read.vectorized:
        ACROSS *= 4
    STEP = THREADS // ACROSS  # thread t + STEP fetches the next line

    if read.along == "rows" and read.vectorized:

        @device_function
        def fetch(operand, group, row_info, first_row, first_k, t, share):
            row = kind_row(operand, group, np.int32(first_row + t % ACROSS * 4))
            for i in range(0, SHARE, 4):
                k = kind_depth(operand, group, np.int32(first_k + t // ACROSS + i // 4 * STEP))
                load4_or_zero(share, i, operand.array, kind_place(operand, row, k))

        @device_function
        def store(share, t, tiles, offset):
            for i in range(0, SHARE, 4):
                line = offset + (t // ACROSS + i // 4 * STEP) * LINE
                four = share[i], share[i + 1], share[i + 2], share[i + 3]
                store4(tiles, line + t % ACROSS * 4, four)

    elif read.along == "rows":

        @device_function
        def fetch(operand, group, row_info, first_row, first_k, t, share):
            for i in range(SHARE):
                k = kind_depth(operand, group, np.int32(first_k + t // ACROSS + i * STEP))
                share[i] = load_or_zero(operand.array, kind_place(operand, row_info, k))

        @device_function
        def store(share, t, tiles, offset):
            for i in range(SHARE):
                line = offset + (t // ACROSS + i * STEP) * LINE
                tiles[np.uint64(line + t % ACROSS)] = share[i]

    elif read.vectorized:

        @device_function
        def fetch(operand, group, row_info, first_row, first_k, t, share):
            k = kind_depth(operand, group, np.int32(first_k + t % ACROSS * 4))
            for i in range(0, SHARE, 4):
                row = kind_row(operand, group, np.int32(first_row + t // ACROSS + i // 4 * STEP))
                load4_or_zero(share, i, operand.array, kind_place(operand, row, k))

        @device_function
        def store(share, t, tiles, offset):
            for i in range(SHARE):
                line = offset + (t % ACROSS * 4 + i % 4) * LINE
                tiles[np.uint64(line + t // ACROSS + i // 4 * STEP)] = share[i]

    else:

        @device_function
        def fetch(operand, group, row_info, first_row, first_k, t, share):
            k = kind_depth(operand, group, np.int32(first_k + t % ACROSS))
            for i in range(SHARE):
                row = kind_row(operand, group, np.int32(first_row + t // ACROSS + i * STEP))
                share[i] = load_or_zero(operand.array, kind_place(operand, row, k))

        @device_function
        def store(share, t, tiles, offset):
            for i in range(SHARE):
                line = offset + t % ACROSS * LINE
                tiles[np.uint64(line + t // ACROSS + i * STEP)] = share[i]

    return fetch, store


@device_function
def write1(array, place, tiles, i):
    array[np.uint64(place)] = tiles[np.uint64(i)]


@device_function
def write4(array, place, tiles, i):
    store4(array, place, load4(tiles, i))


@device_function
def load_or_zero(array, offset):
    """array[offset], or 0 if offset is negative."""
    return array[offset] if offset >= 0 else array.dtype.type(0)


@device_function
def load4_or_zero(share, i, array, offset):
    """share[i … i+3] = the four numbers from array[offset] on, or zeros if offset is negative."""
    share[i] = share[i + 1] = share[i + 2] = share[i + 3] = array.dtype.type(0)
    if offset >= 0:
        share[i], share[i + 1], share[i + 2], share[i + 3] = load4(array, offset)
