"""When a GPU has no more memory: how much was needed, by what, and which batch would fit."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import cuda, net
from minicnn.__main__ import main
from minicnn.cuda import buffers, gpu
from minicnn.networks.summary import what_fits

MiB = 2**20


@pytest.fixture
def small_gpu(monkeypatch):
    """A GPU with 32 MiB, 2 of them free; nobody counts what is taken, but no array gets more."""
    allocate = gpu.cuda.device_array

    def device_array(shape, dtype):
        if np.prod(shape) * np.dtype(dtype).itemsize > 2 * MiB:
            raise RuntimeError("[CUresult.CUDA_ERROR_OUT_OF_MEMORY] Call to cuMemAlloc failed")
        return allocate(shape, dtype)

    context = SimpleNamespace(get_memory_info=lambda: (2 * MiB, 32 * MiB))
    monkeypatch.setattr(gpu.cuda, "device_array", device_array)
    monkeypatch.setattr(gpu.cuda, "current_context", lambda: context)
    monkeypatch.setattr(buffers, "kept", {})


def rows():
    weights = {"w": np.zeros((4, 1, 3, 3), np.float32), "b": np.zeros(4, np.float32)}
    return [net.row("relu0", cuda, "relu"), net.row("conv1", cuda, "conv", weights, pad=1)]


def test_a_row_that_finds_no_memory_is_named(small_gpu, monkeypatch):
    x = np.zeros((200, 1, 32, 32), np.float32)
    words = r"^conv1: GPU 0 has no 3 MiB left for float32 \(200, 4, 32, 32\): 2 of its 32 MiB"
    monkeypatch.setattr(cuda.activations, "launch", lambda *arguments: None)
    with pytest.raises(MemoryError, match=words):
        net.forward(rows(), x)


def test_a_row_that_finds_no_memory_on_the_way_back_is_named(small_gpu, monkeypatch):
    layers, x = rows(), np.zeros((2, 1, 3, 5), np.float32)
    y, caches = net.forward(layers, x)
    monkeypatch.setattr(buffers, "kept", {})

    def allocate(count, dtype, shape):
        raise MemoryError(f"GPU 0 has no memory left for {dtype} {shape}")

    monkeypatch.setattr(buffers, "allocate", allocate)
    with pytest.raises(MemoryError, match="^conv1: GPU 0 has no memory left for float32"):
        net.backward(layers, caches, y)


def test_training_says_which_batch_would_fit(tmp_path, capsys, few_images, small_gpu, monkeypatch):
    smaller = SimpleNamespace(get_memory_info=lambda: (2 * MiB, 12 * MiB))
    monkeypatch.setattr(gpu.cuda, "current_context", lambda: smaller)
    command = "train cifar-four-layer --ops cuda --batch 40 --epochs 1"
    assert main([*command.split(), "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert "minicnn: conv1: GPU 0 has no 5 MiB left for float32 (40, 32, 32, 32)" in error
    assert re.search(r"about \d+ images of 0.\d+ MiB would fit: try --batch \d+, ", error)
    assert error.splitlines()[-1].startswith("minicnn: conv1") and "Traceback" not in error


def test_the_batch_that_fits_is_counted_from_what_is_kept(small_gpu, monkeypatch):
    layers = [
        net.row("relu1", cuda, "relu"),
        net.row("fc2", cuda, "fc", {"w": np.zeros((4, 1024), np.float32), "b": np.zeros(4, "f4")}),
    ]
    # 0.9 · 32 MiB, less 3·(4·1024 + 4)·4 bytes.  Of each image: relu's output, which fc keeps,
    # two gradients of that size, and two copies of the image, 4 KiB each: 20 KiB.

    def said(batch):
        return what_fits(layers, (1, 32, 32), batch, cuda.device.capacity())

    assert said(2000).startswith("about 1472 images of 0.0195 MiB would")
    assert said(1472).startswith("by a rough count, 1472 images fit")
    large = SimpleNamespace(get_memory_info=lambda: (0, 48 * 1024))
    monkeypatch.setattr(gpu.cuda, "current_context", lambda: large)
    assert said(2).startswith("not even one image would fit: parameters")


def test_on_a_cpu_the_row_is_named_too():
    def forward(x):
        np.empty(2**62, np.uint8)

    with pytest.raises(MemoryError, match="^greedy1: Unable to allocate 4.00 EiB"):
        net.forward([net.Layer("greedy1", forward, None, {}, {})], np.zeros(1))
