"""A class in one folder: twelve students, their table, their page, and files for class systems."""

import csv
import html.parser
import io
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import zipfile

import pytest

from lessons import check
from lessons.__main__ import main
from lessons.exercises import handins, notebook, report, tutor
from lessons.viewer import cells

RELU = "import numpy as np\n\n\ndef relu_backward(dy, cache):\n    (y,) = cache\n"
RIGHT = f"{RELU}    return (np.where(y > 0, dy, 0),)\n"
WRONG = f"{RELU}    return (np.maximum(dy, 0),)\n"
TANH = "def tanh_backward(dy, cache):\n    (y,) = cache\n    return (dy * (1 - y**2),)\n"
BORROWED = f"import minicnn\n{RELU}    return minicnn.reference.relu_backward(dy, cache)\n"


def cell(source, kind="code"):
    return {"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)}


def saved(*cells):
    """Return the text of a notebook."""
    return json.dumps({"cells": list(cells), "nbformat": 4, "nbformat_minor": 5, "metadata": {}})


def zipped(entries):
    """Return the bytes of a zip of {name or ZipInfo: content}."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def link(name):
    """Return the entry of a zip that is a symbolic link."""
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


NOTEBOOK = saved(
    cell("# My answers\nlook at `def`", "markdown"),
    cell("%matplotlib inline\nimport numpy as np\nfrom google.colab import drive"),
    cell("low = -1; limit = low + 1\r\nx = np.zeros(3)\ntrain(x)"),
    cell("def helper(y):\n    '''A form feed, \x0c\u2028 and \\d.'''\n    return y > limit"),
    cell(
        "# first try\ndef relu_backward(dy, cache):\n    raise ValueError\n\nrelu_backward(x, (x,))"
    ),
    cell(
        "def relu_backward(dy, cache):\n    (y,) = cache\n    return (np.where(helper(y), dy, 0),)"
    ),
    cell(TANH + "x = tanh_backward(1, (2,))\nwhile True: pass"),
    cell("%%bash\nls -l | sort"),
    cell("from lessons import check\ncheck(relu_backward)\n1 / 0\ntrain?"),
)

CLASS = {
    "Anna Bell_101_assignsubmission_file_/relu.py": RIGHT,
    "Anna Bell_101_assignsubmission_file_/more/tanh.py": TANH,
    "Ben Ahn_102_assignsubmission_file_/relu_backward.py": WRONG,
    "Ben Ahn_103_assignsubmission_file_/answers.py": f"{RIGHT}\n\n{TANH.replace('1 - ', '1 + ')}",
    "carlsson_LATE_104_5501_homework-1.py": WRONG,
    "dora.ipynb": NOTEBOOK,
    "Emil/week1.zip": zipped({"hw/relu.py": RIGHT, "hw/__pycache__/relu.py": "x", "a.txt": "hi"}),
    "Fatma.zip": zipped(
        {
            "../../escape.py": RIGHT,
            "/tmp/escape.py": RIGHT,
            "C:\\escape.py": RIGHT,
            "..\\escape.py": RIGHT,
            link("link.py"): "/etc/passwd",
            "good.py": WRONG,
        }
    ),
    "Gus.zip": zipped({"a.py": "#" * 10**6, **{f"{n}.ipynb": b"0" * 15_000_000 for n in range(4)}}),
    "Hana": None,
    "=cmd|' <b>Ivo/relu.py": f"{BORROWED}\n\n{TANH}",
    "Jo/report.pdf": "%PDF",
    "Kim/relu.py": "def relu_backward(:\n",
    "Lea/relu.py": f"{RELU}    while True: pass\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lay(folder, files):
    """Write files {name: content}; None is an empty folder."""
    for name, content in files.items():
        path = pathlib.Path(folder, name)
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


class Page(html.parser.HTMLParser):
    """The rows of the first table of a page, and all its tags and text."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags, self.words, self.in_cell = [], set(), [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.in_cell |= tag in ("td", "th")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.in_cell &= tag not in ("td", "th")

    def handle_data(self, data):
        self.words.append(data)
        if self.in_cell:
            self.rows[-1][-1] += data.strip()


EXPECTED = {  # student: relu_backward, tanh_backward
    "Anna Bell": ("1", "1"),
    "Ben Ahn (102)": ("0", ""),
    "Ben Ahn (103)": ("1", "0"),
    "Emil": ("1", ""),
    "Fatma": ("0", ""),
    "Gus": ("", ""),
    "Hana": ("", ""),
    "Jo": ("", ""),
    "Kim": ("", ""),
    "Lea": ("0", ""),
    "'=cmd|' <b>Ivo": ("0", "1"),
    "carlsson": ("0", ""),
    "dora": ("1", "1"),
}


def test_a_class_gets_a_table_and_a_page(folder, capsys):
    lay(folder / "class", CLASS)
    assert main(["check", "class", "--seconds", "2", "--report", "all.json"]) == 1
    out = capsys.readouterr().out
    assert "Ben Ahn (102): relu_backward: not yet: masked by dy" in out
    assert "\n3 × relu_backward: masked by dy\n" in out
    with open("runs/class/class.csv", encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["student", "relu_backward", "tanh_backward", "right", "not read"]
    assert {row[0]: tuple(row[1:3]) for row in rows} == EXPECTED
    faults = {row[0]: row[4] for row in rows}
    assert faults["Fatma"].count("its name leads out of the zip") == 4
    assert "link.py: This entry was left out: it is a link or a device" in faults["Fatma"]
    assert "Gus.zip: This zip cannot be unpacked" in faults["Gus"]
    assert faults["Hana"].endswith("There is no .py or .ipynb file here.")
    assert "here, but report.pdf" in faults["Jo"] and "Python cannot read line 1" in faults["Kim"]
    assert not faults["Emil"] and not faults["dora"]

    text = pathlib.Path("runs/class/class.html").read_text(encoding="utf-8")
    page, words = Page(text), " ".join(Page(text).words)
    table = {row[0].lstrip("'"): row[1:] for row in page.rows[1:14]}
    assert {name.lstrip("'") for name in EXPECTED} == set(table)
    assert table["Ben Ahn (102)"] == ["✗ masked by dy", "–"] and table["dora"] == 2 * ["✓ right"]
    assert page.rows[15][:3] == ["3", "relu_backward", "masked by dy"]  # the commonest mistake
    assert page.rows[15][4] == "Ben Ahn (102), carlsson, Fatma"
    assert page.tags.isdisjoint({"b", "script", "img"}) and "=cmd|' <b>Ivo" in words
    assert "Line 7 uses a relu_backward that is not yours" in words
    assert "No answer after 2 seconds" in words and "Jo/report.pdf" not in words

    entries = json.loads(pathlib.Path("all.json").read_text(encoding="utf-8"))["results"]
    assert {entry["student"] for entry in entries} == {name.lstrip("'") for name in EXPECTED}
    assert not list(folder.parent.glob("**/escape.py"))


def test_a_zip_of_a_whole_class_is_a_class(folder, capsys):
    few = {name: CLASS[name] for name in [*CLASS][:4]} | {"Emil/w.zip": CLASS["Emil/week1.zip"]}
    for around in ("", "Assignment 3/"):
        name = f"class{len(around)}.zip"
        lay(folder, {name: zipped({around + entry: few[entry] for entry in few})})
        main(["check", name])
        out = capsys.readouterr().out
        assert "Ben Ahn (103): relu_backward: right" in out
        assert "Emil: relu_backward: right" in out and "/tmp" not in out


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_any_name_of_a_student_can_be_shown_and_written(folder, capsys):
    names = [
        "caf\udce9",
        "\x1b[31mred",
        "anna: right\nline",
        "a" * 200,
        "名前",
        "-rf",
        "Ü_1_2_x.py",
    ]
    lay(folder / "class", {f"{name} x/relu.py": RIGHT for name in names})
    assert main(["check", "class", "--as", "gradescope"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and out.count("\n") == len(names) + 1
    with open("runs/class/class.csv", encoding="utf-8-sig", newline="") as file:
        assert len([*csv.reader(file)]) == 1 + len(names)
    written = sorted(pathlib.Path("runs/class/gradescope").iterdir())
    assert len(written) == len(names) == len([*pathlib.Path().glob("**/*.json")])


def test_files_that_canvas_has_named_are_put_together(folder, capsys):
    files = {"lee_12_301_relu.py": RIGHT, "lee_LATE_12_302_tanh.py": TANH, "lee_13_9_a.py": WRONG}
    lay(folder / "class", files)
    main(["check", "class"])
    out = capsys.readouterr().out
    assert "lee (12): relu_backward: right" in out and "lee (12): tanh_backward: right" in out
    assert "lee (13): relu_backward: not yet" in out


def test_each_of_several_folders_is_a_students(folder, capsys):
    lay(
        folder, {name: CLASS[name] for name in [*CLASS][:4]} | {"Emil.zip": CLASS["Emil/week1.zip"]}
    )
    main(["check", *sorted(path.name for path in folder.iterdir())])
    out = capsys.readouterr().out
    assert "Ben Ahn (103): relu_backward: right" in out and "Emil: relu_backward: right" in out
    main(["check", "Anna Bell_101_assignsubmission_file_"])  # one alone is no class
    assert capsys.readouterr().out.count("is right: by hand") == 2


def test_a_learners_own_folder_gets_the_tutors_words(folder, capsys):
    lay(folder, {"mine/relu_backward.py": RIGHT, "mine/tanh_backward.py": TANH})
    assert main(["check", "mine"]) == 0
    out = capsys.readouterr().out
    assert out.count("is right: by hand") == 2 and not (folder / "runs/class").exists()


def test_a_learner_is_told_what_is_lacking(folder, capsys):
    lay(folder, {"mine.py": RIGHT})
    assert main(["check", "mine.py", "--exercises", "im2col"]) == 1
    assert "mine.py\n\n  None of these is in this file: im2col." in capsys.readouterr().out


def test_a_notebook_is_read_without_what_else_it_does(folder, capsys):
    lay(folder, {"mine.ipynb": NOTEBOOK})
    assert main(["check", "mine.ipynb"]) == 0
    assert capsys.readouterr().out.count("mine.ipynb: ") == 2


@pytest.mark.parametrize(
    "text, words",
    [
        (saved(cell("x = 1"), cell(f"\n{RELU}    return 1 / 0")), "cell 2, line 7, `return 1 / 0`"),
        (saved(cell(RELU + "    return (1")), "Python cannot read cell 1, line 6, `return (1`"),
        (saved(cell(BORROWED)), "Cell 1, line 7 uses a relu_backward that is not yours"),
        (saved(cell("def relu_backwards(): 1")), "Did you mean relu_backward?"),
        (saved(), "No function here has the name of an exercise."),
        ("{}", "This is not a notebook that Jupyter has saved"),
        ("\ufeff[", "This is not a notebook"),
        ("[" * 10**5, "This is not a notebook"),
        ('{"cells": [1, {}, {"cell_type": "code", "source": [1, null]}]}', "No function here"),
        (" " * (notebook.LARGEST + 1), "This notebook is too large"),
        (saved(cell("x = 1\n" * 40_000)), "more than 200,000 characters of code"),
    ],
)
def test_a_notebook_with_a_fault_gets_a_sentence_with_its_cell(text, words, folder, capsys):
    lay(folder, {"mine.ipynb": text})
    assert main(["check", "mine.ipynb"]) == 1
    assert words in " ".join(capsys.readouterr().out.split())


def damaged(data, place, value):
    return data[:place] + bytes([value]) + data[place + 1 :]


HOSTILE = {
    "is no zip": (b"PK", "cannot be unpacked"),
    "is cut off": (zipped({"a.py": RIGHT})[:-30], "cannot be unpacked"),
    "is damaged": (damaged(zipped({"a.py": RIGHT * 9}), 60, 7), "This entry was left out"),
    "is encrypted": (  # the flag stands in the entry and in the directory at the end
        damaged(
            damaged(zipped({"a.py": "1"}), 6, 1), zipped({"a.py": "1"}).rfind(b"PK\1\2") + 8, 1
        ),
        "it is encrypted; hand it in without a password",
    ),
    "has many files": (zipped({f"{n}.py": "" for n in range(5001)}), "it has too many files"),
    "has many exercises": (zipped({f"{n}.py": "" for n in range(201)}), "more than 200 files"),
    "has a twin": (zipped({"a.py": RIGHT, "A/../a.py": ""}), "leads out of the zip"),
    "has a name as a folder": (zipped({"a.py": RIGHT, "a.py/b.py": RIGHT}), "was left out"),
    "has a long name": (zipped({f"{'n' * 999}.py": RIGHT}), "was left out"),
    "is deep": (zipped({"a/" * 999 + "b.py": RIGHT}), "it lies in too many folders"),
    "is a bomb": (zipped({"a.ipynb": b"0" * 30_000_000}), "larger than 20,000,000 bytes"),
    "holds zips in zips": (
        zipped({"a.zip": zipped({"b.zip": zipped({"c.zip": zipped({"d.py": RIGHT})})})}),
        "This zip lies too deep in other zips",
    ),
    "holds another archive": (zipped({"a.rar": "Rar!"}), "hand in a .zip"),
    "holds the library": (zipped({"minicnn/__init__.py": "", "minicnn/r.py": RIGHT}), "no .py or"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_zip_that_is_hostile_gets_a_sentence_and_the_others_are_checked(name, folder, capsys):
    content, words = HOSTILE[name]
    lay(folder / "class", {"anna.zip": zipped({"a.py": RIGHT}), "ben.zip": content})
    assert main(["check", "class"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "anna: relu_backward: right"
    assert any("ben" in line and words in line for line in lines[1:]), lines


def test_all_zips_of_a_student_share_one_limit(folder, monkeypatch):
    monkeypatch.setattr(handins, "MOST_BYTES", 1000)
    bomb = zipped({f"{n}.zip": zipped({"a.py": "#" * 400}) for n in range(4)})
    lay(folder, {"class/ben/all.zip": bomb, "class/anna.py": RIGHT})
    found = handins.hand_ins(pathlib.Path("class"), folder / "scratch")
    assert sum(hand_in.path is not None for hand_in in found if hand_in.owner == "ben") <= 2
    assert any("cannot be unpacked" in (hand_in.fault or "") for hand_in in found)


@pytest.mark.skipif(os.name == "nt", reason="Windows needs a privilege for links")
def test_a_link_out_of_a_students_folder_is_not_followed(folder, capsys):
    lay(folder, {"class/anna/a.py": RIGHT, "class/ben/b.py": WRONG, "secret.py": RIGHT})
    os.symlink(folder / "secret.py", "class/ben/c.py")
    os.symlink(folder, "class/ben/all")
    main(["check", "class"])
    out = capsys.readouterr().out
    assert "This is a link to a place outside its folder" in out and out.count("right\n") == 1


@pytest.mark.parametrize("form", ["classroom50", "gradescope"])
def test_a_class_system_gets_its_file(form, folder, capsys, monkeypatch):
    monkeypatch.setenv("CLASSROOM", "vision")
    lay(folder, {"work/relu.py": WRONG, "work/src/tanh.py": TANH, "work/notes.py": "def (\n"})
    names = "relu_backward,tanh_backward,im2col"
    options = ["--as", form, "--exercises", names, "--student", "anna", "--report", "out/r.json"]
    assert main(["check", "work", *options]) == 0
    content = json.loads(pathlib.Path("out/r.json").read_text(encoding="utf-8"))
    assert content["score"] == 1
    tests = content["tests"]
    key = "test-name" if form == "classroom50" else "name"
    assert [test[key] for test in tests] == names.split(",")
    assert [test["score"] for test in tests] == [0, 1, 0]
    assert "ask y, not dy" in " ".join(tests[0]["output"].split())
    assert "im2col was not handed in." in tests[2]["output"]
    assert "Python cannot read line 1" in tests[2]["output"]
    if form == "classroom50":
        assert set(content) == {
            "schema", "classroom", "assignment", "submission", "commit", "release", "review",
            "datetime", "score", "max-score", "tests",
        }  # fmt: skip
        assert content["schema"] == "classroom50/result/v1" and content["max-score"] == 3
        assert content["classroom"] == "vision" and content["datetime"].endswith("Z")
        assert [test["passed"] for test in tests] == [False, True, False]
        assert {test["max-score"] for test in tests} == {1}
    else:
        assert {test["max_score"] for test in tests} == {1}
        assert {test["visibility"] for test in tests} == {"visible"}


def test_a_class_system_gets_a_file_a_student(folder, capsys):
    lay(folder, {"class/anna/a.py": RIGHT, "class/b!.py": WRONG, "class/ben/c.pdf": "%"})
    assert main(["check", "class", "--as", "gradescope", "--report", "one.json"]) == 1
    assert "reads one file a student, and there are 3" in capsys.readouterr().err
    assert main(["check", "class", "--as", "gradescope"]) == 0
    read = {path.name: json.loads(path.read_text()) for path in pathlib.Path().rglob("*.json")}
    assert {name: content["score"] for name, content in read.items()} == {
        "anna.json": 1, "(no name).json": 0, "ben.json": 0
    }  # fmt: skip
    assert len(read["ben.json"]["tests"]) == 1  # what cannot be read is a test that fails


def test_an_empty_submission_is_graded(folder):
    lay(folder, {"work": None})
    assert main(["check", "work", "--as", "gradescope", "--exercises", "relu_backward"]) == 0
    (test,) = json.loads(pathlib.Path("results.json").read_text())["tests"]
    assert test["score"] == 0 and "Nothing was handed in." in test["output"]


@pytest.mark.parametrize("form", ["classroom50", "gradescope"])
def test_a_submission_without_what_was_asked_for_is_graded(form, folder):
    lay(folder, {"work/tanh.py": TANH})
    options = ["--as", form, "--exercises", "relu_backward,im2col", "--report", "r.json"]
    assert main(["check", "work", *options]) == 0
    content = json.loads(pathlib.Path("r.json").read_text())
    assert content["score"] == 0 and len(content["tests"]) == 2
    assert "None of these is in this file: relu_backward" in content["tests"][0]["output"]
    lay(folder, {"work/relu.py": RIGHT})  # now the other file needs no word
    assert main(["check", "work", *options]) == 0
    content = json.loads(pathlib.Path("r.json").read_text())
    outputs = [test["output"] for test in content["tests"]]
    assert content["score"] == 1 and outputs[1] == "im2col was not handed in."


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["empty"], "empty: there is no .py, .ipynb or .zip file in this folder"),
        (["a.py", "--exercises", "relu_backwart"], "did you mean relu_backward or"),
        (["a.py", "--as", "gradescope", "--report", "empty"], "--report needs the name of a file"),
        (["a.py", "--report", "a.py"], "a.py is in use by this command"),
        (["empty", "a.py", "--out", "o"], "o/class.csv exists and is not the table of a class"),
        (["a.py", "--out", "a.py"], "a.py is a file, but results need a folder"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, words, folder, capsys):
    lay(folder, {"empty": None, "a.py": RIGHT, "o/class.csv": "mine"})
    assert main(["check", *arguments]) == 1
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert pathlib.Path("a.py").read_text() == RIGHT


# In a notebook.


@pytest.fixture
def run_cells(monkeypatch):
    """A function that runs cells as a notebook does, and returns its names."""
    names = {"__name__": "__main__"}

    def run(*sources):
        names["In"] = ["", *sources]
        for source in sources:
            exec(source, names)
        return names

    module = type(sys)("__main__")
    module.__dict__.update(names)
    monkeypatch.setitem(sys.modules, "__main__", module)
    names = vars(module)
    return run


def test_check_answers_in_a_notebook(folder, capsys, run_cells):
    names = run_cells("limit = 0", WRONG, RIGHT.replace("y > 0", "y > limit"))
    check(names["relu_backward"])
    assert "yours: relu_backward is right: by hand" in capsys.readouterr().out
    check(run_cells(WRONG)["relu_backward"])
    assert "(check(relu_backward, more=True) says more.)" in capsys.readouterr().out
    names = run_cells(RIGHT, f"limit = 0\n{RELU}    return 1 / 0")
    check(names["relu_backward"])
    assert "In [2], line 7, `return 1 / 0`" in capsys.readouterr().out


def test_check_says_what_it_cannot_check(run_cells):
    from minicnn.reference import relu_backward

    with pytest.raises(ValueError, match="this relu_backward is the library's"):
        check(relu_backward)
    with pytest.raises(TypeError, match="expected a function, as in check"):
        check("relu_backward")
    with pytest.raises(ValueError, match="did you mean relu_backward"):
        check(run_cells("def relu_backwart(): 1")["relu_backwart"])
    nowhere = run_cells(RIGHT)
    del nowhere["In"]
    with pytest.raises(ValueError, match="cannot be found; write it into a file"):
        check(nowhere["relu_backward"])


def test_check_answers_about_the_file_that_calls_it(folder, capsys):
    text = f"from lessons import check\n{WRONG}\ncheck(relu_backward)\n"
    lay(folder, {"mine.py": text})
    names = {"__name__": "mine"}
    exec(compile(text, str(folder / "mine.py"), "exec"), names)
    assert "ask y, not dy" in " ".join(capsys.readouterr().out.split())


# The autograders of docs/.

DOCS = pathlib.Path(__file__).parents[1] / "docs"


@pytest.mark.skipif(os.name == "nt", reason="class systems run Linux")
@pytest.mark.parametrize("system", ["gradescope", "classroom50"])
def test_the_autograders_of_the_docs_grade_a_submission(system, folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(DOCS.parent))
    work = {"relu.py": RIGHT, "src/pool.ipynb": NOTEBOOK, "lessons.py": "1/0", "numpy.py": "1/0"}
    work |= {"result.json": "{}"}
    if system == "gradescope":
        lay(folder, {f"submission/{name}": work[name] for name in work})
        lay(folder, {"venv/bin/python": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'})
        os.chmod("venv/bin/python", 0o755)
        shutil.copy(DOCS / "autograder/gradescope/run_autograder", folder)
        command, path = [str(folder / "run_autograder")], "results/results.json"
    else:
        lay(folder, work)
        command = [sys.executable, "-P", str(DOCS / "autograder/classroom50/autograder.py")]
        path = "result.json"
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    content = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    assert [test["score"] for test in content["tests"]] == [0, 1, 0] and content["score"] == 1


def test_the_guide_names_lessons_as_they_are():
    titles = [cells.title(path)[0] for path in cells.lessons()]
    named = re.findall(r'"([A-Z][^"]+)"', (DOCS / "teaching.md").read_text(encoding="utf-8"))
    named = {name for name in named if name != "Change this and predict"}
    assert len(named) >= 4
    assert [name for name in named if not any(t.startswith(name) for t in titles)] == []


def test_no_answer_is_one_mistake_only_for_those_who_were_told_the_same():
    hints = "No answer, in call 1 of 22", "No answer, in call 9 of 22", "os.system is not allowed"
    told = [
        (owner, tutor.Result("f.py", "relu_backward", False, [], "no answer", hint, None))
        for owner, hint in zip("abc", hints, strict=True)
    ]
    rows = report.mistakes(told, None)
    assert [(owners, hint) for *_, owners, hint in rows] == [
        (["a", "b"], hints[0]),
        (["c"], hints[2]),
    ]
