"""Find the likely cause of a wrong answer.

    found     {output: value} of the learner's function for a case, or None if it failed
    output    the first wrong output
    trials    [(case, found, right)]: a small wrong probe first, if there is one, then all cases
    outputs   those that must agree

A known mistake is evident if the edited function gives the learner's numbers in all cases.

EDITING is the processor time in seconds for edits of right solutions; a slow machine tries fewer.
"""

import ast
import functools
import inspect
import itertools
import math
import time

import numpy as np

from . import differences, loops
from .cases import by_output, cases, outcomes, right_answers, with_generators
from .catalogue import find, function, home, source
from .checks import structure
from .flow import elsewhere
from .mistakes import LOOPS, helper_source, mistakes, variant
from .mutations import first_line, locals_in, mutants
from .sandbox_child import copied

EDITING = 0.6
SIZES = {"f", "z", "s", "stride", "groups", "alpha", "beta", "epsilon", "momentum", "decay"}


def diagnosis(name, output, answers, failed, probe, tree):
    """Return the Mistake, or None, a name for statistics, or None, and the hint, or None.

    `probe` is None or (case, answer, right) of a small wrong input; `tree` is None or that of the
    learner's file, whose names say which solution resembles it more.
    """
    found = usable(name, answers)
    if mistake := known_mistake(name, output, found, failed):
        return mistake, mistake.name, mistake.hint
    if hint := exchanged_hint(name, output, found):
        return None, None, hint
    lines = [] if output == "cache" else common_patterns(name, output, found)
    if lines and lines[0].startswith(differences.SURE):
        return None, None, lines[0]
    if hint := size_factor(name, output, found):
        return None, None, hint
    trials = [(probe[0], *usable(name, [probe[1]]), probe[2])] if probe else []
    trials += zip(cases(name), found, right_answers(name), strict=False)
    trials = [trial for trial in trials if trial[2] is not None]
    joined = name == "sgd_update" or output == "cache"  # w follows from v, the cache from y
    outputs = find(name).outputs if joined else [output]
    if edit := edited_line(name, outputs, trials, tree):
        return (
            None,
            edit,
            f"Your {output} is exactly that of a right solution but for one thing: it {edit}.",
        )
    return None, None, lines[0] if lines else None


def usable(name, answers):
    """Return what was found in each answer; one without the right outputs counts as failed."""
    fine = [not a["raised"] and structure(name, a["returned"]) is None for a in answers]
    return [
        by_output(name, a["returned"]) if ok else None for a, ok in zip(answers, fine, strict=True)
    ]


def known_mistake(name, output, found, failed):
    """Return the known mistake that explains all outputs, or else this output, or None.

    With two mistakes in one function, neither explains all cases.  Then the result is the one that
    explains the first wrong case and the most others, and at least one other.
    """
    everything = find(name).outputs
    joined = name == "sgd_update" or output == "cache"  # y must be as right as the learner's
    choices = (everything,) if joined else (everything, [output])
    for outputs in choices:
        for mistake in mistakes(name):
            signs = list(compared(name, mistake, outputs, found))
            if all(same for same, _ in signs) and any(wrong for _, wrong in signs):
                return mistake
    if True not in failed:
        return None
    first, best, most = failed.index(True), None, 1
    for mistake in mistakes(name):
        signs = list(compared(name, mistake, choices[-1], found))
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


@functools.cache
def wrong_answers(name, mistake):
    """Return the results of the library's function with this mistake for all Cases."""
    return outcomes(name, variant(mistake))


def edited_line(name, outputs, trials, tree):
    """Return the edit of a right solution that gives the learner's numbers, in words, or None."""
    wrong = [
        k
        for k, (_, mine, ours) in enumerate(trials)
        if mine and not all(differences.alike(mine[q], ours[q]) for q in outputs)
    ]
    if not wrong:
        return None
    trials = [trials[wrong[0]], *trials[: wrong[0]], *trials[wrong[0] + 1 :]]
    mine = names_of(tree) if tree else set()
    end = time.thread_time() + EDITING
    for home_of, text in sorted(
        solutions(name), key=lambda pair: -len(names_of(ast.parse(pair[1])) & mine)
    ):
        module = ast.parse(text)
        names = dict(vars(home_of))
        exec(compile(module, "solution", "exec"), names)
        case = trials[-1][0]
        values = locals_in(names[name], copied(case.args), with_generators(case.options))
        shapes = {q: a.shape for q, a in values.items() if hasattr(a, "shape")}
        idle = elsewhere(name, module.body[0], outputs[0]) if len(outputs) == 1 else ()
        for words, statement in mutants(module.body[0], shapes):
            if time.thread_time() > end:
                return None
            if statement.lineno in idle:
                continue  # it has no part in this output
            ast.fix_missing_locations(statement)
            if gives(module, name, names, outputs, trials):
                return words.format(first_line(statement))
    return None


