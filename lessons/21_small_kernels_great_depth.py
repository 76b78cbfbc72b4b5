# %% [markdown]
# # 21. Small kernels, great depth: VGG
#
# *What can a stack of small windows see that one large window cannot?* AlexNet looks through
# windows of 11×11 pixels, then 5×5. Two years later Simonyan and Zisserman threw them away and kept
# 3×3.
#
# Stack three convolutions of 3×3, one map each, all weights 1, and ask a number at the top which
# pixels it depends on: its gradient is 1, all others are 0, and `backward` finds the pixels.
#
# **30 minutes.** You need lessons 9, 11 and 15. Afterwards you can say what small kernels gain and
# cost, and why deep networks were hard to start.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import data, net, reference as ops
from minicnn.networks import alexnet, summary, vgg
from minicnn.step import picture, step


def ones(f):
    """Return the weights of one kernel of f×f, all 1, and its bias."""
    return {"w": np.ones((1, 1, f, f)), "b": np.zeros(1)}


stack = [net.row(f"conv{i}", ops, "conv", ones(3), pad=1) for i in (1, 2, 3)]
x, dy = np.ones((1, 1, 11, 11)), np.zeros((1, 1, 11, 11))
dy[0, 0, 5, 5] = 1
_, caches = net.forward(stack, x)
dx, _ = net.backward(stack, caches, dy)
rows = np.flatnonzero(dx[0, 0].any(axis=1))
print(f"it sees {len(rows)} × {len(rows)} pixels")
picture(dy=dy[0, 0], dx=dx[0, 0])

# %% [markdown]
# Seven by seven, as a single window of 7×7 would. But the stack does not look evenly: it looks at
# the middle most. **Predict** the middle row by hand: start from 1, and three times replace each
# number by its sum with its two neighbours. Then step through the stack, forward and backward.

