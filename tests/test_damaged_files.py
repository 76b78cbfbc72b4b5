"""Damaged files: whatever stands in one, the answer is a result or one sentence, and soon.

Bytes are mutated, and also the facts and the arrays inside, which no checksum then shields.  The
generator of case number n is seeded with n, so a failing case can be repeated alone.
"""

import io
import json
import pathlib
import re
import resource
import time
import zipfile

import numpy as np
import pytest

import minicnn
from lessons.viewer import progress
from minicnn import reference, storage
from minicnn.data import views
from minicnn.errors import CheckpointError, Diverged
from minicnn.experiments import column_specialization, figure1_sweep, journal
from minicnn.networks import catalogue
from minicnn.training import predictor, saved_run, schedules, train, transfer
from minicnn.weights import exchange

RESULTS = pathlib.Path(minicnn.__file__).parent / "results"
CLASSES, SIZE, WIDTH = ["a", "b", "ü"], 8, 10
DEEP = json.loads("[" * 400 + "]" * 400)
VALUES = [None, True, False, 0, 1, -1, 7, 2**31, 2**63, -(10**40), 1e308, -0.5, 0.5, 1e-320]
VALUES += [
    "",
    "x",
    "alexnet",
    "vgg-e",
    "cifar-2gpu",
    "\x1b[2J\n",
    [],
    {},
    [[]],
    [1, 2],
    [None] * 50,
]
VALUES += [float("nan"), float("inf"), DEEP, {"a": DEEP}, {"at": [1], "by": 10}, ["a"] * 1000]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function that resumes a small run, and the bytes of its checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 3, WIDTH, WIDTH), np.uint8)
    mean, deviation = images.mean(axis=0).astype(np.float32), np.float32(64)
    settings = {"network": "cifar-alexnet", "classes": CLASSES, "size": SIZE, "test_width": 9}
    settings |= {"dropout": 0.3, "schedule": {"stall": 2, "by": 10, "times": 3}, "seed": 0}

    def go_on(epochs=4, resume=True):
        rng = np.random.default_rng(1)
        small = {"dropout": 0.3, "size": SIZE, "classes": 3}
        layers = build_small("cifar-alexnet", reference, rng, **small)
        labels = np.arange(6) % 3
        return train.train(
            layers, reference, (images, labels), (images, labels),
            rng=rng, epochs=epochs, batch=4, folder=folder, resume=resume, settings=settings,
            schedule=schedules.schedule_from(settings["schedule"]),
            inputs={"mean": mean, "deviation": np.asarray(deviation)},
            view=views.training_view(mean, deviation, SIZE),
            test_view=views.central_view(mean, deviation, SIZE, 9), progress=False,
        )  # fmt: skip

    go_on(epochs=3, resume=False)
    return go_on, folder / "checkpoint.npz", (folder / "checkpoint.npz").read_bytes(), images


def build_small(name, ops, rng, **options):
    """Build a network of the catalogue with few kernels, if it takes them."""
    few = {"kernels": (4, 4, 4, 4, 4), "hidden": 5} if name == "cifar-alexnet" else {}
    return catalogue.NETWORKS[name].build(ops, rng, **few, **options)


def mutated_value(rng, value):
    """Return a JSON value with one value in it, anywhere, changed, doubled or removed."""
    if isinstance(value, dict | list) and value and rng.random() < 0.95:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = keys[rng.integers(len(keys))]
        copy, change = value.copy(), rng.random()
        if change < 0.15:
            del copy[key]
        elif change < 0.2 and isinstance(copy, list):
            copy.insert(key, copy[key])
        else:
            copy[key] = mutated_value(rng, value[key])
        return copy
    return VALUES[rng.integers(len(VALUES))]


