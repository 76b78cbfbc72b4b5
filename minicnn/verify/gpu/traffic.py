"""Memory traffic of kernels, counted: python -m minicnn.cuda.compiled --traffic NETWORK.

    sector    32 neighbouring bytes, the least that a GPU moves from or to its memory
    fill      the fewest sectors that hold what the threads of a warp ask for in one instruction
    turn      shared memory serves 32 words in different banks at a time; lanes of a warp that ask
              for different words of one bank wait.  Shown is how many turns the instructions take,
              over the fewest for what they move: 1.00 means no bank conflicts
    products  multiply-adds, those of padding included
    arrays    the bytes of all arrays of a launch, each once: no kernel can move less
    bound     the least time of these kernels on a GPU: for the arrays at its bandwidth, or for the
              products at its peak, whichever is longer.  Computed, not measured

One image goes forward and backward in the emulator, and the lines of a layer are printed as soon as
it is done.  Of a product's blocks, those that do the same with other numbers are executed once, and
count as often as there are of them; `alike` says which.  So the counts are exact, but the outputs
are not all there: those of layers with parameters are the reference's.  The L2 cache may merge
sectors that one kernel touches twice, and serve those that an earlier kernel has just written.
"""

import functools
import itertools
from collections import Counter, namedtuple
from math import isqrt, prod

import numpy as np

from ... import cuda, net, reference
from ...cuda import gpu, product
from ...cuda.operands import Matrix, Windows
from ...cuda.patches import patched
from ...jit import njit
from ...networks import catalogue
from . import start

SECTOR, WORD, BANKS = 32, 4, 32
SIZE = 1 << 31  # bytes of memory: VGG-19's parameters and their gradients are 1.15e9
# name → multiply-adds a second in float32, of two operations each, cores · clock of them; and bytes
# a second, width of the memory's bus · data rate.  docs/gpu.md has the sources.
GPUS = {
    "H200": (67e12 / 2, 4.8e12),  # SXM: 16,896 cores, 1.98 GHz
    "RTX 4090": (82.6e12 / 2, 1.008e12),  # 16,384 cores, 2.52 GHz; 384 bits, 21 Gbit/s
    "T4": (8.1e12 / 2, 320e9),  # 2,560 cores, 1.59 GHz; 256 bits, 10 Gbit/s
    "GTX 580": (1.581e12 / 2, 192.4e9),  # 512 cores, 1.544 GHz; 384 bits, 4.008 Gbit/s
}

Count = namedtuple("Count", "loaded load_fill stored store_fill turns least_turns products arrays")


class Traffic:
    """The counts of every kernel, by what the network was doing: (label, kernel) → Count.

    sample    {how often blocks count: their numbers} of the next launch; None: all count once
    times     how often those count that run now
    """

    def __init__(self):
        self.label, self.counts = "", {}
        self.sample, self.times = None, 1

    def choose(self, grid):
        """Yield the numbers of the blocks to run, those together that count the same."""
        for times, numbers in (self.sample or {1: range(prod(grid))}).items():
            self.times = times
            yield numbers
        self.times = 1

    def add(self, kernel, **counts):
        before = self.counts.get((self.label, kernel), Count(*[0] * len(Count._fields)))
        more = {name: getattr(before, name) + int(n) * self.times for name, n in counts.items()}
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


