"""The tutor: read a learner's file, have it run in a sandbox, and write a short, kind answer."""

import textwrap
from collections import namedtuple

from . import gpu_kernels, sandbox
from .catalogue import BY_NAME, following, source
from .judge import EMPTY, calls, judge, wrongness
from .sandbox_child import BORROWED
from .submission import borrowed, read

UNREADABLE, NOT_JUDGED, NOT_CHECKED = "unreadable", "not judged", "not checked"

Result = namedtuple("Result", "file name passed checks mistake hint more printed", defaults=("",))


def results(path, seconds=sandbox.SECONDS):
    """Check one file and return a Result for each exercise in it, or one if it has none."""
    try:
        tree, names = read(path)
    except ValueError as error:
        return [Result(str(path), None, False, [], UNREADABLE, str(error), None)]
    except OSError as error:  # the other files of a class are still checked
        hint = error.strerror or str(error)
        return [Result(str(path), None, False, [], UNREADABLE, hint, None)]
    except Exception as error:
        return [not_judged(path, None, error)]
    return [check(path, tree, name, seconds) for name in names]


def check(path, tree, name, seconds):
    """Return the Result of one exercise in a file, whatever its code does."""
    try:
        if name in gpu_kernels.KERNELS:
            return mended(path, name, seconds)
        return judged(path, tree, name, seconds)
    except Exception as error:  # the other files of a class are still checked
        return not_judged(path, name, error)


def not_judged(path, name, error):
    """Return the Result for an error of the tutor itself, or of the machine."""
    hint = (
        f"The tutor could not judge this: {type(error).__name__}: {sandbox.one_line(str(error))}  "
        "The mistake is in the tutor or this machine; please report it with your file."
    )
    return Result(str(path), name, False, [], NOT_JUDGED, hint, None)


def judged(path, tree, name, seconds):
    """Return the Result of one exercise in a file."""
    file = str(path)
    if line := borrowed(tree, name):
        hint = (
            f"Line {line} uses a {name} that is not yours.  That is a fine way to compare "
            "afterwards, but the exercise is to find the lines yourself, and you can."
        )
        return Result(file, name, False, [], "borrowed", hint, None)
    given = [line.split()[1] for line in BY_NAME[name].given]
    body = source(name).rpartition('"""')[2].strip()
    outcome = sandbox.run(path, name, calls(name), given, seconds, body, wrongness(name))
    verdict = judge(name, outcome.answers, tree)
    checks = [check._asdict() for check in verdict.checks]
    if verdict.passed and outcome.failure:
        label = BORROWED if f": {BORROWED}: " in outcome.failure else "no answer"
        return Result(file, name, False, checks, label, outcome.failure, None, outcome.printed)
    return Result(file, name, verdict.passed, checks, *verdict[2:], outcome.printed)


def mended(path, name, seconds):
    """Return the Result of a CUDA kernel, which the emulator judges."""
    file = str(path)
    if sentence := gpu_kernels.missing():
        return Result(file, name, False, [], NOT_JUDGED, sentence, None)
    outcome = sandbox.run(path, name, gpu_kernels.calls(name), [gpu_kernels.CHILD], seconds)
    cases = gpu_kernels.judge(name, outcome.answers)
    checks = [{"case": title, "passed": not w, "said": list(w or ())[1:]} for title, w in cases]
    if fault := next((w for _, w in cases if w), None):
        mistake, (hint, more) = fault[0], gpu_kernels.advice(name, fault)
    else:
        mistake, hint, more = outcome.failure and "no answer", outcome.failure, None
    return Result(file, name, not mistake, checks, mistake, hint, more, outcome.printed)


# The texts that a learner reads.


def result_text(result, more=False):
    """Return a Result as text; `more` adds the stronger hint."""
    if result.passed:
        return praise(result)
    if result.mistake == EMPTY:
        return f"{result.file}: {result.hint}"
    title = f"{result.file}: {result.name}" if result.name else result.file
    lines = [title, ""]
    shown = False
    for check in result.checks:
        lines.append(f"  {'ok     ' if check['passed'] else 'not yet'}  {check['case']}")
        if not check["passed"] and not shown:
            lines += [f"{' ' * 13}{line}" for text in check["said"] for line in wrapped(text)]
            shown = True
    lines += [""] if result.checks else []
    if result.hint:
        hint = f"Hint: {result.hint}" if shown else result.hint
        lines += textwrap.wrap(hint, 92, initial_indent="  ", subsequent_indent="  ")
    if more and result.more:
        lines += [f"  {result.more}"]
    elif result.more and result.hint:
        lines += ["  (--more says more.)"]
    return "\n".join([*lines, *printed(result)]).rstrip()


def wrapped(text):
    """Return the lines of a text; a sentence is wrapped, a table is not."""
    return text.splitlines() if "\n" in text else textwrap.wrap(text, 86)


def praise(result):
    """Return praise, with what was checked and the next exercise."""
    small = result.checks[-1]["case"].endswith("small inputs")
    count = len(result.checks) - 2 - small  # without the cases by hand and in float32
    more = f", and in {result.checks[-1]['case']}" if small else ""
    untouched = "" if result.name == "sgd_update" else ", its arguments untouched"
    line = (
        f"{result.file}: {result.name} is right: by hand, in {count} awkward cases and in float32"
        f"{more}{untouched}.  Well done!"
    )
    if result.name in gpu_kernels.KERNELS:
        line = f"{result.file}: {gpu_kernels.praise(result.name)}"
    after = following(result.name)
    invitation = LAST_KERNEL if result.name in gpu_kernels.KERNELS else LAST
    if after:
        invitation = f"Next: python -m lessons exercise {after.name}.  {after.question}"
    return "\n".join([*textwrap.wrap(line, 96), *printed(result), invitation])


LAST_KERNEL = "That was the last kernel.  Those of AlexNet are in minicnn/cuda."
LAST = "That was the last one: you have written AlexNet's layers, forward and backward."


def printed(result):
    """Return lines with the printed output of the learner's code."""
    if not result.printed.strip():
        return []
    lines = result.printed.rstrip().splitlines()[:20]
    return ["  It printed:", *(f"    {line[:88]}" for line in lines)]


def harmless(text):
    """Return text without control characters, which could affect the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
