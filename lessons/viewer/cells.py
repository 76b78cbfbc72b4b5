"""Read the cells of a lesson's script, and run them one after the other.

    # %% [markdown]               a cell of text: Markdown, each line after "# "
    # # How does it work?
    # %%                          a cell of code
    y, cache = relu_forward(x)
    y                             the value of its last expression is shown, as in a notebook

Text before the first marker is code.  The names in this file:

    kind, source   "markdown" or "code", and the text of a cell without its marker
    namespace      the names that the cells have defined so far
    value          the value of a code cell's last expression
    pause          asks the reader for a command and returns it, like `input`; None never stops
"""

import ast
import contextlib
import itertools
import linecache
import os
import pathlib
import re
import webbrowser

from minicnn.storage import write_whole

from . import terminal

FOLDER = pathlib.Path(__file__).parents[1]  # the folder of the lessons
NUMBERS = itertools.count(1)  # of changed cells
OUT = pathlib.Path("runs") / "lessons"  # the folder for figures, relative to the working folder
MARKER = re.compile(r"^# %%(.*)\n?", re.MULTILINE)
PROMPT = "[Enter] run it   [e] change a line   [b] back   [q] quit   "
ASK = "Your prediction, or [Enter]   [e] change a line   [b] back   [q] quit   "
AGAIN = "[Enter] continue   [e] change a line   [b] back   [q] quit   "
SHOW_AGAIN = "[Enter] show it again   [e] change a line   [b] back   [q] quit   "
AFTER = "[Enter] go on   [e] change a line and run it again   [b] back   [q] quit   "
AFTER_FIGURE = "[Enter] go on   [o] open the figure   [e] change a line   [b] back   [q] quit   "
ANSWER = "[Enter] show the answers   [b] back   [q] quit   "
ANSWERS = re.compile(r"<details>\n<summary>(.+)</summary>\n(.*)</details>\n?", re.DOTALL)
PREDICT = re.compile(r"\b[Pp]redict\b")  # a text with it asks for the output of the next cell


def lessons():
    """Return the paths of all lessons, in reading order."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.py"))


def find(number):
    """Return the path of the lesson with this number.

    Raises
    ------
    ValueError
        If there is none; the message gives the range.
    """
    paths = {int(path.name[:2]): path for path in lessons()}
    if number not in paths:
        known = f"they go from {min(paths)} to {max(paths)}" if paths else "there are none at all"
        raise ValueError(f"there is no lesson {number}: {known}")
    return paths[number]


def title(path):
    """Return a lesson's heading without its number, and its emphasised question or ""."""
    text = "\n".join(source for kind, source in cells(path) if kind == "markdown")
    heading = re.search(r"^# +(?:\d+\. +)?(.+)", text, re.MULTILINE)
    question = re.search(r"(?<!\*)\*(?![*\s])([^*]*\?[^*]*)\*", text)
    texts = [heading[1] if heading else path.stem, question[1] if question else ""]
    return tuple(terminal.plain(" ".join(text.split())) for text in texts)


def minutes(path):
    """Return how many minutes a lesson takes, as it says itself, or None."""
    said = re.search(r"\*\*(\d+) minutes\.\*\*", pathlib.Path(path).read_text(encoding="utf-8"))
    return int(said[1]) if said else None


def without_answers(source):
    """Return the text of a cell without the answers to its tasks."""
    return ANSWERS.sub("", source)


def plan(path):
    """Return what a teacher needs of a lesson, as Markdown.

    That is its title and question, its minutes, what it needs, its goals, and its tasks with their
    answers.
    """
    (_, opening), *_, (_, ending) = cells(path)
    heading, question = title(path)
    terms = opening[opening.index("**", opening.index(" minutes.**") - 4) :].strip()
    tasks, answers = without_answers(ending), ANSWERS.search(ending)
    tasks = tasks[tasks.index("## Change this and predict") :].strip()
    head = f"# {int(path.name[:2])}. {heading}\n\n*{question}*\n\n{terms}\n\n{tasks}"
    return f"{head}\n\n## {answers[1]}\n\n{answers[2].strip()}\n" if answers else head


