"""Memory traffic of kernels, counted: python -m minicnn.cuda.compiled --traffic NETWORK.

    sector    32 neighbouring bytes, the least that a GPU moves from or to its memory
    fill      the fewest sectors that hold what the threads of a warp ask for in one instruction
    turn      shared memory serves 32 words in different banks at a time; lanes of a warp that ask
              for different words of one bank wait.  Shown is how many turns the instructions take,
              over the fewest for what they move: 1.00 means no bank conflicts
    products  multiply-adds, those of padding included
    arrays    the bytes of all arrays of a launch, each once: no kernel can move less
    bound     the least time on a GPU: for the arrays at its bandwidth, or for the multiply-adds at
              its peak, whichever is longer.  Computed, not measured

One image goes forward and backward in the emulator: minutes for a network of CIFAR-10, hours for
AlexNet, so the lines of a layer are printed as soon as it is done.  The counts are exact; the L2
cache may merge sectors that one kernel touches twice, and serve those that an earlier kernel has
just written.
"""

import functools
from collections import namedtuple

import numpy as np

from ... import cuda, net
from ...jit import njit
from ...networks import catalogue
from . import start

SECTOR, WORD, BANKS = 32, 4, 32
GPUS = {  # name → multiply-adds a second in float32, two operations each; bytes a second
    "H200": (67e12 / 2, 4.8e12),  # NVIDIA's data sheet, SXM
    "RTX 4090": (82.6e12 / 2, 1.008e12),  # NVIDIA's white paper on the Ada architecture
    "T4": (8.1e12 / 2, 320e9),  # NVIDIA's data sheet
    "GTX 580": (1.581e12 / 2, 192.4e9),  # NVIDIA's specifications: 512 cores, 1.544 GHz, 384 bits
}

Count = namedtuple("Count", "loaded load_fill stored store_fill turns least_turns products arrays")


class Traffic:
    """The counts of every kernel, by what the network was doing: (label, kernel) → Count."""

    def __init__(self):
        self.label, self.counts = "", {}

    def add(self, kernel, **counts):
        before = self.counts.get((self.label, kernel), Count(*[0] * len(Count._fields)))
        more = {name: getattr(before, name) + int(n) for name, n in counts.items()}
        self.counts[self.label, kernel] = before._replace(**more)

    def count(self, kernel, space, address, size, warps, writing):
        """Count a load or store: each lane moves `size` bytes from its address on."""
        if space == "global":
            names = ("stored", "store_fill") if writing else ("loaded", "load_fill")
            count = sectors(address.view(np.int64), size, warps)
            self.add(kernel, **dict(zip(names, count, strict=True)))
        elif space == "shared":
            count = turns(address.view(np.int64), size, warps)
            self.add(kernel, **dict(zip(("turns", "least_turns"), count, strict=True)))


@njit
def sectors(address, size, warps):
    """Return the sectors that an access of `size` bytes by each lane touches, and its fill.

    The lanes of a warp are neighbours.
    """
    touched = fill = first = 0
    while first < len(address):
        stop, numbers = first, 0
        while stop < len(address) and warps[stop] == warps[first]:
            new_number, new_sector = 1, 1
            for i in range(first, stop):
                if address[i] == address[stop]:
                    new_number = 0
                if address[i] // SECTOR == address[stop] // SECTOR:
                    new_sector = 0
            numbers, touched = numbers + new_number, touched + new_sector
            stop += 1
        fill += (numbers * size + SECTOR - 1) // SECTOR
        first = stop
    return touched, fill


@njit
def turns(address, size, warps):
    """Return the turns of shared memory that an access takes, and the fewest for its size.

    Lanes that move 16 bytes are served a quarter of a warp at a time, those of 8 bytes half of it.
    """
    taken = least = first = 0
    while first < len(address):
        waiting, stop = np.zeros(BANKS, np.int64), first
        while stop < len(address) and warps[stop] == warps[first] and (stop - first) * size < 128:
            for word in range(address[stop] // WORD, (address[stop] + size + WORD - 1) // WORD):
                new = 1
                for i in range(first, stop):
                    if address[i] // WORD <= word < (address[i] + size + WORD - 1) // WORD:
                        new = 0
                waiting[word % BANKS] += new
            stop += 1
        taken, least, first = taken + waiting.max(), least + 1, stop
    return taken, least


def report(name):
    """Count the traffic of a network's kernels for one image, and print a line for each."""
    row = catalogue.find(name)
    emulated = start()
    emulated.traffic = traffic = Traffic()
    try:
        ops = catalogue.backend(name, cuda)
        layers = catalogue.build(name, cuda, np.random.default_rng(0))
        net.to_device(layers, ops)
        print_head()
        layers = [labelled(layer, traffic) for layer in layers]
        image = np.random.default_rng(1).standard_normal((1, 3, row.size, row.size))
        scores, caches = net.forward(layers, ops.to_device(image.astype(np.float32)))
        dscores = printing(loss_and_gradient, "loss", traffic)(ops, scores)
        net.backward(layers, caches, dscores, need_dx=False)
    finally:
        emulated.traffic = None


def loss_and_gradient(ops, scores):
    """Return the gradient of the loss with respect to the scores of one image."""
    _, cache = ops.softmax_loss_forward(scores, np.zeros(1, int))
    return ops.softmax_loss_backward(cache)[0]


def labelled(layer, traffic):
    """Return a layer that prints the traffic of its kernels."""
    return layer._replace(
        forward=printing(layer.forward, f"{layer.name} forward", traffic),
        backward=printing(layer.backward, f"{layer.name} backward", traffic),
    )


def printing(function, label, traffic):
    """Return a function that also prints what its kernels moved."""

    @functools.wraps(function)
    def counted(*arguments, **options):
        traffic.label = label
        result = function(*arguments, **options)
        for (at, kernel), count in traffic.counts.items():
            if at == label:
                print_line(label, kernel, count)
        return result

    return counted


def print_head():
    print(
        f"{'':46}{'loads':>21}{'stores':>21}{'arrays':>11}{'shared':>8}{'':14}  bound, computed, µs"
    )
    print(
        f"{'layer':18}{'kernel':28}{'sectors / fill':>21}{'sectors / fill':>21}{'sectors':>11}"
        f"{'turns':>8}{'products':>14}{''.join(f'{name:>10}' for name in GPUS)}",
        flush=True,
    )


def print_line(label, kernel, count):
    print(
        f"{label:18}{kernel:28}{count.loaded:14,}{ratio(count.loaded, count.load_fill):>7}"
        f"{count.stored:14,}{ratio(count.stored, count.store_fill):>7}"
        f"{count.arrays // SECTOR:11,}{ratio(count.turns, count.least_turns):>8}"
        f"{count.products:14,}"
        + "".join(f"{1e6 * bound(count, *gpu):10.2f}" for gpu in GPUS.values()),
        flush=True,
    )


def ratio(number, least):
    return f"{number / least:.2f}" if least else "–"


def bound(count, products_per_second, bytes_per_second):
    """Return the seconds that a GPU needs at least."""
    return max(count.products / products_per_second, count.arrays / bytes_per_second)
