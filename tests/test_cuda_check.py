"""python -m minicnn.cuda.check, in the emulator: it passes, and it fails where a row is wrong."""

import re

import numpy as np

from minicnn import cuda, net
from minicnn.cuda import device, two_columns
from minicnn.gradcheck import check_layer
from minicnn.training import train
from minicnn.verify import cuda_check


def test_a_network_trains_as_on_the_cpu_and_needs_no_new_memory_later():
    def network(ops):
        rows = {row.name: row for row in cuda_check.tiny_network(ops)}
        w = np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)
        fc = net.row("fc", ops, "fc", {"w": w, "b": np.ones(3, np.float32)})
        return [rows["conv1"], rows["relu1"], rows["pool1"], fc]

    x = np.random.default_rng(0).standard_normal((1, 2, 5, 7))
    error, limit, words = cuda_check.check_steps(network, x, 3)
    assert error <= limit, words


def test_two_columns_are_checked_and_a_wrong_crossing_fails(monkeypatch):
    x = np.random.default_rng(0).standard_normal((2, 1, 4, 2))
    named = cuda_check.column_checks(cuda_check.tiny_columns, cuda_check.tiny_in_one, x, 3)
    done = {name: f() for name, f in named if "steps" not in name}
    assert len(done) == 9
    for name, (error, limit, words) in done.items():
        assert error <= limit, (name, words)
    right = two_columns.part
    monkeypatch.setattr(two_columns, "part", lambda x, first, C: right(x, 0, C))
    assert cuda_check.check_crossing((0, 0), False)[0] == np.inf


def test_a_wrong_row_a_forgetful_row_and_a_broken_row_fail(monkeypatch, capsys):
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, 2, 2, 3, 4))
    row = net.row("relu1", cuda, "relu")

    def wrong(x):
        y, cache = cuda.relu_forward(x)
        return device.to_host(y) + 1e-3, cache

    def forgetful(x):
        y, cache = cuda.relu_forward(x)
        return device.to_host(y) + rng.random(), cache

    assert cuda_check.check_layer(row, x, dy, 1e-10)[0] == 0
    wrong.__name__ = forgetful.__name__ = "relu_forward"
    error, limit, words = cuda_check.check_layer(row._replace(forward=wrong), x, dy, 1e-10)
    assert error > limit and words == "worst in y"
    error, _, words = cuda_check.check_layer(row._replace(forward=forgetful), x, dy, 1e-10)
    assert error == np.inf and "gave other bits" in words

    def broken():
        raise ValueError("a kernel that cannot be launched")

    monkeypatch.setattr(
        cuda_check, "checks", lambda small: [("one", broken), ("two", lambda: (0, 0, ""))]
    )
    assert cuda_check.main(["--emulate"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  one" in out and "cannot be launched" in out and "ok    two" in out
    assert re.search(r"^activations.relu_kernel +\d+ of +\d+ pieces of PTX ran", out, re.M)


def test_gradients_of_the_gpu_backend_agree_with_finite_differences():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((1, 1, 3, 3))
    assert check_layer(cuda.pool_forward, cuda.pool_backward, x, z=2, s=1, max_entries=3).ok


def test_the_trainer_looks_at_all_losses_even_if_not_at_every_step(tmp_path):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 1, 2, 2)).astype(np.float32)
    labels = np.array([0, 1, 2])

    def layers(ops):
        w = np.random.default_rng(4).standard_normal((3, 4)).astype(np.float32)
        return [net.row("fc1", ops, "fc", {"w": w, "b": np.zeros(3, np.float32)})]

    rows = layers(cuda)
    run = train.train(
        rows, cuda, (x, labels), rng=np.random.default_rng(5), epochs=2, batch=2,
        folder=tmp_path, progress=False,
    )  # fmt: skip
    assert len(run.losses) == 4 and run.images == [2, 1, 2, 1]
    assert device.is_on_device(rows[0].params["w"])
    again = train.train(
        layers(cuda), cuda, (x, labels), rng=np.random.default_rng(5), epochs=3, batch=2,
        folder=tmp_path, resume=True, progress=False,
    )  # fmt: skip
    assert again.losses[:4] == run.losses and len(again.losses) == 6


def test_batches_arrive_on_the_device_one_ahead_and_unmixed():
    rng = np.random.default_rng(6)
    batches = [(rng.standard_normal((n, 2)), np.arange(n)) for n in (3, 3, 3, 3, 2)]
    asked = []

    def making():
        for number, batch in enumerate(batches):
            asked.append(number)
            yield batch

    for number, (x, labels) in enumerate(device.feed(making())):
        assert len(asked) == min(number + 2, 5)
        assert np.array_equal(device.to_host(x), batches[number][0])
        assert labels is batches[number][1]
    assert list(device.feed([])) == []
