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

from minicnn import machine, reference
from minicnn.distributed import traffic
from minicnn.networks import catalogue

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

    def stall(self, host):
        """Let a host send eight bits a second from now on; its connections stay open."""
        limit = "root handle 1: tbf rate 8bit burst 1540 latency 100ms".split()
        tc("-n", f"{self.name}-{host + 1}", "qdisc", "replace", "dev", "eth0", *limit)

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
    name = f"mc{os.getpid() % 10000}x{next(made)}"
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
                limit = f"root handle 1: tbf rate {megabits}mbit burst 256kb latency 100ms".split()
                if megabits:
                    tc("qdisc", "add", "dev", host, *limit)
                    tc("-n", host, "qdisc", "add", "dev", "eth0", *limit)
                if delay:
                    after = f"parent 1: netem delay {delay}ms".split()
                    tc("-n", host, "qdisc", "add", "dev", "eth0", *after)
            yield network
        finally:
            for number in range(1, count + 1):  # and what still runs there
                inside = ["ip", "netns", "pids", f"{name}-{number}"]
                for process in subprocess.run(inside, capture_output=True).stdout.split():
                    with suppress(ProcessLookupError):
                        os.kill(int(process), signal.SIGKILL)
                subprocess.run(["ip", "netns", "del", f"{name}-{number}"], capture_output=True)
            subprocess.run(["ip", "link", "del", name], capture_output=True)


CASES = (  # a network and its two columns, images in a step, measured steps
    ("alexnet", "alexnet-2gpu", 64, 2),
    ("cifar-alexnet", "cifar-2gpu", 128, 20),
    ("cifar-18pct", None, 128, 20),
)
RATES = (100, 1000, 10000)  # Mbit/s
PAGE = Path(__file__).parent.parent / "docs" / "results" / "many_machines.md"
TEXT = """# When a second machine pays

Two hosts with one core each, joined by a network of a given bandwidth: a table of steps a second,
for each of the three ways to share the work. The hosts are network namespaces on one machine, their
network cards are limited to the bandwidth (`tc`, a token bucket), and all bytes pass through TCP.
The delay is that of the machine itself, below 0.1 ms; {delay}.

*Predicted*: half of one host's time for a step, and the bytes that `summary` predicts at that
bandwidth. *Sent* is what left a host's network card in a step, with the headers of TCP.

{table}

{summary}

## The exchange during the backward pass

AlexNet's fc6, fc7 and fc8 have their gradients before the backward pass of the convolutions begins,
and could send them meanwhile. Seconds of both with 32 images a host, one after the other, and at
once, the exchange in a thread of its own:

{overlap}

`python -m tests.hosts` wrote this page: {machine}; {versions}; {date}.
"""


def measure(megabits, ranks, *task):
    """Return the numbers that a task of mpi_child.py prints; each host has one core."""
    here = Path(__file__).parent
    environment = {"PYTHONPATH": f"{here.parent}{os.pathsep}{here}", "MINICNN_THREADS": "1"}
    with hosts(ranks, megabits) as network:
        job = network.start(ranks, here / "mpi_child.py", *task, environment=environment)
        printed, _ = job.communicate()
        return [float(number) for number in printed.split("measured")[1].split()[:3]]


def table(cases, rates):
    """Return the lines of the table of steps a second, and those of its summary."""
    lines = [
        "| network, images a step | Gbit/s | ranks share | MB predicted | MB sent "
        "| steps a second, predicted | measured | times one host |",
        "|---|---|---|---|---|---|---|---|",
    ]
    best = []
    for network, two_columns, batch, steps in cases:
        ways = {"data": network, "columns": two_columns, "hybrid": network}
        alone = {
            name: measure(None, 1, "steps", name, batch, steps, "data")[0]
            for name in filter(None, dict.fromkeys(ways.values()))
        }
        for name, seconds in alone.items():
            lines.append(
                f"| `{name}`, {batch} | – | one host | – | – | – | {1 / seconds:.3g} | 1 |"
            )
        for megabits in rates:
            gains = {}
            for way, name in ways.items():
                if not name:
                    continue
                seconds, sent, _ = measure(megabits, 2, "steps", name, batch, steps, way)
                layers, size = catalogue.build(name, reference, None), catalogue.find(name).size
                count = sum(traffic.sent_bytes(layers, (3, size, size), batch, 2, way).values())
                predicted = alone[name] / 2 + count * 8 / (megabits * 1e6)
                gains[way] = alone[name] / seconds
                lines.append(
                    f"| `{name}`, {batch} | {megabits / 1000:g} | {way} | {count / 1e6:.3g} | "
                    f"{sent / 1e6:.3g} | {1 / predicted:.3g} | {1 / seconds:.3g} | "
                    f"{gains[way]:.2f} |"
                )
                print(lines[-1], file=sys.stderr, flush=True)
            slower = [way for way, gain in gains.items() if gain < 1]
            best.append(
                f"- `{network}` at {megabits / 1000:g} Gbit/s: {max(gains, key=gains.get)} is "
                f"fastest; slower than one host: {', '.join(slower) or 'none'}."
            )
    return lines, best


def overlap(rates):
    """Return the lines of the table of the exchange during the backward pass."""
    lines = [
        "| Gbit/s | backward pass | exchange | one after the other | at once |",
        "|---|---|---|---|---|",
    ]
    for megabits in rates:
        backward, exchange, both = measure(megabits, 2, "overlap")
        cells = megabits / 1000, backward, exchange, backward + exchange, both
        lines.append(f"| {' | '.join(f'{cell:.3g}' for cell in cells)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def main(networks):
    """Measure and write docs/results/many_machines.md; of some networks alone, print the table."""
    before = machine.load()
    cases = [case for case in CASES if not networks or case[0] in networks]
    lines, best = table(cases, RATES)
    versions = machine.versions(1)
    text = TEXT.format(
        delay="a longer one was not tried"
        + (", because this kernel has no netem" if missing(delay=True) else ""),
        table="\n".join(lines),
        summary="\n".join(best),
        overlap="\n".join(["(not measured)"] if networks else overlap(RATES)),
        machine=f"{versions['processor']}, {machine.cores()} cores, {versions['system']}, load "
        f"{before} before",
        versions=", ".join(
            f"{name} {version}"
            for name, version in machine.installed("numpy", "numba", "mpi4py", "mpich").items()
        ),
        date=versions["date"],
    )
    if networks:
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
