"""Exercises in mending: CUDA kernels with one planted mistake each, judged by the emulator.

The learner gets a kernel that is wrong or slow, and mends it.  The child process launches it in the
emulator (minicnn/verify/gpu); the answer has y, the emulator's sentence if it has found a fault,
and what the launch has cost.

    Mending   the exercise; text: its kernel; cases: title → arguments for a launch; hints: the
              kind of a fault → (hint, stronger hint)
    report    (y, fault, sectors, fewest sectors, turns, fewest turns), from gpu_child.py
"""

from collections import namedtuple

import numpy as np

from minicnn.cuda.gpu import cuda

Mending = namedtuple("Mending", "name question text cases right hints praise")
CHILD = "lessons.exercises.gpu_child"  # what the child process imports first
INSTALL = "python -m pip install '.[cuda12]'"

HEAD = '''"""Exercise {name}: {question}  (Lesson 19)

{task}  Mend it, then check it:

    python -m lessons check {path}
"""

import numpy as np

from minicnn.cuda.gpu import cuda


@cuda.jit
'''

NEIGHBOURS = '''def neighbour_sum_kernel(x, y):
    """y[i] = x[i] + x[i + 1]; y has one entry fewer than x."""
    i = cuda.grid(1)
    if i < x.size:
        y[i] = x[i] + x[i + 1]
'''
BLOCK_SUM = '''def block_sum_kernel(x, y):
    """y[b] = the sum of the 64 entries of x that belong to block b, by halving."""
    parts = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    parts[t] = x[64 * cuda.blockIdx.x + t]
    cuda.syncthreads()
    half = 32
    while half > 0:
        if t < half:
            parts[t] += parts[t + half]
        half //= 2
    if t == 0:
        y[cuda.blockIdx.x] = parts[0]
'''
TURNED = '''def turned_tile_kernel(x, y):
    """y = x.T, by way of a tile in shared memory; x has 32×32 entries."""
    tile = cuda.shared.array((32, 32), np.float32)
    row, column = cuda.threadIdx.y, cuda.threadIdx.x
    tile[row, column] = x[row, column]
    cuda.syncthreads()
    y[row, column] = tile[column, row]
'''


def drawn(*shape):
    """Return whole numbers, whose sums are exact in any order."""
    return np.random.default_rng(0).integers(-9, 10, shape).astype(np.float32)


MENDINGS = [
    Mending(
        "neighbour_sum_kernel",
        "Which thread asks for a number that is not there?",
        NEIGHBOURS,
        {
            "129 numbers, 4 blocks of 32 threads": ((129,), (128,), 4, 32),
            "100 numbers, 4 blocks of 32 threads": ((100,), (99,), 4, 32),
        },
        lambda x: x[:-1] + x[1:],
        dict.fromkeys(
            ("outside", "missing numbers"),
            (
                "The last thread that may run is the last one for which both x[i] and x[i + 1] "
                "exist.",
                "Compare i with the size of y.",
            ),
        ),
        "no thread leaves the arrays, whatever their size",
    ),
    Mending(
        "block_sum_kernel",
        "Who has read a sum before it was complete?",
        BLOCK_SUM,
        {
            "64 numbers, 1 block": ((64,), (1,), 1, 64),
            "192 numbers, 3 blocks": ((192,), (3,), 3, 64),
        },
        lambda x: x.reshape(-1, 64).sum(axis=1),
        dict.fromkeys(
            ("race", "barrier"),
            (
                "Every round of the loop reads what other threads wrote in the round before.  All "
                "threads of the block must come to the same barrier, also those that add nothing.",
                "The place of cuda.syncthreads() is at the end of the loop's body, outside of the "
                "if.",
            ),
        ),
        "a barrier is between every write and the reads of others",
    ),
    Mending(
        "turned_tile_kernel",
        "Why does a column of the tile take 32 turns?",
        TURNED,
        {"32×32 numbers, a block of 32×32 threads": ((32, 32), (32, 32), 1, (32, 32))},
        lambda x: x.T,
        {
            "bank conflict": (
                "Shared memory has 32 banks, and word n is in bank n % 32.  The words of a column "
                "are 32 apart, so they are all in one bank.",
                "A tile of 32×33, with a column that no one uses, puts neighbours of a column in "
                "different banks.",
            ),
            "uncoalesced": (
                "The threads of a warp differ in threadIdx.x, and their numbers should be "
                "neighbours in global memory: both x and y go by rows.",
                "The tile is what makes that possible: write it by rows, read it by columns.",
            ),
            "race": (
                "A thread reads from the tile what another one writes: a barrier between the two.",
                "cuda.syncthreads() stands after the tile is written and before it is read.",
            ),
        },
        "rows in global memory, and no bank conflict in shared memory",
    ),
]
KERNELS = {mending.name: mending for mending in MENDINGS}


