# %% [markdown]
# # 2. ReLU: what a unit lets through
#
# *Why should a single function, `max(0, x)`, make such a difference to a network?* Here are three
# functions that bend what a layer computes, and below them their slopes. Look at the lower row, and
# how high it gets.
#
# **15 minutes.** You need lesson 1. Afterwards you can say why a network must bend its numbers, and
# what each of three nonlinearities does to a gradient.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import data, reference as ops
from minicnn.step import picture, step

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
# ## Why bend anything?
#
# Because two convolutions in a row are no more than one. Here a kernel smooths the boat of lesson 1
# and Sobel's kernel looks for edges in the result. The same is done by a single kernel, of 5×5
# weights: each of its weights adds up the paths by which a pixel reaches the result. **Predict**
# the differences, without and with a ReLU between the two kernels.

# %%
boat = data.load("sample").test_x[68].astype(float).mean(axis=0).reshape(1, 1, 32, 32)
smooth = np.full((1, 1, 3, 3), 1 / 9)
sobel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).reshape(1, 1, 3, 3)
both, _ = ops.conv_forward(sobel, smooth[:, :, ::-1, ::-1], np.zeros(1), pad=2)  # 5×5
b = np.array([-100.0])  # a bias, so that ReLU finds something to cut off
smoothed, _ = ops.conv_forward(boat, smooth, b)
edges, _ = ops.conv_forward(smoothed, sobel, np.zeros(1))
at_once, _ = ops.conv_forward(boat, both, b * sobel.sum())
bent, _ = ops.conv_forward(ops.relu_forward(smoothed)[0], sobel, np.zeros(1))
linear, with_relu = np.abs(edges - at_once).max(), np.abs(bent - at_once).max()
print(f"largest difference: {linear:.0e}; with ReLU in between {with_relu:.0f}")
picture(both=both[0, 0], edges=edges[0, 0], bent=bent[0, 0])

# %% [markdown]
# Without something in between, a hundred layers could do no more than one. With it each layer can
# add something new: here only edges in the bright parts of the picture are left. Such a function is
# called a *nonlinearity*. (A *unit* is whatever computes one number of a layer; the paper says
# neuron.)
#
# ## By hand
#
# The logistic function was the classic: $y = 1/(1 + e^{-x})$, a neuron that fires or not. Its slope
# is $y(1-y)$, a quarter at most. tanh is the same curve, stretched to −1 … 1, with a slope of
# $1 - y^2$. And ReLU, the "rectified linear unit", is $\max(0, x)$, with a slope of 0 or 1 and
# nothing else.
#
# The slope matters because a network learns from *gradients*: for each of its numbers, how fast the
# error grows if that number grows. If a gradient of 1 comes back to a unit's output $y$, then 1
# times the slope passes on to its input $x$. Suppose that $x = 3$. How much does each of the three
# let through? **Predict** which lets least.

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
# side only. `dx` is short for the gradient of the error with respect to `x`; every array in the
# library has one, of its own shape.
#
# Step through the forward and backward passes of the shortest layer there is:

# %%
steps = step(ops.relu_forward, np.array([[-2.0, 0, 0.5], [3, -1, 2]]))
steps

# %%
steps.backward(np.array([[1.0, 2, 3], [4, 5, 6]]))

# %% [markdown]
# Where `y` is 0 nothing came back, also at exactly 0, where the slope could be anything from 0 to
# 1: the library says 0, as the original code did. All three functions keep only `y` for the
# backward pass: it is enough to know the slope.
#
# ## On a photograph
#
# ReLU cuts edges in half: Sobel's kernel answers + where it becomes brighter to the right, and −
# where it becomes darker. **Predict** which share of the map is 0 after ReLU, and what one needs in
# order to see the other edges, too.

# %%
found, _ = ops.conv_forward(boat, sobel, np.zeros(1))
brighter, _ = ops.relu_forward(found)
darker, _ = ops.relu_forward(ops.conv_forward(boat, -sobel, np.zeros(1))[0])
print(f"0 after ReLU: {np.mean(brighter == 0):.0%} and {np.mean(darker == 0):.0%} of the maps")
print(f"one minus the other gives it all back: {np.abs(brighter - darker - found).max():.0f}")
picture(brighter=brighter[0, 0], darker=darker[0, 0])

# %% [markdown]
# A second kernel, with opposite signs, finds the other half of the edges.
#
# ## Change this and predict
#
# 1. What does `ops.relu_forward(ops.relu_forward(x)[0])` do to `x`? And tanh after tanh?
# 2. Give `b` the value 0 in the second cell. What is `with_relu` now, and why?
# 3. Write them yourself: `python -m lessons exercise relu_forward`, then `relu_backward`.
#
# <details>
# <summary>Answers</summary>
#
# 1. A second ReLU changes nothing: what it gets is not negative. A second tanh bends once more, to
#    between −0.76 and 0.76.
# 2. 0, or nearly: shades of grey are not negative, nor are their means, so ReLU changes nothing.
#
# </details>
