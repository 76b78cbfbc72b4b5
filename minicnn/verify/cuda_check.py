"""Check minicnn.cuda on this GPU against the reference and minicnn.fast.

    python -m minicnn.cuda.check [--small | --emulate]

prints the GPU, and then a line per check: `ok` or `FAIL`, the worst error, and the time in seconds.
The exit code is 1 if a check failed.  The checks take some minutes, most of which the reference
spends on the CPU.

    layers      every layer of a network, forward and backward, on the same inputs as the
                reference; the error is relative to the array's largest number
    again       each layer a second time, with free memory full of NaN: the result must be the same
                bit for bit.  This reveals races between threads, and reads of unwritten memory
    steps       training steps of whole networks; the loss of each is compared with minicnn.fast's.
                Dropout is off, because its random numbers differ on the GPU
    memory      the last third of these steps must not allocate new memory
    columns     two columns on one GPU, and on two if there are two.  Data that crosses, directly or
                through the host, must equal the CPU's bit for bit; scores and gradients are
                compared with one column with groups, and training steps with minicnn.fast
    sanitizer   the small version under NVIDIA's compute-sanitizer, if that is installed

With --small the networks are small.  With --emulate they are, too, and the compiled kernels run on
the CPU (verify/gpu); the last lines say how much of their code ran.
"""

import argparse
import gc
import shutil
import subprocess
import sys
import time

import numpy as np

from .. import cuda, fast, net, reference
from ..console import Parser
from ..cuda import buffers, gpu, settings
from ..cuda.patches import patched
from ..networks import alexnet, catalogue
from ..training import train
from ..two_columns import in_columns, join_columns, split_columns
from . import gpu as emulator, gradcheck_suite

FLOAT32, FLOAT64 = 1e-4, 1e-10  # largest allowed error against the reference
LOSS = 2e-3  # relative; rounding errors grow with every step

REAL = {  # network of the catalogue → images per batch, options that keep activations in range
    "cifar-four-layer": (128, {"init": "fan-in"}),
    "cifar-alexnet": (128, {}),
    "cifar-18pct": (128, {}),
    "cifar-13pct": (128, {"init": "fan-in"}),
    "alexnet": (16, {}),
    "vgg-a": (2, {"init": "glorot"}),
}


def seeded():
    """Return a generator with a fixed seed."""
    return np.random.default_rng(0)