def template(mending, path):
    """Return the text of the file that a learner starts with."""
    is_slow = mending.name == "turned_tile_kernel"
    task = f"This kernel is {'right, but slow' if is_slow else 'wrong'}, for one reason."
    head = HEAD.format(name=mending.name, question=mending.question, task=task, path=path)
    return head + mending.text


def missing():
    """Return a sentence if the emulator cannot run here, else None."""
    if cuda.implementation == "NVIDIA":
        return None
    return f"Kernels are judged by an emulator that needs numba-cuda: {INSTALL}"


def calls(name):
    """Return the calls of all cases, (args, options), for the child process."""
    return [
        ((drawn(*x), np.zeros(y, np.float32), grid, block), {})
        for x, y, grid, block in KERNELS[name].cases.values()
    ]


def judge(name, answers):
    """Return (title, what `wrong` says) for each case that was answered."""
    mending = KERNELS[name]
    cases = zip(mending.cases, calls(name), answers, strict=False)
    return [(title, wrong(mending, args, answer)) for title, (args, _), answer in cases]


def wrong(mending, args, answer):
    """Return (its kind, a sentence) of the first thing that is wrong in an answer, or None."""
    if error := answer["raised"]:
        where = f"line {error['line']}, `{error['code']}`: " if error["line"] else ""
        return "error", f"{where}{error['type']}: {' '.join(error['message'].split())}"
    right = mending.right(args[0])
    if not is_report(answer["returned"], right.shape):
        return "no report", "What came back is no report of a launch."
    y, fault, sectors, fewest, turns, least = answer["returned"]
    if fault:
        return fault.partition(":")[0], fault
    if not np.array_equal(y, right):
        at = tuple(int(n) for n in np.argwhere(y != right)[0])
        index = ", ".join(map(str, at))
        kind = "wrong numbers" if y[at[0] :].any() else "missing numbers"
        return kind, f"y[{index}] is {y[at]:g}, and should be {right[at]:g}."
    if mending.name == "turned_tile_kernel" and sectors > fewest:
        words = f"It moves {sectors:,} sectors of global memory; {fewest:,} would do."
        return "uncoalesced", words
    if mending.name == "turned_tile_kernel" and turns > least:
        words = f"It is right, but takes {turns:,} turns in shared memory; {least:,} would do."
        return "bank conflict", words
    return None


def advice(name, fault):
    """Return the hint and the stronger one for a fault as `wrong` returns it, or two Nones."""
    kind, sentence = fault
    if kind == "race" and "shared address" not in sentence:
        return None, None  # y is written by several threads
    return KERNELS[name].hints.get(kind, (None, None))


def is_report(value, shape):
    """Return whether a value from the child has the form of a report."""
    return (
        isinstance(value, tuple)
        and len(value) == 6
        and isinstance(value[0], np.ndarray)
        and value[0].shape == shape
        and isinstance(value[1], str)
        and all(isinstance(n, int) for n in value[2:])
    )


def praise(name):
    """Return what the tutor says of a kernel that is right."""
    return f"{name} is right: {KERNELS[name].praise}.  Well done!"
