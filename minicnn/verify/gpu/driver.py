"""NVIDIA's driver in Python, as much as numba-cuda calls of it.

numba-cuda itself is unchanged: it types a kernel's arguments, compiles the kernel for the device's
compute capability, flattens the arguments, and makes contexts, streams and events.  Where it would
call the driver, it calls a method of the Driver here, and where it would load machine code, the PTX
is translated (translate.py).  A launch runs at once and returns when it is done.

    handle     how numba-cuda names a context, a stream or an event: a number
    context    of device d: handle 4096 + d
    stream 0   each device has one; for others, see ordering.py
"""

import ctypes
import time
from math import prod
from types import SimpleNamespace

import numpy as np

from .execution import Fault, Program
from .memory import FIRST_ADDRESS, GIVEN, WRITTEN, DeviceMemory
from .ordering import Order, host_bytes, merge
from .ptx import Kernel
from .ptx_cache import PtxCache

FIRST_CONTEXT = 4096
LARGEST_GRID = 2**31 - 1, 65535, 65535


class Driver:
    """The functions cu… and what they work on.

    Parameters
    ----------
    devices : int
        How many GPUs there are.
    cc : pair of int
        Their compute capability.
    peers : bool
        Whether they can access each other's memory.
    size : int
        Bytes of memory, of all devices together.
    races : bool
        Whether races in global memory are found.
    """

    def __init__(self, devices, cc, peers, size, races):
        from cuda.bindings import driver as binding
        from numba.cuda.cudadrv.driver import CudaAPIError

        self.devices, self.cc, self.peers = devices, cc, peers
        self.binding, self.api_error = binding, CudaAPIError
        self.memory, self.order = DeviceMemory(size, races), Order()
        self.contexts = []  # those that were pushed; the last is current
        self.access = set()  # (device, other): the first may access the other's memory
        self.homes, self.events, self.times, self.pinned = {}, {}, {}, {}
        self.programs = {}  # PTX → Program
        self.traffic = None  # counts what launches move, if there is one: see traffic.py
        self.recorder = None  # records what threads do, if there is one: stepping/gpu_record.py
        self.handles = iter(range(1, 2**31))

    def install(self):
        """Let numba-cuda call this driver instead of NVIDIA's."""
        from numba.cuda import codegen, compiler, dispatcher
        from numba.cuda.cudadrv import devices, driver as numba_driver

        def get_cufunc(library):
            number = devices.get_context().device.id
            if number not in library._cufunc_cache:
                library._cufunc_cache[number] = self.loaded(library)
            return library._cufunc_cache[number]

        compile_cuda = compiler.compile_cuda

        def compile_with_lines(*arguments, **options):
            return compile_cuda(*arguments, **{**options, "lineinfo": True})

        for name in dir(self):
            if name.startswith("cu") and name[2].isupper():
                setattr(numba_driver.driver, name, getattr(self, name))
        numba_driver.driver.is_initialized = True
        numba_driver.driver.initialization_error = numba_driver.driver.pid = None
        numba_driver._logger = numba_driver.make_logger()
        numba_driver.ExperimentalDevice = self.device
        numba_driver._to_core_stream = lambda stream: stream
        codegen.CUDACodeLibrary.get_cufunc = get_cufunc
        dispatcher.compile_cuda = compile_with_lines
        dispatcher.LaunchConfig = lambda **options: SimpleNamespace(**options)
        dispatcher.launch = self.launch
        PtxCache(self.cc).install(dispatcher)

    def loaded(self, library):
        """Return a kernel, compiled to PTX, in the form of one that was loaded."""
        text = library.get_asm_str()
        if text not in self.programs:
            self.programs[text] = Program(Kernel(text, library._entry_name))
        return SimpleNamespace(kernel=self.programs[text], module=SimpleNamespace(initialized=True))

    def failed(self, code, words):
        """Return the error of a call of the driver, as numba-cuda raises it."""
        return self.api_error(getattr(self.binding.CUresult, f"CUDA_ERROR_{code}"), words)

    # Devices and contexts.

    def device(self, number):
        """Return what numba-cuda takes for a device of cuda.core."""
        context = FIRST_CONTEXT + number

        def set_current():
            self.contexts[-1:] = [context]

        return SimpleNamespace(
            device_id=number,
            compute_capability=self.cc,
            name="GPU emulated by minicnn",
            uuid=f"00000000-0000-0000-0000-{number:012}",
            context=SimpleNamespace(handle=self.binding.CUcontext(context)),
            set_current=set_current,
        )

    def current(self):
        """Return the current device."""
        return self.contexts[-1] - FIRST_CONTEXT

    def cuDriverGetVersion(self):
        return 12090

    def cuDeviceGetCount(self):
        return self.devices

    def cuDeviceGetAttribute(self, attribute, device):
        if "UNIFIED_ADDRESSING" in str(attribute) or "CAN_MAP" in str(attribute):
            return 1
        raise self.failed("NOT_SUPPORTED", f"the emulator does not know {attribute}")

    def cuDeviceCanAccessPeer(self, device, other):
        return int(self.peers and int(device) != int(other))

    def cuCtxEnablePeerAccess(self, context, flags):
        self.access.add((self.current(), int(context) - FIRST_CONTEXT))

    def cuCtxGetCurrent(self):
        return self.binding.CUcontext(self.contexts[-1] if self.contexts else 0)

    def cuCtxGetDevice(self):
        return self.binding.CUdevice(self.current())

    def cuCtxPushCurrent(self, context):
        self.contexts.append(int(context))

    def cuCtxPopCurrent(self):
        return self.binding.CUcontext(self.contexts.pop())

    def cuCtxSynchronize(self):
        for stream, clock in list(self.order.clocks.items()):
            if self.home(stream) == self.current():
                self.order.host_waits(clock)

    # Memory.

    def cuMemGetInfo(self):
        """Return how many bytes are free, and how many there are; all devices share them."""
        used = sum(size for size, _ in self.memory.allocations.values())
        return len(self.memory.bytes) - used, len(self.memory.bytes)

    def cuMemAlloc(self, size):
        address = self.memory.allocate(size, self.current())
        if address is None:
            raise self.failed("OUT_OF_MEMORY", "the emulated memory is full")
        return self.binding.CUdeviceptr(address)

    def cuMemFree(self, address):
        """Free memory; a GPU waits here until whatever uses it is done."""
        self.order.forget(int(address), self.memory.free(int(address)))

    def cuMemHostAlloc(self, size, flags):
        buffer = (ctypes.c_uint8 * size)()
        self.pinned[ctypes.addressof(buffer)] = size, buffer
        return ctypes.addressof(buffer)

    def cuMemFreeHost(self, address):
        size, _ = self.pinned.pop(int(address))
        self.order.forget(int(address), size)

    def pinned_memory(self, address):
        """Return the pinned memory that holds an address of the host, or None."""
        for start, (size, _) in self.pinned.items():
            if start <= address < start + size:
                return start
        return None

    def bytes_at(self, address, size, words):
        """Return the allocation that holds these bytes, the bytes, and their flags."""
        memory = self.memory.allocation(int(address), size)
        if memory is None:
            raise self.failed(
                "INVALID_VALUE", f"{words} {size} bytes at {int(address):#x}: no array"
            )
        return memory, *self.memory.between(int(address), size)

    # Copies.  A copy between a GPU and memory that is not pinned is complete when the call returns.

    def cuMemcpyHtoDAsync(self, target, source, size, stream):
        operation = self.begin(stream, f"a copy of {size} bytes to GPU {self.current()}")
        memory, there, flags = self.bytes_at(target, size, "a copy to")
        there[:] = host_bytes(int(source), size)
        flags |= WRITTEN
        self.order.write(operation, memory)
        pinned = self.pinned_memory(int(source))
        if pinned is not None:
            self.order.read_pinned(operation, pinned, int(source), size)

    def cuMemcpyDtoHAsync(self, target, source, size, stream):
        operation = self.begin(stream, f"a copy of {size} bytes from GPU {self.current()}")
        memory, there, flags = self.bytes_at(source, size, "a copy of")
        if (flags & WRITTEN == 0).any():
            unwritten = int(source) + int(np.argmin(flags & WRITTEN))
            raise Fault(
                "unwritten", f"{operation.words}: {self.memory.describe(unwritten)} is copied "
                "before anything was written"
            )  # fmt: skip
        self.order.read(operation, memory)
        pinned = self.pinned_memory(int(target))
        if pinned is not None:
            self.order.write(operation, pinned)
        host_bytes(int(target), size)[:] = there
        if pinned is None:
            self.order.host_waits(self.order.clocks[operation.stream])
        else:
            self.order.wrote_pinned()

    def cuMemcpyDtoDAsync(self, target, source, size, stream):
        operation = self.begin(stream, f"a copy of {size} bytes to GPU {self.current()}")
        memory, there, flags = self.bytes_at(source, size, "a copy of")
        other, here, flags_here = self.bytes_at(target, size, "a copy to")
        here[:], flags_here[:] = there, flags
        self.order.read(operation, memory)
        self.order.write(operation, other)

    def cuMemcpyHtoD(self, target, source, size):
        self.cuMemcpyHtoDAsync(target, source, size, 0)
        self.cuStreamSynchronize(0)

    def cuMemcpyDtoH(self, target, source, size):
        self.cuMemcpyDtoHAsync(target, source, size, 0)
        self.cuStreamSynchronize(0)

    def cuMemcpyDtoD(self, target, source, size):
        self.cuMemcpyDtoDAsync(target, source, size, 0)
        self.cuStreamSynchronize(0)

    # Streams and events.

    def stream(self, handle):
        """Return the name of a stream in the clocks."""
        return int(handle) or ("default", self.current())

    def home(self, stream):
        """Return the device of a stream."""
        return stream[1] if isinstance(stream, tuple) else self.homes[stream]

    def begin(self, stream, words):
        """Return a new operation; a copy may be in a stream of another device than the current."""
        return self.order.begin(self.stream(stream), words)

    def new_handle(self):
        handle = next(self.handles)
        self.homes[handle] = self.current()
        return handle

    def cuStreamCreate(self, flags):
        return self.binding.CUstream(self.new_handle())

    def cuStreamDestroy(self, stream):
        pass  # its clock stays: what ran there can still be asked for

    def cuStreamSynchronize(self, stream):
        self.order.host_waits(self.order.clocks.get(self.stream(stream), {}))

    def cuStreamWaitEvent(self, stream, event, flags):
        merge(
            self.order.clocks.setdefault(self.stream(stream), {}), self.events.get(int(event), {})
        )

    def cuEventCreate(self, flags):
        return self.binding.CUevent(self.new_handle())

    def cuEventDestroy(self, event):
        self.events.pop(int(event), None)

    def cuEventRecord(self, event, stream):
        if self.home(self.stream(stream)) != self.homes[int(event)]:
            raise Fault("device", "an event is recorded in a stream of another GPU")
        operation = self.order.begin(self.stream(stream), "an event")
        self.events[int(event)] = dict(self.order.clocks[operation.stream])
        self.times[int(event)] = time.perf_counter()

    def cuEventSynchronize(self, event):
        self.order.host_waits(self.events.get(int(event), {}))

    def cuEventQuery(self, event):
        self.cuEventSynchronize(event)  # everything is done at once

    def cuEventElapsedTime(self, first, second):
        """Return milliseconds: how long the emulator took."""
        return 1000 * (self.times[int(second)] - self.times[int(first)])

    # Launches.

    def launch(self, stream, config, program, *arguments):
        """Run a kernel, as cuLaunchKernel would."""
        kernel = program.kernel
        grid, block = ([int(n) for n in sizes] for sizes in (config.grid, config.block))
        handle = getattr(stream, "handle", stream) or 0
        operation = self.begin(handle, f"{kernel.title}[{shown(grid)}, {shown(block)}]")
        if self.home(operation.stream) != self.current():
            words = f"in a stream of GPU {self.home(operation.stream)}, on GPU {self.current()}"
            raise Fault("device", f"{operation.words} is launched {words}")
        self.check_sizes(kernel, grid, block)
        arrays = self.arrays_of(kernel, arguments)
        for start, size in arrays:
            memory = self.memory.allocation(start, size)
            _, owner = self.memory.allocations[memory]
            if owner != self.current() and (self.current(), owner) not in self.access:
                words = f"uses memory of GPU {owner} on GPU {self.current()}"
                raise Fault("device", f"{operation.words} {words}")
            self.give(start, size)
        try:
            recorded = self.recorder(program) if self.recorder else program
            recorded.run(grid, block, packed(kernel, arguments), self.memory, self.traffic)
        finally:
            for start, size in arrays:
                self.memory.between(start, size)[1][:] &= ~np.uint8(GIVEN)
        if self.traffic:
            self.traffic.add(kernel.title, arrays=sum(size for _, size in arrays))
            for start, size in arrays:  # even if only some of the blocks have run
                self.memory.between(start, size)[1][:] |= WRITTEN
        for start, size in arrays:
            first = start - FIRST_ADDRESS
            wrote = not self.memory.unit or self.memory.writer[first : first + size].any()
            note = self.order.write if wrote else self.order.read
            note(operation, self.memory.allocation(start))

    def give(self, start, size):
        """Let a launch use these bytes."""
        self.memory.between(start, size)[1][:] |= GIVEN
        self.memory.forget(start - FIRST_ADDRESS, start - FIRST_ADDRESS + size)

    def check_sizes(self, kernel, grid, block):
        fits = all(0 < n <= most for n, most in zip(grid, LARGEST_GRID, strict=True))
        if not fits or not 0 < prod(block) <= 1024:
            words = f"{kernel.title}: no GPU has a grid of {grid} blocks of {block} threads"
            raise Fault("launch", words)

    def arrays_of(self, kernel, arguments):
        """Return address and bytes of each array among the arguments.

        numba-cuda passes an array as 0, 0, the number of elements, their size, and the address;
        shape and strides follow.
        """
        arrays, i = set(), 0
        while i < len(arguments) - 4:
            five = arguments[i : i + 5]
            is_array = all(isinstance(a, int) for a in five) and five[:2] == (0, 0)
            if is_array and five[2] and self.memory.allocation(five[4]):
                arrays.add((five[4], five[2] * five[3]))
                i += 4
            i += 1
        return sorted(arrays)


def shown(sizes):
    """Return (2, 1, 1) as 2, and (2, 3, 1) as (2, 3, 1)."""
    return sizes[0] if sizes[1:] == [1, 1] else tuple(sizes)


def packed(kernel, arguments):
    """Return the bytes of each parameter of a kernel; the PTX says how many it has."""
    values = [bytes_of(argument) for argument in arguments]
    if [len(value) for value in values] != list(kernel.parameters.values()):
        words = f"{kernel.title} takes parameters of {list(kernel.parameters.values())} bytes"
        raise Fault("launch", f"{words}, and is given {[len(value) for value in values]}")
    return dict(zip(kernel.parameters, values, strict=True))


def bytes_of(argument):
    """Return an argument as the bytes that the launch passes."""
    if isinstance(argument, bool | np.bool_):
        return bytes([argument])
    if isinstance(argument, int):
        return (argument % 2**64).to_bytes(8, "little")
    if isinstance(argument, float):
        return np.float64(argument).tobytes()
    return argument.tobytes() if isinstance(argument, np.generic) else bytes(argument)
