"""How fast is it?  Every row and every pass of a network, in milliseconds and against PyTorch.

    python -m minicnn bench --against torch

prints a table, and writes it as runs/bench/cifar.json.  Every contestant is a process of its own
(bench_worker.py), and they take turns: in each round each runs the same work for a fifth of a
second while the others sleep, so that a busy spell of the machine meets them all.

    seconds    contestant → one number a round: the median of the calls in its turn
    line       a dict: one work, what it took, and how that compares; see line_of
    ms         the median of the rounds, in milliseconds
    of_limit   GFLOP/s as a share of what a matrix product of 2048×2048 reaches here, or GB/s as a
               share of what a large copy reaches.  Above 1 where the data fit into a cache, or
               an algorithm needs fewer operations than the definition
    rival      the one to compare with: of PyTorch's modes the one with the lowest median
    ratio      the rival's time divided by ours: above 1, we are faster.  The median of the rounds'
               ratios, ± half of their interquartile range.  Where this spread is larger than the
               distance from 1, with fewer than three rounds, and where we or the rival were
               disturbed, there is no ratio, only the range of the rounds
    disturbed  half of the rounds took more than twice as long as the fastest call: something else
               was running
"""

import contextlib
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

import numpy as np

from . import checkpoint
from .bench_worker import COPIED, IN_ONE, MULTIPLIED, NETWORKS
from .options import THREADS

PARTS = ("layers", "step", "inference", "memory", "first-call", "course")
SINGLE = ("layers", "course")  # parts that time one row at a time
MODES = ("torch", "torch-channels-last", "torch-compiled")  # the last for whole networks alone
TOGETHER = 20  # calls on a GPU that are timed as one
TURN = 0.2  # seconds of work in one turn


class WorkerError(ValueError):
    """A contestant could not do what it was asked; the message says which one, and why."""


def bench(
    out,
    network="cifar",
    ops="fast",
    batch=None,
    threads=None,
    torch=False,
    rounds=7,
    parts=PARTS,
    progress=True,
    tf32=False,
    gpus=None,
):
    """Measure, and write <network>.json into the folder; return what it holds.

    Parameters
    ----------
    out : path
        The folder.
    network : str
        "cifar", the four layers of Figure 1, "alexnet", or "alexnet-2gpu": its two columns, as a
        whole, against the same network in one.
    ops : str
        "fast", "reference" or "cuda"; PyTorch computes where it does, on the CPU or on the GPU.
    batch : int
        Images a batch; None is 128 for cifar and 32 for alexnet.
    threads : int
        For each contestant; None is what MINICNN_THREADS says, or one a processor.
    torch : bool
        Measure PyTorch, too.
    rounds : int
        Turns of each contestant at each work.
    parts : collection of str
        What to measure, of PARTS.
    progress : bool
        Show a bar for each part.
    tf32 : bool
        On a GPU, let our products, and PyTorch's, run on tensor cores in TF32.
    gpus : tuple of int
        The GPU to take, or those of the two columns.

    Returns
    -------
    dict
        settings and machine; limits, in GFLOP/s and GB/s; lines, a list of line_of; memory, in
        bytes, and first_step, in seconds; notes, a sentence for each thing that a rival could not.

    Raises
    ------
    OSError
        If nothing can be written to the folder.
    WorkerError
        If our own contestant fails.
    ValueError
        If the rows of two columns are to be timed, each on its own.
    """
    if network in IN_ONE:
        if not set(parts) - set(SINGLE):
            raise ValueError(
                f"the rows of {network} work two at a time, so bench times it as a whole; "
                f"halves --timeline {network} shows when each of them runs"
            )
        parts = [part for part in parts if part not in SINGLE]
    checkpoint.make_folder(out)
    gpu = ops == "cuda"
    whole = tuple(name.replace("torch", "torch-gpu") if gpu else name for name in MODES if torch)
    modes = whole[:2]
    in_one = (f"{ops}-in-one",) if network in IN_ONE else ()
    reference = ("fast",) if gpu else () if ops == "reference" else ("reference",)
    results = {
        "settings": {
            "network": network,
            "ops": ops,
            "batch": batch or NETWORKS[network].batch,
            "threads": threads or int(os.environ.get("MINICNN_THREADS") or cores()),
            "rounds": rounds,
            "parts": [part for part in PARTS if part in parts],
            "torch": torch,
            "tf32": tf32,
            "gpus": gpus and list(gpus),
        },
        "machine": machine(),
        "limits": {},
        "lines": [],
        "memory": {},
        "first_step": {},
        "notes": [],
    }
    if gpu:
        from .cuda.gpu import described, ready

        ready()
        results["machine"]["gpu"] = described()
    results["limits"] = limits(results)
    if "layers" in parts:
        race(results, "layers", [modes], None, progress)
    if gpu and "layers" in parts:
        race(results, "plain", [("cuda-plain",)], None, progress)
        race(results, "product", [modes[:1]], ["4096×4096"], progress)
        race(results, "launch", [modes[:1]], ["1 number"], progress)
    if "step" in parts:
        rivals = [whole, modes[:1], in_one or reference]
        race(results, "step", rivals, ["training"], progress)
    if "inference" in parts:
        counts = ["1 image", f"{results['settings']['batch']} images"]
        race(results, "inference", [whole, in_one], counts, progress)
    if "course" in parts and not gpu:
        race(results, "course", [("course",)], None, progress)
    if "memory" in parts:
        results["memory"] = memory(results, (ops, *in_one, *modes))
    if "first-call" in parts:
        results["first_step"] = first_step(results, (ops, *modes[:1]))
    results["machine"]["load_after"] = load()
    text = json.dumps(results, indent=2) + "\n"
    checkpoint.write_text(pathlib.Path(out) / f"{network}.json", text)
    return results


