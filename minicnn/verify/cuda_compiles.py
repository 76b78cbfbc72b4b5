"""Compile every kernel and inspect its code, without a GPU: python -m minicnn.cuda.compiled.

    cc            compute capability of a GPU: 7.5 Turing, 8.0 A100, 8.6 and 8.9 GeForce, 9.0 H100
    PTX           the assembly language of all NVIDIA GPUs, which Numba's compiler produces
    ptxas         NVIDIA's program that turns PTX into machine code; used if it is installed
    registers     32-bit registers per thread; a multiprocessor has 65,536, so with more than 32
                  per thread, fewer than its 2,048 threads can run at the same time
    spills        bytes per thread that do not fit into registers and are stored in memory
    float64       instructions that compute in float64: slow on most GPUs, and a mistake in float32
    wide          loads of 128 bits, the largest for a thread
    mma           instructions for tensor cores, in the products for TF32; from 8.0 on

The exit code is 1 if a kernel does not compile or spills, if a float32 kernel computes in float64,
or if a float32 product breaks the promises of cuda/tiles.py and cuda/tf32.py: all sums in
registers, and a fixed number of multiplications per wide load.
"""

import argparse
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numba import float32, float64, int32, int64, types, uint8, uint64, void

from .. import errors
from ..console import Parser
from ..cuda import (
    activations,
    conv,
    dropout,
    gpu,
    local,
    lrn,
    map_lrn,
    operands,
    pool,
    product,
    sgd,
    tiles,
    two_columns,
)
from ..cuda.gpu import cuda
from ..cuda.patches import patched
from ..cuda.softmax import loss_back_kernel, loss_kernel, mean_loss_kernel, softmax_kernel
from .gpu import traffic

Result = namedtuple("Result", "registers shared spills float64 wide mma")  # None without ptxas


def tuple_type(form, *fields):
    """Return Numba's type of a named tuple with fields of these types."""
    return types.BaseTuple.from_types(fields, form)


SIZES = tuple_type(product.Sizes, *[int32] * 4)


def table(number, cc=(9, 0)):
    """Return every kernel with the types of its arguments, for float32 or float64.

    A kernel that is generated for certain constants is listed with those of the paper.
    """
    on_tensor_cores = number == float32 and cc >= (8, 0)
    flat, rows, labels, winner = number[::1], number[:, ::1], int32[::1], uint8[::1]
    geometry = tuple_type(lrn.Geometry, *[int64] * 4)
    constants = tuple_type(lrn.Constants, *[number] * 3)
    sizes = tuple_type(pool.Sizes, *[int64] * 4)
    maps = tuple_type(map_lrn.Geometry, *[int32] * 4), tuple_type(map_lrn.Constants, *[number] * 3)
    places = tuple_type(local.Geometry, *[int32] * 9)
    lrn_fast = lrn.fast_kernels(5, True)
    lrn_power = lrn.fast_kernels(5, False)  # for any other beta
    max_forward, max_back = pool.max_kernels(3, 2)
    mean_forward, mean_back = pool.mean_kernels(3, 2)
    return [
        (activations.relu_kernel, flat, flat),
        (activations.relu_back_kernel, flat, flat, flat),
        (activations.tanh_kernel, flat, flat),
        (activations.tanh_back_kernel, flat, flat, flat),
        (activations.logistic_kernel, flat, flat),
        (activations.logistic_back_kernel, flat, flat, flat),
        (lrn.plain_kernel, flat, flat, geometry, constants),
        (lrn.plain_back_kernel, flat, flat, flat, geometry, constants),
        (lrn_fast[0], flat, flat, geometry, constants),
        (lrn_fast[1], flat, flat, flat, geometry, constants),
        (lrn_power[0], flat, flat, geometry, constants),
        (lrn_power[1], flat, flat, flat, geometry, constants),
        (map_lrn.forward_kernel, flat, flat, flat, *maps),
        (map_lrn.backward_kernel, flat, flat, flat, flat, *maps),
        (local.window_kernel, flat, flat, places),
        (local.collect_kernel, flat, flat, places),
        (local.repeat_kernel, flat, flat),
        (local.bias_kernel, flat, flat, int32, int32, int32),
        (pool.plain_max_back_kernel, flat, winner, flat, int64, int64, sizes),
        (pool.plain_mean_back_kernel, flat, flat, int64, int64, sizes),
        (max_forward, flat, flat, winner, sizes),
        (max_back, flat, winner, flat, int64, sizes),
        (mean_forward, flat, flat, sizes),
        (mean_back, flat, flat, int64, sizes),
        (dropout.drop_kernel, flat, uint64, uint64, flat),
        (dropout.scale_kernel, flat, number, flat),
        (softmax_kernel, rows, rows),
        (loss_kernel, rows, labels, flat),
        (mean_loss_kernel, flat, flat),
        (loss_back_kernel, rows, labels, rows),
        (two_columns.join_kernel, flat, flat, int32, int32, flat),
        (two_columns.part_kernel, flat, int32, int32, int32, flat),
        (two_columns.add_part_kernel, flat, int32, int32, int32, flat, flat),
        (sgd.update_kernel, flat, flat, flat, number, number, number),
        (conv.rotate_kernel, flat, int32, int32, int32, flat),
        (conv.sum_kernel, flat, int32, int32, int32, int32, flat),
        (product.add_kernel, flat, int32, int32, flat, flat),
        *(tiled_product(name, number) for name in PRODUCTS),
        *(tiled_product(name, number, tf32=True) for name in PRODUCTS if on_tensor_cores),
        plain_product(number),
    ]


