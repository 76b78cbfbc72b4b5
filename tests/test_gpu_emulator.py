"""The emulator of a GPU: instructions against exact arithmetic; a planted fault of each kind."""

import math
from fractions import Fraction

import numpy as np
import pytest

from minicnn import cuda, errors
from minicnn.cuda import gpu, two_columns
from minicnn.cuda.gpu import cuda as numba_cuda
from minicnn.cuda.tf32 import mma, round_to_tf32
from minicnn.cuda.vector_loads import load4
from minicnn.verify import gpu as emulator
from minicnn.verify.gpu.execution import Program
from minicnn.verify.gpu.memory import GIVEN, WRITTEN, DeviceMemory
from minicnn.verify.gpu.ptx import Kernel

PTX = """
.version 8.8
.target sm_90
.func (.param .{kind} back) f(.param .{kind} given)
{{
    .reg .{kind} %q<2>;
    ld.param.{kind} %q0, [given];
    {inside}
    st.param.{kind} [back], %q1;
    ret;
}}
.visible .entry k(.param .u64 x, .param .u64 y)
{{
    .reg .pred %p<3>;
    .reg .b16 %h<3>;
    .reg .b32 %i<4>;
    .reg .b64 %r<8>;
    .reg .{kind} %v<5>;
    mov.u32 %i1, %tid.x;
    mul.wide.u32 %r1, %i1, {size};
    mul.wide.u32 %r2, %i1, {inputs};
    ld.param.u64 %r3, [x];
    ld.param.u64 %r4, [y];
    add.u64 %r5, %r3, %r2;
    add.u64 %r6, %r4, %r1;
    ld.global.{kind} %v1, [%r5];
    ld.global.{kind} %v2, [%r5+{size}];
    ld.global.{kind} %v3, [%r5+{twice}];
    {body}
    st.global.{kind} [%r6], %v0;
    ret;
}}
"""


