"""From pictures to a network's inputs: a subset, minus the mean image, perhaps at unit scale.

"We did not pre-process the images in any other way, except for subtracting the mean activity over
the training set from each pixel." (Section 2)  So inputs are the raw 0 … 255 minus a mean image.
"""

import numpy as np

from ..checks import MOST, check_whole
from .photos import with_moments

INPUTS = ("raw", "unit")


def subset(photos, count):
    """Return the data set with `count` training pictures, equally many of each class.

    They are the first of every class, in the order of the data set, so a larger subset contains a
    smaller one.  They are in memory, with their own mean image and principal components.  The test
    set stays whole.

    Raises ValueError if `count` is not a positive multiple of the number of classes, or there are
    too few pictures.
    """
    classes, count = len(photos.classes), check_whole("subset", "count", count, -MOST)
    if count <= 0 or count % classes:
        raise ValueError(
            f"subset: count is {count}, but {classes} classes of one size need a positive multiple "
            f"of {classes}"
        )
    per_class = count // classes
    places = [np.flatnonzero(photos.train_y == label)[:per_class] for label in range(classes)]
    fewest = min(len(p) for p in places)
    if fewest < per_class:
        most = classes * int(np.bincount(photos.train_y, minlength=classes).min())
        raise ValueError(
            f"subset: count is {count}, but this data set has at most {most} with all classes equal"
        )
    chosen = np.sort(np.concatenate(places))
    train_x, train_y = photos.train_x[chosen], photos.train_y[chosen]
    return with_moments(photos._replace(train_x=train_x, train_y=train_y))


def subtract_mean(train_x, *others):
    """Return the mean image of `train_x`, then train_x and each of `others` minus it, in float32.

    Each of the 3·32·32 values has its own mean, over the training pictures alone, because the test
    set must not leak into it.  Nothing is divided, so values keep the scale of 0 … 255.
    """
    mean = train_x.mean(axis=0, dtype=np.float64).astype(np.float32)  # (3, 32, 32)
    return mean, *(np.subtract(x, mean, dtype=np.float32) for x in (train_x, *others))


def prepare(photos, input="raw"):
    """Return train_x, train_y, test_x, test_y, mean, ready for a network.

    Parameters
    ----------
    photos : Photos
        All their images are read into memory.
    input : "raw" or "unit"
        "raw" is the paper's: 0 … 255 minus the training set's mean image.  "unit" then divides all
        values by the standard deviation of the training values (about 64), so that inputs have mean
        0 and standard deviation 1, as is usual today.

    Raises
    ------
    ValueError
        If `input` is neither, or "unit" and all training images are equal.
    """
    if input not in INPUTS:
        raise ValueError(f"prepare: input is {input!r}, but it must be 'raw' or 'unit'")
    mean = photos.mean
    train_x = np.subtract(photos.train_x[:], mean, dtype=np.float32)
    test_x = np.subtract(photos.test_x[:], mean, dtype=np.float32)
    if input == "unit":
        variance = np.mean(
            [np.mean(np.square(x), dtype=np.float64) for x in train_x]
        )  # their mean is 0
        std = np.float32(np.sqrt(variance))
        if not std > 0:
            raise ValueError(
                "prepare: input is 'unit', but the training images are all equal, so that their "
                "standard deviation is 0"
            )
        train_x /= std
        test_x /= std
    return train_x, photos.train_y, test_x, photos.test_y, mean
