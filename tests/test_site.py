"""The site and the notebooks, built and opened: python -m pytest -m site.

They need the extras `lessons` and `dev`, and Chromium with its driver.
"""

import json
import os
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser

import pytest
from browser import LOOKS, command, complaints, faults, look, requests

from lessons.viewer import cells, notebooks, pages

pytestmark = pytest.mark.site
NAMES = [path.stem for path in cells.lessons()]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, built once: every lesson runs, which takes a minute or two."""
    pytest.importorskip("nbconvert")
    folder = tmp_path_factory.mktemp("built") / "site"
    pages.build(site=folder, report=lambda text: None)
    return folder


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A folder of lessons to write one's own into; its text becomes lesson 1."""
    pytest.importorskip("nbconvert")
    monkeypatch.setattr(cells, "FOLDER", tmp_path / "lessons")
    cells.FOLDER.mkdir()
    return lambda text: (cells.FOLDER / "01_tiny.py").write_text(text)


class Reader(HTMLParser):
    """What of a page matters here: its tags with their attributes."""

    def __init__(self, path):
        super().__init__()
        self.tags = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def all_pages(site):
    return sorted(site.rglob("*.html"))


# What is in the files.


def test_every_page_is_one_that_a_screen_reader_can_use(site):
    for path in all_pages(site):
        page = Reader(path)
        assert page.all("html") == [{"lang": "en"}]
        assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
        assert all(image.get("alt") for image in page.all("img")), path
        assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
        found = [one["id"] for _, one in page.tags if "id" in one]
        assert len(found) == len(set(found)), path


def test_the_first_page_has_a_picture_of_every_lesson(site):
    pictures = [image["src"] for image in Reader(site / "index.html").all("img")]
    assert pictures == [f"pictures/{name[:2]}.png" for name in NAMES]
    assert all((site / picture).exists() for picture in pictures)


def test_no_page_needs_a_network(site):
    """No script, style, picture or font from elsewhere; links that one may follow are no need."""
    for path in all_pages(site):
        page = Reader(path)
        needed = [one.get("src") for _, one in page.tags if one.get("src")]
        needed += [one["href"] for one in page.all("link")]
        text = path.read_text(encoding="utf-8")
        needed += re.findall(r"(?:url\(|@import\s+)[\"']?([^)\"';]+)", text)
        for address in needed:
            assert address.startswith("data:") or (path.parent / address).is_file(), address


def test_every_link_leads_to_a_page_and_a_line(site):
    lines = 0
    for path in all_pages(site):
        for link in (one.get("href", "") for one in Reader(path).all("a")):
            file, _, anchor = link.partition("#")
            if "://" in file:
                continue
            target = path.parent / file if file else path
            assert target.is_file(), f"{path.name}: {link}"
            if anchor:
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8")
                lines += anchor.startswith("L-")
    assert lines > 10


def test_a_name_leads_to_the_line_of_its_definition(site):
    text = (site / f"{NAMES[1]}.html").read_text(encoding="utf-8")
    file, line = re.search(r'"([^"#]+)#(L-\d+)"><span class="n">conv_forward', text).groups()
    source = (site / file).read_text(encoding="utf-8")
    there = source[source.index(f'id="{line}"') :]
    assert re.sub(r"<[^>]+>", "", there.partition("\n")[0]).endswith(
        "def conv_forward(x, w, b, stride=1, pad=0, groups=1, ceil_mode=False):"
    )


def test_formulas_are_mathml_and_steppers_are_live(site):
    for name in NAMES:
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        prose = cells.find(int(name[:2])).read_text(encoding="utf-8")
        assert ("<math " in text) == ("$" in prose) and "minicnn-step" in text
        assert not re.search(r"<p>[^<]*\$\S", text), "a formula has stayed as it was"


# What a browser makes of them.


@pytest.fixture
def driver(chromium):
    """A browser whose console must stay empty."""
    requests(chromium)
    yield chromium
    assert complaints(chromium) == []


def test_pages_open_from_the_disk_and_ask_for_nothing_else(site, driver):
    for path in all_pages(site):
        look(driver, path)
    assert all(address.startswith("file:") for address in requests(driver))


def test_pages_open_from_the_server_and_its_links_work(site, driver):
    said, ready = [], threading.Event()

    def report(text):
        said.append(text)
        ready.set()

    threading.Thread(target=pages.serve, args=(0, site, report), daemon=True).start()
    assert ready.wait(10)
    address = re.search(r"http://127\.0\.0\.1:\d+/", said[0])[0]
    look(driver, address)
    driver.find_element("css selector", "li a").click()
    assert driver.current_url == f"{address}{NAMES[0]}.html"
    driver.find_element("css selector", ".input a[href*='#L-']").click()
    assert "#L-" in driver.current_url
    assert all(one.startswith(address) for one in requests(driver))


