"""The stepper's page in a real browser: keys, buttons, sliders, touch, pointing, dark and narrow.

These tests need Chromium and its driver (Debian's packages chromium and chromium-driver) and
Selenium (the extra `dev`).  Where one of them is missing, they are skipped.
"""

import re

import numpy as np
import pytest
from browser import LOOKS, browser as chromium, command, complaints, faults, look

from minicnn import net, reference
from minicnn.networks import cifar
from minicnn.reference import conv_forward, pool_forward, relu_forward
from minicnn.step import picture, slides, step
from minicnn.stepping import page

ROOT = "const root = document.querySelectorAll('.minicnn-step')[arguments[0]].shadowRoot;"


def summed(x, times):
    total = x * 0
    for turn in range(times):
        total = total + turn
    return total


def windows(x, w):
    y = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            window = x[i : i + 3, j : j + 3]
            y[i, j] = np.sum(window * w)
    return y


def doubled_forward(x):
    return 2 * x, None


def doubled_backward(dy, cache):
    dx = 2 * dy
    dx[0, 0] = 3 * dy[0, 0]  # the mistake to be found
    return (dx,)


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return where the pages are: some layers, a way back, a network, and two on one page."""
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((1, 2, 5, 5)), rng.standard_normal((3, 2, 3, 3)), np.zeros(3)
    folder = tmp_path_factory.mktemp("pages")
    moving = slides({f"epoch {n}": {"w": x + n, "b": b} for n in range(3)})._repr_html_()
    (folder / "slides.html").write_text(page.full_page("slides", moving), "utf-8")
    step(windows, x[0, 0], w[0, 0]).save(folder / "windows.html")
    conv = step(conv_forward, x, w, b, stride=2)
    conv.save(folder / "conv.html")
    conv.backward(rng.standard_normal(conv.result[0].shape)).save(folder / "back.html")
    small = step(conv_forward, x[:, :1], w[:1, :1], b[:1])
    small.backward(rng.standard_normal(small.result[0].shape)).save(folder / "small_back.html")
    pool = step(pool_forward, x)
    pool.save(folder / "pool.html")
    pool.backward(rng.standard_normal((1, 2, 2, 2))).save(folder / "pool_back.html")
    step(relu_forward, x[0, 0]).save(folder / "relu.html")
    kinky = step(relu_forward, np.array([[2.0, 0], [-3, 1]]))
    kinky.backward(np.array([[1.5, 2], [3, 4]])).save(folder / "relu_back.html")
    wrong = step(doubled_forward, np.ones((1, 2)))
    wrong.backward(np.ones((1, 2))).save(folder / "wrong_back.html")
    large = step(relu_forward, rng.standard_normal((5, 12, 12)))
    large.backward(rng.standard_normal((5, 12, 12))).save(folder / "large_back.html")
    long = step(summed, x[0, 0], 5000)
    long.save(folder / "long.html")
    long.turn(long._record.loops[0].line, 4321).save(folder / "turn.html")
    layers = cifar.four_layer(reference, rng, size=8, dtype=np.float64)
    step(net.forward, layers, rng.standard_normal((1, 3, 8, 8))).save(folder / "net.html")
    step(conv_forward, x, w[:, :1], b).save(folder / "failed.html")
    both = conv._repr_html_() + picture(x=x, big=rng.standard_normal((3, 40, 40)))._repr_html_()
    (folder / "both.html").write_text(page.full_page("both", both), "utf-8")
    return folder


@pytest.fixture
def opened(browser, pages):
    """Return a function that opens a page, and then demand that its console stayed empty."""

    def at(name, width=1200, height=800, dark=False):
        look(browser, pages / f"{name}.html", width, height, dark, touch=width < 700)
        return browser

    yield at
    assert complaints(browser) == []


def ask(browser, expression, which=0, *arguments):
    """Return what a JavaScript expression of `root` gives; arguments[1] is the first argument."""
    return browser.execute_script(f"{ROOT} return {expression}", which, *arguments)


def line(browser):
    """Return the number of the line that is marked."""
    return int(ask(browser, "root.querySelector('.now').dataset.line"))


def press(browser, *keys):
    """Press keys, as a hand would, where the focus is."""
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def slide(browser, which, number):
    """Move the slider of a loop to a turn."""
    move = "(() => { const s = root.querySelectorAll('input[type=range]')[arguments[1]]; "
    move += "s.value = arguments[2]; s.dispatchEvent(new Event('input')); })()"
    ask(browser, move, 0, which, number)


def turns(browser):
    """Return what the sliders say: "for j in range(f): iteration 3 of 3"."""
    one = "`${l.children[0].textContent}: iteration ${l.querySelector('[type=number]').value}` "
    one += "+ ` ${l.lastChild.data}`"
    return ask(browser, f"[...root.querySelectorAll('.turns label')].map((l) => {one})")


def focus(browser):
    ask(browser, "root.querySelector('.stepper').focus()")


def go_to(browser, text):
    """Press → until the marked line has this text."""
    from selenium.webdriver.common.keys import Keys

    focus(browser)
    for _ in range(40):
        if text in ask(browser, "root.querySelector('.now').textContent"):
            return
        press(browser, Keys.ARROW_RIGHT)
    raise AssertionError(f"no line has {text!r}")


def end(browser):
    """Go to the line that returns."""
    ask(browser, "root.querySelector('.bar button:nth-child(4)').click()")


def test_keys_go_from_line_to_line(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("conv")
    focus(browser)
    first = line(browser)
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert line(browser) == first + 7
    press(browser, Keys.ARROW_LEFT)
    assert line(browser) == first + 5
    press(browser, Keys.END)
    assert "return y" in ask(browser, "root.querySelector('.now').textContent")
    press(browser, Keys.HOME)
    assert line(browser) == first


def test_checks_and_shapes_are_passed_over_and_stay_within_reach(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("conv")
    count = "root.querySelector('.count').textContent"
    focus(browser)
    first = line(browser)
    assert ask(browser, count) == "1 of 10"
    press(browser, "s")
    assert line(browser) == first + 2 and ask(browser, count) == "2 of 11"  # check_conv
    press(browser, "s")
    assert line(browser) == first + 3  # N, C, H, W = x.shape
    press(browser, Keys.ARROW_RIGHT)
    assert line(browser) == first + 5 and ask(browser, count) == "2 of 10"
    ask(browser, "root.querySelector(`[data-line='${arguments[1]}']`).click()", 0, first + 4)
    assert line(browser) == first + 4  # K, _, f, _ = w.shape
    press(browser, Keys.ARROW_LEFT)
    assert line(browser) == first


def test_the_page_opens_with_the_arguments_and_not_with_what_is_returned(opened):
    names = "[...root.querySelectorAll('figure b')].map((b) => b.textContent)"
    hint = "root.querySelector('.stage .note:first-child').textContent"
    browser = opened("conv")
    assert ask(browser, names) == ["x", "w", "b"]
    assert "Point at a number" in ask(browser, hint)
    end(browser)
    assert ask(browser, names) == ["y", "x", "w", "b"]


@pytest.mark.parametrize("page", ["conv", "back", "pool_back", "relu_back", "net", "windows"])
def test_no_two_cards_have_the_same_name_and_none_is_named_by_code(opened, page):
    from selenium.webdriver.common.keys import Keys

    browser = opened(page)
    focus(browser)
    names = "[...root.querySelectorAll('figure > b')].map((b) => b.textContent)"
    seen = set()
    for _ in range(40):
        shown = ask(browser, names)
        assert len(set(shown)) == len(shown)
        seen |= set(shown)
        press(browser, Keys.ARROW_RIGHT)
    assert all(re.fullmatch(r"\w+(\[\d+\])?( before)?", name) for name in seen) and seen


def test_a_window_is_outlined_where_it_lies(opened):
    browser = opened("windows")
    image = "((c) => [c.width, ...c.getContext('2d').getImageData(0, 0, c.width, 70).data])"
    image += "(root.querySelectorAll('canvas')[arguments[1]])"

    def is_marked(pixels, x, y):
        at = 1 + 4 * (y * pixels[0] + x)
        return pixels[at : at + 3] == [255, 140, 0]

    go_to(browser, "window = ")
    x = ask(browser, image, 0, 1)  # the window has rows and columns 0 to 2, cells of 38 by 22
    assert [is_marked(x, *at) for at in [(1, 30), (113, 1), (76, 33), (116, 30)]] == [1, 1, 0, 0]
    go_to(browser, "y[i, j]")
    names = "[...root.querySelectorAll('figure > b')].map((b) => b.textContent)"
    assert ask(browser, names) == ["y", "window", "w", "x"]
    label = "[...root.querySelectorAll('figure > i')].at(-1).textContent"
    assert ask(browser, label) == "window lies in it"
    assert is_marked(ask(browser, image, 0, 3), 113, 1)


def test_a_call_opens_and_closes(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("conv")
    go_to(browser, "cols = im2col")
    press(browser, Keys.ENTER)
    assert "im2col" in ask(browser, "root.querySelector('.trail').textContent")
    assert ask(browser, "root.querySelectorAll('.trail button').length") == 1
    press(browser, Keys.ESCAPE)
    assert "cols = im2col" in ask(browser, "root.querySelector('.now').textContent")


def test_buttons_and_the_slider_of_a_loop_work(opened):
    browser = opened("conv")
    go_to(browser, "cols = im2col")
    ask(browser, "root.querySelector('.calls button').click()")
    go_to(browser, "for j in range")
    slide(browser, 2, 3)
    assert turns(browser)[2] == "for j in range(f): iteration 3 of 3"
    assert "j2" in ask(browser, "root.querySelector('dl').textContent")


def test_a_slider_can_be_dragged_through_all_turns(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser = opened("conv")
    go_to(browser, "cols = im2col")
    press(browser, Keys.ENTER)
    go_to(browser, "for j in range")
    slider = ask(browser, "root.querySelectorAll('input[type=range]')[2]")
    width = slider.size["width"]
    drag = ActionChains(browser).move_to_element_with_offset(slider, 8 - width / 2, 0)
    drag.click_and_hold().move_by_offset(width / 2 - 8, 0).move_by_offset(width / 2 - 8, 0)
    drag.release().perform()
    assert turns(browser)[2] == "for j in range(f): iteration 3 of 3"


def test_the_slider_has_all_turns_and_a_missing_one_says_how_to_get_it(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("long")
    focus(browser)
    press(browser, *[Keys.ARROW_RIGHT] * 2)
    loop = line(browser)
    assert turns(browser) == ["for turn in range(times): iteration 1 of 5,000"]
    slide(browser, 0, 4321)
    assert turns(browser) == ["for turn in range(times): iteration 4321 of 5,000"]
    absent = "root.querySelector('.absent').textContent"
    assert ask(browser, absent).startswith(
        f"Iteration 4,321 is not on this page. In Python steps.turn({loop}, 4321) shows it, "
        "where steps = step(summed, …)."
    )
    ask(browser, "root.querySelector('.absent button').click()")  # copy: the text is marked, too
    assert ask(browser, "getSelection().toString()") == f"steps.turn({loop}, 4321)"
    press(browser, Keys.ARROW_RIGHT)
    assert ask(browser, absent) == ""
    assert turns(browser) == ["for turn in range(times): iteration 1 of 5,000"]


def test_a_turn_can_be_typed_and_where_a_loop_is_done_the_slider_is_at_its_end(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("long")
    focus(browser)
    press(browser, Keys.END, Keys.ARROW_LEFT)
    assert turns(browser) == ["for turn in range(times): iteration 5000 of 5,000"]
    box = ask(browser, "root.querySelector('input[type=number]')")
    box.clear()
    box.send_keys("7", Keys.ENTER)
    assert ask(browser, "root.querySelector('dd').textContent") == "6"
    assert ask(browser, "root.querySelector('input[type=range]').value") == "7"
    box.send_keys("777777", Keys.ENTER)  # there is no such iteration, so nothing changes
    assert ask(browser, "root.querySelector('dd').textContent") == "6"


def test_a_page_of_another_turn_opens_with_it(opened):
    browser = opened("turn")
    assert turns(browser) == ["for turn in range(times): iteration 4321 of 5,000"]
    assert "for turn in" in ask(browser, "root.querySelector('.now').textContent")
    assert ask(browser, "root.querySelector('.absent').textContent") == ""


def test_a_swipe_goes_on(opened):
    browser = opened("conv", width=390, height=844)
    first = line(browser)
    box = ask(browser, "root.querySelector('.stage').getBoundingClientRect().toJSON()")
    y = min(box["y"] + 20, 820)
    for kind, x in [("touchStart", 300), ("touchMove", 200), ("touchEnd", 120)]:
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        event = {"type": kind, "touchPoints": points}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", event)
    assert line(browser) > first


def test_pointing_at_an_output_says_its_number_and_lights_up_where_it_came_from(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("conv")
    end(browser)
    pixels = "[...root.querySelectorAll('canvas')].map((c) => c.toDataURL())"
    before = ask(browser, pixels)
    ask(browser, "root.querySelector('canvas').focus()")
    press(browser, Keys.ARROW_DOWN)
    assert ask(browser, "root.querySelector('figcaption').textContent").startswith(
        "y[0, 0, 0, 0] ="
    )
    assert all(a != b for a, b in zip(before, ask(browser, pixels), strict=True))


def test_a_list_of_arrays_is_a_row_and_pointing_finds_the_place(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("pool")
    go_to(browser, "places = ")
    names = ask(browser, "[...root.querySelectorAll('figure b')].map((b) => b.textContent)")
    assert names == ["places", *[f"places[{n}]" for n in range(9)], "x_all"]
    pixels = "[...root.querySelectorAll('canvas')].map((c) => c.toDataURL())"
    before = ask(browser, pixels)
    ask(browser, "root.querySelectorAll('canvas')[4].focus()")
    press(browser, Keys.ARROW_DOWN)
    caption = ask(browser, "root.querySelector('.row + figcaption').textContent")
    assert caption.startswith("places[4][0, 0, 0, 0] =")
    changed = [a != b for a, b in zip(before, ask(browser, pixels), strict=True)]
    assert changed == [False] * 4 + [True] + [False] * 4 + [True]


def test_the_one_cell_that_a_line_has_changed_stands_out(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("conv")
    go_to(browser, "cols = im2col")
    press(browser, Keys.ENTER)
    go_to(browser, "cols[row, y_out")
    row = "[...root.querySelector('canvas').getContext('2d').getImageData(0, 0, 40, 1).data]"
    colours = ask(browser, row)
    assert colours[4:7] == [255, 140, 0] != colours[-4:-1]  # of the first cell, of the second
    pixels = (
        "[...root.querySelectorAll('canvas')[1].getContext('2d').getImageData(0, 0, 80, 1).data]"
    )
    colours = ask(browser, pixels)  # and in x the entry that was read
    assert colours[4:7] == [255, 140, 0] != colours[-4:-1]


def test_the_stepper_is_as_high_as_what_it_shows_up_to_a_limit(opened):
    height = "root.querySelector('.both').offsetHeight"
    assert ask(opened("relu"), height) < 300
    assert ask(opened("conv"), height) <= 620


def test_arrays_have_words_for_those_who_do_not_see_them(opened):
    browser = opened("conv")
    labels = ask(browser, "[...root.querySelectorAll('canvas')].map((c) => c.ariaLabel)")
    assert labels[0].startswith("x: 1 × 2 × 5 × 5 float64, −")
    assert ask(browser, "root.querySelector('.voice').textContent").startswith("line ")


def test_the_way_back_shows_the_forward_line_and_the_array_beside_its_gradient(opened):
    browser = opened("back")
    for _ in range(20):
        ask(browser, "root.querySelector('.bar button:nth-child(3)').click()")
        if "dcols = w_rows" in ask(browser, "root.querySelector('.now').textContent"):
            break
    assert "y_n = w_rows @ cols" in ask(browser, "root.querySelector('.undoes').textContent")
    names = ask(browser, "[...root.querySelectorAll('figure b')].map((b) => b.textContent)")
    assert names[:2] == ["dcols", "cols"]


TOUCH = "root.querySelector('.touch > span')?.textContent"


def point(browser, name, *keys):
    """Go to the array of this name with the keyboard, and there to its first cell and on."""
    from selenium.webdriver.common.keys import Keys

    figures = "[...root.querySelectorAll('figure')]"
    one = f"{figures}.find((f) => f.querySelector('b').textContent === arguments[1])"
    ask(browser, f"{one}.querySelector('canvas').focus()", 0, name)
    press(browser, Keys.ARROW_DOWN, *keys)


def test_a_gradient_is_touched_by_pointing_at_an_entry_or_at_its_gradient(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("back")
    end(browser)
    assert "how much does L change with it?" in ask(browser, TOUCH)
    point(browser, "w", Keys.ARROW_RIGHT)
    words = ask(browser, TOUCH)
    start = r"Nudge w\[0, 0, 0, 1\] up and down by h: \(L\(w\+h\) − L\(w−h\)\) / 2h = (\S+); "
    found = re.fullmatch(start + r"backward says dw\[0, 0, 0, 1\] = (\S+)\.", words)
    assert found[1] == found[2]
    point(browser, "dw", Keys.ARROW_RIGHT)
    assert ask(browser, TOUCH) == words
    ask(browser, "root.querySelector('.bar button:nth-child(4)').click()")
    assert "return dx" in ask(browser, "root.querySelector('.now').textContent")


def test_no_card_moves_while_one_points(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("small_back", width=1300, height=900)
    end(browser)
    boxes = "[...root.querySelectorAll('figure, .touch')].map((f) => "
    boxes += "JSON.stringify(f.getBoundingClientRect()))"
    before = ask(browser, boxes)
    for name in ("dw", "w", "dx", "x", "db"):
        for keys in ([], [Keys.ARROW_RIGHT] * 4):
            point(browser, name, *keys)
            assert ask(browser, boxes) == before


def test_beyond_the_border_and_between_maps_there_is_no_entry(opened):
    browser = opened("back")
    end(browser)
    move = "((c, x, y) => { const b = c.getBoundingClientRect(); c.dispatchEvent(new PointerEvent("
    move += "'pointermove', {clientX: b.x + x, clientY: b.y + y})); return c.parentNode"
    move += ".querySelector('figcaption').textContent; })(root.querySelector('canvas'), "
    move += "arguments[1], arguments[2])"
    assert ask(browser, move, 0, 2, 2).startswith("dx[0, 0, 0, 0] =")
    for x, y in [(-2, 2), (-9, -9), (2, -2), (5 * 38 + 2, 2), (2 * 5 * 38 + 7, 2), (2, 999)]:
        assert ask(browser, move, 0, x, y).startswith("1 × 2 × 5 × 5 float64")


def test_a_finger_touches_too(opened):
    browser = opened("relu_back", width=390, height=844)
    end(browser)
    box = "root.querySelector('canvas').getBoundingClientRect().toJSON()"
    browser.execute_script("window.scrollTo(0, 9999)")
    box = ask(browser, box)
    at = {"x": box["x"] + 5, "y": box["y"] + 5}
    command(browser, "Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
    command(browser, "Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert "backward says dx[0, 0] = 1.5" in ask(browser, TOUCH)


def test_at_a_kink_it_says_so_and_of_many_entries_it_names_the_call(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("relu_back")
    end(browser)
    point(browser, "x", Keys.ARROW_RIGHT)
    assert ask(browser, TOUCH).endswith(
        "= 1, but backward says dx[0, 1] = 0. L has a kink there, so it has no single slope."
    )
    browser = opened("large_back")
    end(browser)
    point(browser, "dx", Keys.ARROW_RIGHT)
    call = 'back.touch("x", (0, 0, 1))'
    words = f"In Python {call} checks this one, where back = steps.backward(dy)."
    assert words in ask(browser, TOUCH)


def test_where_a_gradient_is_wrong_it_says_so(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("wrong_back")
    end(browser)
    point(browser, "dx")
    words = "= 2, but backward says dx[0, 0] = 3. The gradient is wrong here, or L has a kink"
    assert words in ask(browser, TOUCH)
    press(browser, Keys.ARROW_RIGHT)
    assert ask(browser, TOUCH).endswith("= 2; backward says dx[0, 1] = 2.")


def test_rows_of_a_network_have_their_names(opened):
    browser = opened("net")
    for _ in range(3):
        ask(browser, "root.querySelector('.bar button:nth-child(3)').click()")
    assert turns(browser) == ["for layer in layers: iteration 1 (conv1) of 10"]


def test_a_failed_line_is_marked_and_its_error_said(opened):
    browser = opened("failed")
    above = ask(browser, "root.querySelector('header .error').textContent")
    assert above.startswith("conv_forward did not return; .result raises ValueError: conv: x has")
    ask(browser, "root.querySelector('.bar button:nth-child(4)').click()")
    assert "check_conv(" in ask(browser, "root.querySelector('.failed').textContent")
    assert "✗ ValueError: conv: x has" in ask(
        browser, "root.querySelector('.error[role]').textContent"
    )


@pytest.mark.parametrize("width, columns", [(1200, 2), (390, 1)])
def test_on_a_phone_there_is_one_column(opened, width, columns):
    style = "getComputedStyle(root.querySelector('.both')).gridTemplateColumns.split(' ').length"
    assert ask(opened("conv", width=width, height=844), style) == columns


@pytest.mark.parametrize("width, dark", LOOKS)
def test_every_step_is_legible_and_whole(opened, width, dark):
    from selenium.webdriver.common.keys import Keys

    for name in ("conv", "small_back", "long", "failed", "slides"):
        browser = opened(name, width, 844, dark)
        for _ in range(8 if name != "slides" else 1):
            assert faults(browser) == [], name
            if name != "slides":
                focus(browser)
                press(browser, Keys.ARROW_RIGHT, "s")


def test_what_is_wrong_with_a_page_is_found(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<!DOCTYPE html><body style='width: 999px'><p style='color: #888'>pale</p>"
        "<img src='data:,'><button style='height: 20px; outline: none'>low</button>"
        "<div style='width: 30px; overflow: hidden; white-space: nowrap'>far too long</div>"
        "<p style='margin-top: -12px'>on it</p>"
    )
    look(browser, page, 390)
    kinds = {kind for kind, *_ in faults(browser)}
    assert kinds == {"contrast", "cut", "overlap", "small", "ring", "words", "wide"}


def test_on_a_phone_the_slider_of_a_long_loop_is_there(opened):
    browser = opened("pool_back", width=390, height=844)
    for _ in range(20):  # to the loop
        if ask(browser, "Boolean(root.querySelector('input'))"):
            break
        ask(browser, "root.querySelector('.bar button:nth-child(3)').click()")
    edges = "root.querySelector('input').getBoundingClientRect().toJSON()"
    assert 0 < ask(browser, edges)["left"] and ask(browser, edges)["right"] < 390


def test_dark_is_dark_and_light_is_light(opened):
    colour = "getComputedStyle(root.querySelector('.stepper')).backgroundColor"
    assert ask(opened("conv"), colour) == "rgb(255, 255, 255)"
    assert ask(opened("conv", dark=True), colour) == "rgb(20, 24, 29)"


def test_where_the_data_cannot_be_inflated_the_beginning_is_there_as_text(browser, pages):
    script = {"source": "delete window.DecompressionStream"}
    added = command(browser, "Page.addScriptToEvaluateOnNewDocument", **script)
    browser.get((pages / "conv.html").as_uri())
    command(browser, "Page.removeScriptToEvaluateOnNewDocument", **added)
    text = browser.execute_script("return document.querySelector('.minicnn-step').innerText")
    assert text.startswith("conv_forward, reference/conv.py")
    assert text.rstrip().endswith("a browser from 2023 or later shows them all, with their arrays.")
    assert complaints(browser) == []


def test_where_scripts_do_not_run_the_beginning_is_there_as_text(browser, pages):
    command(browser, "Emulation.setScriptExecutionDisabled", value=True)
    browser.get((pages / "conv.html").as_uri())
    text = browser.find_element("css selector", ".minicnn-step").text
    command(browser, "Emulation.setScriptExecutionDisabled", value=False)
    assert text.startswith("conv_forward, reference/conv.py") and "x  1 × 2 × 5 × 5" in text


def test_two_on_one_page_do_not_disturb_each_other_nor_the_page(opened):
    browser = opened("both")
    ask(browser, "root.querySelector('.bar button:nth-child(4)').click()")
    assert ask(browser, "root.querySelectorAll('canvas').length", 1) == 2
    assert browser.execute_script("return document.querySelectorAll('body > style').length") == 0


def test_a_slider_shows_one_picture_after_the_other(opened):
    from selenium.webdriver.common.keys import Keys

    browser = opened("slides", width=390)
    label = "root.querySelector('output').textContent"
    pixels = "root.querySelector('canvas').toDataURL()"
    before = ask(browser, pixels)
    assert ask(browser, label) == "epoch 0"
    ask(browser, "root.querySelector('input').focus()")
    press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert ask(browser, label) == "epoch 2" and ask(browser, pixels) != before
    assert ask(browser, "[...root.querySelectorAll('figure > b')].map((b) => b.textContent)") == [
        "w",
        "b",
    ]
