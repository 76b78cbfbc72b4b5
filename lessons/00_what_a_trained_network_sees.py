# %% [markdown]
# # 0. What a trained network sees
#
# *What becomes of a photograph inside a network?* Here is one of 32×32 pixels that this network has
# never seen, and the network's answer.
#
# **10 minutes.** You need no lesson before this one. Afterwards you can name the parts of a
# network, and say what becomes of a photograph between the first part and the last.

# %%
import numpy as np

from minicnn import data, net, reference as ops
from minicnn.step import picture
from minicnn.training import inspection, predictor

sample, network = data.load("sample"), predictor.load("trained", ops)
photo = sample.test_x[2]  # (3, 32, 32): red, green and blue, from 0 to 255
(p,) = predictor.predict(network, photo[None])
print(*[f"{sample.classes[c]} {p[c]:.0%}  " for c in np.argsort(-p)[:3]])
picture(photo=photo)

# %% [markdown]
# A bird: the network gives that 72%, and a cat 21%. It knows ten *classes*, and has one number for
# each, its *probability*; together they are 100%.
#
# You can look around in this network on a page:
# [point at a unit, take a map away](explore.html). In a terminal, `python -m minicnn explore`
# writes that page. This lesson says what you see there.
#
# ## Layers
#
# A network is a list of *layers*. Each takes an array of numbers and makes another from it; the
# first takes the pixels, the last makes the ten numbers. **Predict** how many layers there are, and
# whether their arrays get larger or smaller.

# %%
x = inspection.view_of(network, photo[None])  # the middle of the photo, 24×24, minus the mean
names = [layer.name for layer in network.layers]
arrays = dict(zip(names, net.outputs(network.layers, x), strict=True))
for name, array in arrays.items():
    print(f"{name:9} {' × '.join(map(str, array.shape[1:])):13} {array.size:6,} numbers")
print(f"{len(arrays)} layers, with {net.count_parameters(network.layers):,} parameters")

# %% [markdown]
# They get larger at once, and then smaller. Their names say what they are: a convolution (lesson
# 1), a ReLU (2), a pool (3), a normalization (`lrn`, 12), and at the end *fully connected* layers
# (4). The first, `conv1`, makes 64 *maps* of 24×24 numbers, and each of these numbers is made by a
# *unit*. All units of a map look for the same thing, each at its own place.
#
# Here are some maps of the first convolution and of the fifth, after a ReLU has set
# their negative numbers to 0. **Predict** in which of them you can see the bird.

# %%
picture(relu1=arrays["relu1"][0, :16], relu5=arrays["relu5"][0, :16])

# %% [markdown]
# In the first layer it is there many times, its edges and its colours. In the fifth nothing looks
# like a bird. These units say less about *where* something is, and more about *what* it is.
#
# ## What a unit sees
#
# A unit of `conv1` sees five pixels across and five down, its *window* or *receptive field*, and no
# more. Layers are stacked:
#
# ```
# pixels ──▶ conv1 ──▶ pool1 ──▶ conv2 ──▶ … ──▶ fc6 ──▶ fc7 ──▶ answer
# ```
#
# A unit of `conv2` sees several units of the layer before it, which see several pixels each.
# **Predict** which is the first layer whose units see more than half of the width.

# %%
fields = dict(zip(names, inspection.fields(network.layers), strict=True))
sees = {name: fields[name].sees for name in ("conv1", "conv2", "conv3", "conv4", "conv5")}
print(*[f"{name}: {wide}  " for name, wide in sees.items()], "pixels wide")

# %% [markdown]
# Over half from `conv3` on. The windows of `conv4` and `conv5`, of 31 and 39 pixels, are wider than
# the image, which has 24: they reach beyond its edges, where the network reads zeros. The last
# layers, `fc6` and `fc7`, have no maps any more: every unit sees everything.
#
# ## Take a map away
#
# What is a single map worth? Set all its numbers to 0, and let the layers after it carry on.
# `conv2` makes 96 maps. **Predict** for how many of them the answer changes if you take just that
# one away.

# %%
bird = int(p.argmax())
without = inspection.ablated(network, names.index("conv2"), arrays["conv2"])  # (96, 10)
changed = int(np.sum(without.argmax(axis=1) != bird))
worst = int(without[:, bird].argmin())
print(f"another answer without {changed} of {len(without)} maps")
print(f"without map {worst}: bird {without[worst, bird]:.0%}, not {p[bird]:.0%}")

# %% [markdown]
# Two of 96. Most of what one map says, others say as well. On
# [the page](explore.html) you can find the two for this bird: choose it, choose `conv2`, and take
# maps away.
#
# ## Where the numbers come from
#
# No one wrote them. The network has 1,209,130 *parameters*, which began as random numbers, and were
# changed a little 14,858 times, each time so that 128 photographs got better answers. There were
# 50,000 of these photographs, and it saw each 38 times. That is *training*. How it is done, in
# Python that you can read, is the rest of this course; lesson 17 comes back to this network.
#
# ## Change this and predict
#
# 1. Use `sample.test_x[5]` for `photo`. What is it, and what does the network say?
# 2. Mirror the photograph: `photo[:, :, ::-1]`. Is it still a bird?
# 3. Take its colours away: `grey = photo.mean(axis=0)`, then `np.uint8([grey, grey, grey])`.
#
# <details>
# <summary>Answers</summary>
#
# 1. A dog, and the network says cat, with 71%. It gets 15% of the photographs in this
#    sample wrong.
# 2. Yes, and surer than before, with 96%: it was trained with mirror images, too.
# 3. Then it says cat, with 48%: it had used the colours.
#
# </details>
