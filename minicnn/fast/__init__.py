"""The same layers for speed on a CPU: Numba loops, in files named like those of reference/.

A simple loop over numbers is all that most layers need.  Beside the layers there are eight files,
to be read in this order: flags.py and threads.py, how the loops are compiled and shared out;
buffers.py, memory that is used again; layout.py, where the numbers of an array lie in it;
vector.py, vectors as a type; product.py, the one product behind convolutions and fully connected
layers; transforms.py and winograd.py, convolutions with fewer multiplications.  And behind the
layers fused.py, rows that do a neighbour's ReLU on the way, and two_columns.py, two columns at
once.

Compiled code is kept on disk: see minicnn/jit.py, which also sees that it is never stale.
"""

import os
import sys

# The most threads that there can be is Numba's number, which it reads when it is imported.
if os.environ.get("MINICNN_THREADS", "0").strip("0").isdecimal() and "numba" not in sys.modules:
    os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["MINICNN_THREADS"])

from . import device as device, fused as fused, two_columns as columns  # noqa: F401
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
