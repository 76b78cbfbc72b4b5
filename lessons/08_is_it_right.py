# %% [markdown]
# # 8. Is it right?
#
# *How would you notice that a backward pass is wrong, if the network learns nevertheless?* Here are
# two versions of `pool_backward` with the same picture and the same `dy`: one is the library's, in
# the other a single sign was changed.
#
# **25 minutes.** You need lessons 3 and 7. Afterwards you can check a backward pass by finite
# differences, and choose the cases that show a mistake.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import reference as ops
from minicnn.gradcheck import check_layer, planted
from minicnn.step import picture, step

rng = np.random.default_rng(0)
pool_overwriting = planted(ops.pool_backward, "dplace +=", "dplace[...] =")
x, dy = rng.standard_normal((1, 1, 7, 7)), rng.standard_normal((1, 1, 3, 3))
y, cache = ops.pool_forward(x)
(dx_1,), (dx_2,) = pool_overwriting(dy, cache), ops.pool_backward(dy, cache)
print(f"they differ in {np.sum(dx_1 != dx_2)} of {x.size} pixels")
picture(dx_1=dx_1, dx_2=dx_2)

# %% [markdown]
# ## Measuring a slope
#
# A gradient is a claim that can be measured: move one number a little, see how the loss moves. The
# obvious way is $(L(x+h) - L(x))/h$; the better one goes to both sides, $(L(x+h) - L(x-h))/2h$. Try
# both on tanh at 1, whose slope is $1 - \tanh^2 1$. How small should $h$ be? Predict the curves.


# %%
h = 10.0 ** -np.arange(1, 14)  # 0.1 … 1e-13
up, here, down = (ops.tanh_forward(x)[0] for x in (1 + h, np.ones(13), 1 - h))
slope = 1 - here**2
one_sided = np.abs((up - here) / h - slope) / slope
centred = np.abs((up - down) / (2 * h) - slope) / slope
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.loglog(h, one_sided, ".-", label="one-sided")
axes.loglog(h, centred, ".-", label="centred")
axes.set(xlabel="h", ylabel="relative error")
axes.legend(frameon=False)
print(f"best: {one_sided.min():.0e} and {centred.min():.0e}")
figure

# %% [markdown]
# Coming from the right, both errors fall: with $h$ the one-sided, with $h^2$ the centred, because
# on two sides the bend of the curve cancels. Further left another error grows: numbers have sixteen
# digits, and a difference of two nearly equal ones keeps few of them. At its best the centred one
# is right to ten digits, the other to seven. That is why gradients are checked in float64.
#
# ## The checker
#
# For a whole array take $L = \sum y \cdot dy$ with a random `dy`: with ones, mistakes would cancel.
# Nudge a pixel in which the two differ; then let `check_layer` do that for many entries.

# %%
steps = step(ops.pool_forward, x)
steps.touch("x", tuple(map(int, np.argwhere(dx_1 != dx_2)[0])), dy)

# %%
x = rng.standard_normal((2, 3, 8, 6))
print(check_layer(ops.pool_forward, pool_overwriting, x, z=3, s=2))

# %% [markdown]
# ## Five mistakes
#
# Each is easy to make, and planted in the library's own source by a change of a few characters. The
# first: a bias gradient that adds up one image and not the whole batch. Decide before each cell
# which of its two tests will see the mistake.


# %%
def passes(forward, backward, *args, **options):
    return check_layer(forward, backward, *args, max_entries=20, **options).ok


w, b = rng.standard_normal((4, 3, 2, 2)), rng.standard_normal(4)
last_bias = planted(ops.conv_backward, "dy.sum(axis=(0, 2, 3))", "dy[-1].sum(axis=(1, 2))")
one_image = passes(ops.conv_forward, last_bias, x[:1], w, b)
two_images = passes(ops.conv_forward, last_bias, x, w, b)
print("1. one image:", one_image, " two images:", two_images)

# %% [markdown]
# Second, `=` for `+=` in pooling, which you have just seen. Third, a normalization without the
# second term of its gradient (lesson 12), checked to two digits.

# %%
side_by_side = passes(ops.pool_forward, pool_overwriting, x, z=2, s=2)
overlapping = passes(ops.pool_forward, pool_overwriting, x, z=3, s=2)
print("2. z = s:", side_by_side, " z > s:", overlapping)
first_term = planted(ops.lrn_backward, "own - 2 * alpha * beta * x * cross", "own")
papers_alpha = passes(ops.lrn_forward, first_term, x, tolerance=0.01)
large_alpha = passes(ops.lrn_forward, first_term, x, tolerance=0.01, alpha=0.5)
print("3. alpha = 1e-4:", papers_alpha, " alpha = 0.5:", large_alpha)

# %% [markdown]
# Each time a comfortable test says that all is well: one image, windows side by side, the paper's
# constants. The fourth changes `lrn_forward`, and with it what forward leaves in the cache:
# $\alpha$ is divided by $n$, as in the code of 2012 and against the formula of the paper.
# **Predict** whether the check of the gradient sees that.

# %%
alpha_over_n = planted(ops.lrn_forward, "scale = k", "alpha = alpha / n; scale = k")
gradients = passes(alpha_over_n, ops.lrn_backward, x, alpha=0.5)
by_hand = 1 / (2 + 0.5 * (1 + 4)) ** 0.75  # channel 0 of two that answer 1 and 2
found = alpha_over_n(np.array([[[[1.0]], [[2.0]]]]), alpha=0.5)[0][0, 0, 0, 0]
print(f"4. gradients: {gradients}   by hand {by_hand:.4f}, planted {found:.4f}")

# %% [markdown]
# It never can: both are wrong in the same way, so one is still the derivative of the other. What
# the function *should* be, only numbers from elsewhere can say, computed by hand or by another
# library.
#
# The fifth has no gradient at all. In the update rule the decay of the weights was taken out of the
# learning rate: $0.0005\,w$ instead of $0.0005\,\epsilon\,w$.

# %%
decay_outside = planted(ops.sgd_update, "decay * epsilon * w", "decay * w")
w, v, dw = rng.standard_normal((3, 5))
off = {}
for epsilon in (1.0, 0.01):
    right, wrong = ops.sgd_update(w, v, dw, epsilon)[0], decay_outside(w, v, dw, epsilon)[0]
    off[epsilon] = np.abs(right - wrong).max()
    print(f"5. epsilon = {epsilon:g}: off by {off[epsilon]:.0e}")

# %% [markdown]
# With $\epsilon = 1$ there is no difference; with 0.01 the weights decay a hundred times too fast,
# and the network would still learn, only worse. Most mistakes are like that. Nothing crashes.
#
# ## What to take home
#
# Check in float64, with a random `dy` and awkward shapes: two images, no two sizes equal, windows
# that overlap and do not fit, constants large enough to matter. And compare with numbers that do
# not come from your own code. `python -m minicnn gradcheck` checks every layer of the library, and
# `tests/test_planted_mistakes.py` plants more mistakes than these.
#
# ## Change this and predict
#
# 1. In `last_bias` add up `dy.sum(axis=(0, 2))`. Is that caught by the gradient check, or earlier?
# 2. Plant one of your own: `1 - y` for `1 - y * y` in `tanh_backward`. Which entries are right?
# 3. Check a layer that you wrote: `python -m lessons exercise fc_backward`.
#
# <details>
# <summary>Answers</summary>
#
# 1. Earlier: the result does not have the shape of `b`, and `check_layer` says so.
# 2. Those with $y = 0$, because $1 - y^2 = (1 - y)(1 + y)$.
#
# </details>
