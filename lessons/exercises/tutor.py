"""The tutor: reads a learner's file, has it run apart, and says what it thinks, kindly and shortly.

    python -m lessons check                            all that is in runs/exercises
    python -m lessons check relu_backward              runs/exercises/relu_backward.py
    python -m lessons check FILE…                      files, or folders of files
    python -m lessons check FOLDER --report out.json   for a class

The report is JSON: {"format": FORMAT, "results": […]}, an entry for each exercise in each file:

    file      the path, as it was given
    name      the exercise; null where the file holds none, or cannot be read as Python
    passed    true or false
    checks    [{"case": its title, "passed": true or false, "said": [lines]}]
    mistake   its name: a heading in hints/, or "still empty", "stopped", "not a tuple", "wrong
              shape", "wrong dtype", "argument changed", "no answer", "borrowed", "unreadable", …
              or null
    hint      what the tutor said about it, or null
    printed   what the code has printed, the first 2,000 characters

Exit codes: 0 if all exercises in all files are right, else 1.
"""

import json
import pathlib
import textwrap
from collections import namedtuple

from minicnn.storage import make_folder, write_text

from ..viewer import progress
from . import sandbox
from .catalogue import BY_NAME, following
from .judge import EMPTY, calls, judge
from .submission import borrowed, files, read

FORMAT = "minicnn exercises 1"
UNREADABLE = "unreadable"

Result = namedtuple("Result", "file name passed checks mistake hint more printed", defaults=("",))


def results(path, seconds=sandbox.SECONDS):
    """Check one file, and return a Result for each exercise in it; at least one."""
    try:
        tree, names = read(path)
    except ValueError as error:
        return [Result(str(path), None, False, [], UNREADABLE, str(error), None)]
    except OSError as error:  # of a class, the others are checked all the same
        return [Result(str(path), None, False, [], UNREADABLE, error.strerror, None)]
    return [check(path, tree, name, seconds) for name in names]


def check(path, tree, name, seconds):
    """Return the Result of one exercise in a file."""
    file = str(path)
    if line := borrowed(tree, name):
        hint = (
            f"Line {line} takes a {name} that is not yours.  That is a fine way to compare "
            "afterwards; but the exercise is to find the lines yourself, and you can."
        )
        return Result(file, name, False, [], "borrowed", hint, None)
    given = [line.split()[1] for line in BY_NAME[name].given]
    outcome = sandbox.run(path, name, calls(name), given, seconds)
    verdict = judge(name, outcome.answers)
    checks = [check._asdict() for check in verdict.checks]
    if verdict.passed and outcome.failure:
        return Result(
            file, name, False, checks, "no answer", outcome.failure, None, outcome.printed
        )
    return Result(file, name, verdict.passed, checks, *verdict[2:], outcome.printed)


# What the learner reads.


def told(result, plainly=False):
    """Return a Result as text."""
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
            lines += [f"{' ' * 13}{line}" for said in check["said"] for line in wrapped(said)]
            shown = True
    lines += [""] if result.checks else []
    if result.hint:
        word = "Hint: " if shown else ""
        lines += textwrap.wrap(word + result.hint, 92, initial_indent="  ", subsequent_indent="  ")
    if plainly and result.more:
        lines += [f"  {result.more}"]
    elif result.more and result.hint:
        lines += ["  (--more says more.)"]
    return "\n".join([*lines, *printed(result)]).rstrip()


def wrapped(text):
    """Return the lines of a text; a sentence is wrapped, a table is not."""
    return text.splitlines() if "\n" in text else textwrap.wrap(text, 86)


def praise(result):
    """Return praise: what was checked, and what comes next."""
    count = len(result.checks) - 2  # the others: by hand, and in float32
    untouched = "" if result.name == "sgd_update" else ", its arguments untouched"
    line = (
        f"{result.file}: {result.name} is right: by hand, in {count} awkward cases and in float32"
        f"{untouched}.  Well done!"
    )
    after = following(result.name)
    ahead = f"Next: python -m lessons exercise {after.name}.  {after.question}" if after else LAST
    return "\n".join([*textwrap.wrap(line, 96), *printed(result), ahead])


LAST = "That was the last one: you have written AlexNet's layers, forward and backward."


def printed(result):
    """Return lines with what the learner's code has printed."""
    if not result.printed.strip():
        return []
    lines = result.printed.rstrip().splitlines()[:20]
    return ["  It printed:", *(f"    {line[:88]}" for line in lines)]


def harmless(text):
    """Return text without characters that do things to a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


# The command.


def main(paths, report=None, plainly=False, seconds=sandbox.SECONDS):
    """Check files, print what the tutor says, write the report; return the exit code.

    Parameters
    ----------
    paths : list of path
        Files, folders to search for .py files, names of exercises; none means runs/exercises.
    report : path
        Where the JSON goes, if anywhere.
    plainly : bool
        Whether to say more than the hint.
    seconds : float
        How long a learner's code may take for its import, and for each call.

    Raises
    ------
    ValueError, OSError
        If there is no such file, none in a folder, or the report cannot be written.
    """
    if report:
        demand_a_place(pathlib.Path(report))
    found = []
    for path in files(paths):
        for result in results(path, seconds):
            print(harmless(told(result, plainly)), end="\n\n", flush=True)
            found.append(result)
            if result.passed and not report:  # of a class, nothing is noted
                progress.done("exercise", result.name)
    if report:
        content = {"format": FORMAT, "results": [*map(entry, found)]}
        write_text(report, json.dumps(content, indent=1))
        right = sum(result.passed for result in found)
        print(f"{right} of {len(found)} are right; {report} has the report.")
    return 0 if all(result.passed for result in found) else 1


def demand_a_place(report):
    """Raise OSError if the report cannot be written: not only after an hour of checking."""
    if report.is_dir():
        raise IsADirectoryError(21, "is a folder; --report needs the name of a file", str(report))
    make_folder(report.parent)


def entry(result):
    """Return a Result as the report has it."""
    return {name: value for name, value in result._asdict().items() if name != "more"}
