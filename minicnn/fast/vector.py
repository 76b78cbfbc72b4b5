"""Vectors: LANES neighbouring numbers that one instruction adds or multiplies.

Numba turns a loop into vector instructions where it can prove that this is safe.  The inner loop of
a convolution needs more: its sums must stay in registers, and only the author knows which sums.  So
this file adds a type to Numba, a vector of LANES numbers, and the operations that kernels need,
under the names that SIMD instruction sets use:

    load(a, i)                      a[i], a[i+1], …, a[i+LANES−1]
    load_scalar(a, i)               a[i], one number
    load_splat(a, i)                a[i] in every lane
    splat(a, value)                 the value in every lane, in the dtype of a
    zero(a)                         0 in every lane, in the dtype of a
    store(a, i, v)                  the inverse of load
    load_part(a, i, count)          a[i], …, a[i+count−1] and zeros, or load(a, i) if count ≥ LANES
    store_part(a, i, v, count)      the inverse of load_part
    store_int(a, i, v)              store, converted to a's integers, which may be single bytes
    prefetch(a, i)                  begin to fetch the cache lines that load or store will need
    add, sub, mul, div(u, v)        u + v, u − v, u·v, u / v
    fma(u, v, acc)                  u·v + acc, rounded once
    sqrt(v), pow(v, w)              √v, v to the power of w
    reduce_add(v)                   the sum of all lanes, one number
    clamp_min(v, low)               low where low > v, else v: a NaN in v stays
    select_greater(u, v, a, b)      a where u > v, or where u is NaN and v is not; else b
    select_equal(a, i, value, v)    v where the integer a[i + lane] equals value, else 0

`a` is a flat contiguous array.  Nothing checks i: a wrong one reads or overwrites foreign memory.

Each operation is a Python function that defines it in NumPy, with an array of LANES numbers as the
vector.  So a kernel also runs, slowly, as the Python that it is: in the stepper, and with
NUMBA_DISABLE_JIT=1.  Below each definition stands its lowering: a signature, in which `a` is the
type of an array, and a function that emits LLVM instructions.

A vector fills two registers of the processor with float32: 32 lanes with AVX-512, 16 with AVX2, and
8 elsewhere (64-bit Arm).  Why two?  product.py keeps six vectors of sums.  Twelve registers of sums
hide the latency of a multiplication, and leave registers for the factors.  LLVM splits a vector
into registers; float64 takes twice as many.  The environment variable MINICNN_LANES asks for fewer.
"""

import os

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, codegen, config
from numba.extending import (
    lower_builtin,
    models,
    register_jitable,
    register_model,
    type_callable,
)


def lanes(features):
    """Return how many float32 two registers hold, by LLVM's feature list ("+avx2,-avx512f")."""
    register_bytes = 64 if "+avx512f" in features else 32 if "+avx2" in features else 16
    return 2 * register_bytes // 4


def target_features():
    """Return LLVM's feature list of the processor that Numba compiles for.

    Numba files compiled code under this list, and LANES is baked into the code, so the two must
    agree, even where NUMBA_CPU_FEATURES overrides what the processor has.
    """
    features = config.CPU_FEATURES
    return codegen.get_host_cpu_features() if features is None else features


def chosen_lanes():
    """Return MINICNN_LANES, or as many lanes as two registers hold if it is not set.

    Raises ValueError if it is not 8, 16 or 32, or if two registers hold fewer.
    """
    most = lanes(target_features())
    text = os.environ.get("MINICNN_LANES") or str(most)
    if text not in ("8", "16", "32") or int(text) > most:
        choices = ", ".join(str(count) for count in (8, 16, 32) if count <= most)
        raise ValueError(f"MINICNN_LANES is {text!r}; this processor allows {choices}")
    return int(text)


LANES = chosen_lanes()


@register_jitable
def round_up(C):
    """Return C rounded up to a multiple of LANES."""
    return -(-C // LANES) * LANES


class Vector(types.Type):
    """The Numba type of a vector: LANES numbers of one dtype."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """How LLVM represents a Vector."""

    def __init__(self, dmm, fe_type):
        element = dmm.lookup(fe_type.dtype).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(element, LANES))


def lowering(operation, signature):
    """Return a decorator for the function that emits an operation's LLVM instructions.

    `signature` maps the types of the arguments to the full signature: result and arguments.
    """
    type_callable(operation)(lambda typing_context: signature)
    return lower_builtin(operation, types.VarArg(types.Any))


def address(context, builder, array_type, array, i):
    """Return the pointer to a[i]."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [i])


def call_llvm(builder, name, result, arguments, **options):
    """Return the result, of this type, of LLVM's intrinsic function of this name."""
    signature = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}")
    return builder.call(function, arguments, **options)


def type_suffix(vector):
    """Return LLVM's name of a vector type, such as v16f32."""
    return f"v{vector.count}f{32 if isinstance(vector.element, ir.FloatType) else 64}"


