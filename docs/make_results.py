"""Write the pages of docs/results/, and what README.md says of them, from minicnn/results/.

    python -m docs.make_results

After a new measurement, put what the program wrote in the place of the old file in
minicnn/results/, and run this.  A page shows what the program prints, word for word; README.md has
the tables between its comments "written by docs/make_results.py".  cifar10.md and checks.md are
written by hand.  In docs/layers.md, line numbers are brought up to date.
"""

import json
import pathlib
import re
import shlex

from minicnn.bench import growth, table
from minicnn.claims import driver, intervals, report as claims
from minicnn.claims.table import CLAIMS
from minicnn.experiments import column_specialization, figure1, figure1_sweep, journal

TOP = pathlib.Path(__file__).resolve().parent.parent
RESULTS = TOP / "minicnn" / "results"
PAGES = TOP / "docs" / "results"
JOURNALS = "AMD EPYC, 2 cores; python 3.11.7, numpy 2.4.6, numba 0.68.1; 22 November 2026"

DOWNLOAD = "python -m minicnn download cifar10\n$ "  # before a command that needs all images


def main():
    for name, text in pages().items():
        (PAGES / name).write_text(text, encoding="utf-8")
    lines = driver.read(RESULTS)
    claims.write(PAGES, lines)
    layers = TOP / "docs" / "layers.md"
    layers.write_text(with_lines(layers.read_text(encoding="utf-8")), encoding="utf-8")
    readme = TOP / "README.md"
    readme.write_text(with_tables(readme.read_text(encoding="utf-8")), encoding="utf-8")


def pages():
    """Return {name: text} of the pages, without the one that `claims --report` writes."""
    return {"figure1.md": figure_1(), "speed.md": speed(), "two_columns.md": two_columns()}


def with_lines(text):
    """Return the table of layers with the lines of today.

    A page's second link to the forward pass in a file belongs to the second public function in it
    whose name ends in _forward.
    """
    lines = {}

    def link(match):
        ending, path = match.groups()
        if (ending, path) not in lines:
            source = (TOP / "docs" / path).read_text(encoding="utf-8").splitlines()
            places = [
                i for i, line in enumerate(source, 1) if re.match(rf"def \w+_{ending}\(", line)
            ]
            lines[ending, path] = iter(places)
        return f"[{ending}]({path}#L{next(lines[ending, path])})"

    return re.sub(r"\[(\w+)\]\((\S+?\.py)#L\d+\)", link, text)


def measured(name):
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def section(title, command, output, machine, *files):
    """Return a section: what a command printed, on which machine, and the files that it wrote."""
    links = ", ".join(f"[{name}](../../minicnn/results/{name})" for name in files)
    printed = f"```console\n$ {command}\n{output}\n```"
    return f"## {title}\n\n{printed}\n\n{machine}. All of it: {links}.\n\n"


def figure_1():
    """Return the page of Figure 1: the race on all images and on the sample, and the sweep."""
    text = (
        "# Figure 1: ReLU against tanh\n\n"
        "![Training error against epochs](../../minicnn/results/figure1.png)\n\n"
        "Training error is measured during training, on each batch just before its update, and "
        "averaged over one epoch; [`experiments/figure1.py`](../../minicnn/experiments/figure1.py) "
        "says exactly how, and what else the paper leaves open. A seed fixes the first weights and "
        "the order of the images. Each learning rate ε is the best of a sweep with one seed, in "
        "which both a larger and a smaller one did worse.\n\n"
    )
    for name, title in (("figure1", "All 50,000 images"), ("figure1-sample", "The sample")):
        results = measured(f"{name}.json")
        settings, machine = results["settings"], results["machine"]
        seeds = len(results["relu"]["runs"])
        command = f"python -m minicnn figure1 --data {settings['data']} --seeds {seeds}"
        command = DOWNLOAD + command if settings["data"] == "cifar10" else command
        printed = figure1.report(results)
        text += section(title, command, printed, conditions(machine), f"{name}.json")
    text += "![The same on the sample](../../minicnn/results/figure1-sample.png)\n\n"
    wide, narrow = measured("figure1-sample.json"), measured("figure1-sample-16-lanes.json")
    first = [narrow[name]["runs"][0]["epochs"] for name in ("relu", "tanh")]
    text += (
        f"A vector of {wide['machine']['lanes']} lanes holds {wide['machine']['lanes']} numbers, "
        f"which are computed at once. With {narrow['machine']['lanes']} lanes, as on a processor "
        "with AVX2, sums are rounded differently: seed 0 took "
        f"{first[0]:.1f} and {first[1]:.1f} epochs, a ratio of "
        f"{narrow['ratio']['by_seed'][0]:.2f} instead of "
        f"{wide['ratio']['by_seed'][0]:.2f} ({narrow['machine']['date']}, "
        "[all of it](../../minicnn/results/figure1-sample-16-lanes.json)). The number of threads "
        "changes no bit. The rows of the sweep below are from such a processor and an earlier "
        "version, with seed 0.\n\n"
    )
    text += section(
        "The sweep",
        DOWNLOAD + "python -m minicnn study",
        figure1_sweep.report(RESULTS),
        JOURNALS,
        "study.jsonl",
    )
    return (
        text + "Each row has one seed. Input is `raw` where only the mean image was subtracted, "
        "and `unit` where the pixels were then divided by their deviation; `cuda-convnet` is the "
        "first author's code of 2011, which has its own first weights. To run the sweep again, "
        "copy `minicnn/results/study.jsonl` to `runs/study/` first: the command skips the runs in "
        "that file.\n\n![Epochs to 25% against ε, and the ratio against the number of images]"
        "(../../minicnn/results/study.png)\n"
    )


