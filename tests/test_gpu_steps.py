"""The steps of a CUDA kernel, as the emulator executes it: what can be said of them by hand."""

import numpy as np
import pytest

from lessons.viewer import cells, launches
from minicnn import cuda, errors
from minicnn.cuda.activations import relu_kernel
from minicnn.cuda.gpu import cuda as numba_cuda
from minicnn.cuda.vector_loads import load4
from minicnn.step import step
from minicnn.stepping.gpu_steps import GpuSteps
from minicnn.verify import gpu as emulator


@numba_cuda.jit
def strided_kernel(x, y):
    t = numba_cuda.threadIdx.x
    y[t] = x[8 * t]


@numba_cuda.jit
def four_kernel(x, y):
    t = numba_cuda.threadIdx.x
    y[t] = load4(x, 4 * t)[3]


@numba_cuda.jit
def unrolled_kernel(x, y):
    t = numba_cuda.threadIdx.x
    for k in range(3):
        y[k] = x[k]
    y[t] = 7


@numba_cuda.jit
def turned_kernel(x, y):
    tile = numba_cuda.shared.array((64, 2), np.float32)
    t = numba_cuda.threadIdx.x
    tile[t, 1] = x[t]
    numba_cuda.syncthreads()
    y[t] = tile[63 - t, 1]


@numba_cuda.jit
def hasty_kernel(x, y):
    tile = numba_cuda.shared.array(64, np.float32)
    t = numba_cuda.threadIdx.x
    tile[t] = x[t]
    y[t] = tile[(t + 33) % 64]


@numba_cuda.jit
def some_wait_kernel(x, y):
    t = numba_cuda.threadIdx.x
    if t < 40:
        y[t] = x[t]
        numba_cuda.syncthreads()
    y[t] = x[t]


@numba_cuda.jit
def too_far_kernel(x, y):
    i = numba_cuda.grid(1)
    y[i] = x[i + 1]


