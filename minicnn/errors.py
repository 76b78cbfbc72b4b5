"""The errors that a command turns into one sentence.  They load in no time; all may import them."""


class CheckpointError(ValueError):
    """The file is not a checkpoint that can be used here; the message says why."""


class Diverged(ArithmeticError):
    """The loss became NaN or infinite; the message says when, in which layer, and what to do."""


class Interrupted(Exception):
    """Ctrl-C: the step was finished and the run saved; the message says how to go on."""


class GpuError(OSError):
    """The GPU, its driver or a package is missing, or a kernel failed; the message says which."""


class DownloadError(RuntimeError):
    """A download that cannot be finished, in one sentence that says why and what to do."""


def is_of_driver(error):
    """Return whether an error is of a GPU's driver: of numba-cuda, or of a package it calls.

    Which class it has depends on their versions; and they load slowly, so it is known by name.
    """
    return type(error).__name__ in ("CudaAPIError", "CUDAError", "CudaDriverError")
