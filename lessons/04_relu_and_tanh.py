# %% [markdown]
# # 4. ReLU, tanh, and why gradients vanish
#
# *Why should a single function, `max(0, x)`, make such a difference to a network?* Here are three
# functions that bend what a layer computes, and below them their slopes: what each of them does to
# a gradient in the backward pass. Look at the lower row, and how high it gets.

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from minicnn import data, net, reference as ops
from minicnn.networks import cifar
from minicnn.step import step

NAMES = ("logistic", "tanh", "relu")
x = np.linspace(-5, 5, 201)
figure, axes = plt.subplots(2, 3, figsize=(8, 3.5), sharex=True, layout="constrained")
for (above, below), name in zip(axes.T, NAMES, strict=True):
    y, cache = getattr(ops, f"{name}_forward")(x)
    (slope,) = getattr(ops, f"{name}_backward")(np.ones(201), cache)
    print(f"{name:8}  y from {y.min():.2f} to {y.max():.2f}, steepest {slope.max():.2f}")
    above.plot(x, y)
    below.plot(x, slope, "tab:red")
    above.set(title=name, ylabel="y")
    below.set(ylabel="slope", ylim=(-0.05, 1.1))
figure

# %% [markdown]
# ## By hand
#
# The logistic function was the classic: $y = 1/(1 + e^{-x})$, a neuron that fires or not. Its slope
# is $y(1-y)$, a quarter at most. tanh is the same curve, stretched to −1 … 1, with a slope of
# $1 - y^2$. And ReLU, the "rectified linear unit", is $\max(0, x)$, with a slope of 0 or 1 and
# nothing else.
#
# Suppose a unit has $x = 3$, and a gradient of 1 comes back to it. How much does each let through?

# %%
three = np.array([3.0])
let_through = {}
for name in NAMES:
    y, cache = getattr(ops, f"{name}_forward")(three)
    (dx,) = getattr(ops, f"{name}_backward")(np.ones(1), cache)
    let_through[name] = dx[0]
    print(f"{name:8}  y = {y[0]:.4f}   dx = {dx[0]:.4f}")

# %% [markdown]
# ReLU lets everything through, the logistic function 4.5%, tanh 1.0%. A unit that is sure of itself
# can no longer learn, not even when it is wrong: it *saturates*. Units with ReLU do that on one
# side only. Step through the forward and backward passes of the shortest layer there is:

# %%
steps = step(ops.relu_forward, np.array([[-2.0, 0, 0.5], [3, -1, 2]]))
steps

# %%
steps.backward(np.array([[1.0, 2, 3], [4, 5, 6]]))

# %% [markdown]
# Where `y` is 0 nothing came back, also at exactly 0, where the slope could be anything from 0 to
# 1: the library says 0, as the original code did.
#
# ## Twenty layers deep
#
# A gradient that goes back through many layers is multiplied by a slope in each. Even at its
# steepest the logistic function has 1/4: after twenty layers at most $4^{-20}$ is left. Predict how
# many zeros that has after the decimal point. Then let the library do it: twenty fully connected
# layers of 100 units, with first weights that keep activations at their size, and the norm of the
# gradient of every layer's weights. (`fan-in` is a deviation of $\sqrt{1/D}$ for $D$ inputs, known
# since 1998, and of $\sqrt{2/D}$ for ReLU, by He and others, of 2015: three years too late for
# AlexNet.)

# %%
depth = 20
print(f"{0.25**depth:.1e}")
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

# %%
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for name in NAMES:
    axes.semilogy(range(1, depth + 1), norms[name], ".-", label=name)
axes.set(xlabel="layer", ylabel="norm of ∂L/∂w")
axes.legend(frameon=False)
figure

# %% [markdown]
# With the logistic function the first layer gets less than a billionth of what the last one gets.
# That is the *vanishing gradient*. tanh and ReLU come through twenty layers unharmed. So what is
# wrong with tanh? These were kind conditions: inputs of size 1, and weights made for them.
#
# ## The real size
#
# tanh and the logistic function were the standard, says the paper, and networks with ReLUs learn
# several times faster (Section 3.1); its Figure 1 shows a small network on CIFAR-10. Here are that
# network, raw pixels minus their mean and first weights of N(0, 0.01²), as in the paper, and ten
# photographs. Predict: how steep are the units of the first layer, on average?

# %%
train_x, train_y, *_ = data.prepare(data.load("sample"))
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
# gradient that it gets with ReLU; with the logistic function, a hundredth. Of the ReLUs 31% are off
# for a given place and photograph. That is no harm as long as each is on for some. One that is off
# for all photographs is called *dead*: its own weights get no gradient, and only a change in the
# layers below can revive it.
#
# Does it matter for learning? The paper's ReLUs reached 25% training error six times faster than
# tanh. Here is our result, `python -m minicnn figure1 --data cifar10`, with all 50,000 images:

# %%
results = json.loads((Path(net.__file__).parent / "results" / "figure1.json").read_bytes())
epochs = {name: results[name]["epochs"]["mean"] for name in ("relu", "tanh")}
print(epochs, results["ratio"]["mean"])

# %% [markdown]
# 5.4 epochs against 18.3, one seed each: 3.4 times as many. And with inputs of unit deviation and
# weights scaled by fan-in, tanh was *ahead* (see the README). ReLU forgives bad conditions.
#
# ## Change this and predict
#
# 1. Let `depth` be 5. What is the ratio for the logistic function now? Guess it from $4^{-5}$.
# 2. In the real network use `data.prepare(data.load("sample"), "unit")`, pixels of unit deviation.
#    How steep are the units with tanh now?
# 3. Write them yourself: `python -m lessons exercise relu_backward`, then `tanh_backward`.
