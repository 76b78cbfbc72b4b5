"""The bundled network: `cifar-alexnet`, trained on all of CIFAR-10.

    network = data.trained()
    network.weights["conv1.w"]      (64, 3, 5, 5) float32
    network.kernels[391]            the same after 391 steps, which are one epoch
    network.history[0]              {"epoch": 1.0, "training_error": …, "validation_error": …, …}

Every command that reads a checkpoint takes `trained` for it.  `training/make_trained.py` made it;
`trained/README.txt` says what it was trained on, and its error.
"""

from collections import namedtuple

import numpy as np

from .. import storage

Bundled = namedtuple("Bundled", "weights mean deviation settings history kernels errors")


def trained():
    """Return the bundled network.

    Returns
    -------
    Bundled
        weights : {"conv1.w": float32 array, …}, stored as float16
        mean, deviation : how pixels become inputs, see views.py
        settings : those of its training
        history : a dict for each epoch, as in history.jsonl
        kernels : {steps: (64, 3, 5, 5) float32}, conv1's after so many steps of training
        errors : {"float32": …, "float16": …, "sample": …}, shares of wrong answers: the first two
            on all 10,000 test images of CIFAR-10, before and after the weights were rounded to
            float16, and the last on the 1,000 in the bundled sample

    Raises
    ------
    errors.CheckpointError
        If the installation lacks it, or it is damaged.
    """
    arrays, facts = storage.load(storage.TRAINED)
    kernels = {
        int(name.removeprefix("kernels:")): array.astype(np.float32)
        for name, array in arrays.items()
        if name.startswith("kernels:")
    }
    described = storage.load_network(storage.TRAINED)
    return Bundled(*described, facts["history"], kernels, facts["errors"])
