"""The doors to the lessons: cells are read and run, text is readable, progress is remembered.

What is behind the doors, the lessons themselves, is in test_lessons.py; pages in test_site.py.
"""

import ast
import base64
import builtins
import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from lessons.__main__ import main
from lessons.viewer import cells, notebooks, pages, progress, source, terminal

LESSON = """\
import math
# %% [markdown]
# # 3. A *small* lesson
#
# *It is about `math`. How long
# is $\\\\pi$?* Nobody knows.

# %%
ran = globals().get("ran", 0) + 1
print("pi is", end=" ")
math.floor(math.pi)

# %% [markdown]
# ## The end

# %%
x = 2
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with lesson 3 as the only one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cells, "FOLDER", tmp_path / "lessons")
    cells.FOLDER.mkdir()
    (cells.FOLDER / "03_small.py").write_text(LESSON)
    return cells.FOLDER


def lesson(folder, text):
    (folder / "03_small.py").write_text(text)
    return folder / "03_small.py"


def answers(monkeypatch, *lines):
    """Let these lines be typed; then the input ends."""
    left = list(lines)

    def read(prompt=""):
        print(prompt)
        if not left:
            raise EOFError
        return left.pop(0)

    monkeypatch.setattr(builtins, "input", read)


# Cells.


def test_a_lesson_is_read_as_text_and_code(folder):
    found = cells.cells(folder / "03_small.py")
    assert [kind for kind, _ in found] == ["code", "markdown", "code", "markdown", "code"]
    assert found[0][1] == "import math\n"
    assert found[1][1].startswith("# 3. A *small* lesson\n\n*It is about")
    assert found[4][1] == "x = 2\n"


def test_the_title_is_the_first_heading_and_the_first_question(folder):
    assert cells.title(folder / "03_small.py") == (
        "A small lesson",
        "It is about math. How long is π?",
    )


def test_a_lesson_without_a_question_has_none(folder):
    assert cells.title(lesson(folder, "# %% [markdown]\n# # One\n#\n# Two.\n")) == ("One", "")


def test_run_shows_text_code_and_values_and_returns_the_names(folder, capsys):
    shown = []
    names = cells.run(folder / "03_small.py", write=shown.append)
    assert names["x"] == 2 and names["ran"] == 1
    assert capsys.readouterr().out == "pi is "
    text = "\n".join(shown)
    assert text.index("3. A small lesson") < text.index("math.floor") < text.index("\n3\n")
    assert text.index("\n3\n") < text.index("The end") < text.index("x = 2")


def test_what_can_show_itself_does_and_gets_the_pause(folder):
    text = "# %%\nclass Steps:\n    def show(self, pause):\n        seen.append(pause)\n\n"
    names = cells.run(lesson(folder, text + "seen = []\nsteps = Steps()\nsteps\n"))
    assert names["seen"] == [None]


def test_a_figure_is_saved_and_its_path_shown(folder):
    text = "# %%\nfrom matplotlib.figure import Figure\n\nFigure(figsize=(1, 1))\n"
    shown = []
    cells.run(lesson(folder, text), write=shown.append)
    assert "runs/lessons/03_small-1.png" in shown[-2].replace("\\", "/")
    assert (cells.OUT / "03_small-1.png").read_bytes()[:4] == b"\x89PNG"


def test_an_error_keeps_its_kind_and_says_which_cell_and_line(folder):
    path = lesson(folder, "# %% [markdown]\n# One\n\n# %%\nx = 1\n1 / (x - 1)\n")
    with pytest.raises(ZeroDivisionError) as caught:
        cells.run(path, write=lambda text: None)
    assert caught.value.__notes__ == ["This was cell 2 of 03_small.py, from line 5."]
    assert caught.traceback[-1].path.name == "03_small.py" and caught.traceback[-1].lineno == 5


def test_b_goes_back_to_read_again_and_runs_nothing_twice(folder):
    shown, prompts = [], []
    # what is no answer is asked again; the first cell imports, the second shows a value
    lines = ["x = 2", "", "", "", "", "b", "b", "back", "n", "", "", "", "", "", ""]

    def pause(prompt):
        prompts.append(prompt)
        return lines.pop(0)

    names = cells.run(folder / "03_small.py", pause, shown.append)
    assert names["ran"] == 1 and lines == []
    assert sum("How long" in text for text in shown) == 3
    assert prompts[0] == cells.PROMPT and cells.SHOW_AGAIN in prompts  # it ends on a value
    assert shown.count("3") == 2  # its value is shown again, too


def test_a_line_can_be_changed_and_runs_again(folder):
    text = "# %%\nimport inspect\n\n\ndef f():\n    return 1\n\n\nf(), inspect.getsource(f)\n"
    path = lesson(folder, text)
    before, shown, prompts = path.read_text(), [], []
    typed = ["", "e", "99", "", "e", "5", "return 7", "", "e", "5", "return 1 / 0", "", "e", ""]
    typed += ["", ""]

    def pause(prompt):
        prompts.append(prompt)
        return typed.pop(0)

    names = cells.run(path, pause, shown.append)
    assert names["f"]() == 7 and typed == [] and path.read_text() == before
    assert "There is no line 99; they go from 1 to 8.\n" in shown
    assert str((7, "def f():\n    return 7\n")) in shown  # also for the stepper
    assert any(text.startswith("ZeroDivisionError: division by zero\n") for text in shown)


@pytest.mark.parametrize(
    "line, says",
    [
        ("x = (", "SyntaxError: '(' was never closed, in line 1\nThe cell is as it was before."),
        ("raise KeyboardInterrupt  # as in an endless loop", "Stopped.\nThe cell is as it was"),
        ("y = 2", "NameError: name 'x' is not defined\nA line that you have changed above"),
    ],
)
def test_a_mistake_in_a_changed_line_does_not_end_the_lesson(folder, line, says):
    path = lesson(folder, "# %%\nx = 2\n# %%\nz = x\n")
    typed = ["e", "1", line, "", "", "", "b", "e", "1", "x = 3", *[""] * 5]
    if line != "y = 2":
        typed = ["e", "1", line, *[""] * 5]
    shown = []
    names = cells.run(path, lambda prompt: typed.pop(0) if typed else "", shown.append)
    assert names["z"] == (3 if line == "y = 2" else 2)
    assert any(text.startswith(says) for text in shown), shown


def test_a_prediction_is_shown_below_the_output_and_is_no_command(folder):
    path = lesson(folder, "# %% [markdown]\n# **Predict** the sum.\n# %%\n1 + 1\n# %%\n2\n")
    prompts, shown, typed = [], [], ["bird", "quit it", "", "quite", "", ""]

    def pause(prompt):
        prompts.append(prompt)
        return typed.pop(0)

    assert cells.run(path, pause, shown.append) and not typed  # "quite" is asked again
    assert prompts == [cells.ASK, *[cells.AFTER] * 2, *[cells.PROMPT] * 2, cells.AFTER]
    assert shown.index("2") + 1 == shown.index("\nYou predicted: bird\n")


def test_a_figure_is_opened_or_drawn_as_blocks(folder, monkeypatch):
    text = "# %%\nimport matplotlib.pyplot as plt\n\nfigure, axes = plt.subplots(figsize=(4, 2))\n"
    path = lesson(folder, text + "_ = axes.plot([0, 9], [1, 5], color='red')\nfigure\n")
    opened, shown, typed = [], [], ["", "o", ""]
    monkeypatch.setattr(cells.webbrowser, "open", opened.append)
    monkeypatch.setattr(terminal, "has_colours", lambda: True)
    monkeypatch.setattr(terminal, "width", lambda: 60)
    monkeypatch.setenv("COLORTERM", "truecolor")
    cells.run(path, lambda prompt: typed.pop(0), shown.append)
    assert [re.sub(".*/", "", address) for address in opened] == ["03_small-1.png"]
    (drawing,) = [text for text in shown if "▀" in text]
    drawing, _, words = drawing.partition("Figure")
    rows = drawing.splitlines()
    assert {len(re.sub("\033.*?m", "", row)) for row in rows} == {60} and 10 < len(rows) < 20
    assert re.search(r"38;2;2\d\d;\d?\d;\d?\dm", drawing) and "x from -0.45 to 9.45" in words


@pytest.mark.parametrize(
    "typed, shown",
    [
        (["", "", ""], ["Ask.\n", "Answers\n\n1. Four.\n"]),
        (["", "", "q"], ["Ask.\n"]),
        (None, None),
    ],
)
def test_answers_are_folded_until_they_are_asked_for(folder, typed, shown):
    text = "# %%\nx = 2\n# %% [markdown]\n# Ask.\n#\n# <details>\n# <summary>Answers</summary>\n#\n"
    path = lesson(folder, text + "# 1. Four.\n#\n# </details>\n")
    prompts, written = [], []
    pause = (lambda prompt: prompts.append(prompt) or typed.pop(0)) if typed else None
    assert cells.run(path, pause, written.append)["x"] == 2
    assert [text for text in written[1:] if text] == (shown or ["Ask.\n", "Answers\n\n1. Four.\n"])
    assert prompts[2:] == ([cells.ANSWER] if pause else [])


def test_every_word_of_a_formula_of_the_lessons_is_known():
    texts = [s for path in cells.lessons() for kind, s in cells.cells(path) if kind == "markdown"]
    words = set()
    for tex in re.findall(r"\$([^$`]+)\$", " ".join(texts)):
        names = re.findall(r"\\([A-Za-z]+)", tex)
        words |= {name for name in names if name in re.findall("[A-Za-z]+", terminal.formula(tex))}
    assert words == {"ln", "max", "min", "tanh"}


def test_q_ends_the_walk(folder):
    assert cells.run(folder / "03_small.py", lambda prompt: "q", lambda text: None) is None


# Text in a terminal.


@pytest.mark.parametrize(
    "tex, text",
    [
        (r"\frac{\partial L}{\partial x}", "∂L/∂x"),
        (r"\frac{L(q+h) - L(q-h)}{2h}", "(L(q+h) − L(q−h))/2h"),
        (r"-\frac{1}{2} \lVert w \rVert^2", "−½ ‖w‖²"),
        (r"b_i = a_i / \left(k + \alpha \sum_j a_j^2\right)^\beta", "bᵢ = aᵢ / (k + α Σⱼ aⱼ²)^β"),
        (r"v_{i+1} = 0.9 \cdot v_i", "vᵢ₊₁ = 0.9 · vᵢ"),
        (r"1 + \lfloor (H - f)/s \rfloor", "1 + ⌊(H − f)/s⌋"),
        (r"\sum_{i,j} x_{i,j}", "Σ_(i,j) x_(i,j)"),
        (r"\mathcal{N}(0, 0.01^2)", "N(0, 0.01²)"),
        (r"H_\text{out} = \max(0, x)", "H_out = max(0, x)"),
        (r"\frac{1}{\sqrt{\frac{a}{b}}}", "1/(√(a/b))"),
        (r"x \quad \text{and so on} \, y", "x \u2003 and so on y"),
        ("p_c = e^{s_c} /\n  z", "p_c = e^(s_c) / z"),
        ("{{", ""),
    ],
)
def test_a_formula_becomes_plain_text(tex, text):
    assert terminal.formula(tex) == text


def test_emphasis_goes_around_code(monkeypatch):
    monkeypatch.setattr(terminal, "has_colours", lambda: True)
    painted = terminal.inline("*Why `max(0, x)`, and **why** `a*b`?* `c`")
    assert re.sub("\033.*?m", "", painted) == "Why max(0, x), and why a*b? c"
    assert painted.startswith(f"{terminal.ITALIC}Why {terminal.OFF}{terminal.CYAN}max(0, x)")


def test_marks_of_markdown_go_but_those_in_code_stay():
    text = "**Two** *words*, `a*b*c` [here](there.py), 2*3*4, and $x_i$ costs `$5`"
    assert terminal.plain(text) == "Two words, a*b*c here (there.py), 2*3*4, and xᵢ costs $5"


def test_paragraphs_are_filled_and_code_and_tables_are_not(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    text = (
        "one two\nthree four five six seven\n\n```python\nx  =  1\n```\n\n|a|b|\n|-|-|\n|ccc|d|\n"
    )
    lines = terminal.markdown(text).splitlines()
    assert lines[:2] == ["one two three four five six", "seven"]
    assert "    x  =  1" in lines and "a    b" in lines and "ccc  d" in lines


def test_items_of_a_list_stay_apart_and_so_do_formulas():
    text = "1. one\n   more\n2. two\n\n$$\nx_1\n$$\n"
    assert terminal.markdown(text) == "1. one more\n2. two\n\n    x₁\n"


def test_colours_are_for_terminals_and_for_those_who_want_them(monkeypatch):
    assert terminal.markdown("# One") == "One\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal.markdown("# One") == "\033[1mOne\033[0m\n"
    pytest.importorskip("pygments")
    assert "\033[35mfor" in terminal.code("for x in y: pass")
    for name, value in [("TERM", "dumb"), ("NO_COLOR", "1")]:
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert terminal.code("for x in y: pass") == "│ for x in y: pass\n"


# What is done.


def test_progress_is_remembered_once(folder):
    assert progress.done("exercise", "relu_backward") and progress.done("lesson", "03_small")
    assert not progress.done("exercise", "relu_backward")
    assert progress.all_done() == {"exercise": ["relu_backward"], "lesson": ["03_small"]}


@pytest.mark.parametrize("text", ["{", "[]", '{"lesson": 3}', "\x00", '"x"'])
def test_broken_progress_is_no_disaster(folder, text):
    cells.OUT.mkdir(parents=True)
    (cells.OUT / "progress.json").write_text(text)
    assert progress.all_done() == {}
    assert progress.done("lesson", "03_small")
    assert progress.all_done() == {"lesson": ["03_small"]}


def test_progress_that_cannot_be_written_is_said_and_no_disaster(folder, capsys):
    (folder.parent / "runs").write_text("a file in the place of the folder")
    progress.done("lesson", "03_small")
    assert "Progress could not be saved" in capsys.readouterr().out


# The command line.


def test_the_list_has_every_lesson_and_what_is_done(folder, capsys):
    assert main([]) == 0
    assert (
        "   3  A small lesson\n      It is about math. How long is π?\n" in capsys.readouterr().out
    )
    assert main(["--no-pause", "3"]) == 0
    progress.done("exercise", "relu_backward")
    capsys.readouterr()
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "A small lesson  (done)" in out and "Exercises passed: relu_backward" in out


def test_a_walk_waits_for_enter(folder, capsys, monkeypatch):
    answers(monkeypatch, *[""] * 6)
    assert main(["3"]) == 0
    out = capsys.readouterr().out
    assert out.count("[Enter]") == 6 and "That was lesson 3." in out


def test_where_the_input_ends_the_walk_ends_politely(folder, capsys, monkeypatch):
    answers(monkeypatch, "")
    assert main(["3"]) == 0
    assert "--no-pause runs a lesson without stopping" in capsys.readouterr().out
    assert progress.all_done() == {}


def test_where_the_input_ends_in_the_stepper_the_walk_ends_too(folder, capsys, monkeypatch):
    stepped = "from minicnn.reference import relu_forward\nfrom minicnn.step import step\n"
    lesson(folder, f"# %%\n{stepped}step(relu_forward, __import__('numpy').ones(3))\n# %%\n1\n")
    answers(monkeypatch, "")
    assert main(["3"]) == 0
    out = capsys.readouterr().out
    assert "relu_forward, reference/" in out and out.count("--no-pause") == 1
    assert progress.all_done() == {}


def test_a_reader_who_has_seen_enough_is_no_error(folder):
    """python -m lessons 3 --no-pause | head -1"""
    code = "import sys; from lessons.__main__ import main; sys.exit(main(['1', '--no-pause']))"
    top = pages.TOP
    done = subprocess.Popen(
        [sys.executable, "-c", code], cwd=top, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    done.stdout.close()
    assert b"Traceback" not in done.stderr.read()
    done.wait()


def test_ctrl_c_ends_it_politely(folder, capsys, monkeypatch):
    def interrupt(prompt=""):
        raise KeyboardInterrupt

    monkeypatch.setattr(builtins, "input", interrupt)
    assert main(["3"]) == 130
    assert capsys.readouterr().err == "\nlessons: stopped\n"


def test_an_error_in_a_lesson_is_shown_from_its_own_line_on(folder, capsys):
    lesson(folder, "# %%\ndef f():\n    raise ValueError('odd')\n\n\nf()\n")
    assert main(["3", "--no-pause"]) == 1
    err = capsys.readouterr().err
    assert err.count("File ") == 2 and 'lessons/03_small.py", line 6' in err.replace("\\", "/")
    assert "ValueError: odd\nThis was cell 1 of 03_small.py" in err


def test_a_lesson_that_is_not_there_is_one_sentence(folder, capsys):
    assert main(["99"]) == 1
    assert capsys.readouterr().err == "lessons: there is no lesson 99: they go from 3 to 3\n"


@pytest.mark.parametrize("words", [["serve", "--port", "70000"], ["nothing"], ["notebook", "x"]])
def test_what_is_not_understood_is_exit_code_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2 and "error: " in capsys.readouterr().err


def test_lessons_load_quickly_and_without_what_only_some_need():
    code = "import sys, lessons.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"matplotlib", "numba", "jupytext", "nbconvert", "minicnn.step"})


# The wrong Python, and the wrong environment.

OLD = "import sys; sys.version_info, sys.version = (3, 9, 18, 'final', 0), '3.9.18 (main)'"
BARE = "import sys; sys.modules['numba'] = None"
CHECK = ["-c", "from lessons import check; check(print)"]


@pytest.mark.parametrize("package", ["minicnn", "lessons"])
def test_an_old_python_can_read_the_door(package):
    text = (pages.TOP / package / "__init__.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 9))


@pytest.mark.parametrize("door", [["-m", "minicnn"], ["-m", "lessons"], CHECK])
@pytest.mark.parametrize("wrong, says", [(OLD, "Python 3.11 or newer"), (BARE, "numba, which")])
def test_what_is_lacking_is_one_sentence_that_says_what_to_type(door, wrong, says, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(wrong)
    settings = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(pages.TOP)])}
    command = [sys.executable, *door]
    done = subprocess.run(command, env=settings, capture_output=True, text=True)
    *trace, sentence = done.stderr.splitlines()
    assert done.returncode == 1 and f"minicnn needs {says}" in sentence and ": type " in sentence
    assert not trace or (door is CHECK and sentence.startswith("ImportError: minicnn"))


# What teachers get.


def test_a_teacher_gets_goals_exercises_tasks_and_answers(capsys):
    assert main(["answers", "2"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in ("15 minutes. You need lesson 1. Afterwards you can", "Answers 1. A second ReLU"):
        assert words in out
    assert out.endswith("Exercises: relu_forward, relu_backward, tanh_backward")
    assert main(["answers"]) == 0
    assert capsys.readouterr().out.count("\nAnswers\n") == len(cells.lessons())


# What notebooks and pages are made with, where it can be tested without their extra.


@pytest.mark.parametrize("command", ["notebook", "site"])
def test_without_the_extra_one_sentence_says_so(folder, capsys, monkeypatch, command):
    for name in ("ipykernel", "jupytext", "latex2mathml", "nbclient", "nbconvert"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main([command]) == 1
    err = capsys.readouterr().err
    assert err == "lessons: notebooks and the site need ipykernel: " + pages.EXTRA + "\n"


def test_a_folder_with_other_things_is_never_replaced(folder):
    with pytest.raises(ValueError, match="holds other files than this site"):
        pages.check_folder(folder)
    (folder / "index.html").write_text("<title>My garden</title>")
    with pytest.raises(ValueError, match="holds other files than this site"):
        pages.check_folder(folder)


def test_names_of_minicnn_lead_to_their_lines():
    links = source.links_in(
        ["from minicnn import net, reference as ops", "y = net.forward(ops, x)\nops.im2col.im2col"]
    )
    assert links["net"] == "source/minicnn/net.py.html"
    assert links["net.forward"].startswith("source/minicnn/net.py.html#L-")
    assert links["ops.im2col.im2col"].startswith("source/minicnn/reference/im2col.py.html#L-")
    assert links["conv_backward"].startswith("source/minicnn/reference/conv.py.html#L-")
    assert "x" not in links and "np" not in links


def test_every_way_to_import_is_understood():
    links = source.links_in(
        [
            "import minicnn\nimport minicnn.net as rows\nimport minicnn.networks.cifar\nimport "
            "numpy as np"
        ]
    )
    assert links["rows"] == links["minicnn.net"] == "source/minicnn/net.py.html"
    assert links["minicnn"] == "source/minicnn/__init__.py.html"
    assert links["minicnn.networks.cifar"] == "source/minicnn/networks/cifar.py.html"


def test_links_go_around_names_but_not_around_options():
    pytest.importorskip("pygments")
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    html = highlight("other.net(net=net.forward(y))", PythonLexer(), HtmlFormatter())
    linked = source.linked(html, {"net": "A", "net.forward": "B"})
    assert linked.count("<a ") == 1 and '<a href="B"><span class="n">net</span>' in linked


def test_code_in_the_prose_is_linked_if_it_is_ours():
    links = {"conv_forward": "A"}
    assert source.linked_in_prose("conv_forward()", links) == (
        '<a href="A"><code>conv_forward()</code></a>'
    )
    assert 'href="source/minicnn/fast/conv.py.html"' in source.linked_in_prose("fast/conv.py", {})
    assert source.linked_in_prose("x < y", links) == "<code>x &lt; y</code>"
    assert source.linked_in_prose("../secret.py", links) == "<code>../secret.py</code>"


def test_a_site_is_stale_when_a_lesson_is_newer(folder):
    site = folder.parent / "site"
    assert pages.stale(site) is None
    site.mkdir()
    (site / "index.html").write_text("")
    assert pages.stale(site) is False
    (folder / "03_small.py").touch()
    later = (site / "index.html").stat().st_mtime + 10
    os.utime(folder / "03_small.py", (later, later))
    assert pages.stale(site) is True


def test_a_figure_says_in_words_what_is_written_in_it():
    from matplotlib.figure import Figure

    from lessons.viewer.figures import png_and_words

    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    axes.plot([1, 2], label="ReLU")
    axes.set(title="Twice\nas good", xlabel="epochs", ylabel="error")
    axes.legend()
    png, about = png_and_words(figure)
    assert png[:4] == b"\x89PNG" and 100 < about["width"] < 300
    ranges = "x from -0.05 to 1.05, y from 0.95 to 2.05"
    assert about["alt"] == f"Figure: Twice as good; error against epochs; {ranges}; ReLU"


def test_a_figure_has_a_dark_twin_and_stays_as_it_is():
    from matplotlib.figure import Figure
    from PIL import Image

    from lessons.viewer import figures

    figure = Figure(figsize=(2, 1))
    axes = figure.subplots()
    axes.plot([1, 2], color="red")
    axes.scatter([0, 1], [1, 1], color="black")
    before = figures.png(figure)
    light, about = figures.png_and_words(figure)
    dark = base64.b64decode(about["dark"])
    assert light == before == figures.png(figure)
    light, dark = (
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).reshape(-1, 3).tolist()
        for data in (light, dark)
    )
    assert light[0] == [255, 255, 255] and [0, 0, 0] in light and [255, 0, 0] in light
    assert dark[0] == list(figures.PAPER) and list(figures.INK) in dark and [255, 0, 0] in dark
    assert [255, 255, 255] not in dark and [0, 0, 0] not in dark


@pytest.mark.parametrize("address", ["http://a.b/c", 'https://a.b/c" x', "minicnn", "https://a b"])
def test_only_an_address_is_installed_from(address):
    with pytest.raises(ValueError, match="expected an address that begins with https://"):
        notebooks.source(address)


@pytest.mark.parametrize(
    "origin, address",
    [
        ("https://a.b/c.git", "https://a.b/c.git"),
        ("https://me:secret@a.b/c", "https://a.b/c"),
        ("git@a.b:c", None),
        ("/home/me/c", None),
    ],
)
def test_the_address_of_the_clone_is_used_if_others_can_use_it(folder, origin, address):
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "remote", "add", "origin", origin], check=True)
    assert notebooks.origin() == address


def test_a_folder_that_is_no_clone_has_no_address(folder, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
    assert notebooks.origin() is None
