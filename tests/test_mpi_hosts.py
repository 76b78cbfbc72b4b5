"""Training over a real network stack: hosts in network namespaces, see hosts.py."""

import os
import signal
import subprocess
import sys
import time

import pytest
from hosts import hosts, main as measure, missing
from test_mpi import MPIEXEC, finish, is_open_mpi, photographs, pids, state, training, wait_for

from minicnn import storage
from minicnn.__main__ import main

pytestmark = [pytest.mark.mpi, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def hosts_are_possible():
    if not MPIEXEC or is_open_mpi():
        pytest.skip("only Hydra, the mpiexec of MPICH, can start ranks in namespaces")
    if why_not := missing():
        pytest.skip(why_not)


def test_a_misspelled_option_is_refused_before_it_measures(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["hosts", "--dealy"])
    with pytest.raises(SystemExit):
        measure()
    assert "unrecognized arguments: --dealy" in capsys.readouterr().err


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return photographs(tmp_path_factory.mktemp("hosts"))


ROUND_TRIP = """
import os, socket, sys, time
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # wait for no processor
start = time.monotonic()
assert socket.socket().connect_ex((sys.argv[1], 9))  # refused
print(1000 * (time.monotonic() - start))
"""


@pytest.mark.parametrize("delay", [0, 1, 10])
def test_a_packet_takes_the_delay_from_one_host_to_another(delay):
    with hosts(2, megabits=100, delay=delay) as network:
        command = [*network.inside(0), sys.executable, "-c", ROUND_TRIP, network.addresses[1]]
        trips = [float(subprocess.check_output(command)) for _ in range(10)]
    assert 2 * delay <= min(trips) < 2 * delay + 1


@pytest.mark.parametrize(
    "parallel, fault, delay",
    [("data", "cut", 0), ("hybrid", "stall", 0), ("data", "stall", 10), ("hybrid", "cut", 10)],
)
def test_three_hosts_end_with_the_bits_of_one_after_one_was_killed_and_one_lost(
    parallel, fault, delay, prepared, tmp_path
):
    out, endless = tmp_path / "run", ("--epochs", "100000", "--time-limit", "3")
    shared = "--parallel", parallel
    with hosts(3, 1000, delay) as network:
        job = network.start(3, *training(prepared, out, *shared, *endless))
        wait_for(out / "history.jsonl")
        os.kill(pids(out)[-1], signal.SIGKILL)
        code, _ = finish(job)
        assert code != 0
        job = network.start(2, *training(prepared, out, *shared, *endless, "--resume"))
        epochs = len(storage.read_lines(out / "history.jsonl"))
        wait_for(out / "history.jsonl", lines=epochs + 1)
        getattr(network, fault)(1)
        end = time.monotonic() + 60
        while pids(out) and time.monotonic() < end:
            time.sleep(0.1)
        assert not pids(out)
        job.send_signal(signal.SIGINT)  # mpiexec waits for the lost host
        code, printed = finish(job)
        assert code != 0
        assert "has waited 3 seconds for the others" in printed
    epochs = str(1 + len(storage.read_lines(out / "history.jsonl")))
    with hosts(2, 1000, delay) as network:
        code, printed = finish(
            network.start(2, *training(prepared, out, *shared, "--resume", "--epochs", epochs))
        )
        assert code == 0, printed
        assert network.sent(1) > 1e6
    assert main(training(prepared, tmp_path / "alone", *shared, "--epochs", epochs)[2:]) == 0
    assert state(out) == state(tmp_path / "alone")
