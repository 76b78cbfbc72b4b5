"""The steps of a CUDA kernel: `step(kernel[grid, block], x, y)`.

    steps = step(relu_kernel[2, 32], x, y)
    steps                    in a notebook: code, warps and memory, and arrow keys
    steps.show()             in a terminal: Enter for the next line
    steps.save("relu.html")  write a web page; returns its path
    steps.fault              None, or the emulator's sentence about what is wrong
    steps.count.loaded       the 32-byte sectors that the launch loads; see verify/gpu/traffic.py
    steps.arrays["y"]        an array after the launch

    step(cuda.relu_forward, x)      the kernel that a function of minicnn.cuda launches, the one
                                    with most steps; `.launches` has them all

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
from . import gpu_page, gpu_terminal, source
from .navigation import file_of
from .page import write_page


def is_launch(function):
    """Return whether this is a CUDA kernel with its grid and block: kernel[grid, block]."""
    return type(function).__name__ == "_LaunchConfiguration"


def demand_launch(function):
    """Raise TypeError for a CUDA kernel that is given without its grid and block."""
    if hasattr(function, "py_func") and hasattr(function, "configure"):
        name = function.py_func.__name__
        raise TypeError(f"step: {name} is a CUDA kernel; pass blocks and threads: {name}[1, 32]")


def is_of_gpu(function):
    """Return whether this is a function of the host that launches kernels: cuda.relu_forward."""
    module = getattr(function, "__module__", None) or ""
    return module.startswith("minicnn.cuda.") and not hasattr(function, "py_func")


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
    ValueError
        If its source is not available.
    GpuError
        If numba-cuda is not installed, this process uses a real GPU, or the launch is refused.
    """
    kernel = launch.dispatcher.py_func
    try:
        inspect.signature(kernel).bind(*arguments)
    except TypeError as error:
        raise TypeError(f"step: {kernel.__name__} cannot be called like this: {error}") from None
    source.read(kernel.__code__)  # its lines can be shown, or a ValueError says why not
    driver = started()

    from ..cuda import gpu, to_device

    given = [to_device(a) if isinstance(a, np.ndarray) else a for a in arguments]
    launch = launch.dispatcher[launch.griddim, launch.blockdim, gpu.stream()]
    steps = recorded(driver, launch, given, launch)
    if steps.fault is None:
        for host, device in zip(arguments, given, strict=True):
            if isinstance(host, np.ndarray):
                host[...] = device.copy_to_host(stream=gpu.stream())
    return steps


def step_function(function, arguments, options):
    """Run a function of minicnn.cuda in the emulator; return the GpuSteps of its longest launch.

    Its `launches` are those of all launches, in order; a fault ends the function.  Raises
    ValueError if it launches no kernel, and GpuError like step_launch.
    """
    driver, launches = started(), []

    from numba.cuda.dispatcher import CUDADispatcher

    from ..cuda.patches import patched
    from ..verify.gpu import Fault

    call = CUDADispatcher.call

    def recording(dispatcher, given, launch):
        if driver.recorder:  # numba-cuda calls itself
            return call(dispatcher, given, launch)
        launches.append(recorded(driver, launch, given, lambda *a: call(dispatcher, a, launch)))
        if launches[-1].fault:
            raise Fault("launch", launches[-1].fault)

    with patched(CUDADispatcher, "call", recording):
        try:
            function(*arguments, **options)
        except Fault:
            if not launches or not launches[-1].fault:
                raise
    if not launches:
        raise ValueError(f"step: {function.__name__} launches no kernel")
    steps = launches[-1] if launches[-1].fault else max(launches, key=GpuSteps.__len__)
    steps.launches = launches
    return steps


def recorded(driver, launch, given, run):
    """Launch a kernel by run(*given), and return its GpuSteps."""
    from ..verify.gpu import Fault
    from ..verify.gpu.traffic import Count, Traffic
    from .gpu_record import Recorder

    names = inspect.signature(launch.dispatcher.py_func).parameters
    arrays = [described(*pair) for pair in arrays_in(zip(names, given, strict=True))]
    recorder = Recorder(arrays)
    driver.traffic, driver.recorder = Traffic(), recorder
    try:
        run(*given)
    except Fault:
        if recorder.fault is None:
            raise  # no thread ran
    finally:
        counts, driver.traffic, driver.recorder = driver.traffic.counts, None, None
    after = (
        {} if recorder.fault else {a["name"]: recorder.entries(driver.memory, a) for a in arrays}
    )
    (count,) = counts.values() or [Count(*[0] * len(Count._fields))]
    data = data_of(recorder, launch) | {"count": count._asdict()}
    return GpuSteps(data | {"after": {name: e for name, e in after.items() if e is not None}})


def started():
    """Return the emulator's Driver; raise GpuError if this process has used a real GPU."""
    from ..cuda.gpu import cuda
    from ..verify import gpu as emulator

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
            yield from arrays_in(
                (f"{name}.{part}", v) for part, v in zip(parts, value, strict=True)
            )


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
        self.launches = [self]

    def __len__(self):
        """Return the number of steps."""
        return sum(len(block["steps"]) for block in self.data["blocks"].values())

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
        return write_page(path, self.data["title"], self._repr_html_())

    def __str__(self):
        return gpu_terminal.text(self.data)

    __repr__ = __str__