def drawn(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def nameless():
    """Return a kernel whose source is in no file."""
    scope = {}
    exec("def f(x):\n    x[0] = 1", scope)
    return numba_cuda.jit(scope["f"])


def steps_of(steps, block="0"):
    return steps.data["blocks"][block]["steps"]


def code(steps, one):
    """Return the line of Python of a step."""
    source = steps.data["sources"][one["source"]]
    return source["lines"][one["line"] - source["first"]].strip()


def test_a_strided_load_lights_a_sector_for_each_number():
    x, y = drawn(256), np.zeros(32, np.float32)
    steps = step(strided_kernel[1, 32], x, y)
    read, write = steps_of(steps)[-1]["accesses"]
    assert read["at"] == [8 * t for t in range(32)] and write["at"] == list(range(32))
    assert read["warps"] == [[0, 32, 4]] and write["warps"] == [[0, 4, 4]]
    np.testing.assert_allclose(read["values"], x[::8], rtol=1e-5)
    assert (y == x[::8]).all() and (steps.arrays["y"] == y).all()
    assert (steps.count.loaded, steps.count.load_fill, steps.count.stored) == (32, 4, 4)
    assert "32 threads read x: 32 sectors, where 4 would do" in str(steps)


def test_a_vector_load_is_one_access_of_four_numbers():
    steps = step(four_kernel[1, 32], drawn(128), np.zeros(32, np.float32))
    (read,) = [a for s in steps_of(steps) for a in s["accesses"] if not a["writing"]]
    assert (read["count"], read["at"][:3], read["warps"]) == (4, [0, 4, 8], [[0, 16, 16]])
    assert len(read["values"]) == 128


@pytest.mark.parametrize("block, state", [("0", "R" * 32), ("1", "R" * 8 + "." * 24)])
def test_threads_past_the_end_are_elsewhere(block, state):
    steps = step(relu_kernel[2, 32], drawn(40), np.zeros(40, np.float32))
    last = steps_of(steps, block)[-1]
    assert (
        last["state"] == state
        and [len(a["at"]) for a in last["accesses"]] == [state.count("R")] * 2
    )
    assert [code(steps, one) for one in steps_of(steps, block)[1:3]] == [
        "i = cuda.grid(1)",
        "if i < x.size:",
    ]


def test_threads_stand_at_a_barrier_until_all_have_come():
    steps = step(turned_kernel[1, 64], drawn(64), np.zeros(64, np.float32))
    put, wait, take = steps_of(steps)[-3:]
    line = str(wait["line"])
    assert code(steps, wait) == "numba_cuda.syncthreads()"
    assert (wait["state"], wait["waiting"]) == ("W" * 64, {line: 64})
    assert (put["state"], put["waiting"]) == (take["state"], take["waiting"]) == ("R" * 64, {})
    assert put["accesses"][1]["warps"] == [[0, 2, 1], [1, 2, 1]]  # each other bank, and twice
    (tile,) = [array for array in steps.data["arrays"] if array["space"] == "shared"]
    assert (tile["name"], tile["shape"], tile["dtype"]) == ("tile", [64, 2], "float32")
    assert f"64 of 64 threads wait at the barrier of line {line}" in str(steps)


def test_the_steps_end_at_a_race_with_both_threads():
    y = np.full(64, 5, np.float32)
    steps = step(hasty_kernel[1, 64], drawn(64), y)
    assert steps.fault.startswith("race: test_gpu_steps.hasty_kernel, tests/test_gpu_steps.py line")
    assert ", thread (0, 0, 0): shared address " in steps.fault
    assert (steps.data["fault"]["thread"], steps.data["fault"]["other"]) == (0, 33)
    last = steps_of(steps)[-1]
    assert last["fault"] and code(steps, last) == "y[t] = tile[(t + 33) % 64]"
    assert steps.arrays == {} and (y == 5).all() and f"✗ {steps.fault}" in str(steps)


def test_the_steps_end_at_a_barrier_that_some_never_reach():
    steps = step(some_wait_kernel[1, 64], drawn(64), np.zeros(64, np.float32))
    last = steps_of(steps)[-1]
    assert last["fault"] and last["state"] == "W" * 40 + "E" * 24
    assert list(last["waiting"].values()) == [40] and steps.fault.startswith("barrier: ")


def test_a_fault_in_the_last_of_many_blocks_is_recorded():
    steps = step(too_far_kernel[5, 32], drawn(160), np.zeros(160, np.float32))
    assert list(steps.data["blocks"]) == ["0", "4"]
    assert (steps.data["fault"]["block"], steps.data["fault"]["thread"]) == (4, 31)
    (access,) = steps_of(steps, "4")[-1]["accesses"]
    assert access["at"][31] == 160 and "byte 640 of an array of 640 bytes" in steps.fault


def test_an_unrolled_loop_has_a_step_for_each_iteration():
    steps = step(unrolled_kernel[1, 1], drawn(3), np.zeros(3, np.float32))
    copies = [s["accesses"] for s in steps_of(steps) if code(steps, s) == "y[k] = x[k]"]
    assert [[a["at"] for a in pair] for pair in copies] == [[[k], [k]] for k in range(3)]


@pytest.mark.parametrize(
    "function, shapes",
    [
        ("relu_forward", [(300,)]),
        ("fc_forward", [(8, 16), (12, 16), (12,)]),
        ("softmax", [(2, 10)]),
    ],
)
def test_recorded_stores_are_what_the_launch_leaves(function, shapes):
    steps = step(getattr(cuda, function), *(drawn(*shape) for shape in shapes))
    for launch in steps.launches:
        stored = {name: np.full(a.size, np.nan) for name, a in launch.arrays.items()}
        names = [array["name"] for array in launch.data["arrays"]]
        written = set()
        for block in launch.data["blocks"].values():
            assert "cut" not in block
            for one in block["steps"]:
                assert all(
                    one["state"][lane] == "R" for a in one["accesses"] for lane in a["lanes"]
                )
                for a in one["accesses"]:
                    name = names[a["array"]]
                    if a["writing"] and name in stored:
                        at = np.add.outer(a["at"], np.arange(a["count"])).reshape(-1)
                        stored[name][at] = a["values"]
                        written.add(name)
        assert written
        for name in written:
            np.testing.assert_allclose(stored[name], launch.arrays[name].reshape(-1), rtol=1e-5)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda x: step(relu_kernel, x, x), TypeError, r"pass blocks and threads: relu_kernel\[1"),
        (lambda x: step(relu_kernel[1, 32], x), TypeError, "cannot be called like this: missing"),
        (lambda x: step(relu_kernel[1, 2048], x, x), errors.GpuError, "no GPU has a grid of"),
        (lambda x: step(nameless()[1, 32], x), ValueError, "the source of f cannot be read"),
        (lambda x: step(cuda.to_host, x), ValueError, "step: to_host launches no kernel"),
    ],
)
def test_what_cannot_be_launched_is_one_sentence(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call(drawn(40))
    assert "\n" not in str(caught.value)
    assert emulator.emulated.recorder is emulator.emulated.traffic is None


def test_the_recording_of_the_lesson_is_what_runs():
    launches.launched.clear()
    cells.run(cells.find(19), write=lambda text: None)
    recorded = launches.recorded()
    assert launches.launched.keys() == recorded.keys() and len(recorded) >= 6
    for key, data in launches.launched.items():
        old = recorded[key]
        for part in ("title", "after", "count", "sources"):  # a compiler may reorder arithmetic
            assert data[part] == old[part], (key, part)
        lines = [{one["line"] for one in steps_of(GpuSteps(d))} for d in (data, old)]
        assert lines[0] == lines[1] and str(data["fault"])[:60] == str(old["fault"])[:60]
