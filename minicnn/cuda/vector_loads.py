"""Four neighbours in memory at once: 128 bits are the most that one instruction of a GPU moves.

    load4(a, i)           a[i], a[i+1], a[i+2], a[i+3], a tuple
    store4(a, i, four)    the way back
    inlined               decorates a function for kernels, which has no kernel of its own

`a` is a flat contiguous array of numbers of 32 bits, in the GPU's memory or in a block's shared
memory, and begins at a multiple of 16 bytes (shared.array has the keyword alignment=16 for that);
i is a multiple of 4.  Nobody checks that, and a wrong i stops the kernel.  (Of float64 two
instructions move two numbers each.)  Numba has no such functions of its own, so these write the
instructions of LLVM, in the manner of fast/vector.py; in the simulator they are what the legend
says.
"""

from .gpu import SIMULATED, cuda

if SIMULATED:

    def inlined(f):
        return f

    @inlined
    def load4(a, i):
        return a[i], a[i + 1], a[i + 2], a[i + 3]

    @inlined
    def store4(a, i, four):
        a[i], a[i + 1], a[i + 2], a[i + 3] = four

else:
    inlined = cuda.jit(device=True)

    from llvmlite import ir
    from numba import types
    from numba.cuda.extending import intrinsic

    @intrinsic
    def load4(typing_context, a, i):
        def codegen(context, builder, signature, arguments):
            quad = builder.load(pointer(context, builder, signature, arguments))
            quad.align = 16
            numbers = [builder.extract_element(quad, place(j)) for j in range(4)]
            return context.make_tuple(builder, signature.return_type, numbers)

        return types.UniTuple(a.dtype, 4)(a, types.int64), codegen

    @intrinsic
    def store4(typing_context, a, i, four):
        def codegen(context, builder, signature, arguments):
            to = pointer(context, builder, signature, arguments)
            quad = ir.Constant(to.type.pointee, ir.Undefined)
            for j in range(4):
                number = builder.extract_value(arguments[2], j)
                quad = builder.insert_element(quad, number, place(j))
            builder.store(quad, to).align = 16
            return context.get_dummy_value()

        return types.void(a, types.int64, types.UniTuple(a.dtype, 4)), codegen

    def pointer(context, builder, signature, arguments):
        """Return a[i]'s address, as that of a vector of four."""
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        vector = ir.VectorType(data.type.pointee, 4)
        space = getattr(data.type, "addrspace", 0)
        return builder.bitcast(builder.gep(data, [arguments[1]]), ir.PointerType(vector, space))

    def place(j):
        return ir.Constant(ir.IntType(32), j)