def speed():
    """Return the page of `bench`: AlexNet, and the four layers of Figure 1."""
    text = (
        "# How fast it is\n\n"
        "Each contestant runs in a process of its own, and they take turns.\n\n"
        "- A time is the median of the rounds.\n"
        "- A ratio is the rival's time divided by minicnn's in the same round: the median of the "
        "rounds, ± half their interquartile range. Above 1, minicnn is faster. A ratio whose "
        "spread is wider than its distance from 1 is `unclear`, and its range is shown. From "
        "run to run, ratios move by more than the spread within one.\n"
        "- The rival is the fastest of PyTorch's modes that were tried. Rivals `reference` and "
        "`course` are minicnn's NumPy backend, and convolution as course code has it, with an "
        "index array and `np.add.at`.\n"
        "- A row with two names is computed in one pass by minicnn "
        "([`fast/fused.py`](../../minicnn/fast/fused.py)), and in two by PyTorch.\n"
        "- A share of the limit may exceed 1: Winograd's algorithm saves up to five sixths of the "
        "multiplications, and all that the definition has are counted.\n"
        "- A vector of 32 lanes holds 32 numbers, which are computed at once.\n\n"
        "[`bench/`](../../minicnn/bench) is the benchmark.\n\n"
        "## The modes of PyTorch\n\n"
        "Whole networks ran in float32 in three modes, of which the fastest is in bold. `compiled` "
        "is `torch.compile(forward, dynamic=False)` in the default layout; a step's backward pass "
        "is compiled with it. Single layers, in the tables below, ran in the first two modes only. "
        'Not tried: compiled with channels last, `mode="max-autotune"`, lower precision.\n\n'
        f"{as_table(modes_rows())}\n\n{normalization()}\n\n"
    )
    for network, title in (("alexnet", "AlexNet"), ("cifar", "The four layers of Figure 1")):
        results = measured(f"bench-{network}.json")
        machine = f"Measured {results['machine']['date']}"
        text += section(
            title, bench_command(results["settings"]), table.report(results), machine,
            f"bench-{network}.json",
        )  # fmt: skip
    text += (
        "## Where the limit is\n\n"
        "A step of the four layers in 18 ms would be 7,100 images a second, the pace of a GTX 580. "
        "First layers have ways of their own: Winograd's algorithm along rows "
        "([`fast/winograd_rows.py`](../../minicnn/fast/winograd_rows.py)), or in blocks of pixels "
        "([`fast/conv.py`](../../minicnn/fast/conv.py)). Processor time in ms, one thread, 32 "
        "lanes, batch 128, on a machine with other work, 30 November 2026:\n\n"
        "| pass | direct product | now |\n|---|---|---|\n"
        "| conv1, forward and dw | 6.7, 7.1 | 5.3, 5.4 |\n"
        "| training step | 47.5 | 42.3 |\n"
        "| AlexNet's conv1, 32 images, forward and dw | 69, 75 | 36, 42 |\n\n"
        "In conv1's forward pass, the sums alone take 2.4 ms. conv2 takes 16.7 ms, half of it for "
        "the sums, conv3 7.8 ms and pooling 4.1 ms. Writing 17 MB, the size of conv1's output, "
        "takes 1.1 ms: each cache line is read before it is written, and prefetching hides that. "
        "If a convolution were pooled while it is in the cache, a quarter of that would be "
        "written. Tried without gain: conv1 in blocks of 6 to 24 tiles, and another order of v in "
        "memory for conv2, whose transform of x takes 0.7 ms either way.\n\n"
    )
    results = measured("growth.json")
    machine, lanes = results["machine"], results["settings"]["lanes"]
    text += "![Images a second against each axis](../../minicnn/results/growth.png)\n\n"
    text += section(
        "How the speed grows", "python -m minicnn bench --grow", growth.report(results),
        f"Measured on {machine['processor']}, {machine['cores']} cores, with {lanes} lanes, "
        f"{machine['date']}", "growth.json",
    )  # fmt: skip
    return text.rstrip() + "\n"


