"""A worker: a process with one contestant, which answers requests and reports times.

    python -m minicnn.bench.worker fast cifar 128

processes.py writes requests to its standard input, one JSON object per line.  The worker writes one
reply per line.

    {"rows": true}                       → {"rows": […]}       the cases, see Minicnn.rows
    {"prepare": ["conv2", "forward"]}    → {}                  prepare this case
    {"run": 7}                           → {"seconds": […]}    run it seven times
    {"run": 40, "together": 20}          → {"seconds": […]}    twice 20 times, see seconds_of
    {"memory": true}                     → {"peak": …, "imports": …}   bytes, see memory
    any failure                          → {"error": "…"}

The contestants:

    fast, reference, cuda  our backends
    fast-in-one, …         one of these with the same network in one column, if ours has two
    cuda-plain             cuda with its plain kernels, for layers that also have faster ones
    course                 reference, with typical course code for convolution
    torch                  PyTorch in its standard layout, (N, C, H, W)
    torch-channels-last    PyTorch with channels last in memory
    torch-compiled         the standard layout through torch.compile; only for whole networks
    torch-gpu, …           the same three on a GPU
    limits, limits-gpu     the limits of the machine

With tf32 as the fourth argument, products on a GPU run in TF32 instead of float32.  A fifth
argument, such as 0,1, is the GPUs of the columns.
"""

import json
import os
import pathlib
import sys
import time

from .cases import timed_function
from .im2col_contestant import Course
from .limits import GpuLimits, Limits
from .minicnn_contestant import Minicnn
from .pytorch import Torch


def contestant(name, network, batch, tf32=False, gpus=None):
    """Return the contestant of this name."""
    if name == "limits":
        return Limits()
    if name == "limits-gpu":
        return GpuLimits(tf32)
    if name == "course":
        return Course(network, batch)
    if name.startswith("torch"):
        return Torch(name, network, batch, tf32)
    return Minicnn(name, network, batch, tf32, gpus)


def seconds_of(function, count, wait=None, together=1):
    """Return the seconds per call, for `count` calls.

    With `wait`, a function that waits for a GPU, calls are timed in groups of `together`, because
    waiting has a cost that must not count for each call.
    """
    times = []
    for _ in range(max(1, count // together)):
        start = time.perf_counter()
        for _ in range(together):
            function()
        if wait:
            wait()
        times.append((time.perf_counter() - start) / together)
    return times


def memory(name):
    """Return VmRSS, this process's memory, or VmHWM, its peak, in bytes; None except on Linux.

    (getrusage's ru_maxrss is no substitute: a process inherits it from its parent.)
    """
    if sys.platform != "linux":
        return None
    for line in pathlib.Path("/proc/self/status").read_text("utf-8", "replace").splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])  # the value is in KiB


def serve(requests, replies, name, network, batch, tf32="", gpus=""):
    """Answer requests, one per line, as the contestant of this name, until there are no more."""
    entrant = function = memory_at_start = None
    for line in requests:
        request, reply = json.loads(line), {}
        try:
            if entrant is None:
                numbers = tuple(map(int, gpus.split(","))) if gpus else None
                entrant = contestant(name, network, int(batch), bool(tf32), numbers)
                memory_at_start = memory("VmRSS")
            if "rows" in request:
                reply["rows"] = entrant.rows()
            elif "prepare" in request:
                function = None  # the previous one may hold much memory
                function = timed_function(entrant, *request["prepare"])
            elif "run" in request:
                together = request.get("together", 1)
                reply["seconds"] = seconds_of(function, request["run"], entrant.wait, together)
            elif "memory" in request:
                on_gpu = entrant.memory()  # never shrinks, so it is the peak
                peak = (memory("VmHWM"), memory_at_start) if on_gpu is None else (on_gpu, 0)
                reply["peak"], reply["imports"] = peak
        except Exception as error:
            first_line = str(error).strip().partition("\n")[0]
            reply = {"error": f"{type(error).__name__}: {first_line}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output must not mix with the replies
    serve(sys.stdin, replies, *sys.argv[1:])
