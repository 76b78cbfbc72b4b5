"""How fast is it?  Every row and every pass of a network, in milliseconds and against PyTorch.

    python -m minicnn bench --against torch

prints a table, and writes it as runs/bench/cifar.json.  Every contestant is a process of its own,
and they take turns: in each round each runs the same work for a fifth of a second while the others
sleep, so that a busy spell of the machine meets them all.  In reading order:

    cases.py                what is timed, and what it costs at least
    minicnn_contestant.py   our backends as contestants
    im2col_contestant.py    one of them with convolution as course code usually has it
    pytorch.py              PyTorch, in each of its modes
    limits.py               what the machine can do at best: a matrix product, a copy
    worker.py               one contestant in a process of its own, which does what it is told
    processes.py            the other end: contestants are started, asked and ended
    measure.py              the parts of the benchmark, and how contestants take turns
    machine.py              the processor, the versions, and how busy it all is
    result.py               one line of the table: how two times compare, and when that may be
                            quoted
    table.py                all of it as text
"""

PARTS = ("layers", "step", "inference", "memory", "first-call", "course")
