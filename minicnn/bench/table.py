"""The results as text: the conditions, a table, and a sentence for each other result."""

from ..console import aligned
from ..machine import MiB


def report(results):
    """Return the results as text; measure.py describes them."""
    settings, machine = results["settings"], results["machine"]
    threads, rounds = counted(settings["threads"], "thread"), counted(settings["rounds"], "round")
    lanes = f" with {settings['lanes']} lanes" if settings.get("lanes") else ""
    processor = f"{machine['processor']}, {counted(machine['cores'], 'core')}, {machine['system']}"
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    text = [
        f"{settings['network']}, batches of {settings['batch']}, {settings['ops']}{lanes}, "
        f"{'products in TF32, ' if settings['tf32'] else ''}{threads}, {rounds}, {machine['date']}",
        f"{processor}; {versions}",
        *([machine["gpu"]] if "gpu" in machine else []),
        f"limits: {shown(results['limits']['gflops'])} GFLOP/s in a matrix product, "
        f"{shown(results['limits']['gb_per_s'])} GB/s in a copy",
    ]
    if results["lines"]:
        text += ["", *table(results["lines"]), ""]
    steps = [line for line in results["lines"] if line["row"] == "step"]
    for line in steps[:1]:  # our time is the same in each
        speed = settings["batch"] / line["ms"] * 1000
        text.append(f"training: {speed:,.0f} images a second")
    if results["memory"]:
        sizes = [
            f"{name} {size['peak'] / MiB:,.0f} MiB"
            + (f" ({size['imports'] / MiB:,.0f} after imports)" if size["imports"] else "")
            for name, size in results["memory"].items()
        ]
        owner = "of the GPU" if "gpu" in machine else "of a process"
        text.append(f"peak memory {owner} in the third training step: {', '.join(sizes)}")
    for name, seconds in results["first_step"].items():
        times = f"{shown(seconds['compiled'])} s, in a second process {shown(seconds['cached'])} s"
        text.append(f"first training step, {name}: {times}")
    text += results["notes"]
    text.append(f"load average: {machine['load_before']} before, {machine['load_after']} after")
    if (machine["load_before"] or 0) >= 0.5:
        advice = (
            "measure again when it is idle; PyTorch's threads spin while they wait, and suffer most"
        )
        text.append(f"The machine was busy: {advice}.")
    return "\n".join(text)


def table(lines):
    """Return the lines as a table of text, without the rivals' columns if there are none."""
    rows = ["row,pass,ms,GFLOP/s,GB/s,of limit,rival ms,rival ÷ ours,rival".split(",")]
    for line in lines:
        numbers = [line[name] for name in ("ms", "gflops", "gb_per_s", "of_limit", "rival_ms")]
        ratio = ratio_text(line) if line["rival"] else ""
        words = [shown(n) for n in numbers]
        rows.append([line["row"], line["pass"], *words, ratio, line["rival"] or ""])
    if not any(line["rival"] for line in lines):
        rows = [cells[:6] for cells in rows]
    text = aligned(rows, right=range(2, 8))
    return [text[0], "-" * max(map(len, text)), *text[1:]]


def counted(number, word):
    """Return "1 thread", "2 threads"."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def shown(number):
    """Return the number with three significant digits, or "" for None."""
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def ratio_text(line):
    """Return "1.84 ± 0.05", "≈ 1 (0.97–1.04)", "unclear (0.5–3)" or, for few rounds, "0.9–1"."""
    if line["ratio"] is not None:
        return f"{line['ratio']:.2f} ± {line['spread']:.2f}"
    span = f"{line['low']:.2g}–{line['high']:.2g}"
    if line["spread"] is None and not line["disturbed"]:
        return span
    close = not line["disturbed"] and line["spread"] < 0.1
    return f"≈ 1 ({span})" if close else f"unclear ({span})"
