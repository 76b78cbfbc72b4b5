"""Two columns on one GPU or on two: each in a stream of its own, and what crosses between them.

Column c works on device gpus[c], in its main stream if c is 0, else in another one; one host thread
drives both.  Neither waits for the other but where an array crosses, and the host for neither.

    journey    an array on its way from its own column to the other one
    piece      what of it travels: some channels, packed, or all
    mark       a place in a stream; what follows it comes later, whatever its stream (gpu.py)

An array crosses in streams of its own, one for what leaves a column and one for what arrives, so
that both ways are open at once, and each array can travel as soon as it is written, while its
column computes on.  conv_backward and fc_backward leave a mark on their dx, `dx.written`, before
they turn to dw: then dx travels while dw is computed.

Memory is given out again as soon as Python holds it no more, within the stream it belongs to
(buffers.py).  So the rule for who reads an array of another stream is

    1. follow a mark of the stream that wrote it: it must be there;
    2. leave a mark after reading, which the array's own stream follows before it goes on: what it
       writes next may lie in the same memory.

Here, in `crossing`, with s, t the columns' streams and S, T those in which arrays leave and arrive:

    S follows s    the array is written; S packs the piece
    T follows S    the piece is packed; T copies it
    s follows T    it has been copied: the array's memory may be used again, and that of the piece,
                   too, because S follows s before it packs the next one
    t follows T    the copy is there; t reads it, as often as it likes
    T follows t    the copy has been read, and its memory may be used again

Both journeys of an exchange begin before any column waits.  The last line is why a copy is lent,
for a with statement: what is to live longer, t writes into memory of its own.

Devices that can access each other's memory copy directly; others through pinned memory of the host,
which S writes and T reads, under the same rule.
"""

import functools
import math
import time
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

pinned = {}  # (from, to, shape, type) → memory of the host


def chosen():
    """Return the devices that were chosen: none, one, or one for each column."""
    return gpu.chosen


def choose(gpus):
    """Let all work go to device gpus[0], or that of two columns to gpus[0] and gpus[1].

    Returns a sentence if one has much less memory than the other, else "".

    Raises ValueError for a device that does not exist.
    """
    gpu.check_devices(gpus)
    gpu.choose(gpus[0])
    gpu.chosen = tuple(gpus)
    less, more = sorted(gpus[:1] + gpus[-1:], key=gpu.total_memory)
    sizes = [gpu.total_memory(device) for device in (less, more)]
    if sizes[0] >= 0.9 * sizes[1]:
        return ""
    there, elsewhere = [f"{size / MiB:,.0f}" for size in sizes]
    return (
        f"GPU {less} has {there} MiB of memory, GPU {more} {elsewhere}: both columns need about "
        f"the same, so GPU {less} decides how large a batch can be"
    )


def on(gpus=None, watch=unwatched):
    """Return what two columns need, on these two devices, as in reference/two_columns.py.

    Where none are named, they are those chosen, or else both columns are on the current device.
    """
    gpus = tuple(gpus or gpu.chosen or (gpu.here.device,))
    if len(gpus) > 2:
        raise ValueError(f"gpus = {gpus}; expected two, one for each column")
    gpu.check_devices(gpus)
    return on_devices(gpus[0], gpus[-1], watch)


@functools.cache
def on_devices(gpu_0, gpu_1, watch):
    places, copy = (Place(gpu_0, 0), Place(gpu_1, 1)), watch(copied)

    def at_column(column):
        return at(places[column])

    def crossing_columns(*journeys):
        return crossing([(x, places[a], places[b], *some) for x, a, b, *some in journeys], copy)

    fed = (0,) if gpu_0 == gpu_1 else (0, 1)
    work = watch(joined), watch(part), watch(added)
    return Columns(fed, at_column, each, crossing_columns, *work, to_device)


def at(place, crossing=""):
    """Work where a column lives, or in its stream for what "leaves" it or "arrives"."""
    stream = None
    if crossing:
        stream = gpu.stream_for(f"{crossing}, column {place.column}", place.device)
    elif place.column:
        stream = gpu.stream_for(f"column {place.column}", place.device)
    return gpu.at(place.device, stream)


@contextmanager
def crossing(journeys, copy):
    """Lend each array to another place, for a with statement; give a list of the copies.

    A journey is (x, its place, the other place), or (x, …, …, first, C) for some channels of it.
    copy is `copied`, unless somebody watches it.
    """
    written = [mark_of(x, source) for x, source, *_ in journeys]
    sent = [send(copy, mark, *journey) for mark, journey in zip(written, journeys, strict=True)]
    for (_, arrived), (_, source, target, *_) in zip(sent, journeys, strict=True):
        with at(source):
            gpu.follow(arrived)
        with at(target):
            gpu.follow(arrived)
    try:
        yield [lent for lent, _ in sent]
    finally:
        for _, _, target, *_ in journeys:
            with at(target):
                read = gpu.mark()
            with at(target, "arrives"):
                gpu.follow(read)


