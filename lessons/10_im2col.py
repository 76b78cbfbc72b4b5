# %% [markdown]
# # 10. im2col: a convolution as one matrix product
#
# *Why would anyone copy every pixel up to 25 times before multiplying anything?* In AlexNet's
# second layer this library does so, and is faster for it. Below is the whole trick in one picture:
# the twelve pixels of `x`, and the same pixels laid out again as columns of a matrix.
#
# **25 minutes.** You need lessons 1 and 9. Afterwards you can lay out a convolution as a matrix
# product, and say what that costs and gains.

# %%
import time

import numpy as np

from minicnn import data
from minicnn.reference import conv_forward
from minicnn.reference.im2col import col2im, im2col
from minicnn.step import picture, step

x = np.arange(1.0, 13).reshape(1, 3, 4)  # (C, H, W): one channel, the pixels 1 … 12
cols = im2col(x, f=2, stride=1, pad=0, H_out=2, W_out=3)
print(cols)
picture(x=x[0], cols=cols)

# %% [markdown]
# ## The smallest example
#
# A window of 2×2 fits into 3×4 pixels at six places, so there are six columns. Read the first one
# from top to bottom: 1, 2, 5, 6 is the window in the upper left corner, row by row. Read the first
# *row* from left to right: 1, 2, 3, 5, 6, 7 are the upper left pixels of all six windows. Which
# pixels are in four columns? Find the four sixes before you read on.
#
# Now write the kernel as a row of four weights. Row times column is a sum of four products, and
# that is exactly one output of the convolution:

# %%
w = np.array([[1.0, -1], [0, 2]]).reshape(1, 1, 2, 2)
w_rows = w.reshape(1, 4)  # (K, C·f·f)
y_rows = w_rows @ cols  # (K, H_out·W_out)
y, _ = conv_forward(x[None], w, np.zeros(1))
print(y_rows, y.ravel())

# %% [markdown]
# 1·1 − 1·2 + 0·5 + 2·6 = 11, and so on. With more kernels `w_rows` gets more rows, with more
# channels both matrices get longer; the product stays one product. In the formula of lesson 1,
#
# $$y_{k,i,j} = \sum_{c,u,v} w_{k,c,u,v}\; x_{c,\,i+u,\,j+v}$$
#
# the three sums have become one, over the row number $r = (c \cdot f + u) \cdot f + v$.
#
# ## Step through it
#
# `im2col` is five loops: three over the place in the window (which row of `cols`), two over the
# windows (which column). Numba compiles them; here you walk through the Python that it compiles.

# %%
step(im2col, x, f=2, stride=1, pad=1, H_out=4, W_out=5)

# %% [markdown]
# With a padding of 1 some windows reach outside the image. Nothing is copied for those places, and
# `cols` was made of zeros: that is all there is to padding.
#
# ## How often is a pixel copied?
#
# `col2im` goes the other way and adds what it finds: fed with ones, it counts. Predict the twelve
# numbers of the 3×4 image first.

# %%
print(col2im(np.ones((4, 6)), (1, 3, 4), f=2, stride=1, pad=0, H_out=2, W_out=3)[0])
copies = col2im(np.ones((25, 27 * 27)), (1, 27, 27), f=5, stride=1, pad=2, H_out=27, W_out=27)
picture(copies=copies[0])

# %% [markdown]
# The second count is for AlexNet's conv2: 27×27 pixels, kernels of 5×5, a padding of 2. In the
# middle every pixel is copied 25 times, and even in the corners nine times.
#
# That is why `col2im` adds: whoever copies a number in forward must add up in backward, since each
# copy sends a gradient home. In one equation, for any two arrays
# $\text{im2col}(x) \cdot d = x \cdot \text{col2im}(d)$, each dot the sum over all entries: col2im
# is the *adjoint* of im2col.

# %%
rng = np.random.default_rng(0)
size = dict(f=3, stride=2, pad=1, H_out=4, W_out=3)
noise, d = rng.standard_normal((2, 7, 5)), rng.standard_normal((18, 12))
left, right = np.sum(im2col(noise, **size) * d), np.sum(noise * col2im(d, noise.shape, **size))
print(f"{left:.12f} {right:.12f}")

