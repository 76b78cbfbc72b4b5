"""From pictures to a network's inputs: fewer pictures, minus the mean image, perhaps on unit scale.

"We did not pre-process the images in any other way, except for subtracting the mean activity over
the training set from each pixel." (Section 2)  So inputs are the raw 0 … 255 minus a mean image.
"""

import numpy as np

INPUTS = ("raw", "unit")


def subset(dataset, count):
    """Return the data set with `count` training pictures, as many of each class.

    They are the first count/10 of every class, in the order of the data set, so a larger subset
    holds all of a smaller one.  The test set stays whole.

    Raises ValueError if `count` is not a positive multiple of ten, or there are too few pictures.
    """
    if count <= 0 or count % 10:
        raise ValueError(
            f"subset: count is {count}, but ten classes of one size need a positive multiple of 10"
        )
    per_class = count // 10
    places = [np.flatnonzero(dataset.train_y == label)[:per_class] for label in range(10)]
    fewest = min(len(p) for p in places)
    if fewest < per_class:
        most = 10 * int(np.bincount(dataset.train_y, minlength=10).min())
        raise ValueError(
            f"subset: count is {count}, but this data set has at most {most} with all classes equal"
        )
    chosen = np.sort(np.concatenate(places))
    return dataset._replace(train_x=dataset.train_x[chosen], train_y=dataset.train_y[chosen])


def subtract_mean(train_x, *others):
    """Return the mean image of `train_x`, then train_x and each of `others` minus it, in float32.

    The mean is taken over the training pictures alone, for each of the 3·32·32 values by itself:
    the test set must not leak into it.  Nothing is divided, so values keep the scale of 0 … 255.
    """
    mean = train_x.mean(axis=0, dtype=np.float64).astype(np.float32)  # (3, 32, 32)
    return mean, *(np.subtract(x, mean, dtype=np.float32) for x in (train_x, *others))


def prepare(dataset, input="raw"):
    """Return train_x, train_y, test_x, test_y, mean, ready for a network.

    Parameters
    ----------
    dataset : Dataset
    input : "raw" or "unit"
        "raw" is the paper's way: 0 … 255 minus the training set's mean image.
        "unit" then divides everything by one number, the standard deviation of all those training
        values (about 64), so that inputs have mean 0 and standard deviation 1, as is usual today.

    Raises
    ------
    ValueError
        `input` is neither.
    """
    if input not in INPUTS:
        raise ValueError(f"prepare: input is {input!r}, but it must be 'raw' or 'unit'")
    mean, train_x, test_x = subtract_mean(dataset.train_x, dataset.test_x)
    if input == "unit":
        variance = np.mean(
            [np.mean(np.square(x), dtype=np.float64) for x in train_x]
        )  # their mean is 0
        std = np.float32(np.sqrt(variance))
        train_x /= std
        test_x /= std
    return train_x, dataset.train_y, test_x, dataset.test_y, mean
