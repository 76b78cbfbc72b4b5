"""Several hosts on one machine: network namespaces, joined by a network of a given bandwidth.

    with hosts(2, megabits=100, delay=10) as network:
        network.start(2, "-m", "minicnn", "train", …)     a job of MPICH, one rank on each host
        network.cut(1)                                    host 1 disappears from the network

A bridge joins them or, with a delay, a relay.  Linux, root, and Debian's iproute2;
`missing` says what is missing here.

    python -m tests.hosts [--delay]    measures, and writes docs/results/many_machines.md
"""

import argparse
import fcntl
import itertools
import os
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
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


TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
IPV4 = 4


def ip(*words):
    return subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, text=True)


def tc(*words):
    return subprocess.run(["tc", *map(str, words)], check=True, capture_output=True, text=True)


def missing():
    """Return why this machine can have no such hosts, in words, or ""."""
    if sys.platform != "linux" or os.geteuid():
        return "network namespaces need Linux and root"
    if not (shutil.which("ip") and shutil.which("tc")):
        return "ip and tc are missing: apt-get install iproute2"
    try:
        for delay in (0, 1):
            with hosts(1, megabits=10, delay=delay):
                pass
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd)}: {error.stderr.strip()}"
    except OSError as error:
        return str(error)
    return ""


class Relay(threading.Thread):
    """A thread between the hosts: every packet arrives a fixed delay after it was sent.

    Each host's network card is a TUN device: Linux gives this process the packets that the host
    sends, and takes those that it shall receive.

    cards     {number of a host, the last byte of its address: file of its card}
    delay     seconds
    """

    MTU = 60000  # bytes of a packet: few and large, so that Python keeps up with 1 Gbit/s

    def __init__(self, delay):
        super().__init__(daemon=True)
        self.cards, self.delay, self.closed = {}, delay, False

    def add(self, number, name):
        """Make a network card of this name for a host."""
        self.cards[number] = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(self.cards[number], TUNSETIFF, request)

    def close(self):
        self.closed = True
        if self.is_alive():
            self.join()
        for card in self.cards.values():
            os.close(card)

    def run(self):
        # Ranks that wait keep their processors busy; this thread must not wait for one.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        sent, poll = deque(), select.poll()  # (when it is due, card, packet), in this order
        for card in self.cards.values():
            poll.register(card, select.POLLIN)
        while not self.closed:
            wait = max(0, sent[0][0] - time.monotonic()) if sent else 0.1
            for card, _ in poll.poll(1000 * wait):
                try:
                    packet = os.read(card, self.MTU)
                except OSError:  # the host is off the network
                    poll.unregister(card)
                    continue
                to = self.cards.get(packet[19])  # the last byte of the destination
                if packet[0] >> 4 == IPV4 and to:
                    sent.append((time.monotonic() + self.delay, to, packet))
            while sent and sent[0][0] <= time.monotonic():
                _, to, packet = sent.popleft()
                with suppress(OSError):
                    os.write(to, packet)


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
        ip("-n", f"{self.name}-{host + 1}", "link", "set", "eth0", "down")

    def stall(self, host):
        """Let a host send eight bits a second from now on; its connections stay open."""
        limit = "root handle 1: tbf rate 8bit burst 1540 latency 100ms".split()
        tc("-n", f"{self.name}-{host + 1}", "qdisc", "replace", "dev", "eth0", *limit)

    def sent(self, host):
        """Return the bytes that a host has sent so far."""
        path = "/sys/class/net/eth0/statistics/tx_bytes"
        return int(subprocess.check_output([*self.inside(host), "cat", path]))


@contextmanager
def hosts(count, megabits=None, delay=0):
    """Yield Hosts that are joined by a network, and take them away again.

    Parameters
    ----------
    count : int
    megabits : float, optional
        What each host can send per second and, without a delay, receive.
    delay : float
        Milliseconds from one host to another; the relay carries up to 1 Gbit/s.

    Raises
    ------
    subprocess.CalledProcessError, OSError
        If this machine cannot make them.
    """
    name = f"mc{os.getpid() % 10000}x{next(made)}"
    with tempfile.TemporaryDirectory() as folder:
        network = Hosts(name, count, folder)
        relay = Relay(delay / 1000)
        limit = f"root handle 1: tbf rate {megabits}mbit burst 256kb latency 100ms".split()
        try:
            ip("link", "add", name, "type", "bridge")
            ip("link", "set", name, "up")
            for number, address in enumerate(network.addresses, start=1):
                host = f"{name}-{number}"  # its namespace, and its plug in the bridge
                ip("netns", "add", host)
                if delay:
                    relay.add(number, host)
                    ip("link", "set", host, "netns", host, "name", "eth0", "mtu", relay.MTU)
                else:
                    ip("link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", host)
                    ip("link", "set", host, "master", name, "up")
                ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
                for device in ("lo", "eth0"):
                    ip("-n", host, "link", "set", device, "up")
                if megabits:
                    tc("-n", host, "qdisc", "add", "dev", "eth0", *limit)
                if megabits and not delay:
                    tc("qdisc", "add", "dev", host, *limit)
            if delay:
                relay.start()
            yield network
        finally:
            relay.close()
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
DELAYED = (100, 1000)  # Mbit/s, which the relay carries too
PAGE = Path(__file__).parent.parent / "docs" / "results" / "many_machines.md"