def mark_of(x, source):
    """Return a mark that is reached when x is written: its own, or that of all work so far."""
    if getattr(x, "written", None):
        return x.written
    with at(source):
        return gpu.mark()


def send(copy, written, x, source, target, first=0, C=None):
    """Return a copy of the piece in the target's memory, and a mark: it has arrived."""
    with at(source, "leaves"):
        gpu.follow(written)
        piece = to_device(x) if C is None else part(x, first, C)
        memory = piece
        if piece.size and not direct(source.device, target.device):
            memory = pinned_for(piece, source, target)
            piece.copy_to_host(memory, stream=gpu.stream())
        packed = gpu.mark()
    with at(target, "arrives"):
        gpu.follow(packed)
        lent = copy(memory)
        arrived = gpu.mark()
    return lent, arrived


def copied(memory):
    """Return a copy of an array of another device, or of pinned memory, in the current stream."""
    copy = empty(memory.shape, memory.dtype)
    if copy.size:
        copy.copy_to_device(memory, stream=gpu.stream())
    return copy


def direct(source, target):
    """Return whether device `target` copies from device `source` without help of the host."""
    if settings.through_host:
        return False
    return gpu.SIMULATED or source == target or access(target, source)


@functools.cache
def access(device, other):
    """Let a device access another's memory, if it can; return whether it can."""
    with gpu.at(device):
        context = cuda.current_context()
        if not context.can_access_peer(other):
            return False
        try:
            context.enable_peer_access(cuda.gpus[other].get_primary_context().handle)
        except Exception as error:
            return "ALREADY_ENABLED" in str(error)  # by another library
        return True


def pinned_for(piece, source, target):
    """Return memory of the host for what travels between two places; always the same."""
    key = source, target, tuple(piece.shape), piece.dtype.str
    if key not in pinned:
        pinned[key] = cuda.pinned_array(tuple(piece.shape), piece.dtype)
    return pinned[key]


def tick():
    """Return a mark with the time, in the current stream; in the simulator, the time."""
    if gpu.SIMULATED:
        return time.perf_counter()
    event = cuda.event(timing=True)
    event.record(gpu.stream())
    return event


def seconds(first, second):
    """Return how long it was from one tick to another of the same device; both must be reached."""
    return second - first if gpu.SIMULATED else first.elapsed_time(second) / 1000


def joined(x0, x1):
    """Return one array with the channels of both."""
    x0, x1 = to_device(x0), to_device(x1)
    N, C0, *rest = x0.shape
    y = empty((N, C0 + x1.shape[1], *rest), x0.dtype)
    launch(join_kernel, y.size, flat(x0), flat(x1), *numbers(image(x0), image(x1)), flat(y))
    return y


def part(x, first, C):
    """Return C channels of x, as an array of their own."""
    x = to_device(x)
    N, _, *rest = x.shape
    y = empty((N, C, *rest), x.dtype)
    pixels = math.prod(rest)
    launch(part_kernel, y.size, flat(x), *numbers(image(x), first * pixels, image(y)), flat(y))
    return y


def added(dy, first, other):
    """Return other plus as many channels of dy, from the first one on."""
    dy, other = to_device(dy), to_device(other)
    dx = empty(other.shape, other.dtype)
    sizes = numbers(image(dy), first * math.prod(dy.shape[2:]), image(dx))
    launch(add_part_kernel, dx.size, flat(dy), *sizes, flat(other), flat(dx))
    return dx


def image(x):
    """Return how many numbers of x belong to one image."""
    return math.prod(x.shape[1:])


# A thread for each number that is written: the i-th of image n.


@cuda.jit
def join_kernel(x0, x1, size_0, size_1, y):
    at = cuda.grid(1)
    if at < y.size:
        n, i = at // (size_0 + size_1), at % (size_0 + size_1)
        if i < size_0:
            y[at] = x0[n * size_0 + i]
        else:
            y[at] = x1[n * size_1 + i - size_0]


@cuda.jit
def part_kernel(x, size_x, first, size_y, y):
    at = cuda.grid(1)
    if at < y.size:
        n, i = at // size_y, at % size_y
        y[at] = x[n * size_x + first + i]


@cuda.jit
def add_part_kernel(dy, size_y, first, size_x, other, dx):
    at = cuda.grid(1)
    if at < dx.size:
        n, i = at // size_x, at % size_x
        dx[at] = dy[n * size_y + first + i] + other[at]
