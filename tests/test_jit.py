"""Compiled code is kept on disk, is never stale, and is not needed: kernels run as Python, too."""

import ast
import errno
import importlib
import inspect
import os
import pkgutil
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher

import minicnn
from minicnn import fast, jit, reference

PACKAGE = Path(minicnn.__file__).parent
ONE_KERNEL = """
import numpy as np
from minicnn import fast
y, _ = fast.fc_forward(np.ones((1, 3)), np.ones((2, 3)), np.zeros(2))
print(y[0, 0], sum(fast.fc.few_loop.stats.cache_hits.values()))
"""

A_LIGHTER_ONE = """
import numpy as np
from minicnn import fast
y, _ = fast.dropout_predict_forward(np.ones(2))
print(y[0], sum(fast.dropout.scale_loop.stats.cache_hits.values()))
"""


def copy_of_minicnn(folder):
    """Return a copy of what a backend needs."""
    for name in ("fast", "reference"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PACKAGE / name, folder / "minicnn" / name, ignore=ignored)
    for file in PACKAGE.glob("*.py"):
        shutil.copy(file, folder / "minicnn")
    return folder / "minicnn"


def run(code, folder, **environment):
    """Return what a fresh Python prints with minicnn from this folder, and what it warns of."""
    environment = os.environ | {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": ""} | environment
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def kernels():
    """Yield every kernel of the backends for a CPU, with its module."""
    for package in (fast, reference):
        for _, name, _ in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(name)
            for value in vars(module).values():
                if isinstance(value, CPUDispatcher) and value.__module__ == name:
                    yield module, value


# Never stale.


def test_a_change_in_a_file_that_a_kernel_calls_is_seen(tmp_path):
    file = copy_of_minicnn(tmp_path) / "fast" / "vector.py"
    assert run(ONE_KERNEL, tmp_path)[0] == ["3.0", "0"]
    assert run(ONE_KERNEL, tmp_path)[0] == ["3.0", "1"]  # from the cache
    before = sorted(path.name for path in tmp_path.rglob("*.nb?"))
    source = file.read_text("utf-8")
    assert source.count("ir.Constant(vector.element, 0.0)") == 1
    moved = source.replace("ir.Constant(vector.element, 0.0)", "ir.Constant(vector.element, 1.0)")
    file.write_text(moved, "utf-8")  # sums begin with 1
    assert run(ONE_KERNEL, tmp_path)[0] == ["4.0", "0"]
    assert run(ONE_KERNEL, tmp_path)[0] == ["4.0", "1"]
    assert sorted(path.name for path in tmp_path.rglob("*.nb?")) == before  # nothing piles up


def test_the_digest_is_of_every_source_of_a_package_and_of_the_compiler(tmp_path, monkeypatch):
    copy = copy_of_minicnn(tmp_path)
    folders = {"minicnn": copy, "minicnn.fast": copy / "fast"}
    monkeypatch.setattr(jit.resources, "files", folders.__getitem__)

    def digest():
        jit.sources.cache_clear()
        return jit.sources("minicnn.fast")

    seen = {digest()}
    assert seen == {digest()}
    for file in (*sorted((copy / "fast").glob("*.py")), copy / "jit.py"):
        file.write_bytes(file.read_bytes() + b"#")
        assert digest() not in seen
        seen.add(digest())
    (copy / "fast" / "new.py").write_bytes(b"")
    assert digest() not in seen
    jit.sources.cache_clear()


def test_every_kernel_is_kept_in_this_way():
    found = [kernel for _, kernel in kernels()]
    assert len(found) > 50
    assert [kernel.__name__ for kernel in found if type(kernel._cache) is not jit.KernelCache] == []


def test_a_kernel_uses_nothing_of_another_package():
    for module, kernel in kernels():
        tree = ast.parse(Path(module.__file__).read_text("utf-8"))
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        outside = [node for node in imports if node.level > 1 or "minicnn" in (node.module or "")]
        names = {alias.asname or alias.name for node in outside for alias in node.names}
        used = names.intersection(kernel.py_func.__code__.co_names)
        assert not used, f"{module.__name__}.{kernel.__name__} uses {used}"


def test_no_kernel_assigns_an_array_to_a_slice():
    """Numba would compile the message of a possible error, which takes four seconds."""
    for module, kernel in kernels():
        tree = ast.parse(textwrap.dedent(inspect.getsource(kernel.py_func)))
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            inside = [part for target in targets for part in ast.walk(target)]
            if any(isinstance(part, ast.Slice) for part in inside):
                assert isinstance(node.value, ast.Constant), f"{module.__name__}: {node.lineno}"


def test_code_of_other_sources_or_another_signature_is_not_taken(tmp_path):
    file, other = (jit.KernelFile(str(tmp_path), "kernel", stamp) for stamp in ("new", "old"))
    file.save("float32", b"code")
    assert file.load("float32") == b"code" and file.load("float64") is other.load("float32") is None
    (code,) = tmp_path.glob("*.nbc")
    for late, key in ((other, "float32"), (file, "float64")):  # written by another process
        file.save("float32", b"code")
        late._save_data(code.name, (late._source_stamp, key, b"other"))
        assert file.load("float32") is None


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"cminicnn.fast.winograd\nRenamed\n."])
def test_a_file_that_cannot_be_read_is_written_anew(tmp_path, ending, content):
    file = jit.KernelFile(str(tmp_path), "kernel", "stamp")
    file.save("key", b"code")
    (broken,) = tmp_path.glob(f"*.{ending}")
    version = broken.read_bytes()[: -len(file._dump(("stamp", {"key": "kernel.1.nbc"})))]
    broken.write_bytes(version * (ending == "nbi") + content)
    assert file.load("key") is None
    file.save("key", b"code")
    assert file.load("key") == b"code"