def bench_command(settings):
    """Return the command that measures this again."""
    words = ["python", "-m", "minicnn", "bench"]
    for name in ("network", "batch", "ops", "threads", "rounds"):
        words += [f"--{name}", str(settings[name])]
    words += ["--against", "torch"] if settings["torch"] else []
    return shlex.join(words)


def two_columns():
    """Return the page of `halves --experiment`."""
    text = (
        "# Two columns that seldom communicate\n\n"
        "Small networks of two columns that exchange channels before different layers, and the "
        "smaller network for one GPU. The colour of a column is the share of colour in its first "
        "kernels: 0 is grey, and weights drawn at random have 0.67.\n\n"
        "![Test errors and colour of the columns](../../minicnn/results/halves.png)\n\n"
    )
    for name, title, options in (
        ("halves", "The sample, first weights scaled by fan-in", "--epochs 20"),
        (
            "halves-cifar10",
            "All 50,000 images, first weights of conv1 from N(0, 0.01²)",
            "--data cifar10 --epochs 20 --seeds 1 --only paper --std 0.01",
        ),
    ):
        lines = journal.read(RESULTS / f"{name}.jsonl", column_specialization.wrong_line)
        command = f"python -m minicnn halves --experiment {options}"
        command = DOWNLOAD + command if "cifar10" in options else command
        output = column_specialization.report(lines)
        text += section(title, command, output, JOURNALS, f"{name}.jsonl")
    gap = paired(RESULTS / "halves.jsonl", "one-gpu", "paper")
    span = f"{gap.low:.1f} to {gap.high:.1f}".replace("-", "−")
    return (
        text + "In the first experiment, the error of the network for one GPU is "
        f"{gap.mean:.1f} points higher than that of two columns that communicate as in the paper; "
        f"paired by seed, the 95% interval is {span}. These seeds decide neither this nor before "
        "which layers columns should communicate. Claim 9 of [claims](claims.md) tests it on all "
        "of CIFAR-10.\n\n"
        "The kernels of two columns after the second of these runs:\n\n"
        "![The first kernels of two columns](../../minicnn/results/halves-kernels.png)\n\n"
        "In the first experiment no column became grey: its first weights were large, scaled by "
        "fan-in, and stay visible as noise in all colours. In the second the kernels are edges and "
        "colours, and the columns differ, but both have kernels of either kind. The specialization "
        "of the paper's Figure 3, one grey column and one colourful column in every run, did not "
        "occur.\n"
    )


def paired(path, first, second):
    """Return the interval of the test error of one variant minus another's, in points."""
    lines = journal.read(path, column_specialization.wrong_line)
    groups = dict(column_specialization.by_variant(lines))
    errors = [[100 * line["error"] for line in groups[name]] for name in (first, second)]
    return intervals.of_paired(*errors)


def conditions(machine):
    """Return the machine of a measurement as text."""
    facts = [f"{name} {machine[name]}" for name in ("python", "numpy", "numba")]
    threads = f"{machine['threads']} threads" if machine["threads"] > 1 else "1 thread"
    processor = machine.get("processor", machine["system"])
    return f"{processor}, {threads}; {', '.join(facts)}; {machine['date']}"