@pytest.mark.parametrize("width, dark", LOOKS)
def test_every_page_is_legible_and_no_page_is_wider_than_the_window(site, driver, width, dark):
    for path in all_pages(site):
        look(driver, path, width, dark=dark, touch=width < 600)
        assert faults(driver) == [], path
    paper = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) < 200) == dark


def stepper(driver):
    """Return the shadow root of the first stepper in sight: pictures of arrays have roots, too."""
    hosts = driver.find_elements("css selector", ".minicnn-step")
    hosts = [host for host in hosts if host.is_displayed()]  # not folded
    roots = [host.shadow_root for host in hosts]
    return next(root for root in roots if root.find_elements("css selector", ".count"))


def count(root):
    return root.find_element("css selector", ".count").text


def test_the_stepper_answers_to_keys_and_clicks(site, driver):
    from selenium.webdriver.common.keys import Keys

    look(driver, site / f"{NAMES[1]}.html")
    root = stepper(driver)
    body = root.find_element("css selector", ".stepper")
    assert count(root).startswith("1 of ")
    body.send_keys(Keys.ARROW_RIGHT)
    body.send_keys(Keys.ARROW_RIGHT)
    assert count(root).startswith("3 of ")
    body.send_keys(Keys.ARROW_LEFT)
    assert count(root).startswith("2 of ")
    buttons = root.find_elements("css selector", ".bar button")
    next(one for one in buttons if one.text == "→").click()
    assert count(root).startswith("3 of ")


def test_the_stepper_answers_to_a_finger(site, driver):
    look(driver, site / f"{NAMES[1]}.html", width=390, touch=True)
    root = stepper(driver)
    arrow = next(b for b in root.find_elements("css selector", ".bar button") if b.text == "→")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", arrow)
    box = driver.execute_script("return arguments[0].getBoundingClientRect().toJSON()", arrow)
    assert min(box["width"], box["height"]) >= 24, "too small for a finger"
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    command(driver, "Input.dispatchTouchEvent", type="touchStart", touchPoints=[at])
    command(driver, "Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert count(root).startswith("2 of ")


# Building.


def test_an_error_names_the_lesson_and_the_cell_and_leaves_the_old_site(tiny, tmp_path):
    site = tmp_path / "site"
    tiny("# %% [markdown]\n# # One\n\n# %%\nprint('2 < 3')\n")
    pages.build(site=site, report=lambda text: None)
    page = (site / "01_tiny.html").read_text()
    assert "2 &lt; 3" in page
    tiny("# %% [markdown]\n# # One\n\n# %%\n1 / 0\n")
    with pytest.raises(ValueError, match="01_tiny.py, cell 2: ZeroDivisionError: division by zero"):
        pages.build(site=site, report=lambda text: None)
    assert (site / "01_tiny.html").read_text() == page
    assert sorted(one.name for one in tmp_path.iterdir()) == ["lessons", "site"]


def test_an_error_in_showing_a_value_is_said(tiny, tmp_path):
    tiny(
        "# %% [markdown]\n# # One\n\n# %%\nclass Steps:\n    def _repr_html_(self):\n"
        "        raise TypeError('no colours')\n\n\nSteps()\n"
    )
    with pytest.raises(ValueError, match="01_tiny.py, cell 2: TypeError: no colours"):
        pages.build(site=tmp_path / "site", report=lambda text: None)


def test_an_output_that_was_to_be_predicted_is_folded_until_something_is_typed(
    tiny, tmp_path, driver
):
    from selenium.webdriver.common.keys import Keys

    tiny("# %% [markdown]\n# # One\n#\n# **Predict** it.\n\n# %%\nprint(41)\n\n# %%\nprint(42)\n")
    pages.build(site=tmp_path / "site", report=lambda text: None)
    look(driver, tmp_path / "site" / "01_tiny.html")
    first, second = driver.find_elements("css selector", ".output")
    field = driver.find_element("css selector", ".guess input")
    assert second.is_displayed() and not first.is_displayed()
    field.send_keys(" ", Keys.ENTER)
    assert not first.is_displayed()
    field.send_keys("40", Keys.ENTER)
    assert first.is_displayed() and field.get_attribute("value").strip() == "40"


def test_a_figure_is_shown_once_and_has_words(tiny, tmp_path):
    tiny(
        "# %% [markdown]\n# # One\n\n# %%\nimport matplotlib.pyplot as plt\n\n"
        "figure, axes = plt.subplots(figsize=(2, 1))\naxes.set_title('Errors')\nfigure\n"
    )
    pages.build(site=tmp_path / "site", report=lambda text: None)
    page = Reader(tmp_path / "site" / "01_tiny.html")
    assert [image["alt"] for image in page.all("img")] == ["Figure: Errors"]
    (dark,) = page.all("source")
    assert dark["media"] == "(prefers-color-scheme: dark)" and len(dark["srcset"]) > 1000


def test_what_a_cell_prints_is_one_output(tiny, tmp_path):
    tiny(
        "# %% [markdown]\n# # One\n\n# %%\nimport time\n\nfor n in range(3):\n"
        "    print(n, flush=True)\n    time.sleep(0.3)\n"
    )
    pages.build(site=tmp_path / "site", report=lambda text: None)
    assert len(Reader(tmp_path / "site" / "01_tiny.html").all("pre")) == 2  # the code, and this


@pytest.mark.parametrize("tex, why", [("x^", "MissingSuper"), ("\\sum \\nonsense", "nonsense")])
def test_a_formula_that_cannot_be_read_is_one_sentence(tex, why):
    pytest.importorskip("latex2mathml")
    with pytest.raises(ValueError, match=f"01_tiny.py: the formula .* cannot be read: {why}"):
        pages.mathml(tex, "inline", "01_tiny.py")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C in another way")
def test_ctrl_c_ends_the_building_and_the_lesson(tiny, tmp_path):
    tiny(
        "# %% [markdown]\n# # One\n\n# %%\nimport os, pathlib, signal, time\n"
        f"pathlib.Path({str(tmp_path / 'began')!r}).write_text(str(os.getpid()))\n"
        "os.kill(os.getppid(), signal.SIGINT)\ntime.sleep(60)\n"
    )
    code = (
        "import pathlib, sys\nfrom lessons.viewer import cells, pages\n"
        "from lessons.__main__ "
        "import main\n"
    )
    code += (
        "cells.FOLDER = pathlib.Path(sys.argv[1])\nsys.exit(main(['site', '--out', sys.argv[2]]))"
    )
    command = [sys.executable, "-c", code, str(cells.FOLDER), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=pages.TOP, check=False)
    assert (done.returncode, done.stderr) == (130, "\nlessons: stopped\n")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["began", "lessons"]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "began").read_text()), 0)


