"""The findings as a table, as a page with figures, and as a list of what is still to do."""

import json
import pathlib
import textwrap

import numpy as np

from .. import storage
from ..console import aligned
from ..plots import curves
from ..plots.canvas import new_figure, save
from . import driver, findings
from .table import CLAIMS

PACKAGED = pathlib.Path(__file__).parent.parent / "results"  # the folder of minicnn's own journal
RACES = ("figure1.json", "figure1-sample.json")  # on all images, and on the sample
RULES = """\
**Here** is how much better the paper's choice did, in points of test error unless another unit is
given, and in brackets the 95% interval: of 100 such intervals, 95 contain the true difference.
It comes from the differences between runs with the same seed, by Student's t; where two ways of
predicting with the same weights are compared (claims 13 and 19), from the images that only one of
them gets right, by McNemar's formula, as if all networks erred on the same ones. (This was added
after the runs; it widened both intervals, by √3 and √5, and changed no verdict.)

"The paper's would be" is the paper's difference on our scale: its share of the paper's error, times
our error. {example} A dash means that the paper gives no number.

The **verdict** follows a rule that was fixed before the runs (`claims/intervals.py`):

- *reproduced*: the interval is above 0, so the difference has the paper's sign, whatever its size;
- *refuted here*: it is not, and the interval is below the paper's difference, even if its middle is
  above 0; where the paper gives none, the interval is below 0;
- *undecided*: neither; more seeds would narrow the interval;
- *not run*: too few runs are done for an interval.

Claims 8 and 15 need no runs: 8 counts parameters, and 15 is reproduced if halving is exact with one
hidden layer, because "reasonable" sets no bound for two. Claim 22 says that there is no difference,
which exchanges the first two verdicts. In claim 24 a network is as good as its name if its error
rounds to that number, or to less.

Claims 1 and 2 are the whole experiment behind Figure 1: two networks, two grids of the learning
rate ε, four numbers of images, three seeds. `python -m minicnn figure1` is its short form: one
network and one grid. On all images {whole}, and on the sample of 5,000 {sample}. So few seeds
decide neither claim."""
HEADING = ("", "claim", "the paper", "here, with its 95% interval", "verdict")


def table(lines, numbers=CLAIMS, dataset="cifar10"):
    """Return the findings of these claims as rows of text: HEADING, then one for each claim."""
    rows = [HEADING]
    for number in numbers:
        claim, found = CLAIMS[number], findings.find(number, lines, dataset)
        here, verdict = ("", "not run") if found is None else (result(found), found.verdict)
        rows.append((str(number), claim.says, claim.paper, here, verdict))
    return rows


def result(found):
    """Return what came out in a few words."""
    if found.interval is None:
        return found.detail
    mean, low, high, *_ = found.interval
    text = f"{mean:.2f} ({low:.2f} … {high:.2f}) {found.unit}"
    return text if found.expected is None else f"{text}; the paper's would be {found.expected:.2f}"


def text(lines, numbers=CLAIMS, dataset="cifar10"):
    """Return the findings as a list for a terminal: a second line for each claim that has runs."""
    parts = []
    for number, says, paper, here, verdict in table(lines, numbers, dataset)[1:]:
        parts.append(f"{number:>2}  {verdict:<12}  {says}{stated(paper)}")
        if here:
            parts.append(f"{'':18}{here}")
    return "\n".join(parts)


def stated(paper):
    """Return what the paper says as text in brackets, or "" if it gives no number."""
    return {"–": "", "not in the paper": " (not in the paper)"}.get(paper, f" (paper: {paper})")


def sentence(number):
    """Return a claim, the paper's number, ours and the verdict, in lines of a terminal's width.

    They come from minicnn's own journal.
    """
    (_, says, paper, here, verdict) = table(driver.read(PACKAGED), [number])[1]
    measured = f"Here: {here}: {verdict}." if here else "Not tested here yet."
    return textwrap.fill(f"Claim {number}: {says}{stated(paper)}. {measured}", 79)


def progress(out, ops, photos, numbers, dataset, seeds=None):
    """Return what is done of each claim, and how long the rest takes on this machine."""
    rows, total, seconds = [("", "claim", "runs done", "the rest takes")], 0.0, {}
    counted = set()
    for number in numbers:
        runs = driver.runs_of([number], seeds)
        left = driver.missing(out, [number], dataset, seeds)
        for name, _ in left:
            if name not in seconds:
                seconds[name] = driver.seconds_per_run(ops, photos, name)
        rest = sum(seconds[name] for name, _ in left)
        total += sum(seconds[name] for name, seed in left if (name, seed) not in counted)
        counted.update(left)
        done = f"{len(runs) - len(left)} of {len(runs)}" if runs else "–"
        rows.append((str(number), CLAIMS[number].says, done, hours(rest) if left else "–"))
    lines = [line.rstrip() for line in aligned(rows, right=[0])]
    note = "choosing ε comes on top: three to nine runs of a fifth of that length for each arm"
    return "\n".join([*lines, "", f"together {hours(total)} ({note})"])


