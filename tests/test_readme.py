"""README and the pages in docs/ tell the truth: their links lead somewhere, their code runs, their
commands exist, and their numbers are those that the programs wrote.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from docs import make_results
from lessons.__main__ import parser as parser_of_lessons
from lessons.exercises import catalogue
from lessons.viewer import cells
from minicnn import backends, data
from minicnn.__main__ import parser
from minicnn.claims import driver
from minicnn.claims.table import CLAIMS
from minicnn.experiments import figure1_sweep

TOP = pathlib.Path(__file__).parent.parent
PATHS = [TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").rglob("*.md"))]
PAGES = {path.relative_to(TOP).as_posix(): path.read_text(encoding="utf-8") for path in PATHS}
README = PAGES["README.md"]
COMMAND = r"python -m (minicnn|lessons)(?!\.)((?: [^`#&;>\n]+)?)"


LINK = r"\]\(([^)\s]+)\)"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_to_a_place_in_it(page):
    for link in re.findall(LINK, PAGES[page]):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        path = (TOP / page).parent / name if name else TOP / page
        assert path.exists(), link
        if anchor:
            text = path.read_text(encoding="utf-8")
            line = re.fullmatch(r"L(\d+)", anchor)
            is_there = int(line[1]) <= text.count("\n") if line else anchor in anchors(text)
            assert is_there, link


def anchors(text):
    """Return the anchors of a page's headings, by the rule of GitHub."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in headings}


def test_every_page_of_docs_can_be_reached_from_its_list_of_pages():
    folder = TOP / "docs"
    links = re.findall(LINK, PAGES["docs/README.md"])
    listed = {(folder / link).resolve() for link in links} | {(folder / "README.md").resolve()}
    missing = [path for path in folder.glob("[a-z]*/*.md") if path.resolve() not in listed]
    assert not [*missing, *(p for p in folder.glob("*.md") if p.resolve() not in listed)]


def test_the_readme_is_one_page():
    assert len(README.splitlines()) <= 146 and len(README.split()) <= 1625


def test_the_readme_has_the_line_that_ci_runs():
    pattern = re.search(r"grep -E '(.+?)' README", (TOP / ".ci" / "run").read_text("utf-8"))[1]
    assert len(re.findall(pattern, README, re.MULTILINE)) == 1


@pytest.mark.parametrize("backend", backends.BACKENDS)
def test_every_layer_is_linked_at_its_line(backend):
    """Forward and backward of every layer, where they are defined; the page says #L12, say."""
    page, linked = PAGES["docs/layers.md"], 0
    for path in (TOP / "minicnn" / backend).glob("*.py"):
        for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            function = re.match(r"def (\w+_(?:forward|backward|update))\(", line)
            if function and function[1] in backends.FUNCTIONS:
                link = f"(../minicnn/{backend}/{path.name}#L{i})"
                assert link in page, f"{function[1]}: {link}; run python -m docs.make_results"
                linked += 1
    layers = [name for name in backends.FUNCTIONS if re.search("_(forward|backward|update)$", name)]
    assert linked == len(layers) - 2 * (backend == "fast")  # whose softmax is the reference's


def test_the_code_that_contributing_quotes_is_in_the_library():
    names = ("minicnn/reference/fc.py", "tests/test_by_hand.py")
    sources = "".join((TOP / name).read_text(encoding="utf-8") for name in names)
    quoted = re.findall(r"```python\n(.*?)```", PAGES["CONTRIBUTING.md"], re.DOTALL)
    assert len(quoted) == 2 and all(code in sources for code in quoted)


@pytest.mark.parametrize("page", ["README.md", "docs/lessons.md", "docs/differences.md"])
def test_the_python_code_runs_and_prints_what_the_page_says(page, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)
    exec("\n".join(code for code in blocks if "import torch" not in code), {})  # noqa: S102
    printed = capsys.readouterr().out
    if page == "README.md":
        said = next(text for text in re.findall(r"```text\n(.*?)```", README, re.DOTALL)
                    if text.startswith("conv: ok"))  # fmt: skip
        assert re.sub(r"\d\.\de-\d\d", "…", said) == re.sub(r"\d\.\de-\d\d", "…", printed)


