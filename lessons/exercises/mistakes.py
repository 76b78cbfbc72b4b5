"""Common mistakes, each as a small edit of the library's own function.

hints/ has a page for each exercise.  A mistake there is a heading, a diff and a hint:

    ## = for +=                                           its name
                                                          in a box marked diff:
    - dplace += np.where(winner == place, dy, 0)          where this stands in the real source,
    + dplace[...] = np.where(winner == place, dy, 0)      put this instead
                                                          after the box:
    Off where windows overlap: …                          the tutor's hint

A mistake shows in the numbers, however the code is written: the tutor compares the results of the
learner's function with those of the edited function.  Two boxes under one heading are two ways to
make the mistake.  If the heading ends with "(in helper)", the edit is in that helper function; if
it ends with "(in loops)", it is in the second solution, see loops.py.

A test checks that every edit still fits the source, and that each is told apart from all others.
"""

import functools
import inspect
import pathlib
import re
from collections import namedtuple

from . import loops
from .catalogue import function, source

# inside: the helper function or None; edits: ((old, new), …)
Mistake = namedtuple("Mistake", "exercise name inside edits hint")
LOOPS = "loops"
HINTS = pathlib.Path(__file__).parent / "hints"


@functools.cache
def mistakes(exercise):
    """Return the known Mistakes of an exercise, the most likely first."""
    page = (HINTS / f"{exercise}.md").read_text(encoding="utf-8")
    known = []
    for section in re.split(r"(?m)^## ", page)[1:]:
        name, inside = re.fullmatch(r"(.+?)(?: \(in (\w+)\))?", section.splitlines()[0]).groups()
        hint = " ".join(section.rpartition("```")[2].split("\n")).strip()
        for box in re.findall(r"(?s)```diff\n(.*?)```", section):
            known.append(Mistake(exercise, name, inside, edits(box), hint))
    return known


def edits(diff):
    """Return the pairs (old, new) of a diff, from its lines with − and +."""
    hunks = re.findall(r"((?:^- .*\n)+)((?:^\+ .*\n)*)", diff, re.MULTILINE)
    return tuple(tuple(re.sub(r"(?m)^. ", "", text)[:-1] for text in hunk) for hunk in hunks)


@functools.cache
def variant(mistake):
    """Return the library's function with the mistake in it."""
    name = mistake.exercise
    home = loops if mistake.inside == LOOPS else inspect.getmodule(function(name))
    names = dict(vars(home))  # imports and helpers
    for text in edited_sources(mistake):
        exec(text, names)
    return names[name]


def edited_sources(mistake):
    """Return the sources with the mistake in them: a helper, if it is there, and the function.

    Raises ValueError if an edit no longer fits the source.
    """
    if mistake.inside == LOOPS:
        return [edited(inspect.getsource(getattr(loops, mistake.exercise)), mistake)]
    text = source(mistake.exercise)
    if mistake.inside:
        return [edited(helper_source(mistake), mistake), text]
    return [edited(text, mistake)]


def helper_source(mistake):
    """Return the source of the helper that a mistake is in."""
    helper = vars(inspect.getmodule(function(mistake.exercise)))[mistake.inside]
    text = inspect.getsource(getattr(helper, "py_func", helper))
    return text[text.index("def ") :]


def edited(text, mistake):
    """Return the source with each `old` replaced by its `new`."""
    for old, new in mistake.edits:
        if old not in text:
            raise ValueError(
                f"hints/{mistake.exercise}.md, {mistake.name}: {old!r} is not in the source of "
                f"{text[4 : text.index('(')]} any more"
            )
        text = text.replace(old, new)
    return text
