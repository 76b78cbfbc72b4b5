"""What fast promises beside the contract: buffers, layout, threads, vectors of any width."""

import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref
from functools import partial

import numpy as np
import pytest

from minicnn import fast, net, reference
from minicnn.fast import buffers, layout, threads, two_columns, vector
from minicnn.fast.vector import (
    LANES,
    add,
    clamp_min,
    div,
    fma,
    load,
    load_part,
    load_scalar,
    load_splat,
    mul,
    pow,
    prefetch,
    reduce_add,
    select_equal,
    select_greater,
    splat,
    sqrt,
    store,
    store_int,
    store_part,
    sub,
    zero,
)
from minicnn.gradcheck import check_layer
from minicnn.networks import alexnet, cifar
from minicnn.training import train
from minicnn.training.run import Run
from minicnn.two_columns import in_columns, split_columns

RNG = np.random.default_rng(0)
SHAPE = (3, 5, 7, 6)


def python(code, *environments):
    """Return what a fresh Python prints in each of these environments; all run at once."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for environment in environments
    ]
    ended = [process.communicate() for process in running]
    assert not any(process.returncode for process in running), "".join(e for _, e in ended)
    return [output.strip() for output, _ in ended]


# Buffers.


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_that_nobody_holds_is_used_again():
    a = buffers.empty((3, 1001), np.float32)
    first = address(a)
    del a
    b = buffers.empty((1001, 3), np.float32)
    assert address(b) == first and b.shape == (1001, 3)


def test_memory_that_somebody_holds_is_not_used_again():
    held = buffers.empty((7, 1001), np.float32)[2:, ::3].T  # a view is enough
    held[:] = 5
    others = [buffers.empty((7, 1001), np.float32) for _ in range(3)]
    for other in others:
        other[:] = 6
    assert (held == 5).all()


def test_memory_begins_at_a_cache_line():
    assert all(address(buffers.empty((n,), np.float32)) % 64 == 0 for n in range(1, 40))


def test_memory_that_is_not_used_for_long_is_given_back(monkeypatch):
    monkeypatch.setattr(buffers, "FORGET", 10)
    monkeypatch.setattr(buffers, "kept", [])
    buffers.empty((12345,), np.float32)
    assert 4 * 12345 in map(buffers.size_of, buffers.kept)
    for n in range(20):
        buffers.empty((54321 + n,), np.float32)  # of a new size every time
    assert 4 * 12345 not in map(buffers.size_of, buffers.kept)


@pytest.fixture
def nothing_kept(monkeypatch):
    """Buffers and tables as in a new process."""
    for name, value in dict(kept=[], tables={}, peak=0, peak_call=0).items():
        monkeypatch.setattr(buffers, name, value)


def bytes_kept():
    return sum(map(buffers.size_of, buffers.kept)), sum(t.nbytes for t in buffers.tables.values())


def test_images_of_many_sizes_keep_little_more_than_the_largest_needs(nothing_kept):
    w, b = RNG.standard_normal((8, 3, 3, 3), np.float32), np.zeros(8, np.float32)
    kept = []
    for n in range(80):
        x = np.ones((1, 3, 200 + (37 * n) % 80, 210 + (23 * n) % 80), np.float32)
        y, cache = fast.conv_forward(x, w, b, stride=1 + n % 2, pad=1)
        z, _ = fast.pool_forward(y)
        fast.conv_backward(y, cache)
        kept.append(sum(bytes_kept()))
        del x, y, z, cache
    largest = 4 * 280 * 290 * (3 + 16 * 4) + 2**23  # some arrays of whole vectors, and tables
    assert max(kept) < 3 * largest and kept[-1] < 3 * largest


def test_tables_are_kept_up_to_a_number_of_bytes(nothing_kept, monkeypatch):
    monkeypatch.setattr(buffers, "TABLES", 10_000)
    first = layout.row_table(1000)
    assert layout.row_table(1000) is first
    for n in range(1, 20):
        assert (layout.row_table(100 * n, n) == n * np.arange(100 * n)).all()
        assert bytes_kept()[1] <= max(10_000, 800 * n)
    assert layout.row_table(1000) is not first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process")  # is multi-threaded: that is the question
def test_a_child_that_is_forked_while_another_thread_takes_memory_can_take_some():
    busy = threading.Event()

    def take():
        while not busy.is_set():
            buffers.empty((1000,), np.float32)

    other = threading.Thread(target=take)
    other.start()
    try:
        for _ in range(30):
            child = os.fork()
            if not child:
                signal.alarm(20)
                buffers.empty((1000,), np.float32)[:] = 1
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        busy.set()
        other.join()


def step(layers, velocities, x, labels):
    _, _, grads = train.loss_and_gradients(layers, fast, x, labels)
    train.update(layers, fast, grads, velocities, 0.001)


def small_training():
    layers = cifar.four_layer(fast, np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((32, 3, 32, 32), np.float32)
    labels = np.arange(32) % 10
    velocities = {
        row.name: {name: np.zeros_like(w) for name, w in row.params.items()} for row in layers
    }
    return layers, velocities, x, labels


def test_after_the_first_steps_a_training_allocates_no_arrays():
    training = small_training()
    for _ in range(3):
        step(*training)
    made = len(buffers.kept)
    blocks = sys.getallocatedblocks()  # tracemalloc misses some that a kernel gives back
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(10):
        step(*training)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(buffers.kept) == made and sys.getallocatedblocks() - blocks < 1000
    # what is left: arrays the size of the scores, tables of some hundred bytes; y of conv1 has 4 MB
    assert peak - before < 200_000


# ReLU on the way.


def table(ops, rng, dtype):
    """Rows in which every neighbour of a ReLU comes once, and one that has none that can."""

    def params(*shape):
        return net.gaussian(rng, shape, 0.3, bias=0.1, dtype=dtype)

    return [
        net.row("conv1", ops, "conv", params(7, 3, 4, 4), stride=2, pad=1),
        net.row("relu1", ops, "relu"),
        net.row("conv2", ops, "conv", params(9, 7, 3, 3), pad=1),
        net.row("pool2", ops, "pool", z=3, s=2, ceil_mode=True),
        net.row("relu2", ops, "relu"),
        net.row("conv3", ops, "conv", params(6, 3, 3, 3), pad=1, groups=3),
        net.row("relu3", ops, "relu"),
        net.row("pool3", ops, "pool", z=2, s=2),
        net.row("conv4", ops, "conv", params(20, 6, 3, 3), pad=2),
        net.row("relu4", ops, "relu"),
        net.row("fc5", ops, "fc", params(11, 20 * 5 * 4)),
        net.row("relu5", ops, "relu"),
        net.row("dropout5", ops, "dropout", p=0.4, rng=rng),
        net.row("fc6", ops, "fc", params(5, 11)),
        net.row("relu6", ops, "relu"),
    ]


def walked(rows, x, rng):
    """Return y, dx and the gradients of all parameters."""
    rng.bit_generator.state = np.random.default_rng(3).bit_generator.state
    y, caches = net.forward(rows, x)
    dy = np.random.default_rng(4).standard_normal(y.shape).astype(y.dtype)
    dx, grads = net.backward(rows, caches, dy)
    return [y, dx, *[dq for params in grads.values() for dq in params.values()]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("large", [False, True])  # so large that two threads share the work
def test_a_relu_done_on_the_way_changes_no_bit(dtype, large, winograd_everywhere):
    rng = np.random.default_rng(0)
    layers = table(fast, rng, dtype)
    rows = net.fused(layers, fast)
    assert [(row.name, net.kind_of(row)) for row in rows] == [
        ("conv1", "conv_relu"), ("conv2", "conv"), ("pool2", "pool_relu"), ("conv3", "conv"),
        ("pool3", "pool_relu"), ("conv4", "conv_relu"), ("fc5", "fc"), ("dropout5", "dropout_relu"),
        ("fc6", "fc"), ("relu6", "relu"),
    ]  # fmt: skip
    N = 200 if large else 3
    x = np.random.default_rng(1).standard_normal((N, 3, 26, 22)).astype(dtype)
    expected, found = walked(layers, x, rng), walked(rows, x, rng)
    assert all(abs(a).max() > 0 for a in expected)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)
    y, _ = net.forward(net.fused(net.predicting(layers, fast), fast), x)
    np.testing.assert_array_equal(y, net.forward(net.predicting(layers, fast), x)[0])


def test_fused_rows_share_parameters_and_options_and_no_row_does_two_relus():
    layers = table(fast, np.random.default_rng(0), np.float32)
    of = {layer.name: layer for layer in layers}
    for row in net.fused(layers, fast):
        assert row.options == of[row.name].options
        assert all(row.params[name] is w for name, w in of[row.name].params.items())
    twice = [net.row(name, fast, name[:4]) for name in ("relu1", "pool2", "relu3")]
    assert net.hosts(twice, fast) == {0: 1}


def test_rows_of_one_name_are_not_mixed_up():
    params = [net.gaussian(RNG, shape, 0.3) for shape in ((4, 3, 3, 3), (5, 4, 3, 3))]
    layers = [
        net.row(name, fast, kind, some)
        for name, kind, some in (
            ("conv", "conv", params[0]), ("relu", "relu", None), ("conv", "conv", params[1]),
            ("relu", "relu", None),
        )
    ]  # fmt: skip
    x = RNG.standard_normal((2, 3, 9, 8), np.float32)
    rows = net.fused(layers, fast)
    assert [net.kind_of(row) for row in rows] == ["conv_relu", "conv_relu"]
    np.testing.assert_array_equal(net.forward(rows, x)[0], net.forward(layers, x)[0])


def test_a_backend_without_fused_rows_and_layers_of_ones_own_stay_as_they_are():
    layers = table(reference, np.random.default_rng(0), np.float32)
    assert net.fused(layers, reference) == layers

    def relu_forward(x):
        return abs(x), x

    own = net.Layer("relu1", relu_forward, fast.relu_backward, {}, {})
    layers = [own, net.row("pool1", fast, "pool")]
    assert net.fused(layers, fast) == layers


def test_two_columns_do_a_relu_on_the_way_too():
    two = in_columns(fast)
    layers = [
        net.row("both", two, "both"),
        net.row("conv1", two, "conv", split_columns(net.gaussian(RNG, (6, 3, 3, 3), 0.3)), pad=1),
        net.row("relu1", two, "relu"),
        net.row("pool2", two, "pool"),
        net.row("join", two, "join"),
    ]
    rows = net.fused(layers, two)
    assert [net.kind_of(row) for row in rows] == ["both", "conv", "pool_relu", "join"]
    x = RNG.standard_normal((4, 3, 9, 7), np.float32)
    for a, b in zip(walked(layers, x, RNG)[:2], walked(rows, x, RNG)[:2], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_come_through_a_relu_on_the_way(value):
    x = -abs(RNG.standard_normal((2, 20, 9, 8)))
    x[1, 3:5, 2:7, 1:6] = value
    w, b = RNG.standard_normal((4, 20, 1, 1)), np.zeros(4)
    pairs = [
        (fast.fused.pool_relu_forward(x), fast.relu_forward(fast.pool_forward(x)[0])),
        (
            fast.fused.dropout_relu_forward(x, 0.2, np.random.default_rng(0)),
            fast.dropout_forward(fast.relu_forward(x)[0], 0.2, np.random.default_rng(0)),
        ),
        (
            fast.fused.conv_relu_forward(x, w, b),
            fast.relu_forward(fast.conv_forward(x, w, b)[0]),
        ),
    ]
    for (found, _), (expected, _) in pairs:
        np.testing.assert_array_equal(found, expected)


def test_units_that_are_zero_get_no_gradient_from_a_relu_on_the_way():
    x = np.array([[-1.0, 0.0, 2.0, -0.0, 3.0]])
    y, cache = fast.fused.dropout_relu_forward(x, 0, np.random.default_rng(0))
    np.testing.assert_array_equal(y, [[0, 0, 2, 0, 3]])
    (dx,) = fast.fused.dropout_relu_backward(np.ones(y.shape), cache)
    np.testing.assert_array_equal(dx, [[0, 0, 1, 0, 1]])


def test_a_cache_of_another_backend_or_layer_is_refused():
    x, w = RNG.standard_normal((2, 16, 16, 16)), RNG.standard_normal((3, 16, 2, 2))
    layers = {
        "conv": [x, w, np.zeros(3)], "fc": [x, RNG.standard_normal((3, 4096)), np.zeros(3)],
        "lrn": [x], "pool": [x, 1, 1], "average_pool": [x], "relu": [x], "dropout": [x],
        "local": [x, RNG.standard_normal((15, 15, 3, 16, 2, 2)), np.zeros(3)], "map_lrn": [x],
    }  # fmt: skip
    caches = {}
    for name, args in layers.items():
        options = {"rng": np.random.default_rng(0)} if name == "dropout" else {}
        y, cache = getattr(reference, f"{name}_forward")(*args, **options)
        caches[name] = getattr(fast, f"{name}_forward")(*args, **options)[1]
        if name != "relu":  # both keep y
            with pytest.raises(TypeError, match=rf"^{name}: .*cache.*; expected what {name}_for"):
                getattr(fast, f"{name}_backward")(y, cache)
    for name in layers:
        for other, cache in caches.items():
            if other != name:
                with pytest.raises((TypeError, ValueError), match=f"^{name}: "):
                    getattr(fast, f"{name}_backward")(x, cache)
    with pytest.raises(TypeError, match="^pool: cache is a list"):
        fast.pool_backward(x, list(caches["pool"]))


# n, z and s: with others the numbers are wrong, but from the layer's own memory.
OTHER_WINDOWS = [
    ("lrn", 3),
    ("map_lrn", 3),
    ("pool", 3),
    ("pool", 4),
    ("average_pool", 4),
    ("average_pool", 5),
]


def test_a_cache_whose_sizes_do_not_fit_reaches_no_kernel():
    x = RNG.standard_normal((2, 16, 9, 8))
    layers = {
        "conv": [x, RNG.standard_normal((8, 8, 3, 3)), np.zeros(8), 1, 1, 2],  # Winograd's
        "fc": [x, RNG.standard_normal((3, 1152)), np.zeros(3)],
        "lrn": [x], "pool": [x], "average_pool": [x], "dropout": [x, 0.5, np.random.default_rng(0)],
        "local": [x, np.ones((5, 4, 3, 16, 3, 3)), np.zeros((5, 4, 3)), 2, 1], "map_lrn": [x],
    }  # fmt: skip
    for name, args in [*layers.items(), ("conv", [x, np.ones((4, 16, 2, 2)), np.zeros(4), 3])]:
        y, cache = getattr(fast, f"{name}_forward")(*args)
        backward = getattr(fast, f"{name}_backward")
        backward(y, cache)
        for place, part in enumerate(cache):
            changes = {part + 1, -part, 0} - {part} if isinstance(part, int) else []
            if isinstance(part, np.ndarray):
                changes = [part[..., :-1].copy(), part[:1].copy(), part[None]]
            for change in changes:
                if (name, place) in OTHER_WINDOWS and change > 0:
                    continue
                wrong = (*cache[:place], change, *cache[place + 1 :])
                with pytest.raises((TypeError, ValueError), match=f"^({name}: |a window of size)"):
                    backward(y, wrong)


def test_a_window_of_minus_infinity_has_a_first_winner():
    x = np.full((1, 1, 5, 4), -np.inf)
    y, cache = fast.pool_forward(x, z=3, s=2)
    dx, expected = fast.pool_backward(np.ones(y.shape), cache)[0], np.zeros(x.shape)
    expected[0, 0, [0, 2], 0] = 1
    np.testing.assert_array_equal(dx, expected)


# Layout.


def test_what_a_layer_returns_lies_in_memory_channels_last_and_is_taken_as_it_is():
    x = RNG.standard_normal(SHAPE)
    y, _ = fast.conv_forward(x, RNG.standard_normal((16, 5, 3, 3)), np.zeros(16), pad=1)
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    assert np.shares_memory(layout.to_pixels(y), y)
    for name in "relu tanh logistic lrn map_lrn pool average_pool dropout_predict".split():
        z, _ = getattr(fast, f"{name}_forward")(y)
        assert z.transpose(0, 2, 3, 1).flags.c_contiguous, name


@pytest.mark.parametrize("name", ["relu", "tanh", "logistic"])
def test_gradients_in_another_order_of_memory_are_understood(name):
    x = layout.from_pixels(RNG.standard_normal((2, 7, 6, 5)))
    y, cache = getattr(fast, f"{name}_forward")(x)
    dy = RNG.standard_normal(y.shape)  # contiguous, channels first
    (dx,) = getattr(fast, f"{name}_backward")(dy, cache)
    (expected,) = getattr(fast, f"{name}_backward")(np.asfortranarray(dy), cache)
    np.testing.assert_array_equal(dx, expected)
    if name == "relu":
        np.testing.assert_array_equal(dx, np.where(y > 0, dy, 0))
    read_only = layout.from_pixels(np.ascontiguousarray(dy.transpose(0, 2, 3, 1)))
    read_only.flags.writeable = False
    (dx,) = getattr(fast, f"{name}_backward")(read_only, cache)
    np.testing.assert_array_equal(dx, expected)


def test_a_frame_has_zeros_all_around():
    x = RNG.standard_normal(SHAPE)
    frame = layout.frame_pixels(x, 2, 1, 7 + 5, 6 + 2)
    np.testing.assert_array_equal(frame[:, 2:9, 1:7], x.transpose(0, 2, 3, 1))
    frame[:, 2:9, 1:7] = 0
    assert not frame.any()


# Threads.


def test_a_number_of_threads_that_cannot_be_is_refused():
    for wrong in (0, -1, 10_000, 2.0, "2", None, np.float32(1), np.ones(2)):
        with pytest.raises(ValueError, match="threads = .*; expected a whole number from 1 to"):
            threads.use(wrong)
    code = "from minicnn import fast; print(fast.threads.count)"
    with pytest.raises(AssertionError, match="MINICNN_THREADS is 'two'"):
        python(code, {"MINICNN_THREADS": "two"})
    (free,) = python(code, {"MINICNN_THREADS": ""})
    assert int(free) >= 1


def test_a_number_of_threads_may_be_of_any_type_of_whole_numbers(monkeypatch):
    monkeypatch.setattr(threads, "count", threads.count)  # `use` sets it
    for one in (1, np.uint8(1), np.int64(1), np.array(1)):
        threads.use(one)
        assert threads.count == 1 and type(threads.count) is int


def test_every_thread_is_done_before_an_error_comes_through():
    parts = []

    def loop(first, stop, out):
        if first:
            parts.append((first, stop))
            raise ArithmeticError(f"from {first}")
        out[first:stop] = 1

    out = np.zeros(7)
    with pytest.raises(ArithmeticError, match="from"):
        threads.run_parallel(loop, [(0, 3, out), (3, 5, out), (5, 7, out)])
    assert out.sum() == 3 and sorted(parts) == [(3, 5), (5, 7)]
    with pytest.raises(ZeroDivisionError):
        threads.run_parallel(lambda i: 1 // i, [(0,), (1,)])
    threads.run_parallel(loop, [(0, 7, out)])
    assert out.sum() == 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process")  # is multi-threaded: that is the question
def test_a_forked_child_has_threads_of_its_own():
    threads.run_parallel(np.copyto, [(np.zeros(1), 1)] * 3)
    child = os.fork()
    if not child:
        signal.alarm(20)
        out = np.zeros(3)
        threads.run_parallel(np.copyto, [(out[i : i + 1], 1) for i in range(3)])
        os._exit(0 if out.all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def team_of(count):
    """Return the identifiers of the threads that ran the iterations of a loop."""
    doers = set()

    def loop(first, stop):
        doers.add(threading.get_ident())
        time.sleep(0.02)  # long enough that no thread is done before another begins

    threads.run(loop, 8, 1e9)
    assert len(doers) == count
    return doers


@pytest.mark.parametrize("count", [1, 2, 3, 16])
@pytest.mark.parametrize("iterations", [0, 1, 7, 1000])
def test_iterations_are_split_and_a_worker_that_wakes_late_gets_fewer(
    monkeypatch, count, iterations
):
    monkeypatch.setattr(threads, "count", count)
    assert threads.split(iterations, threads.WORTH_WAKING) == [(0, iterations)]
    monkeypatch.setattr(threads, "WORTH_WAKING", -1)
    for nanoseconds in (0, threads.WAKE_TIME, 5 * threads.WAKE_TIME):
        parts = threads.split(iterations, nanoseconds)
        assert [i for part in parts for i in range(*part)] == list(range(iterations))
    if iterations == 1000 and count > 1:
        own, *others = [stop - first for first, stop in parts]
        late = iterations / 5  # what a thread does of them in WAKE_TIME
        assert len(others) == count - 1
        assert all(abs(own - late - other) <= 2 for other in others)


@pytest.mark.parametrize("count, team", [(2, 1), (4, 2), (6, 3)])
def test_two_halves_work_at_once_each_with_threads_of_its_own(monkeypatch, count, team):
    monkeypatch.setattr(threads, "count", count)
    meeting = threading.Barrier(2, timeout=20)  # who comes alone waits in vain

    def work(half):
        meeting.wait()
        return team_of(team)

    first, second = threads.run_pair(work)
    assert not first & second
    assert len(team_of(count) & (first | second)) == count  # and afterwards all are one again


def test_halves_take_turns_where_there_is_one_thread_or_three_or_a_debugger(monkeypatch):
    here = threading.get_ident()
    for count in (1, 3):
        monkeypatch.setattr(threads, "count", count)
        assert threads.run_pair(lambda half: threading.get_ident()) == (here, here)
    monkeypatch.setattr(threads, "count", 2)
    before = sys.gettrace()
    sys.settrace(lambda *event: None)
    try:
        assert threads.run_pair(lambda half: threading.get_ident()) == (here, here)
    finally:
        sys.settrace(before)


def test_an_error_in_a_half_comes_through_and_leaves_the_team_whole(monkeypatch):
    monkeypatch.setattr(threads, "count", 4)
    for wrong in (0, 1):
        with pytest.raises(ArithmeticError):
            threads.run_pair(lambda half: 1 // (half - wrong))  # noqa: B023
        assert threads.team_size() == 4 and len(team_of(4)) == 4


def test_a_helper_that_waits_holds_no_arrays(monkeypatch):
    monkeypatch.setattr(threads, "count", 2)
    x = np.ones(10)
    gone = weakref.ref(x)

    def work(half, x=x):
        return x + half, np.zeros(10)

    results = threads.run_pair(work)
    seen = [weakref.ref(array) for pair in results for array in pair]
    del x, work, results
    end = time.monotonic() + 5
    while any(array() is not None for array in (gone, *seen)):
        assert time.monotonic() < end  # it only has to come round
        time.sleep(0.001)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no such timer here")
def test_ctrl_c_waits_until_nobody_writes(monkeypatch):
    monkeypatch.setattr(threads, "count", 2)
    begun, presses, done = threading.Event(), [], []

    def press(*signal_and_frame):
        presses.append(len(done))
        raise KeyboardInterrupt

    def work(half):
        if half:
            begun.set()
            time.sleep(0.1)
            done.append(half)
        else:
            begun.wait()
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            time.sleep(0.01)

    before = signal.signal(signal.SIGALRM, press)
    try:
        with pytest.raises(KeyboardInterrupt):
            try:
                threads.run_pair(work)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert done == [1] and len(presses) > 1 and not any(presses[:2])


def test_columns_go_the_way_that_was_faster(monkeypatch):
    ways = []

    def way(name, seconds):
        def go(work):
            ways.append(name)
            time.sleep(seconds)
            return work(0), work(1)

        return go

    slow, quick = way("slow", 0.004), way("quick", 0.0)
    for pair in [(slow, quick), (quick, slow)]:
        monkeypatch.setattr(two_columns, "WAYS", pair)
        two_columns.trials.clear()
        ways.clear()
        results = {two_columns.each(lambda column: 10 + column, "a layer") for _ in range(10)}
        assert results == {(10, 11)}
        assert sorted(ways[:6]) == ["quick"] * 3 + ["slow"] * 3 and ways[6:] == ["quick"] * 4
    two_columns.trials.clear()


TRAINING = """
import numpy as np, sys
sys.path.insert(0, {here!r})
from test_fast import small_training, step, threads
training = small_training()
for _ in range(4):
    step(*training)
