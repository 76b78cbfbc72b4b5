"""A stepper inside the notebooks of Jupyter, VS Code and Colab: python -m pytest -m site.

What each of them does with an output is imitated here, as their own code has it.

    Jupyter   innerHTML, scripts made anew in their place; a theme in data-jp-theme-light of the
              body; every key that arrives at the document may be one of its own
    VS Code   innerHTML, scripts made anew at the end of the output and taken away; a theme in the
              class of the body, with data-vscode-theme-kind; all outputs in one page
              (extensions/notebook-renderers, and webview/browser/pre/index.html, of VS Code 1.100)
    Colab     a frame of another origin for each output, as high as its content; a theme in
              <html theme="dark">, or none; google.colab is there
"""

import html
import json

import numpy as np
import pytest
from browser import browser, command, complaints, look, requests

from minicnn.reference import conv_forward
from minicnn.step import picture, step

pytestmark = pytest.mark.site

JUPYTER = """
const made = [...output.querySelectorAll("script")].map((old) => {
  const fresh = document.createElement("script");
  for (const { name, value } of old.attributes) fresh.setAttribute(name, value);
  fresh.textContent = old.textContent;
  return [old, fresh];
});
made.forEach(([old, fresh]) => old.replaceWith(fresh));
"""
VS_CODE = """
for (const old of output.querySelectorAll("script")) {
  const fresh = document.createElement("script");
  fresh.text = old.innerText;
  if (old.type) fresh.setAttribute("type", old.type);
  output.appendChild(fresh).remove();
}
"""


@pytest.fixture(scope="module")
def outputs():
    """What a convolution's stepper and a picture write into a notebook."""
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((2, 2, 5, 6)), rng.standard_normal((3, 2, 3, 3)), np.zeros(3)
    return [step(conv_forward, x, w, b, pad=1)._repr_html_(), picture(x=x, w=w)._repr_html_()]


@pytest.fixture(scope="module")
def chromium():
    with browser() as driver:
        yield driver


@pytest.fixture
def driver(chromium):
    """A browser whose console must stay empty, and that may ask for nothing but our pages."""
    requests(chromium)
    yield chromium
    assert complaints(chromium) == []
    assert all(address.startswith(("file:", "about:")) for address in requests(chromium))


def notebook(folder, outputs, render, body):
    """Write a page that shows outputs as a notebook does; return its path."""
    page = folder / "notebook.html"
    texts = json.dumps(outputs).replace("</", "<\\/")
    page.write_text(
        f"""<!DOCTYPE html><meta charset="utf-8"><body {body}><script>
        const keys = [];
        document.addEventListener("keydown", (event) => keys.push(event.key));
        for (const text of {texts}) {{
          const output = document.createElement("div");
          document.body.append(output);
          output.innerHTML = text;
          {render}
        }}</script>""",
        encoding="utf-8",
    )
    return page


def stepper(driver):
    """Return the shadow root of the first host, the stepper's, as soon as it is there."""
    from selenium.webdriver.support.ui import WebDriverWait

    host = driver.find_element("css selector", ".minicnn-step")
    WebDriverWait(driver, 5).until(
        lambda _: driver.execute_script("return arguments[0].shadowRoot?.firstElementChild", host)
    )
    return host.shadow_root


def press(driver, place, *keys):
    """Press keys, as a hand would, with the focus on an element of the stepper."""
    from selenium.webdriver.common.action_chains import ActionChains

    driver.execute_script("arguments[0].focus()", place)
    ActionChains(driver).send_keys(*keys).perform()


def paper(driver):
    """Return whether the papers of all hosts are "dark" or "light"."""
    colours = driver.execute_script(
        "return [...document.querySelectorAll('.minicnn-step')].map((host) => getComputedStyle("
        "host.shadowRoot.querySelector('.stepper, .picture')).backgroundColor)"
    )
    (colour,) = set(colours)
    return {"rgb(255, 255, 255)": "light", "rgb(20, 24, 29)": "dark"}[colour]


