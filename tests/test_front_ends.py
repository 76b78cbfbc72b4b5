"""A stepper inside the notebooks of Jupyter, VS Code and Colab: python -m pytest -m site.

What each of them does with an output is imitated here, as their own code has it.  JupyterLab and
Notebook 7 run themselves, where they are installed: python -m pip install jupyterlab notebook.

    Jupyter   innerHTML, scripts made anew in their place; a theme in data-jp-theme-light of the
              body; every key that arrives at the document may be one of its own
    VS Code   innerHTML, scripts made anew at the end of the output and taken away; a theme in the
              class of the body, with data-vscode-theme-kind; all outputs in one page
              (extensions/notebook-renderers, and webview/browser/pre/index.html, of VS Code 1.100)
    Colab     a frame of another origin for each output, as high as its content; a theme in
              <html theme="dark">, or none; google.colab is there
"""

import contextlib
import html
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from browser import command, complaints, look, requests

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


def wait(driver, seconds, expression):
    """Return what a JavaScript expression gives, as soon as it gives something."""
    from selenium.webdriver.support.ui import WebDriverWait

    look_again = WebDriverWait(driver, seconds, poll_frequency=0.1)
    return look_again.until(lambda _: driver.execute_script(f"return {expression}"))


def stepper(driver, seconds=20):
    """Return the shadow root of the first host, the stepper's, as soon as all are there."""
    hosts = "[...document.querySelectorAll('.minicnn-step')]"
    return wait(
        driver, seconds, f"{hosts}.every((one) => one.shadowRoot) && {hosts}[0]"
    ).shadow_root


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
    press(driver, body, *[Keys.ARROW_RIGHT] * 5, Keys.ENTER, Keys.ARROW_RIGHT, Keys.ESCAPE)
    assert root.find_element("css selector", ".count").text.startswith("6 of ")
    slider = root.find_element("css selector", "input")
    press(driver, slider, Keys.ARROW_UP, "x")
    assert slider.get_attribute("value") == "2"
    press(driver, root.find_element("css selector", "canvas"), Keys.ARROW_DOWN, Keys.ARROW_UP)
    press(driver, body, "d", "d", "m", "0", "B")  # in Jupyter these delete and change cells
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
    # The page below learns the height from messages: both may still change when first looked at.
    for _ in range(200):
        needed = driver.execute_script("return document.body.scrollHeight")
        driver.switch_to.default_content()
        height = driver.execute_script("return +document.querySelector('iframe').height")
        if abs(height - needed) < 40:
            break
        driver.switch_to.frame(frame)
        time.sleep(0.1)
    assert abs(height - needed) < 40


# The real thing.


@pytest.fixture(scope="module", params=[("jupyterlab", "lab/tree"), ("notebook", "notebooks")])
def jupyter(request, tmp_path_factory, outputs):
    """Start a server over two notebooks, trusted.ipynb and other.ipynb; give its address."""
    package, place = request.param
    pytest.importorskip(package, reason=f"this test needs {package}")
    from nbformat import sign, v4, write

    folder = tmp_path_factory.mktemp("jupyter")
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    own = {name: str(folder / name.lower()) for name in names}  # nothing of the user's own is used
    (folder / "jupyter_data_dir").mkdir()
    shown = v4.new_output("execute_result", {"text/html": outputs[0], "text/plain": "a stepper"})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for name in ("trusted", "other"):
        cells = [v4.new_markdown_cell("above"), v4.new_code_cell("steps", execution_count=1)]
        cells[1].outputs = [shown]
        cells.append(v4.new_markdown_cell(f"below, {name}"))
        written = v4.new_notebook(cells=cells, metadata=kernel)
        write(written, folder / f"{name}.ipynb")
        if name == "trusted":
            sign.NotebookNotary(data_dir=own["JUPYTER_DATA_DIR"]).sign(written)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = [sys.executable, "-m", package, "--no-browser", "--allow-root", f"--port={port}"]
    start += ["--ip=127.0.0.1", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(start, env=os.environ | own, **quiet) as lab:
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            time.sleep(0.2)
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/api"):
                break
        yield f"{address}/{place}"
        lab.kill()  # when its server has gone, a kernel ends itself


def active(driver):
    """Return the number of the cell that Jupyter has selected."""
    cells = "[...document.querySelectorAll('.jp-Cell')]"
    return driver.execute_script(f"return {cells}.findIndex(c => c.matches('.jp-mod-active'))")


def test_in_jupyter_the_stepper_and_the_notebook_have_their_keys(chromium, jupyter):
    from selenium.webdriver.common.keys import Keys

    look(chromium, f"{jupyter}/trusted.ipynb?reset")
    root = stepper(chromium, 120)
    root.find_elements("css selector", ".bar button")[2].click()
    body = root.find_element("css selector", ".stepper")
    press(chromium, body, *[Keys.ARROW_RIGHT] * 4, Keys.ENTER, Keys.ARROW_RIGHT, Keys.ESCAPE)
    assert root.find_element("css selector", ".count").text.startswith("6 of ")
    slider = root.find_element("css selector", "input")
    press(chromium, slider, Keys.ARROW_UP)
    assert (slider.get_attribute("value"), active(chromium)) == ("2", 1)
    press(chromium, body, "m", Keys.ARROW_DOWN)  # m would make text of the cell
    assert active(chromium) == 2
    assert chromium.execute_script("return document.querySelectorAll('.jp-CodeCell').length") == 1


def test_a_stepper_needs_no_kernel_and_keeps_its_values_when_it_restarts(chromium, jupyter):
    from selenium.webdriver.common.keys import Keys

    look(chromium, f"{jupyter}/trusted.ipynb?reset")
    root, server = stepper(chromium, 120), "/".join(jupyter.split("/")[:3])
    body, shown = root.find_element("css selector", ".stepper"), []
    for restarts in range(2):
        root.find_elements("css selector", ".bar button")[2].click()
        press(chromium, body, Keys.HOME, *[Keys.ARROW_RIGHT] * 6)
        shown.append(root.find_element("css selector", ".stage").text)
        kernels = wait(chromium, 60, f"fetch('{server}/api/kernels').then((it) => it.json())")
        for kernel in kernels * (not restarts):
            path = f"{server}/api/kernels/{kernel['id']}/restart"
            chromium.execute_script(
                "const token = document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? '';"
                "return fetch(arguments[0], {method: 'POST', headers: {'X-XSRFToken': token}})"
                ".then((it) => { if (!it.ok) throw it.status; })",
                path,
            )
        assert kernels
    assert shown[0] == shown[1] and "cols before" in shown[0]


def test_in_a_notebook_that_jupyter_does_not_trust_there_is_text(chromium, jupyter):
    look(chromium, f"{jupyter}/other.ipynb?reset")
    text = wait(chromium, 120, "document.querySelector('.minicnn-step')?.innerText")
    assert text.startswith("conv_forward, reference/conv.py")
