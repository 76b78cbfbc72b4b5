"""What each rank of a test's job does: python -m mpi4py tests/mpi_child.py TASK.

small FOLDER [epochs]    the trainer's small network, in 4 shards; resumes
data                     rank 1 has another pixel
rounded                  rank 1 computes another bit
raises                   rank 1 fails in the second step
"""

import sys

import numpy as np
from test_train import ops, run_small

from minicnn import data
from minicnn.__main__ import main
from minicnn.distributed import ranks
from minicnn.training import train

job = ranks.Ranks(20)
task, *arguments = sys.argv[1:]
if task == "small":
    folder, *epochs = arguments
    epochs = int(epochs[0]) if epochs else 3
    run_small(folder, resume=True, shards=4, job=job, epochs=epochs)
elif task == "data":
    load = data.load

    def other(name):
        photos = load(name)
        if job.rank:
            photos.test_x[7, 0, 0, 0] ^= 1
        return photos

    data.load = other
    sys.exit(main(["train", "--data", "sample", "--ops", "reference", "--out", arguments[0]]))
elif task == "rounded":
    loss_and_gradients = train.loss_and_gradients

    def rounded(*given):
        loss, scores, grads = loss_and_gradients(*given)
        grads["fc2"]["b"] = np.nextafter(grads["fc2"]["b"], np.float32(job.rank * 9))
        return loss, scores, grads

    train.loss_and_gradients = rounded
    run_small(shards=2, job=job, epochs=1)
elif task == "raises":
    update, steps = ops.sgd_update, []

    def failing(*given, **options):
        steps.append(0)
        if job.rank == 1 and len(steps) > 4:  # of the second step
            raise RuntimeError("a bug in rank 1")
        return update(*given, **options)

    ops.sgd_update = failing
    run_small(arguments[0], shards=2, job=job)
