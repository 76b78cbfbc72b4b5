"""Find the likely cause of a wrong answer: a known mistake, or a property of the wrong cases.

    found    for each case {output: value} of the learner's function, or None if it failed
    failed   for each case whether anything was wrong with it
    output   the first wrong output, or None if the function failed or returned something else

A case is evidence for a mistake if the library's function with that mistake gives the same numbers.
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
    found = [by_output(name, a["returned"]) if is_usable(name, a) else None for a in answers]
    if output:
        mistake = known_mistake(name, output, found, failed)
        if mistake:
            return mistake, mistake.hint
    if output and output != "cache":
        hint = exchanged_hint(name, output, found) or pattern_hint(name, output, found)
        if hint:
            return None, hint
    return None, setting_hint(name, failed)


def known_mistake(name, output, found, failed):
    """Return the known mistake that explains all outputs, or else this output, or None.

    With two mistakes in one function, neither explains all cases.  Then the result is the one that
    explains the first wrong case and the most others, and at least one other.
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
    """Yield for each case whether the mistake gives what was found, and whether that is wrong."""
    triples = zip(found, wrong_answers(name, mistake), right_answers(name), strict=False)
    for mine, mistaken, right in triples:
        if mine is None:
            yield True, False  # it failed, which says nothing about its numbers
        elif mistaken is None:
            yield False, False
        else:
            same = all(differences.alike(mine[q], mistaken[q]) for q in outputs)
            yield same, same and not all(differences.alike(mistaken[q], right[q]) for q in outputs)


def is_usable(name, answer):
    """Return whether an answer has the right outputs, whatever their values."""
    return not answer["raised"] and structure(name, answer["returned"]) is None


@functools.cache
def wrong_answers(name, mistake):
    """Return the results of the library's function with this mistake for all Cases."""
    return outcomes(name, variant(mistake))


def exchanged_hint(name, output, found):
    """Return a hint if another output is returned instead of this one."""
    pairs = [(mine, ours) for mine, ours in zip(found, right_answers(name), strict=False) if mine]
    for other in find(name).outputs:
        if other != output and all(
            differences.alike(mine[output], ours[other]) for mine, ours in pairs
        ):
            return f"What you return as {output} is {other}: are the two swapped?"
    return None


def pattern_hint(name, output, found):
    """Return a sentence on a pattern that all wrong cases share, or None."""
    common = None
    for case, mine, ours in zip(cases(name), found, right_answers(name), strict=False):
        if mine is None or differences.alike(mine[output], ours[output]):
            continue
        if np.shape(mine[output]) != np.shape(ours[output]):
            return None
        first = next(iter(case.inputs.values()))
        N = len(first) if np.ndim(first) else 1
        hints = differences.patterns(np.asarray(mine[output]), np.asarray(ours[output]), N)
        common = [line for line in hints if common is None or line in common]
    return common[0] if common else None


def setting_hint(name, failed):
    """Return a hint if the wrong cases share a setting that no right case has, or None."""
    settings = [settings_of(name, case) for case in cases(name)[: len(failed)]]
    wrong = [values for values, bad in zip(settings, failed, strict=True) if bad]
    right = [values for values, bad in zip(settings, failed, strict=True) if not bad]
    if not wrong or not right:
        return None
    words = [described(q, wrong) for q in wrong[0] if tells_apart(q, wrong, right)]
    if words:
        return f"All wrong cases have this, and no right one does: {', '.join(words)}."
    words = [described(q, wrong[:1]) for q in wrong[0] if tells_apart(q, wrong[:1], right)]
    return f"New in the first wrong case: {', '.join(words)}." if words else None


def settings_of(name, case):
    """Return a Case's options with their defaults, and its numbers of images and channels."""
    forward = forward_of(name) if name.endswith("_backward") else name
    parameters = inspect.signature(function(forward)).parameters.values()
    settings = {q.name: q.default for q in parameters if q.default is not q.empty}
    settings |= {**case.inputs, **case.options}
    settings = {q: value for q, value in settings.items() if isinstance(value, (int, float))}
    x = case.inputs.get("x")
    if np.ndim(x) == 4:
        settings |= {"images": x.shape[0], "channels": x.shape[1]}
    return {q: value for q, value in settings.items() if q not in ("H_out", "W_out", "f")}


def tells_apart(option, wrong, right):
    """Return whether all wrong cases have this option, with values that no right case has."""
    values = {case.get(option) for case in wrong}
    return None not in values and not values & {case.get(option) for case in right}


def described(option, settings):
    """Return an option and its values as text: "pad=1", "2 or 3 images"."""
    values = " or ".join(map(str, sorted({case[option] for case in settings})))
    return f"{values} {option}" if option in ("images", "channels") else f"{option}={values}"


def second_hint(name, mistake):
    """Return a stronger hint: the library's line that the mistake is about, or its file."""
    if not mistake:
        return f"Compare yours with the library's own {name}, line by line: {home(name)}"
    subject = f"In {mistake.inside} the" if mistake.inside else "The"
    text = helper_source(mistake) if mistake.inside else source(name)
    old = mistake.edits[-1][0].strip()
    line = next(line for line in text.splitlines() if old.splitlines()[0] in line)
    return f"{subject} library writes: {line.partition('  #')[0].strip()}"
