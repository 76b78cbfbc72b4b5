# %% [markdown]
# # 13. Faster: from Python to NumPy, to Numba, to a GPU
#
# *How can the very same convolution take minutes or milliseconds?* It is a great many sums of
# products, and nothing else.

# %%
import json
import timeit
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minicnn
from minicnn import alexnet, fast, reference, summary
from minicnn.reference.im2col import im2col
from minicnn.step import picture, step

maps = np.random.default_rng(0).standard_normal((8, 27, 27)).astype(np.float32)
im2col(maps, 5, 1, 2, 27, 27)  # the first call compiles
in_python = min(timeit.repeat(lambda: im2col.py_func(maps, 5, 1, 2, 27, 27), number=1, repeat=3))
compiled = min(timeit.repeat(lambda: im2col(maps, 5, 1, 2, 27, 27), number=1, repeat=3))
print(f"as Python {in_python * 1e3:.1f} ms, compiled {compiled * 1e3:.2f} ms")
print(f"{in_python / compiled:.0f} times as fast")
picture(maps=maps[0], cols=im2col(maps[:1], 5, 1, 2, 27, 27))

# %% [markdown]
# That was one function, twice: the loops of `im2col`, run by Python's interpreter and compiled by
# Numba. Not a letter differs. (All times are your own machine's, in this minute; what the text says
# of them holds anywhere.)
#
# Step through it on a tiny image. Every line is a line for the interpreter, too: look up the names,
# unpack the integers, check the types, add, pack again. For one number copied.

# %%
step(im2col, np.arange(9.0).reshape(1, 3, 3), f=2, stride=1, pad=0, H_out=2, W_out=2)

# %%
turns = 8 * 5 * 5 * 27 * 27  # places in a window, times windows
pace, pace_compiled = in_python / turns, compiled / turns  # seconds a turn
print(f"{turns:,} turns: {pace * 1e9:.0f} ns each, and {pace_compiled * 1e9:.1f} ns compiled")
layers = alexnet.alexnet(reference, rng=None)
sizes = {size.name: size for size in summary.measure(layers, (3, 224, 224))}
work = sum(size.multiply_adds for size in sizes.values())
print(f"AlexNet: {work:,} multiply-adds an image, at Python's pace {work * pace / 60:.1f} minutes")

# %% [markdown]
# One image through AlexNet is 724,406,816 multiply-adds: minutes, if each is a turn of a loop in
# Python. Training took 90 times 1.2 million images, forward and backward, and the six days of the
# paper would have become centuries. So the first rule: no loop over pixels in Python.
#
# ## Second idea: let a matrix product do it
#
# `reference.conv_forward` lays the windows out (lesson 2) and leaves the sums to NumPy, whose
# matrix product is the work of decades. **Predict** the price: how many times the memory of `x`
# does the matrix of conv2's 5×5 windows take?

# %%
rng = np.random.default_rng(1)
x = rng.standard_normal((4, 96, 27, 27)).astype(np.float32)
w = rng.standard_normal((256, 48, 5, 5)).astype(np.float32) / 35
b = np.zeros(256, np.float32)
cols = im2col(x[0], 5, 1, 2, 27, 27)
copies = cols.nbytes / x[0].nbytes
print(f"cols {cols.nbytes / 1e6:.1f} MB, x {x[0].nbytes / 1e6:.2f} MB: {copies:.0f} times")
flops = 2 * 4 * 27 * 27 * w.size  # a multiplication and an addition each
slow = min(timeit.repeat(lambda: reference.conv_forward(x, w, b, pad=2, groups=2), number=1))
print(f"{slow * 1e3:.0f} ms for 4 images: {flops / slow / 1e9:.0f} GFLOP/s")

# %% [markdown]
# ## Third idea: do not write the matrix at all
#
# The windows are in `x` already. `fast/product.py` reads them there, through two small tables that
# say where each window begins and where its entries are. Six sums of a whole vector stay in
# registers until they are complete, and all cores share the work. **Predict** what the first call
# costs.

# %%
times = timeit.repeat(lambda: fast.conv_forward(x, w, b, pad=2, groups=2), number=1)
print(f"first call {times[0]:.2f} s, then {min(times) * 1e3:.0f} ms", end=": ")
print(f"{flops / min(times) / 1e9:.0f} GFLOP/s")

# %% [markdown]
# Numba compiles a function when it is first called, and keeps the result on disk: the very first
# call takes seconds. Is the answer still the same? Sums in another order round differently, so ask
# for the first digits.

