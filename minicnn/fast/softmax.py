"""Softmax and its loss have little to do, a few numbers an image: reference/softmax.py, unchanged.

At most a thousand numbers, one a class, against millions in a convolution.
"""

from ..reference.softmax import softmax, softmax_loss_backward, softmax_loss_forward

__all__ = ["softmax", "softmax_loss_backward", "softmax_loss_forward"]
