"""The exercises in teaching order, and the file that a learner starts with.

    name      the function to write, as minicnn.reference calls it
    lesson    the number of the lesson that belongs to it
    question  one line for the list
    outputs   the names of the function's results
    given     imports from minicnn for the learner's file, so that only the idea is left to write

Signature, docstring and legend are read from the library's source, so they cannot drift from it.
"""

import ast
import difflib
import functools
import inspect
import pathlib
from collections import namedtuple

from minicnn import reference
from minicnn.reference import im2col as im2col_module
from minicnn.storage import Kind, write_text

from . import gpu_kernels

Exercise = namedtuple("Exercise", "name lesson question outputs given")

FOLDER = pathlib.Path("runs/exercises")

OUT_SIZE = "from minicnn.shapes import out_size"
POOL_SIZE = "from minicnn.shapes import pool_size"
IM2COL = "from minicnn.reference.im2col import im2col"
IM2COL_COL2IM = "from minicnn.reference.im2col import col2im, im2col"
SUM_OVER_CHANNELS = "from minicnn.reference.lrn import sum_over_channels"
SUM_OVER_WINDOW = "from minicnn.reference.map_lrn import sum_over_window"
WINDOW_OF = "from minicnn.reference.local import window_of, with_border"
SOFTMAX = "from minicnn.reference.softmax import softmax"

EXERCISES = [
    Exercise("relu_forward", 2, "What does a unit let through?", ("y", "cache"), []),
    Exercise("relu_backward", 2, "Which gradients pass a unit that was off?", ("dx",), []),
    Exercise("tanh_backward", 2, "What is left of a gradient where tanh is flat?", ("dx",), []),
    Exercise("fc_forward", 4, "How does every output see every input?", ("y", "cache"), []),
    Exercise("fc_backward", 7, "Two products and a sum: which is which?", ("dx", "dw", "db"), []),
    Exercise("im2col", 10, "How does a convolution become a matrix product?", ("cols",), []),
    Exercise("col2im", 10, "What if a pixel appears in several columns?", ("dx",), []),
    Exercise("conv_forward", 1, "How does a kernel slide?", ("y", "cache"), [OUT_SIZE, IM2COL]),
    Exercise(
        "conv_backward",
        9,
        "How does a gradient find its way to pixels, kernels and biases?",
        ("dx", "dw", "db"),
        [IM2COL_COL2IM],
    ),
    Exercise("local_forward", 18, "What if a kernel does not slide?", ("y", "cache"), [WINDOW_OF]),
    Exercise(
        "local_backward",
        18,
        "Which sums of a convolution are gone?",
        ("dx", "dw", "db"),
        [WINDOW_OF],
    ),
    Exercise("pool_forward", 3, "Who wins in each window?", ("y", "cache"), [POOL_SIZE]),
    Exercise("pool_backward", 3, "What if one pixel wins twice?", ("dx",), []),
    Exercise("average_pool_backward", 3, "How large is a pixel's share of a window?", ("dx",), []),
    Exercise("lrn_forward", 12, "How do neighbouring kernels compete?", ("y", "cache"), []),
    Exercise(
        "lrn_backward", 12, "Which other channels felt this one?", ("dx",), [SUM_OVER_CHANNELS]
    ),
    Exercise("map_lrn_forward", 12, "How do neighbouring pixels compete?", ("y", "cache"), []),
    Exercise(
        "map_lrn_backward", 12, "Which other pixels felt this one?", ("dx",), [SUM_OVER_WINDOW]
    ),
    Exercise("dropout_forward", 13, "Which units are dropped this time?", ("y", "cache"), []),
    Exercise("dropout_backward", 13, "What do the dropped units learn?", ("dx",), []),
    Exercise("softmax", 5, "How do scores become probabilities?", ("p",), []),
    Exercise(
        "softmax_loss_forward", 5, "How wrong is a prediction, in nats?", ("loss", "cache"), []
    ),
    Exercise(
        "softmax_loss_backward", 5, "How far off is each probability?", ("dscores",), [SOFTMAX]
    ),
    Exercise("sgd_update", 6, "Where does the learning rate go?", ("w", "v"), []),
]
KERNELS = [
    Exercise(mending.name, 19, mending.question, ("y",), []) for mending in gpu_kernels.MENDINGS
]
BY_NAME = {exercise.name: exercise for exercise in [*EXERCISES, *KERNELS]}
BARE = ("im2col", "col2im", "softmax")  # these return an array, not a tuple


