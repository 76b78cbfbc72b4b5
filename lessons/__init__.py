"""Lessons that step through the real code of minicnn.

    python -m lessons                 the list, with a line each and what you have done
    python -m lessons 3               walk through lesson 3, cell by cell, in the terminal
    python -m lessons notebook 3      the same lesson as a Jupyter notebook
    python -m lessons site            all of them as a web site that needs no network
    python -m lessons serve           show that site in your browser
    python -m lessons answers 3       for teachers: its minutes, goals, tasks and their answers

A lesson is a Python script in cells, NN_name.py.  `# %% [markdown]` starts a cell of text, `# %%`
one of code; editors such as VS Code, Spyder and Jupyter (with jupytext) open it as a notebook.  Its
first cell has a heading, and then its *question*, which the lists of lessons show.

There and as plain scripts, python lessons/01_one_convolution.py, they find minicnn once it is
installed: python -m pip install -e .

    viewer/       how they are shown: in a terminal, as notebooks, as web pages
    __main__.py   the command line
    exercises/    exercises that check themselves

In a notebook, `from lessons import check` and then `check(relu_backward)` asks the tutor about the
function that a cell has defined.
"""

import sys

import minicnn  # noqa: F401  which refuses a Python that is too old


def check(function, more=False):
    """Print the tutor's answer to a function, such as `relu_backward`, that you have written.

    Parameters
    ----------
    function : function
        It has the name of an exercise; a cell of this notebook, or this file, defines it.
    more : bool
        Whether to add the stronger hint.

    Raises
    ------
    ValueError, TypeError
        If this is no exercise, or its source cannot be found.
    ImportError
        If this Python lacks a package; the message says what to type.
    """
    try:
        from .exercises import notebook
    except ModuleNotFoundError as error:
        raise ImportError(
            f"minicnn needs {error.name}, which this Python does not have: "
            f"type {sys.executable} -m pip install {error.name}"
        ) from None

    notebook.check(function, more)
