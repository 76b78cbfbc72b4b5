"""A GPU that is lost in the middle of a run: one sentence, and the last checkpoint stays good.

In the emulator nothing is ever lost, so here the driver's error is raised by hand, out of a launch
or a copy, and from then on by everything that is asked of the GPU, as by a real one.
"""

import re

import numpy as np
import pytest

from minicnn import cuda, data, net, storage
from minicnn.__main__ import main
from minicnn.cuda import gpu, two_columns
from minicnn.networks import catalogue
from minicnn.plots import curves
from minicnn.training import run
from minicnn.two_columns import in_columns, split_columns


class CUDAError(Exception):
    """As cuda.core's, which launches raise."""


class CudaAPIError(Exception):
    """As Numba's, which copies and marks raise."""


def rows_of_two(ops, rng, classes):
    """cifar-2gpu without convolutions, for images of 2×2 pixels."""
    two = in_columns(ops)
    return [
        net.row("both", two, "both"),
        net.row("fc1", two, "fc", split_columns(net.gaussian(rng, (3, 12), 0.1))),
        net.row("exchange2", two, "exchange"),
        net.row("fc2", two, "fc", split_columns(net.gaussian(rng, (classes, 3), 0.1))),
        net.row("join", two, "join"),
    ]


@pytest.fixture
def train_two(monkeypatch, capsys):
    """Return the function train_two(out, …), which runs `train` for three epochs of one step."""
    pixels = np.random.default_rng(0).integers(256, size=(2, 3, 2, 2), dtype=np.uint8)
    mean = np.full((3, 2, 2), 120, np.float32)
    none = pixels[:0], np.zeros(0, int)
    photos = data.photos.Photos(
        pixels, np.array([1, 0]), *none, ("a", "b", "c"), mean, np.full(3, 5000.0), None
    )
    monkeypatch.setattr(data, "load", lambda name: photos)
    row = catalogue.NETWORKS["cifar-2gpu"]._replace(build=rows_of_two, size=2, least=2)
    monkeypatch.setitem(catalogue.NETWORKS, "cifar-2gpu", row)
    monkeypatch.setattr(gpu, "chosen", ())
    monkeypatch.setattr(gpu, "current", gpu.current)
    for picture in ("curves", "weights"):
        monkeypatch.setattr(curves, picture, lambda history, path: None)

    def train(out, *more):
        words = "train cifar-2gpu --ops cuda --gpus 0,1 --epochs 3 --input unit --epsilon 0.1"
        code = main([*words.split(), "--out", str(out), *more])
        return code, capsys.readouterr().err.splitlines()[-1]

    return train


def lose(patch, what, saves):
    """Let the GPU be lost after so many saves: at the third "launch" from there on, at the third
    copy of an array "to a GPU" from another one, or at the third "to the host"."""
    left, done, gone = [3], [], []

    def losing(kind, error, original, works=lambda *arguments: True):
        def at_work(*arguments, **options):
            if kind == what and len(done) >= saves and works(*arguments):
                left[0] -= 1
            if gone or not left[0]:
                gone.append(True)
                raise error
            return original(*arguments, **options)

        return at_work

    def save(one):
        done.append(True)
        original_save(one)

    launching = CUDAError("CUDA_ERROR_LAUNCH_FAILED: An exception occurred on the device")
    copying = CudaAPIError("[999] Call to cuMemcpyAsync results in CUDA_ERROR_UNKNOWN")
    kernel = type(two_columns.join_kernel[1, 1, gpu.stream()])
    array = type(cuda.to_device(np.zeros(1)))

    def between(x, other):
        return cuda.device.is_on_device(other)

    for owner, name, *how in (
        (kernel, "__call__", "launch", launching, kernel.__call__),
        (array, "copy_to_device", "to a GPU", copying, array.copy_to_device, between),
        (array, "copy_to_host", "to the host", copying, array.copy_to_host),
    ):
        patch.setattr(owner, name, losing(*how))
    original_save = run.Run.save
    patch.setattr(run.Run, "save", save)


def test_a_run_whose_gpu_is_lost_says_so_and_goes_on_from_its_checkpoint(
    train_two, tmp_path, monkeypatch
):
    whole, lost = tmp_path / "whole", tmp_path / "lost"
    assert train_two(whole)[0] == 0
    launch = r"a GPU failed, in \w+\[.*\) or before it \(CUDA_ERROR_LAUNCH_FAILED: .*\)"
    copy = r"a GPU failed \(\[999\] Call to cuMemcpyAsync results in CUDA_ERROR_UNKNOWN\)"
    # The first run saves when it begins and after epoch 1; those that go on have saved nothing yet.
    # The last one is lost while it saves epoch 2.
    for what, saves, words in (
        ("launch", 2, launch),
        ("to a GPU", 0, copy),
        ("to the host", 1, copy),
    ):
        more = ["--resume"] if lost.exists() else []
        with monkeypatch.context() as patch:
            lose(patch, what, saves)
            code, said = train_two(lost, *more)
        assert code == 1
        assert re.fullmatch(f"minicnn: {words}; what was saved before is as it was", said)
        assert storage.load(lost / "checkpoint.npz")[1]["epoch"] == 1
        assert not list(lost.glob("*.part"))
    assert train_two(lost, "--resume")[0] == 0
    arrays, facts = storage.load(whole / "checkpoint.npz")
    arrays_lost, facts_lost = storage.load(lost / "checkpoint.npz")
    assert facts["epoch"] == facts_lost["epoch"] == 3
    assert arrays.keys() == arrays_lost.keys() and len(set(arrays["losses"])) == 3
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, arrays_lost[name])
