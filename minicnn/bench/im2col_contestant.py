"""Convolution as in typical course code: an index array, one matrix product, np.add.at.

places   an index that selects all windows of a batch at once
cols     (C·f·f, H_out·W_out·N)   the windows, one per column
"""

from functools import partial

import numpy as np

from ..net import kind_of
from ..shapes import out_size
from .minicnn_contestant import Minicnn


class Course(Minicnn):
    """minicnn.reference with course code for convolution; nothing else is timed."""

    def __init__(self, network, batch):
        super().__init__("reference", network, batch)

    def rows(self):
        return [case for case in super().rows() if case["row"] in self.records]

    def passes(self, layer):
        """Return both passes as one, if course code supports the layer."""
        supported = kind_of(layer) == "conv" and not {"groups", "ceil_mode"} & set(layer.options)
        return ["forward + backward"] if supported else []

    def layer(self, name, pass_name):
        layer, x, _, _, dy = self.records[name]
        forward = partial(course_conv_forward, x, *layer.params.values(), **layer.options)
        return lambda: course_conv_backward(dy, forward()[1])


def course_conv_forward(x, w, b, stride=1, pad=0):
    """Return y and the cache."""
    N, C, H, W = x.shape
    K, _, f, _ = w.shape
    H_out, W_out = out_size(H, f, stride, pad), out_size(W, f, stride, pad)
    channel, i, j = np.indices((C, f, f)).reshape(3, -1, 1)  # (C·f·f, 1) each
    u, v = stride * np.indices((H_out, W_out)).reshape(2, 1, -1)  # (1, H_out·W_out) each
    places = (slice(None), channel, i + u, j + v)

    x_all = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = x_all[places]  # (N, C·f·f, H_out·W_out)
    cols = windows.transpose(1, 2, 0).reshape(C * f * f, -1)  # (C·f·f, H_out·W_out·N)
    y_rows = np.dot(w.reshape(K, -1), cols) + b.reshape(-1, 1)
    y = y_rows.reshape(K, H_out, W_out, N).transpose(3, 0, 1, 2)
    return y, (x_all.shape, cols, places, w, pad)


def course_conv_backward(dy, cache):
    """Return dx, dw, db; np.add.at sends every entry of dcols back to its pixel."""
    shape, cols, places, w, pad = cache
    N, _, H_all, W_all = shape
    K, rows = len(w), len(cols)
    dy_rows = dy.transpose(1, 2, 3, 0).reshape(K, -1)
    dw = np.dot(dy_rows, cols.T).reshape(w.shape)
    dcols = np.dot(w.reshape(K, -1).T, dy_rows)  # (C·f·f, H_out·W_out·N)
    dwindows = dcols.reshape(rows, -1, N).transpose(2, 0, 1)  # (N, C·f·f, H_out·W_out)
    dx_all = np.zeros(shape, dy.dtype)
    np.add.at(dx_all, places, dwindows)
    dx = dx_all[:, :, pad : H_all - pad, pad : W_all - pad]
    return dx, dw, dy.sum(axis=(0, 2, 3))
