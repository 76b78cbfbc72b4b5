# %% [markdown]
# # 13. Dropout
#
# *If half of the units are left out in every step of training, which network has learned in the
# end?* Here are ten units that all answer 1, for eight photographs, after dropout. Count: is it
# half of them? And is it the same half for every photograph?
#
# **25 minutes.** You need lessons 4, 5 and 6. Afterwards you can say what dropout trains, and why
# units are halved at test time.

# %%
import numpy as np

from minicnn import data, net, reference as ops
from minicnn.claims.report import sentence
from minicnn.networks import cifar
from minicnn.step import picture, step
from minicnn.training import train

rng = np.random.default_rng(0)
y, _ = ops.dropout_forward(np.ones((8, 10)), p=0.5, rng=rng)
print(f"{y.sum():.0f} of {y.size} are left")
picture(y=y)

# %% [markdown]
# ## By hand: dropout
#
# Each unit is set to zero with probability $p = 0.5$; those that are left out "do not contribute to
# the forward pass and do not participate in backpropagation" (Section 4.2). So the mask that is
# drawn in forward must be the one used in backward: predict `dx` from `y`.

# %%
steps = step(ops.dropout_forward, np.array([[1.0, 2, 3, 4, 5, 6]]), rng=np.random.default_rng(5))
steps

# %%
steps.backward(np.array([[10.0, 20, 30, 40, 50, 60]]))

# %% [markdown]
# What is left is not scaled. Over many draws a unit has half of its value, and that is what it gets
# at test time: all units, times 0.5. (Libraries of today divide by $1 - p$ in training instead, and
# leave the test alone. Equal on average, but activations and gradients in training are twice as
# large: mind that when you copy a learning rate.)

# %% [markdown]
# ## All the networks at once
#
# With ten *hidden* units, between input and output, there are $2^{10}$ masks, so dropout trains
# 1,024 networks that share their weights. Few enough to ask them all. The paper says that to use
# all units times 0.5 is "a reasonable approximation to taking the geometric mean" of what they
# predict. Is it?
#
# First a network to ask: photographs of 8×8 pixels, ten hidden units, dropout, ten classes.

# %%
train_x, train_y, test_x, test_y, _ = data.prepare(data.load("sample"), "unit")
small_x, test_x = (ops.average_pool_forward(x, z=4, s=4)[0] for x in (train_x, test_x))
draw = cifar.first_weights(rng, "fan-in")
layers = [
    net.row("fc1", ops, "fc", draw(10, 3 * 8 * 8)),
    net.row("relu1", ops, "relu"),
    net.row("dropout1", ops, "dropout", p=0.5, rng=rng),
    net.row("fc2", ops, "fc", draw(10, 10)),
]
train.train(layers, ops, (small_x, train_y), rng=rng, epochs=4, epsilon=0.03, progress=False)
predicting = net.predicting(layers, ops)  # the dropout layer now multiplies by 0.5
half = ops.softmax(net.forward(predicting, test_x)[0])  # (1000, 10)
print(f"{np.mean(half.argmax(axis=1) != test_y):.1%} errors")

# %% [markdown]
# (Guessing would get 90% wrong: a small network for small pictures.) Now the same hidden units
# under every mask, for 100 of the photographs: 102,400 rows, in one call of `fc_forward`.

# %%
h, _ = net.forward(layers[:2], test_x[:100])  # (100, 10): the hidden units before dropout
masks = np.array(list(np.ndindex(*[2] * 10)), np.float32)  # (1024, 10): 0 or 1
h_masked = (masks[:, None] * h).reshape(-1, 10)  # (1024 · 100, 10)
all_scores, _ = ops.fc_forward(h_masked, *layers[3].params.values())
all_p = ops.softmax(all_scores.astype(float)).reshape(1024, 100, 10)
geometric = np.exp(np.log(all_p).mean(axis=0))  # the 1024th root of their product
geometric /= geometric.sum(axis=1, keepdims=True)
arithmetic = all_p.mean(axis=0)
print(f"geometric mean against ×0.5: {np.abs(geometric - half[:100]).max():.0e} at most")
print(f"arithmetic mean against ×0.5: {np.abs(arithmetic - half[:100]).max():.2f} at most")

# %% [markdown]
# Not an approximation: with one hidden layer, ×0.5 *is* the geometric mean, to the last digit of
# float32. Can you see why? Scores are sums over the hidden units, so the mean of the scores over
# all masks is the score of the halved units; and the mean of scores is, up to a factor that
# normalization takes out, the logarithm of the geometric mean. (Hinton and others, 2012, state it.)
#
# With a second nonlinearity in between the argument breaks: the mean of a ReLU is not the ReLU of a
# mean. Then ×0.5 is the approximation that the paper speaks of. Put such a layer after the masks:

# %%
w, b = 0.4 * rng.standard_normal((10, 10)).astype(np.float32), np.zeros(10, np.float32)
middle = ops.relu_forward(ops.fc_forward(h_masked, w, b)[0])[0]  # under every mask of the first
halved = ops.relu_forward(ops.fc_forward(h / 2, w, b)[0])[0]
gap = np.abs(middle.reshape(1024, 100, 10).mean(axis=0) - halved).max() / halved.max()
print(f"mean of the ReLUs against the ReLU of the mean: off by {gap:.0%} of the largest")

# %% [markdown]
# ## Is it worth it?
#
# **Predict** which makes fewer errors: one of the 1,024 on its own, on average, or all of them
# together.

# %%
right = test_y[:100]
alone = np.mean(all_p.argmax(axis=2) != right)
together = np.mean(half[:100].argmax(axis=1) != right)
print(f"errors: {alone:.1%} alone, on average; {together:.1%} together")
kept, _ = ops.dropout_forward(np.ones((128, 4096)), rng=rng)
print(f"AlexNet, fc6: {kept.mean():.1%} of {kept.size:,} are left; masks have {4096 * 2} bits")
print(sentence(15), sentence(14), sep="\n")

# %% [markdown]
# Together they are better than one of them is on average, for the price of a single pass. AlexNet
# has dropout after fc6 and fc7 (Section 4.2): 8,192 units, so $2^{8192}$ networks. Without it, says
# the paper, it overfits substantially; with it, it needs about twice as many steps. Claim 14 tried
# both on a fifth of CIFAR-10's images, for 80 epochs. Without dropout the training error fell to
# 0.0%, with dropout to 7.3%; on test images neither network was better for certain. (The last lines
# of the cell quote the claims: the geometric mean was tried with few enough units to ask all
# networks.)
#
# ## Change this and predict
#
# 1. Take `p=0.9` in the first cell. How many of the 80 are left, and what is the factor at test
#    time?
# 2. There, draw one mask for all eight: `np.ones((1, 10))`, then `y = np.repeat(y, 8, axis=0)`.
#    What does the picture look like? Would that still train as many networks?
# 3. Write them yourself: `python -m lessons exercise dropout_forward`, then `dropout_backward`.
#
# <details>
# <summary>Answers</summary>
#
# 1. About 8 of the 80: `p` is the probability of being left out. At test time units count 0.1.
# 2. It has whole columns. Over many batches all masks still come up, but each batch trains one
#    network instead of eight.
#
# </details>
