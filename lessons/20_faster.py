# %% [markdown]
# # 20. Faster: from Python to NumPy, to Numba, to a GPU
#
# *How can the very same convolution take minutes or milliseconds?* It is a great many sums of
# products, and nothing else.
#
# **30 minutes.** You need lessons 3 and 10. Afterwards you can say what limits the speed of a
# layer: Python, the processor or its memory.

# %%
import json
import timeit
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from minicnn import fast, reference
from minicnn.networks import alexnet, summary
from minicnn.reference.im2col import im2col
from minicnn.step import picture, step

package = Path(reference.__file__).parents[1]
maps = np.random.default_rng(0).standard_normal((8, 27, 27)).astype(np.float32)
im2col(maps, 5, 1, 2, 27, 27)  # the first call compiles
in_python = min(timeit.repeat(lambda: im2col.py_func(maps, 5, 1, 2, 27, 27), number=1, repeat=3))
compiled = min(timeit.repeat(lambda: im2col(maps, 5, 1, 2, 27, 27), number=1, repeat=3))
print(f"as Python {in_python * 1e3:.1f} ms, compiled {compiled * 1e3:.2f} ms")
picture(maps=maps[0], cols=im2col(maps[:1], 5, 1, 2, 27, 27))

# %% [markdown]
# That was one function, twice: the loops of `im2col`, run by Python's interpreter, and compiled by
# Numba, which is the first idea. (All times are your own machine's, in this minute.) Step through
# it, for a row of two pixels and windows of one. For each name the interpreter must find out, every
# time, what it is: all that to copy two numbers.

# %%
iterations = maps.size * 5 * 5  # each of 8·27·27 windows has 5·5 places
pace, pace_compiled = in_python / iterations, compiled / iterations  # seconds
print(f"{iterations:,} iterations: {pace * 1e9:.0f} ns each, {pace_compiled * 1e9:.1f} ns compiled")
sizes = {s.name: s for s in summary.measure(alexnet.alexnet(reference, rng=None), (3, 224, 224))}
work = sum(size.multiply_adds for size in sizes.values())
print(f"AlexNet: {work:,} multiply-adds an image, at Python's pace {work * pace / 60:.1f} minutes")
step(im2col, np.array([[[7.0, 8.0]]]), f=1, stride=1, pad=0, H_out=1, W_out=2)

# %% [markdown]
# 724,406,816 multiply-adds are minutes, if each is an iteration of a loop in Python. For 90 times
# 1.2 million images, forward and backward, the paper's six days would have become centuries.
#
# ## Second and third idea: a matrix product, and then no matrix
#
# `reference.conv_forward` lays the windows out (lesson 10) and leaves the sums to NumPy, whose
# matrix product is the work of decades. **Predict** the price: how many times the memory of `x`
# does the matrix of conv2's 5×5 windows take?
#
# But the windows are in `x` already. `fast/product.py` reads them there, through two small tables.
# Sums stay inside the processor until they are complete, all cores share the work, and where there
# are enough channels `fast/winograd.py` needs a sixth of conv2's multiplications. **Predict** what
# the first call costs. (A GFLOP is a billion of the definition's sums and products.)

# %%
rng = np.random.default_rng(1)
x = rng.standard_normal((4, 96, 27, 27)).astype(np.float32)
w = rng.standard_normal((256, 48, 5, 5)).astype(np.float32) / 35
b = np.zeros(256, np.float32)
cols = im2col(x[0], 5, 1, 2, 27, 27)
print(f"cols {cols.nbytes / 1e6:.1f} MB, {cols.nbytes / x[0].nbytes:.0f} times as much as x")
flops = 2 * 4 * 27 * 27 * w.size  # a multiplication and an addition each
slow = min(timeit.repeat(lambda: reference.conv_forward(x, w, b, pad=2, groups=2), number=1))
print(f"reference: {slow * 1e3:.0f} ms for 4 images, {flops / slow / 1e9:.0f} GFLOP/s")
times = timeit.repeat(lambda: fast.conv_forward(x, w, b, pad=2, groups=2), number=1)
quick = min(times)
print(f"fast: first {times[0]:.2f} s, then {quick * 1e3:.0f} ms, {flops / quick / 1e9:.0f} GFLOP/s")
y, _ = reference.conv_forward(x, w, b, pad=2, groups=2)
y_fast, _ = fast.conv_forward(x, w, b, pad=2, groups=2)
apart = np.abs(y - y_fast).max() / np.abs(y).max()
print(f"largest difference {apart:.0e} of the largest number")