# %%
y, _ = reference.conv_forward(x, w, b, pad=2, groups=2)
y_fast, _ = fast.conv_forward(x, w, b, pad=2, groups=2)
apart = np.abs(y - y_fast).max() / np.abs(y).max()
print(f"largest difference {apart:.0e} of the largest number")

# %% [markdown]
# ## How fast could it be?
#
# A processor can do so many sums a second, and its memory can bring so many bytes a second. Which
# of the two limits a layer depends on how many operations it makes of each byte. **Predict**: is
# that conv2 or fc6, for one image? For 128?


# %%
def intensity(name, inputs, images):
    """Return the operations for each byte that a row reads or writes, numbers having 4 bytes."""
    size = sizes[name]
    numbers = images * (inputs + np.prod(size.output[0])) + size.parameters
    return 2 * images * size.multiply_adds / (4 * numbers)


for images in (1, 128):
    conv2, fc6 = intensity("conv2", 96 * 27 * 27, images), intensity("fc6", 9216, images)
    print(f"{images:3} images: conv2 {conv2:.0f} operations a byte, fc6 {fc6:.1f}")

# %% [markdown]
# For one image fc6 reads each weight for a single product: half an operation a byte, and the
# processor waits. With 128 images each weight serves 128 times. That is what batches are for.
#
# Now the *roofline*: a slope where memory is the limit, and a roof where the sums are. The circles
# are rows of AlexNet, forward, in batches of 32, as `python -m minicnn bench` measured them on two
# cores of a server.

# %%
bench = Path(minicnn.__file__).parent / "results" / "bench-alexnet.json"
measured = json.loads(bench.read_text())
limits, lines = measured["limits"], [q for q in measured["lines"] if q["pass"] == "forward"]
gflops = {q["row"]: q["gflops"] for q in lines}
inputs = {"conv1": 3 * 224**2, "conv2": 96 * 27**2, "fc6": 9216}  # numbers that a row sees
points = {name: (intensity(name, inputs[name], 32), gflops[name]) for name in inputs}
relu1 = next(q for q in lines if q["row"] == "relu1")
points["relu1"] = (1 / 8, relu1["gb_per_s"] / 8)  # a comparison for 4 bytes read and 4 written

figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
reach = np.geomspace(0.06, 1500)
axes.loglog(reach, np.minimum(reach * limits["gb_per_s"], limits["gflops"]), color="tab:red")
for name, place in points.items():
    axes.loglog(*place, "o", color="black", markerfacecolor="none")
    axes.annotate(name, place, textcoords="offset points", xytext=(6, -12))
axes.set(xlabel="operations a byte", ylabel="GFLOP/s", title="A slope and a roof")
figure

# %% [markdown]
# Convolutions live under the roof and come near it: conv2 reached 86% of NumPy's own product on
# that machine. ReLU lives on the slope; no cleverness in arithmetic can help it, only to touch
# memory less often. That is where a library can lose most: our normalization of conv1's maps took a
# 43rd of PyTorch's time there, because it reads each number once.
#
# ## Fourth idea: ten thousand threads
#
# A GPU has a higher roof and a steeper slope, and asks for another way to think: not "for each
# number, do this", but "I am thread $i$; what is mine?" Here is ReLU from `cuda/activations.py`. We
# only read it: this lesson needs no GPU.

# %%
cuda = Path(minicnn.__file__).parent / "cuda"
source = (cuda / "activations.py").read_text(encoding="utf-8")
begin, end = source.index("@cuda.jit\ndef relu_kernel"), source.index("@cuda.jit\ndef relu_back")
print(source[begin:end].rstrip())

# %% [markdown]
# The loop has gone: the hardware is the loop. (`if i < x.size`, because threads come in blocks, and
# the last block has some too many.) It becomes interesting where two threads want the same number.
# In backward of overlapping pooling (lesson 5) two windows may send their gradients to one pixel.
# On a CPU that is `+=` after `+=`; on a GPU, who writes last wins, and a gradient is lost.
# **Predict** how to avoid that, and then read how `cuda/pool.py` does it:

# %%
source = (cuda / "pool.py").read_text(encoding="utf-8")
print(source[source.index("Forward, a thread") : source.index("All kernels")].rstrip())

# %% [markdown]
# The windows do not send: the pixels ask.
#
# ## Change this and predict
#
# 1. Give `x`, `w` and `b` float64. A vector now holds half as many numbers: what happens to the
#    GFLOP/s?
# 2. Take windows of 1×1, so `w` of shape `(256, 96, 1, 1)`, no padding, `groups=1`. How large is
#    `cols` now?
# 3. `python -m minicnn bench --only layers` measures your machine. Which rows are on the slope?
