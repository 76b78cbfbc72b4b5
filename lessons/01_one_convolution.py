# %% [markdown]
# # 1. One convolution, by hand
#
# *How can nine numbers find the mast of a boat?* Here is a photograph in shades of grey, from
# CIFAR-10 (small colour photographs of ten classes), and what nine numbers, a *kernel*, make of it.
#
# **20 minutes.** You need Python with NumPy. Afterwards you can compute a convolution by hand and
# by three loops, and know AlexNet's first layer at its real size.

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
# Take a picture of 3×3 pixels and a kernel of 2×2 *weights*. The kernel is laid on the upper left
# corner; each weight is multiplied by the pixel below it, the four products are added up, and
# another number, the *bias*, is added to that: 1·1 + 2·(−1) + 0·0 + 1·2 + 0.5 = 1.5. Then it moves
# one pixel to the right, and so on. That makes three loops: over the kernels (here only one), over
# rows and over columns. **Predict** the other three numbers, then step through the loops.

# %%
x = np.array([[1.0, 2, 0], [0, 1, 3], [2, 0, 1]]).reshape(1, 3, 3)  # (C, H, W): one channel
w = np.array([[1.0, -1], [0, 2]]).reshape(1, 1, 2, 2)  # (K, C, f, f): one kernel
b = np.array([0.5])  # (K,): one bias for each kernel


def slide(x, w, b):
    """Return the maps (K, H_out, W_out) of one image, by a window at each place."""
    K, _, f, _ = w.shape
    y = np.zeros((K, x.shape[1] - f + 1, x.shape[2] - f + 1))
    for k in range(K):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                window = x[:, i : i + f, j : j + f]
                y[k, i, j] = np.sum(window * w[k]) + b[k]
    return y


print(slide(x, w, b)[0])
step(slide, x, w, b)

# %% [markdown]
# In the lower right corner, for example: 1·1 + 3·(−1) + 0·0 + 1·2 + 0.5 = 0.5.
#
# The library's own `conv_forward` does the same for several images at once, $N$ of them. It lays
# every window out as a column, `cols`, and does all the sums in one matrix product; lesson 10 is
# about that trick. Look for your four numbers in `y_n`, where the bias is still missing.

# %%
steps = step(conv_forward, x[None], w, b)
y, cache = steps.result
steps

# %% [markdown]
# ## The formula
#
# A photograph has three *channels*, red, green and blue. With $C$ channels, a kernel has weights
# for each of them, and the products of all channels go into one sum. Each of $K$ kernels makes an
# image of its own, a *map*:
#
# $$y_{k,i,j} = b_k + \sum_c \sum_u \sum_v x_{c,\,i+u,\,j+v}\; w_{k,c,u,v}$$
#
# Mathematicians rotate the kernel by 180° before they slide it, and call only that a convolution;
# without the rotation it is a *cross-correlation*. Networks never rotate it, nor did the original
# code of AlexNet: a learned kernel would only come out rotated.
#
# Five kernels on an image of three channels, by the loops and by the library. **Predict** the
# shape:

# %%
rng = np.random.default_rng(0)
x3, w5, b5 = rng.standard_normal((1, 3, 6, 7)), rng.standard_normal((5, 3, 2, 2)), np.ones(5)
y5, _ = conv_forward(x3, w5, b5)
print(y5.shape, "largest difference", np.abs(y5[0] - slide(x3[0], w5, b5)).max())

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
picture(bird=bird, vertical=maps[0, 0], horizontal=maps[0, 1], red_minus_blue=maps[0, 2])

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
# pixels (Section 3.5). The paper's Figure 2 says that its maps are 55 pixels wide. **Predict** what
# the formula says.

# %%
print(out_size(32, f=3), out_size(32, f=3, pad=1), out_size(32, f=3, stride=2))
print((224 - 11) / 4, out_size(224, 11, stride=4), out_size(224, 11, stride=4, ceil_mode=True))

# %% [markdown]
# 53 steps and a quarter: rounded down that makes 54 places, rounded up it makes 55. The original
# code rounded up (`layer.py`, in the release by the Computer History Museum): the last windows hang
# over the right and the lower edge by 3 pixels, which count as zeros. Other libraries get 55 from
# images of 227 pixels (Caffe) or with a padding of 2 (torchvision). The paper does not say.
#
# Our photograph is 32 pixels wide, and 7·32 = 224. **Predict** how many numbers come out, and how
# many products that takes.

# %%
x1 = boat[None].repeat(7, axis=2).repeat(7, axis=3)  # (1, 3, 224, 224)
w1 = rng.normal(0, 0.01, (96, 3, 11, 11))  # first weights as in Section 5
conv1 = step(conv_forward, x1, w1, np.zeros(96), stride=4, ceil_mode=True)
y1, _ = conv1.result
products = y1.size * w1[0].size
print(f"{y1.shape}: {y1.size:,} numbers, {w1.size:,} weights, {products:,} products")
conv1

# %% [markdown]
# 34,848 weights answer 290,400 questions: each kernel asks the same one at all 3,025 places. And
# 105,415,200 products for one photograph are why the authors needed GPUs: they had 1.2 million
# photographs, and showed each of them about ninety times (Section 5).
#
# ## Change this and predict
#
# 1. In the smallest example make the bias 10. Which numbers of `y` change, and by how much?
# 2. In `step(…)`, add `stride=2`. How many windows are left? And with `ceil_mode=True`, too?
# 3. Replace `vertical` by nine weights of 1/9. What becomes of the mast, and of the even sky?
#
# <details>
# <summary>Answers</summary>
#
# 1. All four, by 9.5: the bias is added to each of them.
# 2. One window. With `ceil_mode=True` four, of which three hang over the edge.
# 3. Each pixel becomes the mean of nine: the mast is blurred, and the even sky stays as it is.
#
# </details>
