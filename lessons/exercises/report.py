"""What a teacher gets: a table of a class as CSV and as a page, and files for class systems.

    results    a list of (owner, Result) of everything that was checked; see handins.py, tutor.py
    exercises  the names of the exercises, the columns of the table; none: those handed in

The JSON of --report is {"format": FORMAT, "results": […]}, an entry for each exercise in each file:

    student   whose it is; "" for the learner's own files
    file      the path, as given
    name      the exercise; null if the file has none or cannot be read as Python
    passed    true or false
    checks    [{"case": its title, "passed": true or false, "said": [lines]}]
    mistake   its name: a heading in hints/, or "still empty", "stopped", "not a tuple", "wrong
              shape", "wrong dtype", "argument changed", "no answer", "borrowed", "unreadable",
              "not judged", "not checked", … or null
    hint      the tutor's hint, or null
    printed   the first 2,000 characters of the code's printed output

Classroom 50 and Gradescope read a file of one student: a test for each exercise, worth one point.
If a student has handed in an exercise more than once, one right answer is enough.
"""

import csv
import datetime
import html
import io
import json
import os
import re
from collections import Counter

from minicnn.storage import Kind

from . import catalogue, tutor

FORMAT = "minicnn exercises 1"
REPORT = Kind("a report of this command", rb'\{\s*"format": "minicnn exercises')
TABLE = Kind("the table of a class", b"\xef\xbb\xbfstudent,")
PAGE = Kind("the page of a class", b"<!doctype html>.*Exercises of a class")
SYMBOLS = {"right": "✓ right", "wrong": "✗", "missing": "–"}
STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse } th, td { padding: .3rem .7rem; border: 1px solid #bbb }
th { text-align: left } .right { background: #dff0df } .wrong { background: #fae3dc }
.missing { color: #666 } pre { white-space: pre-wrap; background: #f5f5f5; padding: .7rem }
.wide { overflow-x: auto } summary { cursor: pointer }
:root { color-scheme: light dark }
@media (prefers-color-scheme: dark) {
  .right { background: #173a1d } .wrong { background: #4a211a } .missing { color: #aaa }
  pre { background: #2a2a2a }
}
"""


def exercises_in(results):
    """Return the names of all exercises that were handed in, in teaching order."""
    names = {result.name for _, result in results}
    return [name for name in catalogue.BY_NAME if name in names]


def owners_in(results):
    """Return the owners in their order, each once."""
    return list(dict.fromkeys(owner for owner, _ in results))


def best(results, owner, name):
    """Return a student's Result for an exercise: a right one if there is one; None without any."""
    own = [result for who, result in results if (who, result.name) == (owner, name)]
    return next((result for result in own if result.passed), own[-1] if own else None)


def unread(results, owner=None):
    """Return the (owner, Result) of what could not be read or checked."""
    return [(o, r) for o, r in results if r.name is None and owner in (None, o)]


def as_json(results):
    """Return the text of the JSON report."""
    entries = [{"student": owner, **result._asdict()} for owner, result in results]
    for entry in entries:
        del entry["more"]
    return json.dumps({"format": FORMAT, "results": entries}, indent=1)


def as_csv(results, exercises):
    """Return the table as CSV: 1 right, 0 wrong, empty if nothing was handed in.

    It begins with a byte order mark, by which spreadsheets know UTF-8.
    """
    exercises = exercises or exercises_in(results)
    file = io.StringIO("\ufeff")
    file.seek(1)
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["student", *exercises, "right", "not read"])
    for owner in owners_in(results):
        found = [best(results, owner, name) for name in exercises]
        cells = ["" if result is None else int(result.passed) for result in found]
        faults = " | ".join(f"{r.file}: {r.hint}" for _, r in unread(results, owner))
        right = sum(cell == 1 for cell in cells)
        rows.writerow([for_cell(owner), *cells, right, for_cell(faults)])
    return file.getvalue()


def for_cell(text):
    """Return a text that a spreadsheet takes for text: one that begins with = is a formula."""
    text = tutor.harmless(text)
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text


def mistakes(results, exercises):
    """Return the class's mistakes, the commonest first: (exercise, mistake, owners, hint).

    Answers without a known mistake are one only if all were told the same.
    """
    found = {}
    for owner in owners_in(results):
        for name in exercises or exercises_in(results):
            result = best(results, owner, name)
            if result and not result.passed:
                hint = result.hint or ""
                told = re.sub(r"\d+", "", hint) if result.mistake in (None, "no answer") else ""
                key = (name, result.mistake or "another mistake", told)
                found.setdefault(key, []).append((owner, hint))
    rows = []
    for (name, mistake, _), cases in sorted(found.items(), key=lambda item: -len(item[1])):
        ((hint, _),) = Counter(hint for _, hint in cases).most_common(1)
        rows.append((name, mistake, [owner for owner, _ in cases], hint))
    return rows


def shown(owner):
    """Return the name of a student for people."""
    return owner or "(no name)"


def as_page(results, exercises, more=False):
    """Return the page of a class: table, commonest mistakes, what was not read, all answers."""
    exercises = exercises or exercises_in(results)
    right = sum(result.passed for _, result in results)
    owners = owners_in(results)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>Exercises of a class</title>',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style></head><body>",
        "<h1>Exercises of a class</h1>",
        f"<p>Students: {len(owners)}. Answers that are right: {right} of "
        f"{sum(result.name is not None for _, result in results)}.</p>",
        '<div class="wide"><table><thead><tr><th scope="col">student</th>',
        *(f'<th scope="col">{escaped(name)}</th>' for name in exercises),
        "</tr></thead><tbody>",
        *(page_row(results, exercises, number, owner) for number, owner in enumerate(owners)),
        "</tbody></table></div>",
        *page_mistakes(results, exercises),
        *page_unread(results),
        "<h2>What each student was told</h2>",
    ]
    for number, owner in enumerate(owners):
        parts.append(f'<h3 id="s{number}">{escaped(shown(owner))}</h3>')
        for _, result in (pair for pair in results if pair[0] == owner):
            title = f"{result.name or result.file}: {verdict(result)}"
            text = tutor.result_text(result, more)
            parts.append(
                f"<details><summary>{escaped(title)}</summary><pre>{escaped(text)}</pre></details>"
            )
    return "\n".join([*parts, "</body></html>", ""])


def page_row(results, exercises, number, owner):
    """Return a student's row of the page's table."""
    cells = []
    for name in exercises:
        result = best(results, owner, name)
        kind = "missing" if result is None else "right" if result.passed else "wrong"
        words = f" {result.mistake or 'wrong'}" if kind == "wrong" else ""
        cells.append(f'<td class="{kind}">{SYMBOLS[kind]}{escaped(words)}</td>')
    link = f'<a href="#s{number}">{escaped(shown(owner))}</a>'
    return f'<tr><th scope="row">{link}</th>{"".join(cells)}</tr>'


def page_mistakes(results, exercises):
    """Return the page's part on the commonest mistakes."""
    rows = mistakes(results, exercises)
    if not rows:
        return []
    heads = ("students", "exercise", "mistake", "hint", "whose")
    lines = [
        '<h2>The commonest mistakes</h2><div class="wide"><table><thead><tr>',
        *(f'<th scope="col">{head}</th>' for head in heads),
        "</tr></thead><tbody>",
    ]
    for name, mistake, owners, hint in rows:
        who = ", ".join(map(shown, owners))
        cells = [str(len(owners)), name, mistake, hint, who]
        lines.append(f"<tr>{''.join(f'<td>{escaped(cell)}</td>' for cell in cells)}</tr>")
    return [*lines, "</tbody></table></div>"]


def page_unread(results):
    """Return the page's part on what could not be read, and why."""
    rows = unread(results)
    if not rows:
        return []
    items = [
        f"<li>{escaped(shown(owner))}: {escaped(r.file)}: {escaped(r.hint or '')}</li>"
        for owner, r in rows
    ]
    return ["<h2>What could not be read, and why</h2><ul>", *items, "</ul>"]


def escaped(text):
    """Return a text for a page, without what could affect it."""
    return html.escape(tutor.harmless(text))


def verdict(result):
    """Return a Result in a few words."""
    if result.name is None:
        return result.hint or result.mistake
    return "right" if result.passed else f"not yet: {result.mistake or 'wrong'}"


# Class systems.


def tests(results, exercises, more):
    """Return (name, passed, what the tutor says) for each exercise of one student.

    Without names of exercises, a file that cannot be read is a failed test.
    """
    owner = next(iter(owners_in(results)), "")
    faults = [(r.file, f"{r.file}: {r.hint}") for _, r in unread(results, owner)]
    rows = []
    for name in exercises or exercises_in(results):
        if result := best(results, owner, name):
            rows.append((name, result.passed, tutor.result_text(result, more)))
        else:
            said = [f"{name} was not handed in.", *(text for _, text in faults)]
            rows.append((name, False, "\n".join(said)))
    rows += [] if exercises else [(file, False, text) for file, text in faults]
    return [(tutor.harmless(n), passed, tutor.harmless(text)) for n, passed, text in rows]


def as_classroom50(results, exercises=None, more=False):
    """Return the text of Classroom 50's result.json for one student.

    Its runner tells in environment variables whose submission this is.
    """
    rows = tests(results, exercises, more)
    told = os.environ.get
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = {
        "schema": "classroom50/result/v1",
        "classroom": told("CLASSROOM", ""),
        "assignment": told("ASSIGNMENT", ""),
        "submission": told("SUBMISSION_TAG", ""),
        "commit": told("COMMIT_URL", ""),
        "release": told("RELEASE_URL", ""),
        "review": told("REVIEW_URL", "") or told("COMMIT_URL", ""),
        "datetime": now,
        "score": sum(passed for _, passed, _ in rows),
        "max-score": len(rows),
        "tests": [
            {"test-name": n, "passed": p, "score": int(p), "max-score": 1, "output": text}
            for n, p, text in rows
        ],
    }
    return json.dumps(content, indent=1)


def as_gradescope(results, exercises=None, more=False):
    """Return the text of Gradescope's results.json for one student."""
    rows = [
        {"name": n, "score": int(p), "max_score": 1, "output": text, "visibility": "visible"}
        for n, p, text in tests(results, exercises, more)
    ]
    return json.dumps({"score": sum(row["score"] for row in rows), "tests": rows}, indent=1)


FORMS = {  # name → the usual name of the file, what it is, and the function that returns its text
    "classroom50": (
        "result.json",
        Kind("a result for Classroom 50", rb'\{\s*"schema": "classroom50/result'),
        as_classroom50,
    ),
    "gradescope": (
        "results.json",
        Kind("results for Gradescope", rb'\{\s*"score": \d+,\s*"tests"'),
        as_gradescope,
    ),
}
