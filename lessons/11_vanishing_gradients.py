# %% [markdown]
# # 11. Vanishing gradients, first weights, dead ReLUs
#
# *Why do the first layers of a deep network often hear nothing of the loss?* Here is how large the
# gradient of each layer's weights is, in twenty fully connected layers of 100 units.
#
# **25 minutes.** You need lessons 2, 6 and 7. Afterwards you can tell a vanishing gradient, a bad
# scale of first weights and dead units when you see them.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import data, net, reference as ops
from minicnn.networks import cifar
from minicnn.step import picture
from minicnn.training import train

NAMES = ("logistic", "tanh", "relu")
depth = 20
images = np.random.default_rng(0).standard_normal((64, 100))
norms = {}
for name in NAMES:
    draw = cifar.first_weights(np.random.default_rng(1), "fan-in", name, np.float64)
    layers = []
    for i in range(1, depth + 1):
        layers += [net.row(f"fc{i}", ops, "fc", draw(100, 100)), net.row(f"{name}{i}", ops, name)]
    y, caches = net.forward(layers, images)
    dy = np.random.default_rng(2).standard_normal(y.shape)
    _, grads = net.backward(layers, caches, dy)
    norms[name] = [np.linalg.norm(grads[f"fc{i}"]["w"]) for i in range(1, depth + 1)]
    print(f"{name:8}  first layer / last layer = {norms[name][0] / norms[name][-1]:.2g}")
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for name in NAMES:
    axes.semilogy(range(1, depth + 1), norms[name], ".-", label=name)
axes.set(xlabel="layer", ylabel="norm of ∂L/∂w")
axes.legend(frameon=False)
figure

# %% [markdown]
# A gradient that goes back through many layers is multiplied by a slope in each (lesson 7). Even at
# its steepest the logistic function has 1/4: after twenty layers at most $4^{-20}$ is left, less
# than a trillionth. Here the first layer gets less than a billionth of what the last one gets: that
# is the *vanishing gradient*. tanh and ReLU come through twenty layers unharmed.
#
# ## First weights
#
# They do so only because the first weights were chosen well. A unit adds up $D$ products; $D$, the
# number of its inputs, is its *fan-in*. If weights have a deviation of $\sigma$ and inputs one of
# 1, the sum has one of $\sigma \sqrt{D}$. With $\sigma = \sqrt{1/D}$ it is 1 again (for tanh, known
# since 1998). ReLU makes half of the units 0, so it needs $\sqrt{2/D}$ (He and others, 2015: too
# late for AlexNet). **Predict** what comes out of twenty layers of 100 units with ReLU if $\sigma$
# is twice, or half as large.

# %%
best = np.sqrt(2 / 100)
sizes = {}
for factor in (0.5, 1, 2):
    rng, y, sizes[factor] = np.random.default_rng(1), images, []
    for _ in range(depth):
        w = rng.normal(0, factor * best, (100, 100))
        y = ops.relu_forward(ops.fc_forward(y, w, np.zeros(100))[0])[0]
        sizes[factor].append(y.std())
    print(f"{factor} times √(2/D): after layer 1 {sizes[factor][0]:.2g}, after 20 {y.std():.1g}")

# %% [markdown]
# A factor of two in each layer is a million in twenty; and gradients, on their way back through the
# same weights, do the same. AlexNet has eight layers, and a fixed 0.01. Lesson 21 shows what that
# does to sixteen.
#
# ## Dead ReLUs
#
# A unit with ReLU that is 0 for *every* image gets no gradient, so its weights stay as they are: it
# is *dead*, and only a change in the layers below can revive it. Here is a network of 50 units in a
# trap: its pixels go from 0 to 1, all inputs are positive, and if the weights of a unit go down
# together, it is off for all images at once. The pictures show which units (columns) are on for
# which of 200 images (rows), before and after 20 steps at a learning rate $\epsilon$ of 0.1.
# **Predict** what dead units look like.

# %%
sample = data.load("sample")
few, labels = sample.train_x[:200].astype(np.float32) / 255, sample.train_y[:200]


