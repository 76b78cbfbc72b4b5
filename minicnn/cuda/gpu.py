"""The GPU as the host sees it: the current device and stream, events, and kernel launches.

    device     a GPU's number, from 0
    stream     a queue of work for one device: it runs in order, while the host goes on.  Two
               streams may run at the same time
    event      a point in a stream; other streams, or the host, can wait for it
    kernel     a function that runs once in each of many threads
    block      threads that run together and share fast memory
    grid       all blocks of one launch

Every function of this backend works on the current device, in `stream()`.
`with use(1, stream): …` changes both for a while, and `set_device(1)` for good.  By default, work
goes into a stream of our own instead of the device's stream 0, which synchronizes with all others.

Other files import `cuda` from here, not from numba.  The import works without a GPU: kernels can
then be compiled and read, and emulated (verify/gpu).
"""

import math
from collections import namedtuple
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numba import config, cuda

from ..errors import GpuError, is_of_driver
from .patches import patched

config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # small layers have small grids; no need to warn

THREADS = 256  # default block size

if cuda.implementation == "NVIDIA" and not hasattr(np, "row_stack"):
    # on import, numba-cuda's compiler uses row_stack, which NumPy 2.5 removed
    with patched(np, "row_stack", np.vstack):
        import numba.cuda.np.arrayobj  # noqa: F401

Current = namedtuple("Current", "device stream")
chosen = ()  # the devices set by `two_columns.choose`: one, or one for each column
current = Current(0, None)  # stream None: the device's main stream
streams = {}  # (device, purpose) → its stream, created on first use


@contextmanager
def use(device, stream=None):
    """Work on this device, in this stream or in its main one, within a with statement."""
    global current
    before = current
    current = Current(device, stream)
    try:
        if device == before.device:
            yield
        else:
            with cuda.gpus[device]:
                yield
    finally:
        current = before


def set_device(device):
    """Work on this device from now on."""
    global current
    check_devices([device])
    current = Current(device, None)
    cuda.select_device(device)


def check_devices(devices):
    """Raise ValueError if one of these devices does not exist."""
    ready()
    count = len(cuda.gpus)
    for device in devices:
        if not 0 <= device < count:
            gpus = "1 GPU, number 0" if count == 1 else f"{count} GPUs, numbers 0 to {count - 1}"
            raise ValueError(f"there is no GPU {device}: this machine has {gpus}")


def total_memory(device):
    """Return the bytes of memory of a device."""
    with use(device):
        return cuda.current_context().get_memory_info()[1]


def stream():
    """Return the current stream."""
    return stream_for("main") if current.stream is None else current.stream


def stream_for(purpose, device=None):
    """Return the stream of a device (or the current one) for this purpose, always the same one."""
    device = current.device if device is None else device
    key = device, purpose
    if key not in streams:
        with use(device):
            ready()
            streams[key] = cuda.stream()
    return streams[key]


def record_event():
    """Record an event in the current stream: it completes when all earlier work there is done."""
    event = cuda.event(timing=False)
    event.record(stream())
    return event


def wait_event(event):
    """Make later work in the current stream wait for an event; the host does not wait."""
    event.wait(stream())


def synchronize():
    """Make the host wait until all work in the current stream is done."""
    record_event().synchronize()


def described():
    """Return one line about the GPU, its driver and the versions of the libraries."""
    versions = []
    for name in ("numba", "numba-cuda", "cuda-bindings"):
        with suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    device = cuda.gpus[current.device]
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    capability = ".".join(map(str, device.compute_capability))
    with suppress(Exception):  # nice to have, but not worth a failure
        driver = cuda.cudadrv.driver.driver.get_version()
        versions.append(f"driver for CUDA {'.'.join(map(str, driver))}")
    return f"{name}, compute capability {capability}; {', '.join(versions)}"


def launch(kernel, count, *arguments):
    """Run a kernel with one thread for each of `count` elements; the kernel checks i < count.

    Raises GpuError, with the name of the kernel and its arguments, if the launch fails.
    """
    if count:
        launch_blocks(kernel, math.ceil(count / THREADS), THREADS, *arguments)


def launch_blocks(kernel, grid, block, *arguments):
    """Run a kernel in `grid` blocks of `block` threads; each is a number or a tuple."""
    try:
        kernel[grid, block, stream()](*arguments)
    except Exception as error:
        if is_missing(error):
            raise GpuError(missing(error)) from error
        if not is_of_driver(error):
            raise
        raise GpuError(
            f"a GPU failed, in {described_launch(kernel, grid, block, arguments)} or before it "
            f"({first_line(error)}); what was saved before is as it was"
        ) from error


def described_launch(kernel, grid, block, arguments):
    """Return a launch as text: relu_forward_kernel[3, 256](float32 (2, 3), 700)."""
    name = kernel.py_func.__name__
    return f"{name}[{grid}, {block}]{described_arguments(arguments)}"


def described_arguments(arguments):
    """Return arguments as text: an array by dtype and shape, a tuple by its parts."""
    texts = []
    for a in arguments:
        array = f"{a.dtype} {tuple(a.shape)}" if getattr(a, "ndim", 0) else str(a)
        texts.append(described_arguments(a) if isinstance(a, tuple) else array)
    return f"({', '.join(texts)})"


def ready():
    """Raise GpuError if nothing can run here: one sentence with what is missing and what to do."""
    try:
        cuda.gpus[0].reset  # noqa: B018  (asks the driver for its first device)
    except (ImportError, IndexError) as error:
        raise GpuError(missing(error)) from error


def is_missing(error):
    """Return whether an error says that there is no driver, no GPU or no compiler."""
    return isinstance(error, ImportError) or type(error).__name__ == "DynamicLibNotFoundError"


def missing(error):
    """Return the sentence for a user whose machine lacks driver, GPU or compiler."""
    text = str(error).lower()
    emulator = "; python -m minicnn.cuda.check, `train` and `gradcheck` can --emulate one"
    if "nvvm" in text or "libdevice" in text or "nvrtc" in text:
        return (
            "the compiler for the GPU is missing; install it with "
            f"pip install 'numba-cuda[cu12]' or 'numba-cuda[cu13]'{emulator}"
        )
    if "driver library cannot be found" in text or "cuinit" in text:
        return f"there is no NVIDIA driver on this machine; install NVIDIA's{emulator}"
    return f"the NVIDIA driver finds no GPU on this machine ({first_line(error)}){emulator}"


def first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(":") if lines else type(error).__name__
