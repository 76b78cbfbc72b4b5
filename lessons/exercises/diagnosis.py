"""What a wrong answer may come from: a known mistake, or what the wrong cases have in common.

found    for every case the outputs of the learner's function by name, None where it broke
failed   for every case True if something was wrong with it
output   the first output that is wrong; None if the function broke or returned another thing
"""

import functools

import numpy as np

from . import where
from .cases import by_output, cases, outcomes, right_answers
from .faults import structure
from .mistakes import helper_source, mistakes, variant
from .statements import find, home, source

OPTIONS = ("groups", "ceil_mode", "pad", "stride", "z", "s", "n", "momentum", "decay")


def diagnosis(name, output, answers, failed):
    """Return the Mistake, or None, and the hint, or None."""
    found = [by_output(name, a["returned"]) if usable(name, a) else None for a in answers]
    if output:
        for outputs in (find(name).outputs, [output]):  # all that came out, or else this one alone
            for mistake in mistakes(name):
                if explains(name, mistake, outputs, found):
                    return mistake, mistake.hint
    if output and output != "cache":
        hint = exchanged(name, output, found) or in_common(name, output, found)
        if hint:
            return None, hint
    return None, only_with(name, failed)


def usable(name, answer):
    """Return whether an answer has the outputs that it should have, whatever they are."""
    return not answer["raised"] and structure(name, answer["returned"]) is None


@functools.cache
def wrong_answers(name, mistake):
    """Return what the library's function with the mistake in it makes of every Case."""
    return outcomes(name, variant(mistake))


def explains(name, mistake, outputs, found):
    """Return whether the mistake gives what was found in every case, and at times a wrong thing."""
    shows = False
    three = zip(found, wrong_answers(name, mistake), right_answers(name), strict=False)
    for mine, theirs, ours in three:
        if mine is None:
            continue
        if theirs is None or not all(where.alike(mine[q], theirs[q]) for q in outputs):
            return False
        shows |= not all(where.alike(theirs[q], ours[q]) for q in outputs)
    return shows


def exchanged(name, output, found):
    """Return a hint if another output stands in the place of this one."""
    pairs = [(mine, ours) for mine, ours in zip(found, right_answers(name), strict=False) if mine]
    for other in find(name).outputs:
        if other != output and all(where.alike(mine[output], ours[other]) for mine, ours in pairs):
            return f"What you return as {output} is {other}: have they changed places?"
    return None


def in_common(name, output, found):
    """Return what all wrong cases look like, if they look alike."""
    common = None
    for one, mine, ours in zip(cases(name), found, right_answers(name), strict=False):
        if mine is None or where.alike(mine[output], ours[output]):
            continue
        if np.shape(mine[output]) != np.shape(ours[output]):
            return None
        first = next(iter(one.inputs.values()))
        N = len(first) if np.ndim(first) else 1
        said = where.patterns(np.asarray(mine[output]), np.asarray(ours[output]), N)
        common = [line for line in said if common is None or line in common]
    return common[0] if common else None


def only_with(name, failed):
    """Return a hint if an option tells the wrong cases from the right ones: "only with pad=1"."""
    settings = [one.inputs | one.options for one in cases(name)]
    for option in OPTIONS:
        wrong = {had.get(option) for had, bad in zip(settings, failed, strict=False) if bad}
        right = {had.get(option) for had, bad in zip(settings, failed, strict=False) if not bad}
        if right and None not in wrong and not wrong & right:
            values = " or ".join(map(str, sorted(wrong)))
            return f"It is wrong only with {option}={values}: what does your code do with {option}?"
    return None


def more(name, mistake):
    """Return what helps if the hint did not: the line of the library that the mistake is about."""
    if not mistake:
        return f"Compare yours with the library's own {name}, line by line: {home(name)}"
    who = f"In {mistake.inside} the" if mistake.inside else "The"
    text = helper_source(mistake) if mistake.inside else source(name)
    old = mistake.edits[-1][0].strip()
    line = next(line for line in text.splitlines() if old.splitlines()[0] in line)
    return f"{who} library writes: {line.partition('  #')[0].strip()}"
