"""The parts of the benchmark, and how contestants take turns.

work      a dict: its row and pass, and its flops or bytes, if they are to be counted; cases.py
rivals    groups of contestants; each work gets a line for each group, against its best
running   contestant → its process
results   a dict: settings and machine; limits, in GFLOP/s and GB/s; lines, a list of line_of;
          memory, in bytes, and first_step, in seconds, by contestant; notes, a sentence for
          each thing that a rival could not
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
from .processes import ask, noted, workers
from .result import digits, line_of
from .table import counted

SINGLE = ("layers", "course")  # parts that time one row at a time
MODES = ("torch", "torch-channels-last", "torch-compiled")  # the last for whole networks alone
TOGETHER = 20  # calls on a GPU that are timed as one
LEAST = 3  # calls in a turn: the first one finds the caches full of somebody else's numbers
TURN = 0.2  # seconds of work in one turn; behind it all rest for half as long, because threads that
# wait spinning, as those of OpenBLAS, go on with it for a while and would slow down whoever is next


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
    """Measure, and write <network>.json into the folder; return the results.

    Parameters
    ----------
    out : path
        The folder.
    network : str
        A name in catalogue.NETWORKS, or "cifar" for the four layers of Figure 1.  Two columns are
        timed as a whole, and against the same network in one column, where there is one.
    ops : str
        "fast", "reference" or "cuda"; PyTorch computes where it does, on the CPU or on the GPU.
    batch : int
        Images a batch; None is what the network's row says.
    threads : int
        For each contestant; None is what MINICNN_THREADS says, or one a processor.
    torch : bool
        Measure PyTorch, too.
    rounds : int
        Turns of each contestant at each work.
    parts : collection of str
        What to measure, of PARTS.
    tf32 : bool
        On a GPU, let our products, and PyTorch's, run on tensor cores in TF32.
    gpus : tuple of int
        The GPU to take, or those of the two columns.

    Returns
    -------
    dict
        The results, see above.

    Raises
    ------
    OSError
        If nothing can be written to the folder.
    WorkerError
        If our own contestant fails.
    ValueError
        If the rows of two columns are to be timed, each on its own; or by MINICNN_THREADS.
    """
    if find(network).columns == 2:
        if not set(parts) - set(SINGLE):
            raise ValueError(
                f"the rows of {network} work two at a time, so bench times it as a whole; "
                f"halves --timeline {network} shows when each of them runs"
            )
        parts = [part for part in parts if part not in SINGLE]
    storage.make_folder(out)
    settings = {
        "network": network,
        "ops": ops,
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
    storage.write_text(pathlib.Path(out) / f"{network}.json", text)
    return results


def on_gpu(settings):
    """Return whether our contestant computes on a GPU."""
    return BACKENDS[settings["ops"]] == "GPU"


def measure_parts(results):
    """Measure what the settings ask for, against whom it is to be compared with."""
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
    """Let all contestants do all works of a part in turns; add the lines to the results.

    Parameters
    ----------
    results, rivals
        See above.
    part : str
        Its name, and that of its one row.
    passes : collection of str
        Those of this row; None asks a worker for rows and passes.
    """
    settings = results["settings"]
    ours = settings["ops"]
    rivals = [group for group in rivals if group] or [()]
    names = dict.fromkeys([ours, *[name for group in rivals for name in group]])
    with workers(settings, names) as running:
        if passes:
            costs = {"flops": 2 * 4096**3} if part == "product" else {}
            works = [{"row": part, "pass": what, **costs} for what in passes]
        else:
            asked = {"course": "course", "plain": "cuda-plain"}.get(part, ours)
            works = ask(running, asked, rows=True)["rows"]
        form = "{desc} {n_fmt}/{total_fmt} |{bar:20}|{postfix}"
        look = {"unit_scale": False, "leave": False, "disable": None}  # None: on a terminal only
        bar = console.progress_bar(len(works), part, iterable=works, bar_format=form, **look)
        for work in bar:
            bar.set_postfix_str(f"{work['row']} {work['pass']}")
            seconds, fastest = take_turns(results, running, work)
            for group in rivals:
                line = line_of(work, seconds, fastest, ours, group, results["limits"])
                results["lines"].append(line)


def take_turns(results, running, work):
    """Return the seconds of each contestant, and those of its fastest call; see result.py."""
    counts, seconds, fastest = {}, {}, {}
    where = f"{work['row']} {work['pass']}"
    first = (
        7 if find(results["settings"]["network"]).columns == 2 else 1
    )  # columns try two ways out
    for name in running:
        with noted(results, name, where):
            ask(running, name, prepare=[work["row"], work["pass"]])
            ask(running, name, run=first)  # compiles
            (once,) = ask(running, name, run=1)["seconds"]
            counts[name] = min(1000, max(LEAST, round(TURN / once)))
            seconds[name], fastest[name] = [], once
    rounds = results["settings"]["rounds"]
    most = TOGETHER if on_gpu(results["settings"]) else 1
    for _ in range(rounds):
        for name, count in counts.items():
            together = min(most, count)  # what takes long is timed alone
            with noted(results, name, where):
                time.sleep(TURN / 2)
                times = ask(running, name, run=count, together=together)["seconds"]
                seconds[name].append(statistics.median(times))
                fastest[name] = min(fastest[name], *times)
    finished = {name: medians for name, medians in seconds.items() if len(medians) == rounds}
    return finished, fastest


def limits(results):
    """Return what a matrix product and a copy reach here with so many threads: the best of ten.

    Where a GPU's product is ours, without PyTorch, shares of it say little.
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

    peak is all of it, imports what it had after importing its libraries; what it imports later
    counts as ours.  Each contestant has two fresh processes, and the smaller peak counts: the
    first may compile.  On a GPU it is the memory of that which is taken, and imports are 0.
    """
    if sys.platform != "linux" and not on_gpu(results["settings"]):
        results["notes"].append("memory: only Linux tells it")
        return {}
    peaks = {name: [] for name in names}
    for name in (*names, *names):
        with noted(results, name, "memory"), workers(results["settings"], [name]) as running:
            ask(running, name, prepare=["step", "training"])
            ask(running, name, run=3)
            peaks[name].append(ask(running, name, memory=True))
    return {name: min(both, key=lambda m: m["peak"]) for name, both in peaks.items() if both}


def first_step(results, names):
    """Return the seconds of the first training step of a process, after imports, by contestant.

    compiled   this process compiled all that it needed
    cached     it found it on the disk, where the one before had left it
    """
    seconds, settings = {}, results["settings"]
    for name in names:
        with tempfile.TemporaryDirectory() as folder, noted(results, name, "first step"):
            for when in ("compiled", "cached"):
                with workers(settings, [name], NUMBA_CACHE_DIR=folder) as running:
                    ask(running, name, prepare=["step", "training"])
                    (first,) = ask(running, name, run=1)["seconds"]
                seconds.setdefault(name, {})[when] = digits(first)
    return seconds