# %% [markdown]
# ## The real size: what it costs
#
# Let us count megabytes, in float32. How large are the columns of one image in conv1 and conv2, and
# how large were the images? (A layer of VGG is there for comparison.) Guess the factor for conv1:
# its windows are 11×11, but they start four pixels apart.

# %%
layers = {  # channels, pixels, window, windows along one axis
    "conv1": (3, 224, 11, 55),
    "conv2": (96, 27, 5, 27),
    "VGG's second": (64, 224, 3, 224),
}
x_MB, cols_MB = {}, {}
for name, (C, H, f, H_out) in layers.items():
    x_MB[name], cols_MB[name] = C * H * H * 4 / 1e6, C * f * f * H_out**2 * 4 / 1e6
    print(f"{name:12}  x {x_MB[name]:5.1f} MB   cols {cols_MB[name]:6.1f} MB")

# %% [markdown]
# The columns of conv1 take 4.4 MB, 7.3 times as much as the image: 121 places in each window,
# divided by a stride of 4 in both directions. For conv2 they take 7.0 MB, 25 times as much. A batch
# of 128 images would need 896 MB for this one layer, and the authors' GPUs had 3 GB each. So the
# library lays out one image at a time, and once more in `backward`.
#
# ## And what it gains
#
# Here is conv1 in two ways. First with slices: one small product for every kernel and place, timed
# for a single kernel. Then the library's way, with all 96 kernels. **Predict** which is faster, and
# how many times, although both do the same 105,415,200 multiplications.

# %%
boat = data.load("sample").test_x[68].astype(np.float32)
image = boat[None].repeat(7, axis=2).repeat(7, axis=3)  # (1, 3, 224, 224)
image = np.pad(image, ((0, 0), (0, 0), (0, 3), (0, 3)))  # the last windows hang over by 3
kernels = np.random.default_rng(0).normal(0, 0.01, (96, 3, 11, 11)).astype(np.float32)

start = time.perf_counter()
slices = [image[0, :, i : i + 11, j : j + 11] for i in range(0, 217, 4) for j in range(0, 217, 4)]
map_0 = np.array([np.sum(window * kernels[0]) for window in slices]).reshape(55, 55)
seconds_slices = 96 * (time.perf_counter() - start)

# %%
b = np.zeros(96, np.float32)
conv_forward(image[:, :, :11, :11], kernels, b)  # Numba compiles now, or loads what it compiled
start = time.perf_counter()
maps, _ = conv_forward(image, kernels, b, stride=4)
seconds_cols = time.perf_counter() - start
print(f"slices {seconds_slices:.2f} s, columns {seconds_cols:.3f} s: {maps.size:,} numbers")
print(f"the columns are {seconds_slices / seconds_cols:.0f} times as fast on this machine")

# %% [markdown]
# The multiplications are the same; what differs is how they reach the processor. A slice at a time,
# Python makes a small array, throws it away, and calls a function for it, 290,400 times. One large
# matrix product is a single call of a routine (BLAS) that keeps every number that it has fetched as
# long as it can. Copying pays because each copy is then used 96 times, once for every kernel.
#
# Can one have the product without the matrix? Yes: `minicnn/fast/conv.py` and the GPU code read the
# windows where they lie in the image, and that is what you train with. Lesson 20 is about that.
#
# ## Change this and predict
#
# 1. In the smallest example let `stride` be 2, and `H_out` and `W_out` 1. What is left of `cols`?
# 2. A kernel of 1×1: what does `cols` look like, compared with `x`? (VGG's configuration C has such
#    layers.) Try it with two channels: `np.arange(18.0).reshape(2, 3, 3)`.
# 3. `f=3, stride=3` on 6×6 pixels: how often is each pixel copied? Let `col2im` count.
# 4. Write it yourself: `python -m lessons exercise im2col`, then `conv_forward`, then `col2im`.
#
# <details>
# <summary>Answers</summary>
#
# 1. The first column: 1, 2, 5, 6.
# 2. It is `x` with each channel as a row.
# 3. Once: the windows lie side by side.
#
# </details>
