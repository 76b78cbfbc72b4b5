"""Two columns on a GPU, or on two: in the emulator, which has two."""

import argparse
import functools
import itertools
import re
from collections import namedtuple

import numpy as np
import pytest

from minicnn import backends, cuda, fast, gradcheck, net, reference, storage
from minicnn.__main__ import main
from minicnn.commands import options
from minicnn.cuda import gpu, settings, two_columns
from minicnn.experiments import timeline
from minicnn.networks import catalogue, summary
from minicnn.networks.summary import what_fits
from minicnn.training import evaluate, train, transfer
from minicnn.two_columns import in_columns, split_columns
from minicnn.verify import cuda_check, gpu as emulator

GPUS = (0, 0)


def like(rng, x):
    """Return random numbers in the shape of an array, or of a pair of them."""
    if isinstance(x, tuple):
        return tuple(like(rng, half) for half in x)
    return rng.standard_normal(tuple(x.shape)).astype(x.dtype)


def walk(ops, kind, x, rng):
    """Return y and dx of a layer between the columns, as lists of arrays on the host."""
    y, cache = getattr(ops, f"{kind}_forward")(ops.to_device(x))
    (dx,) = getattr(ops, f"{kind}_backward")(ops.to_device(like(rng, y)), cache)
    return [*net.columns(ops.to_host(y)), *net.columns(ops.to_host(dx))]