def cells(path):
    """Return the cells of a lesson as a list of (kind, source); kind is "markdown" or "code".

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    return [(kind, source) for kind, source, _ in numbered(path)]


def numbered(path):
    """Return (kind, source, line) of each cell; `line` is the first line of its source."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    markers = list(MARKER.finditer(text))
    ends = [marker.start() for marker in markers[1:]] + [len(text)]
    spans = [(marker[1], marker.end(), end) for marker, end in zip(markers, ends, strict=True)]
    if markers:  # there may be code before the first marker
        spans.insert(0, ("", 0, markers[0].start()))
    cells = []
    for tag, start, end in spans or [("", 0, len(text))]:
        kind = "markdown" if "[markdown]" in tag else "code"
        source = text[start:end]
        if not source.strip():
            continue
        line = 1 + text.count("\n", 0, start)
        if kind == "markdown":
            source = re.sub(r"^# ?", "", source, flags=re.MULTILINE)
        cells.append((kind, source.rstrip() + "\n", line))
    return cells


def run(path, pause=None, write=print):
    """Run a lesson cell by cell; show its text, its code and the value of each code cell.

    A value with a `show` method shows itself.  A matplotlib figure is saved under runs/lessons/ and
    its path is written.  Any other value is written as text, like the cells.

    Parameters
    ----------
    path : path
        The lesson.
    pause : function, optional
        Called with a prompt before and after each code cell, like `input`.  Before a cell whose
        output is to be predicted, its answer may be the prediction.  The answer "b" goes back to
        the previous code cell, which does not run again but shows its value again, such as
        a stepper.  "e" changes a line of the cell, which then runs again; the file stays as it is.
        "o" opens a figure.  "q" quits the lesson.
    write : function
        Called with each text.

    Returns
    -------
    dict or None
        The names that the lesson has defined, or None if the reader quit.

    Raises
    ------
    Exception
        If a cell raises one; a note names the cell.
    """
    path = pathlib.Path(path)
    os.environ.setdefault("MPLBACKEND", "Agg")  # figures go to files, so no screen is needed
    all_cells = numbered(path)
    namespace = {"__name__": "__main__", "__file__": str(path)}
    values = {}  # {index of a code cell that has run: its value}
    changed = {}  # {index of a cell that the reader has changed: its text before}
    current = 0
    while current < len(all_cells):
        kind, source, line = all_cells[current]
        if kind == "markdown":
            answers = ANSWERS.search(source)
            write(terminal.markdown(without_answers(source)))
            answer = answered(pause, ANSWER) if answers and pause else ""
            if answer == "b":
                current = previous(all_cells, current)
                continue
            if answers and not answer:
                write(terminal.markdown(f"## {answers[1]}\n\n{answers[2].strip()}"))
            current += 1
            continue
        write(terminal.code(source))
        name = f"{path.stem}-{current + 1}"
        answer = ""
        if pause:
            prompt = AGAIN if values.get(current) is None else SHOW_AGAIN
            asks = current and PREDICT.search(all_cells[current - 1][1])
            prompt = prompt if current in values else ASK if asks else PROMPT
            answer = answered(pause, prompt, "beq")
        if answer not in ("b", "e", "q"):
            if current not in values:
                try:
                    values[current] = execute(source, line, path, namespace, current in changed)
                except (Exception, KeyboardInterrupt) as error:
                    if pause and changed:  # the reader's own mistake, or endless loop
                        before = changed.get(current, source)
                        write(mistake(error, line, source != before))
                        all_cells[current] = kind, before, line
                        continue
                    error.add_note(f"This was cell {current + 1} of {path.name}, from line {line}.")
                    raise
            show(values[current], name, pause, write)
            write(f"\nYou predicted: {answer}\n" if answer else "")
            if pause:
                answer = after(values[current], name, pause)
                write("")
            current += answer == "b"  # back to the text above this cell
        if answer == "q":
            return None
        if answer == "b":
            current = previous(all_cells, current)
        elif answer == "e":
            changed[current] = source
            all_cells[current] = kind, change_a_line(source, pause, write), line
            values.pop(current, None)
        else:
            current += 1
    return namespace