def run(body, kind, numbers, inside="mov.b32 %q1, %q0;"):
    """Return what each thread finds in %v0, from three numbers in %v1, %v2 and %v3."""
    values = np.array(numbers, {"s": "i", "u": "u", "f": "f"}[kind[0]] + str(int(kind[1:]) // 8))
    size = values.itemsize
    text = PTX.format(
        kind=kind, body=body, inside=inside, size=size, inputs=3 * size, twice=2 * size
    )
    memory = DeviceMemory(1 << 16)
    x, y = (memory.allocate(n, 0) for n in (values.nbytes, len(values) * size))
    data, flags = memory.between(x, values.nbytes)
    data[:], flags[:] = values.reshape(-1).view(np.uint8), GIVEN | WRITTEN
    data, flags = memory.between(y, len(values) * size)
    flags[:] = GIVEN
    arguments = {"x": np.uint64(x).tobytes(), "y": np.uint64(y).tobytes()}
    Program(Kernel(text, "k")).run([1, 1, 1], [len(values), 1, 1], arguments, memory)
    return data.view(values.dtype)


def signed(number, bits):
    """Return an unsigned number of so many bits, read as a signed one."""
    return number - 2**bits if number >> (bits - 1) else number


def towards_zero(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


INTEGERS = [  # instruction, result from %v1, %v2, %v3 and the kind
    ("add.{k} %v0, %v1, %v2;", lambda a, b, c, k: a + b),
    ("sub.{k} %v0, %v1, %v2;", lambda a, b, c, k: a - b),
    ("mul.lo.{k} %v0, %v1, %v2;", lambda a, b, c, k: a * b),
    ("mul.hi.{k} %v0, %v1, %v2;", lambda a, b, c, k: a * b >> int(k[1:])),
    ("mad.lo.{k} %v0, %v1, %v2, %v3;", lambda a, b, c, k: a * b + c),
    ("div.{k} %v0, %v1, %v2;", lambda a, b, c, k: towards_zero(a, b)),
    ("rem.{k} %v0, %v1, %v2;", lambda a, b, c, k: a - b * towards_zero(a, b)),
    ("min.{k} %v0, %v1, %v2;", lambda a, b, c, k: min(a, b)),
    ("max.{k} %v0, %v1, %v2;", lambda a, b, c, k: max(a, b)),
    ("and.b{n} %v0, %v1, %v2;", lambda a, b, c, k: a & b),
    ("xor.b{n} %v0, %v1, %v2;", lambda a, b, c, k: a ^ b),
    ("not.b{n} %v0, %v1;", lambda a, b, c, k: ~a),
    ("shl.b{n} %v0, %v1, 5;", lambda a, b, c, k: a << 5),
    ("shr.{k} %v0, %v1, 5;", lambda a, b, c, k: a >> 5),
    ("shr.{k} %v0, %v1, 99;", lambda a, b, c, k: -1 if a < 0 else 0),
    ("bfe.{k} %v0, %v1, 3, 7;",
     lambda a, b, c, k: signed((a >> 3) % 128, 7) if k[0] == "s" else (a >> 3) % 128),
    ("setp.le.{k} %p1, %v1, %v2; selp.{k} %v0, %v1, %v3, %p1;",
     lambda a, b, c, k: a if a <= b else c),
    ("setp.lt.{k} %p1, %v1, %v2; mov.{k} %v0, 1; @!%p1 mov.{k} %v0, 2;",
     lambda a, b, c, k: 1 if a < b else 2),
    ("cvt.u16.{k} %h1, %v1; cvt.{k}.u16 %v0, %h1;", lambda a, b, c, k: a % 2**16),
    ("cvt.s16.{k} %h1, %v1; cvt.{k}.s16 %v0, %h1;", lambda a, b, c, k: signed(a % 2**16, 16)),
    ("{{ .param .{k} to; st.param.{k} [to], %v1; .param .{k} from;"
     "call.uni (from), f, (to); ld.param.{k} %v0, [from]; }}",
     lambda a, b, c, k: a + 7),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("body, exact", INTEGERS)
def test_instructions_on_integers_are_exact(body, exact, kind):
    bits, rng = int(kind[1:]), np.random.default_rng(0)
    least, largest = (
        (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind[0] == "s" else (0, 2**bits - 1)
    )
    edges = [least, least + 1, 1, 2, 5, largest - 1, largest]
    numbers = [[edges[i] for i in rng.integers(7, size=3)] for _ in range(40)]
    numbers += rng.integers(
        least, largest, (40, 3), f"{kind[0].replace('s', 'i')}{bits // 8}"
    ).tolist()
    numbers = [[a, b or 1, c] for a, b, c in numbers if (a, b) != (least, -1)]
    found = run(body.format(k=kind, n=bits), kind, numbers, f"add.{kind} %q1, %q0, 7;")
    expected = [exact(*row, kind) % 2**bits for row in numbers]
    assert found.tolist() == [signed(n, bits) if kind[0] == "s" else n for n in expected]


@pytest.mark.parametrize("kind, dtype", [("f32", np.float32), ("f64", np.float64)])
def test_a_fused_product_and_sum_is_rounded_once(kind, dtype):
    numbers = np.random.default_rng(0).standard_normal((500, 3)).astype(dtype)
    numbers[:, 2] = -(numbers[:, 0] * numbers[:, 1])  # so that only the rounding error is left
    found = run(f"fma.rn.{kind} %v0, %v1, %v2, %v3;", kind, numbers)
    exact = [Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)) for a, b, c in numbers]
    assert found.tolist() == [float(dtype(float(number))) for number in exact]


@pytest.mark.parametrize(
    "body, expected",
    [
        ("add.rm.f32 %v0, %v1, %v2;", np.float32(1)),
        ("add.rp.f32 %v0, %v1, %v2;", np.nextafter(np.float32(1), np.float32(2))),
        ("cvt.rni.f32.f32 %v0, 0f40200000;", np.float32(2)),
        ("cvt.rna.tf32.f32 %i2, 0f3F801000; mov.b32 %v0, %i2;", np.float32(1 + 2**-10)),
        ("ex2.approx.f32 %v0, 0f40400000;", np.float32(8)),
        ("max.f32 %v0, %v3, %v1;", np.float32(1)),  # of NaN and a number, the number
        ("max.NaN.f32 %v0, %v3, %v1;", np.float32(np.nan)),
        ("cvt.sat.f32.f32 %v0, %v3;", np.float32(0)),
        ("cvt.rzi.s32.f32 %i2, %v3; cvt.rn.f32.s32 %v0, %i2;", np.float32(0)),
        ("mul.ftz.f32 %v0, 0f00000001, 0f7F000000;", np.float32(0)),
        ("setp.ltu.f32 %p1, %v3, %v1; selp.f32 %v0, %v1, %v2, %p1;", np.float32(1)),
        ("mov.b64 %r7, {%i1, %i1}; mov.b64 {%i2, %i3}, %r7; cvt.rn.f32.u32 %v0, %i3;",
         np.float32(0)),
    ],
)  # fmt: skip
def test_instructions_on_floats(body, expected):
    (found,) = run(body, "f32", [[1, 1e-9, math.nan]])
    assert found.tobytes() == expected.tobytes() or np.isnan([found, expected]).all()


@pytest.mark.parametrize(
    "body, words",
    [
        ("popc.b32 %i2, %i1;", "the emulator does not know the PTX instruction popc.b32 %i2, %i1"),
        ("add.cc.u32 %i2, %i1, %i1;", "add.cc.u32 %i2, %i1, %i1"),
        ("shfl.sync.bfly.b32 %i2, %i1, 1, 31, -1;", "shfl.sync.bfly"),
        ("bar.sync 1;", "bar.sync 1"),
        ("call.uni (%v0), g, (%v1);", "call.uni (%v0), g, (%v1)"),
        ("ld.global.f32 %v0, [%r5+%r6];", "ld.global.f32 %v0, [%r5+%r6]"),
        ("add.f32 %v0, %v1, 0x;", "add.f32 %v0, %v1, 0x"),
        ("add.f32 %v0, %v1;", "add.f32 %v0, %v1"),
        ("add.f32;", "add.f32"),
        ("nothing;", "the emulator does not know the PTX instruction nothing"),
        ("ld.global.v4.f32 {%v0,%v1}, [%r5];", "ld.global.v4.f32 {%v0,%v1}, [%r5]"),
        ("mov.b64 {%i2, %i3}, %q9;", "mov.b64 {%i2, %i3}, %q9"),
        ("bra nowhere;", "the PTX has no label nowhere"),
        ("bra;", "the emulator does not know the PTX instruction bra"),
        ("call.uni (%v0), f;", "call.uni (%v0), f"),
        ("@%p9 add.f32 %v0, %v1, %v1;", "@%p9 add.f32"),  # no such register
        ("ld.param.f32 %v0, [nothing];", "ld.param.f32 %v0, [nothing]"),
        ("atom.global.add.f32 %v0, [%r5], %v1;", "atom.global.add.f32"),
        (".reg .f16 %k<2>;", "the emulator does not know the PTX type .f16"),
        (".shared .align 4 .f16x2 s[4];", "the emulator does not know the PTX type .f16x2"),
        (".shared .b8 s[49153];", "k needs 49153 bytes of shared memory a block"),
        (".local .align 0 .b64 s[500000000];", "4000000000 bytes of local memory a thread"),
        (".reg .b32 %z<4000000000>;", "the PTX declares %z<4000000000>; the emulator has 1048576"),
    ],
)
def test_an_unknown_instruction_is_one_sentence(body, words):
    with pytest.raises(errors.GpuError) as caught:
        run(body, "f32", [[1, 2, 3]])
    assert words in str(caught.value) and "\n" not in str(caught.value)


RECURSION = (
    ".version 8.8 .func g() { call.uni f; } .func f() { call.uni g; } .entry k() { call f; }"
)


@pytest.mark.parametrize(
    "text, words",
    [
        (".version 11.2", "the emulator knows PTX 7 to 9; this is .version 11"),
        ("", "this is no PTX"),
        (".version 8.8", "the PTX has no kernel k; it has none"),
        (".version 8.8 .visible .entry k() { ret;", "the PTX ends within a pair of braces"),
        (RECURSION, "does not know the PTX instruction call.uni f"),
    ],
)
def test_another_ptx_is_one_sentence(text, words):
    with pytest.raises(errors.GpuError, match=words):
        Kernel(text, "k")


# A planted fault of each kind.


@numba_cuda.jit
def past_the_end(x):
    x[numba_cuda.grid(1) + 1] = 0


@numba_cuda.jit
def off_by_four_bytes(x):
    x[0] = load4(x, 1)[0]


@numba_cuda.jit
def unwritten_shared(x):
    shared = numba_cuda.shared.array(64, np.float32)
    t = numba_cuda.threadIdx.x
    shared[t] = x[t]
    numba_cuda.syncthreads()
    x[t] = shared[t + 32]


@numba_cuda.jit
def past_a_shared_array(x):
    shared = numba_cuda.shared.array(64, np.float32)
    t = numba_cuda.threadIdx.x
    shared[2 * t + 2] = x[t]


@numba_cuda.jit
def neighbours_without_a_barrier(x):
    shared = numba_cuda.shared.array(64, np.float32)
    t = numba_cuda.threadIdx.x
    shared[t] = x[t]
    x[t] = shared[31 - t]


@numba_cuda.jit
def everyone_writes_one_number(x):
    x[3] = numba_cuda.grid(1)


@numba_cuda.jit
def neighbours_in_global_memory(x):
    t = numba_cuda.grid(1)
    x[t] = x[31 - t] + 1


@numba_cuda.jit
def some_wait(x):
    if numba_cuda.threadIdx.x < 7:
        numba_cuda.syncthreads()
    x[numba_cuda.threadIdx.x] = 0


@numba_cuda.jit
def half_a_warp(x):
    one = round_to_tf32(x[0])
    if numba_cuda.threadIdx.x < 16:
        x[1] = mma((one, one, one, one), (one, one), (one, one, one, one))[0]


@numba_cuda.jit
def not_rounded(x):
    one = x[0] + np.float32(1e-6)
    x[numba_cuda.threadIdx.x] = mma((one, one, one, one), (one, one), (one, one, one, one))[0]


@pytest.mark.parametrize(
    "kernel, kind, thread",
    [
        (past_the_end, "outside", 31),
        (off_by_four_bytes, "misaligned", 0),
        (unwritten_shared, "unwritten", 0),
        (past_a_shared_array, "outside", 31),
        (neighbours_without_a_barrier, "race", 0),
        (everyone_writes_one_number, "race", 0),
        (neighbours_in_global_memory, "race", 0),
        (some_wait, "barrier", 0),
        (half_a_warp, "warp", 0),
        (not_rounded, "tf32", 0),
    ],
)
def test_a_fault_names_kernel_line_block_and_thread(kernel, kind, thread):
    x = cuda.to_device(np.ones(32, np.float32))
    with pytest.raises(emulator.Fault) as caught:
        gpu.launch_blocks(kernel, 1, 32, x)
    function = kernel.py_func
    line = int(str(caught.value).partition(" line ")[2].partition(",")[0])
    first = function.__code__.co_firstlineno
    assert caught.value.kind == kind
    assert f"{kind}: test_gpu_emulator.{function.__name__}, " in str(caught.value)
    assert kernel is off_by_four_bytes or first < line < first + 8
    assert f"block (0, 0, 0), thread ({thread}, 0, 0)" in str(caught.value)


def test_reading_what_nothing_has_written_is_a_fault():
    x = gpu.cuda.device_array(4, np.float32)
    with pytest.raises(emulator.Fault, match="unwritten.*is copied before anything was written"):
        x.copy_to_host()
    with pytest.raises(emulator.Fault, match="unwritten.*byte 0 of an array of 16 bytes on GPU 0"):
        cuda.relu_forward(x)


def test_memory_of_another_gpu_needs_access():
    with gpu.use(1):
        x = cuda.to_device(np.ones(4, np.float32))
        gpu.synchronize()
    emulator.emulated.access.clear()
    with pytest.raises(emulator.Fault, match="device.*uses memory of GPU 1 on GPU 0"):
        cuda.relu_forward(x)
    two_columns.enable_access.cache_clear()
    assert two_columns.is_direct(1, 0)
    cuda.relu_forward(x)


def test_a_stream_that_does_not_wait_is_a_fault():
    x = cuda.to_device(np.ones(4, np.float32))
    with gpu.use(0, gpu.stream_for("another")):
        with pytest.raises(emulator.Fault, match="stream.*relu_kernel.*no event orders the two"):
            cuda.relu_forward(x)
    written = gpu.record_event()
    with gpu.use(0, gpu.stream_for("another")):
        gpu.wait_event(written)
        cuda.relu_forward(x)


def test_the_host_may_not_touch_pinned_memory_before_a_copy_is_done():
    pinned = gpu.cuda.pinned_array(4, np.float32)
    pinned[:] = 1
    x = gpu.cuda.device_array(4, np.float32)
    for wait in (True, False):
        x.copy_to_device(pinned, stream=gpu.stream())
        if wait:
            gpu.synchronize()
        pinned[:] = 2 + wait
    with pytest.raises(emulator.Fault, match="pinned: the host has written over pinned memory"):
        gpu.synchronize()
    gpu.synchronize()


def test_memory_that_is_full_is_one_sentence():
    with pytest.raises(MemoryError, match="take a smaller batch"):
        cuda.to_device(np.zeros(2**28, np.float32))
