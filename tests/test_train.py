"""The trainer: the update, the loop, schedules, Ctrl-C, resuming, and losses that break."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import minicnn
from minicnn import checkpoint, cifar, data, net, schedules, train
from minicnn.net import gaussian, row

ops = minicnn.reference


def small_network(rng, ops=ops):
    """A network with every kind of state: weights, biases, and dropout that draws from rng."""
    return [
        row("conv1", ops, "conv", gaussian(rng, (4, 3, 3, 3), 0.1), stride=2),
        row("relu1", ops, "relu"),
        row("drop1", ops, "dropout", p=0.5, rng=rng),
        row("fc2", ops, "fc", gaussian(rng, (5, 4 * 3 * 2), 0.1)),
    ]


def small_data(N=22):
    rng = np.random.default_rng(7)
    return rng.standard_normal((N, 3, 7, 5)).astype(np.float32), rng.integers(0, 5, N)


def run_small(folder=None, seed=0, **options):
    rng = np.random.default_rng(seed)
    layers = small_network(rng)
    settings = {"epochs": 3, "epsilon": 0.05, "batch": 6, "progress": False} | options
    return train.train(layers, ops, small_data(), small_data(9), rng=rng, folder=folder, **settings)


def same(run_a, run_b):
    """Whether two runs ended alike, bit for bit; the seconds may differ."""
    for name, array in run_a.arrays().items():
        np.testing.assert_array_equal(array, run_b.arrays()[name], err_msg=name)
    assert run_a.losses == run_b.losses
    assert run_a.wrongs == run_b.wrongs
    assert run_a.rng.bit_generator.state == run_b.rng.bit_generator.state
    timeless = [
        [{k: v for k, v in line.items() if "second" not in k} for line in run.history]
        for run in (run_a, run_b)
    ]
    assert timeless[0] == timeless[1]


def test_one_update_by_hand():
    layers = [row("fc1", ops, "fc", {"w": np.array([[2.0]]), "b": np.array([3.0])})]
    velocities = {"fc1": {"w": np.array([[0.5]]), "b": np.array([0.25])}}
    grads = {"fc1": {"w": np.array([[10.0]]), "b": np.array([4.0])}}
    train.update(layers, ops, grads, velocities, epsilon=0.01)
    v = 0.9 * 0.5 - 0.0005 * 0.01 * 2 - 0.01 * 10
    assert layers[0].params["w"][0, 0] == pytest.approx(2 + v, rel=1e-15)
    v = 0.9 * 0.25 - 0.01 * 4  # a bias does not decay
    assert layers[0].params["b"][0] == pytest.approx(3 + v, rel=1e-15)


@pytest.mark.parametrize("ops", [minicnn.reference, minicnn.fast], ids=["reference", "fast"])
def test_32_images_are_learned_by_heart(ops, sample):
    rng = np.random.default_rng(0)
    x, labels, *_ = data.prepare(data.subset(sample, 40), "unit")
    x, labels = x[:32, :, ::4, ::4], labels[:32]  # 8×8 pixels
    layers = cifar.four_layer(ops, rng, init="fan-in", size=8)
    options = {"epochs": 80, "epsilon": 0.003, "decay": 0, "batch": 32, "progress": False}
    run = train.train(layers, ops, (x, labels), rng=rng, **options)
    assert run.losses[0] > 2
    assert run.losses[-1] < 0.2
    assert train.validate(layers, ops, (x, labels))["validation_error"] == 0


def test_training_error_is_the_share_of_wrong_answers_over_one_epoch():
    run = run_small(epochs=2)  # 22 images in batches of 6: steps of 6, 6, 6 and 4
    assert run.images == [6, 6, 6, 4] * 2
    assert run.history[0]["training_error"] == sum(run.wrongs[:4]) / 22
    assert run.history[1]["training_error"] == sum(run.wrongs[4:]) / 22
    assert run.training_error(4) == run.history[1]["training_error"]


def test_in_80_columns_loss_and_error_are_seen():
    run = run_small(epochs=1)
    with train.progress_bar(run, 44, "tanh, seed 1", True) as bar:
        bar.start_t -= 6000  # seconds: so there are hours to come
        train.show(bar, run, 4, 6)
        line = str(bar)[:80]
    assert (
        f"| at most 4:26:40, loss {run.losses[-1]:.3f}, error {run.training_error(4):.1%}," in line
    )


def test_a_run_stops_at_the_first_step_that_reaches_its_goal():
    run = run_small(epochs=50, until=0.6)
    last = len(run.losses)
    errors = [sum(run.wrongs[i - 4 : i]) / sum(run.images[i - 4 : i]) for i in range(4, last + 1)]
    assert errors[-1] <= 0.6
    assert all(error > 0.6 for error in errors[:-1])
    assert last < 50 * 4
    assert run.history[-1]["step"] == last


def test_every_image_comes_once_an_epoch():
    seen = []

    class Watching:
        def __getattr__(self, name):
            return getattr(ops, name)

        class device:
            LOOK_EVERY = 1

            def feed(batches):
                for x, labels in batches:
                    seen.extend(x[:, 0, 0, 0])
                    yield x, labels

    rng = np.random.default_rng(0)
    x, labels = small_data()
    layers = small_network(rng)
    train.train(layers, Watching(), (x, labels), rng=rng, epochs=2, batch=6, progress=False)
    first, second = seen[:22], seen[22:]
    assert sorted(first) == sorted(second) == sorted(x[:, 0, 0, 0])
    assert first != second


def test_epsilon_is_divided_at_given_epochs():
    run = run_small(epochs=4, schedule=schedules.divide_at([1, 3]))
    assert [line["epsilon"] for line in run.history] == pytest.approx([0.05, 0.005, 0.005, 0.0005])


def test_epsilon_is_divided_when_validation_error_stalls():
    schedule = schedules.divide_on_stall(patience=2, times=2)
    errors = [0.9, 0.8, 0.7, 0.7, 0.71, 0.6, 0.6, 0.65, 0.6, 0.6, 0.6, 0.6, 0.6]
    history, epsilon = [], 1.0
    for error in errors:
        history.append({"validation_error": error, "epsilon": epsilon})
        epsilon = schedule(history, epsilon)
    # after the fifth epoch, 0.7 was no better for two; after the eighth, neither was 0.6
    assert [line["epsilon"] for line in history] == [1] * 5 + [0.1] * 3 + [0.01] * 5


def test_history_and_curves_can_be_read_by_a_machine(tmp_path):
    run = run_small(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert lines == run.history
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert 0 <= lines[0]["validation_error"] <= 1
    minicnn.figures.curves(run.history, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["w", "v"])
def test_what_cannot_be_written_in_place_is_refused_in_a_sentence(name):
    arrays = {"w": np.ones(4), "v": np.ones(4)}
    arrays[name].flags.writeable = False
    with pytest.raises(ValueError, match="w and v must be contiguous and not read-only"):
        minicnn.fast.sgd_update(arrays["w"], arrays["v"], np.ones(4), 0.1)
    arrays[name] = np.ones(8)[::2]
    with pytest.raises(ValueError, match="w and v must be contiguous and not read-only"):
        minicnn.fast.sgd_update(arrays["w"], arrays["v"], np.ones(4), 0.1)


def test_a_folder_that_cannot_be_used_is_refused_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match="file is a file, but results need a folder"):
        run_small(tmp_path / "file")
    with pytest.raises(OSError, match="cannot write to the folder .*Not a directory"):
        run_small(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "kept"


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    same(run_small(tmp_path), run_small(tmp_path, resume=True))


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path):
    run_small(tmp_path, epochs=1)
    same(run_small(epochs=3), run_small(tmp_path, epochs=3, resume=True))


def test_epsilon_can_be_changed_by_hand(tmp_path):
    run_small(tmp_path, epochs=1)
    run = run_small(tmp_path, epochs=3, epsilon=0.002, resume=True)
    assert [line["epsilon"] for line in run.history] == [0.05, 0.002, 0.002]
    run = run_small(tmp_path, epochs=4, epsilon=0.002, resume=True)
    assert run.history[-1]["epsilon"] == 0.002


def test_other_settings_are_refused(tmp_path):
    run_small(tmp_path, settings={"network": "a", "seed": 0})
    with pytest.raises(checkpoint.CheckpointError, match="a run with seed = 0, this one has 1"):
        run_small(tmp_path, settings={"network": "a", "seed": 1}, resume=True)


def test_ctrl_c_finishes_the_step_saves_and_says_how_to_go_on(tmp_path):
    def press(history, epsilon):
        if len(history) == 2:
            signal.raise_signal(signal.SIGINT)
        return epsilon

    with pytest.raises(train.Interrupted, match="end of epoch 2.*--resume goes on from there"):
        run_small(tmp_path, schedule=press)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    same(run_small(), run_small(tmp_path, resume=True))


CHILD = """
    import os, signal, sys
    sys.path.insert(0, sys.argv[3])
    import test_train
    from minicnn import checkpoint, train

    point, countdown = sys.argv[2], int(sys.argv[4])
    def die_later():
        global countdown
        countdown -= 1
        if countdown == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    if point == "step":
        update = train.update
        train.update = lambda *args: (update(*args), die_later())
    if point == "written":  # the new file is there, under its temporary name
        replace = os.replace
        os.replace = lambda *names: (die_later(), replace(*names))
    if point == "writing":
        fsync = os.fsync
        os.fsync = lambda file: (os.ftruncate(file, 100), die_later(), sys.exit("not killed"))
    test_train.run_small(sys.argv[1], resume=True, save_every=0)
