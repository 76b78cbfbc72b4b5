"""The mean image of a data set and the principal components of its colours, in one pass.

Pixels are integers, and int64 holds their sums and the sums of their products exactly.  So the
result is the same to the last bit, whatever the order of the images, and however many workers add
them up.

    image      (3, H, W)  Σ of all images
    products   (3, 3)     Σ over all pixels of p·pᵀ, where p = (red, green, blue)
    n          the number of pixels, H·W of each image

The products have the largest sum: for a million images of 256×256 pixels it reaches 4·10¹⁵, and
int64 holds 9·10¹⁸.
"""

from collections import namedtuple

import numpy as np

Moments = namedtuple("Moments", "image products")


def zeros(H, W):
    """Return the moments of no images, to add to."""
    return Moments(np.zeros((3, H, W), np.int64), np.zeros((3, 3), np.int64))


def add(moments, picture):
    """Add one picture, (3, H, W) uint8, to the moments."""
    p = picture.reshape(3, -1).astype(np.int64)  # (3, H·W)
    moments.image[...] += picture
    moments.products[...] += p @ p.T


def compute(images):
    """Return the moments of images (N, 3, H, W) uint8."""
    moments = zeros(*images.shape[2:])
    for picture in images:
        add(moments, picture)
    return moments


def mean_image(moments, count):
    """Return the mean image of `count` images, (3, H, W) float32, on the scale of 0 … 255."""
    return (moments.image / count).astype(np.float32)


def principal_components(moments, count):
    """Return the eigenvalues and eigenvectors of the covariance of the RGB values (Section 4.1).

    Parameters
    ----------
    moments : Moments
    count : int
        The number of images.

    Returns
    -------
    eigenvalues : (3,) float64
        λ1 ≥ λ2 ≥ λ3, variances along the principal components, on the scale of 0 … 255.
    eigenvectors : (3, 3) float64
        The columns are p1, p2 and p3, of length 1.
    """
    n = count * moments.image[0].size
    s = moments.image.sum(axis=(1, 2)).astype(object)  # Σ p; Python integers have no limit
    covariance = (n * moments.products.astype(object) - np.outer(s, s)) / n**2
    eigenvalues, eigenvectors = np.linalg.eigh(covariance.astype(np.float64))  # smallest first
    return eigenvalues[::-1].clip(0), eigenvectors[:, ::-1]