# %%
middle = dx[0, 0, 5, 2:9].astype(int)
print(middle // 7, "times 7")
step(net.forward, stack, x).backward(dy)

# %% [markdown]
# 1, then 1 1 1, then 1 2 3 2 1, then 1 3 6 7 6 3 1: that many paths lead up, in each direction.
#
# ## What it costs
#
# Let each convolution see $C$ maps and make $C$ maps. One of 7×7 then has $49 C^2$ weights.
# **Predict**: and three of 3×3? (VGG's paper has this sum in its Section 2.3.)

# %%
C = 64
three, seven = 3 * np.zeros((C, C, 3, 3)).size, np.zeros((C, C, 7, 7)).size
print(f"{three // C**2}·C² and {seven // C**2}·C²: {seven / three - 1:.0%} more for 7×7")

# %% [markdown]
# 27 against 49, and three ReLUs instead of one: three chances to bend. In one sense the stack can
# do less, as its 49 weights are not free. That is meant: fewer ways to be wrong.
#
# ## Six configurations
#
# A table in the paper, six strings in `networks/vgg.py`: each digit is a convolution, and each
# group of digits ends with a pool of 2×2. The errors are the paper's (its Table 3, one scale of 256
# pixels, top-5).

# %%
errors = {"A": 10.4, "A-LRN": 10.5, "B": 9.9, "C": 9.4, "D": 8.8, "E": 9.0}
measured = {}
for name, digits in vgg.CONFIGURATIONS.items():
    measured[name] = summary.measure(vgg.vgg(name, ops, None), (3, 224, 224))
    count = sum(size.parameters for size in measured[name])
    print(f"{name:6}{' '.join(digits.split()):20}{count:13,} parameters {errors[name]:5}%")

# %% [markdown]
# Go down the table. B to D: depth helps. C to D: 3×3 instead of 1×1 helps, so it is not the ReLUs
# alone. D to E: at this scale no more. And A-LRN: AlexNet's normalization (lesson 12), in an
# otherwise equal network, gains nothing.
#
# ## Where it all is
#
# D has 138,357,544 parameters, AlexNet 60,965,224. **Predict**: how many times AlexNet's
# multiply-adds has it? And how many times the memory that an image needs for backward (lesson 15)?

# %%
shape = (3, 224, 224)
small, deep = alexnet.alexnet(ops, None), vgg.vgg("D", ops, None)
work = [sum(size.multiply_adds for size in summary.measure(q, shape)) for q in (small, deep)]
kept = [summary.kept_bytes(q, shape) for q in (small, deep)]
fully = sum(size.parameters for size in measured["D"] if size.name.startswith("fc"))
print(f"multiply-adds: {work[1] / 1e9:.1f} billion, {work[1] / work[0]:.0f} times AlexNet's")
print(f"kept of an image: {kept[1] / 2**20:.0f} MiB, {kept[1] / kept[0]:.0f} times AlexNet's")
print(f"{fully:,} parameters in fully connected layers, {fully / net.count_parameters(deep):.0%}")
first_block = summary.kept_bytes(deep[:5], shape) / kept[1]
print(f"the first two convolutions and their pool keep {first_block:.0%} of the memory")

# %% [markdown]
# 21 times the work with little more than twice the parameters, most of which sit in the fully
# connected layers again. And 11 times the memory, 43% of it for the first two convolutions: 64 maps
# of 224×224, because nothing has a stride. AlexNet's stride of 4 was a way to afford it in 2012.
#
# ## Deep networks were hard to start
#
# First weights are normal, the paper says, with "zero mean and $10^{-2}$ variance". A variance of
# 0.01 is a deviation of 0.1. **Predict**: a unit of conv4_2 sums $9 \cdot 512$ products, whose
# variances add up. If half of its inputs are 0 after a ReLU, by what factor does the deviation grow
# in a layer? Then watch it at the real width, on a small photograph.

# %%
inputs = 9 * 512
for deviation in (0.1, 0.01):
    print(f"deviation {deviation}: times {deviation * np.sqrt(inputs / 2):.2f} a layer")
image = data.prepare(data.load("sample"))[0][:1]
deviations = {}
for init in ("paper", "glorot"):
    layers = vgg.vgg("D", ops, np.random.default_rng(0), 10, size=32, hidden=512, init=init)
    y, deviations[init] = image, []
    for layer in net.predicting(layers, ops):
        y, _ = net.forward([layer], y)
        if layer.params:
            deviations[init].append(y.std())
depth = np.arange(1, 17)
# Biases are 0: a tenth of the weights makes a tenth of the outputs, then a hundredth, and so on.
deviations["0.01"] = np.array(deviations["paper"]) * 0.1**depth
for reading, numbers in deviations.items():
    print(f"{reading:7} conv1_1 {numbers[0]:.2g}, scores {numbers[-1]:.1g}")

# %%
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
names = {"paper": "variance 0.01", "0.01": "deviation 0.01", "glorot": "2 / (inputs + outputs)"}
for reading, name in names.items():
    axes.semilogy(depth, deviations[reading], "o-", label=name)
axes.set(xlabel="layers", ylabel="deviation of what comes out")
axes.legend()
figure

# %% [markdown]
# Nearly 5 a layer. With 0.01 as the deviation, AlexNet's number, nearly a half. Read literally, the
# scores of a network that knows nothing come out by the million, and softmax is certain of a wrong
# class. Read as a deviation, they are nearly 0 after sixteen layers, and so is the gradient. That
# would fit what the paper tells: A with its eleven layers could start from random weights, and the
# deeper ones took over A's first and last layers (`take_from_a`). We do not know which it was. The
# authors found afterwards that with the scale of Glorot and Bengio (2010), the third curve, no such
# help is needed.
#
# ## Change this and predict
#
# 1. Put a pool, `net.row("pool", ops, "pool", z=2, s=2)`, after the first convolution of the stack.
#    How many pixels does a number at the top see now?
# 2. `python -m minicnn summary vgg-e --batch 64`: would that fit into the memory of your machine?
# 3. Print the deviations of `alexnet.alexnet(ops, rng)` with `bias=0`, then `bias=1`, for a photo
#    of its size, `image.repeat(7, 2).repeat(7, 3)`. What changes?
#
# <details>
# <summary>Answers</summary>
#
# 1. Twelve by twelve: a step above the pool is two pixels below it.
# 2. The last line says that it needs 5,779 MiB, and the whole process may need twice as much.
# 3. With `bias=0` they shrink from layer to layer; biases of 1 keep them up, and the scores are a
#    hundred times as large.
#
# </details>
