"""What the tutor says about wrong answers, and that a borrowed answer is noticed.

attempts.md holds answers as learners write them, most of them wrong, with the words that must be
said of each, and after a `!` those that must not.
"""

import ast
import inspect
import pathlib
import re

import numpy as np
import pytest
from test_exercises import check, sent_and_received

from lessons.exercises import (
    cases,
    catalogue,
    diagnosis,
    differences,
    experiments,
    judge,
    loops,
    sandbox,
    sandbox_child as child,
    tutor,
)

BANK = pathlib.Path(__file__).with_name("attempts.md").read_text(encoding="utf-8")
ATTEMPTS = re.findall(r"(?s)## (\w+): (\w+)\n(.*?)\n```python\n(.*?)```", BANK)
HAS_LOOPS = [e.name for e in catalogue.EXERCISES if hasattr(loops, e.name)]


def told(name, text, folder):
    """Return what the tutor says on one line; an attempt is ours, so it runs in this process."""
    path = folder / f"{name}.py"
    path.write_text(f"{catalogue.imports(name)}\n{text}", encoding="utf-8")
    if f"def {name}(" not in text or "import torch" in text:
        (result,) = tutor.results(path)
    else:
        function = vars(child.load(str(path)))[name]
        calls = child.unpack(child.pack(judge.calls(name)))
        with np.errstate(all="ignore"):
            answers = list(child.answers(function, calls, str(path)))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        verdict = judge.judge(name, [*map(sent_and_received, answers)], tree)
        checks = [checked._asdict() for checked in verdict.checks]
        result = tutor.Result(path.name, name, verdict.passed, checks, *verdict[2:])
    return " ".join(tutor.result_text(result).split())


@pytest.mark.parametrize(
    "name, mistake, words, text", ATTEMPTS, ids=[f"{a[0]}-{a[1]}" for a in ATTEMPTS]
)
def test_the_bank_of_attempts_is_diagnosed(name, mistake, words, text, tmp_path, monkeypatch):
    monkeypatch.setattr(diagnosis, "EDITING", 60)  # this machine may be busy
    said = told(name, text, tmp_path)
    for part in words.split("; "):
        assert (part[1:] not in said) if part[0] == "!" else (part in said), (part, said)


def test_the_bank_is_not_empty():
    assert len(ATTEMPTS) > 100 and {a[0] for a in ATTEMPTS} <= {*catalogue.BY_NAME}


@pytest.mark.parametrize("name", HAS_LOOPS)
@np.errstate(all="ignore")
def test_the_solution_in_loops_is_right(name):
    given = [*cases.cases(name), *(probe.case for probe in experiments.probes(name))]
    right = [*cases.right_answers(name), *experiments.probe_answers(name)]
    for mine, ours in zip(cases.results(name, getattr(loops, name), given), right, strict=True):
        assert all(differences.alike(mine[output], ours[output]) for output in ours)


@pytest.mark.parametrize("name", [name for name in HAS_LOOPS if experiments.probes(name)])
def test_no_two_conditions_of_small_inputs_always_come_together(name):
    """Otherwise the sentence about the cause would depend on their order."""
    tried = experiments.probes(name)
    told_of = experiments.conditions(tried)
    for condition, words in experiments.CONDITIONS.items():
        if all(q in tried[0].settings for q in experiments.names_in(condition)):
            true = [eval(condition, {}, probe.settings) for probe in tried]
            assert words in told_of or all(true) or not any(true)


@pytest.mark.parametrize("count", [5, 10, 15])
def test_where_slow_code_comes_to_few_small_inputs_no_cause_is_one_of_two(count):
    for name in filter(experiments.probes, HAS_LOOPS):
        tried = experiments.probes(name)[:count]
        known = experiments.conditions(tried)
        assert len(set(known.values())) == len(known)


def test_slow_code_that_is_wrong_is_not_asked_for_more_but_right_code_is(tmp_path):
    path, calls = tmp_path / "relu_backward.py", judge.calls("relu_backward")
    for line, complete in (("return (np.where(y > 0, dy, 0),)", True), ("return (dy,)", False)):
        text = RELU.format(
            "import time", f"time.sleep(1.2 * {sandbox.ENOUGH / len(calls)}); {line}"
        )
        path.write_text(text, encoding="utf-8")
        wrong = judge.wrongness("relu_backward")
        outcome = sandbox.run(path, "relu_backward", calls, is_wrong=wrong)
        assert outcome.failure is None and (len(outcome.answers) == len(calls)) == complete
        assert judge.judge("relu_backward", outcome.answers).passed == complete


