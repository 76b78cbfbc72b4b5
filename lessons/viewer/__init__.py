"""How a lesson is shown: in a terminal, as a notebook, as a web page.

cells.py       a lesson's cells, and how to run them
terminal.py    text with headings, emphasis and formulas, as a terminal can show it
progress.py    what you have done
notebooks.py   lessons as notebooks
pages.py       lessons as web pages; page/ gives them their looks, source.py the library's code,
               figures.py words for their figures
"""
