"""The benchmark: each pass of each layer of a network, in milliseconds and against PyTorch.

    python -m minicnn bench --against torch

prints a table, and writes the results to runs/bench/cifar.json.  Each contestant runs in its own
process, and they take turns: in each round, each runs the same case for a fifth of a second while
the others sleep, so that other load on the machine affects all of them.  In reading order:

    cases.py                the cases that are timed, and their minimal cost
    minicnn_contestant.py   our backends as contestants
    im2col_contestant.py    the reference with typical course code for convolution
    pytorch.py              PyTorch, in each of its modes
    limits.py               the machine's limits: a matrix product, and a copy
    worker.py               a process with one contestant, which answers requests
    processes.py            start, query and stop the workers
    measure.py              the parts of the benchmark, and the turns of the contestants
    result.py               one line of the table: a comparison of two times, and whether its
                            ratio is reliable
    table.py                the results as text
"""

PARTS = ("layers", "step", "inference", "memory", "first-call", "course")