def measure(network, ranks, *task):
    """Return the numbers that a task of mpi_child.py prints.

    network is (Mbit/s, delay in ms); each host has one core.
    """
    here = Path(__file__).parent
    environment = {"PYTHONPATH": f"{here.parent}{os.pathsep}{here}", "MINICNN_THREADS": "1"}
    with hosts(ranks, *network) as joined:
        job = joined.start(ranks, here / "mpi_child.py", *task, environment=environment)
        printed, _ = job.communicate()
        return [float(number) for number in printed.split("measured")[1].split()]


def table(cases, rates, delay):
    """Return the lines of the table of steps a second, and of its summary."""
    lines = [
        "| network, images a step | Gbit/s | ranks share | MB predicted | MB sent | messages "
        "| steps a second, predicted | measured | times one host |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    best = []
    for network, two_columns, batch, steps in cases:
        steps //= 2 if delay else 1  # else it would take ten minutes, too
        ways = {"data": network, "columns": two_columns, "hybrid": network}
        alone = {
            name: measure((None, 0), 1, "steps", name, batch, steps, "data")[0]
            for name in filter(None, dict.fromkeys(ways.values()))
        }
        for name, seconds in alone.items():
            lines.append(
                f"| `{name}`, {batch} | – | one host | – | – | – | – | {1 / seconds:.3g} | 1 |"
            )
        for megabits in rates:
            gains = {}
            for way, name in ways.items():
                if not name:
                    continue
                task = "steps", name, batch, steps, way
                seconds, sent, *_ = measure((megabits, delay), 2, *task)
                layers, size = catalogue.build(name, reference, None), catalogue.find(name).size
                counts = traffic.sent_bytes(layers, (3, size, size), batch, 2, way)
                messages = traffic.messages(layers, 2, way)
                predicted = alone[name] / 2
                predicted += traffic.seconds(counts, messages, megabits / 1000, delay)
                gains[way] = alone[name] / seconds
                lines.append(
                    f"| `{name}`, {batch} | {megabits / 1000:g} | {way} | "
                    f"{sum(counts.values()) / 1e6:.3g} | {sent / 1e6:.3g} | {messages} | "
                    f"{1 / predicted:.3g} | {1 / seconds:.3g} | {gains[way]:.2f} |"
                )
                print(lines[-1], file=sys.stderr, flush=True)
            slower = [way for way, gain in gains.items() if gain < 1]
            best.append(
                f"- `{network}` at {megabits / 1000:g} Gbit/s: {max(gains, key=gains.get)} is "
                f"fastest; slower than one host: {', '.join(slower) or 'none'}."
            )
    return [*lines, "", *best]


def overlap(rates):
    """Return the lines of the table of the exchange during the backward pass."""
    lines = [
        "| Gbit/s | backward pass | exchange | one after the other | at once |",
        "|---|---|---|---|---|",
    ]
    for megabits in rates:
        backward, exchange, both = measure((megabits, 0), 2, "overlap")
        cells = megabits / 1000, backward, exchange, backward + exchange, both
        lines.append(f"| {' | '.join(f'{cell:.3g}' for cell in cells)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def replace_section(title, lines):
    """Write lines into a section of the page, after its text: from its first table on."""
    before, heading, section = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")
    text, rest = section[: section.index("\n|")], section.partition("\n## ")[1:]
    text = "".join([before, heading, text, "\n", "\n".join(lines), "\n", *rest])
    PAGE.write_text(text, encoding="utf-8")


def main():
    """Measure without a delay or, with --delay, with one of 10 ms."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=main.__doc__)
    parser.add_argument(
        "--delay", action="store_true", help="a delay of 10 ms, at 0.1 and 1 Gbit/s"
    )
    delayed = parser.parse_args().delay
    installed = machine.installed("numpy", "numba", "mpi4py", "mpich")
    reason = missing()
    if not reason and not {"mpi4py", "mpich"} <= installed.keys():
        reason = "this needs mpi4py and mpich: python -m pip install -e '.[mpi]'"
    if reason:
        sys.exit(f"tests.hosts: {reason}")
    load, versions = machine.load(), machine.versions(1)
    if delayed:
        sections = {"A delay of 10 ms": table(CASES, DELAYED, 10)}
    else:
        sections = {
            "No delay": table(CASES, RATES, 0),
            "The exchange during the backward pass": overlap(RATES),
        }
    source = (
        f"`python -m tests.hosts{' --delay' if delayed else ''}` measured this: "
        f"{versions['processor']}, {machine.cores()} cores, {versions['system']}, load {load} "
        f"before; {', '.join(map(' '.join, installed.items()))}; {versions['date']}."
    )
    for title, lines in sections.items():
        replace_section(title, [*lines, "", source])


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\ntests.hosts: stopped; the page is as it was", file=sys.stderr)
        sys.exit(130)
