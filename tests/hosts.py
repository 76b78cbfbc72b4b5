"""Several hosts on one machine: network namespaces, joined by a bridge, at a given bandwidth.

    with hosts(2, megabits=100) as network:
        network.start(2, "-m", "minicnn", "train", …)     a job of MPICH, one rank on each host
        network.cut(1)                                    host 1 disappears from the network

Linux, root, and Debian's iproute2.  A delay also needs the kernel's netem; `missing` says what is
missing here.
"""

import itertools
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

made = itertools.count()  # so that no name is used twice
OVER_TCP = {"UCX_TLS": "tcp,self"}  # else MPICH notices that the hosts share a memory

LAUNCHER = """#!/bin/sh
# Hydra calls it as it would call ssh: [options] host command
while [ "${1#-}" != "$1" ]; do shift; done
host=$1; shift
exec ip netns exec %s-${host##*.} sh -c "$*"
"""


def ip(*words):
    return subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, text=True)


def tc(*words):
    return subprocess.run(["tc", *map(str, words)], check=True, capture_output=True, text=True)


def missing(delay=False):
    """Return why this machine can have no such hosts, in words, or ""."""
    if sys.platform != "linux" or os.geteuid():
        return "network namespaces need Linux and root"
    if not (shutil.which("ip") and shutil.which("tc")):
        return "ip and tc are missing: apt-get install iproute2"
    try:
        with hosts(1, megabits=10, delay=1 if delay else None):
            return ""
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd)}: {error.stderr.strip()}"


class Hosts:
    """The hosts; their addresses are 10.77.x.1, 10.77.x.2, …"""

    def __init__(self, name, count, folder):
        self.name, self.folder = name, Path(folder)
        self.subnet = f"10.77.{os.getpid() % 256}"
        self.addresses = [f"{self.subnet}.{number}" for number in range(1, count + 1)]

    def start(self, ranks, *command, environment=None):
        """Start a job of `python -m mpi4py …`, and return its process; mpiexec is on host 0."""
        mpiexec = shutil.which("mpiexec", path=os.path.dirname(sys.executable))
        launcher = self.folder / "launcher"
        launcher.write_text(LAUNCHER % self.name)
        launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR)
        hydra = ["-launcher", "ssh", "-launcher-exec", launcher, "-hosts", ",".join(self.addresses)]
        python = [sys.executable, "-m", "mpi4py", *command]
        words = [self.inside(0), mpiexec, *hydra, "-n", ranks, "-ppn", 1, *python]
        return subprocess.Popen(
            [str(word) for part in words for word in (part if isinstance(part, list) else [part])],
            env={**os.environ, **OVER_TCP, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip

    def inside(self, host):
        """Return the words that run a command on a host."""
        return ["ip", "netns", "exec", f"{self.name}-{host + 1}"]

    def cut(self, host):
        """Take a host off the network; it goes on computing."""
        ip("link", "set", f"{self.name}-{host + 1}", "down")

    def sent(self, host):
        """Return the bytes that a host has sent so far."""
        path = "/sys/class/net/eth0/statistics/tx_bytes"
        return int(subprocess.check_output([*self.inside(host), "cat", path]))


@contextmanager
def hosts(count, megabits=None, delay=None):
    """Yield Hosts that are joined by a bridge, and take them away again.

    Parameters
    ----------
    count : int
    megabits : float, optional
        What each host can send per second, and receive.
    delay : float, optional
        Milliseconds from one host to another.

    Raises
    ------
    subprocess.CalledProcessError
        If this machine cannot make them.
    """
    name, rate = f"mc{os.getpid() % 10000}x{next(made)}", f"{megabits}mbit"
    with tempfile.TemporaryDirectory() as folder:
        network = Hosts(name, count, folder)
        try:
            ip("link", "add", name, "type", "bridge")
            ip("link", "set", name, "up")
            for number, address in enumerate(network.addresses, start=1):
                host = f"{name}-{number}"  # its namespace, and its plug in the bridge
                ip("netns", "add", host)
                ip("link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", host)
                ip("link", "set", host, "master", name, "up")
                ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
                for device in ("lo", "eth0"):
                    ip("-n", host, "link", "set", device, "up")
                if megabits:
                    for place in (["-n", host], []):
                        device = "eth0" if place else host
                        limit = ["rate", rate, "burst", "256kb", "latency", "100ms"]
                        tc(
                            *place,
                            "qdisc",
                            "add",
                            "dev",
                            device,
                            "root",
                            "handle",
                            "1:",
                            "tbf",
                            *limit,
                        )
                if delay:
                    tc(
                        "-n",
                        host,
                        "qdisc",
                        "add",
                        "dev",
                        "eth0",
                        "parent",
                        "1:",
                        "netem",
                        "delay",
                        f"{delay}ms",
                    )
            yield network
        finally:
            for number in range(1, count + 1):  # and what still runs there
                inside = ["ip", "netns", "pids", f"{name}-{number}"]
                for process in subprocess.run(inside, capture_output=True).stdout.split():
                    with suppress(ProcessLookupError):
                        os.kill(int(process), signal.SIGKILL)
                subprocess.run(["ip", "netns", "del", f"{name}-{number}"], capture_output=True)
            subprocess.run(["ip", "link", "del", name], capture_output=True)


def measure(megabits, ranks, *task):
    """Return the two numbers that a task of mpi_child.py prints; each host has one core."""
    here = Path(__file__).parent
    environment = {"PYTHONPATH": f"{here.parent}{os.pathsep}{here}", "MINICNN_THREADS": "1"}
    with hosts(ranks, megabits) as network:
        job = network.start(ranks, here / "mpi_child.py", *task, environment=environment)
        printed, _ = job.communicate()
        return map(float, printed.split("measured")[1].split()[:2])


def main():
    """Print the tables of docs/many_machines.md."""
    print("| gradients | ranks | Gbit/s | predicted s | measured s |")
    print("|---|---|---|---|---|")
    for name, length in (("cifar-alexnet", 1_209_130), ("alexnet", 60_965_224)):
        for megabits in (100, 1000, 10000):
            for ranks in (2, 4):
                seconds, _ = measure(megabits, ranks, "exchange", length)
                predicted = 2 * (ranks - 1) / ranks * length * 32 / megabits / 1e6
                cells = (name, ranks, f"{megabits / 1000:g}", f"{predicted:.3f}", f"{seconds:.3f}")
                print(f"| {' | '.join(map(str, cells))} |", flush=True)
    print("| network, images a step | Gbit/s | ranks share | MB sent | s a step | one machine |")
    print("|---|---|---|---|---|---|", flush=True)
    for network, batch, steps in (("cifar-2gpu", 128, 20), ("alexnet-2gpu", 64, 3)):
        for megabits in (100, 1000, 10000):
            alone, _ = measure(megabits, 1, "steps", network, batch, steps, "one")
            for parallel in ("data", "columns"):
                seconds, sent = measure(megabits, 2, "steps", network, batch, steps, parallel)
                cells = (
                    f"{network}, {batch}",
                    f"{megabits / 1000:g}",
                    parallel,
                    f"{sent / 1e6:.2f}",
                )
                print(f"| {' | '.join(cells)} | {seconds:.2f} | {alone:.2f} |", flush=True)


if __name__ == "__main__":
    main()
