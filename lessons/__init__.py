"""Lessons that step through the real code of minicnn.

    python -m lessons                 the list, with a line each and what you have done
    python -m lessons 3               walk through lesson 3, cell by cell, in the terminal
    python -m lessons notebook 3      the same lesson as a Jupyter notebook
    python -m lessons site            all of them as a web site that needs no network
    python -m lessons serve           show that site in your browser

A lesson is a Python script in cells, NN_name.py.  `# %% [markdown]` starts a cell of text, `# %%`
one of code; editors such as VS Code, Spyder and Jupyter (with jupytext) open it as a notebook.  Its
first cell has a heading, and then its *question*, which the lists of lessons show.

There and as plain scripts, python lessons/01_one_convolution.py, they find minicnn once it is
installed: python -m pip install -e .

    viewer/       how they are shown: in a terminal, as notebooks, as web pages
    __main__.py   the command line
    exercises/    exercises that check themselves
"""
