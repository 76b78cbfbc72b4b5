"""The benchmark counts and compares rightly, and its contestants compute the same."""

import contextlib
import importlib.util
import io
import json
import os
import re
import threading
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import cuda, fast, net, reference
from minicnn.__main__ import main
from minicnn.bench import cases, growth, limits, measure, minicnn_contestant, worker
from minicnn.bench.cases import timed_function
from minicnn.bench.im2col_contestant import course_conv_backward, course_conv_forward
from minicnn.bench.minicnn_contestant import Minicnn
from minicnn.bench.processes import WorkerError
from minicnn.bench.pytorch import Torch
from minicnn.bench.result import compared, line_of
from minicnn.bench.table import ratio_text, report
from minicnn.cuda import gpu
from minicnn.fast import threads
from minicnn.networks import alexnet, catalogue, cifar
from minicnn.verify import cuda_check

LIMITS = {"gflops": 100.0, "gb_per_s": 10.0}


def text_of(result):
    return ratio_text({"disturbed": False, **result})


def test_a_ratio_is_the_median_of_the_rounds_with_half_their_interquartile_range():
    result = compared(ours=[1, 2, 1, 2, 1], theirs=[1.8, 4, 1.9, 4.2, 3])  # 1.8 2 1.9 2.1 3
    assert result == {"ratio": 2, "spread": 0.1, "low": 1.8, "high": 3}
    assert text_of(result) == "2.00 ± 0.10"


def test_a_ratio_closer_to_1_than_its_spread_is_not_quoted():
    result = compared(ours=[1, 1, 1, 1, 1], theirs=[0.95, 0.96, 1.01, 1.04, 1.05])
    assert result == {"ratio": None, "spread": 0.04, "low": 0.95, "high": 1.05}
    assert text_of(result) == "≈ 1 (0.95–1.1)"
    result = compared(ours=[1, 1, 1, 1, 1], theirs=[0.5, 0.6, 1.1, 2, 3])
    assert result["ratio"] is None and text_of(result) == "unclear (0.5–3)"


def test_two_rounds_are_too_few_for_a_ratio():
    result = compared(ours=[1, 1], theirs=[2, 3])
    assert result == {"ratio": None, "spread": None, "low": 2, "high": 3}
    assert text_of(result) == "2–3"


CASE = {"row": "conv2", "pass": "dw", "flops": 2 * 10**9}
SECONDS = {"fast": [0.1, 0.1, 0.1], "slow": [0.9, 0.9, 0.9], "torch": [0.3, 0.2, 0.3]}


def test_a_line_compares_with_the_best_rival():
    fastest = {"fast": 0.09, "slow": 0.8, "torch": 0.2}
    line = line_of(CASE, SECONDS, fastest, "fast", ("slow", "torch", "broken"), LIMITS)
    assert (line["ms"], line["gflops"], line["of_limit"]) == (100, 20, 0.2)
    assert (line["rival"], line["rival_ms"], line["ratio"]) == ("torch", 300, 3)
    assert line["all_ms"] == {"fast": 100, "slow": 900, "torch": 300}
    assert line["gb_per_s"] is None
    assert line_of(CASE, SECONDS, fastest, "fast", (), LIMITS)["rival"] is None


@pytest.mark.parametrize("name", ["fast", "torch"])
def test_whoever_was_disturbed_is_not_quoted(name):
    fastest = {"fast": 0.09, "torch": 0.2, name: 0.01}
    line = line_of(CASE, SECONDS, fastest, "fast", ("torch",), LIMITS)
    assert line["disturbed"] and line["ratio"] is None
    assert ratio_text(line) == "unclear (2–3)"


