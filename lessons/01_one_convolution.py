# %% [markdown]
# # 1. One convolution, by hand
#
# *How can nine numbers find the mast of a boat?* Here is a photograph from CIFAR-10 in shades of
# grey, and what a *kernel* of nine numbers makes of it. At the end of this lesson you will know
# every one of the sums behind the second picture, and have met the first layer of AlexNet at its
# real size.

# %%
import numpy as np

from minicnn import data
from minicnn.reference import conv_forward
from minicnn.shapes import out_size
from minicnn.step import picture, step

boat = data.load("sample").test_x[68].astype(float)  # (3, 32, 32): red, green and blue, 0 … 255
grey = boat.mean(axis=0).reshape(1, 1, 32, 32)
vertical = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).reshape(1, 1, 3, 3)
edges, _ = conv_forward(grey, vertical, np.zeros(1))
print(f"from {edges.min():.0f} to {edges.max():.0f}")
picture(grey=grey, vertical=vertical, edges=edges)

# %% [markdown]
# ## The smallest example
#
# Take a picture of 3×3 pixels and a kernel of 2×2 weights. The kernel is laid on the upper left
# corner; each weight is multiplied by the pixel below it, the four products are added up, and the
# bias is added to that: 1·1 + 2·(−1) + 0·0 + 1·2 + 0.5 = 1.5.
#
# Then it moves one pixel to the right, and so on. Do the other three before you run the cell.

# %%
x = np.array([[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]).reshape(1, 1, 3, 3)  # (N, C, H, W): one image
w = np.array([[1.0, -1], [0, 2]]).reshape(1, 1, 2, 2)  # (K, C, f, f): one kernel
b = np.array([0.5])  # (K,): one bias for each kernel
steps = step(conv_forward, x, w, b)
y, cache = steps.result
print(y[0, 0])

# %% [markdown]
# In the lower right corner, for example: 1·1 + 3·(−1) + 0·0 + 1·2 + 0.5 = 0.5.
#
# What you called was the library's own `conv_forward`. Now step through it, line by line. It lays
# every window out as a column, `cols`, and does all the sums in one matrix product; the next lesson
# is about that trick. Look for your four numbers in `y_n`, where the bias is still missing.

# %%
steps

# %% [markdown]
# ## The formula
#
# With $C$ channels, a kernel has weights for each of them, and the products of all channels go into
# one sum. Each of $K$ kernels makes a map of its own:
#
# $$y_{k,i,j} = b_k + \sum_c \sum_u \sum_v x_{c,\,i+u,\,j+v}\; w_{k,c,u,v}$$
#
# Mathematicians rotate the kernel by 180° before they slide it, and call only that a convolution;
# without the rotation it is a *cross-correlation*. Networks never rotate it, nor did the original
# code of AlexNet: a learned kernel would only come out rotated.
#
# Here it is in NumPy, for one place of a picture with three channels, and one of five kernels:

# %%
rng = np.random.default_rng(0)
x3, w5, b5 = rng.standard_normal((1, 3, 6, 7)), rng.standard_normal((5, 3, 2, 2)), np.ones(5)
y5, _ = conv_forward(x3, w5, b5)
k, i, j = 4, 3, 1
by_formula = b5[k] + np.sum(x3[0, :, i : i + 2, j : j + 2] * w5[k])
print(y5.shape, y5[0, k, i, j], by_formula)

# %% [markdown]
# ## Edges and colours
#
# The nine numbers of the beginning are Sobel's kernel for vertical edges. They add up to 0, so
# where the picture is even the answer is 0; where it is dark on the left and bright on the right
# the answer is large. Its transpose finds horizontal edges.
#
# A kernel with weights for three channels can look at colours, too. The third one below computes
# red minus blue at the middle of its window and ignores the rest. This time the photograph is of a
# yellow bird in a blue sky. Predict which of the three maps shows the bird best.

# %%
bird = data.load("sample").test_x[32].astype(float)
kernels = np.zeros((3, 3, 3, 3))  # three kernels, three channels
kernels[0] = vertical[0, 0] / 3  # the mean over the channels is the grey picture
kernels[1] = vertical[0, 0].T / 3
kernels[2, 0, 1, 1], kernels[2, 2, 1, 1] = 1, -1
maps, _ = conv_forward(bird[None], kernels, np.zeros(3))
picture(
    bird=bird.mean(axis=0), vertical=maps[0, 0], horizontal=maps[0, 1], red_minus_blue=maps[0, 2]
)

# %% [markdown]
# AlexNet's kernels were not written down by anyone: the network starts with random numbers and
# learns. What came out are edges in all directions and blobs of colour (Figure 3 of the paper).
#
# ## The real size, and a puzzle
#
# A kernel of width $f$ fits into $H$ pixels at $H - f + 1$ places: the maps above are 30 pixels
# wide. *Padding* puts $p$ zeros at each end. With `pad=1` the maps would keep 32 pixels, but
# Sobel's kernels would find an edge all around the picture: try it. And with a *stride* $s$ only
# every $s$-th place counts. Together that makes $1 + \lfloor (H + 2p - f) / s \rfloor$ places.
#
# AlexNet's first layer has 96 kernels of 11×11×3 weights with a stride of 4, on images of 224×224
# pixels (Section 3.5). The paper's Figure 2 says that its maps are 55 pixels wide. But the formula?

# %%
print(out_size(32, f=3), out_size(32, f=3, pad=1), out_size(32, f=3, stride=2))
print((224 - 11) / 4, out_size(224, 11, stride=4), out_size(224, 11, stride=4, ceil_mode=True))

# %% [markdown]
# 53 steps and a quarter: rounded down that makes 54 places, rounded up it makes 55. The original
# code rounded up (`layer.py`, in the release by the Computer History Museum): the last windows hang
# over the right and the lower edge by 3 pixels, which count as zeros. Other libraries get 55 from
# images of 227 pixels (Caffe) or with a padding of 2 (torchvision). The paper does not say.
#
# Our photograph has 32 pixels, and 7·32 = 224. How many numbers come out? How many products?

# %%
x1 = boat[None].repeat(7, axis=2).repeat(7, axis=3)  # (1, 3, 224, 224)
w1 = rng.normal(0, 0.01, (96, 3, 11, 11))  # first weights as in Section 5
conv1 = step(conv_forward, x1, w1, np.zeros(96), stride=4, ceil_mode=True)
y1, _ = conv1.result
products = y1.size * w1[0].size
print(f"{y1.shape}: {y1.size:,} numbers, {w1.size:,} weights, {products:,} products")
conv1

# %% [markdown]
# 34,848 weights answer 290,400 questions: each kernel asks the same one at all 3,025 places. A
# layer that connects every input with every output would be far larger. And 105,415,200 products
# for one photograph are why the authors needed GPUs: they had 1.2 million photographs, and showed
# each of them about ninety times (Section 5).
#
# ## Check
#
# One of those sums by the formula, in the corner where the window hangs over: of its 11×11 pixels
# only 8×8 are there.

# %%
k, i, j = 95, 54, 54
inside = x1[0, :, 4 * i :, 4 * j :]  # what is left of the image from there on
by_formula = np.sum(inside * w1[k, :, :8, :8])
print(inside.shape, y1[0, k, i, j], by_formula)

# %% [markdown]
# ## Change this and predict
#
# 1. In the smallest example make the bias 10. Which numbers of `y` change, and by how much?
# 2. Give it `stride=2`. How many windows are left? And with `ceil_mode=True`?
# 3. Replace `vertical` by nine weights of 1/9. What becomes of the mast, and of the even sky?
