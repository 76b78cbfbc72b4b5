"""Settings of the GPU backend, one object: minicnn.cuda.settings."""

from .. import backends, errors
from . import gpu


class Settings(backends.Settings):
    """What a user of the GPU backend may change.  Each setting is False at first.

        from minicnn import cuda
        cuda.settings.tf32 = True

    plain           run the kernels that serve as definition, even where there are faster ones
    tf32            run products of float32 on tensor cores; tf32.py says what that costs in
                    precision.  Products of float64 stay as they are.  Raises GpuError if the
                    current GPU is too old
    through_host    copy between two columns through the host's memory, even where one GPU can
                    access the other's
    """

    _tf32 = False

    @property
    def tf32(self):
        return self._tf32

    @tf32.setter
    def tf32(self, on):
        if on:
            check_tensor_cores()
        self._tf32 = on


def check_tensor_cores():
    """Raise GpuError if the current GPU cannot compute in TF32."""
    gpu.ready()
    major, minor = gpu.cuda.gpus[gpu.current.device].compute_capability
    if major < 8:
        raise errors.GpuError(
            f"TF32 needs a GPU of compute capability 8.0 or more; GPU {gpu.current.device} has "
            f"{major}.{minor}"
        )


settings = Settings("cuda")
