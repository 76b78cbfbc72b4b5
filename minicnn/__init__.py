"""minicnn: AlexNet, line by line.

Every layer of Krizhevsky, Sutskever and Hinton (2012), forward and backward, in NumPy and Numba.

If you want to read it all, here is an order in which every file builds on those above it:

    reference/activations.py      ReLU, tanh and the logistic function: the shortest layers
    reference/fc.py               a fully connected layer
    reference/softmax.py          probabilities, and the loss
    shapes.py                     how many windows fit into an image
    reference/pool.py             overlapping pooling
    reference/lrn.py              local response normalization
    reference/dropout.py          dropout
    reference/im2col.py, conv.py  convolution, as one matrix product an image
    reference/sgd.py              the update rule
    net.py                        a network is a list of rows; walking it is the whole framework
    gradcheck.py                  why you may believe every backward pass
    step.py, stepping/            step through all of it line by line, with its arrays
    two_columns.py                two columns: one function and one layer
    networks/cifar.py, networks/alexnet.py  the networks of Figure 1, as tables of rows, and AlexNet
    itself
    networks/other_alexnets.py    what other libraries call AlexNet
    networks/vgg.py, networks/catalogue.py  VGG; every network by its name
    networks/summary.py           what a network has: shapes, receptive fields, numbers, memory
    data/                         CIFAR-10, your own photographs, more images from those there are
    storage.py, training/run.py  what a run knows of itself, and how it is saved
    training/evaluate.py          predictions from several views, errors, ensembles
    training/train.py, training/schedules.py  the training loop, and when its learning rate falls
    training/recipes.py           the numbers that each network's training starts from
    training/predictor.py         a trained network, and how it wants its images
    plots/gallery.py, experiments/neighbours.py  Figures 3 and 4: what it has learned, and what it
    finds
                                        alike
    experiments/binary_codes.py   short binary codes from its features
    weights/exchange.py, weights/conventions.py  weights of Caffe and torchvision; formats/ reads
    their files experiments/figure1.py, experiments/figure1_sweep.py  ReLU against tanh, and when
    the paper's claim holds experiments/column_specialization.py  what two columns that seldom talk
    learn
    experiments/timeline.py       which of their rows runs when, and what crosses
    fast/                         the same layers for speed; each file has its twin in reference/
    cuda/                         and once more, as kernels for a GPU
    bench/                        how fast every row is, and PyTorch's
    __main__.py, commands/        the command line

checks.py, which every layer asks about its arguments, can wait until an error message brings you
there, and so can jit.py, which keeps what Numba compiles, console.py, a bar, tables.py and
plots/fonts.py.  `import minicnn` loads none of these: minicnn.net, minicnn.fast and the rest are
imported when they are first named.
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