# Nowhere to keep it.


@pytest.mark.skipif(sys.platform == "win32", reason="has no HOME")
def test_without_a_folder_for_compiled_code_all_works_and_one_warning_says_what_to_set(tmp_path):
    copy = copy_of_minicnn(tmp_path)
    for name in ("fast", "reference"):
        (copy / name / "__pycache__").write_text("a file, where Numba wants a folder")
    nowhere = {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    printed, warned = run(A_LIGHTER_ONE, tmp_path, **nowhere)
    assert printed == ["0.5", "0"]
    assert warned.count("RuntimeWarning") == warned.count("set NUMBA_CACHE_DIR") == 1
    kept = {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    assert run(A_LIGHTER_ONE, tmp_path, **nowhere, **kept) == (["0.5", "0"], "")
    assert run(A_LIGHTER_ONE, tmp_path, **nowhere, **kept) == (["0.5", "1"], "")


def test_a_full_disk_is_said_once_and_stops_nobody(monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(jit.KernelFile, "load", full)
    monkeypatch.setattr(jit.KernelFile, "save", full)
    monkeypatch.setattr(jit, "warned", False)
    x, y = np.arange(3.0), np.empty(3)
    with pytest.warns(RuntimeWarning, match="set NUMBA_CACHE_DIR .*No space left") as warnings:
        for _ in range(2):
            jit.njit(fast.dropout.scale_loop.py_func)(x, 2.0, y)
    np.testing.assert_array_equal(y, [0, 2, 4])
    assert len(warnings) == 1


# Not compiled at all.

AS_PYTHON = """
import numpy as np
from minicnn import fast, reference
from minicnn.step import step
rng = np.random.default_rng(0)
# Memory that no one may read before it is written: its numbers would overflow, with a warning.
fast.winograd.empty = lambda shape, dtype: np.full(shape, np.finfo(dtype).max, dtype)
def compare(name, x, *parameters, **options):
    forward, backward = f"{name}_forward", f"{name}_backward"
    y, cache = getattr(fast, forward)(x, *parameters, **options)
    y_expected, cache_expected = getattr(reference, forward)(x, *parameters, **options)
    dy = rng.standard_normal(y.shape).astype(y.dtype)
    gradients = getattr(fast, backward)(dy, cache)
    expected = getattr(reference, backward)(dy, cache_expected)
    limit = 1e-10 if x.dtype == np.float64 else 1e-4
    for a, b in zip((y, *gradients), (y_expected, *expected), strict=True):
        assert a.dtype == b.dtype == x.dtype
        np.testing.assert_allclose(a, b, rtol=limit, atol=limit * np.abs(b).max())
for dtype in (np.float64, np.float32):
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)
    compare("conv", draw(1, 8, 24, 25), draw(3, 8, 3, 3), draw(3), pad=1)  # Winograd
    compare("conv", draw(2, 6, 9, 8), draw(4, 3, 2, 2), draw(4), stride=2, groups=2)
    x = draw(2, 5, 6, 7)
    compare("lrn", x, alpha=0.5)
    compare("lrn", x, beta=0.6, n=4)
    compare("local", x, draw(2, 3, 4, 5, 3, 3), draw(2, 3, 4), stride=2)
    compare("map_lrn", x, alpha=0.5, n=4)
    compare("map_lrn", x, beta=0.6)
    compare("pool", x)
    compare("pool", draw(1, 3, 20, 19), z=17, s=3)  # winners of more than a byte
    compare("average_pool", x)
    compare("fc", draw(3, 50), draw(40, 50), draw(40))
    for name in ("relu", "tanh", "logistic"):
        compare(name, 5 * x)
    y, cache = fast.fused.conv_relu_forward(x, draw(4, 5, 3, 3), draw(4))
    assert y.min() == 0 and fast.fused.conv_relu_backward(y, cache)[0].shape == x.shape
    y, kept = fast.dropout_forward(x, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(y, reference.dropout_forward(x, rng=np.random.default_rng(1))[0])
    w, v, dw = draw(3, 4), draw(3, 4), draw(3, 4)
    expected = reference.sgd_update(w, v, dw, 0.1)
    np.testing.assert_allclose(fast.sgd_update(w, v, dw, 0.1), expected, rtol=1e-5)
steps = step(fast.lrn_forward, x)
names = {frame.source.name for frame in steps._record.frames}
assert {"forward_loop", "normalize"} <= names and "load" not in names
print("done")
"""


def test_without_a_compiler_fast_runs_as_the_python_that_it_is():
    assert run(AS_PYTHON, PACKAGE.parent, NUMBA_DISABLE_JIT="1") == (["done"], "")
