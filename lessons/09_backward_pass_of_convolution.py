# %% [markdown]
# # 9. The backward pass of a convolution
#
# *When four outputs are wrong, how much of the blame goes to each pixel and to each weight?* A
# network learns by working that out backwards. Here are the picture and the kernel of lesson 1, and
# `dy`, which says for each of the four outputs how much the loss grows when that output grows.
#
# **25 minutes.** You need lessons 1 and 7. Afterwards you can do the backward pass of a convolution
# by hand and by two loops, and say in which sense it is a convolution itself.

# %%
import numpy as np

from minicnn import data
from minicnn.gradcheck import check_layer
from minicnn.reference import conv_backward, conv_forward
from minicnn.step import picture, step

x = np.array([[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]).reshape(1, 1, 3, 3)
w = np.array([[1.0, -1], [0, 2]]).reshape(1, 1, 2, 2)
b = np.array([0.5])
dy = np.array([[1.0, 0], [-2, 3]]).reshape(1, 1, 2, 2)
steps = step(conv_forward, x, w, b)
back = steps.backward(dy)
dx, dw, db = back.result
print(dx[0, 0], dw[0, 0], db, sep="\n")
picture(x=x, w=w, dy=dy, dx=dx, dw=dw)

# %% [markdown]
# ## By hand: the chain rule
#
# Write the four sums of lesson 1 once more, with letters:
#
# $$y_{00} = x_{00}w_{00} + x_{01}w_{01} + x_{10}w_{10} + x_{11}w_{11} + b \qquad \text{and so on}$$
#
# The pixel in the middle, $x_{11}$, is in all four of them, each time under another weight. If it
# grows by a little, $y_{00}$ grows by $w_{11}$ times that, $y_{01}$ by $w_{10}$ times, and so on.
# Each output sends its gradient back along its own arrow, times the weight on it:
#
# ```
# dy[0, 0] =  1 ── w[1, 1] =  2 ──┐
# dy[0, 1] =  0 ── w[1, 0] =  0 ──┤
# dy[1, 0] = −2 ── w[0, 1] = −1 ──┼──▶ dx[1, 1]
# dy[1, 1] =  3 ── w[0, 0] =  1 ──┘
# ```
#
# The pixel adds up what arrives: 1·2 + 0·0 + (−2)·(−1) + 3·1 = 7. Find the 7 in `dx`.

# %%
(y00, y01), (y10, y11) = dy[0, 0]
(w00, w01), (w10, w11) = w[0, 0]
print(y00 * w11 + y01 * w10 + y10 * w01 + y11 * w00, dx[0, 0, 1, 1])

# %% [markdown]
# And the weight $w_{00}$? It met four pixels, one in each window: 1, 2, 0 and 1. So its gradient is
# 1·1 + 0·2 + (−2)·0 + 3·1 = 4. The bias was added to every output, so it gets the sum of `dy`: 2.
#
# That is the chain rule: along every arrow multiply, where arrows meet add. As loops it is the
# forward pass with every line turned round: where forward took a window and made one number of it,
# backward takes one number and adds to a window.

# %%
dx_loops, dw_loops = np.zeros_like(x), np.zeros_like(w)
for i in range(2):
    for j in range(2):
        window = np.s_[:, :, i : i + 2, j : j + 2]
        dx_loops[window] += dy[0, 0, i, j] * w  # forward: y[i, j] = Σ x[window] · w + b
        dw_loops += dy[0, 0, i, j] * x[window]
print("differences:", np.abs(dx_loops - dx).max(), np.abs(dw_loops - dw).max())

# %% [markdown]
# ## Step back through the library
#
# In `conv_backward` every line undoes one of `conv_forward`. Forward was `y_n = w_rows @ cols`; of
# a matrix product each factor gets `dy_n` times the *other* factor, transposed (lesson 7). The
# gradient of the columns is `dcols`, and `col2im` adds it to the pixels that they came from.

# %%
back

# %% [markdown]
# ## Two convolutions again
#
# Look at `dx` once more. What pixel $x_{ij}$ gets are the values of `dy` around it under a kernel
# that is rotated by 180°: $w_{11}$ belongs to the output up and left, $w_{00}$ to the one in place.
# So `dx` is itself a convolution: of `dy`, with the kernel rotated, and with enough padding that
# every overlap counts ("full"). And `dw` is one, too: of the picture, with `dy` as the kernel.
# (Both are so simple only at a stride of 1. At a stride of 2 a row and a column of zeros must first
# be put between those of `dy`.) Predict the shapes first.

# %%
rotated = w[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)  # channels and kernels change places
dx_full, _ = conv_forward(dy, rotated, np.zeros(1), pad=1)
dw_seen, _ = conv_forward(x, dy, np.zeros(1))
print("differences:", np.abs(dx_full - dx).max(), np.abs(dw_seen - dw).max())

# %% [markdown]
# `dw` is large where the picture looks like `dy`, and a step of learning goes against it. So where
# more output is wanted (`dy` is negative), the kernel takes over a bit of what it saw there.
#
# Seen from one output nothing is rotated. Give a single output a gradient, and `dx` is the kernel
# itself, written where its window lay. Give it to two overlapping windows, and two copies add up.

# %%
vertical = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).reshape(1, 1, 3, 3)
_, cache = conv_forward(np.zeros((1, 1, 7, 7)), vertical, np.zeros(1))
one, two = np.zeros((1, 1, 5, 5)), np.zeros((1, 1, 5, 5))
one[0, 0, 2, 2] = two[0, 0, 2, 2] = two[0, 0, 3, 2] = 1
dx_one, dx_two = conv_backward(one, cache)[0], conv_backward(two, cache)[0]
picture(one=one, dx_one=dx_one, dx_two=dx_two)

