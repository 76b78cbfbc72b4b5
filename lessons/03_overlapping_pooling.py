# %% [markdown]
# # 3. Overlapping pooling, and why `+=`
#
# *If one pixel wins in four windows at once, whose gradient does it get?* Pooling keeps the largest
# value of every window. In AlexNet the windows are 3×3 and start two pixels apart, so they overlap,
# and the 9 in the middle of this picture is in all four of them.
#
# **15 minutes.** You need lessons 1 and 2. Afterwards you can pool by hand, forward and backward,
# and say why gradients are added where windows overlap.

# %%
import numpy as np

from minicnn import data
from minicnn.reference import pool_backward, pool_forward, relu_forward
from minicnn.shapes import pool_size
from minicnn.step import picture, step

x = np.array([[1, 2, 0, 1, 7], [0, 3, 1, 2, 0], [1, 0, 9, 1, 2], [4, 1, 0, 2, 1], [0, 2, 3, 1, 8]])
x = x.astype(float).reshape(1, 1, 5, 5)
steps = step(pool_forward, x, z=3, s=2)
y, cache = steps.result
print(y[0, 0])
picture(x=x, y=y)

# %% [markdown]
# ## By hand
#
# Four windows, four winners: and all of them are the same pixel. (The 7, the 4 and the 8 lost to
# it, each in its own window.) Now let the gradients of the four outputs be 1, 2, 3 and 4. Each
# passes to its winner, because no other pixel had any influence. **Predict** what the 9 gets.

# %%
dy = np.array([[1.0, 2], [3, 4]]).reshape(1, 1, 2, 2)
back = steps.backward(dy)
(dx,) = back.result
print(dx[0, 0])

# %% [markdown]
# 1 + 2 + 3 + 4 = 10. Had the four gradients been *written* to the pixel, each over the last, only
# one of them would have survived. Everything depends on one sign: `+=`, not `=`.
#
# ## Step through it
#
# There is no loop over pixels. `places_of` cuts out nine views: all upper left pixels of the
# windows, then all those to the right of them, and so on. The largest of the nine is `y`, and
# `winner` says which of them it was. (It counts from 0: place 4 is the middle of a window.)

# %%
steps

# %%
back

# %% [markdown]
# Here the 9 is at place 8 of the first window, its lower right, at place 6 of the second, 2 of the
# third and 0 of the fourth. So `dplace += …` adds to it in four different iterations of the loop:
# counted from 1, they are 1, 3, 7 and 9. The stepper shows the first two iterations of a loop, and
# then its end; there, in a terminal, type `t 9` to see iteration 9. On a page the slider has them.
# Where windows lie side by side, as with z = s = 2, every pixel is in one window, and writing would
# be as good as adding: lesson 8 plants this mistake and shows which test finds it.
#
# ## What it is for
#
# Maps get smaller, so that later layers have less to do and see more of the picture at once. And it
# matters less where exactly something was found. Let us move the boat by one pixel. **Predict**: by
# how much do the maps change, before and after pooling?

# %%
boat = data.load("sample").test_x[68].astype(float)[None]  # (1, 3, 32, 32)
left, right = boat[:, :, :, :-1], boat[:, :, :, 1:]
left_pooled, right_pooled = (pool_forward(q, z=3, s=2, ceil_mode=True)[0] for q in (left, right))
moved = np.abs(left - right).mean() / left.std()
moved_pooled = np.abs(left_pooled - right_pooled).mean() / left_pooled.std()
print(f"{moved:.1%} of their standard deviation before, {moved_pooled:.1%} after")
picture(left=left[0, 0], left_pooled=left_pooled[0, 0])

# %% [markdown]
# A little less, with a quarter of the numbers.
#
# ## How often does one pixel win?
#
# Fed with ones, `pool_backward` counts the windows in which each pixel has won. Take the same
# photograph. A window has nine pixels and one winner, and a pixel is in one, two or four windows,
# 2.2 on average. Predict: which share of the pixels wins nowhere?

# %%
pooled, cache = pool_forward(boat, z=3, s=2, ceil_mode=True)
(wins,) = pool_backward(np.ones_like(pooled), cache)
for times in range(5):
    print(f"wins == {times}: {np.mean(wins == times):6.1%} of the pixels")
picture(boat=boat[0, 0], wins=wins[0, 0], pooled=pooled[0, 0])

# %% [markdown]
# 80.5% win nowhere, 15.5% once, and 4.0% more often. With `=` the last would get too little.
#
# ## Ties, and ReLU
#
# What if two pixels are equal? Here the first of them wins. In the code of 2012 *every* pixel equal
# to the maximum got the whole gradient. After a ReLU such ties are common: whole windows are 0. But
# there it makes no difference, for the ReLU below passes nothing on to a unit that was 0.
#
# And since ReLU never changes an order, it may just as well come after the pooling, where it has a
# quarter of the work. The original code did so in its first and its last convolution.

# %%
a = np.random.default_rng(1).standard_normal((2, 3, 9, 9))
relu_first = pool_forward(relu_forward(a)[0])[0]
pool_first = relu_forward(pool_forward(a)[0])[0]
print("largest difference:", np.abs(relu_first - pool_first).max())

# %% [markdown]
# ## The real size
#
# AlexNet pools three times: 55 pixels become 27, then 13, then 6. All of these windows fit exactly.
# In the CIFAR networks they do not: the last window of 32 pixels hangs over by one, and is clipped.

# %%
print([pool_size(H, z=3, s=2) for H in (55, 27, 13)])
print(pool_size(32, z=3, s=2), pool_size(32, z=3, s=2, ceil_mode=True))

# %% [markdown]
# The paper says that overlapping pools make fewer errors than 2×2 windows two apart, by 0.4 and 0.3
# percentage points (in the two counts of lesson 5), and that networks with them are slightly less
# prone to learn their images by heart, to *overfit* (Section 3.4). The notes in its original code
# agree (0.394 and 0.300), but add that the paddings of two convolutions had to change as well, to
# keep the maps at the same size.
#
# ## Change this and predict
#
# 1. Put a second 9 into the middle of the right edge of `x`. Whose gradient changes?
# 2. In `wins`, take windows `z=2, s=2`. Which counts can still occur?
# 3. Write it yourself: `python -m lessons exercise pool_backward`, then `average_pool_backward`.
#
# <details>
# <summary>Answers</summary>
#
# 1. None: the windows on the right find the middle 9 first, and the first of equals wins. (In the
#    code of 2012 both would get the gradient.)
# 2. 0 and 1: windows of 2×2 that start two apart do not overlap.
#
# </details>
