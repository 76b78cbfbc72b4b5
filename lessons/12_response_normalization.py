# %% [markdown]
# # 12. Response normalization: kernels that compete
#
# *When one kernel shouts, what do its neighbours hear?* Here is a single pixel as seen by nine
# kernels; eight of them answer 1, and the one in the middle answers 1, 3 or 10. Watch what
# normalization makes of the others.
#
# **20 minutes.** You need lessons 1, 2 and 8. Afterwards you can normalize by hand, and say why a
# gradient in one channel reaches its neighbours.

# %%
import numpy as np

from minicnn import data
from minicnn.claims.report import sentence
from minicnn.gradcheck import check_layer
from minicnn.reference import conv_forward, lrn_backward, lrn_forward, relu_forward
from minicnn.step import picture, step

quiet = {}
for loud in (1, 3, 10):
    a = np.ones((1, 9, 1, 1))  # (N, C, H, W): nine channels, one pixel
    a[0, 4] = loud
    b, _ = lrn_forward(a, k=1, alpha=0.1)
    quiet[loud] = b[0, 3, 0, 0]
    print(b.ravel().round(2))
picture(a=a.reshape(1, 9), b=b.reshape(1, 9))

# %% [markdown]
# ## The formula
#
# From 0.74 the neighbours fall to 0.54 and then to 0.16, though their own answer is the same; those
# three and more channels away do not notice. The paper calls it "a form of lateral inhibition
# inspired by the type found in real neurons" (Section 3.3), and prints, for channel $i$ at one
# pixel:
#
# $$b_i = \frac{a_i}{\left( k + \alpha
# \sum_{j=\max(0,\,i-n/2)}^{\min(N-1,\,i+n/2)} a_j^2 \right)^{\beta}}$$
#
# with $k = 2$, $n = 5$, $\alpha = 10^{-4}$ and $\beta = 0.75$: the sum runs over five channels,
# $i-2$ to $i+2$, as far as they exist. (For an even $n$ these bounds hold $n+1$ channels; the
# library takes $n$, from `i - n//2` to `i + (n-1)//2`.) Neighbouring pixels do not count, only
# other kernels at the same pixel.
#
# ## By hand
#
# Three channels, `n=3`, and constants that are easy: $k = 1$, $\alpha = 1$, $\beta = 1$. Channel 0
# has one neighbour, so its sum is 1 + 4 = 5, and 1/(1 + 5) = 1/6. Work out the other two.

# %%
a = np.array([1.0, 2, 0]).reshape(1, 3, 1, 1)
steps = step(lrn_forward, a, k=1, n=3, alpha=1, beta=1)
b, cache = steps.result
print(b.ravel())

# %%
steps

# %% [markdown]
# 2/(1 + 1 + 4 + 0) = 1/3, and 0 stays 0. In the library the paper's $a$ and $b$ are `x` and `y`,
# the sum is `squares`, and the bracket is `scale`.
#
# ## The backward pass
#
# Here is why this layer is feared. $a_i$ counts twice: in its numerator, and in every bracket that
# it is part of, its neighbours' and its own. So the gradient has two terms; in the second one $j$
# runs over all channels whose bracket has $a_i$ in it, and $i$ is one of them:
#
# $$da_i = db_i \, \text{scale}_i^{-\beta} -
# 2\alpha\beta \, a_i \sum_j db_j \, b_j / \text{scale}_j$$
#
# Give a gradient to channel 1 only, and predict: which channels get a gradient? And of which sign?

# %%
db = np.array([0.0, 1, 0]).reshape(1, 3, 1, 1)
back = steps.backward(db)
print(back.result[0].ravel())
back

# %% [markdown]
# Channel 1 could answer more loudly if channel 0 were quieter: so channel 0 gets a negative
# gradient, −1/9, although nothing was asked of its own output. And channel 1 itself gets 1/6 − 2/9
# = −1/18: as $b_1 = a_1/(2 + a_1^2)$, its own bracket grows faster than its numerator once $a_1$ is
# beyond $\sqrt 2$. Channel 2 gets nothing, because it is 0. Measure the first of them:

# %%
steps.touch("x", (0, 0, 0, 0), db)

