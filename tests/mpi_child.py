"""What each rank of a test's job does: python -m mpi4py tests/mpi_child.py TASK.

small FOLDER [epochs]    the trainer's small network, in 4 shards; resumes
data                     rank 1 has another pixel
rounded                  rank 1 computes another bit
raises                   rank 1 fails in the second step
"""

import sys
import time
from pathlib import Path

import numpy as np
from test_train import ops, run_small

from minicnn import data
from minicnn.__main__ import main
from minicnn.distributed import columns, ranks
from minicnn.networks import catalogue
from minicnn.training import train

task, *arguments = sys.argv[1:]
job = columns.ColumnRanks() if "columns" in sys.argv else ranks.Ranks(60)
if task == "small":
    folder, *epochs = arguments
    epochs = int(epochs[0]) if epochs else 3
    run_small(folder, resume=True, shards=4, job=job, epochs=epochs)
elif task == "columns":
    from test_mpi import small_columns

    small_columns(job.backend(ops), arguments[0], job=job)
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
elif task == "steps":
    from minicnn import fast

    network, batch, steps, parallel = arguments
    batch, steps, rng = int(batch), int(steps), np.random.default_rng(0)
    fast = job.backend(fast) if parallel == "columns" else fast
    size, noted, update = catalogue.find(network).size, [], train.update
    N = batch * (steps + 2)
    counter = Path("/sys/class/net/eth0/statistics/tx_bytes")

    def noting(*given):
        update(*given)
        noted.append((time.perf_counter(), int(counter.read_text())))

    train.update = noting
    images = np.broadcast_to(rng.standard_normal((3, size, size), np.float32), (N, 3, size, size))
    train.train(
        catalogue.build(network, fast, rng), catalogue.backend(network, fast),
        (images, rng.integers(0, 10, N)), rng=rng, epochs=1, epsilon=1e-6, batch=batch,
        progress=False, shards=job.parts, job=job,
    )  # fmt: skip
    if not job.rank:
        seconds, sent = np.median(np.diff(noted[1:], axis=0), axis=0)
        print("measured", seconds, sent)
elif task == "exchange":
    length, seconds = int(arguments[0]), []
    held = [[(0, rank)] for rank in range(job.size)]
    for _ in range(4):
        nodes = [((0, job.rank), np.ones(length, np.float32))]
        job.gather(None)
        start = time.perf_counter()
        total = job.tree_sum(nodes, held, length, np.float32)
        seconds.append(time.perf_counter() - start)
        assert (total == job.size).all()
    if not job.rank:
        print("measured", min(seconds), 0)
