"""The stepper shows what really ran: the lines, the arrays they made, and where each came from."""

import ast
import base64
import inspect
import json
import os
import re
import sys
import threading
import zlib

import numpy as np
import pytest
from numba import njit
from numba.extending import overload
from test_gradcheck import every_layout, laid_out

from minicnn import fast, net, reference
from minicnn.networks import cifar
from minicnn.reference import conv_backward, conv_forward, pool_forward, relu_forward
from minicnn.reference.im2col import im2col
from minicnn.step import picture, slides, step
from minicnn.stepping import (
    boxes,
    kernels,
    navigation,
    nudge,
    page,
    pairs,
    source,
    terminal,
    values,
)
from minicnn.stepping.provenance import call_links
from minicnn.stepping.record import Record
from minicnn.stepping.trim import trim_record

N, C, K, H, W, f = 2, 3, 4, 7, 5, 3


def drawn(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def small_conv(images=1, **options):
    return step(conv_forward, drawn(images, 2, 5, 4), drawn(3, 2, 3, 3), drawn(3), **options)


def code(steps, one):
    """Return the line of code of a step."""
    frame = steps._record.frames[one.frame].source
    return frame.lines[one.statement.line - frame.first].strip()


def own_steps(steps, picked=None):
    return navigation.visible_steps(steps._record, 0, picked)


def data_of(html):
    """Return what page.py wrote into a page."""
    deflated = re.search(r'application/deflated-json">(.*?)</script>', html, re.DOTALL)[1]
    data = json.loads(zlib.decompress(base64.b64decode(deflated)))
    for columns in ("values", "steps", "loops"):
        if columns in data:
            entries = zip(*data[columns].values(), strict=True)
            rows = [dict(zip(data[columns], row, strict=True)) for row in entries]
            data[columns] = [{k: v for k, v in row.items() if v is not None} for row in rows]
    return data


# Small functions to step through.


def doubled(x, times):
    total = x * 0
    for turn in range(times):
        added = x + turn
        total = total + added
    return total


def alone_forward(x):
    return x


def alone_backward(dy, cache):
    return (dy,)


def filled_by_a_view(x):
    y = np.zeros_like(x)
    first = y[0]
    first += x[0]
    return y


def nested(n):
    turns = 0
    for i in range(n):
        for j in range(n):
            turns += i * j
    return turns


def breaks(x):
    y = x + 1
    for n in range(5):
        if n == 3:
            y = y / "three"
    return y


def winding(n):
    found = []
    while n > 0:
        try:
            found.append(1 / (n - 1))
        except ZeroDivisionError as error:
            found.append(str(error))
        n -= 1
    with open(os.devnull) as file:
        found.append(file.read())
    return found


def unfilled(x):
    y = np.empty_like(x)
    y[0] = x[0]
    return y


# What is recorded.


def test_the_result_is_that_of_the_function_itself():
    x, w, b = drawn(N, C, H, W), drawn(K, C, f, f), drawn(K)
    steps = step(conv_forward, x, w, b, stride=2, pad=1)
    y, cache = conv_forward(x, w, b, stride=2, pad=1)
    np.testing.assert_array_equal(steps.result[0], y)
    dy = drawn(*y.shape)
    for found, expected in zip(steps.backward(dy).result, conv_backward(dy, cache), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_arrays_that_are_returned_have_short_names_and_none_is_that_of_an_argument():
    def halved(x, y, wanted=True):
        x, z = x / 2, y / 2
        return x if wanted else None, z if wanted else None

    assert list(step(halved, np.ones(3), np.ones(2))._arrays()) == ["result[0]", "z"]


def test_every_line_comes_in_the_order_in_which_it_ran_with_what_it_made():
    steps = step(doubled, drawn(3), 2)
    found = [(code(steps, one), sorted(one.changed)) for one in own_steps(steps)]
    turn = [("added = x + turn", ["added"]), ("total = total + added", ["total"])]
    assert found == [
        ("def doubled(x, times):", ["times", "x"]),
        ("total = x * 0", ["total"]),
        ("for turn in range(times):", ["turn"]),
        *turn,
        ("for turn in range(times):", ["turn"]),
        *turn,
        ("return total", []),
    ]
    shot = own_steps(steps)[-2].changed["total"]
    np.testing.assert_array_equal(shot.panels[0, 0], doubled(drawn(3), 2))


def test_of_a_loop_two_turns_are_shown_and_the_others_can_be_picked():
    steps = step(doubled, drawn(3), 7)
    record = steps._record
    assert [loop.total for loop in record.loops] == [7]
    assert [code(steps, one) for one in own_steps(steps)].count("added = x + turn") == 2
    (last,) = [one for one in own_steps(steps) if one.after]
    assert last.after == 7
    np.testing.assert_array_equal(last.changed["total"].panels[0, 0], doubled(drawn(3), 7))
    picked = own_steps(steps, {0: 5})
    added = [one for one in picked if code(steps, one).startswith("added")]
    made = [one.changed["added"].panels[0, 0] for one in added]
    np.testing.assert_array_equal(made, [drawn(3) + n for n in (0, 1, 4)])


def test_a_long_loop_leaves_a_short_record():
    steps = step(nested, 120)
    assert steps.result == nested(120)
    assert len(steps._record.steps) < 600
    assert [loop.total for loop in steps._record.loops[:2]] == [120, 120]


def test_every_turn_can_be_had_of_a_loop_of_whatever_length():
    x = drawn(3)
    steps = step(doubled, x, 5000)
    line = steps._record.loops[0].line
    assert len(steps._record.steps) < 700
    text = str(steps.turn(line, 4321))
    assert [part.strip() for part in re.findall(r"→(.*)", text)] == [
        "for turn in range(times):",
        "added = x + turn",
        "total = total + added",
    ]
    assert "doubled, iteration 4321 of 5000" in text and "turn = 4320" in text
    there = steps.turn(line, 4321)._record
    made = next(s.changed["added"] for s in there.steps[there.start :] if "added" in s.changed)
    np.testing.assert_array_equal(made.panels[0, 0], x + 4320)


def test_of_loops_inside_each_other_both_turns_are_named_one_after_the_other():
    steps = step(nested, 90)
    outer, inner = sorted({loop.line for loop in steps._record.loops})
    text = str(steps.turn(outer, 71).turn(inner, 82))
    assert "nested, iterations i 71/90, j 82/90" in text
    turns = sum(i * j for i in range(71) for j in range(90 if i < 70 else 82))
    assert f"turns = {turns}" in text


def test_a_turn_of_a_kernel_can_be_had_too_and_the_page_opens_with_it():
    steps = step(conv_forward, drawn(1, 3, 9, 8), drawn(4, 3, 5, 5), drawn(4))
    lines = {code(steps, s): s.statement.line for s in steps._record.steps if s.frame}
    last = steps.turn(lines["for c in range(C):"], 3).turn(lines["for i in range(f):"], 5)
    assert "im2col, iterations c 3/3, i 5/5" in str(last)
    data = data_of(last._repr_html_())
    first = data["steps"][data["start"]]
    loop, number, around = data["turns"][first["turn"]]
    assert (first["line"], number, data["turns"][around][1]) == (lines["for i in range(f):"], 5, 3)
    assert data["sources"][data["frames"][first["frame"]]["source"]]["name"] == "im2col"


def test_for_another_turn_the_arguments_are_those_from_before_the_first_call():
    def moved(x, rng):
        for _ in range(99):
            x += rng.random()
        return x

    rng, x = np.random.default_rng(3), drawn(2)
    before, steps = x.copy(), step(moved, x, rng)
    line = steps._record.loops[0].line
    after = rng.bit_generator.state
    (moved_by,) = [s.changed["x"] for s in steps.turn(line, 98)._record.steps[-4:] if s.after]
    np.testing.assert_array_equal(moved_by.panels[0, 0], x)
    assert rng.bit_generator.state == after and not np.array_equal(x, before)


def test_an_argument_that_is_too_large_for_a_copy_must_not_have_changed():
    def filled(x):
        for n in range(9):
            x[n] = n
        return x

    steps = step(filled, np.ones(2_000_000))
    with pytest.raises(ValueError, match=r"^turn: an argument of shape \(2000000,\) has changed"):
        steps.turn(steps._record.loops[0].line, 8)


@pytest.mark.parametrize(
    "line, number, message",
    [
        (3, 1, r"^turn: no loop begins in line 3; the loop begins in line \d+$"),
        (0, 8, r"^turn: the loop in line \d+ has 7 iterations; there is no 8$"),
        (0, 0, r"^turn: the loop in line \d+ has 7 iterations; there is no 0$"),
    ],
)
def test_a_turn_that_is_not_there_is_refused_in_one_sentence(line, number, message):
    steps = step(doubled, drawn(3), 7)
    with pytest.raises(ValueError, match=message):
        steps.turn(line or steps._record.loops[0].line, number)
    with pytest.raises(TypeError, match="^turn: the iteration is '5'; expected whole"):
        steps.turn(steps._record.loops[0].line, "5")
    with pytest.raises(TypeError, match="^turn: the line is '34'; expected whole numbers"):
        steps.turn("34", 1)


def test_a_function_of_a_notebook_has_no_file():
    place = source.read(doubled.__code__)._replace(file="/tmp/ipykernel_123/456.py")
    assert navigation.file_of(place) == "a cell"


def test_a_loop_that_begins_in_another_file_is_named_with_it():
    steps = small_conv()
    (own,) = {loop.line for loop in steps._record.loops if loop.frame == 0}
    message = rf"; loops begin in line {own} and in lines \d+, .*\d of reference/im2col.py$"
    with pytest.raises(ValueError, match=message):
        steps.turn(3, 1)


def test_printed_steps_name_the_call_that_has_the_turns_passed_by():
    steps = step(doubled, drawn(3), 7)
    call = f"steps.turn({steps._record.loops[0].line}, 7)"
    assert f"; the first 2 are shown, and {call} shows iteration 7" in str(steps)
    assert "iteration 7 of 7" in str(eval(call))


def test_a_turn_beyond_what_a_kernel_runs_as_python_is_refused(monkeypatch):
    monkeypatch.setattr(kernels, "WATCHED", 300)
    steps = step(im2col, drawn(3, 40, 41), 11, 1, 0, 30, 31)
    if steps._record.frames[0].cut:
        line = steps._record.loops[0].line
        with pytest.raises(
            ValueError, match=f"^turn: iteration 3 of line {line} was not reached in the"
        ):
            steps.turn(line, 3)


def test_a_line_that_fails_late_is_in_the_turn_in_which_it_failed():
    def late(n):
        for i in range(n):
            for j in range(n):
                if (i, j) == (300, 7):
                    raise KeyError(j)

    text = str(step(late, 400))
    assert "late, iteration 301 of 301" in text and "✗ KeyError: 7" in text


def test_break_continue_and_caught_errors_in_turns_that_pass_by_disturb_no_count():
    def crooked(n):
        seen = total = 0
        for i in range(n):
            if i % 3:
                continue
            k = 0
            while True:
                k += 1
                if k > i:
                    break
            for j in range(i):
                try:
                    total += 1 // (j % 7)
                except ZeroDivisionError:
                    total -= 1
                else:
                    seen += 1
            else:
                seen += 1
            if i > 250:
                break
        for _ in range(seen):
            total += 1
        return seen, total, k

    steps = step(crooked, 400)
    assert steps.result == crooked(400)
    outer, *_, last = [loop for loop in steps._record.loops if loop.frame == 0]
    assert (outer.total, last.total) == (253, crooked(400)[0])
    there = steps.turn(outer.line, 100)
    values = navigation.last_values(there._record)
    assert tuple(int(values[name].text) for name in ("seen", "total", "k")) == crooked(400)
    start = there._record.steps[there._record.start]
    assert start.changed["i"].text == "99"
    assert navigation.latest(there._record, start, "seen").text == str(crooked(99)[0])


def test_a_loop_at_the_end_of_a_function_is_done_with_all_its_turns():
    def last(n):
        total = 0
        for i in range(n):
            total += i

    (done,) = [one for one in step(last, 5000)._record.steps if one.after]
    assert done.after == 5000 and done.changed["total"].text == str(sum(range(5000)))


def test_an_array_that_a_view_changes_has_changed():
    steps = step(filled_by_a_view, drawn(2, 3))
    (added,) = [one for one in own_steps(steps) if "+=" in code(steps, one)]
    assert sorted(added.changed) == ["first", "y"]


def test_memory_that_is_not_written_yet_is_shown_as_such():
    steps = step(unfilled, drawn(2, 3))
    shots = [one.changed["y"] for one in own_steps(steps) if "y" in one.changed]
    assert [values.caption(shot).partition("float64")[2] for shot in shots] == [
        ", not written yet",
        ", −1.324 … −0.2484; 3 of 6 not written yet",
    ]


def test_what_is_not_finite_is_called_what_it_is():
    def odd(x):
        y = np.empty(4)
        y[1:] = np.inf, -np.inf, np.nan
        return y

    made = [one.changed["y"] for one in own_steps(step(odd, 1)) if "y" in one.changed]
    kinds = "1 of 4 not written yet, 1 of 4 NaN, 1 of 4 −∞, 1 of 4 ∞"
    assert values.caption(made[1]) == f"4 float64, {kinds}"
    assert values.caption(values.look(np.full((2, 3), -np.inf))) == "2 × 3 float64, all −∞"
    mixed = np.array([1, np.nan, 3, -np.inf], np.float32)
    assert values.caption(values.look(mixed)).endswith("1 … 3; 1 of 4 NaN, 1 of 4 −∞")


def test_memory_that_fast_uses_again_does_not_show_the_answer_of_before():
    x = drawn(2, 3)
    fast.relu_forward(x)  # whose y nobody keeps
    steps = own_steps(step(fast.relu_forward, x))
    shots = [one.changed["y"] for one in steps if "y" in one.changed]
    assert [shot.bad for shot in shots] == [6, 0]  # empty_like(x), and then the loop
    x = drawn(1, 8, 2, 2)
    fast.lrn_forward(x)  # y, scale = empty(…), empty(…)
    steps = own_steps(step(fast.lrn_forward, x))
    scales = [one.changed["scale"] for one in steps if "scale" in one.changed]
    assert [scale.bad == np.prod(scale.shape) for scale in scales] == [True, False]


def test_a_list_of_arrays_is_a_row_of_them():
    x = drawn(1, 2, 5, 5)
    steps = step(pool_forward, x)
    made = {name: (one, value) for one in own_steps(steps) for name, value in one.changed.items()}
    places = made["places"][1].shots
    for place, shot in enumerate(places):
        i, j = divmod(place, 3)
        np.testing.assert_array_equal(shot.panels, x[0, :, i : i + 4 : 2, j : j + 4 : 2])
    assert len(places) == 9 and len({shot.kin for shot in places}) == 1
    assert "places  9 arrays, each 1 × 2 × 2 × 2 float64, −" in str(steps)
    assert "places[8]" in str(steps)
    (row,) = [value for value in data_of(steps._repr_html_())["values"] if "row" in value]
    assert len(set(row["row"])) == 9
    links = made["y"][0].links["y"]
    assert sorted(links) == [f"places[{n}]" for n in range(9)]
    assert linked(links["places[4]"], 8, 8).tolist() == np.eye(8, dtype=bool).tolist()


def test_a_row_has_the_size_of_a_picture_however_large_its_arrays():
    row = values.look([drawn(8, 50, 60)] * 16)
    assert sum(shot.panels.size for shot in row.shots) <= values.MAPS
    text = str(step(pool_forward, drawn(2, 4, 27, 27)))
    assert "places  9 arrays, each 2 × 4 × 13 × 13" in text and "places[" not in text
    for other in [[drawn(2), drawn(3)], [drawn(2)] * 17, [drawn(2)], [drawn(2), 3]]:
        assert isinstance(values.look(other), values.Text)


def test_a_tuple_with_something_that_cannot_be_copied_disturbs_nobody():
    def call(x, things):
        y = x * len(things)
        return y

    np.testing.assert_array_equal(step(call, drawn(3), (np, x := drawn(3))).result, 2 * x)


def test_a_row_that_becomes_one_array_is_one():
    def join(x):
        x = np.concatenate(x)
        return x + 1

    last = own_steps(step(join, (drawn(2), drawn(2))))[1]
    assert last.changed["x"].shape == (4,)


def test_kernels_run_as_the_python_that_they_were_written_in():
    steps = small_conv()
    record = steps._record
    names = [frame.source.name for frame in record.frames]
    assert names == ["conv_forward", "out_size", "out_size", "im2col"]
    called = record.steps[record.frames[3].parent]
    assert code(steps, called).startswith("cols = im2col(")
    inside = [code(steps, one) for one in record.steps if one.frame == 3]
    assert "cols[row, y_out * W_out + x_out] = x[c, y_in, x_in]" in inside
    assert hasattr(reference.conv.im2col, "py_func") == hasattr(im2col, "py_func")


def test_a_large_kernel_is_begun_as_python_and_finished_compiled():
    x = drawn(3, 40, 41)
    steps = step(im2col, x, 11, 1, 0, 30, 31)
    np.testing.assert_array_equal(steps.result, im2col(x, 11, 1, 0, 30, 31))
    compiled = hasattr(im2col, "py_func")
    assert steps._record.frames[0].cut == compiled
    totals = [navigation.total(loop) for loop in steps._record.loops[:3]]  # over c, i and j
    assert totals == ["3", "11", "11"]


def test_of_a_kernel_that_is_cut_off_in_a_while_loop_the_turns_seen_are_counted(monkeypatch):
    @njit
    def halved(n):
        turns = 0
        while n > 0:
            n -= 1
            turns += 1
        return turns

    for most in range(700, 708):
        monkeypatch.setattr(kernels, "WATCHED", most)
        record = step(halved, 9999)._record
        if record.frames[0].cut:
            assert record.result == 9999 and record.loops[0].more
            assert 3 * record.loops[0].total <= most <= 3 * record.loops[0].total + 4


def test_a_loop_in_one_line_is_one_step():
    def short(n):
        total = 0
        for i in range(n): total += i  # fmt: skip # noqa: E701
        return total

    steps = step(short, 9)
    (line,) = [one for one in own_steps(steps) if code(steps, one).startswith("for")]
    assert line.changed["total"].text == "36" and steps._record.loops == []


def test_what_a_kernel_calls_counts_too_when_it_runs_as_python(monkeypatch):
    monkeypatch.setattr(kernels, "WATCHED", 20_000)
    x, w, b = drawn(4, 3, 40, 41), drawn(32, 3, 7, 7), drawn(32)
    steps = step(fast.conv_forward, x, w, b)
    np.testing.assert_array_equal(steps.result[0], fast.conv_forward(x, w, b)[0])
    names = {frame.source.name for frame in steps._record.frames if frame.cut}
    assert {"multiply", "multiply_task"} <= names


@pytest.mark.parametrize(
    "layer, shape, options",
    [
        ("lrn", (1, 5, 2, 3), {"alpha": 0.5}),
        ("map_lrn", (1, 3, 5, 4), {"alpha": 0.5}),
        ("pool", (1, 3, 5, 4), {}),
        ("conv", (1, 2, 4, 3), {}),
        ("local", (1, 2, 4, 3), {}),
    ],
)
def test_vector_kernels_compute_the_same_as_python(layer, shape, options):
    x = drawn(*shape)
    w_shapes = {"conv": (3, 2, 2, 2), "local": (3, 2, 3, 2, 2, 2)}
    arguments = (x, drawn(*w_shapes[layer]), drawn(3)) if layer in w_shapes else (x,)
    there, back = (getattr(fast, f"{layer}_{way}") for way in ("forward", "backward"))
    as_python = [kernels.opened(f, Record(), in_kernel=True) for f in (there, back)]
    y, cache = there(*arguments, **options)
    y_python, cache_python = as_python[0](*arguments, **options)
    np.testing.assert_allclose(y_python, y, rtol=1e-12, atol=1e-12)
    dy = drawn(*y.shape)
    for found, expected in zip(as_python[1](dy, cache_python), back(dy, cache), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def with_lines(steps):
    """Return the names of the calls of which there are lines to see."""
    frames = {one.frame for one in steps._record.steps if one.statement.names}
    return {steps._record.frames[number].source.name for number in frames}


@pytest.mark.parametrize(
    "layer, shapes, options, there, back",
    [
        (
            "conv",  # by Winograd's algorithm, which takes eight channels; dx has three
            [(1, 8, 24, 25), (3, 8, 3, 3), (3,)],
            {"pad": 1},
            "kernels_loop forward_loop",
            "multiply backward_loop unpack",
        ),
        (
            "conv",
            [(1, 3, 6, 5), (4, 3, 2, 2), (4,)],
            {},
            "frame_loop pack_group multiply multiply_task",
            "multiply correlate unpack",
        ),
        (
            "conv_relu",
            [(1, 8, 24, 25), (3, 8, 3, 3), (3,)],
            {},
            "kernels_loop forward_loop",
            "relu_back_loop multiply",  # calls are opened three deep
        ),
        (
            "lrn",
            [(1, 5, 2, 3)],
            {},
            "forward_loop normalize window_sum scale_power",
            "normalize_back",
        ),
        (
            "map_lrn",
            [(1, 3, 5, 4)],
            {},
            "forward_loop normalize window_sums scale_power",
            "backward_loop normalize_back window_sums",
        ),
        (
            "local",
            [(1, 3, 4, 5), (3, 4, 4, 3, 2, 2), (3, 4, 4)],
            {},
            "frame_loop pack_loop pack_group multiply_loop multiply_task",
            "pack_back_loop multiply_loop correlate_loop correlate_task unpack_loop",
        ),
        ("pool", [(1, 3, 5, 4)], {}, "max_loop max_row", "max_back_loop max_back_row"),
        ("pool_relu", [(1, 3, 5, 4)], {}, "max_loop max_row", "max_back_loop max_back_row"),
        ("average_pool", [(1, 3, 5, 4)], {}, "mean_loop mean_image", "mean_back_image"),
        ("fc", [(3, 20), (4, 20), (4,)], {}, "few_loop few_block", "multiply"),
        ("relu", [(3, 20)], {}, "relu_loop", "relu_back_loop"),
        ("tanh", [(3, 20)], {}, "tanh_loop64", "tanh_back_loop"),
        ("logistic", [(3, 20)], {}, "logistic_loop64", "logistic_back_loop"),
        ("dropout_predict", [(3, 20)], {}, "scale_loop", "scale_loop"),
    ],
)
def test_every_kernel_of_fast_shows_its_lines(layer, shapes, options, there, back):
    home = fast if hasattr(fast, f"{layer}_forward") else fast.fused
    arguments = [drawn(*shape) for shape in shapes]
    forward = step(getattr(home, f"{layer}_forward"), *arguments, **options)
    backward = forward.backward(drawn(*forward.result[0].shape))
    for steps, expected in ((forward, there), (backward, back)):
        assert set(expected.split()) <= with_lines(steps)
        assert "load" not in with_lines(steps)
        assert [one.note for one in steps._record.steps if one.note] == []


def test_kernels_are_reached_through_a_module():
    def positive(x):
        y, _ = fast.relu_forward(x)
        return y

    steps = step(positive, drawn(3, 4))
    assert {"relu_forward", "relu_loop"} <= with_lines(steps)
    np.testing.assert_array_equal(steps.result, drawn(3, 4).clip(0))


def test_a_kernel_that_calls_itself_can_be_opened():
    record = step(factorial, 4)._record
    assert record.result == 24
    assert [frame.source.name for frame in record.frames] == ["factorial"] * 4


def test_where_somebody_watches_one_thread_does_it_all(monkeypatch):
    monkeypatch.setattr(fast.threads, "count", 2)
    monkeypatch.setattr(fast.threads, "WORTH_WAKING", -1)
    steps = step(fast.lrn_forward, drawn(40, 3, 5, 4))
    loops = [frame for frame in steps._record.frames if frame.source.name == "forward_loop"]
    (shares,) = [[frame.arguments[n].text for n in ("begin", "end")] for frame in loops]
    assert shares == ["0", "13"]  # of 40 · 5 · 4 rows, 64 at a time


@njit
def factorial(n):
    if n < 2:
        return 1
    return n * factorial(n - 1)


def for_the_compiler(x):
    raise NotImplementedError("for the compiler alone")


@overload(for_the_compiler)
def compiled_doubling(x):
    return lambda x: 2 * x


@njit
def without_python(x):
    y = x + 1
    y = for_the_compiler(y)
    return y


def calls_it(x):
    y = without_python(x)
    return y


def test_a_kernel_that_fails_as_python_is_said_and_the_compiled_result_stands():
    said = (
        "without_python fails as Python: NotImplementedError: for the compiler alone; "
        "the result comes from the compiled kernel"
    )
    for function, line in (
        (calls_it, "y = without_python(x)"),
        (without_python, "y = for_the_compiler(y)"),
    ):
        steps = step(function, drawn(3))
        np.testing.assert_array_equal(steps.result, 2 * (drawn(3) + 1))
        (noted,) = [one for one in steps._record.steps if one.note]
        assert noted.note == said and said in str(steps) and code(steps, noted) == line
        assert data_of(steps._repr_html_())["steps"][noted.number]["note"] == said
        assert "did not return" not in str(steps)
        failed = [code(steps, one) for one in steps._record.steps if one.raised]
        assert "y = for_the_compiler(y)" in failed


def test_a_kernel_that_fails_compiled_as_well_raises_its_own_error():
    @njit
    def refuses(x):
        if x.size == 3:
            raise ValueError("three are too many")
        return x

    steps = step(refuses, drawn(3))
    assert "✗ ValueError: three are too many" in str(steps)
    assert not any(one.note for one in steps._record.steps)
    with pytest.raises(ValueError, match="three are too many"):
        steps.result  # noqa: B018


def test_a_mistake_of_the_stepper_itself_is_not_taken_for_the_kernels(monkeypatch):
    monkeypatch.setattr(kernels, "WATCHED", "some")
    with pytest.raises(TypeError, match="-="):
        step(im2col, drawn(1, 3, 3), 2, 1, 0, 2, 2)


def test_random_numbers_are_drawn_as_often_as_without_the_stepper():
    one, two = np.random.default_rng(5), np.random.default_rng(5)
    steps = step(reference.dropout_forward, drawn(4, 6), rng=one)
    y, _ = reference.dropout_forward(drawn(4, 6), rng=two)
    steps._repr_html_()
    np.testing.assert_array_equal(steps.result[0], y)
    assert one.random() == two.random()


def test_a_network_with_dropout_draws_no_more_either():
    def drawn_after(run):
        rng = np.random.default_rng(5)
        layers = [
            net.row("relu", reference, "relu"),
            net.row("dropout", reference, "dropout", p=0.5, rng=rng),
        ]
        y, _ = run(layers, drawn(2, 6))
        return *y.reshape(-1), rng.random()

    def stepped(layers, x):
        steps = step(net.forward, layers, x)
        steps._repr_html_()
        return steps.result

    assert drawn_after(stepped) == drawn_after(net.forward)


def test_while_with_and_try_are_steps_like_others():
    steps = step(winding, 3)
    lines = [code(steps, one) for one in own_steps(steps)]
    assert lines[1:] == [
        "found = []",
        *["while n > 0:", "try:", "found.append(1 / (n - 1))", "n -= 1"] * 2,
        "while n > 0:",
        "with open(os.devnull) as file:",
        "found.append(file.read())",
        "return found",
    ]
    assert steps.result == winding(3) == [0.5, 1.0, "division by zero", ""]


def test_a_failing_line_is_shown_and_its_error_kept():
    steps = step(breaks, drawn(3))
    (failed,) = [one for one in steps._record.steps if one.raised]
    assert code(steps, failed) == 'y = y / "three"'
    assert "✗ UFuncTypeError" in str(steps) or "✗ TypeError" in str(steps)
    assert "error" in str(data_of(steps._repr_html_())["steps"][failed.number])
    with pytest.raises(TypeError):
        steps.result  # noqa: B018


def test_a_layer_that_refuses_its_arguments_says_so_in_its_own_words(capsys):
    steps = step(conv_forward, drawn(N, C, H, W), drawn(K, C + 1, f, f), drawn(K))
    why = "ValueError: conv: x has 3 channels but w expects 4"
    assert f"✗ {why}" in str(steps)
    first = f"conv_forward did not return; .result raises {why}"
    steps.show(pause=None)
    for text in (str(steps), capsys.readouterr().out):
        assert text.split("\n")[1].startswith(first)
    assert data_of(steps._repr_html_())["failure"].startswith(first)
    assert data_of(small_conv()._repr_html_())["failure"] == ""


# Nobody else notices.


def test_the_tracer_from_before_is_there_again_even_after_an_error():
    seen = []

    def tracer(frame, event, argument):
        seen.append(frame.f_code.co_name)

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        step(doubled, drawn(3), 2)
        step(breaks, drawn(3))
        small_conv()
        assert sys.gettrace() is tracer
        nested(1)
    finally:
        sys.settrace(before)
    assert seen[-1] == "nested"


def test_another_thread_is_not_traced():
    traced = []

    def call(x):
        thread = threading.Thread(target=lambda: traced.append(sys.gettrace()))
        thread.start()
        thread.join()
        return x

    step(call, drawn(3))
    assert len(traced) == 1 and getattr(traced[0], "__name__", "") != "called"


def test_arguments_stay_as_they_are():
    x, w, b = drawn(1, 2, 5, 4), drawn(3, 2, 3, 3), drawn(3)
    kept = [array.copy() for array in (x, w, b)]
    steps = step(conv_forward, x, w, b)
    steps._repr_html_()
    steps.touch("w", (0, 1, 2, 2), drawn(*steps.result[0].shape))
    for array, before in zip((x, w, b), kept, strict=True):
        np.testing.assert_array_equal(array, before)


# The way back.

UNDOES = {  # all pairs of the library: {line of backward: the lines of forward that it undoes}
    "conv": {
        "dy_n = dy[n].reshape": ["y[n] = y_n.reshape"],
        "dw_rows += dy_n @ cols": ["y_n = w_rows @ cols"],
        "dcols = w_rows.transpose": ["y_n = w_rows @ cols"],
        "dcols = dcols.reshape": ["cols = cols.reshape"],
        "dx[n] = col2im(": ["cols = im2col("],
        "db = dy.sum": ["y[n] = y_n.reshape"],
        "return dx, dw_rows.reshape": ["w_rows = w.reshape"],
    },
    "fc": dict.fromkeys(["dx = (dy @ w)", "dw = dy.T", "db = dy.sum"], ["y = x_rows @ w.T + b"]),
    "pool": {
        "dplace += np.where(winner == place": ["y = np.max(places"],
        "dx = dx_all[": ["x_all[:, :, :H, :W] = x"],
    },
    "average_pool": {
        "dplace += dy / count": ["y = sum(places_of("],
        "dx = dx_all[": ["x_all[:, :, :H, :W] = x"],
    },
    "lrn": dict.fromkeys(["own = dy * scale", "cross = sum_over"], ["y = x * scale**-beta"]),
    "local": {
        "dy_here = dy[:, :, i, j]": ["y[:, :, i, j] = y_here"],
        "dw_rows = dy_here.T @ window": ["y_here = window @ w_rows.T"],
        "dw[i, j] = dw_rows.reshape": ["w_rows = w[i, j].reshape"],
        "dwindow = dy_here @ w_rows": ["y_here = window @ w_rows.T"],
        "dx_here = window_of(": ["N, x_padded = x.shape[0], with_border("],
        "dx_here += dwindow": ["window = window_of("],
        "dx = dx_padded[": ["N, x_padded = x.shape[0], with_border("],
        "db = dy.sum": ["y += np.broadcast_to(b"],
    },
    "map_lrn": dict.fromkeys(["own = dy * scale", "neighbours = sum_"], ["y = x * scale**-beta"]),
    "relu": {"dx = np.where(y > 0": ["y = np.maximum(x, 0)"]},
    "tanh": {"dx = dy * (1 - y * y)": ["y = np.tanh(x)"]},
    "logistic": {"dx = dy * y * (1 - y)": ["y = np.where(x >= 0"]},
    "dropout": {"dx = np.where(kept": ["y = np.where(kept"]},
    "dropout_predict": {"dx = dy * (1 - p)": ["y = x * (1 - p)"]},
    "softmax_loss": {},  # its gradient is worked out on paper: p − one_hot
}


@pytest.mark.parametrize("layer", UNDOES)
def test_a_line_of_backward_knows_the_lines_that_it_undoes_and_no_others(layer):
    forward = source.read(getattr(reference, f"{layer}_forward").__code__)
    backward = source.read(getattr(reference, f"{layer}_backward").__code__)
    found = [
        (pairs.text_of(backward, backward.statements[line]), others)
        for line, others in pairs.pairs(forward, backward).items()
    ]
    assert len(found) == len(UNDOES[layer]), found
    for (line, others), (start, starts) in zip(found, UNDOES[layer].items(), strict=True):
        assert line.startswith(start)
        texts = [pairs.text_of(forward, forward.statements[other]) for other in others]
        assert len(texts) == len(starts) and all(map(str.startswith, texts, starts)), texts


def test_the_way_back_shows_forward_lines_and_arrays_beside_their_gradients():
    steps = small_conv()
    back = steps.backward(drawn(*steps.result[0].shape))
    assert "forward: y_n = w_rows @ cols" in str(back)
    data = data_of(back._repr_html_())
    forward = [data["names"][n] for n in data["forward"][::2]]
    assert {"x", "w", "b", "cols", "y_n"} <= set(forward)
    values = dict(zip(forward, data["forward"][1::2], strict=True))
    y, dy = data["values"][values["y"]], data["values"][data["frames"][0]["arguments"][1]]
    assert y["s"] == dy["s"] and y["k"] != dy["k"]  # each with colours of its own


def test_a_terminal_shows_a_small_array_beside_its_gradient():
    steps = small_conv(stride=2)
    lines = str(steps.backward(drawn(*steps.result[0].shape))).split("\n")
    (both,) = [n for n, line in enumerate(lines) if "    dy_n  1 × 3 × 2" in line]
    assert "    y_n  1 × 3 × 2" in lines[both]
    assert len(lines[both + 1].split()) == 4  # a row of each


def test_the_way_back_asks_for_dy_and_says_of_what_shape():
    expected = r"dy is missing; expected an array of shape \(1, 3, 3, 2\), the shape of y"
    with pytest.raises(ValueError, match=f"^backward: {expected}"):
        small_conv().backward()
    with pytest.raises(ValueError, match=f"^touch: {expected}"):
        small_conv().touch("w", (0, 1, 2, 2))
    labels = np.array([0, 2])
    loss = step(reference.softmax_loss_forward, drawn(2, 3), labels)
    assert loss.backward().result[0].shape == (2, 3)  # L itself needs none
    assert loss.touch("scores", (1, 2)).difference < 1e-7


def test_a_function_without_a_way_back_says_so():
    with pytest.raises(ValueError, match="step: doubled has no backward"):
        step(doubled, drawn(3), 2).backward(drawn(3))


def test_a_touched_entry_agrees_with_backward():
    x, w, b = drawn(N, C, H, W), drawn(K, C, f, f), drawn(K)
    steps = step(conv_forward, x, w, b, stride=2)
    dy = drawn(*steps.result[0].shape)
    for name, index in [("x", (1, 2, 6, 0)), ("w", (3, 0, 2, 1)), ("b", (2,))]:
        found = steps.touch(name, index, dy)
        assert found.difference < 1e-8 and not found.kink
        assert abs((found.up - found.down) / (2 * found.step) - found.analytic) < 1e-6
        assert f"{name}[{', '.join(map(str, index))}]" in str(found)


@every_layout
def test_a_touched_entry_is_one_that_forward_sees_whatever_its_order_in_memory(layout):
    def zeros(dy, cache):
        return tuple(0 * grad for grad in conv_backward(dy, cache))

    arrays = [laid_out(layout, drawn(*shape)) for shape in [(N, C, H, W), (K, C, f, f), (K,)]]
    bound = inspect.signature(conv_forward).bind(*arrays)
    dy = laid_out(layout, drawn(N, K, H - f + 1, W - f + 1))
    for name, index in [("x", (1, 2, 4, 0)), ("w", (3, 0, 2, 1)), ("b", (2,))]:
        right = nudge.nudge_entry(conv_forward, conv_backward, bound, name, index, dy)
        assert right.difference < 1e-8 and not right.wrong
        assert nudge.nudge_entry(conv_forward, zeros, bound, name, index, dy).wrong


def test_every_entry_of_an_image_from_channels_last_is_touched_ahead():
    x = drawn(1, 5, 4, 3).transpose(0, 3, 1, 2)
    back = step(pool_forward, x).backward(drawn(1, 3, 2, 1))
    found = data_of(back._repr_html_())["touched"]["x"]
    np.testing.assert_allclose(found["numeric"], back.result[0].reshape(-1), rtol=1e-5, atol=1e-9)
    assert found["analytic"] == {} and found["kinks"] == []


def test_a_touched_entry_that_drowns_in_round_off_is_called_neither_right_nor_wrong():
    def forward(x):
        return x + 1e14, x

    bound = inspect.signature(forward).bind(drawn(2, 3))
    for backward in (lambda dy, x: (dy,), lambda dy, x: (0 * dy,), lambda dy, x: (2 * dy,)):
        lost = nudge.nudge_entry(forward, backward, bound, "x", (1, 2), drawn(2, 3))
        assert lost.hidden and not lost.kink and not lost.wrong
        assert "they cannot be compared: the slope is lost in the round-off of L" in str(lost)
        assert nudge.nudge_all(forward, backward, bound, drawn(2, 3)) == {}
    clear = nudge.nudge_entry(lambda x: (x, x), backward, bound, "x", (1, 2), drawn(2, 3))
    assert clear.wrong and not clear.hidden


def test_a_tiny_argument_is_touched_with_a_tiny_step():
    x = 1e-9 * drawn(2, 3)
    for index in np.ndindex(x.shape):
        one = step(relu_forward, x).touch("x", index, drawn(2, 3))
        assert one.step < 1e-9 and not one.kink and one.difference < 1e-9


def test_a_single_number_is_touched_too():
    def forward(x, a):
        return a * x, (x, a)

    def backward(dy, cache):
        x, a = cache
        return a * dy, np.sum(x * dy)

    bound = inspect.signature(forward).bind(drawn(2, 3), np.array(0.7))
    one = nudge.nudge_entry(forward, backward, bound, "a", (), drawn(2, 3))
    assert one.difference < 1e-9 and str(one).startswith("a = 0.7, nudged by h = ")
    bound = inspect.signature(forward).bind(np.array(2.0), np.array(0.7))
    one = nudge.nudge_entry(forward, backward, bound, "x", (), 3.0)
    assert one.numeric == pytest.approx(2.1) and one.difference < 1e-9
    with pytest.raises(ValueError, match=r"dy is missing; expected an array of shape \(\)"):
        nudge.nudge_entry(forward, backward, bound, "x", (), None)


def test_masked_arrays_and_matrices_are_refused_where_one_touches():
    for strange in (np.ma.masked_array(drawn(2, 3), False), drawn(2, 3).view(np.matrix)):
        bound = inspect.signature(relu_forward).bind(strange)
        with pytest.raises(TypeError, match="^touch: x is .*; expected a plain array"):
            nudge.nudge_entry(
                relu_forward, reference.relu_backward, bound, "x", (0, 1), drawn(2, 3)
            )


def test_on_the_way_back_dy_is_known_and_dw_is_where_w_is():
    steps = small_conv()
    dy = drawn(*steps.result[0].shape)
    back = steps.backward(dy)
    expected = steps.touch("w", (0, 1, 2, 2), dy)
    assert back.touch("w", (0, 1, 2, 2)) == back.touch("dw", (0, 1, 2, -1)) == expected
    assert expected.analytic == pytest.approx(back.result[1][0, 1, 2, 2], 1e-12)


def test_a_page_of_a_way_back_has_every_entry_touched():
    steps = small_conv(stride=2)
    back = steps.backward(drawn(*steps.result[0].shape))
    data = data_of(back._repr_html_())
    assert sorted(data["touched"]) == ["b", "w", "x"]
    for found, gradient in zip(data["touched"].values(), back.result, strict=True):
        np.testing.assert_allclose(found["numeric"], gradient.reshape(-1), rtol=1e-5, atol=1e-9)
        assert found["analytic"] == {} and found["kinks"] == []
        dq = data["values"][found["dq"]]
        assert dq["s"] == data["values"][found["q"]]["s"] == list(gradient.shape)
        np.testing.assert_allclose(dq["v"], gradient.reshape(-1), rtol=1e-3)


def test_a_touch_in_float32_is_computed_in_float64():
    arrays = [array.astype(np.float32) for array in (drawn(1, 2, 4, 4), drawn(3, 32), drawn(3))]
    back = step(reference.fc_forward, *arrays).backward(drawn(1, 3).astype(np.float32))
    assert back.result[0].dtype == np.float32
    assert back.touch("x", (0, 1, 2, 3)).difference < 1e-9
    assert sorted(data_of(back._repr_html_())["touched"]["x"]) == ["dq", "q"]  # none ahead


def test_a_mistake_in_backward_shows_where_one_touches(tmp_path):
    file = tmp_path / "doubling.py"
    file.write_text(
        "def doubling_forward(x):\n    y = 2 * x\n    return y, None\n\n\n"
        "def doubling_backward(dy, cache):\n    dx = 2 * dy\n    dx[0] = dy[0]\n    return (dx,)\n"
    )
    scope = {}
    exec(compile(file.read_text(), str(file), "exec"), scope)
    back = step(scope["doubling_forward"], drawn(3)).backward(np.array([3.0, 4, 5]))
    found = data_of(back._repr_html_())["touched"]["x"]
    np.testing.assert_allclose(found["numeric"], [6, 8, 10], rtol=1e-6)
    assert found["analytic"] == {"0": 3}
    verdict = "the gradient is wrong here, or L has a kink"
    touches = [back.touch("x", n) for n in range(3)]
    assert [verdict in str(one) for one in touches] == [True, False, False]
    assert [one.wrong for one in touches] == [True, False, False]


def test_a_forward_without_a_cache_is_told_to_return_one():
    steps = step(relu_forward, drawn(2, 3))
    bare = step(alone_forward, drawn(2, 3))
    message = r": alone_forward returned an array of float64, shape \(2, 3\); expected a pair"
    with pytest.raises(TypeError, match=f"^backward{message}"):
        bare.backward(drawn(2, 3))
    with pytest.raises(TypeError, match=f"^touch{message}"):
        bare.touch("x", (0, 0), drawn(2, 3))
    with pytest.raises(TypeError, match=r"^touch: the name is an array of .*; expected .*'x'$"):
        steps.touch(drawn(2, 3), (0, 0), drawn(2, 3))


def test_of_a_network_x_is_touched_and_for_the_rest_another_check_is_named():
    layers = cifar.four_layer(reference, np.random.default_rng(0), size=8, dtype=np.float64)
    steps = step(net.forward, layers, drawn(1, 3, 8, 8))
    dy = drawn(*steps.result[0].shape)
    assert not steps.touch("x", (0, 1, 2, 3), dy).wrong
    with pytest.raises(
        ValueError, match=r"expected x; gradcheck.check_network checks the parameters$"
    ):
        steps.touch("conv1.w", (0, 0, 0, 0), dy)


def test_a_backward_that_returns_something_else_is_told_what_was_expected(monkeypatch):
    steps = step(relu_forward, drawn(2, 3))
    back = steps.backward(drawn(2, 3))
    monkeypatch.setattr(reference.activations, "relu_backward", lambda dy, cache: (dy.T,))
    with pytest.raises(ValueError, match=r"^touch: dx has shape \(3, 2\) \(is it transposed\?\)"):
        back.touch("x", (0, 0))
    data = data_of(back._repr_html_())  # a page is had in any case
    assert sorted(data["touched"]["x"]) == ["dq", "q"]


def test_dropout_drops_the_same_units_however_often_one_touches():
    steps = step(reference.dropout_forward, drawn(3, 5), rng=np.random.default_rng(2))
    dy = drawn(3, 5) + 9
    back = steps.backward(dy)
    found = data_of(back._repr_html_())["touched"]["x"]
    dx = np.where(steps.result[0], dy, 0)
    np.testing.assert_allclose(found["numeric"], dx.reshape(-1), rtol=1e-6)
    assert found["kinks"] == [] and found["analytic"] == {}


def test_ties_and_zeros_are_kinks_on_the_page_too():
    x = np.array([[-2.0, 0, 0.5], [3, -1, 2]])
    data = data_of(step(relu_forward, x).backward(drawn(2, 3))._repr_html_())
    assert data["touched"]["x"]["kinks"] == [1]
    tied = np.arange(9.0).reshape(1, 1, 3, 3)
    tied[0, 0, 2, 1] = 8
    data = data_of(step(pool_forward, tied).backward(np.ones((1, 1, 1, 1)))._repr_html_())
    assert data["touched"]["x"]["kinks"] == [7, 8]


def test_the_example_of_the_readme_has_every_entry_touched():
    x, w = drawn(2, 3, 8, 8), drawn(4, 3, 3, 3)
    back = step(conv_forward, x, w, np.zeros(4), stride=2).backward(drawn(2, 4, 3, 3))
    html = back._repr_html_()
    touched = data_of(html)["touched"]
    assert [len(touched[name]["numeric"]) for name in ("x", "w", "b")] == [384, 108, 4]
    assert len(html.encode()) <= page.ROOM


@pytest.mark.parametrize("shape", [(7, 100), (1, 450)])  # of the second a page has 1 in 3 columns
def test_where_entries_are_many_none_is_touched_ahead(shape):
    steps = step(relu_forward, drawn(*shape))
    data = data_of(steps.backward(drawn(*shape))._repr_html_())
    assert sorted(data["touched"]["x"]) == ["dq", "q"]


def test_entries_are_touched_in_the_terminal_too(capsys):
    steps = small_conv()
    back = steps.backward(drawn(*steps.result[0].shape))
    asked = walked(back, "w[0, 1, 2, 2]", "dw[0,1,2,2]", "w[0, 1]", "v[0]", "")
    assert asked == ["1/17"] * 5 + ["2/17"]
    out = capsys.readouterr().out
    assert out.count(str(back.touch("w", (0, 1, 2, 2)))) == 2
    assert "touch: w has no entry (0, 1); its shape is (3, 2, 3, 3)" in out
    assert "touch: conv_forward has no array of floats called 'v'; expected x, w, b" in out
    walked(steps, "w[0, 1, 2, 2]")
    assert "Only a backward pass, where dy is known, checks entries" in capsys.readouterr().out


def test_a_kink_is_called_a_kink():
    x = drawn(2, 3)
    x[1, 2] = 0
    found = step(relu_forward, x).touch("x", (1, 2), drawn(2, 3))
    assert found.kink and "kink" in str(found)


@pytest.mark.parametrize(
    "name, index, dy, message",
    [
        ("v", (0,), (3, 3, 3, 2), "conv_forward has no array of floats called 'v'; expected x, w"),
        ("w", (0, 1), (1, 3, 3, 2), r"w has no entry \(0, 1\); its shape is \(3, 2, 3, 3\)"),
        ("b", (3,), (1, 3, 3, 2), r"b has no entry \(3,\); its shape is \(3,\)"),
        ("b", (2,), (3, 2), r"dy has shape \(3, 2\); expected \(1, 3, 3, 2\)"),
    ],
)
def test_what_cannot_be_touched_is_refused_in_one_sentence(name, index, dy, message):
    with pytest.raises(ValueError, match=message):
        small_conv().touch(name, index, drawn(*dy))


# Where an entry comes from.


def linked(bits, outputs, inputs):
    table = np.frombuffer(base64.b64decode(bits), np.uint8)
    return np.unpackbits(table)[: outputs * inputs].reshape(outputs, inputs).astype(bool)


def test_an_output_is_linked_to_its_window_and_its_kernel():
    steps = small_conv(stride=2)
    y, _ = steps.result
    links = call_links(conv_forward, steps._arguments.before, steps.result)["result"]
    from_x = linked(links["x"], y.size, 40).reshape(*y.shape, 2, 5, 4)
    window = np.zeros((2, 5, 4), bool)
    window[:, 2:5, 0:3] = True
    np.testing.assert_array_equal(from_x[0, 1, 1, 0], window)
    from_w = linked(links["w"], y.size, 54).reshape(*y.shape, 3, 18)
    np.testing.assert_array_equal(from_w[0, 1, 1, 0], [[False] * 18, [True] * 18, [False] * 18])


def test_links_are_those_that_backward_knows_where_nothing_is_cut_off():
    x = drawn(1, 6, 2, 3)
    steps = step(reference.lrn_forward, x, n=3)
    y, cache = steps.result
    links = call_links(reference.lrn_forward, steps._arguments.before, steps.result)["result"]
    for entry, row in enumerate(linked(links["x"], y.size, x.size)):
        dy = np.zeros(y.size)
        dy[entry] = 1
        (dx,) = reference.lrn_backward(dy.reshape(y.shape), cache)
        np.testing.assert_array_equal(row, dx.reshape(-1) != 0)


def test_a_line_of_a_kernel_knows_which_entries_its_indices_name():
    steps = small_conv(stride=2, pad=1)
    record, back = steps._record, steps.backward(drawn(1, 3, 3, 2))._record
    for one in (record, back):
        lines = [step for step in one.steps if step.at]
        assert lines
        for line in lines:
            values = {
                step: navigation.latest(one, line, step) for step in ("y_out", "x_out", "row")
            }
            y_out, x_out, row = (int(value.text) for value in values.values())
            cols, image = ("cols", "x") if "cols" in line.at else ("dcols", "dx")
            entries = [row, y_out * 2 + x_out]
            assert line.at[cols] == tuple((n, n + 1, 1) for n in entries)
            c, i, j = row // 9, row // 3 % 3, row % 3
            entries = c, 2 * y_out + i - 1, 2 * x_out + j - 1
            assert line.at[image] == tuple((n, n + 1, 1) for n in entries)
    data = data_of(steps._repr_html_())
    assert any(len(one.get("at", ())) == 4 for one in data["steps"])
    frame = record.frames[3].source
    product = next(n for n, line in enumerate(frame.lines) if "cols[row" in line) + frame.first
    line = next(one for one in record.steps if one.frame == 3 and one.statement.line == product)
    assert "    at cols[0, 3], x[0, 1, 1]" in terminal.step_lines(record, line, {})


def test_a_loop_of_ones_own_knows_its_entries_too():
    def product(a, b):
        y = np.zeros((2, 3))
        for i in range(2):
            for j in range(3):
                y[i, j] = a[i, -1] * b[j] + b[0] * b[1]
        return y

    lines = [one for one in step(product, drawn(2, 4), drawn(3))._record.steps if one.at]
    entry = [{name: [n for n, *_ in box] for name, box in line.at.items()} for line in lines]
    assert entry == [{"y": [n // 3, n % 3], "a": [n // 3, 3]} for n in range(6)]


def test_a_window_is_outlined_where_it_lies_also_when_a_later_line_uses_it(capsys):
    def slide(x, w):
        y = np.zeros((2, 3))
        for i in range(2):
            window = x[:, i : i + 3, ::-2]
            y[i] = np.sum(window * w)
        return y

    steps = step(slide, drawn(2, 4, 5), drawn(2, 3, 3))
    (*_, cut, used, _) = own_steps(steps)
    x_box = ((0, 2, 1), (1, 4, 1), (0, 5, 2))
    assert cut.at == {"x": x_box} and cut.bases == {}
    assert used.at == {"y": ((1, 2, 1), (0, 3, 1))} and used.bases == {"x": ("window", x_box)}
    steps.show(None)
    text = capsys.readouterr().out
    assert "    at x[:, 1:4, ::2]\n" in text and "    window is x[:, 1:4, ::2]\n" in text


@pytest.mark.parametrize(
    "index, text",
    [
        (np.s_[0], "x[0, :, :]"),
        (np.s_[1:2, 2:3, 3:4], "x[1, 2, 3]"),
        (np.s_[..., 1:3], "x[:, :, 1:3]"),
        (np.s_[:, 1::2, -1], "x[:, 1:4:2, 4]"),
        (np.s_[None, 0:1, 2:0:-1], "x[0, 1:3, :]"),
        (np.s_[:], None),  # all of it
        (np.s_[[0, 1]], None),  # a copy
        (np.s_[0:0], None),  # nothing
    ],
)
def test_the_box_of_an_index_is_what_the_index_names(index, text):
    for x in (drawn(2, 4, 5), np.asfortranarray(drawn(2, 4, 5)), drawn(2, 8, 5)[:, ::2]):
        box = boxes.box_of(x[index], x)
        assert (box and boxes.index_text("x", box, x.shape)) == text
        if box:
            part = x[tuple(slice(*axis) for axis in box)]
            assert np.array_equal(np.sort(part, axis=None), np.sort(x[index], axis=None))
    x = drawn(4, 4)
    for view in (np.diagonal(x), x.reshape(2, 8)[:, 3:6], x.view(np.uint8)):
        assert boxes.box_of(view, x) is None


def test_what_a_picture_leaves_out_is_said():
    assert values.caption(values.look(np.ones((27, 1444)))).endswith("(shown: 1 of 17 columns)")
    shown = values.caption(values.look(np.ones((30, 300, 400))))
    assert shown.endswith("(shown: 3 of 30 maps, 1 of 2 rows and of 2 columns)")


def test_alexnets_maps_are_kept_whole_and_larger_ones_keep_their_proportions():
    assert values.look(np.ones((1, 96, 55, 55))).panels.shape == (96, 55, 55)
    assert values.look(np.ones((1, 3, 224, 224))).panels.shape == (3, 224, 224)
    record = Record()
    shots = [record.look(drawn(96, 55, 55)) for _ in range(30)]
    assert {shot.every[0] == shot.every[1] for shot in shots} == {True}
    assert sum(shot.panels.size for shot in shots) < 25 * values.MAPS


def test_a_photograph_is_one_whatever_its_type():
    photo = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 9))
    for pixels in (photo.astype(np.uint8), photo.astype(np.float32), photo.astype(float)):
        assert values.look(pixels).rgb == 0
    for other in (photo + 0.5, photo - 1.0, photo[:, :2] * 1.0, photo[..., :2] * 1.0, photo * 2.0):
        assert values.look(other).rgb is None


def test_an_input_x_minus_its_mean_is_in_colour_with_zero_as_mid_grey():
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 9)) - 120.5
    shot = values.look(x, name="x")
    assert values.caption(shot).endswith("−120.5 … 134.5, drawn with 128 added")
    assert terminal.rgb(shot)[1, 2, 3] == pytest.approx((x[1, :, 2, 3] + 128).clip(0, 255))
    for other, name in (
        (x, "dx"),
        (x / 100, "x"),
        (x[:, :2], "x"),
        (3 * x, "x"),
        (x[..., :7], "x"),
    ):
        assert values.look(other, name=name).rgb is None
    assert values.look(abs(x), name="mean").rgb == 0 and values.look(abs(x)).rgb is None
    x[0, :, :3] = np.nan
    assert values.look(x, name="x").rgb == 128
    assert (terminal.rgb(values.look(x, name="x"))[0, 2] == 128).all()
    x[0] = 0
    steps = step(net.forward, [net.row("relu1", reference, "relu")], x)
    inside = step(reference.relu_forward, x)._record.frames[0].arguments["x"]
    assert steps._record.frames[0].arguments["x"].rgb == inside.rgb == 128


def test_the_line_of_the_product_links_rows_and_columns():
    steps = small_conv()
    (product,) = [one for one in own_steps(steps) if code(steps, one).startswith("y_n = ")]
    (clipped,) = [one for one in own_steps(step(relu_forward, drawn(2, 3))) if "y" in one.changed]
    assert linked(clipped.links["y"]["x"], 6, 6).tolist() == np.eye(6, dtype=bool).tolist()
    bits = linked(product.links["y_n"]["cols"], 3 * 6, 18 * 6).reshape(3, 6, 18, 6)
    assert bits[2, 4, :, 4].all() and bits[2, 4].sum() == 18


# Networks.


def test_a_network_goes_row_by_row_and_each_row_can_be_opened():
    layers = cifar.four_layer(reference, np.random.default_rng(0), size=8, dtype=np.float64)
    steps = step(net.forward, layers, drawn(2, 3, 8, 8))
    record = steps._record
    rows = [one for one in own_steps(steps) if code(steps, one).startswith("x, cache = ")]
    assert len(rows) == len(layers)
    opened = {frame.parent: frame.source.name for frame in record.frames}
    assert [opened[row.number] for row in rows] == [layer.forward.__name__ for layer in layers]
    (loop,) = [loop for loop in data_of(steps._repr_html_())["loops"] if "layers" in loop]
    assert loop["layers"] == [layer.name for layer in layers]
    assert steps.touch("x", (1, 2, 5, 7), drawn(2, 10)).difference < 1e-6
    back = steps.backward(drawn(2, 10))
    assert [frame.source.name for frame in back._record.frames][0] == "backward"
    assert set(back.result[1]) == {layer.name for layer in layers}


# On a page.


def test_a_page_is_small_and_needs_nothing_from_elsewhere():
    html = small_conv()._repr_html_()
    assert len(html.encode()) < 60_000
    assert not re.search(r"https?://|@import|src=|url\(", html)


def test_the_way_back_through_a_small_convolution_is_small_too():
    x, w, b = drawn(2, 3, 8, 8), drawn(4, 3, 3, 3), drawn(4)
    back = step(conv_forward, x, w, b).backward(drawn(2, 4, 6, 6))
    assert len(back._repr_html_().encode()) < 60_000


def test_the_page_of_alexnets_first_layer_stays_small():
    x, w = drawn(1, 3, 224, 224), drawn(96, 3, 11, 11)
    steps = step(conv_forward, x, w, np.zeros(96), stride=4, ceil_mode=True)
    assert steps.result[0].shape == (1, 96, 55, 55)
    assert len(steps._repr_html_().encode()) < 1_000_000


@pytest.mark.slow
def test_all_small_pages_are_small_and_the_way_back_through_alexnets_first_layer_is():
    x, w, b = drawn(2, 3, 8, 8), drawn(4, 3, 3, 3), drawn(4)
    for options in ({"stride": 2}, {"pad": 1}, {"stride": 2, "pad": 1}):
        steps = step(conv_forward, x, w, b, **options)
        back = steps.backward(drawn(*steps.result[0].shape))
        assert len(steps._repr_html_().encode()) < 60_000
        assert len(back._repr_html_().encode()) < 60_000
    x, w = drawn(1, 3, 224, 224), drawn(96, 3, 11, 11)
    steps = step(conv_forward, x, w, np.zeros(96), stride=4, ceil_mode=True)
    assert len(steps.backward(drawn(1, 96, 55, 55))._repr_html_().encode()) < 1_000_000


def test_a_shorter_record_says_what_the_turns_left_out_have_changed():
    def both(n):
        first, last = 0, 0
        for i in range(n):
            first = i if i < 9 else first
            last = i
        return first, last

    steps = step(both, 5000)
    line = steps._record.loops[0].line
    record = trim_record(steps.turn(line, 4000)._record, 3)
    turns = [turn.number for turn in record.turns]
    assert turns == [1, 2, 3, 4, 4000]
    start = record.steps[record.start]
    assert record.turns[start.turn].number == 4000
    assert (navigation.latest(record, start, "first").text, start.changed["i"].text) == (
        "8",
        "3999",
    )
    assert [one.number for one in record.steps] == list(range(len(record.steps)))


def test_a_page_has_the_numbers_of_small_arrays_and_bytes_of_large_ones():
    data = data_of(step(relu_forward, drawn(1, 2, 4, 5))._repr_html_())
    arrays = [value for value in data["values"] if isinstance(value, dict) and "v" in value]
    (x,) = [value for value in arrays if "−" in value["c"]]
    np.testing.assert_allclose(x["v"], drawn(1, 2, 4, 5).reshape(-1), rtol=1e-3)
    data = data_of(picture(x=drawn(1, 2, 40, 50))._repr_html_())
    assert "q" in data["values"][0]


def test_code_cannot_end_its_script_early():
    def odd(x):
        text = "</script><b>"
        return x, text

    html = step(odd, drawn(3))._repr_html_()
    assert html.count("</script>") == 2


def test_a_page_is_written_whole(tmp_path):
    small_conv().save(tmp_path / "conv.html")
    text = (tmp_path / "conv.html").read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        small_conv().save(tmp_path / "file" / "conv.html")


def test_save_says_where_the_page_is(tmp_path):
    assert small_conv().save(tmp_path / "v1.2") == tmp_path / "v1.2.html"
    assert (tmp_path / "v1.2.html").is_file()
    (tmp_path / "runs").mkdir()
    with pytest.raises(OSError, match="^save: .*runs is a folder; expected the name of a file"):
        small_conv().save(tmp_path / "runs")


# In a terminal.


def test_the_text_is_plain_and_of_bounded_length():
    text = str(step(conv_forward, drawn(2, 2, 9, 8), drawn(3, 2, 3, 3), drawn(3)))
    assert "\033" not in text and len(text) < 12_000
    assert "conv_forward, reference/conv.py" in text


def test_one_walks_forward_back_into_a_call_and_out_of_it(capsys):
    answers = iter(["", "b", "s", "", "o", "", "u", "s", "q"])
    prompts = []

    def pause(prompt):
        prompts.append(prompt)
        return next(answers)

    small_conv().show(pause)
    where = [prompt.split()[0] for prompt in prompts]
    assert where == ["1/10", "2/10", "1/10", "2/11", "2/10", "1/4", "2/4", "2/10", "3/10"]
    assert "out_size" in prompts[4] and "\033" not in capsys.readouterr().out


def test_a_turn_can_be_picked_and_the_end_of_the_input_quits(capsys):
    answers = ["", "", "t 5", ""]

    def pause(prompt):
        if not answers:
            raise EOFError
        return answers.pop(0)

    step(doubled, drawn(3), 7).show(pause)
    assert "iteration 5 of 7" in capsys.readouterr().out


def test_a_turn_that_was_not_kept_is_shown_by_running_once_more(capsys):
    walked(step(nested, 99), *[""] * 4, "t 90", "", "b", "u", "t 91", "t 100")
    out = capsys.readouterr().out
    assert out.count("nested, iterations i 1/99, j 90/99") == 3
    assert "nested, iterations i 1/99, j 91/99" in out
    assert "There is no iteration 100: this loop has 99." in out
    walked(step(nested, 99), *[""] * 2, "t 80", "", "", "t 70")
    assert "nested, iterations i 80/99, j 70/99" in capsys.readouterr().out


def test_a_turn_of_a_call_that_is_open_is_of_the_same_call(capsys):
    def twice(n):
        total = nested(3) + nested(n)
        return total

    record = (steps := step(twice, 99))._record
    assert record.frames[2].arguments["n"].text == "99"
    inside = [one for one in record.steps if one.frame == 2 and "+=" in code(steps, one)]
    record.start = inside[0].number
    walked(steps, "t 77")
    assert "nested, iterations i 1/99, j 77/99" in capsys.readouterr().out


def walked(steps, *answers):
    """Answer a walk with these, then with q; return where each was asked: "2/9"."""
    left, asked = list(answers), []

    def pause(prompt):
        asked.append(prompt.split()[0])
        return left.pop(0) if left else "q"

    steps.show(pause)
    return asked


def test_what_cannot_be_done_gets_a_sentence_and_one_stays(capsys):
    asked = walked(step(doubled, drawn(3), 7), "b", "u", "o", "h", "zz", "t 7", "", "", "t 8")
    assert asked == ["1/10"] * 7 + ["2/10"] + ["3/10"] * 2
    out = capsys.readouterr().out
    for sentence in (
        "This is the first step.",
        "No call is open, so there is nothing to leave.",
        "This line has no call to open.",
        "There is no iteration 7: this line is not in a loop.",
        "There is no iteration 8: this loop has 7.",
    ):
        assert out.count(sentence) == 1
    assert out.count("Enter: next ") == 3  # at first, for h and for zz


def test_where_a_loop_is_done_the_turns_passed_by_can_be_seen(capsys):
    walked(step(doubled, drawn(3), 7), *[""] * 8, "t 7", "", "", "")
    out = capsys.readouterr().out
    shown = "done after 7 iterations; the first 2 are shown, and t 7 shows iteration 7"
    assert out.count(f"{shown}\n    together they changed\n") == 2
    assert "iteration 7 of 7" in out and "iteration 6 of 7" not in out


def test_a_loop_that_changed_nothing_says_only_that_it_is_done():
    def idle(n):
        for _ in range(n):
            pass
        return n

    text = str(step(idle, 3))
    assert "done after 3 iterations" in text and "together they changed" not in text


def test_ctrl_c_leaves_the_walk_politely(monkeypatch):
    def interrupt(prompt=""):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # the lessons' own question: they see to it
        small_conv().show(interrupt)
    monkeypatch.setattr("builtins.input", interrupt)
    small_conv().show(interrupt)


def test_maps_of_one_image_stand_in_a_row_and_say_which_it_is():
    y = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    assert str(picture(y=y)).split("\n")[1:] == [
        "  [0]   0   1     4   5     8   9",
        "        2   3     6   7    10  11",
        "",
        "  [1]  12  13    16  17    20  21",
        "       14  15    18  19    22  23",
    ]


def test_no_line_of_numbers_is_too_long_and_alike_ones_are_not_written_out():
    assert str(picture(b=np.zeros(96))) == "b  96 float64, all 0"
    for array in (drawn(96), drawn(2, 50)):
        lines = str(picture(x=array)).split("\n")
        assert max(map(len, lines)) <= 100
        assert len(" ".join(lines[1:]).split()) == array.size


def test_numbers_that_are_near_each_other_have_the_digits_that_differ():
    scale = 2 + np.array([[1e-4, 2e-4, 3e-4]])
    assert str(picture(scale=scale)).split("\n") == [
        "scale  1 × 3 float64, 2.0001 … 2.0003",
        "  2.0001  2.0002  2.0003",
    ]
    data = data_of(picture(scale=scale)._repr_html_())
    assert data["values"][0]["v"] == [2.0001, 2.0002, 2.0003]
    assert values.digits(values.look(np.array([1.0, 3]))) == 4


def test_without_a_pause_it_runs_through(capsys):
    small_conv().show(pause=None)
    printed = capsys.readouterr().out
    assert "y_n = w_rows @ cols" in printed and "return y, " in printed


def test_colour_is_for_terminals_that_want_it(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    picture(x=drawn(20, 30)).show()
    assert "▀" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    picture(x=drawn(20, 30)).show()
    plain = capsys.readouterr().out.splitlines()
    assert plain[0] == f"x  {values.caption(values.look(drawn(20, 30)))}" and "\033" not in str(
        plain
    )


def test_without_colours_a_picture_is_in_shades():
    ramp = np.linspace(-4, 4, 20).repeat(11).reshape(20, 11)
    *_, first, second, meaning = str(picture(x=ramp[::-1])).splitlines()
    assert (first, second, meaning) == ("", "", "(blank is −4, ▒ 0, █ 4)")
    lines = str(picture(x=abs(ramp))).splitlines()
    assert lines[1] == "█" * 11 and lines[5] == "" and lines[-1] == "(blank is 0, █ 4)"
    photo = np.full((3, 8, 9), 255, np.uint8)
    photo[:, :4] = 0
    lines = str(picture(photo=photo)).splitlines()
    assert lines[2] == "" and lines[3:] == ["█" * 9, "█" * 9, "(blank is black, █ white)"]
    first, *_ = str(picture(a=photo, b=photo)).splitlines()
    assert first.count("3 × 8 × 9 uint8, 0 … 255") == 2  # side by side
    assert len(str(picture(even=np.ones((20, 30)))).splitlines()) == 1


# Pictures, and what is refused.


def test_greys_and_colours_of_256_are_the_nearest(monkeypatch):
    monkeypatch.delenv("COLORTERM", raising=False)
    cube = [0, 95, 135, 175, 215, 255]
    ramp = {16 + 43 * n: level for n, level in enumerate(cube)}
    ramp |= {232 + n: 8 + 10 * n for n in range(24)}
    for grey in range(256):
        code = int(terminal.colour_code((grey,) * 3).removeprefix("5;"))
        assert abs(ramp[code] - grey) == min(abs(n - grey) for n in ramp.values())
    assert terminal.colour_code((255, 0, 95)) == f"5;{16 + 36 * 5 + 1}"
    for channel in range(0, 256, 5):
        code = int(terminal.colour_code((channel, 0, 255)).removeprefix("5;")) - 16
        assert code % 36 == 5
        assert abs(cube[code // 36] - channel) == min(abs(n - channel) for n in cube)


def test_a_picture_says_shape_and_range_and_has_the_numbers_of_small_arrays():
    text = str(picture(x=np.array([[1.5, -2], [0, 3]]), big=drawn(40, 50)))
    assert "x  2 × 2 float64, −2 … 3" in text and "1.5" in text
    assert "big  40 × 50 float64" in text


def test_a_picture_fits_into_the_terminal_and_waits_before_it_scrolls_away(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "has_colour", lambda file=None: True)
    for columns, lines in [(80, 24), (60, 16)]:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(lines))
        asked, shown = [], []

        def pause(prompt, asked=asked, shown=shown):
            asked.append(prompt)
            shown.append(capsys.readouterr().out)
            return ""

        picture(a=drawn(40, 224, 224), b=drawn(50, 70), c=drawn(8, 30, 30)).show(pause)
        shown.append(capsys.readouterr().out)
        assert len(asked) == 2 and "every" in shown[0] and "c  8 × 30 × 30" in shown[2]
        for text in shown:
            rows = [re.sub("\033.*?m", "", row) for row in text.splitlines()]
            assert len(rows) < lines and max(map(len, rows)) <= columns
    asked.clear()
    picture(a=drawn(50, 70), b=drawn(50, 70)).show(lambda prompt: "q")
    assert "b  50" not in capsys.readouterr().out


def test_slides_have_the_same_arrays_and_one_range_of_colours(capsys):
    pictures = {f"epoch {n}": {"w": drawn(2, 3, 3) * (n + 1)} for n in range(3)}
    shown = slides(pictures)
    data = data_of(shown._repr_html_())
    assert [label for label, _ in data["slides"]] == ["epoch 0", "epoch 1", "epoch 2"]
    assert len(data["ranges"]) == 1 and len(data["values"]) == 3
    asked = []
    shown.show(lambda prompt: asked.append(prompt) or "")
    assert len(asked) == 2 and capsys.readouterr().out.count("epoch") == 3
    shown.show(lambda prompt: "q")
    assert capsys.readouterr().out.count("epoch") == 1
    with pytest.raises(ValueError, match="the same arrays in each slide"):
        slides(pictures | {"last": {"w": drawn(2, 3, 4)}})
    with pytest.raises(ValueError, match="at least one slide"):
        slides({})
    with pytest.raises(TypeError, match="slides: w is a str"):
        slides({"a": {"w": "x"}})


def test_views_of_one_array_have_the_same_colours():
    steps = step(filled_by_a_view, drawn(2, 3))
    data = data_of(steps._repr_html_())
    kin = {v["k"] for v in data["values"] if isinstance(v, dict) and "k" in v}
    assert len(kin) == 2  # x; and y with its view


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: step(np.maximum, 1, 2), "step: maximum is a ufunc; expected a Python function"),
        (
            lambda: step(drawn(3, 4)),
            r"^step: this is an array of float64, shape \(3, 4\); pass the function itself: step",
        ),
        (
            lambda: step(relu_forward(drawn(3, 4))),
            r"^step: this is a tuple of 2; pass the function itself: step\(f, x, …\)$",
        ),
        (
            lambda: step(conv_forward, 1, 2),
            "step: conv_forward cannot be called like this: missing",
        ),
        (lambda: picture(drawn(3), drawn(3)), r"picture: an array has no name.*picture\(x=x\)"),
        (lambda: picture(x="photo"), "picture: x is a str; expected an array of numbers"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_a_function_without_source_is_refused():
    scope = {}
    exec("def nameless(x):\n    return x", scope)
    with pytest.raises(ValueError, match="step: the source of nameless cannot be read"):
        step(scope["nameless"], 1)


def test_pooling_lights_up_its_window():
    steps = step(pool_forward, drawn(1, 1, 5, 5))
    y, _ = steps.result
    links = call_links(pool_forward, steps._arguments.before, steps.result)["result"]
    from_x = linked(links["x"], y.size, 25).reshape(2, 2, 5, 5)
    assert from_x[1, 0, 2:5, 0:3].all() and from_x[1, 0].sum() == 9


@pytest.mark.parametrize(
    "line, quiet",
    [
        ('check_fits("conv", x, w)', True),
        ("stride = checks.check_conv(x)", True),
        ("if x.ndim != 4:\n    raise ValueError", True),
        ("N, C = x.shape[:2]", True),
        ("(H, W), K = x.shape[2:], w.shape[0]", True),
        ("with named(layer):\n    y = f(x)", True),
        ("y, shape = f(x), x.shape", False),
        ("if x.ndim == 4:\n    y = f(x)", False),
        ("checked = x.reshape(x.shape[0], -1)", False),
        ("H_out = out_size(x.shape[2])", False),
        ("with columns.at(0):\n    y = f(x)", False),
        ("return x.shape", False),
    ],
)
def test_checks_and_shapes_are_quiet_and_nothing_else_is(line, quiet):
    (node,) = ast.parse(line).body
    statement = source.Statement(1, 1, (), (), (), (), node)
    assert source.is_quiet(statement) == quiet
