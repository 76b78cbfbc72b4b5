"""Softmax and its loss: reference/softmax.py, unchanged.

They handle at most a thousand numbers per image, one for each class; a convolution handles
millions.
"""

from ..reference.softmax import softmax, softmax_loss_backward, softmax_loss_forward

__all__ = ["softmax", "softmax_loss_backward", "softmax_loss_forward"]
