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
    gradcheck.py              checks every backward pass against finite differences
    step.py, stepping/        steps through all of it line by line, and shows its arrays
    two_columns.py            the two columns of Figure 2: one function and three layers

    networks/                 the networks as tables
        cifar.py, alexnet.py        the networks of Figure 1, and AlexNet itself
        other_alexnets.py, vgg.py   what other libraries call AlexNet; VGG
        catalogue.py                every network by its name
        summary.py                  shapes, receptive fields, parameters and memory of a network
        comparison.py               how two networks differ, layer by layer
    data/                     CIFAR-10 and your own photographs
        augment.py, batches.py      patches, mirror images and colour noise; batches of images
        views.py                    how the pixels of an image become a network's input
    training/                 how a network learns
        train.py, schedules.py      the training loop, and when its learning rate falls
        preconditions.py            what must hold before the first step
        run.py, saved_run.py        the state of a run, and how it is saved and checked
        recipes.py                  default training options for each network
        evaluate.py, predictor.py   errors; predictions of a trained network from several views
        transfer.py                 weights of a trained network for a new one
    weights/                  reads and writes weights of Caffe and PyTorch
    plots/                    curves; kernels, images and feature maps: Figures 3 and 4
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
contract of a backend; checks.py, the checks of a layer's arguments; storage.py, arrays and facts in
one file; errors.py, console.py, machine.py and jit.py.  `import minicnn` loads no other module:
minicnn.net, minicnn.fast and the rest are imported on first use.
"""

import importlib

__version__ = "0.1.0"

_MODULES = (
    "reference fast cuda shapes checks net gradcheck two_columns backends step networks data "
    "training weights plots experiments verify bench commands storage console errors machine"
).split()


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module 'minicnn' has no attribute '{name}'; it has {', '.join(_MODULES)}"
    )


def __dir__():
    return sorted({*globals(), *_MODULES})
