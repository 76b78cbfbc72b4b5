# %% [markdown]
# # 9. One training step
#
# *What happens in one step of training, and what does the very first one change?* AlexNet learned
# for five to six days, and all the time it did this one short thing, over and over.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import cifar, data, net, train
from minicnn import reference as ops
from minicnn.step import picture, step

sample = data.load("sample")
train_x, train_y, *_ = data.prepare(sample)  # pixels minus the mean image (Section 2)
x, labels = train_x[:10], train_y[:10]
print(len(x), "images, one of each class:", ", ".join(sample.classes))
picture(image=sample.train_x[7], x=x[7])

# %% [markdown]
# ## Before it has learned anything
#
# Section 5 draws every weight from a Gaussian with a deviation of 0.01. (Its original code has 0.03
# in conv3, conv4 and conv5.) Here is the small network of Figure 1: three convolutions, three pools
# and a fully connected layer. Its biases are 0. AlexNet's are 1 in five layers, so that their ReLUs
# have something to pass on.

# %%
layers = cifar.four_layer(ops, np.random.default_rng(0))
scores, caches = net.forward(layers, x)
print(f"{net.count_parameters(layers):,} weights and biases; scores {scores[7].round(2)}")

# %% [markdown]
# Scores so small and so nearly equal become ten nearly equal probabilities. **Predict** before you
# run the next cell: the loss is the mean of $-\ln p$ of the right class. What is it when every $p$
# is about a tenth?

# %%
loss, loss_cache = ops.softmax_loss_forward(scores, labels)
print(f"loss {loss:.3f} nats;  ln 10 = {np.log(10):.3f}")

# %% [markdown]
# A loss of 2.303 nats is the sign of an honest beginner; with the thousand classes of ImageNet it
# is 6.908. A network that starts far above is not ignorant but sure of itself, and wrong: its first
# weights are too large for its inputs.
#
# Now the way back. `backward` hands the gradient of the loss up through the rows, and every weight
# gets one number: how much the mean loss of these images grows if the weight grows.

# %%
(dscores,) = ops.softmax_loss_backward(loss_cache)
_, grads = net.backward(layers, caches, dscores, need_dx=False)
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
# first turn there is no momentum yet, and the decay is thousands of times smaller than the slope's
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
# the end, and after how many turns is it half as large as that?

# %%
weight, v, pace = np.zeros(1), np.zeros(1), []
for _ in range(60):
    weight, v = ops.sgd_update(weight, v, np.ones(1), epsilon=1, decay=0)
    pace.append(-v[0])
half_way = next(i for i, p in enumerate(pace, start=1) if p >= 5)
print(f"step 1: {pace[0]:.1f}, step {half_way}: {pace[half_way - 1]:.1f}, step 60: {pace[-1]:.2f}")

# %% [markdown]
# Ten times $\epsilon$: momentum makes a learning rate of 0.01 one of 0.1, once it is rolling. Where
# the slope keeps changing its sign the terms cancel instead. And as $\epsilon$ sits inside $v$, the
# old pace fades out slowly when $\epsilon$ falls.
#
# ## What weight decay does
#
# Now no slope at all: only $-0.0005 \, \epsilon \, w$ is left. The decay is multiplied by
# $\epsilon$, which is easily overlooked. **Predict**: at AlexNet's $\epsilon = 0.01$, after how
# many steps is a useless weight half as large?

# %%
weight, v, halved = np.ones(1), np.zeros(1), 0
while weight[0] > 0.5:
    weight, v = ops.sgd_update(weight, v, np.zeros(1), epsilon=0.01)
    halved += 1
epochs = halved * 128 / 1_200_000  # batches of 128, 1.2 million images
print(f"half after {halved:,} steps, or {epochs:.1f} epochs of ImageNet")

# %% [markdown]
# 13,866 steps, one and a half of AlexNet's ninety epochs. So gentle a force, and yet, says the
# paper, it is no mere regularizer: with it the training error itself is smaller. Biases do not
# decay, here as in the original code. There they also learn twice as fast, with an $\epsilon$ of
# 0.02, where the paper says "an equal learning rate for all layers".
#
# ## The whole step, and again
#
# Forward, loss, backward, update: nothing else happens in training, and the loop of `train.py` has
# the same five lines, with reports and checkpoints around them. **Predict** the loss of the same
# ten images after one step, and after sixteen.

# %%
velocities = {row.name: {q: np.zeros_like(p) for q, p in row.params.items()} for row in layers}
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
axes.axhline(np.log(10), linestyle="dotted", color="grey")
axes.set(xlabel="steps", ylabel="loss, nats")
figure

# %% [markdown]
# The first step changes almost nothing: from 2.328 to 2.306. Then momentum gathers pace, and the
# network learns ten pictures by heart, which is not yet seeing: lesson 12 is about that. But it is
# the best first test of a network of your own. If it cannot learn ten images, something is broken.
#
# ## Change this and predict
#
# 1. Set `epsilon` to 0.01, AlexNet's own. Where does the curve go?
# 2. Set `momentum=0.99` in the cell with `pace`. How large is a step in the end?
# 3. Draw the first weights with `init="fan-in"`. Is the first loss larger or smaller than ln 10?
#
# Write the rule yourself: `python -m lessons exercise sgd_update`.