"""


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_bit_for_bit_as_if_it_had_not_been(tmp_path):
    folder = tmp_path / "run"
    here = os.path.dirname(__file__)
    deaths = [
        ("step", 1),
        ("written", 1),
        ("step", 2),
        ("written", 4),
        ("writing", 1),
        ("step", 5),
        ("written", 1),
    ]
    for point, countdown in deaths:
        child = [sys.executable, "-c", textwrap.dedent(CHILD), folder, point, here, str(countdown)]
        done = subprocess.run(child, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, (point, done.stderr)
    resumed = run_small(folder, resume=True)
    assert len(resumed.losses) == 12
    same(run_small(), resumed)


def test_a_broken_loss_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    run_small(tmp_path, epochs=1)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    with np.errstate(all="ignore"), pytest.raises(train.Diverged) as raised:
        run_small(tmp_path, epochs=9, epsilon=1e30, resume=True, save_every=0)
    message = str(raised.value)
    assert "step " in message and "smaller learning rate" in message and "checkpoint.npz" in message
    assert "conv1" in message or "fc2" in message
    arrays, facts = checkpoint.load(tmp_path / "checkpoint.npz")
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert facts["epoch"] >= 1 or before == (tmp_path / "checkpoint.npz").read_bytes()


def test_the_layer_where_a_nan_begins_is_named():
    rng = np.random.default_rng(0)
    layers = small_network(rng)
    layers[3].params["b"][2] = np.nan
    run = train.Run(layers, rng, 0.01)
    sentence = train.where_it_broke(run, layers, small_data()[0])
    assert "begins in fc2 (its fc2.b already is)" in sentence
    assert "step 1 (epoch 1)" in sentence


def test_two_columns_train_save_and_resume(tmp_path):
    from minicnn.halves import in_columns, split_columns

    two = in_columns(ops)

    def build(rng):
        return [
            row("both", two, "both"),
            row("conv1", two, "conv", split_columns(gaussian(rng, (4, 3, 3, 3), 0.1)), stride=2),
            row("exchange2", two, "exchange"),
            row("fc2", two, "fc", split_columns(gaussian(rng, (6, 4 * 3 * 2), 0.1))),
            row("join", two, "join"),
        ]

    def run(folder, epochs, resume=False):
        rng = np.random.default_rng(0)
        options = {"epsilon": 0.05, "batch": 6, "folder": folder, "resume": resume}
        layers = build(rng)
        return train.train(
            layers, two, small_data(), rng=rng, epochs=epochs, progress=False, **options
        )

    run(tmp_path, 1)
    resumed = run(tmp_path, 3, resume=True)
    same(run(None, 3), resumed)
    assert resumed.losses[-1] < resumed.losses[0]
    assert net.count_parameters(resumed.layers) == 4 * 27 + 4 + 6 * 24 + 6
