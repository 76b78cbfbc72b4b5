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
from minicnn import data, net, storage
from minicnn.errors import CheckpointError, Diverged, Interrupted
from minicnn.net import gaussian, row
from minicnn.networks import cifar
from minicnn.plots import curves
from minicnn.training import divergence, schedules, train

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


def test_loss_and_gradients_are_those_of_a_walk_forward_and_backward():
    layers = small_network(np.random.default_rng(0))[:2]
    layers.append(row("fc2", ops, "fc", gaussian(np.random.default_rng(1), (5, 4 * 3 * 2), 0.1)))
    x, labels = small_data(4)
    loss, scores, grads = train.loss_and_gradients(layers, ops, x, labels)
    assert np.array_equal(scores, net.forward(layers, x)[0])
    assert loss == pytest.approx(-np.log(ops.softmax(scores)[range(4), labels]).mean())
    difference = ops.softmax(scores)
    difference[range(4), labels] -= 1
    np.testing.assert_allclose(grads["fc2"]["b"], difference.mean(axis=0), rtol=1e-5, atol=1e-7)


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
        train.update_bar(bar, run, 4, 6)
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
    curves.curves(run.history, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["w", "v"])
def test_what_cannot_be_written_in_place_is_refused_in_a_sentence(name):
    arrays = {"w": np.ones(4), "v": np.ones(4)}
    arrays[name].flags.writeable = False
    with pytest.raises(ValueError, match="w and v must be contiguous, aligned and not read-only"):
        minicnn.fast.sgd_update(arrays["w"], arrays["v"], np.ones(4), 0.1)
    arrays[name] = np.ones(8)[::2]
    with pytest.raises(ValueError, match="w and v must be contiguous, aligned and not read-only"):
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
    with pytest.raises(CheckpointError, match="a run with seed = 0, this one has 1"):
        run_small(tmp_path, settings={"network": "a", "seed": 1}, resume=True)


def test_ctrl_c_finishes_the_step_saves_and_says_how_to_go_on(tmp_path):
    def press(history, epsilon):
        if len(history) == 2:
            signal.raise_signal(signal.SIGINT)
        return epsilon

    with pytest.raises(
        Interrupted, match="end of epoch 2.*run the same command again with --resume"
    ):
        run_small(tmp_path, schedule=press)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    same(run_small(), run_small(tmp_path, resume=True))


def test_ctrl_c_in_the_middle_of_validation_finishes_it_first(tmp_path):
    seen = []

    def test_view(images):
        seen.append(len(images))
        if len(seen) == 3:  # one image before the first step, then once an epoch
            signal.raise_signal(signal.SIGINT)
        return images

    with pytest.raises(Interrupted, match="end of epoch 2"):
        run_small(tmp_path, test_view=test_view)
    assert seen == [1, 9, 9]
    same(run_small(), run_small(tmp_path, resume=True))


