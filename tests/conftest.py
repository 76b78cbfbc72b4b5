"""Tests that need no loops of minicnn.fast come first; a second process compiles these meanwhile.

Compiling takes a third of the time of all tests, and one of the cores.  So, where the whole suite
runs, another pytest runs those few tests that call every loop, and leaves what it compiles in
Numba's cache; the tests that need it wait until it is done.  Two processes never compile the same
file at the same time: one could overwrite what the other has written.

The GPU backend runs in Numba's simulator, on any machine: python -m pytest -m simulator.  On one
with a GPU, NUMBA_ENABLE_CUDASIM=0 python -m pytest tests/test_cuda.py -m simulator takes the GPU.
"""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# Read once, when NumPy and Numba are imported.  NumPy's product waits for its second thread without
# sleeping, and while the second process compiles there is no processor for it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")

import numpy as np  # noqa: E402

from minicnn import data  # noqa: E402
from minicnn.plots import canvas, curves, gallery  # noqa: E402

WITHOUT_LOOPS = (  # but for tests that are named after minicnn.fast
    "test_augment test_bad_input test_checkpoint test_data test_download test_exercises "
    "test_gallery test_import test_journal test_lessons_doors test_net test_networks "
    "test_planted_mistakes test_prepare test_readme test_summary test_vgg test_weights"
).split()
CALL_EVERY_LOOP = "(gradients_have_the_shapes and fast) or winograd_is_the_definition"
compiling = None  # the second process


def needs_loops(item):
    """Return whether a test calls minicnn.fast: its name, its file or its lesson tells."""
    if item.originalname == "test_a_lesson_runs_and_its_numbers_come_out":
        lesson = item.callspec.params["path"].read_text(encoding="utf-8")
        return re.search(r"^from minicnn import .*\bfast\b", lesson, re.MULTILINE) is not None
    others = "reference" in item.name or item.path.stem in WITHOUT_LOOPS
    return "fast" in item.name or not others


def pytest_addoption(parser):
    parser.addoption("--cases", type=int, default=50, help="random shapes for the GPU's kernels")


def pytest_itemcollected(item):
    if item.path.stem.startswith("test_cuda"):
        item.add_marker("simulator")
    if item.path.stem.startswith("test_gpu"):
        item.add_marker("gpu")


@pytest.hookimpl(trylast=True)  # when -m has left out what shall not run
def pytest_collection_modifyitems(items):
    global compiling
    items.sort(key=needs_loops)  # else in the order they had
    if sum(map(needs_loops, items)) > 600:  # the whole suite
        files = [str(Path(__file__).parent / name) for name in ("test_layers.py", "test_fast.py")]
        command = [sys.executable, "-m", "pytest", "-q", *files, "-k", CALL_EVERY_LOOP]
        compiling = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pytest_runtest_setup(item):
    if compiling and needs_loops(item):
        compiling.wait()


def pytest_sessionfinish():
    if compiling:
        compiling.kill()
        compiling.wait()


@pytest.fixture(params=["reference", "fast"])
def ops(request):
    """Each backend for the CPU."""
    return importlib.import_module(f"minicnn.{request.param}")


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    """Each type of float that a layer takes."""
    return request.param


@pytest.fixture(scope="session")
def sample():
    """The bundled sample, read once: that takes a quarter of a second.  Nobody may change it."""
    return data.load("sample")


@pytest.fixture(scope="module")
def chromium():
    """A browser for the tests of a file; where there is none, they are skipped."""
    from browser import browser

    with browser() as driver:
        yield driver


@pytest.fixture
def few_images(sample, monkeypatch):
    """The sample with 40 training and 20 test images, for the whole command line."""
    few = data.subset(sample, 40)
    small = few._replace(test_x=few.test_x[:20], test_y=few.test_y[:20])
    monkeypatch.setattr(data, "load", lambda name: small)


@pytest.fixture
def no_pictures(monkeypatch):
    """Training, races and experiments draw nothing, which would take most of their time."""
    for name in ("curves", "weights", "figure1", "save"):
        monkeypatch.setattr(curves, name, lambda *arguments: None)
    monkeypatch.setattr(canvas, "save", lambda *arguments: None)
    monkeypatch.setattr(gallery, "figure3", lambda *arguments: None)