def with_tables(text):
    """Return README.md's text with the results of today.

    A comment in it names a result, which stands below it up to the next blank line.
    """
    race = figure1.report(measured("figure1-sample.json"))
    for name, block in (
        ("figure1", f"```text\n{race}\n```"),
        ("speed", as_table(speed_rows())),
        ("normalization", normalization(short=True)),
        ("claims", as_table(claims_rows(driver.read(RESULTS)))),
    ):
        comment = f"<!-- {name}: written by docs/make_results.py -->\n"
        before, found, rest = text.partition(comment)
        if not found:
            raise ValueError(f"README.md has no place for {name}: {comment}")
        _, blank, after = rest.partition("\n\n")
        text = f"{before}{comment}{block}{blank}{after}"
    return text


def as_table(rows):
    """Return rows of cells as a table in Markdown; the first row is its head."""
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def speed_rows():
    """Return README's table of speed: whole steps and predictions against PyTorch's best."""
    rows = [("ms, two threads", "minicnn", "PyTorch", "PyTorch ÷ minicnn")]
    for name, title in (("alexnet", "AlexNet"), ("cifar", "four layers of Figure 1")):
        results = measured(f"bench-{name}.json")
        step = next(line for line in results["lines"] if line["row"] == "step")  # PyTorch's best
        guess = next(line for line in results["lines"] if line["row"] == "inference")
        images = f"{results['settings']['batch']} images"
        for line, what in ((step, f"training step, {images}"), (guess, "inference, 1 image")):
            times = [table.shown(line["ms"]), table.shown(line["rival_ms"])]
            rows.append((f"{title}, {what}", *times, table.ratio_text(line)))
    return rows


def modes_rows():
    """Return the table of PyTorch's modes: milliseconds of whole steps and predictions."""
    modes = {"torch": "default layout", "torch-channels-last": "channels last",
             "torch-compiled": "compiled"}  # fmt: skip
    rows = [("ms", "minicnn", *modes.values())]
    for name, title in (("alexnet", "AlexNet"), ("cifar", "four layers of Figure 1")):
        results = measured(f"bench-{name}.json")
        for line in results["lines"]:
            if not set(modes) <= line["all_ms"].keys():
                continue
            what = f"{line['pass']} step" if line["row"] == "step" else f"inference, {line['pass']}"
            times = [
                f"**{table.shown(line['all_ms'][mode])}**" if mode == line["rival"]
                else table.shown(line["all_ms"][mode])
                for mode in modes
            ]  # fmt: skip
            rows.append((f"{title}, {what}", table.shown(line["ms"]), *times))
    return rows


def normalization(short=False):
    """Return what AlexNet's normalization has to do with the ratio, in sentences."""
    lines = measured("bench-alexnet.json")["lines"]
    step = next(line for line in lines if line["row"] == "step")["all_ms"]
    passes = [line["all_ms"] for line in lines if line["row"].startswith("lrn")]
    ours, theirs = (sum(times[name] for times in passes) for name in ("fast", "torch"))
    share = f"{theirs / step['torch']:.0%}"
    without = f"{(step['torch'] - theirs) / (step['fast'] - ours):.1f}"
    if short:
        return (
            f"PyTorch's response normalization is slow on a CPU: {share} of its AlexNet step. "
            f"Without it on both sides, PyTorch would take {without} times as long as minicnn."
        )
    return (
        "PyTorch's local response normalization is slow on a CPU. Its four passes in AlexNet, each "
        f"timed alone in the default layout, take {table.shown(theirs)} ms, {share} of the "
        f"training step of {table.shown(step['torch'])} ms; minicnn's take {table.shown(ours)} of "
        f"{table.shown(step['fast'])} ms. Without them on both sides, PyTorch would take {without} "
        "times as long as minicnn."
    )


def claims_rows(lines):
    """Return README's table: of the reproduced and of the refuted claims at most three each.

    They are those with the largest effect in the paper, as a share of the error, and after them
    those for which the paper gives no such number; in the order of their numbers.
    """
    rows = {int(cells[0]): cells[1:] for cells in claims.table(lines)[1:]}
    shown = []
    for verdict in ("reproduced", "refuted here"):
        decided = [number for number, cells in rows.items() if cells[-1] == verdict]
        shown += sorted(decided, key=lambda number: -(CLAIMS[number].share or 0))[:3]
    head = ("claim", "the paper", "here, with its 95% interval", "verdict")
    return [head, *(tuple(map(claims.escaped, rows[number])) for number in sorted(shown))]


if __name__ == "__main__":
    main()
