"""The same layers for a GPU: kernels in numba.cuda, in files named like those of reference/.

A kernel is written like the body of a loop: it runs once for each of many threads, and asks which
one it is.  activations.py is the place to begin, then pool.py, lrn.py, dropout.py and softmax.py.
Beside the layers there are, in reading order, gpu.py, the device as the host sees it; buffers.py,
memory that is used again; device.py, how arrays get there and back; settings.py, what a user may
change; vector_loads.py, four numbers at a time; reductions.py, what threads add up together;
operands.py, product.py and tiles.py, the one product behind conv.py and fc.py; simulator.py, how
all of it runs without a GPU; patches.py, what NumPy and Numba lack for that.

    python -m minicnn.cuda.check       is everything right on this GPU?
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
from .lrn import lrn_backward, lrn_forward
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
    "logistic_backward",
    "logistic_forward",
    "lrn_backward",
    "lrn_forward",
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
