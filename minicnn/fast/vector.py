"""Vectors: sixteen numbers that one instruction adds or multiplies.

Numba turns loops into vector instructions where it can prove that it may.  For the inner loop of
a convolution that is not enough: its sums must stay in registers, never in memory, and only the
author knows which ones.  So this file gives Numba one more type, a vector of LANES numbers, with
the few operations that the loop needs:

    load(a, i)         LANES neighbours a[i], a[i+1], …           store(a, i, v)   the way back
    spread(a, i)       the one number a[i] in every lane
    fma(u, v, acc)     u·v + acc, lane by lane, rounded once
    zero(a)            zeros, of the dtype of a

`a` is a flat contiguous array; i is not checked, so a wrong i reads or overwrites foreign memory.
LLVM splits a vector that is wider than the processor's registers: sixteen float32 lanes are one
register with AVX-512, two with AVX2, four on 64-bit Arm.  The same source serves all of them.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16


class Vector(types.Type):
    """The Numba type of a vector: LANES numbers of one dtype."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """How LLVM holds it."""

    def __init__(self, dmm, fe_type):
        number = dmm.lookup(fe_type.dtype).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(number, LANES))


def address(context, builder, array_type, array, i):
    """Return the pointer to a[i]."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [i])


def function(builder, name, result, *arguments):
    """Return LLVM's own function of this name."""
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(result, arguments), f"llvm.{name}"
    )


def suffix(vector):
    """Return how LLVM names the type: v16f32 or v16f64."""
    return f"v{vector.count}f{32 if isinstance(vector.element, ir.FloatType) else 64}"


@intrinsic
def load(typing_context, a, i):
    result = Vector(a.dtype)

    def codegen(context, builder, signature, arguments):
        vector = context.get_value_type(result)
        pointer = address(context, builder, signature.args[0], *arguments)
        pointer = builder.bitcast(pointer, vector.as_pointer())
        return builder.load(pointer, align=a.dtype.bitwidth // 8)

    return result(a, types.intp), codegen


@intrinsic
def store(typing_context, a, i, v):
    def codegen(context, builder, signature, arguments):
        array, i, value = arguments
        pointer = address(context, builder, signature.args[0], array, i)
        pointer = builder.bitcast(pointer, value.type.as_pointer())
        builder.store(value, pointer, align=a.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(a, types.intp, v), codegen


@intrinsic
def spread(typing_context, a, i):
    result = Vector(a.dtype)

    def codegen(context, builder, signature, arguments):
        vector = context.get_value_type(result)
        number = builder.load(address(context, builder, signature.args[0], *arguments))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        nothing = ir.Constant(vector, ir.Undefined)
        first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, nothing, zeros)

    return result(a, types.intp), codegen


@intrinsic
def zero(typing_context, a):
    """Return zeros of the dtype of a."""
    result = Vector(a.dtype)

    def codegen(context, builder, signature, arguments):
        return ir.Constant(context.get_value_type(result), [0.0] * LANES)

    return result(a), codegen


@intrinsic
def fma(typing_context, u, v, acc):
    def codegen(context, builder, signature, arguments):
        vector = arguments[0].type
        call = function(builder, f"fma.{suffix(vector)}", vector, vector, vector, vector)
        return builder.call(call, arguments)

    return u(u, v, acc), codegen
