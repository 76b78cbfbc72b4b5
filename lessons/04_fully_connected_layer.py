# %% [markdown]
# # 4. The fully connected layer
#
# *Where are nineteen of every twenty parameters of AlexNet?* Not in its convolutions. Here is one
# layer that knows ten classes of photographs by ten faint pictures, its weights, and it has not
# been trained at all.
#
# **15 minutes.** You need lesson 1. Afterwards you can compute a fully connected layer by hand,
# count its parameters, and say what it has in common with a convolution.

# %%
import numpy as np

from minicnn import data, reference as ops
from minicnn.networks import alexnet, summary
from minicnn.step import picture, step

sample = data.load("sample")
images = sample.train_x.astype(float)  # (5000, 3, 32, 32)
middle = images.mean(axis=0)
means = np.array([images[sample.train_y == c].mean(axis=0) - middle for c in range(10)])
print(", ".join(sample.classes[:5]))
picture(**{name: mean.mean(axis=0) for name, mean in zip(sample.classes[:5], means, strict=False)})

# %% [markdown]
# Red is brighter than the mean of all photographs, blue is darker. These are mean images of five
# classes, and we shall come back to them.
#
# ## The smallest example
#
# Three inputs, two outputs. Every output has a weight for every input and a bias of its own: it
# multiplies, adds up, and adds the bias.
#
# ```
# x[0] = 1 ──┐
# x[1] = 2 ──┼──▶ y[0] = 1·2 + 2·0 + 3·(−1) + 1 = 0
# x[2] = 3 ──┤
#            └──▶ y[1] = ?
# ```
#
# **Predict** the second output, whose weights are all 1 and whose bias is 0. Then step through it:
# that is the whole layer.

# %%
x = np.array([[1.0, 2, 3]])  # (N, D): one image, three inputs
w = np.array([[2.0, 0, -1], [1, 1, 1]])  # (K, D): a row of weights for each output
b = np.array([1.0, 0])  # (K,)
steps = step(ops.fc_forward, x, w, b)
y, _ = steps.result
print(y)
steps

# %% [markdown]
# In one formula $y_k = b_k + \sum_d w_{kd} \, x_d$, and for a whole batch of images at once it is
# one matrix product, `x @ w.T + b`. (A *batch* is the images that go through the network together.)
# Maps are laid out as one long row first.
#
# ## A convolution is one of these
#
# Feed a convolution nine images that are 0 but for a single 1, each at another pixel. What comes
# out are the weights from that pixel to each of the four outputs: the matrix of a fully connected
# layer that does the same. **Predict** how many different numbers are in it, when the kernel has
# four weights.

# %%
kernel = np.array([[1.0, 2], [3, 4]]).reshape(1, 1, 2, 2)
single_ones = np.eye(9).reshape(9, 1, 3, 3)
matrix = ops.conv_forward(single_ones, kernel, np.zeros(1))[0].reshape(9, 4).T  # (K, D) = (4, 9)
print(matrix.astype(int))
picture(matrix=matrix)

# %% [markdown]
# 36 weights, of which 20 are always 0, and the other 16 are four numbers, four times each. So a
# convolution is a fully connected layer that knows two things beforehand: what is far away does not
# matter (the zeros), and what is worth finding in one place is worth finding anywhere (the same
# four numbers).
#
# A fully connected layer knows neither. It does not even know which pixels are neighbours: shuffle
# the pixels of all images in the same way, and the weights with them, and nothing changes.

# %%
rng = np.random.default_rng(0)
order = rng.permutation(3 * 32 * 32)
few, w_few = images[:20].reshape(20, -1), rng.standard_normal((10, 3072))
straight, _ = ops.fc_forward(few, w_few, np.zeros(10))
shuffled, _ = ops.fc_forward(few[:, order], w_few[:, order], np.zeros(10))
difference = np.abs(straight - shuffled).max()
print(f"largest score {np.abs(straight).max():.0f}, difference {difference:.0e}")
picture(image=images[7].mean(axis=0), shuffled=few[7, order].reshape(3, 32, 32).mean(axis=0))

# %% [markdown]
# That is why a network begins with convolutions, and ends with fully connected layers, which may
# then combine everything with everything.
#
# ## Ten templates
#
# Each row of `w` has as many numbers as an image has, so it can be seen as one. Back to the ten
# mean images. As rows of weights they are *templates*: the score of a class is large where image
# and template are bright and dark in the same places. With the bias
# $-\frac{1}{2}\lVert w_k \rVert^2$ the largest score means the nearest template. Guessing gets 90%
# wrong. **Predict** how much the templates get wrong.

# %%
templates = means.reshape(10, -1)  # (10, 3072)
biases = -0.5 * np.sum(templates**2, axis=1)
tests = (sample.test_x - middle).reshape(len(sample.test_x), -1)
scores, _ = ops.fc_forward(tests, templates, biases)
answers = scores.argmax(axis=1)
error = np.mean(answers != sample.test_y)
ships = np.mean(
    answers[sample.test_y == sample.classes.index("ship")] != sample.classes.index("ship")
)
print(f"{error:.1%} errors; of the ships {ships:.0%}")

# %% [markdown]
# 72% errors, with nothing learned but ten means. Better weights can be found, by training (lesson
# 6); but a single layer must make do with one template for all horses, those that look left and
# those that look right. Convolutions below it can do better.
#
# ## The real size
#
# AlexNet ends with three of these layers. fc6 sees all numbers that the last pool leaves, 256 maps
# of 6×6. It has 4096 outputs, and so has fc7. fc8 has one output for each of 1000 classes. By hand:
# how many weights and biases has fc6? **Predict** the share of the three in the whole network.

# %%
layers = alexnet.alexnet(ops, rng=None)
sizes = {size.name: size.parameters for size in summary.measure(layers, (3, 224, 224))}
by_hand = 4096 * (256 * 6 * 6) + 4096
total = sum(sizes.values())
share = sum(sizes[name] for name in ("fc6", "fc7", "fc8")) / total
print(f"fc6 by hand {by_hand:,}, in the table {sizes['fc6']:,}")
print(f"fc6, fc7 and fc8 have {share:.1%} of {total:,} parameters")

# %% [markdown]
# 96.2%, and fc6 alone has 37,752,832 of 60,965,224. That is many numbers to learn from 1.2 million
# photographs: these layers *overfit*, that is, they learn the photographs themselves instead of
# what they have in common. Lesson 13 shows what the authors did about it. Later networks have done
# without most of them.
#
# ## Change this and predict
#
# 1. How many weights would fc6 have if it saw the 55×55 maps of conv1 instead?
# 2. Let all biases of the templates be 0. Which classes win more often now?
# 3. Write it yourself: `python -m lessons exercise fc_forward`.
#
# <details>
# <summary>Answers</summary>
#
# 1. $4096 \cdot 96 \cdot 55 \cdot 55$, more than a billion.
# 2. Those whose templates have the largest numbers: without the bias a strong template wins too
#    easily.
#
# </details>
