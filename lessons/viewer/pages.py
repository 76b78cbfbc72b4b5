"""Build the lessons as a web site that needs no network, with outputs and working steppers.

jupytext reads a lesson as a notebook, nbclient runs it, nbconvert writes it as HTML with the
templates in page/, and latex2mathml turns formulas into MathML, which browsers render themselves.

    notebook   a lesson as jupytext reads it, later with the outputs of its cells
    page       a dict about a page: number, title, question, minutes, file
    links      {name: link}; see source.py
"""

import contextlib
import itertools
import os
import pathlib
import re
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from minicnn.commands.explore import write_page

from . import cells, source

SITE = cells.OUT / "site"
TOP = cells.FOLDER.parent
LOOKS = cells.FOLDER / "page"
SECONDS = 300  # the time limit of a cell
EXTRA = "python -m pip install jupytext nbclient nbconvert ipykernel latex2mathml"
# Runs in the kernel before a lesson: figures are shown once, as values, with alternative text.
BEFORE = "from lessons.viewer.figures import in_notebook\nin_notebook()"


def build(numbers=None, site=SITE, report=print, answers=True):
    """Run the lessons and write the site, whole or not at all.

    Parameters
    ----------
    numbers : list of int, optional
        The lessons to include; the default is all.
    site : path
        The folder to write; an older site there is replaced.
    report : function
        Called with a line of text after each lesson.
    answers : bool
        Whether to keep the answers to the tasks, which are folded.

    Returns
    -------
    path
        The first page of the site.

    Raises
    ------
    OSError
        If the extra `lessons` is not installed, or the site cannot be written.
    ValueError
        If a cell of a lesson fails; the message names the lesson and the cell.
    """
    need_extra()
    site = pathlib.Path(os.path.realpath(site))  # a link stays a link
    check_folder(site)
    paths = [cells.find(number) for number in numbers] if numbers else cells.lessons()
    pages = [about(path) for path in paths]
    for page, before, after in zip(pages, [None, *pages], [*pages[1:], None], strict=False):
        page |= {"before": before, "after": after}
    site.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=site.parent) as folder:
        new = pathlib.Path(folder) / "site"
        new.mkdir()
        write_site(new, paths, pages, report, answers)
        if site.exists():
            site.rename(pathlib.Path(folder) / "old")
        new.rename(site)
    return site / "index.html"


def check_folder(site):
    """Raise ValueError if `site` holds anything but an older site, because it would be lost."""
    if not site.exists() or not any(site.iterdir()):
        return
    first = site / "index.html"
    lessons = r"(\d\d_\w+|index|explore)\.html|style\.css|predict\.js|source|pictures"
    is_ours = all(re.fullmatch(lessons, path.name) for path in site.iterdir()) and first.is_file()
    if not is_ours or "<title>Lessons · minicnn</title>" not in first.read_text("utf-8", "replace"):
        raise ValueError(
            f"{site} holds other files than this site; choose another folder with --out"
        )


def need_extra():
    """Raise OSError if a package that pages and notebooks need is missing."""
    try:
        import ipykernel  # noqa: F401
        import jupytext  # noqa: F401
        import latex2mathml  # noqa: F401
        import nbclient  # noqa: F401
        import nbconvert  # noqa: F401
    except ImportError as error:
        raise OSError(f"notebooks and the site need {error.name}: {EXTRA}") from None


def about(path):
    """Return the number, title, question, picture, minutes and file name of a lesson's page.

    They are a dict.  The picture is drawn by docs/make_pictures.py, and None if there is none.
    """
    title, question = cells.title(path)
    picture = f"pictures/{path.name[:2]}.png"
    page = {"number": int(path.name[:2]), "title": title, "question": question}
    page["picture"] = picture if (LOOKS / picture).exists() else None
    return page | {"minutes": cells.minutes(path), "file": f"{path.stem}.html"}


def write_site(folder, paths, pages, report, answers):
    """Write all pages into an empty folder."""
    import jinja2

    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(LOOKS), autoescape=False)
    used = set()
    with tempfile.TemporaryDirectory() as scratch:
        for path, page in zip(paths, pages, strict=True):
            notebook = executed(path, scratch)  # one at a time, because some measure times
            for cell in notebook.cells:
                if cell.cell_type == "markdown" and not answers:
                    cell.source = cells.without_answers(cell.source + "\n")
            code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
            links = source.links_in(code)
            text = as_html(notebook, page, links, path)
            used |= set(re.findall(r'href="(source/[^"]+)"', text))  # links in the prose, too
            (folder / page["file"]).write_text(text, encoding="utf-8")
            report(f"{page['number']:4}  {page['title']}")
    source.write_pages(used, folder, templates.get_template("source.html.j2"))
    write_page(folder / "explore.html")
    contents = templates.get_template("contents.html.j2").render(pages=pages)
    (folder / "index.html").write_text(contents, encoding="utf-8")
    for name in ("style.css", "predict.js"):
        shutil.copy(LOOKS / name, folder)
    (folder / "pictures").mkdir()
    for page in pages:
        if page["picture"]:
            shutil.copy(LOOKS / page["picture"], folder / page["picture"])