# %% [markdown]
# ## The mistake that hides
#
# Leave the second term out. How wrong is the gradient? That depends on $\alpha$. For answers of
# about 1 and the paper's $10^{-4}$ the difference is next to nothing, so a test with the paper's
# constants and a generous tolerance lets it pass. With $\alpha = 0.5$ no test misses it.

# %%
rng = np.random.default_rng(0)
x, dy = rng.standard_normal((2, 7, 5, 3)), rng.standard_normal((2, 7, 5, 3))
missing = {}
for alpha in (1e-4, 0.5):
    y, cache = lrn_forward(x, alpha=alpha)
    (right,) = lrn_backward(dy, cache)
    first_term = dy * y / x  # y / x is scale^−β
    missing[alpha] = np.abs(first_term - right).max() / np.abs(right).max()
    print(f"alpha = {alpha:g}: off by {missing[alpha]:.1e} of the largest gradient")
print(check_layer(lrn_forward, lrn_backward, x, alpha=0.5))

# %% [markdown]
# ## The real size
#
# If $\alpha$ is so small, does the layer do anything at all? Small answers are only multiplied by
# $2^{-0.75} = 0.595$. But AlexNet's pixels go up to 255, and so its answers are large. Here are 96
# kernels of conv1 on a photograph minus its mean, and what happens to answers of different size:

# %%
boat = data.load("sample").test_x[68].astype(float)
photograph = (boat - boat.mean()).repeat(7, axis=1).repeat(7, axis=2)[None]
kernels = rng.normal(0, 0.01, (96, 3, 11, 11))
a, _ = relu_forward(conv_forward(photograph, kernels, np.zeros(96), stride=4, ceil_mode=True)[0])
b, _ = lrn_forward(a)
factor = b[a > 0] / a[a > 0]
print(f"answers up to {a.max():.0f}; multiplied by {factor.min():.3f} to {factor.max():.3f}")
for size in (1, 10, 100, 1000):
    five_alike = np.full((1, 5, 1, 1), float(size))
    print(f"five answers of {size:4}: times {lrn_forward(five_alike)[0][0, 2, 0, 0] / size:.3f}")

# %% [markdown]
# With first weights answers reach 51, and it hardly matters: the factors go from 0.528 to 0.595.
# Five neighbours that answer 100 are already cut down to 0.232 of that.
#
# ## What the original code did
#
# The paper and its code, as released by the Computer History Museum, differ. The code divides
# $\alpha$ by $n$ first, so that the sum counts with 0.00002; Caffe and PyTorch inherited that. In
# layer 1 it normalizes *before* the ReLU, and layer 2 has one more normalization, over neighbouring
# pixels. And each GPU normalized its own half of the channels: the window never crossed from one
# into the other, which is `groups=2` here.

# %%
paper, code = lrn_forward(10 * a)[0], lrn_forward(10 * a, alpha=1e-4 / 5)[0]
halves = lrn_forward(10 * a, groups=2)[0]
differs = np.any(halves != paper, axis=(0, 2, 3))
print(f"alpha / n: up to {(code / np.maximum(paper, 1e-9)).max():.2f} times as large")
print("groups=2 changes channels", np.flatnonzero(differs))
print(sentence(4))

# %% [markdown]
# The paper says that it lowers the top-1 and top-5 errors by 1.4 and 1.2 percentage points (Section
# 3.3). VGG tried it two years later and found no gain: 29.7% top-1 errors with it, 29.6% without
# (their Table 3). The last lines are that claim at CIFAR-10's size (`python -m minicnn claims 4`).
#
# ## Change this and predict
#
# 1. In the first cell take `n=3`. Which neighbours are still inhibited? And with `n=9`?
# 2. Set `beta=0`. What is `b` now, and what is the gradient?
# 3. Write it yourself: `python -m lessons exercise lrn_forward`, then `lrn_backward`.
#
# <details>
# <summary>Answers</summary>
#
# 1. With `n=3` only channels 3 and 5, with `n=9` all of them.
# 2. `b` is `a`, and the gradient passes unchanged: the bracket to the power 0 is 1.
#
# </details>
