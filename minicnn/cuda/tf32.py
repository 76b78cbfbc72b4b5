"""The product on tensor cores, in TF32: much faster, with 10 of a number's 23 bits.

    TF32      float32 with a mantissa of 10 bits: the relative rounding error is at most 2^−11
    warp      32 threads that run in lockstep; a thread is one of its lanes, 0 … 31
    mma       one instruction of a warp: C += A·B, where A is 16×8, B is 8×8, and C is 16×8
    fragment  the entries of such a matrix that one lane holds, in registers

NVIDIA's manual "PTX ISA", under "Matrix Fragments for mma.m16n8k8", .tf32, defines which lane holds
what.  With g = lane // 4, which is 0 … 7, and j = lane % 4:

    a0 = A[g, j]      a1 = A[g + 8, j]      a2 = A[g, j + 4]       a3 = A[g + 8, j + 4]
    b0 = B[j, g]      b1 = B[j + 4, g]
    c0 = C[g, 2j]     c1 = C[g, 2j + 1]     c2 = C[g + 8, 2j]      c3 = C[g + 8, 2j + 1]

A warp computes 64×32 outputs of its block's tile, with 16 mma's for each 8 of the depth.  We may
choose which of those rows an mma calls 0 … 15.  This choice lets each lane load four at a time: row
r of mma (p, q) is row 4r + p of the warp, and column c is column 4c + q, with p and q in 0 … 3.
Then four neighbours in the tile are the same entry of the fragments of four mma's, and six vector
loads serve all 16.  Also, index j of the depth is the tile's line 2j, and j + 4 is line 2j + 1,
because a sum may be added in any order.  So the 8 lanes that shared memory serves at once read
different banks.  In the end a lane has 8×8 sums: those of rows 4g … 4g + 3 and the same plus 32,
and of columns 8j … 8j + 7.

Both operands are rounded to the nearest TF32 number, ties away from zero.  Their product is then
exact, and is added in float32 (the manual leaves order and rounding open).  So a sum is off by up
to 2^−10 of the sum of its products' magnitudes.  For sums of 4,096 products of random numbers, the
root mean square error was 2.9e-4 of that of the sums, and the largest of 65,536 errors 1.3e-3.
These figures were computed by rounding the operands; they were not measured on a GPU.
"""

import functools

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import unpack_tuple
from numba.cuda.extending import intrinsic

from .vector_loads import device_function, load4

FLOAT, BITS = ir.FloatType(), ir.IntType(32)
WARP_ROWS, WARP_COLUMNS = 64, 32  # rows and columns of outputs that a warp computes


@functools.cache
def tensor_core_functions(tile, A_LINE, B_LINE):
    """Return how a thread works on tensor cores, in the form of tiles.cuda_core_functions."""
    ROWS, COLUMNS, DEPTH, THREAD_ROWS, THREAD_COLUMNS = tile
    WARPS_ACROSS = COLUMNS // WARP_COLUMNS
    if (
        ROWS % WARP_ROWS
        or COLUMNS % WARP_COLUMNS
        or DEPTH % 8
        or (THREAD_ROWS, THREAD_COLUMNS) != (8, 8)
    ):
        raise ValueError(
            f"tensor cores cannot share {tile}: a warp computes {WARP_ROWS}×{WARP_COLUMNS}"
        )

    @device_function
    def position(t):
        warp, g, j = t // 32, t % 32 // 4, t % 4
        down = np.int32(warp // WARPS_ACROSS * WARP_ROWS + 4 * g)
        return down, np.int32(warp % WARPS_ACROSS * WARP_COLUMNS + 8 * j)

    @device_function
    def prepare(share):
        for i in range(len(share)):
            share[i] = round_to_tf32(share[i])

    @device_function
    def multiply(tiles, a_offset, b_offset, t, u, v, sums):
        warp, g, j = t // 32, t % 32 // 4, t % 4
        a_first = a_offset + 2 * j * A_LINE + warp // WARPS_ACROSS * WARP_ROWS + 4 * g
        b_first = b_offset + 2 * j * B_LINE + warp % WARPS_ACROSS * WARP_COLUMNS + 4 * g
        for d in range(0, DEPTH, 8):
            for i in range(4):  # u[4·i + p] is aᵢ of the mma's (p, …)
                offset = a_first + (d + i // 2) * A_LINE + i % 2 * 32
                u[4 * i], u[4 * i + 1], u[4 * i + 2], u[4 * i + 3] = load4(tiles, offset)
            for i in range(2):  # v[4·i + q] is bᵢ of the mma's (…, q)
                offset = b_first + (d + i) * B_LINE
                v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3] = load4(tiles, offset)
            for p in range(4):
                a = u[p], u[4 + p], u[8 + p], u[12 + p]
                for q in range(4):
                    b = v[q], v[4 + q]
                    c0, c1, c2, c3 = 8 * p + q, 8 * p + q + 4, 8 * p + q + 32, 8 * p + q + 36
                    c = sums[c0], sums[c1], sums[c2], sums[c3]
                    sums[c0], sums[c1], sums[c2], sums[c3] = mma(a, b, c)

    return position, prepare, multiply, (16, 8), (32, 4)


@intrinsic
def round_to_tf32(typing_context, x):
    def codegen(context, builder, signature, arguments):
        convert = ir.InlineAsm(ir.FunctionType(BITS, [FLOAT]), "cvt.rna.tf32.f32 $0, $1;", "=r,f")
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
        result = builder.call(instruction, [*factors, *c], attrs=("convergent",))
        numbers = unpack_tuple(builder, result)
        return context.make_tuple(builder, signature.return_type, numbers)

    two, four = types.UniTuple(types.float32, 2), types.UniTuple(types.float32, 4)
    return four(four, two, four), codegen
