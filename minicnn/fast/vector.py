"""Vectors: a few neighbours in memory that one instruction adds or multiplies.

Numba turns loops into vector instructions where it can prove that it may.  For the inner loop of
a convolution that is not enough: its sums must stay in registers, never in memory, and only the
author knows which ones.  So this file gives Numba one more type, a vector of LANES numbers, with
the few operations that the loop needs:

    load(a, i)               LANES neighbours a[i], a[i+1], …      store(a, i, v)   the way back
    spread(a, i)             the one number a[i] in every lane     number(a, i)     just a[i]
    fma(u, v, acc)           u·v + acc, lane by lane, rounded once
    plus, minus, times, over(u, v)   u + v, u − v, u·v, u / v
    root, power(v, w)        √v, v to the w
    total(v)                 the sum of the lanes
    zero(a)                  zeros, of the dtype of a
    same(a, value)           a value in every lane, of the dtype of a
    larger(u, v, a, b)       a where u > v, or where u is NaN and v is not; b elsewhere
    at_least(u, v)           v, or u where that is larger; a NaN in v stays

An intrinsic is written in two steps: its arguments are types, a is the type of an array; codegen
gets the values and writes the instructions.

`a` is a flat contiguous array; i is not checked, so a wrong i reads or overwrites foreign memory.
Small whole numbers may be kept in few bytes: store_whole(a, i, v) writes them, and
where(a, i, value, v) is v in the lanes where a holds this value, 0 elsewhere.

A vector here is two of the processor's registers full of float32: 32 lanes with AVX-512, 16 with
AVX2, 8 elsewhere (64-bit Arm).  Two, because then six vectors of sums, which is what product.py
keeps, are enough to hide how long a multiplication takes, and still leave registers for the
factors.  LLVM splits the vector into registers; float64 takes twice as many of them.
"""

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model


def lanes(features):
    """Return how many float32 two registers hold, from LLVM's table of what the processor can."""
    register = 64 if features.get("avx512f") else 32 if features.get("avx2") else 16  # bytes
    return 2 * register // 4


LANES = lanes(binding.get_host_cpu_features())


def whole_vectors(C):
    """Return C, rounded up to a multiple of LANES."""
    return -(-C // LANES) * LANES


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
    """Return how LLVM names the type: v16f32, say."""
    return f"v{vector.count}f{32 if isinstance(vector.element, ir.FloatType) else 64}"


def in_every_lane(builder, vector, value):
    """Return the vector of this type that holds LANES copies of the value."""
    nothing = ir.Constant(vector, ir.Undefined)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, zeros)


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
        value = builder.load(address(context, builder, signature.args[0], *arguments))
        return in_every_lane(builder, vector, value)

    return result(a, types.intp), codegen


@intrinsic
def number(typing_context, a, i):
    """Return a[i], as a plain number; a[i] itself would first ask whether i is below 0."""

    def codegen(context, builder, signature, arguments):
        return builder.load(address(context, builder, signature.args[0], *arguments))

    return a.dtype(a, types.intp), codegen


@intrinsic
def zero(typing_context, a):
    """Return zeros of the dtype of a."""
    result = Vector(a.dtype)

    def codegen(context, builder, signature, arguments):
        return ir.Constant(context.get_value_type(result), [0.0] * LANES)

    return result(a), codegen


@intrinsic
def same(typing_context, a, value):
    result = Vector(a.dtype)

    def codegen(context, builder, signature, arguments):
        vector = context.get_value_type(result)
        value = context.cast(builder, arguments[1], signature.args[1], a.dtype)
        return in_every_lane(builder, vector, value)

    return result(a, value), codegen


@intrinsic
def where(typing_context, a, i, value, v):
    """Return v in the lanes where the whole number a[i + lane] is this one, and 0 elsewhere."""

    def codegen(context, builder, signature, arguments):
        array, i, value, v = arguments
        whole = ir.VectorType(ir.IntType(a.dtype.bitwidth), LANES)
        pointer = address(context, builder, signature.args[0], array, i)
        numbers = builder.load(builder.bitcast(pointer, whole.as_pointer()), align=1)
        value = context.cast(builder, value, signature.args[2], a.dtype)
        wanted = in_every_lane(builder, whole, value)
        nothing = ir.Constant(v.type, [0.0] * LANES)
        return builder.select(builder.icmp_unsigned("==", numbers, wanted), v, nothing)

    return v(a, types.intp, value, v), codegen


@intrinsic
def store_whole(typing_context, a, i, v):
    def codegen(context, builder, signature, arguments):
        array, i, value = arguments
        whole = ir.VectorType(ir.IntType(a.dtype.bitwidth), LANES)
        pointer = address(context, builder, signature.args[0], array, i)
        numbers = builder.fptoui(value, whole)
        builder.store(numbers, builder.bitcast(pointer, whole.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(a, types.intp, v), codegen


@intrinsic
def larger(typing_context, u, v, a, b):
    def codegen(context, builder, signature, arguments):
        u, v, a, b = arguments
        larger_or_nan = builder.fcmp_unordered(">", u, v)
        first = builder.fcmp_ordered("ord", v, v)  # v is not NaN
        return builder.select(builder.and_(larger_or_nan, first), a, b)

    return u(u, u, u, u), codegen


@intrinsic
def at_least(typing_context, u, v):
    def codegen(context, builder, signature, arguments):
        u, v = arguments
        return builder.select(builder.fcmp_ordered(">", u, v), u, v)

    return u(u, v), codegen


def lane_by_lane(operation):
    """Return an intrinsic of two vectors, from the name of the instruction."""

    @intrinsic
    def intrinsic_of_two(typing_context, u, v):
        def codegen(context, builder, signature, arguments):
            return getattr(builder, operation)(*arguments)

        return u(u, u), codegen

    return intrinsic_of_two


plus, minus = lane_by_lane("fadd"), lane_by_lane("fsub")
times, over = lane_by_lane("fmul"), lane_by_lane("fdiv")


@intrinsic
def root(typing_context, v):
    def codegen(context, builder, signature, arguments):
        vector = arguments[0].type
        return builder.call(function(builder, f"sqrt.{suffix(vector)}", vector, vector), arguments)

    return v(v), codegen


@intrinsic
def power(typing_context, v, exponent):
    def codegen(context, builder, signature, arguments):
        vector = arguments[0].type
        call = function(builder, f"pow.{suffix(vector)}", vector, vector, vector)
        return builder.call(call, arguments)

    return v(v, exponent), codegen


@intrinsic
def fma(typing_context, u, v, acc):
    def codegen(context, builder, signature, arguments):
        vector = arguments[0].type
        call = function(builder, f"fma.{suffix(vector)}", vector, vector, vector, vector)
        return builder.call(call, arguments)

    return u(u, v, acc), codegen


@intrinsic
def total(typing_context, v):
    """Return the sum of all lanes, in an order that suits the processor."""

    def codegen(context, builder, signature, arguments):
        vector = arguments[0].type
        name = f"vector.reduce.fadd.{suffix(vector)}"
        call = function(builder, name, vector.element, vector.element, vector)
        nothing = ir.Constant(vector.element, 0.0)
        return builder.call(call, [nothing, *arguments], fastmath=("reassoc",))

    return v.dtype(v), codegen