weights = (w for row in training[0] for w in row.params.values())
print(threads.count, sum(float(abs(w).sum()) for w in weights).hex())
"""


def test_threads_are_as_many_as_the_environment_says_and_train_the_same_weights():
    code = TRAINING.format(here=os.path.dirname(__file__))
    one, four = python(code, {"MINICNN_THREADS": "1"}, {"MINICNN_THREADS": "4"})
    assert (one.split()[0], four.split()[0]) == ("1", "4")
    assert one.split()[1] == four.split()[1]


# Winograd's algorithm.

CONVOLUTIONS = [  # N, C, H, W, K, f, options
    (2, 3, 9, 7, 5, 2, {}),
    (3, 34, 5, 6, 21, 3, {"pad": 2, "groups": 1}),
    (2, 6, 8, 11, 38, 3, {"pad": 1, "groups": 2}),
    (1, 4, 4, 9, 3, 4, {"pad": 3, "ceil_mode": True}),
    (2, 3, 5, 8, 4, 5, {"pad": 2}),
    (1, 3, 8, 9, 4, 7, {"pad": 3}),
    (2, 3, 2, 3, 4, 2, {"pad": 9}),  # some tiles see only padding
    (2, 3, 24, 19, 4, 11, {"stride": 4, "pad": 2, "ceil_mode": True}),  # blocks of 4×4 pixels
    (2, 4, 15, 12, 6, 5, {"stride": 2, "groups": 2}),  # groups, so no blocks
]


@pytest.fixture
def winograd_everywhere(monkeypatch):
    """Winograd's algorithm where it can be, whether it pays or not."""

    def can(N, C, H_out, W_out, f, stride):
        return 2 <= -(-f // stride) <= 7

    monkeypatch.setattr(fast.winograd, "pays", can)


def convolution(case, dtype=np.float64, seed=1):
    """Return x, w, b and the options."""
    N, C, H, W, K, f, options = case
    rng = np.random.default_rng(seed)
    shapes = (N, C, H, W), (K, C // options.get("groups", 1), f, f), (K,)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes], options


def passes(ops, arguments, options):
    """Return y, dx, dw and db for the same dy."""
    y, cache = ops.conv_forward(*arguments, **options)
    dy = np.random.default_rng(2).standard_normal(y.shape).astype(y.dtype)
    return y, *ops.conv_backward(dy, cache)


def test_the_three_matrices_make_a_convolution_of_eight_by_eight_pixels():
    points = [0, 0.5, -0.5, 1, -1, 2, -2]

    def evaluation(n):  # n coefficients in seven points, and the last of them
        return np.vstack([np.vander(points, n, increasing=True), np.eye(n)[-1]])

    B = np.linalg.inv(evaluation(8))
    for f in range(2, 8):
        E_n, E_f = evaluation(9 - f), evaluation(f)
        x, w = RNG.standard_normal((8, 8)), RNG.standard_normal((f, f))
        y = E_n.T @ ((E_f @ w @ E_f.T) * (B.T @ x @ B)) @ E_n
        expected, _ = reference.conv_forward(x[None, None], w[None, None], np.zeros(1))
        np.testing.assert_allclose(y, expected[0, 0], atol=1e-12)


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_winograd_is_the_definition(case, winograd_everywhere):
    arguments, options = convolution(case)
    expected = passes(reference, arguments, options)
    for dtype, most in ((np.float64, 1e-13), (np.float32, 1e-5)):
        found = passes(fast, [a.astype(dtype) for a in arguments], options)
        for a, e in zip(found, expected, strict=True):
            assert a.dtype == dtype and a.shape == e.shape
            assert abs(a - e).max() < most * abs(e).max()


@pytest.mark.parametrize("case", CONVOLUTIONS[2:4])
def test_winograd_gradients_are_those_of_its_forward_pass(case, winograd_everywhere):
    arguments, options = convolution(case)
    functions = fast.conv_forward, fast.conv_backward
    report = check_layer(*functions, *arguments, max_entries=20, **options)
    assert report.ok, report


def test_a_nan_reaches_its_windows_and_no_further_than_its_tiles(winograd_everywhere):
    (x, w, b), _ = convolution((3, 4, 20, 21, 5, 3, {}))
    clean, _ = fast.conv_forward(x, w, b, pad=1)
    for value in (np.nan, np.inf):
        x[1, 2, 8, 9] = value
        y, _ = fast.conv_forward(x, w, b, pad=1)
        seen = ~np.isfinite(y)
        assert seen[1, :, 7:10, 8:11].all()  # the windows that hold it
        near = np.zeros(seen.shape, bool)
        near[1, :, 2:15, 3:16] = True  # n − 1 = 5 pixels more
        assert not seen[~near].any()
        np.testing.assert_array_equal(y[~near], clean[~near])


@pytest.mark.skipif(threads.count < 2, reason="Numba has one thread here")
def test_the_number_of_threads_changes_no_bit_of_winograd(winograd_everywhere):
    arguments, options = convolution((19, 38, 9, 7, 34, 3, {"pad": 1, "groups": 2}), np.float32)
    before = threads.count
    try:
        results = []
        for count in (1, 2):
            threads.use(count)
            results.append(passes(fast, arguments, options))
    finally:
        threads.use(before)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_winograd_is_used_where_it_pays():
    assert fast.winograd.pays(32, 3, 55, 55, 11, 4)  # AlexNet's conv1, in blocks
    assert fast.winograd.pays(32, 48, 27, 27, 5, 1)  # conv2, one group
    assert fast.winograd.pays(32, 256, 13, 13, 3, 1)  # conv3
    assert fast.winograd.pays(128, 32, 8, 8, 5, 1)  # conv3 of the four-layer network
    assert not fast.winograd.pays(128, 3, 32, 32, 5, 1)  # its conv1: three channels
    assert fast.winograd.pays(1, 48, 27, 27, 5, 1)  # conv2 for one image
    assert not fast.winograd.pays(1, 256, 13, 13, 3, 1)  # to prepare the kernels takes longer
    assert fast.winograd_rows.pays(3, 1, 32, 5, 1)  # the same conv1, along rows
    assert not fast.winograd_rows.pays(3, 1, 8, 3, 1)  # a tile and a half


@pytest.mark.parametrize(
    "case",
    [
        (17, 3, 9, 12, 5, 5, {"pad": 2}),
        (2, 1, 8, 19, 40, 6, {"pad": 1}),  # two panels; the last tile is not full
        (1, 7, 70, 38, 3, 3, {}),  # more than one band
    ],
)
def test_a_convolution_of_few_channels_is_the_definition(case, monkeypatch):
    arguments, options = convolution(case)
    calls, as_it_was = [], fast.winograd_rows.make_plan
    monkeypatch.setattr(
        fast.winograd_rows, "make_plan", lambda *sizes: calls.append(sizes) or as_it_was(*sizes)
    )
    expected = passes(reference, arguments, options)
    for dtype, most in ((np.float64, 1e-13), (np.float32, 1e-5)):
        results = []
        for count in {1, threads.count}:
            monkeypatch.setattr(threads, "count", count)
            results.append(passes(fast, [a.astype(dtype) for a in arguments], options))
        for a, same, e in zip(results[0], results[-1], expected, strict=True):
            assert a.dtype == dtype and abs(a - e).max() < most * abs(e).max()
            np.testing.assert_array_equal(a, same)
    assert len(calls) == 4 * len({1, threads.count})  # forward and dw, in either dtype
    x, w, b = arguments
    x[0, 0, 3, 4] = np.nan
    y, _ = fast.conv_forward(x, w, b, **options)
    clean = abs(y - expected[0]) < 1e-9
    rows, row = range(y.shape[2]), 3 + options.get("pad", 0)  # of the frame
    for h in rows:
        assert clean[:, :, h].all() == (not row - w.shape[2] < h <= row)


@pytest.mark.parametrize(
    "build, size",
    [
        (cifar.four_layer, 32),
        (partial(alexnet.alexnet, kernels=(12, 20, 36, 24, 20), hidden=70, classes=7), 99),
    ],
)
def test_a_training_step_leaves_no_copying_to_numpy(build, size, monkeypatch):
    copied, as_it_was = [], layout.contiguous_copy

    def counted(x):
        transposed = layout.is_channels_last(x) or (x.ndim == 2 and layout.is_contiguous(x.T))
        copied.append(0 if transposed else x.nbytes)
        return as_it_was(x)

    monkeypatch.setattr(layout, "contiguous_copy", counted)
    layers = build(fast, np.random.default_rng(0), size=size)
    images = np.zeros((4, 3, size, size), np.float32)
    _, _, gradients = train.loss_and_gradients(layers, fast, images, np.arange(4))
    run = Run(layers, np.random.default_rng(0), 0.01)
    train.update(layers, fast, gradients, run.velocities, run.epsilon)
    assert copied and sum(copied) == 0


# Vectors.


def test_lanes_are_two_registers_full():
    assert vector.lanes("+avx2,+avx512f") == 32
    assert vector.lanes("+avx2,-avx512f") == 16
    assert vector.lanes("") == vector.lanes("-avx2,-avx512f,+neon") == 8


def test_lanes_follow_what_numba_compiles_for():
    code = "from minicnn.fast import vector; print(vector.LANES)"
    environments = [{"NUMBA_CPU_FEATURES": text} for text in ("", "+avx2", "+avx2,+avx512f")]
    assert python(code, *environments) == ["8", "16", "32"]
    if vector.LANES > 8:
        assert python(code, {"NUMBA_ENABLE_AVX": "0"}) == ["8"]


@pytest.mark.parametrize("text", ["12", "64", "x", "-8", "8.0"])
def test_a_width_that_the_processor_does_not_have_is_refused(text, monkeypatch):
    monkeypatch.setenv("MINICNN_LANES", text)
    with pytest.raises(ValueError, match=f"^MINICNN_LANES is '{text}'; this processor allows 8"):
        vector.chosen_lanes()


def test_fewer_lanes_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("MINICNN_LANES", "8")
    assert vector.chosen_lanes() == 8
    monkeypatch.setenv("MINICNN_LANES", "")
    assert vector.chosen_lanes() == vector.lanes(vector.target_features())


def every_operation(a, b, c, i, whole, value, out, numbers, few):
    """Call each operation of vector.py; its result is a row of `out`."""
    u, v, w = load(a, i), load(b, i), load(c, i)
    store(out[0], 0, load_splat(a, i))
    numbers[0] = load_scalar(a, i)
    store(out[1], 0, fma(u, v, w))
    store(out[2], 0, add(u, v))
    store(out[3], 0, sub(u, v))
    store(out[4], 0, mul(u, v))
    store(out[5], 0, div(u, v))
    store(out[6], 0, sqrt(u))
    store(out[7], 0, pow(u, v))
    numbers[1] = reduce_add(u)
    store(out[8], 0, zero(a))
    store(out[9], 0, splat(a, value))
    store(out[10], 0, select_greater(u, v, w, zero(a)))
    store(out[11], 0, clamp_min(v, u))
    store(out[12], 0, select_equal(whole, i, value, u))
    store(out[13], 0, load_part(a, i, value // 20))  # 3 lanes
    store_part(out[14], 1, u, value // 20)
    store(out[15], 0, load_part(a, i, value))  # all lanes
    store_part(out[16], 0, u, value)
    store_int(few, i, load(whole.astype(a.dtype), i))
    prefetch(a, i)


def results(function, dtype, whole_dtype, a, b, c):
    out, numbers = np.zeros((17, LANES), dtype), np.zeros(2, dtype)
    whole = (np.arange(LANES + 3) % 11 * 20).astype(whole_dtype)
    few = np.zeros(LANES + 3, whole_dtype)
    with np.errstate(all="ignore"):
        function(a, b, c, 2, whole, 60, out, numbers, few)
    np.testing.assert_array_equal(few[2:-1], whole[2:-1])
    assert not few[:2].any() and not few[-1]
    return np.concatenate([out.ravel(), numbers])


@pytest.mark.parametrize("dtype, whole_dtype", [(np.float32, np.uint8), (np.float64, np.int32)])
def test_every_operation_on_vectors_is_compiled_to_what_its_python_does(dtype, whole_dtype):
    from numba import njit  # not above: minicnn.fast tells Numba how many threads, before
    from numba.core.imputils import builtin_registry

    registered = [f for _, f, _ in builtin_registry.functions]
    operations = {f.__name__ for f in registered if getattr(f, "__module__", "") == vector.__name__}
    assert operations == {n for n in every_operation.__code__.co_names if hasattr(vector, n)}
    of_the_compiler = {name for name, value in vars(vector).items() if "ntrinsic" in repr(value)}
    assert of_the_compiler == set()  # an intrinsic cannot run as Python

    compiled = njit(every_operation)
    kinds = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 2.5, -2.5, 1e-30]
    pairs = np.array([(p, q) for p in kinds for q in kinds], dtype)
    pairs = np.concatenate([pairs, RNG.standard_normal((-len(pairs) % LANES, 2)).astype(dtype)])
    epsilon = np.finfo(dtype).eps
    for some in pairs.reshape(-1, LANES, 2):
        a, b = np.zeros((2, LANES + 3), dtype)
        a[2:-1], b[2:-1] = some.T
        c = np.roll(a, 5)
        found = results(compiled, dtype, whole_dtype, a, b, c)
        expected = results(every_operation, dtype, whole_dtype, a, b, c)
        rounded = np.isin(np.arange(found.size) // LANES, [1, 7, 17])  # fma, pow, reduce_add
        np.testing.assert_allclose(found[rounded], expected[rounded], rtol=8 * epsilon)
        np.testing.assert_array_equal(found[~rounded], expected[~rounded])
        sure = ~np.isnan(found) & ~rounded
        np.testing.assert_array_equal(np.signbit(found[sure]), np.signbit(expected[sure]))


OTHER_WIDTH = """
import os
import numba
import numpy as np
if "TRY_LANES" in os.environ:  # more than this processor has
    numba.njit(lambda: 0)()  # now Numba has asked what the processor can do
    numba.config.CPU_FEATURES = {"16": "+avx2", "32": "+avx512f"}[os.environ["TRY_LANES"]]
from minicnn import fast, reference
from minicnn.fast.vector import LANES
numba.config.CPU_FEATURES = None  # the code must run here
rng = np.random.default_rng(0)
def draw(*shape):
    return rng.standard_normal(shape).astype(np.float32)
CASES = [
    ("conv", (draw(5, 6, 9, 8), draw(70, 3, 3, 3), draw(70)), dict(stride=2, pad=1, groups=2)),
    ("conv", (draw(5, 20, 9, 8), draw(22, 10, 3, 3), draw(22)), dict(pad=1, groups=2)),
    ("local", (draw(3, 5, 6, 6), draw(4, 4, 9, 5, 3, 3), draw(9)), {}),
    ("lrn", (draw(3, 12, 5, 5),), dict(groups=2, alpha=0.1)),
    ("lrn", (draw(3, 70, 5, 5),), {}),
    ("pool", (draw(3, 37, 7, 7),), {}),
    ("fc", (draw(3, 41), draw(5, 41), draw(5)), {}),
    ("fc", (draw(20, 41), draw(501, 41), draw(501)), {}),
]
for layer, arrays, options in CASES:
    y, cache = getattr(fast, layer + "_forward")(*arrays, **options)
    expected, theirs = getattr(reference, layer + "_forward")(*arrays, **options)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    dy = draw(*y.shape)
    gradients = getattr(fast, layer + "_backward")(dy, cache)
    expected = getattr(reference, layer + "_backward")(dy, theirs)
    for ours, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
print(LANES)
"""


@pytest.mark.slow
def test_vectors_of_every_width_compute_the_same(tmp_path):
    most = vector.lanes(vector.target_features())
    others = [str(lanes) for lanes in (8, 16, 32) if lanes != vector.LANES]  # all other tests: this
    environments = [
        {
            "MINICNN_LANES" if int(lanes) <= most else "TRY_LANES": lanes,
            "NUMBA_CACHE_DIR": str(tmp_path / lanes),
        }
        for lanes in others
    ]
    assert python(OTHER_WIDTH, *environments) == others


# Awkward numbers.


def test_numbers_too_small_to_be_normal_come_through():
    tiny = np.full((2, 3, 8, 8), 1e-40, np.float32)
    w = np.zeros((4, 3, 3, 3), np.float32)
    w[:, :, 1, 1] = 1
    y, _ = fast.conv_forward(tiny, w, np.zeros(4, np.float32), pad=1)
    np.testing.assert_allclose(y, 3e-40, rtol=1e-4)
