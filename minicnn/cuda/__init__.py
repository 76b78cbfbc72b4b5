"""The same layers for a GPU: kernels in numba.cuda, in files named as in reference/.

A kernel is written like the body of a loop.  It runs once in each of many threads, and asks which
one it is in.  Begin with activations.py, then read pool.py, lrn.py, dropout.py and softmax.py.
They build on these files, in reading order:

    gpu.py                             the device as the host sees it
    buffers.py                         memory that is used again
    device.py                          how arrays get to the device and back
    settings.py                        what a user may change
    vector_loads.py                    four numbers in one instruction
    reductions.py                      sums and maxima over the threads of a block
    operands.py, product.py, tiles.py  the matrix product of conv.py and fc.py
    tf32.py                            the same on tensor cores
    two_columns.py                     two columns, on one GPU or two
    patches.py                         temporary changes to other libraries

    python -m minicnn.cuda.check       is everything right on this GPU?  --emulate needs none
    python -m minicnn.cuda.compiled    do all kernels compile, and what do they need?  Needs no GPU
"""

from types import SimpleNamespace

from . import device as device, two_columns as columns  # noqa: F401
from .activations import (
    logistic_backward,
    logistic_forward,
    relu_backward,
    relu_forward,
    tanh_backward,
    tanh_forward,
)
from .conv import conv_backward, conv_forward
from .device import to_device, to_host
from .dropout import (
    dropout_backward,
    dropout_forward,
    dropout_predict_backward,
    dropout_predict_forward,
)
from .fc import fc_backward, fc_forward
from .local import local_backward, local_forward
from .lrn import lrn_backward, lrn_forward
from .map_lrn import map_lrn_backward, map_lrn_forward
from .pool import average_pool_backward, average_pool_forward, pool_backward, pool_forward
from .settings import settings as settings
from .sgd import sgd_update
from .softmax import softmax, softmax_loss_backward, softmax_loss_forward

fused = SimpleNamespace()  # there are no such kernels

__all__ = [
    "average_pool_backward",
    "average_pool_forward",
    "conv_backward",
    "conv_forward",
    "dropout_backward",
    "dropout_forward",
    "dropout_predict_backward",
    "dropout_predict_forward",
    "fc_backward",
    "fc_forward",
    "local_backward",
    "local_forward",
    "logistic_backward",
    "logistic_forward",
    "lrn_backward",
    "lrn_forward",
    "map_lrn_backward",
    "map_lrn_forward",
    "pool_backward",
    "pool_forward",
    "relu_backward",
    "relu_forward",
    "sgd_update",
    "softmax",
    "softmax_loss_backward",
    "softmax_loss_forward",
    "tanh_backward",
    "tanh_forward",
    "to_device",
    "to_host",
]
