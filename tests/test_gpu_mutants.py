"""Mistakes, put into a copy of the GPU backend one at a time: the emulator finds each of them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn

pytestmark = [pytest.mark.slow, pytest.mark.very_slow]
PACKAGE = Path(minicnn.__file__).parent

RUN = """
import numpy as np
from minicnn import cuda
from minicnn.cuda.device import feed
from minicnn.verify import cuda_check, gpu
from minicnn.verify.gpu.cases import Case, error_of

gpu.start()

def layer(name, shapes, mode="float32", **options):
    assert error_of(Case(name, shapes, options, mode)) < 1e-2, "wrong numbers"

def columns():
    x = 0.1 * cuda_check.seeded().standard_normal((1, 1, 4, 2))
    networks = cuda_check.tiny_columns, cuda_check.tiny_in_one
    for name, check in cuda_check.column_checks(*networks, x, 3):
        if name in ("columns on 0,1, through host", "columns on 0,1: 3 steps"):
            worst, limit, _ = check()
            assert worst <= limit, "wrong numbers"

def batches():
    for x, _ in feed((np.full((4, 6), n, np.float32), None) for n in range(5)):
        cuda.relu_forward(x)

try:
    {run}
    print("nothing")
except (gpu.Fault, AssertionError) as error:
    print(error)
"""
FC, CONV = "layer('fc', [(9, 20), (12, 20)])", "layer('conv', [(2, 3, 9, 8), (5, 3, 3, 3)], pad=1)"
TF32 = FC.replace(")])", ")], 'tf32')")
SOFTMAX = "layer('softmax_loss', [(3, 300)])"

MUTANTS = [  # file, what it says, what it says then, what is run, what is found
    ("tiles", "current * B_TILE)\n            cuda.syncthreads()", "current * B_TILE)", CONV,
     "race"),
    ("tiles", "tiles, A_TILES)\n        cuda.syncthreads()", "tiles, A_TILES)", CONV, "race"),
    ("tiles", "2 * A_TILE + 2 * B_TILE", "2 * A_TILE + 2 * B_TILE - 8", FC, "outside"),
    ("tiles", "B_DISTANCE, four)\n            cuda.syncthreads()", "B_DISTANCE, four)", CONV,
     "race"),
    ("tiles", "ACROSS * WIDTH)\n            cuda.syncthreads()", "ACROSS * WIDTH)", CONV, "race"),
    ("tiles", "if offset >= 0:\n        share[i]", "if offset >= -1:\n        share[i]", FC,
     "misaligned"),
    ("product", "return all(step % 4 == 0 for step in steps) and", "return",
     "layer('fc', [(9, 21), (13, 21)])", "misaligned"),
    ("product", "for part in range(parts):", "for part in range(parts + 1):",
     "layer('fc', [(3, 2000), (8, 2000)])", "outside"),
    ("operands", "np.arange(-(-taps // WHOLE) * WHOLE)", "np.arange(taps)", CONV, "outside"),
    ("operands", "row[taps:] = NOWHERE", "row[taps:] = 0", CONV, "outside"),
    ("reductions", "largest = shared[0]\n    cuda.syncthreads()", "largest = shared[0]", SOFTMAX,
     "race"),
    ("reductions", "shared[t + half]\n        cuda.syncthreads()", "shared[t + half]", SOFTMAX,
     "race"),
    ("reductions", "+= shared[t + half]\n        cuda.", "+= shared[t + half]\n            cuda.",
     SOFTMAX, "race"),
    ("lrn", "if c + j < C else zero\n                for j in range(LOADS)",
     "if c + j <= C else zero\n                for j in range(LOADS)",
     "layer('lrn', [(1, 6, 3, 3)])", "outside"),
    ("pool", "if h < H and w < W:\n                        dx[(plane * H + h) * W + w] = total\n\n"
     "    return max", "if h <= H and w < W:\n                        "
     "dx[(plane * H + h) * W + w] = total\n\n    return max",
     "layer('pool', [(1, 2, 7, 7)])", "outside"),
    ("sgd", "if i < w.size:", "if i <= w.size:", "layer('sgd_update', [(257,)] * 3, epsilon=0.1)",
     "outside"),
    ("activations", "y[i] = zero if", "y[i - i % 2] = zero if", "layer('relu', [(100,)])", "race"),
    ("tf32", "= round_to_tf32(share[i])", "= share[i]", TF32, "tf32"),
    ("tf32", "u[4 + p], u[8 + p]", "u[8 + p], u[4 + p]", TF32, "wrong numbers"),
    ("tf32", "8 * p + q + 4, 8 * p + q + 32", "8 * p + q + 32, 8 * p + q + 4", TF32,
     "wrong numbers"),
    ("two_columns", "        with use_place(target):\n            gpu.wait_event(arrived)\n", "",
     "columns()", "stream"),
    ("two_columns", "gpu.wait_event(read)", "pass", "columns()", "stream"),
    ("two_columns", "        with use_place(source):\n            gpu.wait_event(arrived)\n", "",
     "columns()", "stream"),
    ("two_columns", "gpu.wait_event(packed)", "pass", "columns()", "stream"),
    ("two_columns", "gpu.wait_event(written)", "pass", "columns()", "stream"),
    ("device", "copy_events[slot].synchronize()", "pass", "batches()", "pinned"),
    ("device", "    gpu.wait_event(event)\n", "", "batches()", "stream"),
    ("device", "gpu.wait_event(work_so_far)", "pass", "batches()", "stream"),
]  # fmt: skip


@pytest.mark.parametrize("file, before, after, run, expected", MUTANTS)
def test_a_mistake_in_the_backend_is_found(tmp_path, file, before, after, run, expected):
    copy = tmp_path / "minicnn"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "sample"))
    path = copy / "cuda" / f"{file}.py"
    source = path.read_text(encoding="utf-8")
    assert source.count(before) == 1
    path.write_text(source.replace(before, after), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-c", RUN.format(run=run)], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.stdout.startswith(expected), result.stdout + result.stderr
