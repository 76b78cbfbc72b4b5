"""From pixels to a network's inputs: a view, minus the mean image, divided.

mean         (3, H, W)             the mean image of the training set
deviation    a number              the divisor of pixels minus the mean; usually 1
width        a number              to which images are rescaled before a view is cut; W, unless
                                   the network was trained at several scales
x            (N, 3, size, size)    what the network sees
"""

import numpy as np

from ..checks import check_number
from . import augment


def training_view(mean, deviation, size, **options):
    """Return a function view(images, rng) that returns one random view of each image.

    The options are those of augment.random_views.
    """
    check_deviation(deviation)

    def view(images, rng):
        return divided(augment.random_views(images, mean, size, rng, **options), deviation)

    return view


def central_view(mean, deviation, size, width=None):
    """Return a function view(images) that returns the central view of each image."""
    check_deviation(deviation)
    if np.ndim(mean) != 3:
        raise ValueError(f"view: mean has shape {np.shape(mean)}; expected (C, H, W)")
    width = np.shape(mean)[2] if width is None else width
    mean = augment.rescaled(mean, width)

    def view(images, rng=None):
        images = augment.rescaled(images, width)
        return divided(augment.central_views(images, mean, size), deviation)

    return view


def check_deviation(deviation):
    """Raise TypeError or ValueError unless it is a number above 0."""
    if not check_number("view", "deviation", deviation) > 0:
        raise ValueError(f"view: deviation = {deviation!r}; expected a number above 0")


def divided(x, deviation):
    """Return x / deviation, computed in place; x itself if deviation is 1."""
    return x if deviation == 1 else np.divide(x, deviation, out=x)


def deviation_of(photos):
    """Return the standard deviation of training pixels from the mean image, float32.

    It needs no further pass over the images.  With c the mean colour, m the mean image and λ the
    eigenvalues, the averages over all pixels q and all three colours are

        ⟨(q − c)²⟩ = Σλ / 3                            the variance of colours, see moments.py
        ⟨(q − c)²⟩ = ⟨(q − m)²⟩ + ⟨(m − c)²⟩          because q − m is 0 on average, at each place

    and the result is the square root of ⟨(q − m)²⟩.
    """
    m = photos.mean
    c = m.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    variance = photos.eigenvalues.sum() / 3 - np.mean(np.square(m - c))
    return np.float32(np.sqrt(variance))
