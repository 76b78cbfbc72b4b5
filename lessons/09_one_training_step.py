# %% [markdown]
# # 9. One training step
#
# *What happens in one step of training, and what does the very first one change?* AlexNet learned
# for five to six days, and all the time it did this one short thing, over and over.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import data, net, reference as ops
from minicnn.networks import cifar
from minicnn.step import picture, step
from minicnn.training import train

sample = data.load("sample")
train_x, train_y, *_ = data.prepare(sample)  # pixels minus the mean image (Section 2)
x, labels = train_x[:10], train_y[:10]
print(len(x), "images, one of each class:", ", ".join(sample.classes))
picture(image=sample.train_x[7], x=x[7])

# %% [markdown]
# ## Before it has learned anything
#
# Section 5 draws every weight from a Gaussian with a deviation of 0.01. (Its original code has 0.03
# in conv3, conv4 and conv5.) Here is the small network of Figure 1, a list of layers: three
# convolutions, three pools, a fully connected layer. Its biases are 0 (in five layers of AlexNet
# they are 1, so that ReLU has something to pass on).
#
# Weights so small make nearly equal scores, and softmax nearly equal probabilities. The loss is the
# mean of $-\ln p$ of the right class (lesson 8). **Predict** it, with every $p$ about a tenth.

# %%
layers = cifar.four_layer(ops, np.random.default_rng(0))
scores, caches = net.forward(layers, x)
print(f"{net.count_parameters(layers):,} weights and biases; scores {scores[7].round(2)}")
loss, loss_cache = ops.softmax_loss_forward(scores, labels)
print(f"loss {loss:.3f} nats;  ln 10 = {np.log(10):.3f}")

# %% [markdown]
# About 2.303 nats is the sign of an honest beginner; with ImageNet's thousand classes it is 6.908.
# One that starts far above is sure of itself, and wrong: its first weights are too large.
#
# Now the backward pass. It takes the gradient of the loss from the last layer to the first, and
# every weight gets one number: how fast the mean loss of these images grows if the weight grows.

# %%
(dscores,) = ops.softmax_loss_backward(loss_cache)
_, grads = net.backward(layers, caches, dscores, need_dx=False)  # no gradient for the pixels
w, dw = layers[0].params["w"], grads["conv1"]["w"]
picture(w=w[0, 0], dw=dw[0, 0])

# %% [markdown]
# ## The update rule, by hand, for one weight
#
# The paper's rule (Section 5) has one letter more than plain gradient descent, the momentum
# variable $v$, which starts at 0:
#
# $$v_{i+1} = 0.9 \, v_i - 0.0005 \, \epsilon \, w_i - \epsilon \, \partial L / \partial w$$
#
# $$w_{i+1} = w_i + v_{i+1}$$
#
# Take the first weight of the first kernel, and a learning rate $\epsilon$ of 0.001.

# %%
epsilon, w0, dw0 = 0.001, float(w[0, 0, 0, 0]), float(dw[0, 0, 0, 0])
v1 = 0.9 * 0 - 0.0005 * epsilon * w0 - epsilon * dw0
print(f"w {w0:.6f}   dw {dw0:.6f}   v {v1:.6f}   next w {w0 + v1:.6f}")

# %% [markdown]
# The library has the same two lines, for all weights of a layer at once. Step through them. In the
# first step there is no momentum yet, and the decay is thousands of times smaller than the slope's
# term: all that counts is $-\epsilon \, \partial L / \partial w$.

# %%
steps = step(ops.sgd_update, w, np.zeros_like(w), dw, epsilon=epsilon)
w_next, _ = steps.result
print(f"by hand {w0 + v1:.7f}, by sgd_update {w_next[0, 0, 0, 0]:.7f}")
steps

# %% [markdown]
# ## What momentum does
#
# Let the slope be 1 forever. Each step keeps nine tenths of the one before, so they add up to
# $\epsilon (1 + 0.9 + 0.9^2 + \dots) = \epsilon / (1 - 0.9)$. **Predict**: how large is a step in
# the end, and after how many steps is it half as large as that?

# %%
weight, v, pace = np.zeros(1), np.zeros(1), []
for _ in range(60):
    weight, v = ops.sgd_update(weight, v, np.ones(1), epsilon=1, decay=0)
    pace.append(-v[0])
half_way = next(i for i, p in enumerate(pace, start=1) if p >= 5)
print(f"step 1: {pace[0]:.1f}, step {half_way}: {pace[half_way - 1]:.1f}, step 60: {pace[-1]:.2f}")

# %% [markdown]
# Ten times $\epsilon$: momentum makes a learning rate of 0.01 one of 0.1, once it is rolling. Where
# the slope keeps changing its sign the terms cancel instead.
#
# ## What weight decay does
#
# Now no slope at all: only $-0.0005 \, \epsilon \, w$ is left. **Predict**: at AlexNet's
# $\epsilon = 0.01$, after how many steps is a useless weight half as large?

# %%
weight, v, halved = np.ones(1), np.zeros(1), 0
while weight[0] > 0.5:
    weight, v = ops.sgd_update(weight, v, np.zeros(1), epsilon=0.01)
    halved += 1
epochs = halved * 128 / 1_200_000  # batches of 128, 1.2 million images
print(f"half after {halved:,} steps, or {epochs:.1f} epochs of ImageNet")

# %% [markdown]
# 13,866 steps, one and a half of AlexNet's ninety epochs; and yet, says the paper, even the
# training error is smaller with it. Biases do not decay, here as in the original code. There they
# also learn twice as fast, with an $\epsilon$ of 0.02; the paper has one $\epsilon$ for all layers.
#
# ## The whole step, and again
#
# Forward, loss, backward, update: nothing else happens, and `training/train.py` has the same five
# lines in a loop. **Predict** the loss of these ten images after one step, and after sixteen.

# %%
# a v of zeros for every w and b
velocities = {q.name: {key: np.zeros_like(p) for key, p in q.params.items()} for q in layers}
losses = []
for _ in range(17):
    scores, caches = net.forward(layers, x)
    loss, loss_cache = ops.softmax_loss_forward(scores, labels)
    (dscores,) = ops.softmax_loss_backward(loss_cache)
    _, grads = net.backward(layers, caches, dscores, need_dx=False)
    train.update(layers, ops, grads, velocities, epsilon)
    losses.append(float(loss))
print(f"{losses[0]:.3f}, after one step {losses[1]:.3f}, after sixteen {losses[16]:.3f}")

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(losses, "o-", color="black")
axes.set(xlabel="steps", ylabel="loss, nats")
figure

# %% [markdown]
# The first step changes little: from 2.328 to 2.306. Then momentum gathers pace, and the network
# learns ten pictures by heart, which is not yet seeing (lesson 12). But try it first with every
# network of your own: if it cannot learn ten images, something is broken.
#
# ## Change this and predict
#
# 1. Set `epsilon` to 0.01, AlexNet's own. Where does the curve go?
# 2. Set `momentum=0.99` in the cell with `pace`. How large is a step in the end?
# 3. Write the rule yourself: `python -m lessons exercise sgd_update`.
