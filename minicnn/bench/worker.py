"""One contestant, in a process of its own: it does what it is told, and says how long it took.

    python -m minicnn.bench.worker fast cifar 128

processes.py writes one JSON object a line to its standard input; one comes back a line.

    {"rows": true}                       → {"rows": […]}       what there is to time, see Ours.rows
    {"prepare": ["conv2", "forward"]}    → {}                  make everything ready for this
    {"run": 7}                           → {"seconds": […]}    do it seven times
    {"run": 40, "together": 20}          → {"seconds": […]}    twice 20 times, see seconds_of
    {"memory": true}                     → {"peak": …, "imports": …}   bytes, see memory
    what goes wrong                      → {"error": "…"}

The contestants:

    fast, reference, cuda  our backends
    fast-in-one, …         one of these with the same network in one column, if ours has two
    cuda-plain             the same with its plain kernels, in rows that have faster ones
    course                 reference, with convolution as course code usually has it
    torch                  PyTorch in its standard layout, (N, C, H, W)
    torch-channels-last    PyTorch with channels last in memory
    torch-compiled         the standard layout through torch.compile; for whole networks alone
    torch-gpu, …           the same three on a GPU
    limits, limits-gpu     what the machine can do at best

With a fourth word behind those three, tf32, all multiply in TF32 on a GPU, else in float32; a fifth
one, such as 0,1, names the GPUs of the columns.
"""

import json
import os
import pathlib
import sys
import time

from .cases import work_of
from .im2col_contestant import Course
from .limits import GpuLimits, Limits
from .minicnn_contestant import Ours
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
    return Ours(name, network, batch, tf32, gpus)


def seconds_of(work, count, wait=None, together=1):
    """Return the seconds that each of `count` calls takes.

    With `wait`, a function that waits for a GPU, so many calls `together` are timed as one: what it
    costs to wait must not count for each.
    """
    times = []
    for _ in range(max(1, count // together)):
        start = time.perf_counter()
        for _ in range(together):
            work()
        if wait:
            wait()
        times.append((time.perf_counter() - start) / together)
    return times


def memory(name):
    """Return VmRSS, the memory that this process has, or VmHWM, the most it ever had, in bytes.

    Only Linux tells it, elsewhere it is None.  (The ru_maxrss of getrusage would not do: a process
    inherits it from the one that started it.)
    """
    if sys.platform != "linux":
        return None
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])  # it is in KiB


def serve(requests, replies, name, network, batch, tf32="", gpus=""):
    """Be the contestant of this name: answer requests, a line each, until there are no more."""
    one = work = at_first = None
    for line in requests:
        request, reply = json.loads(line), {}
        try:
            if one is None:
                numbers = tuple(map(int, gpus.split(","))) if gpus else None
                one = contestant(name, network, int(batch), bool(tf32), numbers)
                at_first = memory("VmRSS")
            if "rows" in request:
                reply["rows"] = one.rows()
            elif "prepare" in request:
                work = None  # the one before may hold much memory
                work = work_of(one, *request["prepare"])
            elif "run" in request:
                together = request.get("together", 1)
                reply["seconds"] = seconds_of(work, request["run"], one.wait, together)
            elif "memory" in request:
                taken = one.memory()  # of a GPU, where it never shrinks
                peak = (memory("VmHWM"), at_first) if taken is None else (taken, 0)
                reply["peak"], reply["imports"] = peak
        except Exception as error:
            first_line = str(error).strip().partition("\n")[0]
            reply = {"error": f"{type(error).__name__}: {first_line}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed must not get between the replies
    serve(sys.stdin, replies, *sys.argv[1:])
