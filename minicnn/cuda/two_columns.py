"""Two columns on one GPU or on two: each has its own stream, and arrays cross between them.

Column c works on device gpus[c], in its main stream if c is 0, else in another stream; one host
thread drives both.  The columns synchronize only where an array crosses; the host never waits.

    transfer   an array on its way from its own column to the other one
    piece      what is copied: some channels, packed, or the whole array
    event      a point in a stream, which other streams can wait for (gpu.py)

Arrays cross in streams of their own, one for what leaves a column and one for what arrives.  So
both directions run at the same time, and an array can cross as soon as it is written, while its
column computes on.  conv_backward and fc_backward record an event for dx, `dx.written`, before they
compute dw: then dx crosses while dw is computed.

Memory is used again, within its stream, as soon as Python no longer refers to it (buffers.py).  So
whoever reads an array of another stream must

    1. wait for an event of the stream that wrote it: the array is complete;
    2. record an event after reading, which the array's own stream waits for before it goes on,
       because its next array may use the same memory.

In `crossing`, let s and t be the columns' streams, and S and T those in which arrays leave and
arrive:

    S waits for s    the array is written; S packs the piece
    T waits for S    the piece is packed; T copies it
    s waits for T    the copy is done, so the memory of the array may be used again; so may that of
                     the piece, because S waits for s before it packs the next one
    t waits for T    the copy is there; t reads it, as often as it likes
    T waits for t    the copy has been read, and its memory may be used again

Both transfers of an exchange start before either column waits.  Because of the last line, a copy is
only valid within a with statement; to keep the data, t writes it into memory of its own.

Devices that can access each other's memory copy directly.  Others copy through pinned host memory,
which S writes and T reads, under the same rules.
"""

import functools
import math
from collections import namedtuple
from contextlib import contextmanager

from ..machine import MiB
from ..reference.two_columns import Columns, each, unwatched
from . import gpu
from .buffers import empty
from .device import flat, to_device
from .gpu import cuda, launch
from .operands import numbers
from .settings import settings

Place = namedtuple("Place", "device column")

pinned = {}  # (source, target, shape, dtype) → pinned host memory


def chosen():
    """Return the devices set by `choose`: none, one, or one for each column."""
    return gpu.chosen


def choose(gpus):
    """Use device gpus[0] for all work, or gpus[0] and gpus[1] for the work of two columns.

    Returns a warning if one device has much less memory than the other, else "".

    Raises ValueError for a device that does not exist.
    """
    gpu.check_devices(gpus)
    gpu.set_device(gpus[0])
    gpu.chosen = tuple(gpus)
    small, large = sorted(gpus[:1] + gpus[-1:], key=gpu.total_memory)
    sizes = [gpu.total_memory(device) for device in (small, large)]
    if sizes[0] >= 0.9 * sizes[1]:
        return ""
    small_size, large_size = [f"{size / MiB:,.0f}" for size in sizes]
    return (
        f"GPU {small} has {small_size} MiB of memory, GPU {large} {large_size}: both columns need "
        f"about the same, so GPU {small} decides how large a batch can be"
    )


def on(gpus=None, watch=unwatched):
    """Return what two columns need, on these two devices, as in reference/two_columns.py.

    By default the devices are those set by `choose`, else both columns use the current device.
    """
    gpus = tuple(gpus or gpu.chosen or (gpu.current.device,))
    if len(gpus) > 2:
        raise ValueError(f"gpus = {gpus}; expected two, one for each column")
    gpu.check_devices(gpus)
    return columns_on(gpus[0], gpus[-1], watch)


@functools.cache
def columns_on(gpu_0, gpu_1, watch):
    places, copy = (Place(gpu_0, 0), Place(gpu_1, 1)), watch(copied)

    def at_column(column):
        return use_place(places[column])

    def crossing_columns(*transfers):
        return crossing(
            [(x, places[a], places[b], *channels) for x, a, b, *channels in transfers], copy
        )

    fed = (0,) if gpu_0 == gpu_1 else (0, 1)
    work = watch(joined), watch(part), watch(added)
    return Columns(fed, at_column, each, crossing_columns, *work, to_device)


def use_place(place, crossing=""):
    """Work in a column's stream, or in its stream for what "leaves" or "arrives"."""
    stream = None
    if crossing:
        stream = gpu.stream_for(f"{crossing}, column {place.column}", place.device)
    elif place.column:
        stream = gpu.stream_for(f"column {place.column}", place.device)
    return gpu.use(place.device, stream)


