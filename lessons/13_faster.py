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
picture(maps=maps[0], cols=im2col(maps[:1], 5, 1, 2, 27, 27))

# %% [markdown]
# That was one function, twice: the loops of `im2col`, run by Python's interpreter and compiled by
# Numba. Not a letter differs. (All times are your own machine's, in this minute.) Step through it.
# Each line is work for the interpreter, too: names, types, integers. For one number copied.

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
# 724,406,816 multiply-adds are minutes, if each is a turn of a loop in Python. Training took 90
# times 1.2 million images, forward and backward, and the paper's six days would have become
# centuries. So: no loop over pixels in Python.
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
print(f"cols {cols.nbytes / 1e6:.1f} MB, {cols.nbytes / x[0].nbytes:.0f} times as much as x")
flops = 2 * 4 * 27 * 27 * w.size  # a multiplication and an addition each
slow = min(timeit.repeat(lambda: reference.conv_forward(x, w, b, pad=2, groups=2), number=1))
print(f"{slow * 1e3:.0f} ms for 4 images: {flops / slow / 1e9:.0f} GFLOP/s")

# %% [markdown]
# ## Third idea: do not write the matrix at all
#
# The windows are in `x` already. `fast/product.py` reads them there, through two small tables that
# say where each window begins and where its entries are. Six sums of a whole vector stay in
# registers until they are complete, and all cores share the work. Where many channels meet many
# kernels, as here, `fast/winograd.py` goes one step further and needs only a third of the
# multiplications (below, all that the definition has are counted). **Predict** what the first call
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
# of the two limits a layer depends on how many operations it makes of each byte. **Predict**: conv2
# or fc6, which makes more?

# %%
inputs = {"conv1": 3 * 224**2, "conv2": 96 * 27**2, "fc6": 9216}  # numbers that a row sees


def intensity(name, images):
    """Return the operations for each byte that a row reads or writes, numbers having 4 bytes."""
    size = sizes[name]
    numbers = images * (inputs[name] + np.prod(size.output[0])) + size.parameters
    return 2 * images * size.multiply_adds / (4 * numbers)


for name in ("conv2", "fc6"):
    one, many = intensity(name, 1), intensity(name, 128)
    print(f"{name}: {one:.1f} operations a byte for one image, {many:.1f} for 128")

# %% [markdown]
# For one image fc6 reads each weight for a single product: half an operation a byte, and the
# processor waits. With 128 images each weight serves 128 times. That is what batches are for.
#
# Now the *roofline*: a slope where memory is the limit, and a roof where the sums are. The circles
# are rows of AlexNet, forward, in batches of 32, measured by `python -m minicnn bench` on two cores
# of a server.

# %%
bench = Path(minicnn.__file__).parent / "results" / "bench-alexnet.json"
measured = json.loads(bench.read_text())
limits, lines = measured["limits"], measured["lines"]
forward = {line["row"]: line for line in lines if line["pass"] == "forward"}
points = {name: (intensity(name, 32), forward[name]["gflops"]) for name in inputs}
points["relu1"] = (1 / 8, forward["relu1"]["gb_per_s"] / 8)  # 4 bytes read and 4 written

figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
reach = np.geomspace(0.06, 1500)
axes.loglog(reach, np.minimum(reach * limits["gb_per_s"], limits["gflops"]), color="tab:red")
for name, place in points.items():
    axes.loglog(*place, "o", color="black", markerfacecolor="none")
    axes.annotate(name, place, textcoords="offset points", xytext=(6, -12))
axes.set(xlabel="operations a byte", ylabel="GFLOP/s")
figure

# %% [markdown]
# Convolutions live under the roof and come near it: conv2 reached 86% of NumPy's own product. ReLU
# lives on the slope, where no cleverness in arithmetic helps, only to touch memory less often. That
# is where a library can lose most: our normalization of conv1's maps took a 43rd of PyTorch's time
# there, because it reads each number once.
#
# ## Fourth idea: ten thousand threads
#
# A GPU has a higher roof and a steeper slope, and asks for another way to think: not "for each
# number, do this", but "I am thread $i$; what is mine?" Here is ReLU from `cuda/activations.py`. We
# only read it: this lesson needs no GPU.


# %%
def kernel(file, name):
    """Return the source of a kernel, with its decorator."""
    text = (Path(minicnn.__file__).parent / "cuda" / file).read_text(encoding="utf-8")
    return f"@cuda.jit\ndef {name}" + text.split(f"def {name}")[1].split("\n\n\n")[0]


print(kernel("activations.py", "relu_kernel"))

# %% [markdown]
# The loop has gone: the hardware is the loop. (`if i < x.size`, because threads come in blocks, and
# the last block has some too many.) It becomes interesting where two threads want the same number.
# In backward of overlapping pooling (lesson 5) two windows may send gradients to one pixel. With
# `+=` by two threads at once, who writes last wins, and a gradient is lost. **Predict** how to
# avoid that, and then read the kernel:

# %%
print(kernel("pool.py", "plain_max_back_kernel"))

# %% [markdown]
# The windows do not send: the pixels ask. Each pixel has one thread, which looks at the few windows
# that hold it, adds up what it has won, and writes once.
#
# ## Change this and predict
#
# 1. Make `x`, `w` and `b` float64: a vector holds half as many numbers. What becomes of the
#    GFLOP/s?
# 2. `python -m minicnn bench --only layers` measures your machine. Which rows are on the slope?
