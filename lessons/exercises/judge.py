"""Is a learner's function right, and if not, what is it?

    one      a Case, see cases.py
    answer   what the child process sent back for it, see sandbox_child.py
    Verdict  passed; checks, a Check for every case; mistake, its name if it has one; hint, what the
             tutor says about it; more, if that does not help
    Check    case, its title; passed; and said: what is wrong, a list of lines

The first case that fails is told, and of its outputs the first: one thing at a time.  The hint is
that of the first known mistake that explains this output in all cases; else what the wrong cases
have in common.
"""

from collections import namedtuple

from . import dropout_checks
from .cases import Seed, cases, right_answers
from .checks import look
from .diagnosis import diagnosis, more

Verdict = namedtuple("Verdict", "passed checks mistake hint more")
Check = namedtuple("Check", "case passed said")
EMPTY = "still empty"


def calls(name):
    """Return the calls of all cases: (args, options), as the child process takes them."""
    return [(one.args, seeds(one.options)) for one in cases(name)]


def seeds(options):
    return {k: {"seed": v.number} if isinstance(v, Seed) else v for k, v in options.items()}


def judge(name, answers):
    """Return the Verdict on a function, from its answers to `calls(name)`, as many as came.

    Parameters
    ----------
    name : str
        The exercise.
    answers : list of dict
        In the order of the cases.
    """
    if answers and answers[0]["raised"] and answers[0]["raised"]["type"] == "NotImplementedError":
        return Verdict(False, [], EMPTY, f"{name} is still empty: the lines are yours.", None)
    given = cases(name)[: len(answers)]
    checks, first = [], None
    for one, answer, right in zip(given, answers, right_answers(name), strict=False):
        fault = look(name, one, answer, right, tell=first is None)
        checks.append(Check(one.title, fault is None, fault.lines if fault else []))
        first = first or fault
    called = None
    if first:
        failed = [not check.passed for check in checks]
        mistake, hint = diagnosis(name, first.output, answers, failed)
        called = first.name
    elif name == "dropout_forward" and (fault := dropout_checks.fault_of(given, answers)):
        place, lines, mistake = fault
        checks[place] = checks[place]._replace(passed=False, said=lines)
        hint = mistake and mistake.hint
    else:
        return Verdict(True, checks, None, None, None)
    called = mistake.name if mistake else called
    return Verdict(False, checks, called, hint, more(name, mistake))
