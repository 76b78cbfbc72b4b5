"""Every kernel is in the table of minicnn.cuda.compiled, and compiles for three kinds of GPU."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba import float32

from minicnn.cuda import compiled


def run(*arguments, simulator="0"):
    command = [sys.executable, "-m", "minicnn.cuda.compiled", *arguments]
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": simulator}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def is_kernel(function):
    """Return whether a function is decorated with cuda.jit, and not as part of other kernels."""
    return any(
        text.startswith("cuda.jit") and "device=True" not in text
        for text in map(ast.unparse, function.decorator_list)
    )


def test_every_kernel_is_in_the_table():
    written = {
        f"{path.stem}.{node.name}"
        for path in Path(compiled.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and is_kernel(node)
    }
    assert len(written) > 20
    assert written == {compiled.name_of(kernel) for kernel, *_ in compiled.table(float32)}


def test_every_kernel_compiles_without_spills_and_without_float64():
    done = run()
    if "has no compiler" in done.stderr or "compiler for the GPU is missing" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for kernel, *_ in compiled.table(float32):
        found = [line.split() for line in lines if line.startswith(f"{compiled.name_of(kernel)} ")]
        assert {tuple(words[1:3]) for words in found} >= {("float32", "7.5"), ("float32", "9.0")}


def test_what_cannot_be_done_is_said_in_one_sentence():
    done = run(simulator="1")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "set NUMBA_ENABLE_CUDASIM=0" in done.stderr and not done.stdout
    done = run("--cc", "nine")
    assert done.returncode == 2 and "expected a compute capability such as 9.0" in done.stderr


def test_a_kernel_that_spills_or_computes_in_float64_is_not_as_it_should_be():
    good = compiled.Result(registers=32, shared=0, spills=0, float64=0, wide=0)
    assert compiled.fault_of(good, float32) == ""
    assert "spills" in compiled.fault_of(good._replace(spills=8), float32)
    assert "float64" in compiled.fault_of(good._replace(float64=1), float32)
