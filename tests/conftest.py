"""Tests that need no loops of minicnn.fast come first; a second process compiles these meanwhile.

Compiling takes a third of the time of all tests, and one of the cores.  So, where the whole suite
runs, another pytest runs those few tests that call every loop, and leaves what it compiles in
Numba's cache; the tests that need it wait until it is done.  Two processes never compile the same
file at the same time: one could overwrite what the other has written.  For the kernels of the GPU
backend, another pytest begins at the other end, and none waits: its cache (verify/gpu/ptx_cache.py)
has a file for each kernel.

The GPU backend's compiled kernels run in the emulator (verify/gpu), on any machine where numba-cuda
is installed: python -m pytest -m gpu.
"""

import importlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Read once, when NumPy and Numba are imported.  NumPy's product waits for its second thread without
# sleeping, and while the second process compiles there is no processor for it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell starts a job in the background with Ctrl-C ignored, and tests press Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np  # noqa: E402

from minicnn import data, errors  # noqa: E402
from minicnn.plots import canvas, curves, gallery  # noqa: E402
from minicnn.verify import gpu as emulator  # noqa: E402

WITHOUT_LOOPS = (  # but for tests that are named after minicnn.fast
    "test_augment test_bad_input test_checkpoint test_damaged_files test_data test_download "
    "test_exercises test_gallery test_import test_journal test_lessons_doors test_net "
    "test_networks test_planted_mistakes test_prepare test_readme test_summary test_vgg "
    "test_weights"
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
    parser.addoption("--backwards", action="store_true", help="the last test first")


def pytest_itemcollected(item):
    if is_for_gpu(item) and not item.get_closest_marker("slow"):
        item.add_marker("gpu")


def is_for_gpu(item):
    return item.path.stem.startswith(("test_cuda", "test_gpu")) or item.get_closest_marker("gpu")


@pytest.hookimpl(trylast=True)  # when -m has left out what shall not run
def pytest_collection_modifyitems(config, items):
    items.sort(key=needs_loops)  # else in the order they had
    if {"test_cuda", "test_gpu_kernels"} <= {item.path.stem for item in items}:  # all of -m gpu
        items.sort(key=lambda item: item.path.stem == "test_gpu_kernels")
        compile_meanwhile("test_gpu_kernels.py", "-m", "gpu", "-k", "references", "--backwards")
    elif sum(map(needs_loops, items)) > 600:  # the whole suite
        compile_meanwhile("test_layers.py", "test_fast.py", "-k", CALL_EVERY_LOOP)
    if config.getoption("--backwards"):
        items.reverse()


def compile_meanwhile(*arguments):
    global compiling
    arguments = [Path(__file__).parent / a if a.endswith(".py") else a for a in arguments]
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    compiling = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pytest_runtest_setup(item):
    if is_for_gpu(item):
        try:
            emulator.start()
        except errors.GpuError as error:
            pytest.skip(str(error))
    if compiling and needs_loops(item) and not is_for_gpu(item):
        compiling.wait()


def pytest_terminal_summary(terminalreporter, config):
    """With -v: which pieces of each kernel's code the tests have run in the emulator."""
    if emulator.emulated and config.option.verbose > 0:
        for line in emulator.coverage():
            terminalreporter.write_line(line)


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
