"""Every kernel is in the table of minicnn.cuda.compiled, and compiles without spills or float64.

To compile one takes up to two seconds, so each is compiled once: in float32 for the newest GPU, in
float64 (but for four of its five products) for the oldest.  The command compiles all for all.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba import float32, float64

from minicnn.cuda import compiled

GOOD = compiled.Result(registers=32, shared=0, spills=0, float64=0, wide=0, mma=0)


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


COMPILE = """
import json
from minicnn.cuda import compiled
from numba import float32, float64

compiled.ready()
ptxas = compiled.find_ptxas()
too_much = [compiled.tiled_product(name, float64)[0] for name in list(compiled.PRODUCTS)[1:]]
tasks = [
    *((float32, (9, 0), *line) for line in compiled.table(float32)),
    *((float64, (7, 5), *line) for line in compiled.table(float64) if line[0] not in too_much),
    (float32, (8, 0), *compiled.tiled_product("conv dw", float32, tf32=True)),
]
products = {
    id(compiled.tiled_product(name, float32, tf32)[0]): [name, tf32]
    for name in compiled.PRODUCTS for tf32 in (False, True)
}
results = []
for number, cc, kernel, *arguments in tasks:
    ptx = compiled.to_ptx(kernel, *arguments, cc=cc)
    result = compiled.measured(ptx, cc, ptxas)
    counts = {
        text: ptx.count(text)
        for text in (
            "fma.rn.f32", "cvt.rna.tf32", "ld.shared", "ld.shared.v4", "st.shared.v4",
            "ld.global.v4.f32", "st.global.v4.f32", ".local", "call",
        )
    }
    results.append({
        "name": compiled.name_of(kernel), "number": number.name, "cc": cc,
        "product": products.get(id(kernel)), "fault": compiled.fault_of(result, number),
        **counts, **result._asdict(),
    })
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def compiled_kernels():
    """What became of every kernel: a dict for each."""
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "0"}
    command = [sys.executable, "-c", COMPILE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if "has no compiler" in done.stderr or "compiler for the GPU is missing" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_kernel_compiles_without_spills_and_without_float64(compiled_kernels):
    assert not [found for found in compiled_kernels if found["fault"]]
    names = {(found["name"], found["number"]) for found in compiled_kernels}
    expected = {compiled.name_of(kernel) for kernel, *_ in compiled.table(float32)}
    assert names == {(name, number) for name in expected for number in ("float32", "float64")}


def test_the_product_multiplies_64_times_for_four_wide_loads_and_keeps_its_sums_in_registers(
    compiled_kernels,
):
    products = [found for found in compiled_kernels if found["product"]]
    of_float32 = [found for found in products if not found["product"][1]]
    assert {found["product"][0] for found in of_float32} == set(compiled.PRODUCTS)
    for found in of_float32:
        assert found["fma.rn.f32"] == 2 * 64 and found["mma"] == 0, found  # for two k
        assert found["ld.shared"] == found["ld.shared.v4"] == 2 * 4, found
        assert found[".local"] == found["call"] == 0, found
        assert (found["registers"] or 0) <= 128, found
        *reads, (_, wide_out), _ = compiled.PRODUCTS[found["product"][0]]
        assert (found["ld.global.v4.f32"] > 0) == any(wide for _, _, wide in reads), found
        assert (found["st.global.v4.f32"] > 0) == wide_out, found
        fours = sum(along == "rows" and wide for _, along, wide in reads)
        assert (found["st.shared.v4"] > 0) == (fours > 0), found


def test_on_tensor_cores_six_wide_loads_serve_16_instructions(compiled_kernels):
    on_tensor_cores = [found for found in compiled_kernels if (found["product"] or [0, 0])[1]]
    kinds = {(*found["cc"], found["product"][0]) for found in on_tensor_cores}
    assert kinds == {(8, 0, "conv dw"), *((9, 0, name) for name in compiled.PRODUCTS)}
    for found in on_tensor_cores:
        assert found["mma"] == 16 and found["fma.rn.f32"] == 0, found
        assert found["ld.shared"] == found["ld.shared.v4"] == 6, found
        assert found["cvt.rna.tf32"] == 2 * 2 * 4, found  # a thread's share, here and in the loop
        assert found[".local"] == found["call"] == 0, found


def test_only_gpus_that_can_are_asked_for_tensor_cores():
    lengths = [len(compiled.table(float32, cc)) for cc in ((7, 5), (8, 0), (9, 0))]
    assert lengths[1] == lengths[2] == lengths[0] + len(compiled.PRODUCTS)
    assert len(compiled.table(float64)) == lengths[0]


def test_the_report_has_a_line_for_every_kernel_and_says_which_is_wrong(monkeypatch, capsys):
    results = {"float32": GOOD, "float64": GOOD._replace(float64=7)}
    monkeypatch.setattr(
        compiled, "table", lambda number, cc: [[compiled.sgd.update_kernel, number]]
    )
    monkeypatch.setattr(compiled, "to_ptx", lambda kernel, number, cc: number.name)
    monkeypatch.setattr(compiled, "measured", lambda ptx, cc, ptxas: results[ptx])
    assert compiled.report([(7, 5), (9, 0)]) == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = [line.split()[1:3] for line in lines if line.startswith("sgd.update_kernel ")]
    assert kinds == [["float32", "7.5"], ["float32", "9.0"], ["float64", "9.0"]]
    assert lines[-1] == "all kernels compile"
    results["float32"] = GOOD._replace(spills=8)
    assert compiled.report([(9, 0)]) == 1
    assert "it spills" in capsys.readouterr().out


def test_what_cannot_be_done_is_said_in_one_sentence():
    done = run(simulator="1")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "set NUMBA_ENABLE_CUDASIM=0" in done.stderr and not done.stdout
    done = run("--cc", "nine")
    assert done.returncode == 2 and "expected a compute capability such as 9.0" in done.stderr


def test_a_kernel_that_spills_or_computes_in_float64_is_not_as_it_should_be():
    assert compiled.fault_of(GOOD, float32) == compiled.fault_of(GOOD, float64) == ""
    assert "spills" in compiled.fault_of(GOOD._replace(spills=8), float32)
    assert "float64" in compiled.fault_of(GOOD._replace(float64=1), float32)