@pytest.mark.parametrize("render", [JUPYTER, VS_CODE], ids=["jupyter", "vscode"])
def test_the_stepper_takes_its_keys_and_leaves_the_others_to_the_notebook(
    driver, outputs, tmp_path, render
):
    from selenium.webdriver.common.keys import Keys

    look(driver, notebook(tmp_path, outputs, render, ""))
    root = stepper(driver)
    body = root.find_element("css selector", ".stepper")
    press(driver, body, *[Keys.ARROW_RIGHT] * 8, Keys.ENTER, Keys.ARROW_RIGHT, Keys.ESCAPE)
    assert root.find_element("css selector", ".count").text.startswith("9 of ")
    slider = root.find_element("css selector", "input")
    press(driver, slider, Keys.ARROW_UP, "x")
    assert slider.get_attribute("value") == "2"
    press(driver, root.find_element("css selector", "canvas"), Keys.ARROW_DOWN, Keys.ARROW_UP)
    assert driver.execute_script("return keys") == []
    press(driver, body, Keys.ARROW_DOWN)
    command(driver, "Input.dispatchKeyEvent", type="keyDown", key="Enter", modifiers=8)  # Shift
    assert driver.execute_script("return keys") == ["ArrowDown", "Enter"]


THEMES = [  # of the system, of the notebook, and what the stepper must be
    (False, 'data-jp-theme-light="false"', "dark"),
    (True, 'data-jp-theme-light="true"', "light"),
    (False, 'class="vscode-dark" data-vscode-theme-kind="vscode-dark"', "dark"),
    (True, 'class="vscode-light" data-vscode-theme-kind="vscode-light"', "light"),
    (False, 'data-vscode-theme-kind="vscode-high-contrast"', "dark"),
    (True, 'data-vscode-theme-kind="vscode-high-contrast-light"', "light"),
    (True, "", "dark"),
]


@pytest.mark.parametrize("system_dark, body, expected", THEMES)
def test_the_stepper_is_dark_where_the_notebook_is(
    driver, outputs, tmp_path, system_dark, body, expected
):
    look(driver, notebook(tmp_path, outputs, VS_CODE, body), dark=system_dark)
    stepper(driver)
    assert paper(driver) == expected


def test_the_stepper_follows_when_the_theme_is_changed(driver, outputs, tmp_path):
    look(driver, notebook(tmp_path, outputs, JUPYTER, 'data-jp-theme-light="true"'))
    stepper(driver)
    driver.execute_script("document.body.dataset.jpThemeLight = 'false'")
    assert paper(driver) == "dark"


@pytest.mark.parametrize("theme, expected", [("dark", "dark"), ("light", "light"), ("", "light")])
def test_in_a_frame_of_colab_it_is_as_high_as_its_content_and_has_its_theme(
    driver, outputs, tmp_path, theme, expected
):
    """The frame may run scripts and nothing else: to the stepper it is another origin."""
    frame = (
        f'<!DOCTYPE html><html theme="{theme}"><meta charset="utf-8"><body>'
        f"<script>window.google = {{ colab: {{}} }}</script><div id=output>{outputs[0]}</div>"
        "<script>new ResizeObserver(() => parent.postMessage(document.body.scrollHeight, '*'))"
        ".observe(document.body)</script>"
    )
    page = tmp_path / "colab.html"
    page.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><iframe sandbox="allow-scripts" width="800" '
        f'height="20" srcdoc="{html.escape(frame)}"></iframe><script>'
        "onmessage = (e) => (document.querySelector('iframe').height = e.data)</script>",
        encoding="utf-8",
    )
    look(driver, page, dark=expected == "light")
    frame = driver.find_element("css selector", "iframe")
    driver.switch_to.frame(frame)
    root = stepper(driver)
    assert paper(driver) == expected
    root.find_elements("css selector", ".bar button")[2].click()
    assert root.find_element("css selector", ".count").text.startswith("2 of ")
    needed = driver.execute_script("return document.documentElement.scrollHeight")
    driver.switch_to.default_content()
    assert needed - 40 <= int(frame.get_attribute("height")) <= needed
