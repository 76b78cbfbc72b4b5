"""The steps of a CUDA kernel: `step(kernel[grid, block], x, y)`.

    steps = step(relu_kernel[2, 32], x, y)
    steps                    in a notebook: code, warps and memory, and arrow keys
    steps.show()             in a terminal: Enter for the next line
    steps.save("relu.html")  write a web page; returns its path
    steps.fault              None, or the emulator's sentence about what is wrong
    steps.count.loaded       the 32-byte sectors that the launch loads; see verify/gpu/traffic.py
    steps.arrays["y"]        an array after the launch

The kernel's compiled PTX runs in the emulator, and all that is shown was recorded there
(gpu_record.py).  It is one dict of plain data:

    title, grid, threads     relu_kernel[2, 32]; (2, 1, 1); the sizes of a block
    sources, listings        functions as name, file, first line and lines; the PTX of each part
    arrays                   name, space, shape, dtype, size of an entry in bytes, and the bytes
                             from the start of a sector to the first entry
    blocks                   number → position, steps, and the arrays' entries when it began
    fault                    None, or text, block, thread and the other thread of a race
    count                    the memory traffic of the whole launch
    after                    the entries of the arrays in global memory after it
"""

import inspect
import json
from collections import namedtuple

import numpy as np

from ..errors import GpuError
from . import gpu_page, gpu_terminal
from .navigation import file_of
from .page_data import rounded


def is_launch(function):
    """Return whether this is a CUDA kernel with its grid and block: kernel[grid, block]."""
    return type(function).__name__ == "_LaunchConfiguration"


def step_launch(launch, arguments):
    """Run a kernel in the emulator and return its GpuSteps.

    Parameters
    ----------
    launch : kernel[grid, block]
        A kernel of numba.cuda, the number of its blocks, and the threads of a block.
    arguments : sequence
        The kernel's arguments.  NumPy arrays are copied to the device, and back if the emulator
        has found no fault.

    Raises
    ------
    TypeError
        If the arguments do not fit the kernel's signature.
    GpuError
        If numba-cuda is not installed, this process uses a real GPU, or the launch is refused.
    """
    from ..verify import gpu as emulator

    kernel = launch.dispatcher.py_func
    try:
        names = inspect.signature(kernel).bind(*arguments).arguments
    except TypeError as error:
        raise TypeError(f"step: {kernel.__name__} cannot be called like this: {error}") from None
    driver = started(emulator)

    from ..cuda import gpu, to_device
    from ..verify.gpu.traffic import Count, Traffic
    from .gpu_record import DRAWN, Recorder

    given = [to_device(a) if isinstance(a, np.ndarray) else a for a in arguments]
    arrays = dict(arrays_in(zip(names, given, strict=True)))
    recorder = Recorder([described(name, array) for name, array in arrays.items()])
    driver.traffic, driver.recorder = Traffic(), recorder
    try:
        launch.dispatcher[launch.griddim, launch.blockdim, gpu.stream()](*given)
    except emulator.Fault:
        if recorder.fault is None:
            raise  # no thread ran
    finally:
        counts, driver.traffic, driver.recorder = driver.traffic.counts, None, None
    after = {}
    if recorder.fault is None:
        for host, device in zip(arguments, given, strict=True):
            if isinstance(host, np.ndarray):
                host[...] = device.copy_to_host(stream=gpu.stream())
        for name, array in arrays.items():
            if array.size <= DRAWN:
                values = array.copy_to_host(stream=gpu.stream()).reshape(-1).tolist()
                after[name] = [rounded(v, 9) for v in values]
    (count,) = counts.values() or [Count(*[0] * len(Count._fields))]
    return GpuSteps(data_of(recorder, launch) | {"count": count._asdict(), "after": after})


def started(emulator):
    """Return the emulator's Driver; raise GpuError if this process has used a real GPU."""
    from ..cuda.gpu import cuda

    if emulator.emulated is None and cuda.implementation == "NVIDIA":
        if cuda.cudadrv.driver.driver.pid is not None:
            raise GpuError("step: this process uses a real GPU; step through a kernel in another")
    return emulator.start()


def arrays_in(named):
    """Yield (name, array) of the device arrays among arguments and in tuples: ("a.array", …)."""
    for name, value in named:
        if hasattr(value, "copy_to_host"):
            yield name, value
        elif isinstance(value, tuple):
            parts = getattr(value, "_fields", range(len(value)))
            yield from arrays_in((f"{name}.{part}", v) for part, v in zip(parts, value, strict=True))


def described(name, array):
    """Return an array as the Recorder knows it."""
    whole = array.is_c_contiguous()
    span = array.nbytes if whole else array.alloc_size
    shape = array.shape if whole else (span // array.dtype.itemsize,)
    return {
        "name": name,
        "space": "global",
        "shape": list(shape),
        "dtype": array.dtype.name,
        "size": array.dtype.itemsize,
        "first": array.device_ctypes_pointer.value or 0,
        "bytes": span,
    }


def data_of(recorder, launch):
    """Return the record as plain data, without what only the recorder needs."""
    sizes = [shown(launch.griddim), shown(launch.blockdim)]
    fault = recorder.fault and {k: v for k, v in recorder.fault.items() if k != "instruction"}
    arrays = []
    for array in recorder.arrays:
        kept = {k: array[k] for k in ("name", "space", "shape", "dtype", "size")}
        arrays.append({**kept, "offset": array["first"] % 32 if kept["space"] == "global" else 0})
    sources = [
        {"name": s.name, "file": file_of(s), "first": s.first, "lines": list(s.lines)}
        for s in recorder.sources
    ]
    data = {
        "title": f"{launch.dispatcher.py_func.__name__}[{', '.join(sizes)}]",
        "grid": list(launch.griddim),
        "threads": list(launch.blockdim),
        "sources": sources,
        "listings": recorder.listings,
        "arrays": arrays,
        "blocks": recorder.blocks,
        "fault": fault,
    }
    return json.loads(json.dumps(data))  # as it is when it was saved: keys are strings


def shown(sizes):
    """Return the sizes of a grid or a block as one writes them: 2 or (32, 8)."""
    used = [int(n) for n in sizes]
    while len(used) > 1 and used[-1] == 1:
        used.pop()
    return str(used[0]) if len(used) == 1 else str(tuple(used))


class GpuSteps:
    """The steps of a launch; the module's docstring lists what they offer."""

    def __init__(self, data):
        self.data = data
        self.count = namedtuple("Count", data["count"])(**data["count"])

    @property
    def fault(self):
        return self.data["fault"] and self.data["fault"]["text"]

    @property
    def arrays(self):
        """The launch's arrays in global memory after it, by name; {} after a fault."""
        known = {array["name"]: array for array in self.data["arrays"]}
        special = {None: np.nan, "∞": np.inf, "−∞": -np.inf}
        return {
            name: np.array([special.get(v, v) for v in values], known[name]["dtype"]).reshape(
                known[name]["shape"]
            )
            for name, values in self.data["after"].items()
        }

    def show(self, pause=input):
        """Walk through the steps in a terminal: Enter goes on, b back, r runs on, q quits."""
        gpu_terminal.show(self.data, pause)

    def _repr_html_(self):
        return gpu_page.steps_html(self.data)

    def save(self, path):
        """Write a self-contained web page, whole or not at all, and return its path."""
        from ..step import write_page

        return write_page(path, self.data["title"], self._repr_html_())

    def __str__(self):
        return gpu_terminal.text(self.data)

    __repr__ = __str__
