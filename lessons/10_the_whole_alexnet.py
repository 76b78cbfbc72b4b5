# %% [markdown]
# # 10. The whole of AlexNet
#
# *"60 million parameters and 650,000 neurons": where are they all? And do the paper's numbers add
# up?*
#
# Here is the network of Figure 2 as a table of rows. Nothing is drawn at random and nothing is
# computed yet, so it costs no time: an empty batch goes through the layers and shows their
# shapes.

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import alexnet, data, net, shapes, summary
from minicnn import reference as ops
from minicnn.step import picture, step

layers = alexnet.alexnet(ops, rng=None)
print(f"{net.count_parameters(layers):,} weights and biases")

# %%
sizes = {size.name: size for size in summary.measure(layers, (3, 224, 224))}
learned = [size for size in sizes.values() if size.parameters]
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
names = [size.name for size in learned]
axes[0].barh(names, [size.parameters / 1e6 for size in learned], color="tab:purple")
axes[1].barh(names, [size.multiply_adds / 1e6 for size in learned], color="tab:blue")
axes[0].set_title("parameters, millions")
axes[1].set_title("multiply-adds for one image, millions")
axes[0].invert_yaxis()
figure

# %% [markdown]
# Two pictures of one network, and they are almost each other's opposite. The convolutions use few
# weights very often: conv2 places each of its kernels at 729 points of the map. The fully
# connected layers use many weights once.
#
# ## Counting by hand
#
# conv1 has 96 kernels of $3 \times 11 \times 11$ weights and a bias each. conv2 has 256 kernels,
# but each sees only the 48 maps on its own GPU. fc6 has 4096 units, and each sees all
# $256 \times 6 \times 6$ numbers that pool5 leaves. **Predict** which of the three is the
# largest, and by how much.

# %%
by_hand = {
    "conv1": 96 * (3 * 11 * 11 + 1),
    "conv2": 256 * (48 * 5 * 5 + 1),
    "fc6": 4096 * (256 * 6 * 6 + 1),
}
for name, count in by_hand.items():
    print(f"{name:6} by hand {count:10,}   in the table {sizes[name].parameters:10,}")

# %%
convolutions = [size for size in learned if size.name.startswith("conv")]
total, work = (sum(getattr(s, q) for s in learned) for q in ("parameters", "multiply_adds"))
share = sum(s.parameters for s in convolutions) / total
work_share = sum(s.multiply_adds for s in convolutions) / work
print(f"convolutions: {share:.1%} of the parameters, {work_share:.1%} of {work:,} multiply-adds")

# %% [markdown]
# So 60,965,224 is the paper's "60 million". Convolutions hold 3.8% of it and do 91.9% of the
# work. Keep both pictures in mind: who is short of time looks at the right one, and who is short
# of memory, or of images to learn so many weights from, at the left. That is where dropout
# stands: in fc6 and fc7 alone.
#
# ## "No more than 1%"
#
# The introduction says that removing any convolutional layer makes the network worse, though each
# contains "no more than 1% of the model's parameters". **Predict**: is that so?

# %%
shares = {s.name: 100 * s.parameters / total for s in convolutions}
print("  ".join(f"{name} {percent:.2f}%" for name, percent in shares.items()))

# %% [markdown]
# It is not, by a little: conv3 has 1.45% and conv4 1.09%. conv3 is the one that sees the maps of
# both GPUs. The point that the sentence makes stands all the same.
#
# ## Puzzle 1: is it 224 or 227?
#
# The first layer has windows of 11×11 pixels, 4 apart. On 224 pixels there is room for
# $(224 - 11)/4 = 53.25$ steps, and 55 outputs are what the paper has. **Predict** what rounding
# down gives.

# %%
for size, ceil_mode in ((224, False), (224, True), (227, False)):
    outputs = shapes.out_size(size, 11, stride=4, ceil_mode=ceil_mode)
    print(f"{size} pixels, rounded {'up' if ceil_mode else 'down'}: {outputs} outputs")

# %% [markdown]
# The original code rounds up (its `layer.py`), and so do these tables: `ceil_mode=True`. The last
# windows hang over the far edge by 3 pixels, and what they read there counts as zero. Libraries
# that round down crop 227 pixels instead, as Caffe does, or pad; many a page then claims that the
# paper "must have meant 227". It also says that the network's input is "150,528-dimensional",
# though, which is $224 \times 224 \times 3$. See what rounding up means in the smallest case:
# windows of 3, 2 apart, on 6.