def test_flops_and_bytes_of_a_row():
    x, y = np.zeros((2, 3, 7, 5), np.float32), np.zeros((2, 4, 6, 4), np.float32)
    w = np.zeros((4, 3, 2, 2), np.float32)
    products = 2 * 4 * 6 * 4 * 3 * 2 * 2  # numbers in y · numbers in a kernel
    assert cases.cost("conv", "dw", x, y, w) == {"flops": 2 * products}
    assert cases.cost("conv", "backward", x, y, w) == {"flops": 4 * products}
    w = np.zeros((6, 4, 4, 3, 2, 2), np.float32)
    assert cases.cost("local", "dx", x, y, w) == {"flops": 2 * products}
    assert cases.cost("local", "backward", x, y, w) == {"flops": 4 * products}
    assert cases.cost("map_lrn", "backward", x, x) == {"bytes": 4 * 3 * 210}
    x, y = np.zeros((2, 3, 7, 5), np.float32), np.zeros((2, 3, 3, 2), np.float32)
    assert cases.cost("pool", "forward", x, y) == {"bytes": 4 * 210 + 4 * 36}
    assert cases.cost("pool", "backward", x, y) == {"bytes": 4 * 210 + 4 * 36 + 36}


@pytest.mark.parametrize("stride, pad", [(1, 0), (2, 1), (3, 2)])
def test_course_code_is_right(stride, pad):
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(shape) for shape in [(2, 3, 7, 5), (4, 3, 3, 3), (4,)])
    y, cache = course_conv_forward(x, w, b, stride, pad)
    expected, expected_cache = reference.conv_forward(x, w, b, stride, pad)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)
    dy = rng.standard_normal(y.shape)
    gradients = course_conv_backward(dy, cache)
    for dq, expected in zip(gradients, reference.conv_backward(dy, expected_cache), strict=True):
        np.testing.assert_allclose(dq, expected, rtol=1e-10, atol=1e-10)


NETWORKS = [  # together they have every kind of layer, two groups and ceil_mode
    (partial(alexnet.alexnet, classes=5, kernels=(8, 12, 6, 4, 10), hidden=7), 68, 5),
    (cifar.layers_18pct, 9, 10),
    (partial(cifar.local_13pct, nonlinearity="tanh", init="fan-in"), 9, 10),
    (partial(cifar.four_layer, nonlinearity="logistic", init="fan-in"), 8, 10),
]


@pytest.mark.parametrize("ours", ["reference", "fast"])
@pytest.mark.parametrize("contestant", ["torch", "torch-channels-last"])
@pytest.mark.parametrize("build, size, classes", NETWORKS)
def test_pytorch_computes_the_same(build, size, classes, contestant, ours, monkeypatch):
    """Row by row and pass by pass, on small networks."""
    pytest.importorskip("torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    small = catalogue.NETWORKS["alexnet"]._replace(
        build=partial(build, size=size), size=size, classes=classes
    )
    monkeypatch.setitem(catalogue.NETWORKS, "small", small)
    one, other = Minicnn(ours, "small", 3), Torch(contestant, "small", 3)
    rows_of_other = {layer.name: layer for layer in other.layers}
    for line in one.rows():
        row, what = line["row"], line["pass"]
        if "dropout" in row or row in ("loss", "update"):
            continue
        _, *arrays, _, dy = one.records[row]
        x, y, dy = [other.tensor(np.array(array)) for array in (*arrays, dy)]
        for name in row.split("+"):
            other.records[name] = cases.Record(rows_of_other[name], x, y, None, dy)
        expected, answers = timed_function(one, row, what)(), timed_function(other, row, what)()
        if what == "forward":
            expected, answers = expected[:1], [answers]
        elif what == "backward" and len(expected) == 3:
            (dx, *_), (_, *dw_db) = [other.layer(row, half)() for half in ("dx", "dw")]
            np.testing.assert_array_equal(answers[1].detach(), dw_db[0])
            answers = [dx, *dw_db]
        expected = expected if isinstance(expected, tuple) else (expected,)
        answers = answers if isinstance(answers, (tuple, list)) else [answers]
        if (row, what) == ("conv1", "backward"):
            expected = expected[1:]  # PyTorch computes no dx there
        answers = [answer for answer in answers if answer is not None]
        pairs = list(zip(expected, answers, strict=True))
        for a, b in pairs:
            scale = np.abs(a).max()
            np.testing.assert_allclose(b.detach().numpy().reshape(a.shape), a, atol=1e-4 * scale)


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(measure, "TURN", 0.001)
    monkeypatch.setattr(measure, "limits", lambda results: LIMITS)


