"""What a network has before it has learned anything: shapes, receptive fields, numbers, memory.

    from minicnn.networks.catalogue import alexnet, summary
    from minicnn import reference
    print(summary.summary(alexnet.alexnet(reference, None), (3, 224, 224)))

Nothing is computed for it.  An empty batch goes through the layers themselves, (0, 3, 224, 224) for
AlexNet: no image comes out, but an array of the right shape does.

    output         the shape of what comes out for one image
    sees           how many pixels of the image, f × f, one number of the output depends on
    parameters     how many weights and biases it has
    multiply-adds  products in the row's sums, for one image, forward
    neurons        outputs of convolutions and fully connected layers: the paper's "650,000"
    column         of a network of two: where the row runs, in 0 and 1, or between which it copies

What a row sees follows from the windows below it: one of f × f pixels that lie `step` pixels of the
image apart sees (f − 1)·step more than each of its pixels, and with a stride its own outputs lie
that many times as far apart.  At the border it reaches into the zeros around the image.
"""

import math
from collections import namedtuple

import numpy as np

from ..console import aligned
from ..net import columns, count_parameters, forward, kind_of, parameters

MiB = 2**20

Size = namedtuple("Size", "name layer output sees parameters multiply_adds neurons")
Crossing = namedtuple("Crossing", "name forward backward")
COLUMNS = {"both": "0 → 1", "exchange": "0 ↔ 1", "join": "1 → 0"}  # which copy; others compute


def measure(layers, shape):
    """Return what the network makes of one image: a Size for each row.

    Every output of a convolution or of a fully connected layer is a sum of as many products as its
    kernel w[0] has weights, and counts as one neuron.  No other row counts for either.

    Parameters
    ----------
    layers : list of Layer
    shape : tuple
        The shape of one input, without N: (3, 224, 224).

    Returns
    -------
    list of Size
        name; layer, what it is, with its options; output, a list of shapes without N, one for each
        column; sees, in pixels, or infinity for all of them; and three numbers: parameters,
        multiply_adds, neurons.
    """
    y = np.zeros((0, *shape), dtype_of(layers))
    sees, step = 1, 1  # one pixel sees itself, and the next lies one further
    sizes = []
    for layer in layers:
        if "rng" in layer.options:  # there may be none, and nothing to drop either
            options = {**layer.options, "rng": np.random.default_rng(0)}
            layer = layer._replace(options=options)
        y, _ = forward([layer], y)
        shapes = [output.shape[1:] for output in columns(y)]
        f, stride = window(layer)
        sees, step = sees + (f - 1) * step, step * stride
        kernels = [w[0] for w in columns(layer.params.get("w", ()))]  # [] in a row without weights
        learned = list(zip(shapes, kernels, strict=True)) if kernels else []
        size = Size(
            name=layer.name,
            layer=described(layer),
            output=shapes,
            sees=sees,
            parameters=count_parameters([layer]),
            multiply_adds=sum(math.prod(output) * kernel.size for output, kernel in learned),
            neurons=sum(math.prod(output) for output, _ in learned),
        )
        sizes.append(size)
    return sizes


def window(layer):
    """Return how wide a row's windows are, and their stride: 1, 1 for one pixel, ∞, 1 for all."""
    match kind_of(layer):
        case "conv":
            w = columns(layer.params["w"])[0]
            return w.shape[2], layer.options.get("stride", 1)
        case "pool" | "average_pool":
            return layer.options.get("z", 3), layer.options.get("s", 2)
        case "fc":
            return math.inf, 1
    return 1, 1


def stacks(layers):
    """Return which convolutions stand on others of the same maps: {(3, 3): ["conv1_2"]}, say.

    The key holds the widths of the windows, from the bottom up; nothing with a stride, and so no
    pool, lies between.  Together they see 1 + Σ (f − 1) pixels of the maps that the first one sees.
    """
    found, stack = {}, ()
    for layer in layers:
        f, stride = window(layer)
        if stride > 1 or f == math.inf:
            stack = ()
        elif kind_of(layer) == "conv":
            stack += (f,)
            found.setdefault(stack, []).append(layer.name)
    return {stack: names for stack, names in found.items() if len(stack) > 1}


