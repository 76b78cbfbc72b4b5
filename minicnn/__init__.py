"""minicnn: AlexNet, line by line.

Every layer of Krizhevsky, Sutskever and Hinton (2012), forward and backward, in NumPy and Numba.

Reading order
-------------
1.  reference/relu … `reference/activations.py`, `pool.py`, `lrn.py`, `fc.py`, `dropout.py`, `softmax.py`: one layer
    a file, the definition.
2.  `reference/im2col.py`, then `reference/conv.py`: convolution as one matrix product an image.
3.  `reference/sgd.py`: the update rule of Section 5.
4.  `net.py`: a network is a list of rows, and walking it is the whole framework.
5.  `cifar.py`, `halves.py`, `alexnet.py`: the networks, as tables.
6.  `train.py`, `checkpoint.py`: the loop around it all.
7.  `gradcheck.py`: why you may believe every backward pass.
8.  `figure1.py`, `study.py`: the paper's Figure 1, and the map around it.
9.  `fast/`: the same layers again, for speed; each file stands beside its reference.

`import minicnn` loads none of these: `minicnn.reference`, `minicnn.fast` and the rest arrive when first named.
"""

import importlib

__version__ = "0.1.0"

_MODULES = (
    "reference fast net halves cifar alexnet train checkpoint gradcheck data figure1 study figures"
).split()


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'minicnn' has no attribute '{name}'; it has {', '.join(_MODULES)}")


def __dir__():
    return sorted([*globals(), *_MODULES])
