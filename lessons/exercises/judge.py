"""Judge a learner's function from its answers to all cases, and to small inputs.

    case     a Case, see cases.py; a probe is a small one, see experiments.py
    answer   the child process's reply for it, see sandbox_child.py
    fault    the first Fault of an answer, see checks.py
    Verdict  passed; checks: a Check for each case; mistake: its name, or None; hint: the tutor's
             sentence about it; more: a stronger hint
    Check    case: its title; passed; said: lines that say what is wrong

Only the first wrong output of the first failing case is described, in the smallest input where it
is wrong.  Where nothing is known about the cause, there is no hint.
"""

from collections import namedtuple

import numpy as np

from . import dropout_checks
from .cases import Seed, cases, right_answers
from .catalogue import function
from .checks import is_small, look
from .diagnosis import diagnosis, second_hint, usable
from .differences import FACTORS
from .experiments import cause, probe_answers, probes, size_of
from .facts import ALL, FLOAT, facts
from .flow import writes_to
from .sandbox_child import BORROWED

Verdict = namedtuple("Verdict", "passed checks mistake hint more")
Check = namedtuple("Check", "case passed said")
EMPTY = "still empty"


def calls(name):
    """Return the calls of all cases and probes, (args, options), for the child process."""
    small = [probe.case for probe in probes(name)]
    return [(case.args, seeds(case.options)) for case in [*cases(name), *small]]


def seeds(options):
    return {k: {"seed": v.number} if isinstance(v, Seed) else v for k, v in options.items()}


def wrongness(name):
    """Return a function that gets the answers so far and returns whether one is known as wrong.

    It returns False before all Cases are answered: what the tutor says is about all of them.
    """
    given = [*cases(name), *(probe.case for probe in probes(name))]
    right = [*right_answers(name), *probe_answers(name)]
    faults = []

    def is_wrong(answers):
        while len(faults) < len(answers) and not any(faults):
            k = len(faults)
            with np.errstate(all="ignore"):
                faults.append(look(name, given[k], answers[k], right[k], tell=False))
        return any(faults) and len(answers) >= len(cases(name))

    return is_wrong


@np.errstate(all="ignore")
def judge(name, answers, tree=None):
    """Return the Verdict on a function from its answers to `calls(name)`, or to the first of them.

    Parameters
    ----------
    name : str
        The exercise.
    answers : list of dict
        In the order of the calls.
    tree : ast.Module
        The learner's file, for the facts that it shows.
    """
    raised = [answer["raised"]["type"] for answer in answers if answer["raised"]]
    if answers and answers[0]["raised"] and raised[0] == "NotImplementedError":
        return Verdict(False, [], EMPTY, f"{name} is still empty: its lines are yours.", None)
    if BORROWED in raised:
        hint = f"This uses the library's own {name}.  The exercise is to find its lines yourself."
        return Verdict(False, [], BORROWED, hint, None)
    given = cases(name)[: len(answers)]
    answers, small = answers[: len(given)], answers[len(given) :]
    checks, first = [], None
    for case, answer, right in zip(given, answers, right_answers(name), strict=False):
        fault = look(name, case, answer, right, tell=first is None)
        checks.append(Check(case.title, fault is None, fault.lines if fault else []))
        first = first or fault
    failed = [not check.passed for check in checks]
    faults = [
        look(name, probe.case, answer, right, tell=False)
        for probe, answer, right in zip(probes(name), small, probe_answers(name), strict=False)
    ]
    if faults:
        checks.append(Check(f"{len(faults)} small inputs", not any(faults), []))
    fault = first or next(filter(None, faults), None)
    if fault is None and name == "dropout_forward":
        return dropout_verdict(given, answers, checks, tree)
    if fault is None:
        return Verdict(True, checks, None, None, None)

    like = [bool(f) and (not fault.output or f.output in (fault.output, None)) for f in faults]
    alike = [like[k] and f.name == fault.name for k, f in enumerate(faults)]
    sizes = [size_of(probe.case) for probe in probes(name)[: len(alike)]]
    smallest = min((k for k, same in enumerate(alike) if same), key=sizes.__getitem__, default=None)
    lines, label, mistake, hint, trial = [*fault.lines], fault.name, None, None, None
    if smallest is not None and fault.output:
        trial = probes(name)[smallest].case, small[smallest], probe_answers(name)[smallest]
        shown = look(name, *trial, tell=True).lines
        lines = lines if first else [*shown]
        by_hand = [size_of(case) for case, bad in zip(given, failed, strict=True) if bad]
        smaller = size_of(trial[0]) < min(by_hand, default=np.inf)
        if is_small(trial[0], 0) and smaller and "\n" in shown[0]:
            lines = ["The smallest input that fails:", *shown]
    if fault.output:
        mistake, known, hint = diagnosis(name, fault.output, answers, failed, trial, tree)
        label = known or label
    sentence = (
        "" if fault.name in ("argument changed", "wrong cache") else cause(name, like, sum(failed))
    )
    lines += [sentence] if sentence else []
    if tree:
        dtypes = fault.name == "wrong dtype"
        evidence = whole(name, fault.output, answers), sentence, fault.output, dtypes
        lines, hint = with_facts(name, tree, fault, mistake, evidence, lines, hint)
    place = [check.passed for check in checks].index(False)
    checks[place] = checks[place]._replace(said=lines)
    return Verdict(False, checks, label, hint, second_hint(name, mistake))


def dropout_verdict(given, answers, checks, tree):
    """Return the Verdict on a dropout_forward whose results have the right form."""
    if not (fault := dropout_checks.fault_of(given, answers)):
        return Verdict(True, checks, None, None, None)
    place, lines, mistake = fault
    lines = [*lines, *(f.says for f in (facts("dropout_forward", tree) if tree else []))]
    checks[place] = checks[place]._replace(passed=False, said=lines)
    label, hint = (mistake.name, mistake.hint) if mistake else (None, None)
    return Verdict(False, checks, label, hint, second_hint(name="dropout_forward", mistake=mistake))


def whole(name, output, answers):
    """Return the kind of numbers, "float" or "int", if all are whole and should not be, or ""."""
    if output in (None, "cache"):
        return ""
    pairs = zip(usable(name, answers), right_answers(name), strict=False)
    pairs = [(np.asarray(mine[output]), ours[output]) for mine, ours in pairs if mine]
    wrong = [mine for mine, ours in pairs if np.mod(ours, 1).any() and mine.any()]
    if not wrong or any(np.mod(mine, 1).any() for mine in wrong):
        return ""
    return FLOAT if any(mine.dtype.kind == "f" for mine in wrong) else "int"


def with_facts(name, tree, fault, mistake, evidence, lines, hint):
    """Return the lines and the hint, with what the learner's code shows."""
    if fault.name == "argument changed":
        for argument in function(name).__code__.co_varnames:
            if lines[0].startswith(f"{argument} ") or lines[0].startswith(f"{argument},"):
                if line := writes_to(tree, name, argument):
                    lines.append(f"Line {line[0]}, `{line[1]}`, writes into it.")
        return lines, hint
    seen = facts(name, tree, *evidence)
    causes = [f for f in seen if f.explains == ALL or (mistake and mistake.name in f.explains)]
    if causes and not (hint or "").startswith(FACTORS):  # no such fact makes just a factor
        return lines, causes[0].says
    others = [f.says for f in seen if not f.explains][:2]
    return [*lines, *others], hint