matrix, maps, windows = operands.MATRIX, operands.MAPS, operands.WINDOWS
spread, taps = operands.SPREAD, operands.TAPS
PRODUCTS = {  # name → how a and b are read, how out is written, and whether there is a bias
    "conv forward": ((matrix, "depth", True), (windows, "rows", False), (maps, False), True),
    "conv dx": ((matrix, "depth", False), (spread, "rows", False), (maps, True), False),
    "conv dw": ((maps, "depth", False), (taps, "depth", False), (matrix, True), False),
    "fc forward": ((matrix, "depth", True), (matrix, "depth", True), (matrix, True), False),
    "fc dw": ((matrix, "rows", True), (matrix, "rows", True), (matrix, True), False),
}


def tiled_product(name, number, tf32=False):
    """Return the kernel of one of PRODUCTS, and the types of its arguments."""
    a, b, out, biased = PRODUCTS[name]
    tile = tiles.LARGE if tf32 else product.tile_for(128, np.dtype(number.name))
    kernel = tiles.tiled(number.name, tile, tiles.Read(*a), tiles.Read(*b), *out, biased, tf32)
    operand_types = (operand_type(kind, number) for kind in (a[0], b[0], out[0]))
    return kernel, *operand_types, number[::1], SIZES, int32, int32


def products(number, cc):
    """Return kernel → (its name in PRODUCTS, whether it is for tensor cores)."""
    modes = (False, True) if number == float32 and cc >= (8, 0) else (False,)
    return {
        tiled_product(name, number, tf32)[0]: (name, tf32) for name in PRODUCTS for tf32 in modes
    }


def plain_product(number):
    """Return the plain kernel of a convolution, and the types of its arguments."""
    kinds = matrix, windows, maps
    arguments = (operand_type(kind, number) for kind in kinds)
    return product.plain(*kinds, True), *arguments, number[::1], SIZES


def operand_type(kind, number):
    """Return the type of an operand: a named tuple of arrays and integers."""
    form = {matrix: operands.Matrix, maps: operands.Maps}.get(kind, operands.Windows)
    arrays = {"array": number[::1], "windows": int32[::1], "taps": int32[::1]}
    return tuple_type(form, *[arrays.get(field, int32) for field in form._fields])


