# %% [markdown]
# # 17. What it learned
#
# *What does a network know that it was never told?* Here are the 64 kernels of the first layer of
# a small AlexNet that has learned all of CIFAR-10. It comes with this library, as `trained`.
#
# **30 minutes.** You need lessons 6, 13 and 14. Afterwards you can read a network's kernels and
# curves, and ask it which photographs it finds alike (Figures 3 and 4 of the paper).

# %%
import matplotlib.pyplot as plt
import numpy as np

from minicnn import data, net, reference as ops
from minicnn.claims.report import sentence
from minicnn.experiments import neighbours
from minicnn.plots import gallery
from minicnn.step import picture, slides
from minicnn.training import predictor, train

network = data.trained()
w = network.weights["conv1.w"]
figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
axes.imshow(gallery.sheet([gallery.as_picture(kernel) for kernel in w], 16))
axes.axis("off")
print(f"{w.shape}; {network.errors['sample']:.0%} errors on the 1,000 test images of the sample")
figure

# %% [markdown]
# Edges in several directions, some of them grey, and one colour against another: lesson 1's
# kernels, but no one wrote them down. `python -m minicnn figure3 trained` draws the same, the
# paper's Figure 3.
#
# ## Kernels that evolve
#
# They began as random numbers. The library keeps them as they were after some steps of training;
# 391 steps are an epoch. **Predict** when most of it happened: in the first epoch, or evenly? Then
# move the slider, and watch one kernel.

# %%
snapshots = network.kernels
pictures = {}
for steps, kernels in sorted(snapshots.items()):
    colours = np.stack([gallery.as_picture(kernel).transpose(2, 0, 1) for kernel in kernels])
    pictures[f"epoch {steps / 391:.2g}"] = {"kernels": np.uint8(255 * colours)}
end = snapshots[max(snapshots)].reshape(64, -1)
alike = {}  # {steps: how alike kernels are to the last ones, as the cosine of an angle}
for steps, kernels in snapshots.items():
    rows = kernels.reshape(64, -1)
    cosine = np.sum(rows * end, axis=1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(end, axis=1)
    alike[steps] = cosine.mean()
print(*[f"after {steps}: {alike[steps]:.2f}  " for steps in (0, 111, 500, 1955, 14858)])
slides(pictures)

# %% [markdown]
# The numbers say how alike the kernels are to the last ones: 1 would be equal, 0 not alike at all.
# Half of the way is done in the first five epochs; and even at the end the random start still
# shows: a kernel becomes what it happened to be nearest to.
#
# ## Reading curves
#
# Here is how its errors fell. The dots are where the learning rate was divided by ten. **Predict**
# what a smaller learning rate does to the error, just then.

# %%
columns = ("epoch", "training_error", "validation_error", "epsilon")
epochs, training, validation, rates = np.array([[e[c] for c in columns] for e in network.history]).T
training, validation = 100 * training, 100 * validation  # per cent
falls = [i for i in range(1, len(rates)) if rates[i] < rates[i - 1]]
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(epochs, training, label="training error")
axes.plot(epochs, validation, label="validation error")
axes.plot(epochs[falls], validation[falls], "o", color="black")
axes.set(xlabel="epochs", ylabel="error, %", ylim=(0, None))
axes.legend()
before, after = validation[falls[0] - 1], validation[falls[0]]
print(f"at the first fall of epsilon: from {before:.1f}% to {after:.1f}%")
figure

# %% [markdown]
# It falls at once: large steps get close quickly, but then jump from one side of the valley to the
# other. So one divides when the curve has become flat. And the two errors stay close together:
# 50,000 images, seen each time a little differently, are hard to learn by heart.
#
# And if $\epsilon$ is wrong from the beginning? Here is a single fully connected layer with three
# learning rates. **Predict** the three curves.

# %%
sample = data.load("sample")
train_x, train_y, *_ = data.prepare(sample, "unit")
small_x = ops.average_pool_forward(train_x[:1000], z=4, s=4)[0]
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
last = {}
for epsilon in (0.0005, 0.03, 0.5):
    rng = np.random.default_rng(0)
    layers = [net.row("fc", ops, "fc", net.gaussian(rng, (10, 192), std=0.01))]
    how = {"rng": rng, "epochs": 10, "batch": 100, "epsilon": epsilon, "progress": False}
    errors = train.train(layers, ops, (small_x, train_y[:1000]), **how).history
    last[epsilon] = 100 * errors[-1]["training_error"]
    axes.plot(range(1, 11), [100 * e["training_error"] for e in errors], label=f"ε = {epsilon}")
axes.set(xlabel="epochs", ylabel="training error, %", ylim=(0, 100))
axes.legend()
print(*[f"epsilon {epsilon}: {error:.0f}%  " for epsilon, error in last.items()])
figure

# %% [markdown]
# Too small learns, but slowly; too large jumps about and gets no further. So try learning rates in
# steps of three.
#
# ## What it answers
#
# The left half of the paper's Figure 4 shows photographs with the five most probable classes.
# **Predict** which two classes are the hardest to tell apart for it.

# %%
trained = predictor.load("trained", ops)
probabilities = predictor.predict(trained, sample.test_x[60:66])
for label, p in zip(sample.test_y[60:66], probabilities, strict=True):
    best = [f"{sample.classes[c]} {p[c]:.0%}" for c in np.argsort(-p)[:3]]
    print(f"{sample.classes[label]:12}{'   '.join(best)}")
picture(photographs=sample.test_x[60:66])

# %% [markdown]
# ## What it finds alike
#
# For the right half of Figure 4 two photographs are alike if their *features*, the numbers in the
# last hidden layer, are near each other. Take 100 test images and find the nearest of 400 others.
# **Predict** how often the neighbour has the same class, by the features, and by the pixels.

# %%
queries, base = sample.test_x[:100], sample.test_x[600:]
hidden = trained.layers[-2].name  # the last layer before the scores
by_features = [
    np.concatenate(list(predictor.features(trained, q, hidden))) for q in (queries, base)
]
by_pixels = [q.reshape(len(q), -1).astype(float) for q in (queries, base)]
same = {}
for name, (few, many) in (("features", by_features), ("pixels", by_pixels)):
    nearest = neighbours.nearest(few, many, k=1)
    same[name] = neighbours.agreement(sample.test_y[:100], sample.test_y[600:], nearest)
    print(f"nearest by {name}: the same class in {same[name]:.0%}")
first = neighbours.nearest(by_features[0][:3], by_features[1], k=1)[:, 0]
print(sentence(21))
picture(queries=queries[:3], found=base[first])

# %% [markdown]
# The photographs that it found share hardly a pixel with those asked for; for the network they are
# close. The claim was tested with three networks, and neighbours from all training images.
#
# ## Change this and predict
#
# 1. `python -m minicnn explore` writes a page with this network: take a map away. Does the answer
#    change?
# 2. Find neighbours by the output of `pool1` instead of the last hidden layer: do they agree about
#    as often as features, or as pixels?
#
# <details>
# <summary>Answers</summary>
#
# 1. Mostly not: what one map says, others say, too. Where it does, you have found what the map is
#    for.
# 2. Twice as often as pixels, less than half as often as features: the first layer knows edges and
#    colours, but no horses.
#
# </details>
