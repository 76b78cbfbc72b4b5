# %% [markdown]
# # 15. The whole of AlexNet
#
# *"60 million parameters and 650,000 neurons": where are they all? And do the paper's numbers add
# up?* Here is the network of Figure 2 as a list of layers, with no weights drawn yet.
#
# **30 minutes.** You need lessons 1 to 6. Afterwards you can count AlexNet's parameters, operations
# and memory by hand, and know where the paper slips.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import data, net, reference as ops, shapes
from minicnn.claims.report import sentence
from minicnn.networks import alexnet, summary
from minicnn.step import picture, step

layers = alexnet.alexnet(ops, rng=None)
print(f"{net.count_parameters(layers):,} weights and biases")
sizes = {size.name: size for size in summary.measure(layers, (3, 224, 224))}
learned = [size for size in sizes.values() if size.parameters]
names = [size.name for size in learned]
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
axes[0].barh(names, [size.parameters / 1e6 for size in learned], color="tab:purple")
axes[0].set_title("parameters, millions")
axes[1].barh(names, [size.multiply_adds / 1e6 for size in learned], color="tab:blue")
axes[1].set_title("multiply-adds for one image, millions")
axes[0].invert_yaxis()
figure

# %% [markdown]
# Each picture is almost the other upside down. Convolutions use few weights very often: conv2
# applies each of its kernels at 729 places. Fully connected layers use many weights once.
#
# ## Counting by hand
#
# conv1 has 96 kernels of $3 \times 11 \times 11$ weights and a bias each. conv2 has 256 kernels,
# and each sees only the 48 maps on its own GPU. fc6 has 4096 units, and each sees all
# $256 \times 6 \times 6$ numbers that pool5 leaves. **Predict**: which of them is the largest?

# %%
by_hand = {"conv1": 96 * (3 * 11 * 11 + 1), "conv2": 256 * (48 * 5 * 5 + 1)}
by_hand["fc6"] = 4096 * (256 * 6 * 6 + 1)
for name, count in by_hand.items():
    print(f"{name:6} by hand {count:10,}   in the table {sizes[name].parameters:10,}")
convolutions = [size for size in learned if size.name.startswith("conv")]
total, work = (sum(getattr(s, q) for s in learned) for q in ("parameters", "multiply_adds"))
share = sum(s.parameters for s in convolutions) / total
work_share = sum(s.multiply_adds for s in convolutions) / work
print(f"convolutions: {share:.1%} of the parameters, {work_share:.1%} of {work:,} multiply-adds")
shares = {s.name: 100 * s.parameters / total for s in convolutions}
print("each:", "  ".join(f"{name} {percent:.2f}%" for name, percent in shares.items()))

# %% [markdown]
# So 60,965,224 is the paper's "60 million". Convolutions hold 3.8% of it and do 91.9% of the work.
# If you are short of time, look at the right picture; if you are short of memory, or of images to
# learn that many weights from, at the left. That is why dropout stands in fc6 and fc7 alone. Each
# convolution, says the introduction, has "no more than 1% of the model's parameters", and yet none
# can be spared. Not quite 1%: conv3, which sees the maps of both GPUs, has 1.45%, and conv4 1.09%.
#
# ## Puzzle 1: is it 224 or 227?
#
# The first layer has windows of 11×11 pixels, 4 apart. On 224 pixels there is room for
# $(224 - 11)/4 = 53.25$ steps, and the paper has 55 outputs. **Predict** what rounding down gives,
# and what becomes of it in the three pools.

# %%
for size, ceil_mode in ((224, True), (227, False), (224, False)):
    widths = [shapes.out_size(size, 11, stride=4, ceil_mode=ceil_mode)]
    for _ in range(3):  # the other convolutions keep the width; each pool about halves it
        widths.append(shapes.pool_size(widths[-1], z=3, s=2))
    print(f"{size} pixels, rounded {'up' if ceil_mode else 'down'}: maps of {widths} pixels")
lost = 4096 * 256 * (6**2 - widths[-1] ** 2)
print(f"in the last case fc6 loses {lost:,} weights, which leaves {total - lost:,} parameters")