def race(results, part, rivals, passes, progress):
    """Let all contestants do all works of a part in turns; add the lines to the results.

    Parameters
    ----------
    results : dict
        As bench returns it.
    part : str
        Its name, and that of its one row.
    rivals : list of tuple
        Groups of contestants; each work gets a line for each group, against its best.
    passes : list of str
        The works; None asks a worker for rows and passes.
    progress : bool
    """
    from tqdm import tqdm

    settings = results["settings"]
    rivals = [group for group in rivals if group] or [()]
    names = list(dict.fromkeys([settings["ops"], *[name for group in rivals for name in group]]))
    with workers(results, names) as running:
        if passes:
            counted = {"flops": 2 * 4096**3} if part == "product" else {}
            works = [{"row": part, "pass": what, **counted} for what in passes]
        else:
            asked = {"course": "course", "plain": "cuda-plain"}.get(part, settings["ops"])
            works = ask(running, asked, rows=True)["rows"]
        form = "{desc} {n_fmt}/{total_fmt} |{bar:20}|{postfix}"
        bar = tqdm(works, desc=part, bar_format=form, leave=False, disable=not progress)
        for work in bar:
            bar.set_postfix_str(f"{work['row']} {work['pass']}")
            seconds, fastest = take_turns(results, running, work)
            for group in rivals:
                line = line_of(work, seconds, fastest, settings["ops"], group, results["limits"])
                results["lines"].append(line)


def take_turns(results, running, work):
    """Return the seconds of each contestant, and those of its fastest call."""
    counts, seconds, fastest = {}, {}, {}
    where = f"{work['row']} {work['pass']}"
    for name in running:
        with noted(results, name, where):
            ask(running, name, prepare=[work["row"], work["pass"]])
            ask(running, name, run=1)  # compiles
            (once,) = ask(running, name, run=1)["seconds"]
            counts[name] = min(1000, max(1, round(TURN / once)))
            seconds[name], fastest[name] = [], once
    rounds = results["settings"]["rounds"]
    most = TOGETHER if results["settings"]["ops"] == "cuda" else 1
    for _ in range(rounds):
        for name, count in counts.items():
            together = min(most, count)  # what takes long is timed alone
            with noted(results, name, where):
                times = ask(running, name, run=count, together=together)["seconds"]
                seconds[name].append(statistics.median(times))
                fastest[name] = min(fastest[name], *times)
    finished = {name: medians for name, medians in seconds.items() if len(medians) == rounds}
    return finished, fastest


def line_of(work, seconds, fastest, ours, rivals, limits):
    """Return the line of one work.

    Parameters
    ----------
    work : dict
        row and pass; flops or bytes, if they are to be counted.
    seconds, fastest : dict
        By contestant: one number a round; and its fastest call.
    ours : str
        Our contestant.
    rivals : collection of str
        The best of them is compared; those not in `seconds` did not finish.
    limits : dict
        gflops and gb_per_s that this machine can do.

    Returns
    -------
    dict
        row, pass, ms; gflops or gb_per_s, and of_limit; rival, its rival_ms, and ratio, spread,
        low and high as in `compared`; disturbed; all_ms, by contestant.  What there is not is None.
    """
    medians = {name: statistics.median(rounds) for name, rounds in seconds.items()}
    time = medians[ours]
    line = {"row": work["row"], "pass": work["pass"], "ms": digits(1000 * time)}
    line |= dict.fromkeys("gflops gb_per_s of_limit rival rival_ms ratio spread low high".split())
    line["disturbed"] = time > 2 * fastest[ours]
    for name, amount in (("gflops", work.get("flops")), ("gb_per_s", work.get("bytes"))):
        if amount:
            line[name] = digits(amount / time / 1e9)
            line["of_limit"] = digits(amount / time / 1e9 / limits[name])
    finished = [name for name in rivals if name in seconds]
    if finished:
        best = min(finished, key=medians.get)
        line |= {"rival": best, "rival_ms": digits(1000 * medians[best])}
        line |= compared(seconds[ours], seconds[best])
        line["disturbed"] |= medians[best] > 2 * fastest[best]
        if line["disturbed"]:
            line["ratio"] = None
    line["all_ms"] = {name: digits(1000 * medians[name]) for name in (ours, *finished)}
    return line