def trained(images, epsilon, steps=20):
    """Train on all images at once; return which units are on before and after, and the loss."""
    draw = cifar.first_weights(np.random.default_rng(0), "fan-in")
    x = ops.average_pool_forward(images, z=4, s=4)[0]
    layers = [net.row("fc1", ops, "fc", draw(50, 192)), net.row("relu1", ops, "relu")]
    layers.append(net.row("fc2", ops, "fc", draw(10, 50)))
    v = {q.name: {key: np.zeros_like(p) for key, p in q.params.items()} for q in layers}
    before = net.forward(layers[:2], x)[0] > 0
    for _ in range(steps):
        scores, caches = net.forward(layers, x)
        _, cache = ops.softmax_loss_forward(scores, labels)
        _, grads = net.backward(layers, caches, *ops.softmax_loss_backward(cache), need_dx=False)
        train.update(layers, ops, grads, v, epsilon)
    loss, _ = ops.softmax_loss_forward(net.forward(layers, x)[0], labels)
    return before, net.forward(layers[:2], x)[0] > 0, loss


before, after, loss = trained(few, epsilon=0.1)
dead = np.sum(~after.any(axis=0))
print(f"dead before: {np.sum(~before.any(axis=0))}, after: {dead} of 50; loss {loss:.2f}")
picture(before=before.astype(float), after=after.astype(float))

# %% [markdown]
# Black columns: 27 of the 50 units are dead. **Predict**: what becomes of the loss with
# $\epsilon = 1$ and 60 steps? And if the mean is subtracted from the pixels first, as in the paper,
# so that inputs have both signs?

# %%
_, all_after, stuck = trained(few, epsilon=1, steps=60)
print(
    f"epsilon 1: dead {np.sum(~all_after.any(axis=0))}, loss {stuck:.3f}, ln 10 = {np.log(10):.3f}"
)
unit_x = data.prepare(sample, "unit")[0][:200]
_, unit_after, unit_loss = trained(unit_x, epsilon=0.1)
print(f"mean subtracted: dead {np.sum(~unit_after.any(axis=0))}, loss {unit_loss:.2f}")

# %% [markdown]
# With all 50 dead, the scores are the same for every image: the loss is that of a network that
# knows nothing, and stays there, since no gradient passes. With the mean subtracted not one unit
# has died. So look at your units: a column of zeros means that the learning rate is too large, or
# that the inputs lie on one side.
#
# ## The real size
#
# Now the small network of the paper's Figure 1, with raw pixels minus their mean and first weights
# of $N(0, 0.01^2)$, and ten photographs. **Predict** how steep the units of the first layer are, on
# average.

# %%
train_x, train_y, *_ = data.prepare(sample)
mean_slope, dw1 = {}, {}
for name in NAMES:
    layers = cifar.four_layer(ops, np.random.default_rng(0), name)
    scores, caches = net.forward(layers, train_x[:10])
    _, loss_cache = ops.softmax_loss_forward(scores, train_y[:10])
    _, grads = net.backward(layers, caches, *ops.softmax_loss_backward(loss_cache), need_dx=False)
    (y1,) = caches[2]  # the third layer is the first nonlinearity
    (slope,) = layers[2].backward(np.ones_like(y1), caches[2])
    mean_slope[name], dw1[name] = slope.mean(), np.linalg.norm(grads["conv1"]["w"])
    print(f"{name:8}  mean slope {mean_slope[name]:.3f}, norm of dw in conv1 {dw1[name]:.3f}")

# %% [markdown]
# With tanh most units are near ±1 before the first step of training, and conv1 gets a third of the
# gradient that it gets with ReLU; with the logistic function, a hundredth. Of the ReLUs 31% are
# off, which is no harm as long as each is on for some image. Lesson 18 goes on from here.
#
# ## Change this and predict
#
# 1. Let `depth` be 5. What is the ratio for the logistic function now? Guess it from $4^{-5}$.
# 2. `data.prepare(sample, "unit")` makes pixels with a deviation of 1. How steep is tanh with them?
# 3. Write it yourself: `python -m lessons exercise tanh_backward`.
#
# <details>
# <summary>Answers</summary>
#
# 1. Between the first and the fifth layer there are four slopes, of which at most $4^{-4} = 0.004$
#    is left. The ratio is a little more: the weights and the inputs of the two layers count, too.
# 2. Much steeper, near 1: with small weights and small inputs, all sums are near 0.
#
# </details>