def test_edits_of_right_solutions_end_with_their_time(tmp_path, monkeypatch):
    text = (
        "def pool_backward(dy, cache):\n"
        + inspect.getsource(loops.pool_backward).partition("\n")[2]
    )
    text = text.replace("i * s + a", "i + a")
    assert "exactly that of a right solution" in told("pool_backward", text, tmp_path)
    monkeypatch.setattr(diagnosis, "EDITING", 0)
    assert "Hint" not in told("pool_backward", text, tmp_path)


RELU = "import numpy as np\n{}\n\ndef relu_backward(dy, cache):\n    (y,) = cache\n    {}\n"
FILE = """
import minicnn, os, sys
FILE = os.path.join(os.path.dirname(minicnn.__file__), "reference", "activations.py")"""


LOANS = (
    """
import minicnn.reference as r; f = [r.relu_backward]           | return f[0](dy, cache)
import importlib as i              | return vars(i.import_module('minicnn.fast'))[NAME](dy, cache)
import minicnn.reference, sys      | return vars(sys.modules['minicnn.reference'])[NAME](dy, cache)
from lessons.exercises import loops                         | return vars(loops)[NAME](dy, cache)
pass                                                           | return open(FILE).read()
text = open(FILE).read()                                       | return dy,
import inspect, minicnn.reference as r; inspect.getsource(r.activations)                | return dy,
from importlib import util | s = util.spec_from_file_location('a', FILE); \
    m = util.module_from_spec(s); s.loader.exec_module(m); return vars(m)[NAME](dy, cache)
import types, minicnn.reference as r; f = vars(r)[NAME]; \
    g = types.FunctionType(f.__code__, f.__globals__)                   | return g(dy, cache)
import minicnn.reference.activations as m; t = m.__loader__.get_source(m.__name__)     | return dy,
import minicnn.reference.activations as m; t = m.__loader__.get_code(m.__name__)       | return dy,
os.symlink(FILE, 'x.py'); t = open('x.py').read()                                      | return dy,
import runpy; runpy.run_path(FILE)                                                     | return dy,
import pickle, minicnn.reference as r; p = pickle.dumps(vars(r)[NAME])                    \
                                                          | return pickle.loads(p)(dy, cache)
import gc, minicnn.reference as r; a = [o for o in gc.get_objects() if \
    'reference.activations' in str(getattr(o, '__module__', 0)) and NAME in str(o)] \
                                                                        | return a[0](dy, cache)
import importlib as i | [sys.modules.pop(k) for k in [*sys.modules] if 'minicnn.ref' in k]; \
    return vars(i.import_module('minicnn.reference'))[NAME](dy, cache)
import minicnn.fast as f; g = vars(f)[NAME]; g(np.ones(3), (np.ones(3),))   | return g(dy, cache)
""".strip()
    .replace("\\\n    ", "")
    .splitlines()
)


@pytest.mark.parametrize("loan", LOANS)
def test_an_answer_that_uses_the_librarys_own_is_named_as_borrowed(loan, tmp_path):
    before, line = loan.replace("NAME", "'relu_' + 'backward'").split("|")
    path = tmp_path / "attempt.py"
    path.write_text(RELU.format(f"{FILE}\n{before}", line.strip()), encoding="utf-8")
    (result,) = tutor.results(path)
    assert (result.passed, result.mistake) == (False, "borrowed"), result


@pytest.mark.parametrize(
    "line",
    [
        "import subprocess; subprocess.run(['cat', FILE])",
        "os.popen('cat ' + FILE).read()",
        "import ctypes; ctypes.CDLL(None)",
        "sys.setprofile(print)",
    ],
)
def test_what_no_exercise_needs_is_refused(line, tmp_path):
    path = tmp_path / "attempt.py"
    path.write_text(RELU.format(FILE, f"{line}; return np.where(y > 0, dy, 0),"), encoding="utf-8")
    (result,) = tutor.results(path)
    assert not result.passed and "is not allowed here" in str(result.checks)


def test_helpers_and_comparisons_are_no_loan(tmp_path):
    before = "from minicnn.shapes import out_size\nfrom minicnn.reference import relu_backward as r"
    after = "\nassert r(np.ones(3), (np.ones(3),))[0].all()\n"
    text = RELU.format(before, "return np.where(y > 0, dy, 0),") + after
    assert "relu_backward is right" in " ".join(check(tmp_path, text).split())


def test_what_is_not_known_is_shown_in_the_smallest_input_and_no_more(tmp_path):
    said = told(
        "pool_backward",
        "def pool_backward(dy, cache):\n    return dy.sum() * np.ones(cache[0], cache[1]),\n",
        tmp_path,
    )
    assert "The smallest input that fails: x z s ceil_mode dy your dx expected dx" in said
    assert "Hint" not in said