def test_a_network_computes_the_same_in_pytorch_by_the_recipes(capsys):
    pytest.importorskip("torch", reason="an extra oracle, never required")
    blocks = re.findall(r"```python\n(.*?)```", PAGES["docs/differences.md"], re.DOTALL)
    names = {}
    exec(next(code for code in blocks if "import torch" in code), names)  # noqa: S102
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 19 and all(float(line.split()[1]) < 2e-6 for line in lines)
    x, w, b = (np.random.default_rng(0).standard_normal(s) for s in ((2, 6, 9, 9), (4, 3, 4, 4), 4))
    for kind, weights, options in (  # what `alexnet` has and `trained` has not
        ("conv", [w, b], {"stride": 4, "groups": 2, "ceil_mode": True}),
        ("lrn", [], {"alpha": 1, "groups": 2}),
    ):
        ours, _ = getattr(names["reference"], f"{kind}_forward")(x, *weights, **options)
        theirs = names["theirs_of"][kind](*map(names["torch"].tensor, (x, *weights)), **options)
        np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/results/claims.md"])
def test_every_command_it_names_is_understood(page):
    for program, words in set(re.findall(COMMAND, PAGES[page])):
        understand = parser() if program == "minicnn" else parser_of_lessons()
        words = shlex.split(words)
        if program == "lessons" and words[:1] and words[0].isdecimal():
            words.insert(0, "walk")
        understand.parse_args(words)


def test_contributing_says_how_every_result_is_measured():
    """Results of one long run have their commands on their own pages."""
    names = {path.name for path in make_results.RESULTS.iterdir() if path.suffix != ".png"}
    page = PAGES["CONTRIBUTING.md"]
    named = set(re.findall(r"`([\w-]+\.jsonl?)`", page))
    others = set(re.findall(r"results/([\w-]+\.jsonl?)", "".join(PAGES.values())))
    assert named <= names | {"results.json"} and names <= named | others


def commands():
    """Return the commands in the code blocks of README.md."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    return [match[0].strip() for match in re.finditer(COMMAND, blocks)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [pytest.param(command, marks=[pytest.mark.very_slow] * command.endswith("figure1"))
     for command in commands()],
)  # fmt: skip
def test_every_command_of_the_readme_runs(command, folder):
    """In a folder of its own and in the README's order: `test` needs what `train` has written."""
    environment = os.environ | {"PYTHONPATH": str(TOP)}
    command = [sys.executable, *shlex.split(command)[1:]]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", ["figure1.md", "speed.md", "two_columns.md"])
def test_a_page_of_results_is_what_the_programs_print(name):
    written = PAGES[f"docs/results/{name}"]
    assert written == make_results.pages()[name], "run python -m docs.make_results"


def test_the_readme_has_the_results_of_today():
    """But for rounding errors, which are those of one machine."""
    today = make_results.with_tables(README)
    mask = r"\d+e-\d+"
    assert re.sub(mask, "…", README) == re.sub(mask, "…", today), "run python -m docs.make_results"


def test_the_readme_shows_six_claims_with_large_effects_however_many_are_decided(monkeypatch):
    verdict = {0: "refuted here", 1: "reproduced"}
    table = [("", "claim", "the paper", "here", "verdict")]
    table += [(str(n), f"claim {n}", "", "", verdict[n % 2]) for n in CLAIMS]
    monkeypatch.setattr(make_results.claims, "table", lambda lines: table)
    shown = [cells[0] for cells in make_results.claims_rows([])[1:]]
    assert shown == [f"claim {n}" for n in (4, 5, 11, 19, 20, 22)]


