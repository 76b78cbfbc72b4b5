"""The page of a CUDA kernel in a real browser, made of what lesson 19 has recorded."""

import pytest
from browser import browser, complaints, look, requests

from lessons.viewer import launches
from minicnn.stepping.gpu_steps import GpuSteps

ROOT = "const root = document.querySelector('.minicnn-step').shadowRoot;"


@pytest.fixture(scope="module")
def driver():
    with browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return {name of a kernel: its page}."""
    folder = tmp_path_factory.mktemp("pages")
    steps = {key.split()[0]: GpuSteps(data) for key, data in launches.recorded().items()}
    return {name: one.save(folder / name) for name, one in steps.items()}


def test_the_terminal_walks_forward_and_back(capsys):
    data = next(d for key, d in launches.recorded().items() if key.startswith("relu_kernel"))
    answers = iter(["", "", "b", "q"])
    GpuSteps(data).show(lambda prompt: next(answers))
    walked = [line for line in capsys.readouterr().out.splitlines() if "→" in line]
    lines = ["def relu_kernel(x, y):", "i = cuda.grid(1)", "if i < x.size:", "i = cuda.grid(1)"]
    assert walked == [f"  → {line}" for line in lines]
    GpuSteps(data).show(None)
    assert "    warp 0      ████████░░░░░░░░" in capsys.readouterr().out


def shown(driver, code):
    """Return the value of an expression about `root`, where the page is drawn."""
    return driver.execute_script(f"{ROOT} return {code}")


def texts(driver, selector):
    return shown(driver, f"[...root.querySelectorAll('{selector}')].map((e) => e.textContent)")


def count(driver, selector):
    return shown(driver, f"root.querySelectorAll('{selector}').length")


def press(driver, *keys):
    from selenium.webdriver.common.keys import Keys

    body = shown(driver, "root.querySelector('.stepper')")
    for key in keys:
        body.send_keys(getattr(Keys, key))


def point_at(driver, selector):
    enter = "new PointerEvent('pointerover', { bubbles: true, composed: true })"
    shown(driver, f"root.querySelector(`{selector}`).dispatchEvent({enter})")


def test_the_sectors_of_an_uncoalesced_copy_light_up(driver, pages):
    look(driver, pages["own_piece_kernel"])
    press(driver, "END")
    assert (count(driver, ".sector.lit"), count(driver, ".word.asked")) == (64, 64)
    assert "32 sectors, where 4 would do" in texts(driver, ".cost")[0]
    look(driver, pages["dealt_kernel"])
    press(driver, "END")
    assert (count(driver, ".sector.lit"), count(driver, ".word.asked")) == (8, 64)
    point_at(driver, "[data-lane='5']")
    (told,) = texts(driver, ".told")
    assert told.startswith("thread 5, lane 5 of warp 0, runs this line. It reads x[229] = 230.")
    assert count(driver, ".mark") == 3  # the thread, its word of x and of y
    point_at(driver, "[data-access='1'][data-word='225']")
    (told,) = texts(driver, ".told")
    assert told == "y[225] = 226: byte 900, sector 28; thread 1 writes it."


def test_threads_that_are_elsewhere_are_hollow_and_blocks_can_be_chosen(driver, pages):
    look(driver, pages["relu_kernel"])
    shown(driver, "root.querySelector('[data-block=\"1\"]').click()")
    press(driver, "END")
    assert (count(driver, "[data-lane].R"), count(driver, "[data-lane].away")) == (8, 24)
    assert "of 4" in texts(driver, ".count")[0] and "8 run this line" in texts(driver, ".legend")[0]


def test_threads_stand_on_the_line_of_the_barrier(driver, pages):
    look(driver, pages["tile_kernel"])
    press(driver, "END", "ARROW_LEFT")
    assert texts(driver, ".barrier") == ["1,024 of 1,024 threads wait here"]
    assert shown(driver, "root.querySelector('.barrier').previousSibling.textContent").endswith(
        "cuda.syncthreads()"
    )
    assert count(driver, "[data-lane].W") == 1024 and count(driver, ".barrier i") == 32
    press(driver, "END")
    assert texts(driver, ".busy") == ["32"] and count(driver, ".shared .word.asked") == 32
    first = shown(driver, "root.querySelector('.word.asked').dataset.word")
    press(driver, "ARROW_DOWN")
    assert shown(driver, "root.querySelector('.word.asked').dataset.word") == str(int(first) + 1)


def test_a_race_shows_both_threads_and_the_sentence(driver, pages):
    look(driver, pages["hasty_kernel"])
    assert texts(driver, "header .error")[0].startswith("race: ")
    assert count(driver, ".lane.wrong") == 0
    press(driver, "END")
    lanes = "[...root.querySelectorAll('.lane.wrong, .lane.other')].map((e) => e.dataset.lane)"
    assert shown(driver, lanes) == ["1", "32"]
    assert shown(driver, "root.querySelector('.word.wrong').dataset.word") == "32"
    assert "thread (1, 0); thread (0, 1) is the other one" in texts(driver, "[role=alert]")[0]


def test_the_ptx_is_folded_and_stays_open(driver, pages):
    look(driver, pages["relu_kernel"])
    assert not shown(driver, "root.querySelector('.ptx').open")
    press(driver, "ENTER", "ARROW_RIGHT", "ARROW_RIGHT", "ARROW_RIGHT")
    assert shown(driver, "root.querySelector('.ptx').open")
    (ptx,) = texts(driver, ".ptx pre")
    assert "ld.global.f32" in ptx and "st.global.f32" in ptx and "_ZN" not in ptx


@pytest.mark.parametrize("width, dark", [(390, True), (1300, False)])
def test_nothing_is_wider_than_the_page_and_nothing_is_asked_of_a_network(
    driver, pages, width, dark
):
    requests(driver)
    for name in ("own_piece_kernel", "hasty_kernel"):
        look(driver, pages[name], width=width, dark=dark, touch=width == 390)
        press(driver, "END")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        paper = "getComputedStyle(root.querySelector('.stepper')).backgroundColor"
        assert shown(driver, paper) == ("rgb(20, 24, 29)" if dark else "rgb(255, 255, 255)")
    assert complaints(driver) == []
    assert all(address.startswith("file:") for address in requests(driver))
