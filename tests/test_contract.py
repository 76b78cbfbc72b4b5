"""The contract of backends.py: every backend offers its names, and no others."""

import importlib
import importlib.resources
import inspect
from types import ModuleType

import pytest
from test_layers import SIGNATURES

from minicnn import backends
from minicnn.backends import BACKENDS, FUNCTIONS, PARTS, SETTINGS, Settings


def module(name):
    return importlib.import_module(f"minicnn.{name}")


@pytest.fixture(params=list(BACKENDS))
def ops(request):
    if request.param == "cuda":  # numba.cuda may not be there
        pytest.importorskip("numba.cuda")
    return module(request.param)


def is_own_file(ops, name, value):
    """Return whether a name stands for a file of the backend, which Python binds by itself."""
    return isinstance(value, ModuleType) and value.__name__ == f"{ops.__name__}.{name}"


def test_a_backend_offers_what_the_contract_lists_and_nothing_else(ops):
    public = {name: value for name, value in vars(ops).items() if not name.startswith("_")}
    imported = {"os", "sys", "SimpleNamespace", "Settings"}  # what its file needs itself
    offered = {
        name
        for name, value in public.items()
        if name in PARTS or not is_own_file(ops, name, value) and name not in imported
    }
    assert offered == FUNCTIONS.keys() | PARTS.keys()
    assert sorted(ops.__all__) == sorted(FUNCTIONS)


def test_the_contract_lists_every_function_that_has_a_signature():
    assert FUNCTIONS.keys() == SIGNATURES.keys()


def test_a_part_has_the_attributes_that_the_contract_lists(ops):
    for part, attributes in PARTS.items():
        for attribute in attributes:
            assert hasattr(getattr(ops, part), attribute), f"{part}.{attribute}"


def test_a_fused_layer_is_two_functions_of_layers_that_the_contract_has(ops):
    names = [name for name in vars(ops.fused) if name.endswith("_relu_forward")]
    assert bool(names) == (ops.__name__ == "minicnn.fast")
    for name in names:
        plain = getattr(ops, name.replace("_relu", ""))
        fused = getattr(ops.fused, name)
        assert inspect.signature(fused) == inspect.signature(plain)
        assert callable(getattr(ops.fused, name.replace("forward", "backward")))


def test_every_setting_can_be_read_and_only_its_owner_changes_it(ops):
    own = ops.__name__.split(".")[-1]
    assert isinstance(ops.settings, Settings)
    for setting, (owner, _) in SETTINGS.items():
        value = getattr(ops.settings, setting)
        if owner == own:
            setattr(ops.settings, setting, value)
        else:
            assert not value
            setattr(ops.settings, setting, value)  # as it is
            option = setting.replace("_", "-")
            with pytest.raises(ValueError, match=f"--{option} is for --ops {owner}; {own} compu"):
                setattr(ops.settings, setting, 2)
    with pytest.raises(AttributeError, match="no setting is called 'thread'; there are threads,"):
        ops.settings.thread = 2


def test_threads_are_a_setting_of_fast(monkeypatch):
    fast = module("fast")
    monkeypatch.setattr(fast.threads, "count", fast.threads.count)
    fast.settings.threads = 1
    assert fast.threads.count == fast.settings.threads == 1
    with pytest.raises(ValueError, match="threads = 0; expected a whole number"):
        fast.settings.threads = 0


def test_a_backend_is_found_by_its_name_and_settings_that_are_off_change_nothing():
    assert backends.backend("reference", tf32=False, through_host=False) is module("reference")
    with pytest.raises(ValueError, match="--tf32 is for --ops cuda; fast computes on the CPU"):
        backends.backend("fast", tf32=True)


def test_no_code_asks_which_backend_it_has():
    package = importlib.resources.files("minicnn")
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for asked in ("hasattr(ops", '== "cuda"', '!= "cuda"', "if backend =="):
            assert asked not in text, f"{path.name}: {asked}"
