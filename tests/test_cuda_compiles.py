"""minicnn.cuda.compiled knows every kernel, and says which is not as it should be.

Nothing is compiled here.  To compile all kernels, and check what came out, takes a command of a
minute and a half: python -m minicnn.cuda.compiled.
"""

import ast
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numba.cuda
import pytest
from numba import float32, float64

from minicnn.cuda import gpu
from minicnn.verify import cuda_compiles

GOOD = cuda_compiles.Result(registers=32, shared=0, spills=0, float64=0, wide=0, mma=0)


def is_kernel(function):
    """Return whether a function is decorated with cuda.jit, and not as part of other kernels."""
    return any(
        text.startswith("cuda.jit") and "device=True" not in text
        for text in map(ast.unparse, function.decorator_list)
    )


def test_every_kernel_is_in_the_table():
    written = {
        f"{path.stem}.{node.name}"
        for path in Path(gpu.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and is_kernel(node)
    }
    assert len(written) > 20
    assert written == {cuda_compiles.name_of(kernel) for kernel, *_ in cuda_compiles.table(float32)}


def test_only_gpus_that_can_are_asked_for_tensor_cores():
    lengths = [len(cuda_compiles.table(float32, cc)) for cc in ((7, 5), (8, 0), (9, 0))]
    assert lengths[1] == lengths[2] == lengths[0] + len(cuda_compiles.PRODUCTS)
    assert len(cuda_compiles.table(float64)) == lengths[0]


def test_the_report_has_a_line_for_every_kernel_and_says_which_is_wrong(monkeypatch, capsys):
    results = {"float32": GOOD, "float64": GOOD._replace(float64=7)}
    monkeypatch.setattr(
        cuda_compiles, "table", lambda number, cc: [[cuda_compiles.sgd.update_kernel, number]]
    )
    monkeypatch.setattr(cuda_compiles, "to_ptx", lambda kernel, number, cc: number.name)
    monkeypatch.setattr(cuda_compiles, "measured", lambda ptx, cc, ptxas: results[ptx])
    assert cuda_compiles.report([(7, 5), (9, 0)]) == 0
    lines = capsys.readouterr().out.splitlines()
    kinds = [line.split()[1:3] for line in lines if line.startswith("sgd.update_kernel ")]
    assert kinds == [["float32", "7.5"], ["float32", "9.0"], ["float64", "9.0"]]
    assert lines[-1] == "all kernels compile"
    results["float32"] = GOOD._replace(spills=8)
    assert cuda_compiles.report([(9, 0)]) == 1
    assert "it spills" in capsys.readouterr().out


def test_the_report_goes_on_after_a_kernel_that_does_not_compile(monkeypatch, capsys):
    def to_ptx(kernel, *arguments, cc):
        if kernel is cuda_compiles.sgd.update_kernel:
            raise ValueError("no such instruction\nand so on")
        return ""

    monkeypatch.setattr(cuda_compiles, "to_ptx", to_ptx)
    monkeypatch.setattr(cuda_compiles, "measured", lambda ptx, cc, ptxas: GOOD)
    monkeypatch.setattr(cuda_compiles, "faults_of_product", lambda *arguments: [])
    assert cuda_compiles.report([(9, 0)]) == 1
    out = capsys.readouterr().out
    assert out.count("failed: no such instruction\n") == 2  # in float32 and in float64
    assert "2 kernels have faults" in out


def test_a_kernel_that_spills_or_computes_in_float64_is_not_as_it_should_be():
    assert cuda_compiles.faults_of(GOOD, float32) == cuda_compiles.faults_of(GOOD, float64) == []
    assert cuda_compiles.faults_of(GOOD._replace(spills=8), float64) == ["it spills"]
    assert cuda_compiles.faults_of(GOOD._replace(float64=1), float64) == []
    assert cuda_compiles.faults_of(GOOD._replace(float64=1), float32) == [
        "float64 in a float32 kernel"
    ]


def test_what_is_counted_in_ptx():
    ptx = """
        ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1];
        ld.global.f64 %fd1, [%rd1];
        mov.f64 %fd2, %fd1;
        fma.rn.f64 %fd3, %fd1, %fd2, %fd2;
        mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
    """
    result = cuda_compiles.measured(ptx, (9, 0), None)
    assert result == cuda_compiles.Result(None, None, None, float64=1, wide=1, mma=1)


OUT = ["st.shared.v4"] * 20 + ["ld.shared.v4"] * 16 + ["ld.global.v4.f32", "st.global.v4.f32"]
FINE = {  # instructions of a product of float32, as they should be, on tensor cores or not
    ("fc dw", False): ["fma.rn.f32"] * 128 + ["ld.shared.v4"] * 8 + OUT,
    ("fc dw", True): ["mma.sync"] * 16 + ["ld.shared.v4"] * 6 + ["cvt.rna.tf32"] * 16 + OUT,
}


@pytest.mark.parametrize("product", FINE)
def test_a_product_that_is_not_as_it_should_be_is_told_what_it_has_too_much_of(product):
    fine = FINE[product]
    assert cuda_compiles.faults_of_product(" ".join(fine), GOOD, *product) == []
    for more, fault in (
        ("ld.shared.f32", f"{fine.count('ld.shared.v4') + 1} × ld.shared, not"),
        ("st.local.f32", "1 × .local, not 0"),
        ("st.shared.v4", "21 × st.shared.v4, not 20"),
        ("fma.rn.f32", f"{fine.count('fma.rn.f32') + 1} × fma.rn.f32, not"),
    ):
        (found,) = cuda_compiles.faults_of_product(" ".join([*fine, more]), GOOD, *product)
        assert found.startswith(fault)
    for less in ("ld.global.v4.f32", "st.global.v4.f32"):
        found = cuda_compiles.faults_of_product(" ".join(fine).replace(less, ""), GOOD, *product)
        assert found == [f"no {less}"]


def test_a_product_may_take_128_registers():
    fine = " ".join(FINE["fc dw", False])
    for registers, faults in ((128, []), (129, ["more than 128 registers"])):
        result = GOOD._replace(registers=registers)
        assert cuda_compiles.faults_of_product(fine, result, "fc dw", False) == faults


def test_numpy_without_row_stack_stays_without():
    """NumPy 2.5 has none, and numba-cuda's compiler cannot be imported without one."""
    code = """if True:
        import numpy
        vars(numpy).pop("row_stack", None)
        import minicnn.cuda
        assert "row_stack" not in vars(numpy)
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_compilers_device_is_the_machines_again_afterwards(monkeypatch):
    dispatcher = SimpleNamespace(get_current_device=None)
    asked = []

    def compile(f, types, cc, **options):
        asked.append((cc, dispatcher.get_current_device().compute_capability))
        return "ptx", None

    monkeypatch.setattr(numba.cuda, "dispatcher", dispatcher, raising=False)
    monkeypatch.setattr(cuda_compiles, "cuda", SimpleNamespace(compile=compile))
    assert cuda_compiles.to_ptx(cuda_compiles.sgd.update_kernel, cc=(8, 0)) == "ptx"
    assert asked == [((8, 0), (8, 0))] and dispatcher.get_current_device is None


def test_what_cannot_be_done_is_said_in_one_sentence(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        cuda_compiles.main(["--cc", "nine"])
    assert "expected a compute capability such as 9.0" in capsys.readouterr().err


def test_what_ptxas_says_is_read(monkeypatch):
    said = """ptxas info    : 0 bytes gmem
        32 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
        ptxas info    : Used 116 registers, 33792 bytes smem, 480 bytes cmem[0]"""
    done = subprocess.CompletedProcess([], 0, stderr=said)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: done)
    assert cuda_compiles.to_machine_code("", (9, 0), "ptxas") == (116, 33792, 44)
    done.returncode, done.stderr = 255, "ptxas fatal: no such thing\n…"
    with pytest.raises(OSError, match="^ptxas: ptxas fatal: no such thing$"):
        cuda_compiles.to_machine_code("", (9, 0), "ptxas")
