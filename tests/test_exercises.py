"""The exercises: what is right passes, every planted mistake is called by its name, nothing hangs.

A learner's file is made from the exercise's own text: its imports, the helpers that the library
uses, and the library's function, as it is or with one mistake in it.
"""

import ast
import inspect
import io
import json
import os
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from lessons.__main__ import main
from lessons.exercises import (
    cases,
    catalogue,
    checks,
    judge,
    mistakes,
    sandbox,
    sandbox_child,
    submission,
    tutor,
)
from lessons.viewer import cells

NAMES = [exercise.name for exercise in catalogue.EXERCISES]
every_exercise = pytest.mark.parametrize("name", NAMES)

RELU = "import numpy as np\n\n\ndef relu_backward(dy, cache):\n    (y,) = cache\n"


def learners_file(name, sources=None):
    """Return the text of a solution, or with other sources in it of an attempt."""
    module = inspect.getmodule(catalogue.function(name))
    helpers = [
        inspect.getsource(f)
        for helper, f in inspect.getmembers(module, inspect.isfunction)
        if f.__module__ == module.__name__ and helper not in NAMES and "ward" not in helper
    ]
    text = "\n\n".join([*helpers, *(sources or [catalogue.source(name)])])
    text = re.sub(
        r"(?m)^    (?:[\w, ]+ = )?check_\w+\(.*\)\n", "", text
    )  # what comes in at the door is right here
    return f"{catalogue.imports(name)}\n\n\n{text}"


def judged(name, text, folder):
    """Return the verdict on a file, which runs in this process: it is ours."""
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    function = vars(sandbox_child.load(str(path)))[name]
    calls = sandbox_child.unpack(sandbox_child.pack(judge.calls(name)))
    with np.errstate(all="ignore"):
        answers = list(sandbox_child.answers(function, calls, str(path)))
    return judge.judge(name, [*map(sent_and_received, answers)])


def said(verdict):
    """Return all that is said about the first check that failed."""
    return " ".join(next(check.said for check in verdict.checks if not check.passed))


def check(folder, text, seconds=10, name="attempt.py"):
    """Return what the tutor says about a file, as text, after it has run in the child process."""
    path = folder / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return "\n".join(tutor.result_text(result) for result in tutor.results(path, seconds))


HOMES = """
one_convolution: conv_forward
relu: relu_forward relu_backward tanh_backward
overlapping_pooling: pool_forward pool_backward average_pool_backward
fully_connected_layer: fc_forward
softmax_and_loss: softmax softmax_loss_forward softmax_loss_backward
one_training_step: sgd_update
chain_rule: fc_backward
backward_pass_of_convolution: conv_backward
im2col: im2col col2im
response_normalization: lrn_forward lrn_backward map_lrn_forward map_lrn_backward
dropout: dropout_forward dropout_backward
figure_1: local_forward local_backward
inside_a_gpu: neighbour_sum_kernel block_sum_kernel turned_tile_kernel
"""


def test_an_exercise_belongs_to_a_lesson_whatever_its_number_is():
    homes = {
        n: [e.name for e in catalogue.BY_NAME.values() if e.lesson == n] for n in range(1, 100)
    }
    names = {cells.find(n).stem[3:]: names for n, names in homes.items() if names}
    assert "\n".join(f"{k}: {' '.join(v)}" for k, v in names.items()) == HOMES.strip()


# What is right, and what is still empty.


@every_exercise
def test_the_librarys_own_lines_pass(name, tmp_path):
    verdict = judged(name, learners_file(name), tmp_path)
    assert verdict.passed, verdict
    assert len(verdict.checks) >= 4


@every_exercise
def test_the_file_has_the_real_signature_docstring_and_legend(name, tmp_path):
    path = catalogue.write(name, tmp_path / "mine.py")
    module = sandbox_child.load(str(path))
    mine, ours = vars(module)[name], catalogue.function(name)
    assert inspect.signature(mine) == inspect.signature(ours)
    assert mine.__doc__ == ours.__doc__
    assert inspect.getmodule(ours).__doc__.strip() in module.__doc__


