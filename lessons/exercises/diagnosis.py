"""What a wrong answer may come from: a known mistake, or what the wrong cases have in common.

    found    for every case the outputs of the learner's function by name, None where it broke
    failed   for every case True if something was wrong with it
    output   the first output that is wrong; None if the function broke or returned another thing

A case counts for a mistake if the library's function with the mistake in it gives the same numbers.
"""

import functools
import inspect

import numpy as np

from . import differences
from .cases import by_output, cases, outcomes, right_answers
from .catalogue import find, forward_of, function, home, source
from .checks import structure
from .mistakes import helper_source, mistakes, variant


def diagnosis(name, output, answers, failed):
    """Return the Mistake, or None, and the hint, or None."""
    found = [by_output(name, a["returned"]) if usable(name, a) else None for a in answers]
    if output:
        mistake = known(name, output, found, failed)
        if mistake:
            return mistake, mistake.hint
    if output and output != "cache":
        hint = exchanged(name, output, found) or in_common(name, output, found)
        if hint:
            return None, hint
    return None, only_with(name, failed)


def known(name, output, found, failed):
    """Return the known mistake that explains all that came out, or this output, or None.

    Where two mistakes meet, none explains all cases.  Then it is the one that explains the first
    wrong case and most of the others; one other at least, so that it is no coincidence.
    """
    for outputs in (find(name).outputs, [output]):
        for mistake in mistakes(name):
            signs = list(compared(name, mistake, outputs, found))
            if all(same for same, _ in signs) and any(wrong for _, wrong in signs):
                return mistake
    first, best, most = failed.index(True), None, 1
    for mistake in mistakes(name):
        signs = list(compared(name, mistake, [output], found))
        count = sum(wrong for _, wrong in signs)
        if all(same for same, _ in signs[: first + 1]) and count > most:
            best, most = mistake, count
    return best


def compared(name, mistake, outputs, found):
    """Yield for each case: does the mistake give what was found, and is that wrong?"""
    three = zip(found, wrong_answers(name, mistake), right_answers(name), strict=False)
    for mine, theirs, ours in three:
        if mine is None:
            yield True, False  # it broke, which says nothing about its numbers
        elif theirs is None:
            yield False, False
        else:
            same = all(differences.alike(mine[q], theirs[q]) for q in outputs)
            yield same, same and not all(differences.alike(theirs[q], ours[q]) for q in outputs)


def usable(name, answer):
    """Return whether an answer has the outputs that it should have, whatever they are."""
    return not answer["raised"] and structure(name, answer["returned"]) is None


@functools.cache
def wrong_answers(name, mistake):
    """Return what the library's function with the mistake in it makes of every Case."""
    return outcomes(name, variant(mistake))


def exchanged(name, output, found):
    """Return a hint if another output stands in the place of this one."""
    pairs = [(mine, ours) for mine, ours in zip(found, right_answers(name), strict=False) if mine]
    for other in find(name).outputs:
        if other != output and all(
            differences.alike(mine[output], ours[other]) for mine, ours in pairs
        ):
            return f"What you return as {output} is {other}: have they changed places?"
    return None


def in_common(name, output, found):
    """Return what all wrong cases look like, if they look alike."""
    common = None
    for one, mine, ours in zip(cases(name), found, right_answers(name), strict=False):
        if mine is None or differences.alike(mine[output], ours[output]):
            continue
        if np.shape(mine[output]) != np.shape(ours[output]):
            return None
        first = next(iter(one.inputs.values()))
        N = len(first) if np.ndim(first) else 1
        said = differences.patterns(np.asarray(mine[output]), np.asarray(ours[output]), N)
        common = [line for line in said if common is None or line in common]
    return common[0] if common else None


def only_with(name, failed):
    """Return a hint if the wrong cases have something that the right ones have not, or None."""
    settings = [settings_of(name, one) for one in cases(name)[: len(failed)]]
    wrong = [had for had, bad in zip(settings, failed, strict=True) if bad]
    right = [had for had, bad in zip(settings, failed, strict=True) if not bad]
    if not wrong or not right:
        return None
    words = [in_words(q, wrong) for q in wrong[0] if tells_apart(q, wrong, right)]
    if words:
        return f"What all wrong cases have, and no right one: {', '.join(words)}."
    words = [in_words(q, wrong[:1]) for q in wrong[0] if tells_apart(q, wrong[:1], right)]
    return f"New in the first wrong case: {', '.join(words)}." if words else None


def settings_of(name, one):
    """Return the options of a Case, with their defaults, and its numbers of images and channels."""
    forward = forward_of(name) if name.endswith("_backward") else name
    parameters = inspect.signature(function(forward)).parameters.values()
    had = {q.name: q.default for q in parameters if q.default is not q.empty}
    had |= {**one.inputs, **one.options}
    had = {q: value for q, value in had.items() if isinstance(value, (int, float))}
    x = one.inputs.get("x")
    if np.ndim(x) == 4:
        had |= {"images": x.shape[0], "channels": x.shape[1]}
    return {q: value for q, value in had.items() if q not in ("H_out", "W_out", "f")}


def tells_apart(option, wrong, right):
    """Return whether all wrong cases have this option, and no right one has it with their value."""
    values = {had.get(option) for had in wrong}
    return None not in values and not values & {had.get(option) for had in right}


def in_words(option, settings):
    """Return an option and its values as text: "pad=1", "2 or 3 images"."""
    values = " or ".join(map(str, sorted({had[option] for had in settings})))
    return f"{values} {option}" if option in ("images", "channels") else f"{option}={values}"


def more(name, mistake):
    """Return what helps if the hint did not: the line of the library that the mistake is about."""
    if not mistake:
        return f"Compare yours with the library's own {name}, line by line: {home(name)}"
    who = f"In {mistake.inside} the" if mistake.inside else "The"
    text = helper_source(mistake) if mistake.inside else source(name)
    old = mistake.edits[-1][0].strip()
    line = next(line for line in text.splitlines() if old.splitlines()[0] in line)
    return f"{who} library writes: {line.partition('  #')[0].strip()}"