def kept_bytes(layers, shape, batch=128):
    """Return how many bytes minicnn.fast keeps of one image between forward and backward.

    That is what its caches hold: a convolution its input, copied with the zeros around it where
    there are any (Winograd's algorithm, which is taken or not depending on the batch, needs none);
    a fully connected layer its input; a nonlinearity its output; a normalization its input and as
    many divisors; a pool a byte an output, which place has won; dropout a byte a unit.  What one
    row keeps as its output and the next one as its input is one array and counts once.
    """
    outputs = [[shape], *[size.output for size in measure(layers, shape)]]
    number = np.dtype(dtype_of(layers)).itemsize
    arrays = {}  # array i is what row i sees, and what row i − 1 returns
    for i, layer in enumerate(layers):
        for column, (x, y) in enumerate(zip(outputs[i], outputs[i + 1], strict=False)):
            x_array, y_array, own = (i, column), (i + 1, column), (layer.name, column)
            match kind_of(layer):
                case "conv":
                    kernels = columns(layer.params["w"])[column]
                    copied = not by_winograd(layer, kernels, y, batch)
                    frame = with_zeros(layer, x, y) if copied else x
                    arrays[x_array if frame == x else own] = math.prod(frame) * number
                case "fc":
                    arrays[x_array] = math.prod(x) * number
                case "relu" | "tanh" | "logistic":
                    arrays[y_array] = math.prod(y) * number
                case "lrn":
                    arrays[x_array] = arrays[own] = math.prod(x) * number
                case "pool" | "dropout":
                    arrays[own] = math.prod(y)
    return sum(arrays.values())


def by_winograd(layer, w, y, batch):
    """Return whether minicnn.fast computes a convolution by Winograd's algorithm."""
    from ..fast.winograd import pays  # brings Numba

    (_, C, f, _), (_, H_out, W_out) = w.shape, y
    return pays(batch, C, H_out, W_out, f, layer.options.get("stride", 1))


def with_zeros(layer, x, y):
    """Return the shape of a convolution's input with the zeros that its windows reach."""
    f, stride = window(layer)
    pad = layer.options.get("pad", 0)
    (C, H, W), (_, H_out, W_out) = x, y
    return C, max(H + 2 * pad, stride * (H_out - 1) + f), max(W + 2 * pad, stride * (W_out - 1) + f)


def crossings(layers, shape, batch=128):
    """Return what crosses between two columns in a training step, in bytes.

    `both` gives column 1 the images, which training on two GPUs sends there from the host, ahead of
    the step; their gradient is not asked for.  `exchange` sends each column's channels to the
    other, and back comes as much of the gradient.  `join` sends column 1's scores to column 0, and
    back comes their gradient.

    Returns
    -------
    list of Crossing
        name of the row; forward and backward, each (from column 0 to 1, from column 1 to 0).
    """
    found, number = [], dtype_of(layers).itemsize
    x = [shape]
    for layer, size in zip(layers, measure(layers, shape), strict=True):
        sent = [batch * math.prod(half) * number for half in x]
        match kind_of(layer):
            case "both":
                found.append(Crossing(layer.name, (sent[0], 0), (0, 0)))
            case "exchange":  # back goes the gradient of what came
                found.append(Crossing(layer.name, (sent[0], sent[1]), (sent[1], sent[0])))
            case "join":
                found.append(Crossing(layer.name, (0, sent[1]), (sent[1], 0)))
        x = size.output
    return found


def crossings_in_words(found, batch):
    """Return the lines of a table of crossings, in millions of bytes."""
    ways = ["0 → 1", "1 → 0"]
    cells = [["", "forward", "", "backward", ""], ["", *ways, *ways]]
    cells += [[one.name, *map(megabytes, one.forward + one.backward)] for one in found]
    totals = [sum(way) for way in zip(*[one.forward + one.backward for one in found], strict=True)]
    cells.append(["together", *map(megabytes, totals)])
    heading = f"Between the columns cross, in a step of {batch} images, in MB"
    lines = [f"{name:12}" + "".join(f"{n:>10}" for n in rest) for name, *rest in cells]
    note = (
        "On two GPUs, training sends the images of `both` to each from the host, ahead of the step"
    )
    return [heading, *(line.rstrip() for line in lines), note]


def summary(layers, shape, batch=128):
    """Return all of this as text: a line a row, what stacks see, and the memory for training.

    Counted as memory are the parameters, a gradient and a velocity for each of them, and what is
    kept between forward and backward (`kept_bytes`).  Not counted are Python and its libraries (90
    MiB), the images, and what passes from row to row, such as gradients on their way up, whose
    memory minicnn.fast uses again but does not give back.  With AlexNet a process reached 959,
    1,286 and 2,586 MiB for batches of 4, 32 and 128, where this counts 723, 901 and 1,510.

    Parameters
    ----------
    layers : list of Layer
    shape : tuple
        The shape of one input, without N: (3, 224, 224).
    batch : int
        So many images go through at a time.
    """
    sizes = measure(layers, shape)
    lines = [*table(sizes, shape), ""]
    for stack, names in stacks(layers).items():
        windows = " on ".join(square(f) for f in reversed(stack))
        seen = square(1 + sum(f - 1 for f in stack))
        lines.append(f"{windows} sees {seen} of the maps below: {', '.join(names)}")
    lines += [""] if stacks(layers) else []
    crossed = crossings(layers, shape, batch)
    lines += [*crossings_in_words(crossed, batch), ""] if crossed else []

    dtype, count = dtype_of(layers), sum(size.parameters for size in sizes)
    learned, image = 3 * count * dtype.itemsize, kept_bytes(layers, shape, batch)
    lines += [
        f"To train it with batches of {batch} in {dtype}, minicnn.fast holds",
        f"{mebibytes(learned)}  parameters, gradients and velocities: 3 × {count:,}",
        f"{mebibytes(batch * image)}  kept for backward: {batch} × {image:,} bytes",
        f"{mebibytes(learned + batch * image)}  together; the whole process may need twice as much",
    ]
    return "\n".join(lines)