CHILD = """
    import os, signal, sys
    sys.path.insert(0, sys.argv[3])
    import test_train
    from minicnn import storage as checkpoint
    from minicnn.training import train

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
    with np.errstate(all="ignore"), pytest.raises(Diverged) as raised:
        run_small(tmp_path, epochs=9, epsilon=1e30, resume=True, save_every=0)
    message = str(raised.value)
    assert "step " in message and "smaller learning rate" in message and "checkpoint.npz" in message
    assert "conv1" in message or "fc2" in message
    arrays, facts = storage.load(tmp_path / "checkpoint.npz")
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert facts["epoch"] >= 1 or before == (tmp_path / "checkpoint.npz").read_bytes()


def test_the_layer_where_a_nan_begins_is_named():
    rng = np.random.default_rng(0)
    layers = small_network(rng)
    layers[3].params["b"][2] = np.nan
    run = train.Run(layers, rng, 0.01)
    sentence = divergence.describe_divergence(run, layers, small_data()[0])
    assert "first in fc2 (its fc2.b already is)" in sentence
    assert "step 1 (epoch 1)" in sentence


def test_two_columns_train_save_and_resume(tmp_path):
    from minicnn.two_columns import in_columns, split_columns

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


# What a run needs to go on, and what it refuses before it begins.

KINDS = [np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM]


def run_with(rng, folder=None, N=22, layers=None, **options):
    """run_small with this generator and so many images."""
    layers = layers or small_network(rng)
    settings = {"epochs": 3, "epsilon": 0.05, "batch": 6, "progress": False} | options
    return train.train(layers, ops, small_data(N), rng=rng, folder=folder, **settings)


def interrupted_after(steps, monkeypatch, use):
    """Call `use` and press Ctrl-C in the given step."""
    update, done = train.update, []

    def pressing(*arguments):
        update(*arguments)
        done.append(1)
        if len(done) == steps:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(train, "update", pressing)
        with pytest.raises(Interrupted):
            use()


def rewrite(path, change):
    """Write a checkpoint again, with its facts changed."""
    arrays, facts = storage.load(path)
    change(facts)
    storage.save(path, arrays, facts)


def as_before(facts):
    """Take from facts what earlier versions did not write."""
    for name in ("training_images", "batch", "rngs_of_layers"):
        del facts[name]


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_with_any_generator_goes_on_bit_for_bit(kind, tmp_path, monkeypatch):
    def generator():
        return np.random.Generator(kind(3))

    interrupted_after(6, monkeypatch, lambda: run_with(generator(), tmp_path))
    resumed, whole = run_with(generator(), tmp_path, resume=True), run_with(generator())
    np.testing.assert_equal(
        resumed.rng.bit_generator.state["state"], whole.rng.bit_generator.state["state"]
    )
    assert resumed.losses == whole.losses and np.array_equal(resumed.order, whole.order)
    assert np.array_equal(resumed.rng.random(9), whole.rng.random(9))


def test_a_generator_of_another_kind_is_refused_and_nothing_has_changed(tmp_path):
    run_with(np.random.Generator(np.random.MT19937(3)), tmp_path, epochs=1)
    rng = np.random.default_rng(0)
    layers, before = small_network(rng), rng.bit_generator.state
    w = layers[0].params["w"].copy()
    with pytest.raises(CheckpointError, match="a MT19937, this one's is a PCG64; give"):
        run_with(rng, tmp_path, layers=layers, resume=True)
    assert np.array_equal(layers[0].params["w"], w) and rng.bit_generator.state == before


def test_a_layer_s_own_generator_goes_on_too(tmp_path, monkeypatch):
    def start(folder=None, **options):
        return run_with(
            np.random.default_rng(1),
            folder,
            layers=small_network(np.random.default_rng(2)),
            **options,
        )

    interrupted_after(6, monkeypatch, lambda: start(tmp_path))
    same(start(), start(tmp_path, resume=True))
    with pytest.raises(CheckpointError, match="draws from 2 generators, this one from 1"):
        run_with(np.random.default_rng(1), tmp_path, resume=True)


@pytest.mark.parametrize("steps", [4, 6], ids=["after an epoch", "in the middle of one"])
@pytest.mark.parametrize("earlier", [False, True], ids=["now", "earlier version"])
def test_other_images_or_another_batch_are_refused_with_both_numbers(
    tmp_path, monkeypatch, steps, earlier
):
    interrupted_after(steps, monkeypatch, lambda: run_with(np.random.default_rng(3), tmp_path))
    if earlier:
        rewrite(tmp_path / "checkpoint.npz", as_before)
    for options, telling in (
        ({"N": 30}, "to a run on 22 images, this one has 30; give the same data"),
        ({"N": 15}, "to a run on 22 images, this one has 15; give the same data"),
        ({"batch": 5}, "with batches of 6 images, this one has batches of 5; give the same batch"),
        ({"batch": 22}, "with batches of 6 images, this one has batches of 22"),
    ):
        with pytest.raises(CheckpointError, match=telling):
            run_with(np.random.default_rng(3), tmp_path, resume=True, **options)
    resumed = run_with(np.random.default_rng(3), tmp_path, resume=True)
    same(run_with(np.random.default_rng(3)), resumed)


def test_a_batch_of_an_earlier_version_that_held_all_images_may_have_been_larger(tmp_path):
    run_with(np.random.default_rng(3), tmp_path, epochs=1, batch=50)
    rewrite(tmp_path / "checkpoint.npz", as_before)
    resumed = run_with(np.random.default_rng(3), tmp_path, batch=50, resume=True)
    same(run_with(np.random.default_rng(3), batch=50), resumed)


def test_weights_without_a_run_are_no_run_to_go_on_with(tmp_path):
    storage.save(tmp_path / "checkpoint.npz", {}, {"settings": {}})
    with pytest.raises(CheckpointError, match="holds no run to resume"):
        run_small(tmp_path, resume=True)


def test_other_inputs_are_refused_and_missing_ones_too(tmp_path):
    mean = np.arange(6.0)
    run_small(tmp_path, epochs=1, inputs={"mean": mean})
    for inputs in ({"mean": mean + 1}, {"mean": mean[:5]}, {}, None):
        with pytest.raises(CheckpointError, match="other images, whose mean differs"):
            run_small(tmp_path, inputs=inputs, resume=True)
    same(run_small(), run_small(tmp_path, inputs={"mean": mean}, resume=True))


def test_settings_are_compared_as_they_are_saved(tmp_path):
    settings = {
        "epsilon": np.float32(0.1),
        "size": (3, np.int64(7)),
        "noise": np.array([0.5, 1]),
        "folder": tmp_path,
        "by": {1: np.True_},
    }
    run_small(tmp_path, epochs=1, settings=settings)
    same(run_small(epochs=2), run_small(tmp_path, epochs=2, settings=settings, resume=True))
    same(
        run_small(epochs=2),
        run_small(
            tmp_path, epochs=2, settings=settings | {"size": [3, 7], "by": {"1": True}}, resume=True
        ),
    )
    with pytest.raises(CheckpointError, match=r"with size = \[3, 7\], this one has \[3, 8"):
        run_small(tmp_path, settings=settings | {"size": (3, 8)}, resume=True)


@pytest.mark.parametrize("value", [np.nan, {1, 2}, np.tanh, b"x"])
def test_a_setting_that_cannot_be_saved_is_refused_before_anything_is_written(tmp_path, value):
    with pytest.raises((TypeError, ValueError), match="the setting noise is a .*no checkpoint can"):
        run_small(tmp_path / "run", settings={"seed": 0, "noise": value})
    with pytest.raises(TypeError, match="settings: the name 3 is a int, not a text"):
        run_small(tmp_path / "run", settings={3: 0})
    with pytest.raises(TypeError, match="the input 'mean' holds Python objects"):
        run_small(tmp_path / "run", inputs={"mean": np.array([None])})
    assert not (tmp_path / "run").exists()


def test_numpy_s_numbers_train_and_resume_as_python_s_own(tmp_path):
    small = {"epsilon": np.float32(0.05), "batch": np.int8(6), "momentum": np.float32(0.5)}
    small |= {"decay": np.float64(0.25), "epochs": np.uint8(1), "seed": np.int16(0)}
    python = {name: value.item() for name, value in small.items()}
    run_small(tmp_path, **small)
    resumed = run_small(tmp_path, **small | {"epochs": np.uint8(3)}, resume=True)
    same(run_small(**python | {"epochs": 3}), resumed)
    assert all(type(line["epsilon"]) is float for line in resumed.history)


def test_an_epoch_s_loss_is_the_mean_over_its_images():
    run = run_small(epochs=2)  # steps of 6, 6, 6 and 4 images
    expected = sum(n * loss for n, loss in zip((6, 6, 6, 4), run.losses[4:], strict=True)) / 22
    assert run.history[1]["loss"] == pytest.approx(expected, rel=1e-14)
    run = run_small(epochs=50, until=0.6)  # ends within an epoch
    assert run.history[-1]["epoch"] % 1
    pairs = zip(run.images[-4:], run.losses[-4:], strict=True)
    expected = sum(n * loss for n, loss in pairs) / 22
    assert run.history[-1]["loss"] == pytest.approx(expected, rel=1e-14)


def test_images_a_second_count_from_the_line_before(tmp_path):
    run = run_small(tmp_path, epochs=50, until=0.6)
    at_goal = len(run.history)
    epochs = int(run.history[-1]["epoch"]) + 1
    run = run_small(tmp_path, epochs=epochs, resume=True)  # and on to the end of that epoch
    assert len(run.history) == at_goal + 1 and run.history[-1]["epoch"] == epochs
    goal, end = run.history[-2:]
    images = sum(run.images[goal["step"] : end["step"]])
    assert 0 < images < 22
    assert run.losses == run_small(epochs=epochs).losses
    seconds = end["seconds"] - goal["seconds"]
    assert end["images_per_second"] == pytest.approx(images / seconds, rel=0.5)


def test_a_history_never_holds_what_is_no_json(tmp_path):
    rng = np.random.default_rng(0)
    run = train.Run(small_network(rng), rng, 0.01, tmp_path)
    run.layers[3].params["w"][...] = 3e38  # each is a number, their sum is none
    run.count(1.0, 2, 3)
    run.end_epoch(1, {})
    run.save()

    def refuse(word):
        raise AssertionError(word)

    (line,) = (tmp_path / "history.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=refuse)["weights"]["fc2.w"] == [None, 0.0]
    assert storage.load(run.path)[1]["history"] == run.history


X, LABELS = small_data()
REFUSED = [
    ({"epochs": 0}, "epochs = 0; expected a whole number of at least 1"),
    ({"epochs": 2.0}, "epochs = 2.0; expected a whole number"),
    ({"batch": 0}, "batch = 0; expected a whole number of at least 1"),
    ({"batch": -6}, "batch = -6; expected a whole number of at least 1"),
    ({"batch": 6.0}, "batch = 6.0; expected a whole number"),
    ({"workers": 0}, "workers = 0; expected a whole number"),
    ({"seed": -1}, "seed = -1; expected a whole number of at least 0"),
    ({"save_every": -1}, "save_every = -1; expected seconds, at least 0"),
    ({"save_every": np.nan}, "save_every = nan; expected a number"),
    ({"save_every": "60"}, "save_every = '60'; expected a number"),
    ({"until": 25}, "until = 25; expected a share of wrong answers, 0 … 1"),
    ({"until": -0.1}, "until = -0.1; expected a share"),
    ({"until": np.nan}, "until = nan; expected a number"),
    ({"epsilon": np.nan}, "epsilon = nan; expected a number"),
    ({"epsilon": np.inf}, "epsilon = inf; expected a number, not"),
    ({"epsilon": -0.1}, "epsilon = -0.1; expected a number of at least 0"),
    ({"epsilon": None}, "epsilon = None; expected a number"),
    ({"momentum": 1}, "momentum = 1; expected a number of at least 0 and below 1"),
    ({"momentum": np.nan}, "momentum = nan; expected a number"),
    ({"momentum": -0.9}, "momentum = -0.9; expected a number"),
    ({"decay": np.inf}, "decay = inf; expected a number, not"),
    ({"decay": -0.1}, "decay = -0.1; expected a number of at least 0"),
    ({"rng": 0}, "rng is 0; expected a generator"),
    ({"rng": np.random.RandomState(0)}, "expected a generator such as"),
    ({"schedule": {"at": [3]}}, "schedule is a dict; expected a function"),
    ({"view": "central"}, "view is a str; expected a function"),
    ({"train_data": X}, r"train_data is a ndarray; expected \(images, labels\)"),
    ({"train_data": (X[:0], LABELS[:0])}, "train_data has no images"),
    ({"train_data": (X, LABELS[:-1])}, r"training labels has shape \(21,\); expected .* \(22,\)"),
    ({"train_data": (X, np.int64(3))}, "training labels is a int64; expected an array"),
    ({"train_data": (X, LABELS[:1])}, r"training labels has shape \(1,\); expected one"),
    ({"train_data": (X, LABELS - 1)}, r"for 5 classes; training labels\[\d+\] is -1$"),
    ({"train_data": (X, LABELS + 1)}, r"for 5 classes; training labels\[\d+\] is 5$"),
    ({"train_data": (X, LABELS.astype(float))}, "training labels has dtype float64"),
    ({"train_data": (X, LABELS.tolist())}, "training labels is a list; expected an array of whole"),
    ({"validation_data": (X, np.where(LABELS == 2, -1, LABELS))}, r"validation labels\[\d+\] is -"),
    ({"validation_data": (X, np.where(LABELS == 2, -100, LABELS))}, r"labels\[\d+\] is -100"),
    ({"validation_data": (X, LABELS * 2)}, r"for 5 classes; validation labels\[\d+\] is \d$"),
    ({"validation_data": (X, LABELS > 2)}, "validation labels has dtype bool"),
    ({"validation_data": (X[1:], LABELS)}, r"validation labels has shape \(22,\); expected .*21,"),
    ({"validation_data": (X[:0], LABELS[:0])}, "validation_data has no images; pass None to train"),
    ({"validation_data": (X[:, :2], LABELS)}, "conv1: conv: x has 2 channels but w expects 3"),
    ({"validation_data": (np.where(X > 2, np.nan, X), LABELS)}, r"validation image \d+ has NaN or"),
    ({"test_view": lambda images: images.astype(int)}, "conv1: conv: x has dtype int64; expected"),
    (
        {"validation_data": None, "view": lambda images, rng: images.astype(int)},
        "conv1: conv: x has dtype int64",
    ),
    (
        {"validation_data": None, "schedule": schedules.divide_on_stall()},
        "the schedule needs the validation error, but there is no validation_data",
    ),
]  # fmt: skip


@pytest.mark.parametrize("options, telling", REFUSED)
def test_what_makes_no_sense_is_refused_before_the_first_step(options, telling, monkeypatch):
    monkeypatch.setattr(train, "update", lambda *args: pytest.fail("a step was taken"))
    rng = options.get("rng", np.random.default_rng(0))
    layers = small_network(np.random.default_rng(0))
    settings = {"train_data": (X, LABELS), "validation_data": (X, LABELS), "epochs": 1}
    settings |= {"batch": 6, "progress": False, **options, "rng": rng}
    with pytest.raises((TypeError, ValueError), match=telling) as caught:
        train.train(layers, ops, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["i1", "u1", ">i2", "u8"])
def test_labels_of_any_type_train_alike(kind):
    def start(labels):
        rng = np.random.default_rng(0)
        layers = small_network(rng)
        options = {"epochs": 2, "batch": 6, "progress": False}
        return train.train(layers, ops, (X, labels), (X, labels), rng=rng, **options)

    same(start(LABELS), start(LABELS.astype(kind)))


def test_two_layers_of_one_name_are_refused_before_the_first_step(tmp_path):
    rng = np.random.default_rng(0)
    layers = [layer._replace(name="one") for layer in small_network(rng)]
    with pytest.raises(ValueError, match=r"layers\[0\] and layers\[1\] are both called 'one'"):
        run_with(rng, tmp_path / "run", layers=layers)
    assert not (tmp_path / "run").exists()


def test_weights_that_are_broken_from_the_start_are_not_blamed_on_the_learning_rate(tmp_path):
    rng = np.random.default_rng(0)
    layers = small_network(rng)
    layers[3].params["b"][1] = np.inf
    with pytest.raises(ValueError, match="fc2.b NaN or infinite before the first step"):
        run_with(rng, tmp_path / "run", layers=layers)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("epsilon", [np.nan, np.inf, -0.1])
def test_an_epsilon_that_a_schedule_should_not_return_is_refused(epsilon):
    with pytest.raises((TypeError, ValueError), match=f"schedule: .*{epsilon}; expected"):
        run_small(schedule=lambda history, before: epsilon)


@pytest.mark.parametrize("pixel", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bad", [0, 7, 21])
def test_a_broken_pixel_is_named_and_not_the_learning_rate(pixel, bad):
    images = X.copy()
    images[bad, 1, 2, 3] = pixel
    rng = np.random.default_rng(0)
    layers = small_network(rng)
    options = {"epochs": 1, "batch": 6, "progress": False}
    with np.errstate(all="ignore"), pytest.raises(Diverged) as raised:
        train.train(layers, ops, (images, LABELS), rng=rng, **options)
    message = str(raised.value)
    assert f"because image {bad} of the training images has NaN or infinite pixels" in message
    assert "learning rate" not in message


def test_a_view_that_breaks_pixels_is_named():
    def view(images, rng):
        return np.where(images[:, :1, :1, :1] == X[7, 0, 0, 0], np.nan, images).astype(np.float32)

    with np.errstate(all="ignore"), pytest.raises(Diverged) as raised:
        run_small(view=view)
    assert "because the view makes NaN or infinity of image 7 of the training" in str(raised.value)


def test_a_broken_pixel_is_found_in_a_batch_alone():
    rng = np.random.default_rng(0)
    layers, images = small_network(rng), X[:6].copy()
    images[4, 0, 0, 0] = np.nan
    sentence = divergence.describe_divergence(train.Run(layers, rng, 0.01), layers, images)
    assert sentence == (
        "step 1 (epoch 1): the loss is NaN or infinite because image 4 of the batch has NaN or "
        "infinite pixels"
    )


def test_a_first_step_that_overflows_is_not_blamed_on_the_learning_rate():
    rng = np.random.default_rng(0)
    layers, images = small_network(rng), X.copy()
    images[:, 0] = 3e38
    layers[0].params["w"] *= 100
    options = {"epochs": 1, "batch": 6, "progress": False}
    with np.errstate(all="ignore"), pytest.raises(Diverged) as raised:
        train.train(layers, ops, (images, LABELS), rng=rng, **options)
    message = str(raised.value)
    assert "Nothing has been learned yet" in message and "to 3e+38" in message
    assert "learning rate" not in message


def test_a_view_that_loses_an_image_is_named():
    with pytest.raises(ValueError, match="view returned 5 images for 6"):
        run_small(view=lambda images, rng: images[1:] if len(images) > 1 else images)
    with pytest.raises(ValueError, match="validation: predict: the view of 9 images has 8"):
        run_small(test_view=lambda images: images[1:] if len(images) > 1 else images)


def test_a_loss_far_above_that_of_guessing_is_said_once(capsys):
    rng = np.random.default_rng(0)
    layers = small_network(rng)
    layers[3].params["w"] *= 1e4
    options = {"epochs": 3, "epsilon": 0, "batch": 6, "progress": False}
    train.train(layers, ops, small_data(), rng=rng, **options)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("epoch 1: the loss is ") and "guessing would have 1.61: try a" in line
    run_small()
    assert not capsys.readouterr().err


def test_scores_that_overflow_in_validation_are_a_divergence():
    rng = np.random.default_rng(0)
    layers = small_network(rng)
    layers[3].params["w"][...] = 1e38
    with np.errstate(all="ignore"), pytest.raises(Diverged, match="validation: the network's sco"):
        train.validate(net.predicting(layers, ops), ops, small_data())
