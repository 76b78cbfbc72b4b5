"""The same layers for speed on a CPU: Numba loops, in files named as in reference/.

Most layers are a simple loop over numbers.  The layers build on these files, in reading order:

    flags.py, threads.py           how loops are compiled, and how threads share them
    buffers.py                     memory that is used again
    layout.py                      the order of an array's numbers in memory
    vector.py                      vectors as a type
    product.py                     the matrix product of convolutions and fully connected layers
    transforms.py, winograd.py     convolutions with fewer multiplications
    winograd_rows.py               the same for images of few channels
    fused.py                       layers that include their neighbour's ReLU
    two_columns.py                 two columns at the same time

Compiled code is kept on disk; minicnn/jit.py makes sure that it is never stale.
"""

import os
import sys

# Numba reads the maximum number of threads from the environment when it is imported.
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
from .local import local_backward, local_forward
from .lrn import lrn_backward, lrn_forward
from .map_lrn import map_lrn_backward, map_lrn_forward
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