def splat_value(builder, vector, value):
    """Return the vector of this type that holds the value in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    lane_0 = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    first = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, lane_0)


def load(a, i):
    return a[i : i + LANES].copy()


@lowering(load, lambda a, i: Vector(a.dtype)(a, types.intp))
def lower_load(context, builder, signature, arguments):
    vector = context.get_value_type(signature.return_type)
    pointer = address(context, builder, signature.args[0], *arguments)
    pointer = builder.bitcast(pointer, vector.as_pointer())
    return builder.load(pointer, align=signature.args[0].dtype.bitwidth // 8)


def store(a, i, v):
    a[i : i + LANES] = v


@lowering(store, lambda a, i, v: types.void(a, types.intp, v))
def lower_store(context, builder, signature, arguments):
    array, i, value = arguments
    pointer = address(context, builder, signature.args[0], array, i)
    pointer = builder.bitcast(pointer, value.type.as_pointer())
    builder.store(value, pointer, align=signature.args[0].dtype.bitwidth // 8)
    return context.get_dummy_value()


def is_whole(builder, count):
    """Return the bit that says whether a vector has all of its lanes."""
    return builder.icmp_signed(">=", count, ir.Constant(count.type, LANES))


def lane_mask(builder, count):
    """Return the vector of LANES bits whose first `count` are set; count is below LANES."""
    integers = ir.VectorType(ir.IntType(32), LANES)
    numbers = ir.Constant(integers, list(range(LANES)))
    count = builder.trunc(count, integers.element)
    return builder.icmp_signed("<", numbers, splat_value(builder, integers, count))


def load_part(a, i, count):
    v = np.zeros(LANES, a.dtype)
    v[: min(count, LANES)] = a[i : i + min(count, LANES)]
    return v


@lowering(load_part, lambda a, i, count: Vector(a.dtype)(a, types.intp, types.intp))
def lower_load_part(context, builder, signature, arguments):
    array, i, count = arguments
    vector = context.get_value_type(signature.return_type)
    pointer = address(context, builder, signature.args[0], array, i)
    pointer = builder.bitcast(pointer, vector.as_pointer())
    align = signature.args[0].dtype.bitwidth // 8
    with builder.if_else(is_whole(builder, count)) as (then, otherwise):
        with then:
            whole, whole_block = builder.load(pointer, align=align), builder.block
        with otherwise:
            mask, zeros = lane_mask(builder, count), ir.Constant(vector, [0.0] * LANES)
            name = f"masked.load.{type_suffix(vector)}.p0"
            masked = pointer, ir.IntType(32)(align), mask, zeros
            part, part_block = call_llvm(builder, name, vector, masked), builder.block
    value = builder.phi(vector)
    value.add_incoming(whole, whole_block)
    value.add_incoming(part, part_block)
    return value


def store_part(a, i, v, count):
    a[i : i + min(count, LANES)] = v[:count]


@lowering(store_part, lambda a, i, v, count: types.void(a, types.intp, v, types.intp))
def lower_store_part(context, builder, signature, arguments):
    array, i, value, count = arguments
    pointer = address(context, builder, signature.args[0], array, i)
    pointer = builder.bitcast(pointer, value.type.as_pointer())
    align = signature.args[0].dtype.bitwidth // 8
    with builder.if_else(is_whole(builder, count)) as (then, otherwise):
        with then:
            builder.store(value, pointer, align=align)
        with otherwise:
            name, align = f"masked.store.{type_suffix(value.type)}.p0", ir.IntType(32)(align)
            masked = value, pointer, align, lane_mask(builder, count)
            call_llvm(builder, name, ir.VoidType(), masked)
    return context.get_dummy_value()


def prefetch(a, i):
    """Do nothing: it changes no number."""


@lowering(prefetch, lambda a, i: types.void(a, types.intp))
def lower_prefetch(context, builder, signature, arguments):
    array, i = arguments
    number = ir.IntType(32)
    step = 64 * 8 // signature.args[0].dtype.bitwidth
    for first in range(0, LANES, step):
        place = builder.add(i, ir.Constant(i.type, first))
        pointer = address(context, builder, signature.args[0], array, place)
        pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        hints = number(1), number(3), number(1)
        call_llvm(builder, "prefetch.p0", ir.VoidType(), (pointer, *hints))
    return context.get_dummy_value()


def load_splat(a, i):
    return np.full(LANES, a[i], a.dtype)


@lowering(load_splat, lambda a, i: Vector(a.dtype)(a, types.intp))
def lower_load_splat(context, builder, signature, arguments):
    vector = context.get_value_type(signature.return_type)
    value = builder.load(address(context, builder, signature.args[0], *arguments))
    return splat_value(builder, vector, value)


def load_scalar(a, i):
    """Return a[i] without Python's check for a negative index."""
    return a[i]