@every_exercise
def test_a_file_can_be_had_without_the_formula(name):
    text = catalogue.template(name, formula=False)
    docstring = ast.get_docstring(ast.parse(text).body[-1])
    assert not any(sign in docstring for sign in "=²−Σ")
    assert " = dy" not in text and "one_hot) / N" not in text and "scale_j" not in text


@every_exercise
def test_a_file_that_is_still_empty_is_told_kindly(name, tmp_path):
    verdict = judged(name, catalogue.template(name), tmp_path)
    assert not verdict.passed
    assert verdict.hint == f"{name} is still empty: its lines are yours."


# What is wrong.


@every_exercise
def test_every_planted_mistake_is_caught_by_name(name, tmp_path):
    for mistake in mistakes.mistakes(name):
        text = learners_file(name, mistakes.edited_sources(mistake))
        verdict = judged(name, text, tmp_path)
        assert not verdict.passed, mistake.name
        assert verdict.mistake == mistake.name, (mistake.name, verdict)
        assert verdict.hint == mistake.hint


@every_exercise
def test_every_exercise_has_three_mistakes_or_more_and_each_a_hint(name):
    known = mistakes.mistakes(name)
    assert len({mistake.name for mistake in known}) >= 3
    assert all(mistake.hint and mistake.edits for mistake in known)


def test_a_mistake_is_known_however_the_code_is_written(tmp_path):
    text = """
import numpy as np

def pool_backward(dy, cache):
    shape, dtype, winner, z, s = cache
    dx = np.zeros(shape, dtype)
    for n, c, i, j in np.ndindex(dy.shape):
        place = winner[n, c, i, j]
        dx[n, c, s * i + place // z, s * j + place % z] = dy[n, c, i, j]
    return (dx,)
"""
    verdict = judged("pool_backward", text, tmp_path)
    assert verdict.mistake == "= for +="
    assert "exactly those where one pixel wins in two windows" in said(verdict)
    confirmed = "Forward confirms it: change x[0, 0, 1, 2] a little, and Σ y·dy changes 180 times"
    assert confirmed in said(verdict)
    assert judged("pool_backward", text.replace("] = dy[", "] += dy["), tmp_path).passed


def test_two_mistakes_are_told_one_after_the_other(tmp_path):
    text = """
def fc_backward(dy, cache, need_dx=True):
    x, w = cache
    x_rows = x.reshape(len(x), -1)
    return (dy @ w).reshape(x.shape), dy.T @ x_rows / len(x), dy[-1]
"""
    assert judged("fc_backward", text, tmp_path).mistake == "dw a mean"
    text = text.replace(" / len(x)", "")
    assert judged("fc_backward", text, tmp_path).mistake == "db of the last image"
    assert judged("fc_backward", text.replace("dy[-1]", "dy.sum(axis=0)"), tmp_path).passed


def test_of_two_mistakes_in_one_line_the_likelier_is_told(tmp_path):
    text = """
import numpy as np

def lrn_forward(x, k=2, n=5, alpha=1e-4, beta=0.75, groups=1):
    windows = [x[:, max(0, i - n // 2) : i + n // 2] for i in range(x.shape[1])]
    scale = k + alpha * np.stack([(window**2).sum(axis=1) for window in windows], axis=1)
    y = x / scale**beta
    return y, (x, y, scale, n, alpha, beta, groups)
"""
    assert judged("lrn_forward", text, tmp_path).mistake == "window one too short"
    text = text.replace("i + n // 2]", "i + (n - 1) // 2 + 1]")
    assert judged("lrn_forward", text, tmp_path).mistake == "groups ignored"


