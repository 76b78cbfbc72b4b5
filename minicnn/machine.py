"""The conditions of a measurement: processor, versions, and load of the machine."""

import contextlib
import importlib.metadata
import os
import pathlib
import platform
import time

MiB = 2**20  # bytes

# The libraries that may compute; the environment variable …_THREADS sets their number of threads.
THREADS = "MINICNN NUMBA_NUM OMP_NUM OPENBLAS_NUM MKL_NUM VECLIB_MAXIMUM".split()


def machine():
    """Return the conditions as a dict; load_after is None until the measurement has ended."""
    return {
        "processor": processor(),
        "cores": cores(),
        "system": system(),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "versions": installed("numpy", "numba", "torch"),
        "load_before": load(),
        "load_after": None,
    }


def processor():
    """Return the name of the processor: "AMD EPYC"."""
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores():
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usual_threads():
    """Return the number of threads: MINICNN_THREADS, or one per core if it is not set.

    Raises ValueError if MINICNN_THREADS is not a positive integer.
    """
    text = os.environ.get("MINICNN_THREADS") or str(cores())
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"MINICNN_THREADS is {text!r}; expected a whole number of at least 1")
    return int(text)


def load():
    """Return the load average of the last minute, or None if the system has none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def versions(threads):
    """Return the conditions behind a figure: versions, processor, system, threads, date."""
    return {
        **installed("numpy", "numba"),
        "processor": processor(),
        "system": system(),
        "threads": threads,
        "date": time.strftime("%Y-%m-%d"),
    }


def installed(*packages):
    """Return the versions of Python and of those packages that are installed."""
    versions = {"python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def system():
    """Return the operating system and the kind of processor: "Linux x86_64"."""
    return f"{platform.system()} {platform.machine()}"
