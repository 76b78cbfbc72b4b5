"""The product on tensor cores, in TF32: much less work, with 10 bits of a number's 23.

    TF32      float32 with a mantissa of 10 bits: a number is off by up to 2^−11 of itself
    warp      32 threads that run in step; a thread is one of its lanes, 0 … 31
    mma       one instruction of a warp: C += A·B, where A is 16×8, B is 8×8, and C is 16×8
    fragment  what one lane holds of such a matrix, in registers

Which lane holds what is laid down in NVIDIA's manual "PTX ISA", under "Matrix Fragments for
mma.m16n8k8", .tf32.  With g = lane // 4, which is 0 … 7, and j = lane % 4:

    a0 = A[g, j]      a1 = A[g + 8, j]      a2 = A[g, j + 4]       a3 = A[g + 8, j + 4]
    b0 = B[j, g]      b1 = B[j + 4, g]
    c0 = C[g, 2j]     c1 = C[g, 2j + 1]     c2 = C[g + 8, 2j]      c3 = C[g + 8, 2j + 1]

A warp computes 64×32 outputs of its block's tile, with 16 mma's for each 8 of the depth.  Which of
those rows an mma calls 0 … 15 is for us to say, and this choice lets each lane read by fours: row r
of mma (p, q) is row 4r + p of the warp's, and column c is column 4c + q, where p and q are 0 … 3.
Then four neighbours in the tile are the same entry of the fragments of four mma's, and six wide
loads serve all 16.  And place j of the depth is the tile's line 2j, and j + 4 is 2j + 1: a sum may
be added up in any order, and so the 8 lanes that shared memory serves at once read from 8 lines or
fours that do not get into each other's way.  What a lane has in the end are 8×8 sums: those of rows
4g … 4g + 3 and 32 further on, and of columns 8j … 8j + 7.

Both operands are rounded to the nearest number of TF32, a half away from zero; their product is
then exact, and is added in float32 (in which order, and how that is rounded, the manual leaves
open).  So a sum is off by up to 2^−10 of the sum of its products' sizes.  Of sums of 4,096 products
of random numbers, the error was 2.9e-4 of the sums' own size on average (root mean square), and
1.3e-3 at worst among 65,536 of them; computed by rounding the operands, and not measured on a GPU.
"""

import numpy as np

from .gpu import SIMULATED
from .vector_loads import inlined, load4

DOWN, ACROSS = 64, 32  # rows and columns of a tile that a warp computes


