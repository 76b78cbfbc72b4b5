"""minicnn: AlexNet, line by line.

Every layer of Krizhevsky, Sutskever and Hinton (2012), forward and backward, in NumPy and Numba.
These are all files in reading order: each one builds on those above it.

    reference/    the definition of every layer, in NumPy: the backend to read
        activations.py        ReLU, tanh and the logistic function: the shortest layers
        fc.py                 a fully connected layer
        softmax.py            probabilities, and the loss
        pool.py               overlapping pooling; shapes.py counts how many windows fit
        lrn.py, map_lrn.py    normalization over neighbouring channels, and within a map
        dropout.py            dropout
        im2col.py, conv.py    convolution, as one matrix product per image
        local.py              a locally connected layer: a convolution that shares no kernels
        sgd.py                the update rule
    net.py                    a network is a list of layers; walking it is the whole framework
    gradcheck/                checks every backward pass against finite differences
    step.py, stepping/        steps through all of it line by line, and shows its arrays
    two_columns.py            the two columns of Figure 2: one function and three layers

    networks/                 the networks as tables
        cifar.py, alexnet.py        the networks of Figure 1, and AlexNet itself
        other_alexnets.py, vgg.py   what other libraries call AlexNet; VGG
        catalogue.py                every network by its name
        summary.py                  shapes, receptive fields, parameters and memory of a network
        comparison.py               how two networks differ, layer by layer
    data/                     CIFAR-10, your own photographs, and a network that has learned
        augment.py, batches.py      patches, mirror images and colour noise; batches of images
        views.py                    how the pixels of an image become a network's input
    training/                 how a network learns
        train.py, schedules.py      the training loop, and when its learning rate falls
        preconditions.py            what must hold before the first step
        divergence.py               where a number that is not finite arose
        run.py, saved_run.py        the state of a run, and how it is saved and checked
        recipes.py                  default training options for each network
        evaluate.py, predictor.py   errors; predictions of a trained network from several views
        transfer.py                 weights of a trained network for a new one
        inspection.py               what it makes of an image, unit by unit
        make_trained.py             how the bundled network was made
    distributed/              training on several machines, over MPI
        tree.py, shards.py          batches in parts, whose gradients are added in a fixed order
        launch.py, alone.py, ranks.py     one process, or several that communicate
        columns.py, hybrid.py       two columns on two machines; the hybrid of 2014
        traffic.py                  what crosses the network in a step
    weights/                  reads and writes weights of Caffe and PyTorch
    plots/                    curves; kernels, images and feature maps: Figures 3 and 4; a page
    experiments/              tests of the paper's claims
        figure1.py, figure1_sweep.py      ReLU against tanh, and when the claim holds
        column_specialization.py          what two columns learn that seldom communicate
        timeline.py                       when each column computes, and what crosses
        neighbours.py, binary_codes.py    similar images, by features and by short codes
        journal.py                        how an experiment resumes after it was stopped

    fast/                     the same layers for speed; each file has its counterpart in reference/
    cuda/                     the same layers as kernels for a GPU
    verify/                   tools that check the library: its gradients and its GPU backend
    bench/                    how fast every layer is, compared with PyTorch's
    __main__.py, commands/    the command line

The small files of the root serve all of them, and can wait until you need them: backends.py, the
contract of a backend; checks.py, the checks of a layer's arguments; storage/, files that are
written whole or not at all; errors.py, console.py, machine.py and jit.py.  `import minicnn` loads
no other module: minicnn.net, minicnn.fast and the rest are imported on first use.
"""

import importlib
import sys

__version__ = "0.1.0"


def _demand_environment():
    """Refuse a Python that is too old, or that lacks a package, and say what to type.

    A command ends with that sentence.  A program that imports minicnn gets an ImportError if its
    Python is too old; a missing package is named by its own import.  An old Python must be able
    to read this file and lessons/__init__.py.
    """
    import os
    from importlib.util import find_spec

    command = os.path.splitext(os.path.basename(sys.argv[0] if sys.argv else ""))[0]
    is_command = command in ("-m", "minicnn")  # python -m lessons, python -m minicnn, or minicnn
    old = sys.version_info < (3, 11)  # noqa: UP036
    packages = ["numpy", "numba", "PIL", "matplotlib", "tqdm"] if is_command else []
    missing = [name.replace("PIL", "pillow") for name in packages if not find_spec(name)]
    if not old and not missing:
        return
    from shutil import which

    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    is_clone = os.path.exists(os.path.join(top, "requirements.txt"))
    needs = "-r requirements.txt" if is_clone else "numpy numba pillow matplotlib tqdm"
    names = ["python3.%d" % minor for minor in (13, 12, 14, 15, 11)]  # noqa: UP031
    windows = sys.platform == "win32"
    newer = "py -3" if windows else next(filter(which, names), "python3.11")
    venv = os.path.join(".venv", "Scripts" if windows else "bin", "python")
    ready = os.path.join(top, venv) + (".exe" if windows else "")
    if old:
        problem = "minicnn needs Python 3.11 or newer, and this is " + sys.version.split()[0]
    else:
        problem = "minicnn needs " + ", ".join(missing) + ", which this Python does not have"
    if is_clone and os.path.exists(ready) and sys.prefix != os.path.join(top, ".venv"):
        advice = "type " + venv + " in place of python"
    elif missing and sys.prefix != sys.base_prefix:
        advice = "type " + sys.executable + " -m pip install " + needs
    else:
        python = newer if old else sys.executable
        advice = "type " + python + " -m venv .venv, then " + venv + " -m pip install " + needs
        advice += ", and from then on " + venv + " in place of python"
    raise (SystemExit if is_command else ImportError)(problem + ": " + advice)


_demand_environment()

_MODULES = (
    "reference fast cuda shapes checks net gradcheck two_columns backends step networks data "
    "training distributed weights plots experiments verify bench commands storage console errors "
    "machine"
).split()


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module 'minicnn' has no attribute '{name}'; it has {', '.join(_MODULES)}"
    )


def __dir__():
    return sorted({*globals(), *_MODULES})
