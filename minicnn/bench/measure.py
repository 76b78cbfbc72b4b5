"""The benchmark: its parts, and the contestants that take turns at each case.

case      a dict: its row and pass, and its flops or bytes, if known; see cases.py
rivals    groups of contestants; each case gets one line per group, against its fastest
running   contestant → its process
results   a dict: settings and machine; limits, in GFLOP/s and GB/s; lines, from line_of;
          memory, in bytes, and first_step, in seconds, by contestant; notes, a sentence for
          each failure of a rival
"""

import json
import pathlib
import statistics
import sys
import tempfile
import time

from .. import console, storage
from ..backends import BACKENDS, backend
from ..machine import load, machine, usual_threads
from . import PARTS
from .cases import find
from .limits import COPIED, MULTIPLIED
from .processes import ask, noting_failure, workers
from .result import digits, line_of
from .table import counted

SINGLE = ("layers", "course")  # parts that time single layers
MODES = ("torch", "torch-channels-last", "torch-compiled")  # the last only for whole networks
RESULTS = storage.Kind("results of a benchmark", rb'\{\s*"settings": \{\s*"network": ')
TOGETHER = 20  # calls on a GPU that are timed as one
LEAST_CALLS = 3  # in a turn; during the first, the caches still have other contestants' data
# Seconds of work in one turn.  Before it, all rest for half as long: threads that wait by spinning,
# such as OpenBLAS's, go on spinning after their turn and would slow down the next contestant.
TURN = 0.2


def measure(
    out,
    network="cifar",
    ops="fast",
    *,
    batch=None,
    threads=None,
    torch=False,
    rounds=7,
    parts=PARTS,
    tf32=False,
    gpus=None,
):
    """Run the benchmark, write <network>.json into the folder, and return the results.

    Parameters
    ----------
    out : path
        The folder.
    network : str
        A name in catalogue.NETWORKS, or "cifar" for the four-layer network of Figure 1.  A network
        of two columns is timed as a whole, against the same network in one column if there is one.
    ops : str
        "fast", "reference" or "cuda"; PyTorch computes on the same device, the CPU or the GPU.
    batch : int
        Images per batch; by default as in the catalogue.
    threads : int
        Threads of each contestant; by default MINICNN_THREADS, or one per processor.
    torch : bool
        Measure PyTorch as well.
    rounds : int
        The number of turns that each contestant takes at each case.
    parts : collection of str
        The parts to measure, out of PARTS.
    tf32 : bool
        On a GPU, run our products, and PyTorch's, on tensor cores in TF32.
    gpus : tuple of int
        The GPU to use, or the GPUs of the two columns.

    Returns
    -------
    dict
        The results, as the head of this file describes them.

    Raises
    ------
    OSError
        If nothing can be written to the folder.
    WorkerError
        If our own contestant fails.
    ValueError
        If `parts` asks only for the single layers of a network of two columns, or if
        MINICNN_THREADS or MINICNN_LANES is no number that they may be.
    """
    from ..fast.vector import chosen_lanes  # imports Numba

    if find(network).columns == 2:
        if not set(parts) - set(SINGLE):
            raise ValueError(
                f"the layers of {network} run two at a time, so bench times it as a whole; "
                f"halves --timeline {network} shows when each of them runs"
            )
        parts = [part for part in parts if part not in SINGLE]
    storage.make_folder(out, {f"{network}.json": RESULTS})
    settings = {
        "network": network,
        "ops": ops,
        "lanes": chosen_lanes() if ops == "fast" else None,
        "batch": batch or find(network).batch,
        "threads": threads or usual_threads(),
        "rounds": rounds,
        "parts": [part for part in PARTS if part in parts],
        "torch": torch,
        "tf32": tf32,
        "gpus": gpus and list(gpus),
    }
    results = {"settings": settings, "machine": machine(), "limits": {}, "lines": []}
    results |= {"memory": {}, "first_step": {}, "notes": []}
    if on_gpu(settings):
        device = backend(ops).device
        results["machine"]["gpu"] = device.described()
    results["limits"] = limits(results)
    measure_parts(results)
    results["machine"]["load_after"] = load()
    text = json.dumps(results, indent=2) + "\n"
    storage.write_text(pathlib.Path(out) / f"{network}.json", text, RESULTS)
    return results


def on_gpu(settings):
    """Return whether our contestant computes on a GPU."""
    return BACKENDS[settings["ops"]] == "GPU"


def measure_parts(results):
    """Measure the parts in the settings, each against its rivals."""
    settings = results["settings"]
    ops, parts, gpu = settings["ops"], settings["parts"], on_gpu(settings)
    whole = MODES if settings["torch"] else ()
    whole = tuple(name.replace("torch", "torch-gpu") if gpu else name for name in whole)
    modes = whole[:2]
    in_one = (f"{ops}-in-one",) if find(settings["network"]).in_one_column else ()
    reference = ("fast",) if gpu else () if ops == "reference" else ("reference",)
    if "layers" in parts:
        race(results, "layers", [modes])
    if "layers" in parts and gpu:
        race(results, "plain", [("cuda-plain",)])
        race(results, "product", [modes[:1]], ["4096×4096"])
        race(results, "launch", [modes[:1]], ["1 number"])
    if "step" in parts:
        race(results, "step", [whole, modes[:1], in_one or reference], ["training"])
    if "inference" in parts:
        counts = dict.fromkeys(counted(N, "image") for N in (1, settings["batch"]))
        race(results, "inference", [whole, in_one], counts)
    if "course" in parts and not gpu:
        race(results, "course", [("course",)])
    if "memory" in parts:
        results["memory"] = memory(results, (ops, *in_one, *modes))
    if "first-call" in parts:
        results["first_step"] = first_step(results, (ops, *modes[:1]))


