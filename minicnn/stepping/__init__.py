"""What `minicnn.step` is made of; one reads them in this order.

source.py             a function's statements: where its lines, loops and names are
record.py             what is kept of a run: steps, and which turns of its loops
tracing.py            run a function, and decide which calls are watched
tracer.py             follow a call line by line
fingerprint.py        which values a line has changed
kernels.py            functions that Numba compiled, as the Python that they were written in
pairs.py              which line of forward a line of backward undoes
arguments.py          the arguments of a call, to run it once more
nudge.py              one entry of a gradient, by finite differences
provenance.py         which entries of its inputs an entry of an array was made from
values.py             what is kept of a value: an array's shape, range and a small picture
navigation.py         in which order one goes through steps and turns
terminal.py           all of it as text and as coloured blocks
terminal_session.py   from step to step in a terminal
trim.py               a record without the turns that a page has no room for
page_data.py          every array of a page, once
page.py               all of it as HTML, with page.css, arrays.js and steps.js
"""