def alike(a, b, out, sizes, grid, tiles_down, share, tile):
    """Return {how often: numbers} of the blocks of a product that stand for all of them.

    A block of the same column of tiles reads other rows of a, and writes other rows of out: a
    multiple of 8 rows further, which is a whole number of sectors, whatever a row's length.  So
    all of a column's tiles that are full do the same, and for matrices also all full columns, and
    all parts of the same depth.  For windows it depends on their place in the image.  Groups do the
    same if they are whole sectors apart.
    """
    tiles, parts, groups = grid
    columns = range(0, tiles // tiles_down * tile.COLUMNS, tile.COLUMNS)
    across = [(n, min(tile.COLUMNS, sizes.columns - n)) for n in columns]
    along = [(k, min(share, sizes.depth - k)) for k in range(0, parts * share, share)]
    if not isinstance(b, Windows):
        across, along = [count for _, count in across], [count for _, count in along]
    elif isinstance(a, Matrix):
        across = [place_of(b, *stretch) for stretch in across]
    else:
        along = [place_of(b, *stretch) for stretch in along]
    steps = a.group_step, b.group_step, out.group_step, sizes.rows  # the last is the bias's
    whole = all(step * a.array.dtype.itemsize % SECTOR == 0 for step in steps)
    down = classes([tile.ROWS * (m + 1) <= sizes.rows for m in range(tiles_down)])
    across = classes(across)
    along = classes(along if whole else range(parts))
    deep = classes([0] * groups if whole else range(groups))
    sample = {}
    for (x, y, z, q), times in product_of(down, across, along, deep):
        sample.setdefault(times, []).append(x + tiles_down * y + tiles * (z + parts * q))
    return sample


def place_of(b, first, count):
    """Return what must be equal for two stretches of windows to touch the same sectors.

    In one image, with as many windows as pixels and rows of whole sectors, it is the column of the
    first window and the distance from the image's upper and lower edge, up to a kernel's height.
    """
    in_group = b.group_step // (b.H * b.W)  # channels
    if (b.count, b.per_image, b.stride) != (b.H * b.W, b.H * b.W, 1) or b.W % (SECTOR // WORD):
        return first
    f = isqrt(b.depth // in_group)
    top, bottom = first // b.W, b.H - 1 - (first + count - 1) // b.W
    return first % b.W, count, min(top, f), min(bottom, f)


def classes(keys):
    """Return {the first index of a key: how many indices have this key}."""
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    counts = Counter(keys)
    return {i: counts[key] for key, i in first.items()}


def product_of(*axes):
    """Yield the indices of every combination of classes, and how many it stands for."""
    for choice in itertools.product(*(axis.items() for axis in axes)):
        indices, counts = zip(*choice, strict=True)
        yield indices, prod(counts)


def report(name):
    """Count the traffic of a network's kernels for one image, and print a line for each."""
    row = catalogue.find(name)
    emulated = start(size=SIZE, races=False)
    emulated.traffic = traffic = Traffic()

    some = functools.partial(launch_some, traffic) if row.columns == 1 else gpu.launch_blocks
    try:
        ops = catalogue.backend(name, cuda)
        layers = catalogue.build(name, cuda, np.random.default_rng(0))
        on_host = [dict(layer.params) for layer in layers]
        net.to_device(layers, ops)
        print_head()
        layers = [counted(*pair, traffic) for pair in zip(layers, on_host, strict=True)]
        image = np.random.default_rng(1).standard_normal((1, 3, row.size, row.size))
        with patched(product, "launch_blocks", some):
            scores, caches = net.forward(layers, ops.to_device(image.astype(np.float32)))
            dscores = printing(loss_and_gradient, "loss", traffic)(ops, scores)
            net.backward(layers, caches, dscores, need_dx=False)
    finally:
        emulated.traffic = None


def launch_some(traffic, kernel, grid, block, *arguments):
    """Launch a product, and execute only the blocks that stand for all."""
    a, b, out, _, sizes, tiles_down, share = arguments
    tile = product.tile_for(sizes.rows, out.array.dtype)
    traffic.sample = alike(a, b, out, sizes, grid, tiles_down, share, tile)
    gpu.launch_blocks(kernel, grid, block, *arguments)
    traffic.sample = None


def loss_and_gradient(ops, scores):
    """Return the gradient of the loss with respect to the scores of one image."""
    _, cache = ops.softmax_loss_forward(scores, np.zeros(1, int))
    return ops.softmax_loss_backward(cache)[0]


def counted(layer, params, traffic):
    """Return a layer that prints the traffic of its kernels.

    With parameters, its y and dx are the reference's; `params` are on the host.
    """
    forward = printing(layer.forward, f"{layer.name} forward", traffic)
    backward = printing(layer.backward, f"{layer.name} backward", traffic)
    if not params or not hasattr(reference, layer.forward.__name__):
        return layer._replace(forward=forward, backward=backward)
    forward_there = getattr(reference, layer.forward.__name__)
    backward_there = getattr(reference, layer.backward.__name__)
    caches = []

    def forward_and_replace(x, *others, **options):
        y, cache = forward(x, *others, **options)
        expected, cache_there = forward_there(cuda.to_host(x), *params.values(), **options)
        caches.append(cache_there)
        return replaced(y, expected), cache

    def backward_and_replace(dy, cache, **options):
        dx, *gradients = backward(dy, cache, **options)
        expected, *_ = backward_there(cuda.to_host(dy), caches.pop(), **options)
        return dx if dx is None else replaced(dx, expected), *gradients

    return layer._replace(forward=forward_and_replace, backward=backward_and_replace)


def replaced(array, numbers):
    """Return an array of the device, with these numbers."""
    array.copy_to_device(np.ascontiguousarray(numbers, array.dtype), stream=gpu.stream())
    return array


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
