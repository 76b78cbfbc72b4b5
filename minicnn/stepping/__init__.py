"""The parts of `minicnn.step`, in reading order.

source.py             the statements of a function: its lines, loops and names
record.py             the record of a run: its steps, and some iterations of its loops
tracing.py            run a function, and decide which calls to watch
tracer.py             follow one call line by line
fingerprint.py        detect which values a line has changed
kernels.py            run compiled kernels as the Python they were written in
pairs.py              match each line of backward with the forward line that it undoes
arguments.py          copies of a call's arguments, for another run
nudge.py              check one entry of a gradient by finite differences
provenance.py         find which input entries an output entry depends on
boxes.py              find where indices and views lie in their arrays
values.py             summaries of values: an array's shape, range and a small picture
navigation.py         the order in which a reader visits steps
terminal.py           steps and arrays as text and coloured blocks
terminal_session.py   an interactive walk in a terminal
trim.py               drop iterations from a record that is too large for a page
gpu_record.py         record the launch of a CUDA kernel in the emulator
gpu_steps.py          its steps; gpu_terminal.py and gpu_page.py, with gpu.css and gpu.js, show them
page_data.py          the texts and arrays of a page, each stored once
page.py               steps and arrays as HTML, with page.css, arrays.js, frame.js and steps.js
pictures.py           arrays without steps, one picture or several with a slider
"""