def what_fits(layers, shape, batch):
    """Return, in words, about how many images a batch may have on this GPU, or on these two.

    Counted are the parameters, their gradients and velocities; of each image what is kept for
    backward, which on a GPU is about what minicnn.fast keeps, twice the largest array that passes
    between rows, and the image itself, now and one batch ahead.  A tenth of the memory is left out.
    Two columns on two GPUs have half of all that on each, so the smaller one counts, twice.

    Parameters
    ----------
    layers : list of Layer
    shape : tuple
        The shape of one image.
    batch : int
        What did not fit.
    """
    from ..cuda import gpu, two_columns  # brings Numba

    devices = set(two_columns.chosen) or {gpu.current.device}
    smaller = min(devices, key=gpu.total_memory)
    total = gpu.total_memory(smaller) * len(devices)  # each has half of everything
    itemsize = dtype_of(layers).itemsize
    learned = 3 * count_parameters(layers) * itemsize
    outputs = [shape, *(one for size in measure(layers, shape) for one in size.output)]
    passing = 2 * max(map(math.prod, outputs)) + 2 * math.prod(shape)
    image = kept_bytes(layers, shape) + passing * itemsize
    fits = max(0, int((0.9 * total - learned) // image))
    if fits >= batch:
        return f"counted roughly, {batch} images fit, if no other program uses this GPU"
    if not fits:
        return f"not even one image would fit: parameters alone take {learned / MiB:,.0f} MiB"
    return (
        f"about {fits} images of {image / MiB:.3g} MiB would fit: try --batch {fits}, a new --out"
    )


def table(sizes, shape):
    """Return the lines of a table: a heading, the images, the rows, their totals."""
    cells = [("row", "layer", "output", "sees", "parameters", "multiply-adds", "neurons")]
    cells.append(("images", "", by(shape), "1×1", "", "", ""))
    for size in sizes:
        numbers = (size.parameters, size.multiply_adds, size.neurons)
        words = (size.name, size.layer, in_columns(size.output), square(size.sees))
        cells.append((*words, *[f"{n:,}" if n else "" for n in numbers]))
    totals = [sum(numbers) for numbers in list(zip(*sizes, strict=True))[4:]]
    cells.append(("total", "", "", "", *[f"{n:,}" for n in totals]))
    if any(len(size.output) == 2 for size in sizes):
        where = ["column", "0", *[COLUMNS.get(size.layer, "0, 1") for size in sizes], ""]
        cells = [(one[0], place, *one[1:]) for one, place in zip(cells, where, strict=True)]

    width = len(cells[0])
    lines = aligned(cells, right=range(width - 4, width))
    rule = "-" * max(map(len, lines))
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def described(layer):
    """Return what a row is, with its options: "conv 11×11 stride=4 ceil_mode=True"."""
    kind = kind_of(layer)
    words = [kind, square(window(layer)[0])] if kind == "conv" else [kind]
    options = [f"{name}={value}" for name, value in layer.options.items() if name != "rng"]
    return " ".join([*words, *options])


def dtype_of(layers):
    """Return the dtype of the parameters; float32 if there are none."""
    return next((w.dtype for w in parameters(layers).values()), np.dtype(np.float32))


def in_columns(shapes):
    """Return the shape of an output, or of two columns, in words."""
    if len(shapes) == 2 and shapes[0] == shapes[1]:
        return f"2 of {by(shapes[0])}"
    return " + ".join(by(shape) for shape in shapes)


def by(shape):
    return "×".join(map(str, shape))


def square(f):
    return "all" if f == math.inf else f"{f}×{f}"


def megabytes(count):
    return "–" if not count else "< 0.01" if count < 1e4 else f"{count / 1e6:,.2f}"


def mebibytes(count):
    return f"{count / 2**20:10,.1f} MiB"
