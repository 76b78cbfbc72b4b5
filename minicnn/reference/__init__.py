"""The definition: every layer in plain NumPy, one layer a file.  This is the backend to read."""

from types import SimpleNamespace

from ..backends import Settings
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
from .sgd import sgd_update
from .softmax import softmax, softmax_loss_backward, softmax_loss_forward

fused = SimpleNamespace()  # this backend computes one layer at a time
settings = Settings("reference")

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
