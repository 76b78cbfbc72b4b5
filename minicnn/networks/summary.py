"""The size of a network: output shapes, receptive fields, parameters, multiply-adds and memory.

    from minicnn.networks import alexnet, summary
    from minicnn import reference
    print(summary.summary(alexnet.alexnet(reference, None), (3, 224, 224)))

Nothing is computed.  An empty batch, (0, 3, 224, 224) for AlexNet, goes through the layers
themselves: the outputs hold no image, but have the right shapes.

    output         the shape of the layer's output for one image
    sees           the receptive field: one value of the output depends on f × f pixels of the image
    parameters     the number of weights and biases
    multiply-adds  the products in the layer's sums, for one image, forward
    neurons        the outputs of layers with weights: the paper's "650,000"
    column         with two columns: where the layer runs, 0, 1 or both, or which way it copies

The receptive field follows from the windows of the layers below.  If neighbouring inputs of a layer
are `step` pixels of the image apart, a window of f × f inputs sees (f − 1)·step more pixels than
one input does, and the layer's stride multiplies the step.  At the border the field includes zeros
around the image.
"""

import math
from collections import namedtuple

import numpy as np

from ..console import aligned
from ..machine import MiB
from ..net import columns, count_parameters, kind_of, outputs, parameters

Size = namedtuple("Size", "name layer output sees parameters multiply_adds neurons")
Crossing = namedtuple("Crossing", "name forward backward")
COLUMNS = {"both": "0 → 1", "exchange": "0 ↔ 1", "join": "1 → 0"}  # all other layers compute


