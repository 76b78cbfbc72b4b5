"""Make the bundled network from a finished run.

    python -m minicnn train cifar-alexnet --data cifar10 --divide-at 26 33 --out RUN
    python -m minicnn.training.make_trained RUN KERNELS [CIFAR10]

KERNELS is a folder of conv1's kernels during that run, conv1-000391.npy after 391 steps.  The
weights are stored as float16, and their error is measured before and after on all test images.  As
int8 they would take half of the 2.4 MB, but one number in 256 is a coarse step for a kernel whose
weights differ in size.
"""

import pathlib
import sys

import numpy as np

from .. import data, storage
from ..backends import backend
from . import evaluate, predictor

KEPT = 12  # of the kernels during training
SETTINGS = "network classes size test_width view input momentum decay batch seed schedule".split()
README = """\
A network that has learned
==========================

checkpoint.npz holds the weights of `{network}`, trained on the 50,000 training pictures of
CIFAR-10 for {epochs} epochs, and rounded to float16.  minicnn.data.trained() reads it, and every
command that takes a checkpoint takes the name `trained`.  It was made by

    python -m minicnn train {network} --data cifar10 --divide-at {at} --out RUN
    python -m minicnn.training.make_trained RUN KERNELS

Share of wrong answers, each picture seen once, in its central view
    {float32:7.2%}   on the 10,000 test pictures of CIFAR-10, with the float32 weights of the run
    {float16:7.2%}   on the same, with the float16 weights that are stored here
    {sample:7.2%}   on the 1,000 test pictures of the bundled sample, which are among them

It was never trained on test pictures.  The weights are those after the last epoch, not after the
best one.  The checkpoint also holds the history, with a line for each epoch, and conv1's kernels
after {steps} steps; {steps_per_epoch} are one epoch.
"""


def make_trained(run, kernels, photos, sample, path=storage.TRAINED):
    """Write the bundled network; return its errors.

    Parameters
    ----------
    run : path
        The folder of the run.
    kernels : path
        A folder of files conv1-STEPS.npy.
    photos, sample : Photos
        CIFAR-10 and the bundled sample, to measure errors with.
    path : path
        The checkpoint to write; README.txt comes beside it.
    """
    arrays, facts = storage.load(pathlib.Path(run) / "checkpoint.npz")
    history, settings = facts["history"], {name: facts["settings"][name] for name in SETTINGS}
    rounded = {n: a.astype(np.float16) for n, a in arrays.items() if n.startswith("w:")}
    rounded |= {n: arrays[n] for n in ("input:mean", "input:deviation")}
    rounded |= kernels_during(kernels, history[-1]["step"], arrays["w:conv1.w"])
    float32 = error(pathlib.Path(run) / "checkpoint.npz", photos)
    storage.save(path, rounded, {"settings": settings, "history": history})
    errors = {"float32": float32, "float16": error(path, photos), "sample": error(path, sample)}
    storage.save(path, rounded, {"settings": settings, "history": history, "errors": errors})
    steps = [int(name.partition(":")[2]) for name in rounded if name.startswith("kernels:")]
    text = README.format(
        network=settings["network"],
        epochs=facts["epoch"],
        at=" ".join(map(str, settings["schedule"]["at"])),
        steps=", ".join(map(str, steps[:-1])) + f" and {steps[-1]}",
        steps_per_epoch=history[0]["step"],
        **errors,
    )
    storage.write_text(path.with_name("README.txt"), text)
    return errors


def kernels_during(folder, last, final):
    """Return {"kernels:STEPS": float16 array}: at most KEPT snapshots, denser where they change.

    `final` are the kernels after the `last` step.
    """
    paths = {int(path.stem[6:]): path for path in pathlib.Path(folder).glob("conv1-*.npy")}
    before = [steps for steps in paths if steps < last]
    wanted = [0, *np.geomspace(100, last, KEPT - 1)[:-1]]
    nearest = {min(before, key=lambda steps: abs(steps - target)) for target in wanted}
    kernels = {steps: np.load(paths[steps]) for steps in sorted(nearest)} | {last: final}
    return {f"kernels:{steps}": w.astype(np.float16) for steps, w in kernels.items()}


def error(path, photos):
    """Return the share of the test images that a network gets wrong in the central view."""
    network = predictor.load(path, backend("fast"))
    probabilities = predictor.predict(network, photos.test_x, title=str(path))
    return evaluate.error(probabilities, photos.test_y)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        photos = data.load(*(sys.argv[3:] or ["cifar10"]))
        errors = make_trained(sys.argv[1], sys.argv[2], photos, data.load("sample"))
    except (OSError, ValueError) as problem:
        sys.exit(str(problem))
    print(", ".join(f"{name} {share:.2%}" for name, share in errors.items()))