def find(name):
    """Return the Exercise of this name.

    Raises ValueError if there is none.  The message suggests similar names, or the exercises of a
    lesson if the name is its number.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    near = difflib.get_close_matches(name, BY_NAME, n=2)
    near = near or [e.name for e in BY_NAME.values() if str(e.lesson) == name]
    hint = f"did you mean {' or '.join(near)}?" if near else "python -m lessons exercise lists all"
    raise ValueError(f"{name!r} is not an exercise; {hint}")


def following(name):
    """Return the Exercise after this one, or None after the last."""
    exercises = KERNELS if name in gpu_kernels.KERNELS else EXERCISES
    place = exercises.index(BY_NAME[name]) + 1
    return exercises[place] if place < len(exercises) else None


def function(name):
    """Return the library's own function, as plain Python."""
    module = im2col_module if hasattr(im2col_module, name) else reference
    f = getattr(module, name)
    return getattr(f, "py_func", f)  # the Python of a compiled kernel


@functools.cache
def source(name):
    """Return the source of the library's function, starting at its `def`."""
    text = inspect.getsource(function(name))
    return text[text.index("def ") :]


def signature(name):
    """Return the name and parameters of a function: "relu_backward(dy, cache)"."""
    return f"{name}{inspect.signature(function(name))}"


def forward_of(name):
    """Return the name of the forward pass of this layer."""
    return name.removesuffix("_backward").removesuffix("_forward") + "_forward"


def cache_text(name):
    """Return the cache of this layer's forward pass as code, "(x, w)", or None if it has none."""
    forward = forward_of(name)
    if not hasattr(reference, forward):
        return None
    value = ast.parse(source(forward)).body[0].body[-1].value  # what its last line returns
    return ast.unparse(value.elts[1])


def template(name, path="FILE", formula=True):
    """Return the text of the file in which a learner writes this function.

    Parameters
    ----------
    name : str
        The exercise.
    path : path
        The file's path, for the command in the text that checks it.
    formula : bool
        Whether to keep the formulas, which give the answer away.

    Returns
    -------
    str
        The layer's legend as docstring, the imports, and the function with an empty body.
    """
    if name in gpu_kernels.KERNELS:
        return gpu_kernels.template(gpu_kernels.KERNELS[name], path)
    exercise, legend = find(name), inspect.getmodule(function(name)).__doc__.strip()
    if not formula:
        title, *parts = legend.split("\n\n")
        legend = "\n\n".join([title, *(part for part in parts if not has_formula(part))])
    head = f'''"""Exercise {name}: {exercise.question}  (Lesson {exercise.lesson})

Write the body of the function, then check it:

    python -m lessons check {path}

{home(name)} introduces its layer like this, with a legend of its letters:

{legend}
"""
'''.replace("\\", "\\\\")
    return f"{head}\n{imports(name)}\n\n\n{empty(name, formula)}"


def home(name):
    """Return the library file that defines the function: "minicnn/reference/pool.py"."""
    return f"minicnn/reference/{function(name).__module__.rpartition('.')[2]}.py"


def imports(name):
    """Return the import lines that the learner is given."""
    given = find(name).given
    return "\n".join(["import numpy as np", *([""] if given else []), *given])


def has_formula(text):
    """Return whether a paragraph has a formula; a table of names and shapes is none."""
    return "=" in text or not text.startswith("    ") and any(sign in text for sign in "−²Σ^")


def empty(name, formula=True):
    """Return the function with its signature and docstring, and a body still to be written."""
    tree = ast.parse(source(name)).body[0]
    lines = source(name).splitlines()
    start = tree.body[0].end_lineno  # the last line of the docstring
    if not formula and has_formula(ast.get_docstring(tree)):
        results = [output for output in find(name).outputs if output != "cache"]
        lines[:start] = [lines[0], f'    """Return {", ".join(results)}."""']
        start = 2
    body = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == "cache":
            body.append(f"{lines[node.lineno - 1].strip()}  # what {forward_of(name)} kept")
    outputs = ", ".join(find(name).outputs)
    body.append(f'raise NotImplementedError("{name} is still to be written")')
    if "cache" in find(name).outputs:
        outputs = outputs.replace("cache", cache_text(name))
    elif len(find(name).outputs) == 1 and name not in BARE:
        outputs = f"({outputs},)"
    body.append(f"# return {outputs}")
    return "\n".join(lines[:start] + [f"    {line}" for line in body]) + "\n"


def write(name, path=None, force=False, formula=True):
    """Write the file that a learner starts with, and return its path.

    Parameters
    ----------
    name : str
        The exercise.
    path : path
        The file; the default is runs/exercises/NAME.py.
    force : bool
        Whether to overwrite an existing file.
    formula : bool
        Whether to keep the formulas of the library's docstrings.

    Raises
    ------
    ValueError
        If there is no such exercise, or the file exists.
    OSError
        If it cannot be written.
    """
    find(name)
    path = pathlib.Path(path or FOLDER / f"{name}.py")
    if path.is_dir():
        path = path / f"{name}.py"
    if path.exists() and not force:
        raise ValueError(
            f"{path} exists already, and your work may be in it; --force starts over, "
            "--out names another file"
        )
    write_text(path, template(name, path, formula), Kind("a text", rb"[^\0]*\Z"))
    return path
