"""Vector loads and stores: four neighbouring numbers, 128 bits, in one instruction.

    load4(a, i)            a[i], a[i+1], a[i+2], a[i+3], as a tuple
    store4(a, i, four)     the inverse
    device_function        decorates a function that kernels call

`a` is a flat contiguous array of 32-bit numbers, in the GPU's memory or in a block's shared memory.
It begins at a multiple of 16 bytes (shared.array has the keyword alignment=16), and i is a multiple
of 4.  Nothing checks that; a wrong i stops the kernel.  (For float64 the hardware needs two
instructions, of two numbers each.)  Numba has no such functions, so these emit LLVM's instructions,
like fast/vector.py.
"""

from llvmlite import ir
from numba import types
from numba.cuda.extending import intrinsic

from .gpu import cuda

device_function = cuda.jit(device=True)


@intrinsic
def load4(typing_context, a, i):
    def codegen(context, builder, signature, arguments):
        quad = builder.load(pointer(context, builder, signature, arguments))
        quad.align = 16
        numbers = [builder.extract_element(quad, index(j)) for j in range(4)]
        return context.make_tuple(builder, signature.return_type, numbers)

    return types.UniTuple(a.dtype, 4)(a, types.int64), codegen


@intrinsic
def store4(typing_context, a, i, four):
    def codegen(context, builder, signature, arguments):
        address = pointer(context, builder, signature, arguments)
        quad = ir.Constant(address.type.pointee, ir.Undefined)
        for j in range(4):
            number = builder.extract_value(arguments[2], j)
            quad = builder.insert_element(quad, number, index(j))
        builder.store(quad, address).align = 16
        return context.get_dummy_value()

    return types.void(a, types.int64, types.UniTuple(a.dtype, 4)), codegen


def pointer(context, builder, signature, arguments):
    """Return the address of a[i], as a pointer to a vector of four."""
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    vector = ir.VectorType(data.type.pointee, 4)
    space = getattr(data.type, "addrspace", 0)
    return builder.bitcast(builder.gep(data, [arguments[1]]), ir.PointerType(vector, space))


def index(j):
    return ir.Constant(ir.IntType(32), j)