# %%
ones = np.ones((1, 1, 6, 6), np.float32)
steps = step(ops.conv_forward, ones, ones[:, :, :3, :3], np.zeros(1, np.float32), 2, ceil_mode=True)
hanging, _ = steps.result
print(hanging[0, 0])
steps

# %% [markdown]
# Nine pixels of 1 in a window make 9; the windows at the far edge find six, and the last one
# four.
#
# Who rounds down on 224 by mistake gets maps of 54, 26, 12 and 5 pixels. Nothing complains, but
# fc6 loses a third of its inputs, and the network 11.5 million of its parameters: a count of
# 49,430,888 is the fingerprint of this mistake.

# %%
pixels = [shapes.out_size(224, 11, stride=4)]
for _ in range(3):  # the other convolutions keep the size; each pool about halves it
    pixels.append(shapes.pool_size(pixels[-1], z=3, s=2))
lost = 4096 * 256 * (6**2 - pixels[-1] ** 2)
print(pixels, f"{lost:,} weights lost, {total - lost:,} left")

# %% [markdown]
# ## Puzzle 2: 253,440 neurons
#
# Below Figure 2 the paper counts the neurons of each layer:
# "253,440–186,624–64,896–64,896–43,264– 4096–4096–1000". **Predict**: conv1 has 96 maps of 55×55.
# Is that what they say?

# %%
printed = [253_440, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
for size, said in zip(learned, printed, strict=True):
    print(
        f"{size.name:6} {size.neurons:8,}  the paper: {said:8,}",
        "" if said == size.neurons else "!",
    )
neurons = sum(size.neurons for size in learned)
print(f"{neurons:,} together; the paper's numbers add up to {sum(printed):,}")

# %% [markdown]
# Seven of eight agree. The first should be 290,400, and the sum, 659,272, is then the "650,000
# neurons" of the abstract, which the printed numbers miss. Where does 253,440 come from? It is
# exactly $55 \times 48 \times 96$: a 55 that became the number of kernels on one GPU. A slip, it
# seems; nobody has told.

# %%
print(f"55·55·96 = {55 * 55 * 96:,}   55·48·96 = {55 * 48 * 96:,}")

# %% [markdown]
# ## The real size, once
#
# Now draw 61 million weights, enlarge a small photograph to 224 pixels, and let it through all
# rows. Each of them can be opened.

# %%
sample = data.load("sample")
mean = sample.train_x.mean(axis=(0, 2, 3)).reshape(3, 1, 1)  # of red, green and blue
x = data.augment.central_views(data.augment.rescaled(sample.train_x[7:8], 224), mean, 224)
drawn = net.predicting(alexnet.alexnet(ops, np.random.default_rng(0)), ops)
steps = step(net.forward, drawn, x)
scores, caches = steps.result
steps

# %%
loss, _ = ops.softmax_loss_forward(scores, np.array([0]))
print(f"{scores.size} scores from {scores.min():.2f} to {scores.max():.2f}")
print(f"loss {loss:.2f}; of one who knows nothing: ln 1000 = {np.log(1000):.2f}")
picture(x=x[0], first_maps=caches[1][0][0, :8])

# %% [markdown]
# One image says little: an untrained network is near $\ln 1000$ on average, a little off on each.
#
# ## Memory
#
# To learn, it must keep what backward needs. **Predict** what takes more, with batches of 128:
# the 61 million weights with their gradients and momentum, or what is kept of the images?

# %%
mebibyte = 2**20
learning = 3 * 4 * total / mebibyte
kept = 128 * summary.kept_bytes(layers, (3, 224, 224)) / mebibyte
print(f"weights, gradients, momentum {learning:.0f} MiB; kept of 128 images {kept:.0f} MiB")

# %% [markdown]
# 698 and 812 MiB (`python -m minicnn summary alexnet` prints the whole account). A GTX 580 had 3
# GB, and the paper says that the size of the network was limited mainly by that.
#
# ## Change this and predict
#
# 1. `alexnet.alexnet(ops, None, groups=1)` lets every kernel see all maps, as most copies of
#    AlexNet do. Which rows grow, and how many parameters are there then?
# 2. Build it with `size=448` and measure it with `(3, 448, 448)`. Which row's parameters change,
#    and by what factor do multiply-adds of conv1 grow?
# 3. `python -m minicnn summary torchvision-alexnet` is what many people call AlexNet today. Find
#    three differences from the paper's before you look into `minicnn/other_alexnets.py`.
