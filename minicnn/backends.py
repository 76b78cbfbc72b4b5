"""The contract of a backend: everything that it offers, in one list.

A backend is a module that has exactly the names in FUNCTIONS and PARTS.  A network is built for one
backend: `alexnet.alexnet(minicnn.fast, rng)`.  Every backend has every name; a part that a backend
does not need is empty.

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
    "local_forward": "the maps of a locally connected layer, and the cache",
    "local_backward": "dx, dw, db",
    "relu_forward": "max(0, x), and the cache",
    "relu_backward": "dx",
    "tanh_forward": "tanh(x), and the cache",
    "tanh_backward": "dx",
    "logistic_forward": "1 / (1 + e^−x), and the cache",
    "logistic_backward": "dx",
    "lrn_forward": "responses normalized over neighbouring channels, and the cache",
    "lrn_backward": "dx",
    "map_lrn_forward": "responses normalized over neighbouring pixels of a map, and the cache",
    "map_lrn_backward": "dx",
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
    "sgd_update": "the next w and v; may overwrite its arguments",
    "to_device": "x where the backend computes; on the CPU, x itself",
    "to_host": "x as a NumPy array",
}

PARTS = {
    "device": {
        "LOOK_EVERY": "training steps between two reads of the loss",
        "ready": "raise OSError if the backend cannot run on this machine",
        "wait": "wait until all work started so far is done",
        "memory": "return the bytes of a GPU's memory in use; None on the CPU",
        "capacity": "return the total memory of all GPUs in use, in bytes; None on the CPU",
        "described": "return the GPU, its driver and versions in one line; None on the CPU",
        "collect": "return arrays as one on the host, times a factor",
        "deliver": "return the parts of such an array, where the backend computes",
        "feed": "yield batches; the next one is copied while one is in use",
    },
    "columns": {
        "choose": "compute on these GPUs from now on",
        "chosen": "return the chosen GPUs",
        "on": "return a named tuple of what two columns need: see two_columns.py",
        "tick": "return the current time on the current device",
        "seconds": "return the time from one tick to another",
    },
    "fused": {},  # functions such as conv_relu_forward, if the backend has any: see net.fused
    "settings": {},  # a Settings object
}

SETTINGS = {
    "threads": ("fast", "how many threads a layer may use"),
    "plain": ("cuda", "run the simple kernels that define each layer, not the faster ones"),
    "tf32": ("cuda", "multiply float32 on tensor cores, with 10 of the 23 bits of the mantissa"),
    "through_host": ("cuda", "copy between two GPUs through the host's memory, never directly"),
}


class Settings:
    """The settings of a backend that a user may change.

    A setting that belongs to another backend is None or False; turning it on raises ValueError.
    A name that no backend has raises AttributeError.
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
            device = BACKENDS[backend]
            raise ValueError(f"{option} is for --ops {owner}; {backend} computes on the {device}")


def backend(name, gpus=None, **settings):
    """Return the backend of this name, on these GPUs, with these settings.

    Raises OSError, with a sentence, if the backend cannot run on this machine; ValueError for a GPU
    that does not exist and for a setting that the backend does not have.
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