ANSWERED = """# %% [markdown]
# # One

# %%
print(1)

# %% [markdown]
# ## Change this and predict
#
# 1. Why?
#
# <details>
# <summary>Answers</summary>
#
# 1. Because.
#
# </details>
"""


def test_students_get_pages_and_notebooks_without_the_answers(tiny, tmp_path, monkeypatch):
    tiny(ANSWERED)
    monkeypatch.setattr(pages, "write_page", lambda path: None)  # the trained network's, of no use
    for answers in (True, False):
        pages.build(site=tmp_path / "site", report=lambda text: None, answers=answers)
        (path,) = notebooks.write(cells.lessons(), out=tmp_path, answers=answers)
        for file in (tmp_path / "site" / "01_tiny.html", path):
            text = file.read_text(encoding="utf-8")
            assert "Why?" in text and ("Because" in text) == ("<details>" in text) == answers


# Notebooks.


def test_a_notebook_finds_minicnn_and_runs(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    (path,) = notebooks.write([cells.find(1)], out=tmp_path)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in notebook.cells]
    assert kinds[:3] == ["skip", "slide", "-"]  # for nbconvert
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    headings = re.findall(r"(?m)^##? .+", "\n".join(texts))
    assert kinds.count("slide") == len(headings) >= 6
    top = {"metadata": {"path": cells.FOLDER}}  # one folder below the one where minicnn is
    nbclient.NotebookClient(notebook, resources=top, kernel_name="python3").execute()
    assert any(
        "text/html" in output.get("data", {})
        for cell in notebook.cells[1:]
        for output in cell.get("outputs", [])
    )


def test_notebooks_are_the_same_each_time_and_have_the_cells_of_the_lesson(tmp_path):
    pytest.importorskip("jupytext")
    (path,) = notebooks.write([cells.find(1)], out=tmp_path)
    text = path.read_text(encoding="utf-8")
    notebooks.write([cells.find(1)], out=tmp_path)
    assert path.read_text(encoding="utf-8") == text
    found = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    whole = "\n".join(source for _, source in cells.cells(cells.find(1)))
    assert "\n".join(found[1:]).split() == whole.split()  # a heading begins a new cell


def first_cell(tmp_path, address):
    pytest.importorskip("jupytext")
    (path,) = notebooks.write([cells.find(1)], address, out=tmp_path)
    return "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])


def test_the_first_cell_installs_from_the_repository_and_never_another_project(tmp_path):
    cell = first_cell(tmp_path, "https://example.org/minicnn.git")
    assert '%pip install -q "git+https://example.org/minicnn.git"' in cell
    assert "install -q minicnn" not in cell


def test_without_an_address_the_first_cell_says_what_to_do(tmp_path):
    cell = first_cell(tmp_path, None).partition("import matplotlib")[0]
    assert "pip install" not in cell
    code = "import sys\nsys.modules['minicnn.reference'] = None\n" + cell
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1 and done.stderr.startswith(
        "minicnn is not here: move this notebook"
    )
