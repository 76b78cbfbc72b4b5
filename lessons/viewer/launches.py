"""Launches of CUDA kernels in a lesson: executed where numba-cuda is installed, else recalled.

    steps = launch(relu_kernel[2, 32], x, y)        what step(relu_kernel[2, 32], x, y) returns

    python -m lessons.viewer.launches 19            records the launches of lesson 19

The recording, compressed JSON, has the data of each launch (minicnn/stepping/gpu_steps.py) by the
name of its kernel and a digest of the kernel's source, its grid and block, and its arguments.
"""

import functools
import gzip
import hashlib
import inspect
import json
import sys

from minicnn.cuda.gpu import cuda
from minicnn.errors import GpuError
from minicnn.step import step
from minicnn.stepping.gpu_steps import GpuSteps
from minicnn.storage import Kind, write_bytes

from . import cells

RECORDING = cells.FOLDER / "recorded" / "launches.json.gz"
INSTALL = "python -m pip install '.[cuda12]'"
RECALLED = f"(A recording: numba-cuda is not installed here.  {INSTALL} runs the kernels anew.)"

launched = {}  # digest → the data of the launches of this process


def launch(configured, *arguments):
    """Run kernel[grid, block] in the emulator, or recall a recorded run; return its GpuSteps.

    NumPy arrays have their new entries afterwards.

    Raises
    ------
    GpuError
        If numba-cuda is not installed and this launch was not recorded.
    """
    key = key_of(configured, arguments)
    if cuda.implementation == "NVIDIA":
        steps = step(configured, *arguments)
        launched[key] = steps.data
        return steps
    if key not in recorded():
        raise GpuError(f"this launch was not recorded, and running it needs numba-cuda: {INSTALL}")
    if not launched:
        print(RECALLED)
    launched[key] = recorded()[key]
    steps = GpuSteps(launched[key])
    names = inspect.signature(configured.dispatcher.py_func).parameters
    for name, array in zip(names, arguments, strict=True):
        if name in steps.arrays:
            array[...] = steps.arrays[name]
    return steps


@functools.cache
def recorded():
    """Return {name of a launch: its data} of the recording."""
    return json.loads(gzip.decompress(RECORDING.read_bytes()))


def key_of(configured, arguments):
    """Return a name for a launch that is the same on every machine."""
    kernel = configured.dispatcher.py_func
    digest = hashlib.sha256(inspect.getsource(kernel).encode())
    digest.update(repr((tuple(configured.griddim), tuple(configured.blockdim))).encode())
    for argument in arguments:
        digest.update(f"{argument.dtype} {argument.shape}".encode() + argument.tobytes())
    return f"{kernel.__name__} {digest.hexdigest()[:16]}"


def record(number):
    """Run a lesson and write its launches."""
    cells.run(cells.find(number), write=lambda text: None)
    content = gzip.compress(json.dumps(launched).encode(), mtime=0)  # no time in it
    write_bytes(RECORDING, content, Kind("a recording", rb"\x1f\x8b"))
    return RECORDING


if __name__ == "__main__":
    from lessons.viewer import launches  # the module that the lesson imports

    print(launches.record(int(sys.argv[1])))
