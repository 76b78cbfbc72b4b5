"""The answers under "Change this and predict": what a student predicts is what comes out.

Each answer has the lesson, words of the answer, the change that the task asks for, as (old, new) in
the lesson's code, how many of its cells run after that, and what must then hold.  The cells that
follow are not needed.  Numbers of answers that need no change are in claims/.
"""

import numpy as np
import pytest

from lessons.viewer.cells import ANSWERS, FOLDER, cells
from minicnn import gradcheck, reference as ops

SAME = ("", "")
CASES = [
    (
        "one_convolution", "One window. With `ceil_mode=True` four", SAME, 0,
        "windows(3, 2, stride=2).shape == (1, 1) and "
        "windows(3, 2, stride=2, ceil_mode=True).shape == (2, 2)",
    ),
    (
        "one_convolution", "the even sky stays as it is",
        ("np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])", "np.full((3, 3), 1 / 9)"), 1,
        "np.isclose(edges[0, 0, 0, 0], grey[0, 0, :3, :3].mean()) and edges.std() < grey.std()",
    ),
    (
        "overlapping_pooling", "None: the windows on the right find the middle 9 first",
        ("[1, 0, 9, 1, 2]", "[1, 0, 9, 1, 9]"), 2,
        "back.result[0][0, 0, 2, 4] == 0 and back.result[0][0, 0, 2, 2] > 0",
    ),
    (
        "overlapping_pooling", "0 and 1: windows of 2×2", SAME, 1,
        "set(ops.pool_backward(np.ones((1, 1, 2, 2)), ops.pool_forward(x, z=2, s=2)[1])[0].ravel())"
        " == {0, 1}",
    ),
    (
        "softmax_and_loss", "Half as large", SAME, 0,
        "np.allclose(2 * ops.softmax_loss_backward((np.array([[2.0, 1, 0], [0, 0, 0]]), "
        "np.array([0, 1])))[0][:1], "
        "ops.softmax_loss_backward((np.array([[2.0, 1, 0]]), np.array([0])))[0])",
    ),
    (
        "chain_rule", "$v = -1$, so $y = 0$", ("-3.0, 10.0", "-3.0, 5.0"), 3,
        "(v, y, dw, dx, db) == (-1, 0, 0, 0, 0)",
    ),
    (
        "is_it_right", "the result does not have the shape of `b`", SAME, 0,
        "refused(gradcheck.planted(ops.conv_backward, 'axis=(0, 2, 3)', 'axis=(0, 2)'))",
    ),
    (
        "is_it_right", "Those with $y = 0$", SAME, 0,
        "(gradcheck.planted(ops.tanh_backward, 'y * y', 'y')(np.ones(3), (SLOPES,))[0] == "
        "ops.tanh_backward(np.ones(3), (SLOPES,))[0]).tolist() == [True, False, False]",
    ),
    (
        "backward_pass_of_convolution", "All outside the window in the lower right corner",
        ("[[1.0, 0], [-2, 3]]", "[[0.0, 0], [0, 3]]"), 1,
        "(dx[0, 0] == 0).tolist() == [[True] * 3, [True, False, False], [True, True, False]]",
    ),
    (
        "backward_pass_of_convolution", "The third row and the third column", SAME, 0,
        "(dx_of_ones(5, 2, stride=3) == 0).sum() == 9 and "
        "not dx_of_ones(5, 2, stride=3)[2].any() and not dx_of_ones(5, 2, stride=3)[:, 2].any()",
    ),
    (
        "im2col", "The first column: 1, 2, 5, 6",
        ("stride=1, pad=0, H_out=2, W_out=3", "stride=2, pad=0, H_out=1, W_out=1"), 1,
        "cols.ravel().tolist() == [1, 2, 5, 6]",
    ),
    (
        "im2col", "It is `x` with each channel as a row", SAME, 0,
        "np.array_equal(im2col(TWO, 1, 1, 0, 3, 3), TWO.reshape(2, 9))",
    ),
    (
        "im2col", "Once: the windows lie side by side", SAME, 0,
        "(col2im(np.ones((9, 4)), (1, 6, 6), 3, 3, 0, 2, 2) == 1).all()",
    ),
    (
        "response_normalization", "With `n=3` only channels 3 and 5",
        ("k=1, alpha=0.1", "k=1, alpha=0.1, n=3"), 1,
        "np.flatnonzero(b.ravel() < b[0, 1, 0, 0] - 0.1).tolist() == [3, 5]",
    ),
    (
        "response_normalization", "with `n=9` all of them",
        ("k=1, alpha=0.1", "k=1, alpha=0.1, n=9"), 1, "(np.delete(b, 4) < 0.2).all()",
    ),
    (
        "response_normalization", "`b` is `a`, and the gradient passes unchanged", SAME, 0,
        "all(np.array_equal(TWO, q) for q in through(beta=0))",
    ),
    (
        "fully_connected_layer", "Those whose templates have the largest numbers",
        ("biases = -0.5 * np.sum(templates**2, axis=1)", "biases = np.zeros(10)"), 5,
        "set(np.flatnonzero(np.bincount(answers, minlength=10) > np.bincount(ops.fc_forward(tests, "
        "templates, -0.5 * np.sum(templates**2, axis=1))[0].argmax(axis=1), minlength=10))) == "
        "set(np.argsort(np.sum(templates**2, axis=1))[-4:])",
    ),
    (
        "data_augmentation", "77% without them, and hardly less with them", ("24", "32"), 4,
        "round(tested, 2) == 0.77 and 0 <= tested - tested_2 < 0.01",
    ),
    pytest.param(
        "data_augmentation", "it falls to 73%, as low as the second", ("[:300]", "[:3000]"), 4,
        "round(tested, 2) == round(tested_2, 2) == 0.73", marks=pytest.mark.slow,
    ),
    (
        "the_whole_alexnet", "fc6 alone", SAME, 1,
        "grown(sizes, summary.measure(alexnet.alexnet(ops, None, size=448), (3, 448, 448))) == "
        "['fc6']",
    ),
    (
        "the_whole_alexnet", "conv2, conv4 and conv5", SAME, 1,
        "grown(sizes, summary.measure(alexnet.alexnet(ops, None, groups=1), (3, 224, 224))) == "
        "['conv2', 'conv4', 'conv5']",
    ),
    (
        "small_kernels_great_depth", "Twelve by twelve",
        SAME, 1,
        "summary.measure([stack[0], net.row('pool', ops, 'pool', z=2, s=2), *stack[1:]], "
        "(1, 24, 24))[-1].sees == 12",
    ),
]  # fmt: skip
SLOPES = np.array([0.0, 0.5, -0.5])
TWO = np.arange(18.0).reshape(2, 3, 3)


