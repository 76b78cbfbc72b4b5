"""The tutor: reads a learner's file, has it run apart, and says what it thinks, kindly and shortly.

    python -m lessons check FILE…                      files, or folders of files
    python -m lessons check FOLDER --report out.json   for a class

The report is JSON: {"format": FORMAT, "results": […]}, an entry for each exercise in each file:

    file      the path, as it was given
    name      the exercise; null where the file holds none, or cannot be read as Python
    passed    true or false
    checks    [{"case": its title, "passed": true or false, "said": [lines]}]
    mistake   its name: a heading in hints/, or "still empty", "stopped", "not a tuple", "argument
              changed", "wrong shape", "wrong dtype", "no answer", "unreadable", …; or null
    hint      what the tutor said about it, or null
    printed   what the code has printed, the first 2,000 characters

Exit codes: 0 if all exercises in all files are right, else 1.
"""

import ast
import difflib
import json
import pathlib
import textwrap
from collections import namedtuple

from minicnn.checkpoint import make_folder, write_text

from .. import progress
from . import apart
from .judge import EMPTY, calls, judge
from .statements import BY_NAME, EXERCISES, following

FORMAT = "minicnn exercises 1"
UNREADABLE = "unreadable"

Result = namedtuple("Result", "file name passed checks mistake hint more printed", defaults=("",))


def files(paths):
    """Return the Python files that paths name, folders searched through.

    Raises ValueError if there is none in a folder, OSError if a path does not exist.
    """
    found = []
    for path in map(pathlib.Path, paths):
        inside = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        if not inside:
            raise ValueError(f"{path}: there is no .py file in this folder")
        if not path.exists():
            raise FileNotFoundError(2, "there is no such file", str(path))
        found += inside
    return found


def results(path, seconds=apart.SECONDS):
    """Check one file, and return a Result for each exercise in it; at least one."""
    try:
        tree, names = read(path)
    except ValueError as error:
        return [Result(str(path), None, False, [], UNREADABLE, str(error), None)]
    except OSError as error:  # of a class, the others are checked all the same
        return [Result(str(path), None, False, [], UNREADABLE, error.strerror, None)]
    return [check(path, tree, name, seconds) for name in names]


def read(path):
    """Return the syntax tree of a file and the exercises in it, in teaching order.

    Raises ValueError, with a sentence for the learner, if it is not Python or holds no exercise.
    """
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        line = (error.text or "").strip()
        where = f"line {error.lineno}" if error.lineno else "this file"
        where += f", `{line}`" if line else ""
        hint = "  (The cause may stand one line above.)" if line else ""
        raise ValueError(f"Python cannot read {where}: {error.msg}.{hint}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"Python cannot read this file: {error}") from None
    written = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    names = [exercise.name for exercise in EXERCISES if exercise.name in written]
    if not names:
        near = [m for w in written for m in difflib.get_close_matches(w, BY_NAME, n=1, cutoff=0.8)]
        hint = f"Did you mean {near[0]}?" if near else "python -m lessons exercise lists them."
        raise ValueError(f"There is no function here that is named like an exercise.  {hint}")
    return tree, names


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
    outcome = apart.run(path, name, calls(name), given, seconds)
    verdict = judge(name, outcome.answers)
    checks = [check._asdict() for check in verdict.checks]
    if verdict.passed and outcome.failure:
        return Result(
            file, name, False, checks, "no answer", outcome.failure, None, outcome.printed
        )
    return Result(file, name, verdict.passed, checks, *verdict[2:], outcome.printed)


def borrowed(tree, name):
    """Return the line in which the learner's code uses another function of this name, or None.

    An import above the learner's own function does no harm: the function hides it.  Nor does one
    that is used for comparison, outside of all functions or in a test.
    """
    (own, *_) = [node for node in tree.body if getattr(node, "name", None) == name]
    aliases = set()
    for node in tree.body:
        for alias in node.names if isinstance(node, ast.ImportFrom) else []:
            if alias.name == name and alias.asname:
                aliases.add(alias.asname)
            elif alias.name == name and node.lineno > own.lineno:
                return node.lineno  # here it is the learner's own that is hidden
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for node in (n for f in functions if not f.name.startswith("test") for n in ast.walk(f)):
        within = isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]
        called = getattr(node, "id", None) in aliases or getattr(node, "attr", None) == name
        by_string = isinstance(node, ast.Constant) and node.value == name  # getattr(…, "…")
        if within or called or by_string:
            return node.lineno
    return None


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
    """Return a line of praise: what was checked, and what comes next."""
    count = len(result.checks) - 2
    line = (
        f"{result.file}: {result.name} is right: by hand, in {count} awkward cases and in float32, "
        "and it changes none of its arguments.  Well done!"
    )
    after = following(result.name)
    next_line = (
        f"Next: python -m lessons exercise {after.name}   {after.question}" if after else LAST
    )
    return "\n".join([line, *printed(result), next_line])


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


def main(paths, report=None, plainly=False, seconds=apart.SECONDS):
    """Check files, print what the tutor says, write the report; return the exit code.

    Parameters
    ----------
    paths : list of path
        Files, and folders to search for .py files.
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
        write_text(report, json.dumps(content, indent=1, ensure_ascii=False))
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