def executed(path, scratch):
    """Return a lesson as a notebook that has run; `scratch` is a folder for Jupyter's settings."""
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = jupytext.read(path)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(BEFORE))
    client = NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": TOP}}
    )
    manager = client.create_kernel_manager()
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.kernel_spec.argv = command  # this Python, whatever kernels are installed
    if os.name == "posix":  # communicate through sockets in `scratch`, not through ports
        manager.transport = "ipc"
        manager.connection_file = f"{scratch}/{path.name[:2]}.json"
    settings = {"PYTHONPATH": str(TOP), "IPYTHONDIR": str(scratch), "JUPYTER_CONFIG_DIR": scratch}
    current = 0  # the cell that is running

    def note(cell, cell_index, **other):
        nonlocal current
        current = cell_index

    client.on_cell_start = note
    try:
        run_to_the_end(client, manager, os.environ | settings)
    except CellExecutionError as error:  # if a value cannot be shown, only the output has the cause
        outputs = notebook.cells[current].outputs
        cause = next((output for output in outputs if output.output_type == "error"), error)
        raise ValueError(f"{path.name}, cell {current}: {cause.ename}: {cause.evalue}") from None
    except CellTimeoutError:
        raise ValueError(f"{path.name}, cell {current} has not ended within {SECONDS} s") from None
    except DeadKernelError:
        raise ValueError(f"{path.name}, cell {current}: the Python process died") from None
    except RuntimeError as error:
        raise OSError(f"{path.name} could not be run: {error}") from None
    del notebook.cells[0]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
    return notebook


def joined(outputs):
    """Return the outputs of a cell with what it printed in one go as one output."""
    whole = []
    for output in outputs:
        last = whole[-1] if whole else {}
        if "stream" == output.output_type and last.get("name") == output.name:
            last.text += output.text
        else:
            whole.append(output)
    return whole


def run_to_the_end(client, manager, environment):
    """Run a notebook; Ctrl-C ends its Python process as well.

    It runs in another thread, because in the main thread nbclient handles Ctrl-C itself and fails.
    """
    from jupyter_core.utils import run_sync

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(client.execute, env=environment)
        try:
            running.result()
        except KeyboardInterrupt:
            run_sync(manager.shutdown_kernel)(now=True)
            raise


def as_html(notebook, page, links, path):
    """Return the HTML page of a lesson that has run."""
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import MarkdownWithMath

    for text, cell in itertools.pairwise(notebook.cells):
        if text.cell_type == "markdown" and cell.cell_type == "code":
            cell.metadata["predict"] = bool(cells.PREDICT.search(text.source))
    exporter = HTMLExporter(extra_template_basedirs=[str(LOOKS.parent)], template_name=LOOKS.name)
    renderer = prose_renderer(links, path.name)
    exporter.register_filter("markdown2html", lambda text: MarkdownWithMath(renderer).render(text))
    exporter.register_filter("linked", lambda text: source.linked(text, links))
    text, _ = exporter.from_notebook_node(notebook, resources={"page": page})
    return text


def prose_renderer(links, name):
    """Return the renderer of the text cells of the lesson called `name`."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer

    class Prose(IPythonRenderer):
        """Renders formulas as MathML, and names of minicnn as links."""

        def block_math(self, body):
            formula = mathml(body, "block", name)
            return f'<div class="formula" tabindex="0">{formula}</div>\n'

        def inline_math(self, body):
            return mathml(body, "inline", name)

        def codespan(self, text):
            return source.linked_in_prose(text, links)

    return Prose(escape=False, exclude_anchor_links=True)


def mathml(tex, display, name):
    """Return a formula as MathML, "inline" or "block"; raise ValueError if it cannot be read."""
    from latex2mathml.converter import convert

    try:
        formula = convert(tex.strip(), display=display)
    except Exception as error:  # each kind of mistake has its own exception
        formula = f"\\{type(error).__name__}"
    unknown = re.search(r"\\[A-Za-z]+", formula)  # a command that was not converted
    if unknown:
        raise ValueError(f"{name}: the formula {tex!r} cannot be read: {unknown[0][1:]}")
    return formula


def stale(site=SITE):
    """Return whether sources have changed since the site was built; None if there is no site."""
    first = pathlib.Path(site) / "index.html"
    if not first.is_file():
        return None
    files = [*cells.FOLDER.rglob("*"), *source.LIBRARY.rglob("*.py")]
    built = first.stat().st_mtime
    return any(file.stat().st_mtime > built for file in files if "__pycache__" not in file.parts)


def serve(port, site=SITE, report=print):
    """Serve the site to this machine only, at http://127.0.0.1:port, until Ctrl-C.

    Raises
    ------
    OSError
        If the port is taken.
    """
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Quiet(SimpleHTTPRequestHandler):
        """Serves files without a log."""

        def log_message(self, *words):
            pass

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(site)))
    except OSError as error:
        message = f"port {port} cannot be used ({error.strerror}); choose another with --port"
        raise OSError(message) from None
    with server, contextlib.suppress(KeyboardInterrupt):
        report(f"The lessons are at http://127.0.0.1:{server.server_port}/  (Ctrl-C ends this)")
        server.serve_forever()