def convolved(H, f, **options):
    """Return the result and the cache of a convolution of ones, H×H pixels by f×f weights."""
    return ops.conv_forward(np.ones((1, 1, H, H)), np.ones((1, 1, f, f)), np.zeros(1), **options)


def windows(H, f, **options):
    return convolved(H, f, **options)[0][0, 0]


def dx_of_ones(H, f, **options):
    y, cache = convolved(H, f, **options)
    return ops.conv_backward(np.ones_like(y), cache)[0][0, 0]


def grown(before, after):
    """Return the names of layers that have another number of parameters."""
    return [size.name for size in after if size.parameters != before[size.name].parameters]


def refused(backward):
    """Return whether check_layer says that a gradient has the wrong shape."""
    args = np.ones((2, 3, 8, 6)), np.ones((4, 3, 2, 2)), np.ones(4)
    try:
        gradcheck.check_layer(ops.conv_forward, backward, *args)
    except ValueError as error:
        return "shape" in str(error)
    return False


def through(**options):
    """Return what response normalization makes of TWO, forward and backward."""
    y, cache = ops.lrn_forward(TWO[None], **options)
    return y[0], ops.lrn_backward(TWO[None], cache)[0][0]


@pytest.mark.parametrize("lesson, words, change, count, holds", CASES, ids=str)
def test_an_answer_is_what_comes_out(lesson, words, change, count, holds, sample, monkeypatch):
    from minicnn import data
    from minicnn.reference.im2col import col2im, im2col

    monkeypatch.setattr(data, "load", {"sample": sample}.get)
    (path,) = FOLDER.glob(f"[0-9][0-9]_{lesson}.py")
    *_, (_, ending) = cells(path)
    assert words in " ".join(ANSWERS.search(ending)[2].split())
    code = "\n".join([source for kind, source in cells(path) if kind == "code"][:count])
    assert change[0] in code
    names = {**globals(), "im2col": im2col, "col2im": col2im}
    exec(code.replace(*change) if change[0] else code, names)
    assert eval(holds, names)