@pytest.mark.parametrize(
    "name, line, words",
    [
        ("relu_backward", "return dy * (y > 0),", None),
        ("relu_backward", "return np.where(y > 0, dy, 0)", "expected a tuple: `return (dx,)`"),
        ("relu_backward", "np.where(y > 0, dy, 0)", "returned None"),
        ("relu_backward", "return [np.where(y > 0, dy, 0)]", "returned a list"),
        ("relu_backward", "return dy, dy", "a tuple of 2; expected 1"),
        ("relu_backward", "return print,", "dx is a builtin_function_or_method"),
        ("relu_backward", "return dy[1:],", "shape (0,); expected (1,), the shape of x"),
        ("relu_backward", "dy[y <= 0] = 0; return dy,", "dy was changed"),
        ("relu_backward", "y[y > 0] = 1; return dy * y,", "y, which is in the cache, was changed"),
        ("relu_backward", "return np.where(y > 0, dy, np.float64(0)),", "are float64; the arg"),
        (
            "relu_backward",
            "return dy * (z > 0),",
            "line 6, `return dy * (z > 0),`: NameError: name",
        ),
        ("relu_backward", "exit()", "line 6, `exit()`: SystemExit"),
        ("relu_backward", "raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("relu_backward", "l = []; l.append(l); return l,", "dx is a list; expected an array"),
        ("relu_backward", "return y > 0,", "dx[0] is 1, expected 3."),
        ("relu_backward", "return np.array([None]),", "dx is an array of object"),
        ("relu_backward", "return -np.where(y > 0, dy, 0),", "Every sign is flipped."),
        ("relu_backward", "return 3.5 * np.where(y > 0, dy, 0),", "3.5 times what it should be"),
        ("relu_backward", "return 0 * dy,", "zero everywhere"),
        ("relu_backward", "return dy / 0 * 0,", "NaN or infinity"),
        ("relu_backward", "return np.where(y > 0, dy, 0)[..., ::-1],", "reverse order"),
        ("relu_backward", "return np.where(y > 0, dy, 0) + 1,", "the same number everywhere"),
    ],
)
def test_other_wrong_answers_get_a_sentence(name, line, words, tmp_path):
    verdict = judged(name, f"{RELU}    {line}\n", tmp_path)
    assert verdict.passed == (words is None)
    assert words is None or words in f"{said(verdict)} {verdict.hint}"


@pytest.mark.parametrize(
    "line, name",
    [
        ("return np.where(y > 0, dy, 0)", "not a tuple"),
        ("return dy[1:],", "wrong shape"),
        ("dy[y <= 0] = 0; return dy,", "argument changed"),
        ("return np.where(y > 0, dy, np.float64(0)),", "wrong dtype"),
        ("return dy / 'two',", "stopped"),
    ],
)
def test_what_is_wrong_with_the_form_has_a_name_for_the_report(line, name, tmp_path):
    assert judged("relu_backward", f"{RELU}    {line}\n", tmp_path).mistake == name


def test_shapes_that_do_not_fit_together_get_a_word_of_advice(tmp_path):
    text = learners_file("fc_forward").replace("@ w.T", "@ w")
    assert text != learners_file("fc_forward")
    assert "does one of them need .T" in said(judged("fc_forward", text, tmp_path))


def test_outputs_that_have_changed_places_are_noticed(tmp_path):
    text = learners_file("sgd_update").replace("return w, v", "return v, w")
    assert "are the two swapped?" in judged("sgd_update", text, tmp_path).hint


def test_the_one_thing_that_makes_it_go_wrong_is_named(tmp_path):
    text = learners_file("conv_backward").replace("groups, K // groups", "1, K")
    verdict = judged("conv_backward", text, tmp_path)
    assert "ValueError" in said(verdict)
    assert "small inputs 30 are wrong: exactly those where groups > 1." in said(verdict)


def test_a_cache_that_backward_could_not_unpack_is_told(tmp_path):
    text = learners_file("fc_forward").replace("(x, w)", "(w, x)")
    assert "fc_backward unpacks (x, w), and x is" in said(judged("fc_forward", text, tmp_path))


def test_an_edit_that_no_longer_fits_the_source_is_refused():
    mistake = mistakes.mistakes("relu_forward")[0]._replace(edits=(("np.maximum(x, 1)", "x"),))
    with pytest.raises(ValueError, match="is not in the source of relu_forward any more"):
        mistakes.edited_sources(mistake)


@pytest.mark.parametrize(
    "name, lines, words",
    [
        ("dropout_forward", "y = np.where(kept, x, np.nan)", "y[0] is nan, where x is 1"),
        ("dropout_forward", "kept = [[1], [2, 3]]", "the cache lacks the mask `kept`"),
        ("softmax_loss_forward", "loss = np.zeros((2, 3, 0))", "loss has shape (2, 3, 0);"),
        ("fc_forward", "x = 'x' * 3000", "and x is xxx"),
    ],
)
def test_a_result_that_no_one_expects_gets_a_sentence(name, lines, words, tmp_path):
    text = re.sub(r"(?m)^    return ", f"    {lines}\n    return ", catalogue.source(name))
    assert words in said(judged(name, learners_file(name, [text]), tmp_path))


STRANGE = [
    None, True, -1, 2**63, 10**400, 1.5, np.nan, np.inf, 1j, "", "\ud800" * 3, "x" * 9000, b"x",
    ..., (), [], {1: 2}, [[1], [2, 3]], ((((((((((((1,),),),),),),),),),),),), print, int, object(),
    np.floating, iter([]), np.dtype("O"), np.dtype("f4"), np.dtype([("a", "f4")]), np.str_("x"),
    np.True_, np.float16(2), np.datetime64("2012-09-30"), np.array(None), np.array(["x"]),
    np.zeros((2, 3, 0)), np.zeros((0, 4)), np.ones((1,) * 9), np.full((4,), np.nan),
    np.full((2, 3, 7, 5), -np.inf), np.broadcast_to(1.0, (2**40,)), np.ma.array([1.0], mask=[True]),
]  # fmt: skip


def with_something_strange(rng, value):
    """Return a value with one part replaced, or one number in it, or all of it."""
    if isinstance(value, tuple) and value and rng.random() < 0.9:
        k = rng.integers(len(value))
        return (*value[:k], with_something_strange(rng, value[k]), *value[k + 1 :])
    if isinstance(value, np.ndarray) and value.ndim and rng.random() < 0.5:
        value = value.astype(float)
        value.flat[rng.integers(value.size)] = rng.choice([0, 1, np.nan, np.inf])
        return value.astype(rng.choice(["f4", "f8", "i8", "u1", "?"]))
    return STRANGE[rng.integers(len(STRANGE))]


def how_many(few, many):
    return pytest.mark.parametrize("count", [few, pytest.param(many, marks=pytest.mark.slow)])


def test_a_cache_of_uneven_tuples_is_judged():
    fault = checks.cache_fault("relu_forward", [(1, (2, 3))], [np.ones(2)])
    assert fault[0] == "wrong cache" and "y is (1, (2, 3)); expected an array" in fault[1][0]


@how_many(150, 3000)
@np.errstate(all="ignore")
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_whatever_is_returned_can_be_judged(count):
    for n in range(count):
        name = NAMES[n % len(NAMES)]
        right = cases.outcomes(name, catalogue.function(name))
        answers = []
        for outputs in right if n % 3 else right[:1]:
            result = tuple(outputs.values())
            result = result[0] if name in catalogue.BARE else result
            returned = with_something_strange(np.random.default_rng(n), result)
            answers.append({"returned": returned, "raised": None, "changed": []})
        judge.judge(name, [sent_and_received(answer) for answer in answers])


def sent_and_received(answer):
    return sandbox_child.unpack(sandbox_child.packed(answer))


# Whatever the file does: it runs apart, and gets a sentence.


@pytest.mark.parametrize(
    "line, words",
    [
        ("while True: pass", "No answer after 0.5 seconds"),
        ("import os; os._exit(0)", "The process ended in call 1 of 22, with exit code 0"),
        ("print('passed ' * 10**6); return dy,", "dy has passed everywhere"),
    ],
)
def test_a_function_that_misbehaves_gets_a_sentence(line, words, tmp_path):
    said = check(tmp_path, f"{RELU}    {line}\n", seconds=0.5 if "while" in line else 10)
    assert words in " ".join(said.split())
    assert len(said) < 6000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory")
def test_a_gigantic_array_is_refused(tmp_path):
    said = check(tmp_path, f"{RELU}    x = np.ones(2**40)\n")
    assert "line 6, `x = np.ones(2**40)`:" in said and "Unable to allocate" in said


@pytest.mark.skipif(sys.platform == "win32", reason="Windows turns this crash into an OSError")
def test_a_crash_is_survived(tmp_path):
    said = check(tmp_path, f"{RELU}    import ctypes; ctypes.string_at(0)\n")
    assert "The process ended in call 1 of 22, by SIGSEGV" in said


@how_many(500, 10_000)
def test_whatever_arrives_on_the_channel_is_an_answer_or_a_sentence(count):
    name = "fc_backward"
    calls, function = judge.calls(name), catalogue.function(name)
    answers = list(sandbox_child.answers(function, calls, "nowhere"))
    answers[1]["raised"] = {"type": "Error", "message": "no", "line": 5, "code": "stop()"}
    answers[2]["changed"] = [(1, 0)]
    honest = [sandbox_child.packed(value) for value in ("ready", "loaded", *answers)]
    for n in range(count):
        rng = np.random.default_rng(n)
        messages = [*honest]
        k = rng.integers(1, len(messages))
        messages[k] = forged(rng, messages[k])
        data = b"".join(sandbox_child.HEAD.pack(len(m)) + m for m in messages)
        data = data[: rng.integers(len(data))] if n % 9 == 0 else data
        pipes = {"stdout": io.BytesIO(data), "stderr": io.BytesIO()}
        process = SimpleNamespace(**pipes, wait=lambda timeout: 0)
        received, failure = sandbox.collect(process, sandbox.listen(process)[0], calls, 5)
        assert (failure is None) == (len(received) == len(calls))
        assert failure is None or failure.count("  ") == 0
        judge.judge(name, received)


def forged(rng, data):
    """Return a message with some of its bytes or a part of its tree replaced."""
    place = rng.integers(len(data))
    if rng.random() < 0.3:
        return data[:place] + rng.bytes(rng.integers(9)) + data[place + rng.integers(9) :]
    (length,) = sandbox_child.HEAD.unpack(data[:8])
    tree = json.dumps(forged_tree(rng, json.loads(data[8 : 8 + length]))).encode()
    return sandbox_child.HEAD.pack(len(tree)) + tree + data[8 + length :]


def forged_tree(rng, tree):
    """Return a tree of JSON with another value or name at one place."""
    if isinstance(tree, (dict, list)) and tree and rng.random() < 0.85:
        places = list(tree) if isinstance(tree, dict) else range(len(tree))
        place = places[rng.integers(len(places))]
        if isinstance(tree, dict) and rng.random() < 0.1:
            return {str(rng.choice(["tuple", "dict", "dtype", "other", "x"])): tree[place]}
        tree[place] = forged_tree(rng, tree[place])
        return tree
    return json.loads(rng.choice(FORGERIES))


FORGERIES = """null true -1 NaN 1e999 0.5 99999999999999999999 "" "x" "type" "|O8" "<f4" "<M8[s]" []
[[0]] [-1] [3,4] [9e9] {} {"tuple":[]} {"tuple":[{"tuple":[0]}]} {"list":[1]} {"dict":[[[],1]]}
{"other":5} {"array":["<f8",[2]]} {"array":["O",[]]} {"array":[[],[-1,-1]]} {"dtype":"O"}
{"dtype":3}""".split()


@pytest.mark.parametrize(
    "text, words",
    [
        ("def relu_backward(dy, cache:\n    pass\n", "Python cannot read line 1, `def relu_backw"),
        ("def relu_backwards(dy, cache): pass\n", "Did you mean relu_backward?"),
        ("x = 1\n", "python -m lessons exercise lists them."),
        (
            "raise OSError('no')\n" + RELU,
            "The file cannot be loaded: line 1, `raise OSError('no')`",
        ),
        (
            f"from minicnn.reference import relu_backward as r\n{RELU}    return r(dy, cache)",
            "Line 7 uses a relu_backward that is not yours",
        ),
        (
            f"{RELU}    import minicnn.fast\n    return minicnn.fast.relu_backward(dy, cache)",
            "Line 7 uses a relu_backward that is not yours",
        ),
        (f"{RELU}    return getattr(ours, 'relu_backward')(dy, cache)", "Line 6 uses a relu"),
        ("x = '\udcff'\n", "Python cannot read"),
        (f"{'(' * 9999}", "Python cannot read line 1, `((((("),
        (f"# {'1' * 10**6}", "too large for an exercise: more than 1,000,000 bytes"),
    ],
)
def test_a_file_that_cannot_be_judged_gets_a_sentence(text, words, tmp_path):
    said = check(tmp_path, text)
    assert words in " ".join(said.split()) and len(said) < 500


def test_helpers_may_be_imported_and_so_may_what_the_learner_writes_anew():
    file = "from minicnn.reference.im2col import col2im\n\n\ndef col2im(dcols):\n    return dcols\n"
    assert submission.borrowed(ast.parse(file), "col2im") is None
    upside_down = "def col2im(dcols):\n    return dcols\n\n\nfrom minicnn.fast import col2im\n"
    assert submission.borrowed(ast.parse(upside_down), "col2im") == 5


def test_a_comparison_with_the_library_is_not_a_loan():
    file = """
from minicnn.reference import relu_backward as ours

def relu_backward(dy, cache):
    return dy

def test_mine():
    assert ours(1, (2,)) == relu_backward(1, (2,))

print(ours)
"""
    assert submission.borrowed(ast.parse(file), "relu_backward") is None
    assert (
        submission.borrowed(
            ast.parse(file.replace("return dy", "return ours(dy)")), "relu_backward"
        )
        == 5
    )


def test_the_update_may_write_into_its_arguments(tmp_path):
    text = """
def sgd_update(w, v, dw, epsilon, momentum=0.9, decay=0.0005):
    v *= momentum
    v -= epsilon * (decay * w + dw)
    w += v
    return w, v
"""
    assert judged("sgd_update", text, tmp_path).passed


def test_what_a_file_prints_is_shown_and_cannot_pass_for_an_answer(tmp_path):
    line = "print('relu_backward is right'); import sys; sys.stdout.flush(); return 2 * dy,"
    outcome = sandbox.run(
        written(tmp_path, f"{RELU}    {line}\n"), "relu_backward", judge.calls("relu_backward")
    )
    assert outcome.printed.splitlines() == 22 * ["relu_backward is right"]
    assert not judge.judge("relu_backward", outcome.answers).passed


def written(folder, text, name="attempt.py"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# The commands.


def test_a_class_gets_a_report(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "class"
    folder.mkdir()
    written(folder, learners_file("relu_backward"), "anna.py")
    written(folder, RELU + "    return np.maximum(dy, 0),\n", "ben.py")
    written(folder, "def relu_backward(:\n", "carla.py")
    assert main(["check", "class", "--report", "report.json"]) == 1
    words = capsys.readouterr().out
    assert "ben: relu_backward: not yet: masked by dy" in words
    assert "1 of 3 are right" in words
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["format"] == "minicnn exercises 1"
    anna, ben, carla = report["results"]
    assert anna["passed"] and anna["name"] == "relu_backward"
    assert [one["passed"] for one in anna["checks"]] == 5 * [True]
    assert ben["mistake"] == "masked by dy" and "ask y, not dy" in ben["hint"]
    assert carla["name"] is None and "Python cannot read line 1" in carla["hint"]


UNRULY = {
    "closes": "os.closerange(3, 99)",
    "deletes": "os.remove(__file__)",
    "exits": "os._exit(7)",
    "forges": "[os.write(n, b'{}' * 99) for n in (3, 4, 5) if os.path.exists(f'/dev/fd/{n}')]",
    "forks": "os.fork()",
    "interrupts": "os.kill(os.getppid(), 2)",
    "kills": "os.kill(os.getppid(), 9)",
    "replaces": "np.array_equal = None",
    "signals": "os.kill(os.getpid(), 40)",
    "leaves": "os.fork() or os.setsid() and os.fork() or __import__('time').sleep(600)",
    "lies": "class A(np.ndarray): nbytes = property(lambda a: 1 / 0)\n    dy = dy.view(A)",
    "raises": "class E(Exception): __str__ = exit\n    raise E",
}


@pytest.mark.skipif(sys.platform != "linux", reason="processes of other systems do less")
def test_whatever_one_file_does_all_others_are_checked(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, line in UNRULY.items():
        body = f"    {line}\n    return np.where(y > 0, dy, 0),\n"
        written(tmp_path, f"import os\n{RELU}{body}", f"{name}.py")
    os.mkfifo("pipe.py")
    written(tmp_path, learners_file("relu_backward"), "right.py")
    assert main(["check", ".", "--report", "report.json"]) == 1
    results = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["results"]
    names = sorted([*UNRULY, "pipe", "right"])
    assert [one["file"] for one in results] == [f"{name}.py" for name in names]
    results = dict(zip(names, results, strict=True))
    assert results["right"]["passed"] and results["forks"]["passed"]
    assert "not judged" not in [one["mistake"] for one in results.values()]
    assert "Traceback" not in capsys.readouterr().out


def test_a_fault_of_the_tutor_is_told_and_the_other_files_are_checked(tmp_path, monkeypatch):
    def fail(*args):
        raise IndexError("too far")

    monkeypatch.setattr(tutor, "judge", fail)
    assert "The tutor could not judge this: IndexError: too far" in check(tmp_path, RELU)


def test_a_check_that_is_stopped_writes_its_report(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("anna", "ben", "carla"):
        written(tmp_path, "def relu_backward(:\n", f"{name}.py")

    def stop(path, seconds):
        if path.name == "ben.py":
            raise KeyboardInterrupt
        return honest(path, seconds)

    honest = tutor.results
    monkeypatch.setattr(tutor, "results", stop)
    assert main(["check", ".", "--report", "report.json"]) == 130
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    said = [one["mistake"] for one in report["results"]]
    assert said == ["unreadable", "not checked", "not checked"]
    assert "0 of 3 are right" in capsys.readouterr().out


def test_the_commands_say_in_one_sentence_what_is_wrong(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["exercise", "relu_backward"]) == 0
    path = tmp_path / "runs" / "exercises" / "relu_backward.py"
    path.write_text("mine", encoding="utf-8")
    capsys.readouterr()
    for arguments, words in [
        (["exercise", "relu_backward"], "exists already, and your work may be in it"),
        (["exercise", "relu_backwart"], "did you mean relu_backward"),
        (["exercise", "6"], "did you mean sgd_update?"),
        (["check", "nowhere.py"], "nowhere.py: there is no such file"),
        (["check", "relu_foward"], "relu_foward: there is no such file; did you mean relu_forward"),
        (["check", "col2im"], "python -m lessons exercise col2im writes one"),
        (["check", "runs/exercises", "--report", "runs"], "--report needs the name of a file"),
        (["check", str(path), "--report", str(path)], "is in use by this command; name another"),
    ]:
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1
    assert path.read_text(encoding="utf-8") == "mine"
    assert main(["exercise", "relu_backward", "--force"]) == 0
    for name in ("relu_backward", "relu_backward.py"):  # both are in runs/exercises
        assert main(["check", name]) == 1
        assert "still empty" in capsys.readouterr().out
    assert main(["exercise"]) == 0
    assert all(name in capsys.readouterr().out for name in ["relu_backward"])