def mutated_bytes(rng, content):
    """Return bytes with a few bits flipped, a part cut out or doubled, or cut short."""
    content = bytearray(content)
    # Half of the time near the end, where a zip has its directory.
    start = 0 if rng.random() < 0.5 else max(0, len(content) - 4000)
    place, length = int(rng.integers(start, len(content))), int(rng.integers(1, 40))
    match rng.integers(5):
        case 0:
            del content[place:]
        case 1:
            del content[place : place + length]
        case 2:
            content[place:place] = content[place : place + length]
        case 3:
            content[place : place + length] = rng.bytes(length)
        case 4:
            for at in rng.integers(start, len(content), 1 + length // 10):
                content[at] ^= 1 << rng.integers(8)
    return bytes(content)


def mutated_array(rng, array):
    """Return an array with other values, another shape or another type."""
    values = [np.nan, np.inf, -1, 0, 1e30, 2**31]
    with np.errstate(all="ignore"):
        match rng.integers(7):
            case 0:
                return array.ravel()
            case 1:
                return array[..., None]
            case 2:
                return np.repeat(array.reshape(-1), 2)
            case 3:
                return array.astype(
                    ["f2", "f8", ">f4", "i8", "u1", "c8", "U3", "?"][rng.integers(8)]
                )
            case 4:
                return np.zeros((0,) * array.ndim, array.dtype)
            case 5:
                return np.full_like(array, 0) + np.float64(values[rng.integers(len(values))])
            case 6:
                changed = array.copy().reshape(-1)
                if changed.size:
                    new = np.asarray(values[rng.integers(len(values))])
                    changed[rng.integers(changed.size)] = new.astype(array.dtype)
                return changed.reshape(array.shape)


def mutated_members(rng, content):
    """Return an .npz file with one of its arrays changed, removed, renamed or packed tightly."""
    with np.load(io.BytesIO(content)) as archive:
        members = {name: archive[name] for name in archive.files}
    facts = json.loads(members.pop("facts").tobytes())
    name, change = list(members)[rng.integers(len(members))], rng.random()
    if change < 0.5:
        for _ in range(rng.integers(1, 4)):
            facts = mutated_value(rng, facts)
        if rng.random() < 0.5 and isinstance(facts, dict):
            facts = {**facts, "settings": mutated_value(rng, facts.get("settings"))}
    elif change < 0.55:
        del members[name]
    elif change < 0.6:
        members[["array:w:x", "\x1b\n", "array:input:x", "a" * 9000][rng.integers(4)]] = np.ones(3)
    else:
        members[name] = mutated_array(rng, members[name])
    members["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    file = io.BytesIO()
    (np.savez_compressed if rng.random() < 0.2 else np.savez)(file, **members)
    return file.getvalue()


def bounded(use, *expected):
    """Call use(); what it raises must be expected, and it may take neither long nor much memory.

    Returns the sentence that it raised, or "".
    """
    before, start, said = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.time(), ""
    try:
        with np.errstate(all="ignore"):
            use()
    except expected as error:
        said = str(error)
        assert said and len(said) < 1000
    assert time.time() - start < 5, "this took too long"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20, "over 1 GB"
    return said


@pytest.mark.parametrize("mutate", [mutated_bytes, mutated_members])
@pytest.mark.parametrize(
    "cases", [250, pytest.param(5000, marks=(pytest.mark.slow, pytest.mark.very_slow))]
)
def test_a_damaged_checkpoint_is_refused_in_a_sentence_or_works(run, mutate, cases, monkeypatch):
    go_on, path, content, images = run
    monkeypatch.setattr(catalogue, "build", build_small)

    def predict():
        network = predictor.load(path, reference)
        for kind in ("1", "dense"):
            predictor.predict(network, images, kind)
        predictor.both_features(network, data_like(network), images)

    def start_from():
        layers = build_small("cifar-alexnet", reference, None, size=SIZE, classes=3)
        transfer.take_weights(layers, "cifar-alexnet", CLASSES, path)

    refused = 0
    for case in range(cases):
        path.write_bytes(mutate(np.random.default_rng(case), content))
        try:
            for use in (predict, start_from, lambda: exchange.read(path)):
                refused += bool(bounded(use, ValueError))
            path.write_bytes(mutate(np.random.default_rng(case), content))
            refused += bool(bounded(go_on, CheckpointError, Diverged))
        except BaseException:
            print(f"case {case} of {mutate.__name__}")
            raise
    assert refused > cases  # of four uses


def data_like(network):
    """Return what predictor.both_features reads of a data set."""

    class photos:
        train_x = np.zeros((2, *network.mean.shape), np.uint8)

    return photos


def rewritten(content, path, change):
    """Write a checkpoint with its arrays and facts changed in place."""
    path.write_bytes(content)
    arrays, facts = storage.load(path)
    change(arrays, facts)
    storage.save(path, arrays, facts)


def setting(**values):
    return lambda arrays, facts: facts["settings"].update(values)


def fact(**values):
    return lambda arrays, facts: facts.update(values)


def array(name, values):
    return lambda arrays, facts: arrays.update({name: np.asarray(values)})


@pytest.mark.parametrize(
    "change, telling",
    [
        (
            setting(test_width=100_000),
            "test_width is 100000; expected a whole number from 1 to 4096",
        ),
        (setting(test_width=4096), "it sees 8 of 4096 pixels, but its mean image has 10"),
        (setting(size=7), "size is 7, for which cifar-alexnet cannot be built"),
        (setting(size=True), "size is True; expected a whole number"),
        (setting(network="resnet"), "network is resnet; expected one of alexnet, "),
        (setting(network=[]), r"network is \[\]; expected one of alexnet, "),
        (setting(classes="abc"), "classes is abc; expected a list, each a text"),
        (setting(classes=[]), r"classes is \[\]; expected a list"),
        (setting(dropout=1), "dropout is 1; expected a number from 0 to 1, or nothing"),
        (setting(nonlinearity="tanh"), "it has nonlinearity, which cifar-alexnet does not take"),
        (fact(settings=[]), r"settings is \[\]; expected a dict"),
        (
            array("input:mean", np.ones((3, 9, 8), "f4")),
            r"input:mean has shape \(3, 9, 8\); expected \(3, H",
        ),
        (array("input:mean", "none"), "input:mean should hold finite numbers, but holds <U4"),
        (array("input:deviation", [1.0, 2.0]), "input:deviation should be one number above 0"),
        (array("input:deviation", 0.0), "input:deviation should be one number above 0"),
        (array("input:mean", np.full((3, 10, 10), 1e300)), "input:mean should hold finite numbers"),
        (array("w:conv1.w", np.nan), "w:conv1.w should hold finite numbers, but holds NaN or inf"),
    ],
)
def test_what_a_checkpoint_says_of_its_network_is_checked(run, change, telling):
    _, path, content, _ = run
    rewritten(content, path, change)
    with pytest.raises(CheckpointError, match=f"checkpoint.npz.*: {telling}"):
        predictor.load(path, reference)


LINE = {"history": [{"epoch": 1}]}


@pytest.mark.parametrize(
    "change, telling",
    [
        (
            fact(step=10**9),
            "3 epochs of 6 images, in batches of 4, and 1000000000 steps are not the",
        ),
        (fact(step=2, epoch=2), "2 epochs of 6 images, in batches of 4, and 2 steps are not the 6"),
        (fact(epoch=10**9), "1000000000 epochs of 6 images"),
        (fact(epoch=-1), "epoch is -1; expected a whole number from 0"),
        (fact(batch=None, images=[2**40] * 6), "3 epochs of 6 images, in batches of 1099511627776"),
        (fact(images=[4, 2]), "6 losses, 6 wrongs and 2 images do not fit"),
        (
            fact(images=[4] * 5 + [0]),
            r"images is \[4, 4, 4, 4, 4, 0\]; expected a list, each a who",
        ),
        (fact(epsilon="0.1"), "epsilon is 0.1; expected a number"),
        (fact(history=[]), "the history does not fit the steps"),
        (fact(**LINE), r"history is \[\{'epoch': 1\}\]; expected a list, each a line of a history"),
        (fact(rng={}), r"rng is \{\}; expected the state of a generator"),
        (fact(rng={"bit_generator": "PCG64", "state": {}}), "its random state is not one of PCG64"),
        (
            setting(schedule={"at": [1], "by": 0.1}),
            "schedule is .*by = 0.1; expected a number above 1",
        ),
        (setting(schedule=[]), r"schedule is \[\]; expected a plan"),
        (array("order", [0, 1, 2, 3, 4, 4]), "order does not hold each image once"),
        (array("losses", [np.inf] * 6), "losses or wrongs are out of range"),
        (array("wrongs", [9] * 6), "losses or wrongs are out of range"),
        (array("v:conv1.w", np.nan), "v:conv1.w should hold finite numbers, but holds NaN or inf"),
        (lambda arrays, facts: facts.pop("history"), "history is missing"),
        (lambda arrays, facts: facts.pop("first_epsilon"), "first_epsilon is missing"),
        (lambda arrays, facts: arrays.pop("losses"), "it lacks the array losses"),
    ],
)
def test_what_a_checkpoint_says_of_its_run_is_checked_and_nothing_has_changed(run, change, telling):
    go_on, path, content, _ = run
    rewritten(content, path, change)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=f"checkpoint.npz.*: {telling}"):
        go_on()
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox])
@pytest.mark.parametrize("position", [-1, 10**6, 10**12, "0", None])
def test_a_random_state_that_points_outside_its_buffer_is_refused(kind, position):
    rng = np.random.Generator(kind(0))
    state = json.loads(storage.as_json(rng.bit_generator.state))
    assert saved_run.takes(rng, state)
    inner = state["state"] if "pos" in state["state"] else state
    inner["pos" if "pos" in inner else "buffer_pos"] = position
    assert not saved_run.takes(rng, state)