def by_fragments(tile, A_LINE, B_LINE):
    """Return how a thread works on tensor cores, in the form of tiles.by_fours."""
    ROWS, COLUMNS, DEPTH, TALL, BROAD = tile
    WARPS_ACROSS = COLUMNS // ACROSS
    if ROWS % DOWN or COLUMNS % ACROSS or DEPTH % 8 or (TALL, BROAD) != (8, 8):
        raise ValueError(f"tensor cores cannot share {tile}: a warp computes {DOWN}×{ACROSS}")

    @inlined
    def place(t):
        warp, g, j = t // 32, t % 32 // 4, t % 4
        down = np.int32(warp // WARPS_ACROSS * DOWN + 4 * g)
        return down, np.int32(warp % WARPS_ACROSS * ACROSS + 8 * j)

    @inlined
    def prepare(share):
        for i in range(len(share)):
            share[i] = rounded(share[i])

    @inlined
    def multiply(a_tiles, a_at, b_tiles, b_at, t, u, v, sums):
        warp, g, j = t // 32, t % 32 // 4, t % 4
        a_first = a_at + 2 * j * A_LINE + warp // WARPS_ACROSS * DOWN + 4 * g
        b_first = b_at + 2 * j * B_LINE + warp % WARPS_ACROSS * ACROSS + 4 * g
        for d in range(0, DEPTH, 8):
            for i in range(4):  # u[4·i + p] is aᵢ of the mma's (p, …)
                at = a_first + (d + i // 2) * A_LINE + i % 2 * 32
                u[4 * i], u[4 * i + 1], u[4 * i + 2], u[4 * i + 3] = load4(a_tiles, at)
            for i in range(2):  # v[4·i + q] is bᵢ of the mma's (…, q)
                at = b_first + (d + i) * B_LINE
                v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3] = load4(b_tiles, at)
            for p in range(4):
                a = u[p], u[4 + p], u[8 + p], u[12 + p]
                for q in range(4):
                    b = v[q], v[4 + q]
                    c0, c1, c2, c3 = 8 * p + q, 8 * p + q + 4, 8 * p + q + 32, 8 * p + q + 36
                    c = sums[c0], sums[c1], sums[c2], sums[c3]
                    sums[c0], sums[c1], sums[c2], sums[c3] = mma(a, b, c)

    return place, prepare, multiply, (16, 8), (32, 4)


if SIMULATED:
    from numba.cuda.simulator import kernel as running

    def rounded(x):
        """Return x in TF32: the nearest, of two the one further from zero."""
        if not np.isfinite(x):
            return x
        bits = np.float32(x).view(np.uint32) + np.uint32(0x1000)  # half of the last bit that stays
        return (bits & np.uint32(0xFFFFE000)).view(np.float32)

    def mma(a, b, c):
        """Return the lane's c0 … c3 of C + A·B; a, b and c are its fragments.

        Each lane writes down the entries that it holds, at their places in A and B; when all have,
        it reads what its own entries of C need.  The lanes of all warps have to come here together.
        """
        cuda = running._get_kernel_context()
        t, warps = cuda.threadIdx.x, cuda.blockDim.x // 32
        A_of_all = cuda.shared.array((warps, 16, 8), np.float32)
        B_of_all = cuda.shared.array((warps, 8, 8), np.float32)
        A, B, g, j = A_of_all[t // 32], B_of_all[t // 32], t % 32 // 4, t % 4
        A[g, j], A[g + 8, j], A[g, j + 4], A[g + 8, j + 4] = a
        B[j, g], B[j + 4, g] = b
        c0, c1, c2, c3 = c
        cuda.syncthreads()
        for k in range(8):
            c0, c1 = c0 + A[g, k] * B[k, 2 * j], c1 + A[g, k] * B[k, 2 * j + 1]
            c2, c3 = c2 + A[g + 8, k] * B[k, 2 * j], c3 + A[g + 8, k] * B[k, 2 * j + 1]
        cuda.syncthreads()
        return c0, c1, c2, c3

else:
    from llvmlite import ir
    from numba import types
    from numba.core.cgutils import unpack_tuple
    from numba.cuda.extending import intrinsic

    FLOAT, BITS = ir.FloatType(), ir.IntType(32)

    @intrinsic
    def rounded(typing_context, x):
        def codegen(context, builder, signature, arguments):
            convert = ir.InlineAsm(
                ir.FunctionType(BITS, [FLOAT]), "cvt.rna.tf32.f32 $0, $1;", "=r,f"
            )
            return builder.bitcast(builder.call(convert, arguments), FLOAT)

        return types.float32(types.float32), codegen

    @intrinsic
    def mma(typing_context, a, b, c):
        def codegen(context, builder, signature, arguments):
            instruction = ir.InlineAsm(
                ir.FunctionType(ir.LiteralStructType([FLOAT] * 4), [BITS] * 6 + [FLOAT] * 4),
                "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                "{$0,$1,$2,$3}, {$4,$5,$6,$7}, {$8,$9}, {$10,$11,$12,$13};",
                "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f",
                side_effect=True,
            )
            a, b, c = (unpack_tuple(builder, fragment) for fragment in arguments)
            factors = [builder.bitcast(q, BITS) for q in (*a, *b)]
            done = builder.call(instruction, [*factors, *c], attrs=("convergent",))
            numbers = unpack_tuple(builder, done)
            return context.make_tuple(builder, signature.return_type, numbers)

        two, four = types.UniTuple(types.float32, 2), types.UniTuple(types.float32, 4)
        return four(four, two, four), codegen