def test_it_measures_every_row_and_pass(tmp_path, capsys, hurried, monkeypatch):
    monkeypatch.setattr(threads, "count", threads.count)  # main sets it
    few = "--only layers --ops reference --batch 2 --rounds 1 --threads 1"
    assert main(["bench", *few.split(), "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "1 thread, 1 round" in text and "Wrote" in text and "rival" not in text
    results = json.loads((tmp_path / "cifar.json").read_text())
    assert results["settings"]["batch"] == 2 and results["limits"] == LIMITS
    assert {"processor", "cores", "versions", "load_before", "load_after"} <= set(
        results["machine"]
    )
    lines = {(line["row"], line["pass"]): line for line in results["lines"]}
    names = "conv1 pool1 relu1 conv2 pool2 relu2 conv3 pool3 relu3 fc10 loss".split()
    expected = {(name, what) for name in names for what in ("forward", "backward")}
    assert set(lines) == expected | {("update", "all")}
    assert lines["conv2", "forward"]["gflops"] > 0 and lines["pool2", "forward"]["gb_per_s"] > 0
    assert lines["conv2", "forward"]["ms"] > 0 and lines["conv2", "forward"]["rival"] is None


def test_a_rival_that_fails_is_noted_and_one_that_works_is_compared(hurried, in_threads):
    results = {
        "settings": {
            "network": "cifar",
            "ops": "reference",
            "batch": 2,
            "threads": 1,
            "rounds": 3,
            "tf32": False,
            "gpus": None,
        },
        "limits": LIMITS,
        "lines": [],
        "notes": [],
    }
    measure.race(results, "course", [("course", "broken")])
    assert [line["row"] for line in results["lines"]] == ["conv1", "conv2", "conv3"]
    assert all(line["rival"] == "course" for line in results["lines"])
    (note,) = results["notes"]  # and not one for each row
    assert note == (
        "broken: ModuleNotFoundError: No module named 'minicnn.broken' (conv1 forward + backward)"
    )


def test_threads_that_are_no_number_get_a_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MINICNN_THREADS", "two")
    assert main(["bench", "--out", str(tmp_path)]) == 1
    assert "MINICNN_THREADS is 'two'; expected a whole number" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_our_own_failure_ends_with_a_sentence(tmp_path, hurried, monkeypatch):
    monkeypatch.setitem(catalogue.NETWORKS, "nowhere", catalogue.NETWORKS["cifar-four-layer"])
    with pytest.raises(WorkerError, match="reference: ValueError: no network is called 'nowhere'"):
        measure.measure(tmp_path, "nowhere", "reference", parts=["layers"])


@pytest.mark.parametrize(
    "arguments", ["--network vgg", "--batch 0", "--against jax", "--only speed", "--rounds none"]
)
def test_bad_options_end_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(["bench", *arguments.split()])
    assert left.value.code == 2
    assert "bench: error: argument --" in capsys.readouterr().err


def test_against_torch_needs_torch(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["bench", "--against", "torch"]) == 2
    error = capsys.readouterr().err
    assert "PyTorch is not installed" in error and error.count("\n") == 1


# On a GPU, here in the emulator.


def tiny(ops, rng):
    def params(*shape):
        return net.gaussian(rng, shape, 0.5)

    return [
        net.row("conv1", ops, "conv", params(2, 3, 2, 2)),
        net.row("relu1", ops, "relu"),
        net.row("fc2", ops, "fc", params(2, 8)),
    ]


@pytest.fixture
def on_gpu(monkeypatch):
    network = catalogue.NETWORKS["cifar-four-layer"]._replace(
        build=tiny, size=3, classes=2, batch=2
    )
    monkeypatch.setitem(catalogue.NETWORKS, "tiny", network)
    a = np.random.default_rng(0).standard_normal((2, 3), np.float32)
    arrays = {"product": (a, a, a[0, :2]), "launch": (a,)}
    monkeypatch.setattr(minicnn_contestant, "arguments_of", arrays.get)
    return Minicnn("cuda", "tiny", 2)


@pytest.mark.gpu
def test_every_work_on_a_gpu_can_be_timed(on_gpu):
    rows = on_gpu.rows()
    passes = {name: [w["pass"] for w in rows if w["row"] == name] for name in ("conv1", "fc2")}
    assert passes == {"conv1": ["forward", "dw"], "fc2": ["forward", "dx", "dw"]}
    assert {w["row"] for w in rows} == {"conv1", "relu1", "fc2", "loss", "update"}
    works = [(w["row"], w["pass"]) for w in rows] + [
        ("product", "4096×4096"), ("launch", "1 number"), ("step", "training"),
        ("inference", "1 image"),
    ]  # fmt: skip
    for row, what in works:
        (seconds,) = worker.seconds_of(timed_function(on_gpu, row, what), 1, on_gpu.wait)
        assert seconds > 0
    assert on_gpu.memory() > 0


@pytest.mark.gpu
@pytest.mark.parametrize("row", ["conv1", "fc2"])
def test_the_halves_of_backward_are_backward(on_gpu, row):
    record = on_gpu.records[row]
    dx, dw, db = record.layer.backward(record.dy, record.cache)
    found = on_gpu.layer(row, "dx")(), *on_gpu.layer(row, "dw")()
    for half, whole in zip(found, (dx, dw, db), strict=True):
        np.testing.assert_array_equal(cuda.to_host(half), cuda.to_host(whole))


def test_calls_on_a_gpu_are_timed_together_and_waited_for():
    events = []
    times = worker.seconds_of(
        lambda: events.append("work"), 7, lambda: events.append("wait"), together=3
    )
    assert len(times) == 2 and events == 2 * [*3 * ["work"], "wait"]
    events.clear()
    assert len(worker.seconds_of(lambda: events.append("work"), 2, together=20)) == 1
    assert len(events) == 20


@pytest.fixture
def in_threads(monkeypatch):
    """Contestants that are threads of this process, and not processes."""

    @contextlib.contextmanager
    def workers(settings, names, **environment):
        running = {}
        conditions = [settings["network"], settings["batch"], *["tf32"] * settings["tf32"]]
        for name in names:
            requests, replies = os.pipe(), os.pipe()
            ends = [open(requests[0]), open(replies[1], "w"), open(requests[1], "w")]  # noqa: SIM115
            threading.Thread(target=serve_and_close, args=(ends, name, conditions)).start()
            running[name] = SimpleNamespace(stdin=ends[2], stdout=open(replies[0]))  # noqa: SIM115
        yield running
        for one in running.values():
            one.stdin.close()
            assert one.stdout.read() == ""
            one.stdout.close()

    monkeypatch.setattr(measure, "workers", workers)


def serve_and_close(ends, name, conditions):
    with ends[0], ends[1]:
        worker.serve(ends[0], ends[1], name, *conditions)


@pytest.mark.gpu
def test_a_gpu_is_measured_and_reported(tmp_path, on_gpu, in_threads, hurried):
    parts = ["step", "memory"]
    results = measure.measure(tmp_path, "tiny", "cuda", rounds=1, parts=parts)
    assert [(line["row"], line["rival"]) for line in results["lines"]] == [("step", "fast")]
    assert results["notes"] == [] and results["memory"]["cuda"]["imports"] == 0
    text = report(results)
    assert "GPU emulated by minicnn" in text and "TF32" not in text
    assert re.search(r"training: [\d,]+ images a second", text)
    assert re.search(
        r"peak memory of the GPU in the third training step: cuda \d+ MiB$", text, re.M
    )
    results["settings"]["tf32"] = True
    assert "cuda, products in TF32, " in report(results)


def two_and_one(monkeypatch, batch):
    """Add a tiny network of two columns, and the same in one, to those that can be timed."""
    one = catalogue.NETWORKS["cifar-four-layer"]._replace(
        build=lambda ops, rng: cuda_check.tiny_in_one(ops), classes=3, batch=batch
    )
    two = one._replace(
        build=lambda ops, rng: cuda_check.tiny_columns(ops), columns=2, in_one_column="one"
    )
    monkeypatch.setitem(catalogue.NETWORKS, "one", one)
    monkeypatch.setitem(catalogue.NETWORKS, "two", two)

    def images(network, N):
        rng = np.random.default_rng(1)
        return rng.standard_normal((N, 1, 4, 2), np.float32), rng.integers(3, size=N)

    monkeypatch.setattr(minicnn_contestant, "images", images)


def test_two_columns_are_timed_against_the_same_network_in_one(
    tmp_path, in_threads, hurried, monkeypatch
):
    two_and_one(monkeypatch, batch=2)
    results = measure.measure(tmp_path, "two", "fast", rounds=1)
    lines = [(line["row"], line["pass"], line["rival"]) for line in results["lines"]]
    passes = [("step", "training"), ("inference", "1 image"), ("inference", "2 images")]
    assert lines == [(*names, "fast-in-one") for names in passes]
    assert results["notes"] == [] and results["memory"].keys() == {"fast", "fast-in-one"}
    with pytest.raises(ValueError, match="halves --timeline two shows when each of them runs"):
        measure.measure(tmp_path, "two", "fast", parts=["layers"])
    scores = []
    for name in ("fast", "fast-in-one"):
        one = Minicnn(name, "two", 2)
        assert len(one.layers) == (9 if name == "fast" else 5)
        scores.append(one.inference(2)()[0])
    np.testing.assert_allclose(*scores, rtol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("gpus", ["0,0", "0,1"])
def test_two_columns_on_gpus_are_timed(gpus, monkeypatch):
    two_and_one(monkeypatch, batch=1)
    monkeypatch.setattr(gpu, "chosen", ())
    replies = io.StringIO()
    asked = [{"prepare": ["step", "training"]}, {"run": 1}, {"memory": True}]
    requests = [json.dumps(request) + "\n" for request in asked]
    worker.serve(requests, replies, "cuda", "two", "1", "", gpus)
    ready, ran, memory = map(json.loads, replies.getvalue().splitlines())
    assert ready == {} and ran["seconds"][0] > 0 and memory["peak"] > 0
    assert gpu.chosen == tuple(map(int, gpus.split(",")))


@pytest.mark.gpu
def test_plain_kernels_are_measured_beside_the_fast_ones(
    tmp_path, on_gpu, in_threads, hurried, monkeypatch
):
    monkeypatch.setattr(cuda.settings, "plain", False)  # restores it afterwards
    plain = Minicnn("cuda-plain", "tiny", 2)
    assert cuda.settings.plain
    assert {(w["row"], w["pass"]) for w in plain.rows()} == {
        ("conv1", "forward"), ("conv1", "dw"), ("fc2", "forward"), ("fc2", "dx"), ("fc2", "dw"),
    }  # fmt: skip
    results = measure.measure(tmp_path, "tiny", "cuda", rounds=1, parts=["layers"])
    rows = [line["row"] for line in results["lines"] if line["rival"] == "cuda-plain"]
    assert rows == ["conv1", "conv1", "fc2", "fc2", "fc2"] and results["notes"] == []
    assert {"relu1", "loss", "update", "product"} <= {line["row"] for line in results["lines"]}


@pytest.mark.gpu
def test_tf32_is_for_gpus_and_is_handed_on(on_gpu, capsys, monkeypatch):
    for command in (["bench"], ["train"]):
        assert main([*command, "--tf32"]) == 1
        error = capsys.readouterr().err
        assert "--tf32 is for --ops cuda; fast computes on the CPU" in error
        assert error.count("\n") == 1
    monkeypatch.setattr(cuda.settings, "tf32", False)  # a process begins without
    used = []
    for name, *more in (["cuda"], ["cuda", "tf32"], ["limits-gpu"], ["limits-gpu", "tf32"]):
        worker.serve(["{}"], io.StringIO(), name, "tiny", 2, *more)
        used.append(cuda.settings.tf32)
    assert used == [False, True, False, True]


@pytest.mark.gpu
def test_the_copy_of_the_limits_runs(monkeypatch):
    monkeypatch.setattr(limits, "COPIED", 80)
    one = worker.contestant("limits-gpu", "cifar", 1)
    assert worker.seconds_of(one.operation("copy"), 1, one.wait)[0] > 0


# A network is one row.


def test_a_network_is_trained_summarised_timed_and_checked_once_it_has_a_row(
    tmp_path, monkeypatch, capsys, few_images, no_pictures, in_threads, hurried
):
    def tiny(ops, rng, classes=10, size=8):
        D = 4 * ((size + 1) // 2) ** 2
        return [
            net.row("conv1", ops, "conv", net.gaussian(rng, (4, 3, 3, 3), 0.1), pad=1),
            net.row("tanh1", ops, "tanh"),
            net.row("pool1", ops, "average_pool", z=2, s=2, ceil_mode=True),
            net.row("fc2", ops, "fc", net.gaussian(rng, (classes, D), 0.1)),
        ]

    row = catalogue.NETWORKS["cifar-four-layer"]._replace(
        build=tiny, size=8, least=4, recipe={**catalogue.SMALL, "epochs": 2}, batch=3
    )
    monkeypatch.setitem(catalogue.NETWORKS, "cifar-tiny", row)
    out = str(tmp_path)
    assert main(["train", "cifar-tiny", "--out", f"{out}/run"]) == 0
    assert len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) == 2
    assert main(["test", f"{out}/run/checkpoint.npz"]) == 0
    assert main(["summary", "cifar-tiny"]) == 0
    assert "average_pool" in capsys.readouterr().out
    for part in ("layers", "step"):
        bench = ["bench", "--network", "cifar-tiny", "--only", part, "--rounds", "1"]
        assert main([*bench, "--ops", "reference", "--out", f"{out}/bench"]) == 0
    assert "tanh1" in capsys.readouterr().out
    assert main(["gradcheck", "cifar-tiny", "--ops", "fast"]) == 0
    assert "cifar-tiny" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    help_text = " ".join(capsys.readouterr().out.split())
    assert "2 for cifar-tiny" in help_text and "8 for cifar-tiny" in help_text


def test_growth_says_where_a_speed_leaves_its_line(tmp_path):
    axis = growth.Axis([1, 2, 4], 0, None, "Python")
    assert growth.described("batch", axis, [1, 2, 4], [50.0, 95, 100])[-2:] == [
        "below the line at 1; what costs more there: Python", ""
    ]  # fmt: skip
    size = growth.Axis([32, 64], -2, None, "caches")
    assert growth.described("size", size, [32, 64], [400.0, 100])[-2] == "a straight line"
    text = growth.measure_growth(tmp_path, fast, rounds=1, only=["batch"])
    assert text.splitlines()[0].split() == ["batch", "images/s", "of", "the", "line"]
    result = json.loads((tmp_path / "growth.json").read_text())["axes"]["batch"]
    assert result["values"] == [1, 2, 4] and min(result["images_per_second"]) > 0
    assert (tmp_path / "growth.png").stat().st_size > 5000


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--lanes", "8", "--ops", "reference"], "--lanes: reference has no vectors"),
        (["--grow", "--network", "alexnet"], "leave out --network"),
        (["--grow", "--ops", "cuda"], "leave out --ops"),
        (["--grow", "--only", "step"], "leave out --only"),
    ],
)
def test_an_option_without_effect_is_refused(options, sentence, capsys, tmp_path):
    assert main(["bench", *options, "--out", str(tmp_path)]) != 0
    assert sentence in capsys.readouterr().err
