"""Write lessons as notebooks for Jupyter and Colab, by way of jupytext.

The first cell of a notebook finds minicnn in a folder above it, or installs it from the address of
its repository.  It never asks Python's package index, where another project has this name.
"""

import json
import re
import subprocess

from minicnn.storage import write_text

from . import cells
from .pages import need_extra

OUT = cells.OUT / "notebooks"
FIRST = """\
# This cell finds minicnn, or installs it. Run it first.
import pathlib
import sys

here = pathlib.Path.cwd()
above = [folder for folder in (here, *here.parents) if (folder / "minicnn/reference").is_dir()]
sys.path[:0] = map(str, above[:1])
try:
    import minicnn.reference
except ImportError:
    {install}

import matplotlib
from IPython.core.pylabtools import select_figure_formats

matplotlib.use("agg")  # show a figure only where it is the value of a cell
select_figure_formats(get_ipython(), {{"png"}})"""
INSTALL = "%pip install -q {address}"
ASK = """\
raise SystemExit(
        "minicnn is not here: move this notebook into a clone of its repository, or install it; "
        "python -m lessons notebook --from URL writes notebooks that install it themselves"
    ) from None"""


def write(paths, address=None, out=OUT, answers=True):
    """Write lessons as notebooks and return their paths.

    Parameters
    ----------
    paths : list of path
        The lessons.
    address : str, optional
        The https address of a repository from which to install minicnn if it cannot be imported.
    out : path
        The folder to write to.
    answers : bool
        Whether to keep the answers to the tasks.

    Raises
    ------
    OSError
        If the extra `lessons` is not installed, or a notebook cannot be written.
    ValueError
        If the address is not an https address.
    """
    need_extra()
    import jupytext
    import nbformat

    first = FIRST.format(
        install=INSTALL.format(address=json.dumps(source(address))) if address else ASK
    )
    written = []
    for path in paths:
        notebook = jupytext.read(path)
        notebook.cells = [part for cell in notebook.cells for part in split(cell)]
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first, id="find-minicnn"))
        for number, cell in enumerate(notebook.cells):
            cell.id = f"cell-{number}"  # the same in each build
            if cell.cell_type == "markdown" and not answers:
                cell.source = cells.without_answers(cell.source + "\n").rstrip()
            kind = "slide" if cell.source.startswith("#") and cell.cell_type == "markdown" else "-"
            cell.metadata["slideshow"] = {"slide_type": kind if number else "skip"}
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        notebook.metadata["language_info"] = {"name": "python"}
        written.append(out / f"{path.stem}.ipynb")
        write_text(written[-1], jupytext.writes(notebook, fmt="ipynb"))
    return written


def split(cell):
    """Return the parts of a text, each of which begins with its heading: a slide of its own."""
    import nbformat

    if cell.cell_type != "markdown":
        return [cell]
    texts = re.split(r"\n+(?=## )", cell.source)
    return [nbformat.v4.new_markdown_cell(text) for text in texts]


def source(address):
    """Return pip's requirement for a repository."""
    if not re.fullmatch(r"https://[\w.~:/%+-]+", address):
        raise ValueError(f"--from {address!r}: expected an address that begins with https://")
    return f"git+{address}"


def origin():
    """Return the https address of this clone's origin without user and password, or None."""
    command = ["git", "-C", str(cells.FOLDER), "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
        address = done.stdout.strip()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    return re.sub(r"//[^/@]*@", "//", address) if address.startswith("https://") else None