def hours(seconds):
    """Return a time as text: "35 minutes", "2.5 hours"."""
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def write(folder, lines, dataset="cifar10"):
    """Write claims.md, claims.png and a figure for each claim with runs; return their names."""
    folder = pathlib.Path(folder)
    storage.make_folder(folder)
    names = ["claims.md", "claims.png"]
    rows = [[escaped(cell) for cell in row] for row in table(lines, CLAIMS, dataset)]
    page = ["# The paper's claims, tested on CIFAR-10", "", *rules(lines, dataset), ""]
    page += ["| " + " | ".join(row) + " |" for row in rows[:1]]
    page += ["|---|---|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows[1:]), ""]
    page += ["![All claims that lower an error](claims.png)", ""]
    draw_all(lines, folder / "claims.png", dataset)
    for number, claim in CLAIMS.items():
        found = findings.find(number, lines, dataset)
        if found is None:
            continue
        page += [f"## {number}. {claim.says}", "", f"{found.detail}.", ""]
        if claim.elsewhere:
            page += [f"On ImageNet: {claim.elsewhere}.", ""]
        if found.points:
            name = f"claim-{number}.png"
            draw(found, folder / name)
            page += [f"![The runs of claim {number}]({name})", ""]
            names.append(name)
    page += [
        "A ○ is a run from one seed.  Each arm has its own best ε, chosen on training images that "
        "are held out; in a race, by the epochs until its goal.  Errors are those of all 10,000 "
        f"test images.  The journal, `claims.jsonl`, has {counted(lines)}, made on:",
        "",
        *(f"- {machine}" for machine in machines(lines)),
        "",
        "Written by `python -m minicnn claims --report docs/results`.",
        "",
    ]
    storage.write_text(folder / "claims.md", "\n".join(page))
    return names


def rules(lines, dataset):
    """Return the paragraphs that explain the columns of the table, as lines of Markdown."""
    example = ""
    for number, claim in CLAIMS.items():
        found = findings.find(number, lines, dataset) if claim.share else None
        if found is not None and found.expected:
            share, ours = f"{claim.share:.0%}", f"{found.expected:.2f}"
            example = f"In claim {number}, {claim.paper} are {share} of the paper's error, and "
            example += f"{share} of ours are {ours}."
            break
    ratios = [json.loads((PACKAGED / name).read_text("utf-8"))["ratio"] for name in RACES]
    races = [f"{curves.ratio_text(r)} as ReLU (seeds: {len(r['by_seed'])})" for r in ratios]
    return RULES.format(example=example, whole=races[0], sample=races[1]).splitlines()


def counted(lines):
    """Return how many lines of each purpose there are, as text."""
    purposes = [line["purpose"] for line in lines]
    words = {"run": "runs", "choose": "short trials of an ε", "ensemble": "averages of networks"}
    return ", ".join(f"{purposes.count(name)} {word}" for name, word in words.items())


def machines(lines):
    """Return the machines on which runs were made, as text, with the first and last date."""
    dates = {}
    for line in lines:
        facts = dict(line.get("machine") or {})
        date = facts.pop("date", "")
        facts.pop("threads", None)  # they change no number
        text = ", ".join(f"{name} {value}" for name, value in facts.items())
        dates.setdefault(text or "a machine that the journal does not name", set()).add(date)
    return [
        f"{text}, {' to '.join(sorted({min(d), max(d)}))}".rstrip(", ") for text, d in dates.items()
    ]


def escaped(cell):
    return cell.replace("|", "\\|")


def draw(found, path):
    """Draw the value of every run of a finding: a circle for each seed, and a bar at their mean."""
    figure, axes = new_figure(6, 0.7 + 0.5 * len(found.points))
    for place, values in enumerate(found.points.values()):
        axes.plot(values, [place] * len(values), "o", color="black", mfc="none")
        axes.plot(np.mean(values), place, "|", color="tab:red", markersize=18)
    axes.set_yticks(range(len(found.points)), labels=found.points)
    axes.set_ylim(len(found.points) - 0.5, -0.5)
    axes.set_xlabel(f"{found.axis} (○ a seed, | their mean)")
    save(figure, path)


def draw_all(lines, path, dataset):
    """Draw the paper's difference and ours, as shares of the error, for all claims that have both.

    Both are divided by our own error, so that they are on one scale.
    """
    shown = []
    for number, claim in CLAIMS.items():
        found = findings.find(number, lines, dataset) if claim.share else None
        if found is not None and found.expected:
            shown.append((number, claim, found))
    figure, axes = new_figure(8, 1.2 + 0.45 * len(shown))
    for place, (_, claim, found) in enumerate(shown):
        to_share = 100 * claim.share / found.expected
        mean, low, high = (to_share * value for value in found.interval[:3])
        axes.plot([low, high], [place, place], "-", color="tab:blue")
        axes.plot(mean, place, "o", color="tab:blue", label="here" if not place else None)
        axes.plot(100 * claim.share, place, "D", color="tab:red", mfc="none",
                  label="the paper" if not place else None)  # fmt: skip
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(shown)), labels=[f"{n}. {claim.says}" for n, claim, _ in shown])
    axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
    axes.set_xlabel("lower error, in % of the error")
    if shown:
        axes.legend(frameon=False)
    save(figure, path)
