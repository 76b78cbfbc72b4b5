# %% [markdown]
# # 16. Two columns, two GPUs
#
# *Why is Figure 2 of the paper two networks, one above the other, that talk only here and there?*
# And is it more than a trick for small GPUs?
#
# **30 minutes.** You need lessons 9, 12 and 15. Afterwards you can say what crosses between the two
# GPUs, and what the paper's comparison shows.

# %%
import json
from pathlib import Path

import numpy as np

from minicnn import net, reference as ops, two_columns
from minicnn.claims.report import sentence
from minicnn.experiments import column_specialization
from minicnn.networks import alexnet, summary
from minicnn.step import picture, step

full = alexnet.two_columns(ops, rng=None)  # no weights drawn yet
print(f"{net.count_parameters(full):,} parameters in two columns")

# %% [markdown]
# For a first picture take a small AlexNet and ask the backward pass of one layer: if only one map
# of the output gets a gradient, which maps of the input do? The others have not been seen.

# %%
small = {"kernels": (8, 8, 8, 8, 8), "hidden": 20, "size": 64, "classes": 10, "dropout": 0}
layers = alexnet.alexnet(ops, np.random.default_rng(1), **small, dtype=np.float64)


def seen(name, C):
    """Return whether each map that a layer makes depends on each of its C input maps: 1 or 0."""
    layer = [layer for layer in layers if layer.name == name]
    y, caches = net.forward(layer, np.random.default_rng(2).standard_normal((1, C, 7, 7)))
    found = np.zeros((y.shape[1], C))
    for k in range(y.shape[1]):
        dy = np.zeros_like(y)
        dy[:, k] = 1
        dx, _ = net.backward(layer, caches, dy)
        found[k] = np.abs(dx).max(axis=(0, 2, 3)) > 0
    return found


conv2, conv3 = seen("conv2", 8), seen("conv3", 8)
print(f"conv2's maps depend on {conv2.mean():.0%} of the maps below, conv3's on {conv3.mean():.0%}")
picture(conv2=conv2, conv3=conv3)

# %% [markdown]
# A row of these pictures is a map that comes out, a column one that goes in. No one drew the two
# blocks: half of conv2's kernels live on each GPU, and see only the maps made there. conv3 sees
# everything, and so do fc6, fc7 and fc8; conv4 and conv5 look like conv2.
#
# ## The smallest example
#
# In `two_columns.py` an activation is a pair, one half of the channels each. Between two columns
# stands one layer, `exchange`. Let column 0 have a map of ones and column 1 a map of twos.
# **Predict** what each has afterwards. In the backward pass `x0`, which both columns used, gets two
# gradients, and they add: what is `dx0` when column 0 sends back ones and column 1 tens?

# %%
on_cpu = ops.columns.on()  # where the columns live: both on the CPU, here
x0, x1 = np.ones((1, 1, 2, 2)), np.full((1, 1, 2, 2), 2.0)
steps = step(two_columns.exchange_forward, (x0, x1), on_cpu)
(y0, y1), cache = steps.result
print("column 0 has", y0[0, :, 0, 0], " column 1 has", y1[0, :, 0, 0])
dy0, dy1 = np.ones_like(y0), np.full_like(y1, 10.0)
((dx0, dx1),) = two_columns.exchange_backward((dy0, dy1), cache, on_cpu)
print("dx0", dx0[0, 0, 0, 0], " dx1", dx1[0, 0, 0, 0])
steps

# %% [markdown]
# Both have both, and both get 11. All other layers are applied to each half on its own, with
# `each(f)` from the same file.
#
# ## The same arithmetic twice
#
# Libraries today write it as one column, with `groups=2` in conv2, conv4 and conv5, as in `layers`
# above. From one seed both draw the same weights. **Predict** how far apart their scores are.

# %%
images = np.random.default_rng(3).standard_normal((2, 3, 64, 64))
two = alexnet.two_columns(ops, np.random.default_rng(1), **small, dtype=np.float64)
scores, _ = net.forward(layers, images)
scores_two, _ = net.forward(two, images)
apart = np.abs(scores - scores_two).max()
print(f"largest score {np.abs(scores).max():.3f}, largest difference {apart:.0e}")