def mistake(error, line, is_changed):
    """Return the text of an error after a change; `line` is the first line of the cell."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, KeyboardInterrupt):
        text = "Stopped."
    elif isinstance(error, SyntaxError) and error.lineno:
        text = f"SyntaxError: {error.msg}, in line {error.lineno - line + 1}"
    if is_changed:
        return f"{text}\nThe cell is as it was before.\n"
    return f"{text}\nA line that you have changed above may be the cause: [b] goes back to it.\n"


def answered(pause, prompt, letters="bq"):
    """Return the reader's answer: "", one of these letters, or what the prompt ASKs for.

    A letter may be written as its command, such as "back".  Any other answer is asked for again.
    """
    words = [word for word in ("back", "edit", "open", "quit") if word[0] in letters]
    while answer := pause(prompt).strip():
        if answer.lower() in (*letters, *words):
            return answer[0].lower()
        if prompt == ASK:
            return answer
    return ""


def after(value, name, pause):
    """Return the reader's answer after a cell has run; "o" opens its figure and asks again."""
    prompt, letters = (AFTER_FIGURE, "beoq") if is_figure(value) else (AFTER, "beq")
    while (answer := answered(pause, prompt, letters)) == "o":
        webbrowser.open((OUT / f"{name}.png").resolve().as_uri())
    return answer


def change_a_line(source, pause, write):
    """Ask for the number of a line and its new text; return the source with it."""
    lines = source.splitlines()
    write(terminal.code(source, numbered=True))
    number = pause("Which line?   ").strip()
    if not number:
        return source
    if not number.isdecimal() or not 1 <= int(number) <= len(lines):
        write(f"There is no line {number}; they go from 1 to {len(lines)}.\n")
        return source
    old = lines[int(number) - 1]
    indent = old[: len(old) - len(old.lstrip())]
    with typed_already(old) as typed:
        new = pause("Edit it; Ctrl-U clears it: " * typed + f"{number}: ").rstrip()
    if new:
        lines[int(number) - 1] = new if new[0] == " " else indent + new
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def typed_already(text):
    """Let the next line of input begin with a text; give whether it does: with readline alone."""
    try:
        import readline
    except ImportError:  # as on Windows
        yield False
        return
    readline.set_startup_hook(lambda: readline.insert_text(text))
    try:
        yield True
    finally:
        readline.set_startup_hook()


def previous(all_cells, current):
    """Return the cell that "b" goes back to: the start of the text above the previous code cell."""
    code = [i for i in range(current) if all_cells[i][0] == "code"]
    back = code[-1] if code else 0
    while back > 0 and all_cells[back - 1][0] == "markdown":
        back -= 1
    return back


def execute(source, line, path, namespace, is_changed=False):
    """Run the code of a cell and return the value of its last expression, or None.

    Line numbers are those of the file, so that error messages and the stepper show the right lines.
    A changed cell is kept where they look for the text of what is in no file.
    """
    text = "\n" * (line - 1) + source
    if is_changed:
        path = f"<{path.stem}, changed {next(NUMBERS)}>"
        linecache.cache[path] = len(text), None, text.splitlines(keepends=True), path
    tree = ast.parse(text, str(path))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, path, "exec"), namespace)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), path, "eval"), namespace)


def show(value, name, pause, write):
    """Show the value of a cell; `name` names the file of a figure."""
    if value is None:
        return
    if hasattr(value, "show") and not is_figure(value):
        value.show(pause)
    elif is_figure(value):
        picture = OUT / f"{name}.png"
        look = {"format": "png", "dpi": 120, "bbox_inches": "tight"}
        write_whole(picture, lambda file: value.savefig(file, **look))
        from . import figures

        draw = figures.blocks if terminal.has_colours() else figures.filled_words
        write(draw(value, terminal.width()))
        write(f"The figure is in {picture}")
    else:
        write(str(value))


def is_figure(value):
    """Return whether a value is a matplotlib figure, without importing matplotlib."""
    return any(kind.__module__ == "matplotlib.figure" for kind in type(value).__mro__)