def race(results, part, rivals, passes=None):
    """Time all contestants at all cases of a part, in turns; add the lines to the results.

    Parameters
    ----------
    results, rivals
        As the head of this file describes them.
    part : str
        The name of the part, and of its row if it has only one.
    passes : collection of str
        The passes of this row; None asks a worker for rows and passes.
    """
    settings = results["settings"]
    ours = settings["ops"]
    rivals = [group for group in rivals if group] or [()]
    names = dict.fromkeys([ours, *[name for group in rivals for name in group]])
    with workers(settings, names) as running:
        if passes:
            costs = {"flops": 2 * 4096**3} if part == "product" else {}
            cases = [{"row": part, "pass": name, **costs} for name in passes]
        else:
            source = {"course": "course", "plain": "cuda-plain"}.get(part, ours)
            cases = ask(running, source, rows=True)["rows"]
        form = "{desc} {n_fmt}/{total_fmt} |{bar:20}|{postfix}"
        look = {"unit_scale": False, "leave": False, "disable": None}  # None: on a terminal only
        bar = console.progress_bar(len(cases), part, iterable=cases, bar_format=form, **look)
        for case in bar:
            bar.set_postfix_str(f"{case['row']} {case['pass']}")
            seconds, fastest = take_turns(results, running, case)
            for group in rivals:
                line = line_of(case, seconds, fastest, ours, group, results["limits"])
                results["lines"].append(line)


def take_turns(results, running, case):
    """Return the seconds of each contestant, and of its fastest call; see result.py."""
    counts, seconds, fastest = {}, {}, {}
    case_name = f"{case['row']} {case['pass']}"
    two_columns = find(results["settings"]["network"]).columns == 2
    first_calls = 7 if two_columns else 1  # two columns first try both ways to run
    for name in running:
        with noting_failure(results, name, case_name):
            ask(running, name, prepare=[case["row"], case["pass"]])
            ask(running, name, run=first_calls)  # compiles
            (once,) = ask(running, name, run=1)["seconds"]
            counts[name] = min(1000, max(LEAST_CALLS, round(TURN / once)))
            seconds[name], fastest[name] = [], once
    rounds = results["settings"]["rounds"]
    most = TOGETHER if on_gpu(results["settings"]) else 1
    for _ in range(rounds):
        for name, count in counts.items():
            together = min(most, count)  # a long call is timed alone
            with noting_failure(results, name, case_name):
                time.sleep(TURN / 2)
                times = ask(running, name, run=count, together=together)["seconds"]
                seconds[name].append(statistics.median(times))
                fastest[name] = min(fastest[name], *times)
    finished = {name: medians for name, medians in seconds.items() if len(medians) == rounds}
    return finished, fastest


def limits(results):
    """Return the speed of a matrix product and of a copy, the best of ten, with these settings.

    On a GPU without PyTorch the product is our own, so percentages of it mean little.
    """
    gpu = on_gpu(results["settings"])
    best, name, together = {}, "limits-gpu" if gpu else "limits", TOGETHER if gpu else 1
    with workers(results["settings"], [name]) as running:
        for row in ("product", "copy"):
            ask(running, name, prepare=[row, "all"])
            best[row] = min(ask(running, name, run=10 * together, together=together)["seconds"])
    gflops, gb_per_s = MULTIPLIED / best["product"] / 1e9, COPIED / best["copy"] / 1e9
    return {"gflops": digits(gflops), "gb_per_s": digits(gb_per_s)}


def memory(results, names):
    """Return, by contestant, the peak memory of a process that trains for three steps, in bytes.

    `peak` is the total; `imports` is the memory after the libraries are imported, and later imports
    count as the contestant's own.  Each contestant runs in two fresh processes, and the smaller
    peak counts, because the first process may compile.  For a GPU, `peak` is the GPU memory in use,
    and `imports` is 0.
    """
    if sys.platform != "linux" and not on_gpu(results["settings"]):
        results["notes"].append("memory: it can be measured only on Linux")
        return {}
    peaks = {name: [] for name in names}
    for name in (*names, *names):
        with (
            noting_failure(results, name, "memory"),
            workers(results["settings"], [name]) as running,
        ):
            ask(running, name, prepare=["step", "training"])
            ask(running, name, run=3)
            peaks[name].append(ask(running, name, memory=True))
    return {name: min(runs, key=lambda m: m["peak"]) for name, runs in peaks.items() if runs}


def first_step(results, names):
    """Return the seconds of the first training step of a process, after imports, by contestant.

    compiled   the process compiled all kernels
    cached     the process found the compiled kernels on disk, from the process before
    """
    seconds, settings = {}, results["settings"]
    for name in names:
        with tempfile.TemporaryDirectory() as folder, noting_failure(results, name, "first step"):
            for cache_state in ("compiled", "cached"):
                with workers(settings, [name], NUMBA_CACHE_DIR=folder) as running:
                    ask(running, name, prepare=["step", "training"])
                    (first,) = ask(running, name, run=1)["seconds"]
                seconds.setdefault(name, {})[cache_state] = digits(first)
    return seconds