def test_its_ratios_are_those_of_figure_1():
    text = " ".join(README.split())
    ratio = make_results.measured("figure1-sample.json")["ratio"]["mean"]
    assert f"tanh needs {ratio:.1f} times as many epochs as ReLU with 5,000 images" in text
    rows = figure1_sweep.report(make_results.RESULTS).splitlines()
    tenth = next(row for row in rows if " 10,000 " in row).split()[-1]
    assert f"{tenth} times as many with 10,000" in text
    ratio = make_results.measured("figure1.json")["ratio"]["mean"]
    assert f"{ratio:.1f} times as many with all 50,000" in text
    assert f"six; {ratio:.1f} is the most" in text


def test_it_says_how_many_claims_are_not_run():
    verdicts = [row[-1] for row in make_results.claims.table(driver.read(make_results.RESULTS))]
    assert f"of which {verdicts.count('not run')} are not run yet" in README


def test_pages_count_lessons_and_exercises():
    functions, kernels = len(catalogue.EXERCISES), len(catalogue.KERNELS)
    assert f"In {functions + kernels} exercises you write" in README
    both = f"{len(cells.lessons())} lessons and {functions + kernels} exercises"
    assert both in PAGES["docs/commands.md"]
    assert f"# {functions} functions and {kernels} kernels" in PAGES["docs/lessons.md"]


def test_numbers_of_trained_networks_are_those_of_their_histories():
    def history(name):
        lines = (make_results.RESULTS / name).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    page, *_, last = PAGES["docs/results/cifar10.md"], *history("cifar-alexnet.jsonl")
    assert f"for {last['seconds'] / 60:.0f} minutes" in page
    assert f"Test error: **{last['validation_error']:.1%}** from the central view" in page
    one, ten = data.trained().errors["float16"], make_results.measured("trained-10-views.json")
    assert ten["views"] == "10" and ten["images"] == 10_000
    assert f"**{one:.1%}** from the central view and" in page
    assert f"and **{ten['errors'][0]['top_1']:.1%}** from ten views" in page
    first, *_, last = history("alexnet-enlarged.jsonl")
    page = " ".join(PAGES["docs/photographs.md"].split())
    assert f"made {last['step']} steps in {last['seconds']:.0f} s" in page
    assert f"waited {last['seconds_waited']:.1f} s of them" in page
    for kind in ("training", "validation"):
        began, ended = (100 * line[f"{kind}_error"] for line in (first, last))
        assert re.search(f"{kind} error (fell )?from {began:.0f} to {ended:.0f}%", page)


def test_it_lists_every_lesson_and_counts_the_lines_of_a_layer():
    for path in cells.lessons():
        assert f"{int(path.name[:2])} {cells.title(path)[0]}" in " ".join(README.split())
    layers = "activations fc softmax pool lrn map_lrn dropout conv local".split()
    folder = TOP / "minicnn" / "reference"
    lines = [len((folder / f"{name}.py").read_text("utf-8").splitlines()) for name in layers]
    assert f"a file of {min(lines)} to {max(lines)} lines" in README


def test_every_lesson_has_a_picture_and_none_is_large():
    for path in cells.lessons():
        assert (TOP / "lessons" / "page" / "pictures" / f"{path.name[:2]}.png").stat().st_size < 3e4
    assert (TOP / "docs" / "pictures" / "stepper.gif").stat().st_size < 1e6


@pytest.mark.site
def test_the_pictures_can_be_drawn_again(tmp_path, monkeypatch):
    pytest.importorskip("selenium", reason="this test needs selenium")
    if not shutil.which("chromedriver"):
        pytest.skip("this test needs chromium and chromedriver")
    from docs import make_pictures

    monkeypatch.setattr(make_pictures, "PICTURES", tmp_path)
    make_pictures.main()
    with Image.open(tmp_path / "stepper.gif") as picture:
        assert picture.n_frames >= 8 and picture.size == (1180, 500)
    assert (tmp_path / "explore.png").exists()
