"""A lesson is a script in cells: this file reads them, and runs them one after the other.

    # %% [markdown]               a cell of text: Markdown, each line after "# "
    # # How does it work?
    # %%                          a cell of code
    y, cache = relu_forward(x)
    y                             the value of its last expression is shown, as in a notebook

What stands before the first marker is code, too.  The letters of this file:

    kind, source   "markdown" or "code", and the text of a cell without its marker
    namespace      the names that the cells have defined so far
    value          what the last expression of a code cell is worth
    pause          asks the reader to go on, and returns the answer: `input`; None to run through
"""

import ast
import os
import pathlib
import re

from . import terminal

FOLDER = pathlib.Path(__file__).parents[1]  # where the lessons are
OUT = pathlib.Path("runs") / "lessons"  # where figures go, seen from where one works
MARKER = re.compile(r"^# %%(.*)\n?", re.MULTILINE)
PROMPT = "[Enter] run it   [b] back   [q] quit   "
AGAIN = "[Enter] go on   [b] back   [q] quit   "
SHOW_AGAIN = "[Enter] show it again   [b] back   [q] quit   "


def lessons():
    """Return the paths of all lessons, in reading order."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.py"))


def find(number):
    """Return the path of the lesson with this number.

    Raises
    ------
    ValueError
        If there is none; the message says which there are.
    """
    found = {int(path.name[:2]): path for path in lessons()}
    if number not in found:
        there = f"they go from {min(found)} to {max(found)}" if found else "there are none at all"
        raise ValueError(f"there is no lesson {number}: {there}")
    return found[number]


def title(path):
    """Return the heading of a lesson without its number, and its emphasised question, or ""."""
    text = "\n".join(source for kind, source in cells(path) if kind == "markdown")
    heading = re.search(r"^# +(?:\d+\. +)?(.+)", text, re.MULTILINE)
    question = re.search(r"(?<!\*)\*(?![*\s])([^*]*\?[^*]*)\*", text)
    found = [heading[1] if heading else path.stem, question[1] if question else ""]
    return tuple(terminal.plain(" ".join(words.split())) for words in found)


def cells(path):
    """Return the cells of a lesson as a list of (kind, source); kind is "markdown" or "code".

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    return [(kind, source) for kind, source, _ in numbered(path)]


def numbered(path):
    """Return (kind, source, line) of every cell: `line` is where the source starts in the file."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    markers = list(MARKER.finditer(text))
    ends = [marker.start() for marker in markers[1:]] + [len(text)]
    spans = [(marker[1], marker.end(), end) for marker, end in zip(markers, ends, strict=True)]
    if markers:  # there may be code before the first of them
        spans.insert(0, ("", 0, markers[0].start()))
    found = []
    for tag, start, end in spans or [("", 0, len(text))]:
        kind = "markdown" if "[markdown]" in tag else "code"
        source = text[start:end]
        if not source.strip():
            continue
        line = 1 + text.count("\n", 0, start)
        if kind == "markdown":
            source = re.sub(r"^# ?", "", source, flags=re.MULTILINE)
        found.append((kind, source.rstrip() + "\n", line))
    return found


def run(path, pause=None, write=print):
    """Run a lesson cell by cell; show its text, its code, and what each code cell ends on.

    A value with a method `show` shows itself; a figure of matplotlib is saved under runs/lessons/,
    and its path is printed; everything else goes through `write`, as does the text.

    Parameters
    ----------
    path : path
        The lesson.
    pause : function, optional
        Called with a prompt before a code cell runs: `input`.  An answer of "b" goes back to the
        code cell before, to read it again: it does not run again, but what it ended on is shown
        again, the stepper, for example.  "q" ends the walk.
    write : function
        Takes one text.

    Returns
    -------
    dict or None
        The names that the lesson has defined; None if the reader quit before its end.

    Raises
    ------
    Exception
        What a cell raised; a note says which cell it was.
    """
    path = pathlib.Path(path)
    os.environ.setdefault("MPLBACKEND", "Agg")  # figures go to files, also where there is no screen
    all_cells = numbered(path)
    namespace = {"__name__": "__main__", "__file__": str(path)}
    values = {}  # of the code cells that have run
    here = 0
    while here < len(all_cells):
        kind, source, line = all_cells[here]
        if kind == "markdown":
            write(terminal.markdown(source))
            here += 1
            continue
        write(terminal.code(source))
        prompt = AGAIN if values.get(here) is None else SHOW_AGAIN
        answer = answered(pause, prompt if here in values else PROMPT) if pause else ""
        if answer == "q":
            return None
        if answer == "b":
            here = before(all_cells, here)
            continue
        if here not in values:
            try:
                values[here] = execute(source, line, path, namespace)
            except Exception as error:
                error.add_note(f"This was cell {here + 1} of {path.name}, at its line {line}.")
                raise
        show(values[here], f"{path.stem}-{here + 1}", pause, write)
        write("")
        here += 1
    return namespace


def answered(pause, prompt):
    """Return what the reader answers, "", "b" or "q"; whatever else it is, ask again."""
    while (answer := pause(prompt).strip().lower()) not in ("", "b", "back", "q", "quit"):
        pass
    return answer[:1]


def before(all_cells, here):
    """Return where one gets from cell `here` with "b": to the text over the code cell before it."""
    code = [i for i in range(here) if all_cells[i][0] == "code"]
    back = code[-1] if code else 0
    while back > 0 and all_cells[back - 1][0] == "markdown":
        back -= 1
    return back


def execute(source, line, path, namespace):
    """Run the code of a cell; return the value of its last expression, or None if it has none.

    Lines are counted from the top of the file, so that errors, and the stepper, find them there.
    """
    tree = ast.parse("\n" * (line - 1) + source, str(path))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, path, "exec"), namespace)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), path, "eval"), namespace)


def show(value, name, pause, write):
    """Show the value of a cell; `name` is for the file of a figure."""
    if value is None:
        return
    if hasattr(value, "show") and not is_figure(value):
        value.show(pause)
    elif is_figure(value):
        picture = OUT / f"{name}.png"
        OUT.mkdir(parents=True, exist_ok=True)
        value.savefig(picture, dpi=120, bbox_inches="tight")
        write(f"The figure is in {picture}")
    else:
        write(str(value))


def is_figure(value):
    """Return whether value is a figure of matplotlib, which is not imported to find out."""
    return any(kind.__module__ == "matplotlib.figure" for kind in type(value).__mro__)