# %% [markdown]
# The original code rounds up (its `layer.py`), and so does conv1 here, with `ceil_mode=True`. The
# last windows hang over the far edge by 3 pixels and read zeros there. Libraries that round down
# crop 227 pixels, as Caffe does, or pad. But 224 is no misprint: the paper also says that the input
# is "150,528-dimensional", which is $224 \times 224 \times 3$. If you round down on 224 by mistake,
# you get no error message, but a count of 49,430,888 parameters.
#
# Here is rounding up in the smallest case: windows of 3×3 pixels, 2 apart, on 6×6 pixels, where all
# pixels and weights are 1. **Predict** the sums.

# %%
ones, no_bias = np.ones((1, 1, 6, 6)), np.zeros(1)
steps = step(ops.conv_forward, ones, ones[:, :, :3, :3], no_bias, stride=2, ceil_mode=True)
print(steps.result[0][0, 0])
steps

# %% [markdown]
# ## Puzzle 2: 253,440 neurons
#
# Below Figure 2 the paper counts the neurons of each layer. **Predict**: conv1 has 96 maps of
# 55×55. Is that what it says?

# %%
printed = [253_440, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
for size, said in zip(learned, printed, strict=True):
    print(f"{size.name:6} {size.neurons:8,}  the paper: {said:8,}{' !' * (said != size.neurons)}")
neurons = sum(size.neurons for size in learned)
print(f"{neurons:,} together; the paper's numbers add up to {sum(printed):,}")

# %% [markdown]
# Seven of eight agree. The first should be 290,400; then the sum is 659,272, the "650,000" of the
# abstract. And 253,440 is exactly $55 \times 48 \times 96$: one 55 has become the number of kernels
# on a GPU. A slip, it seems.
#
# ## The real size, once
#
# Now draw 61 million weights, enlarge a small photograph to 224 pixels, and pass it through. Here
# are the first four of 22 layers; each can be opened.

# %%
sample = data.load("sample")
mean = sample.train_x.mean(axis=(0, 2, 3)).reshape(3, 1, 1)  # of red, green and blue
x = data.augment.central_views(data.augment.rescaled(sample.train_x[7:8], 224), mean, 224)
drawn = net.predicting(alexnet.alexnet(ops, np.random.default_rng(0)), ops)  # nothing drops out
steps = step(net.forward, drawn[:4], x)
pool1, caches = steps.result
steps

# %%
scores, _ = net.forward(drawn[4:], pool1)  # and the other layers
loss, _ = ops.softmax_loss_forward(scores, np.array([0]))
print(f"{scores.size} scores from {scores.min():.2f} to {scores.max():.2f}, loss {loss:.2f}")
picture(x=x[0], relu1=caches[1][0][0, :8])  # eight maps, as backward of relu1 will need them

# %% [markdown]
# The loss is not far from $\ln 1000$, that of a network that knows nothing (lesson 6).
#
# **Predict**: when it learns from batches of 128, what takes more memory, the weights with their
# gradients and momentum variables, or what forward keeps of the images for backward?

# %%
mebibyte = 2**20
learning = 3 * 4 * total / mebibyte  # for each weight three numbers of four bytes
kept = 128 * summary.kept_bytes(layers, (3, 224, 224)) / mebibyte
print(f"weights, gradients, momentum {learning:.0f} MiB; kept of 128 images {kept:.0f} MiB")
print(sentence(8))

# %% [markdown]
# 698 and 710 MiB; `python -m minicnn summary alexnet` prints the whole account. Each of the
# authors' two GPUs had 3 GB, and that, says the paper, limits the size of a network.
# The last lines are the paper's count of a convolution's parameters (Section 1), and yours.
#
# ## Change this and predict
#
# 1. `alexnet.alexnet(ops, None, groups=1)` lets every kernel see all maps, as most copies of
#    AlexNet do. Which layers grow, and how many parameters are there then?
# 2. Build it with `size=448` and measure it with `(3, 448, 448)`. Which layer gets more parameters?
# 3. `python -m minicnn summary torchvision-alexnet` is what many call AlexNet today. Find three
#    differences before you look into `minicnn/networks/other_alexnets.py`.
#
# <details>
# <summary>Answers</summary>
#
# 1. conv2, conv4 and conv5, to 62,378,344 parameters in all.
# 2. fc6 alone: only its inputs depend on the size of the image.
# 3. For example: fewer kernels in conv1, no response normalization, one column.
#
# </details>
