"""Judge a learner's function from its answers to all cases.

    case     a Case, see cases.py
    answer   the child process's reply for it, see sandbox_child.py
    Verdict  passed; checks: a Check for each case; mistake: its name, or None; hint: the tutor's
             sentence about it; more: a stronger hint
    Check    case: its title; passed; said: lines that say what is wrong

Only the first wrong output of the first failing case is described.  The hint is that of the first
known mistake that explains this output in all cases, else a property that the wrong cases share.
"""

from collections import namedtuple

import numpy as np

from . import dropout_checks
from .cases import Seed, cases, right_answers
from .checks import look
from .diagnosis import diagnosis, second_hint

Verdict = namedtuple("Verdict", "passed checks mistake hint more")
Check = namedtuple("Check", "case passed said")
EMPTY = "still empty"


def calls(name):
    """Return the calls of all cases, (args, options), as the child process takes them."""
    return [(case.args, seeds(case.options)) for case in cases(name)]


def seeds(options):
    return {k: {"seed": v.number} if isinstance(v, Seed) else v for k, v in options.items()}


@np.errstate(all="ignore")
def judge(name, answers):
    """Return the Verdict on a function from its answers to `calls(name)`, or to the first of them.

    Parameters
    ----------
    name : str
        The exercise.
    answers : list of dict
        In the order of the cases.
    """
    if answers and answers[0]["raised"] and answers[0]["raised"]["type"] == "NotImplementedError":
        return Verdict(False, [], EMPTY, f"{name} is still empty: its lines are yours.", None)
    given = cases(name)[: len(answers)]
    checks, first = [], None
    for case, answer, right in zip(given, answers, right_answers(name), strict=False):
        fault = look(name, case, answer, right, tell=first is None)
        checks.append(Check(case.title, fault is None, fault.lines if fault else []))
        first = first or fault
    label = None
    if first:
        failed = [not check.passed for check in checks]
        mistake, hint = diagnosis(name, first.output, answers, failed)
        label = first.name
    elif name == "dropout_forward" and (fault := dropout_checks.fault_of(given, answers)):
        place, lines, mistake = fault
        checks[place] = checks[place]._replace(passed=False, said=lines)
        hint = mistake and mistake.hint
    else:
        return Verdict(True, checks, None, None, None)
    label = mistake.name if mistake else label
    return Verdict(False, checks, label, hint, second_hint(name, mistake))