@pytest.mark.parametrize("through_host", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layers_between_the_columns_give_the_cpus_bits(monkeypatch, dtype, through_host):
    monkeypatch.setattr(settings, "through_host", through_host)
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((2, 3, 2, 5)), rng.standard_normal((2, 2, 2, 5))
    vectors = rng.standard_normal((3, 4)), rng.standard_normal((3, 7))
    for x0, x1 in (maps, vectors):
        x = x0.astype(dtype), x1.astype(dtype)
        for kind, given in (("both", x[0]), ("exchange", x), ("join", x)):
            found = walk(in_columns(cuda, GPUS), kind, given, np.random.default_rng(1))
            expected = walk(in_columns(reference), kind, given, np.random.default_rng(1))
            assert len(found) == len(expected) >= 3
            for ours, theirs in zip(found, expected, strict=True):
                assert ours.dtype == theirs.dtype
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("gpus", [(0, 0), (0, 1)])
def test_arrays_of_both_columns_are_collected_on_the_host_and_delivered_again(gpus):
    rng, two = np.random.default_rng(0), in_columns(cuda, gpus)
    pairs = [(rng.random((2, 3)), rng.random(4)), (rng.random(1), rng.random((5, 2)))]
    on_gpus = [two.to_device(pair) for pair in pairs]
    flat = two.device.collect(on_gpus, 0.5)
    assert isinstance(flat, np.ndarray) and flat.shape == (21,)
    for pair, found in zip(pairs, two.device.deliver(2 * flat, on_gpus), strict=True):
        for ours, theirs in zip(two.to_host(found), pair, strict=True):
            np.testing.assert_array_equal(ours, theirs)


# Training.


def train_tiny(ops, columns=2, steps=2, **options):
    """Return the run and the rows of the tiny network after some steps, each an epoch."""
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((2, 1, 4, 2)).astype(np.float32), np.array([2, 1])
    layers = cuda_check.tiny_columns(ops) if columns == 2 else cuda_check.tiny_in_one(ops)
    run = train.train(
        layers, in_columns(ops) if columns == 2 else ops, (x, labels),
        rng=np.random.default_rng(2), epochs=steps, epsilon=0.1, progress=False, **options,
    )  # fmt: skip
    return run, layers


def weights(layers):
    """Return all parameters in one column, on the host."""
    found = {}
    for layer in layers:
        for letter, value in layer.params.items():
            halves = [net.on_host(half) for half in net.columns(value)]
            found[f"{layer.name}.{letter}"] = np.concatenate(halves)
    return found


def test_two_columns_train_as_one_with_groups_and_as_on_the_cpu():
    run, layers = train_tiny(cuda)
    assert run.losses[1] < run.losses[0]
    start = weights(cuda_check.tiny_columns(fast))
    for other, rows in (train_tiny(cuda, columns=1), train_tiny(fast)):
        np.testing.assert_allclose(run.losses, other.losses, rtol=1e-6)
        for name, w in weights(rows).items():
            np.testing.assert_allclose(weights(layers)[name], w, rtol=1e-5, atol=1e-7)
            assert not np.allclose(w, start[name], rtol=1e-3)


def test_two_columns_predict_as_on_the_cpu():
    x = np.random.default_rng(3).standard_normal((1, 1, 4, 2)).astype(np.float32)
    found = []
    for ops in (in_columns(cuda), in_columns(fast)):
        layers = net.predicting(cuda_check.tiny_columns(ops), ops)
        net.to_device(layers, ops)
        found.append(evaluate.predict(layers, ops, x, lambda some: [some]))
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_gradients_of_two_columns_agree_with_finite_differences():
    rng, two = np.random.default_rng(4), in_columns(cuda)
    fc1 = split_columns({"w": rng.standard_normal((2, 1)), "b": rng.standard_normal(2)})
    layers = [
        net.row("both", two, "both"),
        net.row("fc1", two, "fc", fc1),
        net.row("exchange2", two, "exchange"),
        net.row("join", two, "join"),
    ]
    report = gradcheck.check_network(layers, rng.standard_normal((1, 1)), np.array([1]), two)
    assert report.ok, str(report)
    assert [row.name for row in report.rows] == ["x", "fc1.w.0", "fc1.w.1", "fc1.b.0", "fc1.b.1"]


# Streams.


@pytest.mark.parametrize("gpus", [(0, 0), (1, 0)])
@pytest.mark.parametrize("through_host", [False, True])
def test_what_is_learned_lives_and_stays_with_its_column(monkeypatch, through_host, gpus):
    monkeypatch.setattr(settings, "through_host", through_host)
    run, layers = train_tiny(in_columns(cuda, gpus), steps=4)
    for column, device in enumerate(gpus):
        with two_columns.use_place(two_columns.Place(device, column)):
            for layer in layers:
                for name, halves in layer.params.items():
                    for own in halves[column], run.velocities[layer.name][name][column]:
                        assert own.stream is gpu.stream()


Work = namedtuple("Work", "words stream number before")


@pytest.fixture
def log(monkeypatch):
    """The copies and launches from now on, each with what is sure to be done before it."""
    order, log = emulator.emulated.order, []
    begin = order.begin

    def noted(stream, words):
        operation = begin(stream, words)
        if not words.startswith("an event"):
            log.append(Work(words, *operation[:2], dict(order.clocks[operation.stream])))
        return operation

    monkeypatch.setattr(order, "begin", noted)
    return log


def at_the_same_time(one, other):
    """Return whether two pieces of work may run at once: neither knows that the other is done."""
    return (
        one.stream != other.stream
        and one.before.get(other.stream, 0) < other.number
        and other.before.get(one.stream, 0) < one.number
    )


def work_while_dx_travels(log):
    """Return, for the backward pass of fc and exchange, what may run at the same time as what.

    That is a list for each column, with True for each piece of its work in fc_backward that may run
    while its own dx travels; and whether both dx may travel at once.
    """
    two, rng = in_columns(cuda, (0, 1)), np.random.default_rng(9)
    x, dy = [tuple(rng.standard_normal((2, n)) for _ in "01") for n in (2, 3)]
    w, b = split_columns({"w": rng.standard_normal((6, 4)), "b": rng.standard_normal(6)}).values()
    y, to_both = two.exchange_forward(two.to_device(x))
    _, cache = two.fc_forward(y, two.to_device(w), two.to_device(b))
    dy = two.to_device(dy)
    log.clear()
    dx, _, _ = two.fc_backward(dy, cache)
    rows = log[:]
    two.exchange_backward(dx, to_both)
    copies = [work for work in log[len(rows) :] if " to GPU " in work.words]  # 0 → 1, 1 → 0
    free = []
    for place, copy in zip((two_columns.Place(0, 0), two_columns.Place(1, 1)), copies, strict=True):
        with two_columns.use_place(place):
            own = [work for work in rows if work.stream == int(gpu.stream())]
        free.append([at_the_same_time(work, copy) for work in own])
    return free, at_the_same_time(*copies)


@pytest.mark.parametrize("through_host", [False, True])
def test_dx_travels_both_ways_while_dw_is_computed(monkeypatch, log, through_host):
    monkeypatch.setattr(settings, "through_host", through_host)
    free, both_ways = work_while_dx_travels(log)
    assert both_ways
    for column in free:  # first dx, on which the copy waits, then dw and db, which run meanwhile
        assert column == sorted(column) and not column[0] and column[-1]

    def all_work(x, source):
        with two_columns.use_place(source):
            return gpu.record_event()

    # a mistake: as if dx had no event of its own
    monkeypatch.setattr(two_columns, "written_event", all_work)
    free, _ = work_while_dx_travels(log)
    assert not any(sum(free, []))


def test_on_two_gpus_no_image_crosses_within_a_step(log):
    spans = {}
    for gpus in ((0, 0), (0, 1)):
        two = in_columns(cuda, gpus)
        x, labels = np.random.default_rng(10).standard_normal((2, 1, 2, 3)), np.zeros(2, int)
        log.clear()
        ((x_there, labels_there),) = two.device.feed([(x, labels)])
        fed = len(log)
        y, _ = two.both_forward(x_there)
        spans[gpus] = fed, len(log) - fed
        assert labels_there is labels
        for column in (0, 1):
            np.testing.assert_array_equal(two.to_host(y)[column], x)
    assert spans == {(0, 0): (1, 2), (0, 1): (2, 0)}  # a copy to each GPU, ahead; then nothing


# Which GPU.


@pytest.fixture
def chosen(monkeypatch):
    """Forget afterwards which GPUs a test chose."""
    monkeypatch.setattr(gpu, "chosen", ())
    yield
    gpu.set_device(0)


def devices(gpus=None):
    """Return on which devices the columns work."""
    on, found = two_columns.on(gpus), []
    for column in (0, 1):
        with on.at(column):
            found.append(gpu.current.device)
    return found


def test_columns_are_where_somebody_chose_or_else_both_on_the_current_gpu(chosen):
    assert devices() == [0, 0]
    with gpu.use(1):
        assert devices() == [1, 1] and devices((0, 1)) == [0, 1]
    two_columns.choose((1, 0))
    assert devices() == [1, 0] and gpu.current.device == 1
    two_columns.choose((1,))
    assert devices() == [1, 1]


def test_a_gpu_that_does_not_exist_gets_a_sentence_with_how_many_there_are(monkeypatch, chosen):
    monkeypatch.setattr(gpu, "ready", lambda: None)
    for count, words in ((2, "2 GPUs, numbers 0 to 1"), (1, "1 GPU, number 0")):
        monkeypatch.setattr(gpu.cuda, "gpus", [None] * count)
        with pytest.raises(ValueError, match=f"there is no GPU 7: this machine has {words}"):
            two_columns.choose((0, 7))
        with pytest.raises(ValueError, match="there is no GPU 7"):
            in_columns(cuda, (7, 0))
    assert gpu.chosen == ()
    with pytest.raises(ValueError, match=r"gpus = \(0, 1, 2\); expected two, one for each column"):
        in_columns(cuda, (0, 1, 2))


def test_of_two_gpus_of_unequal_memory_the_smaller_one_decides(monkeypatch, chosen, capsys):
    GiB = 2**30
    for name in ("check_devices", "set_device"):
        monkeypatch.setattr(gpu, name, lambda devices: None)
    monkeypatch.setattr(gpu, "total_memory", {0: 24 * GiB, 1: 8 * GiB, 2: 8 * GiB - 9}.get)
    words = (
        "GPU 1 has 8,192 MiB of memory, GPU 0 24,576: both columns need about the same, so GPU 1"
    )
    for gpus in ((0, 1), (1, 0)):
        assert two_columns.choose(gpus).startswith(words)
        assert backends.backend("cuda", gpus) is cuda
        assert capsys.readouterr().err.startswith(f"minicnn: {words}")
    for gpus in ((1, 2), (0,), (0, 0)):
        assert backends.backend("cuda", gpus) is cuda and capsys.readouterr().err == ""
    layers, fits = catalogue.build("cifar-2gpu", reference, None), {}
    for gpus in ((1, 0), (1, 2), (0,), (1,)):
        two_columns.choose(gpus)
        said = what_fits(layers, (3, 24, 24), 10**6, cuda.device.capacity())
        fits[gpus] = int(re.match(r"about (\d+) images of .* would fit: try --batch", said)[1])
    assert fits[1, 0] == pytest.approx(fits[1, 2], abs=1) == pytest.approx(2 * fits[1,], rel=1e-3)
    assert fits[0,] == pytest.approx(3 * fits[1,], rel=1e-3)


def test_the_option_gpus_takes_one_number_or_two(chosen, capsys):
    assert options.gpus("1") == (1,) and options.gpus("1,0") == (1, 0)
    for wrong in ("", "0,", "-1", "0,1,2", "a", "0;1", "²"):
        with pytest.raises(argparse.ArgumentTypeError, match="not the number of a GPU, or two"):
            options.gpus(wrong)
    assert main(["train", "cifar-2gpu", "--gpus", "0,1"]) == 1
    assert "--gpus 0,1: this backend computes on the CPU" in capsys.readouterr().err


def test_a_gpu_that_fails_gets_a_sentence(monkeypatch, tmp_path, capsys):
    class CudaAPIError(RuntimeError):
        """As numba's."""

    def fail(*arguments, **options):
        raise CudaAPIError("[999] Call to cuMemcpyDtoDAsync results in CUDA_ERROR_UNKNOWN")

    monkeypatch.setattr(timeline, "timeline", fail)
    assert main(["halves", "--timeline", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "a GPU failed ([999] Call to cuMemcpyDtoDAsync" in error


def test_a_network_has_the_backend_for_its_columns(chosen):
    two_columns.choose((0, 1))
    assert catalogue.backend("alexnet-2gpu", cuda) is in_columns(cuda, (0, 1))
    with pytest.raises(ValueError, match="--gpus 0,1: alexnet has one column, which runs on one"):
        catalogue.backend("alexnet", cuda)
    two_columns.choose((1,))
    assert catalogue.backend("alexnet", cuda) is cuda


# Weights of one column for two, and the other way round.


SMALL = {"classes": 3, "kernels": (4, 8, 4, 4, 4), "hidden": 6, "size": 67, "std": 0.1}


def saved(path, network):
    """Save a network as `train` does; return its rows."""
    layers = catalogue.build(network, fast, np.random.default_rng(6), **SMALL)
    named = {f"w:{name}": w for name, w in net.parameters(layers).items()}
    told = {"network": network, "classes": ["a", "b", "c"], "size": SMALL["size"]}
    storage.save(path, named, {"settings": told})
    return layers


@pytest.mark.parametrize("new, old", [("alexnet-2gpu", "alexnet"), ("alexnet", "alexnet-2gpu")])
def test_weights_of_one_column_begin_a_network_of_two_and_the_other_way_round(tmp_path, new, old):
    theirs = net.predicting(saved(tmp_path / "old.npz", old), catalogue.backend(old, fast))
    layers = catalogue.build(new, fast, np.random.default_rng(7), **SMALL)
    said = transfer.take_weights(layers, new, ["a", "b", "c"], tmp_path / "old.npz")
    assert said.startswith("Took conv1, conv2, conv3, conv4") and said.endswith("anew: none")
    ours = net.predicting(layers, catalogue.backend(new, fast))
    x = 60 * np.random.default_rng(8).standard_normal((2, 3, 67, 67)).astype(np.float32)
    scores, expected = net.forward(ours, x)[0], net.forward(theirs, x)[0]
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    assert abs(expected).max() > 0


# The timeline.


@pytest.fixture
def small_columns(monkeypatch):
    """cifar-2gpu without convolutions, for images of 2×2 pixels."""

    def build(ops, rng):
        two = in_columns(ops)
        return [
            net.row("both", two, "both"),
            net.row("fc1", two, "fc", split_columns(net.gaussian(rng, (3, 12), 0.1))),
            net.row("relu1", two, "relu"),
            net.row("exchange2", two, "exchange"),
            net.row("fc2", two, "fc", split_columns(net.gaussian(rng, (3, 3), 0.1))),
            net.row("join", two, "join"),
        ]

    row = catalogue.NETWORKS["cifar-2gpu"]._replace(build=build, size=2)
    monkeypatch.setitem(catalogue.NETWORKS, "cifar-2gpu", row)


def check_spans(spans, *first):
    """Every row's span begins after that of the row before, in its column, and none is negative."""
    for column in (0, 1):
        own = [span for span in spans if span.column == column and not span.copy]
        rows = list(dict.fromkeys(span.layer for span in own if span.phase == "forward"))
        at = rows.index(first[0])
        assert tuple(rows[at : at + len(first)]) == first
        assert all(0 <= span.start <= span.end for span in own)
        assert all(a.start <= b.start for a, b in itertools.pairwise(own))
    assert {span.phase for span in spans} == {"forward", "backward", "update"}


def test_the_timeline_of_the_cpu_has_every_layer_of_both_columns_and_no_copies(
    tmp_path, capsys, monkeypatch
):
    seen, draw = [], timeline.draw
    monkeypatch.setattr(
        timeline, "draw", lambda spans, *where: seen.append(spans) or draw(spans, *where)
    )
    assert main(["halves", "--timeline", "--batch", "2", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "nothing had to be copied between the columns" in printed
    assert [line.split()[:2] for line in printed.splitlines()[1:3]] == [
        ["both", "forward"],
        ["conv1", "forward"],
    ]
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
    check_spans(*seen, "conv1", "lrn1", "pool1", "conv2")  # which do the ReLUs on the way


@pytest.mark.parametrize("gpus", [(0, 0), (0, 1)])
def test_the_timeline_of_a_gpu_has_the_copies_that_the_summary_counts(
    small_columns, tmp_path, gpus
):
    spans = timeline.timeline("cifar-2gpu", cuda, gpus, batch=1, steps=1)
    check_spans(spans, "fc1", "relu1", "exchange2", "fc2")
    found = {}
    for span in spans:
        if span.copy:
            pair = found.setdefault((span.layer, span.phase), [0, 0])
            pair[1 - span.column] += span.bytes
    layers = catalogue.build("cifar-2gpu", fast, None)
    for name, forward, backward in summary.crossings(layers, (3, 2, 2), 1):
        if name == "both" and gpus == (0, 1):
            forward = 0, 0  # two GPUs are fed from the host
        assert found.get((name, "forward"), [0, 0]) == list(forward)
        assert found.get((name, "backward"), [0, 0]) == list(backward)
    if gpus == (0, 0):
        timeline.draw(spans, tmp_path / "timeline.png", "small")


def test_what_crosses_can_be_sent_through_the_host(small_columns, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(settings, "through_host", False)
    monkeypatch.setattr(two_columns, "pinned", {})
    monkeypatch.setattr(timeline, "timeline", functools.partial(timeline.timeline, steps=1))
    monkeypatch.setattr(timeline, "draw", lambda *arguments: None)
    command = ["halves", "--timeline", "--through-host", "--batch", "1", "--out", str(tmp_path)]
    assert main(command) == 1
    assert "--through-host is for --ops cuda" in capsys.readouterr().err
    assert two_columns.pinned == {}
    assert main([*command, "--ops", "cuda"]) == 0
    assert settings.through_host and len(two_columns.pinned) > 2
    printed = capsys.readouterr().out
    assert "exchange2   forward" in printed and "were copied between the columns" in printed


def test_what_the_timeline_cannot_do_gets_a_sentence(capsys):
    with pytest.raises(ValueError, match="alexnet has one column, so nothing crosses"):
        timeline.timeline("alexnet", fast)
    assert main(["halves", "--timeline", "--seeds", "2"]) == 1
    assert "--seeds is for --experiment" in capsys.readouterr().err
    assert main(["halves", "--experiment", "--batch", "2"]) == 1
    assert "--batch is for --timeline" in capsys.readouterr().err