def compared(ours, theirs):
    """Return how many times as long they take: ratio, spread, low and high; see above.

    Parameters
    ----------
    ours, theirs : list of float
        Seconds, one number a round.
    """
    rounds = [b / a for a, b in zip(ours, theirs, strict=True)]
    ratio = statistics.median(rounds)
    low, high = digits(min(rounds)), digits(max(rounds))
    if len(rounds) < 3:
        return {"ratio": None, "spread": None, "low": low, "high": high}
    first, third = np.percentile(rounds, [25, 75])
    spread = float(third - first) / 2
    quoted = digits(ratio) if spread <= abs(ratio - 1) else None
    return {"ratio": quoted, "spread": digits(spread), "low": low, "high": high}


def limits(results):
    """Return what a matrix product and a copy reach here with so many threads: the best of ten.

    On a GPU the product is PyTorch's, which is NVIDIA's own; without PyTorch it is ours, and then
    shares of it say little.
    """
    gpu = results["settings"]["ops"] == "cuda"
    best, name, together = {}, "limits-gpu" if gpu else "limits", TOGETHER if gpu else 1
    with workers(results, [name]) as running:
        for what in ("product", "copy"):
            ask(running, name, prepare=["limits", what])
            reply = ask(running, name, run=10 * together, together=together)
            best[what] = min(reply["seconds"])
    gflops, gb_per_s = MULTIPLIED / best["product"] / 1e9, COPIED / best["copy"] / 1e9
    return {"gflops": digits(gflops), "gb_per_s": digits(gb_per_s)}


def memory(results, names):
    """Return, by contestant, the peak memory of a process that trains for three steps, in bytes.

    peak is all of it, imports what it had after importing its libraries; what it imports later
    counts as ours.  Each contestant has two fresh processes, and the smaller peak counts: the
    first may compile.  On a GPU it is the memory of that which is taken, and imports are 0.
    """
    if sys.platform != "linux" and results["settings"]["ops"] != "cuda":
        results["notes"].append("memory: only Linux tells it")
        return {}
    peaks = {name: [] for name in names}
    for name in (*names, *names):
        with noted(results, name, "memory"), workers(results, [name]) as running:
            ask(running, name, prepare=["step", "training"])
            ask(running, name, run=3)
            peaks[name].append(ask(running, name, memory=True))
    return {name: min(both, key=lambda m: m["peak"]) for name, both in peaks.items() if both}


def first_step(results, names):
    """Return the seconds of the first training step of a process, after imports, by contestant.

    compiled   this process compiled all that it needed
    cached     it found it on the disk, where the one before had left it
    """
    seconds = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder, noted(results, name, "first step"):
            for when in ("compiled", "cached"):
                with workers(results, [name], NUMBA_CACHE_DIR=folder) as running:
                    ask(running, name, prepare=["step", "training"])
                    (first,) = ask(running, name, run=1)["seconds"]
                seconds.setdefault(name, {})[when] = digits(first)
    return seconds