def measure(layers, shape):
    """Return the sizes of all layers for one image.

    Every output of a layer with weights is one neuron, and a sum of as many products as its kernel
    has weights.  Other layers have no neurons or multiply-adds.

    Parameters
    ----------
    layers : list of Layer
    shape : tuple
        The shape of one input, without N: (3, 224, 224).

    Returns
    -------
    list of Size
        name; layer, its kind and options; output, a list of shapes without N, one for each column;
        sees, in pixels, or infinity for the whole image; and the counts parameters, multiply_adds
        and neurons.
    """
    x = np.zeros((0, *shape), dtype_of(layers))
    sees, step = 1, 1  # an input pixel sees itself, and its neighbour is one pixel away
    sizes = []
    ys = outputs([with_generator(layer) for layer in layers], x)
    for layer, y in zip(layers, ys, strict=True):
        shapes = [output.shape[1:] for output in columns(y)]
        f, stride = window(layer)
        sees, step = sees + (f - 1) * step, step * stride
        pairs = zip(*(columns(layer.params.get(name, ())) for name in "wb"), strict=True)
        products = [w.size // b.size for w, b in pairs]  # of an output; [] without weights
        weighted = list(zip(shapes, products, strict=True)) if products else []
        size = Size(
            name=layer.name,
            layer=described(layer),
            output=shapes,
            sees=sees,
            parameters=count_parameters([layer]),
            multiply_adds=sum(math.prod(output) * count for output, count in weighted),
            neurons=sum(math.prod(output) for output, _ in weighted),
        )
        sizes.append(size)
    return sizes


def with_generator(layer):
    """Return the layer with a Generator, even if the network was built without one."""
    if "rng" not in layer.options:
        return layer
    return layer._replace(options={**layer.options, "rng": np.random.default_rng(0)})


def window(layer):
    """Return the width and stride of a layer's windows: 1, 1 for one pixel, ∞, 1 for all."""
    match kind_of(layer):
        case "conv" | "local":
            w = columns(layer.params["w"])[0]
            return w.shape[-1], layer.options.get("stride", 1)
        case "map_lrn":
            return layer.options.get("n", 3), 1
        case "pool" | "average_pool":
            return layer.options.get("z", 3), layer.options.get("s", 2)
        case "fc":
            return math.inf, 1
    return 1, 1


def stacks(layers):
    """Return the convolutions at the top of each kind of stack, such as {(3, 3): ["conv1_2"]}.

    A stack is a sequence of convolutions with no stride, and so no pool, in between.  The key has
    the widths of its windows, from the bottom up.  Together they see 1 + Σ (f − 1) pixels of the
    maps that the first one sees.
    """
    names_by_stack, stack = {}, ()
    for layer in layers:
        f, stride = window(layer)
        if stride > 1 or f == math.inf:
            stack = ()
        elif kind_of(layer) in ("conv", "local"):
            stack += (f,)
            names_by_stack.setdefault(stack, []).append(layer.name)
    return {stack: names for stack, names in names_by_stack.items() if len(stack) > 1}


def kept_bytes(layers, shape, batch=128):
    """Return how many bytes per image minicnn.fast keeps between forward and backward.

    These are the bytes in its caches:

        convolution        its input, as a padded copy if it has a stride, or padding and does not
                           use Winograd's algorithm, which depends on the batch
        fully connected    its input, as a copy if that is maps: their channels come last in memory
        nonlinearity       its output
        locally connected  its input, as a padded copy if it has padding
        normalization      its input, and a divisor for each value
        pool               a byte per output: the position of the maximum
        dropout            a byte per unit

    An array that is both the output of one layer and the input of the next counts once.
    """
    outputs = [[shape], *[size.output for size in measure(layers, shape)]]
    number = np.dtype(dtype_of(layers)).itemsize
    arrays = {}  # array i is the input of layer i, and the output of layer i − 1
    for i, layer in enumerate(layers):
        for column, (x, y) in enumerate(zip(outputs[i], outputs[i + 1], strict=False)):
            x_array, y_array, extra = (i, column), (i + 1, column), (layer.name, column)
            match kind_of(layer):
                case "conv":
                    kernels = columns(layer.params["w"])[column]
                    kept = kept_of_conv(layer, kernels, x, y, batch)
                    arrays[x_array if kept == x else extra] = math.prod(kept) * number
                case "local":
                    kept = padded_shape(layer, x, y)
                    arrays[x_array if kept == x else extra] = math.prod(kept) * number
                case "fc":
                    copied = len(x) == 3 and x[0] > 1 and x[1] * x[2] > 1
                    arrays[extra if copied else x_array] = math.prod(x) * number
                case "relu" | "tanh" | "logistic":
                    arrays[y_array] = math.prod(y) * number
                case "lrn" | "map_lrn":
                    arrays[x_array] = arrays[extra] = math.prod(x) * number
                case "pool" | "dropout":
                    arrays[extra] = math.prod(y)
    return sum(arrays.values())


def kept_of_conv(layer, w, x, y, batch):
    """Return the shape that minicnn.fast keeps of a convolution's input: see fast/conv.py."""
    from ..fast.conv import winograd_pays  # imports Numba

    (_, C, f, _), (_, H_out, W_out) = w.shape, y
    stride, groups = layer.options.get("stride", 1), layer.options.get("groups", 1)
    if not winograd_pays(batch, C, groups, H_out, W_out, f, stride):
        return padded_shape(layer, x, y)
    return x if stride == 1 else padded_shape(layer, x, y, stride)


def padded_shape(layer, x, y, multiple=1):
    """Return the shape of a convolution's input with the padding that its windows cover.

    Height and width are rounded up to a multiple of `multiple`.
    """
    f, stride = window(layer)
    pad = layer.options.get("pad", 0)
    (C, *sides), outputs = x, y[1:]
    sides = [
        max(H + 2 * pad, stride * (H_out - 1) + f) for H, H_out in zip(sides, outputs, strict=True)
    ]
    return C, *(-(-side // multiple) * multiple for side in sides)


def crossings(layers, shape, batch=128):
    """Return the bytes that cross between two columns in a training step.

    `both` sends the images to column 1, and no gradient back.  On two GPUs, training sends them
    from the host instead, ahead of the step.  `exchange` sends each column's channels to the other,
    and a gradient of the same size back.  `join` sends column 1's scores to column 0, and their
    gradient back.

    Returns
    -------
    list of Crossing
        name of the layer; forward and backward, each (from column 0 to 1, from column 1 to 0).
    """
    crossed, number = [], dtype_of(layers).itemsize
    x = [shape]
    for layer, size in zip(layers, measure(layers, shape), strict=True):
        sent = [batch * math.prod(half) * number for half in x]
        match kind_of(layer):
            case "both":
                crossed.append(Crossing(layer.name, (sent[0], 0), (0, 0)))
            case "exchange":  # backward sends the gradient of what forward received
                crossed.append(Crossing(layer.name, (sent[0], sent[1]), (sent[1], sent[0])))
            case "join":
                crossed.append(Crossing(layer.name, (0, sent[1]), (sent[1], 0)))
        x = size.output
    return crossed


def crossings_table(crossed, batch):
    """Return the lines of a table of crossings, in millions of bytes."""
    ways = ["0 → 1", "1 → 0"]
    cells = [["", "forward", "", "backward", ""], ["", *ways, *ways]]
    counts = [crossing.forward + crossing.backward for crossing in crossed]
    for crossing, count in zip(crossed, counts, strict=True):
        cells.append([crossing.name, *map(megabytes, count)])
    totals = [sum(column) for column in zip(*counts, strict=True)]
    cells.append(["together", *map(megabytes, totals)])
    heading = f"MB that cross between the columns in a step of {batch} images"
    lines = [f"{name:12}" + "".join(f"{n:>10}" for n in rest) for name, *rest in cells]
    note = (
        "On two GPUs, training sends the images of `both` to each from the host, ahead of the step"
    )
    return [heading, *(line.rstrip() for line in lines), note]


def summary(layers, shape, batch=128):
    """Return the summary as text: a line per layer, what stacks see, and memory for training.

    The memory counted is that of the parameters, a gradient and a velocity for each of them, and
    the caches (`kept_bytes`).  Not counted are Python and its libraries (90 MiB), the images, and
    arrays that pass from layer to layer, such as gradients, whose memory minicnn.fast reuses but
    does not return.  With AlexNet a process reached 959, 1,286 and 2,586 MiB for batches of 4, 32
    and 128; this counts 723, 901 and 1,510.

    Parameters
    ----------
    layers : list of Layer
    shape : tuple
        The shape of one input, without N: (3, 224, 224).
    batch : int
        Images per batch.
    """
    sizes = measure(layers, shape)
    lines = [*table(sizes, shape), ""]
    for stack, names in stacks(layers).items():
        windows = " on ".join(square(f) for f in reversed(stack))
        field = square(1 + sum(f - 1 for f in stack))
        lines.append(f"{windows} sees {field} of the maps below: {', '.join(names)}")
    lines += [""] if stacks(layers) else []
    crossed = crossings(layers, shape, batch)
    lines += [*crossings_table(crossed, batch), ""] if crossed else []

    dtype, count = dtype_of(layers), sum(size.parameters for size in sizes)
    learned, image = 3 * count * dtype.itemsize, kept_bytes(layers, shape, batch)
    lines += [
        f"To train it with batches of {batch} in {dtype}, minicnn.fast holds",
        f"{mebibytes(learned)}  parameters, gradients and velocities: 3 × {count:,}",
        f"{mebibytes(batch * image)}  kept for backward: {batch} × {image:,} bytes",
        f"{mebibytes(learned + batch * image)}  together; the whole process may need twice as much",
    ]
    return "\n".join(lines)


def what_fits(layers, shape, batch, total):
    """Return a sentence about the largest batch that fits on a GPU, or on two.

    It counts the parameters, their gradients and velocities, and for each image: the caches, which
    on a GPU are about those of minicnn.fast; twice the largest array that passes between layers;
    and the image itself, for this batch and the next.  A tenth of the memory is held in reserve.
    Two columns on two GPUs have half of all that on each, so the smaller GPU counts twice.

    Parameters
    ----------
    layers : list of Layer
    shape : tuple
        The shape of one image.
    batch : int
        The batch that did not fit.
    total : int
        The bytes of memory in total: `ops.device.capacity()`.
    """
    itemsize = dtype_of(layers).itemsize
    learned = 3 * count_parameters(layers) * itemsize
    outputs = [shape, *(output for size in measure(layers, shape) for output in size.output)]
    passing = 2 * max(map(math.prod, outputs)) + 2 * math.prod(shape)
    image = kept_bytes(layers, shape) + passing * itemsize
    fits = max(0, int((0.9 * total - learned) // image))
    if fits >= batch:
        return f"by a rough count, {batch} images fit, if no other program uses this GPU"
    if not fits:
        return f"not even one image would fit: parameters alone take {learned / MiB:,.0f} MiB"
    return (
        f"about {fits} images of {image / MiB:.3g} MiB would fit: try --batch {fits}, a new --out"
    )


def table(sizes, shape):
    """Return the lines of a table: a heading, the images, the layers, their totals."""
    cells = [("name", "layer", "output", "sees", "parameters", "multiply-adds", "neurons")]
    cells.append(("images", "", shape_text(shape), "1×1", "", "", ""))
    for size in sizes:
        counts = (size.parameters, size.multiply_adds, size.neurons)
        facts = (size.name, size.layer, output_text(size.output), square(size.sees))
        cells.append((*facts, *[f"{n:,}" if n else "" for n in counts]))
    totals = [sum(counts) for counts in list(zip(*sizes, strict=True))[4:]]
    cells.append(("total", "", "", "", *[f"{n:,}" for n in totals]))
    if any(len(size.output) == 2 for size in sizes):
        places = ["column", "0", *[COLUMNS.get(size.layer, "0, 1") for size in sizes], ""]
        cells = [(line[0], place, *line[1:]) for line, place in zip(cells, places, strict=True)]

    width = len(cells[0])
    lines = aligned(cells, right=range(width - 4, width))
    rule = "-" * max(map(len, lines))
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def described(layer):
    """Return a layer's kind and options: "conv 11×11 stride=4 ceil_mode=True"."""
    kind = kind_of(layer)
    parts = [kind, square(window(layer)[0])] if kind in ("conv", "local") else [kind]
    options = [f"{name}={text_of(value)}" for name, value in layer.options.items() if name != "rng"]
    return " ".join([*parts, *options])


def text_of(value):
    """Return an option's value as text, a float with no more than six digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def dtype_of(layers):
    """Return the dtype of the parameters: float32 if there are none."""
    return next((w.dtype for w in parameters(layers).values()), np.dtype(np.float32))


def output_text(shapes):
    """Return the shape of an output, or the shapes of two columns, as text."""
    if len(shapes) == 2 and shapes[0] == shapes[1]:
        return f"2 of {shape_text(shapes[0])}"
    return " + ".join(shape_text(shape) for shape in shapes)


def shape_text(shape):
    return "×".join(map(str, shape))


def square(f):
    return "all" if f == math.inf else f"{f}×{f}"


def megabytes(count):
    return "–" if not count else "< 0.01" if count < 1e4 else f"{count / 1e6:,.2f}"


def mebibytes(count):
    return f"{count / MiB:10,.1f} MiB"