def main(arguments=None):
    """Compile every kernel, print a line for each, and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        check_compiler()
        if options.traffic:
            return traffic.report(options.traffic)
        return report(options.cc)
    except (OSError, ValueError, MemoryError) as error:
        print(f"minicnn.cuda.compiled: {error}", file=sys.stderr)
        return 1


def parser():
    top = Parser(
        prog="python -m minicnn.cuda.compiled",
        description="Compile every kernel of the GPU backend; no GPU is needed.",
    )
    top.add_argument(
        "--cc", nargs="+", type=capability, default=[(7, 5), (8, 0), (9, 0)],
        metavar="X.Y", help="compute capabilities (default: 7.5 8.0 9.0)",
    )  # fmt: skip
    top.add_argument(
        "--traffic", metavar="NETWORK",
        help="instead, run a network on one image in the emulator, and count what its kernels move",
    )  # fmt: skip
    return top


def capability(text):
    """Return "9.0" as (9, 0)."""
    if not re.fullmatch(r"\d+\.\d", text):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a compute capability such as 9.0")
    major, minor = text.split(".")
    return int(major), int(minor)


def check_compiler():
    """Raise OSError if this Python cannot compile kernels; the message says what is missing."""
    if cuda.implementation != "NVIDIA":
        raise OSError(
            "Numba itself has no compiler for GPUs; "
            "install one with pip install 'numba-cuda[cu12]' or 'numba-cuda[cu13]'"
        )
    try:
        to_ptx(*table(float32)[0], cc=(9, 0))
    except Exception as error:
        if gpu.is_missing(error):  # the package is installed, but not the libraries that it calls
            raise errors.GpuError(gpu.missing(error)) from error


def report(capabilities):
    """Print a line for every kernel; return 1 if any of them has a fault, else 0."""
    ptxas = find_ptxas()
    print(f"{'kernel':36} {'type':8} cc   registers  shared  spills  float64  wide  mma")
    failures = 0
    for cc in capabilities:
        numbers = (float32, float64) if cc == capabilities[-1] else (float32,)
        for number in numbers:  # float64 is only for gradient checks, so one capability is enough
            for kernel, *arguments in table(number, cc):
                product_name, tf32 = products(number, cc).get(kernel, ("", False))
                name = f"{name_of(kernel)} {product_name}"
                title = f"{name:36} {number.name:8} {cc[0]}.{cc[1]}"
                try:
                    ptx = to_ptx(kernel, *arguments, cc=cc)
                    result = measured(ptx, cc, ptxas)
                except Exception as error:  # the compiler can raise anything; go on with the next
                    print(f"{title}  failed: {gpu.first_line(error)}")
                    failures += 1
                    continue
                faults = faults_of(result, number)
                if product_name and number == float32:
                    faults += faults_of_product(ptx, result, product_name, tf32)
                failures += bool(faults)
                registers, shared, spills = ("–" if q is None else q for q in result[:3])
                print(
                    f"{title}  {registers:>9}  {shared:>6}  {spills:>6}  {result.float64:>7}"
                    f"  {result.wide:>4}  {result.mma:>3}  {'; '.join(faults)}".rstrip()
                )
    if ptxas is None:
        print("ptxas was not found, so there is no machine code; try pip install nvidia-cuda-nvcc")
    print(f"{failures} kernels have faults" if failures else "all kernels compile")
    return int(failures > 0)


def faults_of(result, number):
    """Return the faults of a kernel, as a list of texts."""
    faults = ["it spills"] if result.spills else []
    if number == float32 and result.float64:
        faults.append("float64 in a float32 kernel")
    return faults


def faults_of_product(ptx, result, name, on_tensor_cores):
    """Return the faults of a float32 product: it must have the expected number of instructions.

    Without tensor cores, its loop handles two lines of a tile, with 8×8 multiplications and four
    wide loads each.  With tensor cores, it handles eight lines, with 16 mma and six wide loads; a
    thread also rounds its share of the next tiles, two groups of four, as it did for the first.

    A thread's 64 sums go to shared memory in 16 wide stores, and 64 others come back.
    """
    a, b, (_, wide_out), _ = PRODUCTS[name]
    wide_tiles = sum(along == "rows" and wide for _, along, wide in (a, b))
    in_loop = 6 if on_tensor_cores else 2 * 4
    expected = {
        "mma.sync": 16 if on_tensor_cores else 0,
        "fma.rn.f32": 0 if on_tensor_cores else 2 * 64,
        "ld.shared": in_loop + (16 if wide_out else 64),
        "ld.shared.v4": in_loop + (16 if wide_out else 0),
        "st.shared.v4": 16 + 2 * wide_tiles,  # of the first tiles, and of the next ones
        "cvt.rna.tf32": 2 * 2 * 4 if on_tensor_cores else 0,
        ".local": 0,
        "call": 0,
    }
    presence = {
        "ld.global.v4.f32": a[2] or b[2],
        "st.global.v4.f32": wide_out,
    }
    faults = [
        f"{ptx.count(text)} × {text}, not {count}"
        for text, count in expected.items()
        if ptx.count(text) != count
    ]
    faults += [
        f"{'no' if expected_there else 'a'} {text}"
        for text, expected_there in presence.items()
        if (text in ptx) != expected_there
    ]
    if not on_tensor_cores and (result.registers or 0) > 128:
        faults.append("more than 128 registers")  # two blocks of 256 threads share 65,536
    return faults


def measured(ptx, cc, ptxas):
    """Return the Result of a kernel in PTX; ptxas may be None."""
    in_float64 = len(re.findall(r"^\s*(?!ld|st|mov)[\w.]+\.f64", ptx, re.MULTILINE))
    wide = len(re.findall(r"\bld\.[\w.]*v4\.[fbu]32|\bld\.[\w.]*v2\.[fbu]64", ptx))
    registers, shared, spills = to_machine_code(ptx, cc, ptxas) if ptxas else (None, None, None)
    return Result(registers, shared, spills, in_float64, wide, ptx.count("mma.sync"))


def to_ptx(kernel, *arguments, cc):
    """Return a kernel as PTX."""
    from numba.cuda import dispatcher

    def device():
        """Replace Numba's current device, for which it compiles a kernel's functions."""
        return SimpleNamespace(compute_capability=cc)

    with patched(dispatcher, "get_current_device", device):
        ptx, _ = cuda.compile(
            kernel.py_func, void(*arguments), cc=cc, device=False, abi="numba", output="ptx"
        )
    return ptx if isinstance(ptx, str) else ptx.decode()


def to_machine_code(ptx, cc, ptxas):
    """Return the registers, the bytes of shared memory, and the spilled bytes of a kernel."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "kernel.ptx")
        source.write_text(ptx, "utf-8")
        command = [ptxas, f"-arch=sm_{cc[0]}{cc[1]}", "-v", source, "-o", Path(folder, "kernel")]
        result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if result.returncode:
        raise OSError(f"ptxas: {gpu.first_line(result.stderr)}")
    registers = re.search(r"Used (\d+) registers", result.stderr)[1]
    shared = re.search(r"(\d+) bytes smem", result.stderr)
    spills = sum(map(int, re.findall(r"(\d+) bytes (?:spill|stack frame)", result.stderr)))
    return int(registers), int(shared[1]) if shared else 0, spills


def find_ptxas():
    """Return the path of ptxas in pip's packages or on the PATH, or None."""
    packages = Path(sysconfig.get_path("purelib"), "nvidia")
    candidates = sorted(packages.glob("*/bin/ptxas*")) or [shutil.which("ptxas")]
    return candidates[-1]


def name_of(kernel):
    """Return a kernel's module and name, such as "lrn.plain_kernel"."""
    f = kernel.py_func
    return f"{f.__module__.rpartition('.')[2]}.{f.__name__}"