def main(arguments=None):
    """Run all checks; return the exit code."""
    parser = Parser(prog="python -m minicnn.cuda.check", description=__doc__)
    parser.add_argument("--small", action="store_true", help="small networks")
    parser.add_argument(
        "--emulate", action="store_true", help="run the compiled kernels on the CPU; needs no GPU"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    options = parser.parse_args(arguments)
    small = options.small or options.emulate
    try:
        if options.emulate:
            emulator.start()
        gpu.ready()
    except OSError as error:
        print(f"minicnn.cuda.check: {error}", file=sys.stderr)
        return 1
    print(gpu.described())
    failures = 0
    for name, check in checks(small):
        started = time.perf_counter()
        try:
            worst, limit, comment = check()
        except Exception as error:  # one broken kernel must not hide the others
            worst, limit, comment = np.inf, 0, f"{type(error).__name__}: {error}"
        verdict = "ok  " if worst <= limit else "FAIL"  # NaN is a failure
        failures += verdict == "FAIL"
        seconds = time.perf_counter() - started
        print(f"{verdict}  {name:34} {worst:8.1e}  {seconds:6.1f} s  {comment}", flush=True)
    for line in emulator.coverage() if options.emulate else []:
        print(line)
    print("all checks passed" if not failures else f"{failures} checks failed")
    return 1 if failures else 0


def checks(small):
    """Yield (name, function); the function returns the worst error, its limit, and a comment."""
    for dtype, limit in ((np.float64, FLOAT64), (np.float32, FLOAT32)):
        layers = tiny_network(cuda, seeded())
        if not small:
            layers = gradcheck_suite.small_network(cuda, seeded())
        x = seeded().standard_normal((1, 2, 7, 6) if small else (3, 2, 15, 13))
        yield from layer_checks("every kind of layer", layers, x, dtype, limit)
    if small:
        x = seeded().standard_normal((1, 2, 7, 6))
        yield "3 steps", lambda: check_steps(tiny_network, x, 3)
        yield from column_checks(tiny_columns, tiny_in_one, 0.1 * x[:, :1, :4, :2], 3)
        return
    for network, (batch, options) in REAL.items():
        size = catalogue.find(network).size
        x = 30 * seeded().standard_normal((batch, 3, size, size))

        def build(ops, network=network, options=options):
            return catalogue.build(network, ops, seeded(), **options)

        yield from layer_checks(network, build(cuda), x, np.float32, FLOAT32)
        yield f"{network}: 12 steps", lambda b=build, x=x: check_steps(b, x, 12)
    x = 30 * seeded().standard_normal((16, 3, 224, 224))
    yield from column_checks(
        lambda ops: alexnet.two_columns(ops, seeded(), dropout=0.0),
        lambda ops: alexnet.alexnet(ops, seeded(), dropout=0.0),
        x, 12,
    )  # fmt: skip
    yield "compute-sanitizer", sanitizer


def tiny_network(ops, rng=None):
    """Return a network with every kind of layer, so small that the emulator runs it in seconds."""
    rng = rng or seeded()

    def params(*shape):
        w = 2 * rng.standard_normal(shape) / np.sqrt(np.prod(shape[-3:] if shape[2:] else shape[1]))
        b = rng.standard_normal(shape[:-3] or shape[0])
        return {"w": w.astype(np.float32), "b": b.astype(np.float32)}

    return [
        net.row("conv1", ops, "conv", params(4, 2, 3, 3), stride=2, pad=1, ceil_mode=True),
        net.row("relu1", ops, "relu"),
        net.row("lrn1", ops, "lrn", n=3, alpha=0.5, groups=2),
        net.row("pool1", ops, "pool", z=3, s=1),
        net.row("conv2", ops, "conv", params(4, 2, 2, 2), pad=1, groups=2),
        net.row("tanh2", ops, "tanh"),
        net.row("pool2", ops, "average_pool", z=2, s=1),
        net.row("map_lrn2", ops, "map_lrn", n=2, alpha=0.5),
        net.row("local3", ops, "local", params(2, 2, 4, 4, 1, 1)),
        net.row("fc3", ops, "fc", params(5, 16)),
        net.row("logistic3", ops, "logistic"),
        net.row("drop3", ops, "dropout", rng=rng),
        net.row("drop4", ops, "dropout_predict"),
        net.row("fc5", ops, "fc", params(3, 5)),
    ]


def tiny_columns(ops):
    """Return a network of two columns that the emulator runs in a second."""
    return tiny_layers(in_columns(ops), {}, split_columns, net.row)


def tiny_in_one(ops):
    """Return the same network in one column."""
    return tiny_layers(ops, {"groups": 2}, dict, lambda *arguments: None)


def tiny_layers(ops, groups, convert_params, column_layer):
    """Return the layers of both networks.

    convert_params splits parameters into columns, or not; column_layer returns a layer between the
    columns, or None.
    """
    rng = seeded()

    def params(*shape):
        return convert_params(net.gaussian(rng, shape, 0.5))

    layers = [
        column_layer("both", ops, "both"),
        net.row("conv1", ops, "conv", params(4, 1, 2, 2), stride=2),
        net.row("relu1", ops, "relu"),
        net.row("conv2", ops, "conv", params(2, 2, 1, 1), **groups),
        column_layer("exchange3", ops, "exchange"),
        net.row("fc3", ops, "fc", params(4, 4)),
        column_layer("exchange4", ops, "exchange"),  # as many numbers as exchange3
        net.row("fc4", ops, "fc", params(3, 4)),
        column_layer("join", ops, "join"),
    ]
    return [layer for layer in layers if layer]


def column_checks(build_two, build_one, x, steps):
    """Yield the checks of a network of two columns; `build_one` builds it in one column."""
    x = x.astype(np.float32)
    pairs = [(0, 0), (0, 1), (1, 0)] if len(gpu.cuda.gpus) > 1 else [(0, 0)]
    for gpus in pairs:
        name = f"columns on {gpus[0]},{gpus[1]}"
        for route, through_host in (("direct", False), ("through host", True)):
            yield f"{name}, {route}", lambda g=gpus, h=through_host: check_crossing(g, h)
        yield f"{name}, as one", lambda g=gpus: check_as_one(build_two, build_one, x, g)
        ops = in_columns(fast), in_columns(cuda, gpus)
        yield f"{name}: {steps} steps", lambda ops=ops: check_steps(build_two, x, steps, ops)
    if pairs == [(0, 0)]:
        yield "columns on 0,1", lambda: (0, 0, "skipped: there is only one GPU")


def check_crossing(gpus, through_host):
    """Compare the layers between the columns with the CPU's, bit for bit."""
    rng, results = seeded(), []
    maps = [rng.standard_normal((3, C, 5, 2)).astype(np.float32) for C in (2, 3, 5)]
    with patched(settings, "through_host", through_host):
        for ops in (in_columns(cuda, gpus), in_columns(reference)):
            x, dy = ops.to_device(tuple(maps[:2])), ops.to_device((maps[2], maps[2][::-1].copy()))
            y, cache = ops.exchange_forward(x)
            joined, join_cache = ops.join_forward(x)
            arrays = [*y, joined, *ops.both_forward(joined)[0]]
            arrays += [*ops.exchange_backward(dy, cache)[0], *ops.both_backward(dy, ())]
            arrays += ops.join_backward(dy[0], join_cache)[0]
            results.append([np.array(net.on_host(array)) for array in arrays])
    equal = [np.array_equal(ours, theirs) for ours, theirs in zip(*results, strict=True)]
    return (0 if all(equal) else np.inf), 0, f"{sum(equal)} of {len(equal)} arrays equal the CPU's"


def check_as_one(build_two, build_one, x, gpus):
    """Compare the scores and gradients of two columns with those of one column."""
    results = []
    for build, ops in ((build_two, in_columns(cuda, gpus)), (build_one, cuda)):
        layers = build(ops)
        net.to_device(layers, ops)
        scores, caches = net.forward(layers, ops.to_device(x))
        dscores = seeded().standard_normal(tuple(scores.shape)).astype(np.float32)
        _, grads = net.backward(layers, caches, ops.to_device(dscores), need_dx=False)
        arrays = {"scores": np.array(net.on_host(scores))}
        for layer, gradients in grads.items():
            for letter, value in gradients.items():
                columns = tuple(np.array(net.on_host(column)) for column in net.columns(value))
                arrays[f"{layer}.d{letter}"] = join_columns({letter: columns})[letter]
        results.append(arrays)
    ours, theirs = results
    errors = {n: abs(ours[n] - g).max() / max(abs(g).max(), 1e-30) for n, g in theirs.items()}
    worst = max(errors, key=errors.get)
    return float(errors[worst]), FLOAT32, f"worst in {worst}"


def layer_checks(network, layers, x, dtype, limit):
    """Yield the checks of a network's layers; the reference's output is the next layer's input."""
    rng, x = seeded(), np.asarray(x, dtype)
    for layer in layers:
        params = {letter: np.asarray(value, dtype) for letter, value in layer.params.items()}
        layer = layer._replace(params=params)
        y = run_layer(to_reference(layer), x)[0]
        dy = rng.standard_normal(y.shape).astype(dtype)
        name = f"{network}: {layer.name} {np.dtype(dtype)}"
        yield name, lambda layer=layer, x=x, dy=dy: check_layer(layer, x, dy, limit)
        x = y


def to_reference(layer):
    """Return the same layer with the reference's functions instead of the GPU's."""
    forward = getattr(reference, layer.forward.__name__)
    backward = getattr(reference, layer.backward.__name__)
    return layer._replace(forward=forward, backward=backward)


def run_layer(layer, x, dy=None):
    """Return y, and if dy is given all gradients, on the host; dropout always has the same seed."""
    options = dict(layer.options)
    if "rng" in options:
        options["rng"] = seeded()
    y, cache = layer.forward(x, *layer.params.values(), **options)
    gradients = layer.backward(dy, cache) if dy is not None else ()
    return [np.array(net.on_host(array)) for array in (y, *gradients)]


def check_layer(layer, x, dy, limit):
    """Compare a layer with the reference, and its first run with its second."""
    first = run_layer(layer, x, dy)
    spoil_free_memory()
    second = run_layer(layer, x, dy)
    for array, repeated in zip(first, second, strict=True):
        if not np.array_equal(array, repeated):
            return np.inf, limit, "the second run gave other bits"
    names = ["y", "dx", *(f"d{letter}" for letter in layer.params)]
    if layer.forward is cuda.dropout_forward:
        return check_dropout(layer, x, dy, first)
    expected = run_layer(to_reference(layer), x, dy)
    errors = {}
    for name, ours, theirs in zip(names, first, expected, strict=True):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return (
                np.inf,
                limit,
                f"{name} is {ours.dtype} {ours.shape}, not {theirs.dtype} {theirs.shape}",
            )
        largest = max(np.abs(theirs).max(initial=0), np.finfo(theirs.dtype).tiny)
        errors[name] = float(np.abs(ours - theirs).max(initial=0) / largest)
    worst = max(errors, key=errors.get)
    return errors[worst], limit, f"worst in {worst}"


def check_dropout(layer, x, dy, arrays):
    """Check dropout without the reference, because its random numbers differ from the GPU's."""
    y, dx = arrays
    p = layer.options.get("p", 0.5)
    kept = dx != 0
    consistent = np.array_equal(y, np.where(kept, x, 0)) and np.array_equal(
        dx, np.where(kept, dy, 0)
    )
    if not consistent:
        return np.inf, 0, "y and dx are not x and dy at the units that were kept, and 0 elsewhere"
    deviation = np.sqrt(p * (1 - p) / kept.size)
    error = abs(kept.mean() - (1 - p)) / deviation
    comment = f"{kept.mean():.4f} of the units kept; error in standard deviations from {1 - p}"
    return error, 5, comment


def spoil_free_memory():
    """Fill all device memory that is free for reuse with NaN, or with 255 if it holds bytes."""
    for key, entries in buffers.kept.items():
        for entry in entries:
            if buffers.holders(entry) == entry[2] and key[0] == gpu.current.device:
                memory = entry[0]
                value = np.nan if memory.dtype.kind == "f" else np.iinfo(memory.dtype).max
                memory.copy_to_device(np.full(memory.shape, value, memory.dtype))


def check_steps(build, x, steps, backends=(fast, cuda)):
    """Train with both backends on the same images, and compare the losses.

    The steps are split into three epochs; the last one must allocate no new memory.
    """
    images = [np.roll(x, step, axis=2) for step in range(steps // 3)]
    images = np.concatenate(images).astype(np.float32)
    labels = np.arange(len(images)) % 3
    losses, counts = [], []

    def schedule(history, epsilon):
        if ops is backends[-1] and len(history) > 1:
            gc.collect()  # memory that only a cycle of objects holds is free
        counts.append(count_buffers())
        return epsilon

    gc.freeze()  # a collection looks only at later objects, and not at those of the compiler
    for ops in backends:
        layers = [without_dropout(layer) for layer in build(ops)]
        run = train.train(
            layers, ops, (images, labels), rng=seeded(), epochs=3, batch=len(x),
            epsilon=1e-4, schedule=schedule, progress=False,
        )  # fmt: skip
        losses.append(np.array(run.losses))
    gc.unfreeze()
    theirs, ours = losses
    if counts[-1] > counts[-2]:
        return np.inf, LOSS, f"{counts[-1] - counts[-2]} new buffers in the last epoch"
    comment = f"loss {ours[0]:.4f} … {ours[-1]:.4f}, no new memory in the last epoch"
    return np.abs(ours / theirs - 1).max(), LOSS, comment


def without_dropout(layer):
    return layer._replace(options={**layer.options, "p": 0.0}) if "rng" in layer.options else layer


def count_buffers():
    return sum(len(entries) for entries in buffers.kept.values())


def sanitizer():
    """Run the small version under compute-sanitizer, for memory and for races in shared memory."""
    program = shutil.which("compute-sanitizer")
    if not program:
        return 0, 0, "skipped: not installed"
    for tool in ("memcheck", "racecheck"):
        command = [program, "--tool", tool, "--error-exitcode", "99"]
        command += [sys.executable, "-m", "minicnn.cuda.check", "--small"]
        result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
        if result.returncode:
            return np.inf, 0, f"{tool}: {' '.join(result.stdout.split()[-40:])}"
    return 0, 0, "memcheck and racecheck found nothing"
