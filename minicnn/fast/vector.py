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

`a` is a flat contiguous array; i is not checked, so a wrong i reads or overwrites foreign memory.
Small whole numbers may be kept in few bytes: store_whole(a, i, v) writes them, and
where(a, i, value, v) is v in the lanes where a holds this value, 0 elsewhere.

Each operation is a Python function that says in NumPy what it does, with an array of LANES numbers
for a vector: so a kernel runs, slowly, as the Python that it is, in the stepper and with
NUMBA_DISABLE_JIT=1.  Below it stands how Numba compiles it: the types that it takes and returns,
where a is the type of an array, and a function that gets the values and writes the instructions.

A vector here is two of the processor's registers full of float32: 32 lanes with AVX-512, 16 with
AVX2, 8 elsewhere (64-bit Arm).  Two, because then six vectors of sums, which is what product.py
keeps, are enough to hide how long a multiplication takes, and still leave registers for the
factors.  LLVM splits the vector into registers; float64 takes twice as many of them.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, codegen, config
from numba.extending import (
    lower_builtin,
    models,
    register_model,
    type_callable,
)


def lanes(features):
    """Return how many float32 two registers hold, from LLVM's text: "+avx2,-avx512f", say."""
    register = 64 if "+avx512f" in features else 32 if "+avx2" in features else 16  # bytes
    return 2 * register // 4


def target_features():
    """Return what the processor that Numba compiles for can do, as LLVM writes it.

    Numba keeps compiled code by this text, and LANES is part of the code: so they must agree, also
    where NUMBA_CPU_FEATURES says something else than the processor.
    """
    given = config.CPU_FEATURES
    return codegen.get_host_cpu_features() if given is None else given


LANES = lanes(target_features())


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


def compiles(operation, signature):
    """Return a decorator for the function that writes an operation's instructions for Numba.

    `signature` returns the types of the result and the arguments from those of the arguments.
    """
    type_callable(operation)(lambda typing_context: signature)
    return lower_builtin(operation, types.VarArg(types.Any))


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


def load(a, i):
    return a[i : i + LANES].copy()


