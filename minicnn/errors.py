"""The exceptions that a command turns into one sentence.  Importing them loads nothing else."""


class CheckpointError(ValueError):
    """The file is not a checkpoint that can be used; the message says why."""


class Diverged(ArithmeticError):
    """The loss became NaN or infinite; the message says when, in which layer, and what to do."""


class BrokenScores(Diverged, ValueError):
    """A network's scores are NaN or infinite; the message says why."""


class Interrupted(Exception):
    """Ctrl-C was pressed, and the run was saved after its step; the message says how to resume."""


class GpuError(OSError):
    """The GPU, its driver or a package is missing, or a kernel failed; the message says which."""


class DownloadError(RuntimeError):
    """The download cannot be finished; the message says why and what to do."""


def is_of_driver(error):
    """Return whether an error is from a GPU's driver: from numba-cuda, or a package that it calls.

    Its class depends on their versions, and importing them is slow, so it is recognized by name.
    """
    return type(error).__name__ in ("CudaAPIError", "CUDAError", "CudaDriverError")
