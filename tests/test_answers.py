"""The answers under "Change this and predict": what a student predicts is what comes out.

Each answer has the lesson, words of the answer, the change that the task asks for, as (old, new, …)
in the lesson's code, how many of its cells run after that, and what must then hold.  The cells that
follow are not needed.  Numbers of answers that need no change are in claims/.
"""

import json
import pathlib
import re
import runpy
import time

import numpy as np
import pytest
from test_lessons import LESSONS, claims

from lessons.viewer.cells import ANSWERS, FOLDER, cells, without_answers
from minicnn import fast, gradcheck, net, reference as ops
from minicnn.cuda.gpu import cuda
from minicnn.networks import alexnet, other_alexnets, summary

SAME = ()
FAST = ("net, reference as ops", "net, fast as ops")  # the same numbers, sooner
RACE = "subtract_mean(data.augment.rescaled(sample.train_x[:100], 16))"
VIEWS = "augment.random_views(images, mean, 24, rng)"
CASES = [
    (
        "one_convolution", "All four, by 9.5: the bias is added to each of them",
        ("b = np.array([0.5])", "b = np.array([10.0])"), 3,
        "(y - 9.5 == conv_forward(x[None], w, np.array([0.5]))[0]).all() and y.size == 4",
    ),
    (
        "relu", "A second ReLU changes nothing", SAME, 0,
        "np.array_equal(twice(ops.relu_forward), ops.relu_forward(np.linspace(-9, 9, 99))[0]) and "
        "0.755 < np.abs(twice(ops.tanh_forward)).max() < 0.765",
    ),
    (
        "relu", "0, or nearly: shades of grey are not negative",
        ("b = np.array([-100.0])", "b = np.array([0.0])"), 2, "abs(with_relu) < 1e-9",
    ),
    (
        "softmax_and_loss", "Adding changes nothing", SAME, 0,
        "np.allclose(*[ops.softmax_loss_backward((scores, np.array([0])))[0] for scores in "
        "(np.array([[2.0, 1, 0]]), np.array([[7.0, 6, 5]]))])",
    ),
    (
        "one_training_step", "falls faster for a while, then the steps overshoot",
        ("epsilon, w0, dw0 = 0.001", "epsilon, w0, dw0 = 0.01"), 5,
        "losses[4] < 1 and losses[6] > losses[0] and np.isnan(losses[16])",
    ),
    (
        "chain_rule", "each gets the other factor, $x$: together $2x$", SAME, 0,
        "np.allclose(((TWO + 1e-5) ** 2 - (TWO - 1e-5) ** 2) / 2e-5, 2 * TWO)",
    ),
    (
        "vanishing_gradients", "The ratio is a little more", ("depth = 20", "depth = 5"), 1,
        "4**-4 < norms['logistic'][0] / norms['logistic'][-1] < 2 * 4**-4",
    ),
    (
        "vanishing_gradients", "Much steeper, near 1",
        (*FAST, "*_ = data.prepare(sample)", '*_ = data.prepare(sample, "unit")'), 5,
        "mean_slope['tanh'] > 0.9",
    ),
    (
        "dropout", "About 8 of the 80", ("p=0.5, rng=rng)\nprint", "p=0.9, rng=rng)\nprint"), 1,
        "4 <= y.sum() <= 12 and "
        "np.allclose(ops.dropout_predict_forward(TWO, p=0.9)[0], TWO / 10)",
    ),
    (
        "dropout", "It has whole columns",
        ("np.ones((8, 10)), p=0.5, rng=rng)",
         "np.ones((1, 10)), p=0.5, rng=rng)\ny = np.repeat(y, 8, axis=0)"), 1,
        "(y == y[0]).all() and 0 < y.mean() < 1 and "
        "len(np.unique(ops.dropout_forward(np.ones((8, 10)), rng=rng)[0], axis=0)) == 8 and "
        "len(np.unique(ops.dropout_forward(np.ones((20_000, 10)), rng=rng)[0], axis=0)) == 1024",
    ),
    (
        "data_augmentation", "78% of the test images are wrong then, not 74%",
        (f"{VIEWS})", f"{VIEWS}[:, :, :: rng.choice([-1, 1])])"), 4, "round(tested_2, 2) == 0.78",
    ),
    (
        "the_whole_alexnet", "fewer kernels in conv1, no response normalization, one column",
        SAME, 0,
        "len(TORCHVISION[0].params['w']) < len(alexnet.alexnet(ops, None)[0].params['w']) and "
        "all('lrn' not in q.name and 'groups' not in q.options for q in TORCHVISION)",
    ),
    (
        "two_columns", "conv2, which now sees all 96 maps; the table has one more line", SAME, 1,
        "[a.name for a, b in pairs(MORE, full) if net.count_parameters([a]) > "
        "net.count_parameters([b])] == ['conv2'] and "
        "crossed(MORE)['exchange2'] == 128 * 48 * 27 * 27 * 4 and "
        "crossed(MORE).keys() - crossed(full).keys() == {'exchange2'}",
    ),
    (
        "two_columns", "The paper's formula would give a band along the diagonal", SAME, 2,
        "not blocks(layers, seen)[:4, 4:].any() and not blocks(layers, seen)[4:, :4].any() and "
        "(blocks(layers, seen, groups=1) == "
        "(abs(np.subtract.outer(range(8), range(8))) <= 2)).all()",
    ),
    (
        "two_columns", "activations belong to images", SAME, 1,
        "crossed(full, 256) == {name: 2 * count for name, count in crossed(full).items()}",
    ),
    (
        "what_it_learned", "Mostly not: what one map says, others say, too", SAME, 1,
        "0 < changed_answers(sample_photos(3)) < 0.05",
    ),
    (
        "what_it_learned", "Twice as often as pixels, less than half as often as features", SAME, 1,
        "1.6 < agree('pool1') / agree(None) < 2.4 and agree('pool1') < agree('dropout6') / 2",
    ),
    (
        "figure_1", "On a unit scale tanh is ahead",
        (RACE, f"{RACE}\nx_few = x_few / x_few.std()", "name, size=16", "name, 'fan-in', size=16"),
        4, "len(race('tanh', 0.032)) < len(race('relu', 0.002)) < 40",
    ),
    (
        "figure_1", "after forty epochs it still makes 90% errors", SAME, 4,
        "len(race('logistic', 0.032)) == 40 and race('logistic', 0.032)[-1] == 0.9",
    ),
    (
        "faster", "`fast` does about half", SAME, 0, "1.5 < longer() < 3",
    ),
    (
        "faster", "normalization, dropout, the loss and the update", SAME, 0,
        "on_the_slope() == {'relu', 'pool', 'lrn', 'dropout', 'loss', 'update'}",
    ),
    pytest.param(
        "small_kernels_great_depth", "biases of 1 keep them up, and the scores are a hundred times",
        SAME, 0,
        "(np.diff(passing(0)) < 0.05).all() and 50 < passing(1)[-1] / passing(0)[-1] < 200",
        marks=pytest.mark.slow,
    ),
    (
        "many_machines", "swaps the two operands of each addition", SAME, 1,
        "np.array_equal((d + c) + (b + a), in_pairs) and ((a + c) + (b + d) != in_pairs).any()",
    ),
    (
        "many_machines", "One and a half times its gradients", SAME, 0,
        "sent('vgg-d', 64, 4, 'data') == 1.5 * 4 * 138_357_544",
    ),
    (
        "many_machines", "That of data falls to a quarter, and the hybrid's to half", SAME, 7,
        "np.allclose([needed(256, q) / pays[q] for q in pays], [0.25, 1, 0.5], rtol=0.02)",
    ),
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


def twice(forward):
    return forward(forward(np.linspace(-9, 9, 99))[0])[0]


TORCHVISION = other_alexnets.torchvision_alexnet(ops, None)
MORE = alexnet.two_columns(ops, None, exchanges=("conv2", "conv3", "fc6", "fc7", "fc8"))


def pairs(first, second):
    """Return the layers that two networks have under the same name."""
    others = {layer.name: layer for layer in second}
    return [(layer, others[layer.name]) for layer in first if layer.name in others]


def crossed(network, batch=128):
    """Return the bytes that cross forward from column 1, by the names of layers."""
    return {c.name: c.forward[1] for c in summary.crossings(network, (3, 224, 224), batch)}


def blocks(layers, seen, **options):
    """Return which maps lrn2 sees, as the lesson's function finds it."""
    (k,) = [k for k, layer in enumerate(layers) if layer.name == "lrn2"]
    layers[k] = layers[k]._replace(options={**layers[k].options, **options})
    return seen("lrn2", 8) > 0


def sample_photos(count):
    from minicnn import data

    return data.load("sample").test_x[:count]


def changed_answers(photos):
    """Return the share of the maps of conv2 without which the answer changes."""
    from minicnn.training import inspection, predictor

    trained, changed = predictor.load("trained", fast), []
    place = [layer.name for layer in trained.layers].index("conv2")
    for photo in photos:
        *_, answer = outputs = list(
            net.outputs(trained.layers, inspection.view_of(trained, photo[None]))
        )
        without = inspection.ablated(trained, place, outputs[place])
        changed.append(np.mean(without.argmax(axis=1) != answer.argmax()))
    return np.mean(changed)


def agree(name):
    """Return how often the nearest photo by a layer's output, or by pixels, has the same class."""
    from minicnn import data
    from minicnn.experiments import neighbours
    from minicnn.training import predictor

    sample, trained = data.load("sample"), predictor.load("trained", fast)
    parts = slice(100), slice(600, None)
    found = [sample.test_x[part].astype(float) for part in parts]
    if name:
        found = [
            np.concatenate(list(predictor.features(trained, q, name)))
            for q in map(sample.test_x.__getitem__, parts)
        ]
    nearest = neighbours.nearest(*[q.reshape(len(q), -1) for q in found], k=1)
    return neighbours.agreement(*[sample.test_y[part] for part in parts], nearest)


def longer():
    """Return how many times as long lesson 20's convolution computes in float64, by `fast`."""
    rng, ratios = np.random.default_rng(1), []
    x, w, b = (
        rng.standard_normal((4, 96, 27, 27)),
        rng.standard_normal((256, 48, 5, 5)),
        np.ones(256),
    )
    for _ in range(6):  # the first compiles
        seconds = []
        for dtype in (np.float32, np.float64):
            given = [q.astype(dtype) for q in (x, w, b)]
            start = time.process_time()
            fast.conv_forward(*given, pad=2, groups=2)
            seconds.append(time.process_time() - start)
        ratios.append(seconds[1] / seconds[0])
    return np.median(ratios[1:])


def on_the_slope():
    """Return the kinds of layers that the bundled bench counts in GB/s."""
    path = pathlib.Path(net.__file__).parent / "results" / "bench-alexnet.json"
    rows = [line["row"] for line in json.loads(path.read_text())["lines"] if line["gb_per_s"]]
    return {re.sub(r"\d", "", part) for row in rows for part in row.split("+")}


def passing(bias):
    """Return the deviations of what AlexNet's layers with weights make of a photograph."""
    from minicnn import data

    y = data.prepare(data.load("sample"))[0][:1].repeat(7, 2).repeat(7, 3)
    found = []
    for layer in net.predicting(alexnet.alexnet(ops, np.random.default_rng(0), bias=bias), ops):
        y, _ = net.forward([layer], y)
        found += [y.std()] if layer.params else []
    return found


def sent(name, batch, ranks, parallel):
    from minicnn.distributed import traffic
    from minicnn.networks import catalogue

    layers = catalogue.build(name, ops, None)
    return sum(traffic.sent_bytes(layers, (3, 224, 224), batch, ranks, parallel).values())


def needed(batch, parallel):
    """Return the bandwidth from which two machines pay, as lesson 22 computes it."""
    name = "alexnet-2gpu" if parallel == "columns" else "alexnet"
    layers = alexnet.alexnet(ops, None)
    total = sum(size.multiply_adds for size in summary.measure(layers, (3, 224, 224)))
    return 8 * sent(name, batch, 2, parallel) / (3 * batch * total / 100e9 / 2) / 1e9


def ran(lesson, change, count, folder, names):
    """Return the names that a lesson's first cells leave behind, after a change."""
    (path,) = FOLDER.glob(f"[0-9][0-9]_{lesson}.py")
    code = "\n".join([source for kind, source in cells(path) if kind == "code"][:count])
    for old, new in zip(change[::2], change[1::2], strict=True):
        assert old in code
        code = code.replace(old, new)
    file = folder / "lesson.py"  # kernels have their source there
    file.write_text(code, encoding="utf-8")
    return runpy.run_path(str(file), names)


@pytest.mark.parametrize("lesson, words, change, count, holds", CASES, ids=str)
def test_an_answer_is_what_comes_out(
    lesson, words, change, count, holds, sample, monkeypatch, tmp_path
):
    from minicnn import data
    from minicnn.reference.im2col import col2im, im2col

    monkeypatch.setattr(data, "load", {"sample": sample}.get)
    assert any(words in answer for answer in answers_of(lesson).values())
    names = ran(lesson, change, count, tmp_path, {**globals(), "im2col": im2col, "col2im": col2im})
    assert eval(holds, names)


KERNEL = """
import numpy as np
from lessons.viewer.launches import launch
from minicnn.cuda.activations import relu_kernel
from minicnn.cuda.gpu import cuda
matrix = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
"""
GPU = [
    (
        "All 32 of warp 0, and 8 of warp 1", SAME,
        "[launch(relu_kernel[1, 64], np.arange(40, dtype='f4'), np.zeros(40, 'f4')).data['blocks']"
        "['0']['steps'][-1]['state'][k : k + 32].count('R') for k in (0, 32)] == [32, 8]",
    ),
    (
        "One. A row of 33 words begins one bank further", ("array((32, 32)", "array((32, 33)"),
        "launch(tile_kernel[1, (32, 32)], matrix, matrix.copy()).count.turns == 32 + 32",
    ),
    (
        "not all threads of the block come",
        ("    y[row, column] = tile[column, row]",
         "        y[row, column] = tile[column, row]", "    cuda.syncthreads()",
         "    if row < 16:\n        cuda.syncthreads()"),
        "'not all threads of the block' in "
        "launch(tile_kernel[1, (32, 32)], matrix, matrix.copy()).fault",
    ),
]  # fmt: skip


@pytest.mark.parametrize("words, change, holds", GPU, ids=str)
def test_an_answer_about_a_gpu_is_what_the_emulator_says(words, change, holds, tmp_path):
    if cuda.implementation != "NVIDIA":
        pytest.skip("the emulator needs numba-cuda")
    assert any(words in answer for answer in answers_of("inside_a_gpu").values())
    (path,) = FOLDER.glob("*_inside_a_gpu.py")
    (code,) = [source for kind, source in cells(path) if "def tile_kernel" in source]
    for old, new in zip(change[::2], change[1::2], strict=True):
        assert old in code
        code = code.replace(old, new)
    file = tmp_path / "lesson.py"
    file.write_text(KERNEL + code.partition("\n\n\n")[0], encoding="utf-8")
    assert eval(holds, runpy.run_path(str(file)))


ITEM = re.compile(r"(?ms)^(\d+)\. (.*?)(?=^\d+\. |\n\n|\Z)")
OPEN = {("data_augmentation", "2")}


def items(text):
    """Return {number: text on one line} of a numbered list."""
    return {number: " ".join(item.split()) for number, item in ITEM.findall(text)}


def answers_of(lesson):
    (path,) = FOLDER.glob(f"[0-9][0-9]_{lesson}.py")
    return items(ANSWERS.search(cells(path)[-1][1])[2])


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_answer_has_been_run_and_says_what_no_run_settles(path):
    lesson = path.stem[3:]
    tasks = items(without_answers(cells(path)[-1][1]).partition("## Change this and predict")[2])
    answers = answers_of(lesson)
    written = {number for number, task in tasks.items() if "python -m lessons exercise" in task}
    assert tasks.keys() - answers.keys() <= written and answers.keys() <= tasks.keys()
    tested = [getattr(case, "values", case) for case in CASES]
    words = [case[1] for case in tested if case[0] == lesson] + [
        piece for piece, _ in claims(path)[0]
    ]
    words += [case[0] for case in GPU] if lesson == "inside_a_gpu" else []
    assert [n for n, a in answers.items() if not any(w in f"{n}. {a}" for w in words)] == []
    unsettled = {(lesson, n) for n, answer in answers.items() if "no run here settles" in answer}
    assert unsettled == {pair for pair in OPEN if pair[0] == lesson}