@compiles(load, lambda a, i: Vector(a.dtype)(a, types.intp))
def compile_load(context, builder, signature, arguments):
    vector = context.get_value_type(signature.return_type)
    pointer = address(context, builder, signature.args[0], *arguments)
    pointer = builder.bitcast(pointer, vector.as_pointer())
    return builder.load(pointer, align=signature.args[0].dtype.bitwidth // 8)


def store(a, i, v):
    a[i : i + LANES] = v


@compiles(store, lambda a, i, v: types.void(a, types.intp, v))
def compile_store(context, builder, signature, arguments):
    array, i, value = arguments
    pointer = address(context, builder, signature.args[0], array, i)
    pointer = builder.bitcast(pointer, value.type.as_pointer())
    builder.store(value, pointer, align=signature.args[0].dtype.bitwidth // 8)
    return context.get_dummy_value()


def spread(a, i):
    return np.full(LANES, a[i], a.dtype)


@compiles(spread, lambda a, i: Vector(a.dtype)(a, types.intp))
def compile_spread(context, builder, signature, arguments):
    vector = context.get_value_type(signature.return_type)
    value = builder.load(address(context, builder, signature.args[0], *arguments))
    return in_every_lane(builder, vector, value)


def number(a, i):
    """Return a[i]; compiled, a[i] itself would first ask whether i is below 0."""
    return a[i]


@compiles(number, lambda a, i: a.dtype(a, types.intp))
def compile_number(context, builder, signature, arguments):
    return builder.load(address(context, builder, signature.args[0], *arguments))


def zero(a):
    return np.zeros(LANES, a.dtype)


@compiles(zero, lambda a: Vector(a.dtype)(a))
def compile_zero(context, builder, signature, arguments):
    return ir.Constant(context.get_value_type(signature.return_type), [0.0] * LANES)


def same(a, value):
    return np.full(LANES, value, a.dtype)


@compiles(same, lambda a, value: Vector(a.dtype)(a, value))
def compile_same(context, builder, signature, arguments):
    vector, (a, given) = context.get_value_type(signature.return_type), signature.args
    value = context.cast(builder, arguments[1], given, a.dtype)
    return in_every_lane(builder, vector, value)


def where(a, i, value, v):
    """Return v in the lanes where the whole number a[i + lane] is this one, and 0 elsewhere."""
    return np.where(a[i : i + LANES] == value, v, v.dtype.type(0))


@compiles(where, lambda a, i, value, v: v(a, types.intp, value, v))
def compile_where(context, builder, signature, arguments):
    array, i, value, v = arguments
    dtype = signature.args[0].dtype
    whole = ir.VectorType(ir.IntType(dtype.bitwidth), LANES)
    pointer = address(context, builder, signature.args[0], array, i)
    numbers = builder.load(builder.bitcast(pointer, whole.as_pointer()), align=1)
    value = context.cast(builder, value, signature.args[2], dtype)
    wanted = in_every_lane(builder, whole, value)
    nothing = ir.Constant(v.type, [0.0] * LANES)
    return builder.select(builder.icmp_unsigned("==", numbers, wanted), v, nothing)


def store_whole(a, i, v):
    a[i : i + LANES] = v


@compiles(store_whole, lambda a, i, v: types.void(a, types.intp, v))
def compile_store_whole(context, builder, signature, arguments):
    array, i, value = arguments
    whole = ir.VectorType(ir.IntType(signature.args[0].dtype.bitwidth), LANES)
    pointer = address(context, builder, signature.args[0], array, i)
    numbers = builder.fptoui(value, whole)
    builder.store(numbers, builder.bitcast(pointer, whole.as_pointer()), align=1)
    return context.get_dummy_value()


def larger(u, v, a, b):
    return np.where(~(u <= v) & ~np.isnan(v), a, b)


@compiles(larger, lambda u, v, a, b: u(u, u, u, u))
def compile_larger(context, builder, signature, arguments):
    u, v, a, b = arguments
    larger_or_nan = builder.fcmp_unordered(">", u, v)
    first = builder.fcmp_ordered("ord", v, v)  # v is not NaN
    return builder.select(builder.and_(larger_or_nan, first), a, b)


def at_least(u, v):
    return np.where(u > v, u, v)


@compiles(at_least, lambda u, v: u(u, v))
def compile_at_least(context, builder, signature, arguments):
    u, v = arguments
    return builder.select(builder.fcmp_ordered(">", u, v), u, v)


def plus(u, v):
    return u + v


def minus(u, v):
    return u - v


def times(u, v):
    return u * v


def over(u, v):
    return u / v


def lane_by_lane(operation, instruction):
    """Let Numba compile an operation of two vectors to the instruction of this name."""

    @compiles(operation, lambda u, v: u(u, u))
    def compile_two(context, builder, signature, arguments):
        return getattr(builder, instruction)(*arguments)


lane_by_lane(plus, "fadd")
lane_by_lane(minus, "fsub")
lane_by_lane(times, "fmul")
lane_by_lane(over, "fdiv")


def root(v):
    return np.sqrt(v)


@compiles(root, lambda v: v(v))
def compile_root(context, builder, signature, arguments):
    vector = arguments[0].type
    return builder.call(function(builder, f"sqrt.{suffix(vector)}", vector, vector), arguments)


def power(v, w):
    return np.power(v, w)


@compiles(power, lambda v, w: v(v, w))
def compile_power(context, builder, signature, arguments):
    vector = arguments[0].type
    call = function(builder, f"pow.{suffix(vector)}", vector, vector, vector)
    return builder.call(call, arguments)


def fma(u, v, acc):
    return u * v + acc  # rounded twice; the instruction rounds once


@compiles(fma, lambda u, v, acc: u(u, v, acc))
def compile_fma(context, builder, signature, arguments):
    vector = arguments[0].type
    call = function(builder, f"fma.{suffix(vector)}", vector, vector, vector, vector)
    return builder.call(call, arguments)


def total(v):
    """Return the sum of all lanes, in an order that suits the processor."""
    return np.sum(v)


@compiles(total, lambda v: v.dtype(v))
def compile_total(context, builder, signature, arguments):
    vector = arguments[0].type
    name = f"vector.reduce.fadd.{suffix(vector)}"
    call = function(builder, name, vector.element, vector.element, vector)
    nothing = ir.Constant(vector.element, 0.0)
    return builder.call(call, [nothing, *arguments], fastmath=("reassoc",))
