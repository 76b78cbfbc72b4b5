"""Training over MPI: the same bits on any number of ranks, and what goes wrong.

These tests need the extra `mpi`: python -m pytest -m mpi.  Any mpiexec will do.
"""

import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from test_shards import run_hybrid
from test_train import run_small, small_data

from minicnn import reference, storage
from minicnn.__main__ import main
from minicnn.distributed import traffic
from minicnn.net import gaussian, row
from minicnn.networks import catalogue
from minicnn.training import train
from minicnn.two_columns import in_columns

HERE = Path(__file__).parent
beside = shutil.which("mpiexec", path=os.path.dirname(sys.executable))
MPIEXEC = beside or shutil.which("mpiexec") if find_spec("mpi4py") else None
KILLS = int(os.environ.get("MINICNN_KILLS", "2"))
pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(MPIEXEC is None, reason="no mpiexec or no mpi4py: install the extra mpi"),
]


@functools.cache
def is_open_mpi():
    """Return whether mpiexec is Open MPI's."""
    told = subprocess.run([MPIEXEC, "--version"], capture_output=True, text=True).stdout
    return "Open MPI" in told


def start(ranks, *command, mpi4py=("-m", "mpi4py")):
    """Start a job of `python -m mpi4py …` and return its process."""
    options = is_open_mpi() and ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
    python = [sys.executable, *mpi4py, *map(str, command)]
    paths = os.pathsep.join([str(HERE.parent), str(HERE)])
    return subprocess.Popen(
        [MPIEXEC, *(options or []), "-n", str(ranks), *python],
        env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def finish(job, seconds=240):
    """Return the exit code of a job and what it printed; fail if it does not end."""
    try:
        printed, _ = job.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        job.kill()
        raise
    return job.returncode, printed


def small(ranks, folder, *epochs):
    code, printed = finish(start(ranks, HERE / "mpi_child.py", "small", folder, *epochs))
    assert code == 0, printed
    return state(folder)


def state(folder):
    """Return what must be equal in two checkpoints: arrays, and facts but for the seconds."""
    arrays, facts = storage.load(Path(folder) / "checkpoint.npz")
    facts = {name: facts[name] for name in ("epoch", "step", "rng", "epsilon")}
    return {name: array.tobytes() for name, array in arrays.items()}, facts


def photographs(folder, count=60):
    """Make a data set of small photographs of three classes."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / "photographs" / f"class {number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (36, 36, 3), np.uint8)).save(path)
    prepared = folder / "prepared"
    assert main(["prepare", str(folder / "photographs"), str(prepared), "--size", "36"]) == 0
    return prepared


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return photographs(tmp_path_factory.mktemp("mpi"))


def training(prepared, out, *options, network="cifar-alexnet"):
    """Return the arguments of a run with dropout and random views."""
    run = ["-m", "minicnn", "train", network, "--data", str(prepared), "--out", str(out)]
    run += ["--shards", "4", "--batch", "10", "--epochs", "4", "--size", "24", "--threads", "1"]
    return [*run, *options]


def test_one_to_four_ranks_end_with_the_bits_of_one_process(tmp_path):
    run_small(tmp_path / "alone", shards=4)
    expected = state(tmp_path / "alone")
    for ranks in (1, 3, 4):
        assert small(ranks, tmp_path / str(ranks)) == expected, ranks


def test_the_hybrid_on_four_ranks_ends_with_the_bits_of_one_process(tmp_path):
    run_hybrid(tmp_path / "alone")
    code, printed = finish(start(4, HERE / "mpi_child.py", "hybrid", tmp_path / "run"))
    assert code == 0, printed
    assert state(tmp_path / "run") == state(tmp_path / "alone")


@pytest.mark.parametrize(
    "network, parallel, ranks",
    [
        ("cifar-alexnet", "data", 2),
        ("cifar-2gpu", "columns", 2),
        ("cifar-alexnet", "hybrid", 4),
    ],
)
def test_the_ranks_send_as_many_bytes_and_messages_as_predicted(network, parallel, ranks):
    code, printed = finish(start(ranks, HERE / "mpi_child.py", "steps", network, 8, 2, parallel))
    assert code == 0, printed
    layers, size = catalogue.build(network, reference, None), catalogue.find(network).size
    predicted = traffic.sent_bytes(layers, (3, size, size), 8, ranks, parallel)
    rounded = 64  # bytes: 4 ranks have 2 or 3 of 10 classes
    sent, messages = map(float, printed.split()[-2:])
    assert sent == pytest.approx(sum(predicted.values()), abs=rounded)
    assert messages == traffic.messages(layers, ranks, parallel)


def test_a_run_goes_on_with_another_number_of_ranks(tmp_path):
    run_small(tmp_path / "alone", shards=4)
    small(4, tmp_path / "run", 1)
    small(1, tmp_path / "run", 2)
    assert small(2, tmp_path / "run", 3) == state(tmp_path / "alone")


@pytest.mark.parametrize("parallel", ["data", "hybrid"])
def test_the_command_line_gives_the_same_bits_with_dropout_and_random_views(
    parallel, prepared, tmp_path
):
    assert main(training(prepared, tmp_path / "1", "--parallel", parallel)[2:]) == 0
    code, printed = finish(start(2, *training(prepared, tmp_path / "2", "--parallel", parallel)))
    assert code == 0, printed
    assert printed.count("validation error") == 1  # rank 0 alone prints
    assert state(tmp_path / "1") == state(tmp_path / "2")
    assert (tmp_path / "2" / "curves.png").exists()


def test_two_columns_on_two_ranks_are_two_columns_in_one_process(prepared, tmp_path):
    alone, apart = (
        training(prepared, tmp_path / name, "--shards", "1", network="cifar-2gpu")
        for name in ("alone", "apart")
    )
    assert main(alone[2:]) == 0
    for epochs in ("2", "4"):  # stopped and resumed; 3 classes are 2 in one column and 1
        command = [*apart, "--parallel", "columns", "--epochs", epochs, "--resume"]
        code, printed = finish(start(2, *command))
        assert code == 0, printed
    assert state(tmp_path / "alone") == state(tmp_path / "apart")


def small_columns(two, folder, **options):
    """Train a network of two columns with 2 and 3 kernels, dropout and each kind of crossing."""
    rng = np.random.default_rng(0)

    def weights(*shapes):
        pairs = [gaussian(rng, shape, 0.2) for shape in shapes]
        return {name: tuple(pair[name] for pair in pairs) for name in "wb"}

    layers = [
        row("both", two, "both"),
        row("conv1", two, "conv", weights((2, 3, 3, 3), (3, 3, 3, 3)), stride=2),
        row("relu1", two, "relu"),
        row("exchange2", two, "exchange"),
        row("fc2", two, "fc", weights((4, 5 * 3 * 2), (4, 5 * 3 * 2))),
        row("drop2", two, "dropout", p=0.5, rng=rng),
        row("fc3", two, "fc", weights((3, 4), (2, 4))),
        row("join", two, "join"),
    ]
    options = {"rng": rng, "epochs": 2, "epsilon": 0.05, "batch": 6, "progress": False} | options
    train.train(layers, two, small_data(), small_data(9), folder=folder, **options)


def test_dropout_and_columns_of_unequal_width_cross_between_ranks(tmp_path):
    small_columns(in_columns(reference), tmp_path / "alone")
    code, printed = finish(start(2, HERE / "mpi_child.py", "columns", tmp_path / "apart"))
    assert code == 0, printed
    assert state(tmp_path / "alone") == state(tmp_path / "apart")


@pytest.mark.skipif(find_spec("numba_cuda") is None, reason="numba-cuda is not installed")
def test_each_rank_computes_on_a_gpu_of_its_own(tmp_path):
    for ranks in (1, 2):
        out = tmp_path / str(ranks)
        code, printed = finish(start(ranks, HERE / "mpi_child.py", "gpu", out))
        assert code == 0, printed
        for rank in range(ranks):
            assert f"rank {rank} of {ranks} computed on {rank}\n" in printed
    assert state(tmp_path / "1") == state(tmp_path / "2")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_finishes_the_step_saves_and_the_run_goes_on(sent, prepared, tmp_path):
    job = start(2, *training(prepared, tmp_path / "run", "--epochs", "100000"))
    wait_for(tmp_path / "run" / "history.jsonl")
    job.send_signal(sent)
    code, printed = finish(job)
    assert code != 0
    arrays, facts = storage.load(tmp_path / "run" / "checkpoint.npz")
    assert len(arrays["losses"]) > 5, printed
    if "Open MPI" not in MPIEXEC and "stopped after" in printed:
        assert "run the same command again with --resume" in printed


def wait_for(path, seconds=60, lines=1):
    """Wait until a file has this many lines."""
    end = time.monotonic() + seconds
    while count_lines(path) < lines:
        assert time.monotonic() < end, f"{path} does not appear, or does not grow"
        time.sleep(0.05)


def count_lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def pids(folder):
    """Return the processes of the ranks that work on a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if os.fsencode(folder) in words and words[1:3] == [b"-m", b"mpi4py"]:
            found.append(int(path.parent.name))
    return sorted(found)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the ranks in /proc")
@pytest.mark.parametrize(
    "parallel, sizes",
    [
        ("data", [1, 2, 4]),
        pytest.param("hybrid", [1, 2, 4], marks=pytest.mark.slow),
        pytest.param("columns", [2], marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(
    parallel, sizes, prepared, tmp_path
):
    out, rng = tmp_path / "run", random.Random(0)
    shared, network = ("--parallel", parallel), "cifar-alexnet"
    if parallel == "columns":
        shared, network = ("--shards", "1"), "cifar-2gpu"
    shared += "--epochs", "10"
    assert main(training(prepared, tmp_path / "1", *shared, network=network)[2:]) == 0
    again = training(prepared, out, *shared, "--parallel", parallel, "--resume", network=network)
    kills, history = 0, out / "history.jsonl"
    while kills < KILLS:
        ranks, goal = rng.choice(sizes), count_lines(history) + rng.choice([0, 1, 2])
        job = start(ranks, *again)
        while job.poll() is None and (len(pids(out)) < ranks or count_lines(history) < goal):
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 1))
        with suppress(IndexError, ProcessLookupError):  # it has just ended
            os.kill(rng.choice(pids(out)), signal.SIGKILL)
            kills += 1
            print(f"killed one of {ranks} in epoch {count_lines(history) + 1}")
        code, _ = finish(job)
        assert not pids(out)
        if code == 0:  # it was faster: begin anew
            assert state(out) == state(tmp_path / "1")
            shutil.rmtree(out)
    code, printed = finish(start(rng.choice(sizes), *again))
    assert code == 0, printed
    assert state(out) == state(tmp_path / "1")


@pytest.mark.skipif(sys.platform != "linux", reason="finds the ranks in /proc")
def test_a_rank_that_stalls_ends_the_job_with_a_sentence(prepared, tmp_path):
    out = tmp_path / "run"
    job = start(2, *training(prepared, out, "--epochs", "100000", "--time-limit", "2"))
    wait_for(out / "history.jsonl")
    stalled = pids(out)[-1]
    os.kill(stalled, signal.SIGSTOP)
    try:
        code, printed = finish(job)
    finally:
        if stalled in pids(out):
            os.kill(stalled, signal.SIGKILL)
    assert code == 1
    assert "has waited 2 seconds for the others" in printed
    storage.load(out / "checkpoint.npz")


@pytest.mark.parametrize(
    "task, sentence",
    [
        ("data", "the images or labels of rank 1 on"),
        ("rounded", "to rounding, not to the bit"),
        ("raises", "RuntimeError: a bug in rank 1"),
    ],
)
def test_what_is_wrong_with_one_rank_is_said_once(task, sentence, tmp_path):
    code, printed = finish(start(2, HERE / "mpi_child.py", task, tmp_path / "run"))
    assert printed.count(sentence) == 1, printed
    assert (code == 0) == (task == "rounded")


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--shards", "1"], "2 ranks cannot share 1 shard of a batch"),
        (["--parallel", "columns"], "cifar-alexnet has one column"),
        (["--epochs", "0"], "argument --epochs: '0' is not a whole number"),
        (["--out", "taken"], "another train is writing to"),
    ],
)
def test_what_is_wrong_with_the_command_is_said_once(options, sentence, prepared, tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    options = [str(taken) if option == "taken" else option for option in options]
    with storage.only_writer(taken, "train"):
        code, printed = finish(start(2, *training(prepared, tmp_path / "run", *options)))
    assert code != 0
    assert printed.count(sentence) == 1, printed
    assert not (tmp_path / "run").exists()


def test_ranks_that_could_not_end_one_another_are_refused_with_the_right_command(tmp_path):
    code, printed = finish(start(2, "-m", "minicnn", "train", "--out", tmp_path, mpi4py=()))
    assert code == 1
    right = f"mpiexec -n 2 python -m mpi4py -m minicnn train --out {tmp_path}"
    assert printed.count(right) == 1, printed


def test_ranks_of_a_starter_that_belongs_to_another_mpi_are_refused():
    command = [sys.executable, "-m", "mpi4py", "-m", "minicnn", "train"]
    slurm = {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "4", "PYTHONPATH": str(HERE.parent)}
    told = subprocess.run(command, env=os.environ | slurm, capture_output=True, text=True)
    assert told.returncode == 1
    assert "type srun --mpi=pmi2 python -m mpi4py -m minicnn train" in told.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system")
def test_a_full_disk_on_rank_0_ends_the_job_and_keeps_the_checkpoint(prepared, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "none", out], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        job = start(2, *training(prepared, out, "--epochs", "100000"))
        wait_for(out / "history.jsonl")
        with open(out / "filler", "wb", buffering=0) as file:
            try:
                while file.write(bytes(100_000)):
                    pass
            except OSError:
                pass
        code, printed = finish(job)
        assert code == 1
        assert printed.count("No space left") == 1, printed
        storage.load(out / "checkpoint.npz")
    finally:
        subprocess.run(["umount", "-l", out])
