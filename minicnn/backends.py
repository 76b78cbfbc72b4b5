"""The contract: all that a backend offers, in one list, and which backends there are.

A backend is a module with the names of FUNCTIONS and PARTS and no others.  A network is built for
one: `alexnet.alexnet(minicnn.fast, rng)`.  Whoever writes a backend writes these; whoever uses one
finds them in every backend, empty where a backend has nothing to offer.

    FUNCTIONS    name → what the function returns; the signatures are those of minicnn.reference
    PARTS        name → {attribute: what it is}
    SETTINGS     name → the backend that has it, and what it is: `fast.settings.threads = 2`
    BACKENDS     name → where it computes
"""

import importlib
import sys

BACKENDS = {"reference": "CPU", "fast": "CPU", "cuda": "GPU"}

FUNCTIONS = {
    "conv_forward": "the maps of a convolution, and the cache",
    "conv_backward": "dx, dw, db",
    "relu_forward": "max(0, x), and the cache",
    "relu_backward": "dx",
    "tanh_forward": "tanh(x), and the cache",
    "tanh_backward": "dx",
    "logistic_forward": "1 / (1 + e^−x), and the cache",
    "logistic_backward": "dx",
    "lrn_forward": "responses normalized over neighbouring channels, and the cache",
    "lrn_backward": "dx",
    "pool_forward": "the maximum of each window, and the cache",
    "pool_backward": "dx",
    "average_pool_forward": "the mean of each window, and the cache",
    "average_pool_backward": "dx",
    "fc_forward": "x·wᵀ + b, and the cache",
    "fc_backward": "dx, dw, db",
    "dropout_forward": "x with random units set to 0, for training, and the cache",
    "dropout_backward": "dx",
    "dropout_predict_forward": "x·(1 − p), for prediction, and the cache",
    "dropout_predict_backward": "dx",
    "softmax": "probabilities",
    "softmax_loss_forward": "the mean loss in nats, and the cache",
    "softmax_loss_backward": "dscores",
    "sgd_update": "the next w and v; may write into its arguments",
    "to_device": "x where the backend computes; on the CPU, x itself",
    "to_host": "x as a NumPy array",
}

PARTS = {
    "device": {
        "LOOK_EVERY": "training steps between two looks at the loss",
        "ready": "raise OSError if the backend cannot run on this machine",
        "wait": "wait for all work that was started",
        "memory": "return the bytes of a GPU's memory in use; None on the CPU",
        "capacity": "return the bytes of all GPUs in use, together; None on the CPU",
        "described": "return the GPU, its driver and versions, in a line; None on the CPU",
        "feed": "yield batches, the next one on its way while one is in use",
    },
    "columns": {
        "choose": "compute on these GPUs from now on",
        "chosen": "return the GPUs that were chosen",
        "on": "return what two columns need, as a named tuple: see two_columns.py",
        "tick": "return the time on the current device",
        "seconds": "return the time from one tick to another",
    },
    "fused": {},  # conv_relu_forward and its like, where a backend has them: see net.fused
    "settings": {},  # an object of Settings
}

SETTINGS = {
    "threads": ("fast", "how many threads a layer may use"),
    "plain": ("cuda", "run the kernels that are the definition, where there are faster ones, too"),
    "tf32": ("cuda", "multiply float32 on tensor cores, with 10 of a number's 23 bits"),
    "through_host": ("cuda", "let what crosses between two GPUs go through the host's memory"),
}


class Settings:
    """What a user may change of a backend.

    A setting of another backend is None or False, and cannot be changed.

    Raises ValueError for a setting that this backend does not have, and AttributeError for a name
    that no backend has.
    """

    threads, plain, tf32, through_host = None, False, False, False

    def __init__(self, backend):
        object.__setattr__(self, "backend", backend)

    def __setattr__(self, name, value):
        if name.lstrip("_") not in SETTINGS:
            raise AttributeError(f"no setting is called {name!r}; there are {', '.join(SETTINGS)}")
        check_settings(self.backend, **{name.lstrip("_"): value})
        super().__setattr__(name, value)


def check_settings(backend, **settings):
    """Raise ValueError for a setting that is on and that this backend does not have."""
    for name, value in settings.items():
        owner, _ = SETTINGS[name]
        if value and backend != owner:
            option = f"--{name.replace('_', '-')}"
            where = BACKENDS[backend]
            raise ValueError(f"{option} is for --ops {owner}; {backend} computes on the {where}")


def backend(name, gpus=None, **settings):
    """Return the backend of this name, on these GPUs, with these settings.

    Raises OSError, with a sentence, if it cannot run here; ValueError if there is no such GPU, and
    for a setting that the backend does not have.
    """
    check_settings(name, **settings)
    ops = importlib.import_module(f".{name}", __package__)
    ops.device.ready()
    if gpus and (warning := ops.columns.choose(gpus)):
        print(f"minicnn: {warning}", file=sys.stderr)
    for setting, value in settings.items():
        if SETTINGS[setting][0] == name:
            setattr(ops.settings, setting, value)
    return ops