# %% [markdown]
# ## Measure it
#
# Do not believe any of this: measure. Nudge $w_{00}$ a little up and a little down, compute
# $L = \sum y \cdot dy$ each time, and divide: a finite difference (lesson 7).

# %%
steps.touch("w", (0, 0, 0, 0), dy)

# %%
steps.touch("x", (0, 0, 1, 1), dy)

# %% [markdown]
# ## The real size
#
# AlexNet's conv1 on a photograph, with a random `dy`. 34,848 weights get their gradients from
# 290,400 outputs. The checker then nudges 20 entries of each argument of a smaller layer, one by
# one.

# %%
boat = data.load("sample").test_x[68].astype(np.float32)
x1 = boat[None].repeat(7, axis=2).repeat(7, axis=3)
rng = np.random.default_rng(0)
w1 = rng.normal(0, 0.01, (96, 3, 11, 11)).astype(np.float32)
y1, cache1 = conv_forward(x1, w1, np.zeros(96, np.float32), stride=4, ceil_mode=True)
dy1 = rng.standard_normal(y1.shape).astype(np.float32)
dx1, dw1, db1 = conv_backward(dy1, cache1)
print(f"{dx1.shape}, {dw1.shape}: {dw1.size:,} from {dy1.size:,}, {db1.shape}")

# %%
args = rng.standard_normal((2, 3, 8, 6)), rng.standard_normal((4, 3, 3, 3)), np.zeros(4)
report = check_layer(conv_forward, conv_backward, *args, stride=2, pad=1, max_entries=20)
print(report)

# %% [markdown]
# ## Change this and predict
#
# 1. Set `dy` to zero except in the lower right corner. Which entries of `dx` are zero now?
# 2. A stride of 3 with a kernel of 2×2 on 5×5 pixels: which pixels get a gradient of 0, and why?
# 3. Write it yourself: `python -m lessons exercise conv_backward`.
#
# <details>
# <summary>Answers</summary>
#
# 1. All outside the window in the lower right corner, and in it the one under the weight 0.
# 2. The third row and the third column: the windows start at 0 and 3, so none of them has these
#    pixels.
#
# </details>
