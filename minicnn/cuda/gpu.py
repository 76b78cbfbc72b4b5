"""The GPU as the host sees it: the current device and stream, and kernels that are launched there.

    device     the number of a GPU, from 0
    stream     a queue of work on one device: what is put into it runs in order, while the host
               goes on.  Two streams may run at the same time
    kernel     a function that runs once for each of many threads
    block      threads that run together and can share fast memory
    grid       all blocks of one launch

`here` is where everything happens now: each function of this backend works on that device, in
`stream()`.  `with at(1, other): …` changes both for a while, `choose(1)` for good.  Where nothing
is said, work goes into one stream of ours, not into the device's stream 0: that one and all others
wait for each other.

This is the one file that imports numba.cuda; all others take `cuda` from here.  It can be imported
without a GPU: then kernels can be compiled and read, and with NUMBA_ENABLE_CUDASIM=1 in the
environment they run, slowly, in Numba's simulator (simulator.py).
"""

import math
from collections import namedtuple
from contextlib import contextmanager, nullcontext, suppress
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numba import config, cuda

from ..errors import GpuError, is_of_driver
from .patches import patched

config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # small layers have small grids, which is no mistake

SIMULATED = bool(config.ENABLE_CUDASIM)
THREADS = 32 if SIMULATED else 256  # of a block, where nothing else is said; a simulated one costs

if SIMULATED:
    from .simulator import taking_turns
else:
    taking_turns = nullcontext  # the threads of a GPU need not
    if cuda.implementation == "NVIDIA" and not hasattr(np, "row_stack"):
        # numba-cuda's compiler asks for row_stack, gone in NumPy 2.5, while it is imported
        with patched(np, "row_stack", np.vstack):
            import numba.cuda.np.arrayobj  # noqa: F401

Here = namedtuple("Here", "device stream")
chosen = ()  # the devices that were chosen: one, or one for each column
here = Here(0, None)  # None: the device's main stream
streams = {}  # (device, what it is for) → a stream, made when it is first asked for


@contextmanager
def at(device, stream=None):
    """Work on this device, in this stream of it or in its main one, within a with statement."""
    global here
    before = here
    here = Here(device, stream)
    try:
        if SIMULATED or device == before.device:  # the simulator has one, whatever its number
            yield
        else:
            with cuda.gpus[device]:
                yield
    finally:
        here = before


def choose(device):
    """Work on this device from now on."""
    global here
    check_devices([device])
    here = Here(device, None)
    if not SIMULATED:
        cuda.select_device(device)


def check_devices(devices):
    """Raise ValueError if one of these is not there; in the simulator any number stands for one."""
    ready()
    count = 1 if SIMULATED else len(cuda.gpus)
    for device in devices:
        if not SIMULATED and not 0 <= device < count:
            there = "1 GPU, number 0" if count == 1 else f"{count} GPUs, numbers 0 to {count - 1}"
            raise ValueError(f"there is no GPU {device}: this machine has {there}")


def total_memory(device):
    """Return how many bytes of memory a device has; in the simulator, infinitely many."""
    with at(device):
        return cuda.current_context().get_memory_info()[1]


def stream():
    """Return the current stream."""
    return stream_for("all else") if here.stream is None else here.stream


def stream_for(purpose, device=None):
    """Return this device's stream for something, or the current one's; the same each time."""
    device = here.device if device is None else device
    key = device, purpose
    if key not in streams:
        with at(device):
            streams[key] = new_stream()
    return streams[key]


def new_stream():
    """Return another stream of the current device; in the simulator there is only 0."""
    ready()
    return 0 if SIMULATED else cuda.stream()


def mark():
    """Return a mark in the current stream: it is reached when all work before it is done."""
    if SIMULATED:  # there, all work is done at once
        return None
    event = cuda.event(timing=False)
    event.record(stream())
    return event


def follow(event):
    """Let what comes next in the current stream wait for a mark of any stream; the host goes on."""
    if event is not None:
        event.wait(stream())


def wait_for(event):
    """Let the host wait for a mark."""
    if event is not None:
        event.synchronize()


def wait():
    """Let the host wait until all work in the current stream is done."""
    wait_for(mark())


def described():
    """Return what this runs on, as one line: GPU, driver and versions."""
    versions = []
    for name in ("numba", "numba-cuda", "cuda-bindings"):
        with suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    if SIMULATED:
        return f"Numba's simulator of a GPU; {', '.join(versions)}"
    device = cuda.gpus[here.device]
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    capability = ".".join(map(str, device.compute_capability))
    with suppress(Exception):  # of interest, but not worth a failure
        driver = cuda.cudadrv.driver.driver.get_version()
        versions.append(f"driver for CUDA {'.'.join(map(str, driver))}")
    return f"{name}, compute capability {capability}; {', '.join(versions)}"


def launch(kernel, count, *arguments):
    """Run a kernel with one thread for each of `count` elements; the kernel checks i < count.

    Raises GpuError, with the name of the kernel and its arguments, if it cannot be launched.
    """
    if count:
        launch_blocks(kernel, math.ceil(count / THREADS), THREADS, *arguments)


def launch_blocks(kernel, grid, block, *arguments):
    """Run a kernel with this grid of blocks and this block of threads; either may be a tuple."""
    try:
        with taking_turns():
            kernel[grid, block, stream()](*arguments)
    except Exception as error:
        if is_missing(error):
            raise GpuError(missing(error)) from error
        if not is_of_driver(error):
            raise
        raise GpuError(
            f"a GPU failed, in {in_words(kernel, grid, block, arguments)} or before it "
            f"({first_line(error)}); what was saved before is as it was"
        ) from error


def in_words(kernel, grid, block, arguments):
    """Return a launch as a text: relu_forward_kernel[3, 256](float32 (2, 3), 700)."""
    name = getattr(kernel, "py_func", getattr(kernel, "fn", kernel)).__name__
    return f"{name}[{grid}, {block}]{described_each(arguments)}"


def described_each(arguments):
    """Return arguments as a text: of an array its type and shape, of a tuple each of its parts."""
    words = []
    for a in arguments:
        array = f"{a.dtype} {tuple(a.shape)}" if getattr(a, "ndim", 0) else str(a)
        words.append(described_each(a) if isinstance(a, tuple) else array)
    return f"({', '.join(words)})"


def ready():
    """Raise GpuError with one sentence if nothing can run here: what is missing, what to do."""
    try:
        if not SIMULATED:
            cuda.gpus[0].reset  # noqa: B018  (asks the driver for its first device)
    except (ImportError, IndexError) as error:
        raise GpuError(missing(error)) from error


def is_missing(error):
    """Return whether an error says that there is no driver, no GPU, or nothing that compiles."""
    return isinstance(error, ImportError) or type(error).__name__ == "DynamicLibNotFoundError"


def missing(error):
    """Return the sentence for an error of a machine that lacks something."""
    text = str(error).lower()
    simulator = "; to try it without a GPU, set NUMBA_ENABLE_CUDASIM=1"
    if "nvvm" in text or "libdevice" in text or "nvrtc" in text:
        return (
            "the compiler for the GPU is missing; install it with "
            f"pip install 'numba-cuda[cu12]' or 'numba-cuda[cu13]'{simulator}"
        )
    if "driver library cannot be found" in text or "cuinit" in text:
        return f"there is no NVIDIA driver on this machine; install NVIDIA's{simulator}"
    return f"the NVIDIA driver finds no GPU on this machine ({first_line(error)}){simulator}"


def first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(":") if lines else type(error).__name__