def test_a_small_file_cannot_claim_a_large_memory(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, facts=np.zeros(10**8, np.uint8))
    assert path.stat().st_size < 10**6
    said = bounded(lambda: storage.load(path), CheckpointError)
    assert re.search("its .* bytes claim to unpack to 100,000,128; at most 10 times as many", said)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("facts.npy", bytes(10))
    assert "compressed in an unsupported way" in bounded(
        lambda: storage.load(path), CheckpointError
    )


def test_too_little_memory_and_what_the_system_refuses_name_the_file(run, monkeypatch):
    _, path, content, _ = run
    path.write_bytes(content)

    def fail(*arguments):
        raise error

    monkeypatch.setattr(zipfile, "ZipFile", fail)
    for error, telling in [
        (MemoryError(), "checkpoint.npz: there is not enough memory to read its"),
        (OSError(5, "Input/output error"), "Input/output error: .*checkpoint.npz"),
    ]:
        with pytest.raises(type(error), match=telling):
            storage.load(path)


JOURNALS = [
    ("study.jsonl", figure1_sweep.wrong_line),
    ("halves.jsonl", column_specialization.wrong_line),
]


@pytest.mark.parametrize("name, wrong", JOURNALS)
@pytest.mark.parametrize(
    "cases", [250, pytest.param(5000, marks=(pytest.mark.slow, pytest.mark.very_slow))]
)
def test_a_damaged_journal_loses_no_line(name, wrong, cases, tmp_path, capsys):
    lines = (RESULTS / name).read_bytes().splitlines()[:12]
    path, aside = tmp_path / name, tmp_path / f"{name}.damaged"
    for case in range(cases):
        rng = np.random.default_rng(case)
        damaged = list(lines)
        at = rng.integers(len(lines))
        if case % 2:
            damaged[at] = mutated_bytes(rng, damaged[at]).replace(b"\n", b"").replace(b"\r", b"")
        else:
            value = mutated_value(rng, mutated_value(rng, json.loads(damaged[at])))
            damaged[at] = json.dumps(value).encode()
        path.write_bytes(b"\n".join(damaged) + b"\n")
        aside.unlink(missing_ok=True)
        found = journal.read(path, wrong)
        assert 11 <= len(found) <= 12 and all(not wrong(line) for line in found)
        kept = path.read_bytes() + (aside.read_bytes() if aside.exists() else b"")
        assert sorted(filter(bytes.strip, kept.splitlines())) == sorted(
            filter(bytes.strip, damaged)
        )
        said = capsys.readouterr().err
        assert said.count("\n") == aside.exists() and len(said) < 1000
        if name == "study.jsonl":
            storage.write_lines(tmp_path / "report" / name, found)
            figure1_sweep.report(tmp_path / "report")
        else:
            column_specialization.report(found)


@pytest.mark.parametrize(
    "text, known",
    [
        ("{}", {}),
        ("[]", {}),
        ('{"lesson": ["01"', {}),
        ("[" * 100_000, {}),
        ('{"lesson": "01", "exercise": ["relu"]}', {"exercise": ["relu"]}),
        ('{"lesson": [1], "exercise": {"relu": 1}}', {}),
        ("\xff", {}),
    ],
)
def test_progress_that_is_damaged_is_kept_aside(text, known, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "OUT", tmp_path)
    path, aside = tmp_path / "progress.json", tmp_path / "progress.json.damaged"
    path.write_bytes(text.encode("latin-1"))
    assert progress.all_done() == known
    assert progress.done("lesson", "02") and not progress.done("lesson", "02")
    assert progress.all_done() == {**known, "lesson": ["02"]}
    assert aside.exists() == (text != "{}")
    assert text == "{}" or aside.read_bytes() == text.encode("latin-1")
