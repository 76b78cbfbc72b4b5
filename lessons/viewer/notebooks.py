"""Lessons as notebooks, for Jupyter and for Colab: jupytext turns the cells of one into the other.

Their first cell finds minicnn in a folder above the notebook, or else installs it from the address
of its repository.  Python's package index has another project of this name: it is never asked.
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

matplotlib.use("agg")  # figures are shown where they are the value of a cell, and only there
select_figure_formats(get_ipython(), {{"png"}})"""
INSTALL = "%pip install -q {address}"
ASK = """\
raise SystemExit(
        "minicnn is not here: move this notebook into a clone of its repository, or install that; "
        "python -m lessons notebook --from URL writes notebooks that install it themselves"
    ) from None"""


def write(paths, address=None, out=OUT):
    """Write lessons as notebooks; return the paths of these.

    Parameters
    ----------
    paths : list of path
        The lessons.
    address : str, optional
        The https address of a repository to install minicnn from, where it cannot be imported.
    out : path
        The folder to write to.

    Raises
    ------
    OSError
        If the extra `lessons` is not installed, or a notebook cannot be written.
    ValueError
        If the address is not one.
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
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first, id="find-minicnn"))
        for number, cell in enumerate(notebook.cells):
            cell.id = f"cell-{number}"  # the same each time
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        notebook.metadata["language_info"] = {"name": "python"}
        written.append(out / f"{path.stem}.ipynb")
        write_text(written[-1], jupytext.writes(notebook, fmt="ipynb"))
    return written


def source(address):
    """Return what pip installs from a repository."""
    if not re.fullmatch(r"https://[\w.~:/%+-]+", address):
        raise ValueError(f"--from {address!r} is not an address that begins with https://")
    return f"git+{address}"


def origin():
    """Return the https address that this clone came from, or None; without user and password."""
    command = ["git", "-C", str(cells.FOLDER), "remote", "get-url", "origin"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return re.sub(r"//[^/@]*@", "//", said) if said.startswith("https://") else None
