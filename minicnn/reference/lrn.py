"""Local response normalization (Section 3.3): neighbouring kernels compete for large activities.

    b_i = a_i / (k + α Σ_j a_j²)^β        j runs over the n channels around i that exist

    x      (N, C, H, W)      the paper's a
    scale  (N, C, H, W)      k + α Σ_j x_j²
    y      (N, C, H, W)      the paper's b

The paper's constants: k = 2, n = 5, α = 1e-4, β = 0.75.  Here α multiplies the sum as printed;
the code of 2012, Caffe and PyTorch divide it by n first.  The window is i − n//2 … i + (n−1)//2.
With groups=2 it does not cross from one half of the channels into the other, as in the original,
where each half lived on its own GPU.

Backward: x_i counts twice, in its own numerator and in the scale of every neighbour j whose window
holds it.  There, ∂y_j/∂x_i = −2αβ · x_i · y_j / scale_j, and so

    dx_i = dy_i · scale_i^−β  −  2αβ x_i Σ_j dy_j · y_j / scale_j
"""

import numpy as np

from ..checks import check_cache, check_gradient, check_lrn


def sum_over_channels(q, before, after, groups):
    """Return, for every channel i, the sum of q over i − before … i + after in its group."""
    N, C, H, W = q.shape
    C_group = C // groups
    q = q.reshape(N, groups, C_group, H, W)
    sums = np.empty_like(q)
    for i in range(C_group):
        window = q[:, :, max(0, i - before) : i + after + 1]  # (N, groups, up to n, H, W)
        sums[:, :, i] = window.sum(axis=2)
    return sums.reshape(N, C, H, W)


def lrn_forward(x, k=2, n=5, alpha=1e-4, beta=0.75, groups=1):
    """Return y and the cache that lrn_backward needs."""
    k, n, alpha, beta, groups = check_lrn(x, k, n, alpha, beta, groups)
    squares = sum_over_channels(x * x, n // 2, (n - 1) // 2, groups)
    scale = k + alpha * squares
    y = x * scale**-beta
    return y, (x, y, scale, n, alpha, beta, groups)


def lrn_backward(dy, cache):
    """Return dx: its own term, and the cross-channel term."""
    check_cache("lrn", cache, np.ndarray, np.ndarray, np.ndarray, int, float, float, int)
    x, y, scale, n, alpha, beta, groups = cache
    check_gradient("lrn", dy, x.shape, x.dtype)
    own = dy * scale**-beta
    # i is in the window of j when j is in i's window mirrored: before and after change places
    cross = sum_over_channels(dy * y / scale, (n - 1) // 2, n // 2, groups)
    dx = own - 2 * alpha * beta * x * cross
    return (dx,)
