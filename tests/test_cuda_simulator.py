"""The simulator whose threads take turns: it runs kernels as a GPU does, and finds their races."""

from contextlib import nullcontext

import numpy as np
import pytest
from test_cuda import LAYERS
from test_layers import draw, walk

from minicnn import cuda as ops
from minicnn.cuda import gpu
from minicnn.cuda.gpu import cuda, launch_blocks

if not gpu.SIMULATED:
    pytest.skip("a GPU has no simulator", allow_module_level=True)

from numba.cuda.simulator import kernel, kernelapi

from minicnn.cuda import simulator


@pytest.fixture(params=[False, True], ids=["first thread first", "last thread first"])
def last_first(request):
    with in_order(request.param):
        yield request.param


def in_order(last_first):
    return simulator.last_thread_first() if last_first else nullcontext()


@cuda.jit
def reversing_kernel(x, y):
    """Each block turns its part of x around, through shared memory."""
    shared = cuda.shared.array(5, x.dtype)
    t, first = cuda.threadIdx.x, 5 * cuda.blockIdx.x
    shared[t] = x[first + t]
    cuda.syncthreads()
    y[first + t] = shared[4 - t]


@cuda.jit
def racing_kernel(x, y):
    """The same without syncthreads: half of the threads read what is not there yet."""
    shared = cuda.shared.array(5, x.dtype)
    t, first = cuda.threadIdx.x, 5 * cuda.blockIdx.x
    shared[t] = x[first + t]
    y[first + t] = shared[4 - t]


@cuda.jit
def hasty_kernel(x, y):
    """All read x[0], and then one writes it: which of them comes first, only luck tells."""
    y[cuda.threadIdx.x] = x[0]
    if cuda.threadIdx.x == 2:
        x[0] = 7


@cuda.jit
def failing_kernel(x):
    if cuda.threadIdx.x == 3:
        x[9] = 1
    cuda.syncthreads()


def run(kernel, x):
    y = np.zeros_like(x)
    launch_blocks(kernel, len(x) // 5, 5, x, y)
    return y


def test_threads_that_wait_see_what_the_others_have_written(last_first):
    x = np.arange(10.0)
    np.testing.assert_array_equal(run(reversing_kernel, x), [4, 3, 2, 1, 0, 9, 8, 7, 6, 5])


def test_a_missing_syncthreads_leaves_nan(last_first):
    y = run(racing_kernel, np.arange(5.0))
    np.testing.assert_array_equal(np.isnan(y), [t > 2 if last_first else t < 2 for t in range(5)])


def test_the_order_of_threads_shows_a_race(last_first):
    y = run(hasty_kernel, np.ones(5))
    np.testing.assert_array_equal(y, [7, 7, 1, 1, 1] if last_first else [1, 1, 1, 7, 7])


def test_a_thread_that_fails_stops_the_others_and_is_named(last_first):
    for _ in range(2):
        with pytest.raises(IndexError) as caught:
            launch_blocks(failing_kernel, 1, 5, np.zeros(4))
        assert caught.value.__notes__ == ["in thread (3, 0, 0) of block (0, 0, 0)"]
    test_threads_that_wait_see_what_the_others_have_written(last_first)  # nobody is left behind


@pytest.mark.parametrize("fails", [False, True])
def test_numbas_own_simulator_is_what_it_was_after_a_launch(fails):
    before = numbas_functions()
    if fails:
        with pytest.raises(IndexError):
            launch_blocks(failing_kernel, 1, 5, np.zeros(4))
    else:
        run(reversing_kernel, np.arange(5.0))
    assert numbas_functions() == before
    assert not any(f.__module__.startswith("minicnn") for f in before)


def numbas_functions():
    return kernel.BlockManager.run, kernelapi.FakeCUDAShared.array, kernelapi.FakeCUDALocal.array


# Every layer.  A conv and an fc that need two tiles, and a sum in two parts, come on top.
MORE = [("conv", [(2, 1, 3, 4), (17, 1, 2, 2)], {}), ("fc", [(17, 9), (5, 9)], {})]


@pytest.mark.parametrize("name, shapes, options", [*LAYERS, *MORE])
def test_a_layer_gives_the_same_bits_in_either_order(name, shapes, options):
    args, results = draw(shapes, np.float32), []
    for last_first in (False, True):
        with in_order(last_first):
            results.append([ops.to_host(q) for q in walk(ops, name, args, options)])
    assert_same_bits(*results)


def test_softmax_and_its_loss_give_the_same_bits_in_either_order():
    (scores,), labels = draw([(3, 11)], np.float32), np.array([10, 0, 4])
    results = []
    for last_first in (False, True):
        with in_order(last_first):
            loss, cache = ops.softmax_loss_forward(scores, labels)
            arrays = loss, ops.softmax(scores), *ops.softmax_loss_backward(cache)
            results.append([ops.to_host(q) for q in arrays])
    assert_same_bits(*results)


def assert_same_bits(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert not np.isnan(one).any()
        np.testing.assert_array_equal(one, other)