@contextmanager
def crossing(transfers, copy):
    """Yield a copy of each array at its target, valid within a with statement.

    A transfer is (x, source, target), or (x, source, target, first, C) for C channels of x.  copy
    is `copied`, perhaps watched.
    """
    written = [written_event(x, source) for x, source, *_ in transfers]
    sent = [
        send(copy, event, *transfer) for event, transfer in zip(written, transfers, strict=True)
    ]
    for (_, arrived), (_, source, target, *_) in zip(sent, transfers, strict=True):
        with use_place(source):
            gpu.wait_event(arrived)
        with use_place(target):
            gpu.wait_event(arrived)
    try:
        yield [copy_there for copy_there, _ in sent]
    finally:
        for _, _, target, *_ in transfers:
            with use_place(target):
                read = gpu.record_event()
            with use_place(target, "arrives"):
                gpu.wait_event(read)


def written_event(x, source):
    """Return an event that completes when x is written: x's own, or one after all work so far."""
    if getattr(x, "written", None):
        return x.written
    with use_place(source):
        return gpu.record_event()


def send(copy, written, x, source, target, first=0, C=None):
    """Return a copy of the piece in the target's memory, and the event of its arrival."""
    with use_place(source, "leaves"):
        gpu.wait_event(written)
        piece = to_device(x) if C is None else part(x, first, C)
        memory = piece
        if piece.size and not is_direct(source.device, target.device):
            memory = pinned_buffer(piece, source, target)
            piece.copy_to_host(memory, stream=gpu.stream())
        packed = gpu.record_event()
    with use_place(target, "arrives"):
        gpu.wait_event(packed)
        copy_there = copy(memory)
        arrived = gpu.record_event()
    return copy_there, arrived


def copied(memory):
    """Return a copy of an array of another device, or of pinned memory, in the current stream."""
    copy = empty(memory.shape, memory.dtype)
    if copy.size:
        copy.copy_to_device(memory, stream=gpu.stream())
    return copy


def is_direct(source, target):
    """Return whether device `target` copies from device `source` without the host."""
    if settings.through_host:
        return False
    return source == target or enable_access(target, source)


@functools.cache
def enable_access(device, other):
    """Let a device access another's memory if the hardware can; return whether it can."""
    with gpu.use(device):
        context = cuda.current_context()
        if not context.can_access_peer(other):
            return False
        try:
            context.enable_peer_access(cuda.gpus[other].get_primary_context().handle)
        except Exception as error:
            return "ALREADY_ENABLED" in str(error)  # by another library
        return True


def pinned_buffer(piece, source, target):
    """Return the pinned host memory for pieces of this shape between two places."""
    key = source, target, tuple(piece.shape), piece.dtype.str
    if key not in pinned:
        pinned[key] = cuda.pinned_array(tuple(piece.shape), piece.dtype)
    return pinned[key]


def tick():
    """Return an event with a time, in the current stream."""
    event = cuda.event(timing=True)
    event.record(gpu.stream())
    return event


def seconds(first, second):
    """Return the time from one tick to another on the same device; both must be complete."""
    return first.elapsed_time(second) / 1000


def joined(x0, x1):
    """Return one array with the channels of both."""
    x0, x1 = to_device(x0), to_device(x1)
    N, C0, *rest = x0.shape
    y = empty((N, C0 + x1.shape[1], *rest), x0.dtype)
    launch(
        join_kernel, y.size, flat(x0), flat(x1), *numbers(image_size(x0), image_size(x1)), flat(y)
    )
    return y


def part(x, first, C):
    """Return C channels of x, as an array of their own."""
    x = to_device(x)
    N, _, *rest = x.shape
    y = empty((N, C, *rest), x.dtype)
    pixels = math.prod(rest)
    launch(
        part_kernel,
        y.size,
        flat(x),
        *numbers(image_size(x), first * pixels, image_size(y)),
        flat(y),
    )
    return y


def added(dy, first, other):
    """Return other plus that many channels of dy, from channel `first` on."""
    dy, other = to_device(dy), to_device(other)
    dx = empty(other.shape, other.dtype)
    sizes = numbers(image_size(dy), first * math.prod(dy.shape[2:]), image_size(dx))
    launch(add_part_kernel, dx.size, flat(dy), *sizes, flat(other), flat(dx))
    return dx


def image_size(x):
    """Return how many numbers of x belong to one image."""
    return math.prod(x.shape[1:])


# Kernels with one thread for each number that is written: number i of image n.


@cuda.jit
def join_kernel(x0, x1, size_0, size_1, y):
    index = cuda.grid(1)
    if index < y.size:
        n, i = index // (size_0 + size_1), index % (size_0 + size_1)
        if i < size_0:
            y[index] = x0[n * size_0 + i]
        else:
            y[index] = x1[n * size_1 + i - size_0]


@cuda.jit
def part_kernel(x, size_x, first, size_y, y):
    index = cuda.grid(1)
    if index < y.size:
        n, i = index // size_y, index % size_y
        y[index] = x[n * size_x + first + i]


@cuda.jit
def add_part_kernel(dy, size_y, first, size_x, other, dx):
    index = cuda.grid(1)
    if index < dx.size:
        n, i = index // size_x, index % size_x
        dx[index] = dy[n * size_y + first + i] + other[index]
