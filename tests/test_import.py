"""`import minicnn` is light: everything heavy arrives when first named."""

import subprocess
import sys

import pytest

import minicnn


def printed(code):
    """Return the words that a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_import_minicnn_loads_nothing_heavy():
    code = "import sys, minicnn; print(*sys.modules)"
    heavy = {"numpy", "numba", "matplotlib", "PIL", "tqdm", "torch"}
    assert heavy.isdisjoint(printed(code))


def test_a_backend_arrives_when_first_named_and_brings_no_pictures():
    code = "import sys, minicnn; minicnn.reference.relu_forward; print(*sys.modules)"
    modules = set(printed(code))
    assert {"numpy", "numba", "minicnn.reference"} <= modules
    assert modules.isdisjoint({"minicnn.fast", "matplotlib", "PIL", "tqdm", "torch"})
    assert printed("import minicnn; print(minicnn.fast.__name__)") == ["minicnn.fast"]


def test_every_module_that_is_announced_is_there():
    for name in minicnn._MODULES:
        assert getattr(minicnn, name).__name__ == f"minicnn.{name}"
        assert name in dir(minicnn)


def test_an_unknown_name_is_an_attribute_error_that_lists_the_known_ones():
    with pytest.raises(AttributeError, match="'minicnn' has no attribute 'cudnn'; it has"):
        minicnn.cudnn  # noqa: B018
    assert not hasattr(minicnn, "cudnn")
