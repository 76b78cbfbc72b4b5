"""The GPU backend without a GPU: compiled kernels run on the CPU, and every step is checked.

    from minicnn.verify import gpu
    gpu.start()                    # two GPUs, from now on, for this process
    from minicnn import cuda       # the backend as it is; see cuda/__init__.py

numba-cuda compiles each kernel to PTX, the assembly language of NVIDIA's GPUs, for the real sizes
of tiles and blocks.  These files replace what comes after, in reading order:

    ptx.py           the PTX as data
    expressions.py   … whose operands become expressions in Python
    translate.py     … and its pieces functions; arithmetic.py has what NumPy lacks
    execution.py     … which runs for thousands of threads at once, up to their barriers
    memory.py        every load and store is checked
    ordering.py      … and the order of work in streams
    driver.py        the functions of NVIDIA's driver that numba-cuda calls
    ptx_cache.py     compiled kernels, kept between runs
    cases.py         shapes for every kernel, against the reference
    traffic.py       what each kernel moves, counted

A Fault is raised at the first thing that is wrong: an address outside of the arrays of a launch or
misaligned; a read of what was never written; a race in shared or global memory; a barrier that not
all threads of a block reach; a tensor core's instruction without all 32 threads of its warp, or
with a number that is not TF32; memory, a stream or an event of another GPU; work in two streams
that no event orders; pinned memory that the host changes too early.  It names the kernel, the line
of its source, the block, the thread and the address.

What is trusted: that PTX means what NVIDIA's manual says, as translate.py reads it; that the driver
behaves as documented.  What only a GPU can tell:

    machine code     ptxas makes it of the PTX; it may fuse a product and a sum: other last bits
    .approx          exact here, within a few last bits there
    mma.sync         the order in which a tensor core adds, and how it rounds
    the driver       peer access, contexts and errors as they are, rather than as described
    time             and how many threads fit at once

It takes seconds for what a GPU does in microseconds: for tests, and for tiny networks.
"""

from itertools import groupby

from numba import config

from ...errors import GpuError
from .execution import Fault as Fault
from .ptx import place

emulated = None  # the Driver, once started


def start(devices=2, cc=(9, 0), peers=True, size=1 << 29, races=True):
    """Emulate GPUs in this process from now on; see driver.Driver.  Return the Driver.

    A process has one emulation: a second call only returns it.  Raises GpuError if numba-cuda is
    not installed, or if Numba's simulator is on.
    """
    global emulated
    if emulated is None:
        from ...cuda import gpu

        if gpu.cuda.implementation != "NVIDIA" or config.ENABLE_CUDASIM:
            raise GpuError(
                "the emulator runs what numba-cuda compiles; install it with "
                "pip install 'numba-cuda[cu12]', and leave NUMBA_ENABLE_CUDASIM unset"
            )
        from .driver import Driver

        emulated = Driver(devices, cc, peers, size, races)
        emulated.install()
    return emulated


def coverage():
    """Return a line for each kernel: how much of its PTX ran, and which lines of Python never did.

    A kernel is compiled for several types, tiles and constants; their pieces are added up.
    """
    programs = sorted(emulated.programs.values(), key=lambda program: program.kernel.title)
    lines = []
    for title, variants in groupby(programs, key=lambda program: program.kernel.title):
        places = {
            True: set(),
            False: set(),
        }  # whether a piece ran → where its instructions are from
        ran = pieces = 0
        for program in variants:
            ran, pieces = ran + len(program.ran), pieces + len(program.kernel.pieces)
            for k, piece in enumerate(program.kernel.pieces):
                places[k in program.ran] |= set(map(place, piece.instructions))
        never = ", ".join(sorted(places[False] - places[True]))
        never = f"; never {never}" if never else ""
        lines.append(f"{title:28} {ran:5} of {pieces:5} pieces of PTX ran{never}")
    return lines
