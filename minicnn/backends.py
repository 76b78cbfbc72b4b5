"""The backends by name: reference to read, fast on the CPU, cuda on a GPU."""

import importlib
import sys


def backend(name, gpus=None, tf32=False):
    """Return the module that --ops names, on these GPUs, with products in TF32 where wanted.

    Raises OSError, with a sentence, if it cannot run here; ValueError if there is no such GPU, and
    for TF32 on a CPU.
    """
    check_tf32(name, tf32)
    ops = importlib.import_module(f".{name}", __package__)
    ops.device.ready()
    if gpus and (warning := ops.columns.choose(gpus)):
        print(f"minicnn: {warning}", file=sys.stderr)
    if name == "cuda":
        ops.settings.tf32 = tf32
    return ops


def check_tf32(name, tf32):
    """Raise ValueError if TF32 is wanted of a backend that has none."""
    if tf32 and name != "cuda":
        raise ValueError(f"--tf32 is for --ops cuda; {name} computes on the CPU, in float32")
