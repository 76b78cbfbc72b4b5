"""Options that several commands share, and the types of numbers that options accept.

    command     the argparse parser of a command

A type raises ArgumentTypeError for an invalid text.  argparse turns that into a sentence that names
the option, and exit code 2.
"""

import argparse

from .. import backends

CHECKPOINT = "checkpoint.npz of a run, or trained: the network that ships with minicnn"


def add_data(command, photos=False, default="sample"):
    """Add --data; with photos=True, also for a folder that `prepare` has made."""
    prepared = ", or one that `minicnn prepare` has made" if photos else ""
    command.add_argument(
        "--data",
        default=default,
        metavar="DATA",
        help="sample: the bundled 5,000 images; cifar10: the full CIFAR-10, after "
        f"`minicnn download`; or a folder that holds it{prepared} (default: {default})",
    )


def add_conditions(command):
    """Add --input and --init."""
    command.add_argument(
        "--input",
        choices=("raw", "unit"),
        default="raw",
        help="raw: pixels 0 … 255 minus the mean image, as in the paper (default); "
        "unit: also divided by their standard deviation",
    )
    command.add_argument(
        "--init",
        choices=("paper", "cuda-convnet", "fan-in"),
        default="paper",
        help="initial weights: N(0, 0.01²) as in the paper (default), as in cuda-convnet's files, "
        "or scaled by fan-in",
    )


def add_ops(command, tf32=False):
    """Add --ops and --threads; with tf32=True, also --tf32."""
    command.add_argument(
        "--ops",
        choices=("fast", "reference", "cuda"),
        default="fast",
        help="backend: fast, on the CPU (default); reference, to compare with; cuda, on a GPU",
    )
    command.add_argument(
        "--threads",
        type=whole,
        metavar="N",
        help="number of threads (default: $MINICNN_THREADS, or else one per processor)",
    )
    if tf32:
        command.add_argument(
            "--tf32",
            action="store_true",
            help="with --ops cuda: multiply on tensor cores, with 10 of the 23 bits of the "
            "mantissa; needs compute capability 8.0",
        )


def add_gpus(command):
    """Add --gpus."""
    command.add_argument(
        "--gpus",
        type=gpus,
        metavar="N[,M]",
        help="with --ops cuda: compute on GPU N (default: 0), or a network of two columns on GPUs "
        "N and M, which may be the same",
    )


def add_share(command, work):
    """Add --share; `work` is the plural of what is shared."""
    command.add_argument(
        "--share",
        type=share,
        default=(1, 1),
        metavar="K/N",
        help=f"of all {work} do every N-th, from the K-th on; journals of several machines are "
        "merged by concatenation",
    )


def share(text):
    """Return (k, n) from "k/n"."""
    k, _, n = text.partition("/")
    if not (k.isascii() and k.isdecimal() and n.isascii() and n.isdecimal()) or not (
        1 <= int(k) <= int(n)
    ):
        raise argparse.ArgumentTypeError(f"{text!r}; expected K/N with 1 ≤ K ≤ N, such as 2/3")
    return int(k), int(n)


def add_max_pixels(command):
    """Add --max-pixels; its default is data.decode.MAX_PIXELS, which is slow to import."""
    command.add_argument(
        "--max-pixels",
        type=whole,
        metavar="N",
        help="refuse a photograph of more pixels, because decoding can take 16 bytes for each "
        "(default: 89,478,485)",
    )


def add_emulate(command):
    """Add --emulate."""
    command.add_argument(
        "--emulate",
        action="store_true",
        help="with --ops cuda: run the compiled kernels on the CPU, and check every access; needs "
        "no GPU, and a network and a batch as small as possible",
    )


def start_emulator(options):
    """Emulate GPUs from now on if --emulate is given; see verify/gpu.

    Raises ValueError for another backend, and GpuError if numba-cuda is not installed.
    """
    if options.emulate:
        if backends.BACKENDS.get(options.ops) != "GPU":
            raise ValueError("--emulate is for --ops cuda, whose kernels it runs on the CPU")
        from ..verify import gpu

        gpu.start()


def gpus(text):
    """Return the numbers of one or two GPUs: (1,) for "1", (0, 1) for "0,1"."""
    numbers = text.split(",")
    if len(numbers) > 2 or not all(n.isascii() and n.isdecimal() for n in numbers):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the number of a GPU, or two of them: 0 or 0,1"
        )
    return tuple(int(number) for number in numbers)


def add_out(command, out):
    """Add --out with this default."""
    command.add_argument(
        "--out",
        default=out,
        metavar="DIR",
        help=f"folder for the results (default: {out})",
    )


def whole(text, least=1):
    """Return a whole number of at least `least`."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return int(text)


def whole_or_zero(text):
    """Return a whole number of at least 0."""
    return whole(text, least=0)


def number(text):
    """Return the text as a number: NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def not_negative(text):
    """Return a finite number of at least 0."""
    if not 0 <= number(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return number(text)


def below_one(text):
    """Return a number of at least 0 and below 1."""
    if not 0 <= number(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0 and below 1")
    return number(text)


def above_one(text):
    """Return a finite number above 1."""
    if not 1 < number(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 1")
    return number(text)


def positive(text):
    """Return a finite number above 0."""
    if not 0 < number(text) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number(text)
