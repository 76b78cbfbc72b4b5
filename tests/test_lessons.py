"""Every lesson runs, and every number in its prose is the one that comes out.

tests/claims/NN.py has, for lesson NN,

    CLAIMS    (text, expression): the text as it stands in the prose, with one number in it; the
              expression is evaluated in what the lesson leaves behind, and must give that number,
              to as many digits as the text has, or True ("below 1e-6", "worst < 1e-6")
    QUOTED    (text, source): numbers that others have measured, and where they say so

and no decimal number, and no whole number of three digits or more, may stand in the prose without
being in one of them.  Years, numbers of sections, half a turn, and what is set as code are free.
"""

import itertools
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from lessons.exercises.catalogue import BY_NAME
from lessons.viewer.cells import ANSWERS, PREDICT, cells, minutes, run
from minicnn import data

HERE = Path(__file__).parent
LESSONS = sorted((HERE.parent / "lessons").glob("[0-9][0-9]_*.py"))
every_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)

WHOLE = r"\d{1,3}(?:,\d{3})+|\d+"
NUMBER = re.compile(rf"(?<![\w.])(?:(?<![\w)\]])−)?(?:{WHOLE})(?:\.\d+)?(?:e[-−]?\d+)?")
FREE = re.compile(
    r"`[^`]*`"  # code
    r"|\(https?:[^)]*\)"  # the address in a link
    r"|180°"  # half a turn
    r"|arXiv[: ]\d{4}\.\d{4,5}"
    r"|Sections? \d+(?:\.\d+)?(?:(?:,| and) \d+(?:\.\d+)?)*"
    r"|(?<![\d,.])(?:19[5-9]\d|20[0-2]\d)(?![\d,.]\d)"  # years
)


def prose(path):
    """Return the Markdown of a lesson on one line."""
    texts = [source for kind, source in cells(path) if kind == "markdown"]
    return " ".join("\n".join(texts).split())


def claims(path):
    """Return CLAIMS and QUOTED of a lesson; a lesson without numbers needs no file."""
    file = HERE / "claims" / f"{path.stem[:2]}.py"
    found = runpy.run_path(file) if file.exists() else {}
    return found.get("CLAIMS", []), found.get("QUOTED", [])


def value_of(number):
    """Return the number that stands there: "−1,234.5" is -1234.5."""
    return float(number.replace(",", "").replace("−", "-"))


def as_printed(value, number):
    """Return a value with as many digits as the number has in the prose."""
    digits = number.replace(",", "").replace("−", "-")
    mantissa, e, _ = digits.partition("e")
    decimals = len(mantissa.partition(".")[2])
    return float(f"{value:.{decimals}{'e' if e else 'f'}}")


def unclaimed(text, claimed):
    """Return the numbers of a text that are in none of the claimed pieces of it."""
    for piece in sorted(claimed, key=len, reverse=True):
        text = re.sub(rf"(?<![\d.,]){re.escape(piece)}(?!\d|[.,]\d)", " ", text)
    numbers = NUMBER.findall(FREE.sub(" ", text))
    return [n for n in numbers if "." in n or "e" in n or abs(value_of(n)) >= 100]


@every_lesson
def test_a_lesson_runs_and_its_numbers_come_out(path, tmp_path, monkeypatch, sample):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", {"sample": sample}.get)
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figure.draw_without_rendering())
    namespace = run(path, pause=None, write=lambda text: None)
    text = prose(path)
    for piece, expression in claims(path)[0]:
        assert piece in text, f"the lesson no longer says {piece!r}"
        value = eval(expression, namespace)
        if isinstance(value, (bool, np.bool_)):
            assert value, f"{piece!r}: {expression} is false"
            continue
        (number,) = NUMBER.findall(piece)
        assert as_printed(value, number) == value_of(number), f"{piece!r}, but it is {value}"


@every_lesson
def test_no_number_of_the_prose_is_left_unchecked(path):
    measured, quoted = claims(path)
    for piece, _ in quoted:
        assert piece in prose(path), f"the lesson no longer says {piece!r}"
    assert unclaimed(prose(path), [piece for piece, _ in measured + quoted]) == []


@every_lesson
def test_a_lesson_begins_with_a_question_and_soon_with_code_and_ends_with_exercises(path):
    (kind, opening), *_, (last_kind, ending) = cells(path)
    number, title = int(path.stem[:2]), path.stem[3:].split("_")[0]
    assert kind == last_kind == "markdown"
    assert opening.startswith(f"# {number}. ") and title in opening.lower()
    assert "?" in opening and len(opening.splitlines()) <= 12
    goals = " ".join(opening.split()).partition("** ")
    assert minutes(path) in range(10, 46) and re.match(
        r"You need .+\. Afterwards you can ", goals[2]
    )
    needed = [int(n) for n in re.findall(r"\d+", goals[2].partition(".")[0])]
    assert all(n < number for n in needed)
    assert "## Change this and predict\n" in ending and len(ANSWERS.findall(ending)) == 1
    body = path.read_text(encoding="utf-8").partition("<details>")[0].splitlines()
    assert 80 <= len(body) - len(opening.splitlines()) <= 150


def test_something_learns_within_the_first_ninety_minutes():
    (first,) = [
        n for n, path in enumerate(LESSONS, 1) if "## Something learns\n" in path.read_text()
    ]
    assert sum(map(minutes, LESSONS[:first])) <= 90


@every_lesson
def test_the_exercises_that_a_lesson_names_are_there(path):
    names = re.findall(r"(?:lessons exercise |then `)(\w+)`", prose(path))
    assert set(names) <= set(BY_NAME)


@every_lesson
def test_no_sentence_of_the_prose_becomes_a_list_by_accident(path):
    for kind, source in cells(path):
        lines = ["", *source.splitlines()] if kind == "markdown" else []
        for before, line in zip(lines, lines[1:], strict=False):
            if re.match(r"(\d+[.)]|[-+*]) ", line):  # "is at most\n1. And then" would be one
                assert re.match(r"$|\d+[.)] |[-+*] |   *\S", before), line


@every_lesson
def test_a_question_that_the_next_output_answers_asks_for_a_prediction(path):
    for (kind, text), (after, _) in itertools.pairwise(cells(path)):
        if kind == "markdown" and after == "code" and text.rstrip().endswith("?"):
            assert PREDICT.search(text), text  # so that pages fold the output


@every_lesson
def test_a_lesson_has_no_second_implementation(path):
    code = "\n".join(source for kind, source in cells(path) if kind == "code")
    assert not re.search(r"def \w+_(forward|backward)", code)


def test_a_number_that_nobody_checks_is_found():
    text = "In 2012 (Section 3.3) it was 37.5% of 150,000, with `k=200`, −0.5 and 1e-4, not 99."
    assert unclaimed(text, []) == ["37.5", "150,000", "−0.5", "1e-4"]
    assert unclaimed(text, ["it was 37.5%", "−0.5", "1e-4"]) == ["150,000"]
    assert unclaimed("131.5 or 1.57", ["31.5", "1.5"]) == ["131.5", "1.57"]


def test_a_value_is_compared_to_the_digits_of_the_text():
    for value, number in [(1234.46, "1,234.5"), (-0.504, "−0.50"), (9.09e-13, "9e-13")]:
        assert as_printed(value, number) == value_of(number)
    assert as_printed(0.5951, "0.59") != value_of("0.59")