# %% [markdown]
# Numba compiles a function when it is first called, which takes seconds, and keeps the result on
# disk for the next time. Only the last digits differ.
#
# ## How fast could it be?
#
# A processor limits how many sums a layer does in a second, and its memory how many bytes. Which of
# the two limits a layer depends on how many operations it does with each byte. **Predict**: conv2
# or fc6, which does more?

# %%
inputs = {"conv1": 3 * 224**2, "conv2": 96 * 27**2, "fc6": 9216}  # numbers that a layer sees


def intensity(name, images):
    """Return the operations for each byte that a layer reads or writes, at 4 bytes a number."""
    size = sizes[name]
    numbers = images * (inputs[name] + np.prod(size.output[0])) + size.parameters
    return 2 * images * size.multiply_adds / (4 * numbers)


for name in ("conv2", "fc6"):
    one, many = intensity(name, 1), intensity(name, 128)
    print(f"{name}: {one:.1f} operations a byte for one image, {many:.1f} for 128")

# %% [markdown]
# For one image fc6 reads each weight for a single product: half an operation a byte, and the
# processor waits. With 128 images each weight serves 128 times. That is what batches are for. Now
# the *roofline*: a slope where memory is the limit, a roof where the sums are, and layers of
# AlexNet, forward, in batches of 32 (from `python -m minicnn bench`, on two cores of a server).

# %%
measured = json.loads((package / "results" / "bench-alexnet.json").read_text())
limits = measured["limits"]
lines = {(line["row"].split("+")[0], line["pass"]): line for line in measured["lines"]}
points = {name: (intensity(name, 32), lines[name, "forward"]["gflops"]) for name in inputs}
points["update"] = (6 / 20, lines["update", "all"]["gb_per_s"] * 6 / 20)  # 6 on 5 numbers

figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
reach = np.geomspace(0.06, 1500)
axes.loglog(reach, np.minimum(reach * limits["gb_per_s"], limits["gflops"]), color="tab:red")
for name, place in points.items():
    axes.loglog(*place, "o", color="black", markerfacecolor="none")
    axes.annotate(name, place, textcoords="offset points", xytext=(6, -12))
axes.set(xlabel="operations a byte", ylabel="GFLOP/s")
figure

# %% [markdown]
# conv1 and conv2 stand above the roof, at 187% and 388% of NumPy's own product, since they do
# without most of the multiplications. On the slope it only helps to touch memory less often.
# So conv1 does the ReLU after it, too (`fast/fused.py`), and lrn1 took a 26th of PyTorch's time.
#
# ## Fourth idea: ten thousand threads
#
# A GPU has a higher roof and a steeper slope, and asks for another way of thinking: not "for each
# number, do this", but "I am thread $i$; what is mine?" The loop goes: the hardware is the loop. It
# becomes interesting where two threads want the same number. In backward of overlapping pooling
# (lesson 3) two windows may send gradients to one pixel. With `+=` by two threads at once, the last
# to write wins, and a gradient is lost. **Predict** how to avoid that. Then read two kernels, ReLU
# and that one. (We only read them; lesson 19 ran the first.)

# %%
for file, name in (("activations.py", "relu_kernel"), ("pool.py", "plain_max_back_kernel")):
    text = (package / "cuda" / file).read_text(encoding="utf-8")
    print(f"@cuda.jit\ndef {name}" + text.split(f"def {name}")[1].split("\n\n\n")[0] + "\n")

# %% [markdown]
# (`if i < x.size`, because threads come in blocks, and the last block has a few too many.) The
# windows do not send: the pixels ask. Each pixel has one thread, which looks at the few windows
# that hold it, adds up what it has won, and writes once.
#
# ## Change this and predict
#
# 1. Make `x`, `w` and `b` float64: numbers twice as long. What becomes of the GFLOP/s?
# 2. `python -m minicnn bench --only layers` measures your machine. Which lines are on the slope?
#
# <details>
# <summary>Answers</summary>
#
# 1. `fast` does about half: each number is twice as long, in memory and in the processor's
#    registers.
# 2. Those that do little with each number: ReLU, pooling, normalization, dropout, the loss and the
#    update. The table gives their GB/s.
#
# </details>
