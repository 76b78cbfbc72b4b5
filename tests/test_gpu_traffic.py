"""Memory traffic, counted: of accesses whose sectors and turns can be counted by hand."""

from functools import partial

import numpy as np
import pytest

from minicnn import cuda, net
from minicnn.cuda import gpu
from minicnn.cuda.gpu import cuda as numba_cuda
from minicnn.cuda.patches import patched
from minicnn.verify import cuda_compiles, gpu as emulator
from minicnn.verify.gpu import traffic


@numba_cuda.jit
def strided_kernel(x, y, step):
    """Each thread copies one number: of x the t-th, of y every step-th."""
    t = numba_cuda.threadIdx.x
    y[t * step] = x[t]


@numba_cuda.jit
def column_kernel(x, pad):
    """A warp writes a column of a 32×(32 + pad) tile."""
    tile = numba_cuda.shared.array(32 * 33, np.float32)
    t = numba_cuda.threadIdx.x
    tile[t * (32 + pad)] = x[t]


@numba_cuda.jit
def product_kernel(x):
    t = numba_cuda.threadIdx.x
    x[t] = x[t] * x[t] + x[t]


class Counting(traffic.Traffic):
    """Traffic that also counts how many blocks are executed."""

    executed = 0

    def choose(self, grid):
        for numbers in super().choose(grid):
            self.executed += len(numbers)
            yield numbers


def counted(monkeypatch, kernel, *arguments):
    counts = traffic.Traffic()
    monkeypatch.setattr(emulator.emulated, "traffic", counts)
    gpu.launch_blocks(kernel, 1, 64, *arguments)
    ((_, count),) = counts.counts.items()
    return count


@pytest.mark.parametrize("step, sectors", [(1, 8), (2, 16), (8, 64)])
def test_a_store_touches_more_sectors_than_it_fills_where_threads_are_apart(
    monkeypatch, step, sectors
):
    x, y = cuda.to_device(np.ones(64, np.float32)), gpu.cuda.device_array(64 * step, np.float32)
    count = counted(monkeypatch, strided_kernel, x, y, step)
    assert (count.loaded, count.load_fill) == (8, 8)  # 64 numbers of 4 bytes
    assert (count.stored, count.store_fill) == (sectors, 8)
    assert count.arrays == 4 * 64 * (1 + step)


@pytest.mark.parametrize("pad, turns", [(0, 32), (1, 1)])
def test_a_column_of_a_tile_has_bank_conflicts_unless_its_lines_are_padded(monkeypatch, pad, turns):
    x = cuda.to_device(np.ones(32, np.float32))
    monkeypatch.setattr(emulator.emulated, "traffic", counts := traffic.Traffic())
    gpu.launch_blocks(column_kernel, 1, 32, x, pad)
    ((_, count),) = counts.counts.items()
    assert (count.turns, count.least_turns) == (turns, 1)


def test_multiply_adds_are_counted(monkeypatch):
    assert (
        counted(monkeypatch, product_kernel, cuda.to_device(np.ones(64, np.float32))).products == 64
    )


def test_wide_loads_of_a_product_have_no_conflicts_and_the_bound_is_the_longer_time(monkeypatch):
    counts = traffic.Traffic()
    monkeypatch.setattr(emulator.emulated, "traffic", counts)
    x, w = (np.ones((n, 32), np.float32) for n in (64, 128))
    cuda.fc_forward(x, w, w[:, 0])
    count = counts.counts["", "tiles.tiled_kernel"]
    assert count.turns == count.least_turns > 0
    assert count.products == 64 * 128 * 32
    assert traffic.bound(count, 1e9, 1e30) == count.products / 1e9
    assert traffic.bound(count, 1e30, 1e9) == count.arrays / 1e9


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("size", [13, 28])  # only in one of them, the pixels are a multiple of four
def test_stores_of_a_product_touch_few_sectors_without_conflicts(monkeypatch, size, tf32):
    counts = traffic.Traffic()
    monkeypatch.setattr(emulator.emulated, "traffic", counts)
    monkeypatch.setattr(cuda.settings, "tf32", tf32)
    x, w = np.ones((1, 4, size, size), np.float32), np.ones((64, 4, 1, 1), np.float32)
    cuda.conv_forward(x, w, w[:, 0, 0, 0])
    count = counts.counts["", "tiles.tiled_kernel"]
    assert count.turns == count.least_turns
    assert count.store_fill <= count.stored <= (1 if size == 28 else 1.25) * count.store_fill


@pytest.mark.parametrize(
    "kind, shapes, options",
    [
        ("fc", (1, 4100), {"K": 264}),  # three rows of tiles, parts, the last ones not full
        ("fc", (2, 130), {"K": 260}),
        ("conv", (1, 4, 13, 13), {"K": 272, "groups": 2}),  # groups that are alike
        ("conv", (1, 6, 7, 9), {"K": 260, "groups": 2}),  # … and that are not
        ("conv", (1, 136, 5, 3), {"K": 384}),
        ("conv", (1, 2, 80, 24), {"K": 8}),  # windows of the middle, at 3 places of a line
    ],
)
def test_some_blocks_of_a_product_count_for_all_to_the_sector(monkeypatch, kind, shapes, options):
    """A product between two ReLUs, whose loads depend on its numbers."""
    N, C, *size = shapes
    K, groups = options["K"], options.get("groups", 1)
    shape = (K, C // groups, 3, 3) if kind == "conv" else (K, C)
    more = {"pad": 1, "groups": groups} if kind == "conv" else {}
    x = np.random.default_rng(0).standard_normal(shapes).astype(np.float32)
    params = net.gaussian(np.random.default_rng(1), shape, 0.1)
    found = []
    for some in (False, True):
        monkeypatch.setattr(emulator.emulated, "traffic", counts := Counting())
        layers = [
            net.row("relu0", cuda, "relu"),
            net.row("first", cuda, kind, params, **more),
            net.row("relu1", cuda, "relu"),
        ]
        layers = [traffic.counted(layer, layer.params, counts) for layer in layers]
        launch = partial(traffic.launch_some, counts) if some else gpu.launch_blocks
        with patched(cuda.product, "launch_blocks", launch):
            y, caches = net.forward(layers, cuda.to_device(x))
            dy = cuda.to_device(np.random.default_rng(2).standard_normal(y.shape, np.float32))
            net.backward(layers, caches, dy)
        found.append(counts)
    assert found[0].counts == found[1].counts and found[1].executed < found[0].executed


def test_a_network_that_is_unknown_is_one_sentence(capsys):
    assert cuda_compiles.main(["--traffic", "alexnot"]) == 1
    assert capsys.readouterr().err.startswith("minicnn.cuda.compiled: no network is called")


def test_a_network_that_is_too_large_for_the_emulated_memory_is_one_sentence(monkeypatch, capsys):
    emulator.start()
    monkeypatch.setattr(emulator.emulated.memory, "bytes", np.zeros(1 << 16, np.uint8))
    assert cuda_compiles.main(["--traffic", "cifar-four-layer"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("minicnn.cuda.compiled: GPU 0 has no ")
