# %% [markdown]
# # 22. Many machines: one weird trick
#
# *Can four machines train the network that one would, to the last bit?* Each takes a quarter of the
# batch, and the four gradients are added. But a sum of floats depends on its order. Here are four
# gradients of a thousand weights, added from left to right, and in pairs.
#
# **30 minutes.** You need lessons 6, 15 and 16. Afterwards you can say what crosses the network in
# a training step, in which order it is added, and from which bandwidth on a second machine pays.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import data, reference as ops
from minicnn.distributed import traffic, tree
from minicnn.net import count_parameters, gaussian, kind_of, row
from minicnn.networks import catalogue, summary
from minicnn.step import step
from minicnn.training import train

rng = np.random.default_rng(0)
a, b, c, d = gradients = rng.standard_normal((4, 1000), np.float32)
in_a_row, in_pairs = ((a + b) + c) + d, (a + b) + (c + d)
print(f"{(in_a_row != in_pairs).sum()} of 1000 sums differ")

# %% [markdown]
# So minicnn fixes the order: not by the machines, whose number may change tomorrow, but by
# *shards*. A batch is cut into S shards; their gradients are the leaves of a binary tree. Step
# through the library's own sum of three shards. **Predict** before each line: which nodes are left?

# %%
few = gradients[:3, :4].copy()
step(tree.root, {(0, shard): few[shard] for shard in range(3)})

# %% [markdown]
# A machine adds the nodes that lie among its own shards; only what is left crosses the network. Two
# machines with two shards each, or four with one: the same additions, so the same bits.

# %%
left, right = [], []
for shard, gradient in enumerate(gradients):
    tree.add_leaf(left if shard < 2 else right, shard, gradient.copy())
print("two machines hold the nodes", left[0][0], "and", right[0][0])
same = tree.root(dict(left + right))
print("the sum is", "the same" if np.array_equal(same, in_pairs) else "another")

# %% [markdown]
# ## The same run
#
# A real network, with 40 photographs in batches of 8: once whole, once in four shards. Dropout and
# augmentation draw from a generator that each shard seeds with its number, so they do not depend on
# the machine either.

# %%
few_photos = data.subset(data.load("sample"), 40)
x, labels, *_ = data.prepare(few_photos, "unit")
x = x[:, :, ::4, ::4]  # 8×8 pixels


def losses(shards):
    """Return the losses of 25 steps."""
    rng = np.random.default_rng(0)
    layers = [
        row("conv1", ops, "conv", gaussian(rng, (8, 3, 3, 3), 0.2)),
        row("relu1", ops, "relu"),
        row("fc2", ops, "fc", gaussian(rng, (10, 8 * 6 * 6), 0.05)),
    ]
    options = {"epochs": 5, "batch": 8, "epsilon": 0.01, "progress": False}
    return train.train(layers, ops, (x, labels), rng=rng, shards=shards, **options).losses


whole, cut, again = losses(1), losses(4), losses(4)
print(f"whole {whole[-1]:.9f}, in shards {cut[-1]:.9f}, once more {again[-1]:.9f}")

# %% [markdown]
# Whole and in shards agree to rounding; in shards, two runs agree to the bit, and so do two
# machines. Try it, if you have an `mpiexec` (`pip install mpi4py mpich`), and compare the last
# losses in the two files history.jsonl:
#
#     python -m minicnn train --data sample --epochs 1 --shards 4 --out one
#     mpiexec -n 2 python -m mpi4py -m minicnn train --data sample --epochs 1 --shards 4 --out two
#
# ## What crosses
#
# **Predict** for AlexNet on two machines: how many MB does each send in a step, if they share the
# images? (Each sends half of its gradient to be added, and gets the other half's sum.) And if each
# takes one column of Figure 2, as the paper's two GPUs did?

# %%
alexnet = catalogue.build("alexnet", ops, None)
two_columns = catalogue.build("alexnet-2gpu", ops, None)
shape, batch = (3, 224, 224), 64
sent = {
    "data": traffic.sent_bytes(alexnet, shape, batch, 2, "data"),
    "columns": traffic.sent_bytes(two_columns, shape, batch, 2, "columns"),
    "hybrid": traffic.sent_bytes(alexnet, shape, batch, 2, "hybrid"),
}
megabytes = {name: sum(counts.values()) / 1e6 for name, counts in sent.items()}
print({name: round(count, 1) for name, count in megabytes.items()})

# %% [markdown]
# 243.9 MB of gradients, whatever the batch; 15.9 MB of activations for the columns, which grow with
# the batch. And what is the hybrid? Look where the weights are, and where the work is.

# %%
convolutions = [layer for layer in alexnet if kind_of(layer) != "fc"]
weights = count_parameters(convolutions) / count_parameters(alexnet)
sizes = summary.measure(alexnet, shape)
total = sum(size.multiply_adds for size in sizes)
work = sum(size.multiply_adds for size in sizes if size.name.startswith("conv")) / total
print(f"the convolutions have {weights:.1%} of the weights and do {work:.1%} of the work")

# %% [markdown]
# That is Krizhevsky's "one weird trick" of 2014 (arXiv:1404.5997): share the *images* where there
# is much work and there are few weights, and the *units* where there are many weights and little
# work. The gradients of fc6, fc7 and fc8 then never cross; their few thousand activations do. Try
# it with `--parallel hybrid` at the end of both commands above.
#
# ## When it pays
#
# A step takes the work of one machine, divided by two, and then the bytes. Take machines that do a
# hundred billion multiply-adds a second, three times forward's work for a training step.

# %%
alone = 3 * batch * total / 100e9
gigabits = np.geomspace(0.1, 100, 200)
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
pays = {}
for name, count in megabytes.items():
    seconds = alone / 2 + 8e6 * count / (gigabits * 1e9)
    pays[name] = 8e6 * count / (alone / 2) / 1e9
    axes.semilogx(gigabits, alone / seconds, label=name)
    print(f"{name:8} pays from {pays[name]:.2f} Gbit/s on")
axes.axhline(1, color="black", lw=0.5)
axes.set(xlabel="bandwidth (Gbit/s)", ylabel="times one machine's speed")
axes.legend()
figure

# %% [markdown]
# Below its bandwidth a second machine makes training *slower*. Sharing the images of AlexNet needs
# 2.81 Gbit/s before it gains anything; a cheap network of 1 Gbit/s is too slow. The hybrid pays
# from 0.16 Gbit/s on. Larger batches help the first (fewer sums per image), and not the columns.
#
# ## Change this and predict
#
# 1. Add the four gradients in the order d, c, b, a, in pairs. Is it the same sum?
# 2. `python -m minicnn summary vgg-d --ranks 4`: what would each of four machines send?
# 3. Draw the curves with `batch = 256`. Which of the three bandwidths change?
#
# <details>
# <summary>Answers</summary>
#
# 1. Yes: `(d + c) + (b + a)` swaps the two operands of each addition, and floats commute. They are
#    not associative: `(a + c) + (b + d)` is another sum.
# 2. One and a half times its gradients: a quarter of them to each of three others, and its own
#    quarter's sum to the same three.
# 3. That of data falls to a quarter, and the hybrid's to half: there is more work, but there are no
#    more gradients. The columns' stays: their activations grow as the work does.
#
# </details>