@contextlib.contextmanager
def workers(results, names, **environment):
    """Give a running process for each contestant, by name; at the end, end them."""
    settings = results["settings"]
    here = str(pathlib.Path(__file__).parent.parent)
    paths = [here, os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [here]
    environment |= {f"{name}_THREADS": str(settings["threads"]) for name in THREADS}
    environment |= {"PYTHONPATH": os.pathsep.join(paths), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    words = "tf32" if settings["tf32"] else "", ",".join(map(str, settings["gpus"] or []))
    conditions, running = [settings["network"], str(settings["batch"]), *words], {}
    with contextlib.ExitStack() as stack:
        for name in names:
            worker = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.bench_worker", name, *conditions],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                env=os.environ | environment,
                start_new_session=True,  # Ctrl-C is for us; they end when their input does
            )
            stack.callback(ended, worker)
            running[name] = worker
        yield running


def ended(worker):
    """End a worker, whatever state it is in."""
    worker.kill()
    worker.wait()
    worker.stdout.close()
    with contextlib.suppress(OSError):  # a request that it never read
        worker.stdin.close()


def ask(running, name, **request):
    """Send a request to the worker of this name; return its reply, a dict.

    Raises WorkerError if it answers that it failed, or does not answer.
    """
    worker = running[name]
    try:
        print(json.dumps(request), file=worker.stdin, flush=True)
        reply = worker.stdout.readline()
    except OSError:
        reply = ""
    if not reply:
        raise WorkerError(f"{name}: its process ended with exit code {worker.wait()}")
    reply = json.loads(reply)
    if "error" in reply:
        raise WorkerError(f"{name}: {reply['error']}")
    return reply


@contextlib.contextmanager
def noted(results, name, where):
    """Go on if a rival fails, with a note; if our own contestant does, say where, and stop."""
    try:
        yield
    except WorkerError as error:
        if name == results["settings"]["ops"]:
            raise WorkerError(f"{error} ({where})") from None
        if not any(note.startswith(str(error)) for note in results["notes"]):
            results["notes"].append(f"{error} ({where})")


def digits(number):
    """Return the number to four digits."""
    return float(f"{number:.4g}")


def cores():
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load():
    """Return the load average of the last minute, or None where there is none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def machine():
    """Return what the numbers depend on: processor, versions, and how busy the machine was."""
    processor, info = platform.processor() or platform.machine(), pathlib.Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
    versions = {"python": platform.python_version()}
    for name in ("numpy", "numba", "torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "processor": processor,
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        "versions": versions,
        "load_before": load(),
        "load_after": None,
    }


def report(results):
    """Return the results as text: the conditions, a table, and a sentence for each other thing."""
    settings, machine = results["settings"], results["machine"]
    threads, rounds = counted(settings["threads"], "thread"), counted(settings["rounds"], "round")
    processor = f"{machine['processor']}, {counted(machine['cores'], 'core')}, {machine['system']}"
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    text = [
        f"{settings['network']}, batches of {settings['batch']}, {settings['ops']}, "
        f"{'products in TF32, ' if settings['tf32'] else ''}{threads}, {rounds}, {machine['date']}",
        f"{processor}; {versions}",
        *([machine["gpu"]] if "gpu" in machine else []),
        f"limits: {shown(results['limits']['gflops'])} GFLOP/s in a matrix product, "
        f"{shown(results['limits']['gb_per_s'])} GB/s in a copy",
    ]
    if results["lines"]:
        text += ["", *table(results["lines"]), ""]
    for line in results["lines"]:
        if line["row"] == "step":
            speed = settings["batch"] / line["ms"] * 1000
            text.append(f"training: {speed:,.0f} images a second")
            break
    if results["memory"]:
        sizes = [
            f"{name} {size['peak'] / 2**20:,.0f} MiB"
            + (f" ({size['imports'] / 2**20:,.0f} after imports)" if size["imports"] else "")
            for name, size in results["memory"].items()
        ]
        where = "of the GPU" if "gpu" in machine else "of a process"
        text.append(f"peak memory {where} in the third training step: {', '.join(sizes)}")
    for name, seconds in results["first_step"].items():
        times = f"{shown(seconds['compiled'])} s, in a second process {shown(seconds['cached'])} s"
        text.append(f"first training step, {name}: {times}")
    text += results["notes"]
    text.append(f"load average: {machine['load_before']} before, {machine['load_after']} after")
    if (machine["load_before"] or 0) >= 0.5:
        advice = "measure again when it is idle; PyTorch's threads wait spinning and suffer most"
        text.append(f"The machine was busy: {advice}.")
    return "\n".join(text)


def table(lines):
    """Return the lines as a table of text; without rivals it has no columns for them."""
    rows = ["row,pass,ms,GFLOP/s,GB/s,of limit,rival ms,rival ÷ ours,rival".split(",")]
    for line in lines:
        numbers = [line[name] for name in ("ms", "gflops", "gb_per_s", "of_limit", "rival_ms")]
        ratio = ratio_text(line) if line["rival"] else ""
        words = [shown(n) for n in numbers]
        rows.append([line["row"], line["pass"], *words, ratio, line["rival"] or ""])
    if not any(line["rival"] for line in lines):
        rows = [cells[:6] for cells in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = []
    for cells in rows:
        padded = [
            cell.ljust(width) if i in (0, 1, 8) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        text.append("  ".join(padded).rstrip())
    return [text[0], "-" * max(map(len, text)), *text[1:]]


def counted(number, word):
    """Return "1 thread", "2 threads"."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def shown(number):
    """Return the number in three digits, or nothing for None."""
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def ratio_text(line):
    """Return "1.84 ± 0.05"; or "≈ 1 (0.97–1.04)", "unclear (0.5–3)" or, of few rounds, "0.9–1"."""
    if line["ratio"] is not None:
        return f"{line['ratio']:.2f} ± {line['spread']:.2f}"
    span = f"{line['low']:.2g}–{line['high']:.2g}"
    if line["spread"] is None and not line["disturbed"]:
        return span
    close = not line["disturbed"] and line["spread"] < 0.1
    return f"≈ 1 ({span})" if close else f"unclear ({span})"