# %% [markdown]
# Nothing beyond the last digits. But only if normalization does not cross either. The paper's
# formula sums over neighbouring kernels and says nothing of GPUs; in the original code each GPU
# normalizes its own 48 maps, so `lrn`, too, has `groups=2` here. Caffe's AlexNet lets it cross.
#
# ## What crosses, at the real size
#
# Four exchanges in each step, for batches of 128 images. By hand, the first: conv3 needs the other
# column's 128 maps of 13×13, in numbers of 4 bytes. (`both` brings the images, and `join` puts the
# scores of the two columns together.) The alternative, usual today: each GPU has the whole network
# and half of the images, and the gradients of all weights cross. **Predict**: is that more?

# %%
crossings = summary.crossings(full, (3, 224, 224), batch=128)
print(f"by hand: {128 * 128 * 13 * 13 * 4 / 1e6:.2f} MB")
print("\n".join(summary.crossings_table(crossings, 128)))
activations = sum(c.forward[1] for c in crossings if "exchange" in c.name) / 1e6
gradients = 4 * net.count_parameters(full) / 1e6
conv1 = 4 * 128 * 48 * 55 * 55 / 1e6
print(f"exchanges {activations:.1f} MB, gradients {gradients:.0f} MB, conv1's maps {conv1:.0f} MB")

# %% [markdown]
# 15.5 MB each way, and as much back, against 244: this network was a good one to cut, with most of
# its weights in fully connected layers. And you see where not to talk: conv1's maps are 74 MB. (In
# the original GPU 0 computes all scores; here each column computes half of them.)
#
# ## Is it a fair comparison?
#
# Two columns have a top-1 error 1.7 percentage points lower than "a net with half as many kernels
# in each convolutional layer trained on one GPU", says the paper. Footnote 2 adds that in this net
# the last convolution and the fully connected layers keep their size.

# %%
halved = {"kernels": (48, 128, 192, 192, 128), "hidden": 2048, "groups": 1}
one, half = alexnet.one_gpu(ops, None), alexnet.alexnet(ops, None, **halved)
for name, network in (("two columns", full), ("one-GPU net", one), ("a true half", half)):
    print(f"{name:16}{net.count_parameters(network):12,}")

# %% [markdown]
# So 61.0 million parameters are compared with 59.8, where a true half would have 16.6. As the
# footnote says, that favours the one-GPU net. And at a small size?
# `python -m minicnn halves --experiment` trained small networks on the bundled sample, three seeds
# each. **Predict**: does it matter how often the columns talk?

# %%
results = Path(net.__file__).parent / "results" / "halves.jsonl"
lines = [json.loads(line) for line in results.read_text().splitlines()]
print(column_specialization.report(lines))
print("", sentence(9), sentence(10), sep="\n")

# %% [markdown]
# The paper's variant gets 41.5% wrong and the one-GPU net 43.9%: the same direction as in the
# paper. But seeds of one variant differ by as much as most variants do (the ±), and three seeds
# cannot tell 41.5 from 42.0. (Without the exchange before conv3, say the authors' own notes, it is
# 1.2 percentage points worse.) The numbers on the right say how much of each GPU's first kernels is
# colour and not grey: 0.58 and 0.61, where random weights have 0.67. In every run of the authors
# one GPU's kernels became grey and the other's colourful. The last lines are these two claims in
# longer runs on all of CIFAR-10 (`python -m minicnn claims 9 10`).
#
# ## Change this and predict
#
# 1. Give `alexnet.two_columns` the option `exchanges=("conv2", "conv3", "fc6", "fc7", "fc8")`.
#    Which layer gets more parameters, and what does the table of crossings say of `exchange2`?
# 2. Draw `seen("lrn2", 8)`. What would the paper's formula, read literally, make of the picture?
# 3. Which of the two, 15.5 and 244 MB, doubles with the batch? Which batch would make them equal?
#
# <details>
# <summary>Answers</summary>
#
# 1. conv2, which now sees all 96 maps; the table has one more line, for the maps of pool1.
# 2. Two blocks again. The paper's formula would give a band along the diagonal, also across the
#    middle.
# 3. The 15.5 MB: activations belong to images, gradients to weights. About two thousand images.
#
# </details>