def names_of(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def solutions(name):
    """Yield the right solutions, as (module, source): in loops, and the library's."""
    if hasattr(loops, name):
        yield loops, inspect.getsource(getattr(loops, name))
    tree = ast.parse(source(name))
    tree.body[0].body = [
        line for line in tree.body[0].body[1:] if "check_" not in ast.unparse(line)
    ]
    yield inspect.getmodule(function(name)), ast.unparse(tree)


def gives(module, name, names, outputs, trials):
    """Return whether an edited solution gives what was found in all trials."""
    try:
        exec(compile(module, "solution", "exec"), names)
    except (SyntaxError, ValueError, TypeError):
        return False
    for case, mine, _ in trials:
        try:
            theirs = by_output(
                name, names[name](*copied(case.args), **with_generators(case.options))
            )
        except Exception:
            theirs = None
        if (mine is None) != (theirs is None):
            return False
        if mine and not all(differences.alike(mine[q], theirs[q]) for q in outputs):
            return False
    return True


def exchanged_hint(name, output, found):
    """Return a hint if another output is returned instead of this one."""
    pairs = [(mine, ours) for mine, ours in zip(found, right_answers(name), strict=False) if mine]
    for other in find(name).outputs:
        if other != output and all(
            differences.alike(mine[output], ours[other]) for mine, ours in pairs
        ):
            return f"What you return as {output} is {other}: are the two swapped?"
    return None


def common_patterns(name, output, found):
    """Return sentences on patterns that all wrong cases share, the most telling first."""
    common, numbers = None, 0
    for case, mine, ours in zip(cases(name), found, right_answers(name), strict=False):
        if mine is None or differences.alike(mine[output], ours[output]):
            continue
        if np.isfinite(ours[output]).all() and not np.isfinite(mine[output]).all() and common:
            continue  # an overflow, perhaps, on top
        first = next(iter(case.inputs.values()))
        N = len(first) if np.ndim(first) else 1
        pair = np.asarray(mine[output]), np.asarray(ours[output])
        if pair[0].shape == pair[1].shape:
            hints = differences.patterns(*pair, N)
        else:
            hints = differences.shapes(*pair)
        common = [line for line in hints if common is None or line in common]
        numbers += np.size(pair[1])
    return common if common and numbers > 1 else []  # one number is always some multiple


def size_factor(name, output, found):
    """Return a sentence if an output is right but for a product of sizes in each case, or None.

    Only the shortest product that fits all cases is named, and only if no other is as short.
    """
    factors, sizes = [], []
    for case, mine, ours in zip(cases(name), found, right_answers(name), strict=False):
        if mine is None or output == "cache" or np.shape(mine[output]) != np.shape(ours[output]):
            return None
        ratio = np.vdot(mine[output], ours[output]) / np.vdot(ours[output], ours[output])
        if not ratio or not differences.same(mine[output], ratio * ours[output]):
            return None
        factors.append(ratio)
        sizes.append(sizes_in(name, case))
    if not factors or np.ptp(factors) < 1e-6:
        return None
    for count in (1, 2, 3):
        fits = []
        for names in itertools.combinations_with_replacement(sorted(sizes[0]), count):
            product = [math.prod(known[q] for q in names) for known in sizes]
            fits += [("multiplied", names)] if np.allclose(factors, product, rtol=1e-4) else []
            fits += [("divided", names)] if np.allclose(1, factors * np.array(product)) else []
        if fits:
            verb, names = fits[0]
            says = f"Your {output} is right but for one factor: it is {verb} by {'·'.join(names)}."
            return says if len(fits) == 1 else None
    return None


def sizes_in(name, case):
    """Return the sizes and settings of a case, by their names in the solution."""
    solution = getattr(loops, name, None) or function(name)
    values = locals_in(solution, copied(case.args), with_generators(case.options))
    counted = {"n", "k"} if "lrn" in name else set()  # elsewhere they are numbers of a loop
    return {
        q: value
        for q, value in values.items()
        if isinstance(value, (int, float)) and (q in counted or q in SIZES or q[0].isupper())
    }


def second_hint(name, mistake):
    """Return a stronger hint: the library's line that the mistake is about, or its file."""
    if not mistake or mistake.inside == LOOPS:
        return f"Compare yours with the library's own {name}, line by line: {home(name)}"
    subject = f"In {mistake.inside} the" if mistake.inside else "The"
    text = helper_source(mistake) if mistake.inside else source(name)
    old = mistake.edits[-1][0].strip()
    line = next(line for line in text.splitlines() if old.splitlines()[0] in line)
    return f"{subject} library writes: {line.partition('  #')[0].strip()}"
