"""How a lesson is shown: in a terminal, as a notebook, as a web page.

cells.py       a lesson's cells, and how to run them
terminal.py    Markdown, formulas and code for a terminal
progress.py    the lessons and exercises that a learner has done
launches.py    launches of CUDA kernels: executed, or recalled from recorded/
notebooks.py   lessons as notebooks
pages.py       lessons as web pages; page/ has their templates and styles, source.py adds the
               library's code, figures.py describes their figures in words
"""
