# %% [markdown]
# # 6. One training step
#
# *What happens in one step of training, and what does the very first one change?* AlexNet learned
# for five to six days, and all the time it did this one short thing, over and over.
#
# **30 minutes.** You need lessons 4 and 5. Afterwards you can do the update of a weight by hand,
# and read the two curves of a training: what falls, and what does not.

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
print(len(x), "images, one of each class:")
print(", ".join(sample.classes))
picture(image=sample.train_x[7], x=x[7])

# %% [markdown]
# ## Before it has learned anything
#
# Section 5 draws every weight from a Gaussian with a (standard) deviation of 0.01. Here is the
# small network of Figure 1, a list of layers: three convolutions, three pools, a fully connected
# layer. Its biases are 0.
#
# Weights so small make nearly equal scores, and softmax nearly equal probabilities. The loss is the
# mean of $-\ln p$ of the right class (lesson 5). **Predict** it, with every $p$ about a tenth.

# %%
layers = cifar.four_layer(ops, np.random.default_rng(0))
scores, caches = net.forward(layers, x)
print(f"{net.count_parameters(layers):,} weights and biases; the scores of an image:")
print(scores[7].round(2))
loss, loss_cache = ops.softmax_loss_forward(scores, labels)
print(f"loss {loss:.3f} nats;  ln 10 = {np.log(10):.3f}")

# %% [markdown]
# About 2.303 nats is the sign of an honest beginner. One that starts far above is sure of itself,
# and wrong: its first weights are too large.
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
# The *learning rate* $\epsilon$ says how large steps are. Take the first weight of the first
# kernel, and an $\epsilon$ of 0.001. The library has the same two lines, for all weights of a layer
# at once. In the first step there is no momentum yet, and the decay is thousands of times smaller
# than the slope's term. Step through them:

# %%
epsilon, w0, dw0 = 0.001, float(w[0, 0, 0, 0]), float(dw[0, 0, 0, 0])
v1 = 0.9 * 0 - 0.0005 * epsilon * w0 - epsilon * dw0
steps = step(ops.sgd_update, w, np.zeros_like(w), dw, epsilon=epsilon)
w_next, _ = steps.result
print(f"by hand {w0 + v1:.7f}, by sgd_update {w_next[0, 0, 0, 0]:.7f}")
steps

# %% [markdown]
# ## What momentum and decay do
#
# Let the slope be 1 forever. Each step keeps nine tenths of the one before, so in the end they are
# $\epsilon (1 + 0.9 + 0.9^2 + \dots) = \epsilon / (1 - 0.9)$, ten times $\epsilon$: momentum makes
# a learning rate of 0.01 one of 0.1, once it is rolling. Where the slope keeps changing its sign
# the terms cancel instead.
#
# *Weight decay* is the other term: a weight that the loss does not need gets smaller, and with
# momentum, at AlexNet's $\epsilon = 0.01$, is half as large after
# $\ln 2 / (0.0005 \cdot 10 \epsilon) = 13,863$ steps. Biases do not decay, here as in the original
# code. There they also learn twice as fast, with an $\epsilon$ of 0.02.
#
# ## The whole step, and again
#
# Forward, loss, backward, update: nothing else happens, and `training/train.py` has the same five
# lines in a loop. **Predict** the loss of these ten images after one step, and after sixteen.

# %%
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

# %% [markdown]
# The first step changes little: from 2.328 to 2.306. Then momentum gathers pace, and the network
# learns ten pictures by heart. Try that first with every network of your own: if it cannot learn
# ten images, something is broken.
#
# ## Something learns: the curves
#
# Now 1,000 images, made smaller, and two fully connected layers, whose first weights are smaller
# the more inputs a unit has (its *fan-in*; lesson 11). A step takes a *batch* of 100 images, so an
# *epoch*, one pass through all of them in random order, is ten steps. After each epoch the network
# is also asked about 1,000 other images, which it never learns from: its *validation error* is the
# share of these that it gets wrong. Guessing gets 90% wrong. **Predict** both errors after twenty
# epochs: do they fall together?

# %%
train_x, train_y, test_x, test_y, _ = data.prepare(sample, "unit")  # pixels have a deviation of 1
small_x, small_test = (ops.average_pool_forward(q, z=4, s=4)[0] for q in (train_x[:1000], test_x))
rng = np.random.default_rng(0)
draw = cifar.first_weights(rng, "fan-in")
two_layers = [net.row("fc1", ops, "fc", draw(100, 192)), net.row("relu1", ops, "relu")]
two_layers.append(net.row("fc2", ops, "fc", draw(10, 100)))  # its name, kind, first weights
how = {"rng": rng, "epochs": 20, "batch": 100, "epsilon": 0.03, "progress": False}
taught = (small_x, train_y[:1000])
run = train.train(two_layers, ops, taught, (small_test, test_y), **how)
training = [100 * epoch["training_error"] for epoch in run.history]
validation = [100 * epoch["validation_error"] for epoch in run.history]
print(f"training error {training[0]:.0f}% … {training[-1]:.0f}%, ", end="")
print(f"validation error {validation[0]:.0f}% … {validation[-1]:.0f}%")
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(range(1, 21), training, label="training error")
axes.plot(range(1, 21), validation, label="validation error")
axes.set(xlabel="epochs", ylabel="error, %", ylim=(0, 100))
axes.legend()
figure

# %% [markdown]
# Both fall at first: something has learned to see a little. Then only the training error goes on,
# down to 16%, while the validation error stays at 70%. The network now learns its 1,000 images by
# heart, and not what they have in common: it *overfits*. Lessons 13 and 14 are about that, and the
# best cure is more images. To judge a network, always look at images that it has not learned from.
#
# ## Change this and predict
#
# 1. Set `epsilon` to 0.01, AlexNet's own, for the ten images. Where does the curve go?
# 2. With a momentum of 0.99 and a slope of 1: how large is a step in the end, and after 60 steps?
# 3. Write the rule yourself: `python -m lessons exercise sgd_update`.
#
# <details>
# <summary>Answers</summary>
#
# 1. It falls faster for a while, then the steps overshoot, and the loss explodes to NaN.
# 2. It goes to a hundred times $\epsilon$, but after 60 steps it is only at 45.
#
# </details>
