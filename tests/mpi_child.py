"""What each rank of a test's job does: python -m mpi4py tests/mpi_child.py TASK.

small FOLDER [epochs]    the trainer's small network, in 4 shards; resumes
hybrid FOLDER            a small network with three fully connected layers, in 6 shards
steps …                  NETWORK BATCH STEPS PARALLEL: of a step, the seconds, the bytes that leave
                         rank 0's network card, those of its arrays, and its messages
data                     rank 1 has another pixel
rounded                  rank 1 computes another bit
raises                   rank 1 fails in the second step
overlap                  seconds of AlexNet's convolutions backward, an exchange of fc6 … fc8, both
gpu FOLDER               each rank has a GPU, emulated
"""

import math
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from test_shards import run_hybrid
from test_train import ops, run_small, small_data, small_network

from minicnn import backends, data, net
from minicnn.__main__ import main
from minicnn.distributed import columns, hybrid, ranks
from minicnn.networks import catalogue
from minicnn.training import train
from minicnn.training.run import Run


class Counting:
    """A communicator that counts the bytes of arrays that this rank sends to others.

    messages    those that wait for one another; see traffic.py
    """

    def __init__(self, comm):
        self.comm, self.sent, self.messages = comm, 0, 0
        self.to_all = math.ceil(math.log2(comm.size))

    def __getattr__(self, name):
        return getattr(self.comm, name)

    def Alltoallv(self, sent, received):
        array, (counts, _) = sent
        self.sent += (sum(counts) - counts[self.rank]) * array.itemsize
        self.messages += 1
        self.comm.Alltoallv(sent, received)

    def Allgatherv(self, sent, received):
        self.sent += sent.nbytes * (self.size - 1)
        self.messages += self.to_all
        self.comm.Allgatherv(sent, received)

    def allgather(self, value):
        self.messages += 2 * self.to_all
        return self.comm.allgather(value)

    def sendrecv(self, value, other, **options):
        self.sent += sum(x.nbytes for x in value if hasattr(x, "nbytes"))
        self.messages += 1
        return self.comm.sendrecv(value, other, **options)

    def bcast(self, value):
        if self.rank == 0 and hasattr(value, "nbytes"):
            self.sent += value.nbytes * (self.size - 1)
        self.messages += 2 * self.to_all
        return self.comm.bcast(value)


task, *arguments = sys.argv[1:]
job = columns.ColumnRanks() if "columns" in sys.argv else ranks.Ranks(60)
if task == "small":
    folder, *epochs = arguments
    epochs = int(epochs[0]) if epochs else 3
    run_small(folder, resume=True, shards=4, job=job, epochs=epochs)
elif task == "hybrid":
    run_hybrid(arguments[0], job=job)
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
elif task == "gpu":
    from minicnn.commands.train import own_gpus
    from minicnn.cuda import buffers, device
    from minicnn.verify import gpu

    gpu.start(devices=2)
    cuda = backends.backend("cuda", own_gpus(SimpleNamespace(ops="cuda", gpus=None), job))
    rng, out = np.random.default_rng(0), arguments[0]
    train.train(
        small_network(rng, cuda), cuda, small_data(4), rng=rng, epochs=2, batch=4, folder=out,
        progress=False, shards=2, job=job,
    )  # fmt: skip
    assert device.staging  # the gradients were in pinned memory
    print("rank", job.rank, "of", job.size, "computed on", *{key[0] for key in buffers.kept})
elif task == "steps":
    from minicnn import fast

    network, batch, steps, parallel = arguments
    batch, steps, rng = int(batch), int(steps), np.random.default_rng(0)
    fast = job.backend(fast) if parallel == "columns" else fast
    size, noted, update = catalogue.find(network).size, [], train.update
    N, card = batch * (steps + 2), Path("/sys/class/net/eth0/statistics/tx_bytes")
    comm = job.comm = Counting(job.comm)

    def noting(*given):
        update(*given)
        on_the_wire = int(card.read_text()) if card.exists() else 0
        noted.append((time.perf_counter(), on_the_wire, comm.sent, comm.messages))
        if len(noted) == steps + 2:
            if not job.rank:
                print("measured", *np.median(np.diff(noted[1:], axis=0), axis=0))
            sys.exit()

    train.update = noting
    Run.state, Run.restore = lambda run: ((), ()), lambda *state: None  # all begin alike
    images = np.broadcast_to(rng.standard_normal((3, size, size), np.float32), (N, 3, size, size))
    train.train(
        catalogue.build(network, fast, rng), catalogue.backend(network, fast),
        (images, rng.integers(0, 10, N)), rng=rng, epochs=1, epsilon=1e-6, batch=batch,
        progress=False, shards=job.parts, job=job, hybrid=parallel == "hybrid",
    )  # fmt: skip
elif task == "overlap":
    from minicnn import fast

    rng = np.random.default_rng(0)
    layers = net.fused(catalogue.build("alexnet", fast, rng), fast)
    first = hybrid.first_connected(layers)
    lower, length = layers[:first], net.count_parameters(layers[first:])
    y, caches = net.forward(lower, rng.standard_normal((32, 3, 224, 224), np.float32))
    counts = np.diff([rank * length // job.size for rank in range(job.size + 1)])
    held = [[(0, rank)] for rank in range(job.size)]

    def backward():
        net.backward(lower, caches, y, need_dx=False)

    def exchange():
        nodes = [((0, job.rank), np.ones(length, np.float32))]
        job.joined(job.scatter_sum(nodes, held, counts, np.float32), counts)

    def both():
        other = threading.Thread(target=exchange)
        other.start()
        backward()
        other.join()

    seconds = []
    for work in (backward, exchange, both) * 2:
        job.gather(None)
        start = time.perf_counter()
        work()
        job.gather(None)
        seconds.append(time.perf_counter() - start)
    if not job.rank:
        print("measured", *seconds[3:])
