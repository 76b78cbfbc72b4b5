"""The CUDA kernels to mend: the tutor says what the emulator finds, and praises what is right."""

import numpy as np
import pytest

from lessons.exercises import catalogue, gpu_kernels, tutor
from minicnn.errors import GpuError
from minicnn.verify import gpu as emulator

NAMES = list(gpu_kernels.KERNELS)
MENDED = {
    "neighbour_sum_kernel": ("i < x.size:", "i < y.size:"),
    "block_sum_kernel": ("half //= 2", "half //= 2\n        cuda.syncthreads()"),
    "turned_tile_kernel": ("(32, 32)", "(32, 33)"),
}
MISTAKES = [  # exercise, an edit of its kernel, the mistake, a part of what is said
    ("neighbour_sum_kernel", (), "outside", "byte 400 of an array of 400 bytes"),
    ("neighbour_sum_kernel", ("i < x.size:", "True:"), "outside", "thread (4, 0, 0)"),
    ("neighbour_sum_kernel", ("i < x.size:", "i < x.size - 2:"), "missing numbers", "should be"),
    ("neighbour_sum_kernel", ("< x.size:\n        y[i] = x[i] +", "< y.size: y[i] = x[i] *"),
     "wrong numbers", "y[0] is"),
    ("neighbour_sum_kernel", ("i < x.size:", "i < z:"), "error", "z"),
    ("block_sum_kernel", (), "race", "read after another thread has written it"),
    ("block_sum_kernel", ("t + half]\n", "t + half]\n            cuda.syncthreads()\n"),
     "barrier", "not all threads of the block have come to"),
    ("turned_tile_kernel", (), "bank conflict", "1,056 turns in shared memory; 64 would do"),
    ("turned_tile_kernel", ("y[row, column] = tile[column, row]", "y[column, row] = x[row, column]"
     ), "uncoalesced", "sectors of global memory"),
    ("turned_tile_kernel", ("    cuda.syncthreads()\n", ""), "race", "thread (1, 0, 0)"),
]  # fmt: skip


@pytest.fixture(scope="module")
def has_emulator():
    try:
        emulator.start()
    except GpuError as error:
        pytest.skip(str(error))


def edited(name, before="", after=""):
    """Return the learner's file with an edit of its kernel."""
    text = catalogue.template(name)
    assert before in text
    return text.replace(before, after) if before else text


def first_fault(name, text, folder):
    """Return the first (mistake, sentence) about a file that runs in this process, or None."""
    path = folder / "learner.py"
    path.write_text(text, encoding="utf-8")
    namespace = {"__name__": "learner"}
    exec(compile(text, str(path), "exec"), namespace)
    from lessons.exercises import gpu_child  # needs the emulator

    run, answers = gpu_child.runner(namespace[name]), []
    for arguments, _ in gpu_kernels.calls(name):
        answer = {"returned": None, "raised": None}
        try:
            answer["returned"] = run(*arguments)
        except Exception as error:
            fields = {"type": type(error).__name__, "message": str(error), "line": None}
            answer["raised"] = fields
        answers.append(answer)
    return next((fault for _, fault in gpu_kernels.judge(name, answers) if fault), None)


@pytest.mark.gpu
@pytest.mark.parametrize("name, edit, mistake, words", MISTAKES)
def test_a_mistake_is_named_with_its_place(name, edit, mistake, words, tmp_path, has_emulator):
    found, sentence = first_fault(name, edited(name, *edit), tmp_path)
    assert found == mistake and words in sentence and "\n" not in sentence


@pytest.mark.parametrize(
    "name, fault, words",
    [
        ("neighbour_sum_kernel", ("outside", ""), "both x[i] and x[i + 1] exist"),
        ("neighbour_sum_kernel", ("wrong numbers", ""), None),
        ("block_sum_kernel", ("race", "shared address 0x50 is read after"), "in the round before"),
        ("block_sum_kernel", ("race", "byte 0 of an array of 4 bytes is written by two"), None),
        ("turned_tile_kernel", ("uncoalesced", ""), "both x and y go by rows"),
        ("turned_tile_kernel", ("error", ""), None),
    ],
)
def test_a_hint_is_given_for_its_own_kind_of_mistake_alone(name, fault, words):
    hint, _ = gpu_kernels.advice(name, fault)
    assert hint is None if words is None else words in hint


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_a_mended_kernel_is_right(name, tmp_path, has_emulator):
    assert first_fault(name, edited(name, *MENDED[name]), tmp_path) is None


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES[-1:])
def test_the_tutor_explains_a_mistake_and_praises_its_cure(name, tmp_path, has_emulator):
    path = catalogue.write(name, tmp_path / f"{name}.py")
    (result,) = tutor.results(path)
    assert not result.passed and result.mistake == "bank conflict"
    text = " ".join(tutor.result_text(result, more=True).split())
    assert "takes 1,056 turns in shared memory; 64 would do" in text
    advice = gpu_kernels.KERNELS[name].hints["bank conflict"]
    assert all(" ".join(part.split()) in text for part in advice)
    path.write_text(edited(name, *MENDED[name]), encoding="utf-8")
    (result,) = tutor.results(path)
    assert result.passed and all(check["passed"] for check in result.checks)
    said = " ".join(tutor.result_text(result).split())
    assert f"{name} is right: {gpu_kernels.KERNELS[name].praise}" in said


@pytest.mark.parametrize("name", NAMES)
def test_without_numba_cuda_the_tutor_says_what_to_install(name, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_kernels.cuda, "implementation", "built-in", raising=False)
    path = catalogue.write(name, tmp_path / "a.py")
    (result,) = tutor.results(path)
    assert (result.passed, result.mistake) == (False, tutor.NOT_JUDGED)
    assert result.hint.count(".  ") == 0 and result.hint.endswith(gpu_kernels.INSTALL)


@pytest.mark.parametrize(
    "report",
    [
        None,
        (np.zeros(3), "", 1, 1, 1, 1),
        (np.zeros((32, 32)), 0, 1, 1, 1, 1),
        (np.zeros((32, 32)), "", 1, 1, 1),
    ],
)
def test_what_is_no_report_of_a_launch_is_said(report):
    answer = {"returned": report, "raised": None}
    ((_, (mistake, _)),) = gpu_kernels.judge("turned_tile_kernel", [answer])
    assert mistake == "no report"


def test_the_kernels_follow_the_layers_in_the_list(capsys):
    assert catalogue.following("sgd_update") is None
    assert [catalogue.following(name) for name in NAMES] == [*catalogue.KERNELS[1:], None]
    assert list(catalogue.BY_NAME)[-3:] == NAMES
    assert catalogue.find("turned_tile_kernel").lesson == 19