@lowering(load_scalar, lambda a, i: a.dtype(a, types.intp))
def lower_load_scalar(context, builder, signature, arguments):
    return builder.load(address(context, builder, signature.args[0], *arguments))


def zero(a):
    return np.zeros(LANES, a.dtype)


@lowering(zero, lambda a: Vector(a.dtype)(a))
def lower_zero(context, builder, signature, arguments):
    return ir.Constant(context.get_value_type(signature.return_type), [0.0] * LANES)


def splat(a, value):
    return np.full(LANES, value, a.dtype)


@lowering(splat, lambda a, value: Vector(a.dtype)(a, value))
def lower_splat(context, builder, signature, arguments):
    vector = context.get_value_type(signature.return_type)
    array_type, value_type = signature.args
    value = context.cast(builder, arguments[1], value_type, array_type.dtype)
    return splat_value(builder, vector, value)


def select_equal(a, i, value, v):
    """Return v in the lanes where the integer a[i + lane] equals value, and 0 elsewhere."""
    return np.where(a[i : i + LANES] == value, v, v.dtype.type(0))


@lowering(select_equal, lambda a, i, value, v: v(a, types.intp, value, v))
def lower_select_equal(context, builder, signature, arguments):
    array, i, value, v = arguments
    dtype = signature.args[0].dtype
    integers = ir.VectorType(ir.IntType(dtype.bitwidth), LANES)
    pointer = address(context, builder, signature.args[0], array, i)
    numbers = builder.load(builder.bitcast(pointer, integers.as_pointer()), align=1)
    value = context.cast(builder, value, signature.args[2], dtype)
    wanted = splat_value(builder, integers, value)
    zeros = ir.Constant(v.type, [0.0] * LANES)
    return builder.select(builder.icmp_unsigned("==", numbers, wanted), v, zeros)


def store_int(a, i, v):
    a[i : i + LANES] = v


@lowering(store_int, lambda a, i, v: types.void(a, types.intp, v))
def lower_store_int(context, builder, signature, arguments):
    array, i, value = arguments
    integers = ir.VectorType(ir.IntType(signature.args[0].dtype.bitwidth), LANES)
    pointer = address(context, builder, signature.args[0], array, i)
    numbers = builder.fptoui(value, integers)
    builder.store(numbers, builder.bitcast(pointer, integers.as_pointer()), align=1)
    return context.get_dummy_value()


def select_greater(u, v, a, b):
    return np.where(~(u <= v) & ~np.isnan(v), a, b)


@lowering(select_greater, lambda u, v, a, b: u(u, u, u, u))
def lower_select_greater(context, builder, signature, arguments):
    u, v, a, b = arguments
    greater_or_nan = builder.fcmp_unordered(">", u, v)
    v_is_number = builder.fcmp_ordered("ord", v, v)
    return builder.select(builder.and_(greater_or_nan, v_is_number), a, b)


def clamp_min(v, low):
    return np.where(low > v, low, v)


@lowering(clamp_min, lambda v, low: v(v, low))
def lower_clamp_min(context, builder, signature, arguments):
    v, low = arguments
    return builder.select(builder.fcmp_ordered(">", low, v), low, v)


def add(u, v):
    return u + v


def sub(u, v):
    return u - v


def mul(u, v):
    return u * v


def div(u, v):
    return u / v


def lower_elementwise(operation, instruction):
    """Lower an operation on two vectors to one LLVM instruction, such as fadd."""

    @lowering(operation, lambda u, v: u(u, u))
    def lower_binary(context, builder, signature, arguments):
        return getattr(builder, instruction)(*arguments)


lower_elementwise(add, "fadd")
lower_elementwise(sub, "fsub")
lower_elementwise(mul, "fmul")
lower_elementwise(div, "fdiv")


def sqrt(v):
    return np.sqrt(v)


def pow(v, w):
    return np.power(v, w)


def fma(u, v, acc):
    return u * v + acc  # rounded twice; the instruction rounds once


def lower_call(operation, signature):
    """Lower an operation on vectors to LLVM's intrinsic function of the same name."""

    @lowering(operation, signature)
    def lower_operation(context, builder, _, arguments):
        vector = arguments[0].type
        return call_llvm(builder, f"{operation.__name__}.{type_suffix(vector)}", vector, arguments)


lower_call(sqrt, lambda v: v(v))
lower_call(pow, lambda v, w: v(v, w))
lower_call(fma, lambda u, v, acc: u(u, v, acc))


def reduce_add(v):
    """Return the sum of all lanes, added in whatever order the processor prefers."""
    return np.sum(v)


@lowering(reduce_add, lambda v: v.dtype(v))
def lower_reduce_add(context, builder, signature, arguments):
    vector = arguments[0].type
    name = f"vector.reduce.fadd.{type_suffix(vector)}"
    start = ir.Constant(vector.element, 0.0)
    return call_llvm(builder, name, vector.element, (start, *arguments), fastmath=("reassoc",))
